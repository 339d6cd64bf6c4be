"""What several methods share: rewriting, reading replies, masks, demonstrations."""
