"""`--dry-run`: what a run will take, by role. No model is opened or asked: stand-ins play the search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from promptopt.binding.config import RunConfig, build_optimizer
from promptopt.cli.display import looked_at, smallest
from promptopt.cli.rehearsal import played
from promptopt.cli.roles import CellCost, RoleForecast, judging, proposing, scoring, sum_known, usd_of
from promptopt.cli.speed import ENOUGH_CALLS, speed_of
from promptopt.models.prices import SCRIPTED, Price, price_of
from promptopt.models.providers import provider_of
from promptopt.models.server.address import is_this_machine
from promptopt.models.specs import check_spec
from promptopt.models.tokens import estimate_tokens
from promptopt.protocols import BoundsCost, BoundsCostInRoom, Evaluator, Optimizer, Planning, Simulating
from promptopt.reports import words
from promptopt.run.budget import Allocation, allocate
from promptopt.stats import ALPHA
from promptopt.text import counted
from promptopt.types import Example, Room, UpperBounds

SHOWN_TO_PROPOSER = 8
"""Examples a request to the proposer is taken to show, beside the prompt."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The whole run, by role. `minutes` None: no earlier run with these models says how fast they are."""

    config: RunConfig
    roles: tuple[RoleForecast, ...]
    minutes: float | None
    speed_from: int
    plan: Allocation
    smallest_gain: float
    warnings: tuple[str, ...]
    rounds: str = ""
    """How much of the method the caps leave room for, in words; empty where the method does not plan."""
    unpriced: tuple[str, ...] = ()
    """Models whose price nothing says. Dollars may be unknown without one, where the calls are."""
    look: int = 1
    """Which look at its test examples the verdict will be, at the level `alpha`."""
    alpha: float = ALPHA

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "dry_run": True,
            "task": self.config.task,
            "method": self.config.method,
            "seed": self.config.seed,
            "roles": {role.role: asdict(role) for role in self.roles},
            "minutes": self.minutes,
            "reserve": asdict(self.plan.reserve),
            "smallest_gain": self.smallest_gain,
            "look": {"number": self.look, "alpha": self.alpha},
            "rounds": self.rounds,
            "warnings": list(self.warnings),
        }

    def describe(self) -> str:
        """The forecast for people."""
        head = ["about", "calls", "tokens read", "tokens written", "dollars", "model"]
        rows = [head, *(_row(role, priced=role.model not in self.unpriced) for role in self.roles)]
        total = RoleForecast(
            "together",
            "",
            sum_known([role.calls for role in self.roles]),
            sum_known([role.prompt_tokens for role in self.roles]),
            sum_known([role.completion_tokens for role in self.roles]),
            _sum_usd([role.usd for role in self.roles]),
        )
        rows.append(_row(total, priced=not self.unpriced))
        lines = [words.columns(rows, right=(1, 2, 3, 4)), "", self._time(), _sentence(self.plan.describe())]
        lines.append(_sentence(smallest(self.plan.test, self.smallest_gain)))
        if self.look > 1:
            lines.append(_sentence(looked_at(self.look, self.alpha)))
        if self.rounds:
            lines.append(_sentence(self.rounds))
        if self.unpriced:
            lines.append(f"No price is known for {', '.join(self.unpriced)}: dollars are not guessed.")
        lines += [f"Warning: {warning}" for warning in self.warnings]
        lines.append("Nothing was asked of any model. Calls that are already in the store cost nothing.")
        return "\n".join(lines)

    def _time(self) -> str:
        if self.minutes is None:
            return (
                f"Time: unknown (no earlier run with this model paid for {ENOUGH_CALLS} calls or more, which would say "
                f"how fast it is, or the calls are unknown)."
            )
        runs = counted(self.speed_from, "earlier run")
        return f"Time: about {words.duration(60 * self.minutes)}, at the speed of {runs} with this model."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _row(role: RoleForecast, *, priced: bool) -> list[str]:
    def number(value: int | None) -> str:
        return "unknown" if value is None else f"{value:,}"

    usd = "unknown" if role.usd is None and priced else words.dollars(role.usd)
    return [role.role, number(role.calls), number(role.prompt_tokens), number(role.completion_tokens), usd, role.model]


def _sum_usd(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def forecast(config: RunConfig) -> Forecast:
    """Work it out. Raises what a run with this config would raise before its first call."""
    from promptopt.binding.evaluator import recast, verdict_evaluator
    from promptopt.binding.plan import room_for, too_little
    from promptopt.binding.task import bind_task
    from promptopt.cli.request import evaluator_of, search_budget, settings_of, task_of
    from promptopt.outcome.looks import units_of
    from promptopt.stats import smallest_detectable

    given = task_of(config)
    optimizer = build_optimizer(config.method, settings_of(config, given))
    own = recast(given, optimizer)
    task = bind_task(own, config.seed)
    evaluator = evaluator_of(config, own, optimizer)
    check = verdict_evaluator(evaluator, config.check_evaluator, task)
    checked = config.model if config.check_model is None else config.check_model
    proposer = _proposer(config)
    judge = proposer if config.judge is None else config.judge.partition(",")[0].strip()
    named = {"task": config.model, "proposer": proposer, "check": checked, "judge": judge}
    specs = {**named, **_others(config, evaluator, proposer)}
    prices = {spec: _price(spec, config.base_url) for spec in specs.values()}
    searching = CellCost.of(task, evaluator, config.model)
    final = searching if check is evaluator and checked == config.model else CellCost.of(task, check, checked)
    cost = usd_of(prices[checked], math.ceil(final.reads), final.writes)
    priced = cost is not None and prices[proposer] is not None and prices[config.model] is not None
    budget, unasked = search_budget(config, given)
    arranged = allocate(
        budget, dev=len(task.dev), test=len(task.test), calls_per_cell=final.calls,
        tokens_per_cell=final.calls * (final.reads + final.writes),
        usd_per_cell=final.calls * cost if cost is not None and priced else None,
    )  # fmt: skip
    room = room_for(arranged, task, evaluator)
    expected = _expected(optimizer, room)
    cells, proposals = _searched(expected, arranged, searching.calls)
    roles = scoring(searching, final, (config.model, checked), (cells, arranged.reserve.evaluations), prices)
    shown = estimate_tokens(task.initial[task.editable], proposer) + SHOWN_TO_PROPOSER * searching.reads
    written = None if proposals is None or expected is None else expected.completion_tokens
    roles.append(proposing(proposer, proposals, shown, written, prices[proposer]))
    roles += _judges((judge, config.check_judge), (searching, final), (cells, arranged.reserve.evaluations), prices)
    roles += _players(specs, prices)
    if taken := played(own, optimizer, specs, (evaluator, check), (budget, arranged), config.seed, cells):
        roles = _within([_as_rehearsed(role, taken, prices[role.model]) for role in roles], budget.usd)
    speed, runs = speed_of(config, proposer)
    look, alpha = _look(sealed := task.test[: arranged.test])
    return Forecast(
        config, tuple(roles), _minutes(roles, speed), runs, arranged,
        smallest_detectable(units_of(sealed), alpha=alpha),
        (*own.warnings, *(said for said in (unasked, too_little(optimizer, room)) if said)),
        _rounds(optimizer, room), _unpriced(roles, prices), look, alpha,
    )  # fmt: skip


def _as_rehearsed(role: RoleForecast, played: Mapping[str, tuple[float, ...]], price: Price | None) -> RoleForecast:
    if role.role not in played:
        return role
    calls, read, written = map(round, played[role.role])
    return replace(role, calls=calls, prompt_tokens=read, completion_tokens=written, usd=usd_of(price, read, written))


def _within(roles: list[RoleForecast], usd: float | None) -> list[RoleForecast]:
    """The roles, less of each alike where together they cost more than the cap in dollars."""
    total = _sum_usd([role.usd for role in roles])
    if usd is None or total is None or total <= usd:
        return roles
    share = usd / total
    return [
        replace(
            role,
            calls=None if role.calls is None else round(share * role.calls),
            prompt_tokens=None if role.prompt_tokens is None else round(share * role.prompt_tokens),
            completion_tokens=None if role.completion_tokens is None else round(share * role.completion_tokens),
            usd=None if role.usd is None else share * role.usd,
        )
        for role in roles
    ]


def _proposer(config: RunConfig) -> str:
    from promptopt.binding.models import default_proposer

    default = default_proposer(config.model)
    return config.proposer if config.proposer is not None else config.model if default is None else default


def _others(config: RunConfig, evaluator: Evaluator, proposer: str) -> dict[str, str]:
    """The check judge where one is named, and the model that plays users where there are some to be played."""
    found = {} if config.check_judge is None else {"check_judge": config.check_judge}
    if not isinstance(evaluator, Simulating):
        return found
    shipped = evaluator.user_model if evaluator.user_model else proposer
    return {**found, "user": shipped if config.user_model is None else config.user_model}


def _players(specs: Mapping[str, str], prices: Mapping[str, Price | None]) -> list[RoleForecast]:
    named = [specs["user"]] if "user" in specs else []
    return [RoleForecast("user", each, None, None, None, usd_of(prices[each], None, None)) for each in named]


def _judges(
    judges: tuple[str, str | None],
    kinds: tuple[CellCost, CellCost],
    cells: tuple[int | None, int],
    prices: Mapping[str, Price | None],
) -> list[RoleForecast]:
    """What the judge takes, and the one that has the last word where there is one."""
    judge, last = judges
    if last is None:
        return [judging(judge, kinds, cells, prices[judge])]
    checking = judging(last, kinds, (0, cells[1]), prices[last])
    return [judging(judge, kinds, (cells[0], 0), prices[judge]), replace(checking, role="check_judge")]


def _minutes(roles: Sequence[RoleForecast], speed: float | None) -> float | None:
    tokens = sum_known([count for role in roles for count in (role.prompt_tokens, role.completion_tokens)])
    return None if speed is None or tokens is None else tokens / speed / 60


def _expected(optimizer: Optimizer, room: Room) -> UpperBounds | None:
    """What the search can take at most: by its plan, where it has one."""
    if isinstance(optimizer, BoundsCostInRoom):
        return optimizer.upper_bounds_in(room)
    return optimizer.upper_bounds(room.train) if isinstance(optimizer, BoundsCost) else None


def _rounds(optimizer: Optimizer, room: Room) -> str:
    """`the caps leave room for 3 of 6 rounds: ...`; nothing where the method does not plan."""
    if not isinstance(optimizer, Planning):
        return ""
    planned, free = optimizer.plan(room), optimizer.plan(replace(room, evaluations=None, calls=None))
    fits = f"{min(planned.rounds, free.rounds)} of {free.rounds}" if planned.rounds < free.rounds else "all of its"
    return f"the budget fits {fits} rounds: {planned.describe()}"


def _searched(expected: UpperBounds | None, arranged: Allocation, per_cell: int) -> tuple[int | None, int | None]:
    """(evaluations, proposer calls) of the search at most: by the method's word, and by the caps."""
    caps: list[int] = []
    if arranged.search.evaluations is not None:
        caps.append(arranged.search.evaluations)
    if arranged.search.calls is not None:
        caps.append(arranged.search.calls // per_cell)
    if expected is None:
        return (min(caps) if caps else None), None
    proposals = expected.proposer_calls
    if arranged.search.calls is not None:
        proposals = min(proposals, arranged.search.calls)
    return min([expected.evaluations, *caps]), proposals


def _unpriced(roles: Sequence[RoleForecast], prices: Mapping[str, Price | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(role.model for role in roles if role.usd is None and prices[role.model] is None))


def _price(spec: str, base_url: str | None) -> Price | None:
    """What a model's tokens cost. Raises UnknownName where its provider is unknown."""
    if spec.partition("/")[0] != SCRIPTED:
        check_spec(spec)
    return price_of(spec, local=_is_here(spec, base_url))


def _is_here(spec: str, url: str | None) -> bool:
    """Whether a model is asked at an address of this machine, where tokens cost nothing."""
    known, host = provider_of(spec), urlsplit(url).hostname if url is not None else None
    asked = known is not None and known.takes_url
    return asked and host is not None and is_this_machine(host)


def _look(sealed: Sequence[Example]) -> tuple[int, float]:
    """(number, level) of the next look at these examples, by the store as it is."""
    from promptopt.outcome.looks import look_ahead
    from promptopt.places import home
    from promptopt.store.runs import Store

    if not (home() / "store.db").exists():
        return 1, ALPHA
    with Store() as store:
        ahead = look_ahead(store.looks, sealed)
    return ahead.number, ahead.alpha
