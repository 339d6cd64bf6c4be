"""A real vLLM held by the actors of a real Ray scores what it scores in one process.

Run with `pytest -m vllm`, where both are installed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import weights
from tests.integration.test_compare_processes import workplace
from tests.integration.test_optimize_ray import command

__all__ = ["workplace"]
pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(900)]
pytest.importorskip("ray", reason="needs the extra `ray`")
pytest.importorskip("vllm", reason="vLLM is not installed (.ci/install_vllm_cpu)")

NATS = 1e-3
"""What float32 sums in batches of another size may differ by."""


def test_prompts_are_scored_over_actors_as_in_one_process(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Scored by likelihood, so a difference of one batch's rounding shows and a difference of an answer does not hide.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    asked = ("evaluate", "--task", "mood.toml", "--model", f"vllm/{weights.folder()}", "--evaluator", "loss",
             "--prompt", "Say it.", "--prompt", "Say good or bad.", "--max-evaluations", "24")  # fmt: skip
    alone = command(workplace / "alone", *asked)
    spread = command(workplace / "spread", *asked, "--on", "ray")
    for one, other in zip(alone["prompts"], spread["prompts"], strict=True):
        assert one["spent"] == other["spent"]
        assert one["n"] == other["n"] == 24
        assert one["score"] == pytest.approx(other["score"], abs=NATS)
    assert len({each["score"] for each in alone["prompts"]}) == 2
