"""What other programs are told of a run: MLflow (`--track mlflow`), OpenTelemetry (`--track otel`).

A tracker sees the run's events and its result. Where it fails it says so once, and the run goes on untold.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from promptopt.errors import UnknownName

if TYPE_CHECKING:
    from promptopt.outcome.result import Result
    from promptopt.run.events import Event

TRACKERS = ("mlflow", "otel")


class Tracker(Protocol):
    """Is told of a run: each event as it happens, then its result, then that it is over, however it ended."""

    def __call__(self, event: Event) -> None:
        """Something happened."""
        ...

    def finish(self, result: Result) -> None:
        """The run came to a result."""
        ...

    def close(self) -> None:
        """Nothing follows; without a result, the run failed."""
        ...


class Told:
    """All trackers as one: what one of them raises is said once, and that one is told nothing more."""

    def __init__(self, trackers: Mapping[str, Tracker], say: Callable[[str], None]) -> None:
        """`trackers`: by name. `say`: takes a sentence for the user."""
        self._trackers, self._say = dict(trackers), say

    def __call__(self, event: Event) -> None:
        """Pass an event on."""
        self._each(lambda tracker: tracker(event))

    def finish(self, result: Result) -> None:
        """Pass the result on."""
        self._each(lambda tracker: tracker.finish(result))

    def close(self) -> None:
        """Close them all."""
        self._each(lambda tracker: tracker.close())

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        # A copy, for one that fails is taken out on the way.
        for name, tracker in list(self._trackers.items()):
            try:
                tell(tracker)
            except Exception as error:  # noqa: BLE001 (a server of theirs that is down must not end a run that is paid for)
                del self._trackers[name]
                said = str(error).strip().splitlines()
                self._say(f"{name} is told nothing more of this run: {type(error).__name__}: {said[0] if said else ''}")


@contextmanager
def tracked(names: Sequence[str], config: Mapping[str, Any], say: Callable[[str], None]) -> Generator[Told]:
    """The trackers of these names, as one, closed at the end.

    `config`: what started the run. Raises UnknownName, and ConfigError where one is not installed.
    """
    made: dict[str, Tracker] = {}
    for name in dict.fromkeys(names):
        if name == "mlflow":
            # Imported only where it is named: the packages behind it are extras.
            from promptopt.tracking.mlflow import MLflow

            made[name] = MLflow(config)
        elif name == "otel":
            from promptopt.tracking.otel import OpenTelemetry

            made[name] = OpenTelemetry(config)
        else:
            raise UnknownName("tracker", name, TRACKERS)
    told = Told(made, say)
    try:
        yield told
    finally:
        told.close()
