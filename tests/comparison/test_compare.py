"""A comparison from Python: what it runs, what it charges, what it shows, and what it does not lose to a failure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import promptopt
from promptopt.binding.models import Models
from promptopt.comparison.cells import Row, row_from
from promptopt.comparison.folder import CommandDesign, load, save
from promptopt.comparison.table import Comparison
from promptopt.errors import BackendError, ConfigError, DataError
from promptopt.models.scripted import Scripted
from promptopt.reports.curves import Point
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Proposal
from tests.comparison.rows import failed, row, table


@dataclass(frozen=True)
class Tries:
    """Scores the start and prompts that have a word more."""

    words: tuple[str, ...] = ("carefully",)

    def optimize(self, run: Run) -> None:
        children = [run.initial.replace("instruction", f"{run.initial['instruction']} {word}") for word in self.words]
        known = run.admit([Proposal(child, (run.initial,), "word") for child in children])
        means = run.evaluate([run.initial, *known], run.train).means()
        best = max(means, key=lambda prompt: means[prompt])
        run.record([run.estimate(prompt, run.train) for prompt in means], [best])


class Fails:
    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial], run.train[:5])
        raise ValueError("no more ideas")


METHODS = {"good": Tries(), "idle": Tries(("so",)), "random": Tries(("thus",)), "fails": Fails()}


def models() -> Models:
    return Models(planted_model(feature_accuracy(["carefully"], base=0.4, each=0.4)), proposer=Scripted(lambda _: "-"))


def compared(store: Path | Store, **changes: Any) -> Comparison:
    asked: dict[str, Any] = {"models": {"planted": models()}, "seeds": 2, "budget": Budget(evaluations=300), **changes}
    return promptopt.compare(planted_task(), METHODS, store=store, **asked)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compared(tmp_path_factory.mktemp("store") / "s.db")


@pytest.mark.slow
def test_the_best_method_leads_the_failed_one_ends_and_the_rest_went_on(found: Comparison) -> None:
    order = [each.name for each in found.table()]
    assert (order[0], order[-1]) == ("good", "fails")
    assert [row.status for row in found.rows if row.cell.method == "fails"] == ["failed", "failed"]
    assert {each.name: each.left for each in found.table()} == {"good": 0, "idle": 0, "random": 0, "fails": 2}
    text = str(found)
    assert "fails on planted, planted, seed 1: failed (ValueError: no more ideas)" in text
    assert "Over random, the floor, at the same budget" in text


@pytest.mark.slow
def test_each_is_charged_all_it_used_though_answers_are_shared(found: Comparison) -> None:
    rows = {(row.cell.method, row.cell.seed): row for row in found.rows}
    assert rows["idle", 0].spent.calls == rows["idle", 0].spent.evaluations > 200
    # What the first asked of the start, the next had from the store.
    assert rows["idle", 0].paid.calls < rows["idle", 0].spent.calls
    assert rows["good", 0].paid.calls == rows["good", 0].spent.calls


@pytest.mark.slow
def test_a_second_time_costs_nothing_and_says_the_same(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        first, second = compared(store), compared(store)
    assert all(row.paid.calls == 0 for row in second.rows)
    assert [row.look for row in first.rows] == [row.look for row in second.rows]
    assert str(first.pairs()) == str(second.pairs())
    assert first.alphas == second.alphas


@pytest.mark.slow
def test_the_order_of_methods_changes_no_verdict(found: Comparison, tmp_path: Path) -> None:
    turned = promptopt.compare(planted_task(), dict(reversed(METHODS.items())), models={"planted": models()},
                               seeds=[1, 0], budget=Budget(evaluations=300), store=tmp_path / "s.db")  # fmt: skip
    said, before = ({each.name: each.verdicts for each in end.table()} for end in (turned, found))
    assert said == before


def test_an_outage_is_a_row_that_is_suspended(tmp_path: Path) -> None:
    broken = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.4))
    broken.fail_at = 150
    told: list[Row] = []
    end = promptopt.compare(planted_task(), {"good": Tries()}, models={"m": broken}, seeds=1, store=tmp_path / "s.db",
                            tell=told.append)  # fmt: skip
    # The floor comes after it, and has answers of its own.
    assert end.rows[0].status == "suspended"
    assert told == list(end.rows)
    assert "Left out of the numbers above" in str(end)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"methods": "random"}, "needs a method beside"),
        ({"methods": []}, "needs a method beside"),
        ({"methods": ["nosuch"]}, "nosuch"),
        ({"methods": ["apo", "apo"]}, "named twice"),
        ({"seeds": 0}, "seeds are 0"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"tasks": []}, "no task is named"),
        ({"models": []}, "no model is named"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "tasks": planted_task(),
        "methods": {"good": Tries()},
        "models": {"m": models()},
        **changes,
    }
    with pytest.raises(ConfigError, match=said):
        promptopt.compare(store=tmp_path / "s.db", **asked)


@pytest.mark.slow
def test_a_comparison_from_python_can_be_kept_and_checked(found: Comparison, tmp_path: Path) -> None:
    save(tmp_path / "kept", CommandDesign(), found, None)
    plan, again = load(tmp_path / "kept")
    assert (plan.config, again.to_json()) == ({}, found.to_json())
    assert str(again) == str(found)


def test_a_comparison_is_read_again_whatever_its_texts_hold(tmp_path: Path) -> None:
    odd = table(row("a\u2028b", [1.0, 0.0]), row("c\x85d", [1.0, 1.0]))
    save(tmp_path / "kept", CommandDesign(), odd, None)
    assert load(tmp_path / "kept")[1].to_json() == odd.to_json()


def test_rows_survive_json_with_impossible_items_and_odd_texts() -> None:
    odd = row("a \ud83d <b>", [1.0, float("-inf")], [float("-inf"), 0.5])
    assert row_from(json.loads(json.dumps(odd.to_json()))) == odd
    assert row_from(json.loads(json.dumps(failed("b").to_json()))) == failed("b")


def test_a_folder_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="damaged"):
        load(tmp_path)


def test_curves_go_on_from_where_every_run_has_a_score() -> None:
    one = [Point(100, 1000, 0.1, 0.5), Point(200, 2000, 0.2, 0.7)]
    other = [Point(150, 1500, None, 0.3)]
    found = table(row("a", [1.0], curve=one), row("a", [1.0], seed=1, curve=other), row("b", [1.0]))
    points = found.curves("evaluations")
    assert points["b"] == []
    assert points["a"][0] == (150.0, pytest.approx(0.4))
    assert points["a"][-1] == (200.0, pytest.approx(0.5))
    assert found.curves("usd")["a"][-1] == (0.2, 0.7)


def test_the_front_holds_what_nothing_cheaper_beats() -> None:
    found = table(
        row("long", [1.0, 1.0], tokens=90), row("short", [1.0, 0.0], tokens=5), row("poor", [0.0, 0.0], tokens=40),
        row("unpriced", [1.0, 1.0], tokens=95, usd=None),
    )  # fmt: skip
    assert found.front("prompt_tokens") == ("short", "long")
    assert "unpriced" not in found.front("usd")


@pytest.mark.slow
def test_a_run_whose_server_is_down_from_the_start_is_no_end(tmp_path: Path) -> None:
    dead = Scripted(lambda _: "yes", name="dead", fail_at=1, error=BackendError("nobody answers at 127.0.0.1:1"))
    found = promptopt.compare(planted_task(), {"good": Tries()}, models={"dead": dead, "planted": models()}, seeds=1,
                              store=tmp_path / "s.db")  # fmt: skip
    assert found.rows[0].status == "suspended"
    assert found.rows[-1].cell.model == "planted"


def test_several_tasks_have_a_row_each_way_and_one_has_none() -> None:
    rows = [row("a", [1.0, 0.0], task="t"), row("a", [1.0, 1.0], [0.0, 1.0], task="u"), row("random", [0.0], task="t")]
    assert table(*rows).by_task() == {"t": {"(start)": 0.0, "a": 0.5, "random": 0.0}, "u": {"(start)": 0.5, "a": 1.0}}
    lines = str(table(*rows)).splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("by task"))
    assert [line.split() for line in lines[place : place + 4]] == [
        ["by", "task", "t", "u"], ["(start)", "0.000", "0.500"], ["a", "0.500", "1.000"], ["random", "0.000", "-"],
    ]  # fmt: skip
    assert "by task" not in str(table(rows[0], rows[2]))


def test_scores_of_replies_that_nobody_could_read_are_said_to_be_worth_nothing() -> None:
    unread = [replace(row(method, [0.0] * 20), unread=20) for method in ("one", "two")]
    told = str(table(*unread))
    assert "Warning: on t with m 40 of 40 replies to the winners hold no answer that could be read" in told
    # Half of them, and a task beside it whose replies are read.
    other = [row(method, [1.0] * 20, task="u") for method in ("one", "two")]
    half = [replace(each, unread=10) for each in unread]
    assert str(table(*unread, *other)).count("hold no answer") == 1
    assert "hold no answer" not in str(table(*half, *other))
