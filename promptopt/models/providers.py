"""One record a provider of models: what every part of the program asks about it stands here, once.

The part of a model's name before the first slash is a provider, found among the entry points of the group
`promptopt.models`. A plug-in registers a `Provider` there, and is listed, priced and given addresses as ours are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from promptopt import registry
from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.protocols import Model


@told
@dataclass(frozen=True, slots=True)
class Access:
    """How the server of a model is reached, and how it is told from others. None: the provider's own way."""

    base_url: str | None = None
    """Its address."""
    served_as: str | None = None
    """What it is told apart by where its address changes; its address, where no name is given."""
    key_variable: str | None = None
    """The environment variable that holds its key."""
    concurrency: int | None = None
    """The most requests in flight."""
    requests_per_minute: float | None = None
    """The most requests sent in a minute."""

    @property
    def plain(self) -> bool:
        """Whether nothing is said but the address."""
        return (self.served_as, self.key_variable, self.concurrency, self.requests_per_minute) == (None,) * 4


UNSAID = Access()

HOSTED: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("anthropic.com",), "azure": ("azure.com",), "bedrock": ("amazonaws.com",),
    "cerebras": ("cerebras.ai",), "cohere": ("cohere.com", "cohere.ai"), "deepseek": ("deepseek.com",),
    "fireworks_ai": ("fireworks.ai",), "gemini": ("googleapis.com",), "groq": ("groq.com",),
    # Ollama has no address of its own, so a key for it goes nowhere unasked.
    "mistral": ("mistral.ai",), "ollama": (), "openai": ("openai.com",), "openrouter": ("openrouter.ai",),
    "perplexity": ("perplexity.ai",), "together_ai": ("together.ai", "together.xyz"),
    "vertex_ai": ("googleapis.com",), "xai": ("x.ai",),
}  # fmt: skip
"""Providers that litellm reaches, known also where it is not installed, and where the key of each belongs: to every
other address it goes only where the user says so."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A way to models, as `--model PROVIDER/REST` names it."""

    form: str
    """How a model is named: `llamacpp/FILE.gguf`."""
    help: str
    """One line for `promptopt models list`."""
    open: Callable[[str, str | None], Model]
    """(what follows the first slash, the address of the server or None) to the model.

    The model's name must change with the address: what serves is part of every stored key.
    """
    local: bool = False
    """Whether it runs on this machine, where tokens cost nothing."""
    accelerated: bool = False
    """Whether it computes on an accelerator where there is one, and on all cores only elsewhere."""
    generates: bool = True
    """Whether its models write replies."""
    scores: Literal["yes", "by server", "no"] = "no"
    """Whether its models give log-likelihoods of given texts; `by server`: some of its servers do."""
    takes_url: bool = False
    """Whether its models lie behind an address that the user may give."""
    served: Callable[[str, Access], Model] | None = None
    """Like `open`, for a provider whose servers can be told more than an address."""
    check: Callable[[str], object] | None = None
    """Raises what `open` would for a REST that can name no model, before anything else is done; opens nothing."""
    catalogue: bool = False
    """Whether REST names a model of the embedded catalogue, fetched when it is first used."""


def providers() -> dict[str, Provider | ConfigError]:
    """Every registered provider by name, sorted, or why a plug-in's cannot be had: a broken one hides no other."""
    return {name: _found_or_why(name) for name in registry.names("models")}


def find(name: str) -> Provider:
    """The provider registered as `name`. Raises UnknownName, and ConfigError where it is no `Provider`."""
    found = registry.load("models", name)
    if not isinstance(found, Provider):
        raise ConfigError(
            f"the entry point {name!r} of the group 'promptopt.models' is {found!r}; "
            f"register a promptopt.models.providers.Provider"
        )
    return found


def _found_or_why(name: str) -> Provider | ConfigError:
    try:
        return find(name)
    except ConfigError as why:
        return why


def provider_of(model: str) -> Provider | None:
    """The provider of the model called `model`, by what stands before its first slash; None for an unregistered one."""
    name = model.partition("/")[0]
    return find(name) if name in registry.names("models") else None


def scoring_forms() -> str:
    """The forms of the models that give log-likelihoods of given texts, in words."""
    known = [each for each in providers().values() if isinstance(each, Provider)]
    forms = [provider.form for provider in known if provider.scores == "yes"]
    served = [provider.form for provider in known if provider.scores == "by server"]
    by_server = [f"{form} with the --base-url of a vLLM or llama.cpp server" for form in served]
    return ", ".join([*forms, *by_server])
