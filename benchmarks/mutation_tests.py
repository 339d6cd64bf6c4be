"""Which tests speak for a module under `benchmarks/mutation.py`, and what has to be installed for them to."""

from __future__ import annotations

GOLDEN = "tests/golden/test_golden.py::test_a_method_asks_what_it_asked_before"
PLANS = "tests/golden/test_plans.py"
"""The defaults and plans of all methods."""
RANGES = "tests/optimizers/test_setting_ranges.py"
"""Where the ranges of their settings end."""
BY_HAND = "tests/optimizers/test_plans_by_hand.py"
"""Plans and bounds, worked out by hand."""
ASKED = "tests/optimizers/test_words_asked_for.py"
"""How long a text proposers are asked for."""

TESTS = {
    "optimizers/random_search": [f"{GOLDEN}[random]", "tests/optimizers/test_random_search.py"],
    "optimizers/promptquine/tapruning": ["tests/optimizers/promptquine/test_tapruning.py"],
    "optimizers/promptquine": [f"{GOLDEN}[promptquine]", "tests/optimizers/promptquine"],
    "optimizers/evoprompt": [f"{GOLDEN}[evoprompt-ga]", f"{GOLDEN}[evoprompt-de]", "tests/optimizers/evoprompt"],
    "optimizers/plum": [f"{GOLDEN}[plum]", "tests/optimizers/plum"],
    "operators/adam": ["tests/optimizers/rlprompt"],
    "operators/demos": [
        "tests/operators/test_demonstrations.py",
        "tests/tasks/test_crowding.py",
        f"{GOLDEN}[capo]",
        "tests/optimizers/capo/test_capo.py",
    ],
    "optimizers/align_pro": [f"{GOLDEN}[align-pro]", "tests/optimizers/align_pro"],
    "operators/training": ["tests/operators/test_training.py", "tests/optimizers/rlprompt", f"{GOLDEN}[rlprompt]"],
    "operators/bootstrapping": [
        RANGES,
        "tests/operators/test_bootstrapping.py",
        f"{GOLDEN}[bootstrap]",
        "tests/optimizers/bootstrap",
        "tests/optimizers/mipro",
    ],
    "operators/demand": [f"{GOLDEN}[gepa]", "tests/optimizers/gepa"],
    "operators/frozen": ["tests/operators/test_frozen.py", "tests/optimizers/rlprompt/test_adapter.py"],
    "operators/graph": ["tests/operators/test_graph.py", f"{GOLDEN}[optoprime]", f"{GOLDEN}[textgrad]"],
    "operators/grounded": [
        f"{GOLDEN}[tpe]",
        f"{GOLDEN}[mipro]",
        "tests/optimizers/tpe",
        "tests/optimizers/mipro",
    ],
    "operators/refusals": ["tests/operators/test_refused_texts.py"],
    "operators/wrappings": ["tests/operators/test_wrappings.py"],
    "operators/suggestions": [
        "tests/operators/test_suggestions.py",
        f"{GOLDEN}[optoprime]",
        "tests/optimizers/optoprime",
    ],
    "operators/traces": ["tests/operators/test_traces.py", f"{GOLDEN}[gepa]", "tests/optimizers/gepa"],
    "operators/dry": [
        "tests/operators/test_dry.py",
        "tests/optimizers/apo/test_apo_budget.py",
        "tests/optimizers/pmpo/test_pmpo_budget.py",
    ],
    "operators/exemplars": [
        "tests/operators/test_exemplars.py",
        f"{GOLDEN}[opro]",
        "tests/optimizers/opro/test_opro_requests.py",
    ],
    "optimizers/sprig": [
        f"{GOLDEN}[sprig]",
        "tests/optimizers/test_sprig.py",
        "tests/optimizers/test_sprig_plans.py",
        "tests/optimizers/test_sprig_children.py",
        "tests/optimizers/test_sprig_population.py",
    ],
    "operators/drafts": ["tests/operators/test_drafts.py", f"{GOLDEN}[apo]", "tests/optimizers/apo"],
    "operators/policy_marks": ["tests/operators/test_policy_marks.py", "tests/optimizers/rlprompt"],
    "operators/losses": ["tests/operators/test_losses.py", f"{GOLDEN}[pmpo]"],
    "operators/masks": ["tests/operators/test_masks.py", f"{GOLDEN}[pmpo]"],
    "operators/quotes": ["tests/operators/test_quotes.py", f"{GOLDEN}[ape]"],
    "operators/reflect": ["tests/operators/test_reflect.py", f"{GOLDEN}[apo]", "tests/optimizers/apo"],
    "operators/replies": ["tests/operators/test_replies.py"],
    "operators/rewrite": [
        "tests/operators/test_rewrite.py",
        "tests/operators/test_replies.py",
        "tests/optimizers/ape/test_ape.py",
    ],
    "optimizers/auto": [
        f"{GOLDEN}[auto]",
        "tests/optimizers/test_auto.py",
        "tests/optimizers/test_auto_demonstrations.py",
        "tests/optimizers/test_auto_ending.py",
        "tests/optimizers/test_auto_losses.py",
        "tests/optimizers/test_auto_opening.py",
        "tests/optimizers/test_auto_operators.py",
    ],
    "optimizers/metaspo": [
        f"{GOLDEN}[metaspo]",
        "tests/optimizers/test_metaspo.py",
        "tests/optimizers/test_metaspo_plan.py",
    ],
    "run/posterior": ["tests/run/test_posterior.py"],
    "run/scoreboard": ["tests/run/test_posterior.py", "tests/run/test_run.py", f"{GOLDEN}[auto]"],
    "selection/minibatches": [
        "tests/selection/test_minibatches.py",
        f"{GOLDEN}[tpe]",
        "tests/optimizers/tpe",
        "tests/optimizers/mipro",
    ],
    "selection/parzen": [f"{GOLDEN}[tpe]", "tests/optimizers/tpe"],
    "selection/lineage": ["tests/selection/test_lineage.py", f"{GOLDEN}[auto]"],
    "selection/generations": ["tests/selection/test_generations.py", "tests/selection/test_fresh.py"],
    "selection/depth": ["tests/selection/test_generations.py", "tests/selection/test_fresh.py"],
    "selection/fresh": ["tests/selection/test_fresh.py", "tests/selection/test_generations.py"],
    "selection": [RANGES, "tests/selection"],
}
"""Tests of a module or folder, the quick ones first; the first entry that fits. Other methods have a folder each."""

NEEDS = {
    "optimizers/align_pro/prompter": "peft",
    "optimizers/align_pro/taking": "peft",
    "optimizers/rlprompt/adapter": "torch",
    "optimizers/rlprompt/layers": "torch",
    "optimizers/rlprompt/objectives": "torch",
}
"""Libraries without which the tests of a module skip, and would notice nothing: it is then left out, and said."""
