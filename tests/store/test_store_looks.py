"""The ledger of openings: numbered in order, also where several processes open at once."""

from __future__ import annotations

import threading

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
