"""The replies of start and winner to the sealed test, kept for people to label, with what the judge says of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.errors import StoreError
from promptopt.evaluators.judging import said_in, shown_input
from promptopt.protocols import Evaluator
from promptopt.run import Run
from promptopt.store.cache import Cache, call_key
from promptopt.types import Example, Score, canonical, digest

NAME = "pairs"
"""What the store calls them."""


@dataclass(frozen=True, slots=True)
class ReplyPair:
    """Both replies to one test item. `before`, `after`: the judge's values of both, None where it failed."""

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
        """What the judge says the winner gains here; None where it failed on a side."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, slots=True)
class KeptPairs:
    """The pairs of a run, in the order of the test; `scale`: of the judge's scores, where it has one."""

    pairs: tuple[ReplyPair, ...]
    scale: tuple[float, float] | None


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
