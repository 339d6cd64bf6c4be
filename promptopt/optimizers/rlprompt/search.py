"""One search: what was drawn and what it earned, step by step, and which prompts come out of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from promptopt.evaluators.style_reward import maxima_of
from promptopt.operators.training import NO_LOSS, Learned, Sample, Tokens, Training, TrainingBatch
from promptopt.optimizers.rlprompt.entries import Entry, Group, groups
from promptopt.optimizers.rlprompt.inputs import PerInput
from promptopt.optimizers.rlprompt.opening import open_policy, without_seeds
from promptopt.optimizers.rlprompt.plan import RLPlan
from promptopt.optimizers.rlprompt.ranking import Ranking
from promptopt.optimizers.rlprompt.rewards import finite, leave_one_out, shaped, tied, z_scores
from promptopt.run import Run
from promptopt.text import counted
from promptopt.types import Example, Prompt, Proposal

if TYPE_CHECKING:
    from promptopt.optimizers.rlprompt.method import RLPrompt

Algorithm = Literal["sql", "rloo", "grpo"]
Mode = Literal["on", "off", "mix", "alternate"]
PATIENCE = 10
"""Steps on end whose prompts all earn the same, after which there is nothing to learn from. Ours."""


class PolicySearch:
    """The state of one search; all of it follows from the run's record."""

    def __init__(
        self, method: RLPrompt, run: Run, plan: RLPlan, examples: Sequence[Example], held: Sequence[Example]
    ) -> None:
        """Prompts are rewarded on `examples`, and ranked on `held`."""
        self._method, self._run, self._plan = method, run, plan
        self._examples, self._held = list(examples), list(held)
        # Whatever changes what is learned: a training by other values must not be taken up as this one.
        made_from = (plan.length, plan.hidden, plan.rate, plan.top, plan.vocabulary, method.algorithm)
        self._training = Training(
            run,
            partial(open_policy, method, plan, run.seed),
            method.policy,
            *made_from,
            method.learn,
            method.explore,
            method.device,
            method.writer,
        )
        self._inputs = PerInput(run, self._training, examples, plan.inputs, plan.prompts) if plan.inputs else None
        self._archive: dict[Prompt, Entry] = {}
        self._ranking = Ranking(run, held, per_input=self._inputs is not None)
        self._seeds: list[tuple[Tokens, float]] = []
        self._alike = self._diverged = 0
        # Off the policy no step draws, so that no prompt's step tells how far the training is.
        self._newest = 0
        # Of the last step that drew: in some modes not every step does.
        self._earned: list[float] = []

    def begin(self) -> None:
        """The empty prompt, which any prompt must beat, and the given seeds; the start where it must not be empty."""
        run, seeds = self._run, self._training.encode(self._method.seeds)
        # Before the empty prompt is paid for: of what cannot be written nothing will be learned.
        self._demand_seeds(len({each.tokens for each in seeds if each.tokens}))
        empty = run.initial.replace(run.task.editable, "")
        # Ranked beside what is found, so that a search that gains nothing is seen to.
        baseline = run.initial
        if run.task.broken_by(empty, run.count_tokens) is None:
            (baseline,) = run.admit([Proposal(empty, (run.initial,), "empty")])
        self._ranking.add(Entry(baseline, Sample((), ""), -1, -math.inf))
        if self._inputs is not None:
            # A cap that cuts the first steps must not leave prompts for single inputs as candidates for all.
            self._ranking.offer([baseline])
        for sample, text in zip(seeds, self._method.seeds, strict=True):
            if not sample.tokens:
                wanted = counted(self._plan.length, "token")
                run.reject(f"seed: not {wanted} that the policy can write")
                run.warn(f"the seed {text!r} is not {wanted} that the policy can write, so it is left out")
                continue
            entry = self._rewarded([sample], "seed", -1)[0]
            if entry is not None:
                self._seeds.append((sample.tokens, entry.reward))
        self._demand_seeds(len(self._archive))

    def _demand_seeds(self, usable: int) -> None:
        # Of one prompt alone, or of one that is given twice, nothing says whether it earned much.
        if self._method.mode == "off" and usable < 2:
            raise without_seeds(self._method.seeds, usable, self._plan.length)

    def affords_another(self) -> bool:
        """Whether the budget pays for a whole step, and for the greedy prompt after it."""
        left = self._run.evaluations_left()
        # Two looks: the one that this step may end in, and the last.
        return left is None or left >= self._plan.step + 2 * len(self._held)

    def step(self, number: int) -> bool:
        """Draw, reward, learn; at the end of an interval look at the greedy prompt. False where the search is over."""
        run, plan = self._run, self._plan
        self._newest = number
        # Drawn also at steps that draw no prompt, so that a mode moves no later step's seed.
        seed = run.rng("policy").getrandbits(63)
        rows = [] if self._inputs is None else self._inputs.of_step()
        contexts = [] if self._inputs is None else [self._inputs.context(example) for example in rows]
        samples = self._training.sample(plan.prompts, seed, contexts) if self._draws(number) else []
        entries = self._rewarded(samples, "policy", number, rows)
        compared = groups(entries, rows)
        others = [] if self._only_draws(number) else self._others()
        batch = self._batch(seed, samples, compared, contexts, others)
        learned = self._training.learn(batch)
        if learned.diverged and not self._retreated():
            return False
        rewards = [entry.reward for entry in entries if entry is not None]
        self._earned = rewards if rewards else self._earned
        if self._says_nothing(compared, others, number):
            return False
        if (number + 1) % plan.every == 0:
            self._look(number, batch, learned)
            self._training.mark()
        return True

    def end(self) -> None:
        """The last greedy prompt, and the best that were drawn, ranked on dev with the others."""
        run = self._run
        # The greedy prompt of the last interval may be older than what was learned since.
        self._greedy(self._newest)
        archive = self._archive.values() if self._inputs is None else ()
        drawn = sorted(archive, key=lambda each: (-each.reward, each.step))
        for entry in [each for each in drawn if each.prompt not in self._ranking][: self._method.size.finalists]:
            left = run.evaluations_left()
            if left is not None and left < len(self._held):
                run.follow_budget()
                break
            self._ranking.add(entry)
        order = self._ranking.order()
        self._ranking.offer(order)
        run.record([run.estimate(prompt, self._held) for prompt in order], order[:1], "the best on dev")
        if self._method.fluency and self._inputs is None:
            self._ranking.record_front(order)

    # --- rewards ---

    def _rewarded(
        self, samples: Sequence[Sample], operator: str, step: int, rows: Sequence[Example] = ()
    ) -> list[Entry | None]:
        """For each of the samples its prompt and what that earned; None where the task's contract refuses it.

        `rows`: the example that each was written for; none where all are rewarded on all examples.
        """
        run = self._run
        proposals = [
            Proposal(
                run.initial.replace(run.task.editable, sample.text),
                (run.initial,),
                operator,
                f"step {step + 1}, {sample.fluency:.2f} nats a token",
            )
            for sample in samples
        ]
        admitted = run.admit(proposals)
        if rows:
            pairs = [(proposal.prompt, row) for proposal, row in zip(proposals, rows, strict=True)]
            asked = [pair for pair in pairs if pair[0] in admitted]
            single = dict(zip(asked, run.evaluate_each(asked), strict=True))
            scores = [[single[pair]] if pair in single else None for pair in pairs]
        else:
            matrix = run.evaluate(admitted, self._examples)
            scores = [matrix[each.prompt] if each.prompt in admitted else None for each in proposals]
        found: list[Entry | None] = []
        for sample, proposal, earned in zip(samples, proposals, scores, strict=True):
            if earned is None:
                found.append(None)
                continue
            # What the frozen model rules out has a likelihood of minus infinity, and 0 times that is no number.
            price = self._method.fluency * sample.fluency if self._method.fluency else 0.0
            reward = sum(score.value for score in earned) / len(earned) + price
            pool = tuple(best + price for best in maxima_of(earned[0])) if rows else ()
            entry = Entry(proposal.prompt, sample, step, reward, pool)
            self._archive.setdefault(proposal.prompt, entry)
            found.append(entry)
        return found

    def _draws(self, number: int) -> bool:
        mode = self._method.mode
        return mode in ("on", "mix") or (mode == "alternate" and number % 2 == 0)

    def _only_draws(self, number: int) -> bool:
        mode = self._method.mode
        return mode == "on" or (mode == "alternate" and number % 2 == 0)

    def _says_nothing(self, compared: Sequence[Group], others: Sequence[tuple[Tokens, float]], number: int) -> bool:
        """Whether so many steps on end learned from rewards that are all equal, which is told."""
        learned_from = [[entry.reward for _, entry in group] for group in compared]
        if others:
            # These are held against what was drawn, and there are none where prompts are for single inputs.
            learned_from = [[*(each for group in learned_from for each in group), *(reward for _, reward in others)]]
        if not learned_from:
            return False
        self._alike = self._alike + 1 if all(map(tied, learned_from)) else 0
        if self._alike < PATIENCE:
            return False
        where = f" ({learned_from[0][0]:.4g})" if self._inputs is None else ", each on its input"
        self._run.warn(
            f"all prompts of the last {PATIENCE} steps earned the same{where}, so there was nothing to learn from, "
            f"and the search ended at step {number + 1}"
        )
        return True

    def _batch(
        self,
        seed: int,
        samples: Sequence[Sample],
        compared: Sequence[Group],
        contexts: Sequence[str],
        others: Sequence[tuple[Tokens, float]],
    ) -> TrainingBatch:
        targets: list[float | None] = [None] * len(samples)
        for group in compared:
            if len(group) > 1:
                # One input's prompts are held against all that was earned there, not against means alone (their code).
                pool = [reward for _, entry in group for reward in entry.pool]
                rewards = [entry.reward for _, entry in group]
                for (place, _), target in zip(group, self._targets(rewards, pool if pool else None), strict=True):
                    targets[place] = target
        among = [entry.reward for group in compared for _, entry in group]
        # A reward of another step is held against those of this one, or else against all that are known: those that tie
        # have no deviation, and what earned a little more would be worth ten thousand times as much.
        among = among if among and not tied(among) else [entry.reward for entry in self._archive.values()]
        other_targets = self._targets([reward for _, reward in others], among) if others and len(among) > 1 else []
        return TrainingBatch(
            seed,
            tuple(sample.tokens for sample in samples),
            tuple(targets),
            tuple(tokens for tokens, _ in others) if other_targets else (),
            tuple(other_targets),
            tuple(contexts),
        )

    def _others(self) -> list[tuple[Tokens, float]]:
        """What is learned from beside this step's prompts: the seeds, or as many of the older prompts."""
        if self._seeds:
            return self._seeds
        known = [(each.sample.tokens, each.reward) for each in self._archive.values() if each.sample.tokens]
        return self._run.rng("replay").sample(known, min(self._plan.prompts, len(known)))

    def _targets(self, rewards: Sequence[float], among: Sequence[float] | None) -> list[float]:
        """What the algorithm learns from; `among`: the group that they are held against, None: they are one."""
        learn, earned = self._method.learn, finite(rewards)
        if self._method.algorithm == "rloo":
            return leave_one_out(earned)
        scores = z_scores(earned, None if among is None else finite(among))
        if self._method.algorithm == "grpo":
            return scores
        # Soft Q-learning's entropy has a weight of 1, so the scale sets how much a reward counts against it.
        return [shaped(each, (0.0, 1.0), (learn.offset, learn.offset + learn.scale)) for each in scores]

    def _retreated(self) -> bool:
        """After a loss that is no number: back to the last weights at half the rate, once."""
        self._diverged += 1
        # Also where it ends: the greedy prompt of the end is written by weights that were good.
        self._training.back()
        if self._diverged > 1:
            self._run.warn(
                "the loss was no number again, so training ended; the prompts found before stand: set learn.rate lower"
            )
            return False
        self._run.warn("the loss was no number: training went back to the last kept weights, at half the rate")
        return True

    # --- what comes out ---

    def _look(self, number: int, batch: TrainingBatch, learned: Learned) -> None:
        """Rank the greedy prompt, and record the step."""
        run, held, rewards = self._run, self._held, self._earned
        self._greedy(number)
        order = self._ranking.order()
        best = run.estimate(order[0], held)
        reward = f"reward {math.fsum(rewards) / len(rewards):.1f}, " if rewards else ""
        told = NO_LOSS if learned.diverged else f"entropy {learned.entropy:.2f}, kl {learned.kl:.2f}"
        if not batch.others and all(target is None for target in batch.targets):
            told = "no prompt to learn from"
        note = (
            f"{number + 1} of {self._plan.promised(number + 1, run.evaluations_left())} updates, {reward}"
            f"{told}, best dev {self._ranking.accuracy(order[0]):.2f}"
        )
        pool = [run.estimate(prompt, held) for prompt in self._ranking]
        self._ranking.offer(order)
        run.record([best, *[each for each in pool if each.prompt != best.prompt]], order[:1], note)

    def _greedy(self, number: int) -> None:
        run = self._run
        if self._inputs is not None:
            self._policy_as_it_is(self._inputs, number)
            return
        sample = self._training.greedy()
        prompt = run.initial.replace(run.task.editable, sample.text)
        note = f"step {number + 1}, {sample.fluency:.2f} nats a token"
        for admitted in run.admit([Proposal(prompt, (run.initial,), "greedy", note)]):
            self._ranking.add(Entry(admitted, sample, number, self._archive_reward(admitted)))

    def _policy_as_it_is(self, inputs: PerInput, number: int) -> None:
        """Rank the policy by the likeliest prompt for each of the examples; the best one's weights are kept."""
        run = self._run
        marked, broken = inputs.candidate(self._held)
        if broken is not None:
            run.reject(f"policy of step {number + 1}: {broken}")
            return
        for admitted in run.admit([Proposal(marked, (run.initial,), "greedy", f"step {number + 1}")]):
            self._ranking.add(Entry(admitted, Sample((), marked[run.task.editable]), number, -math.inf))
            if self._ranking.best_policy() == admitted:
                self._training.keep_best()

    def _archive_reward(self, prompt: Prompt) -> float:
        known = self._archive.get(prompt)
        return -math.inf if known is None else known.reward
