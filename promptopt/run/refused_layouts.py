"""Whether the task model takes the requests that a prompt makes: some take no plain text, others no system message."""

from __future__ import annotations

from collections.abc import Callable

from promptopt.errors import ConfigError, RequestRefused, Suspended
from promptopt.run.door import Door


def reason_refused(door: Door, score: Callable[[], object]) -> str | None:
    """The reason, where `score` asks what the model takes in no form of that kind, for good; None where it is scored.

    Any other stop passes through. A replay asks again, and is refused again.
    """
    # Otherwise the refusal would settle as the outcome of one request, and the layout would be searched on.
    strict, door.strict = door.strict, True
    try:
        score()
    except ConfigError as error:
        return str(error)
    except Suspended as stop:
        if not isinstance(stop.__cause__, RequestRefused):
            raise
        return str(stop.__cause__)
    finally:
        door.strict = strict
    return None
