"""What RLPrompt does with budgets, rewards that say nothing, losses that are no number, and what it hands back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.evaluators.labels import Labels
from promptopt.models.scripted import Scripted
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Learning, Sizes
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.tasks.task import Task
from promptopt.testing import planted_task
from promptopt.testing.processes import outcome
from promptopt.types import Room
from tests.optimizers.rlprompt.planted_labels import labelled_task, target
from tests.optimizers.rlprompt.tables import MADE, WORDS, Tables, table

WORTH = {"carefully": 0.9, "exactly": 0.6, "snow": -0.5}
SIZES = Sizes(steps=12, prompts=4, examples=8, held=8, every=3, finalists=2)
SMALL = RLPrompt(length=2, size=SIZES, learn=Learning(scale=2.0), writer=Tables())


def search(
    home: Path,
    method: RLPrompt = SMALL,
    *,
    worth: Mapping[str, float] = WORTH,
    model: Scripted | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    task: Task | None = None,
    watch: Callable[[Run], None] | None = None,
) -> Result:
    return optimize(
        labelled_task() if task is None else task,
        method,
        model=Models(target(worth) if model is None else model),
        budget=Budget() if budget is None else budget,
        seed=seed,
        store=home / "store.db",
        session=Session(watch=watch),
    )


def drawn(result: Result) -> list[str]:
    return [each.prompt["instruction"] for each in result.candidates() if each.proposal.operator == "policy"]


# --- budgets ---


def test_a_budget_of_three_and_a_half_steps_takes_three(tmp_path: Path) -> None:
    # A part of the budget is set aside for the final choice and the test.
    method = replace(SMALL, writer=Tables(words=tuple(f"w{n}" for n in range(60))))
    result = search(tmp_path, method, budget=Budget(evaluations=250))
    assert result.spent.evaluations <= 250
    taken = [each.proposal.note.split(",")[0] for each in result.candidates() if each.proposal.operator == "policy"]
    assert dict.fromkeys(taken) == {"step 1": None, "step 2": None, "step 3": None}
    assert MADE[-1].learned == 3
    assert "no further whole step" in result.reason
    # Only whole steps were rewarded, and every prompt drawn was seen on all of its examples.
    assert result.best.test is not None


def test_a_budget_below_two_looks_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    model = target(WORTH)
    with pytest.raises(ConfigError, match=r"take 16 on 8 dev examples; allow more, or set size\.held lower"):
        search(tmp_path, model=model, budget=Budget(evaluations=20))
    assert model.calls == 0


@pytest.mark.slow
def test_calls_are_steps_times_prompts_times_examples_and_the_looks(tmp_path: Path) -> None:
    model = target(WORTH)
    # So many words that hardly a prompt comes up twice, and nothing is learned.
    method = replace(SMALL, writer=Tables(words=tuple(f"w{n}" for n in range(300)), rate=0.0))
    runs: list[Run] = []
    result = search(tmp_path, replace(method, size=replace(SIZES, finalists=0)), model=model, watch=runs.append)
    assert result.steps[-1].spent.evaluations <= 12 * 4 * 8 + 4 * 8 + 8
    # The greedy prompt is the same each time, so it is looked at once.
    assert result.steps[-1].spent.evaluations == len(set(drawn(result))) * 8 + 8 + 8


def test_the_plan_says_the_steps_that_the_room_pays_for() -> None:
    assert SMALL.plan(Room(None, None, 1, 32, 32)).steps == 12
    plan = SMALL.plan(Room(150, None, 1, 32, 32))
    assert plan.steps == 3
    assert "3 steps of 4 prompts of 2 tokens on 8 examples" in plan.describe()
    few_shot = RLPrompt(policy="hf/x", preset="paper").plan(Room(None, None, 1, 32, 32))
    assert (few_shot.steps, few_shot.prompts, few_shot.examples, few_shot.held) == (12_000, 16, 32, 32)
    assert RLPrompt(policy="hf/x", preset="paper", length=2).plan(Room(None, None, 1, 32, 32)).steps == 6_000
    assert RLPrompt(policy="hf/x", preset="smoke").plan(Room(None, None, 1, 32, 32)).examples == 4


# --- rewards ---


def test_a_constant_reward_ends_the_search_and_says_so(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, size=replace(SIZES, steps=200)), worth={})
    assert len(drawn(result)) <= 11 * 4
    assert any("earned the same" in warning and "step 10" in warning for warning in result.warnings)
    # Equal means are no gain that dev then fails to show.
    assert not any("improved what it goes by" in warning for warning in result.warnings)


def test_a_task_without_labels_is_told_which_evaluators_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no labels.*generation.*loss.*preference"):
        search(tmp_path, task=planted_task(), model=Scripted(lambda _: "yes"))


def test_labels_of_several_tokens_are_scored_whole(tmp_path: Path) -> None:
    task = labelled_task()
    evaluator = Labels(task, value="piecewise", verbalizers={"good": "very good indeed", "bad": "not so good"})

    plain = target(WORTH)._scores
    assert plain is not None

    def scores(content: Any, label: str) -> list[float]:
        words = len(label.split())
        (whole,) = plain(content, "good" if label.strip() == "very good indeed" else "bad")
        return [whole / words] * words

    result = optimize(
        task, SMALL, model=Models(Scripted(lambda _: "good", scores=scores)), evaluator=evaluator, budget=Budget(),
        store=tmp_path / "store.db",
    )  # fmt: skip
    assert "carefully" in result.best.text


@pytest.mark.slow
def test_a_fluency_price_moves_the_winner_to_likelier_prompts(tmp_path: Path) -> None:
    # The table's words get less likely by their place: "carefully" is the likeliest.
    worth = {"maybe": 0.6, "carefully": 0.5}
    big = replace(SMALL, size=replace(SIZES, steps=60, prompts=8))
    free, priced = (
        search(tmp_path / "a", big, worth=worth),
        search(tmp_path / "b", replace(big, fluency=400), worth=worth),
    )

    def fluency(result: Result) -> float:
        tail = drawn(result)[-20:]
        return sum(-sum(WORDS.index(word) for word in text.split()) for text in tail) / len(tail)

    assert fluency(priced) > fluency(free)
    assert priced.steps[-1].note.startswith("front of dev accuracy and nats a token: ")
    assert priced.steps[-1].kept
    # Which of them has which numbers is said.
    assert all(f" by {prompt['instruction']!r}" in priced.steps[-1].note for prompt in priced.steps[-1].kept)
    assert "front" not in free.steps[-1].note


@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_rewards_that_tie_give_a_policy_gradient_nothing_to_learn(tmp_path: Path, algorithm: Any) -> None:
    search(tmp_path, replace(SMALL, algorithm=algorithm), worth={})
    assert MADE[-1].batches
    assert all(target == 0 for batch in MADE[-1].batches for target in batch.targets)


@pytest.mark.parametrize("algorithm", ["sql", "rloo", "grpo"])
def test_prompts_under_which_the_answer_is_impossible_are_the_worst_and_break_nothing(
    tmp_path: Path, algorithm: Any
) -> None:
    sound = target(WORTH)

    def scores(content: Any, label: str) -> list[float]:
        assert sound._scores is not None
        return [-math.inf] if "snow" in content else list(sound._scores(content, label))

    optimize(
        labelled_task(), replace(SMALL, algorithm=algorithm), evaluator="loss", store=tmp_path / "store.db",
        model=Models(Scripted(lambda _: "good", scores=scores)),
    )  # fmt: skip
    targets = [target for batch in MADE[-1].batches for target in batch.targets]
    assert targets
    assert all(target is not None and math.isfinite(target) for target in targets)


# --- divergence ---


@pytest.mark.slow
def test_a_loss_that_is_no_number_goes_back_to_the_last_weights_at_half_the_rate_once(tmp_path: Path) -> None:
    once = search(tmp_path / "once", replace(SMALL, writer=Tables(fails_at=(5,))))
    assert any("went back to the last kept weights" in warning for warning in once.warnings)
    assert MADE[-1].rate == 0.25
    assert "restore" in MADE[-1].log
    assert len(once.steps) == 5
    twice = search(tmp_path / "twice", replace(SMALL, writer=Tables(fails_at=(5, 6, 7, 8))))
    assert any("training ended" in warning for warning in twice.warnings)
    assert twice.best.test is not None
    assert outcome(search(tmp_path / "twice", replace(SMALL, writer=Tables(fails_at=(5, 6, 7, 8))))) == outcome(twice)


# --- kept and resumed ---


@pytest.mark.slow
def test_a_replay_opens_no_policy(tmp_path: Path) -> None:
    first = search(tmp_path)
    opened = len(MADE)
    assert outcome(search(tmp_path)) == outcome(first)
    assert len(MADE) == opened


@pytest.mark.slow
def test_a_killed_training_learns_again_only_what_came_after_its_last_weights(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole")
    model = target(WORTH)
    model.fail_at = int(0.6 * whole.steps[-1].spent.calls)
    assert search(tmp_path / "cut", model=model).status == "suspended"
    resumed = search(tmp_path / "cut")
    assert outcome(resumed) == outcome(whole)
    assert MADE[-1].log[0] == "restore"
    assert 0 < MADE[-1].log.count("learn") < 12


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["DELETE FROM blobs", "UPDATE blobs SET data = x'00'"])
def test_weights_that_are_lost_or_damaged_are_made_again_from_the_record(tmp_path: Path, harm: str) -> None:
    import sqlite3

    whole = search(tmp_path / "whole")
    model = target(WORTH)
    model.fail_at = int(0.6 * whole.steps[-1].spent.calls)
    stopped = search(tmp_path / "cut", model=model)
    with sqlite3.connect(tmp_path / "cut" / "store.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM blobs").fetchone() == (1,)
        connection.execute(harm)
    resumed = search(tmp_path / "cut")
    assert outcome(resumed) == outcome(whole)
    assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls


@pytest.mark.slow
def test_two_runs_in_one_store_keep_weights_of_their_own_and_deleting_one_leaves_the_other(tmp_path: Path) -> None:
    alone = [search(tmp_path / str(seed), seed=seed) for seed in (1, 2)]
    together = [search(tmp_path / "both", seed=seed) for seed in (1, 2)]
    # The second is a further look at the test, so its verdict is at a stricter level.
    assert [drawn(each) for each in together] == [drawn(each) for each in alone]
    assert [each.best.text for each in together] == [each.best.text for each in alone]
    with Store(tmp_path / "both" / "store.db") as store:
        with store.database.connect() as connection:
            runs = sorted(row[0] for row in connection.exec_driver_sql("SELECT run FROM blobs"))
        assert runs == sorted(record.id for record in store.runs())
        store.delete(runs[0])
        store.collect()
        with store.database.connect() as connection:
            assert [row[0] for row in connection.exec_driver_sql("SELECT run FROM blobs")] == runs[1:]


@pytest.mark.slow
def test_runs_that_train_the_same_keep_the_weights_each_and_the_other_may_go(tmp_path: Path) -> None:
    def kept() -> list[str]:
        with Store(tmp_path / "store.db") as store, store.database.connect() as connection:
            return sorted(row[0] for row in connection.exec_driver_sql("SELECT run FROM blobs"))

    # What comes after the training is another search, and another run.
    runs = [search(tmp_path, replace(SMALL, size=replace(SIZES, finalists=number))).run_id for number in range(3)]
    assert kept() == sorted(runs)
    with Store(tmp_path / "store.db") as store:
        store.delete(runs[0])
        weights = [store.cache.blobs.newest(run, "policy") for run in runs]
    assert weights[0] is None
    assert weights[1]
    assert weights[1] == weights[2]
    search(tmp_path, replace(SMALL, size=replace(SIZES, finalists=1)))
    assert kept() == sorted(runs[1:])


@pytest.mark.slow
def test_runs_of_one_store_that_differ_in_a_setting_train_policies_of_their_own(tmp_path: Path) -> None:
    others = [
        replace(SMALL, algorithm="rloo"),
        replace(SMALL, length=3),
        replace(SMALL, writer=Tables(rate=0.0)),
    ]
    for number, method in enumerate([SMALL, *others]):
        together, alone = search(tmp_path / "one", method), search(tmp_path / str(number), method)
        assert drawn(together) == drawn(alone)
        assert [step.note for step in together.steps] == [step.note for step in alone.steps]


def test_another_policy_under_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = target(WORTH)
    model.fail_at = 120
    assert search(tmp_path, model=model).status == "suspended"
    monkeypatch.setattr(Tables, "open", lambda *_: table(WORDS[:3], 2))
    with pytest.raises(ConfigError, match="this run trains a table of 8 words, and found a table of 3 words"):
        search(tmp_path)


# --- what comes out ---


@pytest.mark.slow
def test_the_best_on_dev_comes_back_even_if_an_early_step_had_it(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, size=replace(SIZES, steps=40)))
    ranked = result.steps[-1].pool
    shares = [each.mean for each in ranked]
    assert shares[0] == max(shares)
    assert result.best.prompt in [each.prompt for each in ranked[:3]]


@pytest.mark.slow
def test_the_empty_prompt_is_ranked_where_the_contract_allows_it(tmp_path: Path) -> None:
    result = search(tmp_path)
    assert result.start.prompt in [each.prompt for each in result.steps[-1].pool]


def test_the_test_split_is_not_reached(tmp_path: Path) -> None:
    seen: list[int] = []
    search(tmp_path, watch=lambda run: seen.append(len(run.task.test)))
    assert seen == [0]


# --- modes and settings ---


@pytest.mark.parametrize("mode", ["off", "mix", "alternate"])
def test_given_prompts_are_learned_from(tmp_path: Path, mode: Any) -> None:
    method = replace(SMALL, mode=mode, seeds=("carefully exactly", "snow snow", "one two three"))
    result = search(tmp_path, replace(method, size=replace(SIZES, steps=30)))
    assert any("one two three" in warning for warning in result.warnings)
    assert {"carefully", "exactly"} <= set(result.best.text.split())


def test_without_seeds_older_prompts_are_learned_from(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, mode="mix", size=replace(SIZES, steps=30)))
    assert "carefully" in result.best.text


@pytest.mark.parametrize(
    ("seeds", "says"),
    [
        ((), "there are none"),
        (("one two three",), "none of the seeds can be used"),
        (("snow snow", "snow snow", "one two three"), "one of the seeds can be used"),
    ],
)
def test_mode_off_without_two_seeds_that_differ_is_refused(tmp_path: Path, seeds: tuple[str, ...], says: str) -> None:
    model = target(WORTH)
    with pytest.raises(ConfigError, match=f"held against each other, and {says}; set two or more that differ"):
        search(tmp_path, replace(SMALL, mode="off", seeds=seeds), model=model)
    # What a search cannot learn from is known before anything is paid for.
    assert model.calls == 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"length": "0"}, "1 or more"),
        ({"size.prompts": "1"}, "'size.prompts' is 1; set it to 2 or more"),
        ({"size.steps": "3.5"}, "a whole number"),
        ({"algorithm": "ppo"}, "'sql' or 'rloo' or 'grpo'"),
        ({"algorithm": "rloo", "mode": "mix"}, "learns from what it draws alone"),
        ({"seeds": "a b"}, "seeds are for mode=off, mix or alternate"),
        ({"preset": "gpu"}, "'cpu-small' or 'paper' or 'smoke'"),
        ({"learn.rate": "-1"}, "'learn.rate' is -1.*from 0.0 to 1.0"),
        ({"learn.clip": "0"}, "nothing would be learned"),
        ({"explore.fluent": "-1"}, "'explore.fluent' is -1"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_a_sentence(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_optimizer("rlprompt", settings)


@pytest.mark.parametrize(("policy", "says"), [("", "no policy is named"), ("openai/gpt", "name the causal model")])
def test_a_policy_that_is_no_local_model_is_refused(tmp_path: Path, policy: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        search(tmp_path, replace(SMALL, writer=None, policy=policy))


def test_a_target_that_gives_nan_earns_the_least_and_nothing_breaks(tmp_path: Path) -> None:
    sound = target(WORTH)

    def scores(content: Any, label: str) -> list[float]:
        assert sound._scores is not None
        return [float("nan")] if "snow" in content else list(sound._scores(content, label))

    result = search(tmp_path, model=Scripted(lambda _: "good", scores=scores))
    assert "snow" not in result.best.text
    assert all(each.mean == each.mean for step in result.steps for each in step.pool)
