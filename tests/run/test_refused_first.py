"""A run whose first request is refused: that row counts as refused, where the model takes other rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.errors import RequestRefused, SomeRefused
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.programs import ModelHandle, Program, ProgramEvaluator
from promptopt.run import Run
from promptopt.run.fetching import OTHERS
from promptopt.testing import planted_task
from promptopt.types import Example, Likelihoods, Prompt, Reply, Request, Sampling, ScoreRequest
from tests.run.planted_run import conduct

FIRST = planted_task().train[0]["question"]


class Picky:
    """A model behind a client that is new: it refuses the texts that hold one of `words`."""

    def __init__(self, *words: str) -> None:
        self.name, self.words = "picky", words
        self.inner = Scripted(lambda _: "yes", scores=lambda _, __: [-1.0, -0.5])
        self.asked, self.answered = list[str](), 0

    def can_score(self, stopping: object = None) -> bool:
        return True

    def generate(self, requests: Sequence[Request], stopping: object = None) -> Iterator[tuple[int, Reply]]:
        for place in self._taken(requests):
            yield from ((place, reply) for _, reply in self.inner.generate([requests[place]]))

    def score(self, requests: Sequence[ScoreRequest], stopping: object = None) -> Iterator[tuple[int, Likelihoods]]:
        for place in self._taken(requests):
            yield from ((place, found) for _, found in self.inner.score([requests[place]]))

    def _taken(self, requests: Sequence[Request | ScoreRequest]) -> Iterator[int]:
        refused, refusal = dict[int, int](), RequestRefused("picky: answered 400: rule P-17")
        for place, request in enumerate(requests):
            self.asked.append(str(request.content))
            if any(word in str(request.content) for word in self.words):
                if not self.answered:
                    raise refusal
                refused[place] = self.answered
                continue
            yield place
            self.answered += 1
        if refused:
            raise SomeRefused(str(refusal), {at: then < self.answered for at, then in refused.items()}) from refusal


@dataclass(frozen=True)
class Small:
    """Scores so many prompts on one example at a time."""

    prompts: int

    def optimize(self, run: Run) -> None:
        texts = [run.initial, *(run.initial.replace("instruction", f"Answer {n}.") for n in range(1, self.prompts))]
        for example in run.train[:4]:
            run.evaluate(texts, [example])


@dataclass(frozen=True)
class Drawing:
    """Draws the model's own reply to one example, and scores then."""

    def optimize(self, run: Run) -> None:
        run.draw(run.initial, run.train[:1], Sampling(temperature=1.0))
        run.evaluate([run.initial], run.train[:4])


@dataclass(frozen=True)
class Asking:
    """Asks the task model a text of its own first."""

    def optimize(self, run: Run) -> None:
        run.generate([f"What is this? {FIRST}"], Sampling(temperature=1.0), role="task")
        run.evaluate([run.initial], run.train[:4])


def two_steps(prompt: Prompt, example: Example, ask: ModelHandle) -> str:
    """A program whose requests no layout knows of."""
    plan = ask(f"Plan this: {example['question']}", part="instruction").text
    return ask(f"{prompt['instruction']} {plan} {example['question']}").text


async def two_steps_awaited(prompt: Prompt, example: Example, ask: ModelHandle) -> str:
    plan = (await ask(f"Plan this: {example['question']}")).text
    return (await ask(f"{prompt['instruction']} {plan} {example['question']}")).text


def refused_in(result: object) -> Result:
    assert isinstance(result, Result)
    return result


@pytest.mark.slow
@pytest.mark.parametrize("evaluator", ["generation", "loss"])
@pytest.mark.parametrize("prompts", [1, 2, 3, 4, 7])
def test_a_row_that_is_refused_first_counts_as_refused(tmp_path: Path, prompts: int, evaluator: str) -> None:
    model = Picky(FIRST)
    result = refused_in(conduct(tmp_path / "s.db", model=model, optimizer=Small(prompts), evaluator=evaluator))
    assert result.status == "finished", result.reason
    assert any("refuses some requests and answers others" in each for each in result.warnings)
    again = refused_in(conduct(tmp_path / "s.db", model=Picky(""), optimizer=Small(prompts), evaluator=evaluator))
    assert (again.status, again.paid.calls, again.spent) == ("finished", 0, result.spent)


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [1, 3, 4, 7])
def test_a_prompt_that_is_refused_whatever_the_row_suspends_after_a_few_others(tmp_path: Path, prompts: int) -> None:
    model = Picky(planted_task().initial["instruction"], "Answer")
    result = refused_in(conduct(tmp_path / "s.db", model=model, optimizer=Small(prompts)))
    assert (result.status, result.paid.calls) == ("suspended", 0)
    assert "rule P-17" in result.reason
    # The batch, the first of it once more, and other examples.
    assert len(model.asked) <= prompts + 1 + OTHERS
    mended = refused_in(conduct(tmp_path / "s.db", model=Picky("nothing"), optimizer=Small(prompts)))
    assert mended.status == "finished"
    assert not any("refuses some" in each for each in mended.warnings)


@pytest.mark.slow
def test_a_layout_that_is_refused_is_told_by_the_prompts_own_rows(tmp_path: Path) -> None:
    """A short harmless text would be answered, and then every row of the search would count as refused."""
    seen = list[Prompt]()

    class Layouts:
        def optimize(self, run: Run) -> None:
            seen.append(run.initial)
            run.evaluate([run.initial], run.train[:1])

    result = refused_in(conduct(tmp_path / "s.db", model=Picky("question "), optimizer=Layouts()))
    assert (result.status, len(seen)) == ("suspended", 1)


@pytest.mark.slow
@pytest.mark.parametrize("program", [two_steps, two_steps_awaited])
@pytest.mark.parametrize("prompts", [1, 2, 3])
def test_a_programs_row_that_is_refused_first_counts_as_refused(tmp_path: Path, prompts: int, program: Program) -> None:
    """The program is run on other examples up to its first call, which are tried in the place of the refused one."""
    evaluator = ProgramEvaluator(program, calls_per_cell=2)
    model = Picky(FIRST)
    result = refused_in(conduct(tmp_path / "s.db", model=model, optimizer=Small(prompts), evaluator=evaluator))
    assert result.status == "finished", result.reason
    assert any("refuses some requests and answers others" in each for each in result.warnings)
    again = refused_in(conduct(tmp_path / "s.db", model=Picky(""), optimizer=Small(prompts), evaluator=evaluator))
    assert (again.status, again.paid.calls, again.spent) == ("finished", 0, result.spent)


@pytest.mark.slow
def test_a_program_that_is_refused_whatever_the_row_suspends_after_a_few_others(tmp_path: Path) -> None:
    model = Picky("Plan this")
    result = refused_in(
        conduct(tmp_path / "s.db", model=model, optimizer=Small(1), evaluator=ProgramEvaluator(two_steps))
    )
    assert (result.status, result.paid.calls) == ("suspended", 0)
    assert "rule P-17" in result.reason
    assert len(model.asked) <= 2 + OTHERS


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [Drawing(), Asking()])
def test_a_first_request_that_is_no_cell_and_is_refused_counts_as_refused(tmp_path: Path, optimizer: object) -> None:
    result = refused_in(conduct(tmp_path / "s.db", model=Picky(FIRST), optimizer=optimizer))
    assert result.status == "finished", result.reason
