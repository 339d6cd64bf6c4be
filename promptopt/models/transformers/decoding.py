"""Replies by transformers' own `generate`, which knows every kind of cache; what is drawn is decided here, row by row.

A reply is a function of its request: greedy ones by the float32 arg max, sampled ones with Gumbel noise from a
generator of the request's own seed. So neither the company in a batch nor its order matters, and no generator of
anyone else's is used. Log-probabilities are the model's own, before temperature and top-p.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptopt.models.boundary import SHORTEST_PREFIX, beginning
from promptopt.models.chat_tokens import ChatTokens
from promptopt.models.files.checkpoints import require
from promptopt.models.transformers.forward import Forward
from promptopt.models.transformers.prefixes import Prefix, Tensor
from promptopt.types import Content, Finish, Reply, Request, Token

AT_ONCE_ON_CPU = 1 << 14
"""Tokens of a batch, read and written. More would not be faster, and no reply comes before its batch is done."""
AT_ONCE_ON_GPU = 1 << 19
"""The same where many rows are as fast as one; the free memory allows fewer first (`memory.py`). Ours."""
# Every seed below it is one to torch's generators.
SEEDS = 2**63


@dataclass(slots=True)
class GrowingReply:
    """A request in tokens, and its reply as it grows; `most`: how many tokens it may have."""

    index: int
    request: Request
    tokens: tuple[int, ...]
    most: int
    written: list[int] = field(default_factory=list[int])
    drawn: int = 0
    reported: list[Token] = field(default_factory=list[Token])
    text: str = ""
    finish: Finish | None = None

    @property
    def longest(self) -> int:
        """Tokens of what is read and written, at most."""
        return len(self.tokens) + self.most

    def restart(self) -> None:
        """Forget what was drawn in a batch that did not fit into memory."""
        self.written = []
        self.drawn = 0
        self.reported = []
        self.text = ""
        self.finish = None


@dataclass(frozen=True, slots=True)
class _Together:
    """What requests of one batch have in common: a prefix, and their length where they must not be padded."""

    prefix: Prefix
    length: int


class Decoder:
    """Draws replies with one model."""

    def __init__(self, forward: Forward, tokens: ChatTokens, tokenizer: Any, ends: Collection[int]) -> None:
        """`ends`: the tokens that end a reply."""
        self._forward = forward
        self._tokens = tokens
        self._tokenizer = tokenizer
        self._ends = frozenset(ends)
        self._torch = require("torch")

    def generate(self, requests: Sequence[Request], stopping: Callable[[], bool]) -> Iterator[tuple[int, Reply]]:
        """Yield `(index, reply)`; requests of one prefix are answered together, batch by batch."""
        groups: dict[Content, list[int]] = {}
        for index, request in enumerate(requests):
            groups.setdefault(beginning(request.content, request.shared), []).append(index)
        for group in groups.values():
            waiting: dict[_Together, list[GrowingReply]] = {}
            for index in group:
                if stopping():
                    return
                request = requests[index]
                tokens = self._tokens.encode(request.content)
                left = self._forward.context - len(tokens)
                if not tokens or left < 1 or request.sampling.max_tokens < 1:
                    finish = "rejected" if not tokens or left < 1 else "length"
                    yield index, Reply("", finish, prompt_tokens=len(tokens))
                    continue
                # One token at least is read anew: its output is what the reply begins with.
                shared = min(self._tokens.shared(request.content, request.shared, tokens), len(tokens) - 1)
                prefix = tokens[:shared] if shared >= SHORTEST_PREFIX else ()
                asked = GrowingReply(index, request, tokens, min(left, request.sampling.max_tokens))
                key = self._together(prefix, asked)
                batch = waiting.setdefault(key, [])
                if batch and not self._fits([*batch, asked]):
                    yield from self._answer(key, waiting.pop(key))
                waiting.setdefault(key, []).append(asked)
            for key, batch in waiting.items():
                if stopping():
                    return
                yield from self._answer(key, batch)

    def _together(self, prefix: Prefix, asked: GrowingReply) -> _Together:
        # Padding before a text, or between it and a prefix, moves it against windows, biases and recurrent states. Only
        # models that were seen to go by the positions and the mask they are given can take it.
        way = self._forward.way(asked.longest)
        length = 0 if way == "packed" else len(asked.tokens)
        return _Together(() if way == "plain" else prefix, length)

    def _fits(self, batch: Sequence[GrowingReply]) -> bool:
        """Whether memory and context hold a batch, whose rows all go on until the last reply has ended."""
        # A row that has ended is still computed, and some models know no position beyond their context.
        longest = max(len(asked.tokens) for asked in batch) + max(asked.most for asked in batch)
        at_once = self._forward.room.generated(AT_ONCE_ON_CPU if self._forward.device == "cpu" else AT_ONCE_ON_GPU)
        return longest <= self._forward.context and longest * len(batch) <= at_once

    def _answer(self, key: _Together, batch: Sequence[GrowingReply]) -> Iterator[tuple[int, Reply]]:
        replies = self._forward.room.in_parts(batch, lambda part: self._replies(key.prefix, part))
        yield from zip((asked.index for asked in batch), replies, strict=True)

    def _replies(self, prefix: Prefix, batch: Sequence[GrowingReply]) -> list[Reply]:
        torch, transformers = self._torch, require("transformers")
        for asked in batch:
            asked.restart()
        shared = len(prefix)
        longest = max(len(asked.tokens) for asked in batch) - shared
        ids, mask = list[list[int]](), list[list[int]]()
        for asked in batch:
            own = asked.tokens[shared:]
            # Before a text's own tokens: all rows end together, where `generate` goes on.
            padding = [0] * (longest - len(own))
            ids.append([*asked.tokens[:shared], *padding, *own])
            mask.append([*[1] * shared, *padding, *[1] * len(own)])
        with self._forward.computing():
            self._forward.model.generate(
                input_ids=torch.tensor(ids, device=self._forward.device),
                attention_mask=torch.tensor(mask, device=self._forward.device),
                generation_config=transformers.GenerationConfig(
                    do_sample=False, max_new_tokens=max(asked.most for asked in batch)
                ),
                logits_processor=transformers.LogitsProcessorList([_Draw(self, batch)]),
                stopping_criteria=transformers.StoppingCriteriaList([_Watch(self, batch)]),
                **({"past_key_values": self._forward.prefixes.cache(prefix, len(batch))} if shared else {}),
            )
        return [
            Reply(
                asked.text,
                "length" if asked.finish is None else asked.finish,
                len(asked.tokens),
                asked.drawn,
                tuple(asked.reported),
            )
            for asked in batch
        ]

    def draw(self, asked: GrowingReply, logits: Tensor, generator: Any) -> int:
        """The next token of a sampled reply: temperature, then top-p; `logits` of shape (vocabulary,), float32."""
        torch, sampling = self._torch, asked.request.sampling
        scaled = logits / sampling.temperature
        if sampling.top_p < 1:
            ordered, places = scaled.sort(descending=True, stable=True)
            chances = ordered.softmax(-1)
            # A token stays while those likelier than it have not reached top-p yet; so the likeliest always stays.
            scaled[places[chances.cumsum(-1) - chances >= sampling.top_p]] = -torch.inf
        # Minus the logarithm of an exponential draw is Gumbel noise, so the arg max is a draw of the softmax.
        # It is drawn on the CPU, so that a GPU gives the same reply.
        waits = torch.empty(len(scaled)).exponential_(generator=generator).to(scaled.device)
        return int((scaled - waits.log()).argmax())

    def report(self, asked: GrowingReply, logits: Tensor, token: int) -> Token:
        """The token and its alternatives, by the model's own distribution."""
        logprobs = logits.log_softmax(-1)
        best = logprobs.topk(min(asked.request.logprobs, len(logprobs)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        top = tuple((self._tokens.text_of(other), value) for other, value in pairs)
        return Token(self._tokens.text_of(token), float(logprobs[token]), top)

    def take(self, asked: GrowingReply, token: int) -> None:
        """Put a drawn token to a reply, and see whether that ends it."""
        asked.drawn += 1
        if token in self._ends:
            asked.finish = "stop"
            # The end is no part of the text, and is not reported with it.
            asked.reported = asked.reported[: len(asked.written)]
        else:
            asked.written.append(token)
        last = asked.finish is not None or asked.drawn >= asked.most
        stops = asked.request.sampling.stop
        if not (last or stops):
            return
        asked.text = self._tokenizer.decode(asked.written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        # In the text and not among the tokens: a stop text may begin within one.
        found = [place for stop in stops if stop and (place := asked.text.find(stop)) >= 0]
        if found:
            asked.text, asked.finish = asked.text[: min(found)], "stop"
        elif last and asked.finish is None:
            asked.finish = "length"


class _Draw:
    """A logits processor that leaves one token of each row possible: the one drawn."""

    def __init__(self, decoder: Decoder, batch: Sequence[GrowingReply]) -> None:
        torch = require("torch")
        self._decoder, self._batch = decoder, batch
        seeds = [asked.request.seed for asked in batch]
        self._generators = [torch.Generator().manual_seed(0 if seed is None else seed % SEEDS) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        chosen = scores.argmax(-1)
        for row, asked in enumerate(self._batch):
            if asked.finish is not None:
                continue
            if asked.request.sampling.temperature > 0:
                chosen[row] = self._decoder.draw(asked, scores[row].float(), self._generators[row])
            if asked.request.logprobs:
                asked.reported.append(self._decoder.report(asked, scores[row].float(), int(chosen[row])))
        # One token is left possible, so transformers' own arg max can only take what was drawn here.
        only = scores.new_full(scores.shape, -float("inf"))
        return only.scatter_(1, chosen[:, None], 0.0)


class _Watch:
    """A stopping criterion: takes the tokens drawn, and says which rows are done."""

    def __init__(self, decoder: Decoder, batch: Sequence[GrowingReply]) -> None:
        self._decoder, self._batch = decoder, batch

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        for asked, token in zip(self._batch, input_ids[:, -1].tolist(), strict=True):
            if asked.finish is None:
                self._decoder.take(asked, token)
        return input_ids.new_tensor([asked.finish is not None for asked in self._batch]).bool()
