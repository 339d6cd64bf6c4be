"""The data that flows through a run: frozen, compared by content, free of I/O.

Identity is content: ids are the first 16 hex digits of the sha256 of canonical JSON, never positions or counters.
Scores are floats where higher is better: metrics in [0, 1], losses as negative nats.
"""

from __future__ import annotations

from promptopt.types.calls import (
    Content,
    Finish,
    Likelihoods,
    Message,
    Reply,
    Request,
    Sampling,
    ScoreRequest,
    Token,
    TokenLogProbs,
    content_to_json,
)
from promptopt.types.identity import canonical, digest
from promptopt.types.prompts import Example, Prompt
from promptopt.types.search import (
    Abilities,
    Cell,
    Estimate,
    Proposal,
    Room,
    Score,
    ScoreMatrix,
    TracedCall,
    UpperBounds,
)

__all__ = [
    "Abilities",
    "Cell",
    "Content",
    "Estimate",
    "Example",
    "Finish",
    "Likelihoods",
    "Message",
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
    "TracedCall",
    "UpperBounds",
    "canonical",
    "content_to_json",
    "digest",
]

for _kind in (Example, Prompt, Sampling):
    # A run's identity holds the path of the types in its settings: this one, wherever the class is written.
    _kind.__module__ = __name__
