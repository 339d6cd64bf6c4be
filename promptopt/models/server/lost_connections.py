"""Connections that failed, as outages: what happened on the way to a server, and what mends it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptopt.models.server.retrying import SEE_THAT_IT_IS_UP, Outage

if TYPE_CHECKING:
    import aiohttp

    from promptopt.models.server.surroundings import Proxy

_SCHEME = "see whether its address begins with http:// or with https://"
_CLOCK = "see that the clock of this machine is right; if it is, that certificate has to be renewed"
_UNTRUSTED = (
    "if it is your organisation's own, set SSL_CERT_FILE to a file that holds it and the certificates that it is "
    "signed with"
)
_BY_CODE = {
    9: _CLOCK,
    10: _CLOCK,
    62: "give the base URL with a name that the certificate is for",
    64: "give the base URL with a name that the certificate is for",
}
"""What mends a certificate that is not trusted, by OpenSSL's code of why (its manual of X509_verify_cert)."""
PROXY_LOGIN = 407
"""The status of a proxy that wants a user and a password."""


def outage(cause: Exception, timeout_s: float, scrub: Callable[[str], str], proxy: Proxy | None = None) -> Outage:
    """What one of `network_errors` or `socks_errors` amounts to. `timeout_s`: for one request.

    `scrub`: takes keys out of a text. `proxy`: on the way to the server, if there is one.
    """
    import aiohttp

    via, mend = _via(proxy), _mend(proxy)
    if isinstance(cause, socks_errors(proxy)):
        said = str(cause) if not isinstance(cause, EOFError) else "it closed the connection"
        return Outage(f"cannot be reached{via} ({scrub(said)})", unreachable=True, mend=mend)
    # The narrow classes come first: these here are also of those below.
    if isinstance(cause, aiohttp.ConnectionTimeoutError):
        # Encryption is agreed on within that time, with a server that may not know of any.
        return Outage(f"takes no connection{via}", unreachable=True, mend=f"{mend}, and {_SCHEME}")
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return _untrusted(cause, scrub)
    if isinstance(cause, aiohttp.ClientConnectorSSLError):
        error: Any = cause  # the type of its `os_error` is declared nowhere
        said = scrub(str(error.os_error))
        # An alert is sent by what speaks TLS. Before TLS 1.3 it also says that a certificate of the client is lacking.
        alert = "_ALERT_" in said
        mended = "see that it wants no certificate of its client, which is not sent" if alert else _SCHEME
        return Outage(
            f"cannot agree on encryption{via} ({said})",
            unreachable=True,
            misplaced=True,
            mend=f"{mended}, and that it takes TLS 1.2 or newer",
        )
    if isinstance(cause, TimeoutError):
        # A proxy that never answers looks like a server that does not.
        return Outage(f"gave no answer within {timeout_s:g} s{via}", overloaded=True, counted=True, mend=mend)
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        return refused_by_proxy(cause.status, proxy)
    if isinstance(cause, aiohttp.ClientConnectorError):
        said = str(cause.os_error) or f"{type(cause.os_error).__name__} while encryption was agreed on"
        return Outage(f"cannot be reached{via} ({scrub(said)})", unreachable=True, mend=mend)
    return _broken_off(cause, via, mend, scrub)


def refused_by_proxy(status: int, proxy: Proxy | None) -> Outage:
    """What a proxy's own answer amounts to; `proxy`: None where it is not known which."""
    return Outage(
        f"cannot be reached{_via(proxy)}, which answered {status}",
        unreachable=True,
        # It has decided; what answers 5xx may have found the server down, or be down itself.
        misplaced=status < 500,
        mend="give it a user and a password, as in http://USER:PASSWORD@HOST:PORT"
        if status == PROXY_LOGIN
        else _mend(proxy),
    )


def network_errors() -> tuple[type[Exception], ...]:
    """What a connection that fails raises."""
    import aiohttp

    return aiohttp.ClientError, OSError  # a TimeoutError is one


def socks_errors(proxy: Proxy | None) -> tuple[type[Exception], ...]:
    """What a SOCKS proxy that does not play along raises."""
    if proxy is None or not proxy.socks:
        return ()
    errors: Any = import_module("aiohttp_socks")
    # The last: what is read from a proxy that closes in the middle of a word.
    return errors.ProxyError, errors.ProxyConnectionError, errors.ProxyTimeoutError, asyncio.IncompleteReadError


def causes(error: BaseException) -> Iterator[BaseException]:
    """`error`, and what it was raised from."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def lost_connection(error: object) -> Exception | None:
    """The connection that failed, of which another library made `error`; None where none did.

    Such a library may keep it as the context of its own error alone.
    """
    import aiohttp

    link: object = error
    while isinstance(link, BaseException):
        # Narrower than `network_errors`: a file that is missing is an OSError too.
        if isinstance(link, aiohttp.ClientError | ConnectionError | TimeoutError | socket.gaierror | ssl.SSLError):
            return link
        link = link.__context__ if link.__cause__ is None else link.__cause__
    return None


def _via(proxy: Proxy | None) -> str:
    return "" if proxy is None else f" through {proxy.shown}"


def _mend(proxy: Proxy | None) -> str:
    return SEE_THAT_IT_IS_UP if proxy is None else f"see that {proxy.shown} is right and up, or unset that variable"


def _untrusted(cause: aiohttp.ClientConnectorCertificateError, scrub: Callable[[str], str]) -> Outage:
    error = cause.certificate_error
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
    return Outage(
        f"shows a certificate that is not trusted here ({scrub(str(error))})",
        unreachable=True,
        misplaced=True,
        mend=_BY_CODE.get(code, _UNTRUSTED),
    )


def _broken_off(cause: Exception, via: str, mend: str, scrub: Callable[[str], str]) -> Outage:
    import aiohttp

    if (error := next((link for link in causes(cause) if isinstance(link, ssl.SSLError)), None)) is not None:
        # With TLS 1.3 a server looks at its client's certificate when the client thinks that all is agreed on.
        lacking = "CERTIFICATE_REQUIRED" in str(error)
        return Outage(
            f"broke the encryption off{via} ({scrub(str(error))})",
            unreachable=True,
            connected=True,
            misplaced=lacking,
            counted=not lacking,
            mend="it wants a certificate of its client, which is not sent: ask for an address that takes a key"
            if lacking
            else mend,
        )
    # Nothing of an answer came that could be read: from one that never answered, as if it were not there.
    nothing = not isinstance(cause, aiohttp.ClientPayloadError)
    return Outage(
        f"broke the connection off{via} ({type(cause).__name__})",
        unreachable=nothing,
        connected=True,
        counted=True,
        mend=f"{mend}, and {_SCHEME}" if nothing else mend,
    )
