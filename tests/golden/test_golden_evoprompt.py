"""EvoPrompt's journals on a planted task, as readable text: any change of what it asks, and in which order, shows.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.evoprompt.method import EvoPromptDE, EvoPromptGA
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

SEEDS = ("Reply to the question.", "Say yes or no.", "Reply carefully.")


def propose(request: Request) -> str:
    """Follows the reply contract; what it writes depends on what it was asked, and on the draw where that is equal."""
    text = request.content if isinstance(request.content, str) else request.content[0].content
    mark = hashlib.sha256(text.encode()).hexdigest()[:4]
    word = ("carefully", "exactly", "soon")[int(mark, 16) % 3]
    return f"1. Done.\n2. <prompt>Answer the question {word}. {mark}</prompt>"


def journal(tmp_path: Path, optimizer: EvoPromptGA | EvoPromptDE) -> str:
    """One line a call of the proposer, one a generation, one a candidate, one for the end."""
    model = planted_model(feature_accuracy(["carefully", "exactly"], base=0.5, each=0.2))
    proposer = Scripted(propose, name="proposer")
    result = optimize(planted_task(), optimizer, model=Models(model, proposer=proposer), store=tmp_path / "store.db")
    names = {candidate.prompt: candidate.prompt["instruction"] for candidate in result.candidates()}
    lines: list[str] = []
    for request in proposer.log:
        assert isinstance(request, Request)
        assert not isinstance(request.content, str)
        text = request.content[0].content
        lines.append(f"ask {hashlib.sha256(text.encode()).hexdigest()[:12]} {text.splitlines()[0][:60]}")
    for step in result.steps:
        scores = ", ".join(f"{estimate.mean:.2f}" for estimate in step.pool)
        kept = " | ".join(names[prompt] for prompt in step.kept)
        lines.append(f"generation {step.number}: {scores}; {step.spent.evaluations} evaluations; kept {kept}")
    for candidate in result.candidates():
        parents = " | ".join(names[prompt] for prompt in candidate.proposal.parents)
        lines.append(f"{candidate.proposal.operator}: {names[candidate.prompt]} [{parents}]")
    asked = "\n".join(str(request.content) for request in model.log)
    lines.append(f"task model: {model.calls} calls, {hashlib.sha256(asked.encode()).hexdigest()[:12]}")
    lines.append(f"end: {result.verdict}, {result.best.text}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
def test_evoprompt_asks_what_it_asked_before(tmp_path: Path, kind: type[EvoPromptGA | EvoPromptDE]) -> None:
    golden = Path(__file__).parent / f"{kind.name}.txt"
    found = journal(tmp_path, kind(population=4, generations=2, examples=20, seeds=SEEDS))
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")
