"""The move itself: the old prompt is held against the reference, and another is looked for where it is worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import cast

from promptopt.api import optimize
from promptopt.arguments import checked
from promptopt.binding.evaluator import rebound
from promptopt.binding.models import Models, open_models, price_for
from promptopt.binding.session import Session, opened
from promptopt.errors import BackendError, ConfigError
from promptopt.evaluation import Asked, Evaluation, evaluate_together, paired
from promptopt.evaluators.equivalence import Equivalence
from promptopt.evaluators.generation import Generation
from promptopt.migration.agreement import agreement_of, schema_of, with_itself
from promptopt.migration.apart import check_spelt_apart, model_names, refuse_repeated
from promptopt.migration.board import Board, Failure, by_target, mute, silence
from promptopt.migration.contract import Scored, asked_of_replies
from promptopt.migration.freezing import Asking, all_examples, answers_under_start
from promptopt.migration.leaving import leaving
from promptopt.migration.moved import Cost, Latency, Migration, OnModel, Replies, inferiority, undecided_by
from promptopt.outcome.decisions import gain_of
from promptopt.outcome.looks import level_of
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator, Model, Optimizer
from promptopt.run.budget import Budget
from promptopt.stats.design import Design
from promptopt.store.runs import Store
from promptopt.tasks.must_pass import apart_from_must_pass, beside_test
from promptopt.tasks.task import Task
from promptopt.types import Prompt

MARGIN = 0.03
"""How much worse than the reference may be no worse, of a score from 0 to 1."""
Placed = tuple[Prompt, int, bool]
"""A prompt, the place of the target that it is tried on, and whether a verdict is given."""
EQUIVALENCE = "equivalence"
"""The evaluator that takes the old model's replies for targets where there are none."""
THOUSAND = 1_000


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
    search. A target that fails, or says nothing at all, is among `Migration.missing`, and the others go on; the same
    call again goes on with it. Raises ConfigError for a margin outside 0 to 1, for no targets and for a target that is
    the old model, or is named twice; BackendError where the old model fails.
    """
    if not 0.0 < margin < 1.0:
        raise ConfigError(f"a margin of {margin:g} means nothing; give a share of the scale, such as 0.03")
    if not targets:
        raise ConfigError("there is no model to move to; name one or several")
    roles = model if isinstance(model, Models) else Models(model)
    watched = Session() if session is None else session
    with opened(store) as store:
        mover = _Mover(
            task=task,
            roles=roles,
            optimizer=optimizer,
            evaluator=evaluator,
            margin=margin,
            budget=budget,
            seed=seed,
            store=store,
            session=watched,
        )
        return mover.move(targets)


@dataclass(frozen=True, slots=True)
class _Mover:
    """One migration, with all that it is asked with."""

    task: Task
    roles: Models
    optimizer: str | Optimizer
    evaluator: Evaluator | None
    margin: float
    budget: Budget | None
    seed: int
    store: Store
    session: Session

    def move(self, targets: Sequence[str | Model]) -> Migration:
        self._check_apart(targets)
        # What is no schema is told before anything is asked.
        schema_of(self.task)
        task, evaluator = self._task_and_evaluator()
        board = Board(targets, tuple(self._opened(model).name for model in targets), task.initial)
        # A verdict on the old prompt on each target, and one on what may be found, share the level of the first look.
        first = [(task.initial, place, True) for place in board.left]
        reference = last = self._against_reference(task, evaluator, board, first, verdicts=2 * len(targets))
        searches = [self._search(task, evaluator, board, place) for place in range(len(targets))]
        winners = [task.initial if search is None else search.prompt for search in searches]
        # Every new prompt on every target; a verdict only where it was found for that target.
        others = [prompt for prompt in dict.fromkeys(winners) if prompt != task.initial]
        pairs = [(prompt, place, prompt == winners[place]) for prompt in others for place in board.left]
        if pairs:
            last = self._against_reference(task, evaluator, board, pairs, alpha=board.alpha)
        board.check_some_left()
        found = zip(board.names, searches, strict=True)
        remarks = by_target({name: search.warnings for name, search in found if search is not None})
        moved = board.moved(searches)
        ends = leaving(self._opened(self.roles.task), [self._opened(each) for each in board.targets], date.today())
        looks = [reference.look, last.look] if pairs else [reference.look]
        unknown: list[str] = []
        ceiling = with_itself(task, reference, self.roles, self._asking, unknown.append)
        said = [*ends, *reference.warnings, *unknown, *remarks, *board.remarks(),
                *board.found_elsewhere(moved, self.margin)]  # fmt: skip
        return Migration(
            task=task.name,
            evaluator=reference.evaluator,
            judged=reference.judged,
            margin=self.margin,
            n=len(reference.examples),
            reference=reference,
            cost=_cost(reference, self._opened(self.roles.task)),
            targets=moved,
            models=board.names,
            matrix={prompt.id: tuple(row) for prompt, row in board.rows.items()},
            warnings=tuple(dict.fromkeys(said)),
            looks=tuple(look for look in looks if look is not None),
            next_look=last.next_look,
            missing=board.missing(),
            ceiling=ceiling,
            old_replies=Replies.of(reference.scores, schema_of(task)),
        )

    def _check_apart(self, targets: Sequence[str | Model]) -> None:
        """Raise ConfigError where a target is the old model, or another target: as it is spelt, or once it is open."""
        # By spelling first: opening a model may take seconds, or a download.
        check_spelt_apart(self.roles.task, targets)
        named = model_names(self.roles.task, targets)
        refuse_repeated(self.roles.task, named, [self._opened(each).name.casefold() for each in named])

    def _task_and_evaluator(self) -> tuple[Task, Evaluator | None]:
        """The task and what it is scored by; with the old model's replies as targets, where there are no others."""
        task, _ = apart_from_must_pass(self.task)
        given = cast("Evaluator | None", rebound(self.evaluator, self.task, task))
        labelled = all(example.target for example in all_examples(task))
        judge = "" if not task.judge else str(task.judge["evaluator"])
        by_equivalence = isinstance(self.evaluator, Equivalence) or (self.evaluator is None and judge == EQUIVALENCE)
        if self.evaluator is None and not judge:
            if labelled:
                return task, Generation.for_task(task)
        elif labelled or not by_equivalence:
            return task, given
        examples = all_examples(task)
        try:
            _, replies = answers_under_start(task, self.roles, examples, self._asking)
        except BackendError as failure:
            raise self._of_the_reference(failure) from failure
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
            result = optimize(
                task,
                self.optimizer,
                model=self._with(board.targets[place]),
                evaluator=evaluator,
                budget=self.budget,
                seed=self.seed,
                store=self.store,
                session=self.session,
            )
            # A migration keeps nothing itself: run again, it reads all that was done from the store and comes to here.
            if result.status == "suspended":
                raise BackendError(result.reason)
        except (BackendError, ConfigError) as failure:
            self._lose(board, place, failure)
            return None
        return result

    def _against_reference(
        self,
        task: Task,
        evaluator: Evaluator | None,
        board: Board,
        pairs: Sequence[Placed],
        *,
        verdicts: int = 1,
        alpha: float | None = None,
    ) -> Evaluation:
        """The reference; each prompt on its target, against it, goes onto the board. It is one look at the test.

        `alpha`: the level of each verdict; None: that of this look, shared by so many `verdicts`.
        """
        prompts = dict.fromkeys(prompt for prompt, _, _ in pairs)
        board.rows.update({prompt: [None] * len(board.names) for prompt in prompts})
        later = (*board.names, *(prompt.id for prompt in prompts))
        reference, found = self._scored(task, evaluator, board, pairs, later)
        if mute(reference):
            raise self._of_the_reference(BackendError("each of its replies is without text"))
        # Beside the test, as a development split: they are no look at it.
        further = beside_test(task)
        vital, passing = (
            self._scored(replace(task, dev=further), evaluator, board, list(found), ()) if further else (None, {})
        )
        alpha = level_of((reference.look,), verdicts) if alpha is None else alpha
        for pair, each in found.items():
            # What has failed on these alone has failed, too.
            if further and pair not in passing:
                continue
            prompt, place, decided = pair
            both = Scored(reference, vital), Scored(each, passing.get(pair))
            board.rows[prompt][place] = self._on_model(task, both, board.targets[place], alpha, decided=decided)
            if prompt == task.initial and (said := silence(task, each)):
                board.fail(place, BackendError(said), decided=True)
        return reference

    def _scored(
        self, task: Task, evaluator: Evaluator | None, board: Board, pairs: Sequence[Placed], later: Sequence[str]
    ) -> tuple[Evaluation, dict[Placed, Evaluation]]:
        """The reference, and each prompt on its target that could be asked.

        On the test, which is a look at it. `later`: as in `evaluate_together`; without it on dev, which is none.
        """
        models = [(task.initial, self.roles.task), *((prompt, board.targets[place]) for prompt, place, _ in pairs)]
        asked = [
            Asked(task, prompt, replace(self.roles, task=model, check=None), evaluator) for prompt, model in models
        ]
        answered = list(pairs)

        def leave_out(at: int, failure: Failure) -> None:
            # The reference is asked first: without it there is nothing that a target could be held against.
            if at == 0:
                raise self._of_the_reference(failure)
            _, place, decided = pairs[at - 1]
            self._lose(board, place, failure, decided=decided)
            answered.remove(pairs[at - 1])

        reference, *found = evaluate_together(
            asked,
            split="test" if later else "dev",
            seed=self.seed,
            store=self.store,
            interrupt=self.session.interrupt,
            leave_out=leave_out,
            later=later,
        )
        return reference, dict(zip(answered, found, strict=True))

    def _of_the_reference(self, failure: Failure) -> Failure:
        if self._stopped or isinstance(failure, ConfigError):
            return failure
        return BackendError(f"{self._opened(self.roles.task).name} under the old prompt is the reference, and it could "
                            f"not be scored, so nothing is moved: {failure}")  # fmt: skip

    @property
    def _asking(self) -> Asking:
        return Asking(self.store, self.seed, self.session.interrupt)

    @property
    def _stopped(self) -> bool:
        return self.session.interrupt is not None and self.session.interrupt.is_set()

    def _lose(self, board: Board, place: int, failure: Failure, *, decided: bool = True) -> None:
        """Go on without a target that has failed. Raises that where it is the user who ends it all."""
        if self._stopped:
            raise failure
        board.fail(place, failure, decided=decided)

    def _on_model(
        self, task: Task, both: tuple[Scored, Scored], model: str | Model, alpha: float, *, decided: bool
    ) -> OnModel:
        """The second of `both` against the reference, the first; `decided`: whether a verdict is given."""
        reference, found = (each.test for each in both)
        pairs = paired(reference, found)
        gain = gain_of(pairs, Design(found.weigh), alpha)
        undecided = undecided_by(pairs, reference.model, found.model)
        low, high = gain.interval
        asked = asked_of_replies(task, *both)
        status = inferiority(gain, self.margin, undecided, asked) if decided else None
        return OnModel(
            prompt=found.prompt,
            model=found.model,
            score=found.measured.score,
            unreadable=found.measured.unreadable,
            gain=gain,
            status=status,
            cost=_cost(found, self._opened(model)),
            replies=Replies.of(found.scores, schema_of(task)),
            equivalent=status == "non-inferior" and not undecided and -self.margin < low and high < self.margin,
            agreement=agreement_of(task, reference, found),
            latency=Latency.of(found.seconds),
            undecided=undecided,
            decisions=asked,
        )

    def _opened(self, model: str | Model) -> Model:
        return open_models(self._with(model)).by_role["task"]

    def _with(self, model: str | Model) -> Models:
        """All roles, with another model that answers."""
        return replace(self.roles, task=model, check=None)


def _cost(found: Evaluation, model: Model) -> Cost:
    """What the task model alone takes for a thousand requests."""
    ledger, price = found.by_role["task"], price_for(model)
    scale = THOUSAND / max(1, ledger.calls)
    read, written = scale * ledger.prompt_tokens, scale * ledger.completion_tokens
    usd = None if price is None else read * price.prompt_usd + written * price.completion_usd
    return Cost(read, written, usd)
