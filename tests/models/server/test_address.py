"""What serves is part of what is asked: two servers never share a name, and one server has one name."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.binding.models import Models, open_models
from promptopt.errors import BackendError, ConfigError
from promptopt.models.prices import price_of
from promptopt.models.providers import Access
from promptopt.models.server.address import canonical_address
from promptopt.models.server.http import Server
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.specs import open_model
from tests.models.server.asking import ask, chat
from tests.servers import FakeServer, failure

pytestmark = pytest.mark.usefixtures("key")


def name(address: str | None, served_as: str | None = None) -> str:
    return OpenAIModel("m", base_url=address, served_as=served_as).name


def test_two_servers_have_two_names() -> None:
    addresses = [
        "http://a:8000/v1", "http://b:8000/v1", "http://a:8001/v1", "https://a:8000/v1", "http://a:8000/v2",
        "http://a:8000", "http://a.b:8000/v1", "http://a:8000/V1", "http://[::1]:8000/v1", "http://a/8000/v1",
    ]  # fmt: skip
    assert len({name(address) for address in addresses}) == len(addresses)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a:8000/v1", "http://a:8000/v1/"),
        ("http://a:8000/v1", "http://A:8000/v1///"),
        ("https://a.org/v1", "HTTPS://A.org:443/v1"),
        ("http://a.org", "http://a.org:80/"),
        ("http://a.org./v1", "http://a.org/v1"),
        ("http://[::1]:8/v1", "http://[0:0:0:0:0:0:0:1]:8/v1"),
        ("http://bücher.example/v1", "http://xn--bcher-kva.example/v1"),
        ("http://a:8000/v1", " http://a:8000/v1 "),
        # One dot leader, ideographic full stop, fullwidth digits and letters.
        ("http://a\u2024org./v1", "http://a.org/v1"),
        ("http://127\u30020.0\uff0e1\u2024:8/v1", "http://127.0.0.1:8/v1"),
        ("http://\uff10\u2024:8/v1", "http://127.0.0.1:8/v1"),
        ("http://\uff4cocalhost\uff61:8/v1", "http://localhost:8/v1"),
        ("https://api.openai.com/v1", None),
        ("https://API.openai.com:443/v1/", None),
    ],
)
def test_one_server_has_one_name(one: str, other: str | None) -> None:
    assert name(one) == name(other)


def test_openai_itself_keeps_the_name_that_older_stores_know_it_by(monkeypatch: pytest.MonkeyPatch) -> None:
    assert name(None) == "openai/m"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://a:8000/v1")
    assert name(None) == name("http://a:8000/v1")


def test_a_server_that_moves_keeps_the_name_it_is_given() -> None:
    assert name("http://a:8000/v1", "lab") == name("http://b:9000/v1", "lab") == "openai/m@lab"
    assert name("http://b:9000/v1", "http://A:8000/v1/") == name("http://a:8000/v1"), "also that of its old place"
    for bad in ("", " ", "a\nb", "a\x1bb"):
        with pytest.raises(ConfigError, match="cannot be called"):
            name("http://a:8000/v1", bad)


@settings(max_examples=40)
@given(
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,5})?", fullmatch=True),
    st.integers(1, 65535),
    st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True), max_size=3),
)
def test_the_one_spelling_is_its_own_spelling(scheme: str, host: str, port: int, path: list[str]) -> None:
    known = canonical_address(f"{scheme}://{host}:{port}/{'/'.join(path)}")
    assert canonical_address(known) == known
    assert canonical_address(known.replace(host, host.upper()) + "/") == known or host.upper() in "/".join(path).upper()


@pytest.mark.parametrize(
    "address",
    [
        "https://a.org/v1?key=hunter22",
        "https://a.org/v1;key=hunter22",
        "https://a.org/v1?api_key=hunter22&x=1",
        "https://a.org/v1#hunter22",
        "https://a.org/v1?",
        "https://me:hunter22@a.org/v1",
        "https://a.org/sk-hunter22hunter22/v1",
    ],
)
def test_a_base_url_that_would_store_a_secret_is_refused(address: str) -> None:
    for spec in ("openai/m", "anthropic/claude"):
        with pytest.raises(ConfigError, match=r"environment variable|no user and password|litellm") as raised:
            open_model(spec, base_url=address)
        assert "hunter22" not in str(raised.value)


def test_the_key_of_the_environment_in_a_base_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", "hunter22")
    with pytest.raises(ConfigError, match="looks like a key"):
        open_model("openai/m", base_url="https://a.org/hunter22/v1")


def test_a_servers_name_is_no_part_of_a_price(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    with open(f"{tmp_path}/prices.toml", "w", encoding="utf-8") as table:
        table.write('["openai/m"]\nprompt = 1\ncompletion = 2\n')
    assert price_of("openai/m@http://a:8000/v1") == price_of("openai/m") is not None


def test_each_role_has_its_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "a key of mine")
    with FakeServer() as one, FakeServer() as two, FakeServer() as three:
        found = open_models(
            Models(
                "openai/a",
                "openai/b",
                base_url=one.url,
                proposer_access=Access(two.url, key_variable="MINE"),
                judge_access=Access(three.url, "judges"),
            )
        ).by_role
        assert found["judge"].name == "openai/b@judges"
        for role in ("task", "proposer", "judge"):
            assert ask(found[role], chat(role))[0].text == role
            found[role].close()  # pyright: ignore
        assert [len(server.asked) for server in (one, two, three)] == [1, 1, 1]
        assert two.asked[0].headers["authorization"] == "Bearer a key of mine"
        assert "mine" not in str(one.asked[0].headers)


def test_a_proposer_without_a_name_is_the_task_model_at_its_own_server() -> None:
    found = open_models(Models("openai/a", base_url="http://a/v1", proposer_access=Access("http://b/v1"))).by_role
    assert [found[role].name for role in ("task", "proposer", "judge")] == [
        "openai/a@http://a/v1", "openai/a@http://b/v1", "openai/a@http://b/v1",
    ]  # fmt: skip


def test_a_key_of_its_own_leaves_the_server_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "mine")
    access = Access(key_variable="MINE")
    found = open_models(Models("openai/a", "openai/b", base_url="http://a/v1", proposer_access=access)).by_role
    assert found["proposer"].name == "openai/b@http://a/v1"


@pytest.mark.parametrize("variable", ["NOT_SET_ANYWHERE", "sk-hunter22hunter22", "hf_hunter22hunter22"])
def test_a_variable_without_a_key_is_said_and_a_key_in_its_place_is_not_shown(variable: str) -> None:
    with pytest.raises(ConfigError, match="is not set") as raised:
        open_model("openai/m", base_url="http://a/v1", key_variable=variable)
    assert "hunter22" not in str(raised.value)


def test_engines_in_this_process_have_no_server_to_speak_of() -> None:
    for told in ({"served_as": "x"}, {"concurrency": 4}, {"requests_per_minute": 60}, {"key_variable": "HOME"}):
        with pytest.raises(ConfigError, match="leave these options out"):
            open_model("embedded", **told)  # pyright: ignore


@pytest.mark.parametrize("ending", ["\n", "\r\n", " ", "\n\n"])
def test_a_key_from_a_file_that_ends_in_a_line_break_works(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"sk-mine{ending}")
    with FakeServer() as server:
        model = OpenAIModel("m", base_url=server.url, key_variable="OPENAI_API_KEY")
        ask(model, chat("x"))
        model.close()
        assert server.asked[0].headers["authorization"] == "Bearer sk-mine"


@pytest.mark.parametrize("key", ["sk-hunter22\nsk-b", "sk-hunter22\tb", "sk-hunter22é", "sk-\x1bhunter22"])
def test_a_key_that_no_header_can_hold_is_a_sentence(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY holds a line break") as raised:
        OpenAIModel("m", base_url="http://a/v1", key_variable="OPENAI_API_KEY")
    assert "hunter22" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000/v1", "http://LOCALHOST:8000/v1/", "http://localhost.:8000/v1", "http://[::1]:8000/v1",
        "http://0.0.0.0:8000/v1", "http://127.1:8000/v1", "http://[::ffff:127.0.0.1]:8000/v1", "http://[::]:8000/v1//",
        "http://１27.0.0.1:8000/v1",
    ],
)  # fmt: skip
def test_this_machine_is_one_server_however_it_is_written(address: str) -> None:
    assert name(address) == name("http://127.0.0.1:8000/v1")


def test_other_loopback_addresses_and_names_below_localhost_are_servers_of_their_own() -> None:
    addresses = ("http://127.0.0.1:8/v1", "http://127.0.0.2:8/v1", "http://a.localhost:8/v1", "http://127.0.0.1:9/v1")
    assert len({name(address) for address in addresses}) == len(addresses)


FOREIGN = "http://models.example/v1"


@pytest.mark.parametrize(
    ("address", "variable"),
    [
        ("https://api.openai.com/v1", "OPENAI_API_KEY"),
        ("https://EU.api.openai.com:443/v1/", "OPENAI_API_KEY"),
        ("https://x.openai.azure.com/openai/v1", "AZURE_OPENAI_API_KEY"),
        (FOREIGN, ""),
        ("https://api.openai.com.evil.example/v1", ""),
        ("https://evil.example/api.openai.com/v1", ""),
        ("https://notapi.openai.com.example/v1", ""),
        ("http://localhost:8000/v1", ""),
    ],
)
def test_openais_key_goes_to_openai_alone(address: str, variable: str) -> None:
    server = Server("m", address, None, None)
    assert server._key_variable == variable
    assert bool(server._key) is (variable == "OPENAI_API_KEY")


def test_a_foreign_server_gets_the_key_where_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Server("m", FOREIGN, "OPENAI_API_KEY", None)._key
    monkeypatch.setenv("OPENAI_BASE_URL", FOREIGN + "/")
    assert Server("m", None, None, None)._key, "the environment names both"
    assert Server("m", FOREIGN, None, None)._key
    assert not Server("m", "http://other.example/v1", None, None)._key


def test_that_a_foreign_server_gets_no_key_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    OpenAIModel("m", base_url=FOREIGN)
    assert "no key goes to models.example" in caplog.text
    assert "--api-key-env" in caplog.text
    caplog.clear()
    OpenAIModel("m", base_url="http://localhost:8000/v1")
    monkeypatch.delenv("OPENAI_API_KEY")
    OpenAIModel("m", base_url=FOREIGN)
    assert not caplog.text


def test_a_server_that_wants_a_key_and_got_none_says_how_to_give_it_one() -> None:
    with FakeServer(lambda _: failure(401, "unauthorised")) as server:
        model = OpenAIModel("m", base_url=server.url)
        with pytest.raises(BackendError, match=r"it got no key; .*--api-key-env"):
            ask(model, chat("x"))
        model.close()
    assert server.asked[0].headers["authorization"] == "Bearer none"
