"""Align-Pro: a frozen model is steered by rewrites of its prompt, weighted by reward under a bound on their KL.

Paper    Trivedi et al. 2025, Align-Pro: A Principled Approach to Prompt Optimization for LLM Alignment, AAAI 2025,
         arXiv:2501.03486: the objective, and its closed-form optimum. No code was published.
Calls    proposer: `rewrites` a round. Task model: (rewrites + 1) * examples a round, and twice as many examples for
         the best rewrite and the start each (the guard). Without a budget: 8, 180 and 80.
Form     the optimum is taken over draws of the reference (a chat model under a fixed request) instead of being trained:
         weight = count * exp(R / lambda). One prompt for the whole task: R is the mean over the same examples for all,
         so what is rewarded never depends on the rewrite but through the answers.
Trained  with `prompter` (`trained.py`): a model on this machine draws, and learns by low-rank adapters; no proposer.
         Task model: (steps + 1) * rewrites * examples at most; defaults: 3,400.
Departs  the paper's rewriter rewrites each input. Ours: the bound on KL in the place of lambda, the correction for
         noise and a lambda not below it, the guard on fresh examples, further rounds from the best (their KL adds up).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.errors import BudgetSpent, ConfigError
from promptopt.operators.replies import Form
from promptopt.operators.rewrite import rewrites
from promptopt.optimizers.align_pro.answers import ANSWERS, answers
from promptopt.optimizers.align_pro.hacking import held_against, suspicion
from promptopt.optimizers.align_pro.plan import GUARDED, LEAST_ROUND, AlignProPlan, rewrites_plan, unlimited
from promptopt.optimizers.align_pro.settings import TRAINING, TrainingSettings
from promptopt.optimizers.align_pro.tilt import Tilt, draw_place
from promptopt.optimizers.align_pro.trained import PrompterMaker, Trained, check_prompter, check_training_installed
from promptopt.optimizers.align_pro.weighing import check_scale, round_note, weighed
from promptopt.protocols import Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.text import Pattern, counted
from promptopt.types import Estimate, Example, Prompt, Proposal, Room, Sampling, UpperBounds, digest

REQUEST = Pattern(
    '''Rewrite this prompt so that an assistant that reads it answers better. Keep its intent and every fact in it. Do \
not answer it.

"""
{section}
"""

Write the whole new prompt, in this form:
<prompt>
...
</prompt>''',
    ("section",),
)
FORM = Form(REQUEST)
REFERENCE = Sampling(temperature=1.0, max_tokens=1024)
_WHO = "rewriter"


@told
@dataclass(frozen=True, slots=True)
class AlignPro:
    """Rewrites from a reference, tilted towards what earns most."""

    name: ClassVar[str] = "align-pro"

    rewrites: int | None = None
    """Draws of the reference in a round; the prompt itself is one more. None: by the budget, 8 without one. Ours."""
    examples: int | None = None
    """Training examples of the reward, the same for all. None: by the budget, 20 without one. Ours."""
    # The best of n draws has at most log n - (n - 1) / n nats: 1.20 of 8 (Beirami et al. 2024, arXiv:2401.01879).
    bound: float | None = 1.0
    """Nats of KL that the weights may be from the reference. Ours."""
    strength: float | None = None
    """Lambda, in units of the reward, in the place of the bound (paper)."""
    rounds: int = 1
    """Rounds, each from the best of the one before, while the bound lasts. Ours."""
    mode: Literal["best", "tilt"] = "best"
    """Take the rewrite of the largest weight, or draw one by the weights. Ours."""
    noise_correction: bool = True
    """Take off what the exponential of a noisy mean has too much. Ours."""
    guard: bool = True
    """Hold the best rewrite against the start on fresh examples, and keep the start unless it is better. Ours."""
    scale: tuple[float, float] = (0.0, 1.0)
    """The least and the most that a reward can be; lambda is in its units."""
    longest: int = 400
    """Tokens a rewrite may have; of a start that is longer it may have a quarter more. Ours."""
    sampling: Sampling = REFERENCE
    """How the reference is drawn from. Ours."""
    prompter: str = ""
    """A model on this machine, hf/FOLDER or hf/NAME, that draws the rewrites in the proposer's place and is trained
    (paper); empty: nothing is trained."""
    train: TrainingSettings = TRAINING
    """How the prompter is trained."""
    writer: PrompterMaker | None = None
    """A trainable policy of your own, in the place of a model's."""

    def __post_init__(self) -> None:
        within(self, rewrites=(1, math.inf), examples=(2, math.inf), bound=(0.0, math.inf), rounds=(1, math.inf))
        within(self, longest=(1, math.inf))
        # Each of the two determines the other, so both at once could contradict.
        if (self.bound is None) == (self.strength is None):
            raise ConfigError(
                "align-pro takes a bound on KL or lambda, one of the two: set strength=… with bound=none, or bound=…"
            )
        if self.trains and self.rewrites == 1:
            raise ConfigError("a prompter learns from how rewrites differ; set rewrites=2 or more")
        if self.trains and (self.rounds > 1 or self.mode == "tilt"):
            raise ConfigError("a prompter that is trained has one round and gives its best; leave out rounds and mode")
        if self.strength is not None and not 0 < self.strength < math.inf:
            raise ConfigError(f"the setting 'strength' is {self.strength}; set it above 0, to a number")
        if len(self.scale) != 2 or not self.scale[0] < self.scale[1]:
            raise ConfigError(f"the setting 'scale' is {self.scale}; give the least and the most that a reward can be")

    @property
    def trains(self) -> bool:
        """Whether a prompter is trained."""
        return bool(self.prompter) or self.writer is not None

    @property
    def _draws_of_training(self) -> int:
        """How often a prompter that is trained draws: at first, and at each step."""
        return 1 + (0 if self.train.stages == "weights" else self.train.steps)

    def check_task(self, task: Task) -> None:
        """Raise ConfigError where a prompter is named that cannot be trained."""
        del task
        check_prompter(self)

    def check_installed(self) -> None:
        """Raise ConfigError where a prompter is trained and the packages of that are missing."""
        if self.prompter and self.writer is None:
            check_training_installed()

    def plan(self, room: Room) -> AlignProPlan:
        """By the budget where there is one. A prompter that is trained takes steps while the budget lasts instead."""
        if self.trains:
            return unlimited(room, self.rewrites, self.examples, self._draws_of_training).within(room)
        return rewrites_plan(room, self.rewrites, self.examples, self.rounds, guard=self.guard)

    def least(self, room: Room) -> int:
        """A round of four rewrites, or of as many as are set, and the guard."""
        plan = self.plan(room)
        width = plan.rewrites if self.trains or self.rewrites is not None else LEAST_ROUND
        shown = plan.examples if self.trains or self.examples is not None else min(LEAST_ROUND, room.train)
        return (width + 1 + (GUARDED if self.guard else 0)) * shown

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a whole search in that room; rewrites without tags are asked for twice."""
        plan = self.plan(room)
        guarded = GUARDED * plan.examples if self.guard else 0
        if self.trains:
            # The greedy text of the end is one more.
            return UpperBounds((self._draws_of_training * plan.rewrites + 2) * plan.examples + guarded, 0, 0)
        calls = 2 * plan.rounds * plan.rewrites * (2 if self._tops_up(room) else 1)
        cells = plan.rounds * (plan.rewrites + 1) * plan.examples + guarded
        return UpperBounds(cells, calls, calls * self.sampling.max_tokens)

    def optimize(self, run: Run) -> None:
        """Draw rewrites, reward them all on the same examples, weight them; guard the best on fresh ones."""
        plan = self.plan(run.room)
        # The batch chooses and twice as many others guard: the best of many draws is worth less than it seemed.
        order = run.rng("examples").sample(list(run.train), len(run.train))
        batch, fresh = order[: plan.examples], order[plan.examples : 3 * plan.examples]
        run.rank_by(batch)
        if self.trains:
            # What is learned is of one text: of several editable parts, the first.
            run.edit(run.task.editable, hold=True)
            best = Trained(self, run, batch, plan.rewrites).search()
            if best != run.initial and self.guard:
                self._guard(run, best, fresh)
            return
        source, spent = run.initial, 0.0
        best = source
        for _ in range(plan.rounds):
            found = self._round(run, self._pool(run, source, plan), source, batch, spent)
            if found is None:
                break
            best, kl = found
            spent += kl
            # The KL of rounds is added up: that of the whole path, which is at least that of where it ends.
            if best == source or (self.bound is not None and spent >= self.bound):
                break
            source = best
        if best != run.initial and self.guard:
            self._guard(run, best, fresh)

    def _round(
        self, run: Run, counts: Counter[Prompt], source: Prompt, batch: Sequence[Example], spent: float
    ) -> tuple[Prompt, float] | None:
        """The round's choice and its KL; None where the reference gave nothing. Raises BudgetSpent after weighing."""
        if len(counts) == 1:
            run.warn("no rewrite could be used, so the prompt stays as it is")
            return None
        cut: BudgetSpent | None = None
        try:
            # The prompt itself first: without it there is nothing to be better than.
            run.evaluate(list(counts), batch)
        except BudgetSpent as reached:
            cut = reached
        rewarded = [prompt for prompt in counts if run.estimate(prompt, batch).count == len(batch)]
        # Only a cap can have left the source without its rewards, and without these nothing can be weighed.
        if source not in rewarded:
            assert cut is not None
            raise cut
        rows = [[score.value for _, score in run.seen(prompt, batch)] for prompt in rewarded]
        check_scale(rows, self.scale)
        tilt = weighed(
            rows,
            [counts[prompt] for prompt in rewarded],
            # What the rounds before left of it.
            bound=None if self.bound is None else self.bound - spent,
            strength=self.strength,
            noise_correction=self.noise_correction,
        )
        best = self._chosen(run, rewarded, tilt, source)
        ranked = sorted(rewarded, key=lambda prompt: -tilt.weights[rewarded.index(prompt)])
        order = [best, *[prompt for prompt in ranked if prompt != best]]
        run.rank_by(batch, order)
        pool = [run.estimate(prompt, batch) for prompt in order]
        partial = "" if cut is None else f"partial: {len(rewarded)} of {len(counts)} rewarded, "
        run.record(pool, [best], f"{partial}{round_note(tilt, spent, self._reference())}")
        if cut is not None:
            raise cut
        return best, tilt.kl

    def _reference(self) -> str:
        """What KL is measured against, beside the proposer: numbers of two runs compare where it is the same."""
        return digest([REQUEST.pieces, asdict(self.sampling)])[:8]

    def _tops_up(self, room: Room) -> bool:
        """Whether equal rewrites make room for others: where the budget says how many there are."""
        return not self.trains and self.rewrites is None and room.cells() is not None

    def _pool(self, run: Run, source: Prompt, plan: AlignProPlan) -> Counter[Prompt]:
        """A round's draws: where it tops up so many that as many differ, but twice as many at most."""
        counts, before = self._drawn(run, source, plan.rewrites), 1
        while self._tops_up(run.room) and before < len(counts) <= plan.rewrites:
            before = len(counts)
            missing = min(plan.rewrites + 1 - before, 2 * plan.rewrites + 1 - counts.total())
            if run.room.calls is not None:
                # Each takes a call too, which no equal one has saved; the guard comes first.
                left = (run.evaluations_left() or 0) - plan.examples * (before + (GUARDED if self.guard else 0))
                if left < missing * (plan.examples + 1):
                    # With a larger cap there would be all of them.
                    run.follow_budget()
                    missing = left // (plan.examples + 1)
            if missing > 0:
                counts.update(self._drawn(run, source, missing))
                # The prompt itself is there once.
                counts[source] -= 1
        return counts

    def _drawn(self, run: Run, source: Prompt, count: int) -> Counter[Prompt]:
        """The prompt itself, once, and the draws of the reference, each as often as it came."""
        editable = run.task.editable
        asked = [(source, REQUEST.render({"section": source[editable]}))] * count
        found = [
            prompt
            for prompt in rewrites(run, asked, self.sampling, who=_WHO, longest=self.longest, form=FORM)
            if prompt is not None
        ]
        # One answer to every input is no prompt, however well it scores.
        instead = sum(answers(run, prompt[editable]) for prompt in found)
        if instead:
            run.reject(f"{_WHO}: {ANSWERS}", instead)
        found = [prompt for prompt in found if not answers(run, prompt[editable])]
        known = {source, *run.admit([Proposal(prompt, (source,), _WHO) for prompt in found if prompt != source])}
        # As often as it came: the counts stand for the reference's own probabilities in the optimum.
        return Counter([source, *[prompt for prompt in found if prompt in known]])

    def _chosen(self, run: Run, rewarded: Sequence[Prompt], tilt: Tilt, source: Prompt) -> Prompt:
        """The largest weight, ties to the source and then to the shorter; or one drawn by the weights."""
        if self.mode == "tilt":
            return rewarded[draw_place(tilt.weights, run.rng("tilt"))]
        editable = run.task.editable

        def place(number: int) -> tuple[float, bool, int]:
            prompt = rewarded[number]
            # Rounded, so that ties are ties whatever the order of the sums; then what is there already.
            return round(tilt.weights[number], 12), prompt == source, -len(prompt[editable])

        return rewarded[max(range(len(rewarded)), key=place)]

    def _guard(self, run: Run, best: Prompt, fresh: Sequence[Example]) -> None:
        """On examples that did not choose it: the best of many is worth less than it seemed."""
        if not fresh:
            run.warn("no training example is left to hold the best rewrite against the start; the final choice does")
            return
        means = run.evaluate([run.initial, best], fresh).means()
        # More, not as much: a rewrite that gains nothing has no reason to replace what a person wrote.
        kept = best if means[best] > means[run.initial] else run.initial
        mine, yours = ([score for _, score in run.seen(each, fresh)] for each in (best, run.initial))
        told = (
            f"on {counted(len(fresh), 'fresh example')}: {means[best]:.3f} against {means[run.initial]:.3f}, "
            f"{held_against(mine, yours)}"
        )
        hacked = suspicion(mine)
        if kept == best and hacked is not None:
            run.warn(hacked)
        run.rank_by([*run.evidence()], [kept])
        run.record([Estimate(each, means[each], len(fresh)) for each in (best, run.initial)], [kept], f"guard {told}")
