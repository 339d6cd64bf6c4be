"""Plum, many prompts at a time: genetic algorithms by mutation and by crossover, and harmony search over phrases.

Paper    Pan et al. 2024, Plum: Prompt Learning using Metaheuristic(s), Findings of ACL 2024, arXiv:2311.08364. Its code
         has no licence: none of it is used.
Calls    task model: n*(1 + T*m) for mutation and harmony search, 50,100 at the defaults; n*(1 + T*(offspring + P*p*m))
         for crossover, about 275,100. proposer: one call for each phrase that is to be paraphrased for the first time,
         about T*m/3, T*P*p*m/3 and 2*T*m.
Departs  as `plum-hc`, in phrases cut by rule, protected text, bounded attempts, and scores without labels. Each
         individual has a bank of its own, and keeps it; patience is charged once a generation; crossover is on (code:
         off); a child or harmony that lost or repeated a placeholder is dropped; a harmony holds every phrase of its
         segments (the code loses the last of each), and may delete the only phrase of one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from promptopt.errors import ConfigError
from promptopt.optimizers.plum.edits import Bank, Edit, Kind, active, crossover, draw, join, settle
from promptopt.optimizers.plum.neighbours import ATTEMPTS, EDITING, Editing, Editor, Neighbour
from promptopt.optimizers.plum.patience import STOPPING, Patience, Stopping, expected
from promptopt.optimizers.plum.phrases import Phrases
from promptopt.optimizers.plum.points import SCORING, Scored, ScoreSet, Scoring
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.types import Prompt, UpperBounds

_Item = TypeVar("_Item")


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

    def __post_init__(self) -> None:
        within(self, tournament=(1, math.inf))

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on up to n training examples."""
        editor, scores = Editor(run, self.edit), ScoreSet(run, self.score)
        best, bank = scores.start(), Bank()
        archive = [best]
        patience = Patience(self.stop.patience, best.points)
        for _ in range(self.stop.iterations):
            parent = _best(_draws(run.rng("tournament"), archive, self.tournament))
            found = scores.score(editor.neighbours(parent.prompt, bank))
            if found:
                top = _best(found)
                archive.append(top)
                if top.points > best.points:
                    best, bank = top, settle(bank, top.candidate.edits)
            scores.record([best, parent, *found], [best, *archive])
            if patience.ends(best.points):
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples."""
        return expected(self.stop, self.edit, self.score, train, scored=self.edit.neighbours, edited=1)


@dataclass(frozen=True, slots=True)
class Individual:
    """A scored prompt with the deletion bank that travels with it."""

    scored: Scored
    bank: Bank = ()


@dataclass(frozen=True, slots=True)
class CrossoverGA:
    """A population that breeds: children of two parents cut at the same phrase, then mutants of half of all."""

    name: ClassVar[str] = "plum-ga-c"

    population: int = 10
    """P, individuals that live on. Code."""
    offspring: int = 5
    """Children of two parents in a generation. Ours; code: 0, which turns crossover off."""
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

    def __post_init__(self) -> None:
        within(self, population=(1, math.inf), offspring=(0, math.inf), mutation=(0.0, 1.0), tournament=(1, math.inf))

    def optimize(self, run: Run) -> None:
        """Search, from P copies of the task's start prompt, on up to n training examples."""
        editor, scores = Editor(run, self.edit), ScoreSet(run, self.score)
        start = scores.start()
        population = [Individual(start)] * self.population
        patience = Patience(self.stop.patience, start.points)
        for _ in range(self.stop.iterations):
            pool = list(population)
            for _ in range(self.offspring):
                bred = self._child(run, editor, pool)
                if bred is not None:
                    child, bank = bred
                    pool.append(Individual(scores.score([child])[0], bank))
            population = self._fittest(pool)
            mutants = list[Individual]()
            for parent in population:
                if run.rng("mutation").random() < self.mutation:
                    found = scores.score(editor.neighbours(parent.scored.prompt, parent.bank))
                    mutants += [Individual(each, settle(parent.bank, each.candidate.edits)) for each in found]
            population = self._fittest([*population, *mutants])
            scores.record([each.scored for each in [*pool, *mutants]], [each.scored for each in population])
            if patience.ends(population[0].scored.points):
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples: every individual is mutated."""
        edited = self.population if self.mutation else 0
        most = self.offspring + edited * self.edit.neighbours
        return expected(self.stop, self.edit, self.score, train, scored=most, edited=edited)

    def _child(self, run: Run, editor: Editor, pool: Sequence[Individual]) -> tuple[Neighbour, Bank] | None:
        """A child that is not in the pool yet, and the bank of its first parent; None where five attempts gave none."""
        editable = run.task.editable
        tournaments, splits = run.rng("tournament"), run.rng("crossover")
        for _ in range(ATTEMPTS):
            first, second = (_fitter(_draws(tournaments, pool, self.tournament)) for _ in range(2))
            parents = (first.scored.prompt, second.scored.prompt)
            cuts = [editor.cut(parent[editable]) for parent in parents]
            places = max(len(each.solid) for each in cuts)
            if not places:
                return None
            split = splits.randrange(places)
            text = crossover(cuts[0], cuts[1], split)
            if text in [each.scored.prompt[editable] for each in pool]:
                continue
            prompt = editor.admit(text, parents, "crossover", f"split {split}")
            if prompt is not None:
                return Neighbour(prompt), first.bank
        return None

    def _fittest(self, pool: Sequence[Individual]) -> list[Individual]:
        """The P best; of equals those that were there first."""
        return sorted(pool, key=lambda each: each.scored.points, reverse=True)[: self.population]


@dataclass(frozen=True, slots=True)
class HarmonySearch:
    """Harmonies of segments, each from a remembered prompt: kept, adjusted by a paraphrase, or edited."""

    name: ClassVar[str] = "plum-hs"

    memory: int = 10
    """N_H, prompts remembered. Code."""
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

    def __post_init__(self) -> None:
        within(self, memory=(1, math.inf), segments=(1, math.inf), consider=(0.0, 1.0), adjust=(0.0, 1.0))
        if self.edit.chain != 1:
            raise ConfigError("harmony search makes one edit in a segment: leave edit.chain at 1")

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on up to n training examples."""
        editor, scores = Editor(run, self.edit), ScoreSet(run, self.score)
        memory, bank = [scores.start()], Bank()
        patience = Patience(self.stop.patience, memory[0].points)
        for _ in range(self.stop.iterations):
            found = scores.score(self._new_harmonies(run, editor, [each.prompt for each in memory], bank))
            pool = [*memory, *found]
            memory = sorted(pool, key=lambda each: each.points, reverse=True)[: self.memory]
            for each in found:
                if each in memory:
                    bank = settle(bank, each.candidate.edits)
            scores.record(pool, memory)
            if patience.ends(memory[0].points):
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples: every segment is paraphrased."""
        return expected(self.stop, self.edit, self.score, train, scored=self.edit.neighbours, edited=self.segments)

    def _new_harmonies(self, run: Run, editor: Editor, memory: Sequence[Prompt], bank: Bank) -> list[Neighbour]:
        """Up to m harmonies that are not in the memory, within 5m attempts."""
        editable = run.task.editable
        known, found = [prompt[editable] for prompt in memory], dict[Prompt, Neighbour]()
        left = ATTEMPTS * self.edit.neighbours
        while len(found) < self.edit.neighbours and left:
            count = min(self.edit.neighbours - len(found), left)
            left -= count
            for text, edits, sources in self.harmonies(run.rng("harmony"), editor, known, bank, count):
                parents = [prompt for prompt in memory if prompt[editable] in sources]
                note = "; ".join(edit.describe() for edit in edits) if edits else "segments as remembered"
                if text in known:
                    editor.fail("harmony: remembered already")
                elif (prompt := editor.admit(text, parents, "harmony", note)) is not None:
                    found.setdefault(prompt, Neighbour(prompt, edits))
        editor.explain(bool(found))
        return list(found.values())

    def harmonies(
        self, rng: random.Random, editor: Editor, memory: Sequence[str], bank: Bank, count: int
    ) -> list[tuple[str, tuple[Edit, ...], list[str]]]:
        """`count` harmonies of the texts in memory: each with the edits in it, and the texts it was made of.

        An edit that cannot be made leaves its segment as it is.
        """
        cuts = [editor.cut(text) for text in memory]
        plans = [self._plan(rng, cuts, bank) for _ in range(count)]
        asked = [(part, edit) for plan in plans for part, edit in plan if edit is not None]
        made = iter(editor.carry_out(asked))
        found: list[tuple[str, tuple[Edit, ...], list[str]]] = []
        for plan in plans:
            text, before, edits = "", "", list[Edit]()
            for part, edit in plan:
                done = next(made) if edit is not None else None
                segment = part.text if done is None else done[0]
                if not text and part.offset:
                    # What stood between this segment and one that is not there.
                    segment = segment.removeprefix(part.gap(0))
                # Segments kept from one prompt follow upon each other as they did there; others may not fit.
                text = text + segment if done is None and before == part.whole else join(text, segment)
                before = part.whole if done is None else ""
                if done is not None:
                    edits.append(done[1])
            found.append((text, tuple(edits), list(dict.fromkeys(part.whole for part, _ in plan))))
        return found

    def _plan(self, rng: random.Random, cuts: Sequence[Phrases], bank: Bank) -> list[tuple[Phrases, Edit | None]]:
        """For each segment where it comes from, and what is done to it."""
        plan: list[tuple[Phrases, Edit | None]] = []
        for slot in range(self.segments):
            source = rng.choice(cuts)
            # b_j = ceil(j * L / ks)
            begin, end = (-(-place * len(source.chunks) // self.segments) for place in (slot, slot + 1))
            part = source.part(begin, end)
            kinds: tuple[Kind, ...] = active(bank)
            if rng.random() < self.consider:
                kinds = ("sub",) if rng.random() < self.adjust else ()
            edit = draw(part, kinds, bank, rng, least=1) if kinds and part.chunks else None
            if isinstance(edit, Edit):
                plan.append((part, edit))
                bank = settle(bank, [edit] if edit.kind == "add" else [])
            else:
                plan.append((part, None))
        return plan


def _draws(rng: random.Random, pool: Sequence[_Item], count: int) -> list[_Item]:
    return [rng.choice(pool) for _ in range(count)]


def _best(pool: Sequence[Scored]) -> Scored:
    return max(pool, key=lambda each: each.points)


def _fitter(pool: Sequence[Individual]) -> Individual:
    return max(pool, key=lambda each: each.scored.points)
