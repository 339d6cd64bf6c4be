"""What GEPA asks its reflector: one text of the prompt, and what came of it, example by example."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.operators.reflect import Mistake, show_mistakes
from promptopt.operators.replies import Form
from promptopt.operators.traces import show_calls
from promptopt.text import Pattern

REFLECTOR = Pattern(
    '''A language model follows an instruction. Below is what it made of some inputs, and how that was judged.

{task}Instruction now:
"""
{section}
"""

{records}

Write a better instruction. Work out from inputs and feedback what the task is, what form the inputs have and which \
facts of the subject help: whoever answers sees the instruction and nothing else, so what helps must stand in it. \
Keep what worked; where good answers show a way to proceed, tell it. \
Speak of all inputs of that kind: do not copy the inputs above. \
Do not rename the answers, and do not change the form of the answer.{keep}
Write the whole new instruction in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    ("task", "section", "records", "keep", "words"),
)
KEEP_PLACES = " These stand for what is filled in, and must stay as they are: "

FORM = Form(REFLECTOR, KEEP_PLACES)


def show_records(part: str, records: Sequence[Mistake]) -> str:
    """Every example with what was said and what that was worth, right ones too, in the order they were run.

    Of a program also what the text of `part` was given and gave.
    """
    # Right ones too: the reflector is to keep what worked.
    return "\n\n".join(
        f"{number}. {show_mistakes([record]).removeprefix('1. ')}{show_calls(part, record[1])}\n"
        f"   Worth: {record[1].value:.3g}"
        for number, record in enumerate(records, 1)
    )
