"""A tree-structured Parzen estimator over choices (Optuna's, as in MIPROv2): what to try next, after what was told."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

Choice = tuple[int, ...]
"""A number for each of the variables: that of an instruction, of a set of demonstrations."""

STARTUP = 10
"""Trials that are drawn at random before the estimator suggests (Optuna, MIPROv2)."""


class Parzen:
    """Suggests choices; a score that it is told makes its choice, and those alike, more or less likely from then on."""

    def __init__(self, variables: Mapping[str, int], seed: int, startup: int = STARTUP) -> None:
        """`variables`: how many values each has, by name. It draws from `seed` alone, and says nothing.

        `startup`: trials at random at first, those told included.
        """
        # Imported here, so that `import promptopt` stays light.
        from optuna.distributions import CategoricalDistribution

        self._space: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(tuple(range(count))) for name, count in variables.items()
        }
        self._study = _study(seed, startup)
        self._asked: Trial | None = None

    def suggest(self) -> Choice:
        """The choice to try next; its score is to be `told` before the next is asked for."""
        self._asked = self._study.ask(self._space)
        return tuple(int(self._asked.params[name]) for name in self._space)

    def told(self, value: float) -> None:
        """The score of the choice that was suggested last."""
        assert self._asked is not None
        self._study.tell(self._asked, value)
        self._asked = None

    def tell(self, choice: Choice, value: float) -> None:
        """A score that it did not ask for, told with its own choice."""
        from optuna.trial import create_trial

        # As a finished trial: `Study.tell` takes only what was asked for.
        params = dict(zip(self._space, choice, strict=True))
        self._study.add_trial(create_trial(params=params, distributions=self._space, value=value))


def _study(seed: int, startup: int) -> Study:
    import optuna

    verbosity = optuna.logging.get_verbosity()
    # Optuna tells on stderr of every study it makes, and a library prints nothing.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Before optuna 5 the joint model of both variables was called experimental.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # One model of all variables, as in MIPROv2: sought is which values go well with each other.
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=startup)
        return optuna.create_study(direction="maximize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(verbosity)
