"""Races over a fixed sample, one after another, in which length has a price: the selection of CAPO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptopt.ranges import within
from promptopt.selection.racing import PairedTest, RaceStage, eliminated, penalised, rendered
from promptopt.types import Example, Prompt, Proposal

if TYPE_CHECKING:
    from promptopt.run import Run

STEP = 0.02
"""Score that a prompt must cost more than another, about, for its length to decide between them. Ours, for the
reason that `dearness` gives."""
# The t-test of the paper. Corrected for its many looks, it would hardly let anybody leave.
UNCORRECTED = PairedTest(alpha=0.2, correction="none", population="infinite")


@dataclass(frozen=True, slots=True)
class Race:
    """How survivors are found."""

    block: int = 30
    """b, examples of a block. Code. The last block may be smaller; with fewer examples there is one smaller block."""
    blocks: int = 10
    """z_max, blocks of a race. Code."""
    gamma: float = 0.05
    """Score that a prompt loses which is as long as the longest of the first population. Paper: 0.01 to 0.1."""
    test: PairedTest = UNCORRECTED
    """When a prompt is better than another. Paper: 0.2, not corrected."""

    def __post_init__(self) -> None:
        within(self, block=(1, math.inf), blocks=(1, math.inf), gamma=(0.0, math.inf))


RACE = Race()


class Lengths:
    """What prompts cost by their length; and which of those that were made are new."""

    def __init__(self, run: Run, gamma: float, first: Sequence[Prompt]) -> None:
        """gamma: what the longest of `first` costs; that length is the reference, and stays."""
        self._run, self._gamma = run, gamma
        self._lengths: dict[Prompt, int] = {}
        # One at least, as lengths are divided by it.
        self._reference = max(1, *map(self.length, first))

    def admit(self, made: Sequence[Proposal], population: Sequence[Prompt]) -> list[Prompt]:
        """The prompts that keep the contract and render unlike each other and all of `population`."""
        known = {rendered(self._run, prompt): None for prompt in population}
        fresh: list[Proposal] = []
        for proposal in made:
            text = rendered(self._run, proposal.prompt)
            # Scored alike, duplicates would take places of the population that no race could take from them.
            if text in known:
                self._run.reject(f"{proposal.operator}: a duplicate")
                continue
            known[text] = None
            count, length = len(proposal.prompt.demos), self.length(proposal.prompt)
            size = f"demonstrations: {count}, tokens: {length}, price: {self.price(proposal.prompt):.4f}"
            fresh.append(replace(proposal, note=f"{proposal.note}; {size}" if proposal.note else size))
        return self._run.admit(fresh)

    def length(self, prompt: Prompt) -> int:
        """Tokens of what the model reads besides the input."""
        if prompt not in self._lengths:
            self._lengths[prompt] = self._run.count_tokens(rendered(self._run, prompt))
        return self._lengths[prompt]

    def price(self, prompt: Prompt) -> float:
        """Off each of its scores: gamma * length / reference."""
        return self._gamma * self.length(prompt) / self._reference

    def dearness(self, prompt: Prompt) -> int:
        """The price in whole steps of STEP: what decides between equal scores where all rest on a few examples.

        Were it the price itself, every word less would decide there, and keep a search from adding any.
        """
        # Measured on planted tasks: every word less as a reason cost a third of the gain.
        return round(self.price(prompt) / STEP)


class Track:
    """What races run on: the blocks, in a fixed order; the price of length; and how deep a race has been."""

    def __init__(self, run: Run, race: Race, sample: Sequence[Example], first: Sequence[Prompt]) -> None:
        """L_ref is the longest of `first`, and stays."""
        self._run, self._race, self._sample = run, race, sample
        self._looks = math.ceil(len(sample) / race.block)
        self._deepest = 0
        self._lengths = Lengths(run, race.gamma, first)
        run.rank_by(sample)

    def admit(self, made: Sequence[Proposal], population: Sequence[Prompt]) -> list[Prompt]:
        """As `Lengths.admit`."""
        return self._lengths.admit(made, population)

    def race(self, candidates: Sequence[Prompt], keep: int) -> list[Prompt]:
        """The `keep` best, best first; all where there are no more."""
        alive, seen = list(candidates), 0
        while len(alive) > keep and seen < self._looks:
            seen += 1
            # Earlier blocks are known, so this pays for the new one; members of the last race may be behind.
            # The test is on all blocks so far, not on the newest alone (paper).
            scores = self._run.evaluate(alive, self._prefix(seen))
            look = RaceStage(seen, self._looks, len(self._sample))
            rows, prices = [scores.values(prompt) for prompt in alive], [self._price(prompt) for prompt in alive]
            # By at least mu better ones, as in both codes; a summary of the paper says more than mu.
            out = eliminated(rows, prices, keep, self._race.test, look)
            values = penalised(rows, prices)
            # Best first, by mean less price: the codes end a race by raw means, and length then decides nothing.
            order = sorted(range(len(alive)), key=values.__getitem__, reverse=True)
            alive = [alive[place] for place in order if place not in out]
            self._rank(seen, alive)
        survivors = alive[:keep]
        self._run.record([self._run.estimate(prompt, self._sample) for prompt in candidates], survivors)
        return survivors

    def finish(self, population: Sequence[Prompt]) -> None:
        """Score the last population on all blocks: the winner must not rest on a few."""
        self._run.evaluate(population, self._sample)
        order = self._rank(self._looks, population)
        self._run.record([self._run.estimate(prompt, self._sample) for prompt in order], order)

    def _rank(self, seen: int, alive: Sequence[Prompt]) -> list[Prompt]:
        """Rank by mean less price on the blocks of the deepest race so far those of `alive` that have seen all of them.

        The others follow by what they are worth on what they have seen: one block may be all that a cap leaves.
        """
        # Never back: a prompt that won a short race has not shown what those of a deep one have.
        self._deepest = max(self._deepest, seen)
        ranking = self._prefix(self._deepest)
        known = [self._run.estimate(prompt, ranking) for prompt in alive]
        full = [estimate for estimate in known if estimate.count == len(ranking)]
        full.sort(key=lambda estimate: estimate.mean - self._price(estimate.prompt), reverse=True)
        order = [estimate.prompt for estimate in full]
        self._run.rank_by(self._sample, order if self._deepest > 1 else [])
        return order

    def _prefix(self, blocks: int) -> Sequence[Example]:
        return self._sample[: blocks * self._race.block]

    def _price(self, prompt: Prompt) -> float:
        return self._lengths.price(prompt)
