"""APO's journal on a planted task, as readable text: any change of what it asks, and in which order, shows in review.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.apo.method import APO, Expansion
from promptopt.selection.bandits import UCB
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

GOLDEN = Path(__file__).parent / "apo.txt"


def propose(request: Request) -> str:
    """Follows the reply contract of each call; what it adds depends on what it was asked, not on the draw."""
    text = request.content if isinstance(request.content, str) else request.content[0].content
    mark = hashlib.sha256(text.encode()).hexdigest()[:4]
    if "<reason>" in text:
        return f"<reason>It does not say {mark}.</reason>"
    word = ("carefully", "exactly", "soon")[int(mark, 16) % 3]
    return f"<instruction>Answer the question {word}. {mark}</instruction>"


def journal(tmp_path: Path) -> str:
    """One line a call of the proposer, one a round, one for the end."""
    model = planted_model(feature_accuracy(["carefully", "exactly"], base=0.5, each=0.2))
    proposer = Scripted(propose, name="proposer")
    result = optimize(
        planted_task(),
        APO(rounds=2, beam=2, minibatch=16, expand=Expansion(groups=2, children=3), selector=UCB(budget=120)),
        model=Models(model, proposer=proposer),
        store=tmp_path / "store.db",
    )
    names = {candidate.prompt.id: candidate.prompt["instruction"] for candidate in result.candidates()}
    lines: list[str] = []
    for request in proposer.log:
        assert isinstance(request, Request)
        assert not isinstance(request.content, str)
        text = request.content[0].content
        lines.append(f"ask {hashlib.sha256(text.encode()).hexdigest()[:12]} {text.splitlines()[0]}")
    for step in result.steps:
        kept = " | ".join(names[prompt.id] for prompt in step.kept)
        lines.append(
            f"round {step.number}: {len(step.pool)} compared, {step.spent.evaluations} evaluations; kept {kept}"
        )
    asked = "\n".join(str(request.content) for request in model.log)
    lines.append(f"task model: {model.calls} calls, {hashlib.sha256(asked.encode()).hexdigest()[:12]}")
    lines.append(f"end: {result.verdict}, {result.best.text}")
    return "\n".join(lines) + "\n"


def test_apo_asks_what_it_asked_before(tmp_path: Path) -> None:
    found = journal(tmp_path)
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
