"""A model that is gone, answering from a file: what it was asked while it could still be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptopt.errors import BackendError, DataError
from promptopt.models.stopping import until_stopped
from promptopt.text import lines_of
from promptopt.types import Reply, Request, canonical


class Recorded:
    """`protocols.Model` over the replies in a file of `recorded_lines`."""

    def __init__(self, path: Path) -> None:
        """Raises DataError where the file cannot be read, or holds something else."""
        try:
            lines = lines_of(path.read_text(encoding="utf-8"))
            rows: list[Mapping[str, Any]] = [json.loads(line) for line in lines if line.strip()]
            self.name = str(rows[0]["model"])
            # By what is asked alone, so a request has one answer.
            self._replies = {canonical(row["request"]): Reply.from_json(row["reply"]) for row in rows}
            self._again = {canonical(row["request"]): Reply.from_json(row["again"]) for row in rows if "again" in row}
            others = {str(row["model"]) for row in rows} - {self.name}
        except OSError as cause:
            raise DataError(f"the reference {path} cannot be read: {cause.strerror}; check its name") from cause
        except (ValueError, KeyError, IndexError, TypeError) as cause:
            raise DataError(f"{path} holds no recorded replies; write them with promptopt migrate --freeze") from cause
        if others:
            raise DataError(f"{path} holds replies of {self.name} and of {sorted(others)[0]}; give one model's alone")
        self._path = path

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """What it answered then. Raises BackendError for what it was never asked."""
        for index, request in until_stopped(requests, stopping):
            reply = self._replies.get(canonical(request.to_json()))
            if reply is None:
                raise BackendError(
                    f"{self._path} has no reply of {self.name} to what is asked here: it was written for another "
                    f"prompt, other data or other splits; freeze it anew with these"
                )
            yield index, reply

    def again(self, request: Request) -> Reply | None:
        """The second draw of what it answered then; None where there was only one."""
        return self._again.get(canonical(request.to_json()))


def recorded_lines(name: str, calls: Sequence[tuple[Request, Reply]], again: Sequence[Reply] = ()) -> str:
    """The file that `Recorded` reads: a line a call. `again`: the second draw of each, where there is one."""
    rows = [{"model": name, "request": request.to_json(), "reply": reply.to_json()} for request, reply in calls]
    for row, reply in zip(rows, again, strict=False):
        row["again"] = reply.to_json()
    return "".join(canonical(row) + "\n" for row in rows)
