"""LMs that a program or a metric asks by itself: all are metered and replayed, or told of; none is asked unseen."""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from pathlib import Path
from types import SimpleNamespace

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.models.scripted import Scripted  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402
from tests.inside_dspy.scripted import Engine, lm, reply, right  # noqa: E402
from tests.inside_dspy.test_lms import answering, compiled  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning"), pytest.mark.slow]
SMALL = Budget(evaluations=40)
YES = "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"
OWN: dict[str, dspy.BaseLM] = {}
"""What programs ask by themselves: a new one for every test."""


class Answers:
    """Counts its calls; every answer is right."""

    def __init__(self) -> None:
        self.calls = 0

    def complete(self, request: dspy.lm15.Request) -> dspy.lm15.Response:
        self.calls += 1
        return reply(request, YES)

    def __deepcopy__(self, memo: object) -> Answers:
        return self


class Legacy(dspy.BaseLM):
    """An LM of a user's own class, without an engine."""

    def __init__(self, engine: Answers) -> None:
        super().__init__("legacy", cache=False)
        self.counts = engine

    def forward(self, prompt=None, messages=None, **kwargs):
        self.counts.calls += 1
        message = SimpleNamespace(content=YES, reasoning_content=None, tool_calls=None, provider_specific_fields=None)
        choice = SimpleNamespace(message=message, finish_reason="stop")
        return SimpleNamespace(choices=[choice], usage={}, model="legacy")


class Overrides(Legacy):
    """As DSPy's older pages show one: with a call of its own."""

    def __call__(self, prompt=None, messages=None, **kwargs):
        self.counts.calls += 1
        return [YES]


class One(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict(dspy.Signature("question -> answer", "Answer it."))

    def forward(self, question: str):
        return self.answer(question=question)


def another_adapter(self, question):
    with dspy.context(adapter=dspy.TwoStepAdapter(OWN["lm"])):
        self.answer(question=question)
    return self.answer(question=question)


def set_and_put_back(self, question):
    before, self.answer.lm = self.answer.lm, OWN["lm"]
    try:
        return self.answer(question=question)
    finally:
        self.answer.lm = before


def set_in_forward(self, question):
    self.set_lm(OWN["lm"])
    return self.answer(question=question)


def named_in_the_call(self, question):
    return self.answer(question=question, lm=OWN["lm"])


def asked_itself(self, question):
    OWN["lm"](f"Is {question} one?")
    return self.answer(question=question)


def a_copy_of_it(self, question):
    OWN["lm"].copy(temperature=0.3)(messages=[{"role": "user", "content": question}])
    return self.answer(question=question)


def a_new_one(self, question):
    lm(OWN["lm"].engine, cache=False)(question)
    return self.answer(question=question)


def a_predictor_made_meanwhile(self, question):
    with dspy.context(lm=OWN["lm"]):
        dspy.Predict("question -> answer")(question=question)
    return self.answer(question=question)


def a_tool(self, question):
    def look_up(of: str) -> str:
        return OWN["lm"](of)[0]

    dspy.Tool(look_up)(of=question)
    return self.answer(question=question)


def an_adapter(self, question):
    dspy.ChatAdapter()(OWN["lm"], {}, dspy.Signature("question -> answer"), [], {"question": question})
    return self.answer(question=question)


def a_loop_of_its_own(self, question):
    asyncio.run(OWN["lm"].acall(question))
    return self.answer(question=question)


def in_a_form(self, question):
    OWN["lm"](question, response_format={"type": "json_object"})
    return self.answer(question=question)


METERED = (
    set_and_put_back, set_in_forward, named_in_the_call, asked_itself, a_copy_of_it, a_new_one,
    a_predictor_made_meanwhile, a_tool, an_adapter, a_loop_of_its_own, in_a_form,
)  # fmt: skip


def run(home: Path, forward, main: object, **given: object):
    student = One() if forward is None else type("Asks", (One,), {"forward": forward})()
    return compiled(home, student, lm(main), budget=SMALL, **given).promptopt.result


@pytest.mark.parametrize("forward", METERED)
def test_an_lm_that_a_program_asks_by_itself_is_counted_capped_and_replayed(forward, tmp_path: Path) -> None:
    main, own = Engine(), Answers()
    OWN["lm"] = dspy.LM(model="own", engine=own, num_retries=0, cache=False)
    result = run(tmp_path, forward, main)
    before = main.calls + own.calls
    assert own.calls > 0
    assert result.spent.calls == before
    assert not [each for each in result.warnings if "not counted" in each]
    run(tmp_path, forward, main)
    assert main.calls + own.calls == before


class Talks(Engine):
    """Answers a task in words of its own, where it is not asked for fields."""

    def write(self, system: str, user: str, request: object) -> str:
        own = "</" in user or "[[ ##" in system
        return super().write(system, user, request) if own else f"Of {user.split()[-1]}: yes, by q1."


def test_the_lm_of_an_adapter_that_a_program_puts_in_place_is_counted(tmp_path: Path) -> None:
    main, own = Talks(), Answers()
    OWN["lm"] = dspy.LM(model="own", engine=own, num_retries=0, cache=False)
    result = run(tmp_path, another_adapter, main)
    assert own.calls > 0
    assert result.spent.calls == main.calls + own.calls


@pytest.mark.parametrize("kind", [Legacy, Overrides])
def test_an_lm_of_a_users_own_class_is_counted_as_any_other(kind: type[Legacy], tmp_path: Path) -> None:
    main, own = Engine(), Answers()
    OWN["lm"] = kind(own)
    result = run(tmp_path, asked_itself, main)
    assert own.calls > 0
    assert result.spent.calls == main.calls + own.calls


def in_a_thread(self, question):
    thread = threading.Thread(target=OWN["lm"], args=(question,))
    thread.start()
    thread.join()
    return self.answer(question=question)


def in_a_thread_with_its_settings(self, question):
    thread = threading.Thread(target=copy_context().run, args=(OWN["lm"], question))
    thread.start()
    thread.join()
    return self.answer(question=question)


def with_an_image(self, question):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    OWN["lm"](messages=[{"role": "user", "content": [image]}])
    return self.answer(question=question)


def with_its_certainty(self, question):
    OWN["lm"](question, logprobs=True)
    return self.answer(question=question)


def asks(gold, prediction, trace=None):
    OWN["lm"](gold.question)
    return right(gold, prediction)


def predicts(gold, prediction, trace=None):
    with dspy.context(lm=OWN["lm"]):
        dspy.Predict("question -> answer")(question=gold.question)
    return right(gold, prediction)


@pytest.mark.parametrize(
    ("forward", "metric", "said"),
    [
        (in_a_thread, right, "the LM 'own' was asked from a thread that no cell is known by, so those calls are not"),
        (in_a_thread_with_its_settings, right, "from a thread that no cell is known by"),
        pytest.param(
            *(with_an_image, right, "the LM 'own' is asked for more than a text, as with images or tools, so those"),
            marks=pytest.mark.filterwarnings("ignore:Passing OpenAI-style"),
        ),
        (with_its_certainty, right, "is asked for more than a text"),
        (None, asks, "the metric asks the LM 'own', which is not the one in use, so those calls are not counted"),
        (None, predicts, "the metric asks the LM 'own'"),
    ],
)
def test_an_lm_that_the_run_cannot_ask_is_asked_directly_and_told_of_once(forward, metric, said, tmp_path) -> None:
    main, own = Engine(), Answers()
    OWN["lm"] = dspy.LM(model="own", engine=own, num_retries=0, cache=False)
    result = run(tmp_path, forward, main, metric=metric)
    assert own.calls > 0
    assert result.spent.calls == main.calls
    assert sum(said in each for each in result.warnings) == 1


def test_a_judge_is_not_the_model_that_is_searched_on(tmp_path: Path) -> None:
    own, model = Answers(), Scripted(answering, name="scripted")
    OWN["lm"] = dspy.LM(model="own", engine=own, num_retries=0, cache=False)
    result = compiled(tmp_path, One(), None, metric=asks, model=model, budget=SMALL).promptopt.result
    assert own.calls > 0
    assert result.spent.calls == model.calls


def test_outside_of_a_run_an_lm_is_the_users_own(tmp_path: Path) -> None:
    main, own = Engine(), Answers()
    run(tmp_path, None, main)
    asked = dspy.LM(model="own", engine=own, num_retries=0, cache=False)
    assert asked("yes?") == [YES]
    assert own.calls == 1
