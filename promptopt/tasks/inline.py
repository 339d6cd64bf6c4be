"""A task whose whole prompt is one editable text, for methods that prune everything but the slots.

The layout's message with the example's fields becomes the editable part: instruction, answer format, field names and
separators together, the fields as `{field}` slots. The start prompt is rendered byte for byte as before, so a verdict
is still against the user's own prompt.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from promptopt import protocols
from promptopt.errors import ConfigError
from promptopt.tasks.contract import Contract, holds_forbidden
from promptopt.tasks.layout import RESERVED, ChatRole, Layout
from promptopt.tasks.layouts import layout_of
from promptopt.tasks.task import Task
from promptopt.text import Pattern
from promptopt.types import Example, Prompt, digest


@dataclass(frozen=True, slots=True)
class _Passage:
    """One message around the marks of an example (`role` None: plain text): its text, and the fields it shows."""

    role: ChatRole | None
    text: str
    slots: tuple[str, ...]


def inlined(task: protocols.Task) -> Task:
    """The same task with one editable text for a prompt, its inputs as `{field}` slots; itself, if it has that form.

    Messages without inputs (a system message) stay as they are, as frozen parts. Raises ConfigError where inputs stand
    in several messages, where a text that is no slot would read as one, and where a program runs the task.
    """
    if not isinstance(task, Task):
        raise ConfigError(f"task {task.name!r} cannot be written as one text: make it with `promptopt.Task`")
    if task.origin is not None:
        return task
    # Its layout only shows proposers what there is: the program would be handed texts that it does not know.
    if task.scored_by is not None:
        raise run_by_program(task)
    passages = _rendered_passages(task, task.initial)
    whole = _passage_with_inputs(task, passages)
    for passage in passages:
        # The marks became slots; any further slot was in the text before, and would be filled from now on.
        if Pattern(passage.text, task.fields).slots != passage.slots:
            raise ConfigError(
                f"the start prompt of task {task.name!r} holds the name of an input in braces as plain text (in a "
                f"demonstration, say), which would read as the input once all of it is one text; write it another way"
            )
    names = _part_names(passages, task.editable, task.fields)
    used = layout_of(task, task.initial)
    patterns = [f"{{{part}}}" for part in names]
    if whole.role is None:
        layout = Layout(used.name, text=patterns[0])
    else:
        roles: list[ChatRole] = [passage.role for passage in passages if passage.role is not None]
        layout = Layout(used.name, messages=tuple(zip(roles, patterns, strict=True)))
    warnings = task.warnings
    for part in task.editables:
        if task.initial[part] in whole.text:
            continue
        warnings = (
            *warnings,
            f"layout {used.name!r} shows the {part} apart from the input, so it stays as it is and only the "
            f"text around the input is pruned; choose a layout with both in one message to prune all of it",
        )
    return replace(
        task,
        initial=Prompt(tuple((name, passage.text) for name, passage in zip(names, passages, strict=True))),
        layouts=(layout,),
        layout=layout,
        editable=(task.editable,),
        contract=_contract(task, whole.text, tuple(part for part in names if part != task.editable)),
        warnings=warnings,
        origin=task,
    )


def run_by_program(task: protocols.Task) -> ConfigError:
    """What is raised where a program would be handed a prompt of one text in place of the parts that it reads."""
    return ConfigError(
        f"task {task.name!r} is run by a program, which lays out its prompts itself, so there is no one text to prune; "
        f"use another method"
    )


def in_context(task: protocols.Task, demos: Sequence[Example]) -> Prompt | None:
    """The start prompt of an inlined task with `demos` written out where its origin's layout shows demonstrations.

    They come after those that the start has itself. Where the layout shows them as turns they are written as another
    layout of the task writes them into the text. None where there is no place for them in the text that is edited, or
    the start has turns of its own. Raises ConfigError for a task that is not inlined.
    """
    if not isinstance(task, Task) or task.origin is None:
        raise ConfigError(f"task {task.name!r} is not in the form of one text; pass it through `inlined` first")
    origin = task.origin
    # One text has no turns: demonstrations are written as a layout with them in the text would.
    if origin.demos_as_turns:
        if origin.initial.demos:
            return None
        pattern = next((layout.demo for layout in origin.layouts if layout.demo), "")
        origin = replace(origin, layout=replace(layout_of(origin, origin.initial), demo=pattern, demos=None))
    try:
        passages = _rendered_passages(origin, origin.initial.with_demos([*origin.initial.demos, *demos]))
    except ConfigError:
        return None
    text = _passage_with_inputs(origin, passages).text
    # Nothing changed: the layout has no place for demonstrations.
    return None if demos and text == task.initial[task.editable] else task.initial.replace(task.editable, text)


def mentions(example: Example, fields: Collection[str]) -> bool:
    """Whether a text of the example holds what would read as a slot, so that it cannot be written into a prompt."""
    texts = (*(value for _, value in example.fields), example.target)
    return any(f"{{{name}}}" in text for text in texts for name in fields)


def _rendered_passages(task: Task, prompt: Prompt) -> list[_Passage]:
    # Marks that no prompt holds: they are made of the prompt's own id.
    marks = {name: f"<<{name}:{digest([prompt.id, name])}>>" for name in task.fields}
    content, _ = task.render(prompt, Example(tuple(marks.items())))
    sent: list[tuple[ChatRole | None, str]] = []
    if isinstance(content, str):
        sent.append((None, content))
    else:
        sent.extend((each.role, each.content) for each in content)
    names = {mark: name for name, mark in marks.items()}
    pattern = re.compile("|".join(map(re.escape, marks.values())))
    return [
        _Passage(
            role,
            pattern.sub(lambda found: f"{{{names[found[0]]}}}", text),
            tuple(names[mark] for mark in pattern.findall(text)),
        )
        for role, text in sent
    ]


def _passage_with_inputs(task: Task, passages: Sequence[_Passage]) -> _Passage:
    """The one with the inputs."""
    found = [passage for passage in passages if passage.slots]
    if len(found) > 1:
        raise ConfigError(
            f"task {task.name!r} shows its inputs in {len(found)} messages, and this method prunes one text; choose a "
            f"layout that has all of them in one message"
        )
    return found[0]


def _part_names(passages: Sequence[_Passage], editable: str, fields: Sequence[str]) -> list[str]:
    """A part name for every message: the editable one's, and the roles of the others."""
    taken = [editable, *fields, *RESERVED]
    names: list[str] = []
    for passage in passages:
        name = editable if passage.slots else str(passage.role)
        while not passage.slots and name in taken:
            name += "_"
        taken.append(name)
        names.append(name)
    return names


def _contract(task: Task, text: str, frozen_parts: tuple[str, ...]) -> Contract:
    """What of the task's contract the whole text can keep; a cap on the instruction's tokens says nothing about it."""
    own = task.contract
    parts = [task.initial[part] for part in task.editables if task.initial[part] in text]
    return Contract(
        placeholders=task.fields,
        frozen=tuple(span for span in own.frozen if any(span in part for part in parts)),
        must_contain=tuple(span for span in own.must_contain if any(span in part for part in parts)),
        must_not_contain=tuple(span for span in own.must_not_contain if not holds_forbidden(text, span)),
        frozen_parts=frozen_parts,
    )
