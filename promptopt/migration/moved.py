"""What a migration ends with: the old prompt as the reference, and what became of it on every target."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from promptopt.evaluation import Evaluation
from promptopt.evaluators.generation import CUT, THINKING, UNANSWERED
from promptopt.migration.agreement import NO_AGREEMENT, Agreement
from promptopt.outcome.by_judge import too_few_judged
from promptopt.outcome.decisions import Decision, ScoredPair, overall
from promptopt.outcome.looks import Look
from promptopt.outcome.result import Result
from promptopt.outcome.unread import mostly_unread
from promptopt.stats import Gain
from promptopt.text import counted
from promptopt.types import Prompt, Score

Inferiority = Literal["non-inferior", "inferior", "open"]
"""`non-inferior`: the whole interval lies above -margin; `inferior`: below it; `open`: neither is sure.

A clause of the contract that is broken is `inferior` whatever the mean does, and one that is open leaves all of it so.

The interval of the gain's own level: all verdicts of a migration share that of its first look. Where the scores decide
nothing (`undecided_by`), what is not inferior is open, unless the whole interval lies above 0.
"""


def undecided_by(pairs: Sequence[ScoredPair], old: str, new: str) -> str:
    """Why no loss could show in the scores of the models `old` and `new`; empty where one could."""
    before, after = [pair.before for pair in pairs], [pair.after for pair in pairs]
    if too_few_judged(before, after):
        lost = sum(not (pair.before.judged and pair.after.judged) for pair in pairs)
        return f"{lost} of {counted(len(pairs), 'pair')} of replies could not be judged"
    return mostly_unread({f"of {old}": before, f"of {new}": after})


def inferiority(gain: Gain, margin: float, undecided: str, asked: Sequence[Decision] = ()) -> Inferiority:
    """What is sure of a gain on the reference; `undecided`: as `undecided_by` says.

    `asked`: what became of the clauses on replies of the task's contract, all of which have to be kept.
    """
    low, high = gain.interval
    kept = overall(asked)
    if high < -margin or kept == "regression":
        return "inferior"
    return "non-inferior" if kept == "passed" and low > (0.0 if undecided else -margin) else "open"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a thousand requests take: tokens read and written, and dollars where the price is known."""

    prompt_tokens: float
    completion_tokens: float
    usd: float | None


@dataclass(frozen=True, slots=True)
class Replies:
    """What breaks first on another model: of `n` replies to the test, those that are refusals, cut, or not to be read.

    Each counts once, as the first of these that it is. `schema`: those that break the task's output schema, whatever
    else they are; None where it has none.
    """

    n: int = 0
    refused: int = 0
    cut: int = 0
    unreadable: int = 0
    schema: int | None = None

    @classmethod
    def of(cls, scores: Sequence[Score], breaks: Callable[[str], str] | None = None) -> Replies:
        """As the evaluator has said of each. `breaks`: how a reply breaks the schema; empty where it keeps it."""
        kinds = Counter(_fault(score) for score in scores)
        schema = None if breaks is None else sum(bool(breaks(score.output)) for score in scores)
        return cls(len(scores), kinds["refused"], kinds["cut"], kinds["unreadable"], schema)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long `n` replies took that were asked for now, in seconds: half of them, and 95 of a hundred, no longer."""

    n: int
    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency | None:
        """None where nothing was timed: all was in the store, or the model runs in this process."""
        if not seconds:
            return None
        ordered = sorted(seconds)
        middle, most = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.95))
        return cls(len(ordered), middle, most)


def _fault(score: Score) -> str:
    if score.feedback.startswith(UNANSWERED):
        return "refused"
    if CUT in score.feedback or score.feedback.startswith(THINKING):
        return "cut"
    return "" if score.parsed else "unreadable"


NO_REPLIES = Replies()


@dataclass(frozen=True, slots=True)
class OnModel:
    """One prompt on one model, on the test. `gain`: on the old prompt and the old model, item by item.

    `status`: None where no verdict is given: a prompt that was found for another model. `equivalent`: whether the whole
    interval lies within the margin on both sides (two one-sided tests, Schuirmann 1987), and it is no worse.
    `agreement`: with the reference's replies. `latency`: None where no reply was timed. `undecided`: why no loss could
    show in the scores. `decisions`: what became of each slice that a loss is borne of, and of each example that must
    pass, as `promptopt check` decides it.
    """

    prompt: Prompt
    model: str
    score: float
    unreadable: int
    gain: Gain
    status: Inferiority | None
    cost: Cost
    replies: Replies = NO_REPLIES
    equivalent: bool = False
    agreement: Agreement = NO_AGREEMENT
    latency: Latency | None = None
    undecided: str = ""
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What became of one target. `kept`: the old prompt stays; `search`: the run that looked for another."""

    model: str
    old: OnModel
    new: OnModel | None
    search: Result | None

    @property
    def kept(self) -> bool:
        """Whether the old prompt stays: it is no worse there, or nothing better was found."""
        return self.new is None

    @property
    def chosen(self) -> OnModel:
        """What to use on this model."""
        return self.old if self.new is None else self.new


@dataclass(frozen=True, slots=True)
class Shared:
    """One prompt for all targets. `cells`: it on each of them, in order, with its verdict.

    `search`: the run that looked for it; None: the old prompt is no worse anywhere. `costs`: what sharing costs each
    target: the gain of its own prompt on this one, example by example; None where this is its own.
    """

    prompt: Prompt
    search: Result | None
    cells: tuple[OnModel, ...]
    costs: tuple[Gain | None, ...]

    @property
    def status(self) -> Inferiority:
        """That of all targets together: inferior where it is so on one."""
        found = {cell.status for cell in self.cells}
        return "inferior" if "inferior" in found else "non-inferior" if found == {"non-inferior"} else "open"


@dataclass(frozen=True, slots=True)
class Missing:
    """A target that could not be asked: `reason` says why. `old`: the old prompt there, where that much was had."""

    model: str
    reason: str
    old: OnModel | None = None


@dataclass(frozen=True, slots=True)
class Migration:
    """The old model as the reference, and every target. `matrix`: each prompt on each of `models`, in order.

    A cell is None where that model could not be asked; `missing`: targets that have no verdict for that. `looks`: those
    at the test that the old prompt and the new ones were compared by; `next_look`: the one after them. `ceiling`: how
    far the old model agrees with itself; None where its replies are not drawn, and so are the same each time. `shared`:
    the prompt for all targets, where one was asked for; `unshared`: why there is none.
    """

    task: str
    evaluator: str
    judged: bool
    margin: float
    n: int
    reference: Evaluation
    cost: Cost
    targets: tuple[Target, ...]
    models: tuple[str, ...]
    matrix: Mapping[str, tuple[OnModel | None, ...]]
    warnings: tuple[str, ...]
    looks: tuple[Look, ...] = ()
    next_look: Look | None = None
    missing: tuple[Missing, ...] = ()
    ceiling: Agreement | None = None
    shared: Shared | None = None
    unshared: str = ""
    old_replies: Replies = NO_REPLIES
    """What is wrong with those of the reference."""

    @property
    def done(self) -> bool:
        """Whether every target has a prompt that is no worse than the reference: where one is for all, that one."""
        return not self.missing and not self.unshared and set(self.statuses) == {"non-inferior"}

    @property
    def statuses(self) -> list[Inferiority | None]:
        """Of the prompts that the targets are left with: each its own, or the one for all."""
        return [cell.status for cell in self.chosen]

    @property
    def chosen(self) -> Sequence[OnModel]:
        """What to use on each target that has a verdict."""
        return [target.chosen for target in self.targets] if self.shared is None else self.shared.cells
