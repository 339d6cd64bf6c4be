"""What a cell's output was made from, read off its trace."""

from __future__ import annotations

from promptopt.operators.graph import graph_of, leads_to_text, reached
from promptopt.types import Example, Prompt, Score, TracedCall

PROMPT = Prompt((("answer", "Answer it."), ("rewrite", "Rewrite it."), ("unused", "Do nothing.")))
PARTS = ("rewrite", "answer", "unused")
EXAMPLE = Example.of("yes", question="is it so")
TRACE = (
    TracedCall("rewrite", "Rewrite it. is it so", "say whether it is so"),
    TracedCall("answer", "Answer it. say whether it is so", "yes, it is"),
)
SCORE = Score(1.0, "yes, it is", trace=TRACE)


def test_a_trace_of_two_calls_gives_each_call_what_it_was_made_from() -> None:
    graph = {node.name: node for node in graph_of(PROMPT, PARTS, EXAMPLE, SCORE)}
    assert graph["reply_1"].parents == ("rewrite", "question")
    assert graph["reply_2"].parents == ("answer", "reply_1")
    assert graph["output"].parents == ("reply_2",)
    assert graph["reply_2"].exchange == TRACE[1].input


def test_what_the_output_was_made_from_reaches_both_texts_and_not_the_one_that_was_not_used() -> None:
    graph = reached(graph_of(PROMPT, PARTS, EXAMPLE, SCORE))
    assert [node.name for node in graph] == ["rewrite", "answer", "question", "reply_1", "reply_2", "output"]
    assert leads_to_text(graph) == {"rewrite", "answer", "reply_1", "reply_2", "output"}


def test_a_call_that_led_nowhere_is_not_to_blame() -> None:
    aside = (TracedCall("unused", "Do nothing.", "nothing at all"), *TRACE)
    names = [node.name for node in reached(graph_of(PROMPT, PARTS, EXAMPLE, Score(1.0, "yes, it is", trace=aside)))]
    assert "unused" not in names
    assert "reply_1" not in names
    assert "reply_3" in names


def test_a_cell_of_one_call_was_made_from_all_texts_and_inputs() -> None:
    graph = graph_of(PROMPT, PARTS, EXAMPLE, Score(0.0, "no"))
    assert graph[-2].parents == ("rewrite", "answer", "unused", "question")
    assert [node.kind for node in graph] == ["text"] * 3 + ["input", "call", "output"]


def test_an_output_that_no_model_was_asked_for_leads_to_no_text() -> None:
    graph = graph_of(PROMPT, PARTS, EXAMPLE, Score(0.0, "no", asked=False))
    assert [node.kind for node in graph] == ["text"] * 3 + ["input", "output"]
    assert graph[-1].parents == ("question",)
    assert not leads_to_text(reached(graph))


def test_an_output_that_shows_nothing_of_any_reply_was_made_from_the_last() -> None:
    graph = graph_of(PROMPT, PARTS, EXAMPLE, Score(1.0, "42", trace=TRACE))
    assert graph[-1].parents == ("reply_2",)


def test_an_input_that_has_the_name_of_a_text_keeps_a_name_of_its_own() -> None:
    graph = graph_of(PROMPT, PARTS, Example.of("yes", answer="mine"), Score(0.0, "no"))
    names = [node.name for node in graph]
    assert len(names) == len(set(names))
    assert "input_answer" in names
