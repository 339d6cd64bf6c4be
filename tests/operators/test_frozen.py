"""A model that trained policies stand on: its weights stay, and a device that is not there is told."""

from __future__ import annotations

import re

import pytest

from promptopt.errors import ConfigError
from promptopt.operators.frozen import files_of, open_frozen, usable_device
from tests.optimizers.rlprompt.tiny_policy import tiny_folder

import torch  # isort: skip  # after the helper, which skips where there is none

pytestmark = pytest.mark.hf


@pytest.mark.slow
def test_no_weight_takes_a_gradient_and_the_files_name_what_is_read_at_once() -> None:
    opened = open_frozen(files_of(str(tiny_folder())), "cpu")
    parameters = list(opened.model.parameters())
    assert parameters
    assert not any(each.requires_grad for each in parameters)
    assert {each.dtype for each in parameters} == {torch.float32}
    assert opened.context == 64
    assert opened.checkpoint == files_of(str(tiny_folder()))
    assert opened.tokenizer.eos_token == "<end>"


def test_a_device_is_tried_before_it_is_used() -> None:
    assert usable_device("cpu") == "cpu"
    assert usable_device("") == ("cuda" if torch.cuda.is_available() else "cpu")
    # The one is no device of torch; the other has a name, and nothing can be read back from it.
    for name in ("nosuch", "meta"):
        with pytest.raises(ConfigError, match=f"the device '{name}' cannot be used here") as told:
            usable_device(name)
        [why] = re.findall(r"here \((.*)\); set device=cpu", str(told.value))
        # The first line of what torch says, and no more than fits a sentence.
        assert 0 < len(why) <= 80
        assert str(told.value.__cause__).startswith(why)
