"""Demonstrations of ours as those of DSPy's predictors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from promptopt.dspy import texts
from promptopt.dspy.untyped import Gold, Module, dspy
from promptopt.types import Example


def shown(fields: Mapping[str, Any]) -> str:
    """Fields as lines of `name: value`; `read_fields` reads them again."""
    return "\n".join(f"{name}: {texts.shown(value)}" for name, value in fields.items())


def read_fields(text: str, names: Sequence[str]) -> dict[str, str]:
    """What stands in `text` as `name: value` for each of the names; empty where it does not begin with one."""
    if not names:
        return {}
    found = list(re.finditer(rf"^({'|'.join(map(re.escape, names))}): ", text, re.MULTILINE))
    if not found or found[0].start() != 0:
        return {}
    ends = [*(each.start() for each in found[1:]), len(text)]
    return {each[1]: text[each.end() : end].rstrip("\n") for each, end in zip(found, ends, strict=True)}


def show(module: Module, demos: Sequence[Example], gold: Mapping[tuple[tuple[str, str], ...], Gold]) -> None:
    """Give the demonstrations to every predictor that they are complete for: all its inputs, and an output at least.

    `gold`: the user's examples by the fields of ours. A demonstration that the program wrote itself has all outputs of
    the program, any other those of the user's example.
    """
    for _, predictor in module.named_predictors():
        inputs, outputs = list(predictor.signature.input_fields), list(predictor.signature.output_fields)
        complete: list[Gold] = []
        for demo in demos:
            known = gold.get(demo.fields)
            if known is None:
                continue
            fields: dict[str, Any] = {**dict(known.items()), **read_fields(demo.target, outputs)}
            if all(name in fields for name in inputs) and any(name in fields for name in outputs):
                kept = {name: fields[name] for name in [*inputs, *outputs] if name in fields}
                complete.append(dspy.Example(**kept).with_inputs(*inputs))
        if complete:
            predictor.demos = complete
