"""From what a user names as the policy to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from promptopt.errors import ConfigError
from promptopt.operators.training import Policy
from promptopt.optimizers.rlprompt.plan import RLPlan
from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.optimizers.rlprompt.adapter import AdapterSettings
    from promptopt.optimizers.rlprompt.method import RLPrompt

SCHEME = "hf/"


class PolicyMaker(Protocol):
    """Makes policies: for those that are no model of transformers."""

    def open(self, plan: RLPlan, seed: int) -> Policy:
        """A policy that was not trained yet; `seed` determines its first weights."""
        ...


def check_policy(method: RLPrompt) -> None:
    """Raise ConfigError where no policy is named, or none that can be trained; no file is looked at."""
    # Only the weights of this machine give hidden states to train on.
    if method.writer is None and not method.policy.startswith(SCHEME):
        found = f"the policy is {method.policy!r}" if method.policy else "no policy is named"
        raise ConfigError(
            f"{found}; name the causal model that writes the prompts, as --set policy=hf/distilbert/distilgpt2 or "
            f"--set policy=hf/FOLDER"
        )


def open_policy(method: RLPrompt, plan: RLPlan, seed: int) -> Policy:
    """The policy of these settings. Raises ConfigError where it cannot be had."""
    if method.writer is not None:
        return method.writer.open(plan, seed)
    # Imported here, so that `import promptopt` stays light.
    from promptopt.operators.frozen import usable_device
    from promptopt.optimizers.rlprompt.adapter import AdapterPolicy

    settings = adapter_settings(method, plan, seed)
    return AdapterPolicy(method.policy.removeprefix(SCHEME), settings, usable_device(method.device))


def adapter_settings(method: RLPrompt, plan: RLPlan, seed: int) -> AdapterSettings:
    """What an adapter is made from, of these settings."""
    from promptopt.optimizers.rlprompt.adapter import AdapterSettings

    learn = method.learn
    return AdapterSettings(
        length=plan.length,
        algorithm=method.algorithm,
        hidden=plan.hidden,
        rate=plan.rate,
        clip=learn.clip,
        target_rate=learn.target_rate,
        bias=learn.bias,
        top=plan.top,
        vocabulary=plan.vocabulary,
        consistency=learn.consistency,
        entropy=learn.entropy,
        kl=learn.kl,
        seed=seed,
        fluent=method.explore.fluent,
    )


def without_seeds(seeds: Sequence[str], usable: int, length: int | None = None) -> ConfigError:
    """Why `mode=off` cannot begin; `usable`: how many of the given prompts have `length` tokens that can be written."""
    said = "one of the seeds can be used" if usable else "none of the seeds can be used" if seeds else "there are none"
    of = "" if length is None else f", each of {counted(length, 'token')} that the policy can write"
    return ConfigError(
        f"mode=off learns from given prompts alone, held against each other, and {said}; set two or more that differ"
        f"{of}, as seeds=…, or mode=mix"
    )
