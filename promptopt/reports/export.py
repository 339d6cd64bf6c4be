"""A prompt to take away: what the model was sent when the prompt was measured, with a place for the input.

The instruction alone would not behave as measured: layout, demonstrations and answer format are part of the score.
"""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from promptopt.errors import ConfigError
from promptopt.tasks.demos import demo_to_json
from promptopt.tasks.layouts import named_layout
from promptopt.tasks.parts import shown_to
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
    messages. `users`: the parts that the requests of one of several tasks have in them, with their texts. `tools`: the
    schemas of those that every request of the task offers, as JSON; those that differ by example are not the prompt's.
    """

    prompt: Prompt
    pieces: tuple[Piece, ...]
    inputs: tuple[str, ...]
    sampling: Sampling
    model: str = ""
    marks: tuple[tuple[str, str], ...] = ()
    chat: bool = False
    users: tuple[tuple[str, str], ...] = ()
    tools: tuple[str, ...] = ()

    def is_history(self, piece: Piece) -> bool:
        """Whether this stands for all messages of a conversation, and is no message itself."""
        return self.chat and piece.inputs == (HISTORY,) and not any(piece.texts)

    def placeholders(self) -> dict[str, str]:
        """How each input is spelt: `{name}`, or as the user does.

        Underscores are added to the name where the prompt itself says that.
        """
        fixed = "\n".join(text for piece in self.pieces for text in piece.texts)
        spelt: dict[str, str] = {}
        for name in self.inputs:
            # Only the name within the user's own spelling grows: `{{name}}` becomes `{{name_}}`.
            before, _, after = dict(self.marks).get(name, f"{{{name}}}").partition(name)
            mark = name
            # What the prompt itself says would be filled with the input as well.
            while f"{before}{mark}{after}" in fixed:
                mark += "_"
            spelt[name] = f"{before}{mark}{after}"
        return spelt


def export_of(task: Task, prompt: Prompt, model: str = "") -> Exported:
    """Render `prompt` as the task lays it out, around marks that stand for the input.

    Raises ConfigError where the task shows no example (it has no train split).
    """
    if not task.train:
        raise ConfigError(
            f"task {task.name!r} has no train examples, so its inputs are unknown; load it with more data"
        )
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
    offered = {example.tools for split in (task.train, task.dev, task.test) for example in split}
    users = tuple((part, text) for part, text in prompt.texts if shown_to(task, part))
    return Exported(
        prompt=prompt,
        pieces=pieces,
        inputs=inputs,
        sampling=task.sampling,
        model=model,
        marks=task.marks,
        chat=bool(task.train[0].messages),
        users=users,
        tools=next(iter(offered)) if len(offered) == 1 else (),
    )


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
    # Those forms are made of what is in this module.
    from promptopt.reports import export_forms

    match form:
        case "txt":
            return _export_as_text(exported)
        case "json":
            return json.dumps(_export_as_json(exported), indent=2, ensure_ascii=False) + "\n"
        case "messages":
            return json.dumps(messages_of(exported), indent=2, ensure_ascii=False) + "\n"
        case "python":
            return python_of(exported)
        case "toml":
            return export_forms.as_toml(_export_as_json(exported))
        case "openai":
            return export_forms.as_openai(exported)
        case "dspy":
            return export_forms.as_dspy(exported)
        case "langchain":
            return export_forms.as_langchain(exported)
        case "promptfoo":
            return export_forms.as_promptfoo(exported)
        case "llm":
            return export_forms.as_llm(exported)


def _export_as_text(exported: Exported) -> str:
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


def _export_as_json(exported: Exported) -> dict[str, Any]:
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
        **tools_in(exported),
    }


def tools_in(exported: Exported) -> dict[str, Any]:
    """The tools of every request, as a member of it; nothing where there are none."""
    return {"tools": [json.loads(tool) for tool in exported.tools]} if exported.tools else {}


def python_of(exported: Exported, arguments: Sequence[str] | None = None) -> str:
    """A Python file with a function that gives the messages, or the text, for an input.

    `arguments`: names for the inputs that Python takes; None: near to their own.
    """
    arguments = identifiers(exported.inputs) if arguments is None else arguments
    spelt = dict(zip(exported.inputs, arguments, strict=True))
    spoken = any(map(exported.is_history, exported.pieces))
    # Calls of tools are no text.
    messages = "list[dict[str, object]]" if spoken else "list[dict[str, str]]"
    # A history that is a message of its own goes in as messages; anywhere else it is text.
    kinds = {name: messages if spoken and name == HISTORY else "str" for name in exported.inputs}
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
            f"    return {_python_expression(exported.pieces[0], spelt)}\n"
        )
    lines = [
        f'{head}{_tools_of(exported)}def messages({typed}) -> {messages}:\n    """The messages of one request."""',
        "    return [",
        *(
            f"        *{spelt[HISTORY]},"
            if exported.is_history(piece)
            else f'        {{"role": {_python_string(piece.role)}, "content": {_python_expression(piece, spelt)}}},'
            for piece in exported.pieces
        ),
        "    ]",
    ]
    return "\n".join(lines) + "\n"


def _tools_of(exported: Exported) -> str:
    """The tools as a constant of a Python file, which a request has to be given beside the messages."""
    listed = "".join(f"    {json.loads(tool)!r},\n" for tool in exported.tools)
    return f"# To be given as `tools` of the request.\nTOOLS = [\n{listed}]\n\n\n" if listed else ""


def _python_expression(piece: Piece, spelt: Mapping[str, str]) -> str:
    """The content as a Python expression: quoted texts and arguments, added up."""
    terms: list[str] = [_python_string(piece.texts[0])] if piece.texts[0] else []
    for name, text in zip(piece.inputs, piece.texts[1:], strict=True):
        terms += [spelt[name], *([_python_string(text)] if text else [])]
    return " + ".join(terms) if terms else '""'


def _python_string(text: str) -> str:
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
        # `__debug__` passes for a name, and Python takes it for no argument.
        usable = cleaned.isidentifier() and not keyword.iskeyword(cleaned) and cleaned != "__debug__"
        chosen = cleaned if usable else f"input_{position + 1}"
        while chosen in found:
            chosen += "_"
        found.append(chosen)
    return found
