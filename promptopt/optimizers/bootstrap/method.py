"""Bootstrap: sets of demonstrations that the model wrote itself where it was right, and the best of many such sets.

Paper    Khattab et al. 2023, DSPy: Compiling Declarative Language Model Calls into Self-Improving Pipelines,
         arXiv:2310.03714; settings and order of work are those of BootstrapFewShotWithRandomSearch in DSPy 3.4.1.
Calls    of the task model alone, unless the proposer is the teacher: one for each example that is tried, of those set
         aside to be shown; and a set's evaluations.
Scales   with S evaluations: a tenth of S examples are shown at most, and sets are looked at in small generations of
         max(4, 0.7 S^(1/3)) on fresh examples, of which the two best go on.
Paper's  rule, by `preset=paper` and where there is no cap: the start, none, L labelled, one set in the order of the
         data, and R sets from shuffled data, each scored on all V examples; the first of the best wins.
Departs  what is shown and what is scored on are apart (code: the same, unless told); the start with its own
         demonstrations competes; a threshold of 0 counts; further tries are drawn at the temperature, whatever the
         model; the teacher is a model, under the start prompt, and no program of its own; of a program of several calls
         a demonstration shows input and output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.operators.bootstrapping import Teacher, Teaching, labelled
from promptopt.operators.demos import draw, shows_demos, unlike
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Fresh, GenerationalSelection, Preset, fresh, least_generation
from promptopt.text import counted
from promptopt.types import Estimate, Example, Prompt, Proposal, Room, UpperBounds

SETS = 16
"""R of the code: sets from shuffled data, besides those that are always tried."""
FIRST_CANDIDATES = 4
"""Candidates that are always tried: the start, no demonstrations, labelled ones, one set in the order of the data."""
DRY = 3
"""Generations without a new set before the search begins again, and then ends. Ours: one may be chance, and
each tries the teacher."""
TEACHING = Teaching()


@dataclass(frozen=True, slots=True)
class BootstrapPlan:
    """Concrete numbers. `sets`: R; `shown`: examples set aside; `fresh`: None for the code's rule."""

    rounds: int
    sets: int
    shown: int
    fresh: Fresh | None

    def describe(self) -> str:
        """Half a sentence."""
        if self.fresh is not None:
            return f"{self.fresh.describe('sets')}; made from {counted(self.shown, 'example')}"
        sets = counted(self.sets + FIRST_CANDIDATES, "set")
        return f"{sets} of demonstrations, made from {counted(self.shown, 'example')}"


@told
@dataclass(frozen=True, slots=True)
class Bootstrap:
    """BootstrapFewShot with random search."""

    name: ClassVar[str] = "bootstrap"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    sets: int | None = None
    """R, sets from shuffled data. None: by the budget, or 16. 0: BootstrapFewShot alone. Code."""
    share: float = 0.5
    """The share of the training examples that may be shown, and that no set is scored on. Ours."""
    stop_at: float | None = None
    """The mean score of a set that ends the code's rule. Code: none."""
    teach: Teaching = TEACHING
    """How a set is made."""

    def __post_init__(self) -> None:
        within(self, sets=(0, math.inf), share=(0.0, 1.0), stop_at=(-math.inf, math.inf))

    def plan(self, room: Room) -> BootstrapPlan:
        """By the budget where there is one, else by the code's rule."""
        most = min(max(1, int(self.share * room.train)), max(1, room.train - 1))
        cells = None if self.preset == "paper" or self.sets is not None else room.cells()
        if cells is None:
            return BootstrapPlan(1, SETS if self.sets is None else self.sets, most, None)
        shown = min(most, max(2 * self.teach.bootstrapped, cells // 10))
        # A set asks nothing of the proposer.
        found = fresh(room, calls_per_child=0.0, aside=shown * self.teach.tries)
        assert found is not None
        return BootstrapPlan(found.rounds, found.rounds * found.children, shown, found)

    def least(self, room: Room) -> int:
        """A few demonstrations and two generations; by the code's rule every candidate on all examples."""
        plan = self.plan(room)
        if plan.fresh is not None:
            return 2 * self.teach.bootstrapped * self.teach.tries + 2 * least_generation()
        return plan.shown * self.teach.tries + (FIRST_CANDIDATES + plan.sets) * (room.train - plan.shown)

    def optimize(self, run: Run) -> None:
        """Search; what is shown and what is scored on are different parts of `train`."""
        if not shows_demos(run.task):
            raise ConfigError(
                "the task's layout has no place for demonstrations, and bootstrap searches for nothing else: give it "
                "one (`demos` in the layout; of a program as docs/programs.md shows), or use another method"
            )
        plan = self.plan(run.room)
        # Equal inputs once: else one would be shown and its twin scored on.
        pool = unlike(run.rng("split").sample(run.train, len(run.train)))
        if len(pool) < 2:
            raise ConfigError("one training example cannot be both shown and scored on: add training examples")
        # One at least is left to score on.
        held = pool[: min(plan.shown, len(pool) - 1)]
        kept = {example.fields for example in held}
        # By inputs: a set that shows the answer to an example must not be scored on it.
        scored = [example for example in dict.fromkeys(run.train) if example.fields not in kept]
        # In the order of the data, as in the code.
        shown = [example for example in unlike(run.train) if example.fields in kept]
        # Made as they are wanted: a set that nobody looks at any more would cost evaluations.
        candidates = self._candidates(run, shown)
        if plan.fresh is None:
            self._published(run, plan, candidates, scored)
            return
        search, elite = GenerationalSelection(run, scored, plan.fresh, DRY), [run.initial]
        while search.open:
            # Those that are always tried are looked at beside a whole generation of shuffled ones.
            wanted = plan.fresh.children + (FIRST_CANDIDATES - 1 if search.first else 0)
            elite = search.survivors(elite, [next(candidates) for _ in range(wanted)])

    def _published(
        self, run: Run, plan: BootstrapPlan, candidates: Iterator[Prompt], scored: Sequence[Example]
    ) -> None:
        """The code's rule: each candidate on all examples; the first of the best."""
        estimates = [self._scored(run, run.initial, scored)]
        # BootstrapFewShot by itself compares no empty and no labelled set.
        skipped = 2 if self.sets == 0 else 0
        for number in range(FIRST_CANDIDATES - 1 + plan.sets):
            prompt = next(candidates)
            # Equal sets are scored once: a draw may repeat one, and what the task forbids gives the start again.
            if number < skipped or any(prompt == each.prompt for each in estimates):
                continue
            # Stable, so the first of the best stays ahead (code).
            estimates = sorted([*estimates, self._scored(run, prompt, scored)], key=lambda each: -each.mean)
            run.rank_by(scored, [each.prompt for each in estimates], others=False)
            run.record(estimates, [estimates[0].prompt])
            if self.stop_at is not None and estimates[0].mean >= self.stop_at:
                break

    def _scored(self, run: Run, prompt: Prompt, scored: Sequence[Example]) -> Estimate:
        return Estimate(prompt, run.evaluate([prompt], scored).means()[prompt], len(scored))

    def _candidates(self, run: Run, shown: Sequence[Example]) -> Iterator[Prompt]:
        """After the start: without demonstrations, labelled ones, a set in the order of the data, then shuffled ones.

        One that the task forbids gives the start again.
        """
        yield self._made(run, (), "none")
        yield self._made(run, labelled(run, shown, self.teach.labelled, "labelled"), "labelled")
        teacher, most = Teacher(run, self.teach, shown), self.teach.bootstrapped
        yield self._made(run, teacher.demonstrations(shown, most), "bootstrapped")
        while True:
            order = draw(run.rng("shuffled"), shown, len(shown))
            # From 1 to B (code); 0 where nothing is to be bootstrapped.
            size = run.rng("sizes").randint(min(1, most), most)
            yield self._made(run, teacher.demonstrations(order, size), "shuffled")

    def _made(self, run: Run, demos: Sequence[Example], note: str) -> Prompt:
        prompt = run.initial.with_demos(demos)
        return next(iter(run.admit([Proposal(prompt, (run.initial,), "demonstrations", note)])), run.initial)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a search over `train` training examples without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a search in that room; the proposer is only asked where it is the teacher."""
        plan, cells = self.plan(room), room.cells()
        tried = plan.shown * self.teach.tries
        evaluations = tried + (FIRST_CANDIDATES + plan.sets) * max(1, room.train - plan.shown)
        return UpperBounds(
            evaluations if cells is None else min(cells, evaluations),
            tried if self.teach.teacher == "proposer" else 0,
            0,
        )
