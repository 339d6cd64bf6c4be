"""What a search scores, knows and proposes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from promptopt.arguments import told, told_by_name
from promptopt.types.prompts import Example, Prompt
from promptopt.types.weighing import Weigh, mean_of


@told
@dataclass(frozen=True, slots=True)
class Cell:
    """One (prompt, example) pair to be scored; `repetition` tells draws of a sampling task model apart."""

    prompt: Prompt
    example: Example
    repetition: int = 0


@told_by_name
@dataclass(frozen=True, slots=True)
class TracedCall:
    """One call that a cell made of the task model: the prompt part that it used, what was asked, what was said.

    `part`: the editable part whose text stood in the request; empty where the evaluator cannot tell.
    """

    part: str
    input: str
    output: str


@told_by_name
@dataclass(frozen=True, slots=True)
class Score:
    """What one cell is worth.

    `value`: higher is better. `output`: the model's text. `answer`: what was read out of it. `parsed`: whether an
    answer could be read at all (an unreadable answer is worth 0 and is counted apart from a wrong one).
    `feedback`: a sentence on what went wrong, for methods that reflect; empty where all is well. `probability`: of the
    right answer among all answers there are, where the evaluator learns it for the same price; else None.
    `trace`: the calls of a cell that is a program of several, in the order made; empty where `output` tells all.
    `judged`: False where a judge was asked and failed (unreadable, refused): such a cell has no value of its own; a run
    takes it for what other prompts are worth there, and a verdict leaves it out. `parts`: what the value is made of.
    `asked`: False where a program worked it out without a model, so that no text of the prompt had a part in it.
    `demonstration`: what the cell shows as a demonstration, where that is not `output`; empty: it is to be none.
    """

    value: float
    output: str = ""
    answer: str = ""
    parsed: bool = True
    feedback: str = ""
    probability: float | None = None
    trace: tuple[TracedCall, ...] = ()
    judged: bool = True
    parts: tuple[tuple[str, float], ...] = ()
    asked: bool = True
    demonstration: str | None = None

    @property
    def dense(self) -> float:
        """What a search compares by where it has few examples: (value + probability) / 2, or the value alone.

        Half of it is the value itself, so a prompt that moves all probabilities and no answer gains little by it.
        """
        return self.value if self.probability is None else (self.value + self.probability) / 2


@told
@dataclass(frozen=True, slots=True)
class Abilities:
    """What a search may know of the evaluator that guides it.

    `forces`: it scores given texts. `contrasts`: it compares what is right with what is wrong. `sums`: it adds up the
    log-probabilities of all tokens, whatever the length. `stands_in`: start and winner are compared by something else.
    `parts`: its scores may say what they are made of (`Score.parts`). `program`: what it runs in every cell, if that is
    a program.
    """

    forces: bool
    contrasts: bool
    sums: bool
    stands_in: bool
    parts: bool = False
    program: ProgramText | None = None


@dataclass(frozen=True, slots=True)
class ProgramText:
    """A program as people read it: text to be shown, and never run.

    `source`: in Python; empty where there is none to be had. `modules`: by part what asks with it and what that is
    given and gives, as `Predict(question) -> answer`; a part may be missing. `shows_bare`: whether it can show an
    example with its right answer alone; otherwise it shows what it wrote itself, with all that came in between.
    """

    source: str
    modules: Mapping[str, str] = field(default_factory=dict[str, str])
    shows_bare: bool = True


@told
@dataclass(frozen=True, slots=True)
class Estimate:
    """What a selector knows of a prompt: the mean of `count` distinct scored examples. Count 0: never evaluated."""

    prompt: Prompt
    mean: float
    count: int


@told
@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate with its lineage: its parents, the operator that made it, and why (an APO reason, an edit)."""

    prompt: Prompt
    parents: tuple[Prompt, ...] = ()
    operator: str = ""
    note: str = ""


@told
@dataclass(frozen=True, slots=True)
class UpperBounds:
    """Upper bounds on what a search will use, from its settings alone; shown before anything is spent.

    `completion_tokens`: of the proposer, over the whole search.
    """

    evaluations: int
    proposer_calls: int
    completion_tokens: int


@told
@dataclass(frozen=True, slots=True)
class Room:
    """What a search is granted, known before it spends anything: what a method plans on.

    `evaluations`: (prompt, example) cells that the search may score by the caps on evaluations, tokens and dollars;
    the last two are estimates. `calls`: what it may ask of all models together. None: no cap. `train`, `dev`: examples.
    `tasks`: how many the task is made of; `parts`: how many prompt parts may be edited, `users`: how many of them are
    the user prompt of one of the tasks. `metered`: of each cap on tokens or dollars what it leaves, what a cell takes
    of that, and what a call of the proposer takes; all of it is estimated.
    """

    evaluations: int | None
    calls: int | None
    calls_per_cell: int
    train: int
    dev: int
    tasks: int = 1
    parts: int = 1
    users: int = 0
    metered: tuple[tuple[float, float, float], ...] = ()

    @classmethod
    def uncapped(cls, train: int, *, parts: int = 1) -> Room:
        """That of a search that nothing limits, over so many training examples of one task."""
        return cls(None, None, 1, train, 0, parts=parts)

    def cells(self, proposer_calls_per_cell: float = 0.0) -> int | None:
        """How many cells that affords, if each brings so many calls of the proposer with it; None: no cap."""
        found: list[int] = [] if self.evaluations is None else [self.evaluations]
        if self.calls is not None:
            # Rounded down: a cell that its calls do not suffice for is not scored.
            found.append(int(self.calls / (self.calls_per_cell + proposer_calls_per_cell)))
        for left, cell, call in self.metered:
            each = cell + proposer_calls_per_cell * call
            if each > 0:
                # A quotient just below a whole number is that number: 0.3 / 0.1 is 2.9999999999999996.
                found.append(int(left / each + 1e-6))
        return max(0, min(found)) if found else None

    @property
    def call_cells(self) -> float:
        """How many cells a call of the proposer takes as much as, by the cap that it weighs on most.

        0 without a cap on tokens or dollars, or where cells are free.
        """
        return max((call / cell for _, cell, call in self.metered if cell > 0), default=0.0)

    def unlimited(self) -> Room:
        """The same without any cap."""
        return replace(self, evaluations=None, calls=None, metered=())


class ScoreMatrix:
    """The scores of every prompt on every example, in the order asked: `matrix[prompt][j]` belongs to example j."""

    def __init__(
        self, examples: Sequence[Example], rows: Mapping[Prompt, Sequence[Score]], weigh: Weigh = "turn"
    ) -> None:
        """`rows` holds, for each prompt, one score for each example, in order; `weigh`: what counts once in means."""
        self.examples = tuple(examples)
        self.weigh: Weigh = weigh
        self._rows = dict(rows)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts, in the order asked."""
        return tuple(self._rows)

    def __getitem__(self, prompt: Prompt) -> Sequence[Score]:
        return self._rows[prompt]

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def values(self, prompt: Prompt) -> list[float]:
        """The values of one prompt, in the order of `examples`."""
        return [score.value for score in self._rows[prompt]]

    def means(self) -> dict[Prompt, float]:
        """The mean value of every prompt. Empty `examples` give NaN."""
        groups = [example.group for example in self.examples]
        return {
            prompt: mean_of([score.value for score in row], groups, self.weigh) if groups else float("nan")
            for prompt, row in self._rows.items()
        }
