"""Small generations on fresh examples, one after another: the rule of searches on a small budget, and its plan.

Papers score every candidate on one fixed set of 100 or 200 examples. On a small budget that is a handful of candidates,
and a few hundred to a few thousand evaluations prove no single step. So old and new of a generation are looked at
together, on few examples drawn anew, and the worst leave one by one. Many cheap steps average their errors out. At
equal budgets of 500 to 2,000 evaluations that finds better prompts on planted tasks. The constants are those of
`selection/depth.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from promptopt.run import Run
from promptopt.selection.depth import KEEP, LEAST_DEPTH, depth_at, generation_size, mean_depth, rounds_of
from promptopt.selection.fresh import FreshRejects
from promptopt.selection.lineage import LineageBounds, by_means
from promptopt.text import counted
from promptopt.types import Estimate, Example, Prompt, Room

Preset = Literal["budget", "paper"]
"""Where settings that are left open come from: the budget, or the paper's constants whatever the budget."""

SPARE = 3
"""Generations that are made at most for each that is planned: children that are missing, and known cells, cost less.
Ours."""
SMALL = 1_000
"""Evaluations of a search below which looks and survival go by the posterior over the lineage. On planted tasks that
gains below: at caps of 500 and 1,000 evaluations APO 0.23 -> 0.26 and 0.33 -> 0.36, CAPO 0.27 -> 0.32 and 0.26 -> 0.36.
It loses above: at 2,000 APO 0.42 -> 0.40, CAPO 0.41 -> 0.32. What is known best stays there, and newcomers have no time
to be known as well."""
TINY = 210
"""Evaluations of a search below which a child that was written is written once more before it is scored, where calls
are what is capped. So few looks tell only apart what differs much, and few generations do not go far by small steps."""
DRY = 5
"""Generations in a row without a new prompt that are a dry spell, where a method has no other number. Ours."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """What generations on fresh examples do. `evaluations`: of the whole search.

    `children` join the `keep` old ones in every generation. `depth`: mean examples an arm, which grows from 0.4 to 1.6
    of it over the search. `most`: generations at most, where a user says so. `lineage`: looks and survival go by the
    posterior over all that the search knows, instead of successive rejects on the generation's own examples.
    """

    writings: ClassVar[int] = 1
    """Calls of the proposer, one after the other, that a written child comes of."""

    evaluations: int
    children: int
    keep: int
    depth: float
    most: int | None = None
    lineage: bool = False

    @property
    def rounds(self) -> int:
        """Generations that the evaluations are for."""
        afforded = rounds_of(self.evaluations, self.children + self.keep, self.depth)
        return afforded if self.most is None else min(self.most, afforded)

    @property
    def bound(self) -> int:
        """Generations that there are at most."""
        return SPARE * self.rounds if self.most is None else self.most

    def describe(self, children: str = "children") -> str:
        """`12 generations of 5 children, each seen on 1 to 5 fresh examples on average`."""
        first, last = (max(1, round(depth_at(self.depth, share))) for share in (0.0, 1.0))
        rounds = counted(self.rounds, "generation")
        seen = f"{first} to {counted(last, 'fresh example')}"
        return f"{rounds} of {self.children} {children}, each seen on {seen} on average"


@dataclass(frozen=True, slots=True)
class Twice(Fresh):
    """The same where what was written is written once more before it is scored (`TINY`)."""

    writings: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class Fixed:
    """The paper's way: every candidate is scored on the same `examples`. `children`: scored in one of the `rounds`."""

    writings: ClassVar[int] = 1
    """As of `Fresh`."""

    rounds: int
    children: int
    examples: int

    def describe(self) -> str:
        """The plan in half a sentence."""
        return (
            f"{counted(self.rounds, 'generation')} of {counted(self.children, 'child', 'children')}, all scored "
            f"on the same {counted(self.examples, 'example')}"
        )


def fresh(
    room: Room,
    *,
    children: int | None = None,
    keep: int = KEEP,
    calls_per_child: float = 1.0,
    aside: int = 0,
    most: int | None = None,
    small: int = 0,
    again: bool = False,
) -> Fresh | None:
    """The generations that the room affords; None where it has no cap.

    children, most: as a user set them; keep: prompts that go on; calls_per_child: of the proposer; aside: evaluations
    that are spent otherwise; small: a search of fewer evaluations goes by the posterior; again: whether the method can
    write a child once more, which a tiny search under a cap on calls then does.
    """
    cells = room.cells()
    if cells is None:
        return None
    granted, size, depth = _afforded(room, cells, children, keep, calls_per_child, aside)
    # Nobody has granted the calls of a second writing where calls are not capped, and somebody waits for them. What is
    # tiny is so without it.
    if again and room.calls is not None and granted < TINY:
        fewer, smaller, deep = _afforded(room, cells, children, keep, 2 * calls_per_child, aside)
        # What leaves too little to look with is written once.
        if fewer >= 2 * least_generation(keep):
            return Twice(fewer, smaller, keep, deep, most, fewer < small)
    return Fresh(granted, size, keep, depth, most, granted < small)


def _afforded(
    room: Room, cells: int, children: int | None, keep: int, calls_per_child: float, aside: int
) -> tuple[int, int, float]:
    """Evaluations of the generations, children of one, and its mean depth."""
    evaluations, size, depth = cells, 1, 1.0
    # The calls of the proposer that a cell brings with it depend on the plan, and it on them: two steps are enough.
    for _ in range(3):
        evaluations = max(1, evaluations - aside)
        size = generation_size(evaluations) if children is None else children
        depth = mean_depth(evaluations)
        left = room.cells(calls_per_child * size / (depth * (size + keep)))
        evaluations = cells if left is None else left
    return max(0, evaluations - aside), size, depth


def least_generation(keep: int = KEEP) -> int:
    """Evaluations of the smallest generation that is of use: everyone is seen on three examples."""
    return int(LEAST_DEPTH * (generation_size(1) + keep))


def least(room: Room, way: Fixed | Fresh, keep: int) -> int:
    """Evaluations of one generation that is of use: the smallest on fresh examples, or all on the fixed ones."""
    if isinstance(way, Fixed) and room.cells() is not None:
        return way.examples * (1 + way.children)
    return least_generation(keep)


def writings_of(run: Run, planned: int) -> int:
    """How often a child is written; once by losses, which tell small steps apart (planted, at 500: 0.41 either way)."""
    return 1 if run.abilities.stands_in else planned


def looks_of(run: Run, budget: int, *, lineage: bool) -> FreshRejects | LineageBounds:
    """What ranks a generation with so many evaluations; `lineage`: by all relatives, where that helps.

    Losses have so little noise that a few fresh examples rank a generation better than its relatives do (planted, at
    500 evaluations: `auto` 0.44 and 0.37, PMPO 0.44 and 0.38).
    """
    return LineageBounds(budget) if lineage and not run.abilities.stands_in else FreshRejects(budget)


class GenerationalSelection:
    """Which prompts go on, generation after generation, until the evaluations or the new prompts run out.

    After a dry spell, generations in a row without a new prompt, the search begins again from its best, once. The
    second ends it, and what is left is for the final choice.
    """

    def __init__(self, run: Run, examples: Sequence[Example], plan: Fresh, dry: int = DRY) -> None:
        """`examples`: those that every generation draws from, by the run's stream "order". `dry`: of a spell."""
        self.begun_again = False
        """Whether the last generation was the end of a dry spell, so that the best goes on alone."""
        self._run, self._examples, self._plan, self._dry = run, tuple(examples), plan, dry
        # What was spent before is not this search's: its looks deepen over what is left from here.
        self._left = run.evaluations_left()
        self._idle = self._count = 0
        self._again = True
        self._seen: dict[Prompt, None] = {}

    @property
    def open(self) -> bool:
        """Whether another generation can be seen: one look at everyone, at least."""
        left, plan = self._run.evaluations_left(), self._plan
        if self._idle >= self._dry or (plan.most is not None and self._count >= plan.most):
            return False
        # Caps on tokens and dollars end a search when they are spent, whatever was estimated of them.
        return left is None or (left >= plan.children and self._count < plan.bound)

    @property
    def first(self) -> bool:
        """Whether no generation has been seen yet."""
        return self._count == 0

    @property
    def first_look(self) -> int:
        """Examples of a first look at this stage of the search: half of what an arm sees on average."""
        return max(1, round(self._depth() / 2))

    def survivors(
        self, old: Sequence[Prompt], children: Sequence[Prompt], price: Callable[[Prompt], float] | None = None
    ) -> list[Prompt]:
        """The prompts that go on, best first; the generation is recorded. As `select`, and of equals the cheaper."""
        ranked, kept = self.select(old, children, price)
        self._run.record(ranked, kept)
        return kept

    def select(
        self, old: Sequence[Prompt], children: Sequence[Prompt], price: Callable[[Prompt], float] | None = None
    ) -> tuple[list[Estimate], list[Prompt]]:
        """Old and new on examples that are drawn anew: all, survivors first, and who goes on, as the run is told.

        Of equals the cheaper goes on, then the earlier. Where none is new, or nobody is there to be held against,
        nothing is spent, and as many as are kept of the old go on. After a dry spell the best goes on alone.
        """
        run, plan = self._run, self._plan
        arms = list(dict.fromkeys([*old, *children]))
        if price is not None:
            # A stable sort, and the rejects drop the later of equals: so the cheaper stays, then the earlier.
            arms.sort(key=price)
        self._count += 1
        self.begun_again = False
        if len(arms) < 2 or all(prompt in self._seen for prompt in arms):
            return self._none_new(old, arms)
        self._idle = 0
        self._seen |= dict.fromkeys(arms)
        rule = looks_of(run, self._budget(len(arms)), lineage=plan.lineage)
        ranked = rule.select(run, arms, self._examples, plan.keep)
        kept = [estimate.prompt for estimate in ranked[: plan.keep]]
        # A cap may end the search before the next generation: the final choice then begins with these; by the posterior
        # with the best of all, as one that was left behind may be.
        run.rank_by(self._examples, by_means(run.posterior(arms)) if isinstance(rule, LineageBounds) else kept)
        return ranked, kept

    def _none_new(self, old: Sequence[Prompt], arms: Sequence[Prompt]) -> tuple[list[Estimate], list[Prompt]]:
        run = self._run
        self._idle += 1
        kept = list(old) if old else list(arms[: self._plan.keep])
        if self._idle == self._dry and self._again:
            self._idle, self._again, self.begun_again = 0, False, True
            worth = run.worths(self._examples)
            # By all that is known, not by the last draw: what begins again should not be that draw's luck.
            kept = [max(worth, key=worth.__getitem__)]
        return [run.estimate(prompt, self._examples) for prompt in dict.fromkeys([*kept, *old, *arms])], kept

    def _depth(self) -> float:
        left = self._run.evaluations_left()
        if left is None or self._left is None:
            # Caps on tokens and dollars are known as evaluations beforehand only, and as an estimate.
            return depth_at(self._plan.depth, self._run.spent.evaluations / max(1, self._plan.evaluations))
        return depth_at(self._plan.depth, 1 - left / max(1, self._left))

    def _budget(self, arms: int) -> int:
        """B of the rule; rejects may ask for one evaluation an arm on top."""
        left, wanted = self._run.evaluations_left(), round(self._depth() * arms)
        if left is None:
            return max(1, wanted)
        # Rejects that went over the cap would end the search in the middle of a comparison.
        exact = isinstance(looks_of(self._run, 1, lineage=self._plan.lineage), LineageBounds)
        return max(1, min(wanted, left if exact else left - arms))
