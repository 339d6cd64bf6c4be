"""PMPO's journal on a planted task, as readable text: any change of what it asks, and in which order, shows in review.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.pmpo.method import PMPO, Masking, Rewriting
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Request

GOLDEN = Path(__file__).parent / "pmpo.txt"
PROMPT = "Answer the question.\n- Use one word.\n- Think of snow."


def propose(request: Request) -> str:
    """Marks the list items, or adds a word; what it adds depends on what it was asked, not on the draw."""
    text = request.content if isinstance(request.content, str) else request.content[0].content
    if text.startswith("Mark the parts"):
        lines = text.split('The prompt to mark:\n"""\n')[1].split('\n"""')[0].split("\n")
        return "\n".join(["<prompt>", lines[0], *(f"<mask>{line}</mask>" for line in lines[1:]), "</prompt>"])
    section = text.split('The prompt now:\n"""\n')[1].split('\n"""')[0]
    mark = hashlib.sha256(text.encode()).hexdigest()[:4]
    return f"It is vague.\n<prompt>{section} {('Carefully', 'Exactly', 'Soon')[int(mark, 16) % 3]}. {mark}</prompt>"


def scores(content: Content, text: str) -> list[float]:
    """One value a word: the target's length, and what the prompt makes of it."""
    read = content if isinstance(content, str) else content[0].content
    gain = 0.2 * ("Carefully" in read) + 0.1 * ("one word" in read) - 0.05 * ("snow" in read)
    return [-1.0 - 0.01 * len(text) + gain] * (len(text.split()) + 1)


def journal(tmp_path: Path) -> str:
    """One line a call of the proposer, one an iteration, one a candidate, one for the end."""
    examples = [Example.of("ab" * (number + 1), question=f"Which is number {number}?") for number in range(36)]
    task = Task.from_examples(examples, prompt=PROMPT, metric="exact", answer="text", splits=Splits(12, 12, 12))
    model = Scripted(lambda _: "ab", name="scorer", scores=scores)
    proposer = Scripted(propose, name="proposer")
    result = optimize(
        task,
        PMPO(iterations=3, examples=10, mask=Masking(most=2), rewrite=Rewriting(hard=2, samples=2)),
        model=Models(model, proposer=proposer),
        evaluator=Loss.for_task(task),
        check_evaluator=Loss.for_task(task),
        store=tmp_path / "store.db",
    )
    texts = {
        candidate.prompt: " / ".join(candidate.prompt["instruction"].split("\n")) for candidate in result.candidates()
    }
    lines: list[str] = []
    for request in proposer.log:
        assert isinstance(request, Request)
        assert not isinstance(request.content, str)
        text = request.content[0].content
        lines.append(f"ask {hashlib.sha256(text.encode()).hexdigest()[:12]} {text.splitlines()[0]}")
    for step in result.steps:
        kept = " | ".join(texts[prompt] for prompt in step.kept)
        losses = ", ".join(f"{-estimate.mean:.3f}" for estimate in step.pool)
        lines.append(f"iteration {step.number}: {losses}; {step.spent.evaluations} evaluations; kept {kept}")
    for candidate in result.candidates():
        lines.append(f"{candidate.proposal.operator}: {texts[candidate.prompt]} [{candidate.proposal.note}]")
    asked = "\n".join(str(request.content) for request in model.log)
    lines.append(f"task model: {model.calls} calls, {hashlib.sha256(asked.encode()).hexdigest()[:12]}")
    lines.append(f"end: {result.verdict}, {texts[result.best.prompt]}")
    return "\n".join(lines) + "\n"


def test_pmpo_asks_what_it_asked_before(tmp_path: Path) -> None:
    found = journal(tmp_path)
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
