"""A DSPy module as a proposer is shown it: the user's own classes, and what each predictor is given and gives."""

from __future__ import annotations

from typing import Any

from promptopt.dspy.untyped import Module
from promptopt.programs.source import own_bases, source_of


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
