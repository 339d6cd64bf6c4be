"""OptoPrime: code, values and feedback of a minibatch go to a model as one problem; it names new values for the texts.

Paper    Cheng, Nie, Swaminathan 2024, Trace is the Next AutoDiff: Generative Optimization with Rich Feedback, Execution
         Traces, and LLMs, NeurIPS 2024, arXiv:2406.16218; defaults are those of its code, `opto`, and of OpenTrace.
Calls    a step: a minibatch of the task model for the current texts and one for the new ones; one call of the proposer,
         whatever the number of texts, and one more where its reply is off its form; with several replies a step, those,
         and the minibatch for each of them or a call that chooses (`several.py`).
Scales   with S evaluations: S / 10 steps, on fresh minibatches of five, or one of fewer where S is below 10; without a
         cap once through the data.
Departs  a step is kept only where the mean over its minibatch rises by more than `threshold` (code: off by default, and
         a threshold permits losses); new values come in tags, JSON is read too; values that lose a placeholder, are too
         long or quote an example are dropped and counted; the word that nothing changes counts alone on a line only;
         what a call depends on is read off its input; the program is code of ours, and is not changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.operators.cells_left import require_cells
from promptopt.operators.drafts import edit_limit, texts_beside_prompt, unusable, words_allowed
from promptopt.operators.quotes import Quotes
from promptopt.operators.replies import sized, tidy
from promptopt.optimizers.optoprime.problem import Memory, Problem
from promptopt.optimizers.optoprime.several import FORM, ONE, WHO, Draft, Multi, drafts, medoid, put_together
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.epochs import Epochs
from promptopt.selection.generations import Preset
from promptopt.tasks.parts import editables_of, focused
from promptopt.text import counted
from promptopt.types import Estimate, Example, Prompt, Proposal, Room, Sampling, Score, UpperBounds

SAMPLING = Sampling(temperature=0.7, max_tokens=4096)
WARMER = 0.2
"""How much warmer the model is asked after three steps without a change. Ours: 0.9 from 0.7, once before
six such steps end the search."""
STEP_EXAMPLES = 5
"""Examples of a step. Ours; code: 1."""
COOL, DRY = 3, 6
"""Steps in a row without a change after which the model is asked at a higher temperature, and the search ends."""


@dataclass(frozen=True, slots=True)
class OptoPrimePlan:
    """Concrete numbers: steps, and the examples of each."""

    rounds: int
    minibatch: int

    def describe(self) -> str:
        """Half a sentence."""
        return f"{counted(self.rounds, 'step')}, old and new texts held against each other on {self.minibatch} examples"


@told
@dataclass(frozen=True, slots=True)
class OptoPrime:
    """Generative optimization of all texts at once, from the trace of a minibatch."""

    name: ClassVar[str] = "optoprime"

    preset: Preset = "budget"
    """`paper`: a minibatch of 1 where it is not set, as in the code."""
    rounds: int | None = None
    """Steps. None: until the budget is spent; without one, once through the training examples."""
    minibatch: int | None = None
    """Examples of a step. None: 5. Code: 1."""
    threshold: float = 0.0
    """By how much the mean has to rise for new texts to be kept; 0: by anything. Ours."""
    memory: int = 0
    """Past values that are shown with their feedback. Code."""
    perfect: float = 1.0
    """A minibatch of scores from here on is left alone. Ours."""
    longest: int = 800
    """Tokens that a text may have; one that is longer already may grow by a quarter. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked, by one reply a step. The length of a reply: code."""
    multi: Multi = ONE
    """Several replies for one step, and which of them is taken."""

    def __post_init__(self) -> None:
        within(self, rounds=(0, math.inf), minibatch=(1, math.inf), threshold=(0.0, math.inf), memory=(0, math.inf))
        within(self, longest=(1, math.inf))

    def plan(self, room: Room) -> OptoPrimePlan:
        """As many steps as the room pays for."""
        tried = 1 + self.multi.scored
        batch = (1 if self.preset == "paper" else STEP_EXAMPLES) if self.minibatch is None else self.minibatch
        if self.minibatch is None and (some := room.cells(self.multi.calls / (tried * batch))) is not None:
            # Fewer where not even one step is paid for: a smaller one tries new texts, and none at all tries nothing.
            batch = max(1, min(batch, some // tried))
        step = tried * batch
        cells = room.cells(self.multi.calls / step)
        afforded = -(-room.train // batch) if cells is None else cells // step
        return OptoPrimePlan(max(1, afforded) if self.rounds is None else self.rounds, batch)

    def least(self, room: Room) -> int:
        """Five steps."""
        return 5 * (1 + self.multi.scored) * self.plan(room.unlimited()).minibatch

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on training examples only."""
        plan, quotes = self.plan(run.room), Quotes(run.train, run.task.labels, run.initial)
        epochs = Epochs(run.train, plan.minibatch, run.rng("slices"))
        current, memory = run.initial, list[Memory]()
        unchanged = perfect = 0
        for number in range(self._most(plan, run.room)):
            [batch] = epochs.take()
            # For old and new texts: a step that can run the old ones alone compares nothing.
            require_cells(run, (1 + self.multi.scored) * len(batch), "another step")
            scores = _batch_scores(run, current, batch, number)
            children = list[Prompt]()
            if all(score.value >= self.perfect for score in scores):
                perfect += 1
            else:
                perfect = 0
                problem = Problem.of(current, editables_of(run.task), batch, scores)
                children = self._step(run, current, problem, memory, quotes, unchanged)
                unchanged = 0 if children else unchanged + 1
                # A slice from -0 on would keep everything.
                if self.memory:
                    values = {name: current[name] for name in problem.names}
                    memory = [*memory, Memory(values, problem.feedback)][-self.memory :]
            tried = [Estimate(current, _mean_score(scores), len(batch))]
            tried += [
                Estimate(child, _mean_score(_batch_scores(run, child, batch, number)), len(batch)) for child in children
            ]
            best = max(tried, key=lambda each: each.mean)
            # Equal means may differ by rounding, and of equals the old texts stay.
            current = best.prompt if best.mean > tried[0].mean + self.threshold + 1e-9 else current
            run.record(tried, [current])
            # Full marks on some minibatches say nothing of the others, so an epoch at least is gone through.
            if unchanged == DRY or perfect == max(DRY, epochs.count):
                run.warn(
                    f"nothing was changed in {max(unchanged, perfect)} steps in a row, so the search ended before its "
                    f"budget or its steps did"
                )
                break

    def _step(
        self,
        run: Run,
        current: Prompt,
        problem: Problem,
        memory: Sequence[Memory],
        quotes: Quotes,
        unchanged: int,
    ) -> list[Prompt]:
        """The current texts with those exchanged that the model named new values for: what is to be tried of it."""
        # No text took part in what was run, so the feedback is on none.
        if not problem.names:
            return []
        names = problem.names
        longest = max(run.count_tokens(current[name]) for name in names)
        words = [words_allowed(run.task, name, current[name], self.longest, run.count_tokens) for name in names]
        request = problem.render(focused(run.task, names[0]), current, memory, words)
        # One reply may hold a new value for each.
        sampling = sized(self.sampling, longest * len(names))
        found = drafts(run, request, names, sampling, self.multi, WARMER * (unchanged // COOL))
        made = [(draft, self._applied(run, current, problem, draft, quotes)) for draft in found]
        usable = [(draft, prompt) for draft, prompt in made if prompt is not None]
        prompts = list(dict.fromkeys(prompt for _, prompt in usable))
        technique = self.multi.selection_technique
        if len(prompts) > 1 and technique == "majority":
            texts = ["\n".join(prompt[name] for name in names) for _, prompt in usable]
            prompts = [usable[medoid(texts)][1]]
        elif len(prompts) > 1 and technique != "scored":
            # `last_of_n`; it stands in too where the further call gives nothing.
            chosen = usable[-1][1]
            if technique != "last_of_n":
                draft = put_together(run, request, names, [draft for draft, _ in usable], sampling, self.multi)
                best = None if draft is None else self._applied(run, current, problem, draft, quotes)
                chosen = chosen if best is None else best
            prompts = [chosen]
        return run.admit([Proposal(each, (current,), WHO, _changed(each, current, names)) for each in prompts])

    def _applied(self, run: Run, current: Prompt, problem: Problem, draft: Draft, quotes: Quotes) -> Prompt | None:
        """The current texts with a draft's values for those that can be used; None where nothing is left of them."""
        prompt = current
        for name, value in draft.values.items():
            text, why = self._usable(run, current, problem, name, value, quotes)
            if why is not None:
                run.reject(f"{WHO}: {why}")
            else:
                prompt = prompt.replace(name, text)
        # Here, and not by `admit` alone: what the task forbids must have no voice in a choice among several.
        broken = None if prompt == current else run.task.broken_by(prompt, run.count_tokens)
        if broken is not None:
            run.reject(broken)
        return None if prompt == current or broken is not None else prompt

    def _usable(
        self, run: Run, current: Prompt, problem: Problem, name: str, value: object, quotes: Quotes
    ) -> tuple[str, str | None]:
        """(the value as a text, why it cannot be used or None)."""
        if name not in problem.names:
            return "", "unknown variable"
        if not isinstance(value, str):
            # A value of another type would have to be guessed at: "False" is a text, and no truth.
            return "", "no text"
        section = current[name]
        text = tidy(value, section)
        why = unusable(
            text,
            section,
            most=edit_limit(section, self.longest, run.count_tokens),
            tags=("name", "value"),
            count_tokens=run.count_tokens,
            form=FORM,
            own=texts_beside_prompt(focused(run.task, name), current),
            labels=run.task.labels,
        )
        if why is None and quotes.new_in(text, section):
            why = "quotes an example"
        return text, why

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a search over `train` training examples without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a search in that room; replies off their form are asked for twice."""
        plan = self.plan(room)
        cells = room.cells()
        most = self._most(self.plan(room), room)
        evaluations = (1 + self.multi.scored) * plan.minibatch * most
        calls = 2 * self.multi.calls * most
        evaluations = evaluations if cells is None else min(cells, evaluations)
        return UpperBounds(evaluations, calls, calls * self.sampling.max_tokens)

    def _most(self, plan: OptoPrimePlan, room: Room) -> int:
        """Steps at most: known cells and steps without a child cost less than the planned ones do."""
        return plan.rounds if self.rounds is not None or room.cells() is None else 3 * plan.rounds


def _changed(prompt: Prompt, current: Prompt, names: Sequence[str]) -> str:
    return ", ".join(name for name in names if prompt[name] != current[name])


def _batch_scores(run: Run, prompt: Prompt, batch: Sequence[Example], number: int) -> Sequence[Score]:
    # Where the task model samples, old and new texts are drawn anew: a lucky draw is not what a child is held against.
    repetition = number + 2 if run.task.sampling.temperature > 0 else 0
    return run.evaluate([prompt], batch, repetition=repetition)[prompt]


def _mean_score(scores: Sequence[Score]) -> float:
    return math.fsum(score.value for score in scores) / len(scores)
