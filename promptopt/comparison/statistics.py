"""What differences between methods are worth: paired tests with Holm's correction, ranks, and the cost of many looks.

scipy does the statistics; it is imported where it is used.
"""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from promptopt.comparison.cells import FLOOR, Row, Tested
from promptopt.outcome.result import RunVerdict
from promptopt.stats import ALPHA, Gain, level, paired_gain, verdict
from promptopt.stats.families import holm
from promptopt.types import Weigh, group_means

ERRORS = 2.0
"""Standard errors that a mean must be away from zero, to be called above or below it."""


def levels(rows: Sequence[Row]) -> dict[str, float]:
    """The two-sided level of each verdict, by task: the levels of all its looks, shared equally among them.

    A comparison opens a test many times, and which of its cells comes first says nothing about it. So all of them
    together have what the ledger of looks (`stats.level`) grants them one after the other. By the union bound a false
    *better* among them is no likelier. The order of the cells changes nothing. On a test that nobody opened before,
    `m` verdicts have 2 * ALPHA / (m + 1) each.
    """
    looks: dict[str, set[int]] = {}
    for row in rows:
        if row.look is not None:
            looks.setdefault(row.cell.task, set()).add(row.look)
    return {task: math.fsum(map(level, sorted(found))) / len(found) for task, found in looks.items()}


def gain_of(rows: Sequence[Row], alpha: float = ALPHA) -> Gain:
    """What the winners of `rows` gain on their starts. An example that several runs saw counts once (`_groups_of`)."""
    return paired_gain(
        [each.start for row in rows for each in row.items],
        [each.best for row in rows for each in row.items],
        alpha=alpha,
        groups=_groups_of(rows),
        weigh=weigh_of_rows(rows),
        bounded=False if any(row.nats for row in rows) else None,
    )


def weigh_of_rows(rows: Sequence[Row]) -> Weigh:
    """What counts once in a mean over all of them: conversations, where a task of theirs says so."""
    return "conversation" if any(row.weigh == "conversation" for row in rows) else "turn"


def verdict_of(row: Row, alpha: float = ALPHA) -> RunVerdict:
    """The verdict on one run; a judge's scores decide none."""
    if row.judged and not row.kept:
        return "undecided"
    return verdict(gain_of([row], alpha))


def _groups_of(rows: Sequence[Row]) -> list[str]:
    """Who was drawn with whom: a user's own groups, and an example with itself in other seeds and models.

    One row alone has no repeats, and keeps its own groups.
    """
    if len(rows) == 1:
        return [each.group for each in rows[0].items]
    return [f"{row.cell.task}/{each.group if each.group else each.key}" for row in rows for each in row.items]


@dataclass(frozen=True, slots=True)
class MethodPair:
    """One method against another on the test items that both were scored on; the mean is `first` minus `second`.

    `gain`: None where they share no item. `adjusted`: the p-value after Holm's correction over all pairs.
    """

    first: str
    second: str
    gain: Gain | None
    adjusted: float | None = None


def pairs_of(rows: Sequence[Row], methods: Sequence[str]) -> tuple[MethodPair, ...]:
    """Every pair of methods, in the order given, with Holm's correction over those that could be tested."""
    measured = {method: _by_item(rows, method) for method in methods}
    found: list[MethodPair] = []
    for first, second in itertools.combinations(methods, 2):
        own, other = measured[first], measured[second]
        common = [item for item in own if item in other]
        if not common:
            found.append(MethodPair(first, second, None))
            continue
        nats = any(row.nats for row in rows)
        gain = paired_gain(
            [other[item][0] for item in common],
            [own[item][0] for item in common],
            groups=[own[item][1] for item in common],
            weigh=weigh_of_rows(rows),
            bounded=False if nats else None,
        )
        found.append(MethodPair(first, second, gain))
    # A pair that shares no item was not tested, and is not corrected for.
    adjusted = iter(holm([pair.gain.p_value for pair in found if pair.gain is not None]))
    return tuple(pair if pair.gain is None else replace(pair, adjusted=next(adjusted)) for pair in found)


def _by_item(rows: Sequence[Row], method: str) -> Mapping[tuple[object, ...], tuple[float, str]]:
    """The winner's score and the name of its unit, by task, model, seed and example (the n-th of equal ones)."""
    own = [row for row in rows if row.cell.method == method]
    found: dict[tuple[object, ...], tuple[float, str]] = {}
    # Always named by example: a pair spans several seeds whether or not this method has finished more than one.
    for row in own:
        cell = row.cell
        for (key, count), each in _items_by_occurrence(row).items():
            name = f"{cell.task}/{each.group if each.group else each.key}"
            found[cell.task, cell.model, cell.seed, key, count] = (each.best, name)
    return found


def _items_by_occurrence(row: Row) -> dict[tuple[str, int], Tested]:
    """The test items by example, the n-th of equal ones: one input may stand in a test twice, alike for all methods."""
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], Tested] = {}
    for each in row.items:
        found[each.key, seen[each.key]] = each
        seen[each.key] += 1
    return found


@dataclass(frozen=True, slots=True)
class Ranks:
    """Average ranks (1 is best) over the blocks that all methods finished.

    `critical`: Nemenyi's critical difference at 0.05 (Demsar 2006): average ranks that are closer are not told apart.
    `p_value`: Friedman's test; None for fewer than three methods, for which it is not made, and fewer than two blocks.
    """

    ranks: tuple[tuple[str, float], ...]
    blocks: int
    critical: float | None
    p_value: float | None


def ranks_of(rows: Sequence[Row], methods: Sequence[str]) -> Ranks | None:
    """Ranks of the winners' test scores; None for fewer than two methods with a test, or no block that all have."""
    scores = scores_of(rows)
    ranked = [method for method in methods if any(method in each for each in scores.values())]
    # A rank among fewer methods is another rank, so Friedman's test takes whole blocks alone.
    blocks = [each for each in scores.values() if len(each) == len(ranked)]
    if len(ranked) < 2 or not blocks:
        return None
    from scipy.stats import friedmanchisquare, studentized_range

    count, number = len(ranked), len(blocks)
    table = [ranks_in(each) for each in blocks]
    means = tuple((method, sum(row[method] for row in table) / number) for method in ranked)
    critical = p_value = None
    if number > 1:
        # Demsar 2006: q_alpha is the studentized range over the square root of 2; CD = q_alpha * sqrt(k (k + 1) / 6 N).
        quantile = float(studentized_range.ppf(1.0 - ALPHA, count, math.inf))
        critical = quantile / math.sqrt(2.0) * math.sqrt(count * (count + 1) / (6.0 * number))
        tied = all(len(set(row.values())) == 1 for row in table)
        if count > 2:
            columns = [[each[method] for each in blocks] for method in ranked]
            # Where all ranks tie, scipy divides zero by zero.
            p_value = 1.0 if tied else float(friedmanchisquare(*columns).pvalue)
    return Ranks(tuple(sorted(means, key=lambda pair: pair[1])), number, critical, p_value)


@dataclass(frozen=True, slots=True)
class Lead:
    """How far a method's winners score above the floor's, over the blocks that both have.

    A block is a task, a model and a seed. `mean`: of the differences of test scores, on the items that both were scored
    on. `error`: its standard error, over blocks, so that what another task or seed would have changed is in it; None
    for one block.
    """

    method: str
    blocks: int
    mean: float
    error: float | None

    @property
    def sure(self) -> bool:
        """Whether the mean is above zero by more than its error explains (`ERRORS`)."""
        return self.error is not None and self.mean > ERRORS * self.error


def leads_of(rows: Sequence[Row], methods: Sequence[str], floor: str = FLOOR) -> tuple[Lead, ...]:
    """The lead of every method that shares a block with `floor`, the largest first."""
    found: list[Lead] = []
    for method in methods:
        # By twos: a third method with a small test says nothing of these.
        both = scores_of([row for row in rows if row.cell.method in (method, floor)])
        found += leads_in(list(both.values()), [method], floor)
    return tuple(sorted(found, key=lambda each: -each.mean))


def leads_in(blocks: Sequence[Mapping[str, float]], methods: Sequence[str], floor: str) -> tuple[Lead, ...]:
    """As `leads_of`; `blocks`: in each the score of every method."""
    found: list[Lead] = []
    for method in methods:
        over = [each[method] - each[floor] for each in blocks if method in each and floor in each]
        # A winner that is impossible on every item has no distance that could be averaged.
        over = [each for each in over if math.isfinite(each)]
        if method == floor or not over:
            continue
        error = statistics.stdev(over) / math.sqrt(len(over)) if len(over) > 1 else None
        found.append(Lead(method, len(over), math.fsum(over) / len(over), error))
    return tuple(sorted(found, key=lambda each: -each.mean))


def scores_of(rows: Sequence[Row]) -> dict[tuple[str, str, int], dict[str, float]]:
    """The test score of each method's winner, by task, model and seed, on the items that all methods there share.

    Under one cap methods can have tests of different sizes, and then the same prompt has two scores. Where they share
    no item, each has its own. A winner that is impossible on an item has a mean of minus infinity, as in its verdict
    it loses that item; what is impossible under all of them tells none from another, and is left out.
    """
    blocks: dict[tuple[str, str, int], dict[str, dict[tuple[str, int], Tested]]] = {}
    for row in rows:
        if row.measured:
            block = (row.cell.task, row.cell.model, row.cell.seed)
            blocks.setdefault(block, {})[row.cell.method] = _items_by_occurrence(row)
    scores: dict[tuple[str, str, int], dict[str, float]] = {}
    for block, tests in blocks.items():
        shared = set.intersection(*map(set, tests.values()))
        weighs = weigh_of_rows([row for row in rows if row.cell.task == block[0]])
        told = {key for key in shared if any(math.isfinite(items[key].best) for items in tests.values())}
        scores[block] = {
            method: _mean_or_infinity([each for key, each in items.items() if not shared or key in told], weighs)
            for method, items in tests.items()
        }
    return scores


def ranks_in(block: Mapping[str, float]) -> dict[str, float]:
    """The rank of each score of one block, 1 for the highest; equal ones share the mean of theirs."""
    from scipy.stats import rankdata

    return dict(zip(block, map(float, rankdata([-score for score in block.values()])), strict=True))


def _mean_or_infinity(items: Sequence[Tested], weigh: Weigh) -> float:
    """What winners score on these; minus infinity where one of them does, or there is none."""
    values = [each.best for each in items]
    return finite_mean(values, [each.group for each in items], weigh) if all(map(math.isfinite, values)) else -math.inf


def finite_mean(values: Sequence[float], groups: Sequence[str] = (), weigh: Weigh = "turn") -> float:
    """The mean of the finite ones; minus infinity where there is none, so that it ranks last.

    `groups`: of each value, where conversations are weighed.
    """
    names = groups if groups else [""] * len(values)
    finite = [(value, name) for value, name in zip(values, names, strict=True) if math.isfinite(value)]
    if not finite:
        return -math.inf
    shown = [value for value, _ in finite]
    counted = group_means(shown, [name for _, name in finite]) if weigh == "conversation" else shown
    return math.fsum(counted) / len(counted)


def winner_mean(row: Row) -> float:
    """What the winner of a row scores."""
    return finite_mean([each.best for each in row.items], [each.group for each in row.items], row.weigh)


def start_mean(row: Row) -> float:
    """What the start of a row scores."""
    return finite_mean([each.start for each in row.items], [each.group for each in row.items], row.weigh)


@dataclass(frozen=True, slots=True)
class Chance:
    """How many *better* verdicts chance alone would give, were no winner better than its start.

    `verdicts`: winners other than the start. `plain`: expected at p < 0.05 each, as if each were alone. `corrected`: at
    the levels that this comparison uses.
    """

    verdicts: int
    plain: float
    corrected: float


def chance_of(rows: Sequence[Row], alphas: Mapping[str, float]) -> Chance:
    """Half of each two-sided level, summed over the verdicts."""
    # A start that stays is compared with itself: no verdict, and no chance of a false one.
    counted = [row for row in rows if row.measured and not row.kept]
    corrected = math.fsum(alphas.get(row.cell.task, ALPHA) / 2.0 for row in counted)
    return Chance(len(counted), len(counted) * ALPHA / 2.0, corrected)
