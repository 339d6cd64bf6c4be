"""APE: a model is shown inputs with their outputs and says what the instruction was; the best guess wins.

Paper    Zhou et al. 2023, Large Language Models Are Human-Level Prompt Engineers, ICLR 2023, arXiv:2211.01910.
Calls    proposer: m replies to m/10 distinct requests, once more where fewer than m/2 are of use, and one a paraphrase;
         task model: D_score for the start, about 10*m*log2(m) while candidates are filtered, D_score for each finalist.
         A reply off its form is asked for once more.
Departs  D_propose and D_score are disjoint (simple interface: the same data); the thresholds of the filter, which the
         paper leaves open, are those of ape.md; the start competes, though nothing is derived from it; candidates stand
         in tags and are checked (code: 50 tokens of raw continuation, each scored on examples of its own). The reverse
         form, which needs a model that fills in blanks, is left out; f_exec or f_log is the run's evaluator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.errors import ConfigError
from promptopt.operators.demos import draw
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import show_example
from promptopt.operators.rewrite import TAG, rewrites
from promptopt.ranges import within
from promptopt.run import Run, Selector
from promptopt.selection.budgeted import most_asked
from promptopt.text import Pattern, normalise
from promptopt.types import Estimate, Example, Prompt, Proposal, Sampling, ScoreMatrix, UpperBounds

FORWARD = Pattern(
    """Someone was given an instruction and some inputs, and wrote the output that it asks for to each input:

{pairs}

What was the instruction? It was the same for all inputs, and quoted none of them.{placeholders} \
Write it in at most {words} words, in this form:
<prompt>
...
</prompt>""",
    ("pairs", "placeholders", "words"),
)

PARAPHRASE = Pattern(
    '''Write a variation of this instruction that means the same.

"""
{section}
"""

Write the variation, in at most {words} words, between <prompt> and </prompt>, and nothing else.''',
    ("section", "words"),
)

SAMPLING = Sampling(temperature=0.9, top_p=0.9, max_tokens=512)
MOST_PROPOSING = 100
"""Training examples that candidates are guessed from, at most (code)."""


@dataclass(frozen=True, slots=True)
class Proposing:
    """From input and output pairs to candidates."""

    candidates: int = 50
    """m, guesses asked for. Paper, code."""
    pairs: int = 5
    """Pairs shown for a guess. Paper, code."""
    samples: int = 10
    """Guesses for each subset of pairs. Simple interface of the code."""
    share: float = 0.5
    """The share of the training examples in D_propose; it has at most 100. Code."""
    longest: int = 200
    """Tokens that a candidate may have. Ours; the code: 50."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Code; the length of a reply is ours."""

    def __post_init__(self) -> None:
        within(self, **dict.fromkeys(("candidates", "pairs", "samples", "longest"), (1, math.inf)), share=(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Filtering:
    """Adaptive filtering: every stage, all candidates left see a fresh subset, and the better share goes on."""

    subset: int = 10
    """Examples in the subset of a stage. ape.md; the paper gives no value."""
    keep: float = 0.5
    """k, the share that goes on. ape.md; the paper gives no value."""
    finalists: int = 4
    """Candidates that are scored on all of D_score. Ours."""
    examples: int = 200
    """Examples in D_score, at most. Ours; the paper: the rest of the training data."""

    def __post_init__(self) -> None:
        within(self, **dict.fromkeys(("subset", "finalists", "examples"), (1, math.inf)), keep=(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class APE:
    """Instructions guessed from examples, filtered on examples that were not shown."""

    name: ClassVar[str] = "ape"

    propose: Proposing = Proposing()
    """How candidates come about."""
    filter: Filtering = Filtering()
    """How the best are found."""
    selector: Selector | None = None
    """What picks the finalists instead of the filter; None (paper): the filter. The code: a bandit (`ucb`)."""
    resampling: int = 0
    """Rounds in which the best are paraphrased and all are filtered again. Paper: off, or up to 3."""

    def __post_init__(self) -> None:
        within(self, resampling=(0, math.inf))

    def optimize(self, run: Run) -> None:
        """Search; candidates are guessed from one part of the training examples and scored on the other."""
        proposing, scoring = self._split(run)
        quotes = Quotes(proposing, run.task.labels)
        run.rank_by(scoring)
        run.evaluate([run.initial], scoring)
        found = {normalise(run.initial[run.task.editable]): run.initial}
        candidates = self._guesses(run, proposing, quotes, found)
        if len(candidates) < self.propose.candidates / 2:
            candidates += self._guesses(run, proposing, quotes, found)
        candidates = candidates[: self.propose.candidates]
        if not candidates:
            return
        ranked = self._select(run, candidates, scoring, first=True)
        for _ in range(self.resampling):
            best = ranked[: math.ceil(self.filter.keep * len(ranked))]
            variations = self._paraphrases(run, best, quotes, found)
            if not variations:
                break
            ranked = self._select(run, [*best, *variations], scoring, first=False)

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples; replies off their form are asked for twice."""
        settings = self.filter
        scoring = min(settings.examples, train - self._proposing(train))
        evaluations, calls, pool = scoring, 4 * self.propose.candidates, self.propose.candidates
        for number in range(self.resampling + 1):
            if number:
                pool = math.ceil(settings.keep * (pool + 1))
                calls, pool = calls + 2 * pool, 2 * pool
            alive, seen = pool, 0
            while self.selector is None and alive > settings.finalists and seen < scoring:
                evaluations += alive * min(settings.subset, scoring - seen)
                alive, seen = _survivors(alive, settings), seen + settings.subset
            if self.selector is not None:
                evaluations += most_asked(self.selector, pool + 1, scoring)
            evaluations += min(alive, settings.finalists) * scoring
        return UpperBounds(evaluations, calls, calls * self.propose.sampling.max_tokens)

    def _proposing(self, train: int) -> int:
        """How many of `train` examples are in D_propose; one is left to score on."""
        return max(1, min(int(self.propose.share * train), MOST_PROPOSING, train - 1))

    def _split(self, run: Run) -> tuple[list[Example], list[Example]]:
        """D_propose and D_score."""
        train = list(dict.fromkeys(run.train))
        if len(train) < 2:
            raise ConfigError(
                f"task {run.task.name!r} has {len(train)} training example, and method 'ape' needs one to guess the "
                f"instruction from and another to score it on; give it 20 or more"
            )
        drawn = draw(run.rng("split"), train, len(train))
        count = self._proposing(len(train))
        return drawn[:count], drawn[count:][: self.filter.examples]

    def _guesses(
        self, run: Run, proposing: Sequence[Example], quotes: Quotes, found: dict[str, Prompt]
    ) -> list[Prompt]:
        """Up to m new candidates, guessed from distinct subsets of D_propose; `found`: by text, what there is."""
        settings = self.propose
        subsets: dict[frozenset[str], list[Example]] = {}
        size = min(settings.pairs, len(proposing))
        wanted = min(math.ceil(settings.candidates / settings.samples), math.comb(len(proposing), size))
        while len(subsets) < wanted:
            pairs = draw(run.rng("pairs"), proposing, size)
            subsets.setdefault(frozenset(example.id for example in pairs), pairs)
        shown = [
            pairs for number, pairs in enumerate(subsets.values()) for _ in range(number, settings.candidates, wanted)
        ]
        asked = [(run.initial, self._request(run, pairs)) for pairs in shown]
        notes = [f"guessed from {', '.join(example.id for example in pairs)}" for pairs in shown]
        return self._written(run, asked, "proposer", notes, quotes, found)

    def _request(self, run: Run, pairs: Sequence[Example]) -> str:
        section = run.initial[run.task.editable]
        slots = [slot for name, _ in pairs[0].fields if (slot := f"{{{name}}}") in section]
        where = f" It has {' and '.join(slots)}, spelt like that, where the input goes." if slots else ""
        return FORWARD.render(
            {"pairs": "\n\n".join(map(show_example, pairs)), "placeholders": where, "words": str(self._words)}
        )

    @property
    def _words(self) -> int:
        # A token is about three quarters of a word; two thirds leave a margin.
        return max(1, self.propose.longest * 2 // 3)

    def _paraphrases(self, run: Run, best: Sequence[Prompt], quotes: Quotes, found: dict[str, Prompt]) -> list[Prompt]:
        editable = run.task.editable
        asked = [
            (prompt, PARAPHRASE.render({"section": prompt[editable], "words": str(self._words)})) for prompt in best
        ]
        return self._written(run, asked, "paraphraser", [""] * len(asked), quotes, found)

    def _written(
        self,
        run: Run,
        asked: Sequence[tuple[Prompt, str]],
        who: str,
        notes: Sequence[str],
        quotes: Quotes,
        found: dict[str, Prompt],
    ) -> list[Prompt]:
        """What was written, if it is new and quotes no example; `found` grows by it."""
        editable, proposals = run.task.editable, list[Proposal]()
        settings = self.propose
        written = rewrites(run, asked, settings.sampling, who=who, longest=settings.longest, tag=TAG)
        for (parent, _), prompt, note in zip(asked, written, notes, strict=True):
            if prompt is None:
                continue
            text = prompt[editable]
            if normalise(text) in found:
                run.reject(f"{who}: written before")
            elif quotes.new_in(text, parent[editable]):
                run.reject(f"{who}: quotes an example")
            else:
                found[normalise(text)] = prompt
                # A guess owes nothing to the start.
                parents = () if who == "proposer" else (parent,)
                proposals.append(Proposal(prompt, parents, who, note))
        return run.admit(proposals)

    def _select(self, run: Run, pool: Sequence[Prompt], scoring: Sequence[Example], first: bool) -> list[Prompt]:
        """The start and the pool, best first: the finalists by all of D_score, then the others as they fell behind.

        `first`: nothing but the start is scored on all of D_score yet, so that where the budget ends, the last stage
        that was completed decides.
        """
        candidates = [prompt for prompt in pool if prompt != run.initial]
        if self.selector is None:
            ranked = self._filtered(run, candidates, scoring, first)
        else:
            ranked = self._selected(run, candidates, scoring, self.selector)
        # What won the round before is scored already, and stays to be beaten.
        leaders = [run.initial] if first else [run.initial, pool[0]]
        final = _ranked(run, run.evaluate([*leaders, *ranked[: self.filter.finalists]], scoring))
        run.rank_by(scoring)
        run.record(final, [final[0].prompt])
        finalists = [each.prompt for each in final]
        return [*finalists, *(prompt for prompt in ranked if prompt not in finalists)]

    def _filtered(
        self, run: Run, candidates: Sequence[Prompt], scoring: Sequence[Example], first: bool
    ) -> list[Prompt]:
        """The candidates, best first, after as many stages as it takes to come down to the finalists."""
        order = draw(run.rng("subsets"), scoring, len(scoring))
        alive, dropped, seen = list(candidates), list[Prompt](), 0
        while len(alive) > self.filter.finalists and seen < len(order):
            # What was scored before is free, so the mean over all subsets so far costs the newest one only.
            seen = min(seen + self.filter.subset, len(order))
            ranked = _ranked(run, run.evaluate([run.initial, *alive], order[:seen]))
            if first:
                run.rank_by(order[:seen])
            alive = [each.prompt for each in ranked if each.prompt != run.initial]
            count = _survivors(len(alive), self.filter)
            alive, dropped = alive[:count], [*alive[count:], *dropped]
            run.record(ranked, [each.prompt for each in ranked if each.prompt not in dropped])
        return [*alive, *dropped]

    def _selected(
        self, run: Run, candidates: Sequence[Prompt], scoring: Sequence[Example], selector: Selector
    ) -> list[Prompt]:
        """The candidates that the selector scored, best first."""
        ranked = selector.select(run, [run.initial, *candidates], scoring, self.filter.finalists)
        unscored = sum(not each.count for each in ranked)
        if unscored:
            run.warn(
                f"{unscored} of {len(ranked)} prompts were never scored, as the selector's budget does not reach them; "
                f"raise selector.budget to {len(ranked)} or more"
            )
        scored = [each.prompt for each in ranked if each.count and each.prompt != run.initial]
        run.record(ranked, scored[: self.filter.finalists])
        return scored


def _survivors(alive: int, settings: Filtering) -> int:
    return min(alive, max(settings.finalists, math.ceil(settings.keep * alive)))


def _ranked(run: Run, scores: ScoreMatrix) -> list[Estimate]:
    """Best first; ties to the shorter, then to the earlier."""
    means: Mapping[Prompt, float] = scores.means()
    order = sorted(means, key=lambda prompt: (-means[prompt], len(prompt[run.task.editable])))
    return [Estimate(prompt, means[prompt], len(scores.examples)) for prompt in order]
