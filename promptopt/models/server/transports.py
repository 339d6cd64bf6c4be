"""How a request gets to a server: aiohttp alone for this machine, OpenAI's own client for everywhere else.

The official client carries what a service wants: organisations and projects, Azure's addresses and keys, proxies and
certificates. Its own retries are off, and what it returns is read raw. It takes 0.5 ms of processor time a call, and
aiohttp alone 0.13 ms. A service of 200 ms and more hides that. A server on this machine would not: at 64 requests of
20 ms in flight the wall time is 1.7 to 3.1 times that of bare aiohttp (`benchmarks/engine.py`; more on busy cores),
where 1.3 is the most that it may be. It is imported with the first request, which takes 0.4 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from promptopt.errors import ConfigError
from promptopt.models.server.bounded import bounded_client, read_whole
from promptopt.models.server.lost_connections import (
    PROXY_LOGIN,
    causes,
    network_errors,
    outage,
    refused_by_proxy,
    socks_errors,
)
from promptopt.models.server.surroundings import Proxy, certificates, proxy_for

if TYPE_CHECKING:
    import aiohttp
    import httpx2
    import openai

_CONNECT_S = 15.0
"""Seconds that a server may take to accept a connection; a reply may take far longer. Ours."""
_LARGE_BYTES = 1 << 20
"""Above which aiohttp warns of a body that is sent at once (`TOO_LARGE_BYTES_BODY`)."""
_NEEDED = ("content-length", "transfer-encoding", "connection", "accept-encoding")

Keep = Callable[[contextlib.AbstractAsyncContextManager[Any]], Awaitable[None]]
"""Enters a resource that is left when the event loop ends: `Dispatcher.until_closed`."""


@dataclass(frozen=True, slots=True)
class HTTPAnswer:
    """What a server sent, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Transport(Protocol):
    """Connections to one server, on one event loop."""

    def load(self) -> None:
        """Import what sends; on the caller's thread, so that it does not count as the time of a first request."""
        ...

    async def send(self, url: str, body: bytes | None) -> HTTPAnswer:
        """The whole answer to a POST of `body`, or to a GET where it is None.

        Raises Outage where there was none, and TooLarge.
        """
        ...

    def forget(self) -> None:
        """The event loop has ended, and the connections with it."""
        ...


class LocalTransport:
    """aiohttp alone, for a server on this machine: nothing of a service. And for one behind a SOCKS proxy."""

    def __init__(
        self, key: str, *, timeout_s: float, keep: Keep, scrub: Callable[[str], str], socks: Proxy | None = None
    ) -> None:
        """Connects to nothing yet. `timeout_s`: for one request. `scrub`: takes keys out of a text.

        `socks`: a proxy that OpenAI's client cannot speak to.
        """
        self._socks = socks
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._timeout_s, self._keep, self._scrub = timeout_s, keep, scrub
        self._session: aiohttp.ClientSession | None = None

    def load(self) -> None:
        """See `Transport`."""
        import_module("aiohttp")

    def forget(self) -> None:
        """See `Transport`."""
        self._session = None

    async def send(self, url: str, body: bytes | None) -> HTTPAnswer:
        """See `Transport`."""
        session = self._session if self._session is not None else await self._connect()
        # As a file: aiohttp sends it piece by piece, and the loop goes on meanwhile.
        data = body if body is None or len(body) <= _LARGE_BYTES else io.BytesIO(body)
        try:
            method = "GET" if body is None else "POST"
            # A redirect would take the key to an address that the user did not name.
            async with session.request(method, url, data=data, allow_redirects=False) as response:
                return HTTPAnswer(response.status, await read_whole(response.content.iter_any()), response.headers)
        except (*network_errors(), *socks_errors(self._socks)) as cause:
            raise outage(cause, self._timeout_s, self._scrub, self._socks) from None

    async def _connect(self) -> aiohttp.ClientSession:
        import aiohttp

        trusted = certificates()
        verified = True if trusted is None else trusted
        if self._socks is None:
            # No limit here, where aiohttp has one of 100: how much is in flight is the dispatcher's to say.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=verified)
        else:
            # The proxy resolves names: those of a network that only it sees, too.
            made: Any = import_module("aiohttp_socks").ProxyConnector.from_url
            connector = made(self._socks.url, rdns=True, limit=0, keepalive_timeout=60, ssl=verified)
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=min(_CONNECT_S, self._timeout_s)),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        await self._keep(self._session)
        return self._session


def _only_needed(key: str, azure_deployment: str) -> Callable[[httpx2.Request], Awaitable[None]]:
    """What leaves no header but those that a request cannot do without, and its key.

    No method of the transport: the client lives as long as the event loop, and would keep the model with it.
    """

    async def bare(request: httpx2.Request) -> None:
        token, given = os.environ.get("AZURE_OPENAI_AD_TOKEN", ""), request.headers.get("authorization", "")
        kept = {name: request.headers[name] for name in _NEEDED if name in request.headers}
        kept |= {"host": request.url.netloc.decode(), "content-type": "application/json", "accept": "application/json"}
        if not azure_deployment:
            kept["authorization"] = f"Bearer {key}"
        elif key:
            kept["api-key"] = key
        elif token and given == f"Bearer {token}":
            kept["authorization"] = given
        request.headers.clear()
        request.headers.update(kept)

    return bare


class OfficialTransport:
    """OpenAI's client over aiohttp, for every server that is not on this machine.

    The client reads OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS, whatever server it is given. They may
    hold a key, and go where OPENAI_API_KEY goes; other servers get the headers of `_only_needed`. For Azure it reads
    OPENAI_API_VERSION and AZURE_OPENAI_AD_TOKEN. Proxies and certificates are those of `surroundings`.
    """

    def __init__(
        self,
        api: str,
        key: str,
        azure_deployment: str,
        *,
        openais: bool,
        timeout_s: float,
        keep: Keep,
        scrub: Callable[[str], str],
    ) -> None:
        """Connects to nothing yet. `api`: the base URL, of Azure the resource's where a deployment is given.

        `openais`: what the environment holds for OpenAI is for this server.
        """
        self._api, self._key, self._azure_deployment, self._openais = api, key, azure_deployment, openais
        self._timeout_s, self._keep, self._scrub = timeout_s, keep, scrub
        self._client: openai.AsyncOpenAI | None = None
        self._proxy: Proxy | None = None

    def load(self) -> None:
        """See `Transport`."""
        import_module("openai")

    def forget(self) -> None:
        """See `Transport`."""
        self._client = None

    async def send(self, url: str, body: bytes | None) -> HTTPAnswer:
        """See `Transport`."""
        client = self._client if self._client is not None else await self._connect()
        import openai

        path = url.removeprefix(self._api)  # the client puts Azure's deployments between address and path
        failed: Exception
        try:
            async with asyncio.timeout(self._timeout_s):  # the client's own is for each read anew
                if body is None:
                    return HTTPAnswer(200, await client.get(path, cast_to=bytes), {})
                return HTTPAnswer(200, await client.post(path, content=body, cast_to=bytes), {})
        except openai.APIStatusError as cause:
            if cause.status_code == PROXY_LOGIN and self._proxy is not None:
                raise refused_by_proxy(cause.status_code, self._proxy) from None
            return HTTPAnswer(cause.status_code, cause.response.content, cause.response.headers)
        except (ValueError, TypeError) as cause:
            # The cause may show what is in the header.
            raise ConfigError(
                f"OpenAI's client cannot send its headers ({type(cause).__name__}): see that OPENAI_ORG_ID, "
                f"OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS hold no line breaks and nothing but ASCII"
            ) from None
        # What is no HTTP, the client lets through as aiohttp tells it.
        except (openai.APIConnectionError, *network_errors()) as cause:
            # Raised outside of this block: raised here it would drag the client's along, and the key with its request.
            failed = cause
        # What the client makes of an error of aiohttp is not always what it is: a broken connection a time-out.
        found = next((link for link in causes(failed) if isinstance(link, network_errors())), failed)
        raise outage(found, self._timeout_s, self._scrub, self._proxy)

    async def _connect(self) -> openai.AsyncOpenAI:
        import openai

        timeout = openai.Timeout(self._timeout_s, connect=min(_CONNECT_S, self._timeout_s))
        proxy, trusted = proxy_for(self._api), certificates()
        self._proxy = proxy
        try:
            http = bounded_client()(
                timeout=timeout,
                follow_redirects=False,
                proxy=None if proxy is None else proxy.url,
                verify=True if trusted is None else trusted,
                trust_env=False,
                event_hooks={} if self._openais else {"request": [_only_needed(self._key, self._azure_deployment)]},
            )
            if self._azure_deployment:
                client: openai.AsyncOpenAI = openai.AsyncAzureOpenAI(
                    # The client adds /openai itself.
                    azure_endpoint=self._api.removesuffix("/openai"),
                    azure_deployment=self._azure_deployment,
                    # With None the client takes AZURE_OPENAI_AD_TOKEN.
                    api_key=self._key if self._key else None,
                    max_retries=0,
                    timeout=timeout,
                    http_client=http,
                )
            else:
                client = openai.AsyncOpenAI(
                    base_url=self._api, api_key=self._key, max_retries=0, timeout=timeout, http_client=http
                )
        except (openai.OpenAIError, ValueError) as cause:
            raise ConfigError(f"OpenAI's client cannot be set up for this server: {self._scrub(str(cause))}") from None
        await self._keep(client)
        self._client = client
        return client
