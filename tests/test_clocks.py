"""No test fails because a machine is slow or busy: none holds a clock against a number."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time", "time", "perf_counter_ns", "monotonic_ns"}
FREE = {"test_fuzzing.py"}
"""What a bound on one input is for: a hundred times what the slowest takes."""


def timed(source: str) -> list[int]:
    """The lines of `source` where an `assert` reads a clock."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assert)
        for part in ast.walk(node)
        if isinstance(part, ast.Call)
        and isinstance(part.func, ast.Attribute)
        and part.func.attr in CLOCKS
        and isinstance(part.func.value, ast.Name)
        and part.func.value.id == "time"
    ]


def test_an_assertion_on_a_clock_is_found() -> None:
    assert timed("begun = time.monotonic()\nassert work()\nassert time.monotonic() - begun < 3") == [3]
    assert timed("while time.monotonic() < end:\n    assert work()") == []


def test_no_assertion_reads_a_clock() -> None:
    sources = {path: path.read_text("utf-8") for path in sorted(TESTS.rglob("*.py")) if path.name not in FREE}
    # Few import a clock at all: the others need not be taken apart.
    with_clocks = {path: source for path, source in sources.items() if "import time\n" in source}
    found = [f"{path.relative_to(TESTS)}:{line}" for path, source in with_clocks.items() for line in timed(source)]
    assert found == [], (
        "mark the test with `tests.ends.ends`, and give it an input that takes minutes where it is broken"
    )
