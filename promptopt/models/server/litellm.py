"""Hosted APIs through litellm (the extra `hosted`): whatever it knows by `provider/model`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from promptopt.errors import ConfigError
from promptopt.models.providers import HOSTED
from promptopt.models.server.address import OPENAI, canonical_address, host_of, identity
from promptopt.models.server.dispatch import Dispatcher
from promptopt.models.server.keys import key_in, masked, masked_json
from promptopt.models.server.lost_connections import lost_connection, outage
from promptopt.models.server.pace import Pace
from promptopt.models.server.retrying import RETRY_POLICY, Outage, RetryPolicy
from promptopt.models.server.token_logprobs import require_tokens
from promptopt.models.server.wire import Failure, quoted, read_reply, response_format
from promptopt.models.tokens import estimate_tokens
from promptopt.types import Reply, Request, messages_to_json, tools_of

_log = logging.getLogger(__name__)

_SIGNED_IN = frozenset(
    {"github_copilot", "oci", "sagemaker", "sagemaker_chat", "vertex_ai", "vertex_ai_beta", "watsonx"}
)
"""Providers for whom litellm sends what it gets by signing in, whatever key it is given."""
_OPENAIS = ("openai", "text-completion-openai")

CONCURRENCY = 32
"""Requests in flight at most, unless said otherwise."""


class LiteLLMModel:
    """A hosted model, as a `promptopt.protocols.Model`. Keys come from the variables that litellm reads.

    litellm is imported with the first request, which takes seconds; its own retries, telemetry and online price table
    are off. Parameters that a provider does not take are left out by it.
    """

    local = False

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        served_as: str | None = None,
        key_variable: str | None = None,
        concurrency: int = CONCURRENCY,
        requests_per_minute: float | None = None,
        timeout_s: float = 120.0,
        retry_policy: RetryPolicy = RETRY_POLICY,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`model`: as litellm writes it, "anthropic/…". Raises ConfigError without litellm, or for a broken key.

        `served_as`: what the server is told apart by, where it has an address of its own that changes; else the
        address. `key_variable`: the environment variable that holds the key, for an address that is not the provider's
        own, which gets none otherwise. `concurrency`: the most requests in flight. `requests_per_minute`: sent at most,
        in even steps. `timeout_s`: for one try of one request.
        """
        if find_spec("litellm") is None:
            raise ConfigError(f'the model {model!r} needs litellm: pip install "promptopt-engine[hosted]"')
        self.name = model + identity(_address_of(model) if base_url is None else base_url, served_as)
        self._key = _key_for(model, base_url, key_variable)
        self._emptied = {} if _is_openais(model, base_url, key_variable) else _emptied(model)
        self._model, self._base_url, self._timeout_s = model, base_url, timeout_s
        self._server = f"the provider of {model!r}"
        self._heated: dict[float, bool] = {}
        self._dispatcher = Dispatcher(
            self._send,
            server=self._server,
            concurrency=concurrency,
            retry_policy=retry_policy,
            sleep=sleep,
            pace=Pace(requests_per_minute),
            timeout_s=timeout_s,
        )

    def __repr__(self) -> str:
        return f"LiteLLMModel({self._model!r})"

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """See `Model.generate`. `stopping` is called from another thread. Raises BackendError or ConfigError."""
        return self._dispatcher.stream(requests, stopping)

    def count_tokens(self, text: str) -> int:
        """An estimate: providers do not tell beforehand."""
        return estimate_tokens(text, self._model)

    @property
    def tries_lost(self) -> int:
        """See `LosesTries`."""
        return self._dispatcher.lost

    @property
    def seconds(self) -> Sequence[float]:
        """See `TimesReplies`."""
        return self._dispatcher.seconds

    def close(self) -> None:
        """Close the connections; the next batch opens them again."""
        self._dispatcher.close()

    def _options(self, request: Request) -> dict[str, Any]:
        """All that a request says beside what is read."""
        content, sampling = request.content, request.sampling
        options: dict[str, Any] = {
            "model": self._model,
            "api_base": self._base_url,
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "timeout": self._timeout_s,
            # Its own, and those of the client below it: neither would stop when the run does.
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": True,
        }
        if self._key is not None:
            options["api_key"] = self._key
        if self._emptied:
            options["extra_headers"] = dict(self._emptied)
        if sampling.top_p != 1.0:
            options["top_p"] = sampling.top_p
        if sampling.stop:
            options["stop"] = list(sampling.stop)
        if request.seed is not None:
            options["seed"] = request.seed
        if request.logprobs:
            text = isinstance(content, str)
            # Completions take the number itself, chats a flag beside it.
            options |= {"logprobs": request.logprobs} if text else {"logprobs": True, "top_logprobs": request.logprobs}
        if request.schema and not isinstance(content, str):
            # Dropped for providers that have no schemas, as other parameters are.
            options["response_format"] = response_format(request.schema)
        return options

    async def _send(self, request: Request) -> Reply:
        litellm = _litellm()
        from openai import OpenAIError

        content, options = request.content, self._options(request)
        answer: Any = None
        failed: OpenAIError | None = None
        try:
            if isinstance(content, str):
                answer = await litellm.atext_completion(prompt=content, **options)
            else:
                options |= {"tools": tools} if (tools := tools_of(content)) else {}
                answer = await litellm.acompletion(messages=messages_to_json(content), **options)
        except OpenAIError as cause:  # all that litellm raises derives from it
            # Settled outside of this block: an error raised here would drag litellm's along, which may show the key.
            failed = cause
        if failed is not None:
            return self._settle(litellm, failed)
        # pydantic warns of fields that litellm fills otherwise than it declares them.
        said = masked_json(answer.model_dump(warnings=False), self._keys)
        reply = read_reply(said, request, self._model, *self._keys)
        if not self._heats(litellm, request.sampling.temperature):
            reply = replace(reply, sampled=True)
        require_tokens(reply, request, self._server, self.name)
        return reply

    def _heats(self, litellm: Any, temperature: float) -> bool:
        """Whether litellm sends this model a temperature; for one that takes none, it leaves it out silently."""
        known = self._heated.get(temperature)
        if known is None:
            try:
                name, provider, *_ = litellm.get_llm_provider(self._model)
                sent = litellm.utils.get_optional_params(
                    model=name, custom_llm_provider=provider, temperature=temperature, drop_params=True
                )
                # Providers nest it in fields of their own, so it is looked for anywhere.
                known = "temperature" in str(sent)
            except (AttributeError, TypeError, ValueError, KeyError):
                known = True  # another litellm, which cannot be asked like this
            self._heated[temperature] = known
        return known

    @property
    def _keys(self) -> list[str]:
        """What must show in no reply and no message: a server can repeat a key, and replies are stored."""
        keys = [value.strip() for name, value in os.environ.items() if name.endswith("_API_KEY")]
        return keys if self._key is None else [*keys, self._key]

    def _settle(self, litellm: Any, cause: Any) -> Reply:
        """What `cause`, raised by litellm, amounts to; by class where litellm knows better than the status does."""
        errors = litellm.exceptions
        if isinstance(cause, errors.ContextWindowExceededError):
            return Reply("", "rejected")
        if isinstance(cause, errors.ContentPolicyViolationError):
            return Reply("", "filter")
        if isinstance(cause, errors.Timeout):
            raise Outage(f"gave no answer within {self._timeout_s:g} s", overloaded=True, counted=True)
        self._need_key(litellm, cause)
        lost = lost_connection(cause)
        if lost is not None:
            # Of some providers litellm makes an answer with the status 500 of it.
            raise outage(lost, self._timeout_s, lambda text: quoted(masked(text, self._keys), 2000))
        message = quoted(masked(str(getattr(cause, "message", cause)), self._keys), 2000)
        if isinstance(cause, errors.APIConnectionError):
            raise Outage(
                f"cannot be reached, or broke the connection off ({quoted(message)})", unreachable=True, counted=True
            )
        status, response = int(getattr(cause, "status_code", 500)), getattr(cause, "response", None)
        headers: dict[str, str] = {} if response is None else dict(response.headers)
        # Some of its errors carry the headers apart from the response, or without one.
        kept = getattr(cause, "litellm_response_headers", None)
        headers |= {} if kept is None else dict(kept)
        code = str(getattr(cause, "code", ""))
        failure = replace(Failure.of(status, json.dumps({"message": message}), headers), code=code)
        return failure.settle(self._server, self._advice(litellm, status))

    def _need_key(self, litellm: Any, cause: Any) -> None:
        """Raises ConfigError where no key was found, which litellm tells as a refusal or as a server out of reach."""
        refused = int(getattr(cause, "status_code", 500)) in (401, 403)
        if self._key is not None or not (refused or _NO_KEY_FOUND.search(str(cause))):
            return
        missing = litellm.validate_environment(model=self._model, api_base=self._base_url)["missing_keys"]
        if missing:
            named = "variable" if len(missing) == 1 else "variables"
            raise ConfigError(
                f"the model {self._model!r} needs a key: set the environment {named} {' and '.join(missing)}"
            )

    def _advice(self, litellm: Any, status: int) -> str:
        if status in (401, 403) and self._key == _NO_KEY:
            return "it got no key: name the environment variable that holds one with --api-key-env"
        if status in (401, 403):
            return "see that its key is valid"
        if status == 404:
            return "see that the provider has this model"
        return "change what the message names; trying again would not help"


_NO_KEY = "none"
# As in "Missing Anthropic API Key", which `_need_key` tells from a server that is out of reach.
_NO_KEY_FOUND = re.compile(r"(?i)missing [\w ]*api[ _]?key|api[ _]?key [\w ]*(is|was) (missing|not (set|found))")


def _key_for(model: str, base_url: str | None, variable: str | None) -> str | None:
    """The key that is sent; None: the one that litellm finds."""
    provider, host = model.partition("/")[0], "" if base_url is None else host_of(base_url)
    away = bool(host) and not any(host == home or host.endswith(f".{home}") for home in HOSTED.get(provider, ()))
    if away and provider in _SIGNED_IN:
        raise ConfigError(
            f"litellm signs in to {provider} and would send what it gets to {host}; leave the base URL out, or name a "
            f"server of OpenAI's dialect as openai/NAME"
        )
    if variable is not None:
        return key_in(variable)
    own = f"{provider.upper()}_API_KEY"
    key = key_in(own)
    if not away:
        # litellm would send the line break that a file of secrets ends in.
        return key if key and key != os.environ[own] else None
    if key:
        _log.warning(
            "no key goes to %s: %s is for the provider's own address; where this one wants a key, name the "
            "environment variable that holds it with --api-key-env", host, own,
        )  # fmt: skip
    return _NO_KEY


def _is_openais(model: str, base_url: str | None, variable: str | None) -> bool:
    """Whether what the environment holds for OpenAI is for this server, as its key would be."""
    if model.partition("/")[0] not in _OPENAIS:
        return False
    known = {canonical_address(address) for address in (OPENAI, _address_of("openai/")) if address is not None}
    return variable == "OPENAI_API_KEY" or base_url is None or canonical_address(base_url) in known


def _emptied(model: str) -> dict[str, str]:
    """The headers that OpenAI's client, by which litellm asks many providers, takes from the environment: empty."""
    lines = [line.partition(":") for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n") if ":" in line]
    names = [name.strip() for name, _, _ in lines]
    if any(name.lower() in ("authorization", "api-key") for name in names):
        raise ConfigError(
            f"OPENAI_CUSTOM_HEADERS holds a key, which litellm would send to the provider of {model!r}; unset it for "
            f"this command"
        )
    if os.environ.get("OPENAI_ORG_ID") or os.environ.get("OPENAI_ORGANIZATION"):
        names.append("OpenAI-Organization")
    if os.environ.get("OPENAI_PROJECT_ID"):
        names.append("OpenAI-Project")
    return dict.fromkeys(names, "")


def _address_of(model: str) -> str | None:
    """The address that litellm takes from the environment for this provider, if any."""
    provider = model.partition("/")[0].upper()
    named = (os.environ.get(f"{provider}_{ending}") for ending in ("API_BASE", "BASE_URL", "API_BASE_URL"))
    return next((address for address in named if address), None)


def _litellm() -> Any:
    """The package, silenced: imported here because it takes seconds and goes online for prices unless told not to."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOG", "ERROR")  # some of its warnings go to standard output
    litellm: Any = import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm
