"""Exact values, whatever is packed, shared or too much for the memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import BackendError
from promptopt.testing import ModelContract, ScorerContract
from promptopt.types import Request, Sampling, ScoreRequest
from tests.models.hf.asking import RULES, THINGS, WIDE, asked, chat, home, raw, scored, tiny, values
from tests.models.hf.tiny_transformers import SMALL, chat_tokenizer, save

import torch  # isort: skip  # after the helpers, which skip where there is none
import transformers  # isort: skip

from promptopt.models.transformers.model import Transformers  # isort: skip


pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_thread_and_no_leavings")]


def reference(request: ScoreRequest) -> list[float]:
    """What transformers gives for whole texts, one at a time, with nothing shared."""
    model, tokenizer = raw()
    messages = [{"role": each.role, "content": each.content} for each in request.content if not isinstance(each, str)]
    context = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    found: list[float] = []
    for text in request.continuations:
        before = tokenizer(context).input_ids
        whole = tokenizer(context + text).input_ids
        assert whole[: len(before)] == before
        with torch.inference_mode():
            logprobs = model(input_ids=torch.tensor([whole])).logits[0].float().log_softmax(-1)
        found += [float(logprobs[place - 1, whole[place]]) for place in range(len(before), len(whole))]
    return found


class TestScorer(ScorerContract):
    def model(self) -> Transformers:
        return tiny()


class TestModel(ModelContract):
    def model(self) -> Transformers:
        return tiny()


# --- exactness ---


def test_packed_values_are_those_of_whole_texts_alone() -> None:
    requests = asked("green", "white", "black as the night")
    for request, found in zip(requests, scored(tiny(), requests), strict=True):
        assert values([found]) == pytest.approx(reference(request), abs=1e-5)


def test_values_depend_on_what_is_read() -> None:
    one, other = scored(tiny(), asked("green"))[:2]
    assert abs(values([one])[0] - values([other])[0]) > 1e-3


def test_small_batches_change_nothing(tmp_path: Path) -> None:
    requests = asked("green", "black as the night")
    small = Transformers(str(home() / "tiny"), device="cpu")
    small._load().forward._packed_fastest = 20
    assert values(scored(small, requests)) == pytest.approx(values(scored(tiny(), requests)), abs=1e-5)


def test_lanes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = asked("green", "black as the night")
    model = Transformers(str(home() / "tiny"), device="cpu")
    model._load().forward._lanes.count = 2
    monkeypatch.setattr("promptopt.models.transformers.forward.LEAST_PART", 32)
    sizes: list[int] = []
    scored(model, requests)
    model._load().forward.model = counting(model._load().forward.model, sizes)
    assert values(scored(model, requests)) == pytest.approx(values(scored(tiny(), requests)), abs=1e-5)
    assert len(sizes) == 2
    model.close()


def test_a_prefix_is_computed_once_and_its_texts_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Transformers(str(home() / "tiny"), device="cpu")
    scored(model, asked("green"))
    forward, sizes = model._load().forward, list[int]()
    monkeypatch.setattr(forward, "model", counting(forward.model, sizes))
    forward.prefixes.clear()
    requests = asked("green", "white", "red")
    found = scored(model, requests)
    whole = sum(each.prompt_tokens - 3 for each in found)
    assert len(sizes) == 2
    assert sum(sizes) < whole / 2
    scored(model, requests)
    assert len(sizes) == 3


def counting(model: Any, sizes: list[int]) -> Any:
    """The model, noting how many tokens each pass reads."""

    class Counting:
        def __call__(self, **inputs: Any) -> Any:
            sizes.append(inputs["input_ids"].numel())
            return model(**inputs)

        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

    return Counting()


def test_a_model_that_gives_all_rows_or_wrong_ones_is_seen_through() -> None:
    model = Transformers(str(home() / "tiny"), device="cpu")
    forward = model._load().forward
    assert forward._keeps_rows
    inner, expected = forward.model, values(scored(model, asked("green")))

    class AllRows:
        def forward(self, input_ids: Any, logits_to_keep: Any = 0) -> None: ...

        def __call__(self, logits_to_keep: Any = 0, **inputs: Any) -> Any:
            return inner(**inputs)

        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

    forward.model = AllRows()
    forward._keeps_rows = forward._can_keep_rows()
    assert not forward._keeps_rows
    assert values(scored(model, asked("green"))) == pytest.approx(expected, abs=1e-5)


def test_stopping_leaves_what_is_not_begun() -> None:
    model = Transformers(str(home() / "tiny"), device="cpu")
    model._load().forward._packed_fastest = 20
    found: list[int] = []
    for index, _ in model.score(asked("green"), lambda: len(found) > 1):
        found.append(index)
    assert found == [0, 1]


def test_old_prefixes_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Transformers(str(home() / "tiny"), device="cpu")
    forward = model._load().forward
    monkeypatch.setattr("promptopt.models.transformers.prefixes.PREFIX_BYTES", 5000)
    for number in range(4):
        rules = f"{number} {RULES}"
        scored(model, [ScoreRequest(chat("grass", rules), ("green",), len(rules))])
    assert len(forward.prefixes) == 1


CONFIGS: dict[str, tuple[str, Any]] = {
    "positions that are learned": ("packed", lambda: transformers.GPT2Config(
        vocab_size=len(chat_tokenizer()), n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)),
    "scaled logits": ("packed", lambda: transformers.GraniteConfig(
        vocab_size=len(chat_tokenizer()), **SMALL, **WIDE, logits_scaling=3.0)),
    "a window": ("expanded", lambda: transformers.MistralConfig(
        vocab_size=len(chat_tokenizer()), **SMALL, **WIDE, head_dim=8, sliding_window=24)),
    "positions from the mask": ("expanded", lambda: transformers.BloomConfig(
        vocab_size=len(chat_tokenizer()), hidden_size=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)),
    "a recurrent state": ("plain", lambda: transformers.MambaConfig(
        vocab_size=len(chat_tokenizer()), hidden_size=32, num_hidden_layers=2, bos_token_id=0, eos_token_id=0)),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_a_model_cannot_share_it_does_not_share(kind: str, tmp_path: Path) -> None:
    way, config = CONFIGS[kind]
    model = Transformers(str(save(tmp_path, config(), chat_tokenizer())), device="cpu")
    requests = asked("green", "black as the night")
    together = scored(model, requests)
    assert model._load().forward.way(len(requests[0].content[0].content) // 2) == way  # type: ignore[union-attr]
    alone = [scored(model, [replace(request, shared=0)])[0] for request in requests]
    assert values(together) == pytest.approx(values(alone), abs=1e-4)
    replies = [Request(chat(thing), Sampling(max_tokens=6), shared=len(RULES)) for thing in THINGS]
    texts = {index: reply.text for index, reply in model.generate(replies)}
    assert texts == {index: dict(model.generate([replace(each, shared=0)]))[0].text
                     for index, each in enumerate(replies)}  # fmt: skip


# --- memory ---


class Refusing:
    """A model that has no memory for more than so many tokens at once."""

    def __init__(self, model: Any, most: int, error: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        self.inner, self.most, self.error, self.passes = model, most, error, list[int]()

    def __call__(self, **inputs: Any) -> Any:
        size = inputs["input_ids"].numel()
        if size > self.most:
            raise self.error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 12 bytes.")
        self.passes.append(size)
        return self.inner(**inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_means_smaller_batches(error: type[RuntimeError]) -> None:
    requests = asked("green", "black as the night")
    model = Transformers(str(home() / "tiny"), device="cpu")
    forward = model._load().forward
    expected = values(scored(model, requests))
    refusing = forward.model = Refusing(forward.model, 40, error)
    before = forward.most(0)
    assert values(scored(model, requests)) == pytest.approx(expected, abs=1e-5)
    assert len(refusing.passes) > 2
    assert forward.most(0) < before


def test_one_text_too_many_is_a_failure_that_says_so() -> None:
    model = Transformers(str(home() / "tiny"), device="cpu")
    scored(model, asked("green"))
    model._load().forward.model = Refusing(model._load().forward.model, 3)
    with pytest.raises(BackendError, match="one text alone needs more memory than is free on 'cpu'"):
        scored(model, asked("green"))


def test_out_of_memory_while_generating() -> None:
    model = Transformers(str(home() / "tiny"), device="cpu")
    requests = [Request(chat(thing), Sampling(1.0, max_tokens=5), seed=7) for thing in THINGS]
    expected = {index: reply.text for index, reply in model.generate(requests)}
    inner = model._load().forward.model

    class Cramped:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def generate(self, **inputs: Any) -> Any:
            if len(inputs["input_ids"]) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return inner.generate(**inputs)

    model._load().forward.model = Cramped()
    assert {index: reply.text for index, reply in model.generate(requests)} == expected
