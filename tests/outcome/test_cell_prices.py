"""Where few cells of a search say what one takes, the final choice finds it out, and the cap is made use of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.search_landscape import plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.outcome.cell_prices import show_prices
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget, Ledger
from promptopt.run.events import Event, PhaseBegun, Planned
from promptopt.run.reserve import MEASURED, Reserve
from promptopt.types import Cell, Content, Example, Prompt, Reply, Request, ScoreRequest, flat

LANDSCAPE = plant("additive", 0)


def conduct(home: Path, method: str, budget: Budget, wordy: int = 0) -> tuple[Result, int]:
    """The result, and the test examples that were promised; `wordy`: tokens that candidates make the model write."""
    planted, promised = LANDSCAPE.model(), list[int]()

    def answer(request: Request) -> str:
        [(_, reply)] = planted.generate([request])
        long = wordy and LANDSCAPE.start not in flat(request.content)
        return f"{'well, ' * wordy}{reply.text}" if long else reply.text

    def scores(content: Content, continuation: str) -> tuple[float, ...]:
        [(_, found)] = planted.score([ScoreRequest(content, (continuation,))])
        return found.continuations[0].logprobs

    def hear(event: Event) -> None:
        if isinstance(event, Planned):
            promised.append(event.allocation.test)

    result = optimize(
        LANDSCAPE.task(test=200), method,
        model=Models(
            Scripted(answer, name="answers", scores=scores) if wordy else planted,
            proposer=Scripted(Proposer(LANDSCAPE.good, 0.4, None), name="proposer"),
        ),
        budget=budget, store=home / "s.db", session=Session([hear]),
    )  # fmt: skip
    return result, promised[0]


@pytest.mark.parametrize(("method", "tokens"), [("random", 1_000), ("bootstrap", 1_000), ("pmpo", 2_500)])
def test_a_guess_of_what_replies_take_leaves_no_cap_unspent(tmp_path: Path, method: str, tokens: int) -> None:
    result, promised = conduct(tmp_path, method, Budget(tokens=tokens))
    # They left 60, 57 and 47 %, and tested as many as were promised.
    assert 0.85 * tokens < result.spent.tokens <= tokens
    assert result.best.test is not None
    assert result.best.test.n > 2 * promised
    assert not any("of the" in said and "that were set aside" in said for said in result.warnings)


def test_a_test_that_grows_keeps_to_a_cap_on_evaluations_too(tmp_path: Path) -> None:
    result, promised = conduct(tmp_path, "pmpo", Budget(tokens=4_000, evaluations=200))
    assert result.prompt != result.start.prompt
    assert result.best.test is not None
    # Each pair is two evaluations.
    assert promised < result.best.test.n
    assert 195 <= result.spent.evaluations <= 200
    assert not any("the sealed test was cut" in said for said in result.warnings)


@pytest.mark.parametrize("method", ["random", "pmpo"])
def test_candidates_that_make_replies_long_take_nothing_of_the_test_that_was_promised(
    tmp_path: Path, method: str
) -> None:
    result, promised = conduct(tmp_path, method, Budget(tokens=4_000), wordy=12)
    assert result.spent.tokens <= 4_000
    assert result.best.test is not None
    assert result.best.test.n >= promised


@pytest.mark.parametrize("method", ["optoprime", "gepa"])
def test_a_request_as_long_as_what_is_left_takes_no_test(tmp_path: Path, method: str) -> None:
    # They had spent 332 and 271 tokens when the search ended, and no example was tested.
    result, promised = conduct(tmp_path, method, Budget(tokens=300))
    assert result.spent.tokens <= 300
    assert result.best.test is not None
    assert result.best.test.n >= promised


def test_no_cell_of_the_choice_counts_twice_for_what_one_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Eight that count twice would pass for the sixteen that say it.
    learnt, learn = list[tuple[int, int]](), Reserve.learn

    def observed(reserve: Reserve, cells: Sequence[Cell], before: Ledger, after: Ledger) -> None:
        learnt.append((before.evaluations, after.evaluations))
        learn(reserve, cells, before, after)

    monkeypatch.setattr(Reserve, "learn", observed)
    conduct(tmp_path, "pmpo", Budget(tokens=2_500))
    assert len(learnt) > 2
    assert all(end <= begin for (_, end), (begin, _) in pairwise(learnt))


@dataclass
class Scores:
    """A run, its account and its reserve at once: a cell takes ten tokens, of which `left` are left beside the test."""

    left: float
    asked: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    spent: Ledger = field(default_factory=Ledger)
    dev: Sequence[Example] = tuple(Example.of("t", text=f"{at}") for at in range(40))
    final_repetition: int = 1

    @property
    def capped(self) -> Ledger:
        return self.spent

    @property
    def missing(self) -> int:
        return max(0, MEASURED - self.spent.evaluations)

    @property
    def measured(self) -> bool:
        return not self.missing

    def evaluate(self, prompts: Sequence[Prompt], examples: Sequence[Example], repetition: int) -> None:
        cells = len(prompts) * len(examples)
        self.asked.append((len(prompts), len(examples)))
        self.spent = self.spent.plus(Ledger(cells, cells, 0, 10 * cells, 0))

    def learn(self, cells: Sequence[Cell], before: Ledger, after: Ledger) -> None:
        assert len(cells) == after.evaluations - before.evaluations

    def beside_test(self, spent: Ledger, contenders: Sequence[Prompt]) -> tuple[float | None, float | None]:
        return self.left - spent.tokens, None


@pytest.mark.parametrize(
    ("contenders", "left", "asked"),
    [
        # As many examples again each time, until sixteen cells and more say it.
        (3, 10_000, [(3, 1), (3, 1), (3, 2), (3, 4)]),
        # Of 45 tokens, at twice of what a cell took, two cells: none of all three.
        (3, 30 + 45, [(3, 1)]),
        (3, 30 + 60, [(3, 1), (3, 1)]),
        # Seven cells: the six that are missing, and not one more of each.
        (10, 100 + 150, [(10, 1), (6, 1)]),
        (10, 100 + 110, [(10, 1)]),
    ],
)
def test_contenders_are_scored_until_it_is_known_what_a_cell_takes_as_far_as_dearer_ones_are_paid_for(
    contenders: int, left: float, asked: list[tuple[int, int]]
) -> None:
    given: Any = Scores(left)
    show_prices(given, given, given, [Prompt.of(f"{at}") for at in range(contenders)], 40)
    assert given.asked == asked


def test_what_is_scored_to_see_prices_is_told_as_the_final_choice(tmp_path: Path) -> None:
    planted, phases, asked = LANDSCAPE.model(), list[str](), list[tuple[str, str]]()
    task = LANDSCAPE.task(test=200)

    def answer(request: Request) -> Reply:
        [(_, reply)] = planted.generate([request])
        asked.append((phases[-1], flat(request.content)))
        return reply

    optimize(
        task, "random",
        model=Models(Scripted(answer, name="t"), proposer=Scripted(Proposer(LANDSCAPE.good, 0.4, None), name="p")),
        budget=Budget(tokens=1_000), store=tmp_path / "s.db",
        session=Session([lambda event: phases.append(event.name) if isinstance(event, PhaseBegun) else None]),
    )  # fmt: skip
    assert phases == ["search", "dev", "test"]
    dev = {phase for phase, content in asked for example in task.dev if f"Q: {example['question']}\n" in content}
    assert dev == {"dev"}
