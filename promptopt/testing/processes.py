"""Runs of a contract in other processes, each with a hash seed of its own; they are started once for all contracts."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import subprocess
import sys
import traceback
from functools import cache, reduce
from pathlib import Path
from typing import IO, Any, Protocol, cast

from promptopt.outcome.result import Result

PROGRAM = "from promptopt.testing.processes import serve; serve()"


class Conducts(Protocol):
    """A contract, as far as another process needs it."""

    def conduct(self, home: Path, /) -> Result:
        """One run in a store of its own under `home`."""
        ...


def outcome(result: Result) -> dict[str, object]:
    """What two executions of one run must agree on: everything but the clock and what each of them paid."""
    data = result.to_json()
    return {name: value for name, value in data.items() if name not in ("paid", "wall_s", "earlier", "warnings")}


def outcomes_elsewhere(kind: type[Conducts], home: Path, hash_seeds: tuple[str, ...]) -> list[dict[str, Any]]:
    """The outcome of a contract's run under each of the hash seeds, as JSON gives it back.

    `kind` must be importable by its module and name. Raises RuntimeError with the other process's traceback.
    """
    # All are started before one is asked, so that they import side by side.
    processes = [_process(seed) for seed in hash_seeds]
    for seed, process in zip(hash_seeds, processes, strict=True):
        job = [sys.path, kind.__module__, kind.__qualname__, str(home / f"hash-seed-{seed}")]
        asking = cast("IO[str]", process.stdin)
        asking.write(json.dumps(job) + "\n")
        asking.flush()
    found: list[dict[str, Any]] = []
    # Every reply is read before one of them is judged, so that none is left to be taken for the next job's.
    replies = [
        json.loads(cast("IO[str]", process.stdout).readline() or '{"error": "it ended"}') for process in processes
    ]
    for seed, reply in zip(hash_seeds, replies, strict=True):
        if "error" in reply:
            raise RuntimeError(f"{kind.__qualname__} could not be run under hash seed {seed}: {reply['error']}")
        found.append(reply["outcome"])
    return found


def serve() -> None:
    """Answer jobs, a line each, until the standard input ends. What a method prints goes to the standard error."""
    answering, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        sys.path[:], module, name, home = json.loads(line)
        try:
            kind = reduce(getattr, name.split("."), cast("Any", importlib.import_module(module)))
            reply = {"outcome": outcome(kind().conduct(Path(home)))}
        except Exception:  # noqa: BLE001 whatever it is, the process that asked must hear of it
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=answering, flush=True)


# Kept for the next contract: to import the package anew takes longer than most runs.
@cache
def _process(hash_seed: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # It closes the process's input, upon which `serve` returns.
    atexit.register(process.communicate)
    return process
