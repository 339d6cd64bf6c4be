"""A model that answers wrongly, counts wrongly, changes, or samples though it was asked not to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import BackendError
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.reply_checks import checked_replies
from promptopt.testing import outcome, planted_task
from promptopt.types import Likelihoods, Reply, Request
from tests.rewrites import Rewrites, rewrite


@dataclass
class Odd:
    """Answers "yes", each pair passed through `change`."""

    change: Callable[[int, Reply], Sequence[Any]]
    name: str = "odd"
    asked: int = 0

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        for index in range(len(requests)):
            self.asked += 1
            yield from self.change(index, Reply("yes", "stop", 5, 1, served="one"))


def searched(store: Path, model: Any, seed: int = 0) -> Result:
    models = Models(model, proposer=Scripted(rewrite, name="proposer"))
    return optimize(planted_task(), Rewrites(), model=models, store=store / "store.db", seed=seed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda index, reply: [(-1, reply)], "an answer to request -1"),
        (lambda index, reply: [(index + 10**6, reply)], "an answer to request 1000000"),
        (lambda index, reply: [(str(index), reply)], "an answer to request '0'"),
        (lambda index, reply: [(None, reply)], "an answer to request None"),
        (lambda index, reply: [(index + 0.0, reply)], "an answer to request 0.0"),
        (lambda index, reply: [(index, reply), (index, reply)], "a second answer to request 0"),
        (lambda index, reply: [(0, reply)], "a second answer to request 0"),
        (lambda index, reply: [(index, "yes")], "'yes' where a Reply"),
        (lambda index, reply: [(index, Likelihoods())], "where a Reply"),
        (lambda index, reply: [(index, replace(reply, text=b"yes"))], "where a Reply"),
        (lambda index, reply: [(index, None)], "'None' where a Reply"),
        (lambda index, reply: ["yes"], "'yes' where a pair (index, Reply) is asked for"),
        (lambda index, reply: [reply], "where a pair (index, Reply) is asked for"),
        (lambda index, reply: [None], r"'None' where a pair"),
    ],
)
def test_an_answer_to_no_request_is_said(change: Callable[[int, Reply], Sequence[Any]], said: str) -> None:
    requests, warned = [Request(f"{number}") for number in range(3)], list[str]()
    with pytest.raises(BackendError, match=re.escape(said)):
        list(checked_replies(Odd(change).generate(requests), requests, "odd", warned.append))
    assert not warned


def test_what_is_no_pairs_at_all_is_said() -> None:
    with pytest.raises(BackendError, match=r"gave None where pairs \(index, Reply\) are asked for"):
        list(checked_replies(None, [Request("a")], "odd", list[str]().append))


@pytest.mark.slow
def test_an_answer_to_no_request_suspends_the_run_and_is_given_to_none(tmp_path: Path) -> None:
    result = searched(tmp_path, Odd(lambda index, reply: [(-1, replace(reply, text="no"))]))
    assert result.status == "suspended"
    assert "an answer to request -1" in result.reason
    right = Odd(lambda index, reply: [(index, reply)])
    assert outcome(searched(tmp_path, right)) == outcome(searched(tmp_path / "afresh", right))


@pytest.mark.parametrize(
    ("read", "written"), [(-5, -5), (10**15, 10**15), (float("nan"), 2.5), (None, "3"), (True, False), (2**63, 1)]
)
def test_counts_that_cannot_be_are_estimated(read: Any, written: Any) -> None:
    requests, warned = [Request("a text of five words")] * 2, list[str]()
    odd = Odd(lambda index, reply: [(index, replace(reply, prompt_tokens=read, completion_tokens=written))])
    for _, reply in checked_replies(odd.generate(requests), requests, "odd", warned.append):
        assert isinstance(reply, Reply)
        assert 0 < reply.prompt_tokens < 20
        assert 0 <= reply.completion_tokens < 5
    assert len(warned) == 2


@pytest.mark.parametrize(("read", "written"), [(-5, 10**15)])
def test_counts_that_cannot_be_spoil_no_ledger_and_are_said_once(tmp_path: Path, read: Any, written: Any) -> None:
    odd = Odd(lambda index, reply: [(index, replace(reply, prompt_tokens=read, completion_tokens=written))])
    result = searched(tmp_path, odd)
    assert result.status == "finished"
    assert 0 < result.spent.tokens < 100 * result.spent.calls
    assert result.paid == result.spent
    assert len([warning for warning in result.warnings if "counts tokens that cannot be" in warning]) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cycle", "warned"),
    [
        (["m fp_1", "m fp_2", "m fp_3"], 1),
        (["m fp_1", "m fp_2"], 1),
        (["m"], 0),
        (["m-0611", "m-0806"], 1),
    ],
)
def test_a_fingerprint_that_flaps_is_said_once(tmp_path: Path, cycle: list[str], warned: int) -> None:
    model = Odd(lambda index, reply: [(index, replace(reply, served=cycle[index % len(cycle)]))])
    result = searched(tmp_path, model)
    assert len([warning for warning in result.warnings if "changed during the run" in warning]) == warned


@dataclass(frozen=True)
class LooksAtDev:
    """A search that has seen the dev examples before the final choice is made on them."""

    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial], run.dev)
        run.evaluate([run.initial], run.dev)


@pytest.mark.parametrize("sampled", [False, True])
def test_a_model_that_samples_all_the_same_is_drawn_anew_at_the_end(tmp_path: Path, sampled: bool) -> None:
    model = Odd(lambda index, reply: [(index, replace(reply, sampled=sampled))])
    task = planted_task()
    first, again = (optimize(task, LooksAtDev(), model=model, store=tmp_path / "store.db") for _ in range(2))
    assert outcome(first) == outcome(again)
    assert again.paid.calls == 0
    assert first.best.dev is not None
    assert first.best.test is not None
    assert first.spent.calls == model.asked == len(task.dev) * (1 + sampled) + len(task.test)
    assert len([warning for warning in first.warnings if "takes no temperature" in warning]) == sampled


@pytest.mark.slow
def test_half_an_emoji_in_replies_and_data_ends_no_run(tmp_path: Path) -> None:
    def change(index: int, reply: Reply) -> Sequence[Any]:
        return [(index, replace(reply, text="yes \ud83d" if index % 2 else "yes", served="one \udc80"))]

    odd = Odd(change, name="odd \ud800")
    first, again = searched(tmp_path, odd), searched(tmp_path, odd)
    assert first.status == again.status == "finished"
    assert outcome(first) == outcome(again)
    assert again.paid.calls == 0
    first.save(tmp_path / "result.json").read_text(encoding="utf-8")
