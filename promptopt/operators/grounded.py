"""The request for one new instruction, grounded in the task, in examples and in one tip: MIPRO and TPE ask by it."""

from __future__ import annotations

from collections.abc import Callable

from promptopt.operators.drafts import words_allowed
from promptopt.operators.reflect import show_task
from promptopt.protocols import Task
from promptopt.text import Pattern
from promptopt.types import Prompt

PROPOSE = Pattern(
    '''Write an instruction for a language model that does this task.

{task}{grounds}The instruction now:
"""
{section}
"""

{examples}Write a better instruction. {tip}It is for all inputs of that kind, so do not quote the examples. \
Do not rename the answers, and do not change the form of the answer.
Write it in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    ("task", "grounds", "section", "examples", "tip", "words"),
)
TIPS = (
    "",
    "Dare to be creative. ",
    "Keep it short and clear. ",
    "Make it detailed, and say everything that helps. ",
    "Say that much depends on the right answer. ",
    "Begin with a role that suits the task, as in: You are a ... ",
)
"""What a request may advise, one drawn for each: nothing, or one of five tips. After MIPROv2's code; our wording."""


def proposal_request(
    task: Task,
    parent: Prompt,
    count_tokens: Callable[[str], int],
    *,
    examples: str,
    tip: str,
    longest: int,
    grounds: str = "",
) -> str:
    """Ask for another text in place of the parent's editable part, of `longest` tokens at most.

    `examples`, `grounds`: ready texts, each with a blank line at its end, or empty.
    """
    section = parent[task.editable]
    return PROPOSE.render(
        {
            "task": show_task(task, parent),
            "grounds": grounds,
            "section": section,
            "examples": examples,
            "tip": tip,
            "words": str(words_allowed(task, task.editable, section, longest, count_tokens)),
        }
    )
