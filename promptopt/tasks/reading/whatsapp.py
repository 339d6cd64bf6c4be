"""Chats that WhatsApp exports as a text: a line for each message, with its time and who wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

_MESSAGE_LINE = re.compile(
    r"[\u200e\u200f\ufeff]*\[?(\d{1,4}[./-]\d{1,2}[./-]\d{1,4}),?\s(\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:\s?[AaPp]\.?\s?[Mm]\.?)?)"
    r"(?:\]|\s[-–])\s(.*)"
)
"""`[28/11/26, 10:05:00] Ann: …` on an iPhone, `28/11/26, 10:05 - Ann: …` on Android."""
_NAME_AND_TEXT = re.compile(r"[\u200e\u200f]*([^:]{1,60}):(?:\s(.*))?", re.DOTALL)
_NOTICE = "\u200e"
"""What an iPhone writes before what no person wrote: notices, and what stands for a picture."""
_LEFT_OUT = re.compile(r"omitted|weggelassen|weggelaten|omitid|omis|omess", re.IGNORECASE)
_MEDIA = re.compile(
    r"<[^<>\n]{3,60}>|.*<[^<>\n]{0,20}: \S{1,80}\.\w{2,4}>.*|\S.{0,80}\.\w{2,4} \([^()\n]{3,40}\).*", re.DOTALL
)
"""`<Media omitted>`, `<attached: 1.jpg>` and `IMG-1.jpg (file attached)`, in any language."""
LINES_LOOKED_AT = 50
"""Lines, at most, among which one of a message has to stand."""


def is_exported(lines: Iterable[str]) -> bool:
    """Whether these are the first lines of such a text."""
    return any(_MESSAGE_LINE.match(line) for line in lines)


def exchanged(lines: Iterable[str]) -> Iterator[dict[str, object]]:
    """A row for each message; what was written on one day is one conversation. What nobody said is left out."""
    day, begun = "", list[str]()
    for line in lines:
        line = line.rstrip("\r\n")
        found = _MESSAGE_LINE.match(line)
        if found is not None:
            yield from _message_row(day, begun)
            day, begun = found[1], [found[3]]
        elif begun:
            begun.append(line)
    yield from _message_row(day, begun)


def _message_row(day: str, lines: Sequence[str]) -> Iterator[dict[str, object]]:
    said = _NAME_AND_TEXT.fullmatch("\n".join(lines))
    if said is None:
        return
    text = (said[2] if said[2] is not None else "").strip()
    shown = _MEDIA.fullmatch(text.removeprefix(_NOTICE)) or (text.startswith(_NOTICE) and _LEFT_OUT.search(text))
    if text.startswith(_NOTICE) and not shown:
        return
    # Which of 1/10 is the month, nobody knows: the lines are in their order as they are.
    row: dict[str, object] = {"conversation_id": day, "speaker": said[1], "message": text}
    yield {**row, "files": [{"file_name": text}]} if shown else row
