"""`promptopt runs tilt`: what Align-Pro makes of the prompts that a run left behind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptopt.cli.output import say, show, show_json
from promptopt.errors import ConfigError
from promptopt.optimizers.align_pro.archive import archive_of, weighed_lines
from promptopt.places import write_whole, writing
from promptopt.reports import words
from promptopt.text import counted, shorten
from promptopt.types.identity import without_surrogates

PROMPT_CHARACTERS = 80
"""Characters of a prompt in the table."""


def tilt_run(
    result: Mapping[str, Any],
    *,
    bound: float | None,
    strength: float | None,
    scale: tuple[float, float],
    pairs: Path | None,
    json: bool,
) -> None:
    """Show the weights of a stored result's prompts, and write preference pairs where a file is named."""
    if bound is not None and strength is not None:
        raise ConfigError("--bound and --lambda exclude each other: leave one of them out")
    if not scale[0] < scale[1]:
        raise ConfigError(f"--scale {scale[0]:g} {scale[1]:g} is no range; give the least and the most of a score")
    for option, value in (("--bound", bound), ("--lambda", strength)):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"{option} is {value}; set it to a number above 0")
    archive = archive_of(result, scale)
    tilt = archive.tilt(bound=1.0 if bound is None and strength is None else bound, strength=strength)
    rows = weighed_lines(archive, tilt)
    if pairs is not None:
        # With a lambda of infinity all weights are alike, and no prompt is preferred to another.
        _write_pairs(pairs, archive.pairs(tilt.strength) if math.isfinite(tilt.strength) else [])
    if json:
        show_json(
            {
                "run_id": result["run_id"],
                # JSON has no infinity.
                "lambda": tilt.strength if math.isfinite(tilt.strength) else None,
                "kl": tilt.kl,
                "reference_reward": tilt.reference_reward,
                "reward": tilt.reward,
                "effective": tilt.effective,
                "prompts": [{"weight": weight, "reward": reward, "text": text} for weight, reward, text in rows],
            }
        )
        return
    table = [["weight", "reward", "prompt"]]
    table += [
        [f"{weight:.3f}", f"{reward:.3f}", shorten(" ".join(text.split()), PROMPT_CHARACTERS)]
        for weight, reward, text in rows
    ]
    show(words.columns(table, right=(0, 1)))
    show(
        f"\nreward {tilt.reference_reward:.3f} with all alike and {tilt.reward:.3f} by these weights, "
        f"{tilt.kl:.3f} nats from that, lambda {tilt.strength:.3g}, as if {tilt.effective:.1f} prompts were in use"
    )


def _write_pairs(file: Path, lines: list[str]) -> None:
    if not lines:
        raise ConfigError(
            "no two prompts of this run differ by more than two standard errors, so there are no pairs to write; score "
            "them on more examples"
        )
    with writing(file, "--pairs"):
        write_whole(file, without_surrogates("\n".join(lines) + "\n"))
    say(f"{counted(len(lines), 'pair')} in {file}")
