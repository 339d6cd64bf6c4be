"""The evaluator of programs: a cell is a run of the program, scored by a metric of what it gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from promptopt.errors import BudgetSpent, ConfigError, CutShort
from promptopt.evaluators import metrics
from promptopt.evaluators.generation import Generation
from promptopt.programs.asking import OneByOne, Waiting, through
from promptopt.programs.handle import ChecksItself, Program, TellsItsText, TellsOfItself
from promptopt.programs.lockstep import in_lockstep
from promptopt.programs.secrets import without_secrets
from promptopt.programs.source import source_of
from promptopt.programs.worker import Finished, Rules
from promptopt.protocols import Ask, Metric, Reader, Task
from promptopt.text import counted, shorten
from promptopt.types import Cell, Content, Example, ProgramText, Reply, Sampling, Score, TracedCall

FAILED = "the program failed: "
"""How the feedback on a cell begins whose program gave no output."""
UNSCORED = "no score: "
"""How the feedback on a cell begins that a program's own metric fails on."""
CHECKED = 3
"""Cells that are run a second time, on the replies they had, to see whether the program does the same. Ours."""
HOPELESS = 5
"""Cells that fail whatever the model says before anything else is seen of a program: then the run is stopped. Of so
many it is said why most of them fail, where they do. Ours."""
FAILURE_CHARACTERS = 400
"""Characters of a failure in a feedback sentence."""
SOURCE_CHARACTERS = 200_000
"""Characters of a source that are looked through for secrets, and of which a proposer is shown some. Ours."""
TRACE_CHARACTERS = 4_000
"""Characters of a request or a reply in a trace: what a critic can use, and a million calls fit in memory."""


@dataclass(frozen=True, slots=True)
class _Judging:
    """As much of a task as reading and judging an output takes."""

    sampling: Sampling
    labels: tuple[str, ...] = ()
    train: tuple[Example, ...] = ()
    dev: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ProgramEvaluator:
    """Runs a program on every cell, in lockstep, and has a metric say what its output is worth.

    `program`: (prompt, example, ask) to a text, or to (text, trace); sync or async (`docs/programs.md`). `metric` and
    `answer`: as of a task, on the program's output; `labels` for reading a label. `sampling`: of calls that name none.
    `calls_per_cell`: calls that a cell makes, as far as is known: caps on calls are kept exactly whatever it is, and
    what is set aside under such a cap is planned by it. `most_calls`: what a cell may make; one more costs it its
    score. `seconds`: how long a program may go on without asking the model.

    A cell whose program raises, never ends or passes a limit is worth 0, unparsed, with the reason as feedback; other
    cells are not touched. Raises ConfigError for a program that cannot be called, and where each of the first
    `HOPELESS` cells fails whatever the model says.
    """

    program: Program
    metric: str | Metric = "exact"
    answer: str | Reader = "text"
    labels: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    calls_per_cell: int = 4
    most_calls: int = 1_000
    seconds: float = 60.0
    _judge: Generation = field(init=False, repr=False)
    # Each is a flag: in a frozen dataclass a list can grow, where no value can change.
    _checked: list[None] = field(init=False, repr=False, default_factory=list[None])
    _told: list[None] = field(init=False, repr=False, default_factory=list[None])
    _first: list[str] = field(init=False, repr=False, default_factory=list[str])
    _slips: list[str] = field(init=False, repr=False, default_factory=list[str])
    _went: list[None] = field(init=False, repr=False, default_factory=list[None])

    @property
    def calls_vary(self) -> bool:
        """A program makes as many calls as it likes."""
        return True

    @property
    def first_look(self) -> int:
        """As many as it takes to see a mistake, where the program can tell."""
        return HOPELESS if _defines(self.program, "check") else 0

    def __post_init__(self) -> None:
        if not callable(self.program):
            raise ConfigError(
                f"ProgramEvaluator: {self.program!r:.80} cannot be called; give a function of (prompt, example, ask)"
            )
        for name in ("calls_per_cell", "most_calls", "seconds"):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ConfigError(f"ProgramEvaluator: {name} is {value!r}; give a number above 0")
        task = cast("Task", _Judging(self.sampling, tuple(self.labels)))
        object.__setattr__(self, "_judge", Generation(task, self.metric, self.answer))

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises CutShort with what was scored where a limit cuts the batch."""
        rules = Rules(self.most_calls, self.seconds, self.sampling)
        finished: dict[int, Finished] = {}
        scores: dict[int, Score] = {}
        # A door is asked for one repetition at a time: it is what its draws go by.
        for repetition in dict.fromkeys(cell.repetition for cell in cells):
            places = [place for place, cell in enumerate(cells) if cell.repetition == repetition]
            with through(ask, repetition) as replier:
                ended, cut = in_lockstep(self.program, [cells[place] for place in places], rules, replier)
            finished.update((places[at], each) for at, each in ended.items())
            scores.update((places[at], self._scored(cells[places[at]], each)) for at, each in ended.items())
            if _defines(self.program, "check"):
                cast("ChecksItself", self.program).check()
            self._pass_on(ask.warn)
            self._stop_hopeless([ended[at] for at in sorted(ended)])
            if cut is not None:
                raise CutShort(str(cut), scores)
        self._check_failures(list(scores.values()), ask.warn)
        self._check_state(list(finished.values()), rules, ask.warn)
        return [scores[place] for place in range(len(cells))]

    def begun(self, cells: Sequence[Cell]) -> list[Content]:
        """See `BeginsCells`: the program is run in every cell, up to its first call."""
        first: dict[int, Content] = {}

        def unanswered(asked: Sequence[Waiting]) -> list[Reply]:
            for record, call in asked:
                first.setdefault(id(record), call.request.content)
            # As a cap ends cells: their programs are told to end.
            raise BudgetSpent("no more than the first calls is wanted")

        in_lockstep(self.program, cells, Rules(self.most_calls, self.seconds, self.sampling), OneByOne(unanswered))
        return list(first.values())

    def program_text(self) -> ProgramText:
        """The program as it says itself how it reads, or its source; without the secrets that stand there."""
        own = cast("TellsItsText", self.program) if _defines(self.program, "program_text") else None
        text = ProgramText(source_of(self.program)) if own is None else own.program_text()
        return replace(text, source=without_secrets(text.source[:SOURCE_CHARACTERS]))

    def fingerprint(self) -> Mapping[str, Any]:
        """The metric, and the program as its own `fingerprint()` says, or by name, with a digest of its source."""
        sampling = self.sampling
        return {
            "evaluator": "program",
            "program": cast("Any", self.program).fingerprint()
            if _defines(self.program, "fingerprint")
            else metrics.function_identity(self.program),
            "metric": metrics.function_identity(self.metric),
            "answer": metrics.function_identity(self.answer),
            "labels": list(self.labels),
            "sampling": [sampling.temperature, sampling.top_p, sampling.max_tokens, list(sampling.stop)],
            "most_calls": self.most_calls,
        }

    def _scored(self, cell: Cell, ended: Finished) -> Score:
        # A program's own trace takes the place of this one, which is not made for nothing then.
        if isinstance(ended.output, Score) and ended.output.trace:
            return ended.output
        trace = tuple(_kept(each) for each in ended.record.trace())
        # A shortcut or a failure before the first call is no fault of any text.
        asked = bool(ended.record.asked)
        if ended.output is None:
            failure = f"{FAILED}{shorten(ended.failure, FAILURE_CHARACTERS)}"
            return Score(0.0, parsed=False, feedback=failure, trace=trace, asked=asked)
        if isinstance(ended.output, Score):
            return replace(ended.output, trace=trace, asked=asked)
        text, own = (ended.output, None) if isinstance(ended.output, str) else ended.output
        found = self._judge.judge(cell, Reply(text))
        return Score(
            value=found.value,
            output=found.output,
            answer=found.answer,
            parsed=found.parsed,
            feedback=found.feedback,
            probability=found.probability,
            trace=trace if own is None else tuple(own),
            asked=asked or bool(own),
        )

    def _pass_on(self, warn: Callable[[str], None]) -> None:
        if _defines(self.program, "said"):
            for sentence in cast("TellsOfItself", self.program).said():
                warn(sentence)

    def _stop_hopeless(self, ended: Sequence[Finished]) -> None:
        """Raise ConfigError where all cells so far failed in a way that no prompt mends."""
        if self._went:
            return
        self._slips.extend(each.failure for each in ended if each.slip)
        if not all(each.slip for each in ended):
            self._went.append(None)
        elif len(self._slips) >= HOPELESS:
            raise ConfigError(
                f"the program fails on each of the first {counted(len(self._slips), 'cell')}, whatever the model says: "
                f"{shorten(self._slips[0], FAILURE_CHARACTERS)}; mend it on one example, then run this again"
            )

    def _check_failures(self, scores: Sequence[Score], warn: Callable[[str], None]) -> None:
        """Once: say why, where most of the first `HOPELESS` cells or more failed; one here and there is no mistake."""
        if self._told:
            return
        self._first.extend(score.feedback if not score.parsed else "" for score in scores)
        if len(self._first) < HOPELESS:
            return
        self._told.append(None)
        failed = [feedback for feedback in self._first if feedback.startswith(FAILED)]
        if 2 * len(failed) > len(self._first):
            why = " ".join(failed[0].split()).rstrip(".;")
            warn(
                f"on {len(failed)} of the first {len(self._first)} cells, which are worth 0, {why}; where that is no "
                "fault of the prompt, stop here, and mend the program on one example before a search is paid for"
            )

    def _check_state(self, finished: Sequence[Finished], rules: Rules, warn: Callable[[str], None]) -> None:
        """Once: run a few cells again on the replies they had. They ask and give the same, unless something is kept."""
        first = [each for each in finished if each.output is not None][:CHECKED]
        if self._checked or not first:
            return
        self._checked.append(None)
        again, cut = in_lockstep(self.program, [each.record.cell for each in first], rules, OneByOne(_Recalled(first)))
        same = cut is None and all(_same(one, again[place]) for place, one in enumerate(first))
        if not same:
            warn(
                "the program does not do the same on the same example a second time: it keeps something between cells, "
                "or draws at random, so a score depends on what was scored before and a replay may ask otherwise; "
                "have it begin afresh in every cell"
            )


def _defines(program: object, method: str) -> bool:
    """Whether its class has the method: an object that stands for another, as a mock does, has any there is."""
    return callable(getattr(type(program), method, None))


class _Recalled:
    """Answers a second run of cells by what the first one was told; it asks no model."""

    def __init__(self, first: Sequence[Finished]) -> None:
        # By identity: equal cells each have a record of their own.
        self._first = {id(each.record.cell): each.record for each in first}

    def __call__(self, asked: Sequence[Waiting]) -> list[Reply]:
        replies: list[Reply] = []
        for record, call in asked:
            known = self._first[id(record.cell)]
            place = next(place for place, own in enumerate(record.asked) if own is call)
            told = place < len(known.replies) and known.asked[place].request == call.request
            replies.append(known.replies[place] if told else Reply(""))
        return replies


def _same(one: Finished, other: Finished) -> bool:
    asked, again = ([call.request for call in each.record.asked] for each in (one, other))
    return asked == again and _scored_output(one) == _scored_output(other)


def _scored_output(ended: Finished) -> object:
    return ended.output[0] if isinstance(ended.output, tuple) else ended.output


def _kept(call: TracedCall) -> TracedCall:
    if len(call.input) <= TRACE_CHARACTERS and len(call.output) <= TRACE_CHARACTERS:
        return call
    return TracedCall(call.part, shorten(call.input, TRACE_CHARACTERS), shorten(call.output, TRACE_CHARACTERS))
