"""What a server can do about log-probabilities, found out by tiny requests that are judged by their answers.

A status is little evidence: some servers ignore what they do not know. What counts is whether the log-probabilities
that were asked for are in the answer, whether they can be log-probabilities, and whether two requests for the same
number agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from promptopt.models.server.answers import (
    Malformed,
    choices_of,
    generated_logprobs,
    greedy_logprob,
    prompt_logprobs_of,
)
from promptopt.models.server.dialects import (
    ForcedDecoding,
    FullPromptScoring,
    PrefixCacheScoring,
    ScoringMethod,
    completion,
    next_token_results,
)
from promptopt.models.server.http import Channel
from promptopt.models.server.tokenizing import LlamaCppTokenizer, VLLMTokenizer
from promptopt.models.server.tokens import Tokenization
from promptopt.models.server.wire import served_by
from promptopt.models.vllm_requests import LogProbRequest

PROBE = "The quick brown fox jumps over the lazy dog, 1 2 3 4 5 6 7 8 9, and then it sleeps until the morning."
BLOCK = 16
"""Tokens in a block of vLLM's prefix cache, where /metrics does not report it: its default on a GPU."""
UNBOUNDED = 1 << 40
"""A limit above any request, where a server names none."""
ROWS_AGREE = 1e-3
"""Nats by which log-probabilities over cached tokens may differ from a full recomputation. Ours."""
METHODS_AGREE = 0.25
"""Nats by which two methods may differ for the probe: 16-bit weights are coarse; other numbers are not so near."""
LEAST_GREEDY = -13.0
"""Nats: the likeliest of up to 400,000 tokens has at least this log-probability. A logit mostly has not."""
ROUNDING = 1e-3
"""Nats above 0 at which a number still counts as a log-probability: servers round."""
LONGEST_PROOF = 1024
"""Tokens of the text by which cached rows are proved: two blocks of any cache."""
FULL_PROMPTS_AT_ONCE = 8
"""Requests in flight where whole prompts are computed: a slow server must answer the last before its time-out."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one server can do about log-probabilities, and how it is known again.

    `missing`: why it cannot score, in a clause. `probe`: the tokens of `PROBE`. `served`: the snapshot that answered.
    `slots`: the requests it should be given at once, where that is few.
    """

    missing: str = ""
    tokens: Tokenization | None = None
    method: ScoringMethod | None = None
    served: str = ""
    probe: tuple[int, ...] = ()
    slots: int | None = None


async def detect(channel: Channel) -> Capabilities:
    """Ask a server what it can, in about 20 requests. Raises Outage, and BackendError for a wrong key or model."""
    server = channel.server
    # vLLM's /tokenize takes `prompt` and llama.cpp's `content`: each gives the other's request no tokens.
    asked = {"model": server.model, "prompt": PROBE, "add_special_tokens": False}
    answer = await channel.probe(f"{server.root}/tokenize", asked)
    probe = _tokens_in(answer)
    if answer is not None and probe:
        return await _detect_vllm(channel, probe, answer.get("max_model_len"))
    probe = _tokens_in(await channel.probe(f"{server.root}/tokenize", {"content": PROBE, "parse_special": True}))
    if probe:
        return await _detect_llamacpp(channel, probe)
    return Capabilities("it has no /tokenize that shows how it reads a text")


async def is_unchanged(channel: Channel, capabilities: Capabilities) -> bool:
    """Whether the server still is what it was: its tokens and its snapshot. Two small requests."""
    tokens = capabilities.tokens
    if tokens is None or (await tokens.tokenizer.encode(PROBE, special=False)).ids != capabilities.probe:
        return False
    body = {**completion(channel, []), "prompt": list(capabilities.probe)}
    return served_by(await channel.ask(channel.server.completions, body)) == capabilities.served


async def _detect_vllm(channel: Channel, probe: tuple[int, ...], reported_limit: object) -> Capabilities:
    limit = reported_limit if isinstance(reported_limit, int) else UNBOUNDED
    # vLLM's own first: only where it is known can the cheaper methods below be had.
    for by in ("prompt_logprobs", "echo"):
        found = await _try_full_prompt(channel, by, probe)
        if found is not None:
            break
    else:
        return Capabilities("it gives no log-probabilities of a prompt's tokens, or something else in their place")
    reported, served = found
    method: ScoringMethod = FullPromptScoring(channel, by)
    room, slots = 1, FULL_PROMPTS_AT_ONCE  # room for the token that has to be generated after the prompt
    if by == "prompt_logprobs":
        block = _block(await channel.get(f"{channel.server.root}/metrics"))
        caching = PrefixCacheScoring(channel, block=block, limit=limit)
        if await _next_token_agrees(channel, caching, probe, reported):
            # Two blocks and more, so that one of them is surely cached before what is scored.
            proof = min(limit, 2 * block + 64, LONGEST_PROOF)
            caching.cached_rows = await _cached_rows_agree(channel, caching, probe, proof)
            method, room, slots = caching, 0, None
    tokens = Tokenization(VLLMTokenizer(channel, limit - room), channel.server.name)
    await tokens.learn_template()
    return Capabilities("", tokens, method, served, probe, slots)


async def _try_full_prompt(
    channel: Channel, by: Literal["prompt_logprobs", "echo"], text: Sequence[int]
) -> tuple[list[float], str] | None:
    """The log-probabilities of the tokens of `text`, and by which snapshot; None where they are none."""
    body = {**FullPromptScoring(channel, by).body([text]), "temperature": 0.0}
    answer = await channel.probe(channel.server.completions, body)
    if answer is None:
        return None
    try:
        (choice,) = choices_of(answer, 1)
        reported, greedy = prompt_logprobs_of(choice, text), greedy_logprob(choice)
    except Malformed:
        return None
    # A server that reports logits instead passes for one that reports log-probabilities, but for this.
    real = all(value <= ROUNDING for value in reported[1:]) and LEAST_GREEDY <= greedy <= ROUNDING
    return (reported, served_by(answer)) if real else None


async def _next_token_agrees(
    channel: Channel, caching: PrefixCacheScoring, probe: tuple[int, ...], reported: Sequence[float]
) -> bool:
    """Whether `logprob_token_ids` gives every token that is asked for, however unlikely, and the right numbers."""
    read = LogProbRequest(probe[:-1], len(probe) - 1, tuple(dict.fromkeys(probe)))
    answer = await channel.probe(channel.server.completions, caching.next_token_body([read]), optional=True)
    if answer is None:
        return False
    try:
        (found,) = next_token_results(answer, [read])
    except Malformed:
        return False
    return abs(found.following[probe[-1]] - reported[-1]) <= METHODS_AGREE


async def _cached_rows_agree(
    channel: Channel, caching: PrefixCacheScoring, probe: tuple[int, ...], length: int
) -> bool:
    """Whether the server scores a prompt's tokens over cached ones at all, and as a full recomputation does."""
    try:
        if await caching.cached_row_logprobs(probe, len(probe) - 2) is None:
            return False
        text = (probe * (length // len(probe) + 1))[: length - 1]
        # An odd start is no block's end, so that the row before it is not a cached one.
        start = (len(text) - 6) | 1
        warming = caching.next_token_body([LogProbRequest(text[:start], start, (text[start],))])
        await channel.probe(channel.server.completions, warming, optional=True)
        rows = await caching.cached_row_logprobs(text, start)
        recomputed = await _try_full_prompt(channel, "prompt_logprobs", text)
    except Malformed:
        return False
    if rows is None or recomputed is None:
        return False
    return all(abs(one - other) <= ROWS_AGREE for one, other in zip(rows, recomputed[0][start:], strict=True))


async def _detect_llamacpp(channel: Channel, probe: tuple[int, ...]) -> Capabilities:
    # Four tokens from the end, of which a grammar forces three.
    forced, place = ForcedDecoding(channel), len(probe) - 4
    # An unlikely token: were its log-probability near 0, it would be that after the bias.
    unlikely = (*probe[:place], probe[0])
    answer = await channel.probe(channel.server.completions, forced.body(unlikely, place))
    try:
        biased = 0.0 if answer is None else generated_logprobs(answer, unlikely[-1:])[0][unlikely[-1]]
        answer = await channel.probe(channel.server.completions, forced.body(probe, place))
        first = 0.0 if answer is None else generated_logprobs(answer, probe[place:])[0][probe[place]]
    except Malformed:
        return Capabilities("it does not generate the tokens that a logit_bias demands, with their log-probabilities")
    if answer is None or biased > -ROUNDING:
        return Capabilities("it reports no log-probabilities of the model's own, before its logit_bias")
    generated = await forced.decode_by_grammar(probe, place)
    # Grammars are believed where they give what the bias gave.
    forced.grammars = generated is not None and abs(generated[0][probe[place]] - first) <= METHODS_AGREE
    try:
        properties = cast("dict[str, Any]", json.loads(await channel.get(f"{channel.server.root}/props")))
        # One place is left for the token that has to be generated.
        limit = int(properties["default_generation_settings"]["n_ctx"]) - 1
        slots = int(properties["total_slots"])
    except (ValueError, TypeError, KeyError):
        limit, slots = UNBOUNDED, None
    tokens = Tokenization(LlamaCppTokenizer(channel, limit), channel.server.name)
    await tokens.learn_template()
    return Capabilities("", tokens, forced, served_by(answer), probe, slots)


def _tokens_in(answer: Mapping[str, Any] | None) -> tuple[int, ...]:
    """The tokens in an answer of /tokenize, as many as `PROBE` must have at least; else none."""
    tokens = None if answer is None else answer.get("tokens")
    found = cast("list[object]", tokens) if isinstance(tokens, list) else []
    ids = tuple(token for token in found if isinstance(token, int))
    return ids if len(ids) == len(found) >= 8 else ()


def _block(metrics: str) -> int:
    """Tokens in a block of the prefix cache; more than any text has where there is no cache."""
    config = next((line for line in metrics.splitlines() if line.startswith("vllm:cache_config_info{")), "")
    if 'enable_prefix_caching="False"' in config:
        return UNBOUNDED
    block = re.search(r'[{,]block_size="(\d+)"', config)
    return BLOCK if block is None else int(block[1])
