"""`promptopt check` on the chat of a shop, by demands: no judge is asked, and a prompt without its rules is red."""

from __future__ import annotations

import json
from typing import Any

import pytest
from command_line import Invoke

from promptopt.models.scripted import Scripted
from promptopt.tasks import load_task
from promptopt.types import Request

TASK = load_task("support-chat")
START = TASK.initial["instruction"]
REPLIES = {example.messages: example.target for example in (*TASK.train, *TASK.dev, *TASK.test)}


@pytest.fixture
def model() -> Any:
    """Knows what the system prompt says: every reply that was logged, where the rules stand in it."""

    def answer(request: Request) -> str:
        system, _, *history = request.content
        known = "# Delivery" in system.content if not isinstance(system, str) else False
        return REPLIES.get(tuple(history), "I can't say.") if known else "Please look at our page."

    return Scripted(answer, name="scripted/one")


def check(invoke: Invoke, prompt: str) -> tuple[int, dict[str, Any]]:
    done = invoke("check", "--task", "support-chat", "--model", "x", "--prompt", prompt, "--test", "46", "--json")
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.slow
def test_the_prompt_in_use_is_green_and_one_without_its_rules_red(invoke: Invoke) -> None:
    cut = START[: START.index("# Delivery")] + START[START.index("# Safety") :]
    kept, green = check(invoke, START.strip())
    lost, red = check(invoke, cut)

    assert (kept, lost) == (0, 4)
    score = next(each for each in red["decisions"] if each["name"] == "score")
    assert score["outcome"] == "regression"
    assert all(each["outcome"] == "passed" for each in green["decisions"])
    assert green.get("by_role", {}).get("judge", {}).get("calls", 0) == 0
