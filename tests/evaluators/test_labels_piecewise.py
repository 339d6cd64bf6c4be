"""The piecewise reward of RLPrompt and PromptQuine (their published code)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from fake_task import FakeAsk, FakeTask, words

from promptopt.binding.evaluator import verdict_evaluator
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.evaluators.labels import Labels
from promptopt.types import Cell, Example, Likelihoods, Prompt, Reply, ScoreRequest, Token, TokenLogProbs

TASK = FakeTask(labels=("positive", "negative"))
PROMPT = Prompt.of("Sentiment?")
LABELS = Labels(TASK, value="piecewise")


def cell(target: str, text: str = "fine") -> Cell:
    return Cell(PROMPT, Example.of(target, text=text))


def scoring(positive: float, negative: float) -> FakeAsk:
    return FakeAsk(scores=words(positive=math.log(positive), negative=math.log(negative)))


def replying(**top: float) -> FakeAsk:
    """A model that only reports the likeliest first tokens."""
    alternatives = tuple((text, math.log(share)) for text, share in top.items())
    return FakeAsk(Reply("x", tokens=(Token("x", -0.1, alternatives),)))


@pytest.mark.parametrize("model", [scoring, lambda positive, negative: replying(positive=positive, negative=negative)])
@pytest.mark.parametrize(
    ("positive", "negative", "target", "reward"),
    [
        (0.6, 0.2, "positive", 200 * 0.5),
        (0.6, 0.2, "negative", 180 * -0.5),
        (0.3, 0.3, "positive", 0.0),
        (0.3, 0.3, "negative", 0.0),
    ],
)
def test_right_gaps_weigh_200_and_wrong_ones_180(model, positive: float, negative: float, target, reward) -> None:
    (found,) = LABELS.score([cell(target)], model(positive, negative))
    assert found.value == pytest.approx(reward)


@pytest.mark.parametrize(("target", "other"), [("positive", "negative"), ("negative", "positive")])
def test_a_tie_of_two_earns_nothing_and_counts_as_wrong(target: str, other: str) -> None:
    (found,) = LABELS.score([cell(target)], scoring(0.3, 0.3))
    assert (found.value, found.answer) == (0.0, other)
    (judged,) = Labels(TASK).score([cell(target)], scoring(0.3, 0.3))
    assert (judged.value, judged.answer) == (0.0, other)


def test_more_labels_are_compared_with_the_best_wrong_one() -> None:
    task = FakeTask(labels=("positive", "negative", "neutral"))
    scores = words(positive=math.log(0.5), negative=math.log(0.3), neutral=math.log(0.2))
    (found,) = Labels(task, value="piecewise").score([cell("positive")], FakeAsk(scores=scores))
    assert found.value == pytest.approx(200 * 0.2)


def test_labels_that_the_model_cannot_tell_apart_are_no_tie() -> None:
    # As of two words that a vocabulary does not know, or that differ in case where it has none.
    class Lowercase(FakeAsk):
        def score(self, requests: Sequence[ScoreRequest], *, role: str = "task") -> list[Likelihoods]:
            return [Likelihoods((TokenLogProbs(("yes",), (-1.0,)),) * 2) for _ in requests]

    task = FakeTask(labels=("YES", "yes"))
    with pytest.raises(EvaluatorError, match="'YES' and 'yes' are the same tokens to the model"):
        Labels(task, value="piecewise").score([cell("yes")], Lowercase(scores=words(YES=-1.0, yes=-1.0)))


def test_order_and_batch_change_nothing() -> None:
    cells = [cell(target, text) for text in ("fine", "poor") for target in ("positive", "negative")]
    together = LABELS.score(cells, scoring(0.7, 0.2))
    assert together == [LABELS.score([each], scoring(0.7, 0.2))[0] for each in cells]
    assert together[::-1] == LABELS.score(cells[::-1], scoring(0.7, 0.2))


def test_a_prompt_gains_nothing_by_hiding_the_labels() -> None:
    (hidden,) = LABELS.score([cell("positive")], replying(maybe=0.9, what=0.1))
    assert (hidden.value, hidden.parsed) == (-180.0, False)
    (wrong,) = LABELS.score([cell("positive")], replying(negative=0.9, what=0.1))
    assert hidden.value <= wrong.value < 0
    nothing = FakeAsk(scores=words(positive=-math.inf, negative=-math.inf))
    (none,) = LABELS.score([cell("positive")], nothing)
    assert (none.value, none.parsed) == (-180.0, False)


def test_the_verdict_is_by_accuracy_and_other_values_are_their_own() -> None:
    assert verdict_evaluator(LABELS, None, TASK) == Labels(TASK)
    for value in ("accuracy", "probability", "margin"):
        own = Labels(TASK, value=value)
        assert verdict_evaluator(own, None, TASK) is own
    assert LABELS.fingerprint() != Labels(TASK, value="margin").fingerprint()


def test_an_unknown_value_names_all_there_are() -> None:
    with pytest.raises(ConfigError, match="'piecewise'"):
        Labels(TASK, value="gap")  # type: ignore[arg-type]
