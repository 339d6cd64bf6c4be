"""Who goes on, and who is best, by a belief over the lineage."""

from __future__ import annotations

from promptopt.run.posterior import Posterior
from promptopt.selection.lineage import by_means, most_hopeful
from promptopt.types import Prompt


def test_hope_is_the_mean_and_half_a_deviation_and_ties_stay_as_they_came() -> None:
    sure, unsure, same, poor = (Prompt.of(name) for name in ("sure", "unsure", "same", "poor"))
    mean = {poor: 0.2, sure: 0.6, unsure: 0.5, same: 0.6}
    belief = Posterior(mean, {poor: 0.5, sure: 0.1, unsure: 0.4, same: 0.1})
    assert most_hopeful(belief, 3) == [unsure, sure, same]
    assert by_means(belief) == [sure, same, unsure, poor]
