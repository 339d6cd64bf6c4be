"""Components of a user's own: what they may be, and what is said of those that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.sprig.method import Sprig
from promptopt.run.budget import Budget
from promptopt.testing import feature_accuracy, planted_model, planted_task

PARAGRAPH = (
    "Read the whole message first. Then say what you understood, in one sentence.\n"
    f"Only then answer; {'and keep to what is known of the order, ' * 8}and nothing else. Close kindly."
)


def test_a_paragraph_of_ones_own_is_a_component_as_it_was_written(tmp_path: Path) -> None:
    assert len(PARAGRAPH.split()) > 80
    model = planted_model(feature_accuracy(("Read the whole", "exactly"), base=0.2, each=0.4))
    proposer = Scripted(lambda _: '["Be kind to all of them."]', name="proposer")
    result = optimize(
        planted_task(), Sprig(components=(PARAGRAPH, "Please answer exactly now."), steps=2),
        model=Models(model, proposer=proposer), budget=Budget(evaluations=600), store=tmp_path / "s.db",
    )  # fmt: skip

    texts = [each.prompt["instruction"] for each in result.candidates()]
    assert f"Answer the question.\n\n{PARAGRAPH}" in texts
    assert f"Answer the question.\n\n{PARAGRAPH}\n\nPlease answer exactly now." in texts
    assert PARAGRAPH in result.best.text
    # Nobody is asked to say it in 40 words.
    assert proposer.calls > 0
    assert not any("Only then answer" in str(asked.content) for asked in proposer.log)


def test_all_that_keeps_texts_from_being_components_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        Sprig(components=("no", "Say {it} #### in the end", "Be kind to all.", "word " * 500))

    said = str(told.value)
    assert "'no' has 1 word, and it has to have 3 at least, and no full stop" in said
    assert "has braces, and a mark that answers are read by, or the name of a benchmark, and no full stop" in said
    assert "has 500 words, more than the 400 tokens that may be added (set longest), and no full stop" in said
    assert "Be kind" not in said
    assert Sprig(components=(f"{'word ' * 499}end.",), longest=600)
