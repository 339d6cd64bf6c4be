"""Judges on the command line: from a task file with a `[judge]` to a report that speaks of the judge."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Invoke, text_of
from judging import BETTER, TASK, answer, judge, polite

from promptopt.models.scripted import Scripted


@pytest.mark.slow
def test_a_judge_alone_decides_nothing_and_the_report_speaks_of_it(
    search: Callable[..., dict[str, Any]], invoke: Invoke, models: dict[str, Scripted]
) -> None:
    found = search()
    assert found["best"]["prompt"] == BETTER
    assert (found["evaluator"], found["basis"], found["verdict"]) == ("rubric", "judge", "undecided")
    assert found["gain"]["mean"] > 0.3
    assert len(found["warnings"]) == 1
    assert "name one of another family for the end with --check-judge" in found["warnings"][0]
    said = invoke("runs", "show", found["run_id"]).stdout
    assert said.startswith("Not decided. The judge prefers the new prompt (+0.3")
    assert f"promptopt label {found['run_id']} -n 100" in said
    # Once more costs nothing, of any model.
    asked = [model.calls for model in models.values()]
    assert search()["paid"]["calls"] == 0
    assert [model.calls for model in models.values()] == asked
    assert "undecided" in invoke("runs", "list").stdout


@pytest.mark.slow
def test_pairs_that_a_judge_cannot_read_are_left_out_and_above_a_twentieth_nothing_is_said_to_be_preferred(
    search: Callable[..., dict[str, Any]], models: dict[str, Scripted], invoke: Invoke
) -> None:
    def unsure(share: int) -> Callable[[str], str]:
        def word(text: str) -> str:
            said = re.findall(r"here is (\d+)", text)
            number = int(said[-1]) if said else -1
            return "prose" if "Please" in text.rpartition("<<<reply ")[2] and number % share == 1 else polite(text)

        return word

    models["judge"] = judge(unsure(50))
    found = search()
    left = 120 - found["gain"]["n"]
    assert 0 < left <= 6
    assert found["best"]["test"]["unjudged"] == left
    assert found["verdict"] == "undecided"
    assert f"({left} pair" in invoke("runs", "show", found["run_id"]).stdout
    models["judge"] = judge(unsure(3), "other")
    found = search()
    said = invoke("runs", "show", found["run_id"]).stdout
    assert said.startswith("Not decided: the judge could not be read on")
    assert "if all those count against the new prompt" in said


def test_the_task_model_as_its_own_judge_is_told_of(
    judged_task: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    models["task"] = Scripted(
        lambda request: polite(text_of(request)) if "<<<" in text_of(request) else answer(request), name="scripted/task"
    )
    done = invoke("evaluate", "--task", judged_task, "--model", "scripted/task", "--train", "20", "--dev", "20")
    assert "warning: the judge is the task model, 'scripted/task'" in done.stderr
    done = invoke("evaluate", "--task", judged_task, "--model", "scripted/task", "--judge", "scripted/judge")
    assert "the judge is the task model" not in done.stderr


def test_two_prompts_compared_by_a_judge_are_not_called_better(
    judged_task: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    options = ("--model", "scripted/task", "--judge", "scripted/judge", "--json")
    done = invoke("evaluate", "--task", judged_task, *options, "--prompt", "Answer.", "--prompt", BETTER)
    against = json.loads(done.stdout)["prompts"][1]["against_first"]
    assert against["verdict"] == "undecided"
    assert against["p_value"] < 0.05


@pytest.mark.slow
def test_settings_of_a_judge_are_given_on_the_command_line_and_a_panel_takes_its_judges(
    judged_task: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    base = ("evaluate", "--task", judged_task, "--model", "scripted/task", "--json")
    three = "scripted/judge,scripted/judge-b,scripted/judge-c"
    done = invoke(*base, "--judge", three, "--evaluator", "panel")
    assert done.exit_code == 0, done.stderr
    assert [models[name].calls for name in ("judge", "judge-b", "judge-c")] == [models["judge"].calls] * 3
    assert models["judge"].calls > 0
    items = ("--evaluator", "checklist", "--set", 'evaluator.items=["Is it kind?"]')
    models["judge"] = judge(lambda _: '{"answers": {"1": "yes"}}', "yes")
    assert json.loads(invoke(*base, "--judge", "scripted/judge", *items).stdout)["layouts"][0]["score"] == 1.0
    done = invoke(*base, "--judge", "scripted/judge", "--evaluator", "checklist")
    assert (done.exit_code, "no items" in done.stderr) == (2, True)
    done = invoke(*base, "--judge", "scripted/judge", "--evaluator", "panel", "--set", "evaluator.size=3")
    assert (done.exit_code, "no judge_2 is named" in done.stderr) == (2, True)
    done = invoke(*base, "--judge", "scripted/judge,scripted/judge", "--evaluator", "panel")
    assert (done.exit_code, "one of them twice" in done.stderr) == (2, True)


@pytest.mark.slow
def test_a_dry_run_foresees_the_judge_too(judged_task: str, invoke: Invoke, models: dict[str, Scripted]) -> None:
    options = ("--model", "scripted/task", "--judge", "scripted/judge", "--method", "climb", "--dry-run", "--json")
    done = invoke("optimize", "--task", judged_task, *options)
    assert done.exit_code == 0, done.stderr
    roles = json.loads(done.stdout)["roles"]
    # Beside its word on each reply, that on replies made of those of the test (`outcome.own_probes`).
    assert 0 < roles["judge"]["calls"] <= roles["task"]["calls"] + 2 * 8 * 20
    assert models["judge"].calls == 0


@pytest.mark.parametrize(
    ("lines", "said"),
    [("criteria = 3", "criteria is 3"), ('criterion = "x"', "judge key"), ('file = "no.md"', "cannot be read"),
     ('criteria = "x"\nlevels = ["a"]', "1 levels"), ('criteria = "x"\nfile = "polite.toml"', "both criteria and file"),
     ('evaluator = "rubrik"', "rubrik"), ("items = []", "items is []")],
)  # fmt: skip
def test_what_is_wrong_with_a_judge_in_a_task_file_is_said(
    lines: str, said: str, judged_task: str, workplace: Path, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    (workplace / "polite.toml").write_text(f"{TASK.partition('[judge]')[0]}[judge]\n{lines}\n", encoding="utf-8")
    done = invoke("evaluate", "--task", judged_task, "--model", "scripted/task", "--judge", "scripted/judge")
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_judge_that_nothing_would_ask_is_not_said_to_have_passed(
    judged_task: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    options = ("--task", judged_task, "--model", "scripted/task", "--judge", "scripted/judge")
    done = invoke("judges", "check", *options, "--evaluator", "generation")
    assert (done.exit_code, "asks none: say what a good reply is in a [judge] table" in done.stderr) == (2, True)
    assert models["judge"].calls == models["task"].calls == 0


def test_a_rubric_that_names_an_answer_is_told_of(
    judged_task: str, workplace: Path, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    told = TASK.replace('input = "question"', 'input = "question"\ntarget = "best"').replace(
        "Is the reply polite?", "A good reply is: please, 7."
    )
    (workplace / "polite.toml").write_text(told, encoding="utf-8")
    done = invoke("evaluate", "--task", judged_task, "--model", "scripted/task", "--judge", "scripted/judge")
    assert "names 'Please, 7', the answer of example" in done.stderr


@pytest.mark.slow
def test_a_check_judge_has_the_last_word(
    search: Callable[..., dict[str, Any]], invoke: Invoke, judged_task: str, models: dict[str, Scripted]
) -> None:
    found = search("--check-judge", "scripted/judge-b")
    assert found["warnings"] == []
    # 120 items under two prompts, and those of the final choice.
    assert models["judge-b"].calls > 2 * 120 > models["judge"].calls > 0
    options = ("--model", "scripted/task", "--judge", "scripted/judge", "--check-judge", "scripted/judge")
    for dry in ((), ("--dry-run",)):
        refused = invoke("optimize", "--task", judged_task, "--method", "climb", *options, *dry)
        assert refused.exit_code == 2
        assert "so it checks nothing" in refused.stderr
    options = (*options[:4], "--check-judge", "scripted/judge-b", "--max-evaluations", "400", "--dry-run", "--json")
    seen = invoke("optimize", "--task", judged_task, "--method", "climb", *options)
    assert seen.exit_code == 0, seen.stderr
    roles = json.loads(seen.stdout)["roles"]
    assert roles["check_judge"]["model"] == "scripted/judge-b"
    assert roles["check_judge"]["calls"] > 0
    assert roles["judge"]["calls"] > 0


@pytest.mark.parametrize(
    ("command", "more"), [("evaluate", ()), ("check", ("--prompt", BETTER)), ("optimize", ("--method", "climb"))]
)
def test_what_a_task_file_says_of_its_judge_beside_another_evaluator_is_told(
    judged_task: str, invoke: Invoke, models: dict[str, Scripted], command: str, more: tuple[str, ...]
) -> None:
    models["judge"] = judge(lambda _: '{"answers": {"1": "yes"}}', "yes")
    options = ("--model", "scripted/task", "--judge", "scripted/judge", "--train", "20", "--dev", "20", "--test", "20")
    items = ("--evaluator", "checklist", "--set", 'evaluator.items=["Is it kind?"]')
    done = invoke(command, "--task", judged_task, *options, *items, *more)
    said = (
        "[judge] of task 'polite' says the criteria of a rubric, and nothing here goes by that: scores are by "
        "checklist; name rubric with --evaluator to go by it"
    )
    assert done.stderr.count(said) == 1, done.output


def wordy(text: str) -> str:
    """The taste of a judge that likes long replies, whatever they say."""
    said = text.rpartition("<<<reply ")[2].partition("\n")[2].partition("\n")[0]
    return json.dumps({"score": 2 if len(said) > 14 else 1})


def test_a_judges_gain_is_told_on_replies_of_one_length_too(
    search: Callable[..., dict[str, Any]],
    judged_task: str,
    invoke: Invoke,
    models: dict[str, Scripted],
    workplace: Path,
) -> None:
    models["judge"] = judge(wordy)
    found = search()
    held = found["length_matched"]
    assert (held["n"], held["mean"], held["ci95"]) == (0, None, None)
    assert held["of_differing"] == 0.5
    assert 1.5 < held["longer"] < 2.0
    said = invoke("runs", "show", found["run_id"]).stdout
    line = f"None of the {held['differing']} pairs of replies that differ are of about one length"
    assert line in said
    base = ("check", "--task", judged_task, "--model", "scripted/task", "--judge", "scripted/judge", "--prompt", BETTER)
    done = invoke(*base, "--train", "20", "--dev", "20", "--test", "40", "--summary", "summary.md")
    assert (
        done.exit_code,
        "are of about one length: how much of the gain is length cannot be told" in done.stdout,
    ) == (
        5,
        True,
    )
    assert "Length: the new replies are 1." in (workplace / "summary.md").read_text(encoding="utf-8")
    shown = json.loads(invoke(*base, "--train", "20", "--dev", "20", "--test", "40", "--json").stdout)
    assert shown["length_matched"]["n"] == 0
    # Of a metric nothing is told of length.
    by_metric = invoke(*base, "--train", "20", "--dev", "20", "--test", "40", "--evaluator", "generation", "--json")
    assert "length_matched" not in json.loads(by_metric.stdout)
