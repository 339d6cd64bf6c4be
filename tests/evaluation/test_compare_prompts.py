from __future__ import annotations

from dataclasses import replace

import pytest

from promptopt import evaluate
from promptopt.evaluation import compare
from promptopt.outcome.looks import Look
from promptopt.stats import level
from promptopt.testing import feature_accuracy, planted_model, planted_task


@pytest.mark.parametrize(("look", "verdict"), [(None, "better"), (1, "better"), (30, "no_evidence")])
def test_a_difference_on_the_test_has_to_pay_for_the_looks_at_it(look: int | None, verdict: str) -> None:
    task, model = planted_task(), planted_model(feature_accuracy(["Think"], base=0.5, each=0.3))
    before = evaluate(task, model=model)
    after = evaluate(task, model=model, prompt=task.starting_from("Think. Answer the question."))
    if look is not None:
        before, after = (replace(each, look=Look(look, level(look), 40)) for each in (before, after))
    found = compare(before, after)
    assert 0.0001 < found.gain.p_value < 0.05
    assert found.verdict == verdict
