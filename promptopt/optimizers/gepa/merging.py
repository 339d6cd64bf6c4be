"""System-aware merge: two survivors that changed different texts of a common ancestor become one, without a call."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptopt.optimizers.gepa.pareto import TOLERANCE, survivors
from promptopt.optimizers.gepa.pool import CandidatePool
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.types import Prompt, Proposal

MERGE_DRAWS = 100
"""Pairs that are drawn for a merge, at most (code: ten times ten)."""
GATE = 5
"""Examples of the fronts that a merged prompt is first scored on (code)."""


@dataclass(frozen=True, slots=True)
class Merging:
    """When two candidates are merged. A prompt with one editable part is never merged."""

    most: int = 5
    """Merged prompts that are scored in a search, accepted or not. Code: a cap on what is scheduled only. 0: none."""
    overlap: int = 5
    """Examples of the fronts that both must have been scored on. Code."""

    def __post_init__(self) -> None:
        within(self, most=(0, math.inf), overlap=(1, math.inf))


MERGING = Merging()


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged prompt, and the numbers of the two that it is made of."""

    prompt: Prompt
    first: int
    second: int


class Merges:
    """Finds what can be merged; nothing is built twice."""

    def __init__(self, run: Run, settings: Merging, parts: Sequence[str]) -> None:
        """`parts`: the editable ones."""
        self.due = 0
        """Children that have joined since, each of which entitles to a merge."""
        self._run = run
        self._settings = settings
        self._parts = tuple(parts)
        self._rng = run.rng("merge")
        self._triples: dict[tuple[int, int, int], None] = {}
        self._built: dict[tuple[int, int, tuple[int, ...]], None] = {}
        self._scored = 0

    def attempt(self, pool: CandidatePool) -> bool:
        """Whether a merged prompt was found and scored; it joins the pool where it is as good as the better parent."""
        merge = self.find(pool) if self._scored < self._settings.most else None
        if merge is None:
            return False
        # The code counts those accepted, so that a search may score many more than its cap says.
        self._scored += 1
        first, second = pool.rows[merge.first], pool.rows[merge.second]
        # What the parents scored there is known: the merged prompt alone is run.
        keys = gate(first, second, self._rng)
        examples = [example for example in pool.examples if example.id in keys]
        values = self._run.evaluate([merge.prompt], examples).values(merge.prompt)
        least = max(math.fsum(row[example.id] for example in examples) for row in (first, second))
        if math.fsum(values) >= least - TOLERANCE:
            pool.join(merge.prompt, (merge.first, merge.second))
            # A merge that is refused stays due (code).
            self.due -= 1
        return True

    def find(self, pool: CandidatePool) -> Merge | None:
        """A merge of two survivors of the fronts that the task allows, or None.

        Of prompts with one editable text none: no two can have changed different ones.
        """
        prompts, means = pool.prompts, pool.means
        among = list(survivors(pool.fronts, means))
        if len(among) < 2:
            return None
        forebears = _forebears(pool.parents)
        for _ in range(MERGE_DRAWS):
            # In order, so that a pair is the same whichever was drawn first.
            first, second = sorted(self._rng.sample(among, 2))
            # Of one line: the descendant is what the ancestor became, and there is nothing to merge.
            if first in forebears[second] or second in forebears[first]:
                continue
            ancestor = self._ancestor(first, second, forebears, prompts, means)
            if ancestor is None:
                continue
            sources = self._sources(first, second, ancestor, prompts, means)
            shared = [key for key in pool.rows[first] if key in pool.rows[second]]
            if (first, second, sources) in self._built or len(shared) < self._settings.overlap:
                continue
            # Marked also where the task then forbids it, so that nothing is built twice.
            self._triples[first, second, ancestor] = None
            self._built[first, second, sources] = None
            prompt = prompts[ancestor]
            for part, source in zip(self._parts, sources, strict=True):
                prompt = prompt.replace(part, prompts[source][part])
            proposal = Proposal(prompt, (prompts[first], prompts[second]), "merge", _merge_note(self._parts, sources))
            if prompt not in prompts and self._run.admit([proposal]):
                return Merge(prompt, first, second)
        return None

    def _ancestor(
        self,
        first: int,
        second: int,
        forebears: Sequence[set[int]],
        prompts: Sequence[Prompt],
        means: Sequence[float],
    ) -> int | None:
        """A common ancestor that neither is worse than and from which they changed different texts; by its mean."""
        fit = [
            each
            # By number, as the draw below goes by place, and sets have no order to rely on.
            for each in range(first)
            if each in forebears[first]
            and each in forebears[second]
            and (first, second, each) not in self._triples
            and means[each] <= min(means[first], means[second])
            and self._desirable(prompts[first], prompts[second], prompts[each])
        ]
        if not fit:
            return None
        weights = [max(0.0, means[each]) for each in fit]
        # Means of zero, and losses, weigh nothing: then all weigh the same (the code raises an error).
        return self._rng.choices(fit, weights if sum(weights) > 0 else None)[0]

    def _desirable(self, first: Prompt, second: Prompt, ancestor: Prompt) -> bool:
        return any(
            first[part] != second[part] and (first[part] == ancestor[part] or second[part] == ancestor[part])
            for part in self._parts
        )

    def _sources(
        self, first: int, second: int, ancestor: int, prompts: Sequence[Prompt], means: Sequence[float]
    ) -> tuple[int, ...]:
        """For each part whose text is taken: the one that changed it; where both did, the better (a tie is drawn)."""
        found: list[int] = []
        for part in self._parts:
            old, one, two = (prompts[each][part] for each in (ancestor, first, second))
            if one == old and two == old:
                found.append(ancestor)
            elif one == old or two == old:
                found.append(second if one == old else first)
            elif means[first] == means[second]:
                found.append(self._rng.choice((first, second)))
            else:
                found.append(first if means[first] > means[second] else second)
        return tuple(found)


def gate(first: Mapping[str, float], second: Mapping[str, float], rng: random.Random) -> list[str]:
    """The keys of up to five examples that a merged prompt is scored on first, of those that both were scored on.

    From where the first is better, where the second is, and where they are equal up to two each, in this order. Then at
    random from the rest.
    """
    shared = [key for key in first if key in second]
    kinds = (
        [key for key in shared if first[key] > second[key]],
        [key for key in shared if first[key] < second[key]],
        [key for key in shared if first[key] == second[key]],
    )
    found: list[str] = []
    for keys in kinds:
        found += rng.sample(keys, min(2, len(keys), GATE - len(found)))
    rest = [key for key in shared if key not in found]
    # The code draws with replacement where there are fewer, and some would count twice.
    return found + rng.sample(rest, min(len(rest), GATE - len(found)))


def _forebears(parents: Sequence[Sequence[int]]) -> list[set[int]]:
    """All ancestors of each candidate; a parent comes before its children."""
    found: list[set[int]] = []
    for own in parents:
        found.append({*own}.union(*(found[parent] for parent in own)))
    return found


def _merge_note(parts: Sequence[str], sources: Sequence[int]) -> str:
    return ", ".join(f"{part} of {source}" for part, source in zip(parts, sources, strict=True))
