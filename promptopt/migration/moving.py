"""The move itself: the old prompt is held against the reference, and another is looked for where it is worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import cast

from promptopt.api import check_room, optimize
from promptopt.arguments import checked
from promptopt.binding.evaluator import rebound
from promptopt.binding.models import Models
from promptopt.binding.session import Session, opened
from promptopt.errors import BackendError, ConfigError
from promptopt.evaluators.equivalence import Equivalence
from promptopt.evaluators.generation import Generation
from promptopt.migration.against import Against, cost_of
from promptopt.migration.agreement import schema_of, with_itself
from promptopt.migration.apart import check_spelt_apart, model_names, refuse_repeated
from promptopt.migration.board import Board, by_target
from promptopt.migration.freezing import all_examples, answers_under_start
from promptopt.migration.leaving import leaving
from promptopt.migration.moved import Migration, Replies
from promptopt.migration.sharing import Sought, Together, check_shared, shared_of, shared_task
from promptopt.outcome.result import INTERRUPTED, Result
from promptopt.protocols import Evaluator, Model, Optimizer
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.tasks.must_pass import apart_from_must_pass
from promptopt.tasks.task import Task

MARGIN = 0.03
"""How much worse than the reference may be no worse, of a score from 0 to 1."""
EQUIVALENCE = "equivalence"
"""The evaluator that takes the old model's replies for targets where there are none."""


@checked
def migrate(
    task: Task,
    targets: Sequence[str | Model] | Together,
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
    target is searched only where the old prompt is not non-inferior to the reference within `margin`. `Together`: with
    one prompt for all of them, too, by one search more that holds each above its floor. `budget`: of each search. A
    target that fails, or says nothing at all, is among `Migration.missing`, and the others go on; the same
    call again goes on with it. Raises ConfigError for a margin outside 0 to 1, for no targets and for a target that is
    the old model, or is named twice; BackendError where the old model fails.
    """
    if not 0.0 < margin < 1.0:
        raise ConfigError(f"a margin of {margin:g} means nothing; give a share of the scale, such as 0.03")
    named = targets.targets if isinstance(targets, Together) else targets
    if not named:
        raise ConfigError("there is no model to move to; name one or several")
    if isinstance(targets, Together):
        check_shared(len(named))
    roles = model if isinstance(model, Models) else Models(model)
    watched = Session() if session is None else session
    with opened(store) as store:
        mover = _Mover(
            task=task,
            optimizer=optimizer,
            evaluator=evaluator,
            budget=budget,
            shared=isinstance(targets, Together),
            held=Against(roles, margin, seed, store, watched),
        )
        return mover.move(named)


@dataclass(frozen=True, slots=True)
class _Mover:
    """One migration, with all that it is asked with."""

    task: Task
    optimizer: str | Optimizer
    evaluator: Evaluator | None
    budget: Budget | None
    shared: bool
    held: Against

    def move(self, targets: Sequence[str | Model]) -> Migration:
        self._check_apart(targets)
        # What is no schema is told before anything is asked.
        schema_of(self.task)
        board = Board(targets, tuple(self.held.opened(model).name for model in targets), self.task.initial)
        self._check_room(board)
        task, evaluator = self._task_and_evaluator()
        # A verdict on the old prompt on each target, one on what may be found for it, and one on what is for all of
        # them, share the level of the first look.
        first = [(task.initial, place, True) for place in board.left]
        reference = last = self.held.compare(task, evaluator, board, first, verdicts=(2 + self.shared) * len(targets))
        searches = [self._search(task, evaluator, board, place) for place in range(len(targets))]
        sought = self._sought(task, evaluator, board)
        winners = [task.initial if search is None else search.prompt for search in searches]
        # Every new prompt on every target; a verdict only where it was found for that target, or for all of them.
        for_all = [] if sought.prompt is None else [sought.prompt]
        others = [prompt for prompt in dict.fromkeys([*winners, *for_all]) if prompt != task.initial]
        pairs = [(each, place, each in (winners[place], *for_all)) for each in others for place in board.left]
        if pairs:
            last = self.held.compare(task, evaluator, board, pairs, alpha=board.alpha)
        board.check_some_left()
        moved = board.moved(searches)
        shared, unshared = shared_of(sought, board, moved)
        known = [self.held.opened(each) for each in (self.held.roles.task, *board.targets)]
        ends = leaving(known[0], known[1:], date.today())
        looks = [reference.look, last.look] if pairs else [reference.look]
        unknown: list[str] = []
        ceiling = with_itself(task, reference, self.held.roles, self.held.asking, unknown.append)
        said = [*ends, *reference.warnings, *unknown, *_remarks(board, searches, sought), *board.remarks(),
                *board.found_elsewhere(moved, self.held.margin)]  # fmt: skip
        return Migration(
            task=task.name,
            evaluator=reference.evaluator,
            judged=reference.judged,
            margin=self.held.margin,
            n=len(reference.examples),
            reference=reference,
            cost=cost_of(reference, self.held.opened(self.held.roles.task)),
            targets=moved,
            models=board.names,
            matrix={prompt.id: tuple(row) for prompt, row in board.rows.items()},
            warnings=tuple(dict.fromkeys(said)),
            looks=tuple(look for look in looks if look is not None),
            next_look=last.next_look,
            missing=board.missing(),
            ceiling=ceiling,
            shared=shared,
            unshared=unshared,
            old_replies=Replies.of(reference.scores, schema_of(task)),
        )

    def _check_apart(self, targets: Sequence[str | Model]) -> None:
        """Raise ConfigError where a target is the old model, or another target: as it is spelt, or once it is open."""
        # By spelling first: opening a model may take seconds, or a download.
        check_spelt_apart(self.held.roles.task, targets)
        named = model_names(self.held.roles.task, targets)
        refuse_repeated(self.held.roles.task, named, [self.held.opened(each).name.casefold() for each in named])

    def _unasked(self) -> tuple[Task, Evaluator | None, bool]:
        """The task, what it is scored by, and whether the old model's replies are its targets."""
        task, _ = apart_from_must_pass(self.task)
        given = cast("Evaluator | None", rebound(self.evaluator, self.task, task))
        labelled = all(example.target for example in all_examples(task))
        judge = "" if not task.judge else str(task.judge["evaluator"])
        by_equivalence = isinstance(self.evaluator, Equivalence) or (self.evaluator is None and judge == EQUIVALENCE)
        if self.evaluator is None and not judge:
            if labelled:
                return task, Generation.for_task(task), False
        elif labelled or not by_equivalence:
            return task, given, False
        return task, Equivalence.for_task(task), True

    def _task_and_evaluator(self) -> tuple[Task, Evaluator | None]:
        """The task and what it is scored by; with the old model's replies as targets, where there are no others."""
        task, evaluator, bare = self._unasked()
        if not bare:
            return task, evaluator
        examples = all_examples(task)
        try:
            _, replies = answers_under_start(task, self.held.roles, examples, self.held.asking)
        except BackendError as failure:
            raise self.held.failed(failure) from failure
        answered = {
            example: replace(example, target=reply.written) for example, reply in zip(examples, replies, strict=True)
        }
        splits = {name: tuple(answered[each] for each in getattr(task, name)) for name in ("train", "dev", "test")}
        gate = replace(task.gate, must_pass=tuple(answered[each] for each in task.gate.must_pass))
        # No labels, for replies are free texts; no pool, which would bring the old targets back.
        targeted = replace(task, labels=(), pool=None, gate=gate, **splits)
        return targeted, Equivalence.for_task(targeted)

    def _search(self, task: Task, evaluator: Evaluator | None, board: Board, place: int) -> Result | None:
        """A search for another prompt, where the old one is not known to be no worse; None where it fails, too."""
        old = board.rows[task.initial][place]
        if old is None or place in board.lost or old.status == "non-inferior":
            return None
        try:
            return self._optimized(task, self.held.answering(board.targets[place]), evaluator)
        except (BackendError, ConfigError) as failure:
            self.held.lose(board, place, failure)
            return None

    def _sought(self, task: Task, evaluator: Evaluator | None, board: Board) -> Sought:
        """A prompt for all targets: the old one where it is no worse on any, else what a search finds."""
        if not self.shared:
            return Sought()
        # Of those that are left it would be another search, paid for once more when the others are back.
        if board.lost:
            return Sought(reason=f"{', '.join(board.names[place] for place in sorted(board.lost))} could not be asked")
        if all(old is not None and old.status == "non-inferior" for old in board.rows[task.initial]):
            return Sought(task.initial)
        whole = shared_task(task, board.names, self.held.margin)
        try:
            found = self._optimized(
                whole, self._together(board), cast("Evaluator | None", rebound(evaluator, task, whole))
            )
        except (BackendError, ConfigError) as failure:
            if self.held.stopped:
                raise
            return Sought(reason=str(failure))
        return Sought(found.prompt, found)

    def _check_room(self, board: Board) -> None:
        """Raise ConfigError where a search for all targets is granted too little, or none can be: before it asks."""
        if not self.shared:
            return
        # Its examples name the model that answers them.
        refuse_repeated(None, board.names, [name.casefold() for name in board.names])
        task, evaluator, _ = self._unasked()
        whole, own = self._whole(task, evaluator, board)
        models, seed = self._together(board), self.held.seed
        check_room(whole, self.optimizer, model=models, evaluator=own, budget=self.budget, seed=seed)

    def _whole(self, task: Task, evaluator: Evaluator | None, board: Board) -> tuple[Task, Evaluator | None]:
        """The task of all targets together, and what it is scored by."""
        whole = shared_task(task, board.names, self.held.margin)
        return whole, cast("Evaluator | None", rebound(evaluator, task, whole))

    def _together(self, board: Board) -> Models:
        first, *others = board.targets
        return replace(self.held.answering(first), others=tuple(others))

    def _optimized(self, task: Task, models: Models, evaluator: Evaluator | None) -> Result:
        result = optimize(
            task,
            self.optimizer,
            model=models,
            evaluator=evaluator,
            budget=self.budget,
            seed=self.held.seed,
            store=self.held.store,
            session=self.held.session,
        )
        # A migration keeps nothing itself: run again, it reads all that was done from the store and comes to here.
        if result.status == "suspended":
            # In Python, where no event tells it: it is all that was to be stopped, and not this search alone.
            if result.reason == INTERRUPTED and not self.held.stopped:
                raise KeyboardInterrupt
            raise BackendError(result.reason)
        return result


def _remarks(board: Board, searches: Sequence[Result | None], sought: Sought) -> list[str]:
    """What the searches say, each with the targets that it is about."""
    found = zip((*board.names, "for all"), (*searches, sought.search), strict=True)
    return by_target({name: search.warnings for name, search in found if search is not None})
