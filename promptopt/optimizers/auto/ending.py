"""When a search of `auto` ends before its budget: where the rest of it promises less than the final choice makes of it.

Promise   a search that gained g in the share f of its evaluations gains about g (1 - f) / f in the rest at most: gains
          fall off on every planted task. g is the mean of the best under the posterior less that of the start; being
          the best of many it is too large rather than too small, so the rule errs on the side of searching on.
Choice    what more dev examples are worth. F finalists differ by the posterior's variance v. To tell them apart by
          d examples gains c_F v / sqrt(v + noise / d) on average over one of them at random, c_F being the expected
          maximum of F standard normals. That is the expected value of sample information of equal normals (Raiffa &
          Schlaifer 1961).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from promptopt.run import Run
from promptopt.run.budget import DEV_SHARE, LARGE
from promptopt.run.posterior import NOISE, Posterior

HALF = 0.5
"""Share of the evaluations before which no search ends: what it has not found by then may still come."""
NOTHING = 0.0005
"""What is told as 0.0 points."""
APART = 0.5
"""Share of a finalist's variance that is its own. Finalists are relatives; the rest they have in common. Ours."""
SEARCHED = 0.55
"""Share of a small cap that the search is granted: what twice TEST_SHARE and DEV_SHARE of `run/budget.py` leave."""
MOST_OF = {2: 0.564, 4: 1.029}
"""c_F: the expected maximum of so many independent standard normals."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the rest of a search promises, and what it is worth to the final choice; in units of score."""

    promise: float
    choice: float


def over(run: Run, belief: Posterior, evaluations: int) -> bool:
    """Whether a search of so many `evaluations` should end; the user is told why."""
    ahead = outlook(run, belief, evaluations)
    if ahead is None or ahead.promise > ahead.choice:
        return False
    promise = (
        f"by its gains so far the rest promises {100 * ahead.promise:.1f} points at most"
        if ahead.promise >= NOTHING
        else "nothing that it found is believed to be better than the start"
    )
    choice = (
        f"more dev examples for the final choice are worth {100 * ahead.choice:.1f} points"
        if ahead.choice >= NOTHING
        else "what is left makes the test larger, as far as there are examples"
    )
    run.warn(
        f"the search ends at {run.spent.evaluations / evaluations:.0%} of its evaluations: {promise}, and {choice}",
        ends=True,
    )
    return True


def outlook(run: Run, belief: Posterior, evaluations: int) -> Outlook | None:
    """The outlook of a search of so many `evaluations`; None before half of it, and where scores are no shares."""
    left, share = run.evaluations_left(), run.spent.evaluations / max(1, evaluations)
    if left is None or run.abilities.stands_in or not HALF <= share < 1.0:
        return None
    best = max(belief.mean, key=belief.mean.__getitem__)
    level = belief.mean[best]
    # The variance below is that of right and wrong.
    if not 0.0 <= level <= 1.0:
        return None
    # As the final choice is planned in `run/budget.py`, for the cap that such a search comes of.
    finalists = 2 if evaluations < SEARCHED * LARGE else 4
    before = min(len(run.dev), max(1, round(DEV_SHARE * evaluations / SEARCHED / (finalists + 1))))
    after = min(len(run.dev), before + left // (finalists + 1))
    # A share p varies by p (1 - p), of which the posterior takes NOISE for neither the prompt's nor the example's.
    own, noise = APART * belief.deviation[best] ** 2, NOISE * level * (1.0 - level)
    gained = level - belief.mean[run.initial]
    return Outlook(
        gained * (1.0 - share) / share,
        MOST_OF[finalists] * (_told_apart(own, noise, after) - _told_apart(own, noise, before)),
    )


def _told_apart(own: float, noise: float, examples: int) -> float:
    return own / math.sqrt(own + noise / examples) if own > 0.0 and examples else 0.0
