"""Model names, as users write them, to models: `embedded`, `llamacpp/PATH.gguf`, `openai/NAME`, `provider/NAME`.

The part before the first slash is looked up among the entry points of the group `promptopt.models`; each is a
`Provider`, and ours stand at the end of this file. What is not registered goes to litellm where that knows it.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Literal

from promptopt import registry
from promptopt.errors import ConfigError, UnknownName
from promptopt.models.prices import SCRIPTED, litellm_providers
from promptopt.models.providers import HOSTED, UNSAID, Access, Provider, find
from promptopt.protocols import Model

Mode = Literal["exact", "fast"]


def open_model(
    spec: str,
    *,
    base_url: str | None = None,
    served_as: str | None = None,
    key_variable: str | None = None,
    concurrency: int | None = None,
    requests_per_minute: float | None = None,
) -> Model:
    """The model that `spec` names; the rest is about its server, where it has one (`providers.Access`).

    Raises UnknownName for an unknown provider, ConfigError where the model cannot be opened.
    """
    access = Access(base_url, served_as, key_variable, concurrency, requests_per_minute)
    check_spec(spec, access)
    provider, _, rest = spec.partition("/")
    if provider in registry.names("models"):
        chosen = find(provider)
        return chosen.open(rest, base_url) if chosen.served is None else chosen.served(rest, access)
    # litellm has servers of some of our engines' names; those are registered here, and never get this far.
    hosted = sorted({*HOSTED, *litellm_providers()})
    if provider in hosted and rest:
        from promptopt.models.server.litellm import CONCURRENCY, LiteLLMModel

        return LiteLLMModel(
            spec,
            base_url=base_url,
            served_as=served_as,
            key_variable=_set(key_variable),
            concurrency=CONCURRENCY if concurrency is None else concurrency,
            requests_per_minute=requests_per_minute,
        )
    raise _unknown(spec)


def check_spec(spec: str, access: Access = UNSAID) -> None:
    """Raise what `open_model` raises for a provider that is unknown, or has no such server; open nothing."""
    if access.base_url is not None:
        from promptopt.models.server.address import check_address

        check_address(access.base_url)
    provider, _, rest = spec.partition("/")
    # `scripted` is an object in a program, and opened by nobody.
    known = (SCRIPTED, *registry.names("models"))
    hosted = provider not in known and provider in {*HOSTED, *litellm_providers()}
    if not rest.strip() and (hosted or provider == "openai"):
        example = "gpt-4o-mini" if provider == "openai" else "NAME"
        raise ConfigError(f"{provider}/ needs the name of a model, as in '{provider}/{example}'")
    if provider not in known and not hosted:
        raise _unknown(spec)
    if provider in registry.names("models"):
        chosen = find(provider)
        if access.base_url is not None and not chosen.takes_url:
            here = "runs in this process and " if chosen.local else ""
            raise ConfigError(f"{provider!r} {here}takes no base URL; for a server, use 'openai/NAME'")
        if chosen.served is None:
            _check_plain(provider, access)
        if chosen.check is not None:
            chosen.check(rest)


def _unknown(spec: str) -> UnknownName:
    provider = spec.partition("/")[0]
    known = list(dict.fromkeys([*registry.names("models"), *HOSTED]))
    # `opnai` is a misspelt provider, and `meta-llama` the owner of a model, however like `ollama` it looks.
    meant = _suggested_specs(spec, near=bool(difflib.get_close_matches(provider, known, cutoff=0.8)))
    return UnknownName("model provider", provider, known, meant=meant)


_FAMILIES = {
    "openai": ("gpt-", "chatgpt", "o1", "o3", "o4"),
    "anthropic": ("claude",),
    "gemini": ("gemini-", "gemma-"),
    "mistral": ("mistral-", "codestral", "ministral", "magistral"),
    "deepseek": ("deepseek-",),
    "xai": ("grok",),
    "cohere": ("command-",),
}
"""What the names of hosted models begin with, by provider."""


def _suggested_specs(spec: str, *, near: bool) -> str:
    """A spec or several, in words, for a model that was named without its provider; empty where nothing shows it.

    `near`: whether what stands before the slash is nearly a provider's name.
    """
    from promptopt.models.files import catalogue

    lowered = spec.lower()
    if lowered in {model.name for model in catalogue.MODELS}:
        return f"'embedded/{lowered}'"
    path = Path(spec).expanduser()
    if path.suffix.lower() == ".gguf":
        return f"'llamacpp/{spec}'"
    for provider, beginnings in _FAMILIES.items():
        if "/" not in spec and lowered.startswith(beginnings):
            return f"'{provider}/{spec}'"
    owner, _, rest = spec.partition("/")
    if owner and rest and not near and (path.is_dir() or "/" not in rest):
        return f"'hf/{spec}', 'vllm/{spec}', or with --base-url 'openai/{spec}'"
    return f"'hf/{spec}'" if spec and path.is_dir() else ""


def _check_plain(provider: str, access: Access) -> None:
    """Raises ConfigError where more is said of the server than its address, of a provider that knows no more."""
    if not access.plain:
        raise ConfigError(
            f"{provider!r} can be told neither the name of its server, nor a variable for its key, nor how much to "
            f"send; leave these options out, or use 'openai/NAME'"
        )


def _openai(rest: str, base_url: str | None) -> Model:
    return _openai_at(rest, Access(base_url))


def _openai_at(rest: str, access: Access) -> Model:
    from promptopt.models.server.openai import CONCURRENCY, OpenAIModel

    return OpenAIModel(
        rest,
        base_url=access.base_url,
        key_variable=_set(access.key_variable),
        served_as=access.served_as,
        concurrency=CONCURRENCY if access.concurrency is None else access.concurrency,
        requests_per_minute=access.requests_per_minute,
    )


def _set(variable: str | None) -> str | None:
    """The name of a variable that holds a key. Raises ConfigError where it holds none."""
    if variable is not None and not os.environ.get(variable, "").strip():
        from promptopt.models.server.wire import scrub

        # A key given in place of its variable's name is not shown.
        shown = scrub(variable) if variable.isidentifier() else "(no name of a variable)"
        raise ConfigError(
            f"the environment variable that should hold the key, {shown}, is not set; set it, or name another"
        )
    return variable


def _hf(rest: str, base_url: str | None, masked: bool | None = None) -> Model:
    from promptopt.models.transformers.model import Transformers

    return Transformers(rest, masked=masked)


def _hf_masked(rest: str, base_url: str | None) -> Model:
    return _hf(rest, base_url, masked=True)


def _vllm(rest: str, base_url: str | None) -> Model:
    from promptopt.models.vllm.model import VLLM

    return VLLM(rest)


def _llamacpp(rest: str, base_url: str | None, mode: Mode = "exact") -> Model:
    _is_file(rest)
    return _open_file(Path(rest).expanduser(), None, mode)


def _is_file(rest: str) -> None:
    if not rest or not Path(rest).expanduser().is_file():
        raise ConfigError(f"the model 'llamacpp/{rest}' needs a GGUF file, and {rest!r} is none; give the path of one")


def _llamacpp_fast(rest: str, base_url: str | None) -> Model:
    return _llamacpp(rest, base_url, "fast")


def _embedded(rest: str, base_url: str | None, mode: Mode = "exact") -> Model:
    from promptopt.models.files import catalogue

    name = _in_catalogue(rest)
    # Also checks what is there already: a file of the right size may be another one.
    return _open_file(catalogue.pull(name), f"embedded/{name}", mode)


def _in_catalogue(rest: str) -> str:
    from promptopt.models.files import catalogue

    return catalogue.find(rest if rest else catalogue.DEFAULT).name


def _open_file(path: Path, name: str | None, mode: Mode) -> Model:
    from promptopt.models.llamacpp.model import LlamaCpp, open_once

    return open_once(path, name=name) if mode == "exact" else LlamaCpp(path, name=name, mode=mode)


def _embedded_fast(rest: str, base_url: str | None) -> Model:
    return _embedded(rest, base_url, "fast")


_BATCHING = "the same with continuous batching: answers can depend on what else is asked"

EMBEDDED = Provider(
    "embedded/NAME", "one of the list above, or its default; fetched when it is first used", _embedded,
    local=True, scores="yes", check=_in_catalogue, catalogue=True,
)  # fmt: skip
EMBEDDED_FAST = Provider(
    "embedded-fast/NAME", _BATCHING, _embedded_fast, local=True, scores="yes", check=_in_catalogue, catalogue=True
)
LLAMACPP = Provider(
    "llamacpp/FILE.gguf", "a model file of your own, in this process", _llamacpp, local=True, scores="yes",
    check=_is_file,
)  # fmt: skip
LLAMACPP_FAST = Provider("llamacpp-fast/FILE.gguf", _BATCHING, _llamacpp_fast, local=True, scores="yes", check=_is_file)
HF = Provider(
    "hf/PATH-or-ID", 'transformers in this process: a folder, a GGUF file, or a hub name (needs the extra "hf")', _hf,
    local=True, accelerated=True, scores="yes",
)  # fmt: skip
HF_MASKED = Provider(
    "hf-masked/PATH-or-ID", "the same for a masked language model: labels at the mask token", _hf_masked,
    local=True, accelerated=True, generates=False, scores="yes",
)  # fmt: skip
IN_PROCESS_VLLM = Provider(
    "vllm/PATH-or-ID", 'vLLM in this process (needs the extra "vllm")', _vllm,
    local=True, accelerated=True, scores="yes",
)  # fmt: skip
OPENAI = Provider(
    "openai/NAME", "OpenAI, or with --base-url any compatible server (vLLM, llama.cpp, Ollama, LM Studio)", _openai,
    scores="by server", takes_url=True, served=_openai_at,
)  # fmt: skip
