"""What a search of MetaSPO takes of its method's settings and plan."""

from __future__ import annotations

from typing import Literal, Protocol

from promptopt.types import Sampling

OnTaskError = Literal["stop", "skip_task"]


class SearchSettings(Protocol):
    """What a search takes of the method's settings."""

    @property
    def kept(self) -> int:
        """User prompts that stay of each part."""
        ...

    @property
    def user_failures(self) -> int:
        """Shown where a user prompt is analysed."""
        ...

    @property
    def system_failures(self) -> int:
        """Of each task, shown where the system prompt is analysed."""
        ...

    @property
    def frozen_system(self) -> bool:
        """Whether the system prompt stays."""
        ...

    @property
    def longest(self) -> int:
        """Tokens a text may have."""
        ...

    @property
    def on_task_error(self) -> OnTaskError:
        """What follows where a metric fails."""
        ...

    @property
    def sampling(self) -> Sampling:
        """How the proposer is asked."""
        ...


class RoundSizes(Protocol):
    """What a search takes of the plan."""

    @property
    def users(self) -> int:
        """New user prompts of a part in a round."""
        ...

    @property
    def systems(self) -> int:
        """New system prompts in a round."""
        ...

    @property
    def examples(self) -> int:
        """Training examples of all tasks together."""
        ...
