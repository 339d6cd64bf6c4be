"""What CAPO asks its proposer: one prompt of two, and a prompt in other words."""

from __future__ import annotations

from promptopt.operators.replies import Form
from promptopt.text import Pattern

CROSSOVER = Pattern(
    '''Merge two prompts for a language model into one.

{task}Prompt 1:
"""
{first}
"""

Prompt 2:
"""
{second}
"""

The new prompt must be one coherent text that keeps what is special about the language of both. \
Keep the names of the answers. Write it in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    ("task", "first", "second", "words"),
)
MUTATION = Pattern(
    '''Rephrase a prompt for a language model: the same meaning, in a clearly different style.

{task}Prompt:
"""
{section}
"""

Keep every rule and the names of the answers. \
Write the new prompt in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    ("task", "section", "words"),
)
FORM = Form(CROSSOVER, MUTATION)
