"""A report in a real headless Chromium: it renders, reacts, keeps to itself, and runs nothing that a run holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from promptopt.reports.page.render import runs_page
from promptopt.reports.page.views import ReportedRun
from tests.reports.page_reports import HOSTILE, report

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytest.importorskip("jinja2", reason="needs the extra `report`")
CHROMIUM = os.environ.get("PROMPTOPT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("needs a Chromium (Debian's package, or PROMPTOPT_CHROMIUM)", allow_module_level=True)


@dataclass
class Opened:
    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def opened(browser: Any, folder: Path, *reports: dict[str, Any], width: int = 1280, scheme: str = "light") -> Opened:
    file = folder / "report.html"
    file.write_text(runs_page([ReportedRun(each, "promptopt optimize") for each in reports]), encoding="utf-8")
    found = Opened(browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme))
    found.page.on("console", lambda message: found.said.append(message.text))
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    found.page.on("dialog", lambda dialog: (found.said.append("dialog"), dialog.dismiss()))
    found.page.on("request", lambda request: found.asked.append(request.url))
    found.page.goto(file.as_uri())
    if folder := os.environ.get("PROMPTOPT_SCREENSHOTS"):
        found.page.screenshot(path=f"{folder}/{len(reports[0]['candidates'])}-{width}-{scheme}.png", full_page=True)
    return found


@pytest.mark.parametrize(("candidates", "text"), [(5, "Answer."), (2_000, "Answer."), (20, HOSTILE)])
@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1280, "light")])
def test_it_renders_without_errors_and_asks_for_nothing(
    candidates: int, text: str, width: int, scheme: str, browser: Any, tmp_path: Path
) -> None:
    found = opened(browser, tmp_path, report(candidates, text=text), width=width, scheme=scheme)
    assert found.said == []
    assert found.asked == [(tmp_path / "report.html").as_uri()]
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found.page.locator(".node").count() == candidates
    assert found.page.evaluate("document.title").startswith("promptopt: ")
    found.page.close()


def test_the_tree_answers_to_hover_and_to_keys(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, report(30)).page
    panel = page.locator(".panel")
    assert "29 of 29" in panel.inner_text(), "the winner is shown first"
    page.locator("#r0n3").hover(force=True)
    assert "3 of 29" in panel.inner_text()
    assert "Operator: rewrite" in panel.inner_text()
    page.locator("svg.tree").focus()
    for key, expected in (("Home", "0 of 29"), ("ArrowRight", "1 of 29"), ("ArrowUp", "0 of 29"), ("ArrowLeft", "0 of"),
                          ("ArrowDown", "1 of 29"), ("End", "29 of 29"), ("ArrowRight", "29 of 29")):  # fmt: skip
        page.keyboard.press(key)
        assert expected in panel.inner_text(), key
    assert page.locator(".edge.lit").count() > 0
    page.close()


def test_examples_are_found_by_words_and_by_kind(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, report(5)).page
    shown = page.locator("details.item:visible")
    assert shown.count() == 200
    page.get_by_label("Search examples").fill("QUESTION 13")
    assert shown.count() == 12, "13, 113, and 130 to 139"
    page.get_by_label("Kind of example").select_option("broken")
    assert 0 < shown.count() < 12
    page.get_by_label("Search examples").fill("")
    assert shown.count() == 14
    page.close()


def test_the_diff_marks_what_went_and_what_came(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, report(5, text="Think about <b>it</b>.")).page
    assert page.locator(".diff del").all_inner_texts() == ["0"]
    assert page.locator(".diff ins").all_inner_texts() == ["4"]
    assert page.locator("main b").count() == page.locator(".panel b").count(), "no markup of a run's"
    page.close()


def test_several_runs_have_a_tree_each(browser: Any, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, report(5), {**report(8), "run_id": "b" * 12})
    assert found.said == []
    assert [text.splitlines()[0] for text in found.page.locator(".panel").all_inner_texts()] == [
        "Candidate: 4 of 4 (id4), on the way to the winner",
        "Candidate: 7 of 7 (id7), on the way to the winner",
    ]
    found.page.emulate_media(media="print")
    assert found.page.locator(".filters:visible").count() == 0
    found.page.close()
