"""The settings that methods are given in the arena, by their registered names, where they do not plan from the budget.

What is not named here has the method's own default. Planted: up to 2,000 evaluations, so a fixed set of examples has
30 and a search goes on until the budget ends it. Real: small local models, so replies are short and few.
"""

from __future__ import annotations

from collections.abc import Mapping

from promptopt import registry
from promptopt.binding.settings import Setting

Settings = Mapping[str, Mapping[str, Setting]]

EXAMPLES = 30
"""Training examples that a prompt is scored on, where a method scores all prompts on the same ones."""
SELECTOR_BUDGET = 150
"""Evaluations of one selection, for methods that hold a selector."""

PLUM = ("plum-hc", "plum-sa", "plum-tabu", "plum-ga-m", "plum-ga-c", "plum-hs")
"""Those whose settings are alike."""
TRAINED = ("rlprompt",)
"""Those that train a model of their own, which the arena has none of: `benchmarks/rlprompt.py` runs them."""
PLANNED = (
    "opro", "random", "ape", "tpe", "capo", "gepa", "bootstrap", "mipro", "optoprime", "textgrad", "simba", "sprig",
    "align-pro", "metaspo",
)  # fmt: skip
"""Those that plan from the budget, and are given nothing."""

PLANTED: Settings = {
    # These plan by the budget, and need no settings.
    "auto": {},
    "apo": {},
    "pmpo": {},
    "evoprompt-ga": {},
    "evoprompt-de": {},
    **{method: {} for method in PLANNED},
    "promptquine": {},
    "tapruning": {},
    **{method: {} for method in PLUM},
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
            "rewrite.longest": LONGEST,
            # The steps are written down before the prompt.
            "rewrite.sampling.max_tokens": 2 * REPLY,
        }
        for method in ("evoprompt-ga", "evoprompt-de")
    },
    "opro": {"propose.longest": 800, "propose.sampling.max_tokens": REPLY},
    "align-pro": {"longest": LONGEST, "sampling.max_tokens": REPLY},
    "random": {"longest": LONGEST, "sampling.max_tokens": REPLY},
    "ape": {"propose.longest": LONGEST, "propose.sampling.max_tokens": REPLY},
    "tpe": {"propose.longest": LONGEST, "propose.sampling.max_tokens": REPLY},
    "bootstrap": {"teach.bootstrapped": 2, "teach.labelled": 4},
    "mipro": {"propose.longest": LONGEST, "propose.sampling.max_tokens": REPLY, "teach.labelled": 2},
    "optoprime": {"longest": LONGEST, "sampling.max_tokens": 2 * REPLY},
    "textgrad": {"longest": LONGEST, "sampling.max_tokens": REPLY},
    "simba": {"longest": LONGEST, "sampling.max_tokens": REPLY, "demos": 2},
    "gepa": {"reflect.longest": LONGEST, "reflect.sampling.max_tokens": REPLY},
    "sprig": {"longest": LONGEST, "sampling.max_tokens": REPLY},
    "metaspo": {"longest": LONGEST, "sampling.max_tokens": REPLY},
    "promptquine": {},
    "tapruning": {},
    **{method: {} for method in PLUM},
    **{
        search: {"breed.longest": LONGEST, "breed.sampling.max_tokens": REPLY, "demos.most": most}
        for search, most in (("capo", 2), ("capo-zero-shot", 0))
    },
}  # fmt: skip

VARIANTS: Mapping[str, str] = {"capo-zero-shot": "capo"}
"""Rows of the real table that are a method under other settings, and that method: here the paper's k_max = 0, whose
prompts can be held against those of searches without demonstrations."""


def arena() -> list[str]:
    """The methods that the arena runs."""
    return [method for method in registry.names("optimizers") if method not in TRAINED]
