"""Small searches of the methods that follow a policy: a table here, for another torch would draw other prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptopt.optimizers.align_pro.method import AlignPro
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Learning, Sizes
from promptopt.testing import feature_accuracy, planted_model
from promptopt.types import Request
from tests.golden.journal import asks, candidates, ending, made, mark, numbered, play, text_of
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


def align_pro(home: Path) -> list[str]:
    """Align-Pro: what the reference is asked, its rewrites, and the weights in a word."""

    def propose(request: Request) -> str:
        drawn = mark(f"{text_of(request.content)}{request.seed}", 4)
        return f"<prompt>Answer {('carefully', 'exactly', 'soon', 'slowly')[int(drawn, 16) % 4]}.</prompt>"

    method = AlignPro(rewrites=6, examples=10, rounds=2, bound=1.5)
    played = play(home, method, planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.3)), propose)
    lines = [
        f"step {step.number}: {', '.join(f'{each.mean:.2f} of {each.count}' for each in step.pool)}; {step.note}; "
        f"kept {played.named(step.kept)}"
        for step in played.result.steps
    ]
    return [*asks(played), *lines, *candidates(played), *ending(played)]


TRAINED_CASES: dict[str, Callable[[Path], list[str]]] = {"align-pro": align_pro, "rlprompt": rlprompt}
"""As `cases.CASES`."""
