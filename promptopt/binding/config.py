"""What a run can be told: every option, its help, and a file of them read strictly."""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from promptopt.binding.settings import Setting, flat_settings, wrong_type
from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.models.files.catalogue import PROPOSER
from promptopt.types import Weigh


@dataclass(frozen=True, slots=True)
class Said:
    """What a user is told of an option. `flag`, `metavar`: on the command line, where its name and type do not say."""

    help: str
    metavar: str | None = None
    flag: str = ""


GROUPS: Mapping[str, tuple[str, ...]] = {
    "What is searched": ("task", "method", "settings", "evaluator", "check_model", "check_evaluator", "seed", "out"),
    "Models": ("model", "proposer", "judge", "check_judge", "user_model", "teacher"),
    "Servers": (
        "base_url", "served_as", "api_key_env", "proposer_base_url", "proposer_served_as", "proposer_api_key_env",
        "judge_base_url", "judge_served_as", "judge_api_key_env", "concurrency", "requests_per_minute",
    ),
    "Examples": ("data", "train", "dev", "test"),
    "Caps": ("max_evaluations", "max_calls", "max_tokens", "max_usd", "max_minutes"),
}  # fmt: skip
"""The fields of `RunConfig` under the headings that `--help` shows them under."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a run can be told, on the command line or in a file: every option is a field here, and said nowhere else.

    None: the default of the task or method.
    """

    task: Annotated[
        str,
        Said(
            "A built-in task (`promptopt tasks list`), a task file, a program (package.module:name); several, as A,B."
        ),
    ] = ""
    system: Annotated[
        str | None,
        Said(
            "Several tasks: the system prompt in use, or its file; one task: a system prompt that stays.",
            "FILE-or-text",
        ),
    ] = None
    objective: Annotated[str | None, Said("Several tasks: mean (default), weighted, worst, or floors.")] = None
    weights: Annotated[str | None, Said("Several tasks: a number for each.", "N,N,N")] = None
    floor: Annotated[float | None, Said("Several tasks: the loss that each may have, from 0 to 1.")] = None
    weigh: Annotated[
        Weigh | None,
        Said("What counts once in a mean score: each turn, or each conversation; default: as the task says, or turn."),
    ] = None
    method: Annotated[str, Said("How to search (`promptopt methods list`); default: auto.")] = ""
    model: Annotated[str, Said("The model that answers the task; default: embedded.")] = "embedded"
    proposer: Annotated[
        str | None,
        Said(f"The model that writes prompts; default: the one that answers; for embedded: embedded/{PROPOSER}."),
    ] = None
    judge: Annotated[
        str | None,
        Said("The model that scores, where one is asked; several, as A,B,C, for a panel; default: the proposer."),
    ] = None
    check_judge: Annotated[str | None, Said("The judge that the verdict is by; default: the judge.", "MODEL")] = None
    user_model: Annotated[
        str | None, Said("The model that plays the users of a task with scenarios; default: the proposer.", "MODEL")
    ] = None
    teacher: Annotated[
        str | None,
        Said("The model whose right answers become demonstrations; default: the one that answers.", "MODEL"),
    ] = None
    base_url: Annotated[str | None, Said("The address of an OpenAI-compatible server.")] = None
    served_as: Annotated[str | None, Said("A name for that server, where its address changes.", "NAME")] = None
    api_key_env: Annotated[
        str | None,
        Said("The environment variable that holds its key; OPENAI_API_KEY goes to OpenAI alone.", "VARIABLE"),
    ] = None
    proposer_base_url: Annotated[str | None, Said("The server of the proposer; default: that of --base-url.")] = None
    proposer_served_as: Annotated[str | None, Said("A name for the proposer's server.", "NAME")] = None
    proposer_api_key_env: Annotated[str | None, Said("The variable with the key for it.", "VARIABLE")] = None
    judge_base_url: Annotated[str | None, Said("The server of the judge; default: that of --base-url.")] = None
    judge_served_as: Annotated[str | None, Said("A name for the judge's server.", "NAME")] = None
    judge_api_key_env: Annotated[str | None, Said("The variable with the key for it.", "VARIABLE")] = None
    concurrency: Annotated[int | None, Said("Requests in flight at a server, at most; default: 64.")] = None
    requests_per_minute: Annotated[float | None, Said("Requests sent to a server in a minute, at most.")] = None
    evaluator: Annotated[
        str | None,
        Said(
            "generation, labels, loss, preference, or a judge: rubric, checklist, versus, equivalence, panel, "
            "weighted; default: as the method or the task says."
        ),
    ] = None
    check_model: Annotated[
        str | None, Said("The model the prompt is for: the verdict is on it; default: the one that answers.")
    ] = None
    check_evaluator: Annotated[str | None, Said("What the verdict is by; default: the task's metric.")] = None
    data: Annotated[str | None, Said("Use these examples instead of the task's own.", "FILE")] = None
    train: Annotated[int | None, Said("Examples to learn from.")] = None
    dev: Annotated[int | None, Said("Examples to choose the winner by.")] = None
    test: Annotated[int | None, Said("Sealed examples for the verdict.")] = None
    seed: Annotated[int, Said("Of every random choice; default: 0.")] = 0
    max_evaluations: Annotated[int | None, Said("Cap: prompts scored on one example each.")] = None
    max_calls: Annotated[int | None, Said("Cap: replies asked of any model.")] = None
    max_tokens: Annotated[int | None, Said("Cap: tokens read and written by any model.")] = None
    max_usd: Annotated[float | None, Said("Cap: dollars.")] = None
    max_minutes: Annotated[float | None, Said("Cap: minutes. A search ends in time for its verdict.")] = None
    settings: Annotated[
        Mapping[str, Setting],
        Said("A setting of the method (`methods show`), or evaluator.NAME=…", "NAME=VALUE", "--set"),
    ] = field(default_factory=dict[str, Setting])
    out: Annotated[str | None, Said("Write the winner here (.txt, .json or .py).", "FILE")] = None


def load_config(path: str | Path) -> RunConfig:
    """Read a TOML file into a `RunConfig`. Raises DataError when it cannot be read, ConfigError for what it says."""
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as cause:
        raise DataError(f"the config file {str(path)!r} cannot be read: {cause.strerror}; check its name") from cause
    except UnicodeDecodeError as cause:
        raise DataError(f"the config file {str(path)!r} is not UTF-8 text; save it as UTF-8") from cause
    # Beside what is no TOML: a number of more digits than Python reads, and lists within lists without end.
    except (ValueError, RecursionError) as cause:
        raise ConfigError(f"the config file {str(path)!r} is not valid TOML: {cause}; correct it there") from cause
    try:
        return config_from(data)
    except ConfigError as cause:
        raise ConfigError(f"in the config file {str(path)!r}: {cause}") from cause


def config_from(data: Mapping[str, Any]) -> RunConfig:
    """A `RunConfig` of the values in `data`; tables under `settings` become dotted names. Raises ConfigError."""
    from pydantic import TypeAdapter, ValidationError

    values = dict(data)
    known = [entry.name for entry in dataclasses.fields(RunConfig)]
    for name in values:
        if name not in known:
            raise UnknownName("option", name, known)
    if isinstance(values.get("settings"), Mapping):
        values["settings"] = flat_settings(values["settings"])
    # Strict below: "3" for a number in a file is a slip; only what the command line sets comes as text.
    hints = typing.get_type_hints(RunConfig)
    for name, value in values.items():
        adapter: TypeAdapter[Any] = TypeAdapter(hints[name])
        try:
            values[name] = adapter.validate_python(value, strict=True)
        except ValidationError as cause:
            raise wrong_type(f"option {name!r}", value, hints[name]) from cause
    return RunConfig(**values)
