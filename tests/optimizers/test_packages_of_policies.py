"""Methods that train a model name the packages that are missing before a run is begun."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.config import RunConfig
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.cli.forecast import forecast
from promptopt.errors import ConfigError
from promptopt.optimizers.align_pro.method import AlignPro
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Sizes
from promptopt.protocols import Optimizer
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from tests.optimizers.align_pro.phrases import Books
from tests.optimizers.rlprompt.planted_labels import labelled_task, target
from tests.optimizers.rlprompt.tables import Tables

RLPROMPT, ALIGN_PRO = RLPrompt(policy="hf/policy"), AlignPro(prompter="hf/prompter")
SMALL = Sizes(steps=2, prompts=2, examples=4, held=4, every=2, finalists=1)


def begun(home: Path, method: Optimizer, heard: list[object]) -> None:
    optimize(
        labelled_task(), method, model=Models(target({})), budget=Budget(),
        store=home / "store.db", session=Session([heard.append]),
    )  # fmt: skip


@pytest.mark.parametrize("method", [RLPROMPT, ALIGN_PRO])
@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_a_missing_package_is_told_before_a_run_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Optimizer, missing: str
) -> None:
    _install(monkeypatch, without=missing)
    heard: list[object] = []
    with pytest.raises(ConfigError, match=rf"need {missing}, .* pip install 'promptopt-engine\[hf\]'"):
        begun(tmp_path, method, heard)
    assert not heard
    with Store(tmp_path / "store.db") as store:
        assert not store.runs()


def test_low_rank_adapters_need_peft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, without="peft")
    with pytest.raises(ConfigError, match=r"by peft, .* leave prompter out"):
        begun(tmp_path, ALIGN_PRO, [])


@pytest.mark.parametrize(("method", "setting"), [("rlprompt", "policy"), ("align-pro", "prompter")])
def test_a_dry_run_tells_it_too(monkeypatch: pytest.MonkeyPatch, method: str, setting: str) -> None:
    _install(monkeypatch, without="torch")
    config = RunConfig(task="sst-2", method=method, settings={setting: "hf/model"}, model="embedded")
    with pytest.raises(ConfigError, match="need torch"):
        forecast(config, labelled_task())


@pytest.mark.parametrize("method", [RLPrompt(length=2, size=SMALL, writer=Tables()), AlignPro(writer=Books())])
def test_a_policy_of_ones_own_needs_no_package(monkeypatch: pytest.MonkeyPatch, method: RLPrompt | AlignPro) -> None:
    _install(monkeypatch, without="torch")
    method.check_installed()
    AlignPro().check_installed()


def test_a_replay_needs_no_package(tmp_path: Path) -> None:
    begun(tmp_path, Looking(), [])
    LACKED.append("torch")
    try:
        begun(tmp_path, Looking(), [])
        with pytest.raises(ConfigError, match="torch is missing"):
            begun(tmp_path / "elsewhere", Looking(), [])
    finally:
        LACKED.clear()


LACKED: list[str] = []


@dataclass(frozen=True, slots=True)
class Looking:
    """A method that evaluates the start, and could not train where `LACKED` names a package."""

    def check_installed(self) -> None:
        if LACKED:
            raise ConfigError(f"{LACKED[0]} is missing")

    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial], run.train[:4])


def _install(monkeypatch: pytest.MonkeyPatch, *, without: str) -> None:
    """Let packages seem installed, but for one; nothing of them can be used."""

    def spec(name: str) -> object:
        return None if name == without else object()

    monkeypatch.setattr("promptopt.models.files.checkpoints.find_spec", spec)
    monkeypatch.setattr("promptopt.optimizers.align_pro.trained.find_spec", spec)
