"""Log-likelihoods of given texts from a server: the scoring half of an `OpenAIModel`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence

from promptopt.errors import BackendError, ConfigError
from promptopt.models.server.abilities import Ability, is_same, look
from promptopt.models.server.dispatch import Dispatcher, Patience, Weather
from promptopt.models.server.http import Channel, Server, TooLong
from promptopt.types import Content, Likelihoods, ScoreRequest, TokenLogProbs

_LOOK = ScoreRequest("", ())
"""Asks for nothing but that the server is looked at."""
_MOST_AT_ONCE = 32
"""Requests in flight: fast servers are busy with less; slow ones answer the last of more only after its time-out."""


class Scorer:
    """Requests in, log-likelihoods out, over connections, with retries and a window of its own.

    What the server can is found out once and remembered; between batches, and by the snapshot that each answer names,
    it is seen whether it still is the same.
    """

    def __init__(
        self,
        server: Server,
        *,
        concurrency: int,
        timeout_s: float,
        patience: Patience,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Connects to nothing yet; arguments as in `OpenAIModel`."""
        self._server = server
        self._dispatcher = Dispatcher(
            self._likelihoods,
            server=server.name,
            concurrency=min(concurrency, _MOST_AT_ONCE),
            patience=patience,
            sleep=sleep,
        )
        self._channel = Channel(server, timeout_s=timeout_s, keep=self._dispatcher.until_closed)
        self._ability: Ability | None = None
        self._looking: asyncio.Task[Ability] | None = None
        self._asking = threading.Lock()

    def can_score(self) -> bool:
        """Whether the server can; asked of it once. Raises BackendError where it does not answer."""
        return self._lacks() == ""

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool]
    ) -> Iterator[tuple[int, Likelihoods]]:
        """See `TextScorer.score`."""
        lacks = self._lacks()
        if lacks:
            raise ConfigError(
                f"{self._server.name} does not give the log-probabilities of given texts for the model "
                f"{'openai/' + self._server.model!r}: {lacks}; give the --base-url of a vLLM or "
                "llama.cpp server, or use an engine in this "
                "process (`promptopt models list`)"
            )
        # Since the last batch the server may have been started anew, with another model.
        if requests and any(True for _ in self._dispatcher.stream([_LOOK], stopping)):
            yield from self._dispatcher.stream(requests, stopping)

    def close(self) -> None:
        """Close the connections; the next batch opens them again."""
        self._dispatcher.close()
        self._channel.forget()
        self._looking = None

    def _lacks(self) -> str:
        if self._server.hosted:
            return "OpenAI's own service has none"
        with self._asking:
            ability = self._ability
            if ability is None:
                for _ in self._dispatcher.stream([_LOOK], lambda: False):
                    ability = self._ability
            assert ability is not None
            return ability.lacks

    # --- on the dispatcher's loop ---

    async def _likelihoods(self, request: ScoreRequest) -> Likelihoods:
        known = self._ability
        if not request.continuations:
            if known is not None and not known.lacks and not await is_same(self._channel, known):
                self._ability = None
            await self._able()
            return Likelihoods()
        ability = await self._able()
        tokens, way = ability.tokens, ability.way
        if tokens is None or way is None:
            raise BackendError(f"{self._server.name} has changed its model, and now cannot score: {ability.lacks}")
        try:
            forced, texts = await tokens.force(request)
            if forced.longest > tokens.speech.limit:
                return Likelihoods((), forced.prompt_tokens, "rejected", served=ability.served)
            given = await way.read(forced, request.shared / max(1, _length(request.content)))
        except TooLong:
            return Likelihoods(finish="rejected", served=ability.served)
        if given.served not in ("", ability.served):
            # Tokens and ways are another model's. Weather: the request is sent again, once they are known anew.
            if self._ability is ability:
                self._ability = None
            raise Weather(f"was {ability.served!r} before and is {given.served!r} now")
        scored = tuple(map(TokenLogProbs, texts, given.logprobs))
        return Likelihoods(scored, forced.prompt_tokens, "stop", forced.merged, ability.served)

    async def _able(self) -> Ability:
        """What the server can, found out by whoever asks first."""
        ability = self._ability
        if ability is None:
            if self._looking is None:
                self._looking = asyncio.create_task(look(self._channel))
            try:
                self._ability = ability = await asyncio.shield(self._looking)
            finally:
                self._looking = None
            if ability.slots is not None:
                # In llama.cpp more would take turns in its slots, and drive each other's contexts out of them.
                self._dispatcher.window.cap = min(self._dispatcher.window.cap, max(1, ability.slots))
        return ability


def _length(content: Content) -> int:
    return len(content) if isinstance(content, str) else sum(len(message.content) for message in content)
