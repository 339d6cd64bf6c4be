"""The backward pass: what is wrong at the output becomes what is wrong with the replies, and with the texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from promptopt.operators.graph import Node, graph_of, leads_to_text, reached
from promptopt.operators.reflect import ask_whole, show_task, untold
from promptopt.optimizers.textgrad.requests import (
    AT_LOSS,
    BACKWARD,
    BEYOND,
    EXCHANGE,
    OUTPUT_ROLE,
    REDUCE,
    REPLY_ROLE,
    RIGHT,
    TAG,
    TEXT_ROLE,
)
from promptopt.run import Run
from promptopt.tasks.parts import focused
from promptopt.text import shorten
from promptopt.types import Example, Prompt, Sampling, Score

FIXED_VALUE_CHARACTERS = 2_000
"""Characters of a value that is not to be changed."""


@dataclass(frozen=True, slots=True)
class Criticism:
    """What is wrong with a text by one example: the exchange it is of, how the output was judged, and the score."""

    text: str
    exchange: str
    judged: str
    score: float


@dataclass(frozen=True, slots=True)
class _Item:
    """An example on its way back: its graph, and the criticisms of each node so far."""

    example: Example
    score: Score
    graph: tuple[Node, ...]
    paths: frozenset[str]
    found: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def judged(self) -> str:
        return f"score {self.score.value:.3g}" + (f"; {self.score.feedback}" if self.score.feedback else "")

    @property
    def objective(self) -> str:
        """How the output was judged, and what would have been right."""
        right = untold(self.example, self.score)
        return AT_LOSS.format(judged=self.judged) + (
            RIGHT.format(target=shorten(right, FIXED_VALUE_CHARACTERS)) if right else ""
        )

    def exchange(self, node: Node) -> str:
        """What a call was given and gave; of a cell of one call, the fields of the example."""
        given = node.exchange
        if not given:
            given = "\n".join(f"{name}: {value}" for name, value in self.example.fields)
        return EXCHANGE.format(
            given=shorten(given, FIXED_VALUE_CHARACTERS), gave=shorten(node.value, FIXED_VALUE_CHARACTERS)
        )


def criticisms_of(
    run: Run,
    prompt: Prompt,
    parts: Sequence[str],
    pairs: Sequence[tuple[Example, Score]],
    sampling: Sampling,
    *,
    summed: bool,
) -> dict[str, list[Criticism]]:
    """For each text the criticisms of it, in the order of the examples; one call for each edge on a way to a text.

    The nodes of all examples that stand at the same place from the end are asked for at once. `summed`: several
    criticisms of one reply become one by a further call, else they stand one after the other.
    """
    items: list[_Item] = []
    for example, score in pairs:
        graph = reached(graph_of(prompt, parts, example, score))
        items.append(_Item(example, score, graph, leads_to_text(graph)))
    texts: dict[str, list[tuple[int, Criticism]]] = {part: [] for part in parts}
    # The nodes of one place from the end, of all examples; a shorter graph has none there.
    for nodes in zip_longest(*(reversed(item.graph) for item in items)):
        edges: list[tuple[int, Node, Node, str]] = []
        for number, (item, node) in enumerate(zip(items, nodes, strict=True)):
            if node is None:
                continue
            said = _reduced(run, item.found.get(node.name, []), sampling, summed=summed)
            # A reply that nobody criticised passes nothing on.
            if node.kind == "output" or (node.kind == "call" and said):
                by_name = {each.name: each for each in item.graph}
                objective = item.objective if node.kind == "output" else BEYOND.format(judged=said)
                # Towards texts alone: criticism of an input could change nothing.
                edges += [(number, node, by_name[name], objective) for name in node.parents if name in item.paths]
        requests = [_request(run, prompt, items[number], node, parent, goal) for number, node, parent, goal in edges]
        # A criticism that forgot its tags is one all the same (`bare`).
        replies = ask_whole(run, requests, TAG, sampling, "backward", bare=True)
        for (number, node, parent, _), reply in zip(edges, replies, strict=True):
            if reply is None:
                # Nothing is wrong with it, or nothing was said: either way there is no criticism.
                continue
            item = items[number]
            item.found.setdefault(parent.name, []).append(reply)
            if parent.kind == "text":
                criticism = Criticism(reply, item.exchange(node), item.judged, item.score.value)
                texts[parent.name].append((number, criticism))
    # By example again: criticisms come in place by place from the end.
    return {part: [each for _, each in sorted(found, key=lambda pair: pair[0])] for part, found in texts.items()}


def _request(run: Run, prompt: Prompt, item: _Item, node: Node, parent: Node, objective: str) -> str:
    if parent.kind == "text":
        task = focused(run.task, parent.name)
        role = TEXT_ROLE.format(name=parent.name)
        value = parent.value
    else:
        role = OUTPUT_ROLE if node.kind == "output" else REPLY_ROLE
        task, value = run.task, shorten(parent.value, FIXED_VALUE_CHARACTERS)
    return BACKWARD.render(
        {
            "task": show_task(task, prompt) if parent.kind == "text" else "",
            "role": role,
            "value": value,
            "exchange": item.exchange(node),
            "objective": objective,
        }
    )


def _reduced(run: Run, criticisms: Sequence[str], sampling: Sampling, *, summed: bool) -> str:
    """Several criticisms of one value as one."""
    if summed and len(criticisms) > 1:
        listed = "\n\n".join(criticisms)
        said = ask_whole(run, [REDUCE.render({"criticisms": listed})], TAG, sampling, "reduce", bare=True)[0]
        return listed if said is None else said
    return "\n\n".join(criticisms)


def within_words(criticisms: Sequence[Criticism], words: int) -> list[Criticism]:
    """Those that have room in so many words: all, or one for each judgement, the lowest scores first."""
    if sum(_criticism_length(each) for each in criticisms) <= words:
        return list(criticisms)
    distinct: dict[str, Criticism] = {}
    for each in criticisms:
        distinct.setdefault(each.judged, each)
    kept: dict[int, Criticism] = {}
    left = words
    for number, each in sorted(enumerate(distinct.values()), key=lambda pair: (pair[1].score, pair[0])):
        if _criticism_length(each) <= left:
            kept[number], left = each, left - _criticism_length(each)
    return [kept[number] for number in sorted(kept)]


def _criticism_length(criticism: Criticism) -> int:
    return len(criticism.text.split()) + len(criticism.exchange.split())


def summed_up(run: Run, criticisms: Sequence[Criticism], sampling: Sampling) -> str:
    """One text for all criticisms of a text, by a call of its own."""
    return _reduced(run, [each.text for each in criticisms], sampling, summed=True)


def numbered_exchanges(criticisms: Sequence[Criticism]) -> str:
    """Each with its exchange, by number."""
    return "\n\n".join(
        f"{number}. {each.exchange}\nIt was judged: {each.judged}\nCriticism: {each.text}"
        for number, each in enumerate(criticisms, 1)
    )
