"""Texts compared by what they share with the right ones: token F1, ROUGE-L and BLEU."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from importlib import import_module
from typing import Any

from promptopt.errors import ConfigError
from promptopt.evaluators.cues import UNSPACED, UNSPACED_CHARACTER
from promptopt.types import Example

# SQuAD's script takes exactly these away, and no others.
_PUNCTUATION = str.maketrans("", "", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")


def f1(answer: str, example: Example) -> float:
    """Token F1 in [0, 1] as SQuAD computes it: no case, punctuation or articles (Rajpurkar et al. 2016; script v2).

    In scripts without spaces each character is a token, and their stops are none.
    """
    return max(_token_f1(_squad_tokens(answer), _squad_tokens(right)) for right in (example.target, *example.accepted))


def rouge_l(answer: str, example: Example) -> float:
    """ROUGE-L F1 in [0, 1] by Google's `rouge-score`, without stemming (Lin 2004); the best over the right answers.

    On ASCII its tokens are that package's own; other letters, which it drops, are kept, and in scripts without spaces
    each character is a token. Raises ConfigError where the extra `metrics` is not installed.
    """
    scorer = _rouge()
    return max(float(scorer.score(right, answer)["rougeL"].fmeasure) for right in (example.target, *example.accepted))


def bleu(answer: str, example: Example) -> float:
    """Sentence BLEU in [0, 1] by `sacrebleu` (Post 2018), against all right answers at once.

    Its defaults (13a tokens, case counts, exponential smoothing), with the effective order, as short texts have no four
    words; right answers in a script without spaces are compared by characters. A mean of it is no corpus BLEU. Raises
    ConfigError where the extra `metrics` is not installed.
    """
    right = [example.target, *example.accepted]
    tokens = "char" if any(UNSPACED_CHARACTER.search(text) for text in right) else "13a"
    # sacrebleu gives 100.00000000000004 for equal texts.
    return min(1.0, float(_bleu(tokens).sentence_score(answer, right).score) / 100)


class _Tokens:
    """What `rouge-score` asks for its tokens."""

    def tokenize(self, text: str) -> list[str]:
        """Words in small letters; characters of scripts without spaces."""
        return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())


def _rouge() -> Any:
    return _extra("rouge_score.rouge_scorer", "rouge_l").RougeScorer(["rougeL"], tokenizer=_Tokens())


def _bleu(tokens: str) -> Any:
    return _extra("sacrebleu.metrics", "bleu").BLEU(effective_order=True, tokenize=tokens)


def _extra(module: str, metric: str) -> Any:
    try:
        return import_module(module)
    except ImportError as cause:
        package = module.partition(".")[0].replace("_", "-")
        raise ConfigError(
            f'metric {metric!r} needs {package}, which is not installed: pip install "promptopt-engine[metrics]"'
        ) from cause


def _squad_tokens(text: str) -> list[str]:
    folded = _ARTICLE.sub(" ", unicodedata.normalize("NFC", text).lower().translate(_PUNCTUATION))
    if folded.isascii() or not UNSPACED_CHARACTER.search(folded):
        return folded.split()
    apart = UNSPACED_CHARACTER.sub(r" \g<0> ", folded).split()
    return [token for token in apart if not all(unicodedata.category(sign).startswith("P") for sign in token)]


def _token_f1(found: list[str], right: list[str]) -> float:
    if not found or not right:
        # As SQuAD's script for answers of nothing: right where both are empty.
        return float(found == right)
    common = sum((Counter(found) & Counter(right)).values())
    return 2 * common / (len(found) + len(right))
