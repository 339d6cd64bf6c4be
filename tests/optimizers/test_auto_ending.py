"""When `auto` ends before its budget."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.optimizers.auto.ending import outlook, over
from promptopt.optimizers.auto.search import Auto
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.posterior import Posterior
from promptopt.types import Prompt, Request, Room
from tests.optimizers.test_auto import said, search

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

    def warn(self, message: str, *, ends: bool) -> None:
        assert ends
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


def told_apart(own: float, noise: float, examples: int) -> float:
    """Expected value of sample information of equal normals (Raiffa & Schlaifer 1961), but for c_F."""
    return own / (own + noise / examples) ** 0.5


@pytest.mark.parametrize(
    ("evaluations", "spent", "most", "before", "after"),
    [
        # Four finalists and the start share a tenth of the cap of 1,818, and then the 250 that are left.
        (1_000, 750, 1.029, 36, 36 + 250 // 5),
        # From a cap of 1,000 on there are four finalists, below it two.
        (550, 300, 1.029, 20, 20 + 700 // 5),
        (549, 300, 0.564, 33, 33 + 700 // 3),
    ],
)
def test_what_is_left_is_weighed_against_what_dev_examples_of_it_tell_apart(
    evaluations: int, spent: int, most: float, before: int, after: int
) -> None:
    left = 1_000 - spent if evaluations == 1_000 else 700
    standing = SimpleNamespace(
        dev=[None] * 400, spent=SimpleNamespace(evaluations=spent), abilities=SimpleNamespace(stands_in=False),
        initial=START, evaluations_left=lambda: left,
    )  # fmt: skip
    found = outlook(cast(Run, standing), believed(0.1), evaluations)
    assert found is not None
    share = spent / evaluations
    assert found.promise == pytest.approx(0.1 * (1 - share) / share)
    # Half of the variance of 0.06² is a finalist's own; 0.48 of 0.6 * 0.4 is the noise of one answer.
    own, noise = 0.5 * 0.06**2, 0.48 * 0.6 * 0.4
    assert found.choice == pytest.approx(most * (told_apart(own, noise, after) - told_apart(own, noise, before)))


def test_what_is_certain_is_told_apart_by_nothing_and_levels_of_none_and_of_all_are_shares() -> None:
    for start, best in ((0.5, 1.0), (0.0, 0.0)):
        belief = Posterior({START: start, BEST: best}, {START: 0.0, BEST: 0.0})
        found = outlook(cast(Run, Standing()), belief, 1_000)
        assert found is not None
        assert found.choice == 0.0


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


def test_a_search_that_runs_dry_begins_again_from_its_best_alone(tmp_path: Path) -> None:
    best = "Answer the question carefully, exactly and twice."
    asked: list[str] = []

    def write(request: Request) -> str:
        asked.append(said(request.content))
        # One good text, and then nothing for ever.
        return f"<prompt>{best}</prompt>" if len(asked) == 1 else ""

    result = search(tmp_path, Auto(demos=0, layouts=False), proposer=write)
    assert any("gave no new prompt, twice" in warning for warning in result.warnings)
    shown = [text.split('"""')[1].strip() for text in asked if text.startswith("Rewrite an instruction")]
    # Until then the start went on beside it, and was rewritten too.
    assert {*shown} == {best, "Answer the question."}
    assert {*shown[-20:]} == {best}


def test_a_cap_of_a_dozen_evaluations_still_looks_at_a_few_children(tmp_path: Path) -> None:
    result = search(tmp_path, Auto(), budget=Budget(evaluations=12))
    # Five are the search's: the start and each child once. It asked for nothing, and left them to the choice.
    assert len(result.lineage) > 2
    assert result.spent.evaluations <= 12


@pytest.mark.parametrize("evaluations", [2, 3, 12, 30, 60, 200])
def test_a_plan_tells_of_no_look_and_no_generation_that_there_is_not(evaluations: int) -> None:
    plan = Auto().plan(Room(evaluations, None, 1, 200, 100))
    said = plan.describe()
    assert (said.startswith("a look at the start"), "layouts" in said) == (plan.look > 0, plan.look > 2)
    assert ("no generation" in said, "0 generations" in said) == (evaluations < 3, False)


def test_where_nothing_was_gained_the_sentence_says_that() -> None:
    standing = Standing()
    assert ends(standing, 0.0)
    [why] = standing.warnings
    assert "nothing that it found is believed to be better than the start" in why
    assert "0.0" not in why


def test_where_no_dev_example_is_left_the_sentence_names_no_points() -> None:
    standing = Standing(dev_examples=1)
    assert ends(standing, 0.0)
    [why] = standing.warnings
    assert "what is left makes the test larger" in why
    assert "0.0" not in why
