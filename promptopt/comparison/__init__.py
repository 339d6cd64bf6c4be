"""Methods, models and prompts held against each other: the same tasks, seeds and budget, and tests that say so."""
