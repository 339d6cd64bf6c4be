"""What a server can do about log-probabilities, found out by tiny requests that are judged by their answers.

A status says little: some servers ignore what they do not know. What counts is whether the log-probabilities that were
asked for are in the answer, whether they can be log-probabilities, and whether two ways to the same number agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from promptopt.models.server.answers import Malformed, choices_of, greedy_logprob, own_logprobs, said_logprobs
from promptopt.models.server.dialects import Forcing, Reads, Way, Whole, ahead_found, completion
from promptopt.models.server.http import Channel
from promptopt.models.server.tokenizing import LlamaCppSpeech, VLLMSpeech
from promptopt.models.server.tokens import Tokens
from promptopt.models.server.wire import served_by
from promptopt.models.vllm_requests import Read

PROBE = "The quick brown fox jumps over the lazy dog, 1 2 3 4 5 6 7 8 9, and then it sleeps until the morning."
BLOCK = 16
"""Tokens in a block of vLLM's prefix cache, where /metrics does not tell: its default on a GPU."""
UNBOUNDED = 1 << 40
ROWS_AGREE = 1e-3
"""Nats by which rows read over cached tokens may differ from a full recomputation."""
WAYS_AGREE = 0.25
"""Nats by which two ways may differ in the probe: 16-bit weights are coarse; another kind of number is not so near."""
LEAST_GREEDY = -13.0
"""Nats: the likeliest of up to 400,000 tokens has at least this log-probability. A logit mostly has not."""
ROUNDING = 1e-3
LONGEST_PROOF = 1024
"""Tokens of the text by which rows are proved: two blocks of any cache."""
WHOLES_AT_ONCE = 8
"""Requests in flight where whole prompts are computed: a slow server must answer the last before its time-out."""


@dataclass(frozen=True, slots=True)
class Ability:
    """What one server can, and how it is known again.

    `lacks`: why it cannot score, in a clause. `probe`: the tokens of `PROBE`. `served`: the snapshot that answered.
    `slots`: the requests it should be given at once, where that is few.
    """

    lacks: str = ""
    tokens: Tokens | None = None
    way: Way | None = None
    served: str = ""
    probe: tuple[int, ...] = ()
    slots: int | None = None


async def look(channel: Channel) -> Ability:
    """Ask a server what it can, in about 20 requests. Raises Weather, and BackendError for a wrong key or model."""
    server = channel.server
    asked = {"model": server.model, "prompt": PROBE, "add_special_tokens": False}
    answer = await channel.probe(f"{server.root}/tokenize", asked)
    probe = _tokens_in(answer)
    if answer is not None and probe:
        return await _look_at_vllm(channel, probe, answer.get("max_model_len"))
    probe = _tokens_in(await channel.probe(f"{server.root}/tokenize", {"content": PROBE, "parse_special": True}))
    if probe:
        return await _look_at_llamacpp(channel, probe)
    return Ability("it has no /tokenize that tells how it reads a text")


async def is_same(channel: Channel, ability: Ability) -> bool:
    """Whether the server still is what it was: its tokens and its snapshot. Two small requests."""
    if ability.tokens is None or (await ability.tokens.speech.encode(PROBE, first=False)).ids != ability.probe:
        return False
    body = {**completion(channel, []), "prompt": list(ability.probe)}
    return served_by(await channel.ask(channel.server.completions, body)) == ability.served


async def _look_at_vllm(channel: Channel, probe: tuple[int, ...], told_limit: object) -> Ability:
    limit = told_limit if isinstance(told_limit, int) else UNBOUNDED
    for by in ("prompt_logprobs", "echo"):
        found = await _try_whole(channel, by, probe)
        if found is not None:
            break
    else:
        return Ability("it gives no log-probabilities of a prompt's tokens, or something else in their place")
    told, served = found
    way: Way = Whole(channel, by)
    room, slots = 1, WHOLES_AT_ONCE  # room for the token that has to be generated behind the whole
    if by == "prompt_logprobs":
        block = _block(await channel.get(f"{channel.server.root}/metrics"))
        reads = Reads(channel, block=block, limit=limit)
        if await _agrees_ahead(channel, reads, probe, told):
            reads.rows = await _agrees_in_rows(channel, reads, probe, min(limit, 2 * block + 64, LONGEST_PROOF))
            way, room, slots = reads, 0, None
    tokens = Tokens(VLLMSpeech(channel, limit - room), channel.server.name)
    await tokens.learn()
    return Ability("", tokens, way, served, probe, slots)


async def _try_whole(
    channel: Channel, by: Literal["prompt_logprobs", "echo"], text: Sequence[int]
) -> tuple[list[float], str] | None:
    """The log-probabilities of the tokens of `text`, and by which snapshot; None where they are none."""
    body = {**Whole(channel, by).body([text]), "temperature": 0.0}
    answer = await channel.probe(channel.server.completions, body)
    if answer is None:
        return None
    try:
        (choice,) = choices_of(answer, 1)
        told, greedy = own_logprobs(choice, text), greedy_logprob(choice)
    except Malformed:
        return None
    # A server that reports logits instead passes for one that reports log-probabilities, but for this.
    real = all(value <= ROUNDING for value in told[1:]) and LEAST_GREEDY <= greedy <= ROUNDING
    return (told, served_by(answer)) if real else None


async def _agrees_ahead(channel: Channel, reads: Reads, probe: tuple[int, ...], told: Sequence[float]) -> bool:
    """Whether `logprob_token_ids` gives every token that is asked for, however unlikely, and the right numbers."""
    read = Read(probe[:-1], len(probe) - 1, tuple(dict.fromkeys(probe)))
    answer = await channel.probe(channel.server.completions, reads.ahead([read]), optional=True)
    if answer is None:
        return False
    try:
        (found,) = ahead_found(answer, [read])
    except Malformed:
        return False
    return abs(found.following[probe[-1]] - told[-1]) <= WAYS_AGREE


async def _agrees_in_rows(channel: Channel, reads: Reads, probe: tuple[int, ...], length: int) -> bool:
    """Whether the server gives rows at all, and over cached tokens those of a full recomputation."""
    try:
        if await reads.read_rows(probe, len(probe) - 2) is None:
            return False
        text = (probe * (length // len(probe) + 1))[: length - 1]
        # An odd start is no block's end, so that the row before it is not a cached one.
        start = (len(text) - 6) | 1
        warming = reads.ahead([Read(text[:start], start, (text[start],))])
        await channel.probe(channel.server.completions, warming, optional=True)
        rows, anew = await reads.read_rows(text, start), await _try_whole(channel, "prompt_logprobs", text)
    except Malformed:
        return False
    if rows is None or anew is None:
        return False
    return all(abs(one - other) <= ROWS_AGREE for one, other in zip(rows, anew[0][start:], strict=True))


async def _look_at_llamacpp(channel: Channel, probe: tuple[int, ...]) -> Ability:
    forcing, place = Forcing(channel), len(probe) - 4
    # An unlikely token: were its log-probability near 0, it would be that after the bias.
    unlikely = (*probe[:place], probe[0])
    answer = await channel.probe(channel.server.completions, forcing.body(unlikely, place))
    try:
        told = 0.0 if answer is None else said_logprobs(answer, unlikely[-1:])[0][unlikely[-1]]
        answer = await channel.probe(channel.server.completions, forcing.body(probe, place))
        first = 0.0 if answer is None else said_logprobs(answer, probe[place:])[0][probe[place]]
    except Malformed:
        return Ability("it does not say the tokens that a logit_bias demands, with their log-probabilities")
    if answer is None or told > -ROUNDING:
        return Ability("it reports no log-probabilities of the model's own, before its logit_bias")
    said = await forcing.say(probe, place)
    forcing.grammars = said is not None and abs(said[0][probe[place]] - first) <= WAYS_AGREE
    try:
        properties = cast("dict[str, Any]", json.loads(await channel.get(f"{channel.server.root}/props")))
        limit = int(properties["default_generation_settings"]["n_ctx"]) - 1
        slots = int(properties["total_slots"])
    except (ValueError, TypeError, KeyError):
        limit, slots = UNBOUNDED, None
    tokens = Tokens(LlamaCppSpeech(channel, limit), channel.server.name)
    await tokens.learn()
    return Ability("", tokens, forcing, served_by(answer), probe, slots)


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
