"""SPRIG's later form: a large population of prompts that a surrogate ranks, and a few of which are scored in a step.

Source   Zhang et al. 2024, SPRIG, version 3 (arXiv:2410.14826).
Step     the lower half of the population goes; it is filled again by crossovers of two parents (81.5 %), and by one
         parent changed: a component out (5 %), two swapped (5 %), one rephrased (2.5 %), several merged (2.5 %), useful
         ones added (2.5 %) or useless ones (1 %). Parents are of the best tenth, partners of the better half. Then some
         members by chance and the best few are scored, and the surrogate learns from these and some older ones.
Cost     evaluations: (data + steps * (tried + best)) prompts on a draw of examples. Proposer: a call for each child
         that is written, `written` a step at most; for one that adds parts up to three, where none is of use.
Departs  the population begins with the corpus's components, each by itself, and prompts by chance; components that the
         proposer would write beyond its share, or where it is not asked, are drawn from the corpus. The start is scored
         on every draw. The surrogate is fitted anew to all that was scored, where the reference goes on training on the
         last prompts and 50 older ones.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, is_dataclass

from promptopt.optimizers.sprig.corpus import Component, closed, fault
from promptopt.optimizers.sprig.edits import Parts, text_of_parts
from promptopt.optimizers.sprig.population_plan import SHARES, TRIES, WRITTEN, Operation, PopulationPlan
from promptopt.optimizers.sprig.scoring import (
    OnTaskError,
    prompt_with_components,
    scored_or_left_out,
    step_examples,
    texts_in_list,
    worth_of,
)
from promptopt.optimizers.sprig.surrogate import ScoredDraws, ScorePredictor, Weights
from promptopt.run import Run
from promptopt.text import Pattern
from promptopt.types import Estimate, Message, Prompt, Proposal, Sampling, digest

FALL = 0.8
"""A prompt of i components is drawn as often as i to the power of minus this (the paper's): short ones are the
good ones."""
PARENTS, PARTNERS, SURVIVORS = 0.1, 0.5, 0.5
"""Shares: of the survivors that are parents, and partners; of the population that survives. The paper's; partners are
the code's, for in the paper's text any survivor is one."""
MERGED = 5
"""Components that are merged into one, at most; at least two are (the code's)."""
MOST_COMPONENTS = 30
"""Components of a prompt by chance, in the paper."""

_REQUEST_OF_OPERATION: dict[Operation, str] = {
    "rephrase": "Say this sentence of a system prompt in another way, with the same meaning:",
    "merge": "Merge these parts of a system prompt into one sentence that says what all of them say:",
    "useful": "You are an expert on system prompts that help with any task. These are the parts of one. Write one or "
    "two further parts that would make its answers better:",
    "useless": "These are the parts of a system prompt. Write one or two further parts that are generic or redundant:",
}
REQUEST = Pattern(
    """{task}

{parts}

A part stands for itself, and has at most 40 words in one or two sentences. Answer with a JSON list of texts and \
nothing else.""",
    ("task", "parts"),
)


@dataclass(frozen=True, slots=True)
class PopulationSettings:
    """What the search takes from its method, beside the plan."""

    most_components: int
    longest: int
    sampling: Sampling
    surrogate: ScorePredictor
    on_task_error: OnTaskError = "stop"


@dataclass(slots=True)
class Population:
    """One search. `scored`: what the surrogate learns from, by draw of examples."""

    method: PopulationSettings
    run: Run
    plan: PopulationPlan
    corpus: Sequence[Component]
    weights: Weights = field(default_factory=dict[str, float])
    scored: list[ScoredDraws] = field(default_factory=list[ScoredDraws])
    operators: dict[str, Operation] = field(default_factory=dict[str, Operation])
    made: int = 0

    def search(self) -> None:
        """All of it."""
        plan, rng = self.plan, self.run.rng("population")
        self.score([self.by_chance(rng) for _ in range(plan.data)])
        members: dict[str, Parts] = {each.text: (each,) for each in self.corpus}
        size = max(len(members), min(plan.population, _most(self.corpus, self.method.most_components)))
        while len(members) < size:
            chosen = self.by_chance(rng)
            members.setdefault(text_of_parts(chosen), chosen)
        for _ in range(plan.steps):
            # Two at least, so that there is a pair to be crossed.
            survivors = self.ranked(list(members.values()))[: max(2, round(SURVIVORS * len(members)))]
            members = {text_of_parts(each): each for each in survivors}
            for child in self.children(survivors, size - len(survivors)):
                # Children that read alike are one member, so there may be fewer than went.
                members.setdefault(text_of_parts(child), child)
            ranked = self.ranked(list(members.values()))
            best, others = ranked[: plan.best], ranked[plan.best :]
            self.score([*best, *rng.sample(others, min(plan.tried, len(others)))])

    def by_chance(self, rng: random.Random) -> Parts:
        """A prompt of components drawn from the corpus, no two of one family."""
        most = min(self.method.most_components, len(self.corpus))
        lengths = range(1, most + 1)
        (length,) = rng.choices(lengths, [each**-FALL for each in lengths])
        return tuple(rng.sample(list(self.corpus), length))

    def ranked(self, members: Sequence[Parts]) -> list[Parts]:
        """The members by what the surrogate makes of them; ties stay in order."""
        surrogate = self.method.surrogate
        return sorted(members, key=lambda parts: -surrogate.worth(parts, self.weights))

    def score(self, members: Sequence[Parts]) -> None:
        """Truly score these and the start on a new draw, and learn from them and some older ones."""
        run = self.run
        examples = step_examples(run, self.plan.examples, shared=self.plan.evaluations is not None)
        prompts: dict[Prompt, Parts] = {run.initial: ()}
        proposals: list[Proposal] = []
        # Each once: equal ones would be scored once, and learned from twice.
        for parts in dict.fromkeys(members):
            if run.count_tokens(text_of_parts(parts)) > self.method.longest:
                run.reject(f"sprig: more than {self.method.longest} tokens added")
                continue
            prompt = prompt_with_components(run, parts)
            prompts.setdefault(prompt, parts)
            proposals.append(Proposal(prompt, (run.initial,), self.operators.get(text_of_parts(parts), "chance")))
        # The start on every draw, as a prompt of no components: the surrogate learns from pairs of one draw.
        kept = [run.initial, *run.admit(proposals)]
        matrix = scored_or_left_out(run, kept, examples, self.method.on_task_error)
        kept = list(matrix)
        worth = {each: worth_of(run.task, examples, [score.value for score in matrix[each]]) for each in kept}
        best = sorted(kept, key=lambda prompt: -worth[prompt])[: self.plan.best]
        run.record([Estimate(prompt, worth[prompt], len(examples)) for prompt in kept], best)
        self.scored.append([(prompts[prompt], worth[prompt]) for prompt in kept])
        self.learn()

    def learn(self) -> None:
        """Fit the surrogate to all that was scored; what it learned is kept, so that a replay ranks alike anywhere."""
        surrogate, draws = self.method.surrogate, self.scored
        told = digest([[[text_of_parts(parts), worth] for parts, worth in draw] for draw in draws])
        # The text of a user's own object may be an address in memory, another one in each process.
        named = repr(surrogate) if is_dataclass(surrogate) else type(surrogate).__qualname__
        fitted = self.run.memo("sprig surrogate", lambda: json.dumps(dict(surrogate.fit(draws))), named, told)
        self.weights = json.loads(fitted)

    # Children

    def children(self, survivors: Sequence[Parts], count: int) -> list[Parts]:
        """So many children; those that the proposer writes are asked for as one batch."""
        rng = self.run.rng("children")
        parents = survivors[: max(1, round(PARENTS * len(survivors)))]
        partners = survivors[: max(1, round(PARTNERS * len(survivors)))]
        found: list[Parts] = []
        asked: list[tuple[Operation, Parts, Parts]] = []
        for _ in range(count):
            (operation,) = rng.choices(list(SHARES), list(SHARES.values()))
            parent = rng.choice(parents)
            if operation in WRITTEN and len(asked) < self.plan.written:
                asked.append((operation, parent, _about(operation, parent, rng)))
                continue
            # Beyond the proposer's share a component is drawn from the corpus instead.
            child = self.changed("insert" if operation in WRITTEN else operation, parent, rng.choice(partners), rng)
            # Without its last component a child is the start, which is scored on every draw.
            if child:
                self.operators.setdefault(text_of_parts(child), "insert" if operation in WRITTEN else operation)
                found.append(child)
        return [*found, *self.written(asked)]

    def changed(self, operation: Operation, parent: Parts, partner: Parts, rng: random.Random) -> Parts:
        """A child without the proposer; empty where the operation comes to nothing."""
        most = self.method.most_components
        if operation == "crossover":
            return crossed(parent, partner, most, rng)
        # What cannot be done leaves the parent, which is a member already.
        parts = list(parent)
        if operation == "delete":
            parts.pop(rng.randrange(len(parts)))
        elif operation == "swap" and len(parts) > 1:
            first, second = rng.sample(range(len(parts)), 2)
            parts[first], parts[second] = parts[second], parts[first]
        elif operation == "insert" and len(parts) < most:
            there = {each.family for each in parts}
            others = [each for each in self.corpus if each.family not in there]
            if others:
                parts.insert(rng.randint(0, len(parts)), rng.choice(others))
        return tuple(parts)

    def written(self, asked: Sequence[tuple[Operation, Parts, Parts]]) -> list[Parts]:
        """The children that the proposer writes; a reply that breaks the corpus's rules is none, and counted."""
        texts: dict[int, list[str]] = {}
        for tried in range(max(TRIES.values())):
            open_ones = [at for at, (operation, *_) in enumerate(asked) if at not in texts and tried < TRIES[operation]]
            if not open_ones:
                break
            requests = [_operation_request(*asked[at]) for at in open_ones]
            replies = self.run.generate([(Message("user", text),) for text in requests], self.method.sampling)
            for at, reply in zip(open_ones, replies, strict=True):
                # One or two where parts are added, as the request says, and one in the place of others.
                most = 2 if asked[at][0].startswith("use") else 1
                own = [closed(" ".join(text.split())) for text in texts_in_list(reply.text)][:most]
                if own and not any(fault(text) for text in own):
                    texts[at] = own
                else:
                    self.run.reject("sprig: a component that breaks the corpus's rules")
        found: list[Parts] = []
        for at in sorted(texts):
            operation, parent, about = asked[at]
            new = [self.named(text, about[0] if operation == "rephrase" else None) for text in texts[at]]
            child = edited(parent, about if operation in ("rephrase", "merge") else (), new)[
                : self.method.most_components
            ]
            self.operators.setdefault(text_of_parts(child), operation)
            found.append(child)
        return found

    def named(self, text: str, like: Component | None) -> Component:
        """A component that was written; a rephrasing is of the family of the first."""
        self.made += 1
        own = f"written-{self.made:04}"
        return Component(own, text, "custom" if like is None else like.category, own if like is None else like.family)


def crossed(parent: Parts, partner: Parts, most: int, rng: random.Random) -> Parts:
    """Some components of both, shuffled: as many as a normal draw says.

    Its mean is that of their lengths, and its deviation a quarter of their difference, as in the paper's text.
    """
    pooled = list({each.family: each for each in (*parent, *partner)}.values())
    rng.shuffle(pooled)
    one, other = len(parent), len(partner)
    size = round(rng.gauss((one + other) / 2, abs(one - other) / 4))
    # One at least, as a normal draw may be below.
    return tuple(pooled[: max(1, min(size, len(pooled), most))])


def edited(parent: Parts, gone: Parts, new: Sequence[Component]) -> Parts:
    """The parent with the new components where the first of those that go stood; at its end where none goes."""
    place = next((at for at, each in enumerate(parent) if each in gone), len(parent))
    rest = [each for each in parent if each not in gone]
    return (*rest[:place], *new, *rest[place:])


def _operation_request(operation: Operation, _: Parts, about: Parts) -> str:
    """What the proposer is asked for a child."""
    shown = json.dumps([each.text for each in about], ensure_ascii=False)
    return REQUEST.render({"task": _REQUEST_OF_OPERATION[operation], "parts": shown})


def _about(operation: Operation, parent: Parts, rng: random.Random) -> Parts:
    """What of the parent the proposer is shown: all where it adds, else what it replaces."""
    if operation == "rephrase":
        return (rng.choice(parent),)
    if operation == "merge":
        count = min(len(parent), rng.randint(2, MERGED))
        places = sorted(rng.sample(range(len(parent)), count))
        return tuple(parent[place] for place in places)
    return parent


def _most(corpus: Sequence[Component], length: int) -> int:
    """How many prompts by chance there are before drawing more is in vain: half of the ordered choices."""
    total = product = 1
    for place in range(min(length, len(corpus))):
        product *= len(corpus) - place
        total += product
    return total // 2
