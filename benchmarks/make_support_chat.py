"""Writes the data of the task `support-chat`, conversations and labels: the same bytes each time.

usage: python -m benchmarks.make_support_chat. Sentences are this project's own. A conversation is a scene (what the
customer wants, which tool is asked, what happens), put together from sentences written for that scene; the seed says
which of them, and with which names and numbers.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support_chat_scenes import (
    ALTERED,
    FAULTS,
    GREETINGS,
    INVENTED,
    NAMES,
    SCENES,
    THANKS,
    Exchange,
    Scene,
)

LIBRARY = Path(__file__).parent.parent / "promptopt" / "tasks" / "library"
EACH = 12
"""Conversations of a scene."""
LABELLED = 60
ITEMS = ("rain jacket Fjell", "tent Lofoten 2", "boots Tinder", "headlamp Glim", "sleeping bag Vinter",
         "backpack Rute 45", "stove Ember", "down vest Sky", "trekking poles Stav", "thermos Varm", "fleece Kveld",
         "rope bag Knute")  # fmt: skip
SIZES = ("S", "M", "L", "XL", "38", "41", "43")
CITIES = ("Bergen", "Graz", "Utrecht", "Lyon", "Porto", "Aarhus", "Turku", "Galway", "Leeds", "Ghent")
PLANS = ("basic", "basic", "trail", "summit")
TOOLS = (
    ("find_order", "Status of an order.", {"order": "string"}),
    ("create_return", "Opens a return and sends a label.", {"order": "string", "reason": "string"}),
    ("find_stock", "Pieces in stock.", {"item": "string", "size": "string"}),
    (
        "change_address",
        "Changes where an order goes; works before dispatch only.",
        {"order": "string", "address": "string"},
    ),
    ("hand_over", "Passes the conversation to a person.", {"reason": "string"}),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a conversation is filled with."""

    values: dict[str, str]
    rng: random.Random

    def say(self, texts: Sequence[str]) -> str:
        """One of the texts, filled."""
        return self.rng.choice(texts).format(**self.values)

    def demands(self, exchange: Exchange) -> list[dict[str, Any]]:
        """What an exchange demands, filled."""
        return [{key: self._filled(key, value) for key, value in demand.items()} for demand in exchange.demands]

    def _filled(self, key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._filled(key, each) for each in value]
        text = value.format(**self.values) if isinstance(value, str) else value
        return float(text) if key == "number" else text


def tools() -> list[dict[str, Any]]:
    """The tools in OpenAI's form."""
    return [
        {"type": "function", "function": {
            "name": name, "description": description,
            "parameters": {"type": "object", "required": list(fields),
                           "properties": {field: {"type": kind} for field, kind in fields.items()}}}}
        for name, description, fields in TOOLS
    ]  # fmt: skip


def conversation(scene: Scene, number: int, attempt: int) -> dict[str, Any]:
    """One conversation of a scene, as a row; another one for each attempt.

    What is scored is its last reply: by turns the call of the scene's tool, the answer to the opening, and the answer
    to one or two questions after it.
    """
    rng = random.Random(f"support-chat/{scene.name}/{number}/{attempt}")
    name, day = rng.choice(NAMES), rng.randint(1, 27)
    values = {
        "name": name, "order": f"H{rng.randint(100_000, 999_999)}", "item": rng.choice(ITEMS),
        "size": rng.choice(SIZES), "city": rng.choice(CITIES), "days": str(rng.randint(2, 9)),
        "amount": f"{rng.randint(19, 240)}.{rng.choice(('00', '50', '90'))}",
        "date": f"{rng.randint(1, 27)} October", "left": str(rng.randint(2, 14)),
    }  # fmt: skip
    drawn = Drawn(values, rng)
    opening = rng.choice(scene.opens)
    messages: list[dict[str, Any]] = []
    asked_back = bool(scene.asks) and number % 3 > 0
    calls = bool(scene.tool) and number % 4 == 2
    # What is scored has more than one turn of the customer before it.
    if not asked_back and number % 2 == 0:
        greeting, greeted = rng.choice(GREETINGS)
        messages += [_said("user", greeting), _said("assistant", greeted.format(**values))]
    messages.append(_said("user", drawn.say(opening.says)))
    if asked_back:
        messages += [_said("assistant", drawn.say(scene.asks)), _said("user", drawn.say(scene.tells))]
    demands: list[dict[str, Any]] = []
    if scene.tool:
        arguments = {key: value.format(**values) for key, value in scene.arguments.items()}
        messages.append(_called(scene.tool, arguments))
        demands = _to_call(scene.tool, {key: arguments[key] for key in scene.demanded})
    if not calls:
        demands = _answered(drawn, scene, opening, number, messages)
    return {
        "conversation": f"{scene.name}-{number:02}",
        "messages": messages,
        "tools": tools(),
        "variables": {"name": name, "plan": rng.choice(PLANS), "today": f"{day} November 2026", "topic": scene.name},
        "demands": demands,
    }


def _answered(
    drawn: Drawn, scene: Scene, opening: Exchange, number: int, messages: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Adds what is said from the tool's result on, and gives the demands on its last reply."""
    if scene.tool:
        messages.append({"role": "tool", "content": drawn.say(scene.results), "tool_call_id": "call_1"})
    messages.append(_said("assistant", drawn.say(opening.replies)))
    asked = sum(message["role"] == "user" for message in messages)
    if asked > 1 and number % 2 == 0:
        return drawn.demands(opening)
    first, second = drawn.rng.sample(scene.follows, 2)
    if number % 4 == 3 and not first.calls:
        thanks, leads = drawn.rng.choice(THANKS)
        messages += [_said("user", drawn.say(first.says)), _said("assistant", drawn.say(first.replies))]
        messages.append(_said("user", f"{thanks} {leads} {drawn.say(second.says)}"))
    else:
        second = first
        messages.append(_said("user", drawn.say(second.says)))
    if second.calls:
        messages.append(_called(second.calls, {"reason": "asks for a person"}))
        return _to_call(second.calls, {})
    messages.append(_said("assistant", drawn.say(second.replies)))
    return drawn.demands(second)


def _to_call(tool: str, arguments: dict[str, str]) -> list[dict[str, Any]]:
    """The demands of a turn whose right answer is a call: that one, and no other that does something."""
    others = [name for name, _, _ in TOOLS if name != tool]
    return [
        {"calls": tool, **({"with": arguments} if arguments else {}), "name": "call"},
        {"never_calls": others, "name": "no other call"},
    ]


def _said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def _called(tool: str, arguments: dict[str, str]) -> dict[str, Any]:
    written = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": written}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def conversations() -> list[dict[str, Any]]:
    """All of them, scenes in turn; none whose customer says what another one says."""
    found: dict[str, dict[str, Any]] = {}
    for number in range(EACH):
        for scene in SCENES:
            drawn = (conversation(scene, number, attempt) for attempt in itertools.count())
            row, said = next((row, said) for row in drawn if (said := _heard(row)) not in found)
            found[said] = row
    return list(found.values())


def _heard(row: dict[str, Any]) -> str:
    return json.dumps([message["content"] for message in row["messages"][:-1]])


def labels(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Judged replies to the last question of some conversations: as many good ones as faulty ones of each kind."""
    from promptopt.tasks.reading.chat_messages import placed_messages
    from promptopt.types import transcript

    found: list[dict[str, Any]] = []
    spoken = [row for row in rows if row["messages"][-1]["content"]]
    step = len(spoken) / LABELLED
    for place in range(LABELLED):
        row = spoken[int(place * step)]
        scene = next(each for each in SCENES if row["conversation"].startswith(f"{each.name}-"))
        rng = random.Random(f"support-chat/labels/{place}")
        *before, last = row["messages"]
        fault = FAULTS[place % len(FAULTS)]
        values = {"name": row["variables"]["name"], "topic": scene.about, "good": last["content"]}
        values["altered"] = altered(last["content"], rng.choice(INVENTED).format(**values))
        shown = {name: row["variables"][name] for name in ("name", "plan", "today")}
        found.append({
            "conversation": row["conversation"], **shown,
            "history": transcript([message for message, _ in placed_messages(before)]),
            "reply": rng.choice(fault.texts).format(**values), "score": fault.score, "fault": fault.name,
            "group": row["conversation"],
        })  # fmt: skip
    return found


def altered(reply: str, otherwise: str) -> str:
    """The reply with its facts exchanged for wrong ones; what is invented, where it holds none of them."""
    wrong = reply
    for right, false in ALTERED:
        wrong = wrong.replace(right, false).replace(right.capitalize(), false.capitalize())
    return otherwise if wrong == reply else wrong


def main() -> None:
    """Write both files."""
    rows = conversations()
    for name, written in (("support-chat.jsonl", rows), ("support-chat-labels.jsonl", labels(rows))):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in written)
        (LIBRARY / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
