"""Runs and comparisons as one HTML file: no network, no text of a run is markup, the same in print and in the dark."""
