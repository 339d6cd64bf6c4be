"""SIMBA: a good and a bad run on one input become a rule or a demonstration."""
