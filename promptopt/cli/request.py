"""From what was typed to the objects of a run: the task with its data and splits, the caps, the settings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from promptopt.binding.config import GROUPS, RunConfig
from promptopt.binding.models import check_models
from promptopt.binding.settings import Setting, flat_settings
from promptopt.cli.given_texts import given_system, given_text, is_file
from promptopt.errors import ConfigError

if TYPE_CHECKING:
    from promptopt.binding.models import Models
    from promptopt.protocols import Evaluator, Optimizer
    from promptopt.run.budget import Budget
    from promptopt.tasks.splits import Splits
    from promptopt.tasks.task import Task
    from promptopt.types import Prompt


DEFAULT_METHOD = "auto"
"""The method where none is named: it needs no settings, and plans by the budget."""
_EVALUATOR = "evaluator."
"""What the names of an evaluator's settings begin with."""


def merged(base: RunConfig, given: Mapping[str, Any]) -> RunConfig:
    """`base` (a file, an earlier run) with what the command line gave on top; settings are merged name by name.

    Raises ConfigError for a model without a name.
    """
    said = {name: value for name, value in given.items() if value is not None}
    settings = {**base.settings, **said.pop("settings", {})}
    config = dataclasses.replace(base, **said, settings=settings)
    check_models(
        # By their flags, for the sentence names what was typed.
        **{f"--{name.replace('_', '-')}": getattr(config, name) for name in (*GROUPS["Models"], "check_model")}
    )
    return config


def with_task(config: RunConfig) -> RunConfig:
    """`config`, once it is sure to name a task. Raises ConfigError."""
    if not config.task:
        raise ConfigError("which task? name one with --task (`promptopt tasks list` shows them), or a task file")
    return config


def with_default_method(config: RunConfig) -> RunConfig:
    """`config` with the default method, where it names none. Raises ConfigError where it names no task."""
    with_task(config)
    return config if config.method else dataclasses.replace(config, method=DEFAULT_METHOD)


def stored(config: RunConfig) -> dict[str, Any]:
    """The config as it is kept with the run: no empty entries, and no password in an address."""
    kept = {name: value for name, value in dataclasses.asdict(config).items() if value is not None and value != {}}
    for name in ("base_url", "proposer_base_url", "judge_base_url"):
        if name in kept:
            parts = urlsplit(str(kept[name]))
            kept[name] = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
    for name in ("data", "task"):
        # A run may be resumed from another folder.
        if name in kept and (name == "data" or kept[name].endswith(".toml")):
            kept[name] = str(Path(kept[name]).expanduser().absolute())
    return kept


def settings_of(config: RunConfig, task: Task) -> dict[str, Setting]:
    """The settings of the method: the user's, on top of those that the task ships for that method."""
    own = {name: value for name, value in config.settings.items() if not name.startswith(_EVALUATOR)}
    return {**flat_settings(task.settings.get(config.method, {})), **own}


def evaluator_of(config: RunConfig, task: Task, optimizer: Optimizer | None = None) -> Evaluator:
    """What the search goes by: the evaluator named, or the method's own choice.

    Its settings are the user's, on top of those that the task ships for it.
    """
    from promptopt.binding.evaluator import bind_evaluator, one_evaluator
    from promptopt.binding.models import judge_specs
    from promptopt.binding.settings import adjust
    from promptopt.evaluators.own_judges import OwnJudges
    from promptopt.outcome.criterion import name_of

    made = bind_evaluator(config.evaluator, task, optimizer)
    given = {
        name.removeprefix(_EVALUATOR): value for name, value in config.settings.items() if name.startswith(_EVALUATOR)
    }
    # Who names three judges means a panel of three.
    size = None if config.judge is None else len(judge_specs(config.judge))
    if isinstance(made, OwnJudges) and made.named:
        if not given:
            return dataclasses.replace(made, size=size) if made.named == "panel" else made
        # What is set is set for all tasks, so one evaluator asks it of all.
        made = one_evaluator(made.named, task)
    shipped = flat_settings(task.settings.get(name_of(made), {}))
    if name_of(made) == "panel" and size is not None:
        shipped["size"] = size
    return adjust(made, {**shipped, **given}, "evaluator")


def models_of(config: RunConfig) -> Models:
    """Every model that is named, and the server of each. Raises ConfigError for a limit that lets nothing through."""
    from promptopt.binding.models import Models
    from promptopt.models.providers import Access

    if config.concurrency is not None and config.concurrency < 1:
        raise ConfigError(f"--concurrency is {config.concurrency}; at least 1 request must be in flight")
    if config.requests_per_minute is not None and not 0 < config.requests_per_minute < math.inf:
        raise ConfigError(f"--requests-per-minute is {config.requests_per_minute:g}; give a number above 0")
    limits = (config.concurrency, config.requests_per_minute)

    def own(base_url: str | None, served_as: str | None, variable: str | None) -> Access | None:
        named = (base_url, served_as, variable)
        return None if named == (None, None, None) else Access(*named, *limits)

    return Models(
        task=config.model,
        proposer=config.proposer,
        judge=config.judge,
        check=config.check_model,
        base_url=config.base_url,
        # Its address stands in `base_url`, which goes to the first model that has a server.
        access=Access(None, config.served_as, config.api_key_env, *limits),
        proposer_access=own(config.proposer_base_url, config.proposer_served_as, config.proposer_api_key_env),
        judge_access=own(config.judge_base_url, config.judge_served_as, config.judge_api_key_env),
        check_judge=config.check_judge,
        user=config.user_model,
        teacher=config.teacher,
    )


def proposer_of(config: RunConfig) -> str:
    """Who writes prompts, and judges where no judge is named."""
    from promptopt.binding.models import default_proposer

    default = default_proposer(config.model)
    return config.proposer if config.proposer is not None else config.model if default is None else default


def budget_of(config: RunConfig) -> Budget:
    """The caps. Raises ConfigError for one that leaves nothing to spend."""
    from promptopt.run.budget import Budget

    return Budget(config.max_evaluations, config.max_calls, config.max_tokens, config.max_usd, config.max_minutes)


def search_budget(config: RunConfig, task: Task) -> tuple[Budget, str]:
    """The caps of a search, and a sentence where they are the default ones (`binding.plan.default_budget`)."""
    from promptopt.binding.plan import default_budget
    from promptopt.run.budget import Budget

    given = budget_of(config)
    # On the command line nobody can say that there is no cap: without one, nothing was said.
    return default_budget(None if given == Budget() else given, configured=bool(settings_of(config, task)))


Loaded = dict[tuple[str, "Splits"], "Task"]
"""Tasks that a command has loaded, by name and splits: where they come up in several of its searches each is read once.
"""


def task_of(config: RunConfig, *, trust: bool = False, loaded: Loaded | None = None) -> Task:
    """The task named, with the splits asked for, on its own data or on that of `config.data`.

    `trust`: the user trusts the content of this file or module, which is remembered; an option of the command line
    alone, since a config file may be a stranger's too. `loaded`: taken from there, and added.
    """
    task = _named_task(config, {} if loaded is None else loaded, trust=trust)
    return task if config.weigh is None else dataclasses.replace(task, weigh=config.weigh)


def _named_task(config: RunConfig, loaded: Loaded, *, trust: bool) -> Task:
    from promptopt.binding.suite import adapting
    from promptopt.cli.programs import load_program, names_program
    from promptopt.tasks.catalogue import load_task
    from promptopt.tasks.splits import Splits

    for name, value in (("train", config.train), ("dev", config.dev), ("test", config.test)):
        if value is not None and value < 1:
            raise ConfigError(f"--{name} is {value}; every split needs at least 1 example")
    splits = Splits(config.train, config.dev, config.test, config.seed)
    names, own_user = task_names(config), config.user_model is not None

    def load(name: str) -> Task:
        if (name, splits) not in loaded:
            found = load_task(name, data=config.data, splits=splits, trust=trust, own_user=own_user)
            loaded[name, splits] = found
        return loaded[name, splits]

    if len(names) > 1:
        if config.data is not None:
            raise ConfigError("--data takes the place of one task's examples; leave it out for several tasks")
        # Before they are cut to their shares, which are of what counts once.
        return _several(config, [each if config.weigh is None else dataclasses.replace(each, weigh=config.weigh)
                                 for each in map(load, names)])  # fmt: skip
    given = [name for name in ("objective", "weights", "floor") if getattr(config, name) is not None]
    if given:
        raise ConfigError(f"--{given[0]} is for several tasks under one system prompt, as --task a,b,c; leave it out")
    if config.system is not None:
        return adapting(load(config.task), given_system(config.system))
    if names_program(config.task):
        if config.data is not None:
            raise ConfigError(f"the program {config.task} brings its own examples; leave --data out")
        return load_program(config.task, splits=splits, trust=trust)
    return load(config.task)


def alone(config: RunConfig, name: str, loaded: Loaded) -> Task:
    """One of several tasks as it stands by itself, with the same splits."""
    return task_of(dataclasses.replace(without_objective(config, name), system=None), loaded=loaded)


def without_objective(config: RunConfig, task: str) -> RunConfig:
    """The same options for these tasks, without those on what is made of several."""
    return dataclasses.replace(config, task=task, objective=None, weights=None, floor=None)


def without_judge(config: RunConfig) -> RunConfig:
    """The options without those on who judges."""
    return dataclasses.replace(config, judge=None, judge_base_url=None, judge_served_as=None, judge_api_key_env=None)


def asks_judge(config: RunConfig, task: Task) -> bool:
    """Whether what scores the task's examples asks a judge."""
    from promptopt.binding.evaluator import bind_evaluator
    from promptopt.protocols import Judging, Simulating

    guide = bind_evaluator(evaluator_of(config, task), task)
    return isinstance(guide, Simulating) or (isinstance(guide, Judging) and len(guide.judges) > 0)


def of_scoring(config: RunConfig) -> RunConfig:
    """The options of scoring after a search: the caps are those of the search, and its settings are no evaluator's."""
    own = {name: value for name, value in config.settings.items() if name.startswith(_EVALUATOR)}
    return dataclasses.replace(
        config, max_evaluations=None, max_calls=None, max_tokens=None, max_usd=None, settings=own
    )


def task_names(config: RunConfig) -> list[str]:
    """The tasks that are named; a file whose name has a comma in it is one. Raises ConfigError for an empty name."""
    return [config.task] if Path(config.task).exists() else names_in(config.task, "--task")


def names_in(text: str, option: str, what: str = "tasks") -> list[str]:
    """The names between the commas. Raises ConfigError where there is none between two."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ConfigError(f"{option} {text!r} has an empty name in it; name the {what} as A,B,C")
    return names


def _several(config: RunConfig, tasks: Sequence[Task]) -> Task:
    from promptopt.binding.suite import several_tasks

    try:
        weights = [float(part) for part in config.weights.split(",")] if config.weights else []
    except ValueError:
        raise ConfigError(f"--weights {config.weights!r} are no numbers; give one for each task, as 2,1,1") from None
    system = None if config.system is None else given_system(config.system)
    objective = "mean" if config.objective is None else config.objective
    return several_tasks(tasks, system=system, objective=objective, weights=weights, floor=config.floor)


def prompt_from(task: Task, text: str | None, *, quiet: bool = False) -> tuple[Task, Prompt]:
    """The prompt meant by a text, a file's name, or an exported file, and the task in the layout it was exported in.

    Warns of what it marks and nothing fills, unless `quiet`. Raises ConfigError and DataError.
    """
    from promptopt.cli.output import say
    from promptopt.reports.given import from_text
    from promptopt.tasks.prompt_text import newly_open

    if text is None:
        return task, task.initial
    exported = is_file(path := Path(text)) and path.suffix == ".json"
    laid_out, prompt = _or_the_start(task, *from_text(task, given_text(text), exported=exported))
    if not quiet and (left := newly_open(prompt, task.initial, task.fields)):
        say(f"warning: {left}")
    return laid_out, prompt


def _or_the_start(task: Task, laid_out: Task, prompt: Prompt) -> tuple[Task, Prompt]:
    """The start itself where the prompt is the start but for the white space around it.

    Files and shells add and drop it; as another prompt it would be asked anew, and held against the start by chance.
    """
    bare, start = ([(name, text.strip()) for name, text in each.texts] for each in (prompt, task.initial))
    same = bare == start and (prompt.demos, prompt.layout) == (task.initial.demos, task.initial.layout)
    return laid_out, task.initial if same else prompt
