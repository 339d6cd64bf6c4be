"""APE: a model is shown inputs with their outputs and says what the instruction was; the best guess wins.

Paper    Zhou et al. 2023, Large Language Models Are Human-Level Prompt Engineers, ICLR 2023, arXiv:2211.01910.
Scales   with the budget, of S evaluations: twice max(4, 0.7 S^(1/3)) guesses, then round after round half as many
         paraphrases of the two best, the start among what competes; each round is looked at together on
         max(3, 0.8 S^(1/4)) examples drawn anew (0.4 of that at first, 1.6 in the end), and the two best go on
         (successive rejects). 500 evaluations are about 14 rounds, 2,000 are 33. Where S is below 210 and calls are
         capped, a paraphrase is paraphrased once more.
Paper's  rule, by `preset=paper`, with a selector, and where there is no cap. Proposer: m replies to m/10 distinct
         requests, once more where fewer than m/2 are of use, and one a paraphrase; task model: D_score for the start,
         about 10*m*log2(m) while candidates are filtered, D_score for each finalist. A reply off its form is asked for
         once more.
Departs  the budget's rule, which is ours, and paraphrases the start where that is among the best; D_propose and D_score
         are disjoint (simple interface: the same data); the filter keeps half on subsets of ten, which the paper leaves
         open; candidates stand in tags and are checked (code: 50 tokens of raw continuation, each scored on examples
         of its own). The reverse form, which needs a model that fills in blanks, is left out; f_exec or f_log is the
         run's evaluator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.operators.demos import draw
from promptopt.operators.drafts import words_allowed
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import show_example
from promptopt.operators.rewrite import TAG, again, rewrites
from promptopt.optimizers.ape.filtering import FILTERING, Filtering, selected, survivor_count
from promptopt.optimizers.ape.requests import FORM, FORWARD, PARAPHRASE
from promptopt.protocols import Selector
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.budgeted import most_asked
from promptopt.selection.generations import (
    SMALL,
    Fresh,
    GenerationalSelection,
    Preset,
    fresh,
    least_generation,
    writings_of,
)
from promptopt.tasks.parts import wording
from promptopt.text import counted
from promptopt.types import Example, Prompt, Proposal, Room, Sampling, UpperBounds

DRY = 3
"""Rounds of paraphrases without a new one before the search begins again from its best, and then ends. Ours: one
may be chance, and each costs calls."""
SAMPLING = Sampling(temperature=0.9, top_p=0.9, max_tokens=512)
MOST_PROPOSING = 100
"""Training examples that candidates are guessed from, at most (code)."""


@dataclass(frozen=True, slots=True)
class Proposing:
    """From input and output pairs to candidates."""

    candidates: int | None = None
    """m, guesses asked for. None: by the budget; paper, code: 50."""
    pairs: int = 5
    """Pairs shown for a guess. Paper, code."""
    samples: int | None = None
    """Guesses for each subset of pairs. None: 2 by the budget; simple interface of the code: 10."""
    share: float = 0.5
    """The share of the training examples in D_propose; it has at most 100. Code."""
    longest: int = 200
    """Tokens that a candidate may have. Ours; the code: 50."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Code; the length of a reply is ours."""

    def __post_init__(self) -> None:
        within(self, **dict.fromkeys(("candidates", "pairs", "samples", "longest"), (1, math.inf)), share=(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class APEPlan:
    """Concrete numbers. `resampling`: rounds of paraphrases. `fresh`: None for the paper's rule."""

    candidates: int
    samples: int
    resampling: int
    fresh: Fresh | None

    @property
    def rounds(self) -> int:
        """The guesses, and the paraphrases."""
        return 1 + self.resampling

    def describe(self) -> str:
        """Half a sentence."""
        if self.fresh is None:
            return (
                f"{counted(self.candidates, 'guess', 'guesses')} and {counted(self.resampling, 'round')} of paraphrases"
            )
        return f"{self.fresh.describe('paraphrases')}; the first is of {counted(self.candidates, 'guess', 'guesses')}"


@told
@dataclass(frozen=True, slots=True)
class APE:
    """Instructions guessed from examples, filtered on examples that were not shown."""

    name: ClassVar[str] = "ape"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    propose: Proposing = Proposing()
    """How candidates come about."""
    filter: Filtering = FILTERING
    """How the best are found by the paper's rule."""
    selector: Selector | None = None
    """What picks the finalists instead of the filter; None (paper): the filter. The code: a bandit (`ucb`)."""
    resampling: int | None = None
    """Rounds in which the best are paraphrased and all are compared again. None: by the budget; paper: off (0), or up
    to 3."""

    def __post_init__(self) -> None:
        within(self, resampling=(0, math.inf))

    def plan(self, room: Room) -> APEPlan:
        """By the budget where there is one, else by the paper's rule."""
        found = None
        if self.preset == "budget" and self.selector is None:
            # The guesses are a generation of their own.
            found = fresh(room, most=None if self.resampling is None else 1 + self.resampling, small=SMALL, again=True)
        candidates, samples = self.propose.candidates, self.propose.samples
        if found is None:
            resampling = 0 if self.resampling is None else self.resampling
            return APEPlan(
                50 if candidates is None else candidates, 10 if samples is None else samples, resampling, None
            )
        rounds = found.rounds - 1 if self.resampling is None else self.resampling
        # Fewer where that leaves no look at each of them.
        guesses = min(2 * found.children, max(1, room.cells(1.0) or 0))
        return APEPlan(guesses if candidates is None else candidates, 2 if samples is None else samples, rounds, found)

    def least(self, room: Room) -> int:
        """A few guesses and two rounds of paraphrases; by the paper's rule all that the filter asks for."""
        plan = self.plan(room)
        return self.upper_bounds_in(room).evaluations if plan.fresh is None else 4 * least_generation()

    def optimize(self, run: Run) -> None:
        """Search; candidates are guessed from one part of the training examples and scored on the other."""
        plan = self.plan(run.room)
        proposing, scoring = self._split(run, plan)
        quotes = Quotes(proposing, run.task.labels, run.initial)
        run.rank_by(scoring)
        # A guess that reads like the start is no new prompt.
        found = {wording(run.task, run.initial): run.initial}
        if plan.fresh is None:
            run.evaluate([run.initial], scoring)
        candidates = self._guesses(run, plan, proposing, quotes, found)
        if len(candidates) < plan.candidates / 2:
            candidates += self._guesses(run, plan, proposing, quotes, found)
        # The second round asks for as many as the first, and may bring more than are missing.
        candidates = candidates[: plan.candidates]
        if plan.fresh is None:
            self._published(run, plan, candidates, scoring, quotes, found)
            return
        search, writings = GenerationalSelection(run, scoring, plan.fresh, DRY), writings_of(run, plan.fresh.writings)
        elite = search.survivors([run.initial], candidates)
        while search.open:
            parents = [elite[place % len(elite)] for place in range(plan.fresh.children)]
            elite = search.survivors(elite, self._paraphrases(run, parents, quotes, found, writings))

    def _published(
        self,
        run: Run,
        plan: APEPlan,
        candidates: Sequence[Prompt],
        scoring: Sequence[Example],
        quotes: Quotes,
        found: dict[str, Prompt],
    ) -> None:
        """The paper's filter, and its resampling."""
        if not candidates:
            return
        ranked = selected(run, self.filter, self.selector, candidates, scoring, first=True)
        for _ in range(plan.resampling):
            # Iterative Monte-Carlo search: the best are paraphrased, and stay among what is compared (paper).
            best = ranked[: math.ceil(self.filter.keep * len(ranked))]
            variations = self._paraphrases(run, best, quotes, found)
            # Without a new one the same prompts would be compared again.
            if not variations:
                break
            ranked = selected(run, self.filter, self.selector, [*best, *variations], scoring, first=False)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a whole search in that room; replies off their form are asked for twice."""
        plan, settings, most = self.plan(room), self.filter, self.propose.sampling.max_tokens
        # Guesses are asked for in two rounds at most.
        calls = 4 * plan.candidates
        if plan.fresh is not None:
            calls += 2 * plan.fresh.bound * plan.fresh.children * plan.fresh.writings
            return UpperBounds(plan.fresh.evaluations, calls, calls * most)
        scoring = min(settings.examples, room.train - self._proposing(room.train))
        evaluations, pool = scoring, plan.candidates
        for number in range(plan.resampling + 1):
            if number:
                # The start is among what is ranked, so it may be paraphrased too.
                pool = math.ceil(settings.keep * (pool + 1))
                calls, pool = calls + 2 * pool, 2 * pool
            alive, seen = pool, 0
            while self.selector is None and alive > settings.finalists and seen < scoring:
                evaluations += alive * min(settings.subset, scoring - seen)
                alive, seen = survivor_count(alive, settings), seen + settings.subset
            if self.selector is not None:
                evaluations += most_asked(self.selector, pool + 1, scoring)
            evaluations += min(alive, settings.finalists) * scoring
        return UpperBounds(evaluations, calls, calls * most)

    def _proposing(self, train: int) -> int:
        """How many of `train` examples are in D_propose; one is left to score on."""
        return max(1, min(int(self.propose.share * train), MOST_PROPOSING, train - 1))

    def _split(self, run: Run, plan: APEPlan) -> tuple[list[Example], list[Example]]:
        """D_propose and D_score."""
        # Each once: an example that is there twice could be on both sides.
        train = list(dict.fromkeys(run.train))
        if len(train) < 2:
            raise ConfigError(
                f"task {run.task.name!r} has {len(train)} training example, and method 'ape' needs one to guess the "
                f"instruction from and another to score it on; give it 20 or more"
            )
        drawn = draw(run.rng("split"), train, len(train))
        count = self._proposing(len(train))
        most = len(drawn) if plan.fresh is not None else self.filter.examples
        return drawn[:count], drawn[count:][:most]

    def _guesses(
        self, run: Run, plan: APEPlan, proposing: Sequence[Example], quotes: Quotes, found: dict[str, Prompt]
    ) -> list[Prompt]:
        """Up to m new candidates, guessed from distinct subsets of D_propose; `found`: by text, what there is."""
        subsets: dict[frozenset[str], list[Example]] = {}
        size = min(self.propose.pairs, len(proposing))
        wanted = min(math.ceil(plan.candidates / plan.samples), math.comb(len(proposing), size))
        # Distinct ones, of which there are enough, so that the drawing ends.
        while len(subsets) < wanted:
            pairs = draw(run.rng("pairs"), proposing, size)
            # By ids in any order: the same pairs in another order are nearly the same request.
            subsets.setdefault(frozenset(example.id for example in pairs), pairs)
        # m guesses over the subsets, as evenly as they go.
        shown = [pairs for number, pairs in enumerate(subsets.values()) for _ in range(number, plan.candidates, wanted)]
        asked = [(run.base, self._request(run, pairs)) for pairs in shown]
        notes = [f"guessed from {', '.join(example.id for example in pairs)}" for pairs in shown]
        written = self._written(run, asked, "proposer")
        return self._admitted(run, [run.base] * len(asked), written, "proposer", notes, quotes, found)

    def _request(self, run: Run, pairs: Sequence[Example]) -> str:
        section = run.initial[run.task.editable]
        # A guess must hold them, and the start, which would show how, is not shown.
        slots = [slot for name, _ in pairs[0].fields if (slot := f"{{{name}}}") in section]
        where = f" It has {' and '.join(slots)}, spelt like that, where the input goes." if slots else ""
        return FORWARD.render(
            {"pairs": "\n\n".join(map(show_example, pairs)), "placeholders": where, "words": str(self._words(run))}
        )

    def _words(self, run: Run) -> int:
        # No text is rewritten that could be longer than that already.
        return words_allowed(run.task, run.task.editable, "", self.propose.longest, len)

    def _paraphrases(
        self, run: Run, best: Sequence[Prompt], quotes: Quotes, found: dict[str, Prompt], writings: int = 1
    ) -> list[Prompt]:
        """`writings`: how often, one after the other."""
        written = self._paraphrased(run, best)
        for _ in range(writings - 1):
            written = again(written, lambda drafts: self._paraphrased(run, drafts))
        return self._admitted(run, best, written, "paraphraser", [""] * len(best), quotes, found)

    def _paraphrased(self, run: Run, prompts: Sequence[Prompt]) -> list[Prompt | None]:
        editable, words = run.task.editable, str(self._words(run))
        asked = [(each, PARAPHRASE.render({"section": each[editable], "words": words})) for each in prompts]
        return self._written(run, asked, "paraphraser")

    def _written(self, run: Run, asked: Sequence[tuple[Prompt, str]], who: str) -> list[Prompt | None]:
        settings = self.propose
        return rewrites(run, asked, settings.sampling, who=who, longest=settings.longest, tag=TAG, form=FORM)

    def _admitted(
        self,
        run: Run,
        asked: Sequence[Prompt],
        written: Sequence[Prompt | None],
        who: str,
        notes: Sequence[str],
        quotes: Quotes,
        found: dict[str, Prompt],
    ) -> list[Prompt]:
        """What was written of each that was asked for, if it is new and quotes no example; `found` grows by it."""
        editable, proposals = run.task.editable, list[Proposal]()
        for parent, prompt, note in zip(asked, written, notes, strict=True):
            if prompt is None:
                continue
            text = prompt[editable]
            if wording(run.task, prompt) in found:
                run.reject(f"{who}: written before")
            elif quotes.new_in(text, parent[editable]):
                run.reject(f"{who}: quotes an example")
            else:
                found[wording(run.task, prompt)] = prompt
                # A guess owes nothing to the start.
                parents = () if who == "proposer" else (parent,)
                proposals.append(Proposal(prompt, parents, who, note))
        return run.admit(proposals)
