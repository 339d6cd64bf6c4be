"""A policy without torch: a table of logits for each place, which learns by the gradient of log-probabilities."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from promptopt.operators.training import Learned, Sample, Tokens, TrainingBatch

Rows = list[list[float]]


@dataclass
class Table:
    """A `Policy` whose tokens are places in `words`; `log` and `batches` say what was asked of it.

    `joined` makes a sample of tokens and of the shares that the policy gives them. `heeds`: what of a context has a
    table of its own, as a pattern. `weighted`: other sequences count by their targets as they are, not by their mean.
    `forgets_at`: the update that it loses all by that it knew.
    """

    name: str
    words: tuple[str, ...]
    length: int
    rate: float
    joined: Callable[[Sequence[str], Tokens, Sequence[float]], Sample]
    fails_at: tuple[int, ...] = ()
    heeds: str = ""
    weighted: bool = False
    forgets_at: int = 0
    log: list[str] = field(default_factory=list)
    batches: list[TrainingBatch] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    tables: dict[str, Rows] = field(default_factory=dict)

    @property
    def learned(self) -> int:
        return len(self.batches)

    def shares(self, context: str = "") -> Rows:
        """The probabilities at each place."""
        return [softmax(row) for row in self._rows(context)]

    def sample(self, seed: int, count: int, contexts: Sequence[str] = ()) -> list[Sample]:
        self.log.append("sample")
        self.contexts += contexts
        chance = random.Random(seed)
        return [self._sample(tuple(chance.choices(range(len(self.words)), row)[0] for row in self.shares(each)), each)
                for each in (contexts if contexts else [""] * count)]  # fmt: skip

    def greedy(self, context: str = "") -> Sample:
        self.log.append("greedy")
        return self._sample(tuple(max(range(len(row)), key=row.__getitem__) for row in self.shares(context)), context)

    def encode(self, text: str) -> Sample:
        given = [text] if text in self.words else text.split()
        tokens = tuple(self.words.index(word) for word in given if word in self.words)
        return self._sample(tokens, "") if len(tokens) == self.length else Sample((), text)

    def learn(self, batch: TrainingBatch) -> Learned:
        self.log.append("learn")
        self.batches.append(batch)
        if self.learned in self.fails_at:
            return Learned(math.nan, 0.0, 0.0)
        drawn = [(tokens, target) for tokens, target in zip(batch.samples, batch.targets, strict=True)]
        rows = [(tokens, None if target is None else target / len(drawn)) for tokens, target in drawn]
        others = 1 if self.weighted else len(batch.others)
        rows += [(tokens, target / others) for tokens, target in zip(batch.others, batch.other_targets, strict=True)]
        contexts = batch.contexts if batch.contexts else ("",) * len(rows)
        before = {context: self.shares(context) for context in contexts}
        for (tokens, target), context in zip(rows, contexts, strict=True):
            for row, share, token in zip(self._rows(context), before[context], tokens, strict=True):
                for place in range(len(row)):
                    row[place] += self.rate * (0.0 if target is None else target) * ((place == token) - share[place])
        known = next(iter(before.values()), self.shares())
        if self.learned == self.forgets_at:
            self.tables = {}
        entropy = -sum(each * math.log(each) for share in known for each in share if each > 0) / self.length
        return Learned(1.0 + len(rows), entropy, math.log(len(self.words)) - entropy)

    def halve_rate(self) -> None:
        self.rate /= 2

    def state(self) -> bytes:
        return json.dumps([self.tables, self.rate]).encode()

    def restore(self, state: bytes) -> None:
        self.log.append("restore")
        self.tables, self.rate = json.loads(state)

    def _rows(self, context: str) -> Rows:
        heeded = re.search(self.heeds, context)
        even = [[0.0] * len(self.words) for _ in range(self.length)]
        return self.tables.setdefault("" if heeded is None else heeded[0], even)

    def _sample(self, tokens: Tokens, context: str) -> Sample:
        shares = [row[token] for row, token in zip(self.shares(context), tokens, strict=True)]
        return self.joined(self.words, tokens, shares)


def softmax(row: Sequence[float]) -> list[float]:
    top = max(row)
    raised = [math.exp(each - top) for each in row]
    return [each / sum(raised) for each in raised]
