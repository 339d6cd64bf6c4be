"""What dev and test cannot use of a cap on tokens or dollars goes to the search, once cells say what one takes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.errors import BudgetSpent
from promptopt.models.prices import Price
from promptopt.models.scripted import Scripted
from promptopt.optimizers.random_search import RandomSearch
from promptopt.outcome.result import Result
from promptopt.protocols import Optimizer
from promptopt.run.budget import Budget, Ledger, Limits, Raised, allocate
from promptopt.run.charging import Account
from promptopt.run.events import Event, Warned
from promptopt.run.fetching import Call
from promptopt.run.reply_lengths import ReplyLengths
from promptopt.run.reserve import Reserve
from promptopt.testing import feature_accuracy, outcome, planted_model, planted_task
from promptopt.types import Cell, Example, Prompt, Request, Sampling, canonical
from tests.rewrites import Rewrites

START, OTHER = Prompt((("instruction", "short"),)), Prompt((("instruction", "other"),))
CELLS = 100


def observed(same: bool = True, *, cells: int = CELLS, other: int = 2) -> Reserve:
    """Of 10 dev and 50 test examples 5 and 25 are promised; a cell reads 10 tokens, and was taken to write 100."""
    plan = allocate(Budget(tokens=16_000), dev=10, test=50, calls_per_cell=1, tokens_per_cell=110, usd_per_cell=None)
    given = Reserve(plan, reading=lambda prompt: 10.0, writing=100.0, price=None, same=same, held=(10, 50))
    scored = [Cell((START, OTHER)[at % 2], Example((("text", str(at)),), "t")) for at in range(cells)]
    written = [(2, other)[at % 2] for at in range(cells)]
    given.observe(scored, Ledger(), Ledger(cells, cells, 0, 10 * cells, sum(written)), written)
    return given


def test_what_all_of_dev_and_test_leaves_is_the_searchs_once_cells_were_cheap() -> None:
    limits, raised = observed().raised(START, [], [OTHER])
    # Twice 60 cells, of 10 tokens read and 2 written, and a tenth more.
    assert limits.tokens == 16_000 - 1.1 * 120 * 12
    assert raised.sure == observed().limits(START, [], [OTHER])
    assert (raised.sure.tokens or 0) < limits.tokens
    # A single call may take what dev and test were promised nothing of.
    assert (raised.most.tokens or 0) > limits.tokens


def test_so_it_is_of_a_cap_in_dollars() -> None:
    plan = allocate(Budget(usd=0.016), dev=10, test=50, calls_per_cell=1, tokens_per_cell=110, usd_per_cell=110e-6)
    given = Reserve(plan, reading=lambda prompt: 10.0, writing=100.0, price=Price(1e-6, 1e-6), same=True, held=(10, 50))
    scored = [Cell((START, OTHER)[at % 2], Example((("text", str(at)),), "t")) for at in range(CELLS)]
    given.observe(scored, Ledger(), Ledger(CELLS, CELLS, 0, 10 * CELLS, 2 * CELLS, usd=12e-6 * CELLS), [2] * CELLS)
    limits, raised = given.raised(START, [], [OTHER])
    assert limits.usd == pytest.approx(0.016 - 1.1 * 120 * 12e-6)
    assert (raised.sure.usd or 0.0) < limits.usd < (raised.most.usd or 0.0)


@pytest.mark.parametrize("given", [observed(cells=15), observed(same=False)])
def test_nothing_is_given_before_the_verdicts_own_cells_say_what_one_takes(given: Reserve) -> None:
    limits, raised = given.raised(START, [], [OTHER])
    assert limits == raised.sure == raised.most == given.limits(START, [], [OTHER])


def test_replies_of_one_prompt_that_are_long_are_set_aside_for_it() -> None:
    # The mean of both is 26: the other's own replies are nearly twice as long.
    limits, _ = observed(other=50).raised(START, [], [OTHER])
    assert limits.tokens is not None
    assert limits.tokens < 16_000 - 1.1 * (120 * 10 + 60 * 2 + 60 * 50)


def test_few_replies_that_differ_are_taken_to_be_longer_than_their_mean() -> None:
    alike, differing, more = ReplyLengths(), ReplyLengths(), ReplyLengths()
    assert alike.most(START) == 0.0
    alike.learn([START] * 4, [10] * 4, 4)
    differing.learn([START] * 4, [1, 19] * 2, 4)
    more.learn([START] * 400, [1, 19] * 200, 400)
    assert alike.most(START) == 10.0 < more.most(START) < 11.0 < differing.most(START)
    # Calls that are not one a cell count for the mean of their cells; free cells count for nothing.
    shared = ReplyLengths()
    shared.learn([START, OTHER], [5, 5, 10], 2)
    shared.learn([START, OTHER], [], 0)
    assert shared.most(START) == shared.most(OTHER) == 10.0


@pytest.mark.parametrize(
    ("sure", "most", "goes"),
    # A call of 100 octets may write 40 tokens.
    [(600, 1_000, True), (400, 1_000, True), (400, 600, False), (600, 510, True)],
)
@pytest.mark.parametrize("usd", [False, True])
def test_beyond_what_was_granted_a_call_goes_out_where_it_fits_however_long_it_is(
    sure: int, most: int, goes: bool, usd: bool
) -> None:
    def limits(tokens: int) -> Limits:
        return Limits(usd=tokens * 1e-6) if usd else Limits(tokens=tokens)

    account = Account(limits(700), {"proposer": Price(1e-6, 1e-6)})
    account.spent = Ledger(1, 1, 0, 500, 0, usd=500e-6)
    account.raised = Raised(limits(sure), limits(most))
    request = Request("x" * 100, Sampling(max_tokens=40))
    call = Call(request, canonical(request.to_json()), b"key of it")
    if goes:
        assert account.next_slice([call], "proposer") == [call]
    else:
        with pytest.raises(BudgetSpent, match="set aside"):
            account.next_slice([call], "proposer")


def test_a_call_that_was_charged_before_takes_nothing_of_what_is_set_aside() -> None:
    account = Account(Limits(tokens=700), {"proposer": None})
    request = Request("x" * 100, Sampling(max_tokens=40))
    used, new = (Call(request, canonical(request.to_json()), key) for key in (b"used key", b"new key "))
    account.charge([used], [{"usage": [400, 100], "finish": "stop"}], "proposer")
    account.raised = Raised(Limits(tokens=400), Limits(tokens=600))
    assert account.next_slice([used], "proposer") == [used]
    with pytest.raises(BudgetSpent, match="set aside"):
        account.next_slice([new], "proposer")


def write(request: Request) -> str:
    """A rewrite of a few words, within tags."""
    rng = random.Random(f"{request.content}{request.seed}")
    words = " ".join(rng.choice(["carefully", "exactly", "alpha", "beta"]) for _ in range(6))
    return f"<prompt>\nAnswer {words} the question.\n</prompt>"


def searched(store: Path, optimizer: Optimizer, budget: Budget, said: list[str]) -> Result:
    def watch(event: Event) -> None:
        if isinstance(event, Warned):
            said.append(event.message)

    return optimize(
        planted_task(),
        optimizer,
        model=Models(
            planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)),
            Scripted(write, name="proposer"),
        ),
        budget=budget,
        store=store,
        session=Session([watch]),
    )


@pytest.mark.parametrize("budget", [Budget(tokens=40_000), Budget(tokens=40_000, calls=10_000)])
def test_a_plan_that_ends_with_much_of_the_cap_unspent_is_made_again_from_the_best(
    tmp_path: Path, budget: Budget
) -> None:
    said: list[str] = []
    result = searched(tmp_path / "s.db", RandomSearch(), budget, said)
    assert budget.tokens is not None
    # Before, a third of the cap was spent.
    assert 0.6 * budget.tokens < result.spent.tokens <= budget.tokens
    assert result.best.test is not None
    assert result.best.test.n == 60
    assert any("goes on from its best prompt so far" in each for each in said)
    again = searched(tmp_path / "s.db", RandomSearch(), budget, said)
    assert outcome(again) == outcome(result)
    assert again.paid.calls == 0


@pytest.mark.parametrize(
    "optimizer", [RandomSearch(candidates=6), RandomSearch(preset="paper", candidates=6), Rewrites()]
)
def test_a_search_whose_size_is_a_setting_ends_there(tmp_path: Path, optimizer: Optimizer) -> None:
    said: list[str] = []
    result = searched(tmp_path / "s.db", optimizer, Budget(tokens=40_000), said)
    assert result.spent.proposer_calls <= 12
    assert not any("goes on from" in each for each in said)


def test_without_a_cap_on_tokens_or_dollars_nothing_is_searched_again(tmp_path: Path) -> None:
    said: list[str] = []
    searched(tmp_path / "s.db", RandomSearch(), Budget(evaluations=300), said)
    assert not any("goes on from" in each for each in said)


def test_a_call_that_might_take_all_takes_nothing_of_what_the_search_has_for_sure(tmp_path: Path) -> None:
    # By `max_tokens` one call of the proposer takes nearly the cap; each that was answered took 20 tokens.
    method = RandomSearch(sampling=Sampling(temperature=1.0, max_tokens=38_000))
    result = searched(tmp_path / "s.db", method, Budget(tokens=40_000), said := [])
    # A quarter was spent.
    assert 0.5 * 40_000 < result.spent.tokens <= 40_000
    assert any("goes on from its best prompt so far" in each for each in said)


def test_a_search_that_had_less_than_a_round_of_use_goes_on_with_as_little(tmp_path: Path) -> None:
    result = searched(tmp_path / "s.db", RandomSearch(), Budget(tokens=2_500), said := [])
    assert any("`random` needs about" in each for each in said)
    assert any("goes on from its best prompt so far" in each for each in said)
    assert result.spent.tokens <= 2_500
