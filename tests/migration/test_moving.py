"""A migration between models that are given: what its gains and costs are of, and which targets are searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.evaluators.generation import CUT, THINKING, UNANSWERED
from promptopt.migration import Migration, migrate
from promptopt.migration.moved import Replies
from promptopt.migration.sharing import Together
from promptopt.models.prices import Price
from promptopt.models.scripted import Scripted
from promptopt.run import Run
from promptopt.types import Request, Score, Weigh
from tests.outcome.test_counts_once import chats_task

OLD, NEW = Price(1e-6, 2e-6), Price(3e-6, 7e-6)


@dataclass
class Looks:
    """A search that finds nothing."""

    begun: int = 0

    def optimize(self, run: Run) -> None:
        self.begun += 1


def answers(*kinds: str) -> Callable[[Request], str]:
    """A model that is right in conversations of these kinds."""
    return lambda request: "yes" if any(f"a {kind} one" in str(request.content) for kind in kinds) else "no"


def moved(folder: Path, new: str, search: Looks, margin: float, weigh: Weigh = "turn") -> Migration:
    """From a model that is right in long conversations to one that is right in others."""
    models = {"old": Scripted(answers("long"), name="x/old"), "new": Scripted(answers(new), name="x/new")}
    models["old"].token_price, models["new"].token_price = OLD, NEW  # type: ignore[attr-defined]
    task = replace(chats_task(), weigh=weigh)
    return migrate(
        task, [models["new"]], model=models["old"], optimizer=search, margin=margin, store=folder / "s.db"
    )  # fmt: skip


@pytest.mark.parametrize(("weigh", "mean"), [("turn", (6 - 30) / 36), ("conversation", (6 - 3) / 9)])
def test_a_gain_on_the_reference_is_by_what_counts_once_in_the_task(tmp_path: Path, weigh: Weigh, mean: float) -> None:
    (target,) = moved(tmp_path, "short", Looks(), 0.9, weigh).targets
    assert target.old.gain.mean == pytest.approx(mean)
    assert (target.old.gain.n, target.old.gain.units) == (36, 9)


def test_a_thousand_requests_cost_what_the_model_takes_that_answers_them(tmp_path: Path) -> None:
    found = moved(tmp_path, "long", Looks(), 0.9)
    for cost, price in ((found.cost, OLD), (found.targets[0].old.cost, NEW)):
        # A reply has one token.
        assert cost.completion_tokens == 1_000.0
        assert cost.prompt_tokens > 5_000.0
        assert cost.usd == pytest.approx(cost.prompt_tokens * price.prompt_usd + 1_000.0 * price.completion_usd)


@pytest.mark.parametrize(
    ("new", "margin", "status", "begun"),
    [("long", 0.9, "non-inferior", 0), ("long", 0.01, "open", 1), ("none", 0.5, "open", 1)],
)
def test_a_target_is_searched_unless_the_old_prompt_is_sure_to_be_no_worse_there(
    tmp_path: Path, new: str, margin: float, status: str, begun: int
) -> None:
    search = Looks()
    (target,) = moved(tmp_path, new, search, margin).targets
    assert (target.old.status, search.begun, target.kept) == (status, begun, True)


def test_a_reply_that_was_cut_is_cut_whether_or_not_an_answer_was_read_in_it() -> None:
    said = [
        (f"{UNANSWERED}: a filter", False), (f"{CUT} 8 tokens before an answer could be read", False),
        (f"answered x, expected y ({CUT} 8 tokens)", True), (THINKING, False), ("no answer could be read", False),
        ("", True),
    ]  # fmt: skip
    scores = [Score(float(parsed), "x", parsed=parsed, feedback=feedback) for feedback, parsed in said]
    assert Replies.of(scores) == Replies(n=6, refused=1, cut=3, unreadable=1)


def test_an_interrupt_in_the_search_for_one_target_begins_none_for_the_next(tmp_path: Path) -> None:
    class Stopped(Looks):
        def optimize(self, run: Run) -> None:
            super().optimize(run)
            raise KeyboardInterrupt

    targets, search = [Scripted(answers("none"), name=f"x/new{place}") for place in range(2)], Stopped()
    with pytest.raises(KeyboardInterrupt):
        migrate(chats_task(), targets, model=Scripted(answers("long"), name="x/old"), optimizer=search,
                margin=0.5, store=tmp_path / "s.db")  # fmt: skip
    assert search.begun == 1


def test_models_that_share_a_prompt_are_told_apart_by_their_names(tmp_path: Path) -> None:
    one, other = (Scripted(answers("long"), name="x/new") for _ in range(2))
    with pytest.raises(ConfigError, match="'x/new' is named twice"):
        migrate(chats_task(), Together([one, other]), model=Scripted(answers("long"), name="x/old"), margin=0.9,
                store=tmp_path / "s.db")  # fmt: skip
