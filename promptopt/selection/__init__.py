"""Which prompts go on: best-arm identification on a budget of evaluations. Compared in `benchmarks/selection.py`."""
