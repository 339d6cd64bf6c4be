"""TPE: a Bayesian search over pairs of an instruction and a set of demonstrations, in the manner of MIPRO.

Paper    Opsahl-Ong et al. 2024, Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs
         (MIPRO), arXiv:2406.11695; settings and order of work are those of MIPROv2 in DSPy, its preset "medium".
Calls    proposer: K - 1; task model: S for the start, at most M*d to make demonstrations, a minibatch a trial, and S
         every few trials, with K instructions, M sets of up to d demonstrations and S examples to score on. At the
         defaults 5, and 300 + 48 + 18*35 + 4*300. A reply off its form is asked for once more.
Departs  a prompt is one module, and what the task says of itself stands in for summaries of data and program; an
         instruction is grounded in drawn examples, not in a set of demonstrations, and dropped where it quotes one;
         where too few examples are solved, sets are filled with others, told with their targets; equal sets
         count once; the mean of a pair is over distinct examples; a full score is told to the sampler with
         its own pair (the code: with the instruction's number as that of the set).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from promptopt.operators.demos import bare, demonstrate, draw, fitting, shows_demos, unlike
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import room, show_example, show_task
from promptopt.operators.rewrite import rewrites
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.text import Pattern, normalise
from promptopt.types import Estimate, Example, Prompt, Proposal, Sampling, UpperBounds

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

PROPOSER = Pattern(
    '''Write an instruction for a language model that does this task.

{task}The instruction now:
"""
{section}
"""

{examples}Write a better instruction. {tip}It is for all inputs of that kind, so do not quote the examples. \
Do not rename the answers, and do not change the form of the answer.
Write it in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    ("task", "section", "examples", "tip", "words"),
)
TIPS = (
    "",
    "Dare to be creative. ",
    "Keep it short and clear. ",
    "Make it detailed, and say everything that helps. ",
    "Say that much depends on the right answer. ",
    "Begin with a role that suits the task, as in: You are a ... ",
)
"""What a request may advise, one drawn for each: nothing, or one of five tips. After the code; the wording is ours."""

SAMPLING = Sampling(temperature=0.5, max_tokens=1024)


@dataclass(frozen=True, slots=True)
class Proposing:
    """The instructions there are to choose from."""

    instructions: int = 6
    """K, instructions, the start's among them. Code."""
    examples: int = 3
    """Training examples shown for each. Code."""
    longest: int = 400
    """Tokens that an instruction may have; a start that is longer may grow by a quarter. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Code; the length of a reply is ours."""

    def __post_init__(self) -> None:
        within(self, instructions=(1, math.inf), examples=(0, math.inf), longest=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Bootstrapping:
    """The sets of demonstrations there are to choose from."""

    sets: int = 12
    """M, sets, the one without demonstrations among them. Code."""
    demos: int = 4
    """d, demonstrations in a set, at most. Code."""
    share: float = 0.2
    """The share of the training examples that instructions and demonstrations are made from, and no pair is scored
    on. Code."""

    def __post_init__(self) -> None:
        within(self, sets=(1, math.inf), demos=(1, math.inf), share=(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Scoring:
    """How pairs are scored."""

    minibatch: int = 35
    """Examples drawn for a trial. Code."""
    full_every: int = 5
    """Trials after which the best pair by its mean, of those not yet scored in full, is. Code."""
    examples: int = 300
    """S, the examples of a full score, at most. Code."""

    def __post_init__(self) -> None:
        within(self, minibatch=(1, math.inf), full_every=(1, math.inf), examples=(1, math.inf))


@dataclass(frozen=True, slots=True)
class TPE:
    """Which instruction with which demonstrations: a tree-structured Parzen estimator suggests what to try next."""

    name: ClassVar[str] = "tpe"

    trials: int = 18
    """Pairs tried on a minibatch. Code: the larger of 2 * variables * log2(M) and 1.5 * M."""
    propose: Proposing = Proposing()
    """The instructions."""
    bootstrap: Bootstrapping = Bootstrapping()
    """The demonstrations."""
    score: Scoring = Scoring()
    """The trials."""

    def __post_init__(self) -> None:
        within(self, trials=(0, math.inf))

    def optimize(self, run: Run) -> None:
        """Search; only pairs that are scored on all S examples can win."""
        shown, scored = self._split(run)
        run.rank_by(scored)
        table = _Table(run, scored)
        table.score(run.initial, scored)
        sets = self._demo_sets(run, shown)
        instructions = [run.initial, *self._instructions(run, shown)]
        if len(sets) * len(instructions) == 1:
            return
        space = _space(len(instructions), len(sets))
        study = _study(run.rng("tpe").getrandbits(32))
        _tell(study, space, (0, 0), table.mean(run.initial))
        pairs = {run.initial: (0, 0)}
        for number in range(1, self.trials + 1):
            trial = study.ask(space)
            pair = (int(trial.params["instruction"]), int(trial.params["demonstrations"]))
            prompt = _combined(run, instructions[pair[0]], pair[1], sets)
            pairs[prompt] = pair
            study.tell(trial, table.score(prompt, draw(run.rng("minibatch"), scored, self.score.minibatch)))
            if number % self.score.full_every == 0 or number == self.trials:
                best = table.best_of_the_rest()
                if best is not None:
                    _tell(study, space, pairs[best], table.score(best, scored))
                estimates = table.estimates()
                run.record(estimates, [estimates[0].prompt])

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples; replies off their form are asked for twice."""
        shown = self._shown(train)
        scored = min(train - shown, self.score.examples)
        full = 1 + math.ceil(self.trials / self.score.full_every)
        evaluations = shown + full * scored + self.trials * min(self.score.minibatch, scored)
        calls = 2 * (self.propose.instructions - 1)
        return UpperBounds(evaluations, calls, calls * self.propose.sampling.max_tokens)

    def _shown(self, train: int) -> int:
        """How many of `train` examples are made into demonstrations; one is left to score on."""
        most = max(self.bootstrap.sets * self.bootstrap.demos, self.propose.examples)
        return min(max(1, int(self.bootstrap.share * train)), most, train - 1)

    def _split(self, run: Run) -> tuple[list[Example], list[Example]]:
        """The examples that proposer and prompts may show, and those that prompts are scored on."""
        train = list(dict.fromkeys(run.train))
        drawn = draw(run.rng("split"), train, len(train))
        count = self._shown(len(train))
        return drawn[:count], drawn[count:][: self.score.examples]

    def _demo_sets(self, run: Run, shown: Sequence[Example]) -> list[tuple[Example, ...]]:
        """Up to M distinct sets: the start's own, none, one of bare targets, and bootstrapped ones."""
        most, pool = self.bootstrap.demos, unlike(shown)
        if self.bootstrap.sets == 1 or not pool:
            return [run.initial.demos]
        if not shows_demos(run.task):
            run.warn("the task's layout has no place for demonstrations, so only the instruction is searched")
            return [run.initial.demos]
        labelled = tuple(fitting(run, run.initial, [*map(bare, draw(run.rng("demonstrations"), pool, most))]))
        sets: dict[tuple[Example, ...], None] = dict.fromkeys([run.initial.demos, (), labelled])
        demos = dict(zip(pool, demonstrate(run, run.initial, pool), strict=True))
        alone = run.initial.with_demos(())
        values = run.evaluate([alone], pool).values(alone)
        solved = [example for example, value in zip(pool, values, strict=True) if value >= 1.0]
        for number in range(self.bootstrap.sets - len(sets)):
            # The first of them, as in the code, is full and takes the examples in their order.
            order = draw(run.rng("demonstrations"), pool, len(pool)) if number else pool
            own = [each for each in order if each in solved][: run.rng("sizes").randint(1, most) if number else most]
            filling = [bare(each) for each in order if each not in own][: most - len(own)]
            sets[tuple(fitting(run, run.initial, [*(demos[each] for each in own), *filling]))] = None
        return list(sets)[: self.bootstrap.sets]

    def _instructions(self, run: Run, shown: Sequence[Example]) -> list[Prompt]:
        """Up to K - 1 instructions besides the start's; each request has its own examples and its own tip."""
        settings, editable = self.propose, run.task.editable
        requests, tips = list[str](), list[str]()
        for _ in range(settings.instructions - 1):
            tips.append(run.rng("tips").choice(TIPS))
            requests.append(self._request(run, draw(run.rng("examples"), shown, settings.examples), tips[-1]))
        asked = [(run.initial, request) for request in requests]
        quotes = Quotes(shown, run.task.labels)
        found = {normalise(run.initial[editable])}
        proposals = list[Proposal]()
        written = rewrites(run, asked, settings.sampling, who="proposer", longest=settings.longest)
        for prompt, tip in zip(written, tips, strict=True):
            if prompt is None:
                continue
            text = prompt[editable]
            if normalise(text) in found:
                run.reject("proposer: written before")
            elif quotes.new_in(text, run.initial[editable]):
                run.reject("proposer: quotes an example")
            else:
                found.add(normalise(text))
                proposals.append(Proposal(prompt, (run.initial,), "proposer", tip.strip()))
        return run.admit(proposals)

    def _request(self, run: Run, examples: Sequence[Example], tip: str) -> str:
        section = run.initial[run.task.editable]
        return PROPOSER.render(
            {
                "task": show_task(run.task, run.initial),
                "section": section,
                "examples": "".join(f"{show_example(example)}\n\n" for example in examples),
                "tip": tip,
                # A token is about three quarters of a word; two thirds leave a margin.
                "words": str(max(1, room(section, self.propose.longest, run.count_tokens) * 2 // 3)),
            }
        )


class _Table:
    """What every prompt scored on which of the S examples."""

    def __init__(self, run: Run, scored: Sequence[Example]) -> None:
        self._run, self._scored = run, scored
        self._values: dict[Prompt, dict[Example, float]] = {}

    def score(self, prompt: Prompt, examples: Sequence[Example]) -> float:
        """The mean over `examples`, which are scored and kept."""
        values = self._run.evaluate([prompt], examples).values(prompt)
        self._values.setdefault(prompt, {}).update(zip(examples, values, strict=True))
        return math.fsum(values) / len(values)

    def mean(self, prompt: Prompt) -> float:
        """The mean over all examples that it was scored on."""
        values = self._values[prompt].values()
        return math.fsum(values) / len(values)

    def best_of_the_rest(self) -> Prompt | None:
        """The best by its mean of those that lack some examples; ties to the earlier."""
        rest = [prompt for prompt, values in self._values.items() if len(values) < len(self._scored)]
        return max(rest, key=self.mean, default=None)

    def estimates(self) -> list[Estimate]:
        """All prompts: those scored in full, best first, then the others, best first."""
        estimates = [Estimate(prompt, self.mean(prompt), len(values)) for prompt, values in self._values.items()]
        return sorted(estimates, key=lambda each: (each.count < len(self._scored), -each.mean))


def _combined(run: Run, instruction: Prompt, number: int, sets: Sequence[tuple[Example, ...]]) -> Prompt:
    """The instruction with the demonstrations of a set, as a candidate of the run."""
    prompt = instruction.with_demos(sets[number])
    if prompt != instruction:
        note = f"set {number}, {len(sets[number])} demonstrations"
        # What a task forbids is in the text, which was admitted before.
        run.admit([Proposal(prompt, (instruction,), "demonstrations", note)])
    return prompt


def _space(instructions: int, sets: int) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution

    return {
        "instruction": CategoricalDistribution(tuple(range(instructions))),
        "demonstrations": CategoricalDistribution(tuple(range(sets))),
    }


def _study(seed: int) -> Study:
    """A study in memory whose sampler draws from `seed` alone, and which says nothing."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Before optuna 5 the joint model of both variables was called experimental.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
        return optuna.create_study(direction="maximize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _tell(study: Study, space: dict[str, BaseDistribution], pair: tuple[int, int], value: float) -> None:
    """Let the sampler know of a score that it did not ask for."""
    from optuna.trial import create_trial

    params = {"instruction": pair[0], "demonstrations": pair[1]}
    study.add_trial(create_trial(params=params, distributions=space, value=value))
