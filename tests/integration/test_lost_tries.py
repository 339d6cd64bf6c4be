"""Replies that come after nobody waits for them: the server counts them, and a ledger cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.cli.main import app
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.run.budget import Budget
from promptopt.testing import planted_task
from tests.rewrites import Rewrites, rewrite
from tests.servers import CUT, Answer, Asked, FakeServer, failure, reply

SAID = "{} at a request brought no whole reply in time"


def slow(asked: Asked) -> Answer:
    """Every tenth request is answered when its client has gone."""
    return reply("yes", latency_s=0.9 if asked.nth % 10 == 9 and not asked.again else 0.0)


def model_at(url: str, timeout_s: float = 0.3) -> OpenAIModel:
    return OpenAIModel(
        "m", base_url=url, served_as="lab", timeout_s=timeout_s, retry_policy=RetryPolicy(total_s=5, first_s=0.01)
    )


@pytest.mark.slow
def test_a_run_says_how_many_replies_came_too_late_for_its_ledger(tmp_path: Path) -> None:
    with FakeServer(slow) as server:
        model = model_at(server.url)
        models = Models(model, proposer=Scripted(rewrite, name="proposer"))
        task = planted_task(train=10, dev=5, test=20)
        result = optimize(task, Rewrites(), model=models, budget=Budget(calls=60), store=tmp_path / "s.db")
        again = optimize(task, Rewrites(), model=models, budget=Budget(calls=60), store=tmp_path / "s.db")
        model.close()
    late = sum(asked.nth % 10 == 9 and not asked.again for asked in server.asked)
    assert late > 2
    # A server counts each of its answers, whoever is there to read it.
    assert len(server.asked) == result.paid.calls - result.paid.proposer_calls + late
    assert any(warning.startswith(SAID.format(f"{late} tries")) for warning in result.warnings)
    assert not any("no whole reply" in warning for warning in again.warnings)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (reply("yes", latency_s=0.9), True),
        (CUT, True),
        (Answer(b'{"choices": [{"message": {"content": "yes'), True),
        (Answer(b'data: {"choices": [{"index": 0, "delta": {"content": "yes"}}]}\n\n'), True),
        (reply("yes", finish="abort"), True),
        # The server says itself that it gave nothing.
        (failure(500), False),
        (failure(429, headers={"Retry-After": "0"}), False),
        (Answer(b'{"error": {"message": "overloaded", "code": 502}}'), False),
    ],
)
def test_a_score_says_which_tries_the_server_may_have_counted(tmp_path: Path, trouble: Answer, said: bool) -> None:
    with FakeServer(lambda asked: trouble if asked.nth == 2 else reply("yes")) as server:
        model = model_at(server.url)
        found = evaluate(planted_task(train=10, dev=5), model=model, store=tmp_path / "s.db")
        model.close()
    assert len(server.asked) == found.paid.calls + 1 == 6
    assert any(warning.startswith(SAID.format("1 try")) for warning in found.warnings) is said


@pytest.mark.slow
def test_prompts_scored_together_count_the_tries_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    rows = [f"text {number},{'yes' if number % 2 else 'no'}" for number in range(20)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,target", *rows]), encoding="utf-8")
    (tmp_path / "task.toml").write_text(
        'name = "t"\ninstruction = "Say."\nlabels = ["no", "yes"]\n[data]\nfile = "rows.csv"\ninput = ["text"]\n'
        'target = "target"\n[splits]\ntrain = 8\ndev = 4\ntest = 8\n',
        encoding="utf-8",
    )
    begun: set[bool] = set()

    def cut_once(asked: Asked) -> Answer:
        """The first try for each of the two prompts breaks off."""
        first = b"Say one." in asked.body
        new = first not in begun
        begun.add(first)
        return CUT if new else reply("yes")

    with FakeServer(cut_once) as server:
        arguments = ["evaluate", "--task", str(tmp_path / "task.toml"), "--model", "openai/m", "--base-url", server.url]
        with pytest.raises(SystemExit):
            app([*arguments, "--prompt", "Say one.", "--prompt", "Say two.", "--concurrency", "1"])
    assert len(server.asked) == 10
    said = [line for line in capsys.readouterr().err.splitlines() if "no whole reply" in line]
    assert len(said) == 1
    assert said[0].startswith(f"warning: {SAID.format('2 tries')}")
