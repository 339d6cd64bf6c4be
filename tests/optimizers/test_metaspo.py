"""MetaSPO: what is shown and asked in which loop, what replaces what, and when it ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.suite import several_tasks
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.metaspo.method import MetaSPO
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks import Splits, Task
from promptopt.tasks.layout import Layout
from promptopt.testing import OptimizerContract
from promptopt.types import Example, Prompt, Request, Room


def read(request: Any) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def writer(*words: str) -> Any:
    """Analyses, and prompts with one more of the words each time, whatever is asked."""
    made: list[int] = []

    def propose(request: Request) -> str:
        text = read(request)
        if "<critique>" in text:
            return "<critique>It is too vague.</critique>"
        made.append(1)
        return f"<prompt>Answer the thing {words[(len(made) - 1) % len(words)]}.</prompt>"

    return propose


class TestContract(OptimizerContract):
    optimizer = MetaSPO()

    def propose(self, request: Request) -> str:
        text = read(request)
        if "<critique>" in text:
            return "<critique>It says too little.</critique>"
        known = [word for word in self.words if word in text.rpartition("System prompt:")[2]]
        fresh = [word for word in self.words if word not in known]
        chosen = [*known, *fresh[: 1 + (request.seed or 0) % 2]]
        return f"<prompt>Answer the question {' and '.join(chosen)}.</prompt>"


def both_alone(count: int = 24) -> list[Task]:
    return [
        Task.from_examples([Example.of("yes", text=f"{name} {n}") for n in range(count)], prompt=f"Do {name}.",
                           name=name, splits=Splits(count // 3, count // 3, count // 3))
        for name in ("a", "b")
    ]  # fmt: skip


def both(count: int = 24) -> Task:
    return several_tasks(both_alone(count), system="Answer.")


def search(
    home: Path, method: MetaSPO, task: Task, answer: Any, propose: Any, budget: Budget | None = None
) -> tuple[Result, Scripted, Scripted]:
    model, proposer = Scripted(answer), Scripted(propose, name="proposer")
    models = Models(model, proposer=proposer)
    return optimize(task, method, model=models, store=home / "s.db", budget=budget), model, proposer


def test_every_outer_candidate_is_made_from_the_incumbent_and_the_best_takes_its_place(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, systems=3, examples=8, outer_only=True)
    right = {"Answer.": 0, "Answer the thing one.": 6, "Answer the thing two.": 8, "Answer the thing three.": 8}

    def answer(request: Any) -> str:
        system, asked = (message.content for message in request.content)
        return "yes" if int(re.findall(r"\d+", asked)[-1]) % 8 < right.get(system, 0) else "no"

    result, _, proposer = search(tmp_path, method, both(), answer, writer("one", "two", "three"))
    asked = [read(request) for request in proposer.log]

    assert all('"""\nAnswer.\n"""' in text for text in asked)
    assert sum("<critique>" in text for text in asked) == 3
    assert result.steps[0].kept[0]["instruction"] == "Answer the thing two."


def test_at_most_so_many_failures_of_each_task_are_shown(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, systems=1, examples=8, system_failures=2, outer_only=True)
    _, _, proposer = search(tmp_path, method, both(), lambda _: "no", writer("one"))
    shown = read(proposer.log[0])

    assert {name: shown.count(f"Do {name}.") for name in "ab"} == {"a": 2, "b": 2}
    assert "Do a." not in read(proposer.log[-1])


def test_an_equal_mean_keeps_the_incumbent(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, systems=2, examples=8)
    result, _, _ = search(tmp_path, method, both(), lambda _: "no", writer("one", "two"))

    assert result.steps[0].kept[0] == result.start.prompt


def test_where_nothing_fails_nothing_is_asked_and_the_search_ends(tmp_path: Path) -> None:
    result, _, proposer = search(tmp_path, MetaSPO(preset="paper", examples=8), both(), lambda _: "yes", writer("one"))

    assert proposer.calls == 0
    assert result.best.prompt == result.start.prompt
    # Of those that it drew: others may fail.
    assert any("that the search compares prompts on is answered right, so there was nothing to learn from" in said
               for said in result.warnings)  # fmt: skip
    assert len(result.steps) == 1


def parts() -> Task:
    examples = [Example.of("yes", text=f"item {n}") for n in range(48)]
    layout = Layout("chat", messages=(("system", "{system}"), ("user", "{instruction}\n\n{text}")))
    task = Task.from_examples(examples, prompt=Prompt.of("Do it.", system="Answer."), layout=layout, name="p",
                              splits=Splits(16, 16, 16))  # fmt: skip
    return task.editing("system", "instruction")


def test_user_prompts_are_improved_first_and_the_system_prompt_for_all_of_them(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=2, systems=2, kept=2, examples=8)

    def answer(request: Any) -> str:
        return "yes" if "two" in request.content[1].content else "no"

    result, model, proposer = search(tmp_path, method, parts(), answer, writer("one", "two", "three", "four"))
    search_calls = [request for request in model.log if "item" in read(request)]

    assert "What does the user prompt lack?" in read(proposer.log[0])
    assert result.steps[0].kept[0]["instruction"] == "Answer the thing two."
    assert len(search_calls) >= 8 * (1 + 2)


def test_a_frozen_system_prompt_stays_byte_for_byte(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=2, users=2, examples=8, frozen_system=True)
    result, _, _ = search(tmp_path, method, parts(), lambda _: "no", writer("one", "two"))

    assert {each.prompt["system"] for each in result.candidates()} == {"Answer."}


USER, SYSTEM = "user prompt of a task", "a system prompt that has to serve"


def says(where: int, word: str) -> Any:
    """A task model that is right where a message holds a word."""
    return lambda request: "yes" if word in request.content[where].content else "no"


def test_of_several_tasks_each_user_prompt_is_improved_on_its_own_examples_before_the_system_prompt(
    tmp_path: Path,
) -> None:
    """The calls that the paper's two loops take: K n, K c_u n, and c_s K m n; two of the proposer a candidate."""
    method = MetaSPO(preset="paper", rounds=1, users=2, kept=2, systems=3, examples=4)
    texts = [f"w{number}" for number in range(20)]
    _, model, proposer = search(tmp_path, method, both(), lambda _: "no", writer(*texts))
    trained = [example.source["text"] for example in both().train if example.source is not None]
    searched = [
        each
        for each in model.log
        if any(each.content[1].content.endswith(f"Text: {text}\nAnswer:") for text in trained)
    ]
    asked = [read(request) for request in proposer.log]

    assert len(searched) == 2 * 4 + 2 * 2 * 4 + 3 * 2 * 2 * 4
    assert len(asked) == 2 * (2 * 2 + 3)
    assert [USER in text for text in asked] == [True] * 8 + [False] * 6
    assert {"Do a." in text for text in asked[:4]} == {True}
    assert not any("Do b." in text for text in asked[:4])
    assert {"Do b." in text for text in asked[4:8]} == {True}


def test_the_best_user_prompt_of_each_task_is_found_and_the_winner_holds_all_of_them(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=2, systems=1, examples=8)

    def answer(request: Any) -> str:
        user = request.content[1].content
        return "yes" if ("one" in user and "a " in user) or ("four" in user and "b " in user) else "no"

    result, _, _ = search(tmp_path, method, both(), answer, writer("one", "two", "three", "four", "five"))

    assert result.best.prompt["user prompt of a"] == "Answer the thing one."
    assert result.best.prompt["user prompt of b"] == "Answer the thing four."
    # The start; two user prompts of each task on its own 8; the best together, which b's examples have seen already.
    assert result.steps[0].spent.evaluations == 16 + 2 * 2 * 8 + 8
    assert result.best.test is not None
    assert result.best.test.score == 1.0


def test_a_user_prompt_is_rewritten_from_the_system_prompt_and_the_failures_and_a_system_prompt_is_not(
    tmp_path: Path,
) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=4, user_failures=2)
    _, _, proposer = search(tmp_path, method, both(), lambda _: "no way", writer("one"))
    asked = [read(request) for request in proposer.log if "<prompt>" in read(request)]
    user, system = next(text for text in asked if USER in text), next(text for text in asked if SYSTEM in text)

    assert '"""\nAnswer.\n"""' in user
    assert user.count("Reply: no way") == user.count("Right answer: yes") == user.count("User: Do ") == 2
    assert "It is too vague." in user
    assert "Reply:" not in system


def test_failures_show_the_user_prompt_that_failed_and_not_the_first_one(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=8)

    def answer(request: Any) -> str:
        user = request.content[1].content
        return "yes" if "one" in user and int(re.findall(r"\d+", user)[-1]) % 2 else "no"

    _, _, proposer = search(tmp_path, method, both(), answer, writer("one"))
    shown = next(text for text in map(read, proposer.log) if SYSTEM in text and "<critique>" in text)

    assert "User: Answer the thing one." in shown
    assert "Do a." not in shown


def test_another_user_prompt_that_is_better_under_the_new_system_prompt_comes_first(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=2, users=1, systems=1, examples=8, kept=2)

    def answer(request: Any) -> str:
        system, user = (message.content for message in request.content)
        number = int(re.findall(r"\d+", user)[-1])
        if "three" in system:
            return "yes" if "Do " in user or number % 4 == 0 else "no"
        return "yes" if "one" in user and number % 2 else "no"

    words = ("one", "one", "three", "four", "five")
    result, _, _ = search(tmp_path, method, both(), answer, writer(*words))
    first = result.steps[0].kept[0]

    assert first["instruction"] == "Answer the thing three."
    assert first["user prompt of a"] == "Do a."
    assert result.steps[0].pool[0].prompt == first
    assert result.steps[0].pool[0].mean == 1.0


def test_a_budget_that_ends_within_an_outer_loop_keeps_the_candidates_that_were_finished(tmp_path: Path) -> None:
    """The second round ends 5 evaluations into its second system prompt; its first is the best there is."""
    right = {"Answer.": 1, "Answer the thing one.": 2, "Answer the thing two.": 4, "Answer the thing three.": 7}

    def answer(request: Any) -> str:
        system, asked = (message.content for message in request.content)
        return "yes" if int(re.findall(r"\d+", asked)[-1]) % 8 < right.get(system, 0) else "no"

    method = MetaSPO(rounds=2, systems=2, examples=8, outer_only=True)
    # 69 of these are the search's: 16 examples for the start, for two system prompts, and for one more.
    budget = Budget(evaluations=113)
    result, _, _ = search(tmp_path, method, both(), answer, writer("one", "two", "three", "four"), budget=budget)

    assert len(result.steps) == 1
    assert result.steps[0].kept[0]["instruction"] == "Answer the thing two."
    assert result.best.prompt["instruction"] == "Answer the thing three."
    assert result.spent.evaluations <= 113


def test_a_budget_that_ends_within_an_inner_loop_leaves_the_other_tasks_as_they_were(tmp_path: Path) -> None:
    method = MetaSPO(rounds=1, users=3, systems=1, examples=8)
    # 26 of these are the search's: the start, one user prompt, and two examples of the next one.
    budget = Budget(evaluations=48)
    result, _, _ = search(tmp_path, method, both(), says(1, "thing"), writer("one", "two", "three"), budget=budget)

    assert result.best.prompt["user prompt of a"].startswith("Answer the thing")
    assert result.best.prompt["user prompt of b"] == "Do b."


@pytest.mark.slow
def test_in_the_search_for_a_system_prompt_a_user_prompt_is_rewritten_from_the_best_one_alone(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=3, users=1, systems=1, examples=4)
    words = [f"w{number}" for number in range(20)]
    _, _, proposer = search(tmp_path, method, both(), lambda _: "no", writer(*words))
    rewritten = [text for text in map(read, proposer.log) if USER in text and "<prompt>" in text]

    assert len(rewritten) == 3 * 2
    assert {text.rpartition("User prompt:")[2].split('"""')[1].strip() for text in rewritten} == {"Do a.", "Do b."}


def test_a_text_that_quotes_a_short_input_of_a_task_is_never_scored(tmp_path: Path) -> None:
    said = [f"{colour} elephants dance {n}" for colour in ("purple", "orange") for n in range(12)]
    quoting = Task.from_examples([Example.of("yes", text=text) for text in said], prompt="Do c.", name="c",
                                 splits=Splits(8, 8, 8))  # fmt: skip
    task = several_tasks([quoting, *both_alone()[:1]], system="Answer.")
    held = [f"Say yes to {example.source['text']}." for example in task.train if example.source is not None]
    quoted = next(text for text in held if "elephants" in text)

    def propose(request: Request) -> str:
        return "<critique>Vague.</critique>" if "<critique>" in read(request) else f"<prompt>{quoted}</prompt>"

    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=4)
    result, _, _ = search(tmp_path, method, task, lambda _: "no", propose)

    assert len(result.candidates()) == 1
    assert any("quotes an example" in why for why in result.rejected)


def test_a_user_prompt_that_loses_its_input_is_never_scored(tmp_path: Path) -> None:
    slotted = Task.from_examples([Example.of("yes", text=f"c {n}") for n in range(24)], prompt="Say {text} again.",
                                 name="c", splits=Splits(8, 8, 8))  # fmt: skip
    task = several_tasks([slotted, *both_alone()[:1]], system="Answer.")
    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=4)
    result, _, _ = search(tmp_path, method, task, lambda _: "no", writer("one"))

    assert {each.prompt["user prompt of c"] for each in result.candidates()} == {"Say {text} again."}
    assert any("lost placeholder" in why for why in result.rejected)


def test_the_outer_loop_alone_has_twice_as_many_rounds_and_adaptation_one_and_six() -> None:
    paper = MetaSPO(preset="paper")

    assert paper.plan(Room(None, None, 1, 400, 100, tasks=4, parts=5)).rounds == 3
    assert paper.plan(Room(None, None, 1, 400, 100, tasks=4, parts=1)).rounds == 6
    assert MetaSPO(preset="paper", frozen_system=True).plan(Room(None, None, 1, 50, 50, parts=2)).rounds == 7
    assert paper.plan(Room(None, None, 1, 400, 100, tasks=4, parts=5)).examples == 200
    adapting = paper.plan(Room(None, None, 1, 50, 50, parts=1, users=1))
    assert (adapting.rounds, adapting.users, adapting.systems) == (7, 3, 0)


@pytest.mark.parametrize("tasks", [1, 2, 5])
@pytest.mark.parametrize("cells", [80, 400, 3_000])
def test_a_plan_under_a_budget_affords_its_rounds(tasks: int, cells: int) -> None:
    parts = 1 + tasks
    plan = MetaSPO().plan(Room(cells, None, 1, 200, 100, tasks=tasks, parts=parts))
    inner = tasks * plan.users * plan.examples / tasks
    outer = plan.systems * plan.examples * 3

    assert plan.rounds == 1 or plan.examples + plan.rounds * (inner + outer) <= cells
    assert plan.examples >= 4 * tasks
    assert plan.examples == 40 or cells < 3_000


def test_a_small_budget_has_as_few_examples_as_eight_and_no_fewer() -> None:
    assert MetaSPO().plan(Room(30, None, 1, 14, 3)).examples == 8
    assert MetaSPO().plan(Room(30, None, 1, 5, 3)).examples == 5


def test_adaptation_goes_on_from_every_user_prompt_that_stayed(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=2, users=1, examples=8, kept=2, frozen_system=True)
    _, _, proposer = search(tmp_path, method, parts(), lambda _: "no", writer("one", "two", "three"))
    rewritten = [read(request) for request in proposer.log if "<prompt>" in read(request)]
    parents = [text.rpartition("User prompt:")[2].split('"""')[1].strip() for text in rewritten]

    # Requests of one batch go out in another order than they were made in.
    assert sorted(parents) == ["Answer the thing one.", "Do it.", "Do it."]
    assert all('"""\nAnswer.\n"""' in text for text in rewritten)


def test_the_record_of_an_adaptation_holds_every_user_prompt_that_was_scored_best_first(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=2, examples=8, frozen_system=True)
    result, _, _ = search(tmp_path, method, parts(), says(1, "two"), writer("one", "two"))
    compared = {each.prompt["instruction"]: each.mean for each in result.steps[0].pool}

    assert compared == {"Answer the thing two.": 1.0, "Answer the thing one.": 0.0, "Do it.": 0.0}
    assert next(iter(compared)) == "Answer the thing two." == result.steps[0].kept[0]["instruction"]


def test_a_task_whose_one_editable_part_is_its_user_prompt_is_adapted_to_the_system_prompt_that_stays(
    tmp_path: Path,
) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=1, examples=8, frozen_system=True)
    task = parts().editing("instruction")
    result, _, proposer = search(tmp_path, method, task, says(1, "one"), writer("one"))

    assert USER in read(proposer.log[0])
    assert '"""\nAnswer.\n"""' in read(proposer.log[0])
    assert result.best.prompt == task.initial.replace("instruction", "Answer the thing one.")


def test_without_user_prompts_to_be_edited_two_settings_that_freeze_everything_are_refused() -> None:
    with pytest.raises(ConfigError, match="set one of them"):
        MetaSPO(frozen_system=True, outer_only=True)


def test_of_several_tasks_whose_user_prompts_alone_are_to_be_edited_the_system_prompt_stays(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=1, systems=1, examples=4)
    task = method.recast(both()).editing("user prompt of a", "user prompt of b")
    result, _, proposer = search(tmp_path, method, task, lambda _: "no", writer("one", "two"))

    assert {USER in text for text in map(read, proposer.log)} == {True}
    assert {each.prompt["instruction"] for each in result.candidates()} == {"Answer."}
    assert {each.prompt["user prompt of b"] for each in result.candidates()} >= {"Do b."}
    assert any(each.prompt["user prompt of a"] != "Do a." for each in result.candidates())
