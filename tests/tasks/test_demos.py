from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import DataError
from promptopt.tasks.demos import demo_from_json, demo_to_json
from promptopt.types import Example

NAMES = st.sampled_from(["text", "fields", "accepted", "rejected", "solution", "a b"])


@given(
    st.builds(
        Example,
        st.dictionaries(NAMES, st.text(), min_size=1).map(lambda fields: tuple(fields.items())),
        st.text(),
        st.lists(st.text()).map(tuple),
        st.lists(st.text()).map(tuple),
        st.text(),
    )
)
def test_demonstrations_come_back_as_they_were(demo: Example) -> None:
    again = demo_from_json(json.loads(json.dumps(demo_to_json(demo))))
    assert again == demo
    assert again.id == demo.id


def test_a_plain_demonstration_is_its_inputs_and_its_target() -> None:
    assert demo_to_json(Example.of("x", text="t")) == {"text": "t", "target": "x"}
    more = Example.of("x", ["y"], ["z"], "So x.", text="t")
    assert demo_to_json(more) == {
        "fields": {"text": "t"},
        "target": "x",
        "accepted": ["y"],
        "rejected": ["z"],
        "solution": "So x.",
    }


@pytest.mark.parametrize("data", [{"text": "t"}, {"text": "t", "target": None}])
def test_a_demonstration_without_a_target_is_refused(data: dict[str, str | None]) -> None:
    with pytest.raises(DataError, match=r"a demonstration has only 'text'.*, and lacks its 'target'"):
        demo_from_json(data)
