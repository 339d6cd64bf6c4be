"""A prompter that a run trained, taken away as a model of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from promptopt.errors import ConfigError
from promptopt.operators.frozen import usable_device
from promptopt.optimizers.align_pro.prompter import Prompter, PrompterSettings
from promptopt.optimizers.align_pro.trained import SCHEME
from promptopt.places import check_new
from promptopt.store.runs import Store

# As the fingerprints of runs name the class, by which old runs are known too.
MADE_BY = "promptopt.optimizers.align_pro.method:AlignPro"


def take_prompter(store: Store, run: str, fingerprint: Mapping[str, Any], folder: Path) -> None:
    """Write the prompter that `run` trained to `folder`, which must not hold anything yet.

    `fingerprint`: the run's own (`RunRecord.fingerprint`). Raises ConfigError where the run trained none, or its
    weights are gone.
    """
    found: Any = fingerprint.get("method")
    method = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if method.get("is") != MADE_BY or not method.get("prompter"):
        raise ConfigError(
            f"run {run} trained no prompter; train one with `promptopt optimize --method align-pro --set prompter=hf/…`"
        )
    check_new(folder)
    state = store.cache.blobs.newest(run, "policy")
    if state is None:
        raise ConfigError(
            f"the store holds no weights of run {run}: it stopped before its first interval, or had nothing to train "
            f"by; run its command again"
        )
    train: Any = method["train"]
    # As `trained.open_prompter` makes it: the adapters have to have the same shapes.
    settings = PrompterSettings(train["rank"], train["rate"], train["clip"], train["longest"], fingerprint["seed"])
    prompter = Prompter(str(method["prompter"]).removeprefix(SCHEME), settings, usable_device("cpu"))
    prompter.restore(state)
    prompter.save(folder)
