"""APE's journal on a planted task, as readable text: any change of what it asks, and in which order, shows in review.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.ape.method import APE, Filtering, Proposing
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

GOLDEN = Path(__file__).parent / "ape.txt"


def propose(request: Request) -> str:
    """A guess, or a variation with a word more; it depends on what was asked and on the draw."""
    text = request.content if isinstance(request.content, str) else request.content[0].content
    head = text.split('"""')[1].strip() if text.startswith("Write a variation") else "Answer"
    mark = hashlib.sha256(f"{text}{request.seed}".encode()).hexdigest()[:4]
    return f"<prompt>{head} {('carefully', 'exactly', 'soon')[int(mark, 16) % 3]} {mark}</prompt>"


def journal(tmp_path: Path) -> str:
    """One line a call of the proposer, one a stage, one a candidate, one for the end."""
    model = planted_model(feature_accuracy(["carefully", "exactly"], base=0.5, each=0.2))
    proposer = Scripted(propose, name="proposer")
    result = optimize(
        planted_task(),
        APE(propose=Proposing(candidates=8, samples=4), filter=Filtering(subset=6, finalists=2), resampling=1),
        model=Models(model, proposer=proposer),
        store=tmp_path / "store.db",
    )
    names = {candidate.prompt: candidate.prompt["instruction"] for candidate in result.candidates()}
    lines: list[str] = []
    for request in proposer.log:
        assert isinstance(request, Request)
        assert not isinstance(request.content, str)
        text = request.content[0].content
        lines.append(f"ask {hashlib.sha256(text.encode()).hexdigest()[:12]} {text.splitlines()[0][:40]}")
    for step in result.steps:
        kept = " | ".join(names[prompt] for prompt in step.kept)
        means = ", ".join(f"{estimate.mean:.2f}" for estimate in step.pool)
        count = step.pool[0].count
        lines.append(f"stage {step.number}: on {count}: {means}; {step.spent.evaluations} evaluations; kept {kept}")
    for candidate in result.candidates():
        parents = ", ".join(names[parent] for parent in candidate.proposal.parents)
        lines.append(f"{candidate.proposal.operator}: {names[candidate.prompt]} [{parents}{candidate.proposal.note}]")
    asked = "\n".join(str(request.content) for request in model.log)
    lines.append(f"task model: {model.calls} calls, {hashlib.sha256(asked.encode()).hexdigest()[:12]}")
    lines.append(f"end: {result.verdict}, {result.best.text}")
    return "\n".join(lines) + "\n"


def test_ape_asks_what_it_asked_before(tmp_path: Path) -> None:
    found = journal(tmp_path)
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
