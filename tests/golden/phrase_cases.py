"""Small searches of the methods that cut and exchange phrases and tokens, and what their journals show."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from promptopt.models.scripted import Scripted
from promptopt.optimizers.plum.neighbours import Editing
from promptopt.optimizers.plum.patience import Stopping
from promptopt.optimizers.plum.points import Scoring as PhraseScoring
from promptopt.optimizers.plum.population import CrossoverGA, HarmonySearch, MutationGA
from promptopt.optimizers.plum.single import HillClimbing, SimulatedAnnealing, TabuSearch
from promptopt.optimizers.promptquine.method import Evolution, PromptQuine, Scoring
from promptopt.optimizers.promptquine.reranking import Reranking
from promptopt.optimizers.promptquine.tapruning import TAPruning
from promptopt.protocols import Optimizer
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Request
from tests.golden.journal import ending, instruction, made, mark, numbered, play, text_of
from tests.optimizers.plum.phrase_search import phrase_of


def plum(home: Path) -> list[str]:
    """Plum's six methods in a row: iterations, candidates by number."""
    small: dict[str, Any] = {"edit": Editing(neighbours=3), "score": PhraseScoring(examples=12), "stop": Stopping(4, 4)}
    methods = (
        HillClimbing(**small),
        SimulatedAnnealing(**small),
        TabuSearch(**small),
        MutationGA(**small),
        CrossoverGA(population=2, offspring=2, **small),
        HarmonySearch(memory=3, **small),
    )
    parts = ["\n".join(phrase_edits(home / method.name, method)) for method in methods]
    return ["\n\n".join(parts)]


def phrase_edits(home: Path, method: Any) -> list[str]:
    """One of Plum's methods."""

    def propose(request: Request) -> str:
        phrase = phrase_of(request)
        return json.dumps([f"{phrase} carefully", f"{phrase} ({mark(phrase, 3)})"])

    def answer(request: Request) -> str:
        # Better where the prompt says carefully once and nothing of snow; "good" where it does not know.
        text = text_of(request.content)
        number = int(text.split("item ")[1].split()[0])
        known = 5 - 2 * abs(text.count("carefully") - 1) - 2 * ("snow" in text)
        return "bad" if number % 2 and number % 10 < known + 2 else "good"

    examples = [Example.of(("good", "bad")[number % 2], text=f"item {number} of all") for number in range(40)]
    prompt = "Read the review as a whole, then say good or bad.\n- Think of snow."
    task = Task.from_examples(examples, prompt=prompt, labels=("good", "bad"), splits=Splits(16, 12, 12))
    home.mkdir()
    played = numbered(play(home, method, Scripted(answer, name="model"), propose, task=task))
    result, proposer = played.result, played.proposer
    lines = [f"{method.name}"]
    for step in result.steps:
        pool = ", ".join(f"{played.names[each.prompt]}: {each.mean:.3f}" for each in step.pool)
        kept = played.named(step.kept, " ")
        lines.append(f"iteration {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {kept}")
    for number, proposal in made(played)[1:]:
        shown = instruction(proposal.prompt)
        lines.append(f"{number} of {played.named(proposal.parents, ' ')}: {shown} [{proposal.note}]")
    asked = "\n".join(text_of(request.content) for request in proposer.log)
    lines.append(f"proposer: {proposer.calls} calls, {mark(asked)}")
    lines.append(f"task model: {played.model.calls} calls; rejected {dict(sorted(result.rejected.items()))}")
    return [*lines, ending(played)[-1]]


def pruning(home: Path, method: Optimizer) -> list[str]:
    """PromptQuine and TAPruning: candidates by number, then steps."""

    def answer(request: Request) -> str:
        # Right more often the fewer of two words are read, and the other way round for a third.
        text = str(request.content)
        number = int(re.findall(r"number (\d+)", text)[-1])
        worth = 6 - 2 * ("kindly" in text) - 2 * ("snow" in text) + 2 * ("Answer" in text)
        return "ab" * (number % 3 + 1) if number % 8 < worth else "no"

    examples = [Example.of("ab" * (number % 3 + 1), question=f"Which is number {number}?") for number in range(48)]
    prompt = "Answer kindly. Think of snow."
    task = Task.from_examples(examples, prompt=prompt, metric="exact", answer="text", splits=Splits(24, 12, 12))
    played = numbered(play(home, method, Scripted(answer, name="scripted"), task=task), "02")
    lines: list[str] = []
    for number, proposal in made(played):
        parents = "".join(f" of {played.names[parent]}" for parent in proposal.parents)
        shown = proposal.prompt["instruction"].replace("\n", "/")
        lines.append(f"{number} {proposal.operator}{parents} [{proposal.note}]: {shown}")
    for step in played.result.steps:
        scores = " ".join(f"{played.names[each.prompt]}:{each.mean:.2f}/{each.count}" for each in step.pool)
        kept = played.named(step.kept, " ")
        lines.append(f"step {step.number}: {scores}; {step.spent.evaluations} evaluations; kept {kept}")
    return [*lines, *ending(played)]


def promptquine(home: Path) -> list[str]:
    """PromptQuine by generations."""
    evolve = Evolution(population=4, offspring=5, shortest=9)
    rerank = Reranking(examples=8, most=3)
    return pruning(home, PromptQuine(variant="generational", evolve=evolve, score=Scoring(most=6), rerank=rerank))


def promptquine_steady(home: Path) -> list[str]:
    """PromptQuine one child at a time."""
    evolve = Evolution(population=3, offspring=4, shortest=11)
    return pruning(home, PromptQuine(evolve=evolve, score=Scoring(most=4), rerank=Reranking(examples=8)))


PHRASE_CASES: dict[str, Callable[[Path], list[str]]] = {
    "plum": plum,
    "promptquine": promptquine,
    "promptquine_steady": promptquine_steady,
    "tapruning": lambda home: pruning(home, TAPruning(examples=8)),
}
