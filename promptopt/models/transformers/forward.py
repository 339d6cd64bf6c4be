"""Forward passes of one model: texts in, log-probabilities out, and a candidate's prefix computed once.

There are three ways to the same numbers. `packed`: the prefix's keys and values, and after them all texts as one
sequence without padding (`transformers_packing`). `expanded`: the same prefix before every row of a padded batch.
`plain`: a padded batch of whole texts, nothing shared. Which of them a model allows depends on its attention, on its
positions, on windows and recurrent layers, on what its cache keeps, and on the version of transformers; names tell
little of that. So each way is tried on a made-up text first, as long as those that are to be scored, and is used up to
that length if it gives what `plain` gives.
"""

from __future__ import annotations

import inspect
import itertools
import random
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from promptopt.models.files.checkpoints import quiet, require
from promptopt.models.transformers.lanes import Lanes
from promptopt.models.transformers.memory import Room
from promptopt.models.transformers.packing import Read, Tree, by_padding, following, in_shares

Tensor = Any
"""A torch tensor; torch is optional, so its types are not known here."""
Way = Literal["packed", "expanded", "plain"]
Prefix = tuple[int, ...]
States = list[tuple[Tensor, Tensor]]
"""Keys and values of every layer, each of shape (1, heads, tokens, width)."""

EXACT = {"float32": 1e-4, "float64": 1e-4, "float16": 0.05, "bfloat16": 0.35}
"""Nats that two ways may differ by on the token that differs most. Measured on SmolLM2-135M: rounding alone comes to
0.00001, 0.02 and 0.19 in float32, float16 and bfloat16, a mask that lets branches see each other to 0.6 and more."""
PREFIX_BYTES = 512 << 20
"""How many keys and values of prefixes are kept; the least recently used go first."""
SHORTEST_PROBE = 64
BRANCH = 8
"""Tokens of a made-up text after the last that it shares with another."""
PACKED, PADDED, ON_GPU = 256, 512, 4096
"""Tokens at once beyond which a core gets no faster (SmolLM2-135M); for GPUs an estimate."""
LEAST_PART = 64
"""Tokens that are worth a core of their own."""
LOGIT_ROWS = 64
"""Rows of logits that are normalised at once: bounds the float32 copies."""
_UNFIT = (TypeError, ValueError, AttributeError, LookupError, RuntimeError)
"""How models answer to arguments that they are not made for."""


class Forward:
    """A loaded model on one device. Not for several threads at once."""

    def __init__(self, model: Any, *, device: str, dtype: str, context: int, causal: bool) -> None:
        """`context`: the most tokens a text may have. Only `causal` models have prefixes to share."""
        self.model, self.device, self.context, self._causal = model, device, context, causal
        self._torch = require("torch")
        self.room = Room(model.config, device, self._torch.finfo(getattr(self._torch, dtype)).bits // 8)
        self._tolerance = EXACT[dtype]
        self._lanes = Lanes(device)
        self._packed_fastest, self._padded_fastest = (PACKED, PADDED) if device == "cpu" else (ON_GPU, ON_GPU)
        self._prefixes: OrderedDict[Prefix, States] = OrderedDict()
        self._sure: dict[Way, int] = {"packed": 0, "expanded": 0}
        self._failed: dict[Way, int] = {"packed": context + 1, "expanded": context + 1}
        self._keeps_rows = self._can_keep_rows()

    @property
    def most(self) -> int:
        """How many tokens, beside their prefix, a call of `logprobs` should hold."""
        return self.room.scored(self._packed_fastest * self._lanes.count)

    def logprobs(self, prefix: Prefix, reads: Sequence[Read]) -> list[tuple[float, ...]]:
        """For every read its wanted values, in nats, from a float32 log-softmax.

        Every read begins with `prefix`, and wants nothing before the prefix's end. Where memory runs out, halves are
        tried, down to one text; raises BackendError when that does not fit either.
        """
        return self.room.in_parts(reads, lambda part: self._logprobs(prefix, part))

    @property
    def _padded_most(self) -> int:
        return max(1, self.room.scored(self._padded_fastest * self._lanes.count) // self._lanes.count)

    def close(self) -> None:
        """End its threads, and let go of the prefixes."""
        self._lanes.close()
        self._prefixes.clear()

    def states(self, prefix: Prefix) -> States:
        """Keys and values of a prefix, computed on their own, as any text that begins with it finds them."""
        found = self._prefixes.get(prefix)
        if found is None:
            cache = require("transformers").DynamicCache()
            with self._torch.inference_mode(), quiet():
                self.model(input_ids=self._tensor([prefix]), past_key_values=cache, use_cache=True, **self._keep([0]))
            found = self._prefixes[prefix] = [(layer.keys, layer.values) for layer in cache.layers]
            while len(self._prefixes) > 1 and sum(map(_bytes, self._prefixes.values())) > PREFIX_BYTES:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(prefix)
        return found

    def cache(self, prefix: Prefix, rows: int) -> Any:
        """A transformers cache that holds the prefix for so many rows; what is added to it touches no other."""
        transformers = require("transformers")
        cache = transformers.DynamicCache()
        for keys, values in self.states(prefix):
            layer = transformers.cache_utils.DynamicLayer()
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)
            cache.layers.append(layer)
        return cache

    def way(self, longest: int) -> Way:
        """The fastest way that is exact for texts of up to so many tokens; tries it out where that is not known."""
        for way in ("packed", "expanded") if self._causal else ():
            if longest <= self._sure[way]:
                return way
            length = min(self.context, max(SHORTEST_PROBE, 1 << (longest - 1).bit_length()))
            if length < self._failed[way]:
                if self._agrees(way, length):
                    self._sure[way] = length
                    return way
                self._failed[way] = length
        return "plain"

    # --- the ways ---

    def _logprobs(self, prefix: Prefix, reads: Sequence[Read]) -> list[tuple[float, ...]]:
        way = self.way(max(len(read.tokens) for read in reads))
        if prefix and way != "plain":
            self.states(prefix)  # once, before the lanes ask for it

        def evaluate(part: Sequence[Read]) -> list[tuple[float, ...]]:
            with self._torch.inference_mode():
                return self._by(way, prefix, part)

        with quiet():
            parts = [partial(evaluate, part) for part in in_shares(reads, len(prefix), self._lanes.count, LEAST_PART)]
            return list(itertools.chain.from_iterable(self._lanes.run(parts)))

    def _by(self, way: Way, prefix: Prefix, reads: Sequence[Read]) -> list[tuple[float, ...]]:
        if way == "packed":
            return self._packed(prefix, reads)
        return self._padded(prefix if way == "expanded" else (), reads)

    def _packed(self, prefix: Prefix, reads: Sequence[Read]) -> list[tuple[float, ...]]:
        torch, tree = self._torch, Tree(len(prefix))
        for read in reads:
            tree.add(read)
        # Additive, and for every head alike: the one form that all attention implementations with masks take.
        mask = torch.zeros((1, 1, len(tree), len(prefix) + len(tree)), dtype=self.model.dtype, device=self.device)
        unseen = torch.from_numpy(~tree.visible()).to(self.device)
        mask.masked_fill_(unseen, torch.finfo(self.model.dtype).min)
        rows = sorted({row for nodes in tree.rows for row in nodes})
        output = self.model(
            input_ids=self._tensor([tree.tokens]),
            position_ids=self._tensor([tree.positions]),
            attention_mask=mask,
            **self._past(prefix, 1),
            **self._keep(rows),
        )
        place = {row: index for index, row in enumerate(rows)}
        wanted = [
            (place[row], token)
            for read, nodes in zip(reads, tree.rows, strict=True)
            for row, (_, token) in zip(nodes, read.wanted, strict=True)
        ]
        values = iter(self._values(self._rows(output, rows)[0], wanted))
        return [tuple(itertools.islice(values, len(read.wanted))) for read in reads]

    def _padded(self, prefix: Prefix, reads: Sequence[Read]) -> list[tuple[float, ...]]:
        # Alternatives of one token read the same text: it is evaluated once.
        asked: dict[tuple[int, ...], list[int]] = {}
        for index, read in enumerate(reads):
            asked.setdefault(read.tokens, []).append(index)
        texts = [
            Read(tokens, tuple(itertools.chain.from_iterable(reads[index].wanted for index in indices)))
            for tokens, indices in asked.items()
        ]
        found: list[tuple[float, ...]] = [()] * len(reads)
        for batch in by_padding(texts, len(prefix), self._padded_most):
            part = [texts[place] for place in batch]
            for text, values in zip(part, self._padded_batch(prefix, part), strict=True):
                rest = iter(values)
                for index in asked[text.tokens]:
                    found[index] = tuple(itertools.islice(rest, len(reads[index].wanted)))
        return found

    def _padded_batch(self, prefix: Prefix, texts: Sequence[Read]) -> list[tuple[float, ...]]:
        shared, longest = len(prefix), max(len(text.tokens) for text in texts)
        # Padding stands on the right, where a causal model never looks from a text's own tokens.
        ids = [[*text.tokens[shared:], *[0] * (longest - len(text.tokens))] for text in texts]
        mask = [[1] * len(text.tokens) + [0] * (longest - len(text.tokens)) for text in texts]
        columns = sorted({place - shared for text in texts for place, _ in text.wanted})
        output = self.model(
            input_ids=self._tensor(ids),
            attention_mask=self._tensor(mask),
            **self._past(prefix, len(texts)),
            **self._keep(columns),
        )
        column = {place: index for index, place in enumerate(columns)}
        cells = sorted({(row, column[place - shared]) for row, text in enumerate(texts) for place, _ in text.wanted})
        logits = self._rows(output, columns)[[row for row, _ in cells], [place for _, place in cells]]
        number = {cell: index for index, cell in enumerate(cells)}
        wanted = [
            (number[row, column[place - shared]], token)
            for row, text in enumerate(texts)
            for place, token in text.wanted
        ]
        values = iter(self._values(logits, wanted))
        return [tuple(itertools.islice(values, len(text.wanted))) for text in texts]

    def _values(self, logits: Tensor, wanted: Sequence[tuple[int, int]]) -> list[float]:
        """The log p of every (row, token); `logits` of shape (rows, vocabulary)."""
        torch = self._torch
        totals = torch.cat([torch.logsumexp(part.float(), dim=-1) for part in logits.split(LOGIT_ROWS)])
        rows, tokens = self._tensor([row for row, _ in wanted]), self._tensor([token for _, token in wanted])
        return (logits[rows, tokens].float() - totals[rows]).tolist()

    def _past(self, prefix: Prefix, rows: int) -> dict[str, Any]:
        if prefix:
            return {"past_key_values": self.cache(prefix, rows), "use_cache": True}
        return {"use_cache": False} if self._causal else {}

    def _keep(self, columns: Sequence[int]) -> dict[str, Any]:
        """Only these outputs go through the last, largest layer, where the model can leave the others out."""
        return {"logits_to_keep": self._tensor(columns)} if self._keeps_rows else {}

    def _rows(self, output: Any, columns: Sequence[int]) -> Tensor:
        logits = output.logits
        return logits if self._keeps_rows else logits[:, self._tensor(columns)]

    def _tensor(self, numbers: Sequence[Any]) -> Tensor:
        return self._torch.tensor(numbers, dtype=self._torch.long, device=self.device)

    # --- trying a way out ---

    def _can_keep_rows(self) -> bool:
        """Whether the model gives the outputs asked for, and the same as among all."""
        if "logits_to_keep" not in inspect.signature(self.model.forward).parameters:
            return False
        ids, columns = self._tensor([[0, 1, 2, 3]]), self._tensor([1, 3])
        with self._torch.inference_mode(), quiet():
            whole = self.model(input_ids=ids).logits[:, columns]
            try:
                part = self.model(input_ids=ids, logits_to_keep=columns).logits
            except _UNFIT:
                return False
        return part.shape == whole.shape and bool(((part - whole).abs() <= self._tolerance).all())

    def _agrees(self, way: Way, length: int) -> bool:
        """Whether `way` gives what `plain` gives on made-up texts of `length` tokens: a prefix and two branches."""
        draw = random.Random(length)
        text = [draw.randrange(self.model.config.get_text_config().vocab_size) for _ in range(length + BRANCH)]
        prefix = tuple(text[: length - 2 * BRANCH])
        other, asked = text[:length], [*text[: length - BRANCH], *text[length:]]
        reads = [following(whole, length - BRANCH) for whole in (other, asked)]
        with self._torch.inference_mode(), quiet():
            # The second branch stands behind the first: it would be the one to see what it must not see.
            plain = self._by("plain", (), reads[1:])[0]
            try:
                found = self._by(way, prefix, reads)[1]
            except self._torch.OutOfMemoryError:
                raise
            except _UNFIT:
                return False
            finally:
                self._prefixes.pop(prefix, None)
        return all(abs(one - other) <= self._tolerance for one, other in zip(plain, found, strict=True))


def _bytes(states: States) -> int:
    return sum(part.numel() * part.element_size() for keys_values in states for part in keys_values)
