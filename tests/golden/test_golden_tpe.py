"""TPE's journal on a planted task, as readable text: any change of what it asks, and in which order, shows in review.

Another version of optuna may draw other pairs; 4.0 and 5.0 draw these.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.tpe.method import TPE, Bootstrapping, Proposing, Scoring
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

GOLDEN = Path(__file__).parent / "tpe.txt"


def propose(request: Request) -> str:
    """Appends a word; it depends on what was asked."""
    text = request.content if isinstance(request.content, str) else request.content[0].content
    mark = hashlib.sha256(text.encode()).hexdigest()[:4]
    return f"<prompt>Answer {('carefully', 'exactly', 'soon')[int(mark, 16) % 3]} {mark}</prompt>"


def journal(tmp_path: Path) -> str:
    """One line a call of the proposer, one a full score, one a candidate, one for the end."""
    model = planted_model(feature_accuracy(["carefully", "exactly"], base=0.5, each=0.2))
    proposer = Scripted(propose, name="proposer")
    result = optimize(
        planted_task(),
        TPE(
            trials=16,
            propose=Proposing(instructions=4),
            bootstrap=Bootstrapping(sets=3, demos=2),
            score=Scoring(minibatch=8, full_every=4),
        ),
        model=Models(model, proposer=proposer),
        store=tmp_path / "store.db",
    )
    names = {
        each.prompt: f"{each.prompt['instruction']} ({', '.join(demo['question'] for demo in each.prompt.demos)})"
        for each in result.candidates()
    }
    lines: list[str] = []
    for request in proposer.log:
        assert isinstance(request, Request)
        assert not isinstance(request.content, str)
        text = request.content[0].content
        lines.append(f"ask {hashlib.sha256(text.encode()).hexdigest()[:12]} {text.splitlines()[0]}")
    for step in result.steps:
        means = ", ".join(f"{estimate.mean:.2f} on {estimate.count}" for estimate in step.pool)
        lines.append(f"full score {step.number}: {means}; {step.spent.evaluations} evaluations")
        lines.append(f"kept {names[step.kept[0]]}")
    for candidate in result.candidates():
        lines.append(f"{candidate.proposal.operator}: {names[candidate.prompt]} [{candidate.proposal.note}]")
    asked = "\n".join(str(request.content) for request in model.log)
    lines.append(f"task model: {model.calls} calls, {hashlib.sha256(asked.encode()).hexdigest()[:12]}")
    lines.append(f"end: {result.verdict}, {names[result.prompt]}")
    return "\n".join(lines) + "\n"


def test_tpe_asks_what_it_asked_before(tmp_path: Path) -> None:
    found = journal(tmp_path)
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
