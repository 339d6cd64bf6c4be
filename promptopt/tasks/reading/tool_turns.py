"""Calls of tools in a log, and their results, in the order and under the names that a server takes them by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, count

from promptopt.types import Message, ToolCall


def results_behind_calls(messages: Sequence[Message], counts: Counter[str]) -> list[int]:
    """The places of the messages, each result's behind that of the call which it names.

    In a log others may speak while a tool is at work, or two calls stand before both results; no server takes that.
    """
    waiting: dict[str, int] = {}
    behind: dict[int, list[int]] = {}
    for place, message in enumerate(messages):
        waiting |= {call.id: place for call in message.tool_calls if call.id}
        if message.role == "tool" and message.tool_call_id in waiting:
            behind.setdefault(waiting.pop(message.tool_call_id), []).append(place)
    tools_before = [0, *accumulate(message.role == "tool" for message in messages)]
    counts["moved"] += sum(
        tools_before[place] - tools_before[call] < place - call - 1
        for call, results in behind.items()
        for place in results
    )
    taken = {place for results in behind.values() for place in results}
    return [each for place in range(len(messages)) if place not in taken for each in (place, *behind.get(place, ()))]


def paired_calls(messages: Sequence[Message], counts: Counter[str]) -> list[tuple[Message, int]]:
    """The messages with their places: every call with an id of its own, every result behind its call.

    They go up to a call without a result.
    """
    found: list[tuple[Message, int]] = []
    waiting: list[tuple[ToolCall, str]] = []
    taken = {call.id for message in messages for call in message.tool_calls}
    given: set[str] = set()
    calls = 0
    for place, message in enumerate(messages):
        if message.role == "tool":
            answered = _answered(message, waiting)
            if answered is None:
                counts["orphan"] += 1
                continue
            waiting.remove(answered)
            found.append((replace(message, tool_call_id=answered[1]), place))
            continue
        # A call without a result: a server refuses such messages, so the conversation ends before them.
        if waiting:
            break
        waiting = []
        for number, call in enumerate(message.tool_calls, start=calls + 1):
            # Some programs count calls anew in each turn, and servers take an id once.
            numbers = (f"call_{each}" for each in count(number))
            own = call.id and call.id not in given
            id = call.id if own else next(each for each in numbers if each not in taken)
            given.add(id)
            taken.add(id)
            waiting.append((call, id))
        calls += len(waiting)
        named = tuple(replace(call, id=id) for call, id in waiting)
        found.append((replace(message, tool_calls=named), place))
    if waiting:
        # The log ends in the middle of calls; the call itself may still be what is scored, so it stays, without the
        # results.
        begin = max(number for number, (message, _) in enumerate(found) if message.tool_calls)
        if begin < len(messages) - 1:
            counts["cut call"] += 1
        del found[begin + 1 :]
    return found


def _answered(result: Message, waiting: Sequence[tuple[ToolCall, str]]) -> tuple[ToolCall, str] | None:
    """The call that a result belongs to: by its id, else by the tool that it names, else the first in order."""
    if result.tool_call_id:
        return next((each for each in waiting if each[0].id == result.tool_call_id), None)
    # Gemini's calls have no ids, and their results may come in any order.
    return next((each for each in waiting if each[0].name == result.name), next(iter(waiting), None))
