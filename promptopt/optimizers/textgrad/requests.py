"""What TextGrad asks: a criticism of one value for the sake of what came of it, a summary, a new text."""

from __future__ import annotations

from promptopt.operators.replies import Form
from promptopt.text import Pattern

BACKWARD = Pattern(
    """A program asks a language model. One of its values is to be criticised, so that what comes of it becomes better.

{task}The value is {role}:
---
{value}
---
It was used here.
{exchange}

{objective}
Say what is wrong with the value, and how it would have to change for that. \
Only criticise: do not write a new value. Where it already does what it should, write nothing between the tags.
<feedback>...</feedback>""",
    ("task", "role", "value", "exchange", "objective"),
)
AT_LOSS = "How the output was judged: {judged}"
RIGHT = "\nThe right answer: {target}"
BEYOND = "The output was criticised: {judged}"
TEXT_ROLE = 'a text of the program, named "{name}"'
REPLY_ROLE = "what the model said in an earlier call"
OUTPUT_ROLE = "the program's output"
EXCHANGE = "It was given:\n{given}\nIt gave:\n{gave}"

REDUCE = Pattern(
    """This is the criticism of one text, from several runs of it.

{criticisms}

Sum it up: what is said more than once first, nothing twice, nothing added. Do not write a new text.
<feedback>...</feedback>""",
    ("criticisms",),
)

UPDATE = Pattern(
    '''Improve a text of a program that asks a language model, named "{name}", by the criticism of it.

{task}The text now:
"""
{section}
"""

Criticism, each with the run that it is of; some of it may be mistaken:
{criticisms}
{constraints}{history}
Write the whole new text. It must hold for all inputs of that kind: do not copy those above. \
Do not rename the answers, and do not change the form of the answer.
Write it in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    ("name", "task", "section", "criticisms", "constraints", "history", "words"),
)
CONSTRAINTS = "\nThe new text must keep to this:\n"
HISTORY_HEAD = (
    "\nThe text before, and what was criticised of it then. Where the same is criticised again, change more:\n"
)
TAG = "feedback"
FORM = Form(UPDATE, CONSTRAINTS, HISTORY_HEAD, BACKWARD)
