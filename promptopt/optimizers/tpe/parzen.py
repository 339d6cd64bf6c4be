"""A tree-structured Parzen estimator over pairs (Optuna's, as in MIPROv2): what to try next, after what was told."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

Pair = tuple[int, int]
"""The number of an instruction, and that of a set of demonstrations."""

STARTUP = 10
"""Trials that are drawn at random before the estimator suggests (Optuna, MIPROv2)."""


class Parzen:
    """Suggests pairs; a score that it is told makes its pair, and those alike, more or less likely from then on."""

    def __init__(self, instructions: int, sets: int, seed: int, startup: int = STARTUP) -> None:
        """It draws from `seed` alone, and says nothing. `startup`: trials at random at first, those told included."""
        from optuna.distributions import CategoricalDistribution

        self._space: dict[str, BaseDistribution] = {
            "instruction": CategoricalDistribution(tuple(range(instructions))),
            "demonstrations": CategoricalDistribution(tuple(range(sets))),
        }
        self._study = _study(seed, startup)
        self._asked: Trial | None = None

    def suggest(self) -> Pair:
        """The pair to try next; its score is to be `told` before the next is asked for."""
        self._asked = self._study.ask(self._space)
        return int(self._asked.params["instruction"]), int(self._asked.params["demonstrations"])

    def told(self, value: float) -> None:
        """The score of the pair that was suggested last."""
        assert self._asked is not None
        self._study.tell(self._asked, value)
        self._asked = None

    def tell(self, pair: Pair, value: float) -> None:
        """A score that it did not ask for, told with its own pair."""
        from optuna.trial import create_trial

        params = {"instruction": pair[0], "demonstrations": pair[1]}
        self._study.add_trial(create_trial(params=params, distributions=self._space, value=value))


def _study(seed: int, startup: int) -> Study:
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Before optuna 5 the joint model of both variables was called experimental.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=startup)
        return optuna.create_study(direction="maximize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(verbosity)
