"""The one door to the models: keyed, recorded, checked, charged, and cut at the limits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptopt.errors import BackendError, BudgetSpent, ConfigError, Refused, StoreError, Suspended
from promptopt.models.prices import Price
from promptopt.models.providers import scoring_forms
from promptopt.protocols import Model, Role, TextScorer
from promptopt.run.arrivals import seen_through
from promptopt.run.beside import beside
from promptopt.run.budget import Ledger, Limits
from promptopt.run.claimed import in_turns
from promptopt.run.served import Served
from promptopt.run.stored import known, usage
from promptopt.store.cache import Cache, call_key
from promptopt.store.claims import Claims
from promptopt.store.journal import Journal
from promptopt.text import counted
from promptopt.types import Likelihoods, Reply, Request, ScoreRequest, canonical

SLICE = 2048
"""Calls dispatched at once where no limit depends on what they answer; bounds memory, not concurrency."""


@dataclass(frozen=True, slots=True)
class _PendingCall:
    """One call: what is asked, its canonical text, its draw, its key."""

    request: Request | ScoreRequest
    text: str
    key: bytes


class Door:
    """`protocols.Ask` for a run: every model call of every role goes through here, in submission order.

    `spent` is a function of the program and equal on replay, `by_role` the same by who was asked; `paid` is what went
    out this session.
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
        """`stopping` gives the reason to suspend now, or None; `warn` takes a sentence; `claims`: as in `in_turns`."""
        self.spent, self.paid, self.by_role = Ledger(), Ledger(), dict[Role, Ledger]()
        self.models, self.limits, self.journal = dict(models), limits, journal
        self._prices, self._cache, self._seed, self.blobs = dict(prices), cache, seed, cache.blobs
        self._stopping, self._warn, self._claims = stopping, warn, claims
        self._used: set[int] = set()
        self._draws: Counter[tuple[Role, str]] = Counter()
        self._served = Served(warn)
        self._scorers: dict[str, bool] = {}
        self._checking = False

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        """Replies in the order asked; the draw of a sampled reply is `repetition`, shared by all runs and methods."""
        # A model that takes no temperature has no one answer: a further repetition is a further draw of it.
        draws = repetition > 0 and self.samples(role)
        asked = [self._asked(request, role, f"evaluate {repetition}", greedy=not draws) for request in requests]
        return [Reply.from_json(reply) for reply in self._settle(asked, role)]

    def each(
        self, requests: Sequence[Request], draws: Sequence[str], *, role: Role = "task", repetition: int = 0
    ) -> Iterator[Reply]:
        """The replies in order, up to where a limit cuts; sampled ones are shared where request and draw are equal."""
        greedy = not (repetition > 0 and self.samples(role))
        asked = [self._asked(each, role, draw, greedy=greedy) for each, draw in zip(requests, draws, strict=True)]
        return (Reply.from_json(reply) for reply in self._settle(asked, role))

    def generate(self, requests: Sequence[Request], role: Role) -> list[Reply]:
        """Replies in the order asked; the k-th equal request of this run is draw k of its seed."""
        asked: list[_PendingCall] = []
        for request in requests:
            text = canonical(request.to_json())
            count = self._draws[role, text]
            # Counted for each role: what the judge asked before the proposer must not move the proposer's draws.
            self._draws[role, text] += 1
            asked.append(self._asked(request, role, f"generate {self._seed} {count}", text))
        return [Reply.from_json(reply) for reply in self._settle(asked, role)]

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        """Log-likelihoods of given texts. Raises ConfigError when the model of that role cannot give them."""
        model = self._model(role)
        if not self.can_score(role):
            raise ConfigError(
                f"the {role} model {model.name!r} cannot give the log-probabilities of a given text; these can: "
                f"{scoring_forms()}; a search by what the model writes, with --evaluator generation, needs none"
            )
        asked = [
            _PendingCall(request, text, call_key(model.name, text, "score"))
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
                answer = self.memo("can score", [model.name], lambda: str(beside(model.can_score, self._stopping)))
            except BackendError as outage:
                raise Suspended(str(outage)) from outage
            self._scorers[model.name] = answer == str(True)
        return self._scorers[model.name]

    def samples(self, role: Role) -> bool:
        """Whether the model of that role has been seen to sample where it was asked not to."""
        return self._served.samples(self._model(role).name)

    def warn(self, message: str) -> None:
        """Tell the user a sentence, once."""
        self._warn(message)

    def exchange_task_model(self, model: Model, price: Price | None) -> None:
        """Ask another task model from here on."""
        if model is not self.models["task"]:
            self.models["task"], self._prices["task"] = model, price
            # Another model is asked on purpose: that is no change to warn of.
            self._served.forget("task")

    def exchange_judge(self) -> None:
        """Ask the check judge from here on, wherever a judge is asked, and charge its role."""
        self._checking = True

    def memo(self, name: str, inputs: Sequence[str], compute: Callable[[], str]) -> str:
        """`compute()` once for these inputs, then what the store holds; journaled like a call, and never charged."""
        text = canonical([name, *inputs])
        key = call_key("memo", text, "memo")
        if self.journal is not None:
            self.journal.follow([key], self._cache.request, [text])
        found = self._cache.get([key])
        if key not in found:
            self._cache.put(key, "memo", text, canonical(compute()))
            self._cache.flush()
            found = self._cache.get([key])
        try:
            return str(json.loads(found[key]))
        except ValueError as cause:
            raise StoreError(
                f"the store holds a damaged {name!r}; move the store away, or `promptopt cache gc` where no run of "
                f"yours needs it"
            ) from cause

    def slice_size(self) -> int:
        """How many calls to dispatch at once: fewer as a cap on tokens or dollars comes near.

        What is in flight can overshoot such a cap by one slice at most; aiming each slice at half of what is left
        makes the last one small.
        """
        if not self.limits.metered:
            return SLICE
        # What a call takes is not known before the first replies.
        if self.spent.calls == 0:
            return 8
        sizes: list[float] = []
        if self.limits.tokens is not None:
            sizes.append((self.limits.tokens - self.spent.tokens) / max(1.0, self.spent.tokens / self.spent.calls))
        if self.limits.usd is not None and self.spent.usd:
            sizes.append((self.limits.usd - self.spent.usd) / (self.spent.usd / self.spent.calls))
        return max(1, min(SLICE, int(min(sizes, default=SLICE) / 2)))

    def _in_charge(self, role: Role) -> Role:
        return "check_judge" if self._checking and role == "judge" else role

    def _model(self, role: Role) -> Model:
        """The model of a role. Raises ConfigError where a panel has fewer judges than it asks."""
        role = self._in_charge(role)
        if role not in self.models:
            raise ConfigError(f"no {role} is named, and the panel asks it: name them as --judge A,B,C, or set its size")
        return self.models[role]

    def _asked(
        self, request: Request, role: Role, draw: str, text: str | None = None, *, greedy: bool = True
    ) -> _PendingCall:
        if text is None:
            text = canonical(request.to_json())
        if request.sampling.temperature == 0 and greedy:
            draw = "greedy"
        key = call_key(self._model(role).name, text, draw)
        if draw != "greedy":
            # The seed follows from the key, so it need not be part of it. 31 bits: engines take signed numbers.
            request = replace(request, seed=int.from_bytes(key[:4], "big") >> 1)
        return _PendingCall(request, text, key)

    def _settle(self, asked: Sequence[_PendingCall], role: Role) -> Iterator[Any]:
        """The stored replies as JSON values, in order, slice by slice."""
        start, role = 0, self._in_charge(role)
        while start < len(asked):
            reached = self.limits.reached(self.spent)
            if reached is not None:
                raise BudgetSpent(f"{reached} are spent")
            batch = asked[start : start + self.slice_size()]
            admitted = self._admit(batch)
            replies = self._fetch(batch[:admitted], role)
            values = [replies[call.key] for call in batch[:admitted]]
            # Before anything is handed on: whoever stops reading here has had the replies all the same.
            self._charge(batch, values, role)
            yield from values
            if admitted < len(batch):
                raise BudgetSpent(f"{counted(self.spent.calls, 'call is', 'calls are')} spent")
            start += admitted

    def _admit(self, batch: Sequence[_PendingCall]) -> int:
        """How many of the batch, from its start, the cap on calls lets through."""
        left = self.limits.calls_left(self.spent)
        if left is None:
            return len(batch)
        fresh: set[int] = set()
        for position, call in enumerate(batch):
            short = _short(call.key)
            if short not in self._used:
                fresh.add(short)
            if len(fresh) > left:
                return position
        return len(batch)

    def _charge(self, batch: Sequence[_PendingCall], replies: Sequence[Any], role: Role) -> None:
        """Charge those calls that this run uses for the first time, whether they were asked now or long ago."""
        calls = prompt_tokens = completion_tokens = 0
        # A cap on calls may have let only the first of the batch through.
        for call, reply in zip(batch, replies, strict=False):
            short = _short(call.key)
            if short not in self._used:
                self._used.add(short)
                reading, writing = usage(reply)
                calls, prompt_tokens, completion_tokens = (
                    calls + 1,
                    prompt_tokens + reading,
                    completion_tokens + writing,
                )
                # A request refused before any model saw it names none.
                if reply["served"]:
                    self._served.note(role, self.models[role].name, reply["served"])
                if reply.get("sampled"):
                    self._served.note_sampling(role, self.models[role].name)
        usd = self._usd(role, prompt_tokens, completion_tokens)
        self.spent, self.by_role[role] = (
            each.with_calls(calls, proposer=role == "proposer", prompt_tokens=prompt_tokens,
                            completion_tokens=completion_tokens, usd=usd)
            for each in (self.spent, self.by_role.get(role, Ledger()))
        )  # fmt: skip

    def _usd(self, role: Role, prompt_tokens: int, completion_tokens: int) -> float | None:
        price = self._prices.get(role)
        if price is None:
            return None
        return prompt_tokens * price.prompt_usd + completion_tokens * price.completion_usd

    def _fetch(self, batch: Sequence[_PendingCall], role: Role) -> dict[bytes, Any]:
        """Every reply of the batch as JSON, from the store; what it lacks is asked, stored, and read back."""
        keys = list(dict.fromkeys(call.key for call in batch))
        # Before anything is asked: a replay that goes another way must be told before it pays for it.
        if self.journal is not None:
            self.journal.follow([call.key for call in batch], self._cache.request, [call.text for call in batch])
        found = known(self._cache, keys, self._warn)
        if len(found) < len(keys):
            missing = {call.key: call for call in batch if call.key not in found}
            with in_turns(self._claims, missing, self._cache, self._stopping) as turns:
                for calls in turns:
                    self._ask(calls, role)
            # Read back instead of passed on: the program sees what a replay will see, byte for byte.
            found.update(known(self._cache, list(missing), self._warn))
            lost = [key for key in missing if key not in found]
            if lost:
                reason = self._stopping()
                raise Suspended(
                    f"{counted(len(lost), 'call')} of the {role} model without an answer" if reason is None else reason
                )
        return found

    def _ask(self, missing: list[_PendingCall], role: Role) -> None:
        """Ask the model, storing each reply as it settles. Raises Suspended where the model fails."""
        reason = self._stopping()
        if reason is not None:
            raise Suspended(reason)
        # Canonical JSON begins with the content, so this order puts requests that share a prefix side by side.
        missing.sort(key=lambda call: call.text)
        model = self.models[role]
        try:
            try:
                asked = [call.request for call in missing]
                for index, reply in seen_through(self._replies(model, missing), asked, model.name, self._warn):
                    call = missing[index]
                    value = reply.to_json()
                    self._cache.put(call.key, model.name, call.text, canonical(value))
                    prompt_tokens, completion_tokens = usage(value)
                    self.paid = self.paid.with_calls(
                        1,
                        proposer=role == "proposer",
                        prompt_tokens=prompt_tokens,
                        completion_tokens=completion_tokens,
                        usd=self._usd(role, prompt_tokens, completion_tokens),
                    )
            # Where the model fails, too: what was answered is paid for.
            finally:
                self._cache.flush()
        except Refused as refusal:
            raise Suspended(f"{refusal}; once that is mended, run the same command to go on") from refusal
        except (BackendError, StoreError) as outage:
            raise Suspended(str(outage)) from outage

    def _replies(self, model: Model, missing: Sequence[_PendingCall]) -> Iterator[tuple[int, Reply | Likelihoods]]:
        def stopping() -> bool:
            return self._stopping() is not None

        if isinstance(missing[0].request, ScoreRequest):
            assert isinstance(model, TextScorer)
            texts = [call.request for call in missing if isinstance(call.request, ScoreRequest)]
            yield from model.score(texts, stopping)
        else:
            requests = [call.request for call in missing if isinstance(call.request, Request)]
            yield from model.generate(requests, stopping)


def _short(key: bytes) -> int:
    # Eight bytes tell a run's calls apart (a chance of 3e-8 of any collision among a million) at half the memory.
    return int.from_bytes(key[:8], "big")
