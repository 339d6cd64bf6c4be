"""What PromptOpt, dspy.GEPA and dspy.MIPROv2 do with bad input, on a scripted model: how it ends, and what is paid.

    python -m benchmarks.dspy_bad_input [--cases "a metric that gives NaN"]

Each plays a case once, with some 120 runs of the program. What is logged or warned of where nothing is wrong is no
word on what is.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import math
import re
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dspy

from benchmarks.originals_scripted import START, WORLDS, Engine, examples, lm, quiet
from benchmarks.search import RESULTS, names, write
from promptopt.dspy import PromptOpt, lm_of
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget

RUNS = 120
"""Runs of the program that each is given; MIPROv2 is given trials that come to as many."""
SHOWN = 110
"""Characters of a sentence that are shown."""


class Proposes(Engine):
    """Gives GEPA's proposer what it asks for, too."""

    def _propose(self, asked: str) -> str:
        return f"```\n{START} Work exactly.\n```" if "```" in asked else super()._propose(asked)

    def reply(self, request: Any) -> str:
        """What it says to a request of promptopt's."""
        system = "".join(each.content for each in request.content if each.role == "system")
        turns = [(each.content, each.role) for each in request.content if each.role != "system"]
        self.calls += 1
        return self._answer(system, turns) if "1. `question`" in system else self._propose(turns[-1][0])


class _One(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict(dspy.Signature("question -> answer", START))

    def forward(self, question: str) -> Any:
        return self.answer(question=question)


class _CatchesAll(_One):
    def forward(self, question: str) -> Any:
        try:
            return self.answer(question=question)
        except BaseException:  # noqa: BLE001 - that is what is tried
            return dspy.Prediction(answer="no")


class _OwnThreads(_One):
    def forward(self, question: str) -> Any:
        found: list[Any] = []
        asking = copy_context()
        thread = threading.Thread(target=lambda: found.append(asking.run(self.answer, question=question)))
        thread.start()
        thread.join()
        return found[0]


class _KeepsState(_One):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def forward(self, question: str) -> Any:
        self.seen.append(question)
        return self.answer(question=f"{len(self.seen)} asked; {question}")


class _Shared(_One):
    def __init__(self) -> None:
        super().__init__()
        self.other = _One()
        self.other.answer = self.answer


class _CannotBeCopied(_One):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def deepcopy(self) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object")


class _Empty(dspy.Signature):
    """"""  # noqa: D419 - that is what is tried

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


def right(gold: Any, found: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
    return float(gold.answer == found.answer)


def giving(value: object, of: Callable[[Any], bool] = lambda gold: True) -> Callable[..., Any]:
    """A metric that gives this on some examples."""

    def metric(gold: Any, found: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
        return value if of(gold) else right(gold, found)

    return metric


def raising(gold: Any, found: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
    raise RuntimeError("a table is missing")


def train() -> list[Any]:
    return examples(range(60))


def lacking() -> list[Any]:
    rows = train()
    return [*rows[:20], dspy.Example(question="q20 is it?").with_inputs("question"), *rows[21:]]


def renamed() -> list[Any]:
    return [dspy.Example(query=each.question, answer=each.answer).with_inputs("query") for each in train()]


@dataclass(frozen=True, slots=True)
class Case:
    """_One bad input; all else is as it should be."""

    student: Callable[[], Any] = _One
    metric: Callable[..., Any] = right
    data: Callable[[], list[Any]] = train
    dev: Callable[[], list[Any]] = lambda: examples(range(60, 90))
    ours: bool = False
    """Whether the LM is one of promptopt's."""
    cached: bool = False
    """Whether DSPy's own cache is on, in memory."""


CASES = {
    "nothing wrong": Case(),
    "a program that catches BaseException": Case(_CatchesAll),
    "a program that asks from its own threads": Case(_OwnThreads),
    "a program that keeps state": Case(_KeepsState),
    "a predictor that two modules share": Case(_Shared),
    "a program that cannot be copied": Case(_CannotBeCopied),
    "a signature without instructions": Case(lambda: dspy.Predict(_Empty)),
    "a metric that gives None": Case(metric=giving(None)),
    "a metric that gives NaN": Case(metric=giving(math.nan)),
    "a metric that gives a text": Case(metric=giving("good")),
    "a metric that gives a tensor of two": Case(metric=giving(SimpleNamespace(ndim=1))),
    "a metric that raises": Case(metric=raising),
    "a metric that gives None on one in ten": Case(metric=giving(None, lambda gold: "3 is" in gold.question)),
    "an example without a label": Case(data=lacking),
    "inputs of another name": Case(data=renamed),
    "valset within trainset": Case(dev=lambda: train()[:30]),
    "an LM that is one of promptopt's": Case(ours=True),
    "DSPy's own cache switched on": Case(cached=True),
}


def ours(case: Case, model: Any, folder: Path) -> Any:
    optimizer = PromptOpt("gepa", metric=case.metric, budget=Budget(evaluations=RUNS), store=folder / "store.db")
    return optimizer.compile(case.student(), trainset=case.data(), valset=case.dev())


def gepa(case: Case, model: Any, folder: Path) -> Any:
    optimizer = dspy.GEPA(metric=case.metric, max_metric_calls=RUNS, reflection_lm=model, num_threads=1)
    return optimizer.compile(case.student(), trainset=case.data(), valset=case.dev())


def mipro(case: Case, model: Any, folder: Path) -> Any:
    optimizer = dspy.MIPROv2(case.metric, prompt_model=model, auto=None, num_candidates=3, num_threads=1, seed=1)
    return optimizer.compile(
        case.student(), trainset=case.data(), valset=case.dev(), num_trials=RUNS // 30, minibatch=False
    )


PLAYERS = {"PromptOpt": ours, "dspy.GEPA": gepa, "dspy.MIPROv2": mipro}


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@dataclass(frozen=True, slots=True)
class Played:
    """How a case ended, and what was said meanwhile, each once."""

    end: str
    calls: int
    said: tuple[str, ...]


def played(player: str, case: Case) -> Played:
    """_One case, by one player."""
    engine, heard = Proposes(WORLDS["gains"]), _Heard()
    told = logging.getLogger("dspy")
    told.addHandler(heard)
    model = lm_of(Scripted(engine.reply, name="scripted")) if case.ours else lm(engine, 0.0)
    if case.cached:
        dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
        model = model.copy(cache=True)
    try:
        with (
            quiet(),
            tempfile.TemporaryDirectory() as folder,
            dspy.context(lm=model),
            warnings.catch_warnings(record=True) as seen,
        ):
            warnings.simplefilter("always")
            end = _end(PLAYERS[player], case, model, Path(folder))
    finally:
        told.removeHandler(heard)
    every = [*heard.said, *(str(each.message) for each in seen if not issubclass(each.category, DeprecationWarning))]
    return Played(end, engine.calls, tuple(dict.fromkeys(_plain(each) for each in every)))


def _end(player: Callable[..., Any], case: Case, model: Any, folder: Path) -> str:
    try:
        player(case, model, folder)
    except Exception as cause:  # noqa: BLE001 - how it ends is what is asked
        return f"{type(cause).__name__}: {_plain(str(cause))}"
    return "a program"


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "/").strip()


def told(found: Played, usual: Sequence[str]) -> str:
    """A cell of the table: how it ended, at how many calls, and the first thing that was said of it."""
    known = {re.sub(r"\d+", "", each) for each in usual}
    news = [each for each in found.said if re.sub(r"\d+", "", each) not in known]
    more = "" if not news or found.end != "a program" else f": {_cut(news[0])}"
    silent = ", silent" if not news and found.end == "a program" else ""
    return f"{_cut(found.end)}, {found.calls} calls{silent}{more}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=names, default=tuple(CASES))
    parser.add_argument("--out", type=Path, default=RESULTS / "dspy-bad-input.md")
    chosen = parser.parse_args(arguments)
    usual = {player: played(player, CASES["nothing wrong"]).said for player in PLAYERS}
    lines = ["# Bad input beside dspy.GEPA and dspy.MIPROv2", "",
             f"`python -m benchmarks.dspy_bad_input`, {datetime.date.today()}, DSPy {dspy.__version__}, a scripted "
             f"model. For each: how it ends, the calls that were paid by then, and what is said that is not said where "
             f"nothing is wrong.", "", f"| | {' | '.join(PLAYERS)} |", "|" + " --- |" * (len(PLAYERS) + 1)]  # fmt: skip
    for name in chosen.cases:
        cells = [told(played(player, CASES[name]), usual[player]) for player in PLAYERS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    write(lines, chosen.out)


if __name__ == "__main__":
    main()
