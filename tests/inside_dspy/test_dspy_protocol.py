"""What DSPy wants of a teleprompter: callbacks, other teleprompters beside it, threads, copies and saved programs."""

from __future__ import annotations

import asyncio
import copy
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from dspy.utils.callback import BaseCallback  # noqa: E402

from promptopt.dspy import PromptOpt  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402
from tests.inside_dspy.scripted import Engine, Two, examples, lm, right  # noqa: E402
from tests.inside_dspy.test_lms import Awaited  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")


class Compiles(BaseCallback):
    """Hears of every compile."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_compile_start(self, call_id, instance, inputs) -> None:
        self.heard.append("start")

    def on_compile_end(self, call_id, outputs, exception=None) -> None:
        self.heard.append("end")


def teleprompter(home: Path, method: str = "random", **given: object) -> PromptOpt:
    settings = {"budget": Budget(evaluations=60), "store": home / "store.db"} | given
    return PromptOpt(method, metric=right, **settings)


def test_a_compile_is_told_of_once_and_leaves_the_class_of_a_signature_as_it_was(tmp_path: Path) -> None:
    heard, student = Compiles(), Two()
    classes = [predictor.signature for predictor in student.predictors()]
    before = [(each.instructions, predictor.dump_state()) for each, predictor in zip(classes, student.predictors())]  # noqa: B905
    with dspy.context(lm=lm(Engine()), callbacks=[heard]):
        best = teleprompter(tmp_path).compile(student, trainset=examples(60))
    assert heard.heard == ["start", "end"]
    assert [each.signature for each in student.predictors()] == classes
    assert [(each.instructions, own.dump_state()) for each, own in zip(classes, student.predictors())] == before  # noqa: B905
    assert best.promptopt.result.best.prompt != best.promptopt.result.start.prompt


@pytest.mark.filterwarnings("ignore")
def test_it_goes_before_and_after_another_teleprompter(tmp_path: Path) -> None:
    student = Two()
    with dspy.context(lm=lm(Engine())):
        student.set_lm(dspy.settings.lm)
        both = dspy.BetterTogether(metric=right, ours=teleprompter(tmp_path), theirs=dspy.LabeledFewShot(k=2))
        best = both.compile(student, trainset=examples(60), valset=examples(80)[60:], strategy="ours -> theirs -> ours")
    assert {each["strategy"] for each in best.candidate_programs} == {"", *(
        "ours", "ours -> theirs", "ours -> theirs -> ours"
    )}  # fmt: skip


class Later:
    """An engine for programs that await."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def complete(self, request):
        return self.engine.complete(request)

    def __deepcopy__(self, memo: object) -> Later:
        return self


class Awaits(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.solve = dspy.ChainOfThought(dspy.Signature("question -> answer", "Solve it."))

    async def aforward(self, question: str):
        return await self.solve.acall(question=question)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Awaits, Awaited])
@pytest.mark.parametrize("method", ["random", "bootstrap"])
def test_an_async_program_sends_the_same_bytes_when_it_is_loaded(kind, method: str, tmp_path: Path) -> None:
    counted = Engine()
    with dspy.context(lm=lm(counted)):
        best = teleprompter(tmp_path, method, budget=Budget(evaluations=100)).compile(kind(), trainset=examples(60))
    assert best.promptopt.result.spent.calls == counted.calls
    best.save(tmp_path / "program.json")
    loaded = kind()
    loaded.load(tmp_path / "program.json")
    sent = []
    for program in (best, loaded):
        engine = Engine()
        with dspy.context(lm=lm(engine, async_engine=Later(engine), cache=False)):
            asyncio.run(program.acall(question="q1"))
        sent.append([repr((request.system, request.messages, request.config)) for request in engine.requests])
    assert sent[0]
    assert sent[0] == sent[1]


class Interrupts(Engine):
    """Its 60th call is a Ctrl-C; what is in flight by then is answered after it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.going = itertools.count(1), threading.Event()
        self.going.set()

    def complete(self, request):
        if next(self.begun) == 60:
            self.going.clear()
            # What was answered before is read by then, and the run waits.
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            self.going.set()
        self.going.wait()
        return super().complete(request)


@pytest.fixture
def interruptible():
    """A shell lets what it starts in the background ignore an interrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("kind", [Awaits, Awaited, Two])
def test_what_was_in_flight_at_an_interrupt_is_stored_and_paid_once(kind, tmp_path: Path) -> None:
    first, second = Interrupts(), Engine()
    for engine, status in ((first, "suspended"), (second, "finished")):
        with dspy.context(lm=lm(engine), num_threads=4):
            best = teleprompter(tmp_path, budget=Budget(evaluations=100)).compile(kind(), trainset=examples(60))
        assert best.promptopt.result.status == status
    assert 60 <= first.calls <= 64
    assert best.promptopt.result.spent.calls == first.calls + second.calls


@pytest.mark.parametrize("cap", [40, 61])
def test_a_cap_on_calls_holds_whatever_the_number_of_threads(tmp_path: Path, cap: int) -> None:
    class Counts(Engine):
        """Answers so that most cells take more calls than were planned for them."""

        begun = 0
        lock = threading.Lock()

        def complete(self, request):
            with self.lock:
                self.begun += 1
            return super().complete(request)

        def write(self, system, user, request):
            said = super().write(system, user, request)
            return "nothing" if "your objective is" in system and "JSON" not in system + user else said

    engine = Counts()
    with dspy.context(lm=lm(engine), num_threads=8):
        best = teleprompter(tmp_path, budget=Budget(calls=cap)).compile(Two(), trainset=examples(100))
    result = best.promptopt.result
    assert engine.begun == result.spent.calls <= cap
    assert best.plan.signature.instructions == result.best.prompt["plan"]


def test_a_program_that_is_saved_whole_is_loaded_without_promptopt(tmp_path: Path) -> None:
    with dspy.context(lm=lm(Engine())):
        best = teleprompter(tmp_path).compile(dspy.ChainOfThought("question -> answer"), trainset=examples(60))
    best.save(tmp_path / "program", save_program=True)
    script = (
        "import sys, dspy\nsys.modules['promptopt'] = None\n"
        f"program = dspy.load({str(tmp_path / 'program')!r}, allow_pickle=True)\n"
        "print(program.predict.signature.instructions, program.promptopt)"
    )
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=kept, check=True)
    assert found.stdout.strip() == f"{best.predict.signature.instructions} None"
    assert copy.deepcopy(best).promptopt is best.promptopt is copy.copy(best).promptopt
