"""What a search over phrases plans, when it ends, and what it can cost by then.

Source   Pan et al. 2024, Plum, arXiv:2311.08364: its command lines for the constants. How they follow a budget is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from promptopt.operators.nothing_there import refuse_empty
from promptopt.optimizers.plum.neighbours import EDITS_TRIED, Editing, Editor
from promptopt.optimizers.plum.points import Scores, Scoring, scores_by
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Fixed, Fresh, Preset, fresh
from promptopt.tasks.parts import editables_of
from promptopt.types import Room, UpperBounds

NEIGHBOURS = 10
"""m of the paper's command lines."""
EXAMPLES = 100
"""n of the paper."""
ITERATIONS = 50
"""T of the paper's command lines."""
PATIENCE = 7
"""Of the paper's command lines."""
SMALL = 500
"""Evaluations of a search below which it goes by the posterior over the lineage; harmony search says otherwise. With it
the others are the same on planted tasks. Ours."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """When the search ends, if the budget does not end it before."""

    iterations: int | None = None
    """T, iterations at most; None: by the budget. The paper's command lines: 50; its code's default: 10."""
    patience: int | None = None
    """Iterations in a row without a new best that end the search; None: by the budget. As above: 7; code: 2."""

    def __post_init__(self) -> None:
        within(self, iterations=(0, math.inf), patience=(1, math.inf))


STOPPING = Stopping()


@dataclass(frozen=True, slots=True)
class PhrasePlan:
    """What a search over phrases does: on a fixed set as the paper does, or on fresh examples.

    `neighbours`: m, those drawn in an iteration (of an individual, with crossover). `patience`: None: none.
    `offspring`: children of two parents, with crossover.
    """

    way: Fixed | Fresh
    neighbours: int
    patience: int | None
    offspring: int = 0

    @property
    def rounds(self) -> int:
        """Iterations that the room affords."""
        return self.way.rounds

    def describe(self) -> str:
        """The plan in half a sentence."""
        return self.way.describe()


class PhraseSearch(Protocol):
    """The settings that all searches over phrases share."""

    @property
    def edit(self) -> Editing:
        """From a prompt to its neighbours."""
        ...

    @property
    def score(self) -> Scoring:
        """What a prompt is worth."""
        ...

    @property
    def stop(self) -> Stopping:
        """When the search ends."""
        ...

    @property
    def preset(self) -> Preset:
        """What open settings follow."""
        ...


def parts_of_search(run: Run, settings: PhraseSearch, plan: PhrasePlan) -> tuple[Editor, Scores, Patience]:
    """What draws neighbours, what scores them, and what ends the search."""
    refuse_empty((run.initial[part] for part in editables_of(run.task)), "rearranges")
    # By its budget a search goes on after the first variants of a phrase are used up.
    renewed = isinstance(plan.way, Fresh)
    return Editor(run, settings.edit, renewed=renewed), scores_by(run, settings.score, plan.way), Patience(plan)


def phrase_plan(
    settings: PhraseSearch, room: Room, *, keep: int, scored: int | None = None, small: int = SMALL
) -> PhrasePlan:
    """The plan of a method that keeps `keep` prompts on fresh examples, or scores `scored` a round on a fixed set.

    `scored`: None: m. `small`: searches of fewer evaluations go by the posterior over the lineage. The fixed set is for
    the preset `paper`, and for a set size that was asked for. It is too for a room that affords the paper's constants,
    or has no cap.
    """
    edit, score, stop = settings.edit, settings.score, settings.stop
    neighbours = NEIGHBOURS if edit.neighbours is None else edit.neighbours
    scored = neighbours if scored is None else scored
    way = fresh(room, keep=keep, children=edit.neighbours, most=stop.iterations, small=small)
    examples = min(EXAMPLES if score.examples is None else score.examples, room.train)
    rounds = ITERATIONS if stop.iterations is None else stop.iterations
    open_to_it = settings.preset == "budget" and score.examples is None
    # The start and all candidates of T iterations, on n examples each.
    if way is None or way.evaluations >= examples * (1 + rounds * scored) or not open_to_it:
        patience = PATIENCE if stop.patience is None else stop.patience
        return PhrasePlan(Fixed(rounds, scored, examples), neighbours, patience)
    return PhrasePlan(way, way.children, stop.patience)


class Patience:
    """Counts iterations that brought no new best."""

    def __init__(self, plan: PhrasePlan) -> None:
        self._limit, self._count = plan.patience, 0

    def ends(self, improved: bool) -> bool:
        """Whether the search ends after an iteration that brought a new best, or none."""
        # The code counts from 1 and ends above its limit, which comes to as many iterations.
        self._count = 0 if improved else self._count + 1
        return self._limit is not None and self._count >= self._limit


def bounds(settings: PhraseSearch, train: int, *, edited: int, scored: int | None = None) -> UpperBounds:
    """Upper bounds on a search over `train` training examples without a cap, which goes by the paper's constants.

    scored: candidates an iteration scores at most, None: m; edited: batches of m neighbours (or edits) it draws.
    Every attempt at an edit may ask for a paraphrase; in truth a phrase is asked for once, and a third of edits ask.
    """
    edit, score, stop = settings.edit, settings.score, settings.stop
    rounds = ITERATIONS if stop.iterations is None else stop.iterations
    neighbours = NEIGHBOURS if edit.neighbours is None else edit.neighbours
    calls = rounds * edited * EDITS_TRIED * neighbours * edit.chain
    examples = EXAMPLES if score.examples is None else score.examples
    scored = neighbours if scored is None else scored
    return UpperBounds(min(examples, train) * (1 + rounds * scored), calls, calls * edit.sampling.max_tokens)
