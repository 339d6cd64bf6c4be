"""A trainable prompter without torch: softmax over whole texts, trained by the exact gradient."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from promptopt.operators.training import Batch, Learned, Policy, Sample
from promptopt.optimizers.align_pro.settings import TrainingSettings

TEXTS = (
    "Answer the question soon.",
    "Answer the question carefully.",
    "Answer the question exactly.",
    "Answer the question carefully, exactly, twice.",
    "",
)
"""The last is of no use."""
MADE: list[Phrases] = []


@dataclass
class Phrases:
    """A `Policy` over `texts`; a text is one token. `log` says what was asked of it."""

    texts: tuple[str, ...]
    rate: float
    fails_at: tuple[int, ...] = ()
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = f"{len(self.texts)} phrases"
        self.logits, self.learned = [0.0] * len(self.texts), 0
        self.batches: list[Batch] = []

    def shares(self) -> list[float]:
        raised = [math.exp(each - max(self.logits)) for each in self.logits]
        return [each / sum(raised) for each in raised]

    def sample(self, seed: int, count: int, contexts: Sequence[str] = ()) -> list[Sample]:
        assert len(contexts) == count
        assert '"""\nAnswer the question.\n"""' in contexts[0]
        self.log.append("sample")
        return [
            self._sample(each) for each in random.Random(seed).choices(range(len(self.texts)), self.shares(), k=count)
        ]

    def greedy(self, context: str = "") -> Sample:
        return self._sample(max(range(len(self.texts)), key=self.logits.__getitem__))

    def encode(self, text: str) -> Sample:
        return self._sample(self.texts.index(text))

    def learn(self, batch: Batch) -> Learned:
        self.log.append("learn")
        self.batches.append(batch)
        self.learned += 1
        if self.learned in self.fails_at:
            return Learned(math.nan, 0.0, 0.0)
        pairs = zip(batch.samples, batch.targets, strict=True)
        rows = [(tokens[0], target / len(batch.samples)) for tokens, target in pairs if target is not None]
        rows += [(tokens[0], weight) for tokens, weight in zip(batch.others, batch.other_targets, strict=True)]
        shares = self.shares()
        for token, target in rows:
            for place in range(len(self.logits)):
                self.logits[place] += self.rate * target * ((place == token) - shares[place])
        entropy = -sum(each * math.log(each) for each in shares if each > 0)
        return Learned(0.5, entropy, math.log(len(self.texts)) - entropy)

    def halve_rate(self) -> None:
        self.rate /= 2

    def state(self) -> bytes:
        return json.dumps([self.logits, self.rate]).encode()

    def restore(self, state: bytes) -> None:
        self.log.append("restore")
        self.logits, self.rate = json.loads(state)

    def _sample(self, place: int) -> Sample:
        even = math.log(1 / len(self.texts))
        return Sample((place,), self.texts[place], even, math.log(self.shares()[place]) - even)


@dataclass(frozen=True, slots=True)
class Books:
    """A `Writer` of phrases; `MADE` collects them."""

    texts: tuple[str, ...] = TEXTS
    rate: float = 4.0
    fails_at: tuple[int, ...] = ()

    def open(self, settings: TrainingSettings, seed: int) -> Policy:
        MADE.append(Phrases(self.texts, self.rate, self.fails_at))
        return MADE[-1]
