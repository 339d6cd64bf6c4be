"""MIPROv2: grounded instructions and bootstrapped demonstrations, chosen by a Bayesian search."""
