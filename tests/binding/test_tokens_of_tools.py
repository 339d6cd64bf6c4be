"""What tools take of a request is counted wherever tokens are foreseen: a schema may be longer than what is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from promptopt import Budget, Example, Task
from promptopt.binding.plan import allocate_for
from promptopt.cli.roles import CellCost
from promptopt.cli.stand_in_world import World
from promptopt.cli.stand_ins import StandIn
from promptopt.evaluators.generation import Generation
from promptopt.models.prices import Price
from promptopt.models.scripted import Scripted
from promptopt.models.tokens import estimate_tokens
from promptopt.outcome.criterion import Criterion
from promptopt.run.budget import Allocation
from promptopt.run.reply_checks import checked_replies
from promptopt.testing import planted_task
from promptopt.types import Message, Reply, Request, ToolCall, flat
from tests.rewrites import Rewrites

SCHEMA = json.dumps({"type": "function", "function": {"name": "find", "description": "Where an order is. " * 40}})
CALL = ToolCall("find", json.dumps({"order": "H17 " * 100}))


def chats(tools: Sequence[str]) -> Task:
    examples = [
        Example.chat([Message("user", f"Where is order {n}?")], f"Order {n} is here.", f"chat {n}", tools)
        for n in range(40)
    ]
    return Task.from_examples(examples, prompt="You are kind.")


def tokens_in(text: str) -> int:
    return estimate_tokens(text, "small")


def test_a_dry_run_counts_the_schemas_of_tools() -> None:
    plain, offered = (
        CellCost.of(task, Generation(task, "exact"), "small").reads for task in (chats(()), chats((SCHEMA,)))
    )
    assert offered - plain == pytest.approx(tokens_in(SCHEMA), abs=2)


@pytest.mark.parametrize("message", [Message("user", "Where?", tools=(SCHEMA,)), Message("assistant", "", (CALL,))])
def test_whoever_stands_in_for_a_model_reads_tools_and_calls(message: Message) -> None:
    model = StandIn("task", "small", World(planted_task()), lambda _: "ok")
    (_, reply), *_ = model.generate([Request((message,))])
    (text,) = [*message.tools, *(call.written for call in message.tool_calls)]
    assert reply.prompt_tokens >= tokens_in(text)


def test_a_cap_on_tokens_is_divided_by_what_tools_take_too() -> None:
    plain, offered = (allocation(chats(tools)) for tools in ((), (SCHEMA,)))
    # Nothing but the schema tells them apart.
    assert offered.reserve.prompt_tokens / offered.reserve.evaluations == pytest.approx(
        plain.reserve.prompt_tokens / plain.reserve.evaluations + tokens_in(SCHEMA), rel=0.05
    )


def allocation(task: Task) -> Allocation:
    criterion = Criterion(Generation(task, "exact"), Scripted(lambda _: "", name="small"), Price(1e-6, 1e-6))
    return allocate_for(Budget(tokens=100_000), task, criterion, {"proposer": Price(0.0, 0.0)}, Rewrites(steps=1))


def test_counts_that_cannot_be_are_estimated_with_the_tools() -> None:
    request = Request((Message("user", "Where?", tools=(SCHEMA,)),))
    odd = [(0, replace(Reply("ok", "stop", 5, 1, served="odd"), prompt_tokens=-5))]
    (_, reply), *_ = checked_replies(iter(odd), [request], "odd", lambda _: None)
    assert tokens_in(SCHEMA) < reply.prompt_tokens
    assert reply.prompt_tokens <= tokens_in(flat(request.content)) + tokens_in(SCHEMA) + 2
