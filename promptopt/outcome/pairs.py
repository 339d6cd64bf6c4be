"""The replies of start and winner to the sealed test, for people to label, with what judge or metric says of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.errors import ConfigError, StoreError
from promptopt.evaluators.judging import MOST_UNREAD, said_in, shown_input
from promptopt.outcome.by_labels import JUDGE, METRIC, of_others_alone
from promptopt.outcome.items import items_from
from promptopt.protocols import Evaluator
from promptopt.run import Run
from promptopt.store.cache import Cache
from promptopt.store.call_keys import call_key
from promptopt.text import counted
from promptopt.types import Example, Score, canonical, digest

NAME = "pairs"
"""What the store calls them."""


@dataclass(frozen=True, slots=True)
class ReplyPair:
    """Both replies to one test item. `before`, `after`: what both are worth, None where the judge failed."""

    item: str
    group: str
    input: str
    target: str
    start: str
    winner: str
    before: float | None
    after: float | None

    @property
    def gain(self) -> float | None:
        """What the winner gains here by the judge, or the metric; None where it failed on a side."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, slots=True)
class KeptPairs:
    """The pairs of a run, in the order of the test; `scale`: of the judge's scores, where it has one.

    `scorer`: who says what they are worth, in words.
    """

    pairs: tuple[ReplyPair, ...]
    scale: tuple[float, float] | None
    scorer: str = JUDGE

    @property
    def missing(self) -> str:
        """A clause on the pairs that have no score, and stand on no sheet; empty where there are none."""
        lost = len(self.pairs) - self._read
        have, stand = ("has", "stands") if lost == 1 else ("have", "stand")
        of_all = f"{lost} of {counted(len(self.pairs), 'test item')}"
        return f"{of_all} {have} no score by {self.scorer}, and {stand} on no sheet" if lost else ""

    @property
    def undecidable(self) -> bool:
        """Whether these are so many that no word on the others decides anything."""
        return len(self.pairs) - self._read > MOST_UNREAD * len(self.pairs)

    def remarks_on_missing(self, mean: float) -> list[str]:
        """A sentence on them, where there are some; `mean`: what labels make of the gain on the others."""
        told = f": {of_others_alone(mean, self._read, len(self.pairs))}" if self.undecidable else ""
        return [f"{self.missing}{told}"] if self.missing else []

    @property
    def _read(self) -> int:
        return sum(pair.gain is not None for pair in self.pairs)


def keep_pairs(
    run: Run, evaluator: Evaluator, examples: Sequence[Example], before: Sequence[Score], after: Sequence[Score]
) -> str:
    """Keep them in the store; returns what they are found by."""
    scale = evaluator.fingerprint().get("scale")
    rows = [
        {
            "item": example.id,
            "group": example.group,
            "input": shown_input(example),
            "target": example.target,
            "start": said_in(old.output),
            "winner": said_in(new.output),
            "before": old.value if old.judged else None,
            "after": new.value if new.judged else None,
        }
        # Fewer scores than examples where a cap cut the test short.
        for example, old, new in zip(examples, before, after, strict=False)
    ]
    held = {"scale": scale, "rows": rows}
    name = digest(held)
    # A memo stands in the run's journal, so `cache gc` keeps it as long as the run.
    run.memo(NAME, lambda: canonical(held), name)
    return name


def kept_pairs(cache: Cache, name: str) -> KeptPairs:
    """The pairs found by `name`. Raises StoreError where the store has them no more."""
    key = call_key("memo", canonical([NAME, name]), "memo")
    found = cache.get([key])
    try:
        # Twice: a memo is a text, which the store keeps as JSON in its turn.
        held: Mapping[str, Any] = json.loads(json.loads(found[key]))
        scale = None if held["scale"] is None else (float(held["scale"][0]), float(held["scale"][1]))
        return KeptPairs(tuple(ReplyPair(**row) for row in held["rows"]), scale)
    except (KeyError, TypeError, ValueError) as cause:
        raise StoreError(
            "the store no longer holds the replies of start and winner; run the same command again, which reads them "
            "from the store or asks for them anew"
        ) from cause


def scored_pairs(report: Mapping[str, Any]) -> KeptPairs:
    """The pairs of a run whose verdict is by a metric, from the JSON of its result.

    People score on the metric's own scale, from 0 to 1. Raises ConfigError, in a clause, where labels would say
    nothing of its scores: there are no replies, or the scores are no shares.
    """
    items = items_from(report.get("items", ()))
    by = report["evaluator"]
    if not items:
        raise ConfigError("it was made by an older version, which kept none; run its command with another --seed")
    if not any(said_in(score.output) for item in items for score in (item.start, item.best)):
        raise ConfigError(f"its verdict is by {by}, which reads given texts and draws none")
    values = [score.value for item in items for score in (item.start, item.best) if score.judged]
    if not all(0.0 <= value <= 1.0 for value in values):
        raise ConfigError(
            f"its verdict is by {by}, whose scores are not shares from 0 to 1, as people could give them too; name "
            f"another with --check-evaluator"
        )
    seen: dict[str, int] = {}
    pairs: list[ReplyPair] = []
    for item in items:
        # One input may stand in a test twice, and a sheet needs a name for each row.
        nth = seen[item.key] = seen.get(item.key, 0) + 1
        before, after = (score.value if score.judged else None for score in (item.start, item.best))
        pairs.append(
            ReplyPair(
                item=f"{item.key}-{nth}" if nth > 1 else item.key,
                group=item.group,
                input=shown_input(Example(item.fields)),
                target=item.target,
                start=said_in(item.start.output),
                winner=said_in(item.best.output),
                before=before,
                after=after,
            )
        )
    return KeptPairs(tuple(pairs), (0.0, 1.0), METRIC)
