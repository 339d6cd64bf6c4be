"""The acceptance checks of OPRO by the paper's rule, by number."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.opro.method import OPRO, Proposing, Showing, Stopping, Validation
from promptopt.run.budget import Budget
from promptopt.testing import OptimizerContract, outcome, planted_model, planted_task, split_planted
from promptopt.types import Reply, Request, Sampling, UpperBounds
from tests.optimizers.opro.opro_searches import (
    START,
    WORDS,
    graded_task,
    history,
    metas,
    numbered,
    obey,
    search,
    tagged,
    text_of,
)


class TestContract(OptimizerContract):
    """Replay and resuming (15), hash seeds (12), exact budgets (11), the sealed test, a planted gain."""

    optimizer = OPRO(steps=3, examples=20, propose=Proposing(breadth=3), validation=Validation(share=0.25, every=2))
    budget = Budget(evaluations=1_000)

    def propose(self, request: Request) -> str:
        best = history(text_of(request))[-1][0]
        return f"<instruction>{best} {WORDS[(request.seed or 0) % len(WORDS)]}</instruction>"


@pytest.mark.slow
def test_twenty_at_most_ascending_whole_scores_none_below_the_threshold(tmp_path: Path) -> None:
    proposer = numbered(0.1, 0.9, 0.29, 0.3, 0.456, 0.6, 0.2, 0.71)
    search(tmp_path, OPRO(steps=7), proposer)
    asked = metas(proposer, 8)
    for step, meta in enumerate(asked):
        shown = history(meta)
        scores = [score for _, score in shown]
        assert scores == sorted(scores)
        assert len(shown) == min(20, 1 + 5 * step)
        assert min(scores) >= 30
        for text, score in shown:
            assert score == round(100 * float(re.findall(r"with (\d\.\d+)", text)[0]))
    assert [score for _, score in history(asked[-1])] == [46, 50] + [60] * 6 + [71] * 6 + [90] * 6


def test_where_all_are_below_the_threshold_the_best_are_shown(tmp_path: Path) -> None:
    proposer = numbered(0.05, 0.2, 0.1, 0.15)
    settings = OPRO(steps=2, show=Showing(memory=3), propose=Proposing(breadth=4))
    search(tmp_path, settings, proposer, task=graded_task(prompt="Answer with 0.01."))
    first, second = metas(proposer, 4)
    assert history(first) == [("Answer with 0.01.", 1)]
    assert [score for _, score in history(second)] == [10, 15, 20]


@pytest.mark.slow
def test_of_equal_scores_the_newest_is_last_and_the_oldest_goes_first(tmp_path: Path) -> None:
    proposer = numbered(0.5)
    search(tmp_path, OPRO(steps=4, show=Showing(memory=9)), proposer)
    asked = metas(proposer, 8)
    assert [text for text, _ in history(asked[1])] == [
        START,
        *(f"Number {number} with 0.50." for number in range(1, 9)),
    ]
    assert [text for text, _ in history(asked[3])] == [f"Number {number} with 0.50." for number in range(16, 25)]


def test_eight_calls_a_step_and_the_same_examples_for_all(tmp_path: Path) -> None:
    proposer, model = numbered(0.1, 0.9), Scripted(obey, name="obedient")
    task = graded_task(60)
    settings = OPRO(steps=3, examples=25, validation=Validation(share=0))
    result = search(tmp_path, settings, proposer, task=task, model=model)
    assert proposer.calls == 3 * 8
    assert [step.spent.evaluations for step in result.steps] == [25 * (1 + 8 * step) for step in (1, 2, 3)]
    train = {example["question"] for example in task.train}
    scored: dict[str, Counter[str]] = {}
    for request in model.log:
        instruction, question = split_planted(request)
        question = question.removeprefix("Question: ").split("\n")[0]
        if question in train:
            scored.setdefault(instruction, Counter())[question] += 1
    assert len(scored) == 25
    assert all(each == scored[START] for each in scored.values())
    assert scored[START].total() == len(scored[START]) == 25


def test_an_instruction_that_came_before_is_neither_scored_nor_shown_again(tmp_path: Path) -> None:
    again = (START, "answer with 0.50.", f"  **{START}** ", "Answer  with\n0.50.", "Try with 0.70.", "try with 0.70.",
             "**Try** with 0.70.", "\nTry with 0.70.\n")  # fmt: skip
    model = Scripted(obey, name="obedient")
    proposer = tagged(*again)
    result = search(tmp_path, OPRO(steps=3), proposer, model=model)
    assert [len(step.pool) for step in result.steps] == [2, 2, 2]
    assert result.steps[-1].spent.evaluations == 2 * 30
    assert history(metas(proposer, 8)[2]) == [(START, 50), ("Try with 0.70.", 70)]
    assert result.rejected == {"proposer: seen before": 23}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "reason", "calls"),
    [
        ("I like 0.90 more.", "no tags", 16),
        ("I'm sorry, I can't do that.", "refusal", 8),
        ("", "no tags", 16),
        ("</instruction>Answer with 0.90.<instruction>", "empty", 8),
        ("<instruction>I'm sorry, I can't do that.</instruction>", "refusal", 8),
        ("<instruction> </instruction>", "empty", 8),
        ("<instruction>****</instruction>", "empty", 8),
        ("<instruction>...</instruction>", "form not filled in", 8),
        (f"<instruction>{'x' * 491}with 0.90</instruction>", "", 8),
        (f"<instruction>{'x' * 492}with 0.90</instruction>", "too long", 8),
        ("<instruction>Answer <INS> with 0.90.</instruction>", "tags in the text", 8),
        ("<instruction>Answer {question} with 0.90.</instruction>", "unresolved placeholder", 8),
        (Reply("<instruction>Answer with 0.9", "length"), "cut at length", 8),
        (Reply("", "refusal"), "refusal", 8),
        ("First <instruction>with 0.10</instruction>, better <instruction>with 0.90</instruction>", "", 8),
    ],
)
def test_replies_off_their_form_cost_no_evaluation(tmp_path: Path, reply: str | Reply, reason: str, calls: int) -> None:
    proposer, model = Scripted(lambda _: reply, name="stubborn"), Scripted(obey, name="obedient")
    result = search(tmp_path, OPRO(steps=1), proposer, model=model)
    assert proposer.calls == calls
    assert len(result.steps) == 1
    found = [candidate.prompt["instruction"] for candidate in result.candidates()[1:]]
    if reason:
        # What is read once is known from then on, also where it was of no use.
        counted = {f"proposer: {reason}": 1, "proposer: seen before": 7}
        assert result.rejected in (counted, {f"proposer: {reason}": calls})
        assert found == []
        assert {split_planted(request)[0] for request in model.log} == {START}
    else:
        assert result.rejected == {"proposer: seen before": 7}
        assert len(found) == 1
        assert found[0].endswith("ith 0.90")


def test_a_start_that_is_long_leaves_room_for_rewrites_of_its_length(tmp_path: Path) -> None:
    task = graded_task(prompt=f"Answer with 0.50. {'Think. ' * 120}")
    proposer = tagged(f"{'y' * 1000} with 0.90", f"{'z' * 1070} with 0.90")
    result = search(tmp_path, OPRO(steps=1), proposer, task=task)
    assert [len(candidate.prompt["instruction"]) for candidate in result.candidates()[1:]] == [1010]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "Réponds précisément: with 0.90",
        "用一个词回答 with 0.90",
        "“Quoted” — with 0.90 🎯",
        "ßtraße with 0.90",
        "ქართული with 0.90",
    ],
)
def test_any_script_is_scored_stored_and_reloaded_unchanged(tmp_path: Path, text: str) -> None:
    model = Scripted(obey, name="obedient")
    first = search(tmp_path, OPRO(steps=2), tagged(text), model=model)
    assert first.best.text == text
    assert any(text_of(request).startswith(text) for request in model.log)
    proposer = tagged("Never asked with 0.99")
    again = search(tmp_path, OPRO(steps=2), proposer)
    assert proposer.calls == 0
    assert outcome(again) == outcome(first)


@pytest.mark.slow
def test_what_is_held_out_counts_beside_what_is_scored(tmp_path: Path) -> None:
    task = graded_task(40)
    # A poor instruction is not among the best, so it is never scored on what is held out.
    show = Showing(memory=1)
    validation = Validation(share=0.25)
    model = Scripted(obey, name="obedient")
    search(
        tmp_path / "a", OPRO(steps=1, show=show, validation=validation), tagged("Bad with 0.10"), task=task, model=model
    )
    train = [example["question"] for example in task.train]
    scored = [each for each in train if any(f"Bad with 0.10\n\nQuestion: {each}" in text_of(r) for r in model.log)]
    assert len(scored) == 30

    def answer(request: Request) -> str:
        text = text_of(request)
        if not any(f"Question: {each}\n" in text for each in train):
            return "0.7" if "with" in text and START not in text else "0.5"
        learned = any(f"Question: {each}\n" in text for each in scored)
        return {"Seen": "0.9" if learned else "0.2", "Fair": "0.6" if learned else "0.7"}.get(text[:4], "0.5")

    settings = OPRO(steps=2, validation=validation)
    held = search(
        tmp_path / "b", settings, tagged("Seen with", "Fair with"), task=task, model=Scripted(answer, name="uneven")
    )
    candidates = {candidate.prompt["instruction"]: candidate.search for candidate in held.candidates()}
    # Ranked by all that is known of them, held out or not: 30 and 10 examples.
    assert {text: (round(found.mean, 6), found.count) for text, found in candidates.items()} == {
        START: (0.5, 40), "Seen with": (0.725, 40), "Fair with": (0.625, 40),
    }  # fmt: skip
    assert held.best.text == "Seen with"
    assert {estimate.count for step in held.steps for estimate in step.pool} == {30}
    # The choice among the finalists is by dev too, with n and an interval.
    assert held.best.dev is not None
    assert (held.best.dev.n, held.best.dev.score) == (20, pytest.approx(0.7))
    assert held.best.dev.ci95[0] < 0.7 < held.best.dev.ci95[1]

    settings = OPRO(steps=2, validation=Validation(share=0))
    free = search(
        tmp_path / "c", settings, tagged("Seen with", "Fair with"), task=task, model=Scripted(answer, name="uneven")
    )
    assert free.best.text == "Seen with"
    winner = next(candidate for candidate in free.candidates() if candidate.prompt == free.prompt)
    assert winner.search.count == 40


def test_too_few_to_hold_some_out_is_told(tmp_path: Path) -> None:
    result = search(
        tmp_path, OPRO(steps=1, examples=19, validation=Validation(share=0.5)), numbered(0.9), task=graded_task(19)
    )
    assert any("too few to hold some out" in warning for warning in result.warnings)


def test_only_the_best_are_scored_on_what_is_held_out_every_third_step_and_at_the_end(tmp_path: Path) -> None:
    settings = OPRO(
        steps=5, examples=20, show=Showing(memory=2), propose=Proposing(breadth=4), validation=Validation(share=0.5)
    )
    # The qualities rise, so the two newest are the best after every step.
    result = search(tmp_path, settings, numbered(*(0.51 + 0.01 * place for place in range(20))))
    spent = [step.spent.evaluations for step in result.steps]
    assert spent[0] == 20 + 4 * 10 + 2 * 10
    assert [after - before for before, after in itertools.pairwise(spent)] == [40, 40, 40 + 20, 40 + 20]


@pytest.mark.slow
@pytest.mark.parametrize("evaluations", range(60, 125, 8))
def test_what_was_scored_in_part_keeps_within_the_cap(tmp_path: Path, evaluations: int) -> None:
    task = graded_task(10)
    train = [example["question"] for example in task.train]
    first = train[:5]

    def answer(request: Request) -> str:
        text = text_of(request)
        question = re.findall(r"Question: (.*)", text)[0]
        number = int((re.findall(r"Number (\d+)", text) or ["0"])[0])
        if question in train:
            return "1" if number and question in first else "0.9" if not number else "0"
        return str(0.3 + 0.05 * number)

    model = Scripted(answer, name="uneven")
    result = search(
        tmp_path, OPRO(preset="paper", steps=9), numbered(0.5), task=task, model=model,
        budget=Budget(evaluations=evaluations),
    )  # fmt: skip
    assert result.status == "budget"
    assert result.spent.evaluations <= evaluations
    assert model.calls <= evaluations
    # Five lucky answers of one that was cut short outweigh neither the start's ten nor what dev says.
    counts = [candidate.search.count for candidate in result.candidates()]
    assert any(0 < count < 10 for count in counts) or 0 in counts


@pytest.mark.slow
def test_a_run_that_goes_on_asks_what_an_undisturbed_one_asks(tmp_path: Path) -> None:
    def propose(request: Request) -> str:
        return f"<instruction>With 0.{(request.seed or 0) % 90 + 10}</instruction>"

    whole = Scripted(propose, name="one")
    search(tmp_path / "whole", OPRO(preset="paper", steps=3), whole)
    part = Scripted(propose, name="one")
    paper = OPRO(preset="paper", steps=3)
    cut = search(tmp_path / "part", paper, part, budget=Budget(evaluations=470))
    # What is left of it after the reserve for dev and test ends in the second step.
    assert (part.calls, len(cut.steps)) == (16, 1)
    rest = Scripted(propose, name="one")
    search(tmp_path / "part", paper, rest)
    assert [*part.log, *rest.log] == whole.log


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "proposer", "steps"),
    [
        (Stopping(), tagged("Same with 0.50."), 4),
        (Stopping(idle=1), tagged("Same with 0.50."), 2),
        (Stopping(idle=None), tagged("Same with 0.50."), 6),
        (Stopping(), numbered(0.4), 6),
        (Stopping(patience=2), numbered(0.4), 2),
        (Stopping(patience=2), numbered(0.4, 0.4, 0.6, 0.4, 0.4, 0.4, 0.4, 0.4), 4),
    ],
)
def test_what_ends_the_search_early(tmp_path: Path, stop: Stopping, proposer: Scripted, steps: int) -> None:
    result = search(tmp_path, OPRO(steps=6, propose=Proposing(breadth=2), stop=stop), proposer)
    assert len(result.steps) == steps
    assert result.status == "finished"


@pytest.mark.parametrize("reply", ["", "???", f"<instruction>{START}</instruction>"])
def test_a_proposer_that_gives_nothing_new_leaves_the_start(tmp_path: Path, reply: str) -> None:
    result = search(tmp_path, OPRO(), Scripted(lambda _: reply, name="dull"))
    assert result.best.text == START
    assert len(result.steps) == 3
    assert any("no usable candidate" in warning for warning in result.warnings)


@pytest.mark.parametrize("evaluations", [10, 30, 45])
def test_a_budget_below_the_first_step_gives_the_start_with_its_score(tmp_path: Path, evaluations: int) -> None:
    result = search(tmp_path, OPRO(preset="paper"), numbered(0.9), budget=Budget(evaluations=evaluations))
    assert result.status == "budget"
    assert result.best.text == START
    assert result.best.test is not None
    assert result.best.test.score == 0.5


def test_lineage_says_what_was_shown_best_first(tmp_path: Path) -> None:
    result = search(tmp_path, OPRO(steps=2, propose=Proposing(breadth=2)), numbered(0.6, 0.4))
    children = [c.proposal for c in result.candidates() if c.proposal.note.startswith("step 1")]
    assert len(children) == 2
    for child in children:
        assert child.operator == "proposer"
        assert [parent["instruction"] for parent in child.parents] == [
            "Number 1 with 0.60.", START, "Number 2 with 0.40.",
        ]  # fmt: skip


def test_expected_is_the_cost_formula_of_the_paper() -> None:
    paper = OPRO(preset="paper")
    assert paper.upper_bounds(10_000) == UpperBounds(261 * 1601, 2 * 1600, 2 * 1600 * 512)
    assert OPRO(steps=0).upper_bounds(50) == UpperBounds(50, 0, 0)
    assert OPRO().upper_bounds(1000).evaluations == 321 * 100
    held = OPRO(validation=Validation(share=0.2))
    assert held.upper_bounds(1000).evaluations == 321 * 80 + 301 * 20


@pytest.mark.parametrize("reply", ["<instruction>New {} with 0.60</instruction>", "no tags {}"])
def test_expected_bounds_what_is_spent(tmp_path: Path, reply: str) -> None:
    count = itertools.count()
    settings = OPRO(steps=4, examples=20, propose=Proposing(breadth=3), validation=Validation(share=0.3))
    proposer = Scripted(lambda _: reply.format(next(count)), name="any")
    result = search(tmp_path, settings, proposer)
    bound = settings.upper_bounds(30)
    assert result.steps[-1].spent.evaluations <= bound.evaluations
    assert result.spent.proposer_calls <= bound.proposer_calls


def test_settings_from_the_command_line() -> None:
    settings = {
        "steps": "200",
        "show.choice": "wrong-so-far",
        "propose.sampling.temperature": "0.8",
        "propose.end_temperature": "1.2",
        "validation.share": "0.2",
        "stop.patience": "5",
    }
    assert adjust(OPRO(), settings, "opro") == OPRO(
        steps=200,
        show=Showing(choice="wrong-so-far"),
        propose=Proposing(sampling=Sampling(temperature=0.8, max_tokens=512), end_temperature=1.2),
        validation=Validation(share=0.2),
        stop=Stopping(patience=5),
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(OPRO, "examples", 0), (OPRO, "steps", -1), (Showing, "memory", 0), (Showing, "threshold", 1.1),
     (Proposing, "breadth", 0), (Proposing, "end_temperature", -0.1), (Validation, "share", 0.6),
     (Validation, "every", 0), (Stopping, "idle", 0), (Stopping, "patience", 0)],
)  # fmt: skip
def test_unusable_settings_are_refused(kind: type, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})


def test_a_model_that_samples_answers_and_proposes_alike(tmp_path: Path) -> None:
    """One model in both roles, as `--model` alone has it."""
    planted = planted_model(lambda text: 0.9 if "exactly" in text else 0.4)

    def both(request: Request) -> str:
        if text_of(request).startswith("Write an instruction"):
            return "<instruction>Answer exactly.</instruction>"
        ((_, reply),) = planted.generate([request])
        return reply.text

    result = optimize(planted_task(), OPRO(steps=1), model=Scripted(both, name="one"), store=tmp_path / "store.db")
    assert result.best.text == "Answer exactly."
