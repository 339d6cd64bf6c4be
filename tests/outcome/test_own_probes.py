"""Probes on the replies of start and winner: what a winner that only plays the judge is told of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import BudgetSpent
from promptopt.evaluators.rubric import Rubric
from promptopt.models.scripted import Scripted
from promptopt.outcome.own_probes import ITEMS, OwnProbe, Replied, probe_own, with_own
from promptopt.protocols import Ask, Role
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks import Layout, Task
from promptopt.types import Example, Proposal, Request, Score

JUDGED = Layout("one", messages=(("user", "{instruction} {text}"),))
Worth = Callable[[str, str], float]


@dataclass
class Grader:
    """A judge by rule: of the input's number and the reply."""

    worth: Worth
    cut_after: int = 10**6
    asked: int = 0
    judges: tuple[Role, ...] = ("judge",)
    judge_calls: int = 1
    questions: tuple[str, ...] = ()
    calls_per_cell: int = 2

    def grade(self, replies: Sequence[tuple[Example, str]], ask: Ask, role: Role = "judge") -> list[Score]:
        self.asked += len(replies)
        if self.asked > self.cut_after:
            raise BudgetSpent("100 calls are spent")
        return [Score(self.worth(example["text"], reply), reply) for example, reply in replies]

    def score(self, cells: object, ask: Ask) -> list[Score]:
        raise NotImplementedError

    def fingerprint(self) -> dict[str, str]:
        return {"evaluator": "grader"}


@dataclass
class Door:
    """Only listens."""

    warned: list[str] = field(default_factory=list[str])

    def warn(self, message: str) -> None:
        self.warned.append(message)


def probed(
    worth: Worth, start: Callable[[int], str], winner: Callable[[int], str], items: int = 30, cut_after: int = 10**6
) -> tuple[tuple[OwnProbe, ...], list[str], Grader]:
    examples = [Example.of(text=str(number)) for number in range(items)]
    sides = [[Score(worth(str(at), say(at)), say(at)) for at in range(items)] for say in (start, winner)]
    door, grader = Door(), Grader(worth, cut_after)
    found = probe_own(grader, Replied.of(examples, *sides), door)  # type: ignore[arg-type]
    return found, door.warned, grader


def right(text: str, reply: str) -> float:
    """A good judge: whether the reply has the input's number, once."""
    return float(re.findall(r"\d+", reply)[:1] == [text])


def long(text: str, reply: str) -> float:
    return min(1.0, len(reply) / 1000)


def fancy(text: str, reply: str) -> float:
    return 0.5 + 0.5 * ("**" in reply)


def plain(at: int) -> str:
    return f"It is {at}."


def test_a_good_judge_is_not_complained_of() -> None:
    found, said, grader = probed(right, plain, lambda at: f"Gladly: it is {at}.")
    assert said == []
    assert [(each.whose, each.found.name) for each in found[:3]] == [
        ("start", "elsewhere"), ("winner", "elsewhere"), ("start", "padding"),
    ]  # fmt: skip
    assert all(each.told_apart for each in found[:2])
    assert not any(each.fooled for each in found)
    assert grader.asked == len(found) * ITEMS == 8 * ITEMS


def test_a_judge_that_likes_headings_is_told_of_with_what_the_winner_gains() -> None:
    found, said, _ = probed(fancy, plain, lambda at: f"**It is {at}.**")
    assert [f"{each.found.name} {each.whose}" for each in found if each.fooled] == ["formatting start"]
    assert said == [
        "the judge is taken in: the same reply with headings and bold, made of the start's replies, is worth 1.00 to "
        "it, the plain ones 0.50 and the winner's 1.00"
    ]
    assert with_own(None, found)["failed"] == ["formatting on the start's replies"]  # type: ignore[index]


def test_a_winner_that_pleases_whatever_is_asked_is_told_of_where_the_start_does_not() -> None:
    def flattered(text: str, reply: str) -> float:
        return 1.0 if "Wonderful" in reply else 0.8 * right(text, reply)

    _, said, _ = probed(flattered, plain, lambda at: f"Wonderful question {at}! I am so happy to help.")
    assert len(said) == 1
    assert said[0].startswith("the winner's replies please the judge whatever was asked")
    # One reply to all: there is no other one to be put in its place.
    _, said, _ = probed(flattered, plain, lambda _: "Wonderful!")
    assert said[0].startswith("the winner's replies please the judge whatever was asked")
    # By criteria of manners alone the start's please elsewhere too, and nothing is said of it.
    _, said, _ = probed(lambda _, reply: float("It" in reply), plain, lambda at: f"It: Wonderful {at}")
    assert said == []


def test_a_gain_of_length_alone_is_told_of() -> None:
    def winner(at: int) -> str:
        return f"It is {at}{',' * (at % 2)}" if at < 15 else f"It is {at}. " + "Indeed it is. " * 60

    _, said, _ = probed(lambda _, reply: float(len(reply) > 100), plain, winner)
    assert any("on the 15 items where both are of about one length the judge's gain is +0.00" in each for each in said)
    _, said, _ = probed(long, plain, lambda at: f"It is {at}. " + "Indeed it is. " * 60)
    assert any("hardly two of them are of one length" in each for each in said)
    # Short replies may have a word more.
    _, said, _ = probed(lambda text, reply: right(text, reply) * (0.5 + ("Sir" in reply) / 2), plain,
                        lambda at: f"It is {at}, Sir.")  # fmt: skip
    assert said == []


@pytest.mark.parametrize("items", [0, 9])
def test_few_items_show_nothing_and_cost_nothing(items: int) -> None:
    found, said, grader = probed(fancy, plain, lambda at: f"**{at}**", items)
    assert (found, said, grader.asked) == ((), [], 0)


def test_a_budget_that_ends_keeps_what_was_found_and_says_so() -> None:
    found, said, _ = probed(fancy, plain, lambda at: f"**{at}**", cut_after=3 * ITEMS)
    assert [each.found.name for each in found] == ["elsewhere", "elsewhere", "padding"]
    assert said == [
        "the probes of the judge on the replies of start and winner were cut short (100 calls are spent); `promptopt "
        "judges check` makes those on the start's"
    ]


def test_replies_without_a_word_or_without_a_score_are_left_out() -> None:
    examples = [Example.of(text=str(number)) for number in range(4)]
    before = [Score(0.5, "a"), Score(0.0, ""), Score(0.5, "a", judged=False), Score(0.5, "<think>hm")]
    kept = Replied.of(examples, before, [Score(0.5, "b")] * 4)
    assert [example["text"] for example in kept.examples] == ["0"]


def test_a_failed_probe_makes_no_judge_calibrated() -> None:
    found, _, _ = probed(fancy, plain, lambda at: f"**{at}**")
    known = {"status": "calibrated", "failed": [], "measure": "kappa", "value": 0.7}
    held = with_own(known, found)
    assert held is not None
    assert (held["status"], held["value"], len(held["own"])) == ("weak", 0.7, 8)
    assert with_own(known, ()) is known
    assert with_own(None, ()) is None


# In a run


@dataclass(frozen=True)
class Two:
    """Compares the start with one other."""

    def optimize(self, run: Run) -> None:
        """Search."""
        child = run.initial.replace("instruction", "Answer in bold.")
        run.evaluate([run.initial, *run.admit([Proposal(child)])], run.train)


def bot(request: Request) -> str:
    text = str(request.content[0].content)  # type: ignore[union-attr]
    return f"**It is {text.split()[-1]}.**" if "bold" in text else f"It is {text.split()[-1]}."


def judge(request: Request) -> str:
    reply = str(request.content[0].content).rpartition("<<<reply ")[2]  # type: ignore[union-attr]
    return json.dumps({"reason": "so", "score": 5 if "**" in reply else 3})


@pytest.mark.slow
@pytest.mark.parametrize("cap", [None, 300])
def test_a_run_that_ends_in_a_judges_word_says_what_it_is_taken_in_by(tmp_path: object, cap: int | None) -> None:
    examples = [Example.of(text=f"question {number}") for number in range(100)]
    task = Task.from_examples(examples, prompt="Answer.", layout=JUDGED, metric="contains")
    players = Models(Scripted(bot, name="bot"), Scripted("x", name="writer"), Scripted(judge, name="judge"))

    def searched() -> object:
        budget = None if cap is None else Budget(calls=cap)
        return optimize(task, Two(), model=players, evaluator=Rubric(task), store=f"{tmp_path}/s.db", budget=budget)

    result = searched()
    assert result.basis == "judge"  # type: ignore[attr-defined]
    assert result.best.prompt["instruction"] == "Answer in bold."  # type: ignore[attr-defined]
    said = [each for each in result.warnings if "taken in" in each or "cut short" in each]  # type: ignore[attr-defined]
    assert said
    if cap is not None:
        assert result.spent.calls <= cap  # type: ignore[attr-defined]
        return
    assert "(formatting on the start's replies; `promptopt judges check`)" in str(result)
    again = searched()
    assert (again.paid.calls, again.warnings) == (0, result.warnings)  # type: ignore[attr-defined]
