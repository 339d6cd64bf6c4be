"""Who is preferred in the final choice, by what is known of each: in a run whose knowledge is given."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from types import SimpleNamespace
from typing import cast

import pytest

from promptopt.errors import BudgetSpent
from promptopt.outcome import final
from promptopt.run import Run
from promptopt.run.posterior import Posterior
from promptopt.types import Estimate, Example, Prompt, Score

START, LONG, SHORT, OTHER, TWIN = map(
    Prompt.of, ("the start, long", "a longer text", "short", "another text", "another next")
)
TRAIN, DEV = ([Example.of("t", text=f"{name} {number}") for number in range(4)] for name in ("train", "dev"))
SEARCHED = (1.0, 0.0, 1.0, 0.0)
AGAIN = 5
"""The repetition of the final choice."""

Known = Mapping[Prompt, Sequence[float | None]]


@dataclass
class Given:
    """What the final choice asks of a run. `searched`, `dev_scores`: of each prompt on TRAIN, on DEV.

    `chances`: the probability that each is worth more than the start.
    """

    searched: Known
    dev_scores: Known
    worth: Mapping[Prompt, float] = field(default_factory=dict[Prompt, float])
    spent: bool = False
    initial: Prompt = START
    dev: Sequence[Example] = tuple(DEV)
    final_repetition: int = AGAIN
    prior: float = math.nan
    chances: Mapping[Prompt, float] = field(default_factory=dict[Prompt, float])
    unjudged: Collection[Prompt] = ()
    task: object = None
    asked: list[tuple[Prompt, int]] = field(default_factory=list[tuple[Prompt, int]])
    said: list[str] = field(default_factory=list[str])

    def evidence(self) -> Sequence[Example]:
        return TRAIN

    def seen(self, prompt: Prompt, examples: Sequence[Example], *, repetition: int = 0) -> list[tuple[Example, Score]]:
        known = dict(zip(DEV, self.dev_scores.get(prompt, ()), strict=False)) if repetition == AGAIN else {}
        if repetition == 0:
            known = dict(zip(TRAIN, self.searched.get(prompt, ()), strict=False))
        return [(each, Score(known[each], judged=prompt not in self.unjudged)) for each in examples if each in known]

    def estimate(self, prompt: Prompt, examples: Sequence[Example], repetition: int = 0) -> Estimate:
        values = [score.value for _, score in self.seen(prompt, examples, repetition=repetition)]
        return Estimate(prompt, math.fsum(values) / len(values) if values else 0.0, len(values))

    def evaluate(
        self, prompts: Sequence[Prompt], examples: Sequence[Example], repetition: int
    ) -> Mapping[Prompt, Sequence[Score]]:
        # What is scored already is free.
        if self.spent and not self.said:
            raise BudgetSpent("all is spent")
        self.asked += [(prompt, len(examples)) for prompt in prompts]
        return {prompt: [Score(0.0, "") for _ in examples] for prompt in prompts}

    def worths(self, evidence: Sequence[Example], prior: float) -> Mapping[Prompt, float]:
        self.prior = prior
        return self.worth

    def warn(self, message: str) -> None:
        self.said.append(message)

    def posterior(self, contenders: Sequence[Prompt], examples: Sequence[Example]) -> Posterior:
        return believed(self)


def believed(given: Given) -> Posterior:
    normal = NormalDist()
    ahead = {prompt: given.worth[prompt] - given.worth[START] for prompt in given.chances}
    apart = {
        prompt: value / normal.inv_cdf(given.chances[prompt]) if math.isfinite(value) else 1.0
        for prompt, value in ahead.items()
    }
    return Posterior(given.worth, {}, apart)


def compared(given: Given, *contenders: Prompt, by_search: bool = True) -> Prompt:
    return final._best_on_dev(cast("Run", given), [START, *contenders], DEV, by_search)


def test_prompts_that_no_score_tells_apart_are_worth_what_the_best_of_them_is() -> None:
    same = {LONG: [1.0, 1.0, 0.0], SHORT: [1.0, 1.0, 0.0], OTHER: [1.0, 0.0, 1.0]}
    # One has seen less of dev, and nothing that speaks against it.
    given = Given(same, {LONG: [1.0, 0.0], SHORT: [1.0], OTHER: [1.0, 1.0]}, {LONG: 0.8, SHORT: 0.6, OTHER: 0.7})
    assert final._by_belief(cast("Run", given), believed(given), [OTHER, LONG, SHORT]) == [SHORT, LONG, OTHER]


APART = {START: [1.0, 0.0, 1.0], LONG: [1.0, 1.0, 0.0], SHORT: [0.0, 1.0, 1.0]}
BY_LENGTH = {START: 0.5, LONG: 0.8, SHORT: 0.6}


@pytest.mark.parametrize(("chance", "best"), [(0.5501, LONG), (0.5499, START)])
def test_a_winner_has_to_be_better_than_the_start_by_more_than_an_even_chance(chance: float, best: Prompt) -> None:
    given = Given(APART, dict.fromkeys(APART, [1.0] * 4), BY_LENGTH, chances={LONG: chance, SHORT: 0.99})
    assert final._narrowed(cast("Run", given), [START, LONG, SHORT], 12) == best
    assert final.SURE == 0.55


def test_a_winner_is_as_sure_as_what_no_score_tells_apart_from_it() -> None:
    same = {**APART, SHORT: APART[LONG]}
    given = Given(same, dict.fromkeys(same, [1.0] * 4), BY_LENGTH, chances={LONG: 0.7, SHORT: 0.51})
    assert final._narrowed(cast("Run", given), [START, LONG, SHORT], 12) == SHORT


def test_a_cut_of_the_start_that_no_score_tells_apart_from_it_wins_without_being_surer() -> None:
    same = {**APART, SHORT: APART[START]}
    given = Given(same, dict.fromkeys(same, [1.0] * 4), {START: 0.9, SHORT: 0.5}, chances={SHORT: 0.2})
    assert final._narrowed(cast("Run", given), [START, SHORT], 12) == SHORT


FLOORS = SimpleNamespace(floors={"a": 0.1}, member_of=lambda example: "a")


@pytest.mark.parametrize(
    ("worth", "chance", "task", "stays"),
    [
        (0.8, 0.899, None, True),
        (0.8, 0.901, None, False),
        (-math.inf, 0.5, None, True),
        # What is lost of a floor shows against the start alone.
        (0.8, 0.901, FLOORS, True),
    ],
)
def test_the_start_goes_on_while_it_may_be_better_than_the_best(
    worth: float, chance: float, task: object, stays: bool
) -> None:
    # Of two impossible prompts none is known to be better.
    begun = 0.5 if math.isfinite(worth) else worth
    others = {LONG: worth, OTHER: worth - 0.1, TWIN: worth - 0.1}
    given = Given(
        {START: [1.0], LONG: [0.0], OTHER: [1.0, 1.0], TWIN: [0.0, 0.0]}, dict.fromkeys([START, *others], [1.0] * 4),
        # It is not held against the second.
        {START: begun, **others}, chances={**dict.fromkeys(others, 0.6 if chance > 0.9 else 0.99), LONG: chance},
        task=task,
    )  # fmt: skip
    final._narrowed(cast("Run", given), [LONG, OTHER, TWIN, START], 8)
    rounds = sum(prompt == START and count > 0 for prompt, count in given.asked)
    assert (rounds > 1) is stays


@pytest.mark.parametrize("dev", [[0.0], [1.0, 1.0]])
def test_one_score_that_differs_tells_them_apart(dev: list[float]) -> None:
    same = {LONG: [1.0, 1.0], SHORT: [1.0, 1.0]}
    given = Given(same, {LONG: [1.0, 0.0], SHORT: dev}, {LONG: 0.8, SHORT: 0.6})
    assert final._by_belief(cast("Run", given), believed(given), [SHORT, LONG]) == [LONG, SHORT]


@pytest.mark.parametrize(
    ("scores", "worth", "best"),
    [
        # Dev alone, where the search knows as much of both.
        ({START: [1, 0, 0, 0], LONG: [1, 1, 0, 0]}, {START: 0.5, LONG: 0.5}, LONG),
        # 4 looks on dev and 4 of the search: (2 + 4 * 0.9) / 8 against (3 + 4 * 0.5) / 8.
        ({START: [1, 1, 0, 0], LONG: [1, 1, 1, 0]}, {START: 0.9, LONG: 0.5}, START),
        ({START: [1, 1, 0, 0], LONG: [1, 1, 1, 0]}, {START: 0.7, LONG: 0.5}, LONG),
        # Equal evidence: the shorter, then the earlier.
        ({START: [1, 0, 0, 0], SHORT: [0, 1, 0, 0]}, {START: 0.5, SHORT: 0.5}, SHORT),
        ({START: [1, 0, 0, 0], LONG: [0, 1, 1, 0], OTHER: [1, 1, 0, 0]}, {START: 0.5, LONG: 0.5, OTHER: 0.5}, OTHER),
        ({START: [1, 0, 0, 0], TWIN: [0, 1, 1, 0], OTHER: [1, 1, 0, 0]}, {START: 0.5, TWIN: 0.5, OTHER: 0.5}, OTHER),
        # Impossible on an example of the search, by the score that decides.
        ({START: [1, 0, 0, 0], LONG: [1, 1, 1, 1]}, {START: 0.5, LONG: -math.inf}, START),
        # One that was not scored on all examples is not compared.
        ({START: [0, 0, 0, 0], LONG: [1, 1, 1], OTHER: [1, 0, 0, 0]}, {START: 0.5, LONG: 0.9, OTHER: 0.5}, OTHER),
        ({START: [0, 0, 0], LONG: [1, 1, 1, 1]}, {START: 0.5, LONG: 0.9}, START),
        ({}, {}, START),
    ],
)
def test_dev_and_the_worth_of_the_search_count_by_their_looks(
    scores: Known, worth: Mapping[Prompt, float], best: Prompt
) -> None:
    given = Given(dict.fromkeys(scores, SEARCHED), scores, worth)
    assert compared(given, LONG, OTHER, SHORT, TWIN) == best
    # A start that the search has not scored stands where dev has put it.
    assert len(scores.get(START, ())) < 4 or given.prior == sum(value or 0.0 for value in scores[START]) / 4


@pytest.mark.parametrize("worth", [0.5, -math.inf])
def test_where_the_search_went_by_another_score_dev_alone_counts(worth: float) -> None:
    given = Given(
        dict.fromkeys((START, LONG), SEARCHED),
        {START: [1.0, 1.0, 0.0, 0.0], LONG: [1.0, 1.0, 1.0, 0.0]},
        {START: 0.9, LONG: worth},
    )
    assert (compared(given, LONG), compared(given, LONG, by_search=False)) == (START, LONG)


def test_what_a_judge_never_judged_beats_nothing_and_nothing_beats_it_as_the_start() -> None:
    same = {START: [0.0] * 4, SHORT: [0.0] * 4, LONG: [1.0] * 4}
    given = Given(dict.fromkeys(same, SEARCHED), same, dict.fromkeys(same, 0.5))
    assert (compared(given, SHORT), compared(given, LONG)) == (SHORT, LONG)
    given.unjudged = [SHORT]
    assert (compared(given, SHORT), compared(given, SHORT, LONG)) == (START, LONG)
    given.unjudged = [START]
    assert compared(given, LONG) == START


def test_a_budget_that_ends_the_choice_is_told() -> None:
    given = Given({}, {START: [1.0] * 4, LONG: [1.0] * 3}, {START: 0.5}, spent=True)
    assert compared(given, LONG) == START
    assert given.said == ["the final choice on dev was cut short: all is spent"]
