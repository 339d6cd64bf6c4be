"""From what a user names to the objects of a run, and to the fingerprint that says which run it is."""

from __future__ import annotations

import inspect
import platform
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from promptopt.binding.evaluator import Criterion
from promptopt.errors import ConfigError
from promptopt.models.prices import Price, price_of
from promptopt.protocols import Evaluator, LocalAware, Model, Planning, Role, Task
from promptopt.run import Optimizer
from promptopt.run.budget import Budget, Plan, plan
from promptopt.store.runs import Store
from promptopt.types import Content, Room, digest


def bind_task(task: str | Path | Task, seed: int) -> Task:
    """A task by name or file, or the one given. Raises ConfigError where a split is empty."""
    task = _named_task(task, seed)
    for split in ("train", "dev", "test"):
        if not getattr(task, split):
            raise ConfigError(
                f"task {task.name!r} has no {split} examples: a search needs train and dev, and a verdict needs test; "
                f"give it more data, or other split sizes"
            )
    return task


def _named_task(task: str | Path | Task, seed: int) -> Task:
    if isinstance(task, str | Path):
        from promptopt.tasks.catalogue import load_task

        return load_task(str(task), seed=seed)
    return task


def bind_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """A method by its registered name, with its default settings, or the object given."""
    if isinstance(optimizer, str):
        from promptopt.registry import load

        return cast("Optimizer", load("optimizers", optimizer)())
    if isinstance(optimizer, type) or not callable(getattr(optimizer, "optimize", None)):
        raise ConfigError(f"{optimizer!r} is not an optimizer: pass an object with a method optimize(run)")
    return optimizer


def open_models(
    model: str | Model,
    proposer: str | Model | None,
    judge: str | Model | None,
    base_url: str | None,
    check: str | Model | None = None,
) -> tuple[dict[Role, Model], Model]:
    """The models by role, and the one that the verdict is about.

    The proposer is the task model, the judge the proposer, and the last one the task model, where none is named; the
    one exception is `embedded`, whose model can answer but hardly edit: its larger sister writes its prompts.
    `base_url` is the server of the first of them that has a server, and of the others of the same provider.
    """
    taker = _server_of(model, proposer, judge, check)

    def opened(spec: str | Model) -> Model:
        if not isinstance(spec, str):
            return spec
        from promptopt.models.specs import open_model

        return open_model(spec, base_url=base_url if spec.partition("/")[0] == taker else None)

    task_model = opened(model)
    if proposer is None and isinstance(model, str):
        proposer = default_proposer(model)
    proposing = task_model if proposer is None else opened(proposer)
    judging = proposing if judge is None else opened(judge)
    checked = task_model if check is None else opened(check)
    return {"task": task_model, "proposer": proposing, "judge": judging}, checked


def _server_of(*specs: str | Model | None) -> str:
    """The provider a base URL belongs to; where all run in this process, the first one's, which will refuse it."""
    from promptopt.models.specs import IN_PROCESS

    providers = [spec.partition("/")[0] for spec in specs if isinstance(spec, str)]
    return next((provider for provider in providers if provider not in IN_PROCESS), providers[0] if providers else "")


def default_proposer(model: str) -> str | None:
    """The proposer of a task model named without one; None is the model itself."""
    if model not in ("embedded", "embedded-fast"):
        return None
    from promptopt.models.files.catalogue import PROPOSER

    return f"{model}/{PROPOSER}"


def prices(models: Mapping[Role, Model]) -> dict[Role, Price | None]:
    """The price of each role's tokens; None where it is unknown."""
    return {role: price_for(model) for role, model in models.items()}


def price_for(model: Model) -> Price | None:
    """The price of a model's tokens; None where it is unknown."""
    return price_of(model.name, local=isinstance(model, LocalAware) and model.local)


def arrange(
    budget: Budget,
    task: Task,
    criterion: Criterion,
    known: Mapping[Role, Price | None],
) -> Plan:
    """The plan for this budget: tokens and dollars a cell are estimated from the start prompt on some examples.

    `criterion`: what the final choice and the test are scored by, which is what the reserve pays for.
    """
    per_cell = criterion.evaluator.calls_per_cell
    tokens, usd = 0.0, None
    if budget.tokens is not None or budget.usd is not None:
        from promptopt.models.tokens import estimate_tokens

        sample = task.train[:32]
        texts = [_flat(task.render(task.initial, example)[0]) for example in sample]
        reading = sum(estimate_tokens(text, criterion.model.name) for text in texts) / len(texts)
        # Long replies seldom use all of their allowance, short ones (labels) often do.
        writing = task.sampling.max_tokens if task.sampling.max_tokens <= 32 else task.sampling.max_tokens / 2
        tokens = per_cell * (reading + writing)
        price = criterion.price
        if all(known[role] is not None for role in known) and price is not None:
            usd = per_cell * (reading * price.prompt_usd + writing * price.completion_usd)
    return plan(
        budget,
        dev=len(task.dev),
        test=len(task.test),
        calls_per_cell=per_cell,
        tokens_per_cell=tokens,
        usd_per_cell=usd,
    )


def room_for(arranged: Plan, task: Task, evaluator: Evaluator) -> Room:
    """What the plan grants a search by `evaluator`."""
    return Room(arranged.granted, arranged.search.calls, evaluator.calls_per_cell, len(task.train), len(task.dev))


def too_little(optimizer: Optimizer, room: Room) -> str:
    """A sentence for the user where the search is granted less than is of use to the method; else nothing."""
    cells = room.cells()
    if not isinstance(optimizer, Planning) or cells is None:
        return ""
    least, method = optimizer.least(room), method_name(optimizer)
    if cells >= least:
        return ""
    others = [f"`{name}`" for name in ("random", "auto") if name != method]
    instead = f"{' or '.join(others)} {'make' if len(others) > 1 else 'makes'} more of {cells:,}"
    return (
        f"{cells:,} evaluations are left to the search ({optimizer.plan(room).describe()}); `{method}` needs about "
        f"{least:,} for a round that is of use; allow more, or {instead}"
    )


def _flat(content: Content) -> str:
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


@contextmanager
def opened(store: Store | str | Path | None) -> Generator[Store]:
    """The store given, or one opened here and closed at the end."""
    if isinstance(store, Store):
        yield store
        return
    with Store(store) as fresh:
        yield fresh


def method_name(optimizer: Optimizer) -> str:
    """The name a method is registered under, or its class name in lower case."""
    from promptopt.registry import names

    kind = type(optimizer)
    guess = kind.__name__.lower()
    registered = getattr(kind, "name", guess)
    return registered if isinstance(registered, str) and registered in names("optimizers") else guess


def describe(value: object) -> Any:
    """JSON that changes when a setting changes: what goes into the fingerprint for objects a user may pass.

    Dataclasses give their fields, functions their name and source, other objects their class and attributes.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [describe(item) for item in cast("list[object]", value)]
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in cast("Mapping[object, object]", value).items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {"is": _path(type(value)), **{item.name: describe(getattr(value, item.name)) for item in fields(value)}}
    if callable(value) and hasattr(value, "__qualname__"):
        return {"is": _path(cast("type", value)), "source": _source(cast("Callable[..., object]", value))}
    return {"is": _path(type(value)), **{name: describe(item) for name, item in vars(value).items()}}


def _path(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _source(function: Callable[..., object]) -> str:
    try:
        return digest(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


def versions() -> dict[str, str]:
    """What a replay depends on besides the fingerprint: random draws, and a sampler's, may change between versions."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "promptopt": version("promptopt-engine"),
        "optuna": version("optuna"),
    }


def stopping(budget: Budget, begun: float, interrupt: threading.Event | None) -> Callable[[], str | None]:
    """Gives the reason to suspend now, or None: an interrupt, or the minutes since `begun` (monotonic) are over."""

    def reason() -> str | None:
        if interrupt is not None and interrupt.is_set():
            return "interrupted"
        if budget.minutes is not None and time.monotonic() - begun > budget.minutes * 60:
            return f"{budget.minutes:g} minutes are over"
        return None

    return reason
