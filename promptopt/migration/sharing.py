"""One prompt for all targets: a task whose members are the same examples, answered by each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptopt.errors import ConfigError
from promptopt.evaluation import paired
from promptopt.migration.board import Board
from promptopt.migration.moved import Shared, Target
from promptopt.outcome.decisions import gain_of
from promptopt.outcome.result import Result
from promptopt.protocols import ANSWERING, Model
from promptopt.stats import Gain
from promptopt.stats.design import Design
from promptopt.tasks.gate import EVERY, Gate
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt


@dataclass(frozen=True, slots=True)
class Together:
    """Targets of a migration that are to have one prompt for all of them, beside their own."""

    targets: Sequence[str | Model]


@dataclass(frozen=True, slots=True)
class Sought:
    """What was looked for: a prompt, and the run that found it; or `reason`, why there is none."""

    prompt: Prompt | None = None
    search: Result | None = None
    reason: str = ""


def shared_task(task: Task, names: tuple[str, ...], margin: float) -> Task:
    """The task, each example once for each model of these `names`, of which none is given up for another.

    A search of it goes by the mean over all models, and by floors: none may lose more than `margin` of what it scores
    under the start.
    """
    splits = {
        split: tuple(
            _answered_by(example, place, name) for example in getattr(task, split) for place, name in enumerate(names)
        )
        for split in ("train", "dev", "test")
    }
    return replace(
        task, members=names, objective="floors", weights=(1.0,) * len(names), gate=Gate(largest_loss={EVERY: margin}),
        pool=None, **splits,
    )  # fmt: skip


def check_shared(targets: int) -> None:
    """Raise ConfigError where so many targets cannot share a prompt."""
    if targets < 2:
        raise ConfigError("--shared finds one prompt for several models, and one is named; name another one, or leave "
                          "--shared out, as each target has a prompt of its own anyway")  # fmt: skip
    if targets > len(ANSWERING):
        raise ConfigError(f"--shared finds one prompt for {len(ANSWERING)} models at most, and {targets} are named; "
                          f"name fewer")  # fmt: skip


def _answered_by(example: Example, place: int, name: str) -> Example:
    # What two models make of one example is no two draws: in a verdict it counts as one.
    group = example.group if example.group else example.id
    return replace(example, slice=name, group=group, answered_by="" if place == 0 else ANSWERING[place])


def shared_of(sought: Sought, board: Board, targets: Sequence[Target]) -> tuple[Shared | None, str]:
    """The prompt for all targets, each of which has a verdict on it; or None, and why there is none."""
    if sought.prompt is None:
        return None, sought.reason
    cells = [cell for cell in board.rows[sought.prompt] if cell is not None]
    if board.lost or len(cells) < len(board.names):
        return None, f"{', '.join(board.names[place] for place in sorted(board.lost))} could not be asked"
    costs = [_cost_of_sharing(sought.prompt, board, place, target) for place, target in enumerate(targets)]
    return Shared(sought.prompt, sought.search, tuple(cells), tuple(costs)), ""


def _cost_of_sharing(prompt: Prompt, board: Board, place: int, target: Target) -> Gain | None:
    own = target.chosen.prompt
    if own == prompt:
        return None
    shared, alone = board.tested[prompt, place], board.tested[own, place]
    return gain_of(paired(shared, alone), Design(alone.weigh), board.alpha)
