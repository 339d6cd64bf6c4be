"""What APO asks its critic, its editor and its paraphraser; the wording is for small models too."""

from __future__ import annotations

from promptopt.operators.replies import Form
from promptopt.text import Pattern

_SLOTS = ("task", "section", "mistakes", "reason", "advice", "reasons", "words", "count", "form")

CRITIC = Pattern(
    '''A language model follows an instruction and makes mistakes.

{task}Instruction:
"""
{section}
"""

Mistakes:
{mistakes}

What does the instruction fail to say, so that these mistakes happen? {advice}\
Speak of all inputs of that kind, not of one.
{reasons}, in this form:
<reason>The instruction does not say ...</reason>''',
    _SLOTS,
)
CONFUSED = "Name the answers that were confused and what tells them apart. "

EDITOR = Pattern(
    '''Improve an instruction for a language model.

{task}Instruction now:
"""
{section}
"""

Mistakes it led to:
{mistakes}

What is wrong with it: {reason}

{advice} \
A rule must hold for all inputs of that kind: do not copy the inputs above. \
Do not rename the answers, and do not change the form of the answer.
Write the whole new instruction{count}, in at most {words} words, in this form:
<instruction>
{form}
</instruction>''',
    _SLOTS,
)
REWRITE = (
    "Rewrite the instruction so that this does not happen again: say things otherwise, put them in another order, add "
    "what is missing, and leave out what misleads or does nothing."
)
LABEL_RULES = (
    "Keep what the instruction says now, and add one short rule for each possible answer, of the kind "
    '"If the input ..., answer ...", so that none is confused.'
)
OTHER_RULES = (
    "Keep what the instruction says now, and add one to three short rules of the kind "
    '"If the input ..., then ..." that would have prevented the mistakes.'
)

PARAPHRASER = Pattern(
    '''Say this instruction in other words, with the same meaning. Keep every rule and every name of an answer.

"""
{section}
"""

Write the new text between <instruction> and </instruction>, and nothing else.''',
    _SLOTS,
)

TAGS = ("reason", "instruction")
FORM = Form(CRITIC, CONFUSED, EDITOR, REWRITE, LABEL_RULES, OTHER_RULES, PARAPHRASER)
