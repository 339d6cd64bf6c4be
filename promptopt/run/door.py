"""The one door to the models: keyed, recorded, checked, charged, and cut at the limits."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from promptopt.errors import BackendError, BudgetSpent, ConfigError, StoreError, Suspended
from promptopt.models.prices import Price
from promptopt.models.providers import scoring_forms
from promptopt.protocols import ANSWERING, Model, Role, ScoresOnly, TextScorer
from promptopt.run.budget import Limits
from promptopt.run.charging import Account
from promptopt.run.fetching import HARMLESS, OTHERS, Call, Fetch, Route
from promptopt.run.lost_tries import LostTries
from promptopt.run.pipeline import Handlers, OrderedPipeline
from promptopt.run.served_models import ServedModels
from promptopt.run.slices import SLICE
from promptopt.run.suspendable import suspendable
from promptopt.store.cache import Cache
from promptopt.store.call_keys import call_key
from promptopt.store.claims import Claims
from promptopt.store.journal import Journal
from promptopt.store.tables import MEMO
from promptopt.types import Content, Likelihoods, Reply, Request, ScoreRequest, canonical


class Door:
    """`protocols.Ask` for a run: every model call of every role goes through here, in submission order.

    What they cost is charged to its `account`.
    """

    def __init__(
        self,
        *,
        models: Mapping[Role, Model],
        prices: Mapping[Role, Price | None],
        cache: Cache,
        journal: Journal | None,
        limits: Limits,
        seed: int,
        stopping: Callable[[], str | None],
        warn: Callable[[str], None],
        claims: Claims | None = None,
    ) -> None:
        """`stopping`: the reason to suspend now, or None. `warn` takes a sentence. `claims`: as in `ClaimedCalls`."""
        self.models, self.account, self.journal = dict(models), Account(limits, prices), journal
        self._cache, self._seed, self.blobs = cache, seed, cache.blobs
        self._stopping, self._warn, self._claims = stopping, warn, claims
        self._draws = Counter[tuple[Role, str]]()
        self._owner, self._unsaid = 0, list[str]()
        self._served, self._scorers = ServedModels(self._say), dict[str, bool]()
        self._checking = False
        self.lost = LostTries()
        self.beside: Callable[[], Sequence[Content]] | None = None
        """What is asked for examples beside those that are asked for now: tried where what is asked is refused before
        the first answer. None before any example was asked for."""
        self.at_once: Callable[[bool], int] = lambda _: SLICE
        """How many cells are asked for at once, by whether one takes several calls."""
        self.strict = journal is None
        """Whether what a model refuses ends it all: where a prompt or a layout is tried, that is to be known."""

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        """Replies in the order asked; the draw of a sampled reply is `repetition`, shared by all runs and methods."""
        draws = [f"evaluate {repetition}"] * len(requests)
        asked = self._calls(requests, draws, role, greedy=self._greedy(role, repetition))
        return [Reply.from_json(reply) for reply in self._settle(asked, role)]

    def each(
        self, requests: Sequence[Request], draws: Sequence[str], *, role: Role = "task", repetition: int = 0
    ) -> Iterator[Reply]:
        """The replies in order, up to where a limit cuts; sampled ones are shared where request and draw are equal."""
        asked = self._calls(requests, draws, role, greedy=self._greedy(role, repetition))
        return (Reply.from_json(reply) for reply in self._settle(asked, role))

    @contextmanager
    def ahead(self, *, role: Role = "task", repetition: int = 0) -> Generator[OrderedPipeline | None]:
        """As `protocols.AskAhead`."""
        # How much of such a cap is left is known once replies are read, so no batch can begin before that.
        if self.account.limits.metered:
            yield None
            return
        greedy, charged = self._greedy(role, repetition), self._in_charge(role)

        def calls(requests: Sequence[Request], draws: Sequence[str]) -> list[Call]:
            return self._calls(requests, draws, role, greedy=greedy)

        def charge(batch: Sequence[Call], values: Sequence[Any]) -> str:
            self._charge(batch, values, charged)
            return self.account.calls_spent()

        # Replies of a pipeline are read in a thread beside this one (`programs.lockstep`), and observers are not safe
        # there: what is said meanwhile waits in `_unsaid`.
        self._owner = threading.get_ident()
        pipeline = OrderedPipeline(
            Handlers(calls, self.account.admit, lambda each, flying: self._fetch(each, charged, flying), charge)
        )
        try:
            yield pipeline
        finally:
            pipeline.close()
            unsaid, self._unsaid, self._owner = self._unsaid, [], 0
            for message in unsaid:
                self._warn(message)

    def generate(self, requests: Sequence[Request], role: Role) -> Iterator[Reply]:
        """Replies in order, up to where a limit cuts; the k-th equal request of this run is draw k of its seed."""
        # A text of the method's own, before any example was asked for, has none beside it.
        if self.beside is None:
            self.beside = _harmless
        asked: list[Call] = []
        for request in requests:
            text = canonical(request.to_json())
            count = self._draws[role, text]
            # Counted for each role: what the judge asked before the proposer must not move the proposer's draws.
            self._draws[role, text] += 1
            asked.append(self._asked(request, role, f"generate {self._seed} {count}", text))
        return (Reply.from_json(reply) for reply in self._settle(asked, role))

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        """Log-likelihoods of given texts. Raises ConfigError when the model of that role cannot give them."""
        model = self._model(role)
        if not self.can_score(role):
            raise ConfigError(
                f"the {role} model {model.name!r} cannot give the log-probabilities of a given text; these can: "
                f"{scoring_forms()}; what goes by what the model writes, with --evaluator generation, needs none"
            )
        if not isinstance(model, ScoresOnly) or model.generates:
            # To all but masked models a mask is a text like any other, and moves no key.
            requests = [replace(request, literal=()) if request.literal else request for request in requests]
        asked = [
            Call(request, text, call_key(model.name, text, "score"))
            for request in requests
            for text in (canonical(request.to_json()),)
        ]
        found = [Likelihoods.from_json(reply) for reply in self._settle(asked, role)]
        if any(each.merged for each in found):
            self.warn(
                "a token reaches from the prompt into the text that is scored after it; it counts as the text's (a "
                "layout that ends in a letter or a space, before a text that goes on without one, causes this)"
            )
        return found

    def can_score(self, role: Role = "task") -> bool:
        """Whether the model of that role is a TextScorer that can. Asked of the engine once, then of the journal."""
        model = self._model(role)
        if not isinstance(model, TextScorer):
            return False
        if model.name not in self._scorers:
            try:
                # As text in the journal: a replay has to go the same way where the server is gone.
                answer = self.memo("can score", [model.name], lambda: str(suspendable(model.can_score, self._stopping)))
            # An engine that is down now may say it later: nothing is stored of this, and the run can go on.
            except BackendError as outage:
                raise Suspended(str(outage)) from outage
            self._scorers[model.name] = answer == str(True)
        return self._scorers[model.name]

    @property
    def answering(self) -> list[Role]:
        """The roles of the models that answer."""
        return [role for role in ANSWERING if role in self.models]

    def samples(self, role: Role) -> bool:
        """Whether the model of that role has been seen to sample where it was asked not to."""
        return self._served.samples(self._model(role).name)

    def warn(self, message: str) -> None:
        """Tell the user a sentence, once."""
        self._warn(message)

    def exchange_task_model(self, model: Model, price: Price | None) -> None:
        """Ask another task model from here on."""
        if model is not self.models["task"]:
            self.models["task"] = model
            self.account.exchange_price("task", price)
            # Another model is asked on purpose: that is no change to warn of.
            self._served.forget("task")

    def exchange_judge(self) -> None:
        """Ask the check judge from here on, wherever a judge is asked, and charge its role."""
        self._checking = True

    def memo(self, name: str, inputs: Sequence[str], compute: Callable[[], str]) -> str:
        """`compute()` once for these inputs, then what the store holds; journaled like a call, and never charged."""
        text = canonical([name, *inputs])
        key = call_key(MEMO, text, MEMO)
        if self.journal is not None:
            self.journal.follow([key], self._cache.request, [text])
        found = self._cache.get([key])
        if key not in found:
            # Read back as replies are: where another process stored its own first, that one counts.
            self._cache.put(key, MEMO, text, canonical(compute()))
            self._cache.flush()
            found = self._cache.get([key])
        try:
            return str(json.loads(found[key]))
        except ValueError as cause:
            raise StoreError(
                f"the store holds a damaged {name!r}; move the store away, or `promptopt cache gc` if no run needs it"
            ) from cause

    def _in_charge(self, role: Role) -> Role:
        return "check_judge" if self._checking and role == "judge" else role

    def _model(self, role: Role) -> Model:
        """The model of a role. Raises ConfigError where a panel has fewer judges than it asks."""
        role = self._in_charge(role)
        if role not in self.models:
            raise ConfigError(f"no {role} is named, and the panel asks it: name them as --judge A,B,C, or set its size")
        return self.models[role]

    def _greedy(self, role: Role, repetition: int) -> bool:
        """Whether what is asked at temperature 0 has one answer, in this repetition too."""
        # A model that takes no temperature has none: a further repetition is a further draw of it.
        return not (repetition > 0 and self.samples(role))

    def _calls(self, requests: Sequence[Request], draws: Sequence[str], role: Role, *, greedy: bool) -> list[Call]:
        return [self._asked(each, role, draw, greedy=greedy) for each, draw in zip(requests, draws, strict=True)]

    def _asked(self, request: Request, role: Role, draw: str, text: str | None = None, *, greedy: bool = True) -> Call:
        if text is None:
            text = canonical(request.to_json())
        # One answer, so one key for all draws: every run and repetition shares it.
        if request.sampling.temperature == 0 and greedy:
            draw = "greedy"
        key = call_key(self._model(role).name, text, draw)
        if draw != "greedy":
            # The seed follows from the key, so it need not be part of it. 31 bits: engines take signed numbers.
            request = replace(request, seed=int.from_bytes(key[:4], "big") >> 1)
        return Call(request, text, key)

    def _settle(self, asked: Sequence[Call], role: Role) -> Iterator[Any]:
        """The stored replies as JSON values, in order, slice by slice."""
        start, role = 0, self._in_charge(role)
        while start < len(asked):
            # Between slices only: within one, all of it is asked for already.
            batch = self.account.next_slice(asked[start : start + SLICE], role)
            admitted = self.account.admit(batch)
            # Near a cap a call goes alone, and has no others beside it that could be tried where it is refused.
            others = asked[start + len(batch) :][:OTHERS] if len(batch) <= OTHERS else ()
            fetch = self._fetch(batch[:admitted], role, others=[call.request for call in others])
            fetch.ask()
            replies = fetch.replies()
            values = [replies[call.key] for call in batch[:admitted]]
            # Before anything is handed on: whoever stops reading here has had the replies all the same.
            self._charge(batch, values, role)
            yield from values
            if admitted < len(batch):
                raise BudgetSpent(self.account.calls_spent())
            start += admitted

    def _charge(self, batch: Sequence[Call], replies: Sequence[Any], role: Role) -> None:
        charged = self.account.charge(batch, replies, role)
        if self.account.fallen and self.account.limits.usd is not None:
            self._say(
                "replies in the store were paid for at higher prices than today's: the cap in dollars counts what was "
                "paid for them, while what is shown as spent is by today's prices"
            )
        for reply in charged:
            # A request refused before any model saw it names none.
            if reply["served"]:
                self._served.note(role, self.models[role].name, reply["served"])
            if reply.get("sampled"):
                self._served.note_sampling(role, self.models[role].name)

    def _fetch(
        self,
        batch: Sequence[Call],
        role: Role,
        flying: Collection[bytes] = (),
        others: Sequence[Request | ScoreRequest] = (),
    ) -> Fetch:
        self.lost.watch(self.models[role])
        answered = () if self.strict or not batch else self.account.cheapest(role, type(batch[0].request))
        route = Route(
            role=role, model=self.models[role], cache=self._cache, journal=self.journal, claims=self._claims,
            stopping=self._stopping, warn=self._say,
            usd=partial(self.account.usd, role), pay=partial(self.account.pay, role),
            settle=partial(self.account.settle, role), answered=answered,
            untried=tuple if self.strict or answered else partial(self._untried, batch, role, others),
        )  # fmt: skip
        return Fetch(batch, route, flying)

    def _untried(
        self, batch: Sequence[Call], role: Role, others: Sequence[Request | ScoreRequest]
    ) -> Sequence[Request | ScoreRequest]:
        """What a model could answer that has answered nothing yet, where it refuses the whole batch."""
        if role not in ANSWERING:
            return HARMLESS
        # The task model's first refusal may be of the prompt's layout, and so of all that a search would ask: what is
        # tried is laid out as that is.
        beside = () if self.beside is None else self.beside()
        return [*others, *(replace(batch[0].request, content=content) for content in beside)]

    def _say(self, message: str) -> None:
        """Tell the user a sentence, once: in the thread of the run, where whoever looks on expects it."""
        if self._owner in (0, threading.get_ident()):
            self._warn(message)
        else:
            self._unsaid.append(message)


def _harmless() -> list[Content]:
    return [request.content for request in HARMLESS]
