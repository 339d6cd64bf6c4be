"""APO without a cap: its calls, its guards, its lineage; the selectors alone are in tests/selection."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.errors import BackendError, ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.apo.drawing import mistake_groups
from promptopt.optimizers.apo.method import APO, Expansion
from promptopt.outcome.result import Result
from promptopt.registry import names
from promptopt.run.budget import Budget
from promptopt.selection.bandits import UCB
from promptopt.selection.exhaustive import Exhaustive
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, outcome, planted_model, planted_task, split_planted
from promptopt.types import Example, Prompt, Request, Sampling, Score, UpperBounds, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def who(text: str) -> str:
    if "<reason>" in text:
        return "critic"
    return "editor" if "What is wrong with it:" in text else "paraphraser"


def section_of(text: str) -> str:
    return text.split('"""')[1].strip()


def reason_for(text: str) -> str:
    return f"The instruction does not say {digest(text)}."


def author(request: Request) -> str:
    """A proposer that keeps every contract; the editor and the paraphraser append a word."""
    text = text_of(request)
    if who(text) == "critic":
        return f"<reason>{reason_for(text)}</reason>"
    draw = random.Random(f"{text}{request.seed}")
    return f"<instruction>{section_of(text)} {draw.choice(WORDS)} {draw.choice(WORDS)}</instruction>"


def inventive(request: Request) -> str:
    """As `author`, but no two replies are alike."""
    text = text_of(request)
    if who(text) == "critic":
        return author(request)
    return f"<instruction>{section_of(text)} {digest([text, request.seed])}</instruction>"


def search(
    home: Path,
    optimizer: APO,
    *,
    proposer: Scripted | None = None,
    model: Scripted | None = None,
    task: Task | None = None,
    budget: Budget | None = None,
) -> Result:
    return optimize(
        planted_task() if task is None else task,
        optimizer,
        model=Models(
            planted_model(feature_accuracy(WORDS, base=0.3)) if model is None else model,
            proposer=Scripted(author, name="author") if proposer is None else proposer,
        ),
        budget=budget,
        store=home / "store.db",
    )


def calls(proposer: Scripted) -> Counter[str]:
    return Counter(who(text_of(request)) for request in proposer.log if isinstance(request, Request))


def texts(proposer: Scripted, role: str) -> list[str]:
    found = [text_of(request) for request in proposer.log if isinstance(request, Request)]
    return [text for text in found if who(text) == role]


def wrong_on(count: int) -> Scripted:
    """Answers wrongly on `count` training questions, whatever the instruction."""
    missed = {example["question"] for example in planted_task().train[:count]}
    return Scripted(
        lambda request: "no" if any(question in text_of(request) for question in missed) else "yes",
        name=f"wrong on {count}",
    )


SMALL = APO(rounds=2, beam=2, minibatch=12, selector=UCB(budget=120, examples_per_pull=8))


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test, a planted gain."""

    optimizer = SMALL
    budget = Budget(evaluations=600)

    def propose(self, request: Request) -> str:
        return author(request)


@pytest.mark.slow
@pytest.mark.parametrize("errors", [4, 5, 30])
def test_an_expansion_makes_13_calls_and_8_children(tmp_path: Path, errors: int) -> None:
    proposer = Scripted(inventive, name="inventive")
    result = search(tmp_path, APO(rounds=1), proposer=proposer, model=wrong_on(errors))
    assert calls(proposer) == {"critic": 4, "editor": 4, "paraphraser": 10}
    paraphrased = Counter(texts(proposer, "paraphraser"))
    assert sorted(paraphrased.values()) == [2] * 5
    assert len(result.steps[0].pool) == 9

    mistakes = {
        reason_for(text): text.split("Mistakes:")[1].split("What does")[0] for text in texts(proposer, "critic")
    }
    assert len({frozenset(text.split("question: ")[1:]) for text in mistakes.values()}) == len(mistakes) == 4
    for text in texts(proposer, "editor"):
        (reason,) = [reason for reason in mistakes if reason in text]
        shown = mistakes.pop(reason).strip()
        # Four sets of four cannot differ where there are four mistakes: then each lacks another one.
        assert shown.count("Right answer: yes") == (3 if errors == 4 else 4)
        assert shown in text
    assert mistakes == {}


def quality(answer: str, example: Example) -> float:
    return float(answer)


@pytest.mark.slow
def test_parents_compete_again_and_the_best_never_falls(tmp_path: Path) -> None:
    examples = [Example.of("-", question=f"question {number}") for number in range(100)]
    task = Task.from_examples(examples, prompt="Answer the question.", metric=quality, answer="text")
    accuracy = feature_accuracy(WORDS, base=0.1, each=0.1)
    model = Scripted(lambda request: str(accuracy(text_of(request).rpartition("\n\n")[0])), name="noiseless")
    result = search(tmp_path, APO(rounds=4, minibatch=8, selector=UCB(budget=200)), task=task, model=model)
    best = [accuracy(step.kept[0]["instruction"]) for step in result.steps]
    assert best == sorted(best)
    assert best[-1] > best[0]
    for before, after in zip(result.steps, result.steps[1:], strict=False):
        assert set(before.kept) <= {estimate.prompt for estimate in after.pool}


def test_without_mistakes_there_are_only_paraphrases(tmp_path: Path) -> None:
    proposer = Scripted(author, name="author")
    result = search(tmp_path, APO(rounds=1), proposer=proposer, model=Scripted(lambda _: "yes", name="right"))
    assert calls(proposer) == {"paraphraser": 2}
    assert {candidate.proposal.operator for candidate in result.candidates()} == {"start", "paraphraser"}
    assert len(result.steps) == 1


def test_a_critic_without_tags_costs_one_retry_each(tmp_path: Path) -> None:
    proposer = Scripted(lambda r: "It is vague." if who(text_of(r)) == "critic" else author(r), name="untagged")
    result = search(tmp_path, APO(rounds=1), proposer=proposer)
    assert calls(proposer) == {"critic": 8, "paraphraser": 2}
    assert result.rejected == {"critic: no tags": 8}
    assert result.status == "finished"


def test_garbled_replies_end_with_the_start_and_a_warning(tmp_path: Path) -> None:
    result = search(tmp_path, APO(rounds=2), proposer=Scripted(lambda _: "???", name="garbled"))
    assert result.prompt == planted_task().initial
    assert result.status == "finished"
    assert any("no usable candidate" in warning for warning in result.warnings)


@pytest.mark.slow
@pytest.mark.parametrize(
    "instruction",
    [
        "    Answer the question:\n\t- say yes or no",
        "Reply yes or no.",
        "Fill in {} and {{ x }}, {% if a %} $name {0}.",
        "e",
    ],
)
def test_frozen_parts_stay_byte_for_byte(tmp_path: Path, instruction: str) -> None:
    form = "  Reply yes or no.\n\n\tKeep {this} as it stands. "
    examples = [Example.of("yes", question=f"question {number}?") for number in range(60)]
    layout = Layout("own", messages=(("system", "{answer_format}"), ("user", "{instruction}\n\nQ: {question}\nA:")))
    prompt = Prompt.of(instruction, answer_format=form)
    task = Task.from_examples(examples, prompt=prompt, layout=layout, answer="text", splits=Splits(30, 15, 15))
    model = Scripted(lambda request: "no" if len(text_of(request)) % 3 else "yes", name="uneven")
    result = search(tmp_path, SMALL, task=task, model=model)
    edited = {candidate.prompt["instruction"] for candidate in result.candidates()}
    assert len(edited) > 3
    assert {candidate.prompt["answer_format"] for candidate in result.candidates()} == {form}
    for request in model.log:
        system, user = request.content
        assert system.content == form
        text, _, question = user.content.rpartition("\n\nQ: ")
        assert text in edited
        assert question in {f"{example['question']}\nA:" for example in examples}


def test_equal_children_and_copies_of_the_parent_are_evaluated_once(tmp_path: Path) -> None:
    start = planted_task().initial["instruction"]

    def copyist(request: Request) -> str:
        role = who(text_of(request))
        if role == "editor":
            return "<instruction>Answer  exactly.</instruction>"
        return f"<instruction>{start}\n</instruction>" if role == "paraphraser" else author(request)

    result = search(tmp_path, APO(rounds=1, beam=1), proposer=Scripted(copyist, name="copyist"))
    assert [estimate.prompt["instruction"] for estimate in result.steps[0].pool] in (
        [start, "Answer  exactly."],
        ["Answer  exactly.", start],
    )
    assert result.steps[0].spent.evaluations == 2 * len(planted_task().train)
    assert result.rejected == {"paraphraser: same as its parent": 4}


@pytest.mark.parametrize("gold", ["yes", "no"])
def test_a_reply_that_names_no_label_is_wrong_for_both(tmp_path: Path, gold: str) -> None:
    other = "no" if gold == "yes" else "yes"
    examples = [Example.of(gold if number % 6 else other, question=f"question {number}?") for number in range(60)]
    task = Task.from_examples(examples, prompt="Answer the question.", labels=("yes", "no"), metric="exact")
    proposer = Scripted(author, name="author")
    result = search(tmp_path, SMALL, task=task, model=Scripted(lambda _: "perhaps", name="vague"), proposer=proposer)
    assert result.start.test is not None
    assert result.start.test.score == 0.0
    assert result.start.test.unreadable == result.start.test.n
    assert all("Answer given: unreadable: perhaps" in text for text in texts(proposer, "critic"))


@pytest.mark.slow
def test_one_seed_one_course(tmp_path: Path) -> None:
    authors = [Scripted(author, name="author") for _ in range(2)]
    results = [search(tmp_path / str(number), SMALL, proposer=each) for number, each in enumerate(authors)]
    assert authors[0].log == authors[1].log
    assert outcome(results[0]) == outcome(results[1])


def test_a_permanent_error_stops_the_run_with_the_best_so_far(tmp_path: Path) -> None:
    refusal = BackendError("401 unauthorized: check the key")
    proposer = Scripted(author, name="author", fail_at=30, error=refusal)
    result = search(tmp_path, SMALL, proposer=proposer)
    assert proposer.calls == 30
    assert result.status == "suspended"
    assert "401 unauthorized" in result.reason
    assert result.prompt in {estimate.prompt for estimate in result.steps[0].pool}


def test_the_result_holds_pools_lineage_reasons_and_calls_by_role(tmp_path: Path) -> None:
    proposer = Scripted(author, name="author")
    model = planted_model(feature_accuracy(WORDS, base=0.3))
    result = search(tmp_path, SMALL, proposer=proposer, model=model)
    reasons = {reason_for(text) for text in texts(proposer, "critic")}
    candidates = {candidate.prompt: candidate.proposal for candidate in result.candidates()}
    kept: tuple[Prompt, ...] = (planted_task().initial,)
    for step in result.steps:
        assert all(0 <= estimate.mean <= 1 and estimate.count > 0 for estimate in step.pool)
        for child in {estimate.prompt for estimate in step.pool} - set(kept):
            proposal = candidates[child]
            assert proposal.parents[0] in candidates
            assert proposal.note in reasons or proposal.operator == "paraphraser"
        kept = step.kept
    edits = [proposal for proposal in candidates.values() if proposal.operator == "editor"]
    assert edits
    assert all(proposal.note in reasons for proposal in edits)
    assert result.spent.proposer_calls == proposer.calls
    assert result.spent.calls == proposer.calls + model.calls


def test_a_filter_on_errors_keeps_the_children_that_mend_them(tmp_path: Path) -> None:
    expand = Expansion(children=2, paraphrases=0, filter_on_errors=True)
    found = {"a": 0.0, "b": 1.0, "c": 0.0, "d": 1.0}
    drawn = iter(sorted(found))

    def editor(request: Request) -> str:
        if who(text_of(request)) == "critic":
            return author(request)
        return f"<instruction>Answer {next(drawn)}</instruction>"

    model = Scripted(lambda r: "yes" if split_planted(r)[0] in ("Answer b", "Answer d") else "no", name="picky")
    result = search(tmp_path, APO(rounds=1, expand=expand), proposer=Scripted(editor, name="editor"), model=model)
    children = {estimate.prompt["instruction"] for estimate in result.steps[0].pool}
    assert children == {"Answer the question.", "Answer b", "Answer d"}


@pytest.mark.slow
def test_several_reasons_and_edits_a_call(tmp_path: Path) -> None:
    def generous(request: Request) -> str:
        text = text_of(request)
        if who(text) == "critic":
            return "".join(f"<reason>{number} {reason_for(text)}</reason>" for number in range(3))
        count = 2 if who(text) == "editor" else 1
        return "".join(f"<instruction>{number} {digest(text)}</instruction>" for number in range(count))

    proposer = Scripted(generous, name="generous")
    expand = Expansion(groups=2, reasons=3, edits=2, paraphrases=1, children=50)
    search(tmp_path, APO(rounds=1, expand=expand), proposer=proposer)
    assert calls(proposer) == {"critic": 2, "editor": 6, "paraphraser": 13}


@pytest.mark.slow
def test_works_for_numbers_and_free_text(tmp_path: Path) -> None:
    examples = [Example.of(str(number), question=f"What is {number} + 0?") for number in range(60)]
    task = Task.from_examples(examples, prompt="Solve it.", metric="number", answer="number")
    proposer = Scripted(author, name="author")

    def calculator(request: Request) -> str:
        number = text_of(request).rpartition("is ")[2].split()[0]
        wrong = int(number) + len(number) - 1
        return f"Adding nothing changes nothing, so {number} plus 0 equals {number}. The answer is {wrong}"

    search(tmp_path, SMALL, task=task, model=Scripted(calculator, name="calculator"), proposer=proposer)
    critic = texts(proposer, "critic")[0]
    assert "In full:" in critic
    assert "confused" not in critic


def score(value: float) -> Score:
    return Score(value, "out", "out")


@given(st.integers(0, 9), st.integers(0, 6), st.integers(1, 5), st.integers())
def test_groups_are_different_sets_as_large_as_they_can_be(errors: int, count: int, size: int, seed: int) -> None:
    mistakes = [(Example.of("yes", question=str(number)), score(0.0)) for number in range(errors)]
    groups = mistake_groups(random.Random(seed), mistakes, count, size)
    most = max((math.comb(errors, each) for each in range(1, min(size, errors) + 1)), default=0)
    assert len(groups) == min(count, most)
    assert len({frozenset(example for example, _ in group) for group in groups}) == len(groups)
    sizes = {len({example for example, _ in group}) for group in groups}
    assert len(sizes) <= 1
    for each in sizes:
        assert each <= size
        assert all(math.comb(errors, larger) < len(groups) for larger in range(each + 1, min(size, errors) + 1))


def test_expected_is_the_cost_formula_of_the_paper() -> None:
    assert APO().upper_bounds(10_000) == UpperBounds(13_632, 2 * 378, 2 * 378 * 1024)
    assert APO(rounds=0).upper_bounds(10_000) == UpperBounds(0, 0, 0)
    assert APO(rounds=1, selector=Exhaustive(budget=10**9)).upper_bounds(50).evaluations == 50 + 9 * 50


@pytest.mark.parametrize("proposer", [author, lambda _: "???"])
def test_expected_bounds_what_is_spent(tmp_path: Path, proposer) -> None:
    result = search(tmp_path, SMALL, proposer=Scripted(proposer, name="any"))
    bound = SMALL.upper_bounds(len(planted_task().train))
    assert result.steps[-1].spent.evaluations <= bound.evaluations
    assert result.spent.proposer_calls <= bound.proposer_calls


@pytest.mark.skipif("apo" not in names("optimizers"), reason="the package is not installed, so it has no entry points")
def test_settings_from_the_command_line() -> None:
    settings = {
        "rounds": "3",
        "expand.children": "4",
        "selector": "ucb",
        "selector.budget": "64",
        "sampling.top_p": "0.9",
    }
    assert build_optimizer("apo", settings) == APO(
        rounds=3,
        expand=Expansion(children=4),
        selector=UCB(budget=64),
        sampling=Sampling(temperature=0.7, top_p=0.9, max_tokens=1024),
    )


@pytest.mark.parametrize(("kind", "name", "value"), [(APO, "beam", 0), (APO, "minibatch", 0), (Expansion, "errors", 0)])
def test_unusable_settings_are_refused(kind: type, name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})
