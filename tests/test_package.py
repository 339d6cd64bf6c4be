"""The public surface, frozen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import promptopt

ROOT = Path(__file__).parents[1]


def test_public_names() -> None:
    assert len(promptopt.__all__) < 26
    for name in promptopt.__all__:
        assert getattr(promptopt, name) is not None
    assert set(promptopt.__all__) <= set(dir(promptopt))


def test_import_stays_light() -> None:
    program = "import sys, promptopt; print([m for m in sys.argv[1].split() if m in sys.modules])"
    heavy = "numpy scipy sqlalchemy openai pydantic typer rich tiktoken litellm xllamacpp"
    done = subprocess.run([sys.executable, "-c", program, heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_object_reaches_into_the_private_parts_of_another() -> None:
    silenced = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "promptopt").rglob("*.py"))
        # Pyright reports each such reach, so only what is silenced can stay.
        if "reportPrivateUsage" in path.read_text(encoding="utf-8")
    ]
    assert silenced == []
