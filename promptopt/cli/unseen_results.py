"""What `promptopt unseen` found, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from promptopt.cli.side_by_side import gain_cells
from promptopt.reports import words
from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.comparison.user_prompts import Spread, UnderUserPrompts
    from promptopt.evaluation import Evaluation, PromptComparison
    from promptopt.stats import Gain


SIDES: tuple[str, str] = ("the start's system prompt", "the system prompt found")
"""What each side of a comparison is called."""


@dataclass(frozen=True, slots=True)
class OnUnseenTask:
    """The start and what was found, on the test examples of one unseen task; and the runs they come from.

    `user_prompts`: those that were adapted, to the start's system prompt and to the one found.
    """

    before: Evaluation
    after: Evaluation
    against: PromptComparison
    runs: tuple[str, ...]
    user_prompts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        look = self.after.look
        return {
            "start": asdict(self.before.measured),
            "found": asdict(self.after.measured),
            "gain": self.against.to_json(),
            "look": None if look is None else look.number,
            "runs": list(self.runs),
            **({"user_prompts": list(self.user_prompts)} if self.user_prompts else {}),
        }


@dataclass(frozen=True, slots=True)
class Unseen:
    """What the system prompt found on `sources` is worth on `task`; `adapted`: with user prompts searched for each."""

    task: str
    sources: tuple[str, ...]
    start: str
    system: str
    as_it_is: OnUnseenTask
    adapted: OnUnseenTask | None
    reworded: UnderUserPrompts | None

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        adapted = None if self.adapted is None else self.adapted.to_json()
        reworded = None if self.reworded is None else self.reworded.to_json()
        return {"task": self.task, "sources": list(self.sources), "start_system": self.start, "system": self.system,
                **self.as_it_is.to_json(), "adapted": adapted, "user_prompts": reworded}  # fmt: skip


def summary(found: Sequence[Unseen]) -> dict[str, Any]:
    """Gains over the unseen tasks: mean, least and greatest, and how many."""
    gains = [each.as_it_is.against.gain.mean for each in found]
    return {"mean": sum(gains) / len(gains), "min": min(gains), "max": max(gains), "n": len(gains)}


def unseen_as_text(found: Sequence[Unseen], method: str, model: str) -> str:
    """A table with a row for each unseen task, and what was found."""
    rows = [["unseen task", "", "start", "found", "difference", "from", "to", "p", "level", "verdict", "run"]]
    for each in found:
        kinds = [("as it is", each.as_it_is), *([("adapted", each.adapted)] if each.adapted is not None else [])]
        for kind, judged in kinds:
            scores = (judged.before.measured.score, judged.after.measured.score)
            rows.append(
                _result_row(each.task, kind, scores, judged.against.gain, judged.against.verdict, judged.runs[-1])
            )
        if each.reworded is not None:
            told = each.reworded
            kind = counted(told.start.n, "user prompt")
            rows.append(_result_row(each.task, kind, (told.start.mean, told.found.mean), told.gain, told.verdict, ""))
    lines = [
        f"System prompts by {method} on {model}, judged on the test examples of tasks that were not seen",
        "",
        words.columns(rows, right=tuple(range(2, 9))),
        "",
        *_over_all(found),
        "From and to: 95 % intervals of the paired difference on the same examples. A verdict needs p below its level: "
        f"0.05{f' / {len(found)}' if len(found) > 1 else ''} where nobody looked at the test before, and less with "
        "each look.",
        *(["Undecided: this is what a judge says, and without labels on these very replies it decides nothing."]
          if any(row[9] == "undecided" for row in rows) else []),
    ]  # fmt: skip
    if any(each.adapted is not None for each in found):
        lines.append("Adapted: each system prompt above the user prompt that a search of the same caps found for it.")
    lines += [
        f"{each.task}, under {counted(told.start.n, 'user prompt')} written from examples: "
        f"{_range(told.start)} before, {_range(told.found)} after."
        for each in found
        if (told := each.reworded) is not None
    ]
    lines += [f"\nFound on {', '.join(each.sources)}{_as_found(each)}" for each in _one_per_search(found)]
    lines += [
        f"\n{each.task}, adapted to {side} (run {run}):\n{text}"
        for each in found
        if each.adapted is not None
        for run, side, text in _adapted_once(each.adapted)
    ]
    return "\n".join(lines)


def _result_row(task: str, kind: str, scores: tuple[float, float], gain: Gain, verdict: str, run: str) -> list[str]:
    *cells, decided = gain_cells(gain, verdict)
    return [task, kind, *map(words.score, scores), *cells, words.p_cell(gain.alpha), decided, run]


def _range(spread: Spread) -> str:
    return f"{words.score(spread.mean)} ({words.score(spread.least)} to {words.score(spread.greatest)})"


def _over_all(found: Sequence[Unseen]) -> list[str]:
    """The line on the gains together; none where there is one alone."""
    if len(found) < 2:
        return []
    gains = summary(found)
    mean, least, most = (words.difference(gains[name]) for name in ("mean", "min", "max"))
    return [f"The mean over {len(found)} unseen tasks: {mean} (least {least}, greatest {most})."]


def _as_found(each: Unseen) -> str:
    return " was nothing better than the start." if each.system == each.start else f":\n{each.system}"


def _adapted_once(adapted: OnUnseenTask) -> list[tuple[str, str, str]]:
    """(run, which system prompt, user prompt found), one for each run."""
    rows = zip(adapted.runs, SIDES, adapted.user_prompts, strict=True)
    # The first: where both are one search, the system prompt found is the start's.
    return list({row[0]: row for row in reversed(list(rows))}.values())[::-1]


def _one_per_search(found: Sequence[Unseen]) -> list[Unseen]:
    """One for each search."""
    return list({each.sources: each for each in found}.values())
