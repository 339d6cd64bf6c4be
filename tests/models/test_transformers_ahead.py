"""Batches under way while the next is prepared, their rows, their size, and the precision they are computed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptopt.errors import BackendError, ConfigError
from promptopt.models.transformers import memory as transformers_memory
from promptopt.models.transformers.forward import Forward, Later, Prefix
from promptopt.models.transformers.memory import BatchMemory
from promptopt.models.transformers.packing import Read, following
from promptopt.models.transformers.precision import precision
from promptopt.models.transformers.scoring import ReadSchedule, score
from promptopt.types import Message, ScoreRequest
from tests.models.hf.tiny_transformers import chat_tokenizer, save

import torch  # isort: skip  # after the helper, which skips where there is none
import transformers  # isort: skip

from promptopt.models.transformers.model import Transformers  # isort: skip

pytestmark = pytest.mark.hf

PREFIX = tuple(range(100, 120))


class Scripted:
    """A forward pass of two requests' tokens at once, which notes when it is begun and when its values are fetched."""

    device = "cpu"

    def __init__(self, ahead: int, fails: Callable[[int], bool] = lambda number: False) -> None:
        self.ahead, self.noted, self._fails, self._number = ahead, list[str](), fails, 0

    def most(self, prefix: int) -> int:
        assert prefix == len(PREFIX)
        return 2

    def launch(self, prefix: Prefix, reads: Sequence[Read]) -> Later:
        assert prefix == PREFIX
        number, self._number = self._number, self._number + 1
        if self._fails(number):
            raise BackendError("one text alone needs more memory")
        self.noted.append(f"begin {number}")

        def values() -> list[tuple[float, ...]]:
            self.noted.append(f"fetch {number}")
            return [tuple(float(token) for _, token in read.wanted) for read in reads]

        return values


def planned(request: ScoreRequest) -> ReadSchedule:
    """The request's number is the token that is read, and the one that is scored."""
    token = int(str(request.content))
    whole = (*PREFIX, token, token)
    return ReadSchedule(PREFIX, ((following(whole, len(whole) - 1),),), ((token,),), len(whole), False, True)


def run(forward: Scripted, stopping: Callable[[], bool] = lambda: False, shared: int = 0) -> list[tuple[int, float]]:
    """`shared`: 0 for six examples of one candidate, 1 for six candidates."""
    requests = [ScoreRequest(str(number), ("x",), shared) for number in range(6)]
    found = list[tuple[int, float]]()
    for index, _, values in score(requests, planned, cast("Forward", forward), stopping):
        forward.noted.append(f"answer {index}")
        found.append((index, values[0][0]))
    return found


ALONE = ["begin 0", "fetch 0", "answer 0", "answer 1", "begin 1", "fetch 1", "answer 2", "answer 3"]


def test_the_next_batch_is_begun_before_the_last_one_is_fetched() -> None:
    forward = Scripted(ahead=1)
    assert run(forward) == [(number, float(number)) for number in range(6)]
    assert forward.noted[:5] == ["begin 0", "begin 1", "fetch 0", "answer 0", "answer 1"]
    assert forward.noted[-3:] == ["fetch 2", "answer 4", "answer 5"]


def test_on_a_cpu_a_batch_is_answered_before_the_next_one_is_begun() -> None:
    forward = Scripted(ahead=0)
    assert run(forward) == [(number, float(number)) for number in range(6)]
    assert forward.noted[: len(ALONE)] == ALONE


def test_batches_of_other_candidates_are_begun_before_the_last_one_is_fetched() -> None:
    forward = Scripted(ahead=1)
    assert run(forward, shared=1) == [(number, float(number)) for number in range(6)]
    assert forward.noted[:4] == ["begin 0", "begin 1", "fetch 0", "answer 0"]


@pytest.mark.parametrize(("shared", "answered"), [(0, 2), (1, 1)])
def test_what_is_under_way_is_answered_when_all_stops(shared: int, answered: int) -> None:
    forward = Scripted(ahead=1)
    found = run(forward, lambda: "begin 0" in forward.noted, shared)
    assert found == [(number, float(number)) for number in range(answered)]
    assert "begin 1" not in forward.noted


def test_what_is_under_way_is_answered_before_a_failure_is_told() -> None:
    forward = Scripted(ahead=1, fails=lambda number: number == 1)
    with pytest.raises(BackendError, match="one text alone"):
        run(forward)
    assert forward.noted == ["begin 0", "fetch 0", "answer 0", "answer 1"]


# --- rows ---


def tiny(folder: Path) -> Transformers:
    config = transformers.LlamaConfig(
        vocab_size=len(chat_tokenizer()), max_position_embeddings=1024, hidden_size=32, num_hidden_layers=2,
        num_attention_heads=4, intermediate_size=64, num_key_value_heads=2,
    )  # fmt: skip
    return Transformers(str(save(folder, config, chat_tokenizer())), device="cpu")


RULES = "Name the colour of the thing in one word. Think of the thing as most people know it. " * 2


@pytest.mark.parametrize("multiple", [1, 16])
def test_rows_of_one_batch_change_nothing(tmp_path: Path, multiple: int) -> None:
    things = ("grass", "snow, fresh from the sky", "coal", "the night", "a thing of many words in its own row", "x")
    requests = [
        ScoreRequest((Message("user", f"{RULES}\n\nThing: {thing}\nColour:"),), ("green", "black night"), len(RULES))
        for thing in things
    ]
    model = tiny(tmp_path)
    expected = dict(model.score(requests))
    forward, shapes = model._load().forward, list[torch.Size]()
    forward._row, forward._aligned, forward._packed_fastest, forward._lanes.count = 70, multiple, 4096, 1
    inner = forward.model

    class Noting:
        def __call__(self, **inputs: Any) -> Any:
            shapes.append(inputs["attention_mask"].shape)
            return inner(**inputs)

        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

    forward.model = Noting()
    found = dict(model.score(requests))
    assert len(shapes) == 1
    assert shapes[0][0] > 2
    assert shapes[0][-1] % multiple == 0
    for index, each in expected.items():
        for one, other in zip(each.continuations, found[index].continuations, strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


class Stream:
    """What of torch is there on a GPU alone, with nothing behind it; notes when results are waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waited = 0
        empty = torch.empty

        class Event:
            def record(_, stream: object) -> None: ...

            def synchronize(_) -> None:
                self.waited += 1

        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
        monkeypatch.setattr(torch, "empty", lambda *size, pin_memory=False, **settings: empty(*size, **settings))
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)


class Cramped:
    """A model that has no memory for more than so many tokens at once, and notes the passes that it had."""

    def __init__(self, model: Any, most: int) -> None:
        self.inner, self.most, self.passes = model, most, list[int]()

    def __call__(self, **inputs: Any) -> Any:
        if inputs["input_ids"].numel() > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.passes.append(inputs["input_ids"].numel())
        return self.inner(**inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_memory_that_runs_out_with_a_batch_under_way_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = ("grass", "snow", "coal", "the night", "a thing of many words in its own row", "x")
    requests = [
        ScoreRequest((Message("user", f"{RULES}\n\nThing: {thing}\nColour:"),), ("green", "black night"), len(RULES))
        for thing in things
    ]
    model = tiny(tmp_path)
    expected = dict(model.score(requests))
    forward, stream = model._load().forward, Stream(monkeypatch)
    forward.ahead, forward._row, forward._aligned, forward._packed_fastest, forward._lanes.count = 1, 40, 16, 120, 1
    forward._sure.update(packed=0)  # its ways are tried out anew, in several rows
    assert dict(model.score(requests)).keys() == expected.keys()
    assert forward.way(100) == "packed"
    waited = stream.waited
    cramped = forward.model = Cramped(forward.model, 70)
    before = forward.most(0)
    found = dict(model.score(requests))
    assert len(cramped.passes) == stream.waited - waited >= 3
    assert forward.most(0) < before
    for index, each in expected.items():
        for one, other in zip(each.continuations, found[index].continuations, strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_a_failure_of_a_kernel_is_told_when_its_values_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(tmp_path)
    forward, stream = model._load().forward, Stream(monkeypatch)
    forward.ahead = 1
    later = forward.launch((), [following((1, 2, 3), 1)])
    assert stream.waited > 0
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: (_ for _ in ()).throw(RuntimeError("CUDA error: x")))
    with pytest.raises(BackendError, match=r"torch failed \(CUDA error: x\)"):
        later()


# --- how many at once ---


def room(monkeypatch: pytest.MonkeyPatch, gigabytes: float) -> BatchMemory:
    text = SimpleNamespace(hidden_size=576, num_hidden_layers=30, intermediate_size=1536, vocab_size=49_152)
    monkeypatch.setattr(transformers_memory, "free_bytes", lambda device: int(gigabytes * 2**30))
    return BatchMemory(SimpleNamespace(get_text_config=lambda: text), "cuda", 2)


def test_a_batch_is_as_large_as_the_device_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = (room(monkeypatch, size).scored(1 << 20) for size in (80, 8))
    assert 9 < large / small < 11
    assert room(monkeypatch, 80).scored(4096) == 4096
    assert room(monkeypatch, 80).scored(1 << 20, beside=2.0) < large


def test_a_batch_that_did_not_fit_makes_the_next_ones_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = room(monkeypatch, 80), list[int]()
    monkeypatch.setattr(transformers_memory, "release", lambda device: None)
    before = found.scored(4096)

    def run(items: Sequence[int]) -> list[int]:
        asked.append(len(items))
        if len(items) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [item * 10 for item in items]

    assert found.in_parts(range(10), run) == [number * 10 for number in range(10)]
    assert asked == [10, 5, 2, 3, 5, 2, 3]
    assert found.scored(4096) == before // 8


# --- precision ---


def test_float32_is_float32_whatever_the_process_has_set() -> None:
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = matmul.fp32_precision, conv.fp32_precision
    try:
        matmul.fp32_precision = conv.fp32_precision = "tf32"
        with precision("cuda:1", "float32"):
            assert (matmul.fp32_precision, conv.fp32_precision) == ("ieee", "ieee")
        assert (matmul.fp32_precision, conv.fp32_precision) == ("tf32", "tf32")
        matmul.fp32_precision = "ieee"
        with precision("cuda", "tf32"):
            assert (matmul.fp32_precision, conv.fp32_precision) == ("tf32", "tf32")
        assert matmul.fp32_precision == "ieee"
        with precision("cpu", "float32"):
            assert conv.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision, conv.fp32_precision = before


def test_tf32_has_a_name_of_its_own_and_is_a_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = tiny(tmp_path).name
    with pytest.raises(ConfigError, match="'tf32' is there on CUDA GPUs alone, not on 'cpu'"):
        Transformers(str(tmp_path), device="cpu", dtype="tf32")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Transformers(str(tmp_path), device="cuda", dtype="tf32").name == name.replace(":float32:", ":tf32:")
    assert Transformers(str(tmp_path), device="cuda", dtype="float32").name == name
