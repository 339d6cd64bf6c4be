"""Metrics: what an answer is worth, in [0, 1].

All but `demands` hold it against the right ones, and take the best over `target` and `accepted`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, Protocol, cast, runtime_checkable

from promptopt.arguments import takes
from promptopt.digits import MILLION, decimal_comma, largest
from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.evaluators import numerals, wording
from promptopt.evaluators.compounds import in_dozens
from promptopt.evaluators.demands import demands
from promptopt.evaluators.magnitudes import ANY
from promptopt.evaluators.options import choice as read_choice
from promptopt.evaluators.overlap import bleu, f1, rouge_l
from promptopt.evaluators.structured import json, set_f1
from promptopt.protocols import METRICS, Metric
from promptopt.registry import function_in, module_of
from promptopt.text import INVISIBLE, Regex, normalise
from promptopt.type_words import callable_name
from promptopt.types import Example, digest


def exact(answer: str, example: Example) -> float:
    """1 where the texts are equal but for white space, invisible signs and how Unicode composes letters."""
    # Most right answers are the same to the letter, and take no normalising.
    if answer == example.target:
        return 1.0
    found = _normalised_text(answer)
    return float(any(found == _normalised_text(right) for right in _right(example)))


def contains(answer: str, example: Example) -> float:
    """1 where the answer holds the target as whole words, in any case, spacing and width.

    In scripts without spaces the target may stand anywhere; before an Arabic or Hebrew word its prefixes may stand.
    """
    found = wording.folded(answer)
    return float(any(wording.holds(found, wording.folded(right)) for right in _right(example)))


def regex(answer: str, example: Example) -> float:
    """1 where the target, a regular expression, matches somewhere in the answer. Raises DataError for a bad one."""
    return float(any(_expression(right).search(answer) is not None for right in _right(example)))


def number(answer: str, example: Example) -> float:
    """1 where the two are the same number, whatever their spelling: whole numbers exactly, others to 1e-6 (relative).

    What could be two numbers, "1,234", is the one that the right answers suggest; `resolve` goes by a whole data set.
    Raises DataError where the target is not one plain number.
    """
    right = _right(example)
    return _same_number(answer, example, decimal_comma(right))


def _comma_number(answer: str, example: Example) -> float:
    return _same_number(answer, example, comma=True)


def _same_number(answer: str, example: Example, comma: bool) -> float:
    if answer == example.target:
        return 1.0
    # A right answer below a million is none of the numbers that could be three.
    most = largest(_right(example))
    found = numerals.value(answer, comma, most >= MILLION, most)
    targets = [worth for right in _right(example) for worth in _numbers_of(right, comma)]
    return float(found is not None and any(numerals.equal(found, target) for target in targets))


def choice(answer: str, example: Example) -> float:
    """1 where both name the same option: "(B)", "B" and "b." do. Raises DataError where the target names none."""
    found = _choice_of(answer)
    targets = [_choice_of(right) for right in _right(example)]
    if None in targets:
        raise DataError(f"target {example.target!r} names no option: metric 'choice' needs a letter such as '(B)'")
    return float(found is not None and found in targets)


_METRICS: dict[str, Metric] = {
    "bleu": bleu,
    "choice": choice,
    "contains": contains,
    "demands": demands,
    "exact": exact,
    "f1": f1,
    "json": json,
    "number": number,
    "regex": regex,
    "rouge_l": rouge_l,
    "set_f1": set_f1,
}


OF_TARGETS = ("choice", "json", "number", "regex")
"""Metrics that not every text can be a target of."""


def resolve(metric: str | Metric, comma: bool = False) -> Metric:
    """The metric of that name, or the function that `module:function` names; a callable is its own metric.

    comma: the data writes decimals with a comma, which tells `number` what "1,234" means.
    Raises UnknownName, or ConfigError where the module or the function in it cannot be had.
    """
    if not isinstance(metric, str) or ":" in metric:
        found = _imported(metric) if isinstance(metric, str) else metric
        if not takes(found, "answer", "example"):
            raise ConfigError(
                f"metric {callable_name(metric)!r} takes other arguments than (answer, example); give it these two"
            )
        return found
    if metric not in _METRICS:
        raise UnknownName("metric", metric, [*METRICS, "module:function"])
    return _comma_number if metric == "number" and comma else _METRICS[metric]


def is_builtin(metric: Metric) -> bool:
    """Whether this is one of the functions above, which look at nothing but the answer and the right answers."""
    # By identity: a user's function that is equal by chance may look at more.
    return any(metric is known for known in (*_METRICS.values(), _comma_number))


@runtime_checkable
class MetricsByTask(Protocol):
    """A metric that is another one for each of several tasks (`binding/suite.py`, whose source is in stored keys)."""

    @property
    def scoring(self) -> Mapping[str, tuple[Callable[..., Any], Metric]]:
        """The reader and the metric of each, by its name."""
        ...


def called(metric: str | Metric | MetricsByTask, task: str = "") -> str:
    """What a person calls a metric: by its name, or that of its function. `task`: where each has its own."""
    if isinstance(metric, MetricsByTask):
        metric = metric.scoring[task][1]
    names = {id(known): name for name, known in (*_METRICS.items(), ("number", _comma_number))}
    return metric if isinstance(metric, str) else names.get(id(metric)) or callable_name(metric)


def function_identity(function: str | Callable[..., Any]) -> Any:
    """JSON that names a metric or reader, and changes when its own source does: for fingerprints.

    A function is described by module, qualified name, source and the plain values it closes over; an object, by its
    class (and by its fields, where it is a dataclass). What the function calls in turn is not looked at.
    """
    if isinstance(function, str):
        return (
            function if ":" not in function or function.startswith("regex:") else function_identity(_imported(function))
        )
    import dataclasses
    import functools

    if isinstance(function, functools.partial):
        wrapped: Any = function.func
        return {
            "partial": function_identity(wrapped),
            "bound": _described_value((function.args, sorted(function.keywords.items()))),
        }
    # An object that stands for another has any attribute there is.
    named: Any = function if isinstance(getattr(function, "__qualname__", None), str) else type(function)
    source = source_digest(named)
    cells: Any = getattr(function, "__closure__", None)
    closure = [cell.cell_contents for cell in cast("tuple[Any, ...]", cells)] if isinstance(cells, tuple) else []
    plain = [value for value in closure if isinstance(value, str | int | float | bool)]
    fields = _dataclass_fields(function) if dataclasses.is_dataclass(function) else ""
    name = f"{getattr(named, '__module__', 'builtins')}:{named.__qualname__}"
    return {"name": name, "source": source, "closure": plain, "fields": fields}


def source_digest(named: Any) -> str:
    """A digest of the source of a function or a class; of its code, where it was typed in; empty for what is in C."""
    import inspect

    try:
        return digest(inspect.getsource(named))
    # Beside what was typed in, a file that is being edited: it is no Python for a while.
    except Exception:  # noqa: BLE001 - a class may be anybody's code
        held = list(vars(named).values()) if inspect.isclass(named) else [_innermost(named)]
        codes = [each.__code__ for each in held if inspect.isfunction(each)]
        return digest([_code_as_json(each) for each in codes]) if codes else ""


def _innermost(function: Any) -> Any:
    import inspect

    try:
        return inspect.unwrap(function)
    # It wraps itself.
    except ValueError:
        return function


def _code_as_json(code: CodeType) -> list[Any]:
    constants = [
        _code_as_json(each)
        if isinstance(each, CodeType)
        # In an order of its own: that of a set of texts is another one in each process.
        else sorted(map(repr, cast("frozenset[object]", each)))
        if isinstance(each, frozenset)
        else repr(each)
        for each in code.co_consts
    ]
    return [code.co_code.hex(), list(code.co_names), list(code.co_varnames), constants]


def _dataclass_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass."""
    import dataclasses

    return {field.name: _described_value(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _described_value(value: object) -> Any:
    """The repr of a function says where it lies in memory, so it is described instead, wherever it stands."""
    if callable(value):
        return function_identity(value)
    if not _holds_functions(value):
        return repr(value)
    if isinstance(value, Mapping):
        return {str(name): _described_value(each) for name, each in cast("Mapping[object, object]", value).items()}
    return [_described_value(each) for each in _members(value)]


def _holds_functions(value: object) -> bool:
    return any(callable(each) or _holds_functions(each) for each in _members(value))


def _members(value: object) -> Sequence[object]:
    if isinstance(value, Mapping):
        return [*cast("Mapping[object, object]", value).values()]
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()


def _imported(name: str) -> Metric:
    module_name, _, attribute = name.partition(":")
    found = module_of(module_name, f"metric {name!r}")
    return cast("Metric", function_in(found, attribute, name, f"module {module_name!r}"))


def _right(example: Example) -> tuple[str, ...]:
    return (example.target, *example.accepted)


@lru_cache(maxsize=16_384)
def _normalised_text(text: str) -> str:
    return normalise(text if text.isascii() else unicodedata.normalize("NFC", text).translate(INVISIBLE))


def _expression(source: str) -> Regex:
    try:
        return Regex.of(source)
    except ConfigError as cause:
        raise DataError(f"target {cause}; metric 'regex' needs one") from cause


def _numbers_of(target: str, comma: bool) -> list[numerals.Fraction]:
    """What a target is worth: "2.5 million" may be asked for in millions, and is both 2.5 and 2500000."""
    # In a target that is one number, spaces can only stand between thousands.
    found = [numerals.value(target, comma, spaces=True, largest=most) for most in (0, ANY)]
    worths = [each for each in found if each is not None]
    if len(worths) < len(found) or in_dozens(target):
        raise DataError(f"target {target!r} is not one plain number: metric 'number' needs one; use 'exact' for texts")
    return worths


@lru_cache(maxsize=16_384)
def _choice_of(text: str) -> str | None:
    return read_choice(text)
