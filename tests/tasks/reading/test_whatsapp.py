"""WhatsApp's exports are texts: a line for each message, and a conversation for each day."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.errors import DataError
from promptopt.tasks.reading.chat_rows import Reading, conversations_of
from promptopt.tasks.reading.files import read_rows
from tests.ends import ends

SPEAKERS = {"Ann": "user", "The Shop": "assistant"}
ANDROID = """28/11/2026, 10:05 - Messages and calls are end-to-end encrypted. Tap to learn more.
28/11/2026, 10:05 - Ann: Where is H7?
And when: today?
28/11/2026, 10:06 - The Shop: In Graz.
29/11/2026, 09:00 - Ann: Hello
29/11/2026, 09:01 - The Shop: Hello Ann.
"""
IPHONE = """\u200e[28.11.26, 10:05:00] Ann: \u200eMessages and calls are end-to-end encrypted.
[28.11.26, 10:05:09] Ann: Where is H7?
And when: today?
[28.11.26, 10:06:01] The Shop: In Graz.
[29.11.26, 09:00:00] Ann: Hello
[29.11.26, 09:01:10] The Shop: Hello Ann.
"""
AMERICAN = (
    ANDROID.replace("10:05 -", "10:05\u202fAM -").replace("28/11/2026", "11/28/26").replace("29/11/2026", "11/29/26")
)


def read(folder: Path, text: str) -> Reading:
    (folder / "chat.txt").write_text(text, encoding="utf-8")
    return conversations_of(list(enumerate(read_rows(folder / "chat.txt"), start=1)), SPEAKERS)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [ANDROID, IPHONE, AMERICAN, ANDROID.replace("\n", "\r\n")])
def test_each_day_is_a_conversation_and_notices_are_none(text: str, tmp_path: Path) -> None:
    first, second = read(tmp_path, text).conversations
    assert [(said.role, said.content) for said in first.messages] == [
        ("user", "Where is H7?\nAnd when: today?"),
        ("assistant", "In Graz."),
    ]
    assert [said.content for said in second.messages] == ["Hello", "Hello Ann."]


@pytest.mark.parametrize(
    "media",
    ["<Media omitted>", "<Medien ausgeschlossen>", "IMG-1.jpg (file attached)", "\u200eimage omitted",
     "\u200e<attached: 1-PHOTO.jpg>"],
)  # fmt: skip
def test_a_day_with_a_picture_is_refused(media: str, tmp_path: Path) -> None:
    found = read(tmp_path, ANDROID.replace("Hello\n", f"{media}\n"))
    assert len(found.conversations) == 1
    assert "picture or a file" in next(iter(found.refused))


def test_people_who_are_not_named_are_asked_for(tmp_path: Path) -> None:
    found = read(tmp_path, ANDROID.replace("The Shop", "Bob"))
    assert "--speaker Bob=" in next(iter(found.refused))


def test_another_text_is_no_chat(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("On 28/11/2026 Ann: came.\n", encoding="utf-8")
    with pytest.raises(DataError, match="is a text, and not rows"):
        list(read_rows(tmp_path / "notes.txt"))


@ends
@pytest.mark.slow
def test_a_message_of_many_lines_is_read_at_once(tmp_path: Path) -> None:
    lines = ["28/11/2026, 10:05 - Ann: Where is H7?", *["and when?"] * 300_000]
    (conversation,) = read(tmp_path, "\n".join(lines)).conversations
    assert conversation.messages[0].content.count("\n") == 300_000
