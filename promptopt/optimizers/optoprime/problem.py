"""The problem that OptoPrime lays before its model: code, values and feedback of a minibatch, in sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptopt.operators.graph import Node, graph_of, reached
from promptopt.operators.reflect import show_task, untold
from promptopt.protocols import Task
from promptopt.text import Pattern, shorten
from promptopt.types import Example, Prompt, Score

FIXED_VALUE_CHARACTERS = 2_000
"""Characters of a value that is not to be changed (version 2 of the code)."""

PROBLEM = Pattern(
    """A program asks a language model. Below are its code, the values of one run of it on {count}, and the feedback.

{task}#Instruction
Change the values under Variables so that the output becomes better, as the feedback tells. Nothing else can be changed.

#Code
{code}

#Documentation
[model] asks a language model with the texts and inputs named, and gives back what it says.

#Variables
{variables}

#Inputs
{inputs}

#Others
{others}

#Outputs
{outputs}
{expected}
#Feedback
{feedback}
{history}
Reason first: what does the instruction mean, what does the feedback say, and what follows for each variable? \
A value must hold for all inputs of that kind: do not copy the inputs above, do not rename the answers, and do not \
change the form of the answer. Where nothing has to be changed, write NO CHANGE on a line of its own. \
Else write the whole new value of each variable that is to be changed ({names}), in at most {words} words, in this form:
<name>...</name>
<value>
...
</value>""",
    (
        "count",
        "task",
        "code",
        "variables",
        "inputs",
        "others",
        "outputs",
        "expected",
        "feedback",
        "history",
        "names",
        "words",
    ),
)
EXPECTED = "\n#Right answers\n"
HISTORY_HEAD = "\n#History\nValues that were tried before, and the feedback on them:\n"


@dataclass(frozen=True, slots=True)
class Memory:
    """Values of the variables at one step, and the feedback on them."""

    values: Mapping[str, str]
    feedback: str


@dataclass(frozen=True, slots=True)
class Problem:
    """The graphs of a minibatch: what each output was made from.

    `names`: the variables that were used at all. `expected`: the right answers that no feedback tells, else empty.
    """

    graphs: tuple[tuple[Node, ...], ...]
    scores: tuple[Score, ...]
    names: tuple[str, ...]
    expected: tuple[str, ...]

    @classmethod
    def of(cls, prompt: Prompt, parts: Sequence[str], examples: Sequence[Example], scores: Sequence[Score]) -> Problem:
        """Texts that no output was made from are left out: there is no feedback on them."""
        graphs = tuple(
            # Only what an output was made from: feedback says nothing of the rest.
            reached(graph_of(prompt, parts, example, score))
            for example, score in zip(examples, scores, strict=True)
        )
        used = {node.name: None for graph in graphs for node in graph if node.kind == "text"}
        expected = tuple(untold(example, score) for example, score in zip(examples, scores, strict=True))
        return cls(graphs, tuple(scores), tuple(part for part in parts if part in used), expected)

    @property
    def feedback(self) -> str:
        """By the number of the example: the score, and what was said of it."""
        return "\n".join(
            f"ID [{number}]: score {score.value:.3g}"
            + (f"; {shorten(score.feedback, FIXED_VALUE_CHARACTERS)}" if score.feedback else "")
            for number, score in enumerate(self.scores)
        )

    def _limits(self, words: Sequence[int]) -> str:
        """`20`, or `20 (instruction) or 300 (answer)`: a text that is long already needs room for what it keeps."""
        if len(set(words)) == 1:
            return str(words[0])
        return " or ".join(f"{most} ({name})" for name, most in zip(self.names, words, strict=True))

    def render(self, task: Task, prompt: Prompt, memory: Sequence[Memory], words: Sequence[int]) -> str:
        """The request. `words`: how many the new value of each variable may have."""
        return PROBLEM.render(
            {
                "count": f"{len(self.graphs)} inputs" if len(self.graphs) > 1 else "one input",
                "task": show_task(task, prompt, self.names),
                "code": self._code(),
                # What is to be changed is never cut: the answer has to replace all of it.
                "variables": "\n".join(f'{name} =\n"""\n{prompt[name]}\n"""' for name in self.names),
                "inputs": self._values("input"),
                "others": self._values("call"),
                "outputs": self._values("output"),
                "expected": self._expected(),
                "feedback": self.feedback,
                "history": HISTORY_HEAD + "\n".join(map(_recalled, memory)) + "\n" if memory else "",
                "names": ", ".join(self.names),
                "words": self._limits(words),
            }
        )

    def _code(self) -> str:
        """One line for each call and output, once for all examples where they agree."""
        lines: dict[str, None] = {}
        for graph in self.graphs:
            for node in graph:
                if node.kind == "call":
                    lines[f"{node.name} = model({', '.join(f'{each}={each}' for each in node.parents)})"] = None
                elif node.kind == "output":
                    lines[f"{node.name} = {' + '.join(node.parents)}"] = None
        return "\n".join(lines)

    def _expected(self) -> str:
        lines = [
            f"ID [{number}]: {shorten(text, FIXED_VALUE_CHARACTERS)}\n"
            for number, text in enumerate(self.expected)
            if text
        ]
        return EXPECTED + "".join(lines) if lines else ""

    def _values(self, kind: str) -> str:
        found = [
            f"ID [{number}]: {node.name} = {shorten(node.value, FIXED_VALUE_CHARACTERS)}"
            for number, graph in enumerate(self.graphs)
            for node in graph
            if node.kind == kind
        ]
        return "\n".join(found) if found else "(none)"


def _recalled(memory: Memory) -> str:
    values = "\n".join(f'{name} =\n"""\n{value}\n"""' for name, value in memory.values.items())
    return f"{values}\n{memory.feedback}"
