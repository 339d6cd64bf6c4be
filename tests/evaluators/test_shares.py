"""The right label's probability, read out of a generated reply."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.evaluation import evaluate
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.shares import share_of_right
from promptopt.models.scripted import Scripted
from promptopt.tasks.task import Task
from promptopt.types import Example, Reply, Request, Sampling, Token

LABELS = ("refund", "cancel", "order_status", "order_change")


def token(text: str, **others: float) -> Token:
    """A token with alternatives by their probability; `text` is one of them."""
    top = sorted(((name, math.log(share)) for name, share in others.items()), key=lambda pair: -pair[1])
    return Token(text, dict(top)[text], tuple(top))


def share(tokens: list[Token], answer: str, target: str, *accepted: str) -> float | None:
    reply = Reply("".join(each.text for each in tokens), tokens=tuple(tokens))
    return share_of_right(reply, answer, Example.of(target, accepted, text="x"), LABELS)


def test_the_share_is_that_of_the_right_label_among_the_labels() -> None:
    first = token("refund", refund=0.5, cancel=0.25, The=0.2)
    assert share([first], "refund", "refund") == pytest.approx(0.5 / 0.75)
    assert share([first], "refund", "cancel") == pytest.approx(0.25 / 0.75)
    assert share([first], "refund", "order_status") == 0.0


def test_labels_that_begin_alike_are_told_apart_by_the_token_that_tells_them_apart() -> None:
    tokens = [token("order", order=0.6, cancel=0.2), token("_", **{"_": 1.0}), token("status", status=0.9, change=0.1)]
    assert share(tokens, "order_status", "order_status") == pytest.approx(0.75 * 0.9)
    assert share(tokens, "order_status", "order_change") == pytest.approx(0.75 * 0.1)
    assert share(tokens, "order_status", "cancel") == pytest.approx(0.25)


def test_a_label_that_another_goes_on_from_has_no_share_of_it() -> None:
    reply = Reply("good", tokens=(token("good", good=0.8, bad=0.2),))
    labels = ("good", "good deal", "bad")
    assert share_of_right(reply, "good", Example.of("good", text="x"), labels) == pytest.approx(0.8)
    assert share_of_right(reply, "good", Example.of("good deal", text="x"), labels) == 0.0


def test_what_is_said_before_the_label_does_not_count() -> None:
    opening = [token("The", The=0.9, refund=0.1), token(" intent", **{" intent": 1.0}), token(":", **{":": 1.0})]
    decides = token(" refund", **{" refund": 0.6, " cancel": 0.4})
    assert share([*opening, decides], "refund", "cancel") == pytest.approx(0.4)


def test_spellings_of_one_label_are_added_up() -> None:
    first = token("Refund", Refund=0.3, refund=0.3, cancel=0.2)
    assert share([first], "refund", "refund") == pytest.approx(0.75)


def test_several_right_labels_are_added_up() -> None:
    first = token("refund", refund=0.5, cancel=0.25, order=0.25)
    assert share([first], "refund", "refund", "cancel") == pytest.approx(0.75)


def test_a_reply_that_never_begins_the_label_has_no_share() -> None:
    assert share([token("money", money=1.0)], "refund", "refund") is None
    assert share([], "refund", "refund") is None
    assert share([token("refund", refund=1.0)], "", "refund") is None


@given(st.lists(st.sampled_from(["refund", "ref", "und", "order", "_", "status", " ", "can", "cel", "x"]), max_size=8))
def test_a_share_is_a_probability(texts: list[str]) -> None:
    tokens = [Token(text, -0.5, ((text, -0.5), ("cancel", -1.5), ("o", -3.0))) for text in texts]
    for target in LABELS:
        found = share(tokens, "refund", target)
        assert found is None or 0.0 <= found <= 1.0


class Reporting(Scripted):
    """A scripted model that reports alternatives."""

    def reports_alternatives(self) -> bool:
        return True


def labelled(**changes: object) -> Task:
    examples = [Example.of(LABELS[place % 4], text=f"{place}") for place in range(40)]
    task = Task.from_examples(examples, prompt="Say which it is.", labels=LABELS)
    return replace(task, **changes)  # type: ignore[arg-type]


def test_a_labelled_task_asks_for_alternatives_where_the_model_reports_them() -> None:
    plain = Generation.for_task(labelled())
    assert plain.suited(Scripted(["x"])).shares == 0
    assert plain.suited(Reporting(["x"])).shares > 0
    assert "shares" in plain.suited(Reporting(["x"])).fingerprint()
    assert "shares" not in plain.fingerprint()


@pytest.mark.parametrize(
    "changes", [{"sampling": Sampling(0.7)}, {"metric": "contains"}, {"labels": (), "answer": "text"}]
)
def test_a_task_whose_answers_are_no_greedy_labels_asks_for_none(changes: dict[str, object]) -> None:
    assert Generation.for_task(labelled(**changes)).suited(Reporting(["x"])).shares == 0


def test_an_evaluation_by_such_a_model_knows_the_shares_of_its_cells(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        assert request.logprobs > 0
        return Reply("refund", tokens=(token("refund", refund=0.6, cancel=0.4),))

    found = evaluate(labelled(), model=Reporting(answer), store=tmp_path / "store.db")
    shares = {example.target: score.probability for example, score in zip(found.examples, found.scores, strict=True)}
    assert shares["refund"] == pytest.approx(0.6)
    assert shares["cancel"] == pytest.approx(0.4)
    assert shares["order_status"] == 0.0
