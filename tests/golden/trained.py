"""Small searches of the methods that train a policy, which is a table here: another torch would draw other prompts."""

from __future__ import annotations

from pathlib import Path

from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Learning, Sizes
from tests.golden.journal import ending, made, numbered, play
from tests.optimizers.rlprompt.planted_labels import labelled_task, target
from tests.optimizers.rlprompt.tables import Tables

SMALL = Sizes(steps=8, prompts=4, examples=8, held=8, every=3, finalists=2)


def rlprompt(home: Path) -> list[str]:
    """RLPrompt: prompts as they were drawn, then the looks at dev."""
    method = RLPrompt(length=2, size=SMALL, learn=Learning(scale=2.0), writer=Tables())
    model = target({"carefully": 0.7, "exactly": 0.5, "snow": -0.5})
    played = numbered(play(home, method, model, task=labelled_task(train=16, dev=16, test=16)), "02")
    lines = [f"{number} {each.operator}: {each.prompt['instruction']} [{each.note}]" for number, each in made(played)]
    for step in played.result.steps:
        scores = " ".join(f"{played.names[each.prompt]}:{each.mean:.1f}/{each.count}" for each in step.pool)
        lines.append(f"step {step.number}: {scores}; {step.spent.evaluations} evaluations; {step.note}")
    return [*lines, *ending(played)]
