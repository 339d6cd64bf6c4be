"""How much of MIPRO a budget pays for: the presets of the code, and trials for what is left."""

from __future__ import annotations

import math
from dataclasses import dataclass

from promptopt.text import counted
from promptopt.types import Room

LIGHT, MEDIUM, HEAVY = 6, 12, 18
"""n of the code's presets: sets of demonstrations, and twice the instructions."""
EXAMPLES = {LIGHT: 100, MEDIUM: 300, HEAVY: 1000}
"""The most examples of a full score, by preset. Code."""
MINIBATCH, FULL_EVERY = 35, 5
"""Examples of a trial, and trials between full scores. Code."""
SMALL, LARGE = 1_000, 5_000
"""Evaluations from which on the preset is medium, and heavy: what these come to on 100 and 300 examples. Ours."""
SHOWN_SHARE = 0.2
"""The share of the training examples that demonstrations and proposals are made from. Code."""
LEAST_SHOWN = 10
"""Examples that are set aside for that at least, where there are as many. Ours."""


@dataclass(frozen=True, slots=True)
class MIPROPlan:
    """Concrete numbers. `shown`, `scored`: examples; `startup`: trials at random at first."""

    rounds: int
    instructions: int
    sets: int
    minibatch: int
    shown: int
    scored: int
    startup: int

    def describe(self) -> str:
        """Half a sentence."""
        return (
            f"{counted(self.rounds, 'trial')} of {counted(self.instructions, 'instruction')} and {self.sets} sets of "
            f"demonstrations, on {counted(self.minibatch, 'example')} each and now and then on {self.scored}"
        )


def trials_for(variables: int, sets: int) -> int:
    """max(2 v log2 n, 1.5 n), rounded down (code)."""
    return int(max(2 * variables * math.log2(max(2, sets)), 1.5 * sets))


@dataclass(frozen=True, slots=True)
class Given:
    """What the user set; None: by the plan."""

    trials: int | None
    instructions: int | None
    sets: int | None
    minibatch: int | None
    scored: int | None


def trials_plan(room: Room, given: Given, *, bootstrapped: int, by_budget: bool) -> MIPROPlan:
    """The code's preset, light, medium or heavy, by the room; under a budget examples and trials that it pays for."""
    cells = room.cells() if by_budget else None
    size = MEDIUM if cells is None else LIGHT if cells < SMALL else MEDIUM if cells < LARGE else HEAVY
    # The code's are n sets and n / 2 instructions. Under a cap a set costs evaluations to make, and an instruction a
    # call: on planted tasks, at 500, 1,000 and 2,000, that gains 0.07, 0.08 and 0.08, this 0.10, 0.11 and 0.12.
    usual = (size, size // 2) if cells is None else (size // 2, 3 * size // 2)
    sets = usual[0] if given.sets is None else given.sets
    # Without sets to choose from, the code has n instructions.
    proposed = size if cells is None and sets == 1 else usual[1]
    instructions = proposed if given.instructions is None else given.instructions
    # A variable for each text, and one for the sets. Under a budget as for one: what is left goes to trials anyhow.
    texts = room.parts if cells is None else 1
    trials = trials_for(texts + (sets > 1), size)
    shown = min(max(LEAST_SHOWN, int(SHOWN_SHARE * room.train)), max(1, room.train - 1))
    if cells is not None:
        shown = min(shown, max(2 * bootstrapped, cells // 10))
    most = max(1, min(room.train - shown, EXAMPLES[size]))
    if cells is None:
        scored = most if given.scored is None else min(given.scored, most)
        # As in the code: trials on a part of the examples pay only where there are many.
        batch = (MINIBATCH if scored > 50 else scored) if given.minibatch is None else given.minibatch
        count = trials if given.trials is None else given.trials
        return MIPROPlan(
            rounds=count, instructions=instructions, sets=sets, minibatch=batch, shown=shown, scored=scored, startup=10
        )
    left = max(1, cells - shown)
    # A minibatch of a third of the examples, as 35 of 100 are, so that V (1 + T / 5) + b T is what there is.
    scored = max(3, min(most, int(left / (1 + trials / FULL_EVERY + trials / 3))))
    batch = max(1, min(MINIBATCH, math.ceil(scored / 3)))
    # A minibatch ends at 35: what it no longer grows by goes to full scores.
    scored = min(most, max(scored, int((left - batch * trials) / (1 + trials / FULL_EVERY))))
    scored = scored if given.scored is None else min(given.scored, most)
    batch = batch if given.minibatch is None else given.minibatch
    afforded = max(1, int((left - scored) / (scored / FULL_EVERY + min(batch, scored))))
    # Full scores end at the preset's examples: what is left then goes to further trials.
    count = max(trials, afforded) if given.trials is None else given.trials
    return MIPROPlan(
        rounds=count,
        instructions=instructions,
        sets=sets,
        minibatch=batch,
        shown=shown,
        scored=scored,
        # Of few trials ten at random, as Optuna has them, would leave few to be guided.
        startup=min(10, max(2, count // 3)),
    )
