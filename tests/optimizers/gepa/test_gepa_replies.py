"""What the reflector is shown, and which of its replies become a child."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.optimizers.gepa.method import GEPA, PATIENCE
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import planted_task, uniform
from promptopt.types import Example, Prompt, Reply, Request
from tests.optimizers.gepa.gepa_searches import never, numbered, search, section_of, text_of

BASIS = "Use the text {hint} and answer the question. It is good."


def slotted() -> Task:
    """A task whose editable text has a placeholder, and whose inputs are whole sentences."""
    examples = [
        Example.of("yes", hint=f"h{number}", question=f"does the violet engine number {number} climb northern towers")
        for number in range(140)
    ]
    layout = Layout("slotted", messages=(("user", "{instruction}\n\nQuestion: {question}\nAnswer:"),))
    return Task.from_examples(
        examples, prompt=Prompt.of(BASIS), layout=layout, metric="exact", answer="text", splits=Splits(40, 40, 60)
    )


def quoting(request: Request) -> str:
    shown = text_of(request).split("question: ")[1].splitlines()[0]
    return f"<prompt>{BASIS} As in: {shown}.</prompt>"


REPLIES = {
    "no tags": lambda _: "I have no idea",
    "empty": lambda _: "<prompt></prompt>",
    "same as its parent": lambda request: f"<prompt>{section_of(text_of(request))}</prompt>",
    "lost placeholder": lambda _: "<prompt>Use the text and answer the question well.</prompt>",
    "unresolved placeholder": lambda _: f"<prompt>{BASIS} Take {{other}} too.</prompt>",
    "refusal": lambda _: "<prompt>I'm sorry, I can't help with {hint}.</prompt>",
    "cut at length": lambda _: Reply("<prompt>Use the text {hint} and then", finish="length"),
    "quotes an example": quoting,
}


@pytest.mark.slow
@pytest.mark.parametrize("reason", REPLIES)
def test_a_reply_that_is_of_no_use_is_counted_and_its_child_not_scored(tmp_path: Path, reason: str) -> None:
    searched = search(tmp_path, GEPA(rounds=2, pareto=10), never, REPLIES[reason], task=slotted())
    asked = 4 if reason == "no tags" else 2
    assert dict(searched.result.rejected) == {f"reflector: {reason}": asked}
    assert len(searched.requests) == asked
    # The start on the fronts, then on two minibatches; no child.
    assert [step.spent.evaluations for step in searched.result.steps] == [13, 16]
    assert len(searched.result.lineage) == 1


def test_a_text_of_the_pool_is_not_scored_again(tmp_path: Path) -> None:
    better = lambda instruction, question: "Say" in instruction  # noqa: E731
    method = GEPA(rounds=3, pareto=10, draw=replace(GEPA().draw, rule="epsilon", epsilon=1.0))
    searched = search(tmp_path, method, better, lambda _: "<prompt>Say yes.</prompt>", seed=3)
    spent = [step.spent.evaluations for step in searched.result.steps]
    assert spent[0] == 26
    assert spent[-1] <= spent[0] + 6
    assert len([each for each in searched.result.steps[-1].pool if each.count == 10]) == 2


def test_a_child_that_is_in_the_pool_already_is_counted_as_that(tmp_path: Path) -> None:
    better = lambda instruction, question: "Say" in instruction and uniform(question) < 0.5  # noqa: E731
    method = GEPA(rounds=8, pareto=10, draw=replace(GEPA().draw, rule="epsilon", epsilon=1.0))
    searched = search(tmp_path, method, better, lambda _: "<prompt>Say yes.</prompt>", seed=3)
    assert searched.result.rejected["reflector: in the pool already"] > 0
    assert len([each for each in searched.result.steps[-1].pool if each.count == 10]) == 2


def test_as_many_iterations_in_a_row_without_a_child_end_the_search(tmp_path: Path) -> None:
    searched = search(tmp_path, GEPA(pareto=10), never, lambda _: "?", budget=Budget(evaluations=2_000))
    assert len(searched.result.steps) == PATIENCE
    assert len(searched.requests) == 2 * PATIENCE
    assert any("no new text of use" in warning for warning in searched.result.warnings)


def test_iterations_without_a_child_count_from_the_last_one_that_brought_one(tmp_path: Path) -> None:
    # One reply in ten is of use, so that there are many without a child and never so many in a row.
    write = numbered(lambda number, text: f"{text} take {number}" if number % 10 == 9 else "")
    searched = search(tmp_path, GEPA(rounds=3 * PATIENCE, pareto=10), never, write)
    assert len(searched.result.steps) == 3 * PATIENCE


def test_a_request_shows_the_text_every_example_of_the_minibatch_and_what_must_stay(tmp_path: Path) -> None:
    seen: list[str] = []

    def right(instruction: str, question: str) -> bool:
        seen.append(question)
        return len(seen) == 12

    searched = search(tmp_path, GEPA(rounds=1, pareto=10), right, REPLIES["empty"], task=slotted())
    text = searched.requests[0]
    assert section_of(text) == BASIS
    assert text.count("Right answer: yes") == 3
    assert [text.count("Worth: 0"), text.count("Worth: 1")] == [2, 1]
    assert all(f"question: {question}\n" in text for _, question in searched.asked[10:13])
    assert "must stay as they are: {hint}" in text
    assert "must stay" not in search(tmp_path / "none", GEPA(rounds=1, pareto=10), never).requests[0]


def test_a_text_that_holds_template_syntax_goes_into_the_request_as_it_stands(tmp_path: Path) -> None:
    # The package fills its markers one after the other, so that a text with the second one corrupts the request.
    odd = "Answer. Braces {records} and {section} and <side_info> are only text."
    task = replace(planted_task(), initial=Prompt.of(odd))
    text = search(tmp_path, GEPA(rounds=1, pareto=10), never, REPLIES["no tags"], task=task).requests[0]
    assert section_of(text) == odd
    assert text.count("Worth:") == 3
