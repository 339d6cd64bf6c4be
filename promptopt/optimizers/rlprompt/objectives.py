"""What the adapter is trained by: soft Q-learning's path consistency, and policy gradients. Torch tensors in and out.

Source   soft Q-learning for text (Guo et al. 2021, arXiv:2106.07704) as RLPrompt's code has it: the mean of its
         single-step and multi-step losses (`v2_v3`), over time a sum, over the batch a mean. Leave-one-out: Ahmadian
         et al. 2024, arXiv:2402.14740. Group baseline: Shao et al. 2024, arXiv:2402.03300; neither is in RLPrompt.
"""

from __future__ import annotations

from typing import Any, Literal

from promptopt.models.files.checkpoints import require

Tensor = Any
"""A torch tensor; torch is optional, so its types are not known here."""
Consistency = Literal["both", "single", "multi"]


def path_consistency(
    logits: Tensor, target_logits: Tensor, actions: Tensor, rewards: Tensor, consistency: Consistency = "both"
) -> Tensor:
    """The loss of each row, of shape (rows,): mismatches of soft values, squared.

    `logits`, `target_logits`: (rows, T, vocabulary), read as Q-values; V is their logsumexp, and A = Q - V the
    log-probability of what was done. `actions`: (rows, T). `rewards`: (rows,), paid at the end.

    Single-step: A_t against V'_{t+1} - V'_t, at the end against r - V'_T. Multi-step: the sum of A from t on against
    r - V'_t. V' is the target network's; it and the rewards are constants for the gradient.
    """
    torch = require("torch")
    chosen = logits.gather(-1, actions[..., None])[..., 0]
    # A_t = Q_t(a_t) - V_t, which is log pi(a_t | s_t): the softmax of Q is the policy (Guo et al. 2021).
    advantages = chosen - logits.logsumexp(-1)
    # V'_t is over all that may be written, not over the top k: the optimum's equations hold for the whole policy.
    values = target_logits.detach().logsumexp(-1)
    # V'_{T+1} is the reward: it is paid once, at the end, and nothing is discounted.
    following = torch.cat([values[:, 1:], rewards[:, None]], dim=1)
    # One step: log pi(a_t | s_t) = V_{t+1} - V_t at the optimum (Guo et al. 2021, single-step path consistency).
    single = (advantages - (following - values)) ** 2
    # To the end: the sum of log pi(a_l | s_l) over l >= t is r - V_t (multi-step path consistency).
    to_the_end = advantages.flip(1).cumsum(1).flip(1)
    multi = (to_the_end - (rewards[:, None] - values)) ** 2
    # Each of the two has a half of its own in the paper: their mean is that sum, and no further half belongs here.
    per_step = {"both": (single + multi) / 2, "single": single, "multi": multi}[consistency]
    return per_step.sum(1)


def policy_gradient(logits: Tensor, actions: Tensor, advantages: Tensor, kept: Tensor) -> Tensor:
    """Minus advantage times log-probability, of each row: REINFORCE with a baseline already taken off.

    `kept`: (rows, T, vocabulary), which tokens could be drawn: the log-probability is that of the distribution that
    the token was drawn from, truncated and normalised again.
    """
    torch = require("torch")
    # What was drawn could be drawn, whatever another machine's rounding says of the edge of the set.
    drawable = kept.scatter(-1, actions[..., None], True)
    truncated = logits.masked_fill(~drawable, -torch.inf).log_softmax(-1)
    # The gradient of E[R] is that of E[(R - b) log pi], for any baseline b that is not of this row (REINFORCE).
    return -advantages * truncated.gather(-1, actions[..., None])[..., 0].sum(1)


def policy_entropy(logits: Tensor) -> Tensor:
    """Of each distribution, in nats: the shape of `logits` without its last axis."""
    logs = logits.log_softmax(-1)
    return -(logs.exp() * logs).sum(-1)


def divergence(logits: Tensor, reference: Tensor) -> Tensor:
    """KL(policy || reference) of each distribution, in nats."""
    logs = logits.log_softmax(-1)
    # Exact over the vocabulary, so it needs none of the estimators that are taken where only draws are known.
    return (logs.exp() * (logs - reference.log_softmax(-1))).sum(-1)


def follow(target: Any, online: Any, rate: float) -> None:
    """Polyak: target = (1 - rate) * target + rate * online, for every parameter of two networks alike."""
    with require("torch").no_grad():
        for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
            slow.copy_((1 - rate) * slow + rate * fast)
