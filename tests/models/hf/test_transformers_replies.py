"""Replies: seeds, samples, log-probabilities, stops, templates."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.types import Content, Message, Request, Sampling, ScoreRequest
from tests.models.hf.asking import RULES, asked, chat, home, scored, tiny, values
from tests.models.hf.tiny_transformers import SMALL, chat_tokenizer, save

import torch  # isort: skip  # after the helpers, which skip where there is none
import transformers  # isort: skip

from promptopt.models.transformers.model import Transformers  # isort: skip


pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_thread_and_no_leavings")]


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
    decoder = tiny()._load().decoder
    assert decoder is not None
    end = tiny()._tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert end in decoder._ends
    [(_, whole)] = tiny().generate([request])
    drawn_tokens, take = list[int](), decoder.take
    monkeypatch.setattr(decoder, "take", lambda asked, token: (drawn_tokens.append(token), take(asked, token)))
    assert dict(tiny().generate([request]))[0] == whole
    count = drawn_tokens.index(drawn_tokens[2]) + 1
    monkeypatch.setattr(decoder, "_ends", frozenset({drawn_tokens[2]}))
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


@pytest.mark.parametrize("name", ["gpt2", "opt"])
def test_a_prompt_near_the_end_of_the_context_stands_beside_short_ones(name: str, tmp_path: Path) -> None:
    # These look their positions up, and have none beyond their context.
    size = len(chat_tokenizer())
    config = {
        "gpt2": transformers.GPT2Config(
            vocab_size=size, n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
        ),
        "opt": transformers.OPTConfig(
            vocab_size=size, max_position_embeddings=64, ffn_dim=64, word_embed_proj_dim=32, **SMALL
        ),
    }[name]
    model = Transformers(str(save(tmp_path, config, chat_tokenizer(template=None))), device="cpu")
    texts = ["grass is green, " * 12, "grass", "snow is"]
    requests = [Request(text, Sampling(max_tokens=most)) for text, most in zip(texts, (200, 200, 20), strict=True)]
    assert 0 < 64 - model.count_tokens(texts[0]) < 10
    alone = [dict(model.generate([request]))[0] for request in requests]
    assert dict(model.generate(requests)) == dict(enumerate(alone))
    assert alone[0].completion_tokens <= 64 - model.count_tokens(texts[0])
    model.close()


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
