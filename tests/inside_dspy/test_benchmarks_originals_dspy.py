"""MIPROv2 beside its original: what both are given, that ours keeps to the other's calls, and what is held out."""

from __future__ import annotations

import re

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")
if dspy.__version__ == "3.4.0":
    pytest.skip("DSPy 3.4.0 loads NumPy in parts, which benchmarks need whole", allow_module_level=True)

from benchmarks.originals import DEV, TEST, TRAIN, Row, Served, table  # noqa: E402
from benchmarks.originals_dspy import PLAYERS, REPLY, Bench, bench, play  # noqa: E402
from promptopt.models.scripted import Scripted  # noqa: E402
from promptopt.types import Message, Request  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
BETTER = "Look twice."


def served(given: Bench) -> Served:
    """A model that is right where it was told to look twice, and a proposer that says so."""
    known = {each.input: each.answer for each in (*given.train, *given.dev, *given.held)}

    def answer(request: Request) -> str:
        said = "\n".join(message.content for message in request.content if isinstance(message, Message))
        fields = list(dict.fromkeys(re.findall(r"\[\[ ## (\w+) ## \]\]", said)))
        if request.sampling.temperature > 0:
            values = "\n\n".join(f"[[ ## {name} ## ]]\nClassify it. {BETTER}" for name in fields)
            return values or f"<{tag(said)}>Classify it. {BETTER}</{tag(said)}>"
        asked = max(known, key=lambda text: said.rfind(text))
        return f"[[ ## answer ## ]]\n{known[asked] if BETTER in said else 'none'}\n\n[[ ## completed ## ]]"

    return Served(Scripted(answer), REPLY)


def tag(said: str) -> str:
    """The tag that a request asks its text in."""
    return re.findall(r"<\s*/?\s*([a-z_]+)\s*>", said)[-1]


def test_ours_keeps_to_the_calls_of_the_original_and_both_are_scored_on_what_nobody_saw() -> None:
    given = bench("support-intent", 0, 10)
    assert [len(part) for part in (given.train, given.dev, given.held)] == [TRAIN + TEST, DEV, 10]
    seen = {each.input for part in (given.train, given.dev) for each in part}
    assert not seen & {each.input for each in given.held}
    server = served(given)
    other = play(Row(PLAYERS[1], "support-intent", 0, 0), server, given, 0)
    assert (other.start, other.score) == (0.0, 1.0)
    assert BETTER in other.prompt
    calls = other.asked + other.proposed
    own = play(Row(PLAYERS[0], "support-intent", 0, calls), server, given, calls)
    assert (own.start, own.score) == (0.0, 1.0)
    assert calls / 2 < own.asked + own.proposed <= calls
    assert table([own, other], PLAYERS)[0].startswith("| task | seed | start | ours | dspy-mipro |")
