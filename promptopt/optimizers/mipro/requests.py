"""What MIPRO asks its proposer: what the data are like, what the program does, what a part is for, an instruction."""

from __future__ import annotations

import re

from promptopt.operators.grounded import PROPOSE, TIPS
from promptopt.operators.replies import Form
from promptopt.text import Pattern

OBSERVE = Pattern(
    """These are examples of a task for a language model.

{examples}

Write down what you observe: what the inputs are about, how they are phrased, how long they are, what the right \
outputs look like, what makes an example hard. Speak of the data as a whole, and quote nothing.
Write it in this form:
<summary>...</summary>""",
    ("examples",),
)
OBSERVE_MORE = Pattern(
    """These are examples of a task for a language model.

{examples}

Observed so far, in other examples of it:
{observed}

Add what these examples show beyond that. Where they show nothing new, write the one word COMPLETE. \
Speak of the data as a whole, and quote nothing.
Write it in this form:
<summary>...</summary>""",
    ("examples", "observed"),
)
COMPLETE = re.compile(r"\W*COMPLETE(?:\W*$|[.:;,!*](?!\w)|\s*\n| +[-–—(])", re.IGNORECASE)
"""The word that nothing is new, alone or before a remark (code: the first eight letters); in a sentence it is none."""
CONDENSE = Pattern(
    """This was observed in the examples of a task for a language model.

{observed}

Sum it up in two or three sentences: what matters to whoever writes an instruction for the task.
Write them in this form:
<summary>...</summary>""",
    ("observed",),
)
DESCRIBE = Pattern(
    """A program asks a language model. {program}

{demos}Describe in two or three sentences what the program is for, and how it seems to go about it.
Write them in this form:
<summary>...</summary>""",
    ("program", "demos"),
)
ROLE = Pattern(
    """A program asks a language model. {program}

What the program is for: {described}

One of its texts is named {part}:
---
{section}
---
{module}Say in one or two sentences what this text is for in the program.
Write them in this form:
<summary>...</summary>""",
    ("program", "described", "part", "section", "module"),
)
LAID_OUT = "This is what it lays before the model, with the input filled in:"
CODE = "This is the program, in Python:"
DATA = "What the data are like: "
MODULE = "The model is asked by it as "
PROGRAM = "What the program is for: "
PART = "What this instruction is for in it: "
SOLVED = "Inputs that were solved:"
NONE_SOLVED = "There are no examples to be shown.\n\n"
TAG = "summary"
FORM = Form(PROPOSE, DATA, CODE, PROGRAM, MODULE, PART, SOLVED, NONE_SOLVED, *TIPS)
