"""The command line against real servers: who answers, what is kept of it, and what reaches the terminal."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from promptopt.cli.main import app
from promptopt.cli.output import troubles
from tests.servers import Answer, Asked, FakeServer, failure, reply

KEY = "sk-very-secret-0123456789"
Invoke = Callable[..., Result]


def knows(asked: Asked) -> Answer:
    return reply("bad" if "bad" in asked.text.rpartition("item")[2] else "good")


def always_bad(asked: Asked) -> Answer:
    return reply("bad")


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"item {n} \ud83d {('good', 'bad')[n % 2]}", "label": ("good", "bad")[n % 2]} for n in range(60)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "mood.toml").write_text(
        'description = "Moods."\nlabels = ["bad", "good"]\ninstruction = "Say what the text is."\nmax_tokens = 4\n'
        '[data]\nfile = "texts.jsonl"\ninput = "text"\ntarget = "label"\n',
        encoding="utf-8",
    )

    def run(*arguments: str) -> Result:
        sizes = ["--train", "20", "--dev", "20", "--test", "20"]
        base = ["--task", "mood.toml", "--model", "openai/m", *sizes]
        return CliRunner().invoke(app, [arguments[0], *base, *arguments[1:]], prog_name="promptopt")

    return run


@pytest.fixture(autouse=True, scope="module")
def collected() -> Iterator[None]:
    """Commands that failed hold their models in tracebacks."""
    yield
    gc.collect()


def score(result: Result) -> float:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["layouts"][0]["score"]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_two_servers_share_no_answer_and_one_that_moves_keeps_its_own(invoke: Invoke) -> None:
    with FakeServer(knows) as one, FakeServer(always_bad) as two, FakeServer(always_bad) as moved:
        assert score(invoke("evaluate", "--json", "--base-url", one.url)) == 1.0
        assert score(invoke("evaluate", "--json", "--base-url", two.url)) < 0.9
        assert len(two.asked) == 20
        again = f"{one.url.replace('http', 'HTTP')}/"
        assert score(invoke("evaluate", "--json", "--base-url", again)) == 1.0
        assert len(one.asked) == 20
        named = ("evaluate", "--json", "--served-as", "lab", "--base-url")
        assert score(invoke(*named, one.url)) == 1.0
        assert score(invoke(*named, moved.url)) == 1.0
        assert not moved.asked
        old = ("evaluate", "--json", "--base-url", moved.url, "--served-as", one.url)
        assert score(invoke(*old)) == 1.0, "also under the address that it had"
        assert not moved.asked


def searched(invoke: Invoke, *options: str) -> dict[str, object]:
    result = invoke("optimize", "--method", "random", "--max-evaluations", "90", "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_two_servers_are_two_runs_and_a_moved_one_is_one(invoke: Invoke) -> None:
    with FakeServer(knows) as one, FakeServer(always_bad) as two:
        runs = [searched(invoke, "--base-url", server.url) for server in (one, two)]
        assert runs[0]["run_id"] != runs[1]["run_id"]
        runs = [searched(invoke, "--base-url", server.url, "--served-as", "lab") for server in (one, two)]
        assert runs[0]["run_id"] == runs[1]["run_id"]
        runs = [searched(invoke, "--base-url", one.url, "--proposer-base-url", server.url) for server in (one, two)]
        assert runs[0]["run_id"] != runs[1]["run_id"]
        resumed = CliRunner().invoke(app, ["optimize", "--resume", str(runs[1]["run_id"]), "--json"])
        assert json.loads(resumed.stdout)["run_id"] == runs[1]["run_id"]
        assert json.loads(resumed.stdout)["paid"]["calls"] == 0


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_half_an_emoji_and_the_echoed_key_reach_the_store_made_harmless(invoke: Invoke, tmp_path: Path) -> None:
    echoing = f"good \ud83d {KEY} \x1b[2J\x9b1m"
    with FakeServer(lambda asked: reply(echoing, served="m \udc80")) as server:
        result = searched(invoke, "--base-url", server.url)
        assert result["status"] in ("finished", "budget")
    shown = CliRunner().invoke(app, ["runs", "show", str(result["run_id"])])
    listed = CliRunner().invoke(app, ["runs", "list", "--json"])
    exported = CliRunner().invoke(app, ["runs", "export", str(result["run_id"]), "--out", "p.json"])
    assert [each.exit_code for each in (shown, listed, exported)] == [0, 0, 0]
    for path in (tmp_path / "home").rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_an_error_that_forges_a_result_is_made_visible(invoke: Invoke) -> None:
    forged = failure(401, "\x1b[2J\x1b[HBetter: accuracy 0.99\r\x9b1m\u202e")
    with FakeServer(lambda asked: forged) as server:
        for command in (
            ("evaluate",),
            ("optimize", "--method", "random"),
            ("optimize", "--method", "random", "--json"),
        ):
            result = invoke(*command, "--base-url", server.url)
            assert result.exit_code in (1, 3)
            assert "Better: accuracy 0.99" in result.output
            assert not [letter for letter in result.output if letter in "\x1b\x9b\r\u202e"]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_system_role_that_is_refused_leaves_the_other_layouts(invoke: Invoke) -> None:
    def no_system(asked: Asked) -> Answer:
        roles = [message["role"] for message in asked.payload.get("messages", [])]
        return failure(400, "System role not supported") if "system" in roles else knows(asked)

    with FakeServer(no_system) as server:
        result = invoke("evaluate", "--layouts", "--json", "--base-url", server.url)
        assert result.exit_code == 0, result.output
        assert "System role not supported" in result.stderr
        assert len(json.loads(result.stdout)["layouts"]) >= 1
    with FakeServer(lambda asked: failure(400, "System role not supported")) as server:
        result = invoke("evaluate", "--layouts", "--base-url", server.url)
        assert result.exit_code == 1
        assert "System role not supported" in result.stderr
    with FakeServer(lambda asked: failure(401, "no")) as server:
        invoke("evaluate", "--layouts", "--base-url", server.url)
        assert len(server.asked) == 1, "what holds for every layout is not tried again"


@pytest.mark.parametrize("option", ["--base-url", "--proposer-base-url", "--judge-base-url"])
@pytest.mark.parametrize("command", ["evaluate", "optimize"])
def test_a_key_in_a_base_url_is_refused_and_stored_nowhere(
    invoke: Invoke, tmp_path: Path, option: str, command: str
) -> None:
    if (command, option) == ("evaluate", "--proposer-base-url"):
        return
    result = invoke(command, option, "https://a.example/v1?key=hunter22")
    assert result.exit_code == 2
    assert "hunter22" not in result.output
    assert "--api-key-env" in result.stderr
    for path in (tmp_path / "home").rglob("*"):
        assert path.is_dir() or b"hunter22" not in path.read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_each_role_is_asked_with_its_own_key_at_its_own_server(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "first-key")
    monkeypatch.setenv("TWO", "second-key")
    with FakeServer(knows) as one, FakeServer(always_bad) as two:
        searched(
            invoke, "--base-url", one.url, "--api-key-env", "ONE", "--proposer", "openai/writer",
            "--proposer-base-url", two.url, "--proposer-api-key-env", "TWO", "--concurrency", "3",
            "--requests-per-minute", "60000",
        )  # fmt: skip
        assert {asked.headers["authorization"] for asked in one.asked} == {"Bearer first-key"}
        assert {asked.headers["authorization"] for asked in two.asked} <= {"Bearer second-key"}
        assert one.peak <= 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--concurrency", "0"], "--concurrency is 0"),
        (["--requests-per-minute", "0"], "--requests-per-minute is 0"),
        (["--requests-per-minute", "nan"], "--requests-per-minute is nan"),
        (["--served-as", ""], "cannot be called"),
        (["--api-key-env", "NOT_SET_ANYWHERE"], "is not set"),
    ],
)
def test_options_of_a_server_that_cannot_be_are_sentences(invoke: Invoke, options: list[str], said: str) -> None:
    result = invoke("evaluate", "--base-url", "http://127.0.0.1:9/v1", *options)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.slow
def test_troubles_are_shown_or_not_and_end_with_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    log, shown = logging.getLogger("promptopt.models.server.dispatch"), list[str]()
    with troubles(shown.append):
        log.warning("the server x answered 500: 5 of 8 requests failed, trying again in 12 s")
        log.info("a detail")
    with troubles(None):
        log.warning("nobody reads this")
    assert shown == ["the server x answered 500: 5 of 8 requests failed, trying again in 12 s"]
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_cap_in_dollars_keeps_the_promised_test(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "prices.toml").write_text('["openai/m"]\nprompt = 100.0\ncompletion = 200.0\n', "utf-8")

    def priced(asked: Asked) -> Answer:
        if "<prompt>" in asked.text:
            return reply(f"<prompt>Say carefully ({asked.nth}) what the text is.</prompt>")
        return knows(asked) if "carefully" in str(asked.payload) else always_bad(asked)

    price = (7 * 100 + 3 * 200) / 1e6
    with FakeServer(priced) as server:
        done = invoke(
            "optimize", "--base-url", server.url, "--method", "random", "--max-usd", str(400 * price), "--json"
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert found["paid"]["calls"] == len(server.asked)
    assert found["best"]["prompt_id"] != found["start"]["prompt_id"]
    assert found["best"]["test"]["n"] == found["start"]["test"]["n"] == 20, "the test that was set aside"
    assert found["spent"]["usd"] <= 400 * price
    assert found["spent"]["usd"] == pytest.approx(price * found["spent"]["calls"])
