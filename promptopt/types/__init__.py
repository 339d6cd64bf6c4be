"""The data that flows through a run: frozen, compared by content, free of I/O.

Identity is content: ids are the first 16 hex digits of the sha256 of canonical JSON, never positions or counters.
Scores are floats where higher is better: metrics in [0, 1], losses as negative nats.
"""

from __future__ import annotations

from promptopt.types.calls import (
    Finish,
    Likelihoods,
    Reply,
    Request,
    Sampling,
    ScoreRequest,
    Token,
    TokenLogProbs,
)
from promptopt.types.demands import FORBIDS, Demand, DemandKind
from promptopt.types.identity import canonical, digest
from promptopt.types.messages import (
    ChatRole,
    Content,
    Message,
    ToolCall,
    content_to_json,
    flat,
    messages_to_json,
    texts_sent,
    tool_names,
    tools_of,
    transcript,
)
from promptopt.types.prompts import HISTORY, Example, Prompt
from promptopt.types.search import (
    Abilities,
    Cell,
    Estimate,
    ProgramText,
    Proposal,
    Room,
    Score,
    ScoreMatrix,
    TracedCall,
    UpperBounds,
)
from promptopt.types.tools import ToolResult
from promptopt.types.weighing import Weigh, group_means, mean_of

__all__ = [
    "FORBIDS",
    "HISTORY",
    "Abilities",
    "Cell",
    "ChatRole",
    "Content",
    "Demand",
    "DemandKind",
    "Estimate",
    "Example",
    "Finish",
    "Likelihoods",
    "Message",
    "ProgramText",
    "Prompt",
    "Proposal",
    "Reply",
    "Request",
    "Room",
    "Sampling",
    "Score",
    "ScoreMatrix",
    "ScoreRequest",
    "Token",
    "TokenLogProbs",
    "ToolCall",
    "ToolResult",
    "TracedCall",
    "UpperBounds",
    "Weigh",
    "canonical",
    "content_to_json",
    "digest",
    "flat",
    "group_means",
    "mean_of",
    "messages_to_json",
    "texts_sent",
    "tool_names",
    "tools_of",
    "transcript",
]

for _kind in (Example, Prompt, Sampling):
    # A run's identity holds the path of the types in its settings: this one, wherever the class is written.
    _kind.__module__ = __name__
