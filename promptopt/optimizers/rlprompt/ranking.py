"""The prompts that a search has scored on dev: in which order they stand, and which the final choice is offered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptopt.operators.policy_marks import mark_in
from promptopt.optimizers.rlprompt.entries import Entry
from promptopt.optimizers.rlprompt.rewards import pareto_front
from promptopt.run import Run
from promptopt.text import shorten
from promptopt.types import Example, Prompt

FRONT_CHARACTERS = 40
"""Of each prompt in the line of the front. Ours."""


class Ranking:
    """Entries by what they score on the `held` examples; each prompt once."""

    def __init__(self, run: Run, held: Sequence[Example], *, per_input: bool) -> None:
        """`per_input`: prompts are written for single inputs, so that a policy stands as a prompt with a mark."""
        self._run, self._held, self._per_input = run, held, per_input
        self._ranked: dict[Prompt, Entry] = {}

    def __contains__(self, prompt: Prompt) -> bool:
        return prompt in self._ranked

    def __iter__(self) -> Iterator[Prompt]:
        """As they were added."""
        return iter(self._ranked)

    def add(self, entry: Entry) -> None:
        """Score a prompt on all held examples, and rank it."""
        self._run.evaluate([entry.prompt], self._held)
        # As it was written first: ties go to the earlier step.
        self._ranked.setdefault(entry.prompt, entry)

    def order(self) -> list[Prompt]:
        """All that were ranked: by accuracy on dev, reward there, reward in training; then the earlier, the shorter."""
        editable = self._run.task.editable

        def place(entry: Entry) -> tuple[float, float, float, int, int, str]:
            text = entry.prompt[editable]
            held = self._run.estimate(entry.prompt, self._held)
            return -self.accuracy(entry.prompt), -held.mean, -entry.reward, entry.step, len(text), text

        return [entry.prompt for entry in sorted(self._ranked.values(), key=place)]

    def accuracy(self, prompt: Prompt) -> float:
        """With labels the share of right answers, which have rewards above zero; else the mean."""
        run, held = self._run, self._held
        if not run.task.labels:
            return run.estimate(prompt, held).mean
        known = [score.value > 0 for _, score in run.seen(prompt, held)]
        return sum(known) / len(known)

    def best_policy(self) -> Prompt | None:
        """Of prompts for single inputs: the policy that ranks first."""
        editable = self._run.task.editable
        return next((prompt for prompt in self.order() if mark_in(prompt[editable])), None)

    def offer(self, order: Sequence[Prompt]) -> None:
        """Offer `order` to the final choice; of policies only the best of all, and no prompt for one input."""
        if not self._per_input:
            self._run.rank_by(self._held, order)
            return
        editable = self._run.task.editable
        # A policy has to rank first: it is more to keep and to ask than a text that is as good.
        offered = [prompt for place, prompt in enumerate(order) if not place or not mark_in(prompt[editable])]
        self._run.rank_by(self._held, offered, others=False)
        if mark_in(offered[0][editable]):
            self._run.warn(
                "a text [[policy …]] stands for what the policy writes for each input; where it wins, `promptopt runs "
                "prompter RUN --out FOLDER` writes the policy as a model, to be asked as rewritten/policy/FOLDER::MODEL"
            )

    def record_front(self, order: Sequence[Prompt]) -> None:
        """Record what no other prompt beats in both dev accuracy and fluency: a user may want another than the best."""
        written = [self._ranked[prompt] for prompt in order if self._ranked[prompt].sample.tokens]
        points = [(self.accuracy(each.prompt), each.sample.fluency) for each in written]
        chosen = pareto_front(points)
        texts = [repr(shorten(each.sample.text, FRONT_CHARACTERS)) for each in written]
        told = ", ".join(f"{points[place][0]:.2f} at {points[place][1]:.2f} by {texts[place]}" for place in chosen)
        pool = [self._run.estimate(written[place].prompt, self._held) for place in chosen]
        kept = [each.prompt for each in pool]
        self._run.record(pool, kept, f"front of dev accuracy and nats a token: {told}")
