"""What a rule tells of played conversations, and how sure a scenario is to pass again."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from statistics import fmean

import pytest
from fake_task import FakeAsk

from promptopt.errors import ConfigError
from promptopt.evaluators.simulated import Simulated
from promptopt.evaluators.talk_figures import DRAWS, ENDED, PASSED, REPEATED, TOOL_CALLS, TURNS, asked_again, joined
from promptopt.outcome.conversations import Conversations, conversations_in, pass_hat
from promptopt.tasks import Layout, Task, scenario
from promptopt.types import Cell, Message, Prompt, Request, Score

CHAT = Layout("chat", messages=(("system", "{instruction}"), ("user", "{history}")))


def kind_of(request: Request) -> str:
    content = request.content
    assert not isinstance(content, str)
    if request.schema:
        return "kept" if "answers" in request.schema else "score"
    return "user" if "part of a customer" in content[0].content else "task"


def door(scores: list[int], *, bot: str = "Which order is it?") -> FakeAsk:
    """Users who are another one each time, and a judge of so many conversations."""
    drawn, given = itertools.count(), itertools.cycle(scores)

    def answer(request: Request) -> str:
        kind = kind_of(request)
        if kind == "user":
            return (
                f"It is the one of day {next(drawn)}." if "<<<assistant" not in str(request.content) else "Bye. [END]"
            )
        if kind == "kept":
            return json.dumps({"answers": {"1": "yes"}})
        return json.dumps({"score": next(given)}) if kind == "score" else bot

    return FakeAsk(answer)


def task_of(count: int = 2) -> Task:
    given = tuple(scenario(f"cancel order {number}") for number in range(count))
    return Task("chats", Prompt.of("Be kind."), (CHAT,), train=given, judge={"simulated": {}})


def played(asked: FakeAsk, task: Task, **settings: object) -> list[Score]:
    evaluator = Simulated(task, **settings)  # type: ignore[arg-type]
    return evaluator.score([Cell(task.initial, example) for example in task.train], asked)


def test_a_scenario_is_played_several_times_and_counts_once() -> None:
    asked = door([5, 5, 5, 2, 5, 2, 2, 2])
    task = task_of()
    scores = played(asked, task, draws=4)
    assert [score.value for score in scores] == [pytest.approx(0.85), pytest.approx(0.55)]
    first, second = (dict(score.parts) for score in scores)
    assert (first[DRAWS], first[PASSED], second[PASSED]) == (4.0, 3.0, 1.0)
    assert (first[TURNS], first[ENDED], first[REPEATED], first[TOOL_CALLS]) == (2.0, 1.0, 1.0, 0.0)
    users = [(request, repetition) for request, role, repetition in asked.asked if role == "user"]
    assert {request.sampling.temperature for request, _ in users} == {1.0}
    assert {repetition for _, repetition in users} == {0, 100, 200, 300}
    found = conversations_in(scores)
    assert found is not None
    assert found.pass_hat == (0.5, pytest.approx(0.25), pytest.approx(0.125), 0.0)
    assert found.sentence() == (
        "2.0 messages of the user, 100 % ended by the user, 1.0 questions asked again; passes 1 of 1: 0.500 (95 % "
        "0.068 to 0.932), 2 of 2: 0.250 (95 % 0.006 to 0.888), 3 of 3: 0.125 (95 % 0.003 to 0.863), 4 of 4: 0.000 "
        "(95 % 0.000 to 0.658)"
    )
    assert Conversations.from_json(found.to_json()) == found
    # What is worth less than all may be enough.
    assert dict(played(door([5, 4, 4, 2]), task_of(1), draws=4, passes=0.8)[0].parts)[PASSED] == 3.0


def test_what_is_played_once_is_asked_and_keyed_as_before() -> None:
    asked = door([4])
    scores = played(asked, task_of(1))
    assert {request.sampling.temperature for request, role, _ in asked.asked if role == "user"} == {0.0}
    assert DRAWS not in dict(scores[0].parts)
    once, often = Simulated(task_of()), Simulated(task_of(), draws=3)
    assert "draws" not in once.fingerprint()
    assert once.fingerprint() != often.fingerprint()
    assert (often.calls_per_cell, often.judge_calls) == (3 * once.calls_per_cell, 3 * once.judge_calls)
    found = conversations_in(scores)
    assert found is not None
    assert found.pass_hat == ()
    assert "pass" not in found.sentence()
    assert conversations_in([Score(1.0)]) is None


@pytest.mark.parametrize("settings", [{"draws": 0}, {"draws": 21}, {"passes": 0.0}, {"passes": 1.1}])
def test_draws_and_the_bar_have_ranges(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="give draws from 1 to 20, and passes above 0 and up to 1"):
        played(door([5]), task_of(1), **settings)


def test_draws_that_are_left_out_for_their_users_leave_the_others() -> None:
    good, lost = Score(1.0, parts=((TURNS, 2.0),)), Score(0.0, feedback="drifted", judged=False)
    assert dict(joined([good, lost, good], 1.0).parts) == {TURNS: 2.0, DRAWS: 2.0, PASSED: 2.0}
    # Half is not enough.
    assert joined([good, lost], 1.0) == lost
    assert pass_hat([(2, 2), (4, 2)]) == (0.75, pytest.approx((1.0 + 1 / 6) / 2), 0.0, 0.0)
    assert pass_hat([]) == ()


def test_the_chance_that_all_of_k_draws_pass_is_estimated_without_bias() -> None:
    rng = random.Random(7)
    truth = [rng.random() for _ in range(40)]
    for k in (1, 2, 3):
        found = fmean(
            pass_hat([(4, sum(rng.random() < share for _ in range(4))) for share in truth])[k - 1] for _ in range(400)
        )
        assert found == pytest.approx(fmean(share**k for share in truth), abs=0.01)


def drawn_scores(passed: Sequence[int], draws: int) -> list[Score]:
    parts = {TURNS: 1.0, ENDED: 1.0, REPEATED: 0.0, TOOL_CALLS: 0.0, DRAWS: float(draws)}
    return [Score(1.0, parts=(*parts.items(), (PASSED, float(count)))) for count in passed]


@pytest.mark.parametrize("of_one_user", [1, 5])
def test_the_interval_of_that_chance_holds_it_by_scenario_and_by_group(of_one_user: int) -> None:
    rng = random.Random(11)
    held = [0, 0, 0]
    # Whoever is served well is so in each of their scenarios.
    for _ in range(200):
        shares = [rng.choice((0.2, 0.9)) for _ in range(60 // of_one_user)]
        users = [user for user in range(len(shares)) for _ in range(of_one_user)]
        passed = [sum(rng.random() < shares[user] for _ in range(3)) for user in users]
        found = conversations_in(drawn_scores(passed, 3), [f"user {user}" for user in users])
        assert found is not None
        for k, (low, high) in enumerate(found.pass_hat_ci95, 1):
            held[k - 1] += low <= (0.2**k + 0.9**k) / 2 <= high
    assert min(held) >= 0.93 * 200


def test_runs_that_were_kept_without_that_interval_are_read() -> None:
    kept = {"turns": 1.0, "ended": 1.0, "repeated_questions": 0.0, "tool_calls": 0.0, "pass_hat": [0.5]}
    found = Conversations.from_json(kept)
    assert found.to_json() == kept
    assert found.sentence().endswith("passes 1 of 1: 0.500")


def test_a_question_counts_as_asked_again_word_for_word_in_a_later_message() -> None:
    def said(*texts: str) -> list[Message]:
        return [Message("assistant", text) for text in texts]

    assert asked_again(said("Hello. What is your order number?", "I see. WHAT is your  order number?")) == 1
    assert asked_again(said("What is your order number?", "What is your name, please?")) == 0
    assert asked_again(said("Really, now?", "Really, now?")) == 0
    assert asked_again(said("What is it for? What is it for?")) == 0
    assert asked_again(said(*["Wie lautet Ihre Nummer?"] * 3)) == 2
