"""What the demands of `support-chat` are worth beside the 60 judged replies, by what is wrong with each.

usage: python -m benchmarks.support_chat_agreement. No model is asked. Agreement with its interval, for demands, the
judge and both: promptopt judges calibrate --task support-chat --evaluator generation (rubric, weighted) --labels FILE.
"""

from __future__ import annotations

import json
import statistics

from benchmarks.make_support_chat import LIBRARY
from promptopt.evaluators.demands import demands
from promptopt.judges import labelled_rows
from promptopt.tasks import load_task

LABELS = LIBRARY / "support-chat-labels.jsonl"


def by_fault() -> dict[str, list[float]]:
    """For each fault the values of its replies, in the order of the file."""
    rows = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]
    places = [(f"row {number}", row) for number, row in enumerate(rows, 1)]
    found: dict[str, list[float]] = {}
    for row, labelled in zip(rows, labelled_rows(load_task("support-chat"), places, (0.0, 5.0)), strict=True):
        found.setdefault(row["fault"], []).append(demands(labelled.reply, labelled.example).value)
    return found


def main() -> None:
    """Print the table."""
    print("| fault | replies | mean | worth 1 |\n| --- | --- | --- | --- |")
    for fault, values in by_fault().items():
        whole = sum(value == 1.0 for value in values)
        print(f"| {fault} | {len(values)} | {statistics.mean(values):.2f} | {whole} |")


if __name__ == "__main__":
    main()
