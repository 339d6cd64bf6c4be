"""What APE asks its proposer."""

from __future__ import annotations

from promptopt.operators.replies import Form
from promptopt.text import Pattern

FORWARD = Pattern(
    """Someone was given an instruction and some inputs, and wrote the output that it asks for to each input:

{pairs}

What was the instruction? It was the same for all inputs, and quoted none of them.{placeholders} \
Write it in at most {words} words, in this form:
<prompt>
...
</prompt>""",
    ("pairs", "placeholders", "words"),
)

PARAPHRASE = Pattern(
    '''Write a variation of this instruction that means the same.

"""
{section}
"""

Write the variation, in at most {words} words, between <prompt> and </prompt>, and nothing else.''',
    ("section", "words"),
)

FORM = Form(FORWARD, PARAPHRASE)
