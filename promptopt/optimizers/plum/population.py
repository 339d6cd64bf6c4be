"""Plum, many prompts at a time: genetic algorithms by mutation and by crossover, and harmony search over phrases.

Paper    Pan et al. 2024, Plum: Prompt Learning using Metaheuristic(s), Findings of ACL 2024, arXiv:2311.08364. Its code
         has no licence: none of it is used.
Calls    task model: n*(1 + T*m) for mutation and harmony search, 50,100 by the paper's constants; n*(1 + T*(offspring +
         P*p*m)) for crossover, about 275,100. proposer: one call for each phrase that is to be paraphrased for the
         first time, about T*m/3, T*P*p*m/3 and 2*T*m.
Scales   as `plum-hc`: under a cap, old and new prompts of an iteration are seen together on few fresh examples, and two
         live on (three with crossover, of which a third of the children come).
Departs  as `plum-hc`, in phrases cut by rule, protected text, bounded attempts, and scores without labels. Each
         individual has a bank of its own, and keeps it; patience is charged once a generation; crossover is on (code:
         off); a child or harmony that lost or repeated a placeholder is dropped; a harmony holds every phrase of its
         segments (the code loses the last of each), and may delete the only phrase of one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.optimizers.plum.edits import Bank, PhraseEdit, settle
from promptopt.optimizers.plum.harmonies import draw_segments, harmony_of
from promptopt.optimizers.plum.individuals import Individual, bred, draws, fittest, score_candidates
from promptopt.optimizers.plum.neighbours import EDITING, EDITS_TRIED, Editing, Editor, Neighbour
from promptopt.optimizers.plum.patience import (
    NEIGHBOURS,
    STOPPING,
    PhrasePlan,
    Stopping,
    bounds,
    parts_of_search,
    phrase_plan,
)
from promptopt.optimizers.plum.points import SCORING, Scores, Scoring, best, best_first
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import SMALL, Fresh, Preset, least
from promptopt.types import Prompt, Room, UpperBounds

KEEP = 2
"""Prompts that live on under a budget. Ours."""
POPULATION = 10
"""P of the paper's code."""
OFFSPRING = 5
"""Children of a generation by the paper's constants. Ours; its code has crossover turned off."""
MEMORY = 10
"""N_H of the paper's code."""
BREEDERS = 3
"""Prompts that live on with crossover, which is of no use between two that are always the same. Ours."""


@told
@dataclass(frozen=True, slots=True)
class MutationGA:
    """Parents are drawn by tournament from everything kept so far; each iteration keeps one neighbour more."""

    name: ClassVar[str] = "plum-ga-m"

    tournament: int = 5
    """k, draws with replacement, of which the best is the parent. The paper's command lines; its code's default: 3."""
    edit: Editing = EDITING
    """From a prompt to its neighbours."""
    score: Scoring = SCORING
    """What a prompt is worth."""
    stop: Stopping = STOPPING
    """When the search ends."""
    preset: Preset = "budget"
    """What open settings follow: the budget, or the paper."""

    def __post_init__(self) -> None:
        within(self, tournament=(1, math.inf))

    def optimize(self, run: Run) -> None:
        """Search from the task's start prompt."""
        plan = self.plan(run.room)
        editor, scores, patience = parts_of_search(run, self, plan)
        top, bank = scores.start(), Bank()
        archive = [top]
        for _ in scores.iterations():
            parent = best(draws(run.rng("tournament"), archive, self.tournament))
            neighbours = editor.neighbours(parent.prompt, bank, plan.neighbours)
            # The old ones too: on fresh examples their former scores compare with none of these.
            pool = scores.score([*(each.candidate for each in archive), *neighbours])
            found, old = pool[len(archive) :], pool[: len(archive)]
            improved = best(pool).prompt not in [each.prompt for each in old]
            if improved:
                # By a new best alone (code): what is merely kept in the archive adds nothing to the bank.
                bank = settle(bank, best(found).candidate.edits)
            # On a fixed set the archive grows, also by what is worse than all in it.
            grown = [*old, best(found)] if found else old
            archive = best_first(pool)[:KEEP] if isinstance(plan.way, Fresh) else grown
            top = best(archive)
            scores.record([top, parent, *found], [top, *archive])
            if patience.ends(improved):
                break

    def plan(self, room: Room) -> PhrasePlan:
        """How many iterations of how many neighbours there are, and what those are seen on."""
        return phrase_plan(self, room, keep=KEEP)

    def least(self, room: Room) -> int:
        """Evaluations of one iteration that is of use."""
        return least(room, self.plan(room).way, keep=KEEP)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap."""
        return bounds(self, train, edited=1)


@told
@dataclass(frozen=True, slots=True)
class CrossoverGA:
    """A population that breeds: children of two parents cut at the same phrase, then mutants of half of all."""

    name: ClassVar[str] = "plum-ga-c"

    population: int | None = None
    """P, individuals that live on; None: by the budget. Code: 10."""
    offspring: int | None = None
    """Children of two parents in a generation; None: by the budget, or 5. Code: 0, which turns crossover off."""
    mutation: float = 0.5
    """p, the probability that an individual is mutated, into m neighbours. Code."""
    tournament: int = 5
    """k, draws with replacement, of which the best is a parent. The paper's command lines; the code here: 2."""
    edit: Editing = EDITING
    """From an individual to its mutants."""
    score: Scoring = SCORING
    """What a prompt is worth."""
    stop: Stopping = STOPPING
    """When the search ends."""
    preset: Preset = "budget"
    """What open settings follow: the budget, or the paper."""

    def __post_init__(self) -> None:
        within(self, mutation=(0.0, 1.0), tournament=(1, math.inf))
        within(self, population=(1, math.inf), offspring=(0, math.inf))

    def optimize(self, run: Run) -> None:
        """Search from P copies of the task's start prompt."""
        plan = self.plan(run.room)
        editor, scores, patience = parts_of_search(run, self, plan)
        start = scores.start()
        population = [Individual(start)] * _size(plan, self._published[0])
        for _ in scores.iterations():
            before = population[0].scored.prompt
            generation = self._seen_together if isinstance(plan.way, Fresh) else self._scored_one_by_one
            pool, population = generation(run, editor, scores, population, plan)
            scores.record([each.scored for each in pool], [each.scored for each in population])
            if patience.ends(population[0].scored.prompt != before):
                break

    def plan(self, room: Room) -> PhrasePlan:
        """How many generations of how many children and mutants there are, and what those are seen on."""
        size, offspring, neighbours = self._published
        keep = self._keep
        scored = offspring + (size * neighbours if self.mutation else 0)
        # Here m is of an individual, and says nothing of how many a generation has.
        open_to_any = replace(self, edit=replace(self.edit, neighbours=None))
        found = phrase_plan(open_to_any, room, keep=keep, scored=scored)
        if not isinstance(found.way, Fresh):
            return replace(found, neighbours=neighbours, offspring=offspring)
        children, mutated = found.way.children, keep * self.mutation
        # A third of crossover, the others mutants. Ours.
        offspring = math.ceil(children / 3) if self.offspring is None else self.offspring
        if self.edit.neighbours is None:
            neighbours = max(1, math.ceil((children - offspring) / mutated)) if mutated else 0
        way = replace(found.way, children=max(1, offspring + round(mutated * neighbours)))
        return replace(found, way=way, neighbours=neighbours, offspring=offspring)

    def least(self, room: Room) -> int:
        """Evaluations of one generation that is of use."""
        return least(room, self.plan(room).way, keep=self._keep)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap: every individual is mutated."""
        size, offspring, neighbours = self._published
        edited = size if self.mutation else 0
        most = offspring + edited * neighbours
        return bounds(self, train, scored=most, edited=edited)

    @property
    def _keep(self) -> int:
        """Individuals that live on where generations are seen on fresh examples."""
        return BREEDERS if self.population is None else self.population

    @property
    def _published(self) -> tuple[int, int, int]:
        """P, children and m of a generation: as set, else by the paper's constants."""
        return (
            POPULATION if self.population is None else self.population,
            OFFSPRING if self.offspring is None else self.offspring,
            NEIGHBOURS if self.edit.neighbours is None else self.edit.neighbours,
        )

    def _scored_one_by_one(
        self, run: Run, editor: Editor, scores: Scores, population: Sequence[Individual], plan: PhrasePlan
    ) -> tuple[list[Individual], list[Individual]]:
        """All that a generation held, and who lives on; a child is scored at once, and may be the next parent."""
        pool = list(population)
        for _ in range(plan.offspring):
            child = bred(run, editor, pool, self.tournament)
            if child is not None:
                pool += score_candidates(scores, [child])
        population = fittest(pool, len(population))
        mutants = list[Individual]()
        for parent in population:
            mutants += score_candidates(scores, self._mutants(run, editor, parent, plan))
        # All mutants compete, not the best of each individual alone (code).
        return [*pool, *mutants], fittest([*population, *mutants], len(population))

    def _seen_together(
        self, run: Run, editor: Editor, scores: Scores, population: Sequence[Individual], plan: PhrasePlan
    ) -> tuple[list[Individual], list[Individual]]:
        """The same where children and mutants are looked at beside the old, all at once."""
        made = [(each.scored.candidate, each.bank) for each in population]
        children = (bred(run, editor, population, self.tournament) for _ in range(plan.offspring))
        made += [child for child in children if child is not None]
        for parent in population:
            made += self._mutants(run, editor, parent, plan)
        banks: dict[Prompt, Bank] = {}
        for candidate, bank in made:
            # The first of equal prompts: an old one comes before its copies, and keeps its bank.
            banks.setdefault(candidate.prompt, bank)
        size = _size(plan, self._published[0])
        pool = scores.score([candidate for candidate, _ in made])
        ranked = [Individual(each, banks[each.prompt]) for each in best_first(pool)]
        return ranked, ranked[:size]

    def _mutants(self, run: Run, editor: Editor, parent: Individual, plan: PhrasePlan) -> list[tuple[Neighbour, Bank]]:
        """With probability p the neighbours of an individual, each with the bank that its edits leave."""
        if run.rng("mutation").random() >= self.mutation:
            return []
        found = editor.neighbours(parent.scored.prompt, parent.bank, plan.neighbours)
        return [(each, settle(parent.bank, each.edits)) for each in found]


@told
@dataclass(frozen=True, slots=True)
class HarmonySearch:
    """Harmonies of segments, each from a remembered prompt: kept, adjusted by a paraphrase, or edited."""

    name: ClassVar[str] = "plum-hs"

    memory: int | None = None
    """N_H, prompts remembered; None: by the budget. Code: 10."""
    segments: int = 5
    """ks, segments of a harmony. Code."""
    consider: float = 0.4
    """HMCR, the probability that a segment is kept as it is remembered, but for an adjustment. Code."""
    adjust: float = 0.5
    """PAR, the probability that a phrase of a kept segment is paraphrased. Code."""
    edit: Editing = EDITING
    """How many harmonies, and how segments are edited."""
    score: Scoring = SCORING
    """What a prompt is worth."""
    stop: Stopping = STOPPING
    """When the search ends."""
    preset: Preset = "budget"
    """What open settings follow: the budget, or the paper."""

    def __post_init__(self) -> None:
        within(self, segments=(1, math.inf), consider=(0.0, 1.0), adjust=(0.0, 1.0))
        within(self, memory=(1, math.inf))
        if self.edit.chain != 1:
            raise ConfigError("harmony search makes one edit in a segment: leave edit.chain at 1")

    def optimize(self, run: Run) -> None:
        """Search from the task's start prompt."""
        plan = self.plan(run.room)
        editor, scores, patience = parts_of_search(run, self, plan)
        size = _size(plan, MEMORY if self.memory is None else self.memory)
        memory, bank = [scores.start()], Bank()
        for _ in scores.iterations():
            harmonies = self._new_harmonies(run, editor, [each.prompt for each in memory], bank, plan.neighbours)
            pool = scores.score([*(each.candidate for each in memory), *harmonies])
            before, remembered = memory[0].prompt, [each.prompt for each in memory]
            memory = best_first(pool)[:size]
            for each in memory:
                # Only what entered the memory changes the bank (code).
                if each.prompt not in remembered:
                    bank = settle(bank, each.candidate.edits)
            scores.record(pool, memory)
            if patience.ends(memory[0].prompt != before):
                break

    def plan(self, room: Room) -> PhrasePlan:
        """How many iterations of how many neighbours there are, and what those are seen on."""
        return phrase_plan(self, room, keep=self._keep, small=SMALL)

    def least(self, room: Room) -> int:
        """Evaluations of one iteration that is of use."""
        return least(room, self.plan(room).way, keep=self._keep)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap."""
        return bounds(self, train, edited=self.segments)

    @property
    def _keep(self) -> int:
        """Prompts that are remembered where iterations are seen on fresh examples."""
        return KEEP if self.memory is None else self.memory

    def _new_harmonies(
        self, run: Run, editor: Editor, memory: Sequence[Prompt], bank: Bank, wanted: int
    ) -> list[Neighbour]:
        """Up to `wanted` harmonies that are not in the memory, within 5 attempts for each."""
        editable = run.task.editable
        known, found = [prompt[editable] for prompt in memory], dict[Prompt, Neighbour]()
        # Bounded: a small memory has few harmonies, and all of them may be known.
        left = EDITS_TRIED * wanted
        while len(found) < wanted and left:
            count = min(wanted - len(found), left)
            left -= count
            for text, edits, sources in self.harmonies(run.rng("harmony"), editor, known, bank, count):
                parents = [prompt for prompt in memory if prompt[editable] in sources]
                note = "; ".join(edit.describe() for edit in edits) if edits else "segments as remembered"
                if parents[0].replace(editable, text) in memory:
                    editor.fail("harmony: remembered already")
                elif (prompt := editor.admit(text, parents, "harmony", note)) is not None:
                    found.setdefault(prompt, Neighbour(prompt, edits))
        editor.explain(bool(found))
        return list(found.values())

    def harmonies(
        self, rng: random.Random, editor: Editor, memory: Sequence[str], bank: Bank, count: int
    ) -> list[tuple[str, tuple[PhraseEdit, ...], list[str]]]:
        """`count` harmonies of the texts in memory: each with the edits in it, and the texts it was made of.

        An edit that cannot be made leaves its segment as it is.
        """
        # All harmonies of an iteration are of the memory as it was before any of them.
        cuts = [editor.cut(text) for text in memory]
        harmonies = [draw_segments(rng, cuts, bank, self.segments, self.consider, self.adjust) for _ in range(count)]
        asked = [(part, edit) for segments in harmonies for part, edit in segments if edit is not None]
        made = iter(editor.carry_out(asked))
        return [harmony_of(segments, made) for segments in harmonies]


def _size(plan: PhrasePlan, otherwise: int) -> int:
    """Prompts that live on: by the plan on fresh examples, else as they were set or published."""
    return plan.way.keep if isinstance(plan.way, Fresh) else otherwise
