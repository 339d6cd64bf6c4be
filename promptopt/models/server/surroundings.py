"""What the environment says of the way to a server: its proxy, and the certificates that are trusted."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from promptopt.errors import ConfigError

_BUNDLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name certificates, in the order in which they hold: OpenSSL's own, then those of other clients."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: its address, which may hold a password, and how it is shown."""

    url: str
    shown: str


def proxy_for(address: str) -> Proxy | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (in any case) name for an address, if any.

    Raises ConfigError for one that cannot be spoken to.
    """
    parts, known = urlsplit(address), getproxies()
    host = parts.hostname or ""
    chosen = next((name for name in (parts.scheme, "all") if known.get(name)), None)
    if chosen is None or proxy_bypass(host if parts.port is None else f"{host}:{parts.port}"):
        return None
    url = known[chosen] if "://" in known[chosen] else f"http://{known[chosen]}"
    variable = f"{chosen.upper()}_PROXY"
    try:
        found = urlsplit(url)
        place = f"{found.hostname}:{found.port}" if found.port else found.hostname
    except ValueError:
        found, place = None, None
    if found is None or found.scheme not in ("http", "https") or not place:
        what = "a SOCKS proxy" if url.lower().startswith("socks") else "no address of a proxy"
        raise ConfigError(
            f"{variable} names {what}, and only HTTP proxies can be used: set {parts.scheme.upper()}_PROXY to one, or "
            f"NO_PROXY to {host!r}, which needs none then"
        )
    return Proxy(url, f"the proxy {place} of {variable}")


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
