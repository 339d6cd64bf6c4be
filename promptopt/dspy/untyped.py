"""DSPy, which ships no types: what is had from it is Any, and the names here say in signatures what is meant."""

from __future__ import annotations

from importlib import import_module
from typing import Any, TypeAlias

from promptopt.errors import ConfigError

INSTALL = "pip install 'promptopt-engine[dspy]'"

try:
    dspy: Any = import_module("dspy")
except ImportError as cause:
    raise ConfigError(f"promptopt.dspy needs DSPy, which is not installed; {INSTALL}") from cause

if dspy.__version__.split(".")[:2] != ["3", "4"]:
    raise ConfigError(f"promptopt.dspy works with DSPy 3.4, and {dspy.__version__} is installed; {INSTALL}")

lm15: Any = import_module("dspy.lm15")
serialized: Any = import_module("dspy.adapters.utils").serialize_for_json
as_an_adapters: Any = import_module("dspy.clients._deprecation").adapter_message_call
"""(LM, messages): while they are sent, they pass for an adapter's, which DSPy does not warn of."""
request_kwargs: Any = import_module("dspy.clients.lm15_boundary").request_kwargs
"""(request, "chat"): what it is sent by, by OpenAI's names, with its messages."""
allows_none: Any = import_module("dspy.adapters.utils").annotation_allows_none
Teleprompter: Any = import_module("dspy.teleprompt").Teleprompter


def has_no_default(field: Any) -> bool:
    """Whether a field of a signature has none: pydantic's sign for that is no value."""
    return bool(field.is_required())


Module: TypeAlias = Any
"""A `dspy.Module`."""
Gold: TypeAlias = Any
"""A `dspy.Example`."""
LM: TypeAlias = Any
"""A `dspy.BaseLM`."""
LMRequest: TypeAlias = Any
"""A `dspy.lm15.Request`."""
LMResponse: TypeAlias = Any
"""A `dspy.lm15.Response`."""
