"""The journals of Plum's six methods on one small task, as readable text: any change of what they do shows in review.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.plum.neighbours import Editing
from promptopt.optimizers.plum.patience import Stopping
from promptopt.optimizers.plum.points import Scoring
from promptopt.optimizers.plum.population import CrossoverGA, HarmonySearch, MutationGA
from promptopt.optimizers.plum.single import HillClimbing, SimulatedAnnealing, TabuSearch
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Request
from tests.optimizers.plum.phrase_search import phrase_of, text_of

GOLDEN = Path(__file__).parent / "plum.txt"
PROMPT = "Read the review as a whole, then say good or bad.\n- Think of snow."


def propose(request: Request) -> str:
    """Two variants of the phrase; what they are depends on the phrase, not on the draw."""
    phrase = phrase_of(request)
    mark = hashlib.sha256(phrase.encode()).hexdigest()[:3]
    return json.dumps([f"{phrase} carefully", f"{phrase} ({mark})"])


def answer(request: Request) -> str:
    """Better where the prompt says carefully once and nothing of snow; it answers "good" where it does not know."""
    text = text_of(request)
    number = int(text.split("item ")[1].split()[0])
    known = 5 - 2 * abs(text.count("carefully") - 1) - 2 * ("snow" in text)
    return "bad" if number % 2 and number % 10 < known + 2 else "good"


def journal(tmp_path: Path, method: Any) -> list[str]:
    """One line an iteration, one a candidate, one for what was asked, one for the end."""
    examples = [Example.of(("good", "bad")[number % 2], text=f"item {number} of all") for number in range(40)]
    task = Task.from_examples(examples, prompt=PROMPT, labels=("good", "bad"), splits=Splits(16, 12, 12))
    model = Scripted(answer, name="model")
    proposer = Scripted(propose, name="proposer")
    result = optimize(task, method, model=Models(model, proposer=proposer), store=tmp_path / f"{method.name}.db")
    numbers = {candidate.prompt: number for number, candidate in enumerate(result.candidates())}
    lines = [f"{method.name}"]
    for step in result.steps:
        pool = ", ".join(f"{numbers[estimate.prompt]}: {estimate.mean:.3f}" for estimate in step.pool)
        kept = " ".join(str(numbers[prompt]) for prompt in step.kept)
        lines.append(f"iteration {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {kept}")
    for candidate in result.candidates()[1:]:
        proposal = candidate.proposal
        parents = " ".join(str(numbers[parent]) for parent in proposal.parents)
        shown = " / ".join(candidate.prompt["instruction"].split("\n"))
        lines.append(f"{numbers[candidate.prompt]} of {parents}: {shown} [{proposal.note}]")
    asked = "\n".join(map(text_of, proposer.log))
    lines.append(f"proposer: {proposer.calls} calls, {hashlib.sha256(asked.encode()).hexdigest()[:12]}")
    lines.append(f"task model: {model.calls} calls; rejected {dict(sorted(result.rejected.items()))}")
    lines.append(f"end: {result.verdict}, {numbers[result.best.prompt]}")
    return [*lines, ""]


def test_plum_asks_what_it_asked_before(tmp_path: Path) -> None:
    small: dict[str, Any] = {"edit": Editing(neighbours=3), "score": Scoring(examples=12), "stop": Stopping(4, 4)}
    methods = (
        HillClimbing(**small),
        SimulatedAnnealing(**small),
        TabuSearch(**small),
        MutationGA(**small),
        CrossoverGA(population=2, offspring=2, **small),
        HarmonySearch(memory=3, **small),
    )
    found = "\n".join(line for method in methods for line in journal(tmp_path, method))
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
