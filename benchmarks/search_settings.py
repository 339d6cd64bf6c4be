"""The settings that every method is given in the arena, by its registered name: scaled so that all fit one budget.

What is not named here has the method's own default. Planted: up to 2,000 evaluations, so a fixed set of examples has
30 and a search goes on until the budget ends it. Real: small local models, so replies are short and few.
"""

from __future__ import annotations

from collections.abc import Mapping

from promptopt.binding.config import Setting

Settings = Mapping[str, Mapping[str, Setting]]

EXAMPLES = 30
"""Training examples that a prompt is scored on, where a method scores all prompts on the same ones."""
SELECTOR_BUDGET = 150
"""Evaluations of one selection, for methods that hold a selector."""

PLUM = ("plum-hc", "plum-sa", "plum-tabu", "plum-ga-m", "plum-hs")
"""Those whose settings are alike."""

PLANTED: Settings = {
    # These plan by the budget, and need no settings.
    "auto": {},
    "apo": {},
    "pmpo": {},
    "evoprompt-ga": {"population": 6, "generations": 100, "examples": EXAMPLES},
    "evoprompt-de": {"population": 6, "generations": 100, "examples": EXAMPLES},
    "opro": {"steps": 100, "examples": EXAMPLES, "propose.breadth": 4, "stop.idle": "none"},
    "random": {"candidates": 200, "breadth": 4, "examples": EXAMPLES},
    "ape": {
        "propose.candidates": 30, "propose.samples": 6, "filter.subset": 8, "filter.finalists": 3,
        "filter.examples": EXAMPLES, "resampling": 3,
    },
    "tpe": {
        "trials": 60, "propose.instructions": 12, "bootstrap.sets": 6, "bootstrap.demos": 2, "score.minibatch": 15,
        "score.examples": EXAMPLES,
    },
    "promptquine": {
        "evolve.population": 10, "evolve.offspring": 16, "evolve.shortest": 6.0, "rerank.examples": EXAMPLES,
    },
    "tapruning": {"examples": EXAMPLES},
    **{
        method: {"edit.neighbours": 5, "score.examples": EXAMPLES, "stop.iterations": 200, "stop.patience": 20}
        for method in PLUM
    },
    "plum-ga-c": {
        "population": 6, "offspring": 3, "edit.neighbours": 3, "score.examples": EXAMPLES, "stop.iterations": 200,
        "stop.patience": 20,
    },
    "capo": {
        "population": 6, "patience": 100, "breed.crossovers": 3, "demos.most": 2, "race.block": EXAMPLES // 3,
        "race.blocks": 3,
    },
}  # fmt: skip

SHOWN = 24
"""Training examples that a prompt is scored on; the smallest task has 32."""
REPLY = 160
"""Tokens of a reply of the proposer: a small one that is not done by then will not be."""
LONGEST = 150
"""Tokens of a new prompt."""

REAL: Settings = {
    "auto": {"longest": LONGEST},
    "apo": {"expand.longest": LONGEST, "sampling.max_tokens": REPLY},
    "pmpo": {"rewrite.form": "short", "rewrite.longest": LONGEST, "rewrite.sampling.max_tokens": REPLY},
    **{
        method: {
            "population": 5, "generations": 5, "examples": SHOWN, "rewrite.longest": LONGEST,
            # The steps are written down before the prompt.
            "rewrite.sampling.max_tokens": 2 * REPLY,
        }
        for method in ("evoprompt-ga", "evoprompt-de")
    },
    "opro": {
        "steps": 8, "examples": SHOWN, "propose.breadth": 4, "propose.longest": 800,
        "propose.sampling.max_tokens": REPLY,
    },
    "random": {
        "candidates": 28, "breadth": 7, "examples": SHOWN, "longest": LONGEST, "sampling.max_tokens": REPLY,
    },
    "ape": {
        "propose.candidates": 24, "propose.samples": 6, "propose.longest": LONGEST,
        "propose.sampling.max_tokens": REPLY, "filter.subset": 8, "filter.finalists": 3, "filter.examples": SHOWN,
        "resampling": 1,
    },
    "tpe": {
        "trials": 25, "propose.instructions": 6, "propose.longest": LONGEST, "propose.sampling.max_tokens": REPLY,
        "bootstrap.sets": 5, "bootstrap.demos": 2, "score.minibatch": 12, "score.examples": SHOWN,
    },
    "promptquine": {
        "evolve.population": 8, "evolve.offspring": 12, "score.per_class": 4, "rerank.examples": SHOWN // 2,
    },
    "tapruning": {"examples": SHOWN // 2},
    **{
        method: {"edit.neighbours": 5, "score.examples": SHOWN, "stop.iterations": 8, "stop.patience": 5}
        for method in PLUM
    },
    "plum-ga-c": {
        "population": 4, "offspring": 2, "edit.neighbours": 2, "score.examples": SHOWN, "stop.iterations": 6,
        "stop.patience": 4,
    },
    **{
        search: {
            "population": 5, "iterations": 8, "breed.crossovers": 3, "breed.longest": LONGEST,
            "breed.sampling.max_tokens": REPLY, "demos.most": most, "race.block": SHOWN // 3, "race.blocks": 3,
        }
        for search, most in (("capo", 2), ("capo-zero-shot", 0))
    },
}  # fmt: skip

VARIANTS: Mapping[str, str] = {"capo-zero-shot": "capo"}
"""Rows of the real table that are a method under other settings, and that method: here the paper's k_max = 0, whose
prompts can be held against those of searches without demonstrations."""
