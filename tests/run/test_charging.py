"""What an account is charged, and what its caps let through, call by call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from promptopt.errors import BudgetSpent
from promptopt.models.prices import Price
from promptopt.protocols import Role
from promptopt.run.budget import Ledger, Limits
from promptopt.run.charging import Account
from promptopt.run.fetching import HARMLESS_TOKENS, Call
from promptopt.run.stored_replies import REFUSED
from promptopt.types import Request, Sampling, canonical

PRICE = Price(0.5, 2.0)


def call(name: str) -> Call:
    request = Request(name, Sampling(max_tokens=8))
    return Call(request, canonical(request.to_json()), name.encode().ljust(8, b"."))


def calls(names: str) -> list[Call]:
    return [call(name) for name in names]


def reply(read: int, written: int, **more: object) -> dict[str, Any]:
    return {"usage": [read, written], "finish": "stop", **more}


def account(limits: Limits | None = None, price: Price | None = PRICE) -> Account:
    return Account(Limits() if limits is None else limits, {"task": price, "proposer": PRICE, "judge": PRICE})


def test_a_call_is_charged_once_by_what_it_read_and_wrote_whoever_asked_for_it() -> None:
    charged = account()
    assert len(charged.charge(calls("aab"), [reply(3, 5), reply(3, 5), reply(1, 0)], "task")) == 2
    assert charged.charge(calls("ab"), [reply(3, 5), reply(1, 0)], "proposer") == []
    charged.charge(calls("c"), [reply(10, 1)], "proposer")
    # By the prices of what was read (0.5) and written (2.0).
    assert charged.by_role["task"] == Ledger(0, 2, 0, 4, 5, 12.0)
    assert charged.by_role["proposer"] == Ledger(0, 1, 1, 10, 1, 7.0)
    assert charged.spent == Ledger(0, 3, 1, 14, 6, 19.0)
    assert charged.paid == Ledger()
    assert charged.capped == charged.spent


def test_what_went_out_is_paid_each_time() -> None:
    charged = account()
    for _ in range(2):
        charged.pay("task", reply(2, 1))
    charged.settle("task")
    charged.charge_evaluations(5, paid=2)
    assert (charged.paid, charged.settled_now) == (Ledger(2, 2, 0, 4, 2, 6.0), 1)
    assert charged.spent == Ledger(evaluations=5)


def test_an_unknown_price_makes_the_sum_unknown_and_another_model_has_its_own() -> None:
    charged = account(price=None)
    charged.charge(calls("a"), [reply(1, 1)], "proposer")
    assert charged.spent.usd == 2.5
    charged.charge(calls("b"), [reply(1, 1)], "task")
    assert (charged.spent.usd, charged.spent.calls) == (None, 2)
    dear = account()
    dear.exchange_price("task", Price(1.0, 1.0))
    dear.charge(calls("a"), [reply(4, 3)], "task")
    assert dear.spent.usd == 7.0


@pytest.mark.parametrize(
    ("cap", "batch", "flying", "admitted"),
    [
        (4, "abcd", "", 4),
        (3, "abcd", "", 3),
        (0, "abcd", "", 0),
        # What was used before, or stands twice in a batch, takes nothing.
        (1, "uuau", "", 4),
        (1, "uaaub", "", 4),
        # What is under way takes its place, and is let through.
        (2, "abc", "x", 1),
        (1, "a", "x", 0),
        (2, "xab", "x", 2),
        (1, "a", "u", 1),
        (None, "abcd", "xyz", 4),
    ],
)
def test_a_cap_on_calls_lets_through_what_is_new_up_to_it(
    cap: int | None, batch: str, flying: str, admitted: int
) -> None:
    charged = account(Limits(calls=None if cap is None else 1 + cap))
    charged.charge(calls("u"), [reply(1, 1)], "task")
    assert charged.admit(calls(batch), [each.key for each in calls(flying)]) == admitted


def refused(names: str) -> tuple[Sequence[Call], list[dict[str, Any]]]:
    return calls(names), [{"usage": [0, 0], "finish": "rejected", REFUSED: True} for _ in names]


def test_caps_go_by_a_probe_for_each_refused_request_at_the_cheapest_that_was_answered() -> None:
    charged = account()
    charged.charge(*refused("rs"), "judge")
    assert charged.capped.tokens == 2 * sum(HARMLESS_TOKENS)
    assert charged.cheapest("judge", Request) == ()
    charged.charge(calls("abc"), [reply(5, 5), reply(2, 3), reply(1, 4, finish="length")], "judge")
    # One that was cut short is an answer; of equals the first stays.
    assert charged.cheapest("judge", Request) == (call("b").request,)
    charged.charge(calls("d"), [reply(1, 0, finish="rejected")], "judge")
    assert charged.cheapest("judge", Request) == (call("b").request,)
    assert charged.cheapest("task", Request) == ()
    before = charged.capped
    charged.charge(*refused("t"), "judge")
    assert (charged.capped.prompt_tokens, charged.capped.completion_tokens) == (
        before.prompt_tokens + 2, before.completion_tokens + 3,
    )  # fmt: skip
    # A refused request is a call already, and its probe is none beside it.
    assert charged.capped.calls == charged.spent.calls == 7
    assert charged.calls_spent() == "7 calls are spent"


def test_a_probe_that_was_paid_for_before_prices_fell_counts_by_what_it_cost() -> None:
    """At today's price it counted a tenth, and over two executions such runs passed a cap in dollars."""
    charged = account()
    charged.charge(calls("b"), [reply(2, 3)], "judge")
    batch, values = refused("rst")
    # As dear, ten times as dear, and cheaper than today; the first of an earlier version, which kept no price.
    for value, price in zip(values, (True, [5.0, 20.0], [0.1, 0.1]), strict=True):
        value[REFUSED] = price
    charged.charge(batch, values, "judge")
    today = 2 * PRICE.prompt_usd + 3 * PRICE.completion_usd
    assert charged.fallen == pytest.approx(9 * today)
    assert charged.capped.usd == pytest.approx((1 + 3 + 9) * today)


@pytest.mark.parametrize("limits", [Limits(tokens=12), Limits(usd=12.0)])
def test_no_slice_goes_out_at_a_cap_that_is_reached(limits: Limits) -> None:
    charged = account(limits)
    charged.charge(calls("a"), [reply(8, 3)], "task")
    assert charged.spent.usd == 10.0
    assert len(charged.next_slice(calls("xyz"), "task")) == 1
    # What was used goes along for nothing.
    charged.charge(calls("b"), [reply(0, 1)], "task")
    with pytest.raises(BudgetSpent, match="12"):
        charged.next_slice(calls("xyz"), "task")


@pytest.mark.parametrize(
    ("price", "goes"), [(Price(0.0, 0.0), 3), (Price(0.0, 2.0), 0), (Price(2.0, 0.0), 0), (None, 0)]
)
def test_only_what_costs_nothing_at_all_goes_out_at_a_cap_in_dollars(price: Price | None, goes: int) -> None:
    charged = account(Limits(usd=1.0), price)
    charged.charge(calls("a"), [reply(2, 2)], "judge")
    assert charged.spent.usd == 5.0
    if goes:
        assert len(charged.next_slice(calls("xyz"), "task")) == goes
    else:
        with pytest.raises(BudgetSpent):
            charged.next_slice(calls("xyz"), "task")


@pytest.mark.parametrize("price", [PRICE, None])
@pytest.mark.parametrize("role", ["task", "proposer"])
def test_what_goes_out_is_paid_call_by_call_as_it_is_charged_together(role: Role, price: Price | None) -> None:
    paid = Account(Limits(), {role: price})
    replies = [reply(3, 5), reply(0, 0), reply(10, 1)]
    for each in replies:
        paid.pay(role, each)
    paid.charge(calls("abc"), replies, role)
    assert paid.paid == paid.spent == Ledger(0, 3, 3 * (role == "proposer"), 13, 6, None if price is None else 18.5)


def test_what_a_judge_took_is_of_a_cell_too_where_enough_is_kept_to_score_what_is_written() -> None:
    charged = account(Limits(tokens=2_000))
    charged.charge(calls("abcdefghi"), [reply(20, 20)] * 9, "proposer")
    charged.charge(calls("t"), [reply(20, 10)], "task")
    charged.charge(calls("j"), [reply(40, 30)], "judge")
    charged.charge_evaluations(1, paid=1)
    # 1,540 tokens are left, and a further reply takes 40 and four cells of 100.
    assert len(charged.next_slice(calls("klmnopqrstuv"), "proposer")) == 3


def test_whoever_looks_on_sees_each_scored_cell_once() -> None:
    charged = account()
    for _ in range(2):
        charged.pay("task", reply(2, 1))
        assert charged.now.tokens == charged.spent.tokens + 3
        charged.charge(calls(f"{charged.spent.calls}"), [reply(2, 1)], "task")
        charged.charge_evaluations(5, paid=2)
        assert charged.now == charged.spent
