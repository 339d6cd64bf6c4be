"""`weigh`: each conversation counts once where a task file or the command line says so, in every verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Invoke, text_of

from promptopt.models.scripted import Scripted
from promptopt.types import Request

OLD, NEW = "Answer.", "Answer short chats."


@pytest.fixture
def model() -> Scripted:
    """Right on long chats under the old prompt, and on short ones under the new one."""

    def reply(request: Request) -> str:
        text = text_of(request)
        if text.startswith("Improve:"):
            return NEW
        return "yes" if ("short" in text.rpartition("chat")[2]) == (NEW in text) else "no"

    return Scripted(reply, name="scripted/chats")


@pytest.fixture
def chats(workplace: Path) -> Callable[[str], str]:
    """A task file: of fourteen conversations one has twenty turns, and the others have one."""

    def written(line: str = "") -> str:
        rows = [
            {"text": f"chat {at} {turn} {kind}", "label": "yes", "chat": f"{at}"}
            for at in range(140)
            for kind, turns in [("long", 20) if at % 14 == 0 else ("short", 1)]
            for turn in range(turns)
        ]
        (workplace / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (workplace / "chats.toml").write_text(
            f'instruction = "{OLD}"\n{line}\n[data]\nfile = "chats.jsonl"\ninput = "text"\ntarget = "label"\n'
            f'group = "chat"\n',
            encoding="utf-8",
        )
        return "chats.toml"

    return written


def test_a_check_goes_by_conversations_where_it_is_told_so(invoke: Invoke, chats: Callable[[str], str]) -> None:
    asked = ("check", "--model", "x", "--prompt", NEW, "--baseline", OLD)
    turns = invoke(*asked, "--task", chats(""), "--json")
    flag = invoke(*asked, "--task", chats(""), "--weigh", "conversation")
    lines = invoke(*asked, "--task", chats('weigh = "conversation"'))
    over = invoke(*asked, "--task", chats('weigh = "conversation"'), "--weigh", "turn", "--json")

    score = next(each for each in json.loads(turns.stdout)["decisions"] if each["name"] == "score")
    assert score["gain"]["mean"] < 0
    assert flag.exit_code == 0, flag.stderr + flag.stdout
    assert "groups counting once" in flag.stdout
    assert lines.stdout == flag.stdout
    assert over.stdout == turns.stdout


def test_two_prompts_are_compared_by_conversations(invoke: Invoke, chats: Callable[[str], str]) -> None:
    asked = ("evaluate", "--task", chats(""), "--model", "x", "--prompt", OLD, "--prompt", NEW, "--split", "test")
    turns, found = (json.loads(invoke(*asked, "--json", *more).stdout) for more in ([], ["--weigh", "conversation"]))
    assert turns["prompts"][1]["against_first"]["mean"] < 0 < found["prompts"][1]["against_first"]["mean"]
    gains = [each["score"] for each in found["prompts"]]
    assert found["prompts"][1]["against_first"]["mean"] == pytest.approx(gains[1] - gains[0])
    assert "each group counting once" in invoke(*asked, "--weigh", "conversation").stdout


def test_a_search_chooses_and_is_told_of_by_conversations(invoke: Invoke, chats: Callable[[str], str]) -> None:
    asked = ("optimize", "--task", chats(""), "--method", "climb", "--model", "scripted", "--json")
    turns, found = (json.loads(invoke(*asked, *more).stdout) for more in ([], ["--weigh", "conversation"]))
    assert turns["run_id"] != found["run_id"]
    assert turns["best"]["prompt_id"] == turns["start"]["prompt_id"]
    assert (found["verdict"], found["weigh"]) == ("better", "conversation")
    shown = invoke("runs", "show", found["run_id"])
    assert "each counting once" in shown.stdout, shown.stdout + shown.stderr


def test_another_word_is_refused(invoke: Invoke, chats: Callable[[str], str]) -> None:
    wrong = invoke("check", "--task", chats(""), "--prompt", NEW, "--weigh", "message")
    assert wrong.exit_code == 2
    assert "'turn', 'conversation'" in wrong.stderr
    file = invoke("check", "--task", chats('weigh = "message"'), "--prompt", NEW)
    assert file.exit_code == 2
    assert "weigh" in file.stderr
