"""Evolution with a proposer for its operators: the first population, children, and the operators worked by hand.

A population is a list of `Estimate`s whose prompts are all different, each with
its mean score on the same examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from promptopt.operators import replies
from promptopt.operators.rewrite import again, rewrites
from promptopt.optimizers.evoprompt.worked_examples import LABEL, worked_for
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.tasks.parts import wording
from promptopt.text import Pattern, counted, normalise
from promptopt.types import Estimate, Example, Prompt, Proposal, Sampling

"""The genetic operator, and the three variants of the differential one."""

PARAPHRASER = Pattern(
    '''Write a variation of this instruction for a language model, with the same meaning. \
Keep every rule and every name of an answer.

"""
{section}
"""

Write the new instruction, and nothing else, in this form:
<prompt>...</prompt>''',
    ("section",),
)
ATTEMPTS = 3
"""Rounds of paraphrases that the first population is filled up with, before it stays smaller. Ours."""
SAMPLING = Sampling(temperature=0.5, top_p=0.95, max_tokens=1000)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """How the proposer is asked for a new prompt."""

    longest: int = 400
    """Tokens a new prompt may have; one whose parent is longer may have a quarter more than that. Ours."""
    sampling: Sampling = SAMPLING
    """Paper, code."""

    def __post_init__(self) -> None:
        within(self, longest=(1, math.inf))


REWRITING = Rewriting()


class Breeder:
    """Asks for new prompts, and knows all there were: a text that differs in white space only is the prompt it was."""

    def __init__(self, run: Run, rewriting: Rewriting, *requests: Pattern, writings: int = 1) -> None:
        """`requests`: the patterns of the operators' requests, which no child may repeat.

        `writings`: calls that a child comes of: the operator's, and further ones that paraphrase what it gave.
        """
        self._run, self._rewriting, self._writings = run, rewriting, writings
        # With the worked example: a proposer that copies it hands back a prompt for another task.
        self._form = replies.Form(PARAPHRASER, *requests, *worked_for(run.task).texts())
        self._known: dict[str, Prompt] = {}

    def pool(self, seeds: Sequence[str]) -> list[Prompt]:
        """The start and the seeds (texts of the editable part) that keep the task's contract, each once."""
        run, editable = self._run, self._run.task.editable
        texts = dict.fromkeys(seeds)
        given = run.admit([Proposal(run.initial.replace(editable, text), operator="seed") for text in texts])
        if len(given) < len(texts):
            run.warn(f"{len(texts) - len(given)} of {len(texts)} seed prompts break the task's contract; mend them")
        for prompt in [run.initial, *given]:
            self._known.setdefault(wording(run.task, prompt), prompt)
        return list(self._known.values())

    def children(
        self, asked: Sequence[tuple[tuple[Prompt, ...], str]], who: str, *, bare: bool = False
    ) -> list[Prompt | None]:
        """For each (parents, request) the prompt that was written, which may be one that is known; None for no use.

        The first parent is the one whose placeholders a child keeps. What is dropped is counted under `who`, by the
        rules of `rewrite.rewrites` (`bare`: as there), which also refuse a piece of the request or of its worked
        example. So is a child that speaks of the prompts it was made of. Equal requests are separate draws.
        """
        written = self._written([(parents[0], request) for parents, request in asked], who, bare)
        for _ in range(self._writings - 1):
            written = again(written, self._paraphrased)
        return [
            None if child is None else self._admit(child, parents, who)
            for child, (parents, _) in zip(written, asked, strict=True)
        ]

    def _paraphrased(self, drafts: Sequence[Prompt]) -> list[Prompt | None]:
        editable = self._run.task.editable
        asked = [(draft, request_paraphrase(draft[editable])) for draft in drafts]
        return self._written(asked, "paraphraser", bare=True)

    def _written(self, asked: Sequence[tuple[Prompt, str]], who: str, bare: bool) -> list[Prompt | None]:
        return rewrites(
            self._run,
            asked,
            self._rewriting.sampling,
            who=who,
            longest=self._rewriting.longest,
            bare=bare,
            # A paraphrase may come without tags; an operator writes its steps too, and only tags tell the last of them.
            closed=not bare,
            form=self._form,
        )

    def _admit(self, child: Prompt, parents: tuple[Prompt, ...], who: str) -> Prompt | None:
        editable = self._run.task.editable
        text, known = normalise(child[editable]), wording(self._run.task, child)
        if known in self._known:
            # The code scores such a child again. Here its score is known, and it costs nothing.
            return self._known[known]
        if LABEL.search(text) and not any(LABEL.search(parent[editable]) for parent in parents):
            self._run.reject(f"{who}: speaks of its parents")
            return None
        # One or none.
        for prompt in self._run.admit([Proposal(child, tuple(dict.fromkeys(parents)), who)]):
            self._known[known] = prompt
            return prompt
        return None


def fixed_sample(run: Run, most: int) -> list[Example]:
    """Up to `most` training examples that every prompt is scored on, and that the run ranks by."""
    examples = run.rng("examples").sample(run.train, min(most, len(run.train)))
    run.rank_by(examples)
    return examples


def fitness(run: Run, prompts: Sequence[Prompt], examples: Sequence[Example]) -> list[Estimate]:
    """The distinct prompts with their mean scores, in the order given; what was scored before is free."""
    means = run.evaluate(prompts, examples).means()
    return [Estimate(prompt, mean, len(examples)) for prompt, mean in means.items()]


def fittest_first(members: Sequence[Estimate]) -> list[Estimate]:
    """By mean; ties stay as they came."""
    return sorted(members, key=lambda member: member.mean, reverse=True)


def para_topk(
    run: Run, breeder: Breeder, seeds: Sequence[str], examples: Sequence[Example], size: int
) -> list[Estimate]:
    """The first population, best first: the better half of it from the pool, the rest paraphrases of those.

    The pool is the start and the seeds. Each of the best ⌈size/2⌉ is paraphrased once, or in turn until there are
    enough requests where the pool is smaller than that. For a paraphrase that is of no use or not new, the next prompt
    of the pool comes in. Where the pool ends, it is asked for again, up to ATTEMPTS rounds in all. The user is told
    where members are missing then. The round is recorded.
    """
    pool = fittest_first(fitness(run, breeder.pool(seeds), examples))
    prompts = [member.prompt for member in pool]
    # The code's population has to be even.
    half = math.ceil(size / 2)
    members: list[Prompt] = prompts[:half]
    for _ in range(ATTEMPTS):
        # As many as are missing: once it is full, the further rounds ask for nothing.
        sources = list(islice(cycle(prompts[:half]), size - len(members)))
        requests = [((source,), request_paraphrase(source[run.task.editable])) for source in sources]
        written = breeder.children(requests, "paraphraser", bare=True)
        # One that is in the pool comes in with the pool, behind the paraphrases.
        new = [child for child in written if child is not None and child not in prompts]
        # What is left of the pool comes in only where paraphrases are missing.
        members = list(dict.fromkeys([*members, *new, *prompts[half:]]))[:size]
    if len(members) < size:
        run.warn(
            f"the first population has {len(members)} of {counted(size, 'prompt')}, as the proposer wrote no more "
            "different "
            f"paraphrases: give it seeds, or another proposer"
        )
    population = fittest_first(fitness(run, members, examples))
    run.record(list(dict.fromkeys([*pool, *population])), [member.prompt for member in population])
    return population


def request_paraphrase(section: str) -> str:
    """The request for a paraphrase of a prompt's editable part."""
    return PARAPHRASER.render({"section": section})


def paraphrases(size: int) -> int:
    """The most calls of the proposer for a first population of `size`: every reply off its form, none of use."""
    return 2 * ATTEMPTS * (size - 1)


def wheel(scores: Sequence[float]) -> list[float]:
    """The weights of a roulette wheel, p_i = f_i / Σf, for scores of any sign.

    Negative scores are shifted by the lowest finite one; scores that are not finite weigh nothing. Where all weights
    are zero, the finite scores are equally likely, or all where none is finite.
    """
    finite = [score for score in scores if math.isfinite(score)]
    # As published, p_i = f_i / Σf draws the worst most where all f are negative, as log-likelihoods are.
    shift = min([0.0, *finite])
    weights = [score - shift if math.isfinite(score) else 0.0 for score in scores]
    if sum(weights) > 0:
        return weights
    # All alike: `random.choices` refuses weights that are all zero.
    return [float(math.isfinite(score) or not finite) for score in scores]
