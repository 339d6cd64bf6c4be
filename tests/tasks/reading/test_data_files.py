from __future__ import annotations

import json
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.reading.columns import Columns
from promptopt.tasks.reading.files import ColumnRoles, examples_from, read_examples, read_rows
from promptopt.types import Example

EXPECTED = (Example.of("yes", text='one, "two"\nthree'), Example.of("no", text="‏{braces}\u200b"))

RECORDS = [{"text": example["text"], "label": example.target} for example in EXPECTED]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,label\n"one, ""two""\nthree",yes\n‏{braces}\u200b,no\n'),
        ("crlf.csv", 'id,text,label\r\n1,"one, ""two""\nthree",yes\r\n\r\n2,‏{braces}\u200b, no \r\n'),
        ("bom.csv", '\ufefftext,label\n"one, ""two""\nthree",yes\n‏{braces}\u200b,no\n'),
        ("utf16.csv", 'text,label\n"one, ""two""\nthree",yes\n‏{braces}\u200b,no\n'.encode("utf-16")),
        ("a.tsv", 'text\tlabel\n"one, ""two""\nthree"\tyes\n‏{braces}\u200b\tno\n'),
        ("a.jsonl", '{"text": "one, \\"two\\"\\nthree", "label": "yes"}\n\n{"label": "no", "text": "‏{braces}\u200b"}'),
        (
            "a.json",
            json.dumps([{"text": 'one, "two"\nthree', "label": "yes"}, {"text": "‏{braces}\u200b", "label": "no"}]),
        ),
        ("b.json", json.dumps({"canary": "x", "examples": [dict(e.fields) | {"label": e.target} for e in EXPECTED]})),
    ],
)
def test_formats_are_read_alike(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert read_examples(write(tmp_path, name, content), Columns(input="text", target="label")).examples == EXPECTED


def test_parquet_is_read(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    table = arrow.table({"text": [example["text"] for example in EXPECTED], "label": ["yes", "no"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert read_examples(tmp_path / "a.parquet", Columns(input="text", target="label")).examples == EXPECTED
    broken = write(tmp_path, "broken.parquet", b"PAR1 not really")
    with pytest.raises(DataError, match=r"broken\.parquet is no readable Parquet file"):
        list(read_rows(broken))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match="there is no file"):
        list(read_rows(tmp_path / "a.parquet"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"a\.parquet needs pyarrow; install it"):
        list(read_rows(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", "", "has a header and no rows, or nothing at all"),
        ("empty.jsonl", "\n\n", "has a header and no rows, or nothing at all"),
        ("empty.json", "", "has a header and no rows, or nothing at all"),
        ("header.csv", "text,label\n", "has a header and no rows"),
        ("missing.csv", "txt,label\na,b\n", "no column is named 'text'; did you mean 'txt'"),
        ("twice.csv", "text,text\na,b\n", "names the column 'text' twice"),
        ("ragged.csv", "text,label\na,b\n\nHello, world,no\n", r"row 4 \(it ends on line 4\) has 3 values where the"),
        ("short.csv", "text,label\na\n", "has 1 value where the header has 2"),
        ("quote.csv", 'text,label\n"' + "x" * 140_000, "look for a quotation mark that is never closed"),
        ("latin.csv", "text,label\nok,yes\ncaf\xe9,no\n".encode("latin-1"),
         r"is not UTF-8: byte 0xe9 at offset 21 \(line 3\); save it as UTF-8 \(in Excel: CSV UTF-8\), or convert it, "
         r"for example with `iconv"),
        ("cut.csv", b"text,label\nok\xe2\x82", r"is not UTF-8: byte 0xe2 at offset 13 \(line 2\)"),
        ("odd.csv", "text,label\na,b".encode("utf-16")[:-1], "is not UTF-16"),
        ("utf16.csv", "text,label\na,b\n".encode("utf-16-le"), "looks like UTF-16; convert it"),
        ("nul.csv", b"text,label\na\0b,c\n", "line 2: holds a NUL character; remove it"),
        ("unlabelled.csv", "text,label\na,yes\nb,\nc, \n", "2 of 3 rows of .* have nothing in the target column"),
        ("bad.jsonl", '{"text": "a", "label": "b"}\n{"text": \n', r"line 2: not valid JSON \(Expecting value"),
        ("indented.jsonl", '[\n {"text": "a"}\n]', "line 1: .* one JSON list has a name that ends in .json"),
        ("several.jsonl", '{\n "text": "a"\n}\n{\n}', r"line 1: .*; `jq -c \. FILE > lines\.jsonl` makes them"),
        ("list.jsonl", '["a"]\n', "line 1: found list, expected an object"),
        ("bad.json", "[{]", "line 1: not valid JSON"),
        ("flat.json", '{"text": "a"}', "holds no list of rows"),
        ("chat.txt", "Customer: hi", "is a text, and not rows; .*; where it holds chats, make a .csv of a column"),
        ("notes.docx", "x", r"files ending in '\.docx' are not read"),
    ],
)  # fmt: skip
def test_bad_files_are_named_with_the_way_out(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(DataError, match=message) as raised:
        read_examples(path, Columns(input="text", target="label"))
    assert name in str(raised.value)


def test_a_wrong_byte_is_found_beyond_the_first_block(tmp_path: Path) -> None:
    line = "é" * 99 + ",yes\n"
    content = ("text,label\n" + line * 12_000).encode() + b"\xff,no\n"
    path = write(tmp_path, "long.csv", content)
    with pytest.raises(DataError, match=rf"byte 0xff at offset {len(content) - 5} \(line 12002\)"):
        read_examples(path, Columns(input="text", target="label"))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*nowhere\.csv"):
        list(read_rows(tmp_path / "nowhere.csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        list(read_rows(tmp_path / "folder.csv"))


def test_a_long_file_is_sampled_by_the_seed_in_its_order(tmp_path: Path) -> None:
    path = write(tmp_path, "long.csv", "text\n" + "".join(f"{number}\n" for number in range(3_000)))
    found = read_examples(path, Columns(input="text"), most=100, seed=1)
    numbers = [int(example["text"]) for example in found.examples]
    assert len(numbers) == 100
    assert numbers == sorted(numbers)
    assert max(numbers) > 1_000
    assert found.warnings == ("long.csv has 3,000 rows; a random 100 of them (by the seed) are used",)
    assert found == read_examples(path, Columns(input="text"), most=100, seed=1)
    assert found != read_examples(path, Columns(input="text"), most=100, seed=2)


def test_a_long_file_of_samples_is_sampled_alike_and_its_first_is_one_of_them(tmp_path: Path) -> None:
    said = (json.dumps({"input": str(number), "ideal": "x"}) + "\n" for number in range(300))
    path = write(tmp_path, "long.jsonl", "".join(said))
    drawn = [[each["input"] for each in read_examples(path, Columns(), most=20, seed=seed).examples]
             for seed in range(6)]  # fmt: skip
    assert {len(numbers) for numbers in drawn} == {20}
    assert any("0" not in numbers for numbers in drawn)
    assert len(read_examples(path, Columns(), most=300).examples) == 300


def test_targets_become_words_and_blank_inputs_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"q": "x", "y": 0}\n{"q": " ", "y": 1}\n{"q": 3.5, "y": true}\n')
    columns = ColumnRoles((("text", ("question", "q")),), "y", {"0": "bad", "true": "good"})
    found = examples_from(path, read_rows(path), columns)
    assert found.examples == (Example.of("bad", text="x"), Example.of("good", text="3.5"))
    assert found.warnings == ("a.jsonl: 1 row(s) with a blank input left out",)
    with pytest.raises(DataError, match="no class is named 'true'"):
        examples_from(path, read_rows(path), ColumnRoles((("text", ("q",)),), "y", {"0": "bad", "1": "good"}))


def test_samples_share_their_system_message_as_prompt(tmp_path: Path) -> None:
    def sample(system: str, question: str, ideal: object) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        return json.dumps({"input": messages, "ideal": ideal})

    path = write(
        tmp_path, "samples.jsonl", "\n".join([sample("Be brief.", "a", "1"), sample("Be brief.", "b", ["2", "two"])])
    )
    found = read_examples(path, Columns())
    assert found.prompt == "Be brief."
    assert found.examples == (Example.of("1", input="a"), Example.of("2", ["two"], input="b"))

    path = write(tmp_path, "mixed.jsonl", "\n".join([sample("Add.", "a", "1"), sample("Subtract.", "b", "2")]))
    found = read_examples(path, Columns())
    assert found.prompt is None
    assert found.examples[1] == Example.of("2", input="Subtract.\n\nb")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"input": "a", "ideal": 3}, "'ideal' is 3, expected a text"),
        ({"input": "a", "ideal": []}, r"'ideal' is \[\]"),
        ({"input": [{"role": "system", "content": "a"}], "ideal": "b"}, "no user message"),
        ({"input": [{"role": "user"}], "ideal": "b"}, "expected an object with 'role' and 'content'"),
        ({"question": "a", "ideal": "b"}, "which column of .* is the input"),
    ],
)
def test_bad_samples_are_refused(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        read_examples(write(tmp_path, "samples.jsonl", json.dumps(row)), Columns())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip), min_size=1)
)
def test_inputs_survive_json_lines_byte_for_byte(tmp_path: Path, values: list[str]) -> None:
    path = write(tmp_path, "a.jsonl", "\n".join(json.dumps({"text": value}, ensure_ascii=False) for value in values))
    assert [example["text"] for example in read_examples(path, Columns(input="text")).examples] == values


def test_parquet_holds_text_as_bytes_and_times(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    columns = {
        "text": [b"one", "zwei ü".encode()],
        "image": [b"\xff\xd8", b"\xff\xd9"],
        "when": [datetime(2026, 1, 2, 3), datetime(2026, 1, 2, 4)],
        "price": [Decimal("1.50"), Decimal("2.00")],
        "parts": [{"raw": b"\xff"}, {"raw": b"\xfe"}],
        "label": ["yes", "no"],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    read = read_examples(tmp_path / "a.parquet", Columns(input=["text", "when"], target="price")).examples
    assert read == (
        Example.of("1.50", text="one", when="2026-01-02 03:00:00"),
        Example.of("2.00", text="zwei ü", when="2026-01-02 04:00:00"),
    )
    for column, kind in (("image", "bytes that are no UTF-8"), ("parts", "a dict")):
        with pytest.raises(DataError, match=f"row 1: the column '{column}' holds {kind}, which is no text"):
            read_examples(tmp_path / "a.parquet", Columns(input=column, target="label"))


@pytest.mark.parametrize("value", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, "9" * 5_000, '{"a":' * 100_000])
def test_json_that_python_cannot_read_is_one_sentence(tmp_path: Path, value: str) -> None:
    line = f'{{"text": {value}, "label": "x"}}'
    for name, content in (("a.jsonl", line), ("a.json", f"[{line}]")):
        with pytest.raises(DataError, match=r"nested too deeply|number that is too long|not valid JSON"):
            read_examples(write(tmp_path, name, content), Columns(input="text", target="label"))
    # In a cell of CSV it is a text.
    rows = write(tmp_path, "a.csv", f'text,label\n"{value.replace(chr(34), chr(34) * 2)}",x\n')
    if len(value) < 131_072:
        assert read_examples(rows, Columns(input="text", target="label")).examples[0]["text"] == value


def test_json_nested_deeper_than_it_can_be_written_names_the_column(tmp_path: Path) -> None:
    rows = "".join(f'{{"text": {"[" * depth}{"]" * depth}, "label": "x"}}\n' for depth in (3, 950))
    try:
        read = read_examples(write(tmp_path, "a.jsonl", rows), Columns(input="text", target="label"))
    except DataError as error:
        assert "nested too deeply" in str(error)  # noqa: PT017
    else:
        assert read.examples[0]["text"] == "[[[]]]"


@pytest.mark.parametrize(
    ("content", "kind"), [(b"\x1f\x8b\x08", "gzip"), (b"PK\x03\x04", "Excel file"), (b"PAR1", "Parquet")]
)
def test_an_archive_under_the_name_of_a_table_is_said(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content + b"\x00\xff\x00")
    with pytest.raises(DataError, match=f"{kind}.* unpack it"):
        list(read_rows(path))
