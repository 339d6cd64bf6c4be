"""What a run over several tasks asks of each of them, where people's labels are of all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptopt.store.runs import RunRecord


def floors_unheld(record: RunRecord) -> list[str]:
    """The floors of a run over several tasks that did not hold, in words."""
    members: Sequence[Mapping[str, Any]] = () if record.result is None else record.result.get("members", ())
    floors: Mapping[str, float] = record.fingerprint.get("task", {}).get("floors", {})
    # Where a cap came before the first example of a task, nothing of it was held (`outcome.members.within_floors`).
    untested = floors.keys() - {each["task"] for each in members}
    return [
        *(
            f"the floor of {each['task']} ({100 * each['floor']['loss']:g} points) is {each['floor']['held']}"
            for each in members
            if each["floor"] is not None and each["floor"]["held"] != "held"
        ),
        *(
            f"the floor of {name} ({100 * loss:g} points) is open, as no test example of it was scored"
            for name, loss in floors.items()
            if name in untested
        ),
    ]


def unsure_of_worst(record: RunRecord, scorer: str) -> list[str]:
    """A remark where a run went by the worst of several tasks, and its scores are not sure of a gain on each."""
    if record.fingerprint.get("task", {}).get("objective") != "worst":
        return []
    smallest: Mapping[str, Any] | None = None if record.result is None else record.result.get("smallest_gain")
    if smallest is not None and smallest["verdict"] == "better":
        return []
    return [
        f"by {scorer} no gain is sure on each task; labels of all tasks together decide nothing of the worst one, and "
        f"nothing is better before each task is"
    ]


def remarks_on_floors(unheld: Sequence[str], scorer: str, *, by_floors: bool) -> list[str]:
    """What labels of several tasks leave open of their floors; nothing where all are held."""
    if not unheld:
        return []
    why = ", and nothing is better before all are held" if by_floors else ""
    return [f"by {scorer} {' and '.join(unheld)}; labels of all tasks together decide no floor{why}"]
