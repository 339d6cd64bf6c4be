"""A prompt to take away: what the model was sent when the prompt was measured, with a place for the input.

The instruction alone would not behave as measured: layout, demonstrations and answer format are part of the score.
"""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.demos import demo_from_json, demo_to_json
from promptopt.tasks.inline import inlined
from promptopt.tasks.layouts import named_layout
from promptopt.tasks.parts import editables_of, shown_to
from promptopt.tasks.spelling import respelt
from promptopt.tasks.task import Task
from promptopt.types import HISTORY, Example, Prompt, Sampling, digest

Format = Literal["txt", "json", "messages", "python", "toml", "openai", "dspy", "langchain", "promptfoo", "llm"]
FORMATS: Mapping[Format, str] = {
    "txt": "plain text, the input as {name}",
    "json": "everything: messages or text, inputs, parts, demonstrations, sampling, model",
    "messages": "the messages of an OpenAI request, the input as {name}",
    "python": "a Python file with a function that gives the messages for an input",
    "toml": "what json says, as TOML",
    "openai": "the whole body of an OpenAI request",
    "dspy": "a Python file with a DSPy program that sends these messages",
    "langchain": "JSON for langchain_core.load.loads",
    "promptfoo": "a promptfoo config",
    "llm": "a template of the program llm",
}
_ALIASES: Mapping[str, Format] = {"text": "txt"}
_SUFFIXES: Mapping[str, Format] = {".txt": "txt", ".md": "txt", ".json": "json", ".py": "python", ".toml": "toml"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One message (`role` empty: a plain text to be continued); `texts` and `inputs` alternate, a text first."""

    role: str
    texts: tuple[str, ...]
    inputs: tuple[str, ...]

    def show(self, names: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
        """The whole content, every input as `names` spells it, and `escape` over what stands between."""
        rest = (names[name] + escape(text) for name, text in zip(self.inputs, self.texts[1:], strict=True))
        return escape(self.texts[0]) + "".join(rest)


@dataclass(frozen=True, slots=True)
class Exported:
    """A prompt in the layout it was measured in. `inputs`: the names of what changes from request to request.

    `marks`: how the user spells inputs that are not spelt `{name}`. `chat`: whether the input `history` is a list of
    messages. `users`: the parts that the requests of one of several tasks have in them, with their texts.
    """

    prompt: Prompt
    pieces: tuple[Piece, ...]
    inputs: tuple[str, ...]
    sampling: Sampling
    model: str = ""
    marks: tuple[tuple[str, str], ...] = ()
    chat: bool = False
    users: tuple[tuple[str, str], ...] = ()

    def placeholders(self) -> dict[str, str]:
        """How each input is spelt: `{name}`, or as the user does.

        Underscores are added to the name where the prompt itself says that.
        """
        fixed = "\n".join(text for piece in self.pieces for text in piece.texts)
        spelt: dict[str, str] = {}
        for name in self.inputs:
            before, _, after = dict(self.marks).get(name, f"{{{name}}}").partition(name)
            mark = name
            while f"{before}{mark}{after}" in fixed:
                mark += "_"
            spelt[name] = f"{before}{mark}{after}"
        return spelt


def export_of(task: Task, prompt: Prompt, model: str = "") -> Exported:
    """Render `prompt` as the task lays it out, around marks that stand for the input.

    Raises ConfigError where the task shows no example (it has no train split).
    """
    if not task.train:
        raise ConfigError(f"task {task.name!r} has no examples, so its inputs are unknown; load it with its data")
    inputs = tuple(name for name, _ in task.train[0].fields)
    # A mark that no prompt holds: it is made of the prompt's own id.
    marks = {name: f"<<{name}:{digest([prompt.id, name])}>>" for name in inputs}
    content, _ = task.render(prompt, Example(tuple(marks.items())))
    sent = [("", content)] if isinstance(content, str) else [(message.role, message.content) for message in content]
    names = {mark: name for name, mark in marks.items()}
    pattern = re.compile("|".join(map(re.escape, marks.values())))
    pieces = tuple(
        Piece(role, tuple(pattern.split(text)), tuple(names[mark] for mark in pattern.findall(text)))
        for role, text in sent
    )
    users = tuple((part, text) for part, text in prompt.texts if shown_to(task, part))
    return Exported(prompt, pieces, inputs, task.sampling, model, task.marks, bool(task.train[0].messages), users)


def format_for(path: str | Path | None, chosen: str | None) -> Format:
    """The format chosen, or the one the file's ending asks for, or plain text. Raises ConfigError."""
    if chosen is not None:
        for known in FORMATS:
            if known == _ALIASES.get(chosen, chosen):
                return known
        raise ConfigError(
            f"there is no export format {chosen!r}; it is one of {', '.join(FORMATS)} (a file is named with --out)"
        )
    if path is None:
        return "txt"
    suffix = Path(path).suffix.lower()
    if suffix and suffix not in _SUFFIXES:
        raise ConfigError(
            f"cannot tell from the ending of {str(path)!r} what to write; end it with {', '.join(_SUFFIXES)}"
        )
    return _SUFFIXES.get(suffix, "txt")


def export(exported: Exported, form: Format) -> str:
    """The prompt in one of `FORMATS`. Plain text is exact to the last character: it seldom ends with a line break.

    Raises ConfigError for a prompt that a form cannot hold.
    """
    from promptopt.reports import elsewhere

    match form:
        case "txt":
            return _as_text(exported)
        case "json":
            return json.dumps(_as_json(exported), indent=2, ensure_ascii=False) + "\n"
        case "messages":
            return json.dumps(messages_of(exported), indent=2, ensure_ascii=False) + "\n"
        case "python":
            return python_of(exported)
        case "toml":
            return elsewhere.as_toml(_as_json(exported))
        case "openai":
            return elsewhere.as_openai(exported)
        case "dspy":
            return elsewhere.as_dspy(exported)
        case "langchain":
            return elsewhere.as_langchain(exported)
        case "promptfoo":
            return elsewhere.as_promptfoo(exported)
        case "llm":
            return elsewhere.as_llm(exported)


def _as_text(exported: Exported) -> str:
    spelt = exported.placeholders()
    if len(exported.pieces) == 1:
        return exported.pieces[0].show(spelt)
    shown = [f"[{piece.role}]\n{piece.show(spelt)}" for piece in exported.pieces]
    return "\n\n".join([*shown, *(f"[{part}]\n{text}" for part, text in exported.users)])


def messages_of(exported: Exported) -> list[dict[str, str]]:
    """The messages of a request, the inputs as they are spelt."""
    spelt = exported.placeholders()
    # A plain text goes out as one user message: the nearest that a chat server can be sent.
    return [{"role": piece.role if piece.role else "user", "content": piece.show(spelt)} for piece in exported.pieces]


def _as_json(exported: Exported) -> dict[str, Any]:
    sampling, prompt = exported.sampling, exported.prompt
    spelt = exported.placeholders()
    plain = exported.pieces[0].role == ""
    return {
        "prompt_id": prompt.id,
        "model": exported.model,
        "text": exported.pieces[0].show(spelt) if plain else None,
        "messages": None if plain else messages_of(exported),
        "inputs": spelt,
        "sampling": {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop),
        },
        "parts": dict(prompt.texts),
        "demos": [demo_to_json(demo) for demo in prompt.demos],
        **named_layout(prompt),
    }


def python_of(exported: Exported) -> str:
    """A Python file with a function that gives the messages, or the text, for an input."""
    arguments = identifiers(exported.inputs)
    spelt = dict(zip(exported.inputs, arguments, strict=True))
    spoken = [each.inputs for each in exported.pieces if exported.chat and _is_history(each)]
    kinds = {name: "list[dict[str, str]]" if (name,) in spoken else "str" for name in exported.inputs}
    typed = ", ".join(f"{spelt[name]}: {kinds[name]}" for name in exported.inputs)
    sampling = exported.sampling
    settings = f"temperature={sampling.temperature}, top_p={sampling.top_p}, max_tokens={sampling.max_tokens}"
    if sampling.stop:
        settings += f", stop={list(sampling.stop)!r}"
    measured = f" on {exported.model}" if exported.model else ""
    head = (
        f'"""{_in_docstring(f"Prompt {exported.prompt.id}, laid out as it was measured{measured}.")}\n\n'
        f'{_in_docstring(f"Ask with {settings}.")}\n"""\n\n\n'
    )
    if exported.pieces[0].role == "":
        return (
            f'{head}def text({typed}) -> str:\n    """What the model is to continue."""\n'
            f"    return {_joined(exported.pieces[0], spelt)}\n"
        )
    lines = [
        f'{head}def messages({typed}) -> list[dict[str, str]]:\n    """The messages of one request."""',
        "    return [",
        *(
            f"        *{spelt[HISTORY]},"
            if piece.inputs in spoken and _is_history(piece)
            else f'        {{"role": {_quoted(piece.role)}, "content": {_joined(piece, spelt)}}},'
            for piece in exported.pieces
        ),
        "    ]",
    ]
    return "\n".join(lines) + "\n"


def _is_history(piece: Piece) -> bool:
    return piece.inputs == (HISTORY,) and not any(piece.texts)


def _joined(piece: Piece, spelt: Mapping[str, str]) -> str:
    """The content as a Python expression: quoted texts and arguments, added up."""
    terms: list[str] = [_quoted(piece.texts[0])] if piece.texts[0] else []
    for name, text in zip(piece.inputs, piece.texts[1:], strict=True):
        terms += [spelt[name], *([_quoted(text)] if text else [])]
    return " + ".join(terms) if terms else '""'


def _quoted(text: str) -> str:
    # A JSON string is a Python string too, and always in double quotes.
    return json.dumps(text, ensure_ascii=False)


def _in_docstring(text: str) -> str:
    # A name or a stop text may hold quotes: what is a task file's must not become code of the exported one.
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text.replace("\\", "\\\\"))
    return shown.replace('"', '\\"')


def identifiers(names: Sequence[str]) -> list[str]:
    """An argument's name for each input, no two the same to Python."""
    found: list[str] = []
    for position, name in enumerate(names):
        # Python takes names for the same that differ in compatible characters.
        cleaned = unicodedata.normalize("NFKC", re.sub(r"\W", "_", name))
        usable = cleaned.isidentifier() and not keyword.iskeyword(cleaned) and cleaned != "__debug__"
        chosen = cleaned if usable else f"input_{position + 1}"
        while chosen in found:
            chosen += "_"
        found.append(chosen)
    return found


def prompt_of(parts: Mapping[str, str], demos: Sequence[Mapping[str, Any]], layout: str = "") -> Prompt:
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
    spelt = respelt((text,), task.fields).texts[0]
    for layout in (task.layout, *task.layouts):
        if layout is None:
            continue
        laid_out = task.with_layout(layout.name)
        instruction = _inside(laid_out, spelt)
        if instruction is not None:
            return laid_out, task.initial.replace(task.editable, instruction)
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
        value: object = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise DataError(f"the prompt file is not valid JSON ({cause}); export it again") from cause
    data = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    parts: object = data.get("parts")
    lost = next((part for part in editables_of(task) if not isinstance(parts, dict) or part not in parts), None)
    if lost is not None:
        raise DataError(f"the prompt file lacks 'parts' with {lost!r}; write it with `promptopt runs export`")
    layout = str(data.get("layout", ""))
    laid_out = task.with_layout(layout) if layout else task
    return laid_out, prompt_of(cast("dict[str, str]", parts), data.get("demos", []))


def _inside(task: Task, text: str) -> str | None:
    """The editable part of a whole pattern in the task's layout, or None where `text` is no such pattern."""
    mark = f"<<{task.editable}:{digest(text)}>>"
    whole = export(replace(export_of(task, task.initial.replace(task.editable, mark)), marks=()), "txt")
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
