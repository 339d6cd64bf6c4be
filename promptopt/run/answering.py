"""One prompt for several models: each example is asked of the model that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from promptopt.errors import BudgetSpent, CutShort
from promptopt.protocols import Ask, AskEach, Role
from promptopt.types import Cell, Example, Likelihoods, Reply, Request, Score, ScoreRequest


def role_of(example: Example) -> Role:
    """Who answers it."""
    return cast("Role", example.answered_by) if example.answered_by else "task"


def by_role(examples: Sequence[Example]) -> Mapping[Role, list[int]]:
    """The places of those that each model answers, in order."""
    found: dict[Role, list[int]] = {}
    for place, example in enumerate(examples):
        found.setdefault(role_of(example), []).append(place)
    return found


def scored_by_each(
    scored: Callable[[Sequence[Cell], Ask], list[Score]], cells: Sequence[Cell], ask: Ask
) -> list[Score]:
    """What `scored` gives, each cell asked of its own model. Raises CutShort where a limit cuts after some of them."""
    roles = by_role([cell.example for cell in cells])
    if set(roles) <= {"task"}:
        return scored(cells, ask)
    known: dict[int, Score] = {}
    for role, places in roles.items():
        try:
            known.update(zip(places, scored([cells[at] for at in places], _Answering(ask, role)), strict=True))
        except BudgetSpent as spent:
            if isinstance(spent, CutShort):
                known.update((places[place], score) for place, score in spent.scores.items())
            if not known:
                raise
            # What another model has answered by now was paid for.
            raise CutShort(str(spent), {at: known[at] for at in sorted(known)}) from spent
    return [known[at] for at in range(len(cells))]


@dataclass(frozen=True, slots=True)
class _Answering:
    """`protocols.Ask` whose task model is the model of another role."""

    ask: Ask
    role: Role

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        """As the door; whom an evaluator asks beside the task model, such as a judge, stays who it is."""
        return self.ask(requests, role=self._who(role), repetition=repetition)

    def each(
        self, requests: Sequence[Request], draws: Sequence[str], *, role: Role = "task", repetition: int = 0
    ) -> Iterator[Reply]:
        """As the door."""
        return cast("AskEach", self.ask).each(requests, draws, role=self._who(role), repetition=repetition)

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        """As the door."""
        return self.ask.score(requests, role=self._who(role))

    def can_score(self, role: Role = "task") -> bool:
        """As the door."""
        return self.ask.can_score(self._who(role))

    def warn(self, message: str) -> None:
        """As the door."""
        self.ask.warn(message)

    def _who(self, role: Role) -> Role:
        return self.role if role == "task" else role
