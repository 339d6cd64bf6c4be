"""A policy for single inputs, taken away from its run: the same prompts, and so the same answers, outside of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.cli.main import app
from promptopt.errors import ConfigError
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.models.specs import open_model
from promptopt.optimizers.align_pro.transform import Rewritten
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Learning, Sizes
from promptopt.optimizers.rlprompt.taking import CARD, WEIGHTS, PolicyModel, take_policy
from promptopt.outcome.result import Result
from promptopt.reports.carried import not_carried
from promptopt.reports.export import export_of
from promptopt.store.runs import Store
from promptopt.testing.processes import outcome
from promptopt.types import Content, Message, Request
from tests.optimizers.rlprompt.planted_labels import labelled_task
from tests.optimizers.rlprompt.tiny_policy import WORDS, tiny_folder

pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_torch_thread")]
METHOD = RLPrompt(
    length=1, inputs=2, size=Sizes(steps=24, prompts=8, held=8, every=6), learn=Learning(rate=5e-3, hidden=64)
)


def target() -> Scripted:
    """Half of the words help every item; without one the answer is wrong."""

    def scores(content: Content, label: str) -> list[float]:
        assert isinstance(content, str)
        prompt, _, item = content.rpartition(" Item: ")
        right = ("good", "bad")[int(item.split()[1]) % 2] == label.strip()
        helped = any(word in prompt.split() for word in WORDS[:25])
        return [(1.0 if helped else -1.0) * right]

    return Scripted(lambda _: "good", name="target", scores=scores)


def search(home: Path, model: Scripted | None = None) -> Result:
    return optimize(
        labelled_task(), replace(METHOD, policy=f"hf/{tiny_folder()}", device="cpu"),
        model=Models(target() if model is None else model), store=home / "store.db",
    )  # fmt: skip


def taken(home: Path, result: Result, folder: str = "mine") -> Path:
    with Store(home / "store.db") as store:
        take_policy(store, result.run_id, store.find(result.run_id).fingerprint, result.best.text, home / folder)
    return home / folder


def test_a_policy_of_a_real_model_writes_outside_of_its_run_what_it_wrote_inside(tmp_path: Path) -> None:
    model = target()
    result = search(tmp_path, model)
    assert result.verdict == "better"
    again = search(tmp_path)
    assert (outcome(again), again.paid.calls) == (outcome(result), 0)
    folder = taken(tmp_path, result)
    outside = target()
    found = evaluate(
        labelled_task(), result.best.prompt, model=Rewritten(PolicyModel(str(folder)), outside), evaluator="labels",
        split="test", store=tmp_path / "other.db",
    )  # fmt: skip
    assert found.measured.score == pytest.approx(result.best.test.score if result.best.test else None)
    asked = {str(request.content) for request in outside.log}
    assert asked
    assert asked <= {str(request.content) for request in model.log}
    # What the policy wrote is a token for each item, and counts too.
    told = evaluate(labelled_task(), model=target(), evaluator="labels", split="test", store=tmp_path / "plain.db")
    assert found.spent.prompt_tokens == told.spent.prompt_tokens + found.spent.calls


@pytest.mark.slow
def test_a_run_that_is_killed_in_its_test_goes_on_from_the_best_weights(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole")
    model = target()
    model.fail_at = whole.spent.calls - 20
    assert search(tmp_path / "cut", model).status == "suspended"
    assert outcome(search(tmp_path / "cut")) == outcome(whole)


@pytest.mark.slow
def test_a_prompt_with_a_mark_is_only_asked_with_its_own_policy(tmp_path: Path) -> None:
    result = search(tmp_path)
    folder = taken(tmp_path, result)
    with pytest.raises(ConfigError, match="would read it as it is"):
        evaluate(labelled_task(), result.best.prompt, model=target(), evaluator="labels", store=tmp_path / "store.db")
    other = result.best.prompt.replace("instruction", "[[policy 0123456789abcdef]]")
    with pytest.raises(ConfigError, match="is another policy, "):
        evaluate(
            labelled_task(), other, model=Rewritten(PolicyModel(str(folder)), target()), evaluator="labels",
            store=tmp_path / "store.db",
        )  # fmt: skip
    # What has no mark goes through as it is.
    echo = Scripted(lambda request: str(request.content))
    chat = (Message("system", "Be terse."), Message("user", "Hello"))
    replies = dict(Rewritten(PolicyModel(str(folder)), echo).generate([Request("plain"), Request(chat)]))
    assert (replies[0].text, replies[0].completion_tokens) == ("plain", 1)
    assert replies[1].text == str(chat)
    with pytest.raises(ConfigError, match="is there already and not empty; name a new folder"):
        taken(tmp_path, result)
    start = replace(result.start.prompt)
    with Store(tmp_path / "store.db") as store:
        fingerprint = store.find(result.run_id).fingerprint
        with pytest.raises(ConfigError, match="is a text and no policy"):
            take_policy(store, result.run_id, fingerprint, start["instruction"], tmp_path / "none")
        store.delete(result.run_id)
        with pytest.raises(ConfigError, match="holds no weights of"):
            take_policy(store, result.run_id, fingerprint, result.best.text, tmp_path / "none")
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, "files": "other"}))
    with pytest.raises(ConfigError, match=r"was trained on hf/.* with files other"):
        list(PolicyModel(str(folder)).generate([Request("x")]))
    (folder / CARD).write_text(json.dumps({**card, "learn": {"none": 1}}))
    with pytest.raises(ConfigError, match=r"policy\.json of .* is damaged"):
        list(PolicyModel(str(folder)).generate([Request("x")]))


@pytest.mark.slow
def test_the_command_line_takes_a_policy_away_and_an_export_says_what_its_mark_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    result = search(tmp_path)
    folder = tmp_path / "mine"
    told = CliRunner().invoke(app, ["runs", "prompter", result.run_id, "--out", str(folder)])
    assert told.exit_code == 0, told.output
    assert f"rewritten/policy/{folder}::MODEL" in "".join(told.output.split("\n"))
    assert isinstance(open_model(f"rewritten/policy/{folder}::hf/{tiny_folder()}"), Rewritten)
    exported = export_of(labelled_task(), result.best.prompt)
    for form in ("txt", "json"):
        assert "means something to rewritten/policy/FOLDER::MODEL alone" in not_carried(labelled_task(), exported, form)


@pytest.mark.parametrize("card", [None, "", "[]", "{}", '{"mark": 3'])
def test_a_folder_that_is_no_policys_is_refused(tmp_path: Path, card: str | None) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"x")
    if card is not None:
        (tmp_path / CARD).write_text(card)
    with pytest.raises(ConfigError, match=r"is no folder of a policy, which holds policy\.json"):
        PolicyModel(str(tmp_path))
