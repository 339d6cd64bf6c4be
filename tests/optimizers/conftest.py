"""What tests of several methods need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Networks of these sizes are slower on several threads."""
    torch = pytest.importorskip("torch", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
