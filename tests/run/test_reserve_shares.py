"""Under a cap on tokens or dollars search, choice and test have their shares at what cells take, not at the guess."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.optimizers.auto.plan import Generations, generations_plan
from promptopt.optimizers.random_search import RandomSearch
from promptopt.outcome.result import Result
from promptopt.protocols import Optimizer
from promptopt.run import Run
from promptopt.run.budget import Allocation, Budget, Ledger, allocate
from promptopt.run.events import Event, PhaseBegun, Warned
from promptopt.run.reserve import Reserve
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Cell, Example, Prompt, Reply, Request, Room
from tests.run.test_reserve_raised import write

START, OTHER = Prompt((("instruction", "short"),)), Prompt((("instruction", "other"),))
HELD = (40, 400)


def priced(tokens: int, guess: int, written: int, cells: int = 20) -> Reserve:
    """A cell reads 10 tokens. It was taken to write `guess`, and writes so many."""
    plan = allocate(
        Budget(tokens=tokens), dev=40, test=400, calls_per_cell=1, tokens_per_cell=10 + guess, usd_per_cell=None
    )
    given = Reserve(plan, reading=lambda prompt: 10.0, writing=guess, price=None, same=True, held=HELD)
    scored = [Cell((START, OTHER)[at % 2], Example((("text", str(at)),), "t")) for at in range(cells)]
    given.observe(scored, Ledger(), Ledger(cells, cells, 0, 10 * cells, written * cells), [written] * cells)
    return given


def fitted(given: Reserve, spent: int) -> Allocation:
    return given.fitted(Ledger(prompt_tokens=spent), START, [OTHER], HELD)


def test_a_test_that_was_priced_by_a_guess_has_its_share_before_dev_takes_the_rest() -> None:
    # 3,300 tokens are 30 cells of 110 tokens, and 275 of 12: five test examples were promised, and 48 are the share.
    given = priced(3_300, 100, 2)
    # What the search leaves in the end are 112 cells; 34 dev examples and 5 of the test were made of it.
    left = fitted(given, 3_300 - 1_485)
    assert left.dev == 9
    assert left.test == (1_485 - 1.1 * 12 * 2 * 9) // (1.1 * 12 * 2)
    # Where more is left, dev grows, and then the test.
    assert fitted(given, 0).dev == 40
    assert fitted(given, 0).test > 48


def test_the_search_may_have_what_the_shares_leave_and_not_only_what_all_examples_do() -> None:
    # 24,000 tokens are 218 cells of 110 tokens, and 2,000 of 12: all examples of both take half of it.
    given = priced(24_000, 100, 2)
    limits, raised = given.raised(START, [], [OTHER])
    # 40 dev examples of the start and one other, and 240 of the test; a tenth more.
    assert limits.tokens == int(24_000 - 1.1 * 12 * 2 * (40 + 240))
    assert raised.sure == given.limits(START, [], [OTHER])


@pytest.mark.parametrize("cells", [2, 20])
def test_where_cells_take_far_more_than_the_guess_the_search_has_its_share_still(cells: int) -> None:
    # 400 cells of 20 tokens: 70 test examples were promised. With 200 tokens a cell that is nearly all of the cap.
    given = priced(8_000, 10, 190, cells)
    assert (given.limits(START, [], [OTHER]).tokens or 0) > 0.4 * 8_000
    left = fitted(given, 4_000)
    assert left.finalists == 2
    # Forty cells are one dev example and 7 pairs.
    assert left.dev <= 2
    assert left.test == 7


def test_what_is_a_little_dearer_than_the_guess_keeps_its_promise() -> None:
    given = priced(8_000, 10, 11)
    assert fitted(given, 4_000).test >= 70


@pytest.mark.parametrize(
    ("written", "dev", "test"),
    [
        # Two finalists and the start on 13 dev examples and 70 pairs are 179 cells: half of 363, and more of 266.
        (12, 13, 70),
        (20, 9, 47),
    ],
)
def test_what_would_take_more_than_half_of_a_cap_is_cut_to_its_share(written: int, dev: int, test: int) -> None:
    limits = priced(8_000, 10, written).limits(START, [], [OTHER])
    assert limits.tokens == int(8_000 - 1.1 * (10 + written) * 2 * (dev + test))


def test_a_few_cells_pay_for_more_of_the_test_than_the_guess_did_with_two_errors_on_top() -> None:
    few, many = priced(3_300, 100, 2, cells=4), priced(3_300, 100, 2, cells=16)
    spent = Ledger(prompt_tokens=500)
    # What a cell writes is taken from 16 on; what it reads is the estimate, and no surprise.
    assert few.pairs(spent, START, OTHER, 5, 400) == 2_800 // (1.1 * 110 * 2 * 2)
    assert many.pairs(spent, START, OTHER, 5, 400) == 2_800 // (1.1 * 12 * 2)


def searched(store: Path, optimizer: Optimizer, budget: Budget, said: list[str], *, thinks: int = 0) -> Result:
    runs, shares = list[Run](), list[float]()

    def watch(event: Event) -> None:
        if isinstance(event, Warned):
            said.append(event.message)
        if isinstance(event, PhaseBegun) and event.name == "dev" and budget.tokens:
            shares.append(runs[0].spent.tokens / budget.tokens)

    base = planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2))

    def answer(request: Request) -> Reply:
        (_, reply), *_ = base.generate([request])
        return Reply(reply.text, "stop", reply.prompt_tokens, reply.completion_tokens + thinks)

    result = optimize(
        planted_task(test=200),
        optimizer,
        model=Models(Scripted(answer, name="task"), Scripted(write, name="proposer")),
        budget=budget,
        store=store,
        session=Session([watch], watch=runs.append),
    )
    said += [f"share {share:.2f}" for share in shares]
    return result


def test_a_plan_by_a_guess_that_was_too_high_goes_on_at_a_small_cap_too(tmp_path: Path) -> None:
    said: list[str] = []
    result = searched(tmp_path / "s.db", RandomSearch(), Budget(tokens=6_000), said, thinks=20)
    # Of its 55 % the search took 16, dev the rest, and the test was of 10 examples.
    assert float(said[-1].removeprefix("share ")) > 0.35
    assert any("goes on from its best prompt so far" in each for each in said)
    assert result.best.test is not None
    assert result.best.test.n > 25
    assert result.spent.tokens <= 6_000


def test_a_test_that_is_smaller_than_was_set_aside_is_told_of(tmp_path: Path) -> None:
    said: list[str] = []
    result = searched(tmp_path / "s.db", RandomSearch(), Budget(tokens=20_000), said, thinks=400)
    assert result.best.test is not None
    assert any(each.startswith(f"what is left pays for {result.best.test.n} of the ") for each in said)


@dataclass(frozen=True)
class Content:
    """Plans, and has nothing more to search for after its first look."""

    def plan(self, room: Room) -> Generations:
        return generations_plan(room)

    def least(self, room: Room) -> int:
        return 1

    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial], run.train[:20])
        run.warn("the start is right everywhere", ends=True)


def test_a_search_that_said_why_it_has_nothing_to_search_for_does_not_go_on(tmp_path: Path) -> None:
    said: list[str] = []
    result = searched(tmp_path / "s.db", Content(), Budget(tokens=20_000), said)
    assert "the start is right everywhere" in said
    assert not any("goes on from" in each for each in said)
    assert result.status == "finished"
