"""Proxies and certificates that the environment names, and what is said where they are wrong."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from promptopt.errors import BackendError, ConfigError
from promptopt.models.server import surroundings
from promptopt.models.server.http import Server
from promptopt.models.server.lost_connections import outage, refused_by_proxy
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.models.server.surroundings import Proxy, certificates, proxy_for
from promptopt.types import Reply
from tests.models.conftest import Transport
from tests.models.server.asking import ask, chat
from tests.servers import FakeServer, echo

pytestmark = pytest.mark.usefixtures("key")
SELF_SIGNED = Path(__file__).parents[2] / "self-signed.pem"
"""A key and its certificate for 127.0.0.1, made for these tests and used by nothing else."""
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def secured(transport: Transport) -> Iterator[FakeServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED)
    with FakeServer(echo, tls=context) as server:
        yield server


def asked(url: str) -> Reply:
    model = OpenAIModel("tiny", base_url=url, retry_policy=RetryPolicy(total_s=3, contact_s=0.5, misplaced_s=0.1))
    try:
        return ask(model, chat("x"))[0]
    finally:
        model.close()


def test_a_certificate_that_is_not_trusted_is_said_with_what_to_set(secured: FakeServer) -> None:
    with pytest.raises(BackendError, match=r"certificate that is not trusted.*set SSL_CERT_FILE"):
        asked(secured.url)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_a_variable_names_are_trusted(
    secured: FakeServer, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(SELF_SIGNED))
    assert asked(secured.url).text == "x"


@pytest.mark.usefixtures("transport")
def test_plain_text_where_encryption_is_asked_for_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=refuse, daemon=True).start()
        with pytest.raises(BackendError, match="begins with http:// or with https://"):
            asked(f"https://127.0.0.1:{server.getsockname()[1]}/v1")
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_bundle_that_is_none_is_a_sentence(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bundle.pem").write_text("no certificate")
    for path in (tmp_path / "bundle.pem", tmp_path / "nowhere.pem"):
        monkeypatch.setenv(variable, str(path))
        with pytest.raises(ConfigError, match=f"{variable} names .*correct it, or unset it"):
            certificates()


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({"ALL_PROXY": "http://p:1"}, "the proxy p:1 of ALL_PROXY"),
        ({"all_proxy": "p:1"}, "the proxy p:1 of ALL_PROXY"),
        ({"ALL_PROXY": "socks5://p:1", "HTTPS_PROXY": "http://me:hunter22@q:2"}, "the proxy q:2 of HTTPS_PROXY"),
        ({"ALL_PROXY": "socks5://p:1", "NO_PROXY": "a.example"}, None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": ".example"}, None),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({}, None),
    ],
)
def test_the_proxy_of_an_address_is_the_environments(
    variables: dict[str, str], shown: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = proxy_for("https://a.example/v1")
    assert (None if found is None else found.shown) == shown


@pytest.mark.parametrize("proxy", ["ftp://p", "://", "http://[::1", "sock5://p:1"])
def test_a_proxy_that_cannot_be_spoken_to_is_a_sentence(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigError, match=r"ALL_PROXY names .*set HTTP_PROXY to one, or NO_PROXY to 'a\.example'"):
        asked("http://a.example/v1")


@pytest.mark.slow
def test_a_proxy_for_all_is_used_and_one_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(echo) as server:
        monkeypatch.setenv("ALL_PROXY", server.url.removesuffix("/v1"))
        assert asked("http://a.example/v1").text == "x"
        assert server.asked[0].path == "http://a.example/v1/chat/completions"
    with pytest.raises(BackendError, match=rf"cannot be reached through the proxy 127.0.0.1:{server.port} of ALL_"):
        asked("http://a.example/v1")


@contextlib.contextmanager
def socks_proxy(server: FakeServer) -> Iterator[tuple[int, list[str]]]:
    """A SOCKS5 proxy to `server` whatever is asked of it: its port, and the names that it was asked for."""
    wanted: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", server.port)) as there:
            client.recv(client.recv(2)[1])
            client.sendall(b"\x05\x00")
            head = client.recv(5)
            wanted.append(client.recv(head[4]).decode())
            client.recv(2)
            client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            threading.Thread(target=carry, args=(there, client), daemon=True).start()
            carry(client, there)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listening.getsockname()[1], wanted
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS5", "socks"])
def test_a_socks_proxy_is_used_and_resolves_the_name(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp_socks", reason='needs the extra "socks"')
    with FakeServer(echo) as server, socks_proxy(server) as (port, wanted):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        assert asked("http://models.example/v1").text == "x"
        assert wanted == ["models.example"]
        assert server.asked[0].path == "/v1/chat/completions"


def test_a_socks_proxy_that_is_down_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp_socks", reason='needs the extra "socks"')
    monkeypatch.setenv("ALL_PROXY", "socks5://me:hunter22@127.0.0.1:9")
    with pytest.raises(BackendError, match=r"through the proxy 127\.0\.0\.1:9 of ALL_PROXY") as raised:
        asked("http://a.example/v1")
    assert "hunter22" not in str(raised.value)


@pytest.mark.parametrize("proxy", ["socks5://p:1", "socks5h://p:1", "SOCKS4://p:1"])
def test_a_socks_proxy_without_its_extra_is_refused_by_name(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setattr(surroundings, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"promptopt-engine\[socks\].*or NO_PROXY to 'a\.example'"):
        asked("http://a.example/v1")


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (10, "clock of this machine"),
        (9, "clock of this machine"),
        (62, "a name that the certificate is for"),
        (64, "a name that the certificate is for"),
        (18, "set SSL_CERT_FILE"),
        (20, "set SSL_CERT_FILE"),
    ],
)
def test_what_mends_a_certificate_goes_by_what_is_wrong_with_it(error: int, mend: str) -> None:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_code = error
    key = ConnectionKey("a.example", 443, True, True, None, None, None)
    found = outage(aiohttp.ClientConnectorCertificateError(key, cause), 5.0, str)
    assert mend in found.mend
    assert found.misplaced


def test_a_server_that_wants_a_certificate_of_its_client_is_not_tried_for_minutes() -> None:
    failed = aiohttp.ClientOSError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] alert")
    failed.__cause__ = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] alert")
    found = outage(failed, 5.0, str)
    assert found.misplaced
    assert "ask for an address that takes a key" in found.mend


@pytest.mark.parametrize(
    ("said", "certificate"),
    [
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure", True),
        ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate", True),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", False),
    ],
)
def test_before_tls_13_a_certificate_of_the_client_that_is_lacking_is_told_by_an_alert(
    said: str, *, certificate: bool
) -> None:
    key = ConnectionKey("a.example", 443, True, True, None, None, None)
    found = outage(aiohttp.ClientConnectorSSLError(key, ssl.SSLError(1, said)), 5.0, str)
    assert found.misplaced
    assert ("certificate of its client" in found.mend) is certificate
    assert ("http://" in found.mend) is not certificate


@pytest.mark.parametrize(
    ("status", "misplaced", "mend"),
    [(407, True, "USER:PASSWORD"), (403, True, "HTTPS_PROXY"), (502, False, "HTTPS_PROXY")],
)
def test_a_proxy_that_refuses_is_told_at_once(status: int, misplaced: bool, mend: str) -> None:
    found = refused_by_proxy(status, Proxy("http://p:1", "the proxy p:1 of HTTPS_PROXY"))
    assert (found.misplaced, found.unreachable) == (misplaced, True)
    assert mend in found.mend


def test_the_way_to_a_server_names_the_proxy_and_none_where_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://me:hunter22@p:1")
    ways = [Server("m", url, None, None).via for url in ("http://a.example/v1", "http://127.0.0.1:1/v1")]
    assert ways == [" through the proxy p:1 of ALL_PROXY", ""]


def test_a_silence_behind_a_proxy_names_the_proxy() -> None:
    found = outage(TimeoutError(), 5.0, str, Proxy("http://p:1", "the proxy p:1 of HTTPS_PROXY"))
    assert "no answer within 5 s through the proxy p:1 of HTTPS_PROXY" in str(found)
    assert "HTTPS_PROXY" in found.mend
    assert "proxy" not in str(outage(TimeoutError(), 5.0, str)) + outage(TimeoutError(), 5.0, str).mend


def test_a_socks_proxy_that_closes_the_connection_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp_socks", reason='needs the extra "socks"')
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=close, daemon=True).start()
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(BackendError, match=r"through the proxy .*see that the proxy"):
            asked("http://a.example/v1")
        server.shutdown(socket.SHUT_RDWR)
