"""What a run keeps, each law a test, on planted tasks and scripted models."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.errors import BackendError, ConfigError, EvaluatorError, ReplayDiverged
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.events import Event, PhaseBegun, Planned, StepDone
from promptopt.testing import OptimizerContract, feature_accuracy, outcome, planted_model, planted_task, split_planted
from promptopt.types import Reply, Request, Sampling
from tests.rewrites import Rewrites, rewrite
from tests.run.planted_run import conduct


class TestRewrites(OptimizerContract):
    """The contract itself, on the smallest search."""

    optimizer = Rewrites()
    sizes = (40, 90, 170, 250)

    def propose(self, request: Request) -> str:
        return rewrite(request)


def test_program_sees_what_the_store_holds(tmp_path: Path) -> None:
    """Another process stored a different answer first: this run uses that one."""

    @dataclass(frozen=True)
    class Once:
        def optimize(self, run: Run) -> None:
            seen.append([score.output for score in run.evaluate([run.initial], run.train[:4])[run.initial]])

    seen: list[list[str]] = []
    conduct(tmp_path / "s.db", optimizer=Once(), model=Scripted(lambda _: "yes", name="m"))
    conduct(tmp_path / "s.db", optimizer=Once(), model=Scripted(lambda _: "no", name="m"), seed=1)
    assert seen == [["yes"] * 4, ["yes"] * 4]


def test_outcomes_are_stored_and_outages_are_not(tmp_path: Path) -> None:
    replies = {"length": Reply("cut off here", "length", 3, 4), "refusal": Reply("I can't", "refusal", 3, 2)}
    for name, reply in replies.items():
        model = Scripted(lambda _, reply=reply: reply, name=name)
        first = evaluate(planted_task(), model=model, store=tmp_path / "s.db")
        again = evaluate(planted_task(), model=model, store=tmp_path / "s.db")
        assert first.paid.calls == 40
        assert again.paid.calls == 0
        assert again.scores[0].value == 0
    broken = Scripted(lambda _: "yes", name="shaky", fail_at=5)
    with pytest.raises(BackendError, match="run the same command again"):
        evaluate(planted_task(), model=broken, store=tmp_path / "s.db")
    healed = evaluate(planted_task(), model=Scripted(lambda _: "yes", name="shaky"), store=tmp_path / "s.db")
    assert healed.paid.calls == 36
    assert healed.measured.score == 1


# Law 2: a draw is counted, not chosen


def test_equal_requests_are_different_draws_and_replay_alike(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Draws:
        temperature: float

        def optimize(self, run: Run) -> None:
            texts.append([r.text for r in run.generate(["again"] * 3, Sampling(temperature=self.temperature))])

    counter = iter(range(100))
    proposer = Scripted(lambda _: f"reply {next(counter)}", name="p")
    texts: list[list[str]] = []
    for seed in (0, 0, 1):
        conduct(tmp_path / "s.db", optimizer=Draws(1.0), proposer=proposer, seed=seed)
    assert texts[0] == ["reply 0", "reply 1", "reply 2"]
    assert texts[1] == texts[0]
    assert texts[2] == ["reply 3", "reply 4", "reply 5"]
    conduct(tmp_path / "s.db", optimizer=Draws(0.0), proposer=proposer)
    assert texts[3] == ["reply 6"] * 3
    seeds = [request.seed for request in proposer.log if isinstance(request, Request)]
    assert len(set(seeds[:6])) == 6
    assert seeds[6] is None


def test_methods_share_the_answers_of_a_task(tmp_path: Path) -> None:
    """Two run seeds: the second pays for none of the start's evaluations."""
    # Beside others the start is seen on as much of dev as the choice between them takes; alone on all that is its own.
    first = conduct(tmp_path / "s.db", optimizer=Rewrites(steps=0), seed=0)
    second = conduct(tmp_path / "s.db", optimizer=Rewrites(steps=0, breadth=2), seed=1)
    assert first.paid.calls > 0
    assert second.spent.evaluations > 0
    assert second.paid.calls == 0


# Law 3: two ledgers


@pytest.mark.slow
def test_spent_is_the_programs_and_paid_is_the_sessions(tmp_path: Path) -> None:
    first, again = conduct(tmp_path / "s.db"), conduct(tmp_path / "s.db")
    assert first.spent == again.spent
    assert first.paid == first.spent
    assert again.paid.calls == again.paid.tokens == again.paid.evaluations == 0
    assert first.spent.proposer_calls == 9
    assert first.spent.calls == first.spent.evaluations + 9


# Law 4: admit before dispatch


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [2_000, 5_000, 9_000])
def test_token_cap_overshoots_by_one_slice_at_most(tmp_path: Path, tokens: int) -> None:
    whole = conduct(tmp_path / "whole.db")
    assert whole.spent.tokens > 9_000 // 2
    result = conduct(tmp_path / "s.db", budget=Budget(tokens=tokens))
    assert result.spent.tokens <= tokens * 1.05
    assert result.best.test is not None
    assert result.gain is not None


def test_reserve_is_off_the_cap_and_said_before_anything_is_spent(tmp_path: Path) -> None:
    events: list[Event] = []
    model = planted_model(lambda _: 0.5)
    calls_at_plan: list[int] = []

    def watch(event: Event) -> None:
        events.append(event)
        if isinstance(event, Planned):
            calls_at_plan.append(model.calls)

    result = conduct(tmp_path / "s.db", model=model, budget=Budget(evaluations=200), observers=[watch])
    planned = next(event for event in events if isinstance(event, Planned))
    assert calls_at_plan == [0]
    assert planned.allocation.test * 2 <= 0.4 * 200
    assert planned.allocation.reserve.evaluations + (planned.allocation.search.evaluations or 0) == 200
    assert 0 < planned.smallest_gain < 1
    assert result.status == "budget"
    assert result.best.test is not None
    assert result.best.test.n == planned.allocation.test


def test_dollar_cap_needs_a_price(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prices\.toml"):
        conduct(tmp_path / "s.db", model=Scripted(lambda _: "yes", name="unheard/of"), budget=Budget(usd=1.0))


# Law 5: stops are BaseException


def test_changed_program_diverges_with_both_requests(tmp_path: Path) -> None:
    wording = ["first wording"]

    @dataclass(frozen=True)
    class Edited:
        def optimize(self, run: Run) -> None:
            run.generate([wording[0]], Sampling(temperature=1.0))

    conduct(tmp_path / "s.db", optimizer=Edited())
    wording[0] = "second wording"
    with pytest.raises(ReplayDiverged) as caught:
        conduct(tmp_path / "s.db", optimizer=Edited())
    assert "first wording" in str(caught.value)
    assert "second wording" in str(caught.value)


def test_memo_computes_once(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Trains:
        def optimize(self, run: Run) -> None:
            weights.append(run.memo("train", lambda: str(next(counter)), "data", "3 epochs"))

    counter = iter(range(10))
    weights: list[str] = []
    for _ in range(3):
        conduct(tmp_path / "s.db", optimizer=Trains())
    assert weights == ["0", "0", "0"]
    assert next(counter) == 1


# Law 8: order is submission order, whatever order replies come in


class Shuffled(Scripted):
    """Settles in another order each time."""

    def generate(self, requests: Sequence[Request], stopping: object = None) -> Iterator[tuple[int, Reply]]:
        replies = list(super().generate(requests))
        random.SystemRandom().shuffle(replies)
        yield from replies


@pytest.mark.slow
def test_order_of_arrival_changes_nothing(tmp_path: Path) -> None:
    accuracy = feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)
    answers = planted_model(accuracy)._answers
    ends = [outcome(conduct(tmp_path / f"{n}.db", model=Shuffled(answers, name="planted"))) for n in range(3)]
    assert ends[0] == ends[1] == ends[2]


def test_foreign_threads_are_refused(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    @dataclass(frozen=True)
    class Threads:
        def optimize(self, run: Run) -> None:
            def work() -> None:
                try:
                    run.evaluate([run.initial], run.train[:1])
                except ConfigError as error:
                    errors.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    conduct(tmp_path / "s.db", optimizer=Threads())
    assert "from the thread that began it" in str(errors[0])


# Law 8: a verdict, not a score


@pytest.mark.slow
def test_phases_come_in_order_and_steps_are_kept(tmp_path: Path) -> None:
    events: list[Event] = []
    result = conduct(tmp_path / "s.db", observers=[events.append])
    assert [event.name for event in events if isinstance(event, PhaseBegun)] == ["search", "dev", "test"]
    assert len([event for event in events if isinstance(event, StepDone)]) == 3
    assert [step["number"] for step in result.to_json()["steps"]] == [0, 1, 2]
    lineage = {candidate.prompt: candidate.proposal for candidate in result.candidates()}
    proposal = lineage[result.best.prompt]
    assert proposal.operator == "rewrite"
    assert proposal.note == "because"
    assert proposal.parents[0] in lineage


def test_start_and_winner_are_scored_on_the_same_test_items_once(tmp_path: Path) -> None:
    result = conduct(tmp_path / "s.db")
    assert result.verdict == "better"
    assert result.start.test is not None
    assert result.best.test is not None
    assert result.best.test.n == result.start.test.n == 60
    assert result.gain is not None
    assert result.gain.mean == pytest.approx(result.best.test.score - result.start.test.score)
    assert result.gain.ci95[0] > 0
    assert result.best.dev is not None
    assert result.optimism == pytest.approx(result.best.dev.score - result.best.test.score)


def test_keep_your_prompt_is_a_success(tmp_path: Path) -> None:
    result = conduct(tmp_path / "s.db", model=planted_model(lambda _: 0.5, common=1.0))
    assert result.status == "finished"
    assert result.verdict == "no_evidence"


def test_proposer_of_garbage_ends_with_the_start_and_says_why(tmp_path: Path) -> None:
    result = conduct(tmp_path / "s.db", proposer=Scripted(lambda _: "   ", name="garbage"))
    assert result.best.prompt == result.start.prompt
    assert result.verdict == "no_evidence"
    assert any("no usable candidate" in warning for warning in result.warnings)


def test_metric_that_raises_names_prompt_and_example(tmp_path: Path) -> None:
    @dataclass(slots=True)
    class Broken:
        calls_per_cell: int = 1
        asked: list[str] = field(default_factory=list)

        def score(self, cells: object, ask: object) -> list[object]:
            raise EvaluatorError("the metric 'mine' raised ValueError: no", prompt_id="p1", example_id="e1")

        def fingerprint(self) -> dict[str, str]:
            return {"kind": "broken"}

    with pytest.raises(EvaluatorError, match=r"mine.*prompt p1, example e1"):
        conduct(tmp_path / "s.db", evaluator=Broken())


def test_empty_splits_are_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(ConfigError, match="no test examples"):
        optimize(
            replace(planted_task(), test=()), Rewrites(), model=planted_model(lambda _: 0.5), store=tmp_path / "s.db"
        )


def test_a_class_is_not_an_optimizer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not an optimizer"):
        conduct(tmp_path / "s.db", optimizer=Rewrites)


def test_result_saves_whole(tmp_path: Path) -> None:
    import json

    result = conduct(tmp_path / "s.db")
    path = result.save(tmp_path / "result.json")
    assert json.loads(path.read_text()) == json.loads(json.dumps(result.to_json()))
    assert not list(tmp_path.glob("*.partial"))


class Hasty(Scripted):
    """A model with a fast mode that gets some answers wrong which its exact twin gets right."""

    def exact(self) -> Scripted:
        return self.twin

    def flips(self, requests: Sequence[Request]) -> tuple[int, int]:
        ours = dict(self.generate(requests))
        theirs = dict(self.twin.generate(requests))
        return sum(ours[index].text != theirs[index].text for index in ours), len(requests)


@pytest.mark.slow
def test_fast_mode_says_what_it_flips_and_the_final_phase_is_exact(tmp_path: Path) -> None:
    accuracy = feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)
    model = Hasty(lambda _: "no", name="hasty:fast")
    model.twin = planted_model(accuracy, name="hasty:exact")
    result = conduct(tmp_path / "s.db", model=model)
    assert any("fast mode, which changes" in w and "of 32 answers" in w for w in result.warnings)
    exact = evaluate(planted_task(), result.best.prompt, model=model.twin, split="test", store=tmp_path / "s.db")
    assert result.best.test is not None
    assert result.best.test.score == exact.measured.score > 0
    assert exact.paid.calls == 0
    calls = model.calls
    assert outcome(conduct(tmp_path / "s.db", model=model)) == outcome(result)
    assert model.calls == calls


@dataclass(frozen=True)
class ScoreAll:
    """Scores the start on train, one example at a time."""

    def optimize(self, run: Run) -> None:
        for example in run.train:
            run.evaluate([run.initial], [example])


@pytest.mark.parametrize(("served", "warned"), [("", False), ("another", True)])
def test_a_model_that_changes_is_said_and_a_refusal_is_no_change(tmp_path: Path, served: str, warned: bool) -> None:
    def answer(request: Request) -> Reply:
        odd = "7 of 0" in split_planted(request)[1]
        return Reply("yes", "rejected" if odd and not served else "stop", 5, 1, served=served if odd else "one")

    result = optimize(planted_task(), ScoreAll(), model=Scripted(answer), store=tmp_path / "store.db")
    assert any("changed during the run" in warning for warning in result.warnings) is warned
