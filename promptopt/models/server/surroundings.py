"""What the environment says of the way to a server: its proxy, and the certificates that are trusted."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from promptopt.errors import ConfigError

_SOCKS = {"socks": "socks5", "socks5": "socks5", "socks5h": "socks5", "socks4": "socks4", "socks4a": "socks4"}
"""The kinds of SOCKS proxies by how they are written. Names are resolved by the proxy, whichever way it is written."""
_BUNDLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name certificates, in the order in which they hold: OpenSSL's own, then those of other clients."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: its address, which may hold a password, how it is shown, and whether it speaks SOCKS."""

    url: str
    shown: str
    socks: bool = False


def proxy_for(address: str) -> Proxy | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (in any case) name for an address, if any.

    Raises ConfigError for one that cannot be spoken to, or not without the extra "socks".
    """
    # Variables in either case; on macOS and Windows the system's settings where there are none.
    parts, known = urlsplit(address), getproxies()
    host = parts.hostname or ""
    chosen = next((name for name in (parts.scheme, "all") if known.get(name)), None)
    # NO_PROXY may name a port with the host: `localhost:8000`.
    if chosen is None or proxy_bypass(host if parts.port is None else f"{host}:{parts.port}"):
        return None
    # Without a scheme it is an HTTP proxy, as for curl.
    url = known[chosen] if "://" in known[chosen] else f"http://{known[chosen]}"
    variable = f"{chosen.upper()}_PROXY"
    try:
        found = urlsplit(url)
        place = f"{found.hostname}:{found.port}" if found.port else found.hostname
    except ValueError:
        found, place = None, None
    if found is None or found.scheme not in ("http", "https", *_SOCKS) or not place:
        raise ConfigError(
            f"{variable} names no address of an HTTP or SOCKS proxy: set {parts.scheme.upper()}_PROXY to one, or "
            f"NO_PROXY to {host!r}, which needs none then"
        )
    socks = found.scheme in _SOCKS
    if socks and find_spec("aiohttp_socks") is None:
        raise ConfigError(
            f'{variable} names a SOCKS proxy, which needs aiohttp-socks: pip install "promptopt-engine[socks]"; or '
            f"set {parts.scheme.upper()}_PROXY to an HTTP proxy, or NO_PROXY to {host!r}, which needs none then"
        )
    if socks:
        url = found._replace(scheme=_SOCKS[found.scheme], path="", query="", fragment="").geturl()
    return Proxy(url, f"the proxy {place} of {variable}", socks)


def certificates() -> ssl.SSLContext | None:
    """What is trusted, where a variable of the environment names it. Raises ConfigError where it cannot be read."""
    named = next((name for name in _BUNDLES if os.environ.get(name)), None)
    if named is None:
        return None
    path = Path(os.environ[named]).expanduser()
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=str(path))
        return ssl.create_default_context(cafile=str(path))
    except OSError as cause:  # ssl.SSLError is one
        raise ConfigError(
            f"{named} names {str(path)!r}, which cannot be read as certificates ({cause.strerror or cause}); correct "
            f"it, or unset it"
        ) from cause
