"""`promptopt check --sequential`: it stops as soon as it is decided, and a test that is over is not gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import BETTER, START, Invoke, answer, text_of
from typer.testing import Result

from promptopt.cli.sequential import LOOK_EVERY, drawn_in_batches
from promptopt.models.scripted import Scripted
from promptopt.types import Example

WORSE, SAME = "Say whether the text is good or bad, badly.", "Say what the text is. Thanks."


@pytest.fixture
def model() -> Scripted:
    def either(request: Any) -> str:
        text = text_of(request)
        return "bad" if "badly" in text and "item " in text else answer(request)

    return Scripted(either, name="scripted/one")


def check(invoke: Invoke, task: str, prompt: str, *more: str, **options: str) -> Result:
    baseline = options.get("baseline", START)
    return invoke("check", "--task", task, "--model", "x", "--prompt", prompt, "--baseline", baseline, *more)


def scored(done: Result) -> tuple[int, int]:
    found = json.loads(done.stdout)["sequential"]
    return found["scored"], found["of"]


def test_a_clear_case_stops_early_whichever_way_it_goes(invoke: Invoke, task_file: str, model: Scripted) -> None:
    worse = check(invoke, task_file, WORSE, "--sequential", "--json", baseline=BETTER)
    assert worse.exit_code == 4, worse.stderr
    assert scored(worse) == (2 * LOOK_EVERY, 96)
    # Both prompts on two batches, and nothing more.
    assert model.calls == 2 * 2 * LOOK_EVERY

    better = check(invoke, task_file, BETTER, "--sequential", "--json")
    count, whole = scored(better)
    assert better.exit_code == 0, better.stdout
    assert count < whole
    assert check(invoke, task_file, BETTER, "--sequential").stdout.startswith("It may be shipped.")


def test_without_it_all_examples_are_scored_and_nothing_is_said_of_it(invoke: Invoke, task_file: str) -> None:
    done = check(invoke, task_file, WORSE, "--json", baseline=BETTER)
    found = json.loads(done.stdout)
    assert "sequential" not in found
    assert next(each for each in found["decisions"] if each["name"] == "score")["gain"]["n"] == 96


def test_what_it_says_is_by_intervals_that_hold_at_every_look(invoke: Invoke, task_file: str) -> None:
    found = json.loads(check(invoke, task_file, BETTER, "--sequential", "--json", "--require", "better").stdout)
    score = next(each for each in found["decisions"] if each["name"] == "score")
    assert score["gain"]["test"] == "mixture bet on the items that differ"
    assert score["gain"]["ci95"][0] > 0
    assert found["look"]["number"] == 1
    summary = Path("summary.md")
    done = check(invoke, task_file, WORSE, "--sequential", "--summary", str(summary), baseline=BETTER)
    assert "40 of 96 examples (decided by these)" in done.stdout
    assert "40 of 96 examples (decided by these)" in summary.read_text(encoding="utf-8")
    assert "not decided by 20 examples" in done.stderr


def test_the_same_command_again_asks_nothing_and_is_the_same_look(
    invoke: Invoke, task_file: str, model: Scripted
) -> None:
    first = check(invoke, task_file, BETTER, "--sequential", "--json")
    asked = model.calls
    assert check(invoke, task_file, BETTER, "--sequential", "--json").stdout == first.stdout
    assert model.calls == asked


def test_a_finished_test_of_a_fixed_size_is_not_gone_on_with(invoke: Invoke, task_file: str) -> None:
    few = ("--train", "40", "--dev", "40", "--test", "30")
    more = (*few[:-1], "60")
    first = check(invoke, task_file, SAME, *few)
    assert first.exit_code in (0, 5)
    assert check(invoke, task_file, SAME, *few).stdout == first.stdout
    for again in (more, (*few, "--sequential"), (*more, "--sequential")):
        refused = check(invoke, task_file, SAME, *again)
        assert refused.exit_code == 2
        assert "30 examples of these by a test of that size, which is over" in refused.stderr
    # Fewer of them draw nothing new, and other prompts are another test.
    assert check(invoke, task_file, SAME, *few[:-1], "20").exit_code in (0, 5)
    assert check(invoke, task_file, BETTER, *more).exit_code == 0


def test_a_sequential_test_goes_on_with_more_and_not_as_another(invoke: Invoke, task_file: str) -> None:
    few = ("--train", "40", "--dev", "40", "--test", "30")
    more = (*few[:-1], "90")
    assert check(invoke, task_file, SAME, *few, "--sequential").exit_code == 5
    done = check(invoke, task_file, SAME, *more, "--sequential", "--json")
    assert done.exit_code in (0, 5), done.stderr
    assert scored(done)[0] > 30
    refused = check(invoke, task_file, SAME, *more)
    assert refused.exit_code == 2
    assert "go on with --sequential" in refused.stderr


def test_a_cap_that_comes_first_ends_it_undecided(invoke: Invoke, task_file: str) -> None:
    done = check(invoke, task_file, SAME, "--sequential", "--max-calls", "30")
    assert done.exit_code == 5, done.stderr
    assert "30 of 96 examples (a cap came first)" in done.stdout


def test_one_that_a_cap_has_cut_goes_on_as_what_it_began_as(invoke: Invoke, task_file: str) -> None:
    assert check(invoke, task_file, SAME, "--sequential", "--max-calls", "30").exit_code == 5
    refused = check(invoke, task_file, SAME)
    assert refused.exit_code == 2
    assert "30 of these examples by a sequential test" in refused.stderr
    assert scored(check(invoke, task_file, SAME, "--sequential", "--json"))[0] > 30


def test_one_that_is_stopped_between_two_looks_has_begun(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(message: str) -> None:
        if message.startswith("not decided"):
            raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr("promptopt.cli.sequential.say", dies)
        assert check(invoke, task_file, SAME, "--sequential").exit_code != 5
    assert model.calls == 2 * LOOK_EVERY
    refused = check(invoke, task_file, SAME)
    assert refused.exit_code == 2
    assert f"{LOOK_EVERY} of these examples by a sequential test" in refused.stderr
    assert scored(check(invoke, task_file, SAME, "--sequential", "--json"))[0] > LOOK_EVERY


def test_one_that_was_stopped_before_its_first_look_may_be_another(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(_: Any) -> str:
        if model.calls > 30:
            raise KeyboardInterrupt
        return "good"

    with monkeypatch.context() as killing:
        killing.setattr(model, "_answers", ends)
        assert check(invoke, task_file, SAME, "--sequential").exit_code not in (0, 2, 5)
    assert check(invoke, task_file, SAME).exit_code in (0, 5)


def test_minutes_are_those_of_all_batches(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]

    def slow(request: Any) -> str:
        seconds[0] += 1.0
        return answer(request)

    monkeypatch.setattr(model, "_answers", slow)
    for place in ("evaluation", "binding.session", "cli.sequential"):
        monkeypatch.setattr(f"promptopt.{place}.time", SimpleNamespace(monotonic=lambda: seconds[0]), raising=False)
    # Twenty seconds a batch and prompt, so that the fourth is over the minute of each.
    stopped = check(invoke, task_file, SAME, "--sequential", "--max-minutes", "1")
    assert stopped.exit_code == 3, (stopped.stdout, stopped.stderr, stopped.exception)
    assert "1 minute is over" in stopped.stderr
    assert "not decided by 40 examples" in stopped.stderr
    assert "not decided by 80 examples" not in stopped.stderr
    assert model.calls < 2 * 70
    # What was asked is asked no more.
    went_on = check(invoke, task_file, SAME, "--sequential", "--max-minutes", "1")
    assert went_on.exit_code in (0, 5), went_on.stderr
    assert model.calls <= 2 * 96


class Short(Scripted):
    """Its context holds 600 words."""

    context = 600


class TestWhereSomeExamplesCannotBeScored:
    @pytest.fixture
    def model(self) -> Scripted:
        def nats(content: Any, continuation: str) -> list[float]:
            last = str(content).rpartition("item ")[2].split()[0]
            return [-0.1 * (1 + (int(last) + len(str(content))) % 7)] * len(continuation.split())

        return Short(answer, name="scripted/short", scores=nats)

    def test_it_is_no_cap_that_left_them_out(self, invoke: Invoke, task_file: str, model: Scripted) -> None:
        data = Path("texts.jsonl")
        rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
        for row in rows[::8]:
            row["text"] += " word" * 700
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        by_loss = ("--evaluator", "loss", "--require", "better", "--margin", "1")
        done = check(invoke, task_file, SAME, *by_loss, "--sequential", "--json")
        count, whole = scored(done)
        assert 60 < count == whole < 96, done.stdout
        plain = check(invoke, task_file, BETTER, *by_loss)
        assert plain.exit_code == 5, plain.stderr
        assert "a cap came first" not in plain.stdout
        assert "by a test of that size" in check(invoke, task_file, BETTER, *by_loss, "--sequential").stderr
        assert check(invoke, task_file, BETTER, *by_loss).stdout == plain.stdout


def test_what_says_the_same_as_an_example_that_must_pass_is_in_no_batch(invoke: Invoke, task_file: str) -> None:
    vital = [{"text": f"item {at}  {('good', 'bad')[at % 2]}", "label": "good"} for at in range(12)]
    Path("vital.jsonl").write_text("".join(json.dumps(row) + "\n" for row in vital), encoding="utf-8")
    path = Path(task_file)
    path.write_text(path.read_text("utf-8") + '\n[contract]\nmust_pass = "vital.jsonl"\n', encoding="utf-8")

    count, whole = scored(check(invoke, task_file, SAME, "--sequential", "--json", "--require", "better"))
    assert count == whole < 96
    # Both kinds of test are over once all that is drawn is scored.
    assert check(invoke, task_file, BETTER).exit_code == 4
    assert check(invoke, task_file, BETTER).exit_code == 4
    assert "by a test of that size" in check(invoke, task_file, BETTER, "--sequential").stderr


def test_batches_hold_whole_conversations_in_the_order_of_the_test() -> None:
    examples = [Example.of("x", (), (), "", f"{at % 45}" if at % 45 else "", text=f"{at}") for at in range(135)]
    batches = list(drawn_in_batches(examples))
    # 44 conversations, and three examples without one.
    assert [len({each.group or each for each in batch}) for batch in batches] == [20, 40, 47]
    for batch in batches:
        named = {each.group for each in batch if each.group}
        assert {each for each in examples if each.group in named} <= set(batch)
    assert list(drawn_in_batches([])) == []


def test_a_judge_whose_word_decides_nothing_cannot_end_it(invoke: Invoke, judged_task: str, models: object) -> None:
    asked = (
        "check",
        "--task",
        judged_task,
        "--model",
        "x/task",
        "--judge",
        "x/judge",
        "--prompt",
        "Be polite, please.",
    )
    for more in ((), ("--dry-run",)):
        refused = invoke(*asked, "--sequential", *more)
        assert refused.exit_code == 2
        assert "--accept-judge" in refused.stderr


def test_by_another_rubric_it_is_another_test(invoke: Invoke, judged_task: str, models: object) -> None:
    def by(draws: int, test: int) -> Result:
        return invoke(
            "check", "--task", judged_task, "--model", "x/task", "--judge", "x/judge", "--prompt", "Be polite, please.",
            "--set", f"evaluator.draws={draws}", "--train", "20", "--dev", "20", "--test", f"{test}",
        )  # fmt: skip

    assert by(1, 30).exit_code == 5
    assert "which is over" in by(1, 60).stderr
    assert by(2, 60).exit_code == 5


def test_a_dry_run_says_that_it_is_the_most(invoke: Invoke, task_file: str) -> None:
    asked = ("check", "--task", task_file, "--model", "scripted/x", "--prompt", BETTER, "--dry-run")
    plain, stopping = invoke(*asked), invoke(*asked, "--sequential")
    assert "2 prompts on 96 test examples." in plain.stdout
    assert "2 prompts on 96 test examples at most, as --sequential stops once it is decided." in stopping.stdout
