"""MIPRO: instructions grounded in data, program and solved examples, sets of demonstrations, and a Bayesian search.

Paper    Opsahl-Ong et al. 2024, Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs,
         EMNLP 2024, arXiv:2406.11695; settings and order of work are those of MIPROv2 in DSPy 3.4.1, preset "medium".
Calls    proposer: up to 11 for the summary of the data, and 3 for each of the K - 1 new instructions of each text (1
         where the program is not described); task model: V for the start, a minibatch a trial, V every five trials, and
         one for each example that is tried to make demonstrations.
Scales   with S evaluations: the preset is light below 1,000, heavy from 5,000 on, with half as many sets and three
         times the instructions; V and the minibatch, a third of it, shrink until the preset's trials are paid for, and
         what is left in the end goes to further trials; a program of one text is not described. 500 are 10 trials on
         21 of 62 examples. `preset=paper`, or no cap: the constants.
Departs  the proposal that the code makes and throws away is not asked for; equal sets and equal instructions count
         once; a proposal that quotes an example, lost a placeholder, refuses or is the start's text is dropped and
         counted; the two sets of examples are drawn, not cut off; the start is credited to its own demonstrations;
         where all combinations were scored in full the search goes on (code: an error); a combination is ranked by its
         mean over distinct examples; demonstrations belong to the whole prompt, so there is one variable for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.operators.bootstrapping import Teacher, Teaching, labelled
from promptopt.operators.demos import draw, shows_demos, unlike
from promptopt.operators.quotes import Quotes
from promptopt.optimizers.mipro.grounding import FURTHER, Grounds, instructions_for, summary_of
from promptopt.optimizers.mipro.plan import FULL_EVERY, Given, MIPROPlan, trials_plan
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import SPARE, Preset
from promptopt.selection.minibatches import Minibatches
from promptopt.selection.parzen import Choice, Parzen
from promptopt.tasks.parts import editables_of
from promptopt.types import Example, Prompt, Proposal, Room, Sampling, UpperBounds

TEACHING = Teaching(bootstrapped=4, labelled=4)
SAMPLING = Sampling(temperature=1.0, max_tokens=1024)


@dataclass(frozen=True, slots=True)
class Proposing:
    """The instructions there are to choose from."""

    instructions: int | None = None
    """K, instructions of each text, the start's among them. None: by the budget 9, 18, 27; code, by preset: 3, 6, 9."""
    summary: bool = True
    """Whether the proposer sums up the data first. Code."""
    batch: int = 10
    """Examples that it looks at at once for that. Code."""
    aware: bool | None = None
    """Whether it describes the program and the text's place in it, two calls more for each proposal. None: under a
    budget where there are several texts, else always. False: nothing is said of the program, and no source of one is
    shown. Code: always."""
    longest: int = 400
    """Tokens that a text may have; one that is longer already may grow by a quarter. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Code; the length of a reply is ours."""

    def __post_init__(self) -> None:
        within(self, instructions=(1, math.inf), batch=(1, math.inf), longest=(1, math.inf))


@told
@dataclass(frozen=True, slots=True)
class MIPRO:
    """Which instruction for which text, with which set of demonstrations: found by trial."""

    name: ClassVar[str] = "mipro"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    trials: int | None = None
    """T, combinations that are tried. None: by the budget; code: max(2 v log2 n, 1.5 n) for v variables, n sets."""
    sets: int | None = None
    """N, sets of demonstrations. None: by the budget 3, 6, 9; code, by preset: 6, 12, 18. 1: the start's own alone."""
    minibatch: int | None = None
    """Examples of a trial. None: by the budget; code: 35, or all where there are 50 at most."""
    scored: int | None = None
    """V, examples of a full score, at most. None: by the budget; code, by preset: 100, 300, 1000."""
    teach: Teaching = TEACHING
    """How demonstrations are made."""
    propose: Proposing = Proposing()
    """The instructions."""

    def __post_init__(self) -> None:
        within(self, trials=(0, math.inf), sets=(1, math.inf), minibatch=(1, math.inf), scored=(1, math.inf))

    def plan(self, room: Room) -> MIPROPlan:
        """By the budget where there is one, else by the code's preset "medium"."""
        given = Given(self.trials, self.propose.instructions, self.sets, self.minibatch, self.scored)
        return trials_plan(room, given, bootstrapped=self.teach.bootstrapped, by_budget=self.preset == "budget")

    def least(self, room: Room) -> int:
        """Two full scores, ten trials, and the demonstrations of one set."""
        plan = self.plan(room)
        return 2 * self.teach.bootstrapped + 2 * min(plan.scored, 20) + 10 * min(plan.minibatch, 7)

    def optimize(self, run: Run) -> None:
        """Search; what is shown and what is scored on are different parts of `train`."""
        plan = self.plan(run.room)
        shown, scored = _split(run, plan)
        table = Minibatches(run, scored)
        table.score(run.initial, scored)
        # Only what was scored on all V may win (code): nobody but the start, as long as that is all.
        run.rank_by(scored, [run.initial], others=False)
        sets, written = self._sets(run, plan, shown)
        texts = self._instructions(run, plan, shown, written)
        variables = {part: len(found) for part, found in texts.items()} | {"demonstrations": len(sets)}
        if math.prod(variables.values()) == 1:
            run.warn("neither another instruction nor a set of demonstrations came about, so there is nothing to try")
            return
        # Numpy, which Optuna draws by, takes seeds of 32 bits.
        sampler = Parzen(variables, run.rng("tpe").getrandbits(32), plan.startup)
        # The start with its own demonstrations; the code credits its score to none, though it may have some.
        sampler.tell((0,) * len(variables), table.mean(run.initial))
        choices: dict[Prompt, Choice] = {}
        most = self._most_trials(run.room)
        for number in range(1, most + 1):
            if number > plan.rounds and not _pays_for_another(run, scored):
                break
            choice = sampler.suggest()
            prompt = _combined(run, texts, sets, choice)
            # The first choice stands for a prompt that several make, as where the task forbids one.
            choices.setdefault(prompt, choice)
            sampler.told(table.score(prompt, draw(run.rng("minibatch"), scored, plan.minibatch)))
            # After every fifth trial and after the last (code).
            due = number % FULL_EVERY == 0 or number in (plan.rounds, most)
            if not due and number > plan.rounds and not _pays_for_another(run, scored):
                # With a larger budget another trial would come first.
                run.follow_budget()
                due = True
            if due:
                best = table.best_of_the_rest()
                # None where all were scored in full, at which the code fails.
                if best is not None:
                    # A trial more to the estimator, which weighs it like one on a minibatch (code).
                    sampler.tell(choices[best], table.score(best, scored))
                estimates = table.estimates()
                run.rank_by(scored, [each.prompt for each in estimates if each.count == len(scored)], others=False)
                run.record(estimates, [estimates[0].prompt])

    def _most_trials(self, room: Room) -> int:
        """Trials at most: further ones under a budget, as known cells cost nothing. A number that is set stays."""
        by_budget = self.preset == "budget" and room.cells() is not None
        return self.plan(room).rounds * (SPARE if by_budget and self.trials is None else 1)

    def _sets(
        self, run: Run, plan: MIPROPlan, shown: Sequence[Example]
    ) -> tuple[list[tuple[Example, ...]], list[list[Example]]]:
        """Up to N distinct sets, the start's own first; and of each those that the teacher wrote."""
        own, most = run.initial.demos, self.teach.bootstrapped
        sets: dict[tuple[Example, ...], list[Example]] = {own: []}
        if plan.sets == 1:
            return list(sets), list(sets.values())
        if not shows_demos(run.task):
            run.warn("the task's layout has no place for demonstrations, so only the instructions are searched")
            return list(sets), list(sets.values())
        sets.setdefault((), [])
        sets.setdefault(labelled(run, shown, self.teach.labelled, "labelled"), [])
        teacher = Teacher(run, self.teach, shown)
        # As many attempts as sets that are missing: with few examples some come out equal.
        for number in range(plan.sets - len(sets)):
            # The first as the data stand, and full; the others shuffled, of a size from 1 to B (code).
            order = draw(run.rng("shuffled"), shown, len(shown)) if number else shown
            size = run.rng("sizes").randint(min(1, most), most) if number else most
            # What was tried is known to the teacher, so the next line asks nothing.
            solved = list(teacher.solved(order, size).values())
            sets.setdefault(teacher.demonstrations(order, size), solved)
        return list(sets)[: plan.sets], list(sets.values())[: plan.sets]

    def _instructions(
        self, run: Run, plan: MIPROPlan, shown: Sequence[Example], written: Sequence[Sequence[Example]]
    ) -> dict[str, list[str]]:
        """For each text those there are to choose from, the start's own first."""
        parts, settings = editables_of(run.task), self.propose
        # The start's own is all there is, so nothing is asked of the proposer.
        if plan.instructions == 1:
            return {part: [run.initial[part]] for part in parts}
        aware = settings.aware
        if aware is None:
            aware = len(parts) > 1 or self.preset == "paper" or run.room.cells() is None
        summary = summary_of(run, shown, settings.batch, settings.sampling) if settings.summary else ""
        quotes = Quotes(shown, run.task.labels, run.initial)
        program = None if settings.aware is False else run.abilities.program
        known = Grounds(summary, program, shown[0] if aware else None)
        return {
            part: instructions_for(
                run,
                part,
                plan.instructions,
                written,
                quotes,
                known=known,
                longest=settings.longest,
                sampling=settings.sampling,
            )
            for part in parts
        }

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds in that room for one editable text; replies off their form are asked for twice."""
        plan, cells = self.plan(room), room.cells()
        each = 1 if self.propose.aware is False or (self.propose.aware is None and cells is not None) else 3
        batches = -(-plan.shown // self.propose.batch)
        # The summary: a first look, further ones, and what is made of them.
        calls = (plan.instructions - 1) * each + (2 + min(FURTHER, batches - 1) if self.propose.summary else 0)
        calls = 2 * calls if plan.instructions > 1 else 0
        trials = self._most_trials(room)
        full = 1 + math.ceil(trials / FULL_EVERY) + (trials > plan.rounds)
        evaluations = plan.shown * self.teach.tries + full * plan.scored + trials * plan.minibatch
        evaluations = evaluations if cells is None else min(cells, evaluations)
        return UpperBounds(evaluations, calls, calls * self.propose.sampling.max_tokens)


def _split(run: Run, plan: MIPROPlan) -> tuple[list[Example], list[Example]]:
    """The examples that proposals and demonstrations are made from, and those that are scored on, with other inputs."""
    # Equal inputs on both sides would show the answer to what is scored.
    pool = unlike(run.rng("split").sample(run.train, len(run.train)))
    if len(pool) < 2:
        raise ConfigError("one training example cannot be both shown and scored on: add training examples")
    count = min(plan.shown, len(pool) - 1)
    return pool[:count], pool[count:][: plan.scored]


def _pays_for_another(run: Run, scored: Sequence[Example]) -> bool:
    """Whether a trial more can be paid for: a minibatch of one prompt, and what the best then lacks of a full score."""
    left = run.evaluations_left()
    return left is None or left >= len(scored)


def _combined(run: Run, texts: dict[str, list[str]], sets: Sequence[tuple[Example, ...]], choice: Choice) -> Prompt:
    """The prompt of a choice, as a candidate of the run; one that the task forbids gives the start again."""
    prompt = run.initial.with_demos(sets[choice[-1]])
    for (part, found), number in zip(texts.items(), choice, strict=False):
        prompt = prompt.replace(part, found[number])
    if prompt == run.initial:
        return prompt
    named = [f"{part} {number}" for part, number in zip([*texts, "set"], choice, strict=True)]
    return next(iter(run.admit([Proposal(prompt, (run.initial,), "combination", ", ".join(named))])), run.initial)
