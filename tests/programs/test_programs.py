"""Programs: cells of several calls, in lockstep, under the run's ledger; what one does costs its own cell alone."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError, CutShort
from promptopt.models.scripted import Scripted
from promptopt.programs import ProgramEvaluator, lockstep
from promptopt.run.budget import Limits
from promptopt.run.door import Door
from promptopt.store.runs import Store
from promptopt.types import Cell, Example, Prompt, Request, Sampling, Score, TracedCall
from tests.evaluators.fake_task import FakeAsk

PROMPT = Prompt((("plan", "Plan it."), ("answer", "Answer it.")))


def cells(count: int) -> list[Cell]:
    return [Cell(PROMPT, Example.of("yes", question=f"q{number}")) for number in range(count)]


def chain(prompt: Prompt, example: Example, ask) -> str:
    """Three calls, each of the one before."""
    plan = ask(f"{prompt['plan']} {example['question']}", part="plan").text
    draft = ask(f"{prompt['answer']} {plan}", part="answer").text
    return ask(f"Repeat: {draft}").text


def echo(request: Request) -> str:
    return f"<{request.content}>"


class Batches(FakeAsk):
    """Remembers which requests went out together."""

    def __init__(self, reply: Callable[[Request], str] = echo) -> None:
        super().__init__(reply)
        self.batches: list[list[str]] = []

    def __call__(self, requests, *, role="task", repetition=0):
        self.batches.append([str(request.content) for request in requests])
        return super().__call__(requests, role=role, repetition=repetition)


def score(program, count: int = 3, ask: FakeAsk | None = None, **settings) -> list[Score]:
    settings.setdefault("metric", "contains")
    return ProgramEvaluator(program, **settings).score(cells(count), Batches() if ask is None else ask)


def ended() -> bool:
    """Whether no program runs any more; a busy machine takes a while to end its thread."""
    for thread in threading.enumerate():
        if thread.name == "promptopt program":
            thread.join(60)
    return all(thread.name != "promptopt program" for thread in threading.enumerate())


def test_the_waiting_calls_of_all_cells_are_one_batch_in_cell_order() -> None:
    ask = Batches()
    score(chain, 3, ask)
    assert [len(batch) for batch in ask.batches] == [3, 3, 3]
    assert ask.batches[0] == ["Plan it. q0", "Plan it. q1", "Plan it. q2"]
    assert ask.batches[1] == [f"Answer it. <Plan it. q{number}>" for number in range(3)]
    assert ended()


@pytest.mark.parametrize("window", [1, 2, 5])
def test_cells_beyond_the_window_begin_as_others_end(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep, "WINDOW", window)
    ask = Batches()
    found = score(chain, 7, ask)
    assert [f"q{number}" in each.output for number, each in enumerate(found)] == [True] * 7
    assert max(len(batch) for batch in ask.batches) == window
    assert sum(map(len, ask.batches)) == 21


def test_a_trace_names_the_part_the_request_and_the_reply_of_every_call() -> None:
    (found,) = score(chain, 1)
    assert [call.part for call in found.trace] == ["plan", "answer", ""]
    assert found.trace[0] == TracedCall("plan", "Plan it. q0", "<Plan it. q0>")
    assert found.output == "<Repeat: <Answer it. <Plan it. q0>>>"


def test_a_part_that_no_call_names_is_found_by_its_text() -> None:
    (found,) = score(
        lambda prompt, example, ask: ask([("system", prompt["plan"]), ("user", example["question"])]).text, 1
    )
    assert [call.part for call in found.trace] == ["plan"]


def test_a_program_may_give_a_trace_of_its_own() -> None:
    own = (TracedCall("plan", "in", "out"),)
    (found,) = score(lambda prompt, example, ask: ("yes", own), 1)
    assert (found.value, found.trace) == (1.0, own)


def raises(prompt, example, ask):
    raise ValueError("no such thing")


def loops(prompt, example, ask):
    while True:
        ask("again")


def spins(prompt, example, ask):
    while True:
        pass


def exits(prompt, example, ask):
    raise SystemExit("bye")


def swallows(prompt, example, ask):
    try:
        while True:
            ask("again")
    except BaseException:  # noqa: BLE001
        return "yes"


def threads(prompt, example, ask):
    found = []
    thread = threading.Thread(target=lambda: found.append(ask("from elsewhere").text))
    thread.start()
    thread.join()
    return "yes"


def gives_a_number(prompt, example, ask):
    return 3


def gives_the_reply(prompt, example, ask):
    return ask("What is it?")


def gives_bytes(prompt, example, ask):
    return b"x" * 1_000


def interrupts(prompt, example, ask):
    raise KeyboardInterrupt


BAD = {
    "raises": (raises, "it raised ValueError: no such thing"),
    "asks for ever": (loops, "it made more than 20 calls"),
    "exits": (exits, "it raised SystemExit: bye"),
    "interrupts": (interrupts, "it raised KeyboardInterrupt"),
    "swallows every exception": (swallows, "it made more than 20 calls"),
    "asks from its own threads": (threads, "it asked the model from a thread of its own"),
    "gives no text": (gives_a_number, "it gave 3, and a program gives a text, a text and its trace, or a Score"),
    "gives the reply itself": (gives_the_reply, "it gave a Reply, and a program gives"),
    "gives more than can be shown": (gives_bytes, "it gave b'" + "x" * 20),
}


@pytest.mark.parametrize("given", [3, b"x" * 1_000, None, {"answer": "x"}, ("x", 3)])
def test_a_program_that_gives_no_text_is_not_said_to_have_raised_something(given: object) -> None:
    [found] = score(lambda prompt, example, ask: given, 1)
    assert "raised" not in found.feedback
    assert len(found.feedback) < 200


def test_a_program_that_gives_the_reply_is_told_of_its_text() -> None:
    [found] = score(gives_the_reply, 1)
    assert found.feedback.endswith("; give the reply's `text`")


def test_a_cell_that_asked_nothing_says_so_whatever_came_of_it() -> None:
    def program(prompt, example, ask):
        if example["question"] == "q0":
            return "yes"
        if example["question"] == "q1":
            raise ValueError("no such tool")
        if example["question"] == "q2":
            return Score(1.0, "yes")
        if example["question"] == "q3":
            return "yes", [TracedCall("plan", "asked elsewhere", "yes")]
        return ask(f"{prompt['plan']} {example['question']}").text

    assert [each.asked for each in score(program, 5)] == [False, False, False, True, True]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_program_costs_its_own_cell_only(kind: str) -> None:
    bad, why = BAD[kind]

    def program(prompt: Prompt, example: Example, ask) -> str:
        return bad(prompt, example, ask) if example["question"] == "q1" else ask("yes").text

    found = score(program, 3, most_calls=20)
    assert [each.value for each in found] == [1.0, 0.0, 1.0]
    assert not found[1].parsed
    assert found[1].feedback.startswith(f"the program failed: {why}")
    assert ended()


def test_a_program_that_never_returns_is_stopped() -> None:
    (found,) = score(spins, 1, seconds=0.02)
    assert found.feedback == (
        "the program failed: it went on for 0.02 seconds without asking the model or coming to an end"
    )
    assert ended()


@pytest.mark.slow
def test_a_program_that_never_returns_costs_its_own_cell_only() -> None:
    found = score(lambda *cell: spins(*cell) if cell[1]["question"] == "q1" else cell[2]("yes").text, 3, seconds=3)
    assert [each.value for each in found] == [1.0, 0.0, 1.0]
    assert ended()


def test_equal_sampled_requests_of_a_cell_are_draws_and_equal_greedy_ones_are_one_call(tmp_path: Path) -> None:
    def twice(prompt: Prompt, example: Example, ask) -> str:
        hot = Sampling(temperature=1.0)
        return " ".join([ask("cold").text, ask("cold").text, ask("hot", hot).text, ask("hot", hot).text])

    model = Scripted(lambda request: f"{request.seed}", name="seeds")
    found, door = through_a_door(tmp_path, twice, model)
    first, second = (each.output.split() for each in found)
    assert first[0] == first[1] == second[0] == "None"
    assert len({*first[2:], *second[2:]}) == 4
    # Two cells: one greedy call for both, and two draws for each.
    assert door.account.spent.calls == model.calls == 5


def through_a_door(home: Path, program, model, count: int = 2, limits: Limits | None = None):
    with Store(home / "store.db") as store:
        door = Door(
            models={"task": model, "proposer": model, "judge": model}, prices={}, cache=store.cache, journal=None,
            limits=Limits() if limits is None else limits, seed=0, stopping=lambda: None, warn=lambda _: None,
        )  # fmt: skip
        return ProgramEvaluator(program, metric="contains").score(cells(count), door), door


def test_a_cap_on_calls_is_exact_and_a_cell_that_it_cuts_is_not_scored(tmp_path: Path) -> None:
    model = Scripted(echo, name="echo")
    with pytest.raises(CutShort) as cut:
        through_a_door(tmp_path, chain, model, 4, Limits(calls=10))
    assert model.calls == 10
    assert sorted(cut.value.scores) == [0, 1]
    assert ended()


def test_an_interrupt_ends_all_programs(tmp_path: Path) -> None:
    def stop(request: Request) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(chain, 5, FakeAsk(stop))
    assert ended()


def test_an_async_program_runs_its_side_by_side_calls_in_one_batch() -> None:
    async def program(prompt: Prompt, example: Example, ask) -> str:
        one, other = await asyncio.gather(ask(f"one {example['question']}"), ask(f"other {example['question']}"))
        return (await ask(f"{one.text} {other.text}")).text

    ask = Batches()
    found = score(program, 2, ask)
    assert [len(batch) for batch in ask.batches] == [4, 2]
    assert found[1].output == "<<one q1> <other q1>>"


def test_where_most_of_the_first_cells_fail_the_reason_is_told_once() -> None:
    def told(failing: int, at_once: int = 8) -> list[str]:
        def some(prompt: Prompt, example: Example, ask) -> str:
            if int(example["question"][1:]) < failing:
                raise ValueError("no plan.\n\nExpected: a plan.\n")
            return "yes"

        evaluator, ask, every = ProgramEvaluator(some), Batches(), cells(8)
        for begin in [*range(0, 8, at_once), 0]:
            evaluator.score(every[begin : begin + at_once], ask)
        return ask.warned

    assert told(4) == []
    [line] = told(5)
    assert line == (
        "on 5 of the first 8 cells, which are worth 0, the program failed: it raised ValueError: no plan. Expected: a "
        "plan; where that is no fault of the prompt, stop here, and mend the program on one example before a search is "
        "paid for"
    )
    # One cell or three show too little, however many of them fail.
    assert told(1, at_once=1) == told(2, at_once=3) == []
    assert [line.partition(",")[0] for line in told(3, at_once=1)] == ["on 3 of the first 5 cells"]


@pytest.mark.parametrize(
    ("raised", "stopped"),
    [
        (lambda reply: undefined, True),  # noqa: F821
        (lambda reply: reply.txt, True),
        (lambda reply: chain(reply), True),
        (lambda reply: chain(reply, example=1, ask=reply, more=2), True),
        # What a model wrote decides these: arguments of a tool, code that is run, what was read as nothing.
        (lambda reply: chain(**{"question": reply.text}), False),
        (lambda reply: eval("undefined"), False),
        (lambda reply: compile("answer: yes", "<reply>", "eval"), False),
        (lambda reply: int(re.match("never", reply.text)), False),  # type: ignore[call-overload]
        (lambda reply: reply.text.items(), False),
        (lambda reply: {}[reply.text], False),
        (lambda reply: int(reply.text), False),
        (lambda reply: re.match("never", reply.text)["group"], False),
    ],
)
def test_a_program_is_stopped_that_fails_whatever_the_model_says(raised, stopped: bool) -> None:
    def program(prompt: Prompt, example: Example, ask) -> str:
        return raised(ask("q"))

    evaluator, ask = ProgramEvaluator(program), Batches()
    # A minibatch of three shows too little.
    evaluator.score(cells(3), ask)
    if not stopped:
        assert [each.value for each in evaluator.score(cells(3), ask)] == [0.0] * 3
        return
    with pytest.raises(ConfigError, match="the program fails on each of the first 6 cells, whatever the model says"):
        evaluator.score(cells(3), ask)


def test_a_program_that_failed_before_its_first_call_is_stopped_unless_a_cell_went_well() -> None:
    def program(prompt: Prompt, example: Example, ask) -> str:
        if example["question"] in working:
            return "yes"
        raise KeyError("plan")

    working: set[str] = set()
    with pytest.raises(ConfigError, match="it raised KeyError: 'plan'; mend it on one example"):
        score(program, 5)
    working.add("q4")
    assert [each.value for each in score(program, 5)] == [0.0] * 4 + [1.0]
    evaluator = ProgramEvaluator(program)
    evaluator.score(cells(5), Batches())
    working.clear()
    assert len(evaluator.score(cells(8), Batches())) == 8


def test_a_program_that_keeps_something_between_cells_is_told_of() -> None:
    kept: list[str] = []

    def program(prompt: Prompt, example: Example, ask) -> str:
        kept.append(example["question"])
        return ask(f"{len(kept)}").text

    ask = Batches()
    score(program, 3, ask)
    assert len(ask.warned) == 1
    assert "keeps something between cells" in ask.warned[0]
    assert sum(map(len, ask.batches)) == 3
    calm = Batches()
    score(chain, 3, calm)
    assert calm.warned == []


@pytest.mark.parametrize("value", [0, -1, True, "3"])
def test_settings_that_cannot_be_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="most_calls is"):
        ProgramEvaluator(chain, most_calls=value)
    with pytest.raises(ConfigError, match="cannot be called"):
        ProgramEvaluator("chain")


@pytest.mark.parametrize("content", [3, [], [("friend", "hi")], [("user", 3)], {"role": "user"}])
def test_what_is_no_content_fails_the_cell_with_a_sentence(content: object) -> None:
    (found,) = score(lambda prompt, example, ask: ask(content).text, 1)
    assert "a program asked" in found.feedback


def test_each_cell_is_asked_by_its_own_repetition() -> None:
    asked: list[tuple[int, str]] = []

    class Noting(Batches):
        def __call__(self, requests, *, role="task", repetition=0):
            asked.extend((repetition, str(request.content)) for request in requests)
            return super().__call__(requests, role=role, repetition=repetition)

    mixed = [replace(cell, repetition=place % 2) for place, cell in enumerate(cells(4))]
    found = ProgramEvaluator(lambda prompt, example, ask: ask(example["question"]).text, metric="contains").score(
        mixed, Noting()
    )
    assert sorted(asked) == [(0, "q0"), (0, "q2"), (1, "q1"), (1, "q3")]
    assert [score.output for score in found] == ["<q0>", "<q1>", "<q2>", "<q3>"]
