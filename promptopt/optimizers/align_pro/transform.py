"""The pair of a prompter and a target as one model: every input is rewritten, or completed, before it is answered.

Source   Trivedi et al. 2025, Align-Pro, AAAI 2025, arXiv:2501.03486: the policy that a prompter induces, the target's
         answer to a rewrite of what the user asked. The reward sees what was asked, never the rewrite.
         A policy of RLPrompt for single inputs can stand here too: it fills the mark of the prompt that it won with.
Ours     the likeliest rewrite stands for a draw, so that an input is always answered alike. A rewrite that is of no use
         (empty, cut, a refusal, a piece of the request, a placeholder lost) leaves the input as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from promptopt.errors import ConfigError
from promptopt.models.providers import Provider
from promptopt.models.specs import open_model
from promptopt.models.tokens import estimate_tokens
from promptopt.operators.drafts import SAME, edit_limit, unusable
from promptopt.operators.policy_marks import FillsMark, around, filled
from promptopt.operators.replies import sized, tidy, unthought
from promptopt.optimizers.align_pro.trained import FORM, REQUEST
from promptopt.protocols import LocalAware, Model, ScoresOnly, TextScorer, Tokenizer
from promptopt.types import Content, Likelihoods, Message, Reply, Request, Sampling, ScoreRequest, digest
from promptopt.types.masks import Spans, covered, literal_masks, masks_covered

LIKELIEST = Sampling(temperature=0.0, max_tokens=512)
LONGEST_REWRITE = 400
"""Tokens a rewrite may have; of an input that is longer it may have a quarter more."""
BETWEEN = "::"


class _Way(Protocol):
    """What of a content the prompter is to write anew, how it is asked, and where that goes."""

    def asked(self, content: Content) -> str | None:
        """What the prompter is given; None where there is nothing to write."""
        ...

    def request(self, text: str, sampling: Sampling) -> Request:
        """How it is asked."""
        ...

    def used(self, reply: Reply, text: str, count_tokens: Callable[[str], int]) -> str:
        """What comes of its reply."""
        ...

    def put(self, content: Content, text: str) -> Content:
        """The content with that in it."""
        ...

    def literal(self, request: ScoreRequest, text: str) -> Spans:
        """Which masks in the content with that in it are text."""
        ...


class _Rewriting:
    """What the user asked, in other words."""

    def asked(self, content: Content) -> str | None:
        """A text whole; of a chat the last user's message."""
        if isinstance(content, str):
            return content
        place = _last_user_place(content)
        return None if place is None else content[place].content

    def request(self, text: str, sampling: Sampling) -> Request:
        """As the prompter was trained on."""
        return Request((Message("user", REQUEST.render({"section": text})),), sampling)

    def used(self, reply: Reply, text: str, count_tokens: Callable[[str], int]) -> str:
        """The rewrite, or the text itself where that is of no use."""
        written = tidy(unthought(reply).text, text)
        most = edit_limit(text, LONGEST_REWRITE, count_tokens)
        why = unusable(written, text, most=most, tags=(), count_tokens=count_tokens, form=FORM)
        return text if reply.finish != "stop" or (why is not None and why != SAME) else written

    def put(self, content: Content, text: str) -> Content:
        """In its place."""
        if isinstance(content, str):
            return text
        place = _last_user_place(content)
        if place is None:
            return content
        return (*content[:place], replace(content[place], content=text), *content[place + 1 :])

    def literal(self, request: ScoreRequest, text: str) -> Spans:
        """None: the layout's own mask was rewritten with the rest, and stands where the prompter put it."""
        del request, text
        return ()


@dataclass(frozen=True, slots=True)
class _Filling:
    """What stands in the place of a policy's mark; a content without one stays as it is."""

    mark: str

    def asked(self, content: Content) -> str | None:
        """All but the mark. Another policy's is left alone: it is the user's own text, or refused where prompts are."""
        texts = [content] if isinstance(content, str) else [message.content for message in content]
        return around(content, self.mark) if any(self.mark in text for text in texts) else None

    def request(self, text: str, sampling: Sampling) -> Request:
        """As it is: a policy goes on from it."""
        return Request(text, sampling)

    def used(self, reply: Reply, text: str, count_tokens: Callable[[str], int]) -> str:
        """All of it, spaces too."""
        del text, count_tokens
        return reply.text

    def put(self, content: Content, text: str) -> Content:
        """In the place of the mark."""
        return filled(content, self.mark, text)

    def literal(self, request: ScoreRequest, text: str) -> Spans:
        """Those that were, wherever they stand now, and those that the policy wrote."""
        inert = self.put(covered(request.content, request.literal), masks_covered(text))
        return literal_masks(self.put(request.content, text), inert)


class Rewritten:
    """A `Model`: `prompter` rewrites a chat's last user's message, or the whole of a text, and `target` answers.

    A prompter that fills a mark (`FillsMark`) writes only what stands there.
    """

    def __init__(self, prompter: Model, target: Model, sampling: Sampling = LIKELIEST) -> None:
        """Raises ConfigError where the prompter cannot write, or would write an input anew each time."""
        if isinstance(prompter, ScoresOnly) and not prompter.generates:
            raise ConfigError(f"the prompter {prompter.name!r} cannot write; name a model that generates")
        if sampling.temperature > 0:
            raise ConfigError("the prompter is drawn from at a temperature, so no two runs would agree; set it to 0")
        self._prompter = prompter
        self._target = target
        self._sampling = sampling
        self._way: _Way = _Filling(prompter.mark) if isinstance(prompter, FillsMark) else _Rewriting()
        mark = digest([REQUEST.pieces, sampling.max_tokens, sampling.top_p, list(sampling.stop)])[:8]
        # In the name, so that stored replies under another request or another length are not taken for these.
        self.name = f"rewritten/{prompter.name}{BETWEEN}{target.name}:{mark}"
        # What an input was rewritten as, and the tokens that took.
        self._known: dict[str, tuple[str, int, int]] = {}

    @property
    def local(self) -> bool:
        """Both run on this machine."""
        return all(isinstance(each, LocalAware) and each.local for each in (self._prompter, self._target))

    @property
    def generates(self) -> bool:
        """Whether the target does."""
        return not isinstance(self._target, ScoresOnly) or self._target.generates

    def can_score(self) -> bool:
        """Whether the target can."""
        return isinstance(self._target, TextScorer) and self._target.can_score()

    def count_tokens(self, text: str) -> int:
        """By the target's tokenizer where it has one, else an estimate."""
        if isinstance(self._target, Tokenizer):
            return self._target.count_tokens(text)
        return estimate_tokens(text, self._target.name)

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """The target's replies; what the prompter read and wrote is in their tokens."""
        asked = self._rewrite([request.content for request in requests], stopping)
        ready = [place for place, content in enumerate(asked) if content is not None]
        # What requests share as a prefix does not outlast the rewrite.
        passed = [replace(requests[place], content=content, shared=0) for place, content in enumerate(asked)
                  if content is not None]  # fmt: skip
        for number, reply in self._target.generate(passed, stopping):
            place = ready[number]
            read, wrote = self._took(requests[place].content)
            tokens = (reply.prompt_tokens + read, reply.completion_tokens + wrote)
            yield place, replace(reply, prompt_tokens=tokens[0], completion_tokens=tokens[1])

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """The target's likelihoods after the rewritten inputs."""
        if not isinstance(self._target, TextScorer) or not self.can_score():
            raise ConfigError(
                f"the model {self._target.name!r} gives no likelihoods of given texts; name one that does"
            )
        asked = self._rewrite([request.content for request in requests], stopping)
        ready = [place for place, content in enumerate(asked) if content is not None]
        passed = [
            replace(requests[place], content=content, shared=0, literal=self._literal(requests[place]))
            for place, content in enumerate(asked)
            if content is not None
        ]
        for number, found in self._target.score(passed, stopping):
            place = ready[number]
            # There is no place here for what was written, so it counts with what was read.
            read, wrote = self._took(requests[place].content)
            yield place, replace(found, prompt_tokens=found.prompt_tokens + read + wrote)

    def _took(self, content: Content) -> tuple[int, int]:
        """The tokens that the prompter read and wrote for a content."""
        text = self._way.asked(content)
        return (0, 0) if text is None else self._known[text][1:]

    def _literal(self, request: ScoreRequest) -> Spans:
        text = self._way.asked(request.content)
        return request.literal if text is None else self._way.literal(request, self._known[text][0])

    def _rewrite(self, contents: Sequence[Content], stopping: Callable[[], bool]) -> list[Content | None]:
        """Each content with its rewrite in it; None where the prompter was stopped before it."""
        way, asked = self._way, [self._way.asked(content) for content in contents]
        missing = [text for text in dict.fromkeys(asked) if text is not None and text not in self._known]
        longest = sized(self._sampling, max(map(self.count_tokens, missing), default=0))
        for number, reply in self._prompter.generate([way.request(text, longest) for text in missing], stopping):
            used = way.used(reply, missing[number], self.count_tokens)
            # Kept for the life of the object: equal inputs come under many prompts, and have one rewrite.
            self._known[missing[number]] = (used, reply.prompt_tokens, reply.completion_tokens)
        return [
            content if text is None else way.put(content, self._known[text][0]) if text in self._known else None
            for content, text in zip(contents, asked, strict=True)
        ]


def _last_user_place(messages: tuple[Message, ...]) -> int | None:
    return next((place for place in reversed(range(len(messages))) if messages[place].role == "user"), None)


def _open_pair(rest: str, base_url: str | None) -> Model:
    prompter, between, target = rest.partition(BETWEEN)
    if not between or not prompter or not target:
        raise ConfigError(
            f"'rewritten/{rest}' names no two models; write rewritten/PROMPTER{BETWEEN}TARGET, as "
            f"rewritten/hf/FOLDER{BETWEEN}hf/MODEL"
        )
    return Rewritten(open_model(prompter), open_model(target, base_url=base_url))


REWRITTEN = Provider(
    f"rewritten/PROMPTER{BETWEEN}TARGET", "a model whose inputs another one rewrites first (Align-Pro)", _open_pair,
    scores="yes", takes_url=True,
)  # fmt: skip
