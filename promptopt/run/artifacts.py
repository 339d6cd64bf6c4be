"""Bytes that a method keeps from one execution to the next, such as the weights of what it trains."""

from __future__ import annotations

from promptopt.store.blobs import Blobs
from promptopt.store.call_keys import call_key
from promptopt.types import canonical


class Artifacts:
    """By content: the inputs must determine the bytes. What is missing must be made anew; no replay is checked by it.

    Of each name a run keeps the newest bytes only, so weights of a long search take the room of one.
    """

    def __init__(self, blobs: Blobs, run: str) -> None:
        """`run`: the id of the run that keeps them; they go where it is deleted."""
        self._blobs, self._run = blobs, run

    def put(self, name: str, data: bytes, *inputs: str) -> None:
        """Keep `data`, in the place of what this run kept under `name` before."""
        self._blobs.keep(_key(name, inputs), self._run, name, data)

    def adopt(self, name: str, *inputs: str) -> None:
        """Keep what another run of the store keeps for these inputs, as `put` would; for a run that shared its work."""
        self._blobs.adopt(_key(name, inputs), self._run, name)

    def get(self, name: str, *inputs: str) -> bytes | None:
        """What was kept under `name` for these inputs; None where it is not there any more, or damaged."""
        return self._blobs.find(_key(name, inputs), self._run)


def _key(name: str, inputs: tuple[str, ...]) -> bytes:
    return call_key("kept", canonical([name, *inputs]), "kept")
