"""The tokenizers of servers over HTTP: vLLM's /tokenize with messages, and what llama.cpp's server has for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from promptopt.models.server.answers import Malformed, choices_of
from promptopt.models.server.http import Channel
from promptopt.types import Message, messages_to_json, tools_of


@dataclass(frozen=True, slots=True)
class Encoding:
    """Tokens, and where the server reports it, how its vocabulary writes them."""

    ids: tuple[int, ...]
    pieces: tuple[str | bytes, ...] = ()


class ServerTokenizer(Protocol):
    """The tokenizer and chat template of one kind of server. All methods raise as `Channel.ask` does."""

    limit: int
    """Tokens that a text can have, so that each of them can be scored."""

    async def encode(self, text: str, *, special: bool) -> Encoding:
        """The tokens of `text`; `special`: with the special tokens that the model reads before any text."""
        ...

    async def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, markers included."""
        ...

    async def encode_chat(self, messages: Sequence[Message], *, generate: bool) -> tuple[int, ...]:
        """The tokens of messages; `generate`: with the template's generation prompt."""
        ...

    async def encode_reply(self, text: str) -> tuple[int, ...]:
        """The tokens of a chat in which the assistant has replied `text`."""
        ...

    async def end_of_text_token(self, candidates: Sequence[int]) -> int | None:
        """The token that ends a text, of `candidates` where the server does not name it."""
        ...


class VLLMTokenizer:
    """vLLM's /tokenize and /detokenize."""

    def __init__(self, channel: Channel, limit: int) -> None:
        """`limit`: as in `ServerTokenizer`."""
        self._channel, self.limit = channel, limit

    async def encode(self, text: str, *, special: bool) -> Encoding:
        """See `ServerTokenizer`."""
        answer = await self._tokenize({"prompt": text, "add_special_tokens": special, "return_token_strs": True})
        pieces = answer.get("token_strs")
        return Encoding(token_ids(answer), tuple(cast("list[str]", pieces)) if isinstance(pieces, list) else ())

    async def decode(self, ids: Sequence[int]) -> str:
        """See `ServerTokenizer`."""
        body = {"model": self._channel.server.model, "tokens": list(ids)}
        return str((await self._channel.ask(f"{self._channel.server.root}/detokenize", body)).get("prompt"))

    async def encode_chat(self, messages: Sequence[Message], *, generate: bool) -> tuple[int, ...]:
        """See `ServerTokenizer`."""
        return token_ids(await self._tokenize({**chat_json(messages), "add_generation_prompt": generate}))

    async def encode_reply(self, text: str) -> tuple[int, ...]:
        """See `ServerTokenizer`."""
        return await self.encode_chat((Message("user", "a"), Message("assistant", text)), generate=False)

    async def end_of_text_token(self, candidates: Sequence[int]) -> int | None:
        """The candidate that, forced to be generated, ends the text, and not as a further stop token."""
        server = self._channel.server
        for token in candidates:
            # Two tokens are allowed, so that only the end of a text makes it stop after one.
            forced = {"max_tokens": 2, "temperature": 0.0, "allowed_token_ids": [token]}
            asked = {"model": server.model, "prompt": [token], "logprobs": 1, "return_tokens_as_token_ids": True}
            # A server that takes neither field refuses the request, which is no error here.
            answer = await self._channel.probe(server.completions, asked | forced, optional=True)
            if answer is not None and _ended_by(answer, token):
                return token
        return None

    async def _tokenize(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        server = self._channel.server
        return await self._channel.ask(f"{server.root}/tokenize", {"model": server.model, **body})


class LlamaCppTokenizer:
    """The /tokenize, /detokenize and /apply-template of llama.cpp's server."""

    def __init__(self, channel: Channel, limit: int) -> None:
        """`limit`: as in `ServerTokenizer`."""
        self._channel, self.limit = channel, limit

    async def encode(self, text: str, *, special: bool) -> Encoding:
        """See `ServerTokenizer`. Markers are parsed, as where the server generates."""
        answer = await self._ask("/tokenize", content=text, add_special=special, parse_special=True, with_pieces=True)
        entries = cast("list[dict[str, Any]]", answer["tokens"])
        pieces = (each["piece"] for each in entries)
        return Encoding(
            tuple(each["id"] for each in entries),
            # Its JSON writes a piece that is no UTF-8 as a list of octets.
            tuple(piece.encode() if isinstance(piece, str) else bytes(piece) for piece in pieces),
        )

    async def decode(self, ids: Sequence[int]) -> str:
        """See `ServerTokenizer`."""
        return str((await self._ask("/detokenize", tokens=list(ids))).get("content"))

    async def encode_chat(self, messages: Sequence[Message], *, generate: bool) -> tuple[int, ...]:
        """See `ServerTokenizer`."""
        answer = await self._ask("/apply-template", add_generation_prompt=generate, **chat_json(messages))
        return (await self.encode(str(answer.get("prompt")), special=True)).ids

    async def encode_reply(self, text: str) -> tuple[int, ...]:
        """See `ServerTokenizer`. A message of the assistant that stands last would be taken for one to be continued."""
        messages = (Message("user", "a"), Message("assistant", text), Message("user", "b"))
        return await self.encode_chat(messages, generate=False)

    async def end_of_text_token(self, candidates: Sequence[int]) -> int | None:
        """What the server names."""
        try:
            named = json.loads(await self._channel.get(f"{self._channel.server.root}/props")).get("eos_token")
        except ValueError:
            return None
        ids = (await self.encode(str(named), special=False)).ids
        return ids[0] if len(ids) == 1 else None

    async def _ask(self, path: str, **body: object) -> Mapping[str, Any]:
        return await self._channel.ask(self._channel.server.root + path, body)


def _ended_by(answer: Mapping[str, Any], token: int) -> bool:
    """Whether `token` was generated, and ended the text by itself and not as a further stop token."""
    (choice,) = choices_of(answer, 1)
    logprobs = choice.get("logprobs")
    tokens = cast("dict[str, Any]", logprobs).get("tokens") if isinstance(logprobs, dict) else None
    # vLLM names under `stop_reason` a stop token other than the end of text.
    ended = choice.get("finish_reason") == "stop" and choice.get("stop_reason") is None
    return ended and tokens == [f"token_id:{token}"]


def token_ids(answer: Mapping[str, Any]) -> tuple[int, ...]:
    """The tokens in an answer of /tokenize. Raises Malformed where there are none."""
    tokens = answer.get("tokens")
    if not isinstance(tokens, list):
        raise Malformed("answered a request for tokens without any")
    return tuple(cast("list[int]", tokens))


def chat_json(messages: Sequence[Message]) -> dict[str, Any]:
    """Messages as servers take them, and the tools that they offer."""
    tools = tools_of(tuple(messages))
    return {"messages": messages_to_json(messages), **({"tools": tools} if tools else {})}
