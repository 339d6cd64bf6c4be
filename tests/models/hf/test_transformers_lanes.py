from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("torch", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")

import torch

from promptopt.models.transformers.lanes import Lanes

pytestmark = pytest.mark.hf


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lanes]:
    monkeypatch.setattr("promptopt.models.transformers.lanes.usable_cores", lambda: 3)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    made = Lanes("cpu")
    yield made
    made.close()
    torch.set_num_threads(before)


def threads_elsewhere() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_parts_run_side_by_side_in_order(lanes: Lanes) -> None:
    together = threading.Barrier(3, timeout=30)

    def part(number: int) -> tuple[int, int]:
        together.wait()
        return number, torch.get_num_threads()

    assert lanes.run([lambda number=number: part(number) for number in range(3)]) == [(0, 1), (1, 1), (2, 1)]


def test_torch_keeps_its_threads_everywhere_else(lanes: Lanes) -> None:
    lanes.run([lambda: 1, lambda: 2])
    assert torch.get_num_threads() == 3
    assert threads_elsewhere() == 3


def test_a_single_part_has_all_threads(lanes: Lanes) -> None:
    assert lanes.run([torch.get_num_threads]) == [3]


def test_a_failure_is_raised_when_all_have_ended(lanes: Lanes) -> None:
    ended: list[int] = []

    def fail() -> None:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        lanes.run([fail, lambda: ended.append(1), lambda: ended.append(2)])
    assert sorted(ended) == [1, 2]


def test_closed_lanes_open_again(lanes: Lanes) -> None:
    lanes.run([lambda: 1, lambda: 2])
    lanes.close()
    assert lanes.run([lambda: 1, lambda: 2]) == [1, 2]


def test_a_gpu_has_one_lane() -> None:
    assert Lanes("cuda").count == 1
