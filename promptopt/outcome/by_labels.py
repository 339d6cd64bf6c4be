"""What is said where people labelled the replies of start and winner; reads the JSON that the store keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptopt.reports import words
from promptopt.text import counted

JUDGE, METRIC = "the judge", "the metric"
"""Who scored the pairs that nobody labelled."""


def of_labels(labelled: Mapping[str, Any]) -> str:
    """The verdict in a sentence, numbers included, and what to know of the labels."""
    gain = labelled["gain"]
    low, high = gain["interval"]
    level = f"{100 * (1 - gain['alpha']):.4g} %"
    numbers = f"{level} interval {words.difference(low)} to {words.difference(high)}"
    said = {
        "better": f"Better by {words.score(gain['mean'])} ({numbers})",
        "worse": f"Keep your prompt: the new one is worse by {words.score(-gain['mean'])} ({numbers})",
        "no_evidence": f"Keep your prompt: no evidence that the new one is better "
        f"({words.difference(gain['mean'])}, {numbers})",
    }[labelled["verdict"]]
    if labelled["basis"] == "labels":
        by = f"{counted(labelled['n_labels'], 'labelled pair')}, people alone; {gain['test']} "
        by += words.p_value(gain["p_value"])
    else:
        more = round(100 * (labelled["worth"] - 1.0))
        scorer, verb = labelled.get("scorer", JUDGE), "scored" if "scorer" in labelled else "judged"
        worth = f"{scorer} is worth {more} % more labels" if more else f"{scorer} adds nothing"
        by = f"{labelled['n_labels']} labelled and {labelled['n_judged']} {verb} pairs; {worth}"
    remarks = "".join(f" {remark[:1].upper()}{remark[1:]}." for remark in labelled["remarks"])
    look = f" This is look {labelled['number']} at these items, hence the level." if labelled["number"] > 1 else ""
    return f"{said}: {by}.{remarks}{look}"


def of_others_alone(mean: float, read: int, total: int) -> str:
    """What labels make of a gain where only `read` of `total` items could be drawn, and the verdict is withheld."""
    # As if the winner had lost all of each item that is missing.
    least = (mean * read - (total - read)) / total
    return (
        f"nothing is decided by the others: it is {words.difference(mean)} of these, and {words.difference(least)} if "
        f"all those count against the new prompt"
    )
