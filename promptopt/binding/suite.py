"""Several tasks under one system prompt, as one task: `--task a,b,c`.

Each example is what its own task would send, as messages, behind the one system prompt; each is scored by its own
task's metric or judge. So everything that takes a task takes several: splits, budgets, replay and the ledger stay as
they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from promptopt.arguments import checked
from promptopt.binding.floors import check_floors
from promptopt.binding.shares import common_weigh, cut_to_shares
from promptopt.errors import ConfigError
from promptopt.evaluators import metrics
from promptopt.evaluators.generation import Generation, reader_of, writes_decimal_commas
from promptopt.evaluators.judging import as_in_its_task, options_of
from promptopt.evaluators.own_judges import OWN_JUDGES
from promptopt.evaluators.weighted import ALONE, Weighted
from promptopt.protocols import Metric, Reader
from promptopt.tasks.contract import Contract
from promptopt.tasks.gate import EVERY, Gate
from promptopt.tasks.layout import USER_PROMPT, UserPrompt
from promptopt.tasks.parts import with_user_prompts
from promptopt.tasks.prompt_text import chat_layouts
from promptopt.tasks.sealing import without_test
from promptopt.tasks.task import Task
from promptopt.types import Example, Message, Prompt, Score, digest

Objective = Literal["mean", "weighted", "worst", "floors"]
OBJECTIVES: tuple[Objective, ...] = ("mean", "weighted", "worst", "floors")
START_PROMPT = "You are a helpful assistant."
"""The system prompt where no task brings one and none is given; the one that searches over system prompts begin at."""


@dataclass(frozen=True, slots=True)
class ByTask:
    """The metric of each task, for its own examples."""

    scoring: Mapping[str, tuple[Reader, Metric]] = field(repr=False)

    def __call__(self, reply: str, example: Example) -> Score:
        """What the example's own task makes of the reply."""
        read, metric = self.scoring[example.slice]
        answer = read(reply)
        if answer is None:
            return Score(0.0, reply, parsed=False, feedback="no answer could be read")
        found = metric(answer, as_in_its_task(example))
        if isinstance(found, Score):
            return replace(found, output=reply, answer=answer)
        value, feedback = found if isinstance(found, tuple) else (float(found), "")
        # Methods that reflect need a word on every miss, and users' metrics may give a bare number.
        told = feedback if feedback or value >= 1 else f"answered {answer[:200]}, expected {example.target[:200]}"
        return Score(float(value), reply, answer, feedback=told)


@checked
def several_tasks(
    tasks: Sequence[Task],
    *,
    system: str | None = None,
    objective: str = "mean",
    weights: Sequence[float] = (),
    floor: float | None = None,
) -> Task:
    """One task out of several. `system`: the prompt in use; by default the one that the tasks bring, or `START_PROMPT`.

    `objective`: what a search goes by where it can: the mean of the tasks' means, weighted by `weights`, or the worst
    task's (of ten and more that of the worst fifth). The splits of the tasks are cut so that the mean over examples is
    the (weighted) mean over tasks. `floor`: the loss that each task may have (`promptopt check` sees to it, and reports
    of runs tell it). By the objective `floors` a search goes by it too, and nothing is better unless all are held
    (`run/floors.py`). Raises ConfigError for tasks that cannot stand under one prompt, for two of one name, and for a
    floor that their test cannot hold.
    """
    kind = _checked_objective(objective, tasks, weights, floor)
    shares = tuple(weights) if weights else (1.0,) * len(tasks)
    starts = list(dict.fromkeys(text for task in tasks if (text := _own_system(task)) is not None))
    if system is None and len(starts) > 1:
        raise ConfigError(
            f"the tasks bring {len(starts)} system prompts, such as {starts[0][:60]!r} and {starts[1][:60]!r}; say "
            f"which one is to be improved with --system FILE"
        )
    start = system if system is not None else starts[0] if starts else START_PROMPT
    whole = _composed_task(tasks, start, kind, shares, floor)
    check_floors(whole, whole.test)
    return replace(whole, contract=_contract_of_all(tasks), gate=_gate_of_all(tasks, whole.gate))


@checked
def under_system(task: Task, system: str) -> Task:
    """One task behind a system prompt, which is what is edited, as tasks are in `several_tasks`.

    Raises ConfigError for a task that cannot stand under one. `with_user_prompts` makes its user prompt a part too.
    """
    return _composed_task([task], system, "mean", (1.0,), None)


@checked
def adapting(task: Task, system: str) -> Task:
    """One task behind a system prompt that stays: its user prompt is what is edited.

    Raises ConfigError where it has none, as a task of conversations.
    """
    if _own_system(task) is not None or (task.train and task.train[0].messages):
        raise ConfigError(
            f"task {task.name!r} is about a system prompt and has no user prompt to be searched under another one; "
            f"leave --system or --adapt out, or give the system prompt as --prompt where prompts are scored"
        )
    whole = with_user_prompts(under_system(task, system))
    return whole.editing(*whole.editables[1:])


def _composed_task(
    tasks: Sequence[Task], start: str, kind: Objective, shares: tuple[float, ...], floor: float | None
) -> Task:
    converted = [_converted(task) for task in tasks]
    _check_apart(tasks, converted)
    weigh = common_weigh(tasks)
    cut = [cut_to_shares([parts[split] for parts in converted], shares, weigh) for split in range(3)]
    # One cap for all: a shorter one would cut the replies of the task that needs most.
    longest = max(tasks, key=lambda task: task.sampling.max_tokens).sampling
    names = tuple(task.name for task in tasks)
    measured = ", ".join(
        f"{task.name} ({task.metric if isinstance(task.metric, str) else 'own metric'})" for task in tasks
    )
    return Task(
        name="+".join(names),
        description=f"{'Several tasks' if len(tasks) > 1 else 'A task'} under one system prompt: {measured}.",
        initial=Prompt.of(start.strip()),
        layouts=(replace(chat_layouts()[0], users=_users(tasks)),),
        train=cut[0], dev=cut[1], test=cut[2],
        metric=ByTask({task.name: _scoring(task) for task in tasks}),
        # The reader of each task is in `ByTask`.
        answer="text",
        sampling=longest,
        gate=Gate(largest_loss={} if floor is None else {EVERY: floor}),
        warnings=tuple(dict.fromkeys(f"{task.name}: {warning}" for task in tasks for warning in task.warnings)),
        judge=_judge_of_all(tasks),
        members=names,
        objective=kind,
        weights=shares,
        weigh=weigh,
    )  # fmt: skip


def _contract_of_all(tasks: Sequence[Task]) -> Contract:
    """What each task wants of its system prompt, which is the one of all. Clauses on user prompts are theirs alone."""
    own = [
        replace(task.contract, placeholders=(), frozen_parts=(), parts=())
        for task in tasks
        if _own_system(task) is not None
    ]
    # Tasks cut from the logs of one bot mostly say the same.
    return Contract(further=tuple(each for at, each in enumerate(own) if each != Contract() and each not in own[:at]))


def _gate_of_all(tasks: Sequence[Task], floors: Gate) -> Gate:
    """With what each task asks of replies: of its own alone."""
    must_pass = tuple(example for task in tasks for example in map(_converting(task), task.gate.must_pass))
    asked = {task.name: replace(task.gate, must_pass=()) for task in tasks}
    return replace(floors, must_pass=must_pass, members={name: gate for name, gate in asked.items() if gate != Gate()})


def _judge_of_all(tasks: Sequence[Task]) -> Mapping[str, Any]:
    """The judge that all tasks ask alike; where they do not, the table of each by its name.

    A mix with the metric in it is another judge for each task: its metric is the task's own.
    """
    mixed = any(Weighted.asks_metric(task.judge) for task in tasks)
    if not mixed and all(task.judge == tasks[0].judge for task in tasks):
        return tasks[0].judge
    if all(task.judge.get("evaluator", "generation") == "generation" for task in tasks):
        return {}
    return {"evaluator": OWN_JUDGES, OWN_JUDGES: {task.name: _own_judge(task) for task in tasks}}


def _own_judge(task: Task) -> Mapping[str, Any]:
    """What a task says of its judge; of a mix with its metric in it, with what that metric is."""
    if not Weighted.asks_metric(task.judge):
        return task.judge
    return {**task.judge, ALONE: Generation.for_task(task).fingerprint()}


def _checked_objective(
    objective: str, tasks: Sequence[Task], weights: Sequence[float], floor: float | None
) -> Objective:
    kind: Objective | None = next((each for each in OBJECTIVES if each == objective), None)
    if kind is None:
        raise ConfigError(f"the objective is {objective!r}; it is one of {', '.join(OBJECTIVES)}")
    names = [task.name for task in tasks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two tasks are named {twice!r}; give each once, or rename one of them in its task file")
    if len(tasks) < 2:
        raise ConfigError(
            f"several tasks need two or more, and there is {names[0] if names else 'none'}; name another one"
        )
    bare = [(task.name, split) for task in tasks for split in ("train", "dev", "test") if not getattr(task, split)]
    if bare:
        # Left out of a split in silence, a task would be given up without anybody's knowing.
        raise ConfigError(f"task {bare[0][0]!r} has no {bare[0][1]} examples; give it some, or leave it out")
    # Floors are held under a mean, which may be weighted.
    if (kind == "weighted") != bool(weights) and not (kind == "floors" and weights):
        raise ConfigError("--objective weighted and --weights go together: a number for each task, as --weights 2,1,1")
    if kind == "floors" and floor is None:
        raise ConfigError("--objective floors goes by the loss that each task may have; give it, as --floor 0.05")
    if weights and len(weights) != len(tasks):
        raise ConfigError(f"--weights has {len(weights)} numbers for {len(tasks)} tasks; give one above 0 for each")
    wrong = [weight for weight in weights if not 0 < weight < math.inf]
    if wrong:
        raise ConfigError(
            f"--weights has {wrong[0]:g}, and a weight is a number above 0; leave a task out to ignore it"
        )
    if floor is not None and not 0 <= floor <= 1:
        raise ConfigError(f"--floor {floor:g} is not a loss of a mean score; give a number from 0 to 1, such as 0.05")
    return kind


def _own_system(task: Task) -> str | None:
    """The system prompt that a task of chats is about; None where it has none."""
    own = task.initial[task.editable]
    # An empty one is not sent, so what stands where it would be is seen by another text.
    shown = own if own.strip() else START_PROMPT
    content, _ = task.render(task.initial.replace(task.editable, shown), task.train[0])
    # A system message that holds more than the edited part is layout, and stays with its task.
    if isinstance(content, tuple) and content[0].role == "system" and content[0].content == shown:
        return own
    return None


def _converted(task: Task) -> tuple[tuple[Example, ...], ...]:
    """The splits of a task as chats behind a system prompt that is still to come."""
    return tuple(tuple(map(_converting(task), split)) for split in (task.train, task.dev, task.test))


def _converting(task: Task) -> Callable[[Example], Example]:
    """What makes an example of a task one of several tasks'. Raises ConfigError for a task that cannot be one."""
    own = _own_system(task)
    slots = [name for name in task.fields if f"{{{name}}}" in task.initial[task.editable]]
    if options_of(task, "simulated"):
        raise ConfigError(
            f"the users of task {task.name!r} are simulated, and its conversations are no examples of a task among "
            f"several; leave it out, and check the prompt on it afterwards"
        )

    def made(example: Example) -> Example:
        content, _ = task.render(task.initial, example)
        if isinstance(content, str):
            raise ConfigError(
                f"task {task.name!r} is one text to be continued, which has no system message; leave it out"
            )
        head = content[0] if content[0].role == "system" else None
        if head is not None and slots:
            raise ConfigError(
                f"task {task.name!r} fills variables into its system prompt, and one over several tasks has none; "
                f"leave it out, or write the text in their place"
            )
        rest = _as_user(content) if own is None else content[1:] if own.strip() else content
        # Groups of two tasks may have one name by chance.
        group = f"{task.name}/{example.group}" if example.group else ""
        return Example(
            (), example.target, example.accepted, (), example.solution, group, rest, example.tools, task.name, example,
            example.demands,
        )  # fmt: skip

    return made


def _as_user(content: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages, the system's text at the head of the user's: many chat templates take no two of the system."""
    if content[0].role != "system":
        return content
    return (Message("user", f"{content[0].content}\n\n{content[1].content}"), *content[2:])


def _users(tasks: Sequence[Task]) -> Mapping[str, UserPrompt]:
    """The user prompts of those tasks that have one: the editable part of a task that is no conversation."""
    found: dict[str, UserPrompt] = {}
    for task in tasks:
        if _own_system(task) is None:
            found[task.name] = UserPrompt(
                part=f"{USER_PROMPT}{task.name}",
                start=task.initial[task.editable],
                contract=replace(task.contract, frozen_parts=()),
                # What is held by the layout is reachable from the run, so it holds no test examples.
                written=_Written(without_test(task)),
                of=digest(task.fingerprint()),
            )
    return found


@dataclass(frozen=True, slots=True)
class _Written:
    """A user prompt in the place of its task's own."""

    task: Task

    def __call__(self, text: str) -> Callable[[Example], tuple[Message, ...]]:
        prompt = self.task.initial.replace(self.task.editable, text)

        def messages(example: Example) -> tuple[Message, ...]:
            content, _ = self.task.render(prompt, example)
            return (Message("user", content),) if isinstance(content, str) else _as_user(content)

        return messages


def _check_apart(tasks: Sequence[Task], converted: Sequence[tuple[tuple[Example, ...], ...]]) -> None:
    seen: dict[str, str] = {}
    for task, splits in zip(tasks, converted, strict=True):
        for split in splits:
            for example in split:
                other = seen.setdefault(example["history"], task.name)
                if other != task.name:
                    raise ConfigError(
                        f"the tasks {other!r} and {task.name!r} ask the same, such as {example['history'][:60]!r}, so "
                        f"one would be trained on what the other tests; leave one of them out"
                    )


def _scoring(task: Task) -> tuple[Reader, Metric]:
    comma = "number" in (task.metric, task.answer) and writes_decimal_commas(task)
    return reader_of(task, task.answer, comma), metrics.resolve(task.metric, comma)
