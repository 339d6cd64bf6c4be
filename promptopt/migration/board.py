"""What a migration knows of its targets while it goes on: each prompt on each of them, and which could not be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptopt.errors import BackendError, ConfigError
from promptopt.evaluation import Evaluation
from promptopt.evaluators.generation import CUT, THINKING, TOO_LONG, UNANSWERED
from promptopt.migration.moved import Missing, OnModel, Target, inferiority
from promptopt.outcome.result import Result
from promptopt.protocols import Model, Task
from promptopt.run.first_replies import advice
from promptopt.thoughts import spoken
from promptopt.types import Prompt

Failure = BackendError | ConfigError
"""What one target may fail with while the others go on."""


@dataclass(frozen=True, slots=True)
class Board:
    """`rows`: each prompt on each target, in order, the old prompt first; None where it was not to be had.

    `tested`: what these are made of, by prompt and place. `lost`: by place, what a target failed with that has no
    verdict for that; `untried`: the same, of one that has.
    """

    targets: Sequence[str | Model]
    names: tuple[str, ...]
    start: Prompt
    rows: dict[Prompt, list[OnModel | None]] = field(default_factory=dict[Prompt, "list[OnModel | None]"])
    tested: dict[tuple[Prompt, int], Evaluation] = field(default_factory=dict["tuple[Prompt, int]", Evaluation])
    lost: dict[int, Failure] = field(default_factory=dict[int, Failure])
    untried: dict[int, Failure] = field(default_factory=dict[int, Failure])

    @property
    def left(self) -> list[int]:
        """The places of the targets that are not lost."""
        return [place for place in range(len(self.names)) if place not in self.lost]

    @property
    def alpha(self) -> float:
        """The level of each verdict. Called where some target has answered under the old prompt."""
        # All of them were made at one look, and share its level.
        return next(old.gain.alpha for old in self.rows[self.start] if old is not None)

    def fail(self, place: int, failure: Failure, *, decided: bool) -> None:
        """A target has failed. `decided`: on the prompt that it failed under there was to be a verdict."""
        # The first failure is the one that is told.
        (self.lost if decided else self.untried).setdefault(place, failure)

    def check_some_left(self) -> None:
        """Raise ConfigError where all targets are lost, by what they were asked: that is to be asked otherwise."""
        mistakes = [failure for failure in self.lost.values() if isinstance(failure, ConfigError)]
        if len(mistakes) == len(self.names):
            raise mistakes[0]

    def moved(self, searches: Sequence[Result | None]) -> tuple[Target, ...]:
        """What became of the targets that have a verdict."""
        found: list[Target] = []
        for place in self.left:
            search = searches[place]
            old = self.rows[self.start][place]
            new = None if search is None or search.prompt == self.start else self.rows[search.prompt][place]
            # Whoever has not answered under the old prompt is lost, and so not among `left`.
            assert old is not None
            found.append(Target(old.model, old, new, search))
        return tuple(found)

    def missing(self) -> tuple[Missing, ...]:
        """Those that have none, and why."""
        olds = self.rows[self.start]
        return tuple(Missing(self.names[place], str(self.lost[place]), olds[place]) for place in sorted(self.lost))

    def remarks(self) -> list[str]:
        """Of targets that have a verdict, and not all prompts."""
        untried = sorted(self.untried.keys() - self.lost.keys())
        return [f"not all prompts were tried on {self.names[place]}: {self.untried[place]}" for place in untried]

    def found_elsewhere(self, targets: Sequence[Target], margin: float) -> list[str]:
        """Of targets whose own prompt is not known to be no worse, where the prompt of another may be.

        No verdict was set aside for it, so this is said and decides nothing.
        """
        own = {target.new.prompt: target.model for target in targets if target.new is not None}
        said: list[str] = []
        for target in targets:
            place = self.names.index(target.model)
            cells = (cell for prompt in own for cell in [self.rows[prompt][place]] if cell is not None)
            # A cell with a status is that of the target's own prompt.
            others = [cell for cell in cells if cell.status is None]
            held = [
                each
                for each in others
                if inferiority(each.gain, margin, each.undecided, each.decisions) == "non-inferior"
            ]
            if target.chosen.status != "non-inferior" and held:
                best = max(held, key=lambda cell: cell.gain.mean)
                said.append(
                    f"the prompt that was found for {own[best.prompt]} ({best.prompt.id}) is above the margin on "
                    f"{target.model}, where no verdict was set aside for it: move with it as --prompt, on new test "
                    f"examples"
                )
        return said


def by_target(searches: Mapping[str, Sequence[str]]) -> list[str]:
    """The warnings of the search on each target, each once; which it is about, where that is not all of them."""
    about: dict[str, list[str]] = {}
    for model, warnings in searches.items():
        for warning in dict.fromkeys(warnings):
            about.setdefault(warning, []).append(model)
    return [
        warning if len(models) == len(searches) else f"{', '.join(models)}: {warning}"
        for warning, models in about.items()
    ]


def silence(task: Task, found: Evaluation) -> str:
    """What is wrong, as a sentence, where a target says nothing at all; else nothing.

    No prompt is found by such replies: a cap or a setting is wrong.
    """
    if not mute(found):
        return ""
    cause, count = found.scores[0].feedback, len(found.scores)
    if not cause.startswith((CUT, THINKING, TOO_LONG, UNANSWERED)):
        return f"each of its {count} replies is empty; see what its server does: a filter, or a template of its chats"
    return f"each of its {count} replies is without text ({cause}); {advice(cause, task.sampling.max_tokens)}"


def mute(found: Evaluation) -> bool:
    """Whether no reply says anything. An evaluator of given texts draws none, and is not mute: it parses all."""
    return not any(score.parsed or (spoken(score.output) or "").strip() for score in found.scores)
