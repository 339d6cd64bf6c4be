"""PromptQuine and TAPruning: an in-context prompt loses its tokens."""
