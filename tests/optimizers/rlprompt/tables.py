"""A policy without torch: a table of logits for each place, which learns by the gradient of log-probabilities."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from promptopt.operators.training import Batch, Learned, Sample, Tokens
from promptopt.optimizers.rlprompt.plan import RLPlan

WORDS = ("carefully", "exactly", "twice", "soon", "snow", "please", "slowly", "maybe")

MADE: list[Table] = []
"""Every table that was opened: no setting, so that a run that is watched is the same run."""


@dataclass
class Table:
    """A `Policy` whose state is a list of lists; `log` says what was asked of it."""

    words: tuple[str, ...]
    length: int
    rate: float = 0.5
    fails_at: tuple[int, ...] = ()
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = f"a table of {len(self.words)} words"
        self.logits = [[0.0] * len(self.words) for _ in range(self.length)]
        self.learned = 0
        self.targets: list[tuple[float | None, ...]] = []

    def sample(self, seed: int, count: int, contexts: Sequence[str] = ()) -> list[Sample]:
        self.log.append("sample")
        chance = random.Random(seed)
        rows = [tuple(chance.choices(range(len(self.words)), softmax(row))[0] for row in self.logits)
                for _ in range(count)]  # fmt: skip
        return [self._sample(row) for row in rows]

    def greedy(self, context: str = "") -> Sample:
        self.log.append("greedy")
        return self._sample(tuple(max(range(len(row)), key=row.__getitem__) for row in self.logits))

    def encode(self, text: str) -> Sample:
        tokens = tuple(self.words.index(word) for word in text.split() if word in self.words)
        return self._sample(tokens) if len(tokens) == self.length else Sample((), text)

    def learn(self, batch: Batch) -> Learned:
        self.log.append("learn")
        self.learned += 1
        self.targets.append(batch.targets)
        if self.learned in self.fails_at:
            return Learned(math.nan, 0.0, 0.0)
        pairs = [*zip(batch.samples, batch.targets, strict=True), *zip(batch.others, batch.other_targets, strict=True)]
        known = [(tokens, target) for tokens, target in pairs if target is not None]
        shares = [softmax(row) for row in self.logits]
        for tokens, target in known:
            for row, share, token in zip(self.logits, shares, tokens, strict=True):
                for place in range(len(row)):
                    row[place] += self.rate * target * ((place == token) - share[place]) / len(known)
        entropy = -sum(each * math.log(each) for share in shares for each in share if each > 0) / self.length
        return Learned(1.0 + len(known), entropy, math.log(len(self.words)) - entropy)

    def halve_rate(self) -> None:
        self.rate /= 2

    def state(self) -> bytes:
        return json.dumps([self.logits, self.rate]).encode()

    def restore(self, state: bytes) -> None:
        self.log.append("restore")
        self.logits, self.rate = json.loads(state)

    def _sample(self, tokens: Tokens) -> Sample:
        text = "".join(f" {self.words[token]}" for token in tokens)
        return Sample(tokens, text, -1.0 - sum(tokens) / 10)


@dataclass(frozen=True, slots=True)
class Tables:
    """A `Writer` of tables; `MADE` collects them."""

    words: tuple[str, ...] = WORDS
    rate: float = 0.5
    fails_at: tuple[int, ...] = ()

    def open(self, plan: RLPlan, seed: int) -> Table:
        table = Table(self.words, plan.length, self.rate, self.fails_at)
        MADE.append(table)
        return table


def softmax(row: Sequence[float]) -> list[float]:
    top = max(row)
    raised = [math.exp(each - top) for each in row]
    return [each / sum(raised) for each in raised]
