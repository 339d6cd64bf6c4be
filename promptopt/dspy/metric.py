"""The user's metric, whatever it takes and gives, as a value in [0, 1] with feedback."""

from __future__ import annotations

import dis
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import takewhile
from numbers import Real
from types import MethodType
from typing import Any, cast

from promptopt.dspy.untyped import dspy
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.scalars import as_float, unboxed
from promptopt.text import normalise, shorten
from promptopt.type_words import callable_name

Metric = Callable[..., Any]
"""(gold, prediction), or with trace, and with pred_name and pred_trace; gives a number, a bool, or a Prediction of
`score` and `feedback`."""

HANDED_ON = frozenset((inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD))
"""What a function takes that only hands on what it is given."""

WRAPPERS = 8
"""Wrappers around wrappers that are looked into: one may hold itself. Ours."""

GIVEN = ("trace", "pred_name", "pred_trace")
"""What DSPy calls the arguments after gold and prediction."""

ASYNC = "async; give a plain function"

Records = Sequence[tuple[str, tuple[Any, Any, Any]]]
"""For each predictor call its predictor's name, and the entry of DSPy's trace."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a prediction is worth, what was said of it, and whether its run may be shown as a demonstration."""

    value: float
    feedback: str
    teaches: bool = True


def check_metric(metric: object) -> Metric:
    """The metric. Raises ConfigError where it cannot take a gold example and a prediction."""
    if not callable(metric):
        raise ConfigError(f"PromptOpt: metric is {metric!r:.80}; give a function of (gold, prediction, trace=None)")
    called: Any = getattr(metric, "func", metric) if type(metric) is partial else metric
    waits = _function(called)
    if inspect.iscoroutinefunction(waits):
        raise ConfigError(f"PromptOpt: the metric {callable_name(metric)!r} is {ASYNC}")
    if inspect.isgeneratorfunction(waits) or inspect.isasyncgenfunction(waits):
        raise ConfigError(
            f"PromptOpt: the metric {callable_name(metric)!r} yields; give a function that returns a score"
        )
    taken = _arity(metric)
    if taken is not None and taken < 2:
        takes = "one argument" if taken else "no argument by its place"
        raise ConfigError(f"PromptOpt: the metric takes {takes}; give a function of (gold, prediction, trace=None)")
    _check_call(metric, 3 if taken is None else taken)
    return metric


def _check_call(metric: Metric, taken: int) -> None:
    """Raise ConfigError where a metric needs more than it is given: every call would fail, once models are paid."""
    try:
        signature = inspect.signature(_function(metric))
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*[None] * taken)
    except TypeError as cause:
        given = ", ".join(("gold", "prediction", *GIVEN)[:taken])
        raise ConfigError(
            f"PromptOpt: the metric {callable_name(metric)!r} is given {given} by their places, and needs more "
            f"({cause}); give all else that it takes a default"
        ) from cause


def judged(metric: Metric, gold: Any, prediction: Any, records: Records, cell: tuple[str, str]) -> Judgement:
    """Call the metric as it is declared: for the score, and for what it says of each predictor, if it takes its name.

    `cell`: the ids of prompt and example. Raises EvaluatorError for what the metric raises, and where it gives no
    number in [0, 1].
    """
    taken = _arity(metric)
    value, feedback = _score_and_feedback(
        metric, _called(metric, [gold, prediction, None, None, None], taken, cell), gold, cell
    )
    trace, teaches = [entry for _, entry in records], True
    if value > 0 and looks_at_trace(metric):
        # With a trace, as DSPy's bootstrapping calls it: by custom it is strict then.
        strict = _called(metric, [gold, prediction, trace, None, None], taken, cell)
        teaches = _score_and_feedback(metric, strict, gold, cell)[0] > 0
    if feedback or taken is None or taken < 5:
        return Judgement(value, feedback, teaches)
    # GEPA's form: asked once more for each predictor, with its own calls; the value counts the first time only.
    said = dict[str, None]()
    for name in dict.fromkeys(name for name, _ in records):
        own = [entry for other, entry in records if other == name]
        _, more = _score_and_feedback(
            metric, _called(metric, [gold, prediction, trace, name, own], taken, cell), gold, cell
        )
        if more:
            said[more] = None
    return Judgement(value, "\n".join(said), teaches)


def looks_at_trace(metric: Metric) -> bool:
    """Whether a metric does anything with the trace that it is given; not where that cannot be seen."""
    called: Any = inspect.unwrap(_function(_innermost(metric)))
    code = getattr(called, "__code__", None)
    taken = _arity(metric)
    if code is None or (taken is not None and taken < 3):
        return False
    parameters = list(inspect.signature(called).parameters.values())
    # The third, or what holds any number of them.
    names = [each.name for each in parameters if each in parameters[2:3] or each.kind is each.VAR_POSITIONAL]
    return any(each.argval in names and each.opname.startswith("LOAD") for each in dis.get_instructions(code))


def _called(metric: Metric, given: list[Any], taken: int | None, cell: tuple[str, str]) -> Any:
    try:
        return metric(*(given[:3] if taken is None else given[:taken]))
    # What ends a script would else pass for a failure of the program.
    except (Exception, SystemExit) as cause:
        said = (
            f"the metric {callable_name(metric)!r} failed: {type(cause).__name__}: {cause}, on {_first_input(given[0])}"
        )
        raise EvaluatorError(said, prompt_id=cell[0], example_id=cell[1]) from cause


def _score_and_feedback(metric: Metric, found: Any, gold: Any, cell: tuple[str, str]) -> tuple[float, str]:
    feedback = ""
    if inspect.iscoroutine(found):
        # Else Python warns of each that nobody awaited.
        found.close()
        found = f"a coroutine, as it is {ASYNC}"
    if isinstance(found, dspy.Prediction | dict):
        feedback = str(found.get("feedback", "") or "")
        found = found["score"] if "score" in found else f"a {type(found).__name__} without a score"
    found = unboxed(found)
    value = as_float(found) if isinstance(found, Real | Decimal) else math.nan
    # NaN is in no range.
    if not 0.0 <= value <= 1.0:
        raise EvaluatorError(
            f"the metric {callable_name(metric)!r} gave {found!r:.80}; give a number in [0, 1], True or False, or "
            f"dspy.Prediction(score=…, feedback=…), on {_first_input(gold)}",
            prompt_id=cell[0],
            example_id=cell[1],
        )
    return value, feedback


def _first_input(gold: Any) -> str:
    """The first input: by its id nobody finds an example in his data."""
    return repr(shorten(normalise(str(next(iter(gold.inputs().values()), ""))), 60))


def _arity(metric: Metric) -> int | None:
    """How many arguments it is given: those it needs, and those of DSPy's that it names; None: any number.

    What else it takes has a default (`dspy.evaluate.answer_exact_match` has a share), and keeps it.
    """
    try:
        parameters = inspect.signature(_function(_innermost(metric))).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return None
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    more = takewhile(lambda each: each.default is each.empty or each.name in GIVEN, positional[2:5])
    return len(positional[:2]) + sum(1 for _ in more)


def _function(metric: Any) -> Any:
    """What is called where a metric is: of a module its `forward`, of another object its `__call__`."""
    if isinstance(metric, dspy.Module):
        # Of the class, for DSPy warns of a `forward` that is looked at.
        kind = cast("type[object]", type(metric))
        own: Any = getattr(kind, "forward", getattr(kind, "aforward", None))
        return metric if own is None else MethodType(own, metric)
    if inspect.isroutine(metric) or isinstance(metric, type | partial):
        return cast("Any", metric)
    return getattr(metric, "__call__", metric)  # noqa: B004 - not whether


def _innermost(metric: Any) -> Any:
    """What a wrapper calls that hands on whatever it is given, as a decorator without `functools.wraps` makes one.

    The wrapper itself where it holds no function, or several.
    """
    for _ in range(WRAPPERS):
        held = _callables_in(metric) if _hands_on(metric) else []
        if len(held) != 1:
            break
        metric = held[0]
    return metric


def _hands_on(metric: Any) -> bool:
    try:
        kinds = {each.kind for each in inspect.signature(_function(metric)).parameters.values()}
    except (TypeError, ValueError):
        return False
    return inspect.Parameter.VAR_POSITIONAL in kinds and kinds <= HANDED_ON


def _callables_in(wrapper: Any) -> list[Any]:
    """The functions and callable objects that a function closes over, or an object holds."""
    cells: Any = getattr(wrapper, "__closure__", None) or ()
    held = (
        [*inspect.getclosurevars(wrapper).nonlocals.values()] if cells else [*getattr(wrapper, "__dict__", {}).values()]
    )
    return [each for each in held if callable(each)]
