"""Every call of an LM of DSPy's, seen before it is made: it has no hook of its own that could answer one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from promptopt.dspy.untyped import LM, LMRequest, as_an_adapters, dspy
from promptopt.dspy.wire import asked
from promptopt.errors import ConfigError

Instead = Callable[[LM, Sequence[Any], Mapping[str, Any]], LM]
"""(the LM, the arguments of its call by place, and by name) to the LM that is called in its place: itself, or another.
"""

PLAIN = frozenset(
    ("prompt", "messages", "request", "temperature", "top_p", "max_tokens", "stop", "n", "cache", "rollout_id")
)
"""What a call may be given for the run to ask it."""
WATCHED = "_promptopt_watched"


def watch_every_call(instead: Instead) -> None:
    """From here on `instead` says what a call of an LM goes to, of classes with a call of their own too."""
    for kind in _classes(dspy.BaseLM):
        for name in ("__call__", "acall"):
            own: Any = vars(kind).get(name)
            if own is not None and not hasattr(own, WATCHED):
                setattr(kind, name, _watched(own, name, instead))


def is_plain(given: Sequence[Any], named: Mapping[str, Any]) -> bool:
    """Whether a call asks for a text by texts, and for nothing else."""
    if not PLAIN.issuperset(name for name, value in named.items() if value is not None):
        return False
    prompt = given[0] if given else named.get("prompt", named.get("request"))
    if isinstance(prompt, dspy.lm15.Request):
        return _is_text(prompt)
    messages: Any = named.get("messages")
    told: list[Any] = [] if messages is None else list(messages)
    return all(_is_message(each) for each in told)


def _classes(kind: type[object]) -> list[type[object]]:
    found = [kind]
    for each in kind.__subclasses__():
        found += _classes(each)
    return found


def _watched(own: Any, name: str, instead: Instead) -> Any:
    @functools.wraps(own)
    def call(lm: LM, *given: Any, **named: Any) -> Any:
        found = instead(lm, given, named)
        if found is lm:
            return own(lm, *given, **named)
        with as_an_adapters(found, named.get("messages")):
            return found(*given, **named)

    @functools.wraps(own)
    async def acall(lm: LM, *given: Any, **named: Any) -> Any:
        found = instead(lm, given, named)
        if found is lm:
            return await own(lm, *given, **named)
        with as_an_adapters(found, named.get("messages")):
            return await found.acall(*given, **named)

    made = call if name == "__call__" else acall
    setattr(made, WATCHED, True)
    return made


def _is_text(request: LMRequest) -> bool:
    try:
        asked(request)
    except ConfigError:
        return False
    return True


def _is_message(given: Any) -> bool:
    content = cast("dict[str, Any]", given).get("content") if isinstance(given, dict) else None
    if not isinstance(content, list):
        return isinstance(content, str)
    parts = cast("list[Any]", content)
    return all(isinstance(part, dict) and cast("dict[str, Any]", part).get("type") == "text" for part in parts)
