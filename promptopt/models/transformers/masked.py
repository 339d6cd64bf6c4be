"""Scoring by a masked language model: a label stands at the mask, and is judged by what is around it on both sides.

Where the layout holds the tokenizer's mask (`[MASK]`, `<mask>`) exactly once, the continuation is scored there;
otherwise at the end of the content. Masks that an example or a prompt brought along (`ScoreRequest.literal`) are text.
A continuation of n tokens takes n masks and is scored from left to right, by the
chain rule. Its first token is scored with n masks, the second with the first in place and n - 1 masks, and so on. So it
takes n texts. Since all of a text sees all of it, no prefix can be shared.

Such models have no chat template: messages are read one after the other, apart by a blank line. They have no token that
ends a reply either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptopt.errors import ConfigError
from promptopt.models.boundary import continuation_start
from promptopt.models.transformers.packing import Read
from promptopt.models.transformers.scoring import ReadSchedule, Scheduler
from promptopt.types import ScoreRequest, flat
from promptopt.types.identity import surrogates_replaced
from promptopt.types.masks import covered


def masked_scheduler(tokenizer: Any, called: str, most: int) -> Scheduler:
    """Schedules for a masked model that holds `most` tokens. Raises ConfigError where the tokenizer has no mask."""
    if tokenizer.mask_token is None:
        raise ConfigError(
            f"the model {called!r} has no mask token, so it cannot score as a masked language model; use it as "
            f"'hf/...', or choose a masked model such as BERT"
        )
    mask_text, mask = str(tokenizer.mask_token), int(tokenizer.mask_token_id)

    def tokens_of(text: str) -> tuple[int, ...]:
        # Markers such as [SEP] inside of a text stay text.
        whole = surrogates_replaced(text)
        return tuple(tokenizer(whole, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    before_all, after_all = _frame(tokenizer, tokens_of("a"))

    def schedule(request: ScoreRequest) -> ReadSchedule:
        if request.ends:
            raise ConfigError(
                f"the masked language model {called!r} has no token that ends a reply, so its end cannot be scored; "
                f"use `--evaluator labels`"
            )
        whole, own = flat(request.content, "\n\n"), flat(covered(request.content, request.literal), "\n\n")
        # Two masks or more: which one is meant is not known, so they are text, and the label goes to the end.
        found = own.count(mask_text) == 1
        place = own.index(mask_text) if found else len(whole)
        before, after = whole[:place], whole[place + len(mask_text) :]
        # A message ends without the space that stands before a word.
        if not found and not isinstance(request.content, str):
            before += " "
        context, rest = tokens_of(before), (*tokens_of(after), *after_all)
        wholes = [tokens_of(before + text) if text else context for text in request.continuations]
        starts = [continuation_start(context, whole) for whole in wholes]
        scored = [whole[start:] for whole, (start, _) in zip(wholes, starts, strict=True)]
        reads = [
            _reads((*before_all, *whole[:start]), whole[start:], rest, mask)
            for whole, (start, _) in zip(wholes, starts, strict=True)
        ]
        read = len(before_all) + len(context) + len(rest)
        return ReadSchedule(
            (),
            tuple(reads),
            tuple(scored),
            read + sum(map(len, scored)),
            any(merged for _, merged in starts),
            max((len(each.tokens) for alternatives in reads for each in alternatives), default=read) <= most,
        )

    return schedule


def _reads(before: tuple[int, ...], label: tuple[int, ...], after: tuple[int, ...], mask: int) -> tuple[Read, ...]:
    """One text for each token of a label."""
    found: list[Read] = []
    for known, token in enumerate(label):
        masks = (mask,) * (len(label) - known)
        found.append(Read((*before, *label[:known], *masks, *after), ((len(before) + known, token),)))
    return tuple(found)


def _frame(tokenizer: Any, text: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens that the tokenizer puts before and after every text, such as [CLS] and [SEP]; `text`: those of "a"."""
    framed: Sequence[int] = tokenizer("a")["input_ids"]
    places = range(len(framed) - len(text) + 1)
    begin = next((place for place in places if tuple(framed[place : place + len(text)]) == text), 0)
    return tuple(framed[:begin]), tuple(framed[begin + len(text) :])
