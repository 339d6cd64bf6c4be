"""Racing: block by block on the same examples, until paired tests leave as few prompts as are wanted.

A prompt leaves as soon as at least `keep` others are significantly better. Repeated looks inflate the level of a test:
Racing divides it by their number (Bonferroni). CAPO's races do not, and stop sooner; there the level is a speed knob.
"""

# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from promptopt.arguments import told
from promptopt.ranges import within
from promptopt.selection.arms import Arms, at_least
from promptopt.types import Estimate, Example, Prompt, flat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from promptopt.run import Run

ROUNDING = 1e-9
"""Standard deviations below this share of the largest score are rounding: the difference is a constant."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """When a prompt counts as better than another on the same examples: a one-sided paired t-test."""

    alpha: float = 0.1
    """Level of significance. Ours; CAPO: 0.2, not corrected."""
    correction: Literal["looks", "looks-and-rivals", "none"] = "looks"
    """What the level is divided by: the looks a race can take, these times the other prompts, or nothing (CAPO)."""
    population: Literal["finite", "infinite"] = "finite"
    """What the mean is to be known of: the examples given, or all there could be (CAPO).

    `finite` multiplies the standard error by sqrt(1 - n/N) once n of the N examples are seen (Cochran 1977, 2.6).
    """
    epsilon: float = 0.002
    """Of a difference that does not vary: what it must exceed, on at least two blocks, to count. In units of score;
    ours."""
    constant: Literal["epsilon", "scipy"] = "epsilon"
    """How such a difference is judged. `scipy`: any is infinitely significant, as in the published runs of CAPO."""

    def __post_init__(self) -> None:
        # From 0.5 on, a prompt with the lower mean could count as the better one.
        within(self, alpha=(0.0, 0.5), epsilon=(0.0, math.inf))

    def level(self, looks: int, rivals: int) -> float:
        """The level of one test, in a race of so many looks at a prompt with so many rivals."""
        divisor = {"looks": looks, "looks-and-rivals": looks * rivals, "none": 1}[self.correction]
        return self.alpha / max(1, divisor)


@dataclass(frozen=True, slots=True)
class RaceStage:
    """How far a race is: which look this is, of how many, and how many examples there are in all."""

    number: int
    of: int
    examples: int


def p_values(
    scores: Sequence[Sequence[float]], prices: Sequence[float], test: PairedTest, look: RaceStage
) -> NDArray[np.float64]:
    """`[q, p]`: the p-value of "q is better than p", H1: mean(u_q - u_p) > 0 with u = score - price.

    scores: shape (prompts, examples), paired by position. prices: one a prompt. With `population="infinite"` it is that
    of `scipy.stats.ttest_rel(u_q, u_p, alternative="greater")`, wherever the difference varies; where it does not, 0 or
    1 by the rule of `test.constant`. A score of -inf is worse than any other and equal to itself. So q is better (p =
    0) where p has one and q has none besides. Fewer than two examples decide nothing (p = 1).
    """
    # Imported here, so that `import promptopt` stays light.
    import numpy as np
    from scipy.special import stdtr

    values, cost = np.asarray(scores, dtype=float), np.asarray(prices, dtype=float)
    prompts, count = values.shape
    found = np.ones((prompts, prompts))
    if count < 2:
        return found
    finite = np.abs(values[np.isfinite(values)])
    rounding = ROUNDING * float(finite.max(initial=0.0))
    left = 1.0 - count / look.examples if test.population == "finite" else 1.0
    for better in range(prompts):
        with np.errstate(invalid="ignore", divide="ignore"):
            # The price is a constant: without it, equal scores have no variance at all.
            # -inf less -inf is no number: such scores are equal.
            raw = np.nan_to_num(values[better] - values, nan=0.0, posinf=np.inf, neginf=-np.inf)
            mean, spread = raw.mean(axis=1) + (cost - cost[better]), raw.std(axis=1, ddof=1)
            # Student's t below -t is above t by its symmetry: the one-sided p-value without a loss of digits.
            row = stdtr(count - 1, -mean / (spread * math.sqrt(max(0.0, left) / count)))
        certain = mean > 0.0 if test.constant == "scipy" else (mean > test.epsilon) & (look.number >= 2)
        # Without a variance t is infinite: one token more in price would count as worse after one block.
        row = np.where(spread <= rounding, np.where(certain, 0.0, 1.0), row)
        invalid = np.isinf(raw).any(axis=1)
        row = np.where(invalid, np.where((raw == -np.inf).any(axis=1), 1.0, 0.0), row)
        # 0 / 0: equal means once all N examples are seen, where the finite standard error is 0.
        found[better] = np.where(np.isnan(row), 1.0, row)
    return found


def eliminated(
    scores: Sequence[Sequence[float]], prices: Sequence[float], keep: int, test: PairedTest, look: RaceStage
) -> list[int]:
    """The prompts, by position, that at least `keep` others are significantly better than.

    As in `p_values`. At least `keep` always remain, for those with the `keep` largest means have fewer above them.
    """
    import numpy as np

    means = np.asarray(penalised(scores, prices))
    level = test.level(look.of, len(scores) - 1)
    # The larger mean is asked for too, so that no rounding of a test takes out one of the `keep` best.
    better = (p_values(scores, prices, test, look) < level) & (means[:, None] > means[None, :])
    return [int(place) for place in np.flatnonzero(better.sum(axis=0) >= keep)]


def penalised(scores: Sequence[Sequence[float]], prices: Sequence[float]) -> list[float]:
    """The mean of every row, less its price."""
    return [math.fsum(row) / len(row) - price for row, price in zip(scores, prices, strict=True)]


def rendered(run: Run, prompt: Prompt) -> str:
    """What the model reads besides the input: instruction, other parts, demonstrations, frame."""
    example = run.train[0]
    # Without messages and tools of the example too: what has a price is the prompt alone.
    empty = tuple((name, "") for name, _ in example.fields)
    content, _ = run.task.render(prompt, replace(example, fields=empty, messages=(), tools=()))
    return flat(content)


@dataclass(frozen=True, slots=True)
class LengthPrice:
    """What a prompt's length costs it: gamma * length / reference, off each of its scores."""

    gamma: float = 0.0
    """The score that a prompt as long as the reference loses: 0.05 is five points of accuracy, or 0.05 nats."""
    reference: int | None = None
    """Tokens that cost gamma; None: the longest of the prompts compared."""

    def __post_init__(self) -> None:
        within(self, gamma=(0.0, math.inf))
        if self.reference is not None:
            within(self, reference=(1, math.inf))

    def of(self, run: Run, prompts: Sequence[Prompt]) -> list[float]:
        """The price of each prompt, in units of score."""
        if not self.gamma or not prompts:
            return [0.0] * len(prompts)
        lengths = [run.count_tokens(rendered(run, prompt)) for prompt in prompts]
        reference = max(lengths) if self.reference is None else self.reference
        return [self.gamma * length / max(1, reference) for length in lengths]


def affordable(alive: int, keep: int, seen: int, then: int, total: int, left: int) -> int:
    """How many of `alive` prompts may go on from `seen` examples each to `then`, with `left` evaluations; 0: none.

    The largest m that leaves enough for rank r to see m * then / max(r, keep) examples, at most `total`. That is the
    allocation of successive rejects (`rejects.phase_lengths`), planned anew at every look.
    """
    for many in range(alive, keep - 1, -1):
        if sum(min(total, many * then / max(rank, keep)) - seen for rank in range(1, many + 1)) <= left:
            return many
    return 0


PAIRED_TEST = PairedTest()
LENGTH_PRICE = LengthPrice()


@told
@dataclass(frozen=True, slots=True)
class Racing:
    """All prompts that are left see the next block; those that `keep` others beat leave."""

    budget: int = 2048
    """(prompt, example) evaluations that one call asks for at most. As in APO's code."""
    block: int = 20
    """Examples between two looks; fewer for a budget of less than two blocks, and in the last one. CAPO: 30."""
    test: PairedTest = PAIRED_TEST
    """When a prompt is better than another."""
    price: LengthPrice = LENGTH_PRICE
    """What length costs."""
    short: Literal["narrow", "stop"] = "narrow"
    """Where the budget cannot take all to a winner: the lowest leave as well, or it goes on until no block is left."""

    def __post_init__(self) -> None:
        at_least(0, "budget", self.budget)
        at_least(1, "block", self.block)

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        """All distinct prompts: those left by mean less price, then those that left, the latest first, likewise.

        Those the budget did not reach are last, with mean NaN and count 0. Raises ConfigError when there are no
        examples or `keep` is below 1.
        """
        arms = Arms(run, prompts, examples, self.budget, keep)
        if len(arms) <= keep or len(arms) >= self.budget:
            prices = self.price.of(run, arms.prompts)
            arms.spread()
            return arms.estimates(_by_priced_mean(arms, prices, range(len(arms))))
        return self.race(run, arms, keep)

    def race(self, run: Run, arms: Arms, keep: int) -> list[Estimate]:
        """The race over more arms than `keep`, from the start or from a first look of all that was one block."""
        prices = self.price.of(run, arms.prompts)
        alive, dropped = list(range(len(arms))), list[int]()
        total = len(arms.sample)
        # Two looks at least, where the budget has them: after the only one, nothing is left to save.
        block = min(total, self.block, max(1, self.budget // (2 * len(arms))))
        looks = math.ceil(total / block)
        for number in range(1, looks + 1):
            seen = arms.count(alive[0])
            size = min(number * block, total) - seen
            if seen and size and self.short == "narrow":
                going = affordable(len(alive), keep, seen, seen + size, total, arms.left)
                if not going:
                    break
                best_first = _by_priced_mean(arms, prices, alive)
                dropped = [*best_first[going:], *dropped]
                # Back in the order given, so that ties go to the earlier arm at every look.
                alive = sorted(best_first[:going])
            # A block that only some can see would leave means over different examples.
            if len(alive) <= keep or arms.left < size * len(alive):
                break
            arms.pull(alive, size)
            scores, costs = [arms.values(arm) for arm in alive], [prices[arm] for arm in alive]
            out = {
                alive[place] for place in eliminated(scores, costs, keep, self.test, RaceStage(number, looks, total))
            }
            dropped = [*_by_priced_mean(arms, prices, [arm for arm in alive if arm in out]), *dropped]
            alive = [arm for arm in alive if arm not in out]
        return arms.estimates([*_by_priced_mean(arms, prices, alive), *dropped])


def _by_priced_mean(arms: Arms, prices: Sequence[float], some: Sequence[int]) -> list[int]:
    """`some` by mean less price, best first; those that saw nothing go last."""
    seen = [arm for arm in some if arms.count(arm)]
    best_first = sorted(seen, key=lambda arm: prices[arm] - arms.mean(arm))
    return [*best_first, *(arm for arm in some if not arms.count(arm))]
