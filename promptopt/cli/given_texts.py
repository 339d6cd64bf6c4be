"""Prompts as they are typed: a text, or a file that holds one."""

from __future__ import annotations

import json
from pathlib import Path

from promptopt.errors import DataError


def given_text(text: str) -> str:
    """The text itself, or what stands in the file that it names. Raises DataError."""
    path = Path(text)
    if not is_file(path):
        _check_no_name(text, "prompt")
        return text
    if path.suffix in (".py", ".toml"):
        kind = "Python" if path.suffix == ".py" else "TOML"
        raise DataError(
            f"{str(path)!r} is a {kind} file, not a prompt; export the prompt as json (`promptopt runs export RUN "
            f"--out prompt.json`) and give that file"
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        raise DataError(f"the prompt file {str(path)!r} cannot be read as UTF-8 text: {cause}") from cause


def given_system(given: str) -> str:
    """A system prompt: the text itself, a file of it, or a winner over several tasks as it was written.

    Raises DataError.
    """
    if not is_file(Path(given)):
        _check_no_name(given, "system prompt")
        return given
    try:
        text = Path(given).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        raise DataError(f"the system prompt {given!r} cannot be read as UTF-8 text: {cause}") from cause
    if Path(given).suffix != ".json":
        # As an export in plain text has it: the system prompt alone is wanted, without the turns below it.
        begins, ends = "[system]\n", "\n\n[user]\n{history}"
        return text.removeprefix(begins).partition(ends)[0] if text.startswith(begins) and ends in text else text
    try:
        return str(json.loads(text)["parts"]["instruction"])
    except (ValueError, RecursionError, KeyError, TypeError) as cause:
        raise DataError(
            f"the file {given!r} holds no system prompt under 'parts'; write it with --out, or give its text"
        ) from cause


def _check_no_name(text: str, what: str) -> None:
    """Raises DataError for what can only be the name of a file that is not there: as a prompt it would be searched."""
    path = Path(text)
    # A word that names a folder is no prompt, and a lone hyphen elsewhere stands for what is piped in.
    if text.strip() == "-" or (len(text.split()) == 1 and _is_folder(path)):
        raise DataError(f"{text!r} is no file; name a file with the {what} in it, or give the text itself")
    if path.suffix in (".txt", ".json", ".md") and len(text.split()) == 1:
        raise DataError(f"there is no {what} file {text!r}; check its name, or give the text of the {what} itself")


def is_file(path: Path) -> bool:
    """Whether this names a file."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        # A long prompt, or one with a null character, is no name of a file.
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        # As above: a long text is no name that the system takes.
        return False
