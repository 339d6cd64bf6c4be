"""What SIMBA asks its proposer: what a good run on an input did that a bad one did not, as advice for each text."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.operators.reflect import FIELD
from promptopt.operators.replies import Form
from promptopt.text import Pattern, shorten
from promptopt.types import Example, Score

ADVICE = Pattern(
    """A program asks a language model. Two of its runs on one input are shown: one that was judged better, one worse.

{task}The texts of the program:
{texts}

The input:
{example}

The better run:
{better}

The worse run:
{worse}

Discuss what the better run did that the worse one did not, and why. Then give advice for a text ({names}) that would \
make runs go like the better one: concrete, for inputs of that kind, of one to three sentences. It is added below the \
text, so do not repeat the text. Do not copy the input, do not rename the answers, and do not change the form of the \
answer.
Write it for one text or more, each in this form:
<name>...</name>
<value>...</value>""",
    ("task", "texts", "example", "better", "worse", "names"),
)
NONE = "(there is none)"
FORM = Form(ADVICE, NONE)


def show_texts(texts: Sequence[tuple[str, str]]) -> str:
    """Every editable text, whole, under its name."""
    return "\n".join(f'{name} =\n"""\n{text}\n"""' for name, text in texts)


def show_input(example: Example) -> str:
    """Inputs and what is right."""
    lines = [f"{name}: {shorten(value, FIELD)}" for name, value in example.fields]
    if example.target:
        lines.append(f"Right answer: {shorten(example.target, FIELD)}")
    return "\n".join(lines)


def show_run(score: Score | None) -> str:
    """The calls of a run, what came out, what that was worth and what was said of it."""
    if score is None:
        return NONE
    lines: list[str] = []
    for number, call in enumerate(score.trace, 1):
        lines.append(f"Call {number}, by the text {call.part!r}, was given: {shorten(call.input, FIELD)}")
        lines.append(f"Call {number} gave: {shorten(call.output, FIELD)}")
    lines += [f"Output: {shorten(score.output, FIELD)}", f"Worth: {score.value:.3g}"]
    if score.feedback:
        lines.append(f"Feedback: {shorten(score.feedback, FIELD)}")
    return "\n".join(lines)
