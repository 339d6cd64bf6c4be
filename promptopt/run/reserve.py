"""What the final choice and the sealed test will take in tokens and dollars, priced again as the search goes.

Before the search it is priced from the start prompt. Candidates grow longer than that, and replies are shorter or
longer than guessed. So the reserve is priced anew each time something is to be scored: from the longest candidates that
may still win, and from what calls took so far. The search's limits give way to it. All of it follows from the program,
so a replay stops where the run stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from promptopt.models.prices import Price
from promptopt.run.budget import LARGEST_CAP, Allocation, Ledger, Limits, Raised, dev_share, test_share
from promptopt.run.reply_lengths import ERRORS, ReplyLengths
from promptopt.types import Cell, Estimate, Prompt

RESERVE_FACTOR = 1.1
"""The reserve for each unit it is priced at: test items differ from those measured, and one call may overshoot."""
MEASURED = 16
"""Cells after which what they took counts for more than the guess. Ours."""
CONTENDERS = 2
"""Candidates that may still win, for each finalist: the ranking moves while scores come in."""
USUAL = Prompt((("", ""),))
"""Stands for a candidate of the usual length."""


class Reserve:
    """Prices the cells that are set aside. Made for runs whose tokens or dollars are capped."""

    def __init__(
        self,
        allocation: Allocation,
        *,
        reading: Callable[[Prompt], float],
        writing: float,
        price: Price | None,
        same: bool,
        held: tuple[int, int],
        typical: Sequence[Prompt] = (),
    ) -> None:
        """`reading`: estimated tokens read by a cell of a prompt; `writing`: tokens written by one, as guessed.

        `same`: whether the search scores by what the verdict is by, so that its calls say what the verdict's take.
        `held`: the dev and test examples that there are. `typical`: what the allocation was priced by beside the start.
        """
        self._allocation = allocation
        self._guess = writing
        self._price = price
        self._same, self._held, self._lengths = same, held, ReplyLengths()
        self._reading, self._known, self._typical = reading, dict[Prompt, float](), typical
        self._cells = self._estimated = 0.0
        self._read = self._written = 0

    def observe(self, cells: Sequence[Cell], before: Ledger, after: Ledger, written: Sequence[int] = ()) -> None:
        """Learn from a batch of cells of the search, which the ledger was charged for.

        `written`: tokens that each of its calls wrote, in order.
        """
        if self._same:
            self.learn(cells, before, after)
            self._lengths.learn([cell.prompt for cell in cells], written, after.evaluations - before.evaluations)

    def learn(self, cells: Sequence[Cell], before: Ledger, after: Ledger) -> None:
        """Learn from cells that were scored by what the verdict is by."""
        charged = after.evaluations - before.evaluations
        # Cells that were scored before are free, and tell nothing of what a cell takes.
        if charged:
            # Of a batch in which some cells share their calls, each counts for its part.
            estimated = sum(self._tokens(cell.prompt) for cell in cells)
            self._estimated += estimated * charged / len(cells)
            self._cells += charged
            self._read += after.prompt_tokens - before.prompt_tokens
            self._written += after.completion_tokens - before.completion_tokens

    def cell(self, start: Prompt) -> tuple[float, float]:
        """Tokens and dollars that a cell of the start takes, as guessed."""
        return self._take(start, (), 1, 0)

    def beside_test(self, spent: Ledger, contenders: Sequence[Prompt]) -> tuple[float | None, float | None]:
        """Tokens and dollars that the caps leave beside a test of the first contender, the start, and the longest."""
        total, test = self._allocation.total, self._set_aside(contenders[0]).test
        tokens, usd = self._take(contenders[0], contenders[1:], 0, test)
        return (
            None if total.tokens is None else total.tokens - spent.tokens - tokens,
            None if total.usd is None or spent.usd is None else total.usd - spent.usd - usd,
        )

    def limits(self, start: Prompt, ranked: Sequence[Estimate], scored: Sequence[Prompt]) -> Limits:
        """What is left to the search where the longest that may still win are the finalists.

        `ranked`: the candidates, best first, of which the first few may; `scored`: what is to be scored now.
        """
        allocation = self._set_aside(start)
        longest = self._longest(start, ranked, scored)
        taken = self._take(start, longest, allocation.dev, allocation.test)
        return _less(allocation.total, allocation.search, taken)

    def raised(self, start: Prompt, ranked: Sequence[Estimate], scored: Sequence[Prompt]) -> tuple[Limits, Raised]:
        """`limits`, or all that the shares of dev and test leave, at what a cell takes, if that is more.

        That is known once enough cells of the search say what one takes. With it what a single call may not pass: there
        what was promised of them would be cut.
        """
        sure = self.limits(start, ranked, scored)
        if not self.measured:
            return sure, Raised(sure, sure)
        allocation = self._set_aside(start)
        limits, most = (
            self._beyond(sure, start, ranked, scored, examples)
            for examples in (
                self._shares(start, self._longest(start, ranked, scored), self._held),
                (allocation.dev, allocation.test),
            )
        )
        return limits, Raised(sure, most)

    def _set_aside(self, start: Prompt) -> Allocation:
        """What was set aside; less, where cells take so much more than guessed that half a cap would go to it."""
        allocation = self._allocation
        cells = (allocation.finalists + 1) * allocation.dev + 2 * allocation.test
        afforded = self._afforded(start, self._typical)
        # As it was guessed: where candidates grow it is the search that gives way.
        if not self._cells or 2 * cells <= afforded:
            return allocation
        dev, test = max(1, dev_share(afforded, allocation.finalists)), max(1, test_share(afforded))
        return replace(allocation, dev=min(allocation.dev, dev), test=min(allocation.test, test))

    def _shares(self, start: Prompt, finalists: Sequence[Prompt], most: tuple[int, int]) -> tuple[int, int]:
        """Dev and test examples that the caps are divided into at what cells take, `most` of each; or as set aside."""
        allocation, afforded = self._set_aside(start), self._afforded(start, finalists)
        shares = dev_share(afforded, allocation.finalists), test_share(afforded)
        dev, test = (min(share, held) for share, held in zip(shares, most, strict=True))
        return max(dev, allocation.dev), max(test, allocation.test)

    def _afforded(self, start: Prompt, finalists: Sequence[Prompt]) -> float:
        """How many cells the caps pay for, of the start and these in equal parts."""
        total, (tokens, usd) = self._allocation.total, self._take(start, finalists, 1, 0)
        # Without the tenth that is set aside on top.
        cells = RESERVE_FACTOR * (1 + len(finalists))
        caps = (total.tokens, tokens), (total.usd, usd)
        return min([LARGEST_CAP, *(cap * cells / taken for cap, taken in caps if cap is not None and taken)])

    def _beyond(
        self,
        sure: Limits,
        start: Prompt,
        ranked: Sequence[Estimate],
        scored: Sequence[Prompt],
        examples: tuple[int, int],
    ) -> Limits:
        """`sure`, or all but what so many dev and test `examples` take, if that is more."""
        longest, (dev, test) = self._longest(start, ranked, scored), examples
        read, _ = self._read_and_written(start, longest, dev, test)
        # Each by the lengths of its own replies: one that reasons at length makes them dearer than the mean.
        wordiest = max((self._lengths.most(prompt) for prompt in self._contenders(start, ranked, scored)), default=0.0)
        pairs = dev * len(longest) + (test if longest else 0)
        written = RESERVE_FACTOR * ((dev + test) * self._lengths.most(start) + pairs * wordiest)
        total = self._allocation.total
        more = _less(total, total, self._priced(read, written))
        return replace(
            sure,
            tokens=None if sure.tokens is None or more.tokens is None else max(sure.tokens, more.tokens),
            usd=None if sure.usd is None or more.usd is None else max(sure.usd, more.usd),
        )

    def _contenders(self, start: Prompt, ranked: Sequence[Estimate], scored: Sequence[Prompt]) -> list[Prompt]:
        likeliest = [estimate.prompt for estimate in ranked[: CONTENDERS * self._allocation.finalists]]
        # What is scored now has no rank yet, and may win all the same.
        return [each for each in dict.fromkeys([*likeliest, *scored]) if each != start]

    def _longest(self, start: Prompt, ranked: Sequence[Estimate], scored: Sequence[Prompt]) -> list[Prompt]:
        # The dearest case, so that the promised test is paid for whoever wins.
        return sorted(self._contenders(start, ranked, scored), key=self._tokens)[-self._allocation.finalists :]

    def too_dear(self, prompt: Prompt, start: Prompt, ranked: Sequence[Estimate], beside: Sequence[Prompt],
                 spent: Ledger) -> bool:  # fmt: skip
        """Whether to set aside what `prompt` might take, should it win, costs more than half of what the search has.

        `beside`: what is to be scored with it. What any candidate takes is no reason: the first of all makes the test
        one of two prompts.
        """
        self._known[USUAL] = self._tokens([*self._typical, start][0])
        without, with_it = (
            _left(self.raised(start, ranked, [*beside, scored])[0], spent) for scored in (USUAL, prompt)
        )
        # Where nothing is left nothing is lost by it.
        return any(before > 0.0 and after < before / 2 for before, after in zip(without, with_it, strict=True))

    def fitted(
        self, spent: Ledger, start: Prompt, ranked: Sequence[Prompt], most: tuple[int, int] = (0, 0)
    ) -> Allocation:
        """The allocation that what is left pays for; `ranked`: the candidates, best first.

        Where it is too little, the choice gives way before the test: fewer dev examples, then fewer finalists. Where it
        is more, by what cells were measured to take, there are as many of each as their shares come to at that. What
        is left then goes to dev, then to the test: `most` of each, at the most.
        """
        allocation = self._set_aside(start)

        def affordable(finalists: int, dev: int, test: int) -> bool:
            return self._pays(spent, self._take(start, ranked[:finalists], dev, test))

        for finalists in range(allocation.finalists, 0, -1):
            # Below a quarter, or eight examples, the choice among so many is a guess.
            least = min(allocation.dev, max(8, allocation.dev // 4)) if finalists > 1 else 1
            dev = next(
                (dev for dev in range(allocation.dev, least - 1, -1) if affordable(finalists, dev, allocation.test)),
                None,
            )
            if dev is None:
                continue
            known = self.measured and (allocation.total.usd is None or spent.usd is not None)
            if not known or (finalists, dev) != (allocation.finalists, allocation.dev):
                return replace(allocation, finalists=finalists, dev=dev)
            test = allocation.test
            # Else a test that was priced by a guess would stay as small, and dev would take what was its own.
            for dev_most, test_most in (self._shares(start, ranked[:finalists], most), most):
                dev = next((more for more in range(dev_most, dev, -1) if affordable(finalists, more, test)), dev)
                test = next((more for more in range(test_most, test, -1) if affordable(finalists, dev, more)), test)
            return replace(allocation, dev=dev, test=test)
        # Not even the least choice leaves the test whole, so now the test is cut too.
        least = min(allocation.dev, 8)
        test = next((test for test in range(allocation.test, 0, -1) if affordable(1, least, test)), 0)
        return replace(allocation, finalists=1, dev=least, test=test)

    def pairs(self, spent: Ledger, start: Prompt, winner: Prompt, least: int, most: int) -> int:
        """How many test examples, of `most`, what is left after the choice pays for; `least` were promised."""
        if not self._cells or (self._allocation.total.usd is not None and spent.usd is None):
            return least
        others = [] if winner == start else [winner]
        # Few cells may have been cheap ones by luck.
        dearer = 1.0 if self.measured else 1.0 + ERRORS / math.sqrt(self._cells)

        def affordable(test: int) -> bool:
            tokens, usd = self._take(start, others, 0, test)
            return self._pays(spent, (dearer * tokens, dearer * usd))

        return next((test for test in range(most, least, -1) if affordable(test)), least)

    def _pays(self, spent: Ledger, taken: tuple[float, float]) -> bool:
        """Whether the caps let through so many tokens and dollars more."""
        total, (tokens, usd) = self._allocation.total, taken
        # What is free passes no cap in dollars, though a proposer has spent more than that.
        return (total.tokens is None or spent.tokens + tokens <= total.tokens) and (
            total.usd is None or spent.usd is None or not usd or spent.usd + usd <= total.usd
        )

    def _take(self, start: Prompt, finalists: Sequence[Prompt], dev: int, test: int) -> tuple[float, float]:
        """Tokens and dollars of the final choice, and of the test of the start and the longest finalist."""
        return self._priced(*self._read_and_written(start, finalists, dev, test))

    def _read_and_written(self, start: Prompt, finalists: Sequence[Prompt], dev: int, test: int) -> tuple[float, float]:
        first, others = self._tokens(start), [self._tokens(prompt) for prompt in finalists]
        cells = dev * (1 + len(others)) + test * (2 if others else 1)
        # Which finalist wins is not known yet, so the test is priced for the longest.
        read = dev * (first + sum(others)) + test * (first + max(others, default=0.0))
        read *= RESERVE_FACTOR * (self._read / self._estimated if self.measured else 1.0)
        return read, RESERVE_FACTOR * cells * self._written_each

    @property
    def _written_each(self) -> float:
        """Tokens that a cell writes; few cells say that only where it is more than was guessed."""
        mean = self._written / self._cells if self._cells else 0.0
        return mean if self.measured else max(mean, self._guess)

    def _priced(self, read: float, written: float) -> tuple[float, float]:
        price = self._price
        return read + written, 0.0 if price is None else read * price.prompt_usd + written * price.completion_usd

    @property
    def measured(self) -> bool:
        """Whether enough cells were scored to say what one takes."""
        return self._cells >= MEASURED and self._estimated > 0

    @property
    def missing(self) -> int:
        """How many cells more say what one takes."""
        return max(0, math.ceil(MEASURED - self._cells))

    def _tokens(self, prompt: Prompt) -> float:
        if prompt not in self._known:
            self._known[prompt] = self._reading(prompt)
        return self._known[prompt]


def _left(limits: Limits, spent: Ledger) -> tuple[float, float]:
    """Tokens and dollars that the search still has; 0 of what is not capped."""
    tokens = 0.0 if limits.tokens is None else float(limits.tokens - spent.tokens)
    return tokens, 0.0 if limits.usd is None or spent.usd is None else limits.usd - spent.usd


def _less(total: Limits, most: Limits, reserve: tuple[float, float]) -> Limits:
    """The limits of the search: `most`, and never more than the reserve leaves of the total."""
    tokens, usd = reserve
    return replace(
        most,
        tokens=None
        if total.tokens is None or most.tokens is None
        else int(max(0.0, min(most.tokens, total.tokens - tokens))),
        usd=None if total.usd is None or most.usd is None else max(0.0, min(most.usd, total.usd - usd)),
    )
