"""`promptopt migrate --shared`: one prompt for all targets beside their own, by one search, and what it costs each."""

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
from promptopt.stats import level
from promptopt.types import Request

OPTIONS = ("--method", "climb", "--proposer", "x/writer", "--train", "20", "--dev", "20", "--test", "120",
           "--margin", "0.12", "--from", "x/old", "--quiet")  # fmt: skip
SERVED = tuple(each.replace("x/", "openai/") for each in OPTIONS)
PLAIN = "Say plainly what the text is."


def led_by(word: str) -> Callable[[Request], str]:
    """Right where the prompt holds the word, and wrong on every third text under any other."""

    def said(request: Request) -> str:
        text = text_of(request)
        return (
            right(request)
            if word in text
            else "bad"
            if "item 7 " in text
            else answer(Request(text.replace(BETTER, "")))
        )

    return said


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scripted]:
    known = {
        "old": Scripted(right, name="x/old"),
        "same": Scripted(right, name="x/same"),
        "careful": Scripted(led_by("carefully"), name="x/careful"),
        "alike": Scripted(led_by("carefully"), name="x/alike"),
        "plain": Scripted(led_by("plainly"), name="x/plain"),
        "writer": Scripted(lambda _: BETTER, name="x/writer"),
    }
    monkeypatch.setattr(specs, "open_model", opened_by_name(known))
    return known


@pytest.fixture
def moved(invoke: Invoke, task_file: str, models: dict[str, Scripted]) -> Callable[..., dict[str, Any]]:
    def run(to: str, *more: str, code: int = 0) -> dict[str, Any]:
        done = invoke("migrate", "--task", task_file, "--to", to, *OPTIONS, "--shared", "--json", *more)
        assert done.exit_code == code, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.slow
def test_one_search_finds_the_prompt_for_all_and_each_target_is_held_to_it(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted], invoke: Invoke, task_file: str
) -> None:
    found = moved("x/careful,x/same")
    shared = found["shared"]
    assert (shared["status"], shared["prompt"]["instruction"], shared["verdict"]) == ("non-inferior", BETTER, "better")
    assert [each["model"] for each in shared["targets"]] == ["x/careful", "x/same"]
    # Its own prompt is this one on the first, and the old one on the second, where both are right.
    assert [each["cost"] and each["cost"]["mean"] for each in shared["targets"]] == [None, 0.0]
    # Three verdicts on each of two targets share the level.
    alphas = [cell["gain"]["alpha"] for row in found["matrix"] for cell in row["cells"]]
    assert alphas == pytest.approx([level(1) / 6] * 4)
    assert found["matrix"][1]["cells"][1]["status"] == "non-inferior"
    asked = [model.calls for model in models.values()]
    said = invoke("migrate", "--task", task_file, "--to", "x/careful,x/same", *OPTIONS, "--shared").stdout
    assert [model.calls for model in models.values()] == asked
    assert "for all, x/same: the one prompt is no worse there (+0.000" in said
    rows = [line.split()[:4] for line in said.splitlines()]
    assert ["new", "1,", "for", "all"] in rows
    assert ["x/same", "+0.000", "(-0.055", "to"] in rows
    assert "x/careful            none: this is its own" in said
    assert "prompt for all, x/same" in said


@pytest.mark.slow
def test_what_sharing_costs_is_each_targets_own_prompt_less_the_shared_one_example_by_example(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted]
) -> None:
    written = iter([BETTER, PLAIN])

    def writer(request: Request) -> str:
        text = text_of(request)
        return PLAIN if "carefully" in text else BETTER if "plainly" in text else next(written)

    models["writer"] = Scripted(writer, name="x/writer")
    found = moved("x/careful,x/plain", code=5)
    assert [each["prompt"]["instruction"] for each in found["targets"]] == [BETTER, PLAIN]
    assert [each["status"] for each in found["targets"]] == ["non-inferior"] * 2
    shared, (old, *new) = found["shared"], found["matrix"]
    # No prompt here serves both of them: what is for all loses on one just what it loses to its own there.
    own = [each["prompt_id"] for each in found["targets"]].index(shared["prompt_id"])
    assert (shared["status"], shared["targets"][own]["status"]) == ("open", "non-inferior")
    cost = shared["targets"][1 - own]["cost"]
    row = next(row for row in new if row["prompt_id"] == shared["prompt_id"])
    assert cost["mean"] == pytest.approx(-row["cells"][1 - own]["gain"]["mean"])
    low, high = row["cells"][1 - own]["gain"]["interval"]
    assert cost["interval"] == pytest.approx([-high, -low])
    assert shared["targets"][own]["cost"] is None
    # As bad there as the old one, so no more is lost than the floor bears.
    assert row["cells"][1 - own]["score"] == pytest.approx(old["cells"][1 - own]["score"])


def test_an_old_prompt_that_is_no_worse_on_any_is_the_one_for_all_and_nothing_is_searched(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted]
) -> None:
    models["alike"] = Scripted(right, name="x/alike")
    models["plain"] = Scripted(right, name="x/plain")
    shared = moved("x/same,x/alike,x/plain")["shared"]
    assert (shared["status"], shared["run_id"]) == ("non-inferior", None)
    assert [each["cost"] for each in shared["targets"]] == [None] * 3
    assert models["writer"].calls == 0


@pytest.mark.slow
def test_a_target_that_dies_in_the_shared_search_leaves_the_others_moved_and_the_same_command_goes_on(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted]
) -> None:
    def dying(request: Request) -> str:
        # Its own search is not needed, so only that for all asks it under another prompt.
        if "carefully" in text_of(request):
            raise BackendError("the server is down")
        return right(request)

    models["same"] = Scripted(dying, name="x/same")
    found = moved("x/careful,x/same", code=1)
    assert found["shared"] is None
    assert "the server is down" in found["unshared"]
    assert [each["status"] for each in found["targets"]] == ["non-inferior"] * 2
    asked = models["careful"].calls, models["writer"].calls
    models["same"] = Scripted(right, name="x/same")
    again = moved("x/careful,x/same")
    assert again["shared"]["status"] == "non-inferior"
    assert (models["careful"].calls, models["writer"].calls) == asked
    assert [each["prompt_id"] for each in again["targets"]] == [each["prompt_id"] for each in found["targets"]]
    assert again["looks"][0] == found["looks"][0]


def test_a_target_that_is_missing_puts_the_shared_search_off(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted]
) -> None:
    def down(_: Request) -> str:
        raise BackendError("the server is down")

    models["alike"] = Scripted(down, name="x/alike")
    found = moved("x/same,x/alike", code=1)
    assert (found["shared"], found["unshared"]) == (None, "x/alike could not be asked")


def test_too_small_a_budget_is_told_before_anything_is_asked(
    invoke: Invoke, task_file: str, models: dict[str, Scripted]
) -> None:
    to = ("--task", task_file, "--to", "x/careful,x/same", *OPTIONS, "--shared")
    for cap, said in (("3", "the budget"), ("100", "the floor cannot be held")):
        done = invoke("migrate", *to, "--max-evaluations", cap)
        assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert not any(model.calls for model in models.values())


@pytest.mark.parametrize(
    ("to", "said"),
    [("openai/one", "one is named"), ("openai/a,openai/b,openai/c,openai/d,openai/e,openai/f", "5 models at most")],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_one_target_and_six_cannot_share_a_prompt(
    to: str, said: str, dry: tuple[str, ...], invoke: Invoke, task_file: str, models: dict[str, Scripted]
) -> None:
    done = invoke("migrate", "--task", task_file, "--to", to, *OPTIONS, "--shared", *dry)
    assert (done.exit_code, said in " ".join(done.stderr.split())) == (2, True), done.stderr
    assert not any(model.calls for model in models.values())


@pytest.mark.slow
def test_the_dry_run_tells_what_the_shared_search_takes_too(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted], invoke: Invoke, task_file: str
) -> None:
    def told(*more: str) -> dict[str, Any]:
        to = ("--task", task_file, "--to", "openai/careful,openai/same", *SERVED)
        done = invoke("migrate", *to, "--dry-run", "--json", *more)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    alone, shared = told(), told("--shared")
    assert shared["least_evaluations"] == alone["least_evaluations"] == 360
    # Both sides of a search of twice as many examples, and its winner on both targets.
    assert 1.4 < shared["evaluations"] / alone["evaluations"] < 2.5
    assert shared["least_margins"]["score"] > alone["least_margins"]["score"]
    found = moved("x/careful,x/alike")
    assert found["shared"]["status"] == "non-inferior"
    assert sum(models[name].calls for name in ("old", "careful", "alike")) <= shared["evaluations"]


@pytest.mark.slow
def test_a_larger_cap_goes_on_as_does_what_died_and_nothing_is_paid_for_twice(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted]
) -> None:
    to = "x/careful,x/alike"
    models["alike"].fail_at = 130
    assert moved(to, "--max-evaluations", "500", code=1)["unshared"]
    small = moved(to, "--max-evaluations", "500")
    asked = {name: len(models[name].log) for name in ("careful", "alike")}
    large = moved(to)
    assert large["shared"]["status"] == "non-inferior"
    assert [each["prompt_id"] for each in large["targets"]] == [each["prompt_id"] for each in small["targets"]]
    for name, count in asked.items():
        texts = [text_of(request) for request in models[name].log]
        assert len(texts) == len(set(texts)) >= count


@pytest.mark.slow
def test_without_labels_a_judge_decides_on_the_one_prompt_and_the_contract_is_asked_of_it(
    invoke: Invoke, models: dict[str, Scripted]
) -> None:
    def tied(_: Request) -> str:
        return json.dumps({"better": "tie"})

    def loses(request: Request) -> str:
        said = text_of(request)
        return json.dumps({"better": "A" if said.rindex("good") < said.rindex("bad") else "B"})

    models["judge"] = Scripted(tied, name="x/judge")
    Path("vital.jsonl").write_text('{"text": "item 900 good"}\n', encoding="utf-8")
    rows = "".join(json.dumps({"text": f"item {n} {('good', 'bad')[n % 2]}"}) + "\n" for n in range(200))
    Path("bare.jsonl").write_text(rows, encoding="utf-8")
    Path("bare.toml").write_text(
        'instruction = "Say what the text is."\nmax_tokens = 8\n[data]\nfile = "bare.jsonl"\ninput = "text"\n'
        '[judge]\nevaluator = "equivalence"\n[contract]\nmust_pass = "vital.jsonl"\n', encoding="utf-8"
    )  # fmt: skip
    to = ("--task", "bare.toml", "--to", "x/careful,x/same", *OPTIONS, "--judge", "x/judge", "--shared")
    done = invoke("migrate", *to, "--json", "--margin", "0.2")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["basis"], told["shared"]["run_id"]) == ("judge", None)
    # Under the old prompt the first says "bad" to the vital one, which this judge thinks less of.
    models["judge"] = Scripted(loses, name="x/other-judge")
    found = json.loads(invoke("migrate", *to, "--json", "--margin", "0.3").stdout)
    shared = found["shared"]
    assert [each["status"] for each in shared["targets"]] == ["non-inferior"] * 2
    row = next(row for row in found["matrix"] if row["prompt_id"] == shared["prompt_id"])
    assert [cell["decisions"][0]["outcome"] for cell in row["cells"]] == ["passed"] * 2
    assert found["matrix"][0]["cells"][0]["decisions"][0]["outcome"] == "regression"
