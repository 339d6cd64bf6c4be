"""MetaSPO's loops: what a system prompt is worth, what is never scored, and what becomes of a task that fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.binding.suite import several_tasks
from promptopt.errors import EvaluatorError
from promptopt.optimizers.metaspo.method import MetaSPO
from promptopt.tasks import Splits, Task
from promptopt.types import Example, Prompt, Request
from tests.optimizers.test_metaspo import USER, both, both_alone, parts, read, search, writer


def ranked(task: Task) -> Callable[[str], int]:
    """The place of an example among those of its task in train, by what the user says."""
    places: dict[str, int] = {}
    for name in task.members:
        own = [each.source for each in task.train if task.member_of(each) == name]
        places |= {source["text"]: place for place, source in enumerate(own) if source is not None}

    def place(user: str) -> int:
        found = re.findall(r"Text: (.*)\nAnswer:", user)
        return places.get(found[-1], 99) if found else 99

    return place


def test_a_system_prompt_is_worth_the_mean_over_tasks_however_many_user_prompts_each_has(tmp_path: Path) -> None:
    """Of three user prompts and one, the mean of all four would take the new system prompt."""
    task = both()
    place = ranked(task)
    # Right of 8, by task: the incumbent's mean is (0.5 + 1) / 2, the other's (0.75 + 0.625) / 2.
    right = {"Answer.": {"a": 4, "b": 8}, "Answer the thing three.": {"a": 6, "b": 5}}

    def answer(request: Any) -> str:
        system, user = (message.content for message in request.content)
        name = "b" if "Text: b " in user else "a"
        return "yes" if place(user) < right[system][name] else "no"

    method = MetaSPO(preset="paper", rounds=1, users=2, kept=3, systems=1, examples=8)
    result, _, proposer = search(tmp_path, method, task, answer, writer("one", "two", "three"))

    # Task b has no failures, so it keeps its one user prompt.
    assert sum(USER in read(request) for request in proposer.log) == 4
    assert result.steps[0].kept[0]["instruction"] == "Answer."


def test_the_next_inner_loop_begins_at_the_user_prompt_that_is_best_under_the_new_system_prompt(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=2, users=1, systems=1, examples=8, kept=2)

    def answer(request: Any) -> str:
        system, user = (message.content for message in request.content)
        number = int(re.findall(r"\d+", user)[-1])
        if "three" in system:
            return "yes" if "Do " in user and number % 4 else "no"
        return "yes" if "one" in user and number % 2 else "no"

    words = ("one", "one", "three", "four", "five", "six")
    _, _, proposer = search(tmp_path, method, both(), answer, writer(*words))
    asked = [read(request) for request in proposer.log if USER in read(request) and "<critique>" in read(request)]
    second = [text for text in asked if '"""\nAnswer the thing three.\n"""' in text]

    assert len(second) == 2
    assert {text.partition("User prompt:")[2].split('"""')[1].strip() for text in second} == {"Do a.", "Do b."}


@pytest.mark.parametrize(
    ("reply", "times"), [("Here is a better one.", 2), ("<prompt>Answer the thing", 2), ("<prompt> </prompt>", 1)]
)
def test_a_rewrite_without_tags_is_asked_for_once_more_and_what_cannot_be_read_is_dropped(
    tmp_path: Path, reply: str, times: int
) -> None:
    def propose(request: Request) -> str:
        return "<critique>Vague.</critique>" if "<critique>" in read(request) else reply

    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=4)
    result, _, proposer = search(tmp_path, method, both(), lambda _: "no", propose)
    rewrites = [text for text in map(read, proposer.log) if "<prompt>" in text]

    # One for each user prompt and for the system prompt, and each of them again.
    assert len(rewrites) == times * 3
    assert [each.prompt for each in result.candidates()] == [result.start.prompt]
    assert sum(result.rejected.values()) >= 3


@pytest.mark.parametrize(("reply", "times"), [("It is vague.", 2), ("<critique></critique>", 1)])
def test_without_an_analysis_nothing_is_rewritten(tmp_path: Path, reply: str, times: int) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=4)
    result, _, proposer = search(tmp_path, method, both(), lambda _: "no", lambda _: reply)

    assert len(proposer.log) == times * 3
    assert not any("<prompt>" in read(request) for request in proposer.log)
    assert [each.prompt for each in result.candidates()] == [result.start.prompt]


def test_of_two_blocks_the_last_is_the_prompt_as_models_draft_first(tmp_path: Path) -> None:
    def propose(request: Request) -> str:
        if "<critique>" in read(request):
            return "<critique>Vague.</critique>"
        return "<prompt>Answer the thing first.</prompt>\nOr:\n<prompt>Answer the thing second.</prompt>"

    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=4)
    result, _, _ = search(tmp_path, method, both(), lambda _: "no", propose)
    texts = {text for each in result.candidates() for _, text in each.prompt.texts}

    assert "Answer the thing second." in texts
    assert not any("first" in text for text in texts)


def slotted() -> Task:
    """A task with its input within its user prompt; every input holds braces and the slot itself."""
    examples = [Example.of("yes", text=f"c {n} {{text}} {{instruction}} {{x") for n in range(24)]
    own = Task.from_examples(examples, prompt="Say {text} again.", name="c", splits=Splits(8, 8, 8))
    return several_tasks([own, *both_alone()[:1]], system="Answer.")


@pytest.mark.parametrize(
    ("user", "why"),
    [("Say it again.", "lost placeholder"), ("Say {text} and {text}.", "repeated placeholder"),
     ("Say {text} to {name}.", "placeholder")],
)  # fmt: skip
def test_a_user_prompt_without_its_one_slot_is_never_scored(tmp_path: Path, user: str, why: str) -> None:
    def propose(request: Request) -> str:
        text = read(request)
        if "<critique>" in text:
            return "<critique>Vague.</critique>"
        return f"<prompt>{user if '{text}' in text.rpartition('User prompt:')[2] else 'Answer the thing.'}</prompt>"

    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=4)
    result, model, _ = search(tmp_path, method, slotted(), lambda _: "no", propose)

    assert {each.prompt["user prompt of c"] for each in result.candidates()} == {"Say {text} again."}
    assert any(why in reason for reason in result.rejected)
    asked = [request.content[1].content for request in model.log if "Say c " in read(request)]  # type: ignore[union-attr]
    # As it stands in the data, and once.
    assert asked
    assert all(re.fullmatch(r"Say c \d+ \{text\} \{instruction\} \{x again\.", text) for text in asked)


def test_a_system_prompt_with_a_slot_is_never_scored(tmp_path: Path) -> None:
    def propose(request: Request) -> str:
        return (
            "<critique>Vague.</critique>" if "<critique>" in read(request) else "<prompt>Answer {text} well.</prompt>"
        )

    method = MetaSPO(preset="paper", rounds=1, systems=2, examples=4, outer_only=True)
    result, model, _ = search(tmp_path, method, slotted(), lambda _: "no", propose)

    assert [each.prompt for each in result.candidates()] == [result.start.prompt]
    assert {request.content[0].content for request in model.log} == {"Answer."}  # type: ignore[union-attr]


def test_without_a_system_prompt_no_system_message_is_sent_and_failures_show_none(tmp_path: Path) -> None:
    task = replace(parts().editing("instruction"), initial=Prompt.of("Do it.", system=""))
    method = MetaSPO(preset="paper", rounds=1, users=1, examples=4, frozen_system=True)
    result, model, proposer = search(tmp_path, method, task, lambda _: "no", writer("one", "two"))
    shown = [read(request) for request in proposer.log]

    assert [message.role for message in model.log[0].content] == ["user"]  # type: ignore[union-attr]
    assert 'System prompt:\n"""\n\n"""' in shown[0]
    assert {each.prompt["system"] for each in result.candidates()} == {""}


def under(failing: Callable[[str, str], bool], right: Callable[[str, str, int], bool]) -> tuple[Task, Any]:
    """Two tasks whose metric sees system and user prompt, and fails on training examples where `failing` says so."""
    seen: dict[str, int] = {}

    def metric(answer: str, example: Example) -> float:
        system, _, user = answer.partition("|")
        if example["text"] in seen and failing(system, user):
            raise ValueError("no such reply")
        return float(right(system, user, seen.get(example["text"], 0)))

    alone = [replace(task, metric=metric, answer="text") for task in both_alone()]
    task = several_tasks(alone, system="Answer.")
    for name in "ab":
        own = [each.source for each in task.train if task.member_of(each) == name]
        seen.update({source["text"]: place for place, source in enumerate(own) if source is not None})
    return task, lambda request: "|".join(message.content for message in request.content)


def test_a_task_whose_metric_fails_is_named(tmp_path: Path) -> None:
    task, answer = under(lambda system, user: "two" in system and "Text: b" in user, lambda *_: False)
    method = MetaSPO(preset="paper", rounds=1, systems=2, examples=8, outer_only=True)
    with pytest.raises(EvaluatorError, match="metric of task 'b' failed: ValueError: no such reply"):
        search(tmp_path, method, task, answer, writer("one", "two"))


def test_by_skip_task_a_loop_compares_incumbent_and_candidates_on_the_others_alone(tmp_path: Path) -> None:
    """On both tasks the incumbent would stay, as it is right on all of b; on a alone the second candidate is best."""
    right = {"Answer.": (4, 8), "Answer the thing one.": (5, 0), "Answer the thing two.": (6, 0)}

    def is_right(system: str, user: str, place: int) -> bool:
        return place < right[system]["Text: b" in user]

    task, answer = under(lambda system, user: "two" in system and "Text: b" in user, is_right)
    method = MetaSPO(preset="paper", rounds=1, systems=2, examples=8, outer_only=True, on_task_error="skip_task")
    result, _, _ = search(tmp_path, method, task, answer, writer("one", "two"))
    again, _, _ = search(tmp_path, method, task, answer, writer("one", "two"))

    assert result.steps[0].kept[0]["instruction"] == "Answer the thing two."
    # Over one task a mean is another measure, which ranks with none over both.
    assert {each.prompt["instruction"] for each in result.steps[0].pool} == {"Answer.", "Answer the thing one."}
    assert any("the metric of task 'b' failed, and a loop compares prompts without it" in w for w in result.warnings)
    assert (again.paid.calls, again.best.prompt) == (0, result.best.prompt)


def test_by_skip_task_the_user_prompts_of_a_failing_task_stay_and_the_others_are_improved(tmp_path: Path) -> None:
    first: list[str] = []

    def failing(_: str, user: str) -> bool:
        """Of task a the first rewrite is scored, and the second one fails."""
        if "thing" not in user or "Text: a" not in user:
            return False
        written = user.split("\n")[0]
        first.append(written)
        return written != first[0]

    task, answer = under(failing, lambda _, user, place: "thing" in user or place > 3)
    method = MetaSPO(preset="paper", rounds=1, users=2, systems=1, examples=8, on_task_error="skip_task")
    result, _, _ = search(tmp_path, method, task, answer, writer("one", "two", "three", "four", "five"))
    kept = result.steps[0].kept[0]

    assert len(set(first)) == 2
    assert kept["user prompt of a"] == "Do a."
    assert kept["user prompt of b"].startswith("Answer the thing")


def test_by_skip_task_the_next_loop_compares_on_all_tasks_again(tmp_path: Path) -> None:
    """On b alone the new system prompt would take the place of one that is as good on both."""

    def is_right(system: str, user: str, place: int) -> bool:
        return place > 3 if system == "Answer." else "Text: b" in user

    task, answer = under(lambda _, user: "thing" in user and "Text: a" in user, is_right)
    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=8, on_task_error="skip_task")
    result, _, proposer = search(tmp_path, method, task, answer, writer("one", "two", "three"))

    assert any("serve many different tasks" in read(request) for request in proposer.log)
    assert result.steps[0].kept[0]["instruction"] == "Answer."


def test_where_the_only_task_fails_there_is_nothing_to_skip_to(tmp_path: Path) -> None:
    def metric(answer: str, _: Example) -> float:
        raise ValueError(answer)

    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=4, on_task_error="skip_task")
    with pytest.raises(EvaluatorError):
        search(tmp_path, method, replace(parts(), metric=metric), lambda _: "no", writer("one"))
