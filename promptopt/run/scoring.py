"""Cells scored for a search: asked through the door, charged, and entered into the scoreboard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, takewhile
from typing import cast

from promptopt.errors import CutShort, EvaluatorError
from promptopt.protocols import Ask, BeginsCells, Evaluator, LooksFirst, Role, Task
from promptopt.run.answering import by_role, scored_by_each
from promptopt.run.batches import batches, exhausted, in_several_calls
from promptopt.run.door import Door
from promptopt.run.fetching import OTHERS
from promptopt.run.first_replies import FirstReplies
from promptopt.run.rescoring import Recomputing, Redrawing
from promptopt.run.reserve import Reserve
from promptopt.run.scoreboard import Scoreboard
from promptopt.tasks.crowding import broken_by
from promptopt.text import counted
from promptopt.types import Cell, Content, Example, Prompt, Reply, Request, Sampling, Score

TOO_DEAR = "too long for its test to be paid for"
"""Why a candidate is turned away that a cap on tokens or dollars is too small for."""


class CellScorer:
    """Scores cells by the evaluator that guides the search, as far as caps allow."""

    def __init__(
        self,
        task: Task,
        evaluator: Evaluator,
        door: Door,
        board: Scoreboard,
        *,
        reserve: Reserve | None,
        warn: Callable[[str], None],
        follow_budget: Callable[[], None],
    ) -> None:
        """`warn` takes a sentence, once; `follow_budget` is called before what a larger cap would let go otherwise."""
        self.evaluator, self.reserve = evaluator, reserve
        self._door, self._board, self._task, self._initial = door, board, task, task.initial
        self._warn, self._follow_budget = warn, follow_budget
        self._variants: dict[Prompt, Callable[[Example], Prompt]] = {}
        self._first = FirstReplies(task.initial, task.sampling.max_tokens)
        self._looked = False
        # How many cells are being scored, and how many calls of this session were answered before them.
        self._under_way = (0, 0)
        if reserve is not None:
            door.account.cell = reserve.cell(task.initial)

    def first_to_say(self, share: float) -> bool:
        """As `FirstReplies.first_to_say`."""
        return self._first.first_to_say(share)

    def vary(self, prompt: Prompt, written: Callable[[Example], Prompt]) -> None:
        """As `Run.vary`."""
        self._variants[prompt] = written

    def cells_left(self) -> int | None:
        """How many cells may still be scored by the caps on evaluations and calls; None is any number."""
        account = self._door.account
        return account.limits.evaluations_left(account.capped, self.evaluator.calls_per_cell)

    def answered(self) -> int:
        """Cells under way whose calls went out and were answered: a batch of a slow model may take an hour."""
        cells, settled = self._under_way
        return min(cells, max(0, self._door.account.settled_now - settled) // self.evaluator.calls_per_cell)

    def broken_by(
        self, task: Task, prompt: Prompt, beside: Iterable[Prompt], count_tokens: Callable[[str], int]
    ) -> str | None:
        """Which rule a candidate breaks, in a few words: the task's, the model's context, or what caps pay for.

        `beside`: those that are to be scored with it.
        """
        broken = broken_by(task, prompt, self._door.models["task"], count_tokens)
        return self.too_dear(prompt, beside) if broken is None else broken

    def too_dear(self, prompt: Prompt, beside: Iterable[Prompt] = ()) -> str | None:
        """In a few words that caps on tokens or dollars do not pay for a candidate's test; None where they do."""
        if self.reserve is None or prompt == self._initial:
            return None
        ranked, spent = self._board.ranked(), self._door.account.capped
        if not self.reserve.too_dear(prompt, self._initial, ranked, list(beside), spent):
            return None
        # A larger cap would let it go on.
        self._follow_budget()
        self._warn(
            "candidates that are much longer than the start are left out, or show fewer demonstrations: to test one, "
            "should it win, would take more than half of what the cap on tokens or dollars leaves the search; allow "
            "more for them"
        )
        return TOO_DEAR

    def enter(self, cells: Iterable[Cell], prompts: Sequence[Prompt]) -> None:
        """Score the cells, of `prompts`, and enter their scores. Raises BudgetSpent where a limit cuts them."""
        if self.reserve is not None:
            # Before they are scored: a candidate longer than all others makes the test dearer, should it win.
            account, ranked = self._door.account, self._board.ranked()
            account.limits, account.raised = self.reserve.raised(self._initial, ranked, prompts)
        waiting = iter(cells)
        for part in (islice(waiting, self._to_look_at()), waiting):
            for batch in batches(part, self.evaluator, self._door, self.cells_left, self._follow_budget):
                self._enter(batch)

    def _to_look_at(self) -> int:
        """How many cells are scored before all others, once."""
        looks, self._looked = not self._looked and isinstance(self.evaluator, LooksFirst), True
        return cast("LooksFirst", self.evaluator).first_look if looks else 0

    def again(
        self, prompt: Prompt, examples: Sequence[Example], temperature: float | None, draw: int, role: Role
    ) -> list[Score]:
        """As `Run.rescore`."""
        account = self._door.account
        cells = [Cell(prompt, example, draw) for example in examples[: self.cells_left()]]
        if examples and not cells:
            raise exhausted(account)
        if len(cells) < len(examples) and in_several_calls(self.evaluator):
            self._follow_budget()
        computed = temperature is None and role == "task"
        ask = Recomputing(self._door) if computed else Redrawing(self._door, temperature, role)
        calls = account.spent.calls
        return self._charged(cells, ask, lambda: account.spent.calls - calls)

    def draw(self, task: Task, prompt: Prompt, examples: Sequence[Example], sampling: Sampling) -> list[Reply]:
        """As `Run.draw`; `task` lays the prompt out."""
        cells = self._varied([Cell(prompt, example) for example in examples])
        laid_out = partial(_laid_out, task)
        # As the model is asked here, which is not as the evaluator would ask it.
        self._door.beside = partial(self._beside, cells, laid_out)
        requests = [Request(content, sampling) for content in laid_out(cells)]
        account, asked = self._door.account, requests[: self.cells_left()]
        settled = account.settled_now
        found: dict[int, Reply] = {}
        for role, places in by_role(examples[: len(asked)]).items():
            found.update(zip(places, self._door.generate([asked[at] for at in places], role), strict=False))
        # Up to where a limit cuts the first of them.
        replies = [found[at] for at in takewhile(found.__contains__, range(len(asked)))]
        # What the store held costs this session nothing.
        account.charge_evaluations(len(asked), paid=min(len(asked), account.settled_now - settled))
        if len(asked) < len(requests):
            raise exhausted(account)
        return replies

    def _enter(self, cells: Sequence[Cell]) -> None:
        try:
            scores = self._charged(cells, self._door, lambda: len(cells) * self.evaluator.calls_per_cell)
        # What was scored before the cut takes part in the final choice.
        except CutShort as short:
            self._put([cells[place] for place in short.scores], list(short.scores.values()))
            raise
        self._put(cells, scores)

    def _put(self, cells: Sequence[Cell], scores: Sequence[Score]) -> None:
        for cell, score in zip(cells, scores, strict=True):
            # NaN alone: a loss may be infinite, and then ranks last.
            if score.value != score.value:
                wrong = "the evaluator gave NaN; a score must be a number"
                raise EvaluatorError(wrong, prompt_id=cell.prompt.id, example_id=cell.example.id)
            # Under the prompt that was asked for, also where another stood for it.
            self._board.put(cell, score)
        if unread := self._first.unread(cells, scores):
            self._warn(unread)

    def _charged(self, cells: Sequence[Cell], ask: Ask, calls: Callable[[], int]) -> list[Score]:
        """The scores of the cells. `calls`: of how many calls they are charged, once these were made.

        Where a limit cuts the batch, the cells that were scored before are charged, and CutShort passes through.
        """
        account, per_cell, varied = self._door.account, self.evaluator.calls_per_cell, self._varied(cells)
        asked, spent = account.asked_by, account.spent
        self._door.beside = partial(self._beside, cells, self._first_asked)
        self._under_way = (len(cells), account.settled_now)
        account.written.clear()
        try:
            scores = scored_by_each(self._scored, varied, ask)
        except CutShort as short:
            done = len(short.scores)
            account.charge_evaluations(done, paid=_paid_of(done, asked, account.asked_by))
            raise
        finally:
            self._under_way = (0, 0)
        # Rounded up, and at most all cells: those of programs may take more calls than planned.
        used = min(len(cells), -(-calls() // per_cell))
        account.charge_evaluations(used, paid=_paid_of(used, asked, account.asked_by))
        if self.reserve is not None:
            self.reserve.observe(varied, spent, account.spent, account.written)
        return scores

    def _scored(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        return _checked_scores(self.evaluator.score(cells, ask), cells)

    def _beside(self, cells: Sequence[Cell], first: Callable[[Sequence[Cell]], Sequence[Content]]) -> Sequence[Content]:
        """What cells of the same prompt ask `first`, of a few examples that are none of these cells'."""
        asked = {cell.example for cell in cells}
        others = (each for each in (*self._task.train, *self._task.dev) if each not in asked)
        return first(self._varied([Cell(cells[0].prompt, each) for each in islice(others, OTHERS)]))

    def _first_asked(self, cells: Sequence[Cell]) -> Sequence[Content]:
        evaluator = self.evaluator
        return evaluator.begun(cells) if isinstance(evaluator, BeginsCells) else _laid_out(self._task, cells)

    def _varied(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells as they are asked: with the prompt that their own stands for on their example, if for one."""
        written = self._variants
        return [
            replace(cell, prompt=written[cell.prompt](cell.example)) if cell.prompt in written else cell
            for cell in cells
        ]


def _laid_out(task: Task, cells: Sequence[Cell]) -> list[Content]:
    return [task.render(cell.prompt, cell.example)[0] for cell in cells]


def _checked_scores(scores: object, cells: Sequence[Cell]) -> list[Score]:
    """What the evaluator gave, as long as it is a score a cell: plug-ins are not type-checked.

    Raises EvaluatorError for what is none, and where there are more or fewer than cells.
    """
    found = list(cast("Iterable[object]", scores)) if isinstance(scores, Iterable) else [scores]
    kept: list[Score] = []
    for cell, score in zip(cells, found, strict=False):
        if not isinstance(score, Score) or not hasattr(score.value, "__float__"):
            given = f"a Score whose value is {score.value!r}" if isinstance(score, Score) else repr(score)[:80]
            wrong = f"the evaluator gave {given} for a cell; give a Score whose value is a number, as Score(1.0)"
            raise EvaluatorError(wrong, prompt_id=cell.prompt.id, example_id=cell.example.id)
        kept.append(score)
    if len(found) != len(cells):
        given = f"{counted(len(found), 'score')} for {counted(len(cells), 'cell')}"
        wrong = f"the evaluator gave {given}; give one a cell, in the order of the cells"
        raise EvaluatorError(wrong, prompt_id=cells[0].prompt.id, example_id=cells[0].example.id)
    return kept


def _paid_of(count: int, before: Mapping[Role, tuple[int, int]], after: Mapping[Role, tuple[int, int]]) -> int:
    """How many of `count` cells took a call that went out this session.

    By what share of the calls of one role went out, whichever had most: `calls_per_cell` counts second tries that few
    cells need, and a cell whose judge alone was asked now is an evaluation.
    """
    most = 0
    for role, (used, settled) in after.items():
        used_then, settled_then = before.get(role, (0, 0))
        fresh = used - used_then
        if fresh:
            most = max(most, -(-count * min(fresh, settled - settled_then) // fresh))
    return most
