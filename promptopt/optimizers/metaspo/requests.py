"""What the proposer is asked: what is wrong with a prompt, and for a better one."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.operators.reflect import Mistake, remark
from promptopt.operators.replies import Form
from promptopt.protocols import Task
from promptopt.text import Pattern, shorten
from promptopt.types import Example, Message, Prompt, Score, transcript

SHOWN_CHARACTERS = 2_000
"""Characters of what was sent, and of a reply, that are shown of a failure. Ours: the paper's code shows all."""

_SLOTS = ("system", "section", "mistakes", "analysis")
ANALYSE_USER = Pattern(
    '''You improve the user prompt of a task. A language model reads a system prompt first, then the user prompt.

System prompt:
"""
{system}
"""

User prompt:
"""
{section}
"""

Inputs on which the reply was wrong:

{mistakes}

What does the user prompt lack? Speak of the user prompt alone.
<critique>
...
</critique>''',
    _SLOTS,
)
REWRITE_USER = Pattern(
    '''You improve the user prompt of a task. A language model reads a system prompt first, then the user prompt.

System prompt:
"""
{system}
"""

Inputs on which the reply was wrong:

{mistakes}

What was found about the user prompt:

{analysis}

User prompt:
"""
{section}
"""

Write a better one, with which these mistakes do not happen. Keep every name in braces that it has, and add none.
<prompt>
...
</prompt>''',
    _SLOTS,
)
ANALYSE_SYSTEM = Pattern(
    '''You improve a system prompt that has to serve many different tasks.

System prompt:
"""
{section}
"""

Inputs on which the reply was wrong:

{mistakes}

Why does the system prompt fail here? Speak of the system prompt alone.
<critique>
...
</critique>''',
    _SLOTS,
)
# Without the failures, so that nothing of single tasks gets into the prompt of all.
REWRITE_SYSTEM = Pattern(
    '''You improve a system prompt that has to serve many different tasks, unseen ones too. What was found about it:

{analysis}

System prompt:
"""
{section}
"""

Write a better one. Keep it general, keep every name in braces that it has, and add none.
<prompt>
...
</prompt>''',
    _SLOTS,
)
FORM_USER, FORM_SYSTEM = Form(ANALYSE_USER, REWRITE_USER), Form(ANALYSE_SYSTEM, REWRITE_SYSTEM)


def show_failures(task: Task, prompt: Prompt, failures: Sequence[Mistake]) -> str:
    """Numbered: what the user was made to say, the reply, the answer read out of it, and the right ones.

    What is long gives way in its middle.
    """
    return "\n\n".join(f"{number}. {_failure(task, prompt, *failure)}" for number, failure in enumerate(failures, 1))


def _failure(task: Task, prompt: Prompt, example: Example, score: Score) -> str:
    content, _ = task.render(prompt, example)
    # The system prompt stands in the request once (code: beside every failure).
    sent = content if isinstance(content, str) else transcript([each for each in content if each.role != "system"])
    lines = [f"User: {shorten(sent, SHOWN_CHARACTERS)}", f"Reply: {shorten(score.output.strip(), SHOWN_CHARACTERS)}"]
    if not score.parsed:
        lines.append("Answer given: unreadable")
    elif score.answer and score.answer != score.output.strip():
        lines.append(f"Answer given: {shorten(score.answer, SHOWN_CHARACTERS)}")
    if example.target:
        lines.append(f"Right answer: {shorten(', '.join((example.target, *example.accepted)), SHOWN_CHARACTERS)}")
    note = remark(example, score)
    if note:
        lines.append(f"Feedback: {shorten(note, SHOWN_CHARACTERS)}")
    return "\n   ".join(lines)


def system_of(task: Task, prompt: Prompt, example: Example) -> str:
    """What the system is made to say before an example; nothing where it says nothing."""
    content, _ = task.render(prompt, example)
    first: Message | None = None if isinstance(content, str) else content[0]
    return first.content if first is not None and first.role == "system" else ""
