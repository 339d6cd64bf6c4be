"""What the documents show is run, and what they must not say is not there."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import promptopt
from promptopt.binding.models import Models
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.testing import feature_accuracy, planted_model, planted_task, uniform
from promptopt.types import Content, Request
from tests.documents import ROOT, command, follow, forget

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
REVIEWS = "text,mood\n" + "".join(f"film {number},{('good', 'bad')[number % 2]}\n" for number in range(200))
PAGES = [
    "docs/new-model.md",
    "docs/new-evaluator.md",
    "docs/new-task.md",
    *(pytest.param(f"docs/{page}.md", marks=pytest.mark.slow) for page in ("new-optimizer", "programs")),
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder that Python imports from, and an empty home."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
        changed.chdir(tmp_path)
        changed.setattr(sys, "path", [str(tmp_path), *sys.path])
        yield tmp_path
    forget(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_on_extending_runs_as_it_stands(name: str, folder: Path) -> None:
    follow(name, folder)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model that a document names answers by rule: no engine is installed here."""

    def answer(request: Request) -> str:
        text = request.content if isinstance(request.content, str) else request.content[-1].content
        return "positive" if uniform(text) < 0.5 else "negative"

    def scores(content: Content, text: str) -> list[float]:
        return [-uniform(str(content), text)] * max(1, len(text.split()))

    def opened(spec: str, *, base_url: str | None = None) -> Scripted:
        return Scripted(answer, name=spec, scores=scores)

    monkeypatch.setattr(specs, "open_model", opened)


def last_run(text: str) -> str:
    """The text with the id of the newest run for RUN."""
    if "RUN" not in text:
        return text
    return text.replace("RUN", json.loads(command("promptopt runs list --json"))["runs"][0]["run_id"])


@pytest.mark.slow
def test_the_tutorial_runs_on_a_readers_file(folder: Path, scripted: None) -> None:
    (folder / "reviews.csv").write_text(REVIEWS, encoding="utf-8")
    names = follow("docs/tutorial.md", folder, last_run)
    assert (folder / "winner.txt").read_text(encoding="utf-8")
    assert finds_a_better_prompt(names["Rewrites"](), folder)


@pytest.mark.slow
def test_the_readme_runs(folder: Path, scripted: None) -> None:
    (folder / "reviews.csv").write_text(REVIEWS, encoding="utf-8")
    more = '*(Example.of(("negative", "positive")[n % 2], text=f"film {n}") for n in range(120))]'
    known = {each: getattr(promptopt, each) for each in promptopt.__all__} | {"dataclass": dataclass}

    def edit(text: str) -> str:
        # Where DSPy is installed, its own tests run its block; `.ci/run` is what installs.
        return "" if "import dspy" in text or "pip install" in text else text.replace("...]", more)

    names = follow("README.md", folder, edit, known)
    assert (folder / "result.json").exists()
    assert finds_a_better_prompt(names["Rewrites"](), folder)


@pytest.mark.slow
def test_the_page_on_log_probabilities_runs(folder: Path, scripted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"film {number}\t{number % 2}\n" for number in range(240))
    for part in ("seed-13/train.tsv", "seed-13/dev.tsv", "test.tsv"):
        path = folder / "data" / "fewshot" / "sst-2" / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("sentence\tlabel\n" + rows.replace("film", f"{path.stem} film"), encoding="utf-8")
    monkeypatch.setenv("PROMPTOPT_DATA_HOME", str(folder / "data"))
    (folder / "prompt.txt").write_text("Is the sentence positive or negative?", encoding="utf-8")
    follow("docs/log-probabilities.md", folder)


def newest(text: str) -> str:
    """The text with the ids of the two newest runs for RUN and RUN2."""
    if "RUN" not in text:
        return text
    runs = [run["run_id"] for run in json.loads(command("promptopt runs list --json"))["runs"]]
    return text.replace("RUN2", runs[-1]).replace("RUN", runs[0])


@pytest.mark.slow
@pytest.mark.parametrize(("page", "made"), [("report", "both.html"), ("compare", "found/report.html")])
def test_the_pages_on_reports_and_comparing_run(page: str, made: str, folder: Path, scripted: None) -> None:
    follow(f"docs/{page}.md", folder, newest)
    assert (folder / made).read_text(encoding="utf-8").startswith("<!doctype html>")


def finds_a_better_prompt(optimizer: Any, folder: Path) -> bool:
    """Whether it does on a planted task whose proposer offers one."""
    result = promptopt.optimize(
        planted_task(),
        optimizer,
        model=Models(
            planted_model(feature_accuracy(["carefully"], base=0.4, each=0.4)),
            proposer=Scripted(lambda _: "Answer carefully.", name="proposer"),
        ),
        store=folder / "planted.db",
    )
    return result.best.text == "Answer carefully." and result.verdict == "better"


def test_readme_opens_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = lines[lines.index("```console") + 1 : lines.index("```console") + 3]
    assert commands == [
        'pip install -e ".[local]" && promptopt optimize --task support-intent --max-evaluations 400',
        'pip install -e ".[local,test]" && pytest',
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_names_the_other_projects_package(document: Path) -> None:
    assert not re.search(r"pip install promptopt(?!-engine)", document.read_text(encoding="utf-8"))


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target, section in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)", document.read_text(encoding="utf-8")):
            found = document.parent / target if target else document
            assert found.exists(), f"{document.name} links to {target}"
            assert not section or section in sections(found), f"{document.name} links to {target}#{section}"


def sections(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_table_cells_and_sentences_are_short(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [cell for row in rows for cell in re.split(r"(?<!\\)\|", row) if len(cell.strip()) > 120] == []
    prose = "\n".join(line for line in text.splitlines() if not line.startswith(("|", "#", "    ")))
    paragraphs = [" ".join(each.split()) for each in re.split(r"\n\s*\n|\n(?=[-*] |\d+\. )", prose)]
    lengths = [len(each.split()) for part in paragraphs for each in re.split(r"(?<=[.?!:])\s+", part) if each.strip()]
    assert not lengths or sum(lengths) / len(lengths) <= 14, "words a sentence, on average"


@pytest.mark.slow
def test_no_source_cites_documents_that_a_reader_does_not_have() -> None:
    cited = re.compile(r"(?<![/\w\"'-])[a-z_]+\.md\b|\bsections? \d|\bchecks? \d", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in ("promptopt", "tests", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        # The expression alone would take a second for all sources.
        if any(word in line.lower() for word in (".md", "section", "check")) and cited.search(line)
    ]
    assert found == [], "say the rule itself, or the paper's equation"


def test_contributing_shows_every_package_and_module_of_the_root() -> None:
    tree = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("promptopt/\n")[2].partition("```")[0]
    shown = {word.rstrip("/") for line in tree.splitlines() for word in re.split(r"\s{3,}", line.strip())[0].split()}
    package = ROOT / "promptopt"
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert modules | {path.parent.name for path in package.glob("*/__init__.py")} <= shown
    assert {path.parent.name for path in package.glob("models/*/__init__.py")} <= shown


def test_contributing_names_the_places_where_things_happen() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+/\w+\.py)`: `(\w+)`", page)
    assert len(named) >= 8
    for file, name in named:
        source = (ROOT / "promptopt" / file).read_text(encoding="utf-8")
        assert re.search(rf"(def|class) {name}\b", source), f"{file} has no {name}"
    for file in re.findall(r"`((?:promptopt|tests|benchmarks|docs)/[\w/.-]+\.\w+)`", page):
        assert (ROOT / file).exists() or "NAME" in file, file


@pytest.mark.slow
def test_the_lock_file_was_made_from_these_requirements() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = [(line, "") for line in project["dependencies"]]
    stated += [(line, extra) for extra, lines in project["optional-dependencies"].items() for line in lines]
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    [own] = [package for package in lock["package"] if package["name"] == project["name"]]
    locked = {
        (re.sub(r"[^a-z0-9]+", "-", entry["name"]), entry.get("specifier", ""), _extra_of(entry.get("marker", "")))
        for entry in own["metadata"]["requires-dist"]
    }
    assert {(*_name_and_version(line), extra) for line, extra in stated} == locked, "run `uv lock`"


def _name_and_version(line: str) -> tuple[str, str]:
    found = re.fullmatch(r"([\w.-]+)(?:\[[^]]*\])?\s*(.*)", line)
    assert found is not None
    return re.sub(r"[^a-z0-9]+", "-", found[1].lower()), found[2].replace(" ", "")


def _extra_of(marker: str) -> str:
    return marker.removeprefix("extra == ").strip("'")


def test_pre_commit_runs_the_lint_step_of_ci() -> None:
    hooks = re.findall(r"entry: ([^,]+),", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    step = (ROOT / ".ci" / "run").read_text(encoding="utf-8").partition('step "lint')[2].partition("\n\n")[0]
    assert hooks == [line.strip() for line in step.splitlines()[1:]]


def test_the_citation_names_this_version() -> None:
    assert f"version: {promptopt.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_contributing_shows_the_layers_that_the_linter_checks() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^ {4}(cli > .*(?:\n {8}> .*)*)", page, re.MULTILINE)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    [layers] = [each["layers"] for each in settings["contracts"] if each["name"] == "arrows point down"]
    checked = [sorted(layer.replace("promptopt.", "").split(" | ")) for layer in layers]
    assert [sorted(re.split(r",\s*", layer.strip())) for layer in shown.split(">")] == checked
