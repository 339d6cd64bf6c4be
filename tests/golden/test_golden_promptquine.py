"""The journals of PromptQuine and TAPruning on a planted task, as readable text: any change of what they ask shows.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.models.scripted import Scripted
from promptopt.optimizers.promptquine.method import Evolution, PromptQuine, Scoring
from promptopt.optimizers.promptquine.reranking import Reranking
from promptopt.optimizers.promptquine.tapruning import TAPruning
from promptopt.protocols import Optimizer
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Request

HERE = Path(__file__).parent
METHODS: dict[str, Optimizer] = {
    "promptquine": PromptQuine(
        variant="generational",
        evolve=Evolution(population=4, offspring=5, shortest=9),
        score=Scoring(most=6),
        rerank=Reranking(examples=8, most=3),
    ),
    "promptquine_steady": PromptQuine(
        evolve=Evolution(population=3, offspring=4, shortest=11), score=Scoring(most=4), rerank=Reranking(examples=8)
    ),
    "tapruning": TAPruning(examples=8),
}


def answer(request: Request) -> str:
    """Right more often the fewer of two words are read, and the other way round for a third."""
    text = str(request.content)
    number = int(re.findall(r"number (\d+)", text)[-1])
    worth = 6 - 2 * ("kindly" in text) - 2 * ("snow" in text) + 2 * ("Answer" in text)
    return "ab" * (number % 3 + 1) if number % 8 < worth else "no"


def journal(optimizer: Optimizer, home: Path) -> str:
    """One line a step, one a candidate, one for what the task model was asked, one for the end."""
    examples = [Example.of("ab" * (number % 3 + 1), question=f"Which is number {number}?") for number in range(48)]
    prompt = "Answer kindly. Think of snow."
    task = Task.from_examples(examples, prompt=prompt, metric="exact", answer="text", splits=Splits(24, 12, 12))
    model = Scripted(answer, name="scripted")
    result = optimize(task, optimizer, model=model, store=home / "store.db")
    names = {candidate.prompt: f"{number:02}" for number, candidate in enumerate(result.candidates())}
    lines: list[str] = []
    for candidate in result.candidates():
        proposal = candidate.proposal
        parents = "".join(f" of {names[parent]}" for parent in proposal.parents)
        text = candidate.prompt["instruction"].replace("\n", "/")
        lines.append(f"{names[candidate.prompt]} {proposal.operator}{parents} [{proposal.note}]: {text}")
    for step in result.steps:
        scores = " ".join(f"{names[each.prompt]}:{each.mean:.2f}/{each.count}" for each in step.pool)
        kept = " ".join(names[each] for each in step.kept)
        lines.append(f"step {step.number}: {scores}; {step.spent.evaluations} evaluations; kept {kept}")
    asked = "\n".join(str(request.content) for request in model.log if isinstance(request, Request))
    lines.append(f"task model: {model.calls} calls, {hashlib.sha256(asked.encode()).hexdigest()[:12]}")
    lines.append(f"end: {result.verdict}, {names[result.best.prompt]}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", METHODS)
def test_it_asks_what_it_asked_before(tmp_path: Path, name: str) -> None:
    found = journal(METHODS[name], tmp_path)
    golden = HERE / f"{name}.txt"
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")
