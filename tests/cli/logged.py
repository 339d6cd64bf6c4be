"""Logs of a shop's chats, and the task that `promptopt init` makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from command_line import Invoke

from promptopt.tasks import Task, load_task
from promptopt.types import Example

SYSTEM = "You are the assistant of {{shop}}.\nThe customer is called {{ name }}.\nBe kind."


def filled(number: int) -> str:
    return SYSTEM.replace("{{shop}}", "Acme").replace("{{ name }}", f"Ann{number}")


def log(number: int, system: str | None = None, **more: Any) -> dict[str, Any]:
    said = [{"role": "system", "content": filled(number) if system is None else system}] if system != "" else []
    return {"messages": [*said, {"role": "user", "content": f"Where is order {number}?"},
                         {"role": "assistant", "content": f"Order {number} is on its way."}], **more}  # fmt: skip


def write(rows: list[dict[str, Any]], name: str = "logs.jsonl") -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def made(invoke: Invoke, *options: str) -> tuple[Task, str]:
    done = invoke("init", "bot", "--data", "logs.jsonl", *options)
    assert done.exit_code == 0, done.stderr
    return load_task("bot.toml"), " ".join(done.stdout.split())


def everything(task: Task) -> tuple[Example, ...]:
    return (*task.train, *task.dev, *task.test)
