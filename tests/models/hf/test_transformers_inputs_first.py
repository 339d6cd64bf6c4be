"""Prompts that stand after the input: what an input's requests begin with is read once, and kept for the next step."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.types import Message, ScoreRequest
from tests.models.hf.asking import home, scored, tiny, values
from tests.models.hf.test_transformers import counting, reference

from promptopt.models.transformers.model import Transformers  # isort: skip

pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_thread_and_no_leavings")]

INPUTS = tuple(f"The {thing} of {number} people who came here and saw it for the first time in their lives, all of them"
               for number, thing in enumerate(("grass", "snow", "coal", "night")))  # fmt: skip
PROMPTS = ("colour", "the name", "what it is", "a word", "one of them", "red or not")
LABELS = ("green", "white")


def after(prompt: str, text: str) -> ScoreRequest:
    return ScoreRequest((Message("user", f"Thing: {text}\n\n{prompt}"),), LABELS, len("Thing: "))


def step(prompts: tuple[str, ...], inputs: tuple[str, ...] = INPUTS) -> list[ScoreRequest]:
    """Prompt by prompt, as a run asks: the requests of one input are far from each other."""
    return [after(prompt, text) for prompt in prompts for text in inputs]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[int]]:
    """A model that has found out its ways, and how many tokens each pass reads from now on."""
    model = Transformers(str(home() / "tiny"), device="cpu")
    scored(model, [after("colour", text * 4) for text in INPUTS])
    forward, sizes = model._load().forward, list[int]()
    forward.prefixes.clear()
    monkeypatch.setattr(forward, "model", counting(forward.model, sizes))
    return model, sizes


def test_values_are_those_of_whole_texts_alone() -> None:
    requests = step(PROMPTS)
    for round_ in range(2):
        for request, found in zip(requests, scored(tiny(), requests), strict=True):
            assert values([found]) == pytest.approx(reference(request), abs=1e-5), round_


def test_an_input_is_read_once_for_all_steps(watched: tuple[Any, list[int]]) -> None:
    model, sizes = watched
    found = scored(model, step(PROMPTS))
    whole = sum(each.prompt_tokens for each in found)
    first = sum(sizes)
    assert first < whole / 2
    sizes.clear()
    other = tuple(f"{prompt} then" for prompt in PROMPTS)
    scored(model, step(other))
    longest = max(len(text) for text in INPUTS)
    assert sum(sizes) < first - len(INPUTS) * longest / 2, "the inputs are not read again"


def test_what_is_kept_is_bounded(watched: tuple[Any, list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = watched
    monkeypatch.setattr("promptopt.models.transformers.prefixes.PREFIX_BYTES", 1)
    requests = step(PROMPTS)
    found = scored(model, requests)
    assert len(model._load().forward.prefixes) == 1
    assert values(found) == pytest.approx(values(scored(tiny(), requests)), abs=1e-5)


def test_inputs_that_begin_alike_are_told_apart(watched: tuple[Any, list[int]]) -> None:
    model, _ = watched
    requests = step(PROMPTS, tuple(f"{INPUTS[0]} {ending}" for ending in ("now", "then", "nowhere else")))
    for request, found in zip(requests, scored(model, requests), strict=True):
        assert values([found]) == pytest.approx(reference(request), abs=1e-5)


def test_a_single_prompt_has_no_passes_of_its_own_for_inputs(watched: tuple[Any, list[int]]) -> None:
    model, sizes = watched
    scored(model, step(PROMPTS[:1]))
    assert len(model._load().forward.prefixes) <= 1
    assert len(sizes) <= 3, "inputs that share nothing go together"
