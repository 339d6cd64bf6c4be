"""The policy: a frozen causal language model whose last hidden state a two-layer network turns into another one.

Source   RLPrompt's code: A2 relu(A1 h + c1) + c2 before the language model's head, no residual connection, Xavier
         weights of gain 1e-4, biases of -1e-4; one copy of the model for the network and its target.
Departs  tokens are fed back as ids (code: as strings, which are cut anew); the target network keeps no graph; where
         tokens tie for the last places of the top k, chance decides, for at the start all tie to within 0.002 and
         the order of rounding would be the same 256 tokens for every seed; special tokens, pieces of characters,
         braces and control characters are never written; where the ReLU lets nothing through for any state of a batch,
         so that only a constant could be learned from there on, the first layer is drawn anew.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptopt.errors import BackendError, ConfigError
from promptopt.models.files.checkpoints import quiet, require
from promptopt.operators.frozen import files_of, open_frozen
from promptopt.operators.training import Learned, Sample, Tokens, TrainingBatch
from promptopt.optimizers.rlprompt import objectives
from promptopt.optimizers.rlprompt.drawing import chances, drawable, perturbed
from promptopt.optimizers.rlprompt.layers import initialise, two_layers
from promptopt.optimizers.rlprompt.weights import packed, restore
from promptopt.optimizers.rlprompt.words import allowed_tokens, check_allowed, text_of

Tensor = Any
"""A torch tensor; torch is optional, so its types are not known here."""
Algorithm = Literal["sql", "rloo", "grpo"]
NEVER = -1e4
"""The logit of what the filter leaves out: a probability of zero, and no NaN where it is multiplied by."""


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """All that determines what an adapter does, beside its model's files."""

    length: int
    algorithm: Algorithm
    hidden: int
    rate: float
    clip: float
    target_rate: float
    bias: float | None
    top: int | None
    vocabulary: int | None
    consistency: objectives.Consistency
    entropy: float
    kl: float
    seed: int
    masked: bool = True
    fluent: int = 0


class AdapterPolicy:
    """A `Policy`: `length` tokens a prompt, in float32."""

    def __init__(self, spec: str, settings: AdapterSettings, device: str = "cpu") -> None:
        """`spec`: as after `hf/`.

        Raises ConfigError where there is no such model, torch is not installed, or the settings do not fit it.
        """
        self._torch = require("torch")
        self._checkpoint, self._settings, self._device = files_of(spec), settings, device
        self.name = f"adapter of {self._checkpoint.called}@{self._checkpoint.fingerprint} {settings}"
        self._load()

    # --- Policy ---

    def sample(self, seed: int, count: int, contexts: Sequence[str] = ()) -> list[Sample]:
        """So many prompts, token by token, through the model's cache, if it has one; each after its context, if any."""
        with self._computing():
            return self._samples(self._written(count, self._draws(seed, count), contexts), contexts)

    def greedy(self, context: str = "") -> Sample:
        """The likeliest token at each place."""
        with self._computing():
            return self._samples(self._written(1, None, [context]), [context])[0]

    def encode(self, text: str) -> Sample:
        """A given text as the policy's tokens; one that the policy cannot write has none."""
        with self._computing():
            # What it writes mostly begins with a space, which people do not type.
            for given in (text, f" {text}"):
                ids = self._tokenizer(given, add_special_tokens=False, verbose=False)["input_ids"]
                places = [self._place[each] for each in ids if each in self._place]
                if len(places) == self._settings.length == len(ids) and self._writes(places):
                    return self._samples(self._torch.tensor([places], device=self._device))[0]
            return Sample((), text)

    def learn(self, batch: TrainingBatch) -> Learned:
        """One step of Adam on what was drawn, what was not, or the mean of both."""
        settings, torch = self._settings, self._torch
        if settings.algorithm == "sql":
            # Before the forward pass, as in their code: this step's loss is against a target that lags by one update.
            objectives.follow(self._target, self._online, settings.target_rate)
        rows = [row for row, target in enumerate(batch.targets) if target is not None]
        parts = (batch.samples if rows else (), batch.contexts[: len(batch.samples)]), (batch.others, ())
        # No gradient flows through the frozen model: its inputs are tokens, which are not differentiable.
        read = [self._states(each, contexts) for each, contexts in parts if each]
        if not read:
            return Learned(0.0, 0.0, 0.0)
        self._revive(read, batch.seed)
        losses: list[Tensor] = []
        seen: list[Tensor] = []
        if rows:
            drawn = self._logits_of(batch.samples, read[0])
            wanted = [target for target in batch.targets if target is not None]
            # Soft Q-learning goes by all tokens that may be written, whichever of them could be drawn.
            kept = None
            if settings.algorithm != "sql":
                draws = self._draws(batch.seed, len(batch.samples))
                kept = drawable(drawn[0].detach(), draws[0], settings.top)[rows]
            losses.append(self._loss([part[rows] for part in drawn], kept, wanted))
            seen = [part[rows].detach() for part in drawn]
            # A policy gradient has no direction where all rewards tie, and must not step on its entropy alone.
            if settings.algorithm != "sql" and not any(wanted):
                return Learned(float(losses[0].detach()), *_entropy_and_divergence(seen))
        if batch.others:
            other = self._logits_of(batch.others, read[-1])
            losses.append(self._loss(other, None, batch.other_targets))
            seen = seen if seen else [part.detach() for part in other]
        return Learned(self._step(torch.stack(losses).mean()), *_entropy_and_divergence(seen))

    def halve_rate(self) -> None:
        """Learn half as fast from here on."""
        for group in self._adam.param_groups:
            group["lr"] /= 2

    def state(self) -> bytes:
        """Both networks, Adam's moments, and its rate."""
        return packed(self._online, self._target, self._adam)

    def restore(self, state: bytes) -> None:
        """Be as when `state` was taken."""
        restore(state, self._online, self._target, self._adam, self._device)

    # --- the model ---

    def _load(self) -> None:
        torch, settings = self._torch, self._settings
        opened = open_frozen(self._checkpoint, self._device)
        model, self._tokenizer, self._remembers = opened.model, opened.tokenizer, opened.remembers
        self._model, self._body, head = model, model.base_model, model.get_output_embeddings()
        width = head.weight.shape[1]
        ids = allowed_tokens(self._tokenizer, head.weight.shape[0], settings.vocabulary, masked=settings.masked)
        check_allowed(ids, self._checkpoint.called, top=settings.top, fluent=settings.fluent)
        self._ids = torch.tensor(ids, device=self._device)
        self._place = {each: place for place, each in enumerate(ids)}
        # The rows of what may be written: nothing else has a logit, or a share of the softmax.
        self._head = head.weight[self._ids]
        self._head_bias = None if getattr(head, "bias", None) is None else head.bias[self._ids]
        self._start = self._start_of()
        self._context = opened.context
        if opened.context is not None and settings.length >= opened.context:
            raise ConfigError(
                f"length is {settings.length}, and the policy model {self._checkpoint.called!r} reads "
                f"{opened.context} tokens; set length lower"
            )
        self._online, self._target = (
            two_layers(width, settings.hidden, settings.seed).to(self._device) for _ in ("online", "target")
        )
        self._target.load_state_dict(self._online.state_dict())
        # It follows by `objectives.follow` alone; their code lets gradients gather here that nothing uses.
        self._target.requires_grad_(False)
        self._adam = torch.optim.Adam(self._online.parameters(), lr=settings.rate)

    def _start_of(self) -> list[int]:
        """The model's own mark that ends a text, or begins one: what the policy writes after."""
        tokenizer = self._tokenizer
        for found in (tokenizer.eos_token_id, tokenizer.bos_token_id):
            if found is not None:
                return [int(found)]
        raise ConfigError(
            f"the tokenizer of the policy model {self._checkpoint.called!r} names no token that ends or begins a text, "
            f"so there is nothing to write after; add eos_token to its tokenizer_config.json"
        )

    def _after(self, context: str) -> list[int]:
        """What is read before the first token: the start or, as in the paper, what the prompt is written for."""
        # Markers such as <|im_end|> in an input stay text, as they do where it is answered.
        asked = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
        ids: list[int] = self._tokenizer(context, **asked)["input_ids"] if context else []
        # Of what is too long the end stays: there the task asks for its answer.
        return ids[0 if self._context is None else self._settings.length - self._context :] if ids else self._start

    def _apart(self, contexts: Sequence[str], count: int) -> list[tuple[list[int], list[int]]]:
        """The rows of each context and what is read before them: read together, one would be padded for another."""
        each = contexts if contexts else [""] * count
        return [([row for row in range(count) if each[row] == one], self._after(one)) for one in dict.fromkeys(each)]

    def _revive(self, read: Sequence[Tensor], seed: int) -> None:
        """Draw the first layer anew where it lets nothing through for any of these states: nothing could be learned."""
        torch, first = self._torch, self._online[0]
        with torch.no_grad():
            if any(bool((first(states) > 0).any()) for states in read):
                return
        # A policy whose prompts hardly differ gets there by itself: one seed of five did on a toy task.
        initialise(first, torch.Generator().manual_seed(seed))
        for parameter in first.parameters():
            # The moments of weights that are gone would move the new ones.
            self._adam.state.pop(parameter, None)

    def _bias(self) -> float:
        """What is added to all logits: nothing for a softmax, but the value of every state moves by it."""
        return -math.log(len(self._place)) if self._settings.bias is None else self._settings.bias

    def _scores(self, states: Tensor) -> Tensor:
        return self._torch.nn.functional.linear(states, self._head, self._head_bias)

    def _logits(self, network: Any, states: Tensor) -> Tensor:
        # A2 relu(A1 h + c1) + c2 takes the state's place before the model's own output layer (their code).
        logits = self._scores(network(states)) + self._bias()
        return logits if not self._settings.fluent else logits.masked_fill(~self._fluent(states), NEVER)

    def _fluent(self, states: Tensor) -> Tensor:
        """Which tokens are among the likeliest of the frozen model: the filter of the paper."""
        frozen = self._scores(states)
        chosen = frozen.topk(self._settings.fluent, dim=-1).indices
        return self._torch.zeros_like(frozen, dtype=self._torch.bool).scatter(-1, chosen, True)

    def _writes(self, places: Sequence[int]) -> bool:
        """Whether the filter lets all of these tokens through."""
        if not self._settings.fluent:
            return True
        states = self._states([tuple(places)])
        wanted = self._torch.tensor(places, device=self._device)[None, :, None]
        return bool(self._fluent(states).gather(-1, wanted).all())

    @contextlib.contextmanager
    def _computing(self) -> Generator[None, None, None]:
        try:
            with self._torch.no_grad(), quiet():
                yield
        except RuntimeError as error:
            raise BackendError(f"torch failed ({error}); run the same command again.") from error

    # --- writing ---

    def _draws(self, seed: int, count: int) -> Tensor:
        return chances(seed, (count, self._settings.length, len(self._place))).to(self._device)

    def _written(self, count: int, draws: Tensor | None, contexts: Sequence[str] = ()) -> Tensor:
        """Places of tokens among those allowed, (count, T); without draws the likeliest."""
        found = self._torch.empty((count, self._settings.length), dtype=self._torch.long, device=self._device)
        for rows, before in self._apart(contexts, count):
            found[rows] = self._written_after(before, len(rows), None if draws is None else draws[:, rows])
        return found

    def _written_after(self, before: list[int], count: int, draws: Tensor | None) -> Tensor:
        torch = self._torch
        cached = {"past_key_values": require("transformers").DynamicCache(), "use_cache": True}
        read = torch.tensor([before] * count, device=self._device)
        written: list[Tensor] = []
        for step in range(self._settings.length):
            out = self._body(input_ids=read, **(cached if self._remembers else {}))
            logits = self._logits(self._online, out.last_hidden_state[:, -1])
            if draws is not None:
                logits = perturbed(logits, draws[:, :, step], self._settings.top)
            chosen = logits.argmax(-1)
            written.append(chosen)
            token = self._ids[chosen][:, None]
            # With a cache the last token is enough; without one all is read again.
            read = token if self._remembers else torch.cat([read, token], dim=1)
        return torch.stack(written, dim=1)

    def _samples(self, places: Tensor, contexts: Sequence[str] = ()) -> list[Sample]:
        tokens = [tuple(int(each) for each in row) for row in places]
        fluency = self._likelihoods(tokens, contexts).mean(-1)
        return [
            Sample(row, text_of(self._tokenizer, [int(self._ids[each]) for each in row]), float(fluent))
            for row, fluent in zip(tokens, fluency, strict=True)
        ]

    # --- learning ---

    def _states(self, rows: Sequence[Tokens], contexts: Sequence[str] = ()) -> Tensor:
        """The frozen states before each token of given rows."""
        return self._through(rows, contexts, lambda read: self._body(input_ids=read).last_hidden_state)

    def _likelihoods(self, rows: Sequence[Tokens], contexts: Sequence[str] = ()) -> Tensor:
        """The frozen log-probability of each token, by the model's own last step: some scale or cap their logits."""
        logits = self._through(rows, contexts, lambda read: self._model(input_ids=read).logits)
        ids = self._ids[self._torch.tensor(rows, device=self._device)]
        return logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]

    def _through(self, rows: Sequence[Tokens], contexts: Sequence[str], reading: Callable[[Tensor], Tensor]) -> Tensor:
        """(rows, T, any): what the model has at the place before each token, where it reads all that stands there."""
        torch, found = self._torch, dict[int, Tensor]()
        ids = self._ids[torch.tensor(rows, device=self._device)]
        for chosen, before in self._apart(contexts, len(rows)):
            begun = torch.tensor([before] * len(chosen), device=self._device)
            with torch.no_grad(), quiet():
                # What predicts a token stands at the place before it, so the last token is not read.
                read = reading(torch.cat([begun, ids[chosen][:, :-1]], dim=1))[:, len(before) - 1 :]
            found |= dict(zip(chosen, read, strict=True))
        return torch.stack([found[row] for row in range(len(rows))])

    def _logits_of(self, rows: Sequence[Tokens], states: Tensor) -> list[Tensor]:
        """Online, target and frozen logits before each token of given rows; only the first has a graph."""
        with self._torch.no_grad():
            target, frozen = self._logits(self._target, states), self._scores(states)
        actions = self._torch.tensor(rows, device=self._device)
        # The frozen logits are of the whole vocabulary that may be written: KL and its price are over that.
        return [self._logits(self._online, states), target, frozen, actions]

    def _loss(self, parts: Sequence[Tensor], kept: Tensor | None, targets: Sequence[float]) -> Tensor:
        """`kept`: which tokens could be drawn; of policy gradients, which go by the distribution drawn from."""
        settings = self._settings
        online, target, frozen, actions = parts
        wanted = self._torch.tensor(targets, device=self._device, dtype=online.dtype)
        if settings.algorithm == "sql":
            return objectives.path_consistency(online, target, actions, wanted, settings.consistency).mean()
        loss = objectives.policy_gradient(online, actions, wanted, kept).mean()
        if settings.entropy:
            loss = loss - settings.entropy * objectives.policy_entropy(online).mean()
        if settings.kl:
            loss = loss + settings.kl * objectives.divergence(online, frozen).mean()
        return loss

    def _step(self, loss: Tensor) -> float:
        """The loss, after a step by its gradient; NaN, and no step, where something is no number."""
        torch, parameters = self._torch, list(self._online.parameters())
        self._adam.zero_grad()
        loss.backward()
        # Soft values begin at log |V| and mismatches are squared, so the first gradients are large.
        norm = torch.nn.utils.clip_grad_norm_(parameters, self._settings.clip)
        if not bool(torch.isfinite(loss)) or not bool(torch.isfinite(norm)):
            return float("nan")
        self._adam.step()
        return float(loss.detach())


def _entropy_and_divergence(seen: Sequence[Tensor]) -> tuple[float, float]:
    """The mean entropy, and the mean KL to the frozen model."""
    return float(objectives.policy_entropy(seen[0]).mean()), float(objectives.divergence(seen[0], seen[2]).mean())
