"""Data as users have it, read into rows."""
