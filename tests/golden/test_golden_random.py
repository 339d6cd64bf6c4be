"""Random search's journal on a planted task, as readable text: any change of what it asks shows in review.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.random_search import RandomSearch
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

GOLDEN = Path(__file__).parent / "random.txt"
WORDS = ("carefully", "exactly", "twice", "soon")


def journal(tmp_path: Path) -> str:
    """The request whole, then one line a round, one a candidate, one for the end."""
    calls = 0

    def propose(_: Request) -> str:
        nonlocal calls
        calls += 1
        return f"<prompt>Answer {WORDS[calls % 4]}{' and ' + WORDS[calls // 4 % 4] if calls % 3 else ''}.</prompt>"

    model = planted_model(feature_accuracy(WORDS, base=0.3, each=0.2))
    proposer = Scripted(propose, name="proposer")
    result = optimize(
        planted_task(train=24, dev=12, test=12),
        RandomSearch(candidates=11, breadth=4, examples=16),
        model=Models(model, proposer=proposer),
        store=tmp_path / "store.db",
    )
    texts: list[str] = []
    for request in proposer.log:
        assert isinstance(request, Request)
        texts.append(request.content if isinstance(request.content, str) else request.content[0].content)
    lines = [f"| {line}".rstrip() for line in texts[0].splitlines()]
    lines.append(f"asked {len(texts)} times, {len(dict.fromkeys(texts))} text")
    for step in result.steps:
        pool = ", ".join(f"{estimate.mean:.3f}" for estimate in step.pool)
        kept = " | ".join(prompt["instruction"] for prompt in step.kept)
        lines.append(f"round {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {kept}")
    for candidate in result.candidates():
        lines.append(f"{candidate.proposal.operator}: {candidate.prompt['instruction']}")
    told = "\n".join(str(request.content) for request in model.log)
    lines.append(f"task model: {model.calls} calls, {hashlib.sha256(told.encode()).hexdigest()[:12]}")
    lines.append(f"rejected: {dict(result.rejected)}")
    lines.append(f"end: {result.verdict}, {result.best.text}")
    return "\n".join(lines) + "\n"


def test_random_search_asks_what_it_asked_before(tmp_path: Path) -> None:
    found = journal(tmp_path)
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
