"""The acceptance checks of CAPO by the paper's rule, by number; its test of pairs is in tests/selection."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.operators.demos import set_aside
from promptopt.optimizers.capo import method as capo
from promptopt.optimizers.capo.method import CAPO, SAMPLING, Breeding, Demonstrations, inherit
from promptopt.optimizers.capo.track import UNCORRECTED, Race
from promptopt.run.budget import Budget
from promptopt.selection.racing import PairedTest
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, planted_model, planted_task
from promptopt.types import Example, Prompt, Request
from tests.optimizers.capo.capo_searches import (
    NO_DEMOS,
    SMALL,
    asked_number,
    author,
    children,
    counting,
    crossing,
    echo,
    inventive,
    lossy,
    number_task,
    right,
    said,
    search,
    section_of,
)


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain."""

    optimizer = replace(SMALL, iterations=2)
    budget = Budget(evaluations=500)
    sizes = (40, 90, 170)

    def propose(self, request: Request) -> str:
        return author(request)


@pytest.mark.slow
def test_the_calls_of_an_iteration_and_the_demonstrations_of_its_children(tmp_path, monkeypatch) -> None:
    made = Counter[str]()
    real = capo.demonstrate

    def counted(run, prompt, examples):
        made[prompt["instruction"]] += len(examples)
        return real(run, prompt, examples)

    monkeypatch.setattr(capo, "demonstrate", counted)
    seeds = tuple(f"Say number {letter}." for letter in "abcdefghi")
    proposer = Scripted(inventive, name="inventive")
    result = search(tmp_path, CAPO(iterations=1, seeds=seeds), number_task(100), proposer=proposer)
    texts = [said(request.content) for request in proposer.log]
    assert [crossing(text) for text in texts] == [True] * 4 + [False] * 4
    assert sum(many for text, many in made.items() if text not in seeds) <= 4
    instructions = [child["instruction"] for child in children(result)]
    # A child is what the mutation made of what the crossover wrote.
    assert len(set(instructions)) == 4
    assert all(section_of(text).startswith("Answer. ") for text in texts[4:])
    assert {section_of(text) for text in texts[4:]}.isdisjoint(instructions)
    shown = [each.prompt.demos for each in result.candidates() if each.proposal.operator in ("seed", "crossover")]
    assert len({len(demos) for demos in shown}) > 3
    assert all(len({demo.fields for demo in demos}) == len(demos) <= 5 for demos in shown)


example_lists = st.lists(st.integers(0, 9), max_size=6, unique=True)


@given(example_lists, example_lists, st.integers(0, 6), st.integers(0, 99))
def test_a_child_inherits_half_of_both_lists_less_repeated_examples(first, second, most, seed) -> None:
    # The same example may be demonstrated in two ways.
    one, two = (
        Prompt.of("Go.", demos=[Example.of(f"{way} {number}", question=str(number)) for number in numbers])
        for way, numbers in (("one", first), ("two", second))
    )
    demos = inherit(random.Random(seed), one, two, most)
    assert len(demos) == min(most, (len(first) + len(second)) // 2, len({*first, *second}))
    assert len({demo.fields for demo in demos}) == len(demos)
    assert all(demo in (*one.demos, *two.demos) for demo in demos)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "had", "has"),
    [("add", 2, 3), ("add", 0, 1), ("add", 5, 5), ("drop", 2, 1), ("drop", 0, 0), ("keep", 2, 2), ("keep", 5, 5)],
)
def test_the_drawn_action_takes_place(tmp_path, monkeypatch, action, had, has) -> None:
    demos = [Example.of("x", question=f"Which is number {number}?") for number in range(100, 100 + had)]
    monkeypatch.setattr(capo, "ACTIONS", (action,))
    monkeypatch.setattr(capo, "inherit", lambda *_: list(demos))
    result = search(tmp_path, replace(SMALL, iterations=1))
    assert [len(child.demos) for child in children(result)] == [has] * 2
    if action == "add" and has > had:
        for child in children(result):
            (added,) = [demo for demo in child.demos if demo not in demos]
            assert added.target == str(asked_number(added["question"]))


@pytest.mark.slow
def test_a_demonstration_shows_the_model_s_own_reply_only_where_it_is_right(tmp_path) -> None:
    task, model = number_task(100), Scripted(counting, name="counting")
    result = search(tmp_path, replace(SMALL, population=8), task, model=model)
    demos = {demo for each in result.candidates() for demo in each.prompt.demos}
    assert len(demos) > 3
    kinds = Counter[bool]()
    for demo in demos:
        number = asked_number(demo["question"])
        own = number % 2 == 0
        kinds[own] += 1
        assert demo.target == (f"I count, so it is {number}" if own else str(number))
    assert all(kinds.values())
    assert len(kinds) == 2


@pytest.mark.slow
def test_replies_for_demonstrations_are_asked_for_without_demonstrations(tmp_path) -> None:
    model = Scripted(counting, name="counting")
    settings = replace(SMALL, population=6, iterations=4, breed=Breeding(crossovers=4))
    result = search(tmp_path, settings, number_task(100), model=model)
    shown = {demo["question"] for each in result.candidates() for demo in each.prompt.demos}
    answering = [said(request.content) for request in model.log if isinstance(request, Request)]
    asked = [text for text in answering if text.rsplit("Question: ", 1)[1].removesuffix("\nAnswer:") in shown]
    assert asked
    assert all(text.count("Question: ") == 1 for text in asked)


@pytest.mark.slow
@pytest.mark.parametrize("outputs", ["own", "target"])
def test_bare_answers_cost_nothing(tmp_path, outputs) -> None:
    model = Scripted(counting, name="counting")
    settings = replace(SMALL, demos=Demonstrations(outputs=outputs))
    result = search(tmp_path, settings, model=model)
    own = any(demo.target.startswith("I count") for each in result.candidates() for demo in each.prompt.demos)
    assert own == (outputs == "own")
    operators = {each.proposal.operator for each in result.candidates()}
    assert ("demonstrator" in operators) == (outputs == "own")


def test_the_best_was_scored_on_all_blocks_and_its_value_is_told(tmp_path) -> None:
    result = search(
        tmp_path, SMALL, planted_task(), model=planted_model(lambda text: 0.4 + 0.002 * len(text), common=0.9)
    )
    (best,) = [each for each in result.candidates() if each.prompt == result.best.prompt]
    assert result.best.prompt != result.start.prompt
    assert best.search.count == 32
    assert re.search(r"price: 0\.\d+$", best.proposal.note)
    assert {estimate.count for estimate in result.steps[-1].pool} == {32}
    kept = [estimate.prompt for estimate in result.steps[-1].pool]
    assert result.steps[-1].kept == tuple(kept)
    assert len(kept) == 3


def test_a_budget_below_the_first_population_returns_the_start_scored(tmp_path) -> None:
    result = search(tmp_path, CAPO(), number_task(100), budget=Budget(evaluations=30))
    assert result.status == "budget"
    assert result.best.prompt == result.start.prompt
    assert result.best.test is not None


@pytest.mark.slow
@pytest.mark.parametrize("reply", ["No tags at all.", "<prompt></prompt>", "<prompt>  \n</prompt>", "I cannot help."])
def test_a_crossover_of_no_use_is_a_missing_child(tmp_path, reply) -> None:
    proposer = Scripted(
        lambda request: reply if crossing(said(request.content)) else inventive(request), name="garbled"
    )
    result = search(tmp_path, replace(SMALL, iterations=1), proposer=proposer)
    assert children(result) == []
    texts = [said(request.content) for request in proposer.log]
    # Only a reply without tags is asked for again, once.
    assert sum(map(crossing, texts)) == (4 if "<prompt>" not in reply and "cannot" not in reply else 2)
    assert sum(count for reason, count in result.rejected.items() if reason.startswith("crossover: ")) >= 2
    assert all(each.prompt["instruction"].strip() for each in result.candidates())


@pytest.mark.parametrize("reply", ["No tags at all.", "<prompt></prompt>"])
def test_a_mutation_of_no_use_leaves_the_crossover(tmp_path, reply) -> None:
    def propose(request: Request) -> str:
        return inventive(request) if crossing(said(request.content)) else reply

    seeds = ("Say which number.", "Say the right number.")
    result = search(tmp_path, replace(SMALL, seeds=seeds, iterations=1), proposer=propose)
    assert len(children(result)) == 2
    assert all(re.fullmatch(r"Answer\. [0-9a-f]{16}", child["instruction"]) for child in children(result))


def test_what_fills_a_slot_is_never_read_as_a_slot(tmp_path) -> None:
    proposer = Scripted(inventive, name="inventive")
    settings = replace(SMALL, iterations=1, seeds=("Say {second} or {words}.", "Say {first}."))
    search(tmp_path, settings, proposer=proposer)
    texts = "\n".join(said(request.content) for request in proposer.log)
    assert "Say {second} or {words}." in texts or "Say {first}." in texts


@pytest.mark.slow
def test_a_pool_of_three_shows_three_at_most_and_the_data_stays_as_it_was(tmp_path) -> None:
    task = number_task(30)
    before = task.train
    result = search(tmp_path, CAPO(population=12, iterations=1, race=Race(block=9, blocks=3)), task)
    shown = {len(each.prompt.demos) for each in result.candidates()}
    assert shown == {0, 1, 2, 3}
    assert len({demo.fields for each in result.candidates() for demo in each.prompt.demos}) == 3
    assert task.train is before
    assert result.steps[-1].pool[0].count == 27


def test_a_population_of_one_is_crossed_with_itself(tmp_path) -> None:
    result = search(tmp_path, replace(SMALL, population=1, seeds=()), proposer=author)
    assert len(children(result)) > 1
    assert all(len(step.kept) == 1 for step in result.steps)
    assert all(len(each.proposal.parents) == 1 for each in result.candidates() if each.proposal.operator == "crossover")


def test_fewer_examples_than_a_block_are_one_block(tmp_path) -> None:
    result = search(tmp_path, replace(SMALL, race=Race()), number_task(20))
    assert result.steps[-1].pool[0].count == 18
    assert any("fewer than a block of 30" in warning for warning in result.warnings)
    assert result.status == "finished"


def test_one_training_example_is_raced_on_and_not_shown(tmp_path) -> None:
    result = search(tmp_path, SMALL, number_task(1))
    assert result.status == "finished"
    assert all(each.prompt.demos == () for each in result.candidates())
    assert any("leaves none to be shown" in warning for warning in result.warnings)


@pytest.mark.parametrize(("train", "demos"), [(60, SMALL.demos), (60, NO_DEMOS), (1, NO_DEMOS)])
def test_where_something_can_be_shown_or_nothing_is_to_be_no_lack_of_it_is_told(tmp_path, train, demos) -> None:
    result = search(tmp_path, replace(SMALL, iterations=0, demos=demos), number_task(train))
    assert not any("searches for instructions alone" in warning for warning in result.warnings)


def test_a_converged_population_ends_the_search(tmp_path) -> None:
    seeds = ("Say which number.", "Say the right number.")
    result = search(tmp_path, replace(SMALL, iterations=50, patience=4, seeds=seeds, demos=NO_DEMOS), proposer=echo)
    # Four iterations without a survivor that is new, and the end.
    assert len(result.steps) == 4 + 1
    assert result.rejected["crossover: a duplicate"] == 4 * 2


def test_the_start_keeps_its_demonstrations_and_its_place_in_the_race(tmp_path) -> None:
    task = number_task()
    shown = [Example.of("901", question="Which is number 901?")]
    task = replace(task, initial=task.initial.with_demos(shown))
    result = search(tmp_path, replace(SMALL, iterations=1), task)
    assert task.initial in [estimate.prompt for estimate in result.steps[0].pool]
    assert result.start.prompt.demos == tuple(shown)


def test_a_layout_without_a_place_for_demonstrations_gets_instructions_alone(tmp_path) -> None:
    layout = Layout("plain", messages=(("user", "{instruction}\n\n{question}"),))
    examples = [Example.of(str(number), question=f"Which is number {number}?") for number in range(80)]
    task = Task.from_examples(examples, prompt="Say it.", splits=Splits(40, 20, 20), layout=layout)
    result = search(tmp_path, SMALL, task)
    assert result.status == "finished"
    assert all(each.prompt.demos == () for each in result.candidates())
    assert any("no place for demonstrations" in warning for warning in result.warnings)


def test_seeds_that_are_given_are_raced_and_paraphrases_fill_what_is_missing(tmp_path) -> None:
    seeds = ("Say which number.", "Say the number.", "Say which  number.", "Name it.")
    proposer = Scripted(inventive, name="inventive")
    result = search(tmp_path, replace(SMALL, population=5, iterations=0, seeds=seeds), proposer=proposer)
    texts = {estimate.prompt["instruction"] for estimate in result.steps[0].pool}
    assert len(proposer.log) == 2
    assert len(texts) == 5
    assert texts > {"Say the number.", "Say which number.", "Name it."}
    # It is full.
    assert not any("the first population has" in warning for warning in result.warnings)


def test_a_proposer_that_only_repeats_leaves_a_small_population_and_says_so(tmp_path) -> None:
    result = search(tmp_path, replace(SMALL, patience=2), proposer=echo)
    assert any("has 1 of 3 prompts" in warning for warning in result.warnings)
    assert result.best.prompt == result.start.prompt


@pytest.mark.parametrize("model", [lambda _: "-1", right])
def test_equal_scores_are_no_reason_for_a_longer_prompt(tmp_path, model) -> None:
    result = search(tmp_path, SMALL, model=model, proposer=author)
    assert result.status == "finished"
    kept = result.steps[-1].kept[0]
    assert kept.demos == ()
    assert len(kept["instruction"]) <= len(result.start.text)


def test_negative_nats_and_impossible_targets(tmp_path) -> None:
    task = number_task()
    model = Scripted(right, name="lossy", scores=lossy)
    settings = replace(SMALL, population=4, iterations=4)
    result = search(tmp_path, settings, task, model=model, proposer=author, evaluator=Loss.for_task(task))
    assert result.status == "finished"
    assert "exactly" in result.best.text
    assert "twice" not in result.best.text
    # An evaluator that generates nothing leaves bare answers.
    assert all(demo.target.isdigit() for each in result.candidates() for demo in each.prompt.demos)


@pytest.mark.slow
@pytest.mark.parametrize("proposer", [inventive, author, lambda _: "no tags"])
@pytest.mark.parametrize("settings", [SMALL, replace(SMALL, seeds=("Say the number.", "Say  the number."))])
def test_expected_bounds_what_is_spent(tmp_path, proposer, settings) -> None:
    result = search(tmp_path, settings, proposer=proposer, model=counting)
    bound, spent = settings.upper_bounds(60), result.steps[-1].spent
    assert spent.evaluations <= bound.evaluations
    assert spent.proposer_calls <= bound.proposer_calls


def test_expected_is_the_cost_model_of_the_spec() -> None:
    one = CAPO(iterations=1).upper_bounds(10_000)
    assert one.evaluations == (10 + 4) * 300 + 9 * 5 + 4
    assert one.proposer_calls == 2 * (3 * 9 + 2 * 4)
    assert CAPO(iterations=1, demos=NO_DEMOS).upper_bounds(10_000).evaluations == 14 * 300
    assert CAPO(iterations=1, seeds=tuple("abcdefghij")).upper_bounds(50).evaluations == (11 + 4) * 50 + 10 * 5 + 4


def test_bounds_follow_the_sizes_that_are_set_and_bare_answers_cost_nothing() -> None:
    small = CAPO("paper", population=6, iterations=3, breed=Breeding(crossovers=2), race=Race(block=10, blocks=4))
    # 6 of the first population and 6 children on 40 examples; five shown for each but the start, one for a child.
    found = small.upper_bounds(50)
    assert found.evaluations == 12 * 40 + 5 * 5 + 6
    assert found.proposer_calls == 2 * (3 * 5 + 2 * 6)
    assert found.completion_tokens == found.proposer_calls * 1024
    bare = replace(small, demos=Demonstrations(outputs="target"))
    assert bare.upper_bounds(50).evaluations == 12 * 40
    # Two seeds of one wording are one member, and the start may be it.
    assert replace(small, seeds=("Say it.", "Say  it.")).upper_bounds(50).proposer_calls == found.proposer_calls
    assert replace(small, seeds=("One.", "Two.", "Three.")).upper_bounds(50).proposer_calls == 2 * (3 * 3 + 2 * 6)
    # More seeds than members need no paraphrases.
    assert replace(small, seeds=tuple("abcdefgh")).upper_bounds(50).proposer_calls == 2 * 2 * 6
    assert replace(small, race=Race(block=10, blocks=9)).upper_bounds(50).evaluations == 12 * 50 + 5 * 5 + 6


@pytest.mark.parametrize(
    ("train", "aside"), [(1, 0), (2, 1), (30, 3), (300, 30), (333, 34), (400, 100), (500, 200), (9_000, 200)]
)
def test_how_many_examples_are_kept_for_demonstrations(train, aside) -> None:
    assert set_aside(train, 300) == aside


def test_settings_from_the_command_line() -> None:
    settings = {
        "population": "6",
        "seeds": "Say it,Name it",
        "breed.crossovers": "7",
        "breed.sampling.temperature": "0.5",
        "demos.most": "2",
        "demos.outputs": "target",
        "race.gamma": "0.01",
        "race.test.alpha": "0.5",
        "race.test.constant": "scipy",
    }
    assert build_optimizer("capo", settings) == CAPO(
        population=6,
        seeds=("Say it", "Name it"),
        breed=Breeding(7, sampling=replace(SAMPLING, temperature=0.5)),
        demos=Demonstrations(2, "target"),
        race=Race(gamma=0.01, test=replace(UNCORRECTED, alpha=0.5, constant="scipy")),
    )
    assert CAPO().race.test == PairedTest(0.2, "none", "infinite")


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (CAPO, "population", 0),
        (CAPO, "iterations", -1),
        (CAPO, "patience", 0),
        (CAPO, "seeds", ("Say it.", " ")),
        (Breeding, "crossovers", 0),
        (Breeding, "longest", 0),
        (Demonstrations, "most", -1),
    ],
)
def test_unusable_settings_are_refused(kind, name, value) -> None:
    with pytest.raises(ConfigError, match=name):
        kind(**{name: value})
