"""What a model kept in a transformers folder reads: chat messages and plain texts as its own tokens.

Markers such as <|im_end|> are tokens where the model's template writes them; where they stand in a message's content,
in a plain text or in a continuation, they stay text. The tokenizer is one of transformers'; nothing else of it is used.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

from promptopt.errors import ConfigError
from promptopt.models.boundary import Forced, beginning, common_length, continuation_start
from promptopt.models.content_marks import CONTENT_MARK, as_templates_write, content_marks
from promptopt.models.encoding import Encoder
from promptopt.types import Content, Message, ScoreRequest, canonical, messages_to_json, tools_of
from promptopt.types.identity import surrogates_replaced


class ChatTokens:
    """Texts to tokens, by one model's tokenizer and chat template."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        """`tokenizer`: a fast tokenizer of transformers. `name`: what errors call the model."""
        self._tokenizer, self._name = tokenizer, name
        added = tokenizer.added_tokens_decoder.values()
        # The longest first, for one marker may begin with another.
        markers = sorted((token.content for token in added if token.special and token.content), key=len, reverse=True)
        self._markers = tuple(markers)
        self._encoder = Encoder(tokenizer)
        self.text_of = lru_cache(maxsize=65_536)(self._text_of)
        # A candidate's beginning is cut once for all its examples.
        self._cut_tokens = lru_cache(maxsize=1024)(self.encode)

    def encode(self, content: Content) -> tuple[int, ...]:
        """The tokens that the model reads, the generation prompt included.

        Plain text: with the model's BOS if it has one. Raises ConfigError where the model has no chat template, or one
        that refuses these messages.
        """
        return self._forked(content, (), 0)[0]

    def force(self, request: ScoreRequest) -> Forced:
        """Context and continuations of a request: which tokens are scored is the law of `boundary`."""
        context, *bare = self._forked(request.content, request.continuations, request.shared)
        end = [self._end(request.content)] if request.ends else []
        # Without a token before it the first token would have no probability: the model's own first token stands there.
        if not context or any(whole[0] != context[0] for whole in bare if whole):
            context, bare = (self._opening, *context), [(self._opening, *whole) for whole in bare]
        found = [continuation_start(context, whole) for whole in bare]
        return Forced(
            context,
            tuple((*whole, *end) for whole in bare),
            tuple(start for start, _ in found),
            any(merged for _, merged in found),
        )

    def shared(self, content: Content, shared: int, tokens: Sequence[int]) -> int:
        """How many of `tokens`, those of `content`, come from its first `shared` characters alone."""
        return common_length(self._cut_tokens(beginning(content, shared)), tokens) if shared > 0 else 0

    def count(self, text: str) -> int:
        """How many tokens `text` has as a part of a prompt: no BOS, markers as text."""
        return len(self._plain(surrogates_replaced(text)))

    def pieces(self, text: str) -> list[str]:
        """The tokens of `text` as strings which joined give it back; characters that several tokens share stay whole.

        Characters that no token covers (spaces, for some vocabularies) go with the token after them.
        """
        # A lone surrogate is one character before and after it is made a question mark, so places stay what they are.
        ends: list[int] = []
        for start, end in self._encoder.spans(surrogates_replaced(text)):
            if ends and start < ends[-1]:
                ends[-1] = max(ends[-1], end)
            elif end > start:
                ends.append(end)
        # What no token covers at the very end goes with the last one, for no token comes after it.
        cuts = [0, *ends[:-1], len(text)]
        return [text[start:end] for start, end in pairwise(cuts) if end > start]

    def _forked(self, content: Content, continuations: Sequence[str], shared: int) -> list[tuple[int, ...]]:
        """The tokens of what is read, and of it with each of the continuations after it."""
        afters = [surrogates_replaced(text) for text in continuations]
        if isinstance(content, str):
            first = self._first
            return [
                first + found
                for found in self._encoder.fork(surrogates_replaced(content), afters, shared, markers=False)
            ]
        texts = [surrogates_replaced(message.content) for message in content]
        rendered = self._render(content, texts)
        self._check_calls(content)
        marked = any(marker in text for text in texts for marker in self._markers)
        if marked or any(marker in text for text in afters for marker in self._markers):
            return [self._encode_after(content, texts, rendered, after, marked) for after in ("", *afters)]
        return self._encoder.fork(rendered, afters, _shared_end(texts, shared, rendered), markers=True)

    def _text_of(self, token: int) -> str:
        # A token alone may lose the space before it, so it is read behind another one.
        anchor = self._anchor
        return self._decode([anchor, token])[len(self._decode([anchor])) :]

    def _decode(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def _plain(self, text: str) -> tuple[int, ...]:
        return self._encoder.whole(text, markers=False)

    @cached_property
    def _anchor(self) -> int:
        return self._plain("a")[-1]

    @cached_property
    def _first(self) -> tuple[int, ...]:
        bos = self._tokenizer.bos_token_id
        # Some tokenizers name a BOS that they never write.
        return (bos,) if bos is not None and bos in self._tokenizer("")["input_ids"][:1] else ()

    @cached_property
    def _opening(self) -> int:
        bos = self._tokenizer.bos_token_id
        return self._end_of_text if bos is None else bos

    @cached_property
    def _end_of_text(self) -> int:
        eos = self._tokenizer.eos_token_id
        if eos is None:
            raise ConfigError(
                f"the tokenizer of {self._name!r} names no token that ends a text (eos_token), so the end of a reply "
                f"cannot be scored; add it to tokenizer_config.json"
            )
        return eos

    @cached_property
    def _end_of_turn(self) -> int:
        """The first token that the template writes after what the assistant says."""
        messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": CONTENT_MARK}]
        _, _, after = self._apply(messages, generate=False).partition(CONTENT_MARK)
        tokens = self._encoder.whole(after, markers=True)
        return tokens[0] if tokens else self._end_of_text

    def _end(self, content: Content) -> int:
        return self._end_of_text if isinstance(content, str) else self._end_of_turn

    def _check_calls(self, content: tuple[Message, ...]) -> None:
        """Raises ConfigError for a marker among what messages hold besides their contents: there it would be read."""
        held = [canonical(message.further()) for message in content if message.tool_calls or message.tools]
        found = next((marker for text in held for marker in self._markers if marker in text), None)
        if found is not None:
            raise ConfigError(
                f"a tool or a call of one holds {found!r}, which the model {self._name!r} reads as a mark of its own; "
                f"remove it from the data"
            )

    def _render(self, content: tuple[Message, ...], texts: Sequence[str]) -> str:
        spoken = [replace(message, content=text) for message, text in zip(content, texts, strict=True)]
        return self._apply(template_messages(spoken), generate=True, tools=tools_of(content))

    def _apply(self, messages: list[dict[str, Any]], *, generate: bool, tools: Sequence[Mapping[str, Any]] = ()) -> str:
        refused: type[Exception] = importlib.import_module("jinja2").TemplateError

        if self._tokenizer.chat_template is None:
            raise ConfigError(
                f"the model {self._name!r} has no chat template, so it cannot read chat messages; use its instruction-"
                f"tuned variant, or a layout of plain text"
            )
        try:
            # None, not an empty list: Llama 3.1's template asks `tools is not none`, and would write its frame for
            # tools.
            return self._tokenizer.apply_chat_template(
                messages, tools=list(tools) if tools else None, tokenize=False, add_generation_prompt=generate
            )
        # Templates refuse by `raise_exception`: Gemma's a system message, Mistral's two users in a row.
        except refused as error:
            roles = ", ".join(message["role"] for message in messages)
            raise ConfigError(
                f"the chat template of {self._name!r} refuses messages by {roles} ({error}); use another layout"
            ) from error

    def _encode_after(
        self, content: tuple[Message, ...], texts: list[str], rendered: str, after: str, marked: bool
    ) -> tuple[int, ...]:
        if marked or any(marker in after for marker in self._markers):
            return self._encode_apart(content, texts, rendered, after)
        return self._encoder.whole(rendered + after, markers=True)

    def _encode_apart(
        self, content: tuple[Message, ...], texts: list[str], rendered: str, continuation: str
    ) -> tuple[int, ...]:
        """Tokens where a content or the continuation holds a marker: only the template's own become tokens."""
        marks = content_marks(len(texts))
        # The group keeps the markers: every second piece is one.
        pieces = re.split("(" + "|".join(map(re.escape, self._markers)) + ")", self._render(content, marks))
        for variant in as_templates_write(texts):
            filled = [_fill(piece, marks, variant) for piece in pieces]
            if "".join(filled) == rendered:
                filled[-1] += continuation
                return tuple(
                    token
                    for number, text in enumerate(filled)
                    for token in ([self._tokenizer.convert_tokens_to_ids(text)] if number % 2 else self._plain(text))
                )
        raise ConfigError(
            f"the chat template of {self._name!r} rewrites its messages, so markers such as {self._markers[0]!r} "
            f"inside of them cannot be kept apart from the template's own; remove them from the data"
        )


def template_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as chat templates take them: as servers do, but for the arguments of calls, which are objects here."""
    found = messages_to_json(messages)
    for message in found:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = _parsed_arguments(call["function"]["arguments"])
        # A call without words has the content None, which a template would write as `None` or fail to add to a text.
        message["content"] = "" if message["content"] is None else message["content"]
    return found


def _parsed_arguments(text: str) -> object:
    try:
        return json.loads(text)
    # A model's arguments can be no JSON, or nested deeper than Python reads; a template still shows the text.
    except (ValueError, RecursionError):
        return text


def _shared_end(texts: Sequence[str], shared: int, rendered: str) -> int:
    """Where in a rendered text the first `shared` characters of its messages end, as well as can be told."""
    place = 0
    for text in texts:
        kept = text[:shared].strip()  # some templates trim
        # A template that rewrites a message hides it. The place before stays: only time depends on it.
        found = rendered.find(kept, place)
        place = place if found < 0 else found + len(kept)
        shared -= len(text)
        if shared <= 0:
            break
    return place


def _fill(piece: str, marks: Sequence[str], texts: Sequence[str]) -> str:
    for mark, text in zip(marks, texts, strict=True):
        piece = piece.replace(mark, text)
    return piece
