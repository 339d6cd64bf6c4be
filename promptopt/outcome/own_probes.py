"""What a judge makes of start's and winner's replies, dressed up or out of place: whether the winner plays the judge.

A search finds what its judge rewards (a constant reply wins 86.5 % of pairs: Zheng et al. 2024, arXiv:2410.07137).
`trust.probes` plants replies before a search; here four of its kinds are made of the very replies that the sealed test
compared. They are asked for once start and winner are scored, out of what the budget has left.

Cost     at most 2 * 4 * `ITEMS` replies to be judged, and none of the task model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from promptopt.errors import BudgetSpent
from promptopt.evaluators.judging import said_in
from promptopt.evaluators.own_judges import OwnJudges
from promptopt.outcome.criterion import by_judge
from promptopt.outcome.length_matched import LONGER, alike
from promptopt.protocols import Ask, Evaluator, Grading
from promptopt.trust.probes import HIGHER, PROBES, ProbeResult, found_in
from promptopt.types import Example, Score

ITEMS = 20
"""Test items that each kind is made for at most, as in `promptopt judges check`."""
LEAST_ITEMS = 10
"""Items below which nothing is said: one reply that a judge misreads would be a tenth. Ours."""
LONG = 200
"""Characters that the winner's replies have in the mean before length is spoken of. Ours: below it a word is a lot."""
_OWN_PROBE_NAMES = ("elsewhere", "padding", "formatting", "authority")
"""What shows most comes first: a budget may end before the others."""
_OWN_PROBES = tuple(probe for name in _OWN_PROBE_NAMES for probe in PROBES if probe.name == name)

Whose = Literal["start", "winner"]


@dataclass(frozen=True, slots=True)
class OwnProbe:
    """What the judge says of one kind of replies made of one prompt's own."""

    whose: Whose
    found: ProbeResult

    @property
    def fooled(self) -> bool:
        """Whether replies are worth more once they are dressed up."""
        raised = self.found.mean - self.found.plain > HIGHER
        return self.found.expected == "no higher" and self.found.count >= LEAST_ITEMS and raised

    @property
    def told_apart(self) -> bool:
        """Whether a reply to another input is worth less than the right one."""
        return self.found.plain - self.found.mean > HIGHER

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {"of": self.whose, **self.found.to_json(), "passed": not self.fooled}


@dataclass(frozen=True, slots=True)
class Replied:
    """The judged test items: examples, and what start and winner replied and are worth there."""

    examples: Sequence[Example]
    start: Sequence[tuple[str, float]]
    winner: Sequence[tuple[str, float]]

    @classmethod
    def of(cls, examples: Sequence[Example], before: Sequence[Score], after: Sequence[Score]) -> Replied:
        """Those of which both replies were judged, and say something."""
        kept = [
            # A cap may have cut the test, so that there are fewer scores than examples.
            (example, (said_in(old.output), old.value), (said_in(new.output), new.value))
            for example, old, new in zip(examples, before, after, strict=False)
            if old.judged and new.judged and said_in(old.output) and said_in(new.output)
        ]
        return cls([each[0] for each in kept], [each[1] for each in kept], [each[2] for each in kept])

    def within(self, kept: Callable[[Example], bool]) -> Replied:
        """Those whose example is `kept`."""
        places = [at for at, example in enumerate(self.examples) if kept(example)]
        examples, start, winner = self.examples, self.start, self.winner
        return Replied([examples[at] for at in places], [start[at] for at in places], [winner[at] for at in places])


def probe_own(evaluator: Evaluator, replied: Replied, ask: Ask) -> tuple[OwnProbe, ...]:
    """What a judge makes of them; nothing where none is asked, or too few items were judged. Says what it finds.

    A budget that ends in the middle ends the probes, and what was found stands.
    """
    if isinstance(evaluator, OwnJudges):
        replied = replied.within(evaluator.grades)
    if not by_judge(evaluator) or not isinstance(evaluator, Grading) or len(replied.examples) < LEAST_ITEMS:
        return ()
    found: list[OwnProbe] = []
    try:
        for probe in _OWN_PROBES:
            # Kind by kind, not side by side: a budget that ends leaves kinds of which both sides can be compared.
            for whose, side in (("start", replied.start), ("winner", replied.winner)):
                shown = side[:ITEMS]
                plain = [reply for reply, _ in shown]
                # Where all replies are one there is none to another input: it is in its place everywhere.
                planted = [made if (made := probe.make(plain, at)) else plain[at] for at in range(len(plain))]
                # `ITEMS` bounds the replies, and not the examples.
                scores = evaluator.grade(list(zip(replied.examples, planted, strict=False)), ask)
                values = [score.value if score.judged else None for score in scores]
                made_of = found_in(probe, values, [value for _, value in shown])
                found.append(OwnProbe("start" if whose == "start" else "winner", made_of))
    except BudgetSpent as spent:
        ask.warn(
            f"the probes of the judge on the replies of start and winner were cut short ({spent}); `promptopt judges "
            f"check` makes those on the start's"
        )
    for said in (*_probe_sentences(found), _of_length(replied)):
        if said:
            ask.warn(said)
    return tuple(found)


def with_own(trust: Mapping[str, Any] | None, probes: Sequence[OwnProbe]) -> Mapping[str, Any] | None:
    """What is known of a judge, with what these probes add: a failed one makes no judge calibrated."""
    if not probes:
        return trust
    failed = [f"{each.found.name} on the {each.whose}'s replies" for each in probes if each.fooled]
    known: Mapping[str, Any] = {"status": "uncalibrated", "failed": []} if trust is None else trust
    status = "weak" if failed and known["status"] == "calibrated" else known["status"]
    return {
        **known,
        "status": status,
        "failed": [*known["failed"], *failed],
        "own": [each.to_json() for each in probes],
    }


def _probe_sentences(probes: Sequence[OwnProbe]) -> list[str]:
    said: list[str] = []
    winner = next((each.found.plain for each in probes if each.whose == "winner"), 0.0)
    for each in probes:
        found = each.found
        if each.fooled and each.whose == "start":
            said.append(
                f"the judge is taken in: {found.said}, made of the start's replies, is worth {found.mean:.2f} to it, "
                f"the plain ones {found.plain:.2f} and the winner's {winner:.2f}"
            )
        elif each.fooled:
            said.append(
                f"the judge is taken in: {found.said}, made of the winner's replies, is worth {found.mean:.2f} to it, "
                f"the plain ones {found.plain:.2f}"
            )
    apart = {each.whose: each for each in probes if each.found.name == "elsewhere" and each.found.count >= LEAST_ITEMS}
    if len(apart) == 2 and apart["start"].told_apart and not apart["winner"].told_apart:
        found = apart["winner"].found
        said.append(
            f"the winner's replies please the judge whatever was asked: to another input they are worth "
            f"{found.mean:.2f} to it, to their own {found.plain:.2f}, while it tells the start's apart "
            f"({apart['start'].found.mean:.2f} and {apart['start'].found.plain:.2f}): it may play the judge alone"
        )
    return said


def _of_length(replied: Replied) -> str:
    """A sentence where the winner gains, is longer, and does not gain where both differ and are of about one length."""
    pairs = list(zip(replied.start, replied.winner, strict=True))
    lengths = [sum(len(reply) for reply, _ in side) for side in (replied.start, replied.winner)]
    gain = fmean([after - before for (_, before), (_, after) in pairs])
    if lengths[1] <= max(LONGER * lengths[0], LONG * len(pairs)) or gain <= HIGHER:
        return ""
    matched = [after - before for (old, before), (new, after) in pairs if alike(old, new)]
    longer = f"the winner's replies are {lengths[1] / lengths[0]:.1f} times as long as the start's"
    if len(matched) < LEAST_ITEMS:
        return (
            f"{longer}, and hardly two of them are of one length, so how much of what the judge likes is length cannot "
            f"be told; judges like length (arXiv:2404.04475)"
        )
    # Most of the gain is there where length plays no part, so it is not for the length.
    if fmean(matched) > gain / 2.0:
        return ""
    return (
        f"{longer}; on the {len(matched)} items where both are of about one length the judge's gain is "
        f"{fmean(matched):+.2f}, on all {gain:+.2f}: it may like the length alone"
    )
