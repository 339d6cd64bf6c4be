"""`promptopt migrate` on what breaks first on another model, and on replies that serve as well both ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from command_line import BETTER, Invoke, opened_by_name, right, text_of

from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.types import Reply, Request

OPTIONS = ("--method", "climb", "--proposer", "x/writer", "--judge", "x/judge", "--train", "20", "--dev", "20",
           "--test", "120", "--from", "x/old", "--quiet")  # fmt: skip


def broken(request: Request) -> Reply | str:
    """Refuses, is cut, and says what cannot be read; under the better prompt only the refusals stay."""
    number = int(text_of(request).rpartition("item ")[2].split()[0])
    if number % 5 == 0:
        return Reply("", "refusal")
    if "carefully" not in text_of(request):
        if number % 5 == 1:
            return Reply("It depends on what", "length")
        if number % 5 == 2:
            return "hm"
    return right(request)


@pytest.fixture
def known() -> dict[str, Scripted]:
    return {
        "old": Scripted(right, name="x/old"),
        "broken": Scripted(broken, name="x/broken"),
        "other": Scripted(lambda request: f"It is {right(request)}", name="x/other"),
        "writer": Scripted(lambda _: BETTER, name="x/writer"),
        "judge": Scripted(lambda _: '{"better": "tie"}', name="x/judge"),
    }


@pytest.fixture
def migrate(
    invoke: Invoke, task_file: str, known: dict[str, Scripted], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    monkeypatch.setattr(specs, "open_model", opened_by_name(known))

    def run(*more: str, task: str = task_file) -> Any:
        return invoke("migrate", "--task", task, *OPTIONS, *more)

    return run


@pytest.mark.slow
def test_faults_of_replies_are_told_by_kind_prompt_and_model(migrate: Callable[..., Any]) -> None:
    asked = ("--to", "x/broken", "--margin", "0.05")
    found = json.loads(migrate(*asked, "--json").stdout)
    none = {"n": 120, "refused": 0, "cut": 0, "unreadable": 0}
    assert found["reference"]["replies"] == none
    old = found["matrix"][0]["cells"][0]["replies"]
    new = found["targets"][0]["replies"]
    # A fifth of the items each, as they fell into the test.
    assert all(12 <= old[kind] <= 36 for kind in ("refused", "cut", "unreadable"))
    assert (new["refused"], new["cut"], new["unreadable"]) == (old["refused"], 0, 0)

    said = [line.split() for line in migrate(*asked).stdout.splitlines()]
    assert ["of", "120", "replies", "refused", "cut", "unreadable"] in said
    assert ["new", "prompt,", "x/broken", str(new["refused"]), "0", "0"] in said


@pytest.mark.slow
@pytest.mark.parametrize(("margin", "equivalent"), [("0.2", True), ("0.01", False)])
def test_replies_that_a_judge_sees_no_difference_in_are_equivalent_where_the_test_is_large_enough(
    migrate: Callable[..., Any], task_file: str, margin: str, equivalent: bool
) -> None:
    with open("open.toml", "w", encoding="utf-8") as file:
        file.write(
            'instruction = "Say what the text is."\nmax_tokens = 8\n[data]\nfile = "texts.jsonl"\ninput = "text"\n'
            '[judge]\nevaluator = "equivalence"\n'
        )
    asked = ("--to", "x/other", "--margin", margin)
    found = json.loads(migrate(*asked, "--json", task="open.toml").stdout)
    assert found["targets"][0]["equivalent"] is equivalent
    assert (
        "better by more than the margin either: equivalent" in migrate(*asked, task="open.toml").stdout
    ) == equivalent


def test_models_that_nobody_can_read_are_no_evidence_that_the_prompt_is_no_worse(
    migrate: Callable[..., Any], known: dict[str, Scripted]
) -> None:
    known |= {"old": Scripted(lambda _: "hm", name="x/old"), "new": Scripted(lambda _: "well", name="x/new")}
    asked = ("--to", "x/new", "--margin", "0.05")
    done = migrate(*asked, "--json")
    assert done.exit_code == 5
    found = json.loads(done.stdout)
    assert (found["done"], found["targets"][0]["status"]) == (False, "open")
    # Nor that it is no better.
    assert found["targets"][0]["equivalent"] is False
    why = "120 of 120 replies of x/old hold no answer that could be read"
    assert found["targets"][0]["undecided"].startswith(why)
    told = migrate(*asked).stdout.splitlines()[1]
    assert told.startswith(f"x/new: whether the old prompt is no worse there is open: {why} (mostly: ")
    assert "so no loss could show" in told


def test_a_loss_that_shows_where_nobody_could_read_the_replies_is_told_as_that(
    migrate: Callable[..., Any], known: dict[str, Scripted]
) -> None:
    known["new"] = Scripted(lambda request: right(request) if "item 1" in text_of(request) else "well", name="x/new")
    told = migrate("--to", "x/new", "--margin", "0.6").stdout
    assert "prompt is no worse there is open: " in told
    assert "so the loss may be no more than that (-0." in told
    assert "no loss could show" not in told
