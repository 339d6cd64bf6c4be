"""Who plays in the peers' arena, and what each peer is given: its defaults where they fit the cap, else the nearest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERSIONS: Mapping[str, str] = {
    "gepa": "0.1.4", "promptolution": "2.3.0", "dspy-ai": "3.4.1", "optuna": "5.0.0", "litellm": "1.110.2",
    "openai": "3.57.0",
}  # fmt: skip
"""What the peers' virtual environment is made of."""
OURS = ("random", "apo", "capo", "evoprompt-ga", "opro", "pmpo", "plum-hs", "ape", "tpe", "auto")
"""Methods of ours, all as shipped: no setting of theirs is named here."""
NAMES: Mapping[str, str] = {"our-gepa": "gepa"}
"""What a method of ours is called here, where a peer has its name; and its own name."""
EVALUATORS: Mapping[str, str] = {"pmpo": "generation"}
"""Where a method's own evaluator needs log-probabilities of given texts, which this server has not."""
DESCRIPTION = "Decide whether the answer to a question is yes or no."
"""What everybody is told of the task."""

PEERS: Mapping[str, Mapping[int, Mapping[str, Any]]] = {
    # Everything by default; its budget counts metric calls, and is the cap. A validation set of 100 leaves three
    # candidates of 400 calls.
    "gepa": {400: {"val": 30}, 1200: {"val": 50}},
    # By default blocks of 30, at most 10 of them, 4 crossovers, up to 5 demonstrations that the model itself answers;
    # on other pools at 400 that gains 0.040 (its two demonstrations), this 0.115 ± 0.023, blocks of 5 with a population
    # of 8 0.103, and none of the demonstrations with a population of 4 0.130 ± 0.037.
    "promptolution-capo": {
        400: {
            "population": 5, "block": 10, "strategy": "sequential_block",
            "optimizer": {"crossovers_per_iter": 4, "max_n_blocks_eval": 3, "upper_shots": 2},
        },
        1200: {
            "population": 8, "block": 10, "strategy": "sequential_block",
            "optimizer": {"crossovers_per_iter": 4, "max_n_blocks_eval": 5, "upper_shots": 2},
        },
    },
    "promptolution-evoprompt": {
        400: {"population": 5, "block": 20, "strategy": "sequential_block"},
        1200: {"population": 8, "block": 25, "strategy": "sequential_block"},
    },
    # Its depth is by default 3, its breadth 10; the examples are what the cap leaves. Of 400 calls, on other pools:
    # breadth 10 with 12 examples 0.050, 6 with 21 0.078, 5 and depth 6 with 12 0.062 ± 0.02.
    "dspy-copro": {
        400: {"breadth": 6, "depth": 3, "examples": 21},
        1200: {"breadth": 10, "depth": 3, "examples": 38},
    },
    # `auto="light"` (6 candidates, 10 trials, 100 validation examples) asks 560 times whatever the cap;
    # at 400 it does not fit, and at 1,200 more candidates and trials make more of the cap. Beyond the cap it would
    # return nothing, so some of it is left.
    "dspy-mipro": {
        400: {
            "val": 20, "optimizer": {"auto": None, "num_candidates": 10},
            "compile": {"num_trials": 15, "minibatch": False},
        },
        1200: {
            "val": 35, "optimizer": {"auto": None, "num_candidates": 16},
            "compile": {"num_trials": 27, "minibatch": False},
        },
    },
}  # fmt: skip


def settings_for(peer: str, cap: int) -> Mapping[str, Any]:
    """The settings for the largest cap that is no more than `cap`; for the smallest, where it is less than all."""
    by_cap = PEERS[peer]
    return by_cap[max((each for each in by_cap if each <= cap), default=min(by_cap))]
