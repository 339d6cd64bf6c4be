"""When `auto` ends before its budget."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.optimizers.auto.ending import outlook, over
from promptopt.run import Run
from promptopt.run.posterior import Posterior
from promptopt.types import Prompt

START, BEST = Prompt.of("Say it."), Prompt.of("Say it well.")


@dataclass
class Standing:
    """What the rule asks of a run."""

    spent_share: float = 0.75
    dev_examples: int = 400
    losses: bool = False
    capped: bool = True
    warnings: list[str] = field(default_factory=list[str])
    initial: Prompt = START

    @property
    def dev(self) -> list[None]:
        return [None] * self.dev_examples

    @property
    def spent(self) -> Any:
        return SimpleNamespace(evaluations=round(1_000 * self.spent_share))

    @property
    def abilities(self) -> Any:
        return SimpleNamespace(stands_in=self.losses)

    def evaluations_left(self) -> int | None:
        return 1_000 - self.spent.evaluations if self.capped else None

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def believed(gain: float, deviation: float = 0.06) -> Posterior:
    return Posterior({START: 0.5, BEST: 0.5 + gain}, {START: 0.03, BEST: deviation})


def ends(standing: Standing, gain: float, deviation: float = 0.06) -> bool:
    return over(cast(Run, standing), believed(gain, deviation), 1_000)


def test_a_search_that_found_nothing_leaves_the_rest_to_the_choice_in_a_sentence() -> None:
    standing = Standing()
    assert ends(standing, 0.01)
    assert standing.warnings[0].startswith("the search ends at 75% of its evaluations: by its gains so far the rest")
    assert not ends(Standing(), 0.1)


def test_no_search_ends_before_half_of_it() -> None:
    assert not ends(Standing(spent_share=0.49), 0.0)
    assert ends(Standing(spent_share=0.5), 0.0)


def test_without_more_dev_examples_it_goes_on_while_anything_was_gained() -> None:
    assert not ends(Standing(dev_examples=20), 0.01)
    assert ends(Standing(dev_examples=20), 0.0)


@pytest.mark.parametrize("standing", [Standing(losses=True), Standing(capped=False), Standing(spent_share=1.0)])
def test_losses_and_searches_without_a_cap_do_not_end_so(standing: Standing) -> None:
    assert not ends(standing, 0.0)
    assert standing.warnings == []


def test_scores_outside_of_shares_do_not_end_a_search() -> None:
    belief = Posterior({START: 1.5, BEST: 2.5}, {START: 0.1, BEST: 0.1})
    assert outlook(cast(Run, Standing()), belief, 1_000) is None


@given(st.floats(0.5, 0.98), st.floats(0.0, 0.4), st.floats(0.001, 0.2))
def test_more_gained_promises_more_and_a_later_search_less(share: float, gain: float, deviation: float) -> None:
    standing = Standing(spent_share=round(share, 3))
    found = outlook(cast(Run, standing), believed(gain, deviation), 1_000)
    later = outlook(cast(Run, replace(standing, spent_share=0.99)), believed(gain, deviation), 1_000)
    more = outlook(cast(Run, standing), believed(gain + 0.05, deviation), 1_000)
    assert found is not None
    assert later is not None
    assert more is not None
    assert later.promise <= found.promise < more.promise
    assert 0.0 <= later.choice <= found.choice
