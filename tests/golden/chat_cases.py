"""Small searches of the methods for system prompts, and what their journals show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptopt.optimizers.metaspo.method import MetaSPO
from promptopt.optimizers.sprig.method import Sprig
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request
from tests.golden.journal import asks, ending, made, mark, numbered, play, text_of

OWN = tuple(f"Please answer {word} now." for word in ("carefully", "exactly", "twice", "soon", "gladly", "slowly"))


def sprig(home: Path) -> list[str]:
    """SPRIG: steps, candidates by number with their edit and family."""

    def propose(request: Request) -> str:
        return '["Answer it carefully, please.", "Give the thing time."]'

    model = planted_model(feature_accuracy(("carefully", "exactly"), base=0.3, each=0.3))
    method = Sprig(components=OWN, steps=3, beam=2, pool=3, rephrasings=2, examples=8)
    played = numbered(play(home, method, model, propose, task=planted_task(train=24, dev=12, test=12)), "02")
    lines = asks(played, 60)
    for step in played.result.steps:
        pool = ", ".join(f"{played.names[each.prompt]} {each.mean:.3f}" for each in step.pool)
        kept = played.named(step.kept)
        lines.append(f"step {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {kept}")
    lines += [f"{number} {each.operator}: {each.prompt['instruction']} [{each.note}]" for number, each in made(played)]
    return [*lines, *ending(played, f"rejected: {dict(played.result.rejected)}")]


def metaspo(home: Path) -> list[str]:
    """MetaSPO: what is asked, and the candidates with the analysis that they come from."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        if "<critique>" in text:
            return "<critique>It is too vague.</critique>"
        return f"<prompt>Answer the question {word(text, request.seed)}.</prompt>"

    model = planted_model(feature_accuracy(("carefully", "exactly"), base=0.3, each=0.3))
    method = MetaSPO(rounds=2, systems=2, examples=12)
    played = numbered(play(home, method, model, propose, task=planted_task(train=24, dev=12, test=12)), "02")
    lines = asks(played, 60)
    for step in played.result.steps:
        pool = ", ".join(f"{played.names[each.prompt]} {each.mean:.3f}" for each in step.pool)
        lines.append(
            f"round {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {played.named(step.kept)}"
        )
    lines += [f"{number} {each.operator}: {each.prompt['instruction']} [{each.note}]" for number, each in made(played)]
    return [*lines, *ending(played, f"rejected: {dict(played.result.rejected)}")]


def word(text: str, seed: int | None) -> str:
    """One of three words, by what was asked and by the draw."""
    return ("carefully", "exactly", "soon")[(int(mark(text, 4), 16) + (0 if seed is None else seed)) % 3]


CHAT_CASES: dict[str, Callable[[Path], list[str]]] = {"metaspo": metaspo, "sprig": sprig}
