"""The prompter that is trained: a causal chat model with low-rank adapters; without them it is the reference.

Source   Align-Pro (Trivedi et al. 2025, arXiv:2501.03486): a prompter of few parameters, and its KL to the one that it
         began as. Low-rank adapters: Hu et al. 2021, arXiv:2106.09685, by peft. The gradient: REINFORCE with a
         leave-one-out baseline (Ahmadian et al. 2024, arXiv:2402.14740), on one step a batch, so that nothing is
         clipped but the gradient's norm.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptopt.errors import BackendError, ConfigError
from promptopt.models.chat_tokens import ChatTokens
from promptopt.models.files.checkpoints import quiet, require
from promptopt.operators.frozen import files_of, open_frozen
from promptopt.operators.training import Learned, Sample, Tokens, TrainingBatch
from promptopt.optimizers.align_pro.adam import packed, restore
from promptopt.optimizers.align_pro.trained import without_peft
from promptopt.text import first_line
from promptopt.types import Message

Tensor = Any
"""A torch tensor; torch is optional, so its types are not known here."""
ROWS_AT_ONCE = 4
"""Rows that go through the model together while it learns: what a gradient keeps grows with them."""


@dataclass(frozen=True, slots=True)
class PrompterSettings:
    """All that determines what a prompter does, beside its model's files. `longest`: tokens of a text."""

    rank: int
    rate: float
    clip: float
    longest: int
    seed: int


class Prompter:
    """A `Policy` whose contexts are what it is asked; texts end where it ends them, in float32."""

    def __init__(self, spec: str, settings: PrompterSettings, device: str = "cpu") -> None:
        """`spec`: as after `hf/`.

        Raises ConfigError where there is no such model, torch or peft is not installed, or it can end no text.
        """
        self._torch, self._peft = require("torch"), _peft()
        self._settings, self._device = settings, device
        checkpoint = files_of(spec)
        self.name = f"low-rank adapter of {checkpoint.called}@{checkpoint.fingerprint} {settings}"
        opened = open_frozen(checkpoint, device)
        self._model = opened.model
        self._tokenizer = opened.tokenizer
        self._context = opened.context
        self._remembers = opened.remembers
        self._called, self._ends = checkpoint.called, _ends(opened.model, opened.tokenizer, checkpoint.called)
        self._tokens = ChatTokens(self._tokenizer, f"hf/{spec}")
        # Updates are scaled by alpha / r, here 2 whatever the rank, so that a rate suits any rank (Hu et al. 2021).
        wanted = self._peft.LoraConfig(
            r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        try:
            with self._torch.random.fork_rng(devices=[]), quiet():
                # peft draws its first weights from the global generator, which is given back as it was.
                self._torch.manual_seed(settings.seed)
                # In evaluation mode, also while it learns: dropout would give one text another likelihood each time.
                self._adapted = self._peft.get_peft_model(self._model, wanted).eval()
        except ValueError as error:
            why = first_line(error)[:90]
            raise ConfigError(
                f"peft has no low-rank adapters for the prompter {self._called!r} ({why}); take another model"
            ) from error
        self._trained: dict[str, Tensor] = {
            name: value for name, value in self._adapted.named_parameters() if value.requires_grad
        }
        self._adam = self._torch.optim.Adam(self._trained.values(), lr=settings.rate)

    # --- Policy ---

    def sample(self, seed: int, count: int, contexts: Sequence[str] = ()) -> list[Sample]:
        """A text for each context, drawn at temperature 1; one that is not at its end in time has no words."""
        asked = list(contexts) if contexts else [""] * count
        found: list[Sample | None] = [None] * len(asked)
        with self._computing():
            for number, context in enumerate(dict.fromkeys(asked)):
                places = [place for place, each in enumerate(asked) if each == context]
                # A generator for each context: rows of one do not move with how many there are of another.
                chance = self._torch.Generator().manual_seed((seed + number) % 2**63)
                rows = self._written(self._prefix(context), len(places), chance)
                for place, sample in zip(places, self._samples(rows, context), strict=True):
                    found[place] = sample
        return [each for each in found if each is not None]

    def greedy(self, context: str = "") -> Sample:
        """The likeliest token at each place."""
        with self._computing():
            return self._samples(self._written(self._prefix(context), 1, None), context)[0]

    def encode(self, text: str) -> Sample:
        """A given text as tokens, and the one that ends it."""
        ids = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return Sample((*map(int, ids), self._ends[0]), text)

    def learn(self, batch: TrainingBatch) -> Learned:
        """A step up targets times log-likelihood: of drawn rows their mean, of others (weights) their sum."""
        drawn = [(tokens, target) for tokens, target in zip(batch.samples, batch.targets, strict=True)]
        # A row that is left out weighs nothing, and still counts in the means of entropy and KL.
        rows = [(tokens, 0.0 if target is None else target / len(drawn)) for tokens, target in drawn]
        rows += zip(batch.others, batch.other_targets, strict=True)
        contexts = batch.contexts if batch.contexts else ("",) * len(rows)
        self._adam.zero_grad()
        loss = 0.0
        entropies = 0.0
        kls = 0.0
        with self._failing():
            for first in range(0, len(rows), ROWS_AT_ONCE):
                # Gradients add up over these, so that it is one step whatever goes through together.
                part = rows[first : first + ROWS_AT_ONCE]
                logs, shown = self._read([tokens for tokens, _ in part], contexts[first : first + ROWS_AT_ONCE])
                # - target * log rho(text): REINFORCE for drawn rows, weighted likelihood for given ones.
                terms = [-target * each.sum() for each, (_, target) in zip(logs, part, strict=True)]
                lost = self._torch.stack(terms).sum()
                lost.backward()
                loss += float(lost.detach())
                entropies, kls = entropies + shown[0], kls + shown[1]
        return Learned(self._step(loss), entropies / len(rows), kls / len(rows))

    def halve_rate(self) -> None:
        """Learn half as fast from here on."""
        for group in self._adam.param_groups:
            group["lr"] /= 2

    def state(self) -> bytes:
        """The adapters, Adam's moments, and its rate."""
        return packed(self._trained, self._adam)

    def restore(self, state: bytes) -> None:
        """Be as when `state` was taken."""
        restore(state, self._trained, self._adam)

    def save(self, folder: Path) -> None:
        """A model of its own, with the adapters in its weights, as a folder of transformers; this one is then done."""
        with quiet():
            merged = self._adapted.merge_and_unload()
            merged.save_pretrained(str(folder))
            self._tokenizer.save_pretrained(str(folder))

    # --- writing ---

    def _prefix(self, context: str) -> list[int]:
        """What the model reads before it writes: a user's turn where it has a chat template, else the bare text."""
        chats = self._tokenizer.chat_template is not None
        ids = list(self._tokens.encode((Message("user", context),) if chats else f"{context}\n\n"))
        # Without anything to read there would be nothing to write after.
        ids = ids if ids else [self._ends[0]]
        if self._context is not None and len(ids) + self._settings.longest > self._context:
            raise ConfigError(
                f"the prompter {self._called!r} reads {self._context} tokens, and the request with the prompt in it "
                f"has {len(ids)} beside the {self._settings.longest} of a rewrite; set train.longest lower, or take a "
                f"model with a longer context"
            )
        return ids

    def _written(self, prefix: Sequence[int], count: int, chance: Any) -> list[Tokens]:
        """Rows of tokens, each up to the one that ends it, or cut; `chance`: None for the likeliest."""
        torch = self._torch
        cache = require("transformers").DynamicCache() if self._remembers else None
        cached = {} if cache is None else {"past_key_values": cache}
        read = torch.tensor([list(prefix)], device=self._device)
        # The request is read once for all rows.
        logits = self._model(input_ids=read, **cached).logits[:, -1].repeat(count, 1)
        read = read.repeat(count, 1)
        if cache is not None:
            cache.batch_repeat_interleave(count)
        rows: list[list[int]] = [[] for _ in range(count)]
        for _ in range(self._settings.longest):
            if chance is not None:
                # On the CPU, so that a seed draws the same rows whatever the device; floored, for a number may be 0.
                even = torch.rand(logits.shape, generator=chance).to(self._device)
                # The largest of log-probability and Gumbel noise is a draw.
                logits = logits - (-even.clamp_min(1e-30).log()).clamp_min(1e-30).log()
            chosen = logits.argmax(-1)
            going = False
            for row, token in zip(rows, chosen.tolist(), strict=True):
                # Rows that have ended are read on beside the others, and what they would write is dropped.
                if not row or row[-1] not in self._ends:
                    row.append(int(token))
                    going = going or row[-1] not in self._ends
            if not going:
                break
            read = chosen[:, None] if self._remembers else torch.cat([read, chosen[:, None]], dim=1)
            logits = self._model(input_ids=read, **cached).logits[:, -1]
        return [tuple(row) for row in rows]

    def _samples(self, rows: Sequence[Tokens], context: str) -> list[Sample]:
        with self._torch.no_grad():
            own, _ = self._read(rows, [context] * len(rows))
            with self._adapted.disable_adapter():
                frozen, _ = self._read(rows, [context] * len(rows))
        return [
            Sample(row, self._text(row), float(other.mean()), float(mine.sum() - other.sum()))
            for row, mine, other in zip(rows, own, frozen, strict=True)
        ]

    def _text(self, row: Tokens) -> str:
        """Nothing where the text is cut: its rest is not known."""
        if row[-1] not in self._ends:
            return ""
        # As it was written: a tokenizer that tidies spaces would change what is scored.
        decoded = self._tokenizer.decode(list(row[:-1]), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return str(decoded).strip()

    # --- learning ---

    def _read(self, rows: Sequence[Tokens], contexts: Sequence[str]) -> tuple[list[Tensor], tuple[float, float]]:
        """Each row's log-probabilities, and over all rows the sums of entropy and of KL to the frozen model.

        Where no gradient is wanted the sums are zeros: they take another pass.
        """
        torch = self._torch
        prefixes = [self._prefix(context) for context in contexts]
        longest = max(len(prefix) + len(row) for prefix, row in zip(prefixes, rows, strict=True))
        whole = [[*prefix, *row] for prefix, row in zip(prefixes, rows, strict=True)]
        # What stands after a row's end is never seen from within it.
        ids = torch.tensor([[*each, *[self._ends[0]] * (longest - len(each))] for each in whole], device=self._device)
        spans = [(len(prefix) - 1, len(prefix) + len(row) - 1) for prefix, row in zip(prefixes, rows, strict=True)]
        logs = self._logs(ids, spans)
        entropy = kl = 0.0
        if torch.is_grad_enabled():
            with torch.no_grad(), self._adapted.disable_adapter():
                frozen = self._logs(ids, spans)
            for mine, other in zip(logs, frozen, strict=True):
                # Exact at each place, along the texts that were drawn; an estimate of the whole over texts.
                shares = mine.detach().exp()
                entropy -= float((shares * mine.detach()).sum())
                kl += float((shares * (mine.detach() - other)).sum())
        tokens = [torch.tensor(row, device=self._device) for row in rows]
        chosen = [each.gather(-1, own[:, None])[:, 0] for each, own in zip(logs, tokens, strict=True)]
        return chosen, (entropy, kl)

    def _logs(self, ids: Tensor, spans: Sequence[tuple[int, int]]) -> list[Tensor]:
        """By the model's own last step: some scale or cap what their output layer gives."""
        begun = min(first for first, _ in spans)
        # Logits hold the whole vocabulary at each place, so those within the request are not asked for.
        logits = self._model(input_ids=ids, logits_to_keep=ids.shape[1] - begun).logits
        return [
            row[first - begun : last - begun].log_softmax(-1) for row, (first, last) in zip(logits, spans, strict=True)
        ]

    def _step(self, loss: float) -> float:
        """The loss, after a step by the gradient; NaN, and no step, where something is no number."""
        torch = self._torch
        norm = torch.nn.utils.clip_grad_norm_(list(self._trained.values()), self._settings.clip)
        if not (loss == loss and abs(loss) != float("inf")) or not bool(torch.isfinite(norm)):
            return float("nan")
        # By a gradient of 0 Adam would still move on, by its moments of before.
        if float(norm) > 0:
            self._adam.step()
        return loss

    @contextlib.contextmanager
    def _computing(self) -> Generator[None, None, None]:
        with self._torch.no_grad(), self._failing():
            yield

    @contextlib.contextmanager
    def _failing(self) -> Generator[None, None, None]:
        try:
            with quiet():
                yield
        except RuntimeError as error:
            raise BackendError(f"torch failed ({error}); run the same command again to go on") from error


def _peft() -> Any:
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise without_peft() from error


def _ends(model: Any, tokenizer: Any, called: str) -> tuple[int, ...]:
    """The tokens that end a text, the tokenizer's own first."""
    named: int | list[int] | None = model.generation_config.eos_token_id
    # A chat model may end its turn by another token than a text, and either ends a rewrite.
    found = [tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])]
    ends = tuple(dict.fromkeys(int(each) for each in found if each is not None))
    if not ends:
        raise ConfigError(
            f"the tokenizer of the prompter {called!r} names no token that ends a text, so no rewrite would end; add "
            f"eos_token to its tokenizer_config.json"
        )
    return ends
