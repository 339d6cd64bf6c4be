"""Each operator of `auto` by itself: when there is a use for it, what its request shows, and what its child is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.operators.demos import with_target
from promptopt.optimizers.auto.credit import Credit
from promptopt.optimizers.auto.operators import Operators
from promptopt.optimizers.auto.requests import scaled_points
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Proposal, Request, Sampling

IN_TEXT = Layout("text", text="{instruction}\n\n{demos}Q: {question}\nA:", demo="Q: {question}\nA: {target}\n\n")
NAMES = ("critic", "rewrite", "cross", "history", "guess", "prune", "demo")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORDS = (*NUMBERS, *(f"{one} {other}" for one in NUMBERS for other in NUMBERS))
"""A word, or two, for each reply of the proposer."""
KINDS = {
    "critic": "makes mistakes",
    "rewrite": "Rewrite an instruction",
    "cross": "Merge two instructions",
    "history": "each with its score",
    "guess": "Write the instruction that leads",
}

SAMPLINGS: list[Sampling] = []
"""How the proposer was asked."""


def worded(number: str) -> Prompt:
    return Prompt.of(f"Say {number}.")


@dataclass
class Operating:
    """An optimizer that makes children by one operator, of an elite that it is given."""

    operator: str
    elite: Callable[[Run], Sequence[Prompt]] = lambda run: [run.initial]
    worth: dict[Prompt, float] = field(default_factory=dict)
    count: int = 1
    scored: int = 0
    """Training examples that the elite is scored on before."""
    writings: int = 1
    applicable: list[str] = field(default_factory=list)
    children: list[Proposal] = field(default_factory=list)

    def optimize(self, run: Run) -> None:
        elite = self.elite(run)
        run.evaluate(elite, run.train[: self.scored])
        operators = Operators(run, 400, None, [run.initial], writings=self.writings)
        self.applicable = operators.applicable(elite, self.worth)
        self.credit = Credit({name: float(name == self.operator) for name in NAMES})
        self.children = operators.children(self.credit, self.count, elite, self.worth)


def operated(
    home: Path,
    method: Operating,
    right: Callable[[int], bool] = lambda _: False,
    *,
    start: str = "Answer.",
    length: int = 0,
    unusable: Sequence[int] = (),
    reply: str = "",
) -> tuple[list[str], list[str]]:
    """What the proposer was asked, and the warnings; question n is answered right where `right` says so.

    `unusable`: the replies, counted from 1, that hold nothing. `reply`: what every reply holds, where they are alike.
    """
    examples = [Example.of("yes", question=f"{n} {'x' * length}question {n}") for n in range(40)]
    task = Task.from_examples(examples, prompt=start, labels=("no", "yes"), metric="exact", layout=IN_TEXT,
                              splits=Splits(30, 5, 5))  # fmt: skip
    asked: list[str] = []
    SAMPLINGS.clear()

    def answer(request: Request) -> str:
        return "yes" if right(int(re.findall(r"question (\d+)", str(request.content))[-1])) else "no"

    def write(request: Request) -> str:
        SAMPLINGS.append(request.sampling)
        asked.append(str(request.content[-1].content) if not isinstance(request.content, str) else request.content)
        text = reply if reply else f"Write it anew, {WORDS[len(asked)]}."
        return f"<prompt>{'' if len(asked) in unusable else text}</prompt>"

    models = Models(Scripted(answer, name="model"), proposer=Scripted(write, name="proposer"))
    result = optimize(task, method, model=models, store=home / "store.db", budget=Budget(evaluations=200))
    return asked, list(result.warnings)


def kind(request: str) -> str:
    (found,) = [name for name, mark in KINDS.items() if mark in request]
    return found


@pytest.mark.parametrize(("wrong", "shown"), [(1, 1), (4, 4), (9, 4)])
def test_a_critique_shows_up_to_four_of_the_mistakes(tmp_path: Path, wrong: int, shown: int) -> None:
    method = Operating("critic", scored=30)
    seen: list[int] = []

    def right(number: int) -> bool:
        seen.extend([] if number in seen else [number])
        return seen.index(number) >= wrong

    (request,), _ = operated(tmp_path, method, right)
    found = [int(number) for number in re.findall(r"question (\d+)", request)]
    assert len(set(found)) == shown
    assert set(found) <= set(seen[:wrong])


def test_a_critique_is_due_where_one_of_the_elite_has_mistakes_and_another_one_is_put_in_other_words(
    tmp_path: Path,
) -> None:
    faultless = Operating("rewrite", scored=30)
    operated(tmp_path / "right", faultless, lambda _: True)
    assert "critic" not in faultless.applicable

    def elite(run: Run) -> list[Prompt]:
        run.evaluate([run.initial], run.train[:3])
        return [run.initial, worded("two")]

    half = Operating("critic", elite, count=8)
    asked, _ = operated(tmp_path / "half", half)
    assert {kind(text) for text in asked} == {"critic", "rewrite"}
    assert all(('"""\nSay two.\n"""' in text) == (kind(text) == "rewrite") for text in asked)


def test_a_history_is_of_the_eight_best_the_best_last(tmp_path: Path) -> None:
    worth = {worded(name): place / 10 for place, name in enumerate(NUMBERS)}
    method = Operating("history", worth=dict(reversed(list(worth.items()))))
    (request,), _ = operated(tmp_path, method)
    assert kind(request) == "history"
    assert re.findall(r"Score (\d+):\n\"\"\"\nSay (\w+)\.", request) == [
        (str(10 * place), name) for place, name in enumerate(NUMBERS) if place >= 2
    ]
    few = Operating("rewrite", worth={worded("one"): 0.5, Prompt.of("Say  one."): 0.4})
    operated(tmp_path / "few", few)
    assert "history" not in few.applicable, "two that differ in white space are one"


def test_a_crossing_is_of_the_parent_and_the_first_other_and_shows_half_of_both_s_demonstrations(
    tmp_path: Path,
) -> None:
    def elite(run: Run) -> list[Prompt]:
        shown = [with_target(each) for each in run.train[:5]]
        # One demonstration is in both: of five different ones two are shown.
        return [worded("one").with_demos(shown[:3]), worded("two").with_demos(shown[2:]), worded("three")]

    method = Operating("cross", elite, count=1)
    (request,), _ = operated(tmp_path, method)
    first, second = re.findall(r"Instruction \d:\n\"\"\"\nSay (\w+)\.", request)
    (child,) = method.children
    assert child.parents[0]["instruction"] == f"Say {first}."
    assert second == ("two" if first == "one" else "one")
    if {first, second} == {"one", "two"}:
        assert len(child.prompt.demos) == 2
    assert "cross" in method.applicable
    single = Operating("rewrite", lambda run: [worded("one")])
    operated(tmp_path / "single", single)
    assert "cross" not in single.applicable


def test_prompts_of_one_text_are_rewritten_where_they_would_be_crossed(tmp_path: Path) -> None:
    method = Operating("cross", lambda run: [worded("one"), worded("one").with_demos([with_target(run.train[0])])])
    (request,), _ = operated(tmp_path, method)
    assert kind(request) == "rewrite"


def test_a_guess_is_from_six_examples_of_inputs_that_are_short_enough_while_one_text_leads(tmp_path: Path) -> None:
    method = Operating("guess")
    (request,), _ = operated(tmp_path, method)
    assert len(set(re.findall(r"question \d+", request))) == 6
    assert method.children[0].parents == (Prompt.of("Answer."),)
    two = Operating("rewrite", lambda run: [worded("one"), worded("two")])
    operated(tmp_path / "two", two)
    assert "guess" not in two.applicable
    # `nn question nn`: 600 characters at most, by the middle one of all inputs.
    fits, too_long = Operating("rewrite"), Operating("rewrite")
    _, said = operated(tmp_path / "fits", fits, length=600 - len("10 question 10"))
    assert "guess" in fits.applicable
    assert not any("too long" in each for each in said)
    _, said = operated(tmp_path / "long", too_long, length=601 - len("10 question 10"))
    assert "guess" not in too_long.applicable
    assert any("guessed from examples alone: the inputs are too long to be shown" in each for each in said)


@pytest.mark.parametrize("operator", ["rewrite", "cross"])
def test_the_proposer_draws_at_temperature_1_and_may_write_half_as_much_again_and_a_critique(
    tmp_path: Path, operator: str
) -> None:
    tokens: dict[Prompt, int] = {}

    def elite(run: Run) -> list[Prompt]:
        for text in ("Say it. " * 20, "Say it well. " * 20):
            tokens[Prompt.of(text)] = run.count_tokens(text)
        return list(tokens)

    method = Operating(operator, elite)
    operated(tmp_path, method)
    # Of a crossing the longer of the two counts.
    longest = max(tokens[each] for each in method.children[0].parents)
    assert [each.temperature for each in SAMPLINGS] == [1.0]
    assert [each.max_tokens for each in SAMPLINGS] == [longest * 3 // 2 + 256]


def test_pruning_leaves_out_each_sentence_once_and_only_where_there_are_two(tmp_path: Path) -> None:
    method = Operating("prune", count=20)
    asked, _ = operated(tmp_path, method, start="First. Second. Third.")
    assert asked == []
    assert {(child.prompt["instruction"], child.note) for child in method.children} == {
        ("Second. Third.", "without 'First.'"),
        ("First. Third.", "without 'Second.'"),
        ("First. Second.", "without 'Third.'"),
    }
    one = Operating("rewrite")
    operated(tmp_path / "one", one)
    assert "prune" not in one.applicable


def test_the_better_of_two_is_a_parent_twice_as_often(tmp_path: Path) -> None:
    def elite(run: Run) -> list[Prompt]:
        return [worded(name).with_demos([with_target(run.train[place])]) for place, name in enumerate(("one", "two"))]

    method = Operating("rewrite", elite, count=90)
    asked, _ = operated(tmp_path, method)
    # A text alone is written anew: what its parent shows, it shows too.
    assert all(child.prompt.demos == child.parents[0].demos != () for child in method.children)
    parents = [child.parents[0]["instruction"] for child in method.children]
    assert len(asked) == len(parents) == 90
    # Sixty of ninety; of nine draws the worse was the parent more often by luck, and nothing was noticed.
    assert 50 <= parents.count("Say one.") <= 70


@pytest.mark.parametrize("operator", ["critic", "rewrite", "cross", "guess"])
def test_a_child_that_is_written_twice_is_the_second_text_and_stands_behind_the_same_parents(
    tmp_path: Path, operator: str
) -> None:
    def elite(run: Run) -> list[Prompt]:
        shown = [with_target(each) for each in run.train[:4]]
        two = [worded("one").with_demos(shown), worded("two").with_demos(shown)]
        return two if operator == "cross" else [worded("one").with_demos(shown[:1])]

    once, twice = (Operating(operator, elite, scored=5, writings=count) for count in (1, 2))
    (first,), _ = operated(tmp_path / "once", once)
    (same, again), _ = operated(tmp_path / "twice", twice)
    assert same == first
    assert kind(again) == "rewrite"
    assert '"""\nWrite it anew, two.\n"""' in again
    (draft,), (child,) = once.children, twice.children
    assert child.prompt["instruction"] == "Write it anew, three."
    assert (child.parents, child.operator, child.prompt.demos) == (draft.parents, operator, draft.prompt.demos)


def test_of_two_writings_what_can_be_used_counts(tmp_path: Path) -> None:
    # Two children: the first batch is of both, the second of what it left.
    whole, lost = (Operating("rewrite", count=2, writings=2) for _ in range(2))
    operated(tmp_path / "whole", whole)
    asked, _ = operated(tmp_path / "lost", lost, unusable=(4,))
    assert len(asked) == 4
    later, kept = ({child.prompt["instruction"] for child in method.children} for method in (whole, lost))
    assert later == {"Write it anew, four.", "Write it anew, five."}
    assert "Write it anew, four." in kept
    assert len(kept & {"Write it anew, two.", "Write it anew, three."}) == 1
    never = Operating("rewrite", count=2, writings=2)
    asked, _ = operated(tmp_path / "never", never, unusable=(1,))
    assert len(asked) == 3
    assert len(never.children) == 1
    free = Operating("prune", lambda run: [Prompt.of("Say one. Say two.")], writings=2)
    asked, _ = operated(tmp_path / "free", free)
    assert asked == []
    assert len(free.children) == 1


@pytest.mark.parametrize(
    ("operator", "reply"),
    [
        # As a model of 0.5B wrote them; the first won a search.
        ("critic", "What is right in this instruction, and what would have prevented such mistakes? Name the topic."),
        ("critic", "The instruction is incomplete and does not mention sports."),
        ("critic", "A language model follows an instruction with a sad, critical tone, and makes mistakes."),
        ("critic", "What the instruction fails to say, so that these mistakes happen."),
        ("rewrite", "Rewrite an instruction for a language model so that it says yes."),
        ("rewrite", "Put it in another way: clearer, more to the point."),
        ("cross", "Write one coherent instruction that keeps what is special about each."),
        ("history", "A new instruction that differs from all of these and has a higher score."),
        ("guess", "I write the instruction that leads to the right output for all inputs."),
    ],
)
def test_what_repeats_the_request_or_criticises_is_no_child(tmp_path: Path, operator: str, reply: str) -> None:
    two = [worded("one"), worded("two")]
    method = Operating(operator, worth=dict.fromkeys(two, 0.5), scored=30 if operator == "critic" else 0)
    if operator == "cross":
        method.elite = lambda _: two
    (request, *_), warnings = operated(tmp_path, method, reply=reply)
    assert kind(request) == operator
    assert method.children == [], warnings


def test_an_operator_of_which_nothing_is_known_is_taken_to_succeed_half_of_the_time() -> None:
    credit = Credit({"a": 1.0, "b": 1.0})
    assert credit.rate("a") == 0.5
    credit.note("a", False)
    assert credit.rate("a") == pytest.approx(0.98 / (0.98 + 1.98))
    credit.note("b", True)
    assert credit.rate("b") == pytest.approx(1.98 / (0.98 + 1.98))
    credit.reset()
    assert (credit.rate("a"), credit.rate("b")) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("reply", "failures"),
    [("I would rather not write that.", 0), ("", 3), ("The instruction is incomplete.", 3), ("Answer.", 0)],
)
def test_a_call_that_gave_nothing_of_use_is_a_failure_of_its_operator_and_a_repeat_is_none(
    tmp_path: Path, reply: str, failures: int
) -> None:
    method = Operating("rewrite", count=3)
    operated(tmp_path, method, reply=reply, unusable=() if reply else (1, 2, 3))
    known = Credit({"rewrite": 1.0})
    for _ in range(failures):
        known.note("rewrite", False)
    assert method.credit.rate("rewrite") == pytest.approx(known.rate("rewrite"))


def test_a_history_is_shown_best_last_in_points() -> None:
    assert scaled_points([0.2, 0.255, 1.0]) == [20, 26, 100]
    assert scaled_points([-3.0, -2.0, -1.0]) == [0, 50, 100]
    assert scaled_points([-1.0, -1.0]) == [50, 50]
    assert scaled_points([0.5, 1.5]) == [0, 100]
