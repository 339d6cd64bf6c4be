from __future__ import annotations

import sys

import pytest

from promptopt.errors import ConfigError
from promptopt.evaluators import metrics, overlap
from promptopt.types import Example


@pytest.mark.parametrize("name", ["rouge_l", "bleu"])
@pytest.mark.parametrize(
    "text",
    ["the cat sat on the mat", "Ça va très bien, merci à tous", "我住在北京市的中心", "قطة على السجادة هنا الآن"],
)
def test_the_right_text_gets_full_marks_in_any_script(name: str, text: str) -> None:
    pytest.importorskip("rouge_score" if name == "rouge_l" else "sacrebleu")
    metric = metrics.resolve(name)
    assert metric(text, Example.of(text, q="?")) == pytest.approx(1.0)
    assert metric(text, Example.of("zzz", [text], q="?")) == pytest.approx(1.0)
    assert metric("nothing", Example.of(text, q="?")) == 0.0


def test_rouge_l_is_the_f1_of_the_longest_common_subsequence() -> None:
    pytest.importorskip("rouge_score")
    assert overlap.rouge_l("the cat the mat", Example.of("the cat sat on the mat", q="?")) == pytest.approx(0.8)


def test_bleu_is_that_of_sacrebleu_with_the_effective_order() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    pair = "the cat is on the mat", "the cat sat on the mat"
    expected = sacrebleu.sentence_bleu(pair[0], [pair[1]], use_effective_order=True).score / 100
    assert overlap.bleu(pair[0], Example.of(pair[1], q="?")) == pytest.approx(expected)


@pytest.mark.parametrize(("name", "module"), [("rouge_l", "rouge_score.rouge_scorer"), ("bleu", "sacrebleu.metrics")])
def test_without_the_extra_one_sentence_says_what_to_install(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r'pip install "promptopt-engine\[metrics\]"'):
        metrics.resolve(name)("a", Example.of("a", q="?"))
