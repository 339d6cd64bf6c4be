"""Labels that a reply denies, asks for, weighs against others, or names in speaking of itself."""

from __future__ import annotations

import pytest

from promptopt.errors import ConfigError
from promptopt.evaluators.readers import resolve

GRADES = ("A+", "A", "A-", "B+", "B", "B-")
RATINGS = ("1", "2", "3", "4", "5")
SENTIMENT = ("positive", "negative")
CASES: list[tuple[tuple[str, ...], str, str | None]] = [
    # What it seemed, and what it is.
    (SENTIMENT, "At first glance it looks positive, but it is negative.", "negative"),
    (SENTIMENT, "My first thought was positive, but on reflection it's negative.", "negative"),
    (SENTIMENT, "I'd lean positive at first, but actually it's negative.", "negative"),
    (SENTIMENT, "At first I thought negative; however, this is positive.", "positive"),
    # That it changes in the text is no second thought.
    (SENTIMENT, "It was positive at first but negative later", None),
    (SENTIMENT, "Initially positive, but ultimately negative.", None),
    (SENTIMENT, "At first glance it looks positive.", "positive"),
    # Who asks first, and denies then.
    (("Urgent", "Not urgent"), "Urgent? Not really.", "Not urgent"),
    (("toxic", "non-toxic"), "Is it toxic? Hardly.", "non-toxic"),
    (("toxic", "non-toxic"), "**Toxic?** Certainly not!", "non-toxic"),
    (("spam", "ham"), "Spam? I don't think so.", None),
    (("spam", "ham"), "Is it spam? Of course not, it is ham.", "ham"),
    (("spam", "ham"), "Is this spam? Definitely.", "spam"),
    (("spam", "ham"), "Spam? Not a bad guess: it is spam.", "spam"),
    # A verb between the negation and the label.
    (("hate speech", "not hate speech"), "It does not contain hate speech.", "not hate speech"),
    (("hate speech", "not hate speech"), "The post doesn't express any hate speech", "not hate speech"),
    (("hate speech", "not hate speech"), "It does contain hate speech.", "hate speech"),
    (("toxic", "non-toxic"), "It never gets toxic.", "non-toxic"),
    (("safe", "unsafe"), "This does not meet the bar for unsafe.", None),
    # Opposites, either of which may be denied, before it or behind it.
    (("safe", "unsafe"), "safe: no", "unsafe"),
    (("safe", "unsafe"), "Is it safe? No.", "unsafe"),
    (("safe", "unsafe"), "This content is not considered safe.", "unsafe"),
    (("safe", "unsafe"), "It is not unsafe.", "safe"),
    (("safe", "unsafe"), "This is not deemed safe.", "unsafe"),
    (("true", "false"), "It can't be true.", "false"),
    # The second best.
    (("joy", "anger", "fear"), "Primary emotion: anger\nSecondary emotion: fear", "anger"),
    (("joy", "anger", "fear"), "Main emotion: joy\nMinor emotion: fear", "joy"),
    # The same words where they are the labels.
    (("minor", "major"), "Minor/major: major", "major"),
    (("primary", "secondary"), "Secondary or primary: primary", "primary"),
    # What a reply says of who wrote it.
    (("human", "AI"), "As an AI language model, I cannot determine this.", None),
    (("human", "AI"), "I'm sorry, but as an AI, I can't tell.", None),
    (("human", "AI"), "I'm an AI and cannot judge.", None),
    (("human", "AI"), "As an AI assistant, I believe the text was written by a human.", "human"),
    (("human", "AI"), "It was written by an AI.", "AI"),
    (("human", "AI"), "I would label it as an AI text.", "AI"),
    (("human", "bot"), "I am a bot, so I cannot say.", None),
    # A last line of its own, below sentences that weigh the labels.
    (SENTIMENT, "It mentions negative aspects, but the tone is positive.\n\nnegative", "negative"),
    (SENTIMENT, "Negative words occur, and positive ones.\n**positive**", "positive"),
    (SENTIMENT, "Options.\npositive\nnegative", None),
    # Below a heading.
    (SENTIMENT, "## Reasoning\nNegative words, positive tone\n\n## Answer\npositive", "positive"),
    (SENTIMENT, "**Thinking**\nIs it negative\n\n**Final Answer**\n\npositive", "positive"),
    # Signs at the end, and dashes within.
    (GRADES, "A-", "A-"),
    (GRADES, "Grade: A", "A"),
    (GRADES, "**B−**", "B-"),
    (GRADES, "I'd give it a B+.", "B+"),
    (GRADES, "Grade: A - excellent work", "A"),
    (("ER+", "ER-"), "The tumour is er-.", "ER-"),
    (("0-17", "18-64", "65+"), "18–64", "18-64"),
    (("sci-tech", "world"), "Sci – Tech", "sci-tech"),
    # Scales with their unit.
    (RATINGS, "I'd rate this 3 stars out of 5.", "3"),
    (RATINGS, "2 Sterne von 5: 2 stars of 5", "2"),
    (RATINGS, "4 points (out of 5)", "4"),
    (RATINGS, "3 stars and 5 nights", None),
]


@pytest.mark.parametrize(("labels", "reply", "answer"), CASES)
def test_of_the_labels_that_a_reply_names_the_one_it_means_is_read(
    labels: tuple[str, ...], reply: str, answer: str | None
) -> None:
    assert resolve("label", labels)(reply) == answer


def test_labels_that_differ_in_nothing_but_inner_signs_are_refused_still() -> None:
    with pytest.raises(ConfigError, match="differ only in case or punctuation"):
        resolve("label", ["a-b", "a b"])
