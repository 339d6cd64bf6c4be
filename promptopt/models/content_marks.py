"""What stands for the contents of messages while a chat template's own text is found out."""

from __future__ import annotations

from collections.abc import Sequence

CONTENT_MARK = "\ue000{}\ue001"
"""Private-use characters, which no template alters."""


def content_marks(count: int) -> list[str]:
    """A mark for each of so many contents, none of them a part of another."""
    return [CONTENT_MARK.format(number) for number in range(count)]


def as_templates_write(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """The contents as they are, and without the white space around them: some templates trim."""
    return list(texts), [text.strip() for text in texts]
