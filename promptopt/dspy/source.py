"""A DSPy module as a proposer is shown it: the user's own classes, and what each predictor is given and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from promptopt.dspy.untyped import Module
from promptopt.evaluators.metrics import function_identity, source_digest
from promptopt.programs.source import own_bases, source_of

_NOT_SETTINGS = frozenset(
    {"stage", "history", "callbacks", "demos", "traces", "train", "lm", "signature", "fields", "module_code"}
)
"""What DSPy's modules hold beside their settings: drawn at random, kept as they run, or described elsewhere."""


def own_classes(module: Module) -> list[type[object]]:
    """The classes of a module and of the modules in it, what is used before what uses it; none that DSPy brings."""
    found: dict[type[object], None] = {type(each): None for _, each in module.named_sub_modules()}
    return list(dict.fromkeys(kind for each in reversed(found) for kind in own_bases(each, "dspy")))


def source_text(module: Module) -> str:
    """The source of those classes, and a line a predictor; empty for a predictor alone, which its fields tell of."""
    lines = [f"{name}: {call_form(predictor)}" for name, predictor in module.named_predictors()]
    # A class that a function makes twice is two of one source.
    sources = list(dict.fromkeys(source for kind in own_classes(module) if (source := source_of(kind))))
    if not sources and len(lines) == 1:
        return ""
    return "\n\n".join([*sources, "\n".join(["Its predictors:", *lines])])


def call_form(predictor: Any) -> str:
    """What a predictor is given and gives, as `Predict(question) -> answer`."""
    signature = predictor.signature
    return f"{type(predictor).__name__}({', '.join(signature.input_fields)}) -> {', '.join(signature.output_fields)}"


def source_identity(thing: Any) -> str:
    """The name of a function, or of an object's class, with a digest of its source."""
    named: Any = thing if hasattr(thing, "__qualname__") else cast("Any", type(thing))
    return f"{getattr(named, '__module__', '')}:{named.__qualname__}:{source_digest(named)}"


def settings_of(student: Module) -> list[Any]:
    """By module what it holds of numbers and texts, and its tools: `max_iters`, what a predictor's calls are made with.

    What is empty is left out, and so is what DSPy brings.
    """
    found: list[Any] = []
    for name, each in student.named_sub_modules():
        own = cast("dict[str, Any]", vars(each))
        held: dict[str, Any] = {
            key: repr(value)
            for key, value in sorted(own.items())
            if key not in _NOT_SETTINGS and not key.startswith("_") and _is_plain(value) and value not in ({}, [], None)
        }
        tools: Any = getattr(each, "tools", None)
        for key, tool in cast("Mapping[str, Any]", tools).items() if isinstance(tools, dict) else ():
            called: Any = getattr(tool, "func", None)
            if callable(called) and str(getattr(called, "__module__", "")).partition(".")[0] != "dspy":
                held[f"tool {key}"] = function_identity(called)
        if held:
            found.append([name, held])
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(_is_plain(each) for pair in cast("Mapping[object, object]", value).items() for each in pair)
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in cast("Sequence[object]", value))
    return isinstance(value, str | int | float | None)
