"""OptoPrime: a whole program, its values and its feedback as one problem to a model."""
