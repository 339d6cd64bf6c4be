"""`promptopt init` on logs of chats: the prompt they share, its variables, what was dropped, and a task that works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Invoke, text_of
from logged import SYSTEM, everything, filled, log, made, write

from promptopt.errors import DataError
from promptopt.models.scripted import Scripted
from promptopt.tasks import load_task
from promptopt.types import Demand, Message


@pytest.fixture
def model() -> Scripted:
    def answer(request: Any) -> str:
        text = text_of(request)
        return "Be kind and brief." if text.startswith("Improve:") else f"Order {text.split()[-1][:-1]} is on its way."

    return Scripted(answer, name="scripted/clerk")


@pytest.mark.parametrize("mark", ["{{%s}}", "{{ %s }}", "{%s}", "${%s}"])
def test_a_given_prompt_keeps_its_variables_and_their_values_are_read_off_the_logs(
    mark: str, invoke: Invoke, workplace: Path
) -> None:
    prompt = SYSTEM.replace("{{shop}}", mark % "shop").replace("{{ name }}", mark % "name")
    write([log(number) for number in range(40)])
    (workplace / "system.md").write_text(prompt + "\n", encoding="utf-8")
    task, said = made(invoke, "--system", "system.md")

    content, shared = task.render(task.initial, task.train[0])
    name = task.train[0]["name"]
    assert isinstance(content, tuple)
    assert content[0] == Message("system", filled(int(name.removeprefix("Ann"))))
    assert content[1:] == task.train[0].messages
    assert shared == len("You are the assistant of ")
    assert "no conversation stands in two splits" in said
    assert task.broken_by(task.initial.replace("instruction", task.initial["instruction"] + " {{ vip }}"), len)


def test_without_a_prompt_the_one_that_all_logs_share_is_taken(invoke: Invoke) -> None:
    write([log(number, "Be kind.") for number in range(40)])

    assert made(invoke)[0].initial["instruction"] == "Be kind."


def test_variables_come_from_the_rows_where_the_logs_hold_the_template(invoke: Invoke) -> None:
    write([log(number, SYSTEM, variables={"shop": "Acme", "name": f"Ann{number}"}) for number in range(40)])
    task, _ = made(invoke)

    content, _ = task.render(task.initial, task.train[0])
    assert content[0] == Message("system", filled(int(task.train[0]["name"].removeprefix("Ann"))))


def test_two_system_prompts_are_shown_where_they_differ(invoke: Invoke) -> None:
    write([log(number, f"You help people. Be {'kind' if number % 2 else 'brief'}.") for number in range(40)])
    refused = invoke("init", "bot", "--data", "logs.jsonl")

    assert refused.exit_code == 2
    assert "have 2 system prompts" in refused.stderr
    assert "kind" in refused.stderr
    assert "brief" in refused.stderr
    assert "--system FILE" in refused.stderr
    assert not Path("bot.toml").exists()


def test_another_system_prompt_in_the_logs_is_replaced_by_the_given_one_and_counted(
    invoke: Invoke, workplace: Path
) -> None:
    write([log(number, "Old prompt." if number < 3 else None) for number in range(40)])
    (workplace / "system.md").write_text("Be kind and brief.", encoding="utf-8")
    task, said = made(invoke, "--system", "system.md")

    assert task.initial["instruction"] == "Be kind and brief."
    assert "40 conversations were logged under another system prompt" in said


@pytest.mark.parametrize("given", ["system.md", ""])
def test_a_bot_without_a_system_prompt_is_made_with_an_empty_file_or_text(
    invoke: Invoke, workplace: Path, given: str
) -> None:
    write([log(number, "") for number in range(40)])
    (workplace / "system.md").write_text("\n", encoding="utf-8")
    refused = invoke("init", "bot", "--data", "logs.jsonl")
    task, _ = made(invoke, "--system", given)
    assert "an empty file where the bot has none" in refused.stderr
    assert [message.role for message in task.render(task.initial, task.train[0])[0]] == ["user"]  # type: ignore[union-attr]


def test_a_variable_that_nothing_fills_stays_as_it_is_written_and_is_said(invoke: Invoke) -> None:
    write([log(number, "Be kind to {{customer}}.") for number in range(40)])
    task, said = made(invoke)

    content, _ = task.render(task.initial, task.train[0])
    assert content[0] == Message("system", "Be kind to {{customer}}.")
    assert "no conversation says what 'customer' stands for" in said
    assert task.broken_by(task.initial.replace("instruction", "Be kind."), len) == "lost template '{{customer}}'"


def test_conversations_without_a_value_are_left_out_and_counted(invoke: Invoke) -> None:
    rows = [log(number, "Be kind to {{who}}.", variables={"who": "Ann"} if number else {}) for number in range(40)]
    write(rows)
    task, said = made(invoke)

    assert len(everything(task)) < 40
    assert "1 conversation left out, such as row 1: no value for the variable 'who'" in said


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([log(1)], "holds a single conversation"),
        ([log(n, "", session_id="one") for n in range(5)], "no conversation has a system message"),
        ([{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}], "images, sounds and files"),
        ([{"messages": []}] * 4, "the plainest is a line for each conversation in a .jsonl file"),
        ([log(1, session_id=str(n)) for n in range(9)], "too few different conversations"),
        ([{"messages": [{"role": "narrator", "content": "x"}]}], "the speaker 'narrator' is unknown"),
    ],
)  # fmt: skip
def test_logs_that_are_of_no_use_are_refused_with_a_sentence(
    rows: list[dict[str, Any]], problem: str, invoke: Invoke
) -> None:
    write(rows)
    refused = invoke("init", "bot", "--data", "logs.jsonl")

    assert refused.exit_code == 2
    assert problem in refused.stderr
    assert not list(Path().glob("bot*"))


@pytest.mark.parametrize("first", [{"input": None, "output": None}, {"spec": {"model": "m"}}])
def test_a_file_is_known_by_its_first_rows_and_not_by_the_first_alone(first: dict[str, Any], invoke: Invoke) -> None:
    write([first, *(log(number, "Be kind.") for number in range(40))])

    assert "1 row left out, such as row 1: it holds no messages" in made(invoke)[1]


def test_logs_without_any_reply_are_told_to_have_nothing_that_replies_are_held_against(invoke: Invoke) -> None:
    rows = [log(number, "Be kind.") for number in range(40)]
    for row in rows:
        del row["messages"][-1]
    write(rows)
    task, said = made(invoke)

    assert "warning: no example has a right answer, so the metric 'f1' has nothing to hold replies against" in said
    judged = Path("bot.toml").read_text(encoding="utf-8") + '[judge]\ncriteria = "Is it kind?"\n'
    Path("bot.toml").write_text(judged, encoding="utf-8")
    assert not any("no example has a right answer" in warning for warning in load_task("bot.toml").warnings)
    assert any("no example has a right answer" in warning for warning in task.warnings)


def test_half_an_emoji_in_a_log_is_kept_and_in_a_prompt_refused(invoke: Invoke) -> None:
    rows = [log(number, "Be kind.") for number in range(40)]
    for row in rows:
        row["messages"][1]["content"] += " \ud83d"
    write(rows)
    task, _ = made(invoke)
    Path("bot.toml").unlink()
    Path("bot.jsonl").unlink()
    write([log(number, "Be kind \ud83d.") for number in range(40)])
    refused = invoke("init", "bot", "--data", "logs.jsonl")

    assert all(each["history"].endswith(" \ud83d") for each in everything(task))
    assert refused.exit_code == 2
    assert "the system prompt holds half a character" in refused.stderr


def test_personal_data_is_masked_on_request_and_only_then(invoke: Invoke) -> None:
    personal = ("ann@example.com", "+49 170 1234567", "4111 1111 1111 1111", "sk-abcdefgh12345678")
    rows = [log(n, "Hi {{name}}.", variables={"name": "Annabel"}) for n in range(40)]
    for row in rows:
        row["messages"][1]["content"] += f" I am Annabel, reach me at {', '.join(personal)}; order 1234567890123456."
    write(rows)
    made(invoke, "--mask")
    masked = Path("bot.jsonl").read_text(encoding="utf-8")
    Path("bot.toml").unlink()
    Path("bot.jsonl").unlink()
    made(invoke)

    assert not any(each in masked for each in (*personal, "Annabel"))
    assert "1234567890123456" in masked  # fails Luhn's check: a number of an order
    assert all(each in Path("bot.jsonl").read_text(encoding="utf-8") for each in (*personal, "Annabel"))


def test_names_of_a_file_are_masked_in_all_conversations_and_what_the_prompt_says_stays(invoke: Invoke) -> None:
    rows = [log(n, "Hi {{name}}. Send complaints to help@acme.com.", variables={"name": f"Annabel {n}"})
            for n in range(40)]  # fmt: skip
    for row in rows:
        row["messages"][1]["content"] += " JO SMITH told me, Jo did. Not ann@acme.com, but help@acme.com?"
    write(rows)
    Path("names.txt").write_text("\ufeffJo Smith\n\nMay\n", encoding="utf-8")
    task, said = made(invoke, "--mask-names", "names.txt")

    assert all(
        "[name] told me, Jo did. Not [email], but help@acme.com?" in each["history"] for each in everything(task)
    )
    assert "masked 40 emails" in said


def test_what_is_said_behind_the_last_reply_is_told_once_and_not_kept(invoke: Invoke) -> None:
    rows = [log(number, "Be kind.") for number in range(40)]
    for row in rows:
        row["messages"] += [{"role": "user", "content": "thanks, I am Ann"}]
    write(rows)
    task, said = made(invoke)

    assert "40 conversations cut after the last reply" in said
    assert "I am Ann" not in Path("bot.jsonl").read_text(encoding="utf-8")
    assert not any("cut after" in each for each in task.warnings)


def test_a_file_that_names_nobody_is_refused(invoke: Invoke) -> None:
    write([log(n, "Be kind.") for n in range(40)])
    Path("names.txt").write_text("\n \n", encoding="utf-8")
    refused = invoke("init", "bot", "--data", "logs.jsonl", "--mask-names", "names.txt")

    assert (refused.exit_code, "names nobody" in refused.stderr) == (2, True)
    missing = invoke("init", "bot", "--data", "logs.jsonl", "--mask-names", "none.txt")
    assert (missing.exit_code, "none.txt" in missing.stderr) == (2, True)
    assert "system prompt" not in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "sound"),
    [
        ('{"order": "H1"}', True),
        ("", True),
        ('{"order": ', False),
        ("order=H1", False),
        ('["H1"]', False),
        ('"H1"', False),
        ("12", False),
    ],
)
def test_logged_calls_whose_arguments_are_no_json_object_are_said(arguments: str, sound: bool, invoke: Invoke) -> None:
    rows = [log(n, "Be kind.") for n in range(40)]
    calls = [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": arguments}}]
    for row in rows[5:8]:
        called = {"role": "assistant", "content": "", "tool_calls": calls}
        row["messages"][2:2] = [called, {"role": "tool", "tool_call_id": "c1", "content": "shipped"}]
    write(rows)
    _, said = made(invoke)
    told = "3 calls of tools have arguments that are no JSON object, as that of find in row 6; they stay as they were"
    assert (told in said) != sound


def test_demands_of_a_log_are_kept_and_named_as_the_metric(invoke: Invoke) -> None:
    asked = [{"says": ["on its way", "Annabel"]}]
    write([log(n, "Hi {{name}}.", variables={"name": "Annabel"}, demands=asked) for n in range(40)])
    task, said = made(invoke, "--mask")

    assert "scored by their demands" in said
    assert task.metric == "demands"
    assert {each.demands for each in task.train} == {(Demand("says", ("on its way", "[name]")),)}
    assert 'demand: {"says":["on its way","[name]"]}' in invoke("tasks", "show", "bot.toml").stdout


@pytest.mark.parametrize(
    ("asked", "named"),
    [("refund", ""), ([], ""), ({"a": 1}, ""), ([{"says": "x"}], "20 replies have no demands, so the metric")],
)
def test_what_is_not_meant_as_demands_or_not_of_all_names_no_metric(asked: object, named: str, invoke: Invoke) -> None:
    write([log(n, "Hi.", **({"demands": asked} if n % 2 else {})) for n in range(40)])
    task, said = made(invoke)

    assert named in said
    assert task.metric == "f1"


def test_what_tells_parts_of_the_log_apart_is_kept_and_said(invoke: Invoke) -> None:
    write([
        log(
            number,
            "You are the assistant of {{shop}}.",
            variables={"topic": ("late", "return")[number % 2], "ticket": f"T{number}", "shop": "Acme"},
            language=("de", "en", "fr")[number % 3],
            note="a long text " * 20 if number % 2 else "b" * 200,
        )
        for number in range(40)
    ])  # fmt: skip
    _, said = made(invoke)

    assert "bot.jsonl keeps 'topic', 'language' under 'variables', though the prompt does not name them" in said
    first = json.loads(Path("bot.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["variables"] == {"shop": "Acme", "topic": "late", "language": "de"}
    text = Path("bot.toml").read_text(encoding="utf-8")
    Path("bot.toml").write_text(text.replace("[data]\n", '[data]\nslice = "language"\n'), encoding="utf-8")
    assert {example.slice for example in everything(load_task("bot.toml"))} == {"de", "en", "fr"}
    # A slice of a name that nothing has would never be looked at.
    Path("bot.toml").write_text(text.replace("[data]\n", '[data]\nslice = "langauge"\n'), encoding="utf-8")
    with pytest.raises(DataError, match=r"no conversation has 'langauge'.*'language'"):
        load_task("bot.toml")


def test_names_of_conversations_are_no_parts_of_the_log(invoke: Invoke) -> None:
    write([log(number, "Be kind.", trace_id=f"t{number // 2}", topic=f"p{number % 3}") for number in range(40)])
    _, said = made(invoke)

    assert "keeps 'topic' under 'variables'" in said


def test_people_are_named_for_chats_that_nothing_else_shows_to_be_some(invoke: Invoke, workplace: Path) -> None:
    write([{"chat": f"Ann: Where is {number}?\nBob: In Graz."} for number in range(40)])
    (workplace / "system.md").write_text("Be kind.", encoding="utf-8")
    alone = invoke("init", "bot", "--data", "logs.jsonl", "--speaker", "Ann=user", "--speaker", "Bob=assistant")
    task, _ = made(invoke, "--system", "system.md", "--speaker", "Ann=user", "--speaker", "Bob=assistant")

    assert "give the prompt in use today with --system" in alone.stderr
    assert len(everything(task)) == 40


def test_no_conversation_stands_in_two_splits_whatever_the_seed(invoke: Invoke) -> None:
    turns = [{"role": role, "content": f"{role} {n}"} for n in range(3) for role in ("user", "assistant")]
    write(
        [
            {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": str(n)}, *turns]}
            for n in range(30)
        ]
    )
    task, _ = made(invoke, "--turns", "all")

    for seed in range(20):
        cut = task.with_splits(seed=seed)
        groups = [{example.group for example in split} for split in (cut.train, cut.dev, cut.test)]
        assert groups[0].isdisjoint(groups[1] | groups[2])
        assert groups[1].isdisjoint(groups[2])


@pytest.mark.parametrize("options", [("--turns", "first"), ("--speaker", "Bob"), ("--speaker", "Bob=boss")])
def test_options_that_say_nothing_are_refused(options: tuple[str, str], invoke: Invoke) -> None:
    write([log(number, "S") for number in range(40)])

    assert invoke("init", "bot", "--data", "logs.jsonl", *options).exit_code == 2


def test_a_transcript_as_a_table_with_speakers_of_its_own(invoke: Invoke, workplace: Path) -> None:
    lines = ["conversation_id,speaker,text"]
    for number in range(30):
        lines += [f"{number},Ann,Where is {number}?", f"{number},Clerk 7,On its way: {number}."]
    (workplace / "logs.csv").write_text("\n".join(lines), encoding="utf-8")
    (workplace / "s.md").write_text("Be kind.", encoding="utf-8")
    done = invoke(
        "init",
        "bot",
        "--data",
        "logs.csv",
        "--system",
        "s.md",
        "--speaker",
        "ann=user",
        "--speaker",
        "Clerk 7=assistant",
    )

    assert done.exit_code == 0, done.stderr
    assert {example.target[:12] for example in everything(load_task("bot.toml"))} == {"On its way: "}


@pytest.mark.slow
def test_the_task_is_searched_and_its_winner_exported(invoke: Invoke) -> None:
    write([log(number, "Be kind.") for number in range(60)])
    task, _ = made(invoke)
    done = invoke("optimize", "--task", "bot.toml", "--method", "climb", "--model", "scripted", "--json")

    assert done.exit_code == 0, done.stderr
    assert task.layouts[0].name == "chat"
    run = json.loads(done.stdout)["run_id"]
    exported = invoke("runs", "export", run, "--format", "python")
    assert exported.exit_code == 0, exported.stderr
    assert "history: list[dict[str, object]]" in exported.stdout
    assert "*history," in exported.stdout
