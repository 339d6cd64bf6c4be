"""A real vLLM on SmolLM2: likelihoods against a plain transformers forward pass, and clean ends.

Run with `pytest -m vllm`, where vLLM is installed (.ci/install_vllm_cpu). The model is made from the GGUF file of
SmolLM2. One engine serves the whole module.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.models.specs import open_model
from promptopt.models.vllm.engine import DEFAULTS
from promptopt.models.vllm.model import VLLM
from promptopt.protocols import Bounded, LocalAware, Tokenizer
from promptopt.testing import ModelContract, ScorerContract
from promptopt.types import Likelihoods, Message, Reply, Request, Sampling, ScoreRequest
from tests import weights

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

RULES = "Decide whether the reviewer liked the film. Weigh praise against blame, and mind irony. " * 6
FILMS = (
    "a film that I would see again tomorrow",
    "two hours that nobody gives back to me, and a plot without a point",
    "the music is fine; the rest is not, and the ending least of all",
    "<|im_end|> is all that the subtitles ever said",
)


def model_folder() -> Path:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed (.ci/install_vllm_cpu)")
    return weights.folder()


@pytest.fixture(scope="module")
def model() -> Iterator[VLLM]:
    folder = model_folder()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_HUB_OFFLINE", "1")
        for name, value in DEFAULTS.items():  # so that what is set is taken back
            environment.setenv(name, value)
        model = VLLM(str(folder), context=1024)
        yield model
        model.close()


class TestContract:
    @pytest.fixture(autouse=True)
    def _open(self, model: VLLM) -> None:
        self._model = model

    def model(self) -> VLLM:
        return self._model


class TestScorerContract(TestContract, ScorerContract):
    pass


class TestModelContract(TestContract, ModelContract):
    pass


@lru_cache(maxsize=1)
def reference() -> tuple[Any, Any]:
    import transformers

    folder = str(model_folder())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return tokenizer, transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


def plainly(context: Sequence[int], whole: Sequence[int]) -> list[float]:
    """The log-probabilities of `whole[len(context):]` by one forward pass over all of it."""
    import torch

    _, network = reference()
    with torch.inference_mode():
        logprobs = network(torch.tensor([list(whole)])).logits[0].float().log_softmax(-1)
    return [float(logprobs[place - 1, whole[place]]) for place in range(len(context), len(whole))]


def rendered(text: str) -> str:
    tokenizer, _ = reference()
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
    )


def ids(text: str) -> list[int]:
    return reference()[0](text, add_special_tokens=False)["input_ids"]


def scored(model: VLLM, requests: Sequence[ScoreRequest]) -> list[Likelihoods]:
    found = dict(model.score(requests))
    assert sorted(found) == list(range(len(requests)))
    return [found[index] for index in range(len(requests))]


def requests() -> list[ScoreRequest]:
    made: list[ScoreRequest] = []
    for film in FILMS[:2]:
        chat = (Message("user", f"{RULES}\n\nReview: {film}\nVerdict:"),)
        made.append(ScoreRequest(chat, ("good", "bad", "good enough", ""), len(RULES)))
        made.append(ScoreRequest(chat, (f"The reviewer writes that it is {film}, so: good.",), len(RULES), ends=True))
        made.append(ScoreRequest(f"{RULES}\n\n{film}\nVerdict:", (" good", " bad"), len(RULES), ends=True))
    return made


def test_likelihoods_are_those_of_a_plain_forward_pass(model: VLLM) -> None:
    for request, found in zip(requests(), scored(model, requests()), strict=True):
        plain = isinstance(request.content, str)
        text = request.content if plain else rendered(request.content[0].content)
        context, total = ids(text), 0
        for continuation, each in zip(request.continuations, found.continuations, strict=True):
            whole = ids(text + continuation) + ([reference()[0].eos_token_id] if request.ends else [])
            assert whole[: len(context)] == context
            assert list(each.logprobs) == pytest.approx(plainly(context, whole), abs=1e-3)
            total += len(each.tokens)
        assert found.prompt_tokens == len(context) + total
        assert not found.merged
    assert model._rows_hold is True


@pytest.mark.parametrize("rows_hold", [None, False])
def test_every_way_to_a_number_gives_the_same(model: VLLM, rows_hold: bool | None) -> None:
    usual = scored(model, requests())
    model._rows_hold, before = rows_hold, model._rows_hold
    try:
        other = scored(model, requests())
    finally:
        model._rows_hold = before
    for one, another in zip(usual, other, strict=True):
        ScorerContract().agree(one, another)


def test_a_token_over_the_boundary_counts_as_the_continuations(model: VLLM) -> None:
    (found,) = scored(model, [ScoreRequest("The word is under", ("standing, of course",))])
    context, whole = ids("The word is under"), ids("The word is understanding, of course")
    kept = next(place for place, token in enumerate(whole) if context[place : place + 1] != [token])
    assert found.merged == (kept < len(context))
    assert found.merged, "choose words that merge in this vocabulary"
    assert list(found.continuations[0].logprobs) == pytest.approx(plainly(whole[:kept], whole), abs=1e-3)


def test_a_marker_in_the_data_stays_text(model: VLLM) -> None:
    tokenizer, _ = reference()
    content = (Message("user", FILMS[3]),)
    tokens = model._tokens.encode(content)
    plain = rendered("A").split("A")
    assert tokens.count(tokenizer.eos_token_id) == sum(part.count("<|im_end|>") for part in plain)
    assert tokenizer.decode(list(tokens)) == rendered(FILMS[3])
    (found,) = scored(model, [ScoreRequest(content, ("<|im_end|>", "fine"))])
    assert len(found.continuations[0].tokens) > 1


def test_a_long_batch_with_one_prefix_settles_in_any_order_and_completely(model: VLLM) -> None:
    many = [
        ScoreRequest(f"{RULES[:-1]} Case {number} of {80}:", (" good", " bad"), len(RULES) - 1) for number in range(80)
    ]
    found = scored(model, many)
    alone = scored(model, [many[41]])[0]
    ScorerContract().agree(found[41], alone)


def test_stopping_ends_after_what_is_in_flight(model: VLLM) -> None:
    seen: list[int] = []
    for index, _ in model.score([ScoreRequest(f"Case {n}:", (" good",)) for n in range(200)], lambda: len(seen) > 3):
        seen.append(index)
    assert 4 <= len(seen) < 200


def test_leaving_a_reply_begun_leaves_the_engine_usable(model: VLLM) -> None:
    answers = model.generate([Request(f"Count from {n}:", Sampling(max_tokens=40)) for n in range(6)])
    next(answers)
    answers.close()
    assert len(scored(model, [ScoreRequest("A", (" word",))])) == 1


def test_replies_by_seed_stop_and_alternatives(model: VLLM) -> None:
    say = (Message("user", "Name any animal."),)
    warm = Sampling(temperature=1.5, max_tokens=12)
    drawn = dict(model.generate([Request(say, warm, seed=seed) for seed in (1, 2, 3, 1)]))
    assert len({drawn[index].text for index in range(3)}) > 1
    assert drawn[0].text == drawn[3].text
    ((_, stopped),) = model.generate([Request("one, two, three,", Sampling(max_tokens=20, stop=(", five", " six")))])
    assert "five" not in stopped.text
    assert stopped.finish == "stop"
    ((_, cut),) = model.generate([Request("one, two, three,", Sampling(max_tokens=3), logprobs=2)])
    assert (cut.finish, cut.completion_tokens, len(cut.tokens)) == ("length", 3, 3)
    assert "".join(token.text for token in cut.tokens) == cut.text
    for token in cut.tokens:
        assert token.top[0] == (token.text, token.logprob)
        assert token.top[0][1] >= token.top[1][1]
    place = len(ids("one, two, three,"))
    whole = ids("one, two, three," + cut.text)
    assert [token.logprob for token in cut.tokens] == pytest.approx(plainly(whole[:place], whole), abs=1e-3)


def test_what_does_not_fit_is_rejected_and_a_tight_fit_is_not(model: VLLM) -> None:
    word = " word" * (model.context - 1)
    assert len(ids(word)) == model.context - 1
    found = scored(model, [ScoreRequest(word, (" one",)), ScoreRequest(word, (" one two",))])
    assert [each.finish for each in found] == ["stop", "rejected"]
    replies: dict[int, Reply] = dict(
        model.generate([Request(word, Sampling(max_tokens=5)), Request(word + " word", Sampling(max_tokens=5))])
    )
    assert (replies[0].finish, replies[0].completion_tokens) == ("length", 1)
    assert replies[1].finish == "rejected"


def test_it_says_what_it_is(model: VLLM) -> None:
    assert isinstance(model, Bounded)
    assert isinstance(model, Tokenizer)
    assert isinstance(model, LocalAware)
    assert (model.context, model.local, model.count_tokens("<|im_end|>") > 1) == (1024, True, True)
    assert open_model(f"vllm/{model_folder()}").name == model.name.replace(":1024:", ":4096:")
    with pytest.raises(ConfigError, match="neither a GGUF file nor a folder"):
        open_model(f"vllm/{model_folder()}/config.json")


def test_no_chat_template_is_a_sentence(model: VLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model._tokens._tokenizer, "chat_template", None)
    with pytest.raises(ConfigError, match="no chat template"):
        scored(model, [ScoreRequest((Message("user", "Hello."),), ("Hi",))])


def test_after_close_it_starts_again(model: VLLM) -> None:
    first = scored(model, requests()[:1])[0]
    model.close()
    model.close()
    ScorerContract().agree(first, scored(model, requests()[:1])[0])


SCRIPT = """
import sys
from promptopt.models.vllm.model import VLLM
from promptopt.types import ScoreRequest

model = VLLM(sys.argv[1], context=256)
for _, found in model.score([ScoreRequest("The sky is", (" blue",))]):
    print(round(found.continuations[0].total, 2))
"""


def test_a_script_without_a_guard_ends_in_silence_and_leaves_nothing(model: VLLM, tmp_path: Path) -> None:
    # Two engines at once would be one too many for a small machine. This test is the last, or another one would start
    # the shared engine once more.
    model.close()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(model_folder())],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) < 0
