"""The data that flows through a run: frozen, compared by content, free of I/O.

Identity is content: ids are the first 16 hex digits of the sha256 of canonical JSON, never positions or counters.
Scores are floats where higher is better: metrics in [0, 1], losses as negative nats.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Finish = Literal["stop", "length", "filter", "refusal", "rejected"]
"""Why a reply ended. `rejected`: the engine refused this one request for good (too long for its context)."""


# One encoder for all: `json.dumps` would build one at every call.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values have equal texts in every process."""
    return _ENCODER.encode(value)


def digest(value: Any) -> str:
    """First 16 hex digits of the sha256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Example:
    """One item of data: named input texts and the answer that is right.

    `accepted` holds further right answers (aliases); metrics take the best over all of them. `rejected` holds outputs
    that `target` is preferred to (preference data). `solution` is a worked solution that ends in the answer, where the
    data has one: what a loss is taken on instead of the bare target.
    """

    fields: tuple[tuple[str, str], ...]
    target: str = ""
    accepted: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    solution: str = ""
    id: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        taught = [self.rejected, self.solution] if self.rejected or self.solution else []
        object.__setattr__(self, "id", digest([self.fields, self.target, self.accepted, *taught]))

    @classmethod
    def of(
        cls,
        target: str = "",
        accepted: Iterable[str] = (),
        rejected: Iterable[str] = (),
        solution: str = "",
        /,
        **fields: str,
    ) -> Example:
        """`Example.of("positive", text="what a film")`."""
        return cls(tuple(fields.items()), target, tuple(accepted), tuple(rejected), solution)

    def __getitem__(self, name: str) -> str:
        for key, value in self.fields:
            if key == name:
                return value
        raise KeyError(name)

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A candidate: named texts (parts) and the demonstrations shown with them.

    `texts` is sorted by part name; one part named "instruction" is the common case. Equality and id are content;
    who made a prompt, and from which parent, is the run's knowledge.
    """

    texts: tuple[tuple[str, str], ...]
    demos: tuple[Example, ...] = ()
    id: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", tuple(sorted(self.texts)))
        object.__setattr__(self, "id", digest([self.texts, [demo.id for demo in self.demos]]))

    @classmethod
    def of(cls, instruction: str = "", /, demos: Iterable[Example] = (), **parts: str) -> Prompt:
        """`Prompt.of("Classify the review.", system="You are terse.")`."""
        return cls((("instruction", instruction), *parts.items()), tuple(demos))

    def __getitem__(self, part: str) -> str:
        for name, text in self.texts:
            if name == part:
                return text
        raise KeyError(part)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, sorted."""
        return tuple(name for name, _ in self.texts)

    def replace(self, part: str, text: str) -> Prompt:
        """The same prompt with one part's text exchanged (or added)."""
        return Prompt((*((name, old) for name, old in self.texts if name != part), (part, text)), self.demos)

    def with_demos(self, demos: Iterable[Example]) -> Prompt:
        """The same texts shown with other demonstrations."""
        return Prompt(self.texts, tuple(demos))

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


Content = tuple[Message, ...] | str
"""What a model reads: chat messages, or one plain text to be continued."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn. Temperature 0 is greedy; `max_tokens` caps the reply."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One reply asked of a model.

    `logprobs`: how many alternatives per generated token to report log-probabilities of (0: none).
    `shared`: how many leading characters (over the contents of all messages, in order) belong to the candidate and
    not to the example, so that an engine may compute them once. Part of the key: it can move the last digits.
    `seed`: set by the run from the draw; not part of the key.
    """

    content: Content
    sampling: Sampling = Sampling()
    logprobs: int = 0
    shared: int = 0
    seed: int | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """What the key is made of, without the seed."""
        sampling = self.sampling
        return {
            "content": content_to_json(self.content),
            "sampling": [sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.stop],
            "logprobs": self.logprobs,
            "shared": self.shared,
        }


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """The log-likelihoods of given texts after `content`, asked of a model.

    `continuations`: each is scored on its own, directly after the same content (labels, options, a chosen and a
    rejected output), so an engine reads the content once for all of them. For chat messages a continuation is what
    the assistant says; for a plain text it goes on where the text ends, so it brings its own leading space.
    `shared`: as in `Request`. `ends`: whether the token that ends the reply (end of turn; end of text for plain text)
    is scored too, as the last token of every continuation.
    """

    content: Content
    continuations: tuple[str, ...]
    shared: int = 0
    ends: bool = False

    def to_json(self) -> dict[str, Any]:
        """What the key is made of."""
        return {
            "content": content_to_json(self.content),
            "continuations": self.continuations,
            "shared": self.shared,
            "ends": self.ends,
        }


def content_to_json(content: Content) -> str | list[list[str]]:
    """A plain text as itself, chat messages as `[role, content]` pairs."""
    return content if isinstance(content, str) else [[message.role, message.content] for message in content]


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token, its log-probability (nats), and the likeliest alternatives, best first."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered, and what it says it used. `served` is the snapshot that answered."""

    text: str
    finish: Finish = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens: tuple[Token, ...] = ()
    served: str = ""

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        tokens = [[token.text, token.logprob, token.top] for token in self.tokens]
        return {"text": self.text, "finish": self.finish, "usage": [self.prompt_tokens, self.completion_tokens],
                "tokens": tokens, "served": self.served}  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reply:
        """The inverse of `to_json`."""
        tokens = tuple(Token(text, logprob, tuple((t, p) for t, p in top)) for text, logprob, top in data["tokens"])
        prompt_tokens, completion_tokens = data["usage"]
        return cls(data["text"], data["finish"], prompt_tokens, completion_tokens, tokens, data["served"])


@dataclass(frozen=True, slots=True)
class TokenLogProbs:
    """log p(token | everything before it), in nats, from float32 log-softmax, a value for each token of one text.

    Empty where the text has no tokens.
    """

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]

    @property
    def total(self) -> float:
        """The log-likelihood of the whole text: the sum, in nats."""
        return math.fsum(self.logprobs)


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """What a model gives for a `ScoreRequest`: one `TokenLogProbs` a continuation, in the order asked.

    `prompt_tokens`: tokens of the content once, and of every continuation, whatever the engine could share. `finish`:
    `rejected` where content and continuation do not fit into the model's context; there are no continuations then, for
    nothing is ever cut off. `merged`: a token reached from the content into a continuation; it counts as the
    continuation's.
    """

    continuations: tuple[TokenLogProbs, ...] = ()
    prompt_tokens: int = 0
    finish: Literal["stop", "rejected"] = "stop"
    merged: bool = False
    served: str = ""

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "continuations": [[each.tokens, each.logprobs] for each in self.continuations],
            "usage": [self.prompt_tokens, 0],
            "finish": self.finish,
            "merged": self.merged,
            "served": self.served,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Likelihoods:
        """The inverse of `to_json`."""
        scored = tuple(TokenLogProbs(tuple(tokens), tuple(values)) for tokens, values in data["continuations"])
        return cls(scored, data["usage"][0], data["finish"], data["merged"], data["served"])


@dataclass(frozen=True, slots=True)
class Cell:
    """One (prompt, example) pair to be scored; `repetition` tells draws of a sampling task model apart."""

    prompt: Prompt
    example: Example
    repetition: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """What one cell is worth.

    `value`: higher is better. `output`: the model's text. `answer`: what was read out of it. `parsed`: whether an
    answer could be read at all (an unreadable answer is worth 0 and is counted apart from a wrong one).
    `feedback`: a sentence on what went wrong, for methods that reflect; empty where all is well. `probability`: of the
    right answer among all answers there are, where the evaluator learns it for the same price; else None.
    """

    value: float
    output: str = ""
    answer: str = ""
    parsed: bool = True
    feedback: str = ""
    probability: float | None = None

    @property
    def dense(self) -> float:
        """What a search compares by where it has few examples: (value + probability) / 2, or the value alone.

        Half of it is the value itself, so a prompt that moves all probabilities and no answer gains little by it.
        """
        return self.value if self.probability is None else (self.value + self.probability) / 2


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a search may know of the evaluator that guides it.

    `forces`: it scores given texts. `contrasts`: it compares what is right with what is wrong. `sums`: it adds up the
    log-probabilities of all tokens, whatever the length. `stands_in`: start and winner are compared by something else.
    """

    forces: bool
    contrasts: bool
    sums: bool
    stands_in: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a selector knows of a prompt: the mean of `count` distinct scored examples. Count 0: never evaluated."""

    prompt: Prompt
    mean: float
    count: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate with its lineage: its parents, the operator that made it, and why (an APO reason, an edit)."""

    prompt: Prompt
    parents: tuple[Prompt, ...] = ()
    operator: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class UpperBounds:
    """Upper bounds on what a search will use, from its settings alone; shown before anything is spent.

    `completion_tokens`: of the proposer, over the whole search.
    """

    evaluations: int
    proposer_calls: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Room:
    """What a search is granted, known before it spends anything: what a method plans on.

    `evaluations`: (prompt, example) cells that the search may score by the caps on evaluations, tokens and dollars;
    the last two are estimates. `calls`: what it may ask of all models together. None: no cap. `train`, `dev`: examples.
    """

    evaluations: int | None
    calls: int | None
    calls_per_cell: int
    train: int
    dev: int

    def cells(self, proposer_calls_per_cell: float = 0.0) -> int | None:
        """How many cells that affords, if each brings so many calls of the proposer with it; None: no cap."""
        found: list[int] = [] if self.evaluations is None else [self.evaluations]
        if self.calls is not None:
            found.append(int(self.calls / (self.calls_per_cell + proposer_calls_per_cell)))
        return max(0, min(found)) if found else None


class ScoreMatrix:
    """The scores of every prompt on every example, in the order asked: `matrix[prompt][j]` belongs to example j."""

    def __init__(self, examples: Sequence[Example], rows: Mapping[Prompt, Sequence[Score]]) -> None:
        """`rows` holds, for each prompt, one score for each example, in the order of `examples`."""
        self.examples = tuple(examples)
        self._rows = dict(rows)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts, in the order asked."""
        return tuple(self._rows)

    def __getitem__(self, prompt: Prompt) -> Sequence[Score]:
        return self._rows[prompt]

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def values(self, prompt: Prompt) -> list[float]:
        """The values of one prompt, in the order of `examples`."""
        return [score.value for score in self._rows[prompt]]

    def means(self) -> dict[Prompt, float]:
        """The mean value of every prompt. Empty `examples` give NaN."""
        count = len(self.examples)
        return {
            prompt: sum(score.value for score in row) / count if count else float("nan")
            for prompt, row in self._rows.items()
        }
