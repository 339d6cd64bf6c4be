"""TextGrad: a model criticises the output, then what it was made from, back to the texts, which are then rewritten.

Paper    Yuksekgonul et al. 2024, TextGrad: Automatic "Differentiation" via Text, arXiv:2406.07496 (Nature 2025);
         settings are those of the code's script `prompt_optimization.py`.
Calls    a step: the task model on a minibatch, and on V examples for new texts; the proposer once for each edge on a
         way from an output that lacks marks to a text (2 of a prompt of one call), and once for each text that is
         criticised. V for the start.
Scales   with S evaluations: V = S / 25 (10 to 50, half of the training examples at most), and steps until they are
         spent; `preset=paper`, or no cap: 12 steps, V = 50.
Departs  examples with full marks are not criticised, and only ways to texts are; a step is taken back where the mean on
         the V examples falls (code: only where told; on accuracy), and the minibatches are of others; values are shown
         whole (code: ten words of either end); an update without tags is asked for once more, then the text stays
         (code: the run ends); criticisms keep an order and stand once each; the window of past texts and criticisms
         works; several criticisms stand one after the other, or become one by a call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.operators.cells_left import require_cells
from promptopt.operators.drafts import words_allowed
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import show_task
from promptopt.operators.rewrite import revisions
from promptopt.optimizers.textgrad.backward import Criticism, criticisms_of, numbered_exchanges, summed_up, within_words
from promptopt.optimizers.textgrad.requests import CONSTRAINTS, FORM, HISTORY_HEAD, UPDATE
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.epochs import Epochs
from promptopt.selection.generations import Preset
from promptopt.tasks.parts import editables_of, focused
from promptopt.text import counted
from promptopt.types import Estimate, Example, Prompt, Proposal, Room, Sampling, Score, UpperBounds

SAMPLING = Sampling(temperature=0.0, max_tokens=2048)
STEPS = 12
"""Three epochs of four steps (code)."""
VALIDATION, VALIDATION_LEAST, VALIDATION_SHARE = 50, 10, 25
"""Examples that a step is judged by, at most (code: 50 to 100) and at least, and evaluations for each. Ours."""
CRITICISM_WORDS = 6_000
"""Words of criticism in one update, with their exchanges. Ours: users' contexts overflow near a hundred failures."""
DRY = 6
"""Steps in a row without a new text that end the search. Ours: half of the code's twelve."""


@dataclass(frozen=True, slots=True)
class TextGradPlan:
    """Concrete numbers: steps, examples of a minibatch, and of the validation."""

    rounds: int
    minibatch: int
    validation: int

    def describe(self) -> str:
        """Half a sentence."""
        return (
            f"{counted(self.rounds, 'step')} on {counted(self.minibatch, 'example')} each, taken back where the mean "
            f"on {self.validation} others falls"
        )


@told
@dataclass(frozen=True, slots=True)
class TextGrad:
    """Criticism passed back from outputs to texts."""

    name: ClassVar[str] = "textgrad"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    rounds: int | None = None
    """Steps. None: until the budget is spent; code: 12."""
    minibatch: int = 3
    """Examples of a step. Code."""
    validation: int | None = None
    """V, training examples that a step is judged by, apart from those of the minibatches. None: by the budget; code: 50
    to 100, where it validates."""
    revert: Literal["falls", "never"] = "falls"
    """When a step is taken back: where the mean on the V examples falls (equal stays), or never. Code: never."""
    reduce: Literal["concatenate", "summary"] = "concatenate"
    """What becomes of several criticisms of one value. Code: one after the other, or a summary by a further call."""
    momentum: int = 3
    """Past values of a text that are shown with their criticism. Code: 0, and it does not work."""
    constraints: tuple[str, ...] = ()
    """What a new text must keep to, in words. Code."""
    perfect: float = 1.0
    """A score from which on an output is not criticised. Ours."""
    longest: int = 800
    """Tokens that a text may have; one that is longer already may grow by a quarter. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Code: temperature 0."""

    def __post_init__(self) -> None:
        within(self, rounds=(0, math.inf), minibatch=(1, math.inf), validation=(1, math.inf), momentum=(0, math.inf))
        within(self, longest=(1, math.inf))

    def plan(self, room: Room) -> TextGradPlan:
        """By the budget where there is one, else by the code's numbers."""
        half = max(1, room.train // 2)
        cells = None if self.preset == "paper" else room.cells()
        size = min(half, VALIDATION if self.validation is None else self.validation)
        if cells is None:
            return TextGradPlan(STEPS if self.rounds is None else self.rounds, self.minibatch, size)
        if self.validation is None:
            size = min(size, max(VALIDATION_LEAST, cells // VALIDATION_SHARE))
        # Two calls of the proposer for an example, and one for the text.
        left = room.cells((2 * self.minibatch + 1) / (self.minibatch + size))
        afforded = ((cells if left is None else left) - size) // (self.minibatch + size)
        return TextGradPlan(max(1, afforded) if self.rounds is None else self.rounds, self.minibatch, size)

    def least(self, room: Room) -> int:
        """Three steps."""
        plan = self.plan(room)
        return plan.validation + 3 * (plan.validation + plan.minibatch)

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on training examples only."""
        plan = self.plan(run.room)
        drawn = run.rng("split").sample(run.train, len(run.train))
        judges, rest = drawn[: plan.validation], drawn[plan.validation :]
        # Of one training example there is nothing else to learn from.
        epochs = Epochs(rest if rest else judges, plan.minibatch, run.rng("slices"))
        quotes = Quotes(run.train, run.task.labels, run.initial)
        current, history = run.initial, {part: list[tuple[str, str]]() for part in editables_of(run.task)}
        means = {current: _mean_score(run.evaluate([current], judges)[current])}
        run.rank_by(judges, [current], others=False)
        dry = perfect = 0
        for number in range(self._most(plan, run.room)):
            [batch] = epochs.take()
            # For the judges too: a child that cannot be judged is paid for in vain.
            require_cells(run, len(batch) + len(judges), "another step")
            # Where the task model samples, drawn anew: 0 and 1 are of the search's scores and of the final choice.
            repetition = number + 2 if run.task.sampling.temperature > 0 else 0
            scores = run.evaluate([current], batch, repetition=repetition)[current]
            failed = [pair for pair in zip(batch, scores, strict=True) if pair[1].value < self.perfect]
            child = self._step(run, current, failed, history, quotes) if failed else None
            perfect, dry = (0 if failed else perfect + 1), (0 if child is not None else dry + bool(failed))
            if child is not None:
                means[child] = _mean_score(run.evaluate([child], judges)[child])
                # Equal stays, and equal means may differ by rounding.
                if self.revert == "never" or means[child] >= means[current] - 1e-9:
                    current = child
            order = sorted(means, key=lambda prompt: -means[prompt])
            run.rank_by(judges, order, others=False)
            run.record([Estimate(prompt, means[prompt], len(judges)) for prompt in order], [current])
            # Full marks on some minibatches say nothing of the others, so an epoch at least is gone through.
            if dry == DRY or perfect == max(DRY, epochs.count):
                run.warn(
                    f"no text was changed in {max(dry, perfect)} steps in a row, so the search ended before its budget "
                    f"or its steps did"
                )
                break

    def _step(
        self,
        run: Run,
        current: Prompt,
        failed: Sequence[tuple[Example, Score]],
        history: dict[str, list[tuple[str, str]]],
        quotes: Quotes,
    ) -> Prompt | None:
        """The texts that were criticised, rewritten; None where none was, or nothing usable was written."""
        summed = self.reduce == "summary"
        found = criticisms_of(run, current, editables_of(run.task), failed, self.sampling, summed=summed)
        asked: list[tuple[Prompt, str, str]] = []
        for part, criticisms in found.items():
            if criticisms:
                said = self._said(run, within_words(criticisms, CRITICISM_WORDS), summed=summed)
                asked.append((current, part, self._update(run, current, part, said, history[part])))
                # Whatever comes of it: criticism that is repeated says that the last change was too small.
                history[part].append((current[part], "\n".join(each.text for each in criticisms)))
        texts = revisions(run, asked, self.sampling, who="optimizer", longest=self.longest, quotes=quotes, form=FORM)
        prompt = current
        for (_, part, _), text in zip(asked, texts, strict=True):
            if text is not None:
                prompt = prompt.replace(part, text)
        changed = ", ".join(part for _, part, _ in asked if prompt[part] != current[part])
        if not changed:
            return None
        # The contract is of the whole prompt: texts that are fit alone may break it together.
        admitted = run.admit([Proposal(prompt, (current,), "optimizer", changed)])
        return admitted[0] if admitted else None

    def _said(self, run: Run, criticisms: Sequence[Criticism], *, summed: bool) -> str:
        if summed and len(criticisms) > 1:
            return summed_up(run, criticisms, self.sampling)
        return numbered_exchanges(criticisms)

    def _update(self, run: Run, current: Prompt, part: str, said: str, past: Sequence[tuple[str, str]]) -> str:
        # Not by a negative index: from -0 on all would be shown.
        shown = past[len(past) - min(len(past), self.momentum) :]
        recalled = "\n\n".join(f'"""\n{value}\n"""\nCriticism: {criticism}' for value, criticism in shown)
        section = current[part]
        return UPDATE.render(
            {
                "name": part,
                "task": show_task(focused(run.task, part), current),
                "section": section,
                "criticisms": said,
                "constraints": CONSTRAINTS + "".join(f"- {each}\n" for each in self.constraints)
                if self.constraints
                else "",
                "history": f"{HISTORY_HEAD}{recalled}\n" if shown else "",
                "words": str(words_allowed(run.task, part, section, self.longest, run.count_tokens)),
            }
        )

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a search over `train` training examples without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds in that room for one call and one text; updates off their form are asked for twice."""
        plan, cells = self.plan(room), room.cells()
        most = self._most(plan, room)
        evaluations = plan.validation + most * (plan.minibatch + plan.validation)
        calls = most * (2 * plan.minibatch + 2 + 2 * (self.reduce == "summary"))
        evaluations = evaluations if cells is None else min(cells, evaluations)
        return UpperBounds(evaluations, calls, calls * self.sampling.max_tokens)

    def _most(self, plan: TextGradPlan, room: Room) -> int:
        """Steps at most: those without a new text, and known cells, cost less than the planned ones do."""
        return plan.rounds if self.rounds is not None or room.cells() is None else 3 * plan.rounds


def _mean_score(scores: Sequence[Score]) -> float:
    return math.fsum(score.value for score in scores) / len(scores)
