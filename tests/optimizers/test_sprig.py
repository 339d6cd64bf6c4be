"""SPRIG: edits, credits, bounds, the corpus and its rules; and a search that puts components together."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import ConfigError, DataError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.sprig.bandit import Credits
from promptopt.optimizers.sprig.corpus import CATEGORIES, Component, corpus_of, fault, own_corpus, read_corpus
from promptopt.optimizers.sprig.edits import Candidates, ComponentEdit, enumerated, text_of_parts
from promptopt.optimizers.sprig.method import Sprig, texts_in_list
from promptopt.optimizers.sprig.plan import SprigPlan, affordable
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks import Splits, Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_model, planted_task
from promptopt.types import Example, Request, Room

OWN = tuple(f"Please answer {word} now." for word in ("carefully", "exactly", "twice", "soon", "gladly"))


def component(name: str) -> Component:
    return Component(name, f"Say the word {name}.", "custom", name)


class TestContract(OptimizerContract):
    optimizer = Sprig(components=OWN)

    def propose(self, request: Request) -> str:
        return '["Answer the thing carefully and well.", "Go about it calmly."]'


def search(home: Path, method: Sprig, evaluations: int | None, reply: str = "no list") -> tuple[Result, Scripted]:
    model = planted_model(feature_accuracy(("carefully", "exactly"), base=0.3, each=0.3))
    proposer = Scripted(lambda _: reply, name="proposer")
    budget = None if evaluations is None else Budget(evaluations=evaluations)
    result = optimize(
        planted_task(), method, model=Models(model, proposer=proposer), budget=budget, store=home / "s.db"
    )
    return result, proposer


@pytest.mark.slow
def test_it_puts_the_two_components_together_that_help(tmp_path: Path) -> None:
    result, _ = search(tmp_path, Sprig(components=OWN, rephrasings=0), 2_000)

    assert "carefully" in result.best.text
    assert "exactly" in result.best.text
    assert result.best.text.startswith("Answer the question.")
    assert result.verdict == "better"


@pytest.mark.slow
def test_the_first_step_tries_the_whole_corpus_once(tmp_path: Path) -> None:
    result, _ = search(tmp_path, Sprig(preset="paper", steps=1, components=OWN, examples=8), None)

    (first,) = result.steps
    assert len(first.pool) == 1 + len(OWN)
    assert {proposal.operator for each in result.candidates() if (proposal := each.proposal)} == {"add", "start"}


def test_every_candidate_of_a_step_is_scored_on_the_same_examples_and_steps_draw_anew(tmp_path: Path) -> None:
    result, _ = search(tmp_path, Sprig(preset="paper", steps=2, components=OWN[:2], examples=8, rephrasings=0), None)

    assert {estimate.count for step in result.steps for estimate in step.pool} == {8}
    assert len(result.steps) == 2


def test_all_edits_of_three_components_are_enumerated() -> None:
    parent = tuple(component(name) for name in "abc")
    pool = [component(f"n{number}") for number in range(60)]
    others = {
        each.id: [Component(f"{each.id}/{n}", f"Other {n} of {each.id}.", "", each.family) for n in range(10)]
        for each in parent
    }
    found = Candidates()
    for parts, edit in enumerated(parent, pool, others, 8):
        found.add(parts, edit)

    kinds = Counter(edits[0].kind for edits in found.edits.values())
    assert kinds == {"add": 240, "delete": 3, "swap": 3, "rephrase": 30}


def test_two_edits_that_lead_to_one_text_are_one_candidate_with_both() -> None:
    found = Candidates()
    one, two = (component("a"),), (component("b"),)
    found.add((*one, *two), ComponentEdit(one, "add", "b"))
    found.add((*one, *two), ComponentEdit(two, "add", "a"))

    assert list(found.edits) == [text_of_parts((*one, *two))]
    assert [edit.family for edit in found.edits[text_of_parts((*one, *two))]] == ["b", "a"]


def test_a_family_is_not_added_twice_and_a_prompt_does_not_grow_beyond_its_limit() -> None:
    parent = (component("a"),)

    assert all(edit.kind != "add" for _, edit in enumerated(parent, [component("a")], {}, 8))
    assert all(edit.kind != "add" for _, edit in enumerated(parent, [component("b")], {}, 1))


def test_without_a_budget_a_prompt_may_have_as_many_components_as_there_are_steps(tmp_path: Path) -> None:
    own = tuple(f"Please answer {word} now." for word in "abcdefghi")

    def share(answer: str, _: Example) -> float:
        return int(answer) / len(own)

    task = Task.from_examples([Example.of("", text=f"item {n}") for n in range(6)], prompt="Answer.", metric=share,
                              answer="text", splits=Splits(2, 2, 2))  # fmt: skip
    model = Scripted(lambda request: str(str(request.content).count("Please answer")))
    method = Sprig(preset="paper", steps=9, beam=1, examples=1, components=own, rephrasings=0)
    result = optimize(task, method, model=model, store=tmp_path / "s.db")

    assert result.best.text.count("Please answer") == 9


def test_under_a_budget_a_prompt_has_eight_components_at_most_unless_said_otherwise() -> None:
    budget, free = Room(5_000, None, 1, 50, 50), Room(None, None, 1, 50, 50)

    assert Sprig().components_in(Sprig().plan(budget)) == 8
    assert Sprig().components_in(Sprig().plan(free)) == 10
    assert Sprig(most_components=3).components_in(Sprig().plan(free)) == 3


def test_an_addition_gives_its_change_and_a_deletion_takes_it_back_and_other_edits_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worth = {"good": 0.25, "bad": -0.25, "idle": 0.0}
    own = tuple(f"Please answer {word} now." for word in worth)
    given: list[tuple[str, float]] = []
    monkeypatch.setattr(Credits, "add", lambda _, family, change: given.append((family, change)))
    task = Task.from_examples([Example.of("", text=f"item {n}") for n in range(6)], prompt="Answer.", answer="text",
                              metric=lambda answer, _: float(answer), splits=Splits(2, 2, 2))  # fmt: skip

    def reply(request: Request) -> str:
        return str(0.5 + sum(change for word, change in worth.items() if word in str(request.content)))

    def rephrased(request: Request) -> str:
        return json.dumps([f"Do it {word}." for word in worth if f"answer {word}" in str(request.content)])

    models = Models(Scripted(reply), proposer=Scripted(rephrased, name="proposer"))
    method = Sprig(preset="paper", steps=4, beam=6, examples=1, components=own, rephrasings=1)
    result = optimize(task, method, model=models, store=tmp_path / "s.db")

    made = Counter(each.proposal.operator for each in result.candidates() if each.proposal)
    assert {"add", "rephrase"} <= made.keys()
    changes: dict[str, set[float]] = {}
    for family, change in given:
        changes.setdefault(family, set()).add(round(change, 9))
    assert sorted(map(sorted, changes.values())) == [[change] for change in sorted(worth.values())]
    # More than additions alone would give.
    assert len(given) > made["add"]


def test_the_bound_by_hand() -> None:
    credits = Credits(scaled=False)
    for _ in range(21):
        credits.add("a", 0.05)
    for _ in range(1_506 - 21):
        credits.add("b", 0.0)

    assert credits.index("a") == pytest.approx(0.8848, abs=5e-5)
    # Of one credit alone the logarithm is of 1.001, and not of 1, or 2.
    alone = Credits(scaled=False, given={"a": [0.05]})
    assert alone.index("a") == pytest.approx(0.05 + (2 * 0.0009995) ** 0.5, abs=1e-6)
    assert [each.family for each in credits.select([component("b"), component("c"), component("a")], 2)] == ["c", "a"]


def test_equal_bounds_go_by_the_place_in_the_corpus() -> None:
    credits = Credits()
    for name in "ab":
        credits.add(name, 0.1)

    assert [each.family for each in credits.select([component(name) for name in "bdac"], 3)] == ["d", "c", "b"]


def test_what_a_small_budget_tries_is_of_all_categories(tmp_path: Path) -> None:
    """By id all that is added after the first step would be of the category that comes first."""
    result, _ = search(tmp_path, Sprig(rephrasings=0, pool=4, beam=2), 600)
    category = {each.family: each.category for each in own_corpus()}
    first = {estimate.prompt for estimate in result.steps[0].pool}
    later = {
        category[each.proposal.note]
        for each in result.candidates()
        if each.prompt not in first and each.proposal and each.proposal.operator == "add"
    }

    assert len(result.steps) > 2
    assert len(later) > 2


def test_before_any_credit_every_family_is_in_the_pool() -> None:
    corpus = [component(name) for name in "abcde"]

    assert Credits().select(corpus, 2) == corpus


def test_our_corpus_has_at_least_200_components_in_all_categories_and_keeps_its_own_rules() -> None:
    corpus = own_corpus()

    assert len(corpus) >= 200
    assert {each.category for each in corpus} == set(CATEGORIES) - {"custom"}
    assert len({each.text.casefold() for each in corpus}) == len({each.id for each in corpus}) == len(corpus)
    assert not any(fault(each.text, each.category) for each in corpus)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"text": "Be KIND now."}, "the same text as line 1"),
        ({"text": "Be {kind} now."}, "braces"),
        ({"text": "Be kind\nnow."}, "a line break"),
        ({"text": f"{'word ' * 40}end."}, "41 words"),
        ({"text": "Be kind."}, "2 words"),
        ({"text": "Be kind to all"}, "no full stop"),
        ({"text": "Be kind. Be brief. Be nice."}, "more than two sentences"),
        ({"text": "Write #### before the answer."}, "a mark that answers are read by"),
        ({"text": "Be ever kind now.", "category": "mood"}, "category 'mood'"),
    ],
)  # fmt: skip
def test_a_component_that_breaks_a_rule_is_named_with_its_line(row: dict[str, Any], problem: str) -> None:
    lines = [{"id": "1", "text": "Be kind now.", "category": "style"}, {"id": "2", "category": "style", **row}]

    with pytest.raises(DataError, match=f"line 2: .*{problem}"):
        read_corpus("mine", map(json.dumps, lines))


def test_an_empty_corpus_and_a_bad_component_are_errors_before_any_call(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    first = b'{"id": "1", "text": "Be kind now.", "category": "style"}\n'
    (tmp_path / "latin.jsonl").write_bytes(first + b'{"id": "2", "text": "The caf\xe9 is open."}')

    for wrong in ({"corpus": str(tmp_path / "empty.jsonl")}, {"corpus": str(tmp_path / "latin.jsonl")},
                  {"corpus": "nothere.jsonl"}, {"components": ("no",)}):  # fmt: skip
        with pytest.raises((DataError, ConfigError)):
            Sprig(**wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="line 2: not UTF-8 text"):
        Sprig(corpus=str(tmp_path / "latin.jsonl"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_a_corpus_is_read_whatever_ends_its_lines(end: str, tmp_path: Path) -> None:
    # Within a text it is part of it, though other readers take it for the end of a line.
    lines = [json.dumps({"id": name, "text": f"Be {name}\u2028now.", "category": "style"}, ensure_ascii=False)
             for name in ("kind", "brief")]  # fmt: skip
    (tmp_path / "own.jsonl").write_bytes("".join(f"{line}{end}" for line in lines).encode("utf-8-sig"))
    found = corpus_of(str(tmp_path / "own.jsonl"), (), 400)
    assert [each.text for each in found] == ["Be kind\u2028now.", "Be brief\u2028now."]


@pytest.mark.parametrize(
    ("reply", "texts"),
    [
        ('Sure! ["a", "b"] There.', ["a", "b"]),
        ('```json\n["a"]\n```', ["a"]),
        ('["a", 3, null]', ["a"]),
        ('["a [sic] b"] as asked', ["a [sic] b"]),
        ("__import__('os').listdir('.')", []),
        ("[x for x in range(3)]", []),
        ("nothing", []),
        ("]a[", []),
    ],
)
def test_a_list_is_read_as_json_and_never_run(reply: str, texts: list[str]) -> None:
    assert texts_in_list(reply) == texts


def test_rephrasings_that_break_the_rules_are_counted_and_not_used(tmp_path: Path) -> None:
    method = Sprig(components=OWN, steps=2, beam=2)
    result, proposer = search(
        tmp_path, method, 600, '["too short", "Go about {it} calmly.", "Take all the time you need."]'
    )

    assert proposer.calls > 0
    assert result.rejected["sprig: a rephrasing that breaks the corpus's rules"] >= 2
    assert any(each.proposal.operator == "rephrase" for each in result.candidates())


@given(st.integers(20, 5_000), st.integers(4, 200))
def test_a_plan_never_asks_for_more_than_the_room_has(evaluations: int, train: int) -> None:
    room = Room(evaluations, None, 1, train, 20)
    plan = Sprig().plan(room)

    assert 1 <= plan.examples <= train
    assert plan.candidates is not None
    assert plan.candidates >= 8
    enough = evaluations >= plan.examples * (8 + plan.beam)
    assert not enough or plan.steps * plan.examples * (plan.candidates + plan.beam) <= evaluations


@pytest.mark.slow
def test_the_same_seed_gives_the_same_search(tmp_path: Path) -> None:
    random.seed(1)
    first, _ = search(tmp_path / "a", Sprig(components=OWN, rephrasings=0), 500)
    random.seed(2)
    second, _ = search(tmp_path / "b", Sprig(components=OWN, rephrasings=0), 500)

    assert [each.prompt for each in first.candidates()] == [each.prompt for each in second.candidates()]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("no JSON", "not valid JSON"),
        ('["Be kind now."]', "category '' is none of"),
        ("null", "category '' is none of"),
        ('{"text": "Be so kind now.", "category": "style"}', "no id"),
        ('{"id": "2", "category": "style"}', "0 words"),
        ('{"id": "2", "text": "Be  kind NOW.", "category": "style"}', "the same text as line 1"),
    ],
)
def test_a_line_that_is_no_component_is_named_by_its_number_among_all_lines(line: str, problem: str) -> None:
    first = '{"id": "1", "text": "Be kind now.", "category": "style"}'
    with pytest.raises(DataError, match=f"mine, line 3: .*{problem}"):
        read_corpus("mine", [first, " ", line])


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("Be it so.", ""),
        (f"{'word ' * 39}end.", ""),
        (f"{'word ' * 40}end.", "41 words"),
        ("Be so.", "2 words"),
        ("Is it right? It is!", ""),
        ("It is. So it is. Or not", "no full stop"),
        ('Say that it is "so."', ""),
        ("Be kind to all\r", "a line break"),
        ("Be kind to all}.", "braces"),
    ],
)
def test_a_text_keeps_the_rules_up_to_their_bounds(text: str, broken: str) -> None:
    assert fault(text).startswith(broken)
    assert bool(fault(text)) is bool(broken)


@pytest.mark.parametrize(
    ("changes", "evaluations", "asked"),
    [
        # Steps of 5, 2 (2 * 2 + 1 + 0 + 1) = 12 and 2 (2 * 3 + 2 + 1 + 2) = 22 edits, each with a beam of 2, on 4
        # examples; every component of every prompt of the beam may be rephrased in every step.
        ({}, (5 + 2 + 12 + 2 + 22 + 2) * 4, 2 * 3 * 3),
        ({"most_components": 2}, (5 + 2 + 12 + 2 + 22 + 2) * 4, 2 * 2 * 3),
        ({"rephrasings": 0}, (5 + 2 + 10 + 2 + 18 + 2) * 4, 0),
        ({"beam": 1}, (5 + 1 + 6 + 1 + 11 + 1) * 4, 1 * 3 * 3),
        ({"pool": 3, "steps": 2}, (5 + 2 + 16 + 2) * 4, 2 * 2 * 2),
    ],
)
def test_without_a_budget_the_bounds_are_every_edit_of_every_prompt(
    changes: dict[str, int], evaluations: int, asked: int
) -> None:
    settings = {"steps": 3, "beam": 2, "pool": 2, "rephrasings": 1, "examples": 4, **changes}
    bound = Sprig(preset="paper", components=OWN, **settings).upper_bounds(50)  # type: ignore[arg-type]
    assert (bound.evaluations, bound.proposer_calls) == (evaluations, asked)
    assert bound.completion_tokens == 512 * asked


def test_what_is_set_stays_under_a_budget_and_without_one() -> None:
    given = Sprig(steps=7, beam=3, pool=5, rephrasings=2, examples=6)
    for cap in (2_000, None):
        plan = given.plan(Room(cap, None, 1, 50, 20))
        assert isinstance(plan, SprigPlan)
        assert (plan.steps, plan.beam, plan.pool, plan.rephrasings, plan.examples) == (7, 3, 5, 2, 6)
    # The preset of the paper plans nothing by the budget; examples are as many as there are.
    assert Sprig(preset="paper", examples=60).plan(Room(2_000, None, 1, 50, 20)) == SprigPlan(
        10, 10, 60, 10, 50, None, None
    )


@pytest.mark.parametrize(
    ("cells", "plan"),
    [
        # Fewer than 2 * 24 * (8 + 4) cells halve the examples, again and again while there are more than four.
        (576, (2, 24, 8)),
        (575, (3, 12, 11)),
        (287, (3, 6, 11)),
        (143, (3, 3, 11)),
        (71, (1, 3, 19)),
        # Five steps at most; what is left makes candidates.
        (24 * 12 * 5, (5, 24, 8)),
        (24 * 13 * 5, (5, 24, 9)),
        (100_000, (5, 24, 829)),
    ],
)
def test_a_budget_pays_for_fewer_steps_before_fewer_candidates(cells: int, plan: tuple[int, int, int]) -> None:
    assert affordable(Room(cells, None, 1, 50, 20), cells, None, 4) == plan
