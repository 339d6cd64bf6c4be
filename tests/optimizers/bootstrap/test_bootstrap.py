"""Bootstrap: which examples a teacher is tried on, what a set shows, which sets are tried and which one wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.operators.bootstrapping import Teacher, Teaching
from promptopt.optimizers.bootstrap.method import Bootstrap
from promptopt.outcome.result import Result
from promptopt.protocols import Optimizer
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, planted_task, uniform
from promptopt.types import Example, Prompt, Request, Room

START = "Answer the question."


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def asked_number(request: Request) -> int:
    """The number of the question that is to be answered, which stands last."""
    return int(text_of(request).rpartition("question ")[2].split()[0])


def ends_with(answer: str, example: Example) -> float:
    return float(answer.endswith(example.target))


def numbers(train: int = 40) -> Task:
    """Questions by number, in the order of the data, whose replies may say more than the answer."""
    examples = [Example.of("yes", question=f"question {number} .") for number in range(train + 100)]
    task = Task.from_examples(examples, prompt=START, metric=ends_with, answer="text", splits=Splits(train, 40, 60))
    order = sorted(task.train, key=lambda example: int(example["question"].split()[1]))
    return replace(task, train=tuple(order))


def helped(request: Request) -> str:
    """Right more often the more demonstrations it is shown that think first; thinks itself where it is right."""
    text = text_of(request)
    right = uniform(str(asked_number(request))) < 0.3 + 0.2 * text.count("Let me think")
    return "Let me think. yes" if right else "no"


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test; the gain is in the demonstrations."""

    optimizer = Bootstrap(teach=Teaching(labelled=4))
    budget = Budget(evaluations=400)

    def task_model(self) -> Scripted:
        return Scripted(self.answer, name="planted")

    @staticmethod
    def answer(request: Request) -> str:
        """Right more often with every demonstration."""
        text = text_of(request)
        return "yes" if uniform(text.rpartition("question")[2]) < 0.3 + 0.1 * text.count("yes") else "no"

    def propose(self, request: Request) -> str:
        return "nobody asks"

    def test_beats_its_start_on_a_planted_landscape(self, tmp_path: Path) -> None:
        """Where demonstrations help, some are found."""
        assert len(self.undisturbed().result.best.prompt.demos) == 4


@dataclass
class Taught:
    """A teacher at work in a run, and the (question, temperature, request) of all that it asked."""

    asked: list[tuple[int, float, str]] = field(default_factory=list)
    solved: list[list[int]] = field(default_factory=list)
    sets: list[tuple[Example, ...]] = field(default_factory=list)


def teach(
    home: Path,
    settings: Teaching,
    right: Callable[[Request], bool],
    most: int,
    *,
    shown: Sequence[int] = range(1, 7),
    task: Task | None = None,
    proposer: Scripted | None = None,
) -> Taught:
    """One set of demonstrations for `most`, made from the examples with these numbers."""
    found, log = Taught(), list[tuple[int, float, str]]()

    def answer(request: Request) -> str:
        log.append((asked_number(request), request.sampling.temperature, text_of(request)))
        return "Let me think. yes" if right(request) else "no"

    class Method:
        def optimize(self, run: Run) -> None:
            examples = [each for each in run.train if int(each["question"].split()[1]) in shown]
            teacher = Teacher(run, settings, examples)
            found.solved.append([int(each["question"].split()[1]) for each in teacher.solved(examples, most)])
            found.sets.append(teacher.demonstrations(examples, most))
            found.asked = list(log)

    task = numbers(100) if task is None else task
    train = tuple(Example.of("yes", question=f"question {number} .") for number in range(40))
    task = replace(task, train=train, dev=tuple(e for e in task.dev if int(e["question"].split()[1]) > 40),
                   test=tuple(e for e in task.test if int(e["question"].split()[1]) > 40))  # fmt: skip
    model = Scripted(answer, name="target")
    optimize(task, Method(), model=Models(model, proposer=model if proposer is None else proposer),
             store=home / "store.db")  # fmt: skip
    return found


def only(*numbers: int) -> Callable[[Request], bool]:
    return lambda request: asked_number(request) in numbers


def test_examples_are_tried_in_order_until_enough_are_solved(tmp_path: Path) -> None:
    taught = teach(tmp_path, Teaching(labelled=0), only(1, 3, 4), 2)
    assert taught.solved == [[1, 3]]
    assert [number for number, _, _ in taught.asked] == [1, 2, 3]
    [demos] = taught.sets
    assert [(demo["question"], demo.target) for demo in demos] == [
        ("question 1 .", "Let me think. yes"),
        ("question 3 .", "Let me think. yes"),
    ]


def test_a_set_is_filled_up_with_bare_examples_that_the_teacher_did_not_write(tmp_path: Path) -> None:
    [demos] = teach(tmp_path, Teaching(labelled=4), only(1, 3, 4), 2).sets
    assert [demo.target for demo in demos] == ["Let me think. yes"] * 2 + ["yes"] * 2
    assert not {demo["question"] for demo in demos[2:]} & {"question 1 .", "question 3 ."}
    [every] = teach(tmp_path / "all", Teaching(labelled=6), only(1, 3, 4), 2).sets
    assert sorted(demo["question"] for demo in every[2:]) == [f"question {number} ." for number in (2, 4, 5, 6)]
    # Where there is room for more than there are, no draw can miss what was solved.
    [all_of_them] = teach(tmp_path / "room", Teaching(labelled=10), only(1, 3, 4), 2).sets
    assert sorted(demo["question"] for demo in all_of_them) == [f"question {number} ." for number in range(1, 7)]


def test_no_bootstrapped_demonstrations_cost_nothing(tmp_path: Path) -> None:
    taught = teach(tmp_path, Teaching(labelled=3), only(1), 0)
    assert taught.asked == []
    assert [demo.target for demo in taught.sets[0]] == ["yes"] * 3


@pytest.mark.parametrize(("threshold", "solved"), [(0.0, [1, 2, 3]), (0.5, [3]), (-1.0, [1, 2, 3])])
def test_a_threshold_of_0_counts(tmp_path: Path, threshold: float, solved: list[int]) -> None:
    taught = teach(tmp_path, Teaching(labelled=0, threshold=threshold), only(3), 3, shown=range(1, 4))
    assert taught.solved == [solved]


@pytest.mark.slow
def test_the_example_that_is_solved_is_never_in_the_teacher_s_own_prompt(tmp_path: Path) -> None:
    taught = teach(tmp_path, Teaching(labelled=6), only(), 6)
    for number, _, text in taught.asked:
        assert text.count(f"question {number} .") == 1
        assert text.count("question ") == 6


def test_a_second_try_is_another_draw_at_a_temperature(tmp_path: Path) -> None:
    def right(request: Request) -> bool:
        return request.sampling.temperature == 0.7 and asked_number(request) == 2

    taught = teach(tmp_path, Teaching(labelled=0, tries=3, heat=0.7), right, 1, shown=(1, 2))
    assert taught.solved == [[2]]
    assert [(number, heat) for number, heat, _ in taught.asked[:5]] == [
        (1, 0.0),
        (1, 0.7),
        (1, 0.7),
        (2, 0.0),
        (2, 0.7),
    ]


def test_another_model_may_be_the_teacher(tmp_path: Path) -> None:
    teacher = Scripted(lambda _: "I know: yes", name="teacher")
    taught = teach(tmp_path, Teaching(labelled=0, teacher="proposer"), only(), 2, proposer=teacher)
    assert [demo.target for demo in taught.sets[0]] == ["I know: yes"] * 2
    assert teacher.calls == 2


def conducted(home: Path, method: Optimizer, *, teacher: Scripted | None, budget: int = 300) -> tuple[Result, Scripted]:
    """A search on replies of a model that is never right by itself, with a model that may teach it."""
    weak = Scripted(lambda request: "yes" if "Let me think" in text_of(request) else "no", name="weak")
    models = Models(weak, proposer=Scripted(lambda _: "<prompt>Say it.</prompt>", name="writes"), teacher=teacher)
    store, caps = home / "store.db", Budget(evaluations=budget)
    return optimize(numbers(), method, model=models, budget=caps, store=store), weak


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bootstrap", "mipro"])
def test_a_teacher_that_is_named_writes_the_demonstrations_and_is_charged_and_replayed(
    tmp_path: Path, name: str
) -> None:
    method = build_optimizer(name, {"teach.labelled": 2})
    teacher = Scripted(lambda _: "Let me think. yes", name="strong")
    result, weak = conducted(tmp_path, method, teacher=teacher)
    shown = [demo.target for each in result.lineage for demo in each.prompt.demos]
    assert "Let me think. yes" in shown
    assert result.best.test.score == 1.0
    assert result.by_role["teacher"].calls == teacher.calls > 0
    assert sum(each.calls for each in result.by_role.values()) == result.spent.calls
    # As the task is sampled: greedily, unless it is a further try.
    assert {request.sampling.temperature for request in teacher.log} == {0.0}
    before = (teacher.calls, weak.calls)
    conducted(tmp_path, method, teacher=teacher)
    untaught, _ = conducted(tmp_path / "alone", method, teacher=None)
    assert teacher.calls == before[0]
    assert untaught.best.test.score == 0.0


def test_whose_replies_are_shown_can_be_said_beside_a_teacher(tmp_path: Path) -> None:
    teacher = Scripted(lambda _: "Let me think. yes", name="strong")
    own = Bootstrap(teach=Teaching(labelled=2, teacher="task"))
    result, _ = conducted(tmp_path / "own", own, teacher=teacher, budget=120)
    assert teacher.calls == 0
    assert any("the teacher was never asked" in warning for warning in result.warnings)
    missing = Bootstrap(teach=Teaching(teacher="teacher"))
    with pytest.raises(ConfigError, match="no teacher is named"):
        conducted(tmp_path / "none", missing, teacher=None, budget=120)


def search(home: Path, method: Bootstrap, model: Callable[[Request], str] = helped, **settings: object) -> Result:
    return optimize(
        settings.pop("task", None) or numbers(),  # type: ignore[arg-type]
        method,
        model=Scripted(model, name="target"),
        store=home / "store.db",
        **settings,  # type: ignore[arg-type]
    )


def kinds(result: Result) -> list[str]:
    return [each.proposal.note for each in result.lineage if each.proposal.operator in ("start", "demonstrations")]


SMALL = Bootstrap(sets=3, teach=Teaching(bootstrapped=2, labelled=4))


def test_the_candidates_are_tried_in_their_order_each_on_all_examples(tmp_path: Path) -> None:
    result = search(tmp_path, SMALL)
    # The start has no demonstrations, so that it is the candidate without any.
    assert kinds(result) == ["", "labelled", "bootstrapped", "shuffled", "shuffled", "shuffled"]
    assert [len(step.pool) for step in result.steps] == [2, 3, 4, 5, 6]
    assert all(each.count == 20 for each in result.steps[-1].pool)
    assert len(build_optimizer("bootstrap", {}).plan(Room(None, None, 1, 40, 20)).describe().split()) > 3
    assert Bootstrap().plan(Room(None, None, 1, 40, 20)).sets == 16


def test_of_equal_candidates_the_earliest_wins(tmp_path: Path) -> None:
    result = search(tmp_path, SMALL, lambda request: "Let me think. yes")
    assert [step.kept for step in result.steps] == [(Prompt.of(START),)] * len(result.steps)
    assert result.best.prompt == Prompt.of(START)


def test_no_set_is_scored_on_an_example_that_it_may_show(tmp_path: Path) -> None:
    runs: list[Run] = []
    result = search(tmp_path, SMALL, session=Session(watch=runs.append))
    shown = {demo.fields for each in result.lineage for demo in each.prompt.demos}
    assert shown
    for each in result.steps[-1].pool:
        scored = [example for example, _ in runs[0].seen(each.prompt)]
        assert len(scored) == 20
        assert not {example.fields for example in scored} & shown
    train = {example.fields for example in numbers().train}
    assert shown <= train


def test_the_search_ends_with_the_candidate_that_reaches_the_score(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, stop_at=0.1))
    assert len(result.steps) == 1


def test_a_score_that_is_just_reached_ends_the_search_but_not_before_a_set_was_tried(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, stop_at=1.0), lambda request: "Let me think. yes")
    assert [len(step.pool) for step in result.steps] == [2]


@pytest.mark.slow
def test_sets_hold_from_one_to_as_many_as_are_to_be_bootstrapped_or_labelled_ones_alone(tmp_path: Path) -> None:
    def shown(result: Result) -> list[int]:
        return [
            sum("think" in demo.target for demo in each.prompt.demos)
            for each in result.lineage
            if each.proposal.note == "shuffled"
        ]

    many = replace(SMALL, sets=12, teach=Teaching(bootstrapped=3, labelled=0))
    assert set(shown(search(tmp_path / "many", many, lambda _: "Let me think. yes"))) == {1, 2, 3}
    none = replace(SMALL, teach=Teaching(bootstrapped=0, labelled=3))
    assert set(shown(search(tmp_path / "none", none, lambda _: "Let me think. yes"))) == {0}


def test_the_start_competes_with_its_own_demonstrations(tmp_path: Path) -> None:
    demos = [Example.of("Let me think. yes", question=f"mine {number}") for number in range(3)]
    task = numbers()
    task = replace(task, initial=task.initial.with_demos(demos))
    result = search(tmp_path, SMALL, task=task)
    assert kinds(result)[:2] == ["", "none"]
    assert task.initial in [each.prompt for each in result.steps[0].pool]
    # Another set is of two that think, as is not shown what it does not say.
    assert result.best.prompt == task.initial


def test_no_sets_is_bootstrapping_alone(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, sets=0))
    assert [len(step.pool) for step in result.steps] == [2]
    assert len(result.best.prompt.demos) == 4


@pytest.mark.slow
def test_a_budget_brings_small_generations_and_is_kept(tmp_path: Path) -> None:
    result = search(tmp_path, Bootstrap(teach=Teaching(labelled=4)), budget=Budget(evaluations=300))
    assert result.spent.evaluations <= 300
    assert len(result.steps) > 3
    assert len(result.best.prompt.demos) == 4


def test_a_layout_without_a_place_for_demonstrations_is_refused(tmp_path: Path) -> None:
    task = replace(planted_task(), layout=Layout("flat", messages=(("user", "{instruction}\n\n{question}"),)))
    with pytest.raises(ConfigError, match="no place for demonstrations"):
        search(tmp_path, SMALL, task=task)


def test_one_training_example_is_refused_and_two_are_enough(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shown and scored"):
        search(tmp_path, SMALL, task=numbers(1))
    assert search(tmp_path, SMALL, task=numbers(2)).steps[-1].pool[0].count == 1


@pytest.mark.parametrize("setting", [{"sets": -1}, {"share": 1.5}, {"teach.tries": 0}, {"teach.bootstrapped": -1}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        build_optimizer("bootstrap", setting)
