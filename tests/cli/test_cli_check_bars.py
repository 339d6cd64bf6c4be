"""`promptopt check`: what is asked of the score, and what an inconclusive check is for the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import BETTER, START, Invoke
from typer.testing import Result

from promptopt.outcome.decisions import Decision, shown_better
from promptopt.stats import paired_gain


def check(invoke: Invoke, task: str, prompt: str, *more: str) -> Result:
    return invoke("check", "--task", task, "--model", "x", "--prompt", prompt, *more)


@pytest.mark.slow
def test_what_is_not_decided_passes_where_that_is_asked(invoke: Invoke, task_file: str) -> None:
    asked = (START, "--require", "better", "--json")
    red, green = (check(invoke, task_file, *asked, "--inconclusive", each) for each in ("fail", "pass"))

    assert (red.exit_code, green.exit_code) == (5, 0)
    assert [json.loads(each.stdout)["outcome"] for each in (red, green)] == ["inconclusive"] * 2
    assert json.loads(green.stdout)["exit_code"] == 0
    assert "--inconclusive pass" in green.stderr
    assert "Warning" not in red.stderr


def test_what_passes_is_no_regression_and_is_shown_as_skipped(invoke: Invoke, task_file: str) -> None:
    more = ("--require", "better", "--inconclusive", "pass", "--junit", "junit.xml")
    assert check(invoke, task_file, START, *more).exit_code == 0
    root = ElementTree.fromstring(Path("junit.xml").read_text(encoding="utf-8"))
    assert (root.get("skipped"), root.get("failures")) == ("1", "0")


@pytest.mark.slow
def test_a_regression_never_passes_as_inconclusive(invoke: Invoke, task_file: str) -> None:
    path = Path(task_file)
    path.write_text(path.read_text(encoding="utf-8") + '\n[contract]\nmust_contain = ["text"]\n', encoding="utf-8")
    done = check(invoke, task_file, "Say good or bad.", "--inconclusive", "pass", "--require", "better")
    assert done.exit_code == 4
    assert "Warning" not in done.stderr


@pytest.mark.slow
def test_a_better_prompt_is_green_where_better_is_required(invoke: Invoke, task_file: str) -> None:
    done = check(invoke, task_file, BETTER, "--baseline", START, "--require", "better")
    assert done.exit_code == 0, done.stdout
    assert ": better" in done.stdout


@pytest.mark.parametrize(
    ("mended", "broken", "outcome"),
    [(10, 0, "passed"), (60, 1, "passed"), (0, 0, "inconclusive"), (1, 0, "inconclusive"), (6, 5, "inconclusive")],
)
def test_no_loss_is_not_yet_a_gain(mended: int, broken: int, outcome: str) -> None:
    after = [1.0] * mended + [0.0] * broken + [1.0] * 100
    before = [0.0] * mended + [1.0] * broken + [1.0] * 100
    score = Decision("score", "passed", "no loss", paired_gain(before, after))
    assert shown_better(score).outcome == outcome


@pytest.mark.parametrize("outcome", ["regression", "inconclusive"])
def test_what_did_not_pass_stays_as_it_was(outcome: str) -> None:
    score = Decision("score", outcome, "as it was", paired_gain([0.0] * 9, [1.0] * 9))  # pyright: ignore[reportArgumentType]
    assert shown_better(score) is score


def test_a_dry_run_says_which_margins_the_test_can_hold(invoke: Invoke, task_file: str) -> None:
    path = Path(task_file)
    path.write_text(path.read_text(encoding="utf-8") + "\n[contract]\nlargest_loss = 0.05\n", encoding="utf-8")
    asked = (BETTER, "--model", "scripted/x", "--dry-run")
    said = check(invoke, task_file, *asked).stdout
    assert "The smallest margins that the test can hold, where no reply changes: 2.7 points of the score" in said
    assert "13.7 points of the score four times in five, if the prompts are as good and differ on 25 %" in said
    assert "Warning: a margin" not in said
    small = check(invoke, task_file, *asked, "--test", "40", "--margin", "0.02").stdout
    assert "Warning: a margin of 0.02 is not held on the score by 40 examples unless the new prompt gains" in small
    # It is what the check itself comes to where nothing changes.
    held = json.loads(check(invoke, task_file, *asked, "--json").stdout)["least_margins"]["score"]
    score = json.loads(
        check(invoke, task_file, "Say what the text is!", "--margin", "0", "--baseline", START, "--json").stdout
    )
    gain = next(each for each in score["decisions"] if each["name"] == "score")
    assert gain["outcome"] == "inconclusive"
    assert f"hold a margin of {100 * held:.1f} points" in gain["message"]


def test_a_dry_run_says_that_a_cap_leaves_the_test_unjudged(invoke: Invoke, task_file: str) -> None:
    asked = (BETTER, "--model", "scripted/x", "--dry-run")
    assert "not judged" in check(invoke, task_file, *asked, "--max-calls", "95").stdout
    for more in (("--max-calls", "96"), ("--max-calls", "95", "--sequential")):
        assert "not judged" not in check(invoke, task_file, *asked, *more).stdout


@pytest.mark.slow
def test_by_a_judge_that_compares_an_example_that_ties_passes(invoke: Invoke, task_file: str) -> None:
    Path("vital.jsonl").write_text('{"text": "item 900 good", "label": "good"}\n', encoding="utf-8")
    path = Path(task_file)
    text = path.read_text(encoding="utf-8")
    path.write_text(f'{text}\n[judge]\nevaluator = "versus"\n[contract]\nmust_pass = "vital.jsonl"\n', encoding="utf-8")
    done = invoke("check", "--task", task_file, "--model", "x", "--prompt", f"{START} Now.", "--accept-judge", "--json")
    told = {each["name"].partition(" (")[0]: each for each in json.loads(done.stdout)["decisions"]}
    # Both prompts have the same reply to it: it serves as well.
    assert told["must pass 1"]["outcome"] == "passed"
    assert told["must pass 1"]["message"].startswith("passes")
