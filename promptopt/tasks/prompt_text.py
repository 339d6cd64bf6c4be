"""From a user's prompt text to an editable instruction and the frozen layout around it.

The rule, in order, for a text with slots such as `{question}`:

1. Lines stand before the line that holds the first slot: they are the instruction; that line and all after it are
   the layout.
2. The first slot's own line begins with a sentence (at least three words, ended by . ! ? or, if there is none, by a
   colon): that much is the instruction, the rest is the layout.
3. Otherwise ("Given {question}, answer briefly.") the whole text is editable, and its slots are placeholders that
   no candidate may lose.

A text without slots is an instruction, and the default layouts go around it. White space between instruction and
layout belongs to the layout, so the start prompt is rendered exactly as it was written. Slots may be spelt otherwise
(`tasks/spelling.py`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from promptopt.errors import ConfigError
from promptopt.tasks.layout import RESERVED, Layout, Turns
from promptopt.tasks.spelling import doubled, other_mark, respelt, unfilled
from promptopt.text import Pattern
from promptopt.types import HISTORY, Prompt

# The points in `3.5` and in `data.csv` end no sentence; the stops of scripts without spaces do.
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？؟]")
_COLON = re.compile(r"[:：](?=\s|$)")
# A name: not JSON such as `{"label": "x"}`.
_SLOT_LIKE = re.compile(r"\{([^\W\d][\w -]{0,39})\}")
_TAG_LIKE = re.compile(r"<([^\W\d][\w -]{0,39})>")
_INPUT_NAMES = frozenset({"input", "text", "question", "sentence", "query", "document", "message", "context", "x"})


@dataclass(frozen=True, slots=True)
class StartText:
    """A user's prompt taken apart. `pattern`: the layout, holding `{instruction}`; None where the text has no slots.

    `placed`: whether the text says itself where demonstrations stand in it. `marks`: how the user spells slots.
    """

    instruction: str
    pattern: str | None
    demo: str = ""
    placed: bool = False
    marks: tuple[tuple[str, str], ...] = ()


def take_apart(text: str, fields: Sequence[str], editable: str = "instruction") -> StartText:
    """Split a user's prompt by the rule above; `editable` is the part that will hold the instruction.

    Raises ConfigError when the text has slots but does not show every field, or has what looks like a misspelt slot.
    """
    text = text.replace("\r\n", "\n")
    if not text.strip():
        raise ConfigError("the prompt is empty; write at least one sentence that says what the model should do")
    if f"{{{editable}}}" in text:
        raise ConfigError(f"the prompt holds {{{editable}}}, the mark of the part that is edited; write it another way")
    spelt = respelt((text,), (*fields, "demos"))
    marks = tuple((name, mark) for name, mark in spelt.marks if name in fields)
    return replace(_instruction_and_layout(spelt.texts[0], fields, editable), marks=marks)


def _instruction_and_layout(text: str, fields: Sequence[str], editable: str) -> StartText:
    pattern = Pattern(text, (*fields, "demos"))
    _check_slots(text, pattern, fields)
    if not pattern.slots:
        return StartText(text.strip(), None)
    first = len(pattern.pieces[0])
    line = text.rfind("\n", 0, first) + 1
    # Rule 1 where lines stand above the first slot's own, else rule 2.
    end = line if text[:line].strip() else _sentence_end(text[:first])
    head = text[:end]
    # Rule 3.
    if not head.strip():
        if "demos" in pattern.slots:
            raise ConfigError("the prompt has {demos} and no instruction before its slots; begin with a sentence of it")
        # The inputs stand in the text itself, so the layout adds nothing but demonstrations.
        return StartText(text, f"{{demos}}{{{editable}}}", labelled(fields))
    instruction = head.strip()
    # The white space around it stays with the layout, as the module says.
    before, after = head.split(instruction, 1)
    rest = text[end:]
    shown = f"{before}{{{editable}}}{after}"
    if "demos" in pattern.slots:
        return StartText(instruction, shown + rest, _as_demo(rest.replace("{demos}", "")), placed=True)
    return StartText(instruction, f"{shown}{{demos}}{rest}", _as_demo(rest))


def _sentence_end(head: str) -> int:
    for boundary in (_SENTENCE_END, _COLON):
        # Fewer words are a heading or an abbreviation: `Task:`, `E.g.`
        ends = [match.end() for match in boundary.finditer(head) if len(head[: match.end()].split()) >= 3]
        # The last of them: all whole sentences before the slot are the instruction.
        if ends:
            return ends[-1]
    return 0


def _as_demo(rest: str) -> str:
    return f"{rest.strip()} {{target}}\n\n"


def _check_slots(text: str, pattern: Pattern, fields: Sequence[str]) -> None:
    shown = " and ".join(f"{{{name}}}" for name in fields)
    missing: list[str] = [name for name in fields if name not in pattern.slots]
    for name in missing:
        if mark := other_mark(text, name):
            raise ConfigError(f"the prompt has {mark}, which nothing fills here; write {{{name}}} for that input")
    # A tag that is closed again (`<text>…</text>`) is markup.
    unclosed = (str(name) for name in _TAG_LIKE.findall(text) if f"</{name}" not in text and not pattern.slots)
    for name in (*map(str, _SLOT_LIKE.findall(text)), *(tag for tag in unclosed if tag.lower() in fields)):
        if name in fields or name == "demos":
            continue
        # Only a field that the prompt lacks can be meant: other braces may be part of what it says.
        near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.6)
        if near:
            raise ConfigError(
                f"the prompt has {{{name}}}, which is not a field of the data; did you mean {{{near[0]}}}?"
            )
        if not pattern.slots and name.lower() in _INPUT_NAMES:
            raise ConfigError(f"the prompt has {{{name}}}, but the input of this task is {shown}; write that instead")
    if pattern.slots and missing:
        raise ConfigError(
            f"the prompt lacks the input slot {{{missing[0]}}} (the data's inputs are {shown}); add it where the input "
            f"belongs, or write the prompt without any slot and the input is put after it"
        )


def labelled(fields: Sequence[str]) -> str:
    """One demonstration as lines of `Field: value`, the answer last."""
    return _slot_lines(fields) + "Answer: {target}\n\n"


def _slot_lines(fields: Sequence[str]) -> str:
    return "".join(f"{name[:1].upper()}{name[1:].replace('_', ' ')}: {{{name}}}\n" for name in fields)


def default_layouts(fields: Sequence[str], parts: Sequence[str]) -> tuple[Layout, ...]:
    """Chat with the prompt in the first user message or in the system message, all in one message, and plain text.

    The input is last. In the first two demonstrations are turns of the conversation. `parts` are the prompt parts
    shown, in order, one paragraph each.
    """
    prompt = "\n\n".join(f"{{{part}}}" for part in parts)
    asked, demo = f"{{demos}}{_slot_lines(fields)}Answer:", labelled(fields)
    return (
        Layout("chat", messages=(("user", f"{prompt}\n\n{asked}"),), demos=Turns()),
        Layout("system", messages=(("system", prompt), ("user", asked)), demos=Turns()),
        Layout("one-message", messages=(("user", f"{prompt}\n\n{asked}"),), demo=demo),
        Layout("text", text=f"{prompt}\n\n{asked}", demo=demo),
    )


def chat_layouts() -> tuple[Layout, ...]:
    """The prompt as the system's message before the conversation; and all in one message, for models without such."""
    return (
        Layout("chat", messages=(("system", "{instruction}"), ("user", f"{{{HISTORY}}}"))),
        # It ends where the reply begins.
        Layout("one-message", messages=(("user", f"{{instruction}}\n\n{{{HISTORY}}}\n\nassistant:"),)),
    )


def own_layouts(start: StartText) -> tuple[Layout, ...]:
    """A user's own pattern, as chat and as plain text.

    Where it says itself where demonstrations stand they stay there, and turns are for those who choose them.
    """
    pattern = start.pattern if start.pattern is not None else ""
    inside = Layout("chat" if start.placed else "one-message", messages=(("user", pattern),), demo=start.demo)
    turns = Layout("turns" if start.placed else "chat", messages=(("user", pattern),), demos=Turns())
    first, second = (inside, turns) if start.placed else (turns, inside)
    return first, second, Layout("text", text=pattern, demo=start.demo)


def start_prompt(
    prompt: str | Prompt, fields: Sequence[str], labels: Sequence[str], layout: Layout | Sequence[Layout] | None
) -> tuple[Prompt, tuple[Layout, ...], tuple[tuple[str, str], ...]]:
    """The start prompt and the layouts of a task made from a user's prompt, and how it spells the inputs.

    Labels that the prompt does not name are put into a part of their own, `answer_format`, which no method edits.
    `Prompt` and `Layout` objects are taken to the letter: their slots are spelt `{name}`, other braces are literal.
    """
    given = None if layout is None else (layout,) if isinstance(layout, Layout) else tuple(layout)
    if isinstance(prompt, Prompt):
        layouts = default_layouts(fields, _reading_order(prompt.parts)) if given is None else given
        return prompt, layouts, ()
    start = take_apart(prompt, fields)
    if given is not None:
        return Prompt.of(start.instruction), given, start.marks
    if start.pattern is not None:
        return Prompt.of(start.instruction), own_layouts(start), start.marks
    # Also where there are no labels.
    if all(label.lower() in start.instruction.lower() for label in labels):
        return Prompt.of(start.instruction), default_layouts(fields, ("instruction",)), ()
    initial = Prompt.of(start.instruction, answer_format=f"Answer with one of: {', '.join(labels)}.")
    return initial, default_layouts(fields, ("instruction", "answer_format")), ()


def in_one_spelling(
    prompt: Prompt, layouts: Sequence[Layout], fields: Sequence[str]
) -> tuple[Prompt, tuple[Layout, ...], tuple[tuple[str, str], ...]]:
    """Prompt and layouts with every slot as `{name}`, and how the user spells the inputs.

    In the prompt's own texts inputs alone are slots. Raises ConfigError where one input is marked in two ways.
    """
    parts = [text for _, text in prompt.texts]
    patterns = [pattern for layout in layouts for pattern in _patterns(layout)]
    # A prompt's text does not mark the conversation, so how layouts mark it says nothing of how the others are spelt.
    chat = f"{{{HISTORY}}}" in patterns
    inputs = respelt((*parts, *patterns), tuple(name for name in fields if not (chat and name == HISTORY)))
    others = tuple(name for name in (*prompt.parts, *RESERVED, "solution") if name not in fields)
    texts = inputs.texts[: len(parts)]
    rest = iter(respelt(inputs.texts[len(parts) :], others, tags=False).texts)
    changed = Prompt(tuple(zip(prompt.parts, texts, strict=True)), prompt.demos)
    return changed, tuple(_with_patterns(layout, rest) for layout in layouts), inputs.marks


def _patterns(layout: Layout) -> tuple[str, ...]:
    turns = () if layout.demos is None else (layout.demos.user, layout.demos.assistant)
    return (*layout.patterns, layout.demo, *turns)


def _with_patterns(layout: Layout, texts: Iterator[str]) -> Layout:
    messages = tuple((role, next(texts)) for role, _ in layout.messages)
    text = layout.text if layout.messages else next(texts)
    demo = next(texts)
    turns = None if layout.demos is None else Turns(next(texts), next(texts))
    return replace(layout, messages=messages, text=text, demo=demo, demos=turns)


def remarks(
    prompt: Prompt, layouts: Sequence[Layout], fields: Sequence[str], marks: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    """Sentences for the user: on what is marked and not filled, filled twice, or has a dollar sign in its mark."""
    spelt = {**{name: f"{{{name}}}" for name in fields}, **dict(marks)}
    said = [
        f"the prompt writes the input as {mark}: the dollar sign is read as part of the mark, and the model does not "
        f"see it"
        for _, mark in marks
        if mark.startswith("$")
    ]
    for part, text in prompt.texts:
        inside = Pattern(text, fields).slots
        # Of the layout in use; the others are there to be tried.
        for layout in layouts[:1]:
            again = [name for name in layout.slots(fields) if name in inside]
            if again and part in layout.slots(prompt.parts):
                said.append(
                    f"the {part} holds {spelt[again[0]]}, and layout {layout.name!r} shows that input too, so the "
                    f"model reads it twice: take it out of the {part}, or out of the layouts"
                )
    texts = [text for _, text in prompt.texts] + [pattern for layout in layouts[:1] for pattern in _patterns(layout)]
    left = _left_open(texts, fields, prompt, fields)
    # Where inputs are marked with two braces, two of them are no escape for one.
    twice = "" if marks else doubled(texts)
    return (*said, *filter(None, (left, twice)))


def newly_open(prompt: Prompt, start: Prompt, fields: Sequence[str]) -> str:
    """A sentence on what a prompt marks and nothing fills; empty where the start has the same, of which it was said."""
    texts, before = ([text for _, text in each.texts] for each in (prompt, start))
    inputs = [name for name in fields if any(Pattern(text, fields).slots for text in before)]
    left, known = (_left_open(each, inputs, prompt, fields) for each in (texts, before))
    return "" if left == known else left


def _left_open(texts: Sequence[str], inputs: Sequence[str], prompt: Prompt, fields: Sequence[str]) -> str:
    return unfilled(texts, inputs, (*fields, *RESERVED, *prompt.parts, "solution"))


def around(prompt: Prompt, fields: Sequence[str]) -> tuple[Prompt, tuple[Layout, ...]]:
    """The layouts of a prompt that comes without any: by its instruction's own slots, where it has some.

    Its other parts then stand below the instruction, a paragraph each.
    """
    start = take_apart(prompt["instruction"], fields)
    if start.pattern is None:
        return prompt, default_layouts(fields, prompt.parts)
    others = "".join(f"\n\n{{{part}}}" for part in prompt.parts if part != "instruction")
    pattern = start.pattern.replace("{instruction}", f"{{instruction}}{others}")
    return prompt.replace("instruction", start.instruction), own_layouts(replace(start, pattern=pattern))


def _reading_order(parts: Sequence[str]) -> tuple[str, ...]:
    """The order parts are read in: system, instruction, then the others by name."""
    return tuple(sorted(parts, key=lambda part: (part != "system", part != "instruction", part)))
