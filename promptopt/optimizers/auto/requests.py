"""What the proposer is asked: one request a child, whose reply is a whole instruction between tags."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.operators.drafts import words_allowed
from promptopt.operators.exemplars import INSTRUCTION_MARK, show_place
from promptopt.operators.reflect import Mistake, show_task
from promptopt.operators.replies import Form
from promptopt.operators.traces import show_traced
from promptopt.run import Run
from promptopt.text import Pattern
from promptopt.types import Example, Prompt

_SLOTS = ("task", "section", "other", "shown", "words")
_FORM = """Write it in at most {words} words, in this form:
<prompt>
...
</prompt>"""
# An answer by another name, or in another form, is read as a wrong one.
_KEEP = "Keep placeholders, the names of the answers and the form of the answer."

# Reason and rewrite in one reply; APO asks for each by a call of its own.
CRITIC = Pattern(
    f'''A language model follows an instruction and makes mistakes.

{{task}}Instruction:
"""
{{section}}
"""

Mistakes:
{{shown}}

First say in one or two sentences what the instruction fails to say, so that these mistakes happen. Then write the \
whole instruction anew: what is right in it, and what would have prevented such mistakes. A rule must hold for all \
inputs of its kind; do not copy the inputs above. {_KEEP} {_FORM}''',
    _SLOTS,
)

REWRITE = Pattern(
    f'''Rewrite an instruction for a language model.

{{task}}Instruction:
"""
{{section}}
"""

Put it in another way: clearer, more to the point, or in another order. Keep every rule. {_KEEP} {_FORM}''',
    _SLOTS,
)

CROSS = Pattern(
    f'''Merge two instructions for a language model into one.

{{task}}Instruction 1:
"""
{{section}}
"""

Instruction 2:
"""
{{other}}
"""

Write one coherent instruction that keeps what is special about each of the two. {_KEEP} {_FORM}''',
    _SLOTS,
)

FROM_HISTORY = Pattern(
    f"""Instructions for a language model, each with its score from 0 to 100, the best last.

{{task}}{{shown}}

Write a new instruction that differs from all of these and has a higher score. {_KEEP} {_FORM}""",
    _SLOTS,
)

GUESS = Pattern(
    f"""A language model was given an instruction, which stood where {INSTRUCTION_MARK} stands, and gave these outputs.

{{task}}{{shown}}

Write the instruction that leads to the right output for all inputs of this kind. Say how to decide, not what is \
in these inputs. {_FORM}""",
    _SLOTS,
)
FORM = Form(CRITIC, REWRITE, CROSS, FROM_HISTORY, GUESS)


class Requests:
    """The requests of a run, filled in."""

    def __init__(self, run: Run, longest: int) -> None:
        """`longest`: tokens that a new text may have; one whose parent is longer may have a quarter more than that."""
        self._run, self._longest = run, longest

    def critic(self, parent: Prompt, mistakes: Sequence[Mistake]) -> str:
        """Say what the instruction fails to say, and write it anew."""
        return self._filled(CRITIC, parent, shown=show_traced(self._run.task.editable, mistakes))

    def rewrite(self, parent: Prompt) -> str:
        """The same in other words."""
        return self._filled(REWRITE, parent)

    def cross(self, parent: Prompt, other: Prompt) -> str:
        """One text of two."""
        return self._filled(CROSS, parent, other=other[self._run.task.editable])

    def history(self, parent: Prompt, scored: Sequence[tuple[Prompt, int]]) -> str:
        """A text that scores higher than all of these, which come best last."""
        editable = self._run.task.editable
        entries = [f'Score {points}:\n"""\n{prompt[editable]}\n"""' for prompt, points in scored]
        return self._filled(FROM_HISTORY, parent, shown="\n\n".join(entries))

    def guess(self, parent: Prompt, examples: Sequence[Example]) -> str:
        """The instruction behind inputs and outputs; the start is not shown."""
        return self._filled(GUESS, parent, shown="\n\n".join(show_place(self._run, each) for each in examples))

    def _filled(self, pattern: Pattern, parent: Prompt, other: str = "", shown: str = "") -> str:
        run = self._run
        section = parent[run.task.editable]
        words = words_allowed(run.task, run.task.editable, section, self._longest, run.count_tokens)
        values = {"task": show_task(run.task, parent), "section": section, "other": other, "shown": shown}
        return pattern.render({**values, "words": str(words)})


def scaled_points(worths: Sequence[float]) -> list[int]:
    """Scores from 0 to 100: of values that are no shares (losses), from the lowest to the highest of them."""
    low, high = min(worths), max(worths)
    if low < 0.0 or high > 1.0:
        return [round(100 * (worth - low) / (high - low)) if high > low else 50 for worth in worths]
    return [round(100 * worth) for worth in worths]
