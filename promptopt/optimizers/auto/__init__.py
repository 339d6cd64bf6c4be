"""`auto`: the method where none is named. The search is in `search`, its plan, operators and requests beside it."""
