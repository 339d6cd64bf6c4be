"""Texts as the tokens of a served model: by the server's own tokenizer and chat template, in few requests.

What a chat reads is what the server makes of its messages; markers such as <|im_end|> in a text are tokens where the
server takes them for such, for so it does when it generates. A continuation is tokenised behind the end of the
template, from its last marker on: no token reaches over a marker, so this gives what the whole text gives, and a label
costs one request in a run instead of one an example. Where a template ends in no marker, and for plain text, the whole
text is tokenised.
"""

from __future__ import annotations

from dataclasses import replace

from promptopt.errors import BackendError, ConfigError
from promptopt.models.boundary import Forced, common_length, continuation_start
from promptopt.models.server.http import TooLong
from promptopt.models.server.tokenizing import Encoding, ServerTokenizer
from promptopt.models.server.vocabulary import token_texts
from promptopt.types import Content, Message, ScoreRequest
from promptopt.types.identity import surrogates_replaced

ENDS_OF_TEXT = (
    "<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>", "<|eot_id|>", "<｜end▁of▁sentence｜>", "<|end|>",
    "<|return|>", "[EOS]",
)  # fmt: skip
"""How models call the token that ends a text; which one it is, the server is asked."""
CACHED = 65_536
"""Continuations whose tokens are remembered. Ours."""
LONGEST_TAIL = 32
"""Tokens at the end of a template among which its last marker is looked for. Ours."""


class Tokenization:
    """Texts to tokens and back, remembered where texts come again."""

    def __init__(self, tokenizer: ServerTokenizer, server: str) -> None:
        """`server`: how errors name it."""
        self.tokenizer, self._server = tokenizer, server
        self._tail: Encoding | None = None
        self._tail_text = ""
        self._end_of_turn: int | None = None
        self._end_of_text: list[int | None] = []
        self._endings: dict[tuple[tuple[int, ...], str], tuple[tuple[int, ...], tuple[str, ...]]] = {}
        self._texts: dict[int, str] = {}

    async def learn_template(self) -> None:
        """Find out how the chat template ends, before a reply and after it; of a server without one, nothing."""
        tokenizer = self.tokenizer
        try:
            # Two of each: what both end in is the template's own.
            prompts = [await tokenizer.encode_chat((Message("user", text),), generate=True) for text in ("a", "b")]
            chats = [await tokenizer.encode_reply(text) for text in ("yes", "no")]
        except (BackendError, TooLong):
            return  # no template: requests with messages fail with a sentence
        after = _common_ending(*chats)
        self._end_of_turn = after[0] if after else None
        ending = _common_ending(*prompts)[-LONGEST_TAIL:]
        # From the end, where the last marker is: no token reaches over it.
        for begin in range(len(ending) - 1, -1, -1):
            if await self._is_marker(ending[begin]):
                text = await tokenizer.decode(ending[begin:])
                tail = await tokenizer.encode(text, special=False)
                # A tail that is read back otherwise cannot be gone on from as a text.
                if tail.ids == ending[begin:]:
                    self._tail, self._tail_text = tail, text
                return

    async def force(self, request: ScoreRequest) -> tuple[Forced, tuple[tuple[str, ...], ...]]:
        """Context and continuations of a request as tokens, and the texts of the tokens that are scored.

        Which are scored is the law of `boundary`. Raises TooLong where the context alone is.
        """
        content = _cleaned(request.content)
        context = await self._context(content)
        # Not one token of a continuation would fit.
        if len(context) >= self.tokenizer.limit:
            raise TooLong
        bare: list[tuple[tuple[int, ...], tuple[str, ...]]] = [
            await self._continued(content, context, surrogates_replaced(text)) if text else (context, ())
            for text in request.continuations
        ]
        # Without a token before it the first token would have no probability: the end of another text stands there.
        if not context or any(not common_length(context, sequence) for sequence, _ in bare):
            opening = await self._end_token("")
            context, bare = (opening, *context), [((opening, *sequence), texts) for sequence, texts in bare]
        found = [continuation_start(context, sequence) for sequence, _ in bare]
        end = await self._end_token(content) if request.ends else None
        forced = Forced(
            context,
            tuple((*sequence, *(() if end is None else (end,))) for sequence, _ in bare),
            tuple(start for start, _ in found),
            any(merged for _, merged in found),
        )
        last = () if end is None else (await self._text_of(end),)
        scored = tuple(
            (*texts[len(texts) - len(sequence) + start :], *last)
            for (sequence, texts), (start, _) in zip(bare, found, strict=True)
        )
        return forced, scored

    async def _context(self, content: Content) -> tuple[int, ...]:
        if isinstance(content, str):
            return (await self.tokenizer.encode(content, special=True)).ids
        return await self.tokenizer.encode_chat(content, generate=True)

    async def _continued(
        self, content: Content, context: tuple[int, ...], text: str
    ) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """The tokens of content and continuation, and the texts of the last of them (at least of those scored)."""
        tail = self._tail
        if isinstance(content, str):
            return await self._encode(content + text, special=True)
        if tail is not None and context[-len(tail.ids) :] == tail.ids:
            key = (tail.ids, text)
            if key not in self._endings:
                if len(self._endings) >= CACHED:
                    # All at once: one that comes again costs a request.
                    self._endings.clear()
                self._endings[key] = await self._encode(self._tail_text + text, special=False)
            ids, texts = self._endings[key]
            return (*context[: -len(tail.ids)], *ids), texts
        rendered = await self.tokenizer.decode(context)
        if (await self.tokenizer.encode(rendered, special=False)).ids != context:
            raise ConfigError(
                f"{self._server} does not read its own chat template's text as it writes it, so the tokens of a reply "
                f"cannot be known exactly; use a layout of plain text, or hf/ (transformers) in this process"
            )
        return await self._encode(rendered + text, special=False)

    async def _encode(self, text: str, *, special: bool) -> tuple[tuple[int, ...], tuple[str, ...]]:
        encoding = await self.tokenizer.encode(text, special=special)
        texts = token_texts(encoding.pieces, text)
        # Where the vocabulary's spelling cannot be read, each token is asked for.
        if texts is None or len(texts) != len(encoding.ids):
            texts = tuple([await self._text_of(token) for token in encoding.ids])
        return encoding.ids, texts

    async def _text_of(self, token: int) -> str:
        if token not in self._texts:
            # A token alone may lose the space before it, so it is read behind itself.
            alone = await self.tokenizer.decode([token])
            self._texts[token] = (await self.tokenizer.decode([token, token]))[len(alone) :]
        return self._texts[token]

    async def _end_token(self, content: Content) -> int:
        """The token that ends a reply, or a plain text."""
        if not isinstance(content, str) and self._end_of_turn is not None:
            return self._end_of_turn
        if not self._end_of_text:
            encodings = [(await self.tokenizer.encode(text, special=False)).ids for text in ENDS_OF_TEXT]
            candidates = dict.fromkeys(ids[0] for ids in encodings if len(ids) == 1)
            self._end_of_text.append(await self.tokenizer.end_of_text_token(tuple(candidates)))
        end = self._end_of_text[0]
        if end is None:
            raise ConfigError(
                f"{self._server} does not report which token ends a text, so the end of a reply cannot be scored; use "
                f"a layout of chat messages, or score without the end"
            )
        return end

    async def _is_marker(self, token: int) -> bool:
        """Whether the text of `token` is that token in any surroundings; the frame is made to tear it if it can be."""
        text = await self.tokenizer.decode([token])
        # One letter, or white space, can be a part of any other token.
        if len(text) < 2 or text.isspace():
            return False
        torn = f"a{text}a{text} {text}\n{text}{text}<{text}"
        return (await self.tokenizer.encode(torn, special=False)).ids.count(token) == torn.count(text)


def _common_ending(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return one[len(one) - common_length(one[::-1], other[::-1]) :]


def _cleaned(content: Content) -> Content:
    if isinstance(content, str):
        return surrogates_replaced(content)
    return tuple(replace(message, content=surrogates_replaced(message.content)) for message in content)
