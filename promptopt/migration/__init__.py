"""A prompt moves to other models: kept where it is no worse there, searched anew where it is, and tested either way.

The old model with the old prompt is the reference. Where the examples have no labels, what it answered is the target,
and a judge says whether a new reply serves as well.
"""

from __future__ import annotations

from promptopt.migration.freezing import freeze
from promptopt.migration.moved import Cost, Inferiority, Latency, Migration, Missing, OnModel, Shared, Target
from promptopt.migration.moving import MARGIN, migrate
from promptopt.migration.sharing import Together

__all__ = ["MARGIN", "Cost", "Inferiority", "Latency", "Migration", "Missing", "OnModel", "Shared", "Target",
           "Together", "freeze", "migrate"]  # fmt: skip
