"""Demands in data and task files: read strictly, and given to the right turns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import ConfigError, DataError, PromptoptError
from promptopt.tasks import load_task_file
from promptopt.tasks.demands import demands_of
from promptopt.tasks.reading.chat_turns import read_chats
from promptopt.types import Demand, Example

CHAT = """
metric = "demands"
instruction = "You are a shop."
[data]
file = "chats.jsonl"
turns = "{turns}"
demands = "demands"
"""


def chats(where: Path, *, turns: str = "last", more: str = "", **row: Any) -> Path:
    rows = [
        {"messages": [{"role": "user", "content": f"Where is {n}?"}, {"role": "assistant", "content": "There."}], **row}
        for n in range(30)
    ]
    (where / "chats.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    (where / "shop.toml").write_text(CHAT.replace("{turns}", turns) + more)
    return where / "shop.toml"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([{"says": ""}], "says is '', give|says is ''; give a text"),
        ([{"says": []}], "says is \\[\\]; give a text"),
        ([{"says": 5}], "says is 5; give a text"),
        ([{"say": "x"}], "no demand is named 'say'; did you mean 'says'"),
        ([{"says": "x", "number": 1}], "has says and number of"),
        ([{"weight": 2}], "has none of says"),
        ([{"number": "4.90"}], "number is '4.90'; give a number"),
        ([{"number": True}], "number is True"),
        ([{"numbers_among": ["4"]}], "numbers_among is \\['4'\\]; give a list of numbers"),
        ([{"number": 10**400}], "number is 1000"),
        ([{"words_at_most": 0}], "words_at_most is 0; give a whole number of 1 or more"),
        ([{"sentences_at_most": 1.5}], "sentences_at_most is 1.5"),
        ([{"matches": "("}], "matches: .*correct it"),
        ([{"matches": ["a", "b"]}], "matches is a list of 2"),
        ([{"calls": "f", "with": "H1"}], "with is 'H1'; give a table"),
        ([{"says": "f", "with": {}}], "with stands beside calls"),
        ([{"says": "f", "weight": -1}], "weight is -1"),
        ([{"says": "f", "weight": float("nan")}], "weight is nan"),
        ([{"says": "f", "critical": "yes"}], "critical is 'yes'; give true or false"),
        ([{"says": "f", "name": "a\nb"}], "name is"),
        ([["x"]], "is \\['x'\\]; write a table"),
        (7, "is 7; write a table"),
        ('[{"says": "x"]', "are not JSON"),
        (["x"] * 201, "201 demands on one reply"),
    ],
)
def test_what_is_no_demand_is_told_in_one_sentence_with_its_place(given: object, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as found:
        demands_of(given, "log.jsonl, row 3")
    assert str(found.value).startswith("log.jsonl, row 3")
    assert "\n" not in str(found.value)


def test_a_text_a_table_a_list_and_their_json_are_demands() -> None:
    one = (Demand("says", ("30 days",)),)
    assert demands_of("30 days", "") == demands_of(["30 days"], "") == demands_of({"says": "30 days"}, "") == one
    assert demands_of('["30 days"]', "") == demands_of('{"says": ["30 days"]}', "") == one
    assert demands_of(None, "") == demands_of("", "") == demands_of(float("nan"), "") == ()


@pytest.mark.parametrize(
    "entry",
    [{"says": ["a", "b"], "weight": 2, "critical": True, "name": "n"}, {"number": 4.9}, {"words_at_most": 60},
     {"numbers_among": [4.9, 60]},
     {"calls": "f", "with": {"a": [1, "x"]}}, {"never_calls": "*"}, {"matches": "a+"}],
)  # fmt: skip
def test_demands_are_written_as_they_are_read(entry: dict[str, Any]) -> None:
    (demand,) = demands_of([entry], "")
    assert demand.to_json() == entry


def test_those_of_a_row_are_of_its_last_reply_and_those_of_a_message_its_own() -> None:
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?", "demands": ["yes"]},
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": "There."},
    ]
    rows = [{"messages": talk, "demands": [{"says": "there"}]}]
    examples, _ = read_chats(Path("log.jsonl"), rows, (), "all", 0, demands="demands")

    assert [[each.texts for each in example.demands] for example in examples] == [[("yes",)], [("there",)]]
    assert all(not example.demands for example in read_chats(Path("log.jsonl"), rows, (), "all", 0)[0])


def test_those_of_the_task_file_come_behind_those_of_each_example(tmp_path: Path) -> None:
    task = load_task_file(chats(tmp_path, demands=["there"], more='[[demands]]\nnever_says = "card number"\n'))

    assert {tuple(each.kind for each in example.demands) for example in task.train} == {("says", "never_says")}


def test_an_example_with_demands_is_another_one_and_one_without_keeps_its_id() -> None:
    plain = Example.of("t", q="?")
    assert plain.id == "".join(Example.of("t", q="?").id)
    assert plain != Example((("q", "?"),), "t", demands=demands_of("x", ""))
    assert plain.id != Example((("q", "?"),), "t", demands=demands_of("x", "")).id


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"demands": [{"calls": "find"}]}, "the reply to '[^']+': the demand calls 'find': no tool is named 'find'"),
        ({"demands": [{"sayz": "x"}]}, "chats.jsonl, row 1: demands: no demand is named 'sayz'; did you mean 'says'"),
        ({"more": '[[demands]]\nsays = ""\n'}, "shop.toml: \\[\\[demands\\]\\]: says is ''"),
        ({"more": 'demands = "x"\n'}, "shop.toml"),
        ({}, "30 examples have no demands, such as 'Where is "),
    ],
)
def test_a_task_whose_demands_are_amiss_is_refused(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, DataError), match=sentence):
        load_task_file(chats(tmp_path, **changes))


def test_a_table_names_the_column_of_its_demands(tmp_path: Path) -> None:
    cell = '"[{""number"": 5}]"'
    (tmp_path / "t.csv").write_text("text,need\n" + "".join(f"a{n},{cell}\n" for n in range(30)))
    file = tmp_path / "t.toml"
    file.write_text('instruction = "Do {text}."\nmetric = "demands"\n[data]\nfile = "t.csv"\ntarget = "text"\n'
                    'demands = "need"\n')  # fmt: skip

    assert {each.demands for each in load_task_file(file).train} == {(Demand("number", number=5.0),)}
    file.write_text(file.read_text().replace('"need"', '"needs"'))
    with pytest.raises(PromptoptError, match="no column is named 'needs'; did you mean 'need'"):
        load_task_file(file)
