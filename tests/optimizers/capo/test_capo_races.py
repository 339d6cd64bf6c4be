"""CAPO's races: who leaves, what length costs, and what is known when a cap cuts one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.capo.track import Race, Track
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.racing import PairedTest
from promptopt.types import Prompt, Proposal, Request
from tests.optimizers.capo.capo_searches import (
    NO_DEMOS,
    SMALL,
    asked_number,
    author,
    lossy,
    number_task,
    right,
    said,
    search,
)


@dataclass(frozen=True, slots=True)
class Races:
    """A pool of instructions, raced so many times on the training examples that fit the blocks."""

    texts: tuple[str, ...]
    keep: int
    race: Race
    times: int = 1

    def optimize(self, run: Run) -> None:
        pool = run.admit([Proposal(Prompt.of(text)) for text in self.texts])
        track = Track(run, self.race, run.train[: self.race.block * self.race.blocks], pool)
        for _ in range(self.times):
            track.race(pool, self.keep)


def skilled(request: Request) -> str:
    """Right where the instruction says well; else wrong on all, or on all but what it names."""
    number = asked_number(request.content)
    return str(number) if "well" in said(request.content) else "-1"


def questions(model: Scripted, text: str) -> list[int]:
    """What was asked under an instruction, in order."""
    return [asked_number(each.content) for each in model.log if said(each.content).startswith(text)]


@pytest.mark.slow
def test_what_is_clearly_worse_is_never_asked_again(tmp_path) -> None:
    good, bad = [f"Do {n} well." for n in range(10)], [f"Do {n} badly." for n in range(4)]
    model = Scripted(skilled, name="skilled")
    task = number_task(300)
    pool = (*good[:5], *bad, *good[5:])
    # With nine to keep, a tenth goes on: the race runs to its end without the four.
    result = search(tmp_path, Races(pool, 9, Race(gamma=0.0, block=30, blocks=10), times=3), task, model=model)
    assert [len(questions(model, text)) for text in bad] == [60] * 4
    in_train = {asked_number(example["question"]) for example in task.train}
    assert all(len([n for n in questions(model, text) if n in in_train]) == 300 for text in good)
    assert len(result.steps[0].kept) == 9
    assert all("well" in prompt["instruction"] for prompt in result.steps[0].kept)


@pytest.mark.slow
def test_nine_better_ones_of_eleven_let_the_race_go_to_its_end(tmp_path) -> None:
    pool = (*(f"Do {n} well." for n in range(9)), "Do 9 badly.", "Do 10 badly.")
    result = search(tmp_path, Races(pool, 10, Race(gamma=0.0, block=10, blocks=6)))
    assert [estimate.count for estimate in result.steps[0].pool] == [60] * 11


def test_nothing_is_asked_twice_and_a_race_has_z_max_blocks_at_most(tmp_path) -> None:
    texts = tuple(f"Do {n} well." for n in range(5))
    race = Race(gamma=0.0, block=10, blocks=4)
    model = Scripted(skilled, name="skilled")

    result = search(tmp_path, Races(texts, 2, race, times=2), number_task(60), model=model)
    first, second = result.steps
    assert [estimate.count for estimate in first.pool] == [40] * 5
    assert second.spent == first.spent


def test_the_price_is_relative_to_the_longest_of_the_first_population(tmp_path) -> None:
    gamma = 0.3
    seeds = ("Say it.", "Say which number it is, as a number, and say nothing besides.")
    settings = replace(SMALL, population=3, seeds=seeds, race=replace(SMALL.race, gamma=gamma), demos=NO_DEMOS)
    result = search(tmp_path, settings, proposer=author)
    notes = {
        each.prompt: (int(found[1]), float(found[2]))
        for each in result.candidates()
        if (found := re.search(r"tokens: (\d+), price: ([\d.]+)", each.proposal.note))
    }
    longest = max(length for prompt, (length, _) in notes.items() if prompt["instruction"] in seeds)
    assert len(notes) > 4
    assert max(length for length, _ in notes.values()) > longest
    for length, price in notes.values():
        assert price == pytest.approx(gamma * length / longest, abs=1e-4)


@pytest.mark.slow
def test_of_equals_the_shorter_survive(tmp_path) -> None:
    texts = ("Do it well, at once, and say nothing else.", "Do it well, at once.", "Do it well.")
    result = search(tmp_path, Races(texts, 1, Race(block=10, blocks=5)))
    assert [prompt["instruction"] for prompt in result.steps[0].kept] == ["Do it well."]
    # Two blocks are seen before a difference that does not vary counts.
    assert [estimate.count for estimate in result.steps[0].pool] == [20] * 3
    free = search(tmp_path, Races(texts, 1, Race(block=10, blocks=5, gamma=0.0)))
    assert [prompt["instruction"] for prompt in free.steps[0].kept] == [texts[0]]


def test_all_see_the_same_examples_in_the_same_order(tmp_path) -> None:
    texts = tuple(f"Do {n} {'well' if n < 4 else 'badly'}." for n in range(6))
    model = Scripted(skilled, name="skilled")
    task = number_task(60)
    search(tmp_path, Races(texts, 4, Race(gamma=0.0, block=10, blocks=6)), task, model=model)
    train = [asked_number(example["question"]) for example in task.train]
    for text in texts:
        # The engine may be asked in any order within a block.
        seen = [number for number in questions(model, text) if number in train]
        for begin in range(0, len(seen), 10):
            assert sorted(seen[begin : begin + 10]) == sorted(train[begin : begin + 10])


@dataclass(frozen=True, slots=True)
class Late(Races):
    """A race that begins when the budget has so many evaluations left."""

    left: int = 0

    def optimize(self, run: Run) -> None:
        for number in range(1000):
            over = (run.evaluations_left() or 0) - self.left
            if over <= 0:
                break
            run.evaluate([Prompt.of(f"Filler {number}.")], run.train[:over])
        Races.optimize(self, run)


def cut_at(home: Path, evaluations: int) -> tuple[Result, Run]:
    """A first race of six, on blocks of ten, that the budget ends."""
    runs: list[Run] = []
    late = Late(tuple(f"Do {n} well." for n in range(6)), 2, Race(gamma=0.0, block=10, blocks=6), left=evaluations)
    budget = Budget(evaluations=1_000)
    result = search(home, late, model=skilled, budget=budget, watch=runs.append)
    assert result.status == "budget"
    assert result.spent.evaluations <= 1_000
    return result, runs[0]


def test_a_block_that_the_budget_cuts_counts_for_nobody(tmp_path) -> None:
    result, run = cut_at(tmp_path, 60 + 60 + 25)
    known = {each.prompt["instruction"]: run.estimate(each.prompt, run.train).count for each in result.candidates()}
    assert sorted(known[f"Do {n} well."] for n in range(6)) == [20, 20, 20, 25, 30, 30]
    ranked = [estimate.prompt["instruction"] for estimate in run.ranked()]
    # All are as good, and their order is that of the pool, whatever the cut block let some of them see.
    assert [text for text in ranked if text.startswith("Do ")] == [f"Do {n} well." for n in range(6)]


@pytest.mark.slow
@pytest.mark.parametrize("evaluations", [30, 60, 90])
def test_a_first_race_that_a_cap_cuts_forgets_nobody_it_scored(tmp_path, evaluations) -> None:
    result, run = cut_at(tmp_path, evaluations)
    ranked = [estimate for estimate in run.ranked() if estimate.prompt["instruction"].startswith("Do ")]
    assert len(ranked) == min(6, evaluations // 10)
    assert result.start.test is not None


def test_who_has_not_seen_all_that_the_deepest_race_saw_comes_after_those_who_have(tmp_path) -> None:
    runs: list[Run] = []
    race = Race(gamma=0.0, block=10, blocks=6)

    @dataclass(frozen=True, slots=True)
    class DeepThenShallow:
        def optimize(self, run: Run) -> None:
            good, late = (
                run.admit([Proposal(Prompt.of(f"Do {n} {how}.")) for n in range(3)]) for how in ("well", "so")
            )
            track = Track(run, race, run.train, good)
            track.race(good, 2)
            assert track.race([good[0], *late], 1) == [good[0]]

    search(tmp_path, DeepThenShallow(), model=skilled, watch=runs.append)
    counts = [each.count for each in runs[0].ranked() if each.prompt != runs[0].initial]
    assert counts == [60, 60, 60, 20, 20, 20]


@pytest.mark.slow
def test_who_is_alive_is_ranked_by_what_is_left_after_the_price_from_the_second_block_on(tmp_path) -> None:
    # Always right at a price of a half, and right on nine of ten at next to none.
    long, short = f"Answer well {'and slowly ' * 40}.", "Answer."

    def mostly(request: Request) -> str:
        number = asked_number(request.content)
        return str(number) if "well" in said(request.content) or number % 10 else "-1"

    for blocks, first in ((1, long), (2, short), (3, short)):
        runs: list[Run] = []
        race = Race(gamma=0.5, block=10, blocks=blocks, test=PairedTest(alpha=1e-9))
        search(tmp_path / str(blocks), Races((long, short), 1, race), model=mostly, watch=runs.append)
        ranked = [each.prompt["instruction"] for each in runs[0].ranked()]
        # One block says too little: there the final choice goes by all that is known.
        assert next(text for text in ranked if text in (long, short)) == first


def test_a_prompt_that_is_invalid_leaves_the_race_at_once(tmp_path) -> None:
    task = number_task()
    texts = ("Say it.", "Say it exactly.", "Say it twice.")
    model = Scripted(right, name="lossy", scores=lossy)
    result = search(
        tmp_path, Races(texts, 1, Race(gamma=0.0, block=10)), task, model=model, evaluator=Loss.for_task(task)
    )
    counts = {each.prompt["instruction"]: each.count for each in result.steps[0].pool}
    assert counts == {"Say it.": 20, "Say it exactly.": 20, "Say it twice.": 10}
