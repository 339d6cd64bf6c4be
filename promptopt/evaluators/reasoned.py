"""Claims with their reason: "The review is negative because its positive parts are few" says negative."""

from __future__ import annotations

import re

_REASON = re.compile(r"\b(?:because|since|although|even\sthough|despite|given\sthat|due\sto)\b")
_WAVERS = re.compile(
    r"\b(?:might|may|could|would|if|whether|some|first|initially|going\sto|seems?|appears?|looks?|sounds?|were|tempted)\b"
)
_CLAIM = re.compile(
    r"\b(?:is|its|was|as|be|say|call|consider|consider\sth(?:is|e)(?:\s\w+){0,2}|think|classify|label|choose|rate)"
    r"(?:\s(?:an?|the|clearly|very|rather|overall|mostly|more|its))*\s\W{0,3}[\w/-]+(?:\s(?!it\b)[\w-]+){0,2}\W*$"
)
"""What ends in a predicate, as "this is spam" does, and "it mentions negative rates" does not."""
_CONTRAST = re.compile(r"\b(?:but|however|yet|nevertheless|still|overall|therefore|thus|hence|instead)\b")
"""What may follow a reason that does not hold: "… because it is short, but …"."""


def claim_end(folded: str) -> int:
    """Where the claim ends that a reply begins with, before its reason; 0 where it does not, or wavers, or turns.

    `folded`: in lower case, without apostrophes. Not where a question or another sentence stands before the reason.
    """
    reason = _REASON.search(folded)
    if reason is None:
        return 0
    claim = folded[: reason.start()]
    if re.search(r"[.!?;:\n]", claim) or _CLAIM.search(claim) is None or _WAVERS.search(claim):
        return 0
    return 0 if _CONTRAST.search(folded, reason.end()) else reason.start()
