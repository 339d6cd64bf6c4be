"""What the documents show is run, and what they must not say is not there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import promptopt
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.testing import feature_accuracy, planted_model, planted_task

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(name: str) -> list[str]:
    """The Python blocks of a document."""
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md", "docs/log-probabilities.md"])
def test_python_blocks_are_python(name: str) -> None:
    assert blocks(name)
    for block in blocks(name):
        compile(block, name, "exec")


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
def test_the_example_optimizer_finds_a_better_prompt(name: str, tmp_path: Path) -> None:
    source = next(block for block in blocks(name) if "class Rewrites" in block)
    from dataclasses import dataclass

    names: dict[str, Any] = {each: getattr(promptopt, each) for each in promptopt.__all__} | {"dataclass": dataclass}
    exec(compile(source, name, "exec", dont_inherit=True), names)
    result = optimize(
        planted_task(),
        names["Rewrites"](),
        model=Models(
            planted_model(feature_accuracy(["carefully"], base=0.4, each=0.4)),
            proposer=Scripted(lambda _: "Answer carefully.", name="proposer"),
        ),
        store=tmp_path / "store.db",
    )
    assert result.best.text == "Answer carefully."
    assert result.verdict == "better"


def test_readme_opens_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = lines[lines.index("```") + 1 : lines.index("```") + 3]
    assert commands == [
        'pip install -e ".[local]" && promptopt optimize --task support-intent --method apo',
        'pip install -e ".[local,test]" && pytest',
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_names_the_other_projects_package(document: Path) -> None:
    assert not re.search(r"pip install promptopt(?!-engine)", document.read_text(encoding="utf-8"))


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
