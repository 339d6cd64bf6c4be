"""The acceptance checks of opro.md, by number."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.config import adjust
from promptopt.errors import BackendError, ConfigError
from promptopt.evaluators import answers, metrics
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.opro.method import (
    OPRO,
    Proposing,
    Showing,
    Stopping,
    Validation,
    _best,
    _key,
    _points,
    _polish,
)
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, outcome, planted_model, planted_task, split_planted
from promptopt.types import Content, Example, Prompt, Reply, Request, Sampling, ScoreRequest, UpperBounds

START = "Answer with 0.50."
WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")


def text_of(request: Request | ScoreRequest) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def history(meta: str) -> list[tuple[str, int]]:
    """The instructions that a request shows, with their scores, in order."""
    return [(text, int(score)) for text, score in re.findall(r"text:\n(.*?)\nscore:\n(-?\d+)\n", meta, re.DOTALL)]


def exemplars(meta: str) -> list[str]:
    """The examples that a request shows, in order."""
    return re.findall(r"input:\n.*?output:\n[^\n]*", meta, re.DOTALL)


def metas(proposer: Scripted, breadth: int) -> list[str]:
    """The request of every step."""
    found = [text_of(request) for request in proposer.log]
    steps = [found[begin : begin + breadth] for begin in range(0, len(found), breadth)]
    assert all(len(step) == breadth and len(dict.fromkeys(step)) == 1 for step in steps)
    return [step[0] for step in steps]


def tagged(*texts: str) -> Scripted:
    """A proposer that writes these, one after the other, over and over."""
    endless = itertools.cycle(texts)
    return Scripted(lambda _: f"<instruction>{next(endless)}</instruction>", name="scripted")


def numbered(*qualities: float) -> Scripted:
    """A proposer whose k-th instruction has the k-th quality, over and over, and says its number."""
    count, endless = itertools.count(1), itertools.cycle(qualities)
    return Scripted(
        lambda _: f"<instruction>Number {next(count)} with {next(endless):.2f}.</instruction>", name="numbered"
    )


def quality(answer: str, example: Example) -> float:
    return float(answer)


def graded_task(train: int = 30, prompt: str | Prompt = START, layout: Layout | None = None) -> Task:
    """A task where an answer is its own score."""
    examples = [Example.of("1", question=f"question {number}?") for number in range(train + 40)]
    return Task.from_examples(
        examples, prompt=prompt, metric=quality, answer="text", name="graded", layout=layout, train=train, dev=20,
        test=20,
    )  # fmt: skip


def obey(request: Request) -> str:
    """A task model whose answers are as good as the instruction says."""
    return re.findall(r"[Ww]ith (\d\.\d+)", text_of(request))[-1]


def search(
    home: Path,
    optimizer: OPRO,
    proposer: Scripted,
    *,
    task: Task | None = None,
    model: Scripted | None = None,
    budget: Budget | None = None,
) -> Result:
    return optimize(
        graded_task() if task is None else task,
        optimizer,
        model=Scripted(obey, name="obedient") if model is None else model,
        proposer=proposer,
        budget=budget,
        store=home / "store.db",
    )


class TestContract(OptimizerContract):
    """Replay and resuming (15), hash seeds (12), exact budgets (11), the sealed test, a planted gain."""

    optimizer = OPRO(steps=3, examples=20, propose=Proposing(breadth=3), validation=Validation(share=0.25, every=2))
    budget = Budget(evaluations=1_000)

    def propose(self, request: Request) -> str:
        best = history(text_of(request))[-1][0]
        return f"<instruction>{best} {WORDS[(request.seed or 0) % len(WORDS)]}</instruction>"


def test_twenty_at_most_ascending_whole_scores_none_below_the_threshold(tmp_path: Path) -> None:
    proposer = numbered(0.1, 0.9, 0.29, 0.3, 0.456, 0.6, 0.2, 0.71)
    search(tmp_path, OPRO(steps=7), proposer)
    asked = metas(proposer, 8)
    for step, meta in enumerate(asked):
        shown = history(meta)
        scores = [score for _, score in shown]
        assert scores == sorted(scores)
        assert len(shown) == min(20, 1 + 5 * step)
        assert min(scores) >= 30
        for text, score in shown:
            assert score == round(100 * float(re.findall(r"with (\d\.\d+)", text)[0]))
    assert [score for _, score in history(asked[-1])] == [46, 50] + [60] * 6 + [71] * 6 + [90] * 6


def test_where_all_are_below_the_threshold_the_best_are_shown(tmp_path: Path) -> None:
    proposer = numbered(0.05, 0.2, 0.1, 0.15)
    settings = OPRO(steps=2, show=Showing(memory=3), propose=Proposing(breadth=4))
    search(tmp_path, settings, proposer, task=graded_task(prompt="Answer with 0.01."))
    first, second = metas(proposer, 4)
    assert history(first) == [("Answer with 0.01.", 1)]
    assert [score for _, score in history(second)] == [10, 15, 20]


def test_of_equal_scores_the_newest_is_last_and_the_oldest_goes_first(tmp_path: Path) -> None:
    proposer = numbered(0.5)
    search(tmp_path, OPRO(steps=4, show=Showing(memory=9)), proposer)
    asked = metas(proposer, 8)
    assert [text for text, _ in history(asked[1])] == [
        START,
        *(f"Number {number} with 0.50." for number in range(1, 9)),
    ]
    assert [text for text, _ in history(asked[3])] == [f"Number {number} with 0.50." for number in range(16, 25)]


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40), st.integers(1, 25))
def test_whatever_the_scores(scores: list[float], count: int) -> None:
    means = {Prompt.of(str(place)): score for place, score in enumerate(scores)}
    shown = _best(means, count)
    order = [(means[prompt], int(prompt["instruction"])) for prompt in shown]
    assert order == sorted(order)
    left_out = [(mean, int(prompt["instruction"])) for prompt, mean in means.items() if prompt not in shown]
    assert len(shown) == min(count, len(scores))
    assert all(each < order[0] for each in left_out)


def test_eight_calls_a_step_and_the_same_examples_for_all(tmp_path: Path) -> None:
    proposer, model = numbered(0.1, 0.9), Scripted(obey, name="obedient")
    task = graded_task(60)
    settings = OPRO(steps=3, examples=25, validation=Validation(share=0))
    result = search(tmp_path, settings, proposer, task=task, model=model)
    assert proposer.calls == 3 * 8
    assert [step.spent.evaluations for step in result.steps] == [25 * (1 + 8 * step) for step in (1, 2, 3)]
    train = {example["question"] for example in task.train}
    scored: dict[str, Counter[str]] = {}
    for request in model.log:
        instruction, question = split_planted(request)
        question = question.removeprefix("Question: ").split("\n")[0]
        if question in train:
            scored.setdefault(instruction, Counter())[question] += 1
    assert len(scored) == 25
    assert all(each == scored[START] for each in scored.values())
    assert scored[START].total() == len(scored[START]) == 25


def test_an_instruction_that_came_before_is_neither_scored_nor_shown_again(tmp_path: Path) -> None:
    again = (START, "answer with 0.50.", f"  **{START}** ", "Answer  with\n0.50.", "Try with 0.70.", "try with 0.70.",
             "**Try** with 0.70.", "\nTry with 0.70.\n")  # fmt: skip
    model = Scripted(obey, name="obedient")
    proposer = tagged(*again)
    result = search(tmp_path, OPRO(steps=3), proposer, model=model)
    assert [len(step.pool) for step in result.steps] == [2, 2, 2]
    assert result.steps[-1].spent.evaluations == 2 * 30
    assert history(metas(proposer, 8)[2]) == [(START, 50), ("Try with 0.70.", 70)]
    assert result.rejected == {"proposer: seen before": 23}


@pytest.mark.parametrize(
    ("reply", "reason", "calls"),
    [
        ("Answer with 0.90.", "no tags", 16),
        ("I'm sorry, I can't do that.", "refusal", 8),
        ("", "no tags", 16),
        ("</instruction>Answer with 0.90.<instruction>", "empty", 8),
        ("<instruction>I'm sorry, I can't do that.</instruction>", "refusal", 8),
        ("<instruction> </instruction>", "empty", 8),
        ("<instruction>****</instruction>", "empty", 8),
        ("<instruction>...</instruction>", "form not filled in", 8),
        (f"<instruction>{'x' * 491}with 0.90</instruction>", "", 8),
        (f"<instruction>{'x' * 492}with 0.90</instruction>", "too long", 8),
        ("<instruction>Answer <INS> with 0.90.</instruction>", "tags in the text", 8),
        ("<instruction>Answer {question} with 0.90.</instruction>", "unresolved placeholder", 8),
        (Reply("<instruction>Answer with 0.9", "length"), "cut at length", 8),
        (Reply("", "refusal"), "refusal", 8),
        ("First <instruction>with 0.10</instruction>, better <instruction>with 0.90</instruction>", "", 8),
    ],
)
def test_replies_off_their_form_cost_no_evaluation(tmp_path: Path, reply: str | Reply, reason: str, calls: int) -> None:
    proposer, model = Scripted(lambda _: reply, name="stubborn"), Scripted(obey, name="obedient")
    result = search(tmp_path, OPRO(steps=1), proposer, model=model)
    assert proposer.calls == calls
    assert len(result.steps) == 1
    found = [candidate.prompt["instruction"] for candidate in result.candidates()[1:]]
    if reason:
        # What is read once is known from then on, also where it was of no use.
        counted = {f"proposer: {reason}": 1, "proposer: seen before": 7}
        assert result.rejected in (counted, {f"proposer: {reason}": calls})
        assert found == []
        assert {split_planted(request)[0] for request in model.log} == {START}
    else:
        assert result.rejected == {"proposer: seen before": 7}
        assert len(found) == 1
        assert found[0].endswith("ith 0.90")


def test_a_start_that_is_long_leaves_room_for_rewrites_of_its_length(tmp_path: Path) -> None:
    task = graded_task(prompt=f"Answer with 0.50. {'Think. ' * 120}")
    proposer = tagged(f"{'y' * 1000} with 0.90", f"{'z' * 1070} with 0.90")
    result = search(tmp_path, OPRO(steps=1), proposer, task=task)
    assert [len(candidate.prompt["instruction"]) for candidate in result.candidates()[1:]] == [1010]


@pytest.mark.parametrize(
    "text",
    [
        "Réponds précisément: with 0.90",
        "用一个词回答 with 0.90",
        "“Quoted” — with 0.90 🎯",
        "ßtraße with 0.90",
        "ქართული with 0.90",
    ],
)
def test_any_script_is_scored_stored_and_reloaded_unchanged(tmp_path: Path, text: str) -> None:
    model = Scripted(obey, name="obedient")
    first = search(tmp_path, OPRO(steps=2), tagged(text), model=model)
    assert first.best.text == text
    assert any(text_of(request).startswith(text) for request in model.log)
    proposer = tagged("Never asked with 0.99")
    again = search(tmp_path, OPRO(steps=2), proposer)
    assert proposer.calls == 0
    assert outcome(again) == outcome(first)


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
    answer = answers.resolve(reader, labels)(reply)
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


def test_the_held_out_examples_choose_and_without_them_the_scored_ones_do(tmp_path: Path) -> None:
    task = graded_task(40)
    # A poor instruction is not among the best, so it is never scored on what is held out.
    show = Showing(memory=1)
    validation = Validation(share=0.25)
    model = Scripted(obey, name="obedient")
    search(
        tmp_path / "a", OPRO(steps=1, show=show, validation=validation), tagged("Bad with 0.10"), task=task, model=model
    )
    train = [example["question"] for example in task.train]
    scored = [each for each in train if any(f"Bad with 0.10\n\nQuestion: {each}" in text_of(r) for r in model.log)]
    assert len(scored) == 30

    def answer(request: Request) -> str:
        text = text_of(request)
        if not any(f"Question: {each}\n" in text for each in train):
            return "0.7" if "with" in text and START not in text else "0.5"
        learned = any(f"Question: {each}\n" in text for each in scored)
        return {"Seen": "0.9" if learned else "0.2", "Fair": "0.6" if learned else "0.7"}.get(text[:4], "0.5")

    settings = OPRO(steps=2, validation=validation)
    held = search(
        tmp_path / "b", settings, tagged("Seen with", "Fair with"), task=task, model=Scripted(answer, name="uneven")
    )
    assert held.best.text == "Fair with"
    assert held.search.best == pytest.approx(0.7)
    candidates = {candidate.prompt["instruction"]: candidate.search for candidate in held.candidates()}
    assert {text: (round(found.mean, 6), found.count) for text, found in candidates.items()} == {
        START: (0.5, 10), "Seen with": (0.2, 10), "Fair with": (0.7, 10),
    }  # fmt: skip
    assert {estimate.count for step in held.steps for estimate in step.pool} == {30}
    # The choice among the finalists is by dev, with n and an interval.
    assert held.best.dev is not None
    assert (held.best.dev.n, held.best.dev.ci95) == (20, pytest.approx((0.7, 0.7)))

    settings = OPRO(steps=2, validation=Validation(share=0))
    free = search(
        tmp_path / "c", settings, tagged("Seen with", "Fair with"), task=task, model=Scripted(answer, name="uneven")
    )
    assert free.best.text == "Seen with"
    winner = next(candidate for candidate in free.candidates() if candidate.prompt == free.prompt)
    assert winner.search.count == 40


@pytest.mark.parametrize(("train", "share", "count"), [(99, None, 99), (100, None, 20), (120, 0.0, 100), (20, 0.5, 10)])
def test_a_fifth_is_held_out_from_100_examples_on(tmp_path: Path, train: int, share: float | None, count: int) -> None:
    settings = OPRO(steps=0, validation=Validation(share=share))
    result = search(tmp_path, settings, numbered(0.9), task=graded_task(train))
    assert result.candidates()[0].search.count == count


def test_too_few_to_hold_some_out_is_told(tmp_path: Path) -> None:
    result = search(
        tmp_path, OPRO(steps=1, examples=19, validation=Validation(share=0.5)), numbered(0.9), task=graded_task(19)
    )
    assert any("too few to hold some out" in warning for warning in result.warnings)


def test_only_the_best_are_scored_on_what_is_held_out_every_third_step_and_at_the_end(tmp_path: Path) -> None:
    settings = OPRO(
        steps=5, examples=20, show=Showing(memory=2), propose=Proposing(breadth=4), validation=Validation(share=0.5)
    )
    # The qualities rise, so the two newest are the best after every step.
    result = search(tmp_path, settings, numbered(*(0.51 + 0.01 * place for place in range(20))))
    spent = [step.spent.evaluations for step in result.steps]
    assert spent[0] == 20 + 4 * 10 + 2 * 10
    assert [after - before for before, after in itertools.pairwise(spent)] == [40, 40, 40 + 20, 40 + 20]


@pytest.mark.parametrize("evaluations", range(60, 125, 8))
def test_a_candidate_that_was_scored_in_part_cannot_win(tmp_path: Path, evaluations: int) -> None:
    task = graded_task(10)
    train = [example["question"] for example in task.train]
    first = train[:5]

    def answer(request: Request) -> str:
        text = text_of(request)
        question = re.findall(r"Question: (.*)", text)[0]
        number = int((re.findall(r"Number (\d+)", text) or ["0"])[0])
        if question in train:
            return "1" if number and question in first else "0.9" if not number else "0"
        return str(0.3 + 0.05 * number)

    model = Scripted(answer, name="uneven")
    result = search(
        tmp_path, OPRO(steps=9), numbered(0.5), task=task, model=model, budget=Budget(evaluations=evaluations)
    )
    assert result.status == "budget"
    assert result.spent.evaluations <= evaluations
    assert model.calls <= evaluations
    winner = next(candidate for candidate in result.candidates() if candidate.prompt == result.prompt)
    assert winner.search.count == 10
    counts = [candidate.search.count for candidate in result.candidates()]
    assert any(0 < count < 10 for count in counts) or 0 in counts


def test_one_seed_one_course_and_another_seed_another(tmp_path: Path) -> None:
    logs: list[list[str]] = []
    for place, seed in enumerate((0, 0, 1)):
        proposer = numbered(0.4, 0.8, 0.6)
        optimize(
            graded_task(60), OPRO(steps=3, examples=20), model=Scripted(obey, name="obedient"), proposer=proposer,
            seed=seed, store=tmp_path / f"{place}.db",
        )  # fmt: skip
        logs.append([text_of(request) for request in proposer.log])
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


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


def test_a_run_that_goes_on_asks_what_an_undisturbed_one_asks(tmp_path: Path) -> None:
    def propose(request: Request) -> str:
        return f"<instruction>With 0.{(request.seed or 0) % 90 + 10}</instruction>"

    whole = Scripted(propose, name="one")
    search(tmp_path / "whole", OPRO(steps=3), whole)
    part = Scripted(propose, name="one")
    cut = search(tmp_path / "part", OPRO(steps=3), part, budget=Budget(evaluations=470))
    # What is left of it after the reserve for dev and test ends in the second step.
    assert (part.calls, len(cut.steps)) == (16, 1)
    rest = Scripted(propose, name="one")
    search(tmp_path / "part", OPRO(steps=3), rest)
    assert [*part.log, *rest.log] == whole.log


@pytest.mark.parametrize("order", ["history-first", "exemplars-first"])
def test_the_order_of_history_and_exemplars(tmp_path: Path, order) -> None:
    proposer = numbered(0.6)
    search(tmp_path, OPRO(steps=1, show=Showing(order=order)), proposer)
    (meta,) = metas(proposer, 8)
    assert (meta.index("Instructions so far") < meta.index("Examples of what")) is (order == "history-first")
    assert meta.endswith("<instruction>\n...\n</instruction>")


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


def test_long_inputs_are_shortened_and_the_mark_stays(tmp_path: Path) -> None:
    examples = [Example.of("1", question=f"{number} {'long ' * 3000}") for number in range(70)]
    task = Task.from_examples(examples, prompt=START, metric=quality, answer="text", train=30, dev=20, test=20)
    proposer = numbered(0.6)
    search(tmp_path, OPRO(steps=1), proposer, task=task)
    (meta,) = metas(proposer, 8)
    assert len(meta) < 4_000
    assert meta.count("characters left out") == 3
    assert meta.count("input:\n<INS>") == 3


def test_digits_are_refused_where_told(tmp_path: Path) -> None:
    texts = ("Answer in one word.", "Answer in 1 word.", "Answer ٣ times.")
    for setting, kept in (("allowed", 3), ("refused", 1)):
        propose = Proposing(digits=setting)  # pyright: ignore[reportArgumentType]
        model = Scripted(lambda _: "0.5", name="flat")
        result = search(tmp_path / setting, OPRO(steps=1, propose=propose), tagged(*texts), model=model)
        assert len(result.candidates()) == 1 + kept


@pytest.mark.parametrize(
    ("stop", "proposer", "steps"),
    [
        (Stopping(), tagged("Same with 0.50."), 4),
        (Stopping(idle=1), tagged("Same with 0.50."), 2),
        (Stopping(idle=None), tagged("Same with 0.50."), 6),
        (Stopping(), numbered(0.4), 6),
        (Stopping(patience=2), numbered(0.4), 2),
        (Stopping(patience=2), numbered(0.4, 0.4, 0.6, 0.4, 0.4, 0.4, 0.4, 0.4), 4),
    ],
)
def test_what_ends_the_search_early(tmp_path: Path, stop: Stopping, proposer: Scripted, steps: int) -> None:
    result = search(tmp_path, OPRO(steps=6, propose=Proposing(breadth=2), stop=stop), proposer)
    assert len(result.steps) == steps
    assert result.status == "finished"


def loss_search(home: Path, scores: Callable[[Content, str], Sequence[float]], proposer: Scripted) -> Result:
    """A search by log-likelihoods, in negative nats."""
    examples = [Example.of(f"word{number}", question=f"Which is number {number}?") for number in range(50)]
    task = Task.from_examples(
        examples, prompt="Answer.", metric="exact", answer="text", name="words", train=10, dev=20, test=20
    )
    loss = Loss(task, reduction="sum", ends=False)
    return optimize(
        task,
        OPRO(steps=3, propose=Proposing(breadth=3)),
        model=Scripted(lambda _: "yes", name="scorer", scores=scores),
        proposer=proposer,
        evaluator=loss,
        check_evaluator=loss,
        store=home / "store.db",
    )


def test_negative_nats_are_shown_by_their_place_between_worst_and_best(tmp_path: Path) -> None:
    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        return [{"Wor": -9.0, "Mid": -2.5, "Goo": -1.0}.get(read[:3], -3.0)]

    proposer = tagged("Worst", "Middle", "Good")
    result = loss_search(tmp_path, scores, proposer)
    first, second, *_ = metas(proposer, 3)
    assert history(first) == [("Answer.", 50)]
    # No threshold: what is worst depends on what else is shown.
    assert history(second) == [("Worst", 0), ("Answer.", 75), ("Middle", 81), ("Good", 100)]
    assert result.best.text == "Good"


def test_equal_nats_are_all_shown_as_50(tmp_path: Path) -> None:
    proposer = tagged("One", "Two", "Three")
    result = loss_search(tmp_path, lambda _, text: [-0.5], proposer)
    assert {score for meta in metas(proposer, 3) for _, score in history(meta)} == {50}
    assert result.best.text in ("One", "Two")
    assert result.verdict == "no_evidence"


def test_a_candidate_that_is_impossible_is_not_shown_and_cannot_win(tmp_path: Path) -> None:
    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        return [-math.inf if read.startswith("Bad") else -1.0 if read.startswith("Good") else -2.0]

    proposer = tagged("Bad", "Good", "Bad too")
    result = loss_search(tmp_path, scores, proposer)
    assert history(metas(proposer, 3)[1]) == [("Answer.", 0), ("Good", 100)]
    assert result.best.text == "Good"


def test_where_everything_is_impossible_the_start_is_kept(tmp_path: Path) -> None:
    proposer = tagged("One", "Two", "Three")
    result = loss_search(tmp_path, lambda _, text: [-math.inf], proposer)
    assert result.status == "finished"
    assert {score for meta in metas(proposer, 3) for _, score in history(meta)} == {0}


@given(st.lists(st.one_of(st.floats(-1e6, 0.0), st.just(-math.inf)), min_size=1, max_size=30), st.booleans())
def test_points_are_whole_from_0_to_100_and_keep_the_order(values: list[float], in_unit: bool) -> None:
    values = [1.0 + max(value, -1.0) if in_unit and value != -math.inf else value for value in values]
    means = {Prompt.of(str(place)): value for place, value in enumerate(values)}
    points = _points(means, in_unit)
    assert all(0 <= each <= 100 for each in points.values())
    ordered = [points[prompt] for prompt in sorted(means, key=means.__getitem__)]
    assert ordered == sorted(ordered)


@given(st.text(max_size=60))
def test_polishing_keeps_what_tells_instructions_apart(text: str) -> None:
    polished = _polish(text)
    assert _key(polished) == _key(text)
    assert _polish(polished) == polished or "**" in polished


@pytest.mark.parametrize(
    ("text", "polished"),
    [
        (" **answer** the question ", "Answer the question"),
        ("**Think:** first.\n\n- then **answer**", "Think: first.\n\n- then answer"),
        ("raise x**2 to y**3", "Raise x**2 to y**3"),
        ("été", "Été"),
    ],
)
def test_bold_marks_go_and_powers_stay(text: str, polished: str) -> None:
    assert _polish(text) == polished


@pytest.mark.parametrize("reply", ["", "???", f"<instruction>{START}</instruction>"])
def test_a_proposer_that_gives_nothing_new_leaves_the_start(tmp_path: Path, reply: str) -> None:
    result = search(tmp_path, OPRO(), Scripted(lambda _: reply, name="dull"))
    assert result.best.text == START
    assert len(result.steps) == 3
    assert any("no usable candidate" in warning for warning in result.warnings)


@pytest.mark.parametrize("evaluations", [10, 30, 45])
def test_a_budget_below_the_first_step_gives_the_start_with_its_score(tmp_path: Path, evaluations: int) -> None:
    result = search(tmp_path, OPRO(), numbered(0.9), budget=Budget(evaluations=evaluations))
    assert result.status == "budget"
    assert result.best.text == START
    assert result.best.test is not None
    assert result.best.test.score == 0.5


def test_all_scores_equal_end_in_no_evidence(tmp_path: Path) -> None:
    result = search(tmp_path, OPRO(steps=3), numbered(0.5), model=Scripted(lambda _: "0", name="zero"))
    assert result.verdict == "no_evidence"
    assert result.status == "finished"


def test_lineage_says_what_was_shown_best_first(tmp_path: Path) -> None:
    result = search(tmp_path, OPRO(steps=2, propose=Proposing(breadth=2)), numbered(0.6, 0.4))
    children = [c.proposal for c in result.candidates() if c.proposal.note.startswith("step 1")]
    assert len(children) == 2
    for child in children:
        assert child.operator == "proposer"
        assert [parent["instruction"] for parent in child.parents] == [
            "Number 1 with 0.60.", START, "Number 2 with 0.40.",
        ]  # fmt: skip


def test_expected_is_the_cost_formula_of_the_paper() -> None:
    paper = OPRO(steps=200, examples=261, validation=Validation(share=0))
    assert paper.upper_bounds(10_000) == UpperBounds(261 * 1601, 2 * 1600, 2 * 1600 * 512)
    assert OPRO(steps=0).upper_bounds(50) == UpperBounds(50, 0, 0)
    assert OPRO().upper_bounds(1000).evaluations == 321 * 80 + 301 * 20


@pytest.mark.parametrize("reply", ["<instruction>New {} with 0.60</instruction>", "no tags {}"])
def test_expected_bounds_what_is_spent(tmp_path: Path, reply: str) -> None:
    count = itertools.count()
    settings = OPRO(steps=4, examples=20, propose=Proposing(breadth=3), validation=Validation(share=0.3))
    proposer = Scripted(lambda _: reply.format(next(count)), name="any")
    result = search(tmp_path, settings, proposer)
    bound = settings.upper_bounds(30)
    assert result.steps[-1].spent.evaluations <= bound.evaluations
    assert result.spent.proposer_calls <= bound.proposer_calls


def test_settings_from_the_command_line() -> None:
    settings = {
        "steps": "200",
        "show.choice": "wrong-so-far",
        "propose.sampling.temperature": "0.8",
        "propose.end_temperature": "1.2",
        "validation.share": "none",
        "stop.patience": "5",
    }
    assert adjust(OPRO(), settings, "opro") == OPRO(
        steps=200,
        show=Showing(choice="wrong-so-far"),
        propose=Proposing(sampling=Sampling(temperature=0.8, max_tokens=512), end_temperature=1.2),
        stop=Stopping(patience=5),
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(OPRO, "examples", 0), (OPRO, "steps", -1), (Showing, "memory", 0), (Showing, "threshold", 1.1),
     (Proposing, "breadth", 0), (Proposing, "end_temperature", -0.1), (Validation, "share", 0.6),
     (Validation, "every", 0), (Stopping, "idle", 0), (Stopping, "patience", 0)],
)  # fmt: skip
def test_unusable_settings_are_refused(kind: type, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})


def test_a_model_that_samples_answers_and_proposes_alike(tmp_path: Path) -> None:
    """One model in both roles, as `--model` alone has it."""
    planted = planted_model(lambda text: 0.9 if "exactly" in text else 0.4)

    def both(request: Request) -> str:
        if text_of(request).startswith("Write an instruction"):
            return "<instruction>Answer exactly.</instruction>"
        ((_, reply),) = planted.generate([request])
        return reply.text

    result = optimize(planted_task(), OPRO(steps=1), model=Scripted(both, name="one"), store=tmp_path / "store.db")
    assert result.best.text == "Answer exactly."
