"""What a judge is worth before it is used: held against people's scores (`calibrate`), put to the test (`probe`).

A metric that tells what a reply is worth can be held to the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptopt.arguments import checked
from promptopt.binding.evaluator import bind_evaluator
from promptopt.binding.models import Models, open_models
from promptopt.binding.session import no_search, opened, stopping
from promptopt.binding.task import bind_task
from promptopt.errors import ConfigError, DataError
from promptopt.evaluation import looking
from promptopt.evaluators.judging import DRAWN, drawn, options_of, unusable
from promptopt.evaluators.own_judges import OwnJudges
from promptopt.evaluators.rubric import Rubric
from promptopt.outcome.criterion import by_judge, name_of
from promptopt.outcome.judge_trust import remember, trust_in
from promptopt.protocols import Ask, Evaluator, Grading, Model, Role, Simulating, Task
from promptopt.run.budget import Budget, Ledger
from promptopt.run.door import Door
from promptopt.run.run import Run
from promptopt.store.runs import Store
from promptopt.tasks.reading.cell_texts import cell_text
from promptopt.tasks.reading.conversations import messages_in, transcript
from promptopt.text import counted, shorten
from promptopt.trust.calibration import Calibration, JudgeStatus, ScoredReply, calibration
from promptopt.trust.probes import PLANTED, PROBES, ProbeResult, found_in
from promptopt.types import Cell, Example, Likelihoods, Reply, Request, Score, ScoreRequest

ANEW = (1, 2)
"""Draws beside the first, by which it is seen how steady a judge is. Ours."""
STEADY = 30
"""Replies that this is seen on. Ours."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of a judge, or of a metric (`judge` is empty then). `report` or `found`, as asked for.

    `status`: what the report and the probes of this judge come to; None for a metric, and without a report.
    """

    evaluator: str
    judge: str
    spent: Ledger
    paid: Ledger
    warnings: tuple[str, ...]
    report: Calibration | None = None
    found: tuple[ProbeResult, ...] = ()
    status: JudgeStatus | None = None


@dataclass(frozen=True, slots=True)
class LabelledReply:
    """One reply that people scored, each on the judge's scale. `part`: what the numbers are also shown for."""

    example: Example
    reply: str
    scores: tuple[float, ...]
    part: str = ""


@checked
def calibrate(
    task: str | Path | Task,
    labelled: Sequence[LabelledReply],
    *,
    model: str | Model | Models = "embedded",
    evaluator: str | Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
) -> Judged:
    """Have the judge, or a metric, score replies that people have scored, and say how far they agree.

    What is found is remembered, and a report by this judge, asked like this, speaks of it from then on. Raises
    ConfigError for an evaluator that grades no single reply, DataError without labels, BackendError where the engine
    fails or the budget ends it.
    """
    if not labelled:
        raise DataError("there are no labelled replies; give some, each with a `reply` and a `score`")
    with _asking(task, model, evaluator, budget, seed, store, interrupt) as (judging, asked):
        judged = by_judge(asked.evaluator)
        if not judged and asked.task.metric == "demands":
            _check_demanded(labelled)
        replies = [(each.example, each.reply) for each in labelled]
        scores = judging.grade(replies, asked.door)
        low, high = scale_of(asked.evaluator, asked.task)
        steady = _steady(judging, replies[:STEADY], scores[:STEADY], asked.door) if judged else None
        items = [
            ScoredReply(
                # Levels are counted from 0, wherever the scale begins.
                tuple(score - low for score in each.scores),
                score.value * (high - low) if score.judged else None,
                len(each.reply),
                each.example.group,
                each.part,
            )
            for each, score in zip(labelled, scores, strict=True)
        ]
        # From 1 to 5 there are five levels.
        report = calibration(items, round(high - low) + 1, steady=steady, seed=seed)
        if judged:
            remember(asked.evaluator, asked.door.models, report=report.to_json())
        known = trust_in(asked.evaluator, asked.door.models)
        return replace(asked.judged(report=report), status=None if known is None else known["status"])


@checked
def probe(
    task: str | Path | Task,
    *,
    count: int = PLANTED,
    model: str | Model | Models = "embedded",
    evaluator: str | Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
) -> Judged:
    """Plant six kinds of replies that no judge should be taken in by, on `count` training examples.

    The plain replies are the start prompt's. What is found is remembered. Raises as `calibrate` does.
    """
    if count < 2:
        raise ConfigError(f"probes on {count} inputs show nothing; give 2 or more, such as {PLANTED}")
    with _asking(task, model, evaluator, budget, seed, store, interrupt) as (judging, asked):
        examples = list(asked.task.train[:count])
        cells = [Cell(asked.task.initial, example) for example in examples]
        replies = [reply.written for reply in drawn(asked.task, cells, asked.door) if unusable(reply) is None]
        if len(replies) < len(cells):
            raise DataError(
                f"{len(cells) - len(replies)} of the start prompt's {len(cells)} replies are empty or cut off; raise "
                f"the task's max_tokens, or give a start prompt that is answered"
            )
        planted = [[made.make(replies, at) for at in range(len(replies))] for made in PROBES]
        every = [replies, *planted]
        # All at once, so that an engine is kept busy.
        scores = judging.grade([pair for row in every for pair in zip(examples, row, strict=True)], asked.door)
        rows = [scores[begin : begin + len(replies)] for begin in range(0, len(scores), len(replies))]
        values = [[score.value if score.judged else None for score in row] for row in rows]
        found = tuple(found_in(each, row, values[0]) for each, row in zip(PROBES, values[1:], strict=True))
        if by_judge(asked.evaluator):
            remember(asked.evaluator, asked.door.models, probes=[each.to_json() for each in found])
        return asked.judged(found=found)


def scale_of(evaluator: Evaluator, task: Task) -> tuple[float, float]:
    """The scale on which people score what this evaluator judges: its own, that of the task's rubric, or 0 to 1.

    Raises ConfigError for several tasks with a scale each.
    """
    _check_one_scale(evaluator)
    said = evaluator.fingerprint()
    rubric: Mapping[str, Any] = (
        {} if "scale" in said or not options_of(task, "rubric") else Rubric.for_task(task).fingerprint()
    )
    scale: Any = said.get("scale", rubric.get("scale"))
    return (0.0, 1.0) if scale is None else (float(scale[0]), float(scale[1]))


def _check_one_scale(evaluator: Evaluator) -> None:
    if isinstance(evaluator, OwnJudges):
        raise ConfigError(
            f"each of {', '.join(evaluator.of)} goes by a [judge] of its own, and people score on its scale; hold one "
            f"after the other to the test, as --task {next(iter(evaluator.asked))}: what is found counts for all "
            f"together"
        )


def labelled_rows(
    task: Task, rows: Iterable[tuple[str, Mapping[str, Any]]], scale: tuple[float, float]
) -> list[LabelledReply]:
    """Rows of a file as labelled replies, those of one reply by several people as one.

    Each has the task's inputs, `reply` and `score`; `target`, `slice` and `group` where there are some. What the task
    demands of a reply to these inputs is demanded here too. Raises DataError with where a row stands.
    """
    known = {each.fields: each for each in (*task.train, *task.dev, *task.test)}
    fields = [name for name, _ in task.train[0].fields]
    found: dict[tuple[Example, str, str], list[float]] = {}
    for place, row in rows:
        texts = {name: _cell_for_judge(row.get(name)) for name in (*fields, "reply")}
        given = "" if row.get("score") is None else str(row["score"])
        lost = [name for name in (*fields, "reply", "score") if name not in row]
        if lost:
            raise DataError(
                f"{place}: there is no column {lost[0]!r}; a labelled reply has {', '.join(fields)}, reply and score"
            )
        try:
            score = float(given.strip().replace(",", "."))
        except ValueError:
            # It lies in no scale, so the same sentence tells of it.
            score = float("nan")
        if not scale[0] <= score <= scale[1]:
            raise DataError(f"{place}: score is {given!r}; write a number from {scale[0]:g} to {scale[1]:g}")
        further = {name: "" if row.get(name) is None else str(row[name]) for name in ("target", "group", "slice")}
        inputs = {name: texts[name] for name in fields}
        same = known.get(tuple(inputs.items()))
        example = Example(
            tuple(inputs.items()),
            further["target"],
            group=further["group"],
            tools=() if same is None else same.tools,
            demands=() if same is None else same.demands,
        )
        found.setdefault((example, texts["reply"], further["slice"]), []).append(score)
    return [LabelledReply(example, reply, tuple(scores), part) for (example, reply, part), scores in found.items()]


def _cell_for_judge(cell: object) -> str:
    """A cell as the judge reads it; a list of messages as the transcript that a conversation is shown as."""
    messages = messages_in(cell)
    return cell_text(cell) if messages is None else transcript(messages)


def _check_demanded(labelled: Sequence[LabelledReply]) -> None:
    """Raise DataError where nothing says what is demanded of some of these replies."""
    bare = [each for each in labelled if not each.example.demands]
    if bare:
        shown = shorten(" ".join(value for _, value in bare[0].example.fields), 60)
        raise DataError(
            f"{counted(len(bare), 'labelled reply is', 'labelled replies are')} to inputs that no example of the task "
            f"has, such as {shown!r}, so nothing is demanded of them; take the inputs from the task's own data"
        )


@dataclass(frozen=True, slots=True)
class _JudgeSetup:
    """What a judge is asked through."""

    task: Task
    evaluator: Evaluator
    door: Door
    run: Run

    def judged(self, report: Calibration | None = None, found: tuple[ProbeResult, ...] = ()) -> Judged:
        """What was found, with what it took."""
        door = self.door
        judge = door.models["judge"].name if by_judge(self.evaluator) else ""
        door.lost.tell(self.run.warn)
        return Judged(
            name_of(self.evaluator), judge, door.account.spent, door.account.paid, self.run.warnings, report, found
        )


@contextmanager
def _asking(
    named: str | Path | Task,
    model: str | Model | Models,
    evaluator: str | Evaluator | None,
    budget: Budget | None,
    seed: int,
    place: Store | str | Path | None,
    interrupt: threading.Event | None,
) -> Generator[tuple[Grading, _JudgeSetup]]:
    """A judge and the door to it. Raises BackendError where the engine fails, or the budget ends it."""
    begun = time.monotonic()
    budget = Budget() if budget is None else budget
    task = bind_task(named, seed)
    chosen = bind_evaluator(evaluator, task)
    if isinstance(chosen, Simulating):
        raise ConfigError(
            f"the conversations of task {task.name!r} are played anew each time; hold its judge to the test on a task "
            f"of logged chats with the same [judge]"
        )
    _check_one_scale(chosen)
    if not isinstance(chosen, Grading):
        raise ConfigError(
            f"the evaluator {name_of(chosen)!r} grades no single reply; name rubric, checklist, panel, weighted or "
            f"generation (the task's metric) with --evaluator, or give the task a [judge]"
        )
    with opened(place) as store:
        models = open_models(model).by_role
        run, door = looking(task, chosen, models, store, budget, seed, stopping(budget, begun, interrupt))
        with no_search():
            yield chosen, _JudgeSetup(task, chosen, door, run)


def _steady(judging: Grading, replies: Sequence[tuple[Example, str]], first: Sequence[Score], ask: Ask) -> float | None:
    """The share of replies that are scored alike in three draws; None where none could be read each time."""
    again = [judging.grade(replies, _Anew(ask, draw)) for draw in ANEW]
    rows = [row for row in zip(first, *again, strict=True) if all(score.judged for score in row)]
    if not rows:
        return None
    # Means of several judges may differ in their last digits.
    return sum(all(abs(score.value - row[0].value) < 1e-9 for score in row) for row in rows) / len(rows)


@dataclass(frozen=True, slots=True)
class _Anew:
    """The door, with each reply drawn anew."""

    ask: Ask
    draw: int

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        """As the door, at a temperature, and as another draw."""
        sampled = [replace(each, sampling=replace(each.sampling, temperature=DRAWN)) for each in requests]
        # Judges draw several times themselves: a hundred apart, no two draws are one.
        return self.ask(sampled, role=role, repetition=100 * self.draw + repetition)

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        """As the door."""
        return self.ask.score(requests, role=role)

    def can_score(self, role: Role = "task") -> bool:
        """As the door."""
        return self.ask.can_score(role)

    def warn(self, message: str) -> None:
        """Said already."""
