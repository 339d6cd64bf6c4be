"""The page of a method names its settings and their defaults as the code has them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptopt import registry
from promptopt.cli.methods import registered_name, settings
from tests.documents import ROOT

pytestmark = pytest.mark.slow
PAGES = sorted(ROOT.glob("docs/methods/*.md"))
_NAME = re.compile(r"`([a-z_]+(?:\.[a-z_]+)*)`")


def registered(page: Path) -> list[str]:
    """The methods that the page is about: its own name, or a family that begins with it."""
    names = registry.names("optimizers")
    return [page.stem] if page.stem in names else [name for name in names if name.startswith(f"{page.stem}-")]


def defaults(page: Path) -> dict[str, str]:
    """Every setting of the page's methods and its default, as `methods show` says them."""
    return {name: text for each in registered(page) for name, text in named(registry.load("optimizers", each)())}


def named(made: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """(dotted name, default) of the settings of a method or of a group, those of its groups included."""
    yield from ((before + name, default) for name, default, *_ in settings(made))
    for field in dataclasses.fields(made):
        value = getattr(made, field.name)
        if field.init and dataclasses.is_dataclass(value) and registered_name(value) == "(below)":
            yield from named(value, f"{before}{field.name}.")


def rows(page: Path) -> Iterator[tuple[list[str], str]]:
    """(settings of a row, its second cell) of every table of settings."""
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        inside = bool(cells) and (inside or cells[0] == "setting")
        if inside and _NAME.search(cells[0]):
            yield _NAME.findall(cells[0]), cells[1]


def stated(cell: str, count: int) -> list[str]:
    """The plain values that a cell gives for so many settings; empty where it speaks in words."""
    values = [each.strip().strip("`") for each in cell.split(",")] if count > 1 else [cell.strip("`")]
    plain = all(re.fullmatch(r"-?[\d,.e-]+|true|false", each) for each in values)
    return values if plain and len(values) == count else []


def same(found: str, value: str) -> bool:
    """Whether a default is the value that a page gives; a None is said in words or as a number that is planned."""
    if found in ("true", "false") or value in ("true", "false"):
        return found == value
    return found in ("none", value) or float(found) == float(value.replace(",", ""))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_settings_of_a_page_are_those_of_the_method(page: Path) -> None:
    known = defaults(page)
    assert known
    for names, cell in rows(page):
        assert set(names) <= set(known), f"{page.name} has settings that the method lacks"
        for name, value in zip(names, stated(cell, len(names)), strict=False):
            assert same(known[name], value), f"{page.name}: {name} is {known[name]}, not {value}"
    text = page.read_text(encoding="utf-8")
    # How a model is asked is the same group of settings in every method.
    plain = [name for name in known if "sampling" not in name and known[name] != "(below)"]
    assert [name for name in plain if f"`{name}`" not in text] == [], "settings that the page leaves out"


def test_every_method_has_a_page() -> None:
    assert sorted(name for page in PAGES for name in registered(page)) == registry.names("optimizers")
