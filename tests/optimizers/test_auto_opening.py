"""What `auto` looks at before its first generation: the start, and the other layouts of its task."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import RequestRefused
from promptopt.models.scripted import Scripted
from promptopt.optimizers.auto.opening import Beginning, _better, look_at_start
from promptopt.optimizers.auto.plan import Generations
from promptopt.optimizers.auto.search import Auto
from promptopt.outcome.result import Result
from promptopt.reports.export import export, export_of
from promptopt.reports.given import from_text
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Prompt, Request, Score

LABELS = ("no", "yes")
WORDS = ("carefully", "exactly", "twice", "soon")


def said(content: Content) -> str:
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def form(content: Content) -> str:
    return "text" if isinstance(content, str) else "system" if content[0].role == "system" else "chat"


def right_in(shares: Mapping[str, float], read: Callable[[Content], bool] = lambda _: True) -> Scripted:
    """A model that is right as often as the form of the request says, and not readable where `read` says no."""

    def reply(request: Request) -> str:
        text = said(request.content)
        number = int(re.findall(r"item (\d+)", text)[-1])
        seed = f"{form(request.content)}{text.split('item')[0]}{number}".encode()
        right = int(hashlib.sha256(seed).hexdigest()[:8], 16) / 2**32 < shares[form(request.content)]
        return LABELS[number % 2 if right else 1 - number % 2] if read(request.content) else "who knows"

    return Scripted(reply, name="by form")


def author(request: Request) -> str:
    text = said(request.content)
    section = text.split('"""')[1].strip() if '"""' in text else "Answer."
    return f"<prompt>{section} {random.Random(f'{text}{request.seed}').choice(WORDS)}.</prompt>"


def task(instruction: str = "Answer it.") -> Task:
    examples = [Example.of(LABELS[number % 2], question=f"item {number}") for number in range(400)]
    return Task.from_examples(examples, prompt=instruction, labels=LABELS, metric="exact", name="forms")


def search(home: Path, model: Scripted, cap: int = 250, optimizer: Auto | None = None) -> Result:
    return optimize(
        task(),
        Auto() if optimizer is None else optimizer,
        model=Models(model, proposer=Scripted(author, name="proposer")),
        budget=Budget(evaluations=cap),
        store=home / "store.db",
    )


@dataclass
class Looking:
    """An optimizer that only has the first look, and what came of it."""

    look: int
    evaluations: int = 400
    layouts: bool = False
    found: Beginning | None = None
    spent: int = 0

    def optimize(self, run: Run) -> None:
        plan = Generations(self.evaluations, self.look, children=4, keep=2, depth=3.0, rounds=9)
        self.found = look_at_start(run, plan, layouts=self.layouts)
        self.spent = run.spent.evaluations


def looked(home: Path, method: Looking, replies: Callable[[int], str], *, labels: bool = True) -> list[str]:
    """The warnings of a first look at a model whose n-th answer is `replies(n)`; every right answer is yes."""
    examples = [Example.of("yes", question=f"item {number}") for number in range(130)]
    asked: list[str] = []

    def reply(request: Request) -> str:
        asked.append(said(request.content))
        return replies(len(asked))

    found = Task.from_examples(
        examples, prompt="Answer it.", labels=LABELS if labels else (), metric="exact", splits=Splits(100, 10, 20)
    )
    result = optimize(found, method, model=Scripted(reply, name="n-th"), store=home / "store.db")
    return list(result.warnings)


@pytest.mark.parametrize(
    ("look", "evaluations", "sure"),
    # A quarter of the search, 60 examples at most, and no fewer than were looked at.
    [(20, 200, 50), (20, 4_000, 60), (20, 60, 20)],
)
def test_a_faultless_start_is_confirmed_on_a_quarter_of_the_search_at_most(
    tmp_path: Path, look: int, evaluations: int, sure: int
) -> None:
    method = Looking(look, evaluations)
    warnings = looked(tmp_path, method, lambda _: "yes")
    assert method.found is None
    assert method.spent == sure
    assert any(f"the start is right on 100% of {sure} training examples" in each for each in warnings)


def test_a_start_that_is_right_on_a_few_is_not_called_faultless(tmp_path: Path) -> None:
    method = Looking(2, 40)
    warnings = looked(tmp_path, method, lambda _: "yes")
    assert method.found is not None
    assert method.spent == 2
    assert not any("nothing to be found" in each for each in warnings)


def test_a_start_is_faultless_from_ninety_eight_of_a_hundred_on(tmp_path: Path) -> None:
    # One of the fifty that confirm is wrong, then two of them.
    one, two = Looking(20, 200), Looking(20, 200)
    assert any(
        "right on 98% of 50" in each for each in looked(tmp_path / "one", one, lambda n: "no" if n == 30 else "yes")
    )
    assert one.found is None
    looked(tmp_path / "two", two, lambda n: "no" if n in (30, 31) else "yes")
    assert two.found is not None
    assert two.spent == 50
    # One wrong of the first twenty needs no confirmation.
    flawed = Looking(20, 200)
    looked(tmp_path / "flawed", flawed, lambda n: "no" if n == 5 else "yes")
    assert flawed.found is not None
    assert flawed.spent == 20


@pytest.mark.parametrize(("unreadable", "tried"), [(4, False), (5, True)])
def test_more_than_a_fifth_of_unreadable_replies_is_answered_with_a_line_on_the_form(
    tmp_path: Path, unreadable: int, tried: bool
) -> None:
    method = Looking(20)
    warnings = looked(tmp_path, method, lambda n: "???" if n <= unreadable else "no")
    assert method.found is not None
    assert [each.prompt["instruction"] for each in method.found.first] == (
        ["Answer it.\nAnswer with one of: no, yes."] if tried else []
    )
    assert any("5 of the first 20 replies hold no readable answer (mostly: " in each for each in warnings) is tried


@pytest.mark.parametrize(("look", "unreadable"), [(8, 200), (20, 200), (20, 12), (20, 7), (8, 3)])
def test_that_replies_cannot_be_read_is_told_once(tmp_path: Path, look: int, unreadable: int) -> None:
    # A faultless start is looked at on, so what can be read is wrong; the final choice and the test ask the start too.
    warnings = looked(tmp_path, Looking(look), lambda n: "???" if n <= unreadable else "no")
    told = [each for each in warnings if "hold no readable answer" in each]
    assert len(told) == 1
    assert "(mostly: no answer could be read" in told[0]
    assert "change how the task reads an answer" in told[0]


@pytest.mark.parametrize(
    ("said", "advised"),
    [
        (
            "<think>\nThe user wants",
            "the thinking in the reply never ended, so there is no answer); raise the task's max",
        ),
        ("who knows", "no answer could be read: expected one of no, yes); change how the task reads an answer"),
    ],
)
def test_a_short_look_says_what_to_change_before_the_search_is_paid_for(
    tmp_path: Path, said: str, advised: str
) -> None:
    warnings = looked(tmp_path, Looking(8), lambda n: said)
    assert any(f"8 of the first 8 replies hold no readable answer (mostly: {advised}" in each for each in warnings)


@pytest.mark.slow
@pytest.mark.parametrize(("look", "spent"), [(20, 20 + 2 * 10), (7, 7 + 2 * 3), (5, 5 + 2 * 3), (3, 3 + 2 * 3), (2, 2)])
def test_two_other_layouts_share_the_look_of_the_start_three_examples_each_at_least(
    tmp_path: Path, look: int, spent: int
) -> None:
    method = Looking(look, layouts=True)
    optimize(task(), method, model=right_in(dict.fromkeys(("chat", "system", "text"), 0.5)), store=tmp_path / "s.db")
    assert method.spent == spent


@pytest.mark.slow
def test_the_two_most_hopeful_layouts_go_on_and_one_that_does_as_well_as_the_start_does_not(tmp_path: Path) -> None:
    for shares, elite in (
        ({"chat": 0.0, "system": 1.0, "text": 1.0}, {"system", "text"}),
        ({"chat": 0.0, "system": 0.0, "text": 1.0}, {"", "text"}),
        ({"chat": 0.0, "system": 0.0, "text": 0.0}, {""}),
    ):
        method = Looking(20, layouts=True)
        optimize(task(), method, model=right_in(shares), store=tmp_path / f"{shares}.db")
        assert method.found is not None
        assert {each.layout for each in method.found.elite} == elite
    assert method.found is not None
    assert method.found.elite[0].layout == ""


def test_without_a_look_nothing_is_asked_and_the_start_goes_on(tmp_path: Path) -> None:
    method = Looking(0)
    looked(tmp_path, method, lambda _: "yes")
    assert method.found is not None
    assert (len(method.found.elite), method.found.first, method.spent) == (1, [], 0)


@pytest.mark.slow
@pytest.mark.parametrize("best", ["text", "system"])
def test_a_far_better_layout_is_found_and_told(tmp_path: Path, best: str) -> None:
    shares = {"chat": 0.1, "system": 0.1, "text": 0.1, best: 0.95}
    result = search(tmp_path, right_in(shares))
    assert result.prompt.layout == best
    assert result.verdict == "better"
    assert any(f"read in the layout {best!r}" in warning for warning in result.warnings)
    assert result.to_json()["best"]["layout"] == best
    again = search(tmp_path, right_in(shares))
    assert again.paid.calls == 0
    assert again.prompt == result.prompt


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of_start", "of_other", "told", "more"), [(0.4, 0.6, "0.450", "0.550"), (0.4, 0.4004, "0.4500", "0.4502")]
)
def test_layouts_that_a_labels_share_tells_apart_are_told_by_it(
    of_start: float, of_other: float, told: str, more: str
) -> None:
    """The same answers are right in both: by them alone the sentence would say that 0.50 is more than 0.50."""
    start, other = (Prompt.of(instruction="Answer it.").in_layout(name) for name in ("system", "chat"))
    shares = {start: of_start, other: of_other}
    warned: list[str] = []

    def evaluate(prompts: Sequence[Prompt], examples: Sequence[Example]) -> Mapping[Prompt, list[Score]]:
        return {each: [Score(float(number % 2), probability=shares[each]) for number in range(4)] for each in prompts}

    run: Any = SimpleNamespace(
        initial=start, evaluate=evaluate, warn=warned.append, posterior=lambda _: SimpleNamespace(mean=shares)
    )
    assert _better(run, [other], [Example.of("yes", question="item")] * 4, 2) == [other, start]
    assert warned == [
        f"on 4 training examples the start scores {told} in the layout in use, and more in others of the task "
        f"('chat' {more}, by right answers and the right label's share): the search tries these too"
    ]


@pytest.mark.slow
def test_a_layout_that_does_no_better_is_not_searched(tmp_path: Path) -> None:
    result = search(tmp_path, right_in({"chat": 0.8, "system": 0.1, "text": 0.1}))
    others = [each for each in result.candidates() if each.prompt.layout]
    assert [each.proposal.operator for each in others] == ["layout", "layout"]
    assert result.prompt.layout == ""


@pytest.mark.slow
def test_layouts_stay_as_they_are_where_the_user_says_so(tmp_path: Path) -> None:
    result = search(tmp_path, right_in({"chat": 0.2, "system": 0.9, "text": 0.9}), optimizer=Auto(layouts=False))
    assert not [each for each in result.candidates() if each.prompt.layout]


@pytest.mark.slow
def test_a_layout_whose_replies_can_be_read_mends_unreadable_ones(tmp_path: Path) -> None:
    model = right_in(dict.fromkeys(("chat", "system", "text"), 0.8), lambda content: form(content) == "system")
    result = search(tmp_path, model)
    assert result.prompt.layout == "system"
    assert any("hold no readable answer" in warning for warning in result.warnings)
    assert any("('system' " in warning and "tries these too" in warning for warning in result.warnings)


@pytest.mark.slow
def test_a_layout_that_the_model_does_not_take_is_left_out_in_a_sentence(tmp_path: Path) -> None:
    answering = right_in({"chat": 0.3, "system": 0.9, "text": 0.9})

    def refusing(request: Request) -> str:
        if isinstance(request.content, str):
            raise RequestRefused("the server takes no plain text")
        reply = next(iter(answering.generate([request])))[1]
        return reply.text

    for _ in range(2):
        result = search(tmp_path, Scripted(refusing, name="chats only"))
        assert result.status == "finished"
        assert "layout 'text' is left out: the server takes no plain text" in result.warnings
        assert result.prompt.layout == "system"


def test_where_the_start_itself_is_refused_the_same_command_alone_is_no_advice(tmp_path: Path) -> None:
    def reply(request: Request) -> str:
        raise RequestRefused("the server takes no such messages; use another layout")

    line = str(search(tmp_path, Scripted(reply, name="mute"))).splitlines()[0]
    assert line.startswith(
        "Suspended: the server takes no such messages; use another layout; once that is mended, run the same command"
    )
    assert "again to go on" not in line


@pytest.mark.slow
def test_a_layout_that_is_refused_is_not_asked_again_where_all_else_is_worse(tmp_path: Path) -> None:
    refused: list[Content] = []

    def reply(request: Request) -> str:
        if isinstance(request.content, str):
            refused.append(request.content)
            raise RequestRefused("the server takes no plain text")
        text = said(request.content)
        number = int(re.findall(r"item (\d+)", text)[-1])
        worse = form(request.content) == "system" or any(word in text for word in WORDS)
        return LABELS[1 - number % 2 if worse or number % 3 == 0 else number % 2]

    result = search(tmp_path, Scripted(reply, name="chats only"), cap=120, optimizer=Auto(demos=0))
    assert result.status == "finished"
    assert len(refused) == 1


@pytest.mark.slow
def test_a_winner_in_another_layout_is_taken_away_as_it_was_measured(tmp_path: Path) -> None:
    result = search(tmp_path, right_in({"chat": 0.2, "system": 0.2, "text": 0.9}))
    exported = export(export_of(task(), result.prompt), "json")
    assert json.loads(exported)["text"] is not None
    laid_out, prompt = from_text(task(), exported, exported=True)
    shown = task().train[0]
    assert laid_out.render(prompt, shown) == task().render(result.prompt, shown)
    assert prompt.layout == ""


def test_another_layout_is_another_search(tmp_path: Path) -> None:
    model = right_in(dict.fromkeys(("chat", "system", "text"), 0.5))
    first = search(tmp_path, model, 60)
    fewer = optimize(
        replace(task(), layouts=task().layouts[:1]),
        Auto(),
        model=Models(model, proposer=Scripted(author, name="proposer")),
        budget=Budget(evaluations=60),
        store=tmp_path / "store.db",
    )
    assert fewer.run_id != first.run_id
