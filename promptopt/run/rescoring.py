"""The run's door asked in another way than it is asked by itself: what evaluators are handed for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from promptopt.protocols import ANSWERING, Role
from promptopt.run.door import Door
from promptopt.types import Likelihoods, Reply, Request, ScoreRequest


@dataclass(frozen=True, slots=True)
class Recomputing:
    """`protocols.Ask` with another hint on what scored texts share, which makes it another call of the model.

    Stored scores come back equal; asked for like this, an engine computes them again, and may round otherwise.
    """

    door: Door

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        """As the door: replies are not drawn again."""
        return self.door(requests, role=role, repetition=repetition)

    def each(
        self, requests: Sequence[Request], draws: Sequence[str], *, role: Role = "task", repetition: int = 0
    ) -> Iterator[Reply]:
        """As the door: replies are not drawn again."""
        return self.door.each(requests, draws, role=role, repetition=repetition)

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        """As the door, the shared prefix exchanged for none, or for one character."""
        # The hint is part of a request's key and of no answer: another hint is another call, which an engine has to
        # compute.
        return self.door.score([replace(each, shared=0 if each.shared else 1) for each in requests], role=role)

    def can_score(self, role: Role = "task") -> bool:
        """As the door."""
        return self.door.can_score(role)

    def warn(self, message: str) -> None:
        """As the door."""
        self.door.warn(message)


@dataclass(frozen=True, slots=True)
class Redrawing:
    """`protocols.Ask` that draws the task model's replies at a temperature, of a model of another role where told.

    `temperature`: None: as each request says.
    """

    door: Door
    temperature: float | None
    role: Role

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        """As the door; what is asked of the task model is asked of the model of `self.role`."""
        # Whom an evaluator asks beside the task model, such as a judge, stays who it is.
        return self.door(self._warm(requests, role), role=self.role if role == "task" else role, repetition=repetition)

    def each(
        self, requests: Sequence[Request], draws: Sequence[str], *, role: Role = "task", repetition: int = 0
    ) -> Iterator[Reply]:
        """As the door; what is asked of the task model is asked of the model of `self.role`, unless it judges."""
        # In the order asked, as a cap cuts: those side by side that go to one model.
        for judging, group in groupby(zip(requests, draws, strict=True), key=lambda pair: pair[0].judging):
            together, drawn = zip(*group, strict=True)
            if judging:
                yield from self.door.each(together, drawn, role=role, repetition=repetition)
            else:
                asked = self.role if role == "task" else role
                yield from self.door.each(self._warm(together, role), drawn, role=asked, repetition=repetition)

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        """As the door: given texts are not drawn."""
        return self.door.score(requests, role=role)

    def can_score(self, role: Role = "task") -> bool:
        """As the door."""
        return self.door.can_score(role)

    def warn(self, message: str) -> None:
        """As the door."""
        self.door.warn(message)

    def _warm(self, requests: Sequence[Request], role: Role) -> Sequence[Request]:
        temperature = self.temperature
        # A judge that is drawn would score by chance, and a user who is another each time would be another test.
        if temperature is None or role not in ANSWERING:
            return requests
        return [replace(each, sampling=replace(each.sampling, temperature=temperature)) for each in requests]
