"""Batches begun ahead: what is asked, and in which order, stays as it is batch by batch; caps stay exact."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import BackendError, CutShort, Suspended
from promptopt.models.scripted import Scripted
from promptopt.programs import ProgramEvaluator, lockstep
from promptopt.run.budget import Limits
from promptopt.run.door import Door
from promptopt.store.journal import Journal
from promptopt.store.runs import Store
from promptopt.types import Cell, Example, Prompt, Reply, Request, Sampling, Score
from tests.evaluators.fake_task import FakeAsk

PROMPT = Prompt((("plan", "Plan it."),))
SEQUENTIAL = Limits(tokens=10**9)
"""A cap that is never reached, and depends on what is answered: nothing can be begun ahead."""


def cells(count: int) -> list[Cell]:
    return [Cell(PROMPT, Example.of("yes", question=f"q{number}")) for number in range(count)]


def chain(prompt: Prompt, example: Example, ask) -> str:
    """Two calls, the second of the first."""
    return ask(f"Then {ask(example['question']).text}").text


def echo(request: Request) -> str:
    return f"<{request.content}>"


class Desk:
    """A store with a door to one model, and what the user was told by which thread."""

    def __init__(self, home: Path, model: Scripted, limits: Limits, seed: str = "run") -> None:
        self.store = Store(home / "store.db")
        self.told: list[tuple[str, int]] = []
        self.journal = Journal(self.store.database, self.store.where, seed)
        self.door = Door(
            models={"task": model, "proposer": model, "judge": model}, prices={}, cache=self.store.cache,
            journal=self.journal, limits=limits, seed=0, stopping=lambda: None,
            warn=lambda message: self.told.append((message, threading.get_ident())),
        )  # fmt: skip

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def score(self, program, count: int) -> dict[int, Score]:
        """The scores by place; of a batch that a cap cuts, those that there are."""
        try:
            return dict(enumerate(ProgramEvaluator(program, metric="contains").score(cells(count), self.door)))
        except CutShort as cut:
            return dict(cut.scores)

    def keys(self) -> list[bytes]:
        with self.store.database.connect() as connection:
            return [bytes(key) for (key,) in connection.exec_driver_sql("SELECT key FROM journal ORDER BY position")]


def alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("promptopt p")]


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cells a cohort."""
    monkeypatch.setattr(lockstep, "WINDOW", 2)


def until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.001)
    return true()


@pytest.mark.usefixtures("pairs")
def test_a_batch_is_recorded_while_the_one_before_it_is_out(tmp_path: Path) -> None:
    seen: list[bool] = []
    beginning: list[str] = []

    def answer(request: Request) -> str:
        beginning.append(str(request.content))
        if len(beginning) == 1:
            seen.append(until(lambda: desk.journal.position == 4))
        return echo(request)

    with Desk(tmp_path, Scripted(answer, name="echo"), Limits()) as desk:
        assert [each.value for each in desk.score(chain, 4).values()] == [0.0] * 4
    assert seen == [True]


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize("cap", [None, 3, 1])
def test_what_is_out_already_is_not_asked_a_second_time(cap: int | None, tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        if request.content == "the same for all":
            assert until(lambda: desk.journal.position == 4)
        return echo(request)

    def program(prompt: Prompt, example: Example, ask) -> str:
        return ask(f"{ask('the same for all').text} {example['question']}").text

    model = Scripted(answer, name="echo")
    with Desk(tmp_path, model, Limits(calls=cap)) as desk:
        found = desk.score(program, 4)
        assert len(found) == (4 if cap is None else cap - 1)
        assert model.calls == desk.door.account.spent.calls == (5 if cap is None else cap)


@pytest.mark.usefixtures("pairs")
def test_where_a_cap_depends_on_replies_nothing_is_begun_ahead(tmp_path: Path) -> None:
    positions: list[int] = []

    def answer(request: Request) -> str:
        positions.append(desk.journal.position)
        return echo(request)

    with Desk(tmp_path, Scripted(answer, name="echo"), SEQUENTIAL) as desk:
        desk.score(chain, 4)
    # The first call of all goes alone: what a call takes is not known before it.
    assert positions == [1, 2, 4, 4, 6, 6, 8, 8]


def planned(calls: list[tuple[int, bool]], common: int):
    """A program whose cell asks so many calls, of which the first are the same for all cells; some are sampled."""

    def program(prompt: Prompt, example: Example, ask) -> str:
        number = int(example["question"][1:])
        count, hot = calls[number]
        said = [example["question"]]
        for call in range(count):
            own = "" if call < common else f" {example['question']}"
            said.append(ask(f"call {call}{own}", Sampling(temperature=float(hot))).text)
        return " ".join(said)

    return program


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=9),
    common=st.integers(0, 2),
    window=st.integers(1, 3),
    cap=st.integers(1, 40),
)
def test_ahead_asks_the_same_in_the_same_order_and_keeps_the_cap(
    calls: list[tuple[int, bool]], common: int, window: int, cap: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program, count = planned(calls, common), len(calls)
    found: list[tuple[dict[int, Score], list[bytes], int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lockstep, "WINDOW", window)
        for limits in (Limits(), SEQUENTIAL, Limits(calls=cap), Limits(calls=cap, tokens=10**9)):
            model = Scripted(lambda request: f"<{request.content} {request.seed}>", name="echo")
            with Desk(tmp_path_factory.mktemp("store"), model, limits) as desk:
                found.append((desk.score(program, count), desk.keys(), model.calls, desk.door.account.spent.calls))
    ahead, by_turns, capped, capped_by_turns = found
    assert ahead == by_turns
    assert capped == capped_by_turns
    assert sorted(ahead[0]) == list(range(count))
    assert capped[2] == capped[3] == min(cap, ahead[2])
    assert all(capped[0][place] == ahead[0][place] for place in capped[0])
    assert capped[1] == ahead[1][: len(capped[1])]


@pytest.mark.parametrize("asking", [(), (6,)])
def test_cells_that_ask_nothing_all_come_to_their_end(asking: tuple[int, ...], tmp_path: Path, pairs: None) -> None:
    def program(prompt: Prompt, example: Example, ask) -> str:
        return ask("yes?").text if int(example["question"][1:]) in asking else "yes"

    with Desk(tmp_path, Scripted(lambda request: "yes", name="yes"), Limits()) as desk:
        assert [each.value for each in desk.score(program, 9).values()] == [1.0] * 9


@pytest.mark.usefixtures("pairs")
def test_the_user_is_told_of_what_a_batch_brings_by_the_thread_of_the_run(tmp_path: Path) -> None:
    class Changing(Scripted):
        def generate(self, requests, stopping=lambda: False):
            for place, _ in super().generate(requests, stopping):
                yield place, Reply("yes", served=f"snapshot {self.calls > 2}")

    with Desk(tmp_path, Changing(echo, name="changing"), Limits()) as desk:
        desk.score(chain, 4)
    assert [thread for _, thread in desk.told] == [threading.get_ident()]
    assert "changed during the run" in desk.told[0][0]


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize("limits", [Limits(), SEQUENTIAL], ids=["ahead", "by turns"])
@pytest.mark.parametrize("call", [1, 4, 6])
def test_an_outage_while_another_batch_is_begun_is_gone_on_from_there(
    call: int, limits: Limits, tmp_path: Path
) -> None:
    def patient(prompt: Prompt, example: Example, ask) -> str:
        """Were an outage its own failure, it would answer all the same."""
        try:
            return chain(prompt, example, ask)
        except BackendError:
            return "yes"

    broken = Scripted(echo, name="echo", fail_at=call)
    # In the words of the model that failed: that a reply is missing says nothing of why.
    with Desk(tmp_path, broken, limits) as desk, pytest.raises(Suspended, match="as it was told to"):
        desk.score(patient, 5)
    assert alive() == []
    sound = Scripted(echo, name="echo")
    with Desk(tmp_path, sound, limits) as desk:
        assert len(desk.score(chain, 5)) == 5
        assert desk.door.account.spent.calls == 10
    # The one that failed is asked again, and no other.
    assert broken.calls + sound.calls == 11


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize("call", [1, 3, 5])
def test_an_interrupt_of_the_model_ends_all_programs_and_what_sees_to_them(call: int, tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: Request) -> str:
        asked.append(str(request.content))
        if len(asked) == call:
            raise KeyboardInterrupt
        return echo(request)

    with Desk(tmp_path, Scripted(answer, name="echo"), Limits()) as desk, pytest.raises(KeyboardInterrupt):
        desk.score(chain, 5)
    assert until(lambda: alive() == [])
    assert not [thread for thread in threading.enumerate() if thread.name == "promptopt lockstep"]


def test_programs_that_wait_for_something_else_than_the_model_do_so_side_by_side() -> None:
    there: list[str] = []

    def program(prompt: Prompt, example: Example, ask) -> str:
        there.append(example["question"])
        return ask("all there?").text if until(lambda: len(there) >= 30) else "no"

    found = ProgramEvaluator(program, metric="contains").score(cells(30), FakeAsk(lambda request: "yes"))
    assert [each.value for each in found] == [1.0] * 30


def test_the_first_of_many_batches_is_small_and_the_next_ones_are_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep, "WINDOW", 8)
    monkeypatch.setattr(lockstep, "FIRST_BATCH", 2)
    sizes: list[int] = []

    class Counting(FakeAsk):
        def __call__(self, requests, *, role="task", repetition=0):
            sizes.append(len(requests))
            return super().__call__(requests, role=role, repetition=repetition)

    ProgramEvaluator(chain).score(cells(40), Counting(echo))
    assert sizes[:4] == [2, 4, 8, 8]
    assert max(sizes) == 8
    sizes.clear()
    ProgramEvaluator(chain).score(cells(8), Counting(echo))
    assert sizes == [8, 8]


@pytest.mark.usefixtures("pairs")
def test_two_runs_that_need_each_others_replies_both_come_to_their_end(tmp_path: Path) -> None:
    """They ask the same in opposite orders, each with a batch begun ahead; nothing is asked twice."""
    asked: list[str] = []

    def answer(request: Request) -> str:
        asked.append(str(request.content))
        time.sleep(0.002)
        return echo(request)

    def run(name: str, order: int) -> None:
        with Store(tmp_path / "store.db") as store, store.alone(name, lambda: None):
            model = Scripted(answer, name="echo")
            door = Door(
                models={"task": model, "proposer": model, "judge": model}, prices={}, cache=store.cache, journal=None,
                limits=Limits(), seed=0, stopping=lambda: None, warn=lambda _: None, claims=store.claims(name),
            )  # fmt: skip
            found.append(ProgramEvaluator(chain).score(cells(9)[::order], door)[::order])

    found: list[list[Score]] = []
    Store(tmp_path / "store.db").close()
    threads = [threading.Thread(target=run, args=each) for each in (("one", 1), ("two", -1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 2
    assert found[0] == found[1]
    assert sorted(asked) == sorted(set(asked))
