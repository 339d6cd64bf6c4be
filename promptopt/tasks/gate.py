"""What a task asks of a prompt before it is shipped: `promptopt check` sees to it, and no search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
