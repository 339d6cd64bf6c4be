"""From names to objects, and to the fingerprint that says which run it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import permutations, product
from pathlib import Path
from types import SimpleNamespace

import pytest

from promptopt import registry
from promptopt.api import optimize
from promptopt.binding.evaluator import bind_evaluator
from promptopt.binding.identity import bind_optimizer, identity_of, method_name
from promptopt.binding.models import Models, OpenModels, addresses_of, default_proposer, open_models
from promptopt.binding.plan import default_budget
from promptopt.binding.session import Session
from promptopt.binding.task import bind_task
from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.evaluation import evaluate
from promptopt.models.providers import Access
from promptopt.models.scripted import Scripted
from promptopt.models.server.openai import OpenAIModel
from promptopt.optimizers.apo.method import APO, Expansion
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.halving import SuccessiveHalving
from promptopt.testing import planted_task
from promptopt.types import Prompt, canonical
from tests.rewrites import Rewrites


def test_names_become_objects() -> None:
    assert bind_optimizer("apo") == APO()
    assert method_name(APO()) == "apo"
    assert method_name(Rewrites()) == "rewrites"
    with pytest.raises(UnknownName, match="did you mean 'apo'"):
        bind_optimizer("appo")
    with pytest.raises(UnknownName, match="no task is named"):
        bind_task("support-intend", 0)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_every_split_is_needed(split: str) -> None:
    with pytest.raises(ConfigError, match=f"no {split} examples"):
        bind_task(replace(planted_task(), **{split: ()}), 0)


def test_roles_fall_back() -> None:
    one, two = Scripted(["a"], name="one"), Scripted(["b"], name="two")
    alone = {"task": one, "proposer": one, "judge": one}
    assert open_models(one) == open_models(Models(one)) == OpenModels(alone, one)
    assert open_models(Models(one, two)) == OpenModels({"task": one, "proposer": two, "judge": two}, one)
    assert open_models(Models(one, check=two)) == OpenModels(alone, two)
    assert default_proposer("openai/gpt") is None
    assert default_proposer("embedded/smollm2-135m") is None
    assert default_proposer("embedded") == "embedded/qwen2.5-coder-1.5b"
    assert default_proposer("embedded-fast") == "embedded-fast/qwen2.5-coder-1.5b"


def test_a_base_url_goes_to_what_has_a_server(tmp_path: Path) -> None:
    here = "http://127.0.0.1:9/v1"
    local = Scripted(["a"], name="local")
    found = open_models(Models("openai/a", "openai/b", check="openai/c", base_url=here))
    opened = (found.by_role["task"], found.by_role["proposer"], found.check)
    assert [each.base_url for each in opened if isinstance(each, OpenAIModel)] == [here] * 3
    found = open_models(Models(local, check="openai/c", base_url=here))
    assert found.by_role["task"] is local
    assert isinstance(found.check, OpenAIModel)
    assert found.check.base_url == here
    model = tmp_path / "some.gguf"
    model.write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match="takes no base URL"):
        open_models(Models(f"llamacpp/{model}", base_url=here))


def servers() -> list[Models]:
    """Every way to say which model of a role is asked where."""
    here, proposers, judges = (
        "http://127.0.0.1:9/v1",
        Access("https://proposer.test/v1"),
        Access("https://judge.test/v1"),
    )
    return [
        Models("openai/a", proposer, judge, check, base_url=url, proposer_access=own, judge_access=judging)
        for proposer, judge, check, url, own, judging in product(
            (None, "openai/b"), (None, "openai/c", "openai/c,openai/d"), (None, "openai/e"), (None, here),
            (None, proposers), (None, judges),
        )
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("models", servers())
def test_the_address_foreseen_for_each_role_is_the_one_it_is_asked_at(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    opened = open_models(models)
    asked: Mapping[str, object] = {**opened.by_role, "check": opened.check}
    found = {role: model.base_url for role, model in asked.items() if isinstance(model, OpenAIModel)}
    foreseen = addresses_of(models)
    assert {role: url or "https://api.openai.com/v1" for role, url in foreseen.items()} == found


@pytest.mark.parametrize(
    ("set_to", "address"),
    [("http://localhost:8000/v1", "http://localhost:8000/v1"), (" ", "https://api.openai.com/v1"), ("", "https://api.openai.com/v1")],
)  # fmt: skip
def test_the_address_of_the_environment_is_foreseen_as_it_is_asked(
    set_to: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", set_to)
    elsewhere = Models("openai/a", "openai/b", proposer_access=Access("http://127.0.0.1:9/v1"))
    for models in (Models("openai/a"), elsewhere):
        foreseen, opened = addresses_of(models), open_models(models)
        assert foreseen["task"] == foreseen["check"] == address
        asked = {role: model.base_url for role, model in opened.by_role.items() if isinstance(model, OpenAIModel)}
        assert {role: foreseen[role] for role in asked} == asked


def test_a_setting_that_changes_changes_the_fingerprint() -> None:
    described = [
        identity_of(method)
        for method in (APO(), APO(rounds=2), APO(expand=Expansion(children=4)), APO(selector=SuccessiveHalving()))
    ]
    assert all(described[0] != other for other in described[1:])
    assert identity_of(APO()) == identity_of(APO())


def test_functions_are_described_by_their_source() -> None:
    def one(text: str) -> str:
        return text

    def two(text: str) -> str:
        return text + "!"

    @dataclass(frozen=True)
    class Holds:
        function: object

    assert identity_of(Holds(one)) != identity_of(Holds(two))
    assert identity_of(Holds(one)) == identity_of(Holds(one))
    assert identity_of({"a": (1, None)}) == {"a": [1, None]}


class Tone(Enum):
    """Two settings that are no texts."""

    WARM = 1
    COLD = 2


@dataclass(frozen=True)
class Setting:
    """A method with one setting."""

    value: object


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Path("x"), Path("y")),
        (Path("x"), "x"),
        (date(2026, 1, 1), date(2026, 1, 2)),
        (datetime(2026, 1, 1, 8), datetime(2026, 1, 1, 9)),
        (time(8), time(9)),
        (timedelta(1), timedelta(2)),
        (Decimal("0.10"), Decimal("0.1")),
        (b"x", b"y"),
        ({"a", "b"}, {"a", "c"}),
        (frozenset({1}), frozenset({"1"})),
        ({Path("x")}, {Path("y")}),
        (Tone.WARM, Tone.COLD),
        (partial(round, ndigits=1), partial(round, ndigits=2)),
        (partial(max, 1), partial(min, 1)),
    ],
)  # fmt: skip
def test_settings_of_any_plain_kind_have_an_identity(one: object, other: object) -> None:
    assert identity_of(Setting(one)) == identity_of(Setting(one))
    assert canonical(identity_of(Setting(one))) != canonical(identity_of(Setting(other)))
    assert identity_of({"a": [one]}) != identity_of({"a": [other]})


def test_the_identity_of_a_set_is_not_the_order_of_this_process() -> None:
    found = {canonical(identity_of(set(order))) for order in permutations(["one", "two", "three", "four"])}
    assert found == {'{"is":"set","items":["four","one","three","two"]}'}


@pytest.mark.parametrize("value", [object(), iter([1]), re.compile("x")])
def test_a_setting_that_shows_nothing_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^the method\.value\.inner\['a'\] holds <?.*which shows nothing"):
        identity_of(Setting(SimpleNamespace(inner={"a": [value]})))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": 3}, "3 is not a model"),
        ({"model": Path("x.gguf")}, "is not a model"),
        ({"model": Scripted}, "Scripted is a class, and no model; make one of it"),
        ({"model": Models(Scripted(["a"]), proposer=[])}, r"\[\] is not a model"),  # pyright: ignore
        ({"task": [1]}, "list '\\[1\\]' is not a task"),
        ({"task": None}, "is not a task"),
        ({"evaluator": 3}, "3 is not an evaluator"),
        ({"check_evaluator": print}, "is not an evaluator"),
        ({"evaluator": SimpleNamespace(score=print)}, "SimpleNamespace has no calls_per_cell; set it to"),
        ({"check_evaluator": SimpleNamespace(score=print, calls_per_cell="2")}, "has '2' as its calls_per_cell"),
        ({"evaluator": SimpleNamespace(score=print, calls_per_cell=1)}, r"has no method fingerprint\(\)"),
        ({"task": replace(planted_task(), scored_by=SimpleNamespace(score=print))}, "has no calls_per_cell"),  # pyright: ignore
        ({"budget": 60}, r"budget is 60; give Budget \(as Budget\(evaluations=400\)\) or None; or leave it out"),
        ({"session": None}, r"session is None; give Session \(as Session\("),
        ({"seed": None}, "seed is None; give a whole number; or leave it out"),
        ({"seed": True}, "seed is True; give a whole number"),
        ({"store": 3}, "store is 3; give Store or a text or a path or None"),
        ({"store": ""}, "store is an empty text"),
        ({"model": Models(Scripted(["a"]), base_url="http://a")}, "every model is an object"),
        ({"task": "nosuch.csv"}, "there is no file nosuch.csv"),
        ({"task": Path("nosuch")}, "there is no file nosuch"),
        ({"task": str(Path(__file__).parent)}, "is a folder; name the task file in it"),
    ],
)
def test_an_argument_of_another_kind_gets_a_sentence(wrong: dict[str, object], said: str, tmp_path: Path) -> None:
    given = {"task": planted_task(), "model": Scripted(["a"]), "store": tmp_path / "store.db", **wrong}
    with pytest.raises((ConfigError, DataError), match=said):
        optimize(**given)  # pyright: ignore


@pytest.mark.parametrize("wrong", [{"prompt": 3}, {"prompt": "text"}, {"prompt": Prompt.of(other="x")}, {"budget": 9}])
def test_a_prompt_that_is_none_of_the_task_is_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"give Prompt|the prompt has the parts|give Budget"):
        evaluate(planted_task(), model=Scripted([]), store=tmp_path / "store.db", **wrong)  # pyright: ignore


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"observers": print}, "observers is <built-in function print>; give a list, each of it a function"),
        ({"observers": [3]}, r"observers is \[3\]; give a list"),
        ({"watch": 3}, "watch is 3; give a function or None"),
        ({"interrupt": True}, r"interrupt is True; give Event \(from threading"),
        ({"config": [1]}, r"config is \[1\]; give a table"),
        ({"config": {"x": {"y": Path()}}}, r"config\['x'\] is .*, which is not kept as JSON"),
    ],
)
def test_a_session_of_other_things_gets_a_sentence(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^Session: {said}"):
        Session(**wrong)  # pyright: ignore


class Needy:
    """A method that is nothing without a setting."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def optimize(self, run: Run) -> None: ...


def test_a_method_that_needs_a_setting_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", lambda *_: Needy)
    with pytest.raises(ConfigError, match=r"'needy' is made with 'rounds', which nobody gave; pass an object"):
        bind_optimizer("needy")


def test_an_evaluator_that_is_made_for_no_task_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", lambda *_: Needy)
    with pytest.raises(ConfigError, match="cannot be made for a task"):
        bind_evaluator("needy", planted_task())


def test_a_search_without_a_word_on_its_budget_gets_one_and_says_so() -> None:
    budget, said = default_budget(None, configured=False)
    assert budget == Budget(evaluations=2_000)
    assert said.startswith("no budget was given, so at most 2,000 evaluations are spent")
    assert "--max-evaluations" in said
    assert default_budget(None, configured=True) == (Budget(), ""), "its settings say where it ends"
    assert default_budget(Budget(), configured=False) == (Budget(), ""), "no cap is a word too"
    assert default_budget(Budget(calls=3), configured=False) == (Budget(calls=3), "")
