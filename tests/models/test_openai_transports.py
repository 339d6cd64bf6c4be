"""What goes out to servers on this machine and elsewhere. A fake server, used as a proxy, passes for all of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from promptopt.errors import BackendError, ConfigError
from promptopt.models.server.http import is_this_machine
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.types import Message, Reply, Request
from tests.ends import ends
from tests.models.conftest import Transport
from tests.servers import CUT, DRIP, FakeServer, echo, in_turn

AZURE = "http://resource.openai.azure.com"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    for name in ("no_proxy", "NO_PROXY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with FakeServer(echo) as server:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        yield server


def ask(address: str, key_variable: str | None = None) -> Reply:
    model = OpenAIModel(
        "tiny", base_url=address, key_variable=key_variable, retry_policy=RetryPolicy(total_s=1, contact_s=0)
    )
    try:
        ((_, reply),) = model.generate([Request((Message("user", "hello"),))])
        return reply
    finally:
        model.close()


@pytest.mark.slow
def test_the_environments_proxy_is_used_with_the_organisation_and_the_project(
    proxy: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    assert ask("http://models.example/v1", "OPENAI_API_KEY").text == "hello"
    (asked,) = proxy.asked
    assert asked.path == "http://models.example/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer sk-one"
    assert (asked.headers["openai-organization"], asked.headers["openai-project"]) == ("org-1", "proj-1")


SECRETS = "Authorization: Bearer sk-gateway\nX-Key: sk-gateway\nHost: sk-gateway.example\nContent-Type: sk-gateway"


def set_openais(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that OpenAI's client reads from the environment by itself."""
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "sk-gateway")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", SECRETS)


@pytest.mark.parametrize("address", ["http://models.example/v1", f"{AZURE}/openai/v1", AZURE])
def test_what_the_environment_holds_for_openai_goes_to_no_other_server(
    address: str, proxy: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_openais(monkeypatch)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-one")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    assert ask(address).text == "hello"
    (asked,) = proxy.asked
    assert "sk-gateway" not in str(asked.headers)
    assert "sk-one" not in str(asked.headers)
    assert asked.headers["content-type"] == "application/json"


def test_a_key_that_is_named_goes_alone(proxy: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    set_openais(monkeypatch)
    monkeypatch.setenv("MY_KEY", "mine")
    assert ask("http://models.example/v1", "MY_KEY").text == "hello"
    assert proxy.asked[0].headers["authorization"] == "Bearer mine"
    assert "sk-gateway" not in str(proxy.asked[0].headers)


def test_azures_token_goes_to_azure(proxy: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    set_openais(monkeypatch)
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-one")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    assert ask(AZURE).text == "hello"
    assert proxy.asked[0].headers["authorization"] == "Bearer token-one"
    assert "sk-gateway" not in str(proxy.asked[0].headers)
    assert ask("http://models.example/v1").text == "hello"
    assert "token-one" not in str(proxy.asked[1].headers)


def test_a_server_that_the_environment_names_as_openais_gets_its_headers(
    proxy: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://models.example/v1/")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: blue")
    assert ask("http://models.example/v1").text == "hello"
    assert (proxy.asked[0].headers["x-team"], proxy.asked[0].headers["authorization"]) == ("blue", "Bearer sk-one")


def test_a_server_on_this_machine_is_reached_without_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with FakeServer(echo) as server:
        assert ask(server.url).text == "hello"
        assert server.asked[0].path == "/v1/chat/completions"


def test_azure_is_asked_by_deployment_and_version_with_its_own_key(
    proxy: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-one")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    for address in (AZURE, f"{AZURE}/", f"{AZURE}/openai"):
        assert ask(address).text == "hello"
        asked = proxy.asked[-1]
        assert asked.path == f"{AZURE}/openai/deployments/tiny/chat/completions?api-version=2024-10-21"
        assert asked.headers["api-key"] == "azure-one"
        assert "sk-one" not in str(asked.headers)


@pytest.mark.parametrize("address", [AZURE, f"{AZURE}/openai/v1", "http://models.example/v1"])
def test_the_key_is_read_from_the_variable_that_is_named(
    address: str, proxy: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-one")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    monkeypatch.setenv("MY_KEY", "mine")
    assert ask(address, "MY_KEY").text == "hello"
    headers = proxy.asked[0].headers
    assert [headers[name] for name in ("api-key", "authorization") if name in headers] in (["mine"], ["Bearer mine"])


def test_azures_newer_address_is_spoken_to_as_openais(proxy: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-one")
    assert ask(f"{AZURE}/openai/v1/").text == "hello"
    assert proxy.asked[0].path == f"{AZURE}/openai/v1/chat/completions"
    assert proxy.asked[0].headers["authorization"] == "Bearer azure-one"


@pytest.mark.parametrize(
    ("given", "missing"),
    [("OPENAI_API_VERSION", "AZURE_OPENAI_API_KEY"), ("AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION")],
)
def test_what_azure_lacks_is_named(
    given: str, missing: str, proxy: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(given, "2024-10-21")
    with pytest.raises(ConfigError, match=missing):
        ask(AZURE)
    assert not proxy.asked


@pytest.mark.usefixtures("transport")
def test_a_broken_connection_is_not_called_a_time_out() -> None:
    with FakeServer(in_turn(CUT)) as server, pytest.raises(BackendError, match=r"broke the connection off \(Client"):
        ask(server.url)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # the official client's; Python hides it
@pytest.mark.usefixtures("transport")
def test_large_texts_and_lone_surrogates_are_sent() -> None:
    text = "a" * 2_000_000 + "\ud800"
    with FakeServer(echo) as server:
        model = OpenAIModel("tiny", base_url=server.url)
        ((_, reply),) = model.generate([Request(text)])
        model.close()
    assert reply.text == text


def test_the_official_client_is_imported_for_servers_elsewhere_only(transport: Transport) -> None:
    code = (
        "import sys\n"
        "import promptopt.models.server.http as http\n"
        "from promptopt.models.server.openai import OpenAIModel\n"
        "from promptopt.types import Request\n"
        "if sys.argv[2] == 'the official client': http.is_this_machine = lambda host: False\n"
        "model = OpenAIModel('tiny', base_url=sys.argv[1])\n"
        "assert 'openai' not in sys.modules and 'aiohttp' not in sys.modules\n"
        "replies = model.generate([Request('hello')])\n"
        "print('openai' in sys.modules)\n"  # before the first request, whose time it would be
        "assert len(list(replies)) == 1\n"
        "model.close()\n"
        "print('openai' in sys.modules)\n"
    )
    with FakeServer(echo) as server:
        command = [sys.executable, "-c", code, server.url, transport]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(transport == "the official client")] * 2


@pytest.mark.parametrize(
    ("host", "expected"),
    [("0.0.0.0", True), ("::", True), ("::1", True), ("api.localhost", True), ("10.0.0.7", False), ("host", False)],
)
def test_which_addresses_are_on_this_machine(host: str, expected: bool) -> None:
    assert is_this_machine(host) is expected


@ends
@pytest.mark.usefixtures("transport")
def test_the_time_limit_holds_for_the_whole_answer_and_not_for_each_piece() -> None:
    with FakeServer(in_turn(DRIP)) as server:
        model = OpenAIModel("tiny", base_url=server.url, timeout_s=0.2, retry_policy=RetryPolicy(total_s=0.3))
        with pytest.raises(BackendError, match=r"no answer within 0\.2 s"):
            list(model.generate([Request("hello")]))
        model.close()
