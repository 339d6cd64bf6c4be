"""Plans count what the proposer's calls take of a cap on tokens or dollars."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search_landscape import plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.plan import search_planned, too_little
from promptopt.binding.session import Session
from promptopt.binding.settings import build_optimizer
from promptopt.models.scripted import Scripted
from promptopt.protocols import Planning
from promptopt.run import Run
from promptopt.run.budget import Budget, allocate
from promptopt.run.events import Event, Planned
from promptopt.types import Request, Room

DEAR = ((6.0, 0.01, 0.6),)
"""600 cells, of which a call of the proposer takes 60."""


def room(metered: tuple[tuple[float, float, float], ...], evaluations: int | None = 600) -> Room:
    return Room(evaluations, None, 1, 120, 40, metered=metered)


def test_a_call_of_the_proposer_takes_its_share_of_a_cap_on_tokens_or_dollars() -> None:
    assert room(DEAR).cells() == 600
    assert room(DEAR).cells(1 / 8) == 70
    assert room(DEAR).call_cells == 60
    # Whichever cap is tighter, and one on evaluations beside them.
    assert room((*DEAR, (3_000.0, 10.0, 20.0))).cells(1 / 8) == 70
    assert room(DEAR, 50).cells(1 / 8) == 50
    # A proposer is not free because the model that answers is.
    assert room(((6.0, 0.0, 0.6),), None).cells() is None
    assert room(((6.0, 0.0, 0.6),), None).cells(1 / 8) == 80
    assert room(DEAR).unlimited().cells() is None


def test_the_division_of_a_cap_says_what_a_call_takes() -> None:
    plan = allocate(
        Budget(tokens=20_000, usd=2.0), dev=40, test=100, calls_per_cell=1, tokens_per_cell=20, usd_per_cell=0.001,
        proposing=(400, 0.05),
    )  # fmt: skip
    assert plan.metered == ((plan.search.tokens, 20, 400), (plan.search.usd, 0.001, 0.05))
    free = allocate(Budget(evaluations=900), dev=40, test=100, calls_per_cell=1, tokens_per_cell=0, usd_per_cell=None)
    assert free.metered == ()


def planning(method: str) -> Planning:
    made = build_optimizer(method, {})
    assert isinstance(made, Planning)
    return made


METHODS = [
    "auto", "random", "ape", "apo", "capo", "evoprompt-de", "evoprompt-ga", "gepa", "opro", "optoprime", "pmpo",
    "plum-hc", "plum-hs", "textgrad", "tpe",
]  # fmt: skip
"""Those that ask the proposer in every round."""


@pytest.mark.parametrize("method", METHODS)
def test_a_dear_proposer_makes_for_a_smaller_plan(method: str) -> None:
    optimizer = planning(method)
    cheap, dear = (optimizer.plan(room(metered)) for metered in ((), DEAR))
    assert (dear.rounds, dear.describe()) != (cheap.rounds, cheap.describe())
    assert dear.rounds <= cheap.rounds


def test_what_a_call_takes_is_said_with_the_plan() -> None:
    said = search_planned(build_optimizer("auto", {}), room(DEAR))
    assert "as 600 evaluations are left to it, of which a call of the proposer takes as much as about 60" in said
    assert "proposer" not in search_planned(build_optimizer("auto", {}), room(()))


def test_too_little_for_a_dear_proposer_is_said() -> None:
    said = too_little(build_optimizer("auto", {}), room(((1.0, 0.01, 4.0),), 100))
    assert "no generation" in said
    assert "takes as much as about 400" in said
    assert said.endswith("name a cheaper proposer")


@pytest.mark.parametrize("method", METHODS)
def test_a_round_that_is_of_use_has_two_calls_of_the_proposer(method: str) -> None:
    """133 cells, of which one call takes 96: nothing was said, or that `random` or `auto` make more of them."""
    said = too_little(build_optimizer(method, {}), room(((1.33, 0.01, 0.96),), None))
    assert said.startswith("133 evaluations are left to the search, of which a call of the proposer takes as much as")
    assert f"`{method}` needs about" in said
    assert ", and 2 such calls, for a round that is of use" in said
    assert said.endswith("; allow more, or name a cheaper proposer")
    # Where one takes more than all, it is not a part of it.
    said = too_little(build_optimizer(method, {}), room(((0.06, 0.01, 0.08),), None))
    assert said.startswith("6 evaluations are left to the search, and a call of the proposer takes as much as about 8 ")
    # Calls that are capped themselves are counted too.
    least = planning(method).least(Room(None, 60, 1, 120, 40))
    assert too_little(build_optimizer(method, {}), Room(None, least + 1, 1, 120, 40))


@pytest.mark.parametrize("method", ["bootstrap", "promptquine", "tapruning"])
def test_a_method_without_a_proposer_hears_nothing_of_one(method: str) -> None:
    optimizer = build_optimizer(method, {})
    assert "proposer" not in too_little(optimizer, room(((0.06, 0.01, 0.08),), None))
    assert not too_little(optimizer, room(((6.0, 0.01, 5.0),), None))
    assert "proposer" not in search_planned(optimizer, room(((6.0, 0.01, 5.0),), None))


def test_a_plan_that_does_not_fit_is_not_told_as_one_that_does() -> None:
    said = too_little(build_optimizer("random", {}), Room(5, None, 1, 120, 40))
    assert said.startswith("5 evaluations are left to the search (it sets out on 4 rewrites, ")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "ape", "apo", "capo", "evoprompt-ga", "opro", "textgrad", "tpe"])
def test_a_plan_comes_near_to_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    (tmp_path / "prices.toml").write_text(
        '["acme/task"]\nprompt = 100\ncompletion = 400\n["acme/proposer"]\nprompt = 300\ncompletion = 1200\n'
    )
    landscape = plant("additive", 0)
    write, model, plans, runs = Proposer(landscape.good, 0.4, None), landscape.model(), list[str](), list[Run]()
    model.name = "acme/task"

    def padded(request: Request) -> str:
        text = write(request)
        return text if text.startswith("[") else f"{'I look at what is there. ' * 16}{text}"

    def hear(event: Event) -> None:
        if isinstance(event, Planned):
            plans.append(event.search)

    result = optimize(
        landscape.task(test=200), build_optimizer(method, {}),
        model=Models(model, proposer=Scripted(padded, name="acme/proposer")),
        budget=Budget(usd=10.0), store=tmp_path / "s.db", session=Session([hear], watch=runs.append),
    )  # fmt: skip
    assert result.spent.usd is not None
    assert result.spent.usd <= 10.0
    [run] = runs
    # They promised some three to six times what they did.
    assert planning(method).plan(run.room).rounds <= 2 * len(run.steps)
