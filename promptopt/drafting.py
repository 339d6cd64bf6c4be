"""A checklist that a model drafts for a task: questions for a person to strike, correct and put into the task file.

Source   Cook et al. 2024 (arXiv:2410.03608): checklists that a model writes raise agreement with people.
Cost     one call of the proposer, two where its reply holds no list.

Nothing goes by what is drafted: a task's judge reads the task file alone. The draft is of the start prompt, the
task's rubric and some training examples.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from promptopt.arguments import checked
from promptopt.binding.models import Models, open_models, prices
from promptopt.binding.session import no_search, opened, stopping
from promptopt.binding.task import bind_task
from promptopt.errors import BackendError, ConfigError
from promptopt.evaluators.giveaway import named_answers
from promptopt.evaluators.judge_reply import items_in
from promptopt.evaluators.judging import Question, options_of, sampled, shown_input
from promptopt.evaluators.leak import spoken_words
from promptopt.outcome.hygiene import findings
from promptopt.protocols import BringsEvaluator, Model, Task
from promptopt.run.budget import Budget, Ledger, Limits
from promptopt.run.door import Door
from promptopt.store.runs import Store
from promptopt.tasks.toml_text import quoted
from promptopt.text import counted, normalise, shorten
from promptopt.types import Example, Message, Reply, Request

ITEMS = 8
"""Items that are asked for, where nobody says. Ours."""
MOST_ITEMS = 20
"""Items at most: a judge answers all of them in one call."""
EXAMPLES_SHOWN = 5
"""Training examples that the model is shown. Ours."""
EXAMPLE_CHARACTERS = 2_000
"""Of an example's input, and of its target."""
LONGEST = 300
"""Characters of an item: one question about one thing is shorter. Ours."""
TOKENS = 1_024
"""Of the reply that holds the items."""
QUESTION_MARKS = "?？؟⸮՞;"
"""What a question ends in; the last is the Greek one."""

_DRAFTING = (
    "Write a checklist by which the replies to a task are graded. Its items are questions that are answered by yes or "
    "no. Yes is the good answer to each. Each asks about one thing, and can be answered by whoever sees the input and "
    "the reply, but not the prompt. All of them hold for every input of the task: none names what the right answer to "
    "one input is, or anybody who stands in an example. What good and bad replies have in common needs no item."
)
_OPEN = re.compile(r"(?:how|what|which|who|whom|whose|why|where|when)\b", re.IGNORECASE)
"""How a question begins that no yes answers, in English."""
_ITEMS_SCHEMA = (
    '{"type":"object","properties":{"items":{"type":"array","items":{"type":"string"}}},"required":["items"],'
    '"additionalProperties":false}'
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a model drafted. `refused`: what is left out of it, each with why, as the end of a sentence."""

    task: str
    model: str
    items: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    text: str
    """The items as a table for the task file, with what a person has to do above it."""
    spent: Ledger
    paid: Ledger
    warnings: tuple[str, ...]


@checked
def draft(
    task: str | Path | Task,
    *,
    count: int = ITEMS,
    model: str | Model | Models = "embedded",
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
) -> Draft:
    """Have the proposer draft a checklist of at most `count` items for the task.

    Raises ConfigError for a count out of range and for a task that has no one task file, BackendError where the engine
    fails, the budget ends it, or the model drafts nothing that a person could use.
    """
    if not 1 <= count <= MOST_ITEMS:
        raise ConfigError(f"a checklist of {count} items cannot be drafted; give 1 to {MOST_ITEMS}, such as {ITEMS}")
    begun, warnings = time.monotonic(), list[str]()
    budget = Budget() if budget is None else budget
    bound = bind_task(task, seed)
    _check_of_one_file(bound)
    with opened(store) as store:
        models = open_models(model).by_role
        door = Door(
            models=models, prices=prices(models), cache=store.cache, journal=None, limits=Limits.of(budget), seed=seed,
            stopping=stopping(budget, begun, interrupt), warn=warnings.append,
        )  # fmt: skip
        with no_search():
            found = _drafted(_draft_request(bound, count), door)
    name = models["proposer"].name
    kept, refused = _sifted(found, bound, count)
    if not kept:
        item, why = refused[0]
        raise BackendError(
            f"none of the {counted(len(refused), 'item')} that {name!r} drafted can be used, such as "
            f"{shorten(item, 100)!r}, for {why}; name another model with --proposer, or write the items yourself"
        )
    door.lost.tell(warnings.append)
    return Draft(
        task=bound.name,
        model=name,
        items=kept,
        refused=refused,
        text=_items_table(bound, name, kept),
        spent=door.account.spent,
        paid=door.account.paid,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _check_of_one_file(task: Task) -> None:
    members: Sequence[str] = getattr(task, "members", ())
    if members:
        raise ConfigError(
            f"a checklist is that of one task file; draft one after the other for {', '.join(members)}, as --task "
            f"{members[0]}"
        )
    if isinstance(task, BringsEvaluator) and task.scored_by is not None:
        raise ConfigError(f"task {task.name!r} is a program with a metric of its own, and has no [judge] to draft for")


def _draft_request(task: Task, count: int) -> Request:
    number = counted(count, "item")
    contract = (
        f'Write one JSON object and nothing else: {{"items": ["…?", "…?"]}}, at most {number}, in the language of the '
        f"prompt, the most important one first."
    )
    question = Question(_DRAFTING, contract, _ITEMS_SCHEMA, sampled(1, TOKENS))
    examples = [(f"example {at}", _example_shown(each)) for at, each in enumerate(task.train[:EXAMPLES_SHOWN], 1)]
    return question.request([*_said_of(task).items(), *examples], [])


def _said_of(task: Task) -> dict[str, str]:
    """What the task says of good replies, by what it is called."""
    rubric = {**options_of(task, "versus"), **options_of(task, "rubric")}
    levels = [f"- {level}" for level in rubric.get("levels", ())]
    criteria = "\n".join([str(rubric["criteria"]), *levels]) if "criteria" in rubric else ""
    said = {
        "prompt": "\n\n".join(text for _, text in task.initial.texts),
        "rubric": criteria,
        "items that there are already": "\n".join(_known(task)),
    }
    return {name: text for name, text in said.items() if text.strip()}


def _known(task: Task) -> Sequence[str]:
    return cast("Sequence[str]", options_of(task, "checklist").get("items", ()))


def _example_shown(example: Example) -> str:
    said = f"input:\n{shorten(shown_input(example), EXAMPLE_CHARACTERS)}"
    return f"{said}\n\na good reply:\n{shorten(example.target, EXAMPLE_CHARACTERS)}" if example.target.strip() else said


def _drafted(request: Request, door: Door) -> list[str]:
    """The items of the reply, asked for once more where there are none. Raises BackendError then."""
    content = request.content
    assert not isinstance(content, str)
    text = f"{content[0].content}\n\nWrite that JSON and nothing else: no prose before it or after it."
    replies: list[Reply] = []
    for asked in (request, replace(request, content=(Message("user", text),))):
        replies += door([asked], role="proposer")
        # A list that was cut off may have gone on, and a person sees what there is of it.
        if found := items_in(replies[-1].text):
            return found
    last = replies[-1]
    said = f"it said {shorten(last.text, 100)!r}" if last.text.strip() else f"it said nothing ({last.finish})"
    raise BackendError(
        f"{door.models['proposer'].name!r} drafted no list of items, asked twice: {said}; name another model with "
        f"--proposer, or write the items yourself"
    )


def _sifted(found: Sequence[str], task: Task, count: int) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The items that a person is shown, and those that are left out, with why."""
    kept: list[str] = []
    refused: list[tuple[str, str]] = []
    seen = {_heard(item): "the task file has it already" for item in _known(task)}
    fault = _faults(task)
    for item in (normalise(each) for each in found):
        why = seen.get(_heard(item)) or fault(item)
        if not why and len(kept) == count:
            why = f"{counted(count, 'item was', 'items were')} asked for"
        if why:
            refused.append((item, why))
        else:
            seen[_heard(item)] = "another item says the same"
            kept.append(item)
    return tuple(kept), tuple(refused)


def _heard(item: str) -> frozenset[str]:
    """What two items are one by: their words, whatever their order, case and punctuation."""
    return frozenset(spoken_words(item))


def _faults(task: Task) -> Callable[[str], str]:
    """What says why an item is none, as the end of a sentence; empty for one that a person may judge."""
    examples = (*task.train, *task.dev, *task.test)
    # What a user wrote is the user's business.
    before = "\n".join(_said_of(task).values())

    def fault(item: str) -> str:
        if len(item) > LONGEST:
            return f"it has more than {LONGEST} characters"
        if not spoken_words(item) or not item.rstrip("\"'”»*_ )").endswith(tuple(QUESTION_MARKS)):
            return "it is no question"
        if _OPEN.match(item):
            return "yes or no does not answer it"
        named = named_answers([item], examples, task.labels)
        if named:
            answer, holders = max(named.items(), key=lambda each: len(each[0]))
            return f"it names {shorten(answer, 60)!r}, the answer of example {holders[0].id}"
        scanned = findings(item, before, task.train, task.labels)
        return f"it {scanned[0]}" if scanned else ""

    return fault


def _items_table(task: Task, model: str, items: Sequence[str]) -> str:
    """The items as a person copies them into the task file."""
    judge = cast("Mapping[str, Any]", getattr(task, "judge", {}))
    if _known(task):
        where = "Strike and correct items, and add those that are left to the items of your task file."
    else:
        where = "Strike and correct items, and copy the table that is left into your task file."
    other = str(judge.get("evaluator", "checklist"))
    # What is asked beside items wants to be told which is meant.
    now = "Your task goes by its metric" if other == "generation" else f"Your [judge] is a {other}"
    beside = f'# {now} now. Put evaluator = "checklist" under [judge], or mix both with [judge.weights].'
    lines = [
        f"# Drafted by {normalise(model)} for the task {normalise(task.name)}. Nothing goes by this file.",
        f"# {where}",
        *([beside] if other != "checklist" else []),
        "# A good item is one that you would hold every reply to, and whose good answer is yes.",
        "",
        "[judge.checklist]",
        "items = [",
        *(f"    {quoted(item)}," for item in items),
        "]",
    ]
    return "\n".join(lines) + "\n"
