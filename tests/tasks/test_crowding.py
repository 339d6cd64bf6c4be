"""Demonstrations that do not fit a model's context are refused, or fewer are shown; never cut in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.errors import ConfigError
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.operators.demos import fitting
from promptopt.optimizers.random_search import RandomSearch
from promptopt.run import Run
from promptopt.tasks.crowding import PER_MESSAGE, crowded
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Proposal, Sampling

EXAMPLES = [Example.of("yes", question=f"is it {'so ' * number}") for number in range(40)]


class Short(Scripted):
    """A model that holds few tokens; a token is a word."""

    context = 400


def short_task(demos: int = 0) -> Task:
    splits = Splits(20, 10, 10)
    task = Task.from_examples(EXAMPLES, prompt="Answer.", max_tokens=10, splits=splits)
    prompt = Prompt.of("Answer.", task.train[:demos])
    return Task.from_examples(EXAMPLES, prompt=prompt, max_tokens=10, splits=splits)


def test_the_longest_input_and_reply_count() -> None:
    task, model = short_task(), Short(lambda request: "yes")
    longest = max((*task.train, *task.dev), key=lambda example: len(example["question"]))
    for count in range(len(task.train)):
        prompt = task.initial.with_demos(task.train[:count])
        content, _ = task.render(prompt, longest)
        words = sum(model.count_tokens(message.content) for message in content if not isinstance(message, str))
        needed = words + PER_MESSAGE * (2 * count + 1) + 10
        assert (crowded(task, prompt, model) is not None) == (count > 0 and needed > model.context)
    assert crowded(task, task.initial.with_demos(task.train), Scripted(lambda request: "yes")) is None


def test_a_prompt_whose_demonstrations_do_not_fit_is_refused_before_it_costs(tmp_path: Path) -> None:
    task, model = short_task(20), Short(lambda request: "yes")
    with pytest.raises(ConfigError, match=r"the prompt's 20 demonstrations, .* 'scripted' holds 400; show fewer"):
        evaluate(task, model=model, store=tmp_path / "store.db")
    with pytest.raises(ConfigError, match="the prompt's 20 demonstrations"):
        optimize(task, RandomSearch(), model=model, store=tmp_path / "store.db")
    assert model.calls == 0


class Crowding:
    """Proposes all of train as demonstrations, and as many as fit."""

    def optimize(self, run: Run) -> None:
        kept = fitting(run, run.initial, run.train)
        assert 0 < len(kept) < len(run.train)
        assert kept == list(run.train[: len(kept)])
        more = run.initial.with_demos(run.train[: len(kept) + 1])
        assert run.admit([Proposal(more), Proposal(run.initial.with_demos(kept))]) == [run.initial.with_demos(kept)]


def test_a_search_shows_as_many_as_fit_and_says_so(tmp_path: Path) -> None:
    result = optimize(short_task(), Crowding(), model=Short(lambda request: "yes"), store=tmp_path / "store.db")
    assert result.rejected == {"demonstrations do not fit the model's context": 1}
    assert any("demonstrations are left out where they would not fit" in warning for warning in result.warnings)


def test_a_longer_reply_leaves_less_room_and_only_demonstrations_are_refused() -> None:
    task, model = short_task(), Short(lambda request: "yes")
    talkative = replace(task, sampling=Sampling(max_tokens=390))
    shown = task.initial.with_demos(task.train[:1])
    assert crowded(task, shown, model) is None
    assert crowded(talkative, shown, model) is not None
    assert crowded(talkative, talkative.initial, model) is None
