"""The cells of a comparison: one run each of a method on a task, a model and a seed, and what is kept of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from promptopt.errors import PromptoptError
from promptopt.outcome.result import INTERRUPTED
from promptopt.outcome.sentence import Report
from promptopt.reports.curves import Point, points_of
from promptopt.run.budget import Ledger
from promptopt.types import Weigh

FLOOR = "random"
"""The method that every table has: what a search must beat at the same budget."""
LOSSES = ("loss", "preference")
"""Evaluators whose scores are nats, which have no bounds."""
NOTHING_SPENT = Ledger()


@dataclass(frozen=True, slots=True)
class TableCell:
    """One run: by what its task, method and model are called, and its seed."""

    task: str
    method: str
    model: str
    seed: int

    def __str__(self) -> str:
        return f"{self.method} on {self.task}, {self.model}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Tested:
    """A sealed item by its key, and what start and winner scored on it."""

    key: str
    group: str
    start: float
    best: float


@dataclass(frozen=True, slots=True)
class Row:
    """What a cell came to. `status`: as of a result, or `failed`; `why`: a sentence where it is not finished.

    `nats`, `judged`: whether it is scored by a loss, or by a judge, whose word decides no verdict.
    `items`: empty where the test was not opened. `weigh`: what counts once in their mean. `look`: which look at its
    test this was. `unread`: replies to the winner on the test that hold no answer. `tokens`: of the winner. `curve`:
    score against what was spent. `seconds`, `paid`: of this execution, the only figures that differ when the same is
    run again.
    """

    cell: TableCell
    status: str
    why: str = ""
    run_id: str = ""
    prompt: str = ""
    prompt_id: str = ""
    kept: bool = True
    tokens: int | None = None
    nats: bool = False
    judged: bool = False
    look: int | None = None
    weigh: Weigh = "turn"
    items: tuple[Tested, ...] = ()
    unread: int = 0
    spent: Ledger = NOTHING_SPENT
    paid: Ledger = NOTHING_SPENT
    seconds: float = 0.0
    curve: tuple[Point, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether there is a test to compare by."""
        return bool(self.items)

    def to_json(self) -> dict[str, Any]:
        """One JSON object; minus infinity (an impossible item) is null."""
        items = [[each.key, each.group, _finite_or_none(each.start), _finite_or_none(each.best)] for each in self.items]
        # Without the names, which would be most of the file.
        curve = [list(asdict(point).values()) for point in self.curve]
        kept = {name: getattr(self, name) for name in _PLAIN_FIELDS}
        kept |= {} if self.weigh == "turn" else {"weigh": self.weigh}
        kept |= {"unread": self.unread} if self.unread else {}
        return {**asdict(self.cell), **kept, "items": items, "spent": asdict(self.spent), "paid": asdict(self.paid),
                "curve": curve}  # fmt: skip


_PLAIN_FIELDS = (
    "status",
    "why",
    "run_id",
    "prompt",
    "prompt_id",
    "kept",
    "tokens",
    "nats",
    "judged",
    "look",
    "seconds",
)


def row_from(data: Mapping[str, Any]) -> Row:
    """What `Row.to_json` wrote, read back. Raises KeyError, TypeError and ValueError for anything else."""
    items = tuple(Tested(key, group, *map(_score, scores)) for key, group, *scores in data["items"])
    return Row(
        TableCell(data["task"], data["method"], data["model"], data["seed"]),
        **{name: data[name] for name in _PLAIN_FIELDS},
        # What is the default is not written.
        weigh=data.get("weigh", "turn"),
        unread=data.get("unread", 0),
        items=items,
        spent=Ledger(**data["spent"]),
        paid=Ledger(**data["paid"]),
        curve=tuple(Point(*each) for each in data["curve"]),
    )


def row_of(cell: TableCell, report: Report) -> Row:
    """The row of a run that came to a result, by its JSON."""
    best, look = report["best"], report["look"]
    items = [(each, each.get("best", each["start"])) for each in report["items"]]
    return Row(
        cell=cell,
        status=report["status"],
        # A limit ends most searches, and is no mishap.
        why=report["reason"] if report["status"] == "suspended" else "",
        run_id=report["run_id"],
        prompt=best["prompt"],
        prompt_id=best["prompt_id"],
        kept=best["prompt_id"] == report["start"]["prompt_id"],
        tokens=best.get("tokens"),
        nats=report["evaluator"] in LOSSES,
        judged=report.get("basis") == "judge",
        look=None if look is None else look["number"],
        weigh=report.get("weigh", "turn"),
        items=tuple(
            Tested(each["key"], each["group"], _score(each["start"]["value"]), _score(after["value"]))
            for each, after in items
        ),
        unread=sum(after.get("judged", True) and not after.get("parsed", True) for _, after in items),
        spent=Ledger(**report["spent"]),
        paid=Ledger(**report["paid"]),
        seconds=report["wall_s"],
        curve=tuple(points_of(report)),
    )


def run_cells(
    cells: Sequence[TableCell], run: Callable[[TableCell], Report], *, jobs: int = 1, tell: Callable[[Row], object] = id
) -> Iterator[Row]:
    """Run every cell, `jobs` at a time (threads, for a `run` that waits for a process), and yield rows in that order.

    A cell that fails is a row that says so, and the others go on. With one job, none is begun after one that was
    interrupted.
    """

    def one(cell: TableCell) -> Row:
        try:
            return row_of(cell, run(cell))
        except PromptoptError as error:
            return Row(cell, "failed", str(error))
        except Exception as error:  # noqa: BLE001 (a method with a mistake in it must not cost the others)
            return Row(cell, "failed", f"{type(error).__name__}: {error}".removesuffix(": "))

    if jobs == 1:
        for cell in cells:
            row = one(cell)
            tell(row)
            yield row
            if row.status == "suspended" and row.why == INTERRUPTED:
                return
        return
    # `map` keeps the order of the cells, whichever ends first.
    with ThreadPoolExecutor(jobs) as pool:
        # Where this raises, `map` cancels what is queued: an interrupt begins no further cell.
        for row in pool.map(one, cells):
            tell(row)
            yield row


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _score(value: float | None) -> float:
    return -math.inf if value is None else float(value)
