"""Several editable parts on the command line: every output shows all of them; a program of the user's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import START, Invoke

from promptopt.models.scripted import Scripted
from promptopt.types import digest

SYSTEM = "You judge."


@pytest.fixture
def two_parts(task_file: str, workplace: Path) -> str:
    text = (workplace / "mood.toml").read_text(encoding="utf-8")
    head, mark, rest = text.partition("[data]")
    named = f'{head}editable = ["system", "instruction"]\n[parts]\nsystem = "{SYSTEM}"\n{mark}{rest}'
    (workplace / "two.toml").write_text(named, encoding="utf-8")
    return "two.toml"


def told(text: str) -> str:
    return f"[system]\n{SYSTEM}\n\n[instruction]\n{text}"


@pytest.mark.slow
def test_evaluate_and_optimize_show_all_editable_parts(invoke: Invoke, two_parts: str) -> None:
    found = json.loads(invoke("evaluate", "--model", "scripted", "--task", two_parts, "--json").stdout)
    assert found["prompt"] == told(START)
    run = json.loads(
        invoke("optimize", "--model", "scripted", "--task", two_parts, "--method", "climb", "--json").stdout
    )
    assert run["start"]["prompt"] == told(START)
    assert run["start"]["parts"] == {"system": SYSTEM, "instruction": START}
    shown = invoke("runs", "show", run["run_id"]).stdout
    assert "[system]" in shown
    assert "[instruction]" in shown
    assert "[system]" in invoke("tasks", "show", two_parts).stdout


def test_explain_takes_each_editable_part_to_pieces(invoke: Invoke, two_parts: str, model: Scripted) -> None:
    model._scores = lambda content, text: [-1.0] * len(text.split())
    found = json.loads(
        invoke("explain", "--model", "scripted", "--task", two_parts, "--json", "--examples", "4").stdout
    )
    assert list(found) == ["system", "instruction"]
    assert (found["system"]["prompt"], found["instruction"]["prompt"]) == (SYSTEM, START)


def test_a_prompt_of_several_parts_is_given_as_a_file_of_json(invoke: Invoke, two_parts: str, workplace: Path) -> None:
    base = ("evaluate", "--model", "scripted", "--task", two_parts, "--json")
    refused = invoke(*base, "--prompt", "Say it.")
    assert "several editable parts (system, instruction)" in refused.stderr
    parts = {"system": "Judge.", "instruction": "Say it."}
    (workplace / "mine.json").write_text(json.dumps({"parts": parts}), encoding="utf-8")
    found = json.loads(invoke(*base, "--prompt", "mine.json").stdout)
    assert found["prompt"] == "[system]\nJudge.\n\n[instruction]\nSay it."
    (workplace / "half.json").write_text(json.dumps({"parts": {"system": "Judge."}}), encoding="utf-8")
    assert "lacks 'parts' with 'instruction'" in invoke(*base, "--prompt", "half.json").stderr


PROGRAM = """
from promptopt import Example

prompt = {"look": "Look at it.", "say": "Say what the text is."}
examples = [
    Example.of(("good", "bad")[number % 2], text=f"item {number} {('good', 'bad')[number % 2]}") for number in range(60)
]


def program(prompt, example, ask):
    seen = ask(f"{prompt['look']} {example['text']}").text
    return ask(f"{prompt['say']} carefully {seen} {example['text']}").text
"""


def test_a_program_is_run_once_it_is_trusted(invoke: Invoke, workplace: Path) -> None:
    (workplace / "own_program.py").write_text(PROGRAM, encoding="utf-8")
    base = ("evaluate", "--model", "scripted", "--task", "own_program:program", "--json")
    refused = invoke(*base).stderr
    assert "would run, as the Python module 'own_program' that holds the program" in refused
    assert "--trust" in refused
    found = json.loads(invoke(*base, "--trust").stdout)
    assert found["layouts"][0]["score"] == 1.0
    assert found["evaluator"] == "program"
    assert found["prompt"].startswith("[look]\nLook at it.")
    # Trusted by its content, so it need not be said again; another content is.
    assert json.loads(invoke(*base).stdout)["layouts"][0]["paid"]["calls"] == 0
    (workplace / "own_program.py").write_text(PROGRAM + "\n", encoding="utf-8")
    assert invoke(*base).exit_code == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("own_other:nothing", "has no 'nothing'"),
        ("no_such:program", "there is no module"),
        ("own_other:number", "is 3"),
    ],
)
def test_a_name_that_is_no_program_is_refused_with_a_sentence(
    name: str, why: str, invoke: Invoke, workplace: Path
) -> None:
    (workplace / "own_other.py").write_text("number = 3\n", encoding="utf-8")
    assert why in invoke("evaluate", "--model", "scripted", "--task", name, "--trust").stderr


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("\nraise RuntimeError('broken')\n", "line 2 of {path} raises RuntimeError: broken; mend the module"),
        ("name = input('who? ')\n", "line 1 of {path} raises EOFError"),
        ("import sys\nsys.exit('bye')\n", "line 2 of {path} raises SystemExit: bye"),
        ("def program(:\n", "line 1 of {path} raises SyntaxError"),
        ("import no_such_library\n", "needs the module 'no_such_library', which is not installed; install it"),
    ],
)
@pytest.mark.parametrize("as_metric", [False, True], ids=["program", "metric"])
def test_a_module_that_cannot_be_imported_is_told_with_its_line(
    source: str,
    why: str,
    as_metric: bool,
    invoke: Invoke,
    task_file: str,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The name of a module that was never tried: Python keeps those that it has imported.
    module = f"own_broken_{digest([source, as_metric])}"
    folder = workplace / module
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(workplace)
    path = folder / "own.py"
    path.write_text(source, encoding="utf-8")
    if as_metric:
        text = (workplace / task_file).read_text(encoding="utf-8")
        (workplace / "own.toml").write_text(f'metric = "{module}.own:score"\n{text}', encoding="utf-8")
    task = "own.toml" if as_metric else f"{module}.own:program"
    done = invoke("evaluate", "--model", "scripted", "--task", task, "--trust")
    assert why.format(path=path) in done.stderr
    assert "this should not happen" not in done.stderr
    assert done.exit_code == 2


def test_what_a_program_prints_does_not_stand_among_the_results(invoke: Invoke, workplace: Path) -> None:
    loud = PROGRAM.replace("    seen = ask", "    print('a word from inside')\n    seen = ask")
    (workplace / "own_loud.py").write_text(f"print('hello')\n{loud}", encoding="utf-8")
    done = invoke("evaluate", "--model", "scripted", "--task", "own_loud:program", "--trust", "--json")
    assert json.loads(done.stdout)["layouts"][0]["score"] == 1.0
    assert "hello" in done.stderr
    assert "a word from inside" in done.stderr
