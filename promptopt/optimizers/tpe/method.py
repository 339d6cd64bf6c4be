"""TPE: a Bayesian search over pairs of an instruction and a set of demonstrations, in the manner of MIPRO.

Paper    Opsahl-Ong et al. 2024, Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs
         (MIPRO), arXiv:2406.11695; settings and order of work are those of MIPROv2 in DSPy 3.4.1, its preset "medium".
Scales   with the budget, of S evaluations: rounds of max(4, 0.7 S^(1/3)) new instructions written from the best one,
         twice as many trials on a few examples that are drawn anew each round, and looks by the posterior over the
         lineage at the better half of the pairs and the best two so far; S^(1/4) sets of demonstrations, made once
         for a tenth of S at most. 500 evaluations are about 15 rounds, 2,000 are 33. Where S is below 210 and calls are
         capped, an instruction is written once more before it is tried.
Paper's  rule, by `preset=paper` and where there is no cap: one round. Proposer: K - 1; task model: S for the start, at
         most M*d to make demonstrations, a minibatch a trial, and S every few trials, with K instructions, M sets of up
         to d demonstrations and S examples to score on: 5, and 300 + 48 + 18*35 + 4*300. A reply off its form is asked
         for once more.
Departs  the budget's rule, which is ours; a prompt is one module, and what the task says of itself stands in for
         summaries of data and program; an instruction is grounded in drawn examples, not in a set of demonstrations,
         and dropped where it quotes one; where too few examples are solved, sets are filled with others, told with
         their targets; equal sets count once; the mean of a pair is over distinct examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from promptopt.arguments import told
from promptopt.operators.demos import draw
from promptopt.operators.grounded import PROPOSE, TIPS, proposal_request
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import show_example
from promptopt.operators.replies import Form
from promptopt.operators.rewrite import again, rewrites
from promptopt.optimizers.tpe.bootstrap import BOOTSTRAPPING, Bootstrapping, demo_sets
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Fresh, GenerationalSelection, Preset, fresh, least_generation, writings_of
from promptopt.selection.minibatches import Minibatches
from promptopt.selection.parzen import Choice, Parzen
from promptopt.tasks.parts import wording
from promptopt.text import counted
from promptopt.types import Example, Prompt, Proposal, Room, Sampling, UpperBounds

SAMPLING = Sampling(temperature=1.0, max_tokens=1024)
FORM = Form(PROPOSE, *TIPS)
TRIALS = 2
"""Trials for each new instruction by the budget. Ours."""
DRY = 3
"""Rounds without a new instruction before the search begins again, and then ends. Ours: one may be
chance, and each costs calls."""


@dataclass(frozen=True, slots=True)
class Proposing:
    """The instructions there are to choose from."""

    instructions: int | None = None
    """K, instructions of a round, the best one so far among them. None: by the budget; code: 6."""
    examples: int = 3
    """Training examples shown for each. Code."""
    longest: int = 400
    """Tokens that an instruction may have; a start that is longer may grow by a quarter. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Code; the length of a reply is ours."""

    def __post_init__(self) -> None:
        within(self, instructions=(1, math.inf), examples=(0, math.inf), longest=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Scoring:
    """How pairs are scored by the paper's rule."""

    minibatch: int = 35
    """Examples drawn for a trial. Code."""
    full_every: int = 5
    """Trials after which the best pair by its mean, of those not yet scored in full, is. Code."""
    examples: int = 300
    """S, the examples of a full score, at most. Code."""

    def __post_init__(self) -> None:
        within(self, minibatch=(1, math.inf), full_every=(1, math.inf), examples=(1, math.inf))


@dataclass(frozen=True, slots=True)
class TPEPlan:
    """Concrete numbers, of a round: K instructions, M sets, trials. `fresh`: None for the paper's one round."""

    rounds: int
    instructions: int
    sets: int
    trials: int
    fresh: Fresh | None

    def describe(self) -> str:
        """Half a sentence."""
        rounds = counted(self.rounds, "round")
        return (
            f"{rounds} of {counted(self.instructions, 'instruction')}, {self.sets} sets of demonstrations and "
            f"{counted(self.trials, 'trial')}"
        )


@told
@dataclass(frozen=True, slots=True)
class TPE:
    """Which instruction with which demonstrations: a tree-structured Parzen estimator suggests what to try next."""

    name: ClassVar[str] = "tpe"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    trials: int | None = None
    """Pairs tried on a minibatch, in a round. None: by the budget; code: 18, the larger of 2 * variables * log2(M) and
    1.5 * M."""
    propose: Proposing = Proposing()
    """The instructions."""
    bootstrap: Bootstrapping = BOOTSTRAPPING
    """The demonstrations."""
    score: Scoring = Scoring()
    """The trials of the paper's rule."""

    def __post_init__(self) -> None:
        within(self, trials=(0, math.inf))

    def plan(self, room: Room) -> TPEPlan:
        """By the budget where there is one, else by the paper's rule."""
        wanted, sets, trials = self.propose.instructions, self.bootstrap.sets, self.trials
        cells = None if self.preset == "paper" else room.cells()
        if cells is None:
            return TPEPlan(
                1, 6 if wanted is None else wanted, 12 if sets is None else sets, 18 if trials is None else trials, None
            )
        if sets is None:
            # As many as a tenth of the evaluations can make demonstrations for.
            sets = max(3, min(round(cells**0.25), cells // (10 * self.bootstrap.demos)))
        demonstrations = min(sets * self.bootstrap.demos, self._most_shown(room.train))
        found = fresh(room, children=None if wanted is None else max(1, wanted - 1), aside=demonstrations, again=True)
        assert found is not None
        # Pairs that share an instruction or a set tell of each other: at every budget that finds more than rejects do.
        found = replace(found, lineage=True)
        trials = TRIALS * found.children if trials is None else trials
        # Trials cost a third of what the looks do, and half of the pairs are left out of these.
        return TPEPlan(max(1, found.rounds), 1 + found.children, sets, trials, found)

    def least(self, room: Room) -> int:
        """Demonstrations and two rounds; by the paper's rule a full score of the start and of one pair, and trials."""
        plan = self.plan(room)
        if plan.fresh is not None:
            return 2 * plan.trials + 2 * least_generation() + 3 * self.bootstrap.demos
        return 2 * min(self.score.examples, room.train) + plan.trials * min(self.score.minibatch, room.train)

    def optimize(self, run: Run) -> None:
        """Search; what is shown and what is scored on are different parts of `train`."""
        plan = self.plan(run.room)
        shown, scored = self._split(run, plan)
        run.rank_by(scored)
        if plan.fresh is None:
            self._published(run, plan, shown, scored)
        else:
            self._planned(run, plan, plan.fresh, shown, scored)

    def _planned(
        self, run: Run, plan: TPEPlan, planned: Fresh, shown: Sequence[Example], scored: Sequence[Example]
    ) -> None:
        """Rounds: new instructions from the best one, trials on fresh examples, looks at the better half."""
        sets = demo_sets(run, self.bootstrap, plan.sets, shown)
        search, writings = GenerationalSelection(run, scored, planned, DRY), writings_of(run, planned.writings)
        elite, found = [run.initial], {wording(run.task, run.initial)}
        while search.open:
            best = elite[0]
            written = self._instructions(run, plan.instructions - 1, best, shown, found, writings)
            # Pairs of the elite share texts: an instruction is one variable, whatever demonstrations it won with.
            texts = {prompt.texts: prompt for prompt in [*elite, *written]}
            tried = self._trials(run, plan, best, list(texts.values()), sets, scored, search.first_look)
            better = [prompt for prompt in tried if prompt not in elite][: max(2, (plan.instructions - 1) // 2)]
            # A search for nothing but sets ends when these have been compared.
            elite = search.survivors(elite, better if written or search.first else [])

    def _trials(
        self,
        run: Run,
        plan: TPEPlan,
        best: Prompt,
        instructions: Sequence[Prompt],
        sets: Sequence[tuple[Example, ...]],
        scored: Sequence[Example],
        look: int,
    ) -> list[Prompt]:
        """The pairs that the sampler suggests for one minibatch, best first; ties to the earlier."""
        examples = draw(run.rng("minibatch"), scored, look)
        # With the ten random trials of Optuna, few of a small round would be guided.
        sampler = Parzen(_variables(instructions, sets), run.rng("tpe").getrandbits(32), max(2, plan.trials // 3))
        values: dict[Prompt, float] = {}
        for _ in range(plan.trials):
            instruction, number = sampler.suggest()
            prompt = _combined(run, instructions[instruction], number, sets, best)
            row = run.evaluate([prompt], examples).values(prompt)
            values[prompt] = math.fsum(row) / len(row)
            sampler.told(values[prompt])
        return sorted(values, key=values.__getitem__, reverse=True)

    def _published(self, run: Run, plan: TPEPlan, shown: Sequence[Example], scored: Sequence[Example]) -> None:
        """The paper's search: trials on minibatches, and a full score of the best every few."""
        table = Minibatches(run, scored)
        table.score(run.initial, scored)
        sets = demo_sets(run, self.bootstrap, plan.sets, shown)
        found = {wording(run.task, run.initial)}
        instructions = [run.initial, *self._instructions(run, plan.instructions - 1, run.initial, shown, found)]
        # Neither another instruction nor a set came about: there is nothing to try.
        if len(sets) * len(instructions) == 1:
            return
        # Numpy, which Optuna draws by, takes seeds of 32 bits.
        sampler = Parzen(_variables(instructions, sets), run.rng("tpe").getrandbits(32))
        # Instruction 0 and set 0 are the start's own; the code credits its score to no demonstrations.
        sampler.tell((0, 0), table.mean(run.initial))
        pairs: dict[Prompt, Choice] = {run.initial: (0, 0)}
        for number in range(1, plan.trials + 1):
            pair = sampler.suggest()
            prompt = _combined(run, instructions[pair[0]], pair[1], sets)
            pairs[prompt] = pair
            sampler.told(table.score(prompt, draw(run.rng("minibatch"), scored, self.score.minibatch)))
            if number % self.score.full_every == 0 or number == plan.trials:
                best = table.best_of_the_rest()
                if best is not None:
                    # A trial more to the estimator, which weighs it like one on a minibatch (code).
                    sampler.tell(pairs[best], table.score(best, scored))
                estimates = table.estimates()
                # As in the code: only what was scored in full is the best, while there is any.
                run.rank_by(scored, [each.prompt for each in estimates if each.count == len(scored)])
                run.record(estimates, [estimates[0].prompt])

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a whole search in that room; replies off their form are asked for twice."""
        plan, most = self.plan(room), self.propose.sampling.max_tokens
        calls = 2 * (plan.instructions - 1)
        if plan.fresh is not None:
            calls *= plan.fresh.bound * plan.fresh.writings
            # Beside its rounds, the search makes demonstrations.
            cells = room.cells()
            return UpperBounds(plan.fresh.evaluations if cells is None else cells, calls, calls * most)
        shown = self._shown(room.train, plan.sets)
        scored = min(room.train - shown, self.score.examples)
        full = 1 + math.ceil(plan.trials / self.score.full_every)
        evaluations = shown + full * scored + plan.trials * min(self.score.minibatch, scored)
        return UpperBounds(evaluations, calls, calls * most)

    def _most_shown(self, train: int) -> int:
        """How many of `train` examples may be made into demonstrations; one is left to score on."""
        return min(max(1, int(self.bootstrap.share * train)), train - 1)

    def _shown(self, train: int, sets: int) -> int:
        """How many of `train` examples are made into demonstrations."""
        return min(self._most_shown(train), max(sets * self.bootstrap.demos, self.propose.examples))

    def _split(self, run: Run, plan: TPEPlan) -> tuple[list[Example], list[Example]]:
        """The examples that proposer and prompts may show, and those that prompts are scored on."""
        # Each once: an example that is there twice could be on both sides.
        train = list(dict.fromkeys(run.train))
        drawn = draw(run.rng("split"), train, len(train))
        count = self._shown(len(train), plan.sets)
        return drawn[:count], drawn[count:] if plan.fresh is not None else drawn[count:][: self.score.examples]

    def _instructions(
        self, run: Run, count: int, parent: Prompt, shown: Sequence[Example], found: set[str], writings: int = 1
    ) -> list[Prompt]:
        """Up to `count` new instructions from the parent's; each request has its own examples and its own tip.

        `found`: the texts there were; it grows. `writings`: how often each is written, from what it was before.
        """
        editable, quotes, tips = run.task.editable, Quotes(shown, run.task.labels, run.initial), list[str]()

        def write(sources: Sequence[Prompt]) -> list[Prompt | None]:
            requests = list[tuple[Prompt, str]]()
            for source in sources:
                tips.append(run.rng("tips").choice(TIPS))
                drawn = draw(run.rng("examples"), shown, self.propose.examples)
                requests.append((source, self._request(run, source, drawn, tips[-1])))
            settings = self.propose
            return rewrites(run, requests, settings.sampling, who="proposer", longest=settings.longest, form=FORM)

        written = write([parent] * count)
        for _ in range(writings - 1):
            written = again(written, write)
        proposals = list[Proposal]()
        # The tips of the first writing: `write` may have been asked for the same instructions again.
        for prompt, tip in zip(written, tips[:count], strict=True):
            if prompt is None:
                continue
            text = prompt[editable]
            if wording(run.task, prompt) in found:
                run.reject("proposer: written before")
            elif quotes.new_in(text, parent[editable]):
                run.reject("proposer: quotes an example")
            else:
                found.add(wording(run.task, prompt))
                proposals.append(Proposal(prompt, (parent,), "proposer", tip.strip()))
        return run.admit(proposals)

    def _request(self, run: Run, parent: Prompt, examples: Sequence[Example], tip: str) -> str:
        shown = "".join(f"{show_example(example)}\n\n" for example in examples)
        longest = self.propose.longest
        return proposal_request(run.task, parent, run.count_tokens, examples=shown, tip=tip, longest=longest)


def _variables(instructions: Sequence[Prompt], sets: Sequence[tuple[Example, ...]]) -> dict[str, int]:
    return {"instruction": len(instructions), "demonstrations": len(sets)}


def _combined(
    run: Run, instruction: Prompt, number: int, sets: Sequence[tuple[Example, ...]], best: Prompt | None = None
) -> Prompt:
    """The instruction with the demonstrations of a set, as a candidate of the run; its parent is `best`, if given."""
    prompt = instruction.with_demos(sets[number])
    if prompt != instruction:
        note = f"set {number}, {counted(len(sets[number]), 'demonstration')}"
        # What a task forbids is in the text, which was admitted before.
        parents = (instruction,) if best is None else (best, instruction)
        # What the context does not hold would fail on every example.
        if not run.admit([Proposal(prompt, parents, "demonstrations", note)]):
            return instruction
    return prompt
