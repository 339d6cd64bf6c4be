"""Align-Pro: rewrites of a prompt, weighted by what they earn under a bound on their KL."""
