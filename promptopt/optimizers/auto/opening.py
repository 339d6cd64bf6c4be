"""What is looked at before the first generation: the start on a few examples, the task's other layouts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.optimizers.auto.plan import LEAST_PAIRS, LOOK, Generations
from promptopt.programs.evaluator import FAILED
from promptopt.run import Run
from promptopt.run.first_replies import advice
from promptopt.tasks.layouts import read_apart
from promptopt.tasks.task import Task
from promptopt.text import counted
from promptopt.types import Example, Prompt, Proposal, Score

FAULTLESS = 0.98
"""A start that scores so much leaves nothing to be found. Ours: that the last two points were gained takes some 400
sealed examples to show."""
CONFIRMED = 60
"""Training examples, at most, that a start must be faultless on before the search ends for it."""
UNREADABLE = 0.2
"""Share of unreadable replies from which on the first generation tries a line that says what an
answer looks like. Ours."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first look leaves: the prompts that go on, and children of them that it suggests."""

    elite: list[Prompt]
    first: list[Proposal]


def look_at_start(run: Run, plan: Generations, *, layouts: bool) -> Beginning | None:
    """Look at the start, and where `layouts` at those of its task; None where nothing is to be found."""
    # In one order: what confirms the start goes on where the first look ended, and pays for further examples alone.
    sample = run.rng("look").sample(run.train, len(run.train))
    seen = sample[: plan.look]
    scores = run.evaluate([run.initial], seen)[run.initial]
    # So much is often luck on so few: it is confirmed, for a quarter of the search at most. Where that is fewer than a
    # whole look nothing is: a start that is wrong on one in five is right on all of eight once in six times.
    sure = max(plan.look, min(len(sample), CONFIRMED, plan.evaluations // 4))
    telling = plan.look > 0 and sure >= min(LOOK, len(sample))
    if telling and math.fsum(score.value for score in scores) >= FAULTLESS * plan.look:
        mean = run.evaluate([run.initial], sample[:sure]).means()[run.initial]
        if mean >= FAULTLESS:
            run.warn(
                f"the start is right on {mean:.0%} of {counted(sure, 'training example')}: there is nothing to be "
                "found here",
                ends=True,
            )
            return None
    others = _other_layouts(run) if layouts and plan.look >= LEAST_PAIRS else []
    # All layouts together are looked at on about as many examples as the start was.
    pairs = min(plan.look, max(LEAST_PAIRS, plan.look // max(1, len(others))))
    laid_out = _accepted_layouts(run, others, seen[:pairs])
    elite = _better(run, laid_out, seen[:pairs], plan.keep)
    unreadable = sum(not score.parsed for score in scores)
    first: list[Proposal] = []
    if unreadable > UNREADABLE * plan.look:
        seen_so_far = counted(plan.look, "reply", "replies")
        found = f"{unreadable} of the first {seen_so_far} hold no readable answer{_why(run, scores)}"
        run.warn_unread(found, unreadable / plan.look)
        first = [
            Proposal(
                with_answer_line(run.task.labels, each, run.task.editable), (each,), "rewrite",
                "says what an answer looks like",
            )
            for each in elite
        ]  # fmt: skip
    return Beginning(elite, first)


def _why(run: Run, scores: Sequence[Score]) -> str:
    """Why most of the unreadable replies are, and what to change; nothing where no reply is to blame."""
    ((cause, _),) = Counter(score.feedback for score in scores if not score.parsed).most_common(1)
    # A program that failed says nothing of replies.
    if not cause or cause.startswith(FAILED):
        return ""
    return f" (mostly: {cause}); {advice(cause, run.task.sampling.max_tokens)}"


def _other_layouts(run: Run) -> list[Prompt]:
    """The start in the other layouts of its task in which the model reads it differently."""
    if not isinstance(run.task, Task) or run.initial.layout:
        return []
    # Layouts that read alike are one; the first is the one in use.
    _, *others = dict.fromkeys(read_apart(run.task, run.initial).values())
    laid_out = [run.initial.in_layout(name) for name in others]
    return run.admit([Proposal(each, (run.initial,), "layout", f"read as {each.layout!r}") for each in laid_out])


def _accepted_layouts(run: Run, prompts: Sequence[Prompt], examples: Sequence[Example]) -> tuple[Prompt, ...]:
    """Those whose requests the task model takes, scored on `examples`."""
    taken: list[Prompt] = []
    for prompt in prompts:
        # On one example first: that a model takes no such request is no reason to end the search.
        why = run.refused(prompt, examples[0])
        if why is None:
            taken.append(prompt)
        else:
            run.warn(f"layout {prompt.layout!r} is left out: {why}")
    run.evaluate(taken, examples)
    return tuple(taken)


def _better(run: Run, laid_out: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Prompt]:
    """The start, and the layouts that do better on the same examples; the `keep` most hopeful of them.

    What does as well is no reason to read the prompt in another way than its user does.
    """
    scores = run.evaluate([run.initial, *laid_out], examples)
    sums = {each: math.fsum(score.dense for score in scores[each]) for each in (run.initial, *laid_out)}
    hopeful = [run.initial, *(each for each in laid_out if sums[each] > sums[run.initial])]
    if len(hopeful) == 1:
        return hopeful
    # By what they were compared by: shares of labels tell layouts apart that get the same answers right.
    # As many places as tell them apart, "0.290" being no more than "0.290".
    places = next(
        (count for count in range(3, 7) if len({f"{sums[each] / len(examples):.{count}f}" for each in hopeful}) > 1), 6
    )
    told = {each: f"{sums[each] / len(examples):.{places}f}" for each in hopeful}
    by_share = any(score.probability is not None for each in told for score in scores[each])
    by = ", by right answers and the right label's share" if by_share else ""
    shown = ", ".join(f"{each.layout!r} {told[each]}" for each in hopeful[1:])
    run.warn(
        f"on {counted(len(examples), 'training example')} the start scores {told[run.initial]} in the layout in use, "
        f"and more in others of the task ({shown}{by}): the search tries these too"
    )
    belief = run.posterior(hopeful)
    return sorted(hopeful, key=lambda each: -belief.mean[each])[:keep]


def with_answer_line(labels: Sequence[str], prompt: Prompt, editable: str) -> Prompt:
    """The prompt with a last line that says what an answer looks like."""
    line = f"Answer with one of: {', '.join(labels)}." if labels else "Put the answer alone on the last line."
    return prompt.replace(editable, f"{prompt[editable].rstrip()}\n{line}")
