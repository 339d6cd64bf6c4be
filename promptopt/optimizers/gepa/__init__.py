"""GEPA: reflective evolution with Pareto selection."""
