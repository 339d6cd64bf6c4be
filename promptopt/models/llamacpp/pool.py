"""The engines of one model: started when first needed, used by one request at a time each, ended together."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager

from promptopt.models.llamacpp.engine import LlamaCppEngine
from promptopt.models.llamacpp.folders import StatesFolder
from promptopt.models.llamacpp.server import ServerSettings
from promptopt.models.llamacpp.states import PrefixStates


class EnginePool:
    """`count` engines with the same settings, and the saved states that they share."""

    def __init__(self, settings: ServerSettings, count: int) -> None:
        """Starts nothing yet."""
        self.settings, self.count = settings, count
        self._engines: list[LlamaCppEngine | None] = [None] * count
        self._starting = [threading.Lock() for _ in range(count)]
        self._free = [threading.Semaphore(settings.slots) for _ in range(count)]
        self._closing = threading.Lock()
        self._opening = threading.Lock()
        self._folder: StatesFolder | None = None
        self._states: PrefixStates | None = None

    def engine(self, number: int) -> LlamaCppEngine:
        """That engine, to tokenise with. Starting takes seconds; raises BackendError when the model does not load."""
        states = self.states()
        # One start at a time for each engine, and several engines side by side.
        with self._starting[number]:
            engine = self._engines[number]
            if engine is None:
                engine = LlamaCppEngine(self.settings, states, number)
                self._engines[number] = engine
            return engine

    @contextmanager
    def working(self, number: int) -> Generator[LlamaCppEngine]:
        """That engine, to evaluate with in a slot of one's own: several batches can be under way at once."""
        with self._free[number]:
            yield self.engine(number)

    def states(self) -> PrefixStates:
        """The saved states, in a folder of their own."""
        with self._opening:
            if self._folder is None or self._states is None:
                gc.collect()  # a model that nobody has any more may still hold its engines
                self._folder = StatesFolder.new()
                self._states = PrefixStates(self._folder.path)
            return self._states

    def close(self) -> None:
        """End the engines, each after what it works on, and remove their files; a later use starts anew."""
        with self._closing:
            for number in range(self.count):
                self._end(number)
            with self._opening:
                if self._folder is not None:
                    self._folder.remove()
                self._folder = self._states = None

    def _end(self, number: int) -> None:
        slots = range(self.settings.slots)
        # Whoever holds all slots knows that nobody works on this engine.
        for _ in slots:
            self._free[number].acquire()
        try:
            with self._starting[number]:
                engine, self._engines[number] = self._engines[number], None
            if engine is not None:
                engine.close()
        finally:
            self._free[number].release(len(slots))
