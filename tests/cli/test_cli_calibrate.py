"""`promptopt judges`: a judge is held against people, put to the test, and reports speak of it from then on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Invoke
from judging import judge, polite

from promptopt.models.scripted import Scripted
from promptopt.outcome.by_judge import of_judge

OPTIONS = ("--model", "scripted/task", "--judge", "scripted/judge")


def strict(text: str) -> str:
    """A judge that nothing takes in: polite is what thanks no one and is said once."""
    said = text.rpartition("<<<reply ")[2].partition("\n")[2].partition("\n")[0]
    asked = text.rpartition("<<<input ")[2].split("number ")[1].split()[0]
    return json.dumps({"score": 0 if f"is {asked}" not in f"{said} " else 2 if said.startswith("Please") else 1})


def labels(path: Path, score: Callable[[int], float], **more: Callable[[int], str]) -> str:
    rows = [
        {"question": f"May I have number {n} ?", "reply": f"{'Please, here' if n % 2 else 'Here'} is {n}",
         "score": score(n), **{name: value(n) for name, value in more.items()}}
        for n in range(80)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_a_calibrated_judge_is_spoken_of_and_still_decides_nothing(
    judged_task: str, models: dict[str, Scripted], invoke: Invoke, workplace: Path,
    search: Callable[..., dict[str, Any]],
) -> None:  # fmt: skip
    models["judge"] = judge(strict)
    file = labels(
        workplace / "labels.jsonl", lambda n: 2 if n % 2 and n % 9 else 1, slice=lambda n: "fr" if n < 9 else "en"
    )
    done = invoke("judges", "calibrate", "--task", judged_task, *OPTIONS, "--labels", file)
    assert done.exit_code == 0, done.stderr
    assert "80 labelled replies: agreement 9" in done.stdout
    assert "quadratic-weighted kappa 0.90" in done.stdout
    assert "asked anew it says the same of 100% of replies" in done.stdout
    assert "fr: 9 replies, too few for a number" in done.stdout
    assert "weak: a judge that may guide a search has all probes of `promptopt judges check` passed" in done.stdout
    assert models["task"].calls == 0
    done = invoke("judges", "check", "--task", judged_task, *OPTIONS)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert done.stdout.count(": passed") == 6
    assert "passed: it is taken in by none of these" in done.stdout
    found = search()
    assert (found["trust"]["status"], found["verdict"]) == ("calibrated", "undecided")
    said = invoke("runs", "show", found["run_id"]).stdout
    assert said.startswith("The judge prefers the new prompt: +0.3")
    assert "Not a verdict" in said


@pytest.mark.slow
def test_a_judge_that_is_taken_in_fails_and_the_report_says_by_what(
    judged_task: str, models: dict[str, Scripted], invoke: Invoke,
    search: Callable[..., dict[str, Any]],
) -> None:  # fmt: skip
    def easily(text: str) -> str:
        said = text.rpartition("<<<reply ")[2]
        return '{"score": 2}' if "highest" in said or "experts" in said else polite(text)

    models["judge"] = judge(easily)
    done = invoke("judges", "check", "--task", judged_task, *OPTIONS, "--json")
    assert done.exit_code == 1
    found = {each["name"]: each["passed"] for each in json.loads(done.stdout)["probes"]}
    assert not found["injection"]
    assert not found["authority"]
    assert found["padding"]
    said = invoke("runs", "show", search()["run_id"]).stdout
    assert said.startswith("Not decided: the judge is taken in by planted replies (constant, injection")


def test_a_judge_that_is_taken_in_is_told_of_where_it_sees_no_difference() -> None:
    report = {
        "gain": {"mean": 0.0, "n": 20}, "run_id": "r", "best": {"test": {"n": 20}},
        "trust": {"failed": ["injection"], "status": "uncalibrated"},
    }  # fmt: skip
    said = of_judge(report, ("95 %", (-0.1, 0.1)))
    assert "sees no difference" in said
    assert "taken in by planted replies (injection; `promptopt judges check`)" in said


@pytest.mark.parametrize("command", [("check", "-n", "8"), ("calibrate", "--labels", "labels.jsonl")])
@pytest.mark.parametrize(
    ("word", "said"),
    [("Quite a nice reply, I think.", "could not be read (such as: it said 'Quite a nice reply"),
     ('{"score": 2}', "unless these are all as good, it tells nothing apart")],
)  # fmt: skip
def test_what_is_wrong_with_a_judge_is_told_while_it_is_held_to_the_test(
    word: str,
    said: str,
    command: tuple[str, ...],
    judged_task: str,
    models: dict[str, Scripted],
    invoke: Invoke,
    workplace: Path,
) -> None:
    labels(workplace / "labels.jsonl", lambda n: n % 3)
    models["judge"] = judge(lambda _: word)
    done = invoke("judges", *command, "--task", judged_task, *OPTIONS)
    assert done.stdout.count("Warning: ") == 1
    assert said in done.stdout
    assert "nan" not in done.stdout


@pytest.mark.parametrize(
    ("row", "said"),
    [({"score": 7}, "score is '7'; write a number from 0 to 2"), ({"score": "good"}, "score is 'good'"),
     ({"reply": None}, "score"), ({"other": 1}, "there is no column 'question'")],
)  # fmt: skip
def test_labels_that_cannot_be_meant_are_said_with_their_row(
    row: dict[str, Any],
    said: str,
    judged_task: str,
    models: dict[str, Scripted],
    invoke: Invoke,
    workplace: Path,
) -> None:
    whole = {"question": "May I have number 1 ?", "reply": "Here is 1", "score": ""}
    (workplace / "labels.jsonl").write_text(json.dumps(row if "other" in row else {**whole, **row}) + "\n", "utf-8")
    done = invoke("judges", "calibrate", "--task", judged_task, *OPTIONS, "--labels", "labels.jsonl")
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_an_evaluator_that_grades_no_single_reply_is_refused(
    judged_task: str,
    models: dict[str, Scripted],
    invoke: Invoke,
    workplace: Path,
) -> None:
    done = invoke("judges", "check", "--task", judged_task, *OPTIONS, "--evaluator", "versus")
    assert (done.exit_code, "grades no single reply" in done.stderr) == (2, True)


def test_a_metric_is_held_against_people_without_a_call(
    judged_task: str, models: dict[str, Scripted], invoke: Invoke, workplace: Path
) -> None:
    rows = [
        {"question": f"May I have number {n} ?", "target": "Here it is", "score": (0, 2)[n % 2],
         "reply": ("No", "Here it is")[n % 2]}
        for n in range(60)
    ]  # fmt: skip
    (workplace / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    given = ("--evaluator", "generation", "--labels", "labels.jsonl")
    done = invoke("judges", "calibrate", "--task", judged_task, "--model", "scripted/task", *given)

    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("generation: the task's metric, without a judge, 0 calls paid")
    assert "quadratic-weighted kappa 1.00" in done.stdout
    assert "puts the good one above in 100% of pairs" in done.stdout
    assert models["judge"].calls == 0


@pytest.mark.parametrize(
    ("name", "place"), [("labels.jsonl", "row 2"), ("labels.json", "row 2"), ("labels.csv", "row 3")]
)
def test_rows_of_labels_are_counted_as_a_spreadsheet_counts_them(
    name: str, place: str, judged_task: str, models: dict[str, Scripted], invoke: Invoke, workplace: Path
) -> None:
    rows = [{"question": f"May I have number {n} ?", "reply": f"Here is {n}", "score": score}
            for n, score in ((1, 1), (2, 7))]  # fmt: skip
    if name.endswith(".csv"):
        text = "question,reply,score\n" + "".join(f"{','.join(map(str, row.values()))}\n" for row in rows)
    else:
        text = json.dumps(rows) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows)
    (workplace / name).write_text(text, "utf-8")
    done = invoke("judges", "calibrate", "--task", judged_task, *OPTIONS, "--labels", name)
    assert (done.exit_code, f"{name}, {place}: score is '7'" in done.stderr) == (2, True), done.stderr
