"""Limits, the two ledgers, and what is set aside for the final choice and the sealed test."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.scalars import unboxed
from promptopt.text import counted, dollars

LARGEST_CAP = 100_000_000
"""Evaluations or calls that a cap allows at most: methods plan from it, and would list as many candidates. Ours."""


@told
@dataclass(frozen=True, slots=True)
class Budget:
    """Hard caps on everything a run does: task model, proposer and judge together. None is no cap.

    `evaluations`: scored (prompt, example) cells. `calls`: replies asked of any model. `tokens`: prompt and completion
    tokens. `usd`: dollars at the known prices. `minutes`: wall clock of this session. Each ends a search in time for
    the final choice and the sealed test; what still goes on when the minutes are over is suspended.
    """

    evaluations: int | None = None
    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        for name in ("evaluations", "calls", "tokens", "usd", "minutes"):
            given: Any = getattr(self, name)
            if given is None:
                continue
            value: Any = unboxed(given)
            object.__setattr__(self, name, value)
            whole = name in ("evaluations", "calls", "tokens")
            # What has an index is a whole number, but an array of several; True is one, and never meant as a number.
            counts = hasattr(value, "__index__") and not hasattr(value, "ndim")
            if isinstance(value, bool) or not (counts or (not whole and isinstance(value, float))):
                expected = "a whole number" if whole else "a number"
                raise ConfigError(f"a budget of {value!r} {name} cannot be counted down; give {expected}, or None")
            # Not `value <= 0`, by which NaN would pass.
            if not value > 0:
                raise ConfigError(f"a budget of {value!r} {name} leaves nothing to spend; give a number above 0")
            if name in ("evaluations", "calls") and value > LARGEST_CAP:
                raise ConfigError(
                    f"a budget of {value!r} {name} is more than a run can hold ({LARGEST_CAP:,}); "
                    f"leave {name} out for no cap"
                )
            if value == math.inf:
                raise ConfigError(f"a budget of {value!r} {name} is none; leave {name} out for no cap")


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was used. `usd` is None as soon as one token has an unknown price."""

    evaluations: int = 0
    calls: int = 0
    proposer_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def with_calls(
        self, calls: int, *, proposer: bool, prompt_tokens: int, completion_tokens: int, usd: float | None
    ) -> Ledger:
        """The ledger after `calls` more calls, which used so much together."""
        # Not by `replace`, which takes four times as long and is felt here: once for every call that is paid.
        return Ledger(
            self.evaluations,
            self.calls + calls,
            self.proposer_calls + (calls if proposer else 0),
            self.prompt_tokens + prompt_tokens,
            self.completion_tokens + completion_tokens,
            # One unknown price makes the sum unknown: the part that is known would be read as all of it.
            None if usd is None or self.usd is None else self.usd + usd,
        )

    def plus(self, other: Ledger) -> Ledger:
        """Both together."""
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Ledger(
            self.evaluations + other.evaluations, self.calls + other.calls, self.proposer_calls + other.proposer_calls,
            self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens, usd,
        )  # fmt: skip

    def beyond(self, earlier: Ledger) -> Ledger:
        """What was used since `earlier`, which is a part of it; unknown where the price of this one is."""
        usd = None if self.usd is None or earlier.usd is None else self.usd - earlier.usd
        return Ledger(
            self.evaluations - earlier.evaluations, self.calls - earlier.calls,
            self.proposer_calls - earlier.proposer_calls, self.prompt_tokens - earlier.prompt_tokens,
            self.completion_tokens - earlier.completion_tokens, usd,
        )  # fmt: skip

    def with_evaluations(self, count: int) -> Ledger:
        """The ledger after `count` more scored cells."""
        return replace(self, evaluations=self.evaluations + count)


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on a ledger: what admission is decided by. None is no cap."""

    evaluations: int | None = None
    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None

    @classmethod
    def of(cls, budget: Budget) -> Limits:
        """All of the budget's caps on `spent`."""
        return cls(budget.evaluations, budget.calls, budget.tokens, budget.usd)

    @property
    def metered(self) -> bool:
        """Whether something is capped that is only known once replies are read (tokens, dollars)."""
        return self.tokens is not None or self.usd is not None

    def metered_words(self) -> str:
        """The caps on what is only known once replies are read."""
        tokens = "" if self.tokens is None else counted(self.tokens, "token")
        return " and ".join(filter(None, [tokens, "" if self.usd is None else dollars(self.usd)]))

    def evaluations_left(self, spent: Ledger, calls_per_cell: int) -> int | None:
        """How many cells may still be scored, by the caps on evaluations and calls; None is any number."""
        left: list[int] = []
        if self.evaluations is not None:
            left.append(self.evaluations - spent.evaluations)
        if self.calls is not None:
            # A cell is asked whole or not at all.
            left.append((self.calls - spent.calls) // calls_per_cell)
        return max(0, min(left)) if left else None

    def calls_left(self, spent: Ledger) -> int | None:
        """How many calls may still be made; None is any number."""
        return None if self.calls is None else max(0, self.calls - spent.calls)

    def reached(self, spent: Ledger) -> str | None:
        """The metered cap that is used up, in words, or None."""
        # A search whose share came to nothing, as the final choice and the test need it all, was granted no "of 0".
        if self.tokens is not None and spent.tokens >= self.tokens:
            return f"{spent.tokens:,} of {counted(self.tokens, 'token')}" if self.tokens else f"{spent.tokens:,} tokens"
        if self.usd is not None and spent.usd is not None and spent.usd >= self.usd:
            return f"{dollars(spent.usd)} of {dollars(self.usd)}" if self.usd else dollars(spent.usd)
        return None


@dataclass(frozen=True, slots=True)
class Raised:
    """Beside limits of a search that have risen: `sure`, which a single call may pass, and `most`, which none may."""

    sure: Limits
    most: Limits


@dataclass(frozen=True, slots=True)
class Allocation:
    """What is set aside before the search may spend: finalists on dev, then start and winner on test.

    `finalists`: candidates, besides the start, that are re-scored on `dev` examples. `test`: examples of the sealed
    test that start and winner are both scored on. `search`: the limits left to the search. `granted`: the cells that
    its caps on evaluations, tokens and dollars come to; None is any number. `metered`: as of `Room`.
    """

    finalists: int
    dev: int
    test: int
    reserve: Ledger
    search: Limits
    total: Limits
    granted: int | None = None
    metered: tuple[tuple[float, float, float], ...] = ()

    def enlarged(self, left: int | None, dev: int, test: int) -> Allocation:
        """The allocation after a search where `left` cells may still be scored: more dev, then more test examples.

        `dev`, `test`: the examples there are. Nothing of what was set aside is taken back.
        """
        # Without a cap every example is promised already.
        if left is None:
            return self
        contenders = self.finalists + 1
        # What was promised comes off first: dev may not grow at the cost of the test.
        spare = max(0, left - contenders * self.dev - 2 * self.test)
        more = min(dev - self.dev, spare // contenders)
        pairs = min(test - self.test, (spare - contenders * more) // 2)
        return replace(self, dev=self.dev + more, test=self.test + pairs)

    def within_cells(self, cells: float) -> Allocation:
        """The allocation with no more finalists, dev and test examples than so many `cells` in all are divided into."""
        finalists = min(self.finalists, 2 if cells < LARGE else 4)
        dev, test = max(1, dev_share(cells, finalists)), max(1, test_share(cells))
        return replace(self, finalists=finalists, dev=min(self.dev, dev), test=min(self.test, test))

    @property
    def set_aside(self) -> int:
        """The cells of the finalists and the start on dev, and of start and winner on test."""
        return (self.finalists + 1) * self.dev + 2 * self.test

    def describe(self) -> str:
        """One sentence for the user."""
        evaluations = counted(self.reserve.evaluations, "evaluation")
        return (
            f"set aside before the search: {evaluations} ({counted(self.finalists, 'finalist')} and the start on "
            f"{counted(self.dev, 'dev example')}, then start and winner on {counted(self.test, 'test example')})"
        )


TEST_PAIRS = 630
"""Examples that find a gain of 5 points four times in five, where start and winner differ on 20 %."""
TEST_SHARE = 0.175
"""Test examples for each evaluation of a small cap, up to PAIRS_FIRST: 35 % of it, as each is scored twice."""
PAIRS_FIRST = 200
"""Test examples that find a gain of 10 points: below them the test has the larger share."""
TEST_SHARE_LATER = 0.12
"""Test examples for each evaluation of a large cap. Ours."""
DEV_SHARE = 0.1
"""What finalists and start together may take of a cap on dev: more buys nothing in simulated searches."""
LEAST = 10
"""Evaluations in all without which two prompts are not compared. Ours."""
LARGE = 1_000
"""Evaluations from which on there are four finalists, and two below. Ours."""


def allocate(
    budget: Budget,
    *,
    dev: int,
    test: int,
    calls_per_cell: int,
    tokens_per_cell: float,
    usd_per_cell: float | None,
    proposing: tuple[float, float] = (0.0, 0.0),
) -> Allocation:
    """Take the reserve off the caps first; where a cap is small, cut test and dev rather than the promise.

    `tokens_per_cell` and `usd_per_cell` are estimates; the final phase measures, and keeps the cap all the same.
    `proposing`: tokens and dollars that a call of the proposer is taken to take.
    Raises ConfigError for a dollar cap over a model of unknown price, and for a cap too small to score anything.
    """
    if budget.usd is not None and usd_per_cell is None:
        raise ConfigError(
            "a cap in dollars needs the price of every model, and one is unknown; put it in prices.toml "
            "(see `promptopt models list`), or cap --max-tokens instead"
        )
    cells = _afforded(budget, calls_per_cell, tokens_per_cell, usd_per_cell)
    # Without a cap there is nothing to divide: every example is scored.
    if cells and min(cells) < LEAST:
        raise ConfigError(_too_few(budget, int(min(cells)), calls_per_cell, tokens_per_cell, usd_per_cell))
    finalists, dev, test = _shares(int(min(cells)), dev, test) if cells else (4, dev, test)
    count = (finalists + 1) * dev + 2 * test
    reserve = Ledger(
        evaluations=count,
        calls=count * calls_per_cell,
        # All as if they were read: a cap on tokens does not tell reading from writing.
        prompt_tokens=int(count * tokens_per_cell),
        usd=None if usd_per_cell is None else count * usd_per_cell,
    )
    total = Limits.of(budget)
    search = Limits(
        evaluations=None if total.evaluations is None else total.evaluations - reserve.evaluations,
        calls=None if total.calls is None else total.calls - reserve.calls,
        # An estimated reserve may be more than there is.
        tokens=None if total.tokens is None else max(0, total.tokens - reserve.tokens),
        usd=None if total.usd is None else max(0.0, total.usd - (reserve.usd if reserve.usd is not None else 0.0)),
    )
    # A cap on calls is shared with the proposer in a proportion that only the method knows: `Room.cells` divides it.
    granted = _fewest(_afforded(replace(search, calls=None), calls_per_cell, tokens_per_cell, usd_per_cell))
    caps = (search.tokens, tokens_per_cell, proposing[0]), (search.usd, usd_per_cell, proposing[1])
    return Allocation(
        finalists=finalists, dev=dev, test=test, reserve=reserve, search=search, total=total, granted=granted,
        metered=tuple((left, cell, call) for left, cell, call in caps if left is not None and cell is not None),
    )  # fmt: skip


def _too_few(budget: Budget, most: int, calls: int, tokens: float, usd: float | None) -> str:
    """The sentence for a budget of `most` evaluations, which is fewer than LEAST."""
    known = _afforded(replace(budget, tokens=None, usd=None), calls, tokens, usd)
    if known and min(known) < LEAST:
        count = counted(int(min(known)), "evaluation")
        return f"the budget allows {count} in all, too few to compare two prompts; allow at least {LEAST}"
    # Tokens and dollars come to so many by a guess, which nobody should take for what replies take.
    wanted = [f"{math.ceil(LEAST * tokens):,} tokens"] if _below(budget.tokens, tokens) else []
    wanted += [f"${math.ceil(LEAST * usd * 10_000) / 10_000:.4f}"] if usd and _below(budget.usd, usd) else []
    return (
        f"the budget allows about {counted(most, 'evaluation')} in all, if replies are as long as the task's "
        f"max_tokens has them taken to be; that is too few to compare two prompts: allow at least "
        f"{' and '.join(wanted)}, or lower max_tokens to what replies take"
    )


def _below(cap: float | None, each: float) -> bool:
    """Whether a cap pays for fewer than LEAST, at so much each."""
    return cap is not None and cap / max(each, 1e-12) < LEAST


def _shares(most: int, dev: int, test: int) -> tuple[int, int, int]:
    """Finalists, dev and test examples, out of `most` evaluations in all."""
    finalists = 2 if most < LARGE else 4
    return finalists, min(dev, max(1, dev_share(most, finalists))), min(test, test_share(most))


def dev_share(cells: float, finalists: int) -> int:
    """Dev examples that so many cells are divided into, for each of the finalists and the start."""
    return round(DEV_SHARE * cells / (finalists + 1))


def test_share(cells: float) -> int:
    """Test examples that so many cells are divided into."""
    return min(TEST_PAIRS, max(min(round(TEST_SHARE * cells), PAIRS_FIRST), round(TEST_SHARE_LATER * cells)))


def _fewest(cells: list[float]) -> int | None:
    # A quotient just below a whole number is that number: 0.3 / 0.1 is 2.9999999999999996.
    return int(min(cells) + 1e-6) if cells else None


def _afforded(budget: Budget | Limits, calls: int, tokens: float, usd: float | None) -> list[float]:
    """How many cells each cap affords, at so many calls, tokens and dollars a cell; empty without a cap."""
    cells: list[float] = []
    if budget.evaluations is not None:
        cells.append(budget.evaluations)
    if budget.calls is not None:
        cells.append(budget.calls // calls)
    if budget.tokens is not None:
        cells.append(budget.tokens / max(tokens, 1))
    # A model that costs nothing is not held back by a cap in dollars.
    if budget.usd is not None and usd:
        cells.append(budget.usd / usd)
    return cells
