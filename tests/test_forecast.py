"""Dry runs against real ones on planted tasks: evaluations, calls and tokens within a factor of one and a half."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.search_landscape import KINDS, plant
from benchmarks.search_proposer import Proposer
from promptopt import registry
from promptopt.api import optimize
from promptopt.binding.config import RunConfig
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.cli import stand_ins
from promptopt.cli.forecast import Forecast, forecast
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget, Ledger
from promptopt.tasks import catalogue
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Request

FACTOR = 1.5
QUICK = ("random",)
# A method that trains a policy has to be told which; where one ends is told as a range, by a test of its own.
METHODS = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in registry.names("optimizers")
    if name not in ("rlprompt", "promptquine")
]


class Counting(Scripted):
    """Counts tokens as a dry run does: what is compared is the search, not the tokenizer."""

    def count_tokens(self, text: str) -> int:
        return stand_ins.estimate_tokens(text, self.name)


def by_words(text: str, model: str) -> int:
    """A token for each word and each mark, which is near what tables of real tokenizers say of English."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def foreseen_and_spent(kind: str, seed: int, method: str, cap: int, folder: Path) -> tuple[Forecast, Ledger]:
    """The dry run of a search on a planted task, and what the search takes."""
    landscape = plant(kind, seed)
    task, own = landscape.task(), landscape.model()
    own.__class__ = Counting
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTOPT_HOME", str(folder))
        patch.setattr(catalogue, "load_task", lambda *_, **__: task)
        seen = forecast(RunConfig(task="planted", method=method, model="scripted/x", max_evaluations=cap))
    models = Models(own, proposer=Counting(Proposer(landscape.good, 0.4), name="proposer"))
    budget = Budget(evaluations=cap)
    done = optimize(task, build_optimizer(method, {}), model=models, budget=budget, store=folder / "real.db")
    return seen, done.spent


def assert_near(seen: Forecast, spent: Ledger) -> None:
    foreseen = {
        "evaluations": (seen.evaluations or 0, spent.evaluations),
        "calls": (sum(role.calls or 0 for role in seen.roles), spent.calls),
        "tokens": (sum((role.prompt_tokens or 0) + (role.completion_tokens or 0) for role in seen.roles), spent.tokens),
    }
    for what, (told, real) in foreseen.items():
        assert real / FACTOR <= told <= real * FACTOR, f"{what}: {told:,} foreseen, {real:,} spent"


@pytest.mark.slow
def test_a_dry_run_counts_the_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    config = RunConfig(task="support-intent", method="bootstrap", model="scripted/x", max_evaluations=200)
    assert "teacher" not in {role.role for role in forecast(config).roles}
    roles = {role.role: role for role in forecast(replace(config, teacher="scripted/y")).roles}
    assert roles["teacher"].model == "scripted/y"
    assert 0 < (roles["teacher"].calls or 0) < (roles["task"].calls or 0)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("method", METHODS)
def test_a_dry_run_is_near_what_is_spent(method: str, tmp_path: Path) -> None:
    evaluations = 600
    assert_near(*foreseen_and_spent(next(iter(KINDS)), 0, method, evaluations, tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_luck_that_one_play_has_is_not_told_for_the_search(tmp_path: Path) -> None:
    assert_near(*foreseen_and_spent("noisy", 3, "evoprompt-ga", 500, tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("method", "task"),
    [("plum-ga-c", "additive-0"), ("plum-ga-c", "noisy-3"), ("plum-hs", "noisy-3"), ("plum-hs", "cluttered-2")],
)
def test_where_luck_decides_how_long_prompts_become_a_dry_run_tells_a_range(
    method: str, task: str, tmp_path: Path
) -> None:
    kind, _, seed = task.partition("-")
    seen, spent = foreseen_and_spent(kind, int(seed), method, 1_500, tmp_path)
    assert seen.spread is not None
    least, most = seen.spread.tokens
    assert least / FACTOR <= spent.tokens <= most * FACTOR
    assert FACTOR * least < most
    # The cap decides how far it goes, and luck does not.
    assert seen.spread.evaluations[1] == 1_500 < FACTOR * seen.spread.evaluations[0]
    assert f"decides how long its prompts become: {least:,} to {most:,} tokens are likely." in seen.describe()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("task", ["noisy-3", "weak-2"])
@pytest.mark.parametrize("method", ["gepa", "metaspo", "plum-hc", "plum-hs", "plum-tabu", "capo", "textgrad"])
def test_it_is_near_on_tasks_where_luck_decides_or_little_helps(method: str, task: str, tmp_path: Path) -> None:
    kind, _, seed = task.partition("-")
    assert_near(*foreseen_and_spent(kind, int(seed), method, 700, tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("method", "task", "cap"),
    [("plum-hs", "cluttered-2", 1_500), ("plum-hc", "cluttered-5", 700), ("plum-ga-c", "cluttered-4", 700)],
)
def test_it_is_near_where_the_start_is_long(method: str, task: str, cap: int, tmp_path: Path) -> None:
    kind, _, seed = task.partition("-")
    assert_near(*foreseen_and_spent(kind, int(seed), method, cap, tmp_path))


def test_what_stands_below_the_first_sentence_is_hardly_longer_when_it_is_said_otherwise() -> None:
    start = "Solve the riddle. " + " ".join(f"Heed the {noun}." for noun in ("kettle", "cobweb", "lantern"))
    propose = stand_ins.Proposer(start)

    def mean_words(phrase: str) -> float:
        text = f'A phrase stands in this text:\n"""\n{start}\n"""\n\nThe phrase: {phrase}'
        said = json.loads(propose(Request(f'{text}\n\nSay it in 50 ways, as ["..."]')))
        return sum(len(each.split()) for each in said) / len(said)

    assert mean_words("Heed the kettle") < 3 + 3 * 2 * stand_ins.WORDIER
    assert mean_words("Solve the riddle") == 6


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("method", ["ape", "capo", "plum-hc"])
def test_it_is_near_whatever_counts_the_tokens(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_ins, "estimate_tokens", by_words)
    assert_near(*foreseen_and_spent("noisy", 3, method, 700, tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("task", ["additive-0", "noisy-3", "weak-2"])
def test_of_a_search_that_may_end_early_a_dry_run_tells_how_early(task: str, tmp_path: Path) -> None:
    kind, _, seed = task.partition("-")
    seen, spent = foreseen_and_spent(kind, int(seed), "promptquine", 1_500, tmp_path)
    assert seen.spread is not None
    for real, (least, most) in ((spent.evaluations, seen.spread.evaluations), (spent.tokens, seen.spread.tokens)):
        assert least / FACTOR <= real <= most * FACTOR
        assert f"{least:,} to {most:,}" in seen.describe()
    assert seen.to_json()["spread"]["evaluations"] == seen.spread.evaluations
    assert 1_000 < seen.spread.evaluations[1] <= 1_500


@pytest.mark.slow
def test_a_judge_is_foreseen_to_be_asked_of_nearly_every_reply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    rows = "\n".join(f"what is {number} and 1,{number + 1}" for number in range(40))
    (tmp_path / "rows.csv").write_text(f"text,answer\n{rows}\n")
    path = tmp_path / "judged.toml"
    path.write_text(
        'instruction = "Answer."\n[data]\nfile = "rows.csv"\ninput = "text"\ntarget = "answer"\n'
        '[judge]\ncriteria = "Is it right?"\n'
    )
    config = RunConfig(task=str(path), method="random", model="scripted/x", judge="scripted/y", max_evaluations=60)
    roles = {role.role: role for role in forecast(config).roles}
    # Of a winner other than the start, the judge is shown replies dressed up too: 4 kinds of the 10 of either prompt.
    assert 0 <= (roles["judge"].calls or 0) - (roles["task"].calls or 0) <= 2 * 4 * 10
    # A cap of thousands on the reply is no reason to foresee thousands.
    path.write_text(f"max_tokens = 4000\n{path.read_text()}")
    written = next(role for role in forecast(config).roles if role.role == "task")
    assert (written.completion_tokens or 0) < 600 * (written.calls or 0)


@pytest.mark.slow
def test_a_dry_run_counts_those_who_play_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    rows = "\n".join(f"cancel order {number}" for number in range(30))
    (tmp_path / "scenarios.csv").write_text(f"goal\n{rows}\n")
    path = tmp_path / "sim.toml"
    path.write_text('instruction = "You are the assistant."\n[simulation]\nscenarios = "scenarios.csv"\nturns = 2\n')
    config = RunConfig(task=str(path), method="random", model="scripted/x", user_model="scripted/y", max_evaluations=60)
    roles = {role.role: role for role in forecast(config).roles}
    assert roles["user"].model == "scripted/y"
    # Nobody ends, and what a user says to equal replies of two prompts is asked for once.
    assert 59 * 2 <= (roles["task"].calls or 0) <= 60 * 2
    assert all(24 < (roles[role].calls or 0) < 60 * 2 for role in ("user", "judge"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["additive-3", "cluttered-3", "noisy-2"])
@pytest.mark.parametrize("cap", [1_000, 5_000])
def test_a_search_that_lives_on_mistakes_is_foreseen_at_any_cap(
    kind: str, cap: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    name, _, seed = kind.partition("-")
    landscape = plant(name, int(seed))
    own = landscape.task()
    splits = Splits(len(own.train), len(own.dev), len(own.test))
    # As a chat, whose requests all end alike: what is hard is the example.
    task = Task.from_examples(
        [*own.train, *own.dev, *own.test], prompt=landscape.start, labels=("no", "yes"), metric="exact", splits=splits
    )
    monkeypatch.setattr(catalogue, "load_task", lambda *_, **__: task)
    seen = forecast(RunConfig(task="planted", method="metaspo", model="scripted/x", max_evaluations=cap))
    proposer = Scripted(Proposer(landscape.good, 0.4), name="proposer")
    models = Models(landscape.model(), proposer=proposer)
    budget = Budget(evaluations=cap)
    spent = optimize(task, build_optimizer("metaspo", {}), model=models, budget=budget, store=tmp_path / "s.db").spent
    for foreseen, real in (
        (seen.evaluations or 0, spent.evaluations),
        (sum(role.calls or 0 for role in seen.roles), spent.calls),
    ):
        assert real / FACTOR <= foreseen <= real * FACTOR
