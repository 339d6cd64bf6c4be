"""Any server that speaks OpenAI's HTTP dialect: OpenAI, Azure, vLLM, llama.cpp, Ollama, LM Studio.

A server on this machine is spoken to with aiohttp alone, every other with OpenAI's own client, for the reasons and the
figures in `transports`. What servers differ in (dialects), how much they bear (adaptive concurrency), retries,
and outcomes as data are ours for both: the client's own retries would not stop when the run does.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from promptopt.errors import ConfigError, RequestRefused
from promptopt.models.server.dispatch import Dispatcher
from promptopt.models.server.http import Channel, Server
from promptopt.models.server.leaving import announced_end
from promptopt.models.server.pace import Pace
from promptopt.models.server.retrying import RETRY_POLICY, RetryPolicy
from promptopt.models.server.scoring import Scorer
from promptopt.models.server.token_logprobs import require_tokens, without_tokens
from promptopt.models.server.wire import (
    Failure,
    quoted,
    read_reply,
    response_format,
)
from promptopt.models.tokens import estimate_tokens
from promptopt.types import Likelihoods, Reply, Request, ScoreRequest, messages_to_json, tools_of

_log = logging.getLogger(__name__)

_SCHEMA = re.compile(r"response_format|json_schema|structured outputs?|guided|grammar", re.IGNORECASE)

CONCURRENCY = 64
"""Requests in flight at most, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What this server wants to be spared, learned from its refusals."""

    renamed: bool = False
    """`max_tokens` is called `max_completion_tokens`."""
    without: frozenset[str] = frozenset()
    """Parameters it refuses to take. Stop texts are then cut off here."""
    streamed: bool = False
    """It answers only in pieces, and wants to be asked for them."""

    def body(self, model: str, request: Request) -> dict[str, Any]:
        """What is posted for `request`."""
        content, sampling, chat = request.content, request.sampling, not isinstance(request.content, str)
        body: dict[str, Any] = {"model": model, "temperature": sampling.temperature}
        if isinstance(content, str):
            body["prompt"] = content
        else:
            body["messages"] = messages_to_json(content)
            if tools := tools_of(content):
                body["tools"] = tools
        # /completions knows the old name alone.
        body["max_completion_tokens" if self.renamed and chat else "max_tokens"] = sampling.max_tokens
        # Left out where they say nothing: servers refuse parameters that they do not know.
        if sampling.top_p != 1.0:
            body["top_p"] = sampling.top_p
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if request.seed is not None:
            body["seed"] = request.seed
        if request.logprobs:
            body |= {"logprobs": True, "top_logprobs": request.logprobs} if chat else {"logprobs": request.logprobs}
        if request.schema and chat:
            body["response_format"] = response_format(request.schema)
        if self.streamed:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in body.items() if name not in self.without}

    def after(self, failure: Failure) -> _Dialect:
        """The dialect that heeds `failure`; the same one where it teaches nothing."""
        if failure.status not in (400, 422):
            return self
        # OpenAI's reasoning models take only the newer name, and say so.
        if "max_completion_tokens" in failure.message and failure.names("max_tokens"):
            return replace(self, renamed=True)
        if not self.streamed and failure.wants_stream:
            return replace(self, streamed=True)
        # OpenAI's reasoning models refuse most of these, other servers one or another.
        for name in ("temperature", "top_p", "seed", "stop", "stream_options"):
            if failure.refuses(name):
                return replace(self, without=self.without | {name})
        # Servers without schemas have many words for it; what is asked for stands in the content too.
        if "response_format" not in self.without and _SCHEMA.search(f"{failure.param} {failure.message}"):
            return replace(self, without=self.without | {"response_format"})
        return self


class OpenAIModel:
    """A model behind an OpenAI-compatible server, as a `promptopt.protocols.Model`, and as a `TextScorer` where it can.

    Chat messages go to `/chat/completions`, plain texts to `/completions`. `local`: the server is on this machine, so
    its tokens are free. The key is read from the environment and kept out of every error, log and repr.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key_variable: str | None = None,
        served_as: str | None = None,
        concurrency: int = CONCURRENCY,
        requests_per_minute: float | None = None,
        timeout_s: float = 120.0,
        retry_policy: RetryPolicy = RETRY_POLICY,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Connects to nothing yet. Raises ConfigError for a base URL that is none, or when OpenAI's key is missing.

        `base_url`: by default OPENAI_BASE_URL, else OpenAI itself; of Azure the resource's, with the deployment as the
        model. `key_variable`: the environment variable that holds the key, by default OPENAI_API_KEY, and for Azure
        AZURE_OPENAI_API_KEY. `served_as`: what the server is told apart by, where its address changes; else the
        address. `concurrency`: the most requests in flight. `requests_per_minute`: sent at most, in even steps.
        `timeout_s`: for one try of one request.
        """
        if not model or not model.isprintable():
            raise ConfigError("openai/ needs the name of a model, as in 'openai/gpt-4o-mini'")
        server, pace = Server(model, base_url, key_variable, served_as), Pace(requests_per_minute)
        self.name = f"openai/{model}{server.identity}"
        self.base_url, self.local = server.api, server.local
        self._model, self._server = model, server
        self._dialect: _Dialect = _Dialect()
        self._gave_tokens = False
        self._dispatcher = Dispatcher(
            self._send, server=server.name, concurrency=concurrency, retry_policy=retry_policy, sleep=sleep, pace=pace,
            timeout_s=timeout_s, via=server.via,
        )  # fmt: skip
        self._channel = Channel(server, timeout_s=timeout_s, keep=self._dispatcher.until_closed)
        self._scorer = Scorer(
            server, concurrency=concurrency, timeout_s=timeout_s, retry_policy=retry_policy, sleep=sleep, pace=pace
        )

    def __repr__(self) -> str:
        return f"OpenAIModel({self._model!r})"

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """See `Model.generate`. `stopping` is called from another thread. Raises BackendError or ConfigError."""
        self._channel.load()
        return self._dispatcher.stream(requests, stopping)

    def can_score(self) -> bool:
        """Whether the server gives the log-probabilities of given texts; it is asked once. Raises BackendError."""
        return self._scorer.can_score()

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """See `TextScorer.score`. `stopping` is called from another thread. Raises BackendError or ConfigError."""
        return self._scorer.score(requests, stopping)

    def count_tokens(self, text: str) -> int:
        """An estimate: servers do not tell beforehand."""
        return estimate_tokens(text, self._model)

    def announced_end(self) -> date | None:
        """See `Leaving`."""
        return announced_end(self._server)

    @property
    def tries_lost(self) -> int:
        """See `LosesTries`."""
        return self._dispatcher.lost + self._scorer.lost

    @property
    def seconds(self) -> Sequence[float]:
        """See `TimesReplies`."""
        return self._dispatcher.seconds

    def close(self) -> None:
        """Close the connections; the next batch opens them again."""
        self._dispatcher.close()
        self._channel.forget()
        self._scorer.close()

    async def _send(self, request: Request) -> Reply:
        path = "/completions" if isinstance(request.content, str) else "/chat/completions"
        # Each refusal teaches one thing, and the same request goes out again.
        while True:
            dialect = self._dialect
            answer = await self._channel.post(self._server.api + path, dialect.body(self._model, request))
            if not isinstance(answer, Failure):
                reply = read_reply(answer, request, self._model, *self._server.keys)
                # It answered at a temperature of its own, whatever was asked for.
                if "temperature" in dialect.without:
                    reply = replace(reply, sampled=True)
                self._require_tokens(reply, request)
                return _cut_at_stops(reply, request) if "stop" in dialect.without else reply
            known = dialect.after(answer)
            if known == dialect:
                if request.logprobs and answer.refuses_logprobs:
                    begun = f"{self._server.name} answered {answer.status} ({quoted(answer.message)}): it gives no"
                    kind = RequestRefused if self._gave_tokens else ConfigError
                    raise kind(without_tokens(begun, f"openai/{self._model}"))
                if path == "/completions" and answer.refuses_plain_text(self._model):
                    status = answer.status
                    raise RequestRefused(
                        f"{self._server.name} answered {status} to a plain text: use a layout of chat messages; if "
                        f"these are refused too, {self._server.advice(status if status in (401, 403) else 404)}"
                    )
                return answer.settle(self._server.name, self._server.advice(answer.status))
            # Another request may have learned it meanwhile: it is said once.
            if known != self._dialect:
                _log.info("%s refuses parameters: %s", self._server.name, quoted(answer.message))
            # Requests in flight learn side by side: what this one was refused comes on top of what others were.
            now = self._dialect
            self._dialect = _Dialect(
                known.renamed or now.renamed, known.without | now.without, known.streamed or now.streamed
            )

    def _require_tokens(self, reply: Reply, request: Request) -> None:
        """Raises ConfigError where the model has no log-probabilities; RequestRefused where others came with them."""
        try:
            require_tokens(reply, request, self._server.name, f"openai/{self._model}")
        except ConfigError as error:
            # What was asked for can be had, as was seen: no mistake of the user's, and no end of a run.
            if self._gave_tokens:
                raise RequestRefused(str(error)) from error
            raise
        self._gave_tokens = self._gave_tokens or bool(reply.tokens)


def _cut_at_stops(reply: Reply, request: Request) -> Reply:
    """`reply` up to the first of the request's stop texts, for a server that takes none."""
    ends = [found for text in request.sampling.stop if (found := reply.text.find(text)) >= 0]
    return replace(reply, text=reply.text[: min(ends)], finish="stop") if ends else reply
