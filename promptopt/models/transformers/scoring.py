"""Score requests through forward passes: what is read for each, batch by batch, each answer once complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from promptopt.models.boundary import SHORTEST_PREFIX, cut
from promptopt.models.chat_tokens import ChatTokens
from promptopt.models.transformers.forward import Forward, Prefix
from promptopt.models.transformers.packing import Read, Tree, following
from promptopt.types import Content, ScoreRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read for a request.

    `reads`: for every continuation, the texts whose wanted values, in order, are those of its `scored` tokens.
    `prefix`: what all reads begin with and may share with other requests. `fits`: whether the context holds them.
    """

    prefix: Prefix
    reads: tuple[tuple[Read, ...], ...]
    scored: tuple[tuple[int, ...], ...]
    prompt_tokens: int
    merged: bool
    fits: bool


Planner = Callable[[ScoreRequest], Plan]


def causal_planner(tokens: ChatTokens, context: int) -> Planner:
    """Plans for a model that reads from left to right and holds `context` tokens."""

    def plan(request: ScoreRequest) -> Plan:
        forced = tokens.force(request)
        # The last token before the first that is scored has to be evaluated for its output: it is never in the prefix.
        texts = list(zip(forced.wholes, forced.starts, strict=True))
        shared = min(tokens.shared(request.content, request.shared, forced.context), forced.root - 1)
        return Plan(
            forced.context[:shared] if shared >= SHORTEST_PREFIX else (),
            tuple((following(whole, start),) if start < len(whole) else () for whole, start in texts),
            tuple(whole[start:] for whole, start in texts),
            forced.prompt_tokens,
            forced.merged,
            forced.longest <= context,
        )

    return plan


def score(
    requests: Sequence[ScoreRequest], plan: Planner, forward: Forward, stopping: Callable[[], bool]
) -> Iterator[tuple[int, Plan, list[tuple[float, ...]]]]:
    """Yield for each request its index, its plan, and the values of every continuation: none where it does not fit.

    Requests of one prefix are read together, and planned when their turn comes, so that memory holds one batch.
    """
    groups: dict[Content, list[int]] = {}
    for index, request in enumerate(requests):
        groups.setdefault(cut(request.content, request.shared), []).append(index)
    for group in groups.values():
        batches = _Batches(forward)
        for index in group:
            if stopping():
                return
            found = plan(requests[index])
            if not found.fits:
                yield index, found, []
                continue
            yield from batches.add(index, found)
        for prefix in batches.open:
            if stopping():
                return
            yield from batches.evaluate(prefix)


@dataclass(slots=True)
class _Pending:
    """A request whose reads are under way, and how many of them are to come."""

    plan: Plan
    values: list[list[tuple[float, ...]]]
    missing: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the values of a read belong: read `number` of continuation `continuation` of request `index`."""

    index: int
    continuation: int
    number: int


Settled = Iterator[tuple[int, Plan, list[tuple[float, ...]]]]


class _Batches:
    """Reads that wait until a forward pass is full, apart by prefix."""

    def __init__(self, forward: Forward) -> None:
        self._forward, self._most = forward, forward.most
        self._trees: dict[Prefix, Tree] = {}
        self._waiting: dict[Prefix, list[tuple[_Place, Read]]] = {}
        self._pending: dict[int, _Pending] = {}

    @property
    def open(self) -> list[Prefix]:
        """The prefixes that reads wait for."""
        return list(self._waiting)

    def add(self, index: int, plan: Plan) -> Settled:
        """Take in a request; what was full before it is evaluated, and what that completes is yielded."""
        if not any(plan.reads):
            yield index, plan, [() for _ in plan.reads]
            return
        blank: list[list[tuple[float, ...]]] = [[()] * len(reads) for reads in plan.reads]
        self._pending[index] = _Pending(plan, blank, sum(map(len, plan.reads)))
        for continuation, reads in enumerate(plan.reads):
            for number, read in enumerate(reads):
                tree = self._trees.get(plan.prefix)
                if tree is not None and len(tree) + tree.growth(read) > self._most:
                    yield from self.evaluate(plan.prefix)
                self._trees.setdefault(plan.prefix, Tree(len(plan.prefix))).add(read)
                place = _Place(index, continuation, number)
                self._waiting.setdefault(plan.prefix, []).append((place, read))

    def evaluate(self, prefix: Prefix) -> Settled:
        """Evaluate what waits for a prefix, and yield the requests that this completes."""
        waiting = self._waiting.pop(prefix)
        del self._trees[prefix]
        found = self._forward.logprobs(prefix, [read for _, read in waiting])
        self._most = self._forward.most
        for (place, _), values in zip(waiting, found, strict=True):
            pending = self._pending[place.index]
            pending.values[place.continuation][place.number] = values
            pending.missing -= 1
            if not pending.missing:
                del self._pending[place.index]
                joined = [tuple(value for part in parts for value in part) for parts in pending.values]
                yield place.index, pending.plan, joined
