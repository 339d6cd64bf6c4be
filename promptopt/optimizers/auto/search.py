"""auto: small generations from several operators, looked at by a posterior over the lineage, planned from the budget.

Source   our own. The posterior: Henderson (1975, Biometrics 31:423-447), see `run/posterior.py`; upper bounds under it
         decide who is looked at and who has children. Operators: a critique of mistakes (Pryzant et al. 2023,
         arXiv:2305.03495), crossing (Zehle et al. 2025, arXiv:2504.16005), scored histories (Yang et al. 2023,
         arXiv:2309.03409), guessed instructions (Zhou et al. 2022, arXiv:2211.01910).
Calls    a generation of L children: at most n (L + 2) of the task model, where n grows from 0.4 to 1.6 of the mean
         depth; L of the proposer at most, less what `prune` and `demo` make without one. Off their form: once more.
Why      a few hundred evaluations cannot prove one step, so no step is proved. Every score counts for all relatives
         instead, drawn towards them by as much as luck is worth. On planted tasks that gains a third more at equal
         budgets than looking at each generation alone. The final choice pools what dev and search know, and the sealed
         test decides what may be claimed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.operators.demos import shows_demos, shows_turns
from promptopt.optimizers.auto.credit import Credit
from promptopt.optimizers.auto.ending import over
from promptopt.optimizers.auto.fruitless import FREE
from promptopt.optimizers.auto.opening import look_at_start
from promptopt.optimizers.auto.operators import Operators
from promptopt.optimizers.auto.plan import USEFUL, Generations, first_turns, generations_plan
from promptopt.protocols import Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.run.posterior import Posterior
from promptopt.selection.depth import depth_at
from promptopt.selection.generations import looks_of, writings_of
from promptopt.selection.lineage import TellingFirst, most_hopeful
from promptopt.text import counted
from promptopt.types import Estimate, Example, Prompt, Room

DRY = 10
"""Generations in a row without a usable child that end a search, or restart it the first time. Ours."""
USUAL_COST = 5.0
"""Evaluations that a call of the proposer is worth in what was measured: many replies are shorter than a prompt."""
SMALL = 1_000
"""Evaluations below which there is no time to learn which operator pays, and those that step from
one parent lead. Ours."""
STEPPING, MIXING, SHORTENING = 3.0, 0.25, 0.1
"""How often operators are drawn in a small search: those that rewrite one parent, those that mix several prompts, and
pruning and demonstrations in the text. The last seldom pay so early."""


@told
@dataclass(frozen=True, slots=True)
class Auto:
    """The default: it needs no settings, and makes the most of any budget."""

    name: ClassVar[str] = "auto"

    children: int | None = None
    """Children of a generation. None: by the budget."""
    depth: float | None = None
    """Mean examples that a prompt of a generation is shown. None: by the budget."""
    demos: int | None = None
    """Demonstrations of a prompt at most; 0: none. None: 4, and 32 where they stand as turns of the conversation."""
    layouts: bool = True
    """Whether candidates may be read in other layouts of the task than the one in use, if the start does better there.
    """
    longest: int = 400
    """Tokens an instruction may have; one whose parent is longer may have a quarter more than that."""
    call_cost: float = USUAL_COST
    """What a call of the proposer costs, in evaluations: the dearer, the deeper the looks, and the more is tried that
    needs no call. A large model on a processor that answers short labels itself may cost fifty."""

    def __post_init__(self) -> None:
        given = {"children": (1, math.inf), "depth": (1, math.inf), "demos": (0, math.inf), "longest": (1, math.inf)}
        within(self, call_cost=(0.0, math.inf))
        within(self, **{name: bounds for name, bounds in given.items() if getattr(self, name) is not None})

    def plan(self, room: Room) -> Generations:
        """Everything that costs, from what is granted."""
        return generations_plan(room, self.children, self.depth, dearness=self._dearness)

    @property
    def _dearness(self) -> float:
        """How many times dearer than usual a call of the proposer is; 1 where it is not."""
        return max(1.0, self.call_cost / USUAL_COST)

    def least(self, room: Room) -> int:
        """One useful generation."""
        return USEFUL

    def demonstrations(self, task: Task) -> int:
        """Those of the smallest first set as turns; in the text there are too few to matter."""
        most = first_turns(task.labels) if self.demos is None else self.demos
        return min(most, len(task.train) // 2) if most and shows_demos(task) and shows_turns(task) else 0

    def optimize(self, run: Run) -> None:
        """Search until what was granted is spent, or nothing new comes any more."""
        plan = self.plan(run.room)
        credit = Credit(_weights(run, plan, self._dearness))
        opening = look_at_start(run, plan, layouts=self.layouts)
        if opening is None:
            return
        writings = writings_of(run, plan.writings)
        operators = Operators(run, self.longest, self.demos, opening.elite, writings=writings)
        elite, first, idle, restarted = opening.elite, opening.first, 0, False
        belief: Posterior = run.posterior([run.initial, *elite])
        while count := _affordable(run, plan, writings):
            # The answer lines first, in the place of children that would be drawn.
            made = [*first, *operators.children(credit, count - len(first), elite, belief.mean)]
            first = []
            admitted = run.admit(made)
            children = [proposal for proposal in made if proposal.prompt in admitted]
            idle = 0 if children else idle + 1
            if run.ended:
                return
            if idle == DRY or (operators.fruitless.full and not restarted):
                if restarted:
                    run.warn(
                        f"{counted(DRY, 'generation')} in a row gave nothing new, twice: the search ends before "
                        "its budget",
                        ends=True,
                    )
                    return
                # From the best that is known, of whatever generation: those that brought nothing new are left.
                elite, idle, restarted = [max(belief.mean, key=belief.mean.__getitem__)], 0, True
                credit.reset()
                operators.fruitless.begin_again()
            if not children:
                # Nothing was compared or recorded; of several parts that are edited the next has its turn all the same.
                run.turn()
                continue
            compared = _looked_at(run, plan, [*elite, *(each.prompt for each in children)])
            belief = run.posterior([estimate.prompt for estimate in compared])
            elite = _going_on(run, plan, belief, compared)
            known = {estimate.prompt for estimate in compared}
            # One of an earlier generation may lead: without what it scored nobody could say how good the best is.
            run.record([*compared, *(run.estimate(each, run.train) for each in elite if each not in known)], elite)
            for child in children:
                credit.note(child.operator, child.prompt in elite)
            if over(run, belief, plan.evaluations):
                return


def _weights(run: Run, plan: Generations, dearness: float) -> dict[str, float]:
    """How often an operator is drawn beside others of the same record; those that call the proposer, by their price."""
    weights = _by_size(run, plan)
    return {name: weight if name in FREE else weight / dearness for name, weight in weights.items()}


def _by_size(run: Run, plan: Generations) -> dict[str, float]:
    names = ("critic", "rewrite", "cross", "history", "guess", "prune", "demo")
    if plan.evaluations >= SMALL:
        return dict.fromkeys(names, 1.0)
    small = {"critic": STEPPING, "rewrite": STEPPING, "cross": MIXING, "history": MIXING, "prune": SHORTENING}
    # As turns of the conversation demonstrations pay more than any instruction.
    turns = shows_demos(run.task) and shows_turns(run.task)
    return {**dict.fromkeys(names, 1.0), **small, "demo": 1.0 if turns else SHORTENING}


def _evaluations_left(run: Run, plan: Generations) -> float:
    """Evaluations that the search may still ask for."""
    left = run.evaluations_left()
    if left is not None:
        return left
    # Tokens and dollars end a search when they are spent, whatever was estimated of them.
    return math.inf if run.room.cells() is not None else plan.evaluations - run.spent.evaluations


def _affordable(run: Run, plan: Generations, writings: int) -> int:
    """Children of the next generation: as planned, or so many that calls are left for a look at everyone; 0: none."""
    left, keep = _evaluations_left(run, plan), plan.keep
    # Of many first steps from one prompt the best is worth more than a second generation's.
    wanted = plan.children * (2 if not run.steps and plan.evaluations < SMALL else 1)
    if run.room.calls is None:
        return int(min(wanted, left - keep)) if left >= plan.children + keep else 0
    per_cell = run.room.calls_per_cell
    return max(0, min(wanted, int((left - keep) * per_cell // (per_cell + writings))))


def _looked_at(run: Run, plan: Generations, arms: Sequence[Prompt]) -> list[Estimate]:
    """A generation, looked at on a fresh draw of examples, best first by all that is known; by losses, by these."""
    depth = depth_at(plan.depth, run.spent.evaluations / max(1, plan.evaluations))
    losses = run.abilities.stands_in
    # Rejects may ask for one evaluation an arm on top.
    budget = max(1, int(min(depth * len(arms), _evaluations_left(run, plan) - (len(arms) if losses else 0))))
    twice = writings_of(run, plan.writings) > 1
    rule = TellingFirst(budget) if twice else looks_of(run, budget, lineage=True)
    return rule.select(run, arms, _unshown(run, arms), plan.keep)


def _going_on(run: Run, plan: Generations, belief: Posterior, compared: Sequence[Estimate]) -> list[Prompt]:
    """The most hopeful of all, also one that was left behind before its children did well.

    Losses have so little noise that a few fresh examples rank a generation: there its own best go on. Planted, at 500
    evaluations, that gains 0.44 in the place of 0.37.
    """
    if run.abilities.stands_in:
        return [estimate.prompt for estimate in compared[: plan.keep]]
    return most_hopeful(belief, plan.keep)


def _unshown(run: Run, arms: Sequence[Prompt]) -> list[Example]:
    """The training examples that no arm shows as a demonstration, where its answer could be read off; else all."""
    shown = {demo.fields: None for arm in arms for demo in arm.demos}
    unshown = [example for example in run.train if example.fields not in shown]
    return unshown if unshown else list(run.train)
