"""Two runs that want the same answer at one moment, one asks, and the other waits for it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sql

from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.store.call_keys import call_key
from promptopt.store.claims import Claims
from promptopt.store.runs import Store
from promptopt.testing import feature_accuracy, planted_model
from promptopt.types import Request
from tests.rewrites import Rewrites
from tests.run.planted_run import conduct

KEYS = [call_key("m", f"request {number}", "greedy") for number in range(6)]


def claims_of(store: Store, run: str) -> Claims:
    found = store.claims(run)
    assert found is not None
    return found


def stop() -> None:
    raise TimeoutError


def rows(store: Store) -> list[tuple[bytes, str]]:
    with store.database.connect() as connection:
        return [(bytes(key), run) for key, run in connection.execute(sql.text("SELECT key, run FROM claims"))]


@pytest.mark.slow  # two whole runs; claims by themselves are tested below
def test_two_runs_at_one_moment_pay_once_for_what_both_want(location: str) -> None:
    """Both score the same prompts on the same examples, and begin together."""
    together = threading.Barrier(2)
    asked: list[Request] = []
    whole = planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2))

    def answer(request: Request) -> str:
        asked.append(request)
        return next(reply.text for _, reply in whole.generate([request]))

    results: list[Result] = []

    def one(seed: int) -> None:
        with Store(location) as store:
            together.wait(30)
            model = Scripted(answer, name="planted", latency_s=0.002)
            found = conduct(store, optimizer=Rewrites(), model=model, seed=seed)
            assert isinstance(found, Result)
            results.append(found)

    threads = [threading.Thread(target=one, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 2
    texts = [(request.content, request.seed) for request in asked]
    assert len(texts) == len(set(texts))
    assert all(result.spent.calls > 60 for result in results)
    with Store(location) as store:
        assert rows(store) == []


def test_what_another_run_asks_for_is_waited_for_and_what_it_leaves_is_asked(location: str) -> None:
    with Store(location) as one, Store(location) as two, one.alone("one", stop), two.alone("two", stop):
        first = claims_of(one, "one").turns(KEYS[:4], lambda _: (), stop)
        assert next(first) == KEYS[:4]
        stored: set[bytes] = set()

        def look() -> None:
            # The other run has stored two of its four, and leaves the rest.
            stored.update(KEYS[2:4])
            first.close()

        second = claims_of(two, "two").turns(KEYS[2:], lambda keys: stored.intersection(keys), look)
        assert next(second) == KEYS[4:]
        stored.update(KEYS[4:])
        assert list(second) == []
        stored.clear()
        assert list(claims_of(two, "two").turns(KEYS[:1], lambda _: (), stop)) == [KEYS[:1]]
        assert rows(one) == []


def test_the_claims_of_a_run_that_nobody_holds_any_more_hold_nothing(location: str) -> None:
    with Store(location) as one, Store(location) as two, two.alone("two", stop):
        with one.alone("one", stop):
            dead = claims_of(one, "one").turns(KEYS, lambda _: (), stop)
            assert next(dead) == KEYS
            waiting = claims_of(two, "two").turns(KEYS, lambda _: (), stop)
            with pytest.raises(TimeoutError):
                next(waiting)
        assert {run for _, run in rows(two)} == {"one"}
        living = claims_of(two, "two").turns(KEYS, lambda _: (), stop)
        assert next(living) == KEYS
        assert {run for _, run in rows(two)} == {"two"}
        living.close()
        dead.close()
        assert rows(two) == []


def test_a_run_that_ends_in_the_middle_lets_go_of_its_claims(location: str) -> None:
    with Store(location) as store, store.alone("one", stop):
        turns = claims_of(store, "one").turns(KEYS, lambda _: (), stop)
        next(turns)
        turns.close()
        assert rows(store) == []


def test_a_store_that_cannot_tell_which_runs_are_held_has_none(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'store.db'}?timeout=5") as store:
        assert store.claims("one") is None
