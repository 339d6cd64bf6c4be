"""What a run is charged for its calls, and what its caps still let through: money is counted here and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptopt.errors import BudgetSpent
from promptopt.models.prices import Price
from promptopt.protocols import ANSWERING, Role
from promptopt.run.budget import Ledger, Limits, Raised
from promptopt.run.fetching import ANSWERED, HARMLESS_TOKENS, Call
from promptopt.run.slices import SLICE, Slices
from promptopt.run.stored_replies import PAID_USD, REFUSED
from promptopt.text import counted
from promptopt.types import Request, ScoreRequest

CELLS_EACH = 4
"""Cells that are kept for each reply of a proposer, under a cap on tokens or dollars: two replies, a criticism and an
edit, mostly make a candidate. Ours."""


class Account:
    """The ledgers of a run, and the caps on them.

    `spent` is a function of the program and equal on replay, `by_role` the same by who was asked; `paid` is what went
    out this session, `settled_by` how many calls of that by who was asked, without probes. A refused request is one
    call. So is the probe that may go out in its place, to find out what the model refuses. Whether a probe goes out
    depends on what is asked together and on what comes first. So caps go by `capped`, which counts a probe for every
    refused request. It counts a stored reply by what was paid for it, where prices have fallen since: a cap holds over
    all executions.
    """

    def __init__(self, limits: Limits, prices: Mapping[Role, Price | None]) -> None:
        """`prices`: of a token of each role's model; None where it is unknown, and so is then what is spent."""
        self.limits = limits
        self.raised: Raised | None = None
        """How `limits` came to be, where the search may have more than it was granted first."""
        self.written: list[int] = []
        """Tokens that each call wrote which was charged since this was last cleared."""
        self.cut: BudgetSpent | None = None
        """What a cap said that left a proposer's requests unasked, the last time it did."""
        self.cell = (0.0, 0.0)
        """Tokens and dollars that a cell is taken to take before the first one; 0 where nobody said."""
        self.spent, self.paid, self.by_role = Ledger(), Ledger(), dict[Role, Ledger]()
        self.settled_by = Counter[Role]()
        # What was paid this session when calls were charged last: the rest is of the batch under way.
        self._paid_then = Ledger()
        # Calls of the proposer when cells were charged last: what it wrote since is not scored yet.
        self._written_then = 0
        self._prices = dict(prices)
        # What caps go by beside what is spent: probes, and in dollars what stored replies were paid for beyond today's
        # prices.
        self._probes, self.fallen = Ledger(), 0.0
        # By role and kind, the request of fewest tokens that was answered, and those: what a probe asks, and takes.
        self._cheapest: dict[tuple[Role, type], tuple[Request | ScoreRequest, Sequence[int]]] = {}
        # Keys of the calls that this run was charged for.
        self._used, self._slices = set[int](), Slices()

    @property
    def capped(self) -> Ledger:
        """What caps go by: `spent`, probes for refused requests, and what was paid above today's prices.

        Equal on replay, as long as prices are.
        """
        return self.spent.plus(self._probes).plus(Ledger(usd=self.fallen))

    @property
    def settled_now(self) -> int:
        """How many calls went out this session, without probes."""
        return self.settled_by.total()

    @property
    def asked_by(self) -> Mapping[Role, tuple[int, int]]:
        """By role, calls that this run used for the first time, and those that went out this session."""
        return {role: (used.calls, self.settled_by[role]) for role, used in self.by_role.items()}

    @property
    def now(self) -> Ledger:
        """`spent`, and what is paid for of the batch that is under way: for whoever looks on, and no cap goes by it."""
        return self.spent.plus(self.paid.beyond(self._paid_then))

    def charge(self, batch: Sequence[Call], replies: Sequence[Any], role: Role) -> list[Mapping[str, Any]]:
        """Charge those calls that this run uses for the first time, whether they were asked now or long ago.

        Their replies are given back.
        """
        fresh = list[tuple[Call, Mapping[str, Any]]]()
        # A cap on calls may have let only the first of the batch through.
        for call, reply in zip(batch, replies, strict=False):
            if _short_key(call.key) not in self._used:
                self._used.add(_short_key(call.key))
                fresh.append((call, reply))
        written = [reply["usage"][1] for _, reply in fresh]
        self._slices.saw(role, written)
        self.written += written
        used = self._ledger(role, len(fresh), [reply["usage"] for _, reply in fresh])
        self.spent, self.by_role[role] = (each.plus(used) for each in (self.spent, self.by_role.get(role, Ledger())))
        dearer = [reply for _, reply in fresh if PAID_USD in reply]
        self.fallen += sum(max(0.0, reply[PAID_USD] - (self.usd(role, reply) or 0.0)) for reply in dearer)
        self._allow_for_probes(fresh, role)
        self._paid_then = self.paid
        return [reply for _, reply in fresh]

    def cheapest(self, role: Role, kind: type) -> Sequence[Request | ScoreRequest]:
        """The request of that kind which took the fewest tokens of those this role has answered; empty before one."""
        found = self._cheapest.get((role, kind))
        return () if found is None else (found[0],)

    def charge_evaluations(self, count: int, *, paid: int) -> None:
        """Charge `count` scored cells, `paid` of which took calls that went out this session."""
        self.spent = self.spent.with_evaluations(count)
        self._written_then = self.by_role.get("proposer", Ledger()).calls
        self.paid, self._paid_then = self.paid.with_evaluations(paid), self._paid_then.with_evaluations(paid)

    def usd(self, role: Role, reply: Mapping[str, Any]) -> float | None:
        """What a reply costs by today's prices; None where that is unknown."""
        return self._usd(role, *reply["usage"])

    def pay(self, role: Role, reply: Mapping[str, Any]) -> None:
        """Enter a call, or a probe, that went out this session."""
        # Not by `_ledger`, which sums over many: this is done for every call by itself.
        reading, writing = reply["usage"]
        self.paid = self.paid.with_calls(
            1,
            proposer=role == "proposer",
            prompt_tokens=reading,
            completion_tokens=writing,
            usd=self._usd(role, reading, writing),
        )

    def settle(self, role: Role) -> None:
        """Count a call whose reply was stored this session."""
        self.settled_by[role] += 1

    def exchange_price(self, role: Role, price: Price | None) -> None:
        """Another model takes this role."""
        self._prices[role] = price

    def admit(self, batch: Sequence[Call], under_way: Collection[bytes] = ()) -> int:
        """How many of the batch, from its start, the cap on calls lets through; what is under way is let through."""
        left = self.limits.calls_left(self.capped)
        if left is None:
            return len(batch)
        fresh = {short for short in map(_short_key, under_way) if short not in self._used}
        for position, call in enumerate(batch):
            short = _short_key(call.key)
            # What this run has used before is not charged again, so no cap keeps it back.
            if short not in self._used:
                fresh.add(short)
            if len(fresh) > left:
                return position
        return len(batch)

    def next_slice(self, asked: Sequence[Call], role: Role) -> Sequence[Call]:
        """The first of the calls, as many as may go out together. Raises BudgetSpent at a cap on tokens or dollars."""
        limits = self._limits_of(role, self.limits)
        reached = limits.reached(self.capped)
        if reached is not None:
            raise BudgetSpent(f"{reached} are spent")
        batch = asked[: self.slice_size(role)]
        if not limits.metered:
            return batch
        # However long their replies are, those that are left together cannot pass the cap.
        fresh = [_short_key(call.key) not in self._used for call in batch]
        raised, price = self.raised, self._prices.get(role)
        beyond = fresh[0] and raised is not None and self._limits_of(role, raised.sure).reached(self.capped) is not None
        if (
            raised is not None
            and beyond
            and self._slices.may_pass(batch[0], role, self._limits_of(role, raised.most), self.capped, price)
        ):
            raise BudgetSpent(f"another call may take what is set aside of {limits.metered_words()}")
        fits = self._slices.within(batch, fresh, role, limits, self.capped, price)
        return batch[: min(fits, self._to_be_scored(batch[0])) if role == "proposer" else fits]

    def slice_size(self, role: Role = "task") -> int:
        """How many calls to dispatch at once: fewer as a cap on tokens or dollars comes near (`Slices`)."""
        return self._slices.size(role, self._limits_of(role, self.limits), self.capped)

    def _limits_of(self, role: Role, limits: Limits) -> Limits:
        """Those of the caps that a call of the role can pass: one that is free passes none in dollars."""
        price = self._prices.get(role)
        free = price is not None and not (price.prompt_usd or price.completion_usd)
        return replace(limits, usd=None) if free and limits.usd is not None else limits

    def dearest(self, role: Role) -> tuple[float, float]:
        """Tokens and dollars that a call of the role took at most, of those asked so far."""
        return self._slices.dearest(role)

    def calls_spent(self) -> str:
        """The sentence for a cap on calls that is used up."""
        return f"{counted(self.capped.calls, 'call is', 'calls are')} spent"

    def _to_be_scored(self, first: Call) -> int:
        """How many more calls of the proposer leave what scores their replies, and those not scored yet.

        `first`: the next of them, by whose length alone is known what one takes before any was answered. Raises
        BudgetSpent where none does: a prompt that nothing is left for is paid for in vain.
        """
        asked, used = self.by_role.get("proposer", Ledger()), self.capped
        waiting, sizes = asked.calls - self._written_then, list[float]()
        least = self._slices.reading(first, self._prices.get("proposer"))
        for cap, spent, written, read, cell in zip(
            (self.limits.tokens, self.limits.usd), (used.tokens, used.usd), (asked.tokens, asked.usd), least,
            self._cell(), strict=True,
        ):  # fmt: skip
            if cap is not None and cell and spent is not None:
                kept, each = CELLS_EACH * cell, max(read, (written or 0.0) / max(1, asked.calls))
                sizes.append((cap - spent - waiting * kept) / (each + kept))
        # Where nobody said what a cell takes, all of them.
        size = min(sizes, default=SLICE)
        if size < 1:
            raise BudgetSpent(f"what is left of {self.limits.metered_words()} is kept to score what was written")
        return int(size)

    def _cell(self) -> tuple[float, float]:
        """Tokens and dollars of a cell: what one took so far, else what it is taken to take."""
        if not self.spent.evaluations:
            return self.cell
        used = Ledger()
        for role in (*ANSWERING, "judge"):
            used = used.plus(self.by_role.get(role, Ledger()))
        return used.tokens / self.spent.evaluations, (used.usd or 0.0) / self.spent.evaluations

    def _allow_for_probes(self, fresh: Sequence[tuple[Call, Mapping[str, Any]]], role: Role) -> None:
        if not fresh:
            return
        # A batch is of one kind.
        key = role, type(fresh[0][0].request)
        for call, reply in fresh:
            cheapest = self._cheapest.get(key)
            if reply["finish"] in ANSWERED and (cheapest is None or sum(reply["usage"]) < sum(cheapest[1])):
                self._cheapest[key] = call.request, reply["usage"]
        refused = [reply[REFUSED] for _, reply in fresh if REFUSED in reply]
        # Of all of the batch: which of them a probe repeated, where it did, depends on what came first.
        _, usage = self._cheapest.get(key, (None, HARMLESS_TOKENS))
        self._probes = self._probes.plus(self._ledger(role, 0, [usage] * len(refused)))
        now = self._usd(role, *usage) or 0.0
        # A probe may have been paid for before prices fell, as a reply may have been.
        then = [
            sum(each * tokens for each, tokens in zip(price, usage, strict=True)) for price in map(_price_pair, refused)
        ]
        self.fallen += sum(max(0.0, paid - now) for paid in then)

    def _ledger(self, role: Role, calls: int, usages: Sequence[Sequence[int]]) -> Ledger:
        """Of so many calls of a role, whose prompt and completion tokens these are."""
        reading, writing = (sum(each[at] for each in usages) for at in (0, 1))
        usd, by = self._usd(role, reading, writing), role == "proposer"
        return Ledger().with_calls(calls, proposer=by, prompt_tokens=reading, completion_tokens=writing, usd=usd)

    def _usd(self, role: Role, prompt_tokens: int, completion_tokens: int) -> float | None:
        price = self._prices.get(role)
        return None if price is None else prompt_tokens * price.prompt_usd + completion_tokens * price.completion_usd


def _price_pair(price: bool | Sequence[float]) -> Sequence[float]:
    # True where no price was known.
    return (0.0, 0.0) if isinstance(price, bool) else price


def _short_key(key: bytes) -> int:
    # Eight bytes tell a run's calls apart (a chance of 3e-8 of any collision among a million) at half the memory.
    return int.from_bytes(key[:8], "big")
