"""All that a pruning search scored: what a cap or a budget lets through, and what is left at half of the examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from promptopt.optimizers.promptquine.history import NO_GENES, Genotype, History, PrunedPrompt
from promptopt.types import Example, Prompt, Score, ScoreMatrix

EXAMPLES = [Example.of("yes", question=str(number)) for number in range(4)]


class FakeRun:
    """A prompt scores what its first word says, on the first half of the examples, and the second word on the rest."""

    task = SimpleNamespace(editable="instruction")

    def __init__(self, left: int | None = None) -> None:
        self.left = left
        self.followed = 0
        self.asked: list[tuple[int, int]] = []

    def evaluations_left(self) -> int | None:
        return self.left

    def follow_budget(self) -> None:
        self.followed += 1

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def evaluate(self, prompts: Sequence[Prompt], examples: Sequence[Example]) -> ScoreMatrix:
        self.asked.append((len(prompts), len(examples)))
        rows = {}
        for prompt in prompts:
            first, second = map(float, prompt["instruction"].split()[:2])
            rows[prompt] = [Score(first if int(each["question"]) < 2 else second) for each in examples]
        return ScoreMatrix(examples, rows)


def history(
    left: int | None = None, most: int = 99, reserve: Callable[[int], int] = lambda _: 0, examples: int = 4
) -> tuple[History, FakeRun]:
    run = FakeRun(left)
    return History(run, EXAMPLES[:examples], most, reserve), run  # type: ignore[arg-type]


def children(*texts: str) -> dict[Prompt, Genotype]:
    return {Prompt.of(text): (NO_GENES, ()) for text in texts}


def told(found: Sequence[PrunedPrompt]) -> list[tuple[float, int]]:
    return [(each.fitness, each.count) for each in found]


def test_individuals_are_in_the_order_they_were_scored_each_once() -> None:
    known, run = history()
    assert told(known.add(children("0 1 a", "1 1 b"))) == [(0.5, 4), (1.0, 4)]
    assert told(known.add(children("1 1 b", "0 0 c"))) == [(1.0, 4), (0.0, 4)]
    assert [each.prompt["instruction"] for each in known.individuals()] == ["0 1 a", "1 1 b", "0 0 c"]
    assert (len(known), known.closed, known.cut) == (3, False, False)
    assert [each.length for each in known.individuals()] == [3, 3, 3]
    assert run.followed == 0


def test_a_cap_on_individuals_cuts_the_batch_and_is_no_cut_by_the_budget() -> None:
    known, run = history(most=2)
    assert len(known.add(children("0 0 a", "0 0 b", "0 0 c"))) == 2
    assert (known.closed, known.cut, run.followed) == (True, False, 0)
    full, _ = history(most=2)
    full.add(children("0 0 a", "0 0 b"))
    # What is known costs nothing, and closes nothing.
    assert len(full.add(children("0 0 b"))) == 1
    assert not full.closed


@pytest.mark.parametrize(("left", "through"), [(9, 1), (10, 2), (5, 0), (6, 1), (14, 3), (13, 2)])
def test_a_batch_fits_beside_the_reserve(left: int, through: int) -> None:
    known, run = history(left, reserve=lambda count: 2)
    assert len(known.add(children("0 0 a", "0 0 b", "0 0 c"))) == through
    assert known.closed is known.cut is (through < 3)
    assert run.followed == int(through < 3)


def test_the_reserve_grows_with_the_individuals() -> None:
    reserved: list[int] = []
    known, _ = history(99, reserve=lambda count: reserved.append(count) or 0)
    known.add(children("0 0 a", "0 0 b"))
    known.add(children("0 0 b", "0 0 c"))
    assert reserved == [1, 2, 3]


def test_children_below_the_threshold_on_the_first_half_are_left_at_it() -> None:
    known, run = history()
    found = known.add(children("0.4 1 a", "0.5 1 b", "0.6 0 c"), 0.5)
    assert told(found) == [(0.4, 2), (0.75, 4), (0.3, 4)]
    assert run.asked == [(3, 2), (2, 4)]
    # One that was left at its half has the other still to pay, and counts as one more.
    run.left = 3
    assert known.add(children("0.4 1 a")) == []
    run.left = 4
    known.closed = known.cut = False
    assert told(known.add(children("0.4 1 a"))) == [(0.7, 4)]
    assert len(known) == 3


def test_what_was_scored_on_all_is_not_taken_back_to_a_half() -> None:
    known, _ = history()
    known.add(children("0.4 1 a"))
    assert told(known.add(children("0.4 1 a"), 0.5)) == [(0.7, 4)]


def test_one_example_has_no_half() -> None:
    known, run = history(examples=1)
    assert told(known.add(children("0.4 1 a"), 0.5)) == [(0.4, 1)]
    assert run.asked == [(1, 1)]
    two, other = history(examples=2)
    assert told(two.add(children("0.4 1 a"), 0.5)) == [(0.4, 1)]
    assert other.asked == [(1, 1), (0, 2)]


def test_several_searches_share_the_cap_and_the_budget_evenly() -> None:
    known, run = history(100, most=10, reserve=lambda count: count)
    known.first(Prompt.of("1 1 x"), NO_GENES, part=1, parts=3)
    # 99 are free, of which two thirds are for the searches to come: 33 are left, beside a reserve.
    assert run.followed == 1
    texts = [f"0 0 {number}" for number in range(20)]
    # A third of ten individuals: X and two more.
    assert len(known.add(children(*texts))) == 2
    assert (known.closed, known.cut) == (True, False)
    run.left = 40
    known.first(Prompt.of("1 1 y"), NO_GENES, part=2, parts=3)
    assert not known.closed
    # 36 of 40 are free, and half of them stay for the last: three times 4, and 4 + 3 of reserve, are above 22.
    assert len(known.add(children(*texts[10:]))) == 2
    run.left = 40
    known.first(Prompt.of("1 1 z"), NO_GENES, part=3, parts=3)
    assert run.followed == 2
    # The last has all that is left.
    assert len(known.add(children(*texts[12:]))) == 3


def test_a_search_of_its_own_leaves_nothing_to_others() -> None:
    known, run = history(20, most=10)
    known.first(Prompt.of("1 1 x"), NO_GENES)
    assert run.followed == 0
    assert len(known.add(children(*(f"0 0 {number}" for number in range(9))))) == 5


def test_an_individual_is_scored_whatever_the_reserve_says_where_it_is_the_first() -> None:
    known, _ = history(0, reserve=lambda _: 99)
    assert told([known.first(Prompt.of("1 0 x"), NO_GENES)]) == [(0.5, 4)]
    assert known.first(Prompt.of("1 0 x"), NO_GENES).estimate.count == 4
