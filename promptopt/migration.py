"""A prompt moves to other models: kept where it is no worse there, searched anew where it is, and tested either way.

The old model with the old prompt is the reference. Where the examples have no labels, what it answered is the target,
and a judge says whether a new reply serves as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from promptopt.api import optimize
from promptopt.arguments import checked
from promptopt.binding.models import Models, open_models, price_for
from promptopt.binding.session import Session, no_search, opened, stopping
from promptopt.errors import BackendError, ConfigError
from promptopt.evaluation import Asked, Evaluation, evaluate_together, looking
from promptopt.evaluators.equivalence import Equivalence
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.judging import options_of
from promptopt.models.recorded import recorded_lines
from promptopt.outcome.looks import Look, level_of
from promptopt.outcome.result import Result
from promptopt.places import write_whole
from promptopt.protocols import Evaluator, Model, Optimizer
from promptopt.run.budget import Budget
from promptopt.stats import Gain, paired_gain
from promptopt.store.runs import Store
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Reply, Request

MARGIN = 0.03
"""How much worse than the reference may be no worse, of a score from 0 to 1."""
EQUIVALENCE = "equivalence"
"""The evaluator that takes the old model's replies for targets where there are none."""
THOUSAND = 1_000

Inferiority = Literal["non-inferior", "inferior", "open"]
"""`non-inferior`: the whole interval lies above -margin; `inferior`: below it; `open`: neither is sure.

The interval of the gain's own level: all verdicts of a migration share that of its first look.
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a thousand requests take: tokens read and written, and dollars where the price is known."""

    prompt_tokens: float
    completion_tokens: float
    usd: float | None


@dataclass(frozen=True, slots=True)
class OnModel:
    """One prompt on one model, on the test. `gain`: on the old prompt and the old model, item by item.

    `status`: None where no verdict is given: a prompt that was found for another model.
    """

    prompt: Prompt
    model: str
    score: float
    unreadable: int
    gain: Gain
    status: Inferiority | None
    cost: Cost


@dataclass(frozen=True, slots=True)
class Target:
    """What became of one target. `kept`: the old prompt stays; `search`: the run that looked for another."""

    model: str
    old: OnModel
    new: OnModel | None
    search: Result | None

    @property
    def kept(self) -> bool:
        """Whether the old prompt stays: it is no worse there, or nothing better was found."""
        return self.new is None

    @property
    def chosen(self) -> OnModel:
        """What to use on this model."""
        return self.old if self.new is None else self.new


@dataclass(frozen=True, slots=True)
class Migration:
    """The old model as the reference, and every target. `matrix`: each prompt on each target, in order.

    `looks`: those at the test that the old prompt and the new ones were compared by; `next_look`: the one after them.
    """

    task: str
    evaluator: str
    judged: bool
    margin: float
    n: int
    reference: Evaluation
    cost: Cost
    targets: tuple[Target, ...]
    matrix: Mapping[str, tuple[OnModel, ...]]
    warnings: tuple[str, ...]
    looks: tuple[Look, ...] = ()
    next_look: Look | None = None

    @property
    def done(self) -> bool:
        """Whether every target has a prompt that is no worse than the reference."""
        return all(target.chosen.status == "non-inferior" for target in self.targets)


@checked
def migrate(
    task: Task,
    targets: Sequence[str | Model],
    *,
    model: str | Model | Models,
    optimizer: str | Optimizer = "auto",
    evaluator: Evaluator | None = None,
    margin: float = MARGIN,
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    session: Session | None = None,
) -> Migration:
    """Move the task's start prompt from the model that it is for today to each of `targets`.

    `model`: the old one; `Models` says who writes prompts and who judges. `evaluator`: by default the task's judge,
    else its metric where all examples have targets, else `Equivalence` with the old model's replies as targets. A
    target is searched only where the old prompt is not non-inferior to the reference within `margin`. `budget`: of each
    search. Raises ConfigError for a margin outside 0 to 1, for no targets and for a target that is the old model, or is
    named twice; BackendError where a model fails.
    """
    if not 0.0 < margin < 1.0:
        raise ConfigError(f"a margin of {margin:g} means nothing; give a share of the scale, such as 0.03")
    if not targets:
        raise ConfigError("there is no model to move to; name one or several")
    roles = model if isinstance(model, Models) else Models(model)
    watched = Session() if session is None else session
    with opened(store) as store:
        mover = _Mover(task, roles, optimizer, evaluator, margin, budget, seed, (store, watched))
        return mover.move(targets)


def freeze(
    task: Task, path: Path, *, model: str | Model | Models, seed: int = 0, store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
) -> int:  # fmt: skip
    """Write what the old model answers to all examples under the start prompt; returns how many replies.

    `Recorded(path)` then stands for that model, once it is gone. Raises OSError, and BackendError where it fails.
    """
    if options_of(task, "simulated"):
        raise ConfigError(
            f"the users of task {task.name!r} are simulated, so there are no requests whose replies could be kept; "
            f"freeze what the model answers to logged ones"
        )
    with opened(store) as store:
        asked = model if isinstance(model, Models) else Models(model)
        examples = _everything(task)
        requests, replies = _answers(task, asked, examples, store, seed, interrupt)
        name = open_models(asked).by_role["task"].name
    write_whole(path, recorded_lines(name, list(zip(requests, replies, strict=True))))
    return len(replies)


@dataclass(frozen=True, slots=True)
class _Mover:
    """One migration, with all that it is asked with."""

    given: Task
    roles: Models
    optimizer: str | Optimizer
    chosen: Evaluator | None
    margin: float
    budget: Budget | None
    seed: int
    held: tuple[Store, Session]

    def move(self, targets: Sequence[str | Model]) -> Migration:
        self._check_apart(targets)
        task, evaluator = self._measured_by()
        wanted = [(task.initial, model, True) for model in targets]
        # A verdict on the old prompt on each target, and one on what may be found, share the level of the first look.
        reference, olds = self._compared(task, evaluator, wanted, verdicts=2 * len(targets))
        searches = [self._search(task, evaluator, *each) for each in zip(olds, targets, strict=True)]
        found_for = [None if each is None else each.prompt for each in searches]
        news = [prompt for prompt in dict.fromkeys(found_for) if prompt not in (None, task.initial)]
        looks = [reference.look]
        placed = {(task.initial.id, place): old for place, old in enumerate(olds)}
        last = reference
        if news:
            places = [(prompt, place) for prompt in news for place in range(len(targets))]
            last, cells = self._compared(
                task, evaluator,
                [(prompt, targets[place], prompt == found_for[place]) for prompt, place in places],
                alpha=olds[0].gain.alpha,
            )  # fmt: skip
            looks.append(last.look)
            placed |= {(prompt.id, place): cell for (prompt, place), cell in zip(places, cells, strict=True)}
        matrix = {prompt.id: tuple(placed[prompt.id, place] for place in range(len(targets)))
                  for prompt in (task.initial, *news)}  # fmt: skip
        chosen = [placed[task.initial.id if prompt is None else prompt.id, place]
                  for place, prompt in enumerate(found_for)]  # fmt: skip
        results = tuple(
            Target(old.model, old, None if new is old else new, search)
            for old, new, search in zip(olds, chosen, searches, strict=True)
        )
        said = [warning for search in searches if search is not None for warning in search.warnings]
        return Migration(
            task.name, reference.evaluator, reference.judged, self.margin, len(reference.examples), reference,
            _cost(reference, self._opened(self.roles.task)), results, matrix,
            tuple(dict.fromkeys([*reference.warnings, *said])),
            tuple(look for look in looks if look is not None), last.next_look,
        )  # fmt: skip

    def _check_apart(self, targets: Sequence[str | Model]) -> None:
        """Raise ConfigError where a target is the old model, or another target: as it is spelt, or once it is open."""
        # An object stands for what answered then, whatever answers under its name today.
        named = [each for each in (self.roles.task, *targets) if isinstance(each, str)]
        # Case tells no two models of a server or a hub apart.
        # By spelling first: opening a model may take seconds, or a download.
        pair = _repeated([each.strip().casefold() for each in named])
        pair = _repeated([self._opened(each).name.casefold() for each in named]) if pair is None else pair
        if pair is None:
            return
        one, other = (named[at] for at in pair)
        both = f"{one!r} is named twice" if one == other else f"{one!r} and {other!r} are one model"
        moved = pair[0] == 0 and isinstance(self.roles.task, str)
        raise ConfigError(
            f"{both}, so there is nothing to move; name another model to move to" if moved else
            f"{both}; name each model to move to once"
        )  # fmt: skip

    def _measured_by(self) -> tuple[Task, Evaluator | None]:
        """The task and what it is measured by; with the source's replies as targets, where there are no others."""
        task = self.given
        labelled = all(example.target for example in _everything(task))
        named = "" if not task.judge else str(task.judge["evaluator"])
        if self.chosen is None and not named:
            if labelled:
                return task, Generation.for_task(task)
        elif labelled or not (isinstance(self.chosen, Equivalence) or (self.chosen is None and named == EQUIVALENCE)):
            return task, self.chosen
        store, session = self.held
        examples = _everything(task)
        _, replies = _answers(task, self.roles, examples, store, self.seed, session.interrupt)
        answered = {example: replace(example, target=reply.written)
                    for example, reply in zip(examples, replies, strict=True)}  # fmt: skip
        splits = {name: tuple(answered[each] for each in getattr(task, name)) for name in ("train", "dev", "test")}
        targeted = replace(task, labels=(), pool=None, **splits)
        return targeted, Equivalence.for_task(targeted)

    def _search(self, task: Task, evaluator: Evaluator | None, old: OnModel, model: str | Model) -> Result | None:
        """A search for another prompt, where the old one is not known to be no worse."""
        if old.status == "non-inferior":
            return None
        store, session = self.held
        asked = replace(self.roles, task=model, check=None)
        result = optimize(
            task, self.optimizer, model=asked, evaluator=evaluator, budget=self.budget, seed=self.seed, store=store,
            session=session,
        )  # fmt: skip
        if result.status == "suspended":
            raise BackendError(result.reason)
        return result

    def _compared(
        self, task: Task, evaluator: Evaluator | None, wanted: Sequence[tuple[Prompt, str | Model, bool]], *,
        verdicts: int = 1, alpha: float | None = None,
    ) -> tuple[Evaluation, list[OnModel]]:  # fmt: skip
        """The reference, and prompts on models against it, as one look at the test; whether a verdict is given on each.

        `alpha`: the level of each; None: that of this look, shared by so many `verdicts`.
        """
        store, session = self.held
        asked = [
            Asked(task, prompt, replace(self.roles, task=model, check=None), evaluator)
            for prompt, model, _ in ((task.initial, self.roles.task, False), *wanted)
        ]
        reference, *found = evaluate_together(
            asked, split="test", seed=self.seed, store=store, interrupt=session.interrupt
        )
        alpha = level_of((reference.look,), verdicts) if alpha is None else alpha
        return reference, [
            self._placed(reference, each, model, alpha, decided=decided)
            for each, (_, model, decided) in zip(found, wanted, strict=True)
        ]

    def _placed(
        self, reference: Evaluation, found: Evaluation, model: str | Model, alpha: float, *, decided: bool
    ) -> OnModel:
        gain, status = _paired(reference, found, alpha), None
        if decided:
            low, high = gain.interval
            status = "non-inferior" if low > -self.margin else "inferior" if high < -self.margin else "open"
        cost = _cost(found, self._opened(model))
        return OnModel(found.prompt, found.model, found.measured.score, found.measured.unreadable, gain, status, cost)

    def _opened(self, model: str | Model) -> Model:
        return open_models(replace(self.roles, task=model, check=None)).by_role["task"]


def _repeated(names: Sequence[str]) -> tuple[int, int] | None:
    """The places of the first two names that are equal."""
    return next(((names.index(name), at) for at, name in enumerate(names) if names.index(name) < at), None)


def _everything(task: Task) -> list[Example]:
    return list(dict.fromkeys((*task.train, *task.dev, *task.test)))


def _answers(
    task: Task, models: Models, examples: Sequence[Example], store: Store, seed: int, interrupt: threading.Event | None
) -> tuple[list[Request], list[Reply]]:
    """What a model is asked and answers under the start prompt, one example each."""
    budget, begun = Budget(), time.monotonic()
    by_role = open_models(models).by_role
    _, door = looking(task, Generation.for_task(task), by_role, store, budget, seed, stopping(budget, begun, interrupt))
    requests: list[Request] = []
    for example in examples:
        content, shared = task.render(task.initial, example)
        requests.append(Request(content, task.sampling, shared=shared))
    with no_search():
        return requests, door(requests)


def _paired(reference: Evaluation, found: Evaluation, alpha: float) -> Gain:
    """What `found` gains on the reference on the same items, those that a judge could read under both."""
    rows = zip(reference.scores, found.scores, found.examples, strict=True)
    read = [(old.value, new.value, example.group) for old, new, example in rows if old.judged and new.judged]
    before, after = [old for old, _, _ in read], [new for _, new, _ in read]
    return paired_gain(before, after, alpha=alpha, groups=[name for *_, name in read])


def _cost(found: Evaluation, model: Model) -> Cost:
    """What the task model alone takes for a thousand requests."""
    ledger, price = found.by_role["task"], price_for(model)
    scale = THOUSAND / max(1, ledger.calls)
    read, written = scale * ledger.prompt_tokens, scale * ledger.completion_tokens
    usd = None if price is None else read * price.prompt_usd + written * price.completion_usd
    return Cost(read, written, usd)
