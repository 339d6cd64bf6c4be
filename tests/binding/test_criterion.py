"""What a search goes by and what the verdict is by: two evaluators, two models, one run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.evaluator import bind_evaluator, verdict_evaluator, without_misfits
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.errors import ConfigError, DataError
from promptopt.evaluation import evaluate
from promptopt.evaluators.generation import Generation
from promptopt.models.prices import Price
from promptopt.models.scripted import Scripted
from promptopt.protocols import Ask, Evaluator, Task
from promptopt.reports.summary import summarise
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.testing import feature_accuracy, outcome, planted_model, planted_task
from promptopt.types import Cell, Content, Example, Proposal, Score, ScoreRequest


@dataclass(frozen=True)
class Nats:
    """The log-likelihood of the right answer: a search goes by it, a verdict does not."""

    task: Task
    calls_per_cell = 1

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        contents = [self.task.render(cell.prompt, cell.example) for cell in cells]
        found = ask.score([ScoreRequest(content, ("yes",), shared) for content, shared in contents])
        return [Score(each.continuations[0].total) for each in found]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"evaluator": "nats"}

    def verdict_by(self) -> Evaluator:
        return Generation.for_task(self.task)

    def forced(self, example: Example) -> tuple[str, ...]:
        return (example.target,)


@dataclass(frozen=True)
class TryTwo:
    """Scores the start and two prompts: one that helps, one that is off the scale."""

    def optimize(self, run: Run) -> None:
        texts = ("Answer carefully, exactly, twice.", "Answer impossibly.")
        prompts = run.admit([Proposal(run.initial.replace("instruction", text), (run.initial,)) for text in texts])
        matrix = run.evaluate([run.initial, *prompts], run.train)
        run.record([run.estimate(prompt, run.train) for prompt in matrix], prompts[:1])


@dataclass(frozen=True)
class Partly:
    """The metric, where one example in `every` could not be judged."""

    task: Task
    every: int
    calls_per_cell = 1

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        scores = Generation.for_task(self.task).score(cells, ask)
        left_out = [int(cell.example["question"].split()[1]) % self.every == 0 for cell in cells]
        return [replace(score, judged=not out) for score, out in zip(scores, left_out, strict=True)]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"evaluator": "partly", "every": self.every}


def nats(content: Content, _: str) -> list[float]:
    text = content if isinstance(content, str) else content[0].content
    if "impossibly" in text:
        return [-math.inf]
    return [-0.2 if "carefully" in text else -1.5]


def scorer(name: str = "open") -> Scripted:
    return Scripted("", name=name, scores=nats)


def judged(accurate: float = 0.2, name: str = "hosted") -> Scripted:
    return planted_model(feature_accuracy(("carefully", "exactly", "twice"), base=0.4, each=accurate), name=name)


def transferred(store: Path, **changes: Any) -> Any:
    task = planted_task()
    settings = {"model": scorer(), "check_model": judged(), "evaluator": Nats(task), "store": store, **changes}
    proposer = Scripted([], name="proposer")
    models = Models(settings.pop("model"), proposer, check=settings.pop("check_model"))
    return optimize(task, TryTwo(), **settings, model=models)


def test_searched_on_one_model_judged_on_another(tmp_path: Path) -> None:
    searching, checking = scorer(), judged()
    result = transferred(tmp_path / "store.db", model=searching, check_model=checking)
    assert result.verdict == "better"
    assert (result.search.evaluator, result.search.model) == ("nats", "open")
    assert (result.evaluator, result.model) == ("generation", "hosted")
    assert (result.search.start, result.search.best) == (pytest.approx(-1.5), pytest.approx(-0.2))
    assert 0.0 <= result.start.test.score < result.best.test.score <= 1.0
    assert {type(request) for request in searching.log} == {ScoreRequest}
    assert ScoreRequest not in {type(request) for request in checking.log}
    assert "The search went by nats on open, -1.500 -> -0.200 on train; dev and test are by exact on hosted." in (
        summarise(result.to_json())
    )


@pytest.mark.slow
def test_a_transfer_is_replayed_and_resumed_like_any_run(tmp_path: Path) -> None:
    whole = transferred(tmp_path / "store.db")
    again = transferred(tmp_path / "store.db")
    assert again.paid.calls == 0
    assert outcome(again) == outcome(whole)
    dead = judged()
    dead.fail_at = 50
    stopped = transferred(tmp_path / "other.db", check_model=dead)
    assert stopped.status == "suspended"
    resumed = transferred(tmp_path / "other.db")
    assert outcome(resumed) == outcome(whole)
    assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls


@pytest.mark.slow
def test_the_check_is_part_of_which_run_it_is(tmp_path: Path) -> None:
    names = {
        transferred(tmp_path / "store.db").run_id,
        transferred(tmp_path / "store.db", check_model=judged(name="other")).run_id,
        transferred(tmp_path / "store.db", check_evaluator=Nats(planted_task()), check_model=None).run_id,
    }
    assert len(names) == 3


def test_the_reserve_pays_for_the_check(tmp_path: Path) -> None:
    result = transferred(tmp_path / "store.db", budget=Budget(evaluations=120))
    assert result.spent.evaluations <= 120
    assert result.best.test is not None
    assert result.evaluator == "generation"


def test_the_check_is_paid_for_at_its_own_models_price(tmp_path: Path) -> None:
    # Replies of the planted model have one token.
    searching, checking = scorer(), judged()
    searching.token_price, checking.token_price = Price(0.0, 0.0), Price(0.0, 1.0)  # type: ignore[attr-defined]
    result = transferred(tmp_path / "store.db", model=searching, check_model=checking)
    assert searching.calls > 0
    assert result.spent.usd == pytest.approx(checking.calls)


@pytest.mark.parametrize(("every", "verdict"), [(10, "undecided"), (10_000, "better")])
def test_a_verdict_rests_on_nearly_all_pairs_whoever_scores_them(tmp_path: Path, every: int, verdict: str) -> None:
    evaluator = Partly(planted_task(), every)
    result = transferred(tmp_path / "store.db", model=judged(), check_model=None, evaluator=evaluator)
    assert (result.verdict, result.basis) == (verdict, "metric")


def test_a_candidate_off_the_scale_is_one_candidate_off_the_scale(tmp_path: Path) -> None:
    result = transferred(tmp_path / "store.db", check_evaluator=Nats(planted_task()), check_model=None)
    assert result.best.text == "Answer carefully, exactly, twice."
    data = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert [each["search"]["score"] for each in data["candidates"]] == [pytest.approx(-1.5), pytest.approx(-0.2), None]
    assert result.best.test.score == pytest.approx(-0.2)


def test_a_search_value_that_does_not_stand_for_the_metric_is_said(tmp_path: Path) -> None:
    result = transferred(tmp_path / "store.db", check_model=judged(accurate=-0.1))
    assert result.best.prompt == result.start.prompt
    told = "improved what it goes by (nats) from -1.500 to -0.200 on its own examples"
    assert any(told in warning for warning in result.warnings)


def test_a_verdict_needs_a_model_that_replies() -> None:
    task = planted_task()

    class Mute(Scripted):
        generates = False

    mute = Mute("", name="mute", scores=nats)
    with pytest.raises(ConfigError, match=r"'mute' cannot generate.*--check-model"):
        verdict_evaluator(Nats(task), None, task, mute)
    assert isinstance(verdict_evaluator(Nats(task), None, task, scorer()), Generation)
    assert isinstance(verdict_evaluator(Nats(task), Nats(task), task, mute), Nats)


def test_a_method_may_choose_its_evaluator() -> None:
    class Picky(TryTwo):
        def evaluator_for(self, task: Task) -> str:
            return "generation"

    task = planted_task()
    assert isinstance(bind_evaluator(None, task, Picky()), Generation)
    assert isinstance(bind_evaluator(Nats(task), task, Picky()), Nats)


class Short(Scripted):
    """A model whose context holds 600 tokens (words)."""

    context = 600


def long_task(lengths: Sequence[int]) -> Any:
    from promptopt.tasks.task import Task as OwnTask

    texts = [f"{number} " + "word " * length for number, length in enumerate(lengths)]
    examples = [Example.of("yes", question=text) for text in texts]
    return OwnTask.from_examples(examples, prompt="Answer.", splits=Splits(4, 2, len(lengths) - 6))


def test_examples_that_can_never_fit_are_left_out_for_every_prompt(tmp_path: Path) -> None:
    task = long_task([5] * 9 + [700])
    model = Short("", name="short", scores=nats)
    kept, sentence = without_misfits(task, [Nats(task)], model)
    assert sum(len(split) for split in (kept.train, kept.dev, kept.test)) == 9
    assert sentence is not None
    assert "do not fit into the 600 tokens" in sentence
    same, nothing = without_misfits(task, [Generation.for_task(task)], model)
    assert same is task
    assert nothing is None
    unbounded, _ = without_misfits(task, [Nats(task)], scorer())
    assert unbounded is task
    with pytest.raises(DataError, match="no train example"):
        without_misfits(long_task([700] * 10), [Nats(task)], model)


def test_one_prompt_evaluated_says_what_it_left_out(tmp_path: Path) -> None:
    task = long_task([5] * 9 + [700])
    where = next(
        split for split in ("train", "dev", "test") if any(len(e["question"]) > 999 for e in getattr(task, split))
    )
    model = Short("", name="short", scores=nats)
    found = evaluate(task, model=model, evaluator=Nats(task), split=where, store=tmp_path / "store.db")
    assert found.measured.n == len(getattr(task, where)) - 1
    assert found.evaluator == "nats"
    assert any("do not fit" in warning for warning in found.warnings)


@dataclass(frozen=True)
class HalfScored:
    """Scores the start and one prompt on eight examples, and another, that looks better, on two of them."""

    def optimize(self, run: Run) -> None:
        examples = run.train[:8]
        run.rank_by(examples)
        whole, half = run.admit(
            [Proposal(run.initial.replace("instruction", text)) for text in ("Answer carefully.", "Answer exactly.")]
        )
        run.evaluate([run.initial, whole], examples)
        run.evaluate([half], examples[:2])


def test_a_candidate_scored_on_part_of_a_fixed_set_is_a_finalist_by_what_it_is_worth(tmp_path: Path) -> None:
    def accuracy(text: str) -> float:
        return 1.0 if "exactly" in text or "carefully" in text else 0.5

    seen: list[Run] = []
    optimize(
        planted_task(),
        HalfScored(),
        model=planted_model(accuracy),
        store=tmp_path / "store.db",
        session=Session(watch=seen.append),
    )
    # All right on eight examples is worth more than all right on two of them.
    assert [(estimate.prompt["instruction"], estimate.count) for estimate in seen[0].ranked()] == [
        ("Answer carefully.", 8),
        ("Answer exactly.", 2),
        ("Answer the question.", 8),
    ]
