"""Several tasks under one prompt: what each task's contract wants of that prompt, and of replies to its examples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptopt.binding.suite import several_tasks, under_system
from promptopt.errors import ConfigError
from promptopt.optimizers.plum.phrases import frozen_texts
from promptopt.outcome.hygiene import findings_in
from promptopt.tasks import Splits, Task
from promptopt.tasks.contract import Contract
from promptopt.tasks.gate import Gate
from promptopt.tasks.parts import with_user_prompts
from promptopt.types import Example, Message

SYSTEM = "You are the desk of Nordsee. Never promise a refund. Stay short."


def chats(name: str, contract: Contract | None = None, gate: Gate | None = None) -> Task:
    examples = [Example.chat([Message("user", f"{name} {number}")], "yes", f"g{number}") for number in range(40)]
    made = Task.from_examples(examples, prompt=SYSTEM, name=name, splits=Splits(10, 10, 20))
    own = replace(made.contract if contract is None else contract, frozen_parts=made.contract.frozen_parts)
    return replace(made, contract=own, gate=Gate() if gate is None else gate)


def texts(name: str, contract: Contract | None = None) -> Task:
    examples = [Example.of("yes", text=f"{name} {number}") for number in range(40)]
    made = Task.from_examples(examples, prompt=f"Do {name}.", name=name, splits=Splits(10, 10, 20))
    return made if contract is None else replace(made, contract=contract)


def broken(task: Task, text: str, part: str = "instruction") -> str | None:
    return task.broken_by(task.initial.replace(part, text), lambda given: len(given.split()))


REFUND = Contract(frozen=("Never promise a refund.",), max_tokens=12)
SHORT = Contract(must_contain=("short",), must_not_contain=("free of charge",), pattern="(?i)nordsee")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("You are the desk of Nordsee. Stay short.", "lost frozen text 'Never promise a refund.'"),
        ("Nordsee. Never promise a refund.", "does not contain 'short'"),
        ("Nordsee. Never promise a refund. Stay short. All is free of charge.", "contains 'free of charge'"),
        ("You are a desk. Never promise a refund. Stay short.", "has no match of '(?i)nordsee'"),
        (f"{SYSTEM} Be kind.", "longer than 12 tokens"),
        ("NORDSEE. Stay short. Never promise a refund.", None),
    ],
)
def test_one_prompt_keeps_the_contract_of_every_task_that_it_is_of(text: str, said: str | None) -> None:
    both = several_tasks([chats("eins", REFUND), texts("other"), chats("zwei", SHORT)])
    assert broken(both, text) == said
    # So it does where user prompts are searched beside it; these keep the contract of their own task.
    parted = with_user_prompts(both)
    assert broken(parted, text) == said
    assert broken(parted, "Do as you like.", parted.editables[1]) is None


def test_what_methods_and_the_scan_go_by_is_known_of_all_tasks() -> None:
    allowing = replace(SHORT, may_contain=("the judge decides",))
    both = several_tasks([chats("eins", REFUND), chats("zwei", allowing)])
    assert frozen_texts(both) == ("Never promise a refund.", "short")
    spoken = both.initial.replace("instruction", f"{SYSTEM} In court the judge decides.")
    assert findings_in(spoken, both.initial, both, ()) == ()


def test_a_clause_on_a_user_prompt_is_none_on_the_system_prompt_and_one_task_alone_is_judged_under_any() -> None:
    both = several_tasks([texts("a", Contract(placeholders=("text",), must_contain=("Do",))), texts("b")])
    assert broken(both, "Be kind.") is None
    assert both.contract == Contract()
    assert broken(under_system(chats("eins", REFUND), "Be kind."), "Be brief.") is None


def test_tasks_that_want_the_same_want_it_once_and_without_clauses_the_task_is_what_it_was() -> None:
    alike = several_tasks([chats("eins", REFUND), chats("zwei", REFUND)])
    assert len(alike.contract.further) == 1
    plain = several_tasks([chats("eins", Contract()), chats("zwei", Contract())])
    assert (plain.contract, plain.gate) == (Contract(), Gate())
    assert plain.contract.to_json() == Contract().to_json()
    assert alike.fingerprint()["contract"] != plain.fingerprint()["contract"]


def test_a_system_prompt_in_use_that_breaks_the_contract_of_a_task_is_told() -> None:
    with pytest.raises(ConfigError, match=r"breaks the contract \(lost frozen text 'Never promise a refund.'\)"):
        several_tasks([chats("eins", REFUND), chats("zwei")], system="Be kind.")


def test_what_a_task_asks_of_replies_is_asked_of_those_to_its_own_examples() -> None:
    vital = Example.chat([Message("user", "Help!")], "yes", "vital")
    gate = Gate(schema='{"type":"object"}', must_pass=(vital,), largest_loss={"de": 0.1})
    both = several_tasks([chats("eins", gate=gate), chats("zwei")], floor=0.15)

    (example,) = both.gate.must_pass
    assert (example.slice, example.source, example.messages) == ("eins", vital, vital.messages)
    assert both.gate.largest_loss == {"*": 0.15}
    asked: dict[str, Any] = {"schema": '{"type":"object"}', "largest_loss": {"de": 0.1}}
    assert both.gate.members == {"eins": Gate(**asked)}
