"""Lines of text files, with a sentence for every way in which bytes are not UTF-8 text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from promptopt.errors import DataError
from promptopt.text import counted

_BYTES_AT_ONCE = 1 << 20
_PACKED = {b"\x1f\x8b": "a gzip archive", b"PK\x03\x04": "a zip archive or an Excel file", b"PAR1": "a Parquet file"}
_HEAD = 60
"""Bytes that say what a file is. Ours."""
_NO_DATA = {
    b"<!doctype html": "a page of the web, and no data: a download may have ended at a login; fetch it again",
    b"<html": "a page of the web, and no data: a download may have ended at a login; fetch it again",
    b"version https://git-lfs": "a pointer of Git LFS, and no data; fetch the file itself with `git lfs pull`",
}
_UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file with their ends, without a byte-order mark; UTF-16 is read where its mark says so.

    Raises DataError with the byte and the line for anything that is not UTF-8, and for NUL characters, which
    tokenizers and databases cannot hold.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    other = next((said for mark, said in _NO_DATA.items() if head.lstrip().lower().startswith(mark)), None)
    if other is not None:
        raise DataError(f"{path} is {other}")
    packed = next((kind for mark, kind in _PACKED.items() if head.startswith(mark)), None)
    if packed is not None:
        raise DataError(f"{path} is {packed}, whatever its name says, and no text; unpack it, or save it as CSV")
    # It begins as UTF-16 does.
    if head.startswith(_UTF32_MARKS):
        raise DataError(f"{path} is UTF-32; {_converted('UTF-32', path)}")
    encoding = "utf-16" if head.startswith(_UTF16_MARKS) else "utf-8-sig"
    try:
        # Ends of lines as they are: a quoted value of a table may hold some.
        with path.open(encoding=encoding, newline="") as stream:
            for number, line in enumerate(stream, start=1):
                if "\0" in line:
                    raise DataError(_nul(path, head, number))
                yield line
    except UnicodeError as cause:
        # Its first bytes show it; where the decoder stumbles is by chance.
        wrong = _nul(path, head, 1) if encoding != "utf-16" and 0 in head[:2] else _misencoded(path, encoding)
        raise DataError(wrong) from cause


def _nul(path: Path, head: bytes, line: int) -> str:
    # Letters of ASCII have a zero beside them in UTF-16.
    if 0 in head[:2]:
        order = "BE" if head[0] == 0 else "LE"
        return f"{path} looks like UTF-16; {_converted(f'UTF-16{order}', path)}"
    return (
        f"{path}, line {line}: holds a NUL character; remove it with `tr -d '\\000' < {path.name} > clean-{path.name}`"
    )


def _converted(encoding: str, path: Path) -> str:
    return f"convert it with `iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}`"


def _misencoded(path: Path, encoding: str) -> str:
    offset, line = _first_bad_byte(path, encoding)
    with path.open("rb") as stream:
        stream.seek(offset)
        byte = stream.read(1)
    found = f"byte 0x{byte[0]:02x}" if byte else "the end of the file"
    wrong = f"{path} is not {encoding.upper().removesuffix('-SIG')}: {found} at offset {offset} (line {line})"
    others = _lines_beside(path) if encoding != "utf-16" else 0
    if others:
        # Another encoding would spoil what is right.
        return f"{wrong}, where {counted(others, 'other line')} of it with such letters {_is(others)}; mend that line"
    return (
        f"{wrong}; save it as UTF-8 (in Excel: CSV UTF-8), or convert it, for example with "
        f"`iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8-{path.name}` (for texts in Western European "
        f"languages; others have another encoding)"
    )


def _is(count: int) -> str:
    return "is UTF-8" if count == 1 else "are UTF-8"


def _lines_beside(path: Path) -> int:
    """How many lines of the first block hold letters beyond ASCII and are UTF-8; 0 where as many are not."""
    with path.open("rb") as stream:
        lines = [line for line in stream.read(_BYTES_AT_ONCE).split(b"\n") if not line.isascii()]
    right = sum(map(_is_utf8, lines))
    # Bytes of another encoding may be UTF-8 by chance.
    return right if 2 * right > len(lines) else 0


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _first_bad_byte(path: Path, encoding: str) -> tuple[int, int]:
    """Offset and line number of the first byte that does not decode. The reader's own count is within a block."""
    # Without the form that leaves the mark out, whose three bytes count here.
    decoder = codecs.getincrementaldecoder(encoding.removesuffix("-sig"))()
    offset, line = 0, 1
    with path.open("rb") as stream:
        while True:
            block = stream.read(_BYTES_AT_ONCE)
            # Bytes of a character that began in the block before.
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as cause:
                bad = offset - pending + cause.start
                return bad, line + block[: max(0, bad - offset)].count(b"\n")
            offset += len(block)
            line += block.count(b"\n")
            if not block:
                return offset, line
