"""Runs a document as a reader would: its files are written, its Python is executed, its commands are called.

A block that begins with the name of a file (`# shop.py`) is that file; its contracts are run where it is a test. Entry
points are installed. Commands are those of blocks marked `console`.
"""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from promptopt import registry
from promptopt.cli.main import app

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# (\w+\.(?:py|toml))\n")

_SLOW = "test_same_run_under_other_hash_seeds"
"""Starts two processes; every method of ours runs it in its own tests."""


def blocks(document: Path) -> list[tuple[str, str]]:
    """(language, text) of every fenced block."""
    return [(found[1], found[2]) for found in _BLOCK.finditer(document.read_text(encoding="utf-8"))]


def follow(
    name: str, folder: Path, edit: Callable[[str], str] = lambda text: text, known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Everything that the document shows, in order, in `folder`; returns the names that its Python left.

    `edit`: exchanges what only a reader can fill in, a block at a time. `known`: names that it takes for known.
    """
    names: dict[str, Any] = {} if known is None else dict(known)
    for place, (language, source) in enumerate(blocks(ROOT / name)):
        text, file = edit(source), _FILE.match(source)
        if file is not None:
            (folder / file[1]).write_text(text, encoding="utf-8")
            importlib.invalidate_caches()
        if language == "python" and file is None:
            exec(compile(text, f"{name}, block {place}", "exec", dont_inherit=True), names)
        elif language == "python" and file is not None and file[1].startswith("test_"):
            keep_contracts(importlib.import_module(Path(file[1]).stem), folder)
        elif language == "toml" and file is None and "entry-points" in text:
            install(tomllib.loads(text)["project"]["entry-points"], folder)
        elif language == "console":
            for line in text.splitlines():
                for part in line.split(" && "):
                    command(part)
    return names


def command(line: str) -> str:
    """What `promptopt …` prints; other programs are not called."""
    program, *arguments = shlex.split(line)
    if program != "promptopt":
        return ""
    done = CliRunner().invoke(app, arguments, prog_name=program)
    assert done.exit_code == 0, f"{line}: {done.output}"
    return done.stdout


def install(groups: dict[str, dict[str, str]], folder: Path) -> None:
    """Put a package's entry points where Python finds them."""
    about = folder / "example-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 0\n", encoding="utf-8")
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    importlib.invalidate_caches()
    registry.entries.cache_clear()


def keep_contracts(module: Any, folder: Path) -> None:
    """Call every test of the test classes of a module, as pytest would."""
    kinds = [kind for name, kind in vars(module).items() if name.startswith("Test") and inspect.isclass(kind)]
    assert kinds, f"{module.__name__} holds no test"
    for kind in kinds:
        for name in (each for each in dir(kind) if each.startswith("test_") and each != _SLOW):
            test = getattr(kind(), name)
            place = folder / "contracts" / name
            place.mkdir(parents=True)
            test(**({"tmp_path": place} if "tmp_path" in inspect.signature(test).parameters else {}))


def forget(folder: Path) -> None:
    """Modules and entry points that a document's files made; call it when Python looks into the folder no more."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]
    importlib.invalidate_caches()
    registry.entries.cache_clear()
