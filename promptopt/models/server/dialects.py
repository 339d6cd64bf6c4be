"""How the log-probabilities of given tokens are asked for over HTTP: a scoring method for each kind of server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from promptopt.models.boundary import Forced
from promptopt.models.server.answers import (
    Malformed,
    choices_of,
    generated_logprobs,
    prompt_logprobs_of,
    requested_logprobs,
    row_logprobs,
)
from promptopt.models.server.http import Channel
from promptopt.models.server.wire import served_by
from promptopt.models.vllm_requests import MOST_FOLLOWING, LogProbRequest, LogProbs, schedule

NEUTRAL: Mapping[str, float] = {
    "temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}  # fmt: skip
"""The model's own distribution, also where vLLM reports log-probabilities after sampling's changes to it."""
ALTERNATIVES = 100
"""Tokens that llama.cpp reports beside one that it is forced to generate: labels often are among them."""
MOST_CELLS = 2 * MOST_FOLLOWING
"""Prompts times tokens in one request: each is answered with the tokens of all."""


@dataclass(frozen=True, slots=True)
class ContinuationLogProbs:
    """`logprobs[i]`: of the scored tokens of continuation i, in nats.

    `served`: the snapshot, empty where no answer names one.
    """

    logprobs: tuple[tuple[float, ...], ...]
    served: str


class ScoringMethod(Protocol):
    """Scores continuations on one kind of server.

    Raises as `Channel.ask` does, and Malformed for an answer that lacks what was asked.
    """

    async def score(self, forced: Forced, shared: float) -> ContinuationLogProbs:
        """The log-probabilities of a request's continuations. `shared`: how much of the context is the candidate's."""
        ...


class PrefixCacheScoring:
    """vLLM: whichever requests are cheapest by `vllm_requests.schedule`, over the server's prefix cache.

    The tokens that may follow a prompt are scored with `logprob_token_ids`, many prompts in one HTTP request. Tokens of
    a prompt itself are scored with `prompt_logprob_token_ids` where the server has them, else with `prompt_logprobs`,
    which recomputes the whole prompt.
    """

    def __init__(self, channel: Channel, *, block: int, limit: int) -> None:
        """`block`: tokens in a block of the prefix cache. `limit`: tokens that prompt and reply can have together."""
        self._channel, self._block, self._limit = channel, block, limit
        self._full_prompt = FullPromptScoring(channel, "prompt_logprobs")
        self.cached_rows = False
        """Whether the log-probabilities of prompt tokens over cached ones have been proved exact."""

    async def score(self, forced: Forced, shared: float) -> ContinuationLogProbs:
        """See `ScoringMethod`."""
        # A share of the characters, taken for one of the tokens: only cost depends on it.
        chosen = schedule(forced, int(shared * len(forced.context)), self._block, along=self.cached_rows)
        found: dict[LogProbRequest, LogProbs] = {}
        served = ""
        for group in _batches([read for read in chosen.reads if not read.has_rows]):
            answer = await self._channel.ask(self._channel.server.completions, self.next_token_body(group))
            found.update(zip(group, next_token_results(answer, group), strict=True))
            served = served_by(answer)
        recomputed: list[LogProbRequest] = []
        for read in chosen.reads:
            if read.has_rows:
                cached = self.cached_rows and not read.fresh
                rows = await self.cached_row_logprobs(_prompt_of(read), read.start) if cached else None
                # Refused, or in the cache as well: then it is computed anew below.
                if rows is None:
                    recomputed.append(read)
                else:
                    found[read] = _as_logprobs(read, rows)
        if recomputed:
            results, served = await self._recompute(recomputed)
            found.update(zip(recomputed, results, strict=True))
        return ContinuationLogProbs(tuple(chosen.logprobs(forced, [found[read] for read in chosen.reads])), served)

    def next_token_body(self, reads: Sequence[LogProbRequest]) -> dict[str, Any]:
        """The request body for the log-probabilities of all their `following` tokens after each of `reads`."""
        # One list for all prompts of the request: the server takes none for each.
        wanted = list(dict.fromkeys(token for read in reads for token in read.following))
        chosen = {"logprobs": len(wanted), "logprob_token_ids": wanted, "return_tokens_as_token_ids": True}
        return {**completion(self._channel, [read.tokens for read in reads]), **NEUTRAL, **chosen}

    async def cached_row_logprobs(self, tokens: Sequence[int], start: int) -> list[float] | None:
        """Of `tokens[start:]`, over cached tokens; None where the server refuses, or has these cached too."""
        server = self._channel.server
        sampling = {
            "max_tokens": 1,
            "temperature": 1.0,
            "prompt_logprob_token_ids": [[token] for token in tokens[start:]],
            "prompt_logprob_start": start - 1,  # row i predicts token i + 1
            # vLLM leaves its cache unread where a prompt's own tokens are asked for, unless it is told this.
            "skip_reading_prefix_cache": False,
        }
        asked = {"model": server.model, "token_ids": list(tokens), "sampling_params": sampling}
        answer = await self._channel.probe(f"{server.root}/inference/v1/generate", asked, optional=True)
        return None if answer is None else row_logprobs(answer, len(tokens) - start)

    async def _recompute(self, reads: Sequence[LogProbRequest]) -> tuple[list[LogProbs], str]:
        """`reads`, each with the one token that follows it, computed without the cache. One HTTP request."""
        if max(len(_prompt_of(read)) for read in reads) < self._limit:
            answer = await self._channel.ask(
                self._channel.server.completions, self._full_prompt.body(list(map(_prompt_of, reads)))
            )
            choices = choices_of(answer, len(reads))
            rows = [prompt_logprobs_of(choice, _prompt_of(read)) for read, choice in zip(reads, choices, strict=True)]
            return [_as_logprobs(read, row[read.start :]) for read, row in zip(reads, rows, strict=True)], served_by(
                answer
            )
        # No room behind the longest for a token that follows: it is asked for as the next one.
        body = {**self._full_prompt.body([read.tokens for read in reads]), **self.next_token_body(reads)}
        answer = await self._channel.ask(self._channel.server.completions, body)
        choices = choices_of(answer, len(reads))
        rows = [prompt_logprobs_of(choice, read.tokens) for read, choice in zip(reads, choices, strict=True)]
        following = next_token_results(answer, reads)
        return [
            LogProbs(tuple(row[read.start :]), last.following, 0)
            for read, row, last in zip(reads, rows, following, strict=True)
        ], served_by(answer)


class FullPromptScoring:
    """Servers that report the log-probabilities of a prompt's own tokens (older vLLM): all of it is recomputed."""

    def __init__(self, channel: Channel, by: Literal["prompt_logprobs", "echo"]) -> None:
        """`by`: the parameter that has the server report them."""
        self._channel, self._by = channel, by

    async def score(self, forced: Forced, shared: float) -> ContinuationLogProbs:
        """See `ScoringMethod`. One HTTP request."""
        prompts = list(dict.fromkeys(forced.wholes))
        answer = await self._channel.ask(self._channel.server.completions, self.body(prompts))
        choices = choices_of(answer, len(prompts))
        known = {prompt: prompt_logprobs_of(choice, prompt) for prompt, choice in zip(prompts, choices, strict=True)}
        logprobs = (
            tuple(known[sequence][start:]) for sequence, start in zip(forced.wholes, forced.starts, strict=True)
        )
        return ContinuationLogProbs(tuple(logprobs), served_by(answer))

    def body(self, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """The request body for the log-probabilities of `prompts`."""
        # 0: of the prompt's own tokens alone, and of none beside them.
        own = {"echo": True} if self._by == "echo" else {"prompt_logprobs": 0}
        return {**completion(self._channel, prompts), "temperature": 1.0, "logprobs": 1, **own}


class ForcedDecoding:
    """llama.cpp's server, which reports the model's own log-probabilities of whatever it is forced to generate.

    A bias forces one token; others that follow the same text are read beside it where they are likely enough. With
    `grammars`, a grammar of token literals forces all but the last token of a continuation at once; the last is left to
    the bias, for it may be one that ends a reply, which no grammar can hold. Its numbers have the server's noise: what
    a token stands on is computed in whatever batches its slots make.
    """

    def __init__(self, channel: Channel) -> None:
        """The server takes no grammars until they have been tried."""
        self._channel = channel
        self.grammars = False
        """Whether the server takes token literals in a grammar; they came late in 2025."""

    async def score(self, forced: Forced, shared: float) -> ContinuationLogProbs:
        """See `ScoringMethod`. All labels of one token take one HTTP request or a few, a longer continuation two."""
        known: dict[tuple[int, ...], dict[int, float]] = {}
        served = ""
        for sequence, start in zip(forced.wholes, forced.starts, strict=True):
            for place in range(start, len(sequence)):
                # It stood among the alternatives of a token that was read before.
                if sequence[place] in known.get(sequence[:place], {}):
                    continue
                # Up to two tokens a grammar saves no request: the last is asked for by its bias in any case.
                long = self.grammars and len(sequence) - place > 2
                generated = await self.decode_by_grammar(sequence, place) if long else None
                if generated is None:
                    answer = await self._channel.ask(self._channel.server.completions, self.body(sequence, place))
                    generated, served = generated_logprobs(answer, sequence[place:]), served_by(answer)
                for offset, values in enumerate(generated):
                    known.setdefault(sequence[: place + offset], {}).update(values)
        logprobs = (
            tuple(known[sequence[:place]][sequence[place]] for place in range(start, len(sequence)))
            for sequence, start in zip(forced.wholes, forced.starts, strict=True)
        )
        return ContinuationLogProbs(tuple(logprobs), served)

    async def decode_by_grammar(self, sequence: Sequence[int], start: int) -> list[dict[int, float]] | None:
        """Of `sequence[start:-1]`, forced by a grammar; None where the server cannot."""
        wanted = sequence[start:-1]
        grammar = "root ::= " + " ".join(f"<[{token}]>" for token in wanted)
        body = {**self.body(sequence, start), "grammar": grammar, "max_tokens": len(wanted)}
        # A bias holds at every place, and the grammar has another token at each.
        del body["logit_bias"]
        answer = await self._channel.probe(self._channel.server.completions, body, optional=True)
        try:
            return None if answer is None else generated_logprobs(answer, wanted)
        except Malformed:
            return None

    def body(self, sequence: Sequence[int], place: int) -> dict[str, Any]:
        """The request body that forces the token at `place`."""
        # More than any difference of logits, so that no other token can be drawn.
        forced = {"logit_bias": [[sequence[place], 1e4]], "samplers": ["temperature"], "cache_prompt": True}
        body = {**completion(self._channel, []), "prompt": list(sequence[:place]), "temperature": 1.0}
        return {**body, **forced, "logprobs": ALTERNATIVES}


def completion(channel: Channel, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The body of a request that reads `prompts` and generates one token after each."""
    return {"model": channel.server.model, "prompt": [list(prompt) for prompt in prompts], "max_tokens": 1}


def _prompt_of(read: LogProbRequest) -> tuple[int, ...]:
    return (*read.tokens, *read.following)


def _as_logprobs(read: LogProbRequest, rows: Sequence[float]) -> LogProbs:
    """`rows`: of the tokens of `read` from its start on, and of the one that follows."""
    own = len(read.tokens) - read.start
    return LogProbs(tuple(rows[:own]), dict(zip(read.following, rows[own:], strict=True)), 0)


def next_token_results(answer: Mapping[str, Any], reads: Sequence[LogProbRequest]) -> list[LogProbs]:
    """What an answer to `PrefixCacheScoring.next_token_body` says, `LogProbs` for each."""
    choices = choices_of(answer, len(reads))
    following = (requested_logprobs(choice, read.following) for read, choice in zip(reads, choices, strict=True))
    return [LogProbs((), logprobs, 0) for logprobs in following]


def _batches(reads: Sequence[LogProbRequest]) -> Iterator[list[LogProbRequest]]:
    """`reads` in requests of a bearable size; two or more never ask for more than `MOST_FOLLOWING` tokens."""
    group: list[LogProbRequest] = []
    wanted: set[int] = set()
    for read in reads:
        together = wanted | set(read.following)
        if group and len(together) * (len(group) + 1) > MOST_CELLS:
            yield group
            group, together = [], set(read.following)
        group.append(read)
        wanted = together
    if group:
        yield group
