"""One whole prompt a request: what the proposer writes stands in for its parent's editable part, or nothing does.

For methods whose operators are one request each (crossover, mutation, paraphrase, a guess at the instruction).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from promptopt.operators.reflect import SAME, ask_whole, room, said_of, unusable
from promptopt.operators.replies import NOTHING, Form, sized, tidy
from promptopt.run import Run
from promptopt.types import Prompt, Sampling

TAG = "prompt"
"""The tag that the rewrites of a request stand in, unless a method says otherwise."""


def rewrites(
    run: Run,
    asked: Sequence[tuple[Prompt, str]],
    sampling: Sampling,
    *,
    who: str,
    longest: int,
    tag: str = TAG,
    tags: Collection[str] = (),
    bare: bool = False,
    closed: bool = False,
    form: Form = NOTHING,
) -> list[Prompt | None]:
    """For each (parent, request) the parent with its editable part exchanged for what was written; None for no use.

    The last complete `tag` pair of a reply counts; a reply without tags is asked for once more (`bare`, `closed`: as in
    `reflect.ask_whole`). A text is dropped where it is empty, cut short, a refusal, longer than `longest` tokens (or a
    quarter longer than a parent that is long itself), loses or adds a placeholder, or holds one of the tags (`tags`:
    others of the contract), or repeats the request (`form`: what that says by itself); what is dropped is counted under
    `who`. Labels, scores and quotes around a text are taken off, and every reply has space for the longest parent. A
    text equal to its parent gives the parent. Equal requests are separate draws.
    """
    editable = run.task.editable
    sections = dict.fromkeys(parent[editable] for parent, _ in asked)
    sampling = sized(sampling, max(map(run.count_tokens, sections), default=0))
    texts = ask_whole(run, [request for _, request in asked], tag, sampling, who, bare=bare, closed=closed)
    found: list[Prompt | None] = []
    for (parent, _), text in zip(asked, texts, strict=True):
        if text is None:
            found.append(None)
            continue
        section = parent[editable]
        text = tidy(text, section)
        why = unusable(
            text,
            section,
            most=room(section, longest, run.count_tokens),
            tags=(tag, *tags),
            count_tokens=run.count_tokens,
            form=form,
            own=said_of(run.task, parent),
        )
        if why == SAME:
            found.append(parent)
        elif why is not None:
            run.reject(f"{who}: {why}")
            found.append(None)
        else:
            found.append(parent.replace(editable, text))
    return found
