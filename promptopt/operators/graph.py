"""The graph of a cell: texts and inputs, the calls that read them, and the output, as a trace tells of them.

A trace is a list of calls. What a call depends on is read off its input. It is the text whose part it used, the fields
of the example, and the replies of earlier calls that stand in the input word for word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from promptopt.types import Example, Prompt, Score, TracedCall

Kind = Literal["text", "input", "call", "output"]


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a cell by its name, which is unique in the graph, and the names of what it was made from.

    `part`: of a text and of a call, the prompt part; `exchange`: what a call was given, as far as is known.
    """

    name: str
    kind: Kind
    value: str
    parents: tuple[str, ...] = ()
    part: str = ""
    exchange: str = ""


OUTPUT: Final = "output"


def graph_of(prompt: Prompt, parts: Sequence[str], example: Example, score: Score) -> tuple[Node, ...]:
    """The nodes of a cell, each after all of its parents; the last is the output. `parts`: the editable ones."""
    texts = [Node(part, "text", prompt[part], part=part) for part in parts]
    inputs = [Node(_free(name, parts), "input", value) for name, value in example.fields]
    if not score.asked:
        # Worked out by a program's own code, so that no criticism of it leads to a text.
        return (*texts, *inputs, Node(OUTPUT, OUTPUT, score.output, tuple(node.name for node in inputs)))
    if not score.trace:
        # A cell of one call reads all there is.
        parents = tuple(node.name for node in (*texts, *inputs))
        call = Node("reply", "call", score.output, parents, part=parts[0])
        return (*texts, *inputs, call, Node(OUTPUT, OUTPUT, score.output, ("reply",)))
    calls: list[Node] = []
    for number, traced in enumerate(score.trace, 1):
        calls.append(_call_node(number, traced, texts, inputs, calls))
    sources = [call.name for call in calls if call.value.strip() and call.value.strip() in score.output]
    # An output that was worked out of the last reply shows no part of it.
    parents = tuple(sources) if sources else (calls[-1].name,)
    return (*texts, *inputs, *calls, Node(OUTPUT, OUTPUT, score.output, parents))


def reached(graph: Sequence[Node]) -> tuple[Node, ...]:
    """The output and all that it was made from, in the order of the graph: nothing else can be to blame."""
    # Backwards, as parents stand before what was made of them: one pass finds all.
    wanted = {graph[-1].name: None}
    for node in reversed(graph):
        if node.name in wanted:
            wanted |= dict.fromkeys(node.parents)
    return tuple(node for node in graph if node.name in wanted)


def leads_to_text(graph: Sequence[Node]) -> frozenset[str]:
    """The names of the nodes that are an editable text or were made from one."""
    found: dict[str, None] = {}
    # Parents stand before what was made of them, so one pass finds all.
    for node in graph:
        if node.kind == "text" or any(parent in found for parent in node.parents):
            found[node.name] = None
    return frozenset(found)


def _call_node(
    number: int, traced: TracedCall, texts: Sequence[Node], inputs: Sequence[Node], before: Sequence[Node]
) -> Node:
    parents = [node.name for node in texts if node.part == traced.part]
    # Empty values are left out: they stand in every text.
    parents += [node.name for node in (*inputs, *before) if node.value.strip() and node.value.strip() in traced.input]
    return Node(f"reply_{number}", "call", traced.output, tuple(parents), traced.part, traced.input)


def _free(name: str, taken: Sequence[str]) -> str:
    """An input's name, apart from those of the texts."""
    return f"input_{name}" if name in taken or name in (OUTPUT, "reply") else name
