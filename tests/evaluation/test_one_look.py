"""Prompts scored on the test in one comparison: one look, whose level their verdicts share."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt import Evaluation, Example, evaluate
from promptopt.errors import BackendError, ConfigError
from promptopt.evaluation import Asked, compare, evaluate_together
from promptopt.models.scripted import Scripted
from promptopt.outcome.looks import Look, level_of, look_ahead, look_at
from promptopt.stats import ALPHA, level
from promptopt.store.runs import Store
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Prompt, Score

TASK = planted_task(test=12)
PROMPTS = [TASK.starting_from(f"{word} Answer the question.") for word in ("One.", "Two.", "Three.")]
MODEL = planted_model(feature_accuracy(["Two"], base=0.5, each=0.4))


def looks_after(store: Path) -> int:
    with Store(store) as opened:
        return look_ahead(opened.looks, TASK.test).number


def test_what_is_scored_together_is_one_look_and_scored_apart_one_each(tmp_path: Path) -> None:
    asked = [Asked(TASK, prompt, MODEL) for prompt in PROMPTS]
    found = evaluate_together(asked, split="test", store=tmp_path / "one.db")
    assert [each.look for each in found] == [Look(1, ALPHA, 0)] * 3
    assert [each.next_look for each in found] == [Look(2, level(2), 12)] * 3
    assert looks_after(tmp_path / "one.db") == 2
    apart = [evaluate(TASK, prompt, model=MODEL, split="test", store=tmp_path / "two.db") for prompt in PROMPTS]
    assert [each.look.number for each in apart if each.look is not None] == [1, 2, 3]
    # The same once more shows nothing new.
    assert evaluate_together(asked, split="test", store=tmp_path / "one.db")[0].look == Look(1, ALPHA, 0)
    assert looks_after(tmp_path / "one.db") == 2


def test_several_models_under_one_prompt_are_one_look(tmp_path: Path) -> None:
    models = [Scripted(lambda _: "yes", name=name) for name in ("one", "two")]
    found = evaluate_together([Asked(TASK, None, each) for each in models], split="test", store=tmp_path / "s.db")
    assert [each.look for each in found] == [Look(1, ALPHA, 0)] * 2


@pytest.mark.parametrize("split", ["train", "dev"])
def test_no_other_split_is_looked_at(split: str, tmp_path: Path) -> None:
    (found,) = evaluate_together([Asked(TASK, None, MODEL)], split=split, store=tmp_path / "s.db")
    assert (found.look, found.next_look, looks_after(tmp_path / "s.db")) == (None, None, 1)


def test_what_was_left_out_comes_later_in_the_look_that_it_began_with(tmp_path: Path) -> None:
    whole, names = tmp_path / "whole.db", ("one", "two")
    first = Asked(TASK, None, MODEL)

    def asked(other: Scripted, store: Path, left_out: list[int]) -> Look | None:
        def leave_out(place: int, _: Exception) -> None:
            left_out.append(place)

        both = [first, Asked(TASK, None, other)]
        return evaluate_together(both, split="test", store=store, leave_out=leave_out, later=names)[0].look

    alive, left_out = Scripted(lambda _: "yes", name="two"), list[int]()
    parts = tmp_path / "parts.db"
    assert asked(Scripted(lambda _: "yes", name="two", fail_at=5), parts, left_out) == Look(1, ALPHA, 0)
    assert left_out == [1]
    assert asked(alive, parts, left_out) == Look(1, ALPHA, 0)
    assert (left_out, looks_after(parts)) == ([1], 2)
    # Where nothing was ever lacking it is the look that it is without that; the first alone is another.
    assert asked(alive, whole, left_out) == Look(1, ALPHA, 0)
    together = evaluate_together([first, Asked(TASK, None, alive)], split="test", store=whole)
    assert (together[0].look, looks_after(whole)) == (Look(1, ALPHA, 0), 2)
    assert evaluate_together([first], split="test", store=parts)[0].look == Look(2, level(2), 12)


def test_what_fails_in_the_middle_shows_nothing_and_is_no_look(tmp_path: Path) -> None:
    dead = Scripted(lambda _: "yes", name="dead", fail_at=5)
    with pytest.raises(BackendError):
        evaluate_together([Asked(TASK, None, MODEL), Asked(TASK, None, dead)], split="test", store=tmp_path / "s.db")
    assert looks_after(tmp_path / "s.db") == 1


def test_one_that_is_refused_is_left_out_where_that_is_asked_for_and_else_ends_it(tmp_path: Path) -> None:
    asked = [Asked(TASK, Prompt.of("x", other="y"), MODEL), Asked(TASK, None, MODEL)]
    left: list[int] = []
    found = evaluate_together(
        asked, split="test", store=tmp_path / "s.db", leave_out=lambda place, _: left.append(place)
    )
    assert (left, [each.prompt for each in found]) == ([0], [TASK.initial])
    with pytest.raises(ConfigError, match="has the parts"):
        evaluate_together(asked, split="test", store=tmp_path / "s.db")
    # Nothing but what was refused is no empty success.
    with pytest.raises(ConfigError, match="has the parts"):
        evaluate_together(asked[:1], store=tmp_path / "s.db", leave_out=lambda *_: None)


def test_examples_that_only_one_side_has_scored_are_looked_at_too(tmp_path: Path) -> None:
    short = [(PROMPTS[0], [Score(1.0), None]), (PROMPTS[1], [Score(1.0), Score(0.0)])]
    with Store(tmp_path / "s.db") as store:
        look_at(store.looks, ("m", "exact"), TASK.test[:2], short)
        assert look_ahead(store.looks, TASK.test[1:]).number == 2


@pytest.mark.parametrize(
    ("numbers", "verdicts", "owed"),
    [
        ([None, None], 1, ALPHA), ([None, None], 4, ALPHA / 4), ([1, 1], 1, level(1)), ([3, 3], 1, level(3)),
        ([3, 3, 3, 3], 3, level(3) / 3), ([1, 2], 1, level(2)), ([1, 4], 1, level(4) / 3), ([2, 3], 5, level(3) / 5),
    ],
)  # fmt: skip
def test_a_verdict_has_its_share_of_the_level_of_its_look(
    numbers: list[int | None], verdicts: int, owed: float
) -> None:
    looks = [None if number is None else Look(number, level(number), 9) for number in numbers]
    assert level_of(looks, verdicts) == pytest.approx(owed)


def test_all_pairs_of_looks_apart_never_spend_more_than_the_level() -> None:
    # Whoever enters each prompt as a look of its own may hold every one against every other.
    looks = [Look(number, level(number), 9) for number in range(1, 200)]
    spent = [sum(level_of((one, other), 1) for one in looks[: other.number - 1]) for other in looks]
    assert sum(spent) < 2 * ALPHA
    assert all(each <= level(number) + 1e-12 for number, each in enumerate(spent, start=1))


def chance_of_a_false_better(store: Path, users: int, comparisons: tuple[int, ...], *, naive: bool) -> float:
    """The share of users who are told *better* at least once, where no prompt is better than another.

    comparisons: how many rivals are held against the same baseline, comparison after comparison, on the same items.
    """
    rng = random.Random(0)
    whole = evaluate(planted_task(test=40), model=Scripted(lambda _: "yes", name="m"), split="test", store=store)
    told = 0
    with Store(store) as opened:
        for user in range(users):
            examples = tuple(Example.of("yes", text=f"user {user}, item {item}") for item in range(40))
            ever = False
            for comparison, rivals in enumerate(comparisons):
                rows = [tuple(Score(float(rng.random() < 0.5)) for _ in examples) for _ in range(rivals + 1)]
                shown = [(Prompt.of(f"{comparison} {at}"), row) for at, row in enumerate(rows)]
                look = None if naive else look_at(opened.looks, ("m", "exact"), examples, shown)
                first, *others = (replace(whole, prompt=prompt, examples=examples, scores=row, look=look)
                                  for prompt, row in shown)  # fmt: skip
                found = [compare(first, each, rivals=1 if naive else rivals) for each in others]
                ever = ever or any(each.verdict == "better" for each in found)
            told += ever
    return told / users


@pytest.mark.slow
def test_the_level_holds_for_users_who_compare_many_prompts_many_times(tmp_path: Path) -> None:
    comparisons = (8, 1, 8)
    assert chance_of_a_false_better(tmp_path / "s.db", 200, comparisons, naive=False) <= 0.05
    # What the ledger is for: every verdict at 0.05, as if it were the only one.
    assert chance_of_a_false_better(tmp_path / "s.db", 200, comparisons, naive=True) > 0.1


def test_evaluations_are_compared_at_the_share_that_is_asked_for(tmp_path: Path) -> None:
    found: list[Evaluation] = evaluate_together(
        [Asked(TASK, prompt, MODEL) for prompt in PROMPTS], split="test", store=tmp_path / "s.db"
    )
    versus = compare(found[0], found[1], rivals=2)
    assert versus.gain.alpha == pytest.approx(ALPHA / 2)
    assert versus.to_json()["alpha"] == pytest.approx(ALPHA / 2)


def test_of_a_prompt_that_is_not_the_start_unreadable_replies_are_told_too(tmp_path: Path) -> None:
    task = planted_task(dev=40)
    model = Scripted(lambda _: "", name="silent")
    for prompt, called in ((None, "the start prompt"), (task.starting_from("Well?"), "this prompt")):
        found = evaluate(task, prompt, model=model, store=tmp_path / "s.db")
        said = [each for each in found.warnings if each.startswith(f"20 of the first 20 replies to {called} are cut")]
        assert (len(said), len(found.warnings)) == (1, 1), found.warnings
