"""A training follows from its recorded events: what is asked of the policy, what of the record, and what is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.operators.training import BEST, Learned, Sample, Training, TrainingBatch, setting_text


class Counting:
    """A policy whose weights are the seeds that it learned from; what it writes says which."""

    def __init__(self, name: str = "a policy", fails_at: Sequence[int] = ()) -> None:
        self.name, self.fails_at = name, fails_at
        self.learned: list[int] = []
        self.rate = 1.0
        self.log: list[str] = []

    def sample(self, seed: int, count: int, contexts: Sequence[str] = ()) -> list[Sample]:
        self.log.append("sample")
        return [Sample((seed, place), f"{self.learned} {contexts[place : place + 1]}") for place in range(count)]

    def greedy(self, context: str = "") -> Sample:
        self.log.append("greedy")
        return Sample((), f"{self.learned} at {self.rate} for {context!r}", -0.5, 0.25)

    def encode(self, text: str) -> Sample:
        self.log.append("encode")
        return Sample(tuple(range(len(text.split()))), text)

    def learn(self, batch: TrainingBatch) -> Learned:
        self.log.append(f"learn {batch.seed}")
        if batch.seed in self.fails_at:
            return Learned(math.nan, 0.5, math.inf)
        self.learned.append(batch.seed)
        return Learned(float(batch.seed), 0.5, 0.25)

    def halve_rate(self) -> None:
        self.log.append("halve")
        self.rate /= 2

    def state(self) -> bytes:
        return json.dumps([self.learned, self.rate]).encode()

    def restore(self, state: bytes) -> None:
        self.learned, self.rate = json.loads(state)
        self.log.append(f"restore {self.learned}")


class Artifacts:
    """Weights by name, the newest alone, each under the digest that they follow from."""

    def __init__(self) -> None:
        self.of: dict[str, tuple[str, bytes]] = {}
        self.adopted: list[str] = []

    def put(self, name: str, data: bytes, after: str) -> None:
        self.of[name] = after, data

    def get(self, name: str, after: str) -> bytes | None:
        known, data = self.of.get(name, ("", b""))
        return data if known == after else None

    def adopt(self, name: str, after: str) -> None:
        self.adopted.append(name)


@dataclass
class FakeRun:
    """A record, and weights that are kept."""

    record: dict[tuple[str, ...], str]
    artifacts: Artifacts
    seed: int = 3

    def memo(self, name: str, make: Callable[[], str], *key: str) -> str:
        if (name, *key) not in self.record:
            self.record[name, *key] = make()
        return self.record[name, *key]


def begun(
    run: FakeRun | None = None, policy: Counting | None = None, *settings: object
) -> tuple[Training, FakeRun, Counting]:
    run = FakeRun({}, Artifacts()) if run is None else run
    policy = Counting() if policy is None else policy
    return Training(run, lambda: policy, "spec", *settings), run, policy  # type: ignore[arg-type,return-value]


def closed() -> Any:
    raise AssertionError("a policy was opened")


def batch(seed: int) -> TrainingBatch:
    return TrainingBatch(seed, ((1, 2),), (0.5,))


def test_what_was_drawn_and_learned_is_read_from_the_record_and_no_policy_is_opened() -> None:
    training, run, policy = begun()

    def course(training: Training) -> list[object]:
        found: list[object] = [
            training.sample(2, 5),
            training.learn(batch(1)),
            training.sample(2, 5),
            training.greedy(),
        ]
        training.mark()
        return [
            *found,
            training.encode(["a b"]),
            training.greedy("an input"),
            training.sample(1, 5, ["x"]),
            training.state,
        ]

    first = course(training)
    # At another state, or for another input, the same draw is another one.
    assert policy.log == ["sample", "learn 1", "sample", "greedy", "encode", "greedy", "sample"]
    assert first[0] == [Sample((5, 0), "[] ()"), Sample((5, 1), "[] ()")]
    assert first[1] == Learned(1.0, 0.5, 0.25)
    assert first[3] == Sample((), "[1] at 1.0 for ''", -0.5, 0.25)
    assert first[5] == Sample((), "[1] at 1.0 for 'an input'", -0.5, 0.25)
    again = Training(run, closed, "spec")  # type: ignore[arg-type]
    assert course(again) == first
    # Weights that another run of the store keeps become this one's too.
    assert run.artifacts.adopted == ["policy"]


def test_a_loss_that_is_no_number_is_recorded_as_none_and_read_as_none() -> None:
    training, run, _ = begun(policy=Counting(fails_at=(1,)))
    told = training.learn(batch(1))
    assert told.diverged
    assert (math.isnan(told.kl), told.entropy) == (True, 0.5)
    assert "NaN" not in str(run.record)
    assert Training(run, closed, "spec").learn(batch(1)).diverged  # type: ignore[arg-type]
    assert not Learned(1.0, 0.0, 0.0).diverged


def test_a_resumed_training_takes_the_last_weights_and_learns_only_what_came_after() -> None:
    training, run, _ = begun()
    for seed in (1, 2, 3, 4):
        training.learn(batch(seed))
        if seed in (1, 2):
            training.mark()
    again, _, policy = begun(run)
    for seed in (1, 2, 3, 4):
        again.learn(batch(seed))
        if seed in (1, 2):
            again.mark()
    assert policy.log == []
    assert again.greedy().text == "[1, 2, 3, 4] at 1.0 for ''"
    assert policy.log == ["restore [1, 2]", "learn 3", "learn 4", "greedy"]


def test_at_the_place_of_the_last_weights_nothing_is_learned_again() -> None:
    training, run, _ = begun()
    training.learn(batch(1))
    training.mark()
    again, _, policy = begun(run)
    again.learn(batch(1))
    again.mark()
    assert again.greedy().text == "[1] at 1.0 for ''"
    assert policy.log == ["restore [1]", "greedy"]


def test_where_no_weights_are_kept_all_is_learned_again_and_kept_as_its_marks_are_passed() -> None:
    training, run, _ = begun()
    training.learn(batch(1))
    training.mark()
    training.learn(batch(2))
    state = run.artifacts.of["policy"]
    run.artifacts.of.clear()
    again, _, policy = begun(run)
    again.learn(batch(1))
    again.mark()
    again.learn(batch(2))
    again.greedy()
    assert policy.log == ["learn 1", "learn 2", "greedy"]
    assert run.artifacts.of["policy"] == state


def test_a_training_that_diverged_goes_back_to_the_last_mark_at_half_the_rate() -> None:
    training, run, policy = begun()
    training.learn(batch(1))
    training.mark()
    training.learn(batch(2))
    before = training.state
    training.back()
    assert training.state != before
    assert training.greedy().text == "[1] at 0.5 for ''"
    training.learn(batch(3))
    assert training.greedy().text == "[1, 3] at 0.5 for ''"
    # Without a mark it goes back to the beginning.
    fresh, _, _ = begun()
    fresh.learn(batch(1))
    fresh.back()
    assert fresh.greedy().text == "[] at 0.5 for ''"
    # And a run that was killed after it does the same from the kept weights.
    again, _, resumed = begun(run)
    again.learn(batch(1))
    again.mark()
    again.learn(batch(2))
    again.back()
    again.learn(batch(3))
    assert again.sample(1, 9)[0].text == "[1, 3] ()"
    assert resumed.log[:4] == ["restore [1]", "learn 2", "restore [1]", "halve"]
    assert policy.rate == resumed.rate == 0.5


@pytest.mark.parametrize("killed", [False, True])
def test_kept_weights_that_led_to_no_number_are_not_gone_back_to(killed: bool) -> None:
    run, opened = FakeRun({}, Artifacts()), list[Counting]()

    def another() -> Counting:
        opened.append(Counting(fails_at=(3,)))
        return opened[-1]

    def trained() -> Training:
        training = Training(run, another, "spec")  # type: ignore[arg-type]
        training.learn(batch(1))
        training.mark()
        training.learn(batch(2))
        # Kept, and sick: what is learned from there has no loss.
        training.mark()
        return training

    training = trained()
    if killed:
        training = trained()
        assert training.greedy().text == "[1, 2] at 1.0 for ''"
    assert training.learn(batch(3)).diverged
    training.back()
    assert training.greedy().text == "[1] at 0.5 for ''"
    # A replay comes to the same.
    again = trained()
    assert again.learn(batch(3)).diverged
    again.back()
    assert again.state == training.state
    assert again.sample(5, 1)[0].text == "[1] ()"


def test_the_best_weights_stay_while_others_are_kept_and_are_gone_back_to() -> None:
    run, opened = FakeRun({}, Artifacts()), list[Counting]()

    def another() -> Counting:
        opened.append(Counting())
        return opened[-1]

    training = Training(run, another, "spec")  # type: ignore[arg-type]
    training.learn(batch(1))
    training.keep_best()
    best = training.state
    training.mark()
    training.learn(batch(2))
    training.mark()
    assert json.loads(run.artifacts.of[BEST][1]) == [[1], 1.0]
    assert json.loads(run.artifacts.of["policy"][1]) == [[1, 2], 1.0]
    training.settle(best)
    assert training.state == best
    assert training.greedy().text == "[1] at 1.0 for ''"
    # There is no way back but to begin anew, from the weights that were kept.
    assert [each.log for each in opened] == [["learn 1", "learn 2"], ["restore [1]", "greedy"]]
    training.learn(batch(2))
    assert training.greedy("x").text == "[1, 2] at 1.0 for 'x'"


def test_settling_where_the_policy_is_costs_nothing() -> None:
    training, _, policy = begun()
    training.learn(batch(1))
    training.settle(training.state)
    training.greedy()
    assert policy.log == ["learn 1", "greedy"]
    beginning, _, _ = begun()
    state = beginning.state
    beginning.learn(batch(1))
    beginning.settle(state)
    assert beginning.state == state


def test_on_a_replay_the_best_weights_of_another_run_are_adopted() -> None:
    training, run, _ = begun()
    training.learn(batch(1))
    training.keep_best()
    again = Training(run, closed, "spec")  # type: ignore[arg-type]
    again.learn(batch(1))
    again.keep_best()
    assert run.artifacts.adopted == [BEST]


def test_the_state_follows_from_policy_settings_seed_and_events_in_their_order() -> None:
    def state(*seeds: int, settings: tuple[object, ...] = (), name: str = "a policy", run_seed: int = 3) -> str:
        training, _, _ = begun(FakeRun({}, Artifacts(), run_seed), Counting(name), *settings)
        for seed in seeds:
            training.learn(batch(seed))
        return training.state

    assert state(1, 2) == state(1, 2)
    others = [
        state(1), state(2, 1), state(1, 2, settings=(0.5,)), state(1, 2, name="another"), state(1, 2, run_seed=4),
        state(1, 2, 2), state(),
    ]  # fmt: skip
    assert len({state(1, 2), *others}) == 8


def test_another_policy_than_the_run_began_with_is_refused() -> None:
    training, run, _ = begun()
    assert training.name == "a policy"
    again, _, _ = begun(run, Counting("another"))
    with pytest.raises(ConfigError, match="this run trains a policy, and found another"):
        again.greedy()


def test_a_batch_says_its_contexts_only_where_there_are_some() -> None:
    assert batch(1).said() == {
        "seed": 1, "samples": ((1, 2),), "targets": (0.5,), "others": (), "other_targets": ()
    }  # fmt: skip
    assert TrainingBatch(1, (), (), contexts=("x",)).said()["contexts"] == ("x",)


def test_settings_are_written_alike_in_every_process() -> None:
    assert [setting_text(each) for each in (None, "a", 1, 0.5, True)] == ["None", "'a'", "1", "0.5", "True"]
    assert setting_text(batch(1)) == repr(batch(1))
    assert setting_text(Counting()) == f"{Counting.__module__}.Counting"
