"""A batch of calls: recorded and looked up, then asked and stored, then read back. A step each, in this order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.errors import (
    BackendError,
    ConfigError,
    Refused,
    RequestRefused,
    SomeRefused,
    StoreError,
    Suspended,
    of_request,
)
from promptopt.protocols import Model, Role, TextScorer
from promptopt.run.claimed_calls import ClaimedCalls
from promptopt.run.reply_checks import checked_replies
from promptopt.run.stored_replies import PAID_USD, REFUSED, stored_replies
from promptopt.store.cache import Cache
from promptopt.store.claims import Claims
from promptopt.store.journal import Journal
from promptopt.text import counted
from promptopt.types import Likelihoods, Message, Reply, Request, Sampling, ScoreRequest, canonical

ANSWERED = ("stop", "length")
"""How replies end that a model did not refuse."""
OTHERS = 3
"""Requests of a batch that are tried after the first one was refused, before that holds for all of them. Ours."""
HARMLESS = tuple(
    Request((Message("user", text),), Sampling(max_tokens=16))
    for text in ("Say hello.", "Name a colour of the rainbow.", "How many legs has a horse?")
)
"""What a model is asked that has refused its first request, and writes or judges: one of them it could answer."""
HARMLESS_TOKENS = (32, 16)
"""Tokens that one of these reads, at an octet each, and writes at most."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what is asked, its canonical text, its key."""

    request: Request | ScoreRequest
    text: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a role's calls: which model answers them, and who keeps, checks and pays for what it says.

    `usd` prices a reply. `pay` is told of every one that was asked for now, `settle` when one is stored: probes' are
    not.
    `answered`: a request that this model has answered in this run; empty where there is none. `untried`: gives what it
    could answer if it answers anything, where it refuses one before; where both are empty, that ends the run.
    """

    role: Role
    model: Model
    cache: Cache
    journal: Journal | None
    claims: Claims | None
    stopping: Callable[[], str | None]
    warn: Callable[[str], None]
    usd: Callable[[Mapping[str, Any]], float | None]
    pay: Callable[[Mapping[str, Any]], None]
    settle: Callable[[], None]
    answered: Sequence[Request | ScoreRequest] = ()
    untried: Callable[[], Sequence[Request | ScoreRequest]] = tuple


class Fetch:
    """One batch. Made, it is recorded and looked up; then `ask`, in the thread of the run; then `replies`."""

    def __init__(self, calls: Sequence[Call], route: Route, flying: Collection[bytes] = ()) -> None:
        """`flying`: keys that a batch before this one asks for, and has read back before this one is.

        Raises ReplayDiverged before anything is asked: a replay that goes another way must be told before it pays.
        """
        self._route, self._calls = route, calls
        # Equal calls of a batch are asked once; the journal has each of them, for a replay makes each of them.
        keys = list(dict.fromkeys(call.key for call in calls))
        if route.journal is not None:
            # Before anything is asked: after a kill the next execution finds every key of the batch, and asks for those
            # alone that have no reply.
            route.journal.follow([call.key for call in calls], route.cache.request, [call.text for call in calls])
        self._found = stored_replies(route.cache, keys, route.warn)
        # Probes that no refused request has taken the place of yet.
        self._probes = 0
        # What flies is lacking too: it is read back with the rest, once the batch before has stored it.
        self._lacking = [key for key in keys if key not in self._found]
        missing = {call.key: call for call in calls if call.key not in self._found and call.key not in flying}
        # Canonical JSON begins with the content, so this order puts requests that share a prefix side by side.
        self._missing = dict(sorted(missing.items(), key=lambda each: each[1].text))
        self._turns = ClaimedCalls(route.claims, self._missing, route.cache, route.stopping) if missing else None

    @property
    def asked(self) -> Collection[bytes]:
        """The keys that it asks for."""
        return self._missing.keys()

    def ask(self) -> None:
        """Ask for what the store lacks, and store each reply as it settles. Raises Suspended where the model fails."""
        if self._turns is None:
            return
        try:
            asked = 0
            while calls := self._turns.following():
                self._ask(calls)
                asked += len(calls)
                # Then `replies` lets go of them: it has the time.
                if asked == len(self._missing):
                    return
                self._flush()
        except BaseException:
            # At a stop as well: other runs wait for what is claimed here.
            self.close()
            raise

    def close(self) -> None:
        """Let go of what it asked for."""
        if self._turns is not None:
            self._turns.close()

    def replies(self) -> dict[bytes, Any]:
        """Every reply of the batch as JSON. Raises Suspended where one was not to be had."""
        route = self._route
        if self._lacking:
            try:
                self._flush()
            finally:
                self.close()
            # Read back instead of passed on: the program sees what a replay will see, byte for byte.
            self._found.update(stored_replies(route.cache, self._lacking, route.warn))
            lost = sum(key not in self._found for key in self._lacking)
            if lost:
                reason = route.stopping()
                raise Suspended(
                    f"{counted(lost, 'call')} of the {route.role} model without an answer" if reason is None else reason
                )
        return self._found

    def _ask(self, calls: Sequence[Call]) -> None:
        route = self._route
        reason = route.stopping()
        if reason is not None:
            raise Suspended(reason)
        missing: list[Call] = list(calls)
        spare, tried = self._spare(), 0
        try:
            while missing:
                answered: set[int] = set()
                try:
                    for index, value in _generated_as_json(missing, route):
                        self._put(missing[index], value)
                        answered.add(index)
                        if value["finish"] in ANSWERED and not route.answered:
                            spare = (missing[index].request,)
                    return
                except SomeRefused as refusal:
                    spare = spare if spare else route.untried()
                    self._refuse(refusal, missing, spare)
                    # Where many were refused in a row, the rest of the batch was not asked for yet.
                    done = answered | refusal.places.keys()
                    missing = [call for place, call in enumerate(missing) if place not in done]
                except (Refused, RequestRefused) as refusal:
                    # By a server that this process has had no answer from yet: it may take others.
                    if not of_request(refusal) or tried > OTHERS:
                        raise
                    missing = [call for place, call in enumerate(missing) if place not in answered]
                    others = tried < OTHERS and len(missing) - tried > 1
                    # Those of a longer batch come first, for they are to be asked anyway; they may all be of one row.
                    if not spare and (len(calls) <= OTHERS or not others):
                        spare = route.untried()
                    if not spare:
                        if not others:
                            raise
                        # The next goes first: which request of a batch is refused must not decide what becomes of all.
                        missing, tried = [*missing[1:], missing[0]], tried + 1
                        continue
                    # Once it has answered, the model tells refusals of one request by itself, and one that ends the
                    # batch again is of all.
                    tried, first, missing = OTHERS + 1, missing[0], missing[1:]
                    self._ask_alone(first, refusal, spare)
                finally:
                    # Where the model fails, too: what was answered is paid for.
                    route.cache.flush()
        # Told apart from an outage, which ends by itself: here the user has to mend something first.
        except (Refused, RequestRefused) as refusal:
            raise Suspended(f"{refusal}; once that is mended, run the same command to go on") from refusal
        except (BackendError, StoreError) as outage:
            raise Suspended(str(outage)) from outage

    def _spare(self) -> Sequence[Request | ScoreRequest]:
        """What was answered before, to be asked where a request is refused: to see whether others are answered."""
        route = self._route
        if route.answered:
            return route.answered
        # Of this batch, as after a run that was cut off.
        found = [call.request for call in self._calls if self._found.get(call.key, {}).get("finish") in ANSWERED]
        return found[:1]

    def _put(self, call: Call, value: Mapping[str, Any]) -> None:
        # To the store first: nothing counts as paid that is not on its way to the disk.
        self._store(call, value)
        self._route.pay(value)

    def _store(self, call: Call, value: Mapping[str, Any]) -> None:
        usd = self._route.usd(value)
        kept = {**value, PAID_USD: usd} if usd else value
        self._route.cache.put(call.key, self._route.model.name, call.text, canonical(kept))
        self._route.settle()

    def _refuse(self, refusal: SomeRefused, missing: Sequence[Call], spare: Sequence[Request | ScoreRequest]) -> None:
        """Settle requests that were refused, where the model answers others: an outcome of these, as a filter's is.

        Raises the refusal where it answers none now, Suspended where the run stops.
        """
        # A run that stops must not pay for a question of ours.
        reason = self._route.stopping()
        if reason is not None:
            raise Suspended(reason)
        first = refusal.__cause__
        # `Refusals.tell` raises it from the first of them.
        assert isinstance(first, BackendError)
        # Whoever has answered another request since need not be asked whether it answers at all.
        if not all(refusal.places.values()) and not self._answers(spare):
            raise first
        self._put_refused([missing[place] for place in refusal.places], refusal)

    def _put_refused(self, calls: Sequence[Call], refusal: BackendError) -> None:
        # What a probe cost a token, read and written, on whichever of the refused requests it was spent.
        price = [self._route.usd({"usage": usage}) for usage in ((1, 0), (0, 1))]
        for call in calls:
            scored = isinstance(call.request, ScoreRequest)
            reply = Likelihoods(finish="rejected") if scored else Reply("", "rejected")
            value = {**reply.to_json(), REFUSED: True if None in price else price}
            if self._probes:
                # Nobody pays for a request that is refused: the probe, which is paid for, is counted in its place.
                self._probes -= 1
                self._store(call, value)
            else:
                self._put(call, value)
        self._route.warn(
            f"the {self._route.role} model refuses some requests and answers others, so each that is refused counts "
            f"as unanswered: {refusal}"
        )

    def _ask_alone(self, call: Call, before: BackendError, spare: Sequence[Request | ScoreRequest]) -> None:
        """Ask one of a batch: where it is refused, a probe takes its place.

        `before`: what was refused of the batch. Raised where the model answers none now.
        """
        try:
            for _, value in _generated_as_json([call], self._route):
                self._put(call, value)
        except (Refused, RequestRefused, SomeRefused) as refusal:
            if isinstance(refusal, Refused | RequestRefused) and not of_request(refusal):
                raise
            if not self._answers(spare):
                raise before from None
            self._put_refused([call], before)

    def _answers(self, spare: Sequence[Request | ScoreRequest]) -> bool:
        """Whether the model answers the first of `spare` that it takes, now: a probe, asked anew, and paid for.

        Raises BackendError where that is no refusal of a request, Suspended where the run stops.
        """
        for request in spare:
            try:
                # Without a key, for no reply of it is stored: the question is whether there is an answer now.
                settled = list(_generated_as_json([Call(request, "", b"")], self._route))
            # Refused again, or not to be sent in this form: the next of them may do.
            except (Refused, RequestRefused) as refusal:
                if not of_request(refusal):
                    raise
                continue
            except (SomeRefused, ConfigError):
                continue
            # Without a reply the run stops.
            if not settled:
                break
            # No second one, whatever was said: it takes the place of one refused request.
            ((_, value),) = settled
            self._probes += 1
            self._route.pay(value)
            return value["finish"] in ANSWERED
        reason = self._route.stopping()
        if reason is not None:
            raise Suspended(reason)
        return False

    def _flush(self) -> None:
        try:
            self._route.cache.flush()
        except StoreError as outage:
            raise Suspended(str(outage)) from outage


def _generated_as_json(missing: Sequence[Call], route: Route) -> Iterator[tuple[int, dict[str, Any]]]:
    asked = [call.request for call in missing]
    for index, reply in checked_replies(_generated(missing, route), asked, route.model.name, route.warn):
        yield index, reply.to_json()


def _generated(missing: Sequence[Call], route: Route) -> Iterable[tuple[int, Reply | Likelihoods]]:
    def stopping() -> bool:
        return route.stopping() is not None

    # A batch is of one kind: the door takes both by methods of their own.
    if isinstance(missing[0].request, ScoreRequest):
        assert isinstance(route.model, TextScorer)
        texts = [call.request for call in missing if isinstance(call.request, ScoreRequest)]
        return route.model.score(texts, stopping)
    requests = [call.request for call in missing if isinstance(call.request, Request)]
    return route.model.generate(requests, stopping)
