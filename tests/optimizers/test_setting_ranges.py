"""Where the range of every setting begins and ends: the bound itself is a setting, what lies beyond it is none."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from promptopt.errors import ConfigError
from promptopt.operators.bootstrapping import Teaching
from promptopt.optimizers.opro import method as opro
from promptopt.optimizers.optoprime.method import OptoPrime
from promptopt.optimizers.optoprime.several import Multi
from promptopt.optimizers.plum import neighbours, patience, phrases, points, population, single
from promptopt.optimizers.pmpo import method as pmpo
from promptopt.optimizers.pmpo import plan as pmpo_plan
from promptopt.optimizers.promptquine import method as promptquine
from promptopt.optimizers.promptquine.reranking import Reranking
from promptopt.optimizers.promptquine.tapruning import TAPruning
from promptopt.optimizers.random_search import RandomSearch
from promptopt.optimizers.rlprompt import settings as rlprompt
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.simba.method import SIMBA
from promptopt.optimizers.sprig.method import Sprig
from promptopt.optimizers.textgrad.method import TextGrad
from promptopt.optimizers.tpe import method as tpe
from promptopt.optimizers.tpe.bootstrap import Bootstrapping
from promptopt.selection import bandits, exhaustive, fresh, halving, lineage, racing, rejects

COUNTS: dict[type, Mapping[str, int]] = {
    opro.Showing: {"memory": 1, "exemplars": 0},
    opro.Proposing: {"breadth": 1, "longest": 1},
    opro.Validation: {"every": 1},
    opro.Stopping: {"idle": 1, "patience": 1},
    opro.OPRO: {"steps": 0, "examples": 1},
    Multi: {"num_responses": 1},
    OptoPrime: {"rounds": 0, "minibatch": 1, "memory": 0, "longest": 1},
    neighbours.Editing: {"chain": 1, "paraphrases": 1, "neighbours": 1},
    population.MutationGA: {"tournament": 1},
    population.CrossoverGA: {"tournament": 1, "population": 1, "offspring": 0},
    population.HarmonySearch: {"segments": 1, "memory": 1},
    phrases.RuleChunker: {"longest": 1},
    single.TabuSearch: {"length": 1},
    patience.Stopping: {"iterations": 0, "patience": 1},
    points.Scoring: {"examples": 1},
    pmpo.PMPO: {"iterations": 0, "examples": 1},
    pmpo_plan.Masking: {"most": 0},
    pmpo_plan.Rewriting: {"hard": 1, "samples": 1, "longest": 1},
    pmpo_plan.Acceptance: {"patience": 1},
    pmpo_plan.Targets: {"samples": 1},
    TAPruning: {"shots": 0, "most": 1, "examples": 1},
    promptquine.Evolution: {"drops": 1, "shortest": 0, "population": 1, "offspring": 1, "most": 1},
    promptquine.Scoring: {"per_class": 1, "most": 1},
    promptquine.PromptQuine: {"shots": 0, "starts": 1},
    Reranking: {"examples": 1, "most": 0},
    RandomSearch: {"candidates": 0, "breadth": 1, "examples": 1, "longest": 1},
    rlprompt.Learning: {"hidden": 1},
    rlprompt.Exploring: {"top": 0, "vocabulary": 0, "fluent": 0},
    rlprompt.Sizes: {"steps": 1, "examples": 1, "held": 1, "every": 1, "prompts": 2, "finalists": 0},
    RLPrompt: {"length": 1, "inputs": 0},
    SIMBA: {"rounds": 0, "minibatch": 1, "candidates": 1, "demos": 0, "longest": 1},
    Sprig: {
        "steps": 1, "beam": 1, "pool": 1, "examples": 1, "most_components": 1, "longest": 1, "rephrasings": 0,
    },
    TextGrad: {"rounds": 0, "minibatch": 1, "validation": 1, "momentum": 0, "longest": 1},
    Bootstrapping: {"sets": 1, "demos": 1},
    tpe.Proposing: {"instructions": 1, "examples": 0, "longest": 1},
    tpe.Scoring: {"minibatch": 1, "full_every": 1, "examples": 1},
    tpe.TPE: {"trials": 0},
    Teaching: {"bootstrapped": 0, "labelled": 0, "tries": 1},
    fresh.FreshRejects: {"budget": 1},
    lineage.LineageBounds: {"budget": 1, "at_once": 1},
    exhaustive.Exhaustive: {"budget": 0},
    bandits.UCB: {"budget": 0, "arms_per_round": 1, "examples_per_pull": 1},
    bandits.UCBE: {"budget": 0, "arms_per_round": 1, "examples_per_pull": 1},
    rejects.SuccessiveRejects: {"budget": 0},
    halving.SuccessiveHalving: {"budget": 0},
    racing.Racing: {"budget": 0, "block": 1},
    racing.LengthPrice: {"reference": 1},
}  # fmt: skip
"""The least of every count; there is no most."""

AMOUNTS: dict[type, Mapping[str, tuple[float, float]]] = {
    opro.Showing: {"threshold": (0, 1)},
    opro.Proposing: {"end_temperature": (0, math.inf)},
    opro.Validation: {"share": (0, 0.5)},
    OptoPrime: {"threshold": (0, math.inf)},
    population.CrossoverGA: {"mutation": (0, 1)},
    population.HarmonySearch: {"consider": (0, 1), "adjust": (0, 1)},
    single.SimulatedAnnealing: {"temperature": (0, math.inf), "decay": (0.01, math.inf)},
    single.TabuSearch: {"admission": (0, 1)},
    points.Scoring: {"entropy_weight": (0, math.inf)},
    pmpo_plan.Acceptance: {"min_delta": (0, 1)},
    pmpo_plan.Targets: {"temperature": (0, math.inf)},
    TAPruning: {"threshold": (0, 1)},
    promptquine.Evolution: {"tournament": (0, 1)},
    Reranking: {"share": (0, 1)},
    rlprompt.Learning: {
        "rate": (0, 1), "target_rate": (0, 1), "bias": (-1e6, 1e6), "scale": (0, 1e6), "offset": (-1e6, 1e6),
        "entropy": (0, 1e6), "kl": (0, 1e6),
    },
    RLPrompt: {"fluency": (0, math.inf)},
    SIMBA: {"sharpness": (0.001, math.inf), "heat": (0, 2)},
    Sprig: {"ucb": (0, math.inf)},
    Bootstrapping: {"share": (0, 1)},
    Teaching: {"heat": (0, math.inf)},
    lineage.LineageBounds: {"optimism": (0, math.inf)},
    bandits.UCB: {"exploration": (0, math.inf)},
    bandits.UCBE: {"exploration": (0, math.inf)},
    racing.PairedTest: {"alpha": (0, 0.5), "epsilon": (0, math.inf)},
    racing.LengthPrice: {"gamma": (0, math.inf)},
}  # fmt: skip
"""The least and the most of every other number."""


@pytest.mark.parametrize("kind", COUNTS, ids=lambda kind: kind.__qualname__)
def test_a_count_has_a_least(kind: type) -> None:
    for name, least in COUNTS[kind].items():
        assert getattr(kind(**{name: least}), name) == least
        assert getattr(kind(**{name: 10**9}), name) == 10**9
        with pytest.raises(ConfigError, match=name):
            kind(**{name: least - 1})


@pytest.mark.parametrize("kind", AMOUNTS, ids=lambda kind: kind.__qualname__)
def test_an_amount_lies_between_its_bounds(kind: type) -> None:
    for name, (least, most) in AMOUNTS[kind].items():
        for bound, beyond in ((least, math.nextafter(least, -math.inf)), (most, math.nextafter(most, math.inf))):
            if math.isfinite(bound):
                assert getattr(kind(**{name: float(bound)}), name) == bound
                with pytest.raises(ConfigError, match=name):
                    kind(**{name: beyond})
        with pytest.raises(ConfigError, match=name):
            kind(**{name: math.nan})


def test_examples_are_held_out_as_a_fifth_to_a_half_of_them_or_not_at_all() -> None:
    for share in (0.0, 0.2, 0.5):
        assert pmpo_plan.Acceptance(validation=share).validation == share
    for share in (-0.1, 0.19, 0.51):
        with pytest.raises(ConfigError, match="validation"):
            pmpo_plan.Acceptance(validation=share)


def test_a_clip_is_above_zero() -> None:
    assert rlprompt.Learning(clip=1e-9).clip == 1e-9
    for clip in (0.0, -1.0):
        with pytest.raises(ConfigError, match="clip"):
            rlprompt.Learning(clip=clip)
