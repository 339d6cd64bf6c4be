"""`promptopt compare --jobs 2`: runs in processes of their own come to the same as one after the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from promptopt.cli.main import app
from tests.servers import Answer, Asked, FakeServer, failure, reply

pytestmark = pytest.mark.slow  # some seconds for each process to begin; in one process it is tested beside the command


def answers(asked: Asked) -> Answer:
    if "item" not in asked.text:
        return reply("<prompt>Say carefully what the text is.</prompt>")
    number, right = asked.text.rpartition("item")[2].split()[:2]
    return reply(right if "carefully" in asked.text or int(number) % 3 else "bad")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123456789")
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"item {n} {('good', 'bad')[n % 2]}", "label": ("good", "bad")[n % 2]} for n in range(120)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "mood.toml").write_text(
        'description = "Moods."\nlabels = ["bad", "good"]\ninstruction = "Say what the text is."\nmax_tokens = 4\n'
        '[data]\nfile = "texts.jsonl"\ninput = "text"\ntarget = "label"\n',
        encoding="utf-8",
    )
    return tmp_path


def compared(home: Path, monkeypatch: pytest.MonkeyPatch, server: FakeServer, *more: str) -> dict[str, Any]:
    monkeypatch.setenv("PROMPTOPT_HOME", str(home))
    given = ["compare", "--task", "mood.toml", "--methods", "evoprompt-ga,opro", "--model", "openai/m"]
    given += ["--base-url", server.url, "--served-as", "here", "--seeds", "1", "--max-evaluations", "120", "--json"]
    done = CliRunner().invoke(app, [*given, *more], prog_name="promptopt")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def plain(found: Any) -> Any:
    """Without what differs from one execution to the next."""
    if isinstance(found, dict):
        return {name: plain(each) for name, each in found.items() if name not in ("seconds", "minutes", "paid", "look")}
    return [plain(each) for each in found] if isinstance(found, list) else found


def test_processes_come_to_the_same(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(answers) as server:
        one = compared(workplace / "one", monkeypatch, server)
        two = compared(workplace / "two", monkeypatch, server, "--jobs", "2", "--out", "found")
    assert {cell["status"] for cell in one["cells"]} <= {"finished", "budget"}
    assert plain(one) == plain(two)
    # The server is gone, and every call is in the folder.
    done = CliRunner().invoke(app, ["compare", "--from", "found", "--json"], prog_name="promptopt")
    assert done.exit_code == 0, done.output
    assert "3 of 3 runs were made again" in done.stderr
    assert "sk-very-secret" not in (workplace / "found" / "comparison.json").read_text(encoding="utf-8")


def test_a_process_that_fails_says_why_in_its_row(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(lambda asked: failure(401, "no such key")) as server:
        found = compared(workplace / "home", monkeypatch, server, "--jobs", "2")
    assert {cell["status"] for cell in found["cells"]} == {"suspended"}
    assert all("401" in cell["why"] or "key" in cell["why"] for cell in found["cells"])
