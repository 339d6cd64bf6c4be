"""CAPO: racing evolution with a price on length."""
