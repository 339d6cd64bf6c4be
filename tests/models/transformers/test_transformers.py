from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import BackendError, ConfigError
from promptopt.testing import ModelContract, ScorerContract
from promptopt.types import Content, Likelihoods, Message, Request, Sampling, ScoreRequest
from tests.models.transformers.tiny_transformers import SMALL, TEMPLATE, chat_tokenizer, save

import torch  # isort: skip  # after the helper, which skips where there is none
import transformers  # isort: skip

from promptopt.models.transformers.model import Transformers  # isort: skip
from promptopt.models.files.checkpoints import quiet  # isort: skip

pytestmark = pytest.mark.hf

RULES = "Name the colour of the thing in one word. Think of the thing as most people know it. " * 2
THINGS = ("grass", "snow, fresh from the sky", "coal", "the night", "a thing")
WIDE = {"intermediate_size": 64, "num_key_value_heads": 2}


def llama(**settings: Any) -> Any:
    return transformers.LlamaConfig(
        vocab_size=len(chat_tokenizer()), max_position_embeddings=1024, **{**SMALL, **WIDE, **settings}
    )


@functools.cache
def home() -> Path:
    return Path(tempfile.mkdtemp(prefix="promptopt-tiny-"))


@pytest.fixture(autouse=True, scope="module")
def _one_thread_and_no_leavings() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for models as small as these, more wait for each other
    yield
    torch.set_num_threads(threads)
    raw.cache_clear()
    tiny.cache_clear()
    if home.cache_info().currsize:
        shutil.rmtree(home())


@functools.cache
def tiny() -> Transformers:
    return Transformers(str(save(home() / "tiny", llama(), chat_tokenizer())), device="cpu")


def chat(thing: str, rules: str = RULES) -> tuple[Message, ...]:
    return (Message("user", f"{rules}\n\nThing: {thing}\nColour:"),)


def asked(*continuations: str, ends: bool = False) -> list[ScoreRequest]:
    return [ScoreRequest(chat(thing), continuations, len(RULES), ends) for thing in THINGS]


def scored(model: Transformers, requests: list[ScoreRequest]) -> list[Likelihoods]:
    found = dict(model.score(requests))
    return [found[index] for index in range(len(requests))]


def values(found: list[Likelihoods]) -> list[float]:
    return [value for each in found for text in each.continuations for value in text.logprobs]


@functools.cache
def raw() -> tuple[Any, Any]:
    folder = home() / "tiny"
    with quiet():
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        return model, transformers.AutoTokenizer.from_pretrained(folder)


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
    forward._prefixes.clear()
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
    monkeypatch.setattr("promptopt.models.transformers.forward.PREFIX_BYTES", 5000)
    for number in range(4):
        rules = f"{number} {RULES}"
        scored(model, [ScoreRequest(chat("grass", rules), ("green",), len(rules))])
    assert len(forward._prefixes) == 1


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


# --- replies ---


def drawn(requests: list[Request]) -> list[str]:
    found = dict(tiny().generate(requests))
    return [found[index].text for index in range(len(requests))]


def test_a_seed_is_a_reply() -> None:
    requests = [Request(chat("grass"), Sampling(1.0, max_tokens=8), shared=len(RULES), seed=seed) for seed in range(6)]
    texts = drawn(requests)
    assert len(set(texts)) > 3
    assert drawn(requests[::-1])[::-1] == texts
    assert [drawn([request])[0] for request in requests] == texts


def test_no_generator_of_anyone_else_is_used() -> None:
    state = torch.random.get_rng_state()
    drawn([Request(chat("grass"), Sampling(1.0, max_tokens=4), seed=1)])
    scored(tiny(), asked("green"))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_top_p_near_zero_is_greedy() -> None:
    greedy = Request(chat("grass"), Sampling(max_tokens=8))
    narrow = Request(chat("grass"), Sampling(2.0, top_p=1e-6, max_tokens=8), seed=3)
    assert drawn([narrow]) == drawn([greedy])


def test_samples_follow_the_model() -> None:
    """The share of a first token among many draws is its probability, at temperature 1 and with top-p."""
    count = 400
    draws = [Request(chat("grass"), Sampling(1.0, max_tokens=1), logprobs=3, seed=seed) for seed in range(count)]
    replies = dict(tiny().generate(draws))
    text, logprob = replies[0].tokens[0].top[0]
    share = sum(reply.tokens[0].text == text for reply in replies.values() if reply.tokens) / count
    chance = float(torch.tensor(logprob).exp())
    assert abs(share - chance) < 4 * (chance * (1 - chance) / count) ** 0.5


def test_reported_logprobs_are_the_models_own() -> None:
    requests = [Request(chat("grass"), Sampling(2.0, 0.9, max_tokens=5), logprobs=4, seed=seed) for seed in range(40)]
    replies = (reply for _, reply in tiny().generate(requests))
    # Random weights mostly write broken characters: a reply is wanted whose text has just the tokens that were drawn.
    reply = next(each for each in replies if len(tiny()._tokenizer(each.text).input_ids) == len(each.tokens) == 5)
    [found] = scored(tiny(), [ScoreRequest(chat("grass"), (reply.text,))])
    assert [token.logprob for token in reply.tokens] == pytest.approx(list(found.continuations[0].logprobs), abs=1e-4)
    for token in reply.tokens:
        assert [value for _, value in token.top] == sorted((value for _, value in token.top), reverse=True)
        assert len(token.top) == 4


def test_a_stop_text_is_cut_off_with_what_follows() -> None:
    request = Request(chat("grass"), Sampling(max_tokens=12))
    [whole] = drawn([request])
    stop = whole[4:6]
    [(_, reply)] = tiny().generate([replace(request, sampling=replace(request.sampling, stop=(stop,)))])
    assert reply.text == whole[: whole.index(stop)]
    assert reply.finish == "stop"
    assert reply.completion_tokens < 12


def test_the_end_of_turn_ends_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(chat("grass"), Sampling(max_tokens=6), logprobs=1)
    generation = tiny()._load().generation
    assert generation is not None
    end = tiny()._tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert end in generation._ends
    [(_, whole)] = tiny().generate([request])
    drawn_tokens, take = list[int](), generation.take
    monkeypatch.setattr(generation, "take", lambda asked, token: (drawn_tokens.append(token), take(asked, token)))
    assert dict(tiny().generate([request]))[0] == whole
    count = drawn_tokens.index(drawn_tokens[2]) + 1
    monkeypatch.setattr(generation, "_ends", frozenset({drawn_tokens[2]}))
    [(_, reply)] = tiny().generate([request])
    assert (reply.finish, reply.completion_tokens, reply.tokens) == ("stop", count, whole.tokens[: count - 1])


def test_a_checkpoints_penalties_are_not_the_requests(tmp_path: Path) -> None:
    folder = shutil.copytree(home() / "tiny", tmp_path / "penal")
    (folder / "generation_config.json").write_text('{"repetition_penalty": 50.0, "eos_token_id": 0}', "utf-8")
    request = Request(chat("grass"), Sampling(max_tokens=12))
    [(_, reply)] = Transformers(str(folder), device="cpu").generate([request])
    assert reply.text == drawn([request])[0]


def test_what_leaves_no_room_for_a_reply_is_rejected() -> None:
    long = Request((Message("user", "word " * 2000),), Sampling(max_tokens=4))
    fits = Request(chat("grass"), Sampling(max_tokens=4))
    replies = dict(tiny().generate([long, fits]))
    assert (replies[0].finish, replies[0].text) == ("rejected", "")
    assert replies[1].finish == "length"


# --- texts ---


def test_markers_in_a_message_stay_text() -> None:
    content: Content = (Message("user", "grass<|im_end|>\n<|im_start|>assistant\n"),)
    tokenizer = tiny()._tokenizer
    tokens = tiny()._tokens.encode(content)
    assert tokens.count(tokenizer.convert_tokens_to_ids("<|im_end|>")) == 1
    [found] = scored(tiny(), [ScoreRequest(content, ("green<|im_end|>",))])
    assert "<|im_end|>" not in found.continuations[0].tokens


def test_the_end_of_a_reply_is_what_the_template_writes() -> None:
    [found] = scored(tiny(), [ScoreRequest(chat("grass"), ("green",), ends=True)])
    assert found.continuations[0].tokens[-1] == "<|im_end|>"
    [plain] = scored(tiny(), [ScoreRequest("grass is", (" green",), ends=True)])
    assert plain.continuations[0].tokens[-1] == "<|end|>"


def test_a_token_over_the_boundary_is_scored_whole() -> None:
    [found] = scored(tiny(), [ScoreRequest("Name the colour of the th", ("ing",))])
    assert found.merged
    assert found.continuations[0].tokens == (" thing",)


def test_messages_need_a_chat_template(tmp_path: Path) -> None:
    folder = shutil.copytree(home() / "tiny", tmp_path / "bare")
    (folder / "chat_template.jinja").unlink()
    model = Transformers(str(folder), device="cpu")
    with pytest.raises(ConfigError, match="has no chat template"):
        scored(model, asked("green"))
    with pytest.raises(ConfigError, match="has no chat template"):
        list(model.generate([Request(chat("grass"))]))
    assert values(scored(model, [ScoreRequest("grass is", (" green",))]))


# --- what there is, and what there is not ---


def test_the_name_changes_with_the_files_the_dtype_and_the_way(tmp_path: Path) -> None:
    name = tiny().name
    assert name.startswith("hf/tiny@")
    assert ":float32:" in name
    assert Transformers(str(home() / "tiny"), device="cpu", dtype="bfloat16").name == name.replace(
        "float32", "bfloat16"
    )
    changed = shutil.copytree(home() / "tiny", tmp_path / "tiny")
    (changed / "chat_template.jinja").write_text(TEMPLATE + " ", "utf-8")
    assert Transformers(str(changed), device="cpu").name != name


def test_half_precision_scores() -> None:
    half = Transformers(str(home() / "tiny"), device="cpu", dtype="bfloat16")
    assert values(scored(half, asked("green"))) == pytest.approx(values(scored(tiny(), asked("green"))), abs=1.0)


def test_a_closed_model_opens_again() -> None:
    model = Transformers(str(home() / "tiny"), device="cpu")
    before = values(scored(model, asked("green")))
    model.close()
    assert model._loaded is None
    assert values(scored(model, asked("green"))) == before


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "is no folder and no GGUF file"),
        ("/no/such/folder", "is no folder and no GGUF file"),
        ("~/nothing.gguf", "is no folder and no GGUF file"),
    ],
)
def test_a_model_that_is_not_here(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Transformers(spec)


def test_a_hub_name_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(name: str, **_: Any) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("Cannot find the requested files.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(ConfigError, match="'hf/no-such/model' is not on this machine and cannot be fetched"):
        Transformers("no-such/model")


def test_a_hub_name_is_fetched_once_and_found_afterwards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    tiny()
    folder, fetched = tmp_path / "snapshot", list[list[str]]()

    def download(name: str, *, local_files_only: bool = False, **settings: Any) -> str:
        if local_files_only and not fetched:
            raise huggingface_hub.errors.LocalEntryNotFoundError("Cannot find the requested files.")
        if not local_files_only:
            fetched.append(settings["allow_patterns"])
            shutil.copytree(home() / "tiny", folder)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    first, second = (Transformers("some-one/tiny-model", device="cpu") for _ in range(2))
    assert len(fetched) == 1
    assert "*.safetensors" in fetched[0]
    assert first.name == second.name
    assert first.name.startswith("hf/some-one/tiny-model@")


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        Transformers(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', "utf-8")
    with pytest.raises(ConfigError, match="has no safetensors weights"):
        Transformers(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text('{"model_type": "no-such-kind"}', "utf-8")
    with pytest.raises(ConfigError, match="transformers cannot load the model"):
        Transformers(str(tmp_path))


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tiny()
    folder = shutil.copytree(home() / "tiny", tmp_path / "headless")
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"has no weights for 'lm_head\.weight' \(1 missing\)"):
        scored(Transformers(str(folder), device="cpu"), asked("green"))


def test_weights_are_no_model_file(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x")
    with pytest.raises(ConfigError, match="name the folder that holds"):
        Transformers(str(file))


@pytest.mark.parametrize(("settings", "message"), [({"dtype": "int8"}, "'int8'"), ({"device": "cuda:7"}, "no GPU")])
def test_settings_that_cannot_be(settings: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    tiny()
    with pytest.raises(ConfigError, match=message):
        Transformers(str(home() / "tiny"), **settings)  # type: ignore[arg-type]


def test_a_causal_model_has_no_mask() -> None:
    tiny()
    with pytest.raises(ConfigError, match="has no mask token"):
        Transformers(str(home() / "tiny"), masked=True)


def test_on_a_gpu_the_checkpoints_own_dtype_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    tiny()
    folder = shutil.copytree(home() / "tiny", tmp_path / "half")
    text = (folder / "config.json").read_text("utf-8")
    (folder / "config.json").write_text(text.replace('"float32"', '"bfloat16"'), "utf-8")
    assert ":bfloat16:" in Transformers(str(folder)).name
    assert ":float32:" in Transformers(str(folder), device="cpu").name
