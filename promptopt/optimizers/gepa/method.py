"""GEPA: a reflector rewrites one text after a few examples; who beats its parent joins a pool; fronts pick parents.

Paper    Agrawal et al. 2025, GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning, ICLR 2026,
         arXiv:2507.19457; settings and order of work are those of its code, the package `gepa` 0.1.4.
Calls    an iteration: a minibatch for the parent and one for the child, one call of the reflector for each text that is
         rewritten; V more for a child that is accepted. V for the start; five for a merge, and V where it passes.
Scales   with S evaluations: V = S / 100 examples on the fronts (8 to 100, half of the training examples at most), and
         iterations until they are spent: 500 are about 50 iterations, 2,000 about 140. `preset=paper`: V = 100.
Departs  the examples of the fronts and those the reflector reads are always apart (code: the same, unless told); a
         child whose text was in the pool, quotes an example, lost a placeholder, refuses or came without tags is lost
         and counted; no iteration begins without room for both minibatches, and no child is accepted without room
         for its V (code: a cap is passed by an iteration); graded scores tie on a front within 1e-6; a cap on merges
         caps them; of equal means the older goes on; the final choice is among the best mean and the two survivors on
         most fronts, on examples that the search never saw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.operators.cells_left import require_cells
from promptopt.operators.quotes import Quotes
from promptopt.optimizers.gepa.frontier import Frontier, check_parts
from promptopt.optimizers.gepa.merging import MERGING, Merges, Merging
from promptopt.optimizers.gepa.pareto import PARENTS, Parents, best_of, draw_parent, survivors
from promptopt.optimizers.gepa.plan import GEPAPlan, pareto_plan
from promptopt.optimizers.gepa.pool import CandidatePool
from promptopt.optimizers.gepa.reflection import Child, Reflector, Rollout
from promptopt.optimizers.gepa.split import split
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.epochs import Epochs
from promptopt.selection.generations import Preset
from promptopt.tasks.parts import editables_of
from promptopt.types import Estimate, Example, Prompt, Room, Sampling, Score, UpperBounds

SAMPLING = Sampling(temperature=1.0, max_tokens=2048)
PATIENCE = 20
"""Iterations in a row that bring no child to be scored before the search ends. Ours: sixty evaluations, at
three a minibatch."""
ENDED_DRY = f"{PATIENCE} iterations in a row gave no new text of use, so the search ended before its budget did"
PERFECT = "every minibatch had full marks, so there was nothing left to reflect upon: give the task harder examples"


@dataclass(frozen=True, slots=True)
class Reflecting:
    """How a text is rewritten."""

    texts: Literal["round-robin", "all"] = "round-robin"
    """Which texts: one, by a pointer that each candidate inherits and moves on; or all, a call each. Code."""
    skip_perfect: bool = True
    """Whether a parent with full marks on its minibatch is not reflected upon. Code."""
    perfect: float = 1.0
    """Full marks. Code."""
    longest: int = 800
    """Tokens that a text may have; one that is longer already may grow by a quarter. Ours."""
    sampling: Sampling = SAMPLING
    """How the reflector is asked. Code; the length of a reply is ours."""

    def __post_init__(self) -> None:
        within(self, longest=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """When a child joins the pool, by the sums over the minibatch that it shares with its parent."""

    rule: Literal["better", "as-good"] = "better"
    """Strictly better than the parent, or equal too. Code."""
    margin: float = 0.0
    """The least gain in the sum, where it is not 0. Ours."""
    join: Literal["all", "best"] = "all"
    """Of several children of one iteration: all that pass, or the one that gained most. Code."""

    def __post_init__(self) -> None:
        within(self, margin=(0.0, math.inf))

    def admits(self, gain: float) -> bool:
        """Whether a child with this gain passes."""
        # 1e-9: sums of equal scores may differ by rounding, which must not decide.
        if self.margin > 0:
            return gain >= self.margin - 1e-9
        return gain > 1e-9 if self.rule == "better" else gain > -1e-9


@dataclass(frozen=True, slots=True)
class Parallel:
    """Children that one iteration makes side by side. Code: 1 of 1; more fill an engine's batches."""

    parents: int = 1
    """Parents that are drawn."""
    minibatches: int = 1
    """Minibatches of each, no two of an iteration the same."""

    def __post_init__(self) -> None:
        within(self, parents=(1, math.inf), minibatches=(1, math.inf))


@told
@dataclass(frozen=True, slots=True)
class GEPA:
    """Reflective evolution with Pareto selection over single examples."""

    name: ClassVar[str] = "gepa"

    preset: Preset = "budget"
    """`paper`: V is not scaled with the budget."""
    rounds: int | None = None
    """Iterations. None: until the budget is spent; 100 without one."""
    minibatch: int | None = None
    """b, examples that parent and child are compared on. None: 3. Paper, code."""
    pareto: int | None = None
    """V, training examples whose scores make the fronts, and which the reflector never reads. None: by the budget;
    else 100, half of the training examples at most. Paper: 45 to 300."""
    shared: bool = False
    """Whether all training examples are both read and scored on, as in a search for these examples alone. Code: true
    where no second set is given."""
    frontier: Frontier = "instance"
    """What a front is: `instance`, an example; `objective`, a part of the score by its mean; `hybrid`, both;
    `cartesian`, a part on an example. All but the first need scores with parts. Paper, code: instance."""
    draw: Parents = PARENTS
    """How parents are drawn."""
    reflect: Reflecting = Reflecting()
    """How a text is rewritten."""
    accept: Acceptance = Acceptance()
    """When a child joins the pool."""
    merge: Merging = MERGING
    """When two candidates are merged."""
    parallel: Parallel = Parallel()
    """Children of one iteration."""

    def __post_init__(self) -> None:
        within(self, rounds=(0, math.inf), minibatch=(1, math.inf), pareto=(1, math.inf))

    def plan(self, room: Room) -> GEPAPlan:
        """By the budget where there is one."""
        return pareto_plan(
            room,
            minibatch=self.minibatch,
            pareto=self.pareto,
            rounds=self.rounds,
            by_budget=self.preset == "budget",
            whole=self.shared,
        )

    def least(self, room: Room) -> int:
        """The start, and three children of which every one is accepted: below that a search is a single rewrite."""
        plan = self.plan(room)
        return plan.pareto + 3 * (2 * plan.minibatch + plan.pareto)

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on training examples only."""
        check_parts(run, self.frontier)
        plan = self.plan(run.room)
        feedback, examples = (list(run.train), list(run.train)) if self.shared else split(run, plan.pareto)
        if self.shared:
            run.warn("the search's own scores are fitted to the examples that its reflector reads, as shared is true")
        pool, epochs = CandidatePool(run, examples, self.frontier), Epochs(feedback, plan.minibatch, run.rng("slices"))
        merges, reflector = Merges(run, self.merge, editables_of(run.task)), self._reflector(run, pool, feedback)
        joined = False
        lost = 0
        skipped = 0
        # Algorithm 1 of the paper, in the order of work of the code.
        for number in range(self._most(plan, run.room)):
            # After an iteration that accepted a rewritten child, a merge may take the next one, accepted or not (code).
            if joined and merges.due and merges.attempt(pool):
                joined = False
                _record_iteration(run, pool, [])
                continue
            rollouts = self._rollouts(run, pool, epochs, number)
            imperfect = [rollout for rollout in rollouts if not self._perfect(rollout)]
            children = reflector.children(imperfect)
            # On the very examples of the parent: paired, three of them tell more than three of each.
            scored = [(child, self._run(run, child.prompt, child.rollout.slice, number)) for child in children]
            joined = self._join(run, pool, scored)
            # One merge for each accepted child (code).
            merges.due += joined
            _record_iteration(
                run,
                pool,
                [Estimate(child.prompt, total(scores) / len(scores), len(scores)) for child, scores in scored],
            )
            # Full marks are no failure of the reflector, so they are counted apart.
            lost, skipped = (0 if children else lost + bool(imperfect)), (0 if imperfect else skipped + 1)
            # Full marks on some minibatches say nothing of the others, so an epoch at least is gone through.
            if lost == PATIENCE or skipped == max(PATIENCE, epochs.count):
                run.warn(ENDED_DRY if lost == PATIENCE else PERFECT)
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a search over `train` training examples without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a search in that room for one editable text; replies off their form are asked for twice."""
        plan = self.plan(room)
        cells = room.cells()
        most = self._most(self.plan(room), room)
        tasks = self.parallel.parents * self.parallel.minibatches
        evaluations = plan.pareto + most * tasks * (2 * plan.minibatch + plan.pareto)
        calls = 2 * most * tasks
        evaluations = evaluations if cells is None else min(cells, evaluations)
        return UpperBounds(evaluations, calls, calls * self.reflect.sampling.max_tokens)

    def _reflector(self, run: Run, pool: CandidatePool, feedback: Sequence[Example]) -> Reflector:
        how, quotes = self.reflect, Quotes(feedback, run.task.labels, run.initial)
        return Reflector(run, pool, quotes, every=how.texts == "all", longest=how.longest, sampling=how.sampling)

    def _most(self, plan: GEPAPlan, room: Room) -> int:
        """Iterations at most: where the budget ends the search, as many as none of which brings an accepted child."""
        cells = room.cells()
        if self.rounds is not None or cells is None:
            return plan.rounds
        return PATIENCE + max(0, cells - plan.pareto) // plan.minibatch

    def _rollouts(self, run: Run, pool: CandidatePool, epochs: Epochs, number: int) -> list[Rollout]:
        """The parents of an iteration on their minibatches; each pair is run once."""
        rng, parallel = run.rng("parents"), self.parallel
        drawn = [draw_parent(self.draw, pool.fronts, pool.means, rng) for _ in range(parallel.parents)]
        taken = epochs.take(len(drawn) * parallel.minibatches)
        # Where an epoch has fewer minibatches than were asked for, some parents get fewer.
        pairs = [(drawn[place % len(drawn)], batch) for place, batch in enumerate(taken)]
        size = len(taken[0])
        # For the children too: a parent that is run alone is paid for in vain.
        require_cells(run, 2 * size * len(pairs), "another iteration")
        rollouts: list[Rollout] = []
        for parent, batch in pairs:
            scores = self._run(run, pool.prompts[parent], batch, number)
            rollouts.append(Rollout(parent, batch, tuple(scores)))
        return rollouts

    def _run(self, run: Run, prompt: Prompt, batch: Sequence[Example], number: int) -> Sequence[Score]:
        """The scores of a prompt on a minibatch: where the task model samples, drawn anew for each iteration."""
        # A parent that was lucky once would else be held against every child by that luck.
        # 0 is that of the fronts, 1 that of the final choice.
        repetition = number + 2 if run.task.sampling.temperature > 0 else 0
        return run.evaluate([prompt], batch, repetition=repetition)[prompt]

    def _perfect(self, rollout: Rollout) -> bool:
        return self.reflect.skip_perfect and all(score.value >= self.reflect.perfect for score in rollout.scores)

    def _join(self, run: Run, pool: CandidatePool, scored: Sequence[tuple[Child, Sequence[Score]]]) -> int:
        """How many children were accepted, and scored on the fronts' examples, whatever they score there."""
        # Sums, as in the code; on equal examples they rank as the paper's means do.
        gains = [(total(scores) - total(child.rollout.scores), child) for child, scores in scored]
        passed = [(gain, child) for gain, child in gains if self.accept.admits(gain)]
        if self.accept.join == "best":
            passed = sorted(passed, key=lambda each: -each[0])[:1]
        for _, child in passed:
            # A child with some of its V scores could be neither drawn as a parent nor chosen in the end.
            require_cells(run, len(pool.examples), "a child that was accepted")
            pool.join(child.prompt, (child.rollout.parent,))
        return len(passed)


def total(scores: Sequence[Score]) -> float:
    """The sum of the values."""
    return math.fsum(score.value for score in scores)


def _record_iteration(run: Run, pool: CandidatePool, scored: Sequence[Estimate]) -> None:
    """Record an iteration: the pool, the children on their minibatches, and the survivors, the best first."""
    estimates, best = pool.estimates(), best_of(pool.means)
    alive = [best, *(each for each in survivors(pool.fronts, pool.means) if each != best)]
    # Who joined stands among the pool, with the mean over all V.
    known = [estimate for estimate in scored if estimate.prompt not in pool.prompts]
    run.record([*estimates, *known], [pool.prompts[each] for each in alive])
