"""What a tool gives in a conversation with a played user: data that is looked up, and nothing that is run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from promptopt.arguments import told


@told
@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gives on a call.

    `arguments`: canonical JSON of an object, each member of which the call has; empty: any call. `gives`: a text, or
    where it is `structured` canonical JSON in whose texts the same is filled in. `slots`: the arguments that stand in
    it as `{name}`; a call that lacks one of them gets another result.
    """

    tool: str
    gives: str
    arguments: str = ""
    slots: tuple[str, ...] = ()
    structured: bool = False

    def to_json(self) -> dict[str, Any]:
        """One JSON object, as files hold it."""
        wanted = {"with": json.loads(self.arguments)} if self.arguments else {}
        return {"calls": self.tool, **wanted, "gives": json.loads(self.gives) if self.structured else self.gives}
