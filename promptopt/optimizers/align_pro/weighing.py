"""From what rewrites earned on the same examples to their weights."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from promptopt.errors import ConfigError
from promptopt.optimizers.align_pro.tilt import Tilt, corrected, tilted, within_bound


def weighed(
    rows: Sequence[Sequence[float]],
    counts: Sequence[int],
    *,
    bound: float | None,
    strength: float | None,
    noise_correction: bool,
) -> Tilt:
    """The tilt of prompts with these rewards, a row each, by a bound on KL or by lambda.

    With the correction the weights are by rewards that are corrected once, at the lambda of those that are not, and
    what the tilt tells of rewards is of those that were seen.
    """
    rewards = [math.fsum(row) / len(row) for row in rows]
    # All are rewarded on the same examples, so how hard these are is no noise between them.
    level = [math.fsum(column) / len(column) for column in zip(*rows, strict=True)]
    apart = [[value - usual for value, usual in zip(row, level, strict=True)] for row in rows]
    # What is left after that is what a paired comparison of two prompts would see.
    deviations = [statistics.stdev(row) for row in apart]
    noise = math.sqrt(math.fsum(each * each for each in deviations) / len(rows) / len(level))

    def by(values: Sequence[float]) -> Tilt:
        if strength is not None:
            return tilted(values, counts, strength)
        assert bound is not None
        found = within_bound(values, counts, max(0.0, bound))
        # A lambda below the noise would tell apart what was not seen to differ, and the correction is of no use there.
        return tilted(values, counts, noise) if noise_correction and found.strength < noise else found

    first = by(rewards)
    if not noise_correction:
        return first
    # One pass: the corrected rewards have another lambda, and going on need not come to rest.
    return by(corrected(rewards, deviations, len(level), first.strength)).told_by(rewards, counts)


def check_scale(rows: Sequence[Sequence[float]], scale: tuple[float, float]) -> None:
    """Raise ConfigError for a reward outside of its declared range, before anything is weighed."""
    low, high = scale
    wrong = next((value for row in rows for value in row if not low <= value <= high), None)
    if wrong is not None:
        raise ConfigError(
            f"a reward is {wrong:g}, and the scale is from {low:g} to {high:g}; set scale to what the evaluator "
            f"can give, for lambda is in its units"
        )


def round_note(tilt: Tilt, spent: float, reference: str) -> str:
    """What a round found, for the record; `spent`: the KL of the rounds before it. `reference`: its mark."""
    return (
        f"reward {tilt.reference_reward:.3f} under the reference {reference} and {tilt.reward:.3f} tilted, KL "
        f"{spent + tilt.kl:.3f} nats, lambda {tilt.strength:.3g}, value {tilt.value:.3f}, "
        f"spread over {tilt.effective:.1f}"
    )
