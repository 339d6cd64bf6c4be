"""Names resolve through entry points, and a wrong one says which was meant."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promptopt.cli.main import app
from promptopt.errors import ConfigError, UnknownName
from promptopt.models.providers import Access, Provider, scoring_forms
from promptopt.models.scripted import Scripted
from promptopt.models.specs import check_spec
from promptopt.registry import entries, load, module_of, names


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


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in whose module raises."""
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError('boom')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(
        entries("optimizers"), "broken", EntryPoint("broken", "broken_plugin:X", "promptopt.optimizers")
    )


@pytest.mark.usefixtures("broken")
def test_a_plugin_that_raises_is_said_to_be_broken() -> None:
    with pytest.raises(ConfigError, match=r"the method 'broken' \(broken_plugin:X\) cannot be imported: boom"):
        load("optimizers", "broken")


def test_what_a_module_of_the_users_imports_is_told_apart_from_the_module_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy.py").write_text("import not_there.at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="it needs the module 'not_there', which is not installed; install it"):
        module_of("needy", "it")
    for name in ("no_such_module", "no_such_package.inner"):
        with pytest.raises(ConfigError, match="put the module's folder on PYTHONPATH"):
            module_of(name, "it")


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("asked", [["list"], ["show", "random"]])
def test_a_broken_plugin_hides_no_other_method(asked: list[str]) -> None:
    shown = CliRunner().invoke(app, ["methods", *asked])
    assert shown.exit_code == 0, shown.output
    assert "Random search" in shown.stdout


@pytest.mark.parametrize("said", ["raise RuntimeError('boom')", "X = 'no provider'"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_broken_provider_hides_no_other(
    said: str, form: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_models.py").write_text(said)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_models", raising=False)
    monkeypatch.setitem(entries("models"), "broken", EntryPoint("broken", "broken_models:X", "promptopt.models"))
    shown = CliRunner().invoke(app, ["models", "list", *form])
    assert shown.exit_code == 0, shown.output
    assert "openai/NAME" in shown.stdout
    assert ("cannot be imported: boom" if "boom" in said else "register a promptopt.models") in shown.stdout
    assert "llamacpp/FILE.gguf" in scoring_forms()


def test_only_what_runs_here_is_said_to_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    hosted = Provider("shop/NAME", "models of the shop", lambda rest, base_url: Scripted(["a"], name=rest))

    def found(name: str) -> Provider:
        assert name == "shop"
        return hosted

    monkeypatch.setattr("promptopt.models.specs.find", found)
    monkeypatch.setitem(entries("models"), "shop", EntryPoint("shop", "shop:X", "promptopt.models"))
    with pytest.raises(ConfigError, match=r"'shop' takes no base URL"):
        check_spec("shop/small", Access("http://localhost:1/v1"))
