"""The public surface, frozen."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import promptopt

ROOT = Path(__file__).parents[1]
SAME_EVERYWHERE = {
    "_HOMES": "the module of each name that a package imports lazily",
    "_SLOTS": "what the patterns of a method's requests are filled with",
    "_WHO": "what a proposal is said to come from",
    "_log": "the module's logger",
}


def test_public_names() -> None:
    assert len(promptopt.__all__) < 26
    for name in promptopt.__all__:
        assert getattr(promptopt, name) is not None
    assert set(promptopt.__all__) <= set(dir(promptopt))


def test_import_stays_light() -> None:
    program = "import sys, promptopt; print([m for m in sys.argv[1].split() if m in sys.modules])"
    heavy = "numpy scipy sqlalchemy openai pydantic typer rich tiktoken litellm xllamacpp"
    done = subprocess.run([sys.executable, "-c", program, heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_object_reaches_into_the_private_parts_of_another() -> None:
    silenced = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "promptopt").rglob("*.py"))
        # Pyright reports each such reach, so only what is silenced can stay.
        if "reportPrivateUsage" in path.read_text(encoding="utf-8")
    ]
    assert silenced == []


def test_a_private_name_of_many_files_means_the_same_in_each() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "promptopt").rglob("*.py")):
        for name in _private_names(ast.parse(path.read_text(encoding="utf-8"))):
            places[name].add(path.relative_to(ROOT).as_posix())
    many = {name: sorted(files) for name, files in places.items() if len(files) > 2}
    assert {name: files for name, files in many.items() if name not in SAME_EVERYWHERE} == {}
    assert set(SAME_EVERYWHERE) <= set(many)


def _private_names(module: ast.Module) -> Iterator[str]:
    """The private functions, classes and constants at a module's top."""
    for node in module.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                names = [each.id for each in targets if isinstance(each, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                names = []
        yield from (each for each in names if each.startswith("_") and not each.startswith("__"))
