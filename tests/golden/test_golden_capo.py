"""CAPO's journal on a planted task, as readable text: any change of what it asks, and in which order, shows in review.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.capo.method import CAPO, Breeding, Demonstrations
from promptopt.optimizers.capo.track import Race
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Prompt, Request

GOLDEN = Path(__file__).parent / "capo.txt"
WORDS = ("Carefully", "Exactly", "Soon", "Twice")


def said(content: Content) -> str:
    return content if isinstance(content, str) else "\n\n".join(message.content for message in content)


def propose(request: Request) -> str:
    """The first prompt shown, and a word; which one depends on what was asked, not on the draw."""
    text = said(request.content)
    section = text.split('"""')[1].strip()
    mark = int(hashlib.sha256(text.encode()).hexdigest()[:4], 16)
    return f"Here it is.\n<prompt>{section} {WORDS[mark % 4]}.</prompt>"


def answer(request: Request) -> str:
    """Right on every third question, and on more with each good word and each demonstration."""
    text = said(request.content)
    number = int(text.rsplit("number ", 1)[1].split("?")[0])
    help_ = ("Carefully" in text) + 2 * ("Exactly" in text) + text.count("Question:") - 1
    return f"It must be {number if (number * 7) % 11 < 4 + help_ else number + 1}"


def shown(prompt: Prompt) -> str:
    demos = ", ".join(f"{demo['question'].split()[-1]} {demo.target}" for demo in prompt.demos)
    return f"{prompt['instruction']} ({demos})"


def journal(tmp_path: Path) -> str:
    """One line a call of the proposer, one an iteration, one a candidate, one for the end."""
    examples = [Example.of(str(number), question=f"Which is number {number}?") for number in range(80)]
    task = Task.from_examples(examples, prompt="Say the number.", name="numbers", splits=Splits(40, 20, 20))
    model = Scripted(answer, name="task model")
    proposer = Scripted(propose, name="proposer")
    result = optimize(
        task,
        CAPO(
            population=3,
            iterations=3,
            seeds=("Name it.",),
            breed=Breeding(crossovers=2),
            demos=Demonstrations(most=3),
            race=Race(block=8, blocks=4),
        ),
        model=Models(model, proposer=proposer),
        store=tmp_path / "store.db",
    )
    names = {candidate.prompt: shown(candidate.prompt) for candidate in result.candidates()}
    lines: list[str] = []
    for request in proposer.log:
        text = said(request.content)
        lines.append(f"ask {hashlib.sha256(text.encode()).hexdigest()[:12]} {text.splitlines()[0]}")
    for step in result.steps:
        pool = ", ".join(f"{estimate.mean:.3f} of {estimate.count}" for estimate in step.pool)
        kept = " | ".join(names[prompt] for prompt in step.kept)
        lines.append(f"iteration {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {kept}")
    for candidate in result.candidates():
        lines.append(f"{candidate.proposal.operator}: {names[candidate.prompt]} [{candidate.proposal.note}]")
    asked = "\n".join(str(request.content) for request in model.log)
    lines.append(f"task model: {model.calls} calls, {hashlib.sha256(asked.encode()).hexdigest()[:12]}")
    lines.append(f"end: {result.verdict}, {names[result.best.prompt]}")
    return "\n".join(lines) + "\n"


def test_capo_asks_what_it_asked_before(tmp_path: Path) -> None:
    found = journal(tmp_path)
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
