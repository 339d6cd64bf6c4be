"""Where few cells of a search say what one takes, the final choice finds it out, and the cap is made use of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.search_landscape import plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget, Ledger
from promptopt.run.events import Event, Planned
from promptopt.run.reserve import Reserve
from promptopt.types import Cell, Content, Request, ScoreRequest, flat

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
