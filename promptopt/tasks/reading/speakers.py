"""Who speaks in a log, and what: names of roles, and turns as programs for the chats of people write them."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

from promptopt.tasks.reading.json_objects import table_of, tables_among
from promptopt.types import ChatRole

Row = Mapping[str, object]
_ROLE_OF_SPEAKER: Mapping[str, ChatRole] = {
    "system": "system", "developer": "developer",
    **dict.fromkeys(("user", "human", "customer", "client", "visitor", "caller", "lead", "contact", "guest", "end user",
                     "enduser", "requester", "inbound", "incoming", "prompter"), "user"),
    **dict.fromkeys(("assistant", "ai", "gpt", "chatgpt", "bot", "model", "agent", "support", "operator", "chatbot",
                     "bard", "bing", "claude", "gemini", "copilot", "admin", "ai agent", "ai assistant",
                     "virtual agent", "virtual assistant", "automated agent", "human agent", "support agent",
                     "representative", "business", "outbound", "outgoing", "aimessage", "apimessage", "botmessage",
                     "assistantmessage", "assistant message", "bot message"), "assistant"),
    **dict.fromkeys(("usermessage", "humanmessage", "user message"), "user"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "function response", "tool response"), "tool"),
}  # fmt: skip
"""What logs call those who speak."""
SHOWN_REPLY = "example_assistant"
"""The name under which a prompt shows a reply: nobody gave it."""
SHOWN_TURNS: Mapping[str, ChatRole] = {"example_user": "user", SHOWN_REPLY: "assistant"}
"""Names of system messages that show a turn, as OpenAI's guides had them."""
SPEAKERS = ("role", "speaker", "sender_type", "author_type", "sender_role", "author_role", "participant_role",
            "actor_type", "message_type", "direction", "author", "sender", "from", "participant", "participant_id",
            "source", "who")  # fmt: skip
"""Members that say who spoke, however words are joined in them."""
_ASKS = ("incoming", "is_inbound", "from_customer", "is_user", "from_user", "is_created_by_user")
_FROM_ASSISTANT = ("from_agent", "is_bot", "from_bot", "is_agent", "outgoing", "is_outbound")
"""Members that say by yes or no whether the customer spoke, and whether the other side did."""
_PRIVATE = ("private", "isprivate", "internal", "isinternal", "isnote", "isinternalnote")
_SHOWN = ("public", "ispublic")
_NOT_PUBLIC = ("private", "internal", "agents")
_KIND_FIELDS = ("parttype", "type", "messagetype", "commenttype")
"""Members that tell notes by their kind, as `joined_words` writes them; that of Intercom first."""
_YES, _NO = ("true", "t", "1", "yes"), ("false", "f", "0", "no")
"""How tables write a flag."""
_NOTED = ("note", "privatenote", "internalnote", "internalcomment", "privatecomment")
"""Kinds of turns that colleagues alone see, as `joined_words` writes them."""
_IS_BOT = ("isBot", "is_bot", "bot")
"""Members of an author that say whether it is a program; the others are then users."""
FILES = ("files", "message_files", "experimental_attachments", "images", "attachments", "num_media")
"""Where what was sent beside the text of a turn stands."""
_OF_A_FILE = ("content_type", "contentType", "content_url", "mime_type", "mimetype", "file_name", "fileName",
              "url_private", "file_id", "file_type", "data_url")  # fmt: skip
"""Members of a file among attachments. Slack calls the look of a link one too."""
_NO_FILES = ("text/html", "text/plain", "messageReference")
"""Kinds of attachments that are the text again, or what it answers, as Teams has them."""
_COUNTS = re.compile(r"[1-9]\d{0,3}")
_SPEECH_FIELDS = ("content", "value", "tool_calls", "function_call", "parts")
"""Members of which a model's message has one."""
_SPOKEN = ("text", "message", "msg", "mes", "messageText", "utterance", "plain_body", "body_text", "stripped_text",
           "body")  # fmt: skip
"""Members of a turn that are not those of a model's messages."""
_SPEECH_TEXT_FIELDS = ("content", "value", *_SPOKEN)
_SAID = ("text", "choice", "dropdown", "single-choice", "markdown")
"""Kinds of contents whose `text` is what was said; a picture may have one, too."""
# Zendesk and others give people by numbers, and say in the ticket whose it is.
_ASKERS = ("requester_id", "customer_id", "contact_id", "visitor_id", "end_user_id")
PARTICIPANTS = ("users", "participants", "members")
"""Lists of those who take part in a chat, with an id and what they are."""
_AUTHORS = ("author_id", "sender_id", "user_id", "from_id")
# A turn of another kind is no speech: Rasa's events, Intercom's parts.
_EVENT_FIELDS = ("event", "part_type")
_NEWS = ("event", "service")
_HTML_BLOCK = re.compile(r"\s*<(p|div|ul|ol|h\d)\b.*</\w+>\s*", re.DOTALL | re.IGNORECASE)
_SLACK_LINK = re.compile(r"<(?:mailto:|tel:)?([#!@]?)([^<>|\s]+)(?:\|([^<>|]+))?>")
"""A link, channel, group or person between brackets; what is shown of it stands behind the bar."""
_PICTURE = re.compile(r"<img\b[^<>]*\ssrc\s*=", re.IGNORECASE)


def is_speaker(said: str) -> bool:
    """Whether those who write logs call one of those who speak so."""
    return _folded_speaker(said) in _ROLE_OF_SPEAKER


def known_role(said: str) -> ChatRole:
    """The role of a speaker that `is_speaker` knows."""
    return _ROLE_OF_SPEAKER[_folded_speaker(said)]


def few_shot_role(name: object, role: str) -> ChatRole | None:
    """Whose turn a system message of this name shows; None for any other message."""
    return SHOWN_TURNS.get(str(name)) if role == "system" else None


@lru_cache(maxsize=4096)
def joined_words(name: str) -> str:
    """A name of a member without case and without what joins its words: `Ticket ID` is `ticket_id` and `ticketId`."""
    return "".join(character for character in name.casefold() if character.isalnum())


def as_spoken(table: dict[str, object]) -> dict[str, object]:
    """A turn as programs for people's chats write it, as a message; the table itself where it is none.

    Only by a name of a speaker that is known: reviews and comments have authors and texts too.
    """
    # Some programs write that nothing was called beside every text.
    held = (
        any(name in table and table[name] not in ([], None) for name in _SPEECH_FIELDS)
        or table.get("content", "") is None
    )
    if isinstance(table.get("role", table.get("from")), str) and held:
        return table
    said = next((table[name] for name in _SPEECH_TEXT_FIELDS if isinstance(table.get(name), str)), None)
    if said is None:
        # Sunshine and Botpress say of what kind a content is, and Amazon Connect writes names with a capital.
        plain = {joined_words(name): value for name, value in table.items()}
        # Of what kind it is may stand beside it.
        kind = {"type": table.get("type")} if isinstance(table.get("payload"), dict) else {}
        held = ({**kind, **table_of(plain.get(name))} if table_of(plain.get(name)) else
                {"type": "text", "text": plain.get(name)} for name in (*_SPEECH_TEXT_FIELDS, "payload"))  # fmt: skip
        said = next((each["text"] for each in held if each.get("type") in _SAID and isinstance(each.get("text"), str)),
                    None)  # fmt: skip
    speaker = None if said is None else _speaker(table)
    if speaker is None:
        return table
    return {**table, "role": speaker, "content": plain_text(str(said))}


def turns_of(row: Row) -> Row:
    """The row with roles for the turns of a ticket, and without what in it was not said to the customer."""
    found: dict[str, object] = dict(row)
    parts = row.get("conversation_parts")
    if isinstance(parts, dict):
        # Intercom has what opened a conversation beside its parts.
        parts = cast("dict[str, object]", parts).get("conversation_parts")
    if isinstance(parts, list):
        opened = [row["source"]] if isinstance(row.get("source"), dict) else []
        found["conversation"] = [*opened, *cast("list[object]", parts)]
    people = _people(row)
    places = (row, table_of(row.get("ticket")))
    asker = next((place[name] for place in places for name in _ASKERS if isinstance(place.get(name), str | int)), None)
    opening = row.get("description_text")
    for name, value in found.items():
        tables = tables_among(value)
        if not tables or len(tables) < len(cast("list[object]", value)):
            continue
        if name == "conversations" and isinstance(opening, str) and any("incoming" in each for each in tables):
            # Freshdesk has what opened a ticket beside its conversations.
            asked: dict[str, object] = {"incoming": True, "body_text": opening}
            tables = [asked, *tables]
        found[name] = [_by_asker(each, asker, people) for each in tables if is_public(each)]
    return found


def answered_by_users(listed: list[object]) -> list[object]:
    """The turns; where one of the two sides is called a contact, and the other a user, the user is of the desk."""
    tables = tables_among(listed)
    named = {name for each in tables if (name := _speaker(each)) is not None}
    others = {name for name in named if _folded_speaker(name) != "user"}
    if len(tables) < len(listed) or others == named or not others or {known_role(name) for name in others} != {"user"}:
        return listed
    return [
        {**each, "role": "assistant"} if _folded_speaker(_speaker(each) or "") == "user" else each for each in tables
    ]


def has_files(turn: Row) -> bool:
    """Whether something was sent beside the text of a turn."""
    # By their places there: the last is a number, and the one before it may hold names and links too.
    *listed, attached, counted = FILES
    held = turn.get(attached)
    beside = cast("list[object]", held) if isinstance(held, list) else []
    whole = any(isinstance(turn.get(name), list) and turn[name] for name in listed)
    # Attachments may be names of files, and links that are shown.
    named = any(isinstance(each, str) for each in beside)
    files = [table for table in tables_among(beside) if any(name in table for name in _OF_A_FILE)]
    marked = any(str(table.get("contentType", table.get("content_type"))) not in _NO_FILES for table in files)
    return whole or named or marked or _COUNTS.fullmatch(str(turn.get(counted))) is not None


def is_pictured(text: str) -> bool:
    """Whether a turn that is HTML shows a picture."""
    return _HTML_BLOCK.fullmatch(text) is not None and _PICTURE.search(text) is not None


def spoken_alone(listed: list[object]) -> list[object]:
    """The turns of a list that has events of other kinds beside them; any other list as it is."""
    # Events are told so by Amazon Connect, and services by Telegram.
    listed = [
        each for each in listed if str(table_of(each).get("type", table_of(each).get("Type"))).casefold() not in _NEWS
    ]
    tables = tables_among(listed)
    # Zendesk's chats have types such as `chat.msg`.
    marked = [
        each for each in tables
        if any(name in each for name in _EVENT_FIELDS) or str(each.get("type")).startswith("chat.")
    ]  # fmt: skip
    said = [each for each in tables if as_spoken(each) is not each]
    return list(said) if said and len(marked) * 2 > len(listed) else listed


def is_public(turn: Row) -> bool:
    """Whether the customer saw this turn: notes are what colleagues tell each other."""
    # However a table writes the name of such a column.
    said = {joined_words(name): str(value).casefold() for name, value in turn.items()}
    kinds = [said[name] for name in _KIND_FIELDS if name in said]
    noted = any(joined_words(each) in _NOTED for each in kinds) or said.get(_KIND_FIELDS[0], "").startswith("note")
    hidden = any(said.get(name) in _YES for name in _PRIVATE) or said.get("visibility") in _NOT_PUBLIC
    return not (noted or hidden or any(said.get(name) in _NO for name in _SHOWN))


def _people(row: Row) -> dict[str, str]:
    """What those are who take part in a chat, by their ids, where it lists them."""
    listed = [each for name in PARTICIPANTS for each in tables_among(row.get(name))]
    return {str(each["id"]): said for each in listed if "id" in each and (said := _speaker({"who": each})) is not None}


def _by_asker(turn: dict[str, object], asker: object, people: Mapping[str, str]) -> dict[str, object]:
    author = next((turn[name] for name in _AUTHORS if isinstance(turn.get(name), str | int)), None)
    # What a turn says itself goes before what its author's number tells.
    if author is None or _speaker(turn) is not None or (asker is None and str(author) not in people):
        return turn
    known = people.get(str(author), "user" if str(author) == str(asker) else "assistant")
    return {**turn, "role": known}


def _speaker(table: Row) -> str | None:
    """A name of who speaks that is known: of the member itself, or of the kind or role in it."""
    plain = {joined_words(name): value for name, value in table.items()}
    given = [plain.get(joined_words(name)) for name in SPEAKERS]
    for names, yes, no in ((_ASKS, "user", "assistant"), (_FROM_ASSISTANT, "assistant", "user")):
        flag = next(
            (plain[joined_words(name)] for name in names if isinstance(plain.get(joined_words(name)), bool)), None
        )
        given += [yes if flag else no] if flag is not None else []
    # Rasa names who speaks by the kind of an event.
    given += [table["event"]] if isinstance(table.get("text"), str) and "event" in table else []
    for value in given:
        inner = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        for name in (cast("object", value), inner.get("role"), inner.get("type")):
            if isinstance(name, str) and is_speaker(name):
                return name
        program = next((inner[name] for name in _IS_BOT if isinstance(inner.get(name), bool)), None)
        if program is not None:
            return "bot" if program else "user"
    return None


def plain_text(text: str) -> str:
    """A text without the marks of HTML, where all of it is HTML, as help desks keep it."""
    if not _HTML_BLOCK.fullmatch(text) or is_pictured(text):
        return text
    broken = re.sub(r"<br\s*/?>|</(p|div|li|h\d)>", "\n", text, flags=re.IGNORECASE)
    return html.unescape(re.sub(r"<[^<>]*>", "", broken)).strip()


def slack_text(text: str) -> str:
    """A text of Slack's as people see it: it writes three signs as HTML does, and links and names between brackets."""
    # Links first: a bracket that somebody typed is `&lt;`.
    shown = _SLACK_LINK.sub(_slack_link, text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _slack_link(found: re.Match[str]) -> str:
    kind, of, shown = found.groups()
    if not kind:
        # Where it leads is a part of what was said.
        return of if shown is None or shown in of else f"{shown} ({of})"
    if shown is None:
        return f"@{of}" if kind == "!" else found[0]
    return f"{'#' if kind == '#' else '@'}{shown.lstrip('#@')}"


def _folded_speaker(said: str) -> str:
    return " ".join(said.casefold().replace("_", " ").replace("-", " ").split())
