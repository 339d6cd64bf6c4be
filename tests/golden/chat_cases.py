"""Small searches of the methods for system prompts, and what their journals show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptopt.optimizers.sprig.method import Sprig
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request
from tests.golden.journal import asks, ending, made, numbered, play

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


CHAT_CASES: dict[str, Callable[[Path], list[str]]] = {"sprig": sprig}
