"""What a run ends with: a verdict, both prompts with their scores, the lineage, and what it cost."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from promptopt.arguments import checked
from promptopt.outcome.contender import Contender, finite_ends
from promptopt.outcome.front import Tradeoff
from promptopt.outcome.items import SealedItem
from promptopt.outcome.length_matched import length_matched
from promptopt.outcome.looks import Look
from promptopt.outcome.members import MemberGain
from promptopt.outcome.sentence import three_lines
from promptopt.outcome.smallest import SmallestGain
from promptopt.places import write_whole
from promptopt.run import Candidate
from promptopt.run.budget import Ledger
from promptopt.run.events import StepDone
from promptopt.stats import Gain, Verdict
from promptopt.tasks.demos import demo_to_json
from promptopt.tasks.layouts import named_layout
from promptopt.types import Estimate, Prompt, Weigh
from promptopt.types.identity import without_surrogates

INTERRUPTED = "interrupted"
"""The reason of a result that is suspended where it was the user who stopped it."""
Status = Literal["finished", "budget", "suspended"]
"""`budget`: a limit ended the search and the final choice followed. `suspended`: run again to go on."""
RunVerdict = Verdict | Literal["undecided"]
"""`undecided`: only a judge says so, and how far it can be trusted on these replies is known by no labels."""
Basis = Literal["metric", "judge"]


@dataclass(frozen=True, slots=True)
class Guide:
    """What the search went by: an evaluator, the model it asked, and the means of start and winner on train."""

    evaluator: str
    model: str
    start: float | None
    best: float | None
    scored_by: str = ""
    """As of `Result`."""


@dataclass(frozen=True, slots=True)
class Bought:
    """What was paid for, and the seconds that it took."""

    paid: Ledger
    wall_s: float

    def plus(self, other: Bought) -> Bought:
        """Both together."""
        return Bought(self.paid.plus(other.paid), self.wall_s + other.wall_s)

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {"paid": asdict(self.paid), "wall_s": round(self.wall_s, 3)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Bought:
        """The inverse of `to_json`; a whole result has these entries too. Raises KeyError and TypeError."""
        return cls(Ledger(**data["paid"]), data["wall_s"])


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of `promptopt.optimize`. `prompt` is the winner; the start, where nothing better was found."""

    run_id: str
    task: str
    method: str
    seed: int
    model: str
    """The model that the verdict is about."""
    evaluator: str
    """What the verdict is by."""
    proposer: str
    search: Guide
    status: Status
    reason: str
    """Why the search ended, in words; empty when the method was done."""
    start: Contender
    best: Contender
    gain: Gain | None
    """The paired difference on the sealed test; None while suspended."""
    look: Look | None
    """Which look at these test examples the verdict is, and at what level; None where the test was not opened."""
    basis: Basis
    """What the verdict is by: a metric, or the word of a judge, which is none (`promptopt label`)."""
    trust: Mapping[str, Any] | None
    """What is known of the judge: its status, and how it agreed with people; None where nothing is."""
    pairs: str
    """Where the store keeps the replies of start and winner to the test, for people to label; empty for a metric."""
    verdict: RunVerdict | None
    """None where the test was not opened: while suspended, and where a cap left nothing for it."""
    optimism: float | None
    """The winner's dev score minus its test score: what choosing by dev made look better than it is."""
    spent: Ledger
    paid: Ledger
    wall_s: float
    lineage: tuple[Candidate, ...] = field(repr=False)
    front: tuple[Tradeoff, ...] = field(repr=False)
    """Score against length: what a shorter prompt would cost. By the search's own scores, which flatter."""
    steps: tuple[StepDone, ...] = field(repr=False)
    rejected: Mapping[str, int] = field(repr=False)
    warnings: tuple[str, ...]
    items: tuple[SealedItem, ...] = field(default=(), repr=False)
    """The sealed test, item by item; none while suspended, and in results of older versions."""
    by_role: Mapping[str, Ledger] = field(default_factory=dict[str, Ledger], repr=False)
    """The calls, tokens and dollars of `spent`, by the role of the model that was asked."""
    weigh: Weigh = "turn"
    """What counts once in a mean score: each example, or each group of them."""
    members: tuple[MemberGain, ...] = ()
    """The gain on each of several tasks; empty for one task, and where the start won."""
    smallest: SmallestGain | None = None
    """What the verdict is by where the search went by the worst of several tasks; None elsewhere."""
    earlier: Bought | None = None
    """What earlier executions of this run took, beside `paid` and `wall_s` of this one; None where there was none."""
    scored_by: str = ""
    """What a person calls `evaluator`: of one that reads an answer, its metric; empty in results of older versions."""
    judges: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The model of each judge that was asked, by its role."""

    def __str__(self) -> str:
        return three_lines(self.to_json())

    def report(self) -> str:
        """All that `promptopt runs show` says of the run, as a text: scores, prompts, front, cost, warnings."""
        from promptopt.reports.summary import summarise

        return summarise(self.to_json(), exports=False, again=False)

    def _repr_html_(self) -> str:
        from promptopt.outcome.notebook import html_of

        return html_of(self)

    def plot(self) -> Any:
        """Score against evaluations and the sealed test, as a matplotlib Figure. Raises ConfigError without it."""
        from promptopt.outcome.notebook import figure_of

        return figure_of(self)

    @property
    def prompt(self) -> Prompt:
        """The winner."""
        return self.best.prompt

    def candidates(self) -> tuple[Candidate, ...]:
        """Every prompt that was considered, with its parents, in the order it first came up."""
        return self.lineage

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints, and the store keeps."""
        gain, look = self.gain, self.look
        known = None if gain is None else {"mean": gain.mean, "ci95": finite_ends(gain.ci95), "p_value": gain.p_value,
                                           "test": gain.test, "n": gain.n}  # fmt: skip
        return {
            "run_id": self.run_id,
            "task": self.task,
            "method": self.method,
            "seed": self.seed,
            "model": self.model,
            "evaluator": self.evaluator,
            "scored_by": self.scored_by,
            "proposer": self.proposer,
            **({"judges": dict(self.judges)} if self.judges else {}),
            "search": asdict(self.search),
            "status": self.status,
            "reason": self.reason,
            "start": self.start.to_json(),
            "best": self.best.to_json(),
            "gain": known,
            "look": None if gain is None or look is None else _look_json(look, gain),
            **({} if self.weigh == "turn" else {"weigh": self.weigh}),
            "basis": self.basis,
            "trust": self.trust,
            "pairs": self.pairs,
            "verdict": self.verdict,
            "optimism": self.optimism,
            "spent": asdict(self.spent),
            "paid": asdict(self.paid),
            "wall_s": round(self.wall_s, 3),
            "candidates": [_candidate_json(candidate) for candidate in self.lineage],
            "front": [
                {"prompt_id": each.prompt.id, "score": each.score, "n": each.n, "tokens": each.tokens}
                for each in self.front
            ],
            "steps": [_step_json(step) for step in self.steps],
            "rejected": dict(self.rejected),
            "warnings": list(self.warnings),
            "items": [item.to_json() for item in self.items],
            "spent_by_role": {role: asdict(ledger) for role, ledger in self.by_role.items()},
            "members": [member.to_json() for member in self.members],
            **({} if self.smallest is None else {"smallest_gain": self.smallest.to_json()}),
            "earlier": None if self.earlier is None else self.earlier.to_json(),
            **self._of_length(),
        }

    def _of_length(self) -> dict[str, Any]:
        """A judge's gain where length plays no part; nothing for any other verdict."""
        alike = self.best.prompt == self.start.prompt
        if self.basis != "judge" or alike or self.evaluator == "simulated":
            return {}
        found = length_matched(((item.start, item.best, item.group) for item in self.items), self.weigh)
        return {} if found is None else {"length_matched": found.to_json()}

    @classmethod
    @checked
    def load(cls, path: str | Path) -> Result:
        """The result in a file that `save` or `--json` wrote. Raises DataError for anything else."""
        from promptopt.outcome.stored_results import load_result

        return load_result(path)

    @checked
    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, whole or not at all; returns the path. Raises OSError."""
        target = Path(path)
        # Half an emoji in a reply is no UTF-8, and must not cost the file.
        text = without_surrogates(json.dumps(self.to_json(), indent=2, ensure_ascii=False))
        write_whole(target, text + "\n")
        return target


def _look_json(look: Look, gain: Gain) -> dict[str, Any]:
    return {**asdict(look), "interval": finite_ends(gain.interval), "units": gain.units}


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    proposal = candidate.proposal
    return {
        "prompt_id": candidate.prompt.id,
        "parts": dict(candidate.prompt.texts),
        "demos": [demo_to_json(demo) for demo in candidate.prompt.demos],
        **named_layout(candidate.prompt),
        "parents": [parent.id for parent in proposal.parents],
        "operator": proposal.operator,
        "note": proposal.note,
        "search": _estimate_json(candidate.search),
        "dev": _estimate_json(candidate.dev),
    }


def _step_json(step: StepDone) -> dict[str, Any]:
    return {
        "number": step.number,
        "pool": [{"prompt_id": each.prompt.id, "score": _finite_mean(each), "n": each.count} for each in step.pool],
        "kept": [prompt.id for prompt in step.kept],
        "spent": asdict(step.spent),
        **({"note": step.note} if step.note else {}),
    }


def _estimate_json(estimate: Estimate) -> dict[str, Any] | None:
    return {"score": _finite_mean(estimate), "n": estimate.count} if estimate.count else None


def _finite_mean(estimate: Estimate) -> float | None:
    # JSON has no infinities; a candidate that a log-probability of zero made invalid has no score.
    return estimate.mean if estimate.count and math.isfinite(estimate.mean) else None
