"""SPRIG's later form: the surrogate, the children, and a search that scores few of many."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.sprig import surrogate
from promptopt.optimizers.sprig.corpus import Component
from promptopt.optimizers.sprig.edits import Parts, text_of_parts
from promptopt.optimizers.sprig.method import Sprig
from promptopt.optimizers.sprig.population import SHARES, WRITTEN, crossed, edited
from promptopt.optimizers.sprig.population_plan import POPULATION_PAPER, ROUND, PopulationPlan
from promptopt.optimizers.sprig.surrogate import RewardModel, ScoredDraws
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.testing import OptimizerContract, feature_accuracy, outcome, planted_model, planted_task
from promptopt.types import Request, Room

NAMES = ("carefully", "exactly", "twice", "soon", "gladly", "slowly", "aloud", "again", "early", "once")
OWN = tuple(f"Please answer {word} now." for word in NAMES)
GOOD = ("carefully", "exactly")
WRITES = '["Take all the time that you need."]'


def component(name: str, category: str = "custom", family: str = "") -> Component:
    return Component(name, f"Please answer {name} now.", category, family if family else name)


def parts(*names: str) -> Parts:
    return tuple(component(name) for name in names)


@pytest.mark.slow
class TestContract(OptimizerContract):
    optimizer = Sprig(search="population", components=OWN)

    def propose(self, request: Request) -> str:
        return '["Answer the thing carefully and well."]'


def search(
    home: Path,
    method: Sprig,
    budget: Budget | None,
    reply: str | Callable[[Request], str] = WRITES,
    *,
    fail_at: int | None = None,
) -> tuple[Result, Scripted]:
    model = planted_model(feature_accuracy(GOOD, base=0.3, each=0.3))
    model.fail_at = fail_at
    proposer = Scripted(reply if callable(reply) else lambda _: reply, name="proposer")
    result = optimize(planted_task(), method, model=Models(model, proposer), budget=budget, store=home / "s.db")
    return result, proposer


def method(**changes: object) -> Sprig:
    return Sprig(search="population", **{"components": OWN, "rephrasings": 0, **changes})  # type: ignore[arg-type]


# The surrogate


def planted(names: Sequence[Sequence[str]], base: float) -> ScoredDraws:
    return [(parts(*each), base + 0.1 * sum(name in GOOD for name in each)) for each in names]


DRAW = [("carefully",), ("soon",), ("exactly", "twice"), ("carefully", "exactly"), ("soon", "twice"), ("gladly",)]


def test_it_ranks_prompts_that_it_never_saw_by_their_components() -> None:
    model = RewardModel()
    weights = model.fit([planted(DRAW, 0.3)])
    unseen = [parts("exactly", "carefully", "soon"), parts("exactly", "gladly"), parts("gladly", "twice")]
    worths = [model.worth(each, weights) for each in unseen]
    assert worths == sorted(worths, reverse=True)
    assert worths[0] > worths[1] > worths[2]


def test_luck_in_a_draw_of_examples_is_nobodys_merit() -> None:
    # The second draw is easier by 0.4, and it has the bad ones: pairs across draws would call these the better.
    easy = planted([("soon",), ("twice",), ("gladly", "soon")], 0.7)
    model = RewardModel()
    weights = model.fit([planted(DRAW, 0.3), [(each, worth + 0.001 * at) for at, (each, worth) in enumerate(easy)]])
    assert model.worth(parts("carefully"), weights) > model.worth(parts("soon"), weights)


def test_a_wider_gap_counts_more_than_a_narrow_one() -> None:
    model = RewardModel()
    weights = model.fit([[(parts("a"), 0.9), (parts("b"), 0.5), (parts("c"), 0.45)]])
    first, second, third = (model.worth(parts(name), weights) for name in "abc")
    assert first - second > 2 * (second - third) > 0


def test_where_nothing_differs_nothing_is_learnt() -> None:
    assert RewardModel().fit([]) == {}
    assert RewardModel().fit([[(parts("a"), 0.5), (parts("b"), 0.5)], [(parts("c"), 0.9)]]) == {}
    assert RewardModel().worth(parts("a"), {}) == 0.0


def test_what_is_learnt_is_a_function_of_what_was_scored_also_where_pairs_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(surrogate, "PAIRS_LEARNED", 200)
    rng = random.Random(1)
    many = [(parts(f"n{rng.randrange(9)}", f"m{rng.randrange(9)}"), rng.random()) for _ in range(40)]
    assert RewardModel().fit([many]) == RewardModel().fit([list(many)])
    assert RewardModel().fit([many]) != RewardModel(ridge=0.1).fit([many])


# Children


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), st.integers(0, 10**6))
def test_a_crossover_has_components_of_both_each_family_once(one: int, other: int, most: int, seed: int) -> None:
    first = parts(*(f"a{number}" for number in range(one)))
    second = (*parts(*(f"b{number}" for number in range(other - 1))), component("other", family="a0"))
    child = crossed(first, second, most, random.Random(seed))
    assert 1 <= len(child) <= most
    assert len({each.family for each in child}) == len(child)
    assert set(child) <= {*first, *second}
    if one == other and most >= one:
        # Without a difference of lengths there is no spread.
        assert len(child) == one


def test_a_merger_takes_out_what_it_merges_and_nothing_else() -> None:
    parent, new = parts("a", "b", "c", "d"), parts("new")
    assert edited(parent, (parent[1], parent[3]), new) == (parent[0], *new, parent[2])
    assert edited(parent, (), new) == (*parent, *new)
    assert edited(parent[:1], parent[:1], new) == new


def test_the_shares_of_operations_are_the_papers() -> None:
    assert sum(SHARES.values()) == pytest.approx(1.0)
    assert sum(SHARES[each] for each in WRITTEN) == pytest.approx(0.085)


# Searches


@dataclass(frozen=True)
class Perfect:
    """A surrogate that knows."""

    def fit(self, draws: Sequence[ScoredDraws]) -> Mapping[str, float]:
        """Nothing to learn."""
        return {}

    def worth(self, parts: Parts, weights: Mapping[str, float]) -> float:
        """How much of what helps there is, and nothing else."""
        text = text_of_parts(parts)
        return sum(word in text for word in GOOD) - 0.1 * len(parts)


@pytest.mark.slow
def test_with_a_perfect_surrogate_it_finds_the_planted_pair_and_nothing_else(tmp_path: Path) -> None:
    result, _ = search(tmp_path, method(surrogate=Perfect()), Budget(evaluations=900))
    pairs = [
        each.prompt["instruction"] for each in result.candidates() if each.prompt["instruction"].count("Please") == 2
    ]
    assert any(all(word in text for word in GOOD) for text in pairs)
    assert all(word in result.best.text for word in GOOD)
    assert result.verdict == "better"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_with_its_own_surrogate_it_finds_the_planted_pair_among_ten(tmp_path: Path, seed: int) -> None:
    model = planted_model(feature_accuracy(GOOD, base=0.3, each=0.3))
    models = Models(model, Scripted(lambda _: WRITES, name="proposer"))
    budget = Budget(evaluations=1_500)
    found = optimize(planted_task(), method(), model=models, budget=budget, seed=seed, store=tmp_path / "s.db")
    assert all(word in found.best.text for word in GOOD)
    assert found.verdict == "better"


@pytest.mark.slow
def test_it_scores_as_many_as_planned_and_the_start_on_every_draw(tmp_path: Path) -> None:
    result, proposer = search(tmp_path, method(examples=8), Budget(evaluations=1_000))
    assert proposer.calls == 0
    assert all(step.pool[0].prompt == result.start.prompt for step in result.steps)
    first, *later = [len(step.pool) - 1 for step in result.steps]
    assert first > max(later)
    assert max(later) - min(later) <= 4
    assert max(later) >= ROUND
    assert result.spent.evaluations <= 1_000


@pytest.mark.slow
def test_children_are_told_by_what_made_them(tmp_path: Path) -> None:
    made = Counter(
        each.proposal.operator for each in search(tmp_path, method(), Budget(evaluations=800))[0].candidates()
    )
    assert made["chance"] > 0
    assert made["crossover"] > 0
    assert not set(made) & set(WRITTEN)


@pytest.mark.slow
def test_a_replay_asks_nothing_and_learns_nothing_anew(tmp_path: Path) -> None:
    budget = Budget(evaluations=600)
    result, _ = search(tmp_path, method(surrogate=Once()), budget)
    assert Once.fits > 0
    Once.fits = -1_000
    again, _ = search(tmp_path, method(surrogate=Once()), budget)
    assert (again.paid.calls, again.best, Once.fits) == (0, result.best, -1_000)


@dataclass(frozen=True)
class Once:
    """Counts how often it learns."""

    fits = 0

    def fit(self, draws: Sequence[ScoredDraws]) -> Mapping[str, float]:
        """Once more."""
        Once.fits += 1
        return RewardModel().fit(draws)

    def worth(self, parts: Parts, weights: Mapping[str, float]) -> float:
        """As the one that comes along."""
        return RewardModel().worth(parts, weights)


@pytest.mark.slow
def test_an_outage_anywhere_changes_nothing(tmp_path: Path) -> None:
    whole, _ = search(tmp_path, method(rephrasings=3), Budget(evaluations=500))
    (tmp_path / "cut").mkdir()
    for _ in range(40):
        found, _ = search(tmp_path / "cut", method(rephrasings=3), Budget(evaluations=500), fail_at=60)
        if found.status != "suspended":
            break
    assert json.dumps(outcome(found)) == json.dumps(outcome(whole))


# What the proposer writes


@dataclass(frozen=True)
class New:
    """Puts what the proposer wrote first, once."""

    def fit(self, draws: Sequence[ScoredDraws]) -> Mapping[str, float]:
        """Nothing to learn."""
        return {}

    def worth(self, parts: Parts, weights: Mapping[str, float]) -> float:
        """Whether a written component is there, one of many others least."""
        return float(any("that you need" in each.text for each in parts)) - 0.01 * len(parts)


@pytest.mark.slow
def test_what_is_written_is_shown_its_parts_alone_and_comes_into_the_population(tmp_path: Path) -> None:
    asked: list[str] = []
    shown: dict[str, list[str]] = {}

    def write(request: Request) -> str:
        asked.append(str(request.content[0].content))  # type: ignore[union-attr]
        shown[f"that you need, {len(asked)} times."] = json.loads(asked[-1].split("\n\n")[1])
        return json.dumps([f"Take the time that you need, {len(asked)} times."])

    result, proposer = search(
        tmp_path, method(rephrasings=3, steps=4, surrogate=New()), Budget(evaluations=1_000), write
    )
    plan = Sprig(search="population", components=OWN, steps=4).plan(Room(1_000, None, 1, 60, 30))
    assert isinstance(plan, PopulationPlan)
    assert 0 < proposer.calls <= 4 * plan.written * 2
    assert any("Merge these parts" in each for each in asked)
    assert any("Say this sentence" in each and each.count("Please answer") == 1 for each in asked)
    assert not any("Answer the question" in each for each in asked)
    assert result.rejected == {}
    made = {each.proposal.operator for each in result.candidates()}
    assert made & set(WRITTEN)
    gone = [
        (part, each.prompt["instruction"])
        for each in result.candidates()
        if each.proposal.operator in ("rephrase", "merge")
        for text, parts in shown.items()
        if text in each.prompt["instruction"]
        for part in parts
    ]
    assert gone
    assert not any(part in text for part, text in gone)


UNREAD = ("no list", "[]", '["too short"]', '["With {braces} in it now."]')


@pytest.mark.parametrize(
    "reply", ["__import__('os').getcwd()", *(pytest.param(each, marks=pytest.mark.slow) for each in UNREAD)]
)
def test_a_reply_that_breaks_the_rules_is_no_edit_and_counted(tmp_path: Path, reply: str) -> None:
    result, proposer = search(tmp_path, method(rephrasings=3), Budget(evaluations=600), reply)
    assert proposer.calls == result.rejected["sprig: a component that breaks the corpus's rules"] > 0
    assert not any(each.proposal.operator in WRITTEN for each in result.candidates())


# Plans


@given(st.integers(150, 50_000), st.integers(4, 400))
def test_a_plan_fits_its_room(evaluations: int, train: int) -> None:
    room = Room(evaluations, None, 1, train, 20)
    plan = method().plan(room)
    assert isinstance(plan, PopulationPlan)
    assert 1 <= plan.examples <= train
    prompts = plan.data + 1 + plan.steps * (plan.tried + plan.best + 1)
    assert prompts * plan.examples <= evaluations
    assert method().upper_bounds_in(room).evaluations == prompts * plan.examples
    assert plan.written == 0


def test_without_a_cap_the_numbers_are_the_papers() -> None:
    plan = Sprig(search="population").plan(Room(None, None, 1, 500, 20))
    assert isinstance(plan, PopulationPlan)
    assert (plan.steps, plan.population, plan.data, plan.tried, plan.best) == (25, POPULATION_PAPER, 10_000, 100, 10)
    assert Sprig(search="population").components_in(plan) == 30
    # 8.5 % of the half that is filled again.
    assert plan.written == 382


def test_the_bounds_are_the_first_draw_and_all_that_is_tried_kept_and_written() -> None:
    room = Room(None, None, 1, 500, 20)
    plan = Sprig(search="population").plan(room)
    assert isinstance(plan, PopulationPlan)
    bound = Sprig(search="population").upper_bounds(500)
    # The start, 10,000 at random, and in each of 25 steps 100 children beside the 10 best and the start.
    assert bound.evaluations == (10_000 + 1 + 25 * (100 + 10 + 1)) * plan.examples
    # Each child may be one that adds parts, and its reply of no use twice.
    assert (bound.proposer_calls, bound.completion_tokens) == (3 * 25 * 382, 3 * 25 * 382 * 512)


def test_it_is_a_setting_of_the_method() -> None:
    made = build_optimizer("sprig", {"search": "population", "surrogate.ridge": "0.1", "steps": "3"})
    assert made == Sprig(search="population", surrogate=RewardModel(0.1), steps=3)
    with pytest.raises(ConfigError):
        build_optimizer("sprig", {"search": "genetic"})


@pytest.mark.slow
@pytest.mark.parametrize("own", [OWN[:1], OWN[:2]])
def test_a_corpus_of_one_or_two_ends_too(tmp_path: Path, own: tuple[str, ...]) -> None:
    result, _ = search(tmp_path, method(components=own), Budget(evaluations=400))
    assert result.status in ("finished", "budget")
    assert "carefully" in result.best.text
