"""Floors in a search: what a candidate is worth that loses on one of several tasks, and where that is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.suite import several_tasks
from promptopt.models.scripted import Scripted
from promptopt.outcome.members import Floor, MemberGain, within_floors
from promptopt.outcome.result import Result
from promptopt.protocols import MemberFloor
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.floors import Shortfalls, shortfalls_of
from promptopt.tasks import Splits, Task
from promptopt.types import Example, Proposal, Request, Score, mean_of

LOSES_A, GAINS_B, BOTH = "Say less.", "Say more.", "Say it all."


def task(name: str, count: int = 280) -> Task:
    examples = [Example.of("yes", text=f"{name} {number}.") for number in range(count)]
    return Task.from_examples(examples, prompt=f"Do {name}.", name=name, splits=Splits(20, 20, count - 40))


def suite(objective: str = "floors", **more: Any) -> Task:
    return several_tasks([task("a"), task("b")], objective=objective, floor=0.1, **more)


def answer(request: Request) -> str:
    """The start is right on all of a and on half of b."""
    content = request.content
    assert not isinstance(content, str)
    system, asked = content[0].content, content[1].content
    number = int(asked.partition("Text: ")[2].split()[1].rstrip("."))
    if "Do a." in asked:
        return "no" if system in (LOSES_A, BOTH) and number % 3 == 0 else "yes"
    return "yes" if number % 2 or system in (GAINS_B, BOTH) else "no"


class Shown:
    """What a search is told of candidates on the examples of one look."""

    def __init__(self, *texts: str, few: int = 40) -> None:
        self.texts, self.few, self.told = texts, few, dict[str, Any]()

    def optimize(self, run: Run) -> None:
        examples = run.train[: self.few]
        prompts = run.admit([Proposal(run.initial.replace("instruction", text)) for text in self.texts])
        matrix = run.evaluate(prompts, examples)
        belief = run.posterior(prompts).mean
        for prompt in prompts:
            self.told[prompt["instruction"]] = {
                "mean": matrix.means()[prompt],
                "estimate": run.estimate(prompt, examples).mean,
                "right": [score.value >= 1.0 for score in matrix[prompt]],
                "belief": belief[prompt],
                "evaluations": run.spent.evaluations,
            }
        self.told["ranked"] = [each.prompt["instruction"] for each in run.ranked()]


def searched(method: Any, whole: Task, folder: Path, evaluations: int = 1500) -> Result:
    return optimize(
        whole, method, model=Scripted(answer), budget=Budget(evaluations=evaluations), store=folder / "s.db"
    )


def plain_mean(text: str, whole: Task, few: int = 40) -> tuple[float, float]:
    """The mean of a prompt on the first training examples, and its loss on those of a."""
    prompt = whole.initial.replace("instruction", text)
    right = {
        example: answer(Request(whole.render(prompt, example)[0], whole.sampling)) == "yes"
        for example in whole.train[:few]
    }
    of_a = [value for example, value in right.items() if example.slice == "a"]
    return sum(right.values()) / len(right), 1 - sum(of_a) / len(of_a)


def test_a_search_is_told_the_mean_less_ten_times_what_a_task_lost_beyond_its_floor(tmp_path: Path) -> None:
    method, whole = Shown(LOSES_A, GAINS_B, BOTH), suite()
    searched(method, whole, tmp_path)

    for text in (LOSES_A, BOTH):
        mean, loss = plain_mean(text, whole)
        assert loss > 0.1
        assert method.told[text]["mean"] == pytest.approx(mean - 10 * (loss - 0.1))
        assert method.told[text]["estimate"] == pytest.approx(method.told[text]["mean"])
        # What was right is told as right: a method that learns from mistakes sees no others.
        assert sum(method.told[text]["right"]) == round(mean * 40)
    assert method.told[GAINS_B]["mean"] == plain_mean(GAINS_B, whole)[0]


def test_whatever_ranks_goes_by_floors(tmp_path: Path) -> None:
    held, mean = Shown(LOSES_A, GAINS_B, BOTH), Shown(LOSES_A, GAINS_B, BOTH)
    searched(held, suite(), tmp_path)
    searched(mean, suite("mean"), tmp_path)

    assert held.told["ranked"][0] == GAINS_B
    assert held.told["ranked"].index(BOTH) > held.told["ranked"].index("You are a helpful assistant.")
    # Drawn towards the start, as the whole is, and yet below what does not lose.
    assert held.told[BOTH]["belief"] < held.told[GAINS_B]["belief"]
    assert mean.told[BOTH]["belief"] > mean.told[GAINS_B]["belief"] - 0.2
    assert held.told[BOTH]["belief"] < mean.told[BOTH]["belief"] - 0.05


def test_the_start_is_scored_on_what_a_candidate_is_and_where_no_floors_are_asked_for_on_nothing(
    tmp_path: Path,
) -> None:
    held, mean = Shown(BOTH), Shown(BOTH)
    searched(held, suite(), tmp_path)
    searched(mean, suite("mean"), tmp_path)

    assert held.told[BOTH]["evaluations"] == 80
    assert mean.told[BOTH]["evaluations"] == 40


class OnItsOwn(Shown):
    """Scores each candidate on an example of its own."""

    def optimize(self, run: Run) -> None:
        prompts = run.admit([Proposal(run.initial.replace("instruction", text)) for text in self.texts])
        run.evaluate_each(list(zip(prompts, run.train, strict=False)))
        self.told["evaluations"] = run.spent.evaluations


@pytest.mark.parametrize(("objective", "each"), [("floors", 2), ("mean", 1)])
def test_so_it_is_where_each_candidate_has_an_example_of_its_own(tmp_path: Path, objective: str, each: int) -> None:
    method = OnItsOwn(GAINS_B, BOTH)
    searched(method, suite(objective), tmp_path)
    assert method.told["evaluations"] == 2 * each


def test_a_start_is_worth_its_mean_and_weights_count(tmp_path: Path) -> None:
    whole = suite(weights=(2, 1))
    method = Shown(BOTH, few=30)
    searched(method, whole, tmp_path)

    mean, loss = plain_mean(BOTH, whole, 30)
    assert [each.slice for each in whole.train[:30]].count("a") == 20
    assert method.told[BOTH]["mean"] == pytest.approx(mean - 10 * (loss - 0.1))


def test_a_winner_that_breaks_a_floor_is_not_better(tmp_path: Path) -> None:
    result = searched(Shown(BOTH), suite("mean"), tmp_path)
    assert result.verdict == "better"
    assert [each.floor and each.floor.held for each in result.members] == ["broken", "held"]

    # The final choice goes by floors as the search does.
    held = searched(Shown(BOTH), suite(), tmp_path)
    assert held.best.prompt == held.start.prompt


def test_what_is_better_in_the_mean_is_not_better_where_a_floor_is_not_held(tmp_path: Path) -> None:
    """On train and dev nothing is lost, so that the search cannot know."""
    unseen = {f"a {number}." for number in range(280)}
    for example in suite().train + suite().dev:
        unseen.discard(example.source["text"] if example.source else "")

    def later(request: Request) -> str:
        asked = request.content[1].content.partition("Text: ")[2].partition("\n")[0]  # type: ignore[union-attr]
        right = answer(request)
        return right if "Do b." in request.content[1].content or asked in unseen else "yes"  # type: ignore[union-attr]

    def verdict_of(objective: str) -> Result:
        return optimize(suite(objective), Shown(BOTH), model=Scripted(later), budget=Budget(evaluations=1500),
                        store=tmp_path / f"{objective}.db")  # fmt: skip

    mean, floors = verdict_of("mean"), verdict_of("floors")
    assert (mean.best.prompt, mean.verdict) == (floors.best.prompt, "better")
    assert floors.verdict == "no_evidence"
    assert [each.floor and each.floor.held for each in floors.members] == ["broken", "held"]
    said = str(floors).partition("\n")[0]
    assert said.startswith("Keep your prompt: the best one found is better in the mean (")
    assert "but the floor of a (10 points) is broken (one-sided 95 %: " in said


def test_a_floor_that_no_test_example_is_of_is_not_held() -> None:
    held = MemberGain("a", 0.2, (0.1, 0.3), 40, Floor(0.1, "held", "+10.0 or more"))
    other = replace(held, task="b")
    assert within_floors("better", [held, other], suite()) == "better"
    assert within_floors("better", [held], suite()) == "no_evidence"
    assert within_floors("better", [held], suite("mean")) == "better"
    assert within_floors("worse", [held], suite()) == "worse"


def cells(*values: float, judged: bool = True) -> dict[str, Score]:
    return {f"e{place}": Score(value, judged=judged) for place, value in enumerate(values)}


def price(floors: Shortfalls, own: Mapping[str, Score], start: Mapping[str, Score], share: float = 1.0) -> float:
    """What the mean of the whole falls by, of cells of one task of that share."""
    shown = floors.shown(own, start)
    return share * sum(own[cell].value - shown[cell].value for cell in own) / len(own)


def test_a_loss_is_counted_on_shared_examples_that_tell_of_one() -> None:
    floors = Shortfalls({"a": MemberFloor(0.1, 0.5)}, {f"e{place}": "a" for place in range(4)})
    start = cells(1.0, 1.0)
    lost = cells(0.0, 1.0, 0.0, 0.0)

    assert price(floors, lost, start, 0.5) == pytest.approx(10 * (0.5 - 0.1))
    for own, first in (
        (cells(1.0, 1.0, 0.0, 0.0), start),
        (lost, cells(1.0, judged=False)),
        (cells(float("-inf"), 1.0), start),
        # What is won makes up for what is lost within a task.
        (cells(0.0, 1.0), cells(1.0, 0.0)),
    ):
        assert floors.shown(own, first) is own
    # A loss of just the margin is borne.
    borne = Shortfalls({"a": MemberFloor(0.5, 1.0)}, {"e0": "a", "e1": "a"})
    assert price(borne, cells(0.0, 1.0), start) == 0.0


def test_a_further_draw_counts_for_the_task_of_its_example_and_a_test_example_for_none() -> None:
    floors = Shortfalls({"a": MemberFloor(0.1, 1.0)}, {"e0": "a"})

    assert price(floors, {"e0/1": Score(0.0)}, {"e0/1": Score(1.0)}) == pytest.approx(9.0)
    assert price(floors, {"t": Score(0.0)}, {"t": Score(1.0)}) == 0.0


def test_dense_scores_bear_the_same_price() -> None:
    floors = Shortfalls({"a": MemberFloor(0.1, 1.0)}, {"e0": "a"})
    own = {"e0": Score(0.0, probability=0.4)}

    assert floors.shown(own, {"e0": Score(1.0)})["e0"].dense == pytest.approx(0.2 - 9.0)


def test_a_conversation_counts_once_in_a_floor_where_it_does_in_the_verdict() -> None:
    named = {f"e{place}": "a" for place in range(12)}
    groups = {"e0": "", "e1": "", **{f"e{place}": "long" for place in range(2, 12)}}
    turns, chats = (Shortfalls({"a": MemberFloor(0.1, 0.5)}, named, each) for each in (None, groups))
    start = cells(*[1.0] * 12)
    # One of twelve turns is a third of the conversations; ten of twelve turns are no more.
    short, long = cells(0.0, *[1.0] * 11), cells(1.0, 1.0, *[0.0] * 10)

    assert turns.shown(short, start) is short
    for own in (short, long):
        shown = chats.shown(own, start)
        values = [shown[f"e{place}"].value for place in range(12)]
        mean = mean_of(values, list(groups.values()), "conversation")
        assert mean == pytest.approx(2 / 3 - 10 * (1 / 3 - 0.1) / 0.5)


def test_it_is_the_task_that_says_what_counts_once() -> None:
    turns = suite()
    own = [each for each in turns.train if each.slice == "a"][:12]
    chats = [own[0], *(replace(each, group="long") for each in own[1:])]
    start = {each.id: Score(1.0) for each in chats}
    lost = {**start, chats[0].id: Score(0.0)}
    for whole, below in ((turns, False), (replace(turns, weigh="conversation"), True)):
        floors = shortfalls_of(whole, chats)
        assert floors is not None
        assert (floors.shown(lost, start)[chats[0].id].value < 0.0) == below
