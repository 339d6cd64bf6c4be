"""Conversations with simulated users: how they go, how they end, what they are worth, what has no score."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from fake_task import FakeAsk

from promptopt.errors import BudgetSpent, ConfigError, CutShort
from promptopt.evaluators.simulated import COHORT, Simulated
from promptopt.protocols import Judging, Role, Simulating
from promptopt.tasks import Layout, Task, scenario
from promptopt.types import Cell, Example, Message, Prompt, Reply, Request, Sampling, Score

CHAT = Layout("chat", messages=(("system", "{instruction}"), ("user", "{history}")))
Said = str | Reply
YES, NO = (json.dumps({"reason": "so", "answers": {"1": each}}) for each in ("yes", "no"))


def task_of(*scenarios: Example, judge: dict[str, object] | None = None, metric: object = "contains") -> Task:
    given = scenarios or tuple(scenario(f"cancel order {number}") for number in range(6))
    return Task(
        "chats", Prompt.of("You are the assistant."), (CHAT,), train=given, metric=metric,  # type: ignore[arg-type]
        judge={"simulated": {}} if judge is None else judge,
    )  # fmt: skip


def kind_of(request: Request) -> Role:
    if request.schema:
        return "judge"
    content = request.content
    assert not isinstance(content, str)
    return "user" if "part of a customer" in content[0].content else "task"


def turn_of(request: Request) -> int:
    """Which message of the user is asked for, or answered, from 1 on."""
    roles = [message.role for message in request.content]  # type: ignore[union-attr]
    return str(request.content).count("<<<assistant") + 1 if kind_of(request) == "user" else roles.count("user")


def ask(
    user: Callable[[Request], Said] | str = "I want that.",
    bot: Callable[[Request], Said] | str = "Here it is.",
    kept: Callable[[Request], Said] | str = YES,
    score: str = '{"score": 4}',
) -> FakeAsk:
    """Each says what it is told to; the judge `kept` of users, and `score` of conversations."""

    def answer(request: Request) -> Said:
        said = {"user": user, "task": bot, "judge": kept if "answers" in request.schema else score}[kind_of(request)]
        return said(request) if callable(said) else said

    return FakeAsk(answer)


def played(door: FakeAsk, task: Task | None = None, **settings: object) -> list[Score]:
    chosen = task_of() if task is None else task
    evaluator = Simulated(chosen, **settings)  # type: ignore[arg-type]
    return evaluator.score([Cell(chosen.initial, example) for example in chosen.train], door)


def counts(door: FakeAsk) -> dict[str, int]:
    roles = [role for _, role, _ in door.asked]
    return {role: roles.count(role) for role in dict.fromkeys(roles)}  # type: ignore[misc]


def test_a_user_who_never_stops_is_cut_at_the_limit_of_turns() -> None:
    door = ask()
    scores = played(door, task_of(scenario("cancel")), turns=3)
    assert counts(door) == {"user": 3, "task": 3, "judge": 2}
    assert (scores[0].value, scores[0].judged) == (0.8, True)
    assert "not come to an end after 3 turns" in scores[0].feedback


def test_a_user_who_says_goodbye_is_answered_once_more() -> None:
    door = ask(lambda request: "Thanks. [END]" if turn_of(request) == 3 else "Go on.")
    (score,) = played(door, task_of(scenario("cancel")), turns=4)
    assert counts(door) == {"user": 3, "task": 3, "judge": 2}
    assert "[END]" not in score.output
    assert score.output.endswith("user: Thanks.\n\nassistant: Here it is.")
    assert "not come to an end" not in score.feedback


def test_a_user_who_only_leaves_is_not_answered() -> None:
    door = ask(lambda request: "[END]" if turn_of(request) == 2 else "Go on.")
    played(door, task_of(scenario("cancel")), turns=4)
    assert counts(door) == {"user": 2, "task": 1, "judge": 2}


def test_all_conversations_go_on_a_turn_at_a_time() -> None:
    batches: list[tuple[Role, int]] = []
    door = ask(lambda request: "Bye. [END]" if turn_of(request) == 2 else "Hello.")

    class Batched:
        warn, score, can_score = door.warn, door.score, door.can_score

        def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
            batches.append((role, len(requests)))
            return door(requests, role=role, repetition=repetition)

    chosen = task_of()
    Simulated(chosen).score([Cell(chosen.initial, example) for example in chosen.train], Batched())
    assert [each for each in batches if each[1]] == [("user", 6), ("task", 6)] * 2 + [("judge", 6)] * 2


def test_the_prompt_under_search_is_the_system_message_and_sees_no_scenario() -> None:
    door = ask()
    played(door, task_of(scenario("a secret goal", facts="a secret fact", persona="a secret persona")), turns=2)
    for request, role, _ in door.asked:
        if role == "task":
            assert request.content[0] == Message("system", "You are the assistant.")  # type: ignore[index]
            assert "secret" not in str(request.content)
            assert request.shared == len("You are the assistant.")


def test_an_opening_is_the_first_message_and_costs_no_call() -> None:
    door = ask()
    (score,) = played(door, task_of(scenario("cancel", opening="Hi, it is me.")), turns=1)
    assert counts(door) == {"task": 1, "judge": 2}
    assert score.output.startswith("user: Hi, it is me.")


def test_both_prompts_meet_the_same_scenario_and_draw() -> None:
    door, chosen = ask(), task_of(scenario("cancel"))
    cells = [Cell(prompt, chosen.train[0], 3) for prompt in (chosen.initial, Prompt.of("Be kind."))]
    Simulated(chosen, turns=2).score(cells, door)
    first, other = [request for request, role, _ in door.asked if role == "user"][:2]
    assert first == other
    # And each of them answers in its own words.
    assert [request.content[0] for request, role, _ in door.asked if role == "task"][:2] == [
        Message("system", "You are the assistant."), Message("system", "Be kind."),
    ]  # type: ignore[index]  # fmt: skip
    assert {repetition for _, role, repetition in door.asked if role != "judge"} == {3}


# What is the user's fault


@pytest.mark.parametrize("said", ["", "  \n", "Assistant: how can I help?", Reply("I wa", "length"), "<think>hm"])
def test_a_user_without_a_message_is_asked_once_again_and_then_the_conversation_has_no_score(said: Said) -> None:
    door = ask(lambda request: said if turn_of(request) == 2 else "Hello.")
    (score,) = played(door, task_of(scenario("cancel")), turns=4)
    assert (score.judged, score.parsed) == (False, False)
    assert score.feedback.startswith("the simulated user failed")
    assert counts(door) == {"user": 3, "task": 1}


def test_a_user_who_speaks_the_second_time_goes_on() -> None:
    door = ask(lambda request: "Go on." if "no reply of" in str(request.content) else "")
    (score,) = played(door, task_of(scenario("cancel")), turns=2)
    assert score.judged
    assert counts(door) == {"user": 4, "task": 2, "judge": 2}


def test_a_user_who_ends_before_a_word_has_not_played() -> None:
    door = ask("[END]")
    (score,) = played(door, task_of(scenario("cancel")))
    assert not score.judged
    assert "before it began" in score.feedback
    assert counts(door) == {"user": 2}


def test_a_user_who_left_the_scenario_costs_the_conversation_its_score_and_no_grade_is_asked() -> None:
    door = ask(kept=lambda request: NO if "order 2" in str(request.content) else YES)
    scores = played(door)
    assert [score.judged for score in scores] == [True, True, False, True, True, True]
    assert scores[2].feedback == "the simulated user did not keep to the scenario: so"
    assert counts(door)["judge"] == 6 + 5


def test_a_check_of_the_user_that_cannot_be_read_is_asked_again_and_then_is_no_score() -> None:
    door = ask(kept="Well, mostly.")
    (score,) = played(door, task_of(scenario("cancel")), turns=1)
    assert not score.judged
    assert "could not be read" in score.feedback
    assert counts(door)["judge"] == 2


def test_a_user_in_a_loop_is_told_of_and_still_counts() -> None:
    door = ask("I want that.", lambda request: f"Here is {turn_of(request)}.")
    (score,) = played(door, task_of(scenario("cancel")), turns=3)
    assert score.judged
    assert "the user said one thing 3 times or more" in score.feedback
    assert door.warned == [
        "in a simulated conversation the user said one thing 3 times or more, whatever was replied; have another model "
        "play the users"
    ]


def test_users_who_drift_often_are_told_of_once() -> None:
    many = task_of(*(scenario(f"goal {number}") for number in range(45)))
    door = ask(kept=lambda request: NO if "goal 1" in str(request.content) else YES)
    played(door, many, turns=1, by="metric")
    assert len(door.warned) == 1
    assert door.warned[0].startswith("11 of the first 20 simulated conversations are left out")
    steady = ask(kept=lambda request: NO if "goal 19" in str(request.content) else YES)
    played(steady, many, turns=1, by="metric")
    assert steady.warned == []


def test_a_scenario_under_many_prompts_is_one_of_those_whose_users_drift() -> None:
    many = task_of(*(scenario(f"goal {number}") for number in range(45)))
    prompts = [Prompt.of(f"Be kind, {number}.") for number in range(30)]
    evaluator = Simulated(many, turns=1, by="metric")
    door = ask(kept=lambda request: NO if "goal 0" in str(request.content) else YES)
    # A step scores the first example under all prompts before the next one: 30 of the first 30, and one of 20.
    evaluator.score([Cell(prompt, many.train[0]) for prompt in prompts], door)
    evaluator.score([Cell(prompts[0], example) for example in many.train], door)
    assert door.warned == []


# What is the assistant's


@pytest.mark.parametrize("said", ["", "<think>for ever", Reply("", "refusal"), Reply("", "rejected")])
def test_an_assistant_that_says_nothing_ends_the_conversation_at_nothing(said: Said) -> None:
    door = ask(bot=lambda request: said if turn_of(request) == 2 else "Go on.")
    (score,) = played(door, task_of(scenario("cancel")), turns=4)
    assert (score.value, score.judged, score.parsed) == (0.0, True, False)
    assert score.feedback.startswith("turn 2: ")
    assert counts(door) == {"user": 2, "task": 2}


def test_thoughts_of_the_assistant_are_not_sent_back_to_it() -> None:
    door = ask(bot="<think>they are angry</think>Sorry.")
    (score,) = played(door, task_of(scenario("cancel")), turns=2)
    assert "angry" not in score.output
    assert all("angry" not in str(request.content) for request, _, _ in door.asked)


# What it is worth


def test_a_judge_is_shown_the_scenario_and_the_whole_conversation() -> None:
    door = ask()
    judge = {"rubric": {"criteria": "Is it kind?"}, "simulated": {"by": "rubric"}}
    chosen = task_of(scenario("cancel order 7", target="it is cancelled"), judge=judge)
    Simulated.for_task(chosen).score([Cell(chosen.initial, chosen.train[0])], door)
    text = str([request for request, role, _ in door.asked if role == "judge"][-1].content)
    places = [
        text.index(each) for each in ("Is it kind?", "goal: cancel order 7", "it is cancelled", "assistant: Here")
    ]
    assert places == sorted(places)
    assert "You are the assistant." not in text


@pytest.mark.parametrize("by", ["checklist", "panel", "weighted"])
def test_other_judges_score_conversations_too(by: str) -> None:
    judge = {"simulated": {"by": by}, "checklist": {"items": ("Is it done?",)}, "panel": {"size": 2}}
    chosen = task_of(scenario("cancel"), judge=judge)
    evaluator = Simulated.for_task(chosen)
    (score,) = evaluator.score([Cell(chosen.initial, chosen.train[0])], ask())
    assert score.judged
    assert isinstance(evaluator, Judging)
    assert evaluator.judges


def test_a_metric_reads_what_the_assistant_said_and_is_given_the_conversation() -> None:
    seen: list[tuple[str, tuple[Message, ...]]] = []

    def metric(answer: str, example: Example) -> float:
        seen.append((answer, example.messages))
        return float(example.target in answer)

    # The user says the word, and that is not enough.
    chosen = task_of(scenario("cancel", target="cancelled"), metric=metric)
    (score,) = played(ask("Is it cancelled?", "It is."), chosen, turns=2, by="metric")
    assert (score.value, score.judged) == (0.0, True)
    assert seen[0][0] == "It is.\n\nIt is."
    assert [message.content for message in seen[0][1]] == ["Is it cancelled?", "It is."] * 2
    (score,) = played(ask("Well?", "It is cancelled."), chosen, turns=2, by="metric")
    assert score.value == 1.0
    assert Simulated(chosen, by="metric").judges == ()


# Limits, and what does not fit


def test_a_limit_keeps_the_conversations_that_were_scored_before() -> None:
    many = task_of(*(scenario(f"goal {number}") for number in range(COHORT + 3)))

    def stop(request: Request) -> Said:
        if f"goal {COHORT + 1}" in str(request.content):
            raise BudgetSpent("10 tokens are spent")
        return "Hello."

    with pytest.raises(CutShort, match="10 tokens are spent") as cut:
        played(ask(stop), many, turns=1)
    assert list(cut.value.scores) == list(range(COHORT))


@pytest.mark.parametrize("turns", [1, 2, 5])
def test_the_calls_of_a_cell_are_bounded_whatever_the_models_say(turns: int) -> None:
    worst = ask(user=lambda request: "Go on." if "no reply of" in str(request.content) else "", score="prose")
    played(worst, task_of(scenario("cancel")), turns=turns)
    assert len(worst.asked) == Simulated(task_of(), turns=turns).calls_per_cell - 1  # the check is read at once


@pytest.mark.parametrize(
    ("settings", "said"), [({"turns": 0}, "0 turns"), ({"by": "versus"}, "'versus'"), ({"by": "loss"}, "'loss'")]
)
def test_what_cannot_be_played_is_refused_at_once(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Simulated(task_of(), **settings)  # type: ignore[arg-type]


def test_examples_that_are_no_scenarios_are_refused_before_a_call() -> None:
    layout = Layout("plain", text="{instruction} {text}")
    chosen = Task("plain", Prompt.of("Answer."), (layout,), train=(Example.of("b", text="a"),))
    door = ask()
    with pytest.raises(ConfigError, match="needs scenarios"):
        Simulated(chosen).score([Cell(chosen.initial, chosen.train[0])], door)
    assert door.asked == []


def test_who_plays_and_for_how_long_is_part_of_what_is_measured() -> None:
    chosen = task_of()
    prints = [json.dumps(Simulated(chosen, **each).fingerprint()) for each in ({}, {"turns": 2}, {"by": "metric"})]  # type: ignore[arg-type]
    assert len(set(prints)) == 3
    assert isinstance(Simulated(chosen), Simulating)


def test_a_sampled_task_model_is_drawn_anew_in_another_repetition() -> None:
    chosen = replace(task_of(scenario("cancel")), sampling=Sampling(temperature=1.0))
    door = ask()
    cells = [Cell(chosen.initial, chosen.train[0], repetition) for repetition in (0, 1)]
    assert len(Simulated(chosen, turns=1).score(cells, door)) == 2
    assert [repetition for _, role, repetition in door.asked if role == "task"] == [0, 1]


def test_a_layout_of_one_message_shows_the_conversation_so_far_as_a_text() -> None:
    one = Layout("one", messages=(("user", "{instruction}\n\n{history}\n\nassistant:"),))
    chosen = replace(task_of(scenario("a secret goal")), layouts=(CHAT, one)).with_layout("one")
    door = ask(lambda request: f"message {turn_of(request)}")
    Simulated(chosen, turns=2, by="metric").score([Cell(chosen.initial, chosen.train[0])], door)
    sent = [str(request.content[0].content) for request, role, _ in door.asked if role == "task"]  # type: ignore[union-attr]
    assert "message 1" in sent[0]
    assert "user: message 1\n\nassistant: Here it is.\n\nuser: message 2" in sent[1]
    assert not any("secret" in text for text in sent)
