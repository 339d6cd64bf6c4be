"""Whether a search can pay: what is measured, what it costs, and what the sentence at the end says."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.binding.models import Models
from promptopt.comparison.headroom import Headroom, headroom
from promptopt.errors import BackendError, ConfigError, RequestRefused
from promptopt.evaluators.generation import Generation
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
from promptopt.stats.power import smallest_detectable
from promptopt.store.runs import Store
from promptopt.tasks.task import Task
from promptopt.testing import feature_accuracy, planted_model, planted_task, split_planted, uniform
from promptopt.types import Example, Request, Weigh


def looked(store: Path | Store, base: float = 0.5, gain: float = 0.4, **changes: Any) -> Headroom:
    task = changes.pop("task", None) or planted_task(test=changes.pop("test", 400))
    model = changes.pop("model", None) or planted_model(feature_accuracy(["carefully"], base=base, each=gain))
    proposer = Scripted(
        lambda request: (
            f"<prompt>{'Answer carefully' if (request.seed or 0) % 3 == 0 else 'Do answer'} the question.</prompt>"
        )
    )
    return headroom(task, model=Models(model, proposer=proposer), store=store, **changes)


@pytest.mark.slow
def test_a_start_with_room_above_it_is_worth_a_search(tmp_path: Path) -> None:
    found = looked(tmp_path / "s.db")
    assert found.start.n == 40
    assert found.picked is not None
    assert found.picked.score > found.picked.start
    assert found.spent.calls < 500
    assert "A search can pay" in found.advice
    assert smallest_detectable(found.needed) <= 0.10 < smallest_detectable(found.needed - 1)
    assert found.smallest == smallest_detectable(400)
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.slow
def test_the_same_again_costs_nothing_and_no_look(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        first, second = looked(store), looked(store)
        assert store.looks.ahead([]).earlier == 0
    assert second.paid.calls == 0
    assert (first.spent, first.advice) == (second.spent, second.advice)


@pytest.mark.slow
def test_the_best_of_equals_is_not_taken_for_better(tmp_path: Path) -> None:
    """Sixteen examples and a dozen equal prompts: the best of them looks better by luck, and the halves say so."""

    def answer(request: Request) -> str:
        return "yes" if uniform(*split_planted(request)) < 0.5 else "no"

    gains = []
    for seed in range(12):
        found = looked(
            tmp_path / f"{seed}.db", task=planted_task(seed=seed, test=60), model=Scripted(answer), seed=seed
        )
        assert found.picked is not None
        gains.append(found.picked.score - found.picked.start)
    assert abs(sum(gains) / len(gains)) < 0.12


def test_a_majority_of_replies_can_be_right_where_one_is_not(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        return "yes" if uniform(str(request.content), str(request.seed)) < (0.7 if request.seed else 0.3) else "no"

    found = looked(tmp_path / "s.db", model=Scripted(answer))
    assert found.voted is not None
    assert found.anyone is not None
    assert found.start.score < found.voted.score <= found.anyone


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base": 1.0, "gain": 0.0}, "Keep your prompt"),
        ({"base": 1.0, "gain": 0.0, "task": planted_task(dev=9)}, "right on nearly all of the 9, which are too few"),
        ({"test": 5}, "these can show no gain at all"),
        ({"gain": 0.0, "test": 30}, "Gather test examples"),
    ],
)
def test_the_advice_follows_what_was_found(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in looked(tmp_path / "s.db", **changes).advice


@pytest.mark.parametrize(("weigh", "share"), [("turn", (16 / 24, 12 / 20, 8 / 16)), ("conversation", (1 / 9,) * 3)])
def test_all_figures_count_what_the_task_counts_once(
    weigh: Weigh, share: tuple[float, float, float], tmp_path: Path
) -> None:
    """Eight conversations of one turn, all wrong, and one of sixteen, all right."""
    task = planted_task(dev=24, test=60)
    talks = [replace(each, group="long" if at >= 8 else f"short {at}") for at, each in enumerate(task.dev)]
    first = task.layouts[0]
    other = replace(first, name="other", messages=(("system", "Be brief."), *first.messages))
    task = replace(task, dev=tuple(talks), layouts=(first, other), weigh=weigh)
    right = {each.fields[0][1] for each in talks if each.group == "long"}
    model = Scripted(lambda request: "yes" if any(text in str(request.content) for text in right) else "no")
    found = looked(tmp_path / "s.db", task=task, model=model)
    [(_, laid_out)] = found.layouts
    assert found.start.score == pytest.approx(share[0])
    assert (laid_out.score, laid_out.ci95) == (found.start.score, found.start.ci95)
    assert found.voted is not None
    assert (found.voted.start, found.voted.score) == pytest.approx((share[1], share[1]))
    assert found.picked is not None
    assert (found.picked.start, found.picked.score) == pytest.approx((share[2], share[2]))


def test_unreadable_answers_come_first(tmp_path: Path) -> None:
    base = planted_task(test=100)
    task = dataclasses.replace(base, labels=("yes", "no"), answer="label", metric="exact")
    silent = Scripted(lambda request: "?" if uniform(str(request.content)) < 0.4 else "yes")
    assert "First mend how answers are read" in looked(tmp_path / "s.db", task=task, model=silent).advice


def test_caps_and_outages_are_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too early to say anything; raise it: some 400 evaluations are enough"):
        looked(tmp_path / "a.db", budget=Budget(calls=60))
    dead = Scripted(lambda _: "yes", fail_at=5, error=BackendError("nobody answers"))
    with pytest.raises(BackendError, match="nobody answers; run the same command again to go on"):
        looked(tmp_path / "b.db", model=dead)


def test_an_evaluator_that_was_made_for_the_task_asks_in_every_layout_and_draws_the_votes(tmp_path: Path) -> None:
    seen: dict[str, set[float]] = {}

    def answer(request: Request) -> str:
        form = "text" if isinstance(request.content, str) else request.content[0].role
        seen.setdefault(form, set()).add(request.sampling.temperature)
        if form == "text":
            raise RequestRefused("the server takes no plain text")
        return "no" if form == "system" else "yes"

    examples = [Example.of("no", question=f"item {number}") for number in range(60)]
    task = Task.from_examples(examples, prompt="Answer it.", labels=("no", "yes"), metric="exact", name="forms")
    found = looked(
        tmp_path / "s.db", task=task, model=Scripted(answer, name="by form"), evaluator=Generation.for_task(task)
    )
    assert [(name, score.score) for name, score in found.layouts] == [("system", 1.0)]
    assert found.left_out == (("text", "the server takes no plain text"),)
    assert found.start.score == 0.0
    assert seen["user"] == {0.0, 0.7}


@pytest.mark.slow
@pytest.mark.parametrize("calls", [210, 230, 250])
def test_no_part_of_it_goes_over_a_cap(calls: int, tmp_path: Path) -> None:
    examples = [Example.of(("no", "yes")[number % 2], question=f"item {number}") for number in range(200)]
    task = Task.from_examples(examples, prompt="Answer it.", labels=("no", "yes"), metric="exact", name="forms")
    with Store(tmp_path / "s.db") as store:
        # What is too little ends in an error, and what was paid for by then counts as well.
        with suppress(ConfigError):
            assert looked(store, task=task, budget=Budget(calls=calls)).spent.calls <= calls
        whole = looked(store, task=task)
    assert whole.spent.calls - whole.paid.calls <= calls
