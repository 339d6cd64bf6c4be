"""The belief about candidates, held against conditioning the whole normal distribution at once."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.run.posterior import DRIFT, EASE, NOISE, STEP, Posterior, Values, posterior
from promptopt.types import Prompt

START, CHILD, OTHER = (Prompt.of(instruction=text) for text in ("start", "child", "other"))


def by_conditioning(
    parents: Mapping[Prompt, Sequence[Prompt]], known: Mapping[Prompt, Values], drift: float
) -> tuple[list[float], list[float], list[float]]:
    """Mean and deviation of every value, and of what it is beyond the first, from the joint covariance of all."""
    prompts = list(parents)
    cells = [(prompt, name, value) for prompt in prompts for name, value in known.get(prompt, {}).items()]
    scores = numpy.array([value for _, _, value in cells])
    spread = float(scores.var())
    variance = {prompt: STEP * spread if parents[prompt] else spread for prompt in prompts}
    # Of which steps, the start's value being the first of them, a value is made.
    made = numpy.zeros((len(prompts), len(prompts)))
    for row, prompt in enumerate(prompts):
        made[row, row] = 1.0
        for parent in parents[prompt]:
            made[row] += made[prompts.index(parent)] / len(parents[prompt])
    steps = numpy.array([float(bool(parents[prompt])) for prompt in prompts])
    apart = numpy.diag([variance[prompt] for prompt in prompts])
    values = made @ (apart + drift * spread * numpy.outer(steps, steps)) @ made.T
    of = [prompts.index(prompt) for prompt, _, _ in cells]
    same = numpy.array([[one[1] == other[1] for other in cells] for one in cells])
    joint = values[numpy.ix_(of, of)] + EASE * spread * same + NOISE * spread * numpy.eye(len(cells))
    gain = values[:, of] @ numpy.linalg.inv(joint)
    mean = scores.mean() + gain @ (scores - scores.mean())
    left = values - gain @ values[of, :]
    beyond = [left[row, row] + left[0, 0] - 2 * left[row, 0] for row in range(len(prompts))]
    return list(mean), list(numpy.sqrt(numpy.diag(left))), [math.sqrt(max(0.0, each)) for each in beyond]


@given(st.integers(0, 10_000), st.sampled_from([0.0, DRIFT, 0.3]))
def test_it_is_the_normal_distribution_given_all_scores(seed: int, drift: float) -> None:
    rng = random.Random(seed)
    prompts = [Prompt.of(instruction=str(number)) for number in range(rng.randint(1, 7))]
    parents = {
        prompt: tuple(rng.sample(prompts[:place], min(place, rng.randint(1, 2))))
        for place, prompt in enumerate(prompts)
    }
    names = [f"e{number}" for number in range(6)]
    known = {prompt: {name: rng.random() for name in rng.sample(names, rng.randint(0, 4))} for prompt in prompts}
    known[prompts[0]] = {"e0": 0.0, "e1": 1.0}
    belief = posterior(parents, known, drift)
    mean, deviation, apart = by_conditioning(parents, known, drift)
    assert list(belief.mean.values()) == pytest.approx(mean, abs=1e-6)
    assert list(belief.deviation.values()) == pytest.approx(deviation, abs=1e-6)
    assert list(belief.apart.values()) == pytest.approx(apart, abs=1e-5)


def test_a_child_of_unknown_score_is_worth_its_parent_and_a_child_of_two_the_mean_of_both() -> None:
    mixed = Prompt.of(instruction="mixed")
    parents = {START: (), CHILD: (START,), OTHER: (START,), mixed: (CHILD, OTHER)}
    known = {START: {"a": 0.0, "b": 1.0}, CHILD: {"a": 1.0, "b": 1.0}}
    mean = posterior(parents, known).mean
    assert mean[START] < mean[OTHER] == mean[START] or mean[OTHER] == mean[START]
    assert mean[mixed] == pytest.approx((mean[CHILD] + mean[OTHER]) / 2, abs=2e-9)
    assert mean[CHILD] > mean[START]


def test_an_easy_example_lifts_nobody() -> None:
    seen = {f"e{number}": float(number % 2) for number in range(20)}
    others = [Prompt.of(instruction=f"other {number}") for number in range(4)]
    parents = {START: (), CHILD: (START,), **dict.fromkeys(others, (START,))}
    easy = {START: seen, CHILD: {"e1": 1.0}, **{other: {"e1": 1.0} for other in others}}
    hard = {START: seen, CHILD: {"e0": 1.0}, **{other: {"e0": 0.0} for other in others}}
    lift = {
        name: posterior(parents, known).mean[CHILD] - posterior(parents, known).mean[START]
        for name, known in (("easy", easy), ("hard", hard))
    }
    assert lift["hard"] > 2 * abs(lift["easy"])


def test_what_children_score_tells_about_their_parent() -> None:
    scores = {f"e{number}": float(number % 2) for number in range(10)}
    children = [Prompt.of(instruction=f"grandchild {number}") for number in range(5)]
    parents = {START: (), CHILD: (START,), OTHER: (START,), **dict.fromkeys(children, (CHILD,))}
    known = {START: scores, **{child: {"e0": 1.0, "e2": 1.0} for child in children}}
    belief = posterior(parents, known)
    assert belief.mean[CHILD] > belief.mean[OTHER] > belief.mean[START] - 1e-9
    assert belief.deviation[CHILD] < belief.deviation[OTHER]
    assert belief.upper(OTHER, 1.0) == pytest.approx(belief.mean[OTHER] + belief.deviation[OTHER], abs=1e-8)


def test_where_steps_lead_down_a_new_one_is_believed_to_as_well() -> None:
    others = [Prompt.of(instruction=f"other {number}") for number in range(6)]
    parents = {START: (), CHILD: (START,), **dict.fromkeys(others, (START,))}
    known = {START: {"a": 1.0, "b": 1.0}, **{other: {"a": 0.0, "b": float(other is others[0])} for other in others}}
    assert posterior(parents, known).mean[CHILD] == posterior(parents, known).mean[START]
    assert posterior(parents, known, DRIFT).mean[CHILD] < posterior(parents, known, DRIFT).mean[START]


@given(st.floats(0.1, 50.0), st.floats(-20.0, 20.0))
def test_another_scale_of_scores_changes_nothing_else(factor: float, shift: float) -> None:
    parents = {START: (), CHILD: (START,), OTHER: (CHILD,)}
    known = {START: {"a": 0.2, "b": 0.9, "c": 0.4}, CHILD: {"a": 0.5}, OTHER: {"b": 1.0, "c": 0.1}}
    scaled = {prompt: {name: factor * value + shift for name, value in own.items()} for prompt, own in known.items()}
    plain, other = posterior(parents, known), posterior(parents, scaled)
    for prompt in parents:
        assert other.mean[prompt] == pytest.approx(factor * plain.mean[prompt] + shift, abs=1e-6)
        assert other.deviation[prompt] == pytest.approx(factor * plain.deviation[prompt], abs=1e-6)


def test_equal_evidence_ties_and_nothing_known_is_no_error() -> None:
    parents = {START: (), CHILD: (START,), OTHER: (START,)}
    known = {START: {"a": 0.0, "b": 1.0, "c": 1.0}, CHILD: {"a": 1.0, "b": 1.0}, OTHER: {"b": 1.0, "a": 1.0}}
    mean = posterior(parents, known).mean
    assert mean[CHILD] == mean[OTHER]
    assert set(posterior(parents, {}).mean.values()) == {0.0}
    alike = posterior(parents, {START: {"a": 1.0}, CHILD: {"a": 1.0}})
    assert set(alike.mean.values()) == {1.0}


def test_an_impossible_prompt_is_worth_nothing_and_tells_nothing() -> None:
    parents = {START: (), CHILD: (START,), OTHER: (CHILD,)}
    known = {START: {"a": -1.0, "b": -2.0}, CHILD: {"a": -math.inf, "b": -1.0}, OTHER: {"a": -1.0}}
    mean = posterior(parents, known).mean
    assert mean[CHILD] == -math.inf
    assert math.isfinite(mean[OTHER])
    without = posterior({START: (), OTHER: (START,)}, {START: known[START], OTHER: known[OTHER]}).mean
    assert mean[START] == pytest.approx(without[START], abs=0.02)


@pytest.mark.parametrize(
    ("start", "child", "apart", "chance"),
    [
        (0.5, 0.5, 0.1, 0.5),
        # 95 of 100 lie below 1.645 standard deviations.
        (0.5, 0.5 + 0.1645, 0.1, 0.95),
        (0.5, 0.5 - 0.3290, 0.2, 0.05),
        (0.5, 0.6, 0.0, 1.0),
        (0.5, 0.5, 0.0, 0.0),
        (0.5, -math.inf, 0.1, 0.0),
        (-math.inf, 0.5, 0.1, 1.0),
    ],
)
def test_the_chance_is_that_of_being_worth_more_than_the_start(
    start: float, child: float, apart: float, chance: float
) -> None:
    belief = Posterior({START: start, CHILD: child}, {}, {START: 0.0, CHILD: apart})
    assert belief.chance(CHILD) == pytest.approx(chance, abs=1e-4)


def test_of_two_impossible_prompts_none_has_a_chance() -> None:
    assert math.isnan(Posterior({START: -math.inf, CHILD: -math.inf}, {}, {CHILD: 0.1}).chance(CHILD))


def test_bad_children_do_not_make_the_start_look_worse_than_a_child_that_scored_less() -> None:
    # Twelve of fourteen and eight of eleven in the place of eleven and ten; ten others of the same start fail mostly.
    start = {f"e{n}": float(n not in (1, 2, 3, 20)) for n in range(25)}
    child = {f"e{n}": float(n not in (1, 2, 15, 20, 24)) for n in range(25)}
    others = [Prompt.of(instruction=f"other {n}") for n in range(10)]
    known: dict[Prompt, Values] = {START: start, CHILD: child}
    known |= {
        other: {f"e{(n + 3 * each) % 14}": float((n + each) % 5 < 2) for each in range(5)}
        for n, other in enumerate(others)
    }
    parents = {START: (), CHILD: (START,), **dict.fromkeys(others, (START,))}
    belief = posterior(parents, known, DRIFT).mean
    assert belief[START] > belief[CHILD]
    assert DRIFT > STEP
