"""Tables as programs write them: any separator, spreadsheets, folders of Arrow files, cells of any length."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.catalogue import load_task
from promptopt.tasks.reading.columns import Columns
from promptopt.tasks.reading.files import read_examples, read_rows
from promptopt.tasks.task_file import load_task_file


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_whatever_the_ending_says(tmp_path: Path, separator: str, ending: str) -> None:
    rows = ["text,label,note", '"a; b, c | d",yes,', '"two\nlines",no,x']
    lines = [line if line.startswith('"') else line.replace(",", separator) for line in rows]
    lines[1] = f'"a; b, c | d"{separator}yes{separator}'
    lines[2] = f'"two\nlines"{separator}no{separator}x'
    path = tmp_path / f"a.{ending}"
    path.write_text("\n".join(lines))
    assert [row["text"] for row in read_rows(path)] == ["a; b, c | d", "two\nlines"]
    assert [row["label"] for row in read_rows(path)] == ["yes", "no"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text;price\nGood, really;3,5\nBad;1,2\n", {"text": "Good, really", "price": "3,5"}),
        ("sep=;\ntext;price\na,b;1\n", {"text": "a,b", "price": "1"}),
        ("SEP=|\r\ntext|price\r\na|1\r\n", {"text": "a", "price": "1"}),
        ("sep=\t\ntext\tprice\na,b\t1\n", {"text": "a,b", "price": "1"}),
        ('"sep=;"\ntext;price\na,b;1\n', {"text": "a,b", "price": "1"}),
        ("\n\ntext;price\na,b;1\n", {"text": "a,b", "price": "1"}),
        ('text, price\n"a, b", "1"\n', {"text": "a, b", "price": "1"}),
        ('text, price\na, "1, 2"\n', {"text": "a", "price": "1, 2"}),
        ("\u200btext,price\na,1\n", {"text": "a", "price": "1"}),
        ("text\na; b\nc\n", {"text": "a; b"}),
        ("\ufefftext;price;;\na;1;;\n", {"text": "a", "price": "1"}),
        ("text,price\na;b,1\nc;d,2\n", {"text": "a;b", "price": "1"}),
    ],
)
def test_what_spreadsheets_in_half_of_europe_write(tmp_path: Path, content: str, expected: dict[str, str]) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    assert next(read_rows(tmp_path / "a.csv")) == expected


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("text,mood\n'It came, don''t worry','a'\n'x','b'\n", ["It came, don't worry", "x"]),
        ("'text','mood'\n'Mail, 1','a'\n", ["Mail, 1"]),
        ("text;mood\n'Mail; 1';a\n'x';b\n", ["Mail; 1", "x"]),
        ("text,mood\n'It came, don\\'t',a\n'x',b\n", ["It came, don't", "x"]),
        ("id,text,mood\n1, 'Mail, 1', 'a'\n2, 'x', 'b'\n", ["Mail, 1", "x"]),
        # What only begins with one, or stands in quotes of the usual kind, keeps it.
        ("text,mood\n'Tis the season,a\n'hello' he said,b\n", ["'Tis the season", "'hello' he said"]),
        ("text,mood\n'a',b\nthe dogs',d\n", ["'a'", "the dogs'"]),
        ("text,mood\n\"'a'\",b\n\"'c'\",d\n", ["'a'", "'c'"]),
    ],
)
def test_single_quotes_around_values_are_quotes(tmp_path: Path, content: str, texts: list[str]) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    assert [row["text"] for row in read_rows(tmp_path / "a.csv")] == texts


def test_a_row_that_does_not_fit_names_the_separator(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text;label\na;yes\nb;c;no\n")
    with pytest.raises(DataError, match="a semicolon"):
        list(read_rows(tmp_path / "a.csv"))


def test_a_row_that_is_too_short_is_told_from_one_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na\n")
    with pytest.raises(DataError, match="write all of them"):
        list(read_rows(path))


def test_json_lines_under_the_name_of_json_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"text": "a"}\n{"text": "b"}\n')
    assert list(read_rows(path)) == [{"text": "a"}, {"text": "b"}]
    path.write_text('[{"text": "a"}]\n{"text": "b"}\n')
    with pytest.raises(DataError, match="Extra data"):
        list(read_rows(path))


def test_a_cell_may_be_as_long_as_a_book(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + f'"{"word, " * 60_000}",yes\nb,no\n')
    assert [len(str(row["text"])) for row in read_rows(tmp_path / "a.csv")] == [360_000, 1]


@pytest.mark.parametrize("last", ['"never closed,yes\nb,no\n', 'a,"never closed\nb,no\n'])
def test_a_quotation_mark_that_is_never_closed_is_said_at_any_length(tmp_path: Path, last: str) -> None:
    (tmp_path / "a.csv").write_text("text,label\nx,yes\n" + last)
    with pytest.raises(DataError, match="never closed"):
        list(read_rows(tmp_path / "a.csv"))


def test_columns_are_those_of_all_rows_of_json_lines(tmp_path: Path) -> None:
    rows = [{"label": "no", "text": "a"}, {"text": "b", "label": "yes", "why": "c"}, {"label": "yes"}]
    rows[0], rows[2] = rows[2], rows[0]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_examples(tmp_path / "a.jsonl", Columns(input=["text", "why"], target="label"))
    assert [(each["text"], each["why"]) for each in found.examples] == [("b", "c"), ("a", "")]


def sheet(path: Path, rows: list[list[object]]) -> Path:
    """A workbook as Excel writes it, its texts inline."""

    def cell(value: object) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
    body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" '
            'ContentType="application/xml"/></Types>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships {package}><Relationship Id="a" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
            f"</Relationships>",
        )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook {main} xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="s"/></sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships {package}><Relationship Id="s" Type="{office}/worksheet" Target="worksheets/s.xml"/>'
            f"</Relationships>",
        )
        book.writestr("xl/worksheets/s.xml", f"<worksheet {main}><sheetData>{body}</sheetData></worksheet>")
    return path


def test_a_spreadsheet_is_read_with_whole_numbers_whole(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine", reason="python-calamine is not installed")
    path = sheet(tmp_path / "a.xlsx", [["text", "label", "share"], ["one, two", 3.0, 0.5], ["b", 4, 1]])
    assert list(read_rows(path)) == [
        {"text": "one, two", "label": 3, "share": 0.5},
        {"text": "b", "label": 4, "share": 1},
    ]
    assert [each.target for each in read_examples(path, Columns(input="text", target="label")).examples] == ["3", "4"]
    (tmp_path / "broken.xlsx").write_bytes(b"PK no")
    with pytest.raises(DataError, match="no readable Excel file"):
        list(read_rows(tmp_path / "broken.xlsx"))


def test_a_spreadsheet_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ConfigError, match="pip install python-calamine"):
        list(read_rows(sheet(tmp_path / "a.xlsx", [["text"], ["a"]])))


def stored(folder: Path, rows: list[dict[str, Any]]) -> None:
    """What `datasets.Dataset.save_to_disk` writes."""
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    folder.mkdir(parents=True)
    table = arrow.Table.from_pylist(rows)
    file = str(folder / "data-00000-of-00001.arrow")
    with arrow.OSFile(file, "wb") as sink, arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (folder / "dataset_info.json").write_text("{}")


def rows_of(split: str, count: int) -> list[dict[str, Any]]:
    return [{"text": f"{split} {number}", "label": "ab"[number % 2]} for number in range(count)]


def test_a_saved_data_set_is_read(tmp_path: Path) -> None:
    stored(tmp_path / "mine.v2", rows_of("all", 4))
    assert list(read_rows(tmp_path / "mine.v2")) == rows_of("all", 4)


def test_the_splits_of_a_saved_data_set_are_the_tasks_own(tmp_path: Path) -> None:
    for split, count in (("train", 40), ("validation", 10), ("test", 30)):
        stored(tmp_path / "mine" / split, rows_of(split, count))
    (tmp_path / "mine" / "dataset_dict.json").write_text('{"splits": ["train", "validation", "test"]}')
    (tmp_path / "t.toml").write_text(
        'instruction = "Say a or b."\nlabels = ["a", "b"]\n[data]\nfile = "mine"\ninput = "text"\ntarget = "label"\n'
    )
    task = load_task_file(tmp_path / "t.toml")
    assert {each["text"].split()[0] for each in task.dev} == {"validation"}
    assert {each["text"].split()[0] for each in task.test} == {"test"}
    assert (len(task.train), len(task.dev), len(task.test)) == (40, 10, 30)
    assert len(list(read_rows(tmp_path / "mine"))) == 80
    with pytest.raises(ConfigError, match="promptopt init"):
        load_task(tmp_path / "mine")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="without Arrow or Parquet"):
        list(read_rows(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("dataset_dict.json", f'{{"splits": {each}}}') for each in ("3", "[3]", '["../other"]', '["/etc"]', '[""]')],
        ("dataset_dict.json", "[" * 100_000),
        *[("state.json", f'{{"_data_files": [{{"filename": {each}}}]}}') for each in ("3", '"/a.arrow"', '".."', "[]")],
        ("state.json", '{"_data_files": [{"file": "a.arrow"}]}'),
    ],
)  # fmt: skip
def test_a_saved_data_set_names_parts_beside_it_alone(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=f"{name}.*save_to_disk"):
        list(read_rows(tmp_path))


@pytest.mark.parametrize("entries", ["3", "[3]", "[]", "{}"])
def test_a_saved_data_set_that_names_no_part_is_none(tmp_path: Path, entries: str) -> None:
    (tmp_path / "state.json").write_text(f'{{"_data_files": {entries}}}')
    with pytest.raises(DataError, match="without Arrow or Parquet"):
        list(read_rows(tmp_path))
