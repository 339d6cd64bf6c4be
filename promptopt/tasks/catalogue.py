"""Tasks by name: the library shipped in the package, tasks that plug-ins register, and task files by path."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from promptopt import registry
from promptopt.arguments import checked
from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.tasks.splits import DEFAULT_SPLITS, Splits
from promptopt.tasks.task import Task
from promptopt.tasks.task_file import load_shipped, load_task_file, read_table
from promptopt.text import shorten


@checked
def load_task(
    name_or_path: str | Path,
    *,
    data: str | Path | None = None,
    splits: Splits = DEFAULT_SPLITS,
    trust: bool = False,
    own_user: bool = False,
) -> Task:
    """The task of that name or in that task file, with these splits.

    `data`: a file whose rows replace the task's own examples; its columns are named as the task's. `trust`: lets a task
    file import and download what it names, now and whenever its content is the same. `own_user`: whoever plays
    its users is named elsewhere (`Models.user`), so that no trust is needed for the one that it names. Raises
    UnknownName, ConfigError and DataError.
    """
    name = str(name_or_path)
    family, _, member = name.partition("/")
    # The library first: a file that is called like one of its tasks must not take its place.
    if name in _library():
        return load_shipped(_folder() / f"{family}.toml", member, data, splits)
    path = Path(name)
    # The system refuses to look for a name of thousands of letters: a prompt, given in its place.
    try:
        path.exists()
    except OSError as cause:
        raise ConfigError(
            f"{shorten(name, 60)!r} is not the name of a task or a file ({cause.strerror}); name one of them"
        ) from cause
    if path.suffix == ".toml":
        return load_task_file(path, data=data, splits=splits, trust=trust, own_user=own_user)
    if name in registry.names("tasks"):
        return _plugged_in(name, data, splits)
    if path.is_file():
        raise ConfigError(
            f"{name} is a data file, not a task; `promptopt init NAME --data {name} …` writes a task file"
        )
    if name and ((path / "state.json").is_file() or (path / "dataset_dict.json").is_file()):
        raise ConfigError(f"{name} is a data set, not a task; `promptopt init NAME --data {name} …` writes a task file")
    if name and path.is_dir():
        raise ConfigError(f"{name} is a folder; name the task file in it, which ends in .toml")
    if isinstance(name_or_path, Path) or path.suffix:
        raise DataError(
            f"there is no file {name} (looked in {Path.cwd()}); check the path, or see `promptopt tasks list`"
        )
    beside = Path(f"{name}.toml")
    if name and beside.is_file():
        raise ConfigError(
            f"no task is named {name!r}, but the task file {beside} is there; did you mean {str(beside)!r}?"
        )
    raise UnknownName("task", name, task_names())


def task_names() -> list[str]:
    """Every task that can be loaded by name, sorted."""
    return sorted({*_library(), *registry.names("tasks")})


def _plugged_in(name: str, data: str | Path | None, splits: Splits) -> Task:
    made = registry.load("tasks", name)
    task = made() if callable(made) else made
    if not isinstance(task, Task):
        raise ConfigError(
            f"the plug-in task {name!r} is a {type(task).__name__}, expected a Task or a function giving one"
        )
    if data is not None:
        raise ConfigError(f"the plug-in task {name!r} brings its own examples; leave --data out")
    # Its splits are fixed: there is nothing to cut anew.
    if task.pool is None:
        return task
    return task.with_splits(splits.train, splits.dev, splits.test, splits.seed)


def _folder() -> Path:
    return Path(str(files("promptopt.tasks") / "library"))


@cache
def _library() -> tuple[str, ...]:
    """The names; read once, for the package's own files do not change."""
    names: list[str] = []
    for path in sorted(_folder().glob("*.toml")):
        family = read_table(path).get("tasks")
        names += [path.stem] if family is None else [f"{path.stem}/{member}" for member in family]
    return tuple(names)
