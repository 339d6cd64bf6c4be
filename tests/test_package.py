"""The public surface, frozen."""

from __future__ import annotations

import subprocess
import sys

import promptopt


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
