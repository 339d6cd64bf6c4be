"""SPRIG: a system prompt out of components, by beam search over all edits, with bounds on what is worth adding.

Source   Zhang, Ergen, Logeswaran, Lee, Jurgens 2024, SPRIG, arXiv:2410.14826 (version 1 and 2: beam search with UCB
         pruning; version 3, a population behind a surrogate, is `search="population"`: `sprig/population.py`).
Step     every edit of every prompt of the beam: each component of the pool at each place, each one out, each two
         swapped, each rephrased; all scored on one draw of examples; the best B go on. An addition is credited with the
         change of the score, a deletion with its negative, and the pool of the next step is the A components with the
         highest upper confidence bound.
Cost     (A (L + 1) + L + L (L - 1) / 2 + r L) evaluations of the draw for a beam prompt of L components. Under a budget
         candidates are a uniform sample of the edits, as many as it affords. So the first step tries a part of the
         corpus, and the next pools are of what was never tried. Proposer: a call for each component of the beam that
         is rephrased for the first time.
Several  tasks under one prompt: the draw has as many examples of each, and a candidate is worth what the tasks'
         objective makes of the means.
Departs  it begins at the user's prompt, which stays whole and first, and not at an empty one; parents are scored on the
         step's draw and compete, where the reference compares a child with its parent's score of the last step and
         drops the parents; credits are divided by their standard deviation, and of equal bounds chance decides; a
         family stands in a prompt once; the best is chosen on dev with the start among the finalists, where the
         reference leaves a table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.operators.replies import Form
from promptopt.optimizers.sprig.bandit import Credits
from promptopt.optimizers.sprig.corpus import Component, closed, corpus_of, fault
from promptopt.optimizers.sprig.edits import Candidates, ComponentEdit, Parts, enumerated, text_of_parts
from promptopt.optimizers.sprig.plan import FEWEST_CANDIDATES, SprigPlan, affordable, edits_at_most
from promptopt.optimizers.sprig.population import MOST_COMPONENTS, Population, PopulationSettings
from promptopt.optimizers.sprig.population_plan import ROUND, TRIES, PopulationPlan, planned_population
from promptopt.optimizers.sprig.scoring import (
    OnTaskError,
    prompt_with_components,
    scored_or_left_out,
    step_examples,
    texts_in_list,
    worth_of,
)
from promptopt.optimizers.sprig.surrogate import RewardModel, ScorePredictor
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import SPARE, Preset
from promptopt.text import Pattern
from promptopt.types import Estimate, Message, Prompt, Proposal, Room, Sampling, UpperBounds

REQUEST = Pattern(
    '''Say the following sentence of a system prompt in {count} other ways. Each has to mean the same, stand for \
itself, and have at most {most} words.

"""
{section}
"""

Answer with a JSON list of {count} texts and nothing else.''',
    ("section", "count", "most"),
)
FORM = Form(REQUEST)
SAMPLING = Sampling(temperature=1.0, max_tokens=512)
_LONGEST = 40
"""Words of a paraphrase that the proposer is asked for at most, as of a component (`MOST_WORDS`)."""
BUDGET_COMPONENTS = 8
"""Components in a prompt under a budget, at most. Ours."""


@told
@dataclass(frozen=True, slots=True)
class Sprig:
    """Adds, takes out, swaps and rephrases components after the start prompt; what proves itself stays."""

    name: ClassVar[str] = "sprig"

    search: Literal["beam", "population"] = "beam"
    """`population`: the paper's later form, where a surrogate ranks many prompts and few are scored."""
    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    steps: int | None = None
    """Rounds. None: by the budget, 10 without one, as is reported of the paper's runs; 25 of a population."""
    beam: int | None = None
    """B, prompts that go on. None: 4 under a budget (ours), 10 without one."""
    pool: int | None = None
    """A, components that may be added in a step. None: 12 under a budget (ours), 60 without one."""
    rephrasings: int | None = None
    """r, of each component. None: 3 under a budget (ours), 10 without one. 0: the proposer is not asked."""
    examples: int | None = None
    """Of each task a step, the same for all candidates of the step. None: by the budget, 10 without one."""
    most_components: int | None = None
    """Components in a prompt. None: 8 under a budget (ours: the paper's have two to five), any number without one."""
    longest: int = 400
    """Tokens that may be added to the start, without a budget too. Ours."""
    ucb: float = 1.0
    """Factor of the bound's bonus; 1 is the reference's."""
    scaled: bool = True
    """Whether credits are divided by their standard deviation. Ours."""
    corpus: str = ""
    """A file of components, a JSON object a line (id, text, category). Empty: the one that comes along."""
    components: tuple[str, ...] = ()
    """One's own, as texts or paragraphs that end in a stop. Any given, or a file, take the place of those that come."""
    on_task_error: OnTaskError = "stop"
    """What follows where a metric fails on a reply. `skip`: the prompt is left out, and the search goes on. Ours."""
    surrogate: ScorePredictor = field(default_factory=RewardModel)
    """Of a population: what ranks it."""
    sampling: Sampling = field(default=SAMPLING)
    """How the proposer is asked. Ours."""

    def __post_init__(self) -> None:
        limits = dict.fromkeys(("steps", "beam", "pool", "examples", "most_components", "longest"), (1, math.inf))
        within(self, rephrasings=(0, math.inf), ucb=(0, math.inf), **limits)
        corpus_of(self.corpus, self.components, self.longest)

    def plan(self, room: Room) -> SprigPlan | PopulationPlan:
        """By the budget where there is one."""
        return self._of_beam(room) if self.search == "beam" else self._of_population(room)

    def _of_population(self, room: Room) -> PopulationPlan:
        cells = None if self.preset == "paper" else room.cells()
        return planned_population(room, cells, self.examples, self.steps, writes=self.rephrasings != 0)

    def _of_beam(self, room: Room) -> SprigPlan:
        cells = None if self.preset == "paper" else room.cells()
        by_budget = cells is not None
        # Smaller under a budget: at two components a step of the paper's sizes has 10 * 203 edits.
        beam, pool, rephrasings = (
            (small if by_budget else paper) if own is None else own
            for own, small, paper in ((self.beam, 4, 10), (self.pool, 12, 60), (self.rephrasings, 3, 10))
        )
        if cells is None:
            steps, examples = 10 if self.steps is None else self.steps, 10 if self.examples is None else self.examples
            return SprigPlan(
                steps=steps,
                beam=beam,
                pool=pool,
                rephrasings=rephrasings,
                examples=min(examples, room.train),
                candidates=None,
                evaluations=None,
            )
        steps, examples, candidates = affordable(room, cells, self.examples, beam)
        steps = steps if self.steps is None else self.steps
        return SprigPlan(
            steps=steps,
            beam=beam,
            pool=pool,
            rephrasings=rephrasings,
            examples=examples,
            candidates=candidates,
            evaluations=cells,
        )

    def components_in(self, plan: SprigPlan | PopulationPlan) -> int:
        """The most components of a prompt: a step adds one, so without a cap as many as there are steps.

        Of a population without a cap the paper's 30.
        """
        if self.most_components is not None:
            return self.most_components
        if isinstance(plan, PopulationPlan):
            return MOST_COMPONENTS if plan.evaluations is None else BUDGET_COMPONENTS
        return plan.steps if plan.evaluations is None else BUDGET_COMPONENTS

    def least(self, room: Room) -> int:
        """The start and eight additions on four examples; of a population twice as many, and a step."""
        return (9 if self.search == "beam" else 18 + ROUND) * min(4, room.train)

    def optimize(self, run: Run) -> None:
        """Search step by step."""
        # What is learned is of one text: of several editable parts, the first.
        run.edit(run.task.editable, hold=True)
        corpus = corpus_of(self.corpus, self.components, self.longest)
        if self.search == "population":
            wide = self._of_population(run.room)
            settings = PopulationSettings(
                self.components_in(wide), self.longest, self.sampling, self.surrogate, self.on_task_error
            )
            Population(settings, run, wide, corpus).search()
            return
        plan = self._of_beam(run.room)
        search = _Search(self, run, plan, corpus)
        # Without a component: the start itself.
        beam: list[Parts] = [()]
        for _ in range(plan.steps):
            beam = search.step(beam, search.most(beam))
        # Where prompts had fewer edits than were planned.
        further = (SPARE - 1) * plan.steps if plan.evaluations is not None and self.steps is None else 0
        for _ in range(further):
            if (paid := search.paid_for(beam)) < FEWEST_CANDIDATES:
                break
            beam = search.step(beam, min(paid, search.most(beam) or paid))

    def upper_bounds(self, train: int) -> UpperBounds:
        """Without a budget: every edit of every prompt in every step, at the longest."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """In that room."""
        if self.search == "population":
            most = self._of_population(room)
            prompts = most.data + 1 + most.steps * (most.tried + most.best + 1)
            asked = most.steps * most.written * max(TRIES.values())
            return UpperBounds(prompts * most.examples, asked, asked * self.sampling.max_tokens)
        plan = self._of_beam(room)
        corpus = len(corpus_of(self.corpus, self.components, self.longest))
        rounds = plan.steps
        if plan.evaluations is not None and self.steps is None:
            # Further ones only where so many candidates are paid for.
            rounds = min(
                SPARE * plan.steps, max(plan.steps, plan.evaluations // ((FEWEST_CANDIDATES + 1) * plan.examples))
            )
        longest = min(self.components_in(plan), rounds)
        edits = [0 if plan.candidates is None else plan.candidates] * rounds
        if plan.candidates is None:
            edits = [edits_at_most(step, corpus if step == 0 else plan.pool, plan) for step in range(plan.steps)]
        cells = sum(count + plan.beam for count in edits) * plan.examples
        cells = cells if plan.evaluations is None else min(cells, plan.evaluations)
        asked = plan.beam * longest * rounds if plan.rephrasings else 0
        return UpperBounds(cells, asked, asked * self.sampling.max_tokens)


class _Search:
    """One search: what is known of components, and the prompts that they make."""

    def __init__(self, method: Sprig, run: Run, plan: SprigPlan, corpus: Sequence[Component]) -> None:
        self._method = method
        self._run = run
        self._plan = plan
        # Ties go by place, and all that was never tried ties: by id a small budget would try one category alone.
        self._corpus = run.rng("corpus").sample(list(corpus), len(corpus))
        self._credits = Credits(method.scaled)
        self._rephrased: dict[str, tuple[Component, ...]] = {}

    def most(self, beam: Sequence[Parts]) -> int | None:
        """Candidates of a planned step; None: all. Where the beam is not full yet, others take its places."""
        plan = self._plan
        if plan.candidates is None:
            return None
        return max(plan.candidates, min(plan.candidates + plan.beam - len(beam), self.paid_for(beam)))

    def paid_for(self, beam: Sequence[Parts]) -> int:
        """Candidates of a step that what is left of the plan pays for."""
        plan = self._plan
        assert plan.evaluations is not None
        return (plan.evaluations - self._run.spent.evaluations) // plan.examples - len(beam)

    def step(self, beam: list[Parts], most: int | None) -> list[Parts]:
        """The beam after one step of so many candidates."""
        run, plan = self._run, self._plan
        examples = step_examples(run, plan.examples, shared=plan.evaluations is not None)
        pool = self._credits.select(self._corpus, plan.pool, self._method.ucb)
        found = Candidates()
        for parent in beam:
            for parts, edit in enumerated(parent, pool, self._rephrasings(parent), self._method.components_in(plan)):
                found.add(parts, edit)
        known = {text_of_parts(parent) for parent in beam}
        fresh = self._sampled([text for text in found.parts if text not in known], most)
        # The beam first: of equals what is there already goes on.
        prompts = {
            text: prompt_with_components(run, parts)
            for text, parts in ((text_of_parts(parent), parent) for parent in beam)
        }
        prompts |= self._admitted(found, fresh)
        matrix = scored_or_left_out(run, prompts.values(), examples, self._method.on_task_error)
        scored = frozenset(matrix)
        prompts = {text: prompt for text, prompt in prompts.items() if prompt in scored}
        worth = {
            text: worth_of(run.task, examples, [score.value for score in matrix[prompt]])
            for text, prompt in prompts.items()
        }
        self._credit(found.edits, worth, [text for text in prompts if text in found.edits])
        parts = {**found.parts, **{text_of_parts(parent): parent for parent in beam}}
        kept = sorted(prompts, key=lambda text: -worth[text])[: plan.beam]
        run.record([Estimate(prompts[text], worth[text], len(examples)) for text in prompts],
                   [prompts[text] for text in kept])  # fmt: skip
        return [parts[text] for text in kept]

    def _sampled(self, texts: list[str], most: int | None) -> list[str]:
        if most is None or len(texts) <= most:
            return texts
        # Back in the order of the edits, so that ties go by it.
        places = sorted(self._run.rng("candidates").sample(range(len(texts)), most))
        return [texts[place] for place in places]

    def _admitted(self, found: Candidates, texts: Sequence[str]) -> dict[str, Prompt]:
        """The candidates that the task lets in, by what they read."""
        run = self._run
        made: dict[str, Prompt] = {}
        for text in texts:
            if run.count_tokens(text) > self._method.longest:
                run.reject(f"sprig: more than {self._method.longest} tokens added")
                continue
            made[text] = prompt_with_components(run, found.parts[text])
        proposals = [
            Proposal(prompt,
                     tuple(dict.fromkeys(prompt_with_components(run, edit.parent) for edit in found.edits[text])),
                     found.edits[text][0].kind, found.edits[text][0].family)
            for text, prompt in made.items()
        ]  # fmt: skip
        admitted = frozenset(run.admit(proposals))
        return {text: prompt for text, prompt in made.items() if prompt in admitted}

    def _credit(
        self, edits: Mapping[str, Sequence[ComponentEdit]], worth: Mapping[str, float], scored: Sequence[str]
    ) -> None:
        for text in scored:
            # By every way it came about: one candidate may be the addition of several families.
            for edit in edits[text]:
                parent = text_of_parts(edit.parent)
                if parent not in worth:
                    continue
                # On one draw, so that its luck is in neither; a swap or a rephrasing says nothing of a family.
                change = worth[text] - worth[parent]
                if edit.kind == "add":
                    self._credits.add(edit.family, change)
                elif edit.kind == "delete":
                    self._credits.add(edit.family, -change)

    def _rephrasings(self, parent: Parts) -> Mapping[str, Sequence[Component]]:
        """Other wordings of the components of a prompt, asked for once; they count to the family of the first."""
        if not self._plan.rephrasings:
            return {}
        # A paragraph of the user's own stays as it was written: 40 words would not hold what it says.
        unknown = [each for each in parent if each.id not in self._rephrased and not fault(each.text, each.category)]
        count = self._plan.rephrasings
        requests = [
            REQUEST.render({"section": each.text, "count": str(count), "most": str(_LONGEST)}) for each in unknown
        ]
        replies = self._run.generate([(Message("user", text),) for text in requests], self._method.sampling)
        for each, reply in zip(unknown, replies, strict=True):
            self._rephrased[each.id] = self._usable(each, reply.text)[:count]
        return self._rephrased

    def _usable(self, component: Component, reply: str) -> tuple[Component, ...]:
        texts = texts_in_list(reply)
        kept: dict[str, None] = {}
        for text in texts:
            plain = closed(" ".join(text.split()))
            if fault(plain) or FORM.repeated_by(plain, (component.text,)):
                self._run.reject("sprig: a rephrasing that breaks the corpus's rules")
            elif plain.casefold() != component.text.casefold():
                kept.setdefault(plain)
        if not texts:
            self._run.reject("sprig: no JSON list in the reply")
        return tuple(
            Component(f"{component.id}/{number}", text, component.category, component.family)
            for number, text in enumerate(kept, start=1)
        )
