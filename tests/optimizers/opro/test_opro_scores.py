"""How OPRO shows scores of any scale, and which texts are one instruction."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.opro.method import OPRO, Proposing
from promptopt.optimizers.opro.trajectory import best_last, key, polish, whole_points
from promptopt.outcome.result import Result
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Prompt
from tests.optimizers.opro.opro_searches import (
    history,
    metas,
    numbered,
    search,
    tagged,
)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40), st.integers(1, 25))
def test_whatever_the_scores(scores: list[float], count: int) -> None:
    means = {Prompt.of(str(place)): score for place, score in enumerate(scores)}
    shown = best_last(means, count)
    order = [(means[prompt], int(prompt["instruction"])) for prompt in shown]
    assert order == sorted(order)
    left_out = [(mean, int(prompt["instruction"])) for prompt, mean in means.items() if prompt not in shown]
    assert len(shown) == min(count, len(scores))
    assert all(each < order[0] for each in left_out)


def test_digits_are_refused_where_told(tmp_path: Path) -> None:
    texts = ("Answer in one word.", "Answer in 1 word.", "Answer ٣ times.")
    for setting, kept in (("allowed", 3), ("refused", 1)):
        propose = Proposing(digits=setting)  # pyright: ignore[reportArgumentType]
        model = Scripted(lambda _: "0.5", name="flat")
        result = search(tmp_path / setting, OPRO(steps=1, propose=propose), tagged(*texts), model=model)
        assert len(result.candidates()) == 1 + kept


def loss_search(home: Path, scores: Callable[[Content, str], Sequence[float]], proposer: Scripted) -> Result:
    """A search by log-likelihoods, in negative nats."""
    examples = [Example.of(f"word{number}", question=f"Which is number {number}?") for number in range(50)]
    task = Task.from_examples(
        examples, prompt="Answer.", metric="exact", answer="text", name="words", splits=Splits(10, 20, 20)
    )
    loss = Loss(task, reduction="sum", ends=False)
    return optimize(
        task,
        OPRO(steps=3, propose=Proposing(breadth=3)),
        model=Models(Scripted(lambda _: "yes", name="scorer", scores=scores), proposer=proposer),
        evaluator=loss,
        check_evaluator=loss,
        store=home / "store.db",
    )


def test_negative_nats_are_shown_by_their_place_between_worst_and_best(tmp_path: Path) -> None:
    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        return [{"Wor": -9.0, "Mid": -2.5, "Goo": -1.0}.get(read[:3], -3.0)]

    proposer = tagged("Worst", "Middle", "Good")
    result = loss_search(tmp_path, scores, proposer)
    first, second, *_ = metas(proposer, 3)
    assert history(first) == [("Answer.", 50)]
    # No threshold: what is worst depends on what else is shown.
    assert history(second) == [("Worst", 0), ("Answer.", 75), ("Middle", 81), ("Good", 100)]
    assert result.best.text == "Good"


def test_equal_nats_are_all_shown_as_50(tmp_path: Path) -> None:
    proposer = tagged("One", "Two", "Three")
    result = loss_search(tmp_path, lambda _, text: [-0.5], proposer)
    assert {score for meta in metas(proposer, 3) for _, score in history(meta)} == {50}
    assert result.best.text in ("One", "Two")
    assert result.verdict == "no_evidence"


def test_a_candidate_that_is_impossible_is_not_shown_and_cannot_win(tmp_path: Path) -> None:
    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        return [-math.inf if read.startswith("Bad") else -1.0 if read.startswith("Good") else -2.0]

    proposer = tagged("Bad", "Good", "Bad too")
    result = loss_search(tmp_path, scores, proposer)
    assert history(metas(proposer, 3)[1]) == [("Answer.", 0), ("Good", 100)]
    assert result.best.text == "Good"


def test_where_everything_is_impossible_the_start_is_kept(tmp_path: Path) -> None:
    proposer = tagged("One", "Two", "Three")
    result = loss_search(tmp_path, lambda _, text: [-math.inf], proposer)
    assert result.status == "finished"
    assert {score for meta in metas(proposer, 3) for _, score in history(meta)} == {0}


@given(st.lists(st.one_of(st.floats(-1e6, 0.0), st.just(-math.inf)), min_size=1, max_size=30), st.booleans())
def test_points_are_whole_from_0_to_100_and_keep_the_order(values: list[float], in_unit: bool) -> None:
    values = [1.0 + max(value, -1.0) if in_unit and value != -math.inf else value for value in values]
    means = {Prompt.of(str(place)): value for place, value in enumerate(values)}
    found = whole_points(means, in_unit)
    assert all(0 <= each <= 100 for each in found.values())
    ordered = [found[prompt] for prompt in sorted(means, key=means.__getitem__)]
    assert ordered == sorted(ordered)


@given(st.text(max_size=60))
def test_polishing_keeps_what_tells_instructions_apart(text: str) -> None:
    polished = polish(text)
    assert key(polished) == key(text)
    assert polish(polished) == polished or "**" in polished


@pytest.mark.parametrize(
    ("text", "polished"),
    [
        (" **answer** the question ", "Answer the question"),
        ("**Think:** first.\n\n- then **answer**", "Think: first.\n\n- then answer"),
        ("raise x**2 to y**3", "Raise x**2 to y**3"),
        ("été", "Été"),
    ],
)
def test_bold_marks_go_and_powers_stay(text: str, polished: str) -> None:
    assert polish(text) == polished


def test_all_scores_equal_end_in_no_evidence(tmp_path: Path) -> None:
    result = search(tmp_path, OPRO(steps=3), numbered(0.5), model=Scripted(lambda _: "0", name="zero"))
    assert result.verdict == "no_evidence"
    assert result.status == "finished"
