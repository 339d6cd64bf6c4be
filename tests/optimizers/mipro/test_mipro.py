"""MIPRO: what the proposer is told and how often it is asked, and how combinations are tried, ranked and chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.models.scripted import Scripted
from promptopt.operators.bootstrapping import Teaching
from promptopt.optimizers.mipro import method as mipro
from promptopt.optimizers.mipro.grounding import demos_for
from promptopt.optimizers.mipro.method import MIPRO, Proposing
from promptopt.optimizers.mipro.plan import trials_for
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.selection.parzen import Choice, Parzen
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_model, planted_task, split_planted, uniform
from promptopt.types import Example, Prompt, Request, Room, digest

START = "Answer the question."
WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
SMALL = MIPRO(
    trials=18, sets=4, minibatch=6, teach=Teaching(bootstrapped=2, labelled=2), propose=Proposing(instructions=4)
)


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


HEADS = {
    "observe": "Write down what you observe",
    "more": "Add what these",
    "condense": "Sum it up",
    "program": "Describe in two",
    "part": "Say in one or two",
    "propose": "better instruction",
}


def who(text: str) -> str:
    return next((name for name, head in HEADS.items() if head in text), "?")


def author(request: Request) -> str:
    text = text_of(request)
    said = digest([text, request.seed])
    if who(text) != "propose":
        return f"<summary>On {who(text)}: {said[:8]}.</summary>"
    words = [WORDS[int(uniform(said, str(place)) * len(WORDS))] for place in range(2)]
    return f"<prompt>{START} {' '.join(words)} {said[:4]}</prompt>"


@dataclass
class Searched:
    """A run that ended, and what its proposer was asked."""

    result: Result
    requests: list[str] = field(default_factory=list)

    @property
    def calls(self) -> Counter[str]:
        return Counter(map(who, self.requests))

    def of(self, name: str) -> list[str]:
        return [text for text in self.requests if who(text) == name]


def search(
    home: Path,
    method: MIPRO = SMALL,
    write: Callable[[Request], str] = author,
    *,
    task: Task | None = None,
    model: Scripted | None = None,
    budget: Budget | None = None,
) -> Searched:
    proposer = Scripted(write, name="proposer")
    result = optimize(
        planted_task() if task is None else task,
        method,
        model=Models(planted_model(feature_accuracy(WORDS, base=0.3)) if model is None else model, proposer=proposer),
        budget=budget,
        store=home / "store.db",
    )
    return Searched(result, [text_of(request) for request in proposer.log if isinstance(request, Request)])


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, where the budget plans."""

    optimizer = MIPRO(teach=Teaching(labelled=2))
    budget = Budget(evaluations=500)

    def propose(self, request: Request) -> str:
        return author(request)


@pytest.mark.parametrize(("train", "more"), [(50, 0), (100, 1), (250, 4), pytest.param(600, 9, marks=pytest.mark.slow)])
def test_the_data_are_summed_up_ten_examples_at_a_time(tmp_path: Path, train: int, more: int) -> None:
    method = replace(SMALL, trials=1, propose=Proposing(instructions=2, aware=False))
    # A fifth of the training examples is looked at.
    searched = search(tmp_path, method, task=planted_task(train=train))
    assert searched.calls == Counter(observe=1, more=more, condense=1, propose=1)
    assert "On condense:" in searched.of("propose")[0]
    assert all(f"On {each}:" in searched.of("condense")[0] for each in ["observe", "more"][: 1 + bool(more)])


@pytest.mark.parametrize(
    ("said", "looks"),
    [
        ("complete.", 5),
        ("**COMPLETE**: more of the same.", 5),
        ("COMPLETE\nNo news.", 5),
        ("Complete words, it seems.", 9),
    ],
)
def test_five_answers_that_nothing_is_new_end_the_look_at_the_data(tmp_path: Path, said: str, looks: int) -> None:
    def sated(request: Request) -> str:
        return f"<summary>{said}</summary>" if who(text_of(request)) == "more" else author(request)

    method = replace(SMALL, trials=1, propose=Proposing(instructions=2, batch=3, aware=False))
    searched = search(tmp_path, method, sated, task=planted_task(train=150))
    assert searched.calls["more"] == looks
    assert (said in searched.of("condense")[0]) == (looks == 9)


def test_without_a_summary_the_search_goes_on_and_says_so(tmp_path: Path) -> None:
    mute = lambda request: "?" if who(text_of(request)) == "observe" else author(request)  # noqa: E731
    searched = search(tmp_path, replace(SMALL, trials=2), mute)
    assert any("without a summary" in warning for warning in searched.result.warnings)
    assert searched.calls["propose"] == 3
    assert "What the data are like" not in searched.of("propose")[0]


@pytest.mark.slow
def test_a_proposal_takes_three_calls_or_one_where_the_program_is_not_described(tmp_path: Path) -> None:
    searched = search(tmp_path / "aware", replace(SMALL, trials=1))
    assert {name: searched.calls[name] for name in ("program", "part", "propose")} == {
        "program": 3,
        "part": 3,
        "propose": 3,
    }
    assert all("On program:" in text and "On part:" in text for text in searched.of("propose"))
    assert all("On program:" in text for text in searched.of("part"))
    unaware = replace(SMALL, trials=1, propose=Proposing(instructions=4, aware=False, summary=False))
    assert search(tmp_path / "unaware", unaware).calls == {"propose": 3}
    assert not search(tmp_path / "one", replace(SMALL, propose=Proposing(instructions=1))).requests


def test_a_proposal_sees_solved_examples_from_its_own_set_on_and_the_first_sees_none() -> None:
    sets = [
        [],
        [],
        *([Example.of("yes", question=f"set {number} demo {place}") for place in range(2)] for number in (2, 3)),
    ]
    shown = [[demo["question"] for demo in demos_for(number, sets)] for number in range(4)]
    assert shown[0] == []
    assert shown[1] == shown[2] == ["set 2 demo 0", "set 2 demo 1", "set 3 demo 0"]
    assert shown[3] == ["set 3 demo 0", "set 3 demo 1", "set 2 demo 0"]


@pytest.mark.slow
def test_what_was_solved_is_shown_to_the_proposer_and_nothing_that_is_scored_on(tmp_path: Path) -> None:
    searched = search(tmp_path)
    assert any("Inputs that were solved:" in text for text in searched.of("propose"))
    scored = {example["question"] for example in planted_task().train}
    told = {question for question in scored if any(f"{question}\n" in f"{text}\n" for text in searched.requests)}
    demos = {demo["question"] for each in searched.result.lineage for demo in each.prompt.demos}
    assert len(told) <= 12
    assert demos
    # Both are of the same twelve examples, which nothing is scored on.
    assert len(demos | told) <= 12


class Heard(Parzen):
    """A sampler that keeps what it suggested and what it was told of it."""

    log: ClassVar[list[tuple[str, Choice, float]]] = []
    made: ClassVar[list[tuple[dict[str, int], int]]] = []

    def __init__(self, variables: Mapping[str, int], seed: int, startup: int = 10) -> None:
        super().__init__(variables, seed, startup)
        Heard.made.append((dict(variables), startup))
        self._last: Choice = ()

    def suggest(self) -> Choice:
        self._last = super().suggest()
        return self._last

    def told(self, value: float) -> None:
        Heard.log.append(("trial", self._last, value))
        super().told(value)

    def tell(self, choice: Choice, value: float) -> None:
        Heard.log.append(("full", choice, value))
        super().tell(choice, value)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> type[Heard]:
    monkeypatch.setattr(mipro, "Parzen", Heard)
    Heard.log, Heard.made = [], []
    return Heard


@pytest.mark.slow
def test_full_scores_come_at_first_after_every_fifth_trial_and_after_the_last(
    tmp_path: Path, heard: type[Heard]
) -> None:
    searched = search(tmp_path)
    kinds = [kind for kind, _, _ in heard.log]
    assert kinds == ["full", *(["trial"] * 5 + ["full"]) * 3, *["trial"] * 3, "full"]
    full = [choice for kind, choice, _ in heard.log if kind == "full"]
    assert full[0] == (0, 0)
    assert len(full) == len(set(full)) == 5
    assert heard.made == [({"instruction": 4, "demonstrations": 4}, 10)]
    assert len(searched.result.steps) == 4


def test_where_all_was_scored_in_full_the_search_goes_on(tmp_path: Path, heard: type[Heard]) -> None:
    method = replace(SMALL, sets=1, propose=Proposing(instructions=2))
    search(tmp_path, method)
    assert [kind for kind, _, _ in heard.log].count("full") == 2
    assert [kind for kind, _, _ in heard.log].count("trial") == 18


@pytest.mark.slow
def test_the_start_is_instruction_0_byte_for_byte_and_set_0_holds_its_own_demonstrations(
    tmp_path: Path, heard: type[Heard]
) -> None:
    odd = Prompt.of(f"  {START}  ", demos=[Example.of("yes", question="mine")])
    searched = search(tmp_path, task=replace(planted_task(), initial=odd))
    pool = {each.prompt for step in searched.result.steps for each in step.pool}
    assert odd in pool
    notes = [each.proposal.note for each in searched.result.lineage if each.prompt["instruction"] == odd["instruction"]]
    assert all(not note or note.startswith("instruction 0") for note in notes)


@pytest.mark.slow
def test_the_winner_was_scored_in_full_and_the_start_keeps_a_tie(tmp_path: Path) -> None:
    searched = search(tmp_path / "gain")
    best = searched.result.best.prompt
    assert best == Prompt.of(START) or any(
        each.prompt == best and each.count == 48 for each in searched.result.steps[-1].pool
    )
    level = search(tmp_path / "level", model=Scripted(lambda _: "no", name="level"))
    assert all(step.kept == (Prompt.of(START),) for step in level.result.steps)
    assert level.result.best.prompt == Prompt.of(START)


def test_a_combination_that_was_seen_twice_is_ranked_by_its_mean_over_distinct_examples(tmp_path: Path) -> None:
    method = replace(SMALL, sets=1, trials=30, minibatch=10, propose=Proposing(instructions=3))
    searched = search(tmp_path, method)
    for each in searched.result.steps[-1].pool:
        assert each.count <= 48
    assert searched.result.steps[-1].spent.evaluations <= 12 + 3 * 48


def test_no_failure_is_turned_into_a_score(tmp_path: Path) -> None:
    def metric(answer: str, example: Example) -> float:
        raise ValueError("broken")

    with pytest.raises(EvaluatorError, match="broken"):
        search(tmp_path, task=replace(planted_task(), metric=metric))


@pytest.mark.slow
def test_demonstrations_and_scored_examples_are_apart_and_drawn(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: Request) -> str:
        asked.append(split_planted(request)[1].split("question ")[-1].split("\n")[0])
        return "yes"

    searched = search(tmp_path, model=Scripted(answer, name="target"))
    train = [example["question"].removeprefix("question ") for example in planted_task().train]
    scored = asked[:48]
    assert len(set(scored)) == 48
    assert scored != train[12:]
    demos = {
        demo["question"].removeprefix("question ") for each in searched.result.lineage for demo in each.prompt.demos
    }
    assert demos
    assert not demos & set(scored)


PROPOSALS = {
    "no tags": "I do not know",
    "refusal": "<prompt>I'm sorry, I can't do that.</prompt>",
    "same as its parent": f"<prompt>{START}</prompt>",
    "empty": "<prompt> </prompt>",
}


@pytest.mark.slow
@pytest.mark.parametrize("reason", PROPOSALS)
def test_a_proposal_that_is_of_no_use_is_dropped_and_counted(tmp_path: Path, reason: str, heard: type[Heard]) -> None:
    write = lambda request: PROPOSALS[reason] if who(text_of(request)) == "propose" else author(request)  # noqa: E731
    searched = search(tmp_path, replace(SMALL, trials=3), write)
    assert searched.result.rejected[f"proposer: {reason}"] == (6 if reason == "no tags" else 3)
    assert heard.made[0][0]["instruction"] == 1


@pytest.mark.slow
def test_several_texts_are_proposed_for_and_chosen_together(tmp_path: Path, heard: type[Heard]) -> None:
    examples = [Example.of("yes", question=f"question {number}") for number in range(160)]
    layout = Layout("both", text="{system}\n{instruction}\n\n{question}")
    task = Task.from_examples(
        examples, prompt=Prompt.of(START, system="You help."), layout=layout, metric="exact", splits=Splits(60, 40, 60)
    ).editing("system", "instruction")

    def write(request: Request) -> str:
        text = text_of(request)
        section = text.split('"""')[1].strip() if '"""' in text else ""
        return author(request).replace(START, section)

    searched = search(tmp_path, replace(SMALL, sets=1), write, task=task)
    assert heard.made[0][0] == {"system": 4, "instruction": 4, "demonstrations": 1}
    assert searched.calls["propose"] == 6
    changed = [each.prompt for each in searched.result.lineage]
    assert any(each["system"] != "You help." and each["instruction"] != START for each in changed)


def test_a_layout_without_a_place_for_demonstrations_searches_the_instructions(
    tmp_path: Path, heard: type[Heard]
) -> None:
    task = replace(planted_task(), layout=Layout("flat", messages=(("user", "{instruction}\n\n{question}"),)))
    searched = search(tmp_path, task=task)
    assert heard.made[0][0]["demonstrations"] == 1
    assert any("no place for demonstrations" in warning for warning in searched.result.warnings)


def test_without_a_budget_it_is_the_medium_preset_and_a_budget_pays_for_what_it_plans(tmp_path: Path) -> None:
    paper = MIPRO().plan(Room(None, None, 1, 500, 100))
    assert (paper.instructions, paper.sets, paper.rounds, paper.minibatch, paper.scored) == (6, 12, 18, 35, 300)
    assert [trials_for(2, sets) for sets in (6, 12, 18)] == [10, 18, 27]
    assert MIPRO(scored=40).plan(Room(None, None, 1, 500, 100)).minibatch == 40
    for cells in (150, 400, 1_000, 6_000):
        plan = MIPRO().plan(Room(cells, None, 1, 500, 100))
        full = 1 + -(-plan.rounds // 5)
        assert plan.shown + full * plan.scored + plan.rounds * plan.minibatch <= 1.05 * cells
        assert plan.rounds >= 10
    searched = search(tmp_path, MIPRO(), budget=Budget(evaluations=300))
    bounds = MIPRO().upper_bounds_in(Room(236, None, 1, 60, 40))
    assert searched.result.spent.evaluations <= 300
    assert searched.result.spent.proposer_calls <= bounds.proposer_calls


def test_one_training_example_is_refused_and_two_are_enough(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shown and scored"):
        search(tmp_path, task=planted_task(train=1))
    two = search(tmp_path, replace(SMALL, trials=2), task=planted_task(train=2)).result
    assert two.steps[-1].pool[0].count == 1


@pytest.mark.parametrize("setting", [{"trials": -1}, {"sets": 0}, {"minibatch": 0}, {"propose.instructions": 0}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        build_optimizer("mipro", setting)
