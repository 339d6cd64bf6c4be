"""Scenarios of simulated users in files, and the task file that names them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.binding.evaluator import bind_evaluator
from promptopt.errors import ConfigError, DataError
from promptopt.evaluators.simulated import Simulated
from promptopt.migration import freeze
from promptopt.models.scripted import Scripted
from promptopt.tasks import Task, load_task, scenario
from promptopt.tasks.reading.scenarios import read_scenarios
from promptopt.types import Message, tool_names

DOCS = Path(__file__).parent.parent.parent / "docs" / "chat.md"

ROWS: list[dict[str, object]] = [{"goal": f"cancel order {number}", "name": f"Ann {number}"} for number in range(12)]
TOML = """
instruction = "You are the assistant of Acme, and talk to {{name}}."
[simulation]
scenarios = "scenarios.jsonl"
variables = ["name"]
"""


def task_file(folder: Path, toml: str = TOML, rows: list[dict[str, object]] | None = None) -> Path:
    lines = [json.dumps(row) for row in (ROWS if rows is None else rows)]
    (folder / "scenarios.jsonl").write_text("\n".join(lines))
    path = folder / "sim.toml"
    path.write_text(toml)
    return path


def simulated(task: Task) -> Simulated:
    evaluator = bind_evaluator(None, task)
    assert isinstance(evaluator, Simulated)
    return evaluator


def test_a_scenario_tells_the_user_everything_and_the_assistant_nothing() -> None:
    made = scenario("cancel", facts="order 7", persona="terse", ends="once it is done", opening="Hi", name="Ann")
    assert made["history"] == "persona: terse\ngoal: cancel\nfacts: order 7\nends: once it is done"
    assert made["name"] == "Ann"
    assert made.messages == (Message("user", "Hi"),)


def test_lists_and_tables_are_told_an_entry_a_line() -> None:
    rows = [{"goal": "cancel", "facts": {"order": 7, "items": ["a tent"]}}, {"goal": "pay", "facts": ["by card"]}]
    (first, other), said = read_scenarios(Path("s.jsonl"), rows, ())
    assert first["history"] == "goal: cancel\nfacts:\n- order: 7\n- items: - a tent"
    assert other["history"] == "goal: pay\nfacts:\n- by card"
    assert said == ()


@pytest.mark.parametrize(
    "row", [{}, {"goal": ""}, {"goal": "  "}, {"goal": None}, {"goals": "cancel"}, {"persona": "x"}]
)
def test_a_row_without_a_goal_is_named(row: dict[str, object]) -> None:
    with pytest.raises(DataError, match="row 2: the scenario has no 'goal'"):
        read_scenarios(Path("s.jsonl"), [{"goal": "pay"}, row], ())


def test_a_row_without_a_variable_is_named() -> None:
    with pytest.raises(DataError, match="row 1: the scenario has no 'name'"):
        read_scenarios(Path("s.jsonl"), [{"goal": "pay"}], ("name",))


def test_members_that_nobody_reads_and_rows_that_are_there_twice_are_told_of() -> None:
    found, said = read_scenarios(Path("s.jsonl"), [{"goal": "pay", "mood": "sad"}, {"goal": "pay"}], ())
    assert len(found) == 1
    assert ["'mood'" in said[0], "1 scenario left out" in said[1]] == [True, True]


def test_a_task_file_names_scenarios_and_what_scores_the_conversations(tmp_path: Path) -> None:
    task = load_task(task_file(tmp_path))
    assert {example["history"] for example in task.train} < {f"goal: {row['goal']}" for row in ROWS}
    evaluator = simulated(task)
    assert (evaluator.turns, evaluator.by, evaluator.user_model) == (4, "rubric", "")
    content, _ = task.render(task.initial, task.train[0])
    assert content[0].content == f"You are the assistant of Acme, and talk to {task.train[0]['name']}."  # type: ignore[union-attr]


def test_a_task_file_says_how_long_and_by_what(tmp_path: Path) -> None:
    toml = TOML.replace("variables", "turns = 6\nvariables") + '[judge]\nitems = ["Is it done?"]\n'
    evaluator = simulated(load_task(task_file(tmp_path, toml)))
    assert (evaluator.turns, evaluator.by) == (6, "checklist")
    assert evaluator.questions == ("Is it done?",)
    by_metric = simulated(load_task(task_file(tmp_path, f'metric = "contains"\n{TOML.lstrip()}')))
    assert (by_metric.by, by_metric.judges) == ("metric", ())


def test_a_model_that_a_file_names_is_asked_once_the_file_is_trusted(tmp_path: Path) -> None:
    path = task_file(tmp_path, TOML.replace("variables", 'model = "openai/user"\nvariables'))
    with pytest.raises(ConfigError, match="would have the model 'openai/user' asked to play users"):
        load_task(path)
    assert simulated(load_task(path, trust=True)).user_model == "openai/user"


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (TOML + '[data]\nfile = "logs.jsonl"\n', "a task replays logged users or has users simulated"),
        ('instruction = "Hi."\n', "data is missing"),
        (f'labels = ["a", "b"]\n{TOML.lstrip()}', "has no label"),
        (TOML.replace('["name"]', '["name", "goal"]'), "variables names 'goal'"),
        (TOML.replace('["name"]', '["plan"]'), "no 'plan'"),
        (TOML.replace("variables", "turns = 0\nvariables"), "turns is 0, expected a whole number from 1 to 50"),
        (TOML.replace("variables", "turn = 3\nvariables"), "'turn'"),
        (TOML.replace('scenarios = "scenarios.jsonl"', ""), "scenarios is missing"),
        (TOML.replace("scenarios.jsonl", "none.jsonl"), "there is no file"),
    ],
)  # fmt: skip
def test_a_task_file_that_cannot_be_played_says_why(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises((ConfigError, DataError), match=said):
        load_task(task_file(tmp_path, toml))


TOOLS_TOML = """
calls = 2
[[simulation.tools]]
name = "find_order"
parameters = { properties = { order = { type = "string" } } }
[[simulation.results]]
calls = "find_order"
gives = "{order} is not known"
"""


def test_a_task_file_and_a_scenario_say_what_tools_give_the_scenario_first(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {**row, "results": [{"calls": "find_order", "with": {"order": 7}, "gives": "sent"}], "demands": ["sent"]}
        for row in ROWS
    ]
    toml = 'metric = "demands"' + TOML + TOOLS_TOML
    task = load_task(task_file(tmp_path, toml, rows))
    example = task.train[0]
    assert tool_names(example.tools) == ["find_order"]
    assert [result.gives for result in example.results] == ["sent", "{order} is not known"]
    assert (simulated(task).calls, example.demands[0].texts) == (2, ("sent",))
    content, _ = task.render(task.initial, replace(example, messages=(Message("user", "Hi"),)))
    assert content[0].tools == example.tools  # type: ignore[union-attr]
    assert "find_order" not in example["history"]


def test_a_table_holds_tools_and_results_as_json() -> None:
    row = {
        "goal": "pay",
        "tools": json.dumps([{"name": "bill"}]),
        "results": json.dumps([{"calls": "bill", "gives": {"due": 3}}]),
    }
    (found,), said = read_scenarios(Path("s.csv"), [row], ())
    assert (tool_names(found.tools), found.results[0].gives, said) == (["bill"], '{"due":3}', ())


@pytest.mark.parametrize(
    ("row", "toml", "said"),
    [
        ({"tools": [{"name": "find_order"}]}, TOOLS_TOML, "row 1: two tools are named 'find_order'"),
        ({"results": [{"calls": "pay", "gives": "x"}]}, TOOLS_TOML, "row 1, result 1: calls is 'pay'"),
        ({"results": [{"calls": "pay", "gives": "x"}]}, "", "no tool is named 'pay'"),
        ({"demands": [{"calls": "pay"}]}, TOOLS_TOML, "the demand calls 'pay'"),
        ({"opening": [{"type": "image_url", "image_url": {"url": "x"}}]}, "", "row 1: the opening is "),
        ({"opening": {"role": "user", "content": "hi"}}, "", "write the user's first message as a text"),
        ({}, TOOLS_TOML.replace("{order}", "{number}"), "no argument of find_order is named 'number'"),
        ({}, TOOLS_TOML.replace('calls = "find_order"', 'calls = "find"'), "no tool is named 'find'"),
        ({}, TOOLS_TOML.replace("calls = 2", "calls = 0"), "calls is 0, expected a whole number from 1 to 50"),
        ({}, 'tools = "find_order"\n', "tools is 'find_order', expected a list of schemas"),
    ],
)
def test_what_tools_cannot_be_or_give_is_said_with_its_place(
    tmp_path: Path, row: dict[str, object], toml: str, said: str
) -> None:
    rows: list[dict[str, object]] = [{**ROWS[0], **row}, *ROWS[1:]]
    with pytest.raises((ConfigError, DataError), match=said):
        load_task(task_file(tmp_path, TOML + toml, rows))


def test_a_tool_that_gives_nothing_is_told_of_before_a_run(tmp_path: Path) -> None:
    toml = TOML + TOOLS_TOML.partition("[[simulation.results]]")[0]
    (said,) = [each for each in load_task(task_file(tmp_path, toml)).warnings if "find_order" in each]
    assert f"in {len(ROWS)} scenarios no result says what the tool 'find_order' gives" in said


def test_a_file_without_scenarios_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one row"):
        load_task(task_file(tmp_path, rows=[]))


def test_other_evaluators_are_refused_and_a_judge_that_compares_two_is_too(tmp_path: Path) -> None:
    task = load_task(task_file(tmp_path))
    for name in ("generation", "rubric", "loss"):
        with pytest.raises(ConfigError, match="scenarios of simulated users"):
            bind_evaluator(name, task)
    versus = load_task(task_file(tmp_path, TOML + '[judge]\nevaluator = "versus"\n'))
    with pytest.raises(ConfigError, match="cannot be scored by 'versus'"):
        bind_evaluator(None, versus)


def test_own_data_in_the_place_of_the_scenarios_are_scenarios_too(tmp_path: Path) -> None:
    path = task_file(tmp_path)
    (tmp_path / "mine.csv").write_text("goal,name\n" + "\n".join(f"pay bill {n},Bo" for n in range(9)))
    task = load_task(path, data=tmp_path / "mine.csv")
    assert all(example["name"] == "Bo" for example in task.train)
    assert "pay bill" in task.train[0]["history"]


def test_the_documents_task_file_and_scenario_can_be_played(tmp_path: Path) -> None:
    blocks = {kind: re.findall(rf"```{kind}\n(.*?)```", DOCS.read_text(), re.DOTALL) for kind in ("toml", "json")}
    toml = next(block for block in blocks["toml"] if "[simulation]" in block)
    row = json.loads(next(block for block in blocks["json"] if '"goal"' in block and '"opening"' in block))
    rows = [{**row, "goal": f"cancel order {number}"} for number in range(9)]
    task = load_task(task_file(tmp_path, toml, rows), trust=True)
    assert simulated(task).user_model == "openai/gpt-4.1"
    assert task.warnings[0].startswith("the test split has only")
    assert task.train[0].messages[0].content == "hi, about my order"


def test_nothing_is_frozen_of_users_who_are_simulated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="freeze what the model answers to logged ones"):
        freeze(load_task(task_file(tmp_path)), tmp_path / "frozen.jsonl", model=Scripted("x"), store=tmp_path / "s.db")
