"""A DSPy program with its data and its metric as a task: what every method of promptopt's can search on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from promptopt.dspy.data import Cells, cells_of, divided
from promptopt.dspy.inputs import remarks_on_inputs
from promptopt.dspy.lm import ModelEngine, route_of
from promptopt.dspy.metric import Metric, check_metric
from promptopt.dspy.program import AsyncDspyProgram, DspyProgram, copied, is_async, slots_of
from promptopt.dspy.strays import Strays
from promptopt.dspy.unscored import Unscored
from promptopt.dspy.untyped import LM, Gold, Module, dspy
from promptopt.dspy.wire import MAX_TOKENS
from promptopt.errors import ConfigError
from promptopt.operators.policy_marks import refuse_unfilled
from promptopt.programs.evaluator import ProgramEvaluator
from promptopt.programs.task import program_task
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Prompt, Sampling


@dataclass(frozen=True, slots=True)
class Data:
    """The user's examples. `val`: for the final choice, `test`: for the verdict; None: split off `train`."""

    train: Sequence[Gold]
    val: Sequence[Gold] | None = None
    test: Sequence[Gold] | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """A program as a task. `said`: what the user should know of how it was made."""

    task: Task
    program: DspyProgram
    said: tuple[str, ...]

    def configured(self, prompt: Prompt) -> Module:
        """A copy of the student with a prompt's instructions and demonstrations, and its own LMs.

        Raises ConfigError where a text stands for what a policy writes.
        """
        refuse_unfilled((text for _, text in prompt.texts), "a DSPy program")
        return self.program.configured(prompt)


def bind(
    student: Module,
    data: Data,
    metric: Metric,
    *,
    lm: LM | None,
    predictors: Sequence[str] | None = None,
    calls_per_cell: int | None = None,
    seed: int = 0,
) -> Bound:
    """The task of a program, which is scored by running it. `lm`: what the program asks; None: a model of promptopt's.

    Raises ConfigError and DataError for what cannot be optimised.
    """
    if not isinstance(student, dspy.Module):
        raise ConfigError(f"the program is {student!r:.80}; give a dspy.Module")
    # Before anything is asked: every prompt is given to a copy.
    copied(student)
    slots, texts = slots_of(student, predictors)
    splits, said = divided(data.train, data.val, data.test, seed)
    said += remarks_on_inputs(student, list(data.train[0].inputs().keys()))
    cells = cells_of(splits, taken=texts)
    rows = [example for split in cells.splits.values() for example in split]
    # Any splits will do: those of the data are put in below.
    made = program_task(rows, prompt=texts, name=type(student).__name__, max_tokens=MAX_TOKENS, splits=Splits(1, 1, 1))
    split_of = {example.id: split for split, examples in cells.splits.items() for example in examples}
    program = DspyProgram(
        student=student,
        slots=slots,
        gold=cells.gold,
        metric=check_metric(metric),
        lm=lm,
        strays=Strays(_route(student, lm), _known(student, lm)),
        unscored=Unscored(made.initial.id, split_of, [own for _, own in cells.gold.values()]),
    )
    evaluator = ProgramEvaluator(
        AsyncDspyProgram(program) if is_async(student) else program,
        sampling=Sampling(max_tokens=MAX_TOKENS),
        calls_per_cell=len(student.named_predictors()) if calls_per_cell is None else calls_per_cell,
    )
    task = replace(_with_data(made, cells), scored_by=evaluator, warnings=tuple(said))
    return Bound(task, program, tuple(said))


def _with_data(made: Task, cells: Cells) -> Task:
    """The task with the splits of the data, and a layout that has a place for demonstrations."""
    layout, splits = _with_demos(made), cells.splits
    return replace(
        made,
        layouts=(layout,),
        layout=layout,
        train=splits["train"],
        dev=splits["dev"],
        test=splits["test"],
        pool=None,
    )


def _with_demos(task: Task) -> Layout:
    """The layout of a program's task, with a place for demonstrations before the inputs."""
    before, mark, after = task.layouts[0].text.partition(f"\n\n{task.fields[0]}: ")
    inputs = "".join(f"{name}: {{{name}}}\n" for name in task.fields)
    return Layout("program", text=f"{before}\n\n{{demos}}{mark.lstrip()}{after}", demo=f"{inputs}{{target}}\n\n")


def _known(student: Module, lm: LM | None) -> dict[str, LM]:
    """By route the LMs that the program asks of those there are; none where a model of promptopt's answers for all."""
    if lm is None:
        return {}
    return {"": lm, **{route_of(each.lm): each.lm for _, each in student.named_predictors() if each.lm is not None}}


def _route(student: Module, lm: LM | None) -> Callable[[LM], str] | None:
    """How the run's model is told of LMs that come up meanwhile: one of promptopt's answers for all (`model=…`)."""
    if lm is None:
        return lambda _: ""
    # Where one model of promptopt's answers alone, it knows of no other LM.
    alone = not any(predictor.lm for _, predictor in student.named_predictors())
    return None if alone and isinstance(getattr(lm, "engine", None), ModelEngine) else route_of
