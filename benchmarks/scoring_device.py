"""`hf` on one device: labels and losses a second beside a plain loop, and what of it is the host's time.

Both loops read whole texts in padded batches of 128. The plain one is what one writes first; the careful one gathers
what is wanted on the device and waits once a batch. Requests are those of `scoring`: about
154 shared tokens, 23 own of a label and 31 of a loss, 512 examples for each instruction. The host's part is measured
with a model that answers nothing at once; it counts the seconds of this process's threads, whatever else the machine
does.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from benchmarks.scoring import Way, ours, plain
from benchmarks.scoring_requests import LABELS, TARGET, requests
from promptopt.models.transformers.model import Transformers
from promptopt.types import Message, ScoreRequest

BATCH = 128
GROUP = 512
"""Examples of one instruction."""
TURNS = 3
KINDS = {"labels": LABELS, "loss": (TARGET,)}


def asked(count: int, continuations: tuple[str, ...], turn: int) -> list[ScoreRequest]:
    """`count` examples, of new instructions in every turn."""
    sizes = [min(GROUP, count - begin) for begin in range(0, count, GROUP)]
    return [
        request
        for number, size in enumerate(sizes)
        for request in requests(size, 1, continuations, turn * len(sizes) + number)
    ]


def careful(folder: str, device: str, dtype: str) -> Way:
    """Batches of whole texts, padded; all logits, those wanted gathered on the device, one transfer a batch."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).to(device).eval()

    @torch.inference_mode()
    def score(batch: Sequence[ScoreRequest]) -> list[list[float]]:
        found: list[list[float]] = []
        for begin in range(0, len(batch), BATCH):
            part = batch[begin : begin + BATCH]
            contexts = [str(each.content) for each in part]
            # Labels of one token stand at the same place, so one text of each example is enough.
            labels = part[0].continuations if len(part[0].continuations) > 1 else ()
            read = (
                contexts
                if labels
                else [text + each.continuations[0] for text, each in zip(contexts, part, strict=True)]
            )
            encoded = tokenizer(read, return_tensors="pt", padding=True).to(device)
            logits = model(**encoded).logits
            last = encoded.attention_mask.sum(1) - 1
            if labels:
                ids = torch.tensor([tokenizer(label).input_ids[-1] for label in labels], device=device)
                rows = torch.arange(len(part), device=device)
                found += logits[rows, last].float().log_softmax(-1)[:, ids].tolist()
            else:
                starts = torch.tensor([len(ids) for ids in tokenizer(contexts).input_ids], device=device)
                values = logits[:, :-1].log_softmax(-1).gather(-1, encoded.input_ids[:, 1:, None])[..., 0].float()
                place = torch.arange(values.shape[1], device=device)
                wanted = (place >= starts[:, None] - 1) & (place < last[:, None])
                found += [[total] for total in (values * wanted).sum(1).tolist()]
        return found

    return score


class NoModel:
    """A model in all but what it computes: keys, values and logits of a right shape at no cost."""

    def __init__(self, model: Any) -> None:
        import torch

        self._model = model
        self._layers = model.config.get_text_config().num_hidden_layers
        self._vocabulary = model.config.get_text_config().vocab_size
        self._zero = torch.zeros((1, 1, 1), dtype=model.dtype, device=model.device)

    def __call__(self, input_ids: Any, logits_to_keep: Any, past_key_values: Any = None, **_: Any) -> SimpleNamespace:
        """As a causal model of transformers answers."""
        if past_key_values is not None and not past_key_values.layers:
            states = self._zero[None].expand(1, 1, input_ids.shape[1], 1)
            past_key_values.layers = [SimpleNamespace(keys=states, values=states)] * self._layers
        return SimpleNamespace(logits=self._zero.expand(len(input_ids), len(logits_to_keep), self._vocabulary))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def host_seconds(folder: str, device: str, dtype: str, *, chat: bool, count: int = GROUP) -> dict[str, float]:
    """Seconds of the host per 1,000 examples, by kind: the least of the turns."""
    model = Transformers(folder, device=device, dtype=dtype)
    score = ours(model)
    score(asked(8, LABELS, 0))  # finds out by which way it may go
    forward: Any = model._load().forward
    forward.model = NoModel(forward.model)
    forward._values = lambda logits, wanted: lambda: [0.0] * len(wanted)
    forward.prefixes.clear()
    # As on a GPU: large batches of several rows, and one thread.
    forward._row, forward._aligned, forward._packed_fastest, forward._lanes.count = 512, 16, 1 << 15, 1
    found: dict[str, float] = {}
    for kind, continuations in KINDS.items():
        seconds: list[float] = []
        for turn in range(1, TURNS + 2):
            batch = asked(count, continuations, turn)
            if chat:
                batch = [ScoreRequest((Message("user", str(r.content)),), r.continuations, r.shared) for r in batch]
            begun = time.process_time()
            score(batch)
            seconds.append(time.process_time() - begun)
        found[kind] = min(seconds) / count * 1000
    model.close()
    return found


def rate(score: Way, batches: Sequence[list[ScoreRequest]]) -> tuple[float, list[float]]:
    """(the median of the turns' examples a second, the sums of the last turn); the first batch is to warm up."""
    score(batches[0][: 2 * BATCH])
    rates: list[float] = []
    totals: list[list[float]] = []
    for batch in batches[1:]:
        begun = time.perf_counter()
        totals = score(batch)
        rates.append(len(batch) / (time.perf_counter() - begun))
    return statistics.median(rates), [total for row in totals for total in row]


def compare(folder: str, device: str, dtype: str, count: int | None) -> list[str]:
    """The lines of the report."""
    import torch
    import transformers

    examples = count if count is not None else 2048 if device.startswith("cuda") else 32
    where = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    lines = [f"{where}, {dtype}, torch {torch.__version__}, transformers {transformers.__version__}, "
             f"{examples} examples, median of {TURNS} turns"]  # fmt: skip
    model = Transformers(folder, device=device, dtype=dtype)
    # A loop has no TF32 of its own: torch's default is float32.
    other = "float32" if dtype == "tf32" else dtype
    score, loop, best = ours(model), plain(folder, device, other, BATCH), careful(folder, device, other)
    for kind, continuations in KINDS.items():
        batches = [asked(examples, continuations, turn) for turn in range(TURNS + 1)]
        (fast, totals), (base, right), (fair, _) = (rate(way, batches) for way in (score, loop, best))
        gaps = [abs(one - other) for one, other in zip(totals, right, strict=True)]
        lines.append(f"{kind}: hf {fast:,.1f}/s; plain loop {base:,.1f}/s, so {fast / base:.2f} times; careful loop "
                     f"{fair:,.1f}/s, so {fast / fair:.2f} times; sums differ from the plain loop's by "
                     f"{statistics.fmean(gaps):.5f} on average, at most {max(gaps):.5f} nats")  # fmt: skip
    model.close()
    for chat in (False, True):
        host = host_seconds(folder, device, dtype, chat=chat)
        told = ", ".join(f"{kind} {seconds:.3f}" for kind, seconds in host.items())
        lines.append(f"host seconds per 1,000 examples, {'chat messages' if chat else 'plain text'}: {told}")
    return lines
