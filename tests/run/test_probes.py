"""Probes of what a model refuses: caps and the model's own count agree on them; what a run spends is without them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import RequestRefused, SomeRefused, Suspended
from promptopt.models.prices import Price
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.protocols import Role
from promptopt.run import Run
from promptopt.run.budget import Budget, Ledger, Limits
from promptopt.run.door import Door
from promptopt.store.runs import Store
from promptopt.testing import feature_accuracy, planted_model, planted_task, uniform
from promptopt.types import Message, Reply, Request, Sampling
from tests.rewrites import rewrite
from tests.run.planted_run import conduct

PRICE = Price(0.5, 2.0)


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


class Picky:
    """Answers as another model does, but refuses some requests as a server does; counts what it is asked.

    `fresh`: its client is new, so that it knows of no answer.
    """

    def __init__(self, answers: Scripted, refuses: Callable[[str], bool], *, fresh: bool = True) -> None:
        self.answers, self.refuses, self.name = answers, refuses, answers.name
        self.known = not fresh
        self.replies = list[Reply]()
        self.refused = set[tuple[str, int | None]]()

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        first, since = RequestRefused(f"{self.name}: refused"), dict[int, bool]()
        for place, request in enumerate(requests):
            if self.refuses(text_of(request)):
                self.refused.add((text_of(request), request.seed))
                if not self.known:
                    raise first
                since[place] = False
                continue
            self.known, since = True, dict.fromkeys(since, True)
            for _, reply in self.answers.generate([request]):
                self.replies.append(reply)
                yield place, reply
        if since:
            raise SomeRefused(str(first), since) from first


def some(share: float) -> Callable[[str], bool]:
    return lambda text: uniform("refused", text) < share


def planted(refuses: Callable[[str], bool], *, fresh: bool = True) -> Picky:
    accuracy = feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)
    return Picky(planted_model(accuracy), refuses, fresh=fresh)


def search(store: Path, model: object, budget: Budget | None, proposer: object = None) -> Result:
    result = conduct(store, model=model, proposer=proposer, budget=budget)
    assert isinstance(result, Result)
    assert result.status != "suspended", result.reason
    return result


def counted(*models: Picky) -> tuple[int, int]:
    """(calls that were answered, tokens), as the models count them."""
    replies = [reply for model in models for reply in model.replies]
    return len(replies), sum(reply.prompt_tokens + reply.completion_tokens for reply in replies)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.03, 0.2])
@pytest.mark.parametrize("cap", [150, 220, 331, None])
def test_a_cap_on_calls_holds_whatever_is_refused_and_the_ledgers_agree(
    tmp_path: Path, cap: int | None, share: float
) -> None:
    model, proposer = planted(some(share)), Picky(Scripted(rewrite, name="proposer"), some(share))
    result = search(tmp_path / "s.db", model, None if cap is None else Budget(calls=cap), proposer)
    answered, tokens = counted(model, proposer)
    refused = len(model.refused | proposer.refused)
    assert refused
    assert result.paid.tokens == tokens
    assert cap is None or result.spent.calls <= result.paid.calls <= cap
    # How many probes it takes hangs on what is asked together, so each counts in the place of what was refused.
    assert (result.paid.evaluations, result.paid.calls) == (result.spent.evaluations, result.spent.calls)
    assert answered <= result.paid.calls <= answered + refused
    again = search(tmp_path / "s.db", model, None if cap is None else Budget(calls=cap), proposer)
    assert (again.paid, again.spent) == (Ledger(usd=again.paid.usd), result.spent)


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [1500, 4000])
def test_a_cap_on_tokens_counts_what_probes_used(tmp_path: Path, tokens: int) -> None:
    model, proposer = planted(some(0.2)), Picky(Scripted(rewrite, name="proposer"), some(0.2))
    result = search(tmp_path / "s.db", model, Budget(tokens=tokens), proposer)
    assert result.paid.tokens == counted(model, proposer)[1] <= tokens
    assert result.spent.tokens < result.paid.tokens


def test_evaluations_are_counted_without_probes(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Once:
        def optimize(self, run: Run) -> None:
            run.evaluate([run.initial], run.train[:8])
            run.rescore(run.initial, run.train[:4], 1.0, 0)
            seen.append((run.spent.evaluations, run.spent.calls))
            # Four of these eight are known, and a probe is no evaluation of a fifth.
            run.rescore(run.initial, run.train[:8], 1.0, 0)
            seen.append((run.spent.evaluations, run.spent.calls))

    seen = list[tuple[int, int]]()
    model = Picky(Scripted(lambda _: "yes", name="echo"), lambda _: False)
    task = planted_task()
    refused = [example.fields[0][1] for example in task.train[4:8]]
    model.refuses = lambda text: len(model.replies) >= 12 and any(each in text for each in refused)
    result = optimize(task, Once(), model=Models(model, proposer=model), store=tmp_path / "s.db")
    assert seen == [(12, 12), (16, 16)]
    assert (result.paid.evaluations, result.paid.calls) == (result.spent.evaluations, result.spent.calls)
    assert len(model.replies) == result.paid.calls - len(model.refused) + 1


@contextmanager
def door_of(home: Path, model: Picky, limits: Limits, role: Role = "task", run: str = "run") -> Generator[Door]:
    with Store(home / "s.db") as store:
        yield Door(
            models={role: model}, prices={role: PRICE}, cache=store.cache, journal=store.journal(run), limits=limits,
            seed=0, stopping=lambda: None, warn=lambda _: None,
        )  # fmt: skip


def asks(door: Door, *texts: str, role: Role = "task") -> list[str]:
    """How the replies ended."""
    return [reply.finish for reply in door([Request((Message("user", text),)) for text in texts], role=role)]


def echo(refuses: str) -> Picky:
    return Picky(Scripted(lambda request: text_of(request), name="echo"), lambda text: refuses in text)


@pytest.mark.parametrize("role", ["task", "judge", "proposer"])
def test_a_probe_is_paid_for_and_counts_against_the_caps_again_on_replay(tmp_path: Path, role: Role) -> None:
    model = echo("bad")
    with door_of(tmp_path, model, Limits(), role) as door:
        assert asks(door, "a b", "bad", role=role) == ["stop", "rejected"]
        # Two, of which the second is paid as a probe: "a b" once more.
        assert (door.account.spent.calls, door.account.settled_now, door.account.capped.calls) == (2, 2, 2)
        assert (door.account.spent.prompt_tokens, door.account.spent.completion_tokens) == (2, 2)
        assert (door.account.capped.prompt_tokens, door.account.capped.completion_tokens) == (4, 4)
        assert door.account.capped.usd == pytest.approx(4 * PRICE.prompt_usd + 4 * PRICE.completion_usd)
        assert door.account.paid.calls == door.account.capped.calls
        assert (door.account.paid.tokens, door.account.paid.usd) == (8, pytest.approx(door.account.capped.usd))
        assert door.account.by_role[role] == door.account.spent
    with door_of(tmp_path, model, Limits(), role) as again:
        assert asks(again, "a b", "bad", role=role) == ["stop", "rejected"]
        assert (again.account.spent, again.account.capped) == (door.account.spent, door.account.capped)
        assert (again.account.paid.calls, len(model.replies)) == (0, 2)


@pytest.mark.parametrize("cap", [3, 4, None])
def test_a_probe_takes_the_place_of_what_was_refused_and_caps_allow_one_for_each(
    tmp_path: Path, cap: int | None
) -> None:
    model = echo("bad")
    with door_of(tmp_path, model, Limits(calls=cap)) as door:
        assert asks(door, "a", "bad 1", "bad 2") == ["stop", "rejected", "rejected"]
        assert len(model.replies) == 2
        assert door.account.capped.calls == door.account.spent.calls == door.account.paid.calls == 3
        # Of the probe and the answer; the caps allow for two probes.
        assert (door.account.spent.tokens, door.account.paid.tokens, door.account.capped.tokens) == (2, 4, 6)


def test_what_is_asked_again_is_what_took_the_fewest_tokens(tmp_path: Path) -> None:
    model = echo("bad")
    with door_of(tmp_path, model, Limits()) as door:
        assert asks(door, "a a a", "b", "c c") == ["stop"] * 3
        assert asks(door, "d d d d", "e bad") == ["stop", "rejected"]
        assert [reply.text for reply in model.replies] == ["a a a", "b", "c c", "d d d d", "b"]
        assert door.account.capped.tokens == door.account.paid.tokens == 2 * (3 + 1 + 2 + 4 + 1)


@pytest.mark.parametrize("role", ["judge", "proposer"])
def test_a_model_that_has_answered_nothing_is_allowed_a_harmless_question(tmp_path: Path, role: Role) -> None:
    model = echo("bad")
    with door_of(tmp_path, model, Limits(), role) as door:
        assert asks(door, "bad 1", "bad 2", role=role) == ["rejected", "rejected"]
        assert [reply.text for reply in model.replies] == ["Say hello."] * 2
        assert (door.account.spent.tokens, door.account.paid.tokens, door.account.capped.tokens) == (0, 8, 96)


@pytest.mark.parametrize("cap", [3, None])
@pytest.mark.parametrize("refused", [("bad",), ("bad", "c"), ("c", "bad"), ("bad", "bad 2")])
def test_a_new_client_whose_first_request_is_refused_keeps_the_cap(
    tmp_path: Path, cap: int | None, refused: tuple[str, ...]
) -> None:
    with door_of(tmp_path, echo("bad"), Limits()) as door:
        assert asks(door, "a") == ["stop"]
    model = echo("bad")
    limit = None if cap is None else 1 + len(refused)
    with door_of(tmp_path, model, Limits(calls=limit)) as door:
        assert asks(door, "a", *refused) == ["stop", *("rejected" if "bad" in each else "stop" for each in refused)]
        assert door.account.capped.calls == door.account.spent.calls == 1 + len(refused)
        assert door.account.capped.calls == door.account.paid.calls + 1
        assert len(model.replies) <= door.account.paid.calls <= len(model.replies) + len(model.refused)


def test_one_request_that_is_refused_for_a_moment_costs_no_more_than_the_cap(tmp_path: Path) -> None:
    with door_of(tmp_path, echo("bad"), Limits()) as door:
        assert asks(door, "a") == ["stop"]
    tries = list[str]()

    def once(text: str) -> bool:
        tries.append(text)
        return len(tries) == 1

    model = Picky(Scripted(lambda request: text_of(request), name="echo"), once)
    with door_of(tmp_path, model, Limits(calls=2)) as door:
        assert asks(door, "a", "b") == ["stop", "stop"]
        assert (door.account.spent.calls, door.account.paid.calls, tries) == (2, 1, ["b", "b"])


def test_nothing_is_settled_where_the_model_answers_no_probe_under_a_cap(tmp_path: Path) -> None:
    with door_of(tmp_path, echo("bad"), Limits()) as door:
        assert asks(door, "a") == ["stop"]
    with door_of(tmp_path, echo(""), Limits(calls=2)) as door, pytest.raises(Suspended, match="once that is mended"):
        asks(door, "a", "b")
    with door_of(tmp_path, echo("bad"), Limits(calls=2)) as door:
        assert asks(door, "a", "b") == ["stop", "stop"]


def test_what_another_run_probed_is_allowed_for_all_the_same(tmp_path: Path) -> None:
    with door_of(tmp_path, echo("bad"), Limits(), run="first") as first:
        asks(first, "a", "bad")
    with door_of(tmp_path, echo("bad"), Limits(calls=2), run="second") as second:
        assert asks(second, "a", "bad") == ["stop", "rejected"]
        assert (second.account.spent, second.account.capped) == (first.account.spent, first.account.capped)
        assert second.account.paid.calls == 0


ALONE = (Limits(), Limits(tokens=2_000))
"""Without a cap on tokens calls go together; under this one each that may write a thousand goes alone."""


def dear(door: Door, texts: Sequence[str]) -> list[str]:
    sampling = Sampling(max_tokens=1_000)
    return [reply.finish for reply in door([Request((Message("user", text),), sampling) for text in texts])]


@pytest.mark.parametrize("limits", ALONE)
@pytest.mark.parametrize("refused", ["0", "01", "012"])
def test_a_first_call_that_is_refused_ends_no_run_where_one_of_three_others_is_answered(
    tmp_path: Path, refused: str, limits: Limits
) -> None:
    texts = [f"{number} a" for number in range(5)]
    model = Picky(Scripted(lambda _: "a", name="echo"), lambda text: text[0] in refused)
    with door_of(tmp_path, model, limits) as door:
        assert dear(door, texts) == ["rejected" if text[0] in refused else "stop" for text in texts]


@pytest.mark.parametrize("limits", ALONE)
def test_a_run_is_suspended_where_a_first_call_and_three_others_are_refused(tmp_path: Path, limits: Limits) -> None:
    with door_of(tmp_path, echo("bad"), limits) as door, pytest.raises(Suspended, match="once that is mended"):
        dear(door, [*(f"bad {number}" for number in range(4)), "good"])
