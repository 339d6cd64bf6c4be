"""Several tasks under one system prompt: whose examples, whose metric, which mean, and what does not go together."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.evaluator import bind_evaluator
from promptopt.binding.suite import START_PROMPT, several_tasks
from promptopt.errors import ConfigError
from promptopt.evaluators.generation import Generation
from promptopt.models.scripted import Scripted
from promptopt.optimizers.sprig.method import Sprig
from promptopt.outcome.decisions import ScoredPair, non_inferior
from promptopt.run.budget import Budget
from promptopt.tasks import Splits, Task
from promptopt.tasks.contract import Contract
from promptopt.tasks.layout import Layout
from promptopt.tasks.parts import shown_to, with_user_prompts
from promptopt.tasks.reach import examples_within
from promptopt.tasks.sealing import without_test
from promptopt.types import Cell, Example, Message, Reply, Score


def task(name: str, count: int = 40, **more: Any) -> Task:
    examples = [Example.of("yes", text=f"{name} {number}") for number in range(count)]
    sizes = Splits(count // 4, count // 4, count // 2)
    return Task.from_examples(examples, prompt=f"Do {name}.", name=name, splits=sizes, **more)


def chats(name: str, system: str) -> Task:
    examples = [Example.chat([Message("user", f"{name} {number}")], "yes", f"g{number}") for number in range(40)]
    return Task.from_examples(examples, prompt=system, name=name, splits=Splits(10, 10, 20))


def test_a_judge_that_all_tasks_ask_alike_scores_them() -> None:
    rubric: dict[str, Any] = {"evaluator": "rubric", "rubric": {"criteria": "Is it kind?"}}
    alike = several_tasks([replace(chats(name, "Be kind."), judge=rubric) for name in "ab"])
    assert bind_evaluator(None, alike).fingerprint()["criteria"] == "Is it kind?"

    metric: dict[str, Any] = {"evaluator": "generation"}
    unasked = several_tasks([replace(chats("a", "Be kind."), judge=metric), chats("b", "Be kind.")])
    assert isinstance(bind_evaluator(None, unasked), Generation)


def test_every_example_is_sent_as_its_task_would_behind_the_one_system_prompt() -> None:
    both = several_tasks([task("a"), chats("b", "Be kind.")])
    seen = {}
    for example in both.test:
        content, _ = both.render(both.initial, example)
        seen[both.member_of(example)] = content

    assert both.initial["instruction"] == "Be kind."
    assert [message.role for message in seen["a"]] == ["system", "user"]
    assert seen["a"][1].content.startswith("Do a.")
    assert [message.content[:2] for message in seen["b"]] == ["Be", "b "]


def test_each_example_is_scored_by_its_own_metric() -> None:
    numbers = Task.from_examples(
        [Example.of("7", text=f"n {number}") for number in range(40)],
        prompt="Count.",
        name="n",
        splits=Splits(10, 10, 20),
    )
    both = several_tasks([task("a", labels=("yes", "no")), numbers])
    assert callable(both.metric)
    scores = {example.slice: both.metric("I say yes, and 7.0", example) for example in both.test}

    assert {name: score.value for name, score in scores.items()} == {"a": 1.0, "n": 1.0}
    assert not both.metric("", both.test[0]).parsed


def test_a_reply_to_one_of_several_tasks_that_was_cut_says_so() -> None:
    scorer = Generation.for_task(several_tasks([task("a", labels=("yes", "no")), task("b", labels=("yes", "no"))]))
    cell = Cell(scorer.task.initial, scorer.task.test[0])
    replies = {"length": "Well,", "stop": "Well,", "refusal": "Sorry."}
    told = {how: scorer.judge(cell, Reply(text, how)).feedback for how, text in replies.items()}
    assert told["length"].startswith("the reply was cut off at 16 tokens")
    assert told["stop"] == "no answer could be read"
    assert told["refusal"] == "the model did not answer (refusal)"


def test_a_search_over_several_tasks_is_the_same_run_in_another_process() -> None:
    described = Generation.for_task(several_tasks([task("a"), task("b")])).fingerprint()
    assert " at 0x" not in str(described), "where a function lies in memory differs by process"
    other = several_tasks([task("a"), replace(task("b"), metric="f1")])
    assert described != Generation.for_task(other).fingerprint()


@pytest.mark.parametrize(("weights", "counts"), [((), (20, 20)), ((1, 2), (20, 40)), ((2, 1), (20, 10))])
def test_splits_are_cut_so_that_the_mean_over_examples_is_the_mean_over_tasks(
    weights: tuple[float, ...], counts: tuple[int, int]
) -> None:
    both = several_tasks([task("a"), task("b", 80)], objective="weighted" if weights else "mean", weights=weights)

    assert tuple(sum(example.slice == name for example in both.test) for name in "ab") == counts
    assert {example.slice for example in both.test[:3]} == {"a", "b"}


def test_one_number_is_made_of_the_means() -> None:
    means = {"a": 0.9, "b": 0.5, "c": 0.7}
    tasks = [task(name) for name in "abc"]

    assert several_tasks(tasks).worth(means) == pytest.approx(0.7)
    assert several_tasks(tasks, objective="weighted", weights=(2, 1, 1)).worth(means) == pytest.approx(0.75)
    assert several_tasks(tasks, objective="worst").worth(means) == 0.5
    # Of ten tasks and more the lowest fifth.
    many = {str(number): number / 10 for number in range(10)}
    assert several_tasks(tasks, objective="worst").worth(many) == pytest.approx(0.05)
    assert several_tasks(tasks, objective="worst").worth({**many, "9": 0.0}) == pytest.approx(0.0)


def test_without_any_system_prompt_it_begins_at_the_usual_one() -> None:
    assert several_tasks([task("a"), task("b")]).initial["instruction"] == START_PROMPT
    assert several_tasks([task("a"), task("b")], system="Be brief.").initial["instruction"] == "Be brief."


@pytest.mark.parametrize(
    ("tasks", "settings", "problem"),
    [
        ([task("a"), task("a")], {}, "two tasks are named 'a'"),
        ([task("a")], {}, "two or more"),
        ([chats("a", "Be kind."), chats("b", "Be brief.")], {}, "bring 2 system prompts"),
        ([task("a"), task("b")], {"objective": "best"}, "one of mean, weighted, worst"),
        ([task("a"), task("b")], {"objective": "weighted"}, "go together"),
        *(
            ([task("a"), task("b")], {"objective": "weighted", "weights": (1, weight)}, f"has {weight:g}, and a weight")
            for weight in (0, -2, math.inf, math.nan)
        ),
        ([task("a"), task("b")], {"floor": 2.0}, "from 0 to 1"),
        ([task("a"), task("b", layout=Layout("text", text="{instruction} {text}"))], {}, "one text to be continued"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said(tasks: list[Task], settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        several_tasks(tasks, **settings)


def test_tasks_with_variables_in_their_system_prompt_and_tasks_of_one_input_are_refused() -> None:
    named = [Example.chat([Message("user", f"n {n}")], "yes", "", (), name="Ann") for n in range(40)]
    filled = Task.from_examples(named, prompt="You talk to {{name}}.", name="c", splits=Splits(10, 10, 20))
    same = Task.from_examples(
        [Example.of("yes", text=f"a {n}") for n in range(40)], prompt="Do a.", name="z", splits=Splits(10, 10, 20)
    )

    with pytest.raises(ConfigError, match="the tasks 'a' and 'z' ask the same"):
        several_tasks([task("a"), same])
    with pytest.raises(ConfigError, match="'c' fills variables into its system prompt"):
        several_tasks([task("a"), filled])


def test_a_search_over_several_tasks_tells_each_gain_and_floor(tmp_path: Path) -> None:
    def answer(request: Any) -> str:
        system, asked = (message.content for message in request.content)
        return "yes" if "exactly" in system and "Do a." in asked else "no"

    both = several_tasks([task("a"), task("b")], floor=0.15)
    method = Sprig(components=("Please answer exactly now.", "Please answer gladly now."), rephrasings=0)
    result = optimize(both, method, model=Scripted(answer), budget=Budget(evaluations=400), store=tmp_path / "s.db")

    assert "exactly" in result.best.text
    gained, equal = result.members
    assert (gained.task, gained.mean, gained.floor and gained.floor.held) == ("a", 1.0, "held")
    assert (equal.task, equal.mean) == ("b", 0.0)


def test_the_user_prompts_of_tasks_become_parts_that_render_the_start_byte_for_byte() -> None:
    slotted = Task.from_examples([Example.of("yes", text=f"s {n}") for n in range(40)], prompt="Say {text} {once}.",
                                 name="s", splits=Splits(10, 10, 20))  # fmt: skip
    plain = several_tasks([task("a"), slotted, chats("b", "Be kind.")])
    parted = with_user_prompts(plain)

    assert parted.editables == ("instruction", "user prompt of a", "user prompt of s")
    assert [parted.render(parted.initial, each) for each in parted.test] == [
        plain.render(plain.initial, each) for each in plain.test
    ]
    assert parted.fingerprint() != plain.fingerprint()
    assert parted.fingerprint()["layout"] != plain.fingerprint()["layout"]
    assert [each.id for each in parted.test] == [each.id for each in plain.test]


def test_a_user_prompt_is_seen_by_the_examples_of_its_task_alone() -> None:
    parted = with_user_prompts(several_tasks([task("a"), task("b")]))
    changed = parted.initial.replace("user prompt of a", "Try {text}.")
    differs = {
        parted.member_of(example)
        for example in parted.test
        if parted.render(changed, example) != parted.render(parted.initial, example)
    }
    shown = next(parted.render(changed, each)[0] for each in parted.test if parted.member_of(each) == "a")

    assert differs == {"a"}
    assert shown[1].content.startswith("Try {text}.")
    assert shown_to(parted, "user prompt of a") == "a"
    assert shown_to(parted, "instruction") == ""


def test_each_user_prompt_keeps_the_contract_of_its_own_task() -> None:
    strict = replace(task("a"), contract=Contract(must_contain=("Do",), pattern="a"))
    slotted = Task.from_examples([Example.of("yes", text=f"s {n}") for n in range(40)], prompt="Say {text} now.",
                                 name="s", splits=Splits(10, 10, 20))  # fmt: skip
    parted = with_user_prompts(several_tasks([strict, slotted, task("b")]))

    def broken(part: str, text: str) -> str | None:
        return parted.broken_by(parted.initial.replace(part, text), len)

    assert broken("user prompt of a", "Try a.") == "does not contain 'Do'"
    assert broken("user prompt of a", "Do b.") == "has no match of 'a'"
    assert broken("user prompt of b", "Try it.") is None
    assert broken("user prompt of s", "Say it now.") == "lost placeholder {text}"
    assert broken("user prompt of s", "Say {text} and {text}.") == "repeated placeholder {text}"
    assert broken("instruction", "") == "empty"
    assert broken("user prompt of b", " ") == "empty"


def test_no_test_example_is_within_reach_of_a_search_over_user_prompts() -> None:
    parted = with_user_prompts(several_tasks([task("a"), task("b")]))
    sealed = without_test(parted)
    held = {each.id for each in parted.test} | {each.source.id for each in parted.test if each.source is not None}

    assert not held & {each.id for each in examples_within(sealed)}


def test_one_task_and_several_without_user_prompts_are_left_as_they_are() -> None:
    alone, talks = task("a"), several_tasks([chats("c", "Be kind."), chats("b", "Be kind.")])

    assert with_user_prompts(alone) is alone
    assert with_user_prompts(talks) is talks


def test_a_floor_that_no_test_of_the_size_can_hold_is_refused_with_the_least_that_can() -> None:
    def whole(floor: float | None) -> Task:
        return several_tasks([task("a"), task("b")], floor=floor)

    whole(None)
    whole(0.5)
    with pytest.raises(ConfigError, match="the floor cannot be held, whatever the prompt: ") as refused:
        whole(0.01)
    told = str(refused.value)
    assert [f"20 test examples of {name} hold" in told for name in "ab"] == [True, True]
    # What is said to be enough is held where nothing changes, and less is not.
    enough = float(told.rpartition("--floor ")[2].split()[0])
    whole(enough)
    pairs = [ScoredPair(Example.of("", text=str(n)), Score(1.0), Score(1.0)) for n in range(20)]
    assert non_inferior("", pairs, enough).outcome == "passed"
    assert non_inferior("", pairs, enough - 0.002).outcome == "inconclusive"


def test_a_bot_without_a_system_prompt_stands_among_several_tasks() -> None:
    both = several_tasks([task("a"), chats("b", "")])
    shown = {both.member_of(example): both.render(both.initial, example)[0] for example in both.test}
    spoken = both.initial.replace("instruction", "Be kind.")
    behind = {both.member_of(example): both.render(spoken, example)[0] for example in both.test}

    # As each task would send it alone, and with a system prompt before it.
    assert both.initial["instruction"] == ""
    assert [[each.role for each in shown[name]] for name in "ab"] == [["user"], ["user"]]
    assert [[each.role for each in behind[name]] for name in "ab"] == [["system", "user"], ["system", "user"]]
    assert [behind[name][1:] for name in "ab"] == [shown[name] for name in "ab"]
    assert several_tasks([task("a"), task("b")], system=" ").initial["instruction"] == ""
    with pytest.raises(ConfigError, match=r"the tasks bring 2 system prompts, such as '' and 'Be kind\.'"):
        several_tasks([chats("b", ""), chats("c", "Be kind.")])


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_a_task_without_examples_of_a_split_is_refused_by_its_name(split: str) -> None:
    with pytest.raises(ConfigError, match=f"task 'b' has no {split} examples; give it some, or leave it out"):
        several_tasks([task("a"), replace(task("b"), **{split: ()})])


def test_floors_as_an_objective_want_a_floor_and_may_be_weighted() -> None:
    with pytest.raises(ConfigError, match="--objective floors goes by the loss that each task may have"):
        several_tasks([task("a"), task("b")], objective="floors")
    whole = several_tasks([task("a"), task("b")], objective="floors", weights=(2, 1), floor=0.4)
    assert whole.floors == {"a": (0.4, 2 / 3), "b": (0.4, 1 / 3)}
    assert several_tasks([task("a"), task("b")], floor=0.4).floors == {}


def test_a_floor_is_part_of_a_search_that_goes_by_it_and_of_no_other() -> None:
    def described(objective: str, floor: float) -> Any:
        return several_tasks([task("a"), task("b")], objective=objective, floor=floor).fingerprint()

    assert described("floors", 0.3) != described("floors", 0.4)
    assert described("mean", 0.3) == described("mean", 0.4)
