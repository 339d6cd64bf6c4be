"""What [judge] says, and nothing goes by: an evaluator that is named beside it is told of, or goes by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.binding.evaluator import bind_evaluator
from promptopt.binding.passed_over import passed_over
from promptopt.binding.suite import several_tasks
from promptopt.evaluators.checklist import Checklist
from promptopt.evaluators.own_judges import OwnJudges
from promptopt.evaluators.panel import Panel
from promptopt.evaluators.rubric import Rubric
from promptopt.evaluators.weighted import Weighted
from promptopt.tasks import Splits, Task
from promptopt.tasks.judge_table import judge_of
from promptopt.types import Example

CRITERIA: Mapping[str, Any] = {"criteria": "Is it kind?"}
ITEMS: Mapping[str, Any] = {"items": ["Is it kind?", "Is it short?"]}
MIX: Mapping[str, Any] = {**CRITERIA, "weights": {"rubric": 1, "clauses": 1}, "clauses": {"max_words": 9}}
PANEL: Mapping[str, Any] = {**CRITERIA, "size": 2}


def task(judge: Mapping[str, Any], name: str = "shop") -> Task:
    examples = [Example.of("yes", text=f"{name} {number}") for number in range(40)]
    table = judge_of(Path("shop.toml"), judge)
    made = Task.from_examples(examples, prompt=f"Do {name}.", name=name, splits=Splits(10, 10, 20))
    return replace(made, judge=table)


@pytest.mark.parametrize(
    ("judge", "named", "left"),
    [(ITEMS, "rubric", "the items of a checklist"), (ITEMS, "versus", "the items of a checklist"),
     (ITEMS, "generation", "the items of a checklist"), (CRITERIA, "checklist", "the criteria of a rubric"),
     (CRITERIA, "generation", "the criteria of a rubric"), (MIX, "rubric", "the weights of a mix and clauses"),
     (PANEL, "rubric", "what a panel is"), ({"versus": {"criteria": "Which?"}}, "rubric", "the criteria of versus"),
     ({**CRITERIA, **ITEMS, "weights": {"rubric": 1, "checklist": 2}}, "rubric",
      "the items of a checklist and the weights of a mix")],
)  # fmt: skip
def test_what_nothing_goes_by_is_told(judge: Mapping[str, Any], named: str, left: str) -> None:
    made = task(judge)
    (said,) = passed_over([bind_evaluator(named, made)], made)
    assert said == (
        f"[judge] of task 'shop' says {left}, and nothing here goes by that: scores are by {named}; name "
        f"{made.judge['evaluator']} with --evaluator to go by it"
    )


@pytest.mark.parametrize(
    ("judge", "named"),
    [(CRITERIA, "versus"), (CRITERIA, "panel"), (CRITERIA, "weighted"), (CRITERIA, None), (ITEMS, "panel"),
     (ITEMS, "weighted"), (PANEL, "panel"), ({**CRITERIA, **ITEMS, "evaluator": "rubric"}, None),
     ({**CRITERIA, **ITEMS, "evaluator": "rubric"}, "checklist"), ({"evaluator": "generation", **ITEMS}, None),
     ({}, "rubric"), ({}, "generation")],
)  # fmt: skip
def test_nothing_is_told_where_all_is_gone_by_or_the_file_itself_leaves_it_out(
    judge: Mapping[str, Any], named: str | None
) -> None:
    made = task(judge)
    told = passed_over([bind_evaluator(named, made)], made)
    expected = 1 if named == "checklist" else 0
    assert len(told) == expected


def test_what_guides_the_search_alone_passes_over_nothing_that_the_verdict_is_by() -> None:
    made = task(CRITERIA)
    guide = bind_evaluator("generation", made)
    assert passed_over([guide, bind_evaluator(None, made)], made) == []


def test_a_panel_and_a_mix_ask_what_the_task_says() -> None:
    listed = task(ITEMS)
    panel, mix = bind_evaluator("panel", listed), bind_evaluator("weighted", listed)
    assert isinstance(panel, Panel)
    assert panel.by == "checklist"
    assert panel.questions == tuple(ITEMS["items"])
    assert isinstance(mix, Weighted)
    assert mix.parts == ("checklist", "metric")
    both = bind_evaluator("weighted", task({**CRITERIA, **ITEMS, "evaluator": "rubric"}))
    assert isinstance(both, Weighted)
    assert both.parts == ("rubric", "checklist", "metric")
    # What a file says counts, and who says nothing has a rubric with its own words.
    assert (
        bind_evaluator(None, task({**PANEL, **ITEMS, "by": "rubric"})).fingerprint()["asked"]["evaluator"] == "rubric"
    )
    assert bind_evaluator("weighted", task({})).fingerprint()["weights"] == {"rubric": 1.0, "metric": 1.0}


def test_an_evaluator_named_for_several_tasks_asks_each_by_its_own_table() -> None:
    kind, short = task({"criteria": "Is it kind?"}, "kind"), task({"criteria": "Is it short?"}, "short")
    several = several_tasks([kind, short, task(ITEMS, "listed")])
    made = bind_evaluator("rubric", several)
    assert isinstance(made, OwnJudges)
    asked = {name: each.criteria for name, each in made.of.items() if isinstance(each, Rubric)}
    assert asked == {"kind": "Is it kind?", "short": "Is it short?", "listed": ""}
    (said,) = passed_over([made], several)
    assert said.startswith("[judge] of task 'listed' says the items of a checklist")
    assert passed_over([bind_evaluator(None, several)], several) == []
    assert isinstance(bind_evaluator("checklist", several), OwnJudges)
    assert made.fingerprint() != bind_evaluator(None, several).fingerprint()
    listed = made.of["listed"]
    assert not isinstance(listed, Checklist)
