"""OPRO: the model reads its own scored history."""
