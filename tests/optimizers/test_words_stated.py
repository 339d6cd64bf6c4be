"""The length that requests for a prompt state: by the method, the length of the prompt, and the cap of the contract."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt import registry
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.operators.drafts import words_allowed
from promptopt.run.budget import Budget
from promptopt.tasks.contract import Contract
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

STATED = re.compile(r"at most (\d+) words")
CAP = 30
METHODS = ("ape", "apo", "auto", "capo", "gepa", "mipro", "optoprime", "pmpo", "textgrad", "tpe")
"""Those whose requests state a length for a whole prompt."""


def words(text: str, longest: int, *contracts: Contract) -> int:
    task = planted_task()
    under = replace(task, contract=contracts[0]) if contracts else task
    return words_allowed(under, "instruction", text, longest, lambda said: len(said.split()))


def test_the_words_are_two_thirds_of_the_tokens_that_an_edit_may_have() -> None:
    assert words("Answer it.", 400) == 266
    assert words("word " * 800, 400) == 666
    assert words("Answer it.", 1) == 1


def test_no_more_is_asked_for_than_the_contract_lets_through() -> None:
    assert words("Answer it.", 400, Contract(max_tokens=CAP)) == 20
    assert words("word " * 800, 400, Contract(max_tokens=900)) == 600
    assert words("Answer it.", 400, Contract(max_tokens=900)) == 266
    # Of several, the strictest; a part may have a cap of its own.
    assert words("Answer it.", 400, Contract(max_tokens=CAP, further=(Contract(max_tokens=15),))) == 10
    own = Contract(max_tokens=CAP, parts=(("instruction", Contract(max_tokens=60)), ("system", Contract())))
    assert words("Answer it.", 400, own) == 40
    assert own.most_tokens("system") is None


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_request_that_states_a_length_keeps_to_the_contract(method: str, tmp_path: Path) -> None:
    stated: list[int] = []

    def author(request: Request) -> str:
        text = request.content if isinstance(request.content, str) else request.content[-1].content
        stated.extend(map(int, STATED.findall(text)))
        return "<prompt>Answer the question carefully.</prompt>"

    task = replace(planted_task(), contract=Contract(max_tokens=CAP))
    model = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.3))
    optimize(
        task, method, model=Models(model, proposer=Scripted(author, name="author")), evaluator="generation",
        budget=Budget(evaluations=400), store=tmp_path / "store.db",
    )  # fmt: skip
    assert stated
    assert max(stated) <= CAP * 2 // 3
    assert method in registry.names("optimizers")
