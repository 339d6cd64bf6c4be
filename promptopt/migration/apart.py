"""Models that a prompt moves between, which have to be told apart."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.errors import ConfigError


def check_spelt_apart(old: object, targets: Sequence[object]) -> None:
    """Raise ConfigError where a target is spelt as the old model is, or as another target. Opens nothing."""
    named = model_names(old, targets)
    refuse_repeated(old, named, [each.strip().casefold() for each in named])


def model_names(old: object, targets: Sequence[object]) -> list[str]:
    """Those that are named: an object stands for what answered then, whatever answers under its name today."""
    return [each for each in (old, *targets) if isinstance(each, str)]


def refuse_repeated(old: object, named: Sequence[str], apart: Sequence[str]) -> None:
    """Raise ConfigError for the first two of `named` that `apart` does not tell apart; case tells no models apart."""
    pair = _repeated(apart)
    if pair is None:
        return
    one, other = (named[at] for at in pair)
    both = f"{one!r} is named twice" if one == other else f"{one!r} and {other!r} are one model"
    moved = pair[0] == 0 and isinstance(old, str)
    raise ConfigError(
        f"{both}, so there is nothing to move; name another model to move to" if moved else
        f"{both}; name each model to move to once"
    )  # fmt: skip


def _repeated(names: Sequence[str]) -> tuple[int, int] | None:
    """The places of the first two names that are equal."""
    return next(((names.index(name), at) for at, name in enumerate(names) if names.index(name) < at), None)
