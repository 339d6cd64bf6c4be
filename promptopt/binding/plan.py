"""How a budget is divided for this task and these models, and what that leaves the method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from promptopt.binding.floors import check_floors
from promptopt.binding.identity import method_name
from promptopt.models.prices import Price
from promptopt.operators.demos import with_target
from promptopt.outcome.criterion import Criterion
from promptopt.protocols import (
    BoundsCost,
    BoundsCostInRoom,
    Demonstrates,
    Evaluator,
    Optimizer,
    Planning,
    Role,
    Task,
)
from promptopt.registry import load
from promptopt.run.budget import Allocation, Budget, allocate
from promptopt.run.floors import goes_by_floors
from promptopt.run.reserve import Reserve
from promptopt.tasks.parts import counts_of
from promptopt.text import counted
from promptopt.types import Prompt, Room, texts_sent

BESIDE = 10
"""Of so many evaluations one is set aside for the start, which floors are held against, on each example once. Ours."""
REQUEST, REMARKS = 150, 100
"""Tokens of a request to the proposer beside what it shows of the task, and of a reply beside the text that is asked
for. Ours: by dry runs of 24 methods on three tasks, whose calls read 60 to 700 tokens, half of them 90 to 310."""
WRITTEN, DEAR = 2, 2.0
"""Calls of the proposer in a round that is of use, for one prompt is no choice; and how many cells one takes that is
told, as cheaper ones change no plan that anybody would notice. Ours."""
DEFAULT_EVALUATIONS = 2_000
"""What a search may spend where nobody said: 480 of them pay for a test that finds a gain of 10 points. Ours."""


def default_budget(given: Budget | None, *, configured: bool) -> tuple[Budget, str]:
    """The budget of a search and a sentence for the user, where it is the default.

    `given`: None is nobody's word, `Budget()` says that there is no cap. `configured`: whether the method was given
    settings, by the user or by the task: it then ends where these say.
    """
    if given is not None or configured:
        return Budget() if given is None else given, ""
    said = (
        f"no budget was given, so at most {DEFAULT_EVALUATIONS:,} evaluations are spent; another cap "
        f"(--max-evaluations, Budget) or settings of the method say otherwise"
    )
    return Budget(evaluations=DEFAULT_EVALUATIONS), said


def allocate_for(
    budget: Budget,
    task: Task,
    criterion: Criterion,
    known: Mapping[Role, Price | None],
    optimizer: Optimizer,
) -> Allocation:
    """The division of this budget: tokens and dollars a cell are estimated from the start prompt on some examples.

    `criterion`: what the final choice and the test are scored by, which is what the reserve pays for. Where candidates
    of the `optimizer` show demonstrations, a cell is one of the start or of such a candidate, in equal parts.
    """
    per_cell = criterion.evaluator.calls_per_cell
    # Not estimated where nothing depends on it: rendering and counting take time.
    tokens, usd, proposing = 0.0, None, (0.0, 0.0)
    if budget.tokens is not None or budget.usd is not None:
        writing = _writing(task)
        # By the start alone so much would be promised to the test that no such candidate could be tested.
        prompts = [task.initial, *demonstrating(optimizer, task)]
        reading = sum(_reading(task, prompt, criterion) for prompt in prompts) / len(prompts)
        tokens = per_cell * (reading + writing)
        price = criterion.price
        # A cap in dollars counts every role: with one unknown price it cannot be kept.
        if all(known[role] is not None for role in known) and price is not None:
            usd = per_cell * (reading * price.prompt_usd + writing * price.completion_usd)
        proposing = proposer_call(task, criterion.model.name, reading, known["proposer"])
    return allocate(
        budget,
        dev=len(task.dev),
        test=len(task.test),
        calls_per_cell=per_cell,
        tokens_per_cell=tokens,
        usd_per_cell=usd,
        proposing=proposing,
    )


def proposer_call(task: Task, model: str, reading: float, price: Price | None) -> tuple[float, float]:
    """Tokens and dollars that a call of the proposer is taken to take, of which nothing is known beforehand.

    `reading`: tokens that a cell reads. It is shown a text or two and some examples, and writes the text anew.
    """
    from promptopt.models.tokens import estimate_tokens

    section = estimate_tokens(task.initial[task.editable], model)
    read, written = REQUEST + 2 * section + 2 * reading, REMARKS + 1.5 * section
    usd = 0.0 if price is None else read * price.prompt_usd + written * price.completion_usd
    return read + written, usd


def demonstrating(optimizer: Optimizer, task: Task) -> list[Prompt]:
    """A candidate with as many demonstrations as the method shows, where it shows any."""
    shown = optimizer.demonstrations(task) if isinstance(optimizer, Demonstrates) else 0
    return [task.initial.with_demos([with_target(each) for each in task.train[:shown]])] if shown else []


def reserve_for(
    arranged: Allocation, task: Task, criterion: Criterion, optimizer: Optimizer, *, same: bool, test: int
) -> Reserve | None:
    """What prices the reserve as the search goes, where tokens or dollars are capped.

    `same`: whether the search scores by `criterion` too. `test`: the test examples that there are.
    """
    if not arranged.total.metered:
        return None
    per_cell = criterion.evaluator.calls_per_cell
    return Reserve(
        arranged,
        reading=lambda prompt: per_cell * _reading(task, prompt, criterion),
        writing=per_cell * _writing(task),
        price=criterion.price,
        same=same,
        held=(len(task.dev), test),
        typical=demonstrating(optimizer, task),
    )


def _reading(task: Task, prompt: Prompt, criterion: Criterion) -> float:
    """Tokens that one call of a cell reads, on average over some examples."""
    from promptopt.models.tokens import estimate_tokens

    texts = ["\n".join(texts_sent(task.render(prompt, example)[0])) for example in task.train[:32]]
    return sum(estimate_tokens(text, criterion.model.name) for text in texts) / len(texts)


def _writing(task: Task) -> float:
    # Long replies seldom use all of their allowance, short ones (labels) often do.
    most = task.sampling.max_tokens
    return most if most <= 32 else most / 2


def room_for(arranged: Allocation, task: Task, evaluator: Evaluator) -> Room:
    """What the division grants a search by `evaluator`. Raises ConfigError where its test holds no floor."""
    check_floors(task, task.test[: arranged.test])
    granted = arranged.granted
    if granted is None and any(call for _, _, call in arranged.metered):
        # By a cap that only a proposer takes of, methods would plan as for no cap at all, and be cut after a few calls.
        granted = DEFAULT_EVALUATIONS
    if granted is not None and goes_by_floors(task):
        granted -= min(len(task.train), granted // BESIDE)
    return Room(granted, arranged.search.calls, evaluator.calls_per_cell, len(task.train), len(task.dev),
                *counts_of(task), metered=arranged.metered)  # fmt: skip


def too_little(optimizer: Optimizer, room: Room) -> str:
    """A sentence for the user where the search is granted less than is of use to the method; else nothing."""
    cells = room.cells()
    if not isinstance(optimizer, Planning) or cells is None:
        return ""
    planned, asks = optimizer.plan(room), _asks(optimizer, room)
    # Where calls cost hardly anything it is the evaluations that are too few.
    calls, cheaper = "", ""
    if asks and (room.call_cells >= DEAR or _free_cells(room)):
        calls, cheaper = f", and {WRITTEN} such calls,", ", or name a cheaper proposer"
    if _suffices(optimizer, room):
        starved = planned.rounds == 0 < optimizer.plan(room.unlimited()).rounds
        return f"{_left(room, cells, asks)} ({planned.describe()}); allow more{cheaper}" if starved else ""
    method, least = method_name(optimizer), optimizer.least(room)
    # Which of them gains most there, no measurement tells: at caps of 60 and 120 APE was ahead of `auto`.
    others = [f"`{name}`" for name in ("random", "auto") if name != method and _of_use(name, room)]
    instead = f"; a round of {' or '.join(others)} fits" if others else ""
    # A plan that is cut in the middle is no promise.
    begun = f"it sets out on {planned.describe()}" if planned.rounds else planned.describe()
    return (
        f"{_left(room, cells, asks)} ({begun}); `{method}` needs about "
        f"{least:,}{calls} for a round that is of use; allow more{cheaper}{instead}"
    )


def _asks(optimizer: Optimizer | Planning, room: Room) -> bool:
    """Whether the method has a proposer write anything; as far as it says."""
    if isinstance(optimizer, BoundsCostInRoom):
        return optimizer.upper_bounds_in(room).proposer_calls > 0
    return not isinstance(optimizer, BoundsCost) or optimizer.upper_bounds(room.train).proposer_calls > 0


def _free_cells(room: Room) -> bool:
    """Whether a cap on tokens or dollars is there for the proposer alone."""
    return any(not cell and call for _, cell, call in room.metered)


def _suffices(optimizer: Planning, room: Room) -> bool:
    """Whether a round that is of use fits into the room, with the calls of the proposer that it takes."""
    least = optimizer.least(room)
    cells = room.cells(WRITTEN / max(1, least) if _asks(optimizer, room) else 0.0)
    return cells is None or cells >= least


def _left(room: Room, cells: int, asks: bool, whom: str = "the search") -> str:
    """So many evaluations are left to the search, and what calls of the proposer take of them; `asks`: as `_asks`."""
    said = f"{counted(cells, 'evaluation is', 'evaluations are')} left to {whom}"
    if not asks:
        return said
    paid = [left / call for left, cell, call in room.metered if not cell and call]
    if paid:
        calls = int(min(paid))
        pays = f"about {counted(calls, 'call')}" if calls else "hardly one call"
        return f"{said}, which are free, and the cap pays for {pays} of the proposer"
    takes = f"a call of the proposer takes as much as about {room.call_cells:,.0f}"
    if room.call_cells < DEAR:
        return said
    return f"{said}, of which {takes}" if room.call_cells <= cells else f"{said}, and {takes}"


def _of_use(name: str, room: Room) -> bool:
    # Two methods that both need more must not send their users to each other.
    method = load("optimizers", name)()
    return isinstance(method, Planning) and _suffices(method, room) and method.plan(room).rounds > 0


def search_planned(optimizer: Optimizer, room: Room) -> str:
    """A sentence on what the method plans, where it plans; nothing where `too_little` says it."""
    if not isinstance(optimizer, Planning) or too_little(optimizer, room):
        return ""
    cells = room.cells()
    # Most methods plan by what is new to them, and a child that is known already takes nothing.
    left = "" if cells is None else _left(room, cells, _asks(optimizer, room), "it")
    granted = f", as {left}; more may follow where these take less" if left else ""
    return f"the search plans {optimizer.plan(room).describe()}{granted}"


def ends_nothing(usd: float | None, known: Iterable[Price | None]) -> str:
    """A sentence for the user where a cap of `usd` dollars is set on models that are all free; else nothing."""
    if usd is None or any(price is None or price.prompt_usd or price.completion_usd for price in known):
        return ""
    return (
        "the cap in dollars ends nothing, for all models here are free; one that is served from this machine counts as "
        "free, so where it is billed (a proxy) put its price into prices.toml (`promptopt models list` says where)"
    )
