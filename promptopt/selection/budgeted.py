"""What a selector may ask for at most: methods say beforehand what a search can cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from promptopt.run import Selector


@runtime_checkable
class CapsEvaluations(Protocol):
    """A selector whose evaluations have a cap."""

    budget: int


def most_asked(selector: Selector, prompts: int, examples: int) -> int:
    """Upper bound on the (prompt, example) evaluations of one `select` call."""
    return min(prompts * examples, selector.budget) if isinstance(selector, CapsEvaluations) else prompts * examples
