"""Training inside a run: what was sampled and learned is recorded, weights are kept now and then, all else follows.

A replay reads the samples and what each update reported from the store, and never loads a model. A run that was killed
takes the last kept weights. What it had learned since, it learns again from the record: the same rewards in the same
order, none of them asked for twice. So a training is a function of its recorded events, whatever machine it ran on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Protocol

from promptopt.errors import ConfigError
from promptopt.run import Run
from promptopt.types import digest

Tokens = tuple[int, ...]
BEST = "best policy"
"""What the best weights are kept under, by the digest that they follow from (`Training.state`)."""


NO_LOSS = "the loss was no number"
"""What a line of the record says of an update that changed nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a policy wrote.

    `fluency`: its mean log-likelihood under the policy's own frozen model, nats a token. `drift`: the log-likelihood of
    the whole under the policy as it was, less that under the frozen model, in nats; for policies that say it.
    """

    tokens: Tokens
    text: str
    fluency: float = 0.0
    drift: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """What a policy learns from at one step.

    `samples` are rows as they were drawn with `seed`; `targets` belongs to them, None where a row is left out.
    `others`, with `other_targets`: sequences that the policy did not draw at this step. `contexts`, of all these rows
    in this order: what each was written for; none where the policy writes for nothing.
    """

    seed: int
    samples: tuple[Tokens, ...]
    targets: tuple[float | None, ...]
    others: tuple[Tokens, ...] = ()
    other_targets: tuple[float, ...] = ()
    contexts: tuple[str, ...] = ()

    def said(self) -> dict[str, object]:
        """All of it, as JSON can hold it; contexts only where there are some."""
        return {name: value for name, value in asdict(self).items() if value or name != "contexts"}


@dataclass(frozen=True, slots=True)
class Learned:
    """What an update reports: its loss, the policy's mean entropy, and its KL to the frozen model, both in nats.

    A token of a prompt of fixed length; a whole text where the policy's texts end where they like.
    """

    loss: float
    entropy: float
    kl: float

    @property
    def diverged(self) -> bool:
        """Whether the loss was no number; the weights are then as they were before the update."""
        return not math.isfinite(self.loss)


class Policy(Protocol):
    """A model that writes prompts and can be trained. All randomness is in the seeds it is handed."""

    @property
    def name(self) -> str:
        """All that can change a number: files, sizes, settings."""
        ...

    def sample(self, seed: int, count: int, contexts: Sequence[str] = ()) -> list[Sample]:
        """So many prompts, drawn; `contexts`: what each is written for, in order."""
        ...

    def greedy(self, context: str = "") -> Sample:
        """The likeliest token at each place."""
        ...

    def encode(self, text: str) -> Sample:
        """A given text as tokens, whatever their number."""
        ...

    def learn(self, batch: TrainingBatch) -> Learned:
        """One step. Where the loss or a gradient is no number, nothing changes, and the loss is NaN."""
        ...

    def halve_rate(self) -> None:
        """Learn half as fast from here on; part of the state."""
        ...

    def state(self) -> bytes:
        """Weights and the optimizer's state, as safetensors."""
        ...

    def restore(self, state: bytes) -> None:
        """Be as when `state` was taken."""
        ...


@dataclass(frozen=True, slots=True)
class _Event:
    """What changed the policy: a batch learned from, or (None) the return to the last mark at half the rate.

    `after`: a digest of this and all events before it.
    """

    batch: TrainingBatch | None
    after: str


class Training:
    """One policy's training in one run, as straight-line code: what has to be computed is found out here.

    A mark is a place that weights are kept at, and that a training which diverged returns to.
    """

    def __init__(self, run: Run, opened: Callable[[], Policy], spec: str, *settings: object) -> None:
        """`opened` gives the policy, asked where the store does not know its name. `spec`: what the user named it.

        `settings`: all else that the policy is made from, each with a text of its own that is the same in every
        process. Runs of one store that differ in any of it train policies of their own.
        """
        self._run, self._opened = run, opened
        self._policy: Policy | None = None
        self._fresh: Policy | None = None

        def named() -> str:
            # What cannot be had is told here, before anything is asked.
            self._fresh = opened()
            return self._fresh.name

        # In the key too: two runs of one name may differ in what the name does not say, such as a price.
        made_from = [spec, str(run.seed), *map(setting_text, settings)]
        self._name = run.memo("policy", named, *made_from)
        # All that happened, and the beginning of it that the policy is to be as after.
        self._history: list[_Event] = []
        self._events: list[_Event] = []
        self._applied = 0
        self._marks: dict[int, str] = {0: digest([self._name, *made_from])}
        self._good = b""

    def sample(self, count: int, seed: int, contexts: Sequence[str] = ()) -> list[Sample]:
        """So many prompts, drawn now; `contexts`: what each is written for."""

        def draw() -> str:
            return json.dumps([asdict(each) for each in self._current().sample(seed, count, contexts)])

        return _samples(self._run.memo("policy samples", draw, self.state, str(seed), str(count), *contexts))

    def greedy(self, context: str = "") -> Sample:
        """The prompt that is likeliest now."""

        def written() -> str:
            return json.dumps([asdict(self._current().greedy(context))])

        return _samples(self._run.memo("policy greedy", written, self.state, *([context] if context else [])))[0]

    def encode(self, texts: Sequence[str]) -> list[Sample]:
        """Given texts as the policy's own tokens, and how likely its frozen model finds them."""

        def encoded() -> str:
            return json.dumps([asdict(self._current().encode(text)) for text in texts])

        return _samples(self._run.memo("policy tokens", encoded, self.state, *texts))

    def learn(self, batch: TrainingBatch) -> Learned:
        """One step. One whose loss is no number changes nothing."""

        def step() -> str:
            # Not run on a replay: the update then waits in the record until a draw needs the weights.
            found = asdict(self._current().learn(batch))
            self._applied += 1
            # JSON has no NaN.
            return json.dumps({name: value if math.isfinite(value) else None for name, value in found.items()})

        # A chain: a batch at another place of the training, or after others, is another event.
        event = _Event(batch, digest([self.state, batch.said()]))
        told = json.loads(self._run.memo("policy update", step, event.after))
        self._add(event)
        learned = Learned(**{name: math.nan if value is None else value for name, value in told.items()})
        marked = len(self._events) - 1
        if learned.diverged and marked in self._marks and marked > 0:
            # Weights that are kept are known to be good by the next loss alone: these led to one that is no number.
            del self._marks[marked]
            self._open_anew()
        return learned

    def mark(self) -> None:
        """Keep the weights of now, in the place of those kept before."""
        place = len(self._events)
        self._marks[place] = self.state
        # On a replay no policy is loaded; should one be needed later, it keeps the weights as it passes here again.
        if self._policy is not None and self._applied == place:
            self._keep(self._policy, place)
        elif self._policy is None:
            # A run that trains what another run of the store trained loads no policy either.
            self._run.artifacts.adopt("policy", self.state)

    def keep_best(self) -> None:
        """Keep the weights of now as the best so far too, which `mark` leaves alone; `settle` goes back to them."""
        if self._policy is not None and self._applied == len(self._events):
            self._run.artifacts.put(BEST, self._policy.state(), self.state)
        elif self._policy is None:
            self._run.artifacts.adopt(BEST, self.state)

    def settle(self, state: str) -> None:
        """Be the policy as it was in `state`, a moment of this training."""
        place = next(place for place in range(len(self._history), -1, -1) if self._after(place) == state)
        self._events = self._history[:place]
        if self._applied > place:
            self._open_anew()

    def back(self) -> None:
        """Return to the last mark whose weights gave a loss, and learn half as fast from there."""
        self._add(_Event(None, digest([self.state, "back"])))

    def _open_anew(self) -> None:
        # There is no other way back: from the weights kept for the place that is wanted, or for an earlier one.
        self._policy = self._fresh = None
        self._applied = 0

    @property
    def name(self) -> str:
        """The policy's."""
        return self._name

    @property
    def state(self) -> str:
        """A digest of all that the weights follow from: the policy, its settings, and what it learned from."""
        return self._after(len(self._events))

    def _after(self, place: int) -> str:
        return self._history[place - 1].after if place else self._marks[0]

    def _add(self, event: _Event) -> None:
        # What `settle` went back behind is no part of a training that goes on from there.
        del self._history[len(self._events) :]
        self._history.append(event)
        self._events.append(event)

    def _current(self) -> Policy:
        """The policy with all that is recorded in it."""
        policy = self._policy if self._policy is not None else self._loaded()
        while self._applied < len(self._events):
            event = self._events[self._applied]
            if event.batch is None:
                policy.restore(self._good)
                # After the restore, which brings back the rate of that moment.
                policy.halve_rate()
            else:
                policy.learn(event.batch)
            self._applied += 1
            if self._applied in self._marks:
                self._keep(policy, self._applied)
        return policy

    def _loaded(self) -> Policy:
        policy = self._opened() if self._fresh is None else self._fresh
        # Weights of other files would not raise by themselves: they would train on, and the record would be nobody's.
        if policy.name != self._name:
            raise ConfigError(
                f"this run trains {self._name}, and found {policy.name}; give it the model that it began with, or "
                f"begin another run with another seed"
            )
        self._policy = policy
        # The latest first: the fewer updates are learned again, the better.
        for place in sorted((each for each in self._marks if each <= len(self._events)), reverse=True):
            # The latest mark that has weights: one that was passed on a replay kept none.
            state = self._kept_at(self._marks[place])
            if state is not None:
                policy.restore(state)
                self._applied, self._good = place, state
                return policy
        self._good = policy.state()
        return policy

    def _kept_at(self, after: str) -> bytes | None:
        # The best weights are kept apart, where a later mark has not taken their place.
        newest = self._run.artifacts.get("policy", after)
        return self._run.artifacts.get(BEST, after) if newest is None else newest

    def _keep(self, policy: Policy, place: int) -> None:
        self._good = policy.state()
        self._run.artifacts.put("policy", self._good, self._marks[place])


def setting_text(setting: object) -> str:
    """A setting as text: of a user's own object, whose text may be an address in memory, the name of its kind."""
    if setting is None or isinstance(setting, (str, int, float, bool)) or is_dataclass(setting):
        return repr(setting)
    return f"{type(setting).__module__}.{type(setting).__qualname__}"


def _samples(text: str) -> list[Sample]:
    return [
        # Older records know of no drift.
        Sample(tuple(each["tokens"]), each["text"], each["fluency"], each.get("drift", 0.0))
        for each in json.loads(text)
    ]
