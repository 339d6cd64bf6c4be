"""The public surface, frozen."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import promptopt

ROOT = Path(__file__).parents[1]
SAME_EVERYWHERE = {
    "_HOMES": "the module of each name that a package imports lazily",
    "_SLOTS": "what the patterns of a method's requests are filled with",
    "_WHO": "what a proposal is said to come from",
    "_log": "the module's logger",
}
CONSTANTS_OF_ONE_MEANING = {
    "ALTERNATIVES": "log-probabilities asked for beside a token",
    "CRITERIA": "what a judge goes by where nobody says",
    "DRY": "rounds in a row without anything new, after which a search begins again or ends",
    "EXAMPLES": "examples that a candidate of a method is scored on",
    "FORM": "all that a method asks its proposer, by whose words a reply is known that repeats them",
    "HISTORY_HEAD": "what stands in a request before what was tried earlier",
    "ITERATIONS": "rounds of a search, by its paper",
    "KEEP": "prompts that live on from round to round",
    "LARGEST_BYTES": "the largest file of its kind that is read",
    "MARGIN": "how much worse is borne",
    "NAMED": "things of a kind that a sentence names at most",
    "PAPER": "the sizes of a method's paper",
    "PATIENCE": "rounds in a row without progress, after which a search ends",
    "POPULATION": "prompts of a population",
    "REQUEST": "what a method asks its proposer",
    "ROUNDING": "a difference that rounding explains",
    "SAMPLING": "how the writer of texts is sampled",
    "SMALL": "evaluations below which a search is a small one",
    "SPARE": "rounds that are made at most for each that is planned",
    "TAG": "the tag that a reply's text stands in",
    "TAGS": "the tags that a request names",
    "TOLERANCE": "how far apart two numbers may be and still be equal",
    "TRIES": "how often something is tried before it is given up",
    "VERSION": "of what the module defines: with another one, what was stored is not used",
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


@pytest.mark.slow
def test_a_private_name_of_many_files_means_the_same_in_each() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for path, module in _modules():
        for name in _private_names(module):
            places[name].add(path.relative_to(ROOT).as_posix())
    many = {name: sorted(files) for name, files in places.items() if len(files) > 2}
    assert {name: files for name, files in many.items() if name not in SAME_EVERYWHERE} == {}
    assert set(SAME_EVERYWHERE) <= set(many)


@pytest.mark.slow
def test_a_public_constant_of_many_files_means_the_same_in_each() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for path, module in _modules():
        for name in _names(module):
            if re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
                places[name].add(path.relative_to(ROOT).as_posix())
    many = {name: sorted(files) for name, files in places.items() if len(files) > 2}
    assert {name: files for name, files in many.items() if name not in CONSTANTS_OF_ONE_MEANING} == {}
    assert set(CONSTANTS_OF_ONE_MEANING) <= set(many)


@pytest.mark.slow
def test_what_operators_hold_is_shared_by_two_rooms_or_more() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for path, module in _modules():
        *room, _ = path.relative_to(ROOT / "promptopt").with_suffix("").parts
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("promptopt.operators."):
                user = path.stem if room in (["operators"], ["optimizers"]) else "/".join(room)
                users[(node.module or "").removeprefix("promptopt.operators.")].add(user)
    own = {path.stem for path in (ROOT / "promptopt/operators").glob("*.py")} - {"__init__"}
    assert own == set(users)
    # What another operator needs is shared as that is.
    assert {name: sorted(by) for name, by in users.items() if len(by) < 2 and not by & own} == {}


@cache
def _modules() -> tuple[tuple[Path, ast.Module], ...]:
    """Every file of the package, read once."""
    return tuple(
        (path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted((ROOT / "promptopt").rglob("*.py"))
    )


def _private_names(module: ast.Module) -> Iterator[str]:
    """The private functions, classes and constants at a module's top."""
    yield from (name for name in _names(module) if name.startswith("_") and not name.startswith("__"))


def _names(module: ast.Module) -> Iterator[str]:
    """The functions, classes and constants at a module's top."""
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
        yield from names
