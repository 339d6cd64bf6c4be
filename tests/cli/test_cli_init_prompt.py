"""The prompt behind logs that hold it as it was sent: hostile logs give each of them back, or are refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import pytest
from command_line import Invoke
from logged import everything, log, made, write

from promptopt.tasks.shared_prompt import FoundPrompt, found_prompt

BODY = "You are the assistant of Acme, a shop for tents and other outdoor gear.\nBe kind and brief.\n"
NAMES = ("Ann", "Bob", "Cleo", "Dirk Jansen", "Eve O'Neil", "Hans-Peter")


def found(prompts: list[str]) -> FoundPrompt | None:
    return found_prompt(prompts, [{} for _ in prompts])


def filled(prompt: Callable[[str], str], values: tuple[str, ...] = NAMES, count: int = 36) -> list[str]:
    return [prompt(value) for value in islice(cycle(values), count)]


def test_places_that_hold_the_same_in_all_logs_have_one_name() -> None:
    shared = found(filled(lambda name: f"{BODY}{name} is here. Call the customer {name}; then greet {name} first."))

    assert shared is not None
    name = "call_customer"
    assert (
        shared.text
        == f"{BODY}{{{{{name}}}}} is here. Call the customer {{{{{name}}}}}; then greet {{{{{name}}}}} first."
    )
    assert dict(shared.values) == {name: NAMES}


@pytest.mark.parametrize("mark", ["{talk}", "{{talk}}", "${talk}"])
def test_a_mark_that_the_logs_hold_as_it_is_written_is_no_variable_and_lends_its_name_to_none(mark: str) -> None:
    shared = found(filled(lambda name: f"{BODY}Write {mark} where it goes.\nYou talk to {name}."))

    assert shared is not None
    assert shared.text == f"{BODY}Write {mark} where it goes.\nYou talk to {{{{talk_2}}}}."
    assert list(shared.values) == ["talk_2"]


def test_the_task_of_logs_with_such_a_mark_loads_and_shows_it_as_it_was_sent(invoke: Invoke) -> None:
    prompts = filled(lambda name: f"{BODY}Write {{talk}} where it goes.\nYou talk to {name}.", count=40)
    write([log(number, prompt) for number, prompt in enumerate(prompts)])
    task, _ = made(invoke)

    sent = {task.render(task.initial, example)[0][0].content for example in everything(task)}  # type: ignore[union-attr]
    assert sent == set(prompts)


def test_a_few_conversations_under_another_prompt_stand_beside_it_and_are_said(invoke: Invoke) -> None:
    prompts = filled(lambda name: f"{BODY}You talk to {name}.", count=40)
    prompts[7] = "You sell cars, and never lie about an engine."
    write([log(number, prompt) for number, prompt in enumerate(prompts)])
    task, said = made(invoke)

    assert task.initial["instruction"] == f"{BODY}You talk to {{talk}}."
    assert "1 conversation was logged under another system prompt, such as that of row 8; the one found" in said
    assert len(everything(task)) < 40


def test_two_prompts_in_equal_parts_are_prompts_of_their_own() -> None:
    cars = filled(lambda name: f"You sell cars to {name}, and never lie about an engine of theirs.")

    assert found([*filled(lambda name: f"{BODY}You talk to {name}."), *cars]) is None


def test_prompts_that_share_their_first_words_are_prompts_of_their_own() -> None:
    tasks = ("Translate the text into French, and keep its tone", "Write a poem about the animal that is named",
             "Answer questions on cooking for those who never cooked", "Correct the grammar of each sentence",
             "Summarise what the user wrote in one sentence")  # fmt: skip

    assert found(filled(lambda task: f"You are a helpful assistant. {task}.", tasks)) is None


def profiles(labels: int, rules: int, count: int = 36) -> tuple[list[str], list[dict[str, str]]]:
    """Prompts with a profile of the customer in them, a line a label, and what it says by name."""
    said = [{f"label{place}": f"{(number + 3) * (place + 7)}" for place in range(labels)} for number in range(count)]
    lines = [[f"- Label{place}: {value}" for place, value in enumerate(each.values())] for each in said]
    policy = [f"Rule {place}: do not promise what no part of the policy allows." for place in range(rules)]
    return ["\n".join([BODY.strip(), *each, *policy]) for each in lines], said


def test_a_long_prompt_has_as_many_variables_as_a_profile_of_the_customer() -> None:
    shared = found(profiles(labels=15, rules=9)[0])

    assert shared is not None
    assert list(shared.values) == [f"label{place}" for place in range(15)]
    # Of one that is hardly longer than its variables, what is the same in all may be so by chance.
    assert found(profiles(labels=15, rules=1)[0]) is None


def test_variables_that_the_log_names_may_be_any_number_even_in_a_short_prompt() -> None:
    prompts, said = profiles(labels=20, rules=0)
    shared = found_prompt(prompts, said)

    assert shared is not None
    assert list(shared.values) == [f"label{place}" for place in range(20)]


@pytest.mark.parametrize("around", ["_", "x", "é", "4"])
def test_a_value_within_a_longer_word_is_not_what_the_log_names(around: str) -> None:
    said = [{"name": f"Ann{number}"} for number in range(9)]
    shared = found_prompt([f"{BODY}Code {row['name']}{around} is of {row['name']}." for row in said], said)

    assert shared is not None
    assert shared.text == f"{BODY}Code {{{{code}}}} is of {{{{name}}}}."


def test_letters_that_are_written_in_two_unicode_forms_are_the_same(invoke: Invoke) -> None:
    prompts = filled(lambda name: f"{BODY}Grüßen Sie alle in Köln.\nSie sprechen mit {name}.", count=40)
    write([log(number, unicodedata.normalize(("NFC", "NFD")[number % 2], prompt)) for number, prompt
           in enumerate(prompts)])  # fmt: skip
    task, _ = made(invoke)

    assert task.initial["instruction"] == f"{BODY}Grüßen Sie alle in Köln.\nSie sprechen mit {{sprechen_mit}}."


@pytest.mark.parametrize(
    ("before", "behind"),
    [("<context>", "</context> Answer only from that."), ("Pages: (", ") Answer only from that."),
     ("Profile:\n{\n  ", "\n}\nUse it.")],
)  # fmt: skip
def test_brackets_around_what_differs_and_its_margin_are_the_prompts(before: str, behind: str) -> None:
    pages = ("Tents are warm", "Stoves get hot", "Maps last", "Ropes break", "Lamps shine")
    shared = found(filled(lambda page: BODY + before + page + behind, pages))

    assert shared is not None
    assert shared.text.startswith(f"{BODY}{before}{{{{")
    assert shared.text.endswith(f"}}}}{behind}")


def test_a_script_without_spaces_is_told_apart_by_its_characters() -> None:
    names = ("王伟", "李娜", "张敏", "刘洋", "陈静")
    shared = found(
        filled(lambda name: f"你是客服助手，销售帐篷。请保持友善和简洁。客户的名字是{name}。今天很好。", names)
    )

    assert shared is not None
    assert shared.text == "你是客服助手，销售帐篷。请保持友善和简洁。客户的名字是{{客户的名字是}}。今天很好。"
    assert shared.values["客户的名字是"] == names


def test_other_white_space_than_the_written_prompt_has_is_said(invoke: Invoke) -> None:
    came = [f"They came {number} times.\n" if number % 2 else "" for number in range(40)]
    prompts = [f"{BODY}{line}Answer in English." for line in came]
    write([log(number, prompt) for number, prompt in enumerate(prompts)])
    task, said = made(invoke)

    rendered: list[str] = [task.render(task.initial, example)[0][0].content for example in everything(task)]  # type: ignore[union-attr]
    assert {" ".join(text.split()) for text in rendered} == {" ".join(text.split()) for text in prompts}
    assert sum(text not in prompts for text in rendered) == 20
    assert "20 conversations were logged with other spaces or line breaks in the system prompt than it has here" in said


def test_a_given_prompt_with_a_variable_twice_is_not_that_of_logs_with_two_things_there(
    invoke: Invoke, workplace: Any
) -> None:
    (workplace / "system.md").write_text("Hi {{name}}. Be kind to {{name}}.", encoding="utf-8")
    write([log(number, f"Hi Ann{number}. Be kind to {'Bob' if number < 3 else f'Ann{number}'}.")
           for number in range(40)])  # fmt: skip
    task, said = made(invoke, "--system", "system.md")

    assert "3 conversations were logged under another system prompt, such as that of row 1; the one given" in said
    assert all(example["name"].startswith("Ann") for example in everything(task))
