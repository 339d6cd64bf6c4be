"""As `cases`, for the methods that work on programs too: a small search for each, on one prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptopt.models.scripted import Scripted
from promptopt.operators.bootstrapping import Teaching
from promptopt.optimizers.bootstrap.method import Bootstrap
from promptopt.optimizers.gepa.method import GEPA
from promptopt.optimizers.mipro.method import MIPRO
from promptopt.optimizers.mipro.method import Proposing as MIPROProposing
from promptopt.optimizers.optoprime.method import OptoPrime
from promptopt.optimizers.simba.method import SIMBA
from promptopt.optimizers.textgrad.method import TextGrad
from promptopt.testing import uniform
from promptopt.types import Request
from tests.golden.cases import counting, numbers, planted, with_demos, word
from tests.golden.journal import asks, candidates, ending, mark, play, rounds, text_of


def gepa(home: Path) -> list[str]:
    """GEPA: iterations, then candidates."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        section = text.split('"""')[1].strip()
        return f"It helps to look closely.\n<prompt>{section} Answer {word(text)}. {mark(text, 4)}</prompt>"

    played = play(home, GEPA(rounds=12, pareto=12), planted(), propose)
    return [*asks(played, 40), *rounds(played, "iteration"), *candidates(played), *ending(played)]


def bootstrap(home: Path) -> list[str]:
    """Bootstrap: candidates scored, with the demonstrations they show."""
    method = Bootstrap(sets=4, teach=Teaching(bootstrapped=2, labelled=3, tries=2))
    played = play(home, method, counting(), task=numbers(), name=with_demos)
    return [*rounds(played, "candidate"), *candidates(played), *ending(played)]


def mipro(home: Path) -> list[str]:
    """MIPRO: full scores, then candidates. Another version of optuna may draw other combinations."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        if "<summary>" in text:
            return f"<summary>Numbers, {mark(text, 4)}.</summary>"
        return f"<prompt>Say {word(text)} what it is. {mark(text, 4)}</prompt>"

    method = MIPRO(
        trials=8,
        sets=4,
        minibatch=8,
        teach=Teaching(bootstrapped=2, labelled=2),
        propose=MIPROProposing(instructions=3, batch=5),
    )
    played = play(home, method, counting(), propose, task=numbers(), name=with_demos)
    return [*asks(played, 60), *rounds(played, "full score"), *candidates(played), *ending(played)]


def optoprime(home: Path) -> list[str]:
    """OptoPrime: steps, then candidates."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        section = text.split('"""')[1].strip()
        return f"<name>instruction</name>\n<value>{section} Answer {word(text)}. {mark(text, 4)}</value>"

    played = play(home, OptoPrime(rounds=8, memory=1), planted(), propose)
    return [*asks(played, 40), *rounds(played, "step"), *candidates(played), *ending(played)]


def textgrad(home: Path) -> list[str]:
    """TextGrad: steps, then candidates."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        if "<feedback>" in text:
            return f"<feedback>Not said: {mark(text, 4)}.</feedback>"
        section = text.split('"""')[1].strip()
        return f"<prompt>{section} Answer {word(text)}. {mark(text, 4)}</prompt>"

    played = play(home, TextGrad(rounds=5, validation=12), planted(), propose)
    return [*asks(played, 40), *rounds(played, "step"), *candidates(played), *ending(played)]


def simba(home: Path) -> list[str]:
    """SIMBA: steps, then candidates."""

    def answer(request: Request) -> str:
        text = text_of(request.content)
        share = 0.3 + 0.2 * ("carefully" in text) + 0.1 * text.count("yes")
        draw = str(request.seed) if request.sampling.temperature else ""
        return "yes" if uniform(text.rpartition("question")[2], draw) < share else "no"

    def propose(request: Request) -> str:
        text = text_of(request.content)
        return f"<name>instruction</name>\n<value>Do it {word(text)}, {mark(text, 4)}.</value>"

    played = play(home, SIMBA(rounds=4, minibatch=6, candidates=3, demos=2), Scripted(answer, name="target"), propose)
    return [*asks(played, 40), *rounds(played, "step"), *candidates(played), *ending(played)]


PROGRAM_CASES: dict[str, Callable[[Path], list[str]]] = {
    "bootstrap": bootstrap,
    "gepa": gepa,
    "mipro": mipro,
    "optoprime": optoprime,
    "simba": simba,
    "textgrad": textgrad,
}
"""A golden file (without its ending) to the lines it must hold."""
