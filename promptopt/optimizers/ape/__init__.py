"""APE: a model guesses the instruction from inputs and outputs."""
