"""Where an input holds a mask: a masked model is told that it is text; all others are asked what they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, ScoreRequest

TEXTS = ("a [MASK] film", "a film")


class Masked(Scripted):
    generates = False


class Causal(Scripted):
    generates = True


def labelled() -> Task:
    examples = [Example.of(("good", "bad")[n % 2], text=f"{text} {n}") for n in range(6) for text in TEXTS]
    return Task.from_examples(
        examples, prompt="Judge.", labels=("good", "bad"), splits=Splits(4, 4, 4, seed=0),
        layout=Layout("mask", text="{instruction} {text} It was [MASK]."),
    )  # fmt: skip


@pytest.mark.parametrize("kind", [Masked, Causal, Scripted])
def test_a_masked_model_alone_is_told_which_masks_are_text(tmp_path: Path, kind: type[Scripted]) -> None:
    model = kind(lambda _: "good", scores=lambda content, label: [-1.0])
    evaluate(labelled(), model=model, evaluator="labels", split="dev", store=tmp_path / "store.db")
    asked = [request for request in model.log if isinstance(request, ScoreRequest)]
    held = [request for request in asked if str(request.content).count("[MASK]") == 2]
    assert 0 < len(held) < len(asked)
    assert all(bool(request.literal) == (kind is Masked and request in held) for request in asked)
    # A key of a model that knows no masks is made of what it always was.
    assert all(("literal" in request.to_json()) == bool(request.literal) for request in asked)
