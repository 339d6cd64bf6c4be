"""Task files that were made to hang whoever opens them, to fill the memory, or to end in Python's own errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptopt.errors import ConfigError, DataError, PromptoptError
from promptopt.tasks import companions, load_task, task_file
from tests.ends import ends

HEAD = 'labels = ["a", "b"]\ninstruction = "Classify."\n'
DATA = '[data]\nfile = "rows.csv"\n'
HUGE = "0x" + "f" * 5000


def write(folder: Path, text: str) -> Path:
    rows = "".join(f"message {n},{'a' if n % 2 else 'b'}\n" for n in range(60))
    (folder / "rows.csv").write_text(f"text,target\n{rows}", encoding="utf-8")
    (folder / "mailed.toml").write_text(text, encoding="utf-8")
    return folder / "mailed.toml"


NAMES_A_FILE = ['[judge]\nfile = "named"\n', '[contract]\noutput_schema = "named"\n']


@ends
@pytest.mark.parametrize("table", NAMES_A_FILE)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_file_that_never_ends_is_not_read(tmp_path: Path, table: str, kind: str) -> None:
    """`/dev/zero` as a rubric filled the memory."""
    if kind == "pipe":
        os.mkfifo(tmp_path / "named")
    else:
        (tmp_path / "named").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"named.* is a pipe or a device, and no file"):
        # Trusted, for a link out of the folder is asked about before it is followed.
        load_task(write(tmp_path, HEAD + DATA + table), trust=True)


@pytest.mark.parametrize("table", NAMES_A_FILE)
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"x" * 11, "named.* is larger than 10 bytes; see whether it is the right file"),
        (b"\xff\xfe", "named.* cannot be read: it is not UTF-8 text"),
        (None, "named.* cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_meant_is_a_sentence(
    tmp_path: Path, table: str, content: bytes | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companions, "LARGEST_BYTES", 10)
    if content is not None:
        (tmp_path / "named").write_bytes(content)
    with pytest.raises(DataError, match=told):
        load_task(write(tmp_path, HEAD + DATA + table))


@pytest.mark.parametrize(
    "line",
    [
        f"max_tokens = {HUGE}\n",
        f"tasks = {HUGE}\n",
        f"settings = {{a = {{b = [1, [{HUGE}]]}}}}\n",
        f"{DATA}seeds = [{HUGE}]\n",
        f"[splits]\ntrain = -{'9' * 3500}\n",
    ],
)
def test_a_number_that_python_cannot_show_is_a_sentence(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match="holds a number of more than 3,000 digits"):
        load_task(write(tmp_path, HEAD + line))


@ends
@pytest.mark.parametrize("separator", [".", " . ", "\t."])
@pytest.mark.parametrize("line", ["{} = 1\n", "[{}]\n", "x = {{{} = 1}}\n", "[[{}]]\n"])
def test_a_key_of_thousands_of_names_is_not_read(tmp_path: Path, separator: str, line: str) -> None:
    """`tomllib` took minutes for 100 KB of it."""
    key = separator.join(["a", '"b"', "c-d"] * 5_000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_task(write(tmp_path, HEAD + line.format(key)))


@pytest.mark.parametrize(
    "instruction",
    [
        "Yes. No. " * 90,
        "." * 5000,
        "1.2.3.4 " * 500,
        "One sentence of several words. " * 1000,
        "a.b.c.d.e.f " * 1000,
        "x" * 100_000,
        "e.g. i.e. etc. " * 60,
        "www.a-b.example.com/x.y?z=1. " * 300,
    ],
)
def test_prose_with_many_dots_is_read(tmp_path: Path, instruction: str) -> None:
    task = load_task(write(tmp_path, f'labels = ["a", "b"]\ninstruction = "{instruction}"\n{DATA}'))
    assert task.initial["instruction"] == instruction


def test_a_task_file_that_holds_its_data_is_told_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_file, "LARGEST_BYTES", 100)
    with pytest.raises(DataError, match="larger than 100 bytes; put examples into a file of their own"):
        load_task(write(tmp_path, HEAD + DATA + "#" * 100))


@pytest.mark.parametrize("line", ["answer = 'regex:{}'\n", "[contract]\npattern = '{}'\n"])
def test_a_sentence_about_a_long_expression_is_short(tmp_path: Path, line: str) -> None:
    with pytest.raises(PromptoptError) as raised:
        load_task(write(tmp_path, HEAD + line.format("(a|b)" * 20_000) + DATA))
    assert len(str(raised.value)) < 600


@ends
def test_many_labels_take_no_more_time_than_there_are_of_them(tmp_path: Path) -> None:
    labels = ", ".join(f'"l{number}"' for number in range(50_000))
    with pytest.raises(DataError, match="none of the labels"):
        load_task(write(tmp_path, f'labels = [{labels}]\ninstruction = "Classify."\n{DATA}'))
