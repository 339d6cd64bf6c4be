"""Random search: many rewrites of the start, all scored on the same examples. The floor for every other method.

Source   Bergstra and Bengio 2012, Random Search for Hyper-Parameter Optimization, JMLR 13:281-305, with rewrites by a
         model in the place of settings; OPRO (arXiv:2309.03409) compares itself with instructions drawn at one go.
Calls    proposer: M rewrites, of which one without tags is asked for once more; task model: (1 + M)*N at most, of N
         training examples.
Departs  a rewrite that is unusable, or one that came up before, is not replaced: there are M draws, whatever they give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from promptopt.operators.rewrite import rewrites
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.text import Pattern, normalise
from promptopt.types import Estimate, Proposal, Sampling, UpperBounds

REQUEST = Pattern(
    '''Write a variation of this instruction for a language model. Say it in your own words; it may be shorter or more \
detailed. Keep the names of the answers and the form of the answer.

"""
{section}
"""

Write the whole new text, in this form:
<prompt>
...
</prompt>''',
    ("section",),
)
SAMPLING = Sampling(temperature=1.0, max_tokens=1024)
_WHO = "rewriter"


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Independent rewrites of the start, without feedback, scores or examples; the best is kept."""

    name: ClassVar[str] = "random"

    candidates: int = 100
    """M, rewrites asked for. Ours."""
    breadth: int = 10
    """Rewrites asked for and scored side by side; it changes no candidate, only how often the search reports. Ours."""
    examples: int = 50
    """N, training examples that every prompt is scored on. Ours."""
    longest: int = 400
    """Tokens a rewrite may have; of a start that is longer it may have a quarter more. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Ours."""

    def __post_init__(self) -> None:
        least = {"candidates": 0, "breadth": 1, "examples": 1, "longest": 1}
        within(self, **{name: (bound, math.inf) for name, bound in least.items()})

    def optimize(self, run: Run) -> None:
        """Draw, score, keep the best, until M rewrites were asked for or the budget ends."""
        editable, sample = run.task.editable, run.rng("examples").sample(run.train, min(self.examples, len(run.train)))
        run.rank_by(sample)
        means = run.evaluate([run.initial], sample).means()
        best = run.initial
        section = run.initial[editable]
        request = REQUEST.render({"section": section})
        seen = {normalise(section)}
        for begin in range(0, self.candidates, self.breadth):
            asked = [(run.initial, request)] * min(self.breadth, self.candidates - begin)
            fresh = list[Proposal]()
            for prompt in rewrites(run, asked, self.sampling, who=_WHO, longest=self.longest):
                if prompt is None:
                    continue
                text = normalise(prompt[editable])
                if text in seen:
                    run.reject(f"{_WHO}: seen before")
                else:
                    seen.add(text)
                    fresh.append(Proposal(prompt, (run.initial,), _WHO))
            drawn = run.evaluate(run.admit(fresh), sample).means()
            means |= drawn
            pool = dict.fromkeys([best, *drawn])
            best = max(pool, key=means.__getitem__)
            run.record([Estimate(prompt, means[prompt], len(sample)) for prompt in pool], [best])

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples; replies without tags are asked for twice."""
        calls = 2 * self.candidates
        evaluations = (1 + self.candidates) * min(self.examples, train)
        return UpperBounds(evaluations, calls, calls * self.sampling.max_tokens)
