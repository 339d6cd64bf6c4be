"""Bootstrapped demonstrations, with random search."""
