"""`promptopt check` by a panel whose word is let decide."""

from __future__ import annotations

import json

from command_line import Invoke
from judging import BETTER, judge

from promptopt.models.scripted import Scripted


def rude(text: str) -> str:
    """The taste of a judge that likes what the others do not."""
    said = text.rpartition("<<<reply ")[2]
    return json.dumps({"reason": "no manners", "score": 0 if "Please" in said else 1})


def test_a_panel_whose_judges_disagree_decides_nothing_even_where_it_may(
    judged_task: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    judges = "scripted/judge,scripted/judge-b,scripted/judge-c"
    base = ("check", "--task", judged_task, "--model", "scripted/task", "--evaluator", "panel", "--judge", judges)
    sizes = ("--train", "20", "--dev", "20", "--test", "40", "--accept-judge", "--json")
    alike = invoke(*base, "--prompt", BETTER, *sizes)
    assert alike.exit_code == 0, alike.stdout + alike.stderr

    # One that sees no difference contradicts nobody, and is no judge that sees the gain that is required.
    models["judge-e"] = judge(lambda _: json.dumps({"reason": "alike", "score": 1}), "judge-e")
    blind = (*base[:-1], judges.replace("judge-c", "judge-e"), "--prompt", BETTER, *sizes)
    assert [invoke(*blind, *more).exit_code for more in ((), ("--require", "better"))] == [0, 5]

    models["judge-d"] = judge(rude, "judge-d")
    apart = invoke(*base[:-1], judges.replace("judge-c", "judge-d"), "--prompt", BETTER, *sizes)
    assert apart.exit_code == 5, apart.stderr
    (score,) = (each for each in json.loads(apart.stdout)["decisions"] if each["name"] == "score")
    assert "the judges of the panel disagree (judge 1: +" in score["message"]
