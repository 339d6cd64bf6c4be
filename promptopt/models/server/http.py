"""Requests to an OpenAI-compatible server: where it is, the key, and what becomes of an answer that is an error."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from promptopt.errors import BackendError, ConfigError, RequestRefused
from promptopt.json_members import NamedTwice, read_json
from promptopt.models.server.address import canonical_address, default_address, host_of, identity, is_this_machine
from promptopt.models.server.bounded import TooLarge
from promptopt.models.server.contents import as_object
from promptopt.models.server.keys import key_in, masked, masked_bytes, masked_json, may_escape
from promptopt.models.server.pace import UNPACED, Pace
from promptopt.models.server.retrying import Outage
from promptopt.models.server.streams import BESIDE_THE_REPLY, joined_chunks
from promptopt.models.server.surroundings import proxy_for
from promptopt.models.server.transports import Keep, LocalTransport, OfficialTransport, Transport
from promptopt.models.server.wire import Failure, quoted, scrub

_log = logging.getLogger(__name__)

_OWN = "api.openai.com"
_NAME_A_VARIABLE = (
    "where it wants one, name the environment variable that holds it with --api-key-env (in Python, "
    "Access(key_variable=…))"
)
_SECRET_HEADER = re.compile(r"auth|key|token|secret|password|cookie", re.IGNORECASE)
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com")
# How servers say that they do not know an endpoint (404, 405, 501) or a field (400, 422).
_REFUSALS = frozenset({400, 404, 405, 410, 413, 415, 422, 501})


class Server:
    """Where a model is served, and with which key. The key is kept out of every error, log and repr.

    `api`: the base URL. `root`: the same without its /v1, where servers keep what is not OpenAI's. `local`: it is on
    this machine. `hosted`: it is OpenAI's own, or Azure's. `identity`: what tells it from every other server.
    """

    def __init__(self, model: str, base_url: str | None, key_variable: str | None, served_as: str | None) -> None:
        """Raises ConfigError for a base URL that is none, or when OpenAI's key is missing; see `OpenAIModel`."""
        address = default_address() if base_url is None else base_url.strip()
        host = host_of(address)
        self.identity = identity(address, served_as)
        azure, own = host.endswith(_AZURE), host == _OWN or host.endswith(f".{_OWN}")
        self._key_variable = _variable_for(address, azure, own) if key_variable is None else key_variable
        self._key = key_in(self._key_variable) if self._key_variable else ""
        self.hosted = azure or own
        # What the environment holds for OpenAI goes wherever OpenAI's key goes.
        self._openais = own or self._key_variable == "OPENAI_API_KEY"
        if not self._key and own:
            raise ConfigError(
                f"the model {'openai/' + model!r} needs a key: set the environment variable {self._key_variable}, "
                f"or give the base URL of a server that needs none"
            )
        self.model, self.local = model, is_this_machine(host)
        # A server on this machine seldom wants a key, and says so where it does.
        if not self._key_variable and not self.local and os.environ.get("OPENAI_API_KEY", "").strip():
            _log.warning("no key goes to %s: OPENAI_API_KEY is OpenAI's; %s", host, _NAME_A_VARIABLE)
        self.api = address.rstrip("/")
        self.root = self.api.removesuffix("/v1")
        self.completions = f"{self.api}/completions"
        self.name = f"the server {urlsplit(address).netloc}"
        # Azure's newer addresses end in /openai/v1, and take requests as OpenAI's does.
        self._azure_deployment = model if azure and self.root == self.api else ""

    @property
    def via(self) -> str:
        """The way to it, as the end of a clause: empty where no proxy stands between."""
        proxy = None if self.local else proxy_for(self.api)
        return "" if proxy is None else f" through {proxy.shown}"

    def transport(self, *, timeout_s: float, keep: Keep) -> Transport:
        """Connections to it. `timeout_s`: for one request."""
        # A server without keys is sent one all the same: some refuse a request that has none.
        key = self._key if self._key or self._azure_deployment else "none"
        if self.local:
            return LocalTransport(key, timeout_s=timeout_s, keep=keep, scrub=self.scrub)
        proxy = proxy_for(self.api)
        if proxy is not None and proxy.socks:
            if self._azure_deployment:
                raise ConfigError(f"{proxy.shown} speaks SOCKS: give Azure's newer address behind it, …/openai/v1")
            return LocalTransport(key, timeout_s=timeout_s, keep=keep, scrub=self.scrub, socks=proxy)
        return OfficialTransport(
            self.api,
            key,
            self._azure_deployment,
            openais=self._openais,
            timeout_s=timeout_s,
            keep=keep,
            scrub=self.scrub,
        )

    def advice(self, status: int) -> str:
        """What a user can do about an answer of this status that no retry mends."""
        if status in (401, 403) and not self._key_variable:
            return f"it got no key; {_NAME_A_VARIABLE}"
        if status in (401, 403):
            return f"set the environment variable {self._key_variable} to a key that this server takes"
        if 300 <= status < 400:
            return "it sends requests on to another address: give that one as the base URL (often https, or with a /v1)"
        if status == 404:
            return (
                f"see that it has the model {self.model!r} (it lists its models at /models), and that the base URL is "
                f"right; most end in /v1"
            )
        return "change what the message names; trying again would not help"

    def without_key(self, body: bytes) -> bytes:
        """`body` without the key, wherever in it a server repeats it."""
        return masked_bytes(body, self.keys)

    def without_key_in(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The same for what was read from JSON, where letters may have been written as escapes."""
        return masked_json(answer, self.keys)

    @property
    def keys(self) -> tuple[str, ...]:
        """What must show in no reply: its own key, and what else of the environment may be sent."""
        sent = [self._key, os.environ.get("OPENAI_API_KEY", ""), os.environ.get("AZURE_OPENAI_AD_TOKEN", "")]
        for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines():
            name, _, value = line.partition(":")
            if _SECRET_HEADER.search(name):
                sent.append(value.strip().removeprefix("Bearer "))
        return tuple(filter(None, map(str.strip, sent)))

    def scrub(self, text: str | bytes) -> str:
        """`text` without anything that may be a key."""
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return scrub(masked(said, self.keys), self._key)


class NotJSON(Outage):
    """An answer that is no JSON object: a gateway's page, or another kind of server.

    From a server that never answered otherwise, a page or a plain text means that the address is wrong.
    """


class TooLong(Exception):
    """A request that can never fit into the model's context."""


class Channel:
    """Connections to one server, on one event loop."""

    def __init__(self, server: Server, *, timeout_s: float, keep: Keep, pace: Pace = UNPACED) -> None:
        """Connects to nothing yet. `timeout_s`: for one request. `pace`: where its sender has none of its own."""
        self.server, self._transport = server, server.transport(timeout_s=timeout_s, keep=keep)
        self._pace = pace

    def load(self) -> None:
        """See `Transport`."""
        self._transport.load()

    def forget(self) -> None:
        """The event loop has ended, and the connections with it."""
        self._transport.forget()

    async def post(self, url: str, body: Mapping[str, Any]) -> Mapping[str, Any] | Failure:
        """The answer's JSON object, or how it failed. Raises Outage where there was no whole answer."""
        raw = await self._request(url, body)
        if isinstance(raw, Failure):
            return raw
        without_key = self.server.without_key_in
        try:
            answer = as_object(read_json(raw, BESIDE_THE_REPLY))
            # The bytes were masked as they came: only escapes can still spell a key.
            return without_key(answer) if may_escape(raw) else answer
        except NamedTwice as twice:
            raise _two_values(twice) from None
        except (ValueError, RecursionError):
            text = raw.decode("utf-8", "replace").lstrip("\ufeff").strip()
        if "\ufffd" in text:
            try:
                return without_key(as_object(read_json(text, BESIDE_THE_REPLY)))  # a broken character ends no reply
            except NamedTwice as twice:
                raise _two_values(twice) from None
            except (ValueError, RecursionError):
                pass
        streamed = joined_chunks(text)
        if streamed is not None:
            return without_key(streamed)
        found = f"something else than JSON ({quoted(self.server.scrub(text), 60)})" if text else "an empty body"
        # What begins as JSON was broken off on its way, which may pass; anything else is no model's server.
        cut = not text or (text[0] in "{[" and not _is_whole(text))
        raise NotJSON(
            f"answered with {found}; see that the base URL is its API; most end in /v1",
            misplaced=not cut,
            counted=cut,
        )

    async def ask(self, url: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer's JSON object. Raises TooLong or BackendError where it is refused for good, and Outage."""
        answer = await self.post(url, body)
        if not isinstance(answer, Failure):
            return answer
        advice = self.server.advice(answer.status)
        if answer.settle(self.server.name, advice).finish == "rejected":
            raise TooLong
        raise BackendError(
            f"{self.server.name} filters a text that is to be scored ({quoted(answer.message)}): {advice}"
        )

    async def probe(self, url: str, body: Mapping[str, Any], *, optional: bool = False) -> Mapping[str, Any] | None:
        """The answer's JSON object; None where the server does not know such a request, or refuses it.

        `optional`: an internal error of the server counts as a refusal, for other requests may do. Raises Outage, and
        BackendError for a wrong key or model.
        """
        try:
            answer = await self.post(url, body)
        except NotJSON:
            return None
        if not isinstance(answer, Failure):
            return answer
        # vLLM answers 404 for a model that it does not serve, as any server does for a path.
        unknown_model = answer.status == 404 and self.server.model in answer.message
        # Gateways often let through nothing but the API, and answer 403 for all that stands beside it.
        beside = answer.status == 403 and not url.startswith(self.server.api)
        if (answer.status in _REFUSALS and not unknown_model) or beside or (optional and answer.status == 500):
            return None
        # It raises, but for a text that is filtered or too long: then this request has no answer.
        answer.settle(self.server.name, self.server.advice(answer.status))
        return None

    async def get(self, url: str) -> str:
        """The answer as text, empty where the server refuses. Raises Outage where there was no whole answer."""
        raw = await self._request(url, None)
        return "" if isinstance(raw, Failure) else raw.decode("utf-8", "replace")

    async def _request(self, url: str, body: Mapping[str, Any] | None) -> bytes | Failure:
        wait_s = self._pace.turn()
        if wait_s:
            await asyncio.sleep(wait_s)
        try:
            answer = await self._transport.send(url, None if body is None else json.dumps(body).encode())
        except TooLarge as cause:
            # Asked again it would be no smaller; and where others are answered, it is of this request alone.
            raise RequestRefused(
                f"{self.server.name} {cause}, and the rest was not read: see that the base URL is its API, or lower "
                f"max_tokens"
            ) from None
        if not 200 <= answer.status < 300:
            return Failure.of(answer.status, self.server.scrub(answer.body), answer.headers)
        return self.server.without_key(answer.body)


def _two_values(twice: NamedTwice) -> Outage:
    """A body that says two things: which of them the server meant is nobody's guess."""
    return Outage(
        f"answered with JSON that names {quoted(repr(twice.name), 40)} twice, with two values",
        misplaced=True,
        counted=True,
    )


def _is_whole(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _variable_for(address: str, azure: bool, own: bool) -> str:
    """The variable whose key belongs to the server, where the user names none; empty where no key does.

    OPENAI_API_KEY is OpenAI's, and goes nowhere else but to the OPENAI_BASE_URL that the same environment names.
    """
    if azure:
        return "AZURE_OPENAI_API_KEY"
    named = os.environ.get("OPENAI_BASE_URL", "").strip()
    if own or (named and canonical_address(named) == canonical_address(address)):
        return "OPENAI_API_KEY"
    return ""
