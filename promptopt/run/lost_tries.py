"""Tries that brought no whole reply: the server may have counted them, and no ledger of ours holds what they took."""

from __future__ import annotations

from collections.abc import Callable

from promptopt.protocols import LosesTries, Model
from promptopt.text import counted


class LostTries:
    """Those of the models that a run asks, from the first time it asks each."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[LosesTries, int]] = {}

    def watch(self, model: Model) -> None:
        """The model is about to be asked."""
        if isinstance(model, LosesTries):
            # One model may have several roles, and another run may have asked it before.
            self._before.setdefault(id(model), (model, model.tries_lost))

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(model.tries_lost - before for model, before in self._before.values())

    def tell(self, warn: Callable[[str], None]) -> None:
        """Say what the ledger leaves out, where it leaves out anything."""
        if self.count:
            warn(lost_tries_told(self.count))


def lost_tries_told(lost: int) -> str:
    """What the ledger leaves out, as a sentence."""
    return (
        f"{counted(lost, 'try', 'tries')} at a request brought no whole reply in time: the server may have "
        f"counted and billed {'it' if lost == 1 else 'them'} all the same, beside this ledger and its caps"
    )
