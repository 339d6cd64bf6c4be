"""Any server that speaks OpenAI's HTTP dialect: OpenAI, vLLM, llama.cpp, Ollama, LM Studio.

Spoken with aiohttp, not with the vendor's client. With 64 requests of 20 ms in flight there is 0.31 ms of processor
time for a call; that client took 1.1 ms at its barest, and 5 ms in its 2.x releases (the pool of httpx is quadratic in
its connections); aiohttp takes 0.13 ms.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from promptopt.errors import ConfigError
from promptopt.models.dispatch import PATIENCE, Dispatcher, Patience, Weather
from promptopt.models.tokens import estimate_tokens
from promptopt.models.wire import Failure, as_object, read_reply, require_tokens, scrub
from promptopt.types import Reply, Request

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger(__name__)
_OPENAI = "https://api.openai.com/v1"
_CONNECT_S = 15.0


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What this server wants to be spared, learned from its refusals."""

    renamed: bool = False
    """`max_tokens` is called `max_completion_tokens`."""
    without: frozenset[str] = frozenset()
    """Parameters it refuses to take. Stop texts are then cut off here."""

    def body(self, model: str, request: Request) -> dict[str, Any]:
        """What is posted for `request`."""
        content, sampling, chat = request.content, request.sampling, not isinstance(request.content, str)
        body: dict[str, Any] = {"model": model, "temperature": sampling.temperature}
        if isinstance(content, str):
            body["prompt"] = content
        else:
            body["messages"] = [{"role": message.role, "content": message.content} for message in content]
        body["max_completion_tokens" if self.renamed and chat else "max_tokens"] = sampling.max_tokens
        if sampling.top_p != 1.0:
            body["top_p"] = sampling.top_p
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if request.seed is not None:
            body["seed"] = request.seed
        if request.logprobs:
            body |= {"logprobs": True, "top_logprobs": request.logprobs} if chat else {"logprobs": request.logprobs}
        return {name: value for name, value in body.items() if name not in self.without}

    def after(self, failure: Failure) -> _Dialect:
        """The dialect that heeds `failure`; the same one where it teaches nothing."""
        if failure.status not in (400, 422):
            return self
        if "max_completion_tokens" in failure.message and failure.names("max_tokens"):
            return replace(self, renamed=True)
        for name in ("temperature", "top_p", "seed", "stop"):
            if failure.refuses(name):
                return replace(self, without=self.without | {name})
        return self


class OpenAIModel:
    """A model behind an OpenAI-compatible server, as a `promptopt.protocols.Model`.

    Chat messages go to `/chat/completions`, plain texts to `/completions`. `local`: the server is on this machine, so
    its tokens are free. The key is read from the environment and kept out of every error, log and repr.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key_variable: str = "OPENAI_API_KEY",
        concurrency: int = 64,
        timeout_s: float = 120.0,
        patience: Patience = PATIENCE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Connects to nothing yet. Raises ConfigError for a base URL that is none, or when OpenAI's key is missing.

        `base_url`: by default OPENAI_BASE_URL, else OpenAI itself. `key_variable`: the environment variable that holds
        the key. `concurrency`: the most requests in flight. `timeout_s`: for one try of one request.
        """
        if not model:
            raise ConfigError("openai/ needs the name of a model, as in 'openai/gpt-4o-mini'")
        address = os.environ.get("OPENAI_BASE_URL", _OPENAI) if base_url is None else base_url
        host = _host(address)
        key = os.environ.get(key_variable, "")
        if not key and host == "api.openai.com":
            raise ConfigError(
                f"the model {'openai/' + model!r} needs a key: set the environment variable {key_variable}, "
                f"or give the base URL of a server that needs none"
            )
        self.name = f"openai/{model}"
        self.base_url = address.rstrip("/")
        self.local = _is_loopback(host)
        self._model, self._key, self._key_variable, self._timeout_s = model, key, key_variable, timeout_s
        self._server = f"the server {urlsplit(address).netloc}"
        self._dialect: _Dialect = _Dialect()
        self._session: aiohttp.ClientSession | None = None
        self._dispatcher = Dispatcher(
            self._send, server=self._server, concurrency=concurrency, patience=patience, sleep=sleep
        )

    def __repr__(self) -> str:
        return f"OpenAIModel({self._model!r})"

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """See `Model.generate`. `stopping` is called from another thread. Raises BackendError or ConfigError."""
        return self._dispatcher.stream(requests, stopping)

    def count_tokens(self, text: str) -> int:
        """An estimate: servers do not tell beforehand."""
        return estimate_tokens(text, self._model)

    def close(self) -> None:
        """Close the connections; the next batch opens them again."""
        self._dispatcher.close()
        self._session = None

    async def _send(self, request: Request) -> Reply:
        while True:
            dialect = self._dialect
            answer = await self._post(request, dialect.body(self._model, request))
            if not isinstance(answer, Failure):
                return self._read(request, answer, dialect)
            known = dialect.after(answer)
            if known == dialect:
                return answer.settle(self._server, self._advice(answer.status))
            if known != self._dialect:
                _log.info("%s refuses parameters: %s", self._server, answer.message)
            self._dialect = replace(
                known, renamed=known.renamed or self._dialect.renamed, without=known.without | self._dialect.without
            )

    async def _post(self, request: Request, body: Mapping[str, Any]) -> Mapping[str, Any] | Failure:
        """The answer's JSON, or how it failed. Raises Weather where there was no whole answer."""
        import aiohttp

        session = self._session if self._session is not None else await self._connect()
        path = "/completions" if isinstance(request.content, str) else "/chat/completions"
        try:
            async with session.post(self.base_url + path, json=body, allow_redirects=False) as response:
                raw = await response.read()
                if response.status != 200:
                    return Failure.of(response.status, self._scrub(raw), response.headers)
        except aiohttp.ConnectionTimeoutError:
            raise Weather("takes no connection", unreachable=True) from None
        except TimeoutError:
            raise Weather(f"gave no answer within {self._timeout_s:g} s", overloaded=True) from None
        except aiohttp.ClientConnectorError as cause:
            raise Weather(f"cannot be reached ({self._scrub(str(cause.os_error))})", unreachable=True) from None
        except (aiohttp.ClientError, OSError) as cause:
            raise Weather(f"broke the connection off ({type(cause).__name__})") from None
        try:
            return as_object(json.loads(raw))
        except ValueError:
            raise Weather("answered with something else than JSON; see that the base URL is its API") from None

    async def _connect(self) -> aiohttp.ClientSession:
        import aiohttp

        https = self.base_url.startswith("https:")
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._key if self._key else 'none'}"},
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=_trusted() if https else True),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=min(_CONNECT_S, self._timeout_s)),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=None if self.local else _proxy(self.base_url),
        )
        await self._dispatcher.until_closed(self._session)
        return self._session

    def _read(self, request: Request, answer: Mapping[str, Any], dialect: _Dialect) -> Reply:
        reply = read_reply(answer, request, self._model)
        require_tokens(reply, request, self._server, self.name)
        if "stop" in dialect.without:
            ends = [found for text in request.sampling.stop if (found := reply.text.find(text)) >= 0]
            return replace(reply, text=reply.text[: min(ends)], finish="stop") if ends else reply
        return reply

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            return f"set the environment variable {self._key_variable} to a key that this server takes"
        if status == 404:
            return (
                f"see that it has the model {self._model!r} (it lists its models at /models), and that the base URL is "
                f"right; most end in /v1"
            )
        return "change what the message names; trying again would not help"

    def _scrub(self, text: str | bytes) -> str:
        return scrub(text.decode("utf-8", "replace") if isinstance(text, bytes) else text, self._key)


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
