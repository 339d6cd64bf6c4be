"""Rejected outputs, options and worked solutions: from the cells of a row to an example."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.reading.cell_texts import cell_text
from promptopt.tasks.reading.columns import ColumnRoles, Columns, Solution
from promptopt.tasks.reading.files import examples_from, read_examples, read_rows
from promptopt.text import normalise
from promptopt.types import Example

PAIR = ColumnRoles.of("text", "chosen", "rejected")
GSM = ColumnRoles.of("text", "chosen")
WORKED = "He has 48/2 = <<48/2=24>>24 left.\nThat is <<24=24>>24.\n#### 24"
TIDY = Solution(without="<<[^<>]*>>", end="The answer is {target}.")

USER = {"role": "user", "content": "Hi?"}
BETTER = {"role": "assistant", "content": "Hello!"}
WORSE = {"role": "assistant", "content": "What."}


def read(row: dict[str, object], columns: ColumnRoles = PAIR, name: str = "a.jsonl") -> Example:
    example = columns.settled(Path(name), row).example(Path(name), 1, row)
    assert example is not None
    return example


def test_a_rejected_column_fills_rejected() -> None:
    found = read({"text": "q", "chosen": " good ", "rejected": " bad\n"})
    assert found == Example.of("good", (), ["bad"], text="q")


@pytest.mark.parametrize(
    ("columns", "row", "rejected"),
    [
        (("a", "b"), {"a": "x", "b": "y"}, ("x", "y")),
        (("a", "b"), {"a": "x", "b": None}, ("x",)),
        (("a", "b"), {"a": "x", "b": "x"}, ("x",)),
        (("a",), {"a": ["x", " ", "y", "x"]}, ("x", "y")),
        (("a",), {"a": [1, 2.5]}, ("1", "2.5")),
        (("a",), {"a": '["x", "y"]'}, ('["x", "y"]',)),
    ],
)
def test_several_rejected_outputs(columns: tuple[str, ...], row: dict[str, object], rejected: tuple[str, ...]) -> None:
    assert read({"text": "q", "chosen": "good", **row}, ColumnRoles.of("text", "chosen", columns)).rejected == rejected


@pytest.mark.parametrize(
    ("cell", "rejected"),
    [
        ('["x", "y"]', ("x", "y")),
        (' ["x"]', ("x",)),
        ("[x] is wrong", ("[x] is wrong",)),
        ('["x", ', ('["x",',)),
        ("x", ("x",)),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_list_in_a_cell_of_a_text_file_is_several(name: str, cell: str, rejected: tuple[str, ...]) -> None:
    assert read({"text": "q", "chosen": "good", "rejected": cell}, name=name).rejected == rejected


@pytest.mark.parametrize("nothing", [None, "", " \n", float("nan"), [], [None, " "]])
def test_a_row_that_rejects_nothing_is_named(nothing: object) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl, row 1: there is nothing in 'rejected'; write an output"):
        read({"text": "q", "chosen": "good", "rejected": nothing})
    with pytest.raises(DataError, match="there is nothing in 'rejected' and 'worse'"):
        read(
            {"text": "q", "chosen": "g", "rejected": nothing, "worse": ""},
            ColumnRoles.of("text", "chosen", ["rejected", "worse"]),
        )


def test_what_is_rejected_has_to_be_another_text() -> None:
    with pytest.raises(DataError, match=r"a\.jsonl, row 1: what 'rejected' rejects is the target itself, 'so  good'"):
        read({"text": "q", "chosen": "so good", "rejected": ["bad", "so  good"]})


def test_rows_are_counted_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("q,chosen,rejected\na,x,y\nb,x,\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"pairs\.csv, row 3: there is nothing in 'rejected'"):
        read_examples(path, Columns(input="q", target="chosen", rejected="rejected"))
    with pytest.raises(DataError, match="no column is named 'rejcted'; did you mean 'rejected'"):
        read_examples(path, Columns(input="q", target="chosen", rejected="rejcted"))


def test_a_blank_input_is_left_out_before_its_outputs_are_looked_at() -> None:
    row: dict[str, object] = {"text": " ", "chosen": "good", "rejected": ""}
    assert PAIR.settled(Path("a"), row).example(Path("a"), 1, row) is None


def test_nan_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"q": "x", "a": NaN}\n{"q": NaN, "a": "y"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"1 of 2 rows of .* have nothing in the target column 'a'"):
        read_examples(path, Columns(input="q", target="a"))


def test_rejected_outputs_are_read_as_the_target_is() -> None:
    columns = replace(PAIR, classes={"0": "bad", "1": "good"})
    assert read({"text": "q", "chosen": 1, "rejected": 0}, columns) == Example.of("good", (), ["bad"], text="q")
    with pytest.raises(DataError, match="row 1: no class is named '2'"):
        read({"text": "q", "chosen": 1, "rejected": 2}, columns)


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt"),
    [
        ([USER, BETTER], [USER, WORSE], "chosen"),
        ([BETTER], [WORSE], "prompt"),
        ("Hello!", "What.", "prompt"),
        ("Hello!", [[WORSE]], "prompt"),
        ([USER, BETTER], "What.", "chosen"),
    ],
)
def test_conversations_give_their_last_replies(chosen: object, rejected: object, prompt: str) -> None:
    columns = ColumnRoles((("text", (prompt,)),), "chosen", rejected=("rejected",))
    row: dict[str, object] = {"prompt": [USER], "chosen": chosen, "rejected": rejected}
    assert read(row, columns) == Example.of("Hello!", (), ["What."], text="Hi?")
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()}
    assert read(dict(text), columns, "a.csv") == Example.of("Hello!", (), ["What."], text="Hi?")


def test_a_longer_conversation_keeps_its_roles() -> None:
    told = [{"role": "system", "content": "Be kind."}, USER, WORSE, USER]
    row: dict[str, object] = {"chosen": [*told, BETTER], "rejected": [*told, WORSE]}
    columns = ColumnRoles((("text", ("chosen",)),), "chosen", rejected=("rejected",))
    assert read(row, columns)["text"] == "system: Be kind.\n\nuser: Hi?\n\nassistant: What.\n\nuser: Hi?"
    with pytest.raises(DataError, match="row 1: the conversation in 'rejected' is another one than that in 'chosen'"):
        read({**row, "rejected": [USER, WORSE]}, columns)


def test_options_that_are_not_the_target_are_rejected() -> None:
    columns = replace(GSM, options=r"(?m)^\([A-Z]\)")
    row: dict[str, object] = {"text": "Which (X)?\nOptions:\n(A) one\n(B) two (Y)\n(C) (Z)", "chosen": "(B)"}
    assert read(row, columns).rejected == ("(A)", "(C)")
    named = replace(GSM, options=r"(?m)^- (.+)$")
    assert read({"text": "Options:\n- Yes \n- No", "chosen": "No"}, named).rejected == ("Yes",)


def test_rows_without_options_are_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"text": "(A) x\n(B) y", "chosen": target} for target in ("(A)", "(C)", "B", "dropped")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = examples_from(path, read_rows(path), replace(GSM, options=r"(?m)^\([A-Z]\)", drop=("dropped",)))
    assert [example.rejected for example in found.examples] == [("(B)",), (), ()]
    (warning,) = found.warnings
    assert warning.startswith("a.jsonl: in 2 row(s), such as row 2, ")


def test_a_target_cut_from_a_solution_leaves_the_solution() -> None:
    columns = replace(GSM, target_after="####")
    row: dict[str, object] = {"text": "q", "chosen": WORKED}
    assert read(row, columns) == Example.of("24", (), (), WORKED, text="q")
    tidy = read(row, replace(columns, solution=TIDY))
    assert tidy.target == "24"
    assert tidy.solution == "He has 48/2 = 24 left.\nThat is 24.\nThe answer is 24."
    assert read({"text": "q", "chosen": "24"}, replace(columns, solution=TIDY)) == Example.of("24", text="q")


def test_nothing_is_a_solution_unless_it_is_said_to_be() -> None:
    assert read({"text": "q", "chosen": WORKED, "rationale": "Because."}, GSM).solution == ""


def test_a_solution_may_have_a_column_of_its_own() -> None:
    columns = ColumnRoles.of("text", "chosen", solution="rationale")
    row: dict[str, object] = {"text": "q", "chosen": "(B)", "rationale": " It is {two}. "}
    assert read(row, columns).solution == "It is {two}."
    closed = replace(columns, solution=Solution("rationale", end="So: {target} {text}"))
    assert read(row, closed).solution == "It is {two}.\nSo: (B) {text}"
    with pytest.raises(DataError, match="row 1: there is nothing in the solution column 'rationale'"):
        read({**row, "rationale": " "}, columns)


def test_what_a_worked_solution_is_preferred_to_is_worked_too() -> None:
    columns = replace(PAIR, target_after="####", solution=TIDY)
    row: dict[str, object] = {"text": "q", "chosen": WORKED, "rejected": "I guess <<1=1>>1.\n#### 25"}
    found = read(row, columns)
    assert (found.target, found.rejected) == ("24", ("I guess 1.\nThe answer is 25.",))
    with pytest.raises(DataError, match="rejects is the target itself, '24'"):
        read({**row, "rejected": WORKED + " "}, columns)
    with pytest.raises(DataError, match="rejects is the target itself, '24'"):
        read({**row, "rejected": "24"}, columns)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rejected": ("b",), "options": "x"}, "leave one of them out"),
        ({"rejected": ("b",), "target": None}, "say which column is the target"),
        ({"options": "("}, r"'\(' is not a regular expression"),
        ({"solution": Solution(without="[")}, "is not a regular expression"),
    ],
)
def test_columns_that_do_not_go_together_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(GSM, **changes)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(chosen=TEXTS.filter(str.strip), rejected=st.lists(TEXTS, max_size=4))
def test_rejected_outputs_are_kept_in_order_once_and_never_the_target(chosen: str, rejected: list[str]) -> None:
    row: dict[str, object] = {"text": "q", "chosen": chosen, "rejected": rejected}
    kept = list(dict.fromkeys(text.strip() for text in rejected if text.strip()))
    if kept and all(normalise(text) != normalise(chosen) for text in kept):
        assert read(row) == Example.of(chosen.strip(), (), kept, text="q")
    else:
        with pytest.raises(DataError, match=r"^a\.jsonl, row 1: "):
            read(row)


@given(chosen=TEXTS.filter(str.strip), text=TEXTS.filter(str.strip))
def test_without_the_new_columns_examples_are_what_they_were(chosen: str, text: str) -> None:
    assert read({"text": text, "chosen": chosen}, GSM).id == Example.of(chosen.strip(), text=text).id


@given(work=TEXTS, answer=TEXTS.map(str.strip).filter(bool))
def test_a_solution_closes_as_the_prompt_asks(work: str, answer: str) -> None:
    columns = replace(GSM, target_after="§§", solution=Solution(end="So: {target}"))
    if "§" in work + answer:
        return
    found = read({"text": "q", "chosen": f"{work}§§ {answer}"}, columns)
    assert found.target == answer
    assert found.solution.splitlines()[-1] == f"So: {answer}".splitlines()[-1]
    assert found.solution == f"{work.strip()}\nSo: {answer}".strip()


def test_cells_become_texts() -> None:
    cells = [None, float("nan"), "a", 3, 2.0, True, {"b": 1}]
    assert [cell_text(cell) for cell in cells] == ["", "", "a", "3", "2.0", "true", '{"b":1}']


@pytest.mark.parametrize(
    "wrong", [{"input": 0}, {"input": [0]}, {"target": ["label"]}, {"rejected": [3]}, {"solution": 3}]
)
def test_a_column_that_is_no_name_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^Columns\((\w+)=.*\): expected a column's name"):
        Columns(**wrong)


@pytest.mark.parametrize(
    "twice", [{"input": "a", "target": "a"}, {"input": ["a", "a"]}, {"rejected": "a", "target": "a"}]
)
def test_a_column_has_one_role(twice: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Columns: 'a' is named 2 times; give each column one role"):
        Columns(**twice)


def test_a_group_column_says_what_was_drawn_together(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label,user\none,a,7\ntwo,b,7\nthree,a,\n", encoding="utf-8")
    found = read_examples(path, Columns("text", "label", group="user")).examples
    assert [example.group for example in found] == ["7", "7", ""]
    with pytest.raises(DataError, match="no column is named 'usr'"):
        read_examples(path, Columns("text", "label", group="usr"))
    with pytest.raises(ConfigError, match=r"Columns\(group=3\)"):
        Columns("text", "label", group=3)  # pyright: ignore[reportArgumentType]


def test_a_column_that_is_input_and_target_would_show_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,pos\nb,neg\n")
    shown = ColumnRoles((("text", ("text",)), ("label", ("label",))), "label")
    with pytest.raises(DataError, match="'label' is an input and the target"):
        examples_from(path, read_rows(path), shown)
    hidden = ColumnRoles((("text", ("text",)),), "label")
    assert len(examples_from(path, read_rows(path), hidden).examples) == 2
