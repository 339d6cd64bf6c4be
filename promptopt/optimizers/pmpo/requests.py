"""What PMPO asks its rewriter, in the full form and in the short one for small models."""

from __future__ import annotations

from promptopt.operators.replies import Form
from promptopt.text import Pattern

_SLOTS = ("task", "section", "effects", "example", "words")

FULL = Pattern(
    '''You are an expert who improves prompts for language models.

{task}The prompt now:
"""
{section}
"""

What its parts do. Each was left out in turn, and the loss (how improbable the right outputs are) changed by so much; \
where it rose, the part helps:
{effects}

An example on which the prompt does worst:
{example}

The example is there to find patterns in, and for nothing else: do not quote it, and do not fit the prompt to it.

First say briefly what is weak about the prompt. Is it unclear, over-constrained, rigid, redundant, contradictory, or \
does guidance miss? Then improve it by several edits together: restructure it, add rules or principles, delete, \
rephrase, simplify, expand or merge parts, make its tone more professional, make it more diverse. Do not rename the \
answers, and do not change the form of the answer.
End with the whole new prompt, once, in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    _SLOTS,
)

SHORT = Pattern(
    '''{task}{example}

Parts of the prompt, and how the loss changes without them:
{effects}

Prompt:
"""
{section}
"""

After this prompt the expected output is improbable: its loss is high. Find the cause, and change the prompt so that \
outputs like it become probable for all inputs of that kind. Keep the names of the answers, and do not quote the \
example. Write the whole new prompt, in at most {words} words, between <prompt> and </prompt>.''',
    _SLOTS,
)

SCOPE = "That is the full scope of the task: the prompt serves all of it, and nothing else.\n\n"
UNDIVIDED = "(the prompt has no parts that could be left out)"
FORM = Form(FULL, SHORT, SCOPE, UNDIVIDED)
