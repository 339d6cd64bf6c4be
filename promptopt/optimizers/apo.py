"""APO (ProTeGi): a model says why the prompt erred and edits it accordingly; a bandit picks the beam.

Paper    Pryzant et al. 2023, Automatic Prompt Optimization with "Gradient Descent" and Beam Search, arXiv:2305.03495.
Calls    per round and parent: minibatch of the task model, G + G*q + (G*q*s + 1)*v of the proposer (4 + 4 + 10); per
         round: the selector's budget of the task model. A reply off its form is asked for once more.
Departs  a parent without mistakes is only paraphrased (the code asks its critic about nothing); the start is first
         scored among its children (code: a made-up 1.0); children replace the editable part, never a string in
         the prompt; v samples of the paraphraser are v calls; all parents of a round are asked side by side; a pool
         that fits the beam is kept whole and scored on the minibatch; UCB explores with c = 0.25 on 16 examples a pull
         (code: 1.0 on 32), which found better beams in simulation; the wording is for small models too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from promptopt.operators.reflect import Drafts, Mistake, ask, find_mistakes, room, show_mistakes, show_task
from promptopt.ranges import within
from promptopt.run import Run, Selector
from promptopt.selection.bandits import UCB
from promptopt.selection.budgeted import most_asked
from promptopt.text import Pattern
from promptopt.types import Estimate, Prompt, Sampling, ScoreMatrix, UpperBounds

_Item = TypeVar("_Item")
_SLOTS = ("task", "section", "mistakes", "reason", "advice", "reasons", "words", "count")

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

Keep what the instruction says now, and add {advice}. \
A rule must hold for all inputs of that kind: do not copy the inputs above. \
Do not rename the answers, and do not change the form of the answer.
Write the whole new instruction{count}, in at most {words} words, in this form:
<instruction>
{section}
- If ...
</instruction>''',
    _SLOTS,
)
LABEL_RULES = (
    'one short rule for each possible answer, of the kind "If the input ..., answer ...", so that none is confused'
)
OTHER_RULES = 'one to three short rules of the kind "If the input ..., then ..." that would have prevented the mistakes'

PARAPHRASER = Pattern(
    '''Say this instruction in other words, with the same meaning. Keep every rule and every name of an answer.

"""
{section}
"""

Write the new text between <instruction> and </instruction>, and nothing else.''',
    _SLOTS,
)

TAGS = ("reason", "instruction")
SELECTOR = UCB(budget=2048)
SAMPLING = Sampling(temperature=0.7, max_tokens=1024)
FILTER = 16
"""Mistakes of the parent that its children are compared on where `filter_on_errors` is set (code)."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """How one parent becomes children. Symbols are those of the paper."""

    groups: int = 4
    """G, groups of mistakes that are criticised apart. Code; the paper: 1."""
    errors: int = 4
    """e, mistakes in a group."""
    reasons: int = 1
    """q, reasons asked for a group. Code; the paper: 4, which gives as many in all."""
    edits: int = 1
    """s, edited sections for a reason."""
    paraphrases: int = 2
    """v, paraphrases of every edited section and of the parent's own."""
    children: int = 8
    """X, the most children of one parent that go on to selection."""
    filter_on_errors: bool = False
    """Which children stay: those best on the parent's mistakes, instead of any."""
    longest: int = 400
    """Tokens a section may have; a parent that is longer may grow by a quarter."""

    def __post_init__(self) -> None:
        least = {"groups": 0, "errors": 1, "reasons": 1, "edits": 1, "paraphrases": 0, "children": 1, "longest": 1}
        within(self, **{name: (bound, math.inf) for name, bound in least.items()})


@dataclass(frozen=True, slots=True)
class APO:
    """Textual gradients with beam search and bandit selection."""

    name: ClassVar[str] = "apo"

    rounds: int = 6
    """R, rounds of expansion and selection."""
    beam: int = 4
    """b, prompts that go on to the next round."""
    minibatch: int = 64
    """Training examples that all parents of a round are run on, to find mistakes."""
    threshold: float = 1.0
    """A score below this is a mistake."""
    expand: Expansion = Expansion()
    """From a parent to its children."""
    selector: Selector = SELECTOR
    """What picks the beam, from scores on training examples."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Code; the paper: temperature 1.0."""

    def __post_init__(self) -> None:
        within(self, rounds=(0, math.inf), beam=(1, math.inf), minibatch=(1, math.inf))

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt; the selector works on training examples only."""
        beam = [run.initial]
        for _ in range(self.rounds):
            minibatch = run.rng("minibatch").sample(run.train, min(self.minibatch, len(run.train)))
            scores = run.evaluate(beam, minibatch)
            mistakes = {parent: find_mistakes(scores, parent, self.threshold) for parent in beam}
            # Parents compete again, first in line, so that a tie goes to the prompt that is already there.
            pool = list(dict.fromkeys([*beam, *self._expand(run, mistakes)]))
            if len(pool) > self.beam:
                ranked = self.selector.select(run, pool, run.train, self.beam)
            else:
                ranked = _ranked(run.evaluate(pool, minibatch))
            beam = [estimate.prompt for estimate in ranked[: self.beam]]
            run.record(ranked, beam)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples; replies off their form are asked for twice."""
        expand, minibatch = self.expand, min(self.minibatch, train)
        reasons = expand.groups * expand.reasons
        calls = expand.groups + reasons + (reasons * expand.edits + 1) * expand.paraphrases
        parents, expanded, evaluations = 1, 0, 0
        for _ in range(self.rounds):
            pool = parents * (1 + expand.children)
            selection = minibatch * (pool - parents)
            if pool > self.beam:
                selection = most_asked(self.selector, pool, train)
            filtering = 2 * expand.children * min(FILTER, minibatch) if expand.filter_on_errors else 0
            evaluations += parents * (minibatch + filtering) + selection
            expanded += parents
            parents = min(self.beam, pool)
        return UpperBounds(evaluations, 2 * calls * expanded, 2 * calls * expanded * self.sampling.max_tokens)

    def _expand(self, run: Run, mistakes: Mapping[Prompt, Sequence[Mistake]]) -> list[Prompt]:
        """The children of every parent, given its mistakes; each step asks for all parents at once."""
        expand, editable = self.expand, run.task.editable
        most = {parent: room(parent[editable], expand.longest, run.count_tokens) for parent in mistakes}
        drafts = {parent: Drafts(run, parent, most[parent], TAGS) for parent in mistakes}

        groups = [
            (parent, group)
            for parent, errors in mistakes.items()
            for group in _groups(run.rng("errors"), errors, expand.groups, expand.errors)
        ]
        metas = [self._critic(run, parent, group) for parent, group in groups]
        reasons = ask(run, metas, "reason", expand.reasons, self.sampling, "critic")

        gradients = [
            (parent, group, reason) for (parent, group), found in zip(groups, reasons, strict=True) for reason in found
        ]
        metas = [self._editor(run, *gradient, most[gradient[0]]) for gradient in gradients]
        edits = ask(run, metas, "instruction", expand.edits, self.sampling, "editor")
        for (parent, _, reason), texts in zip(gradients, edits, strict=True):
            drafts[parent].add(texts, "editor", reason)

        sources = [
            (parent, text, reason)
            for parent, edited in drafts.items()
            for text, reason in [*edited.sections(), (parent[editable], "")]
            for _ in range(expand.paraphrases)
        ]
        metas = [PARAPHRASER.render({"section": text}) for _, text, _ in sources]
        paraphrases = ask(run, metas, "instruction", 1, self.sampling, "paraphraser")
        for (parent, _, reason), texts in zip(sources, paraphrases, strict=True):
            drafts[parent].add(texts, "paraphraser", reason)

        return [
            child
            for parent, errors in mistakes.items()
            for child in self._cap(run, run.admit(drafts[parent].proposals()), errors)
        ]

    def _critic(self, run: Run, parent: Prompt, group: Sequence[Mistake]) -> str:
        count = self.expand.reasons
        each = "one or two sentences"
        return CRITIC.render(
            {
                "task": show_task(run.task, parent),
                "section": parent[run.task.editable],
                "mistakes": show_mistakes(group),
                "advice": CONFUSED if run.task.labels else "",
                "reasons": f"Give 1 reason, in {each}" if count == 1 else f"Give {count} reasons, each in {each}",
            }
        )

    def _editor(self, run: Run, parent: Prompt, group: Sequence[Mistake], reason: str, most: int) -> str:
        count = self.expand.edits
        return EDITOR.render(
            {
                "task": show_task(run.task, parent),
                "section": parent[run.task.editable],
                "mistakes": show_mistakes(group),
                "reason": reason,
                "advice": LABEL_RULES if run.task.labels else OTHER_RULES,
                "count": "" if count == 1 else f" in {count} different ways, each",
                # A token is about three quarters of a word; two thirds leave a margin.
                "words": str(most * 2 // 3),
            }
        )

    def _cap(self, run: Run, children: Sequence[Prompt], errors: Sequence[Mistake]) -> list[Prompt]:
        """At most X of the children: any, or those that do best on the parent's mistakes."""
        most = self.expand.children
        if not self.expand.filter_on_errors or not errors:
            return _some(run.rng("children"), children, most)
        some = _some(run.rng("children"), children, 2 * most)
        if len(some) <= most:
            return some
        examples = [example for example, _ in _some(run.rng("children"), errors, FILTER)]
        return [estimate.prompt for estimate in _ranked(run.evaluate(some, examples))[:most]]


def _groups(rng: random.Random, errors: Sequence[Mistake], count: int, size: int) -> list[list[Mistake]]:
    """Up to `count` draws of `size` mistakes; a draw that repeats an earlier one, in the same order, is drawn anew."""
    size = min(size, len(errors))
    if size == 0:
        return []
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < min(count, math.perm(len(errors), size)):
        drawn.setdefault(tuple(rng.sample(range(len(errors)), size)))
    return [[errors[index] for index in group] for group in drawn]


def _some(rng: random.Random, items: Sequence[_Item], most: int) -> list[_Item]:
    """At most `most` of the items, at random, in the order they came."""
    if len(items) <= most:
        return list(items)
    return [items[index] for index in sorted(rng.sample(range(len(items)), most))]


def _ranked(scores: ScoreMatrix) -> list[Estimate]:
    estimates = [Estimate(prompt, mean, len(scores.examples)) for prompt, mean in scores.means().items()]
    return sorted(estimates, key=lambda estimate: estimate.mean, reverse=True)
