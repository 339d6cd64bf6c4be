"""The metric `demands`: what of a reply can be checked without a judge."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import DataError
from promptopt.evaluators.demands import demands
from promptopt.evaluators.generation import Generation
from promptopt.tasks import Task
from promptopt.tasks.demands import demands_of
from promptopt.types import Cell, Example, Reply, Score, ToolCall
from tests.ends import ends, long

TOOL = json.dumps({"type": "function", "function": {"name": "find_order", "parameters": {}}})


def scored(reply: str, *asked: Any) -> Score:
    return demands(reply, replace(Example.of(q="?"), demands=demands_of(list(asked), "here")))


@pytest.mark.parametrize(
    ("asked", "kept", "broken"),
    [
        ({"says": ["five working days", "5 working days"]}, "In **5 working\u00a0days**.", "In 15 working days."),
        ({"says": "don't"}, "We DON’T.", "We do not."),
        ({"says": "10-day"}, "a 10‑day window", "a 10 day window"),
        ({"says": "החזר"}, "ההחזר אצלך", "חזר"),
        ({"says": "返金"}, "三日以内に返金します", "返品します"),
        ({"says": "refund"}, "Ｒｅｆｕｎｄ sent", "refunds"),
        ({"number": 4.9}, "It is €4,90.", "It is €14.90."),
        ({"number": 1200}, "1.200 euros", "120 euros"),
        ({"number": 30}, "٣٠ يوما", "3 or 0"),
        ({"matches": "(?i)within \\d+ days"}, "Within 30 days.", "within thirty days"),
        ({"calls": "find_order"}, 'find_order({"order":"H1"})', "I call find_order now."),
        ({"calls": "find_order", "with": {"order": "h1", "n": 2}}, 'find_order({"n":"2","order":"H1","x":0})',
         'find_order({"order":"H2","n":2})'),
        ({"words_at_least": 3}, "one two three", "one, two!"),
        ({"never_says": ["card number", "CVC"]}, "Your order number?", "Your card\nnumber?"),
        ({"never_matches": "\\d{3}"}, "12", "123"),
        ({"never_calls": "find_order"}, "Words.", 'Words.\nfind_order({})'),
        ({"never_calls": "*"}, "Words (of two).", 'anything({})'),
        ({"numbers_among": [4.9, 60]}, "1. It is 4,90 €, free from 60.\n2) Bye", "It is 4.90, from 50 euros."),
        ({"numbers_among": []}, "H17, the second of two.", "In 3 days."),
        ({"words_at_most": 3}, "four – no – three.", "one two three four"),
        ({"words_at_most": 3}, "三文字", "四文字だ"),
        ({"sentences_at_most": 2}, "It is 4.90 euros. Bye!", "One. Two? Three."),
    ],
)  # fmt: skip
def test_each_kind_of_demand_is_met_and_missed(asked: dict[str, Any], kept: str, broken: str) -> None:
    assert scored(kept, asked).value == 1.0
    assert scored(kept, asked).feedback == ""
    assert scored(broken, asked).value == 0.0
    assert scored(broken, asked).feedback


def test_what_is_left_out_earns_nothing_and_what_is_said_beside_the_rules_costs() -> None:
    asked = [{"says": "30 days"}, {"says": "free"}, {"never_says": "discount"}, {"never_says": "card number"}]

    assert scored("No.", *asked).value == 0.0
    assert scored("Free within 30 days.", *asked).value == 1.0
    assert scored("Free within 30 days, and a discount.", *asked).value == 0.5
    assert scored("A discount.", *asked).value == 0.0


def test_numbers_of_the_input_may_be_named_too() -> None:
    asked = demands_of([{"numbers_among": [30]}], "")
    example = replace(Example.of(q="I paid 1,200 euros on 3 May"), demands=asked)

    assert demands("1200 euros, within 30 days.", example).value == 1.0
    assert demands("1300 euros", example).feedback == "names 1300, which stands neither in its input nor in the rules"


def test_weights_count_and_a_critical_demand_is_worth_all() -> None:
    heavy, light = {"says": "refund", "weight": 3}, {"says": "photo"}

    assert scored("A refund.", heavy, light).value == 0.75
    assert scored("A photo and a refund, 90 days", heavy, light, {"never_says": "90 days", "critical": True}).value == 0


def test_where_a_turn_only_forbids_it_is_the_share_that_is_kept_to() -> None:
    assert scored("A poem.", {"never_says": "poem"}, {"never_says": "verse"}).value == 0.5
    assert scored(" ", {"never_says": "poem"}).value == 0.0


def test_the_feedback_names_what_is_missed_by_its_name_the_critical_first() -> None:
    found = scored(
        "Wait.",
        {"says": ["H1", "order 1"]},
        {"calls": "find_order", "with": {"order": "H1"}},
        {"words_at_least": 2, "name": "more than a word"},
        {"says": "sorry", "critical": True},
    )

    assert found.feedback == (
        "does not say 'sorry' (without it all is worth 0); does not say 'H1' or 'order 1'; does not call "
        'find_order({"order":"H1"}) (it calls no tool); more than a word: has 1 word, at least 2 are asked for'
    )
    assert dict(found.parts) == {"says": 0.0, "calls": 0.0, "more than a word": 0.0}


def test_what_a_forbidden_pattern_found_is_said_and_not_the_pattern() -> None:
    asked = {"never_matches": r"(?i)send[^.]*card", "name": "no secrets"}

    assert (
        scored("Please send me your card.", asked).feedback == "no secrets: says 'send me your card', which it must not"
    )


@ends
@pytest.mark.slow
@pytest.mark.parametrize("bit", ["*", "_", "f(", "f({", "1", "9.", ".'", "a", "三", "-"])
def test_a_long_reply_of_one_sign_is_judged_to_its_end(bit: str) -> None:
    asked = ({"says": "x y"}, {"number": 7}, {"words_at_most": 9}, {"sentences_at_most": 9}, {"calls": "f"})
    scored(long(bit), *asked)


def test_a_call_is_no_part_of_what_is_said() -> None:
    assert scored('find_order({"order":"H1"})', {"says": "H1"}).value == 0.0


def test_replies_that_are_equal_are_judged_by_the_demands_of_their_own_example() -> None:
    examples = [replace(Example.of("", q=f"{n}"), demands=demands_of([f"word{n % 2}"], "")) for n in range(40)]
    task = Task.from_examples(examples, prompt="Say {q}.", metric="demands")
    judged = Generation.for_task(task)
    by_demand = {each.demands: judged.judge(Cell(task.initial, each), Reply("word1")).value for each in examples}

    assert sorted(by_demand.values()) == [0.0, 1.0]


def test_calls_of_a_servers_tools_are_seen() -> None:
    example = replace(Example.of(q="?"), tools=(TOOL,), demands=demands_of([{"calls": "find_order"}], ""))
    task = Task.from_examples(
        [replace(example, fields=(("q", str(n)),)) for n in range(40)], prompt="{q}", metric="demands"
    )

    judge = Generation.for_task(task).judge
    called = Reply("", tool_calls=(ToolCall.of("find_order", {"order": 1}),))
    assert judge(Cell(task.initial, task.train[0]), called).value == 1.0
    written = Reply('<tool_call>\n{"name": "find_order", "arguments": {"order": 1}}\n</tool_call>')
    assert judge(Cell(task.initial, task.train[0]), written).value == 1.0


def test_an_example_without_demands_is_an_error_that_says_where_they_go() -> None:
    with pytest.raises(DataError, match=r"write them into its row, or \[\[demands\]\]"):
        demands("x", Example.of(q="?"))
    with pytest.raises(DataError, match=r"40 examples have no demands"):
        Task.from_examples([Example.of(q=f"{n}") for n in range(40)], prompt="Say {q}", metric="demands")


@given(st.text(max_size=80), st.lists(st.sampled_from(["a", "b", "refund", "30"]), min_size=1, max_size=4))
def test_any_reply_is_worth_between_0_and_1_and_says_all_if_it_holds_all(reply: str, wanted: list[str]) -> None:
    asked = [*wanted, {"never_says": "zz"}, {"sentences_at_most": 3}]
    assert 0.0 <= scored(reply, *asked).value <= 1.0
    assert scored("; ".join(wanted), *wanted).value == 1.0
