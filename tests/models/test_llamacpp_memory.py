"""What engines may hold: read from a header, bounded for every shape, and the texts that are kept beside them."""

from __future__ import annotations

import gc
import struct
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.models.llamacpp import memory
from promptopt.models.llamacpp.memory import HELD_BYTES, TOKENS_BYTES, ModelShape, TokenMemory, engines_that_fit
from promptopt.models.llamacpp.model import LlamaCpp
from promptopt.models.specs import open_model


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def number(key: str, value: int) -> bytes:
    return entry(key, 4, struct.pack("<I", value))


def header(words: int = 151_936, kv: bytes | None = None) -> bytes:
    """A GGUF header with the sizes of Qwen2.5 0.5B, and a list of texts before the vocabulary."""
    entries = [
        entry("general.architecture", 8, text("qwen2")),
        entry("general.tags", 9, struct.pack("<IQ", 8, 2) + text("chat") + text("code")),
        entry("qwen2.rope.freq_base", 6, struct.pack("<f", 1e6)),
        number("qwen2.block_count", 24),
        number("qwen2.embedding_length", 896),
        number("qwen2.feed_forward_length", 4864),
        number("qwen2.attention.head_count", 14),
        number("qwen2.attention.head_count_kv", 2) if kv is None else kv,
        entry("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, words)),
    ]
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries)


def test_a_header_tells_the_shape(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(header())
    assert memory.model_shape(path) == ModelShape(14, 24 * 2 * 128, 896, 4864, 151_936)
    lengths = [2, 0, 4]
    a_layer = entry("x.attention.head_count_kv", 9, struct.pack("<IQ3I", 4, 3, *lengths))
    path.write_bytes(header(kv=a_layer))
    assert memory.model_shape(path) == ModelShape(14, sum(lengths) * 128, 896, 4864, 151_936)


@pytest.mark.parametrize("damaged", [b"", b"GGUF", b"none of it", header()[:60], header(words=0)])
def test_a_header_that_does_not_tell_gets_one_engine(
    tmp_path: Path, damaged: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "usable_cores", lambda: 8)
    (tmp_path / "model.gguf").write_bytes(damaged)
    assert engines_that_fit(tmp_path / "model.gguf", 4096, 1) == 1


@given(
    st.integers(1, 256),
    st.sampled_from([1024, 4096, 32_768]),
    st.sampled_from([1, 4]),
    st.builds(
        ModelShape,
        heads=st.integers(1, 64),
        cached=st.integers(64, 500_000),
        width=st.integers(64, 8192),
        inner=st.integers(64, 30_000),
        words=st.integers(1000, 300_000),
    ),
)
def test_engines_stay_under_the_cap_whatever_the_model(cores: int, context: int, slots: int, shape: ModelShape) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "usable_cores", lambda: cores)
        patch.setattr(memory, "model_shape", lambda path: shape)
        count = engines_that_fit(Path(__file__), context, slots)
    each = max(shape.engine_bytes(context, slots, flash=slots > 1), shape.engine_bytes(context, 1, flash=False))
    listing = shape.words * memory.LISTED_BYTES
    assert 1 <= count <= cores
    assert count == 1 or count * each + listing + 2 * TOKENS_BYTES <= HELD_BYTES


def test_two_cores_are_used_by_every_model_that_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "usable_cores", lambda: 2)
    shapes = [ModelShape(9, 11_520, 576, 1536, 49_152), ModelShape(12, 14_336, 1536, 8960, 151_936)]
    for shape in shapes:
        monkeypatch.setattr(memory, "model_shape", lambda path, shape=shape: shape)
        assert [engines_that_fit(Path(__file__), 4096, slots) for slots in (1, 4)] == [2, 2]


def test_the_weights_of_a_split_model_are_those_of_all_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "usable_cores", lambda: 8)
    monkeypatch.setattr(memory, "model_shape", lambda path: ModelShape(9, 64, 64, 64, 1000))
    # A quarter of it holds one copy of all parts, and four of the first.
    monkeypatch.setattr(memory, "_memory", lambda: 4 * 450)
    first, *others = [tmp_path / f"model-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    whole = tmp_path / "model.gguf"
    for path, size in ((first, 100), (others[0], 150), (others[1], 200), (whole, 100)):
        path.write_bytes(bytes(size))
    assert (engines_that_fit(whole, 1024, 1), engines_that_fit(first, 1024, 1)) == (4, 1)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3000)), max_size=60))
def test_texts_that_are_kept_stay_under_their_cap(asked: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "TOKENS_BYTES", 10_000)
        kept = TokenMemory()
        for which, length in asked:
            assert kept.get(f"{which}:{length}", lambda length=length: range(length)) == list(range(length))
            assert 0 <= kept.held <= 10_000


def test_a_text_is_looked_for_once_while_it_is_kept() -> None:
    kept, found = TokenMemory(), list[str]()

    def find(name: str) -> list[int]:
        found.append(name)
        return [1, 2]

    assert kept.get("a", lambda: find("a")) == kept.get("a", lambda: find("a")) == [1, 2]
    assert found == ["a"]


def test_the_whole_vocabulary_is_read_one_at_a_time() -> None:
    within, most = 0, 0

    def read() -> None:
        nonlocal within, most
        for _ in range(50):
            with memory.listing():
                within += 1
                most = max(most, within)
                threading.Event().wait(0.0002)
                within -= 1

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


class CountedEngine:
    """Stands for an engine that takes no memory, and counts those alive."""

    alive = 0

    def __init__(self, settings: object, states: object, number: int) -> None:
        CountedEngine.alive += 1

    def close(self) -> None:
        CountedEngine.alive -= 1

    def tokenize(self, text: str, **options: Any) -> list[int]:
        return [1] * len(text)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("promptopt.models.llamacpp.model.require_xllamacpp", lambda: SimpleNamespace(__version__="0"))
    monkeypatch.setattr("promptopt.models.llamacpp.pool.LlamaCppEngine", CountedEngine)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / "model.gguf"
    path.write_bytes(header())
    return path


@pytest.mark.slow
def test_a_model_that_is_named_again_has_no_engines_of_its_own(file: Path) -> None:
    models = [open_model(f"llamacpp/{file}") for _ in range(12)]
    assert [model.count_tokens("abc") for model in models if isinstance(model, LlamaCpp)] == [3] * 12
    assert CountedEngine.alive == 1
    del models
    gc.collect()
    assert CountedEngine.alive == 0


@pytest.mark.slow
def test_engines_of_a_model_that_nobody_has_end_before_others_start(file: Path) -> None:
    for _ in range(3):
        model = LlamaCpp(file)
        circle: list[object] = [model]
        circle.append(circle)
        assert model.count_tokens("abcd") == 4
        assert CountedEngine.alive == 1
        del model, circle
    gc.collect()
    assert CountedEngine.alive == 0
    assert not list(file.parent.glob("promptopt-*"))


@pytest.mark.slow
def test_only_one_of_two_modes_has_engines(file: Path) -> None:
    fast = LlamaCpp(file, mode="fast")
    fast.count_tokens("a")
    exact = fast.exact()
    assert CountedEngine.alive == 0
    exact.count_tokens("b")
    fast.count_tokens("c")
    assert CountedEngine.alive == 1
    fast.close()
    assert CountedEngine.alive == 0
