"""A system prompt judged under user prompts that somebody else wrote: how far its gain depends on their wording.

After the unseen generalisation of Choi, Baek, Hwang 2025 (arXiv:2505.09666). Each user prompt of a task is made from
ten random training pairs, and owes nothing to the system prompts that are compared. These are scored under all of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from promptopt.binding.evaluator import bind_evaluator
from promptopt.binding.models import Models, open_models
from promptopt.binding.session import no_search, opened, stopping
from promptopt.errors import ConfigError
from promptopt.evaluation import Evaluation, looking
from promptopt.operators.drafts import unusable
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import ask_whole, reason_said, show_example
from promptopt.operators.replies import Form, tidy
from promptopt.outcome.looks import level_of
from promptopt.outcome.result import RunVerdict
from promptopt.protocols import Evaluator
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.stats import Gain, paired_gain, verdict
from promptopt.store.runs import Store
from promptopt.tasks.task import Task
from promptopt.text import Pattern
from promptopt.types import Sampling

PAIRS_SHOWN = 10
"""Training pairs that a user prompt is made from; the paper's."""
SAMPLING = Sampling(temperature=1.0, max_tokens=512)
LONGEST_PROMPT = 400
"""Tokens of a user prompt at most. Ours."""
_WHO = "user prompts"
REQUEST = Pattern(
    """A language model is given a user prompt and then an input. These are inputs and the right answers to them:

{pairs}

Write a user prompt that asks for such answers: what is to be done, and in what form the answer has to be. Quote none of
the inputs.{slots}
<prompt>
...
</prompt>""",
    ("pairs", "slots"),
)
FORM = Form(REQUEST)


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean scores under several user prompts: their mean, the least and the greatest, and how many."""

    mean: float
    least: float
    greatest: float
    n: int


@dataclass(frozen=True, slots=True)
class UnderUserPrompts:
    """Two system prompts under the same user prompts. `gain`: of the second, each example's mean over user prompts.

    `judged`: the scores are a judge's word, which decides nothing.
    """

    texts: tuple[str, ...]
    start: Spread
    found: Spread
    gain: Gain
    judged: bool = False

    @property
    def verdict(self) -> RunVerdict:
        """What the gain says at its own level; `undecided` where only a judge says so."""
        return "undecided" if self.judged else verdict(self.gain)

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        gain = self.gain
        spreads = {
            name: {"mean": each.mean, "min": each.least, "max": each.greatest, "n": each.n}
            for name, each in (("start", self.start), ("found", self.found))
        }
        told = {"mean": gain.mean, "ci95": list(gain.ci95), "p_value": gain.p_value, "n": gain.n,
                "verdict": self.verdict}  # fmt: skip
        return {"texts": list(self.texts), **spreads, "gain": told}


def induced(
    task: Task,
    count: int,
    *,
    models: Models,
    evaluator: str | Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    interrupt: Event | None = None,
) -> list[str]:
    """`count` user prompts for a task that the proposer writes from training pairs, fewer where replies are of no use.

    They know nothing of any system prompt. Raises ConfigError where none can be used, BackendError where the engine
    fails or the budget ends it.
    """
    begun = time.monotonic()
    limits = Budget() if budget is None else budget
    with opened(store) as opened_store:
        opened_models = open_models(models).by_role
        guide = bind_evaluator(evaluator, task)
        run, _ = looking(
            task=task,
            evaluator=guide,
            models=opened_models,
            store=opened_store,
            budget=limits,
            seed=seed,
            stop=stopping(limits, begun, interrupt),
        )
        with no_search():
            texts = _proposed_prompts(run, task, count)
            # Once more for what was of no use, and only once.
            texts += _proposed_prompts(run, task, count - len(texts))
    found = list(dict.fromkeys(texts))
    if not found:
        why = ", ".join(map(reason_said, run.rejected)) if run.rejected else "no reply"
        raise ConfigError(
            f"the proposer wrote no user prompt for task {task.name!r} that can be used ({why}); name a stronger one "
            f"with --proposer, or leave --user-prompts out"
        )
    return found


def _proposed_prompts(run: Run, task: Task, count: int) -> list[str]:
    # One stream for both rounds: the second draws other pairs than the first.
    own, rng = task.initial[task.editable], run.rng(_WHO)
    slots = [f"{{{name}}}" for name in task.fields if f"{{{name}}}" in own]
    wanted = f" It has to hold {' and '.join(slots)} where the input goes." if slots else ""
    asked = [
        REQUEST.render({"pairs": "\n\n".join(map(show_example, drawn)), "slots": wanted})
        for drawn in (rng.sample(run.train, min(PAIRS_SHOWN, len(run.train))) for _ in range(count))
    ]
    quotes = Quotes(run.train, task.labels, run.initial)
    found: list[str] = []
    for reply in ask_whole(run, asked, "prompt", SAMPLING, _WHO, closed=True):
        text = "" if reply is None else tidy(reply, own)
        why = unusable(text, own, most=LONGEST_PROMPT, tags=("prompt",), count_tokens=run.count_tokens, form=FORM)
        if why is None:
            why = task.broken_by(task.initial.replace(task.editable, text), run.count_tokens)
        if why is None and quotes.new_in(text, own):
            why = "quotes an example"
        if why is None:
            found.append(text)
        elif reply is not None:
            run.reject(f"{_WHO}: {why}")
    return found


def under_user_prompts(
    texts: Sequence[str], start: Sequence[Evaluation], found: Sequence[Evaluation], *, rivals: int
) -> UnderUserPrompts:
    """What the second of two system prompts gains over user prompts; an evaluation of each under each, in order.

    An example counts once, by its mean over the user prompts: what it is scored under several of them is no more data.
    One that a judge could not read under some of them counts for nothing. Raises ConfigError where none is left.
    """
    alpha = level_of([each.look for each in (*start, *found)], rivals)
    rows = zip(start[0].examples, *(each.scores for each in (*start, *found)), strict=True)
    kept = [(example, scores) for example, *scores in rows if all(score.judged for score in scores)]
    if not kept:
        raise ConfigError(f"the judge could read no example under all {len(texts)} user prompts; name another")
    half = len(start)
    before, after = (
        [math.fsum(score.value for score in side) / half for side in sides]
        for sides in ([scores[:half] for _, scores in kept], [scores[half:] for _, scores in kept])
    )
    groups = [example.group for example, _ in kept]
    gain = paired_gain(before, after, alpha=alpha, groups=groups, weigh=found[0].weigh)
    judged = any(each.judged for each in (*start, *found))
    return UnderUserPrompts(tuple(texts), _score_spread(start), _score_spread(found), gain, judged)


def _score_spread(evaluations: Sequence[Evaluation]) -> Spread:
    means = [each.measured.score for each in evaluations]
    return Spread(math.fsum(means) / len(means), min(means), max(means), len(means))
