"""The way to an OpenAI-compatible server: connections, the key, and what becomes of an answer that is none."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import json
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from promptopt.errors import BackendError, ConfigError
from promptopt.models.server.dispatch import Weather
from promptopt.models.server.wire import Failure, as_object, scrub

if TYPE_CHECKING:
    import aiohttp

_OPENAI = "https://api.openai.com/v1"
_CONNECT_S = 15.0
_LARGE_BYTES = 1 << 20
_REFUSALS = frozenset({400, 404, 405, 410, 413, 415, 422, 501})

Keep = Callable[[contextlib.AbstractAsyncContextManager[Any]], Awaitable[None]]
"""Enters a resource that is left when the event loop ends: `Dispatcher.until_closed`."""


class Server:
    """Where a model is served, and with which key. The key is kept out of every error, log and repr.

    `api`: the base URL. `root`: the same without its /v1, where servers keep what is not OpenAI's. `local`: it is on
    this machine. `hosted`: it is OpenAI's own.
    """

    def __init__(self, model: str, base_url: str | None, key_variable: str) -> None:
        """Raises ConfigError for a base URL that is none, or when OpenAI's key is missing; see `OpenAIModel`."""
        address = os.environ.get("OPENAI_BASE_URL", _OPENAI) if base_url is None else base_url
        host = _host(address)
        self._key = os.environ.get(key_variable, "")
        self.hosted = host == "api.openai.com"
        if not self._key and self.hosted:
            raise ConfigError(
                f"the model {'openai/' + model!r} needs a key: set the environment variable {key_variable}, "
                f"or give the base URL of a server that needs none"
            )
        self.model, self.local = model, _is_loopback(host)
        self.api = address.rstrip("/")
        self.root = self.api.removesuffix("/v1")
        self.completions = f"{self.api}/completions"
        self.name = f"the server {urlsplit(address).netloc}"
        self._key_variable = key_variable

    def headers(self) -> dict[str, str]:
        """What is sent along with every request."""
        authorization = f"Bearer {self._key if self._key else 'none'}"
        return {"Authorization": authorization, "Content-Type": "application/json"}

    def advice(self, status: int) -> str:
        """What a user can do about an answer of this status that no retry mends."""
        if status in (401, 403):
            return f"set the environment variable {self._key_variable} to a key that this server takes"
        if status == 404:
            return (
                f"see that it has the model {self.model!r} (it lists its models at /models), and that the base URL is "
                f"right; most end in /v1"
            )
        return "change what the message names; trying again would not help"

    def scrub(self, text: str | bytes) -> str:
        """`text` without anything that may be a key."""
        return scrub(text.decode("utf-8", "replace") if isinstance(text, bytes) else text, self._key)


class NotJSON(Weather):
    """An answer that is no JSON object: a gateway's page, or another kind of server."""


class TooLong(Exception):
    """A request that can never fit into the model's context."""


class Channel:
    """Connections to one server, on one event loop."""

    def __init__(self, server: Server, *, timeout_s: float, keep: Keep) -> None:
        """Connects to nothing yet. `timeout_s`: for one request."""
        self.server, self._timeout_s, self._keep = server, timeout_s, keep
        self._session: aiohttp.ClientSession | None = None

    def forget(self) -> None:
        """The event loop has ended, and the connections with it."""
        self._session = None

    async def post(self, url: str, body: Mapping[str, Any]) -> Mapping[str, Any] | Failure:
        """The answer's JSON object, or how it failed. Raises Weather where there was no whole answer."""
        raw = await self._request("POST", url, body)
        if isinstance(raw, Failure):
            return raw
        try:
            return as_object(json.loads(raw))
        except ValueError:
            raise NotJSON("answered with something else than JSON; see that the base URL is its API") from None

    async def ask(self, url: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer's JSON object. Raises TooLong or BackendError where it is refused for good, and Weather."""
        answer = await self.post(url, body)
        if not isinstance(answer, Failure):
            return answer
        advice = self.server.advice(answer.status)
        if answer.settle(self.server.name, advice).finish == "rejected":
            raise TooLong
        raise BackendError(f"{self.server.name} filters a text that is to be scored ({answer.message[:300]}): {advice}")

    async def probe(self, url: str, body: Mapping[str, Any], *, optional: bool = False) -> Mapping[str, Any] | None:
        """The answer's JSON object; None where the server does not know such a request, or refuses it.

        `optional`: an internal error of the server counts as a refusal, for there are other ways. Raises Weather, and
        BackendError for a wrong key or model.
        """
        try:
            answer = await self.post(url, body)
        except NotJSON:
            return None
        if not isinstance(answer, Failure):
            return answer
        unknown_model = answer.status == 404 and self.server.model in answer.message
        beside = answer.status == 403 and not url.startswith(self.server.api)
        if (answer.status in _REFUSALS and not unknown_model) or beside or (optional and answer.status == 500):
            return None
        answer.settle(self.server.name, self.server.advice(answer.status))
        return None

    async def get(self, url: str) -> str:
        """The answer as text, empty where the server refuses. Raises Weather where there was no whole answer."""
        raw = await self._request("GET", url, None)
        return "" if isinstance(raw, Failure) else raw.decode("utf-8", "replace")

    async def _request(self, method: str, url: str, body: Mapping[str, Any] | None) -> bytes | Failure:
        import aiohttp

        server = self.server
        session = self._session if self._session is not None else await self._connect()
        try:
            async with session.request(method, url, data=_packed(body), allow_redirects=False) as response:
                raw = await response.read()
                if response.status != 200:
                    return Failure.of(response.status, server.scrub(raw), response.headers)
                return raw
        except aiohttp.ConnectionTimeoutError:
            raise Weather("takes no connection", unreachable=True) from None
        except TimeoutError:
            raise Weather(f"gave no answer within {self._timeout_s:g} s", overloaded=True) from None
        except aiohttp.ClientConnectorError as cause:
            raise Weather(f"cannot be reached ({server.scrub(str(cause.os_error))})", unreachable=True) from None
        except (aiohttp.ClientError, OSError) as cause:
            raise Weather(f"broke the connection off ({type(cause).__name__})") from None

    async def _connect(self) -> aiohttp.ClientSession:
        import aiohttp

        address = self.server.api
        self._session = aiohttp.ClientSession(
            headers=self.server.headers(),
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=60, ssl=_trusted() if address.startswith("https:") else True
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=min(_CONNECT_S, self._timeout_s)),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=None if self.server.local else _proxy(address),
        )
        await self._keep(self._session)
        return self._session


def _packed(body: Mapping[str, Any] | None) -> bytes | io.BytesIO | None:
    """`body` as JSON; a large one as a file, which aiohttp sends piece by piece instead of warning."""
    if body is None:
        return None
    packed = json.dumps(body).encode()
    return packed if len(packed) <= _LARGE_BYTES else io.BytesIO(packed)


def _host(address: str) -> str:
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        parts = host = None
    if not host or parts is None or "@" in parts.netloc:
        # The address itself stays out of the message: it may carry a password.
        raise ConfigError("the base URL must look like 'http://localhost:8000/v1', with no user and password in it")
    return host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _proxy(address: str) -> str | None:
    """The environment's proxy for `address`, asked once: aiohttp's `trust_env` hands each call to a thread to ask."""
    parts = urlsplit(address)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def _trusted() -> ssl.SSLContext:
    """What the system and SSL_CERT_FILE trust, and certifi's list where it is installed: some systems have none."""
    context = ssl.create_default_context()
    if find_spec("certifi") is not None:
        import certifi

        context.load_verify_locations(certifi.where())
    return context
