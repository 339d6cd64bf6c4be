"""The task: examples in three splits, the starting prompt, its layouts, and what a right answer is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from promptopt.arguments import check_fields, checked, told
from promptopt.digits import is_number
from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.protocols import Evaluator, MemberFloor, Metric, Reader
from promptopt.tasks.consistency import check_answers, check_prompt, check_targets, common_fields, targets_said
from promptopt.tasks.contract import Contract
from promptopt.tasks.duplicates import check_disjoint
from promptopt.tasks.fingerprint import fingerprint_of
from promptopt.tasks.gate import Gate, floors_of, lowest_of
from promptopt.tasks.layout import Layout, Rendering
from promptopt.tasks.layouts import layout_of
from promptopt.tasks.parts import check_editables, named_parts
from promptopt.tasks.prompt_text import chat_layouts, in_one_spelling, remarks, start_prompt, take_apart
from promptopt.tasks.reading.columns import Columns
from promptopt.tasks.several_answers import several_right
from promptopt.tasks.spelling import other_mark, respelt
from promptopt.tasks.splits import DEFAULT_SPLITS, Pool, Splits, cut
from promptopt.types import HISTORY, Content, Example, Prompt, Sampling, Weigh

_RENDERINGS = 256
"""Prompts whose compiled layouts are kept; more than any round scores side by side."""
_NO_COLUMNS = Columns()
if TYPE_CHECKING:
    # What is read is one name. A type checker is told of several by `editables`, beside `editable`.
    _Editable = str
else:
    _Editable = str | Sequence[str]


class PlaceholderLost(ConfigError):
    """A user's prompt lacks an input that the start prompt has. `prompt`: what it would be without that."""

    def __init__(self, message: str, prompt: Prompt) -> None:
        """`message`: the sentence."""
        super().__init__(message)
        self.prompt = prompt


@told
@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One task, complete; made by `from_examples`, `from_file` or `promptopt.tasks.load_task`.

    `editable`: the prompt part that methods edit, or several; what is read is the one edited now, and `editables` are
    all of them, in order. `layout` is the one in use, `layouts` all the task ships, the default first. `fields`: the
    names of the inputs that every example has; `placeholders`: by part, those that are slots inside the start's text.
    `settings`: by method, what the command line uses for this task where
    the user says nothing. `scored_by`: the evaluator that belongs to it, where a program runs its
    cells. `pool`: where `with_splits` takes examples from. `warnings`: what a user should know about
    the data. `origin`: the task that this one says in another form (`tasks/inline.py`). `marks`: how the user spells
    inputs that are not spelt `{name}`, for exports. `members`: the names of the tasks that this one is made of
    (`binding/suite.py`), by the slices of their examples; `objective` and `weights` make one number of their means.
    `judge`: the evaluator that asks a judge and its settings, for
    tasks that have no metric of their own (`tasks/judge_table.py`). `weigh`: what counts once in a mean, each example
    or each group of them. Two tasks that could score a prompt differently differ in `fingerprint()`.
    """

    name: str
    initial: Prompt
    layouts: tuple[Layout, ...]
    train: tuple[Example, ...] = field(default=(), repr=False)
    dev: tuple[Example, ...] = field(default=(), repr=False)
    test: tuple[Example, ...] = field(default=(), repr=False)
    description: str = ""
    editable: _Editable = "instruction"
    labels: tuple[str, ...] = ()
    metric: str | Metric = "exact"
    answer: str | Reader = "text"
    sampling: Sampling = field(default_factory=Sampling)
    contract: Contract = field(default_factory=Contract)
    gate: Gate = field(default_factory=Gate, repr=False)
    layout: Layout | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]], repr=False)
    pool: Pool | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = field(default=(), repr=False)
    origin: Task | None = field(default=None, repr=False)
    marks: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    editables: tuple[str, ...] = field(default=(), repr=False)
    scored_by: Evaluator | None = field(default=None, repr=False)
    judge: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    members: tuple[str, ...] = ()
    objective: str = "mean"
    weights: tuple[float, ...] = ()
    weigh: Weigh = "turn"
    fields: tuple[str, ...] = field(init=False, repr=False)
    placeholders: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)
    _renderings: dict[str, Rendering] = field(init=False, repr=False, default_factory=dict[str, Rendering])

    def __post_init__(self) -> None:
        check_fields(self)
        editable, editables = named_parts(self.name, self.editable, self.editables)
        object.__setattr__(self, "editable", editable)
        object.__setattr__(self, "editables", editables)
        check_editables(self.name, editables, self.contract.frozen_parts)
        if not self.layouts:
            raise ConfigError(f"task {self.name!r} has no layout; give at least one")
        if self.layout is None:
            object.__setattr__(self, "layout", self.layouts[0])
        # Of the pool too, here and below: another split draws from all of it.
        object.__setattr__(self, "fields", common_fields(self.name, self._everything()))
        placeholders = {part: tuple(n for n in self.fields if f"{{{n}}}" in text) for part, text in self.initial.texts}
        object.__setattr__(self, "placeholders", placeholders)
        check_answers(self)
        check_prompt(self, placeholders)
        check_targets(self, self._everything())
        check_targets(self, self.gate.must_pass, "example that must pass", "examples that must pass")
        check_disjoint(self.train, self.dev, self.test)

    @classmethod
    @checked
    def from_examples(
        cls,
        examples: Iterable[Example],
        *,
        prompt: str | Prompt,
        metric: str | Metric | None = None,
        labels: Sequence[str] = (),
        answer: str | Reader | None = None,
        max_tokens: int | None = None,
        name: str = "task",
        description: str = "",
        splits: Splits = DEFAULT_SPLITS,
        layout: Layout | Sequence[Layout] | None = None,
    ) -> Task:
        """A task from labelled examples, split at random into train, dev and test (default 40/20/40 %).

        `prompt`: the prompt in use today, with or without `{field}` slots (the rule is in `tasks/prompt_text.py`).
        `metric`: by default `number` where every target is a number, else `exact`. `labels`: the answers there are,
        for classification. `max_tokens`: the longest reply, by default 16 with labels, else 256. `splits`: the sizes
        and the seed of the split. Raises ConfigError and DataError for what does not fit together.
        """
        given = _checked_examples(examples)
        if not given:
            raise DataError("there are no examples; give at least a few, as `Example.of(target, text=…)`")
        fields = tuple(field_name for field_name, _ in given[0].fields)
        chosen = metric if metric is not None else _default_metric(given, labels)
        chats = layout is None and isinstance(prompt, str) and any(example.messages for example in given)
        start = Prompt.of(prompt) if chats and isinstance(prompt, str) else prompt
        initial, layouts, marks = start_prompt(start, fields, labels, chat_layouts() if chats else layout)
        if chats:
            initial, layouts, marks = in_one_spelling(initial, layouts, fields)
        task = cls(
            name=name,
            description=description,
            initial=initial,
            layouts=layouts,
            labels=tuple(labels),
            metric=chosen,
            answer=answer if answer is not None else _default_answer(chosen, labels),
            sampling=Sampling(max_tokens=max_tokens if max_tokens is not None else 16 if labels else 256),
            contract=Contract(placeholders=fields, frozen_parts=tuple(p for p in initial.parts if p != "instruction")),
            pool=Pool(given, warnings=remarks(initial, layouts, fields, marks)),
            marks=marks,
        )
        return task.with_splits(splits.train, splits.dev, splits.test, splits.seed)

    @classmethod
    @checked
    def from_file(
        cls,
        path: str | Path,
        *,
        columns: Columns = _NO_COLUMNS,
        prompt: str | None = None,
        metric: str | Metric | None = None,
        labels: Sequence[str] = (),
        answer: str | Reader | None = None,
        max_tokens: int | None = None,
        description: str = "",
        splits: Splits = DEFAULT_SPLITS,
        layout: Layout | Sequence[Layout] | None = None,
    ) -> Task:
        """A task from a CSV, TSV, JSON, JSON Lines, Parquet or OpenAI-Evals file, or from a task file (`.toml`).

        `columns`: which column is what. It may be left out for OpenAI-Evals samples, whose common system message is
        then the prompt, and for task files, which say everything themselves but how to split. The task is named after
        the file, without its ending; `dataclasses.replace(task, name=…)` gives it another. Otherwise as
        `from_examples`.
        """
        source = Path(path)
        if source.suffix == ".toml":
            from promptopt.tasks.task_file import load_task_file

            return load_task_file(source, splits=splits)
        from promptopt.tasks.reading.files import read_examples

        found = read_examples(source, columns, seed=splits.seed)
        pool = several_right(Pool(found.examples, warnings=found.warnings), metric)
        text = prompt if prompt is not None else found.prompt
        if text is None:
            raise ConfigError(f"{source} holds no prompt; pass prompt='…', the instruction you use today")
        task = cls.from_examples(
            pool.rows, prompt=text, metric=metric, labels=labels, answer=answer, max_tokens=max_tokens,
            name=source.stem, description=description, splits=splits, layout=layout,
        )  # fmt: skip
        return replace(task, pool=pool, warnings=tuple(dict.fromkeys((*pool.warnings, *task.warnings))))

    def render(self, prompt: Prompt, example: Example) -> tuple[Content, int]:
        """What the model reads, and how many leading characters of it do not depend on the example."""
        rendering = self._renderings.get(prompt.id)
        if rendering is None:
            rendering = layout_of(self, prompt).compile(prompt, self.fields, self.placeholders)
            if len(self._renderings) >= _RENDERINGS:
                # The oldest goes. Two threads may drop the same one, hence the default.
                self._renderings.pop(next(iter(self._renderings)), None)
            self._renderings[prompt.id] = rendering
        return rendering(example)

    def floor_of(self, member: str) -> float | None:
        """The loss that a member may have; None: nobody said."""
        return self.gate.loss_of(member)

    def member_of(self, example: Example) -> str:
        """The name of the task that an example is of, where this one is several; else empty."""
        return example.slice if self.members else ""

    @property
    def floors(self) -> Mapping[str, MemberFloor]:
        """What a search bears to lose on each of several tasks; empty where its objective is another."""
        return floors_of(self.gate, self.members, self.weights) if self.objective == "floors" else {}

    def worth(self, means: Mapping[str, float]) -> float:
        """What a prompt is worth by its mean on each member: the mean, weighted by `weights`, or that of the worst."""
        if self.objective == "worst":
            lowest = lowest_of(means)
            return math.fsum(means[name] for name in lowest) / len(lowest)
        # By those members alone that were scored: a draw of few examples may lack one.
        shares = dict(zip(self.members, self.weights, strict=True))
        whole = sum(shares.get(name, 1.0) for name in means)
        return sum(shares.get(name, 1.0) * mean for name, mean in means.items()) / whole

    def broken_by(self, prompt: Prompt, count_tokens: Callable[[str], int]) -> str | None:
        """The clause of the task's contract that `prompt` breaks, in a few words, or None."""
        return self.contract.broken_by(prompt, self.initial, self.editables, count_tokens)

    @property
    def demos_as_turns(self) -> bool:
        """Whether demonstrations stand before the input as turns of the conversation, and not in its text."""
        return layout_of(self, self.initial).demos is not None

    @property
    def frozen_parts(self) -> tuple[str, ...]:
        """The prompt parts that stay as the task wrote them."""
        return self.contract.frozen_parts

    @checked
    def with_layout(self, name: str) -> Task:
        """The same task read in another of its layouts. Raises UnknownName."""
        for layout in self.layouts:
            if layout.name == name:
                return replace(self, layout=layout)
        raise UnknownName("layout", name, (layout.name for layout in self.layouts))

    def editing(self, *parts: str) -> Task:
        """The same task with these prompt parts editable and all others frozen. Raises ConfigError, UnknownName."""
        frozen = tuple(part for part in self.initial.parts if part not in parts)
        return replace(self, editable=parts, contract=replace(self.contract, frozen_parts=frozen))

    @checked
    def with_splits(
        self, train: int | None = None, dev: int | None = None, test: int | None = None, seed: int = 0
    ) -> Task:
        """The same task with other splits of its examples; None is the default size.

        Raises DataError where there are too few examples, or the task was made with fixed splits only.
        """
        if self.pool is None:
            raise DataError(
                f"task {self.name!r} was made with fixed splits; make it with `from_examples` to split anew"
            )
        splits = cut(self.pool, Splits(train, dev, test, seed), stratify=bool(self.labels))
        said = targets_said(self, (*splits.train, *splits.dev))
        return replace(self, train=splits.train, dev=splits.dev, test=splits.test, warnings=(*splits.warnings, *said))

    @checked
    def starting_from(self, text: str) -> Prompt:
        """A user's prompt as a prompt of this task: the task's own, with another editable part.

        A text with slots must lay the input out as one of the task's layouts does. Raises ConfigError.
        """
        if not text.strip() and HISTORY in self.fields:
            # A chat without a system prompt is one.
            return self.initial.replace(self.editable, "")
        text = respelt((text.replace("\r\n", "\n"),), self.fields).texts[0]
        placeholders = self.placeholders.get(self.editable, ())
        if placeholders:
            lost = [name for name in placeholders if f"{{{name}}}" not in text]
            if lost:
                spelt = dict(self.marks).get(lost[0], f"{{{lost[0]}}}")
                sentence = f"the prompt lacks {spelt}, which the task's own start prompt has; put it in"
                raise PlaceholderLost(sentence, self.initial.replace(self.editable, text.strip()))
            return self.initial.replace(self.editable, text.strip())
        mark = next((found for name in self.fields if (found := other_mark(text, name))), None)
        if mark is not None and not any(f"{{{name}}}" in text for name in self.fields):
            raise ConfigError(
                f"the prompt has {mark}, which nothing fills here, and task {self.name!r} lays out its input itself; "
                f"give the instruction alone, without it"
            )
        start = take_apart(text, self.fields, self.editable)
        if start.pattern is not None and not any(start.pattern in layout.patterns for layout in self.layouts):
            raise ConfigError(
                f"the prompt has input slots, and task {self.name!r} lays out its input itself; give the instruction "
                f"alone, without {' or '.join(f'{{{name}}}' for name in self.fields)}"
            )
        return self.initial.replace(self.editable, start.instruction)

    def fingerprint(self) -> Mapping[str, Any]:
        """JSON that changes whenever anything changes that could change a score."""
        return fingerprint_of(self)

    def _everything(self) -> Iterable[Example]:
        pool = () if self.pool is None else (*self.pool.rows, *self.pool.dev, *self.pool.test)
        return (*self.train, *self.dev, *self.test, *pool)


def _default_metric(examples: Sequence[Example], labels: Sequence[str]) -> str:
    right = (text for example in examples for text in (example.target, *example.accepted))
    return "number" if not labels and all(map(is_number, right)) else "exact"


def _default_answer(metric: str | Metric, labels: Sequence[str]) -> str:
    if labels:
        return "label"
    return metric if metric in ("number", "choice") and isinstance(metric, str) else "text"


def _checked_examples(examples: Iterable[Example]) -> tuple[Example, ...]:
    """The examples, once each is one. Raises ConfigError for a table, for rows, and for anything else."""
    if getattr(examples, "ndim", 1) > 1:
        raise ConfigError(
            "Task.from_examples: examples is a table; make examples of its rows, as [Example.of(row['the answer'], "
            "text=row['the input']) for row in table.to_dict('records')]"
        )
    # An iterable may be one that can be gone through once only, so the check of arguments has not looked into it.
    given = cast("tuple[object, ...]", tuple(examples))
    wrong = next((each for each in given if not isinstance(each, Example)), None)
    if wrong is not None:
        raise ConfigError(f"Task.from_examples: one of the examples is {wrong!r}; give Example.of(target, text=…)")
    return cast("tuple[Example, ...]", given)
