"""`promptopt migrate`: in what replies are those of the old model, and how far that agrees with itself."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command_line import BETTER, Invoke, opened_by_name, text_of

from promptopt.errors import BackendError
from promptopt.migration.agreement import Agreement
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.types import Example, Message, Reply, Request, Score, ToolCall

OPTIONS = ("--from", "x/old", "--to", "x/new", "--method", "climb", "--proposer", "x/writer", "--judge", "x/judge",
           "--max-evaluations", "400", "--margin", "0.2")  # fmt: skip
DRAWS = itertools.count()


def called(name: str, **arguments: Any) -> Reply:
    return Reply("", tool_calls=(ToolCall(name, json.dumps(arguments)),))


def number_in(request: Request) -> int:
    return int(text_of(request).rpartition("item ")[2].split()[0])


def old(request: Request) -> Reply | str:
    number = number_in(request)
    return called("find", id=number, of="shop") if number % 4 == 0 else f"It is {number}."


def new(request: Request) -> Reply | str:
    number = number_in(request)
    if number % 4:
        return f"It  is\n{number}." if number % 2 else "Hm."
    if number % 8:
        return Reply("", tool_calls=(ToolCall("find", json.dumps({"of": "shop", "id": number})),))
    return called("find", id=0, of="shop") if number % 16 else called("cancel", id=number)


def fickle(request: Request) -> Reply:
    """Of a model that takes no temperature."""
    return Reply(f"It is {next(DRAWS) % 7 % 2}.", sampled=True)


def tired(asked: set[str], request: Request) -> Reply:
    """Of one that answers each example once."""
    if (said := text_of(request)) in asked:
        raise BackendError("the server of x/tired is gone")
    asked.add(said)
    return Reply("It is 1.", sampled=True)


@pytest.fixture
def migrate(invoke: Invoke, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    known = {
        "old": Scripted(old, name="x/old"),
        "new": Scripted(new, name="x/new"),
        "fickle": Scripted(fickle, name="x/fickle"),
        "tired": Scripted(partial(tired, set()), name="x/tired"),
        "writer": Scripted(lambda _: BETTER, name="x/writer"),
        "judge": Scripted(lambda _: '{"better": "tie"}', name="x/judge"),
    }
    monkeypatch.setattr(specs, "open_model", opened_by_name(known))
    rows = [{"text": f"item {number} please"} for number in range(160)]
    (workplace / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def run(*more: str, text: bool = False) -> Any:
        (workplace / "asked.toml").write_text(
            'instruction = "Help."\nmax_tokens = 8\n[data]\nfile = "asked.jsonl"\n'
            'input = "text"\n[splits]\ntrain = 20\ndev = 20\ntest = 120\n[judge]\nevaluator = "equivalence"\n',
            encoding="utf-8",
        )
        done = invoke("migrate", "--task", "asked.toml", *OPTIONS, *more)
        assert done.exit_code in (0, 5), done.stderr
        return done.stdout if text else json.loads(done.stdout)

    run.models = known  # type: ignore[attr-defined]
    return run


def test_calls_of_tools_are_told_apart_from_replies(migrate: Callable[..., Any]) -> None:
    found = migrate("--json")
    share = found["matrix"][0]["cells"][0]["agreement"]
    # A quarter calls: half of these alike, a quarter with other arguments, a quarter another tool; of the others a
    # third says something else.
    assert share["n"] == 120
    assert 20 <= share["called"] <= 40
    assert share["arguments"] < share["tools"] < share["called"]
    assert share["alike"] < 120 - share["called"]
    assert found["ceiling"] is None
    said = migrate(text=True)
    assert f"{share['tools']} of {share['called']}" in said
    assert f"{share['alike']} of {120 - share['called']}" in said
    assert "drawn again" not in said


def test_a_model_whose_replies_are_drawn_is_held_against_itself(migrate: Callable[..., Any]) -> None:
    drawn = ("--from", "x/fickle")
    found = migrate(*drawn, "--json")
    assert found["ceiling"]["n"] == 120
    assert 0 < found["ceiling"]["alike"] < 120
    asked = migrate.models["fickle"].calls  # type: ignore[attr-defined]
    assert migrate(*drawn, "--json")["ceiling"] == found["ceiling"]
    assert migrate.models["fickle"].calls == asked  # type: ignore[attr-defined]
    said = migrate(*drawn, text=True)
    assert "old prompt, x/fickle, drawn again" in said
    assert "Agreement is no quality" in said


def test_an_old_model_that_cannot_be_asked_again_ends_no_migration_and_is_told(migrate: Callable[..., Any]) -> None:
    found = migrate("--from", "x/tired", "--json")
    assert found["ceiling"] is None
    told = [each for each in found["warnings"] if "agrees with itself is not known" in each]
    assert len(told) == 1
    assert "the server of x/tired is gone" in told[0]


def test_both_draws_are_kept_in_the_file_that_stands_for_a_model(
    migrate: Callable[..., Any], invoke: Invoke, workplace: Path
) -> None:
    found = migrate("--from", "x/fickle", "--json")
    frozen = invoke("migrate", "--task", "asked.toml", "--from", "x/fickle", "--freeze", "old.jsonl")
    assert frozen.exit_code == 0, frozen.stderr
    assert "160 replies" in frozen.stderr
    rows = [json.loads(line) for line in (workplace / "old.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all("again" in row for row in rows)
    asked = migrate.models["fickle"].calls  # type: ignore[attr-defined]
    moved = invoke("migrate", "--task", "asked.toml", "--reference", "old.jsonl", *OPTIONS[2:], "--json")
    assert json.loads(moved.stdout)["ceiling"] == found["ceiling"], moved.stderr
    assert migrate.models["fickle"].calls == asked  # type: ignore[attr-defined]
    # A file that an earlier version wrote has one draw, which is no ceiling.
    for row in rows:
        del row["again"]
    (workplace / "old.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    moved = invoke("migrate", "--task", "asked.toml", "--reference", "old.jsonl", *OPTIONS[2:], "--json")
    assert json.loads(moved.stdout)["ceiling"] is None


def test_a_dry_run_says_what_the_second_draw_takes(migrate: Callable[..., Any]) -> None:
    known = ("--from", "scripted/old", "--to", "scripted/new", "--proposer", "scripted/w", "--judge", "scripted/j")
    said = " ".join(migrate("--dry-run", *known, text=True).split())
    assert "120 more calls of the old model if it takes no temperature" in said
    # Two verdicts share the level of one look.
    assert "where no reply changes: 4.0 points of the score" in said
    assert "Warning: a margin of 0.02 is not held on the score by 120 examples" in " ".join(
        migrate("--dry-run", *known, "--margin", "0.02", text=True).split()
    )


def test_calls_are_the_same_by_name_and_arguments_in_any_order() -> None:
    example = Example.chat([Message("user", "?")])
    pairs = [
        ('find({"a": 1, "b": 2})', 'find({"b":2,"a":1})', (1, 1, 1)),
        ('find({"a": 1})\nstop({})', 'stop({})\nfind({"a": 1})', (1, 1, 1)),
        ('find({"a": 1})', 'find({"a": "1"})', (1, 1, 0)),
        ('find({"a": 1})', 'find({"a": 1})\nfind({"a": 1})', (1, 0, 0)),
        ('find({"a": 1})', "I looked for it.", (1, 0, 0)),
        ('One moment.\nfind({"a": 1})', 'find({"a": 1})', (1, 1, 1)),
        ('<tool_call>{"name": "find", "arguments": {"a": 1}}</tool_call>', 'find({"a": 1})', (1, 1, 1)),
        ("Call me (now).", "Call me (now).", (0, 0, 0)),
    ]
    for before, after, counts in pairs:
        found = Agreement.of([example], [Score(1.0, before)], [Score(1.0, after)], labelled=False)
        assert (found.called, found.tools, found.arguments) == counts, (before, after)


def test_a_reply_with_a_label_says_what_the_label_says() -> None:
    example = Example.of("yes", text="?")
    both = [Score(1.0, "It is: Yes", "yes")], [Score(1.0, "yes.", "yes")]
    assert Agreement.of([example], *both, labelled=True).alike == 1
    assert Agreement.of([example], *both, labelled=False).alike == 0
