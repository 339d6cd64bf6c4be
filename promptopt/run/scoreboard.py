"""What a search knows of its candidates: their scores, where they come from, and how they rank by it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

from promptopt.protocols import Task
from promptopt.run.floors import Known, Shortfalls, shortfalls_of
from promptopt.run.lowest import LowestTasks, lowest_tasks_of
from promptopt.run.posterior import DRIFT, Posterior, beliefs
from promptopt.run.worth import Groups, Values, by_group, worths
from promptopt.types import Cell, Estimate, Example, Prompt, Proposal, Score, ScoreMatrix, Weigh, mean_of

RELATIVES = 150
"""Prompts that a posterior holds beside those it is asked about and their forebears: the latest. All of a small search,
and the bound of what a step of a long one costs (some milliseconds)."""
HOPEFUL = 200
"""Candidates that are ranked by the posterior, those of most worth: a finalist is not found further down."""
Seen = tuple[Example, Score]
"""An example that a prompt was scored on, and the score."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt the search considered: its lineage, and what it scored on the examples the search showed it."""

    proposal: Proposal
    search: Estimate
    dev: Estimate

    @property
    def prompt(self) -> Prompt:
        """The prompt itself."""
        return self.proposal.prompt


class Scoreboard:
    """Every prompt that was proposed or scored, with every score; asks nothing."""

    def __init__(
        self, initial: Prompt, train: Sequence[Example], dev: Sequence[Example], weigh: Weigh = "turn"
    ) -> None:
        """The start is known from the first. `weigh`: what counts once in means."""
        self.initial = initial
        self.weigh: Weigh = weigh
        self.train = tuple(train)
        self.dev = tuple(dev)
        self._cells: dict[Prompt, dict[str, Score]] = {}
        # Those by the evaluator and the judge that score now: what others said tells nothing of these.
        self._alike = self._cells
        self._lineage: dict[Prompt, Proposal] = {initial: Proposal(initial, operator="start")}
        # What a posterior goes by is held by ids: it looks up every prompt several times, and a text knows its hash.
        self._placed: dict[str, Prompt] = {initial.id: initial}
        self._forebears: dict[str, tuple[str, ...]] = {initial.id: ()}
        self._dense: dict[str, dict[str, float]] = {}
        every = (*self.train, *self.dev)
        self._groups: Groups = {each.id: each.group for each in every} if weigh == "conversation" else None
        self._train_names = frozenset(_cell_names(self.train, 0))
        self._ranking: tuple[Example, ...] = ()
        self._order: dict[Prompt, int] = {}
        self._others = True
        self._priced: Shortfalls | LowestTasks | None = None
        self._told = False
        # What `ranked` gave last, until something is entered: under a cap on tokens or dollars each batch and each
        # candidate asks for it.
        self._standing: dict[bool, list[Estimate]] = {}

    def begin_phase(self, name: str, task: Task) -> None:
        """From a search on, prompts of several tasks rank by floors or the worst of them.

        A search is shown its scores so where there are floors; of the worst a method makes what it can itself.
        """
        self._standing = {}
        every = (*self.train, *self.dev)
        floors = shortfalls_of(task, every)
        self._told = floors is not None and name == "search"
        self._priced = lowest_tasks_of(task, every) if floors is None else floors

    def propose(self, proposal: Proposal) -> None:
        """Take note of where a prompt comes from; its first proposal counts."""
        # The first alone: a parent that is proposed again could else become the child of its own child.
        self._standing = {}
        self._lineage.setdefault(proposal.prompt, proposal)
        self._place(proposal.prompt, proposal.parents)

    def put(self, cell: Cell, score: Score) -> None:
        """Take note of a score."""
        self._standing = {}
        if not score.judged:
            # A judge that failed says nothing of the prompt: its cell must move no comparison.
            score = replace(score, value=self._neutral(cell))
        self._place(cell.prompt, ())
        (name,) = _cell_names([cell.example], cell.repetition)
        for cells in (self._cells, self._alike):
            cells.setdefault(cell.prompt, {})[name] = score
        # By dense scores: prompts that are right on the same examples still differ in how likely the label is. On
        # planted tasks `auto` gains 0.41 by these where it gains 0.37 without (benchmarks/results/search-dense.md).
        self._dense.setdefault(cell.prompt.id, {})[name] = score.dense

    def begin_measure(self) -> None:
        """From here on another evaluator or another judge scores."""
        self._alike, self._standing = {}, {}

    def _neutral(self, cell: Cell) -> float:
        """What a cell that nobody could judge stands for: the mean of other prompts on its example, by who scores now.

        Where none was judged there: the mean of its own prompt, then that of all, then 0.5, the middle of a scale.
        """
        name = _cell_names([cell.example], cell.repetition)[0]
        beside = [known[name] for prompt, known in self._alike.items() if name in known and prompt != cell.prompt]
        own = self._alike.get(cell.prompt, {}).values()
        rest = (score for known in self._alike.values() for score in known.values())
        for scores in (beside, own, rest):
            values = [score.value for score in scores if score.judged]
            if values:
                return sum(values) / len(values)
        return 0.5

    def _place(self, prompt: Prompt, parents: Sequence[Prompt]) -> None:
        """Put a new prompt behind those of its parents that came up before it; behind the start, where none did."""
        if prompt.id not in self._placed:
            found = tuple(name for name in dict.fromkeys(parent.id for parent in parents) if name in self._placed)
            self._placed[prompt.id] = prompt
            self._forebears[prompt.id] = found if found else (self.initial.id,)

    def row(self, prompt: Prompt, examples: Sequence[Example], repetition: int) -> list[Score]:
        """The scores of a prompt on examples that it was scored on."""
        known = self._shown(prompt) if self._told else self._cells.get(prompt, {})
        return [known[name] for name in _cell_names(examples, repetition)]

    def matrix(self, prompts: Sequence[Prompt], examples: Sequence[Example], repetition: int) -> ScoreMatrix:
        """The rows of these prompts."""
        return ScoreMatrix(examples, {prompt: self.row(prompt, examples, repetition) for prompt in prompts}, self.weigh)

    def rank_by(self, examples: Sequence[Example], order: Sequence[Prompt], *, others: bool = True) -> None:
        """See `Run.rank_by`."""
        self._ranking, self._others, self._standing = tuple(examples), others, {}
        self._order = {prompt: place for place, prompt in enumerate(dict.fromkeys(order))}

    def estimate(self, prompt: Prompt, examples: Sequence[Example], *, repetition: int = 0) -> Estimate:
        """The mean over those of `examples` that `prompt` was scored on, as a search goes by it."""
        return self._mean(prompt, self._shown(prompt), examples, repetition)

    def measured(self, prompt: Prompt, examples: Sequence[Example]) -> Estimate:
        """The mean over those of `examples` that `prompt` was scored on, whatever floors say of it."""
        return self._mean(prompt, self._cells.get(prompt, {}), examples, 0)

    def _mean(self, prompt: Prompt, known: Known, examples: Sequence[Example], repetition: int) -> Estimate:
        if not known:
            return Estimate(prompt, float("nan"), 0)
        named = zip(examples, _cell_names(examples, repetition), strict=True)
        found = [(known[name].value, example.group) for example, name in named if name in known]
        values, groups = [value for value, _ in found], [group for _, group in found]
        return Estimate(prompt, mean_of(values, groups, self.weigh) if found else float("nan"), len(found))

    def _shown(self, prompt: Prompt) -> Known:
        known = self._cells.get(prompt, {})
        # Floors are held against the start, which has lost nothing itself.
        if self._priced is None or (prompt == self.initial and isinstance(self._priced, Shortfalls)):
            return known
        # By the evaluator that scores now alone, as the price is.
        own = self._alike.get(prompt, {})
        shown = self._priced.shown(own, self._alike.get(self.initial, {}))
        return known if shown is own else {**known, **shown}

    def seen(self, prompt: Prompt, examples: Sequence[Example] | None = None, *, repetition: int = 0) -> list[Seen]:
        """Those of `examples` (None: train) that `prompt` was scored on, in order, and its scores; asks nothing."""
        known = self._shown(prompt) if self._told else self._cells.get(prompt, {})
        among = self.train if examples is None else examples
        named = zip(among, _cell_names(among, repetition), strict=True)
        return [(example, known[name]) for example, name in named if name in known]

    def candidates(self) -> list[Candidate]:
        """Every prompt that was proposed or scored, in the order it first came up, the start first."""
        order = dict.fromkeys([*self._lineage, *self._cells])
        return [
            Candidate(
                self._lineage.get(prompt, Proposal(prompt, operator="given")),
                self.searched(prompt),
                self.measured(prompt, self.dev),
            )
            for prompt in order
        ]

    def searched(self, prompt: Prompt) -> Estimate:
        """What the search knows of a prompt: its mean over the examples it ranks by, or over train."""
        # A minibatch beside the ranking set would move the mean of those alone that were shown it.
        return self.measured(prompt, self._ranking if self._ranking else self.train)

    def ranked(self, *, unseen: bool = False) -> list[Estimate]:
        """Every candidate that was scored at all, best first: the method's own order, then any others.

        By what they are believed to be worth (`posterior`); where the method ranks by a set of examples, by their worth
        on it, and where conversations count once by their worth on all. Ties to the earlier. A cap that cuts the search
        therefore loses none of them. `unseen`: after these, the latest first, those that a cap left without any score.
        """
        if unseen not in self._standing:
            self._standing[unseen] = self._ranked(unseen)
        return list(self._standing[unseen])

    def _ranked(self, unseen: bool) -> list[Estimate]:
        examples = self._ranking if self._ranking else tuple(dict.fromkeys([*self.train, *self.dev]))
        worth = self.worths(examples)
        chosen = [prompt for prompt in worth if self._others or prompt in self._order]
        scored = [self.estimate(prompt, examples) for prompt in chosen if self._cells.get(prompt)]
        hopeful: list[Prompt] = []
        # A belief is in the share of examples that are right.
        if not self._ranking and self.weigh == "turn":
            seen = [estimate.prompt for estimate in scored if estimate.count]
            hopeful = sorted(seen, key=lambda prompt: -worth[prompt])[:HOPEFUL]
        belief = self.posterior(hopeful).mean if hopeful else worth
        first = frozenset(hopeful)

        def place(estimate: Estimate) -> tuple[int, bool, bool, float]:
            prompt = estimate.prompt
            own = self._order.get(prompt, len(self._order))
            believed = belief[prompt] if prompt in first else worth[prompt]
            # Beliefs and worths are on scales of their own, so no number of one kind is held against one of the other.
            return own, estimate.count == 0, prompt not in first, -believed

        known = sorted(scored, key=place)
        if unseen and self._others:
            known += [self.estimate(each, examples) for each in reversed(worth) if not self._cells.get(each)]
        return known

    def evidence(self) -> tuple[Example, ...]:
        """The training examples that candidates are held against each other on: those ranked by, else all."""
        if not self._ranking:
            return self.train
        ranking = dict.fromkeys(self._ranking)
        return tuple(example for example in self.train if example in ranking)

    def worths(self, examples: Sequence[Example], prior: float = 0.0) -> dict[Prompt, float]:
        """What every candidate is worth by its scores on `examples` and its lineage, in the order they came up.

        `prior`: the worth of a start that was scored on none of them.
        """
        names = dict(zip(_cell_names(examples, 0), (example.group for example in examples), strict=True))
        known = {
            prompt: {name: score.dense for name, score in scores.items() if name in names}
            for prompt, scores in self._cells.items()
        }
        # Steps are taken by dense scores; where the start stands is what the verdict will measure it by.
        start = self.measured(self.initial, examples)
        level = start.mean if start.count else prior
        order = list(dict.fromkeys([*self._lineage, *self._cells]))
        groups = names if self.weigh == "conversation" else None
        found = worths(order, self._lineage, known, level, groups)
        if self._priced is None:
            return found

        def estimated(of_member: Sequence[Values]) -> list[float]:
            # As the start stands at `level` above: at the mean of its own scores there.
            begun = by_group(of_member[0], groups).values()
            start = math.fsum(begun) / len(begun) if begun else prior
            return list(worths(order, self._lineage, dict(zip(order, of_member, strict=True)), start, groups).values())

        prices = self._priced.prices([known.get(prompt, {}) for prompt in order], 0, estimated)
        return {prompt: worth - price for (prompt, worth), price in zip(found.items(), prices, strict=True)}

    def posterior(self, prompts: Sequence[Prompt], dev: Sequence[Example] = (), repetition: int = 0) -> Posterior:
        """What `prompts`, the latest others, and the forebears of both are worth by all their scores on train.

        `dev`: the choice is between `prompts`, by their scores of that repetition on these, and by `evidence`.
        A prompt that nobody proposed stands behind the start. Others that were never scored are left out: the model may
        take no request of theirs, and what is believed of them is hope alone.
        """
        new = {each.id: each for each in prompts if each.id not in self._placed}
        placed, behind_start = self._placed | new if new else self._placed, (self.initial.id,)
        asked = {self.initial.id, *(prompt.id for prompt in prompts)}
        held = self._with_forebears(asked, list(placed))
        place = {name: number for number, name in enumerate(held)}
        cells = {*_cell_names(self.evidence(), 0), *_cell_names(dev, repetition)} if dev else self._train_names
        known = [_among(self._dense.get(name, {}), cells) for name in held]
        parents = [[place[each] for each in self._forebears.get(name, behind_start)] for name in held]
        # In the search a drift costs more than it saves: what leads down so far is then tried no further.
        drift = DRIFT if dev else 0.0

        def believed(scores: Sequence[Values]) -> tuple[list[float], list[float], list[float]]:
            return beliefs(parents, [by_group(own, self._groups) for own in scores], drift)

        mean, deviation, apart = believed(known)
        if self._priced is not None:
            start = place[self.initial.id]
            prices = self._priced.prices(known, start, lambda of_member: believed(of_member)[0])
            mean = [own - price for own, price in zip(mean, prices, strict=True)]
        told = [(placed[name], number) for name, number in place.items() if name in asked or name in self._dense]
        return Posterior(*({prompt: each[number] for prompt, number in told} for each in (mean, deviation, apart)))

    def _with_forebears(self, asked: set[str], order: list[str]) -> list[str]:
        """The ids that are asked for and the latest of `order`, with their forebears: parents before their children."""
        # All that there are, as a rule, with those of a small search.
        if len(order) <= RELATIVES:
            return order
        wanted: set[str] = set()
        pending = [*asked, *order[-RELATIVES:]]
        while pending:
            name = pending.pop()
            if name not in wanted:
                wanted.add(name)
                pending += self._forebears.get(name, ())
        return [name for name in order if name in wanted]

    def unscored(self, prompts: Sequence[Prompt], examples: Sequence[Example], repetition: int) -> Iterator[Cell]:
        """The cells without a score, prompt by prompt."""
        # Beside whatever a candidate is scored on, the start: floors are held against it on the same examples.
        for prompt in dict.fromkeys([self.initial, *prompts] if self._told else prompts):
            if prompt not in self._cells:
                self._cells[prompt], self._standing = {}, {}
            known = self._cells[prompt]
            for example, name in zip(examples, _cell_names(examples, repetition), strict=True):
                if name not in known:
                    yield Cell(prompt, example, repetition)

    def lacking(self, pairs: Sequence[tuple[Prompt, Example]]) -> list[Cell]:
        """The cells without a score, each prompt on its own example."""
        beside = (self.initial,) if self._told else ()
        wanted = dict.fromkeys((prompt, example) for own, example in pairs for prompt in (*beside, own))
        return [Cell(*pair) for pair in wanted if not self.estimate(pair[0], [pair[1]]).count]


def _cell_names(examples: Sequence[Example], repetition: int) -> list[str]:
    # The first goes by the plain id, which `seen` and the posterior look up.
    if repetition == 0:
        return [example.id for example in examples]
    return [f"{example.id}/{repetition}" for example in examples]


def _among(own: dict[str, float], names: Set[str]) -> dict[str, float]:
    # As a rule all of them are among the names: nothing is copied then.
    return own if own.keys() <= names else {name: value for name, value in own.items() if name in names}
