"""`promptopt migrate` of a task whose contract asks something of replies: what must pass, and losses of slices."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import BETTER, Invoke, answer, opened_by_name, right, text_of

from promptopt.errors import BackendError
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.types import Request

OPTIONS = ("--method", "climb", "--proposer", "x/writer", "--judge", "x/judge", "--train", "20", "--dev", "20",
           "--test", "120", "--margin", "0.1", "--from", "x/old", "--quiet")  # fmt: skip
SERVED = tuple(each.replace("x/", "openai/") for each in OPTIONS)
VITAL = ({"text": "item 900 good", "label": "good"}, {"text": "item 901 bad", "label": "bad"})


def number_and_right(request: Request) -> tuple[int, str]:
    number, said = text_of(request).rpartition("item ")[2].split()[:2]
    return int(number), said


def wrong_on(*numbers: int) -> Callable[[Request], str]:
    def said(request: Request) -> str:
        number, label = number_and_right(request)
        return label if number not in numbers else "good" if label == "bad" else "bad"

    return said


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scripted]:
    known = {
        "old": Scripted(right, name="x/old"),
        "same": Scripted(right, name="x/same"),
        "fails": Scripted(wrong_on(900), name="x/fails"),
        # Wrong on every third under the old prompt, right under the better one.
        "new": Scripted(lambda request: "good" if "item 7 " in text_of(request) else answer(request), name="x/new"),
        "writer": Scripted(lambda _: BETTER, name="x/writer"),
        "judge": Scripted(lambda _: '{"better": "tie"}', name="x/judge"),
    }
    monkeypatch.setattr(specs, "open_model", opened_by_name(known))
    return known


@pytest.fixture
def gated(task_file: str) -> Callable[..., str]:
    """The task with such a contract, and each tenth example of a slice of its own."""

    def written(lines: str, *vital: dict[str, str]) -> str:
        path = Path(task_file)
        rows = [json.loads(line) for line in Path("texts.jsonl").read_text(encoding="utf-8").splitlines()]
        for at, row in enumerate(rows):
            row["shop"] = "small" if at % 10 == 0 else "hats" if at % 3 == 0 else "shoes"
        for name, held in (("texts", rows), ("vital", vital)):
            Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in held), encoding="utf-8")
        text = path.read_text(encoding="utf-8")
        path.write_text(f'{text}slice = "shop"\n[contract]\n{lines}\n', encoding="utf-8")
        return str(path)

    return written


@pytest.fixture
def moved(invoke: Invoke, models: dict[str, Scripted]) -> Callable[..., dict[str, Any]]:
    def run(task: str, to: str, *more: str, code: int = 0) -> dict[str, Any]:
        done = invoke("migrate", "--task", task, "--to", to, *OPTIONS, "--json", *more)
        assert done.exit_code == code, done.stderr
        return json.loads(done.stdout)

    return run


def outcomes(placed: dict[str, Any]) -> dict[str, str]:
    return {each["name"].partition(" (")[0]: each["outcome"] for each in placed["decisions"]}


@pytest.mark.slow
def test_what_must_pass_holds_on_each_target_though_no_mean_is_over_it(
    moved: Callable[..., dict[str, Any]], gated: Callable[..., str], invoke: Invoke, models: dict[str, Scripted]
) -> None:
    task = gated('must_pass = "vital.jsonl"', *VITAL)
    found = moved(task, "x/same,x/new,x/fails", code=4)
    same, new, fails = found["targets"]
    assert [each["status"] for each in (same, new, fails)] == ["non-inferior", "non-inferior", "inferior"]
    assert outcomes(same) == outcomes(new) == {"must pass 1": "passed", "must pass 2": "passed"}
    # The mean is that of the test, on which all of them are right.
    assert [each["gain"]["mean"] for each in (same, new, fails)] == [0.0, 0.0, 0.0]
    assert found["n"] == same["gain"]["n"] == 120
    assert (new["kept"], new["prompt"]["instruction"]) == (False, BETTER)
    old = found["matrix"][0]["cells"]
    assert [outcomes(cell)["must pass 1"] for cell in old] == ["passed", "regression", "regression"]
    assert old[1]["decisions"][0]["message"].startswith("passed before, and fails now")
    # No worse on average, and searched for what it breaks.
    assert (old[2]["gain"]["mean"], old[2]["status"], fails["kept"]) == (0.0, "inferior", True)
    assert fails["run_id"] is not None
    asked = [model.calls for model in models.values()]
    said = invoke("migrate", "--task", task, "--to", "x/same,x/new,x/fails", *OPTIONS).stdout
    assert [model.calls for model in models.values()] == asked
    assert "x/new: a new prompt is no worse there (+0.000" in said
    assert "x/fails: the old prompt is no worse there on average (+0.000" in said
    assert ", and breaks the contract: must pass 1 (" in said
    table = [line.split() for line in said.split("\nthe contract ")[1].splitlines()]
    assert [" ".join(line[:7]) for line in table[1:3]] == ["old prompt, x/same 2 of 2", "old prompt, x/new 1 of 2 must"]
    assert "No worse: all of it above -0.1, and the contract kept." in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shop", "borne", "status", "code"),
    [("hats", 0.1, "inferior", 4), ("small", 0.25, "open", 5), ("shoes", 0.25, "non-inferior", 0)],
)
def test_a_slice_may_lose_no_more_than_is_borne_whatever_the_mean_does(
    shop: str, borne: float, status: str, code: int, moved: Callable[..., dict[str, Any]],
    gated: Callable[..., str], models: dict[str, Scripted], invoke: Invoke,
) -> None:  # fmt: skip
    task = gated(f"largest_loss = {{ {shop} = {borne} }}")
    # A third of all hats.
    models["same"] = Scripted(wrong_on(*(n for n in range(240) if n % 9 == 0 and n % 10)), name="x/same")
    (target,) = moved(task, "x/same", "--margin", "0.25", code=code)["targets"]
    assert (target["status"], target["kept"]) == (status, True)
    assert -0.15 < target["gain"]["mean"] < 0
    (decision,) = target["decisions"]
    assert (decision["name"], decision["outcome"] == "passed") == (f"slice {shop}", code == 0)
    told = invoke("migrate", "--task", task, "--to", "openai/same", *SERVED, "--dry-run").stdout
    assert f"of the slice {shop}" in told
    assert ("it stays open, and with it the migration" in told) == (shop == "small")


@pytest.mark.slow
def test_examples_that_must_pass_are_frozen_with_the_others_and_are_no_look_at_the_test(
    moved: Callable[..., dict[str, Any]], gated: Callable[..., str], invoke: Invoke, models: dict[str, Scripted],
    monkeypatch: pytest.MonkeyPatch, workplace: Path,
) -> None:  # fmt: skip
    # The third says what an example of the data says, which is then in no split.
    task = gated('must_pass = "vital.jsonl"', *VITAL, {"text": "item 4 good", "label": "good"})
    frozen = invoke("migrate", "--task", task, *OPTIONS, "--test", "200", "--freeze", "old.jsonl")
    assert frozen.exit_code == 0, frozen.stderr
    asked = {text_of(request).rpartition("item ")[2].split()[0] for request in models["old"].log}
    assert {"900", "901", "4"} <= asked
    rest = tuple(each for each in OPTIONS if each not in ("--from", "x/old"))
    again = invoke("migrate", "--task", task, "--to", "x/same", *rest, "--test", "200", "--reference", "old.jsonl",
                   "--json")  # fmt: skip
    told = json.loads(again.stdout)
    (target,) = told["targets"]
    assert outcomes(target) == {f"must pass {n}": "passed" for n in (1, 2, 3)}
    assert [look["number"] for look in told["looks"]] == [1]
    # With the same examples that must pass, on a task of other words: theirs are no part of any look.
    lines = Path("texts.jsonl").read_text(encoding="utf-8").replace("item ", "other item ")
    Path("texts.jsonl").write_text(lines, encoding="utf-8")
    assert [look["number"] for look in moved(task, "x/same")["looks"]] == [1]


@pytest.mark.slow
@pytest.mark.parametrize(("better", "outcome"), [("tie", "passed"), ("old", "regression")])
def test_by_a_judge_a_reply_that_serves_as_well_as_the_old_one_passes(
    better: str, outcome: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    def judged(request: Request) -> str:
        said = text_of(request)
        # The new model says "bad", where the old one said "good".
        first = "A" if said.rindex("good") < said.rindex("bad") else "B"
        return json.dumps({"better": first if better == "old" else "tie"})

    models["judge"] = Scripted(judged, name="x/judge")
    Path("vital.jsonl").write_text('{"text": "item 900 good"}\n', encoding="utf-8")
    Path("bare.jsonl").write_text(
        "".join(json.dumps({"text": f"item {n} {('good', 'bad')[n % 2]}"}) + "\n" for n in range(100)), encoding="utf-8"
    )
    Path("bare.toml").write_text(
        'instruction = "Say."\nmax_tokens = 8\n[data]\nfile = "bare.jsonl"\ninput = "text"\n'
        '[judge]\nevaluator = "equivalence"\n[contract]\nmust_pass = "vital.jsonl"\n', encoding="utf-8"
    )  # fmt: skip
    done = invoke("migrate", "--task", "bare.toml", "--to", "x/fails", *OPTIONS, "--test", "50", "--margin", "0.2",
                  "--json")  # fmt: skip
    (target,) = json.loads(done.stdout)["targets"]
    assert outcomes(target) == {"must pass 1": outcome}, done.stderr
    assert target["status"] == ("non-inferior" if outcome == "passed" else "inferior")


@pytest.mark.slow
def test_a_target_that_fails_on_what_must_pass_is_missing_and_the_same_command_goes_on(
    moved: Callable[..., dict[str, Any]], gated: Callable[..., str], models: dict[str, Scripted]
) -> None:
    def dying(request: Request) -> str:
        if number_and_right(request)[0] == 901:
            raise BackendError("the server is down")
        return right(request)

    task = gated('must_pass = "vital.jsonl"', *VITAL)
    models["new"] = Scripted(dying, name="x/new")
    found = moved(task, "x/new,x/same", code=1)
    assert [(each["model"], "the server is down" in each["reason"]) for each in found["missing"]] == [("x/new", True)]
    assert [each["model"] for each in found["targets"]] == ["x/same"]
    models["new"] = Scripted(right, name="x/new")
    asked = models["same"].calls
    again = moved(task, "x/new,x/same")
    assert (models["new"].calls, models["same"].calls) == (1, asked)
    assert again["targets"][1] == found["targets"][0]
    assert [look["number"] for look in again["looks"]] == [1]


def test_the_dry_run_counts_what_must_pass(
    gated: Callable[..., str], invoke: Invoke, models: dict[str, Scripted]
) -> None:
    task = gated('must_pass = "vital.jsonl"', *VITAL)
    done = invoke("migrate", "--task", task, "--to", "openai/same", *SERVED, "--dry-run", "--json")
    told = json.loads(done.stdout)
    assert told["least_evaluations"] == 2 * (120 + len(VITAL))
