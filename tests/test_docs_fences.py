"""No block of a document is outside the tests: each names its language, and what it shows is there.

Pages that `documents.follow` runs in other tests are run from their first block to their last. Here all the others are
held to what needs no data of a reader's: commands and their options exist, Python compiles and finds its imports.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from promptopt.cli.main import COMMANDS
from tests.documents import ROOT, blocks

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
LANGUAGES = ("console", "python", "toml", "json", "yaml", "text")
"""`text` is what is printed, or drawn; everything else is run or read."""
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])
_NAMED = re.compile(r"`promptopt ([^`]+)`")

named = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def of_language(document: Path, *languages: str) -> list[str]:
    return [text for language, text in blocks(document) if language in languages]


def check_command(words: list[str], *, whole: bool) -> None:
    """Find the command and all its options. Raises AssertionError; `whole`: also where something is left out."""
    if words[:1] in ([], ["--version"], ["--help"]):
        return
    assert words[0] in COMMANDS, words
    command: Any = typer.main.get_command(importlib.import_module(f"promptopt.cli.{words[0]}").app)
    rest = words[1:]
    # A group that stands alone names a family of commands.
    while hasattr(command, "commands") and rest:
        assert rest[0] in command.commands, words
        command, rest = command.commands[rest[0]], rest[1:]
    try:
        if not hasattr(command, "commands"):
            command.make_context(words[0], list(rest))
    except typer.TyperException as found:
        # `promptopt compare --prompts` names an option, and leaves its value to the reader.
        if whole or type(found).__name__ not in ("MissingParameter", "BadOptionUsage"):
            raise AssertionError(f"promptopt {' '.join(words)}: {found}") from found


def commands_in(text: str) -> list[list[str]]:
    """The words behind `promptopt` of each such command in a block for the shell."""
    lines = text.replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in re.split(r"&&|\||;", line)]
    split = [shlex.split(part, comments=True) for part in parts]
    return [words[1:] for words in split if words[:1] == ["promptopt"]]


@named
def test_every_block_says_what_it_is(document: Path) -> None:
    assert [text for language, text in blocks(document) if language not in LANGUAGES] == []


@named
def test_every_command_that_is_shown_has_these_options(document: Path) -> None:
    for text in of_language(document, "console"):
        for words in commands_in(text):
            check_command(words, whole=True)
        for extra in re.findall(r"\.\[([\w,-]+)\]", text):
            assert set(extra.split(",")) <= EXTRAS


@named
def test_every_command_that_is_named_in_a_sentence_exists(document: Path) -> None:
    for found in _NAMED.findall(document.read_text(encoding="utf-8")):
        check_command(shlex.split(found.replace("…", "").replace("\n", " ")), whole=False)


def texts_of(source: str) -> list[str]:
    """Every text of a module as it is shown, with X for what is filled in."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.append("".join(str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values))
    return found


def test_every_command_that_a_message_names_exists() -> None:
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "promptopt").rglob("*.py"))]
    texts = [text for source in sources if "`promptopt " in source for text in texts_of(source)]
    named = [found for text in texts for found in _NAMED.findall(text)]
    assert len(named) > 50
    for found in named:
        words = shlex.split(found.replace("…", ""))
        # A family by several of its members, or a command that is filled in, names no single one.
        if words and words[0] != "X":
            check_command(words, whole=False)


@named
def test_every_block_of_python_compiles_and_finds_what_it_imports(document: Path) -> None:
    for text in of_language(document, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("promptopt"):
                if node.module == "promptopt.dspy":
                    pytest.importorskip("dspy")
                module = importlib.import_module(str(node.module))
                assert [each.name for each in node.names if not hasattr(module, each.name)] == []


@named
def test_every_block_of_data_can_be_read(document: Path) -> None:
    for text in of_language(document, "toml"):
        tomllib.loads(text)
    for text in of_language(document, "json"):
        rest = text.strip()
        while rest:
            _, end = json.JSONDecoder().raw_decode(rest)
            rest = rest[end:].strip()


@pytest.mark.parametrize("name", ["observers", "reading-answers", "chat"])
def test_a_page_whose_python_needs_no_more_than_itself_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    found = of_language(ROOT / "docs" / f"{name}.md", "python")
    for place, text in enumerate(found):
        exec(compile(text, f"{name}.md, block {place}", "exec", dont_inherit=True), names)
    assert found


def test_a_command_that_does_not_exist_is_found() -> None:
    """The tests above can fail."""
    for wrong in ("optimise --task T", "optimize --tsk T", "runs shw RUN", "models pull"):
        with pytest.raises(AssertionError):
            check_command(shlex.split(wrong), whole=True)
