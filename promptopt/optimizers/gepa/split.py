"""The examples whose contents the reflector reads, and those of the fronts, of which it is shown nothing."""

from __future__ import annotations

from promptopt.errors import ConfigError
from promptopt.run import Run
from promptopt.types import Example


def split(run: Run, pareto: int) -> tuple[list[Example], list[Example]]:
    """(feedback, pareto) of the training examples, drawn by the run's stream "split": about so many on the fronts.

    Examples of one group, or with equal inputs, stand on one side. Raises ConfigError where there are fewer than two.
    """
    kin: dict[str, list[Example]] = {}
    for example in dict.fromkeys(run.train):
        kin.setdefault(_family(example), []).append(example)
    if len(kin) < 2:
        raise ConfigError(
            "one training example, or one group, cannot be both read and scored on: add examples, or set shared=true "
            "for a search whose result is fitted to the examples it reads"
        )
    feedback, fronts = list[Example](), list[Example]()
    families = run.rng("split").sample(list(kin.values()), len(kin))
    for number, family in enumerate(families):
        # One family at least stays to be read.
        full = len(fronts) >= pareto or number == len(families) - 1
        (feedback if full and fronts else fronts).extend(family)
    return feedback, fronts


def _family(example: Example) -> str:
    return f"group {example.group}" if example.group else f"fields {example.fields!r}"
