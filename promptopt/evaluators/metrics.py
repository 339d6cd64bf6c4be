"""Metrics: what an answer is worth beside the right one, in [0, 1]. All take the best over `target` and `accepted`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.evaluators import numerals
from promptopt.evaluators.answers import choice as read_choice
from promptopt.protocols import METRICS, Metric
from promptopt.text import normalise
from promptopt.types import Example, digest


def exact(answer: str, example: Example) -> float:
    """1 where the texts are equal but for white space; case counts."""
    if answer == example.target:
        return 1.0
    found = normalise(answer)
    return float(any(found == normalise(right) for right in _right(example)))


def contains(answer: str, example: Example) -> float:
    """1 where the answer holds the target as whole words, in any case and spacing."""
    found = normalise(answer).casefold()
    return float(any(_holds(found, normalise(right).casefold()) for right in _right(example)))


def regex(answer: str, example: Example) -> float:
    """1 where the target, a regular expression, matches somewhere in the answer. Raises DataError for a bad one."""
    return float(any(_compiled(right).search(answer) is not None for right in _right(example)))


def number(answer: str, example: Example) -> float:
    """1 where the two are the same number, whatever their spelling: whole numbers exactly, others to 1e-6 (relative).

    Raises DataError where the target holds no number.
    """
    if answer == example.target:
        return 1.0
    found = numerals.value(answer)
    targets = [_number_of(right) for right in _right(example)]
    return float(found is not None and any(numerals.equal(found, target) for target in targets))


def choice(answer: str, example: Example) -> float:
    """1 where both name the same option: "(B)", "B" and "b." do. Raises DataError where the target names none."""
    found = _choice_of(answer)
    targets = [_choice_of(right) for right in _right(example)]
    if None in targets:
        raise DataError(f"target {example.target!r} names no option: metric 'choice' needs a letter such as '(B)'")
    return float(found is not None and found in targets)


def f1(answer: str, example: Example) -> float:
    """Token F1 in [0, 1] as SQuAD computes it: no case, punctuation or articles (Rajpurkar et al. 2016; script v2)."""
    return max(_token_f1(_squad_tokens(answer), _squad_tokens(right)) for right in _right(example))


_METRICS: dict[str, Metric] = {
    "choice": choice,
    "contains": contains,
    "exact": exact,
    "f1": f1,
    "number": number,
    "regex": regex,
}


def resolve(metric: str | Metric) -> Metric:
    """The metric of that name, or the function that `module:function` names; a callable is its own metric.

    Raises UnknownName, or ConfigError where the module or the function in it cannot be had.
    """
    if not isinstance(metric, str):
        return metric
    if ":" in metric:
        return _imported(metric)
    if metric not in _METRICS:
        raise UnknownName("metric", metric, [*METRICS, "module:function"])
    return _METRICS[metric]


def is_builtin(metric: Metric) -> bool:
    """Whether this is one of the functions above, which look at nothing but the answer and the right answers."""
    return any(metric is known for known in _METRICS.values())


def described(function: str | Callable[..., Any]) -> Any:
    """JSON that names a metric or reader, and changes when its own source does: for fingerprints.

    A function is described by module, qualified name, source and the plain values it closes over; an object, by its
    class (and by its fields, where it is a dataclass). What the function calls in turn is not looked at.
    """
    if isinstance(function, str):
        return function if ":" not in function or function.startswith("regex:") else described(_imported(function))
    import dataclasses
    import functools
    import inspect

    if isinstance(function, functools.partial):
        wrapped: Any = function.func
        return {"partial": described(wrapped), "bound": repr((function.args, sorted(function.keywords.items())))}
    named: Any = function if hasattr(function, "__qualname__") else type(function)
    try:
        source = digest(inspect.getsource(named))
    except (OSError, TypeError):
        source = ""  # typed into a console, or written in C
    closure = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    plain = [value for value in closure if isinstance(value, str | int | float | bool)]
    fields = _fields(function) if dataclasses.is_dataclass(function) else ""
    name = f"{getattr(named, '__module__', 'builtins')}:{named.__qualname__}"
    return {"name": name, "source": source, "closure": plain, "fields": fields}


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass. The repr of a function says where it lies in memory, so it is described instead."""
    import dataclasses

    own = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {name: described(each) if callable(each) else repr(each) for name, each in own.items()}


def _imported(name: str) -> Metric:
    import importlib

    module_name, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except (ImportError, ValueError) as cause:
        raise ConfigError(
            f"metric {name!r} cannot be imported: {cause}; write it as module:function, and put the module's folder on "
            f"PYTHONPATH"
        ) from cause
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"metric {name!r}: module {module_name!r} has no function {attribute!r}")
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"metric {name!r} is a {type(found).__name__}: expected a function of (answer, example)")
    return cast("Metric", found)


def _right(example: Example) -> tuple[str, ...]:
    return (example.target, *example.accepted)


def _holds(text: str, part: str) -> bool:
    """Whether `part` stands in `text` with no word running into it. An empty part stands in an empty text only."""
    if not part:
        return not text
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        joined_before = start > 0 and _is_word(text[start - 1]) and _is_word(part[0])
        joined_after = end < len(text) and _is_word(text[end]) and _is_word(part[-1])
        if not (joined_before or joined_after):
            return True
        start = text.find(part, start + 1)
    return False


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


@lru_cache(maxsize=16_384)
def _compiled(source: str) -> re.Pattern[str]:
    try:
        return re.compile(source)
    except re.error as cause:
        raise DataError(f"target {source!r} is no regular expression: {cause}; metric 'regex' needs one") from cause


def _number_of(target: str) -> numerals.Fraction:
    found = numerals.value(target)
    if found is None:
        raise DataError(f"target {target!r} holds no number: metric 'number' needs one; use 'exact' for texts")
    return found


@lru_cache(maxsize=16_384)
def _choice_of(text: str) -> str | None:
    return read_choice(text)


_PUNCTUATION = str.maketrans("", "", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_ARTICLE = re.compile(r"\b(a|an|the)\b")


def _squad_tokens(text: str) -> list[str]:
    return _ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def _token_f1(found: list[str], right: list[str]) -> float:
    if not found or not right:
        return float(found == right)
    common = sum((Counter(found) & Counter(right)).values())
    return 2 * common / (len(found) + len(right))
