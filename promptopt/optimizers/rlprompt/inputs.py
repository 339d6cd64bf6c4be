"""Prompts for single inputs: those of a step, what the policy reads of each, and the policy itself as a candidate.

Source   RLPrompt's style transfer (Deng et al. 2022, arXiv:2205.12548; their code's input-conditioned experiment): the
         policy writes after the source sentence; each of 2 inputs has 4 prompts a step, which are rewarded on it alone.
Departs  the policy reads all that the task model does, less the prompt (code: the source sentence alone): it then needs
         no word on which field of a task is its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from promptopt.operators.policy_marks import around, mark_of
from promptopt.operators.training import Training
from promptopt.run import Run
from promptopt.types import Example, Prompt

_ANY = mark_of("0" * 16)


class PerInput:
    """The inputs of one search, in an order of chance that begins anew when all were seen."""

    def __init__(self, run: Run, training: Training, examples: Sequence[Example], inputs: int, prompts: int) -> None:
        """`inputs` of `examples` a step, each with its share of `prompts`."""
        self._run, self._training, self._examples = run, training, list(examples)
        self._inputs, self._each = inputs, prompts // inputs
        self._waiting: list[Example] = []
        self._broken: dict[str, None] = {}

    def of_step(self) -> list[Example]:
        """The example of every row of the next step: those of one input stand together."""
        # Without replacement, as their data loader goes: each input is learned from as often as any other.
        chosen: list[Example] = []
        for _ in range(self._inputs):
            if not self._waiting:
                self._waiting = self._run.rng("inputs").sample(self._examples, len(self._examples))
            chosen.append(self._waiting.pop())
        return [example for example in chosen for _ in range(self._each)]

    def context(self, example: Example) -> str:
        """What the policy reads of an example."""
        task = self._run.task
        # Any mark will do: it is taken out again, and what stays must not depend on how far the training is.
        content, _ = task.render(self._run.initial.replace(task.editable, _ANY), example)
        return around(content, _ANY)

    def candidate(self, held: Sequence[Example]) -> tuple[Prompt, str | None]:
        """The policy as it is now, and by which rule of the task one of its prompts for `held` may not be used.

        It is a prompt whose text is a mark, which stands for the likeliest prompt on each example.
        """
        run, state = self._run, self._training.state
        marked = run.initial.replace(run.task.editable, mark_of(state))
        run.vary(marked, partial(self._allowed, state))
        broken = (run.task.broken_by(self._written(state, example), run.count_tokens) for example in held)
        return marked, next((why for why in broken if why is not None), None)

    def _allowed(self, state: str, example: Example) -> Prompt:
        """What the policy writes for an example; where the task's contract forbids that, the start."""
        run, prompt = self._run, self._written(state, example)
        why = run.task.broken_by(prompt, run.count_tokens)
        if why is None:
            return prompt
        if not self._broken:
            run.warn(
                f"for an input that it was not chosen by, the policy wrote a prompt that the task does not allow "
                f"({why}); the start stands in for such prompts here, and nothing does outside of the run"
            )
        if example.id not in self._broken:
            self._broken[example.id] = None
            run.reject(f"policy on a later input: {why}")
        return run.initial

    def _written(self, state: str, example: Example) -> Prompt:
        # The final choice and the test ask for the policy that won, and training went on after it.
        self._training.settle(state)
        text = self._training.greedy(self.context(example)).text
        return self._run.initial.replace(self._run.task.editable, text)
