"""An LM is asked within a run as its program asks it alone: with all the settings that it was made with."""

from __future__ import annotations

import asyncio
import json
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy import PromptOpt  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")
SAID = "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"


class Server:
    """Speaks OpenAI's dialect, and keeps what each request holds beside its messages."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.name = "some"
        kept = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                kept.append({name: value for name, value in body.items() if name not in ("messages", "prompt")})
                said = {"message": {"role": "assistant", "content": SAID}} if "messages" in body else {"text": SAID}
                choice = {"index": 0, "finish_reason": "stop", **said}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                sent = json.dumps({"id": "0", "object": "chat.completion", "created": 0, "model": "some",
                                   "choices": [choice], "usage": usage}).encode()  # fmt: skip
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is logged."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def lm(self, **settings: Any) -> Any:
        url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        return dspy.LM(f"openai/{self.name}", api_base=url, api_key="none", cache=False, **settings)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()
    close_loop()


def close_loop() -> None:
    """LiteLLM makes an event loop in a thread that has none, and leaves it: found as garbage, it fails another test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            return
    loop.close()
    asyncio.set_event_loop(None)


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 7},
        {"reasoning_effort": "high", "max_tokens": 20_000},
        {"presence_penalty": 0.5, "frequency_penalty": 0.25, "top_p": 0.9},
        # What DSPy's own requests cannot hold, and it gives to LiteLLM.
        pytest.param({"extra_body": {"enable_thinking": True}}, marks=pytest.mark.filterwarnings("ignore")),
        {"stop": ["###"], "temperature": 0.3},
        {"user": "shop"},
        pytest.param({"model_type": "text"}, marks=pytest.mark.filterwarnings("ignore")),
    ],
    ids=lambda settings: ", ".join(settings),
)
def test_what_an_lm_was_made_with_is_sent_within_a_run(
    server: Server, tmp_path: Path, settings: dict[str, Any]
) -> None:
    if "extra_body" in settings or "model_type" in settings:
        pytest.importorskip("litellm")
    program = dspy.Predict("question -> answer")
    rows = [dspy.Example(question=f"q{number}", answer="yes").with_inputs("question") for number in range(30)]
    with dspy.context(lm=server.lm(**settings)):
        program(question="alone")
        alone = server.bodies.pop()
        best = PromptOpt(
            "random",
            metric=lambda gold, found, trace=None: gold.answer == found.answer,
            budget=Budget(evaluations=20),
            proposer=writer(),
            store=tmp_path / "store.db",
        ).compile(program, trainset=rows[:10], valset=rows[10:20], testset=rows[20:])
    assert best.promptopt.result.start.test.score == 1.0
    assert len(server.bodies) >= 10
    assert all(body == alone for body in server.bodies), (alone, server.bodies[0])


def writer() -> Any:
    """A proposer that is no LM, so that every request to the server is the program's."""
    from promptopt.models.scripted import Scripted

    return Scripted(lambda request: "<prompt>Say yes.</prompt>", name="proposer")
