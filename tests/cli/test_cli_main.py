"""The top of the command line: its lists, its suggestions, its exit codes, and what it must not import or show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import pytest
import typer
from command_line import Invoke

from promptopt import __version__
from promptopt.cli import output
from promptopt.cli.main import COMMANDS
from promptopt.errors import BackendError, ConfigError, DataError, EvaluatorError, StoreError, UnknownName

HEAVY = ("rich", "pydantic", "sqlalchemy", "numpy", "scipy", "openai", "tiktoken", "xllamacpp", "litellm")


@cache
def commands() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name in COMMANDS:
        command = typer.main.get_command(import_module(f"promptopt.cli.{name}").app)
        found.append((name, command))
        found += [(f"{name} {inner}", each) for inner, each in getattr(command, "commands", {}).items()]
    return found


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom promptopt.cli.main import main\nsys.argv = ['promptopt', '--help']\n"
        f"try:\n    main()\nfinally:\n    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout.startswith("Usage: promptopt")


def test_every_command_is_listed_with_its_own_first_line(invoke: Invoke) -> None:
    shown = " ".join(invoke("--help").stdout.split())
    for name, command in commands():
        if " " not in name:
            first = " ".join(command.help.split("\n\n")[0].split())
            assert first == COMMANDS[name]
            assert f"{name} {first}" in shown


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_and_option_says_what_it_does(name: str, invoke: Invoke) -> None:
    command = dict(commands())[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", "shown") or parameter.name == "help", parameter.name
    result = invoke(*name.split(), "--help")
    assert result.exit_code == 0
    # A line that ends in "..." is a description too long for the list of commands.
    assert "...\n" not in result.stdout.partition("Commands:")[2]


def test_the_help_of_evaluator_names_each_that_comes_along(invoke: Invoke) -> None:
    said = next(parameter.help for parameter in dict(commands())["optimize"].params if parameter.name == "evaluator")
    own = [found.name for found in entry_points(group="promptopt.evaluators") if found.value.startswith("promptopt.")]
    assert len(own) > 5
    assert [name for name in own if name not in re.findall(r"[a-z_]+", said)] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["optimise"], "no command is named 'optimise'; did you mean 'optimize'?"),
        (["runs", "shw"], "Did you mean 'show'?"),
        (["optimize", "--methd", "apo"], "--method"),
        (["optimize", "--task", "support-intnt", "--method", "climb"], "did you mean 'support-intent'"),
        (["optimize", "--method", "climb"], "which task?"),
        (["methods", "show", "clmb"], "did you mean 'climb'?"),
        (["models", "show", "smolm2-135m"], "did you mean 'smollm2-135m'?"),
        (["tasks", "show", "gsm9k"], "did you mean 'gsm8k'?"),
        (["runs", "show", "nowhere"], "promptopt runs list"),
        (["optimize", "--task", "no.toml", "--method", "climb"], "no.toml"),
        (["evaluate"], "--task"),
        (["methods", "show", "CLIMB"], "did you mean 'climb'?"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_2(arguments: list[str], expected: str, invoke: Invoke) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (UnknownName("task", "x", ["y"]), 2),
        (DataError("x"), 2),
        (BackendError("x"), 1),
        (StoreError("x"), 1),
        (EvaluatorError("x", prompt_id="p", example_id="e"), 1),
        (RuntimeError("x"), 1),
        (OSError(28, "No space left on device"), 1),
        (KeyboardInterrupt(), 3),
    ],
)
def test_exit_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert output.exit_code_of(error) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> None:
    monkeypatch.setenv("PROMPTOPT_DEBUG", "1")
    assert "Traceback" in invoke("methods", "show", "clmb").stderr


def test_keys_are_never_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123")
    monkeypatch.setenv("PROMPTOPT_DEBUG", "1")
    output.exit_code_of(RuntimeError("the header was Bearer sk-very-secret-0123"))
    said = capsys.readouterr()
    assert "sk-very-secret-0123" not in said.err + said.out
    assert "(the value of OPENAI_API_KEY)" in said.err


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": 1}})
    assert capsys.readouterr().out == '{"a": null, "b": [null, 1.5], "c": {"d": 1}}\n'


def test_version_short_help_and_the_module(invoke: Invoke) -> None:
    assert invoke("--version").stdout == f"promptopt {__version__}\n"
    assert invoke("-h").stdout == invoke("--help").stdout
    assert invoke("runs", "list", "-h").stdout == invoke("runs", "list", "--help").stdout
    found = subprocess.run([sys.executable, "-m", "promptopt", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == f"promptopt {__version__}\n"


@pytest.mark.parametrize("command", [("runs", "list"), ("methods", "list"), ("models", "list"), ("tasks", "list"),
                                     ("cache", "info")])  # fmt: skip
def test_every_list_is_had_as_json(command: tuple[str, str], invoke: Invoke) -> None:
    found = json.loads(invoke(*command, "--json").stdout)
    assert any(isinstance(value, list) for value in found.values())


@pytest.mark.parametrize("second", [["--task", "b"], ["--task=b"]])
def test_of_an_option_that_names_several_by_commas_it_is_told_that_the_last_counts(
    second: list[str], invoke: Invoke
) -> None:
    said = invoke("optimize", "--task", "a", *second, "--method", "climb").stderr
    assert "warning: --task is given twice, with 'a' and 'b'; the last counts; to name both, write one option" in said
    assert "'b'" in said.partition("comma between")[2]


@pytest.mark.parametrize("other", [["--task", "a"], ["--seed", "1", "--seed", "2"], ["--set", "x=1", "--set", "y=2"]])
def test_of_other_options_the_last_counts_without_a_word(other: list[str], invoke: Invoke) -> None:
    assert "twice" not in invoke("optimize", "--task", "a", *other, "--method", "climb").stderr


@pytest.mark.parametrize("twice", [("--input", "a", "--input", "b"), ("--data", "no.csv", "--data", "no.csv")])
def test_what_may_be_given_twice_is_not_refused(twice: tuple[str, ...], invoke: Invoke) -> None:
    told = invoke("init", "x", "--data", "no.csv", *twice, "--target", "c").stderr
    assert "there is no file no.csv" in told


@pytest.mark.slow
@pytest.mark.parametrize("line", ["promptopt nope ", "promptopt optimize --task a --task b --max"])
def test_a_shell_that_completes_a_wrong_line_prints_nothing_of_ours(line: str) -> None:
    words = len(line.split(" ")) - 1
    asked = {"_PROMPTOPT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(words)}
    command = [sys.executable, "-m", "promptopt"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **asked}, check=False)
    assert done.stderr == ""
    assert ("--max-calls" in done.stdout.split()) == line.endswith("--max")


NOISY = """
import os, subprocess, sys
from contextlib import suppress
from promptopt.cli.output import hand_over, results_alone, say, show_json

with suppress(ZeroDivisionError), results_alone():
    print("python")
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)
    os.write(1, b"library\\n")
    show_json({"a": 1})
    hand_over("text")
    say("remark")
    1 / 0
print("after")
os.system("echo child after")
"""


def test_programs_that_users_code_starts_print_apart_from_results() -> None:
    """A metric that runs a program spoiled what --json prints."""
    done = subprocess.run([sys.executable, "-u", "-c", NOISY], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ['{"a": 1}', "text", "after", "child after", ""]
    assert sorted(done.stderr.split()) == ["child", "library", "python", "remark"]
