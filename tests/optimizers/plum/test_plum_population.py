"""Genetic algorithms and harmony search: the archive, crossover, identity, and the contract."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.plum import individuals
from promptopt.optimizers.plum.neighbours import Editing, Editor
from promptopt.optimizers.plum.patience import Stopping
from promptopt.optimizers.plum.points import Scoring
from promptopt.optimizers.plum.population import CrossoverGA, HarmonySearch, MutationGA
from promptopt.run import Run
from promptopt.types import Prompt, UpperBounds
from tests.optimizers.plum.phrase_search import (
    BARS,
    PROMPT,
    SMALL,
    Drawn,
    Injected,
    PlumContract,
    kept_texts,
    lengthen,
    operators,
    pool_texts,
    search,
    table,
    task_of,
    within_run,
)


class TestMutationGA(PlumContract):
    optimizer = MutationGA(**SMALL)


class TestCrossoverGA(PlumContract):
    optimizer = CrossoverGA(population=3, offspring=2, **SMALL)


class TestHarmonySearch(PlumContract):
    optimizer = HarmonySearch(**SMALL)


def test_the_archive_grows_by_one_whatever_the_score(tmp_path: Path) -> None:
    # Many neighbours, so that no two iterations have the same best one.
    prompt = "|".join("abcdefghijklmnop")
    method = MutationGA(edit=BARS, stop=Stopping(iterations=5, patience=9))
    result = search(tmp_path, method, prompt, table({prompt: 0.9}, 0.1))
    assert [len(step.kept) for step in result.steps] == [2, 3, 4, 5, 6]
    assert {estimate.mean for step in result.steps for estimate in step.pool} == {0.1, 0.9}


@pytest.mark.slow
def test_parents_are_the_best_of_draws_with_replacement(tmp_path: Path) -> None:
    """With one draw a losing archive is a random walk over all of it; with many the start is always the parent."""

    def parents(tournament: int) -> Counter[str]:
        method = MutationGA(tournament=tournament, edit=Editing(neighbours=3), stop=Stopping(40, 40))
        result = search(
            tmp_path / str(tournament), method, PROMPT, lambda text: 0.9 if text == PROMPT else 0.1, proposer=lengthen
        )
        return Counter(candidate.proposal.parents[0]["instruction"] for candidate in result.candidates()[1:])

    assert set(parents(600)) == {PROMPT}
    assert len(parents(1)) > 10


def test_crossover_starts_from_copies_and_keeps_the_best(tmp_path: Path) -> None:
    def worth(text: str) -> float:
        return sum(word in text for word in ("carefully", "exactly", "twice")) / 4 + len(text) / 9999

    method = CrossoverGA(population=4, offspring=3, edit=Editing(neighbours=3), stop=Stopping(8, 8))
    result = search(tmp_path, method, PROMPT, worth, proposer=lengthen)
    best = [worth(kept_texts(result, number)[0]) for number in range(len(result.steps))]
    assert best == sorted(best)
    assert best[-1] > 0.25
    for number, step in enumerate(result.steps):
        assert len(step.kept) <= 4
        kept = sorted(map(worth, kept_texts(result, number)), reverse=True)
        assert kept[0] == max(map(worth, pool_texts(result, number)))
    assert "crossover" in operators(result)


@pytest.mark.slow
def test_children_are_cut_where_the_parents_are(tmp_path: Path) -> None:
    method = CrossoverGA(population=6, edit=replace(BARS, neighbours=3), stop=Stopping(8, 8))
    result = search(tmp_path, method, "a|b|c|d|e", lambda text: sum(i * ord(c) for i, c in enumerate(text)) % 97 / 97)
    children = [candidate for candidate in result.candidates() if candidate.proposal.operator == "crossover"]
    assert children
    for child in children:
        first, second = (parent["instruction"].split("|") for parent in child.proposal.parents)
        split = int(child.proposal.note.removeprefix("split "))
        # No chunk here is punctuation, so counting chunks is enough; parents are told by their own texts.
        assert child.prompt["instruction"].split("|") == [*first[:split], *second[split:]]


@pytest.mark.slow
def test_banks_travel_with_individuals_and_are_not_shared(tmp_path: Path) -> None:
    """A text deleted once is put back by several mutants of one individual, and by none of another's line."""
    method = CrossoverGA(offspring=0, mutation=1.0, edit=replace(BARS, neighbours=8), stop=Stopping(4, 4))
    result = search(tmp_path, method, "a|b|c|d", lambda text: 1 / len(text))
    banks = {result.candidates()[0].prompt: Counter[str]()}
    added = Counter[Any]()
    for candidate in result.candidates()[1:]:
        (parent,) = candidate.proposal.parents
        bank = banks[parent].copy()
        note = candidate.proposal.note
        if note.startswith("add: "):
            text = note.removeprefix("add: ")
            assert bank[text] > 0
            bank[text] -= 1
            added[parent, text] += 1
        elif note.startswith("del: "):
            bank[note.removeprefix("del: ")] += 1
        banks[candidate.prompt] = bank
    assert max(added.values()) > 1


def test_without_crossover_and_mutation_nothing_happens_but_patience(tmp_path: Path) -> None:
    method = CrossoverGA(offspring=0, mutation=0.0, stop=Stopping(9, 3))
    result = search(tmp_path, method, PROMPT, lambda _: 0.5)
    assert len(result.steps) == 3
    assert len(result.candidates()) == 1


@pytest.mark.parametrize("kind", [CrossoverGA, HarmonySearch])
def test_a_population_of_one_is_a_hill_climb(tmp_path: Path, kind: type[Any]) -> None:
    size = {"population": 1} if kind is CrossoverGA else {"memory": 1}
    method = kind(**size, stop=Stopping(6, 6))
    result = search(tmp_path, method, PROMPT, lambda text: len(text) / 999, proposer=lengthen)
    lengths = [len(kept_texts(result, number)[0]) for number in range(len(result.steps))]
    assert lengths == sorted(lengths)
    assert lengths[-1] > len(PROMPT)
    assert all(len(step.kept) == 1 for step in result.steps)


def harmonies(
    home: Path,
    method: HarmonySearch,
    memory: Sequence[str],
    bank: tuple[str, ...] = (),
    count: int = 20,
    **options: Any,
) -> list[str]:
    def build(run: Run) -> list[str]:
        editor = Editor(run, method.edit)
        return [text for text, _, _ in method.harmonies(random.Random(3), editor, memory, bank, count)]

    return within_run(home, "Answer.", build)


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 4, 5, 12])
def test_considered_and_not_adjusted_a_harmony_is_the_prompt(tmp_path: Path, length: int) -> None:
    method = HarmonySearch(consider=1.0, adjust=0.0)
    words = [f"phrase {number} here" for number in range(length)]
    for number, text in enumerate(
        [", ".join(words), "\n- ".join(["  Head:", *words]) + "\n", "。".join("好" * length)]
    ):
        assert set(harmonies(tmp_path / str(number), method, [text])) == {text}
    bars = HarmonySearch(consider=1.0, adjust=0.0, edit=BARS)
    text = "|".join(f"p{number}" for number in range(length))
    assert set(harmonies(tmp_path / "bars", bars, [text])) == {text}


def test_segments_of_several_prompts_are_whole_and_in_their_places(tmp_path: Path) -> None:
    method = HarmonySearch(consider=1.0, adjust=0.0, edit=BARS)
    memory = ["|".join(f"{name}{number}" for number in range(10)) for name in "pqr"]
    found = harmonies(tmp_path, method, memory, count=200)
    assert len(set(found)) > 100
    for text in found:
        assert [chunk[1:] for chunk in text.split("|")] == [str(number) for number in range(10)]
        assert all(
            first[0] == second[0] for first, second in zip(text.split("|")[::2], text.split("|")[1::2], strict=True)
        )


def test_how_often_a_segment_is_kept_adjusted_and_edited(tmp_path: Path) -> None:
    """HMCR 0.4, half of it adjusted: of segments with a phrase 0.2 stay, 0.2 + 0.6/3 are paraphrased, and so on."""
    method = HarmonySearch(edit=BARS)

    def edits(run: Run) -> list[Counter[str]]:
        text = "|".join(f"phrase {number}" for number in range(20))
        made = method.harmonies(random.Random(5), Editor(run, method.edit), [text], (), 400)
        return [Counter(edit.kind for edit in each) for _, each, _ in made]

    kinds = sum(within_run(tmp_path, "Answer.", edits, proposer=lengthen), Counter[str]())
    assert kinds["sub"] / 2_000 == pytest.approx(0.4, abs=0.04)
    assert kinds["del"] / 2_000 == pytest.approx(0.2, abs=0.04)
    assert kinds["swap"] / 2_000 == pytest.approx(0.2, abs=0.04)
    assert kinds["add"] == 0


def test_a_harmony_takes_no_more_from_the_bank_than_is_in_it(tmp_path: Path) -> None:
    method = HarmonySearch(consider=0.0, edit=BARS)
    for text in harmonies(tmp_path, method, ["|".join("abcdefghij")], bank=("xx", "yy"), count=100):
        assert text.count("xx") <= 1
        assert text.count("yy") <= 1


def test_an_emptied_segment_leaves_no_gap_behind(tmp_path: Path) -> None:
    method = HarmonySearch(consider=0.0, edit=BARS)
    for text in harmonies(tmp_path, method, ["a|b|c|d|e"], count=200):
        assert "||" not in text
        assert not text.startswith("|")


def test_segments_leave_no_doubled_marks_behind(tmp_path: Path) -> None:
    method = HarmonySearch()
    memory = ["Read it all, then say good, or bad. Be kind; be brief.", "Look at it: is it good? Say so."]
    found = harmonies(tmp_path, method, memory, bank=("do it now",), count=200)
    assert len(set(found)) > 100
    assert [text for text in found if re.search(r"[,;:.?]\s*[,;:.?]|\s[,;:.?]|[.?,;:)][A-Za-z]|  ", text)] == []


def test_the_memory_holds_the_best_so_far(tmp_path: Path) -> None:
    def worth(text: str) -> float:
        return 1 / (1 + len(text))

    result = search(tmp_path, HarmonySearch(memory=4, stop=Stopping(6, 6)), PROMPT, worth, proposer=lengthen)
    seen: dict[str, None] = {PROMPT: None}
    for number, step in enumerate(result.steps):
        seen |= dict.fromkeys(pool_texts(result, number))
        assert [worth(text) for text in kept_texts(result, number)] == sorted(map(worth, seen), reverse=True)[:4]
        assert len(step.pool) <= 4 + 10


@pytest.mark.slow
def test_placeholders_survive_crossover_and_harmonies(tmp_path: Path) -> None:
    task = task_of("Read it well.")
    prompt = "Take {this} as it is, and then {that}; answer with one word, as always."
    task = replace(task, initial=task.initial.replace("instruction", prompt))
    for kind in (CrossoverGA, HarmonySearch):
        result = search(
            tmp_path / kind.__name__, kind(stop=Stopping(8, 8)), "", lambda t: 1 / len(t), proposer=lengthen, task=task
        )
        texts = [candidate.prompt["instruction"] for candidate in result.candidates()]
        assert len(texts) > 20
        assert all(text.count("{this}") == text.count("{that}") == 1 for text in texts)
        assert any("protected text changed" in reason for reason in result.rejected) or kind is HarmonySearch


def test_the_cost_of_a_generation(tmp_path: Path) -> None:
    method = CrossoverGA(population=2, offspring=3, mutation=1.0, edit=Editing(neighbours=4), score=Scoring(examples=4))
    method = replace(method, stop=Stopping(5, 5))
    proposer = Scripted(lengthen, name="paraphraser")
    result = search(tmp_path, method, PROMPT, lambda text: 1 / len(text), proposer=proposer)
    bound = method.upper_bounds(4)
    assert bound.evaluations == 4 * (1 + 5 * (3 + 2 * 4))
    assert result.steps[-1].spent.evaluations <= bound.evaluations
    assert proposer.calls <= bound.proposer_calls


def test_expected_at_the_defaults() -> None:
    assert MutationGA().upper_bounds(10_000) == UpperBounds(50_100, 2_500, 1_000_000)
    assert CrossoverGA().upper_bounds(10_000).evaluations == 100 * (1 + 50 * (5 + 10 * 10))
    assert HarmonySearch().upper_bounds(10_000) == UpperBounds(50_100, 12_500, 5_000_000)


def test_half_of_all_are_mutated(tmp_path: Path) -> None:
    method = CrossoverGA(population=2, offspring=0, edit=replace(BARS, neighbours=4), stop=Stopping(1, 1))
    drawn = {"mutation": Drawn(0.6, 0.4)}
    result = search(tmp_path, Injected(method, drawn), "a|b|c", lambda _: 0.5)
    assert len(result.steps[0].pool) == 1 + 4


def test_settings_from_the_command_line() -> None:
    settings = {"consider": "0.9", "edit.neighbours": "20"}
    assert adjust(HarmonySearch(), settings, "plum-hs") == HarmonySearch(consider=0.9, edit=Editing(neighbours=20))


def test_a_chain_of_edits_in_a_segment_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"edit\.chain"):
        HarmonySearch(edit=Editing(chain=2))


def test_one_segment_is_the_whole_prompt(tmp_path: Path) -> None:
    method = HarmonySearch(segments=1, consider=0.0, edit=BARS)
    found = set(harmonies(tmp_path, method, ["a|b|c"], count=100))
    assert found == {"a|b|c", "b|c", "a|c", "a|b", "b|a|c", "c|b|a", "a|c|b"}


def test_a_child_of_two_takes_the_first_ones_bank_along(monkeypatch: pytest.MonkeyPatch) -> None:
    banked = {Prompt.of("One."): ("first",), Prompt.of("Two."): ("second",)}
    pool: Any = [SimpleNamespace(scored=SimpleNamespace(prompt=each, points=1.0), bank=banked[each]) for each in banked]
    seen = list[tuple[Prompt, ...]]()

    def admit(text: str, parents: tuple[Prompt, ...], *_: str) -> Prompt:
        seen.append(parents)
        return Prompt.of(text)

    monkeypatch.setattr(individuals, "crossover", lambda *_: "Child.")
    editor: Any = SimpleNamespace(cut=lambda _: SimpleNamespace(solid=(0, 1)), admit=admit)
    run: Any = SimpleNamespace(task=SimpleNamespace(editable="instruction"), rng=lambda _: drawn)
    drawn = random.Random(0)
    for _ in range(20):
        made = individuals.bred(run, editor, pool, 1)
        assert made is not None
        assert made[1] == banked[seen[-1][0]]
    assert len({parents for parents in seen if parents[0] != parents[1]}) == 2
