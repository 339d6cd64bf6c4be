"""Whether the task model takes the requests that a prompt makes: some take no plain text, others no system message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptopt.errors import ConfigError, RequestRefused, Suspended
from promptopt.types import Example, Prompt

if TYPE_CHECKING:
    from promptopt.run.run import Run


def refused(run: Run, prompt: Prompt, example: Example) -> str | None:
    """Score `prompt` on `example`; the reason, where the model takes no request of that form for good, else None.

    Any other stop passes through. A replay asks again, and is refused again.
    """
    door = run._door  # pyright: ignore[reportPrivateUsage]
    # Else the refusal would settle as the outcome of one request, and the layout would be searched on.
    strict, door.strict = door.strict, True
    try:
        run.evaluate([prompt], [example])
    except ConfigError as error:
        return str(error)
    except Suspended as stop:
        if not isinstance(stop.__cause__, RequestRefused):
            raise
        return str(stop.__cause__)
    finally:
        door.strict = strict
    return None
