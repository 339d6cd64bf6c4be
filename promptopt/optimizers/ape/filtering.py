"""Adaptive filtering: stages on growing samples, from each of which the better share goes on (APE)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptopt.protocols import Selector
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.types import Estimate, Example, Prompt, ScoreMatrix


@dataclass(frozen=True, slots=True)
class Filtering:
    """Adaptive filtering, the paper's rule: all candidates left see a fresh subset, and the better share goes on."""

    subset: int = 10
    """Examples in the subset of a stage. Ours; the paper gives no value."""
    keep: float = 0.5
    """k, the share that goes on. Ours; the paper gives no value."""
    finalists: int = 4
    """Candidates that are scored on all of D_score. Ours."""
    examples: int = 200
    """Examples in D_score, at most. Ours; the paper: the rest of the training data."""

    def __post_init__(self) -> None:
        within(self, **dict.fromkeys(("subset", "finalists", "examples"), (1, math.inf)), keep=(0.0, 1.0))


FILTERING = Filtering()


def selected(
    run: Run,
    settings: Filtering,
    selector: Selector | None,
    pool: Sequence[Prompt],
    scoring: Sequence[Example],
    *,
    first: bool,
) -> list[Prompt]:
    """The start and the pool, best first: the finalists by all of D_score, then the others as they fell behind.

    `selector`: in place of the filter. `first`: nothing but the start is scored on all of D_score yet, so that where
    the budget ends, the last stage that was completed decides.
    """
    candidates = [prompt for prompt in pool if prompt != run.initial]
    if selector is None:
        ranked = filtered(run, settings, candidates, scoring, first)
    else:
        ranked = _by_selector(run, settings, selector, candidates, scoring)
    # What won the round before is scored already, and stays to be beaten.
    leaders = [run.initial] if first else [run.initial, pool[0]]
    final = ranked_on(run, run.evaluate([*leaders, *ranked[: settings.finalists]], scoring))
    run.rank_by(scoring)
    run.record(final, [final[0].prompt])
    finalists = [each.prompt for each in final]
    return [*finalists, *(prompt for prompt in ranked if prompt not in finalists)]


def _by_selector(
    run: Run, settings: Filtering, selector: Selector, candidates: Sequence[Prompt], scoring: Sequence[Example]
) -> list[Prompt]:
    """The candidates that the selector scored, best first."""
    ranked = selector.select(run, [run.initial, *candidates], scoring, settings.finalists)
    unscored = sum(not each.count for each in ranked)
    if unscored:
        run.warn(
            f"{unscored} of {len(ranked)} prompts were never scored, as the selector's budget does not reach them; "
            f"raise selector.budget to {len(ranked)} or more"
        )
    scored = [each.prompt for each in ranked if each.count and each.prompt != run.initial]
    run.record(ranked, scored[: settings.finalists])
    return scored


def filtered(
    run: Run, settings: Filtering, candidates: Sequence[Prompt], scoring: Sequence[Example], first: bool
) -> list[Prompt]:
    """The candidates, best first, after as many stages as it takes to come down to the finalists."""
    order = run.rng("subsets").sample(scoring, len(scoring))
    alive, dropped, seen = list(candidates), list[Prompt](), 0
    while len(alive) > settings.finalists and seen < len(order):
        # What was scored before is free, so the mean over all subsets so far costs the newest one only.
        seen = min(seen + settings.subset, len(order))
        # All on the same examples; the code draws others for each candidate, whose difficulty then decides too.
        ranked = ranked_on(run, run.evaluate([run.initial, *alive], order[:seen]))
        # Where a cap ends the search, the last stage that was completed decides.
        if first:
            run.rank_by(order[:seen])
        alive = [each.prompt for each in ranked if each.prompt != run.initial]
        count = survivor_count(len(alive), settings)
        alive, dropped = alive[:count], [*alive[count:], *dropped]
        run.record(ranked, [each.prompt for each in ranked if each.prompt not in dropped])
    return [*alive, *dropped]


def survivor_count(alive: int, settings: Filtering) -> int:
    """How many of so many go on to the next stage."""
    return min(alive, max(settings.finalists, math.ceil(settings.keep * alive)))


def ranked_on(run: Run, scores: ScoreMatrix) -> list[Estimate]:
    """Best first; ties to the shorter, then to the earlier."""
    means: Mapping[Prompt, float] = scores.means()
    order = sorted(means, key=lambda prompt: (-means[prompt], len(prompt[run.task.editable])))
    return [Estimate(prompt, means[prompt], len(scores.examples)) for prompt in order]
