"""Excel files as people make them: titles, covers, hidden sheets, merged cells, formulas, dates."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from promptopt.errors import DataError
from promptopt.tasks.reading.columns import Columns
from promptopt.tasks.reading.files import read_examples, read_rows
from promptopt.tasks.reading.row_numbers import row_at

pytest.importorskip("python_calamine")

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
COLUMNS = "ABCDEFG"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = 'xmlns="http://schemas.openxmlformats.org/package/2006/'


@dataclass(frozen=True)
class Sheet:
    """Rows of texts, numbers, None, or cells as XML; `merged` as Excel names ranges."""

    rows: Sequence[Sequence[object]]
    merged: Sequence[str] = ()
    hidden: bool = False

    def xml(self) -> str:
        rows = ""
        for line, row in enumerate(self.rows, start=1):
            cells = "".join(cell(value, f"{at}{line}") for at, value in zip(COLUMNS, row, strict=False))
            rows += f'<row r="{line}">{cells}</row>'
        merged = "".join(f'<mergeCell ref="{each}"/>' for each in self.merged)
        merges = f"<mergeCells>{merged}</mergeCells>" if merged else ""
        return f"<worksheet {MAIN}><sheetData>{rows}</sheetData>{merges}</worksheet>"


def cell(value: object, at: str) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return f'<c r="{at}"><v>{value}</v></c>'
    text = str(value)
    if text.startswith("<c"):
        return text.replace("<c", f'<c r="{at}"', 1)
    return f'<c r="{at}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'


def book(path: Path, *sheets: Sheet) -> Path:
    numbered = list(enumerate(sheets, start=1))
    listed = "".join(
        f'<sheet name="S{n}" sheetId="{n}" r:id="s{n}" state="{"hidden" if each.hidden else "visible"}"/>'
        for n, each in numbered
    )
    links = "".join(
        f'<Relationship Id="s{n}" Type="{OFFICE}/worksheet" Target="worksheets/s{n}.xml"/>' for n, _ in numbered
    )
    # Style 1 is a date, and style 2 hours beyond a day.
    styles = (
        f'<styleSheet {MAIN}><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/>'
        '<xf numFmtId="46" applyNumberFormat="1"/></cellXfs></styleSheet>'
    )
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(
            "[Content_Types].xml",
            f'<Types {PACKAGE}content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        )
        packed.writestr(
            "_rels/.rels",
            f'<Relationships {PACKAGE}relationships"><Relationship Id="b" Type="{OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        packed.writestr("xl/workbook.xml", f'<workbook {MAIN} xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>')
        packed.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships {PACKAGE}relationships">{links}<Relationship Id="y" Type="{OFFICE}/styles" '
            'Target="styles.xml"/></Relationships>',
        )
        packed.writestr("xl/styles.xml", styles)
        for n, each in numbered:
            packed.writestr(f"xl/worksheets/s{n}.xml", each.xml())
    return path


TABLE = [["text", "label"], ["a", "good"], ["b", "bad"]]
READ = [{"text": "a", "label": "good"}, {"text": "b", "label": "bad"}]


@pytest.mark.parametrize(
    "sheets",
    [
        [Sheet(TABLE)],
        [Sheet([[], [], *TABLE])],
        [Sheet([["Report 2026"], [], *TABLE])],
        [Sheet([["Report 2026"], ["of the team"], *TABLE], ["A1:B1"])],
        [Sheet([["read me"]]), Sheet(TABLE)],
        [Sheet([["Company"], ["Confidential"]]), Sheet(TABLE)],
        [Sheet([]), Sheet(TABLE)],
        [Sheet([["x", "y"], ["1", "2"]], hidden=True), Sheet(TABLE)],
        [Sheet(TABLE), Sheet([["other", "table"], ["1", "2"]])],
        [Sheet([[None, *row] for row in TABLE])],
    ],
    ids=["plain", "blank", "title", "merged", "note", "cover", "empty", "hidden", "second", "column"],
)
def test_the_first_table_that_is_shown_is_read_below_its_title(tmp_path: Path, sheets: list[Sheet]) -> None:
    assert list(read_rows(book(tmp_path / "a.xlsx", *sheets))) == READ


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [
        (TABLE, [2, 3]),
        ([[], [], *TABLE], [4, 5]),
        ([["Report 2026"], [], *TABLE], [4, 5]),
        ([TABLE[0], [], TABLE[1], [], [], TABLE[2]], [3, 6]),
    ],
    ids=["plain", "blank", "title", "gaps"],
)
def test_rows_are_numbered_as_in_their_sheet(tmp_path: Path, rows: list[list[str]], numbers: list[int]) -> None:
    path = book(tmp_path / "a.xlsx", Sheet(rows))
    assert [row_at(path, place) for place in (1, 2)] == numbers
    assert list(read_rows(path)) == READ


def test_cells_that_are_merged_have_one_value(tmp_path: Path) -> None:
    rows = [[], ["text", "label", "kind"], ["a", "good", "x"], ["b", None, None], ["c", "bad", None]]
    found = list(read_rows(book(tmp_path / "a.xlsx", Sheet(rows, ["B3:B4", "C3:C5"]))))
    assert [(row["label"], row["kind"]) for row in found] == [("good", "x"), ("good", "x"), ("bad", "x")]


def test_one_column_alone_is_a_table_too(tmp_path: Path) -> None:
    rows = [["text"], ["a"], ["b"]]
    assert list(read_rows(book(tmp_path / "a.xlsx", Sheet(rows)))) == [{"text": "a"}, {"text": "b"}]


def test_dates_formulas_and_numbers_kept_as_text_are_read_as_they_are_shown(tmp_path: Path) -> None:
    date, formula = '<c s="1"><v>45292</v></c>', "<c><f>1+1</f><v>2</v></c>"
    rows = [["text", "day", "sum", "id", "took"], ["a", date, formula, "0012", '<c s="2"><v>1.0631</v></c>']]
    (row,) = read_rows(book(tmp_path / "a.xlsx", Sheet(rows)))
    assert row == {"text": "a", "day": "2024-01-01", "sum": 2, "id": "0012", "took": "25:30:52"}


@pytest.mark.parametrize("unsaved", ["<c><f>1+1</f></c>", "<c><f>1+1</f><v></v></c>"])
def test_formulas_without_results_are_named_where_their_column_is_used(tmp_path: Path, unsaved: str) -> None:
    path = book(tmp_path / "a.xlsx", Sheet([["text", "sum"], ["a", unsaved], ["b", unsaved]]))
    advice = "formulas in it have no saved results"
    with pytest.raises(DataError, match=advice):
        read_examples(path, Columns("text", "sum"))
    assert (
        advice
        in read_examples(book(path, Sheet([["x", "y"], [unsaved, "a"], ["c", "b"]])), Columns("x", "y")).warnings[0]
    )
    saved = book(tmp_path / "b.xlsx", Sheet([["x", "y"], ["<c><f>1+1</f><v>2</v></c>", "a"], ["", "b"]]))
    assert advice not in read_examples(saved, Columns("x", "y")).warnings[0]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", Sheet([["text", "text"], ["a", "b"]]))
    with pytest.raises(DataError, match="names the column 'text' twice"):
        list(read_rows(path))


@pytest.mark.parametrize(("name", "tool"), [("a.csv.gz", "gunzip"), ("a.zip", "unzip"), ("a.jsonl.xz", "unxz")])
def test_a_packed_file_says_how_to_unpack_it(tmp_path: Path, name: str, tool: str) -> None:
    (tmp_path / name).write_bytes(b"packed")
    with pytest.raises(DataError, match=f"is packed; unpack it, for example with `{tool}"):
        list(read_rows(tmp_path / name))


@pytest.mark.parametrize("order", ["LE", "BE"])
def test_utf_16_without_a_mark_is_named_wherever_the_decoder_stumbles(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nfür,ja\n".encode(f"utf-16-{order.lower()}"))
    with pytest.raises(DataError, match=f"looks like UTF-16; convert it with `iconv -f UTF-16{order}"):
        list(read_rows(path))


def test_a_saved_data_set_that_lacks_a_part_names_it(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(
        '{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}', encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"lacks data-00000-of-00001\.arrow"):
        list(read_rows(tmp_path))


def test_a_column_on_another_sheet_is_told(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", Sheet(TABLE), Sheet([["question", "answer"], ["1", "2"]]))
    with pytest.raises(DataError, match=r"no column is named 'answer': the sheet '.+' has it; save that sheet"):
        read_examples(path, Columns("question", "answer"))
    with pytest.raises(DataError, match="did you mean 'text'"):
        read_examples(path, Columns("txt", "label"))
