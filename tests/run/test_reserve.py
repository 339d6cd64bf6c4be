"""The reserve under caps on tokens and dollars: kept while candidates grow, without a call too many, and replayed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.prices import Price
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Allocation, Budget, Ledger, allocate
from promptopt.run.events import Event, Planned
from promptopt.run.reserve import Reserve
from promptopt.testing import feature_accuracy, outcome, planted_model, planted_task
from promptopt.types import Cell, Estimate, Example, Prompt, Proposal, Request
from tests.rewrites import Rewrites

START, LONG = Prompt((("instruction", "short"),)), Prompt((("instruction", "long " * 100),))
READ = {START: 10.0, LONG: 100.0}


def grow(request: Request) -> str:
    """A proposer whose rewrites are up to a hundred words longer each time."""
    assert isinstance(request.content, str)
    rng = random.Random(f"{request.content}{request.seed}")
    padding = " ".join(rng.choice(["alpha", "beta", "gamma"]) for _ in range(rng.randrange(10, 100)))
    return f"{request.content.removeprefix('Rewrite: ')} {rng.choice(['carefully', 'exactly'])} {padding}"


def search(store: Path, tokens: int, promised: list[int]) -> Result:
    def watch(event: Event) -> None:
        if isinstance(event, Planned):
            promised.append(event.allocation.test)

    return optimize(
        planted_task(),
        Rewrites(steps=8, breadth=4),
        model=Models(
            planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)),
            Scripted(grow, name="proposer"),
        ),
        budget=Budget(tokens=tokens),
        store=store,
        session=Session([watch]),
    )


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [30_000, 60_000])
def test_the_promised_test_is_held_however_long_candidates_grow(tmp_path: Path, tokens: int) -> None:
    promised: list[int] = []
    result = search(tmp_path / "s.db", tokens, promised)
    assert result.status == "budget"
    assert result.best.test is not None
    # What replies were shorter than guessed pays for the rest of the test.
    assert promised[0] <= result.best.test.n == 60
    assert result.spent.tokens <= tokens
    again = search(tmp_path / "s.db", tokens, promised)
    assert outcome(again) == outcome(result)
    assert again.paid.calls == 0
    # A larger cap goes on with the same run.
    further = search(tmp_path / "s.db", 2 * tokens, promised)
    assert further.run_id == result.run_id
    assert further.paid.calls < further.spent.calls


def reserve(tokens: int | None = 100_000, usd: float | None = None, *, same: bool = True) -> Reserve:
    plan = allocate(
        Budget(tokens=tokens, usd=usd), dev=40, test=100, calls_per_cell=1, tokens_per_cell=20, usd_per_cell=20e-6
    )
    price = Price(1e-6, 1e-6)
    return Reserve(plan, reading=lambda prompt: READ[prompt], writing=10.0, price=price, same=same, held=(40, 100))


@pytest.mark.parametrize(("tokens", "usd"), [(100_000, None), (None, 0.1)])
def test_the_search_gives_way_to_longer_contenders_and_never_gains(tokens: int | None, usd: float | None) -> None:
    def left(contenders: list[Prompt]) -> float:
        limits = reserve(tokens, usd).limits(START, [], contenders)
        return round(1e6 * limits.usd) if limits.usd is not None else float(limits.tokens or 0)

    assert left([START, LONG]) < left([START])
    given = reserve(tokens, usd)
    search = allocate(
        Budget(tokens=tokens, usd=usd), dev=40, test=100, calls_per_cell=1, tokens_per_cell=20, usd_per_cell=20e-6
    ).search
    limits = given.limits(START, [], [])
    assert (limits.tokens or 0) <= (search.tokens or 0)
    assert (limits.usd or 0) <= (search.usd or 0)


def test_what_calls_took_replaces_the_guess() -> None:
    learned, guessed = reserve(), reserve()
    cells = [Cell(START, Example((("text", str(number)),), "t")) for number in range(40)]
    learned.observe(cells, Ledger(), Ledger(evaluations=40, calls=40, prompt_tokens=800, completion_tokens=2_000))
    first, second = (each.limits(START, [], [LONG]).tokens for each in (guessed, learned))
    assert first is not None
    assert second is not None
    assert second < first


@pytest.mark.parametrize(("tokens", "usd"), [(100_000, None), (None, 0.1), (100_000, 0.1)])
def test_the_choice_gives_way_before_the_test(tokens: int | None, usd: float | None) -> None:
    plan = reserve(tokens, usd)

    def fitted(used: int) -> Allocation:
        return plan.fitted(Ledger(prompt_tokens=used, usd=used * 1e-6), START, [LONG])

    assert (fitted(0).dev, fitted(0).test) == (40, 100)
    tight = fitted(83_000)
    assert tight.test == 100
    assert tight.dev < 40
    assert fitted(95_000).test < 100
    # One finalist is left where the test is cut, whoever stands behind it.
    assert plan.fitted(Ledger(prompt_tokens=95_000, usd=0.095), START, [LONG, OTHERS[-1]]) == fitted(95_000)


def test_what_no_price_is_known_of_is_held_back_by_no_cap_in_dollars() -> None:
    assert reserve(None, 0.1).fitted(Ledger(prompt_tokens=10**9, usd=None), START, [LONG]).dev == 40


OTHERS = [Prompt((("instruction", f"{number}"),)) for number in range(2, 11)]
READ.update({prompt: 10.0 * number for number, prompt in enumerate(OTHERS, start=2)})


def taken(lengths: Sequence[float], *, written: float = 10.0, more: float = 1.0) -> float:
    """The choice among finalists that read so much, and the test of the longest, with a tenth more."""
    read = 40 * (10.0 + sum(lengths)) + 100 * (10.0 + max(lengths))
    return 1.1 * (read * more + (40 * (1 + len(lengths)) + 2 * 100) * written)


def left_by(given: Reserve, ranked: Sequence[Prompt], scored: Sequence[Prompt]) -> int:
    found = given.limits(START, [Estimate(each, 1.0, 1) for each in ranked], scored).tokens
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("ranked", "scored", "lengths"),
    [
        # Four finalists: the longest of those that may win, and never the start.
        ([], OTHERS[:6], [40, 50, 60, 70]),
        ([START, *OTHERS[:2]], [], [20, 30]),
        # Eight of the ranked may still win; what is scored now may as well.
        (OTHERS[::-1], [], [70, 80, 90, 100]),
        ([*OTHERS[:8], OTHERS[8]], [], [60, 70, 80, 90]),
        (OTHERS[:8], OTHERS[8:], [70, 80, 90, 100]),
    ],
)
def test_what_is_set_aside_is_for_the_longest_that_may_win(
    ranked: list[Prompt], scored: list[Prompt], lengths: list[float]
) -> None:
    assert left_by(reserve(), ranked, scored) == pytest.approx(100_000 - taken(lengths), abs=1)


@pytest.mark.parametrize(
    ("cells", "charged", "same", "measured"),
    [(15, 15, True, False), (16, 16, True, True), (20, 16, True, True), (16, 16, False, False)],
)
def test_sixteen_cells_of_the_verdicts_kind_replace_the_guess(
    cells: int, charged: int, same: bool, measured: bool
) -> None:
    given = reserve(same=same)
    scored = [Cell(START, Example((("text", str(number)),), "t")) for number in range(cells)]
    # Each cell that is charged reads twice what was estimated, and writes five.
    given.observe(scored, Ledger(), Ledger(charged, charged, 0, 20 * charged, 5 * charged))
    given.observe(scored, Ledger(charged), Ledger(charged))
    more, written = (2.0, 5.0) if measured else (1.0, 10.0)
    expected = 100_000 - taken([70, 80, 90, 100], more=more, written=written)
    assert left_by(given, [], OTHERS) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("total", "dev", "test"),
    [
        # A cell of the start takes 15 tokens in all, one of the other prompt 105; each counts for a tenth more.
        (100_000, 60, 300),
        (45_000, 60, 279),
        (20_000, 49, 100),
        (16_000, 19, 100),
    ],
)
@pytest.mark.parametrize("capped", ["tokens", "usd"])
def test_what_the_search_leaves_goes_to_dev_and_then_to_the_test(total: int, dev: int, test: int, capped: str) -> None:
    given = reserve(total, None) if capped == "tokens" else reserve(None, total * 1e-6)
    cells = [Cell(START, Example((("text", str(number)),), "t")) for number in range(16)]
    used = Ledger(16, 16, 0, 160, 80, usd=240e-6)
    # What a cell takes is a guess as yet.
    guessed = given.fitted(used, START, [LONG], (60, 300))
    given.observe(cells, Ledger(), used)
    measured = given.fitted(used, START, [LONG], (60, 300))
    assert (measured.dev, measured.test) == (dev, test)
    assert guessed.dev <= 40
    assert guessed.test <= 100


@pytest.mark.parametrize(
    ("total", "winner", "test"),
    [
        # A pair takes 15 tokens of the start and 105 of the winner, a tenth more; a start that wins is asked once.
        (14_000, LONG, 104),
        (60_000, LONG, 300),
        (1_000, LONG, 100),
        (5_000, START, 288),
    ],
)
@pytest.mark.parametrize("capped", ["tokens", "usd"])
def test_after_the_choice_the_test_has_what_is_left(total: int, winner: Prompt, test: int, capped: str) -> None:
    # The search scored by something else, so the choice alone says what a cell takes.
    given = reserve(total, None, same=False) if capped == "tokens" else reserve(None, total * 1e-6, same=False)
    used = Ledger(16, 16, 0, 160, 80, usd=240e-6)
    assert given.pairs(used, START, winner, 100, 300) == 100
    cells = [Cell(START, Example((("text", str(number)),), "t")) for number in range(16)]
    given.observe(cells, Ledger(), used)
    assert given.pairs(used, START, winner, 100, 300) == 100
    given.learn(cells, Ledger(), used)
    assert given.pairs(used, START, winner, 100, 300) == test


class Few:
    """A search of a few cells, too few to say what one takes."""

    def optimize(self, run: Run) -> None:
        better = run.initial.replace("instruction", "Answer the question carefully.")
        run.evaluate(run.admit([Proposal(better, (run.initial,), "given")]), run.train[:12])


def test_a_small_cap_whose_search_scored_little_pays_for_all_of_the_test_that_it_can(tmp_path: Path) -> None:
    def searched() -> Result:
        return optimize(
            planted_task(),
            Few(),
            model=planted_model(feature_accuracy(["carefully"], base=0.3, each=0.5)),
            budget=Budget(tokens=12_000),
            store=tmp_path / "s.db",
            session=Session([watch]),
        )

    def watch(event: Event) -> None:
        if isinstance(event, Planned):
            promised.append(event.allocation.test)

    promised: list[int] = []
    result = searched()
    assert result.best.test is not None
    # Replies have one token, and 128 were guessed.
    assert promised[0] < 20
    assert result.best.test.n == 60
    assert result.spent.tokens <= 12_000
    again = searched()
    assert outcome(again) == outcome(result)
    assert again.paid.calls == 0


def test_what_is_read_and_what_is_written_have_each_their_own_price() -> None:
    plan = allocate(Budget(usd=1.0), dev=40, test=100, calls_per_cell=1, tokens_per_cell=30, usd_per_cell=70e-6)
    given = Reserve(plan, reading=lambda prompt: 20.0, writing=10.0, price=Price(1e-6, 5e-6), same=True, held=(40, 100))
    assert given.cell(START) == (pytest.approx(1.1 * 30), pytest.approx(1.1 * (20e-6 + 10 * 5e-6)))


def test_what_is_left_beside_the_test_is_of_the_start_and_the_longest_after_what_is_spent() -> None:
    tokens, dollars = reserve(100_000), reserve(None, 0.1)
    # 100 test examples of 10 and of 100 tokens, 10 written by each, and a tenth more.
    taken = 1.1 * (100 * (10 + 100) + 2 * 100 * 10)
    spent = Ledger(prompt_tokens=1_000, usd=1_000e-6)
    assert tokens.beside_test(spent, [START, OTHERS[0], LONG]) == (pytest.approx(99_000 - taken), None)
    assert dollars.beside_test(spent, [START, LONG]) == (None, pytest.approx(0.099 - taken * 1e-6))
    # A start alone is tested by itself.
    assert tokens.beside_test(spent, [START])[0] == pytest.approx(99_000 - 1.1 * 100 * (10 + 10))


def test_what_is_free_is_cut_by_no_cap_in_dollars_however_much_a_proposer_has_spent() -> None:
    plan = allocate(Budget(usd=0.1), dev=40, test=100, calls_per_cell=1, tokens_per_cell=20, usd_per_cell=0.0)
    given = Reserve(
        plan, reading=lambda prompt: READ[prompt], writing=10.0, price=Price(0.0, 0.0), same=True, held=(40, 100)
    )
    fitted = given.fitted(Ledger(usd=0.2), START, [LONG])
    assert (fitted.finalists, fitted.dev, fitted.test) == (plan.finalists, 40, 100)


def test_so_many_cells_are_missing_until_sixteen_say_what_one_takes() -> None:
    given = reserve()
    missing = [given.missing]
    for cells in (10, 5, 1, 4):
        scored = [Cell(START, Example((("text", str(number)),), "t")) for number in range(cells)]
        given.learn(scored, Ledger(), Ledger(cells, cells, 0, 10 * cells, cells))
        missing.append(given.missing)
        assert given.measured is (given.missing == 0)
    assert missing == [16, 6, 1, 0, 0]
