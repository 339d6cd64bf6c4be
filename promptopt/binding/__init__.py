"""From what a user names to the objects of a run."""
