"""Sets of demonstrations to choose from, bootstrapped from the task model's own right replies, as in MIPROv2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.operators.demos import demonstrate, draw, fitting, shows_demos, unlike, with_target
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.types import Example


@dataclass(frozen=True, slots=True)
class Bootstrapping:
    """The sets of demonstrations there are to choose from."""

    sets: int | None = None
    """M, sets, the one without demonstrations among them. None: by the budget; code: 12."""
    demos: int = 4
    """d, demonstrations in a set, at most. Code."""
    share: float = 0.2
    """The share of the training examples that instructions and demonstrations are made from, and no pair is scored
    on. Code."""
    threshold: float = 1.0
    """The score from which on the task model's reply is shown as a demonstration. Code: any that is not 0."""

    def __post_init__(self) -> None:
        within(self, sets=(1, math.inf), demos=(1, math.inf), share=(0.0, 1.0), threshold=(-math.inf, math.inf))


BOOTSTRAPPING = Bootstrapping()


def demo_sets(run: Run, bootstrap: Bootstrapping, count: int, shown: Sequence[Example]) -> list[tuple[Example, ...]]:
    """Up to M distinct sets: the start's own, none, one of bare targets, and bootstrapped ones."""
    most, pool = bootstrap.demos, unlike(shown)
    # Of one set, or of nothing to show, the start's own is all there is to choose from.
    if count == 1 or not pool:
        return [run.initial.demos]
    if not shows_demos(run.task):
        run.warn("the task's layout has no place for demonstrations, so only the instruction is searched")
        return [run.initial.demos]
    labelled = tuple(fitting(run, run.initial, [*map(with_target, draw(run.rng("demonstrations"), pool, most))]))
    sets: dict[tuple[Example, ...], None] = dict.fromkeys([run.initial.demos, (), labelled])
    threshold = bootstrap.threshold
    demos = dict(zip(pool, demonstrate(run, run.initial, pool, threshold), strict=True))
    alone = run.initial.with_demos(())
    # Scored by `demonstrate` already, so it costs nothing.
    values = run.evaluate([alone], pool).values(alone)
    solved = [example for example, value in zip(pool, values, strict=True) if value >= threshold]
    for number in range(count - len(sets)):
        # The first of them, as in the code, is full and takes the examples in their order.
        order = draw(run.rng("demonstrations"), pool, len(pool)) if number else pool
        own = [each for each in order if each in solved][: run.rng("sizes").randint(1, most) if number else most]
        filling = [with_target(each) for each in order if each not in own][: most - len(own)]
        sets[tuple(fitting(run, run.initial, [*(demos[each] for each in own), *filling]))] = None
    return list(sets)[:count]
