"""What a mean does not say of a winner: how far its rewards spread, how often it wins, whether length is paid for.

Source   Trivedi et al. 2025, Align-Pro, arXiv:2501.03486, which holds the variance of rewards against that of
         fine-tuning, and counts wins against the prompt that was not rewritten.
Ours     the correlation of reward and length as a sign that the reward is hacked.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from promptopt.text import counted
from promptopt.types import Score

FEWEST_ANSWERS = 10
"""Answers that a correlation says anything of. Ours: of ten unrelated pairs it has a standard deviation of a third."""
SUSPICIOUS = 0.5
"""From which correlation on, the user is told. Ours: a quarter of the variance is then in common."""


def held_against(best: Sequence[Score], start: Sequence[Score]) -> str:
    """The winner and the start on the same examples, in half a sentence."""
    mine, yours = [score.value for score in best], [score.value for score in start]
    pairs = list(zip(mine, yours, strict=True))
    wins, losses = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    told = [
        f"{counted(wins, 'win')}, {counted(losses, 'loss', 'losses')}, {counted(len(pairs) - wins - losses, 'tie')}"
    ]
    # One answer has no deviation.
    if len(pairs) > 1:
        told.append(f"deviation {statistics.stdev(mine):.3f} against {statistics.stdev(yours):.3f}")
    lengths = [statistics.fmean(len(score.output) for score in each) for each in (best, start)]
    told.append(f"{lengths[0]:.0f} characters an answer against {lengths[1]:.0f}")
    return ", ".join(told)


def suspicion(best: Sequence[Score]) -> str | None:
    """A sentence where what the winner's answers earn goes with how long they are; None where it does not."""
    lengths, rewards = [float(len(score.output)) for score in best], [score.value for score in best]
    # A correlation is not defined where one side does not vary.
    if len(best) < FEWEST_ANSWERS or min(lengths) == max(lengths) or min(rewards) == max(rewards):
        return None
    found = statistics.correlation(lengths, rewards)
    if found < SUSPICIOUS:
        return None
    return (
        f"what the best rewrite's answers earn goes with their length (correlation {found:.2f} over {len(best)} "
        f"answers): read some before you believe it, for a reward that pays for length is easily won"
    )
