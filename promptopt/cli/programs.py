"""`--task package.module:program`: a program of the user's own, which is imported and run once they trust it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import reduce
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptopt.errors import ConfigError, DataError
from promptopt.registry import module_of

if TYPE_CHECKING:
    from promptopt.tasks.splits import Splits
    from promptopt.tasks.task import Task


def names_program(name: str) -> bool:
    """Whether a task's name is that of something in a module: `package.module:program`."""
    module, colon, attribute = name.partition(":")
    parts = (*module.split("."), *attribute.split("."))
    return bool(colon) and all(part.isidentifier() for part in parts)


def load_program(name: str, *, splits: Splits, trust: bool) -> Task:
    """The task that a name in a module stands for: a Task, a `dspy.Module`, or a function of (prompt, example, ask).

    Beside a `dspy.Module` the module holds `metric` and `trainset`, and may hold `valset` and `testset`; beside a
    function it holds `prompt` (a table of parts) and `examples`, and may hold `metric`. `trust`: the module's very
    content may be imported and run from now on. Raises ConfigError and DataError.
    """
    from promptopt.tasks.task import Task
    from promptopt.tasks.trust import check_trusted

    module, _, attribute = name.partition(":")
    source = _module_file(module)
    wanted = [f"run, as the Python module {module!r} that holds the program"]
    check_trusted(source, [source.read_bytes()], wanted, trust=trust, kind="file")
    # A console script has its own folder there in place of the current one.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    held = module_of(module, f"the module of {name}")
    try:
        found: Any = reduce(getattr, attribute.split("."), held)
    except AttributeError:
        raise ConfigError(f"the module {module!r} has no {attribute!r}; name what it holds, as module:name") from None
    if isinstance(found, Task):
        return found if found.pool is None else found.with_splits(splits.train, splits.dev, splits.test, splits.seed)
    # By name, so that DSPy is imported only where the module itself did.
    if any(each.__module__.split(".")[0] == "dspy" for each in type(found).__mro__):
        return _of_dspy(found, held, name, splits)
    if callable(found):
        return _of_function(found, held, name, splits)
    raise ConfigError(f"{name} is {found!r:.80}; name a Task, a dspy.Module or a function of (prompt, example, ask)")


def _of_dspy(program: Any, held: Any, name: str, splits: Splits) -> Task:
    from promptopt.dspy.task import Data, bind

    data = Data(_held(held, "trainset", name), getattr(held, "valset", None), getattr(held, "testset", None))
    if (splits.train, splits.dev, splits.test) != (None, None, None):
        raise ConfigError(f"{name} brings its own splits, as trainset, valset and testset; leave the sizes out")
    return bind(program, data, _held(held, "metric", name), lm=None, seed=splits.seed).task


def _of_function(program: Any, held: Any, name: str, splits: Splits) -> Task:
    from promptopt.programs.task import program_task

    return program_task(
        _held(held, "examples", name),
        prompt=_held(held, "prompt", name),
        program=program,
        metric=getattr(held, "metric", "exact"),
        name=name,
        splits=splits,
    )


def _held(module: Any, wanted: str, name: str) -> Any:
    if not hasattr(module, wanted):
        raise ConfigError(f"the module of {name} has no {wanted!r}, which a search on it needs; put it there")
    return getattr(module, wanted)


def _module_file(module: str) -> Path:
    """The module's file, found without importing anything: a package runs code as soon as it is looked into."""
    parts = module.split(".")
    roots: Sequence[str] = [str(Path.cwd()), *sys.path]
    for root in roots:
        base = Path(root if root else ".", *parts)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    # The first part alone: to look for a submodule Python imports its package.
    known = find_spec(parts[0]) is not None
    raise DataError(
        f"there is no module {module!r} (looked in {Path.cwd()} and where Python looks)"
        + (f", though there is a package {parts[0]!r}" if known and len(parts) > 1 else "")
        + "; check its name"
    )
