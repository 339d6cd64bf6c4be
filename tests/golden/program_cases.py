"""As `cases`, for the methods that work on programs too: a small search for each, on one prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptopt.optimizers.gepa.method import GEPA
from promptopt.types import Request
from tests.golden.cases import planted, word
from tests.golden.journal import asks, candidates, ending, mark, play, rounds, text_of


def gepa(home: Path) -> list[str]:
    """GEPA: iterations, then candidates."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        section = text.split('"""')[1].strip()
        return f"It helps to look closely.\n<prompt>{section} Answer {word(text)}. {mark(text, 4)}</prompt>"

    played = play(home, GEPA(rounds=12, pareto=12), planted(), propose)
    return [*asks(played, 40), *rounds(played, "iteration"), *candidates(played), *ending(played)]


PROGRAM_CASES: dict[str, Callable[[Path], list[str]]] = {
    "gepa": gepa,
}
"""A golden file (without its ending) to the lines it must hold."""
