"""How RLPrompt ranks what it looked at on dev, and when it takes rewards for saying nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.models.scripted import Scripted
from promptopt.operators.training import Sample
from promptopt.optimizers.rlprompt.entries import Entry
from promptopt.optimizers.rlprompt.ranking import Ranking
from promptopt.types import Content, Prompt
from tests.optimizers.rlprompt.tables import Tables
from tests.optimizers.rlprompt.test_search import SIZES, SMALL, drawn, search


def margins(by_word: dict[str, Sequence[float]]) -> Scripted:
    """The right label's margin in nats, by the word that is the prompt: one on two items, another on the next two.

    Items are good and bad by turns, so both labels have both margins.
    """

    def scores(content: Content, label: str) -> list[float]:
        prompt, _, item = str(content).rpartition(" Item: ")
        number = int(item.split()[1])
        odd, even = by_word.get(prompt.strip(), (-0.1, -0.1))
        right = ("good", "bad")[number % 2] == label.strip()
        return [(odd if number // 2 % 2 else even) if right else 0.0]

    return Scripted(lambda _: "good", name="margins", scores=scores)


WORDS = ("often", "boldly")
LOOKS = replace(
    SMALL, length=1, size=replace(SIZES, steps=3, held=32, finalists=2), writer=Tables(words=WORDS, rate=0.0)
)


@pytest.mark.parametrize(
    ("by_word", "best"),
    [
        # Right on all by a hair, or on half of them by far: the second has the larger mean reward, and is wrong more.
        ({"often": (0.05, 0.05), "boldly": (6.0, -0.5)}, "often"),
        ({"boldly": (0.05, 0.05), "often": (6.0, -0.5)}, "boldly"),
        # A tie of the labels has the reward 0, and is no answer: it is wrong everywhere, though its mean is the larger.
        ({"often": (0.5, -3.0), "boldly": (0.0, 0.0)}, "often"),
        ({"boldly": (0.5, -3.0), "often": (0.0, 0.0)}, "boldly"),
    ],
)
def test_who_answers_more_of_dev_rightly_is_first_whatever_the_rewards_there(
    tmp_path: Path, by_word: dict[str, Sequence[float]], best: str
) -> None:
    # A user is promised accuracy. The reward also pays for margins, which guide the training and decide ties alone.
    result = search(tmp_path, LOOKS, model=margins(by_word))
    ranked = [each.prompt["instruction"].strip() for each in result.steps[-1].pool]
    assert {*WORDS} <= {*ranked}
    assert ranked[0] == best
    means = {each.prompt["instruction"].strip(): each.mean for each in result.steps[-1].pool}
    assert means[best] < max(means.values())


def test_steps_whose_prompts_tie_end_a_search_only_where_they_stand_on_end(tmp_path: Path) -> None:
    # Two prompts of two words are equal in every second step by chance: thirty such steps are no end of the learning.
    size = replace(SIZES, steps=60, prompts=2, held=4, examples=2, every=30)
    method = replace(SMALL, length=1, size=size, writer=Tables(words=WORDS, rate=0.0))
    result = search(tmp_path, method, worth={"often": 1.0, "boldly": 0.2})
    assert result.steps[-2].note.startswith("60 of 60 updates")
    assert not [warning for warning in result.warnings if "earned the same" in warning]
    assert set(drawn(result)) <= {" often", " boldly"}


def test_of_prompts_that_score_the_same_the_one_that_was_written_first_stands_first() -> None:
    same = SimpleNamespace(mean=0.5)
    run: Any = SimpleNamespace(
        task=SimpleNamespace(editable="instruction", labels=()), evaluate=lambda *_: None, estimate=lambda *_: same
    )
    ranking, sample = Ranking(run, [], per_input=False), Sample((), "")
    texts = {"late": (7, 0.4), "early but longer": (2, 0.4), "earned more": (9, 0.6), "late too": (7, 0.4)}
    for text, (step, reward) in texts.items():
        ranking.add(Entry(Prompt((("instruction", text),)), sample, step, reward))
    order = [prompt["instruction"] for prompt in ranking.order()]
    assert order == ["earned more", "early but longer", "late", "late too"]
