"""The ledger of looks at a sealed split: what counts as one, what is shown of it, and what it costs."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.session import Session
from promptopt.cli.run_words import opening_lines
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.outcome import trial
from promptopt.outcome.looks import example_keys, look_ahead, look_at
from promptopt.outcome.result import Result
from promptopt.outcome.sealed_test import sealed_test
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.events import Event, PhaseBegun, Planned
from promptopt.stats import level
from promptopt.store.runs import Store
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Example, Prompt, Proposal, Score


@dataclass(frozen=True)
class Tries:
    """Scores the start and one prompt that has a word more."""

    word: str = "carefully"

    def optimize(self, run: Run) -> None:
        child = run.initial.replace("instruction", f"{run.initial['instruction']} {self.word}")
        run.evaluate([run.initial, *run.admit([Proposal(child)])], run.train)


def tried(store: Path, word: str = "carefully", *, task: Task | None = None, budget: Budget | None = None) -> Result:
    model = planted_model(feature_accuracy([word], base=0.3, each=0.4))
    return optimize(planted_task() if task is None else task, Tries(word), model=model, budget=budget, store=store)


def numbers(result: Result) -> tuple[int, float]:
    assert result.look is not None
    assert result.gain is not None
    assert result.gain.alpha == result.look.alpha
    return result.look.number, result.look.alpha


@pytest.mark.slow
def test_a_second_winner_pays_for_the_second_look_and_a_replay_for_none(tmp_path: Path) -> None:
    first = tried(tmp_path / "s.db")
    assert numbers(first) == (1, 0.05)
    second = tried(tmp_path / "s.db", "exactly")
    assert numbers(second) == (2, level(2))
    assert second.look is not None
    assert second.look.shared == 60
    assert second.gain is not None
    assert second.gain.interval[0] < second.gain.ci95[0]
    assert numbers(tried(tmp_path / "s.db")) == (1, 0.05)
    assert numbers(tried(tmp_path / "s.db", "exactly")) == (2, level(2))


@pytest.mark.slow
def test_larger_caps_are_further_looks(tmp_path: Path) -> None:
    task = planted_task(train=60, dev=40, test=200)
    ends = [tried(tmp_path / "s.db", task=task, budget=Budget(evaluations=cap)) for cap in (150, 250, 500)]
    sizes = [end.best.test.n for end in ends if end.best.test is not None]
    assert sizes == sorted(set(sizes))
    assert [numbers(end)[0] for end in ends] == [1, 2, 3]


@pytest.mark.slow
def test_other_splits_of_the_same_data_share_its_looks(tmp_path: Path) -> None:
    examples = [Example.of("yes", question=f"number {number}") for number in range(100)]

    def task(seed: int, **changes: int) -> Task:
        sizes = {"train": 30, "dev": 20, "test": 40, **changes}
        return Task.from_examples(examples, prompt="Answer.", metric="exact", splits=Splits(**sizes, seed=seed))

    found = [tried(tmp_path / "s.db", task=each) for each in (task(0), task(1), task(0, train=10), task(2, test=20))]
    looks = [end.look for end in found]
    assert [look.number for look in looks if look is not None] == [1, 2, 1, 3]
    assert looks[1] is not None
    assert 0 < looks[1].shared < 40


def test_other_data_is_looked_at_for_the_first_time(tmp_path: Path) -> None:
    assert [numbers(tried(tmp_path / "s.db", task=planted_task(seed=seed)))[0] for seed in (0, 1)] == [1, 1]


def test_renamed_columns_and_other_targets_do_not_make_examples_new(tmp_path: Path) -> None:
    texts = [f"number {number}" for number in range(40)]
    with Store(tmp_path / "s.db") as store:
        rows = [(Prompt.of("a"), [Score(1.0)] * 40)]
        look_at(store.looks, ("model", "exact"), [Example.of("yes", text=text) for text in texts], rows)
        for other in (
            [Example.of("no", text=text) for text in texts],
            [Example.of("yes", question=f" {text} ") for text in texts],
            [Example.of("yes", (), (), "", "a group", text=text) for text in texts],
            [Example.of("yes", text=texts[0]), Example.of("yes", text="new")],
        ):
            assert look_ahead(store.looks, other).number == 2
        assert look_ahead(store.looks, [Example.of("yes", text="new")]).number == 1


@pytest.mark.parametrize(
    "copied",
    [
        str.upper,
        "{}.".format,
        "{} !".format,
        " {}\t".format,
        lambda text: text.replace(" ", "\u00a0"),
        lambda text: unicodedata.normalize("NFD", text),
        lambda text: text.replace("o", "\uff4f"),
        lambda text: text.replace("-", "\u2013"),
        "\u200b{}".format,
    ],
)
def test_an_edited_copy_of_the_data_is_looked_at_again(tmp_path: Path, copied: Callable[[str], str]) -> None:
    texts = [f"café-number {number}" for number in range(4)]
    rows = [(Prompt.of("a"), [Score(1.0)] * 4)]
    with Store(tmp_path / "s.db") as store:
        examples = [Example.of("yes", text=text) for text in texts]
        look_at(store.looks, ("model", "exact"), examples, rows)
        edited = [Example.of("yes", text=copied(text)) for text in texts]
        ahead = look_ahead(store.looks, edited)
        assert (ahead.number, ahead.shared) == (2, 4)
        assert look_at(store.looks, ("model", "exact"), edited, [(Prompt.of("b"), rows[0][1])]).number == 2
        assert look_ahead(store.looks, examples).number == 3


def pairs(**columns: str) -> list[Example]:
    """Four examples whose columns are patterns of their number."""
    return [Example.of("yes", **{name: text.format(at) for name, text in columns.items()}) for at in range(4)]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (pairs(text="item {}"), pairs(text="item {}", note="row {}")),
        (pairs(text="item {}"), pairs(note="the same", text="item {}")),
        (pairs(text="item {}"), pairs(text="item {}", note="", more="row {}")),
        (pairs(text="item {}", note="row {}"), pairs(text="item {}")),
        (pairs(text="item {}", note="row {}", more="{}"), pairs(question="ITEM {}.", more="{}")),
        (pairs(text="item {}"), pairs(**{f"n{at}": f"{at} of {{}}" for at in range(12)}, text="item {}")[:1] * 4),
        (pairs(text="item {}", **{f"n{at}": f"{at} of {{}}" for at in range(12)}), pairs(text="item {}")),
    ],
)  # fmt: skip
def test_a_column_more_or_less_opens_no_test_anew(tmp_path: Path, first: list[Example], then: list[Example]) -> None:
    rows = [(Prompt.of("a"), [Score(1.0)] * 4)]
    with Store(tmp_path / "s.db") as store:
        assert look_at(store.looks, ("model", "exact"), first, rows).number == 1
        ahead = look_ahead(store.looks, then)
        assert (ahead.number, ahead.shared > 0, ahead.shared <= 4) == (2, True, True)
        assert look_at(store.looks, ("model", "exact"), then, [(Prompt.of("b"), rows[0][1])]).number == 2


def test_questions_on_one_text_are_several_examples(tmp_path: Path) -> None:
    rows = [(Prompt.of("a"), [Score(1.0)] * 4)]
    with Store(tmp_path / "s.db") as store:
        look_at(store.looks, ("model", "exact"), pairs(question="what is {}?", text="a text", kind=""), rows)
        for other in (
            pairs(question="why is {}?", text="a text", kind=""),
            pairs(question="what is {}?", text="another text", kind=""),
            pairs(question="why is {}?", text="a text"),
            pairs(question="why is {}?"),
            pairs(kind="", question="why {}?", text=""),
        ):
            assert look_ahead(store.looks, other).number == 1


def test_looks_that_an_earlier_version_entered_still_count(tmp_path: Path) -> None:
    examples = [Example.of("yes", text=f"Number {number}.") for number in range(4)]
    with Store(tmp_path / "s.db") as store:
        store.looks.enter("shown", example_keys(examples))
        ahead = look_ahead(store.looks, examples)
        assert (ahead.number, ahead.shared) == (2, 4)
        wider = [replace(each, fields=(*each.fields, ("note", "n"))) for each in examples]
        assert look_ahead(store.looks, wider).number == 2
        found = look_at(store.looks, ("model", "exact"), examples, [(Prompt.of("x"), [Score(1.0)] * 4)])
        assert (found.number, found.shared) == (2, 4)


def test_deleting_a_run_takes_no_look_back(tmp_path: Path) -> None:
    first = tried(tmp_path / "s.db")
    with Store(tmp_path / "s.db") as store:
        store.delete(first.run_id)
        store.collect()
    assert numbers(tried(tmp_path / "s.db", "exactly"))[0] == 2


def test_evaluating_on_test_is_a_look_and_on_dev_is_none(tmp_path: Path) -> None:
    model = planted_model(feature_accuracy(["exactly"], base=0.3, each=0.4))
    assert evaluate(planted_task(), model=model, store=tmp_path / "s.db").look is None
    looked = evaluate(planted_task(), model=model, split="test", store=tmp_path / "s.db")
    assert looked.look is not None
    assert looked.look.number == 1
    assert numbers(tried(tmp_path / "s.db"))[0] == 2


def test_what_was_looked_at_is_said_before_anything_is_spent(tmp_path: Path) -> None:
    events: list[Event] = []
    tried(tmp_path / "s.db")
    optimize(planted_task(), Tries("exactly"), model=Scripted(lambda _: "yes", name="m"), store=tmp_path / "s.db",
             session=Session([events.append]))  # fmt: skip
    planned = next(event for event in events if isinstance(event, Planned))
    assert (planned.look, planned.alpha) == (2, level(2))


def test_a_suspended_run_has_no_verdict_and_is_no_look(tmp_path: Path) -> None:
    model = Scripted(lambda _: "yes", name="dead", fail_at=70)
    result = optimize(planted_task(), Tries(), model=model, store=tmp_path / "s.db")
    assert (result.status, result.verdict, result.look, result.gain) == ("suspended", None, None, None)
    assert result.to_json()["verdict"] is None
    assert str(result).splitlines()[0].startswith("Suspended: ")
    assert len(str(result).splitlines()) == 3
    with Store(tmp_path / "s.db") as store:
        assert look_ahead(store.looks, planted_task().test).number == 1


@pytest.mark.parametrize("group", ["", "one"])
def test_grouped_test_items_count_once(tmp_path: Path, group: str) -> None:
    whole = planted_task()
    task = replace(whole, pool=None, test=tuple(replace(each, group=group) for each in whole.test))
    result = tried(tmp_path / "s.db", task=task)
    assert result.verdict == ("no_evidence" if group else "better")
    assert result.to_json()["look"]["units"] == (1 if group else 60)


def planned_by(store: Path, *, cap: int, model: Scripted | None = None) -> tuple[Result, Planned, list[str]]:
    """One execution under a cap: its result, what it said first, and what it said where the test was opened."""
    events: list[Event] = []
    answers = planted_model(feature_accuracy(["exactly"], base=0.3, each=0.4)) if model is None else model
    result = optimize(
        planted_task(train=60, dev=40, test=200), Tries("exactly"), model=answers, store=store,
        budget=Budget(evaluations=cap), session=Session([events.append]),
    )  # fmt: skip
    opened = [event.reason for event in events if isinstance(event, PhaseBegun) and event.name == "test"]
    return result, next(event for event in events if isinstance(event, Planned)), opened


@pytest.mark.slow
def test_only_a_run_that_opens_the_test_says_which_look_that_will_be(tmp_path: Path) -> None:
    tried(tmp_path / "s.db", task=planted_task(train=60, dev=40, test=200))
    first, plan, _ = planned_by(tmp_path / "s.db", cap=250)
    assert any("is look 2" in line for line in opening_lines(plan))
    again, plan, (said,) = planned_by(tmp_path / "s.db", cap=250)
    assert (numbers(again), again.paid.calls) == (numbers(first), 0)
    assert not any("look" in line for line in opening_lines(plan))
    assert "look" not in said
    # A larger cap shows more of the test: that is a look, and it is said before it is taken.
    further, plan, (said,) = planned_by(tmp_path / "s.db", cap=500)
    assert numbers(further)[0] == 3
    assert "is look 3, and needs p below 0.0083" in said


def test_what_a_run_goes_on_after_is_what_its_table_says(tmp_path: Path) -> None:
    finished, _, _ = planned_by(tmp_path / "s.db", cap=250)
    again, plan, _ = planned_by(tmp_path / "s.db", cap=250)
    assert plan.recorded == finished.spent.calls == again.spent.calls
    # Of a batch that was broken off, what was answered.
    broken, _, _ = planned_by(tmp_path / "t.db", cap=250, model=Scripted(lambda _: "yes", name="m", fail_at=30))
    _, plan, _ = planned_by(tmp_path / "t.db", cap=250, model=Scripted(lambda _: "yes", name="m"))
    assert plan.recorded == broken.paid.calls == 29


def test_examples_that_a_cap_cut_off_were_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*given: Any, **named: Any) -> tuple[list[Score], list[Score]]:
        before, after = sealed_test(*given, **named)
        return before[:20], after[:20]

    monkeypatch.setattr(trial, "sealed_test", cut)
    assert numbers(tried(tmp_path / "s.db")) == (1, 0.05)
    test = planted_task().test
    with Store(tmp_path / "s.db") as store:
        assert [look_ahead(store.looks, each).number for each in (test[:20], test[20:], test[19:])] == [2, 1, 2]
