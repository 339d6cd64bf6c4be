"""What a run survives: `python -m benchmarks.chaos [PART ...] [--kills N] [--caps N] [--faults N] [--write]`.

kills   runs killed with SIGKILL at random moments, and resumed: winners that differ, calls that are paid again
caps    runs under random caps of each kind: overshoot, runs without the promised test, ledgers beside the server
faults  runs against a server of which 5 or 20 % of all requests fail in one of ten ways
files   hostile task files and damaged stores: whether each ends in a clear sentence

No model is called: a scripted server in a process of its own answers over HTTP, and counts what it answered.
"""

from __future__ import annotations

import argparse
import datetime
import random
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import chaos_files, chaos_runs
from benchmarks.chaos_server import FAULTS, ChaosServer

RESULTS = Path(__file__).parent / "results" / "chaos.md"
RATES = (0.05, 0.2)


def kills(server: ChaosServer, count: int, rng: random.Random) -> list[str]:
    """The figures of `count` kills."""
    found = chaos_runs.killed(server, count, rng)
    return [
        "## Kills", "",
        "| kills | runs | runs that ended otherwise | calls they need | calls paid again | a kill, on average | "
        "a kill, in the worst run | bound: requests in flight |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        f"| {found.kills} | {found.runs} | {found.differ} | {found.calls:,} | {found.repaid:,} | "
        f"{found.repaid / max(1, found.kills):.1f} | {found.most} | {chaos_runs.CONCURRENCY} |",
    ]  # fmt: skip


def caps(server: ChaosServer, count: int, rng: random.Random) -> list[str]:
    """The figures of `count` caps of each kind."""
    lines = [
        "## Caps", "",
        "| cap on | runs | refused as too small | above the cap | by at most | smaller test than promised | of these, "
        "unsaid | ledger beside the server's count: differ | replies that came too late |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for kind in chaos_runs.KINDS:
        found = chaos_runs.capped(server, kind, count, rng)
        lines.append(
            f"| {kind} | {found.runs} | {found.refused} | {found.over} | {100 * found.worst:.1f} % | "
            f"{found.without} | {found.unsaid} | {found.ledger} | {found.late} |"
        )
    return lines


def faults(server: ChaosServer, count: int, rng: random.Random) -> list[str]:
    """The figures of `count` runs for each fault and rate."""
    lines = [
        "## Faults", "",
        "| fault | share | runs | faults met | runs that ended otherwise | calls: ledger less the server's count | "
        "replies that came too late |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for fault in FAULTS:
        for rate in RATES:
            found = chaos_runs.faulty(server, fault, rate, count)
            lines.append(
                f"| {fault} | {100 * rate:.0f} % | {found.runs} | {found.faults} | {found.differ} | {found.ledger} "
                f"| {found.late} |"
            )
    return lines


def files(server: ChaosServer, count: int | None, rng: random.Random) -> list[str]:
    """The figures of hostile task files and damaged stores."""
    lines = [
        "## Files", "",
        "| | tried | a clear sentence | went on unharmed | neither |",
        "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    wrong: list[str] = []
    for name, found in (
        ("hostile task files", chaos_files.hostile(count)),
        ("damaged stores", chaos_files.damaged(server, count, rng)),
    ):
        assert found.wrong is not None
        lines.append(f"| {name} | {found.tried} | {found.sentences} | {found.well} | {len(found.wrong)} |")
        wrong += [f"- {each}" for each in found.wrong]
    return [*lines, *(["", *wrong] if wrong else [])]


PARTS: dict[str, Callable[[ChaosServer, int, random.Random], list[str]]] = {
    "kills": kills,
    "caps": caps,
    "faults": faults,
    "files": files,
}


def main() -> None:
    """Print the figures; with `--write`, keep them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--caps", type=int, default=20, help="of each kind")
    parser.add_argument("--faults", type=int, default=1, help="runs for each fault and rate")
    parser.add_argument("--files", type=int, default=None, help="of each kind; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"to {RESULTS.name}")
    told = parser.parse_args()
    begun = time.monotonic()
    lines = [
        "# Chaos", "",
        f"`python -m benchmarks.chaos`, {datetime.date.today()}, seed {told.seed}. {chaos_runs.CONCURRENCY} requests",
        f"in flight at most; methods in turn: {', '.join(chaos_runs.METHODS)}.",
    ]  # fmt: skip
    # Forked before there is any thread.
    with ChaosServer() as server:
        for part in told.parts or PARTS:
            found = PARTS[part](server, getattr(told, part), random.Random(f"{part} {told.seed}"))
            print("\n".join(found), flush=True)
            lines += ["", *found]
    lines += ["", f"It took {(time.monotonic() - begun) / 60:.0f} minutes."]
    if told.write:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
