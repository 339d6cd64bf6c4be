"""From a prompt to its neighbours: what cannot be one is counted under its reason, and told where nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from promptopt.optimizers.plum.neighbours import EDITING, EDITS_TRIED, Editing, Editor
from promptopt.run import Run
from promptopt.tasks.task import Task
from tests.optimizers.plum.phrase_search import BARS, Bars, mute, task_of, within_run

_Found = TypeVar("_Found")


def edited(
    home: Path,
    function: Callable[[Run, Editor], _Found],
    prompt: str,
    settings: Editing = EDITING,
    *,
    renewed: bool = False,
    task: Task | None = None,
) -> tuple[_Found, dict[str, int], list[str]]:
    """What `function` makes of an editor, what was rejected by then, and the warnings of the run."""

    def observed(run: Run) -> tuple[_Found, dict[str, int], list[str]]:
        found = function(run, Editor(run, settings, renewed=renewed))
        return found, dict(run.rejected), [each for each in run.warnings if "neighbour" in each]

    return within_run(home, prompt, observed, proposer=mute, task=task)


def test_what_cannot_be_a_neighbour_is_counted_under_its_reason(tmp_path: Path) -> None:
    prompt = "Read {context} with care."
    texts = {
        "Read {context} with care.": "changes nothing",
        "{} ... 12": "no letter left",
        "Read it with care.": "protected text changed",
        "Read {context} {context} with care.": "protected text changed",
        "Read {context}.": None,
    }

    def admit(run: Run, editor: Editor) -> list[str | None]:
        made = [editor.admit(text, (run.initial,), "del", "a note") for text in texts]
        return [None if each is None else each["instruction"] for each in made]

    task = replace(task_of("Answer."), initial=task_of("Answer.").initial.replace("instruction", prompt))
    found, rejected, _ = edited(tmp_path, admit, prompt, task=task)
    assert found == [None, None, None, None, "Read {context}."]
    assert rejected == {"del: changes nothing": 1, "del: no letter left": 1, "del: protected text changed": 2}


def test_what_the_contract_forbids_is_told_among_the_reasons(tmp_path: Path) -> None:
    task = task_of("One|two|three")
    task = replace(task, contract=replace(task.contract, max_tokens=1))

    def explained(run: Run, editor: Editor) -> None:
        assert editor.admit("One two three four", (run.initial,), "add", "") is None
        editor.explain(False)
        # What failed before is not told again.
        editor.explain(False)

    _, rejected, warnings = edited(tmp_path, explained, "", task=task)
    assert rejected == {"longer than 1 token": 1}
    assert warnings == ["a prompt had no neighbour that could be used (add: the task's contract)"]


def test_each_text_is_a_child_once_where_the_editor_is_renewed_and_as_often_as_it_comes_else(tmp_path: Path) -> None:
    def twice(run: Run, editor: Editor) -> list[bool]:
        return [editor.admit("Another", (run.initial,), "sub", "") is not None for _ in range(3)]

    assert edited(tmp_path / "once", twice, "Answer", renewed=True)[:2] == (
        [True, False, False],
        {"sub: seen before": 2},
    )
    assert edited(tmp_path / "always", twice, "Answer")[:2] == ([True, True, True], {})


def test_five_attempts_are_made_for_each_neighbour_that_is_wanted(tmp_path: Path) -> None:
    def draw(run: Run, editor: Editor) -> int:
        return len(editor.neighbours(run.initial, (), 3))

    # One chunk: too few to delete or swap, and no paraphrase.
    found, rejected, warnings = edited(tmp_path, draw, "a", BARS)
    edits = {"del: too few phrases", "swap: too few phrases", "sub: no paraphrase"}
    assert found == 0
    assert sum(rejected.values()) == EDITS_TRIED * 3 == 15
    assert set(rejected) == edits
    [warning] = warnings
    assert all(each in warning for each in edits)


def test_a_batch_that_gave_one_neighbour_is_no_reason_to_warn(tmp_path: Path) -> None:
    def draw(run: Run, editor: Editor) -> list[str]:
        first = [each.prompt["instruction"] for each in editor.neighbours(run.initial, (), 20)]
        editor.fail("harmony: a reason")
        editor.explain(True)
        editor.explain(False)
        return first

    found, rejected, warnings = edited(tmp_path, draw, "a|b", BARS)
    # Of two chunks there are two to delete, and one way to swap.
    assert sorted(found) == ["a", "b", "b|a"]
    assert rejected["sub: no paraphrase"] > 0
    assert warnings == []


def test_a_chain_ends_where_one_of_its_edits_cannot_be_made(tmp_path: Path) -> None:
    def draw(run: Run, editor: Editor) -> list[int]:
        return [len(each.edits) for each in editor.neighbours(run.initial, (), 40)]

    found, rejected, _ = edited(tmp_path, draw, "a|b|c", Editing(chain=2, chunker=Bars()))
    # Whole chains alone: what lost its second edit is no neighbour.
    assert found
    assert set(found) == {2}
    assert sum(rejected.values()) > 0


def test_an_addition_within_a_chain_takes_its_text_out_of_the_bank(tmp_path: Path) -> None:
    def draw(run: Run, editor: Editor) -> list[list[str]]:
        found = editor.neighbours(run.initial, ("x", "y"), 60)
        return [[edit.new for edit in each.edits if edit.kind == "add"] for each in found]

    added = edited(tmp_path, draw, "a|b|c", Editing(chain=3, chunker=Bars()))[0]
    assert max(map(len, added)) == 2
    assert all(len(each) == len(set(each)) for each in added)
