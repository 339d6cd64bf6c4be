"""APO by its budget, and what it shows to its proposer and its selector."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.apo.method import APO, Expansion
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.exhaustive import Exhaustive
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_model, planted_task
from promptopt.types import Content, Estimate, Example, Prompt, Request, Room, UpperBounds, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def who(text: str) -> str:
    if "<reason>" in text:
        return "critic"
    return "editor" if "What is wrong with it:" in text else "paraphraser"


def author(request: Request) -> str:
    text = text_of(request)
    if who(text) == "critic":
        return f"<reason>The instruction does not say {digest(text)}.</reason>"
    draw = random.Random(f"{text}{request.seed}")
    return f"<instruction>{text.split(chr(34) * 3)[1].strip()} {draw.choice(WORDS)} {draw.choice(WORDS)}</instruction>"


def search(
    home: Path,
    optimizer: APO,
    *,
    proposer: Scripted | None = None,
    model: Scripted | None = None,
    task: Task | None = None,
    budget: Budget | None = None,
    evaluator: Loss | None = None,
) -> Result:
    return optimize(
        planted_task() if task is None else task,
        optimizer,
        model=Models(
            planted_model(feature_accuracy(WORDS, base=0.3)) if model is None else model,
            proposer=Scripted(author, name="author") if proposer is None else proposer,
        ),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        store=home / "store.db",
    )


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, where the budget plans."""

    optimizer = APO()
    budget = Budget(evaluations=400)

    def propose(self, request: Request) -> str:
        return author(request)


def asked(proposer: Scripted, role: str) -> list[Request]:
    return [each for each in proposer.log if isinstance(each, Request) and who(text_of(each)) == role]


@dataclass(frozen=True, slots=True)
class Recording:
    """Ranks by all examples, and remembers what it was given."""

    given: list[tuple[tuple[Prompt, ...], tuple[Example, ...]]] = field(default_factory=list, compare=False)

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        self.given.append((tuple(prompts), tuple(examples)))
        return Exhaustive(10**6).select(run, prompts, examples, keep)


@pytest.mark.slow
def test_the_selector_ranks_parents_and_children_on_all_training_examples(tmp_path: Path) -> None:
    selector = Recording()
    result = search(tmp_path, APO(rounds=3, beam=2, minibatch=10, selector=selector))
    assert [examples for _, examples in selector.given] == [planted_task().train] * 3
    for (prompts, _), before in zip(selector.given[1:], result.steps, strict=False):
        assert prompts[: len(before.kept)] == before.kept


@pytest.mark.slow
def test_the_beam_is_the_best_of_the_pool_best_first(tmp_path: Path) -> None:
    result = search(tmp_path, APO(rounds=3, beam=3, minibatch=10, selector=Exhaustive(10**6)))
    for step in result.steps:
        means = {estimate.prompt: estimate.mean for estimate in step.pool}
        assert [means[prompt] for prompt in step.kept] == sorted(means.values(), reverse=True)[: len(step.kept)]


@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, Budget(evaluations=900)])
def test_a_child_that_ties_does_not_replace_its_parent(tmp_path: Path, budget: Budget | None) -> None:
    level = Scripted(lambda request: "yes", name="level")
    task = planted_task()
    same = replace(task, train=tuple(replace(example, target="no", accepted=()) for example in task.train))
    for selector in (None, Exhaustive(10**6)):
        result = search(tmp_path / str(selector is None), APO(rounds=2, beam=1, selector=selector), task=same,
                        model=level, budget=budget)  # fmt: skip
        assert result.steps
        assert all(step.kept == (task.initial,) for step in result.steps)
        assert all(len(step.pool) > 1 for step in result.steps)


def test_a_parent_stands_before_children_that_tie_also_where_all_fit_the_beam(tmp_path: Path) -> None:
    level = Scripted(lambda request: "no", name="level")
    [step] = search(tmp_path, APO(rounds=1, beam=8, minibatch=6, expand=Expansion(children=3)), model=level).steps
    assert 1 < len(step.pool) <= 8
    assert step.kept[0] == planted_task().initial


def test_a_minibatch_is_drawn_anew_every_round_and_is_not_the_beginning_of_the_data(tmp_path: Path) -> None:
    model, train = planted_model(feature_accuracy(WORDS, base=0.3)), planted_task().train
    # A proposer without ideas: the beam stays the start, and each round looks at two minibatches and nothing else.
    search(tmp_path, APO(rounds=3, minibatch=12), proposer=Scripted(lambda _: "?", name="mute"), model=model)
    begun = [text_of(request) for request in model.log[:12]]
    first = [place for place, each in enumerate(train) if any(f"{each['question']}\n" in text for text in begun)]
    assert len(first) == 12
    assert first != list(range(12))
    looked = [place for place, each in enumerate(train)
              if any(f"{each['question']}\n" in text_of(request) for request in model.log)]  # fmt: skip
    assert len(looked) > 20


def test_a_pool_that_fits_the_beam_is_ranked_on_examples_of_its_own_as_was_foreseen(tmp_path: Path) -> None:
    method = APO(rounds=2, beam=8, minibatch=10, expand=Expansion(groups=1, paraphrases=0, children=1))
    result = search(tmp_path, method, model=planted_model(feature_accuracy(WORDS, base=0.3)))
    assert [len(step.pool) for step in result.steps] == [2, 4]
    most = method.upper_bounds(len(planted_task().train)).evaluations
    # Two minibatches of ten share few of the examples, so the parent's are paid for twice.
    assert 2 * (10 + 10) < result.steps[-1].spent.evaluations <= most


def loss_task() -> Task:
    examples = [Example.of(f"word{number}", question=f"Which is number {number}?") for number in range(80)]
    return Task.from_examples(
        examples, prompt="Answer.", name="words", metric="exact", answer="text", splits=Splits(40, 20, 20)
    )


@pytest.mark.slow
def test_of_a_loss_the_worst_share_of_the_examples_is_criticised(tmp_path: Path) -> None:
    task, proposer = loss_task(), Scripted(author, name="author")
    hard = {example["question"] for example in task.train[::4]}

    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[-1].content
        return [-4.0 if any(question in read for question in hard) else -0.1] * len(text.split())

    measure = Loss(task, reduction="sum", ends=False)
    model = Scripted(lambda _: "yes", scores=scores, name="scorer")
    search(tmp_path, APO(rounds=1, minibatch=40), task=task, proposer=proposer, model=model, evaluator=measure)
    shown = [text_of(request) for request in asked(proposer, "critic")]
    assert shown
    for text in shown:
        questions = [line.split("question: ")[1] for line in text.split("\n") if "question: " in line]
        assert len(questions) == 4
        assert hard.issuperset(questions)


@pytest.mark.slow
def test_a_reply_has_space_for_a_section_of_1200_words(tmp_path: Path) -> None:
    section = " ".join(f"rule{number}" for number in range(1200)) + "."
    task = replace(planted_task(), initial=planted_task().initial.replace("instruction", section))
    proposer = Scripted(author, name="author")
    result = search(tmp_path, APO(rounds=1, minibatch=10), task=task, proposer=proposer)
    assert all(each.sampling.max_tokens == 1024 for each in asked(proposer, "critic"))
    for role in ("editor", "paraphraser"):
        assert asked(proposer, role)
        assert all(each.sampling.max_tokens >= 1.5 * 1200 + 256 for each in asked(proposer, role))
    assert len(result.steps[0].pool) > 1


@pytest.mark.slow
@pytest.mark.parametrize(("editing", "keeps"), [("rewrite", False), ("append", True)])
def test_the_editor_rewrites_and_appends_where_it_is_told_to(tmp_path: Path, editing: str, keeps: bool) -> None:
    proposer = Scripted(author, name="author")
    search(tmp_path, APO(rounds=1, minibatch=10, expand=Expansion(editing=editing)), proposer=proposer)
    texts = [text_of(request) for request in asked(proposer, "editor")]
    assert texts
    for text in texts:
        assert ("Keep what the instruction says now" in text) is keeps
        assert text.endswith("Answer the question.\n- If ...\n</instruction>") is keeps


def test_pieces_of_the_request_are_no_candidates(tmp_path: Path) -> None:
    debris = [
        "Rewrite the instruction so that this does not happen again.",
        "Answer it.\\nRight answer: yes",
        "Mistakes it led to: none",
        "New instruction: Answer it with care. score: 90",
    ]
    drawn = iter(debris * 9)

    def leaky(request: Request) -> str:
        if who(text_of(request)) == "critic":
            return author(request)
        return f"<instruction>{next(drawn)}</instruction>".replace("\\n", "\n")

    result = search(tmp_path, APO(rounds=1, minibatch=10), proposer=Scripted(leaky, name="leaky"))
    found = {estimate.prompt["instruction"] for estimate in result.steps[0].pool}
    assert found == {"Answer the question.", "Answer it with care."}


ROOM = Room(800, None, 1, 50, 20)


def test_the_plan_grows_with_the_room_and_spends_it() -> None:
    plans = [APO().plan(replace(ROOM, evaluations=cells)) for cells in (100, 300, 800, 2_000, 10_000)]
    assert [plan.rounds for plan in plans] == sorted({plan.rounds for plan in plans})
    assert [plan.depth for plan in plans] == sorted(plan.depth for plan in plans)
    assert all(plan.beam == 2 for plan in plans)
    for plan, cells in zip(plans, (100, 300, 800, 2_000, 10_000), strict=True):
        asked_for = sum(plan.selection(plan.beam * (1 + plan.children), number) for number in range(plan.rounds))
        assert 0.7 * cells < asked_for < 1.35 * cells
        assert f"{plan.rounds} rounds" in plan.describe()


def test_calls_of_the_proposer_are_paid_for_where_calls_are_capped() -> None:
    free, capped = APO().plan(ROOM), APO().plan(replace(ROOM, evaluations=None, calls=800))
    assert capped.rounds < free.rounds
    calls = capped.rounds * capped.beam * capped.calls(Expansion())
    cells = sum(capped.selection(capped.beam * (1 + capped.children), number) for number in range(capped.rounds))
    assert 0.7 * 800 < cells + calls < 1.35 * 800


def test_the_papers_constants_stand_without_a_cap_or_by_name_and_what_is_set_stays() -> None:
    paper = APO().plan(replace(ROOM, evaluations=None))
    assert (paper.rounds, paper.beam, paper.minibatch) == (6, 4, 64)
    assert (paper.groups, paper.paraphrases, paper.children, paper.depth) == (4, 2, 8, 0.0)
    assert APO(preset="paper").plan(ROOM) == paper
    own = APO(rounds=2, beam=3, minibatch=5, expand=Expansion(groups=0, paraphrases=0, children=1))
    for plan in (own.plan(ROOM), own.plan(replace(ROOM, evaluations=None))):
        assert (plan.rounds, plan.beam, plan.minibatch) == (2, 3, 5)
        assert (plan.groups, plan.paraphrases, plan.children) == (0, 0, 1)


@pytest.mark.slow
def test_a_first_generation_is_as_large_as_others_unless_its_size_is_set(tmp_path: Path) -> None:
    def inventive(request: Request) -> str:
        text = text_of(request)
        if who(text) == "critic":
            return author(request)
        return f"<instruction>Answer {digest([text, request.seed])}.</instruction>"

    first: list[int] = []
    for children in (None, 3):
        settings = APO(expand=Expansion(children=children))
        proposer = Scripted(inventive, name="inventive")
        result = search(tmp_path / str(children), settings, proposer=proposer, budget=Budget(evaluations=600))
        first.append(len(result.steps[0].pool))
        assert len(result.steps[1].pool) > 4
    # Two edits, a paraphrase of each and of the start; two parents would give an edit and two paraphrases each.
    assert first == [1 + 5, 1 + 3]


def test_the_least_is_a_round_and_what_to_expect_is_the_room() -> None:
    assert APO().least(ROOM) < 40
    assert APO(preset="paper").least(ROOM) == 64 + 9 * 50
    expected = APO().upper_bounds_in(ROOM)
    assert expected.evaluations == 800
    assert APO(preset="paper").upper_bounds_in(ROOM) == APO().upper_bounds(50)
    assert APO(rounds=0).upper_bounds(50) == UpperBounds(0, 0, 0)


@pytest.mark.parametrize("evaluations", [150, 400, pytest.param(900, marks=pytest.mark.slow)])
def test_a_search_spends_what_it_was_granted_and_asks_no_more_than_it_said(tmp_path: Path, evaluations: int) -> None:
    runs: list[Run] = []

    @dataclass(frozen=True)
    class Watched:
        def optimize(self, run: Run) -> None:
            runs.append(run)
            APO().optimize(run)

        def plan(self, room: Room) -> object:
            return APO().plan(room)

        def least(self, room: Room) -> int:
            return APO().least(room)

    result = search(tmp_path, Watched(), budget=Budget(evaluations=evaluations))  # type: ignore[arg-type]
    assert result.status == "budget"
    assert result.spent.evaluations == evaluations
    bound = APO().upper_bounds_in(runs[0].room)
    assert result.spent.proposer_calls <= bound.proposer_calls
    assert len(result.steps) >= 0.6 * APO().plan(runs[0].room).rounds


@dataclass(frozen=True, slots=True)
class Blind:
    """Ranks as it was given, and looks at nothing."""

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        return [Estimate(prompt, 0.0, 0) for prompt in prompts]


def test_parents_that_are_known_to_err_are_asked_nothing_to_find_mistakes(tmp_path: Path) -> None:
    wrong, proposer = Scripted(lambda _: "no", name="wrong"), Scripted(author, name="author")
    settings = APO(rounds=3, beam=1, selector=Blind())
    result = search(tmp_path / "blind", settings, model=wrong, proposer=proposer, budget=Budget(evaluations=500))
    # Three mistakes: each of two critics is shown two of them.
    assert [step.spent.evaluations for step in result.steps] == [3, 3, 3]
    assert all(text_of(each).count("Right answer:") == 2 for each in asked(proposer, "critic"))
    assert len(asked(proposer, "critic")) > 2
    result = search(tmp_path, APO(rounds=3), model=wrong, proposer=proposer, budget=Budget(evaluations=500))
    plan = APO(rounds=3).plan(Room(442, None, 1, len(planted_task().train), len(planted_task().dev)))
    first = result.steps[0].spent.evaluations
    assert first <= plan.minibatch + plan.selection(1 + plan.children, 0) + 1 + plan.children
    grown = result.steps[1].spent.evaluations - first
    arms = len(result.steps[1].pool)
    assert grown <= plan.selection(arms, 1) + arms
    # Later parents are known to make more, and more are shown of them.
    shown = [text_of(each).count("Right answer:") for each in asked(proposer, "critic")]
    assert min(shown) == 2 < max(shown) <= 4


def test_a_search_that_runs_dry_starts_from_its_best_once_and_ends(tmp_path: Path) -> None:
    def limited(request: Request) -> str:
        if who(text_of(request)) == "critic":
            return author(request)
        return "<instruction>Answer the question exactly.</instruction>"

    result = search(tmp_path, APO(), proposer=Scripted(limited, name="limited"), budget=Budget(evaluations=2_000))
    assert result.status == "finished"
    assert len(result.steps) == 5
    assert any("wrote nothing new" in warning for warning in result.warnings)


def test_bounds_count_every_reason_edit_paraphrase_and_filtered_child_of_every_parent() -> None:
    expand = Expansion(groups=3, reasons=2, edits=2, paraphrases=2, children=5, filter_on_errors=True)
    settings = APO("paper", rounds=2, beam=2, minibatch=10, expand=expand, selector=Exhaustive(budget=10**9))
    # A parent: 3 critics, 6 editors, and two paraphrases of each of 12 edits and of itself; all twice.
    calls = 2 * (3 + 6 + (12 + 1) * 2)
    # Twice five children on the ten mistakes that a minibatch can hold.
    parent = 10 + 2 * 5 * 10
    # The start and its children, then two parents and theirs, each on all 50.
    found = settings.upper_bounds(50)
    assert found == UpperBounds(parent + 6 * 50 + 2 * parent + 12 * 50, 3 * calls, 3 * calls * 1024)
    # A pool that fits the beam is scored on a minibatch: the start and its five children, who are parents then.
    wide = replace(settings, beam=10)
    assert wide.upper_bounds(50).evaluations == parent + 6 * 10 + 6 * parent + 36 * 50
    assert wide.upper_bounds(50).proposer_calls == 7 * calls
    plain = replace(settings, rounds=1, expand=replace(expand, filter_on_errors=False))
    assert plain.upper_bounds(50).evaluations == 10 + 6 * 50
    # Of 16 mistakes at most a filter is made, and of no more than there are examples.
    assert replace(settings, rounds=1, minibatch=40).upper_bounds(50).evaluations == 40 + 2 * 5 * 16 + 6 * 50
    assert replace(settings, rounds=1, minibatch=40).upper_bounds(8).evaluations == 8 + 2 * 5 * 8 + 6 * 8


@pytest.mark.slow
@pytest.mark.parametrize("evaluations", [250, 330, 411])
def test_a_budget_that_ends_inside_the_bandit(tmp_path: Path, evaluations: int) -> None:
    model = planted_model(feature_accuracy(WORDS, base=0.3))
    result = search(tmp_path, APO(), model=model, budget=Budget(evaluations=evaluations))
    assert result.status == "budget"
    assert result.spent.evaluations <= evaluations
    assert model.calls <= evaluations
    assert result.best.test is not None
    assert any(candidate.search.count for candidate in result.candidates())
