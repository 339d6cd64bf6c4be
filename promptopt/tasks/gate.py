"""What a task asks of a prompt before it is shipped: `promptopt check` sees to it, and no search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptopt.protocols import MemberFloor
from promptopt.types import Example

EVERY = "*"
"""The name that stands for every slice."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What has to hold of replies.

    `schema`: a JSON Schema, as JSON, that each reply keeps; empty: any reply. `must_pass`: examples whose score has to
    be 1, as few as a person can read. `largest_loss`: by slice (`*`: each) the loss of mean score borne at most.
    `members`: what each of several tasks asks of the replies to its own examples.
    """

    schema: str = ""
    must_pass: tuple[Example, ...] = field(default=(), repr=False)
    largest_loss: Mapping[str, float] = field(default_factory=dict[str, float])
    members: Mapping[str, Gate] = field(default_factory=dict[str, "Gate"], repr=False)

    def loss_of(self, name: str) -> float | None:
        """The loss of a slice that is borne; None: nobody said."""
        return self.largest_loss.get(name, self.largest_loss.get(EVERY))


def lowest_of(means: Mapping[str, float]) -> list[str]:
    """The tasks by which `worst` goes, the worst first: a fifth of them, and one at least.

    Of many the least by itself would be the one that its few examples treated worst.
    """
    return sorted(means, key=means.__getitem__)[: max(1, len(means) // 5)]


def floors_of(gate: Gate, members: Sequence[str], weights: Sequence[float]) -> dict[str, MemberFloor]:
    """What a search bears to lose on each of several tasks, of those weights."""
    losses = [(name, gate.loss_of(name), weight) for name, weight in zip(members, weights, strict=True)]
    return {name: MemberFloor(loss, weight / sum(weights)) for name, loss, weight in losses if loss is not None}
