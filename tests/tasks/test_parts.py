"""Tasks with several editable parts: named, checked, turned to; a task of one part is as it always was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError, UnknownName
from promptopt.run.part_turns import PartTurns
from promptopt.tasks.contract import Contract
from promptopt.tasks.layout import Layout
from promptopt.tasks.parts import editables_of, edited_text, focused, wording
from promptopt.tasks.sealing import without_test
from promptopt.tasks.task import Task
from promptopt.tasks.task_file import load_task_file
from promptopt.types import Example, Prompt
from tests.evaluators.fake_task import FakeTask

START = Prompt.of("Answer.", system="You help.", format="Yes or no.")
LAYOUT = Layout("all", text="{system} {instruction} {format} {question}")


def task(**changes: object) -> Task:
    examples = [Example.of("yes", question=f"q{number}") for number in range(30)]
    return replace(
        Task.from_examples(examples, prompt=START, layout=LAYOUT).editing("system", "instruction"), **changes
    )


def test_one_part_is_named_and_fingerprinted_as_ever() -> None:
    one = Task.from_examples([Example.of("yes", question=f"q{number}") for number in range(30)], prompt="Answer.")
    assert (one.editable, one.editables) == ("instruction", ("instruction",))
    assert one.fingerprint()["editable"] == "instruction"


@pytest.mark.parametrize("given", [("system", "instruction"), ["system", "instruction"]])
def test_several_parts_are_given_in_order(given: object) -> None:
    several = replace(task(), editable=given)
    assert (several.editable, several.editables) == ("system", ("system", "instruction"))
    assert several.fingerprint()["editable"] == ["system", "instruction"]
    assert several.frozen_parts == ("format",)


def test_which_part_is_edited_now_is_no_part_of_what_the_task_is() -> None:
    turned = focused(task(), "instruction")
    assert (turned.editable, turned.editables) == ("instruction", ("system", "instruction"))
    assert turned.fingerprint() == task().fingerprint()
    assert replace(turned, description="x").editables == ("system", "instruction")
    assert without_test(turned).editable == "instruction"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((), "names no prompt part"),
        (("system", "system"), "'system' twice"),
        (("system", "format"), "'format' is editable and frozen at once"),
        (3, "editable is 3"),
        (("system", 3), "editable is"),
    ],
)
def test_parts_that_cannot_be_edited_are_refused(given: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        replace(task(), editable=given)


def test_an_unknown_part_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownName, match="no prompt part is named 'sytem'; did you mean 'system'"):
        task().editing("sytem")


def test_a_layout_that_hides_an_editable_part_is_refused() -> None:
    hidden = Layout("all", text="{instruction} {format} {question}")
    with pytest.raises(ConfigError, match=r"does not show \{system\}"):
        task(layouts=(hidden,), layout=hidden)


CLAUSES = Contract(frozen=("help",), must_contain=("Answer",), must_not_contain=("please",), max_tokens=3)


@pytest.mark.parametrize(
    ("part", "text", "why"),
    [
        ("system", "You aid.", "lost frozen text 'help'"),
        ("instruction", "Reply.", "does not contain 'Answer'"),
        ("system", "You help please", "contains 'please'"),
        ("instruction", "Answer please", "contains 'please'"),
        ("system", "You help me well", "longer than 3 tokens"),
        ("instruction", "Answer me very well", "longer than 3 tokens"),
        ("instruction", " ", "empty"),
        ("system", "", "empty"),
        ("format", "No.", "changed frozen part format"),
    ],
)
def test_the_contract_holds_for_each_editable_part(part: str, text: str, why: str) -> None:
    bound = task(contract=replace(CLAUSES, frozen_parts=("format",)))
    count = lambda words: len(words.split())  # noqa: E731
    assert bound.broken_by(START, count) is None
    assert bound.broken_by(START.replace(part, text), count) == why
    # Whatever is edited now, the others are held to it too.
    assert focused(bound, "instruction").broken_by(START.replace(part, text), count) == why


def test_a_text_that_no_part_begins_with_cannot_be_required() -> None:
    with pytest.raises(ConfigError, match="no editable part contains 'nothing'"):
        task(contract=Contract(must_contain=("nothing",), frozen_parts=("format",)))


def test_texts_are_told_below_their_names_and_keyed_by_all_of_them() -> None:
    assert edited_text(task(), START) == "[system]\nYou help.\n\n[instruction]\nAnswer."
    equal = Prompt.of("Same.", system="Other.", format="Yes or no.")
    swapped = Prompt.of("Other.", system="Same.", format="Yes or no.")
    assert wording(task(), equal) != wording(task(), swapped)
    assert wording(task(), START) == wording(focused(task(), "instruction"), START)
    one = replace(task(), editable=("instruction",))
    assert (edited_text(one, START), wording(one, START)) == ("Answer.", "Answer.")


def kept(turns: PartTurns, part: str, text: str) -> Prompt:
    return turns.base.replace(part, text)


def test_parts_take_turns_and_one_that_pays_goes_once_more_from_the_second_time_on() -> None:
    turns, edited = PartTurns(task()), []
    best = START
    for better in (True, True, True, False, True, True, False, False):
        edited.append(turns.task.editable)
        best = best.replace(turns.task.editable, f"{len(edited)}") if better else best
        turns.end([best])
    assert edited == [
        "system",
        "instruction",
        "system",
        "system",
        "instruction",
        "instruction",
        "system",
        "instruction",
    ]


def test_a_round_without_anything_ends_the_turn_too() -> None:
    turns = PartTurns(task())
    turns.end([])
    assert turns.task.editable == "instruction"
    turns.take("system")
    assert turns.task.editable == "system"


def test_a_part_that_is_held_is_the_only_one() -> None:
    turns = PartTurns(task())
    turns.take("instruction", hold=True)
    turns.end([START.replace("instruction", "x")])
    turns.end([])
    assert turns.task.editable == "instruction"


def test_the_base_has_the_best_texts_of_the_other_parts_and_the_start_of_its_own() -> None:
    turns = PartTurns(task())
    turns.end([START.replace("system", "You help well.")])
    assert turns.base == START.replace("system", "You help well.")
    turns.end([START.replace("system", "You help well.").replace("instruction", "Answer well.")])
    assert turns.task.editable == "system"
    assert turns.base == START.replace("instruction", "Answer well.")


def test_a_task_of_somebody_elses_needs_to_know_nothing_of_parts() -> None:
    foreign = FakeTask()
    assert editables_of(foreign) == ("instruction",)
    turns = PartTurns(foreign)
    turns.end([foreign.initial.replace("instruction", "x")])
    assert turns.task is foreign
    assert turns.base == foreign.initial


@dataclass
class Foreign(FakeTask):
    editables: tuple[str, ...] = ("instruction", "system")


def test_a_foreign_task_with_several_parts_is_turned_too() -> None:
    foreign = Foreign(initial=Prompt.of("Answer.", system="You help."))
    turns = PartTurns(foreign)
    turns.end([])
    assert turns.task.editable == "system"
    assert turns.task.name == "fake"
    assert foreign.editable == "instruction"
    turns.end([])
    assert turns.task.editable == "instruction"


FILE = """
name = "two"
instruction = "Answer."
editable = {editable}

[parts]
system = "You help."
format = "Yes or no."

[data]
file = "rows.csv"
input = "question"
target = "answer"
"""


def written(folder: Path, editable: str) -> Path:
    (folder / "rows.csv").write_text("question,answer\n" + "".join(f"q{n},yes\n" for n in range(40)), encoding="utf-8")
    (folder / "two.toml").write_text(FILE.format(editable=editable), encoding="utf-8")
    return folder / "two.toml"


@pytest.mark.parametrize(
    ("given", "editables", "frozen"),
    [
        ('["system", "instruction"]', ("system", "instruction"), ("format",)),
        ('"system"', ("system",), ("instruction", "format")),
        ('"instruction"', ("instruction",), ("system", "format")),
    ],
)
def test_a_task_file_names_its_editable_parts(given: str, editables: tuple, frozen: tuple, tmp_path: Path) -> None:
    loaded = load_task_file(written(tmp_path, given))
    assert loaded.editables == editables
    assert set(loaded.frozen_parts) == set(frozen)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("[]", "editable"),
        ("3", "editable is 3"),
        ('["system", "system"]', "'system' twice"),
        ('["systm"]', "no prompt part is named 'systm'"),
        ('[""]', "editable"),
    ],
)
def test_a_task_file_that_names_no_such_part_is_refused_by_its_name(given: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        load_task_file(written(tmp_path, given))
    assert "two.toml" in str(refused.value)
