"""A run: what an optimizer may do, metered, recorded, and repeatable. The only door to the outside."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from promptopt.arguments import check_each
from promptopt.errors import ConfigError
from promptopt.models.prices import Price
from promptopt.protocols import Evaluator, Forcing, Model, Role, Task
from promptopt.run.abilities import abilities_of, room_in
from promptopt.run.artifacts import Artifacts
from promptopt.run.budget import Ledger
from promptopt.run.door import Door
from promptopt.run.events import Event, PhaseBegun, Snapshot, StepDone, Warned
from promptopt.run.part_turns import PartTurns
from promptopt.run.posterior import Posterior
from promptopt.run.proposing import ProposerCalls
from promptopt.run.random_streams import RandomStreams
from promptopt.run.refused_layouts import reason_refused
from promptopt.run.reserve import Reserve
from promptopt.run.scoreboard import Candidate, Scoreboard, Seen
from promptopt.run.scoring import CellScorer
from promptopt.run.snapshots import snapshot
from promptopt.run.tokenizing import count_tokens, pieces
from promptopt.store.journal import Journal
from promptopt.tasks.crowding import crowded
from promptopt.tasks.weighing import Weigh, weigh_of
from promptopt.types import (
    Abilities,
    Content,
    Estimate,
    Example,
    Prompt,
    Proposal,
    Reply,
    Request,
    Room,
    Sampling,
    Score,
    ScoreMatrix,
)


class Run:
    """Binds a task, an evaluator and the models for one search. Test examples are not reachable from here."""

    def __init__(
        self,
        *,
        task: Task,
        evaluator: Evaluator,
        door: Door,
        seed: int,
        observers: Sequence[Callable[[Event], None]] = (),
        final_journal: Callable[[], Journal] | None = None,
        room: Room | None = None,
        reserve: Reserve | None = None,
        sealed: frozenset[str] = frozenset(),
    ) -> None:
        """`final_journal` opens the journal of what depends on the budget; None where nothing is recorded.

        `room`: what the search is granted; None: what the door's caps leave it. `reserve`: prices what is set aside
        while the search goes; None without a cap on tokens or dollars. `sealed`: ids of examples of the test alone.
        """
        self.seed = seed
        self.weigh: Weigh = weigh_of(task)
        self.initial, self.train, self.dev = task.initial, task.train, task.dev
        self.room = room_in(door.account.limits, evaluator, task) if room is None else room
        """What the search is granted, for methods that plan; the same throughout `optimize`."""
        self.artifacts = Artifacts(door.blobs, "" if door.journal is None else door.journal.run_id)
        self._door, self._observers, self._final_journal = door, tuple(observers), final_journal
        self._turns, self._streams = PartTurns(task), RandomStreams(seed)
        self._board = Scoreboard(task.initial, task.train, task.dev, self.weigh)
        self._scoring = CellScorer(
            task, evaluator, door, self._board, reserve=reserve, warn=self.warn, follow_budget=self.follow_budget
        )
        self._thread, self._sealed = threading.get_ident(), sealed
        self._warned, self._phase, self._begun = dict[str, None](), "search", time.monotonic()
        self.ended = False
        self.steps: list[StepDone] = []
        """Every round so far, with its pool, its means and counts, and what was spent by then."""
        self._proposing = ProposerCalls(door, self.warn, self.follow_budget, self.steps)
        self.rejected: Counter[str] = Counter()
        """Replies and candidates that could not be used, by reason."""
        self.final_repetition = 1 if task.sampling.temperature > 0 else 0
        """The repetition of the final phase. A new draw where the task model samples, so that luck counts only once;
        it also tells the final scores apart where the search went by something else."""

    @property
    def task(self) -> Task:
        """The task; where several of its parts are editable, `editable` is another one after each recorded round."""
        return self._turns.task

    @property
    def base(self) -> Prompt:
        """The start; with several editable parts, its others as the best prompt has them (`PartTurns.base`)."""
        return self._turns.base

    def turn(self) -> None:
        """Turn to the next editable part: where a round ends with nothing to record."""
        self._turns.end(())

    def begin_again(self, start: Prompt, room: Room) -> None:
        """A further search, from `start`, is granted that room."""
        self.initial, self.room = start, room
        self._turns.begin(start)

    def edit(self, part: str, *, hold: bool = False) -> None:
        """Edit this part from here on; `hold`: and no other, for methods whose search is for one text."""
        self._turns.take(part, hold=hold)

    def evaluate(self, prompts: Sequence[Prompt], examples: Sequence[Example], *, repetition: int = 0) -> ScoreMatrix:
        """Score every prompt on every example; cells already scored are free.

        Cells are charged prompt by prompt in the order given. Where a limit leaves room for only some, those are
        scored and kept, and BudgetSpent ends the search: a matrix is always complete.
        """
        self._check_asked(examples)
        check_each("run.evaluate", prompts, Prompt, "prompt")
        self._scoring.enter(self._board.unscored(prompts, tuple(dict.fromkeys(examples)), repetition), prompts)
        return self._board.matrix(prompts, examples, repetition)

    def evaluate_each(self, pairs: Sequence[tuple[Prompt, Example]]) -> list[Score]:
        """Score every prompt on its own example, in one batch and in order; else as `evaluate`."""
        self._check_asked(example for _, example in pairs)
        self._scoring.enter(self._board.lacking(pairs), [prompt for prompt, _ in pairs])
        return [score for prompt, example in pairs for score in self._board.row(prompt, [example], 0)]

    def refused(self, prompt: Prompt, example: Example) -> str | None:
        """Score `prompt` on `example`; the reason, where the task model takes no request laid out so, else None."""
        self._check_asked([example])
        return reason_refused(self._door, lambda: self.evaluate([prompt], [example]))

    def vary(self, prompt: Prompt, written: Callable[[Example], Prompt]) -> None:
        """Score `written(example)`, which must follow from the run's record, where `prompt` is scored on `example`."""
        self._scoring.vary(prompt, written)

    def rescore(self, prompt: Prompt, examples: Sequence[Example], temperature: float | None = None, draw: int = 0,
                role: Role = "task") -> list[Score]:  # fmt: skip
        """Score cells once more, in a batch of their own, as far as a cap allows; the search's own scores stay.

        Without a temperature or a role, with the prefix shared in another way: what is computed again is charged, and
        replies are not drawn again, so they are free. With either: draw number `draw` of the model of `role`, an
        evaluation each.
        """
        self._check_asked(examples)
        return self._scoring.again(prompt, examples, temperature, draw, role)

    def draw(self, prompt: Prompt, examples: Sequence[Example], sampling: Sampling) -> list[Reply]:
        """The task model's own replies to `prompt` on each of the examples, drawn by `sampling`; an evaluation each.

        Equal requests are counted draws. Where a limit leaves room for only some, those are asked for and kept, and
        BudgetSpent ends the search.
        """
        self._check_asked(examples)
        return self._scoring.draw(self.task, prompt, examples, sampling)

    def check_model(self) -> None:
        """Raise ConfigError, before anything is asked, where the evaluator needs what the task model cannot give."""
        if isinstance(self._scoring.evaluator, Forcing):
            self._door.score(())

    @property
    def abilities(self) -> Abilities:
        """What is known of the evaluator that guides the search."""
        return abilities_of(self._scoring.evaluator)

    def generate(self, contents: Sequence[Content], sampling: Sampling, *, role: Role = "proposer") -> list[Reply]:
        """Ask the proposer, once for each content; equal requests are counted draws, so no two get the same answer."""
        self._check_thread()
        check_each("run.generate", contents, str | tuple | list, "text")
        return self._proposing.generate([Request(content, sampling) for content in contents], role)

    def admit(self, proposals: Sequence[Proposal]) -> list[Prompt]:
        """The proposals that keep the task's contract, each once, in order; the others are counted as rejected.

        Rejected too are those whose demonstrations do not fit the task model's context, and those too long for what a
        cap on tokens or dollars leaves. A prompt's first proposal is its lineage.
        """
        check_each("run.admit", proposals, Proposal, "Proposal(prompt, (parent,))")
        admitted: dict[Prompt, None] = {}
        for proposal in proposals:
            prompt = proposal.prompt
            broken = self._scoring.broken_by(self.task, prompt, admitted, self.count_tokens)
            if broken is not None:
                self.reject(broken)
            elif prompt not in admitted:
                admitted[prompt] = None
                self._board.propose(proposal)
        return list(admitted)

    def reject(self, reason: str, count: int = 1) -> None:
        """Count a reply or a candidate that could not be used; what a cap left unasked is neither."""
        self.rejected.update({} if reason.endswith("unasked") else {reason: count})

    def rng(self, stream: str) -> random.Random:
        """One generator for each named stream of the run's seed: a new draw in one place moves no other."""
        return self._streams.rng(stream)

    def record(self, pool: Sequence[Estimate], kept: Sequence[Prompt], note: str = "") -> None:
        """Record a round: everything that was compared, what goes on, and what else a user may watch."""
        check_each("run.record", pool, Estimate, "Estimate(prompt, mean, count)")
        check_each("run.record", kept, Prompt, "prompt")
        done = StepDone(len(self.steps), tuple(pool), tuple(kept), self._door.account.spent, note)
        self.steps.append(done)
        self.tell(done)
        self._turns.end(kept)

    def rank_by(self, examples: Sequence[Example], order: Sequence[Prompt] = (), *, others: bool = True) -> None:
        """For methods that score every candidate on one fixed set: rank by what they scored on it in the end.

        `order`: the method's own ranking, best first; all `others` follow by their worth, the unseen last, or nobody.
        """
        self._board.rank_by(examples, order, others=others)

    def memo(self, name: str, compute: Callable[[], str], *inputs: str) -> str:
        """`compute()`, or what it gave when it last ran on these inputs: for pure heavy work, such as training.

        `name` and `inputs` must determine the result. It is kept in the store as text, and costs nothing on replay.
        """
        return self._door.memo(name, inputs, compute)

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, by the task model's own tokenizer where it has one, else an estimate."""
        return count_tokens(self._door.models["task"], text)

    def names(self, role: Role) -> bool:
        """Whether there is a model of that role."""
        return role in self._door.models

    def pieces(self, text: str) -> list[str]:
        """`text` in pieces which joined give it back: the model's own tokens, or words, which the user is told."""
        return pieces(self._door.models["task"], text, self.warn)

    def crowded(self, prompt: Prompt) -> str | None:
        """What is wrong where demonstrations leave the input no room in the context, if known, or caps do not pay."""
        return crowded(self.task, prompt, self._door.models["task"]) or self._scoring.too_dear(prompt)

    def estimate(self, prompt: Prompt, examples: Sequence[Example], *, repetition: int = 0) -> Estimate:
        """The mean over those of `examples` that `prompt` was scored on."""
        return self._board.estimate(prompt, examples, repetition=repetition)

    def seen(self, prompt: Prompt, examples: Sequence[Example] | None = None, *, repetition: int = 0) -> list[Seen]:
        """Those of `examples` (None: train) that `prompt` was scored on, in order, and its scores; asks nothing."""
        return self._board.seen(prompt, examples, repetition=repetition)

    def ranked(self, *, unseen: bool = False) -> list[Estimate]:
        """Every candidate that was scored at all, best first; then the `unseen` (`Scoreboard.ranked`)."""
        return self._board.ranked(unseen=unseen)

    def worths(self, examples: Sequence[Example], prior: float = 0.0) -> dict[Prompt, float]:
        """What every candidate is worth by its scores on `examples` and its lineage (`Scoreboard.worths`)."""
        return self._board.worths(examples, prior)

    def posterior(self, prompts: Sequence[Prompt], dev: Sequence[Example] = ()) -> Posterior:
        """What `prompts`, their relatives and the latest others are worth; by `dev` too (`Scoreboard.posterior`)."""
        return self._board.posterior(prompts, dev, self.final_repetition)

    def evaluations_left(self) -> int | None:
        """How many cells may still be scored by the caps on evaluations and calls; None is any number.

        A method that sets something aside by it must call `follow_budget` before it acts otherwise than it would with
        a larger budget. Caps on tokens and dollars are only known as replies are read, and are not in this number.
        """
        return self._scoring.cells_left()

    @property
    def spent(self) -> Ledger:
        """What the run has used so far, as a function of the program: equal on replay."""
        return self._door.account.spent

    def follow_budget(self) -> None:
        """Say that from here on the search depends on the budget, which another execution may raise.

        Such calls are recorded anew each time, as those of the final choice are, instead of being checked.
        """
        if self._final_journal is not None:
            self._door.journal, self._final_journal = self._final_journal(), None

    def warn(self, message: str, *, ends: bool = False) -> None:
        """Tell the user a sentence, once; `ends`: it says why there is nothing more to search for."""
        self.ended |= ends
        if message not in self._warned:
            self._warned[message] = None
            self.tell(Warned(message))

    def warn_unread(self, message: str, share: float) -> None:
        """Say once that such a share of the start's replies cannot be read; nothing where the run has said so."""
        if self._scoring.first_to_say(share):
            self.warn(message)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Every warning so far, in order."""
        return tuple(self._warned)

    def tell(self, event: Event) -> None:
        """Hand an event to every observer."""
        for observer in self._observers:
            observer(event)

    def exchange_evaluator(self, evaluator: Evaluator, model: Model, price: Price | None) -> None:
        """Score by another evaluator or ask another task model from here on; the search keeps its own scores."""
        self._scoring.evaluator, self.final_repetition = evaluator, 1
        self._board.begin_measure()
        self._door.exchange_task_model(model, price)

    def end_reserve(self) -> Reserve | None:
        """What prices the reserve, for the last time: what is spent from here on is what was set aside."""
        ended, self._scoring.reserve = self._scoring.reserve, None
        return ended

    def begin_phase(self, name: str, reason: str = "") -> None:
        """Mark the change from the search to the final choice, and from there to the sealed test; once each."""
        if name != self._phase or name == "search":
            self._phase = name
            self._board.begin_phase(name, self.task)
            self.tell(PhaseBegun(name, reason))

    def candidates(self) -> list[Candidate]:
        """Every prompt that was proposed or scored, in the order it first came up, the start first."""
        return self._board.candidates()

    def searched(self, prompt: Prompt) -> Estimate:
        """What the search knows of a prompt: its mean over the examples it ranks by, or over train."""
        return self._board.searched(prompt)

    def evidence(self) -> tuple[Example, ...]:
        """The training examples that candidates are held against each other on: those ranked by, else all."""
        return self._board.evidence()

    def snapshot(self) -> Snapshot:
        """Where the run stands; safe from another thread."""
        scored, seconds = self.estimate(self.initial, self.train), time.monotonic() - self._begun
        return snapshot(self._phase, self.steps, scored, self._door, self._scoring.answered(), seconds)

    def _check_asked(self, examples: Iterable[Example]) -> None:
        self._check_thread()
        if self._sealed and self._phase != "test" and not self._sealed.isdisjoint(each.id for each in examples):
            raise ConfigError("a test example was asked about before the test, which proves nothing then; ask on train")

    def _check_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise ConfigError("a run can only be used from the thread that began it: calls would lose their order")
