"""Cells that the user's metric gives no score: they are counted apart, and a metric that gives none ends the run."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from promptopt.dspy.untyped import Gold
from promptopt.errors import EvaluatorError
from promptopt.programs.evaluator import HOPELESS
from promptopt.text import counted

Cell = tuple[str, str]
"""The ids of a prompt and of an example."""

SPLITS = {"train": "to train on", "dev": "to choose by", "test": "to test on"}
MEND = "mend the metric, and compile again: the calls that were made are kept, and none of them is paid twice"


class Unscored:
    """What the metric gave no number in [0, 1] for, or failed on, in any thread.

    A candidate may lead to outputs that a metric cannot read, so the student's own cells alone tell that it is the
    metric: where it gives no score to the first `HOPELESS` of a split, or to all that it has, no other prompt is tried.
    Nor is one where the metric looks for a field that the split does not have.
    """

    def __init__(self, student: str, splits: Mapping[str, str], gold: Iterable[Gold]) -> None:
        """`student`: the id of its prompt; `splits`: the split of every example, by its id; `gold`: the user's own."""
        self._student, self._splits = student, splits
        self._fields = {field for each in gold for field in each.keys()}  # noqa: SIM118 - an Example is no mapping
        self._lock = threading.Lock()
        self._failed: dict[Cell, EvaluatorError] = {}
        self._seen: set[Cell] = set()
        self._went: set[str] = set()
        self._lacking: dict[Cell, EvaluatorError] = {}
        self._first = ""

    def scored(self, cell: Cell) -> None:
        """A cell that has a score."""
        with self._lock:
            self._seen.add(cell)
            self._went.add(self._splits[cell[1]])

    def failed(self, cell: Cell, gold: Gold, failure: EvaluatorError) -> None:
        """A cell that the metric failed on."""
        with self._lock:
            self._seen.add(cell)
            self._failed[cell] = failure
            if self._lacks(gold, failure.__cause__):
                self._lacking[cell] = failure

    def check(self) -> None:
        """Raise EvaluatorError where the metric can give nothing on a split a score, whatever the prompt."""
        with self._lock:
            failed, lacking = dict(sorted(self._failed.items())), dict(sorted(self._lacking.items()))
        held = list(self._splits.values())
        for split in dict.fromkeys(held):
            own = [failure for cell, failure in failed.items() if self._of(split, cell) and cell[0] == self._student]
            without = [failure for cell, failure in lacking.items() if self._of(split, cell)]
            if without or (split not in self._went and len(own) >= min(HOPELESS, held.count(split))):
                raise _stop([*without, *own], split)
        if failed and not self._first:
            self._first = sentence(next(iter(failed.values())))

    def said(self) -> list[str]:
        """The first failure, once there is one and the run goes on."""
        if not self._first:
            return []
        return [f"{self._first}; such a cell is worth 0, and counts as unreadable: have the metric give 0.0 itself"]

    def total(self) -> list[str]:
        """How many there were in all."""
        if not self._failed:
            return []
        cells = counted(len(self._seen), "cell")
        return [f"the metric gave no score in {len(self._failed):,} of {cells}, which are worth 0"]

    def _of(self, split: str, cell: Cell) -> bool:
        return self._splits[cell[1]] == split

    def _lacks(self, gold: Gold, cause: BaseException | None) -> bool:
        """Whether it was looked for a field that this example lacks, and so all of its set."""
        if isinstance(cause, AttributeError):
            return cause.obj is gold
        # What a library says it did not find may be a list, which no set takes.
        return isinstance(cause, KeyError) and any(field in cause.args for field in self._fields - {*gold.keys()})


def _stop(failures: Sequence[EvaluatorError], split: str) -> EvaluatorError:
    first = failures[0]
    said = f"{sentence(first)}; it gave no score on any example {SPLITS[split]} that it was asked about; {MEND}"
    found = EvaluatorError(said, prompt_id=first.prompt_id, example_id=first.example_id)
    found.__cause__ = first.__cause__
    return found


def sentence(failure: EvaluatorError) -> str:
    """Without the ids, by which nobody finds an example in his data."""
    return str(failure).removesuffix(f" (prompt {failure.prompt_id}, example {failure.example_id})")
