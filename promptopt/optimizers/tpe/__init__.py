"""A Bayesian search over instructions and sets of demonstrations, in the manner of MIPRO."""
