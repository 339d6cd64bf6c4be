"""Regular expressions of strangers: as Python's `re` reads them, and a second on a text at most."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt import text as texts
from promptopt.errors import ConfigError, DataError, PromptoptError
from promptopt.evaluators import metrics, readers
from promptopt.evaluators.generation import Generation
from promptopt.tasks import load_task
from promptopt.text import Regex
from promptopt.types import Cell, Example, Prompt
from tests.ends import ends
from tests.evaluators.fake_task import FakeAsk, FakeTask

SLOW = r"^(a|aa)+$"
BAIT = "a" * 60 + "b"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    assert texts.REGEX_LIMIT_S == 1.0
    monkeypatch.setattr(texts, "REGEX_LIMIT_S", 0.1)


@ends
@pytest.mark.parametrize(("pattern", "text"), [(SLOW, BAIT), (r"^(?:.*?,){25}P", "1," * 60), (r"(x+x+)+y|z", "x" * 60)])
def test_a_search_that_does_not_end_is_one_sentence(pattern: str, text: str) -> None:
    try:
        assert Regex.of(pattern).search(text) is None  # some of them the engine sees through
    except DataError as error:
        assert "took more than 0.1 s on a text of" in str(error)  # noqa: PT017


@pytest.mark.slow
def test_readers_metrics_and_task_files_are_stopped_too(tmp_path: Path) -> None:
    example = Example((("text", "x"),), SLOW)
    with pytest.raises(PromptoptError, match="took more than"):
        readers.resolve(f"regex:{SLOW}")(BAIT)
    with pytest.raises(PromptoptError, match="took more than"):
        metrics.resolve("regex")(BAIT, example)
    rows = "text,target\n" + "".join(f"{BAIT}{n},a\n" for n in range(30))
    (tmp_path / "rows.csv").write_text(rows, encoding="utf-8")
    path = tmp_path / "t.toml"
    path.write_text(f"instruction = 'x'\n[data]\nfile = 'rows.csv'\noptions = '{SLOW}'\n", encoding="utf-8")
    with pytest.raises(DataError, match="took more than"):
        load_task(path)


@pytest.mark.parametrize(
    "pattern", ["(", "[", "a{1", "*", "(?P<x>", r"\q", "a" * 20_000, "a{999999}", "(a{1000}){1000}{1000}", "(" * 5000]
)
def test_what_is_no_regular_expression_or_too_large_is_said_at_once(pattern: str) -> None:
    if pattern == "a{1":
        assert Regex.of(pattern).search("xa{1") is not None  # a brace that opens no repeat is text
        return
    with pytest.raises(ConfigError, match=r"not a regular expression|too large"):
        Regex.of(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?:cat){e<=1}", "cut cat{e<=1}"),
        (r"x{i}", "x x{i}"),
        (r'{"answer": "(.*?)"}', '{"answer": "no"}'),
        (r"(?i)straße", "STRASSE straße"),
        (r"(?m)^\([A-Z]\)", "a\n(A) b\n(B) c"),
        (r"\bwört\b", "ein wört!"),
        (r"(?<=: )\d+", "a: 17"),
        (r"$", "a\n"),
    ],
)
def test_an_expression_means_what_it_means_to_re(pattern: str, text: str) -> None:
    expected = [match.span() for match in re.finditer(pattern, text)]
    assert [match.span() for match in Regex.of(pattern).finditer(text)] == expected
    assert Regex.of(pattern).without(text) == re.sub(pattern, "", text)


@given(st.text("ab1 ,{}()[]?*+|\\dwsbie^$.-:=<", max_size=12), st.text("ab1 ,{}ie", max_size=20))
def test_simple_expressions_find_what_re_finds(pattern: str, text: str) -> None:
    try:
        expected = [match.span() for match in re.finditer(pattern, text)]
    except (re.error, FutureWarning):
        return
    try:
        found = [match.span() for match in Regex.of(pattern).finditer(text)]
    except ConfigError:
        return
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "evaluator",
    [
        lambda: Generation(FakeTask(), "exact", f"regex:{SLOW}"),
        lambda: Generation(FakeTask(), "regex", "text"),
        lambda: Generation(FakeTask(metric=lambda answer, example: metrics.resolve("regex")(answer, example)), "regex"),
    ],
)
def test_an_expression_that_does_not_end_costs_its_own_cell_and_is_said_once(
    evaluator: Callable[[], Generation],
) -> None:
    ask = FakeAsk(lambda request: "aaa" if "fine" in str(request.content) else f"{BAIT}{request.content}")
    cells = [Cell(Prompt.of("x"), Example.of(SLOW, text=text)) for text in ("bait 1", "fine", "bait 2")]
    first, fine, last = evaluator().score(cells, ask)
    assert (first.parsed, first.value, last.parsed, last.value) == (False, 0.0, False, 0.0)
    assert "did not end on the reply" in first.feedback
    assert fine.parsed
    assert len(set(ask.warned)) == 1


@ends  # the table of `regex`, of a plain text of this length, takes two minutes
@pytest.mark.parametrize("text", ["ab" * 4950, "答案是" * 3300, "a" * 9900])
def test_a_long_plain_text_is_found_at_once(text: str) -> None:
    assert Regex.of(text).search(f"x {text}").start() == 2
    assert Regex.of(text).without(f"x{text}y") == "xy"
    assert len(list(Regex.of(text).finditer(text * 2))) == 2
    with pytest.raises(ConfigError, match="too large"):
        Regex.of(f"({text})+")


def test_brackets_of_another_meaning_warn_nobody() -> None:
    assert Regex.of("[[a]").search("[") is not None
