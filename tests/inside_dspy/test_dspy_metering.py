"""Who is asked, and who is charged for it: a program, its proposer, its teacher, a judge in its metric, and an adapter
that asks a second time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy import PromptOpt  # noqa: E402
from promptopt.operators.bootstrapping import Teaching  # noqa: E402
from promptopt.optimizers.bootstrap.method import Bootstrap  # noqa: E402
from promptopt.optimizers.mipro.method import MIPRO, Proposing  # noqa: E402
from promptopt.outcome.result import Result  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402
from promptopt.testing import uniform  # noqa: E402
from tests.inside_dspy.scripted import Engine, Two, Writes, examples, lm, text_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")
BUDGET = Budget(evaluations=90)
JUDGES = "Say whether the answer is good."


class Judged(Engine):
    """Answers and judges; every fifth question in a form that only JSON can be read from, when it is asked so."""

    def write(self, system, user, request):
        if JUDGES in system:
            return "[[ ## good ## ]]\nTrue" if "yes" in user else "[[ ## good ## ]]\nFalse"
        if "your objective is" not in system:
            return super().write(system, user, request)
        number = int(re.findall(r"q(\d+)", user)[-1])
        if "JSON" not in user and not number % 5:
            return "neither here nor there"
        outputs = [name for name in re.findall(r"`(?:\[\[ ## )?(\w+)(?: ## \]\])?`", user) if name != "completed"]
        values = dict.fromkeys(outputs, "text") | {"answer": "yes" if uniform(user) < 0.6 else "no"}
        if "JSON" in user:
            return "{" + ", ".join(f'"{name}": "{values[name]}"' for name in dict.fromkeys(outputs)) + "}"
        return "\n\n".join(f"[[ ## {name} ## ]]\n{values[name]}" for name in dict.fromkeys(outputs))


def judging(gold: Any, prediction: Any, trace: object = None) -> bool:
    """What the LM in use says of the answer."""
    judge = dspy.Predict(dspy.Signature("question, answer -> good: bool", JUDGES))
    return judge(question=gold.question, answer=prediction.answer).good


def ran(home: Path, method: Any, *, student: Any = None) -> tuple[Result, Judged, Writes, Judged]:
    task, proposer, teacher = Judged(), Writes(), Judged()
    with dspy.context(lm=lm(task, cache=False, temperature=0.0)):
        best = PromptOpt(
            method, metric=judging, budget=BUDGET, store=home / "store.db",
            proposer=lm(proposer, cache=False), teacher=lm(teacher, cache=False, temperature=0.3),
        ).compile(Two() if student is None else student, trainset=examples(60))  # fmt: skip
    return best.promptopt.result, task, proposer, teacher


METHODS = {
    "bootstrap": "bootstrap",
    "bootstrap, tried twice": Bootstrap(teach=Teaching(tries=2)),
    "mipro": MIPRO(propose=Proposing(instructions=3)),
    "simba": "simba",
    "apo": "apo",
    "gepa": "gepa",
    "textgrad": "textgrad",
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_call_is_charged_to_who_was_asked_and_a_judge_is_never_the_teacher(method: Any, tmp_path: Path) -> None:
    result, *engines = ran(tmp_path, method)
    task, proposer, teacher = engines
    charged = {role: ledger.calls for role, ledger in result.by_role.items()}
    asked = {"task": task.calls, "proposer": proposer.calls, "teacher": teacher.calls}
    assert charged == {role: calls for role, calls in asked.items() if calls}
    assert result.spent.calls == sum(asked.values())
    assert result.spent.proposer_calls == proposer.calls
    judged = [sum(JUDGES in text_of(request)[0] for request in each.requests) for each in engines]
    assert judged[0] > 0
    assert judged[1:] == [0, 0]
    # Each answers what is its own: a second request of an adapter goes where the first one went.
    programs = [sum("your objective is" in text_of(request)[0] for request in each.requests) for each in engines]
    assert programs[0] > 0
    assert programs[1] == 0
    fallen = [sum("JSON" in text_of(request)[1] for request in each.requests) for each in (task, teacher)]
    assert fallen[0] > 0
    if "bootstrap" in str(method).lower():
        assert teacher.calls == programs[2] > 0
        assert fallen[1] > 0


def test_a_judge_is_asked_as_the_metric_asks_it_however_the_teacher_is_heated(tmp_path: Path) -> None:
    task, home = Judged(), tmp_path / "store.db"
    method = Bootstrap(teach=Teaching(tries=2, heat=0.9))
    with dspy.context(lm=lm(task, cache=False, temperature=0.0)):
        PromptOpt(method, metric=judging, budget=BUDGET, store=home).compile(Two(), trainset=examples(60))
    heats = {
        kind: {request.config.temperature for request in task.requests if (JUDGES in text_of(request)[0]) == kind}
        for kind in (True, False)
    }
    assert heats[False] == {0.0, 0.9}
    assert heats[True] == {0.0}
