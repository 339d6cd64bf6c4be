"""What a single call is asked by, as `config=dict(seed=7)`: it is sent within a run, and a reply is stored under it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy import PromptOpt  # noqa: E402
from promptopt.dspy.lm import DspyModel  # noqa: E402
from promptopt.models.scripted import Scripted  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402
from promptopt.types import Request, Sampling  # noqa: E402
from tests.inside_dspy.scripted import examples, right  # noqa: E402
from tests.inside_dspy.test_dspy_settings import SAID, Server, server, writer  # noqa: E402, F401

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")
Forward = Callable[[Any, str], Any]


class One(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")


def asking(forward: Forward) -> dspy.Module:
    return type("Asks", (One,), {"forward": forward})()


def named(**settings: Any) -> Forward:
    return lambda self, question: self.answer(question=question, config=settings)


def a_copy_in_place(self: Any, question: str) -> Any:
    with dspy.context(lm=dspy.settings.lm.copy(seed=3, temperature=0.4)):
        return self.answer(question=question)


def a_request_of_its_own(self: Any, question: str) -> Any:
    lm = dspy.settings.lm
    config = dspy.lm15.Config(seed=3, frequency_penalty=0.5, temperature=0.1)
    said = lm(dspy.lm15.Request(model=lm.model, messages=(dspy.lm15.Message.user(question),), config=config))
    return dspy.Prediction(answer="yes" if "yes" in said.message.text else "no")


def searched(home: Path, student: dspy.Module, lm: Any, **given: Any) -> Any:
    rows = examples(30)
    with dspy.context(lm=lm):
        settings = {"budget": Budget(evaluations=20), "proposer": writer(), "store": home / "store.db"} | given
        return PromptOpt("random", metric=right, **settings).compile(
            student, trainset=rows[:10], valset=rows[10:20], testset=rows[20:]
        )


def sent_alone(server: Server, student: dspy.Module, lm: Any) -> dict[str, Any]:  # noqa: F811
    """What the server is sent where the program runs by itself."""
    with dspy.context(lm=lm):
        student(question="alone")
    return server.bodies.pop()


@pytest.mark.parametrize(
    "forward",
    [
        named(seed=7),
        named(temperature=0.5),
        # What an LM is taken to do where nothing is said.
        named(temperature=1.0, max_tokens=4_096),
        named(top_p=1.0),
        named(reasoning_effort="low", user="me"),
        named(response_format={"type": "json_object"}),
        named(rollout_id=3, temperature=0.2, seed=5),
        pytest.param(named(extra_body={"own": 1}), marks=pytest.mark.filterwarnings("ignore")),
        a_copy_in_place,
    ],
)
@pytest.mark.parametrize("made_with", [{}, {"top_p": 0.9, "presence_penalty": 0.25}], ids=["bare", "set"])
def test_what_a_call_names_is_sent_within_a_run_and_replayed(
    server: Server,  # noqa: F811
    tmp_path: Path,
    forward: Forward,
    made_with: dict[str, Any],
) -> None:
    student, lm = asking(forward), server.lm(**made_with)
    alone = sent_alone(server, student, lm)
    best = searched(tmp_path, student, lm)
    assert best.promptopt.result.start.test.score == 1.0
    assert all(body == alone for body in server.bodies), (alone, server.bodies[0])
    asked = len(server.bodies)
    searched(tmp_path, student, lm)
    assert len(server.bodies) == asked >= 10


def a_bare_request(self: Any, question: str) -> Any:
    lm = dspy.settings.lm
    said = lm(dspy.lm15.Request(model=lm.model, messages=(dspy.lm15.Message.user(question),)))
    return dspy.Prediction(answer="yes" if "yes" in said.message.text else "no")


@pytest.mark.parametrize("forward", [a_request_of_its_own, a_bare_request])
@pytest.mark.parametrize(
    "made_with",
    [{}, {"temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "stop": ["#"], "seed": 7, "presence_penalty": 0.25}],
    ids=["bare", "set"],
)
def test_a_request_of_dspys_is_sent_within_a_run_as_it_stands(
    server: Server,  # noqa: F811
    tmp_path: Path,
    forward: Forward,
    made_with: dict[str, Any],
) -> None:
    student, lm = asking(forward), server.lm(**made_with)
    alone = sent_alone(server, student, lm)
    # DSPy sends nothing that the LM was made with.
    assert not {"top_p", "max_tokens", "max_completion_tokens", "stop", "presence_penalty"} & {*alone}
    best = searched(tmp_path, student, lm)
    assert best.promptopt.result.start.test.score == 1.0
    # Under another prompt it is the same request, which is not sent twice.
    spent = best.promptopt.result.spent
    assert len(server.bodies) == spent.calls - spent.proposer_calls >= 10
    assert all(body == alone for body in server.bodies), (alone, server.bodies[0])


def the_last_call(self: Any, question: str) -> Any:
    found, lm = self.answer(question=question), dspy.settings.lm
    assert (lm.history, lm.history[0:]) == ([], [])
    return dspy.Prediction(answer=found.answer, tokens=lm.history[-1]["usage"])


def test_a_program_that_reads_the_history_of_its_lm_is_told_why_there_is_none(server: Server, tmp_path: Path) -> None:  # noqa: F811
    said = searched(tmp_path, asking(the_last_call), server.lm()).promptopt.result.warnings
    assert any("lm.history is empty within a run of promptopt" in each for each in said), said


def test_replies_are_stored_under_what_their_call_names(server: Server, tmp_path: Path) -> None:  # noqa: F811
    for seed in (1, 2):
        before, student = len(server.bodies), asking(named(seed=seed))
        # A run is known by its source, which is the same for both, and by what the module holds.
        student.told_apart_by = seed
        searched(tmp_path, student, server.lm())
        assert {body["seed"] for body in server.bodies[before:]} == {seed}


def test_an_lm_that_comes_up_meanwhile_is_asked_by_what_a_call_names(server: Server, tmp_path: Path) -> None:  # noqa: F811
    other = server.lm(presence_penalty=0.5)

    def forward(self: Any, question: str) -> Any:
        with dspy.context(lm=other):
            return self.answer(question=question, config={"seed": 7, "user": "me"})

    best = searched(tmp_path, asking(forward), server.lm())
    sent = [{name: body.get(name) for name in ("seed", "user", "presence_penalty")} for body in server.bodies]
    assert sent == [{"seed": 7, "user": "me", "presence_penalty": 0.5}] * best.promptopt.result.spent.evaluations


def test_what_no_reply_of_a_run_holds_is_left_out_and_told(server: Server, tmp_path: Path) -> None:  # noqa: F811
    best = searched(tmp_path, asking(named(logprobs=True, seed=7)), server.lm())
    assert {(body["seed"], body.get("logprobs")) for body in server.bodies} == {(7, None)}
    told = "the program asks for logprobs, which no reply of a run holds; it is asked without"
    assert told in best.promptopt.result.warnings


def test_a_model_of_promptopts_is_asked_without_what_it_does_not_take_and_that_is_told(tmp_path: Path) -> None:
    model = Scripted(lambda request: SAID, name="scripted")
    best = searched(tmp_path, asking(named(seed=7, extra_body={"own": 1}, temperature=0.5)), None, model=model)
    assert best.promptopt.result.start.test.score == 1.0
    assert {request.sampling.temperature for request in model.log} == {0.5}
    said = [each for each in best.promptopt.result.warnings if "does not take" in each]
    assert [each.split(",")[0] for each in said] == ["the program asks for extra_body", "the program asks for seed"]


class Own(dspy.BaseLM):
    """Of a user's own class: what it was made with, it looks up itself."""

    def __init__(self) -> None:
        super().__init__("own", temperature=0.2, max_tokens=50, cache=False)
        self.given: list[dict[str, Any]] = []

    def forward(self, prompt=None, messages=None, **given):
        self.given.append(given)
        message = SimpleNamespace(content=SAID, reasoning_content=None, tool_calls=None, provider_specific_fields=None)
        choice = SimpleNamespace(message=message, finish_reason="stop")
        return SimpleNamespace(choices=[choice], usage={}, model="own")

    def __deepcopy__(self, memo: object) -> Own:
        return self


@pytest.mark.filterwarnings("ignore:Implementing custom LMs")
@pytest.mark.parametrize("settings", [{}, {"temperature": 0.9, "seed": 3}])
def test_an_lm_of_a_users_own_class_is_handed_what_a_call_names_and_no_more(settings, tmp_path: Path) -> None:
    lm, student = Own(), asking(named(**settings))
    searched(tmp_path, student, lm)
    assert len(lm.given) >= 10
    assert all(given == settings for given in lm.given), lm.given[0]


@pytest.mark.parametrize(
    ("made_with", "own", "cap"),
    [
        ({"temperature": 1.0, "max_tokens": 32_000}, (), 32_000),
        ({"temperature": 1.0, "max_tokens": 32_000}, ("max_tokens",), 32_000),
        ({}, (), None),
    ],
)
def test_a_model_that_thinks_is_never_capped_below_what_it_needs(server: Server, made_with, own, cap) -> None:  # noqa: F811
    server.name = "gpt-5"
    model = DspyModel(server.lm(**made_with), own=own)
    [(_, found)] = model.generate([Request("Write.", Sampling(temperature=1.0, max_tokens=2_048))])
    assert found.text == SAID
    assert server.bodies[-1].get("max_completion_tokens") == cap
    assert "max_tokens" not in server.bodies[-1]


def test_a_proposer_writes_at_the_length_it_was_made_with(server: Server, tmp_path: Path) -> None:  # noqa: F811
    student = asking(named())
    searched(tmp_path, student, Own(), proposer=server.lm(max_tokens=9_000, temperature=0.3))
    assert {body["max_completion_tokens"] for body in server.bodies} == {9_000}
    # How hot it is asked is the method's.
    assert {body["temperature"] for body in server.bodies} != {0.3}
