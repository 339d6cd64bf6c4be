"""Tools in conversations with played users: what they give, what comes to nothing, and how often they are asked."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from fake_task import FakeAsk

from promptopt.errors import ConfigError
from promptopt.evaluators.simulated import Simulated
from promptopt.tasks import Layout, Task, scenario
from promptopt.tasks.demands import demands_of
from promptopt.types import Cell, Example, Prompt, Reply, Request, Score, ToolCall

CHAT = Layout("chat", messages=(("system", "{instruction}"), ("user", "{history}")))
TOOLS = [
    {"name": "find_order", "parameters": {"properties": {"order": {"type": "string"}}}},
    {"name": "cancel", "parameters": {"properties": {"order": {"type": "string"}, "why": {"type": "string"}}}},
]
RESULTS = [
    {"calls": "find_order", "with": {"order": "H1"}, "gives": "{order} is in Graz"},
    {"calls": "find_order", "gives": {"order": "{order}", "status": "unknown"}},
]
YES = json.dumps({"reason": "so", "answers": {"1": "yes"}})
Said = str | Reply


def written(name: str = "find_order", arguments: object = None) -> str:
    given = {"order": "H1"} if arguments is None else arguments
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': given})}\n</tool_call>"


def native(arguments: str, name: str = "find_order", id: str = "call_abc") -> Reply:
    return Reply("", tool_calls=(ToolCall.of(name, arguments, id),))


def task_of(example: Example | None = None) -> Task:
    given = scenario("find H1", tools=TOOLS, results=RESULTS) if example is None else example
    return Task(
        "chats", Prompt.of("You are the assistant."), (CHAT,), train=(given,), metric="contains",
        judge={"simulated": {}},
    )  # fmt: skip


def first_calls(said: Said, then: str = "It is done.") -> Callable[[Request], Said]:
    """Calls before each answer, as often as tools have not yet been asked since the user spoke."""
    return lambda request: said if request.content[-1].role == "user" else then  # type: ignore[union-attr]


def played(bot: Callable[[Request], Said], task: Task | None = None, **settings: object) -> tuple[Score, FakeAsk]:
    chosen = task_of() if task is None else task

    def answer(request: Request) -> Said:
        if request.schema:
            return YES if "answers" in request.schema else '{"score": 4}'
        return "Where is it?" if "part of a customer" in str(request.content) else bot(request)

    door = FakeAsk(answer)
    evaluator = Simulated(chosen, **settings)  # type: ignore[arg-type]
    (score,) = evaluator.score([Cell(chosen.initial, chosen.train[0])], door)
    return score, door


def task_requests(door: FakeAsk) -> list[Request]:
    return [request for request, role, _ in door.asked if role == "task"]


@pytest.mark.parametrize(
    "said", [written(), native('{"order": "H1"}'), '{"name": "find_order", "parameters": {"order": "H1"}}']
)
def test_a_call_is_answered_by_the_scenario_and_the_conversation_goes_on(said: Said) -> None:
    score, door = played(first_calls(said), turns=1)
    first, second = task_requests(door)
    assert first.content[0].tools == second.content[0].tools != ()  # type: ignore[union-attr]
    called, told = second.content[-2:]
    assert (called.role, told.role, told.content) == ("assistant", "tool", "H1 is in Graz")  # type: ignore[union-attr]
    assert [(call.name, call.arguments) for call in called.tool_calls] == [("find_order", '{"order":"H1"}')]  # type: ignore[union-attr]
    assert told.tool_call_id == called.tool_calls[0].id != ""  # type: ignore[union-attr]
    assert (score.value, door.warned) == (0.8, [])
    assert score.output.endswith(
        'assistant: find_order({"order":"H1"})\n\ntool: H1 is in Graz\n\nassistant: It is done.'
    )


def test_the_first_result_that_fits_is_given_and_texts_are_compared_as_people_do() -> None:
    def told(order: str) -> str:
        _, door = played(first_calls(written(arguments={"order": order})), turns=1)
        return task_requests(door)[1].content[-1].content  # type: ignore[union-attr]

    assert told("h1") == "h1 is in Graz"
    assert told("H2") == '{"order":"H2","status":"unknown"}'


def test_calls_side_by_side_are_each_answered_and_what_is_said_beside_them_is_heard() -> None:
    text = f"One moment.\n{written()}\n{written(arguments={'order': 'H2'})}"
    score, door = played(first_calls(text), turns=2)
    sent = task_requests(door)[1].content
    assert [message.role for message in sent[-3:]] == ["assistant", "tool", "tool"]  # type: ignore[union-attr]
    ids = [call.id for call in sent[-3].tool_calls]  # type: ignore[union-attr]
    assert ids == [each.tool_call_id for each in sent[-2:]] == ["call_1", "call_2"]  # type: ignore[union-attr]
    user = [str(request.content) for request, role, _ in door.asked if role == "user"][-1]
    assert ["One moment." in user, "It is done." in user, "Graz" in user, "find_order" in user] == [
        True, True, False, False,
    ]  # fmt: skip
    assert "call_4" in str(task_requests(door)[3].content)
    assert score.judged


def test_the_check_of_the_user_shows_no_tools_and_the_grade_does() -> None:
    _, door = played(first_calls(written()), turns=1)
    check, grade = [str(request.content) for request, role, _ in door.asked if role == "judge"]
    assert "Graz" not in check
    assert "Graz" in grade
    assert "calls of tools stand as" in grade


@pytest.mark.parametrize(
    ("said", "told", "problem"),
    [
        (native("{order: H1"), "no JSON object", "find_order({order: H1) has arguments that are no JSON object"),
        (native('["H1"]'), "no JSON object", "no JSON object"),
        (native('"H1"'), "no JSON object", "no JSON object"),
        ("<tool_call>\n{'name': 'find_order', 'arguments': {H1}}\n</tool_call>", "no JSON object", "no JSON object"),
        ('Wait. <tool_call>{"name": "find_order", "argu', "no JSON object", "no JSON object"),
        ('{"name": "find_order", "arguments": {"order": "H1"}}}', "no JSON object", "no JSON object"),
        (written(arguments="H1"), "no JSON object", "find_order(H1) has arguments"),
        (written("find_parcel"), "there is find_order, cancel", "calls a tool that there is not"),
        (native("{}", "find_parcel"), "there is find_order, cancel", "calls a tool that there is not"),
        ("<tool_call>what?</tool_call>", "there is find_order, cancel", "calls a tool that there is not"),
        (written("cancel", {"order": "H1"}), "has no result", 'cancel({"order":"H1"}) has no result'),
        (written(arguments={"number": "H1"}), "has no result", "has no result"),
    ],
)
def test_a_call_that_comes_to_nothing_is_told_to_the_assistant_and_in_the_feedback(
    said: Said, told: str, problem: str
) -> None:
    score, door = played(first_calls(said), turns=1)
    called, result = task_requests(door)[1].content[-2:]
    assert result.content.startswith("Error: ")  # type: ignore[union-attr]
    assert told in result.content  # type: ignore[union-attr]
    # What is sent back is what servers and chat templates take.
    assert all(isinstance(json.loads(call.arguments), dict) for call in called.tool_calls)  # type: ignore[union-attr]
    assert "turn 1: " in score.feedback
    assert problem in score.feedback
    assert (score.value, score.judged) == (0.8, True)


def test_a_tool_without_a_result_is_told_of_once() -> None:
    score, door = played(first_calls(written("cancel", {"order": "H1"})), turns=3)
    assert score.feedback.count("has no result") == 3
    assert len(door.warned) == 1
    assert 'the assistant called cancel({"order":"H1"}), and the scenario has no result for it' in door.warned[0]
    # The assistant is to blame for these, and nothing in the data would mend them.
    assert played(first_calls(written("find_parcel")), turns=1)[1].warned == []


@pytest.mark.parametrize("calls", [1, 3])
def test_an_assistant_that_only_calls_is_stopped_at_the_bound(calls: int) -> None:
    score, door = played(lambda _: f"Still looking. {written()}", turns=2, calls=calls)
    assert (score.value, score.judged, score.parsed) == (0.0, True, False)
    assert score.feedback.startswith(f"turn 1: it called tools {calls} time")
    assert len(task_requests(door)) == calls + 1
    assert [role for _, role, _ in door.asked].count("judge") == 0
    assert len(door.warned) == 1
    assert "ends a conversation at 0" in door.warned[0]


def test_the_bound_is_of_a_turn_and_not_of_the_conversation() -> None:
    score, door = played(first_calls(written()), turns=3, calls=1)
    assert (score.value, len(task_requests(door))) == (0.8, 6)


@pytest.mark.parametrize(("turns", "calls"), [(1, 1), (2, 3)])
def test_no_conversation_takes_more_calls_than_it_is_said_to(turns: int, calls: int) -> None:
    seen: list[int] = []

    def bot(request: Request) -> Said:
        since = [message.role for message in request.content][::-1].index("user")  # type: ignore[union-attr]
        return written() if since < 2 * calls else "Done."

    score, door = played(bot, turns=turns, calls=calls)
    seen.append(len(door.asked))
    assert score.judged
    # All but the second tries of the user, the check and the grade.
    assert len(door.asked) == Simulated(task_of(), turns=turns, calls=calls).calls_per_cell - turns - 2


def test_a_metric_sees_the_calls_and_demands_ask_for_them() -> None:
    asked = demands_of([{"calls": "find_order", "with": {"order": "H1"}}, "Graz", {"never_calls": "cancel"}], "here")
    example = scenario("find H1", tools=TOOLS, results=RESULTS)
    task = Task(
        "chats", Prompt.of("You."), (CHAT,), metric="demands", judge={"simulated": {}},
        train=(Example(example.fields, tools=example.tools, results=example.results, demands=asked),),
    )  # fmt: skip
    assert played(first_calls(written(), "In Graz."), task, turns=1, by="metric")[0].value == 1.0
    assert played(lambda _: "In Graz.", task, turns=1, by="metric")[0].value == 0.5
    # What a tool says is not what the assistant says.
    assert played(first_calls(written(), "I know now."), task, turns=1, by="metric")[0].value == 0.5


def test_without_tools_nothing_is_a_call_and_nothing_else_is_measured() -> None:
    bare = task_of(scenario("find H1"))
    score, door = played(lambda _: written(), bare, turns=1)
    assert "<tool_call>" in score.output
    assert len(task_requests(door)) == 1
    assert "calls" not in Simulated(bare).fingerprint()
    prints = [Simulated(task_of(), calls=calls).fingerprint() for calls in (1, 2)]
    assert prints[0] != prints[1]


def test_what_tools_give_is_part_of_what_an_example_is() -> None:
    ids = {scenario("find H1", tools=TOOLS, results=RESULTS[:count]).id for count in range(3)}
    assert len(ids) == 3


def test_a_bound_of_no_calls_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 calls of tools"):
        Simulated(task_of(), calls=0)
