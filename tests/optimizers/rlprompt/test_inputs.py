"""Prompts for single inputs: how they are rewarded and compared, and which policy comes out."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.operators.policy_marks import mark_in, state_of
from promptopt.operators.training import BEST
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Learning, Sizes
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.artifacts import Artifacts
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.tasks.contract import Contract
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing.planted import uniform
from promptopt.testing.processes import outcome
from promptopt.types import Content, Example, Room, Score
from tests.optimizers.rlprompt.tables import MADE, WORDS, Tables

METHOD = RLPrompt(
    length=1,
    inputs=2,
    size=Sizes(steps=40, prompts=8, held=16, every=5),
    learn=Learning(scale=2.0),
    writer=Tables(heeds="warm|cold"),
)
HELPS = {"warm": "carefully", "cold": "exactly"}


def task(longest: int | None = None) -> Task:
    """Warm and cold items, each good or bad."""
    examples = [Example.of(("good", "bad")[number // 2 % 2], text=f"{('warm', 'cold')[number % 2]} item {number}")
                for number in range(100)]  # fmt: skip
    made = Task.from_examples(
        examples, prompt="start", name="warm and cold", labels=("good", "bad"),
        layout=Layout("text", text="{instruction} Item: {text} Answer:"), splits=Splits(24, 32, 44),
    )  # fmt: skip
    return made if longest is None else replace(made, contract=Contract(max_tokens=longest))


def target() -> Scripted:
    """What helps a warm item spoils a cold one, and the other way round; some items are hard."""

    def scores(content: Content, label: str) -> list[float]:
        assert isinstance(content, str)
        prompt, _, item = content.rpartition(" Item: ")
        kind, _, number = item.removesuffix(" Answer:").split()
        told = [word for word in HELPS.values() if word in prompt]
        margin = sum(1.0 if word == HELPS[kind] else -1.0 for word in told) - 0.9 * uniform("hard", number)
        right = ("good", "bad")[int(number) // 2 % 2] == label.strip()
        return [margin if right else 0.0]

    return Scripted(lambda _: "good", name="warm and cold", scores=scores)


def search(
    home: Path,
    method: RLPrompt = METHOD,
    *,
    model: Scripted | None = None,
    on: Task | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Result:
    return optimize(
        task() if on is None else on, method, model=Models(target() if model is None else model),
        budget=Budget() if budget is None else budget, seed=seed, store=home / "store.db",
    )  # fmt: skip


def likeliest(rows: list[list[float]]) -> str:
    return WORDS[max(range(len(rows[0])), key=rows[0].__getitem__)]


def sent(model: Scripted) -> list[str]:
    return [str(request.content) for request in model.log]


@pytest.mark.slow
def test_a_policy_that_reads_the_input_gives_each_kind_of_input_what_helps_it(tmp_path: Path) -> None:
    model = target()
    result = search(tmp_path, model=model)
    assert mark_in(result.best.text) == result.best.text != ""
    assert result.verdict == "better"
    assert result.gain is not None
    assert result.gain.mean > 0.6
    # The model never reads a mark, and in the test each kind of item has the word that helps it.
    assert not any("[[policy" in text for text in sent(model))
    assert all(
        HELPS[kind] in text for text in sent(model)[-88:] for kind in HELPS if kind in text and "start" not in text
    )


@pytest.mark.slow
def test_no_one_prompt_is_as_good_where_inputs_want_different_ones(tmp_path: Path) -> None:
    many = search(tmp_path / "many")
    one = search(tmp_path / "one", replace(METHOD, inputs=0, size=replace(METHOD.size, examples=8)))
    assert one.best.test is not None
    assert many.best.test is not None
    assert one.best.test.score < many.best.test.score


def test_a_step_costs_its_prompts_and_each_is_rewarded_on_its_own_input(tmp_path: Path) -> None:
    model = target()
    result = search(tmp_path, replace(METHOD, size=replace(METHOD.size, steps=5, every=5)), model=model)
    drawn = [each for each in result.candidates() if each.proposal.operator == "policy"]
    assert drawn
    first = MADE[-1].contexts[:8]
    assert (len(set(first)), first[0], first[4]) == (2, first[3], first[7])
    # The policy reads what the model does, less the prompt.
    assert first[0].startswith(" Item: ")
    assert first[0].endswith(" Answer:")
    # Two looks at dev (the empty prompt and the policy) beside five steps of eight prompts at most.
    assert result.steps[0].spent.evaluations <= 5 * 8 + 2 * 16


def test_prompts_of_one_input_are_held_against_each_other_alone(tmp_path: Path) -> None:
    search(tmp_path, replace(METHOD, learn=Learning(scale=1.0), size=replace(METHOD.size, steps=12)))
    for batch in MADE[-1].batches:
        for first in (0, 4):
            targets = [target for target in batch.targets[first : first + 4] if target is not None]
            assert sum(targets) == pytest.approx(0, abs=1e-9)
            assert max(map(abs, targets)) < 2


def test_every_input_has_its_turn_before_one_has_a_second(tmp_path: Path) -> None:
    opened = len(MADE)
    search(tmp_path, replace(METHOD, size=replace(METHOD.size, steps=12)))
    # The first one is trained; another is opened where an earlier state of it was the best.
    rows = [context for batch in MADE[opened].batches for context in batch.contexts[::4]]
    assert len(rows) == len(set(rows)) == 24


@pytest.mark.slow
def test_a_replay_opens_no_policy_and_asks_for_nothing(tmp_path: Path) -> None:
    first, opened = search(tmp_path), len(MADE)
    again = search(tmp_path)
    assert (outcome(again), again.paid.calls, len(MADE)) == (outcome(first), 0, opened)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_run_that_is_killed_anywhere_ends_the_same(tmp_path: Path, share: float) -> None:
    whole = search(tmp_path / "whole")
    model = target()
    model.fail_at = int(share * whole.spent.calls)
    stopped = search(tmp_path / "cut", model=model)
    assert stopped.status == "suspended"
    resumed = search(tmp_path / "cut")
    assert outcome(resumed) == outcome(whole)
    assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls


@pytest.mark.slow
def test_the_policy_that_was_best_on_dev_is_tested_though_others_came_after_it(tmp_path: Path) -> None:
    forgetful = replace(METHOD, writer=Tables(heeds="warm|cold", rate=2.0, forgets_at=14))
    model = target()
    result = search(tmp_path, replace(forgetful, size=replace(METHOD.size, steps=15, every=2)), model=model)
    mark = mark_in(result.best.text)
    # The policy as training left it; another one was opened to be as the best had been.
    last = MADE[-2].tables
    with Store(tmp_path / "store.db") as store:
        kept = Artifacts(store.cache.blobs, result.run_id).get(BEST, state_of(mark))
    assert kept is not None
    best = json.loads(kept)[0]
    assert {kind: likeliest(best[kind]) for kind in HELPS} == HELPS
    assert {kind: likeliest(last[kind]) for kind in HELPS} != HELPS
    tested = [text for text in sent(model)[-88:] if not text.startswith("start")]
    assert len(tested) == 44
    assert all(HELPS[kind] in text for text in tested for kind in HELPS if kind in text)


@pytest.mark.slow
def test_only_the_best_policy_and_the_start_come_to_the_final_choice(tmp_path: Path) -> None:
    runs: list[Run] = []
    optimize(task(), METHOD, model=Models(target()), store=tmp_path / "store.db", session=Session(watch=runs.append))
    offered = [each.prompt["instruction"] for each in runs[0].ranked()]
    assert len([text for text in offered if mark_in(text)]) == 1
    assert sorted(text for text in offered if not mark_in(text)) == ["start"]


@pytest.mark.slow
def test_a_budget_buys_whole_steps(tmp_path: Path) -> None:
    result = search(tmp_path, budget=Budget(evaluations=300))
    assert result.spent.evaluations <= 300
    assert "no further whole step" in result.reason
    assert result.best.test is not None


def test_a_reward_that_ties_for_every_input_ends_the_search(tmp_path: Path) -> None:
    flat = Scripted(
        lambda _: "good", scores=lambda content, label: [-len(str(content).split()[-2]) * (label == " good")]
    )
    result = search(tmp_path, model=flat)
    assert any("earned the same" in warning for warning in result.warnings)


def test_a_policy_whose_prompts_break_the_contract_is_not_offered(tmp_path: Path) -> None:
    long = replace(METHOD, length=2, writer=Tables(words=("carefully " * 9, "exactly " * 9), heeds="warm|cold"))
    result = search(tmp_path, long, on=task(12))
    assert result.best.prompt == result.start.prompt
    assert any("policy of step" in why for why in result.rejected)


@pytest.mark.slow
def test_what_a_policy_writes_for_a_later_input_keeps_the_contract_too(tmp_path: Path) -> None:
    whole = task()
    late = whole.test[0].fields[0][1]
    # What it never learned for, it writes the first of its words for.
    writer = Tables(words=("forbidden", *WORDS), heeds=rf"{late}\b|warm|cold")
    model, forbids = target(), replace(whole, contract=Contract(must_not_contain=("forbidden",)))
    method = replace(METHOD, writer=writer)
    result = search(tmp_path, method, model=model, on=forbids)
    assert mark_in(result.best.text)
    assert not any("forbidden" in text for text in sent(model))
    assert result.rejected["policy on a later input: contains 'forbidden'"] == 1
    assert any("the start stands in for such prompts here" in warning for warning in result.warnings)


@pytest.mark.slow
def test_one_inputs_prompts_are_held_against_all_that_was_earned_there(tmp_path: Path) -> None:
    class Grouped:
        """Two numbers to a cell, as the reward of style transfer has."""

        calls_per_cell = 1

        def fingerprint(self) -> dict[str, str]:
            return {"evaluator": "two numbers"}

        def score(self, cells: object, ask: object) -> list[Score]:
            found: list[Score] = []
            for cell in cells:  # type: ignore[attr-defined]
                low = 10.0 * ("carefully" in cell.prompt["instruction"])
                found.append(Score(low + 5, parts=(("best of group 1", low), ("best of group 2", low + 10))))
            return found

    words = Tables(words=("carefully", "exactly"))
    method = replace(METHOD, learn=Learning(scale=1.0), size=replace(METHOD.size, steps=3, every=3), writer=words)
    optimize(
        task(), method, model=Models(target()), evaluator=Grouped(), check_evaluator="labels",
        store=tmp_path / "store.db",
    )  # fmt: skip
    batch = MADE[-1].batches[0]
    assert any(batch.targets)
    for first in (0, 4):
        lows = [10.0 * (tokens == (0,)) for tokens in batch.samples[first : first + 4]]
        pool = [each for low in lows for each in (low, low + 10)]
        mean = sum(pool) / 8
        spread = math.sqrt(sum((each - mean) ** 2 for each in pool) / 8)
        wanted = [(low + 5 - mean) / (spread + 1e-4) for low in lows]
        assert list(batch.targets[first : first + 4]) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"inputs": "-1"}, "0 or more"),
        ({"inputs": "2", "mode": "mix"}, "leave out mode=mix, or set inputs=0"),
        ({"inputs": "2", "mode": "off", "seeds": "a b"}, "leave out mode=off"),
        ({"inputs": "1.5"}, "a whole number"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_optimizer("rlprompt", settings)


@pytest.mark.parametrize(("inputs", "prompts"), [(3, 8), (8, 8), (9, 8)])
def test_prompts_that_cannot_be_shared_among_the_inputs_are_refused(inputs: int, prompts: int) -> None:
    method = replace(METHOD, inputs=inputs, size=replace(METHOD.size, prompts=prompts))
    with pytest.raises(ConfigError, match=r"8 prompts of a step cannot be shared among \d inputs, two or more each"):
        method.plan(Room(None, None, 1, 32, 32))


def test_the_plan_says_what_is_written_for_what() -> None:
    plan = METHOD.plan(Room(None, None, 1, 24, 32))
    assert "40 steps of 8 prompts of 1 token for 2 of 24 examples, and the greedy prompts on 16" in plan.describe()
    assert METHOD.upper_bounds(24).evaluations >= 40 * 8 + 8 * 16
