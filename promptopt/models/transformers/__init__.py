"""Models read by transformers."""
