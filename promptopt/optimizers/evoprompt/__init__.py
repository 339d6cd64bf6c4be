"""EvoPrompt: a genetic algorithm and differential evolution whose operators are requests."""
