"""Scored instructions, as a proposer is shown them: the best so far, with whole scores, each instruction once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from promptopt.run import Run
from promptopt.tasks.parts import editables_of
from promptopt.text import normalise
from promptopt.types import Prompt

Trajectory = Mapping[Prompt, float]
"""Scored prompts and what they scored, oldest first."""

_BOLD_SPAN = re.compile(r"(?<!\w)\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\w)", re.DOTALL)


def best_last(trajectory: Trajectory, count: int) -> list[Prompt]:
    """The `count` best, worst first; of equals the oldest come first, and are the first to go."""
    # Ascending, which does best in the paper: the best stands next to the question. The sort is stable.
    return sorted(trajectory, key=trajectory.__getitem__)[-count:]


def good(trajectory: Trajectory, threshold: float) -> Trajectory:
    """What scores `threshold` (of a metric in [0, 1]) or more; all, where nothing does. -inf is left out likewise."""
    floor = threshold if in_unit(trajectory) else -math.inf
    # Summing can take a mean of 0.3 a hair below 0.3.
    found = {prompt: mean for prompt, mean in trajectory.items() if mean + 1e-9 >= floor and mean != -math.inf}
    return found if found else trajectory


def in_unit(trajectory: Trajectory) -> bool:
    """Whether the scores are those of a metric in [0, 1], and not log-likelihoods; -inf says nothing."""
    return all(0.0 <= mean <= 1.0 for mean in trajectory.values() if mean != -math.inf)


def whole_points(means: Trajectory, unit: bool) -> dict[Prompt, int]:
    """Means as whole numbers from 0 to 100: hundredths of a metric; else by their place between worst and best shown.

    -inf is 0. Means that are all equal, and no metric's, are 50.
    """
    finite = [mean for mean in means.values() if mean != -math.inf]
    low, high = (0.0, 1.0) if unit or not finite else (min(finite), max(finite))

    def whole(mean: float) -> int:
        if mean == -math.inf:
            return 0
        # The 100 buckets of the paper.
        return round(100 * (mean - low) / (high - low)) if high > low else 50

    return {prompt: whole(mean) for prompt, mean in means.items()}


def block(title: str, entries: Sequence[str]) -> str:
    """A title and entries, a blank line after each."""
    return "\n\n".join([title, *entries, ""])


def polish(text: str) -> str:
    """Trimmed, without marks of bold type, the first letter a capital one where the script has such (OPRO's code)."""
    plain = _BOLD_SPAN.sub(r"\1", text).strip()
    # Some letters have two for a capital (ß), and stay as they are.
    capital = plain[:1].title()
    return capital + plain[1:] if len(capital) == 1 else plain


def key(text: str) -> str:
    """What two texts share that are one instruction: they differ in white space, bold type or the first letter only."""
    plain = normalise(text.replace("**", ""))
    return plain[:1].casefold() + plain[1:]


def telling(run: Run, trajectory: Trajectory, threshold: float, count: int) -> list[Prompt]:
    """The `count` best that are `good`, worst first; of prompts that agree in the part edited now the best alone.

    In a request these would be one text with several scores.
    """
    if len(editables_of(run.task)) > 1:
        best: dict[str, Prompt] = {}
        for prompt, mean in trajectory.items():
            text = key(prompt[run.task.editable])
            if text not in best or mean > trajectory[best[text]]:
                best[text] = prompt
        trajectory = {prompt: mean for prompt, mean in trajectory.items() if prompt in best.values()}
    return best_last(good(trajectory, threshold), count)
