"""The adapter on a tiny frozen model: what is trained, what is drawn, what is kept."""

from __future__ import annotations

import math
import random
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.operators.training import Learned, TrainingBatch
from promptopt.optimizers.rlprompt.rewards import leave_one_out, z_scores
from tests.models.hf.tiny_transformers import SMALL, chat_tokenizer, masked_tokenizer, save
from tests.optimizers.rlprompt.tiny_policy import SETTINGS, WORDS, byte_policy, tiny, tiny_folder

import torch  # isort: skip  # after the helper, which skips where there is none
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # isort: skip
from transformers import BertConfig, LlamaConfig, PreTrainedTokenizerFast  # isort: skip

from promptopt.optimizers.rlprompt.adapter import AdapterPolicy, AdapterSettings  # isort: skip
from promptopt.optimizers.rlprompt.words import allowed_tokens, text_of  # isort: skip

pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_torch_thread")]


def batch(policy: AdapterPolicy, seed: int = 1, count: int = 8) -> TrainingBatch:
    drawn = policy.sample(seed, count)
    return TrainingBatch(seed, tuple(each.tokens for each in drawn), tuple(float(number) for number in range(count)))


def weights(module: Any) -> list[torch.Tensor]:
    return [each.detach().clone() for each in module.parameters()]


@pytest.mark.parametrize(("algorithm", "times"), [("sql", 0), ("rloo", 1)])
def test_what_could_be_drawn_is_worked_out_again_for_a_policy_gradient_alone(
    algorithm: Any, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tiny(replace(SETTINGS, algorithm=algorithm, top=5))
    learned = batch(policy)
    drawn: list[tuple[int, ...]] = []
    rand = torch.rand

    def counted(shape: Any, **settings: Any) -> torch.Tensor:
        drawn.append(tuple(shape))
        return rand(shape, **settings)

    monkeypatch.setattr(torch, "rand", counted)
    policy.learn(learned)
    assert len(drawn) == times


def test_updates_change_the_adapter_alone_and_there_is_one_backbone() -> None:
    policy = tiny()
    policy.learn(batch(policy))
    width, hidden = 32, SETTINGS.hidden
    assert sum(each.numel() for each in policy._online.parameters()) == 2 * width * hidden + hidden + width
    frozen, trained, head = weights(policy._model), weights(policy._online), policy._head.clone()
    for seed in range(20):
        policy.learn(batch(policy, seed))
    assert all(map(torch.equal, frozen, weights(policy._model)))
    # The rows of what may be written are a copy of the model's own.
    assert torch.equal(head, policy._head)
    assert torch.equal(head, policy._model.get_output_embeddings().weight[policy._ids])
    assert not all(map(torch.equal, trained, weights(policy._online)))
    assert all(each.grad is None for each in policy._target.parameters())
    assert all(each.grad is None for each in policy._model.parameters())
    inside = [each for each in vars(policy).values() if isinstance(each, torch.nn.Module)]
    assert sum(each is policy._model for each in inside) == 1
    assert policy._body is policy._model.base_model


@pytest.mark.parametrize("length", [1, 3])
def test_an_untrained_policy_is_even(length: int) -> None:
    policy = tiny(replace(SETTINGS, length=length))
    rows = [each.tokens for each in policy.sample(0, 4)]
    states = policy._states(rows)
    shares = policy._logits_of(rows, states)[0].softmax(-1)
    assert float(shares.detach().max()) < 1.05 / shares.shape[-1]


def test_top_k_bounds_what_is_drawn_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tiny(replace(SETTINGS, length=1, top=2))
    policy.greedy()
    scripted = torch.linspace(0.0, 2.0, len(WORDS))

    def logits(network: Any, states: Any) -> Any:
        return scripted.expand(*states.shape[:-1], -1)

    monkeypatch.setattr(policy, "_logits", logits)
    drawn = [each.tokens[0] for seed in range(4) for each in policy.sample(seed, 2_500)]
    assert set(drawn) == {48, 49}
    assert drawn.count(49) / len(drawn) == pytest.approx(1 / (1 + 2.718 ** -float(scripted[1])), abs=0.02)
    # What the loss reads is not cut.
    states = policy._states([(0,)])
    assert policy._logits_of([(0,)], states)[0].shape == (1, 1, len(WORDS))


def test_at_the_start_each_seed_explores_other_tokens() -> None:
    policy = tiny(replace(SETTINGS, length=1, top=5))
    sets = [frozenset(each.tokens[0] for each in policy.sample(seed, 1)) for seed in range(40)]
    # By the order of rounding alone the same five would come up for every seed.
    assert len(set(sets)) > 12


def test_states_while_drawing_are_those_of_one_pass_over_the_ids() -> None:
    policy = byte_policy(replace(SETTINGS, length=4, masked=False))
    broken = [each for each in policy.sample(5, 64) if "\ufffd" in each.text]
    assert broken, "pieces of characters are drawn where nothing is masked"
    seen: list[torch.Tensor] = []
    body = policy._body

    def spy(**asked: Any) -> Any:
        out = body(**asked)
        seen.append(out.last_hidden_state[:, -1])
        return out

    policy._body = spy
    drawn = policy.sample(5, 64)
    stepwise = torch.stack(seen[: policy._settings.length], dim=1)
    policy._body = body
    states = policy._states([each.tokens for each in drawn])
    assert torch.allclose(stepwise, states, atol=1e-5)


def test_prompts_keep_their_spaces_and_hold_no_pieces_of_characters() -> None:
    assert all(each.text.startswith(" ") and each.text.split()[0] in WORDS for each in tiny().sample(0, 20))
    texts = [each.text for each in byte_policy(replace(SETTINGS, length=3)).sample(0, 50)]
    assert not any("\ufffd" in text or "\n" in text or "{" in text or "<|" in text for text in texts)
    tokenizer = chat_tokenizer()
    ids = tokenizer(" the thing", add_special_tokens=False)["input_ids"]
    assert text_of(tokenizer, ids) == " the thing"


def test_a_small_vocabulary_has_whole_words_first() -> None:
    tokenizer = chat_tokenizer()
    few = allowed_tokens(tokenizer, len(tokenizer), 12)
    assert len(few) == 12
    assert all(text_of(tokenizer, [each])[0] == " " for each in few)
    # Rows of the output layer beyond the tokenizer's ids are none.
    assert max(allowed_tokens(tokenizer, len(tokenizer) + 100, None)) < len(tokenizer)


def test_more_top_tokens_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="can write 50 tokens"):
        tiny(replace(SETTINGS, top=51))


def test_a_vocabulary_that_is_not_of_bytes_keeps_its_spaces_too() -> None:
    tokenizer = Tokenizer(models.WordLevel({"<end>": 0, "▁good": 1, "▁bad": 2, "ness": 3, "a": 4}, unk_token="<end>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<end>")
    assert text_of(made, [2, 3, 1]) == " badness good"
    assert allowed_tokens(made, 5, None) == [1, 2, 3, 4]
    assert allowed_tokens(made, 5, 2) == [1, 2]


def test_a_tokenizer_without_an_end_or_a_beginning_is_refused(tmp_path: Path) -> None:
    config = LlamaConfig(vocab_size=200, intermediate_size=64, num_key_value_heads=2, **SMALL)
    folder = save(tmp_path / "pieces", config, masked_tokenizer())
    with pytest.raises(ConfigError, match="names no token that ends or begins a text"):
        AdapterPolicy(str(folder), SETTINGS)


def test_a_policy_that_can_write_nothing_is_refused(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"<end>": 0, "{": 1, "}": 2}, unk_token="<end>"))
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<end>")
    config = LlamaConfig(vocab_size=3, intermediate_size=64, num_key_value_heads=2, **SMALL)
    with pytest.raises(ConfigError, match="can write no text: each of its tokens is a special one"):
        AdapterPolicy(str(save(tmp_path / "none", config, made)), SETTINGS)


def test_a_context_is_read_whole_or_its_end_and_another_one_moves_no_row() -> None:
    policy = byte_policy(replace(SETTINGS, length=3))
    contexts = ["the one", "another thing", "the one", ""]
    drawn = policy.sample(3, 4, contexts)
    states = policy._states([each.tokens for each in drawn], contexts)
    for row, context in enumerate(contexts):
        alone = policy._states([drawn[row].tokens], [context])
        assert torch.allclose(states[row], alone[0], atol=1e-5)
    assert not torch.allclose(states[0], policy._states([drawn[0].tokens], ["another thing"])[0], atol=1e-3)
    # Of a text beyond the context the end is read, and a prompt still fits behind it.
    long = "on and on " * 60
    assert policy.greedy(long).tokens == policy.greedy("again " * 40 + long).tokens
    assert len(policy._after(long)) == 64 - 3


def test_markers_in_an_input_are_text_to_the_policy_too() -> None:
    policy = byte_policy(replace(SETTINGS, length=3))
    read = policy._after("the <|im_end|> one<|end|>")
    assert not {*read} & {*policy._tokenizer.all_special_ids}
    assert policy._tokenizer.decode(read) == "the <|im_end|> one<|end|>"


def test_a_prompt_that_does_not_fit_the_policys_context_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"length is 64, and the policy model 'tiny' reads 64 tokens; set length low"):
        tiny(replace(SETTINGS, length=64))


@pytest.mark.parametrize("kept", [0, 5, 2_000, 20_000])
def test_damaged_weights_are_told_in_a_sentence(tmp_path: Path, kept: int) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(tiny_folder(), folder)
    (weights,) = folder.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(ConfigError, match=r"the weights of the model 'cut' are damaged .*; fetch them anew"):
        AdapterPolicy(str(folder), SETTINGS)


def test_a_masked_model_is_no_policy(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=200, architectures=["BertForMaskedLM"], **SMALL)
    folder = save(tmp_path / "bert", config, masked_tokenizer(), masked=True)
    with pytest.raises(ConfigError, match="the policy model 'bert' is a masked one, which cannot write"):
        AdapterPolicy(str(folder), SETTINGS)


def test_torch_that_is_missing_is_said_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"need torch, which is not installed: pip install 'promptopt-engine\[hf\]'"):
        tiny()


@pytest.mark.parametrize("algorithm", ["sql", "rloo"])
def test_a_state_that_is_restored_goes_on_as_if_nothing_had_been(algorithm: Any) -> None:
    settings = replace(SETTINGS, algorithm=algorithm, top=10)
    policy, other = tiny(settings), tiny(replace(settings, seed=9))
    for seed in range(3):
        policy.learn(batch(policy, seed))
    policy.halve_rate()
    other.restore(policy.state())
    for seed in range(3, 6):
        assert policy.sample(seed, 5) == other.sample(seed, 5)
        assert policy.learn(batch(policy, seed)) == other.learn(batch(other, seed))
    assert policy.state() == other.state()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_changes_no_weight(bad: float) -> None:
    policy = tiny()
    policy.learn(batch(policy))
    before = weights(policy._online)
    drawn = policy.sample(2, 4)
    found = policy.learn(TrainingBatch(2, tuple(each.tokens for each in drawn), (bad, 1.0, 1.0, 1.0)))
    assert found.diverged
    assert all(map(torch.equal, before, weights(policy._online)))


@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_a_policy_gradient_takes_no_step_where_all_rewards_tie(algorithm: Any) -> None:
    policy = tiny(replace(SETTINGS, algorithm=algorithm, entropy=1.0, kl=1.0))
    policy.learn(batch(policy))
    before, drawn = policy.state(), policy.sample(2, 4)
    for tie in ([7.0] * 4, [0.1 + 0.2, 0.3, 0.3, 0.3], [-180.0] * 4):
        advantages = leave_one_out(tie) if algorithm == "rloo" else z_scores(tie)
        found = policy.learn(TrainingBatch(2, tuple(each.tokens for each in drawn), tuple(advantages)))
        assert found.entropy > 0
        assert policy.state() == before


def test_a_first_layer_that_lets_nothing_through_is_drawn_anew() -> None:
    policy, other = tiny(), tiny()
    for each in (policy, other):
        each.learn(batch(each))
        with torch.no_grad():
            each._online[0].bias.fill_(-10.0)
        before = each._online[0].weight.detach().clone()
        second = each._online[2].weight.detach().clone()
        each.learn(batch(each, 5))
        assert not torch.equal(before, each._online[0].weight)
        assert float(each._online[0].bias.detach().min()) > -1
        # It learns again: what comes before the output moves too.
        assert not torch.equal(second, each._online[2].weight)
    assert policy.state() == other.state()
    living = policy._online[0].weight.detach().clone()
    policy.learn(batch(policy, 6))
    assert float((living - policy._online[0].weight.detach()).abs().max()) < 2 * SETTINGS.rate


@pytest.mark.parametrize("algorithm", ["sql", "rloo"])
def test_the_filter_lets_only_the_frozen_models_likeliest_tokens_through(algorithm: Any) -> None:
    policy = tiny(replace(SETTINGS, algorithm=algorithm, fluent=3, kl=0.1))
    free = tiny(replace(SETTINGS, algorithm=algorithm))
    for seed in range(3):
        found = policy.learn(batch(policy, seed))
        assert not found.diverged
        assert found.entropy <= math.log(3) + 1e-5
    drawn = policy.sample(1, 200)
    assert 1 < len({each.tokens[0] for each in drawn}) <= 3
    assert all(policy.encode(each.text).tokens == each.tokens for each in drawn[:5])
    others = [each for each in free.sample(1, 200) if each.tokens[0] not in {mine.tokens[0] for mine in drawn}]
    assert policy.encode(others[0].text).tokens == ()
    assert sum(each.fluency for each in drawn) / 200 > sum(each.fluency for each in free.sample(1, 200)) / 200


def test_a_filter_wider_than_the_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"explore\.fluent is 51, and the policy can write 50 tokens"):
        tiny(replace(SETTINGS, fluent=51))


def test_a_row_without_a_target_takes_no_part() -> None:
    one, other = tiny(), tiny()
    drawn = one.sample(1, 4)
    rows = tuple(each.tokens for each in drawn)
    one.learn(TrainingBatch(1, rows, (None, 2.0, -1.0, None)))
    other.learn(TrainingBatch(1, rows[1:3], (2.0, -1.0)))
    for mine, yours in zip(weights(one._online), weights(other._online), strict=True):
        assert torch.allclose(mine, yours, atol=1e-7)


def test_a_given_text_is_cut_into_the_policys_tokens_or_refused() -> None:
    policy = tiny()
    drawn = policy.sample(0, 1)[0]
    assert policy.encode(drawn.text).tokens == drawn.tokens
    assert policy.encode(f" {WORDS[0]}").tokens == ()
    assert policy.encode(" nothing known here").tokens == ()


def test_a_given_text_may_lack_the_space_that_what_is_written_begins_with() -> None:
    policy = byte_policy(replace(SETTINGS, vocabulary=12))
    drawn = policy.sample(0, 1)[0]
    assert drawn.text.startswith(" ")
    given = policy.encode(drawn.text.strip())
    assert (given.tokens, given.text) == (drawn.tokens, drawn.text)


def trained(settings: AdapterSettings, seed: int, steps: int, *, shuffled: bool = False) -> tuple[list[float], float]:
    """Mean rewards of each step, and the reward of the greedy prompt: 100 times the share of places that are right."""
    policy, rng = tiny(replace(settings, seed=seed)), random.Random(f"hidden {seed}")
    hidden = rng.choices(WORDS, k=settings.length)

    def reward(text: str) -> float:
        return 100 * sum(map(str.__eq__, text.split(), hidden)) / settings.length

    means: list[float] = []
    for _ in range(steps):
        drawn_with = rng.getrandbits(60)
        drawn = policy.sample(drawn_with, 16)
        rewards = [reward(each.text) for each in drawn]
        means.append(sum(rewards) / len(rewards))
        if shuffled:
            rng.shuffle(rewards)
        scaled = [5 * each for each in z_scores(rewards)]
        targets = scaled if settings.algorithm == "sql" else leave_one_out(rewards)
        policy.learn(TrainingBatch(drawn_with, tuple(each.tokens for each in drawn), tuple(targets)))
    return means, reward(policy.greedy().text)


@pytest.mark.parametrize("algorithm", ["sql", "rloo"])
def test_one_token_is_learned_in_a_hundred_steps(algorithm: Any) -> None:
    settings = replace(SETTINGS, length=1, algorithm=algorithm, rate=3e-3)
    means, greedy = trained(settings, 0, 100)
    assert greedy == 100
    assert sum(means[-10:]) / 10 > 50
    _, astray = trained(settings, 0, 100, shuffled=True)
    assert astray < 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_tokens_are_learned_in_six_hundred_steps_by_every_seed() -> None:
    settings = replace(SETTINGS, length=2)
    for seed in range(5):
        means, greedy = trained(settings, seed, 600)
        assert sum(means[:50]) / 50 <= 25
        assert sum(means[-50:]) / 50 >= 40
        assert greedy >= 50
    means, greedy = trained(settings, 0, 600, shuffled=True)
    assert sum(means[-50:]) / 50 < 40


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_token_is_found_by_every_seed_within_a_hundred_steps() -> None:
    for seed in range(5):
        _, greedy = trained(replace(SETTINGS, length=1), seed, 100)
        assert greedy == 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_sampled_comes_near_what_is_best() -> None:
    for seed in range(5):
        means, _ = trained(replace(SETTINGS, length=1), seed, 600)
        assert sum(means[-50:]) / 50 >= 75


@pytest.mark.parametrize("algorithm", ["sql", "rloo"])
@pytest.mark.parametrize("nothing", [TrainingBatch(1, (), ()), TrainingBatch(1, ((0, 1),), (None,))])
def test_a_batch_of_nothing_to_learn_from_changes_nothing(algorithm: Any, nothing: TrainingBatch) -> None:
    policy = tiny(replace(SETTINGS, algorithm=algorithm))
    before = policy.greedy(), weights(policy._online)
    assert policy.learn(nothing) == Learned(0.0, 0.0, 0.0)
    assert policy.greedy() == before[0]
    assert all(map(torch.equal, weights(policy._online), before[1]))
