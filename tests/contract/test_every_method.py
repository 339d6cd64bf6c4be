"""Every registered method keeps the contract of optimizers, which holds caps, ledger, replay and the seal."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

from promptopt import registry
from promptopt.testing import OptimizerContract
from tests.documents import ROOT


def descendants(kind: type[OptimizerContract]) -> Iterator[type[OptimizerContract]]:
    """All classes below a class."""
    for each in kind.__subclasses__():
        yield each
        yield from descendants(each)


@pytest.mark.slow
def test_every_registered_method_has_a_contract_of_its_own() -> None:
    for path in sorted((ROOT / "tests" / "optimizers").rglob("test_*.py")):
        if "Contract" in path.read_text(encoding="utf-8"):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    kept = {type(each.optimizer) for each in descendants(OptimizerContract) if hasattr(each, "optimizer")}
    methods = {name: registry.load("optimizers", name) for name in registry.names("optimizers")}
    assert [name for name, made in methods.items() if made not in kept] == []
