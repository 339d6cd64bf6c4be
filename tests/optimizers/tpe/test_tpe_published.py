"""The paper's loop with a scripted sampler: what it is told, in which order, and when a pair is scored in full."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.models.scripted import Scripted
from promptopt.optimizers.tpe import method as tpe
from promptopt.optimizers.tpe.method import Bootstrapping, Proposing, Scoring
from promptopt.outcome.result import Result
from promptopt.selection.parzen import Choice
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example
from tests.optimizers.tpe.tpe_searches import SMALL, START, search, text_of

WORTH = (0.2, 0.5, 0.4, 0.3)
"""Of instructions 0 to 3: every answer is its own score, so no mean has noise."""


def search_by(
    home: Path, monkeypatch: pytest.MonkeyPatch, script: list[Choice], *, full_every: int, instructions: int = 4
) -> tuple[list[tuple[str, Choice, float]], Result]:
    """What a sampler that suggests the script was told, and how: of what it suggested, or of a choice by itself."""
    log: list[tuple[str, Choice, float]] = []
    worths = {START: WORTH[0]}
    tried = [0]

    class Follows:
        def __init__(self, variables: Mapping[str, int], seed: int) -> None:
            assert dict(variables) == {"instruction": instructions, "demonstrations": 1}
            self._script, self._last = iter(script), (-1, -1)

        def suggest(self) -> Choice:
            self._last = next(self._script)
            tried[0] = self._last[0]
            return self._last

        def told(self, value: float) -> None:
            log.append(("told", self._last, round(value, 9)))

        def tell(self, choice: Choice, value: float) -> None:
            log.append(("tell", choice, round(value, 9)))

    monkeypatch.setattr(tpe, "Parzen", Follows)
    numbers = itertools.count()
    settings = replace(
        SMALL, preset="paper", trials=len(script), propose=Proposing(instructions), bootstrap=Bootstrapping(sets=1),
        score=Scoring(minibatch=3, full_every=full_every),
    )  # fmt: skip
    examples = [Example.of("-", question=f"question {number}") for number in range(40)]
    layout = Layout("flat", messages=(("user", "{instruction}\n\n{question}"),))
    task = Task.from_examples(
        examples, prompt=START, layout=layout, metric=lambda answer, _: float(answer), answer="text",
        splits=Splits(15, 15, 10),
    )  # fmt: skip
    # An instruction is worth what its number is: that of the pair for which it is seen first.
    answer = lambda request: repr(worths.setdefault(text_of(request).partition("\n\n")[0], WORTH[tried[0]]))  # noqa: E731
    result = search(
        home, settings, task=task, model=Scripted(answer, name="noiseless"),
        proposer=lambda _: f"<prompt>Say number {next(numbers)}.</prompt>",
    )  # fmt: skip
    return log, result


def kept(result: Result) -> list[float]:
    """What the best pair of each record is worth."""
    means = [{each.prompt: each.mean for each in step.pool} for step in result.steps]
    return [round(known[step.kept[0]], 9) for known, step in zip(means, result.steps, strict=True)]


def test_the_sampler_is_told_the_start_every_trial_and_every_full_score_with_its_own_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = [(1, 0), (2, 0), (3, 0), (0, 0), (3, 0)]
    log, result = search_by(tmp_path, monkeypatch, script, full_every=2)
    assert log == [
        ("tell", (0, 0), 0.2),
        ("told", (1, 0), 0.5),
        ("told", (2, 0), 0.4),
        # After every second trial the best of those that lack examples; the start lacks none.
        ("tell", (1, 0), 0.5),
        ("told", (3, 0), 0.3),
        ("told", (0, 0), 0.2),
        ("tell", (2, 0), 0.4),
        ("told", (3, 0), 0.3),
        # And after the last trial, whatever its number.
        ("tell", (3, 0), 0.3),
    ]
    scored = 15 - 3
    assert [sum(each.count == scored for each in step.pool) for step in result.steps] == [2, 3, 4]
    assert kept(result) == [0.5] * 3
    # Those scored in full first, by their means.
    assert [round(each.mean, 9) for each in result.steps[1].pool] == [0.5, 0.4, 0.2, 0.3]
    assert result.best.prompt == result.steps[2].kept[0]


def test_where_nothing_lacks_examples_nothing_is_scored_in_full_and_the_round_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, result = search_by(tmp_path, monkeypatch, [(0, 0), (0, 0)], full_every=1, instructions=2)
    assert log == [("tell", (0, 0), 0.2), ("told", (0, 0), 0.2), ("told", (0, 0), 0.2)]
    assert kept(result) == [0.2, 0.2]


def test_what_saw_a_minibatch_is_not_the_best_while_something_was_scored_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing but the start is scored in full before the last trial, and then one.
    _, result = search_by(tmp_path, monkeypatch, [(2, 0), (1, 0)], full_every=9)
    assert len(result.steps) == 1
    counts = {round(each.mean, 9): each.count for each in result.steps[0].pool}
    assert counts == {0.5: 12, 0.2: 12, 0.4: 3}
