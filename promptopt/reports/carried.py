"""What of a prompt a form of export cannot carry or give back, and which form does: said where one is written."""

from __future__ import annotations

from promptopt.errors import ConfigError, DataError
from promptopt.operators.policy_marks import mark_in
from promptopt.reports.export import Exported, Format, export
from promptopt.reports.given import from_text
from promptopt.tasks.task import Task
from promptopt.text import normalise

_WHOLE_FORMATS: tuple[Format, ...] = ("json", "toml")
"""Forms that keep every part and demonstration by its name."""


def not_carried(task: Task, exported: Exported, form: Format) -> str:
    """A sentence on what is lost in this form; empty where nothing is. `task`: as the prompt was measured."""
    mark = next((mark for _, text in exported.prompt.texts if (mark := mark_in(text))), "")
    if mark:
        return (
            f"{mark} stands for what a policy writes for each input: it means something to rewritten/policy/FOLDER::"
            f"MODEL alone, with the folder that `promptopt runs prompter RUN --out FOLDER` writes"
        )
    if form in _WHOLE_FORMATS:
        return ""
    lost = _parts_left_out(exported, form)
    if lost:
        return f"this form has no place for the {_and(lost)}; export as {'json or toml' if form == 'txt' else _KEEPING}"
    why = _why_not_carried(task, exported) if form == "txt" else ""
    return f"as text {why}, so --prompt cannot read it back; export as json for that" if why else ""


_KEEPING = "json, toml or text for that"


def _parts_left_out(exported: Exported, form: Format) -> list[str]:
    """The parts that are not in what is written: text shows the user prompts of several tasks below, others do not."""
    # A prompt's parts hold their slots as `{name}`, whatever the export spells them like.
    spelt = {name: f"{{{name}}}" for name in exported.inputs}
    shown = " ".join(normalise(piece.show(spelt)) for piece in exported.pieces)
    below = [text for _, text in exported.users] if form == "txt" else []
    kept = f"{shown} {normalise(' '.join(below))}"
    return [part for part, text in exported.prompt.texts if normalise(text) not in kept]


def _why_not_carried(task: Task, exported: Exported) -> str:
    """Why the text of this prompt gives another prompt, where it does."""
    prompt = exported.prompt
    try:
        _, found = from_text(task, export(exported, "txt"))
    # What cannot be read at all is no prompt, and so another one.
    except (ConfigError, DataError):
        found = None
    # White space is left to the form: only words that are lost count.
    texts = None if found is None else {part: normalise(text) for part, text in found.texts}
    if (
        found is not None
        and found.demos == prompt.demos
        and texts == {part: normalise(text) for part, text in prompt.texts}
    ):
        return ""
    if prompt.demos:
        return "its demonstrations stand among the rest"
    return "its parts are not told apart" if len(task.editables) > 1 else "its layout is not told apart from it"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
