"""Checks of what a model yields: each request answered once, by a reply, with counts that can be."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, SupportsIndex, cast

from promptopt.errors import BackendError
from promptopt.models.tokens import TEMPLATE_TOKENS, THINKING_TOKENS, count_of, estimate_tokens, most_tokens
from promptopt.types import Likelihoods, Reply, Request, ScoreRequest, texts_sent


def checked_replies(
    found: object,
    requests: Sequence[Request | ScoreRequest],
    model: str,
    warn: Callable[[str], None],
) -> Iterator[tuple[int, Reply | Likelihoods]]:
    """The pairs that a model called `model` yields for `requests`, in its order.

    A count of tokens that cannot be is estimated, with a warning, for it would spoil the ledger. Raises BackendError
    for an answer to no request, a second answer to one, and what is no answer.
    """
    answered: set[int] = set()
    for index, reply in _index_and_reply(found, model):
        # An array's own integers are places too. True, which is an int to Python, is none.
        place = index if type(index) is int else _whole_number(index)
        if not 0 <= place < len(requests):
            raise _broken(model, f"an answer to request {index!r} of {len(requests)}, which begin at 0")
        # A second answer would be paid for, and which of the two a replay reads back would be chance.
        if place in answered:
            raise _broken(model, f"a second answer to request {place}")
        answered.add(place)
        request = requests[place]
        wanted = Reply if isinstance(request, Request) else Likelihoods
        if not isinstance(reply, wanted) or not _is_text(reply):
            raise _broken(model, f"{_shortened_text(reply)!r} where a {wanted.__name__} was asked for")
        # Before it is stored: a replay reads the estimate back, and charges the same.
        yield place, _counted(reply, request, model, warn)


def _index_and_reply(found: object, model: str) -> Iterator[tuple[object, object]]:
    """What was yielded, as long as it is pairs."""
    if not isinstance(found, Iterable):
        raise _broken(model, f"{found!r} where pairs (index, Reply) are asked for, each as soon as it is known")
    for each in cast("Iterable[object]", found):
        pair = cast("Sequence[object]", each) if isinstance(each, tuple | list) else ()
        # A reply alone, or a text: which request it answers is not said, and guessing would mix up answers.
        if len(pair) != 2:
            raise _broken(model, f"{_shortened_text(each)!r} where a pair (index, Reply) is asked for")
        yield pair[0], pair[1]


def _is_text(reply: Reply | Likelihoods) -> bool:
    """Whether what should be text is: plug-ins are not type-checked."""
    return isinstance(getattr(reply, "text", ""), str) and isinstance(reply.served, str)  # pyright: ignore


def _counted(
    reply: Reply | Likelihoods, request: Request | ScoreRequest, model: str, warn: Callable[[str], None]
) -> Reply | Likelihoods:
    if isinstance(reply, Likelihoods):
        asked = [*texts_sent(request.content), *(request.continuations if isinstance(request, ScoreRequest) else ())]
        # Scoring writes nothing, so there is no reply and no cap to count.
        most, _ = most_tokens(asked, "", 0)
        # Every continuation may have been read with the whole content before it.
        if count_of(reply.prompt_tokens, most * max(1, len(asked))) is None:
            warn(_odd(model))
            return replace(reply, prompt_tokens=sum(estimate_tokens(text, model) for text in asked))
        return reply
    read, written = reply.prompt_tokens, reply.completion_tokens
    # Counts that every request may have, as nearly all are: whatever its texts, a service may add as much.
    if type(read) is type(written) is int and 0 <= read <= TEMPLATE_TOKENS and 0 <= written <= THINKING_TOKENS:
        return reply
    asked = texts_sent(request.content)
    cap = request.sampling.max_tokens if isinstance(request, Request) else 0
    most_read, most_written = most_tokens(asked, reply.text, cap)
    read, written = count_of(read, most_read), count_of(written, most_written)
    if read is not None and written is not None:
        return reply
    warn(_odd(model))
    return replace(
        reply,
        prompt_tokens=sum(estimate_tokens(text, model) for text in asked) if read is None else read,
        completion_tokens=estimate_tokens(reply.text, model) if written is None else written,
    )


def _odd(model: str) -> str:
    return f"the model {model!r} counts tokens that cannot be (negative, or more than its texts can have); estimated"


def _shortened_text(given: Any) -> str:
    return str(given)[:80]


def _whole_number(index: object) -> int:
    """A whole number of whatever kind, as arrays have their own; -1 where it is none."""
    return operator.index(index) if isinstance(index, SupportsIndex) and not isinstance(index, bool) else -1


def _broken(model: str, what: str) -> BackendError:
    return BackendError(
        f"the model {model!r} gave {what}: its code is wrong, and nothing of it was stored; mend it, then run the same "
        f"again to go on"
    )
