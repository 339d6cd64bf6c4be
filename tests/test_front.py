"""The Pareto front of score against length: in the result, in its JSON, and in the summary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import DataError
from promptopt.models.scripted import Scripted
from promptopt.outcome.front import front
from promptopt.outcome.result import Result
from promptopt.reports.summary import summarise
from promptopt.run import Candidate
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Estimate, Example, Prompt, Proposal
from tests.rewrites import Rewrites, rewrite


def words(text: str) -> int:
    return len(text.split())


def candidate(text: str, mean: float, count: int = 10, demos: tuple[Example, ...] = ()) -> Candidate:
    prompt = Prompt.of(text, demos=demos)
    return Candidate(Proposal(prompt), Estimate(prompt, mean, count), Estimate(prompt, 0.0, 0))


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0])), min_size=1))
def test_nothing_on_the_front_is_beaten_and_all_else_is(points: list[tuple[int, float]]) -> None:
    candidates = [candidate("word " * length + str(place), mean) for place, (length, mean) in enumerate(points)]
    found = front(candidates, words)
    lengths, scores = [each.tokens for each in found], [each.score for each in found]
    assert lengths == sorted(set(lengths))
    assert scores == sorted(set(scores))
    for each in candidates:
        length, mean = words(each.prompt["instruction"]), each.search.mean
        assert any(point.tokens <= length and point.score >= mean for point in found)


def test_what_was_scored_on_less_or_has_no_score_is_not_compared() -> None:
    found = front([candidate("a b c", 0.5), candidate("a", 1.0, count=3), candidate("b", -float("inf"))], words)
    assert [(each.prompt["instruction"], each.score, each.n) for each in found] == [("a b c", 0.5, 10)]
    assert front([candidate("a", float("nan"), count=0)], words) == ()


def test_demonstrations_count_as_length() -> None:
    shown = candidate("a", 0.9, demos=(Example.of("yes", question="one two three"),))
    assert [each.tokens for each in front([candidate("a", 0.5), shown], words)] == [1, 5]


def test_a_result_holds_it_and_the_summary_shows_where_there_is_a_choice(tmp_path: Path) -> None:
    accuracy = feature_accuracy(("carefully", "exactly", "twice"), base=0.4, each=0.15)
    result = optimize(
        planted_task(),
        Rewrites(),
        model=Models(planted_model(accuracy), proposer=Scripted(rewrite, name="proposer")),
        store=tmp_path / "store.db",
    )
    assert len(result.front) > 1
    assert result.front[0].prompt == result.start.prompt
    data = result.to_json()
    assert [point["tokens"] for point in data["front"]] == sorted(point["tokens"] for point in data["front"])
    lines = summarise(data).splitlines()
    head = next(place for place, line in enumerate(lines) if "score against length" in line)
    assert result.front[0].prompt.id in lines[head + 1]
    assert max(map(len, lines)) <= 120


def test_a_saved_result_is_loaded_as_it_was(tmp_path: Path) -> None:
    result = optimize(
        planted_task(),
        Rewrites(),
        model=Models(planted_model(feature_accuracy(["carefully"])), proposer=Scripted(rewrite)),
        store=tmp_path / "store.db",
    )
    loaded = Result.load(result.save(tmp_path / "result.json"))
    assert (loaded.prompt, loaded.gain, loaded.spent) == (result.prompt, result.gain, result.spent)
    assert loaded.to_json() == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("content", "said"), [("{}", "not a whole result"), ("[", "not valid JSON"), ("[]", "no result")]
)
def test_what_is_no_result_is_refused(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        Result.load(tmp_path / "x.json")
    with pytest.raises(DataError, match="cannot be read"):
        Result.load(tmp_path / "nowhere.json")
