"""Log-likelihoods of given texts from an llama.cpp engine: the texts as a tree of tokens, read node by node.

The engine reports log-probs only of tokens that it generates. So each node's token is forced, by a bias that outweighs
any logit, and its own log-prob is read, which is taken before all biases. Siblings are read beside it, among the
likeliest alternatives. The content is evaluated once for all its continuations, and what these have in common as well.

Every node's last token is evaluated alone, on the state of those before it. So a node that is read again gives the same
bits, and no continuation sees which others were asked for.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from promptopt.errors import BackendError
from promptopt.models.boundary import Forced, common_length, continuation_start
from promptopt.models.llamacpp.engine import LlamaCppEngine
from promptopt.models.llamacpp.memory import listing
from promptopt.types import Likelihoods, ScoreRequest, TokenLogProbs

ALTERNATIVES = 100
"""How many to read beside a forced token: siblings among them are read with it, others take an evaluation each.

The same number everywhere, for it decides in which order the engine adds up 32-bit probabilities (1e-4 nats at most).
"""
FORCE = 1000.0
"""Nats: more than any two logits are apart."""
WIDER = (1000, 1 << 20)
"""How many to read where a token cannot be forced: the second is all that any model has."""
UNDERFLOW = -1e38
"""What stands for the logarithm of a probability that is zero in 32 bits, or more than that."""

Texts = Sequence[tuple[int, ...]]
Value = tuple[bytes, float]
"""A token's bytes, and its log-probability in nats."""


def force(engine: LlamaCppEngine, request: ScoreRequest) -> Forced:
    """Context and continuations of a request: which tokens are scored is the law of `boundary`."""
    context = engine.encode(request.content)
    wholes = [
        engine.encode_after(request.content, context, text) if text else context for text in request.continuations
    ]
    # Without a token before it the first token would have no probability: the model's own first token stands there.
    if not context or any(not common_length(context, whole) for whole in wholes):
        context, wholes = [engine.opening, *context], [[engine.opening, *whole] for whole in wholes]
    found = [continuation_start(context, whole) for whole in wholes]
    end = [engine.end_of(request.content)] if request.ends else []
    return Forced(
        tuple(context),
        tuple((*whole, *end) for whole in wholes),
        tuple(start for start, _ in found),
        any(merged for _, merged in found),
    )


def likelihoods(forced: Forced, read: Callable[[Texts, int], dict[tuple[int, ...], Value]]) -> Likelihoods:
    """The answer to a request whose texts `read(texts, root)` reads: a value for every prefix that is longer than root.

    `served` is the caller's.
    """
    scored = {whole for whole, start in zip(forced.wholes, forced.starts, strict=True) if start < len(whole)}
    # Sorted, so that texts that begin alike adjoin.
    values = read(sorted(scored), forced.root) if scored else {}
    return Likelihoods(
        tuple(
            _spelt([values[whole[: place + 1]] for place in range(start, len(whole))])
            for whole, start in zip(forced.wholes, forced.starts, strict=True)
        ),
        forced.prompt_tokens,
        merged=forced.merged,
    )


def read_tree(
    engine: LlamaCppEngine, texts: Texts, root: int, step: int, slot: int, given_up: Callable[[], bool]
) -> dict[tuple[int, ...], Value]:
    """The value of every node of the tree of `texts` below their first `root` tokens, by the tokens on the way to it.

    `texts`: sorted, and alike in their first `root` tokens, of which the first `step` are evaluated as a step of their
    own. Raises BackendError where the engine does not do what it was asked.
    """
    if root > 1 and engine.rereads:
        engine.hold(list(texts[0][: root - 1]), step, slot)
    values: dict[tuple[int, ...], Value] = {}
    # Sorted texts are a walk down the tree: what a node stands on is always what the slot held last.
    for text in texts:
        for depth in range(root, len(text)):
            node = text[:depth]
            if text[: depth + 1] not in values:
                wanted = sorted({other[depth] for other in texts if len(other) > depth and other[:depth] == node})
                for token, value in read_node(engine, node, wanted, slot, given_up).items():
                    values[*node, token] = value
    return values


def read_node(
    engine: LlamaCppEngine, node: tuple[int, ...], wanted: Sequence[int], slot: int, given_up: Callable[[], bool]
) -> dict[int, Value]:
    """The value of each wanted token after `node`, all but whose last token the slot holds."""
    values: dict[int, Value] = {}
    # The engine is silent on a forced token that is a part of a character, but not beside one that is whole.
    attempts = [*((token, ALTERNATIVES) for token in wanted), *((engine.letter, count) for count in WIDER)]
    for forced, count in attempts:
        if all(token in values for token in (wanted if forced == engine.letter else [forced])):
            continue
        if given_up():
            raise BackendError("the reading of a text was given up")
        with listing() if count == WIDER[-1] else nullcontext():
            values |= _values(engine, node, forced, count, slot, wanted)
    return values


def _values(
    engine: LlamaCppEngine, node: tuple[int, ...], forced: int, count: int, slot: int, wanted: Sequence[int]
) -> dict[int, Value]:
    entries = _alternatives(engine, node, forced, count, slot)
    return {entry["id"]: _spelling_and_logprob(engine, entry) for entry in entries if entry["id"] in wanted}


def _alternatives(
    engine: LlamaCppEngine, node: tuple[int, ...], forced: int, count: int, slot: int
) -> list[dict[str, Any]]:
    """What the engine says of a forced token and of the `count` likeliest."""
    chunks = engine.server.stream(
        {
            "prompt": node,
            "n_predict": 1,
            "cache_prompt": engine.rereads,
            "id_slot": slot,
            "samplers": ["temperature"],
            "temperature": 0.0,
            "logit_bias": [[forced, FORCE]],
            "n_probs": count,
        }
    )
    engine.check_steps(chunks, len(node) - 1 if engine.rereads else 0)
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["logprobs"]]
    entries = [entry for choice in choices for entry in choice["logprobs"]["content"]]
    return [each for entry in entries for each in (entry, *entry["top_logprobs"])]


def _spelling_and_logprob(engine: LlamaCppEngine, entry: dict[str, Any]) -> Value:
    # The engine gives no bytes for markers.
    spelt = bytes(entry["bytes"]) if entry["bytes"] else engine.marker_text(entry["id"])
    logprob = entry["logprob"]
    if logprob is None:  # how JSON writes what is no number
        return spelt, float("nan")
    # Probabilities are added up in 32 bits, and can come out just above one.
    return spelt, float("-inf") if logprob < UNDERFLOW else min(logprob, 0.0)


def _spelt(values: Sequence[Value]) -> TokenLogProbs:
    # A character can be spread over tokens: it belongs to the one that completes it.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    last = len(values) - 1
    texts = [decoder.decode(piece, final=place == last) for place, (piece, _) in enumerate(values)]
    return TokenLogProbs(tuple(texts), tuple(logprob for _, logprob in values))
