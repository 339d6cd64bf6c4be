"""Limits and the reserve: what is set aside never exceeds the cap, and what is left is the search's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.run.budget import LARGEST_CAP, Budget, Ledger, Limits, allocate


def arranged(budget: Budget, *, dev: int = 100, test: int = 200, tokens: float = 100.0, usd: float | None = 0.001):
    return allocate(budget, dev=dev, test=test, calls_per_cell=1, tokens_per_cell=tokens, usd_per_cell=usd)


def test_without_caps_everything_is_used() -> None:
    free = arranged(Budget())
    assert (free.dev, free.test, free.finalists) == (100, 200, 4)
    assert free.search == Limits()
    assert free.reserve.evaluations == 5 * 100 + 2 * 200


@given(st.integers(10, 5_000), st.integers(1, 500), st.integers(1, 500))
def test_reserve_fits_in_any_cap(cap: int, dev: int, test: int) -> None:
    for budget in (Budget(evaluations=cap), Budget(calls=cap), Budget(tokens=cap * 100)):
        made = arranged(budget, dev=dev, test=test)
        assert made.test >= 1
        assert made.dev >= 1
        assert made.test * 2 <= max(4, cap * 0.35 + 1)
        assert made.reserve.evaluations <= cap * 0.75
        left = made.search.evaluations_left(Ledger(), 1)
        assert left is None or left > 0


@pytest.mark.parametrize(
    ("cap", "pairs", "finalists", "dev", "search"),
    [
        (200, 35, 2, 7, 109), (500, 88, 2, 17, 273), (1_000, 175, 4, 20, 550), (2_000, 200, 4, 40, 1_400),
        (5_000, 200, 4, 100, 4_100), (20_000, 200, 4, 100, 19_100),
    ],
)  # fmt: skip
def test_a_cap_is_divided_between_search_dev_and_test(cap: int, pairs: int, finalists: int, dev: int, search: int):
    made = arranged(Budget(evaluations=cap))
    assert (made.test, made.finalists, made.dev, made.search.evaluations) == (pairs, finalists, dev, search)
    assert made.granted == search
    assert 2 * pairs + (finalists + 1) * dev + search == cap


def test_a_larger_sealed_set_takes_more_of_a_large_cap_up_to_what_finds_five_points() -> None:
    made = arranged(Budget(evaluations=2_000), test=600)
    assert (made.test, made.search.evaluations) == (240, 1_320)
    assert arranged(Budget(evaluations=20_000), test=5_000).test == 630


def test_caps_on_tokens_and_dollars_grant_the_cells_that_they_pay_for() -> None:
    assert arranged(Budget(tokens=200_000)).granted == arranged(Budget(evaluations=2_000)).granted
    assert arranged(Budget(usd=2.0)).granted == 1_400
    assert arranged(Budget(calls=2_000)).granted is None
    assert arranged(Budget()).granted is None


@given(st.integers(10, 5_000), st.integers(0, 5_000), st.integers(1, 300), st.integers(1, 700))
def test_what_is_left_goes_to_dev_then_to_test_and_takes_nothing_back(cap: int, spare: int, dev: int, test: int):
    made = arranged(Budget(evaluations=cap), dev=dev, test=test)
    left = made.reserve.evaluations + spare
    larger = made.enlarged(left, dev, test)
    assert (larger.dev >= made.dev, larger.test >= made.test) == (True, True)
    used = (larger.finalists + 1) * larger.dev + 2 * larger.test
    assert used <= left
    assert larger.dev == dev or larger.test - made.test <= larger.finalists // 2
    assert left - used < larger.finalists + 1 or (larger.dev, larger.test) == (dev, test) or left - used < 2


def test_no_cap_enlarges_nothing() -> None:
    made = arranged(Budget())
    assert made.enlarged(None, 100, 200) == made


def test_reserve_and_search_add_up() -> None:
    made = arranged(Budget(evaluations=1_000, calls=1_200, usd=2.0))
    assert made.search.evaluations is not None
    assert made.search.evaluations + made.reserve.evaluations == 1_000
    assert made.search.calls is not None
    assert made.search.calls + made.reserve.calls == 1_200
    assert made.search.usd is not None
    assert made.reserve.usd is not None
    assert made.search.usd + made.reserve.usd == pytest.approx(2.0)
    assert "set aside" in made.describe()


@pytest.mark.parametrize("name", ["evaluations", "calls", "tokens", "usd", "minutes"])
def test_caps_must_leave_something(name: str) -> None:
    for value in (0, -1):
        with pytest.raises(ConfigError, match=name):
            Budget(**{name: value})


def test_too_small_to_compare_two_prompts() -> None:
    with pytest.raises(ConfigError, match="allow at least 10"):
        arranged(Budget(evaluations=9))


def test_dollars_need_prices() -> None:
    with pytest.raises(ConfigError, match=r"prices\.toml"):
        arranged(Budget(usd=1.0), usd=None)


def test_free_models_never_reach_a_dollar_cap() -> None:
    assert arranged(Budget(usd=1.0), usd=0.0).test == 200


def test_ledger_does_not_invent_dollars() -> None:
    known = Ledger().with_calls(1, proposer=True, prompt_tokens=3, completion_tokens=2, usd=0.5)
    assert (known.calls, known.proposer_calls, known.tokens, known.usd) == (1, 1, 5, 0.5)
    assert known.with_calls(1, proposer=False, prompt_tokens=1, completion_tokens=1, usd=None).usd is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=20))
def test_charges_never_fall(calls: list[tuple[int, int]]) -> None:
    ledger = Ledger()
    for prompt_tokens, completion_tokens in calls:
        after = ledger.with_calls(
            1, proposer=False, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, usd=0.0
        )
        assert after.tokens >= ledger.tokens
        assert after.calls == ledger.calls + 1
        ledger = after


def test_limits_count_calls_of_a_cell() -> None:
    limits = Limits(evaluations=10, calls=9)
    assert limits.evaluations_left(Ledger(), 2) == 4
    assert limits.evaluations_left(Ledger(evaluations=8), 2) == 2
    assert limits.evaluations_left(Ledger(evaluations=12), 2) == 0
    assert Limits().evaluations_left(Ledger(), 1) is None
    assert Limits(tokens=10).reached(Ledger(prompt_tokens=9)) is None
    assert Limits(tokens=10).reached(Ledger(prompt_tokens=10)) == "10 of 10 tokens"
    assert Limits(usd=0.5).reached(Ledger(usd=0.5)) == "$0.5000 of $0.5000"
    # As in every table: no small sum is shown as nothing.
    assert Limits(usd=2e-5).reached(Ledger(usd=2.5e-5)) == "$0.000025 of $0.000020"
    assert Limits(tokens=7, usd=2e-5).metered_words() == "7 tokens and $0.000020"
    assert Limits(usd=0.5).reached(Ledger(usd=None)) is None
    # A search may be left nothing once it is known what the final choice and the test take.
    assert Limits(tokens=0).reached(Ledger(prompt_tokens=113)) == "113 tokens"
    assert Limits(usd=0.0).reached(Ledger(usd=0.25)) == "$0.2500"


@pytest.mark.parametrize("cap", [{"evaluations": 60.5}, {"calls": float("inf")}, {"tokens": "60"}, {"usd": "1"}])
def test_a_cap_that_is_no_number_is_refused(cap: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"cannot be counted down; give a (whole )?number, or None"):
        Budget(**cap)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["evaluations", "calls"])
def test_a_cap_that_no_run_could_spend_is_refused_before_a_method_plans_from_it(name: str) -> None:
    with pytest.raises(ConfigError, match=f"leave {name} out for no cap"):
        Budget(**{name: LARGEST_CAP + 1})
    Budget(**{name: LARGEST_CAP})
    Budget(tokens=10**12)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(tokens=450), "allow at least 1,000 tokens, or"),
        (Budget(usd=0.0042), "allow at least $0.0100, or"),
        (Budget(tokens=450, usd=0.004), "allow at least 1,000 tokens and $0.0100, or"),
        (Budget(tokens=450, usd=1.0, evaluations=500), "allow at least 1,000 tokens, or"),
    ],
)
def test_too_little_by_a_guess_of_what_replies_take_is_said_to_be_one(budget: Budget, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        arranged(budget)
    assert str(raised.value).startswith("the budget allows about 4 evaluations in all, if replies are as long as ")
    assert said in str(raised.value)


@pytest.mark.parametrize("budget", [Budget(evaluations=4), Budget(calls=4, tokens=300), Budget(evaluations=4, usd=1.0)])
def test_too_little_that_is_counted_is_no_guess(budget: Budget) -> None:
    with pytest.raises(
        ConfigError, match="allows 4 evaluations in all, too few to compare two prompts; allow at least 10"
    ):
        arranged(budget)
