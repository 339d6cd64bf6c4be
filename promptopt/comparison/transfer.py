"""Prompts on models: which of them is worth something on a model that it was not found on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from promptopt.evaluation import Evaluation, compare
from promptopt.stats import ALPHA, Gain, Verdict
from promptopt.stats.families import holm


@dataclass(frozen=True, slots=True)
class TransferCell:
    """A prompt on a model. `gain`: on the start there; `adjusted`: its p after Holm's correction over all cells.

    Both None for the start itself.
    """

    score: float
    ci95: tuple[float, float]
    unreadable: int
    gain: Gain | None
    adjusted: float | None

    @property
    def verdict(self) -> Verdict | None:
        """Better or worse than the start, where the corrected test says so."""
        if self.gain is None or self.adjusted is None:
            return None
        if self.adjusted >= ALPHA or not self.gain.mean:
            return "no_evidence"
        return "better" if self.gain.mean > 0.0 else "worse"


@dataclass(frozen=True, slots=True)
class Transfer:
    """The matrix: a row for each prompt, the start first, a column for each model."""

    task: str
    n: int
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    cells: tuple[tuple[TransferCell, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        cells = [[_cell_as_json(cell) for cell in row] for row in self.cells]
        return {"task": self.task, "n": self.n, "prompts": list(self.prompts), "models": list(self.models),
                "cells": cells}  # fmt: skip


def transfer_of(prompts: Sequence[str], found: Mapping[str, Sequence[Evaluation]]) -> Transfer:
    """The matrix of evaluations: for each model those of all prompts, in order, the start first."""
    models = list(found)
    # From the second row on: the start against itself is no test, and Holm would charge the others for it.
    gains = {(model, place): compare(found[model][0], found[model][place]).gain
             for place in range(1, len(prompts)) for model in models}  # fmt: skip
    adjusted = dict(zip(gains, holm([gain.p_value for gain in gains.values()]), strict=True))
    rows = tuple(
        tuple(
            _transfer_cell(found[model][place], gains.get((model, place)), adjusted.get((model, place)))
            for model in models
        )
        for place in range(len(prompts))
    )
    first = found[models[0]][0]
    return Transfer(first.task, first.measured.n, tuple(prompts), tuple(models), rows)


def _transfer_cell(evaluation: Evaluation, gain: Gain | None, adjusted: float | None) -> TransferCell:
    measured = evaluation.measured
    return TransferCell(measured.score, measured.ci95, measured.unreadable, gain, adjusted)


def _cell_as_json(cell: TransferCell) -> dict[str, Any]:
    gain = None if cell.gain is None else {"mean": cell.gain.mean, "ci95": list(cell.gain.ci95),
                                           "p_value": cell.gain.p_value}  # fmt: skip
    return {**asdict(cell), "ci95": list(cell.ci95), "gain": gain, "verdict": cell.verdict}
