"""Requests of a batch that a server refuses though it has answered others: whose fault that is, and when to stop."""

from __future__ import annotations

from promptopt.errors import BackendError, Refused, RequestRefused, SomeRefused, of_request

TRIES = 2
"""How often a request is refused before that is its outcome: a gateway may have been restarted just then. Ours."""
IN_A_ROW = 32
"""Requests refused in a row, after which no more of a batch is asked for: it may be every request by now. Ours."""


class Refusals:
    """The requests of one batch that were refused for good, with how many others had been answered by then."""

    def __init__(self) -> None:
        """None so far."""
        self._found: dict[int, tuple[BackendError, int]] = {}

    @staticmethod
    def may_be_of_one(refusal: Refused | RequestRefused, answered: int) -> bool:
        """Whether it may be about one request: the server has `answered` others, and it is no key or account."""
        return answered > 0 and of_request(refusal)

    def add(self, index: int, refusal: BackendError, answered: int) -> bool:
        """Take note of one; whether so many in a row are refused that it may be every request."""
        self._found[index] = (refusal, answered)
        return sum(then == answered for _, then in self._found.values()) >= IN_A_ROW

    def tell(self, answered: int) -> None:
        """Raise SomeRefused where there are any. `answered`: requests of all time, by now."""
        if self._found:
            first, _ = next(iter(self._found.values()))
            raise SomeRefused(str(first), {at: then < answered for at, (_, then) in self._found.items()}) from first
