"""Which of the children that an iteration makes side by side joins GEPA's pool."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from promptopt.optimizers.gepa.method import GEPA, Acceptance, Parallel
from tests.optimizers.gepa.gepa_searches import numbered, search


@pytest.mark.parametrize("gains", [(1, 3, 2), (3, 1, 2), (1, 2, 3)])
def test_the_child_that_gained_most_joins_where_only_the_best_does(tmp_path: Path, gains: tuple[int, ...]) -> None:
    # Each that joins is scored on all V: another child's place in the pool would be paid for, and the best one lost.
    seen: Counter[str] = Counter()

    def right(instruction: str, question: str) -> bool:
        # Of its minibatch a child gets the first few right, as many as it is to gain; the start gets none.
        seen[instruction] += 1
        gain = gains[int(instruction.split()[-1])] if instruction.startswith("Take") else 0
        return seen[instruction] <= gain

    method = GEPA(rounds=1, pareto=10, parallel=Parallel(minibatches=3), accept=Acceptance(join="best"))
    searched = search(tmp_path, method, right, numbered(lambda number, _: f"Take {number}"))
    joined = [each.prompt["instruction"] for each in searched.result.steps[0].pool if each.count == 10]
    assert f"Take {gains.index(3)}" in joined
    assert len(joined) == 2


def test_children_are_run_on_the_minibatches_of_their_parents_each_on_its_own(tmp_path: Path) -> None:
    method = GEPA(rounds=1, pareto=10, parallel=Parallel(minibatches=3))
    searched = search(tmp_path, method, lambda *_: False, numbered(lambda number, _: f"Take {number}"))
    asked = searched.scored()
    # After the fronts' examples the start's minibatches, one after the other.
    begun = [question for _, question in asked[10:19]]
    shown: dict[str, set[str]] = {}
    for child, question in asked[19:]:
        shown.setdefault(child, set()).add(question)
    assert sorted(map(sorted, shown.values())) == sorted(sorted(begun[place : place + 3]) for place in (0, 3, 6))
