"""Random search: many rewrites of the start, compared on the same examples. The floor for every other method.

Source   Bergstra and Bengio 2012, Random Search for Hyper-Parameter Optimization, JMLR 13:281-305, with rewrites by a
         model in the place of settings; OPRO (arXiv:2309.03409) compares itself with instructions drawn at one go.
Scales   with the budget, of S evaluations: S / 8 rewrites (4 at least), compared all at once by successive rejects on a
         fresh draw of the examples, so that most are seen once or twice and the last few on dozens.
Without  a cap, and by `preset=paper`: M = 100 rewrites, all scored on the same N = 50 examples; (1 + M)*N evaluations.
         Proposer: M calls, of which one without tags is asked for once more.
Departs  a rewrite that is unusable, or one that came up before, is not replaced: there are M draws, whatever they give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.operators.replies import Form
from promptopt.operators.rewrite import rewrites
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.depth import KEEP
from promptopt.selection.fresh import FreshRejects, evaluations_of, looks
from promptopt.selection.generations import Preset
from promptopt.tasks.parts import editables_of, wording
from promptopt.text import Pattern, counted
from promptopt.types import Estimate, Example, Prompt, Proposal, Room, Sampling, UpperBounds

REQUEST = Pattern(
    '''Write a variation of this instruction for a language model. Say it in your own words; it may be shorter or more \
detailed. Keep the names of the answers and the form of the answer.

"""
{section}
"""

Write the whole new text, in this form:
<prompt>
...
</prompt>''',
    ("section",),
)
FORM = Form(REQUEST)
DEPTH = 8
"""Mean examples a rewrite by the budget. Ours."""
SAMPLING = Sampling(temperature=1.0, max_tokens=1024)
_WHO = "rewriter"


@dataclass(frozen=True, slots=True)
class RandomSearchPlan:
    """Concrete numbers. `evaluations`: None where every rewrite is scored on the same `examples`."""

    candidates: int
    examples: int
    evaluations: int | None

    @property
    def rounds(self) -> int:
        """All rewrites are one round."""
        return 1

    def describe(self) -> str:
        """Half a sentence."""
        if self.evaluations is None:
            return f"{counted(self.candidates, 'rewrite')}, each scored on {counted(self.examples, 'example')}"
        return f"{counted(self.candidates, 'rewrite')}, compared on {counted(self.evaluations, 'evaluation')}"


@told
@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Independent rewrites of the start, without feedback, scores or examples; the best is kept."""

    name: ClassVar[str] = "random"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    candidates: int | None = None
    """M, rewrites asked for. None: by the budget, 100 without one. Ours."""
    breadth: int = 10
    """Rewrites asked for side by side; it changes no candidate, only how often the search reports. Ours."""
    examples: int | None = None
    """N, training examples that every prompt is scored on. None: all are drawn from by the budget, 50 without one."""
    longest: int = 400
    """Tokens a rewrite may have; of a start that is longer it may have a quarter more. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Ours."""

    def __post_init__(self) -> None:
        within(self, candidates=(0, math.inf), **dict.fromkeys(("breadth", "examples", "longest"), (1, math.inf)))

    def plan(self, room: Room) -> RandomSearchPlan:
        """By the budget where there is one."""
        # One call a rewrite, which is seen DEPTH times on average.
        cells = None if self.preset == "paper" else room.cells(1 / DEPTH)
        if cells is None:
            candidates, examples = self.candidates, 50 if self.examples is None else self.examples
            return RandomSearchPlan(100 if candidates is None else candidates, min(examples, room.train), None)
        candidates = max(4, cells // DEPTH) if self.candidates is None else self.candidates
        examples = room.train if self.examples is None else self.examples
        return RandomSearchPlan(candidates, min(examples, room.train), cells)

    def least(self, room: Room) -> int:
        """Four rewrites and the start."""
        return 5 * DEPTH if self.plan(room).evaluations is not None else 5 * self.plan(room).examples

    def optimize(self, run: Run) -> None:
        """Draw, compare, keep the best, until M rewrites were asked for or the budget ends."""
        plan = self.plan(run.room)
        sample = run.rng("examples").sample(run.train, plan.examples)
        run.rank_by(sample)
        if plan.evaluations is None:
            self._scored_alike(run, plan, sample)
            return
        seen = {wording(run.task, run.initial)}
        drawn = list[Prompt]()
        for begin in range(0, plan.candidates, self.breadth):
            drawn += self._drawn(run, min(self.breadth, plan.candidates - begin), seen)
        # The start first: of equals the earlier stays.
        arms = [run.initial, *drawn]
        left = run.evaluations_left()
        most = plan.evaluations if left is None else min(plan.evaluations, left)
        # Looks are whole examples, so they ask for less than the budget they are made from.
        budget = next(
            # The largest whose looks the evaluations pay for.
            (
                each
                for each in range(2 * most, 1, -1)
                if evaluations_of(len(arms), looks(len(arms), KEEP, each)) <= most
            ),
            1,
        )
        ranked = FreshRejects(budget).select(run, arms, sample, KEEP)
        kept = [estimate.prompt for estimate in ranked[:KEEP]]
        run.rank_by(sample, kept)
        run.record(ranked, kept)

    def _scored_alike(self, run: Run, plan: RandomSearchPlan, sample: Sequence[Example]) -> None:
        means = run.evaluate([run.initial], sample).means()
        best, seen = run.initial, {wording(run.task, run.initial)}
        for begin in range(0, plan.candidates, self.breadth):
            drawn = run.evaluate(self._drawn(run, min(self.breadth, plan.candidates - begin), seen), sample).means()
            means |= drawn
            pool = dict.fromkeys([best, *drawn])
            # Of equals the earlier, which is the best before.
            best = max(pool, key=means.__getitem__)
            run.record([Estimate(prompt, means[prompt], len(sample)) for prompt in pool], [best])

    def _drawn(self, run: Run, count: int, seen: set[str]) -> list[Prompt]:
        """So many rewrites, those of use that are new; whatever is read is `seen` from then on.

        Where several parts are editable a candidate has a rewrite of each of them, and there are as many fewer.
        """
        parts, fresh = editables_of(run.task), list[Proposal]()
        # A rewrite is a call, and M says how many there are.
        drawn: list[Prompt | None] = [None] * (count // len(parts))
        for part in parts:
            run.edit(part)
            requests = [(run.initial, REQUEST.render({"section": run.initial[part]}))] * len(drawn)
            written = rewrites(run, requests, self.sampling, who=_WHO, longest=self.longest, form=FORM)
            for place, (known, prompt) in enumerate(zip(drawn, written, strict=True)):
                if prompt is not None:
                    drawn[place] = prompt if known is None else known.replace(part, prompt[part])
        for prompt in drawn:
            if prompt is None:
                continue
            text = wording(run.task, prompt)
            if text in seen:
                run.reject(f"{_WHO}: seen before")
            else:
                seen.add(text)
                fresh.append(Proposal(prompt, (run.initial,), _WHO))
        return run.admit(fresh)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a whole search in that room; replies without tags are asked for twice."""
        plan = self.plan(room)
        calls = 2 * plan.candidates
        most = (1 + plan.candidates) * plan.examples
        evaluations = most if plan.evaluations is None else min(most, plan.evaluations)
        return UpperBounds(evaluations, calls, calls * self.sampling.max_tokens)
