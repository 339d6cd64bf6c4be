"""A gain over conversations: each of them counts once, however many turns it has, wherever a mean decides."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.suite import several_tasks
from promptopt.comparison.cells import TableCell, row_from, row_of
from promptopt.comparison.statistics import gain_of, scores_of
from promptopt.errors import ConfigError
from promptopt.evaluation import compare, evaluate
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.outcome.smallest import fewest_of_a_task, smallest_found, smallest_of
from promptopt.run import Run
from promptopt.run.worth import step_worth
from promptopt.stats import ALPHA, mean_interval, paired_gain, verdict
from promptopt.stats.power import smallest_detectable
from promptopt.tasks.task import Task
from promptopt.trust.powered import Item, powered_gain
from promptopt.types import Example, Prompt, Proposal, Request, Score, ScoreMatrix

SHORT, LONG = Prompt.of("Answer short chats."), Prompt.of("Answer long chats.")
GROUPS = [f"short {number}" for number in range(10)] + ["long"] * 30
"""Ten conversations of one turn, and one of thirty."""
BEFORE, AFTER = [0.0] * 10 + [1.0] * 30, [1.0] * 10 + [0.0] * 30
"""Each short one is gained, and the long one is lost."""


def test_by_conversation_the_long_one_counts_once() -> None:
    turns = paired_gain(BEFORE, AFTER, groups=GROUPS)
    chats = paired_gain(BEFORE, AFTER, groups=GROUPS, weigh="conversation")

    assert (turns.mean, turns.units) == (-0.5, 11)
    assert chats.mean == pytest.approx(9 / 11)
    assert (chats.n, chats.units) == (40, 11)
    # Whole conversations are won or lost: ten against one.
    assert chats.p_value == pytest.approx(2 * 12 / 2**11)
    assert chats.test == "McNemar exact, each group counting once"
    assert (verdict(turns), verdict(chats)) == ("no_evidence", "better")


def test_a_conversation_whose_turns_differ_counts_its_mean() -> None:
    before, after = [0.0] * 5, [1.0, 1.0, 0.0, 0.0, 1.0]
    found = paired_gain(before, after, groups=["a", "a", "a", "a", "b"], weigh="conversation")
    assert found.mean == pytest.approx((0.5 + 1.0) / 2)
    low, high = mean_interval(after, groups=["a", "a", "a", "a", "b"], weigh="conversation")
    assert 0.0 <= low < 0.75 < high <= 1.0


def test_without_conversations_of_several_turns_both_are_one() -> None:
    scores = [0.2, 0.4, 1.0, 0.9], [0.3, 0.4, 0.7, 1.0]
    for groups in (None, ["", "", "", ""], ["a", "b", "c", "d"]):
        assert paired_gain(*scores, groups=groups, weigh="conversation") == paired_gain(*scores, groups=groups)


@pytest.mark.slow
def test_where_nothing_changed_turns_that_go_together_are_called_better_or_worse_seldom() -> None:
    drawn, called = random.Random(5), 0
    for _ in range(200):
        before: list[float] = []
        after: list[float] = []
        groups: list[str] = []
        for chat in range(25):
            shared = drawn.gauss(0.0, 0.1)
            for _ in range(drawn.choice([1, 2, 12])):
                before.append(0.5)
                after.append(min(1.0, max(0.0, 0.5 + shared + drawn.gauss(0.0, 0.05))))
                groups.append(f"{chat}")
        called += verdict(paired_gain(before, after, groups=groups, weigh="conversation")) != "no_evidence"
    assert called <= 200 * 0.05 + 6


class Both:
    """Proposes what helps in short conversations, and what helps in long ones."""

    def optimize(self, run: Run) -> None:
        admitted = run.admit([Proposal(each, (run.initial,)) for each in (SHORT, LONG)])
        run.evaluate([run.initial, *admitted], run.train)


def answer(request: Request) -> str:
    text = str(request.content)
    for kind in ("short", "long"):
        if f"Answer {kind} chats" in text and f"a {kind} one" in text:
            return "yes"
    return "no"


def chats_task(kinds: str = "sssssslll") -> Task:
    """Each split has as many conversations, the long ones of ten turns."""

    def split(name: str) -> tuple[Example, ...]:
        return tuple(
            Example.of("yes", (), (), "", f"{name} {at}", text=f"a {kind} one {name} {at} {turn}")
            for at, letter in enumerate(kinds)
            for kind, turns in [("long", 10) if letter == "l" else ("short", 1)]
            for turn in range(turns)
        )  # fmt: skip

    whole = Task.from_examples(split("train"), prompt="Answer.", name="chats")
    return replace(whole, train=split("train"), dev=split("dev"), test=split("test"), pool=None)


def found(task: Task, home: Path) -> Result:
    return optimize(task, Both(), model=Scripted(answer, name="scripted/chats"), store=home / "store.db")


@pytest.mark.parametrize(("weigh", "winner"), [("turn", LONG), ("conversation", SHORT)])
def test_the_final_choice_and_the_verdict_are_by_what_counts_once(tmp_path: Path, weigh: str, winner: Prompt) -> None:
    task = replace(chats_task(), weigh=weigh)
    result = found(task, tmp_path)
    assert result.prompt == winner
    # Six of nine conversations are short; thirty of 36 turns are in long ones.
    share = 6 / 9 if weigh == "conversation" else 30 / 36
    assert result.gain is not None
    assert result.gain.mean == pytest.approx(share)
    assert (result.best.dev, result.best.test) != (None, None)
    assert result.best.test.score == pytest.approx(share)  # type: ignore[union-attr]
    assert result.best.dev.score == pytest.approx(share)  # type: ignore[union-attr]
    assert result.to_json().get("weigh", "turn") == weigh
    assert ("each counting once" in str(result)) == (weigh == "conversation")
    saved = Result.load(result.save(tmp_path / "result.json"))
    assert saved.to_json() == result.to_json()


class Ranked(Both):
    """Keeps the order that candidates come in to the final choice."""

    def __init__(self) -> None:
        self.order: list[Prompt] = []

    def optimize(self, run: Run) -> None:
        super().optimize(run)
        self.order = [each.prompt for each in run.ranked()]


@pytest.mark.parametrize(("weigh", "first"), [("turn", LONG), ("conversation", SHORT)])
def test_candidates_rank_by_what_counts_once(tmp_path: Path, weigh: str, first: Prompt) -> None:
    method = Ranked()
    optimize(replace(chats_task(), weigh=weigh), method, model=Scripted(answer, name="scripted/chats"),
             store=tmp_path / "store.db")  # fmt: skip
    assert method.order[0] == first


def test_what_counts_once_is_in_the_fingerprint_and_the_default_is_not() -> None:
    task = chats_task()
    assert "weigh" not in task.fingerprint()
    assert replace(task, weigh="conversation").fingerprint() == {**task.fingerprint(), "weigh": "conversation"}
    with pytest.raises(ConfigError, match="weigh"):
        replace(task, weigh="group")  # type: ignore[arg-type]


def test_a_search_goes_by_the_means_that_the_verdict_goes_by() -> None:
    examples = chats_task("sl").train
    scores = [1.0] + [0.0] * 10
    rows = {SHORT: [Score(value) for value in scores]}
    assert ScoreMatrix(examples, rows).means()[SHORT] == pytest.approx(1 / 11)
    assert ScoreMatrix(examples, rows, "conversation").means()[SHORT] == pytest.approx(0.5)
    # Two turns of one conversation are one difference: the mean of 1 and 0, over both examples that were seen.
    own, parent = {"a": 1.0, "b": 1.0, "c": 0.0}, {"a": 0.0, "b": 0.0, "c": 0.0}
    assert step_worth(own, parent, 0.5) == pytest.approx(0.5 + 2 / 13)
    assert step_worth(own, parent, 0.5, {"a": "x", "b": "x", "c": "y"}) == pytest.approx(0.5 + 3 * 0.5 / 13)


def test_two_evaluations_are_compared_by_what_counts_once_in_their_task(tmp_path: Path) -> None:
    task = replace(chats_task(), weigh="conversation")
    scored = [
        evaluate(task, prompt, model=Scripted(answer, name="scripted/chats"), store=tmp_path / "store.db")
        for prompt in (LONG, SHORT)
    ]
    assert [each.measured.score for each in scored] == pytest.approx([3 / 9, 6 / 9])
    gain = compare(*scored).gain
    assert (gain.mean, gain.units) == (pytest.approx(3 / 9), 9)
    assert "each group counting once" in str(compare(*scored))


def test_a_table_of_methods_goes_by_conversations_where_its_task_does(tmp_path: Path) -> None:
    result = found(replace(chats_task(), weigh="conversation"), tmp_path)
    row = row_of(TableCell("chats", "both", "m", 0), result.to_json())
    assert row_from(row.to_json()) == row
    assert gain_of([row]).mean == pytest.approx(6 / 9)
    (scores,) = scores_of([row]).values()
    assert scores == {"both": pytest.approx(6 / 9)}
    assert "weigh" not in replace(row, weigh="turn").to_json()


def test_of_several_tasks_each_has_as_many_conversations_and_all_weigh_alike() -> None:
    long, short = (replace(chats_task(kinds), name=kinds) for kinds in ("lllll", "ssssssssss"))
    apart = {
        name: tuple(replace(each, fields=(("text", f"{each['text']}, said twice"),)) for each in getattr(short, name))
        for name in ("train", "dev", "test")
    }
    short = replace(short, **apart)
    with pytest.raises(ConfigError, match="what counts once, as --weigh conversation"):
        several_tasks([long, replace(short, weigh="conversation")])
    turns = several_tasks([long, short])
    chats = several_tasks([replace(each, weigh="conversation") for each in (long, short)])
    assert chats.weigh == "conversation"
    assert [sum(each.slice == name for each in turns.test) for name in turns.members] == [10, 10]
    groups = [{each.group for each in chats.test if each.slice == name} for name in chats.members]
    assert list(map(len, groups)) == [5, 5]


def test_labels_count_by_conversation_where_the_run_does() -> None:
    # One long conversation of 20 labelled turns is lost, 40 short ones are mostly won.
    labelled = [Item(1.0, 0.0, 0.2, "long")] * 20 + [
        Item(0.0, float(at % 4 > 0), float(at % 5 == 0), f"{at}") for at in range(40)
    ]
    rest = [(float(at % 5 == 0), f"free {at}") for at in range(200)]
    turns = powered_gain(labelled, rest)
    chats = powered_gain(labelled, rest, weigh="conversation")
    assert turns.basis == chats.basis == "labels + judge"
    assert chats.gain.mean == pytest.approx((30 - 1) / 41, abs=0.01)
    assert turns.gain.mean < chats.gain.mean
    alone = powered_gain(labelled, [], weigh="conversation")
    assert alone.gain.mean == pytest.approx((30 - 1) / 41)


def two_tasks(weigh: str) -> Task:
    """Two of the same conversations, in other words."""
    one = replace(chats_task(), name="one", weigh=weigh)
    apart = {
        name: tuple(replace(each, fields=(("text", f"{each['text']}, said twice"),)) for each in getattr(one, name))
        for name in ("train", "dev", "test")
    }
    return several_tasks([one, replace(one, name="two", **apart)], objective="worst")


@pytest.mark.parametrize(("weigh", "mean"), [("turn", (6 - 30) / 36), ("conversation", (6 - 3) / 9)])
def test_the_smallest_gain_of_several_tasks_is_by_what_counts_once(weigh: str, mean: float) -> None:
    whole = two_tasks(weigh)
    short = [float("a short one" in str(each.fields)) for each in whole.test]
    gain = smallest_of(whole, whole.test, [Score(1.0 - each) for each in short], [Score(each) for each in short], ALPHA)
    assert gain is not None
    assert (gain.mean, gain.n, gain.tasks) == (pytest.approx(mean), 36, 2)


def test_the_smallest_gain_that_is_found_is_on_as_many_conversations_as_the_smallest_task_has() -> None:
    whole = two_tasks("turn")
    # Three of nine are left of the second task.
    cut = [each for each in whole.test if each.slice == "one" or each.group.rpartition(" ")[2] in ("0", "1", "8")]
    assert fewest_of_a_task(whole, cut) == 3
    assert smallest_found(whole, cut, ALPHA) == (smallest_detectable(3, alpha=ALPHA, among=2), " on each of 2 tasks")
    assert smallest_found(whole, whole.test, ALPHA)[0] > smallest_detectable(9, alpha=ALPHA)
