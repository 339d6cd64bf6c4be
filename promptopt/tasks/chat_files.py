"""The two files of a chatbot's task as they are written: the task file, and the conversations, one a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptopt.tasks.demands import DEMANDS
from promptopt.tasks.masking import Masker
from promptopt.tasks.prompt_text import chat_layouts
from promptopt.tasks.reading.chat_rows import Conversation
from promptopt.tasks.reading.chat_turns import ScoredTurns
from promptopt.tasks.toml_text import quoted, quoted_lines, quoted_pairs
from promptopt.text import counted
from promptopt.types import Example, messages_to_json

_METRIC_NOTES = {
    "f1": (
        "# the words shared with the logged reply (f1), until demands say what is to be in it (docs/chat.md), or",
        "# a judge is told what a good reply is (docs/judges.md).",
    ),
    "demands": ("# the share of its demands that a reply meets: docs/chat.md.",),
}


def conversation_line(conversation: Conversation, names: Sequence[str], masker: Masker | None) -> str:
    """The conversation as a line of JSON, with the variables of these names; masked, where there is a masker."""
    conversation = _answered(conversation)
    known = dict(conversation.variables)
    if masker is not None:
        mask = masker.conversation(conversation.variables)
        conversation = replace(
            conversation,
            messages=tuple(map(mask.message, conversation.messages)),
            ideal=tuple(map(mask.text, conversation.ideal)),
            demands=tuple(map(mask.value, conversation.demands)),
        )
        known = {name: mask.text(value) for name, value in known.items()}
        # The last, for marks are numbered in the order of what was said.
        conversation = replace(conversation, id=masker.group(conversation.id, mask))
    kept = {name: known[name] for name in names if name in known}
    return json.dumps(_as_row(conversation, kept), ensure_ascii=False)


def _answered(conversation: Conversation) -> Conversation:
    """The conversation up to its last reply, where it has one: what is said behind it is never sent."""
    replies = [place for place, message in enumerate(conversation.messages, start=1) if message.role == "assistant"]
    end = replies[-1] if replies else None
    return replace(
        conversation,
        messages=conversation.messages[:end],
        weights=conversation.weights[:end],
        demands=conversation.demands[:end],
    )


def _as_row(conversation: Conversation, variables: Mapping[str, str]) -> dict[str, Any]:
    """The conversation as it is kept: OpenAI's form of a fine-tuning row, with the id and what else there is."""
    messages = messages_to_json(conversation.messages)
    # Not strict: a conversation without any weights has none at all.
    for message, weight in zip(messages, conversation.weights, strict=False):
        if weight is not None:
            message["weight"] = weight
    further: dict[str, Any] = {
        "tools": [json.loads(tool) for tool in conversation.tools],
        "variables": dict(variables),
        "accepted": list(conversation.ideal),
    }
    for message, asked in zip(messages, conversation.demands, strict=False):
        if asked not in (None, ""):
            message[DEMANDS] = asked
    kept = {name: value for name, value in further.items() if value}
    return {"conversation": conversation.id, "messages": messages, **kept}


def task_file(
    name: str, prompt: str, names: Sequence[str], examples: Sequence[Example], scored: ScoredTurns, *, log: str,
    beside: str,
) -> str:  # fmt: skip
    """The TOML text of the task. `log`: the file that was read; `beside`: that of the conversations."""
    longest = max((len(example.target) for example in examples), default=0)
    # At two characters a token, more tokens than text has: a reply as long as the longest logged one fits.
    tokens = min(1024, max(64, longest // 2)) if longest else 256
    groups = len({example.group for example in examples})
    demanding = any(example.demands for example in examples)
    metric = "demands" if demanding and all(example.demands for example in examples) else "f1"
    lines = [
        f"name = {quoted(name)}",
        "# One or two sentences on what the bot is for; shown to the model that writes prompts.",
        f"description = {quoted(f'Replies of a chatbot, from {log}.')}",
        f"# {counted(len(examples), 'scored reply', 'scored replies')} of {counted(groups, 'conversation')}. Scored by",
        *_METRIC_NOTES[metric],
        f"metric = {quoted(metric)}",
        'answer = "text"',
        f"max_tokens = {tokens}   # of a reply",
        "# The system prompt in use today: this is the part that is optimized.",
        f"instruction = {quoted_lines(prompt)}",
        "",
        "[data]",
        f"file = {quoted(beside)}   # as seen from this file",
        f"turns = {quoted(scored)}   # which replies of a conversation are scored: last | all | weighted",
        *([f"demands = {quoted(DEMANDS)}   # what a reply has to say and to do: docs/chat.md"] if demanding else []),
        *([f"variables = [{', '.join(map(quoted, names))}]   # what fills the slots of the prompt"] if names else []),
        "",
        "[contract]",
        "# What no candidate may lose; see docs/check.md for all clauses.",
        "template = true   # expressions such as {{name}} stay as they are, and none is added",
        "# must_contain = []",
        "# must_not_contain = []",
        "# max_tokens = 1000",
        "",
    ]
    for layout in chat_layouts():
        lines += ["[[layouts]]", f"name = {quoted(layout.name)}", f"messages = {quoted_pairs(layout.messages)}", ""]
    return "\n".join(lines).rstrip() + "\n"
