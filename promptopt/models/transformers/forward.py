"""Forward passes of one model: texts in, log-probabilities out, and a candidate's prefix computed once.

There are three ways to the same numbers. `packed`: the prefix's keys and values, and after them all texts as one
sequence without padding (`packing`). `expanded`: the same prefix before every row of a padded batch.
`plain`: a padded batch of whole texts, nothing shared. Which of them a model allows depends on its attention, on its
positions, on windows and recurrent layers, on what its cache keeps, and on the version of transformers; names tell
little of that. So each way is tried first, on a made-up text as long as those that are to be scored. It is used up to
that length if it gives what `plain` gives.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import random
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Literal

from promptopt.models.files.checkpoints import quiet, require
from promptopt.models.transformers.lanes import Lanes
from promptopt.models.transformers.memory import BatchMemory, failed
from promptopt.models.transformers.packing import Read, by_padding, following, in_rows, in_shares, lay_out
from promptopt.models.transformers.precision import floats, precision
from promptopt.models.transformers.prefixes import Prefix, PrefixStates, States, Tensor

Way = Literal["packed", "expanded", "plain"]
Later = Callable[[], list[tuple[float, ...]]]
"""The wanted values of reads, in nats, once they are asked for: a GPU may still be at them."""

EXACT = {"float32": 1e-4, "float64": 1e-4, "tf32": 0.05, "float16": 0.05, "bfloat16": 0.35}
"""Nats that two ways may differ by on the token that differs most. Measured on SmolLM2-135M: rounding alone comes to
0.00001, 0.02 and 0.19 in float32, float16 and bfloat16, a mask that lets branches see each other to 0.6 and more. TF32
keeps as many digits as float16."""
SHORTEST_PROBE = 64
"""Tokens of a trial at least: all shorter texts share one."""
BRANCH = 8
"""Tokens of a made-up text after the last that it shares with another. Ours."""
PACKED, PADDED, ON_GPU = 256, 512, 1 << 15
"""Tokens at once beyond which a core gets no faster (SmolLM2-135M); for GPUs, beyond which starting the kernels of a
pass, some 25 ms of the host's time, no longer counts."""
ROW, ALIGNED = 512, 16
"""Tokens of one row of a GPU's batch, where attention to the row costs a quarter of the rest (SmolLM2-135M); and what
the length of what it attends to is a multiple of, for torch's kernels copy every other mask."""
LEAST_PART = 64
"""Tokens that are worth a core of their own. Ours."""
LOGIT_ROWS, LOGIT_ROWS_ON_GPU = 64, 1024
"""Rows of logits that are normalised at once: bounds the float32 copies."""
_UNFIT = (TypeError, ValueError, AttributeError, LookupError, RuntimeError)
"""How models answer to arguments that they are not made for."""


class Forward:
    """A loaded model on one device. Not for several threads at once."""

    def __init__(self, model: Any, *, device: str, dtype: str, context: int, causal: bool) -> None:
        """`context`: the most tokens a text may have. Only `causal` models have prefixes to share."""
        self.model = model
        self.device = device
        self.context = context
        self._causal = causal
        self._torch = require("torch")
        self.dtype = dtype
        self.ahead = 1 if device.startswith("cuda") else 0
        """How many batches should be under way while the next one is prepared."""
        self.room = BatchMemory(model.config, device, self._torch.finfo(floats(dtype)).bits // 8)
        self._tolerance = EXACT[dtype]
        self._lanes = Lanes(device)
        self._packed_fastest, self._padded_fastest = (ON_GPU, ON_GPU) if self.ahead else (PACKED, PADDED)
        self._row, self._aligned, self._logit_rows = (
            (ROW, ALIGNED, LOGIT_ROWS_ON_GPU) if self.ahead else (context, 1, LOGIT_ROWS)
        )
        self.prefixes = PrefixStates(self._states_of)
        self._sure: dict[Way, int] = {"packed": 0, "expanded": 0}
        # Beyond any length: nothing has failed yet.
        self._failed: dict[Way, int] = {"packed": context + 1, "expanded": context + 1}
        self._keeps_rows = self._can_keep_rows()

    def most(self, prefix: int) -> int:
        """How many tokens, beside a prefix of so many, a batch should hold."""
        beside = prefix / self._row if self.ahead else 0.0
        return self.room.scored(self._packed_fastest * self._lanes.count, beside)

    def launch(self, prefix: Prefix, reads: Sequence[Read]) -> Later:
        """Begin to evaluate; what is returned waits, and gives every read's wanted values, from a float32 log-softmax.

        Every read begins with `prefix`, and wants nothing before the prefix's end. Where memory runs out, halves are
        tried, down to one text; raises BackendError when that does not fit either, now or when the values are asked
        for. On a CPU all is done when this returns.
        """
        parts = self.room.in_parts(reads, lambda part: [self._launch(prefix, part)])

        def values() -> list[tuple[float, ...]]:
            try:
                return [found for part in parts for found in part()]
            except RuntimeError as error:  # a kernel's, which nobody sees before its results are fetched
                raise failed(error) from error

        return values

    def _padded_most(self, prefix: int, longest: int) -> int:
        beside = prefix / max(1, longest - prefix) if self.ahead else 0.0
        return max(1, self.room.scored(self._padded_fastest * self._lanes.count, beside) // self._lanes.count)

    def close(self) -> None:
        """End its threads, and let go of the prefixes."""
        self._lanes.close()
        self.prefixes.clear()

    def way(self, longest: int) -> Way:
        """The fastest way that is exact for texts of up to so many tokens; tries it out where that is not known."""
        for way in ("packed", "expanded") if self._causal else ():
            if longest <= self._sure[way]:
                return way
            # The next power of two: so a longer text seldom asks for a trial of its own.
            length = min(self.context, max(SHORTEST_PROBE, 1 << (longest - 1).bit_length()))
            # What failed once at a length is not tried again at it or above.
            if length < self._failed[way]:
                if self._agrees(way, length):
                    self._sure[way] = length
                    return way
                self._failed[way] = length
        return "plain"

    @contextlib.contextmanager
    def computing(self) -> Generator[None, None, None]:
        """Without gradients and without messages, in the precision that the model's name says."""
        with self._torch.inference_mode(), quiet(), precision(self.device, self.dtype):
            yield

    # --- the ways ---

    def _launch(self, prefix: Prefix, reads: Sequence[Read]) -> Later:
        way = self.way(max(len(read.tokens) for read in reads))
        if prefix and way != "plain":
            self.prefixes.states(prefix)  # once, before the lanes ask for it

        if self.ahead:
            with self.computing():
                return self._by(way, prefix, reads)

        def evaluate(part: Sequence[Read]) -> list[tuple[float, ...]]:
            with self._torch.inference_mode():
                return self._by(way, prefix, part)()

        with quiet():
            parts = [partial(evaluate, part) for part in in_shares(reads, len(prefix), self._lanes.count, LEAST_PART)]
            found = list(itertools.chain.from_iterable(self._lanes.run(parts)))
        return lambda: found

    def _by(self, way: Way, prefix: Prefix, reads: Sequence[Read]) -> Later:
        if way == "packed":
            return self._packed(prefix, reads)
        return self._padded(prefix if way == "expanded" else (), reads)

    def _packed(self, prefix: Prefix, reads: Sequence[Read]) -> Later:
        torch = self._torch
        trees, parts = in_rows(reads, len(prefix), self._row)
        layout = lay_out(trees, parts, self._aligned)
        tokens, positions, entered, left = self._sent(torch.from_numpy(layout.numbers))
        rows, length = tokens.shape
        # Additive, and for every head alike: the one form that all attention implementations with masks take.
        mask = torch.zeros((rows, 1, length, len(prefix) + length), dtype=self.model.dtype, device=self.device)
        other, this = entered[:, None, :], entered[:, :, None]
        # What a node sees is said in `Tree.spans`; all of them see the prefix.
        unseen = (other > this) | (this >= left[:, None, :])
        mask[..., len(prefix) :].masked_fill_(unseen[:, None], torch.finfo(self.model.dtype).min)
        columns = range(length - layout.kept, length)
        output = self.model(
            input_ids=tokens,
            position_ids=positions,
            attention_mask=mask,
            **self._past(prefix, rows),
            **self._keep(columns),
        )
        found = self._values(self._rows(output, columns).flatten(0, 1), layout.wanted)

        def values() -> list[tuple[float, ...]]:
            rest = iter(found())
            return [tuple(itertools.islice(rest, len(read.wanted))) for read in reads]

        return values

    def _padded(self, prefix: Prefix, reads: Sequence[Read]) -> Later:
        # Alternatives of one token read the same text: it is evaluated once.
        asked: dict[tuple[int, ...], list[int]] = {}
        for index, read in enumerate(reads):
            asked.setdefault(read.tokens, []).append(index)
        texts = [
            Read(tokens, tuple(itertools.chain.from_iterable(reads[index].wanted for index in indices)))
            for tokens, indices in asked.items()
        ]
        most = self._padded_most(len(prefix), max(len(tokens) for tokens in asked))
        batches = [[texts[place] for place in batch] for batch in by_padding(texts, len(prefix), most)]
        running = [(part, self._padded_batch(prefix, part)) for part in batches]

        def values() -> list[tuple[float, ...]]:
            found: list[tuple[float, ...]] = [()] * len(reads)
            for part, later in running:
                rest = iter(later())
                for text in part:
                    for index in asked[text.tokens]:
                        found[index] = tuple(itertools.islice(rest, len(reads[index].wanted)))
            return found

        return values

    def _padded_batch(self, prefix: Prefix, texts: Sequence[Read]) -> Callable[[], list[float]]:
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
        return self._values(logits, wanted)

    def _values(self, logits: Tensor, wanted: Sequence[tuple[int, int]]) -> Callable[[], list[float]]:
        """The log p of every (row, token), once it is asked for; `logits` of shape (rows, vocabulary)."""
        torch = self._torch
        totals = torch.cat([torch.logsumexp(part.float(), dim=-1) for part in logits.split(self._logit_rows)])
        rows, tokens = self._tensor(wanted).unbind(-1)
        found = logits[rows, tokens].float() - totals[rows]
        if not self.ahead:
            return found.tolist
        # Into pinned memory, so that the host need not wait for the copy.
        fetched = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
        fetched.copy_(found, non_blocking=True)
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(self.device))

        def values() -> list[float]:
            done.synchronize()
            return fetched.tolist()

        return values

    def _states_of(self, prefix: Prefix) -> States:
        cache = require("transformers").DynamicCache()
        with self.computing():
            self.model(input_ids=self._tensor([prefix]), past_key_values=cache, use_cache=True, **self._keep([0]))
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _past(self, prefix: Prefix, rows: int) -> dict[str, Any]:
        if prefix:
            return {"past_key_values": self.prefixes.cache(prefix, rows), "use_cache": True}
        return {"use_cache": False} if self._causal else {}

    def _keep(self, columns: Sequence[int]) -> dict[str, Any]:
        """Only these outputs go through the last, largest layer, where the model can leave the others out."""
        return {"logits_to_keep": self._tensor(columns)} if self._keeps_rows else {}

    def _rows(self, output: Any, columns: Sequence[int]) -> Tensor:
        logits = output.logits
        return logits if self._keeps_rows else logits[:, self._tensor(columns)]

    def _tensor(self, numbers: Sequence[Any]) -> Tensor:
        return self._sent(self._torch.tensor(numbers, dtype=self._torch.long))

    def _sent(self, numbers: Tensor) -> Tensor:
        # From pageable memory the host would wait until the device has done all that came before.
        return numbers.pin_memory().to(self.device, non_blocking=True) if self.ahead else numbers.to(self.device)

    # --- trying a way out ---

    def _can_keep_rows(self) -> bool:
        """Whether the model gives the outputs asked for, and the same as among all."""
        if "logits_to_keep" not in inspect.signature(self.model.forward).parameters:
            return False
        ids, columns = self._tensor([[0, 1, 2, 3]]), self._tensor([1, 3])
        with self.computing():
            whole = self.model(input_ids=ids).logits[:, columns]
            try:
                part = self.model(input_ids=ids, logits_to_keep=columns).logits
            except _UNFIT:
                return False
        return part.shape == whole.shape and bool(((part - whole).abs() <= self._tolerance).all())

    def _agrees(self, way: Way, length: int) -> bool:
        """Whether `way` gives what `plain` gives on made-up texts of `length` tokens: a prefix and two branches."""
        draw = random.Random(length)
        text = [draw.randrange(self.model.config.get_text_config().vocab_size) for _ in range(length + 2 * BRANCH)]
        prefix, stem = tuple(text[: length - 2 * BRANCH]), text[: length - BRANCH]
        wholes = [[*stem, *text[end - BRANCH : end]] for end in (length, length + BRANCH, length + 2 * BRANCH)]
        # The third opens a row of its own, where there are several.
        reads = [following(whole, length - BRANCH) for whole in wholes[: 3 if self.ahead else 2]]
        row, self._row = self._row, 3 * BRANCH if self.ahead else self._row
        with self.computing():
            # The second branch stands behind the first: it would be the one to see what it must not see.
            plain = self._by("plain", (), reads[1:])()
            try:
                found = self._by(way, prefix, reads)()[1:]
            # It is a RuntimeError too, but says nothing about the way.
            except self._torch.OutOfMemoryError:
                raise
            except _UNFIT:
                return False
            finally:
                self.prefixes.forget(prefix)
                self._row = row
        pairs = zip(itertools.chain(*plain), itertools.chain(*found), strict=True)
        return all(abs(one - other) <= self._tolerance for one, other in pairs)
