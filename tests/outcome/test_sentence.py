"""What is said of a run that compared nothing: which of the reasons it is, and what to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.outcome.sentence import three_lines
from promptopt.programs import program_task
from promptopt.protocols import Optimizer
from promptopt.run import Run
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Example, Prompt, Proposal, Reply
from tests.rewrites import Rewrites


@dataclass(frozen=True)
class Idle:
    """Proposes nothing."""

    reason: str = ""

    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial], run.train)
        if self.reason:
            run.reject(self.reason, 5)


@dataclass(frozen=True)
class Worse:
    """Proposes what is not better."""

    def optimize(self, run: Run) -> None:
        child = run.initial.replace("instruction", "Answer the question badly.")
        run.evaluate([run.initial, *run.admit([Proposal(child)])], run.train)


def ended(home: Path, optimizer: Optimizer, model: Scripted | None = None) -> Result:
    known = planted_model(feature_accuracy(["badly"], base=0.8, each=-0.5)) if model is None else model
    proposer = Scripted(lambda _: "no", name="proposer")
    return optimize(planted_task(), optimizer, model=Models(known, proposer=proposer), store=home / "s.db")


def test_three_lines_say_the_verdict_the_prompt_and_the_cost(tmp_path: Path) -> None:
    result = ended(tmp_path, Worse())
    first, second, third = str(result).splitlines()
    assert first.startswith("Keep your prompt: the search found none that is better.")
    assert "This is the first look at these items" in first
    assert second == f"Prompt {result.prompt.id} (the start): Answer the question."
    assert result.run_id in third


def test_worked_examples_are_said_with_the_prompt_that_shows_them(tmp_path: Path) -> None:
    report = ended(tmp_path, Worse()).to_json()
    shown = {**report, "best": {**report["best"], "prompt_id": "abc", "demos": [{"text": "1"}, {"text": "2"}]}}
    assert three_lines(shown).splitlines()[1].startswith("Prompt abc, shown with 2 worked examples: ")


def test_a_reason_of_several_lines_stays_one_line(tmp_path: Path) -> None:
    report = {**ended(tmp_path, Worse()).to_json(), "status": "suspended", "reason": "the server said\nno"}
    assert three_lines(report).splitlines()[0].startswith("Suspended: the server said no.")


def test_nothing_proposed_is_not_none_better(tmp_path: Path) -> None:
    assert str(ended(tmp_path, Idle())).startswith(
        "Your prompt was compared with none: the search proposed nothing. It scores"
    )


def test_useless_replies_of_the_proposer_are_said_with_the_setting(tmp_path: Path) -> None:
    cut = str(ended(tmp_path, Idle("rewriter: cut at length")))
    assert "no reply of the proposer was a prompt that can be used (5 rewriter: cut at length)" in cut
    assert "raise the max_tokens of the proposer's replies" in cut
    untagged = str(ended(tmp_path, Idle("rewriter: no tags")))
    assert "(5 rewriter: without the tags that were asked for); name another proposer" in untagged


def test_unreadable_replies_are_said_early_and_at_the_end(tmp_path: Path) -> None:
    model = Scripted(lambda _: Reply("thinking about", "length", 3, 256), name="thinker")
    result = ended(tmp_path, Rewrites(steps=1), model)
    assert str(result).startswith("No verdict on any prompt: every reply on 60 sealed test items was cut short")
    (early,) = [warning for warning in result.warnings if "first 20 replies" in warning]
    assert "raise the task's max_tokens, now 256" in early


def test_a_program_that_failed_everywhere_is_said_by_its_reason_and_not_by_what_replies_lack(tmp_path: Path) -> None:
    def program(prompt: Prompt, example: Example, ask: Callable[[str], Reply]) -> str:
        ask(prompt["solve"])
        raise ValueError(f"no index for {example['question']}")

    task = program_task(
        [Example.of("yes", question=f"q{number}") for number in range(40)], prompt={"solve": "Do it."}, program=program
    )
    result = optimize(task, Idle(), model=Scripted(lambda _: "yes", name="agrees"), store=tmp_path / "s.db")
    said = str(result).splitlines()[0]
    assert said.startswith("No verdict on any prompt: the program failed: it raised ValueError: no index for q")
    assert "mend the program on one example" in said
    assert "max_tokens" not in said


def test_a_floor_that_is_broken_is_said_with_the_verdict(tmp_path: Path) -> None:
    report = ended(tmp_path, Worse(), planted_model(feature_accuracy(["badly"], base=0.3, each=0.6))).to_json()
    gain = {"task": "a", "mean": 0.1, "ci95": [0.0, 0.2], "n": 40}
    floors = [("held", "a"), ("open", "b"), ("broken", "sums"), ("broken", "mails")]
    members = [{**gain, "task": name, "floor": {"loss": 0.05, "held": held, "bound": ""}} for held, name in floors]

    (kept, broken) = (three_lines({**report, "members": each}).splitlines()[0] for each in (members[:2], members))
    assert kept.startswith("Better: ")
    assert "floor" not in kept
    assert ". But it loses more than the floor allows on sums (5 points) and mails (5 points). This is" in broken
    assert "floor" not in three_lines({**report, "members": [{**gain, "floor": None}]})
