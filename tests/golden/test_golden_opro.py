"""OPRO's journal on a planted task, as readable text: any change of what it asks, and in which order, shows in review.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.opro.method import OPRO, Proposing, Showing, Validation
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

GOLDEN = Path(__file__).parent / "opro.txt"
WORDS = ("carefully", "exactly", "twice", "soon")


def text_of(request: Request) -> str:
    """What the proposer reads."""
    return request.content if isinstance(request.content, str) else request.content[0].content


def journal(tmp_path: Path) -> str:
    """The last request whole, one line a request, one a step, one a candidate, one for the end."""
    calls = 0

    def propose(request: Request) -> str:
        """The best instruction with a word more; what it adds depends on the place of the call, not on the draw."""
        nonlocal calls
        calls += 1
        best = text_of(request).split("\nscore:\n")[-2].split("text:\n")[-1]
        return f"<instruction>{best} {WORDS[calls % 4]}</instruction>"

    model = planted_model(feature_accuracy(WORDS, base=0.3, each=0.15))
    proposer = Scripted(propose, name="proposer")
    result = optimize(
        planted_task(train=24, dev=12, test=12),
        OPRO(
            steps=4,
            examples=24,
            show=Showing(memory=4, exemplars=2, choice="wrong-so-far"),
            propose=Proposing(breadth=3, end_temperature=1.4),
            validation=Validation(share=0.25, every=2),
        ),
        model=Models(model, proposer=proposer),
        store=tmp_path / "store.db",
    )
    asked = [request for request in proposer.log if isinstance(request, Request)]
    lines = [f"| {line}".rstrip() for line in text_of(asked[-1]).splitlines()]
    for request in asked:
        mark = hashlib.sha256(text_of(request).encode()).hexdigest()[:12]
        lines.append(f"ask {mark} at {request.sampling.temperature:.2f}")
    for step in result.steps:
        pool = ", ".join(f"{estimate.mean:.3f}" for estimate in step.pool)
        kept = " | ".join(prompt["instruction"] for prompt in step.kept)
        lines.append(f"step {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {kept}")
    for candidate in result.candidates():
        proposal, search = candidate.proposal, candidate.search
        held = f"{search.mean:.3f} on {search.count}"
        lines.append(f"{proposal.operator}: {proposal.prompt['instruction']} [{proposal.note}] {held}")
    told = "\n".join(str(request.content) for request in model.log)
    lines.append(f"task model: {model.calls} calls, {hashlib.sha256(told.encode()).hexdigest()[:12]}")
    lines.append(f"rejected: {dict(result.rejected)}")
    lines.append(f"end: {result.verdict}, {result.best.text}")
    return "\n".join(lines) + "\n"


def test_opro_asks_what_it_asked_before(tmp_path: Path) -> None:
    found = journal(tmp_path)
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
