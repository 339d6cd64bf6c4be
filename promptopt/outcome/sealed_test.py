"""The sealed test, opened once, and what it measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.errors import BudgetSpent
from promptopt.evaluators.generation import CUT
from promptopt.evaluators.simulated import remedy
from promptopt.evaluators.versus import are_preferences
from promptopt.outcome.by_judge import panel_disagreement
from promptopt.outcome.contender import Contender, Measured
from promptopt.outcome.conversations import conversations_in
from promptopt.outcome.front import whole_text
from promptopt.outcome.looks import units_of
from promptopt.outcome.smallest import fewest_of_a_task, goes_by_worst, on_each
from promptopt.run import Run
from promptopt.run.budget import Allocation
from promptopt.stats import Gain, mean_interval, paired_gain
from promptopt.stats.classes import Answered, macro_f1
from promptopt.stats.power import smallest_detectable
from promptopt.tasks.parts import edited_text
from promptopt.tasks.task import Task as OwnTask
from promptopt.text import counted
from promptopt.types import Example, Prompt, Score, Weigh, mean_of

BATCHES = 8
"""Batches of a small test that a cap could end: what it cuts of one is paid for, and tells nothing. Ours."""
PAIRS_AT_A_TIME = 16
"""Test examples that start and winner are scored on at a time, where a cap could end the test early. Ours:
32 requests, half of what is in flight at once by default."""


def sealed_test(
    run: Run, examples: Sequence[Example], winner: Prompt, *, metered: bool, expectation: str = ""
) -> tuple[list[Score], list[Score]]:
    """The scores of start and winner on the same test examples, in order; fewer than planned where a cap ends it.

    `metered`: whether something is capped that is only known once replies are read. `expectation`: what the test can
    show, in words.
    """
    run.begin_phase("test", expectation)
    chosen = list(examples)
    repetition = run.final_repetition
    # Start and winner may be one prompt, which is then scored once.
    prompts = list(dict.fromkeys([run.initial, winner]))
    # Small batches where a cap may end it, so that little is lost; else one, which keeps an engine busy.
    few = -(-len(chosen) // BATCHES) if len(chosen) <= 2 * PAIRS_AT_A_TIME else PAIRS_AT_A_TIME
    size = few if metered else len(chosen)
    before: list[Score] = []
    after: list[Score] = []
    # There may be no test examples at all, and no range has steps of 0.
    for begin in range(0, len(chosen), max(1, size)):
        pairs = chosen[begin : begin + size]
        try:
            matrix = run.evaluate(prompts, pairs, repetition=repetition)
        except BudgetSpent as spent:
            run.warn(f"the sealed test was cut to {counted(len(before), 'example')}: {spent}")
            break
        # Both or neither: a matrix is complete, so a cut leaves no example with one score.
        before += matrix[run.initial]
        after += matrix[winner]
    if disagreement := panel_disagreement(before, after, [each.group for each in chosen[: len(before)]], run.weigh):
        run.warn(disagreement)
    unjudged = next((score for score in (*before, *after) if not score.judged), None)
    if unjudged is not None and not any(one.judged and other.judged for one, other in zip(before, after, strict=True)):
        run.warn(f"no item of the sealed test was judged ({unjudged.feedback}); {remedy(unjudged)}")
    return before, after


def compared(
    run: Run,
    examples: Sequence[Example],
    scores: tuple[Sequence[Score], Sequence[Score]],
    *,
    alpha: float,
    bounded: bool | None,
) -> Gain:
    """What the winner's scores gain on the start's, on `examples` and in groups of these, at the level `alpha`.

    Pairs of which a judge could not be read on one side are left out. A score of minus infinity counts against the
    prompt that has it (`stats.paired_gain`), and the user is told.
    """
    judged = [at for at, pair in enumerate(zip(*scores, strict=True)) if all(score.judged for score in pair)]
    told = [[side[at] for at in judged] for side in scores]
    before, after = ([score.value for score in side] for side in told)
    impossible = [sum(math.isinf(value) for value in side) for side in (before, after)]
    if any(impossible):
        run.warn(
            f"of {len(before)} test items {impossible[0]} are impossible under the start and {impossible[1]} under the "
            f"winner (a log-probability of minus infinity); they count against it, and are not in its mean"
        )
    groups = [examples[at].group for at in judged]
    return paired_gain(before, after, alpha=alpha, groups=groups, weigh=run.weigh, bounded=bounded,
                       preferences=are_preferences(*told))  # fmt: skip


def measured(
    scores: Sequence[Score], examples: Sequence[Example] = (), labels: Sequence[str] = (), weigh: Weigh = "turn"
) -> Measured | None:
    """Mean, interval and unreadable count of the scores that are finite, and were judged; None for none.

    `examples`: what they are of, whose groups count as one; none where that is not to be told. `weigh`: what counts
    once in the mean.
    """
    names = [example.group for example in examples] if examples else [""] * len(scores)
    # A test that a cap has cut has fewer scores than names.
    pairs = zip(scores, names, strict=False)
    finite = [(score.value, name) for score, name in pairs if score.judged and math.isfinite(score.value)]
    if not finite:
        return None
    values, groups = [value for value, _ in finite], [name for _, name in finite]
    unreadable = sum(score.judged and not score.parsed for score in scores)
    unjudged = sum(not score.judged for score in scores)
    cut = sum(score.parsed and CUT in score.feedback for score in scores)
    interval = mean_interval(values, groups=groups, weigh=weigh)
    return Measured(
        score=mean_of(values, groups, weigh), ci95=interval, n=len(values), unreadable=unreadable, cut=cut,
        unjudged=unjudged, macro_f1=macro_f1(labels, _answered_labels(scores, examples)),
        conversations=conversations_in(scores, names),
    )  # fmt: skip


def _answered_labels(scores: Sequence[Score], examples: Sequence[Example]) -> list[Answered]:
    """The right label of each example and the answered one; none at all where scores are of no answers."""
    pairs = [pair for pair in zip(examples, scores, strict=False) if pair[1].judged]
    if not all(score.answer or not score.parsed for _, score in pairs):
        return []
    # Another right answer counts as the one that the example is of.
    return [
        (each.target, None if not score.parsed else each.target if score.value >= 1.0 else score.answer)
        for each, score in pairs
    ]


def expected(run: Run, winner: Prompt, allocation: Allocation, alpha: float, sealed: Sequence[Example]) -> str:
    """What the `sealed` test can show, by how often start and winner differ on dev; nothing where scores are graded."""
    examples = run.dev[: allocation.dev]
    rows = [_stored_scores(run, prompt, examples) for prompt in (run.initial, winner)]
    # A row that is not complete is empty, and makes no pair.
    values = [(before.value, after.value) for before, after in zip(*rows, strict=False)]
    if winner == run.initial or not values or any(value not in (0.0, 1.0) for pair in values for value in pair):
        return ""
    differ = sum(before != after for before, after in values)
    grouped = units_of(sealed) < len(sealed)
    if isinstance(run.task, OwnTask) and run.task.members and goes_by_worst(run.task):
        fewest = fewest_of_a_task(run.task, sealed)
        return shown_by(differ, len(values), fewest, alpha, len(run.task.members), grouped=grouped)
    return shown_by(differ, len(values), units_of(sealed), alpha, grouped=grouped)


def shown_by(differ: int, dev: int, test: int, alpha: float, tasks: int = 1, *, grouped: bool = False) -> str:
    """What `test` examples can show at the level `alpha`, where start and winner differ on `differ` of `dev`.

    tasks: so many that have as many test examples each, and have to gain all together. `grouped`: they are groups of
    examples, such as conversations, whose scores go together.
    """
    # No difference on dev is not none in truth: half an example's worth is taken for it.
    share = max(differ, 0.5) / dev
    gain = smallest_detectable(test, share, alpha=alpha, among=tasks)
    of, each = (on_each(tasks), " of each") if tasks > 1 else ("", "")
    one, many = ("group of test examples", "groups of test examples") if grouped else ("test example", "test examples")
    tested = f"{counted(test, one, many)}{each}"
    shown = f"on dev the two differ on {100 * differ / dev:.0f} % of the examples"
    # Nobody gains on more examples than the two prompts differ on.
    if gain > share:
        few = f"{tested} {'is' if test == 1 else 'are'} too few to find any gain{of} four times in five"
        return f"{shown}: {few}, if they differ on no more of them"
    return f"{shown}: a true gain of {100 * gain:.0f} points{of} is found four times in five on {tested}"


def contender(run: Run, prompt: Prompt, allocation: Allocation, test: Measured | None) -> Contender:
    """A prompt with what it scored on dev and test."""
    examples = run.dev[: allocation.dev]
    dev = measured(_stored_scores(run, prompt, examples), examples, weigh=run.weigh)
    return Contender(prompt, edited_text(run.task, prompt), dev, test, run.count_tokens(whole_text(prompt)))


def _stored_scores(run: Run, prompt: Prompt, examples: Sequence[Example]) -> Sequence[Score]:
    """The scores of a prompt on all of `examples`, without asking anything; none where one is missing."""
    repetition = run.final_repetition
    complete = examples and run.estimate(prompt, examples, repetition=repetition).count == len(examples)
    return run.evaluate([prompt], examples, repetition=repetition)[prompt] if complete else []
