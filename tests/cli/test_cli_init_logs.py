"""`promptopt init` on logs as production writes them: what is the same in all of them, and whose they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import Invoke
from logged import everything, log, made, write

from promptopt.types import Message


@pytest.mark.parametrize("address", ["ann{}@acme.example", "whatsapp:+4366012345{:02}", "user +43 660 123 45 {:02}"])
def test_a_conversation_that_is_called_by_an_address_is_numbered_where_data_is_masked(
    address: str, invoke: Invoke
) -> None:
    write([{**log(number, "Be kind."), "conversation_id": address.format(number // 2)} for number in range(80)])
    task, _ = made(invoke, "--mask")
    kept = Path("bot.jsonl").read_text(encoding="utf-8")
    assert not any(address.format(number) in kept for number in range(40))
    assert {example.group for example in everything(task)} == {f"masked {number}" for number in range(1, 41)}
    Path("bot.toml").unlink()
    Path("bot.jsonl").unlink()
    made(invoke)
    assert address.format(7) in Path("bot.jsonl").read_text(encoding="utf-8")


def dated(number: int) -> str:
    return (
        f"# Clerk\n\nYou are the clerk of Acme.\n  - Be brief.\n\nToday is 2026-11-{number % 28 + 1:02}.\n\nNotes:\n"
        + "\n".join(f"- bought {thing} {number}" for thing in ("a bell", "a lamp", "tyres")[: 1 + number % 3])
        + f"\n\nCustomer: ann{number}@acme.example (number {1000 + number})\n\nNever promise a refund."
    )


def test_a_prompt_that_is_logged_as_it_was_sent_is_found_with_its_variables(invoke: Invoke) -> None:
    write([log(number, dated(number)) for number in range(40)])
    task, said = made(invoke)

    assert task.initial["instruction"] == (
        "# Clerk\n\nYou are the clerk of Acme.\n  - Be brief.\n\nToday is {today}.\n\nNotes:\n{notes}\n\n"
        "Customer: {customer} (number {customer_number})\n\nNever promise a refund."
    )
    assert "the logs hold one system prompt, each time with something else for {{today}} ('2026-11-01'," in said
    for example in everything(task):
        content, _ = task.render(task.initial, example)
        number = int(dict(example.fields)["customer_number"]) - 1000
        assert content[0] == Message("system", dated(number))


def test_what_the_log_says_by_name_is_a_variable_of_that_name_even_of_two_values(invoke: Invoke) -> None:
    rows = [
        log(number, f"Be kind, in {('German', 'French')[number % 2]}.", language=("German", "French")[number % 2])
        for number in range(40)
    ]
    write(rows)
    task, said = made(invoke)
    assert task.initial["instruction"] == "Be kind, in {language}."
    assert {dict(example.fields)["language"] for example in everything(task)} == {"German", "French"}
    assert "{{language}} ('German', 'French', …)" in said


@pytest.mark.parametrize(
    "prompts",
    [
        ["You are the clerk of Acme. Be brief.", "You are the clerk of Acme. Be kind.",
         "You are the clerk of Acme. Be terse."],
        ["You sell bicycles.", "Answer as a lawyer.", "Translate into German.", "Write a poem.", "Be brief.",
         "Summarise what was said."],
        [f"Hello Ann{number}" for number in range(40)],
    ],
)  # fmt: skip
def test_prompts_of_their_own_are_still_asked_for(prompts: list[str], invoke: Invoke) -> None:
    write([log(number, prompts[number % len(prompts)]) for number in range(40)])
    refused = invoke("init", "bot", "--data", "logs.jsonl")
    assert refused.exit_code == 2
    assert f"the conversations have {len(prompts)} system prompts" in refused.stderr


@pytest.mark.parametrize("name", ["demos", "target", "instruction", "history"])
def test_a_name_that_layouts_have_for_something_else_is_not_taken(name: str, invoke: Invoke) -> None:
    write(
        [log(n, f"You are the clerk of Acme. The branch is Town{n}. Be kind.", **{name: f"Town{n}"}) for n in range(40)]
    )
    task, _ = made(invoke)
    assert task.initial["instruction"] == "You are the clerk of Acme. The branch is {branch}. Be kind."


def test_a_member_that_holds_the_whole_prompt_is_no_variable_of_it(invoke: Invoke) -> None:
    texts = ["You sell bicycles.", "Answer as a lawyer."]
    write([log(number, texts[number % 2], persona=texts[number % 2]) for number in range(40)])
    refused = invoke("init", "bot", "--data", "logs.jsonl")
    assert "the conversations have 2 system prompts" in refused.stderr


def test_a_line_that_only_some_prompts_have_is_a_variable_that_may_be_empty(invoke: Invoke) -> None:
    def prompt(number: int) -> str:
        more = f"\nThe customer is {'ABCDEFG'[number % 7]}nn." if number % 2 else ""
        return f"You are the clerk of Acme, brief and kind.{more}\nNever promise a refund."

    write([log(number, prompt(number)) for number in range(40)])
    task, _ = made(invoke)
    values = {dict(example.fields)["variable"] for example in everything(task)}
    assert len(everything(task)) == 40
    assert "" in values
    assert "The customer is Bnn." in values


def test_an_empty_value_of_a_prompt_that_is_given_is_read_off_the_log(invoke: Invoke, workplace: Path) -> None:
    (workplace / "system.md").write_text("Be kind.\n{{note}}\nBe brief.", encoding="utf-8")
    write(
        [log(number, f"Be kind.{f'{chr(10)}It is {number}.' if number % 2 else ''}\nBe brief.") for number in range(40)]
    )
    task, said = made(invoke, "--system", "system.md")
    assert len(everything(task)) == 40
    assert "another system prompt" not in said


@pytest.mark.parametrize("other", ["Be kind.\r\nBe brief.", "Be kind. \n  Be brief.\n"])
def test_one_prompt_with_other_line_breaks_is_one_prompt(other: str, invoke: Invoke) -> None:
    write([log(number, ("Be kind.\nBe brief.", other)[number % 2]) for number in range(40)])
    task, _ = made(invoke)
    assert task.initial["instruction"] == "Be kind.\nBe brief."
    assert len(everything(task)) == 40


def test_lines_that_differ_one_below_the_other_are_lines_of_their_own(invoke: Invoke) -> None:
    def prompt(number: int) -> str:
        day = f"Today is 2026-11-{number % 28 + 1:02}."
        return f"You are the clerk of Acme.\n{day}\nCustomer: Ann{number}\nBe kind, and never promise a refund."

    write([log(number, prompt(number)) for number in range(40)])
    task, _ = made(invoke)
    assert task.initial["instruction"].split("\n")[1:3] == ["Today is {today}.", "Customer: {customer}"]


def test_a_page_in_one_long_line_is_one_variable(invoke: Invoke) -> None:
    def prompt(number: int) -> str:
        page = " ".join(f"w{number * 13 + place * place % 97} of the" for place in range(300))
        return f"Answer from the page alone, and say so where it holds no answer. Page: {page} End of the page."

    write([log(number, prompt(number)) for number in range(40)])
    task, _ = made(invoke)
    prompt_found = task.initial["instruction"]
    assert prompt_found.startswith("Answer from the page alone, and say so where it holds no answer. Page: {page}")


def test_rows_that_hold_only_what_was_new_are_told_of(invoke: Invoke) -> None:
    new = [log(number, "Be kind.", conversation_id=f"c{number // 2}") for number in range(80)]
    write(new)
    assert "40 conversations stand in several rows, none of which holds what another does" in made(invoke)[1]


def test_rows_that_go_on_from_others_or_were_put_into_one_group_are_not(invoke: Invoke) -> None:
    def grown(number: int) -> dict[str, Any]:
        first = log(number // 2, "Be kind.", conversation_id=f"c{number // 2}", user=f"u{number % 9}")
        more = [{"role": "user", "content": "Thanks."}, {"role": "assistant", "content": f"Bye {number}."}]
        return {**first, "messages": [*first["messages"], *more]} if number % 2 else first

    write([grown(number) for number in range(80)])
    assert "several rows" not in made(invoke)[1]
    Path("bot.toml").unlink()
    Path("bot.jsonl").unlink()
    assert "several rows" not in made(invoke, "--group-by", "user")[1]


@pytest.mark.parametrize(("name", "value"), [("feedback", "thumbs_down"), ("user_rating", "Bad"), ("vote", "down")])
def test_replies_that_people_rated_bad_are_told_to_count_as_right(name: str, value: str, invoke: Invoke) -> None:
    write([log(number, "Be kind.", **{name: value if number % 4 == 0 else "good"}) for number in range(40)])
    assert f"10 conversations are rated bad, as row 1 ({name}: {value})" in made(invoke)[1]


def test_what_is_no_rating_is_none(invoke: Invoke) -> None:
    write([log(number, "Be kind.", rating="good", topic="bad") for number in range(40)])
    assert "rated bad" not in made(invoke)[1]
