"""What TPE makes of a budget, and that its sampler learns from what it is told."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.optimizers.tpe import method as tpe
from promptopt.optimizers.tpe.bootstrap import Bootstrapping
from promptopt.optimizers.tpe.method import TPE, Proposing
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.parzen import Choice, Parzen
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import planted_model, planted_task, uniform
from promptopt.types import Example, Prompt, Request, Room

START = "Answer the question."


def inside(evaluations: int | None, calls: int | None = None, train: int = 120) -> Room:
    return Room(evaluations, calls, 1, train, 40)


def text_of(request: object) -> str:
    assert isinstance(request, Request)
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def numbered(start: int = 0) -> Scripted:
    count = itertools.count(start)
    return Scripted(lambda _: f"<prompt>Answer well {next(count)}.</prompt>", name="numbered")


class Heard(Parzen):
    """A sampler that keeps what it suggested and what it was told of it."""

    log: list[tuple[Choice, float]]

    def __init__(self, variables: Mapping[str, int], seed: int, startup: int = 10) -> None:
        super().__init__(variables, seed, startup)
        self._last: Choice = (0, 0)

    def suggest(self) -> Choice:
        self._last = super().suggest()
        return self._last

    def told(self, value: float) -> None:
        type(self).log.append((self._last, value))
        super().told(value)

    def tell(self, choice: Choice, value: float) -> None:
        type(self).log.append((choice, value))
        super().tell(choice, value)


def graded_task() -> Task:
    """An answer is its own score, so that a mean has no noise."""
    examples = [Example.of("-", text=f"item {number}") for number in range(200)]
    return Task.from_examples(
        examples, prompt=START, metric=lambda answer, _: float(answer), answer="text", name="graded",
        splits=Splits(100, 40, 60),
    )  # fmt: skip


def merit(text: str) -> float:
    return round(uniform(text), 3)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["budget", "paper"])
def test_the_sampler_is_told_what_the_pair_scored_and_comes_back_to_what_scored_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset
) -> None:
    later: list[float] = []
    first: list[float] = []
    for seed in range(4):
        Heard.log = []
        monkeypatch.setattr(tpe, "Parzen", Heard)
        model = Scripted(lambda request: str(merit(text_of(request).rpartition("Text: ")[0])), name="noiseless")
        settings = TPE(
            preset, trials=60, propose=Proposing(instructions=8), bootstrap=Bootstrapping(sets=5, demos=1)
        )  # fmt: skip
        result = optimize(
            graded_task(),
            settings,
            model=Models(model, proposer=numbered()),
            seed=seed,
            store=tmp_path / f"{seed}.db",
            budget=Budget(evaluations=900 if preset == "budget" else 5_000),
        )
        known = {round(each.mean, 6) for step in result.steps for each in step.pool}
        told = [value for _, value in Heard.log]
        # A search that goes on looks deeper at some of them, which changes nothing here: scores have no noise.
        assert {round(value, 6) for value in told} & known
        assert len(set(told)) > 10
        values: dict[Choice, set[float]] = {}
        for pair, value in Heard.log[:60]:
            values.setdefault(pair, set()).add(round(value, 6))
        assert all(len(each) == 1 for each in values.values())
        first += told[:13]
        later += told[40:60]
    # At random the later trials would be no better than the first.
    assert sum(later) / len(later) > sum(first) / len(first) + 0.05


class Looking(Heard):
    """A sampler that keeps, round by round, what the task model was asked between a suggestion and its score."""

    model: Scripted
    rounds: list[list[slice]]

    def __init__(self, variables: Mapping[str, int], seed: int, startup: int = 10) -> None:
        super().__init__(variables, seed, startup)
        self.rounds.append([])
        self._begun = 0

    def suggest(self) -> Choice:
        self._begun = len(self.model.log)
        return super().suggest()

    def told(self, value: float) -> None:
        self.rounds[-1].append(slice(self._begun, len(self.model.log)))
        super().told(value)


def test_trials_of_a_round_share_a_few_examples_and_each_round_draws_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = planted_model(lambda text: 0.9 if "well" in text else 0.4, common=0.5)
    Looking.log, Looking.rounds, Looking.model = [], [], model
    monkeypatch.setattr(tpe, "Parzen", Looking)
    optimize(
        planted_task(),
        TPE(bootstrap=Bootstrapping(sets=1)),
        model=Models(model, proposer=numbered()),
        budget=Budget(evaluations=200),
        store=tmp_path / "store.db",
    )
    questions = [text_of(request).rpartition("question")[2] for request in model.log]
    looks = [{each for part in trials for each in questions[part]} for trials in Looking.rounds]
    # A pair that is known asks nothing, so that a round may not ask for all that its trials look at.
    looks = [look for look in looks if look]
    few = max(map(len, looks))
    assert len(looks) > 3
    assert few <= 6
    assert len(set().union(*looks)) > 2 * few


def test_the_plan_grows_with_the_room_and_what_is_set_stays() -> None:
    plans = [TPE().plan(inside(evaluations)) for evaluations in (100, 273, 1_400, 20_000)]
    assert [plan.sets for plan in plans] == [3, 4, 6, 12]
    assert [plan.rounds for plan in plans] == sorted(plan.rounds for plan in plans)
    assert all(plan.trials == 2 * (plan.instructions - 1) for plan in plans)
    own = TPE(trials=7, propose=Proposing(instructions=3), bootstrap=Bootstrapping(sets=9)).plan(inside(500))
    assert (own.trials, own.instructions, own.sets) == (7, 3, 9)


def test_the_paper_s_constants_stand_by_name_and_without_a_cap() -> None:
    for plan in (TPE(preset="paper").plan(inside(500)), TPE().plan(inside(None))):
        assert (plan.rounds, plan.trials, plan.instructions, plan.sets, plan.fresh) == (1, 18, 6, 12, None)
    # The temperature of the proposer is DSPy's.
    assert TPE().propose.sampling.temperature == 1.0


caps = st.one_of(st.none(), st.integers(0, 30_000))


@given(caps, caps, st.integers(2, 2_000))
def test_any_room_has_a_plan_and_a_least(evaluations: int | None, calls: int | None, train: int) -> None:
    room = inside(evaluations, calls, train)
    assert TPE().plan(room).rounds >= 1
    assert TPE().plan(room).describe()
    assert TPE().least(room) > 0


LARGE = pytest.param(Budget(evaluations=1_000), marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [Budget(evaluations=300), Budget(calls=400), LARGE])
def test_rounds_write_from_the_best_and_stay_within_what_is_expected(tmp_path: Path, budget: Budget) -> None:
    runs: list[Run] = []
    proposer = numbered()
    result = optimize(
        planted_task(),
        TPE(),
        model=Models(planted_model(lambda text: 0.9 if "well" in text else 0.4, common=0.5), proposer=proposer),
        budget=budget,
        store=tmp_path / "store.db",
        session=Session(watch=runs.append),
    )
    bound, spent = TPE().upper_bounds_in(runs[0].room), result.steps[-1].spent
    assert spent.evaluations <= bound.evaluations
    assert spent.proposer_calls <= bound.proposer_calls
    assert budget.calls is None or result.spent.calls <= budget.calls
    assert "well" in result.best.text
    sections = [text_of(request).split('"""')[1].strip() for request in proposer.log]
    assert sections[0] == START
    assert len(dict.fromkeys(sections)) > 1
    assert sum("Answer well" in section for section in sections) > len(sections) / 3


@pytest.mark.slow
def test_a_small_cap_has_candidates_beside_the_start(tmp_path: Path) -> None:
    for preset in ("budget", "paper"):
        model = planted_model(lambda text: 0.95 if "well" in text else 0.3)
        result = optimize(
            planted_task(),
            TPE(preset=preset),
            model=Models(model, proposer=numbered()),
            store=tmp_path / f"{preset}.db",
            budget=Budget(evaluations=400),
        )
        assert any(each.dev.count for each in result.candidates()[1:])
        assert "well" in result.best.text


def halves(request: Request) -> str:
    """Half right, with a reason."""
    return "I think 0.5"


@pytest.mark.slow
@pytest.mark.parametrize(("threshold", "own"), [(1.0, False), (0.5, True), (0.51, False)])
def test_the_score_from_which_on_a_reply_is_shown(tmp_path: Path, threshold: float, own: bool) -> None:
    examples = [Example.of("-", text=f"item {number}") for number in range(200)]
    task = Task.from_examples(
        examples, prompt=START, metric=lambda answer, _: float(answer.split()[-1]), answer="text", name="half",
        splits=Splits(100, 40, 60),
    )  # fmt: skip
    settings = TPE("paper", trials=4, bootstrap=Bootstrapping(sets=4, demos=2, threshold=threshold))
    result = optimize(
        task, settings, model=Models(Scripted(halves, name="half"), proposer=numbered()), store=tmp_path / "store.db"
    )
    shown = {demo.target for each in result.candidates() for demo in each.prompt.demos}
    assert ("I think 0.5" in shown) is own


@pytest.mark.slow
def test_a_proposer_that_runs_dry_ends_the_search(tmp_path: Path) -> None:
    result = optimize(
        planted_task(),
        TPE(),
        model=Models(planted_model(lambda _: 0.5), proposer=Scripted(lambda _: "???", name="dull")),
        store=tmp_path / "store.db",
        budget=Budget(evaluations=2_000),
    )
    assert result.status == "finished"
    assert len(result.steps) < 2 * tpe.DRY + 2


@pytest.mark.slow
def test_debris_is_no_part_of_an_instruction(tmp_path: Path) -> None:
    count = itertools.count()
    debris = Scripted(lambda _: f"<prompt>Instruction: Answer well {next(count)}.\nScore: 90</prompt>", name="debris")
    result = optimize(
        planted_task(),
        replace(TPE(), trials=4),
        model=Models(planted_model(lambda _: 0.5), proposer=debris),
        store=tmp_path / "store.db",
        budget=Budget(evaluations=400),
    )
    texts = {each.prompt["instruction"] for each in result.candidates()}
    assert len(texts) > 3
    assert not any("Score" in text or "Instruction" in text for text in texts)


def test_demonstrations_that_the_run_refuses_are_not_scored() -> None:
    class Full:
        """A run whose model's context is full."""

        def admit(self, proposals: object) -> list[Prompt]:
            return []

    instruction, shown = Prompt.of(START), Example.of("yes", text="a question")
    assert tpe._combined(cast(Run, Full()), instruction, 0, [(shown,)]) == instruction  # pyright: ignore[reportPrivateUsage]
