"""Repeat noise: by how much a mean score moves when the same texts are scored in another way.

Stored scores come back equal, so noise only shows where an engine computes them again. Low-precision kernels make a
log-probability depend on what else is in the batch and on whether a prefix was read from a cache; a gain below that
is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.run import Run
from promptopt.types import Example, Prompt

CELLS = 8
"""Cells that are scored again. Ours."""


def repeat_noise(run: Run, prompt: Prompt, examples: Sequence[Example]) -> float:
    """How much the mean score over all of `examples` may move by itself, in the unit of the scores.

    Up to eight cells that were scored before are scored again, in a batch of their own and with the prefix shared
    otherwise. They are charged as others are. The estimate is the larger of two. The mean difference is what all cells
    share, such as a rounded prefix; its root mean square over the root of the number of examples is what they do not
    share. Replies are not drawn again: for evaluators that read replies it is 0, and costs nothing.
    """
    chosen = list(examples[:CELLS])
    first = run.evaluate([prompt], chosen).values(prompt)
    # A cap may leave some out; what is left then ends the search anyway.
    second = [score.value for score in run.rescore(prompt, chosen)]
    differences = [new - old for old, new in zip(first, second, strict=False) if math.isfinite(new - old)]
    if not differences:
        return 0.0
    count = len(differences)
    mean_square = math.fsum(each * each for each in differences) / count
    return max(abs(math.fsum(differences)) / count, math.sqrt(mean_square / len(examples)))
