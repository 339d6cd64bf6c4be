"""The ledger of openings: numbered in order, also where several processes open at once."""

from __future__ import annotations

import threading
from pathlib import Path

from promptopt.store.copies import copy_runs
from promptopt.store.looks import Opening
from promptopt.store.runs import Store


def test_openings_count_those_before_them_that_share_an_example(location: str) -> None:
    with Store(location) as store:
        looks = store.looks
        assert looks.enter("one", ["a", "b", "c"]) == Opening(0, 0)
        assert looks.enter("two", ["d"]) == Opening(0, 0)
        assert looks.enter("three", ["b", "c", "d"]) == Opening(2, 2)
        assert looks.enter("one", ["a", "b", "c"]) == Opening(0, 0)
        assert looks.ahead(["a"]) == Opening(1, 1)
        assert looks.ahead(["e"]) == Opening(0, 0)
    with Store(location) as store:
        assert store.looks.enter("three", ["b", "c", "d"]) == Opening(2, 2)


def test_openings_of_thousands_of_examples_are_compared(location: str) -> None:
    many = [str(number) for number in range(3_000)]
    with Store(location) as store:
        store.looks.enter("one", many)
        assert store.looks.enter("two", many[500:]) == Opening(1, 2_500)


def test_openings_at_once_get_different_numbers(location: str) -> None:
    found: list[Opening] = []
    Store(location).close()

    def look(name: str) -> None:
        with Store(location) as store:
            found.append(store.looks.enter(name, ["a", "b"]))

    threads = [threading.Thread(target=look, args=(f"look {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opening.earlier for opening in found) == list(range(6))


def test_copies_of_two_stores_keep_all_their_looks_and_each_once(tmp_path: Path, location: str) -> None:
    with Store(tmp_path / "one.db") as one, Store(tmp_path / "two.db") as two, Store(location) as target:
        one.looks.enter("of one", ["a", "b"])
        one.looks.enter("of both", ["b"])
        two.looks.enter("of two", ["b", "c"])
        two.looks.enter("of both", ["b"])
        for _ in range(2):
            copy_runs(one, target, [])
            copy_runs(two, target, [])
        assert [target.looks.ahead([each]) for each in ("a", "b", "c")] == [Opening(1, 1), Opening(3, 1), Opening(1, 1)]
        # Those of the store copied first keep their numbers.
        assert target.looks.enter("of one", ["a", "b"]) == Opening(0, 0)
        assert target.looks.enter("of both", ["b"]) == Opening(1, 1)
        assert target.looks.enter("of two", ["b", "c"]) == Opening(2, 1)


def test_a_copy_adds_to_the_looks_that_are_there_already(tmp_path: Path, location: str) -> None:
    with Store(tmp_path / "one.db") as one, Store(location) as target:
        target.looks.enter("own", ["a"])
        one.looks.enter("other", ["a"])
        copy_runs(one, target, [])
        assert target.looks.ahead(["a"]) == Opening(2, 1)
