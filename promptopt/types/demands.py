"""What one reply has to say, to do and to leave out, as a rule can tell without a judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from promptopt.arguments import told

DemandKind = Literal[
    "says",
    "number",
    "matches",
    "calls",
    "words_at_least",
    "never_says",
    "never_matches",
    "never_calls",
    "numbers_among",
    "words_at_most",
    "sentences_at_most",
]
"""How a demand is told; what each holds is said in `Demand`."""

FORBIDS: tuple[DemandKind, ...] = (
    "never_says", "never_matches", "never_calls", "numbers_among", "words_at_most", "sentences_at_most",
)  # fmt: skip
"""The kinds that a reply meets by leaving something out."""


@told
@dataclass(frozen=True, slots=True)
class Demand:
    """One thing that a reply has to do (`says` to `words_at_least`), or must not do (`FORBIDS`).

    `texts`: spellings of one thing of which one is enough, or must not be there (`says`, `never_says`); one regular
    expression (`matches`, `never_matches`); names of tools (`calls` one, `never_calls` any number; "*": no tool at
    all); numbers, beside which only those of the input may be named (`numbers_among`). `number`: a value, or the most
    or least words or sentences. `arguments`: of `calls`, canonical JSON of an object, each member of which the call has
    to have. `weight`: 0 or more. `critical`: without it the reply is worth nothing. `name`: what it is called in
    reports and feedback; empty: by what it asks.
    """

    kind: DemandKind
    texts: tuple[str, ...] = ()
    number: float = 0.0
    arguments: str = ""
    weight: float = 1.0
    critical: bool = False
    name: str = ""

    @property
    def forbids(self) -> bool:
        """Whether it is met by leaving something out."""
        return self.kind in FORBIDS

    def to_json(self) -> dict[str, Any]:
        """The demand, in the form in which data holds it."""
        bounds = ("number", "words_at_least", "words_at_most", "sentences_at_most")
        listed = (
            [_whole_if_possible(float(text)) for text in self.texts]
            if self.kind == "numbers_among"
            else list(self.texts)
        )
        one = self.kind in ("matches", "never_matches", "calls") or (
            len(self.texts) == 1 and self.kind != "numbers_among"
        )
        held: Any = _whole_if_possible(self.number) if self.kind in bounds else self.texts[0] if one else listed
        further: dict[str, Any] = {"critical": self.critical, "name": self.name}
        said: dict[str, Any] = {self.kind: held}
        if self.arguments:
            import json

            said["with"] = json.loads(self.arguments)
        if self.weight != 1.0:
            said["weight"] = _whole_if_possible(self.weight)
        return {**said, **{name: value for name, value in further.items() if value}}


def _whole_if_possible(number: float) -> int | float:
    # As data writes whole numbers: the ids of examples hang on this form.
    return int(number) if number == int(number) else number
