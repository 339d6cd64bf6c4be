"""One local server that speaks OpenAI's dialect, counts every call, and refuses beyond a cap: the arena's only model.

Task model and proposer alike are asked here, by ours and by peers, with their real clients. What the server knows is a
planted landscape: it reads the instruction out of whatever frame a client puts around it, so that equal instructions
are worth the same to all, and gives equal answers for equal (prompt, example) cells, as a greedy model does.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import TracebackType
from typing import Any, Protocol, Self

from benchmarks.search_landscape import DEMO, DEMOS, HIGHEST, LABELS, LOWEST, NOUNS, Landscape
from benchmarks.search_proposer import Proposer
from promptopt.testing import uniform
from promptopt.types import Request

TASK, PROPOSER = "task", "proposer"
"""Names of the two models; a client may add a suffix, which keeps caches of different runs apart."""
REFUSED = 403
"""The status beyond the cap: one that no client tries again."""

_QUESTION = re.compile(r"\bq\d+\b")
_ASKED = re.compile(r"(?:\b(?:q|question|input)\s*:\s*)?\bq\d+\b\s*", re.IGNORECASE)
_LABEL = re.compile(rf"\b({'|'.join(LABELS)})\b", re.IGNORECASE)
_FRAME = re.compile(
    rf"(?:(?:q|a|question|answer|input|output)\s*:\s*)?(?:(?:{'|'.join(LABELS)})\.?)?"
    r"|(?:q|a|question|answer|input|output)"
    r"|answer with one of: .*|you are a helpful assistant\.",
    re.IGNORECASE,
)
"""Lines of clients' own frames: cues, demonstrations' answers, and what is said on top of every prompt."""
_DSPY_TASK = "your objective is:"
_DSPY_FIELD = re.compile(r"\[\[ ## (\w+) ## \]\]")
_KNOWN = re.compile(rf"\b(?:riddle|{'|'.join(NOUNS)})\b", re.IGNORECASE)
_CODE = re.compile(r"```\s*(.*?)\s*```", re.DOTALL)
_LEAD = re.compile(r"^.*?(?=\bSettle\b)")


@dataclass(frozen=True, slots=True)
class Cell:
    """What a task model is asked: an instruction, the questions of right demonstrations, and a question."""

    instruction: str
    demos: tuple[str, ...]
    question: str


def read(messages: Sequence[Mapping[str, str]]) -> Cell:
    """The cell in a client's messages, without the frame that the client puts around it. Raises ValueError for none."""
    texts = [message["content"] for message in messages]
    if texts and _DSPY_TASK in texts[0]:
        texts[0] = texts[0].partition(_DSPY_TASK)[2]
    text = _DSPY_FIELD.sub("\n", "\n\n".join(texts))
    found = list(_QUESTION.finditer(text))
    if not found:
        raise ValueError(f"there is no question in {text[-200:]!r}")
    demos: list[str] = []
    for here, after in pairwise(found):
        said = _LABEL.search(text, here.end(), after.start())
        if said is not None and said.group().lower() == right(here.group()):
            demos.append(here.group())
    lines = (_ASKED.sub("", line).strip() for line in text[: found[-1].start()].splitlines())
    kept = (line for line in lines if not _FRAME.fullmatch(line))
    return Cell(" ".join(" ".join(kept).split()), tuple(demos), found[-1].group())


def right(question: str) -> str:
    """The right answer to a question: they alternate."""
    return LABELS[int(question[1:]) % 2]


@dataclass(frozen=True, slots=True)
class World:
    """A landscape as a server sees it.

    `lift`: what is added to the accuracy of every prompt. A demonstration gives what the landscape says, and takes no
    room: how many words a client needs for one is its own affair.
    """

    landscape: Landscape
    skill: float
    lift: float = 0.0

    def read(self, messages: Sequence[Mapping[str, str]]) -> Cell:
        """As `read`."""
        return read(messages)

    @property
    def start(self) -> str:
        """The prompt that every player begins with."""
        return self.landscape.start

    def accuracy(self, instruction: str, demos: int = 0) -> float:
        """The true accuracy of an instruction with so many right demonstrations."""
        value = self.landscape.accuracy(instruction) + self.lift + DEMO * min(DEMOS, demos)
        return min(HIGHEST, max(LOWEST, value))

    def gain(self, messages: Sequence[Mapping[str, str]]) -> float:
        """The true accuracy of the prompt in `messages`, minus the start's."""
        cell = read(messages)
        return self.accuracy(cell.instruction, len(cell.demos)) - self.accuracy(self.start)

    def answer(self, cell: Cell) -> str:
        """A label: right for a share of the questions that is the prompt's accuracy."""
        shared = uniform("shared", cell.question) < self.landscape.common
        prompt = () if shared else (cell.instruction, *cell.demos)
        label = right(cell.question)
        if self.accuracy(cell.instruction, len(cell.demos)) > uniform("difficulty", cell.question, *prompt):
            return label
        return next(other for other in LABELS if other != label)

    def reply(self, messages: Sequence[Mapping[str, str]]) -> str:
        """What the task model says, in the form that the client reads."""
        said = self.answer(read(messages))
        return f"[[ ## answer ## ]]\n{said}\n\n[[ ## completed ## ]]" if _dspy(messages) else said

    def propose(self, messages: Sequence[Mapping[str, str]], draw: int) -> str:
        """What the proposer says: one instruction of the same quality for every client, in the form it reads.

        A request of ours, or of any client that names tags, is read by `search_proposer`; others are put to it in its
        own form first, so that the draw is the same. `draw` tells equal requests apart.
        """
        proposer = Proposer(self.landscape.good, self.skill)
        text = "\n\n".join(message["content"] for message in messages)
        # What is put to the proposer is less than the request, so requests that differ must differ in their draw.
        seed = int(uniform("draw", text, str(draw)) * 2**53)
        if _dspy(messages):
            # The last message names the fields that are wanted; the first describes them too.
            asked = messages[-1]["content"].rpartition("Respond with the corresponding output fields")[2]
            fields = [name for name in _DSPY_FIELD.findall(asked) if name != "completed"]
            lines = [line for line in text.splitlines() if _KNOWN.search(line)]
            new = _rewritten(proposer, lines, "Score" in text, seed)
            said = {
                name: new if "instruction" in name else "Answer:" if "prefix" in name else "None." for name in fields
            }
            return "".join(f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in said.items()) + "[[ ## completed ## ]]"
        if "within ``` blocks" in text:
            new = _rewritten(proposer, [block for block in _CODE.findall(text) if _KNOWN.search(block)], False, seed)
            return f"```\n{new}\n```"
        return proposer(Request(text, seed=draw))


def _dspy(messages: Sequence[Mapping[str, str]]) -> bool:
    return any(_DSPY_FIELD.search(message["content"]) for message in messages)


def _rewritten(proposer: Proposer, read: Sequence[str], scored: bool, draw: int) -> str:
    """A draw of the proposer for these prompts, best last where they are `scored`, without its tags."""
    prompts = dict.fromkeys(_LEAD.sub("", line).strip("«»'\" ") for line in read)
    quoted = "\n".join(f'"""\n{prompt}\n"""' for prompt in prompts)
    said = proposer(Request(f"{quoted}\n{'By score.' if scored else ''}<prompt></prompt>", seed=draw))
    return said.removeprefix("<prompt>").removesuffix("</prompt>")


@dataclass(slots=True)
class Counts:
    """What a run asked for. `cells`: the questions that each (instruction, demonstrations) was asked, with repeats."""

    cap: int
    task: int = 0
    proposer: int = 0
    refused: int = 0
    cells: dict[tuple[str, tuple[str, ...]], list[str]] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Replies given, whoever asked."""
        return self.task + self.proposer

    def admit(self, replies: int) -> bool:
        """Whether so many more replies fit under the cap; a refusal is counted, and costs nothing."""
        if self.calls + replies > self.cap:
            self.refused += 1
            return False
        return True


class Served(Protocol):
    """What answers behind the server: `World`, or a real model."""

    def read(self, messages: Sequence[Mapping[str, str]]) -> Cell:
        """The cell in a client's messages."""
        ...

    def reply(self, messages: Sequence[Mapping[str, str]]) -> str:
        """What the task model says."""
        ...

    def propose(self, messages: Sequence[Mapping[str, str]], draw: int) -> str:
        """What the proposer says."""
        ...


class Proxy:
    """The server, on a free port of this machine, in threads of its own; a context manager."""

    def __init__(self, world: Served, cap: int) -> None:
        """`cap`: replies given in all, of both models together."""
        self.world, self.counts = world, Counts(cap)
        self._draws: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """What clients call the base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def complete(self, body: Mapping[str, Any]) -> tuple[int, list[str]]:
        """The status and the replies for the body of a request: all that it asks for, or none."""
        messages = [{"role": each["role"], "content": _flat(each["content"])} for each in body["messages"]]
        count = int(body.get("n") or 1)
        with self._lock:
            if not self.counts.admit(count):
                return REFUSED, []
            if str(body["model"]).startswith(PROPOSER):
                self.counts.proposer += count
                return 200, [self.world.propose(messages, self._draw(messages, body, each)) for each in range(count)]
            self.counts.task += count
            cell = self.world.read(messages)
            self.counts.cells.setdefault((cell.instruction, cell.demos), []).extend([cell.question] * count)
            return 200, [self.world.reply(messages)] * count

    def _draw(self, messages: Sequence[Mapping[str, str]], body: Mapping[str, Any], place: int) -> int:
        """The client's seed, where it gives one; else how often the same was asked before."""
        if body.get("seed") is not None:
            return int(body["seed"]) + place
        text = json.dumps(messages)
        self._draws[text] += 1
        return self._draws[text]


def _flat(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    """The text of a message, given as such or in parts."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or ())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(length)
            if not self.path.endswith("/chat/completions"):
                # Nobody needs more, and a client that tries out what a server can do is not charged for it.
                self._send(404, {"error": {"message": f"there is no {self.path} here", "type": "not_found"}})
                return
            body = json.loads(raw)
            try:
                status, replies = proxy.complete(body)
            except (KeyError, ValueError) as why:
                self._send(400, {"error": {"message": str(why), "type": "invalid_request"}})
                return
            if status == REFUSED:
                said = f"the budget of {proxy.counts.cap} calls is spent"
                self._send(status, {"error": {"message": said, "type": "budget", "code": "budget_spent"}})
                return
            choices = [
                {"index": place, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
                for place, text in enumerate(replies)
            ]
            usage = {"prompt_tokens": length // 4, "completion_tokens": 8, "total_tokens": length // 4 + 8}
            self._send(
                200,
                {"id": "0", "object": "chat.completion", "created": 0, "model": body["model"], "choices": choices,
                 "usage": usage},
            )  # fmt: skip

        def do_GET(self) -> None:
            models = [{"id": name, "object": "model"} for name in (TASK, PROPOSER)]
            found = self.path.endswith("/models")
            self._send(200 if found else 404, {"object": "list", "data": models} if found else {"error": {}})

        def _send(self, status: int, answer: Mapping[str, Any]) -> None:
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is logged."""

    return Handler
