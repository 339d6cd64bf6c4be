"""What OPRO asks its proposer: an instruction that scores higher than those of the history."""

from __future__ import annotations

from promptopt.operators.replies import Form
from promptopt.text import Pattern

META = Pattern(
    """Write an instruction for a language model{where}. The higher its score, the better; scores go from 0 to 100.

{task}{evidence}Write a new instruction that differs from all the instructions above and scores higher than any of \
them. It must be concise, effective, and fit all inputs of this kind.{keep}
End with the new instruction, once, in this form:
<instruction>
...
</instruction>""",
    ("where", "task", "evidence", "keep"),
)
WHERE = ". It will stand where <INS> stands in the examples"
HISTORY_HEAD = "Instructions so far with their scores, the worst first and the best last:"
EXEMPLARS = "Examples of what the model will be given, and of what is right:"
KEEP_PLACES = " It must hold {places} once each: the input stands there."
FORM = Form(META, WHERE, HISTORY_HEAD, EXEMPLARS, KEEP_PLACES)
TAG = "instruction"
# A text with the mark of the examples in it was copied from them.
TAGS = (TAG, "INS")
