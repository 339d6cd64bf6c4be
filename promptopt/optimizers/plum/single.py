"""Plum, one prompt at a time: hill climbing, simulated annealing, and tabu search over edits of its phrases.

Paper    Pan et al. 2024, Plum: Prompt Learning using Metaheuristic(s), Findings of ACL 2024, arXiv:2311.08364; hill
         climbing and the edits are GrIPS (Prasad et al. 2023, arXiv:2203.07281). Their code has no licence: none of it
         is used.
Calls    task model: n*(1 + T*m), 50,100 at the defaults; tabu neighbours that are turned away cost nothing. proposer:
         one call for each phrase that is to be paraphrased for the first time, about T*m/3, at most 5*T*m.
Departs  phrases are cut by rule, not by a parser, and keep their offsets: an edit changes its own phrases only, and no
         placeholder, tag, code or frozen text. The proposer paraphrases. Best and incumbent are kept apart, so that
         annealing loses nothing; repeats are left out and attempts bounded by 5m; without labels, or by a loss, the
         score is 100 times its mean and has no bonus. The final choice goes by mean scores on dev. Tabu search knows a
         prompt by its text: the code's two similarity modes are off in the paper's runs.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from promptopt.optimizers.plum.edits import Bank, settle
from promptopt.optimizers.plum.neighbours import EDITING, Editing, Editor
from promptopt.optimizers.plum.patience import STOPPING, Patience, Stopping, expected
from promptopt.optimizers.plum.points import SCORING, ScoreSet, Scoring
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.types import Prompt, UpperBounds


@dataclass(frozen=True, slots=True)
class HillClimbing:
    """The best neighbour replaces the prompt in use where it scores strictly higher."""

    name: ClassVar[str] = "plum-hc"

    edit: Editing = EDITING
    """From a prompt to its neighbours."""
    score: Scoring = SCORING
    """What a prompt is worth."""
    stop: Stopping = STOPPING
    """When the search ends."""

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on up to n training examples."""
        editor, scores = Editor(run, self.edit), ScoreSet(run, self.score)
        best, bank = scores.start(), Bank()
        patience = Patience(self.stop.patience, best.points)
        for _ in range(self.stop.iterations):
            found = scores.score(editor.neighbours(best.prompt, bank))
            pool = [best, *found]
            # Of equals the first: the prompt in use, then the neighbours as they were drawn.
            top = max(pool, key=lambda each: each.points)
            if top is not best:
                best, bank = top, settle(bank, top.candidate.edits)
            scores.record(pool, [best])
            if patience.ends(best.points):
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples."""
        return expected(self.stop, self.edit, self.score, train, scored=self.edit.neighbours, edited=1)


@dataclass(frozen=True, slots=True)
class SimulatedAnnealing:
    """As hill climbing, but a worse neighbour may replace the prompt in use: the later, the less likely."""

    name: ClassVar[str] = "plum-sa"

    temperature: float = 10.0
    """T0, in points: scores are 100 times an accuracy, or a mean. Code."""
    decay: float = 5.0
    """K, iterations in which the temperature falls to 1/e of itself. Code."""
    edit: Editing = EDITING
    """From a prompt to its neighbours."""
    score: Scoring = SCORING
    """What a prompt is worth."""
    stop: Stopping = STOPPING
    """When the search ends."""

    def __post_init__(self) -> None:
        within(self, temperature=(0.0, math.inf), decay=(0.01, math.inf))

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on up to n training examples."""
        editor, scores = Editor(run, self.edit), ScoreSet(run, self.score)
        incumbent = best = scores.start()
        bank, patience = Bank(), Patience(self.stop.patience, best.points)
        for iteration in range(1, self.stop.iterations + 1):
            found = scores.score(editor.neighbours(incumbent.prompt, bank))
            pool = [best, incumbent, *found]
            if found:
                top = max(found, key=lambda each: each.points)
                temperature = self.temperature * math.exp(-iteration / self.decay)
                if run.rng("acceptance").random() < acceptance(top.points, incumbent.points, temperature):
                    incumbent, bank = top, settle(bank, top.candidate.edits)
                best = max(best, top, key=lambda each: each.points)
            scores.record(pool, [best, incumbent])
            if patience.ends(best.points):
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples."""
        return expected(self.stop, self.edit, self.score, train, scored=self.edit.neighbours, edited=1)


@dataclass(frozen=True, slots=True)
class TabuSearch:
    """As hill climbing, but of the best neighbours of late half the repeats are not even scored."""

    name: ClassVar[str] = "plum-tabu"

    length: int = 5
    """Prompts on the tabu list: the start, then the best neighbour of each iteration. Code."""
    admission: float = 0.5
    """The probability that a neighbour on the list is scored all the same. Code."""
    edit: Editing = EDITING
    """From a prompt to its neighbours."""
    score: Scoring = SCORING
    """What a prompt is worth."""
    stop: Stopping = STOPPING
    """When the search ends."""

    def __post_init__(self) -> None:
        within(self, length=(1, math.inf), admission=(0.0, 1.0))

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on up to n training examples."""
        editor, scores = Editor(run, self.edit), ScoreSet(run, self.score)
        best, bank = scores.start(), Bank()
        tabu = deque[Prompt]([best.prompt], maxlen=self.length)
        patience = Patience(self.stop.patience, best.points)
        for _ in range(self.stop.iterations):
            neighbours = editor.neighbours(best.prompt, bank)
            admitted = [
                each for each in neighbours if each.prompt not in tabu or run.rng("tabu").random() < self.admission
            ]
            found = scores.score(admitted)
            pool = [best, *found]
            if found:
                top = max(found, key=lambda each: each.points)
                tabu.append(top.prompt)
                if top.points > best.points:
                    best, bank = top, settle(bank, top.candidate.edits)
            scores.record(pool, [best])
            if patience.ends(best.points):
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples."""
        return expected(self.stop, self.edit, self.score, train, scored=self.edit.neighbours, edited=1)


def acceptance(points: float, incumbent: float, temperature: float) -> float:
    """The probability that a neighbour replaces the incumbent: 1 unless it is worse, then exp(-loss / temperature)."""
    if points >= incumbent:
        return 1.0
    return math.exp((points - incumbent) / temperature) if temperature > 0 else 0.0
