"""The prompter with low-rank adapters on a tiny model: what is trained, what it is held against, what is kept."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.operators.training import Learned, TrainingBatch
from tests.models.hf.tiny_transformers import SMALL, save
from tests.optimizers.rlprompt.tiny_policy import SETTINGS as ADAPTER
from tests.optimizers.rlprompt.tiny_policy import WORDS, byte_folder, tiny_folder, word_tokenizer

pytest.importorskip("peft", reason="needs the extra `train`: pip install 'promptopt-engine[hf,train]'")
import torch  # isort: skip  # after the helper, which skips where there is none
from transformers import AutoModelForCausalLM, Gemma2Config, GraniteConfig, Lfm2Config, MambaConfig, RwkvConfig  # isort: skip

from promptopt.optimizers.align_pro.prompter import Prompter, PrompterSettings  # isort: skip
from promptopt.optimizers.rlprompt.adapter import AdapterPolicy  # isort: skip

pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_torch_thread")]
SETTINGS = PrompterSettings(rank=4, rate=2e-2, clip=5.0, longest=6, seed=0)
ASKED = "bab bed"


def tiny(settings: PrompterSettings = SETTINGS, folder: Path | None = None) -> Prompter:
    return Prompter(str(tiny_folder() if folder is None else folder), settings)


def batch(policy: Prompter, seed: int = 1, count: int = 8) -> TrainingBatch:
    rows = tuple(each.tokens for each in policy.sample(seed, count, [ASKED] * count))
    # What begins with a later token of the vocabulary earns more.
    targets = tuple(row[0] / 25 - 1 for row in rows)
    return TrainingBatch(seed, rows, targets, contexts=(ASKED,) * count)


def test_an_untrained_prompter_is_its_reference_and_a_trained_one_drifts() -> None:
    policy = tiny()
    assert all(each.drift == pytest.approx(0, abs=1e-5) for each in policy.sample(0, 8, [ASKED] * 8))
    assert policy.learn(batch(policy)).kl == pytest.approx(0, abs=1e-5)
    for seed in range(8):
        learned = policy.learn(batch(policy, seed))
    assert learned.kl > 0.05
    assert any(abs(each.drift) > 0.05 for each in policy.sample(0, 8, [ASKED] * 8))


def test_only_the_adapters_are_trained_and_the_frozen_model_is_still_there() -> None:
    policy = tiny()
    before = {name: value.detach().clone() for name, value in policy._adapted.named_parameters()}
    frozen = [each.fluency for each in [policy._samples([(3, 4, 0)], ASKED)[0]]]
    for seed in range(4):
        policy.learn(batch(policy, seed))
    changed = {name for name, value in policy._adapted.named_parameters() if not torch.equal(value, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)
    assert policy._samples([(3, 4, 0)], ASKED)[0].fluency == pytest.approx(frozen[0], abs=1e-5)


def test_what_earns_more_is_drawn_more_often() -> None:
    policy = tiny()

    def mean(seed: int) -> float:
        rows = policy.sample(seed, 60, [ASKED] * 60)
        return sum(row.tokens[0] for row in rows) / 60

    before = mean(99)
    for seed in range(15):
        policy.learn(batch(policy, seed))
    assert mean(99) > before + 5


def test_fitting_by_weights_raises_the_likelihood_of_what_weighs_most() -> None:
    policy = tiny()
    rows = ((2, 3, 0), (4, 5, 0))
    one, other = (each.fluency for each in policy._samples(rows, ASKED))
    for _ in range(15):
        policy.learn(TrainingBatch(0, (), (), rows, (0.9, 0.1), (ASKED, ASKED)))
    mine, yours = policy._samples(rows, ASKED)
    # The best that the weights can be fitted is by probabilities that are the weights.
    chances = [math.exp(each.drift + len(each.tokens) * each.fluency) for each in (mine, yours)]
    assert chances == pytest.approx([0.9, 0.1], abs=0.15)
    assert (mine.fluency, yours.fluency) == pytest.approx((one, other), abs=1e-5)


def test_texts_end_where_the_model_ends_them_and_what_is_cut_has_no_words() -> None:
    drawn = tiny(replace(SETTINGS, longest=30)).sample(0, 40, [ASKED] * 40)
    ended = [each for each in drawn if each.tokens[-1] == 0]
    assert ended
    assert all(each.text and 0 not in each.tokens[:-1] for each in ended if len(each.tokens) > 1)
    cut = [each for each in drawn if each.tokens[-1] != 0]
    assert all(each.text == "" and len(each.tokens) == 30 for each in cut)


def test_log_likelihoods_do_not_depend_on_the_company_of_a_row() -> None:
    policy = tiny()
    for seed in range(3):
        policy.learn(batch(policy, seed))
    rows, asked = [(2, 3, 4, 5, 0), (7, 0), (9, 9, 0)], [ASKED, "bab", "bab bed bim bon"]
    with torch.no_grad():
        together, _ = policy._read(rows, asked)
        for row, context, found in zip(rows, asked, together, strict=True):
            assert torch.allclose(policy._read([row], [context])[0][0], found, atol=1e-5)


def test_what_is_learned_of_many_rows_is_the_mean_over_them_each_under_its_own_context() -> None:
    rows = ((2, 3, 4, 0), (7, 0), (9, 9, 0), (5, 6, 0), (8, 2, 0), (3, 0))
    asked = ("bab", "bab bed", "bim", ASKED, "bon", "bed bim")
    targets = (1.0, -0.5, 0.25, 0.75, -1.0, 0.5)

    policy = tiny()
    policy.learn(batch(policy))
    begun = policy.state()

    def learned(places: Sequence[int]) -> Learned:
        policy.restore(begun)
        drawn = TrainingBatch(
            9, tuple(rows[each] for each in places), tuple(targets[each] for each in places),
            contexts=tuple(asked[each] for each in places),
        )  # fmt: skip
        return policy.learn(drawn)

    together, alone = learned(range(6)), [learned([place]) for place in range(6)]
    for told in ("loss", "entropy", "kl"):
        assert getattr(together, told) == pytest.approx(sum(getattr(each, told) for each in alone) / 6, rel=1e-4)


def test_adapters_are_added_at_twice_their_size_whatever_their_rank() -> None:
    # As is usual, alpha is twice the rank: what is learned does not shrink as the rank grows.
    for rank in (2, 8):
        policy = tiny(replace(SETTINGS, rank=rank))
        scalings = [getattr(module, "scaling", None) for module in policy._adapted.modules()]
        scales = {each["default"] for each in scalings if isinstance(each, dict)}
        assert scales == {2.0}


@pytest.mark.parametrize("kind", ["granite", "gemma2"])
def test_likelihoods_are_those_of_the_models_own_last_step(tmp_path: Path, kind: str) -> None:
    sizes = {**SMALL, "vocab_size": len(WORDS) + 2, "intermediate_size": 64, "num_key_value_heads": 2}
    # The one divides its logits, the other caps them: its output layer alone says something else.
    config = (
        GraniteConfig(logits_scaling=4.0, **sizes)
        if kind == "granite"
        else Gemma2Config(head_dim=8, final_logit_softcapping=1.0, **sizes)
    )
    folder = save(tmp_path / kind, config, word_tokenizer())
    policy, plain = tiny(folder=folder), AutoModelForCausalLM.from_pretrained(folder)
    row, prefix = (2, 3, 0), policy._prefix(ASKED)
    with torch.no_grad():
        logs = plain(input_ids=torch.tensor([[*prefix, *row]])).logits[0, len(prefix) - 1 : -1].log_softmax(-1)
    expected = float(logs.gather(-1, torch.tensor(row)[:, None]).mean())
    assert policy._samples([row], ASKED)[0].fluency == pytest.approx(expected, abs=1e-5)
    adapter = AdapterPolicy(str(folder), replace(ADAPTER, length=2))
    ids = torch.tensor([[adapter._start[0], *adapter._ids[[4, 9]].tolist()]])
    with torch.no_grad():
        logs = plain(input_ids=ids).logits[0, :-1].log_softmax(-1)
    found = float(adapter._likelihoods([(4, 9)]).mean())
    assert found == pytest.approx(float(logs.gather(-1, ids[0, 1:, None]).mean()), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["half recurrent", "recurrent"])
def test_what_is_written_is_what_whole_texts_say_whatever_the_model_remembers(tmp_path: Path, kind: str) -> None:
    sizes = {**SMALL, "vocab_size": len(WORDS) + 2, "intermediate_size": 64}
    # The one fails at a cache of keys and values, and the other leaves it empty.
    config = (
        Lfm2Config(layer_types=["conv", "full_attention"], num_key_value_heads=2, **sizes)
        if kind == "half recurrent"
        else RwkvConfig(vocab_size=len(WORDS) + 2, hidden_size=32, num_hidden_layers=2, attention_hidden_size=32)
    )
    policy = tiny(folder=save(tmp_path / "model", config, word_tokenizer()))
    prefix = policy._prefix(ASKED)
    row = policy._written(prefix, 1, None)[0]
    with torch.no_grad():
        logits = policy._model(input_ids=torch.tensor([[*prefix, *row]])).logits[0, len(prefix) - 1 : -1]
    assert tuple(logits.argmax(-1).tolist()) == row
    expected = logits.log_softmax(-1).gather(-1, torch.tensor(row)[:, None]).mean()
    assert policy._samples([row], ASKED)[0].fluency == pytest.approx(float(expected), abs=1e-5)


def test_a_model_that_peft_cannot_adapt_is_refused(tmp_path: Path) -> None:
    config = MambaConfig(vocab_size=len(WORDS) + 2, hidden_size=32, num_hidden_layers=2, state_size=4)
    with pytest.raises(ConfigError, match=r"no low-rank adapters for the prompter 'mamba' .*; take another model"):
        tiny(folder=save(tmp_path / "mamba", config, word_tokenizer()))


def test_a_state_that_is_restored_goes_on_as_if_nothing_had_been() -> None:
    policy, other = tiny(), tiny(replace(SETTINGS, seed=9))
    for seed in range(2):
        policy.learn(batch(policy, seed))
    policy.halve_rate()
    other.restore(policy.state())
    for seed in range(2, 4):
        assert policy.sample(seed, 4, [ASKED] * 4) == other.sample(seed, 4, [ASKED] * 4)
        assert policy.learn(batch(policy, seed)) == other.learn(batch(other, seed))
    assert policy.state() == other.state()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_changes_no_weight(bad: float) -> None:
    policy = tiny()
    policy.learn(batch(policy))
    before, rows = policy.state(), batch(policy, 2, 2).samples
    assert policy.learn(TrainingBatch(2, rows, (bad, 1.0), contexts=(ASKED, ASKED))).diverged
    assert policy.state() == before


def test_a_chat_model_is_asked_in_a_users_turn() -> None:
    policy = tiny(folder=byte_folder())
    written = policy._tokenizer.decode(policy._prefix("Say red."))
    assert written == "<|im_start|>user\nSay red.<|im_end|>\n<|im_start|>assistant\n"
    assert tiny()._tokenizer.chat_template is None


def test_a_request_that_leaves_no_room_for_a_rewrite_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"reads 64 tokens, and the request .* has 61 beside the 6 of a rewrite"):
        tiny().sample(0, 1, [" ".join(["bab"] * 60)])


def test_peft_that_is_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"by peft, which is not installed: pip install 'promptopt-engine\[hf,t"):
        tiny()
