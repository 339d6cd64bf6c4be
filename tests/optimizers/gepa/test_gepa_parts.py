"""Several texts: which is rewritten, what its critic is shown, and how two candidates are merged."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.operators.traces import records_of, show_calls
from promptopt.optimizers.gepa.merging import Merges, Merging, gate
from promptopt.optimizers.gepa.method import GEPA, Reflecting
from promptopt.optimizers.gepa.pareto import Parents, fronts
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Proposal, Request, Score, TracedCall
from tests.optimizers.gepa.gepa_searches import section_of, text_of
from tests.optimizers.workflows import START as PROGRAM
from tests.optimizers.workflows import Workflow, workflow_task

PARTS = ("instruction", "two", "three")


def several(names: Sequence[str]) -> Task:
    """A task whose prompt has a text for each name, all editable, one a line."""
    examples = [Example.of("yes", question=f"question {number}") for number in range(160)]
    start = Prompt(tuple((name, f"Text {name}.") for name in names))
    layout = Layout("several", text="\n".join(f"{{{name}}}" for name in names) + "\n\n{question}")
    task = Task.from_examples(
        examples, prompt=start, layout=layout, metric="exact", answer="text", splits=Splits(60, 40, 60)
    )
    return task.editing(*names)


def search(
    home: Path,
    method: GEPA,
    right: Callable[[list[str], int], bool],
    write: Callable[[str], str],
    names: Sequence[str] = PARTS,
    seed: int = 0,
) -> tuple[Result, list[str], Run]:
    """`right`: of the texts and the question's number; `write`: the new text of an old one. And all requests."""
    runs: list[Run] = []

    def answer(request: Request) -> str:
        head, _, question = text_of(request).rpartition("\n\n")
        return "yes" if right(head.split("\n"), int(question.split()[1])) else "no"

    proposer = Scripted(lambda request: f"<prompt>{write(section_of(text_of(request)))}</prompt>", name="reflector")
    result = optimize(
        several(names),
        method,
        model=Models(Scripted(answer, name="target"), proposer=proposer),
        seed=seed,
        store=home / "store.db",
        session=Session(watch=runs.append),
    )
    asked = [text_of(request) for request in proposer.log if isinstance(request, Request)]
    return result, asked, runs[0]


def grown(texts: list[str], question: int) -> bool:
    """More questions are right, the longer the texts are together."""
    return question % 4 < sum(len(text.split()) for text in texts) - 6


def test_along_a_lineage_the_texts_take_turns(tmp_path: Path) -> None:
    method = GEPA(rounds=4, pareto=10, minibatch=20, draw=Parents(rule="best"))
    result, asked, _ = search(tmp_path, method, grown, lambda text: f"{text} more")
    turns = [section_of(request).split()[1].strip(".") for request in asked]
    assert turns == ["instruction", "two", "three", "instruction"]
    assert result.best.prompt["two"] == "Text two. more"
    assert result.best.prompt["instruction"].endswith("more more")


def test_a_part_that_is_not_rewritten_is_shown_beside_it(tmp_path: Path) -> None:
    _, asked, _ = search(tmp_path, GEPA(rounds=1, pareto=10), grown, lambda text: f"{text} more")
    assert section_of(asked[0]) == "Text instruction."
    assert "Text two." in asked[0].split('"""')[0]


def test_all_texts_are_rewritten_by_a_call_each_into_one_child(tmp_path: Path) -> None:
    method = GEPA(rounds=1, pareto=10, minibatch=20, reflect=Reflecting(texts="all"))
    result, asked, _ = search(tmp_path, method, grown, lambda text: f"{text} more")
    assert sorted(map(section_of, asked)) == ["Text instruction.", "Text three.", "Text two."]
    assert len(result.lineage) == 2
    assert all(text.endswith("more") for _, text in result.lineage[1].prompt.texts)


def odd_and_even(texts: list[str], question: int) -> bool:
    """The first text helps on even questions, the second on odd ones; neither more than once."""
    return "more" in texts[question % 2] and question % 10 < 6


def test_two_specialists_are_merged_without_a_call_and_gated_on_five_examples(tmp_path: Path) -> None:
    def write(text: str) -> str:
        return f"{text} more" if "more" not in text else f"{text} of it"

    method = GEPA(rounds=12, pareto=20, minibatch=6, draw=Parents(rule="epsilon", epsilon=1.0))
    for seed in range(20):
        result, _, _ = search(tmp_path / str(seed), method, odd_and_even, write, PARTS[:2], seed)
        merged = [each for each in result.lineage if each.proposal.operator == "merge"]
        if merged:
            break
    first = merged[0]
    sides = [
        parent["instruction"].count("more") * 10 + parent["two"].count("more") for parent in first.proposal.parents
    ]
    assert sorted(sides) == [1, 10]
    assert first.prompt["instruction"].count("more") == first.prompt["two"].count("more") == 1
    steps = result.steps
    place = next(n for n, step in enumerate(steps) if any(each.prompt == first.prompt for each in step.pool))
    assert steps[place].spent.proposer_calls == steps[place - 1].spent.proposer_calls
    # Five of the fronts' examples first, and the other fifteen as it is no worse.
    assert steps[place].spent.evaluations == steps[place - 1].spent.evaluations + 20


@pytest.mark.slow
def test_merging_switched_off_merges_nothing_and_one_text_is_never_merged(tmp_path: Path) -> None:
    method = GEPA(rounds=12, pareto=20, minibatch=6, draw=Parents(rule="epsilon", epsilon=1.0), merge=Merging(most=0))
    for seed in range(4):
        result, _, _ = search(tmp_path / str(seed), method, odd_and_even, lambda text: f"{text} more", PARTS, seed)
        assert not [each for each in result.lineage if each.proposal.operator == "merge"]
    finder = Merges(stub(), Merging(), ("one",))
    assert finder.find(pool([(X, ()), (X1, (0,)), (X2, (0,))], [(0, 0), (1, 0), (0, 1)])) is None


def stub(**more: Any) -> Any:
    """A run that admits everything."""
    rngs = {"merge": random.Random(0)}

    def admit(proposals: Sequence[Proposal]) -> list[Prompt]:
        return [each.prompt for each in proposals]

    return SimpleNamespace(rng=rngs.__getitem__, admit=admit, **more)


def of(one: str, two: str) -> Prompt:
    return Prompt((("one", one), ("two", two)))


X, X1, X2 = of("x", "y"), of("x'", "y"), of("x", "y'")


def pool(members: Sequence[tuple[Prompt, tuple[int, ...]]], rows: Sequence[Sequence[float]]) -> Any:
    """A pool as it stands: prompts with their parents, and their scores on the fronts' examples, five times over."""
    scored = [{str(place): float(value) for place, value in enumerate([*row] * 5)} for row in rows]
    return SimpleNamespace(
        prompts=[prompt for prompt, _ in members],
        parents=[parents for _, parents in members],
        rows=scored,
        means=[sum(row) / len(row) for row in rows],
        fronts=fronts(scored),
        examples=(),
    )


SPECIALISTS = pool([(X, ()), (X1, (0,)), (X2, (0,))], [(0, 0), (1, 0), (0, 1)])


def test_a_merge_takes_each_change_of_a_common_ancestor_once() -> None:
    finder = Merges(stub(), Merging(), ("one", "two"))
    found = finder.find(SPECIALISTS)
    assert found is not None
    assert (found.prompt, found.first, found.second) == (of("x'", "y'"), 1, 2)
    assert finder.find(SPECIALISTS) is None, "the same triple never twice"


def test_a_text_that_both_changed_is_drawn_once_where_both_are_as_good() -> None:
    three = [Prompt((("instruction", a), ("two", b), ("three", c))) for a, b, c in ("aaa", "bba", "cac")]
    standing = pool([(three[0], ()), (three[1], (0,)), (three[2], (0,))], [(0, 0), (1, 0), (0, 1)])
    finder = Merges(stub(), Merging(), PARTS)
    assert finder.find(standing) is not None
    assert finder.find(standing) is None, "the same triple never twice, though another draw gives another prompt"


def test_a_prompt_that_two_ancestors_lead_to_is_built_once() -> None:
    # From the elder both changed the first text, and the better one's is taken; from the younger only that one did.
    members = [(X, ()), (of("x1", "y"), (0,)), (of("x2", "y"), (1,)), (of("x1", "y2"), (1,))]
    standing = pool(members, [(0, 0, 0), (0, 0, 0), (1, 1, 0), (0, 0, 1)])
    finder = Merges(stub(), Merging(), ("one", "two"))
    found = finder.find(standing)
    assert found is not None
    assert found.prompt == of("x2", "y2")
    assert finder.find(standing) is None


@pytest.mark.parametrize(
    ("members", "rows"),
    [
        # One of the two is the other's ancestor.
        ([(X, ()), (X1, (0,)), (of("x'", "y'"), (1,))], [(0, 0, 0), (1, 0, 1), (0, 1, 1)]),
        # The ancestor is better than one of them.
        ([(X, ()), (X1, (0,)), (X2, (0,))], [(0.4, 0.4), (1, 0), (0, 0.5)]),
        # Both changed the same text only: there is nothing to be put together.
        ([(X, ()), (X1, (0,)), (of("x''", "y"), (0,))], [(0, 0), (1, 0), (0, 1)]),
        # Two candidates are no pool.
        ([(X, ()), (X1, (0,))], [(0, 1), (1, 0)]),
    ],
)
def test_nothing_is_merged_that_gains_nothing(members: Any, rows: Any) -> None:
    assert Merges(stub(), Merging(), ("one", "two")).find(pool(members, rows)) is None


def test_two_that_share_too_few_examples_are_not_merged() -> None:
    assert Merges(stub(), Merging(overlap=11), ("one", "two")).find(SPECIALISTS) is None


def test_of_a_text_that_both_changed_the_better_one_s_is_taken() -> None:
    three = [Prompt((("instruction", a), ("two", b), ("three", c))) for a, b, c in ("aaa", "bba", "cac", "cbc")]
    members = [(three[0], ()), (three[1], (0,)), (three[2], (0,))]
    found = Merges(stub(), Merging(), PARTS).find(pool(members, [(0, 0, 0), (1, 1, 0), (0, 0, 1)]))
    assert found is not None
    assert dict(found.prompt.texts) == {"instruction": "b", "two": "b", "three": "c"}


def test_a_text_that_neither_changed_stays_the_ancestor_s() -> None:
    three = [Prompt((("instruction", a), ("two", b), ("three", c))) for a, b, c in ("aaa", "baa", "aca")]
    notes: list[str] = []

    def admit(proposals: Sequence[Proposal]) -> list[Prompt]:
        notes.extend(each.note for each in proposals)
        return [each.prompt for each in proposals]

    run = SimpleNamespace(rng=lambda _: random.Random(0), admit=admit)
    members = [(three[0], ()), (three[1], (0,)), (three[2], (0,))]
    found = Merges(cast(Run, run), Merging(), PARTS).find(pool(members, [(0, 0), (1, 0), (0, 1)]))
    assert found is not None
    assert dict(found.prompt.texts) == {"instruction": "b", "two": "c", "three": "a"}
    assert notes == ["instruction of 1, two of 2, three of 0"]


def test_just_as_many_shared_examples_and_an_ancestor_just_as_good_are_enough() -> None:
    assert Merges(stub(), Merging(overlap=10), ("one", "two")).find(SPECIALISTS) is not None
    level = pool([(X, ()), (X1, (0,)), (X2, (0,))], [(0.5, 0.5), (1, 0), (0, 1)])
    assert Merges(stub(), Merging(), ("one", "two")).find(level) is not None


@pytest.mark.parametrize(("less", "joined"), [(0.0, True), (0.5, False)])
def test_a_merged_prompt_joins_where_it_is_as_good_as_the_better_parent_on_the_gate_and_else_stays_due(
    less: float, joined: bool
) -> None:
    # The first is right on eight of ten, the second on the other two.
    rows = [[0.0] * 2, [1.0, 1.0], [0.0, 0.0]]
    standing = pool([(X, ()), (X1, (0,)), (X2, (0,))], rows)
    for place in range(2):
        standing.rows[1][str(place)], standing.rows[2][str(place)] = 0.0, 1.0
    standing.fronts = fronts(standing.rows)
    standing.means = [0.0, 0.8, 0.2]
    standing.examples = tuple(SimpleNamespace(id=key) for key in standing.rows[0])
    joins: list[tuple[Prompt, tuple[int, ...]]] = []
    standing.join = lambda prompt, parents: joins.append((prompt, parents))

    def evaluate(prompts: Sequence[Prompt], examples: Sequence[Any]) -> Any:
        found = [standing.rows[1][example.id] for example in examples]
        # Two where the first is better, two where the second is, and one of the rest.
        assert sum(found) == 3
        return SimpleNamespace(values=lambda _: [found[0] - less, *found[1:]])

    finder = Merges(stub(evaluate=evaluate), Merging(), ("one", "two"))
    finder.due = 1
    assert finder.attempt(standing)
    assert joins == ([(of("x'", "y'"), (1, 2))] if joined else [])
    assert finder.due == (0 if joined else 1)


def test_ancestors_that_score_nothing_or_less_are_drawn_all_the_same() -> None:
    found = Merges(stub(), Merging(), ("one", "two")).find(
        pool([(X, ()), (X1, (0,)), (X2, (0,))], [(-9, -9), (-1, -9), (-9, -1)])
    )
    assert found is not None


def test_a_cap_on_merges_counts_those_that_are_refused_too() -> None:
    asked: list[Prompt] = []

    def evaluate(prompts: Sequence[Prompt], examples: Sequence[Example]) -> Any:
        asked.extend(prompts)
        return SimpleNamespace(values=lambda _: [0.0] * len(examples))

    chain = [(X, ()), *((of(f"x{n}", "y"), (0,)) for n in range(4)), *((of("x", f"y{n}"), (0,)) for n in range(4))]
    rows = [[0.0] * 8, *([float(place == n) for place in range(8)] for n in range(8))]
    standing = pool(chain, rows)
    standing.examples = tuple(SimpleNamespace(id=key) for key in standing.rows[0])
    finder = Merges(stub(evaluate=evaluate), Merging(most=3), ("one", "two"))
    assert [finder.attempt(standing) for _ in range(6)] == [True, True, True, False, False, False]
    assert len(asked) == 3


def test_the_gate_takes_two_of_each_kind_in_order_and_five_in_all() -> None:
    first = {str(n): float(n < 4) for n in range(12)}
    second = {str(n): float(4 <= n < 8) for n in range(12)}
    found = gate(first, second, random.Random(0))
    assert [sum(int(key) // 4 == kind for key in found) for kind in range(3)] == [2, 2, 1]
    equal = gate(first, first, random.Random(0))
    assert len(equal) == len(set(equal)) == 5


def test_a_critic_is_shown_the_calls_of_its_own_text_and_no_example_that_did_not_use_it() -> None:
    calls = (TracedCall("one", "in 1", "out 1"), TracedCall("two", "in 2", "out 2"))
    used, unused = Score(0.0, "o", trace=calls), Score(0.0, "o", trace=calls[1:])
    examples = [Example.of("yes", question=name) for name in ("used", "unused", "whole")]
    shown = records_of("one", examples, [used, unused, Score(1.0, "o")])
    assert [example["question"] for example, _ in shown] == ["used", "whole"]
    assert "in 1" in show_calls("one", used)
    assert "out 1" in show_calls("one", used)
    assert "2" not in show_calls("one", used)
    assert show_calls("one", Score(1.0, "o")) == ""


def test_calls_that_go_on_where_the_last_one_ended_are_shown_once_and_long_ones_cut_visibly() -> None:
    agent = tuple(TracedCall("one", "step " * n, f"said {n}") for n in (1, 2, 3))
    text = show_calls("one", Score(0.0, trace=agent))
    assert text.count("gave:") == 1
    assert "said 3" in text
    assert len(show_calls("one", Score(0.0, trace=(TracedCall("one", "word " * 9_000, "x"),)))) < 1_000


def test_of_a_program_each_critic_sees_its_own_calls_and_a_text_that_is_not_used_has_no_critic(tmp_path: Path) -> None:
    workflow = Workflow(lambda prompt, question: (0.0, "it is wrong"))
    proposer = Scripted(lambda request: f"<prompt>{section_of(text_of(request))} more</prompt>", name="reflector")
    result = optimize(
        workflow_task(),
        GEPA(rounds=6, pareto=10, draw=Parents(rule="best")),
        model=Models(Scripted(lambda request: f"said {len(text_of(request))}", name="target"), proposer=proposer),
        evaluator=workflow,
        check_evaluator=workflow,
        store=tmp_path / "store.db",
    )
    asked = [text_of(request) for request in proposer.log if isinstance(request, Request)]
    assert [section_of(text) for text in asked] == [PROGRAM["instruction"], PROGRAM["answer"]] * 2
    assert asked[0].count("of this text was given: Rewrite the question.") == 3
    assert asked[1].count("of this text was given: Answer it.") == 3
    assert "Rewrite the question.\nquestion" not in asked[1]
    # Every third iteration is the unused text's: its parent is run, and nothing is asked.
    assert [step.spent.proposer_calls for step in result.steps] == [1, 2, 2, 3, 4, 4]
