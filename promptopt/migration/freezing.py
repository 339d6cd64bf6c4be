"""What the old model answers, for the time when it is gone, and as targets where the examples have none."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promptopt.binding.models import Models, open_models
from promptopt.binding.session import no_search, opened, stopping
from promptopt.errors import ConfigError
from promptopt.evaluation import looking
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.judging import options_of
from promptopt.models.recorded import recorded_lines
from promptopt.places import write_whole, writing
from promptopt.protocols import Model
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.tasks.task import Task
from promptopt.types import Example, Reply, Request


def freeze(
    task: Task, path: Path, *, model: str | Model | Models, seed: int = 0, store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
) -> int:  # fmt: skip
    """Write what the old model answers to all examples under the start prompt; returns to how many.

    Where its replies are drawn, two of each: how far it agrees with itself is the most that another model can.

    `Recorded(path)` then stands for that model, once it is gone. Raises ConfigError where the file cannot be written,
    and BackendError where the model fails.
    """
    if options_of(task, "simulated"):
        raise ConfigError(
            f"the users of task {task.name!r} are simulated, so there are no requests whose replies could be kept; "
            f"freeze what the model answers to logged ones"
        )
    with opened(store) as store:
        asked = model if isinstance(model, Models) else Models(model)
        examples = all_examples(task)
        asking = Asking(store, seed, interrupt)
        requests, replies = answers_under_start(task, asked, examples, asking)
        _, again = answers_under_start(task, asked, examples, asking, again=True)
        # The name that is served, by which `Recorded` stands for the model later.
        name = open_models(asked).by_role["task"].name
    with writing(path):
        write_whole(path, recorded_lines(name, list(zip(requests, replies, strict=True)), again))
    return len(replies)


def all_examples(task: Task) -> list[Example]:
    """Those of train, dev and test, and those that must pass, each once."""
    return list(dict.fromkeys((*task.train, *task.dev, *task.test, *task.gate.must_pass)))


@dataclass(frozen=True, slots=True)
class Asking:
    """Where replies are kept, by which seed they are drawn, and what ends it."""

    store: Store
    seed: int
    interrupt: threading.Event | None


def answers_under_start(
    task: Task, models: Models, examples: Sequence[Example], asking: Asking, *, again: bool = False
) -> tuple[list[Request], list[Reply]]:
    """What a model is asked and answers under the start prompt, one example each.

    `again`: its second draw of each; no replies where it has only one, as it is asked greedily and answers so.
    """
    _, door = looking(
        task=task,
        evaluator=Generation.for_task(task),
        models=open_models(models).by_role,
        store=asking.store,
        budget=Budget(),
        seed=asking.seed,
        stop=stopping(Budget(), time.monotonic(), asking.interrupt),
    )
    requests: list[Request] = []
    for example in examples:
        content, shared = task.render(task.initial, example)
        requests.append(Request(content, task.sampling, shared=shared))
    with no_search():
        # As an evaluation asks: what one has asked before is read, and not paid for again.
        replies = door(requests)
        if again:
            drawn = bool(task.sampling.temperature) or any(reply.sampled for reply in replies)
            replies = door(requests, repetition=1) if drawn else []
        return requests, replies
