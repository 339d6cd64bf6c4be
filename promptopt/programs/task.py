"""Tasks for programs: the prompt's parts by name, and examples; what is asked is the program's affair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from promptopt.arguments import checked
from promptopt.errors import ConfigError, DataError
from promptopt.programs.evaluator import ProgramEvaluator
from promptopt.programs.handle import Program
from promptopt.protocols import Metric
from promptopt.tasks.contract import Contract
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import DEFAULT_SPLITS, Pool, Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Sampling


@checked
def program_task(
    examples: Iterable[Example],
    *,
    prompt: Prompt | Mapping[str, str],
    program: Program | None = None,
    editable: Sequence[str] = (),
    metric: str | Metric = "exact",
    labels: Sequence[str] = (),
    max_tokens: int = 256,
    name: str = "program",
    description: str = "",
    splits: Splits = DEFAULT_SPLITS,
) -> Task:
    """A task whose cells a program runs (`ProgramEvaluator`): a prompt of named parts, and labelled examples.

    `prompt`: the parts in use today, as `{"plan": "…", "answer": "…"}`. `editable`: those that a search may edit; all,
    if none is named. `program`: what runs the cells, by a `ProgramEvaluator` with this metric, wherever none is named.
    The layout only shows proposers what there is: all parts, then the inputs. Raises ConfigError and
    DataError for what does not fit together.
    """
    given = tuple(examples)
    if not given:
        raise DataError("there are no examples; give at least a few, as `Example.of(target, text=…)`")
    start = prompt if isinstance(prompt, Prompt) else Prompt(tuple(prompt.items()))
    _check_parts(start)
    answer, sampling = "label" if labels else "text", Sampling(max_tokens=max_tokens)
    fields = [field for field, _ in given[0].fields]
    parts = tuple(editable) if editable else start.parts if isinstance(prompt, Prompt) else tuple(prompt)
    shown = "\n\n".join([*(f"{{{part}}}" for part in start.parts), *(f"{field}: {{{field}}}" for field in fields)])
    task = Task(
        name=name,
        description=description,
        initial=start,
        layouts=(Layout("program", text=shown),),
        labels=tuple(labels),
        metric=metric,
        answer=answer,
        sampling=sampling,
        editable=parts[0],
        editables=parts,
        contract=Contract(frozen_parts=tuple(part for part in start.parts if part not in parts)),
        scored_by=None if program is None else ProgramEvaluator(program, metric, answer, tuple(labels), sampling),
        pool=Pool(given),
    )
    return task.with_splits(splits.train, splits.dev, splits.test, splits.seed)


def _check_parts(start: Prompt) -> None:
    if not start.texts:
        raise ConfigError("program_task: the prompt has no parts; give it some, as {'answer': 'Answer the question.'}")
