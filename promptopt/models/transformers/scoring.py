"""Score requests through forward passes: what is read for each, batch by batch, each answer once complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from promptopt.errors import BackendError
from promptopt.models.boundary import SHORTEST_PREFIX, beginning, common_length
from promptopt.models.chat_tokens import ChatTokens
from promptopt.models.transformers.forward import Forward, Later
from promptopt.models.transformers.packing import Read, following
from promptopt.models.transformers.prefixes import Prefix
from promptopt.types import Content, ScoreRequest, flat

WORTH_A_PASS, WORTH_A_PASS_ON_CPU = 4_096, 128
"""Tokens that a shared prefix must save to be worth passes of its own: the host of a GPU has to launch each of them,
and short ones keep no core busy.

On an H200, prompts of 8 tokens with 16 inputs each were scored five times as fast without. On a core, a pass of 8
tokens reads 90 of them a second, and one of 128 reads 310 (SmolLM2-135M).
"""
ALIKE = 512
"""Requests at most that are planned before the first of them is read, to see what they share. Ours."""


@dataclass(frozen=True, slots=True)
class ReadSchedule:
    """What is read for a request.

    `reads`: for every continuation, the texts whose wanted values, in order, are those of its `scored` tokens.
    `prefix`: what all reads begin with and the request says that it shares. `stem`: all that they begin with before
    anything is wanted of it; other requests may begin so too. `fits`: whether the context holds them.
    """

    prefix: Prefix
    reads: tuple[tuple[Read, ...], ...]
    scored: tuple[tuple[int, ...], ...]
    prompt_tokens: int
    merged: bool
    fits: bool
    stem: Prefix = ()


Scheduler = Callable[[ScoreRequest], ReadSchedule]


def causal_scheduler(tokens: ChatTokens, context: int) -> Scheduler:
    """Schedules for a model that reads from left to right and holds `context` tokens."""

    def schedule(request: ScoreRequest) -> ReadSchedule:
        forced = tokens.force(request)
        # The last token before the first that is scored has to be evaluated for its output: it is never in the prefix.
        texts = list(zip(forced.wholes, forced.starts, strict=True))
        shared = min(tokens.shared(request.content, request.shared, forced.context), forced.root - 1)
        return ReadSchedule(
            forced.context[:shared] if shared >= SHORTEST_PREFIX else (),
            tuple((following(whole, start),) if start < len(whole) else () for whole, start in texts),
            tuple(whole[start:] for whole, start in texts),
            forced.prompt_tokens,
            forced.merged,
            forced.longest <= context,
            forced.context[: max(0, forced.root - 1)],
        )

    return schedule


def score(
    requests: Sequence[ScoreRequest], schedule: Scheduler, forward: Forward, stopping: Callable[[], bool]
) -> Iterator[tuple[int, ReadSchedule, list[tuple[float, ...]]]]:
    """Yield for each request its index, its schedule, and the values of every continuation: none where it does not fit.

    Requests of one prefix are read together, and among them those that begin alike: where prompts stand after the
    input, that is what each input's requests share, and nobody said so. They are planned when their turn comes, so
    that memory holds few batches: on a GPU the one that is computed, and the one that is prepared meanwhile.
    """
    groups: dict[Content, list[int]] = {}
    for index, request in enumerate(requests):
        groups.setdefault(beginning(request.content, request.shared), []).append(index)
    batches = _Batches(forward)
    worth = WORTH_A_PASS_ON_CPU if forward.device == "cpu" else WORTH_A_PASS
    for group in groups.values():
        for run in _alike((index, schedule(requests[index])) for index in _side_by_side(requests, group)):
            deeper = _deeper_prefix([found for _, found in run], worth)
            for index, found in run:
                if stopping():
                    yield from batches.settle()
                    return
                if not found.fits:
                    yield index, found, []
                    continue
                if deeper:
                    found = replace(found, prefix=deeper)
                elif forward.device != "cpu" and len(found.prefix) * (len(group) - 1) < worth:
                    found = replace(found, prefix=())
                yield from batches.add(index, found)
            if deeper:
                yield from batches.finish([prefix for prefix in batches.open if prefix == deeper], stopping)
        # What has no prefix waits for what else has none.
        yield from batches.finish([prefix for prefix in batches.open if prefix], stopping)
    yield from batches.finish(batches.open, stopping)
    yield from batches.settle()


def _side_by_side(requests: Sequence[ScoreRequest], group: Sequence[int]) -> list[int]:
    """The group in its order, but for what begins alike beyond what is shared anyway: that comes with the first of it.

    By characters, of which a token seldom has none; the tokens tell later.
    """
    texts = {index: flat(requests[index].content, "") for index in group}
    blocks: list[list[int]] = []
    for index in sorted(group, key=texts.__getitem__):
        least = requests[index].shared + SHORTEST_PREFIX
        if not blocks or common_length(texts[blocks[-1][-1]], texts[index]) < least:
            blocks.append([])
        blocks[-1].append(index)
    return [index for block in sorted(blocks, key=min) for index in block]


_Scheduled = tuple[int, ReadSchedule]


def _alike(scheduled: Iterable[_Scheduled]) -> Iterator[list[_Scheduled]]:
    """Neighbours together that begin alike beyond the prefix they name, by enough tokens to be worth keeping."""
    run: list[_Scheduled] = []
    for each in scheduled:
        if run and (len(run) == ALIKE or not _goes_on(run[-1][1], each[1])):
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _goes_on(one: ReadSchedule, other: ReadSchedule) -> bool:
    return common_length(one.stem, other.stem) >= len(one.prefix) + SHORTEST_PREFIX


def _deeper_prefix(schedules: Sequence[ReadSchedule], worth: int) -> Prefix:
    """What all of them begin with, where reading it once saves so many tokens beside their own prefix; else nothing."""
    first = schedules[0]
    common = min(common_length(first.stem, other.stem) for other in schedules)
    return first.stem[:common] if (common - len(first.prefix)) * (len(schedules) - 1) >= worth else ()


@dataclass(slots=True)
class _Pending:
    """A request whose reads are under way, and how many of them are to come."""

    schedule: ReadSchedule
    values: list[list[tuple[float, ...]]]
    missing: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the values of a read belong: read `number` of continuation `continuation` of request `index`."""

    index: int
    continuation: int
    number: int


SettledReads = Iterator[tuple[int, ReadSchedule, list[tuple[float, ...]]]]


@dataclass(slots=True)
class _ReadBatch:
    """Reads of one prefix, and at most how many tokens they have beside it."""

    reads: list[tuple[_Place, Read]]
    tokens: int


class _Batches:
    """Reads that wait until a forward pass is full, apart by prefix, and those under way."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._most: dict[Prefix, int] = {}
        self._waiting: dict[Prefix, _ReadBatch] = {}
        self._pending: dict[int, _Pending] = {}
        self._begun: list[tuple[_ReadBatch, Later]] = []

    @property
    def open(self) -> list[Prefix]:
        """The prefixes that reads wait for."""
        return list(self._waiting)

    def add(self, index: int, schedule: ReadSchedule) -> SettledReads:
        """Take in a request; what was full before it is begun, and what is complete by then is yielded."""
        # No continuation has a token to be scored.
        if not any(schedule.reads):
            yield index, schedule, [() for _ in schedule.reads]
            return
        blank: list[list[tuple[float, ...]]] = [[()] * len(reads) for reads in schedule.reads]
        self._pending[index] = _Pending(schedule, blank, sum(map(len, schedule.reads)))
        prefix = schedule.prefix
        for continuation, reads in enumerate(schedule.reads):
            for number, read in enumerate(reads):
                batch = self._waiting.get(prefix)
                if batch is not None and batch.tokens + _unshared_tokens(prefix, batch, read) > self._at_most(prefix):
                    yield from self.evaluate(prefix)
                    batch = None
                if batch is None:
                    batch = self._waiting[prefix] = _ReadBatch([], 0)
                batch.tokens += _unshared_tokens(prefix, batch, read)
                batch.reads.append((_Place(index, continuation, number), read))

    def finish(self, prefixes: Sequence[Prefix], stopping: Callable[[], bool]) -> SettledReads:
        """Begin with what waits for each of the prefixes, unless it is to stop."""
        for prefix in prefixes:
            if stopping():
                return
            yield from self.evaluate(prefix)

    def evaluate(self, prefix: Prefix) -> SettledReads:
        """Begin with what waits for a prefix, and yield the requests that what was begun before completes."""
        batch = self._waiting.pop(prefix)
        try:
            later = self._forward.launch(prefix, [read for _, read in batch.reads])
        except BackendError:
            # What was computed before is handed over first: the caller stores it.
            yield from self.settle()
            raise
        self._most.clear()  # what fits may have changed
        self._begun.append((batch, later))
        # On a GPU one batch is left under way while the host prepares the next.
        yield from self.settle(self._forward.ahead)

    def settle(self, ahead: int = 0) -> SettledReads:
        """Wait for all that was begun but the last `ahead` batches, and yield the requests that this completes."""
        while len(self._begun) > ahead:
            batch, later = self._begun.pop(0)
            for (place, _), values in zip(batch.reads, later(), strict=True):
                pending = self._pending[place.index]
                pending.values[place.continuation][place.number] = values
                pending.missing -= 1
                if not pending.missing:
                    del self._pending[place.index]
                    joined = [tuple(value for part in parts for value in part) for parts in pending.values]
                    yield place.index, pending.schedule, joined

    def _at_most(self, prefix: Prefix) -> int:
        if prefix not in self._most:
            self._most[prefix] = self._forward.most(len(prefix))
        return self._most[prefix]


def _unshared_tokens(prefix: Prefix, batch: _ReadBatch, read: Read) -> int:
    """How many tokens a read has that neither the prefix nor the read before it has: neighbours share most."""
    before = batch.reads[-1][1].tokens[len(prefix) :] if batch.reads else ()
    own = read.tokens[len(prefix) :]
    return len(own) - common_length(before, own)
