"""Plum: metaheuristics over phrases."""
