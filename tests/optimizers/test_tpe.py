"""What `tpe` promises: the stages of MIPROv2, their cost, and that only pairs scored in full can win."""

from __future__ import annotations

import logging
import math
import random
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.config import adjust
from promptopt.errors import ConfigError
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.tpe.method import TIPS, TPE, Bootstrapping, Proposing, Scoring, _space, _study, _tell
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_model, planted_task, uniform
from promptopt.types import Content, Example, Prompt, Reply, Request, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
START = "Answer the question."
SMALL = TPE(
    trials=10,
    propose=Proposing(instructions=4),
    bootstrap=Bootstrapping(sets=5, demos=2),
    score=Scoring(minibatch=8, full_every=3),
)


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def section_of(text: str) -> str:
    return text.split('"""')[1].strip()


def author(request: Request) -> str:
    """Appends two words."""
    draw = random.Random(f"{text_of(request)}{request.seed}")
    return f"<prompt>{section_of(text_of(request))} {draw.choice(WORDS)} {draw.choice(WORDS)}</prompt>"


def inventive(request: Request) -> str:
    """No two replies are alike."""
    return f"<prompt>Guess {digest([text_of(request), request.seed])}</prompt>"


def flat_task(count: int = 60) -> Task:
    """The planted task in a layout without a place for demonstrations."""
    examples = [Example.of("yes", question=f"question {number}") for number in range(count + 100)]
    layout = Layout("flat", messages=(("user", "{instruction}\n\n{question}"),))
    return Task.from_examples(
        examples, prompt=Prompt.of(START), layout=layout, metric="exact", answer="text", train=count, dev=40, test=60
    )


def search(
    home: Path,
    optimizer: TPE = SMALL,
    *,
    proposer: Callable[[Request], str | Reply] | Scripted = inventive,
    model: Scripted | None = None,
    task: Task | None = None,
    evaluator: Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Result:
    return optimize(
        planted_task() if task is None else task,
        optimizer,
        model=planted_model(feature_accuracy(WORDS, base=0.3)) if model is None else model,
        proposer=proposer if isinstance(proposer, Scripted) else Scripted(proposer, name="author"),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        seed=seed,
        store=home / "store.db",
    )


def demo_fond(request: Request) -> str:
    """Right more often the more demonstrations it is shown that think first; thinks itself where it is right."""
    text = text_of(request)
    share = 0.3 + 0.2 * text.count("Let me think")
    return "Let me think. yes" if uniform(text.rpartition("question")[2]) < share else "no"


def word_task(train: int = 60) -> Task:
    """Free text with room for demonstrations, where the answer ends the reply."""
    examples = [Example.of("yes", question=f"question {number}?") for number in range(train + 100)]
    return Task.from_examples(examples, prompt=START, metric=ends_with, answer="text", train=train, dev=40, test=60)


def ends_with(answer: str, example: Example) -> float:
    return float(answer.endswith(example.target))


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test, a planted gain."""

    optimizer = SMALL
    budget = Budget(evaluations=700)
    sizes = (40, 90, 170, 250)

    def propose(self, request: Request) -> str:
        return author(request)


def test_the_start_is_scored_in_full_before_anything_else(tmp_path: Path) -> None:
    model, proposer = planted_model(lambda _: 0.5), Scripted(inventive, name="inventive")
    task = planted_task()
    search(tmp_path, model=model, proposer=proposer, task=task)
    first = [text_of(request) for request in model.log[:50]]
    questions = {example["question"] for example in task.train if any(f"{example['question']}\n" in t for t in first)}
    # A fifth of the training examples, capped at what the sets can hold, is not scored on.
    assert len(questions) == 50
    assert all(text.startswith(f"{START}\n\nQuestion: ") for text in first)


def test_no_pair_is_scored_on_what_it_was_made_from(tmp_path: Path) -> None:
    task, proposer, model = word_task(), Scripted(inventive, name="inventive"), Scripted(demo_fond)
    result = search(tmp_path, task=task, proposer=proposer, model=model)
    shown = {
        example["question"]
        for example in task.train
        if any(f"question: {example['question']}\n" in text_of(request) for request in proposer.log)
    }
    demos = {demo["question"] for each in result.candidates() for demo in each.prompt.demos}
    train = {example["question"] for example in task.train}
    searched = model.log[: result.steps[-1].spent.calls - result.steps[-1].spent.proposer_calls]
    asked = Counter(text_of(request).rpartition("Question: ")[2].split("\n")[0] for request in searched)
    scored = {question for question, count in asked.items() if count > 1}
    assert shown | demos <= train
    assert demos
    assert scored.isdisjoint(shown | demos)
    assert len(scored) == 50


def test_the_requests_hold_the_task_three_examples_and_a_tip(tmp_path: Path) -> None:
    task = replace(word_task(200), description="Say whether it is so.")
    proposer = Scripted(inventive, name="inventive")
    settings = replace(SMALL, propose=Proposing(instructions=41))
    result = search(tmp_path, settings, task=task, proposer=proposer, model=Scripted(demo_fond))
    texts = [text_of(request) for request in proposer.log]
    assert len(texts) == 40
    tips = [next((tip for tip in TIPS[1:] if tip in text), "") for text in texts]
    assert set(tips) == set(TIPS)
    for text in texts:
        assert "Task: Say whether it is so." in text
        assert section_of(text) == START
        assert text.count("question: question ") == text.count("Expected output: yes") == 3
        assert text.endswith("<prompt>\n...\n</prompt>")
    notes = [each.proposal.note for each in result.candidates() if each.proposal.operator == "proposer"]
    assert Counter(notes) == Counter(tip.strip() for tip in tips)


def test_sets_are_none_bare_and_bootstrapped(tmp_path: Path) -> None:
    settings = replace(SMALL, trials=60, bootstrap=Bootstrapping(sets=8, demos=3, share=0.4))
    result = search(tmp_path, settings, task=word_task(), model=Scripted(demo_fond))
    by_set: dict[str, tuple[Example, ...]] = {}
    for each in result.candidates():
        if each.proposal.operator == "demonstrations":
            number = each.proposal.note.split(",")[0]
            assert by_set.setdefault(number, each.prompt.demos) == each.prompt.demos
            assert each.proposal.parents[0].demos == ()
            assert each.proposal.parents[0]["instruction"] == each.prompt["instruction"]
    assert set(by_set) == {f"set {number}" for number in range(1, 8)}
    assert {demo.target for demo in by_set["set 1"]} == {"yes"}
    targets = [[demo.target for demo in by_set[f"set {number}"]] for number in range(2, 8)]
    assert targets[0] == ["Let me think. yes"] * 3
    for each in targets:
        # The task model's own right replies, one at least, and then bare targets.
        own = each.count("Let me think. yes")
        assert each == ["Let me think. yes"] * own + ["yes"] * (3 - own)
        assert own >= 1
    assert len({len([target for target in each if target != "yes"]) for each in targets}) > 1
    assert all(len({demo["question"] for demo in demos}) == 3 for demos in by_set.values())


def test_demonstrations_are_found_where_they_help(tmp_path: Path) -> None:
    result = search(tmp_path, task=word_task(), model=Scripted(demo_fond), proposer=lambda _: "???")
    assert len(result.prompt.demos) == 2
    assert result.verdict == "better"


def test_a_trial_is_a_minibatch_and_a_full_score_follows_every_few(tmp_path: Path) -> None:
    model = planted_model(lambda text: uniform(text), common=0.5)
    result = search(tmp_path, model=model, task=flat_task(), proposer=inventive)
    # Ten trials, a full score after 3, 6, 9 and at the end.
    assert len(result.steps) == 4
    full = [sum(each.count == 50 for each in step.pool) for step in result.steps]
    assert full[0] == 2
    assert full == sorted(full)
    for step in result.steps:
        best = max((each for each in step.pool if each.count == 50), key=lambda each: each.mean)
        assert step.kept == (best.prompt,)
        assert best == step.pool[0]
    assert result.steps[0].spent.evaluations <= 50 + 3 * 8 + 50


def quality(answer: str, example: Example) -> float:
    return float(answer)


def test_the_best_of_the_rest_is_scored_in_full(tmp_path: Path) -> None:
    examples = [Example.of("-", text=f"item {number}") for number in range(160)]
    task = Task.from_examples(examples, prompt=START, metric=quality, answer="text", train=60, dev=40, test=60)
    model = Scripted(lambda request: str(uniform(text_of(request).rpartition("Text: ")[0])), name="noiseless")
    result = search(tmp_path, replace(SMALL, trials=12), task=task, model=model)
    full = [{each.prompt for each in step.pool if each.count == 50} for step in result.steps]
    assert [len(prompts) for prompts in full] == [2, 3, 4, 5]
    for before, after, step in zip([{result.start.prompt}, *full], full, result.steps, strict=False):
        (chosen,) = after - before
        means = {each.prompt: each.mean for each in step.pool}
        assert means[chosen] == max(mean for prompt, mean in means.items() if prompt not in before)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_scored_in_full_wins_over_what_saw_a_minibatch(tmp_path: Path, seed: int) -> None:
    result = search(tmp_path, model=planted_model(uniform, common=0.0), seed=seed)
    complete = {each.prompt for each in result.steps[-1].pool if each.count == 50}
    assert len(complete) < len(result.steps[-1].pool)
    assert result.prompt in complete


def test_minibatches_are_drawn_anew_for_each_trial(tmp_path: Path) -> None:
    model = planted_model(lambda _: 0.5)
    search(tmp_path, replace(SMALL, trials=3, score=Scoring(minibatch=8, full_every=3)), model=model, task=flat_task())
    asked = [text_of(request).rpartition("\n\n") for request in model.log[50:74]]
    trials = [asked[begin : begin + 8] for begin in (0, 8, 16)]
    assert [len({instruction for instruction, _, _ in trial}) for trial in trials] == [1, 1, 1]
    assert len({frozenset(question for _, _, question in trial) for trial in trials}) == 3


def test_without_a_place_for_demonstrations_instructions_are_searched(tmp_path: Path) -> None:
    model = planted_model(feature_accuracy(WORDS, base=0.3))
    result = search(tmp_path, task=flat_task(), proposer=author, model=model)
    assert all(each.prompt.demos == () for each in result.candidates())
    assert sum("no place for demonstrations" in warning for warning in result.warnings) == 1
    assert len(result.candidates()) > 1


def test_a_start_with_demonstrations_of_its_own_keeps_them_among_the_sets(tmp_path: Path) -> None:
    own = (Example.of("Let me think. yes", question="one of its own"),)
    task = word_task()
    task = replace(task, initial=task.initial.with_demos(own))
    result = search(tmp_path, replace(SMALL, trials=40), task=task, model=Scripted(demo_fond))
    sets = {each.prompt.demos for each in result.candidates()}
    assert own in sets
    assert () in sets
    assert len(sets) == 5
    assert {each.prompt.demos for each in result.candidates() if each.proposal.operator == "proposer"} == {own}


@pytest.mark.parametrize("reply", ["", "???", f"<prompt>{START}</prompt>", Reply("<prompt>Answer the", "length")])
def test_no_usable_instruction_leaves_the_demonstrations(tmp_path: Path, reply) -> None:
    result = search(tmp_path, proposer=lambda _: reply, task=word_task(), model=Scripted(demo_fond))
    assert {each.prompt["instruction"] for each in result.candidates()} == {START}
    assert len(result.candidates()) > 1
    assert result.status == "finished"


@pytest.mark.parametrize("task", [flat_task(), planted_task()])
def test_a_search_space_of_one_keeps_the_start(tmp_path: Path, task: Task) -> None:
    settings = replace(SMALL, bootstrap=Bootstrapping(sets=1))
    result = search(tmp_path, settings, proposer=lambda _: "???", task=task)
    assert result.prompt == task.initial
    assert sum("no usable candidate" in warning for warning in result.warnings) == 1
    assert result.spent.evaluations == 56 + 40 + 60
    assert result.status == "finished"


def test_an_instruction_that_quotes_an_example_is_dropped(tmp_path: Path) -> None:
    examples = [Example.of(f"the {number} colours of day {number}", text=f"item {number}") for number in range(160)]
    task = Task.from_examples(examples, prompt=START, metric="exact", answer="text", train=60, dev=40, test=60)

    def quoting(request: Request) -> str:
        return f"<prompt>Say {text_of(request).split('Expected output: ')[1].splitlines()[0]} soon</prompt>"

    result = search(tmp_path, proposer=quoting, task=task, model=Scripted(lambda _: "x"))
    assert result.rejected == {"proposer: quotes an example": 3}


def test_names_of_slots_in_the_data_are_plain_text(tmp_path: Path) -> None:
    odd = "{task} {section} {examples} {tip} {words}"
    examples = [Example.of("yes", question=f"{odd} in {number}") for number in range(160)]
    task = Task.from_examples(examples, prompt=START, metric="exact", answer="text", train=60, dev=40, test=60)
    proposer = Scripted(inventive, name="inventive")
    search(tmp_path, task=task, proposer=proposer, model=Scripted(lambda _: "yes"))
    assert [text_of(request).count(f"{odd} in ") for request in proposer.log] == [3, 3, 3]


@pytest.mark.parametrize("train", [1, 2, 3, 7])
def test_fewer_examples_than_a_minibatch(tmp_path: Path, train: int) -> None:
    result = search(tmp_path, task=word_task(train), model=Scripted(demo_fond))
    scored = train - max(train // 5, int(train > 1))
    assert result.status == "finished"
    assert {each.count for each in result.steps[-1].pool} == {scored}
    assert result.steps[-1].spent.evaluations <= SMALL.upper_bounds(train).evaluations


@pytest.mark.parametrize("evaluations", [10, 40, 100, 150])
def test_a_budget_below_the_first_full_score_returns_the_start(tmp_path: Path, evaluations: int) -> None:
    result = search(tmp_path, budget=Budget(evaluations=evaluations))
    assert result.prompt == planted_task().initial
    assert result.status == "budget"
    assert result.spent.evaluations <= evaluations
    assert result.start.test is not None


def nats(value: Callable[[str], float]) -> Callable[[Content, str], list[float]]:
    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        return [value(read)] * len(text.split())

    return scores


@pytest.mark.parametrize("value", [lambda _: -3.0, lambda _: -math.inf, lambda read: -math.inf if "e" in read else -9])
def test_scores_all_equal_all_negative_or_impossible(tmp_path: Path, value) -> None:
    task = planted_task()
    result = search(tmp_path, task=task, model=Scripted(lambda _: "yes", scores=nats(value)),
                    evaluator=Loss(task, ends=False))  # fmt: skip
    assert result.status == "finished"
    assert result.prompt in {each.prompt for each in result.steps[-1].pool if each.count == 50}


def test_the_search_goes_by_a_loss_as_well(tmp_path: Path) -> None:
    task = planted_task()
    model = Scripted(lambda _: "yes", scores=nats(lambda read: -3.0 + 0.3 * sum(word in read for word in WORDS)))
    result = search(tmp_path, task=task, model=model, proposer=author, evaluator=Loss(task, ends=False))
    assert sum(word in result.best.text for word in WORDS) >= 1
    # Nothing is generated, so demonstrations show the bare targets.
    assert {demo.target for each in result.candidates() for demo in each.prompt.demos} == {"yes"}


class Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_the_sampler_draws_from_its_seed_alone_and_says_nothing() -> None:
    import optuna

    def course(seed: int) -> list[tuple[int, int]]:
        space, study = _space(4, 5), _study(seed)
        _tell(study, space, (0, 0), -1.0)
        found: list[tuple[int, int]] = []
        for _ in range(20):
            trial = study.ask(space)
            found.append((trial.params["instruction"], trial.params["demonstrations"]))
            study.tell(trial, -abs(found[-1][0] - 2) - abs(found[-1][1] - 3))
        return found

    before, state, level = np.random.get_state(), random.getstate(), optuna.logging.get_verbosity()
    heard = Heard()
    logging.getLogger("optuna").addHandler(heard)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = course(7)
    logging.getLogger("optuna").removeHandler(heard)
    assert heard.records == []
    np.random.seed(5)
    assert course(7) == first
    assert course(8) != first
    np.random.set_state(before)
    assert random.getstate() == state
    assert optuna.logging.get_verbosity() == level


def test_the_sampler_comes_back_to_what_scored_well() -> None:
    hits: list[int] = []
    for seed in range(10):
        space, study = _space(6, 12), _study(seed)
        found = []
        for _ in range(60):
            trial = study.ask(space)
            pair = (trial.params["instruction"], trial.params["demonstrations"])
            found.append(pair)
            study.tell(trial, 0.1 * pair[0] + 0.05 * pair[1])
        hits.append(sum(pair[0] >= 4 and pair[1] >= 8 for pair in found[30:]))
    # At random one pair in nine is among the best.
    assert sum(hits) > 3 * 300 / 9


def test_optuna_is_imported_by_a_search_and_not_before() -> None:
    program = "import sys, promptopt.optimizers.tpe.method; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_global_generators_stay_as_they_are(tmp_path: Path) -> None:
    before = np.random.get_state()[1].copy()
    search(tmp_path)
    assert (np.random.get_state()[1] == before).all()


def test_expected_is_the_cost_model() -> None:
    default = TPE().upper_bounds(1_000)
    assert default.evaluations == 48 + 300 + 18 * 35 + 4 * 300
    assert default.proposer_calls == 2 * 5
    assert default.completion_tokens == 10 * 1024
    assert TPE().upper_bounds(10).evaluations == 2 + 8 + 18 * 8 + 4 * 8


@pytest.mark.parametrize("proposer", [inventive, lambda _: "???"])
def test_expected_bounds_what_is_spent(tmp_path: Path, proposer) -> None:
    spent = search(tmp_path, proposer=proposer).steps[-1].spent
    bound = SMALL.upper_bounds(60)
    assert spent.evaluations <= bound.evaluations
    assert spent.proposer_calls <= bound.proposer_calls


@given(train=st.integers(1, 3_000), sets=st.integers(1, 20), share=st.floats(0.0, 1.0))
def test_something_is_left_to_score_on(train: int, sets: int, share: float) -> None:
    settings = TPE(bootstrap=Bootstrapping(sets=sets, share=share))
    assert 0 <= settings._shown(train) < train
    assert settings.upper_bounds(train).evaluations > 0


def test_settings_from_the_command_line() -> None:
    settings = {"trials": "9", "propose.instructions": "3", "bootstrap.sets": "6", "score.minibatch": "20"}
    assert adjust(TPE(), settings, "tpe") == TPE(
        9, Proposing(instructions=3), Bootstrapping(sets=6), Scoring(minibatch=20)
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (TPE, "trials", -1),
        (Proposing, "instructions", 0),
        (Proposing, "examples", -1),
        (Bootstrapping, "sets", 0),
        (Bootstrapping, "demos", 0),
        (Bootstrapping, "share", 2.0),
        (Scoring, "minibatch", 0),
        (Scoring, "full_every", 0),
        (Scoring, "examples", 0),
    ],
)
def test_unusable_settings_are_refused(kind: type, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})
