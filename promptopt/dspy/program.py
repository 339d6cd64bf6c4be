"""A DSPy module as a program of promptopt's: a part is a predictor's instructions, a cell a run on one example."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from promptopt.dspy.lm import HANDLE, inside
from promptopt.dspy.metric import Metric, judged
from promptopt.dspy.untyped import LM, Gold, Module, dspy
from promptopt.errors import ConfigError
from promptopt.programs.handle import ModelHandle
from promptopt.types import Example, Prompt, Score, TracedCall, digest

KEPT = 64
"""Configured copies that are kept: more than any round scores side by side."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A predictor whose instructions are a part of the prompt: its name, the part, and what stays behind the text."""

    predictor: str
    part: str
    fixed: str = ""


@dataclass(slots=True, eq=False)
class DspyProgram:
    """Runs copies of a module that hold a prompt's instructions, and has the user's metric score what they give.

    `examples`: by the id of ours, the user's own. Metric and tools run where the program does, so what they ask of an
    LM is metered too.
    """

    student: Module
    slots: Sequence[Slot]
    examples: Mapping[str, Gold]
    metric: Metric
    lm: LM | None
    _copies: dict[str, Module] = field(default_factory=dict[str, Module], repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, prompt: Prompt, example: Example, ask: ModelHandle) -> Score:
        """The score of one cell, with what the predictors were given and gave as its trace."""
        module, gold = self._configured(prompt), self.examples[example.id]
        parts = {id(predictor): name for name, predictor in module.named_predictors()}
        by_name = {slot.predictor: slot.part for slot in self.slots}
        HANDLE.set(ask)
        settings: dict[str, Any] = {} if self.lm is None else {"lm": inside(self.lm)}
        with dspy.context(trace=[], disable_history=True, **settings):
            prediction = module(**gold.inputs())
            records = list(dspy.settings.trace)
            names = [parts.get(id(predictor), "") for predictor, _, _ in records]
            found = judged(
                self.metric, gold, prediction, list(zip(names, records, strict=True)), (prompt.id, example.id)
            )
        trace = tuple(
            TracedCall(by_name.get(name, ""), shown(inputs), shown(dict(outputs)))
            for name, (_, inputs, outputs) in zip(names, records, strict=True)
        )
        return Score(found.value, shown(_fields(prediction)), parsed=True, feedback=found.feedback, trace=trace)

    def configured(self, prompt: Prompt, lm: bool = False) -> Module:
        """A copy of the module with a prompt's instructions. `lm`: its predictors' own LMs ask through the cell too."""
        module = copied(self.student)
        predictors = dict(module.named_predictors())
        for slot in self.slots:
            predictor = predictors[slot.predictor]
            predictor.signature = predictor.signature.with_instructions(prompt[slot.part] + slot.fixed)
        for predictor in predictors.values() if lm else ():
            if predictor.lm is not None:
                predictor.lm = inside(predictor.lm)
        return module

    def fingerprint(self) -> str:
        """A digest of the module: its class and source, its predictors with fields and demonstrations, its LMs."""
        return digest([_source(type(self.student)), described(self.student), _source(self.metric)])

    def _configured(self, prompt: Prompt) -> Module:
        with self._lock:
            if prompt.id not in self._copies:
                if len(self._copies) >= KEPT:
                    self._copies.pop(next(iter(self._copies)))
                self._copies[prompt.id] = self.configured(prompt, lm=True)
            return self._copies[prompt.id]


def copied(module: Module) -> Module:
    """A deep copy. Raises ConfigError where the module cannot be copied."""
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
        raise ConfigError(
            f"a copy of the program {type(module).__name__} is not apart from it"
            + ("" if shared is None else f": both hold the predictor {shared!r}")
            + "; mend its __deepcopy__"
        )
    return found


def described(module: Module) -> list[Any]:
    """JSON of what a module's predictors are: names, fields, instructions, demonstrations."""
    return [
        [name, repr(predictor.signature), predictor.signature.instructions, [repr(demo) for demo in predictor.demos]]
        for name, predictor in module.named_predictors()
    ]


def slots_of(module: Module, wanted: Sequence[str] | None) -> tuple[list[Slot], dict[str, str], list[str]]:
    """The slots of the predictors that are edited, the start text of every part, and sentences on those that are not.

    `wanted`: predictors by name; None: all. The tool list of a ReAct module stays behind the text that is edited.
    Raises ConfigError for names that are none, and where nothing can be edited.
    """
    predictors = dict(module.named_predictors())
    if not predictors:
        raise ConfigError(f"the program {type(module).__name__} has no predictors, so there is nothing to edit")
    unknown = next((name for name in wanted or () if name not in predictors), None)
    if unknown is not None:
        raise ConfigError(f"the program has no predictor {unknown!r}; it has {', '.join(predictors)}")
    fixed = _tool_lists(module)
    slots: list[Slot] = []
    texts: dict[str, str] = {}
    said: list[str] = []
    for name, predictor in predictors.items():
        if wanted is not None and name not in wanted:
            continue
        text = predictor.signature.instructions
        behind = fixed.get(id(predictor), "")
        text = text.removesuffix(behind)
        if not text.strip():
            said.append(
                f"the predictor {name!r} has no instructions, so it stays as it is; give its signature a sentence"
            )
            continue
        slots.append(Slot(name, name, behind))
        texts[name] = text
    if not slots:
        raise ConfigError("; ".join(said) if said else "no predictor is named; leave `predictors` out to edit all")
    return slots, texts, said


def _tool_lists(module: Module) -> dict[int, str]:
    """By predictor, what a ReAct module wrote behind its signature's instructions."""
    found: dict[int, str] = {}
    for _, inner in module.named_sub_modules(type_=dspy.ReAct):
        own, whole = inner.signature.instructions, inner.react.signature.instructions
        if whole.startswith(own):
            found[id(inner.react)] = whole[len(own) :]
    return found


def shown(fields: Mapping[str, Any]) -> str:
    """Fields as lines of `name: value`."""
    return "\n".join(f"{name}: {value}" for name, value in fields.items())


def _fields(prediction: Any) -> dict[str, Any]:
    if isinstance(prediction, dspy.Example):
        return dict(prediction.items())
    return {"output": prediction}


def as_text(value: Any) -> str:
    """A field as a text: a text as it is, else JSON, else what it says of itself."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError):
        return repr(value)


def _source(thing: Any) -> str:
    named: Any = thing if hasattr(thing, "__qualname__") else cast("Any", type(thing))
    try:
        source = inspect.getsource(named)
    except (OSError, TypeError):
        source = ""
    return f"{getattr(named, '__module__', '')}:{named.__qualname__}:{digest(source)}"
