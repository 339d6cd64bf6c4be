"""How a budget is divided for this task and these models, and what that leaves the method."""

from __future__ import annotations

from collections.abc import Mapping

from promptopt.binding.identity import method_name
from promptopt.models.prices import Price
from promptopt.outcome.criterion import Criterion
from promptopt.protocols import Evaluator, Optimizer, Planning, Role, Task
from promptopt.run.budget import Allocation, Budget, allocate
from promptopt.text import counted
from promptopt.types import Content, Room


def allocate_for(
    budget: Budget,
    task: Task,
    criterion: Criterion,
    known: Mapping[Role, Price | None],
) -> Allocation:
    """The division of this budget: tokens and dollars a cell are estimated from the start prompt on some examples.

    `criterion`: what the final choice and the test are scored by, which is what the reserve pays for.
    """
    per_cell = criterion.evaluator.calls_per_cell
    tokens, usd = 0.0, None
    if budget.tokens is not None or budget.usd is not None:
        from promptopt.models.tokens import estimate_tokens

        sample = task.train[:32]
        texts = [_flat(task.render(task.initial, example)[0]) for example in sample]
        reading = sum(estimate_tokens(text, criterion.model.name) for text in texts) / len(texts)
        # Long replies seldom use all of their allowance, short ones (labels) often do.
        writing = task.sampling.max_tokens if task.sampling.max_tokens <= 32 else task.sampling.max_tokens / 2
        tokens = per_cell * (reading + writing)
        price = criterion.price
        if all(known[role] is not None for role in known) and price is not None:
            usd = per_cell * (reading * price.prompt_usd + writing * price.completion_usd)
    return allocate(
        budget,
        dev=len(task.dev),
        test=len(task.test),
        calls_per_cell=per_cell,
        tokens_per_cell=tokens,
        usd_per_cell=usd,
    )


def room_for(arranged: Allocation, task: Task, evaluator: Evaluator) -> Room:
    """What the division grants a search by `evaluator`."""
    return Room(arranged.granted, arranged.search.calls, evaluator.calls_per_cell, len(task.train), len(task.dev))


def too_little(optimizer: Optimizer, room: Room) -> str:
    """A sentence for the user where the search is granted less than is of use to the method; else nothing."""
    cells = room.cells()
    if not isinstance(optimizer, Planning) or cells is None:
        return ""
    least, method = optimizer.least(room), method_name(optimizer)
    if cells >= least:
        return ""
    others = [f"`{name}`" for name in ("random", "auto") if name != method]
    instead = f"{' or '.join(others)} {'make' if len(others) > 1 else 'makes'} more of {cells:,}"
    return (
        f"{counted(cells, 'evaluation is', 'evaluations are')} left to the search "
        f"({optimizer.plan(room).describe()}); `{method}` needs about "
        f"{least:,} for a round that is of use; allow more, or {instead}"
    )


def _flat(content: Content) -> str:
    return content if isinstance(content, str) else "\n".join(message.content for message in content)
