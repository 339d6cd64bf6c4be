"""One model that several workers hold: to a run it is the model itself, with its name and its abilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial

from promptopt.models.actors.fleet import Fleet
from promptopt.models.actors.worker import Named
from promptopt.types import Likelihoods, Reply, Request, ScoreRequest

COUNTED = 65_536
"""Texts whose number of tokens is remembered, so that no message is sent for it again."""


class FleetModel:
    """`protocols.Model` over a fleet. It has what the model in the workers has, and nothing else."""

    def __init__(self, fleet: Fleet, named: Named) -> None:
        """Raises ConfigError where the model cannot be opened, or not the same one on every worker."""
        self._fleet, self._named = fleet, named
        facts = fleet.facts(named)
        self.name = facts.name
        said = {"context": facts.context, "local": facts.local, "generates": facts.generates}
        found: dict[str, object] = {name: value for name, value in said.items() if value is not None}
        if facts.alternatives is not None:
            # The protocol asks by a call each time; the workers were asked once, so the call gives a constant.
            found["reports_alternatives"] = partial(bool, facts.alternatives)
        if facts.scores is not None:
            found["can_score"], found["score"] = partial(bool, facts.scores), self._score
        if facts.counts:
            found["count_tokens"] = lru_cache(COUNTED)(partial(fleet.count_tokens, named))
        if facts.cuts:
            found["pieces"] = partial(fleet.pieces, named)
        if facts.inexact:
            found["exact"], found["flips"] = self._exact, self._flips
        # What a model can do is asked by what it has, so what the workers' lacks must not be here either.
        vars(self).update(found)

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield `(index, reply)` as replies settle; see `Model.generate`."""
        for index, answer in self._fleet.ask(self._named, requests, stopping):
            assert isinstance(answer, Reply)
            yield index, answer

    def _score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        for index, answer in self._fleet.ask(self._named, requests, stopping):
            assert isinstance(answer, Likelihoods)
            yield index, answer

    def _exact(self) -> FleetModel:
        twin = self if self._named.exact else FleetModel(self._fleet, Named(self._named.spec, exact=True))
        # A model that is exact already names its twin as itself: two objects would count the same tokens twice.
        return self if twin.name == self.name else twin

    def _flips(self, requests: Sequence[Request]) -> tuple[int, int]:
        theirs = dict(self._exact().generate(requests))
        ours = dict(self.generate(requests))
        return sum(ours[index].text != theirs[index].text for index in theirs), len(requests)
