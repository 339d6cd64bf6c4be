"""Prompts on models, each held against the reference: the old prompt on the old model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptopt.binding.models import Models, open_models, price_for
from promptopt.binding.session import Session
from promptopt.errors import BackendError, ConfigError
from promptopt.evaluation import Asked, Evaluation, evaluate_together, paired
from promptopt.migration.agreement import agreement_of, schema_of
from promptopt.migration.board import Board, Failure, mute, silence
from promptopt.migration.contract import Scored, asked_of_replies
from promptopt.migration.freezing import Asking
from promptopt.migration.moved import Cost, Latency, OnModel, Replies, inferiority, undecided_by
from promptopt.outcome.decisions import gain_of
from promptopt.outcome.looks import level_of
from promptopt.protocols import Evaluator, Model
from promptopt.stats.design import Design
from promptopt.store.runs import Store
from promptopt.tasks.must_pass import beside_test
from promptopt.tasks.task import Task
from promptopt.types import Prompt

Placed = tuple[Prompt, int, bool]
"""A prompt, the place of the target that it is tried on, and whether a verdict is given."""
THOUSAND = 1_000


@dataclass(frozen=True, slots=True)
class Against:
    """What compares with the reference, and with what it asks. `margin`: how much worse is no worse."""

    roles: Models
    margin: float
    seed: int
    store: Store
    session: Session

    def compare(
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
            raise self.failed(BackendError("each of its replies is without text"))
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
            board.tested[prompt, place] = each
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
                raise self.failed(failure)
            _, place, decided = pairs[at - 1]
            self.lose(board, place, failure, decided=decided)
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

    def failed(self, failure: Failure) -> Failure:
        """What is raised where the reference fails."""
        if self.stopped or isinstance(failure, ConfigError):
            return failure
        return BackendError(f"{self.opened(self.roles.task).name} under the old prompt is the reference, and it could "
                            f"not be scored, so nothing is moved: {failure}")  # fmt: skip

    @property
    def asking(self) -> Asking:
        """How replies are asked for by themselves."""
        return Asking(self.store, self.seed, self.session.interrupt)

    @property
    def stopped(self) -> bool:
        """Whether the user has ended it all."""
        return self.session.interrupt is not None and self.session.interrupt.is_set()

    def lose(self, board: Board, place: int, failure: Failure, *, decided: bool = True) -> None:
        """Go on without a target that has failed. Raises that where it is the user who ends it all."""
        if self.stopped:
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
            cost=cost_of(found, self.opened(model)),
            replies=Replies.of(found.scores, schema_of(task)),
            equivalent=status == "non-inferior" and not undecided and -self.margin < low and high < self.margin,
            agreement=agreement_of(task, reference, found),
            latency=Latency.of(found.seconds),
            undecided=undecided,
            decisions=asked,
        )

    def opened(self, model: str | Model) -> Model:
        """The model, open."""
        return open_models(self.answering(model)).by_role["task"]

    def answering(self, model: str | Model) -> Models:
        """All roles, with another model that answers."""
        return replace(self.roles, task=model, check=None)


def cost_of(found: Evaluation, model: Model) -> Cost:
    """What the task model alone takes for a thousand requests."""
    ledger, price = found.by_role["task"], price_for(model)
    scale = THOUSAND / max(1, ledger.calls)
    read, written = scale * ledger.prompt_tokens, scale * ledger.completion_tokens
    usd = None if price is None else read * price.prompt_usd + written * price.completion_usd
    return Cost(read, written, usd)
