"""How many calls a program's runs take, for a forecast: no stand-in knows what a program makes of a model's replies."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.cli.forecast_range import ForecastRange
from promptopt.cli.forecast_table import times, within_dollars
from promptopt.cli.roles import RoleForecast, sum_known
from promptopt.cli.speed import ENOUGH_CALLS, Speed
from promptopt.protocols import CallsVary, Evaluator
from promptopt.run.budget import Budget

SCORING = ("task", "check")
"""The roles that a program's calls are of."""


def as_measured(
    roles: Sequence[RoleForecast],
    evaluations: int | None,
    spread: ForecastRange | None,
    evaluator: Evaluator,
    speed: Speed,
    budget: Budget,
) -> tuple[list[RoleForecast], int | None, ForecastRange | None]:
    """The roles, the evaluations and their range, by the calls that earlier runs of the program made."""
    measured = speed.calls_per_evaluation
    calls = sum_known([role.calls for role in roles if role.role in SCORING])
    if not _varies(evaluator) or not measured or not evaluations or not calls:
        return list(roles), evaluations, spread
    others = sum_known([role.calls for role in roles if role.role not in SCORING])
    if budget.calls is not None:
        evaluations = min(evaluations, max(1, int((budget.calls - (others or 0)) / measured)))
    factor = evaluations * measured / calls
    found = within_dollars([times(role, factor) if role.role in SCORING else role for role in roles], budget.usd)
    if spread is not None:
        grown = (_tokens_of_roles(found) or 1) / (_tokens_of_roles(roles) or 1)
        short, long = (round(grown * tokens) for tokens in spread.tokens)
        spread = ForecastRange(spread.evaluations, (short, long))
    return found, evaluations, spread


def _tokens_of_roles(roles: Sequence[RoleForecast]) -> int | None:
    return sum_known([count for role in roles for count in (role.prompt_tokens, role.completion_tokens)])


def unmeasured(evaluator: Evaluator, speed: Speed) -> str:
    """That nothing says how many calls a run of the program makes, in a sentence; empty where something does."""
    if not _varies(evaluator) or speed.calls_per_evaluation:
        return ""
    return (
        f"the calls of the program are those that it made of stand-ins' replies, which need not be what it makes of a "
        f"model's: calls, tokens and time may be off by a factor of several; once a run of it has paid for "
        f"{ENOUGH_CALLS} calls, a dry run goes by what that took"
    )


def _varies(evaluator: Evaluator) -> bool:
    return isinstance(evaluator, CallsVary) and evaluator.calls_vary
