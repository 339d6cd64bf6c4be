"""A model spread over workers, which here are objects in threads: the same run as on one, also where workers die."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

import promptopt.models.actors.fleet as fleets
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import BackendError, ConfigError, RequestRefused
from promptopt.models.actors.fleet import Fleet
from promptopt.models.actors.model import FleetModel
from promptopt.models.actors.worker import ModelWorker, Named
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.protocols import (
    Bounded,
    Inexact,
    LocalAware,
    Model,
    ReportsAlternatives,
    ScoresOnly,
    Segmenter,
    TextScorer,
    Tokenizer,
)
from promptopt.run.budget import Budget
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Message, Reply, Request, ScoreRequest


class Gone(Exception):
    """A worker died."""


class InThreads:
    """`fleet.Post` over workers of this process. A worker that is killed is replaced, and its answers are lost."""

    lost = (Gone,)

    def __init__(self, opening: Sequence[Callable[[str], Model]]) -> None:
        self._opening = list(opening)
        self._homes = [ModelWorker(each) for each in opening]
        self._pool = ThreadPoolExecutor(32)
        self.killed = 0

    @property
    def workers(self) -> int:
        return len(self._homes)

    def kill(self, worker: int) -> None:
        self.killed += 1
        self._homes[worker] = ModelWorker(self._opening[worker])

    def send(self, worker: int, method: str, *arguments: object) -> Future[Any]:
        home = self._homes[worker]

        def answer() -> Any:
            found = getattr(home, method)(*arguments)
            if self._homes[worker] is not home:
                raise Gone(f"worker {worker} died")
            return found

        return self._pool.submit(answer)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "PAUSE_S", 0.001)
    monkeypatch.setattr("promptopt.models.actors.worker.PATIENCE_S", 0.01)


def planted(_: str) -> Scripted:
    return planted_model(feature_accuracy(["carefully"], base=0.4, each=0.4))


def proposer(_: str) -> Scripted:
    return Scripted(lambda request: f"<prompt>Answer carefully, {len(request.content)}.</prompt>", name="proposer")


def asked(count: int, prefixes: int = 2) -> list[Request]:
    texts = [f"{'abcdefgh'[n % prefixes] * 20} question {n}" for n in range(count)]
    return [Request(text, shared=20) for text in texts]


def searched(store: Path, model: Model, writer: Model) -> Result:
    return optimize(
        planted_task(), "capo", model=Models(model, proposer=writer), budget=Budget(evaluations=150), store=store
    )


def journal(store: Path) -> list[tuple[Any, ...]]:
    """Every journal and every stored call, byte for byte."""
    with sqlite3.connect(store) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert {"journal", "calls"} <= set(names)
        journals = database.execute("SELECT run, position, key FROM journal ORDER BY run, position").fetchall()
        calls = database.execute("SELECT * FROM calls ORDER BY 1").fetchall()
    return [*journals, *calls]


def plain(result: Result) -> dict[str, Any]:
    return {name: value for name, value in result.to_json().items() if name != "wall_s"}


@pytest.mark.slow
def test_a_run_over_workers_has_the_same_result_journal_and_ledger(quick: None, tmp_path: Path) -> None:
    alone = searched(tmp_path / "alone.db", planted(""), proposer(""))
    tasks, writers = Fleet(InThreads([planted] * 3)), Fleet(InThreads([proposer] * 3))
    spread = searched(tmp_path / "spread.db", FleetModel(tasks, Named("m")), FleetModel(writers, Named("p")))
    assert plain(alone) == plain(spread)
    assert alone.paid == spread.paid
    assert journal(tmp_path / "alone.db") == journal(tmp_path / "spread.db")


@pytest.mark.slow
def test_a_worker_that_dies_in_the_middle_changes_nothing_and_nothing_is_paid_twice(
    quick: None, tmp_path: Path
) -> None:
    alone = searched(tmp_path / "alone.db", planted(""), proposer(""))
    calls = [0]

    def mortal(_: str) -> Scripted:
        whole = planted("")

        def answer(request: Request) -> Reply:
            calls[0] += 1
            if calls[0] in (7, 60, 61, 110):
                post.kill(calls[0] % 3)
            return next(reply for _, reply in whole.generate([request]))

        return Scripted(answer, name=whole.name)

    post = InThreads([mortal] * 3)
    writer = FleetModel(Fleet(InThreads([proposer])), Named("p"))
    spread = searched(tmp_path / "spread.db", FleetModel(Fleet(post), Named("m")), writer)
    assert post.killed == 4
    assert plain(alone) == plain(spread)
    assert alone.paid == spread.paid
    assert journal(tmp_path / "alone.db") == journal(tmp_path / "spread.db")


def test_a_worker_that_dies_again_and_again_ends_in_a_sentence(quick: None) -> None:
    def fatal(request: Request) -> str:
        for worker in range(2):
            post.kill(worker)
        return "never heard"

    post = InThreads([lambda _: Scripted(fatal)] * 2)
    model = FleetModel(Fleet(post), Named("m"))
    with pytest.raises(BackendError, match=r"a worker died 4 times in a row \(worker . died\)"):
        list(model.generate(asked(4)))


def test_a_worker_that_does_not_come_back_leaves_its_work_to_the_others(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "RETURN_S", 0.05)

    class Halved(InThreads):
        silent = (1,)

        def send(self, worker: int, method: str, *arguments: object) -> Future[Any]:
            if worker in self.silent and method in ("take", "tell"):
                future: Future[Any] = Future()
                future.set_exception(Gone(f"worker {worker} died"))
                return future
            return super().send(worker, method, *arguments)

    post = Halved([lambda _: Scripted(lambda request: str(request.content)[-2:])] * 2)
    found = dict(FleetModel(Fleet(post), Named("m")).generate(asked(30)))
    assert [found[index].text.strip() for index in range(30)] == [str(n) for n in range(30)]
    post.silent = (0, 1)
    with pytest.raises(BackendError, match=r"no worker is left to ask \(worker . died\)"):
        list(FleetModel(Fleet(post), Named("m")).generate(asked(3)))


def test_a_worker_stays_with_a_prefix_while_there_is_some_of_it(quick: None) -> None:
    order: list[str] = []

    def noting(request: Request) -> str:
        order.append(str(request.content)[0])
        return "x"

    # One worker, so that the order is its own; each of its batches has a thread, and they follow each other.
    list(FleetModel(Fleet(InThreads([lambda _: Scripted(noting)])), Named("m")).generate(asked(40, prefixes=4)))
    assert sorted(order) == sorted("abcd" * 10)
    assert sum(one != other for one, other in itertools.pairwise(order)) == 3


def test_workers_with_different_models_are_refused_with_both_named() -> None:
    post = InThreads([lambda _: Scripted([], name="m:1.0"), lambda _: Scripted([], name="m:1.1")])
    with pytest.raises(ConfigError, match=r"'m' is 'm:1\.0' on one worker and 'm:1\.1' on another"):
        FleetModel(Fleet(post), Named("m"))


def test_a_model_that_cannot_be_opened_says_why() -> None:
    def absent(spec: str) -> Model:
        raise ConfigError(f"the model {spec!r} is not there")

    with pytest.raises(ConfigError, match="on a worker: the model 'hf/none' is not there"):
        FleetModel(Fleet(InThreads([absent])), Named("hf/none"))


def test_a_refused_request_is_one_here_too_so_that_another_layout_may_do(quick: None) -> None:
    class Refusing(Scripted):
        def generate(self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False) -> NoReturn:
            raise RequestRefused("no system message is taken")

    with pytest.raises(RequestRefused, match="no system message is taken"):
        list(FleetModel(Fleet(InThreads([lambda _: Refusing([], name="m")])), Named("m")).generate(asked(1)))


def test_a_failure_comes_after_what_could_be_had(quick: None) -> None:
    broken = Scripted(lambda _: "fine", fail_at=3)
    found: list[int] = []
    with pytest.raises(BackendError, match="failed, as it was told to"):
        found.extend(
            index for index, _ in FleetModel(Fleet(InThreads([lambda _: broken])), Named("m")).generate(asked(4))
        )
    assert found == [] or len(found) == 2


def test_a_stop_ends_it_with_what_is_in_flight(quick: None) -> None:
    stop = threading.Event()
    model = FleetModel(Fleet(InThreads([lambda _: Scripted(lambda _: "x", latency_s=0.002)] * 2)), Named("m"))

    def answers() -> Iterator[int]:
        for index, _ in model.generate(asked(400), stop.is_set):
            stop.set()
            yield index

    assert 0 < len(list(answers())) < 200


def test_it_can_what_the_model_can_and_no_more() -> None:
    scoring = Scripted(lambda _: "x", scores=lambda _, text: [-1.0] * len(text.split()))
    model = FleetModel(Fleet(InThreads([lambda _: scoring] * 2)), Named("m"))
    assert isinstance(model, Model)
    assert isinstance(model, TextScorer)
    assert isinstance(model, Tokenizer)
    assert isinstance(model, Segmenter)
    assert model.can_score()
    for missing in (Bounded, Inexact, LocalAware, ReportsAlternatives, ScoresOnly):
        assert not isinstance(model, missing)
    request = ScoreRequest("what?", ("yes", "no indeed"))
    assert dict(model.score([request])) == dict(scoring.score([request]))
    assert model.count_tokens("one two") == 2
    assert model.pieces("one two") == scoring.pieces("one two")


def test_a_model_with_an_exact_twin_has_it_here_too(quick: None) -> None:
    class Fast(Scripted):
        context = 4096
        local = True

        def exact(self) -> Model:
            return Scripted(lambda _: "exactly", name="exact")

        def flips(self, requests: Sequence[Request]) -> tuple[int, int]:
            raise AssertionError("asked of the workers instead")

    model = FleetModel(Fleet(InThreads([lambda _: Fast(lambda _: "fast", name="fast")])), Named("m"))
    assert isinstance(model, Inexact)
    assert isinstance(model, Bounded)
    assert isinstance(model, LocalAware)
    twin = model.exact()
    assert (model.name, twin.name) == ("fast", "exact")
    assert model.flips([Request((Message("user", "q"),))]) == (1, 1)
