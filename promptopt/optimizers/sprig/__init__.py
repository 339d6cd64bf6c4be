"""Search for a system prompt over a corpus of components."""
