"""The paper's prompter: weights that are trained towards the optimum of reward less lambda times KL.

Source   Trivedi et al. 2025, Align-Pro, arXiv:2501.03486: E[R] - lambda KL(prompter || reference), by policy gradient.
         What a text earns is its reward less lambda times its log-likelihood ratio to the reference, whose gradient by
         REINFORCE is that of the objective; the baseline is the mean of the other draws (RLOO, arXiv:2402.14740).
Ours     the first of two stages: the draws of the untrained prompter are weighted as without training, and fitted by
         these weights, which projects the optimum over the draws on the model; lambda where only a bound is given: that
         of these draws; the end where the KL exceeds the bound; the least of the scale for a text of no use.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from promptopt.errors import BudgetSpent, ConfigError
from promptopt.models.files.checkpoints import check_installed
from promptopt.operators.drafts import SAME, edit_limit, unusable
from promptopt.operators.replies import Form, tidy
from promptopt.operators.training import NO_LOSS, Learned, Policy, Sample, Tokens, Training, TrainingBatch
from promptopt.optimizers.align_pro.answers import ANSWERS, answers
from promptopt.optimizers.align_pro.settings import TrainingSettings
from promptopt.optimizers.align_pro.weighing import check_scale, round_note, weighed
from promptopt.run import Run
from promptopt.text import Pattern, counted
from promptopt.types import Example, Prompt, Proposal, digest

if TYPE_CHECKING:
    from promptopt.optimizers.align_pro.method import AlignPro

SCHEME = "hf/"
REQUEST = Pattern(
    '''Rewrite this prompt so that an assistant that reads it answers better. Keep its intent and every fact in it. Do \
not answer it. Write the new prompt and nothing else.

"""
{section}
"""''',
    ("section",),
)
FORM = Form(REQUEST)
LEAST_WEIGHT = 0.01
"""Draws of less weight are not fitted: they would only be noise. Ours."""
PATIENCE = 5
"""Steps on end whose rewrites all earn the same, after which there is nothing to learn from. Ours."""
_WHO = "prompter"


class PrompterMaker(Protocol):
    """Makes policies: for those that are no model of transformers."""

    def open(self, settings: TrainingSettings, seed: int) -> Policy:
        """A policy that was not trained yet; `seed` determines its first weights."""
        ...


def check_prompter(method: AlignPro) -> None:
    """Raise ConfigError where the prompter that is named is none that can be trained; no file is looked at."""
    if method.writer is None and method.prompter and not method.prompter.startswith(SCHEME):
        raise ConfigError(
            f"the prompter is {method.prompter!r}; name a causal model on this machine, as --set prompter=hf/FOLDER or "
            f"--set prompter=hf/HuggingFaceTB/SmolLM2-135M-Instruct, or leave it out, which trains nothing"
        )


def check_training_installed() -> None:
    """Raise ConfigError where a package that training needs is missing; none is imported."""
    check_installed()
    if find_spec("peft") is None:
        raise without_peft()


def without_peft() -> ConfigError:
    """What is said where peft is missing."""
    return ConfigError(
        "align-pro trains low-rank adapters by peft, which is not installed: pip install "
        "'promptopt-engine[hf,train]', or leave prompter out, which trains nothing"
    )


def open_prompter(method: AlignPro, seed: int) -> Policy:
    """The prompter of these settings. Raises ConfigError where it cannot be had."""
    train = method.train
    if method.writer is not None:
        return method.writer.open(train, seed)
    # Imported here, so that `import promptopt` stays light.
    from promptopt.operators.frozen import usable_device
    from promptopt.optimizers.align_pro.prompter import Prompter, PrompterSettings

    settings = PrompterSettings(train.rank, train.rate, train.clip, train.longest, seed)
    return Prompter(method.prompter.removeprefix(SCHEME), settings, usable_device(train.device))


@dataclass(frozen=True, slots=True)
class Draw:
    """A text of the prompter and the prompt that it makes; None where it makes none."""

    sample: Sample
    prompt: Prompt | None


@dataclass(frozen=True, slots=True)
class First:
    """The draws of the untrained prompter, what prompts weigh by them, and the lambda of that."""

    strength: float
    draws: list[Draw]
    weights: dict[Prompt, float]


class Trained:
    """One search; all of its state follows from the run's record."""

    def __init__(self, method: AlignPro, run: Run, batch: Sequence[Example], rewrites: int) -> None:
        """So many rewrites a step are rewarded on `batch`."""
        self._method, self._width = method, rewrites
        self._run = run
        self._batch = list(batch)
        self._source = run.initial
        self._context = REQUEST.render({"section": self._source[run.task.editable]})
        self._training = Training(
            run, partial(open_prompter, method, run.seed), method.prompter, method.train, method.writer
        )
        # The untrained prompter and what it is asked: KL of two runs compares where this is the same.
        self._reference = digest([self._training.name, REQUEST.pieces])[:8]
        self._alike, self._diverged = 0, False

    def search(self) -> Prompt:
        """The best of all that was rewarded. Raises BudgetSpent where it was not carried through."""
        method, run = self._method, self._run
        first = self._first()
        if first is None:
            return self._source
        ended = method.train.stages != "gradient" and self._fit(first)
        cut = method.train.stages != "weights" and not ended and self._climb(first.strength)
        # What was learned last is kept too: it can be taken away as a model.
        self._training.mark()
        if cut:
            run.follow_budget()
        # The likeliest text of the end, which no draw need have come upon.
        last = self._read([self._training.greedy(self._context)], "greedy")
        self._rewards(last)
        order = self._ranked()
        run.rank_by(self._batch, order)
        run.record([run.estimate(prompt, self._batch) for prompt in order], order[:1], "the best of all that was drawn")
        if cut:
            raise BudgetSpent(
                f"{counted(run.spent.evaluations, 'evaluation is', 'evaluations are')} spent: no further whole step "
                f"can be paid"
            )
        return order[0]

    # --- stages ---

    def _first(self) -> First | None:
        """What the untrained prompter draws, weighted; None where there is nothing to tell apart."""
        run, method = self._run, self._method
        draws = self._draw()
        # The prompt itself once, as the draws of a reference that may leave it as it is.
        counts = Counter([self._source, *[each.prompt for each in draws if each.prompt is not None]])
        if len(counts) == 1:
            run.warn("no rewrite of the untrained prompter could be used, so the prompt stays as it is")
            return None
        run.evaluate(list(counts), self._batch)
        rows = [[score.value for _, score in run.seen(prompt, self._batch)] for prompt in counts]
        check_scale(rows, method.scale)
        tilt = weighed(
            rows,
            list(counts.values()),
            bound=method.bound,
            strength=method.strength,
            noise_correction=method.noise_correction,
        )
        order = sorted(counts, key=lambda prompt: -tilt.weights[list(counts).index(prompt)])
        run.record(
            [run.estimate(prompt, self._batch) for prompt in order], order[:1], round_note(tilt, 0.0, self._reference)
        )
        if tilt.strength == math.inf:
            run.warn("the prompt and all of its first rewrites earned the same, so there was nothing to train by")
            return None
        return First(tilt.strength, draws, dict(zip(counts, tilt.weights, strict=True)))

    def _fit(self, first: First) -> bool:
        """Towards the weights, without that of the start: it needs no prompter. True where this ended the training."""
        times = Counter(each.prompt for each in first.draws)
        shares: dict[Tokens, float] = {}
        for each in first.draws:
            if each.prompt is not None and each.prompt != self._source:
                # Draws that make one prompt share its weight.
                share = first.weights[each.prompt] / times[each.prompt]
                shares[each.sample.tokens] = shares.get(each.sample.tokens, 0.0) + share
        kept = {tokens: share for tokens, share in shares.items() if share >= LEAST_WEIGHT}
        if not kept:
            return False
        # Weights of what is left, so that their size does not set the rate of the fit.
        total = sum(kept.values())
        rows, weights = tuple(kept), tuple(share / total for share in kept.values())
        # All at once and as given weights: minimising - sum w log rho projects the optimum on the model (forward KL).
        batch = TrainingBatch(0, (), (), rows, weights, (self._context,) * len(rows))
        learned = Learned(0.0, 0.0, 0.0)
        taken = 0
        ended = False
        for _ in range(self._method.train.fit):
            learned, taken = self._training.learn(batch), taken + 1
            ended = learned.diverged and not self._retreated()
            if ended:
                break
        self._training.mark()
        self._tell(f"{counted(taken, 'step')} of fitting {counted(len(rows), 'rewrite')}", [], learned)
        return ended

    def _climb(self, strength: float) -> bool:
        """Steps up the gradient; True where the budget ended them."""
        method, run = self._method, self._run
        for number in range(method.train.steps):
            left = run.evaluations_left()
            # One more, for the greedy text of the end.
            if left is not None and left < (self._width + 1) * len(self._batch):
                return True
            draws = self._draw()
            rewards = self._rewards(draws)
            # R - lambda log(rho / rho_ref): by REINFORCE, its gradient is that of the paper's E[R] - lambda KL.
            worth = [each - strength * draw.sample.drift for each, draw in zip(rewards, draws, strict=True)]
            total = sum(worth)
            # Leave-one-out: the baseline is of the other draws alone, so the gradient stays unbiased.
            targets = tuple(each - (total - each) / (len(worth) - 1) for each in worth)
            rows = tuple(draw.sample.tokens for draw in draws)
            learned = self._training.learn(TrainingBatch(0, rows, targets, contexts=(self._context,) * len(rows)))
            if learned.diverged and not self._retreated():
                return False
            told = f"step {number + 1} of {method.train.steps}"
            if (number + 1) % method.train.every == 0:
                self._training.mark()
                self._tell(told, rewards, learned)
            if self._over(number, rewards, learned):
                return False
        return False

    def _over(self, number: int, rewards: Sequence[float], learned: Learned) -> bool:
        """Whether there is nothing more to learn, or no KL left to learn it with."""
        bound = self._method.bound
        if bound is not None and learned.kl > bound:
            self._run.warn(
                f"the prompter is {learned.kl:.2f} nats from its reference, above the bound of {bound:g}, so training "
                f"ended at step {number + 1}"
            )
            return True
        # Equal up to rounding.
        self._alike = self._alike + 1 if max(rewards) - min(rewards) < 1e-9 else 0
        if self._alike < PATIENCE:
            return False
        self._run.warn(
            f"all rewrites of the last {PATIENCE} steps earned the same ({rewards[0]:.4g}), so there was nothing to "
            f"learn from, and training ended at step {number + 1}"
        )
        return True

    def _retreated(self) -> bool:
        """After a loss that is no number: back to the last weights at half the rate, once."""
        again, self._diverged = self._diverged, True
        # Also where it ends: what is taken away, and writes the text of the end, are weights that were good.
        self._training.back()
        if again:
            self._run.warn(
                "the loss was no number again, so training ended; the rewrites found before stand: set train.rate lower"
            )
            return False
        self._run.warn("the loss was no number: training went back to the last kept weights, at half the rate")
        return True

    # --- draws ---

    def _draw(self) -> list[Draw]:
        seed, count = self._run.rng("prompter").getrandbits(62), self._width
        return self._read(self._training.sample(count, seed, [self._context] * count), _WHO)

    def _read(self, samples: Sequence[Sample], operator: str) -> list[Draw]:
        """The prompts that texts make; those of no use are counted by why."""
        run, source = self._run, self._source
        section = source[run.task.editable]
        most = edit_limit(section, self._method.longest, run.count_tokens)
        found: list[Draw] = []
        for sample in samples:
            text = tidy(sample.text, section)
            # No tags: this request asks for the bare text.
            why = unusable(text, section, most=most, tags=(), count_tokens=run.count_tokens, form=FORM)
            why = ANSWERS if why is None and answers(run, text) else why
            if why == SAME:
                # To leave the prompt as it is is a rewrite too, and earns what the prompt earns.
                found.append(Draw(sample, source))
                continue
            prompt = None if why is not None else source.replace(run.task.editable, text)
            if prompt is None:
                run.reject(f"{operator}: {why}")
            elif not run.admit([Proposal(prompt, (source,), operator, f"{sample.drift:+.2f} nats from the reference")]):
                prompt = None
            found.append(Draw(sample, prompt))
        return found

    def _rewards(self, draws: Sequence[Draw]) -> list[float]:
        """What each earns on the batch; the least of the scale where it is of no use."""
        run = self._run
        prompts = list(dict.fromkeys(draw.prompt for draw in draws if draw.prompt is not None))
        if prompts:
            run.evaluate(prompts, self._batch)
            check_scale(
                [[score.value for _, score in run.seen(each, self._batch)] for each in prompts], self._method.scale
            )
        low = self._method.scale[0]
        return [low if draw.prompt is None else run.estimate(draw.prompt, self._batch).mean for draw in draws]

    def _ranked(self) -> list[Prompt]:
        """All that were rewarded on the whole batch, best first; ties to the start, then to the shorter."""
        run, editable = self._run, self._run.task.editable
        known = [each for each in run.ranked() if run.estimate(each.prompt, self._batch).count == len(self._batch)]

        def place(prompt: Prompt) -> tuple[float, bool, int, str]:
            text = prompt[editable]
            return -run.estimate(prompt, self._batch).mean, prompt != self._source, len(text), text

        return sorted((each.prompt for each in known), key=place)

    def _tell(self, what: str, rewards: Sequence[float], learned: Learned) -> None:
        """A line of the record: the curve."""
        order = self._ranked()
        reward = f"reward {sum(rewards) / len(rewards):.3f}, " if rewards else ""
        best = self._run.estimate(order[0], self._batch)
        told = NO_LOSS if learned.diverged else f"entropy {learned.entropy:.2f}, KL {learned.kl:.3f} nats"
        self._run.record([best], order[:1], f"{what}, {reward}{told}, best {best.mean:.3f}")
