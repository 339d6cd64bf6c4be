"""A result in a notebook: short, foldable, and text whatever it holds; and its figure."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.outcome.result import Result
from tests.run.planted_run import conduct


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    made = conduct(tmp_path_factory.mktemp("store") / "s.db")
    assert isinstance(made, Result)
    return made


def test_a_notebook_shows_the_verdict_and_folds_the_rest(result: Result) -> None:
    shown = result._repr_html_()
    assert "Better: " in shown
    assert shown.count("<details") == shown.count("</details>") == 3
    assert shown.count("<details open>") == 1
    assert len(shown) < 3_000


@pytest.mark.parametrize(("usd", "said"), [(2e-5, "$0.000020"), (None, "price unknown"), (1.5, "$1.50")])
def test_a_notebook_shows_dollars_as_every_table_does(result: Result, usd: float | None, said: str) -> None:
    shown = replace(result, spent=replace(result.spent, usd=usd))._repr_html_()
    assert f" tokens, {said}</p>" in shown


def test_a_result_shown_in_python_names_no_prompt_but_start_and_winner(result: Result) -> None:
    shown = repr(result)
    assert result.run_id in shown
    assert len(result.lineage) > 2
    assert not re.search(r"\b(lineage|steps|items|front|by_role)=", shown)


def test_what_a_result_holds_is_text(result: Result) -> None:
    nasty = "<script>alert(1)</script> \u202e & \x1b"
    odd = replace(result, task=nasty, method=nasty, best=replace(result.best, text=nasty), status="suspended",
                  reason=nasty)  # fmt: skip
    shown = odd._repr_html_()
    assert "<script" not in shown
    assert not re.search("[\u202e\x1b]", shown)


def test_a_result_without_a_test_and_one_that_kept_its_start_are_shown(result: Result) -> None:
    bare = replace(result.start, dev=None, test=None)
    kept = replace(result, start=bare, best=bare, gain=None, look=None, verdict=None, items=())
    shown = kept._repr_html_()
    assert "Prompt (the start)" in shown
    assert shown.count("<details") == 2


def test_a_figure_has_the_search_and_the_sealed_test(result: Result, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    figure = replace(result, method="a $x$ <b>").plot()
    figure.savefig(tmp_path / "f.png")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["best kept, by the search's own examples", "start, sealed test", "best, sealed test"]


def test_without_matplotlib_it_says_what_to_install(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("promptopt.outcome.notebook.import_module", missing)
    with pytest.raises(ConfigError, match="pip install matplotlib"):
        result.plot()
