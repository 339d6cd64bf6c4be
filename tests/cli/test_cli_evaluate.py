"""`promptopt evaluate`: prompts from text and files, layouts side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest
from command_line import BETTER, START, Invoke

from promptopt.binding.models import Models
from promptopt.errors import ConfigError, Refused
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.stats import level
from promptopt.types import Request

BASE = ("evaluate", "--model", "scripted", "--task")


def test_the_start_on_dev_by_default(invoke: Invoke, task_file: str) -> None:
    found = json.loads(invoke(*BASE, task_file, "--json").stdout)
    assert set(found) == {"task", "model", "evaluator", "scored_by", "split", "prompt", "prompt_id", "layouts"}
    assert found["prompt"] == START
    assert found["split"] == "dev"
    (entry,) = found["layouts"]
    assert set(entry) == {"layout", "score", "ci95", "n", "unreadable", "macro_f1", "spent", "paid"}
    assert entry["n"] == 48
    assert entry["ci95"][0] < entry["score"] < entry["ci95"][1]


@pytest.mark.slow
def test_the_test_split_is_a_look(invoke: Invoke, task_file: str) -> None:
    (first,) = json.loads(invoke(*BASE, task_file, "--split", "test", "--json").stdout)["layouts"]
    assert first["look"] == {"number": 1, "alpha": 0.05, "shared": 0}
    (again,) = json.loads(invoke(*BASE, task_file, "--split", "test", "--json").stdout)["layouts"]
    assert again["look"] == first["look"]  # it shows nothing new
    other = invoke(*BASE, task_file, "--split", "test", "--prompt", BETTER, "--quiet").stdout
    assert "Look 2 at these test examples" in other
    assert "p below 0.0083" in other


def test_a_prompt_from_text_or_file(invoke: Invoke, task_file: str, workplace: Path) -> None:
    (workplace / "mine.md").write_text(BETTER + "\n", encoding="utf-8")
    texts = [json.loads(invoke(*BASE, task_file, "--json", "--prompt", each).stdout) for each in (BETTER, "mine.md")]
    assert texts[0]["prompt_id"] == texts[1]["prompt_id"]
    assert texts[0]["layouts"][0]["score"] == 1.0


@pytest.mark.slow
def test_what_nothing_fills_in_the_start_is_said_as_optimize_says_it(
    invoke: Invoke, task_file: str, workplace: Path
) -> None:
    path = workplace / task_file
    path.write_text(path.read_text(encoding="utf-8").replace(START, f"{START} For {{{{shop}}}}."), encoding="utf-8")
    assert "warning: the prompt has {{shop}}, which nothing fills here" in invoke(*BASE, task_file).stderr
    assert "{{shop}}" not in invoke(*BASE, task_file, "--quiet").stderr


def test_layouts_are_ranked_and_unreadable_replies_counted(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The model only understands the system layout.
    monkeypatch.setattr(
        model,
        "_answers",
        lambda request: (
            request.content[-1].content.partition("item ")[2].split()[1]
            if not isinstance(request.content, str) and request.content[0].role == "system"
            else "what?"
        ),
    )
    found = json.loads(invoke(*BASE, task_file, "--layouts", "--json", "--split", "dev").stdout)
    assert found["layouts"][0]["layout"] == "system"
    assert {entry["layout"] for entry in found["layouts"]} == {"chat", "system", "text"}
    assert [entry["score"] for entry in found["layouts"]] == [1.0, 0.0, 0.0]
    assert [entry["unreadable"] for entry in found["layouts"]] == [0, 48, 48]
    lines = invoke(*BASE, task_file, "--layouts", "--split", "dev", "--quiet").stdout.splitlines()
    assert lines[2].split() == ["layout", "score", "from", "to", "unreadable", "calls", "paid"]
    assert lines[3].split()[:2] == ["system", "1.000"]
    assert {len(line) for line in lines[2:6]} == {len(lines[2])}


def test_layouts_rank_demonstrations_as_turns_against_text(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> None:
    # The model has learned nothing but from turns.
    monkeypatch.setattr(
        model,
        "_answers",
        lambda request: (
            request.content[-1].content.partition("item ")[2].split()[1]
            if any(each.role == "assistant" for each in request.content if not isinstance(each, str))
            else "what?"
        ),
    )
    shown = [{"text": "item 900 good", "target": "good"}, {"text": "item 901 bad", "target": "bad"}]
    parts = {"instruction": BETTER}
    (workplace / "shown.json").write_text(json.dumps({"parts": parts, "demos": shown}), encoding="utf-8")
    result = invoke(*BASE, task_file, "--layouts", "--json", "--split", "dev", "--prompt", "shown.json")
    scores = {entry["layout"]: entry["score"] for entry in json.loads(result.stdout)["layouts"]}
    assert scores == {"chat": 1.0, "system": 1.0, "one-message": 0.0, "text": 0.0}
    plain = invoke(*BASE, task_file, "--layouts", "--json", "--split", "dev")
    assert {entry["layout"] for entry in json.loads(plain.stdout)["layouts"]} == {"chat", "system", "text"}
    assert "layout 'one-message' reads as 'chat' does" in plain.stderr


def test_what_is_scored_is_named_where_several_prompts_are(invoke: Invoke, task_file: str) -> None:
    said = invoke(*BASE, task_file, "--prompt", START, "--prompt", BETTER).stderr
    named = [line for line in said.splitlines() if line.startswith("scoring on dev")]
    assert [line.partition("prompt ")[2][:2] for line in named] == ["A ", "B "]
    assert START[:30] in named[0]
    assert BETTER[:30] in named[1]


def test_the_prompt_that_a_model_refuses_is_named(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(request: Request) -> str:
        if BETTER in str(request.content):
            raise Refused("the server says no")
        return "good"

    monkeypatch.setattr(model, "_answers", refused)
    found = invoke(*BASE, task_file, "--prompt", START, "--prompt", BETTER, "--quiet")
    assert found.exit_code != 0
    assert "prompt B (" in found.stderr
    assert "was not scored to the end" in found.stderr
    assert "prompt A (" not in found.stderr


def test_a_prompt_that_looks_like_a_file_name_is_still_a_prompt(invoke: Invoke, task_file: str) -> None:
    text = "Say carefully what stands in texts.json"
    assert json.loads(invoke(*BASE, task_file, "--json", "--prompt", text).stdout)["prompt"] == text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--split", "tst"], "one of train, dev, test"),
        (["--prompt", "missing.txt"], "missing.txt"),
        (["--prompt", "."], "is no file; name a file with the prompt in it"),
        (["--prompt", "-"], "is no file; name a file with the prompt in it"),
        (["--prompt", ""], "empty"),
        (["--prompt", __file__], "is a Python file, not a prompt; export the prompt as json"),
        (["--prompt", "mood.toml"], "is a TOML file, not a prompt; export the prompt as json"),
        (["--prompt", "Judge {txt}"], "did you mean {text}?"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_cannot_be(options: list[str], expected: str, invoke: Invoke, task_file: str, model: Scripted) -> None:
    result = invoke(*BASE, task_file, *options)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert model.calls == 0


def test_own_data_replaces_the_tasks(invoke: Invoke, task_file: str, workplace: Path) -> None:
    rows = "".join(
        f"item {number} {('good', 'bad')[number % 2]}\t{('good', 'bad')[number % 2]}\n" for number in range(50)
    )
    (workplace / "own.tsv").write_text("text\tlabel\n" + rows, encoding="utf-8")
    found = json.loads(invoke(*BASE, task_file, "--data", "own.tsv", "--json").stdout)
    assert found["layouts"][0]["n"] == 10


def test_two_prompts_are_compared_on_the_same_examples_by_the_paired_test(invoke: Invoke, task_file: str) -> None:
    result = invoke(*BASE, task_file, "--json", "--split", "dev", "--prompt", START, "--prompt", BETTER)
    assert result.exit_code == 0, result.stderr
    first, second = json.loads(result.stdout)["prompts"]
    assert (first["prompt"], second["prompt"]) == (START, BETTER)
    assert first["against_first"] is None
    versus = second["against_first"]
    assert versus["mean"] == pytest.approx(second["score"] - first["score"])
    assert (versus["verdict"], versus["test"], versus["n"]) == ("better", "McNemar exact", 48)
    shown = invoke(*BASE, task_file, "--split", "dev", "--quiet", "--prompt", BETTER, "--prompt", START)
    assert "worse" in shown.stdout
    assert "the same 48 dev examples" in shown.stdout
    assert "the paired difference on the same examples (McNemar exact)." in shown.stdout


@pytest.mark.slow
def test_prompts_compared_on_the_test_are_one_look_whose_level_their_verdicts_share(
    invoke: Invoke, task_file: str
) -> None:
    asked = (*BASE, task_file, "--split", "test", "--prompt", START, "--prompt", BETTER)
    shown = invoke(*asked, "--quiet").stdout
    assert "Look 1 at these test examples: a verdict needs p below 0.05." in shown
    assert "the next look at these needs p below 0.017" in shown
    assert "better" in shown
    found = json.loads(invoke(*asked, "--prompt", f"{BETTER} Now.", "--json").stdout)["prompts"]
    assert [each["look"]["number"] for each in found] == [2, 2, 2]
    assert [each["against_first"]["alpha"] for each in found[1:]] == pytest.approx([level(2) / 2] * 2)
    again = invoke(*asked, "--prompt", f"{BETTER} Now.", "--quiet").stdout
    assert "Look 2 at these test examples: its 2 verdicts share its level, each needs p below 0.0083." in again


def test_models_and_layouts_compared_on_the_test_are_one_look(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Scripted(lambda _: "good", name="scripted/two")
    monkeypatch.setattr(specs, "open_model", lambda spec, **_: other if spec == "two" else model)
    shown = invoke(*BASE, task_file, "--model", "two", "--split", "test", "--quiet").stdout
    assert "Look 1 at these test examples: a verdict needs p below 0.05." in shown
    ranked = json.loads(invoke(*BASE, task_file, "--layouts", "--split", "test", "--json").stdout)["layouts"]
    assert len(ranked) > 1
    assert {each["look"]["number"] for each in ranked} == {2}


def test_a_prompt_that_is_refused_is_not_compared_as_if_it_were_another(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptopt import evaluation

    monkeypatch.setattr(
        evaluation, "crowded", lambda _, prompt, __: "it is too long" if BETTER in str(prompt) else None
    )
    result = invoke(*BASE, task_file, "--prompt", START, "--prompt", BETTER)
    assert (result.exit_code, "it is too long" in result.stderr, result.stdout) == (2, True, "")


def test_more_rivals_need_more_evidence(invoke: Invoke, task_file: str) -> None:
    prompts = [option for number in range(4) for option in ("--prompt", f"Say it, {number}.")]
    result = invoke(*BASE, task_file, "--split", "dev", *prompts)
    assert "0.05 / 3" in result.stdout
    assert result.stdout.count("no evidence") == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--prompt", START, "--prompt", START], "same prompt"),
        (["--prompt", START, "--prompt", BETTER, "--layouts"], "--layouts"),
    ],
)
def test_comparisons_that_cannot_be(options: list[str], expected: str, invoke: Invoke, task_file: str) -> None:
    result = invoke(*BASE, task_file, *options)
    assert result.exit_code == 2
    assert expected in result.stderr


def test_one_prompt_on_several_models_is_a_row_a_model_against_the_first(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = Scripted(lambda _: "what?", name="scripted/weak")
    monkeypatch.setattr(specs, "open_model", lambda spec, **_: weak if spec == "weak" else model)
    given = (*BASE, task_file, "--model", "weak", "--model", "third", "--prompt", BETTER)
    found = json.loads(invoke(*given, "--json").stdout)
    first, second, third = found["models"]
    assert (first["score"], second["score"], first["against_first"]) == (1.0, 0.0, None)
    assert second["against_first"]["mean"] == -1.0
    assert second["against_first"]["verdict"] == "worse"
    assert third["against_first"]["mean"] == 0.0
    lines = invoke(*given, "--quiet").stdout.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["scripted", "weak", "third"]
    assert "so many models are compared with the first" in lines[-1]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--model", "scripted"), "is given twice"),
        (("--model", "weak", "--layouts"), "one kind at a time"),
        (("--model", "weak", "--prompt", "a", "--prompt", "b"), "one kind at a time"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(
    invoke: Invoke, task_file: str, given: tuple[str, ...], says: str
) -> None:
    result = invoke(*BASE, task_file, *given)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "judge"),
    [
        (("--evaluator", "rubric"), "embedded/qwen2.5-coder-1.5b"),
        (("--evaluator", "rubric", "--judge", "openai/large"), "openai/large"),
        (("--evaluator", "rubric", "--model", "openai/small"), None),
        (("--evaluator", "generation"), None),
    ],
)
def test_the_judge_is_the_one_that_optimize_would_ask(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], judge: str | None
) -> None:
    named: list[object] = []

    def opened(models: Models) -> NoReturn:
        named.append(models.judge)
        raise ConfigError("far enough")

    monkeypatch.setattr("promptopt.binding.models.open_models", opened)
    monkeypatch.setattr("promptopt.cli.models.make_ready", lambda specs, quiet: None)
    assert invoke("evaluate", "--task", "support-chat", *given).exit_code == 2
    assert named == [judge]


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("{{shop}}", "{{shop}}, which nothing fills here"),
        ("{0}", "{0}, which nothing fills here"),
        ("${name}", "${name}, which nothing fills here"),
        ('{"mood": "x"}', ""),
        ("\\frac{a}{b}", ""),
    ],
)
def test_what_nothing_fills_in_a_prompt_that_is_given_is_said(
    invoke: Invoke, task_file: str, mark: str, told: str
) -> None:
    asked = invoke(*BASE, task_file, "--prompt", f"{BETTER} For {mark}.")
    assert ("which nothing fills here" in asked.stderr) == bool(told)
    assert told in asked.stderr
    assert "which nothing fills" not in invoke(*BASE, task_file, "--prompt", f"{BETTER} For {mark}.", "--quiet").stderr
