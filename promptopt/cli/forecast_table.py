"""What a command will take, in a table: what every `--dry-run` shows, whatever the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from promptopt.cli.forecast_range import ForecastRange
from promptopt.cli.roles import RoleForecast, sum_known
from promptopt.cli.speed import ENOUGH_CALLS, Speed
from promptopt.models.prices import Price, price_of
from promptopt.models.providers import provider_of
from promptopt.models.server.address import is_this_machine
from promptopt.models.specs import check_spec
from promptopt.reports import words
from promptopt.text import counted


@dataclass(frozen=True, slots=True)
class ForecastTable:
    """What a command that is more than one search, or none, will take, by role (`Forecast` is that of one search).

    `evaluations` None: the plan of a search is unknown. `made_of`: what is evaluated, in words. `minutes` None: no
    earlier run with these models says how fast they are. `named`: what else its JSON says of the command.
    """

    named: Mapping[str, Any]
    evaluations: int | None
    made_of: str
    roles: tuple[RoleForecast, ...]
    minutes: float | None
    speed: Speed
    unpriced: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    spread: ForecastRange | None = None
    """The least and the most of it, where a single figure cannot stand for both."""
    shows: tuple[str, ...] = ()
    """Sentences on what its test can show."""

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "dry_run": True,
            **self.named,
            "evaluations": self.evaluations,
            "spread": None if self.spread is None else asdict(self.spread),
            "roles": {self._key(role): role.to_json() for role in self.roles},
            "minutes": self.minutes,
            "warnings": list(self.warnings),
        }

    def _key(self, role: RoleForecast) -> str:
        """Its name; where several models have one role, with that of the model."""
        alike = sum(each.role == role.role for each in self.roles)
        return role.role if alike == 1 else f"{role.role} {role.model}"

    def describe(self) -> str:
        """The forecast for people."""
        told = (
            "An unknown number of evaluations"
            if self.evaluations is None
            else f"About {self.evaluations:,} evaluations"
        )
        told = "No evaluation" if self.evaluations == 0 else told
        lines = [role_table(self.roles), "", time_said(self.minutes, self.speed, self.roles)]
        if self.spread is not None:
            lines.append(sentence(self.spread.describe()))
        return "\n".join([*lines, f"{told}: {self.made_of}.", *self.shows, *closing(self.unpriced, self.warnings)])


def role_table(roles: Sequence[RoleForecast]) -> str:
    """A row for each role, and one for all together."""
    head = ["about", "calls", "tokens read", "tokens written", "dollars", "model"]
    # Who is never asked has no row: most tasks have no judge.
    asked = [role for role in roles if role.calls != 0 or role.role == "task"]
    rows = [head, *(_role_row(role) for role in asked)]
    total = RoleForecast(
        "together",
        "",
        sum_known([role.calls for role in roles]),
        sum_known([role.prompt_tokens for role in roles]),
        sum_known([role.completion_tokens for role in roles]),
        sum_usd([role.usd for role in roles]),
        priced=not without_price(roles),
    )
    return words.columns([*rows, _role_row(total)], right=(1, 2, 3, 4))


def time_said(minutes: float | None, speed: Speed, roles: Sequence[RoleForecast]) -> str:
    """How long it takes, in a sentence."""
    if sum_known([role.calls for role in roles]) == 0:
        return "Time: none, as nothing is asked."
    if minutes is None and sum_known([role.calls for role in roles]) is None:
        return "Time: unknown, as the calls are."
    if minutes is None:
        return (
            f"Time: unknown (no earlier run with this model paid for {ENOUGH_CALLS} calls or more, which would say "
            f"how fast it is)."
        )
    runs = counted(speed.runs, "earlier run")
    told = f"Time: about {words.duration(60 * minutes)}"
    if speed.of_task:
        return f"{told}, by the calls of {runs} of this task with this model."
    return f"{told}, at the speed of {runs} with this model on other tasks, and by how long replies are taken to be."


def minutes_cap_said(cap: float, minutes: float | None) -> str:
    """What a cap on minutes does to a search that takes so many; None where these are unknown."""
    ends = "ends the search in time for the final choice and the test, which are smaller then"
    if minutes is None:
        return f"the cap of {cap:g} minutes is not in these figures: where they take longer it {ends}"
    if minutes <= cap:
        return f"the cap of {cap:g} minutes is above that: it ends nothing, unless calls take longer"
    return f"the cap of {cap:g} minutes {ends}: of all this it leaves time for about {cap / minutes:.0%}"


def closing(unpriced: Sequence[str], warnings: Sequence[str]) -> list[str]:
    """What stands below every forecast."""
    said = [f"No price is known for {', '.join(unpriced)}: dollars are not guessed."] if unpriced else []
    said += [f"Warning: {warning}" for warning in warnings]
    return [*said, "Nothing was asked of any model. Calls that are already in the store cost nothing."]


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def _role_row(role: RoleForecast) -> list[str]:
    def number(value: int | None) -> str:
        return "unknown" if value is None else f"{value:,}"

    # With a price, what is unknown is how many calls there are.
    usd = "unknown" if role.usd is None and role.priced else words.dollars(role.usd)
    return [role.role, number(role.calls), number(role.prompt_tokens), number(role.completion_tokens), usd, role.model]


def sum_usd(values: Sequence[float | None]) -> float | None:
    """The sum; None where one of them is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def in_all(roles: Sequence[RoleForecast]) -> tuple[RoleForecast, ...]:
    """One for each role, with what all of its kind take."""
    kinds: dict[tuple[str, str], list[RoleForecast]] = {}
    for role in roles:
        kinds.setdefault((role.role, role.model), []).append(role)
    return tuple(
        RoleForecast(
            *kind,
            sum_known([each.calls for each in held]),
            sum_known([each.prompt_tokens for each in held]),
            sum_known([each.completion_tokens for each in held]),
            sum_usd([each.usd for each in held]),
            all(each.priced for each in held),
        )
        for kind, held in kinds.items()
    )


def times(role: RoleForecast, factor: float) -> RoleForecast:
    """What a role takes so many times over."""
    counts = (role.calls, role.prompt_tokens, role.completion_tokens)
    calls, read, written = (None if count is None else round(factor * count) for count in counts)
    usd = None if role.usd is None else factor * role.usd
    return replace(role, calls=calls, prompt_tokens=read, completion_tokens=written, usd=usd)


def within_dollars(roles: Sequence[RoleForecast], usd: float | None) -> list[RoleForecast]:
    """The roles, less of each alike where together they cost more than the cap in dollars."""
    total = sum_usd([role.usd for role in roles])
    if usd is None or total is None or total <= usd:
        return list(roles)
    # A cap in dollars cuts a search off in the middle, and every role with it.
    return [times(role, usd / total) for role in roles]


def minutes_of(roles: Sequence[RoleForecast], speed: Speed) -> float | None:
    """Minutes, by the calls of earlier runs of the task, else by tokens; None where the speed or these are unknown."""
    calls = sum_known([role.calls for role in roles])
    if speed.seconds_per_call is not None:
        return None if calls is None else calls * speed.seconds_per_call / 60
    tokens = sum_known([count for role in roles for count in (role.prompt_tokens, role.completion_tokens)])
    return None if speed.tokens_per_s is None or tokens is None else tokens / speed.tokens_per_s / 60


def without_price(roles: Sequence[RoleForecast]) -> tuple[str, ...]:
    """The models whose dollars are unknown for want of a price, each once."""
    return tuple(dict.fromkeys(role.model for role in roles if role.usd is None and not role.priced))


def prices_at(specs: Mapping[str, str], addresses: Mapping[str, str | None]) -> dict[str, Price | None]:
    """What tokens cost of the model of each role, at its own address. Raises UnknownName for an unknown provider."""
    found: dict[str, Price | None] = {}
    for role, spec in specs.items():
        check_spec(spec)
        # Who is asked by nobody has no address.
        found[role] = price_of(spec, local=_is_here(spec, addresses.get(role)))
    return found


def _is_here(spec: str, url: str | None) -> bool:
    """Whether a model is asked at an address of this machine, where tokens cost nothing."""
    known, host = provider_of(spec), urlsplit(url).hostname if url is not None else None
    # A provider that takes no address runs where its record says (`Provider.local`).
    asked = known is not None and known.takes_url
    return asked and host is not None and is_this_machine(host)
