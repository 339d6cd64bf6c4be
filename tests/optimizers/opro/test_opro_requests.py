"""What OPRO asks: exemplars, the place of the instruction, sampling."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import BackendError, ConfigError
from promptopt.evaluators import metrics, readers
from promptopt.models.scripted import Scripted
from promptopt.optimizers.opro.method import OPRO, Proposing, Showing
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import planted_task
from promptopt.types import Example, Prompt, Request, Sampling
from tests.optimizers.opro.opro_searches import (
    START,
    exemplars,
    graded_task,
    metas,
    numbered,
    obey,
    quality,
    search,
    tagged,
    text_of,
)


def erring(mistakes: dict[str, Sequence[str]]) -> Scripted:
    """Says "no", which is wrong, to these questions under these instructions."""

    def answer(request: Request) -> str:
        text = text_of(request)
        questions = next((wrong for key, wrong in mistakes.items() if text.startswith(key)), ())
        return "no" if any(f"Question: {question}\n" in text for question in questions) else "yes"

    return Scripted(answer, name="erring")


def shown_questions(meta: str) -> list[str]:
    return [re.findall(r"Question: (.*)", each)[0] for each in exemplars(meta)]


def test_the_examples_that_were_wrong_most_often_are_shown(tmp_path: Path) -> None:
    task = planted_task(train=30)
    a, b, c, d, e = (example["question"] for example in task.train[:5])
    model = erring({"Answer the question.": [a, b], "Worse": [a, b, c, e], "Better": [d]})
    for choice, first, second in (("wrong-so-far", [{a, b}], [{a, b}]), ("wrong-of-shown", [{a, b}], [{d}])):
        proposer = tagged("Worse", "Better")
        show = Showing(memory=1, exemplars=2, choice=choice)  # pyright: ignore[reportArgumentType]
        settings = OPRO(steps=2, show=show, propose=Proposing(breadth=2))
        search(tmp_path / choice, settings, proposer, task=task, model=model)
        asked = [set(shown_questions(meta)) for meta in metas(proposer, 2)]
        assert asked[0] in first
        assert second[0] <= asked[1]
        assert len(asked[1]) == 2


@pytest.mark.slow
def test_with_fewer_mistakes_the_rest_is_drawn_and_with_none_all_is(tmp_path: Path) -> None:
    task = planted_task(train=30)
    a = task.train[0]["question"]
    for wrong in ([a], []):
        count = itertools.count()
        proposer = Scripted(lambda _: f"<instruction>Text {next(count)}</instruction>", name="new")  # noqa: B023
        model = erring({"Answer": wrong, "Text": wrong})
        settings = OPRO(steps=6, show=Showing(choice="wrong-so-far"), propose=Proposing(breadth=2))
        search(tmp_path / str(len(wrong)), settings, proposer, task=task, model=model)
        asked = [shown_questions(meta) for meta in metas(proposer, 2)]
        assert all(len(set(each)) == 3 for each in asked)
        assert all(each[: len(wrong)] == wrong for each in asked)
        assert len({tuple(each) for each in asked}) > 3


@pytest.mark.slow
def test_random_exemplars_are_drawn_anew_and_constant_ones_stay(tmp_path: Path) -> None:
    distinct: dict[str, int] = {}
    for choice in ("random", "constant"):
        proposer = numbered(0.6)
        show = Showing(choice=choice)  # pyright: ignore[reportArgumentType]
        search(tmp_path / choice, OPRO(steps=5, examples=10, show=show), proposer)
        distinct[choice] = len({tuple(exemplars(meta)) for meta in metas(proposer, 8)})
    assert distinct == {"random": 5, "constant": 1}


@pytest.mark.parametrize(
    ("metric", "reader", "labels", "gold", "reply"),
    [
        ("exact", "label", ("valid", "invalid"), "valid", "invalid"),
        ("exact", "label", ("yes", "no"), "no", "i do not know"),
        ("exact", "text", (), "valid", "invalid"),
        ("exact", "text", (), "no", "i do not know"),
        ("contains", "text", (), "valid", "invalid"),
        ("contains", "text", (), "no", "i do not know"),
        ("f1", "text", (), "valid", "invalid"),
        ("f1", "text", (), "no", "i do not know"),
        ("choice", "choice", (), "(A)", "(B) because (A) is wrong"),
        ("choice", "choice", ("(A)", "(B)"), "(A)", "(B) because (A) is wrong"),
    ],
)
def test_a_gold_answer_inside_another_word_or_a_denial_is_no_match(
    metric: str, reader: str, labels: tuple[str, ...], gold: str, reply: str
) -> None:
    answer = readers.resolve(reader, labels)(reply)
    assert answer is None or metrics.resolve(metric)(answer, Example.of(gold, question="?")) == 0.0


LAYOUTS = {
    "before": (Layout("own", text="{instruction}\n\nQ: {question}\nA:"), "<INS>\n\nQ: question 7?\nA:"),
    "before, bare": (Layout("own", text="{instruction}\n{question}"), "<INS>\nquestion 7?"),
    "beginning": (Layout("own", text="Q: {instruction}\n{question}\nA:"), "Q: <INS>\nquestion 7?\nA:"),
    "end": (Layout("own", text="Q: {question}\n{instruction}\nA:"), "Q: question 7?\n<INS>\nA:"),
    "end, bare": (Layout("own", text="{question}\n{instruction}"), "question 7?\n<INS>"),
    "answer": (Layout("own", text="Q: {question}\nA: {instruction}"), "Q: question 7?\nA: <INS>"),
    "answer, bare": (
        Layout("own", messages=(("user", "{question}"), ("assistant", "{instruction}"))),
        "question 7?\n<INS>",
    ),
    "system": (
        Layout("own", messages=(("system", "{instruction}"), ("user", "Q: {question}\nA:"))),
        "<INS>\nQ: question 7?\nA:",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("place", LAYOUTS)
def test_the_place_of_the_instruction_is_shown_in_every_layout(tmp_path: Path, place: str) -> None:
    layout, shown = LAYOUTS[place]
    proposer = tagged("Try with 0.70.")
    settings = OPRO(steps=1, show=Showing(exemplars=30))
    result = search(tmp_path, settings, proposer, task=graded_task(30, layout=layout))
    assert result.best.text == "Try with 0.70."
    (meta,) = metas(proposer, 8)
    wanted = next(example["question"] for example in graded_task(30).train)
    assert f"input:\n{shown.replace('question 7?', wanted)}\noutput:\n1\n" in meta


def test_a_layout_without_a_place_is_refused_before_any_call() -> None:
    with pytest.raises(ConfigError, match=r"does not show \{instruction\}"):
        graded_task(layout=Layout("own", text="Q: {question}\nA:"))


def test_inputs_inside_the_instruction_are_shown_and_must_stay(tmp_path: Path) -> None:
    task = graded_task(prompt="Given {question}, answer with 0.50.")
    proposer = tagged("Lost with 0.90.", "Kept {question} with 0.80.")
    settings = OPRO(steps=1, show=Showing(exemplars=30))
    result = search(tmp_path, settings, proposer, task=task)
    assert result.best.text == "Kept {question} with 0.80."
    assert result.rejected["proposer: lost placeholder"] == 1
    (meta,) = metas(proposer, 8)
    assert f"input:\nquestion: {task.train[0]['question']}\n<INS>\noutput:\n1\n" in meta
    assert "It must hold {question} once each" in meta


@pytest.mark.slow
def test_one_seed_one_course_and_another_seed_another(tmp_path: Path) -> None:
    logs: list[list[str]] = []
    for place, seed in enumerate((0, 0, 1)):
        proposer = numbered(0.4, 0.8, 0.6)
        optimize(
            graded_task(60),
            OPRO(steps=3, examples=20),
            model=Models(Scripted(obey, name="obedient"), proposer=proposer),
            seed=seed,
            store=tmp_path / f"{place}.db",
        )
        logs.append([text_of(request) for request in proposer.log])
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


@pytest.mark.slow
def test_after_an_outage_the_same_request_goes_to_the_same_model(tmp_path: Path) -> None:
    def writer() -> Scripted:
        return Scripted(lambda r: f"<instruction>With 0.{(r.seed or 0) % 90 + 10}</instruction>", name="one")

    whole = writer()
    search(tmp_path / "whole", OPRO(steps=2), whole)
    broken = Scripted(writer()._answers, name="one", fail_at=11, error=BackendError("timed out"))
    stopped = search(tmp_path / "broken", OPRO(steps=2), broken)
    assert (stopped.status, stopped.reason, broken.calls) == ("suspended", "timed out", 11)
    again = writer()
    search(tmp_path / "broken", OPRO(steps=2), again)
    first, rest = broken.log, again.log
    assert [*first, *rest] == whole.log
    assert [request.seed for request in [*first, *rest] if isinstance(request, Request)] == [
        request.seed for request in whole.log if isinstance(request, Request)
    ]


@pytest.mark.parametrize(("end", "expected"), [(None, [0.5] * 4), (1.5, [0.5, 0.75, 1.0, 1.25])])
def test_the_temperature_rises_in_equal_steps(tmp_path: Path, end: float | None, expected: list[float]) -> None:
    proposer = numbered(0.6)
    propose = Proposing(breadth=2, sampling=Sampling(temperature=0.5, max_tokens=99), end_temperature=end)
    search(tmp_path, OPRO(steps=4, propose=propose), proposer)
    asked = [request.sampling for request in proposer.log if isinstance(request, Request)]
    assert [sampling.temperature for sampling in asked] == pytest.approx([each for each in expected for _ in range(2)])
    assert {sampling.max_tokens for sampling in asked} == {99}


@pytest.mark.parametrize("order", ["history-first", "exemplars-first"])
def test_the_order_of_history_and_exemplars(tmp_path: Path, order) -> None:
    proposer = numbered(0.6)
    search(tmp_path, OPRO(steps=1, show=Showing(order=order)), proposer)
    (meta,) = metas(proposer, 8)
    assert (meta.index("Instructions so far") < meta.index("Examples of what")) is (order == "history-first")
    assert meta.endswith("<instruction>\n...\n</instruction>")


@pytest.mark.slow
def test_without_exemplars_the_fixed_text_is_told_instead(tmp_path: Path) -> None:
    layout = Layout("own", messages=(("system", "{style}"), ("user", "{instruction}\n{question}")))
    task = graded_task(prompt=Prompt.of(START, style="Be terse."), layout=layout)
    for count in (0, 1):
        proposer = numbered(0.6)
        search(tmp_path / str(count), OPRO(steps=1, show=Showing(exemplars=count)), proposer, task=task)
        (meta,) = metas(proposer, 8)
        assert meta.count("Be terse.") == 1
        assert ("<INS>" in meta) is (count == 1)
        assert ("Text that stands beside the instruction" in meta) is (count == 0)


@pytest.mark.slow
def test_long_inputs_are_shortened_and_the_mark_stays(tmp_path: Path) -> None:
    examples = [Example.of("1", question=f"{number} {'long ' * 3000}") for number in range(70)]
    task = Task.from_examples(examples, prompt=START, metric=quality, answer="text", splits=Splits(30, 20, 20))
    proposer = numbered(0.6)
    search(tmp_path, OPRO(steps=1), proposer, task=task)
    (meta,) = metas(proposer, 8)
    assert len(meta) < 4_000
    assert meta.count("characters left out") == 3
    assert meta.count("input:\n<INS>") == 3
