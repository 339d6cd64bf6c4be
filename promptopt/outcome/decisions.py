"""What a gate decides of a new prompt against an old one, one decision after the other; and what they come to.

*Inconclusive* is a result of its own: data that cannot tell a loss from chance has not shown that there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from promptopt.evaluators.judging import MOST_UNREAD
from promptopt.evaluators.versus import are_preferences
from promptopt.outcome.panels import dissent, gains_by_judge, unseen_gain
from promptopt.outcome.unread import mostly_unread
from promptopt.stats import ALPHA, EACH_ONCE, Gain
from promptopt.stats.design import PLAIN, Design
from promptopt.tasks.gate import EVERY
from promptopt.text import counted
from promptopt.types import Example, Score

CheckOutcome = Literal["passed", "regression", "inconclusive"]
FEWEST_OF_A_SLICE = 20
"""Examples of a slice below which it gets no number of its own. Ours: of 20, a half is known within 22 points."""
ONE_SIDED = 0.10
"""The two-sided level whose interval has the one-sided level 5 % at its lower end: a margin is held or not on one side
only."""
RIGHT = 1.0
"""The score of an example that passes, where nothing holds it against another reply."""
_SUMMING = 1e-9
_UNTRUSTED = (
    "no labels say how far it can be trusted on these replies; --accept-judge lets it decide, and people decide on the "
    "replies of a search (`promptopt label`)"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing that was asked of the new prompt. `gain`: where it is about scores."""

    name: str
    outcome: CheckOutcome
    message: str
    gain: Gain | None = None

    def to_json(self) -> dict[str, Any]:
        """One JSON object; without a gain where there is none."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """One example under both prompts."""

    example: Example
    before: Score
    after: Score


@dataclass(frozen=True, slots=True)
class AskedSlice:
    """A slice that bears a loss of `margin`, and is decided together with others (`decided`)."""

    name: str
    pairs: Sequence[ScoredPair]
    margin: float
    judged: bool = False
    design: Design = PLAIN
    """Both as in `non_inferior`."""


@dataclass(frozen=True, slots=True)
class Bars:
    """What the score has to hold: the loss that is borne, whether a gain has to be shown, whether a judge decides.

    `sequential`: whether it is decided as soon as it can be.
    """

    margin: float
    better: bool = field(kw_only=True)
    accept_judge: bool = field(kw_only=True)
    sequential: bool = field(default=False, kw_only=True)


def overall(decisions: Sequence[Decision]) -> CheckOutcome:
    """A regression in one is a regression; else inconclusive in one is inconclusive."""
    found = {decision.outcome for decision in decisions}
    return "regression" if "regression" in found else "inconclusive" if "inconclusive" in found else "passed"


def deciding(decisions: Sequence[Decision]) -> list[Decision]:
    """Those that the outcome of all is by; none where all passed."""
    outcome = overall(decisions)
    return [decision for decision in decisions if decision.outcome == outcome != "passed"]


def non_inferior(
    name: str,
    pairs: Sequence[ScoredPair],
    margin: float,
    *,
    judged: bool = False,
    among: int = 1,
    design: Design = PLAIN,
) -> Decision:
    """Whether the new prompt loses no more than `margin` on average: the lower end of the one-sided 95 % interval.

    It is a regression where the whole two-sided 95 % interval is below zero and the margin is not held. Scores of minus
    infinity count against the prompt that has them (`stats.paired_gain`): where they decide, the loss is a share of the
    examples. Where most replies could not be read, no loss could show, and only a gain passes (`mostly_unread`).
    `judged`: the scores are a judge's word, which decides nothing. `among`: how many such questions it is one of, each
    of which may look like a loss by chance. `design`: how both are compared. Where a judge of a panel contradicts the
    mean of all, it is inconclusive.
    """
    told = _judged_pairs(pairs)
    asked = AskedSlice(name, told, margin, judged, design)
    found = _by_mean(asked, left_out=len(pairs) - len(told), among=among)
    if judged or found.outcome == "inconclusive":
        return found
    said = dissent(_gains_by_judge(told, design), margin, worse=found.outcome == "regression")
    return replace(found, outcome="inconclusive", message=f"{found.message}; but {said}") if said else found


def _by_mean(asked: AskedSlice, *, left_out: int, among: int) -> Decision:
    """As `non_inferior`, whatever single judges say; `left_out`: pairs that could not be judged, beside those asked."""
    name, told, margin, judged = asked.name, asked.pairs, asked.margin, asked.judged
    gain = _paired_gain(told, ONE_SIDED, asked.design)
    low, high = gain.interval
    mean, two_sided = f"{_points(gain.mean)} points", f"95 %: {_points(gain.ci95[0])} to {_points(gain.ci95[1])}"
    once = f", each of {gain.units} groups counting once" if gain.test.endswith(EACH_ONCE) else ""
    size = f"n = {gain.n}{once}{_impossible(told)}"
    shown = f"{mean} ({two_sided}), {size}"
    least = f"{mean} (one-sided 95 %: {bound_said(low, -margin)} or more), {size}"
    if left_out > MOST_UNREAD * (len(told) + left_out):
        lost = counted(left_out, "reply", "replies")
        return Decision(name, "inconclusive", f"{lost} could not be judged: {shown}", gain)
    if judged:
        return Decision(name, "inconclusive", f"a judge says {shown}; {_UNTRUSTED}", gain)
    unread = "" if low > 0.0 else mostly_unread(_sides(told))
    if low > -margin and not unread:
        return Decision(name, "passed", f"{least}: no loss of {100 * margin:g} points or more", gain)
    alone = (high < -margin, gain.ci95[1] < 0)
    beyond, worse = alone if among == 1 or not any(alone) else _sure_losses(asked, among)
    if beyond:
        most = f"{mean} (one-sided 95 %: {bound_said(high, -margin)} or less), {size}"
        return Decision(name, "regression", f"{most}: a loss of more than {100 * margin:g} points", gain)
    open_ = f"a loss of {100 * margin:g} points is not ruled out (one-sided 95 %: {bound_said(low, -margin)} or more)"
    # Worse for sure, if perhaps by less than the margin: more examples would not mend that.
    if worse:
        return Decision(name, "regression", f"{shown}: worse, and {open_}", gain)
    if any(alone):
        chance = "alone it would be a regression, but one of several may look so by chance: give more examples of it"
        return Decision(name, "inconclusive", f"{shown}: {chance}", gain)
    if unread:
        return Decision(name, "inconclusive", f"{unread}, so no loss could show: {shown}", gain)
    return Decision(
        name, "inconclusive",
        f"{least}: a loss of {100 * margin:g} points is not ruled out; these examples hold a margin of "
        f"{100 * max(0.0, -low):.1f} points, so give more of them", gain,
    )  # fmt: skip


def _sure_losses(asked: AskedSlice, among: int) -> tuple[bool, bool]:
    """Whether more than the margin is lost for sure, and whether anything is, as one of `among` such claims."""
    ends = [_paired_gain(asked.pairs, level / among, asked.design).interval[1] for level in (ONE_SIDED, ALPHA)]
    return ends[0] < -asked.margin, ends[1] < 0


def shown_better(score: Decision, pairs: Sequence[ScoredPair] = (), design: Design = PLAIN) -> Decision:
    """`score`, of `non_inferior`, where a gain is required: no loss is inconclusive without a gain.

    A gain is shown where the whole two-sided 95 % interval is above zero, the reverse of a regression. `pairs`: what
    `score` is of, as each judge of a panel has to see the gain.
    """
    if score.outcome != "passed" or score.gain is None:
        return score
    low, high = score.gain.ci95
    shown = f"{_points(score.gain.mean)} points (95 %: {bound_said(low, 0.0)} to {_points(high)}), n = {score.gain.n}"
    if low > 0:
        said = unseen_gain(_gains_by_judge(_judged_pairs(pairs), design))
        if said:
            return Decision(score.name, "inconclusive", f"{shown}: better is required, and {said}", score.gain)
        return Decision(score.name, "passed", f"{shown}: better", score.gain)
    return Decision(score.name, "inconclusive", f"{shown}: no gain is shown, and better is required", score.gain)


def slices_asked(
    pairs: Sequence[ScoredPair],
    largest_loss: Mapping[str, float],
    *,
    judged: bool = False,
    unjudged: Collection[str] = (),
    design: Design = PLAIN,
) -> list[Decision | AskedSlice]:
    """The slices that a loss is borne of: those that scores can decide, and the decision of each that they cannot.

    `judged`, `design`: as in `non_inferior`. `unjudged`: slices that no judge scores, whatever `judged` says.
    """
    slices: dict[str, list[ScoredPair]] = {}
    for pair in pairs:
        if pair.example.slice:
            slices.setdefault(pair.example.slice, []).append(pair)
    found: list[Decision | AskedSlice] = []
    if EVERY in largest_loss and not slices:
        what = "largest_loss is of slices, and no example is of one: name their column as slice under [data]"
        found.append(Decision("slices", "inconclusive", what))
    # By name, so that a check says the same each time.
    for name in sorted({*slices, *largest_loss} - {EVERY}):
        margin = largest_loss.get(name, largest_loss.get(EVERY))
        held = slices.get(name, [])
        if margin is None:
            continue
        if len(held) < FEWEST_OF_A_SLICE:
            what = f"{counted(len(held), 'example')}, and a number needs {FEWEST_OF_A_SLICE}: give more of this slice"
            found.append(Decision(f"slice {name}", "inconclusive", what))
            continue
        found.append(AskedSlice(f"slice {name}", held, margin, judged and name not in unjudged, design))
    return found


def decided(asked: Sequence[Decision | AskedSlice]) -> list[Decision]:
    """All of `asked` in order, its slices decided so that chance alone seldom makes any of them red (Holm 1979).

    Where nothing is worse, 5 % of gates at most have a red slice, however many slices there are. To pass, each holds
    its margin at 5 % by itself, as all of them have to.
    """
    found: dict[int, Decision] = {}
    open_: dict[int, AskedSlice] = {}
    for at, each in enumerate(asked):
        if isinstance(each, Decision):
            found[at] = each
        elif each.judged:
            found[at] = _of_slice(each)
        else:
            open_[at] = each
    # Those that are worse for sure are no longer among the ones that may look so by chance.
    while open_:
        again = {at: _of_slice(each, among=len(open_)) for at, each in open_.items()}
        found.update(again)
        worse = {at for at, each in again.items() if each.outcome == "regression"}
        if not worse:
            break
        open_ = {at: each for at, each in open_.items() if at not in worse}
    return [found[at] for at in range(len(asked))]


def _of_slice(asked: AskedSlice, among: int = 1) -> Decision:
    return non_inferior(asked.name, asked.pairs, asked.margin, judged=asked.judged, among=among, design=asked.design)


def must_pass(
    examples: Sequence[Example],
    pairs: Sequence[ScoredPair],
    *,
    judged: bool = False,
    unjudged: Collection[str] = (),
    passing: Callable[[Example], float] = lambda _: RIGHT,
) -> list[Decision]:
    """A decision for each example that has to pass, whatever the mean does; `judged`, `unjudged`: as in `slices_asked`.

    `passing`: the score that each needs. One that is in no pair was not asked, as where a cap came first: it is
    inconclusive.
    """
    known = {pair.example: pair for pair in pairs}
    found: list[Decision] = []
    for number, example in enumerate(dict.fromkeys(examples), start=1):
        name, pair = f"must pass {number} ({example.id})", known.get(example)
        if pair is None:
            found.append(Decision(name, "inconclusive", "it was not asked: a cap came first"))
        else:
            found.append(_passes(name, pair, passing(example), judged=judged and example.slice not in unjudged))
    return found


def _passes(name: str, pair: ScoredPair, needed: float, *, judged: bool) -> Decision:
    if not pair.after.judged:
        return Decision(name, "inconclusive", f"its reply could not be judged: {pair.after.feedback}")
    # A mean of parts may miss it in the last digits.
    right, was_right = (each.judged and each.value >= needed - _SUMMING for each in (pair.after, pair.before))
    before = "passed before, and fails now" if was_right else "failed before too"
    feedback = "" if right or not pair.after.feedback else f": {pair.after.feedback}"
    said = ("passes" if right else before) + feedback
    if judged:
        return Decision(name, "inconclusive", f"a judge says that it {said}; {_UNTRUSTED}")
    return Decision(name, "passed" if right else "regression", said)


def keeps_schema(faults: Sequence[tuple[bool, bool]], name: str = "output schema") -> Decision:
    """Whether the replies of the new prompt keep the schema as often as the old one's; each fault: (before, after)."""
    old, new = (sum(pair[side] for pair in faults) for side in (0, 1))
    shown = f"{counted(new, 'reply', 'replies')} of {len(faults)} break it, {old} did before"
    return Decision(name, "regression" if new > old else "passed", shown)


def _judged_pairs(pairs: Sequence[ScoredPair]) -> list[ScoredPair]:
    """Those that have a value of their own on both sides: a judge, where one was asked, could be read."""
    return [pair for pair in pairs if pair.before.judged and pair.after.judged]


def gain_of(pairs: Sequence[ScoredPair], design: Design = PLAIN, alpha: float = ALPHA) -> Gain:
    """The gain over those pairs whose judge, where one was asked, could be read, at the two-sided level `alpha`."""
    return _paired_gain(_judged_pairs(pairs), alpha, design)


def _paired_gain(pairs: Sequence[ScoredPair], alpha: float, design: Design) -> Gain:
    # Minus infinity stays in: it counts against the prompt that has it, as in every verdict.
    before, after = [pair.before for pair in pairs], [pair.after for pair in pairs]
    values = [score.value for score in before], [score.value for score in after]
    groups = [pair.example.group for pair in pairs]
    return design.gain(*values, groups, alpha, preferences=are_preferences(before, after))


def _gains_by_judge(pairs: Sequence[ScoredPair], design: Design) -> dict[str, Gain]:
    groups = [pair.example.group for pair in pairs]
    return gains_by_judge([pair.before for pair in pairs], [pair.after for pair in pairs], groups, design)


def _sides(pairs: Sequence[ScoredPair]) -> dict[str, list[Score]]:
    return {
        "to the old prompt": [pair.before for pair in pairs],
        "to the new prompt": [pair.after for pair in pairs],
    }


def _impossible(pairs: Sequence[ScoredPair]) -> str:
    """How many examples are impossible under each prompt, in words; empty where none is."""
    before = sum(math.isinf(pair.before.value) for pair in pairs)
    after = sum(math.isinf(pair.after.value) for pair in pairs)
    return f" ({before} impossible before, {after} after)" if before or after else ""


def bound_said(value: float, against: float) -> str:
    """In points, with as many digits as it takes to lie on the side of `against` that it lies on."""
    for digits in range(1, 6):
        shown = round(100 * value, digits)
        if (shown > 100 * against) == (value > against):
            return f"{shown:+.{digits}f}"
    return f"{100 * value:+g}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"
