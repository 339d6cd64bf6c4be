"""What each of several tasks contributes to their common splits, and what counts once in all of them."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.errors import ConfigError
from promptopt.tasks.task import Task
from promptopt.types import Example, Weigh


def common_weigh(tasks: Sequence[Task]) -> Weigh:
    """What counts once in all of them. Raises ConfigError where they differ: one mean is over one thing."""
    first = tasks[0]
    other = next((task for task in tasks if task.weigh != first.weigh), None)
    if other is not None:
        raise ConfigError(
            f"task {first.name!r} weighs each {first.weigh} once, and {other.name!r} each {other.weigh}; say for all "
            f"of them what counts once, as --weigh conversation"
        )
    return first.weigh


def cut_to_shares(splits: Sequence[tuple[Example, ...]], shares: Sequence[float], weigh: Weigh) -> tuple[Example, ...]:
    """As many examples of each task as its share says, all mixed in turn; the tasks with too few set the size.

    As many conversations, where each of these counts once.
    """
    ends = [_unit_ends(split, weigh) for split in splits]
    unit = min(len(own) / share for own, share in zip(ends, shares, strict=True))
    # One of them at least: with none a task would be left out in silence.
    counts = [max(1, int(unit * share)) for share in shares]
    kept = [split[: own[count - 1] if own else 0] for split, own, count in zip(splits, ends, counts, strict=True)]
    longest = max(map(len, kept))
    # In turn, so that the first examples of a split are of all tasks, whatever takes only some.
    places = sorted(
        (
            (place * longest / len(split), number, place)
            for number, split in enumerate(kept)
            for place in range(len(split))
        )
    )
    return tuple(kept[number][place] for _, number, place in places)


def _unit_ends(split: Sequence[Example], weigh: Weigh) -> list[int]:
    """How far a split reaches with its first one, two, and so on of what counts once."""
    if weigh == "turn":
        return list(range(1, len(split) + 1))
    # The examples of a group stand together in a split.
    after = [each.group for each in split[1:]] + [""]
    return [at for at, each in enumerate(split, start=1) if not each.group or each.group != after[at - 1]]
