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

CHARGING = ["tests/run/test_charging.py", "tests/test_run_charges.py", "tests/run/test_probes.py"]
"""What a run pays, and what its caps let through."""
DSPY_WHOLE = "tests/inside_dspy/test_teleprompter.py"
"""Programs of DSPy, compiled from end to end."""
LABELLING = ["tests/cli/test_cli_label.py", "tests/cli/test_cli_label_sheets.py"]
"""Sheets of replies that people label, and the verdict by them."""
JUDGING = [
    "tests/evaluators/test_check_judge.py",
    "tests/trust/test_calibration.py",
    "tests/cli/test_cli_calibrate.py",
    "tests/cli/test_cli_judges.py",
    "tests/evaluators/test_judging_runs.py",
]
"""How a judge is held against people, and what its word is worth in a run."""
READING = [
    "tests/evaluators/test_reasoned.py",
    "tests/evaluators/test_naming.py",
    "tests/evaluators/test_replies_as_models_write_them.py",
    "tests/evaluators/test_replies_in_public_reports.py",
    "tests/evaluators/test_replies_read_too_strictly.py",
    "tests/evaluators/test_replies_with_algebra_and_refusals.py",
]
"""Replies as models write them, and what is read out of them."""
JUDGES_READ = [
    "tests/evaluators/test_written_scores.py",
    "tests/evaluators/test_judge_reply.py",
    "tests/evaluators/test_judging.py",
]
"""Replies of judges, and what is read out of them."""
NUMERALS = [
    "tests/evaluators/test_numerals.py",
    "tests/evaluators/test_numerals_spellings.py",
    "tests/evaluators/test_numerals_of_no_number.py",
    "tests/evaluators/test_compounds.py",
    "tests/evaluators/test_contrasted.py",
]
"""Numbers as they are written in replies."""

TESTS = {
    "optimizers/random_search": [f"{GOLDEN}[random]", "tests/optimizers/test_random_search.py"],
    "optimizers/promptquine/tapruning": ["tests/optimizers/promptquine/test_tapruning.py"],
    "optimizers/promptquine": [f"{GOLDEN}[promptquine]", "tests/optimizers/promptquine"],
    "optimizers/evoprompt": [f"{GOLDEN}[evoprompt-ga]", f"{GOLDEN}[evoprompt-de]", "tests/optimizers/evoprompt"],
    "optimizers/plum": [f"{GOLDEN}[plum]", "tests/optimizers/plum"],
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
    "operators/cells_left": [f"{GOLDEN}[gepa]", "tests/optimizers/gepa"],
    "operators/nothing_there": ["tests/optimizers/test_empty_start.py"],
    "operators/other_words": ["tests/operators/test_other_words.py"],
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
    "operators/dry_spells": [
        "tests/operators/test_dry_spells.py",
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
        "tests/optimizers/test_grants_spent.py",
    ],
    "operators/drafts": ["tests/operators/test_drafts.py", f"{GOLDEN}[apo]", "tests/optimizers/apo"],
    "operators/policy_marks": ["tests/operators/test_policy_marks.py", "tests/optimizers/rlprompt"],
    "operators/losses": ["tests/operators/test_losses.py", f"{GOLDEN}[pmpo]"],
    "operators/masks": ["tests/operators/test_masks.py", f"{GOLDEN}[pmpo]"],
    "operators/quotes": ["tests/operators/test_quotes.py", f"{GOLDEN}[ape]"],
    "operators/recorded_calls": ["tests/operators/test_recorded_calls.py"],
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
        "tests/optimizers/test_auto_fruitless.py",
        "tests/optimizers/test_auto_losses.py",
        "tests/optimizers/test_auto_opening.py",
        "tests/optimizers/test_auto_operators.py",
        "tests/optimizers/test_auto_paid_demonstrations.py",
        "tests/optimizers/test_auto_writings.py",
    ],
    "optimizers/metaspo": [
        f"{GOLDEN}[metaspo]",
        "tests/optimizers/test_metaspo.py",
        "tests/optimizers/test_metaspo_plan.py",
        "tests/optimizers/test_grants_spent.py",
    ],
    "optimizers/mipro": [f"{GOLDEN}[mipro]", "tests/optimizers/mipro", "tests/optimizers/test_grants_spent.py"],
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
    "stats": ["tests/test_stats_verdicts.py", "tests/test_stats.py", "tests/test_stats_means.py"],
    "outcome/looks": [
        "tests/outcome/test_looks_told_apart.py",
        "tests/outcome/test_looks.py",
        "tests/evaluation/test_compare_prompts.py",
        "tests/evaluation/test_one_look.py",
        "tests/cli/test_cli_looks.py",
    ],
    "outcome/decisions": [
        "tests/outcome/test_decisions.py",
        "tests/cli/test_cli_check_bars.py",
        "tests/reports/test_gate_reports.py",
        "tests/cli/test_cli_check_bounds.py",
        "tests/cli/test_cli_check.py",
    ],
    "outcome/criterion": ["tests/binding/test_criterion.py", "tests/evaluators/test_check_judge.py"],
    "outcome/sealed_test": [
        "tests/outcome/test_measured.py",
        "tests/outcome/test_sealed_test.py",
        "tests/outcome/test_counts_once.py",
        "tests/test_planning.py",
        "tests/outcome/test_looks.py",
        "tests/outcome/test_result_warnings.py",
        "tests/run/test_run_endings.py",
        "tests/evaluators/test_judging_runs.py",
    ],
    "outcome/cell_prices": ["tests/outcome/test_cell_prices.py"],
    "outcome/members": ["tests/run/test_floors_held.py", "tests/outcome/test_unread.py"],
    "outcome/pairs": ["tests/outcome/test_pairs.py", *LABELLING],
    "outcome/smallest": [
        "tests/outcome/test_smallest_gain.py",
        "tests/outcome/test_counts_once.py",
        "tests/run/test_lowest_tasks.py",
    ],
    "outcome/unread": ["tests/outcome/test_unread.py"],
    "outcome/by_labels": LABELLING,
    "outcome/by_judge": ["tests/outcome/test_judge_sentences.py", "tests/outcome/test_sentence.py", *JUDGING],
    "outcome/judge_trust": JUDGING,
    "outcome/final": [
        "tests/outcome/test_final_ranks.py",
        "tests/outcome/test_final_choice.py",
        "tests/test_choice.py",
        "tests/test_worth.py",
        "tests/binding/test_criterion.py",
        "tests/run/test_cut_asks.py",
        "tests/run/test_run.py",
    ],
    "outcome/trial": [
        "tests/outcome/test_looks.py",
        "tests/outcome/test_sentence.py",
        "tests/outcome/test_result_warnings.py",
        "tests/run/test_run_endings.py",
        "tests/evaluators/test_judging_runs.py",
        "tests/binding/test_criterion.py",
    ],
    "outcome/hygiene": ["tests/outcome/test_hygiene.py"],
    "outcome/injections": ["tests/outcome/test_hygiene.py"],
    "outcome/notebook": ["tests/outcome/test_notebook.py"],
    "outcome/own_probes": ["tests/outcome/test_own_probes.py"],
    "outcome": ["tests/outcome", "tests/run/test_run_endings.py", "tests/cli/test_cli_runs.py"],
    "run/posterior": ["tests/run/test_posterior.py"],
    "run/scoreboard": [
        "tests/run/test_posterior.py",
        "tests/outcome/test_final_choice.py",
        "tests/run/test_run.py",
        f"{GOLDEN}[auto]",
    ],
    "run/worth": ["tests/test_worth.py", "tests/outcome/test_final_choice.py"],
    "run/charging": [
        *CHARGING,
        "tests/run/test_request_slices.py",
        "tests/run/test_reserve_raised.py",
        "tests/run/test_cut_asks.py",
        "tests/outcome/test_changed_prices.py",
        "tests/run/test_run.py",
    ],
    "run/slices": ["tests/run/test_request_slices.py", *CHARGING],
    "run/budget": [
        "tests/run/test_budget.py",
        "tests/test_planning.py",
        "tests/run/test_reserve.py",
        "tests/test_run_charges.py",
        "tests/test_forecast.py",
    ],
    "run/door": [*CHARGING, "tests/run/test_first_replies.py", "tests/store/test_claims.py", "tests/run/test_run.py"],
    "run/reserve": [
        "tests/run/test_reserve.py",
        "tests/run/test_reserve_shares.py",
        "tests/run/test_reserve_admission.py",
        "tests/run/test_reserve_raised.py",
        "tests/outcome/test_cell_prices.py",
        "tests/test_planning.py",
        "tests/binding/test_criterion.py",
    ],
    "run/fetching": [
        "tests/run/test_probes.py",
        "tests/run/test_refused_and_cut.py",
        "tests/run/test_request_slices.py",
        "tests/store/test_claims.py",
        "tests/run/test_run.py",
    ],
    "run/claimed_calls": ["tests/store/test_claims.py", "tests/run/test_run.py"],
    "run/scoring": ["tests/run/test_evaluator_scores.py", "tests/run/test_rescoring.py", "tests/run/test_run.py"],
    "run/reply_checks": ["tests/run/test_reply_checks.py"],
    "run/first_replies": ["tests/run/test_first_replies.py"],
    "run": ["tests/run", "tests/test_run_charges.py"],
    "store/call_keys": ["tests/store/test_store.py", "tests/store/test_claims.py"],
    "store/looks": ["tests/store/test_store_looks.py", "tests/outcome/test_looks.py"],
    "store": ["tests/store"],
    "evaluators/readers": ["tests/evaluators/test_readers.py", *READING],
    "evaluators/numerals": NUMERALS,
    "evaluators/metrics": [
        "tests/evaluators/test_metrics.py",
        "tests/evaluators/test_overlap.py",
        "tests/evaluators/test_undecided.py",
        "tests/tasks/test_task_files.py",
    ],
    "evaluators/labels": [
        "tests/evaluators/test_labels.py",
        "tests/evaluators/test_labels_piecewise.py",
        "tests/evaluators/test_first_token.py",
    ],
    "evaluators/generation": [
        "tests/evaluators/test_generation.py",
        "tests/evaluators/test_shares.py",
        "tests/run/test_refused_and_cut.py",
        "tests/test_run_charges.py",
    ],
    "evaluators/judge_reply": JUDGES_READ,
    "evaluators/near_json": JUDGES_READ,
    "evaluators/written_scores": JUDGES_READ,
    "evaluators/loss": ["tests/evaluators/test_loss.py", "tests/test_run_charges.py"],
    "evaluators": ["tests/evaluators"],
    "comparison/folder": ["tests/comparison/test_compare.py", "tests/cli/test_cli_compare.py"],
    "comparison": ["tests/comparison"],
    "tasks/splits": ["tests/tasks/test_splits.py", "tests/tasks/test_rare_labels.py", "tests/tasks/test_task.py"],
    "tasks/sealing": ["tests/tasks/test_sealing.py"],
    "trust": ["tests/trust", "tests/evaluators/test_check_judge.py", *LABELLING],
    "judges": ["tests/evaluation/test_labelled_replies.py", *JUDGING],
    "labelling": ["tests/evaluation/test_verdict_by_labels.py", *LABELLING],
    "tasks/masking": ["tests/tasks/test_masking.py", "tests/cli/test_cli_init_logs.py"],
    "migration": [
        "tests/migration",
        "tests/outcome/test_unread.py",
        "tests/cli/test_cli_migrate_agreement.py",
        "tests/cli/test_cli_migrate_breaks.py",
        "tests/cli/test_cli_migrate_replies.py",
        "tests/cli/test_cli_migrate_missing.py",
        "tests/cli/test_cli_migrate.py",
    ],
    "dspy/metric": ["tests/inside_dspy/test_dspy_metrics.py", "tests/inside_dspy/test_dspy_demos.py", DSPY_WHOLE],
    "dspy/unscored": ["tests/inside_dspy/test_dspy_metrics.py", DSPY_WHOLE],
    "dspy/in_flight": ["tests/inside_dspy/test_dspy_protocol.py", "tests/inside_dspy/test_lms.py", DSPY_WHOLE],
    "cli/check": [
        "tests/cli/test_cli_check_bars.py",
        "tests/cli/test_cli_check_bounds.py",
        "tests/cli/test_cli_check.py",
    ],
    "cli/verdict": LABELLING,
}
"""Tests of a module or folder, the quick ones first; the first entry that fits. Other methods have a folder each."""

NEEDS = {
    "dspy/in_flight": "dspy",
    "dspy/metric": "dspy",
    "dspy/unscored": "dspy",
    "optimizers/align_pro/prompter": "peft",
    "optimizers/align_pro/taking": "peft",
    "optimizers/rlprompt/adapter": "torch",
    "optimizers/rlprompt/layers": "torch",
    "optimizers/rlprompt/objectives": "torch",
}
"""Libraries without which the tests of a module skip, and would notice nothing: it is then left out, and said."""
