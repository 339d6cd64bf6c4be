"""A policy that writes for single inputs, taken away from its run, and asked as a model: `policy/FOLDER`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from promptopt.errors import ConfigError
from promptopt.models.providers import Provider
from promptopt.operators.frozen import files_of, usable_device
from promptopt.operators.policy_marks import mark_in, state_of
from promptopt.operators.training import BEST, Policy
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.opening import SCHEME, adapter_settings
from promptopt.optimizers.rlprompt.plan import RLPlan
from promptopt.optimizers.rlprompt.settings import Exploring, Learning
from promptopt.places import check_new, write_whole
from promptopt.run.artifacts import Artifacts
from promptopt.store.runs import Store
from promptopt.types import Reply, Request, flat

# As the fingerprints of runs name the class, by which old runs are known too.
MADE_BY = "promptopt.optimizers.rlprompt.method:RLPrompt"
CARD, WEIGHTS = "policy.json", "policy.safetensors"


def take_policy(store: Store, run: str, fingerprint: Mapping[str, Any], text: str, folder: Path) -> None:
    """Write the policy that `text`, the winner of `run`, has the mark of to `folder`, which must not hold anything yet.

    `fingerprint`: the run's own (`RunRecord.fingerprint`). Raises ConfigError where the winner is no policy, or its
    weights are gone.
    """
    mark = mark_in(text)
    if not mark:
        raise ConfigError(
            f"the winner of run {run} is a text and no policy; `promptopt optimize --method rlprompt --set inputs=2` "
            f"trains one that writes for single inputs, which can be taken where it beats the start on dev"
        )
    check_new(folder)
    state = Artifacts(store.cache.blobs, run).get(BEST, state_of(mark))
    if state is None:
        raise ConfigError(
            f"the store holds no weights of {mark} of run {run}: they went with a run that was deleted; begin another "
            f"with another --seed"
        )
    method: Mapping[str, Any] = fingerprint["method"]
    plan: Mapping[str, Any] = fingerprint["plan"]
    spec = str(method["policy"]).removeprefix(SCHEME)
    # All that the adapter is made from beside its weights; numbers and names alone, so that nothing is executed.
    card = {
        "mark": mark,
        "model": spec,
        "files": files_of(spec).fingerprint,
        "algorithm": method["algorithm"],
        "seed": fingerprint["seed"],
        "learn": _settings_of(method["learn"]),
        "explore": _settings_of(method["explore"]),
        "plan": _settings_of(plan),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(state)
    write_whole(folder / CARD, json.dumps(card, indent=1) + "\n")


class PolicyModel:
    """A `Model` that answers an input with the prompt that a policy finds likeliest for it."""

    def __init__(self, folder: str) -> None:
        """Raises ConfigError where `folder` holds no policy."""
        path = Path(folder).expanduser()
        try:
            found: Any = json.loads((path / CARD).read_text(encoding="utf-8"))
            # Read now, so that the name stands for what will be asked; the model behind it is opened when it is.
            self._weights = (path / WEIGHTS).read_bytes()
            self._card = cast("dict[str, Any]", found)
            self._mark = mark_in(str(self._card["mark"]))
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise ConfigError(
                f"'policy/{folder}' is no folder of a policy, which holds {CARD} and {WEIGHTS}; `promptopt runs "
                f"prompter RUN --out FOLDER` writes one"
            ) from cause
        digest = hashlib.sha256(self._weights).hexdigest()[:12]
        self.name = f"policy/{path.resolve().name}@{digest}{self._mark}"

    @property
    def mark(self) -> str:
        """What stands for its texts in the prompt that won with it."""
        return self._mark

    @property
    def local(self) -> bool:
        """It runs on this machine."""
        return True

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """In order; a chat is read as its messages, in lines. A policy has one answer to an input."""
        for number, request in enumerate(requests):
            if stopping():
                return
            sample = self._policy.greedy(flat(request.content))
            yield number, Reply(sample.text, completion_tokens=len(sample.tokens), served=self.name)

    @cached_property
    def _policy(self) -> Policy:
        from promptopt.optimizers.rlprompt.adapter import AdapterPolicy

        card = self._card
        try:
            method = RLPrompt(
                algorithm=card["algorithm"], learn=Learning(**card["learn"]), explore=Exploring(**card["explore"])
            )
            settings = adapter_settings(method, RLPlan(**card["plan"]), int(card["seed"]))
            spec, files = str(card["model"]), str(card["files"])
        except (KeyError, TypeError, ValueError) as cause:
            raise ConfigError(f"{CARD} of {self.name} is damaged ({cause!r}); write the policy anew") from cause
        now = files_of(spec).fingerprint
        # An adapter turns the states of the weights it was trained beside, and of no others.
        if now != files:
            raise ConfigError(
                f"{self.name} was trained on hf/{spec} with files {files}, and they are {now} now; put those back"
            )
        policy = AdapterPolicy(spec, settings, usable_device(""))
        policy.restore(self._weights)
        return policy


def _settings_of(said: Mapping[str, Any]) -> dict[str, Any]:
    # "is" names the class, which is known here: nothing is imported by a name that stands in a file.
    return {name: value for name, value in said.items() if name != "is"}


def _open_policy(rest: str, base_url: str | None) -> PolicyModel:
    del base_url
    return PolicyModel(rest)


POLICY = Provider("policy/FOLDER", "a policy that writes a prompt for each input (RLPrompt)", _open_policy, local=True)
