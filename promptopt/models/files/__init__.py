"""Model files: what can be fetched, fetching, and digests of what lies on the disk."""
