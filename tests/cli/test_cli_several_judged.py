"""Several tasks of which a judge scores some and a metric others: what each command says of both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Invoke, text_of
from typer.testing import Result

from promptopt.models.scripted import Scripted
from promptopt.types import Request

START = "You are the desk of Nordsee."
FOUND = "You are the desk of Nordsee. Thank people."
SIZES = ("--train", "20", "--dev", "20", "--test", "40")
UNASKED = "nothing here asks one"
TASKS = {"inn": True, "ferry": True, "depot": False, "quay": False}


@pytest.fixture(autouse=True)
def tasks(models: dict[str, Scripted]) -> None:
    """The four, a model that thanks where it is told to, and a judge of thanks."""
    for name, judged in TASKS.items():
        asked = [{"role": "user", "content": f"{name}: where is number {number} ?"} for number in range(80)]
        rows = [
            {"messages": [each, {"role": "assistant", "content": f"Thanks, {at}"}]} for at, each in enumerate(asked)
        ]
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        scored = f'[judge]\ncriteria = "Is the desk of the {name} kind?"\nlow = 0\nhigh = 2\n' if judged else ""
        metric = "" if judged else 'metric = "exact"\n'
        Path(f"{name}.toml").write_text(
            f'instruction = "{START}"\nmax_tokens = 32\n{metric}[data]\nfile = "{name}.jsonl"\n'
            f'turns = "last"\n{scored}',
            encoding="utf-8",
        )

    def answer(request: Request) -> str:
        text = text_of(request)
        if "Improve" in text:
            return FOUND
        number = text.rpartition("number ")[2].split(" ")[0]
        return f"Thanks, {number}" if "Thank people" in text else f"It is {number}"

    def judge(request: Request) -> str:
        return json.dumps({"score": 2 * ("Thanks" in text_of(request).rpartition("<<<reply ")[2])})

    models["task"], models["judge"] = Scripted(answer, name="scripted/task"), Scripted(judge, name="scripted/judge")


def run(invoke: Invoke, command: str, tasks: str, *more: str) -> Result:
    named = ",".join(f"{name}.toml" for name in tasks.split(","))
    done = invoke(command, "--task", named, "--model", "scripted/task", "--judge", "scripted/judge", *SIZES, *more)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seen", "unseen", "told"), [("inn,ferry", "depot", 0), ("depot,quay", "inn", 0), ("depot,quay", "depot_2", 3)]
)
def test_a_judge_that_some_of_the_tasks_ask_is_not_called_unasked(
    invoke: Invoke, seen: str, unseen: str, told: int
) -> None:
    rows = Path("depot.jsonl").read_text(encoding="utf-8").replace("depot: where", "shed: where")
    Path("depot_2.jsonl").write_text(rows, encoding="utf-8")
    Path("depot_2.toml").write_text(
        Path("depot.toml").read_text(encoding="utf-8").replace("depot.jsonl", "depot_2.jsonl"), encoding="utf-8"
    )
    done = run(invoke, "unseen", seen, "--on", f"{unseen}.toml", "--method", "climb", "--max-evaluations", "100")
    assert (done.stderr.count(UNASKED) > 0) == (told > 0), done.stderr


@pytest.mark.slow
def test_a_floor_that_rests_on_a_judge_alone_is_not_decided(invoke: Invoke) -> None:
    caps = ("--method", "climb", "--floor", "0.2", "--max-evaluations", "300")
    done = json.loads(run(invoke, "optimize", "inn,depot", *caps, "--json").stdout)
    assert FOUND in done["best"]["prompt"]
    assert {each["task"]: each["floor"]["held"] for each in done["members"]} == {"inn": "undecided", "depot": "held"}
    shown = run(invoke, "optimize", "inn,depot", *caps).stdout
    assert "its floor of 20 points is not decided: a judge says" in shown
    assert "its floor of 20 points is held" in shown
    judged = json.loads(run(invoke, "optimize", "inn,ferry", *caps, "--json").stdout)
    assert {each["floor"]["held"] for each in judged["members"]} == {"undecided"}


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "verdict"), [("floors", "no_evidence"), ("mean", "better")])
def test_labels_of_all_tasks_together_decide_no_floor(objective: str, verdict: str, invoke: Invoke) -> None:
    caps = ("--method", "climb", "--objective", objective, "--floor", "0.2", "--max-evaluations", "300")
    found = json.loads(run(invoke, "optimize", "inn,ferry", *caps, "--json").stdout)["run_id"]
    assert invoke("label", found, "--out", "sheet.jsonl").exit_code == 0
    rows = [json.loads(line) for line in Path("sheet.jsonl").read_text(encoding="utf-8").splitlines()]
    said = [{**row, "better": "A" if "Thanks" in row["reply_a"] else "B"} for row in rows]
    Path("done.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
    done = json.loads(invoke("verdict", found, "--labels", "done.jsonl", "--json").stdout)

    assert done["verdict"] == verdict
    told = (
        "by the judge the floor of inn (20 points) is undecided and the floor of ferry (20 points) is undecided; "
        "labels of all tasks together decide no floor"
    )
    assert [each for each in done["remarks"] if "floor" in each] == [
        told + (", and nothing is better before all are held" if objective == "floors" else "")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("names", "verdict"), [("inn,ferry", "no_evidence"), ("depot,quay", "better")])
def test_labels_of_all_tasks_together_say_nothing_of_the_worst_one(names: str, verdict: str, invoke: Invoke) -> None:
    caps = ("--method", "climb", "--objective", "worst", "--max-evaluations", "300")
    found = json.loads(run(invoke, "optimize", names, *caps, "--json").stdout)
    assert found["verdict"] == ("better" if verdict == "better" else "undecided")
    # By a judge alone nothing is decided, of the worst task neither.
    assert ("smallest_gain" in found) == (verdict == "better")
    assert invoke("label", found["run_id"], "--out", "sheet.jsonl").exit_code == 0
    rows = [json.loads(line) for line in Path("sheet.jsonl").read_text(encoding="utf-8").splitlines()]
    said = [{**row, "better": "A" if "Thanks" in row["reply_a"] else "B"} for row in rows]
    Path("done.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
    done = json.loads(invoke("verdict", found["run_id"], "--labels", "done.jsonl", "--json").stdout)

    assert done["verdict"] == verdict
    assert any("decide nothing of the worst one" in each for each in done["remarks"]) == (verdict != "better")


@pytest.mark.slow
def test_what_scores_each_task_is_said_by_its_name(invoke: Invoke) -> None:
    alone = run(invoke, "evaluate", "inn,depot")
    beside = run(invoke, "evaluate", "inn,depot", "--prompt", START, "--prompt", FOUND)
    told = json.loads(run(invoke, "evaluate", "inn,depot", "--prompt", START, "--prompt", FOUND, "--json").stdout)
    for shown in (alone, beside):
        assert "inn by rubric, depot by exact" in shown.stdout
        assert "own_judges" not in shown.stdout
    assert told["by_task"] == {"inn": "rubric", "depot": "exact"}


@pytest.mark.slow
def test_an_evaluator_named_for_several_tasks_asks_each_its_own_criteria_but_where_one_is_set_for_all(
    invoke: Invoke, models: dict[str, Scripted]
) -> None:
    heard: list[str] = []

    def judge(request: Request) -> str:
        heard.append(text_of(request))
        return '{"score": 1, "answers": {"1": "yes"}}'

    for name in ("judge", "judge-b"):
        models[name] = Scripted(judge, name=f"scripted/{name}")
    done = run(invoke, "evaluate", "inn,ferry", "--evaluator", "rubric")
    assert {text.partition("Is the desk of the ")[2].split(" ")[0] for text in heard} == {"inn", "ferry"}
    assert "nothing here goes by that" not in done.stderr
    heard.clear()
    done = run(invoke, "evaluate", "inn,ferry", "--evaluator", "rubric", "--set", "evaluator.criteria=Is it short?")
    assert all("Is it short?" in text and "desk of the" not in text.partition("<<<")[0] for text in heard)
    assert "[judge] of task 'inn' says" not in done.stderr
    heard.clear()
    run(invoke, "evaluate", "inn,ferry", "--evaluator", "panel", "--judge", "scripted/judge,scripted/judge-b")
    assert len(heard) == 2 * 20
    heard.clear()
    told = run(
        invoke, "evaluate", "inn,depot", "--evaluator", "checklist", "--set", 'evaluator.items=["Is it?"]'
    ).stderr
    assert "[judge] of task 'inn' says the criteria of a rubric, and nothing here goes by that" in told


def test_a_sequential_check_needs_a_task_that_goes_by_its_metric(invoke: Invoke) -> None:
    """Where a judge scores each of them nothing could end it, as its word decides nothing."""
    asked = ("--model", "scripted/task", "--judge", "scripted/judge", *SIZES, "--prompt", FOUND, "--sequential")
    refused = invoke("check", "--task", "inn.toml,ferry.toml", *asked)
    assert refused.exit_code == 2
    assert "--accept-judge" in refused.stderr
    assert invoke("check", "--task", "inn.toml,depot.toml", *asked, "--dry-run").exit_code == 0
