"""What pruning starts from: the prompt with demonstrations written out, and training examples to score it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.operators.demos import with_target
from promptopt.operators.nothing_there import refuse_empty
from promptopt.optimizers.promptquine.genes import slots_of
from promptopt.run import Run
from promptopt.tasks.inline import in_context, mentions
from promptopt.text import Pattern
from promptopt.types import Example, Prompt, Proposal


@dataclass(frozen=True, slots=True)
class Start:
    """The in-context prompt X, and the training examples that it does not show."""

    prompt: Prompt
    unseen: tuple[Example, ...]


def start_with(run: Run, shots: int) -> Start:
    """X: the start prompt with `shots` demonstrations of every class, or in all where the task has no labels.

    Where none can be shown X is the start prompt itself, and the user is told why. Raises ConfigError where that has
    nothing but inputs in it.
    """
    start = _with_demonstrations(run, shots)
    # Inputs are never dropped.
    refuse_empty(Pattern(start.prompt[run.task.editable], slots_of(run.train[0])).pieces[::2], "drops words of")
    return start


def _with_demonstrations(run: Run, shots: int) -> Start:
    fields = slots_of(run.train[0])
    # Written into the prompt, the name of an input in braces would be a slot.
    usable = [example for example in run.train if not mentions(example, fields)]
    if run.task.labels:
        demos = draw_evenly(run, "demonstrations", usable, shots, shots * len(run.task.labels))
    else:
        demos = run.rng("demonstrations").sample(usable, min(shots, len(usable)))
    if shots and not demos:
        run.warn("every training example holds the name of an input in braces, so none is shown as a demonstration")
    if not demos:
        return Start(run.initial, run.train)
    prompt = in_context(run.task, [with_target(example) for example in demos])
    if prompt is None:
        run.warn("the layout has no place for demonstrations, so the start prompt is pruned as it is")
        return Start(run.initial, run.train)
    if not run.admit([Proposal(prompt, (run.initial,), "demonstrations", f"{len(demos)} training examples")]):
        run.warn("the prompt with demonstrations breaks the task's contract, so the start prompt is pruned as it is")
        return Start(run.initial, run.train)
    shown = {example.id for example in demos}
    unseen = tuple(example for example in run.train if example.id not in shown)
    if not unseen:
        run.warn("all training examples are demonstrations too, so prompts are scored on what they show; give more")
    return Start(prompt, unseen if unseen else run.train)


def starts_with(run: Run, shots: int, count: int) -> tuple[list[Prompt], tuple[Example, ...]]:
    """Up to `count` different prompts X, each with demonstrations drawn anew, and the examples that none of them shows.

    The user is told where there are fewer, and where none is left that is not shown.
    """
    starts = [start_with(run, shots) for _ in range(count)]
    prompts = list(dict.fromkeys(start.prompt for start in starts))
    if len(prompts) < count:
        run.warn(f"{count} draws of demonstrations gave {len(prompts)} different prompts to begin with")
    unseen = tuple(example for example in run.train if all(example in start.unseen for start in starts))
    if not unseen:
        run.warn("all training examples are demonstrations too, so prompts are scored on what they show; give more")
    return prompts, unseen if unseen else run.train


def divide(run: Run, pool: Sequence[Example], per_class: int, most: int, held: int) -> tuple[list[Example], ...]:
    """Two draws of `pool`: what the search scores on, at most half of it, and up to `held` others to re-rank on.

    With labels the first has up to `per_class` of each, without them up to `most`, which is the cap of both. Where
    nothing is left for the second it is the first again, and the user is told.
    """
    # The other half ranks.
    most = min(most, -(-len(pool) // 2))
    if run.task.labels:
        scored = draw_evenly(run, "examples", pool, per_class, most)
    else:
        scored = run.rng("examples").sample(pool, most)
    taken = {example.id for example in scored}
    others = [example for example in pool if example.id not in taken]
    if not others:
        run.warn(
            f"{len(scored)} of {len(scored)} examples that the best prompts are ranked on again are those of the "
            f"search: there are no others; give the task more training examples"
        )
        return scored, scored
    return scored, run.rng("examples").sample(others, min(held, len(others)))


def draw_evenly(run: Run, stream: str, pool: Sequence[Example], per_class: int, most: int) -> list[Example]:
    """Up to `per_class` examples of every label, up to `most` in all: one of each in turn, in the order of labels."""
    order = run.rng(stream).sample(pool, len(pool))
    classes = [[example for example in order if example.target == label][:per_class] for label in run.task.labels]
    # In turn, so that a cap on all takes from every label alike.
    turns = [each[turn] for turn in range(per_class) for each in classes if turn < len(each)]
    return turns[:most]
