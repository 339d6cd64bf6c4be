"""EvoPrompt's two algorithms: the first population, parents, children, and who lives on.

The wheel alone is in test_evolution.py beside it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.evoprompt.method import EvoPromptDE, EvoPromptGA, _overwritten
from promptopt.run.budget import Budget
from promptopt.tasks.contract import Contract
from promptopt.testing import OptimizerContract, feature_accuracy, planted_task
from promptopt.types import Estimate, Example, Prompt, Request, Score, digest
from tests.optimizers.evoprompt.evolution_search import (
    START,
    VALUES,
    WORDS,
    Slots,
    asked,
    author,
    by_digest,
    instruction_of,
    inventive,
    kept,
    paraphrasing,
    roles_of,
    search,
    section_of,
    seeded,
    text_of,
    texts,
    valued,
    valued_task,
    values_with,
)


class TestGA(OptimizerContract):
    """Replay, crashes at any call, hash seeds, exact budgets, the sealed test; a planted gain."""

    optimizer = EvoPromptGA(population=3, generations=2, examples=16)
    budget = Budget(evaluations=400)
    sizes = (40, 170, 270)

    def propose(self, request: Request) -> str:
        return author(request)


class TestDE(OptimizerContract):
    """As for the genetic algorithm."""

    optimizer = EvoPromptDE(population=3, generations=2, examples=16)
    budget = Budget(evaluations=400)
    sizes = (40, 170, 270)

    def propose(self, request: Request) -> str:
        return author(request)


def test_a_generation_of_ga_makes_10_calls_and_keeps_the_best_of_the_union(tmp_path: Path) -> None:
    proposer, model = Scripted(inventive, name="inventive"), valued(by_digest)
    result = search(tmp_path, EvoPromptGA(generations=3, examples=5), proposer=proposer, model=model)
    assert len(asked(proposer)) == 3 * 10
    assert len(asked(proposer, operator=False)) == 9
    for before, after in zip(result.steps, result.steps[1:], strict=False):
        assert after.spent.evaluations - before.spent.evaluations == 10 * 5
        assert after.spent.proposer_calls - before.spent.proposer_calls == 10
        union = {estimate.prompt: estimate.mean for estimate in after.pool}
        assert set(before.kept) <= set(union)
        assert len(union) == 20
        values = [union[prompt] for prompt in after.kept]
        assert values == sorted(union.values(), reverse=True)[:10]
        old = [union[prompt] for prompt in before.kept]
        assert min(values) >= min(old)
        assert max(values) >= max(old)
        assert sum(values) >= sum(old)


def test_a_slot_changes_only_for_a_better_child_of_its_own(tmp_path: Path) -> None:
    # Better than every other member and worse than its base; equal to its base; better; the same text as a member.
    proposer = Slots("Nearly.", "Equal.", "Better.", "Better.")
    model = valued(values_with(Nearly=0.45, Equal=0.4, Better=0.35))
    result = search(tmp_path, seeded(), proposer=proposer, model=model)
    assert [roles["Base prompt"] for roles in proposer.roles] == ["Five.", "Four.", "Three.", "Two."]
    assert kept(result, 0) == ["Five.", "Four.", "Three.", "Two."]
    assert kept(result) == ["Five.", "Four.", "Better.", "Two."]
    assert {"Nearly.", "Equal."} <= set(texts([estimate.prompt for estimate in result.steps[-1].pool]))


def test_a_record_is_the_donor_of_the_next_child(tmp_path: Path) -> None:
    proposer = Slots("Low.", "High.", "Low.", "Higher.", "Low.", "Low.", "Low.", "Low.")
    model = valued(values_with(Low=0.0, High=0.8, Higher=0.9))
    result = search(tmp_path, seeded(generations=2), proposer=proposer, model=model)
    donors = [roles["Prompt 3"] for roles in proposer.roles]
    assert donors == ["Five.", "Five.", "High.", "High.", "Higher.", "Higher.", "Higher.", "Higher."]
    # The generation is synchronous: a record takes its slot, but is drawn from the next generation on.
    assert all("High." not in (roles["Prompt 1"], roles["Prompt 2"]) for roles in proposer.roles[:4])
    assert sorted(kept(result, 1)) == sorted(["Five.", "High.", "Three.", "Higher."])


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["v1", "v2", "v3"])
@pytest.mark.parametrize("donor", ["best", "random"])
def test_members_are_pairwise_different(tmp_path: Path, variant: str, donor: str) -> None:
    proposer = Slots(*(["Low."] * 60))
    model = valued(values_with(Low=0.0))
    search(tmp_path, seeded(5, 12, variant=variant, donor=donor), proposer=proposer, model=model)
    drawn: set[str] = set()
    for roles in proposer.roles:
        members = [roles["Prompt 1"], roles["Prompt 2"], roles["Base prompt"]]
        if variant != "v2" and donor == "random":
            members.append(roles["Prompt 3"])
        assert len(set(members)) == len(members)
        assert set(members) <= set(VALUES)
        if variant == "v2":
            assert "Prompt 3" not in roles
        elif donor == "best":
            assert roles["Prompt 3"] == "Five."
            assert "Five." not in members[:2]
        drawn |= set(members[:2])
    assert drawn == set(VALUES) - ({"Five."} if variant != "v2" and donor == "best" else set())


def test_three_members_are_enough_though_one_of_them_is_the_donor(tmp_path: Path) -> None:
    proposer = Slots("Low.", "Low.", "Low.")
    search(tmp_path, seeded(3), proposer=proposer, model=valued(values_with(Low=0.0)))
    assert [set(roles.values()) for roles in proposer.roles] == [{"Five.", "Four.", "Three."}] * 3


def test_too_small_a_population_for_de_is_refused_before_there_is_a_run() -> None:
    with pytest.raises(ConfigError, match="'population' is 2; set it to 3 or more"):
        EvoPromptDE(population=2)
    with pytest.raises(ConfigError, match="set it to 4 or more"):
        EvoPromptDE(population=3, donor="random")
    assert EvoPromptDE(population=3, donor="random", variant="v2").population == 3
    with pytest.raises(ConfigError, match="set it to 1 or more"):
        EvoPromptGA(population=0)


def test_one_start_is_paraphrased_until_the_population_is_full(tmp_path: Path) -> None:
    drawn = iter(["A.", "A.", START, "B.", "<prompt></prompt>", "A.", "C.", "D."])
    proposer = Scripted(lambda _: next(drawn), name="repeats itself")
    result = search(tmp_path, EvoPromptGA(population=5, generations=0), proposer=proposer)
    # Four are asked for, and two of them are new; of two more, none; of two more, both.
    assert sorted(kept(result)) == sorted([START, "A.", "B.", "C.", "D."])
    assert proposer.calls == 4 + 2 + 2


@pytest.mark.slow
@pytest.mark.parametrize("reply", ["<prompt></prompt>", START, "I'm sorry, I can't.", f"  {START} \n"])
def test_a_proposer_that_writes_nothing_new_leaves_fewer_members(tmp_path: Path, reply: str) -> None:
    proposer = Scripted(lambda _: reply, name="dull")
    result = search(tmp_path / "ga", EvoPromptGA(population=4, generations=2), proposer=proposer)
    assert any("the first population has 1 of 4 prompts" in warning for warning in result.warnings)
    assert kept(result) == [START]
    assert result.prompt["instruction"] == START
    assert result.start.dev is not None
    # A member alone is crossed with itself.
    assert all(set(roles_of(text).values()) == {START} for text in asked(proposer))

    result = search(tmp_path / "de", EvoPromptDE(population=4, generations=2), proposer=lambda _: reply)
    assert any("needs 3 different prompts and has 1" in warning for warning in result.warnings)
    assert len(result.steps) == 1
    assert result.status == "finished"
    assert result.prompt["instruction"] == START


def test_a_small_first_population_grows_in_ga(tmp_path: Path) -> None:
    silent = lambda request: "<prompt></prompt>" if paraphrasing(text_of(request)) else inventive(request)  # noqa: E731
    for update in ("topk", "std"):
        optimizer = EvoPromptGA(population=5, generations=2, update=update)
        result = search(tmp_path / update, optimizer, proposer=silent)
        assert [len(step.kept) for step in result.steps] == [1, 5, 5]


def test_the_better_half_of_the_pool_and_paraphrases_of_it(tmp_path: Path) -> None:
    seeds = tuple(f"Seed {number}." for number in range(1, 13))
    worth = {START: 0.0} | {seed: 0.02 * number for number, seed in enumerate(seeds, 1)}

    def paraphrase(request: Request) -> str:
        # Of the best four: a new text, an empty one, a member of the pool, a new text.
        section = section_of(text_of(request))
        return {"Seed 12.": "<prompt>New.</prompt>", "Seed 11.": "<prompt> </prompt>", "Seed 10.": "Seed  1."}.get(
            section, f"<prompt>{section} again</prompt>"
        )

    proposer = Scripted(paraphrase, name="mixed")
    model = valued(lambda text: worth.get(text, 0.5))
    result = search(tmp_path, EvoPromptGA(population=9, generations=0, seeds=seeds), proposer=proposer, model=model)
    (step,) = result.steps
    sources = sorted(section_of(text) for text in asked(proposer, operator=False))
    assert sources == sorted(f"Seed {number}." for number in (12, 11, 10, 9))
    best, following = [f"Seed {n}." for n in (12, 11, 10, 9, 8)], ["Seed 7.", "Seed 6."]
    assert sorted(kept(result)) == sorted([*best, "New.", "Seed 9. again", *following])
    assert {estimate.count for estimate in step.pool} == {10}
    assert step.spent.evaluations == 10 * (13 + 2)
    assert {candidate.proposal.operator for candidate in result.candidates()} == {"start", "seed", "paraphraser"}


def test_seeds_that_break_the_contract_are_left_out_and_told(tmp_path: Path) -> None:
    task = replace(valued_task(), contract=Contract(must_not_contain=("never",)))
    seeds = ("I never answer.", "Answer.", " Answer. ", START)
    result = search(tmp_path, EvoPromptGA(population=2, generations=0, seeds=seeds), task=task)
    assert {estimate.prompt["instruction"].strip() for estimate in result.steps[0].pool} >= {START, "Answer."}
    assert sum(c.proposal.operator == "seed" and c.search.count > 0 for c in result.candidates()) == 1
    assert not any("never" in c.prompt["instruction"] for c in result.candidates())
    assert any("1 of 4 seed prompts break the task's contract" in warning for warning in result.warnings)


@pytest.mark.slow
def test_one_scalar_drives_parents_replacement_and_the_choice(tmp_path: Path) -> None:
    first = {START: 0.9, "Two.": 0.6, "Three.": 0.3, "Four.": 0.2, "Five.": 0.1, "Child.": 0.0}
    mean = {START: 0.0, "Two.": 0.2, "Three.": 0.4, "Four.": 0.6, "Five.": 0.8, "Child.": 0.9}

    def components(answer: str, example: Example) -> Score:
        one, three = answer.split()
        return Score(float(three), answer, answer, feedback=f"rouge-1 {one}")

    task = valued_task(metric=components)
    model = Scripted(lambda r: f"{first[instruction_of(r)]} {mean[instruction_of(r)]}", name="two components")
    proposer = Slots(*["Child."] * 4)
    result = search(tmp_path, seeded(), proposer=proposer, model=model, task=task)
    assert kept(result, 0) == ["Five.", "Four.", "Three.", "Two."]
    assert proposer.roles[0]["Prompt 3"] == "Five."
    assert kept(result, 1) == ["Child.", "Four.", "Three.", "Two."]
    assert result.best.text == "Child."

    drawn: list[str] = []

    def note(request: Request) -> str:
        if not paraphrasing(text_of(request)):
            drawn.append(roles_of(text_of(request))["Prompt 1"])
        return "<prompt></prompt>"

    optimizer = EvoPromptGA(population=8, generations=60, seeds=("Two.", "Five."))
    search(tmp_path / "ga", optimizer, proposer=note, model=model, task=task)
    # The wheel goes by the mean: 0, 0.2 and 0.8.
    assert drawn.count(START) == 0
    assert drawn.count("Five.") / len(drawn) == pytest.approx(0.8, abs=0.06)


def test_ga_std_puts_each_child_into_its_slot() -> None:
    old = [Estimate(Prompt.of(text), mean, 10) for text, mean in (("A.", 0.9), ("B.", 0.8), ("C.", 0.7), ("D.", 0.6))]
    new = [Estimate(Prompt.of("One."), 0.1, 10), Estimate(Prompt.of("Two."), 0.2, 10)]
    known = {each.prompt: each for each in [*old, *new]}
    one, two = new
    # Slot 2 has no child, slot 3 one that is a member by then: their members stay. Slot 5 is new.
    children = [one.prompt, None, one.prompt, two.prompt, old[0].prompt, old[1].prompt]
    assert _overwritten(old, children, known) == [one, old[1], old[2], two, old[0]]


def test_ga_std_keeps_children_that_are_worse(tmp_path: Path) -> None:
    value = lambda text: 0.9 / (1 + len(text.split()))  # noqa: E731
    longer = lambda r: inventive(r) if paraphrasing(text_of(r)) else f"<prompt>{'word ' * 9}{digest(r.seed)}</prompt>"  # noqa: E731
    for update, words in (("topk", {3, 4}), ("std", {10})):
        optimizer = EvoPromptGA(population=4, generations=1, update=update)
        result = search(tmp_path / update, optimizer, proposer=longer, model=valued(value))
        assert {len(text.split()) for text in kept(result)} == words
        # Whatever the method goes on with, the run knows the best.
        assert result.prompt["instruction"] == START


@pytest.mark.slow
@pytest.mark.parametrize("parents", ["roulette", "tournament", "random"])
def test_ga_draws_its_parents_as_told(tmp_path: Path, parents: str) -> None:
    worth = {START: 0.1, "Two.": 0.2, "Three.": 0.7}
    pairs: list[list[str]] = []

    def note(request: Request) -> str:
        if not paraphrasing(text_of(request)):
            pairs.append(list(roles_of(text_of(request)).values()))
        return "<prompt></prompt>"

    optimizer = EvoPromptGA(population=20, generations=60, seeds=("Two.", "Three."), parents=parents)  # pyright: ignore
    search(tmp_path, optimizer, proposer=note, model=valued(worth.__getitem__))
    assert len(pairs) == 1200
    assert all(first != second for first, second in pairs)
    shares = [sum(first == text for first, _ in pairs) / len(pairs) for text in (START, "Two.", "Three.")]
    # Of two of three members the better: the worst never, the middle one in one of three draws.
    expected = {"roulette": (0.1, 0.2, 0.7), "tournament": (0.0, 1 / 3, 2 / 3), "random": (1 / 3,) * 3}[parents]
    assert shares == pytest.approx(expected, abs=0.05)
    after = [second for first, second in pairs if first == "Two."]
    share = after.count("Three.") / len(after)
    assert share == pytest.approx({"roulette": 0.7 / 0.8, "tournament": 1.0, "random": 0.5}[parents], abs=0.08)


def test_every_prompt_is_scored_on_one_sample_of_train(tmp_path: Path) -> None:
    model = valued(by_digest)
    result = search(tmp_path, EvoPromptGA(population=3, generations=1, examples=7), model=model, task=valued_task(30))
    searched = result.steps[-1].spent.evaluations
    assert searched == 7 * 6
    questions = [text_of(request).rpartition("\n\n")[2] for request in model.log[:searched]]
    assert len(set(questions)) == 7


def test_lineage_names_the_parents(tmp_path: Path) -> None:
    result = search(tmp_path / "de", EvoPromptDE(population=3, generations=1))
    found = [c.proposal for c in result.candidates() if c.proposal.operator == "differential"]
    assert len(found) == 3
    bases = [proposal.parents[0] for proposal in found]
    assert set(bases) == set(result.steps[0].kept)
    assert all(set(proposal.parents) == set(result.steps[0].kept) for proposal in found)
    result = search(tmp_path / "ga", EvoPromptGA(population=3, generations=1))
    assert {len(c.proposal.parents) for c in result.candidates() if c.proposal.operator == "crossover"} == {2}


@pytest.mark.slow
def test_the_planted_start_is_beaten_by_a_proposer_that_helps(tmp_path: Path) -> None:
    accuracy = feature_accuracy(WORDS, base=0.1, each=0.15)
    model = valued(accuracy)
    for kind in (EvoPromptGA, EvoPromptDE):
        result = search(tmp_path / kind.__name__, kind(population=5, generations=5), proposer=author, model=model)
        best = [step.kept[0]["instruction"] for step in result.steps]
        values = [accuracy(text) for text in best]
        assert values == sorted(values)
        assert values[-1] > accuracy(planted_task().initial["instruction"])
