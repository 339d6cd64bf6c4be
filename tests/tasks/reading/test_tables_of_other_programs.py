"""Tables as databases, pandas and Arrow write them."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from promptopt.errors import DataError
from promptopt.tasks.reading.files import read_rows

ROWS = [{"text": "hi", "label": "a"}, {"text": "yo", "label": "b"}]


def _read(folder: Path, name: str, content: str) -> list[object]:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return [dict(row) for row in read_rows(path)]


@pytest.mark.parametrize(
    "document",
    [
        {"version": 1, "tags": ["x"], "data": ROWS},
        {"result": {"rows": ROWS}},
        {"text": ["hi", "yo"], "label": ["a", "b"]},
        {"text": {"0": "hi", "1": "yo"}, "label": {"0": "a", "1": "b"}},
        {"0": ROWS[0], "1": ROWS[1]},
        {"columns": ["text", "label"], "index": [0, 1], "data": [["hi", "a"], ["yo", "b"]]},
        {"schema": {"fields": [{"name": "text"}]}, "data": ROWS},
    ],
)
def test_json_holds_its_rows_as_pandas_and_others_write_them(document: object, tmp_path: Path) -> None:
    assert _read(tmp_path, "rows.json", json.dumps(document)) == ROWS


@pytest.mark.parametrize("above", ["# exported 2026\n", "# exported\n# by me\n", "\n# exported\n"])
def test_notes_above_the_header_are_passed_over(above: str, tmp_path: Path) -> None:
    for separator in (",", ";"):
        rows = "".join(f"{row['text']}{separator}{row['label']}\n" for row in ROWS)
        assert _read(tmp_path, "a.csv", f"{above}text{separator}label\n{rows}") == ROWS


@pytest.mark.parametrize("header", ["#id,text", "# id,text"])
def test_a_header_may_begin_with_the_sign_of_a_note(header: str, tmp_path: Path) -> None:
    assert _read(tmp_path, "a.csv", f"{header}\n1,hi\n") == [{header.partition(",")[0]: "1", "text": "hi"}]


def test_one_column_may_begin_with_the_sign_of_a_note(tmp_path: Path) -> None:
    assert _read(tmp_path, "a.csv", "# text\nhi\n") == [{"# text": "hi"}]


def test_objects_one_after_another_are_told_how_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Extra data\); write one list"):
        _read(tmp_path, "a.json", "".join(json.dumps(row, indent=1) for row in ROWS))


def test_a_folder_of_tables_names_them(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv", "notes.txt"):
        (tmp_path / name).write_text("text,label\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"such as test\.csv or train\.csv"):
        list(read_rows(tmp_path))


@pytest.mark.parametrize(
    "document",
    [
        {"train": ROWS, "test": ROWS},
        {"text": ["hi", "yo"], "label": ["a"]},
        {"text": "hi", "label": "a"},
        {"a": {"b": {"c": {"rows": ROWS}}}},
    ],
)
def test_what_is_not_clearly_one_table_is_refused(document: object, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no list of rows"):
        _read(tmp_path, "rows.json", json.dumps(document))


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.csv", 'text,label\n"he said \\"hi\\", twice",a\n', ['he said "hi", twice']),
        ("b.csv", 'text;label\n"\\"hi\\" she said";a\n', ['"hi" she said']),
        ("i.csv", 'text,label\n"{""a"": ""he said \\""hi\\"" there""}",a\n', ['{"a": "he said \\"hi\\" there"}']),
        ("c.csv", 'text,label\n"C:\\",a\n', ["C:\\"]),
        ("d.tsv", 'text\tlabel\n"hi there\ta\nyo"\tb\n', ['"hi there', 'yo"']),
        ("e.tsv", 'text\tlabel\n"hi" she said\ta\n', ['"hi" she said']),
        ("j.tsv", 'text\tlabel\nyo\tb\n"hi there\ta\n', ["yo", '"hi there']),
        ("f.tsv", 'text\tlabel\n"he said ""hi"""\ta\n', ['he said "hi"']),
        ("g.tsv", 'text\tlabel\n"two\nlines"\ta\n', ["two\nlines"]),
        ("h.csv", 'text\tlabel\n"hi" she said\ta\n', ['"hi" she said']),
    ],
)
def test_quotation_marks_are_read_as_the_file_uses_them(
    name: str, content: str, texts: list[str], tmp_path: Path
) -> None:
    rows = _read(tmp_path, name, content)
    assert [row["text"] for row in rows if isinstance(row, dict)] == texts


def test_times_lists_and_maps_of_parquet_are_texts_and_lists_of_texts(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    nanoseconds = arrow.array([1_714_564_800_123_456_789], arrow.timestamp("ns"))
    table = arrow.table(
        {
            "exact": nanoseconds,
            "length": arrow.array([timedelta(seconds=5)]),
            "short": arrow.array([5_000_000_001], arrow.duration("ns")),
            "days": [[date(2024, 5, 1)]],
            "inside": [{"day": date(2024, 5, 1)}],
        }
    )
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "times.parquet")
    assert [dict(row) for row in read_rows(tmp_path / "times.parquet")] == [
        {
            "exact": "2024-05-01 12:00:00.123456789",
            "length": "0:00:05",
            "short": "0:00:05",
            "days": ["2024-05-01"],
            "inside": {"day": "2024-05-01"},
        }
    ]


@pytest.mark.parametrize("name", ["twice.parquet", "twice.arrow"])
def test_two_columns_of_one_name_are_refused_where_one_would_be_lost(name: str, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.Table.from_arrays([arrow.array(["hi"]), arrow.array(["yo"])], names=["text", "text"])
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / name)
    else:
        with arrow.OSFile(str(tmp_path / name), "wb") as sink, arrow.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(DataError, match="names the column 'text' twice; rename one of them"):
        list(read_rows(tmp_path / name))
