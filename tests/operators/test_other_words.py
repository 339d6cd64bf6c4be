"""A reply without tags that is nothing but another wording: read at the price of one call; chatter is asked again."""

from __future__ import annotations

import pytest

from promptopt.operators.other_words import rewrites
from promptopt.operators.reflect import ask, ask_whole
from promptopt.types import Reply, Sampling
from tests.operators.test_reflect import FakeRun

TOPIC = "Classify the topic of the news article."
REWORDED = (
    "Find the topic of the news article.",
    TOPIC,
    "Read the news article and name its main topic: world, sports, business or technology.",
    '"Name the topic of this article."',
    "**Name the topic of the news.**",
)
CHATTER = (
    # As small models wrote them on this request, and variants.
    "Let me define the topic of this news article.",
    "Sure! I can help you classify the topic of a news article.",
    "Certainly! How can the topic of the news article be classified based on the provided information?",
    "The input is unclear and names no topic. Please provide a news article to classify its topic.",
    "The instruction is to classify the topic of the news article. However, it does not say which topics there are.",
    "The instruction sets the stage by stating that a news article has a topic. However, it fails to specify it.",
    "Qwen created a language model that can classify the topic of a news article.",
    "Train a neural network to help predict customer behavior on a retail website.",
    "WWW petition nonsense.",
    "This news article has the topic sports.",
    "What is the topic of the news article?",
    "Name the topic of the news article.\n\nA topic of the news article is named more easily so.",
    "Topic of the news article:",
    "Option 1: name the topic of the news article.\nOption 2: find the topic of the news article.",
    "Print the topic of the news article:\n```python\nprint(topic)\n```",
    "I'm sorry, the topic of the news article is missing.",
    "The topic of the {article} in the news.",
    "sports",
    "",
)


@pytest.mark.parametrize("said", REWORDED)
def test_another_wording_is_read_as_it_stands_and_costs_one_call(said: str) -> None:
    run = FakeRun(said)
    (found,) = ask_whole(run, ["p"], "prompt", Sampling(), "w", parents=[TOPIC])
    assert found is not None
    assert found.strip('"*') in said
    assert not run.rejected


@pytest.mark.parametrize("said", CHATTER)
def test_chatter_is_asked_for_again(said: str) -> None:
    assert rewrites(said, TOPIC) is None


def test_a_parent_that_speaks_of_itself_or_asks_may_be_answered_alike() -> None:
    assert rewrites("What is the topic of the article?", "What topic does the article have?") is not None
    assert rewrites("I give you a letter; name its kind.", "I will give you a letter. Say its kind.") is not None
    assert rewrites("Follow the instructions above closely.", "Follow the instructions above.") is not None


def test_signs_of_scripts_without_spaces_count_as_words_and_placeholders_stay() -> None:
    assert rewrites("判断这篇新闻的主题。", "请判断新闻文章的主题。") is not None
    assert rewrites("今天天气很好。", "请判断新闻文章的主题。") is None
    assert rewrites("Translate {text} to German.", "Translate {text} into German.") is not None
    assert rewrites("Translate the text into German.", "Translate {text} into German.") is None
    # Nothing to hold it against: what has no telling word, or no parent.
    assert rewrites("Go on.", "Do it.") is None
    assert rewrites("Name the topic.", "") is None


def test_without_a_parent_or_where_complete_tags_count_it_is_asked_for_again() -> None:
    for options in ({}, {"parents": [TOPIC], "closed": True}):
        run = FakeRun(REWORDED[0], "<prompt>a</prompt>")
        assert ask_whole(run, ["p"], "prompt", Sampling(), "w", **options) == ["a"]  # type: ignore[arg-type]


@pytest.mark.parametrize("said", [REWORDED[0], "<think>I must say", "First of all, the topic of"])
def test_a_reply_that_was_cut_before_its_text_is_not_paid_for_twice(said: str) -> None:
    for bare in (False, True):
        run = FakeRun(Reply(said, "length"))
        assert ask_whole(run, ["p"], "prompt", Sampling(), "w", parents=[TOPIC], bare=bare) == [None]
        assert run.rejected == {"w: cut at length": 1}
    for wanted in (1, 3):
        run = FakeRun(Reply(said, "length"))
        assert ask(run, ["p"], "prompt", wanted, Sampling(), "w") == [[]]
        assert run.rejected == {"w: cut at length": 1}
