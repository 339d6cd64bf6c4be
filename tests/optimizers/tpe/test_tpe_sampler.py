"""TPE's sampler, its scales of scores, its settings and what it is expected to cost."""

from __future__ import annotations

import logging
import math
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.tpe.method import TPE, Bootstrapping, Proposing, Scoring
from promptopt.selection.parzen import Parzen
from promptopt.testing import planted_task
from promptopt.types import Content
from tests.optimizers.tpe.tpe_searches import (
    SMALL,
    WORDS,
    author,
    inventive,
    search,
)


def nats(value: Callable[[str], float]) -> Callable[[Content, str], list[float]]:
    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        return [value(read)] * len(text.split())

    return scores


@pytest.mark.slow
@pytest.mark.parametrize("value", [lambda _: -3.0, lambda _: -math.inf, lambda read: -math.inf if "e" in read else -9])
def test_scores_all_equal_all_negative_or_impossible(tmp_path: Path, value) -> None:
    task = planted_task()
    result = search(tmp_path, task=task, model=Scripted(lambda _: "yes", scores=nats(value)),
                    evaluator=Loss(task, ends=False))  # fmt: skip
    assert result.status == "finished"
    assert result.prompt in {each.prompt for each in result.steps[-1].pool if each.count == 50}


def test_the_search_goes_by_a_loss_as_well(tmp_path: Path) -> None:
    task = planted_task()
    model = Scripted(lambda _: "yes", scores=nats(lambda read: -3.0 + 0.3 * sum(word in read for word in WORDS)))
    result = search(tmp_path, task=task, model=model, proposer=author, evaluator=Loss(task, ends=False))
    assert sum(word in result.best.text for word in WORDS) >= 1
    # Nothing is generated, so demonstrations show the bare targets.
    assert {demo.target for each in result.candidates() for demo in each.prompt.demos} == {"yes"}


class Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_the_sampler_draws_from_its_seed_alone_and_says_nothing() -> None:
    import optuna

    def course(seed: int) -> list[tuple[int, int]]:
        sampler = Parzen({"instruction": 4, "demonstrations": 5}, seed)
        sampler.tell((0, 0), -1.0)
        found: list[tuple[int, int]] = []
        for _ in range(20):
            found.append(sampler.suggest())
            sampler.told(-abs(found[-1][0] - 2) - abs(found[-1][1] - 3))
        return found

    before, state, level = np.random.get_state(), random.getstate(), optuna.logging.get_verbosity()
    heard = Heard()
    logging.getLogger("optuna").addHandler(heard)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = course(7)
    logging.getLogger("optuna").removeHandler(heard)
    assert heard.records == []
    np.random.seed(5)
    assert course(7) == first
    assert course(8) != first
    np.random.set_state(before)
    assert random.getstate() == state
    assert optuna.logging.get_verbosity() == level


@pytest.mark.slow
def test_the_sampler_comes_back_to_what_scored_well() -> None:
    hits: list[int] = []
    for seed in range(10):
        sampler, found = Parzen({"instruction": 6, "demonstrations": 12}, seed), []
        for _ in range(60):
            pair = sampler.suggest()
            found.append(pair)
            sampler.told(0.1 * pair[0] + 0.05 * pair[1])
        hits.append(sum(pair[0] >= 4 and pair[1] >= 8 for pair in found[30:]))
    # At random one pair in nine is among the best.
    assert sum(hits) > 3 * 300 / 9


@pytest.mark.slow
def test_optuna_is_imported_by_a_search_and_not_before() -> None:
    program = "import sys, promptopt.optimizers.tpe.method; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.slow
def test_the_global_generators_stay_as_they_are(tmp_path: Path) -> None:
    before = np.random.get_state()[1].copy()
    search(tmp_path)
    assert (np.random.get_state()[1] == before).all()


def test_expected_is_the_cost_model() -> None:
    default = TPE().upper_bounds(1_000)
    assert default.evaluations == 48 + 300 + 18 * 35 + 4 * 300
    assert default.proposer_calls == 2 * 5
    assert default.completion_tokens == 10 * 1024
    assert TPE().upper_bounds(10).evaluations == 2 + 8 + 18 * 8 + 4 * 8


@pytest.mark.slow
@pytest.mark.parametrize("proposer", [inventive, lambda _: "???"])
def test_expected_bounds_what_is_spent(tmp_path: Path, proposer) -> None:
    spent = search(tmp_path, proposer=proposer).steps[-1].spent
    bound = SMALL.upper_bounds(60)
    assert spent.evaluations <= bound.evaluations
    assert spent.proposer_calls <= bound.proposer_calls


@given(train=st.integers(1, 3_000), sets=st.integers(1, 20), share=st.floats(0.0, 1.0))
def test_something_is_left_to_score_on(train: int, sets: int, share: float) -> None:
    settings = TPE(bootstrap=Bootstrapping(sets=sets, share=share))
    assert 0 <= settings._shown(train, sets) < train
    assert settings.upper_bounds(train).evaluations > 0


def test_settings_from_the_command_line() -> None:
    settings = {"trials": "9", "propose.instructions": "3", "bootstrap.sets": "6", "score.minibatch": "20"}
    assert adjust(TPE(), settings, "tpe") == TPE(
        trials=9, propose=Proposing(instructions=3), bootstrap=Bootstrapping(sets=6), score=Scoring(minibatch=20)
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (TPE, "trials", -1),
        (Proposing, "instructions", 0),
        (Proposing, "examples", -1),
        (Bootstrapping, "sets", 0),
        (Bootstrapping, "demos", 0),
        (Bootstrapping, "share", 2.0),
        (Scoring, "minibatch", 0),
        (Scoring, "full_every", 0),
        (Scoring, "examples", 0),
    ],
)
def test_unusable_settings_are_refused(kind: type, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})
