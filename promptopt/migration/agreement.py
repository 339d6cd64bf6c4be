"""How far replies are those of the old model under the old prompt: it says what changed, and not what is good.

The ceiling is how far the old model agrees with itself, drawn a second time: it is asked so where its replies are
drawn at all, and says the same where they are not.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptopt.binding.models import Models, open_models
from promptopt.errors import BackendError
from promptopt.evaluation import Evaluation, paired
from promptopt.evaluators.calls import calls_in
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.judging import options_of
from promptopt.migration.freezing import Asking, answers_under_start
from promptopt.models.recorded import Recorded
from promptopt.tasks.task import Task
from promptopt.thoughts import spoken
from promptopt.types import Cell, Example, Reply, Score, canonical

_WRITTEN_CALL = re.compile(r"^([\w.:\-]{1,200})\((\{.*\})\)$", re.MULTILINE)
"""A call as it stands in a reply that was scored (`ToolCall.written`)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of `n` examples: in `called` one of both replies calls tools, of which in `tools` both call the same ones.

    `arguments`: in how many with the same arguments, too. `alike`: of the other `n` - `called`, in how many both say
    the same: the same label, or the same words.
    """

    n: int = 0
    alike: int = 0
    called: int = 0
    tools: int = 0
    arguments: int = 0

    @classmethod
    def of(
        cls, examples: Sequence[Example], before: Sequence[Score], after: Sequence[Score], *, labelled: bool
    ) -> Agreement:
        """`labelled`: whether a reply says what its label says."""
        counts = Counter[str]()
        for example, old, new in zip(examples, before, after, strict=True):
            (text, calls), (other, others) = _said(example, old.output), _said(example, new.output)
            if calls or others:
                counts["called"] += 1
                counts["tools"] += sorted(name for name, _ in calls) == sorted(name for name, _ in others)
                counts["arguments"] += sorted(calls) == sorted(others)
            else:
                counts["alike"] += old.answer == new.answer if labelled and old.answer and new.answer else text == other
        return cls(len(examples), counts["alike"], counts["called"], counts["tools"], counts["arguments"])


NO_AGREEMENT = Agreement()


def agreement_of(task: Task, reference: Evaluation, found: Evaluation) -> Agreement:
    """On the examples that both have a reply to."""
    both = paired(reference, found)
    return Agreement.of(
        [each.example for each in both], [each.before for each in both], [each.after for each in both],
        labelled=bool(task.labels) and not reference.judged,
    )  # fmt: skip


def with_itself(
    task: Task, reference: Evaluation, models: Models, asking: Asking, warn: Callable[[str], None]
) -> Agreement | None:
    """The ceiling; None where the old model's replies are not drawn, or it cannot be asked again, which is warned of.

    Costs a call of the old model for each example of the reference, where they are. Raises BackendError where it is
    the user who ends it all.
    """
    # What draws no reply, or plays conversations, has none that could be drawn again.
    if options_of(task, "simulated") or not (reference.judged or reference.evaluator == "generation"):
        return None
    again = _drawn_again(task, reference.examples, models, asking, warn)
    if again is None:
        return None
    cells = [Cell(task.initial, example) for example in reference.examples]
    judge = Generation.for_task(task).judge
    scores = [judge(cell, reply) for cell, reply in zip(cells, again, strict=True)]
    return Agreement.of(reference.examples, reference.scores, scores,
                        labelled=bool(task.labels) and not reference.judged)  # fmt: skip


def _drawn_again(
    task: Task, examples: Sequence[Example], models: Models, asking: Asking, warn: Callable[[str], None]
) -> list[Reply] | None:
    model = open_models(models).by_role["task"]
    if isinstance(model, Recorded):
        requests, _ = answers_under_start(task, models, examples, asking)
        kept = [model.again(request) for request in requests]
        held = [reply for reply in kept if reply is not None]
        return held if len(held) == len(kept) else None
    try:
        _, replies = answers_under_start(task, models, examples, asking, again=True)
    except BackendError as failure:
        if asking.interrupt is not None and asking.interrupt.is_set():
            raise
        # What is no part of any verdict ends no migration.
        warn(f"how far the old model agrees with itself is not known, as it could not be asked again: {failure}")
        return None
    return replies if replies else None


def schema_of(task: Task) -> Callable[[str], str] | None:
    """What says how a reply breaks the task's output schema; None where it has none."""
    if not task.gate.schema:
        return None
    from promptopt.evaluators.schema import schema_fault

    return schema_fault(task.gate.schema)


def _said(example: Example, output: str) -> tuple[str, list[tuple[str, str]]]:
    """What a reply says, but for white space, and the tools that it calls, each with its arguments."""
    said = spoken(output)
    text, written = calls_in(example, "" if said is None else said)
    calls = [(call.name, _canonical(call.arguments)) for call in written]
    calls += [(name, _canonical(arguments)) for name, arguments in _WRITTEN_CALL.findall(text)]
    return " ".join(_WRITTEN_CALL.sub("", text).split()), calls


def _canonical(arguments: str) -> str:
    try:
        return canonical(json.loads(arguments))
    except (ValueError, RecursionError):
        return arguments
