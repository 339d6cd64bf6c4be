"""A prompt as a user gives it: a text, a whole pattern as an export writes it, or an export's JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from promptopt.errors import ConfigError, DataError
from promptopt.json_members import read_json
from promptopt.reports.export import export, export_of
from promptopt.tasks.demos import demo_from_json
from promptopt.tasks.inline import inlined
from promptopt.tasks.parts import editables_of, shown_to
from promptopt.tasks.spelling import respelt
from promptopt.tasks.task import Task
from promptopt.types import HISTORY, Prompt, digest


def prompt_from_parts(parts: Mapping[str, str], demos: Sequence[object], layout: str = "") -> Prompt:
    """A prompt from the parts, demonstrations and layout of a stored result or an exported JSON file."""
    return Prompt(tuple(parts.items()), tuple(map(demo_from_json, demos)), layout)


def from_text(task: Task, text: str, *, exported: bool = False) -> tuple[Task, Prompt]:
    """A prompt as a user gives it: the editable text, a whole pattern as `export` writes it, or its JSON (`exported`).

    Returns the task in the layout that the pattern has, and the prompt. Raises ConfigError and DataError.
    """
    if exported:
        task, prompt = _from_json(task, text)
        # Written by a method that edits the whole text, slots and all.
        written, own = (
            all(f"{{{name}}}" in each[task.editable] for name in task.fields) for each in (prompt, task.initial)
        )
        return inlined(task) if written and not own else task, prompt
    if shown_to(task, task.editable):
        return task, _as_user_prompt(task, text)
    # As the task spells them: a text from elsewhere may have `{{name}}` for `{name}`.
    spelt = respelt((text,), task.fields).texts[0]
    # The task's own layout first: a pattern that fits several is taken as the one in use.
    for layout in (task.layout, *task.layouts):
        if layout is None:
            continue
        laid_out = task.with_layout(layout.name)
        instruction = _editable_part(laid_out, spelt)
        if instruction is not None:
            return laid_out, task.initial.replace(task.editable, instruction)
    # What no layout explains: said here, as such a text would else become an instruction, roles and all.
    if "\n\n[assistant]\n" in text and text.startswith(("[system]\n", "[user]\n")):
        raise ConfigError(
            "the prompt shows demonstrations as turns, which cannot be read back from text; export it as JSON "
            "(`promptopt runs export RUN --out prompt.json`) and give that file"
        )
    if len(task.editables) > 1:
        raise ConfigError(
            f"task {task.name!r} has several editable parts ({', '.join(task.editables)}), and a text does not say "
            f"which it is; give a JSON file, as `promptopt runs export RUN --out prompt.json` writes it"
        )
    return task, task.starting_from(text)


def _as_user_prompt(task: Task, text: str) -> Prompt:
    """A text for the user prompt of a task behind a system prompt, which spells inputs as the start does."""
    prompt = task.initial.replace(task.editable, text.strip())
    slots = dict(task.contract.parts)[task.editable].broken_by(prompt, task.initial, task.editable, len)
    if slots is not None and "placeholder" in slots:
        raise ConfigError(
            f"this text cannot stand for the {task.editable} ({slots}); write inputs as its start does: "
            f"{task.initial[task.editable][:200]!r}"
        )
    return prompt


def _from_json(task: Task, text: str) -> tuple[Task, Prompt]:
    try:
        value = read_json(text)
    except (ValueError, RecursionError) as cause:
        raise DataError(f"the prompt file is not valid JSON ({cause}); export it again") from cause
    data = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    parts: object = data.get("parts")
    lost = next((part for part in editables_of(task) if not isinstance(parts, dict) or part not in parts), None)
    if lost is not None:
        raise DataError(f"the prompt file lacks 'parts' with {lost!r}; write it with `promptopt runs export`")
    for name, each in cast("dict[str, object]", parts).items():
        if not isinstance(each, str):
            raise DataError(f"the prompt file has {each!r:.60} as {name!r} of its 'parts'; write a text")
    demos: object = data.get("demos", [])
    if not isinstance(demos, list):
        raise DataError(f"the prompt file has {demos!r:.60} as 'demos'; write a list of demonstrations")
    layout = str(data.get("layout", ""))
    laid_out = task.with_layout(layout) if layout else task
    return laid_out, prompt_from_parts(cast("dict[str, str]", parts), cast("list[object]", demos))


def _editable_part(task: Task, text: str) -> str | None:
    """The editable part of a whole pattern in the task's layout, or None where `text` is no such pattern."""
    # Without a system prompt what is written is the conversation alone, which is no text of one.
    bare = export(export_of(task, task.initial.replace(task.editable, "")), "txt")
    if HISTORY in task.fields and text.strip() == bare.strip():
        return ""
    # No text holds its own digest.
    mark = f"<<{task.editable}:{digest(text)}>>"
    # `marks=()`: the text was respelt to `{name}`, so the pattern it is held against has to be spelt like that too.
    whole = export(replace(export_of(task, task.initial.replace(task.editable, mark)), marks=()), "txt")
    # A layout may leave the part out or show it twice; then nothing says what stands where.
    if whole.count(mark) != 1:
        return None
    before, after = whole.split(mark)
    # Editors add and remove the last line break.
    inner = text.rstrip("\n")
    after = after.rstrip("\n")
    if not before + after or not inner.startswith(before) or not inner.endswith(after):
        return None
    found = inner[len(before) : len(inner) - len(after)].strip()
    return found if found else None
