"""RLPrompt: a policy writes prompts token by token and learns from what they score, by soft Q-learning.

Paper    Deng et al. 2022, RLPrompt: Optimizing Discrete Text Prompts with Reinforcement Learning, EMNLP 2022,
         arXiv:2205.12548; the learning rule is that of Guo et al. 2021, arXiv:2106.07704.
Calls    task model: steps * prompts * examples, and the greedy prompt on dev at every interval; 6 million by the paper
         for two labels (`preset=paper`), 64,000 for `cpu-small`. Prompts that come up again are free. No proposer.
Scales   whole steps are taken while the budget pays for one more and for a last look at dev.
Departs  the paper's code breaks ties by equality of value, feeds strings back and reads them anew, keeps graphs of its
         target network, and cuts inputs so that prompts are lost: none of it is repeated here. Top-k draws among ties
         by chance, and a layer that lets nothing through is drawn anew (`adapter.py`). For style transfer z-scores are
         of a prompt's mean over the sentences (code: per sentence, over the single maxima), which are the same at every
         step (code: two new ones). The prompt stands where the task's layout has its editable part. The one that ranks
         best on dev is tested (paper: the mean of the three best).
Not in   the paper: `algorithm=rloo` and `grpo`, `mode` other than `on`, the fluency price, a halved rate after a loss
         that is no number, the end where all rewards are equal, and the best drawn prompts as finalists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.errors import BudgetSpent, ConfigError
from promptopt.evaluators.labels import Labels
from promptopt.models.files.checkpoints import check_installed
from promptopt.optimizers.rlprompt.opening import PolicyMaker, check_policy, without_seeds
from promptopt.optimizers.rlprompt.plan import HELD, PRESETS, USEFUL, RLPlan, RLPreset
from promptopt.optimizers.rlprompt.search import Algorithm, Mode, PolicySearch
from promptopt.optimizers.rlprompt.settings import EXPLORING, LEARNING, SIZES, Exploring, Learning, Sizes
from promptopt.protocols import Evaluator, Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.text import counted
from promptopt.types import Example, Room, UpperBounds


@told
@dataclass(frozen=True, slots=True)
class RLPrompt:
    """A prompt of a fixed number of tokens, found by a policy that is thrown away in the end."""

    name: ClassVar[str] = "rlprompt"

    policy: str = ""
    """The model that writes, as hf/FOLDER or hf/NAME: any causal one; its tokenizer need not be the task model's.
    Paper: hf/distilbert/distilgpt2."""
    preset: RLPreset = "cpu-small"
    """Where open settings come from."""
    length: int | None = None
    """Tokens of the prompt; None: by the preset. Paper: 2 and 5."""
    algorithm: Algorithm = "sql"
    """Soft Q-learning (paper), or a policy gradient with a leave-one-out or a group baseline, which are not in it."""
    mode: Mode = "on"
    """Learn from what is drawn now (paper), from given or older prompts, from the mean of both, or in turn."""
    seeds: tuple[str, ...] = ()
    """Given prompts for the other modes, of exactly `length` tokens; none: prompts that were drawn before."""
    inputs: int = 0
    """Inputs of a step, each of which has prompts of its own; 0: one prompt is for all. Paper: 2 of style transfer."""
    fluency: float = 0.0
    """Taken off a prompt's reward for each nat a token that the policy's frozen model finds it unlikely by. Ours."""
    learn: Learning = LEARNING
    """How it is trained."""
    explore: Exploring = EXPLORING
    """What it may write."""
    size: Sizes = SIZES
    """How much of everything."""
    device: str = ""
    """Of the policy: cpu, cuda; empty: a GPU where there is one."""
    writer: PolicyMaker | None = None
    """A policy of your own, in the place of a model's."""

    def __post_init__(self) -> None:
        within(self, length=(1, math.inf), fluency=(0.0, math.inf), inputs=(0, math.inf))
        if self.algorithm != "sql" and self.mode != "on":
            raise ConfigError(
                f"algorithm={self.algorithm} learns from what it draws alone; leave out mode={self.mode}, or set "
                f"algorithm=sql"
            )
        if self.inputs and self.mode != "on":
            raise ConfigError(
                f"a prompt for each input (inputs={self.inputs}) is learned from what is drawn for it; leave out "
                f"mode={self.mode}, or set inputs=0"
            )
        if self.seeds and self.mode == "on":
            raise ConfigError("seeds are for mode=off, mix or alternate; set one of them, or leave the seeds out")

    def check_task(self, task: Task) -> None:
        """Raise ConfigError where no policy is named that can be trained, or nothing that it could learn from."""
        del task
        check_policy(self)
        if self.mode == "off" and not self.seeds:
            raise without_seeds(self.seeds, 0)

    def check_installed(self) -> None:
        """Raise ConfigError where the packages of the policy are missing."""
        if self.writer is None:
            check_installed()

    def evaluator_for(self, task: Task) -> str | Evaluator:
        """The piecewise reward of the labels' probabilities. Raises ConfigError for a task without labels."""
        if not task.labels:
            raise ConfigError(
                f"the task {task.name!r} has no labels, so rlprompt has no reward of its own; name an evaluator that "
                f"fits: generation (the task's metric), loss (of the right answer) or preference"
            )
        return Labels(task, value="piecewise")

    def plan(self, room: Room) -> RLPlan:
        """What the settings say, with the steps that the room pays for."""
        return self._sized(room).within(room)

    def least(self, room: Room) -> int:
        """Evaluations of the fewest steps that are of use."""
        sized = self._sized(room)
        # The looks that so many steps contain, and two more: the empty prompt and the last greedy one.
        return USEFUL * sized.step + (2 + USEFUL // sized.every) * sized.held

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap."""
        sized = self._sized(Room(None, None, 1, train, HELD))
        looks = 3 + len(self.seeds) + sized.steps // sized.every + self.size.finalists
        drawn = sized.steps * sized.step + len(self.seeds) * sized.examples
        return UpperBounds(drawn + looks * sized.held, 0, 0)

    def optimize(self, run: Run) -> None:
        """Draw, reward, learn; look at the greedy prompt now and then; rank all of these in the end."""
        # What is learned is of one text: of several editable parts, the first.
        run.edit(run.task.editable, hold=True)
        plan = self._sized(run.room)
        examples = evenly(run, run.train, plan.examples, "examples")
        held = evenly(run, run.dev, plan.held, "held")
        _refuse(run, plan)
        search = PolicySearch(self, run, plan, examples, held)
        search.begin()
        cut = False
        for step in range(plan.steps):
            if not search.affords_another():
                cut = True
                break
            if not search.step(step):
                break
        search.end()
        if cut:
            raise BudgetSpent(
                f"{counted(run.spent.evaluations, 'evaluation is', 'evaluations are')} spent: no further whole step "
                f"can be paid"
            )

    def _sized(self, room: Room) -> RLPlan:
        preset, size = PRESETS[self.preset], self.size
        length = _given(self.length, preset.length)
        # The paper: 12,000 steps for five tokens and 6,000 for two.
        steps = preset.steps // 2 if self.preset == "paper" and length <= 2 else preset.steps
        # Off the policy nothing is drawn, so that a step costs nothing.
        prompts = 0 if self.mode == "off" else _given(size.prompts, preset.prompts)
        if self.inputs and (prompts % self.inputs or prompts < 2 * self.inputs):
            raise ConfigError(
                f"{prompts} prompts of a step cannot be shared among {counted(self.inputs, 'input')}, two or more "
                f"each, which are held against each other; set size.prompts to a multiple, as {4 * self.inputs}"
            )
        # Prompts for single inputs are not compared across them, so no choice of a few examples makes them cheaper.
        share = room.train if self.inputs else max(1, min(preset.most, round(preset.share * room.train)))
        return RLPlan(
            length,
            _given(size.steps, steps),
            prompts,
            min(_given(size.examples, share), room.train),
            min(_given(size.held, HELD), room.dev),
            _given(size.every, preset.every),
            _given(self.learn.hidden, preset.hidden),
            preset.rate if self.learn.rate is None else self.learn.rate,
            _limit(self.explore.top, preset.top),
            _limit(self.explore.vocabulary, preset.vocabulary),
            self.inputs,
        )


def evenly(run: Run, pool: Sequence[Example], most: int, stream: str) -> list[Example]:
    """Up to `most` of them, one of each label in turn; by chance, and without labels by chance alone."""
    order = run.rng(stream).sample(list(pool), len(pool))
    classes = [[each for each in order if each.target == label] for label in run.task.labels]
    # Few examples by chance alone may lack a label, and a prompt that never says it would look right.
    turns = [each[turn] for turn in range(len(order)) for each in classes if turn < len(each)]
    chosen = dict.fromkeys([*turns, *order])
    return list(chosen)[:most]


def _refuse(run: Run, plan: RLPlan) -> None:
    """Before anything is asked."""
    if not run.train or not run.dev:
        raise ConfigError(
            f"rlprompt needs examples to train on and others to rank by, and there are {len(run.train)} in train and "
            f"{len(run.dev)} in dev; give some of both"
        )
    left, needed = run.evaluations_left(), 2 * plan.held
    if left is not None and left < needed:
        raise ConfigError(
            f"{counted(left, 'evaluation is', 'evaluations are')} left to the search, and the empty prompt and one "
            f"greedy prompt take {needed} on {counted(plan.held, 'dev example')}; allow more, or set size.held lower"
        )


def _given(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _limit(value: int | None, otherwise: int | None) -> int | None:
    # 0 is no limit, while None leaves it to the preset.
    return otherwise if value is None else (None if value == 0 else value)
