"""SPRIG's population: what each operation makes of a prompt, what the proposer is asked, and what is learnt from."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean, pstdev
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.optimizers.sprig.corpus import Component
from promptopt.optimizers.sprig.edits import Parts, text_of_parts
from promptopt.optimizers.sprig.population import FALL, Population, PopulationSettings, crossed
from promptopt.optimizers.sprig.population_plan import PopulationPlan
from promptopt.optimizers.sprig.scoring import step_examples, worth_of
from promptopt.optimizers.sprig.surrogate import ScoredDraws
from promptopt.testing import planted_task
from promptopt.types import Content, Estimate, Example, Prompt, Proposal, Reply, Sampling, Score, ScoreMatrix

PLAN = PopulationPlan(steps=1, population=9, data=2, tried=2, best=2, examples=4, written=2, evaluations=99)
CORPUS = tuple(Component(name, f"Please answer {name} now.", "style", name) for name in ("a", "b", "c", "d", "e", "f"))


@dataclass
class Longer:
    """A surrogate that holds what has more components for better; keeps what it was given to learn from."""

    draws: list[ScoredDraws] = field(default_factory=list[ScoredDraws])

    def fit(self, draws: Sequence[ScoredDraws]) -> Mapping[str, float]:
        self.draws = list(draws)
        return {"fits": float(len(draws))}

    def worth(self, parts: Parts, weights: Mapping[str, float]) -> float:
        return float(len(parts))


class FakeRun:
    """Every prompt is worth its length in words, in hundredths; the proposer's replies come from a function."""

    def __init__(self, reply: Callable[[str], str] = lambda _: "no list") -> None:
        self.task = planted_task()
        self.train, self.initial = self.task.train, self.task.initial
        self.reply = reply
        self.asked: list[str] = []
        self.rejected: Counter[str] = Counter()
        self.proposed: list[Proposal] = []
        self.records: list[tuple[list[Estimate], list[Prompt]]] = []
        self.looks: list[Sequence[Example]] = []
        self._rngs: dict[str, random.Random] = {}

    def rng(self, stream: str) -> random.Random:
        return self._rngs.setdefault(stream, random.Random(stream))

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def reject(self, reason: str) -> None:
        self.rejected[reason] += 1

    def admit(self, proposals: Sequence[Proposal]) -> list[Prompt]:
        self.proposed += proposals
        return [each.prompt for each in proposals]

    def evaluate(self, prompts: Sequence[Prompt], examples: Sequence[Example]) -> ScoreMatrix:
        self.looks.append(examples)
        worth = {each: Score(len(each["instruction"].split()) / 100) for each in prompts}
        return ScoreMatrix(examples, {each: [worth[each]] * len(examples) for each in prompts})

    def record(self, pool: list[Estimate], kept: list[Prompt]) -> None:
        self.records.append((pool, kept))

    def memo(self, name: str, make: Callable[[], str], *told: str) -> str:
        return make()

    def generate(self, contents: Sequence[Content], sampling: Sampling) -> list[Reply]:
        texts = [content if isinstance(content, str) else content[0].content for content in contents]
        self.asked += texts
        return [Reply(self.reply(text)) for text in texts]


def population(
    run: FakeRun | None = None, *, most: int = 4, longest: int = 99, corpus: Parts = CORPUS, **plan: int
) -> Any:
    settings = PopulationSettings(most, longest, Sampling(), Longer())
    return Population(settings, FakeRun() if run is None else run, replace(PLAN, **plan), corpus)  # type: ignore[arg-type]


class Last(random.Random):
    """Draws the last of what there is."""

    def choice(self, seq: Any) -> Any:
        return seq[-1]


def test_a_deletion_takes_one_component_and_of_one_leaves_none() -> None:
    search, rng = population(), random.Random(0)
    left = [search.changed("delete", CORPUS[:3], (), rng) for _ in range(40)]
    assert set(left) == {CORPUS[1:3], (CORPUS[0], CORPUS[2]), CORPUS[:2]}
    assert search.changed("delete", CORPUS[:1], (), rng) == ()


def test_a_swap_exchanges_two_and_leaves_one_alone() -> None:
    search, rng = population(), random.Random(0)
    assert search.changed("swap", CORPUS[:2], (), rng) == (CORPUS[1], CORPUS[0])
    swapped = [search.changed("swap", CORPUS[:3], (), rng) for _ in range(40)]
    a, b, c = CORPUS[:3]
    assert set(swapped) == {(b, a, c), (c, b, a), (a, c, b)}
    assert search.changed("swap", CORPUS[:1], (), rng) == CORPUS[:1]


def test_an_insertion_is_of_a_family_that_is_not_there_at_any_place_while_there_is_room() -> None:
    search, rng = population(corpus=CORPUS[:3]), random.Random(0)
    grown = {search.changed("insert", CORPUS[:2], (), rng) for _ in range(60)}
    a, b, c = CORPUS[:3]
    assert grown == {(c, a, b), (a, c, b), (a, b, c)}
    assert search.changed("insert", CORPUS[:3], (), rng) == CORPUS[:3]
    assert len(population(most=3).changed("insert", CORPUS[:2], (), rng)) == 3
    assert population(most=2).changed("insert", CORPUS[:2], (), rng) == CORPUS[:2]


def test_a_prompt_by_chance_is_drawn_by_its_length_and_has_no_component_twice() -> None:
    weights: list[Sequence[float]] = []

    class Watched(random.Random):
        def choices(self, population: Any, weights_: Any = None, **_: Any) -> Any:
            weights.append((list(population), list(weights_)))  # type: ignore[arg-type]
            return [population[-1]]

    assert len(population(most=3).by_chance(Watched(0))) == 3
    # i components as often as i to the power of -0.8 says, and not more than the corpus has.
    assert weights == [([1, 2, 3], [1.0, 2**-FALL, 3**-FALL])]
    assert FALL == 0.8
    drawn = population(most=9, corpus=CORPUS[:2]).by_chance(Watched(0))
    assert {each.id for each in drawn} == {"a", "b"}


def test_the_start_is_scored_with_every_draw_and_the_best_are_kept() -> None:
    run = FakeRun()
    search = population(run)
    search.operators[text_of_parts(CORPUS[:2])] = "crossover"
    search.score([CORPUS[:1], CORPUS[:2], CORPUS[:3], CORPUS[:1]])
    assert [each.operator for each in run.proposed] == ["chance", "crossover", "chance"]
    [(pool, kept)] = run.records
    assert [(round(each.mean, 2), each.count) for each in pool] == [(0.03, 4), (0.07, 4), (0.11, 4), (0.15, 4)]
    assert [each["instruction"].count("Please") for each in kept] == [3, 2]
    assert search.scored == [[((), 0.03), (CORPUS[:1], 0.07), (CORPUS[:2], 0.11), (CORPUS[:3], 0.15)]]
    assert search.weights == {"fits": 1.0}
    search.score([CORPUS[3:4]])
    # Other examples the next time, and what is learnt is learnt of both.
    assert run.looks[0] != run.looks[1]
    assert search.method.surrogate.draws == search.scored
    assert search.weights == {"fits": 2.0}


def test_what_adds_too_many_tokens_is_not_scored_and_counted() -> None:
    run = FakeRun()
    population(run, longest=8).score([CORPUS[:1], CORPUS[:2], CORPUS[:3]])
    # Two components have eight words.
    assert len(run.proposed) == 2
    assert run.rejected == {"sprig: more than 8 tokens added": 1}


def test_members_are_ranked_by_the_surrogate_and_ties_stay_in_order() -> None:
    members = [CORPUS[:1], CORPUS[:3], CORPUS[1:2], CORPUS[2:5]]
    assert population().ranked(members) == [CORPUS[:3], CORPUS[2:5], CORPUS[:1], CORPUS[1:2]]


@pytest.mark.parametrize(
    ("operation", "texts", "child"),
    [
        ("rephrase", ["Do say so now.", "Another one here."], ["Do say so now.", "Please answer b now."]),
        ("merge", ["Do say so now.", "Another one here."], ["Do say so now."]),
        (
            "useful",
            ["Do say so now", "Another one here.", "And a third one."],
            ["Please answer a now.", "Please answer b now.", "Do say so now.", "Another one here."],
        ),
        ("useless", ["Do say so now."], ["Please answer a now.", "Please answer b now.", "Do say so now."]),
    ],
)
def test_what_is_written_takes_the_place_of_what_it_was_made_of(
    operation: Any, texts: list[str], child: list[str]
) -> None:
    run = FakeRun(lambda _: json.dumps(texts))
    parent = CORPUS[:2]
    about = {"rephrase": parent[:1]}.get(operation, parent)
    search = population(run)
    [made] = search.written([(operation, parent, about)])
    assert [each.text for each in made] == child
    assert search.operators == {text_of_parts(made): operation}
    assert json.loads(run.asked[0].split("\n\n")[1]) == [each.text for each in about]
    new = [each for each in made if each.id.startswith("written")]
    # A rephrasing is of the family of the first; what is new is a family of its own.
    assert [(each.family, each.category) for each in new] == (
        [("a", "style")] if operation == "rephrase" else [(each.id, "custom") for each in new]
    )
    assert [each.id for each in new] == [f"written-{number:04}" for number in range(1, len(new) + 1)]


def test_what_is_written_does_not_grow_a_prompt_beyond_its_limit() -> None:
    run = FakeRun(lambda _: '["Do say so now.", "Another one here."]')
    [made] = population(run, most=3).written([("useful", CORPUS[:2], CORPUS[:2])])
    assert len(made) == 3


@pytest.mark.parametrize("reply", ["no list", "[]", '["too short"]', '["Do say so now.", "too short"]'])
def test_a_reply_one_of_whose_texts_breaks_the_rules_makes_no_child(reply: str) -> None:
    run = FakeRun(lambda _: reply)
    assert population(run).written([("useful", CORPUS[:2], CORPUS[:2])]) == []
    # Parts to be added are asked for three times.
    assert run.rejected == {"sprig: a component that breaks the corpus's rules": 3}


def test_what_takes_the_place_of_parts_is_asked_for_once() -> None:
    run = FakeRun(lambda _: "no list")
    assert population(run).written([("merge", CORPUS[:2], CORPUS[:2]), ("rephrase", CORPUS[:2], CORPUS[:1])]) == []
    assert len(run.asked) == run.rejected.total() == 2


def test_parts_to_be_added_are_asked_for_again_until_they_keep_the_rules() -> None:
    said = iter(["no list", '["Do say so now."]', '["Never asked for."]'])
    run = FakeRun(lambda _: next(said))
    [made] = population(run).written([("useless", CORPUS[:1], CORPUS[:1])])
    assert [each.text for each in made] == ["Please answer a now.", "Do say so now."]
    assert len(run.asked) == 2
    assert run.rejected == {"sprig: a component that breaks the corpus's rules": 1}


def test_the_proposer_writes_so_many_children_and_the_corpus_the_others() -> None:
    run = FakeRun(lambda _: '["Do say so now."]')
    search = population(run, written=2)

    class Useful(random.Random):
        def choices(self, population: Any, weights: Any = None, **_: Any) -> Any:
            return ["useful"]

    run._rngs["children"] = Useful(0)
    made = search.children([CORPUS[:1], CORPUS[1:2]], 5)
    assert len(run.asked) == 2
    assert len(made) == 5
    # Those of the corpus come first, by their own name.
    assert all(len(each) == 2 for each in made)
    assert [search.operators[text_of_parts(each)] for each in made] == ["insert"] * 3 + ["useful"] * 2


def test_parents_are_of_the_best_tenth_and_partners_of_the_better_half() -> None:
    run = FakeRun()
    chosen: list[list[Any]] = []

    class Watched(random.Random):
        def choices(self, population: Any, weights: Any = None, **_: Any) -> Any:
            assert sum(weights) == pytest.approx(1.0)
            return ["swap"]

        def choice(self, seq: Any) -> Any:
            chosen.append(list(seq))
            return seq[0]

    run._rngs["children"] = Watched(0)
    survivors = [(each,) for each in CORPUS] * 5
    population(run).children(survivors, 1)
    assert chosen == [survivors[:3], survivors[:15]]
    # One at least.
    chosen.clear()
    population(run).children(survivors[:1], 1)
    assert chosen == [survivors[:1], survivors[:1]]


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_two_to_five_components_are_merged_in_their_order(size: int) -> None:
    run = FakeRun(lambda _: '["Do say so now."]')
    corpus = tuple(Component(str(number), f"Say {number} now.", "style", str(number)) for number in range(9))
    search = population(run, written=60)

    class Merging(random.Random):
        def choices(self, population: Any, weights: Any = None, **_: Any) -> Any:
            return ["merge"]

    run._rngs["children"] = Merging(0)
    search.children([corpus[:size]], 60)
    shown = [json.loads(text.split("\n\n")[1]) for text in run.asked]
    assert all(each == sorted(each) for each in shown)
    assert {len(each) for each in shown} == {number for number in (1, 2, 3, 4, 5) if min(2, size) <= number <= size}


def test_a_crossover_draws_of_both_parents_in_any_order() -> None:
    rng = random.Random(0)
    a, b = CORPUS[:2]
    # Two parents of one component have children of one.
    assert {crossed((a,), (b,), 4, rng) for _ in range(40)} == {(a,), (b,)}
    assert {crossed((a, b), (b, a), 4, rng) for _ in range(40)} == {(a, b), (b, a)}


def test_a_child_of_two_parents_is_about_as_long_as_they_are_in_the_mean() -> None:
    parts = tuple(Component(str(at), f"Say {at} now.", "style", str(at)) for at in range(22))
    rng = random.Random(0)
    # Of 7 and 15 components: a normal draw about 11 whose deviation is a quarter of 8, and rounding adds 1 / 12.
    sizes = [len(crossed(parts[:7], parts[7:], 30, rng)) for _ in range(4000)]
    assert mean(sizes) == pytest.approx(11.0, abs=0.15)
    assert pstdev(sizes) == pytest.approx((4 + 1 / 12) ** 0.5, abs=0.1)


def test_the_lower_half_of_the_population_goes_in_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[int], int]] = []

    def none_made(_: object, survivors: Sequence[Parts], count: int) -> list[Parts]:
        asked.append(([len(each) for each in survivors], count))
        return []

    monkeypatch.setattr(Population, "children", none_made)
    population(population=30, steps=2).search()
    # Of 30, the 15 that the surrogate puts first; their children never came, so of 15 the first 8.
    first, second = asked
    assert (len(first[0]), first[1], len(second[0]), second[1]) == (15, 15, 8, 22)
    assert first[0] == sorted(first[0], reverse=True)
    assert min(first[0]) > 1


def test_of_several_tasks_a_prompt_is_worth_what_their_objective_makes_of_the_means() -> None:
    class Two:
        """Odd and even questions; the worse mean counts."""

        def member_of(self, example: Example) -> str:
            return str(int(example["question"]) % 2)

        def worth(self, means: Mapping[str, float]) -> float:
            return min(means.values())

    examples = [Example.of("yes", question=str(number)) for number in range(5)]
    task: Any = Two()
    assert worth_of(task, examples, [1.0, 0.0, 0.5, 0.5, 0.0]) == 0.25
    assert worth_of(planted_task(), examples, [1.0, 0.0, 0.5, 0.5, 0.0]) == 0.4
    groups: Any = SimpleNamespace(rng=random.Random, train=examples, task=task)
    # As many of each task: 4 together are two of each, and each alone has what there is.
    for count, shared, odd, even in ((4, True, 2, 2), (4, False, 2, 3), (1, True, 1, 1)):
        found = [int(each["question"]) % 2 for each in step_examples(groups, count, shared=shared)]
        assert (found.count(1), found.count(0)) == (odd, even)
