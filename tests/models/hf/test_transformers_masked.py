from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.protocols import ScoresOnly, TextScorer
from promptopt.types import Likelihoods, Message, Request, ScoreRequest
from tests.models.hf.tiny_transformers import SMALL, masked_tokenizer, save

import torch  # isort: skip  # after the helper, which skips where there is none
import transformers  # isort: skip

from promptopt.models.transformers.model import Transformers  # isort: skip
from promptopt.models.files.checkpoints import quiet  # isort: skip

pytestmark = pytest.mark.hf


@functools.cache
def home() -> Path:
    return Path(tempfile.mkdtemp(prefix="promptopt-masked-"))


@functools.cache
def tiny() -> Transformers:
    tokenizer = masked_tokenizer()
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), **SMALL, intermediate_size=64, max_position_embeddings=128
    )
    return Transformers(str(save(home() / "masked", config, tokenizer, masked=True)), device="cpu")


@functools.cache
def raw() -> tuple[Any, Any]:
    folder = home() / "masked"
    with quiet():
        model = transformers.AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
        return model, transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(autouse=True, scope="module")
def _one_thread_and_no_leavings() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    tiny.cache_clear()
    raw.cache_clear()
    shutil.rmtree(home(), ignore_errors=True)


def at(text: str, place: int, token: str) -> float:
    """What transformers gives for a token at a place of a text that is written out with its masks."""
    model, tokenizer = raw()
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([tokenizer(text).input_ids])).logits[0, place]
    return float(logits.float().log_softmax(-1)[tokenizer.convert_tokens_to_ids(token)])


def scored(requests: list[ScoreRequest], model: Transformers | None = None) -> list[Likelihoods]:
    found = dict((tiny() if model is None else model).score(requests))
    return [found[index] for index in range(len(requests))]


def test_the_checkpoint_says_that_it_is_masked() -> None:
    assert ":masked:" in tiny().name
    assert isinstance(tiny(), TextScorer)
    assert isinstance(tiny(), ScoresOnly)
    assert not tiny().generates
    assert tiny().can_score()


def test_a_label_is_scored_at_the_mask() -> None:
    [found] = scored([ScoreRequest("the grass is [MASK] in the night", ("green", "white"))])
    text = "the grass is [MASK] in the night"
    assert [each.tokens for each in found.continuations] == [(" green",), (" white",)]
    assert found.continuations[0].logprobs == pytest.approx([at(text, 4, "green")], abs=1e-5)
    assert found.continuations[1].logprobs == pytest.approx([at(text, 4, "white")], abs=1e-5)
    assert found.prompt_tokens == 8 + 2


def test_without_a_mask_the_label_follows_the_content() -> None:
    [plain, chat] = scored([
        ScoreRequest("the grass is", (" green",)),
        ScoreRequest((Message("system", "the grass"), Message("user", "is")), ("green",)),
    ])  # fmt: skip
    expected = at("the grass is [MASK]", 4, "green")
    assert plain.continuations[0].logprobs == pytest.approx([expected], abs=1e-5)
    assert chat.continuations[0].logprobs == pytest.approx([expected], abs=1e-5)


def test_several_tokens_are_scored_from_left_to_right() -> None:
    [found] = scored([ScoreRequest("the grass is [MASK] the night", ("black as",))])
    assert found.continuations[0].tokens == (" black", " as")
    assert found.continuations[0].logprobs == pytest.approx(
        [at("the grass is [MASK] [MASK] the night", 4, "black"), at("the grass is black [MASK] the night", 5, "as")],
        abs=1e-5,
    )


def test_two_masks_are_none_of_ours() -> None:
    [found] = scored([ScoreRequest("[MASK] is [MASK]", ("green",))])
    ids = tiny()._schedule(ScoreRequest("[MASK] is [MASK]", ("green",))).reads[0][0].tokens
    assert ids.count(tiny()._tokenizer.mask_token_id) == 1
    assert len(found.continuations[0].logprobs) == 1


def test_a_mask_that_an_input_brought_along_is_text() -> None:
    """The label stands where it would without it, and the mask is read as its letters."""
    text = "[MASK] , the grass is [MASK] in the night"
    [found] = scored([ScoreRequest(text, ("green",), literal=((0, 6),))])
    read = tiny()._schedule(ScoreRequest(text, ("green",), literal=((0, 6),))).reads[0][0]
    tokenizer = tiny()._tokenizer
    spelt = tokenizer("[MASK] , the grass is", split_special_tokens=True).input_ids[:-1]
    assert read.tokens.index(tokenizer.mask_token_id) == len(spelt)
    assert list(read.tokens[: len(spelt)]) == spelt
    assert len(found.continuations[0].logprobs) == 1


def test_without_a_mask_of_the_layouts_own_the_label_follows_the_content() -> None:
    [plain] = scored([ScoreRequest("the [MASK] is", (" green",), literal=((4, 10),))])
    chat = (Message("system", "the [MASK]"), Message("user", "[MASK] is"))
    read = tiny()._schedule(ScoreRequest(chat, ("green",), literal=((4, 10), (10, 16)))).reads[0][0]
    mask = tiny()._tokenizer.mask_token_id
    assert plain.continuations[0].tokens == (" green",)
    assert read.tokens.count(mask) == 1
    assert read.tokens[-2] == mask


def test_of_two_masks_in_a_chat_the_layouts_is_scored() -> None:
    chat = (Message("system", "the [MASK]"), Message("user", "[MASK] is [MASK] , snow"))
    read = tiny()._schedule(ScoreRequest(chat, ("green",), literal=((4, 10), (10, 16)))).reads[0][0]
    tokenizer = tiny()._tokenizer
    spelt = tokenizer("the [MASK] [MASK] is", split_special_tokens=True).input_ids[:-1]
    assert read.tokens.index(tokenizer.mask_token_id) == len(spelt)


def test_other_markers_of_the_tokenizer_are_text() -> None:
    read = tiny()._schedule(ScoreRequest("[CLS] snow [SEP] [PAD] [UNK] is [MASK]", ("green",))).reads[0][0]
    special = {token.content for token in tiny()._tokenizer.added_tokens_decoder.values()}
    markers = set(tiny()._tokenizer.convert_tokens_to_ids(sorted(special - {"[UNK]"})))
    # The frame's own, and the mask.
    assert sum(token in markers for token in read.tokens) == 3


def test_company_changes_nothing() -> None:
    things = ("grass", "snow , fresh from the sky", "coal is black as the night , and")
    requests = [ScoreRequest(f"{thing} is [MASK]", ("green", "black as the night"), 5) for thing in things]
    together = scored(requests)
    for request, one in zip(requests, together, strict=True):
        [other] = scored([request])
        for left, right in zip(one.continuations, other.continuations, strict=True):
            assert left.tokens == right.tokens
            assert left.logprobs == pytest.approx(right.logprobs, abs=1e-5)


def test_nothing_to_score_has_no_values() -> None:
    [found] = scored([ScoreRequest("grass is [MASK]", ("", "green"))])
    assert found.continuations[0].logprobs == ()
    assert len(found.continuations[1].logprobs) == 1


def test_too_long_is_rejected() -> None:
    long, fits = scored([ScoreRequest("grass " * 200 + "[MASK]", ("green",)), ScoreRequest("[MASK]", ("green",))])
    assert (long.finish, long.continuations) == ("rejected", ())
    assert fits.finish == "stop"


@pytest.mark.parametrize("kind", ["Roberta", "XLMRoberta", "MPNet"])
def test_positions_that_begin_behind_the_padding_are_not_counted_on(kind: str, tmp_path: Path) -> None:
    tokenizer = masked_tokenizer()
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer), **SMALL, intermediate_size=64, max_position_embeddings=66, pad_token_id=1,
        bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    model = Transformers(str(save(tmp_path, config, tokenizer, masked=True)), device="cpu")
    assert model.context == 64
    requests = [ScoreRequest("grass " * count + "[MASK]", ("green",)) for count in (61, 62)]
    assert [found.finish for _, found in sorted(model.score(requests))] == ["stop", "rejected"]
    model.close()


def test_it_cannot_write() -> None:
    with pytest.raises(ConfigError, match="cannot write replies: score with `--evaluator labels"):
        list(tiny().generate([Request("the grass is")]))


def test_no_token_ends_a_reply() -> None:
    with pytest.raises(ConfigError, match="has no token that ends a reply"):
        scored([ScoreRequest("the grass is [MASK]", ("green",), ends=True)])


def test_what_is_masked_can_be_asked_for(tmp_path: Path) -> None:
    tiny()
    folder = shutil.copytree(home() / "masked", tmp_path / "unnamed")
    config = (folder / "config.json").read_text("utf-8")
    (folder / "config.json").write_text(config.replace("BertForMaskedLM", "BertModel"), "utf-8")
    asked = Transformers(str(folder), masked=True, device="cpu")
    request = ScoreRequest("the grass is [MASK]", ("green",))
    assert scored([request], asked)[0].continuations == scored([request])[0].continuations
