"""SPRIG step by step: what goes on, on which examples, and what becomes of a step that a budget ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.session import Session
from promptopt.binding.suite import several_tasks
from promptopt.errors import EvaluatorError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.sprig.bandit import Credits
from promptopt.optimizers.sprig.method import Sprig
from promptopt.optimizers.sprig.scoring import worth_of
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.run.events import Event, PhaseBegun
from promptopt.tasks import Splits, Task
from promptopt.types import Example, Prompt, Request


def components(*words: str) -> tuple[str, ...]:
    return tuple(f"Please answer {word} now." for word in words)


def graded(size: int = 6) -> Task:
    """A task whose replies are the score itself."""
    return Task.from_examples([Example.of("", text=f"item {n}") for n in range(3 * size)], prompt="Answer.",
                              answer="text", metric=lambda answer, _: float(answer),
                              splits=Splits(size, size, size))  # fmt: skip


def by_words(worth: dict[str, float], luck: float = 0.0) -> Callable[[Request], str]:
    """0.5 and what each word of the prompt adds; `luck`: how much easier each item is than the one before."""

    def reply(request: Request) -> str:
        text = str(request.content)
        added = sum(change for word, change in worth.items() if f"answer {word} now" in text)
        return str(0.5 + added + luck * int(text.rpartition("item ")[2].split("\\")[0]))

    return reply


def search(home: Path, method: Sprig, reply: Callable[[Request], str], **more: Any) -> Result:
    return optimize(more.pop("task", graded()), method, model=Scripted(reply), store=home / "s.db", **more)


def test_child_and_parent_are_held_against_each_other_on_the_same_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were a parent's score that of another draw, the luck of the draws would be in every credit."""
    worth = {"good": 0.25, "bad": -0.25, "idle": 0.0}
    given: list[float] = []
    monkeypatch.setattr(Credits, "add", lambda _, family, change: given.append(round(change, 6)))
    asked: list[tuple[set[Prompt], tuple[Example, ...]]] = []

    def watch(run: Any) -> None:
        evaluate = run.evaluate

        def noted(prompts: Sequence[Prompt], examples: Sequence[Example], **more: Any) -> Any:
            asked.append((set(prompts), tuple(examples)))
            return evaluate(prompts, examples, **more)

        run.evaluate = noted

    method = Sprig(preset="paper", steps=4, beam=2, examples=2, components=components(*worth), rephrasings=0)
    result = search(tmp_path, method, by_words(worth, luck=0.01), session=Session(watch=watch))

    assert set(given) == set(worth.values())
    for step, (prompts, _) in zip(result.steps, asked, strict=False):
        assert {each.prompt for each in step.pool} == prompts
    # Each step is one look, and not all of them are at the same examples.
    assert len({frozenset(examples) for _, examples in asked[: len(result.steps)]}) > 1


@pytest.mark.parametrize("beam", [1, 2, 3, 20])
def test_the_best_of_candidates_and_parents_go_on_and_ties_go_to_what_came_first(tmp_path: Path, beam: int) -> None:
    worth = {"good": 0.2, "fine": 0.2, "bad": -0.2, "worse": -0.25}
    method = Sprig(preset="paper", steps=4, beam=beam, examples=6, components=components(*worth), rephrasings=0)
    result = search(tmp_path, method, by_words(worth))

    for step in result.steps:
        best_first = sorted(step.pool, key=lambda estimate: -round(estimate.mean, 9))
        assert [*step.kept] == [estimate.prompt for estimate in best_first[:beam]]
    best = [max(estimate.mean for estimate in step.pool) for step in result.steps]
    assert best == sorted(best)
    # Nothing helps beyond the two: the parents stay, though no child of theirs is as good.
    assert best[-1] == pytest.approx(0.9)


def test_tasks_count_alike_however_many_examples_they_have_but_for_their_weights() -> None:
    tasks = [
        Task.from_examples([Example.of("yes", text=f"{name} {n}") for n in range(9)], prompt=f"Do {name}.", name=name,
                           splits=Splits(3, 3, 3))
        for name in "abc"
    ]  # fmt: skip
    examples = [
        replace(Example.of("yes", text=f"{name} {n}"), slice=name)
        for name, count in (("a", 10), ("b", 100), ("c", 1_000))
        for n in range(count)
    ]
    scores = [{"a": 1.0, "b": 0.5, "c": 0.0}[example.slice] for example in examples]

    assert worth_of(several_tasks(tasks), examples, scores) == pytest.approx(0.5)
    weighted = several_tasks(tasks, objective="weighted", weights=(2, 1, 1))
    assert worth_of(weighted, examples, scores) == pytest.approx(0.625)


@pytest.mark.parametrize("evaluations", [57, 60, 63])
def test_a_candidate_that_a_budget_left_half_scored_is_not_chosen_for_what_it_was_scored_on(
    tmp_path: Path, evaluations: int
) -> None:
    """The budget pays for the start, four of nine candidates, and a part of the next: that one is right there alone.

    What it scored there is as good as the start's, and dev tells them apart.
    """
    tasks = [
        Task.from_examples([Example.of("yes", text=f"{name} {n}") for n in range(30)], prompt=f"Do {name}.", name=name,
                           splits=Splits(10, 10, 10))
        for name in "abc"
    ]  # fmt: skip
    method = Sprig(preset="paper", steps=2, examples=2, components=components(*"abcdefghi"), rephrasings=0)
    trained = [example.messages[0].content for example in several_tasks(tasks, system="Answer.").train]

    def searched(home: str, right: str) -> tuple[Result, Counter[str]]:
        cells, seen = Counter[str](), Counter[str]()

        def reply(request: Request) -> str:
            system, user = (message.content for message in request.content)  # type: ignore[union-attr]
            cells[system] += 1
            return "yes" if system == "Answer." or (system == right and user in trained) else "no"

        def note(event: Event) -> None:
            if isinstance(event, PhaseBegun) and event.name == "dev":
                seen.update(cells)

        (tmp_path / home).mkdir()
        more = {"task": several_tasks(tasks, system="Answer."), "session": Session(observers=[note])}
        return search(tmp_path / home, method, reply, budget=Budget(evaluations=evaluations), **more), seen

    _, seen = searched("blind", "")
    (partial,) = [prompt for prompt, count in seen.items() if count < 6]
    assert sorted(seen.values())[1:] == [6] * 5
    result, again = searched("told", partial)

    assert (result.status, again) == ("budget", seen)
    assert result.spent.evaluations <= evaluations
    assert partial not in {each.prompt["instruction"] for each in (result.best, result.start)}
    assert result.steps == ()
    assert result.best.dev is not None
    assert result.start.dev is not None
    assert result.best.dev.score >= result.start.dev.score


def test_the_model_reads_the_start_and_the_components_and_nothing_else(tmp_path: Path) -> None:
    own = components("a", "b")
    model = Scripted(lambda _: "0.5")
    method = Sprig(preset="paper", steps=2, beam=3, examples=1, components=own, rephrasings=0)
    result = optimize(graded(), method, model=model, store=tmp_path / "s.db")
    parts = {"", own[0], own[1], f"{own[0]} {own[1]}", f"{own[1]} {own[0]}"}

    assert {each.prompt["instruction"] for each in result.candidates()} == {f"Answer. {each}".strip() for each in parts}
    assert {str(request.content).partition("item ")[0] for request in model.log} == {
        str(graded().render(Prompt.of(f"Answer. {each}".strip()), graded().train[0])[0]).partition("item ")[0]
        for each in parts
    }


def test_credits_are_divided_by_their_deviation_unless_they_are_not_to_be() -> None:
    """Without it changes below a tenth are nothing beside a bonus of above one."""
    scaled, plain = Credits(), Credits(scaled=False)
    for credits in (scaled, plain):
        for family, change in (("good", 0.06), ("good", 0.06), ("bad", -0.06), ("bad", -0.06)):
            credits.add(family, change)

    assert scaled.index("good") - scaled.index("bad") == pytest.approx(2.0)
    assert plain.index("good") - plain.index("bad") == pytest.approx(0.12)
    assert plain.index("good", 0.0) == pytest.approx(0.06)
    # About the mean of all, 0.05, the squares come to 0.0625, 0.0025 and twice 0.0225: 0.0275 each.
    skewed = Credits(given={"good": [0.3, 0.1], "bad": [-0.1, -0.1]})
    assert skewed.index("good", 0.0) == pytest.approx(0.2 / 0.0275**0.5)


def failing(task: str, word: str) -> list[Task]:
    """Two tasks; the metric of `task` fails on replies under a prompt with `word` in it."""

    def metric(answer: str, _: Example) -> float:
        if word in answer:
            raise ValueError("no such reply")
        return float("good" in answer)

    return [
        Task.from_examples([Example.of("yes", text=f"{name} {n}") for n in range(24)], prompt=f"Do {name}.", name=name,
                           metric=metric if name == task else "contains", answer="text", splits=Splits(8, 8, 8))
        for name in "ab"
    ]  # fmt: skip


def echo(request: Request) -> str:
    """What the system is made to say, and the right answer."""
    return f"{request.content[0].content} yes"  # type: ignore[union-attr]


@pytest.mark.parametrize("form", ["beam", "population"])
def test_a_metric_that_fails_ends_the_search_with_the_task_and_the_prompt_named(tmp_path: Path, form: str) -> None:
    both = several_tasks(failing("b", "bad"), system="Answer.")
    method = Sprig(form, steps=1, components=components("good", "bad", "soon"), rephrasings=0)  # type: ignore[arg-type]
    bad = both.initial.replace("instruction", f"Answer. {components('bad')[0]}")
    with pytest.raises(EvaluatorError, match="metric of task 'b' failed: ValueError: no such reply") as raised:
        search(tmp_path, method, echo, task=both, budget=Budget(evaluations=600))

    assert form == "population" or raised.value.prompt_id == bad.id
    assert f"prompt {raised.value.prompt_id}" in str(raised.value)


@pytest.mark.parametrize("form", ["beam", "population"])
def test_by_skip_a_prompt_that_a_metric_fails_on_is_not_ranked_and_the_search_goes_on(
    tmp_path: Path, form: str
) -> None:
    both = several_tasks(failing("b", "bad"), system="Answer.")
    method = Sprig(form, steps=2, components=components("good", "bad", "soon"), rephrasings=0,
                   on_task_error="skip")  # type: ignore[arg-type]  # fmt: skip
    result = search(tmp_path, method, echo, task=both, budget=Budget(evaluations=600))
    again = search(tmp_path, method, echo, task=both, budget=Budget(evaluations=600))
    ranked = {estimate.prompt["instruction"] for step in result.steps for estimate in step.pool}

    assert "good" in result.best.text
    assert not any("bad" in text for text in ranked)
    assert result.rejected["sprig: a metric failed on its replies"] > 0
    assert any("prompts on whose replies a metric fails are left out" in said for said in result.warnings)
    # What was asked before a failure is known, and not paid for twice.
    assert (again.paid.calls, again.best.prompt) == (0, result.best.prompt)


def test_where_every_prompt_fails_there_is_nothing_to_skip_to(tmp_path: Path) -> None:
    both = several_tasks(failing("b", "Answer"), system="Answer.")
    method = Sprig(steps=1, components=components("good"), rephrasings=0, on_task_error="skip")
    with pytest.raises(EvaluatorError, match="of task 'b'"):
        search(tmp_path, method, echo, task=both, budget=Budget(evaluations=400))
