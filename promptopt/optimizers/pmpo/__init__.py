"""PMPO: mask analysis and rewriting by loss or preference."""
