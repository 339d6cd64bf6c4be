"""One whole prompt a request: what the proposer writes stands in for its parent's editable part, or nothing does.

For methods whose operators are one request each (crossover, mutation, paraphrase, a guess at the instruction).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from promptopt.operators.drafts import SAME, edit_limit, texts_beside_prompt, unusable
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import ask_whole
from promptopt.operators.replies import Form, sized, tidy
from promptopt.run import Run
from promptopt.tasks.parts import focused
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
    form: Form,
    tag: str = TAG,
    tags: Collection[str] = (),
    bare: bool = False,
    closed: bool = False,
) -> list[Prompt | None]:
    """For each (parent, request) the parent with its editable part exchanged for what was written; None for no use.

    The last complete `tag` pair of a reply counts; a reply without tags is asked for once more, unless it is plainly
    its parent in other words (`bare`, `closed`: as in `reflect.ask_whole`). A text is dropped where it is empty, cut
    short or a refusal, or loses or adds a placeholder. So is one of more than `longest` tokens, or a quarter more than
    a parent that is long itself. So is one that holds one of the tags (`tags`: others of the contract), or repeats the
    request (`form`: what that says by itself). What is dropped is counted under `who`. Labels, scores and quotes around
    a text are taken off, and every reply has space for the longest parent. A text equal to its parent gives the parent.
    Equal requests are separate draws.
    """
    editable = run.task.editable
    texts = _generated_rewrites(
        run,
        [(parent, editable, request) for parent, request in asked],
        sampling,
        who=who,
        longest=longest,
        tag=tag,
        tags=tags,
        bare=bare,
        closed=closed,
        form=form,
    )
    return [
        None if text is None else parent.replace(editable, text) for (parent, _), text in zip(asked, texts, strict=True)
    ]


def again(
    made: Sequence[Prompt | None], write: Callable[[list[Prompt]], Sequence[Prompt | None]]
) -> list[Prompt | None]:
    """What `write` makes of each prompt that was made, where that gives what can be used; else as it was made."""
    drafts = [each for each in made if each is not None]
    # Where nothing was made nothing is asked.
    written = iter(write(drafts) if drafts else [])
    found: list[Prompt | None] = []
    for each in made:
        text = None if each is None else next(written)
        found.append(each if text is None else text)
    return found


def revisions(
    run: Run,
    asked: Sequence[tuple[Prompt, str, str]],
    sampling: Sampling,
    *,
    who: str,
    longest: int,
    quotes: Quotes,
    form: Form,
) -> list[str | None]:
    """For each (parent, part, request) the new text of that part; None for no use.

    As `rewrites`, and dropped too where it is the old text or quotes an example of `quotes`.
    """
    texts = _generated_rewrites(run, asked, sampling, who=who, longest=longest, closed=True, form=form)
    found: list[str | None] = []
    for (parent, part, _), text in zip(asked, texts, strict=True):
        why = None if text is None else _misplaced(text, parent[part], quotes)
        if why is not None:
            run.reject(f"{who}: {why}")
        found.append(text if why is None else None)
    return found


def _misplaced(text: str, section: str, quotes: Quotes) -> str | None:
    if text == section:
        return SAME
    return "quotes an example" if quotes.new_in(text, section) else None


def _generated_rewrites(
    run: Run,
    asked: Sequence[tuple[Prompt, str, str]],
    sampling: Sampling,
    *,
    who: str,
    longest: int,
    form: Form,
    tag: str = TAG,
    tags: Collection[str] = (),
    bare: bool = False,
    closed: bool = False,
) -> list[str | None]:
    """The texts of parts, as in `rewrites`; where one is the same as its parent's, that one."""
    # Each section once: a count may have to ask an engine.
    sections = dict.fromkeys(parent[part] for parent, part, _ in asked)
    sampling = sized(sampling, max(map(run.count_tokens, sections), default=0))
    requests, parents = [request for *_, request in asked], [parent[part] for parent, part, _ in asked]
    texts = ask_whole(run, requests, tag, sampling, who, parents=parents, bare=bare, closed=closed)
    found: list[str | None] = []
    for (parent, part, _), text in zip(asked, texts, strict=True):
        if text is None:
            found.append(None)
            continue
        section = parent[part]
        text = tidy(text, section)
        why = unusable(
            text,
            section,
            most=edit_limit(section, longest, run.count_tokens),
            tags=(tag, *tags),
            count_tokens=run.count_tokens,
            form=form,
            # What the request tells of the task a text may say as well.
            own=texts_beside_prompt(focused(run.task, part), parent),
            labels=run.task.labels,
        )
        # An operator may leave a text as it is, so that is no failure to be counted.
        if why is not None and why != SAME:
            run.reject(f"{who}: {why}")
        found.append(text if why is None else section if why == SAME else None)
    return found
