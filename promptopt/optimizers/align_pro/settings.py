"""How Align-Pro's prompter is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from promptopt.errors import ConfigError
from promptopt.ranges import within


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """The paper's own numbers are not published, so all of these are ours."""

    stages: Literal["both", "weights", "gradient"] = "both"
    """Fit the first draws by their weights, then follow the gradient of reward less KL; or one of the two alone."""
    fit: int = 10
    """Steps of the first stage, on all draws at once."""
    steps: int = 20
    """Steps of the second, each on as many new draws as `rewrites` says."""
    rank: int = 8
    """Of the adapters."""
    rate: float = 5e-4
    """Adam's."""
    clip: float = 1.0
    """The largest norm of a gradient."""
    longest: int = 160
    """Tokens of a rewrite; one that is not at its end by then is of no use."""
    every: int = 5
    """Steps from one line of the record, and one keeping of the weights, to the next."""
    device: str = ""
    """Of the prompter: cpu, cuda; empty: a GPU where there is one."""

    def __post_init__(self) -> None:
        within(self, "train", fit=(1, math.inf), steps=(1, math.inf), rank=(1, math.inf), rate=(0.0, 1.0))
        within(self, "train", clip=(0.0, math.inf), longest=(1, math.inf), every=(1, math.inf))
        if self.clip == 0:
            raise ConfigError("the setting 'train.clip' is 0, so nothing would be learned; set it above 0")


TRAINING = TrainingSettings()
