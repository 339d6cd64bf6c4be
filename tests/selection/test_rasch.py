"""The model of ability and ease: its mode, its doubt, and what it expects of unseen answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from promptopt.selection.rasch import ABILITIES, EASES, RaschPosterior, beginning, learned

Answers = NDArray[np.float64]
Seen = NDArray[np.bool_]


def planted(seed: int, prompts: int = 6, examples: int = 40, spread: float = EASES) -> tuple[Answers, Seen]:
    """Answers by the model itself, all of which are seen by some and few by others."""
    generator = np.random.default_rng(seed)
    ability = 1.0 + ABILITIES * generator.normal(size=prompts)
    logits = ability[:, None] + spread * generator.normal(size=examples)[None, :]
    answers = (generator.random((prompts, examples)) < 1 / (1 + np.exp(-logits))).astype(float)
    seen = np.arange(examples)[None, :] < np.linspace(examples, 8, prompts).astype(int)[:, None]
    return answers, seen


def believed(answers: Answers, seen: Seen) -> RaschPosterior:
    return learned(beginning(*answers.shape, float(answers[seen].mean())), answers, seen)


@pytest.mark.slow
def test_it_is_the_mode_of_the_posterior_and_its_curvature() -> None:
    answers, seen = planted(1)
    prompts, examples = answers.shape
    before = beginning(prompts, examples, 0.7)
    belief = learned(before, answers, seen)
    level = before.ability.mean()

    def loss(parts: Answers) -> float:
        ability, ease = parts[:prompts], parts[prompts:]
        logits = ability[:, None] + ease[None, :]
        likelihood = (np.where(answers == 1, -np.log1p(np.exp(-logits)), -np.log1p(np.exp(logits))) * seen).sum()
        apart, from_level = ability - ability.mean(), ability - level
        prior = (apart**2).sum() / (2 * ABILITIES**2) + 1e-3 * (from_level**2).sum() / 2
        return float(-likelihood + prior + (ease**2).sum() / (2 * EASES**2))

    start = np.concatenate([before.ability, before.ease])
    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-7, "maxiter": 2000}).x
    assert belief.ability == pytest.approx(found[:prompts], abs=1e-3)
    assert belief.ease == pytest.approx(found[prompts:], abs=1e-3)
    step, unit = 1e-3, np.eye(prompts + examples)
    mode = np.concatenate([belief.ability, belief.ease])

    def second(one: Answers, other: Answers) -> float:
        moves = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        return sum(a * b * loss(mode + step * (a * one + b * other)) for a, b in moves) / (4 * step**2)

    curvature = np.array([[second(one, other) for other in unit] for one in unit])
    assert belief.doubt == pytest.approx(np.linalg.inv(curvature)[:prompts, :prompts], rel=2e-2, abs=2e-3)


def test_unseen_answers_are_expected_as_often_right_as_they_are() -> None:
    errors: list[float] = []
    for seed in range(60):
        answers, seen = planted(seed, prompts=10, examples=80)
        belief = believed(answers, seen)
        errors.append(float((belief.right - answers)[~seen].mean()))
    # The mode alone is some two points too low here.
    assert abs(np.mean(errors)) < 2 * np.std(errors, ddof=1) / math.sqrt(len(errors))


def test_an_example_that_all_got_right_is_expected_to_be_right_again_and_says_less() -> None:
    answers, seen = np.ones((5, 12)), np.ones((5, 12), dtype=bool)
    answers[:3, 6:] = 0.0
    seen[4, 3:9] = False
    belief = believed(answers, seen)
    assert belief.right[4, 3:6].min() > belief.right[4, 6:9].max()
    assert belief.slope()[4, 3:6].max() < belief.slope()[4, 6:9].min()


def test_the_spread_of_eases_follows_the_data() -> None:
    def spread(planted_spread: float) -> float:
        answers, seen = planted(3, prompts=12, examples=200, spread=planted_spread)
        belief = beginning(*answers.shape, 0.7)
        for _ in range(30):
            belief = learned(belief, answers, seen)
        return belief.spread

    assert spread(0.3) < 0.8 < EASES < 1.4 < spread(2.5)


def test_answers_all_right_or_all_wrong_end_in_numbers() -> None:
    for value in (0.0, 1.0):
        belief = believed(np.full((4, 9), value), np.ones((4, 9), dtype=bool))
        assert np.isfinite(belief.right).all()
        assert np.ptp(belief.ability) < 1e-9
