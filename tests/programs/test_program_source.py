"""A program as a proposer is shown it: all that is the user's own, and none of the secrets that stand in it."""

from __future__ import annotations

import linecache
import sys
import types
from typing import Any

import pytest

from promptopt.programs import ProgramEvaluator
from promptopt.programs.outputs import said_of
from promptopt.programs.secrets import without_secrets
from promptopt.programs.source import own_bases, source_of
from promptopt.types import ProgramText


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('KEY = "sk-proj-abcdefgh12345678"', 'KEY = "[secret]"'),
        ('x = open("postgres://user:hunter2@db:5432/x")', 'x = open("[secret]")'),
        ('password: str = "correcthorse"', 'password: str = "[secret]"'),
        ("self.token = 'f3a9c77b1d2e'", "self.token = '[secret]'"),
        ('os.environ["OPENAI_API_KEY"] = "abcd1234efgh"', 'os.environ["OPENAI_API_KEY"] = "[secret]"'),
        ('lm("openai/gpt", api_key="dead1234", n="v1abcde")', 'lm("openai/gpt", api_key="[secret]", n="v1abcde")'),
        ('{"Authorization": "token 1", "cookie": b"dead12345"}', '{"Authorization": "token 1", "cookie": b"[secret]"}'),
        ('x = "0123456789abcdef0123456789abcdef"', 'x = "[secret]"'),
        ("# password: hunter22\nx = 1", "# [secret]\nx = 1"),
        ('k = """-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"""', 'k = """[secret]"""'),
        # A lambda's line ends in the middle of a call.
        ('run(lambda x: ask(x, password="letmein"),', 'run(lambda x: ask(x, password="[secret]"),'),
        ("no python: ' of sk-abcdefgh12345", "no python: ' of [secret]"),
    ],
)  # fmt: skip
def test_secrets_in_a_source_are_marked(line: str, shown: str) -> None:
    assert without_secrets(line) == shown


@pytest.mark.parametrize(
    "line",
    [
        "cache_key = hashlib.md5(text + b'1')",
        'api_key = os.getenv("LLM_KEY")',
        "max_tokens = 4096; token = tokens[0]",
        'self.secret = dspy.Predict("question, hint1->secret")',
        'plan = ask(f"{prompt[\'plan\']} <prompt>{x}</prompt> ```py", part="plan2")',
        'raise ValueError("the password is required")',
        "def f(x):\n\treturn 'it\\'s'  # a comment\x0c\n\n",
    ],
)
def test_code_without_secrets_stays_to_the_letter(line: str) -> None:
    assert without_secrets(line) == line


def test_what_a_proposer_is_shown_of_a_program_holds_no_secret() -> None:
    def calls(prompt: Any, example: Any, ask: Any) -> str:
        headers = {"api_key": "dead1234beef"}
        return ask(f"{prompt['solve']} {headers}").text

    assert "dead1234beef" not in ProgramEvaluator(calls).program_text().source
    assert '{"api_key": "[secret]"}' in ProgramEvaluator(calls).program_text().source

    class Tells:
        def __call__(self, prompt: Any, example: Any, ask: Any) -> str:
            return ""

        def program_text(self) -> ProgramText:
            return ProgramText('x = "sk-abcdefgh12345"', {"solve": "f(x)"})

    assert ProgramEvaluator(Tells()).program_text() == ProgramText('x = "[secret]"', {"solve": "f(x)"})


def test_a_failure_tells_no_key() -> None:
    assert (
        said_of(ValueError("Incorrect API key: sk-abcdefgh12345"))
        == "it raised ValueError: Incorrect API key: [secret]"
    )


NOTEBOOK = """class Cell:
    kept = 1

    def __call__(self, prompt, example, ask):
        # Solve it.
        return ask(prompt["solve"]).text
"""


def test_a_class_of_a_notebook_is_shown_by_its_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    made = types.ModuleType("notebook_of_test")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    # As a notebook keeps its cells: by a name that is no file's, and for no module.
    lines = NOTEBOOK.splitlines(keepends=True)
    monkeypatch.setitem(linecache.cache, "<cell 1>", (len(NOTEBOOK), None, lines, "<cell 1>"))
    exec(compile(NOTEBOOK, "<cell 1>", "exec"), vars(made))
    assert source_of(made.Cell()) == NOTEBOOK.replace("    kept = 1\n\n", "").strip()


class Base:
    pass


class Own(Base):
    pass


def test_bases_come_first_and_a_module_that_lies_is_no_mistake() -> None:
    class Lies(Own):
        __module__ = None  # pyright: ignore[reportAssignmentType]

    assert own_bases(Lies) == [Base, Own, Lies]
