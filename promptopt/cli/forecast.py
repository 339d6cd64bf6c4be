"""`--dry-run`: what a run will take, by role. No model is opened or asked: stand-ins play the search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from promptopt.binding.config import RunConfig
from promptopt.binding.evaluator import recast, verdict_evaluator
from promptopt.binding.floors import least_floors
from promptopt.binding.judging import refuse_idle_check_judge, remarks_on_judge, without_check
from promptopt.binding.models import addresses_of, judge_specs, mean_price
from promptopt.binding.plan import ends_nothing, proposer_call, room_for, too_little
from promptopt.binding.settings import build_optimizer
from promptopt.binding.task import bind_task
from promptopt.cli.forecast_range import ForecastRange
from promptopt.cli.forecast_table import (
    closing,
    minutes_cap_said,
    minutes_of,
    prices_at,
    role_table,
    sentence,
    time_said,
    within_dollars,
    without_price,
)
from promptopt.cli.program_calls import as_measured, unmeasured
from promptopt.cli.rehearsal import played
from promptopt.cli.request import evaluator_of, models_of, proposer_of, search_budget, settings_of, task_of
from promptopt.cli.roles import CellCost, RoleForecast, judging, proposing, scoring, usd_of
from promptopt.cli.run_words import least_floors_line, smallest_gain_line
from promptopt.cli.speed import Speed, speed_of
from promptopt.models.prices import Price
from promptopt.models.tokens import estimate_tokens
from promptopt.outcome.looks import looked_at
from promptopt.outcome.smallest import smallest_found
from promptopt.protocols import (
    ANSWERING,
    JUDGES,
    BoundsCost,
    BoundsCostInRoom,
    ChecksInstalled,
    EndsByBudget,
    Evaluator,
    Optimizer,
    Planning,
    Role,
    Simulating,
)
from promptopt.protocols import Task as AnyTask
from promptopt.run.budget import Allocation, allocate
from promptopt.stats import ALPHA
from promptopt.tasks.splits import beside_test_size
from promptopt.tasks.task import Task
from promptopt.text import counted
from promptopt.types import Example, Prompt, Room, UpperBounds

SHOWN_TO_PROPOSER = 8
"""Examples a request to the proposer is taken to show, beside the prompt. Ours."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The whole run, by role. `minutes` None: no earlier run with these models says how fast they are."""

    config: RunConfig
    task: Task
    """What is searched on, as the method takes it."""
    winner: Prompt
    """What stand-ins found, about as long as what is found; the start where the search could not be played."""
    roles: tuple[RoleForecast, ...]
    minutes: float | None
    speed: Speed
    allocation: Allocation
    smallest_gain: float
    of: str
    """As in `Planned`."""
    warnings: tuple[str, ...]
    rounds: str = ""
    """How much of the method the caps leave room for, in words; empty where the method does not plan."""
    unpriced: tuple[str, ...] = ()
    """Models whose price nothing says. Dollars may be unknown without one, where the calls are."""
    look: int = 1
    """Which look at its test examples the verdict will be, at the level `alpha`."""
    alpha: float = ALPHA
    evaluations: int | None = None
    """Of the search, the final choice and the test; None where the plan is unknown."""
    spread: ForecastRange | None = None
    """The least and the most of it, where a single figure cannot stand for both."""

    @property
    def least_floors(self) -> dict[str, float]:
        """By task, the least floor that its test can hold; empty where none is asked for."""
        return least_floors(self.task, self.task.test[: self.allocation.test])

    @property
    def systems(self) -> tuple[str, str]:
        """The text under search before and after."""
        return self.task.initial[self.task.editable], self.winner[self.task.editable]

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "dry_run": True,
            "task": self.config.task,
            "method": self.config.method,
            "seed": self.config.seed,
            "evaluations": self.evaluations,
            "spread": None if self.spread is None else asdict(self.spread),
            "roles": {role.role: role.to_json() for role in self.roles},
            "minutes": self.minutes,
            "reserve": asdict(self.allocation.reserve),
            "smallest_gain": self.smallest_gain,
            "least_floors": self.least_floors,
            "look": {"number": self.look, "alpha": self.alpha},
            "rounds": self.rounds,
            "warnings": list(self.warnings),
        }

    def describe(self) -> str:
        """The forecast for people."""
        lines = [role_table(self.roles), "", time_said(self.minutes, self.speed, self.roles)]
        if self.config.max_minutes is not None:
            lines.append(sentence(minutes_cap_said(self.config.max_minutes, self.minutes)))
        if self.spread is not None:
            lines.append(sentence(self.spread.describe()))
        lines.append(sentence(self.allocation.describe()))
        found = smallest_gain_line(self.allocation.test, self.smallest_gain, len(self.task.test), self.of)
        lines.append(sentence(found))
        if self.least_floors:
            lines.append(sentence(least_floors_line(self.least_floors)))
        if self.look > 1:
            lines.append(sentence(looked_at(self.look, self.alpha)))
        if self.rounds:
            lines.append(sentence(self.rounds))
        return "\n".join([*lines, *closing(self.unpriced, self.warnings)])


def forecast(config: RunConfig, own_task: Task | None = None, others: Sequence[str] = ()) -> Forecast:
    """Work it out, of `own_task` or the config's, `others` beside its model. Raises what a run would first."""
    given = task_of(config) if own_task is None else own_task
    optimizer, own = _method_and_task(config, given)
    task = bind_task(own, config.seed)
    evaluator = evaluator_of(config, own, optimizer)
    check = verdict_evaluator(evaluator, config.check_evaluator, task)
    addresses = addresses_of(replace(models_of(config), others=tuple(others)), evaluator, check)
    checked, proposer = config.model if config.check_model is None else config.check_model, proposer_of(config)
    judge = _judge(config, check, proposer)
    specs = {"task": config.model, "proposer": proposer, "check": checked, "judge": judge,
             **dict(zip(ANSWERING[1:], others, strict=False)), **_other_roles(config, evaluator, proposer)}  # fmt: skip
    prices = prices_at(specs, addresses)
    searching = CellCost.of(task, evaluator, config.model)
    # One object where both are one: `scoring` then makes one row of them.
    final = searching if check is evaluator and checked == config.model else CellCost.of(task, check, checked)
    cost = usd_of(_price_of_a_cell(prices), math.ceil(final.reads), final.writes)
    # A cap in dollars is turned into cells only where all that is asked has a price.
    priced = None not in (cost, prices["proposer"], prices["task"])
    budget, unasked = search_budget(config, given)
    # Not by `allocate_for`, which asks open models for their prices.
    arranged = allocate(
        budget, dev=len(task.dev), test=len(task.test), calls_per_cell=final.calls,
        tokens_per_cell=final.calls * (final.reads + final.writes),
        usd_per_cell=final.calls * cost if cost is not None and priced else None,
        proposing=proposer_call(task, proposer, final.reads, prices["proposer"]),
    )  # fmt: skip
    expected = _search_bounds(optimizer, room := room_for(arranged, task, evaluator))
    cells, proposals = _searched(expected, arranged, searching.calls)
    roles = scoring(searching, final, (config.model, checked), (cells, arranged.reserve.evaluations), prices)
    shown = estimate_tokens(task.initial[task.editable], proposer) + SHOWN_TO_PROPOSER * searching.reads
    written = None if proposals is None or expected is None else expected.completion_tokens
    roles.append(proposing(proposer, proposals, shown, written, prices["proposer"]))
    roles += _judges((judge, config.check_judge), (searching, final), (cells, arranged.reserve.evaluations), prices)
    roles += players(specs, prices)
    evaluations = None if cells is None else cells + arranged.reserve.evaluations
    if taken := played(own, optimizer, specs, (evaluator, check), (budget, arranged), config.seed, cells, prices):
        roles = within_dollars([as_rehearsed(role, taken.roles, prices[role.role]) for role in roles], budget.usd)
        evaluations = taken.evaluations
    winner, spread = (own.initial, None) if taken is None else (taken.winner, taken.spread)
    speed = speed_of(config, proposer)
    roles, evaluations, spread = as_measured(roles, evaluations, spread, evaluator, speed, budget)
    look, alpha = look_of(sealed := task.test[: arranged.test])
    return Forecast(config, own, winner, tuple(roles), minutes_of(roles, speed), speed, arranged,
        *smallest_found(own, sealed, alpha),
        _warnings((*own.warnings, unasked, too_little(optimizer, room),
                   *_said_of_judges(config, specs, (evaluator, check), task), unmeasured(evaluator, speed),
                   ends_nothing(budget.usd, prices.values()))),
        _rounds(optimizer, room), without_price(roles), look, alpha, evaluations, spread,
    )  # fmt: skip


def _price_of_a_cell(prices: Mapping[str, Price | None]) -> Price | None:
    """Of the model that the verdict is on; where several answer, theirs on average."""
    return mean_price([prices[role] for role in ("check", *ANSWERING[1:]) if role in prices])


def _judge(config: RunConfig, check: Evaluator, proposer: str) -> str:
    """The judge's name, the first of several. Raises ConfigError where the check judge has nothing to check."""
    judge = proposer if config.judge is None else config.judge.partition(",")[0].strip()
    if config.check_judge is not None:
        refuse_idle_check_judge(check, config.check_judge, judge)
    return judge


def _method_and_task(config: RunConfig, given: Task) -> tuple[Optimizer, Task]:
    """The method, which can be run here, and the task in the form that it works on."""
    optimizer = build_optimizer(config.method, settings_of(config, given))
    own = recast(given, optimizer)
    # Behind it, as in a run: what the method cannot do at all is told first.
    if isinstance(optimizer, ChecksInstalled):
        optimizer.check_installed()
    return optimizer, own


def _warnings(said: Sequence[str]) -> tuple[str, ...]:
    """What the allocation does not say itself."""
    return beside_test_size(filter(None, said))


def as_rehearsed(role: RoleForecast, played: Mapping[str, tuple[float, ...]], price: Price | None) -> RoleForecast:
    """The role with what was counted of it, where that was."""
    if role.role not in played:
        return role
    calls, read, written = map(round, played[role.role])
    return replace(role, calls=calls, prompt_tokens=read, completion_tokens=written, usd=usd_of(price, read, written))


def _other_roles(config: RunConfig, evaluator: Evaluator, proposer: str) -> dict[str, str]:
    """The check judge and the teacher where they are named, and who plays users where there are some to be played."""
    named = {"check_judge": config.check_judge, "teacher": config.teacher}
    found = {role: spec for role, spec in named.items() if spec is not None}
    if not isinstance(evaluator, Simulating):
        return found
    shipped = evaluator.user_model if evaluator.user_model else proposer
    return {**found, "user": shipped if config.user_model is None else config.user_model}


def _said_of_judges(
    config: RunConfig, specs: Mapping[str, str], evaluators: tuple[Evaluator, Evaluator], task: AnyTask
) -> list[str]:
    """What a run says of its judges before its first call. `evaluators`: of the search, and of the verdict."""
    names = names_of(config, specs)
    return [*remarks_on_judge(evaluators, task, names, specs["check"]), without_check(evaluators[1], names)]


def names_of(config: RunConfig, specs: Mapping[str, str]) -> dict[Role, str]:
    """The models by role, with all judges that are named."""
    panel = zip(JUDGES[1:], judge_specs(config.judge)[1:], strict=False)
    return {**cast("Mapping[Role, str]", specs), **{role: str(name) for role, name in panel}}


def players(specs: Mapping[str, str], prices: Mapping[str, Price | None]) -> list[RoleForecast]:
    """Who plays the users, and who teaches, where somebody does: only a rehearsal says how much."""
    named = [(role, specs[role]) for role in ("user", "teacher", *ANSWERING[1:]) if role in specs]
    return [RoleForecast.of(role, each, None, None, None, prices[role]) for role, each in named]


def _judges(
    judges: tuple[str, str | None],
    kinds: tuple[CellCost, CellCost],
    cells: tuple[int | None, int],
    prices: Mapping[str, Price | None],
) -> list[RoleForecast]:
    """What the judge takes, and the one that has the last word where there is one."""
    judge, last = judges
    if last is None:
        return [judging(judge, kinds, cells, prices["judge"])]
    checking = judging(last, kinds, (0, cells[1]), prices["check_judge"])
    return [judging(judge, kinds, (cells[0], 0), prices["judge"]), replace(checking, role="check_judge")]


def _search_bounds(optimizer: Optimizer, room: Room) -> UpperBounds | None:
    """What the search can take at most: by its plan, where it has one."""
    if isinstance(optimizer, BoundsCostInRoom):
        return optimizer.upper_bounds_in(room)
    return optimizer.upper_bounds(room.train) if isinstance(optimizer, BoundsCost) else None


def _rounds(optimizer: Optimizer, room: Room) -> str:
    """`the budget is enough for 3 of the 6 rounds of the method's own plan: ...`; nothing where it does not plan."""
    if not isinstance(optimizer, Planning):
        return ""
    planned, free = optimizer.plan(room), optimizer.plan(room.unlimited())
    if isinstance(planned, EndsByBudget) and planned.open_ended:
        return f"the budget ends the search: {planned.describe()}"
    # A method that goes on until its budget ends has no whole that this would be a part of.
    if planned.rounds < free.rounds and isinstance(free, EndsByBudget) and free.open_ended:
        return f"the budget is enough for {counted(planned.rounds, 'round')}: {planned.describe()}"
    of = "all rounds" if planned.rounds >= free.rounds else f"{planned.rounds:,} of the {free.rounds:,} rounds"
    return f"the budget is enough for {of} that the method makes without a cap: {planned.describe()}"


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


def look_of(sealed: Sequence[Example]) -> tuple[int, float]:
    """(number, level) of the next look at these examples, by the store as it is."""
    from promptopt.outcome.looks import look_ahead
    from promptopt.store.runs import Store

    # A dry run leaves nothing behind, and opening a store makes one.
    store = Store.if_there()
    if store is None:
        return 1, ALPHA
    with store:
        ahead = look_ahead(store.looks, sealed)
    return ahead.number, ahead.alpha
