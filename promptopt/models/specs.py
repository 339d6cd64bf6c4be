"""Model names, as users write them, to models: `embedded`, `llamacpp/PATH.gguf`, `openai/NAME`, `provider/NAME`.

The part before the first slash is looked up among the entry points of the group `promptopt.models`; each is a factory
`(rest, base_url) -> Model`. What is not registered goes to litellm where it is one of its providers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, cast

from promptopt import registry
from promptopt.errors import ConfigError, UnknownName
from promptopt.models.prices import litellm_providers
from promptopt.protocols import Model

Mode = Literal["exact", "fast"]
Factory = Callable[[str, str | None], Model]

_HOSTED = (
    "anthropic", "azure", "bedrock", "cerebras", "cohere", "deepseek", "fireworks_ai", "gemini", "groq", "mistral",
    "ollama", "openrouter", "perplexity", "together_ai", "vertex_ai", "xai",
)  # fmt: skip
"""Providers known without litellm, so that their names lead to the extra to install."""

IN_PROCESS = frozenset({"embedded", "embedded-fast", "llamacpp", "llamacpp-fast", "hf", "hf-masked", "vllm"})
"""Engines in this process; litellm gives some of these names to servers."""


def open_model(spec: str, *, base_url: str | None = None) -> Model:
    """The model that `spec` names; `base_url` is the address of its server, where it has one.

    Raises UnknownName for an unknown provider, ConfigError where the model cannot be opened.
    """
    provider, _, rest = spec.partition("/")
    known = registry.names("models")
    if provider in known:
        return cast("Factory", registry.load("models", provider))(rest, base_url)
    hosted = sorted({*_HOSTED, *litellm_providers()} - IN_PROCESS)
    if provider in hosted and rest:
        from promptopt.models.server.litellm import LiteLLMModel

        return LiteLLMModel(spec, base_url=base_url)
    raise UnknownName("model provider", provider, [*known, *_HOSTED])


def open_openai(rest: str, base_url: str | None) -> Model:
    """`openai/NAME`: a model behind an OpenAI-compatible server."""
    from promptopt.models.server.openai import OpenAIModel

    return OpenAIModel(rest, base_url=base_url)


def open_hf(rest: str, base_url: str | None) -> Model:
    """`hf/ID-or-PATH`: a model run by transformers in this process; a folder, a GGUF file, or a name on the hub."""
    return _hf(rest, base_url, masked=None)


def open_hf_masked(rest: str, base_url: str | None) -> Model:
    """`hf-masked/ID-or-PATH`: the same, as a masked language model: labels are scored at the mask token."""
    return _hf(rest, base_url, masked=True)


def open_vllm(rest: str, base_url: str | None) -> Model:
    """`vllm/ID-or-PATH`: a model run by vLLM in this process."""
    _refuse_address("vllm", base_url)
    from promptopt.models.vllm.model import VLLM

    return VLLM(rest)


def open_llamacpp(rest: str, base_url: str | None) -> Model:
    """`llamacpp/PATH.gguf`: a model file, run in this process. Raises ConfigError where there is no such file."""
    return _llamacpp(rest, base_url, "exact")


def open_llamacpp_fast(rest: str, base_url: str | None) -> Model:
    """`llamacpp-fast/PATH.gguf`: the same with continuous batching, where a reply can depend on its company."""
    return _llamacpp(rest, base_url, "fast")


def open_embedded(rest: str, base_url: str | None) -> Model:
    """`embedded` or `embedded/NAME`: a model of the catalogue, fetched where it is not here yet."""
    return _embedded(rest, base_url, "exact")


def open_embedded_fast(rest: str, base_url: str | None) -> Model:
    """`embedded-fast` or `embedded-fast/NAME`: the same with continuous batching."""
    return _embedded(rest, base_url, "fast")


def _llamacpp(rest: str, base_url: str | None, mode: Mode) -> Model:
    _refuse_address("llamacpp", base_url)
    path = Path(rest).expanduser()
    if not rest or not path.is_file():
        raise ConfigError(f"the model 'llamacpp/{rest}' needs a GGUF file, and {rest!r} is none; give the path of one")
    return _open_file(path, None, mode)


def _hf(rest: str, base_url: str | None, masked: bool | None) -> Model:
    _refuse_address("hf", base_url)
    from promptopt.models.transformers.model import Transformers

    return Transformers(rest, masked=masked)


def _embedded(rest: str, base_url: str | None, mode: Mode) -> Model:
    _refuse_address("embedded", base_url)
    from promptopt.models.files import catalogue

    name = rest if rest else catalogue.DEFAULT
    found = catalogue.locate(name)
    return _open_file(catalogue.pull(name) if found is None else found, f"embedded/{name}", mode)


def _open_file(path: Path, name: str | None, mode: Mode) -> Model:
    from promptopt.models.llamacpp.model import LlamaCpp, open_once

    return open_once(path, name=name) if mode == "exact" else LlamaCpp(path, name=name, mode=mode)


def _refuse_address(provider: str, base_url: str | None) -> None:
    if base_url is not None:
        raise ConfigError(f"{provider!r} runs in this process and takes no base URL; for a server, use 'openai/NAME'")
