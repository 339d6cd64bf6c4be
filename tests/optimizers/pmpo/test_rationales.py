"""What a bank of own solutions does to a search is tested with the methods that keep one (tests/optimizers)."""

from __future__ import annotations

import pytest

from promptopt.optimizers.pmpo.rationales import asks_to_reason
from promptopt.types import Prompt


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Let's think step by step.", True),
        ("Explain your answer.", True),
        ("Think carefully, then answer.", True),
        ("Show your work.", True),
        ("Give the reasoning first.", True),
        ("Answer with one of: positive, negative.", False),
        ("Think of snow.", False),
        ("A reasonable, stepwise workplace.", False),
    ],
)
def test_phrases_that_ask_for_reasoning(text: str, asks: bool) -> None:
    assert asks_to_reason(Prompt.of("Answer.", system=text)) is asks
