"""The walk down a tree of texts, by an engine that is a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import BackendError
from promptopt.models.boundary import Forced
from promptopt.models.llamacpp.engine import LlamaCppEngine
from promptopt.models.llamacpp.scoring import force, likelihoods, read_tree
from promptopt.types import ScoreRequest

Path = tuple[int, ...]


def belief(path: Path, token: int) -> float:
    """A log-probability that differs with everything before the token."""
    return -1.0 - (hash((*path, token)) % 9973) / 100


class TableEngine:
    """An engine that holds what it last read, as a slot does, and fails where it is asked out of order."""

    rereads = True
    letter = ord("a")
    opening = 0

    def __init__(self, listed: int = 1000, silent: frozenset[int] = frozenset()) -> None:
        """`listed`: how many alternatives it knows. `silent`: tokens it says nothing of when they are forced."""
        self.held: Path = ()
        self.evaluated = 0
        self.listed, self.silent = listed, silent
        self.server = SimpleNamespace(stream=self.stream)

    def hold(self, tokens: list[int], step: int, slot: int) -> None:
        self.held = tuple(tokens)

    def stream(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        node: Path = body["prompt"]
        assert self.held[: len(node) - 1] == node[:-1]
        self.held = node
        self.evaluated += 1
        ((forced, _),) = body["logit_bias"]
        likeliest = sorted(range(128), key=lambda token: -belief(node, token))
        if body["n_probs"] < 100_000:
            likeliest = likeliest[: self.listed]
        top = [self.entry(node, token) for token in likeliest]
        content = [] if forced in self.silent else [{**self.entry(node, forced), "top_logprobs": top}]
        return [{"choices": [{"logprobs": {"content": content}}]}]

    def entry(self, node: Path, token: int) -> dict[str, Any]:
        return {"id": token, "bytes": [token], "logprob": belief(node, token)}

    def check_steps(self, chunks: list[dict[str, Any]], cached: int) -> None:
        assert cached == len(self.held) - 1

    def encode(self, content: str) -> list[int]:
        return list(content.encode())

    def encode_after(self, content: str, tokens: list[int], continuation: str) -> list[int]:
        return [*tokens, *continuation.encode()]

    def end_of(self, content: str) -> int:
        return 1

    def marker_text(self, token: int) -> bytes:
        return b"<end>"


def score(engine: TableEngine, request: ScoreRequest, given_up: Callable[[], bool] = lambda: False) -> Any:
    real = cast(LlamaCppEngine, engine)
    return likelihoods(force(real, request), lambda texts, root: read_tree(real, texts, root, 0, 0, given_up))


TEXTS = st.lists(st.text("abc", max_size=4), max_size=5).map(tuple)


@given(TEXTS, st.booleans(), st.sampled_from([0, 2, 1000]), st.sampled_from([frozenset[int](), frozenset(b"b")]))
def test_every_token_is_read_where_it_stands(
    texts: tuple[str, ...], ends: bool, listed: int, silent: frozenset[int]
) -> None:
    engine = TableEngine(listed, silent)
    found = score(engine, ScoreRequest("xy", texts, ends=ends))
    assert len(found.continuations) == len(texts)
    for text, each in zip(texts, found.continuations, strict=True):
        path = b"xy" + text.encode() + (b"\x01" if ends else b"")
        assert "".join(each.tokens).encode() == path[2:]
        assert list(each.logprobs) == [belief(tuple(path[:place]), path[place]) for place in range(2, len(path))]
    assert found.prompt_tokens == 2 + sum(len(text) + ends for text in texts)


@given(TEXTS)
def test_what_texts_have_in_common_is_evaluated_once(texts: tuple[str, ...]) -> None:
    engine = TableEngine()
    score(engine, ScoreRequest("xy", texts))
    assert engine.evaluated == len({text[:length] for text in texts for length in range(len(text))})


def test_a_text_that_nothing_stands_before_comes_after_the_opening() -> None:
    engine = TableEngine()
    found = score(engine, ScoreRequest("", ("ab",)))
    assert found.continuations[0].logprobs == (belief((0,), ord("a")), belief((0, ord("a")), ord("b")))
    assert found.prompt_tokens == 3


def test_numbers_that_are_none_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[int, float | None] = {ord("a"): None, ord("b"): -3.4e38, ord("c"): 1e-7}

    def entry(self: TableEngine, node: Path, token: int) -> dict[str, Any]:
        return {"id": token, "bytes": [] if token == ord("c") else [token], "logprob": values.get(token, -1.0)}

    monkeypatch.setattr(TableEngine, "entry", entry)
    none, nothing, sure = score(TableEngine(), ScoreRequest("x", ("a", "b", "c"))).continuations
    assert math.isnan(none.total)
    assert nothing.logprobs == (-math.inf,)
    assert sure.logprobs == (0.0,)
    assert sure.tokens == ("<end>",)


def test_a_reading_is_given_up() -> None:
    engine = TableEngine()
    with pytest.raises(BackendError, match="given up"):
        score(engine, ScoreRequest("x", ("abc",)), lambda: engine.evaluated == 2)
    assert engine.evaluated == 2


def test_a_token_over_the_boundary_is_the_continuations() -> None:
    targets = Forced((5, 6), ((5, 7), (5, 6, 8)), (1, 2), True)
    assert targets.root == 1
    assert targets.prompt_tokens == 4
    assert targets.longest == 3
    found = likelihoods(
        targets, lambda texts, root: {(5, 6): (b"a", -9.0), (5, 7): (b"b", -1.0), (5, 6, 8): (b"c", -2.0)}
    )
    assert [each.logprobs for each in found.continuations] == [(-1.0,), (-2.0,)]
    assert found.merged
