"""What a search asks of the models that write for it; one that refuses everything is not asked for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence, Sized

from promptopt.errors import BudgetSpent
from promptopt.protocols import Role
from promptopt.run.door import Door
from promptopt.run.fetching import ANSWERED
from promptopt.types import Reply, Request

TOLD = 3
"""Refusals in a row from which on the user is told. Ours."""
MOST_REFUSALS = 10
"""Refusals in a row after which the model is asked no more: methods draw again what came to nothing. Ours."""
MOST_CUT = 100
"""Asks in a row that a cap may cut without an evaluation between: some methods have all prompts written, ten at a time,
before they score any. Ours."""
LEFT_UNASKED = 200
"""Requests that are then left unasked without an evaluation between them, before the search ends. Ours."""


class ProposerCalls:
    """Asks through the door, and counts for each role the refusals in a row: filtered, declined, or not taken."""

    __slots__ = ("_answered", "_door", "_follow_budget", "_idle", "_refused", "_rounds", "_step", "_warn")

    def __init__(
        self, door: Door, warn: Callable[[str], None], follow_budget: Callable[[], None], rounds: Sized
    ) -> None:
        """`warn` takes a sentence, once; `follow_budget` is called before what a larger cap would let go otherwise.

        `rounds`: those that were recorded so far.
        """
        self._door, self._warn, self._follow_budget, self._rounds = door, warn, follow_budget, rounds
        self._refused: Counter[Role] = Counter()
        self._answered: set[Role] = set()
        # The evaluations that were spent when it was last left unasked, and the requests left unasked since.
        self._idle = (0, 0)
        # The evaluations and rounds when it was last asked, the answers since, and the asks that a cap cut.
        self._step = ((0, 0), 0, 0)

    def generate(self, requests: Sequence[Request], role: Role) -> list[Reply]:
        """As `Door.generate`. After `MOST_REFUSALS` refusals in a row all that follow are refused, and nobody is asked.

        It follows from the replies alone, so a replay goes the same way. Raises BudgetSpent where the search then asks
        on and on, and scores nothing.

        What was written and not scored yet is not lost to a cap on tokens, dollars or calls: where it cuts, the rest is
        given back unasked. Raises BudgetSpent where there is no such answer.
        """
        found: list[Reply] = []
        while len(found) < len(requests):
            left = MOST_REFUSALS - self._refused[role]
            if left <= 0:
                found += self._unasked(len(requests) - len(found), role)
                break
            # As few at a time as may all be refused, until it is known that they are not.
            known = role in self._answered and not self._refused[role]
            batch = requests[len(found) :] if known else requests[len(found) : len(found) + left]
            try:
                for reply in self._door.generate(batch, role):
                    found.append(reply)
                    self._count(reply, role)
            except BudgetSpent as cut:
                self._note_cut(cut)
                found += [Reply("", "unasked")] * (len(requests) - len(found))
        return found

    def _note_cut(self, cut: BudgetSpent) -> None:
        """Raise it where nothing was answered since the last evaluation or round, or a step asks on and on."""
        begun, answers, cuts = self._of_step()
        if not answers or cuts == MOST_CUT:
            raise cut
        self._step, self._door.account.cut = (begun, answers, cuts + 1), cut
        # With a larger cap the rest would have been asked for.
        self._follow_budget()

    def _of_step(self) -> tuple[tuple[int, int], int, int]:
        # What a round did not score when it was recorded, it had no use for: it was known, or broke the contract.
        now = (self._door.account.spent.evaluations, len(self._rounds))
        return self._step if self._step[0] == now else (now, 0, 0)

    def _count(self, reply: Reply, role: Role) -> None:
        if reply.finish in ANSWERED:
            self._answered.add(role)
            self._refused[role] = 0
            begun, answers, cuts = self._of_step()
            self._step = (begun, answers + 1, cuts)
            return
        self._refused[role] += 1
        if self._refused[role] == TOLD:
            self._warn(
                f"requests to the {role} are refused ({reply.finish}): what they show of the task may be what it "
                f"declines; name another model for the {role}, or leave such examples out"
            )

    def _unasked(self, count: int, role: Role) -> list[Reply]:
        # Told here: in a batch that went out whole, ten in a row may be followed by an answer.
        self._warn(f"{MOST_REFUSALS} requests to the {role} in a row were refused, so it is asked no more")
        evaluations, idle = self._idle
        now = self._door.account.spent.evaluations
        idle = count + (idle if now == evaluations else 0)
        self._idle = (now, idle)
        if idle > LEFT_UNASKED:
            raise BudgetSpent(f"the {role} refuses every request, and the search has nothing else to try")
        # As a filter would have it: every method knows that, counts it and goes on.
        return [Reply("", "filter")] * count
