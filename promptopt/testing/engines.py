"""The contracts of engines: those that answer, and those that give the log-likelihood of a given text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptopt.protocols import Model, TextScorer
from promptopt.types import Content, Likelihoods, Message, Request, Sampling, ScoreRequest


class ModelContract:
    """What every backend keeps; `model()` opens a fresh one that can answer short prompts."""

    def model(self) -> Model:
        """The backend under test."""
        raise NotImplementedError

    def requests(self) -> list[Request]:
        """A few short requests, chat and plain."""
        sampling = Sampling(max_tokens=4)
        words = ("red", "green", "blue", "yellow", "black")
        return [Request((Message("user", f"Say the word {word}."),), sampling) for word in words]

    def test_every_request_is_answered_once(self) -> None:
        """Every index comes up once, and replies count their tokens."""
        requests = self.requests()
        replies = dict(self.model().generate(requests))
        assert sorted(replies) == list(range(len(requests)))
        assert all(reply.prompt_tokens > 0 for reply in replies.values())

    def test_no_requests_no_replies(self) -> None:
        """An empty batch is fine."""
        assert list(self.model().generate([])) == []

    def test_greedy_replies_do_not_depend_on_company(self) -> None:
        """Order and batch change nothing at temperature 0."""
        requests = self.requests()
        model = self.model()
        together = {index: reply.text for index, reply in model.generate(requests)}
        backwards = {index: reply.text for index, reply in model.generate(requests[::-1])}
        alone = {index: reply.text for index in range(len(requests)) for _, reply in model.generate([requests[index]])}
        assert together == alone
        # Indices are places in the batch, which was turned round.
        assert together == {len(requests) - 1 - index: text for index, text in backwards.items()}

    def test_stopping_begins_nothing_new(self) -> None:
        """Once told to stop, a backend begins no further request."""
        assert len(list(self.model().generate(self.requests(), lambda: True))) == 0

    def test_name_is_the_served_snapshot(self) -> None:
        """The name is stable and not empty: it is part of every key."""
        assert self.model().name
        assert self.model().name == self.model().name


class ScorerContract:
    """What every backend that gives log-likelihoods keeps; `model()` opens one that reads chat and plain text."""

    tolerance = 1e-4
    """Nats a token that two ways to the same number may differ by."""
    beyond = 300_000
    """Words that no context has room for."""

    def model(self) -> TextScorer:
        """The backend under test."""
        raise NotImplementedError

    def requests(self) -> list[ScoreRequest]:
        """Chat and plain; one, several and long continuations; a prefix that the examples of a candidate share."""
        # Twice, so that it fills a block of any prefix cache: of vLLM on a CPU that is 32 tokens.
        rules = "Name the colour of the thing in one word. Think of the thing as most people know it. " * 2
        found: list[ScoreRequest] = []
        for thing in ("grass", "snow, fresh from the sky", "coal"):
            chat: Content = (Message("user", f"{rules}\n\nThing: {thing}\nColour:"),)
            found.append(ScoreRequest(chat, ("green", "white", "black as the night"), shared=len(rules)))
            found.append(ScoreRequest(f"{rules}\n\nThing: {thing}\nColour:", (" white",), len(rules), ends=True))
        return found

    def scored(self, requests: Sequence[ScoreRequest]) -> list[Likelihoods]:
        """What the backend gives, in the order asked."""
        found = dict(self.model().score(requests))
        assert sorted(found) == list(range(len(requests)))
        return [found[index] for index in range(len(requests))]

    def agree(self, one: Likelihoods, other: Likelihoods) -> None:
        """Both hold the same tokens, and log-probs within the tolerance."""
        assert [each.tokens for each in one.continuations] == [each.tokens for each in other.continuations]
        for left, right in zip(one.continuations, other.continuations, strict=True):
            for a, b in zip(left.logprobs, right.logprobs, strict=True):
                assert abs(a - b) <= self.tolerance, (a, b, left.tokens)

    def test_it_can_score(self) -> None:
        """It says so itself."""
        assert self.model().can_score()
        assert list(self.model().score([])) == []

    def test_a_value_a_token(self) -> None:
        """Every continuation has tokens that spell it, each with a log-probability, and the usage is counted."""
        requests = self.requests()
        for request, found in zip(requests, self.scored(requests), strict=True):
            assert found.finish == "stop"
            assert found.prompt_tokens > sum(len(each.tokens) for each in found.continuations)
            for text, each in zip(request.continuations, found.continuations, strict=True):
                # The token that ends a reply spells nothing of it.
                spelt = each.tokens[:-1] if request.ends else each.tokens
                assert "".join(spelt).strip() == text.strip()
                assert len(each.tokens) == len(each.logprobs) > 0
                assert all(logprob <= 0.0 for logprob in each.logprobs)

    def test_batched_equals_single(self) -> None:
        """Order and batch change nothing."""
        requests = self.requests()
        together, backwards = self.scored(requests), self.scored(requests[::-1])[::-1]
        for request, one, other in zip(requests, together, backwards, strict=True):
            self.agree(one, other)
            self.agree(one, self.scored([request])[0])

    def test_shared_equals_unshared(self) -> None:
        """Computing a candidate's prefix once gives what computing it each time gives."""
        requests = self.requests()
        for one, other in zip(
            self.scored(requests), self.scored([replace(each, shared=0) for each in requests]), strict=True
        ):
            self.agree(one, other)

    def test_alternatives_do_not_see_each_other(self) -> None:
        """Scoring three continuations in one request gives what three requests give."""
        request = self.requests()[0]
        together = self.scored([request])[0]
        for place, text in enumerate(request.continuations):
            alone = self.scored([replace(request, continuations=(text,))])[0]
            self.agree(Likelihoods((together.continuations[place],)), Likelihoods(alone.continuations))

    def test_the_end_is_one_token_more(self) -> None:
        """`ends` adds the token that ends the reply, and changes none before it."""
        for request in self.requests()[:2]:
            without, ended = (self.scored([replace(request, ends=ends)])[0] for ends in (False, True))
            for one, other in zip(without.continuations, ended.continuations, strict=True):
                assert len(other.tokens) == len(one.tokens) + 1
                shorter = Likelihoods((replace(other, tokens=other.tokens[:-1], logprobs=other.logprobs[:-1]),))
                self.agree(Likelihoods((one,)), shorter)

    def test_a_text_without_tokens_has_none(self) -> None:
        """An empty continuation is an empty answer, not a zero."""
        request = replace(self.requests()[0], continuations=("", "white"))
        empty, other = self.scored([request])[0].continuations
        assert empty.tokens == empty.logprobs == ()
        assert other.tokens

    def test_what_does_not_fit_is_rejected(self) -> None:
        """A text that is longer than any context is refused for good, alone, and nothing is cut off."""
        fits = self.requests()[0]
        found = self.scored([fits, ScoreRequest("word " * self.beyond, (" more",))])
        assert [each.finish for each in found] == ["stop", "rejected"]
        assert found[1].continuations == ()

    def test_stopping_begins_nothing_new(self) -> None:
        """Once told to stop, a backend begins no further request."""
        assert list(self.model().score(self.requests(), lambda: True)) == []
