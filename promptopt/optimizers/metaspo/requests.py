"""What the proposer is asked: what is wrong with a prompt, and for a better one."""

from __future__ import annotations

from promptopt.operators.replies import Form
from promptopt.text import Pattern

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
    '''You improve the user prompt of a task. What was found about it:

{analysis}

User prompt:
"""
{section}
"""

Write a better one. Keep every name in braces that it has, and add none.
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
