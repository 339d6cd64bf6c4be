"""Logs whose members are named in words of their own, in any language; and what is said of speakers nobody knows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.chat import Logs, draft_chat, speakers_of
from promptopt.types import ChatRole

SPEAKERS: Mapping[str, ChatRole] = {"Kunde": "user", "Mitarbeiterin": "assistant"}
SPOKEN = [
    ("Kunde", "Wo ist Paket {}?"),
    ("Mitarbeiterin", "Unterwegs, {}."),
    ("kunde ", "Danke!"),
    ("Bot", "Gern, {}."),
]


def table(path: Path, heading: str, *before: str) -> Path:
    """Twelve conversations, a row a turn; `before`: cells in front, with the number of the conversation."""
    lines = [
        ";".join([*(cell.format(number) for cell in before), *(each.format(number) for each in turn)])
        for number in range(12)
        for turn in SPOKEN
    ]
    path.write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
    return path


def roles_in(logs: Logs) -> list[tuple[list[str], str]]:
    """The roles of each conversation, and the text of its first turn."""
    lines = map(json.loads, draft_chat(logs, "Du hilfst.", "t", "t.jsonl").conversations.splitlines())
    return [([turn["role"] for turn in each["messages"]], each["messages"][0]["content"]) for each in lines]


EXPECTED = [(["user", "assistant"] * 2, f"Wo ist Paket {number}?") for number in range(12)]


@pytest.mark.parametrize(
    ("heading", "before"),
    [
        ("verlauf;wer;was", ["V{}"]),
        ("samtale;hvem;hva", ["{}"]),
        ("Gespräch;Von;Text", ["G {}"]),
        ("chat_id;Kanal;Sprecher;Inhalt", ["G {}", "Mail"]),
        ("Vorgang;Firma;Wer;Was", ["G {}", "Nordsee"]),
    ],
)
def test_who_is_named_tells_which_columns_say_who_and_what(tmp_path: Path, heading: str, before: list[str]) -> None:
    assert roles_in(Logs(table(tmp_path / "log.csv", heading, *before), SPEAKERS)) == EXPECTED


@pytest.mark.parametrize("as_text", [False, True])
def test_turns_in_a_list_of_a_row_may_have_any_names(tmp_path: Path, as_text: bool) -> None:
    rows = [[{"hvem": who, "hva": said.format(number), "når": "i dag"} for who, said in SPOKEN] for number in range(12)]
    lines = [json.dumps({"kanal": "chat", "samtale": json.dumps(row) if as_text else row}) for row in rows]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert roles_in(Logs(tmp_path / "log.jsonl", SPEAKERS)) == EXPECTED


def test_of_several_columns_one_has_to_be_named_as_the_conversation(tmp_path: Path) -> None:
    log = table(tmp_path / "log.csv", "Vorgang;Kennung;Wer;Was", "V{}", "{}")
    with pytest.raises(ConfigError, match=r"'Vorgang' and 'Kennung' may do so; name it with --group-by .*'Wer'.*'Was'"):
        roles_in(Logs(log, SPEAKERS))
    assert roles_in(Logs(log, SPEAKERS, "Vorgang")) == EXPECTED
    with pytest.raises(ConfigError, match="no column tells the conversations apart; add one"):
        roles_in(Logs(table(tmp_path / "bare.csv", "Wer;Was"), SPEAKERS))


def test_a_table_in_which_nobody_named_speaks_is_no_log(tmp_path: Path) -> None:
    log = table(tmp_path / "log.csv", "verlauf;wer;was", "V{}")
    with pytest.raises(DataError, match="it holds no messages"):
        roles_in(Logs(log, {"Ann": "user"}))


def test_unknown_speakers_are_told_at_once_in_words_that_can_be_typed(tmp_path: Path) -> None:
    def said(*turns: str, speakers: Mapping[str, ChatRole] | None = None) -> str:
        rows = [{"messages": [{"role": who, "content": f"{who} {n}"} for who in turns]} for n in range(12)]
        (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
        with pytest.raises(DataError) as refused:
            roles_in(Logs(tmp_path / "log.jsonl", speakers if speakers else {}))
        return str(refused.value)

    asked = said("O'Brien", 'Lena "L" Müller', "O'Brien")
    typed = shlex.split(asked.partition(", with ")[2].partition(" of `promptopt init`)")[0])
    assert typed[::2] == ["--speaker"] * 2
    assert speakers_of(typed[1::2]) == {"O'Brien": "user", 'Lena "L" Müller': "assistant"}
    assert "--speaker Berater=assistant of `promptopt init`)" in said("user", "Berater")
    assert "--speaker Berater=assistant of `promptopt init`)" in said("Kunde", "Berater", speakers=SPEAKERS)
    assert "--speaker Gast=user of `promptopt init`)" in said("Gast", "assistant")
    assert "--speaker" not in said("Guten Tag, ich habe eine Frage zu meinem Paket", "assistant")
