"""How many calls go out together under a cap on tokens or dollars, which are known once replies are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from promptopt.models.prices import Price
from promptopt.protocols import Role
from promptopt.run.budget import Ledger, Limits
from promptopt.run.fetching import Call
from promptopt.types import Request

SLICE = 2048
"""Calls dispatched at once where no limit depends on what they answer; bounds memory, not concurrency. Ours."""
FIRST_SLICE = 1
"""Calls of a role's first slice under such a cap: a model that thinks beyond `max_tokens` is not known to before it has
answered. Each further one has at most as many as were answered, and one more. Ours."""

MOST_OCTETS = 6
"""Octets of a token at most, over a whole request: of English there are four to five. Ours."""


class Slices:
    """Sizes of slices that such a cap can take, whatever is answered: only the call that goes alone can pass it.

    A call reads at most a token for each octet that it sends. It writes at most `max_tokens`, or what the longest reply
    of its role took so far, for some models think beyond it. All this follows from the program, so a replay cuts alike.
    """

    def __init__(self) -> None:
        # By role: a request to a proposer may be as long as a hundred to the task model.
        self._dearest: dict[Role, tuple[float, float]] = {}
        self._longest: dict[Role, int] = {}
        self._seen = Counter[Role]()

    def dearest(self, role: Role) -> tuple[float, float]:
        """The tokens and dollars that a call of the role takes at most, as far as any was asked."""
        return self._dearest.get(role, (0.0, 0.0))

    def saw(self, role: Role, written: Sequence[int]) -> None:
        """Take note of how many tokens replies had."""
        self._longest[role] = max(self._longest.get(role, 0), *written, 0)
        self._seen[role] += len(written)

    def size(self, role: Role, limits: Limits, used: Ledger) -> int:
        """How many calls of a role may go out, if none takes more at most than those of it before.

        By what a call took on average, half of what is left at most: calls that become dearer are then noticed.
        """
        if not limits.metered:
            return SLICE
        known = FIRST_SLICE + self._seen[role]
        if used.calls == 0:
            return known
        sizes: list[float] = [known]
        tokens, usd = self.dearest(role)
        if limits.tokens is not None:
            left = limits.tokens - used.tokens
            sizes += [left / max(1.0, used.tokens / used.calls) / 2, left / max(1.0, tokens)]
        if limits.usd is not None and used.usd:
            left = limits.usd - used.usd
            sizes += [left / (used.usd / used.calls) / 2, *([left / usd] if usd else [])]
        return max(1, min(SLICE, int(min(sizes))))

    def within(
        self,
        batch: Sequence[Call],
        fresh: Sequence[bool],
        role: Role,
        limits: Limits,
        used: Ledger,
        price: Price | None,
    ) -> int:
        """How many of the batch, from its start, cannot pass the cap together; at least one.

        `fresh`: of each call whether it takes anything; those that this run was charged for do not.
        """
        tokens, usd = float(used.tokens), 0.0 if used.usd is None else used.usd
        dearest, fits = self.dearest(role), 0
        for call, new in zip(batch, fresh, strict=True):
            if new:
                takes, costs = self._most(call, role, price)
                dearest = max(dearest[0], takes), max(dearest[1], costs)
                tokens, usd = tokens + takes, usd + costs
            if _passes(limits, tokens, usd):
                break
            fits += 1
        self._dearest[role] = dearest
        return max(1, fits)

    def may_pass(self, call: Call, role: Role, limits: Limits, used: Ledger, price: Price | None) -> bool:
        """Whether a call alone may pass the cap."""
        takes, costs = self._most(call, role, price)
        return _passes(limits, used.tokens + takes, 0.0 if price is None or used.usd is None else used.usd + costs)

    def reading(self, call: Call, price: Price | None) -> tuple[float, float]:
        """Tokens and dollars that a call takes at least, as it reads the request."""
        read = len(call.text.encode("utf-8", "surrogatepass")) / MOST_OCTETS
        return read, 0.0 if price is None else read * price.prompt_usd

    def _most(self, call: Call, role: Role, price: Price | None) -> tuple[int, float]:
        """Tokens and dollars that a call takes at most; no dollars where the price is unknown."""
        read, written = _read_and_written(call)
        written = max(written, self._longest.get(role, 0))
        return read + written, 0.0 if price is None else read * price.prompt_usd + written * price.completion_usd


def _passes(limits: Limits, tokens: float, usd: float) -> bool:
    return (limits.tokens is not None and tokens > limits.tokens) or (limits.usd is not None and usd > limits.usd)


def _read_and_written(call: Call) -> tuple[int, int]:
    """Tokens that a call reads and writes at most: as canonical JSON it has more octets than its texts have tokens."""
    read = len(call.text.encode("utf-8", "surrogatepass"))
    if isinstance(call.request, Request):
        return read, call.request.sampling.max_tokens
    # Each continuation may be read after the whole content.
    return read * max(1, len(call.request.continuations)), 0
