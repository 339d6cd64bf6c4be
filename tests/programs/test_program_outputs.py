"""What programs give and raise that is no output: it costs their own cell, in a sentence that is alike everywhere."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.models.scripted import Scripted
from promptopt.programs import program_task
from promptopt.programs.handle import Record
from promptopt.programs.outputs import read_output, said_of
from promptopt.programs.worker import CellWorker, Rules, raise_in
from promptopt.tasks.splits import Splits
from promptopt.types import Example, Sampling, Score, TracedCall
from tests.programs.test_programs import Batches, cells, ended, score

SCALAR = SimpleNamespace(ndim=0, item=lambda: 0.5)
"""What numpy's numbers and tensors without an axis are to whoever knows neither."""


def call(part: object = "plan", given: object = "in", gave: object = "out") -> TracedCall:
    return TracedCall(cast("Any", part), cast("Any", given), cast("Any", gave))


OUTPUTS = {
    "a value that is a text": (
        Score(cast("Any", "good")),
        "it gave a Score whose value is 'good', and that is a number",
    ),
    "no value": (Score(cast("Any", None)), "it gave a Score whose value is None, and that is a number"),
    "several values": (Score(cast("Any", [1.0])), "it gave a Score whose value is [1.0], and that is a number"),
    "no number": (Score(math.nan), "it gave a Score whose value is nan, and that is a finite number"),
    "no end": (Score(-math.inf), "it gave a Score whose value is -inf, and that is a finite number"),
    "too large": (Score(cast("Any", 10**400)), "it gave a Score whose value is 1000000"),
    "a signal": (Score(cast("Any", Decimal("sNaN"))), "it gave a Score whose value is Decimal('sNaN'), and that is"),
    "no trace": (Score(1.0, trace=cast("Any", None)), "it gave a Score whose trace is None, and that is a sequence"),
    "no output": (Score(1.0, cast("Any", None)), "it gave a Score whose output is None, and that is a text"),
    "no answer": (Score(1.0, answer=cast("Any", 3)), "it gave a Score whose answer is 3, and that is a text"),
    "no feedback": (
        Score(1.0, feedback=cast("Any", None)),
        "it gave a Score whose feedback is None, and that is a text",
    ),
    "a trace of texts": (
        ("yes", ["in"]),
        "it gave a trace with 'in' in it, and it is of TracedCall(part, input, output)",
    ),
    "a trace of tables": (("yes", [{"part": "plan"}]), "it gave a trace with {'part': 'plan'} in it"),
    "a call without a part": (("yes", [call(None)]), "it gave a trace with None in a TracedCall, which is of texts"),
    "a call of bytes": (("yes", [call(gave=b"out")]), "it gave a trace with b'out' in a TracedCall"),
    "a Score's trace": (Score(1.0, trace=cast("Any", ("in",))), "it gave a Score whose trace has 'in' in it"),
    "a generator": ((each for each in "yes"), "it gave a generator, and a program gives a text"),
    "an object": (object(), "it gave <object object>, and a program gives a text"),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_what_cannot_be_scored_costs_its_own_cell_and_says_what_it_was(kind: str) -> None:
    given, why = OUTPUTS[kind]
    program = lambda prompt, example, ask: given if example["question"] == "q1" else "yes"  # noqa: E731
    found = score(program, 3)
    assert [each.value for each in found] == [1.0, 0.0, 1.0]
    assert found[1].feedback.startswith(f"the program failed: {why}")
    assert not found[1].parsed


@pytest.mark.parametrize("given", [0.5, SCALAR, True, 1])
def test_a_score_may_have_any_number_as_its_value(given: Any) -> None:
    found, failure = read_output(Score(given, "yes"))
    assert not failure
    assert isinstance(found, Score)
    assert found.value == (0.5 if given is SCALAR else given)
    assert isinstance(found.value, int | float)


def test_a_metric_may_give_a_number_of_an_array_library_and_no_array(tmp_path: Path) -> None:
    assert score(lambda *_: "yes", 1, metric=lambda answer, example: SCALAR)[0].value == 0.5
    with pytest.raises(EvaluatorError, match="expected a number"):
        score(lambda *_: "yes", 1, metric=lambda answer, example: SimpleNamespace(ndim=1, item=lambda: 0.5))


def test_a_metric_that_exits_is_named_and_does_not_end_the_process() -> None:
    def exits(answer: str, example: Example) -> float:
        raise SystemExit(3)

    with pytest.raises(EvaluatorError, match="failed: SystemExit: 3"):
        score(lambda *_: "yes", 1, metric=exits)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("nothing to be said")


def test_what_was_raised_is_told_alike_in_every_process_and_whatever_its_text_does() -> None:
    # A sentence with an address would be asked of a proposer, and a replay would ask it something else.
    assert said_of(KeyError(object())) == "it raised KeyError: <object object>"
    assert said_of(Mute()) == "it raised Mute"

    def program(prompt: Any, example: Example, ask: Any) -> str:
        raise Mute

    [found] = score(program, 1)
    assert found.feedback == "the program failed: it raised Mute"
    assert ended()


def gives_pieces(prompt: Any, example: Example, ask: Any) -> Any:
    yield ask("yes").text


async def gives_pieces_later(prompt: Any, example: Example, ask: Any) -> Any:
    yield (await ask("yes")).text


@pytest.mark.parametrize("program", [gives_pieces, gives_pieces_later])
def test_a_program_with_a_yield_in_it_is_told_of_it(program: Any) -> None:
    [found] = score(program, 1)
    assert found.feedback.endswith("or a Score; end it with `return`, and leave out `yield`")


async def forgets_to_await(prompt: Any, example: Example, ask: Any) -> str:
    return ask("yes").text


async def asks_elsewhere(prompt: Any, example: Example, ask: Any) -> str:
    return await asyncio.to_thread(lambda: ask("yes").text)


def undeclared(prompt: Any, example: Example, ask: Any) -> Any:
    async def inner() -> str:
        return (await ask("yes")).text

    return inner()


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (forgets_to_await, "an async program did not await a call; write (await ask(…)).text"),
        (asks_elsewhere, "an async program did not await a call; write (await ask(…)).text"),
        (undeclared, "; a program that awaits is declared `async def`"),
    ],
)
def test_an_await_or_an_async_that_is_missing_is_told_of(program: Any, why: str) -> None:
    [found] = score(program, 1)
    assert why in found.feedback
    assert ended()


async def waits_for_ever(prompt: Any, example: Example, ask: Any) -> str:
    await asyncio.Event().wait()
    return "yes"


async def sleeps(prompt: Any, example: Example, ask: Any) -> str:
    await ask("first")
    await asyncio.sleep(1e6)
    return "yes"


@pytest.mark.parametrize("program", [waits_for_ever, sleeps])
def test_an_async_program_that_waits_for_ever_leaves_no_thread_behind(program: Any) -> None:
    # Each that is left holds a thread and three files, and a search has thousands of cells.
    [found] = score(program, 1, seconds=0.05)
    assert "it went on for 0.05 seconds" in found.feedback
    assert ended()


@pytest.mark.parametrize("where", ["in its last words", "at the lock"])
def test_a_program_told_to_end_once_more_while_it_ends_reports_and_is_left(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An exception out of its thread is an error of pytest's.
    def fails(prompt: Any, example: Example, ask: Any) -> str:
        raise ValueError("no")

    reports: SimpleQueue[CellWorker | None] = SimpleQueue()
    worker = CellWorker(fails, Record(cells(1)[0]), Rules(9, 9.0, Sampling()), reports)

    class Told:
        """A lock that is waited for while the thread is told to end, the first time."""

        def __enter__(self) -> None:
            if not told:
                told.append(True)
                raise_in(worker.thread, SystemExit)

        def __exit__(self, *error: object) -> None: ...

    def told_meanwhile(cause: BaseException) -> str:
        worker.stop("the run ended")
        return said_of(cause)

    told: list[bool] = []
    if where == "in its last words":
        monkeypatch.setattr("promptopt.programs.worker.said_of", told_meanwhile)
    else:
        worker._ending = cast("Any", Told())
    worker.go_on(None)
    assert reports.get(timeout=60.0) is worker
    worker.thread.join(60.0)
    assert not worker.thread.is_alive()
    assert worker.ended
    assert worker.gone


def test_an_async_program_that_catches_its_end_is_closed_where_it_ran_and_goes_on_nowhere_else() -> None:
    closed_in: list[str] = []

    async def program(prompt: Any, example: Example, ask: Any) -> str:
        while True:
            try:
                await asyncio.sleep(1_000.0)
            except GeneratorExit:
                closed_in.append(threading.current_thread().name)
                raise
            except BaseException:  # noqa: BLE001
                pass

    [found] = score(program, 1, seconds=0.2)
    assert found.feedback.startswith("the program failed: it went on for 0.2 seconds")
    assert ended()
    gc.collect()
    assert closed_in == ["promptopt program"]


def test_what_an_async_program_hands_to_a_thread_runs_where_it_runs_but_for_an_executor_of_its_own() -> None:
    names: list[str] = []

    async def program(prompt: Any, example: Example, ask: Any) -> str:
        here = threading.current_thread()
        await asyncio.to_thread(lambda: names.append("here" if threading.current_thread() is here else "elsewhere"))
        with ThreadPoolExecutor(1) as own:
            work = asyncio.get_running_loop().run_in_executor(own, lambda: threading.current_thread() is here)
            names.append("here" if await work else "elsewhere")
        return "yes"

    before = threading.active_count()
    [found] = score(program, 1)
    assert found.value == 1.0
    # A cell is run twice, to see whether the program keeps state between cells.
    assert names == ["here", "elsewhere"] * 2
    assert ended()
    assert threading.active_count() == before


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("bye"), StopAsyncIteration()])
def test_what_is_raised_there_costs_the_cell_alone(error: BaseException) -> None:
    def fails() -> None:
        raise error

    async def program(prompt: Any, example: Example, ask: Any) -> str:
        await asyncio.to_thread(fails)
        return "yes"

    [found] = score(program, 1)
    assert f"it raised {type(error).__name__}" in found.feedback
    assert ended()


@pytest.mark.parametrize(("calls", "value"), [(1_000, 1.0), (1_001, 0.0)])
@pytest.mark.slow
def test_the_thousandth_call_is_answered_and_the_next_is_not(calls: int, value: float) -> None:
    def program(prompt: Any, example: Example, ask: Any) -> str:
        for number in range(calls):
            ask(f"call {number}")
        return "yes"

    ask = Batches()
    [found] = score(program, 1, ask)
    assert (found.value, sum(map(len, ask.batches))) == (value, 1_000)


@pytest.mark.slow
def test_a_search_goes_on_and_keeps_what_was_paid_where_cells_give_what_is_none(tmp_path: Path) -> None:
    def program(prompt: Any, example: Example, ask: Any) -> Any:
        said = ask(f"{prompt['answer']} {example['question']}", part="answer").text
        return Score(cast("Any", "good")) if example["question"].endswith("3") else said

    task = program_task(
        [Example.of("yes", question=f"question {number}") for number in range(60)],
        prompt={"answer": "Answer it."},
        program=program,
        splits=Splits(20, 10, 20),
    )
    model = Scripted(lambda _: "yes", name="agrees")
    result = optimize(task, "random", model=Models(model), store=tmp_path / "store.db")
    assert result.start.test is not None
    assert result.start.test.score == 1 - result.start.test.unreadable / result.start.test.n < 1


def test_bootstrap_says_of_a_program_where_it_is_told_how_demonstrations_are_shown(tmp_path: Path) -> None:
    task = program_task(
        [Example.of("yes", question=f"question {number}") for number in range(60)],
        prompt={"answer": "Answer it."},
        program=lambda prompt, example, ask: ask(prompt["answer"]).text,
    )
    with pytest.raises(ConfigError, match=r"of a program as docs/programs\.md shows"):
        optimize(task, "bootstrap", model=Scripted(lambda _: "yes", name="agrees"), store=tmp_path / "store.db")
