"""What a policy of RLPrompt learns from, by every algorithm and mode: rewards, and what these are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.operators.training import Tokens, TrainingBatch
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.rewards import leave_one_out, tied, z_scores
from promptopt.optimizers.rlprompt.search import PATIENCE
from promptopt.optimizers.rlprompt.settings import Learning, Sizes
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from tests.optimizers.rlprompt.planted_labels import labelled_task, target
from tests.optimizers.rlprompt.tables import MADE, WORDS, Tables

WORTH = {"carefully": 0.9, "exactly": 0.6, "snow": -0.5}
SMALL = RLPrompt(
    length=2,
    size=Sizes(steps=4, prompts=4, examples=8, held=8, every=2, finalists=0),
    learn=Learning(scale=2.0, offset=1.5),
    writer=Tables(),
)


def trained(
    home: Path, method: RLPrompt, worth: Mapping[str, float] = WORTH, budget: Budget | None = None
) -> tuple[Result, list[TrainingBatch], dict[Tokens, float]]:
    """What came of it, what was learned from, and what every prompt of two words earned on the examples."""
    runs: list[Run] = []
    result = optimize(
        labelled_task(), method, model=Models(target(worth)), budget=Budget() if budget is None else budget,
        store=home / "store.db", session=Session(watch=runs.append),
    )  # fmt: skip
    earned: dict[Tokens, float] = {}
    for each in result.candidates():
        words = each.prompt["instruction"].split()
        # What it is ranked on is of dev.
        seen = [score.value for _, score in runs[0].seen(each.prompt, runs[0].train)]
        if seen and set(words) <= set(WORDS):
            assert len(seen) == 8
            earned[tuple(map(WORDS.index, words))] = sum(seen) / 8
    return result, MADE[-1].batches, earned


def rewards(tokens: Sequence[Tokens], earned: Mapping[Tokens, float], fluency: float = 0.0) -> list[float]:
    # A table finds a text less likely by a tenth of a nat for each place of its words.
    return [earned[each] + fluency * (-1.0 - sum(each) / 10) for each in tokens]


@pytest.mark.parametrize("fluency", [0.0, 3.0])
def test_soft_q_learning_goes_by_z_scores_of_the_step_on_a_scale(tmp_path: Path, fluency: float) -> None:
    _, batches, earned = trained(tmp_path, replace(SMALL, fluency=fluency))
    assert len(batches) == 4
    for batch in batches:
        wanted = [1.5 + 2.0 * each for each in z_scores(rewards(batch.samples, earned, fluency))]
        assert batch.targets == pytest.approx(wanted)
        assert (batch.others, batch.other_targets, batch.contexts) == ((), (), ())
    assert len({batch.seed for batch in batches}) == 4


@pytest.mark.parametrize(("algorithm", "baseline"), [("rloo", leave_one_out), ("grpo", z_scores)])
def test_policy_gradients_go_by_their_baseline_alone(tmp_path: Path, algorithm: Any, baseline: Any) -> None:
    _, batches, earned = trained(tmp_path, replace(SMALL, algorithm=algorithm))
    for batch in batches:
        assert batch.targets == pytest.approx(baseline(rewards(batch.samples, earned)))


SEEDS = ("carefully exactly", "snow snow")
SEEDED: tuple[Tokens, ...] = ((0, 1), (4, 4))


def scaled(scores: Sequence[float]) -> list[float]:
    return [1.5 + 2.0 * each for each in scores]


def test_given_prompts_are_held_against_those_of_the_step(tmp_path: Path) -> None:
    _, batches, earned = trained(tmp_path, replace(SMALL, mode="mix", seeds=SEEDS))
    known = dict.fromkeys(SEEDED)
    for batch in batches:
        drawn = rewards(batch.samples, earned)
        known |= dict.fromkeys(batch.samples)
        assert len(drawn) == 4
        assert batch.others == SEEDED
        # Those that all earn the same are no measure of others.
        among = rewards(list(known), earned) if tied(drawn) else drawn
        assert batch.other_targets == pytest.approx(scaled(z_scores(rewards(SEEDED, earned), among)))


def test_in_turn_every_other_step_draws_nothing_and_learns_from_the_given(tmp_path: Path) -> None:
    _, batches, earned = trained(tmp_path, replace(SMALL, mode="alternate", seeds=SEEDS))
    assert [len(batch.samples) for batch in batches] == [4, 0, 4, 0]
    assert [batch.others for batch in batches] == [(), SEEDED, (), SEEDED]
    # Without a step's own, against all that are known by then: each prompt once.
    known = dict.fromkeys([*SEEDED, *batches[0].samples])
    wanted = z_scores(rewards(SEEDED, earned), rewards(list(known), earned))
    assert batches[1].other_targets == pytest.approx(scaled(wanted))


def test_off_the_policy_nothing_is_drawn(tmp_path: Path) -> None:
    result, batches, earned = trained(tmp_path, replace(SMALL, mode="off", seeds=SEEDS))
    wanted = scaled(z_scores(rewards(SEEDED, earned), rewards(SEEDED, earned)))
    for batch in batches:
        assert (batch.samples, batch.others) == ((), SEEDED)
        assert batch.other_targets == pytest.approx(wanted)
    assert not any(each.proposal.operator == "policy" for each in result.candidates())
    # The given prompts on the examples, and two looks: no step costs anything, so none is held back for one.
    assert result.steps[-1].spent.evaluations <= 2 * 8 + 4 * 8
    capped, batches, _ = trained(tmp_path / "capped", replace(SMALL, mode="off", seeds=SEEDS), budget=Budget(200))
    assert len(batches) == 4
    assert capped.status != "budget"


def test_the_last_greedy_prompt_says_after_which_step_it_was_written(tmp_path: Path) -> None:
    # Nothing is learned, so what it writes is none of the given prompts.
    size, still = replace(SMALL.size, every=50), Tables(rate=0.0)
    method = replace(SMALL, mode="off", seeds=("exactly snow", "carefully exactly"), size=size, writer=still)
    result, batches, _ = trained(tmp_path, method)
    (note,) = [each.proposal.note for each in result.candidates() if each.proposal.operator == "greedy"]
    assert note.startswith(f"step {len(batches)}, ")


def test_without_given_prompts_as_many_older_ones_as_are_drawn_are_learned_from(tmp_path: Path) -> None:
    _, batches, _ = trained(tmp_path, replace(SMALL, mode="mix"))
    assert [len(batch.others) for batch in batches] == [min(4, len(set(batches[0].samples))), 4, 4, 4]
    before: set[Tokens] = set()
    for batch in batches:
        before |= set(batch.samples)
        assert set(batch.others) <= before
        assert len(set(batch.others)) == len(batch.others)


@pytest.mark.parametrize("steps", [PATIENCE - 1, PATIENCE + 1])
def test_ten_steps_on_end_that_earn_the_same_end_the_search(tmp_path: Path, steps: int) -> None:
    method = replace(SMALL, size=replace(SMALL.size, steps=steps, prompts=2, every=50))
    result, batches, _ = trained(tmp_path, method, worth={})
    assert len(batches) == min(steps, PATIENCE)
    told = [warning for warning in result.warnings if "earned the same" in warning]
    assert len(told) == int(steps >= PATIENCE)
    assert all(f"the search ended at step {PATIENCE}" in warning for warning in told)


@pytest.mark.parametrize("mode", ["mix", "alternate", "off"])
def test_equal_rewards_end_the_search_where_older_or_given_prompts_are_learned_from_too(
    tmp_path: Path, mode: Any
) -> None:
    method = replace(SMALL, mode=mode, seeds=SEEDS, size=replace(SMALL.size, steps=40, every=50))
    result, batches, _ = trained(tmp_path, method, worth={})
    assert len(batches) == PATIENCE
    assert any(f"the search ended at step {PATIENCE}" in warning for warning in result.warnings)
    # Where these differ there is something to learn, whatever was drawn.
    _, batches, _ = trained(tmp_path / "more", replace(method, size=replace(method.size, steps=12)))
    assert len(batches) == 12


def test_prompts_of_other_steps_are_not_held_against_a_step_whose_prompts_tie(tmp_path: Path) -> None:
    # Its deviation is none, and a tenth more of a reward would be worth thousands.
    writer = Tables(words=("carefully", "snow"), rate=0.0)
    size = replace(SMALL.size, steps=12, prompts=2)
    seeds = ("carefully carefully", "snow snow")
    _, batches, _ = trained(tmp_path, replace(SMALL, mode="mix", seeds=seeds, size=size, writer=writer))
    assert any(batch.targets == (1.5, 1.5) for batch in batches)
    assert all(abs(each) < 20 for batch in batches for each in batch.other_targets)


def test_a_look_is_taken_at_the_end_of_every_interval_and_at_the_end(tmp_path: Path) -> None:
    result, _, _ = trained(tmp_path, replace(SMALL, size=replace(SMALL.size, steps=5, finalists=3)))
    assert [step.note.split(",")[0] for step in result.steps] == ["2 of 5 updates", "4 of 5 updates", "the best on dev"]
    greedy = [each for each in result.candidates() if each.proposal.operator == "greedy"]
    # Up to three of those that were drawn are ranked beside the greedy ones and the empty prompt.
    assert len(result.steps[-1].pool) <= 1 + 3 + 3
    assert len(result.steps[-1].pool) >= 1 + len(greedy)
    means = [each.mean for each in result.steps[-1].pool]
    assert result.steps[-1].kept == (result.steps[-1].pool[0].prompt,)
    assert max(means) == means[0]


NO_STEP = 100


def test_a_budget_for_no_step_leaves_the_empty_prompt_and_one_greedy_one(tmp_path: Path) -> None:
    result, batches, _ = trained(tmp_path, SMALL, budget=Budget(evaluations=NO_STEP))
    assert batches == []
    notes = [each.proposal.note for each in result.candidates() if each.proposal.operator == "greedy"]
    assert [note.split(",")[0] for note in notes] == ["step 1"]
    assert len(result.steps[-1].pool) == 2
