"""Tasks that a command names: each is read once, what they run is agreed to where they are named, prompts are found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command_line import START, Invoke

from promptopt import registry
from promptopt.models.scripted import Scripted
from promptopt.tasks import catalogue

CAPS = ("--max-evaluations", "60", "--model", "scripted", "--dry-run")


@pytest.fixture
def tasks(task_file: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Three tasks that ask different things of different texts."""
    rows, told = (workplace / "texts.jsonl").read_text(), (workplace / task_file).read_text()
    for name in "abc":
        (workplace / f"{name}.jsonl").write_text(rows.replace("item", f"{name} item"))
        (workplace / f"{name}.toml").write_text(told.replace("texts.jsonl", f"{name}.jsonl"))
    return "a.toml,b.toml,c.toml"


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each task was loaded."""
    count, load = Counter[str](), catalogue.load_task

    def counted(name: str, **more: Any) -> Any:
        count[name] += 1
        return load(name, **more)

    monkeypatch.setattr(catalogue, "load_task", counted)
    return count


@pytest.mark.slow
def test_a_dry_run_over_unseen_tasks_loads_each_once(invoke: Invoke, tasks: str, loads: Counter[str]) -> None:
    searched, _, unseen = tasks.rpartition(",")
    done = invoke("unseen", "--method", "climb", "--task", searched, "--on", unseen, "--adapt", *CAPS)
    assert done.exit_code == 0, done.stderr
    assert loads == dict.fromkeys(tasks.split(","), 1)


@pytest.mark.slow
def test_a_dry_run_of_a_comparison_loads_each_task_once_and_once_to_see_that_it_can_be(
    invoke: Invoke, tasks: str, loads: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_floor(monkeypatch)
    done = invoke("compare", "--task", tasks, "--methods", "climb", "--models", "scripted/a,scripted/b", *CAPS)
    assert done.exit_code == 0, done.stderr
    assert loads == dict.fromkeys(tasks.split(","), 2)


@pytest.mark.parametrize(
    "command",
    [
        ("headroom", "--task", "a.toml", "--max-evaluations", "500"),
        ("compare", "--task", "a.toml", "--methods", "climb"),
        ("compare", "--task", "a.toml", "--prompts", START),
        ("unseen", "--method", "climb", "--task", "a.toml,b.toml", "--on", "c.toml"),
    ],
)
def test_what_a_task_would_run_is_agreed_to_in_the_command_that_says_so(
    invoke: Invoke, tasks: str, workplace: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_floor(monkeypatch)
    path = workplace / "a.toml"
    path.write_text(path.read_text().replace("max_tokens = 4", 'max_tokens = 4\nmetric = "operator:eq"'))
    refused = invoke(command[0], *CAPS, *command[1:])
    assert refused.exit_code == 2
    assert "add --trust" in refused.stderr
    agreed = invoke(command[0], *CAPS, *command[1:], "--trust")
    assert agreed.exit_code == 0, agreed.stderr


def with_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The method that every comparison has."""
    load = registry.load

    def with_random(group: Any, name: str) -> Any:
        return load(group, "climb" if name == "random" else name)

    monkeypatch.setattr(registry, "load", with_random)


@pytest.mark.parametrize("missing", ["found.md", "winner.json", "-"])
def test_a_system_prompt_whose_file_is_not_there_is_no_system_prompt(
    invoke: Invoke, tasks: str, model: Scripted, missing: str
) -> None:
    done = invoke("evaluate", "--task", tasks, "--system", missing, *CAPS)
    assert done.exit_code == 2
    assert f"{missing!r}" in done.stderr
    assert "system prompt" in done.stderr
    assert model.calls == 0
