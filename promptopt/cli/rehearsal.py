"""A search played through with stand-ins for its models, for what it will take: calls and tokens, by role.

What a method spends follows from its own program, its budget and how long texts become, and hardly from what a model
knows. So the program itself is run, in a store of its own that is thrown away. The stand-ins answer at once.
The task model is right in a share of the examples, which differs from prompt to prompt. The proposer gives a changed
prompt, in whatever form a request asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, geometric_mean
from tempfile import TemporaryDirectory

from promptopt import api
from promptopt.attacking import attack
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.cli.forecast_range import ForecastRange, Taken
from promptopt.cli.interrupting import interrupted_after
from promptopt.cli.stand_in_world import LOOSE, NOTHING_HELPS, STEADY, Climate, World
from promptopt.cli.stand_ins import Proposer, StandIn, judged, price_each, utterance
from promptopt.comparison.headroom import headroom
from promptopt.comparison.user_prompts import induced
from promptopt.errors import PromptoptError
from promptopt.evaluation import evaluate
from promptopt.models.prices import Price
from promptopt.outcome.result import Result
from promptopt.protocols import ANSWERING, Evaluator, Judging, Optimizer, Simulating
from promptopt.run.budget import Allocation, Budget
from promptopt.tasks.task import Task
from promptopt.types import Prompt

MINUTES = 0.5
"""What the two plays of a rehearsal may take; of a longer search they say what its first part takes."""
SEEDS = 3
"""Times that each of a rehearsal's plays is played, by which luck is told. Ours."""
QUICK = 2_000
"""Evaluations of a play, up to which it is played so often: a longer one is played once. Ours: the default budget."""
NOTHING_TAKEN = (0.0, 0.0, 0.0)
UNPRICED: Mapping[str, Price | None] = {}
MOST_DRAWN_OUT = 3.0
"""How many times as long as its rehearsal a search is taken to go on, where its cap lets it. Ours."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What each stand-in was asked, and what came of it."""

    task: StandIn
    proposer: StandIn
    check: StandIn
    judges: tuple[StandIn, ...]
    others: tuple[StandIn, ...]
    """The one who plays users, and the check judge, the teacher and others that answer where there are such."""
    result: Result


@dataclass(frozen=True, slots=True)
class Played:
    """What a whole search takes: (calls, tokens read, tokens written) by role, evaluations; and what it found."""

    roles: Mapping[str, tuple[float, ...]]
    evaluations: int
    winner: Prompt
    spread: ForecastRange | None = None
    """The least and the most of it, where these are far apart."""

    @property
    def taken(self) -> Taken:
        """Its evaluations and tokens."""
        return self.evaluations, round(sum(read + written for _, read, written in self.roles.values()))


def rehearse(
    task: Task,
    optimizer: Optimizer,
    specs: Mapping[str, str],
    evaluators: tuple[Evaluator, Evaluator],
    budget: Budget,
    seed: int,
    climate: Climate = STEADY,
    prices: Mapping[str, Price | None] = UNPRICED,
) -> Rehearsed | None:
    """Play the search; None where it cannot be played.

    `specs`: of the task model, the proposer, the check model and the judge; of the one who plays users, of the check
    judge, of the teacher and of others that answer, where there are such. `prices`: of their tokens, by the same roles.
    """
    world = World(task, climate, judged=any(isinstance(each, Judging) and each.judges for each in evaluators))
    user = StandIn("user", specs.get("user", ""), world, utterance, scored=False)
    judges = tuple(StandIn(role, specs["judge"], world, judged, scored=False) for role in _judges_of(evaluators))
    last = tuple(StandIn(role, specs[role], world, judged, scored=False) for role in ("check_judge",) if role in specs)
    named = [role for role in ("teacher", *ANSWERING[1:]) if role in specs]
    more = {role: StandIn(role, specs[role], world, world.answer) for role in named}
    models = (
        StandIn("task", specs["task"], world, world.answer),
        StandIn("proposer", specs["proposer"], world, Proposer(task.initial[task.editable]), scored=False),
        StandIn("check", specs["check"], world, world.answer),
    )
    price_each((user, *last, *more.values(), *models), judges, prices)
    search, check = evaluators
    apart = check is not search or specs["task"] != specs["check"]
    played_by = Models(
        models[0], models[1], judges if judges else None, models[2] if apart else None,
        check_judge=last[0] if last else None, teacher=more.get("teacher"),
        others=tuple(more[role] for role in ANSWERING if role in more),
        user=user if any(isinstance(each, Simulating) for each in evaluators) else None,
    )  # fmt: skip
    with TemporaryDirectory(prefix="promptopt-rehearsal-") as folder, interrupted_after(budget.minutes) as interrupt:
        try:
            result = api.optimize(
                task, optimizer, model=played_by, evaluator=search, check_evaluator=check if apart else None,
                # A play that runs out of time is a part of the search: it is not to be ended as one of so many minutes.
                budget=replace(budget, minutes=None), seed=seed,
                store=Path(folder) / "store.db", session=Session(interrupt=interrupt),
            )  # fmt: skip
        except PromptoptError:
            return None
    return None if _unbegun(result) else Rehearsed(*models, judges, (user, *last, *more.values()), result)


def _unbegun(result: Result) -> bool:
    # The time was up before anything was asked, as where a policy has to be loaded first.
    return result.status == "suspended" and not result.spent.calls


def rehearse_scores(
    asked: Sequence[tuple[Task, Prompt, Evaluator]],
    specs: Mapping[str, str],
    budget: Budget,
    seed: int,
    attacked: tuple[Prompt, Prompt] | None = None,
    split: str = "test",
) -> Played | None:
    """Score each prompt on a split of its task, and attack the two prompts of a chat; None where it cannot be played.

    `specs`: of the task model, the judge, and the one who plays users.
    """
    world = World(asked[0][0], judged=any(isinstance(each, Judging) and each.judges for _, _, each in asked))
    task = StandIn("task", specs["task"], world, world.answer)
    user = StandIn("user", specs["user"], world, utterance, scored=False)
    judges = tuple(
        StandIn(role, specs["judge"], world, judged, scored=False)
        for role in _judges_of([each for _, _, each in asked])
    )
    models = Models(task, task, judges if judges else None, user=user)
    evaluations = 0
    with TemporaryDirectory(prefix="promptopt-rehearsal-") as folder:
        try:
            for place, (whole, prompt, evaluator) in enumerate(asked):
                # A store for each: every evaluation is charged in full, whatever another one has asked.
                found = evaluate(
                    whole, prompt, model=models, evaluator=evaluator, split=split, budget=budget, seed=seed,
                    store=Path(folder) / f"{place}.db",
                )  # fmt: skip
                evaluations += found.spent.evaluations
            if attacked is not None:
                before = task.calls
                attack(
                    asked[0][0], *attacked, model=models, budget=budget, seed=seed, store=Path(folder) / "attacks.db"
                )
                evaluations += task.calls - before
        except PromptoptError:
            return None
    return Played(_counts((task, user), judges), evaluations, asked[-1][1])


def _counts(asked: Sequence[StandIn], judges: Sequence[StandIn]) -> dict[str, tuple[float, ...]]:
    """(calls, tokens read, tokens written) of those who were asked, and of all judges as one."""
    found: dict[str, tuple[float, ...]] = {
        each.name: (each.calls, each.read, each.written) for each in asked if each.calls
    }
    if judges:
        found["judge"] = tuple(map(sum, zip(*((each.calls, each.read, each.written) for each in judges), strict=True)))
    return found


def rehearse_headroom(task: Task, evaluator: Evaluator, specs: Mapping[str, str], budget: Budget, seed: int) -> Played:
    """What a look at the headroom takes. `specs`: of the task model, the proposer, the judge, and who plays users.

    Raises ConfigError where the budget is too little for one.
    """
    world = World(task, judged=isinstance(evaluator, Judging) and len(evaluator.judges) > 0)
    model = StandIn("task", specs["task"], world, world.answer)
    proposer = StandIn("proposer", specs["proposer"], world, Proposer(task.initial[task.editable]), scored=False)
    user = StandIn("user", specs["user"], world, utterance, scored=False)
    judges = tuple(StandIn(role, specs["judge"], world, judged, scored=False) for role in _judges_of([evaluator]))
    models = Models(
        model, proposer, judges if judges else None, user=user if isinstance(evaluator, Simulating) else None
    )
    with TemporaryDirectory(prefix="promptopt-rehearsal-") as folder:
        store = Path(folder) / "store.db"
        found = headroom(task, model=models, evaluator=evaluator, budget=budget, seed=seed, store=store)
    return Played(_counts((model, proposer, user), judges), found.spent.evaluations, task.initial)


def rehearse_user_prompts(
    task: Task, count: int, evaluator: Evaluator, specs: Mapping[str, str], seed: int
) -> tuple[list[str], tuple[float, ...]]:
    """User prompts for a task as `induced` has them written, and (calls, tokens read, tokens written) of whoever does.

    Where none of them can be used, copies of the task's own stand for them. `specs`: of the task model and proposer.
    """
    world, own = World(task), task.initial[task.editable]
    model = StandIn("task", specs["task"], world, world.answer)
    proposer = StandIn("proposer", specs["proposer"], world, Proposer(own), scored=False)
    with TemporaryDirectory(prefix="promptopt-rehearsal-") as folder:
        try:
            texts = induced(
                task, count, models=Models(model, proposer), evaluator=evaluator, seed=seed,
                store=Path(folder) / "store.db",
            )  # fmt: skip
        except PromptoptError:
            texts = [own] * count
    return texts, (proposer.calls, proposer.read, proposer.written)


def _judges_of(evaluators: Sequence[Evaluator]) -> list[str]:
    roles = [role for each in evaluators if isinstance(each, Judging) for role in each.judges]
    # Whether users keep to their scenarios is a judge's word, whatever scores the conversations.
    roles += ["judge"] if any(isinstance(each, Simulating) for each in evaluators) else []
    return list(dict.fromkeys(roles))


def _playable(budget: Budget, arranged: Allocation, *, priced: bool) -> Budget:
    """The budget of a rehearsal; where a price is missing, the cells that dollars come to in their place."""
    if priced or budget.usd is None:
        return replace(budget, minutes=MINUTES)
    evaluations = budget.evaluations
    if arranged.granted is not None:
        evaluations = arranged.granted + arranged.reserve.evaluations
    return Budget(evaluations, budget.calls, budget.tokens, None, MINUTES)


def _at_prices(
    budget: Budget, specs: Mapping[str, str], prices: Mapping[str, Price | None], cells: int | None
) -> tuple[Mapping[str, Price | None], int | None]:
    """The prices where dollars are capped and all are known, and the `cells` that are known beforehand then."""
    if budget.usd is None or None in [prices.get(role) for role in specs]:
        return UNPRICED, cells
    # How many dollars come to is known by what replies take.
    return prices, None if budget.evaluations is None else cells


def played(
    task: Task,
    optimizer: Optimizer,
    specs: Mapping[str, str],
    evaluators: tuple[Evaluator, Evaluator],
    budget: tuple[Budget, Allocation],
    seed: int,
    cells: int | None,
    prices: Mapping[str, Price | None] = UNPRICED,
) -> Played | None:
    """What the whole search takes; None where it cannot be played.

    `cells`: what the search may score at most, by its plan and its caps; None: nothing says.
    It is played in two climates, by several seeds where it is short, and told as their geometric mean. The seed that
    is asked for tells as much as all others, for the search draws as its play did. A rehearsal that time ended is a
    part of the search. One that ended of itself near its cap stands half-way to it: a search with better ideas goes on.
    """
    # The time is for both climates together.
    prices, cells = _at_prices(budget[0], specs, prices, cells)
    once = replace(_playable(*budget, priced=len(prices) > 0), minutes=MINUTES / 2)

    def play(climate: Climate, turn: int) -> Rehearsed | None:
        return rehearse(task, optimizer, specs, evaluators, once, seed + turn, climate, prices)

    # What cannot be played once cannot be played, and a policy that is loaded for each play takes its time.
    if (first := play(STEADY, 0)) is None:
        return None
    plays: dict[Climate, list[Rehearsed | None]] = {STEADY: [first], LOOSE: [play(LOOSE, 0)]}
    if any(each.result.status == "finished" and not each.proposer.calls for each in _ended(plays)):
        # It tries what there is, and how soon that is done depends on how much can go.
        plays[NOTHING_HELPS] = [play(NOTHING_HELPS, 0)]
    # By what was played and not by the clock: a dry run says the same on a machine that is busy.
    quick = all(each.result.status != "suspended" and each.result.spent.evaluations <= QUICK for each in _ended(plays))
    for turn in range(1, SEEDS if quick else 1):
        for climate, found in plays.items():
            found.append(play(climate, turn))
    # Of each climate the two ends of its plays apart: what lies between those is no luck.
    kinds = [list(ends) for found in plays.values() if (known := [each for each in found if each is not None])
             for ends in zip(*(_ends(each, *budget, cells) for each in known), strict=True)]  # fmt: skip
    ends = [end for kind in kinds for end in kind]
    if not ends:
        return None
    roles = dict.fromkeys(role for each in ends for role in each.roles)
    own, others = [kind[0] for kind in kinds], [end for kind in kinds for end in kind[1:]]
    sides = [own, others] if others else [own]
    mean = {role: tuple(map(_typical, zip(*(_mean_of(side, role) for side in sides), strict=True))) for role in roles}
    evaluations = round(_typical([_typical([each.evaluations for each in side]) for side in sides]))
    planned = None if cells is None else cells + budget[1].reserve.evaluations
    spread = ForecastRange.of([[each.taken for each in kind] for kind in kinds], (planned, budget[0].tokens))
    return Played(mean, evaluations, ends[0].winner, spread)


def _mean_of(ends: Sequence[Played], role: str) -> tuple[float, ...]:
    """(calls, tokens read, tokens written) of a role, over these ends."""
    return tuple(map(_typical, zip(*(each.roles.get(role, NOTHING_TAKEN) for each in ends), strict=True)))


def _typical(counts: Sequence[float]) -> float:
    """The geometric one: a forecast is right by a factor, so twice and half are as far from it."""
    return geometric_mean(counts) if min(counts) > 0 else fmean(counts)


def _ended(plays: Mapping[Climate, Sequence[Rehearsed | None]]) -> list[Rehearsed]:
    return [each for found in plays.values() for each in found if each is not None]


def _ends(rehearsed: Rehearsed, budget: Budget, arranged: Allocation, cells: int | None) -> tuple[Played, Played]:
    """Where the search may end: as it was played, and drawn out to its first cap where it may go on."""
    planned = None if cells is None else cells + arranged.reserve.evaluations
    spent = rehearsed.result.spent
    # Without a cap on evaluations the plan alone says how many there may be: the caps on what they take end it before.
    pairs = (
        (planned, spent.evaluations), (budget.calls, spent.calls), (budget.tokens, spent.tokens),
        (budget.usd, spent.usd),
    )  # fmt: skip
    known = [cap / done for cap, done in pairs if cap is not None and done]
    longer = max(1.0, min(known, default=1.0))
    if rehearsed.result.status == "suspended":
        drawn = _drawn_out(rehearsed, longer, longer)
        return drawn, drawn
    # Only ideas draw a search out: one that asks for none ends where it has tried what there is.
    goes_on = bool(arranged.granted) and rehearsed.proposer.calls > 0 and longer <= MOST_DRAWN_OUT
    return _drawn_out(rehearsed, 1.0, 1.0), _drawn_out(rehearsed, longer if goes_on else 1.0, 1.0)


def _drawn_out(rehearsed: Rehearsed, drawn: float, proposing: float) -> Played:
    """So many times as many evaluations, and requests to the proposer."""
    # Of a batch that time broke off all that was answered is counted there, and nothing was charged.
    charged, answered = rehearsed.result.by_role.get("task"), rehearsed.task.calls
    searched = drawn * min(1.0, charged.calls / answered) if charged is not None and answered else drawn
    # The final choice by a model of its own is as long as it is, however long the search.
    factors = {"task": searched, "check": 1.0, "proposer": proposing}
    stood_in = {"task": rehearsed.task, "check": rehearsed.check, "proposer": rehearsed.proposer}
    for each in rehearsed.others:
        if each.calls:
            factors[each.name], stood_in[each.name] = drawn if each.name in ("user", *ANSWERING) else 1.0, each
    found = {
        role: tuple(factors[role] * count for count in (each.calls, each.read, each.written))
        for role, each in stood_in.items()
    }
    if asked := [(each.calls, each.read, each.written) for each in rehearsed.judges]:
        found["judge"] = tuple(drawn * sum(counts) for counts in zip(*asked, strict=True))
    return Played(found, round(drawn * rehearsed.result.spent.evaluations), rehearsed.result.best.prompt)
