"""The prompts that any search left behind, tilted afterwards: which of them to use how often, and pairs to train by.

Source   Trivedi et al. 2025, Align-Pro, AAAI 2025, arXiv:2501.03486: the optimum over a reference. Here the reference
         is the archive, each of its prompts alike, whatever method wrote them.
Ours     of single rewards an archive keeps their mean alone, so each prompt's deviation is taken to be the largest that
         rewards of this mean and scale can have (Bhatia and Davis 2000): fewer pairs are told apart than by rewards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.errors import ConfigError
from promptopt.optimizers.align_pro.preferences import Rewarded, preference_lines
from promptopt.optimizers.align_pro.tilt import Tilt, tilted, within_bound


@dataclass(frozen=True, slots=True)
class Archive:
    """The candidates of a run that were scored on most examples, the start first where it is one of them.

    `source`: the text that the search began with.
    """

    source: str
    rewards: tuple[Rewarded, ...]

    @property
    def noise(self) -> float:
        """The standard error of a mean, at most, over the archive."""
        squares = [each.deviation**2 / each.answers for each in self.rewards]
        return math.sqrt(math.fsum(squares) / len(squares))

    def tilt(self, *, bound: float | None = None, strength: float | None = None) -> Tilt:
        """Weights by a bound on KL, with a lambda not below the noise, or by lambda. Exactly one of the two."""
        means, counts = [each.reward for each in self.rewards], [1] * len(self.rewards)
        if (bound is None) == (strength is None):
            raise ConfigError("a tilt takes a bound on KL or lambda, one of the two")
        if strength is not None:
            return tilted(means, counts, strength)
        assert bound is not None
        # An archive does not say how its prompts were drawn, so each counts as likely as the others.
        found = within_bound(means, counts, bound)
        return tilted(means, counts, self.noise) if found.strength < self.noise else found

    def pairs(self, strength: float) -> list[str]:
        """Records for TRL's DPO (`preference_lines`), of pairs that differ by more than two standard errors."""
        return preference_lines(self.source, self.rewards, strength)


def archive_of(result: Mapping[str, Any], scale: tuple[float, float] = (0.0, 1.0)) -> Archive:
    """What a stored result (`Result.to_json`) holds. Raises ConfigError where there is nothing to weigh.

    `scale`: the least and the most that a score can be.
    """
    known = [
        each for each in result["candidates"] if each["search"] is not None and each["search"]["score"] is not None
    ]
    # Means over unlike numbers of examples are not comparable, and weights would follow the noise of the shortest.
    most = max((each["search"]["n"] for each in known), default=0)
    known = [each for each in known if each["search"]["n"] == most]
    begun: dict[str, str] = result["start"]["parts"]
    # Parts that never changed say nothing of rewrites; of several that did, the first is the text that is weighed.
    changed = [part for part in begun if any(each["parts"].get(part) != begun[part] for each in known)]
    if not changed:
        raise ConfigError(
            f"run {result['run_id']} left no two prompts that were scored on the same number of examples and differ in "
            f"their text, so there is nothing to weigh; take another run"
        )
    low, high = scale
    rewards: dict[str, Rewarded] = {}
    for each in known:
        text, mean = each["parts"][changed[0]], each["search"]["score"]
        if not low <= mean <= high:
            raise ConfigError(
                f"a score of run {result['run_id']} is {mean:g}, and the scale is from {low:g} to {high:g}; give the "
                f"least and the most that it can be by --scale"
            )
        # Of two prompts with one text (other parts or demonstrations differ) the first stands for it.
        rewards.setdefault(text, Rewarded(text, mean, largest_deviation(mean, most, scale), most))
    return Archive(begun[changed[0]], tuple(rewards.values()))


def largest_deviation(mean: float, count: int, scale: tuple[float, float]) -> float:
    """The largest sample standard deviation of `count` numbers in `scale` with this mean: all lie at its ends."""
    low, high = scale
    # The largest variance is (high - mean)(mean - low) (Bhatia and Davis 2000); n / (n - 1) makes it that of a sample.
    return math.sqrt(max(0.0, (high - mean) * (mean - low)) * count / max(1, count - 1))


def weighed_lines(archive: Archive, tilt: Tilt) -> Sequence[tuple[float, float, str]]:
    """(weight, reward, text) of each prompt, the heaviest first."""
    rows = [(weight, each.reward, each.text) for weight, each in zip(tilt.weights, archive.rewards, strict=True)]
    return sorted(rows, key=lambda row: -row[0])
