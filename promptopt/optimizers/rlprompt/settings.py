"""The groups of RLPrompt's settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from promptopt.errors import ConfigError
from promptopt.ranges import within


@dataclass(frozen=True, slots=True)
class Learning:
    """How the adapter is trained."""

    rate: float | None = None
    """Adam's; None: by the preset; 0: nothing is learned, and what is drawn are random prompts. Paper: 5e-5."""
    hidden: int | None = None
    """Width of the adapter's middle layer; None: by the preset. Paper: 2048."""
    clip: float = 5.0
    """The largest norm of a gradient (their code)."""
    target_rate: float = 1e-3
    """How far the target network follows at each step (their code)."""
    bias: float | None = 0.0
    """Added to all logits, which moves every soft value. None: minus the log of the vocabulary, which explores more.
    Their code: 0 for classification, -10 for style transfer."""
    consistency: Literal["both", "single", "multi"] = "both"
    """Which of soft Q-learning's two losses (their code: the mean of both)."""
    scale: float = 5.0
    """What a z-score is multiplied by for soft Q-learning (their code, for classification)."""
    offset: float = 0.0
    """Added to that; their code has 100 and -20 for style transfer."""
    entropy: float = 0.01
    """For `rloo` and `grpo`: the weight of the mean entropy. Ours."""
    kl: float = 0.0
    """For `rloo` and `grpo`: the price of a nat of KL to the frozen model. Ours."""

    def __post_init__(self) -> None:
        within(self, "learn", rate=(0.0, 1.0), hidden=(1, math.inf), clip=(0.0, math.inf), target_rate=(0.0, 1.0))
        if self.clip == 0:
            raise ConfigError("the setting 'learn.clip' is 0, so nothing would be learned; set it above 0")
        within(self, "learn", bias=(-1e6, 1e6), scale=(0.0, 1e6), offset=(-1e6, 1e6), entropy=(0.0, 1e6), kl=(0.0, 1e6))


@dataclass(frozen=True, slots=True)
class Exploring:
    """What the policy may write. None: by the preset; 0: no limit."""

    top: int | None = None
    """The likeliest tokens that can be drawn at each place; ties among them are broken by chance. Paper: 256; style
    transfer: 50."""
    vocabulary: int | None = None
    """Tokens that it knows, whole words first."""
    fluent: int = 0
    """Only so many tokens at each place, the likeliest of the frozen model; 0: all. Paper: off; 20 where it is on."""

    def __post_init__(self) -> None:
        within(self, "explore", top=(0, math.inf), vocabulary=(0, math.inf), fluent=(0, math.inf))


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. None: by the preset."""

    steps: int | None = None
    """Updates. Paper: 12,000, and 6,000 for two tokens."""
    prompts: int | None = None
    """Drawn a step. Paper: 16."""
    examples: int | None = None
    """Training examples that prompts are rewarded on, the same at every step. Paper: 16 of each label."""
    held: int | None = None
    """Dev examples that greedy prompts are ranked by. Paper: 16 of each label."""
    every: int | None = None
    """Steps from one greedy prompt to the next, and from one keeping of the weights to the next. Paper: 10."""
    finalists: int = 10
    """Drawn prompts of the highest reward that are ranked on dev beside the greedy ones in the end. Ours."""

    def __post_init__(self) -> None:
        within(self, "size", steps=(1, math.inf), examples=(1, math.inf), held=(1, math.inf), every=(1, math.inf))
        within(self, "size", prompts=(2, math.inf), finalists=(0, math.inf))


LEARNING, EXPLORING, SIZES = Learning(), Exploring(), Sizes()
