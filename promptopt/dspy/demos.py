"""Demonstrations of ours as those of DSPy's predictors: what each of them was given and gave in a run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from promptopt.dspy import texts
from promptopt.dspy.untyped import Gold, Module, dspy
from promptopt.operators.recorded_calls import CALLS, recorded_calls
from promptopt.types import Example, digest


def fields_as_lines(fields: Mapping[str, Any]) -> str:
    """Fields as lines of `name: value`."""
    return "\n".join(f"{name}: {texts.value_as_shown(value)}" for name, value in fields.items())


def demos_as_text(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """A run as a demonstration: for each predictor by name the fields of one call, inputs and outputs, as JSON."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for name, fields in calls:
        if name:
            by_name.setdefault(name, []).append({key: texts.plain(value) for key, value in fields.items()})
    return json.dumps({CALLS: {name: _one_of(found) for name, found in by_name.items()}}, ensure_ascii=False)


def _one_of(calls: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of several calls of a predictor the last, or as often another, as in DSPy's BootstrapFewShot; drawn by them."""
    drawn = int(digest(calls), 16)
    return calls[-1] if drawn % 2 or len(calls) == 1 else calls[drawn // 2 % (len(calls) - 1)]


def show(module: Module, demos: Sequence[Example], gold: Mapping[tuple[tuple[str, str], ...], Gold]) -> None:
    """Give the demonstrations to every predictor that they are complete for: all its inputs, and an output at least.

    `gold`: the user's examples by the fields of ours. A demonstration that the program wrote itself has for each
    predictor what that was given and gave, any other the fields of the user's example.
    """
    for name, predictor in module.named_predictors():
        inputs, outputs = list(predictor.signature.input_fields), list(predictor.signature.output_fields)
        complete: list[Gold] = []
        for demo in demos:
            calls = recorded_calls(demo.target)
            known = gold.get(demo.fields)
            given: Mapping[str, Any] = {} if known is None else dict(known.items())
            fields = given if calls is None else calls.get(name, {})
            if is_complete(predictor, fields):
                kept = {each: fields[each] for each in [*inputs, *outputs] if each in fields}
                # As DSPy's optimizers mark what a program wrote: its own MIPROv2 shows its proposer no other.
                own = {} if calls is None else {"augmented": True}
                complete.append(dspy.Example(**own, **kept).with_inputs(*inputs))
        if complete:
            predictor.demos = complete


def is_complete(predictor: Any, fields: Collection[str]) -> bool:
    """Whether a demonstration with these fields is one for a predictor: it has all inputs, and an output at least."""
    signature = predictor.signature
    return all(each in fields for each in signature.input_fields) and any(
        each in fields for each in signature.output_fields
    )
