"""What has to hold between the pieces of a task, said once it is put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from promptopt.digits import decimal_comma
from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.protocols import METRICS, READERS
from promptopt.tasks.layout import RESERVED
from promptopt.tasks.spelling import marks_left
from promptopt.text import Pattern, counted, shorten
from promptopt.types import Example

_NO_TARGETS = "no example has a right answer"
LONGEST_PART = 1_000_000
"""Characters of a prompt part: a quarter of a million tokens, beyond what nearly all models read."""

if TYPE_CHECKING:
    from promptopt.tasks.task import Task


def common_fields(task: str, examples: Iterable[Example]) -> tuple[str, ...]:
    """The names of the inputs that all examples have. Raises DataError where they differ, or there are none."""
    names: tuple[str, ...] | None = None
    for example in examples:
        found = tuple(name for name, _ in example.fields)
        if names is None:
            names = found
        elif found != names:
            raise DataError(
                f"task {task!r}: example {example.id} has the fields {', '.join(found) or 'none'}, the first one "
                f"{', '.join(names)}; every example needs the same fields in the same order"
            )
    if not names:
        raise DataError(f"task {task!r} has no examples with input fields; give it some")
    return names


def check_prompt(task: Task, placeholders: Mapping[str, tuple[str, ...]]) -> None:
    """Raises ConfigError or UnknownName where prompt, fields, layouts and contract do not fit together.

    `placeholders`: for each prompt part, the fields that are slots inside its text.
    """
    parts = task.initial.parts
    for part in parts:
        if len(task.initial[part]) > LONGEST_PART:
            raise ConfigError(
                f"task {task.name!r}: its prompt part {part!r} has {len(task.initial[part]):,} characters, which no "
                f"model reads; cut it to {LONGEST_PART:,} at most"
            )
    for name in task.fields:
        if name in RESERVED or name in parts:
            raise ConfigError(f"task {task.name!r}: the input {name!r} has the name of a prompt part; rename it")
    for part in task.editables:
        if part not in parts:
            raise UnknownName("prompt part", part, parts)
    known = (*parts, *task.fields, "demos")
    for layout in task.layouts:
        # An input may be shown by a slot inside a part's own text.
        inner = [name for part in layout.slots(parts) for name in placeholders[part]]
        inner += [user.part for user in layout.users.values()]
        for name in (*task.editables, *task.fields):
            if name not in layout.slots(known) and name not in inner:
                left = marks_left([text for _, text in task.initial.texts], (*parts, *task.fields))
                raise ConfigError(
                    f"task {task.name!r}: layout {layout.name!r} does not show {{{name}}}; add it where it belongs"
                    + (f"; the prompt has {left[0]}, which nothing fills" if left else "")
                )
        last = Pattern(layout.patterns[-1], parts)
        shown = {name for part in last.slots for name in placeholders.get(part, ())}
        # Turns without a pattern of their own take the form of the last message, which has to show every input then.
        if layout.demos is None or layout.demos.user:
            continue
        for name in task.fields:
            if f"{{{name}}}" not in last.source and name not in shown:
                raise ConfigError(
                    f"task {task.name!r}: layout {layout.name!r} shows demonstrations in the form of its last message, "
                    f"which lacks {{{name}}}; add it there, or say what their turns hold: "
                    f'demos = {{ user = "…", assistant = "…" }}'
                )
    broken = task.contract.without_cap().broken_by(task.initial, task.initial, task.editables, len)
    # Of several parts each keeps what it began with, so a span that none of them begins with would be lost unseen.
    lost = None if len(task.editables) == 1 else task.contract.missing([task.initial[part] for part in task.editables])
    if lost is not None:
        broken = f"no editable part contains {lost!r}"
    if broken is not None:
        raise ConfigError(f"task {task.name!r}: its own start prompt breaks the contract ({broken}); change either")


def check_answers(task: Task) -> None:
    """Raises ConfigError or UnknownName for labels, a metric or a reader that no answer could be read and judged by."""
    if isinstance(task.metric, str) and ":" not in task.metric and task.metric not in METRICS:
        raise UnknownName("metric", task.metric, [*METRICS, "module:function"])
    if isinstance(task.answer, str) and not task.answer.startswith("regex:") and task.answer not in READERS:
        raise UnknownName("answer reader", task.answer, [*READERS, "regex:PATTERN"])
    seen = set[str]()
    for label in task.labels:
        if not label.strip() or label in seen:
            raise ConfigError(
                f"task {task.name!r}: the label {label!r} is {'there twice' if label.strip() else 'empty'}; give each "
                f"answer there is once"
            )
        seen.add(label)


def check_targets(task: Task, examples: Iterable[Example], one: str = "example", many: str = "examples") -> None:
    """Raises DataError where there are labels and a target is none of them, or the metric needs demands that lack.

    `one`, `many`: what the examples are called.
    """
    wanting, labels = task.metric == "demands", set(task.labels)
    bare: list[Example] = []
    strange: list[str] = []
    # Most tasks have neither, and their examples, which may be many, are not gone through.
    for example in examples if task.labels or wanting else ():
        if labels and example.target not in labels:
            strange.append(example.target)
        if wanting and not example.demands:
            bare.append(example)
    if strange:
        raise DataError(f"task {task.name!r}: {_of_strange(strange, task.labels, (one, many))}")
    if bare:
        shown = shorten(" ".join(value for _, value in bare[0].fields), 60)
        raise DataError(
            f"task {task.name!r}: {counted(len(bare), f'{one} has', f'{many} have')} no demands, such as {shown!r}, "
            f"and the metric 'demands' needs some; name their column as [data] demands, or write [[demands]] for all"
        )


def targets_said(task: Task, examples: Sequence[Example]) -> tuple[str, ...]:
    """Sentences on what the targets of `examples` do to the task's metric, where a user would not see it."""
    return (*_nothing_right(task, examples), *decimals_said((task.metric, task.answer), examples))


def _nothing_right(task: Task, examples: Sequence[Example]) -> tuple[str, ...]:
    needy = task.metric in METRICS and task.metric != "demands" and not task.judge
    if not needy or not examples or any(example.target or example.accepted for example in examples):
        return ()
    return (
        f"{_NO_TARGETS}, so the metric {task.metric!r} has nothing to hold replies against: give "
        f"targets or demands, or let a judge score replies (a [judge] table)",
    )


def beside_missing_targets(warnings: Iterable[str]) -> tuple[str, ...]:
    """Those that hold too where a judge scores the replies, whom a task that was made in Python does not know of."""
    return tuple(said for said in warnings if not said.startswith(_NO_TARGETS))


def decimals_said(read_by: Collection[object], examples: Iterable[Example]) -> tuple[str, ...]:
    """A sentence on how `number` reads decimals where the targets show commas in them; `read_by`: metric and answer."""
    if "number" not in read_by or not decimal_comma(example.target for example in examples):
        return ()
    return (
        "the targets write decimals with a comma, so 1,234 in a reply is read as 1 and a fraction, 1.234 as thousands",
    )


def _of_strange(targets: Sequence[str], labels: Sequence[str], called: tuple[str, str]) -> str:
    """What is wrong with targets that are no labels: data and labels may both be misspelt."""
    first = targets[0]
    near = get_close_matches(first, labels, n=1)
    known = f"the nearest is {near[0]!r}" if near else f"they are {shorten(', '.join(labels), 100)}"
    count = counted(targets.count(first), f"{called[0]} has", f"{called[1]} have")
    return (
        f"{count} the target {shorten(first, 60)!r}, which is none of the labels ({known}); correct the data or the "
        f"labels"
    )
