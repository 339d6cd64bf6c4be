"""PMPO: prompts scored by how probable they make the known right outputs; the worst examples say how to rewrite them.

Paper    Zhao et al. 2025, PMPO: Probabilistic Metric Prompt Optimization for Small and Large Language Models, Findings
         of EMNLP 2025, arXiv:2505.16307. There is no reference code.
Calls    task model: N for the start and 8 to measure its noise, then (m + k*n)*N an iteration; proposer: 1 + k*n an
         iteration. At the defaults 17*50, and 13 that are draws of 4 distinct requests. The m*N and the 1 are saved
         while the prompt in use stays. A copy that is marked wrongly, and a rewrite without tags, are asked for again.
Departs  what the paper leaves open is as in pmpo.md: parts are removed, not replaced by a mark; a gain must exceed
         1e-4 of the loss and the engine's noise; examples used without a gain rest for three iterations; rewrites
         that quote examples are refused; of equals the shorter wins. The loss is minus the run's score, so that
         `--evaluator generation` searches by accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from promptopt.operators.losses import Losses, better_than, hardest, losses_of, scorable
from promptopt.operators.masks import SEGMENTER, TAGS, Effect, Mode, ablate, analyse, show_effects, summarise
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import Drafts, ask_whole, room, show_example, show_task
from promptopt.optimizers.pmpo.noise import repeat_noise
from promptopt.optimizers.pmpo.rationales import own_rationales, warn_of_targets
from promptopt.protocols import Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.text import Pattern, normalise
from promptopt.types import Example, Prompt, Sampling, UpperBounds

_SLOTS = ("task", "section", "effects", "example", "words")

FULL = Pattern(
    '''You are an expert who improves prompts for language models.

{task}The prompt now:
"""
{section}
"""

What its parts do. Each was left out in turn, and the loss (how improbable the right outputs are) changed by so much; \
where it rose, the part helps:
{effects}

An example on which the prompt does worst:
{example}

The example is there to find patterns in, and for nothing else: do not quote it, and do not fit the prompt to it.

First say briefly what is weak about the prompt. Is it unclear, over-constrained, rigid, redundant, contradictory, or \
does guidance miss? Then improve it by several edits together: restructure it, add rules or principles, delete, \
rephrase, simplify, expand or merge parts, make its tone more professional, make it more diverse. Do not rename the \
answers, and do not change the form of the answer.
End with the whole new prompt, once, in at most {words} words, in this form:
<prompt>
...
</prompt>''',
    _SLOTS,
)

SHORT = Pattern(
    '''{task}{example}

Parts of the prompt, and how the loss changes without them:
{effects}

Prompt:
"""
{section}
"""

After this prompt the expected output is improbable: its loss is high. Find the cause, and change the prompt so that \
outputs like it become probable for all inputs of that kind. Keep the names of the answers, and do not quote the \
example. Write the whole new prompt, in at most {words} words, between <prompt> and </prompt>.''',
    _SLOTS,
)

SCOPE = "That is the full scope of the task: the prompt serves all of it, and nothing else.\n\n"
UNDIVIDED = "(the prompt has no parts that could be left out)"
REWRITER = Sampling(temperature=0.9, top_p=0.95, max_tokens=2048)
REST = 3
"""Iterations without a gain for which an example that was used rests."""
SPLIT_FROM = 20
"""Examples from which on some can be held out."""
FEWEST = 3
"""Examples below which the search is known to write the examples into the prompt."""


@dataclass(frozen=True, slots=True)
class Masking:
    """How the parts of a prompt are found and left out."""

    most: int = 5
    """m, parts at most. 0: no mask analysis."""
    mode: Mode = "remove"
    """What stands where a part stood. Ours; the paper's formula: a mark."""
    by: Literal["proposer", "rule"] = "proposer"
    """Who finds the parts: the proposer, or list items, paragraphs, sentences by rule."""
    sampling: Sampling = SEGMENTER
    """How the proposer is asked. Ours."""

    def __post_init__(self) -> None:
        within(self, most=(0, math.inf))


@dataclass(frozen=True, slots=True)
class Rewriting:
    """How hard examples become new prompts."""

    hard: int = 3
    """k, the hardest examples, each of which is shown to the rewriter."""
    samples: int = 4
    """n, rewrites asked for each."""
    form: Literal["full", "short"] = "full"
    """The request: with a diagnosis and a list of edits, or a paragraph, for small models."""
    longest: int = 1024
    """Tokens a rewrite may have; of a prompt that is longer it may have a quarter more. Ours."""
    sampling: Sampling = REWRITER
    """How the proposer is asked. Ours; the paper: top-p with temperature, no values."""

    def __post_init__(self) -> None:
        within(self, hard=(1, math.inf), samples=(1, math.inf), longest=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """When a rewrite takes the place of the prompt in use, and when the search ends."""

    min_delta: float = 1e-4
    """The share of the loss that a gain must exceed; it must exceed the measured noise as well. Ours."""
    patience: int | None = None
    """Iterations without a gain that end the search; None (paper): none do. 6 is a fair value."""
    validation: float = 0.0
    """The share of examples held out, to choose among accepted prompts: 0, or 0.2 to 0.5. Ours."""

    def __post_init__(self) -> None:
        within(self, min_delta=(0.0, 1.0), validation=(0.2, 0.5) if self.validation else (0.0, 0.5))
        if self.patience is not None:
            within(self, patience=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Targets:
    """What is made probable: the data's own solutions and answers, or solutions of the task model."""

    source: Literal["gold", "own"] = "gold"
    """`own`: right solutions that the task model wrote under the start prompt, before the search."""
    samples: int = 4
    """Solutions drawn for each example, where they are its own. Ours."""
    temperature: float = 0.7
    """At which they are drawn. Ours."""

    def __post_init__(self) -> None:
        within(self, samples=(1, math.inf), temperature=(0.0, math.inf))


@dataclass(frozen=True, slots=True)
class PMPO:
    """Rewrites for the hardest examples, told what each part of the prompt does to the loss; the best replaces it."""

    name: ClassVar[str] = "pmpo"

    iterations: int = 20
    """T, iterations of analysis, rewriting and scoring."""
    examples: int = 50
    """N, training examples that every prompt is scored on, those held out included."""
    mask: Masking = Masking()
    """What the parts of the prompt do."""
    rewrite: Rewriting = Rewriting()
    """From hard examples to new prompts."""
    accept: Acceptance = Acceptance()
    """From new prompts to the prompt in use."""
    targets: Targets = Targets()
    """What is made probable."""

    def __post_init__(self) -> None:
        within(self, iterations=(0, math.inf), examples=(1, math.inf))

    def evaluator_for(self, task: Task) -> str:
        """The loss of the right outputs, or their margin over rejected ones, where the data has those."""
        return "preference" if any(example.rejected for example in task.train) else "loss"

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on up to N training examples."""
        scored, held = self._examples(run)
        (best,) = losses_of(run, [run.initial], scored)
        noise = repeat_noise(run, run.initial, scored)
        accepted, tried = [best.prompt], list[list[Example]]()
        effects = list[Effect]()
        for _ in range(self.iterations):
            shortened = list[Prompt]()
            if not tried:
                effects, shortened = self._parts(run, best.prompt, scored)
            gain = max(self.accept.min_delta * abs(best.loss), noise)
            hard = hardest(best.losses, tried[-REST:], self.rewrite.hard)
            rewrites = self._rewrites(run, best, shortened, effects, hard, gain)
            pool = [best, *losses_of(run, [*shortened, *rewrites], scored)]
            found = better_than(run, pool, gain)
            tried.append(hard)
            if found is not None:
                best, tried = found, []
                accepted.append(best.prompt)
            run.record([each.estimate for each in pool], [_chosen(run, accepted, held)])
            if len(tried) == self.accept.patience:
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples; replies off their form are asked for twice."""
        mask, rewrite, count = self.mask, self.rewrite, min(self.examples, train)
        rewrites = rewrite.hard * rewrite.samples
        # The start, the check of the noise, own solutions, and what held-out examples cost for accepted prompts.
        once = count + 8 + (self.targets.samples * count if self.targets.source == "own" else 0)
        evaluations = once + self.iterations * count * (mask.most + rewrites + (1 if self.accept.validation else 0))
        segmenting = 2 if mask.most and mask.by == "proposer" else 0
        tokens = segmenting * mask.sampling.max_tokens + 2 * rewrites * rewrite.sampling.max_tokens
        return UpperBounds(evaluations, self.iterations * (segmenting + 2 * rewrites), self.iterations * tokens)

    def _examples(self, run: Run) -> tuple[list[Example], list[Example]]:
        """The examples that every prompt is scored on, and those held out for accepted ones."""
        drawn = run.rng("examples").sample(run.train, min(self.examples, len(run.train)))
        if self.targets.source == "own":
            drawn = own_rationales(run, drawn, self.targets.samples, self.targets.temperature)
        usable = scorable(run, run.initial, drawn)
        count = math.ceil(self.accept.validation * len(usable)) if len(usable) >= SPLIT_FROM else 0
        held, scored = usable[:count], usable[count:]
        # What the run ranks its candidates by in the end: what every prompt was scored on, or what was held out.
        run.rank_by(held if held else scored)
        if self.accept.validation and not held:
            run.warn(f"{len(scored)} examples are too few to hold some out; the share is used from {SPLIT_FROM} on")
        if len(scored) < FEWEST:
            run.warn(f"with {len(scored)} training examples the search writes them into the prompt; give it 20 or more")
        warn_of_targets(run, scored)
        return scored, held

    def _parts(self, run: Run, prompt: Prompt, scored: Sequence[Example]) -> tuple[list[Effect], list[Prompt]]:
        """What the parts of a prompt do, and the prompts without one: candidates that are scored already."""
        mask, editable = self.mask, run.task.editable
        if not mask.most:
            return [], []
        sampling = mask.sampling if mask.by == "proposer" else None
        effects = analyse(run, prompt, scored, most=mask.most, mode=mask.mode, sampling=sampling)
        removable = [effect.segment for effect in effects if effect.kind != "required" and mask.mode == "remove"]
        return effects, [prompt.replace(editable, ablate(prompt[editable], segment)) for segment in removable]

    def _rewrites(
        self,
        run: Run,
        best: Losses,
        shortened: Sequence[Prompt],
        effects: Sequence[Effect],
        hard: Sequence[Example],
        gain: float,
    ) -> list[Prompt]:
        """New prompts for the hard examples, those that can be used and were not scored before."""
        editable, count = run.task.editable, self.rewrite.samples
        section = best.prompt[editable]
        most = room(section, self.rewrite.longest, run.count_tokens)
        metas = [self._meta(run, best.prompt, effects, example, most) for example in hard for _ in range(count)]
        bare = self.rewrite.form == "short"
        replies = ask_whole(run, metas, "prompt", self.rewrite.sampling, "rewriter", bare=bare)
        scored = [*shortened, *(estimate.prompt for step in run.steps for estimate in step.pool)]
        seen = {normalise(prompt[editable]) for prompt in scored}
        quotes = Quotes(list(best.losses), run.task.labels)
        drafts = Drafts(run, best.prompt, most, TAGS)
        for place, text in enumerate(replies):
            if text is None:
                continue
            if normalise(text) in seen:
                run.reject("rewriter: scored before")
            elif quotes.new_in(text, section):
                run.reject("rewriter: quotes an example")
            else:
                drafts.add([text], "rewriter", _note(best, hard[place // count], effects, gain))
        return run.admit(drafts.proposals())

    def _meta(self, run: Run, prompt: Prompt, effects: Sequence[Effect], example: Example, most: int) -> str:
        task = show_task(run.task, prompt)
        return (FULL if self.rewrite.form == "full" else SHORT).render(
            {
                "task": f"{task.rstrip()}\n{SCOPE}" if task else "",
                "section": prompt[run.task.editable],
                "effects": show_effects(effects) if effects else UNDIVIDED,
                "example": show_example(example),
                # A token is about three quarters of a word; two thirds leave a margin.
                "words": str(most * 2 // 3),
            }
        )


def _chosen(run: Run, accepted: Sequence[Prompt], held: Sequence[Example]) -> Prompt:
    """The last accepted prompt, or the best on the examples held out; ties to the earlier."""
    if not held:
        return accepted[-1]
    means = run.evaluate(accepted, held).means()
    return max(accepted, key=means.__getitem__)


def _note(best: Losses, example: Example, effects: Sequence[Effect], gain: float) -> str:
    """What led to a rewrite: the example, and the parts of the prompt that were said to matter."""
    losses = f"loss {best.losses[example]:.4f}, mean {best.loss:.4f}, to be beaten by {gain:.2g}"
    return "; ".join([f"example {example.id} ({losses})", *map(summarise, effects)])
