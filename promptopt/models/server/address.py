"""Where a model is served: the address as it is asked, and as it is told apart from every other.

What serves is part of what is asked, so a model's name ends in its server: by its address in one spelling, or by the
name that the user gives to a server that moves. OpenAI's own service is told by no address.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import unicodedata
from urllib.parse import SplitResult, urlsplit, urlunsplit

from promptopt.errors import ConfigError
from promptopt.models.server.wire import scrub

OPENAI = "https://api.openai.com/v1"
_PORTS = {"http": 80, "https": 443}


def default_address() -> str:
    """Where OpenAI's models are asked for, if no base URL is given: at OPENAI_BASE_URL, else at OpenAI itself."""
    # A variable that is set to nothing names no server.
    return os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI


def host_of(address: str) -> str:
    """The host of a base URL, as it is looked up. Raises ConfigError for what is no base URL, or holds a secret."""
    return _looked_up(_split_address(address).hostname or "")


def canonical_address(address: str) -> str:
    """One spelling for all that name the same address (RFC 3986): case, default port, slashes at the end.

    `localhost`, `::1` and the addresses that a server which listens to all prints are 127.0.0.1: a server there is
    reached by any of them. Raises ConfigError for what is no base URL, or holds a secret.
    """
    parts = _split_address(address)
    host = _looked_up(parts.hostname or "")
    numbers = _numbers(host)
    if numbers is not None:
        host = str(numbers)
    if host in ("localhost", "localhost.localdomain", "::1", "0.0.0.0", "::"):
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return urlunsplit((parts.scheme, shown + port, parts.path.rstrip("/"), "", ""))


def identity(address: str | None, served_as: str | None) -> str:
    """What a model's name ends in: `@` and its server; nothing where that is OpenAI's own service, or unknown.

    A name that is itself an address stands for the server that once was there. Raises ConfigError for a name that
    cannot be a part of a key.
    """
    if served_as is not None:
        if not served_as.strip() or not served_as.isprintable():
            raise ConfigError(f"a server cannot be called {served_as!r}; give it a short name, such as 'lab-gpu'")
        name = served_as.strip()
        known = canonical_address(name) if "://" in name else name
        return "" if known == OPENAI else f"@{known}"
    if address is None:
        return ""
    known = canonical_address(address)
    return "" if known == OPENAI else f"@{known}"


def without_server(name: str) -> str:
    """A model's name as its server knows it. `name`: as `Model.name`.

    Of providers other than OpenAI's dialect only an address is a server: `claude@20240620` is a name of Vertex AI.
    """
    known, mark, server = name.rpartition("@")
    return known if mark and ("://" in server or name.startswith("openai/")) else name


def check_address(address: str) -> None:
    """Raises ConfigError for a base URL that holds a secret, or a part that no request would carry."""
    try:
        parts = urlsplit(address)
    except ValueError:
        # What is no URL at all is refused where it is read, in `_split_address`.
        return
    # An empty query (`…/v1?`) has no `parts.query`, so the sign itself is looked for too.
    # The address itself stays out of the messages: it may carry the secret.
    if parts.query or parts.fragment or any(sign in address for sign in "?#;"):
        raise ConfigError(
            "the base URL must end before its '?', '#' or ';': it is stored with the run, and a key in it would be "
            "too; set the key as an environment variable (--api-key-env names it)"
        )
    if scrub(address) != address:
        raise ConfigError(
            "the base URL holds what looks like a key, and it is stored with the run; set the key as an environment "
            "variable (--api-key-env names it)"
        )


def is_this_machine(host: str) -> bool:
    """Whether `host` is a loopback address or name, or the address that servers print when they listen to all."""
    host = _looked_up(host)
    numbers = _numbers(host)
    if numbers is None:
        return host in ("localhost", "localhost.localdomain") or host.endswith(".localhost")
    return numbers.is_loopback or numbers.is_unspecified


def _looked_up(host: str) -> str:
    """A host in lower case and ASCII: digits and dots of other scripts are plain ones, and a last dot says nothing."""
    if not host.isascii():
        # Dots first: the codec fails on a name that begins or ends with one, and would leave it as it is.
        host = unicodedata.normalize("NFKC", host).replace("\u3002", ".").rstrip(".")
        with contextlib.suppress(UnicodeError):
            host = host.encode("idna").decode()
    return host.lower().rstrip(".")


def _numbers(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is written as, `127.1` and `::ffff:127.0.0.1` as what they stand for; None for a name."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        # Short forms and hexadecimal ones; what holds another letter is a name, and is not looked up.
        if not host[:1].isdigit():
            return None
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped


def _split_address(address: str) -> SplitResult:
    check_address(address)
    try:
        parts = urlsplit(address.strip())
        # Reading a port that is no number raises ValueError; port 0 reaches nobody.
        host = parts.hostname if parts.scheme in _PORTS and (parts.port is None or parts.port) else None
    except ValueError:
        parts = host = None
    named = host is not None and _looked_up(host).strip(".")
    if not named or parts is None or "@" in parts.netloc or not address.isprintable():
        raise ConfigError("the base URL must look like 'http://localhost:8000/v1', with no user and password in it")
    return parts
