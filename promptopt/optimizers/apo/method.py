"""APO (ProTeGi): a model says why the prompt erred and edits it accordingly; a bandit picks the beam.

Paper    Pryzant et al. 2023, Automatic Prompt Optimization with "Gradient Descent" and Beam Search, arXiv:2305.03495.
Calls    per round and parent: minibatch of the task model, G + G*q + (G*q*s + 1)*v of the proposer (4 + 4 + 10); per
         round: the selector's budget of the task model. A reply off its form is asked for once more.
Scales   with S evaluations: rounds until they are spent, of max(4, 0.7 S^(1/3)) children of two parents; the beam is
         chosen by the lineage, from S = 1,000 on by successive rejects, on fresh examples, on average
         max(3, 0.8 S^(1/4)) each; mistakes are those that a parent is known to make, and one that is known to make less
         than two is run until it makes a second. Under a cap on calls and S < 360 a criticism is used for three edits,
         and each is put in other words before it is scored: G + G*q + G*q*s calls. `preset=paper`, or no cap: the
         paper's constants.
Departs  a parent without mistakes is only paraphrased (the code asks its critic about nothing); the start is first
         scored among its children (code: a made-up 1.0); children replace the editable part, never a string in
         the prompt; v samples of the paraphraser are v calls; all parents of a round are asked side by side; critics
         are shown different sets of mistakes; a pool that fits the beam is kept whole and scored on a minibatch; UCB
         explores with c = 0.25 on 16 examples a pull (code: 1.0 on 32), which found better beams in simulation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.operators.drafts import Drafts, edit_limit, words_allowed
from promptopt.operators.dry_spells import Dryness
from promptopt.operators.reflect import Mistake, ask, find_mistakes, show_task
from promptopt.operators.replies import sized
from promptopt.operators.traces import show_traced
from promptopt.optimizers.apo.drawing import mistake_groups, some_of
from promptopt.optimizers.apo.plan import ENOUGH, EXPANSION, PAPER, SPARE, BeamPlan, Expansion, beam_plan
from promptopt.optimizers.apo.requests import (
    CONFUSED,
    CRITIC,
    EDITOR,
    FORM,
    LABEL_RULES,
    OTHER_RULES,
    PARAPHRASER,
    REWRITE,
    TAGS,
)
from promptopt.protocols import Selector
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.bandits import UCB
from promptopt.selection.budgeted import most_asked
from promptopt.selection.fresh import FreshRejects
from promptopt.selection.generations import looks_of, writings_of
from promptopt.selection.lineage import TellingFirst
from promptopt.types import Estimate, Example, Prompt, Room, Sampling, ScoreMatrix, UpperBounds

SAMPLING = Sampling(temperature=0.7, max_tokens=1024)
PAPER_SELECTOR = UCB(budget=2048)
FILTER = 16
"""Mistakes of the parent that its children are compared on where `filter_on_errors` is set (code)."""
DRY = 2
"""Rounds in a row without a new child after which a search by its budget starts from its best again, or ends. Ours."""


@told
@dataclass(frozen=True, slots=True)
class APO:
    """Textual gradients with beam search; what is None goes by the budget, or is the paper's where there is no cap."""

    name: ClassVar[str] = "apo"

    preset: Literal["budget", "paper"] = "budget"
    """`paper`: what is not set is the paper's, whatever the budget."""
    rounds: int | None = None
    """R, rounds of expansion and selection. Paper: 6; by the budget: until it is spent."""
    beam: int | None = None
    """b, prompts that go on to the next round. Paper: 4; by the budget: 2."""
    minibatch: int | None = None
    """Training examples that parents are run on to find mistakes. Paper: 64, all parents in every round; by the
    budget: 8 at most, and only parents that are not known to make two, until they are."""
    threshold: float = 1.0
    """A score below this is a mistake, where scores are in [0, 1]. Ours; the code knows right and wrong only."""
    worst: float = 0.25
    """The share of the examples that counts as mistakes where they are not: a loss has no right and wrong. Ours."""
    expand: Expansion = EXPANSION
    """From a parent to its children."""
    selector: Selector | None = None
    """What picks the beam, from scores on training examples. Paper: UCB; by the budget: successive rejects on fresh
    examples."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Code; the paper: temperature 1.0."""

    def __post_init__(self) -> None:
        within(self, rounds=(0, math.inf), beam=(1, math.inf), minibatch=(1, math.inf), worst=(0.0, 1.0))

    def plan(self, room: Room) -> BeamPlan:
        """The paper's numbers where nothing caps the search; else as many rounds of a small beam as it pays for."""
        own = {
            "rounds": self.rounds,
            "beam": self.beam,
            "minibatch": self.minibatch,
            "groups": self.expand.groups,
            "edits": self.expand.edits,
            "paraphrases": self.expand.paraphrases,
            "children": self.expand.children,
        }
        if self.preset == "paper" or room.cells() is None:
            return replace(PAPER, **{name: value for name, value in own.items() if value is not None})
        # -1 for what is open, as 0 is a setting of its own.
        given = BeamPlan(**{name: -1 if value is None else value for name, value in own.items()})
        return beam_plan(room, given, self.expand)

    def least(self, room: Room) -> int:
        """Evaluations of one round: the start's mistakes, and a selection among its children."""
        plan = self.plan(room)
        children = self._share(plan, plan.children, self.expand.children, 1)
        return plan.minibatch + self._asked(plan, 1 + children, room.train, 0)

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt; the selector works on training examples only."""
        plan, beam, dry = self.plan(run.room), [run.initial], Dryness(run, DRY)
        endless = self._endless(plan)
        # The paper's beam search: expand every member of the beam, keep the b best of all, R times.
        for number in range(SPARE * plan.rounds if endless else plan.rounds):
            mistakes = self._mistakes(run, plan, beam)
            # Parents compete again, first in line, so that a tie goes to the prompt that is already there.
            # The code goes through sets here, so that none of its runs can be repeated.
            pool = list(dict.fromkeys([*beam, *self._expand(run, plan, mistakes)]))
            new = len(pool) > len(beam)
            ranked = self._select(run, plan, pool, number)
            beam = [estimate.prompt for estimate in ranked[: plan.beam]]
            run.record(ranked, beam)
            if endless and dry.ends(new):
                break
            beam = beam[:1] if dry.again else beam

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a search over `train` training examples without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a search in that room; replies off their form are asked for twice."""
        plan, train, cells = self.plan(room), room.train, room.cells()
        minibatch, calls = min(plan.minibatch, train), plan.calls(self.expand)
        if self._endless(plan) and cells is not None:
            most = 2 * calls * plan.beam * SPARE * plan.rounds
            return UpperBounds(cells, most, most * self.sampling.max_tokens)
        parents, expanded, evaluations = 1, 0, 0
        for number in range(plan.rounds):
            pool = parents * (1 + plan.children)
            selection = minibatch * pool
            if pool > plan.beam:
                selection = self._asked(plan, pool, train, number)
            # Twice as many children as may stay are compared there, as in `_cap`.
            filtering = 2 * plan.children * min(FILTER, minibatch) if self.expand.filter_on_errors else 0
            evaluations += parents * (minibatch + filtering) + selection
            expanded += parents
            parents = min(plan.beam, pool)
        return UpperBounds(evaluations, 2 * calls * expanded, 2 * calls * expanded * self.sampling.max_tokens)

    def _endless(self, plan: BeamPlan) -> bool:
        """Whether the search goes on as long as its budget does."""
        return self.rounds is None and plan.depth > 0

    def _selector(self, plan: BeamPlan) -> Selector | None:
        """The selector that is set, or the paper's; None where the budget says how candidates are looked at."""
        if self.selector is not None:
            return self.selector
        return None if plan.depth else PAPER_SELECTOR

    def _asked(self, plan: BeamPlan, arms: int, train: int, number: int) -> int:
        """Upper bound on the evaluations of a selection."""
        chosen = self._selector(plan)
        # What takes its place by the budget asks for as much.
        return most_asked(FreshRejects(plan.selection(arms, number)) if chosen is None else chosen, arms, train)

    def _select(self, run: Run, plan: BeamPlan, pool: Sequence[Prompt], number: int) -> list[Estimate]:
        """The pool, best first; one that fits the beam is ranked on a minibatch of its own."""
        if len(pool) > plan.beam:
            chosen, budget = self._selector(plan), plan.selection(len(pool), number)
            if chosen is None and writings_of(run, plan.writings) > 1:
                chosen = TellingFirst(budget)
            if chosen is None:
                chosen = looks_of(run, budget, lineage=plan.lineage)
            return chosen.select(run, pool, run.train, plan.beam)
        return _by_mean(run.evaluate(pool, self._minibatch(run, plan)))

    def _minibatch(self, run: Run, plan: BeamPlan) -> list[Example]:
        return run.rng("minibatch").sample(run.train, min(plan.minibatch, len(run.train)))

    def _mistakes(self, run: Run, plan: BeamPlan, beam: Sequence[Prompt]) -> dict[Prompt, list[Mistake]]:
        """What each parent did wrong: on a minibatch that all share; by the budget, on all that it was scored on."""
        if not plan.depth:
            # One minibatch for all parents of a round (code).
            scores = run.evaluate(beam, self._minibatch(run, plan))
            return {parent: find_mistakes(scores, parent, self.threshold, self.worst) for parent in beam}
        known = {parent: self._known_mistakes(run, parent) for parent in beam}
        several = self._share(plan, plan.groups, self.expand.groups, len(beam)) > 1
        # One more, for two critics are not shown the same.
        enough, unseen = min(ENOUGH, self.expand.errors) + several, self._minibatch(run, plan)
        while unseen and (missing := {each: enough - len(known[each]) for each in beam if len(known[each]) < enough}):
            # So many at least are needed; each look at a parent is one less at its children.
            count = min(missing.values())
            run.evaluate(list(missing), unseen[:count])
            known |= {parent: self._known_mistakes(run, parent) for parent in missing}
            unseen = unseen[count:]
        return known

    def _known_mistakes(self, run: Run, parent: Prompt) -> list[Mistake]:
        known = run.seen(parent)
        scores = ScoreMatrix([example for example, _ in known], {parent: [score for _, score in known]})
        return find_mistakes(scores, parent, self.threshold, self.worst)

    def _share(self, plan: BeamPlan, planned: int, own: int | None, parents: int) -> int:
        """What each of so many parents gives where each of a full beam gives `planned`, unless that is set."""
        # The start is alone in the first beam: without this its generation would be smaller than all later ones.
        return -(-planned * plan.beam // parents) if plan.depth and own is None else planned

    def _expand(self, run: Run, plan: BeamPlan, mistakes: Mapping[Prompt, Sequence[Mistake]]) -> list[Prompt]:
        """The children of every parent, given its mistakes; each step asks for all parents at once."""
        expand, editable = self.expand, run.task.editable
        drafts = self._drafts(run, mistakes)

        # The paper's gradients: what each of G groups of e mistakes says against the prompt.
        groups = self._share(plan, plan.groups, expand.groups, len(mistakes))
        shown = [
            (parent, group)
            for parent, errors in mistakes.items()
            for group in mistake_groups(run.rng("errors"), errors, groups, expand.errors)
        ]
        metas = [self._critic(run, parent, group) for parent, group in shown]
        reasons = ask(run, metas, "reason", expand.reasons, self.sampling, "critic")

        gradients = [
            (parent, group, reason) for (parent, group), found in zip(shown, reasons, strict=True) for reason in found
        ]
        # A step against the gradient: the editor is given one reason, with the mistakes that led to it (paper).
        metas = [self._editor(run, plan.edits, *gradient) for gradient in gradients]
        sections = [parent[editable] for parent in mistakes]
        edits = ask(run, metas, "instruction", plan.edits, self._sized(run, sections, plan.edits), "editor")
        for (parent, _, reason), texts in zip(gradients, edits, strict=True):
            drafts[parent].add(texts, "editor", reason)

        if writings_of(run, plan.writings) > 1:
            drafts = self._put_otherwise(run, drafts)
        # Monte-Carlo steps, around every edit and around the parent: a parent without mistakes has these alone.
        sources = [
            (parent, text, reason)
            for parent, edited in drafts.items()
            for text, reason in [*edited.sections(), (parent[editable], "")]
            for _ in range(plan.paraphrases if mistakes[parent] or plan.writings == 1 else plan.children)
        ]
        paraphrases = self._paraphrased(run, [text for _, text, _ in sources])
        for (parent, _, reason), texts in zip(sources, paraphrases, strict=True):
            drafts[parent].add(texts, "paraphraser", reason)

        most_children = self._share(plan, plan.children, expand.children, len(mistakes))
        return [
            child
            for parent, errors in mistakes.items()
            for child in self._cap(run, most_children, run.admit(drafts[parent].proposals()), errors)
        ]

    def _drafts(self, run: Run, parents: Iterable[Prompt]) -> dict[Prompt, Drafts]:
        section, longest = run.task.editable, self.expand.longest
        most = {parent: edit_limit(parent[section], longest, run.count_tokens) for parent in parents}
        return {parent: Drafts(run, parent, tokens, TAGS, FORM) for parent, tokens in most.items()}

    def _put_otherwise(self, run: Run, drafts: Mapping[Prompt, Drafts]) -> dict[Prompt, Drafts]:
        """The paraphrase of every edit in its place; where that gives nothing new of use, the edit."""
        edits = [(parent, text, reason) for parent, made in drafts.items() for text, reason in made.sections()]
        found = self._drafts(run, drafts)
        for (parent, edit, reason), texts in zip(
            edits, self._paraphrased(run, [each for _, each, _ in edits]), strict=True
        ):
            if not found[parent].add(texts, "paraphraser", reason):
                found[parent].add([edit], "editor", reason)
        return found

    def _paraphrased(self, run: Run, sections: Sequence[str]) -> list[list[str]]:
        metas = [PARAPHRASER.render({"section": text}) for text in sections]
        return ask(run, metas, "instruction", 1, self._sized(run, sections, 1), "paraphraser")

    def _sized(self, run: Run, sections: Sequence[str], count: int) -> Sampling:
        """How the proposer is asked where a reply holds `count` sections as long as the longest of these."""
        return sized(self.sampling, count * max(map(run.count_tokens, dict.fromkeys(sections)), default=0))

    def _critic(self, run: Run, parent: Prompt, group: Sequence[Mistake]) -> str:
        count = self.expand.reasons
        each = "one or two sentences"
        return CRITIC.render(
            {
                "task": show_task(run.task, parent),
                "section": parent[run.task.editable],
                "mistakes": show_traced(run.task.editable, group),
                "advice": CONFUSED if run.task.labels else "",
                "reasons": f"Give 1 reason, in {each}" if count == 1 else f"Give {count} reasons, each in {each}",
            }
        )

    def _editor(self, run: Run, count: int, parent: Prompt, group: Sequence[Mistake], reason: str) -> str:
        editable = run.task.editable
        words = words_allowed(run.task, editable, parent[editable], self.expand.longest, run.count_tokens)
        advice, form = REWRITE, "..."
        if self.expand.editing == "append":
            advice = LABEL_RULES if run.task.labels else OTHER_RULES
            # Chosen by what models of 0.5 and 1.5 billion parameters made of it.
            form = f"{parent[editable]}\n- If ..."
        return EDITOR.render(
            {
                "task": show_task(run.task, parent),
                "section": parent[editable],
                "mistakes": show_traced(editable, group),
                "reason": reason,
                "advice": advice,
                "form": form,
                "count": "" if count == 1 else f" in {count} different ways, each",
                "words": str(words),
            }
        )

    def _cap(self, run: Run, most: int, children: Sequence[Prompt], errors: Sequence[Mistake]) -> list[Prompt]:
        """At most X of the children: any, or those that do best on the parent's mistakes."""
        if not self.expand.filter_on_errors or not errors:
            return some_of(run.rng("children"), children, most)
        # Code: at random to 2X first, which bounds what the filter costs.
        some = some_of(run.rng("children"), children, 2 * most)
        if len(some) <= most:
            return some
        examples = [example for example, _ in some_of(run.rng("children"), errors, FILTER)]
        return [estimate.prompt for estimate in _by_mean(run.evaluate(some, examples))[:most]]


def _by_mean(scores: ScoreMatrix) -> list[Estimate]:
    estimates = [Estimate(prompt, mean, len(scores.examples)) for prompt, mean in scores.means().items()]
    # Stable also in reverse: of equals the earlier, which is the parent, stays before its children.
    return sorted(estimates, key=lambda estimate: estimate.mean, reverse=True)
