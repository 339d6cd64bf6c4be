"""Plum, one prompt at a time: hill climbing, simulated annealing, and tabu search over edits of its phrases.

Paper    Pan et al. 2024, Plum: Prompt Learning using Metaheuristic(s), Findings of ACL 2024, arXiv:2311.08364; hill
         climbing and the edits are GrIPS (Prasad et al. 2023, arXiv:2203.07281). Their code has no licence: none of it
         is used.
Calls    task model: n*(1 + T*m), 50,100 by the paper's constants; tabu neighbours that are turned away cost nothing.
         proposer: one call for each phrase that is to be paraphrased for the first time, about T*m/3, at most 5*T*m.
Scales   under a cap that does not afford the paper's constants, prompts are seen on few examples, drawn anew in each
         iteration: of S evaluations, m = 0.7 S^(1/3) neighbours (4 or more), each seen on 0.8 S^(1/4) examples on
         average (3 or more), fewer at first and more towards the end, until all is spent. The worst leave one by one;
         where S is below 500, the posterior over the lineage says who lives on.
         There the mean score decides, without a bonus, and a phrase is paraphrased anew once its variants were used.
         `preset=paper`, or a number for `score.examples`, goes by points on a fixed set whatever the cap.
Departs  phrases are cut by rule, not by a parser, and keep their offsets: an edit changes its own phrases only, and no
         placeholder, tag, code or frozen text; a prompt of one or two phrases is cut into words. The proposer
         paraphrases, and is asked again where no paraphrase can be used. Best and incumbent are kept apart, so that
         annealing loses nothing; repeats are left out and attempts bounded by 5m; without labels, or by a loss, the
         score is 100 times its mean and has no bonus. The finalists are the best by points. Tabu search knows a prompt
         by its text: the code's two similarity modes are off in the paper's runs.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.optimizers.plum.edits import Bank, settle
from promptopt.optimizers.plum.neighbours import EDITING, Editing
from promptopt.optimizers.plum.patience import (
    ITERATIONS,
    STOPPING,
    PhrasePlan,
    Stopping,
    bounds,
    parts_of_search,
    phrase_plan,
)
from promptopt.optimizers.plum.points import SCORING, Scoring, best
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Fresh, Preset, least
from promptopt.types import Prompt, Room, UpperBounds


@told
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
    preset: Preset = "budget"
    """What open settings follow: the budget, or the paper."""

    def optimize(self, run: Run) -> None:
        """Search from the task's start prompt."""
        plan = self.plan(run.room)
        editor, scores, patience = parts_of_search(run, self, plan)
        top, bank = scores.start(), Bank()
        for _ in scores.iterations():
            # With the prompt in use: on fresh examples its former score compares with none of theirs.
            pool = scores.score([top.candidate, *editor.neighbours(top.prompt, bank, plan.neighbours)])
            # Of equals the first: the prompt in use, then the neighbours as they were drawn.
            found = best(pool)
            improved = found is not pool[0]
            if improved:
                bank = settle(bank, found.candidate.edits)
            top = found
            scores.record(pool, [top])
            if patience.ends(improved):
                break

    def plan(self, room: Room) -> PhrasePlan:
        """How many iterations of how many neighbours there are, and what those are seen on."""
        return phrase_plan(self, room, keep=1)

    def least(self, room: Room) -> int:
        """Evaluations of one iteration that is of use."""
        return least(room, self.plan(room).way, keep=1)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap."""
        return bounds(self, train, edited=1)


@told
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
    preset: Preset = "budget"
    """What open settings follow: the budget, or the paper."""

    def __post_init__(self) -> None:
        within(self, temperature=(0.0, math.inf), decay=(0.01, math.inf))

    def optimize(self, run: Run) -> None:
        """Search from the task's start prompt."""
        plan = self.plan(run.room)
        editor, scores, patience = parts_of_search(run, self, plan)
        incumbent = top = scores.start()
        bank = Bank()
        for iteration in scores.iterations():
            neighbours = editor.neighbours(incumbent.prompt, bank, plan.neighbours)
            # In the code one field holds both, and a search may return worse than it has seen.
            pool = scores.score([top.candidate, incumbent.candidate, *neighbours])
            top, incumbent, *found = pool
            if found:
                new = best(found)
                # i counts from 1, as in Plum; GrIPS counts from 0.
                temperature = self.temperature * math.exp(-iteration * pace(plan) / self.decay)
                if run.rng("acceptance").random() < acceptance(new.points, incumbent.points, temperature):
                    incumbent, bank = new, settle(bank, new.candidate.edits)
            # A move to what is no better is no improvement: patience counts from the best ever (code).
            improved = best(pool).prompt != top.prompt
            top = best(pool)
            scores.record(pool, [top, incumbent])
            if patience.ends(improved):
                break

    def plan(self, room: Room) -> PhrasePlan:
        """How many iterations of how many neighbours there are, and what those are seen on."""
        return phrase_plan(self, room, keep=2)

    def least(self, room: Room) -> int:
        """Evaluations of one iteration that is of use."""
        return least(room, self.plan(room).way, keep=2)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap."""
        return bounds(self, train, edited=1)


@told
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
    preset: Preset = "budget"
    """What open settings follow: the budget, or the paper."""

    def __post_init__(self) -> None:
        within(self, length=(1, math.inf), admission=(0.0, 1.0))

    def optimize(self, run: Run) -> None:
        """Search from the task's start prompt."""
        plan = self.plan(run.room)
        editor, scores, patience = parts_of_search(run, self, plan)
        top, bank = scores.start(), Bank()
        tabu = deque[Prompt]([top.prompt], maxlen=self.length)
        for _ in scores.iterations():
            neighbours = editor.neighbours(top.prompt, bank, plan.neighbours)
            # There is no aspiration: what is on the list was scored, and is not above the best.
            admitted = [
                each for each in neighbours if each.prompt not in tabu or run.rng("tabu").random() < self.admission
            ]
            pool = scores.score([top.candidate, *admitted])
            if len(pool) > 1:
                # Whether it is moved to or not (code).
                tabu.append(best(pool[1:]).prompt)
            found = best(pool)
            improved = found is not pool[0]
            if improved:
                bank = settle(bank, found.candidate.edits)
            top = found
            scores.record(pool, [top])
            if patience.ends(improved):
                break

    def plan(self, room: Room) -> PhrasePlan:
        """How many iterations of how many neighbours there are, and what those are seen on."""
        return phrase_plan(self, room, keep=1)

    def least(self, room: Room) -> int:
        """Evaluations of one iteration that is of use."""
        return least(room, self.plan(room).way, keep=1)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap."""
        return bounds(self, train, edited=1)


def acceptance(points: float, incumbent: float, temperature: float) -> float:
    """The probability that a neighbour replaces the incumbent: 1 unless it is worse, then exp(-loss / temperature)."""
    # The Metropolis criterion, for points that are to rise.
    if points >= incumbent:
        return 1.0
    return math.exp((points - incumbent) / temperature) if temperature > 0 else 0.0


def pace(plan: PhrasePlan) -> float:
    """Iterations of the paper that one iteration stands for: however many there are, annealing cools as much."""
    return ITERATIONS / plan.rounds if isinstance(plan.way, Fresh) else 1.0
