"""What PMPO's proposer is asked, and what of its replies can be scored."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.operators.drafts import Drafts, edit_limit, words_allowed
from promptopt.operators.losses import Losses
from promptopt.operators.masks import TAGS, Effect, show_effects, summarise
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import ask_whole, show_example, show_task
from promptopt.operators.replies import sized, tidy
from promptopt.optimizers.pmpo.plan import Rewriting
from promptopt.optimizers.pmpo.requests import FORM, FULL, SCOPE, SHORT, UNDIVIDED
from promptopt.run import Run
from promptopt.tasks.parts import wording
from promptopt.types import Example, Prompt


def rewrites_of(
    run: Run,
    how: Rewriting,
    count: int,
    best: Losses,
    shortened: Sequence[Prompt],
    effects: Sequence[Effect],
    hard: Sequence[Example],
    quotes: Quotes,
    gain: float = 0.0,
) -> list[Prompt]:
    """`count` new prompts for each hard example: those that can be used, quote no example, and were not scored.

    `how`: what the proposer is asked in, and how long they may be. `gain`: what a loss has to fall by.
    """
    editable = run.task.editable
    section = best.prompt[editable]
    sampling = sized(how.sampling, run.count_tokens(section))
    most = edit_limit(section, how.longest, run.count_tokens)
    # n draws of one request for each example: equal requests are counted.
    words = words_allowed(run.task, editable, section, how.longest, run.count_tokens)
    metas = [_meta(run, how.form, best.prompt, effects, example, words) for example in hard for _ in range(count)]
    bare = how.form == "short"
    replies = ask_whole(run, metas, "prompt", sampling, "rewriter", bare=bare)
    scored = [*shortened, *(estimate.prompt for step in run.steps for estimate in step.pool)]
    seen = {wording(run.task, prompt) for prompt in scored}
    drafts = Drafts(run, best.prompt, most, TAGS, FORM)
    for place, reply in enumerate(replies):
        if reply is None:
            continue
        text = tidy(reply, section)
        if wording(run.task, best.prompt.replace(editable, text)) in seen:
            run.reject("rewriter: scored before")
        elif quotes.new_in(text, section):
            run.reject("rewriter: quotes an example")
        else:
            drafts.add([text], "rewriter", _note(best, hard[place // count], effects, gain))
    return run.admit(drafts.proposals())


def _meta(run: Run, form: str, prompt: Prompt, effects: Sequence[Effect], example: Example, words: int) -> str:
    task = show_task(run.task, prompt)
    return (FULL if form == "full" else SHORT).render(
        {
            # Told to be the full scope, lest the prompt is fitted to the one example (paper).
            "task": f"{task.rstrip()}\n{SCOPE}" if task else "",
            "section": prompt[run.task.editable],
            "effects": show_effects(effects) if effects else UNDIVIDED,
            "example": show_example(example),
            "words": str(words),
        }
    )


def _note(best: Losses, example: Example, effects: Sequence[Effect], gain: float) -> str:
    """What led to a rewrite: the example, and the parts of the prompt that were said to matter."""
    losses = f"loss {best.losses[example]:.4f}, mean {best.loss:.4f}"
    losses += f", to be beaten by {gain:.2g}" if gain else ""
    return "; ".join([f"example {example.id} ({losses})", *map(summarise, effects)])
