"""PMPO by its budget, what its guards refuse, and what no iteration may forget."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.pmpo.method import PMPO, Masking, Rewriting, Targets
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract
from promptopt.types import Content, Example, Prompt, Request, Room, ScoreRequest, digest

RULES = "Answer the question.\n- Say it in one word.\n- Be kind and warm.\n- Think of snow."
BY_RULE = Masking(most=2, by="rule")

Scores = Callable[[Content, str], Sequence[float]]


def said(content: Content) -> str:
    return content if isinstance(content, str) else content[0].content


def text_of(request: Request | ScoreRequest) -> str:
    return said(request.content)


def section_of(text: str) -> str:
    return text.split('The prompt now:\n"""\n')[1].split('\n"""')[0]


def inventive(request: Request) -> str:
    text = text_of(request)
    return f"<prompt>{section_of(text)}\n- Say {digest([text, request.seed])}.</prompt>"


def always(*rewrites: str) -> Callable[[Request], str]:
    return lambda request: f"<prompt>{rewrites[(request.seed or 0) % len(rewrites)]}</prompt>"


def flat(_: Content, text: str) -> list[float]:
    return [-0.5] * len(text.split())


def favouring(worth: dict[str, float]) -> Scores:
    """A word of the target costs 3 nats, and less for the phrases that stand in what is read."""

    def scores(content: Content, text: str) -> list[float]:
        loss = 3.0 - sum(gain for phrase, gain in worth.items() if phrase in said(content))
        return [-loss] * len(text.split())

    return scores


def word_task(count: int = 30, instruction: str = RULES) -> Task:
    examples = [Example.of(f"word{number}", question=f"Which is number {number}?") for number in range(count + 40)]
    return Task.from_examples(
        examples, prompt=instruction, name="words", metric="exact", answer="text", splits=Splits(count, 20, 20)
    )


def search(
    home: Path,
    optimizer: PMPO,
    scores: Scores = flat,
    *,
    task: Task | None = None,
    proposer: Scripted | None = None,
    budget: Budget | None = None,
    watch: Callable[[Run], None] | None = None,
) -> Result:
    task = word_task() if task is None else task
    measure = Loss(task, reduction="sum", ends=False)
    return optimize(
        task,
        optimizer,
        model=Models(
            Scripted(lambda _: "yes", name="task model", scores=scores),
            proposer=Scripted(inventive, name="author") if proposer is None else proposer,
        ),
        evaluator=measure,
        check_evaluator=measure,
        budget=budget,
        store=home / "store.db",
        session=Session(watch=watch),
    )


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, where the budget plans."""

    optimizer = PMPO(mask=BY_RULE)
    evaluator = "generation"
    budget = Budget(evaluations=400)

    def propose(self, request: Request) -> str:
        text = text_of(request)
        draw = random.Random(f"{text}{request.seed}")
        return f"<prompt>{section_of(text)} {draw.choice(self.words)} {draw.choice(self.words)}</prompt>"


def rewriter_texts(proposer: Scripted) -> list[str]:
    return [text_of(request) for request in proposer.log if "The prompt now:" in text_of(request)]


PAPER = PMPO(preset="paper", iterations=3, examples=12, mask=BY_RULE, rewrite=Rewriting(hard=1, samples=2))
BUDGETED = PMPO(mask=BY_RULE)


@pytest.mark.parametrize(("settings", "budget"), [(PAPER, None), (BUDGETED, Budget(evaluations=600))])
def test_after_a_gain_the_parts_of_the_new_prompt_are_measured(
    tmp_path: Path, settings: PMPO, budget: Budget | None
) -> None:
    proposer = Scripted(always(f"{RULES}\n- Mind the lantern, which gives much."), name="author")
    scores = favouring({"lantern": 1.5, "one word": 0.2})
    result = search(tmp_path, settings, scores, proposer=proposer, budget=budget)
    assert "lantern" in result.steps[0].kept[0]["instruction"]
    before, after = (
        next(text for text in rewriter_texts(proposer) if ("lantern" in section_of(text)) is grown)
        for grown in (False, True)
    )
    assert "lantern" not in before.split("helps:")[1].split("An example")[0]
    assert 'lantern, which gives much.": +1.5000' in after.split("helps:")[1].split("An example")[0]


@pytest.mark.parametrize(("settings", "budget"), [(PAPER, None), (BUDGETED, Budget(evaluations=600))])
def test_a_prompt_without_a_part_competes_and_can_take_the_place(
    tmp_path: Path, settings: PMPO, budget: Budget | None
) -> None:
    proposer = Scripted(always("Answer."), name="author")
    result = search(tmp_path, settings, favouring({"kind": -1.0, "Answer.": -9.0}), proposer=proposer, budget=budget)
    shortened = RULES.replace("\n- Be kind and warm.", "")
    assert shortened in [estimate.prompt["instruction"] for estimate in result.steps[0].pool]
    assert result.steps[0].kept[0]["instruction"] == shortened
    assert section_of(rewriter_texts(proposer)[-1]).count("kind") == 0


def test_the_hardest_examples_of_the_prompt_in_use_are_shown(tmp_path: Path) -> None:
    task, proposer = word_task(), Scripted(inventive, name="author")
    seen: list[str] = []

    def scores(content: Content, text: str) -> list[float]:
        hard = "number 1" in said(content)
        if said(content).startswith(RULES):
            seen.append(said(content).split("Question: ")[-1].split("?")[0])
        return [-2.5 if hard else -0.5] * len(text.split())

    search(
        tmp_path, replace(BUDGETED, iterations=1), scores, task=task, proposer=proposer, budget=Budget(evaluations=300)
    )
    assert any("number 1" in text for text in seen[:8])
    shown = [text.split("question: ")[1].split("?")[0] for text in rewriter_texts(proposer)]
    assert "number 1" in shown[0]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["full", "short"])
@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        ("After this prompt the expected output is negative.", "rewriter: repeats the request"),
        ("Expected output: negative", "rewriter: repeats the request's labels"),
        ("Say yes to players who performed a give and go.", "rewriter: quotes an example"),
        ("Negative.", "rewriter: quotes an example"),
    ],
)
def test_pieces_of_the_request_and_of_the_data_are_refused(
    tmp_path: Path, rewrite: str, reason: str, form: str
) -> None:
    names = ("Elias Lindholm", "Draymond Green")
    examples = [
        Example.of("positive", text=f"{names[number]} performed a give and go.")
        if number < 2
        else Example.of("negative", text=f"Player {number} took a penalty.")
        for number in range(70)
    ]
    task = Task.from_examples(
        examples, prompt="Say positive or negative.", metric="exact", answer="label", labels=["positive", "negative"],
        splits=Splits(30, 20, 20),
    )  # fmt: skip
    task = replace(task, train=tuple(examples[:30]), dev=tuple(examples[30:50]), test=tuple(examples[50:]))
    settings = PMPO(preset="paper", iterations=1, rewrite=Rewriting(hard=1, samples=1, form=form))  # type: ignore[arg-type]
    result = search(tmp_path, settings, task=task, proposer=Scripted(always(rewrite), name="author"))
    assert result.rejected[reason] == 1
    assert [estimate.prompt for estimate in result.steps[0].pool] == [task.initial]


def test_labels_and_scores_around_a_rewrite_are_taken_off(tmp_path: Path) -> None:
    proposer = Scripted(always('New prompt:\n"Answer in one word."\nscore: 97'), name="author")
    result = search(tmp_path, replace(PAPER, iterations=1), proposer=proposer)
    assert "Answer in one word." in [estimate.prompt["instruction"] for estimate in result.steps[0].pool]


def test_a_reply_has_space_for_a_prompt_of_2000_words(tmp_path: Path) -> None:
    proposer = Scripted(always("Answer."), name="author")
    task = word_task(instruction=" ".join(f"rule{number}." for number in range(2000)))
    search(tmp_path, PMPO(preset="paper", iterations=1, examples=5), task=task, proposer=proposer)
    # Both the request that marks parts and the one that rewrites want the whole prompt back.
    assert len({text_of(request)[:20] for request in proposer.log}) == 2
    assert all(request.sampling.max_tokens >= 1.5 * 2000 + 256 for request in proposer.log)


@pytest.mark.parametrize("budget", [None, Budget(evaluations=2_000)])
def test_a_search_that_runs_dry_starts_from_its_best_once_and_ends(tmp_path: Path, budget: Budget | None) -> None:
    proposer = Scripted(always("Answer in one word.", "Answer in a word."), name="author")
    settings = PMPO(preset="budget" if budget else "paper", mask=Masking(most=0))
    result = search(tmp_path, settings, proposer=proposer, budget=budget)
    assert result.status == "finished"
    # One iteration with something new, two dry spells of three.
    assert len(result.steps) == 7
    assert any("wrote nothing new" in warning for warning in result.warnings)


ROOM = Room(800, None, 1, 100, 20)
SIZES = (100, 300, 800, 2_000, 10_000)


def test_the_plan_grows_with_the_room_and_spends_it() -> None:
    plans = [PMPO().plan(replace(ROOM, evaluations=cells)) for cells in SIZES]
    assert [plan.rounds for plan in plans] == sorted({plan.rounds for plan in plans})
    assert [plan.depth for plan in plans] == sorted(plan.depth for plan in plans)
    assert [plan.samples for plan in plans] == sorted(plan.samples for plan in plans)
    for plan, cells in zip(plans, SIZES, strict=True):
        asked_for = sum(plan.at(number) * (plan.arms + plan.parts / 2) for number in range(plan.rounds))
        assert 0.8 * cells < asked_for < 1.3 * cells
        assert f"{plan.rounds} iterations" in plan.describe()


def test_the_papers_constants_stand_without_a_cap_or_by_name_and_what_is_set_stays() -> None:
    paper = PMPO().plan(replace(ROOM, evaluations=None))
    assert (paper.rounds, paper.examples, paper.parts) == (20, 50, 5)
    assert (paper.hard, paper.samples, paper.depth) == (3, 4, 0.0)
    assert PMPO(preset="paper").plan(ROOM) == paper
    own = PMPO(iterations=2, examples=9, mask=Masking(most=0), rewrite=Rewriting(hard=1, samples=1))
    for plan in (own.plan(ROOM), own.plan(replace(ROOM, evaluations=None))):
        assert (plan.rounds, plan.examples, plan.parts, plan.hard, plan.samples) == (2, 9, 0, 1, 1)


def test_own_solutions_take_no_more_than_their_share_of_the_room() -> None:
    plan = PMPO(targets=Targets("own")).plan(ROOM)
    assert 4 * plan.examples <= 0.25 * 800
    assert plan.examples > 40
    assert PMPO(targets=Targets("own")).least(ROOM) > 4 * plan.examples


def test_the_least_is_an_iteration_and_what_to_expect_is_the_room() -> None:
    assert PMPO().least(ROOM) < 60
    assert PMPO(preset="paper").least(ROOM) == 50 + 50 * (1 + 12 + 2 * 5)
    assert PMPO().upper_bounds_in(ROOM).evaluations == 800
    assert PMPO(preset="paper").upper_bounds_in(ROOM) == PMPO().upper_bounds(100)


@pytest.mark.parametrize("evaluations", [150, 400, pytest.param(900, marks=pytest.mark.slow)])
def test_a_search_spends_what_it_was_granted_and_asks_no_more_than_it_said(tmp_path: Path, evaluations: int) -> None:
    runs: list[Run] = []
    result = search(tmp_path, BUDGETED, budget=Budget(evaluations=evaluations), watch=runs.append)
    assert result.status == "budget"
    assert result.spent.evaluations == evaluations
    assert result.spent.proposer_calls <= BUDGETED.upper_bounds_in(runs[0].room).proposer_calls
    assert len(result.steps) >= 0.6 * BUDGETED.plan(runs[0].room).rounds


@pytest.mark.slow
def test_an_example_that_no_prompt_can_be_scored_on_is_looked_at_in_one_iteration(tmp_path: Path) -> None:
    task = word_task()
    lost = {example["question"] for example in task.train[::3]}
    lucky = favouring({"lantern": 1.0})
    asked: dict[str, set[str]] = {question: set() for question in lost}

    def scores(content: Content, text: str) -> Sequence[float]:
        for question in lost:
            if question in said(content):
                asked[question].add(said(content).split("\n\n")[0])
        return [float("-inf")] if any(question in said(content) for question in lost) else lucky(content, text)

    proposer = Scripted(
        lambda request: always(f"{RULES} Mind the lantern {digest(str(request.seed))}.")(request), name="author"
    )
    result = search(tmp_path, BUDGETED, scores, task=task, proposer=proposer, budget=Budget(evaluations=500))
    assert "lantern" in result.best.text
    pools = [{estimate.prompt["instruction"] for estimate in step.pool} for step in result.steps[:-1]]
    later = {text for pool in pools[1:] for text in pool} - pools[0]
    assert later
    for prompts in asked.values():
        known = prompts & (later | pools[0])
        assert any(known <= pool | {RULES} for pool in pools)


@pytest.mark.slow
def test_what_the_search_ends_with_is_first_in_the_final_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Run] = []
    orders: list[list[Prompt]] = []
    rank_by = Run.rank_by

    def recorded(run: Run, examples: Sequence[Example], order: Sequence[Prompt] = ()) -> None:
        orders.append(list(order))
        rank_by(run, examples, order)

    monkeypatch.setattr(Run, "rank_by", recorded)
    scores = favouring({f"- Say {digit}": 0.1 * number for number, digit in enumerate("0123456789abcdef")})
    result = search(tmp_path, BUDGETED, scores, budget=Budget(evaluations=500), watch=runs.append)
    assert runs[0].ranked()[0].prompt == result.steps[-1].kept[0]
    assert orders == [list(step.kept) for step in result.steps]
    pools = {estimate.prompt for step in result.steps for estimate in step.pool}
    assert pools <= {estimate.prompt for estimate in runs[0].ranked()}
