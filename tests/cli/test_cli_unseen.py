"""A system prompt searched on some tasks and judged on others; and one task adapted to a system prompt that stays."""

from __future__ import annotations

import json
import re
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from command_line import Invoke, text_of

from promptopt import registry
from promptopt.models.scripted import Scripted
from promptopt.optimizers.metaspo.method import MetaSPO
from promptopt.stats import level

FOUND = "Answer carefully what you are asked."
RUBRIC = "It names what it was shown."
CAPS = ("--max-evaluations", "200", "--model", "scripted", "--method", "climb")


@pytest.fixture
def model() -> Scripted:
    """Right in half of the examples, of green in a quarter, and in all under a system prompt that says `carefully`."""

    # The first breaks the contract, the second is said twice.
    written = chain(("Tell me of it.", "Name it.", "Name it.", "Name it slowly.", "Speak thoroughly."), repeat("Say."))

    def answer(request: Any) -> str:
        text = text_of(request)
        if RUBRIC in text:
            return '{"score": 1}' if "none" in text else '{"score": 5}'
        if text.startswith("Improve:"):
            return FOUND
        if "inputs and the right answers" in text:
            return f"<prompt>{next(written)}</prompt>"
        if "<critique>" in text:
            return "<critique>It is too vague.</critique>"
        if "<prompt>" in text:
            return f"<prompt>{FOUND if 'serve many' in text else 'Say thoroughly what it is.'}</prompt>"
        item = text.rpartition("item ")[2].split()
        known = 1 if "green item" in text else 2
        right = "carefully" in text or "thoroughly" in text or int(item[0]) % 4 < known
        return item[1] if right else "none"

    return Scripted(answer, name="scripted/one")


@pytest.fixture
def tasks(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three tasks in files: red, green and blue."""
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda group, name: MetaSPO if name == "metaspo" else load(group, name))
    for name in ("red", "green", "blue"):
        rows = [{"text": f"{name} item {number} {('good', 'bad')[number % 2]}", "label": ("good", "bad")[number % 2]}
                for number in range(120)]  # fmt: skip
        (workplace / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        said = f"""
labels = ["bad", "good"]
instruction = "Say what the {name} text is."
max_tokens = 4
[data]
file = "{name}.jsonl"
input = "text"
target = "label"
[contract]
must_not_contain = ["Tell me"]
"""
        (workplace / f"{name}.toml").write_text(said, encoding="utf-8")
    return workplace


def unseen(invoke: Invoke, *more: str) -> dict[str, Any]:
    result = invoke("unseen", *CAPS, "--json", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_each_search_goes_by_floors_where_they_are_the_objective(invoke: Invoke, tasks: Path) -> None:
    floors = ("--task", "red.toml,green.toml,blue.toml", "--objective", "floors", "--floor", "0.3")

    assert all(each["system"] == FOUND for each in unseen(invoke, *floors)["unseen"])
    assert invoke("unseen", *CAPS, *floors, "--adapt", "--dry-run").exit_code == 0


@pytest.mark.slow
def test_each_task_is_left_out_once_and_judged_by_what_the_others_found_and_again_nothing_is_asked(
    invoke: Invoke, tasks: Path, model: Scripted
) -> None:
    told = unseen(invoke, "--task", "red.toml,green.toml,blue.toml")

    assert [(each["task"], each["sources"]) for each in told["unseen"]] == [
        ("red", ["green", "blue"]), ("green", ["red", "blue"]), ("blue", ["red", "green"])
    ]  # fmt: skip
    for each in told["unseen"]:
        assert each["system"] == FOUND
        assert each["start_system"] == "You are a helpful assistant."
        assert each["found"]["score"] == 1.0 > each["start"]["score"]
        assert each["gain"]["verdict"] == "better"
        assert each["gain"]["n"] == 48
        assert each["adapted"] is None
    # The searches of the folds before have opened the tests of the tasks that were among theirs.
    assert [each["gain"]["alpha"] for each in told["unseen"]] == pytest.approx([level(look) / 3 for look in (1, 2, 3)])
    gains = [each["gain"]["mean"] for each in told["unseen"]]
    assert len(set(gains)) > 1
    assert told["summary"] == {"mean": pytest.approx(sum(gains) / 3), "min": min(gains), "max": max(gains), "n": 3}

    asked = len(model.log)
    shown = invoke("unseen", *CAPS, "--task", "red.toml,green.toml,blue.toml")
    assert len(model.log) == asked
    assert "3 searches, each within the caps; then 2 evaluations for each test example of 3 unseen" in shown.stderr
    assert "A verdict needs p below its level: 0.05 / 3 where nobody looked at the test before" in shown.stdout
    assert " 0.017 " in shown.stdout
    for side in ("the start's system prompt", "the system prompt found"):
        assert f"scoring on test: red, layout 'red', {side}" in shown.stderr
    assert shown.stdout.count(f"\n{FOUND}") == 3
    assert re.search(r"The mean over 3 unseen tasks: \S+ \(least \S+, greatest \S+\)\.", shown.stdout)


@pytest.mark.slow
def test_a_start_that_stays_is_not_told_as_found_and_one_task_has_no_mean(invoke: Invoke, tasks: Path) -> None:
    caps = ("--max-evaluations", "40", "--model", "scripted", "--method", "climb", "--system", FOUND)
    shown = invoke("unseen", *caps, "--task", "green.toml,blue.toml", "--on", "red.toml")

    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.rstrip().endswith("Found on green, blue was nothing better than the start.")
    assert "The mean over" not in shown.stdout
    assert "its level: 0.05 where nobody looked" in shown.stdout


@pytest.mark.slow
def test_another_search_pays_for_the_looks_before_it_and_the_same_one_again_does_not(
    invoke: Invoke, tasks: Path, model: Scripted
) -> None:
    def alpha(seed: int) -> float:
        asked = ("--task", "green.toml,blue.toml", "--on", "red.toml", "--seed", str(seed), "--test", "40")
        (each,) = unseen(invoke, *asked)["unseen"]
        return each["gain"]["alpha"]

    first, second = alpha(0), alpha(1)
    assert first == pytest.approx(0.05)
    # Start and found were one look, at other examples of the same test.
    assert second == pytest.approx(level(2))
    assert (alpha(0), alpha(1)) == (first, second)


@pytest.mark.slow
def test_a_search_never_asks_about_the_task_that_is_left_out(invoke: Invoke, tasks: Path, model: Scripted) -> None:
    invoke("optimize", *CAPS, "--task", "green.toml,blue.toml", "--json")
    searched = len(model.log)
    told = unseen(invoke, "--task", "green.toml,blue.toml", "--on", "red.toml")
    rest = [text for text in map(text_of, model.log[searched:]) if "item" in text]

    assert not any("red item" in text_of(request) for request in model.log[:searched])
    assert all("red item" in text for text in rest)
    assert len(rest) == 2 * 48
    assert [each["task"] for each in told["unseen"]] == ["red"]


@pytest.mark.slow
def test_the_caps_are_those_of_the_search_and_all_test_examples_of_the_unseen_task_are_scored(
    invoke: Invoke, tasks: Path
) -> None:
    (each,) = unseen(invoke, "--task", "green.toml,blue.toml", "--on", "red.toml", "--max-evaluations", "40")["unseen"]

    assert each["gain"]["n"] == 48


@pytest.mark.slow
def test_with_adapt_the_user_prompt_is_searched_under_either_system_prompt_which_stays(
    invoke: Invoke, tasks: Path, model: Scripted
) -> None:
    told = unseen(invoke, "--task", "green.toml,blue.toml", "--on", "red.toml", "--adapt", "--method", "metaspo")
    (each,) = told["unseen"]
    shown = [tuple(message.content for message in request.content) for request in model.log]
    systems = {sent[0] for sent in shown if len(sent) == 2 and "thoroughly" in sent[1] and "red item" in sent[1]}

    assert each["adapted"]["start"]["score"] == each["adapted"]["found"]["score"] == 1.0
    assert each["adapted"]["gain"]["verdict"] == "no_evidence"
    assert len(each["adapted"]["runs"]) == 2
    assert systems <= {"You are a helpful assistant.", FOUND}
    assert "You are a helpful assistant." in systems
    # What it found was the start's: one search is for both.
    assert each["system"] == each["start_system"]
    assert each["adapted"]["user_prompts"] == ["Say thoroughly what it is."] * 2
    assert len(set(each["adapted"]["runs"])) == 1


@pytest.mark.slow
def test_the_user_prompts_that_were_adapted_are_told_with_their_runs(invoke: Invoke, tasks: Path) -> None:
    asked = ("--task", "green.toml,blue.toml", "--on", "red.toml", "--adapt")
    shown = invoke("unseen", *CAPS, *asked)
    found = re.findall(r"\nred, adapted to (.*) \(run (\w+)\):\n(.*)\n", shown.stdout)

    # Behind the one found all is right, so the task's own stays.
    sides = "the start's system prompt", "the system prompt found"
    assert [(side, text) for side, _, text in found] == [(sides[0], FOUND), (sides[1], "Say what the red text is.")]
    assert re.search(rf"\nred +adapted .* {found[1][1]}\n", shown.stdout)
    for side in sides:
        assert f"scoring on test: red, layout 'red', {side}, user prompt adapted\n" in shown.stderr


@pytest.mark.slow
def test_user_prompts_that_know_of_no_system_prompt_are_written_from_examples_and_the_spread_is_told(
    invoke: Invoke, tasks: Path, model: Scripted
) -> None:
    asked = ("--task", "green.toml,blue.toml", "--on", "red.toml", "--user-prompts", "4")
    (each,) = unseen(invoke, *asked)["unseen"]
    told = each["user_prompts"]
    requests = [text for text in map(text_of, model.log) if "inputs and the right answers" in text]
    calls = len(model.log)

    assert sorted(told["texts"]) == ["Name it slowly.", "Name it.", "Speak thoroughly."]
    assert (told["start"]["min"], told["start"]["max"], told["start"]["n"]) == (each["start"]["score"], 1.0, 3)
    assert told["start"]["mean"] == pytest.approx((2 * each["start"]["score"] + 1) / 3)
    assert (told["found"]["min"], told["found"]["max"]) == (1.0, 1.0)
    assert told["gain"]["mean"] == pytest.approx(1 - told["start"]["mean"])
    assert told["gain"]["n"] == 48
    assert {text.count("Expected output: ") for text in requests} == {10}
    assert not any(FOUND in text or "helpful" in text for text in requests)

    shown = invoke("unseen", *CAPS, *asked)
    assert "red, under 3 user prompts written from examples: " in shown.stdout
    assert len(model.log) == calls


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--task", "red.toml,green.toml"), "name three or more with --task, or the unseen ones with --on"),
        (("--task", "red.toml", "--on", "blue.toml"), "searched on two tasks or more"),
        (("--task", "red.toml,green.toml", "--on", "green.toml"), "--on names 'green.toml', which is searched on"),
        (("--task", "red.toml,green.toml", "--on", "blue.toml,blue.toml"), "two tasks are named 'blue'"),
        (("--task", "red.toml,green.toml", "--on", ""), "--on '' has an empty name in it"),
        (("--task", "red.toml,,green.toml", "--on", "blue.toml"), "has an empty name in it; name the tasks as A,B,C"),
        ((), "which task?"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_any_call(
    more: tuple[str, ...], said: str, invoke: Invoke, tasks: Path, model: Scripted
) -> None:
    result = invoke("unseen", *CAPS, *more)

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert not model.log


def test_tasks_of_chats_are_not_adapted_and_it_is_said_before_any_call(
    invoke: Invoke, tasks: Path, model: Scripted
) -> None:
    rows = [{"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"Where is {number}?"},
                          {"role": "assistant", "content": f"{number} is here."}]} for number in range(60)]  # fmt: skip
    Path("log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert invoke("init", "chats", "--data", "log.jsonl").exit_code == 0
    named = ("--task", "red.toml,green.toml", "--on", "chats.toml", "--system", "Be kind.")
    result = invoke("unseen", *CAPS, *named, "--adapt")

    assert result.exit_code == 2
    assert "no user prompt to be searched" in " ".join(result.stderr.split())
    assert not model.log


@pytest.mark.slow
def test_one_task_is_adapted_to_a_system_prompt_that_stays(invoke: Invoke, tasks: Path, model: Scripted) -> None:
    (tasks / "found.md").write_text("You are terse.\n", encoding="utf-8")
    out = tasks / "winner.json"
    adapted = ("--system", "found.md", "--method", "metaspo")
    result = invoke("optimize", "--task", "red.toml", *adapted, *CAPS[:4], "--json", "--out", str(out))
    assert result.exit_code == 0, result.output
    parts = json.loads(out.read_text("utf-8"))["parts"]
    sent = [request.content for request in model.log if "red item" in text_of(request) and len(request.content) == 2]

    assert parts == {"instruction": "You are terse.", "user prompt of red": "Say thoroughly what it is."}
    assert json.loads(result.stdout)["verdict"] == "better"
    assert {content[0].content for content in sent} == {"You are terse."}


@pytest.mark.slow
def test_a_winner_over_several_tasks_is_exported_shown_and_measured_with_its_user_prompts(
    invoke: Invoke, tasks: Path
) -> None:
    out, text = tasks / "winner.json", tasks / "winner.txt"
    both = ("--task", "red.toml,green.toml", "--model", "scripted")
    ran = invoke("optimize", *both, "--method", "metaspo", "--max-evaluations", "400", "--json", "--out", str(out))
    assert ran.exit_code == 0, ran.output
    result = json.loads(ran.stdout)
    exported = invoke("runs", "export", result["run_id"], "--out", str(text))
    again = invoke("evaluate", *both, "--prompt", str(out), "--split", "test", "--json")
    assert exported.exit_code == again.exit_code == 0, exported.output + again.output
    parts = json.loads(out.read_text("utf-8"))["parts"]

    assert sorted(parts) == ["instruction", "user prompt of green", "user prompt of red"]
    assert f"[user prompt of red]\n{parts['user prompt of red']}" in text.read_text("utf-8")
    assert json.loads(again.stdout)["layouts"][0]["score"] == result["best"]["test"]["score"]


def test_a_user_prompt_is_measured_behind_a_system_prompt_and_one_that_spells_inputs_otherwise_is_refused(
    invoke: Invoke, tasks: Path, model: Scripted
) -> None:
    asked = ("evaluate", "--task", "red.toml", "--system", "Be terse.", "--model", "scripted", "--prompt")
    measured, refused = invoke(*asked, "Say thoroughly."), invoke(*asked, "Say {text} thoroughly.")

    assert measured.exit_code == 0, measured.output
    assert {request.content[0].content for request in model.log} == {"Be terse."}
    assert all(request.content[1].content.startswith("Say thoroughly.\n\nText: red item") for request in model.log)
    assert refused.exit_code == 2
    assert "cannot stand for the user prompt of red (added placeholder {text})" in " ".join(refused.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["found.md", "found.json", "found.txt"])
def test_a_system_prompt_is_read_from_a_text_or_from_a_winner_as_it_was_written(
    name: str, invoke: Invoke, tasks: Path, model: Scripted
) -> None:
    texts = {
        "found.md": FOUND,
        "found.json": json.dumps({"parts": {"instruction": FOUND, "user prompt of blue": "Say it."}}),
        "found.txt": f"[system]\n{FOUND}\n\n[user]\n{{history}}\n\n[user prompt of blue]\nSay it.",
    }
    (tasks / name).write_text(texts[name], encoding="utf-8")
    scoring = ("evaluate", "--task", "red.toml,green.toml", "--model", "scripted", "--split", "dev")
    result = invoke(*scoring, "--system", name)

    assert result.exit_code == 0, result.output
    assert {request.content[0].content for request in model.log} == {FOUND}


def test_a_file_that_holds_no_system_prompt_and_a_task_without_a_user_prompt_are_refused(
    invoke: Invoke, tasks: Path
) -> None:
    (tasks / "empty.json").write_text("{}", encoding="utf-8")
    none = invoke("optimize", *CAPS, "--task", "red.toml", "--system", "empty.json")
    chat = invoke("optimize", *CAPS, "--task", "support-chat", "--system", "Be kind.")

    assert none.exit_code in (1, 2)
    assert "holds no system prompt under 'parts'" in " ".join(none.stderr.split())
    assert chat.exit_code == 2
    assert "has no user prompt to be searched" in " ".join(chat.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "said"), [("1,2", "2 numbers for 3 tasks"), ("1,x,2", "'1,x,2' are no numbers")])
def test_weights_that_do_not_fit_are_told_as_they_were_given(
    weights: str, said: str, invoke: Invoke, tasks: Path
) -> None:
    named = ("--task", "red.toml,green.toml,blue.toml", "--objective", "weighted", "--weights", weights)
    refused = invoke("unseen", *CAPS, *named)
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True)


@pytest.mark.slow
def test_a_user_prompt_that_was_searched_is_not_lost_in_silence(invoke: Invoke, tasks: Path) -> None:
    caps = ("--max-evaluations", "150", "--model", "scripted", "--quiet")
    invoke("optimize", *caps, "--method", "climb", "--task", "blue.toml", "--system", "Be terse.", "--out", "b.json")
    run = json.loads(invoke("runs", "list", "--json").stdout)["runs"][0]["run_id"]
    exported = {form: invoke("runs", "export", run, "--to", form).stderr for form in ("json", "text", "openai", "llm")}
    scored = invoke("evaluate", "--task", "blue.toml", "--prompt", "b.json", "--model", "scripted")

    lost = "no place for the user prompt of blue"
    assert {form: lost in said for form, said in exported.items()} == {
        "json": False, "text": False, "openai": True, "llm": True,
    }  # fmt: skip
    assert scored.exit_code == 2
    assert "behind the system prompt (--system FILE)" in " ".join(scored.stderr.split())
    assert invoke("evaluate", *caps[2:], "--task", "blue.toml", "--prompt", "b.json", "--system", "x").exit_code == 0


@pytest.mark.slow
def test_a_dry_run_foresees_searches_and_what_they_are_judged_by(invoke: Invoke, tasks: Path, model: Scripted) -> None:
    one = ("--task", "green.toml,blue.toml", "--on", "red.toml")
    asked = (*one, "--adapt", "--user-prompts", "2", "--model", "scripted/x")
    foreseen = unseen(invoke, *asked, "--dry-run")
    shown = invoke("unseen", *CAPS, *asked, "--dry-run")
    # Before the seconds that it takes.
    assert shown.stderr.startswith("reading the tasks, and rehearsing each search without a model\n")

    assert model.log == []
    assert "3 searches, each within the caps; then 8 evaluations for each test example of 1 unseen" in shown.stdout
    unseen(invoke, *asked)
    # What two commands share is asked once: the start's own scores, under either search.
    for role, spent in (("task", sum("item" in text_of(each) for each in model.log)), ("proposer", 0)):
        told = foreseen["roles"][role]["calls"]
        assert spent / 1.5 <= told <= 1.5 * max(spent, 20)
    assert foreseen["evaluations"] == foreseen["roles"]["task"]["calls"]


@pytest.mark.slow
def test_that_a_judge_decides_nothing_is_said_below_the_table(invoke: Invoke, tasks: Path) -> None:
    for name in ("red", "green", "blue"):
        with (tasks / f"{name}.toml").open("a", encoding="utf-8") as file:
            file.write(f'[judge.rubric]\ncriteria = "{RUBRIC}"\n')
    judged = ("--evaluator", "rubric", "--judge", "scripted", "--user-prompts", "2")
    shown = invoke("unseen", *CAPS, "--task", "red.toml,green.toml,blue.toml", *judged)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("undecided") == 6
    assert " better" not in shown.stdout
    assert "Undecided: this is what a judge says, and without labels on these very replies" in shown.stdout
