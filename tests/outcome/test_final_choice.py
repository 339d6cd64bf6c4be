"""The final choice: whom dev examples go to, and what decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.session import Session
from promptopt.outcome.final import CANDIDATES_LOOKED_AT
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.worth import MOST_SEEN
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Example, Prompt, Proposal, Weigh


@dataclass(frozen=True)
class Few:
    """Candidates of which every third is better than the start, each seen on `looks` training examples."""

    candidates: int = 20
    looks: int = 3

    def optimize(self, run: Run) -> None:
        words = ("carefully", "slowly", "somehow")
        made = [Prompt.of(f"Answer {words[number % 3]}, take {number}.") for number in range(self.candidates)]
        run.evaluate(
            [run.initial, *run.admit([Proposal(each, (run.initial,)) for each in made])], run.train[: self.looks]
        )


def conduct(home: Path, method: Few, budget: Budget | None = None, each: float = 0.3) -> tuple[Result, Run]:
    runs: list[Run] = []
    model = planted_model(feature_accuracy(["carefully"], base=0.4, each=each))
    task = planted_task(train=120)
    found = optimize(
        task, method, model=model, budget=budget, store=home / "store.db", session=Session(watch=runs.append)
    )
    return found, runs[0]


def looks_on_dev(run: Run, result: Result) -> dict[Prompt, int]:
    counts = {each.prompt: run.estimate(each.prompt, run.dev).count for each in result.candidates()}
    return {prompt: count for prompt, count in counts.items() if count}


def test_half_of_those_that_are_left_go_on_and_see_the_same_new_examples(tmp_path: Path) -> None:
    result, run = conduct(tmp_path, Few(), Budget(evaluations=300))
    seen = looks_on_dev(run, result)
    assert len(seen) == 1 + CANDIDATES_LOOKED_AT
    depths = sorted((count for prompt, count in seen.items() if prompt != run.initial), reverse=True)
    # Of candidates eight, five, three and two are left, and each round has as many cells: the fewer are left, the more
    # each sees.
    steps = [depths[1], depths[2], depths[4], depths[7]]
    # The rounds may leave a cell, which the best is shown.
    assert depths[0] - depths[1] in (0, 1)
    assert depths[4] == depths[3]
    assert depths[7] == depths[5]
    assert steps == sorted(set(steps), reverse=True)
    # It is much worse than the best, which one round does not show.
    assert seen[run.initial] == depths[4]
    for prompt, count in seen.items():
        assert run.estimate(prompt, run.dev[:count]).count == count
    assert seen[result.prompt] >= depths[1]


def test_the_best_by_the_belief_of_both_phases_wins(tmp_path: Path) -> None:
    result, run = conduct(tmp_path, Few(), Budget(evaluations=300))
    seen = looks_on_dev(run, result)
    belief = run.posterior(list(seen), run.dev)
    assert result.prompt == max(seen, key=belief.mean.__getitem__)
    assert belief.chance(result.prompt) > 0.9
    # How far the start itself lies from the start is known, though what it is worth is not.
    assert belief.apart[run.initial] < 1e-6 < 0.01 < belief.deviation[run.initial]
    assert "carefully" in result.prompt["instruction"]


@pytest.mark.parametrize("worse", [0.0, 0.1])
def test_where_nothing_helps_the_start_is_looked_at_to_the_end(tmp_path: Path, worse: float) -> None:
    result, run = conduct(tmp_path, Few(), Budget(evaluations=300), each=-worse)
    seen = looks_on_dev(run, result)
    assert seen[run.initial] >= sorted(seen.values())[-2]
    assert result.prompt == run.initial


@pytest.mark.slow
def test_no_more_is_spent_than_the_start_and_the_finalists_were_promised(tmp_path: Path) -> None:
    for cap in (90, 150, 300):
        result, run = conduct(tmp_path / str(cap), Few(candidates=8, looks=2), Budget(evaluations=cap))
        assert result.spent.evaluations <= cap
        assert min(looks_on_dev(run, result).values()) >= 1


@pytest.mark.parametrize(("budget", "compared"), [(Budget(tokens=20_000), 3), (Budget(evaluations=1_400), 9)])
def test_where_tokens_are_capped_there_are_the_finalists_they_are_set_aside_for(
    tmp_path: Path, budget: Budget, compared: int
) -> None:
    result, run = conduct(tmp_path, Few(candidates=12), budget)
    assert len(looks_on_dev(run, result)) == compared


def test_a_start_alone_takes_its_own_part(tmp_path: Path) -> None:
    result, run = conduct(tmp_path, Few(candidates=0), Budget(evaluations=100))
    (looks,) = looks_on_dev(run, result).values()
    assert result.prompt == run.initial
    assert looks <= len(run.dev)


@pytest.mark.parametrize("looks", [MOST_SEEN, MOST_SEEN + 1])
def test_finalists_that_were_seen_often_are_compared_on_the_same_dev_examples(tmp_path: Path, looks: int) -> None:
    result, run = conduct(tmp_path, Few(candidates=6, looks=looks), Budget(evaluations=1_000))
    seen = looks_on_dev(run, result)
    assert (len(seen) == 5 and len(set(seen.values())) == 1) is (looks > MOST_SEEN)


class Cuts:
    """Each candidate is the one before without its last word, and all are seen on the same examples. The last harms."""

    def optimize(self, run: Run) -> None:
        parent, made = run.initial, list[Prompt]()
        for count in range(6, 1, -1):
            cut = Prompt.of("Answer carefully " + " ".join(("one", "two", "three", "four", "five", "six")[:count]))
            made += run.admit([Proposal(cut, (parent,))])
            parent = cut
        run.evaluate([run.initial, *made], run.train[:10])


def test_of_cuts_that_no_score_tells_apart_the_shortest_wins(tmp_path: Path) -> None:
    # Belief in the best cut is drawn down by the one too many that was made of it.
    model = planted_model(feature_accuracy(["carefully", "three"], base=0.2, each=0.3), common=1.0)
    found = optimize(
        planted_task(train=120), Cuts(), model=model, budget=Budget(evaluations=300), store=tmp_path / "s.db"
    )
    assert found.prompt["instruction"] == "Answer carefully one two three"


def test_graded_scores_are_compared_on_the_same_dev_examples(tmp_path: Path) -> None:
    def half(answer: str, example: Example) -> float:
        return 1.0 if answer == example.target else 0.5

    task = replace(planted_task(train=120), metric=half)
    model = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.3))
    runs: list[Run] = []
    budget, session = Budget(evaluations=1_000), Session(watch=runs.append)
    result = optimize(task, Few(candidates=6), model=model, budget=budget, store=tmp_path / "s.db", session=session)
    seen = looks_on_dev(runs[0], result)
    assert len(seen) == 5
    assert len(set(seen.values())) == 1


@pytest.mark.parametrize("weigh", ["turn", "conversation"])
def test_where_conversations_count_once_all_are_compared_on_the_same_dev_examples(tmp_path: Path, weigh: Weigh) -> None:
    task, runs = replace(planted_task(train=120), weigh=weigh), list[Run]()
    model = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.3))
    budget, session = Budget(evaluations=1_000), Session(watch=runs.append)
    result = optimize(task, Few(candidates=6), model=model, budget=budget, store=tmp_path / "s.db", session=session)
    seen = looks_on_dev(runs[0], result)
    # The mean of a conversation is no right and no wrong, of which the belief of both phases is made.
    assert (len(seen) == 5 and len(set(seen.values())) == 1) is (weigh == "conversation")


def test_so_they_are_on_as_many_as_were_paid_for_beside_the_test(tmp_path: Path) -> None:
    task, runs = replace(planted_task(train=120), weigh="conversation"), list[Run]()
    model = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.3))
    method, session = Few(candidates=6, looks=15), Session(watch=runs.append)
    result = optimize(
        task, method, model=model, budget=Budget(evaluations=200), store=tmp_path / "s.db", session=session
    )
    # Seven dev examples for two finalists and the start, and 35 pairs; four cells that the search left are one more.
    assert list(looks_on_dev(runs[0], result).values()) == [8, 8, 8]
    assert result.best.test is not None
    assert result.best.test.n == 35
    # How much better it looked on dev than it is.
    assert result.best.dev is not None
    assert result.optimism == pytest.approx(result.best.dev.score - result.best.test.score)
    assert result.optimism
