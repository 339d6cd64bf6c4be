"""What a training plans: the paper's sizes, those of two cores, those of a trial; and how far a budget goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from promptopt.text import counted
from promptopt.types import Room

RLPreset = Literal["cpu-small", "paper", "smoke"]
"""Where open settings come from."""
USEFUL = 20
"""Steps that a search is of any use from. Ours."""


@dataclass(frozen=True, slots=True)
class RLPlan:
    """Concrete numbers of one training.

    `prompts`: drawn a step; 0 where it learns from given ones alone. `examples`: that each is rewarded on. `held`: dev
    examples of the greedy prompt. `every`: steps between two greedy prompts. `top`, `vocabulary`: None is no limit.
    `inputs`: of a step, where prompts are written for single ones, all of `examples` in turn; 0: one prompt is for all.
    """

    length: int
    steps: int
    prompts: int
    examples: int
    held: int
    every: int
    hidden: int
    rate: float
    top: int | None
    vocabulary: int | None
    inputs: int = 0

    @property
    def rounds(self) -> int:
        """Steps."""
        return self.steps

    @property
    def step(self) -> int:
        """Evaluations of one step, where no prompt comes up again."""
        # For single inputs each prompt is rewarded on its own input alone.
        return self.prompts if self.inputs else self.prompts * self.examples

    def describe(self) -> str:
        """The plan in half a sentence."""
        among_which = counted(self.prompts, "prompt") if self.prompts else "given prompts"
        drawn = f"{counted(self.steps, 'step')} of {among_which} of {counted(self.length, 'token')}"
        among = f"{self.inputs} of {counted(self.examples, 'example')}"
        rewarded = f"for {among}" if self.inputs else f"on {counted(self.examples, 'example')}"
        look = f"the greedy {'prompts' if self.inputs else 'prompt'} on {self.held} others"
        return f"{drawn} {rewarded}, and {look} every {counted(self.every, 'step')}"

    def within(self, room: Room) -> RLPlan:
        """The same with the steps that the room is sure to pay for, beside the empty prompt and the last greedy one."""
        cells = room.cells()
        if cells is None:
            return self
        # The empty prompt and the last greedy one are looked at whatever happens.
        return replace(self, steps=min(self.steps, self.affordable(cells - 2 * self.held)))

    def affordable(self, cells: int) -> int:
        """Steps that so many evaluations are sure to pay for, each with its share of a look."""
        return max(0, int(cells / (self.step + self.held / self.every)))

    def promised(self, taken: int, left: int | None) -> str:
        """The steps there will be; `8 to 20` where what is left pays for 8: prompts that come up again are free.

        `left`: evaluations, after `taken` steps; None: no cap.
        """
        sure = self.steps if left is None else taken + self.affordable(left - 2 * self.held)
        return str(self.steps) if sure >= self.steps else f"{sure} to {self.steps}"


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset. `share`: of the training examples, up to `most`; 16 of each label are 16, 8 or 2 of each by it."""

    length: int
    steps: int
    prompts: int
    share: float
    most: int
    every: int
    hidden: int
    rate: float
    top: int | None
    vocabulary: int | None


PRESETS: dict[RLPreset, Preset] = {
    "paper": Preset(5, 12_000, 16, 1.0, 256, 10, 2048, 5e-5, 256, None),
    "cpu-small": Preset(3, 500, 8, 1 / 2, 32, 10, 2048, 1e-3, None, 2_000),
    "smoke": Preset(2, 20, 4, 1 / 8, 8, 5, 64, 1e-3, None, None),
}
"""Paper: Deng et al. 2022 for classification, its whole few-shot training set; 6,000 steps for prompts of two tokens.
The others are ours: their rates are higher, for they have few steps."""
HELD = 64
"""Dev examples, at most (paper: 16 of each label)."""
