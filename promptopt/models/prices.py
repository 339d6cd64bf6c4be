"""What tokens cost: the user's own table, then what runs at home, then litellm's table. The rest is unknown.

The user's table is `prices.toml` in `PROMPTOPT_HOME`, in dollars for a million tokens:

    ["openai/gpt-4o-mini"]
    prompt = 0.15
    completion = 0.60
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from promptopt.errors import ConfigError
from promptopt.models.providers import provider_of
from promptopt.places import home

SCRIPTED = "scripted"
"""What scripted models are called, which no provider opens."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for one token read, and for one token written."""

    prompt_usd: float
    completion_usd: float


def price_of(name: str, *, local: bool = False) -> Price | None:
    """The price of the model called `name` (as `Model.name`), or None where it is not known.

    `local`: it is served from this machine, so it is free unless the user's table says otherwise. Raises ConfigError
    for a user's table that cannot be read.
    """
    own = read_prices(home() / "prices.toml")
    # A server's name is part of its model's, and of no price table.
    name = next((known for known in (name, name.rpartition("@")[0]) if known in own), name)
    if name in own:
        return own[name]
    provider, _, rest = name.partition("/")
    known = provider_of(name)
    if local or provider == SCRIPTED or (known is not None and known.local):
        return Price(0.0, 0.0)
    table = _litellm_table()
    if name not in table and "@" in name:
        name, rest = name.rpartition("@")[0], rest.rpartition("@")[0]
    entry = table.get(name)
    # litellm names some models without a provider (`gpt-4o`), and providers with an ending
    # (`vertex_ai-language-models`).
    if entry is None and str(table.get(rest, {}).get("litellm_provider")).partition("-")[0] == provider:
        entry = table[rest]
    # What is billed by images or seconds has no price for a token.
    if entry is None or "input_cost_per_token" not in entry or "output_cost_per_token" not in entry:
        return None
    return Price(float(entry["input_cost_per_token"]), float(entry["output_cost_per_token"]))


def read_prices(path: Path) -> dict[str, Price]:
    """The user's table, empty where there is no file. Raises ConfigError naming the entry that is wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as cause:
        raise ConfigError(f"the price table {str(path)!r} cannot be read: {cause}; correct it there") from cause
    return {name: _own_price(path, name, entry) for name, entry in data.items()}


def _own_price(path: Path, name: str, entry: Any) -> Price:
    wrong = ConfigError(
        f"the price table {str(path)!r} has {entry!r} for {name!r}; write a table of two numbers, none negative, "
        f"`prompt` and `completion`, in dollars for a million tokens"
    )
    numbers = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    if set(numbers) != {"prompt", "completion"}:
        raise wrong
    prompt, completion = numbers["prompt"], numbers["completion"]
    for value in (prompt, completion):
        # TOML's `true` is a bool, which Python counts among the ints.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise wrong
    return Price(prompt / 1e6, completion / 1e6)


def litellm_providers() -> frozenset[str]:
    """The providers that an installed litellm has prices for; empty without it."""
    return frozenset(str(entry.get("litellm_provider")) for entry in _litellm_table().values())


@functools.cache
def _litellm_table() -> Mapping[str, Mapping[str, Any]]:
    """The table that litellm ships, read as a file: importing litellm takes seconds."""
    found = find_spec("litellm")
    if found is None or not found.submodule_search_locations:
        return {}
    file = Path(found.submodule_search_locations[0]) / "model_prices_and_context_window_backup.json"
    table: dict[str, dict[str, Any]] = json.loads(file.read_bytes()) if file.is_file() else {}
    # The entry that explains the table's fields.
    table.pop("sample_spec", None)
    return table
