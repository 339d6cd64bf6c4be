"""`promptopt init` on data sets in the layouts they are published in: what cannot be meant as it stands is told."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import Invoke

from promptopt.errors import DataError
from promptopt.tasks.doubtful_targets import doubtful_targets
from promptopt.tasks.guess import guess_task
from promptopt.tasks.options_guess import Options, options_in
from promptopt.tasks.reading.files import read_rows

LISTED = ["oak", "elm", "ash", "fir"]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def guessed(folder: Path, inputs: list[str], target: str, answers: list[object], **options: object) -> dict[str, Any]:
    rows = [{"question": f"Which {n}?", **options, target: answers[n % len(answers)]} for n in range(40)]
    return tomllib.loads(guess_task(write(folder / "rows.jsonl", rows), ["question", *inputs], target, "own"))


@pytest.mark.parametrize("answers", [[0, 1, 2, 3], ["0", "1", "2", "3"]])
@pytest.mark.parametrize("column", ["choices", "options", "endings"])
def test_the_number_of_an_option_in_a_list_becomes_its_letter(
    column: str, answers: list[object], tmp_path: Path
) -> None:
    made = guessed(tmp_path, [column], "answer", answers, **{column: LISTED})
    assert made["data"]["classes"] == {"0": "A", "1": "B", "2": "C", "3": "D"}
    assert made["metric"] == made["answer"] == "choice"
    assert f"(A) is the first of the {column}, (B) the second" in made["parts"]["answer_format"]


def test_a_list_printed_into_a_cell_is_one_too(tmp_path: Path) -> None:
    for printed in ("['oak', 'elm', 'ash', 'fir']", "['oak' 'elm' 'ash' 'fir']", '["oak", "elm", "ash", "fir"]'):
        made = guessed(tmp_path, ["choices"], "answer", [0, 1, 2, 3], choices=printed)
        assert made["metric"] == "choice"


def test_a_letter_whose_options_do_not_say_theirs_is_explained(tmp_path: Path) -> None:
    made = guessed(tmp_path, ["options"], "answer", ["A", "B", "C", "D"], options=LISTED)
    assert "(A) is the first of the options" in made["parts"]["answer_format"]
    marked = [f"{letter}){tree}" for letter, tree in zip("ABCD", LISTED, strict=True)]
    for said in (marked, {"label": list("ABCD"), "text": LISTED}, dict(zip("ABCD", LISTED, strict=True))):
        made = guessed(tmp_path, ["options"], "answer", ["A", "B", "C", "D"], options=said)
        assert made["parts"]["answer_format"] == "Answer with the letter of the right option in brackets, such as (A)."


def test_letters_in_some_rows_and_numbers_in_others_are_answered_as_each_row_has_them(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"Which {n}?",
            "choices": {"label": list("1234" if n % 3 == 0 else "ABCD"), "text": LISTED},
            "answerKey": ("1234" if n % 3 == 0 else "ABCD")[n % 4],
        }
        for n in range(40)
    ]
    written = guess_task(write(tmp_path / "rows.jsonl", rows), ["question", "choices"], "answerKey", "own")
    made = tomllib.loads(written)
    assert made["labels"] == [*"ABCD", *"1234"]
    assert (made["metric"], made["answer"]) == ("exact", "label")
    assert "the letter or number of the right option alone, as the options have it" in made["parts"]["answer_format"]


@pytest.mark.parametrize(
    ("columns", "explained"),
    [
        (("sol1", "sol2"), "(A) is sol1, (B) is sol2"),
        (("choice1", "choice2"), "(A) is choice1, (B) is choice2"),
        (("opa", "opb", "opc", "opd"), "(A) is opa, (B) is opb, (C) is opc, (D) is opd"),
    ],
)
def test_options_in_columns_are_counted_as_the_data_counts_them(
    columns: tuple[str, ...], explained: str, tmp_path: Path
) -> None:
    named = dict(zip(columns, LISTED, strict=False))
    made = guessed(tmp_path, list(columns), "label", list(range(len(columns))), **named)
    assert made["data"]["classes"]["0"] == "A"
    assert explained in made["parts"]["answer_format"]


@pytest.mark.parametrize(
    ("first", "columns", "shown"),
    [(1, ("option1", "option2"), True), (0, ("ending0", "ending1", "ending2"), True), (1, ("sol1", "sol2"), True)],
)
def test_a_number_that_an_option_is_called_by_stays(
    first: int, columns: tuple[str, ...], shown: bool, tmp_path: Path
) -> None:
    named = dict(zip(columns, LISTED, strict=False))
    made = guessed(tmp_path, list(columns), "label", [first + n for n in range(len(columns))], **named)
    assert "classes" not in made["data"]
    assert made["labels"] == [str(first + n) for n in range(len(columns))]


@pytest.mark.parametrize(
    "row",
    [
        {"sentence1": "a", "sentence2": "b"},
        {"question1": "a", "question2": "b"},
        {"tokens": ["a", "b", "c"]},
        {"options": LISTED[:1]},
        {"option2": "a", "option1": "b"},
    ],
)
def test_two_texts_and_a_label_are_no_options(row: dict[str, object]) -> None:
    assert options_in([{**row, "label": 0}, {**row, "label": 1}], {"0", "1"}) is None


def test_answers_in_words_choose_no_option() -> None:
    assert options_in([{"choices": LISTED}], {"oak", "elm"}) is None
    assert options_in([{"choices": LISTED}], {"A", "E"}) is None
    assert options_in([{"choices": LISTED}], {"0", "7"}) is None
    assert options_in([{"choices": LISTED}], {"A", "D"}) == Options(("choices",), 4, marked=False)


@pytest.mark.slow
def test_options_that_the_model_is_not_shown_are_told(invoke: Invoke, workplace: Path) -> None:
    rows = [{"question": f"Which {n}?", "choices": LISTED, "answer": n % 4} for n in range(40)]
    write(workplace / "rows.jsonl", rows)
    asked = ("--data", "rows.jsonl", "--input", "question", "--target", "answer")
    made = invoke("init", "blind", *asked)
    assert (
        "the model is not shown 'choices'; remove the file, and run this again with --input choices too" in made.stdout
    )
    made = invoke("init", "seeing", *asked, "--input", "choices")
    assert "not shown" not in made.stdout
    assert "note: numbers of options are read as their letters: '0' for 'A', '1' for 'B'" in made.stdout


@pytest.mark.parametrize(
    ("counts", "metric", "told"),
    [
        ({'{"no":1,"yes":0}': 9, '{"no":0,"yes":1}': 9}, "json", "every target scores the options"),
        ({"[0,1]": 9, "[1,0]": 9}, "exact", "every target scores the options"),
        ({'{"choices":["a","b"],"labels":[1,0]}': 1}, "json", "every target scores the options"),
        ({'{"spans":["a"],"types":["span"]}': 1}, "json", "every target is an object with its answers in 'spans'"),
        ({"[0,0,3]": 9, "[0,1]": 9}, "exact", "every target is a list of numbers"),
        ({r"So $x=\boxed{3}$.": 1, r"It is \boxed{\frac{1}{2}}": 1}, "f1", "every target is a worked solution"),
        ({str(n): 3 for n in range(77)}, "number", "the targets are the whole numbers 0 to 76"),
        ({f"card_{n}": 3 for n in range(77)}, "exact", "77 different targets come again and again"),
        ({"0": 9, "1": 9, "2": 9, "-1": 2}, "exact", "2 rows have the target -1"),
        ({"[]": 3, "oak": 9}, "exact", "in 3 rows the list of right answers is empty"),
        ({'{"answer_start":[],"text":[]}': 1, "oak": 9}, "exact", "in 1 row the list of right answers is empty"),
    ],
)
def test_what_data_sets_publish_in_place_of_an_answer_is_told(counts: dict[str, int], metric: str, told: str) -> None:
    (said,) = doubtful_targets(counts, metric)
    assert said.startswith(told)


@pytest.mark.parametrize(
    ("counts", "metric"),
    [
        ({'{"count":3,"urgent":0}': 9, '{"count":1,"urgent":1}': 9}, "json"),
        ({'{"urgent":1}': 9, '{"urgent":0}': 9}, "json"),
        ({'["a","b"]': 9, '["a"]': 9}, "set_f1"),
        ({str(n): 3 for n in range(0, 154, 2)}, "number"),
        ({str(n): 2 for n in range(77)}, "number"),
        ({"-1": 9, "0": 9, "1": 9, "7": 3}, "exact"),
        ({"-1": 9, "0": 9}, "exact"),
        ({r"So $x=\boxed{3}$.": 1, "It is 4.": 1}, "f1"),
    ],
)
def test_what_may_be_an_answer_is_not_doubted(counts: dict[str, int], metric: str) -> None:
    assert doubtful_targets(counts, metric) == []


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("rows.jsonl", '{"q": "a", "a": "x"}\n{"q": "b", "a": "x", "a": "y"}\n', "rows.jsonl, line 2"),
        ("rows.jsonl", '{"q": "a", "deep": [{"a": "x", "a": "y"}]}\n', "rows.jsonl, line 1"),
        ("rows.json", '[{"q": "b", "a": "x", "a": "y"}]', "rows.json"),
    ],
)
def test_a_name_that_stands_twice_in_an_object_is_told(name: str, text: str, where: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as told:
        list(read_rows(tmp_path / name))
    assert f"{where}: an object names 'a' twice, with 'x' and 'y'; take one of them out" in str(told.value)


def test_a_name_with_one_value_twice_is_read(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"q": "a", "id": 1, "id": 1}\n')
    assert list(read_rows(tmp_path / "rows.jsonl")) == [{"q": "a", "id": 1}]


@pytest.mark.parametrize("asked", [("de", "en"), ("pair.de", "pair.en")])
def test_a_column_within_another_is_told_where_it_is(asked: tuple[str, str], tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"pair": {"de": "Haus", "en": "house"}}])
    with pytest.raises(DataError, match=f"no column is named '{asked[1]}': it stands within 'pair'; write a file"):
        guess_task(path, asked[0], asked[1], "own")
    path = write(tmp_path / "rows.jsonl", [{"paragraphs": [{"qas": [{"answers": ["a"]}]}]}])
    with pytest.raises(DataError, match="no column is named 'answers': it stands within 'paragraphs'"):
        guess_task(path, "question", "answers", "own")
