"""What vLLM is asked for so that given texts are scored, at the least cost; nothing here needs vLLM.

Two ways lead to the log-probability of each token of a continuation. Reading *ahead*: one request for every distinct
beginning of a continuation asks for the tokens that follow it (all single-token labels of an example are one request).
Reading *along*: one request a continuation asks for the rows of its own tokens. A row is only there where it was
computed. So a request that reads along must not find its own rows in the prefix cache, and what it found is checked
each time. Whether the rows are right is proved against a full recomputation before they are trusted.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from promptopt.models.boundary import Forced

MOST_FOLLOWING = 128
"""vLLM's limit on `logprob_token_ids` (MAX_LOGPROB_TOKEN_IDS)."""
LEADERS = 8
"""Prefixes that may be computed side by side before those that share them come; bounds what the
cache must hold. Ours."""


@dataclass(frozen=True, slots=True)
class LogProbRequest:
    """One request: `tokens` are read, and log-probabilities are wanted.

    Of `tokens[start:]`, each after all before it (start == len(tokens): of none), and of the tokens `following`, each
    after all of `tokens`. `fresh`: nothing is taken from the prefix cache.
    """

    tokens: tuple[int, ...]
    start: int
    following: tuple[int, ...]
    fresh: bool = False

    @property
    def has_rows(self) -> bool:
        """Whether tokens of its own are scored."""
        return self.start < len(self.tokens)


@dataclass(frozen=True, slots=True)
class LogProbs:
    """What a `LogProbRequest` gave, in nats. `cached`: how many leading tokens came from the prefix cache."""

    rows: tuple[float, ...]
    following: Mapping[int, float]
    cached: int

    def logprob(self, read: LogProbRequest, place: int, token: int) -> float:
        """Of the token that stands at `place` in the sequence."""
        return self.rows[place - read.start] if place < len(read.tokens) else self.following[token]


@dataclass(frozen=True, slots=True)
class LogProbSchedule:
    """The reads that a `Forced` takes, and `where[i][k]`: the read that scores token k of continuation i."""

    reads: tuple[LogProbRequest, ...]
    where: tuple[tuple[int, ...], ...]

    def logprobs(self, forced: Forced, found: Sequence[LogProbs]) -> list[tuple[float, ...]]:
        """The log-probabilities of every continuation's tokens, from what every read gave."""
        return [
            tuple(
                found[number].logprob(self.reads[number], place, whole[place])
                for place, number in enumerate(numbers, start)
            )
            for whole, start, numbers in zip(forced.wholes, forced.starts, self.where, strict=True)
        ]


def schedule(forced: Forced, shared: int, block: int, *, along: bool) -> LogProbSchedule:
    """The cheapest way to score `forced`, by the tokens that have to be computed.

    `shared`: leading tokens of the context that the cache will hold; it does so in blocks of `block` tokens. `along`:
    whether rows may be read over cached tokens; if not, reading along computes everything anew.
    """
    tree = _Tree(forced)

    def known(number: int) -> int:
        # What the first read of the context computed, the others find in the cache.
        return shared if number == 0 else max(shared, len(forced.context))

    ahead = sum(_computed(place, known(number), block) for number, place in enumerate(tree.places))
    beside = _along(forced, fresh=not along)
    cost = sum(
        _computed(len(read.tokens), 0 if read.fresh else known(number), block)
        for number, read in enumerate(beside.reads)
    )
    # Tokens first, then requests; of equals the reads ahead, whose rows need no proof.
    return beside if (cost, len(beside.reads)) < (ahead, len(tree.places)) else tree.schedule(forced)


def _computed(length: int, known: int, block: int) -> int:
    """Tokens to be computed of `length`, of which `known` were seen before; the last one always is."""
    return length - min(known, length - 1) // block * block


class _Tree:
    """The distinct beginnings of continuations, and what follows each.

    Beginnings are kept as places in the sequences, for written out they would take memory in the square of the length.
    """

    def __init__(self, forced: Forced) -> None:
        self.places: list[int] = []
        self._sources: list[int] = []
        self._following: list[dict[int, None]] = []
        self._paths: list[list[int]] = []
        # A continuation departs from the context at its start: only those with the same start have more in common.
        nodes: dict[tuple[int | None, int], int] = {}
        for source, (whole, start) in enumerate(zip(forced.wholes, forced.starts, strict=True)):
            path: list[int] = []
            edge: tuple[int | None, int] = (None, start)
            for place in range(start, len(whole)):
                if edge not in nodes:
                    nodes[edge] = len(self.places)
                    self.places.append(place)
                    self._sources.append(source)
                    self._following.append({})
                node = nodes[edge]
                path.append(node)
                self._following[node][whole[place]] = None
                edge = (node, whole[place])
            self._paths.append(path)

    def schedule(self, forced: Forced) -> LogProbSchedule:
        """A read for every beginning, asking for all that follows it."""
        reads: list[LogProbRequest] = []
        numbers: dict[tuple[int, int], int] = {}
        for node, (place, source) in enumerate(zip(self.places, self._sources, strict=True)):
            wanted = tuple(self._following[node])
            for begin in range(0, len(wanted), MOST_FOLLOWING):
                some = wanted[begin : begin + MOST_FOLLOWING]
                numbers.update({(node, token): len(reads) for token in some})
                reads.append(LogProbRequest(forced.wholes[source][:place], place, some))
        where = tuple(
            tuple(numbers[node, token] for node, token in zip(path, whole[start:], strict=True))
            for path, whole, start in zip(self._paths, forced.wholes, forced.starts, strict=True)
        )
        return LogProbSchedule(tuple(reads), where)


def _along(forced: Forced, *, fresh: bool) -> LogProbSchedule:
    """A read for every distinct continuation: all of its tokens but the last as rows, the last as what follows."""
    numbers: dict[tuple[tuple[int, ...], int], int] = {}
    reads: list[LogProbRequest] = []
    for whole, start in zip(forced.wholes, forced.starts, strict=True):
        if start < len(whole) and (whole, start) not in numbers:
            numbers[whole, start] = len(reads)
            # Nothing but the last token is scored: no row is wanted, so nothing has to be computed anew.
            reads.append(LogProbRequest(whole[:-1], start, whole[-1:], fresh=fresh and start < len(whole) - 1))
    where = tuple(
        (numbers[whole, start],) * (len(whole) - start) if start < len(whole) else ()
        for whole, start in zip(forced.wholes, forced.starts, strict=True)
    )
    return LogProbSchedule(tuple(reads), where)


@dataclass(frozen=True, slots=True)
class ScoreBatch:
    """The reads of several schedules in the order they are sent: those of prefixes that schedules share come first.

    `after`: as in `Waiting`. `owners[i]`: (schedule, its read) of read i, None for a prefix.
    """

    reads: tuple[LogProbRequest, ...]
    after: tuple[int | None, ...]
    owners: tuple[tuple[int, int] | None, ...]


def batch(schedules: Sequence[LogProbSchedule], prefixes: Sequence[tuple[int, ...]], block: int) -> ScoreBatch:
    """`prefixes[i]`: the leading tokens of schedule i that the cache can hold, as in `prefixes_first`."""
    first, leaders = prefixes_first(prefixes)
    reads = [LogProbRequest(prefix, len(prefix), ()) for prefix in first]
    after: list[int | None] = [None] * len(reads)
    owners: list[tuple[int, int] | None] = [None] * len(reads)
    for number, (each, prefix, leader) in enumerate(zip(schedules, prefixes, leaders, strict=True)):
        opening = len(reads)
        for part, read in enumerate(each.reads):
            # The context of the first holds further whole blocks that the others need.
            gains = part > 0 and min(read.start, each.reads[0].start) // block * block > len(prefix)
            after.append(None if read.fresh else opening if gains else leader)
            owners.append((number, part))
            reads.append(read)
    return ScoreBatch(tuple(reads), tuple(after), tuple(owners))


def proved(read: LogProbRequest, tolerance: float, ask: Callable[[LogProbRequest], LogProbs | None]) -> bool | None:
    """Whether rows read over cached tokens are those of a full recomputation, within `tolerance` nats.

    `ask` gives None where rows are missing. None: nothing came from the cache, or rows were in it too, and so nothing
    was learnt.
    """
    # It fills the cache up to the rows, and no further.
    ask(LogProbRequest(read.tokens[: read.start - 1], read.start - 1, ()))
    cached, whole = ask(replace(read, fresh=False)), ask(replace(read, fresh=True))
    if cached is None or whole is None or cached.cached == 0:
        return None
    return len(cached.rows) == len(whole.rows) and all(
        math.isclose(one, other, rel_tol=0.0, abs_tol=tolerance)
        for one, other in zip(cached.rows, whole.rows, strict=True)
    )


def prefixes_first(prefixes: Sequence[tuple[int, ...]]) -> tuple[list[tuple[int, ...]], list[int | None]]:
    """(the prefixes to be read before all else, for each request which of them it waits for).

    `prefixes[i]`: the leading tokens of request i that the cache can hold, empty where there are none. A prefix that no
    two requests share is nobody's to wait for.
    """
    counts = Counter(prefixes)
    shared = [prefix for prefix, count in counts.items() if prefix and count > 1]
    numbers = {prefix: number for number, prefix in enumerate(shared)}
    return shared, [numbers.get(prefix) for prefix in prefixes]


class Waiting:
    """Requests in order; one that shares another's prefix waits until that one has been read."""

    def __init__(self, after: Sequence[int | None]) -> None:
        """`after[i]`: the request that must be read before i begins, an earlier one, or None."""
        self._behind: dict[int, list[int]] = {}
        for index, leader in enumerate(after):
            if leader is not None:
                self._behind.setdefault(leader, []).append(index)
        self._leaders = deque(i for i, leader in enumerate(after) if leader is None and i in self._behind)
        self._ready = deque(i for i, leader in enumerate(after) if leader is None and i not in self._behind)
        self._leading: set[int] = set()

    def take(self) -> int | None:
        """The next request that may begin; None while all wait for others, and in the end."""
        if self._ready:
            return self._ready.popleft()
        if self._leaders and len(self._leading) < LEADERS:
            leader = self._leaders.popleft()
            self._leading.add(leader)
            return leader
        return None

    def read(self, index: int) -> None:
        """Say that a request has been read: those that wait for it come next, while its tokens are in the cache."""
        self._leading.discard(index)
        self._ready.extendleft(reversed(self._behind.pop(index, [])))
