"""PMPO: prompts scored by how probable they make the known right outputs; the worst examples say how to rewrite them.

Paper    Zhao et al. 2025, PMPO: Probabilistic Metric Prompt Optimization for Small and Large Language Models, Findings
         of EMNLP 2025, arXiv:2505.16307. There is no reference code.
Calls    task model: N for the start and 8 to measure its noise, then (m + k*n)*N an iteration; proposer: 1 + k*n an
         iteration. With the paper's constants 17*50, and 13 that are draws of 4 distinct requests. The m*N and the 1
         are saved while the prompt in use stays. A wrong copy, and a rewrite without tags, are asked for again.
Scales   with S evaluations: iterations until they are spent, of max(4, 0.7 S^(1/3)) rewrites of two hard examples and
         one part; prompts are not all scored on N examples, but compared by successive rejects on fresh ones, on
         average max(3, 0.8 S^(1/4)) each, and the winner takes the place. By right and wrong and below 1,000, by the
         lineage: no parts, and the most hopeful of all takes the place. `preset=paper`, or no cap: as in the paper.
Departs  parts are removed, not replaced by a mark; a gain must exceed 1e-4 of the loss and the engine's noise; examples
         used without a gain rest for three iterations; rewrites that quote examples or repeat the request are refused;
         of equals the shorter wins; two spells of three iterations without a new prompt end the search. The loss is
         minus the run's score, so that `--evaluator generation` searches by accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.evaluators.preference import rejected_outputs
from promptopt.operators.dry_spells import Dryness
from promptopt.operators.losses import better_than, hardest, known_losses, losses_of, scorable
from promptopt.operators.masks import Effect, ablate, analyse
from promptopt.operators.quotes import Quotes
from promptopt.operators.replies import sized
from promptopt.optimizers.pmpo.noise import repeat_noise
from promptopt.optimizers.pmpo.plan import (
    PAPER,
    REWRITER,
    SPARE,
    Acceptance,
    Masking,
    Rewriting,
    RewritingPlan,
    Targets,
    rewriting_plan,
)
from promptopt.optimizers.pmpo.rationales import own_rationales, warn_of_targets
from promptopt.optimizers.pmpo.rewriting import rewrites_of
from promptopt.protocols import Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import looks_of
from promptopt.selection.lineage import by_means, most_hopeful
from promptopt.tasks.parts import editables_of
from promptopt.text import counted
from promptopt.types import Example, Prompt, Room, UpperBounds

__all__ = ["PMPO", "REWRITER", "Acceptance", "Masking", "Rewriting", "Targets"]

REST = 3
"""Iterations without a gain for which an example that was used rests. Ours."""
DRY = 3
"""Iterations in a row without a prompt that was not scored before, after which the search starts
again, or ends. Ours: one may be chance, and each costs calls."""
FIRST_EXAMPLES = 8
"""Examples on which the hardest are looked for first, where a search goes by its budget. Ours."""
SPLIT_FROM = 20
"""Examples from which on some can be held out. Ours, as in OPRO here: a fifth of fewer would be less than four."""
FEWEST_EXAMPLES = 3
"""Examples below which the search is known to write the examples into the prompt. Paper: with one it does."""
MASKING, REWRITING, ACCEPTANCE, TARGETS = Masking(), Rewriting(), Acceptance(), Targets()


@told
@dataclass(frozen=True, slots=True)
class PMPO:
    """Rewrites for the hardest examples, told what each part of the prompt does to the loss; the best replaces it.

    What is None goes by the budget, or is the paper's where there is no cap.
    """

    name: ClassVar[str] = "pmpo"

    preset: Literal["budget", "paper"] = "budget"
    """`paper`: what is not set is the paper's, whatever the budget, and so is the way to compare prompts."""
    iterations: int | None = None
    """T, iterations of analysis, rewriting and scoring. Paper: 20; by the budget: until it is spent."""
    examples: int | None = None
    """N, training examples that prompts are scored on, those held out included. Paper: 50; by the budget: all there
    are, a few fresh ones at a time."""
    mask: Masking = MASKING
    """What the parts of the prompt do."""
    rewrite: Rewriting = REWRITING
    """From hard examples to new prompts."""
    accept: Acceptance = ACCEPTANCE
    """From new prompts to the prompt in use."""
    targets: Targets = TARGETS
    """What is made probable."""

    def __post_init__(self) -> None:
        within(self, iterations=(0, math.inf), examples=(1, math.inf))

    def evaluator_for(self, task: Task) -> str:
        """By how much right outputs are more probable than others, where the data or its labels say what is wrong.

        Elsewhere the loss of the right outputs. A loss on labels mostly measures how well the prompt elicits their
        form: the paper, too, trains tasks with options by preference.
        """
        # Over 16 prompts for sst-2 the loss correlated with accuracy by -0.06, the preference loss by -0.58.
        contrast = all(rejected_outputs(task, example) for example in task.train)
        return "preference" if contrast and task.train else "loss"

    def plan(self, room: Room) -> RewritingPlan:
        """The paper's numbers where nothing caps the search; else as many short iterations as it pays for."""
        own = {
            "rounds": self.iterations,
            "examples": self.examples,
            "parts": self.mask.most,
            "hard": self.rewrite.hard,
            "samples": self.rewrite.samples,
        }
        if self.preset == "paper" or room.cells() is None:
            return replace(PAPER, **{name: value for name, value in own.items() if value is not None})
        given = RewritingPlan(**{name: -1 if value is None else value for name, value in own.items()})
        return rewriting_plan(room, given, self._solutions)

    def least(self, room: Room) -> int:
        """Evaluations of one iteration: the start's hardest examples, and a selection among its first rewrites."""
        plan = self.plan(room)
        first = min(FIRST_EXAMPLES, plan.examples) if plan.depth else plan.examples
        looks = plan.at(0) if plan.depth else plan.examples
        return self._solutions * plan.examples + first + math.ceil(looks * (plan.arms + plan.parts))

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on training examples."""
        plan = self.plan(run.room)
        examples = self._examples(run, plan.examples)
        if plan.depth:
            self._by_looks(run, plan, examples)
        else:
            self._by_losses(run, plan, examples)

    def _by_losses(self, run: Run, plan: RewritingPlan, drawn: Sequence[Example]) -> None:
        """As the paper: every prompt on all examples, the best in the place of the prompt in use if it gains enough."""
        scored, held = self._divided(run, scorable(run, run.initial, drawn))
        # What the run ranks its candidates by in the end: what every prompt was scored on, or what was held out.
        run.rank_by(held if held else scored)
        (best,) = losses_of(run, [run.initial], scored)
        noise = repeat_noise(run, run.initial, scored)
        quotes, patience = Quotes(scored, run.task.labels, run.initial), self._patience(run)
        accepted, tried, dry = [best.prompt], list[list[Example]](), Dryness(run, DRY)
        effects, part = list[Effect](), ""
        for _ in range(plan.rounds):
            shortened = list[Prompt]()
            # While the prompt in use stays, what its parts do is known: by the paper's constants 5 passes of 17.
            if not tried or part != run.task.editable:
                part = run.task.editable
                effects, shortened = self._parts(run, plan, best.prompt, scored)
            gain = max(self.accept.min_delta * abs(best.loss), noise)
            # In the paper none rests: an example with a wrong target would be rewritten for ever.
            hard = hardest(best.losses, tried[-REST:], plan.hard)
            rewrites = rewrites_of(run, self.rewrite, plan.samples, best, shortened, effects, hard, quotes, gain)
            # All on the same examples; the shortened ones are known from the analysis, and cost nothing.
            pool = [best, *losses_of(run, [*shortened, *rewrites], scored)]
            # Paper: strictly lower. A gain below the engine's own noise is none.
            found = better_than(run, pool, gain)
            tried.append(hard)
            if found is not None:
                # Other examples are hard for another prompt: none of them rests.
                best, tried = found, []
                accepted.append(best.prompt)
            run.record([each.estimate for each in pool], [_chosen(run, accepted, held)])
            if len(tried) == patience or dry.ends(bool(rewrites)):
                break
            # So the parts are measured and the hardest examples shown once more.
            tried = [] if dry.again else tried

    def _by_looks(self, run: Run, plan: RewritingPlan, drawn: Sequence[Example]) -> None:
        """By the budget: prompts of an iteration are compared on few fresh examples, and the best goes on."""
        scored, held = self._divided(run, drawn)
        scorable(run, run.initial, scored[:FIRST_EXAMPLES])
        quotes, patience = Quotes(scored, run.task.labels, run.initial), self._patience(run)
        best, accepted, tried, dry = run.initial, [run.initial], list[list[Example]](), Dryness(run, DRY)
        effects, part = list[Effect](), ""
        relatives = plan.lineage and not run.abilities.stands_in
        if relatives and self.mask.most is None:
            # What a part does to a loss shows on a few examples; on so many answers, right or wrong, it is noise.
            plan = replace(plan, parts=0)
        for number in range(plan.rounds * (SPARE if self.iterations is None else 1)):
            # What is hard is read off the looks there were: nothing is asked for it.
            losses = known_losses(run, best, scored)
            shortened = list[Prompt]()
            if not tried or part != run.task.editable:
                part = run.task.editable
                # Where the prompt in use was scored: of each pair with and without a part, one cell is paid for.
                looked = run.rng("parts").sample(list(losses.losses), min(round(plan.at(number)), len(losses.losses)))
                effects, shortened = self._parts(run, plan, best, looked)
            hard = hardest(losses.losses, tried[-REST:], plan.hard)
            rewrites = rewrites_of(run, self.rewrite, plan.samples, losses, shortened, effects, hard, quotes)
            pool = list(dict.fromkeys([best, *shortened, *rewrites]))
            # What no prompt can be scored on would make all of them equal.
            lost = [example for example, _ in run.seen(best, scored) if example not in losses.losses]
            fresh = [example for example in scored if example not in lost]
            # The prompt in use stands first, and of equals the later leave: a tie keeps it.
            rule = looks_of(run, max(1, round(plan.at(number) * len(pool))), lineage=plan.lineage)
            ranked = rule.select(run, pool, fresh, 1)
            tried.append(hard)
            belief = run.posterior(pool) if relatives else None
            # Of few answers the best of a pool is often a lucky one: by relatives there is a way back.
            going_on = ranked[0].prompt if belief is None else most_hopeful(belief, 1)[0]
            if going_on != best:
                best, tried = going_on, []
                accepted.append(best)
            chosen = _chosen(run, accepted, held)
            run.rank_by(held if held else scored, [chosen] if held or belief is None else by_means(belief))
            run.record(ranked, [chosen])
            if len(tried) == patience or dry.ends(len(pool) > 1):
                break
            tried = [] if dry.again else tried

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a search over `train` training examples without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a search in that room; replies off their form are asked for twice."""
        plan, cells = self.plan(room), room.cells()
        mask, rewrite, count = self.mask, self.rewrite, min(plan.examples, room.train)
        rewrites = plan.hard * plan.samples
        # The start, the check of the noise, own solutions, and what held-out examples cost for accepted prompts.
        once = count + 8 + self._solutions * count
        evaluations = once + plan.rounds * count * (plan.parts + rewrites + (1 if self.accept.validation else 0))
        segmenting = 2 if plan.parts and mask.by == "proposer" else 0
        tokens = segmenting * mask.sampling.max_tokens + 2 * rewrites * rewrite.sampling.max_tokens
        rounds = plan.rounds
        if plan.depth and cells is not None:
            evaluations = cells
            rounds *= SPARE if self.iterations is None else 1
        return UpperBounds(evaluations, rounds * (segmenting + 2 * rewrites), rounds * tokens)

    def _patience(self, run: Run) -> int | None:
        """Iterations without a better prompt that end the search: as many for each part that is edited."""
        return None if self.accept.patience is None else self.accept.patience * len(editables_of(run.task))

    @property
    def _solutions(self) -> int:
        """Solutions that are drawn for each example before the search."""
        return self.targets.samples if self.targets.source == "own" else 0

    def _examples(self, run: Run, most: int) -> list[Example]:
        """The training examples that the search draws on."""
        drawn = run.rng("examples").sample(run.train, min(most, len(run.train)))
        if self.targets.source == "own":
            drawn = own_rationales(run, drawn, self.targets.samples, self.targets.temperature)
        return drawn

    def _divided(self, run: Run, usable: Sequence[Example]) -> tuple[list[Example], list[Example]]:
        """The examples that prompts are scored on, and those held out for accepted ones."""
        count = math.ceil(self.accept.validation * len(usable)) if len(usable) >= SPLIT_FROM else 0
        held, scored = list(usable[:count]), list(usable[count:])
        if self.accept.validation and not held:
            run.warn(
                f"{counted(len(scored), 'example is', 'examples are')} too few to hold some out; the share is "
                f"used from {SPLIT_FROM} on"
            )
        if len(scored) < FEWEST_EXAMPLES:
            run.warn(
                f"with {counted(len(scored), 'training example')} the search writes them into the prompt; give it "
                "20 or more"
            )
        warn_of_targets(run, scored)
        return scored, held

    def _parts(
        self, run: Run, plan: RewritingPlan, prompt: Prompt, scored: Sequence[Example]
    ) -> tuple[list[Effect], list[Prompt]]:
        """What the parts of a prompt do, and the prompts without one: candidates that are scored already."""
        mask, editable = self.mask, run.task.editable
        if not plan.parts or not scored:
            return [], []
        sampling = None
        if mask.by == "proposer":
            sampling = sized(mask.sampling, run.count_tokens(prompt[editable]))
        effects = analyse(run, prompt, scored, most=plan.parts, mode=mask.mode, sampling=sampling)
        # With a mark in its place the text that was scored is none to go on with.
        removable = [effect.segment for effect in effects if effect.kind != "required" and mask.mode == "remove"]
        return effects, [prompt.replace(editable, ablate(prompt[editable], segment)) for segment in removable]


def _chosen(run: Run, accepted: Sequence[Prompt], held: Sequence[Example]) -> Prompt:
    """The last accepted prompt, or the best on the examples held out; ties to the earlier."""
    if not held:
        return accepted[-1]
    means = run.evaluate(accepted, held).means()
    return max(accepted, key=means.__getitem__)
