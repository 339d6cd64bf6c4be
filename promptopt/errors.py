"""Everything promptopt raises, as one tree.

    PromptoptError (Exception)
    ├── ConfigError            the user asked for something that cannot be; exit code 2
    │   └── UnknownName        no such task, method, model, option; offers the nearest names
    ├── DataError              a file, row or label is not what the task needs; exit code 2
    │   └── Endless            a regular expression does not end on a text
    ├── BackendError           an engine or server failed beyond its retries; run the same command again to go on
    │   ├── RequestRefused     a server takes no requests of this form, though it may take others
    │   ├── Refused            until a key, a name or an account is mended
    │   └── SomeRefused        some requests of a batch, by a server that has answered others before
    ├── EvaluatorError         a metric or judge failed on one cell; carries prompt id, example id and cause
    └── StoreError             the store cannot be read or written
        └── ReplayDiverged     a replay asked something else than the journal holds

    StopRun (BaseException)    control flow: only `promptopt.api` catches it
    ├── BudgetSpent            a limit on what the run spends is reached: the search ends, the final choice follows
    │   └── CutShort           … in the middle of a batch of cells, of which some were scored before
    └── Suspended              what may pass (the clock, an interrupt, a dead engine): run again to go on

Stops derive from `BaseException`, so that no `except Exception` in a user's metric can swallow one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class PromptoptError(Exception):
    """Base of every mistake and failure; its text is one sentence that says what to do next."""


class ConfigError(PromptoptError, ValueError):
    """A setting, option or argument that cannot be used."""


class UnknownName(ConfigError):
    """A name that nothing is registered under."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, meant: str = "") -> None:
        """`kind` is the noun shown to the user ("task"), `known` every name that would have worked.

        `meant`: what the user meant, in words, where something else than the spelling shows it.
        """
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        # In other letters, large or small, a short name has none in common.
        folded = {each.casefold(): each for each in names}
        near = near or [folded[each] for each in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names) or 'none'}."
        hint = f"did you mean {meant}?" if meant else hint
        super().__init__(f"no {kind} is named {name!r}; {hint}")
        self.kind = kind
        self.name = name
        self.near = near


class DataError(PromptoptError, ValueError):
    """Data that cannot be read, or that the task cannot use; names the file and the row."""


class Endless(DataError):
    """A regular expression that does not end on a text within its time."""


class BackendError(PromptoptError):
    """An engine or server that failed beyond its retries."""


class Refused(BackendError):
    """A server that answers, and will go on refusing until something is mended: a key, a name, an account."""

    def __init__(self, message: str, *, of_request: bool = False) -> None:
        """`of_request`: what is refused may also be this one request: a firewall answers 403 to a text it dislikes."""
        super().__init__(message)
        self.of_request = of_request


class RequestRefused(BackendError):
    """A server that refuses requests of this form for good: another layout or setting may do."""


def of_request(refusal: Refused | RequestRefused) -> bool:
    """Whether what is refused may be one request alone, and no key or account."""
    return isinstance(refusal, RequestRefused) or refusal.of_request


class SomeRefused(BackendError):
    """Requests that were refused twice, by a server that has answered others before. The cause is the first refusal."""

    def __init__(self, message: str, places: Mapping[int, bool]) -> None:
        """`places`: those requests of the batch, and whether the server has answered another since."""
        super().__init__(message)
        self.places = dict(places)


class EvaluatorError(PromptoptError):
    """A metric or judge that failed on one (prompt, example) cell."""

    def __init__(self, message: str, *, prompt_id: str, example_id: str) -> None:
        """The cause goes into `__cause__` (raise … from)."""
        super().__init__(f"{message} (prompt {prompt_id}, example {example_id})")
        self.prompt_id, self.example_id = prompt_id, example_id


class StoreError(PromptoptError):
    """The store cannot be opened, read or written."""


class ReplayDiverged(StoreError):
    """A replayed run asked something else than its journal holds."""

    def __init__(self, *, run_id: str, position: int, expected: str, asked: str) -> None:
        """`expected` and `asked` are the two requests as JSON text."""
        super().__init__(
            f"run {run_id} asked something else at call {position} than when it was recorded, so it cannot be resumed: "
            f"its code, data or libraries have changed, or a function of yours keeps state or draws by chance. Start "
            f"it afresh with another seed, or delete it with `promptopt runs delete {run_id}`."
            f"\n  recorded: {_clip(expected)}\n  asked now: {_clip(asked)}"
        )
        self.run_id = run_id
        self.position = position
        self.expected = expected
        self.asked = asked


def _clip(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else text[:limit] + " …"


class StopRun(BaseException):
    """A run must stop; carries the sentence shown to the user, and no result."""


class BudgetSpent(StopRun):
    """A limit on `spent` is reached."""


class CutShort(BudgetSpent):
    """A limit was reached within a batch of cells; raised by evaluators whose cells take several calls."""

    def __init__(self, message: str, scores: Mapping[int, Any]) -> None:
        """`scores`: those of the cells that were scored before, by their place in the batch, in order."""
        super().__init__(message)
        self.scores = scores


class Suspended(StopRun):
    """The run can go on later: running the same command again continues it."""
