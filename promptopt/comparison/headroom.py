"""Whether optimization can pay, for a few hundred calls: how far up there is to go, and what the data can show."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promptopt.arguments import checked
from promptopt.binding.evaluator import bind_evaluator, rebound
from promptopt.binding.models import Models, names_user, open_models
from promptopt.binding.session import no_search, opened, stopping
from promptopt.binding.task import bind_task
from promptopt.comparison.advice import Ceiling, advice_on
from promptopt.comparison.statistics import finite_mean
from promptopt.errors import BudgetSpent, ConfigError
from promptopt.evaluation import looking
from promptopt.evaluators.simulated import remedy
from promptopt.operators.demos import draw, fitting, shows_demos, with_target
from promptopt.operators.rewrite import rewrites
from promptopt.optimizers.random_search import FORM, REQUEST
from promptopt.optimizers.random_search import SAMPLING as REWRITING
from promptopt.outcome.contender import Measured
from promptopt.outcome.looks import units_of
from promptopt.outcome.sealed_test import measured
from promptopt.protocols import Evaluator, Model
from promptopt.run import Run
from promptopt.run.budget import Budget, Ledger
from promptopt.run.door import Door
from promptopt.stats import mean_interval
from promptopt.stats.power import smallest_detectable
from promptopt.store.runs import Store
from promptopt.tasks.task import Task
from promptopt.text import counted
from promptopt.types import Example, Prompt, Score

START_EXAMPLES = 50
"""Dev examples that the start is scored on. Ours, as the next three."""
LAYOUT = 25
"""Dev examples that each other layout is scored on."""
VOTED = 20
"""Dev examples that self-consistency is tried on."""
PICKED = 16
"""Dev examples that each of the dozen others is scored on."""
DRAWS = 5
"""Replies that vote on an example (Wang et al. 2022, self-consistency)."""
TEMPERATURE = 0.7
"""How these are drawn; the paper: 0.5 to 0.7."""
PARAPHRASES = 9
"""Rewrites of the start, of the dozen others. Ours."""
DEMONSTRATED = 3
"""The others of the dozen: the start with demonstrations."""
SHOTS = 3
"""Demonstrations in each of these. Ours."""
WANTED = 0.10
"""The gain that the data are asked about: ten points."""
MOST_EXAMPLES = 100_000
"""Test examples beyond which no number is looked for. Ours."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """What there is to gain, and what of it the sealed test could show.

    `layouts`: other layouts, the best first. `left_out`: those that the model takes no requests in, and why.
    `voted`: the majority of several replies; None where nothing was sampled.
    `anyone`: the share of examples that any of these got right. `picked`: the best of a dozen paraphrases and
    demonstrations, picked on one half of the examples and scored on the other, in turn; None where there were none.
    `smallest`: the smallest true gain that the `test` examples find four times in five. `needed`: test examples that
    find ten points.
    """

    task: str
    model: str
    start: Measured
    layouts: tuple[tuple[str, Measured], ...]
    left_out: tuple[tuple[str, str], ...]
    voted: Ceiling | None
    anyone: float | None
    picked: Ceiling | None
    test: int
    smallest: float
    needed: int
    spent: Ledger
    paid: Ledger
    advice: str

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        layouts = [{"layout": name, **asdict(score)} for name, score in self.layouts]
        smallest = self.smallest if math.isfinite(self.smallest) else None
        return {**asdict(self), "layouts": layouts, "smallest": smallest}


@checked
def headroom(
    task: str | Path | Task,
    *,
    model: str | Model | Models = "embedded",
    evaluator: str | Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
) -> Headroom:
    """Look at a task before a search is paid for. Only dev and train are asked; the test stays sealed.

    Raises ConfigError where the budget ends it, BackendError when the engine fails.
    """
    begun = time.monotonic()
    budget = Budget() if budget is None else budget
    bound = bind_task(task, seed, own_user=names_user(model))
    if not isinstance(bound, Task):
        raise ConfigError(f"headroom needs a task of promptopt.tasks, whose layouts it can try, and not {type(bound)}")
    with opened(store) as store:
        models = open_models(model, bind_evaluator(evaluator, bound)).by_role
        doors: list[Door] = []

        def on(laid_out: Task) -> Run:
            # One that was made for the task would ask in its layout, and at its temperature, whatever is looked at.
            guide = bind_evaluator(rebound(evaluator, bound, laid_out), laid_out)
            stop = stopping(budget, begun, interrupt)
            # Each layout is a run of its own, so what the earlier ones took is taken off its caps.
            run, door = looking(
                task=laid_out,
                evaluator=guide,
                models=models,
                store=store,
                budget=_budget_left(budget, doors),
                seed=seed,
                stop=stop,
            )
            doors.append(door)
            return run

        with no_search():
            try:
                found = _explored(bound, on)
            except BudgetSpent as stop:
                raise ConfigError(_too_little(_sum([door.account.spent for door in doors]))) from stop
        return _as_headroom(bound, models["task"].name, found, doors)


Layouts = tuple[tuple[tuple[str, Measured], ...], tuple[tuple[str, str], ...]]
"""(name, score) of other layouts, the best first; (name, reason) of those that the model takes no requests in."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What was scored: the start, other layouts, a vote of several replies (any of them right), the best of a dozen."""

    start: Measured
    layouts: Layouts
    voted: Ceiling | None
    anyone: float | None
    picked: Ceiling | None


def _as_headroom(task: Task, model: str, found: _Found, doors: Sequence[Door]) -> Headroom:
    layouts, left_out = found.layouts
    units = units_of(task.test)
    smallest, needed = smallest_detectable(units), _needed()
    return Headroom(
        task=task.name,
        model=model,
        start=found.start,
        layouts=layouts,
        left_out=left_out,
        voted=found.voted,
        anyone=found.anyone,
        picked=found.picked,
        test=units,
        smallest=smallest,
        needed=needed,
        spent=_sum([door.account.spent for door in doors]),
        paid=_sum([door.account.paid for door in doors]),
        advice=advice_on(found.start, layouts, found.voted, found.picked, smallest, needed),
    )


def _explored(task: Task, on: Callable[[Task], Run]) -> _Found:
    run = on(task)
    examples = run.dev[:START_EXAMPLES]
    own = run.evaluate([run.initial], examples)[run.initial]
    start = measured(own, examples, weigh=run.weigh)
    if start is None:
        raise ConfigError(f"no dev example has a finite score under the start ({own[0].feedback}); {remedy(own[0])}")
    # Before the other runs: each of them gets what those before it have left of the caps.
    picked = _picked(run)
    voted, anyone = _voted(task, on, own)
    return _Found(start, _laid_out(task, on, examples[0]), voted, anyone, picked)


def _laid_out(task: Task, on: Callable[[Task], Run], example: Example) -> Layouts:
    found: list[tuple[str, Measured]] = []
    left_out: list[tuple[str, str]] = []
    # What reads the same needs no scoring: layouts differ in demonstrations too, and the start may have none.
    read = {task.render(task.initial, example)[0]}
    for layout in task.layouts:
        other = task.with_layout(layout.name)
        content = other.render(other.initial, example)[0]
        if content in read:
            continue
        read.add(content)
        laid = on(other)
        why = laid.refused(laid.initial, laid.dev[0])
        if why is not None:
            left_out.append((layout.name, why))
            continue
        seen = laid.dev[:LAYOUT]
        known = measured(laid.evaluate([laid.initial], seen)[laid.initial], seen, weigh=laid.weigh)
        found += [] if known is None else [(layout.name, known)]
    # Stable: layouts that score alike stay in the task's order.
    found.sort(key=lambda pair: -pair[1].score)
    return tuple(found), tuple(left_out)


def _voted(task: Task, on: Callable[[Task], Run], own: Sequence[Score]) -> tuple[Ceiling | None, float | None]:
    """What the majority of several replies scores, and how many examples any of them gets right."""
    if not any(score.answer for score in own):
        # Scored texts are not sampled.
        return None, None
    sampling = dataclasses.replace(task.sampling, temperature=max(TEMPERATURE, task.sampling.temperature))
    run = on(dataclasses.replace(task, sampling=sampling))
    examples = run.dev[:VOTED]
    # A repetition is a draw: the cells of one are all asked, and none is answered by an earlier one.
    draws = [run.evaluate([run.initial], examples, repetition=number)[run.initial] for number in range(DRAWS)]
    votes = [_majority([row[place] for row in draws]) for place in range(len(examples))]
    groups = [example.group for example in examples]
    start = [score.value for score in own[: len(examples)]]
    anyone = [max(row[place].value for row in draws) for place in range(len(examples))]
    before, after, most = (finite_mean(values, groups, run.weigh) for values in (start, votes, anyone))
    return Ceiling(before, after, mean_interval(votes, groups=groups, weigh=run.weigh), len(examples)), most


def _majority(scores: Sequence[Score]) -> float:
    """The value of the answer given most often; of equally frequent ones the first."""
    known = [score for score in scores if score.parsed]
    # Of replies that nobody can read none is right.
    if not known:
        return 0.0
    counts = Counter(score.answer for score in known)
    return next(score.value for score in known if counts[score.answer] == max(counts.values()))


def _picked(run: Run) -> Ceiling | None:
    """The best of a dozen, by two halves of the examples: each half's best is scored on the other."""
    others = _dozen(run)
    examples = run.dev[:PICKED]
    # Two examples in each half, or one example would pick.
    if not others or len(examples) < 4:
        return None
    prompts = [run.initial, *others]
    matrix = run.evaluate(prompts, examples)
    halves = [range(0, len(examples), 2), range(1, len(examples), 2)]
    groups = [example.group for example in examples]
    values: list[float] = []
    units: list[str] = []

    def mean(prompt: Prompt, places: Sequence[int]) -> float:
        row = matrix.values(prompt)
        return finite_mean([row[place] for place in places], [groups[place] for place in places], run.weigh)

    # A best that is scored on what it was picked by would look better than it is.
    for picking, scoring in (halves, halves[::-1]):
        means = {prompt: mean(prompt, picking) for prompt in prompts}
        best = max(prompts, key=means.__getitem__)
        values += [matrix[best][place].value for place in scoring]
        units += [groups[place] for place in scoring]
    ends = mean_interval(values, groups=units, weigh=run.weigh)
    start = mean(run.initial, range(len(examples)))
    return Ceiling(start, finite_mean(values, units, run.weigh), ends, len(values))


def _dozen(run: Run) -> list[Prompt]:
    request = REQUEST.render({"section": run.initial[run.task.editable]})
    asked = [(run.initial, request)] * PARAPHRASES
    found = [
        each for each in rewrites(run, asked, REWRITING, who="rewriter", longest=400, form=FORM) if each is not None
    ]
    if isinstance(run.task, Task) and shows_demos(run.task):
        pool: list[Example] = [with_target(example) for example in run.train]
        for number in range(DEMONSTRATED):
            demos = fitting(run, run.initial, draw(run.rng(f"demos {number}"), pool, SHOTS))
            found += [run.initial.with_demos(demos)] if demos else []
    kept = [each for each in dict.fromkeys(found) if run.task.broken_by(each, run.count_tokens) is None]
    # A rewriter may give the start back, which is scored by itself.
    return [each for each in kept if each != run.initial]


def _needed() -> int:
    """Test examples that find a gain of ten points four times in five: by halving, since more never find less."""
    low, high = 1, MOST_EXAMPLES
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if smallest_detectable(middle) <= WANTED else (middle + 1, high)
    return low


def _too_little(spent: Ledger) -> str:
    """`spent`: by all runs, for the one that met the cap was given what the others had left."""
    # A dry run says it too, and has spent nothing.
    calls = counted(spent.calls, "call")
    return f"the cap is met after {calls}, too early to say anything; raise it: some 400 evaluations are enough"


def _budget_left(budget: Budget, doors: Sequence[Door]) -> Budget:
    """What of the caps the runs so far have left. Raises BudgetSpent where that is nothing."""
    spent = _sum([door.account.spent for door in doors])
    used = {"evaluations": spent.evaluations, "calls": spent.calls, "tokens": spent.tokens, "usd": spent.usd}
    left: dict[str, Any] = {}
    for name, number in used.items():
        cap = getattr(budget, name)
        left[name] = cap if cap is None or number is None else cap - number
        if cap is not None and left[name] <= 0:
            raise BudgetSpent(f"the cap of {cap:g} {name} is spent")
    return dataclasses.replace(budget, **left)


def _sum(ledgers: Sequence[Ledger]) -> Ledger:
    dollars = [each.usd for each in ledgers]
    known = [each for each in dollars if each is not None]
    counts = {name: sum(getattr(each, name) for each in ledgers)
              for name in ("evaluations", "calls", "proposer_calls", "prompt_tokens", "completion_tokens")}  # fmt: skip
    # One unknown price makes the sum unknown.
    return Ledger(**counts, usd=math.fsum(known) if len(known) == len(dollars) else None)
