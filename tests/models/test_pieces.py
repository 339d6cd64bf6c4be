"""Texts cut into a model's tokens, as strings: what pruning drops."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.models.chat_tokens import ChatTokens
from promptopt.models.llamacpp.engine import whole_characters
from promptopt.models.scripted import Scripted
from promptopt.protocols import Segmenter
from promptopt.run import Run
from promptopt.run.budget import Limits
from promptopt.run.charging import Account
from promptopt.run.door import Door
from promptopt.testing import planted_task
from promptopt.text import words

TEXTS = (
    "Judge the film.\n\nText: café 日本語 🙂\nAnswer:",
    "",
    " ",
    "\n",
    "a",
    "  two  spaces ",
    "🙂🙂",
    "<|im_end|> é",
)


@given(st.text(), st.lists(st.integers(1, 3), min_size=1))
def test_bytes_are_joined_to_whole_characters(text: str, sizes: list[int]) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return
    data, tokens, place = text.encode(), [], 0
    while place < len(data):
        size = sizes[len(tokens) % len(sizes)]
        tokens.append(data[place : place + size])
        place += size
    pieces = whole_characters(tokens)
    assert "".join(pieces) == text
    assert len(pieces) <= len(tokens)


def test_what_is_whole_stays_apart() -> None:
    assert whole_characters([b"caf", b"\xc3", b"\xa9", b"!"]) == ["caf", "é", "!"]
    assert whole_characters([b"\xc3"]) == ["�"]
    assert whole_characters([]) == []


def spans(*found: tuple[int, int]) -> ChatTokens:
    """A tokenizer whose tokens are these places of any text."""

    class Fixed:
        added_tokens_decoder: dict[int, Any] = {}  # noqa: RUF012

        def __call__(self, text: str, **_: object) -> dict[str, Any]:
            return {"offset_mapping": list(found)}

    return ChatTokens(Fixed(), "fixed")


@pytest.mark.parametrize(
    ("places", "pieces"),
    [
        (((0, 2), (2, 5)), ["ab", " cd"]),
        # A space that no token covers goes with what follows it.
        (((0, 2), (3, 5)), ["ab", " cd"]),
        # Two tokens that share a character are one.
        (((0, 1), (0, 1), (1, 5)), ["a", "b cd"]),
        (((0, 2), (1, 3), (3, 5)), ["ab ", "cd"]),
        # What no token covers at the end is not lost.
        (((0, 2),), ["ab cd"]),
        (((0, 0), (0, 5)), ["ab cd"]),
        ((), ["ab cd"]),
    ],
)
def test_places_of_tokens_cut_the_text(places, pieces: list[str]) -> None:
    assert spans(*places).pieces("ab cd") == pieces


def run_with(model: object) -> Run:
    door = cast(
        "Door", SimpleNamespace(models={"task": model}, account=Account(Limits(), {}), blobs=None, journal=None)
    )
    return Run(task=planted_task(), evaluator=cast("Any", SimpleNamespace(calls_per_cell=1)), door=door, seed=0)


class Silent:
    name = "silent"


class Lossy(Scripted):
    def pieces(self, text: str) -> list[str]:
        return [piece.lower() for piece in text.split()]


def test_a_run_falls_back_to_words_and_says_so() -> None:
    own = run_with(Scripted([]))
    assert isinstance(Scripted([]), Segmenter)
    assert own.pieces(TEXTS[0]) == words(TEXTS[0])
    assert own.warnings == ()
    for model, sentence in ((Silent(), "does not show its tokens"), (Lossy([]), "do not give the text back")):
        run = run_with(model)
        assert run.pieces("A b") == ["A", " b"]
        assert run.pieces("C d") == ["C", " d"]
        assert len(run.warnings) == 1
        assert sentence in run.warnings[0]


@pytest.mark.hf
@pytest.mark.parametrize("masked", [False, True])
def test_a_tokenizers_places_give_the_text_back(masked: bool) -> None:
    tiny = pytest.importorskip("tests.models.hf.tiny_transformers")
    tokens = ChatTokens(tiny.masked_tokenizer() if masked else tiny.chat_tokenizer(), "tiny")
    for text in TEXTS:
        pieces = tokens.pieces(text)
        assert "".join(pieces) == text
        assert all(pieces)
        assert len(pieces) <= max(1, tokens.count(text))
    if not masked:
        assert tokens.pieces("🙂 in") == ["🙂", " in"]
        assert tokens.pieces("\udcff in one word")[0] == "\udcff"
        assert len(tokens.pieces("Think of the thing as most people know it.")) > 5


@pytest.mark.engine
def test_the_embedded_engine_shows_its_tokens() -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed (extra: local)")
    from promptopt.models.files import catalogue
    from promptopt.models.llamacpp.model import LlamaCpp

    path: Path | None = catalogue.locate("smollm2-135m")
    if path is None:
        pytest.skip("smollm2-135m is not installed (promptopt models pull smollm2-135m)")
    model = LlamaCpp(path, engines=1)
    try:
        assert isinstance(model, Segmenter)
        for text in TEXTS:
            pieces = model.pieces(text)
            assert "".join(pieces) == text
            assert all(pieces)
            assert len(pieces) <= model.count_tokens(text)
        assert model.pieces("See the film.") == ["See", " the", " film", "."]
        assert model.pieces("🙂")[0] == "🙂"
    finally:
        model.close()
