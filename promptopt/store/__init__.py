"""Everything a run writes: calls, journals, runs. Nothing outside this package writes to disk on a run's behalf."""
