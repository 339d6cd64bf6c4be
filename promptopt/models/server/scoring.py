"""Log-likelihoods of given texts from a server: the scoring half of an `OpenAIModel`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence

from promptopt.errors import BackendError, ConfigError, SomeRefused
from promptopt.models.server.abilities import Capabilities, detect, is_unchanged
from promptopt.models.server.dispatch import Dispatcher
from promptopt.models.server.http import Channel, Server, TooLong
from promptopt.models.server.pace import UNPACED, Pace
from promptopt.models.server.retrying import Outage, RetryPolicy
from promptopt.types import Content, Likelihoods, ScoreRequest, TokenLogProbs

_DETECT = ScoreRequest("", ())
"""Asks for nothing but that the server's capabilities are detected."""
_MOST_AT_ONCE = 32
"""Requests in flight: fast servers are busy with less; slow ones answer the last of more only after its time-out."""


class Scorer:
    """Requests in, log-likelihoods out, over connections, with retries and a window of its own.

    What the server can do is detected once and remembered; between batches, and by the snapshot that each answer names,
    it is seen whether it still is the same.
    """

    def __init__(
        self,
        server: Server,
        *,
        concurrency: int,
        timeout_s: float,
        retry_policy: RetryPolicy,
        sleep: Callable[[float], Awaitable[None]],
        pace: Pace = UNPACED,
    ) -> None:
        """Connects to nothing yet; arguments as in `OpenAIModel`."""
        self._server = server
        self._dispatcher = Dispatcher(
            self._likelihoods,
            server=server.name,
            concurrency=min(concurrency, _MOST_AT_ONCE, pace.most_at_once),
            retry_policy=retry_policy,
            sleep=sleep,
            # To score one text takes several requests: when all of them are given up is nothing that could be said.
            via=server.via,
        )
        # The pace is kept by the channel and not by the dispatcher: to score one text takes several requests.
        self._channel = Channel(server, timeout_s=timeout_s, keep=self._dispatcher.until_closed, pace=pace)
        self._capabilities: Capabilities | None = None
        self._detecting: asyncio.Task[Capabilities] | None = None
        self._asking = threading.Lock()

    def can_score(self) -> bool:
        """Whether the server can; detected once. Raises BackendError where it does not answer."""
        return self._missing() == ""

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool]
    ) -> Iterator[tuple[int, Likelihoods]]:
        """See `TextScorer.score`."""
        missing = self._missing()
        if missing:
            raise ConfigError(
                f"{self._server.name} does not give the log-probabilities of given texts for the model "
                f"{'openai/' + self._server.model!r}: {missing}; give the --base-url of a vLLM or llama.cpp server, or "
                f"use an engine in this process (`promptopt models list`)"
            )
        # Since the last batch the server may have been started anew, with another model.
        try:
            known = requests and any(True for _ in self._dispatcher.stream([_DETECT], stopping))
        except SomeRefused as refusal:
            # What it can is asked of the server, and none of the requests.
            raise BackendError(str(refusal)) from refusal
        if known:
            yield from self._dispatcher.stream(requests, stopping)

    @property
    def lost(self) -> int:
        """Tries that brought nothing, and that the server may have counted."""
        return self._dispatcher.lost

    def close(self) -> None:
        """Close the connections; the next batch opens them again."""
        self._dispatcher.close()
        self._channel.forget()
        self._detecting = None

    def _missing(self) -> str:
        if self._server.hosted:
            return "OpenAI's own service has none"
        self._channel.load()
        with self._asking:
            capabilities = self._capabilities
            if capabilities is None:
                # Through the dispatcher, which retries, and on whose loop the connections live.
                for _ in self._dispatcher.stream([_DETECT], lambda: False):
                    capabilities = self._capabilities
            assert capabilities is not None
            return capabilities.missing

    # --- on the dispatcher's loop ---

    async def _likelihoods(self, request: ScoreRequest) -> Likelihoods:
        known = self._capabilities
        if not request.continuations:
            if known is not None and not known.missing and not await is_unchanged(self._channel, known):
                self._capabilities = None
            await self._detected()
            return Likelihoods()
        capabilities = await self._detected()
        tokens, method = capabilities.tokens, capabilities.method
        if tokens is None or method is None:
            missing = capabilities.missing
            raise BackendError(f"{self._server.name} has changed its model, and now cannot score: {missing}")
        try:
            forced, texts = await tokens.force(request)
            if forced.longest > tokens.tokenizer.limit:
                return Likelihoods((), forced.prompt_tokens, "rejected", served=capabilities.served)
            found = await method.score(forced, request.shared / max(1, _content_length(request.content)))
        except TooLong:
            return Likelihoods(finish="rejected", served=capabilities.served)
        if found.served not in ("", capabilities.served):
            # Tokens and method are another model's. The request is sent again, once they are detected anew.
            # Another request may have forgotten it already, and detected the next.
            if self._capabilities is capabilities:
                self._capabilities = None
            raise Outage(f"was {capabilities.served!r} before and is {found.served!r} now")
        scored = tuple(map(TokenLogProbs, texts, found.logprobs))
        return Likelihoods(scored, forced.prompt_tokens, "stop", forced.merged, capabilities.served)

    async def _detected(self) -> Capabilities:
        """What the server can do, detected by whichever request asks first."""
        capabilities = self._capabilities
        if capabilities is None:
            if self._detecting is None:
                self._detecting = asyncio.create_task(detect(self._channel))
            try:
                # Shielded, for others wait for the same detection: the request that began it may be given up.
                self._capabilities = capabilities = await asyncio.shield(self._detecting)
            finally:
                self._detecting = None
            if capabilities.slots is not None:
                # In llama.cpp more would take turns in its slots, and drive each other's contexts out of them.
                self._dispatcher.window.cap = min(self._dispatcher.window.cap, max(1, capabilities.slots))
        return capabilities


def _content_length(content: Content) -> int:
    return len(content) if isinstance(content, str) else sum(len(message.content) for message in content)
