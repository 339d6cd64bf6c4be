"""What tests of tiny models leave behind, taken away; torch is imported by those alone that have it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def one_thread_and_no_leavings() -> Iterator[None]:
    import torch

    from tests.models.hf.asking import home, raw, tiny

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for models as small as these, more wait for each other
    yield
    torch.set_num_threads(threads)
    raw.cache_clear()
    tiny.cache_clear()
    if home.cache_info().currsize:
        shutil.rmtree(home())
        home.cache_clear()
