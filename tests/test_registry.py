"""Names resolve through entry points, and a wrong one says which was meant."""

from __future__ import annotations

import pytest

from promptopt.errors import UnknownName
from promptopt.registry import load, names


def test_our_own_methods_are_registered_as_any_plugin_is() -> None:
    assert "apo" in names("optimizers")
    assert load("optimizers", "apo").__name__ == "APO"


@pytest.mark.parametrize("group", ["optimizers", "evaluators", "selection"])
def test_every_entry_can_be_imported(group: str) -> None:
    for name in names(group):
        assert load(group, name)


def test_near_misses_are_named() -> None:
    with pytest.raises(UnknownName, match=r"no method is named 'apoo'; did you mean 'apo'"):
        load("optimizers", "apoo")
    with pytest.raises(UnknownName, match="no selector is named 'zzzzzz'; known: "):
        load("selection", "zzzzzz")
