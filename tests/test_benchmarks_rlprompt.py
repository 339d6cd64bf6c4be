"""The benchmark of RLPrompt makes its real runs in an order that leaves whole pairs, and tells what it did not run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from benchmarks import rlprompt_page, rlprompt_real
from benchmarks.rlprompt_real import Row
from promptopt.types import Room


def chosen(**given: Any) -> argparse.Namespace:
    usual: dict[str, Any] = {
        "preset": "cpu-small", "steps": 300, "runs": (0, 1), "tasks": rlprompt_real.TASKS, "ways": rlprompt_real.WAYS,
        "test": 400, "device": "cpu", "dtype": "float32", "layout": "text",
    }  # fmt: skip
    return argparse.Namespace(**usual | given)


def row(task: str, seed: int, way: str, accuracy: float) -> Row:
    return Row(task, seed, way, accuracy, 100, 2.0, " bab", "--preset cpu-small", 400, "one GPU", 1.5, ("a", "b"))


def test_whatever_ends_the_runs_early_leaves_pairs_of_learned_and_random_prompts() -> None:
    keys = [key for key in rlprompt_real.planned(chosen(), ()) if "empty" not in key[2] and "manual" not in key[2]]
    assert [key[2] for key in keys[:8]] == ["rlprompt", "random prompts"] * 4
    assert [key[:2] for key in keys[:8:2]] == [("sst-2", 0), ("agnews", 0), ("sst-2", 1), ("agnews", 1)]
    assert {key[2] for key in keys[8:]} == {"rlprompt, rloo", "apo"}


@pytest.mark.parametrize("preset", [None, "smoke"])
def test_apo_has_evaluations_of_its_own_and_so_stands_beside_every_preset(preset: str | None) -> None:
    assert sum(key[2] == "apo" for key in rlprompt_real.planned(chosen(preset=preset), ())) == 4


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"preset": "cpu-small", "steps": None}, "--preset cpu-small"),
        ({"preset": "cpu-small", "steps": 150}, "--preset cpu-small --steps 150"),
        ({"preset": None, "steps": 300}, "--steps 300"),
        ({"preset": "smoke", "steps": None, "dtype": "tf32"}, "--preset smoke --dtype tf32"),
        ({"steps": None, "layout": "input-first"}, "--preset cpu-small --layout input-first"),
    ],
)
def test_runs_of_other_sizes_and_precisions_are_told_apart(given: dict[str, Any], size: str) -> None:
    assert rlprompt_real.size_of(chosen(**given)) == size


@pytest.mark.parametrize(("steps", "planned"), [(None, 500), (150, 150)])
def test_a_preset_may_be_given_other_steps(steps: int | None, planned: int) -> None:
    method = rlprompt_real.way_of("rlprompt", "here/model", chosen(steps=steps))
    plan = method.plan(Room(None, None, 1, 32, 32))
    assert (plan.steps, plan.length, plan.examples) == (planned, 3, 16)


def test_what_is_known_is_not_run_again() -> None:
    known = {("sst-2", 0, "rlprompt"), ("agnews", 1, "empty prompt")}
    assert known.isdisjoint(rlprompt_real.planned(chosen(), known))
    assert len(list(rlprompt_real.planned(chosen(), known))) == len(list(rlprompt_real.planned(chosen(), ()))) - 2


def test_the_table_pairs_each_way_with_random_prompts_of_its_task_and_seed() -> None:
    rows = [
        row("sst-2", 0, "rlprompt", 0.8), row("sst-2", 0, "random prompts", 0.7),
        row("agnews", 0, "rlprompt", 0.6), row("agnews", 0, "random prompts", 0.4),
    ]  # fmt: skip
    table = rlprompt_real.real_table(rows, "here/model", chosen())
    assert "| rlprompt | 0.800 (1) | 0.600 (1) | +0.150 ± 0.050 | 100 | 2.0 | 1.50 |" in table
    assert "one GPU" in table[2]


def test_a_part_takes_the_place_of_its_kind_and_what_a_person_wrote_below_it_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for lines in (["## Speed", "", "slow"], ["## Real", "", "few"]):
        rlprompt_page.write(lines, page)
    page.write_text(page.read_text().replace("slow\n", "slow\n\n### Why\n\nsaid by hand\n"))
    rlprompt_page.write(["## Speed", "", "fast"], page)
    expected = "# RLPrompt\n\n## Speed\n\nfast\n\n### Why\n\nsaid by hand\n\n## Real\n\nfew\n"
    assert page.read_text() == expected
