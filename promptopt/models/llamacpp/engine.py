"""One llama.cpp engine in this process: text to tokens, tokens to a reply, and a prefix whose bits never vary.

Why bits vary at all: llama.cpp evaluates a prompt in batches, and the last digits of a token's state depend on the
batch it was in. Its prompt cache reuses whatever the slot happens to hold, so the batches, and with them now and then a
greedy answer, depend on the request before. `complete` therefore takes the number of leading tokens to be evaluated as
a step of their own. The slot is brought to exactly that prefix, and the rest is evaluated in one further step. A prefix
is evaluated on an empty slot, or restored from a saved copy, which is the same to the bit and takes milliseconds.
Engines have one thread each: beyond 512 tokens the number of threads decides how attention is summed up.

Last digits are not small here: weights of few bits go with activations rounded to eight, so a difference in the last
digit becomes one of 0.1 nats at once. `whole_steps` says which steps leave every digit as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

from promptopt.errors import BackendError, ConfigError
from promptopt.models.content_marks import CONTENT_MARK, as_templates_write, content_marks
from promptopt.models.llamacpp.memory import TokenMemory
from promptopt.models.llamacpp.server import LlamaServer, ServerSettings
from promptopt.models.llamacpp.states import PrefixStates
from promptopt.types import Content, Message, Reply, Request, Token, canonical, messages_to_json, tools_of
from promptopt.types.identity import surrogates_replaced

PROBE = (1, 2, 3, 4)
"""Any tokens will do to see whether a model can keep a prefix."""


class LlamaCppEngine:
    """A loaded model with its own key-value memory; weights are mapped, so engines share them where they can."""

    def __init__(self, settings: ServerSettings, states: PrefixStates, number: int) -> None:
        """Takes seconds. `number` tells the engines of one model apart. Raises BackendError when it does not load."""
        self._settings = settings
        self._states = states
        self._number = number
        self.server = LlamaServer(settings, states.folder)
        self._generation_prompt = lru_cache(maxsize=256)(self._find_generation_prompt)
        self._tails = TokenMemory()
        # A demonstration's turn comes again in every request of its prompt.
        self._is_spelt_apart = lru_cache(maxsize=4096)(self._read_both_ways)
        self.marker_text = lru_cache(maxsize=256)(self._find_marker_text)
        self.keeps_prefixes = settings.slots == 1 and self._keeps_a_prefix()
        self.rereads = self.keeps_prefixes or settings.slots > 1

    def close(self) -> None:
        """Stop the engine and free its memory."""
        self.server.close()

    # --- text and tokens ---

    def tokenize(self, text: str, *, special: bool, first: bool = True) -> list[int]:
        """The tokens of `text`. `special`: markers such as <|im_end|> are tokens, not text. `first`: add BOS if any."""
        return self.server.ask("/tokenize", {"content": text, "add_special": first, "parse_special": special})["tokens"]

    def spell(self, text: str) -> list[bytes]:
        """The tokens of `text` as the bytes that each stands for, without a space that the vocabulary adds."""
        asked = {"content": text, "add_special": False, "parse_special": False, "with_pieces": True}
        pieces: list[str | list[int]] = [each["piece"] for each in self.server.ask("/tokenize", asked)["tokens"]]
        found = [piece.encode() if isinstance(piece, str) else bytes(piece) for piece in pieces]
        if found and b"".join(found) == b" " + text.encode():
            found[0] = found[0][1:]
        # A first token that was only the added space is nothing now.
        return [piece for piece in found if piece]

    def encode(self, content: Content, continuation: str = "") -> list[int]:
        """The tokens that the model reads, and those of a continuation after it.

        Plain text: as it stands, with the model's BOS if it has one; markers in it are text. Messages: through the
        model's own template; markers that stand in a message's content, or in the continuation, stay text.
        """
        continuation = surrogates_replaced(continuation)
        if isinstance(content, str):
            return self.tokenize(surrogates_replaced(content) + continuation, special=False)
        texts = [surrogates_replaced(message.content) for message in content]
        rendered = self._template(content, texts)
        calls = [canonical(message.further()) for message in content if message.tool_calls or message.tools]
        if any(map(self._holds_marker, calls)):
            raise BackendError(
                f"a tool or a call of one holds what {self._settings.path.name!r} reads as a mark of its own, such as "
                f"<|im_end|>; remove it from the data"
            )
        if not any(map(self._holds_marker, (*texts, continuation))):
            return self.tokenize(rendered + continuation, special=True)
        return self._encode_apart(content, texts, rendered, continuation)

    def encode_after(self, content: Content, tokens: list[int], continuation: str) -> list[int]:
        """`encode(content, continuation)`, given `tokens`, which are `encode(content)`.

        No token reaches over a marker, so only the text behind the template's last one is tokenised, once for all
        contents.
        """
        if not isinstance(content, str):
            continuation = surrogates_replaced(continuation)
            # Roles and tools alone decide what follows, so without contents one look-up serves all examples.
            tail = self._generation_prompt(tuple(replace(message, content="") for message in content))
            known = self._tail_tokens(tail)
            # Where the tail was not tokenised by itself, or the continuation spells a marker, the whole is encoded
            # anew.
            if known and tokens[-len(known) :] == known and not self._holds_marker(continuation):
                return [*tokens[: -len(known)], *self._tail_tokens(tail + continuation)]
        return self.encode(content, continuation)

    def end_of(self, content: Content) -> int:
        """The token that ends a reply: the first that the template writes after one; for plain text the model's EOS."""
        return self._end_of_text if isinstance(content, str) else self._end_of_turn

    @cached_property
    def opening(self) -> int:
        """The token that stands before a text which has none before it."""
        found = self._marker("bos_token")
        return self._end_of_text if found is None else found

    def _holds_marker(self, text: str) -> bool:
        if "<" not in text and "[" not in text:  # no marker without one of these in any known model
            return False
        return self._is_spelt_apart(text)

    def _read_both_ways(self, text: str) -> bool:
        return self.tokenize(text, special=True, first=False) != self.tokenize(text, special=False, first=False)

    def _encode_apart(
        self, content: tuple[Message, ...], texts: list[str], rendered: str, continuation: str
    ) -> list[int]:
        """Tokens of the template's text and of the contents one by one, so that only the former can hold markers."""
        marks = content_marks(len(texts))
        frame = self._template(content, marks)
        for variant in as_templates_write(texts):
            pieces: list[tuple[str, bool]] = []
            rest = frame
            for mark, text in zip(marks, variant, strict=True):
                before, found, rest = rest.partition(mark)
                pieces += [(before, True), (text if found else "", False)]
            pieces.append((rest, True))
            if "".join(text for text, _ in pieces) == rendered:
                if self._holds_marker(continuation):
                    pieces.append((continuation, False))
                else:
                    pieces[-1] = (rest + continuation, True)
                # The first piece is asked for also where it is empty: it brings the BOS.
                tokens = [
                    self.tokenize(text, special=special, first=not index)
                    for index, (text, special) in enumerate(pieces)
                    if text or not index
                ]
                return [token for piece in tokens for token in piece]
        raise BackendError(
            f"the chat template of {self._settings.path.name!r} rewrites its messages, so markers such as <|im_end|> "
            f"inside of them cannot be kept apart from the template's own; remove them from the data"
        )

    def _template(self, content: tuple[Message, ...], texts: Sequence[str]) -> str:
        messages = messages_to_json([replace(each, content=text) for each, text in zip(content, texts, strict=True)])
        body: dict[str, Any] = {"messages": messages}
        if tools := tools_of(content):
            body["tools"] = tools
        return self.server.ask("/apply-template", body)["prompt"]

    def _find_generation_prompt(self, speakers: tuple[Message, ...]) -> str:
        """What the template writes after the last message's content; "" unless it begins with a marker."""
        marks = content_marks(len(speakers))
        after = self._template(speakers, marks).rpartition(marks[-1])[2]
        return after if after and self._starts_with_marker(after) else ""

    def _starts_with_marker(self, text: str) -> bool:
        return self.tokenize(text, special=True, first=False)[0] != self.tokenize(text, special=False, first=False)[0]

    def _tail_tokens(self, text: str) -> list[int]:
        return self._tails.get(text, lambda: self.tokenize(text, special=True, first=False)) if text else []

    @cached_property
    def letter(self) -> int:
        """A token that is a whole character."""
        return self.tokenize("a", special=False, first=False)[-1]

    @cached_property
    def _end_of_turn(self) -> int:
        # The server takes an assistant's message that comes last for one to be gone on with, so a further one follows.
        said = (Message("user", "a"), Message("assistant", ""), Message("user", "b"))
        after = self._template(said, ["a", CONTENT_MARK, "b"]).partition(CONTENT_MARK)[2]
        tokens = self.tokenize(after, special=True, first=False)
        return tokens[0] if tokens else self._end_of_text

    @cached_property
    def _end_of_text(self) -> int:
        found = self._marker("eos_token")
        if found is None:
            raise ConfigError(
                f"{self._settings.path.name!r} names no token that ends a text, so the end of a reply cannot be "
                f"scored; leave it out (`ends`), or use a model that has one"
            )
        return found

    def _find_marker_text(self, token: int) -> bytes:
        return self.server.ask("/detokenize", {"tokens": [token]})["content"].encode()

    def _marker(self, name: str) -> int | None:
        text = self.server.ask("/props", None).get(name)
        tokens = self.tokenize(text, special=True, first=False) if text else []
        return tokens[0] if len(tokens) == 1 else None

    # --- replies ---

    def complete(
        self, tokens: list[int], steps: Sequence[int], request: Request, given_up: Callable[[], bool]
    ) -> Reply:
        """The reply to `tokens`, evaluated in steps that end after that many of them each (none: all at once).

        Sampling is the request's alone: temperature, then top-p, with its seed; log-probs are the model's own, before
        either. `given_up` is polled once a token and ends the reply early.
        """
        sampling = request.sampling
        keep = bool(steps) and self.keeps_prefixes
        if keep:
            self._enter(tokens, steps)
        chunks = self.server.stream(
            {
                "prompt": tokens,
                "n_predict": sampling.max_tokens,
                "cache_prompt": keep or self._settings.slots > 1,
                # Only these two: llama.cpp's defaults (top-k, min-p, penalties) would sample otherwise than was asked.
                "samplers": ["temperature", "top_p"],
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "stop": list(sampling.stop),
                "n_probs": request.logprobs,
                # 2**32 - 1 asks llama.cpp for a seed of its own
                "seed": 0 if request.seed is None else request.seed % (2**32 - 1),
                **({"json_schema": json.loads(request.schema)} if request.schema else {}),
            },
            given_up,
        )
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        self.check_steps(chunks, steps[-1] if keep else 0)
        found = [entry for choice in choices if choice["logprobs"] for entry in choice["logprobs"]["content"]]
        return Reply(
            text="".join(choice["text"] for choice in choices),
            finish="length" if choices[-1]["finish_reason"] == "length" else "stop",
            prompt_tokens=chunks[-1]["usage"]["prompt_tokens"],
            completion_tokens=chunks[-1]["usage"]["completion_tokens"],
            tokens=tuple(_token(entry) for entry in found) if request.logprobs else (),
        )

    def check_steps(self, chunks: list[dict[str, Any]], cached: int) -> None:
        """Raise BackendError unless the answer is whole, and its first `cached` tokens were not evaluated for it.

        Where slots work side by side, what is evaluated is their affair.
        """
        usage = chunks[-1].get("usage")
        if usage is None:
            raise BackendError("llama.cpp ended a reply before its end; run the same command again to go on")
        if self._settings.slots == 1 and usage["prompt_tokens_details"]["cached_tokens"] != cached:
            raise BackendError("llama.cpp did not evaluate a prompt in the steps asked for; use mode='fast'")

    def hold(self, tokens: list[int], step: int, slot: int) -> None:
        """Leave a slot with exactly `tokens` in it, the first `step` of them evaluated as a step of their own."""
        keep = step > 0 and self.keeps_prefixes
        if keep:
            self._enter(tokens, (step,))
        cached = keep or self._settings.slots > 1
        self.server.stream({"prompt": tokens, "n_predict": 0, "cache_prompt": cached, "id_slot": slot})

    def _enter(self, tokens: Sequence[int], steps: Sequence[int]) -> None:
        """Leave the slot with exactly the tokens of the steps in it, evaluated one after the other on an empty slot."""
        *before, end = steps
        name = self._states.name(tokens[:end], before)
        # A state that does not come back whole is no error: the prefix is evaluated again.
        if self._states.has(name) and self._slot("restore", name).get("n_restored") == end:
            return
        if before:
            self._enter(tokens, before)
        chunks = self._evaluate(tokens[:end], after=bool(before))
        self.check_steps(chunks, before[-1] if before else 0)
        # Two engines may save one prefix at a time: each writes a file of its own, and the later takes the earlier's
        # place.
        written = f"{name}.{self._number}"
        if "n_written" in self._slot("save", written):
            self._states.add(written, name)

    def _evaluate(self, prefix: Sequence[int], *, after: bool = False) -> list[dict[str, Any]]:
        return self.server.stream({"prompt": list(prefix), "n_predict": 0, "cache_prompt": after})

    def _keeps_a_prefix(self) -> bool:
        """Whether a prefix survives as it is; not so with recurrent layers, which then always start from nothing."""
        self._evaluate(PROBE)
        last = self.server.stream({"prompt": [*PROBE, 5], "n_predict": 0, "cache_prompt": True})[-1]
        return last["usage"]["prompt_tokens_details"]["cached_tokens"] == len(PROBE)

    def _slot(self, action: str, file: str) -> dict[str, Any]:
        return self.server.ask(f"/slots/0?action={action}", {"filename": file}, strict=False)


def _token(entry: dict[str, Any]) -> Token:
    top = tuple((_piece(other), other["logprob"]) for other in entry["top_logprobs"])
    return Token(_piece(entry), entry["logprob"], top)


def _piece(entry: dict[str, Any]) -> str:
    return bytes(entry["bytes"]).decode("utf-8", "replace")


def whole_characters(tokens: Sequence[bytes]) -> list[str]:
    """Tokens as strings; those that hold a part of a character are joined until they hold all of it."""
    found: list[str] = []
    held = b""
    for token in tokens:
        held += token
        try:
            found.append(held.decode())
        except UnicodeDecodeError:
            continue
        held = b""
    return [*found, held.decode("utf-8", "replace")] if held else found
