"""Every call of an LM of DSPy's, seen before it is made: it has no hook of its own that could answer one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from promptopt.dspy.untyped import LM, LMRequest, as_an_adapters, dspy, request_kwargs
from promptopt.dspy.wire import MAX_TOKENS, TEMPERATURE, asked
from promptopt.errors import ConfigError

Given = Sequence[Any]
"""The arguments of a call by their place."""
Named = Mapping[str, Any]
"""The arguments of a call by name."""
Instead = Callable[[LM, Given, Named], tuple[LM, Given, Named]]
"""A call of an LM to the one that is made in its place: the same, or another LM, and what that is given."""

CONTENT = frozenset(("prompt", "messages", "request"))
"""What a call asks, beside which stand the settings that it asks by."""
PASSED = frozenset(
    ("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "n", "num_generations", "cache",
     "rollout_id")
)  # fmt: skip
"""Settings of a call that a request of promptopt's carries, and those of DSPy's that are never sent."""
USUAL: Named = {"temperature": TEMPERATURE, "max_tokens": MAX_TOKENS, "top_p": 1.0}
"""What a request carries where nothing is set, so that it does not tell whether a call names it."""
BEYOND_TEXT = frozenset(
    ("tools", "tool_choice", "functions", "function_call", "modalities", "audio", "prediction", "prompt_cache")
)
"""Settings that ask for more than a text."""
NOT_KEPT = frozenset(("logprobs", "top_logprobs"))
"""Settings that ask for what a reply of promptopt's does not hold."""
WATCHED = "_promptopt_watched"


def watch_every_call(instead: Instead) -> None:
    """From here on `instead` says what a call of an LM goes to, of classes with a call of their own too."""
    for kind in _classes(dspy.BaseLM):
        for name in ("__call__", "acall"):
            own: Any = vars(kind).get(name)
            if own is not None and not hasattr(own, WATCHED):
                setattr(kind, name, _watched(own, name, instead))


def whole_request(given: Given, named: Named) -> LMRequest | None:
    """The request that a call is given whole, which DSPy sends as it stands; None where it is given texts."""
    prompt = given[0] if given else named.get("prompt", named.get("request"))
    return prompt if isinstance(prompt, dspy.lm15.Request) else None


def is_plain(given: Given, named: Named) -> bool:
    """Whether a call asks for a text by texts, and for nothing else."""
    if not (BEYOND_TEXT | NOT_KEPT).isdisjoint(name for name, value in named.items() if value is not None):
        return False
    request = whole_request(given, named)
    if request is not None:
        return _is_text(request)
    messages: Any = named.get("messages")
    told: list[Any] = [] if messages is None else list(messages)
    return all(_is_message(each) for each in told)


def settings_of(lm: LM, given: Given, named: Named) -> dict[str, Any]:
    """What a call of an LM of the run's is to be asked by, beyond what a request of promptopt's carries."""
    request = whole_request(given, named)
    if request is not None:
        # It is sent as it stands, without what the LM was made with.
        asked_by: Named = request_kwargs(request, "chat")
    else:
        # Those of a copy that a program made, as `lm.copy(seed=7)`; the run's own has none.
        asked_by = {**lm.kwargs, **named}
    left_out = CONTENT | PASSED | BEYOND_TEXT
    return {
        name: value
        for name, value in asked_by.items()
        if value is not None and (name not in left_out or value == USUAL.get(name))
    }


def without_settings(lm: LM, given: Given, named: Named) -> tuple[Given, Named]:
    """The same call with those settings alone that a request of promptopt's carries."""
    request = whole_request(given, named)
    if request is not None:
        config = request.config
        kept = dspy.lm15.Config(
            temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens, stop=config.stop
        )
        bare = replace(request, config=kept)
        rest = {name: value for name, value in named.items() if name in ("cache", "rollout_id")}
        return (bare,), rest
    own = {name: value for name, value in lm.kwargs.items() if name in PASSED}
    allowed = CONTENT | PASSED | BEYOND_TEXT
    return given, own | {name: value for name, value in named.items() if name in allowed}


def _classes(kind: type[object]) -> list[type[object]]:
    found = [kind]
    for each in kind.__subclasses__():
        found += _classes(each)
    return found


def _watched(own: Any, name: str, instead: Instead) -> Any:
    @functools.wraps(own)
    def call(lm: LM, *given: Any, **named: Any) -> Any:
        found, asked, by = instead(lm, given, named)
        if found is lm:
            return own(lm, *asked, **by)
        with as_an_adapters(found, named.get("messages")):
            return found(*asked, **by)

    @functools.wraps(own)
    async def acall(lm: LM, *given: Any, **named: Any) -> Any:
        found, asked, by = instead(lm, given, named)
        if found is lm:
            return await own(lm, *asked, **by)
        with as_an_adapters(found, named.get("messages")):
            return await found.acall(*asked, **by)

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
