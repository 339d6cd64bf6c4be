"""Would the tests notice? `python -m benchmarks.mutation [--count 60] [--seed 1] [--minutes 20] [--only …]`.

Draws small changes of `optimizers/`, `operators/` and `selection/` (or of what is named) at random, makes one at a time
in a copy of the repository, and runs the tests of that module there: the quick ones, then those that are slow. A change
that no test notices survives, and is printed. What ran out of time is told apart: on a busy machine it says nothing.
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import pytest

from benchmarks.mutation_tests import ASKED, BY_HAND, GOLDEN, NEEDS, PLANS, RANGES, TESTS

ROOT = Path(__file__).parents[1]
PACKAGE = Path("promptopt")
FOLDERS = ("optimizers", "operators", "selection")

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: the module (relative to the repository), its text before and after, and the kind of the change."""

    path: Path
    before: str
    text: str
    kind: str

    def diff(self) -> str:
        """The changed lines."""
        lines = difflib.unified_diff(self.before.splitlines(), self.text.splitlines(), n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What a node could be instead, with the kind of the change."""
    if not isinstance(node, ast.expr | ast.Expr | ast.AugAssign | ast.Break | ast.Continue):
        return
    new = copy.deepcopy(node)
    match new:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            new.ops = [COMPARISONS[type(operator)]()]
            yield "comparison", new
        case ast.BinOp(op=operator) if type(operator) in ARITHMETIC:
            new.op = ARITHMETIC[type(operator)]()
            yield "arithmetic", new
        case ast.BoolOp():
            new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
            yield "and, or", new
        case ast.UnaryOp(op=ast.Not()):
            yield "not", new.operand
        case ast.Constant(value=value) if isinstance(value, (int, float)) and not isinstance(value, bool):
            for step in (1, -1):
                yield "constant", ast.Constant(value + step)
        case ast.Call(func=ast.Name(id="max" | "min" as name)):
            new.func = ast.Name("min" if name == "max" else "max")
            yield "max, min", new
        case ast.Call(func=ast.Name(id="sorted")):
            others = [each for each in new.keywords if each.arg != "reverse"]
            turned = len(others) == len(new.keywords)
            new.keywords = [*others, ast.keyword("reverse", ast.Constant(True))] if turned else others
            yield "order", new
        case ast.Call(args=[first, second, *rest]) if (
            # Two that are the same are no other call when they change places.
            ast.dump(first) != ast.dump(second) and not any(isinstance(each, ast.Starred) for each in new.args)
        ):
            new.args = [second, first, *rest]
            yield "arguments", new
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Break() | ast.Continue():
            yield "statement", ast.Pass()
        case _:
            pass


def mutants(path: Path) -> Iterator[Mutant]:
    """All changes of a module, each put where the node stood, so that the rest of the text is as it was."""
    text = (ROOT / path).read_text()
    raw = text.encode()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(text)
    # Python 3.11 does not know where the parts of a formatted string stand.
    inside = {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in ast.walk(node)}
    # The first of one draw is the last, so that no test could notice.
    inside |= {
        id(node.slice)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Call) and _draws_one(node.value)
    }
    # How much a cache keeps changes no result.
    inside |= {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "lru_cache"
        for each in ast.walk(node)
    }
    for node in ast.walk(tree):
        for kind, new in changes(node) if id(node) not in inside else ():
            assert isinstance(node, (ast.expr, ast.stmt))
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            begin = starts[node.lineno - 1] + node.col_offset
            end = starts[node.end_lineno - 1] + node.end_col_offset
            written = ast.unparse(ast.fix_missing_locations(new))
            if isinstance(node, ast.expr):
                written = f"({written})"
            changed = raw[:begin] + written.encode() + raw[end:]
            yield Mutant(path, text, changed.decode(), kind)


def _draws_one(call: ast.Call) -> bool:
    """Whether this is `rng.choices(…)` without a number."""
    named = isinstance(call.func, ast.Attribute) and call.func.attr == "choices"
    return named and not any(each.arg == "k" for each in call.keywords)


def modules(name: str) -> list[Path]:
    """A module of the package by its name, or all of a folder; relative to the repository."""
    place = ROOT / PACKAGE / name
    every = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    found = [path for path in every if path.name != "__init__.py"]
    return [path.relative_to(ROOT) for path in found]


def tests_of(path: Path) -> list[str]:
    """The tests of a module, by the table; of a method its golden journal and its folder."""
    name = path.relative_to(PACKAGE).with_suffix("").as_posix()
    planned = [PLANS, RANGES, BY_HAND, ASKED] if name.startswith("optimizers/") else []
    for prefix, tests in TESTS.items():
        if name == prefix or name.startswith(f"{prefix}/"):
            return [*planned, *tests]
    method = name.split("/")[1]
    folder = f"tests/optimizers/{method}"
    return [
        *planned,
        f"{GOLDEN}[{method}]",
        folder if (ROOT / folder).exists() else f"tests/optimizers/test_{method}.py",
    ]


def undecidable(name: str) -> list[str]:
    """The modules among those of `name` whose tests would skip here."""
    missing = [module for module, library in NEEDS.items() if importlib.util.find_spec(library) is None]
    return [module for module in missing if module == name or module.startswith(f"{name}/")]


def outcome(mutant: Mutant, copy_of: Path, limit: float) -> str:
    """`killed`, `timeout` or `survived`: the tests of the module run in a copy of the repository."""
    target = copy_of / mutant.path
    target.write_text(mutant.text)
    until = time.monotonic() + limit
    try:
        for marked in ("not slow and not engine and not fuzz", "slow and not engine and not fuzz"):
            code = _tested(tests_of(mutant.path), marked, copy_of, until - time.monotonic())
            if code is None:
                return "timeout"
            if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                return "killed"
    finally:
        target.write_text(mutant.before)
    return "survived"


def _tested(tests: list[str], marked: str, copy_of: Path, limit: float) -> int | None:
    """The exit code of those of the tests that are so marked; None where they did not end in `limit` seconds."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", marked, *tests]
    # No byte code: two mutants of one module may have the same size and time.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy_of)}
    process = subprocess.Popen(
        command, cwd=copy_of, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def possible(names: Sequence[str]) -> list[Mutant]:
    """Every change of these modules and folders that their tests can decide here; the others are told."""
    skipped = [module for name in names for module in undecidable(name)]
    for module in skipped:
        print(f"left out, as {NEEDS[module]} is not installed: {module}", flush=True)
    left_out = {(PACKAGE / module).with_suffix(".py") for module in skipped}
    paths = [path for name in names for path in modules(name) if path not in left_out]
    return [one for path in paths for one in mutants(path)]


def copied(place: Path) -> Path:
    """The place, with a copy of what the tests read."""
    place.mkdir()
    for name in ("promptopt", "tests", "docs", "pyproject.toml", "README.md"):
        source = ROOT / name
        shutil.copytree(source, place / name) if source.is_dir() else shutil.copy(source, place / name)
    return place


def main() -> None:
    """Draw, run, print; a line for each, then the survivors and the share that was noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=20.0, help="no new mutant is begun after that")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for the tests of one")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=FOLDERS, help="modules or folders of the package, without .py")
    given = parser.parse_args()
    every = possible(given.only)
    drawn = random.Random(given.seed).sample(every, min(given.count, len(every)))
    print(f"{len(every):,} possible changes, {len(drawn)} drawn by seed {given.seed}", flush=True)
    begun, copies = time.monotonic(), Queue[Path]()
    with tempfile.TemporaryDirectory() as home:
        for number in range(given.workers):
            copies.put(copied(Path(home) / str(number)))

        def run(mutant: Mutant) -> str:
            if time.monotonic() - begun > 60 * given.minutes and mutant.kind != "none":
                return "not run"
            place, started = copies.get(), time.monotonic()
            try:
                found = outcome(mutant, place, given.limit)
            finally:
                copies.put(place)
            print(f"{found:9}{time.monotonic() - started:5.0f} s  {mutant.kind:11} {mutant.path}", flush=True)
            if found != "killed":
                print(mutant.diff(), flush=True)
            return found

        with ThreadPoolExecutor(given.workers) as pool:
            found = list(pool.map(run, drawn))
            # Tests that fail without a change notice nothing; where a change survived, they pass.
            passed = [tests_of(one.path) for one, each in zip(drawn, found, strict=True) if each == "survived"]
            noticed = [one for one, each in zip(drawn, found, strict=True) if each == "killed"]
            ran = {tuple(tests_of(one.path)): one for one in noticed}
            others = [one for tests, one in ran.items() if list(tests) not in passed]
            unchanged = [Mutant(one.path, one.before, one.before, "none") for one in others]
            print("without a change, which must survive:", flush=True)
            list(pool.map(run, unchanged))
    counts = {name: found.count(name) for name in ("killed", "timeout", "survived", "not run")}
    decided = counts["killed"] + counts["survived"]
    share, minutes = counts["killed"] / max(1, decided), (time.monotonic() - begun) / 60
    print(f"{counts}: {share:.0%} of {decided} noticed, {minutes:.0f} minutes")


if __name__ == "__main__":
    main()
