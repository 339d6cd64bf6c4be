"""`promptopt check` of one prompt over several tasks: each by its own judge or metric, under its own contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command_line import Invoke, text_of
from typer.testing import Result

from promptopt.models.scripted import Scripted
from promptopt.types import Request

OLD = "You are the desk of Nordsee. Thank people. Never promise a refund."
NEW = "You are the desk of Nordsee. Never promise a refund."
CAPS = ("--train", "20", "--dev", "20", "--test", "60")
JUDGED = {"inn": 'criteria = "Is it kind?"\nlow = 0\nhigh = 2', "ferry": 'items = ["Is there a reply?", "Any thanks?"]'}


def task_file(name: str, more: str = "", judge: str = "") -> None:
    asked = [{"role": "user", "content": f"{name}: where is number {number} ?"} for number in range(120)]
    kinds = ("boat", "bus")
    rows = [
        {"messages": [each, {"role": "assistant", "content": f"Thanks, {at}"}], "kind": kinds[at % 2]}
        for at, each in enumerate(asked)
    ]
    Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    scored = f"[judge]\n{judge}\n" if judge else ""
    metric = "" if judge else 'metric = "exact"\n'
    Path(f"{name}.toml").write_text(
        f'instruction = "{OLD}"\nmax_tokens = 32\n{metric}[data]\nfile = "{name}.jsonl"\nturns = "last"\n'
        f'slice = "kind"\n{scored}{more}',
        encoding="utf-8",
    )


@pytest.fixture
def models(models: dict[str, Scripted]) -> dict[str, Scripted]:
    """One that thanks where it is told to, and a judge of thanks."""

    def answer(request: Request) -> str:
        text = text_of(request)
        number = text.rpartition("number ")[2].split(" ")[0]
        return f"Thanks, {number}" if "Thank people" in text else f"It is {number}"

    def judge(request: Request) -> str:
        text = text_of(request)
        kind = "Thanks" in text.rpartition("<<<reply ")[2]
        if "Is there a reply?" not in text:
            return json.dumps({"score": 2 * kind})
        first = text.index("1. Is there") if "1. Is there" in text else -1
        said = ["yes", "yes" if kind else "no"]
        return json.dumps({"answers": dict(zip("12", said if first >= 0 else said[::-1], strict=True))})

    models["task"], models["judge"] = Scripted(answer, name="scripted/task"), Scripted(judge, name="scripted/judge")
    return models


def check(invoke: Invoke, tasks: str, *more: str) -> Result:
    asked = ("--model", "scripted/task", "--judge", "scripted/judge", "--baseline", OLD)
    return invoke("check", "--task", tasks, *asked, *CAPS, *more)


def outcomes(done: Result) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in json.loads(done.stdout)["decisions"]}


@pytest.mark.slow
def test_a_task_that_goes_by_its_metric_is_decided_though_others_are_judged(
    invoke: Invoke, models: dict[str, Scripted]
) -> None:
    for name, judge in JUDGED.items():
        task_file(name, judge=judge)
    task_file("depot")
    tasks = "inn.toml,ferry.toml,depot.toml"
    done = check(invoke, tasks, "--prompt", NEW, "--floor", "0.1", "--json")

    found = outcomes(done)
    assert done.exit_code == 4
    assert found["slice depot"] == "regression"
    assert [found[name] for name in ("score", "slice inn", "slice ferry")] == ["inconclusive"] * 3
    # A task that no judge scores goes by its metric, which is what a reader looks for.
    by = {"inn": "rubric", "ferry": "checklist", "depot": "exact"}
    assert json.loads(done.stdout)["by_task"] == by

    shown = check(invoke, tasks, "--prompt", NEW, "--floor", "0.1", "--junit", "j.xml", "--summary", "s.md")
    assert "inn by rubric, ferry by checklist, depot by exact on scripted/task" in shown.stdout
    summary = Path("s.md").read_text(encoding="utf-8")
    assert "Scored: `inn` by `rubric`, `ferry` by `checklist`, `depot` by `exact` on `scripted/task`." in summary
    told = ElementTree.fromstring(Path("j.xml").read_text(encoding="utf-8")).iter("property")
    assert {each.get("name"): each.get("value") for each in told} == {f"evaluator of {name}": by[name] for name in by}
    assert "own_judges" not in shown.stdout + summary


@pytest.mark.slow
def test_each_task_is_judged_on_the_input_that_it_would_be_judged_on_alone(
    invoke: Invoke, models: dict[str, Scripted]
) -> None:
    for name, judge in JUDGED.items():
        task_file(name, judge=judge)
    Path("text.jsonl").write_text("".join(f'{{"asked": "bus number {n} ?"}}\n' for n in range(120)), encoding="utf-8")
    Path("text.toml").write_text(
        'instruction = "Say where the bus is."\n[data]\nfile = "text.jsonl"\ninput = "asked"\n[judge]\n'
        'criteria = "Is it right?"\n',
        encoding="utf-8",
    )
    check(invoke, "inn.toml,text.toml", "--prompt", NEW)
    asked = [text_of(each) for each in models["judge"].log if "Is it right?" in text_of(each)]
    assert asked
    assert not any("Say where the bus is" in each for each in asked)
    count = models["judge"].calls
    alone = check(invoke, "inn.toml", "--prompt", NEW, "--json")
    # Alone it has more test examples; those that it shares with the check before were judged there.
    assert json.loads(alone.stdout)["decisions"]
    assert models["judge"].calls - count < 2 * 60


@pytest.mark.slow
def test_one_prompt_is_held_to_the_contract_of_every_task(invoke: Invoke, models: dict[str, Scripted]) -> None:
    turns = [{"role": "user", "content": "vital number 7 ?"}, {"role": "assistant", "content": "Thanks, 7"}]
    vital = {"messages": turns}
    Path("vital.jsonl").write_text(json.dumps(vital) + "\n", encoding="utf-8")
    task_file("inn", '[contract]\nfrozen = ["Never promise a refund."]\nlargest_loss = 0.1\n')
    task_file("depot", '[contract]\nmust_pass = "vital.jsonl"\noutput_schema = { type = "object" }\n')
    lost: Any = check(invoke, "inn.toml,depot.toml", "--prompt", "You are the desk of Nordsee. Thank people.", "--json")

    assert lost.exit_code == 4, lost.stderr
    found = outcomes(lost)
    assert (lost.exit_code, found["contract"]) == (4, "regression")
    assert found["depot: output schema"] == "passed"
    assert {name: said for name, said in found.items() if name.startswith(("inn: slice", "must pass"))} == {
        "inn: slice boat": "passed", "inn: slice bus": "passed", next(n for n in found if "must" in n): "passed",
    }  # fmt: skip

    worse = outcomes(check(invoke, "inn.toml,depot.toml", "--prompt", NEW, "--json"))
    assert worse["contract"] == "passed"
    assert {said for name, said in worse.items() if name.startswith(("inn: slice", "must pass"))} == {"regression"}


@pytest.mark.slow
def test_the_score_goes_by_the_worst_task_where_that_is_the_objective(
    invoke: Invoke, models: dict[str, Scripted]
) -> None:
    def answer(request: Request) -> str:
        text = text_of(request)
        right = ("inn" in text) == ("Never promise a refund." in text) or "Thank people" in text
        return f"Thanks, {text.rpartition('number ')[2].split(' ')[0]}" if right else "No."

    models["task"] = Scripted(answer, name="scripted/other")
    for name in ("inn", "depot"):
        task_file(name)
    # The old prompt is right on inn alone; the new one on depot alone.
    caps = ("--model", "scripted/task", "--baseline", NEW, "--prompt", "You are the desk of Nordsee.", *CAPS)
    told = {
        objective: invoke("check", "--task", "inn.toml,depot.toml", *caps, "--objective", objective, "--json")
        for objective in ("mean", "worst")
    }
    score = {name: json.loads(done.stdout)["decisions"][2] for name, done in told.items()}
    assert [score["mean"]["outcome"], score["worst"]["outcome"]] == ["inconclusive", "regression"]
    assert score["worst"]["name"] == "score"
    assert score["worst"]["message"].startswith("inn, the worst of 2 tasks: -100.0 points")
    least = {
        objective: json.loads(
            invoke(
                "check", "--task", "inn.toml,depot.toml", *caps, "--objective", objective, "--json", "--dry-run"
            ).stdout
        )["least_margins"]["score"]
        for objective in ("mean", "worst")
    }
    # It has to be held on each task, which has half of the examples.
    assert least["worst"] > 1.5 * least["mean"]
