"""Where a table begins, what stands above its header, and the rows that sentences about it name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.guess import guess_task
from promptopt.tasks.reading.columns import ColumnRoles, Columns
from promptopt.tasks.reading.files import examples_from, read_examples, read_rows
from promptopt.tasks.reading.row_numbers import row_at

ABOVE = {
    "": 0,
    "# exported\n": 1,
    "# exported\n# 2024\n": 2,
    "sep=,\n": 1,
    "\n\n": 2,
    "Export of reviews\n\n": 2,
    "Export of reviews\nMay 2024\n\n\n": 4,
}


@pytest.mark.parametrize("above", ABOVE)
def test_what_stands_above_a_header_is_passed_over_and_counted(tmp_path: Path, above: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{above}text,label\na,yes\n\nb,no\n")
    assert [row["text"] for row in read_rows(path)] == ["a", "b"]
    # The header is row 1 where nothing stands above it; a blank line counts.
    assert [row_at(path, number) for number in (1, 2)] == [ABOVE[above] + 2, ABOVE[above] + 4]


def test_a_value_over_two_lines_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"a\nb",yes\nc,no\n')
    assert row_at(path, 2) == 3


def test_a_sentence_about_a_row_names_the_one_that_a_spreadsheet_shows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("# exported\ntext,label,worse\na,yes,no\n\nb,no,no\n")
    with pytest.raises(DataError, match="row 5: what 'worse' rejects is the target itself"):
        read_examples(path, Columns("text", "label", rejected="worse"))


def test_a_row_of_another_width_is_named_so_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("# exported\ntext,label\na,yes\nb,no,more\n")
    with pytest.raises(DataError, match=r"row 4 \(it ends on line 4\) has 3 values"):
        list(read_rows(path))


def test_a_column_of_texts_with_commas_has_no_title(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\n\nfirst; second\nthird\n")
    assert [row["text"] for row in read_rows(path)] == ["first; second", "third"]


def test_a_table_without_names_is_told_where_a_label_is_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a fine film,positive\na bad film,negative\na good film,positive\n")
    found = read_examples(path, Columns("a fine film", "positive"))
    assert len(found.examples) == 2
    assert "'positive' is the name of a column and also stands in 1 of its rows" in found.warnings[0]
    with pytest.raises(DataError, match="first row looks like data"):
        read_examples(path, Columns("text", "label"))


@pytest.mark.parametrize(
    ("header", "rows"),
    [("text,label", "a,yes\nb,no"), ("0,1", "a,1\nb,0"), ("text,label", "text,label\na,yes"), ("text,other", "a,yes")],
)
def test_names_are_no_data(tmp_path: Path, header: str, rows: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n{rows}\n")
    assert read_examples(path, Columns(*header.split(","))).warnings == ()


def test_init_says_that_the_first_row_looks_like_data(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("this film is one of the very best of all,1\nnot one I would see again,0\n")
    with pytest.raises(ConfigError, match="first row looks like data"):
        guess_task(path, None, None, "x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!DOCTYPE html><html></html>", "a page of the web"),
        ("  <html><body>Not found</body></html>", "a page of the web"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 12\n", "git lfs pull"),
    ],
)
def test_what_a_failed_download_leaves_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        list(read_rows(path))


def test_json_rows_by_name_are_rows_and_columns_by_name_are_columns(tmp_path: Path) -> None:
    rows = {f"id{place}": {"text": str(place), "label": "yes"} for place in range(3)}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows))
    assert list(read_rows(path)) == list(rows.values())


@pytest.mark.parametrize(
    ("value", "words"), [({"train": [{"a": 1}], "test": [{"a": 2}]}, "'train', 'test'"), (5, "no list of rows; write")]
)
def test_json_without_one_list_of_rows_says_what_it_has(tmp_path: Path, value: object, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value))
    with pytest.raises(DataError, match=words):
        list(read_rows(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("text:mood\na:yes\n", "it has one column, 'text:mood', whose parts stand apart by ':'"),
        ('"text"^"mood"\n"a"^"yes"\n', "it has one column, 'text^mood', whose parts stand apart by '^'"),
        ("text mood\na yes\n", "whose parts stand apart by ' '"),
        ("mood~text\nyes~a\n", "whose parts stand apart by '~'"),
        ("text\x1fmood\na\x1fyes\n", "whose parts stand apart by"),
        ('"text,mood"\n"a,yes"\n', "stand in quotation marks as a whole"),
        ("Customer,Team\ntext,mood\na,yes\n", "the names stand in row 2; take out what stands above"),
        ("# note\nCustomer,Team\nx,y\ntext,mood\na,yes\n", "the names stand in row 4"),
    ],
)
def test_a_column_that_the_file_shows_in_another_place_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="no column is named 'mood': ") as told:
        read_examples(path, Columns("text", "mood"))
    assert words in str(told.value)


def test_a_misspelt_column_of_a_table_of_one_column_is_a_near_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("texts\na\nb\n")
    with pytest.raises(DataError, match="did you mean 'texts'"):
        read_examples(path, Columns("text", None))


@pytest.mark.parametrize("above", ["Reviews,\n", "Reviews,\n,\n", "\nReviews,\nMay 2024,\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_title_beside_empty_cells_is_passed_over_and_counted(tmp_path: Path, above: str, separator: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{above}text,mood\na,yes\nb,no\n".replace(",", separator))
    assert [dict(row) for row in read_rows(path)] == [{"text": "a", "mood": "yes"}, {"text": "b", "mood": "no"}]
    assert row_at(path, 1) == above.count("\n") + 2


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_header_whose_index_has_no_name_is_no_title(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",text\n0,good\n1,bad\n".replace(",", separator))
    assert [dict(row) for row in read_rows(path)] == [{"": "0", "text": "good"}, {"": "1", "text": "bad"}]


def test_a_text_as_spreadsheets_guard_it_is_that_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,code\na,="0012"\n="b ""c""","=""7"""\n="d,="e"\n')
    assert [tuple(row.values()) for row in read_rows(path)] == [("a", "0012"), ('b "c"', "7"), ('="d', "e")]


@pytest.mark.parametrize(("name", "words"), [("https://a.b/c.csv", "is an address"), ("s3://b/c.csv", "is an address")])
def test_an_address_is_no_file(name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        next(read_rows(Path(name)))


def test_a_text_file_may_be_a_table_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text\tmood\na\tyes\n")
    with pytest.raises(DataError, match=r"where it holds a table, name it \.csv or \.tsv"):
        next(read_rows(path))


def test_a_line_of_another_encoding_is_told_apart_from_a_file_of_another(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    right = "text,mood\nKäse,yes\nfür,no\n".encode()
    path.write_bytes(right + "später,no\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"line 4\), where 2 other lines of it .* are UTF-8; mend that line"):
        list(read_rows(path))
    path.write_bytes(right.decode().encode("cp1252"))
    with pytest.raises(DataError, match="iconv -f WINDOWS-1252"):
        list(read_rows(path))
    path.write_bytes(right.decode().encode("utf-32"))
    with pytest.raises(DataError, match="is UTF-32; convert it with `iconv -f UTF-32 "):
        list(read_rows(path))


def test_a_file_without_right_answers_is_told_what_needs_none(tmp_path: Path) -> None:
    path = tmp_path / "mails.csv"
    path.write_text("text,intent\nwhere is it,delivery\nmy money,refund\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"'target'.*name the column .* under \[data\], or, .* a \[judge\] table"):
        examples_from(path, read_rows(path), ColumnRoles((("text", ("text",)),), "target"))
    with pytest.raises(DataError, match="'mood'") as told:
        examples_from(path, read_rows(path), ColumnRoles((("text", ("text",)),), "mood"))
    assert "judge" not in str(told.value)
