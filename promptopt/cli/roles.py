"""What each role of a search takes: calls, tokens and dollars, by the length of what is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from promptopt.binding.task import bind_task
from promptopt.cli.stand_in_world import read_in
from promptopt.models.prices import Price
from promptopt.models.tokens import estimate_tokens
from promptopt.protocols import Evaluator, Forcing, Judging, Task

SAMPLE = 32
"""Examples whose rendered length stands for all of them. Ours."""
SHOWN_TO_JUDGE = 250
"""Tokens that a judge is taken to read beside the input and the reply: its criteria, and how it is to answer."""
JUDGED_IN = 60
"""Tokens that a judge is taken to write: two sentences and a score."""


@dataclass(frozen=True, slots=True)
class RoleForecast:
    """What one role will take. None: nothing says; `usd` is None where the price is unknown, or the calls are."""

    role: str
    model: str
    calls: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    usd: float | None
    priced: bool = True
    """Whether its tokens have a known price."""

    @classmethod
    def of(
        cls, role: str, model: str, calls: int | None, read: int | None, written: int | None, price: Price | None
    ) -> RoleForecast:
        """With what so many tokens cost at this price."""
        return cls(role, model, calls, read, written, usd_of(price, read, written), price is not None)

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {name: value for name, value in asdict(self).items() if name != "priced"}


def sum_known(values: Sequence[int | None]) -> int | None:
    """The sum; None where one of them is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def scoring(
    searching: CellCost,
    final: CellCost,
    models: tuple[str, str],
    cells: tuple[int | None, int],
    prices: Mapping[str, Price | None],
) -> list[RoleForecast]:
    """What scoring takes: `models` and `cells` are those of the search, and of the final choice with the test.

    `prices`: by role.
    """
    (task, check), (searched, reserved) = models, cells
    if final is searching:
        together = None if searched is None else searched + reserved
        return [searching.forecast("task", task, together, prices["task"])]
    return [
        searching.forecast("task", task, searched, prices["task"]),
        final.forecast("check", check, reserved, prices["check"]),
    ]


def proposing(model: str, requests: int | None, shown: float, written: int | None, price: Price | None) -> RoleForecast:
    """What the proposer takes, at so many tokens shown to it in each request."""
    read = None if requests is None else math.ceil(requests * shown)
    return RoleForecast.of("proposer", model, requests, read, written, price)


def judging(
    model: str, kinds: tuple[CellCost, CellCost], cells: tuple[int | None, int], price: Price | None
) -> RoleForecast:
    """What judges take, where they can be read at once; panels cost what their first judge does, times their size."""
    counts = [
        # Half of the most: by `judge_calls` a judge whose reply cannot be read is asked a second time.
        None if count is None else count * kind.judge_calls // 2
        for kind, count in zip(kinds, cells, strict=True)
    ]
    calls = 0 if not any(kind.judge_calls for kind in kinds) else sum_known(counts)
    # A judge reads what the reply's cap lets it have, of which half is taken to be used.
    reads = max(kind.reads + kind.writes / 2 for kind in kinds) + SHOWN_TO_JUDGE
    read = None if calls is None else math.ceil(calls * reads)
    written = None if calls is None else calls * JUDGED_IN
    return RoleForecast.of("judge", model, calls, read, written, price)


@dataclass(frozen=True, slots=True)
class CellCost:
    """What scoring one prompt on one example takes: calls, and tokens read and written by each."""

    calls: int
    reads: float
    writes: int
    judge_calls: int = 0

    @classmethod
    def of(cls, task: Task, evaluator: Evaluator, model: str) -> CellCost:
        """On average over a sample of the start prompt's rendered examples; given texts are read, not written.

        Raises ConfigError where a split is empty, as what is foreseen would.
        """
        sample = bind_task(task, 0).train[:SAMPLE]
        reads = sum(estimate_tokens(read_in(task.render(task.initial, example)[0]), model) for example in sample)
        writes = task.sampling.max_tokens
        if isinstance(evaluator, Forcing):
            reads += sum(estimate_tokens(text, model) for example in sample for text in evaluator.forced(example))
            writes = 0
        judged = evaluator.judge_calls if isinstance(evaluator, Judging) else 0
        return cls(evaluator.calls_per_cell, reads / len(sample), writes, judged)

    def forecast(self, role: str, model: str, cells: int | None, price: Price | None) -> RoleForecast:
        """Of so many cells."""
        if cells is None:
            return RoleForecast.of(role, model, None, None, None, price)
        calls = cells * (self.calls - self.judge_calls)
        read, written = math.ceil(calls * self.reads), calls * self.writes
        return RoleForecast.of(role, model, calls, read, written, price)


def usd_of(price: Price | None, read: int | None, written: int | None) -> float | None:
    """What so many tokens cost; None where that is unknown."""
    # Nothing costs nothing, however many tokens there are.
    if price is not None and price.prompt_usd == price.completion_usd == 0:
        return 0.0
    if price is None or read is None or written is None:
        return None
    return read * price.prompt_usd + written * price.completion_usd
