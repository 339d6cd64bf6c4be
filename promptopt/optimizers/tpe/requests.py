"""What TPE asks its proposer: one instruction, grounded in a few examples and one tip."""

from __future__ import annotations

from promptopt.operators.replies import Form
from promptopt.text import Pattern

PROPOSER = Pattern(
    '''Write an instruction for a language model that does this task.

{task}The instruction now:
"""
{section}
"""

{examples}Write a better instruction. {tip}It is for all inputs of that kind, so do not quote the examples. \
Do not rename the answers, and do not change the form of the answer.
Write it in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    ("task", "section", "examples", "tip", "words"),
)
TIPS = (
    "",
    "Dare to be creative. ",
    "Keep it short and clear. ",
    "Make it detailed, and say everything that helps. ",
    "Say that much depends on the right answer. ",
    "Begin with a role that suits the task, as in: You are a ... ",
)
"""What a request may advise, one drawn for each: nothing, or one of five tips. After the code; the wording is ours."""
FORM = Form(PROPOSER, *TIPS)
