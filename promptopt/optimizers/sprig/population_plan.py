"""How large the population of the later SPRIG is, and how many prompts are scored: by the budget, or by the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from promptopt.text import counted
from promptopt.types import Room

Operation = Literal["crossover", "delete", "swap", "rephrase", "merge", "useful", "useless", "insert"]
SHARES: dict[Operation, float] = {
    "crossover": 0.815, "delete": 0.05, "swap": 0.05, "rephrase": 0.025, "merge": 0.025, "useful": 0.025,
    "useless": 0.01,
}  # fmt: skip
"""How often each is drawn; the paper's."""
WRITTEN: tuple[Operation, ...] = ("rephrase", "merge", "useful", "useless")
"""Those that the proposer writes."""
TRIES: dict[Operation, int] = {"rephrase": 1, "merge": 1, "useful": 3, "useless": 3}
"""How often the proposer is asked for a child at most, where its reply breaks the corpus's rules; the code's."""
DATA = 0.4
"""Share of a budget that goes into what the surrogate learns from before the first step. Ours."""
STEPS, TRIED, BEST = 25, 100, 10
"""The paper's: steps, members by chance and best members that are scored in each."""
DATA_PAPER, POPULATION_PAPER = 10_000, 9_000
POPULATION = 1_000
"""Members under a budget: the corpus has some two hundred. Ours."""
ROUND = 12
"""Prompts that a step scores under a budget, at least; a third of them are its best. Ours."""


@dataclass(frozen=True, slots=True)
class PopulationPlan:
    """Concrete numbers. `data`: prompts scored before the first step; `tried` and `best`: in each step."""

    steps: int
    population: int
    data: int
    tried: int
    best: int
    examples: int
    written: int
    evaluations: int | None

    @property
    def rounds(self) -> int:
        """The steps."""
        return self.steps

    def describe(self) -> str:
        """Half a sentence."""
        return (
            f"{counted(self.data, 'prompt')} for the surrogate, then {counted(self.steps, 'step')} of "
            f"{self.tried + self.best} of a population of {self.population:,}, {counted(self.examples, 'example')} each"
        )


def planned_population(
    room: Room, cells: int | None, examples: int | None, steps: int | None, *, writes: bool
) -> PopulationPlan:
    """By the budget (`cells`), else the paper's numbers. `writes`: whether the proposer is asked."""
    if cells is None:
        shown = min(10 if examples is None else examples, room.train)
        written = round(POPULATION_PAPER / 2 * sum(SHARES[each] for each in WRITTEN)) if writes else 0
        return PopulationPlan(
            steps=STEPS if steps is None else steps,
            population=POPULATION_PAPER,
            data=DATA_PAPER,
            tried=TRIED,
            best=BEST,
            examples=shown,
            written=written,
            evaluations=None,
        )
    shown = min(24 if examples is None else examples, room.train)
    while shown > 4 and examples is None and cells < 5 * ROUND * shown:
        shown //= 2
    # Less the start, which is scored on every draw.
    prompts = max(2, cells // shown - 1)
    data = max(1, round(DATA * prompts))
    # One more in each step: the start, on a new draw.
    rounds = min(STEPS, max(1, (prompts - data) // (ROUND + 1))) if steps is None else steps
    each = max(1, (prompts - data) // rounds - 1)
    best = max(1, each // 3)
    return PopulationPlan(
        steps=rounds,
        population=POPULATION,
        data=data,
        tried=max(0, each - best),
        best=best,
        examples=shown,
        written=best if writes else 0,
        evaluations=cells,
    )
