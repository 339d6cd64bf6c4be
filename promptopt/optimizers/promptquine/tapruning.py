"""TAPruning: an in-context prompt loses its tokens one by one, as long as the score stays near the best.

Paper    Wang, Hu & Bing 2025, Evolving Prompts In-Context: An Open-ended, Self-replicating Perspective, ICML 2025,
         arXiv:2506.17930 (the hill climber that PromptQuine is compared with).
Calls    task model: a prompt costs one call an example, 200 at most; at least L + K prompts, where L tokens can be
         dropped and K stay, and L * L / 2 at the very worst. No proposer.
Scales   under a cap of S evaluations, prompts are scored on S / 1.5 L examples, 16 at least and 200 at most, so that
         every token is tried once and half of them again. `preset=paper`, or a number for `examples`, stays as it is.
Departs  the threshold is safe for scores of 0 and below (code: a ratio, which then accepts what is worse); a pass that
         drops nothing ends the search (code: one that leaves the length alone); slots are elements of their own; the
         search is capped at 10,000 prompts, as PromptQuine's is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.optimizers.promptquine.genes import Gene, genes_of, without
from promptopt.optimizers.promptquine.in_context import draw_evenly, start_with
from promptopt.protocols import Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Preset
from promptopt.tasks.inline import inlined
from promptopt.text import counted
from promptopt.types import Estimate, Example, Prompt, Proposal, Room, UpperBounds

EXAMPLES = 200
"""The paper's set."""
LEAST_EXAMPLES = 16
"""Examples below which a score says too little to drop a token by. Ours."""
PASSES = 1.5
"""Tries for each token that a search under a cap is planned for: one pass, and one over the half that is left. Ours."""
SLACK = 1e-9
"""What rounding may take off a score that is just at the threshold."""


@dataclass(frozen=True, slots=True)
class PruningPlan:
    """What prompts are scored on: `examples`, or (None) as many as `granted` evaluations allow every token's try."""

    examples: int | None
    granted: int | None

    @property
    def rounds(self) -> int:
        """Passes over the prompt; how many there will be the prompt decides."""
        return 1

    def describe(self) -> str:
        """The plan in half a sentence."""
        if self.examples is not None:
            return f"passes over the prompt, every try on the same {counted(self.examples, 'example')}"
        allowed = "the evaluations" if self.granted is None else counted(self.granted, "evaluation")
        return f"passes over the prompt, every try on as many examples as {allowed} allow"

    def size(self, droppable: int) -> int:
        """Examples, for a prompt of so many tokens that can be dropped."""
        if self.examples is not None or self.granted is None:
            return EXAMPLES if self.examples is None else self.examples
        return min(EXAMPLES, max(LEAST_EXAMPLES, math.floor(self.granted / (PASSES * droppable + 2))))


@told
@dataclass(frozen=True, slots=True)
class TAPruning:
    """Threshold-accepting pruning: one pass over the tokens after another, until a pass drops none."""

    name: ClassVar[str] = "tapruning"

    shots: int = 1
    """Demonstrations in the prompt that is pruned: of each class, or in all where there are no labels. 0: none."""
    gene: Gene = "token"
    """What is dropped at a time. The paper: a token."""
    threshold: float = 0.96
    """δ, the share of the best score that a prompt must keep to be accepted. Paper, code."""
    order: Literal["left-to-right", "random"] = "left-to-right"
    """The order in which tokens are tried; at random, to see how many optima there are."""
    examples: int | None = None
    """Training examples that prompts are scored on, and chosen by; None: by the budget. Paper: 200."""
    most: int = 10_000
    """Prompts that the search may try. Ours; the paper: as many as there are."""
    preset: Preset = "budget"
    """What open settings follow: the budget, or the paper."""

    def __post_init__(self) -> None:
        within(self, threshold=(0.0, 1.0), shots=(0, math.inf), most=(1, math.inf))
        within(self, examples=(1, math.inf))

    def recast(self, task: Task) -> Task:
        """The task with its whole prompt as one editable text."""
        return inlined(task)

    def evaluator_for(self, task: Task) -> str:
        """Accuracy by the labels' probabilities; the task's own metric without labels."""
        return "labels" if task.labels else "generation"

    def optimize(self, run: Run) -> None:
        """Prune, and keep the best prompt that was accepted, the last one where several are."""
        start = start_with(run, self.shots)
        droppable = len(genes_of(run, start.prompt[run.task.editable], self.gene).droppable)
        examples = self._examples(run, start.unseen, self.plan(run.room).size(droppable))
        run.rank_by(examples)
        run.evaluate([run.initial], examples)
        current = self._score(run, start.prompt, examples)
        best = current.mean
        trace = [current]
        tried = 1
        # Ranked from the first on: a cap may end the search within its first pass.
        _keep_best(run, trace, examples)
        run.record([current], [current.prompt])
        changed = True
        while changed:
            text = current.prompt[run.task.editable]
            # The text is tokenized anew for every pass: what is left of it may have other tokens than were kept.
            genes = genes_of(run, text, self.gene)
            mask = genes.whole
            changed = False
            pool = [current]
            places = list(genes.droppable)
            if self.order == "random":
                run.rng("order").shuffle(places)
            for place in places:
                if tried >= self.most:
                    run.warn(
                        f"{counted(tried, 'prompt was', 'prompts were')} tried, which is the setting 'most'; the "
                        "search ended there"
                    )
                    changed = False
                    break
                # What was accepted in this pass is gone already: deletions add up (paper).
                shorter = without(mask, [place])
                child = current.prompt.replace(run.task.editable, genes.text(shorter))
                if not run.admit([Proposal(child, (current.prompt,), "pruned", repr(genes.elements[place]))]):
                    continue
                found = self._score(run, child, examples)
                tried += 1
                pool.append(found)
                # Held against the best seen, not the prompt in use: the walk drifts no further than δ below it (paper).
                if accepts(found.mean, best, self.threshold):
                    mask = shorter
                    current = found
                    changed = True
                    best = max(best, found.mean)
                    trace.append(found)
                    _keep_best(run, trace, examples)
            run.record(pool, [_best_of(trace).prompt])

    def plan(self, room: Room) -> PruningPlan:
        """What prompts are scored on."""
        granted = room.cells()
        if self.examples is not None or self.preset == "paper" or granted is None:
            return PruningPlan(EXAMPLES if self.examples is None else self.examples, None)
        return PruningPlan(None, granted)

    def least(self, room: Room) -> int:
        """Evaluations of the start, the in-context prompt, and a try for each of ten tokens."""
        return 12 * (LEAST_EXAMPLES if self.examples is None else min(self.examples, room.train))

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples; how long it is depends on the prompt."""
        return UpperBounds((1 + self.most) * min(EXAMPLES if self.examples is None else self.examples, train), 0, 0)

    def _examples(self, run: Run, pool: Sequence[Example], wanted: int) -> list[Example]:
        most = min(wanted, len(pool))
        if run.task.labels:
            return draw_evenly(run, "examples", pool, most, most)
        return run.rng("examples").sample(pool, most)

    def _score(self, run: Run, prompt: Prompt, examples: Sequence[Example]) -> Estimate:
        values = run.evaluate([prompt], examples).values(prompt)
        # fsum: equal scores tie exactly, in whatever order they came.
        return Estimate(prompt, math.fsum(values) / len(values), len(values))


def accepts(score: float, best: float, threshold: float) -> bool:
    """Whether a score is within the threshold of the best one, whatever their signs."""
    # At a threshold of 1 the next line would multiply infinity by 0.
    if math.isinf(best):
        return score >= best
    # For positive scores the code's rule, score / best >= threshold; below 0 that ratio accepts what is worse.
    return score >= best - (1.0 - threshold) * abs(best) - SLACK * max(1.0, abs(best))


def _best_of(trace: Sequence[Estimate]) -> Estimate:
    """The best of the trace; of equals the latest, which is the shortest."""
    return max(reversed(trace), key=lambda each: each.mean)


def _keep_best(run: Run, trace: Sequence[Estimate], examples: Sequence[Example]) -> None:
    """Make the trace's own order the run's: the best first, of equals the latest."""
    order = sorted(range(len(trace)), key=lambda place: (-trace[place].mean, -place))
    run.rank_by(examples, [trace[place].prompt for place in order])
