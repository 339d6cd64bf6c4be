"""Whether the inputs of the examples are those that a program takes: what is certain before anything is asked."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any, cast

from promptopt.dspy.untyped import Module, allows_none, dspy, has_no_default
from promptopt.errors import DataError

OF_A_CALL = frozenset(("config", "demos", "lm", "signature", "interpreter"))
"""What DSPy's modules take beside the inputs of their signatures."""
NAME_FIELDS = "name the fields alike, by dspy.Example(…).with_inputs(…)"


def remarks_on_inputs(student: Module, inputs: Collection[str]) -> list[str]:
    """What is odd about the inputs, a sentence each. Raises DataError where no run of the program could use them.

    A program of the user's may give its predictors what it likes: of one, only what its `forward` takes is certain.
    """
    forward = _forward(student)
    if forward is None:
        return []
    _check_taken(student, forward, inputs)
    signature = _signature(student, forward)
    if signature is None:
        return []
    return _of_signature(student, signature, inputs)


def missing_inputs(signature: Any, given: Collection[str]) -> list[str]:
    """The inputs of a signature that are not given and have nothing in their place: DSPy asks without them."""
    fields: Mapping[str, Any] = signature.input_fields
    return [
        name
        for name, field in fields.items()
        if name not in given and has_no_default(field) and not allows_none(field.annotation)
    ]


def remark_on_missing(signature: Any, name: str) -> str:
    """A sentence on an input that a predictor is called without."""
    form = f"{', '.join(signature.input_fields)} -> {', '.join(signature.output_fields)}"
    return f"the predictor `{form}` is called without {name!r}: the model is asked without it; give it, or a default"


def _of_signature(student: Module, signature: Any, inputs: Collection[str]) -> list[str]:
    wanted, name = list(signature.input_fields), type(student).__name__
    missing = missing_inputs(signature, inputs)
    if missing and not set(wanted) & set(inputs):
        raise DataError(
            f"trainset has the inputs {', '.join(inputs)}, and {name} takes {', '.join(wanted)}: all its requests "
            f"would be the same; {NAME_FIELDS}"
        )
    said = [remark_on_missing(signature, each) for each in missing]
    more = [each for each in inputs if each not in wanted and each not in OF_A_CALL]
    return said + [
        f"trainset has the input {each!r}, which {name} does not take: no model is shown it" for each in more
    ]


def _forward(student: Module) -> Any:
    """What a call of the module comes to; None where the class has a call of its own."""
    kind = cast("type[Any]", type(student))
    own = [each for each in kind.__mro__ if "__call__" in vars(each) and not each.__module__.startswith("dspy.")]
    return None if own else getattr(kind, "forward", getattr(kind, "aforward", None))


def _check_taken(student: Module, forward: Any, inputs: Collection[str]) -> None:
    try:
        signature = inspect.signature(forward)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(student, **dict.fromkeys(inputs))
    except TypeError as cause:
        takes = ", ".join(list(signature.parameters)[1:]) or "nothing"
        name = f"{type(student).__name__}.forward"
        raise DataError(
            f"trainset has the inputs {', '.join(inputs)}, and {name} takes {takes} ({cause}); {NAME_FIELDS}"
        ) from cause


def _signature(student: Module, forward: Any) -> Any:
    """The signature whose inputs a module of DSPy's takes as its own; None where that is not known."""
    if not str(getattr(forward, "__module__", "")).startswith("dspy."):
        return None
    if isinstance(student, dspy.BestOfN | dspy.Refine):
        inner = _forward(student.module)
        return None if inner is None else _signature(student.module, inner)
    if isinstance(student, dspy.ChainOfThought):
        return student.predict.signature
    return getattr(student, "signature", None)
