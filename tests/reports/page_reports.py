"""Results as large as they come, and as hostile, in the form that the store keeps."""

from __future__ import annotations

import random
from typing import Any

HOSTILE = (
    "<script>alert(1)</script> & \"quoted\" 'single' </script><!-- ` ]]> {{ 7*7 }} {% raw %} "
    "\u05e9\u05dc\u05d5\u05dd \u202eevil \ud83d \x00 \x1b[31m"
)
"""Everything that acts somewhere: in HTML, in a template, in JavaScript, on a terminal, on the order of letters."""


def ledger(calls: int = 0, usd: float | None = 0.0) -> dict[str, Any]:
    return {"evaluations": calls, "calls": calls, "proposer_calls": 0, "prompt_tokens": 10 * calls,
            "completion_tokens": calls, "usd": usd}  # fmt: skip


def score(value: float, output: str = "yes") -> dict[str, Any]:
    return {"value": value, "output": output, "answer": output, "parsed": True, "feedback": ""}


def contender(text: str, name: str, mean: float = 0.5) -> dict[str, Any]:
    measured = {"score": mean, "ci95": [max(0.0, mean - 0.1), min(1.0, mean + 0.1)], "n": 200, "unreadable": 0}
    return {"prompt": text, "prompt_id": name, "parts": {"instruction": text}, "demos": [], "dev": measured,
            "test": {**measured, "cut": 0}}  # fmt: skip


def report(
    candidates: int = 5, *, per_step: int = 50, items: int = 200, text: str = "Answer the question.", **changes: Any
) -> dict[str, Any]:
    """A finished run of so many candidates, each of which every step's pool scores."""
    rng = random.Random(7)
    listed: list[dict[str, Any]] = []
    for place in range(candidates):
        parents = [f"id{rng.randrange(max(0, place - 40), place)}"] if place else []
        listed.append(
            {"prompt_id": f"id{place}", "parts": {"instruction": f"{text} {place}"}, "demos": [], "parents": parents,
             "operator": "start" if place == 0 else "rewrite", "note": "because" if place else "",
             "search": {"score": min(1.0, 0.3 + 0.5 * place / candidates + rng.random() / 10), "n": 50}, "dev": None}
        )  # fmt: skip
    best = f"id{candidates - 1}"
    steps = [
        {"number": number, "kept": [f"id{min(candidates - 1, (number + 1) * candidates // per_step)}"],
         "pool": [{"prompt_id": each["prompt_id"], "score": each["search"]["score"], "n": 50} for each in listed],
         "spent": ledger(100 * (number + 1))}
        for number in range(per_step)
    ]  # fmt: skip
    tested = [
        {"key": f"k{place}", "inputs": {"question": f"{text} question {place}"}, "target": "yes", "group": "",
         "start": score(float(place % 2)), "best": score(float(place % 7 > 0), text)}
        for place in range(items)
    ]  # fmt: skip
    return {
        "run_id": "a" * 12, "task": "planted", "method": "rewrites", "seed": 0, "model": "scripted",
        "evaluator": "generation", "proposer": "scripted", "status": "finished", "reason": "",
        "search": {"evaluator": "generation", "model": "scripted", "start": 0.3, "best": 0.8},
        "start": contender(f"{text} 0", "id0"), "best": contender(f"{text} {candidates - 1}", best, 0.8),
        "gain": {"mean": 0.3, "ci95": [0.2, 0.4], "p_value": 1e-5, "test": "McNemar exact"},
        "look": {"number": 1, "alpha": 0.05, "shared": 0, "interval": [0.2, 0.4], "units": 200},
        "verdict": "better", "optimism": 0.0, "spent": ledger(5000), "paid": ledger(5000), "wall_s": 12.0,
        "candidates": listed, "front": [], "steps": steps, "rejected": {"no tag": 3}, "warnings": [],
        "items": tested, "spent_by_role": {"task": ledger(4900), "proposer": ledger(100)}, **changes,
    }  # fmt: skip
