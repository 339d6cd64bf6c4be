"""A DSPy module as a program of promptopt's: a part is a predictor's instructions, a cell a run on one example."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from promptopt.dspy.demos import demos_as_text, fields_as_lines, is_complete, show
from promptopt.dspy.inputs import missing_inputs, remark_on_missing
from promptopt.dspy.lm import HANDLE, inside, route_of
from promptopt.dspy.metric import Judgement, Metric, Records, judged
from promptopt.dspy.source import call_form, own_classes, settings_of, source_identity, source_text
from promptopt.dspy.strays import Strays
from promptopt.dspy.unscored import Unscored, sentence
from promptopt.dspy.untyped import LM, Gold, Module, dspy
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.programs.evaluator import FAILED, UNSCORED
from promptopt.programs.handle import ModelHandle
from promptopt.programs.outputs import without_addresses
from promptopt.programs.secrets import marked
from promptopt.types import Example, ProgramText, Prompt, Score, TracedCall, digest

COPIES_KEPT = 64
"""Configured copies that are kept: more than any round scores side by side."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A predictor whose instructions are a part of the prompt: its name, the part, and what stays behind the text."""

    predictor: str
    part: str
    fixed: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """A module with the texts of a prompt, and its predictors by name as it was made."""

    module: Module
    predictors: Sequence[tuple[str, Any]]


@dataclass(slots=True, eq=False)
class DspyProgram:
    """Runs copies of a module that hold a prompt's instructions, and has the user's metric score what they give.

    `gold`: the user's examples, by the id of ours. `lm`: what the program asks where a predictor has none of its own;
    None: a model of promptopt's answers all. `strays`: what is asked apart from these. `unscored`: what the metric
    fails on. Metric and tools run where the program does, so what they ask of the LM in use is metered too.
    """

    student: Module
    slots: Sequence[Slot]
    gold: Mapping[str, tuple[Example, Gold]]
    metric: Metric
    lm: LM | None
    strays: Strays
    unscored: Unscored
    _inside: LM = field(init=False, repr=False)
    _shown: dict[Any, Gold] = field(init=False, repr=False)
    _copies: dict[str, Copy] = field(default_factory=dict[str, Copy], repr=False)
    _lacking: dict[str, None] = field(default_factory=dict[str, None], repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self._inside = inside(self.lm)
        self._shown = {own.fields: gold for own, gold in self.gold.values()}

    def __call__(self, prompt: Prompt, example: Example, ask: ModelHandle) -> Score:
        """The score of one cell, with what the predictors were given and gave as its trace."""
        copy, (_, gold) = self.kept_copy(prompt), self.gold[example.id]
        with self.asking_through(ask):
            return self.scored(copy, gold, copy.module(**gold.inputs()), (prompt.id, example.id))

    def configured(self, prompt: Prompt, *, within: bool = False) -> Module:
        """A copy of the module with a prompt's instructions and demonstrations.

        `within`: its predictors' own LMs ask through the cell under way; otherwise they are the student's.
        """
        module = copied(self.student)
        predictors, own = dict(module.named_predictors()), dict(self.student.named_predictors())
        for slot in self.slots:
            predictor = predictors[slot.predictor]
            predictor.signature = predictor.signature.with_instructions(prompt[slot.part] + slot.fixed)
        show(module, prompt.demos, self._shown)
        for name, predictor in predictors.items():
            lm = own[name].lm
            # It asks the LM in use; from a thread of the program's own, one that refuses.
            if within and lm is None:
                lm = self.strays.guard
            elif within:
                lm = inside(lm, "" if self.lm is None else route_of(lm))
            predictor.lm = lm
        return module

    def fingerprint(self) -> str:
        """A digest of the module: its classes with their source, what it and its predictors hold, tools, the metric.

        What the metric and the module call in turn, other than modules in it, is not looked at.
        """
        lms = [None if each.lm is None else route_of(each.lm) for _, each in self.student.named_predictors()]
        inner = [source_identity(kind) for kind in own_classes(self.student) if kind is not type(self.student)]
        made_of = [
            # In what order calls are made: a few cells go before all others.
            "looks first",
            source_identity(type(self.student)),
            predictors_as_json(self.student),
            lms,
            source_identity(self.metric),
        ]
        settings = settings_of(self.student)
        return digest([*made_of, *([inner] if inner else []), *([{"settings": settings}] if settings else [])])

    def program_text(self) -> ProgramText:
        """The module's own source, and by part the form of the predictor whose instructions it is."""
        source, predictors = source_text(self.student), dict(self.student.named_predictors())
        forms = {slot.part: call_form(predictors[slot.predictor]) for slot in self.slots}
        _, first = next(iter(self.gold.values()))
        bare = any(is_complete(each, first.keys()) for each in predictors.values())
        # A predictor alone is told of by its fields, and small proposers copy the form as their instruction.
        return ProgramText(source, forms if source else {}, shows_bare=bare)

    def said(self) -> Sequence[str]:
        """What the run could not ask in the program's place, and what is wrong with inputs and scores, in sentences."""
        return [*self.strays.said(), *self.unscored.said(), *self._lacking]

    def check(self) -> None:
        """Raises EvaluatorError where the metric scores nothing that the student gives."""
        self.unscored.check()

    @contextmanager
    def asking_through(self, ask: ModelHandle) -> Generator[None]:
        """While a cell runs, its LM calls go through `ask`."""
        # Never put back: each cell runs in a context of its own (`CellWorker`).
        HANDLE.set(ask)
        with self.strays.cell(), dspy.context(lm=self._inside, trace=[], disable_history=True):
            yield

    def scored(self, copy: Copy, gold: Gold, prediction: Any, cell: tuple[str, str]) -> Score:
        """The score of what a copy gave on an example; `cell`: the ids of prompt and example. Within the cell."""
        # DSPy's own helpers give None for a call that failed; a metric would fail on it, and end the run.
        if prediction is None or inspect.isgenerator(prediction) or inspect.isasyncgen(prediction):
            given = "None" if prediction is None else "a generator; end `forward` with `return`, and leave out `yield`"
            return Score(0.0, parsed=False, feedback=f"{FAILED}it gave back {given}")
        records: list[Any] = list(dspy.settings.trace)
        # By those it was made with: one that a program puts into itself as it runs is another one for each cell, and
        # which cell's it is just then is chance.
        called = named_calls(copy.predictors, records)
        found = self._judged(gold, prediction, list(zip(called, records, strict=True)), cell)
        for predictor, inputs, _ in records:
            for lost in missing_inputs(predictor.signature, inputs):
                self._lacking[remark_on_missing(predictor.signature, lost)] = None
        parts = {slot.predictor: slot.part for slot in self.slots}
        trace = tuple(
            TracedCall(parts.get(name, ""), fields_as_lines(inputs), fields_as_lines(dict(outputs)))
            for name, (_, inputs, outputs) in zip(called, records, strict=True)
        )
        calls = [(name, {**inputs, **outputs}) for name, (_, inputs, outputs) in zip(called, records, strict=True)]
        output = fields_as_lines(_prediction_fields(prediction))
        if isinstance(found, EvaluatorError):
            said = f"{UNSCORED}{marked(without_addresses(sentence(found)))}"
            return Score(0.0, output, parsed=False, feedback=said, trace=trace, demonstration="")
        return Score(
            found.value,
            output,
            feedback=found.feedback,
            trace=trace,
            demonstration=(demos_as_text(calls) if any(called) else None) if found.teaches else "",
        )

    def _judged(
        self, gold: Gold, prediction: Any, records: Records, cell: tuple[str, str]
    ) -> Judgement | EvaluatorError:
        """What the metric says; or how it failed, which is counted: an output may be at fault, or a few examples."""
        try:
            with self.strays.judging():
                found = judged(self.metric, gold, prediction, records, cell)
        except EvaluatorError as failure:
            self.unscored.failed(cell, gold, failure)
            return failure
        self.unscored.scored(cell)
        return found

    def kept_copy(self, prompt: Prompt) -> Copy:
        """The module with the texts of a prompt, made once: the newest `COPIES_KEPT` of them stay."""
        with self._lock:
            if prompt.id not in self._copies:
                if len(self._copies) >= COPIES_KEPT:
                    self._copies.pop(next(iter(self._copies)))
                module = self.configured(prompt, within=True)
                self._copies[prompt.id] = Copy(module, module.named_predictors())
            return self._copies[prompt.id]


@dataclass(slots=True, eq=False)
class AsyncDspyProgram:
    """The same for modules that are awaited (`aforward`)."""

    program: DspyProgram

    async def __call__(self, prompt: Prompt, example: Example, ask: ModelHandle) -> Score:
        """As `DspyProgram`."""
        program = self.program
        copy, (_, gold) = program.kept_copy(prompt), program.gold[example.id]
        with program.asking_through(ask):
            prediction = await copy.module.acall(**gold.inputs())
            return program.scored(copy, gold, prediction, (prompt.id, example.id))

    def fingerprint(self) -> str:
        """As `DspyProgram`."""
        return self.program.fingerprint()

    def program_text(self) -> ProgramText:
        """As `DspyProgram`."""
        return self.program.program_text()

    def said(self) -> Sequence[str]:
        """As `DspyProgram`."""
        return self.program.said()

    def check(self) -> None:
        """As `DspyProgram`."""
        self.program.check()


def is_async(module: Module) -> bool:
    """Whether a module can only be awaited."""
    # Asked of the class: DSPy takes a look at an object's own `forward` for a call of it, and warns.
    made_of = cast("type[object]", type(module))
    return hasattr(made_of, "aforward") and not hasattr(made_of, "forward")


def copied(module: Module) -> Module:
    """A deep copy. Raises ConfigError where the module cannot be copied, or the copy is not apart from it."""
    try:
        found = module.deepcopy()
    except Exception as cause:
        raise ConfigError(
            f"the program {type(module).__name__} cannot be copied ({type(cause).__name__}: {cause}); keep what cannot "
            f"be copied (a client, a lock, a file) out of the module, or give it a __deepcopy__"
        ) from cause
    own, twin = dict(module.named_predictors()), dict(found.named_predictors())
    shared = next((name for name, predictor in own.items() if twin.get(name) is predictor), None)
    if shared is not None or list(own) != list(twin):
        held = "" if shared is None else f": both hold the predictor {shared!r}"
        raise ConfigError(
            f"a copy of the program {type(module).__name__} is not apart from it{held}; mend its __deepcopy__"
        )
    return found


def predictors_as_json(module: Module) -> list[Any]:
    """JSON of what a module's predictors are: names, fields, instructions, demonstrations."""
    return [
        [
            name,
            without_addresses(repr(predictor.signature)),
            predictor.signature.instructions,
            [without_addresses(repr(demo)) for demo in predictor.demos],
        ]
        for name, predictor in module.named_predictors()
    ]


def slots_of(module: Module, wanted: Sequence[str] | None) -> tuple[list[Slot], dict[str, str]]:
    """The slots of the predictors that are edited, and the start text of every part; empty where there is none yet.

    `wanted`: predictors by name; None: all. The tool list of a ReAct module stays behind the text that is edited.
    Raises ConfigError for names that are none, and where nothing can be edited.
    """
    predictors: dict[str, Any] = dict(module.named_predictors())
    if not predictors:
        raise ConfigError(f"the program {type(module).__name__} has no predictors, so there is nothing to edit")
    unknown = next((name for name in wanted or () if name not in predictors), None)
    if unknown is not None:
        raise ConfigError(f"the program has no predictor {unknown!r}; it has {', '.join(predictors)}")
    fixed, slots = _tool_lists(module), list[Slot]()
    texts: dict[str, str] = {}
    for name, predictor in predictors.items():
        if wanted is not None and name not in wanted:
            continue
        behind = fixed.get(id(predictor), "")
        slots.append(Slot(name, name, behind))
        texts[name] = str(predictor.signature.instructions).removesuffix(behind)
    if not slots:
        raise ConfigError("no predictor is named; leave `predictors` out to edit all")
    return slots, texts


def _tool_lists(module: Module) -> dict[int, str]:
    """By predictor, what a ReAct or CodeAct module wrote behind its signature's instructions."""
    found: dict[int, str] = {}
    # CodeAct is a ReAct that has its predictor by another name.
    for _, inner in module.named_sub_modules(type_=dspy.ReAct):
        acting = getattr(inner, "react", getattr(inner, "codeact", None))
        own, whole = str(inner.signature.instructions), str(getattr(acting, "signature", inner.signature).instructions)
        if whole.startswith(own):
            found[id(acting)] = whole[len(own) :]
    return found


def named_calls(predictors: Sequence[tuple[str, Any]], records: Sequence[Any]) -> list[str]:
    """For each entry of DSPy's trace the name of its predictor; empty for one that is no part of the module."""
    # DSPy's trace holds the predictors themselves, or those of a copy, as BestOfN and Refine make one for each try.
    names = {id(predictor): name for name, predictor in predictors}
    shared: dict[int, list[str]] = {}
    for name, predictor in predictors:
        shared.setdefault(id(predictor.signature), []).append(name)
    # Copies have the signature itself, and where two predictors do, a copy of either cannot be told.
    copies = {signature: found[0] for signature, found in shared.items() if len(found) == 1}
    return [names.get(id(predictor), copies.get(id(predictor.signature), "")) for predictor, _, _ in records]


def _prediction_fields(prediction: Any) -> dict[str, Any]:
    return dict(prediction.items()) if isinstance(prediction, dspy.Example) else {"output": prediction}
