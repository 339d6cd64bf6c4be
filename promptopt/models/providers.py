"""One record a provider of models: what every part of the program asks about it stands here, once.

The part of a model's name before the first slash is a provider, found among the entry points of the group
`promptopt.models`. A plug-in registers a `Provider` there, and is listed, priced and given addresses as ours are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from promptopt import registry
from promptopt.errors import ConfigError
from promptopt.protocols import Model


@dataclass(frozen=True, slots=True)
class Provider:
    """A way to models, as `--model PROVIDER/REST` names it."""

    form: str
    """How a model is named: `llamacpp/FILE.gguf`."""
    help: str
    """One line for `promptopt models list`."""
    open: Callable[[str, str | None], Model]
    """(what follows the first slash, the address of the server or None) to the model."""
    local: bool = False
    """Whether it runs on this machine, where tokens cost nothing."""
    generates: bool = True
    """Whether its models write replies."""
    scores: Literal["yes", "by server", "no"] = "no"
    """Whether its models give log-likelihoods of given texts; `by server`: some of its servers do."""
    takes_url: bool = False
    """Whether its models lie behind an address that the user may give."""
    catalogue: bool = False
    """Whether REST names a model of the embedded catalogue, fetched when it is first used."""


def providers() -> dict[str, Provider]:
    """Every registered provider by name, sorted. Raises ConfigError for a plug-in that registers something else."""
    return {name: find(name) for name in registry.names("models")}


def find(name: str) -> Provider:
    """The provider registered as `name`. Raises UnknownName, and ConfigError where it is no `Provider`."""
    found = registry.load("models", name)
    if not isinstance(found, Provider):
        raise ConfigError(
            f"the entry point {name!r} of the group 'promptopt.models' is {found!r}; "
            f"register a promptopt.models.providers.Provider"
        )
    return found


def provider_of(model: str) -> Provider | None:
    """The provider of the model called `model`, by what stands before its first slash; None for an unregistered one."""
    name = model.partition("/")[0]
    return find(name) if name in registry.names("models") else None


def scoring_forms() -> str:
    """The forms of the models that give log-likelihoods of given texts, in words."""
    known = providers().values()
    forms = [provider.form for provider in known if provider.scores == "yes"]
    served = [provider.form for provider in known if provider.scores == "by server"]
    by_server = [f"{form} with the --base-url of a vLLM or llama.cpp server" for form in served]
    return ", ".join([*forms, *by_server])
