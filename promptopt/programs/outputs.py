"""What a program gave, or raised, as an output that can be scored or a sentence that says why there is none."""

from __future__ import annotations

import dis
import inspect
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from numbers import Real
from types import TracebackType
from typing import Any, cast

from promptopt.programs.handle import Output
from promptopt.programs.secrets import marked
from promptopt.scalars import as_float, unboxed
from promptopt.text import shorten
from promptopt.types import Reply, Score, TracedCall

GIVEN = 80
"""Characters of what a program gave that is no output, in the sentence that says so."""
LOOKED_THROUGH = 4_000
"""Characters of what a program gave or raised that are looked through for secrets. Ours."""
WANTED = "a program gives a text, a text and its trace, or a Score"
_OTHER_ARGUMENTS = re.compile(
    r"\(\) (?:missing \d|takes (?:no|from|exactly|at (?:most|least)|\d)|got (?:an unexpected|multiple|some))"
)
"""How Python says that a function is called with other arguments than it takes; `int(None)` has "argument" too."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def read_output(given: object) -> tuple[Output | None, str]:
    """The output, or None and why it is none: then the program raised nothing, and is not said to."""
    if isinstance(given, str):
        return given, ""
    if isinstance(given, Score):
        return _read_score(given)
    if isinstance(given, tuple):
        pair = cast("tuple[Any, ...]", given)
        if len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], Sequence):
            trace = tuple(cast("Sequence[Any]", pair[1]))
            wrong = _wrong_call(trace)
            return (None, f"it gave a trace with {wrong}") if wrong else ((pair[0], trace), "")
    # The likeliest slips: what `ask` gives is not what the model said, and a `yield` makes a function a generator.
    other = cast("Any", given)
    shown, hint = _shown_without_addresses(other), ""
    if isinstance(other, Reply):
        shown, hint = "a Reply", "; give the reply's `text`"
    elif inspect.isgenerator(other) or inspect.isasyncgen(other):
        shown, hint = "a generator", "; end it with `return`, and leave out `yield`"
    return None, f"it gave {shown}, and {WANTED}{hint}"


def said_of(cause: BaseException) -> str:
    """What was raised, in words that are the same in every process, and without secrets: critics are shown it."""
    try:
        said = str(cause)
    except Exception:  # noqa: BLE001 - its text is anybody's code too
        said = ""
    # A reply of a megabyte may stand in it, of which nobody is shown more than a line.
    said = shorten(said, LOOKED_THROUGH)
    return marked(without_addresses(f"it raised {type(cause).__name__}: {said}".removesuffix(": ")))


def is_slip(cause: BaseException) -> bool:
    """Whether it is a mistake in the program's own code, which no reply leads to, and no other prompt mends."""
    frame = _last_frame(cause)
    if isinstance(cause, UnboundLocalError) or (frame is not None and frame.tb_frame.f_code.co_filename == "<string>"):
        # What was made of a reply and run is the reply's mistake.
        return False
    if isinstance(cause, AttributeError):
        # What a reply was read as may lack something: a list where an object was expected, None where nothing matched.
        return cause.obj is not None and type(cause.obj).__module__ != "builtins"
    if isinstance(cause, TypeError):
        # A model may have named the arguments that a call takes out of a table.
        return _OTHER_ARGUMENTS.search(str(cause)) is not None and not _takes_from_a_table(frame)
    if isinstance(cause, SyntaxError):
        # Of a file that is imported, and of no text that is read as code.
        return not (cause.filename or "<").startswith("<")
    return isinstance(cause, NameError | ImportError | NotImplementedError)


def _last_frame(cause: BaseException) -> TracebackType | None:
    found = cause.__traceback__
    while found is not None and found.tb_next is not None:
        found = found.tb_next
    return found


def _takes_from_a_table(frame: TracebackType | None) -> bool:
    """Whether the call that failed there is one like `tool(**arguments)`."""
    return frame is not None and dis.opname[frame.tb_frame.f_code.co_code[frame.tb_lasti]] == "CALL_FUNCTION_EX"


def without_addresses(text: str) -> str:
    """`text` without where objects lie in memory: it is shown to proposers, and a replay must ask the same."""
    return _ADDRESS.sub("", text)


def _read_score(given: Score) -> tuple[Score | None, str]:
    value: object = unboxed(given.value)
    if not isinstance(value, Real | Decimal):
        return None, f"it gave a Score whose value is {_shown_without_addresses(value)}, and that is a number"
    if not math.isfinite(as_float(value)):
        return None, f"it gave a Score whose value is {_shown_without_addresses(value)}, and that is a finite number"
    value = value if isinstance(value, int | float) else as_float(value)
    for name in ("output", "answer", "feedback", "demonstration"):
        text: object = getattr(given, name)
        if not isinstance(text, str) and not (text is None and name == "demonstration"):
            return None, f"it gave a Score whose {name} is {_shown_without_addresses(text)}, and that is a text"
    trace = cast("object", given.trace)
    if not isinstance(trace, Sequence):
        return (
            None,
            f"it gave a Score whose trace is {_shown_without_addresses(trace)}, and that is a sequence of TracedCall",
        )
    wrong = _wrong_call(given.trace)
    if wrong:
        return None, f"it gave a Score whose trace has {wrong}"
    return (given if value is given.value else replace(given, value=value)), ""


def _wrong_call(trace: Sequence[object]) -> str:
    """What of a trace is no call; empty where all is well."""
    for call in trace:
        if not isinstance(call, TracedCall):
            return f"{_shown_without_addresses(call)} in it, and it is of TracedCall(part, input, output)"
        for text in cast("tuple[object, ...]", (call.part, call.input, call.output)):
            if not isinstance(text, str):
                return f"{_shown_without_addresses(text)} in a TracedCall, which is of texts"
    return ""


def _shown_without_addresses(given: object) -> str:
    # Marked before it is cut, for half of a key is known by no rule.
    return without_addresses(shorten(marked(shorten(repr(given), LOOKED_THROUGH)), GIVEN))
