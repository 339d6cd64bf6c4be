"""A program as people read it: its source, to be shown to who writes prompts. Nothing of it is run."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from textwrap import dedent, indent
from typing import Any, cast


def source_of(thing: Callable[..., Any] | type[object]) -> str:
    """The Python source of a function or a class, of an object that of its class; empty where there is none."""
    if isinstance(thing, functools.partial):
        return source_of(cast("functools.partial[Any]", thing).func)
    named: Any = thing
    try:
        named = inspect.unwrap(thing) if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
        return dedent(inspect.getsource(named)).strip()
    # Typed into a console, or written in C.
    except (OSError, TypeError):
        return _by_methods(named) if inspect.isclass(named) else ""
    # A file that is being edited is no Python for a while, and a class may be anybody's code.
    except Exception:  # noqa: BLE001 - a source is shown, or it is not: no run may end for it
        return ""


def own_bases(kind: type[object], brought: str = "") -> list[type[object]]:
    """The classes that a class is made of, what is built on first, itself last; none of Python's own, or of `brought`.

    `brought`: a package whose classes everybody knows.
    """
    known = {*sys.stdlib_module_names, brought}
    return [
        each for each in reversed(kind.__mro__) if str(each.__module__).partition(".")[0] not in known - {"__main__"}
    ]


def _by_methods(kind: type[Any]) -> str:
    """A class of a notebook, which Python finds no source of, by its functions, whose source it finds."""
    functions = [each for each in vars(kind).values() if inspect.isfunction(each)]
    sources = [source for each in functions if (source := source_of(each))]
    return f"class {kind.__name__}:\n" + "\n\n".join(indent(each, "    ") for each in sources) if sources else ""
