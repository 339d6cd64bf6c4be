"""Which failures MetaSPO shows in which request."""

from __future__ import annotations

import re
from pathlib import Path

from promptopt.optimizers.metaspo.method import MetaSPO
from tests.optimizers.test_metaspo import both, read, search, writer


def test_each_rewrite_of_a_user_prompt_is_shown_failures_of_its_own(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, users=3, systems=1, examples=16, user_failures=3)
    _, _, proposer = search(tmp_path, method, both(48), lambda _: "no", writer("one"))
    first = [read(request) for request in proposer.log if "<critique>" in read(request)][:3]

    assert all("Do a." in text for text in first)
    assert len(set(first)) == 3


def test_failures_of_a_system_prompt_are_mixed_over_the_tasks(tmp_path: Path) -> None:
    method = MetaSPO(preset="paper", rounds=1, systems=1, examples=16, system_failures=4, outer_only=True)
    _, _, proposer = search(tmp_path, method, both(48), lambda _: "no", writer("one"))
    order = re.findall(r"Do ([ab])\.", read(proposer.log[0]))

    assert sorted(order) == ["a"] * 4 + ["b"] * 4
    assert order not in (sorted(order), sorted(order, reverse=True))
