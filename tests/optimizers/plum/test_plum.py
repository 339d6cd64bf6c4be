"""Hill climbing, simulated annealing, tabu search: when they move, what they keep, and when they end."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.plum.edits import PhraseEdit
from promptopt.optimizers.plum.neighbours import Editing, Editor
from promptopt.optimizers.plum.patience import Patience, PhrasePlan, Stopping
from promptopt.optimizers.plum.phrases import RuleChunker
from promptopt.optimizers.plum.points import Scoring
from promptopt.optimizers.plum.population import CrossoverGA, HarmonySearch, MutationGA
from promptopt.optimizers.plum.single import HillClimbing, SimulatedAnnealing, TabuSearch, acceptance
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.selection.generations import Fixed
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, UpperBounds
from tests.optimizers.plum.phrase_search import (
    BARS,
    PROMPT,
    SMALL,
    Bars,
    Drawn,
    Injected,
    PlumContract,
    kept_texts,
    lengthen,
    pool_texts,
    search,
    table,
    task_of,
    text_of,
    within_run,
)

ONE_BY_ONE = pytest.mark.parametrize("kind", [HillClimbing, SimulatedAnnealing, TabuSearch, MutationGA])


class TestHillClimbing(PlumContract):
    optimizer = HillClimbing(**SMALL)


class TestSimulatedAnnealing(PlumContract):
    optimizer = SimulatedAnnealing(**SMALL)


class TestTabuSearch(PlumContract):
    optimizer = TabuSearch(**SMALL)


def test_without_a_gain_hill_climbing_ends_by_patience(tmp_path: Path) -> None:
    result = search(tmp_path, HillClimbing(), PROMPT, lambda _: 0.5, proposer=lengthen)
    assert len(result.steps) == 7
    assert all(len(step.pool) == 11 for step in result.steps)
    # The search keeps the original; of prompts that are equal on dev too, the verdict takes the shortest.
    assert {kept_texts(result, number)[0] for number in range(7)} == {PROMPT}
    assert len(result.best.text) <= len(PROMPT)
    assert result.status == "finished"


def test_hill_climbing_moves_to_the_best_neighbour_and_never_falls(tmp_path: Path) -> None:
    def worth(text: str) -> float:
        return 0.1 * sum(word in text for word in ("carefully", "exactly", "twice")) + 0.001 * len(text.split())

    result = search(tmp_path, HillClimbing(stop=Stopping(12, 4)), PROMPT, worth, proposer=lengthen)
    kept = [PROMPT, *(kept_texts(result, number)[0] for number in range(len(result.steps)))]
    for number in range(len(result.steps)):
        pool = pool_texts(result, number)
        assert kept[number] == pool[0]
        assert worth(kept[number + 1]) == max(map(worth, pool))
    assert worth(kept[-1]) > 0.3
    assert result.best.text == kept[-1]


def test_patience_is_the_number_of_iterations_without_a_gain() -> None:
    patience = Patience(PhrasePlan(Fixed(9, 9, 9), 9, 2))
    improved = (False, True, False, True, False, False)
    assert [patience.ends(each) for each in improved] == [False, False, False, False, False, True]
    endless = Patience(PhrasePlan(Fixed(9, 9, 9), 9, None))
    assert not any(endless.ends(False) for _ in range(99))


def test_the_schedule_of_plum() -> None:
    temperatures = {i: 10 * math.exp(-i / 5) for i in (1, 5, 10, 15, 20)}
    found = {i: acceptance(49, 50, temperature) for i, temperature in temperatures.items()}
    expected = {1: 0.885, 5: 0.762, 10: 0.478, 15: 0.134, 20: 0.004}
    assert found == pytest.approx(expected, abs=5e-4)
    assert acceptance(50, 50, 1e-9) == acceptance(51, 50, 0.0) == acceptance(-math.inf, -math.inf, 1.0) == 1.0
    assert acceptance(-math.inf, 50, 1.0) == acceptance(49, 50, 0.0) == 0.0
    assert acceptance(-51, -50, temperatures[10]) == pytest.approx(0.4776, abs=5e-5)


@pytest.mark.parametrize(("uniform", "accepted"), [(0.4775, True), (0.4777, False)])
def test_a_loss_of_one_point_at_iteration_10(tmp_path: Path, uniform: float, accepted: bool) -> None:
    method = SimulatedAnnealing(stop=Stopping(iterations=10, patience=99))
    drawn = {"acceptance": Drawn(*[0.9999] * 9, uniform)}
    result = search(tmp_path, Injected(method, drawn), PROMPT, table({PROMPT: 0.5}, 0.49), proposer=lengthen)
    assert all(kept_texts(result, number) == [PROMPT] for number in range(9))
    assert len(kept_texts(result, 9)) == (2 if accepted else 1)
    assert result.best.text == PROMPT


def test_a_tie_is_always_accepted(tmp_path: Path) -> None:
    method = SimulatedAnnealing(stop=Stopping(iterations=3, patience=99))
    drawn = {"acceptance": Drawn(1 - 2**-53)}
    result = search(tmp_path, Injected(method, drawn), PROMPT, lambda _: 0.5, proposer=lengthen)
    assert all(len(kept_texts(result, number)) == 2 for number in range(3))
    assert [kept_texts(result, number)[1] for number in range(2)] == [pool_texts(result, n)[1] for n in (1, 2)]


def test_the_best_ever_is_returned(tmp_path: Path) -> None:
    worths = {"a|b|c|d": 0.5, "a|b|c": 0.9}
    method = SimulatedAnnealing(edit=replace(BARS, neighbours=30), stop=Stopping(iterations=6, patience=9))
    result = search(tmp_path, Injected(method, {"acceptance": Drawn(0.0)}), "a|b|c|d", table(worths, 0.1))
    incumbents = [kept_texts(result, number)[-1] for number in range(6)]
    assert incumbents[0] == "a|b|c"
    assert worths.get(incumbents[-1]) is None
    assert {kept_texts(result, number)[0] for number in range(6)} == {"a|b|c"}
    assert result.best.text == "a|b|c"


def test_annealing_counts_patience_from_the_best_ever(tmp_path: Path) -> None:
    worths = {"a|b|c|d": 0.9}
    drawn = {"acceptance": Drawn(0.0)}
    method = SimulatedAnnealing(edit=BARS, stop=Stopping(iterations=50, patience=4))
    result = search(tmp_path, Injected(method, drawn), "a|b|c|d", lambda text: worths.get(text, 0.01 * len(text)))
    assert len(result.steps) == 4
    assert len({kept_texts(result, number)[-1] for number in range(4)}) > 1


def tabu_search(home: Path, prompt: str, uniform: float, iterations: int) -> Result:
    """Neighbours in plenty, all of them worse than the start, and no two alike."""

    def worth(text: str) -> float:
        return 0.5 if text == prompt else 0.4 - 0.001 * sum(place * ord(sign) for place, sign in enumerate(text)) / 10

    method = TabuSearch(edit=replace(BARS, neighbours=60), stop=Stopping(iterations, iterations))
    return search(home, Injected(method, {"tabu": Drawn(uniform)}), prompt, worth)


def test_a_listed_neighbour_is_scored_or_not_by_the_draw(tmp_path: Path) -> None:
    rejected = tabu_search(tmp_path / "rejected", "a|b|c|d", 0.6, 2)
    top = max(rejected.steps[0].pool[1:], key=lambda estimate: estimate.mean)
    assert top in rejected.steps[0].pool
    assert top not in rejected.steps[1].pool
    assert len(rejected.steps[1].pool) == len(rejected.steps[0].pool) - 1
    admitted = tabu_search(tmp_path / "admitted", "a|b|c|d", 0.4, 2)
    assert top in admitted.steps[1].pool


def test_the_list_holds_five_the_start_among_them(tmp_path: Path) -> None:
    result = tabu_search(tmp_path, "a|b|c|d", 0.6, 7)
    assert len(result.steps[0].pool) == 1 + 4 + 6
    tops = [max(step.pool[1:], key=lambda estimate: estimate.mean).prompt for step in result.steps]
    # [start, t1 … t4] after four, [t1 … t5] after five, [t2 … t6] after six: then t1 is free again.
    assert len(set(tops[:6])) == 6
    assert tops[6] == tops[0]


def test_an_iteration_of_listed_neighbours_costs_patience_and_no_call(tmp_path: Path) -> None:
    result = tabu_search(tmp_path, "a|b", 0.6, 6)
    assert [len(step.pool) for step in result.steps] == [4, 3, 2, 1, 1, 1]
    assert result.steps[5].spent == result.steps[2].spent


def test_neighbours_are_different_and_never_the_prompt_itself(tmp_path: Path) -> None:
    def collect(run: Run) -> list[list[str]]:
        editor = Editor(run, Editing())
        return [
            [each.prompt["instruction"] for each in editor.neighbours(run.initial, ("a text", "a text"), 12)]
            for _ in range(5)
        ]

    for texts in within_run(tmp_path, PROMPT, collect, proposer=lengthen):
        assert len(texts) == len(set(texts)) == 12
        assert PROMPT not in texts


def test_a_chain_of_edits(tmp_path: Path) -> None:
    def collect(run: Run) -> list[tuple[str, tuple[PhraseEdit, ...]]]:
        editor = Editor(run, Editing(chain=3, chunker=Bars()))
        found = editor.neighbours(run.initial, ("x",), 30)
        return [(each.prompt["instruction"], each.edits) for each in found]

    for text, edits in within_run(tmp_path, "a|b|c|d|e", collect, proposer=lengthen):
        kinds = Counter(edit.kind for edit in edits)
        assert kinds.total() == 3
        # What the chain added is in the text or was changed since; it cannot be added twice.
        assert kinds["add"] <= 1
        assert len(text.split("|")) == 5 - kinds["del"]


def test_the_test_score_has_no_bonus(tmp_path: Path) -> None:
    truths = ["A", "B"] * 20
    examples = [Example.of(truth, text=f"item {number} {truth}") for number, truth in enumerate(truths)]
    task = Task.from_examples(examples, prompt="Say A or B.", labels=("A", "B"), splits=Splits(20, 10, 10))
    model = Scripted(lambda request: text_of(request).split("item ")[1].split()[1], name="right")
    result = search(tmp_path, HillClimbing(stop=Stopping(1, 1)), "", lambda _: 0.5, model=model, task=task)
    assert result.start.test is not None
    assert result.start.test.score == 1.0


@pytest.mark.slow
@ONE_BY_ONE
def test_the_cost_of_a_search(tmp_path: Path, kind: type[Any]) -> None:
    method = kind(score=Scoring(examples=15), edit=Editing(neighbours=5), stop=Stopping(6, 6))
    proposer = Scripted(lengthen, name="paraphraser")
    task = task_of(PROMPT, train=30)
    result = search(tmp_path, method, "", lambda text: 1 / len(text), task=task, proposer=proposer)
    assert result.steps[0].spent.evaluations == 15 * (1 + 5)
    bound = method.upper_bounds(30)
    assert bound.evaluations == 15 * (1 + 6 * 5)
    assert result.steps[-1].spent.evaluations <= bound.evaluations
    assert result.spent.proposer_calls == proposer.calls <= bound.proposer_calls


def test_expected_at_the_defaults() -> None:
    assert HillClimbing().upper_bounds(10_000) == UpperBounds(50_100, 2_500, 1_000_000)
    assert TabuSearch().upper_bounds(30).evaluations == 30 * 501
    assert SimulatedAnnealing(stop=Stopping(iterations=0)).upper_bounds(100) == UpperBounds(100, 0, 0)


def test_settings_from_the_command_line() -> None:
    settings = {"edit.neighbours": "5", "edit.chunker.level": "word", "score.entropy_weight": "0", "stop.patience": "2"}
    assert adjust(HillClimbing(), settings, "plum-hc") == HillClimbing(
        edit=Editing(neighbours=5, chunker=RuleChunker("word")),
        score=Scoring(entropy_weight=0),
        stop=Stopping(patience=2),
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Editing, "neighbours", 0),
        (Editing, "chain", 0),
        (Editing, "paraphrases", 0),
        (Scoring, "examples", 0),
        (Scoring, "entropy_weight", -1.0),
        (Stopping, "patience", 0),
        (SimulatedAnnealing, "decay", 0.0),
        (SimulatedAnnealing, "temperature", -1.0),
        (TabuSearch, "length", 0),
        (TabuSearch, "admission", 1.5),
        (MutationGA, "tournament", 0),
        (CrossoverGA, "population", 0),
        (CrossoverGA, "mutation", 2.0),
        (HarmonySearch, "segments", 0),
        (HarmonySearch, "consider", -0.1),
    ],
)
def test_unusable_settings_are_refused(kind: type[Any], name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})
