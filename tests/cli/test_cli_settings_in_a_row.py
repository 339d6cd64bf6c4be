"""Several settings behind one `--set`."""

from __future__ import annotations

import pytest
from command_line import Invoke

from promptopt.cli.settings_in_a_row import each_with_its_option


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("--set a=1 b=2 --seed 3", "--set a=1 --set b=2 --seed 3"),
        ("--set a=1 train.b=x=y --set c=3 d=4", "--set a=1 --set train.b=x=y --set c=3 --set d=4"),
        ("--set=a=1 b=2", "--set=a=1 --set b=2"),
        ("--task t --set a=1 run b=2", "--task t --set a=1 run b=2"),
        ("--set -x=1 b=2", "--set -x=1 --set b=2"),
        ("--set a=1 -- b=2", "--set a=1 -- b=2"),
        ("--seed 3 b=2", "--seed 3 b=2"),
        ("--set a=1 --seed b=2", "--set a=1 --seed b=2"),
        ("", ""),
    ],
)
def test_what_stands_behind_a_setting_and_looks_like_one_is_one_more(given: str, read: str) -> None:
    assert each_with_its_option(given.split()) == read.split()


def test_a_search_is_given_both_and_names_the_one_it_does_not_know(invoke: Invoke, task_file: str) -> None:
    base = ("optimize", "--method", "climb", "--model", "scripted", "--task", task_file, "--dry-run", "--set")
    assert "did you mean 'steps'?" in invoke(*base, "selector=exhaustive", "stps=3").stderr
    assert invoke(*base, "selector=exhaustive", "steps=3").exit_code == 0
