import re

import pytest

from promptopt import protocols

SEAMS = [name for name in protocols.__all__ if getattr(getattr(protocols, name), "_is_protocol", False)]
ENTRIES = dict(re.findall(r"^- `(\w+)`: (.+)$", protocols.__doc__ or "", re.MULTILINE))


def test_the_page_of_seams_lists_every_one_and_nothing_else() -> None:
    assert sorted(ENTRIES) == sorted(SEAMS)


@pytest.mark.parametrize("name", SEAMS)
def test_the_page_of_seams_says_who_calls_each_and_when(name: str) -> None:
    assert re.search(r"\. (Called|Asked) (by|at|for|where) ", ENTRIES[name])
