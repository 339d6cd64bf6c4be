"""A program as people read it: its source, to be shown to who writes prompts. Nothing of it is run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from textwrap import dedent
from typing import Any, cast


def source_of(thing: Callable[..., Any] | type[object]) -> str:
    """The Python source of a function or a class, of an object that of its class; empty where there is none."""
    if isinstance(thing, functools.partial):
        return source_of(cast("functools.partial[Any]", thing).func)
    named: Any = inspect.unwrap(thing) if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
    try:
        return dedent(inspect.getsource(named)).strip()
    # Typed into a console, or written in C.
    except (OSError, TypeError):
        return ""
