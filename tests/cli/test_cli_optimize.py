"""`promptopt optimize`: the JSON contract, exit codes, streams, caps, resuming, interrupting, dry runs."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import BETTER, START, Invoke, answer, text_of

from promptopt.errors import BackendError
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.types import Request

BASE = ("optimize", "--method", "climb", "--model", "scripted", "--task")
LEDGER = {"evaluations", "calls", "proposer_calls", "prompt_tokens", "completion_tokens", "usd"}


def use(monkeypatch: pytest.MonkeyPatch, model: Scripted) -> None:
    monkeypatch.setattr(specs, "open_model", lambda spec, *, base_url=None: model)


def test_the_json_contract(optimized: dict[str, Any]) -> None:
    assert optimized["task"] == "mood"
    assert optimized["method"] == "climb"
    assert optimized["seed"] == 0
    assert optimized["model"] == optimized["proposer"] == "scripted/one"
    assert optimized["status"] == "finished"
    assert optimized["verdict"] == "better"
    assert len(optimized["run_id"]) == 12
    for who, prompt in (("start", START), ("best", BETTER)):
        entry = optimized[who]
        assert entry["prompt"] == prompt
        assert len(entry["prompt_id"]) == 16
        assert {"score", "n"} <= set(entry["dev"])
        assert {"score", "ci95", "n"} <= set(entry["test"])
        assert entry["test"]["ci95"][0] <= entry["test"]["score"] <= entry["test"]["ci95"][1]
    gain = optimized["gain"]
    assert set(gain) == {"mean", "ci95", "p_value", "test", "n"}
    assert gain["mean"] == pytest.approx(optimized["best"]["test"]["score"] - optimized["start"]["test"]["score"])
    assert optimized["optimism"] == optimized["best"]["dev"]["score"] - optimized["best"]["test"]["score"]
    for ledger in ("spent", "paid"):
        assert set(optimized[ledger]) == LEDGER
    assert optimized["spent"] == optimized["paid"]
    assert optimized["spent"]["proposer_calls"] == 2
    assert optimized["wall_s"] > 0
    assert [entry["operator"] for entry in optimized["candidates"]] == ["start", "rewrite"]
    assert optimized["rejected"] == {}
    assert isinstance(optimized["warnings"], list)


def test_json_is_one_object_on_stdout_and_nothing_else(invoke: Invoke, task_file: str) -> None:
    result = invoke(*BASE, task_file, "--json")
    assert result.stdout.count("\n") == 1
    json.loads(result.stdout)
    assert "run " in result.stderr
    assert "step 0" in result.stderr


def test_plain_lines_hold_no_escape_codes(invoke: Invoke, task_file: str) -> None:
    result = invoke(*BASE, task_file)
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert result.stdout.startswith("Better: ")
    assert BETTER in result.stdout


def test_quiet_prints_the_result_alone(invoke: Invoke, task_file: str) -> None:
    result = invoke(*BASE, task_file, "--quiet")
    assert result.stderr == ""
    assert result.stdout.startswith("Better: ")


def test_keep_your_prompt_is_a_success(invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Scripted(lambda request: "good", name="scripted/deaf"))
    result = invoke(*BASE, task_file, "--quiet")
    assert result.exit_code == 0
    assert result.stdout.startswith("Keep your prompt: ")


def lucky(request: Request) -> str:
    """Right where the text is good, and with the new prompt on one in thirty of the others."""
    text = text_of(request)
    if "Improve:" in text:
        return BETTER
    number = int(text.rpartition("item ")[2].split()[0])
    return "bad" if "carefully" in text and number % 60 == 1 else "good"


def idle(request: Request) -> str:
    return START if "Improve:" in text_of(request) else "good"


@pytest.mark.parametrize(
    ("answers", "held"),
    [
        (answer, "the new prompt is in prompt.txt"),
        (lucky, "the new prompt, which is not shown to be better than the start, is in prompt.txt"),
        (idle, "the start prompt, which is kept, is in"),
    ],
)
def test_what_a_file_holds_is_said_as_the_verdict_calls_it(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch, answers: Callable[[Request], str], held: str
) -> None:
    use(monkeypatch, Scripted(answers, name="scripted/any"))
    result = invoke(*BASE, task_file, "--out", "prompt.txt")
    assert held in result.stderr, result.stdout


@pytest.mark.slow
def test_the_same_command_again_pays_nothing(invoke: Invoke, task_file: str, model: Scripted) -> None:
    first = json.loads(invoke(*BASE, task_file, "--json").stdout)
    calls = model.calls
    second = json.loads(invoke(*BASE, task_file, "--json").stdout)
    assert model.calls == calls
    assert second["paid"]["calls"] == 0
    assert second["spent"] == first["spent"]
    assert second["run_id"] == first["run_id"]


@pytest.mark.slow
def test_a_dead_engine_suspends_and_the_same_command_goes_on(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Scripted(answer, name="scripted/one", fail_at=150, error=BackendError("the server is down"))
    use(monkeypatch, failing)
    stopped = invoke(*BASE, task_file, "--json")
    assert stopped.exit_code == 3
    found = json.loads(stopped.stdout)
    assert found["status"] == "suspended"
    assert found["gain"] is None
    shown = invoke("runs", "show", found["run_id"])
    assert shown.stdout.startswith("Suspended: the server is down. Run the same command again")
    whole = Scripted(answer, name="scripted/one")
    use(monkeypatch, whole)
    ended = json.loads(invoke(*BASE, task_file, "--json").stdout)
    assert ended["run_id"] == found["run_id"]
    assert ended["paid"]["calls"] == ended["spent"]["calls"] - 149


@pytest.mark.parametrize("sent", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP, signal.SIGHUP, signal.SIGTERM]])
def test_ctrl_c_and_its_like_suspend(
    sent: list[signal.Signals], invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(request: Any) -> str:
        if model.calls == 100:
            for number in sent:
                os.kill(os.getpid(), number)
        return answer(request)

    before = signal.getsignal(sent[0])
    model = Scripted(interrupted, name="scripted/one")
    use(monkeypatch, model)
    result = invoke(*BASE, task_file)
    assert result.exit_code == 3
    assert model.calls == 100
    assert "press Ctrl-C again to stop now" in result.stderr
    assert result.stdout.startswith("Suspended: interrupted.")
    assert signal.getsignal(sent[0]) is before


@pytest.mark.slow
def test_ctrl_c_twice_stops_at_once(invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(request: Any) -> str:
        if model.calls == 100:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return answer(request)

    model = Scripted(interrupted, name="scripted/one")
    use(monkeypatch, model)
    result = invoke(*BASE, task_file)
    assert result.exit_code == 3
    assert model.calls == 100
    use(monkeypatch, Scripted(answer, name="scripted/one"))
    ended = json.loads(invoke(*BASE, task_file, "--json").stdout)
    assert ended["status"] == "finished"
    assert ended["paid"]["calls"] == ended["spent"]["calls"] - 99


def test_a_metric_that_fails_is_exit_1(invoke: Invoke, task_file: str, workplace: Path) -> None:
    path = workplace / task_file
    path.write_text(path.read_text().replace("max_tokens = 4", 'max_tokens = 4\nmetric = "math:fmod"'))
    untrusted = invoke(*BASE, task_file, "--quiet")
    assert untrusted.exit_code == 2
    assert "would import and run the Python function 'math:fmod' (metric)" in untrusted.stderr
    result = invoke(*BASE, task_file, "--quiet", "--trust")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: metric")
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""
    assert json.loads(invoke("runs", "list", "--json").stdout)["runs"][0]["status"] == "failed"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--max-evaluations", "5"], "allow at least 10"),
        (["--max-usd", "0"], "leaves nothing to spend"),
        (["--max-calls", "many"], "--max-calls"),
        (["--train", "0"], "--train is 0"),
        (["--train", "9999"], "9,999"),
        (["--set", "steps"], "name=value"),
        (["--set", "stps=3"], "did you mean 'steps'?"),
        (["--set", "steps=few"], "expected a whole number"),
        (["--set", "selector=exhaustve"], "did you mean 'exhaustive'?"),
        (["--evaluator", "genration"], "did you mean 'generation'?"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
        (["--out", "no/folder/prompt.txt"], "make it first"),
        (["--out", "prompt.docx"], "prompt.docx"),
        (["--out", "folder.txt"], "is a folder; name a file in it"),
        (["--resume", "zzz"], "promptopt runs list"),
    ],
)
def test_bad_options_are_exit_2_before_any_call(
    options: list[str], expected: str, invoke: Invoke, task_file: str, model: Scripted, workplace: Path
) -> None:
    (workplace / "folder.txt").mkdir()
    result = invoke(*BASE, task_file, *options, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert model.calls == 0


def test_settings_reach_the_method(invoke: Invoke, task_file: str) -> None:
    found = json.loads(invoke(*BASE, task_file, "--json", "--set", "steps=1").stdout)
    assert found["spent"]["proposer_calls"] == 1


def test_a_cap_ends_the_search_and_is_kept(invoke: Invoke, task_file: str) -> None:
    found = json.loads(invoke(*BASE, task_file, "--json", "--max-evaluations", "100").stdout)
    assert found["status"] == "budget"
    assert found["spent"]["evaluations"] <= 100


@pytest.mark.slow
def test_the_command_line_beats_the_file(invoke: Invoke, task_file: str, workplace: Path) -> None:
    (workplace / "run.toml").write_text(
        f'task = "{task_file}"\nmethod = "climb"\nmodel = "scripted"\nseed = 3\n[settings]\nsteps = 1\n'
    )
    plain = json.loads(invoke("optimize", "--config", "run.toml", "--json").stdout)
    assert plain["seed"] == 3
    assert plain["spent"]["proposer_calls"] == 1
    given = json.loads(invoke("optimize", "--config", "run.toml", "--json", "--seed", "4", "--set", "steps=2").stdout)
    assert given["seed"] == 4
    assert given["spent"]["proposer_calls"] == 2


@pytest.mark.slow
def test_resume_needs_nothing_but_the_run(
    invoke: Invoke, task_file: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = json.loads(invoke(*BASE, task_file, "--json", "--set", "steps=1", "--max-evaluations", "100").stdout)
    (workplace / "elsewhere").mkdir()
    monkeypatch.chdir(workplace / "elsewhere")
    again = json.loads(invoke("optimize", "--resume", first["run_id"][:6], "--json", "--max-evaluations", "600").stdout)
    assert again["run_id"] == first["run_id"]
    assert again["status"] == "finished"
    assert again["spent"]["evaluations"] > first["spent"]["evaluations"]
    other = invoke("optimize", "--resume", first["run_id"], "--seed", "5")
    assert "a run of their own" in other.stderr


def test_passwords_in_addresses_are_not_stored(invoke: Invoke, task_file: str, workplace: Path) -> None:
    invoke(*BASE, task_file, "--base-url", "http://me:hunter2secret@server:8000/v1")
    held = b"".join(path.read_bytes() for path in (workplace / "home").iterdir())
    assert b"server:8000" in held
    assert b"hunter2secret" not in held


def test_out_writes_what_was_measured(invoke: Invoke, task_file: str, workplace: Path, model: Scripted) -> None:
    invoke(*BASE, task_file, "--out", "prompt.txt")
    written = (workplace / "prompt.txt").read_text()
    sent = [request.content[0].content for request in model.log if not isinstance(request.content, str)]
    assert written.startswith(BETTER)
    assert any(text == written.replace("{text}", text.rpartition("Text: ")[2].partition("\n")[0]) for text in sent)


def test_the_verdict_is_shown_where_the_winner_cannot_be_written(
    invoke: Invoke, task_file: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "prompt.txt").write_text("what was there")

    def full(path: Path, *_: object, **__: object) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        result = invoke(*BASE, task_file, "--out", "prompt.txt")
    assert result.exit_code == 1
    assert "Better:" in result.stdout
    assert "the winner is not kept: 'prompt.txt' cannot be written (No space left on device); " in result.stderr
    assert "and `promptopt runs export" in result.stderr
    assert (workplace / "prompt.txt").read_text() == "what was there"
    assert not list(workplace.glob("*.partial"))


def test_the_clock_suspends(invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Scripted(answer, name="scripted/one", latency_s=0.02))
    result = invoke(*BASE, task_file, "--max-minutes", "0.005")
    assert result.exit_code == 3
    assert result.stdout.startswith("Suspended: 0.005 minutes are over.")


@pytest.mark.slow
def test_a_store_that_cannot_be_written_or_is_newer(
    invoke: Invoke, task_file: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke(*BASE, task_file)
    with sqlite3.connect(workplace / "home" / "store.db") as connection:
        connection.execute("update meta set value = '99' where name = 'version'")
    connection.close()
    newer = invoke(*BASE, task_file, "--quiet")
    (workplace / "file").touch()
    monkeypatch.setenv("PROMPTOPT_HOME", str(workplace / "file"))
    unwritable = invoke(*BASE, task_file, "--quiet")
    for result, expected in ((newer, "newer promptopt"), (unwritable, "set PROMPTOPT_HOME")):
        assert result.exit_code == 1
        assert expected in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_strange_data_goes_through(invoke: Invoke, task_file: str, workplace: Path, model: Scripted) -> None:
    strange = [
        "{text} {instruction} {{",
        "\u202eright to left",
        "zero\u200bwidth",
        "\x1b[31mred",
        "%s {0} \\n",
        "long " * 3000,
    ]
    rows = [{"text": f"{strange[number % 6]} item {number} good", "label": "good"} for number in range(60)]
    (workplace / "strange.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = invoke(*BASE, task_file, "--data", "strange.jsonl", "--json", "--set", "steps=1")
    assert result.exit_code == 0, result.stderr
    sent = "".join(request.content[0].content for request in model.log if not isinstance(request.content, str))
    assert all(text in sent for text in strange)
    shown = invoke("runs", "show", json.loads(result.stdout)["run_id"])
    assert "\x1b" not in shown.stdout


@pytest.mark.slow
def test_what_the_test_can_show_is_said_once_and_asks_for_what_is_wanting(invoke: Invoke, task_file: str) -> None:
    for cap, wanted in (("40", "budget"), ("5000", "data")):
        asked = (*BASE, task_file, "--test", "80", "--max-evaluations", cap)
        foreseen, done = invoke(*asked, "--dry-run"), invoke(*asked)
        for said in (foreseen.stdout, done.stderr):
            told = ("test examples can hardly", "too few to find any gain", "points or more is found")
            assert sum(map(said.count, told)) == 1
            assert "test split has only" not in said
            assert ("give more data" in said) == (wanted == "data")
            assert ("larger" in said) == (wanted == "budget")
