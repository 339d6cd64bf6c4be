"""Paraphrases of a phrase, from the proposer: ten at once, and more where none could be used or all were.

The paper asks a paraphrase model (Pegasus, 10 beams); here any model does.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import cast

from promptopt.operators.drafts import unusable
from promptopt.operators.replies import PIECE_WORDS, UNKNOWN_FORM, Form, tidy, unthought
from promptopt.optimizers.plum.phrases import protected
from promptopt.run import Run
from promptopt.text import Pattern, strip_fence
from promptopt.types import Message, Reply, Sampling

SAMPLING = Sampling(temperature=0.7, max_tokens=400)
ENDS = " .!?。！？"
"""What a variant ends in and its phrase may not."""
TIMES_AS_LONG = 4
"""A variant may be so many times as long as its phrase, in characters. Ours."""
ROOM = 40
"""Characters that any variant may have: what says a word of three letters is longer than twelve. Ours."""
TRIES = 3
"""Replies in a row without a new variant, each a new draw, after which a phrase is asked for no more. Ours."""

PARAPHRASE = Pattern(
    '''A phrase stands in this text:
"""
{sentence}
"""

The phrase: {phrase}

Say the phrase in {count} different ways. Each must mean the same and fit grammatically into its place, so that the \
rest of the text stays as it is. Write the phrase only, not the text around it: no numbers, no comments.
Answer with a list of {count} strings, in this form:
["...", "..."]''',
    ("sentence", "phrase", "count"),
)

_FORM = Form(PARAPHRASE)
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)+)"\s*(?=[,\]])')
_LIST_MARK = re.compile(r"^(?:[-*•–]|\(?\d{1,3}[.):])\s+")
_QUOTES = "\"'`“”‘’«»"


class Paraphraser:
    """The variants of each phrase that came up in a run; one without any is asked for again, up to `TRIES` times."""

    def __init__(self, run: Run, count: int, sampling: Sampling, *, renewed: bool = False) -> None:
        """`count`: the variants asked for, in one reply. `renewed`: whether more are asked for once all were wanted."""
        self._run, self._count, self._sampling = run, count, sampling
        self._renewed = renewed
        self._known: dict[str, tuple[str, ...]] = {}
        self._wanted: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        # A greedy reply is the same each time.
        self._most = TRIES if sampling.temperature > 0 else 1

    def variants(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
        """For each (phrase, sentence it stands in) its variants, up to `count` from each reply.

        One call for each phrase that lacks some.
        """
        fresh: dict[str, str] = {}
        for phrase, sentence in wanted:
            if self._lacks(phrase):
                fresh.setdefault(phrase, sentence)
            self._wanted[phrase] += 1
        asked = [
            PARAPHRASE.render({"sentence": sentence, "phrase": phrase, "count": str(self._count)})
            for phrase, sentence in fresh.items()
        ]
        replies = self._run.generate([(Message("user", text),) for text in asked], self._sampling) if asked else []
        for (phrase, sentence), reply in zip(fresh.items(), replies, strict=True):
            known = self._known.get(phrase, ())
            found = tuple(dict.fromkeys([*known, *self._usable(unthought(reply), phrase, sentence)]))
            # Only replies in a row count: a phrase that still gives new variants is asked for on.
            self._failed[phrase] = 0 if len(found) > len(known) else self._failed[phrase] + 1
            self._known[phrase] = found
        return [self._known[phrase] for phrase, _ in wanted]

    def _lacks(self, phrase: str) -> bool:
        """Whether to ask for a phrase: it has no variants yet, or (`renewed`) as many were wanted as it has."""
        known = self._known.get(phrase)
        if known is not None and self._failed[phrase] >= self._most:
            return False
        return not known or (self._renewed and self._wanted[phrase] >= len(known))

    def _usable(self, reply: Reply, phrase: str, sentence: str) -> tuple[str, ...]:
        # What is complete of a list that was cut at length is still of use.
        if reply.finish not in ("stop", "length"):
            self._run.reject(f"paraphraser: {reply.finish}")
            return ()
        kept: dict[str, None] = {}
        # The end of a whole sentence stays; variants have lost theirs.
        end = phrase[len(phrase.rstrip(ENDS)) :]
        for bare in read_variants(reply):
            text = tidy(bare, phrase) + end
            why = _unfit(text, phrase, sentence)
            if why is not None:
                self._run.reject(f"paraphraser: {why}")
            else:
                kept[text] = None
        return tuple(kept)[: self._count]


def _unfit(text: str, phrase: str, sentence: str) -> str | None:
    """Why `text` cannot stand in for the phrase, in a few words; None where it can."""
    if "\n" in text:
        return "several lines"
    if protected(text):
        return "placeholder, tag or link"
    said, around, own = map(_padded_words, (text, sentence, phrase))
    if said != own and said in around:
        return "copied from the text"
    # Counting characters as tokens, the shared rules cap the length in characters.
    most = max(ROOM, TIMES_AS_LONG * len(phrase))
    # A few words say the same as a piece of the request by accident.
    form = _FORM if len(text.split()) >= PIECE_WORDS else UNKNOWN_FORM
    return unusable(text, phrase, most=most, tags=(), count_tokens=len, form=form, own=(sentence,))


def _padded_words(text: str) -> str:
    return " ".join(["", *re.findall(r"[^\W_]+", text.casefold()), ""])


def read_variants(reply: Reply) -> list[str]:
    """The variants in a reply: a JSON list of strings, what is complete of one, or a variant a line; cleaned.

    List marks, quotes around a variant and the marks at its end are taken off; what is empty then is left out.
    """
    found = [_clean(text) for text in _paraphrases_in(reply)]
    return [text for text in found if text]


def _paraphrases_in(reply: Reply) -> list[str]:
    text = strip_fence(reply.text)
    begin, end = text.find("["), text.rfind("]")
    if 0 <= begin < end:
        try:
            listed: object = json.loads(text[begin : end + 1])
        except ValueError:
            listed = None
        if isinstance(listed, list):
            return [item for item in cast("list[object]", listed) if isinstance(item, str)]
    if begin >= 0:
        return [match.group(1) for match in _STRING.finditer(text, begin)]
    lines = [line.strip() for line in text.splitlines()]
    if reply.finish == "length":
        # The last line is the one that was cut.
        lines = lines[:-1]
    # "Here are ten ways:" announces variants and is none.
    return [line for line in lines if not line.endswith(":")]


def _clean(text: str) -> str:
    bare = _LIST_MARK.sub("", text.strip()).strip().rstrip(ENDS + ",")
    if len(bare) > 1 and bare[0] in _QUOTES and bare[-1] in _QUOTES:
        bare = bare.strip(_QUOTES)
    return bare.rstrip(ENDS)
