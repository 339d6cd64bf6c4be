"""`promptopt check` at its bounds: caps that come first, slots in another spelling, what is found before it costs."""

from __future__ import annotations

import errno
import json
import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command_line import BETTER, START, Invoke, answer, text_of
from typer.testing import Result

from promptopt.models.scripted import Scripted


@pytest.fixture
def model() -> Any:
    return Scripted(lambda request: answer(request) if "item " in text_of(request) else "good", name="scripted/one")


def check(invoke: Invoke, task: str, prompt: str, *more: str) -> Result:
    return invoke("check", "--task", task, "--model", "x", "--prompt", prompt, *more)


def outcomes(done: Result) -> dict[str, str]:
    return {each["name"].split(" (")[0]: each["outcome"] for each in json.loads(done.stdout)["decisions"]}


def with_contract(task_file: str, lines: str) -> str:
    path = Path(task_file)
    path.write_text(f"{path.read_text(encoding='utf-8')}\n[contract]\n{lines}\n", encoding="utf-8")
    return task_file


def chat(workplace: Path, mark: str, contract: str = "") -> str:
    rows = [{"name": f"Ann{number}", "messages": [{"role": "user", "content": f"item {number} good"},
                                                  {"role": "assistant", "content": "good"}]}
            for number in range(60)]  # fmt: skip
    (workplace / "bot.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (workplace / "bot.toml").write_text(
        f'instruction = "You talk to {mark}. Be kind."\nmetric = "exact"\n[data]\nfile = "bot.jsonl"\n'
        f'variables = ["name"]\nturns = "last"\n{contract}',
        encoding="utf-8",
    )
    return "bot.toml"


def test_an_example_that_must_pass_and_was_not_asked_is_no_pass(invoke: Invoke, task_file: str) -> None:
    vital = [{"text": "item 302 bad", "label": "good"}]
    Path("vital.jsonl").write_text("".join(json.dumps(row) + "\n" for row in vital), encoding="utf-8")
    with_contract(task_file, 'must_pass = "vital.jsonl"')
    capped = check(invoke, task_file, BETTER, "--max-calls", "10", "--margin", "0.9")

    assert capped.exit_code == 5, capped.stdout
    assert "it was not asked: a cap came first" in capped.stdout
    assert "10 of 96 examples (a cap came first)" in capped.stdout
    assert check(invoke, task_file, BETTER).exit_code == 4


def test_a_test_of_fixed_size_that_a_cap_has_cut_shows_nothing_that_could_be_looked_at(
    invoke: Invoke, task_file: str, model: Scripted
) -> None:
    with_contract(task_file, 'output_schema = {type = "string"}\nlargest_loss = 0.5')
    for cap in ("30", "60", "95"):
        capped = check(invoke, task_file, BETTER, "--max-calls", cap, "--summary", "cut.md", "--junit", "cut.xml")
        assert capped.exit_code == 5, capped.stderr
        assert f"{cap} of 96 examples (a cap came first)" in capped.stdout
        assert "run the same command with a higher cap" in capped.stdout
        for told in (capped.stdout, Path("cut.md").read_text("utf-8"), Path("cut.xml").read_text("utf-8")):
            assert "points" not in told
            assert "Broken" not in told
            assert "Look" not in told
            assert "break it" not in told
    found = json.loads(check(invoke, task_file, BETTER, "--max-calls", "95", "--json").stdout)
    assert "gain" not in next(each for each in found["decisions"] if each["name"] == "score")
    assert found["look"] is None
    assert model.calls == 2 * 95

    whole = json.loads(check(invoke, task_file, BETTER, "--max-calls", "96", "--json").stdout)
    assert model.calls == 2 * 96
    # All of it together is the first look.
    assert whole["look"]["number"] == 1
    assert next(each for each in whole["decisions"] if each["name"] == "score")["gain"]["n"] == 96


def test_a_cap_within_the_examples_that_must_pass_leaves_the_test_whole(invoke: Invoke, task_file: str) -> None:
    vital = [{"text": f"item {at} bad", "label": "bad"} for at in (302, 304, 305)]
    Path("vital.jsonl").write_text("".join(json.dumps(row) + "\n" for row in vital), encoding="utf-8")
    with_contract(task_file, 'must_pass = "vital.jsonl"')
    for cap in ("96", "98"):
        done = check(invoke, task_file, BETTER, "--max-calls", cap, "--json")
        found = json.loads(done.stdout)["decisions"]
        assert next(each for each in found if each["name"] == "score")["gain"]["n"] == 96
        assert done.exit_code == 5
    refused = check(invoke, task_file, BETTER, "--sequential")
    assert refused.exit_code == 2
    assert "96 examples of these by a test of that size" in refused.stderr


def test_attacks_that_a_cap_leaves_out_leave_the_rest_of_the_check(invoke: Invoke, workplace: Path) -> None:
    capped = ("--max-calls", "30", "--margin", "0.9", "--json")
    done = check(invoke, chat(workplace, "{{name}}"), "You talk to {{name}}. Be very kind.", *capped)

    assert done.exit_code == 5, done.stderr
    assert outcomes(done) == {"contract": "passed", "scan": "passed", "score": "passed",
                              "leak of the prompt": "inconclusive", "hidden orders": "inconclusive"}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("old", ["{{name}}", "{name}", "${name}", "<name>"])
@pytest.mark.parametrize(
    "new", ["{{name}}", "{{ name }}", "{name}", "${name}", "<name>", "$name", "[name]", "{{Name}}"]
)
def test_a_slot_that_the_prompt_in_use_spells_otherwise_is_red(
    old: str, new: str, invoke: Invoke, workplace: Path
) -> None:
    same = "".join(old.split()) == "".join(new.split())
    task, asked = chat(workplace, "{name}"), ("--margin", "0.9", "--max-calls", "10", "--json")
    Path("old.md").write_text(f"You talk to {old}. Be kind.", encoding="utf-8")
    Path("new.md").write_text(f"You talk to {new}. Be very kind.", encoding="utf-8")
    by_file = check(invoke, task, "new.md", "--baseline", "old.md", *asked)
    by_start = check(invoke, chat(workplace, old), f"You talk to {new}. Be very kind.", *asked)

    for done in (by_file, by_start):
        assert outcomes(done)["contract"] == ("passed" if same else "regression"), done.stdout
        assert done.exit_code == (5 if same else 4)


def test_an_exported_winner_is_of_no_spelling(invoke: Invoke, workplace: Path) -> None:
    task = chat(workplace, "{{name}}")
    winner = {"parts": {"instruction": "You talk to {name}. Be very kind."}, "demos": [], "layout": ""}
    Path("winner.json").write_text(json.dumps(winner), encoding="utf-8")

    done = check(invoke, task, "winner.json", "--margin", "0.9", "--max-calls", "10", "--json")
    assert outcomes(done)["contract"] == "passed", done.stderr


def test_line_ends_and_marks_of_windows_change_nothing(invoke: Invoke, task_file: str) -> None:
    with_contract(task_file, 'must_contain = ["text is."]')
    plain = "Say what the\ntext is.\nCarefully."
    files = {"unix.md": plain.encode(), "windows.md": b"\xef\xbb\xbf" + plain.replace("\n", "\r\n").encode()}
    for name, data in files.items():
        Path(name).write_bytes(data)
    told = [json.loads(check(invoke, task_file, name, "--json").stdout) for name in files]

    assert told[0] == told[1]
    assert {each["outcome"] for each in told[0]["decisions"]} == {"passed"}


@pytest.mark.parametrize("place", ["no/such/folder/f.xml", "folder"])
@pytest.mark.parametrize("option", ["--junit", "--summary"])
def test_a_report_that_cannot_be_written_is_found_before_anything_is_asked(
    option: str, place: str, invoke: Invoke, task_file: str, model: Scripted
) -> None:
    Path("folder").mkdir()
    done = check(invoke, task_file, BETTER, option, place)

    assert (done.exit_code, model.log) == (2, [])
    assert f"'{place}' cannot be written" in done.stderr


@pytest.mark.parametrize("option", ["--junit", "--summary"])
def test_a_full_disk_costs_neither_what_was_found_nor_the_report_that_was_there(
    option: str, invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("report").write_text("of yesterday", encoding="utf-8")
    monkeypatch.setattr("promptopt.cli.check.write_whole", full)
    done = check(invoke, task_file, BETTER, "--baseline", START, option, "report")

    assert done.exit_code == 2
    assert "It may be shipped." in done.stdout
    assert (
        "'report' cannot be written (No space left on device); free some space on that disk, or choose a place on"
        in done.stderr
    )
    assert Path("report").read_text(encoding="utf-8") == "of yesterday"


def test_a_schema_that_is_none_is_found_before_anything_is_asked(
    invoke: Invoke, task_file: str, model: Scripted
) -> None:
    pytest.importorskip("jsonschema", reason="jsonschema (the extra `schema`) is not installed")
    with_contract(task_file, 'output_schema = { type = "objekt" }')
    done = check(invoke, task_file, BETTER, "--baseline", START)

    assert (done.exit_code, model.log) == (2, [])
    assert "is no JSON Schema" in done.stderr


@pytest.mark.parametrize("option", ["--prompt", "--baseline"])
def test_an_option_that_is_given_twice_is_refused_and_nothing_is_asked(
    option: str, invoke: Invoke, task_file: str, model: Scripted
) -> None:
    done = check(invoke, task_file, BETTER, "--baseline", START, option, "Another prompt.")
    assert done.exit_code == 2
    assert f"{option} is given 2 times" in " ".join(done.stderr.split())
    assert model.calls == 0


@pytest.mark.parametrize("other", ["report.txt", "./report.txt"])
def test_two_reports_in_one_file_are_refused(other: str, invoke: Invoke, task_file: str, model: Scripted) -> None:
    done = check(invoke, task_file, START, "--junit", "report.txt", "--summary", other)
    assert (done.exit_code, model.calls) == (2, 0)
    assert "name a file for each" in done.stderr
    apart = check(invoke, task_file, START, "--junit", "report.xml", "--summary", "report.md")
    assert apart.exit_code == 0


def test_minutes_that_are_over_suspend_and_a_dead_server_fails(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("check", "evaluate"):
        done = invoke(command, "--task", task_file, "--model", "x", "--prompt", BETTER, "--max-minutes", "0.000001")
        assert done.exit_code == 3
        assert "suspended: " in done.stderr
        assert "run the same command again to go on" in done.stderr
    dead = Scripted(lambda _: "good", name="scripted/dead", fail_at=1)
    monkeypatch.setattr("promptopt.models.specs.open_model", lambda spec, *, base_url=None: dead)
    assert check(invoke, task_file, f"{BETTER} Please.").exit_code == 1


@pytest.mark.parametrize("mark", ["{{name}}", "{name}", "${name}"])
def test_a_lost_slot_is_named_as_the_users_own_file_spells_it(invoke: Invoke, workplace: Path, mark: str) -> None:
    done = check(invoke, chat(workplace, mark), "You talk to a customer. Be kind.", "--max-calls", "4", "--json")
    contract = next(each for each in json.loads(done.stdout)["decisions"] if each["name"] == "contract")
    assert f"lost placeholder {mark}" in json.dumps(contract), contract


def test_the_workflow_to_copy_runs_this_command_and_keeps_the_store_of_a_red_check(
    invoke: Invoke, task_file: str
) -> None:
    page = (Path(__file__).parents[2] / "docs/check.md").read_text(encoding="utf-8")
    workflow = page.partition("```yaml\n")[2].partition("```")[0]
    command = " ".join(workflow.partition("- run: >\n")[2].partition("        env:")[0].split())
    assert command.startswith("promptopt check ")
    files = {"prompts/bot.toml": task_file, "prompts/system.md": BETTER, "old.md": START}
    done = invoke(*(files.get(word, word) for word in shlex.split(command)[1:]), "--dry-run")
    assert done.exit_code == 0, done.stderr
    # A step that saves runs after a failed one only where it says so.
    assert re.search(r"- if: always\(\)\n +uses: actions/cache/save@", workflow)
    restored, saved = re.findall(r" key: (.+)", workflow)
    assert restored == saved
    assert ": write" not in workflow


def test_a_check_that_fails_is_an_error_in_its_report_and_not_what_passed_before(
    invoke: Invoke, task_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text("what an earlier check wrote", encoding="utf-8")
    done = check(invoke, "nowhere.toml", BETTER, "--junit", str(junit))
    assert done.exit_code == 2
    case = ElementTree.parse(junit).getroot().find("testsuite/testcase/error")
    assert case is not None
    assert "nowhere.toml" in case.attrib["message"]
    assert case.attrib["message"] in " ".join(done.stderr.split())
    # A dry run leaves what is there.
    junit.write_text("of the last check", encoding="utf-8")
    assert check(invoke, "nowhere.toml", BETTER, "--junit", str(junit), "--dry-run").exit_code == 2
    assert junit.read_text(encoding="utf-8") == "of the last check"
    # A disk that is full hides no failure.
    monkeypatch.setattr("promptopt.cli.check.write_whole", full)
    assert check(invoke, "nowhere.toml", BETTER, "--junit", str(junit)).stderr == done.stderr


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (("--task", "nowhere.toml"), 2, "nowhere.toml"),
        (("--margin", "3"), 2, "--margin 3 is no loss"),
        (("--max-minutes", "0.000001"), 3, "run the same command again"),
    ],
)
def test_both_reports_of_a_check_that_ends_undecided_say_so_and_not_what_passed_before(
    more: tuple[str, ...], code: int, told: str, invoke: Invoke, task_file: str, tmp_path: Path
) -> None:
    reports = (tmp_path / "junit.xml", tmp_path / "summary.md")
    for report in reports:
        report.write_text("It passed.", encoding="utf-8")
    done = check(invoke, task_file, BETTER, "--junit", str(reports[0]), "--summary", str(reports[1]), *more)
    assert done.exit_code == code
    for report in reports:
        text = report.read_text(encoding="utf-8")
        assert told in text
        assert "passed" not in text
    assert reports[1].read_text(encoding="utf-8").startswith("## promptopt: failed")


def test_what_no_sentence_foresees_stands_in_both_reports(
    invoke: Invoke, task_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("a plug-in broke")

    monkeypatch.setattr("promptopt.cli.check._check_as_text", broken)
    reports = (tmp_path / "junit.xml", tmp_path / "summary.md")
    done = check(invoke, task_file, START, "--junit", str(reports[0]), "--summary", str(reports[1]))
    assert done.exit_code == 1
    assert all("RuntimeError: a plug-in broke" in report.read_text(encoding="utf-8") for report in reports)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
