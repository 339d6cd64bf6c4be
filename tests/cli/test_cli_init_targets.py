"""`promptopt init` on right answers that are hardly meant as they stand, and on options that tables have not."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Invoke

from promptopt.evaluators.metrics import resolve
from promptopt.tasks.doubtful_targets import dates_as_numbers, doubtful_targets
from promptopt.types import Example

ALONE = ("init", "own", "--data", "rows.csv", "--input", "text", "--target", "label")


def write(path: Path, labels: list[str]) -> None:
    rows = "".join(f'message {number} of many,"{label}"\n' for number, label in enumerate(labels))
    path.write_text(f"text,label\n{rows}", encoding="utf-8")


def test_a_column_with_one_answer_is_told(invoke: Invoke, workplace: Path) -> None:
    write(workplace / "rows.csv", ["good"] * 30)
    made = invoke(*ALONE)
    assert made.exit_code == 0, made.stderr
    assert "warning: every row has the right answer 'good'" in made.stdout


@pytest.mark.parametrize("word", ["NaN", "null", "N/A", "#N/A", "<NA>", "?", "-"])
def test_a_mark_of_what_is_missing_is_told_however_often_it_stands_there(word: str) -> None:
    (said,) = doubtful_targets({"good": 20, "bad": 20, word: 20}, "exact")
    assert said.startswith(f"20 rows may have no answer: {word!r} (20) stands there")


@pytest.mark.parametrize("word", ["none", "no", "0", "nana", "na"])
def test_a_word_that_may_be_an_answer_is_none_of_these(word: str) -> None:
    assert doubtful_targets({"good": 20, word: 20}, "exact") == []


@pytest.mark.parametrize("mark", [", ", ",", ";", "|", " | "])
def test_lists_in_cells_are_told_with_the_metric_that_scores_their_entries(mark: str) -> None:
    listed = f"price{mark}late"
    (said,) = doubtful_targets({listed: 9, "late": 9, f"late{mark}price": 9}, "exact")
    assert repr(listed) in said
    assert 'metric = "set_f1"' in said
    assert resolve("set_f1")("late, price", Example.of(listed, text="a")) == 1.0


@pytest.mark.parametrize(
    "counts",
    [
        {"Lyon, France": 9, "Paris, France": 9},
        {"yes": 9, "no": 9},
        {"yes": 9, "a long sentence of many words, yes": 9},
        {"late,": 9, "late": 9},
    ],
)
def test_texts_with_a_comma_in_them_are_no_lists(counts: dict[str, int]) -> None:
    assert doubtful_targets(counts, "exact") == []


@pytest.mark.parametrize(
    "option",
    [("--mask",), ("--turns", "all"), ("--speaker", "Ann=user"), ("--group-by", "text"), ("--mask-names", "n")],
)
def test_options_of_chats_are_refused_where_columns_are_named(
    option: tuple[str, ...], invoke: Invoke, workplace: Path
) -> None:
    write(workplace / "rows.csv", ["good", "bad"] * 15)
    made = invoke(*ALONE, *option)
    assert made.exit_code == 2
    assert f"{option[0]} is for logs of chats" in made.stderr
    assert ('group = "COLUMN" under [data]' in made.stderr) == (option[0] == "--group-by")
    assert not (workplace / "own.toml").exists()


@pytest.mark.parametrize(
    "joined",
    [
        "Paris|City of Light",
        "Paris||Lutetia",
        "Paris / Lutetia",
        "Paris; Lutetia",
        "Paris or Lutetia",
        "Paris\nLutetia",
    ],
)
def test_several_answers_in_one_cell_are_told_with_how_to_write_them(joined: str) -> None:
    (said,) = doubtful_targets({joined: 3, joined.replace("Paris", "Rome"): 3, "Oslo": 30}, "exact")
    assert repr(joined) in said
    assert 'where each is right, write ["Paris", …]' in said
    assert ("set_f1" in said) == (" or " not in joined)


@pytest.mark.parametrize(
    "targets",
    [
        ["km/h", "m/s"],
        ["AC/DC", "12/05/2020"],
        ["ls -l | grep x", "ls -a | grep y"],
        ["print(a); print(b)", "x = 1; y = 2"],
        ["|", "||"],
        ["Paris|Lutetia", "Rome"],
        ["5 or more", "two or so"],
        ["The nurse or the doctor of the ward sees you in the morning", "Nobody"],
    ],
)
def test_code_units_dates_and_sentences_are_not_several_answers(targets: list[str]) -> None:
    assert doubtful_targets(dict.fromkeys(targets, 5), "exact") == []


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("due", ["45352", "45353"], True),
        ("Order date", ["45352"], True),
        ("invoice_date", ["45352"], True),
        ("Lieferdatum", ["45352"], True),
        ("salary", ["45352", "45353"], False),
        ("zip", ["45352"], False),
        ("update count", ["45352"], False),
        ("date", ["45352", "soon"], False),
        ("date", ["2024-03-01"], False),
        ("date", ["99999"], False),
        ("date", [], False),
    ],
)
def test_dates_that_a_sheet_has_saved_as_numbers_are_told(name: str, values: list[str], told: bool) -> None:
    said = dates_as_numbers({name: values})
    assert len(said) == told
    assert all("(that one is 2024-03-01)" in each for each in said)
