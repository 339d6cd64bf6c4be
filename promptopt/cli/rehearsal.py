"""A search played through with stand-ins for its models, for what it will take: calls and tokens, by role.

What a method spends follows from its own program, its budget and how long texts become, and hardly from what a model
knows. So the program itself is run, in a store of its own that is thrown away: the stand-ins answer at once, the task
model right in a share of the examples that differs from prompt to prompt, the proposer with a changed prompt in
whatever form a request asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from promptopt import api
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.cli.stand_ins import Proposer, StandIn, World, judged, utterance
from promptopt.errors import PromptoptError
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator, Judging, Optimizer, Simulating
from promptopt.run.budget import Allocation, Budget
from promptopt.tasks.task import Task

MINUTES = 0.5
"""What a rehearsal may take; of a longer search it says what its first part takes."""
MOST_DRAWN_OUT = 3.0
"""How many times as long as its rehearsal a search is taken to go on, where its cap lets it."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What each stand-in was asked, and what came of it."""

    task: StandIn
    proposer: StandIn
    check: StandIn
    judges: tuple[StandIn, ...]
    others: tuple[StandIn, ...]
    """The one who plays users, and the check judge where there is one."""
    result: Result


def rehearse(
    task: Task,
    optimizer: Optimizer,
    specs: Mapping[str, str],
    evaluators: tuple[Evaluator, Evaluator],
    budget: Budget,
    seed: int,
) -> Rehearsed | None:
    """Play the search; None where it cannot be played.

    `specs`: of the task model, the proposer, the check model and the judge; of the one who plays users and of the
    check judge, where there are such.
    """
    world = World(task, judged=any(isinstance(each, Judging) and each.judges for each in evaluators))
    user = StandIn("user", specs.get("user", ""), world, utterance, scored=False)
    judges = tuple(StandIn(role, specs["judge"], world, judged, scored=False) for role in _judges_of(evaluators))
    last = tuple(StandIn(role, specs[role], world, judged, scored=False) for role in ("check_judge",) if role in specs)
    models = (
        StandIn("task", specs["task"], world, world.answer),
        StandIn("proposer", specs["proposer"], world, Proposer(task.initial[task.editable]), scored=False),
        StandIn("check", specs["check"], world, world.answer),
    )
    search, check = evaluators
    apart = check is not search or specs["task"] != specs["check"]
    with TemporaryDirectory(prefix="promptopt-rehearsal-") as folder:
        try:
            result = api.optimize(
                task,
                optimizer,
                model=Models(
                    models[0],
                    models[1],
                    judges if judges else None,
                    models[2] if apart else None,
                    check_judge=last[0] if last else None,
                    user=user if any(isinstance(each, Simulating) for each in evaluators) else None,
                ),
                evaluator=search,
                check_evaluator=check if apart else None,
                budget=budget,
                seed=seed,
                store=Path(folder) / "store.db",
                session=Session(),
            )
        except PromptoptError:
            return None
    return Rehearsed(*models, judges, (user, *last), result)


def _judges_of(evaluators: Sequence[Evaluator]) -> list[str]:
    roles = [role for each in evaluators if isinstance(each, Judging) for role in each.judges]
    # Whether users keep to their scenarios is a judge's word, whatever scores the conversations.
    roles += ["judge"] if any(isinstance(each, Simulating) for each in evaluators) else []
    return list(dict.fromkeys(roles))


def _playable(budget: Budget, arranged: Allocation) -> Budget:
    """The budget of a rehearsal, where nothing has a price: the cells that dollars come to in their place."""
    evaluations = budget.evaluations
    if budget.usd is not None and arranged.granted is not None:
        evaluations = arranged.granted + arranged.reserve.evaluations
    return Budget(evaluations, budget.calls, budget.tokens, None, MINUTES)


def played(
    task: Task,
    optimizer: Optimizer,
    specs: Mapping[str, str],
    evaluators: tuple[Evaluator, Evaluator],
    budget: tuple[Budget, Allocation],
    seed: int,
    cells: int | None,
) -> Mapping[str, tuple[float, ...]]:
    """(calls, tokens read, tokens written) by role, of the whole search; nothing where it cannot be played.

    `cells`: what the search may score at most, by its plan and its caps; None: nothing says.

    A rehearsal that time ended is a part of it. One that ended of itself before its cap is drawn out to it where it
    came near: a search with better ideas goes on.
    """
    arranged = budget[1]
    rehearsed = rehearse(task, optimizer, specs, evaluators, _playable(*budget), seed)
    if rehearsed is None:
        return {}
    capped, planned = bool(arranged.granted), None if cells is None else cells + arranged.reserve.evaluations
    done = rehearsed.result.spent.evaluations
    part = rehearsed.result.status == "suspended"
    longer = planned / done if planned is not None and done else 1.0
    draw_out = part or (capped and 1.0 < longer <= MOST_DRAWN_OUT)
    drawn = max(1.0, longer) if draw_out else 1.0
    factors = {"task": drawn, "check": 1.0, "proposer": drawn if part else 1.0}
    stood_in = {"task": rehearsed.task, "check": rehearsed.check, "proposer": rehearsed.proposer}
    for each in rehearsed.others:
        if each.calls:
            factors[each.name], stood_in[each.name] = drawn if each.name == "user" else 1.0, each
    found = {
        role: tuple(factors[role] * count for count in (each.calls, each.read, each.written))
        for role, each in stood_in.items()
    }
    asked = [(each.calls, each.read, each.written) for each in rehearsed.judges]
    return {**found, **({"judge": tuple(drawn * sum(counts) for counts in zip(*asked, strict=True))} if asked else {})}
