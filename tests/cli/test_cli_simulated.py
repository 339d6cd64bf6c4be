"""Simulated users on the command line: from a task file with `[simulation]` to a report, and a gate."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import Invoke

from promptopt.models.scripted import Scripted
from promptopt.types import Request

TOML = """
instruction = "You are the assistant."
[simulation]
scenarios = "scenarios.csv"
turns = 2
"""


def bot(request: Request) -> str:
    text = str(request.content)
    return f"{'Gladly' if 'kind' in text else 'Well'}, {len(text)}."


def judge(request: Request) -> str:
    if "answers" in request.schema:
        return json.dumps({"reason": "so", "answers": {"1": "yes"}})
    return json.dumps({"score": 5 if "Gladly" in str(request.content) else 2})


def user(request: Request) -> str:
    return f"I want it, {str(request.content).partition('order ')[2][:2].strip()}."


@pytest.fixture
def simulated(workplace: Path, models: dict[str, Scripted]) -> str:
    rows = "\n".join(f"cancel order {number}" for number in range(60))
    (workplace / "scenarios.csv").write_text(f"goal\n{rows}\n")
    (workplace / "sim.toml").write_text(TOML)
    models["task"] = Scripted(bot, name="scripted/task")
    models["judge"] = Scripted(judge, name="scripted/judge")
    models["judge-b"] = Scripted(user, name="scripted/judge-b")
    return "sim.toml"


KIND = "You are the kind assistant."
ASKED = ("--model", "scripted/task", "--judge", "scripted/judge", "--user-model", "scripted/judge-b")


def test_evaluate_plays_the_users_with_the_model_that_is_named(
    simulated: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    done = invoke("evaluate", "--task", simulated, *ASKED)
    assert done.exit_code == 0, done.stderr
    assert models["judge-b"].calls > 0
    assert "the users are played by 'scripted/judge-b'" in " ".join(done.stderr.split())


@pytest.mark.slow
def test_the_gate_holds_conversations_against_each_other(simulated: str, invoke: Invoke) -> None:
    def outcome(prompt: str, *more: str) -> tuple[int, dict[str, str]]:
        done = invoke("check", "--task", simulated, "--prompt", prompt, *ASKED, "--json", *more)
        return done.exit_code, {each["name"]: each["outcome"] for each in json.loads(done.stdout)["decisions"]}

    code, found = outcome("You are the kind assistant.")
    assert (code, found["score"]) == (5, "inconclusive")
    code, found = outcome("You are the kind assistant.", "--accept-judge")
    assert (code, found["score"], found["leak of the prompt"]) == (0, "passed", "passed")


def test_another_evaluator_than_the_tasks_own_is_asked_wrongly(simulated: str, invoke: Invoke) -> None:
    done = invoke("evaluate", "--task", simulated, *ASKED, "--evaluator", "generation")
    assert done.exit_code == 2
    assert "scenarios of simulated users" in done.stderr


@pytest.mark.parametrize(
    ("command", "task", "said"),
    [
        (("judges", "check"), "sim.toml", "on a task of logged chats with the same [judge]"),
        (("evaluate",), "sim.toml,word-problems", "check the prompt on it afterwards"),
    ],
)
def test_what_does_not_go_with_played_users_says_what_does(
    simulated: str, invoke: Invoke, command: tuple[str, ...], task: str, said: str
) -> None:
    done = invoke(*command, "--task", task, "--model", "scripted/task", "--judge", "scripted/judge")
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_the_turns_are_a_setting(simulated: str, invoke: Invoke, models: dict[str, Scripted]) -> None:
    invoke("evaluate", "--task", simulated, *ASKED, "--set", "evaluator.turns=1")
    once = models["task"].calls
    invoke("evaluate", "--task", simulated, *ASKED)
    assert models["task"].calls == 2 * once


@pytest.mark.slow
def test_people_are_shown_whole_conversations(simulated: str, invoke: Invoke, models: dict[str, Scripted]) -> None:
    def better(request: Request) -> str:
        return "You are the kind assistant." if "Improve:" in str(request.content) else bot(request)

    models["task"] = Scripted(better, name="scripted/task")
    done = invoke("optimize", "--task", simulated, "--method", "climb", *ASKED, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["evaluator"]) == ("undecided", "simulated")
    assert invoke("label", found["run_id"], "-n", "10", "--out", "sheet.csv").exit_code == 0
    sheet = Path("sheet.csv").read_text()
    assert "goal: cancel order" in sheet
    assert "assistant: Gladly" in sheet


@pytest.mark.parametrize(
    ("who", "said", "help_"),
    [("judge-b", "", "have another model play the users"), ("judge", "well", "name another judge")],
)
def test_where_no_conversation_has_a_score_the_model_that_failed_is_to_be_exchanged(
    who: str, said: str, help_: str, simulated: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    models[who] = Scripted(lambda _: said, name=f"scripted/{who}")
    done = invoke("evaluate", "--task", simulated, *ASKED)
    assert done.exit_code == 2
    assert help_ in " ".join(done.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize(("who", "why"), [("judge-b", "the simulated user failed"), ("judge", "could not be read")])
def test_conversations_without_a_score_are_counted_however_few_there_are(
    who: str, why: str, simulated: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    sound = {"judge-b": user, "judge": judge}[who]
    models[who] = Scripted(lambda each: "" if "order 1" in str(each.content) else sound(each), name=f"scripted/{who}")
    done = invoke("evaluate", "--task", simulated, *ASKED)
    said = " ".join(done.stderr.split())
    assert done.exit_code == 0, said
    found = re.search(r"without a score, and left out of the mean: (\d+) of 12 examples, such as one where (.+)", said)
    assert found is not None
    assert 0 < int(found[1]) < 12
    assert why in found[2]


@pytest.mark.slow
def test_a_check_judge_that_cannot_be_read_is_said_to_be_why_there_is_no_verdict(
    simulated: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    models["task"] = Scripted(lambda request: KIND if "Improve:" in str(request.content) else bot(request), name="t")
    models["prose"] = Scripted(lambda _: "well", name="scripted/prose")
    asked = ("optimize", "--task", simulated, "--method", "climb", "--max-evaluations", "100", *ASKED)
    said = " ".join(invoke(*asked, "--check-judge", "scripted/prose").stdout.split())
    assert "No verdict: nothing was scored on the sealed test" in said
    assert "no item of the sealed test was judged" in said
    assert "name another judge" in said


@pytest.mark.slow
def test_a_file_that_names_who_plays_users_needs_no_trust_where_somebody_else_is_named(
    simulated: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    path = Path(simulated)
    path.write_text(f'{path.read_text()}model = "scripted/judge-c"\n')
    models["judge-c"] = Scripted(user, name="scripted/judge-c")
    refused = invoke("evaluate", "--task", simulated, *ASKED[:-2])
    assert (refused.exit_code, "--trust" in refused.stderr) == (2, True)
    for command in (("evaluate",), ("optimize", "--method", "climb", "--dry-run"), ("check", "--prompt", KIND)):
        done = invoke(*command, "--task", simulated, *ASKED)
        assert "--trust" not in done.stderr
        assert done.exit_code in (0, 5), done.stderr
    assert models["judge-c"].calls == 0
    assert invoke("evaluate", "--task", simulated, *ASKED[:-2], "--trust").exit_code == 0
    assert models["judge-c"].calls > 0


@pytest.mark.parametrize(
    "option", ["--model", "--proposer", "--judge", "--user-model", "--check-judge", "--check-model"]
)
@pytest.mark.parametrize("name", ["", " "])
def test_a_model_without_a_name_is_refused(simulated: str, invoke: Invoke, option: str, name: str) -> None:
    done = invoke("optimize", "--task", simulated, *ASKED, option, name)
    assert done.exit_code == 2
    assert f"{option} is {name!r}, which names no model; name one, or leave {option} out" in done.stderr


@pytest.mark.slow
def test_how_sure_a_scenario_is_to_pass_again_stands_beside_the_mean(
    simulated: str, invoke: Invoke, workplace: Path
) -> None:
    (workplace / simulated).write_text(f"{TOML}draws = 3\n")
    sizes = ("--train", "10", "--dev", "10", "--test", "12")
    done = invoke("evaluate", "--task", simulated, *ASKED, *sizes, "--prompt", KIND)
    assert done.exit_code == 0, done.stderr
    assert (
        "Conversations, chat: 2.0 messages of the user, 0 % ended by the user, 0.0 questions asked again; passes 1 of "
        "1: 1.000 (95 % 0.722 to 1.000), 2 of 2: 1.000 (95 % 0.722 to 1.000), 3 of 3: 1.000 (95 % 0.722 to 1.000)."
        in done.stdout
    )
    set_to = ("--set", "evaluator.draws=2", "--json")
    found = json.loads(invoke("evaluate", "--task", simulated, *ASKED, *sizes, *set_to).stdout)["layouts"][0]
    assert found["n"] == 10
    ends = found["conversations"].pop("pass_hat_ci95")
    assert ends == [[0.0, pytest.approx(0.2775, abs=1e-4)]] * 2
    assert found["conversations"] == {
        "turns": 2.0, "ended": 0.0, "repeated_questions": 0.0, "tool_calls": 0.0, "pass_hat": [0.0, 0.0]
    }  # fmt: skip
    gate = ("check", "--task", simulated, "--prompt", KIND, *ASKED, *sizes)
    done = invoke(*gate, "--summary", "summary.md")
    for text in (done.stdout, (workplace / "summary.md").read_text(encoding="utf-8")):
        assert "Conversations under the old prompt: 2.0 messages" in text
        assert "passes 1 of 1: 1.000" in text
    both = json.loads(invoke(*gate, "--json").stdout)["conversations"]
    assert (both["old"]["pass_hat"], both["new"]["pass_hat"]) == ([0.0] * 3, [1.0] * 3)
    run = json.loads(invoke("optimize", "--task", simulated, "--method", "climb", *ASKED, *sizes, "--json").stdout)
    assert run["start"]["test"]["conversations"]["pass_hat"] == [0.0] * 3
    said = invoke("runs", "show", run["run_id"]).stdout
    assert re.search(r"pass\^3 +0\.000 +\d\.\d{3}  that 3 of 3 draws of a scenario pass", said)
    assert re.search(r"95 % +0\.000 to \d\.\d{3} +\d\.\d{3} to \d\.\d{3} +over scenarios", said)
    assert re.search(r"turns +2\.000 +2\.000  messages of the user", said)


@pytest.mark.parametrize("line", ["draws = 0", "draws = 21", "passes = 0", "passes = 1.5", "draws = 1.5"])
def test_draws_out_of_range_are_told_with_their_file(
    simulated: str, invoke: Invoke, workplace: Path, line: str
) -> None:
    (workplace / simulated).write_text(f"{TOML}{line}\n")
    done = invoke("evaluate", "--task", simulated, *ASKED)
    assert (done.exit_code, line.split()[0] in done.stderr) == (2, True)
