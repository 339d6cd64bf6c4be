from __future__ import annotations

import time

import pytest

from promptopt.evaluators.answers import resolve

NAMED: dict[tuple[str, ...], dict[str, str | None]] = {
    ("positive", "negative", "neutral"): {
        "<think>\nPositive or negative?\n</think>\n\npositive": "positive",
        "Sentiment: positive\nReason: nothing negative in it.": "positive",
        "Sentiment: positive. Nothing negative in it.": "positive",
        "Sentiment: positive (nothing negative)": "positive",
        "Sentiment: positive, because nothing is negative": "positive",
        "**Sentiment:** Positive\n\n**Reason:** no negative words": "positive",
        "Sentiment: **positive**\nExplanation: it is not negative, nor neutral": "positive",
        "Positive (not negative).": "positive",
        "Positive, not negative.": "positive",
        "Not positive but negative.": "negative",
        "Neither positive nor negative": None,
        "It is neither positive nor negative, so neutral": "neutral",
        "not positive or negative": None,
        "I don't think it's positive": None,
        "It isn't positive, it's negative.": "negative",
        "Positive rather than negative": "positive",
        "Positive instead of negative": "positive",
        "not only positive": "positive",
        '{"sentiment": "positive", "reason": "nothing negative"}': "positive",
        '```json\n{"label": "negative", "confidence": 0.9, "why": "not positive"}\n```': "negative",
        "Text: a positive film\nLabel: negative": "negative",
        "The labels are: positive, negative": None,
        "positive: 0.2, negative: 0.8": None,
        "Options: positive, negative\nAnswer: negative": "negative",
        "<answer>positive</answer> rather than negative, neutral": "positive",
        "<answer>\npositive\n</answer>\nnegative?": "positive",
        "The **positive** words weigh more than negative ones": "positive",
        "**Positive** because nothing is negative": "positive",
        "Positive - nothing negative here": "positive",
        "Positive — not a negative word": "positive",
        "Positive; the negative bit is small": "positive",
        "Positive or negative": None,
        "Positive? Negative?": None,
        "positive, negative or neutral": None,
        "The overall sentiment is negative. Some positive notes exist, though.": "negative",
        "The sentiment is positive because there is nothing negative.": "positive",
        "[THINK]negative?[/THINK]positive": "positive",
        "<think>positive": None,
        "negative</think>positive": "positive",
        "Not sure if positive": None,
        "I can't say": None,
        "negative.\n\nThe tone is not positive": "negative",
        "Final answer: neutral\n(neither positive nor negative)": "neutral",
        "Stimmung: positiv": None,
        "Label:positive": "positive",
        "Label - positive": "positive",
        "(positive)": "positive",
        "positive\nnegative": None,
        "1. positive": "positive",
        "The review is positive. The negative remark is minor.": None,
    },
    ("Yes", "No"): {
        "**Yes**, no problem with that.": "Yes",
        "Yes, no problem with that.": "Yes",
        "Yes - no doubt.": "Yes",
        "I have no idea.": None,
        "There is no way to tell.": None,
        "No evidence supports it.": None,
        "No one knows.": None,
        "no-nonsense film": None,
        "No.": "No",
        "No, it isn't.": "No",
        "No, there is no evidence.": "No",
        "No it is not": "No",
        "The answer is no.": "No",
        "The answer is no because yes-men abound": "No",
        "No doubt about it: yes.": "Yes",
        "Yes and no": None,
        "Yes, but no": None,
        "Answer: No\nReason: yes would need proof": "No",
        "yes/no": None,
        "NO": "No",
        "No\n\nThe text says yes to it": "No",
        "Yes! There's no reason against it.": "Yes",
        "Hmm, no.": "No",
        "I would say no.": "No",
        "Yes (no doubts)": "Yes",
    },
    ("spam", "not spam"): {
        "not spam": "not spam",
        "It is not spam.": "not spam",
        "Not-Spam": "not spam",
        "spam": "spam",
        "This isn't spam.": "not spam",
    },
    ("spam", "not_spam"): {
        "not spam": "not_spam",
    },
    ("toxic", "non-toxic"): {
        "It is not toxic.": "non-toxic",
        "non-toxic": "non-toxic",
        "This is toxic": "toxic",
    },
    ("toxic", "nontoxic"): {
        "non toxic": "nontoxic",
    },
    ("spam", "ham"): {
        "There is no spam here": None,
        "No spam, so ham.": "ham",
        "Shamrock": None,
    },
    ("positive", "very positive"): {
        "It's very positive": "very positive",
        "Label: positive (not very positive)": "positive",
    },
    ("refund", "other"): {
        "On the other hand, it is a refund": "refund",
        "Other.": "other",
    },
    ("A", "B"): {
        "A dog ran": None,
        "A": "A",
        "Answer: A": "A",
        "答案是B": "B",
        "Ｂ": "B",
        "A is right": "A",
    },
    ("正面", "负面"): {
        "答案是正面。": "正面",
        "不是正面，是负面": "负面",
        "不是正面": None,
        "情感：正面\n理由：没有负面内容。": "正面",
        "正面，因为没有负面的词": "正面",
    },
    ("ポジティブ", "ネガティブ"): {
        "ポジティブです": "ポジティブ",
        "ポジティブではない": None,
    },
    ("긍정", "부정"): {
        "긍정입니다": "긍정",
        "부정이 아닙니다": None,
    },
    ("บวก", "ลบ"): {
        "คำตอบคือบวกครับ": "บวก",
    },
    ("إيجابي", "سلبي"): {
        "الجواب هو إيجابي": "إيجابي",
        "والإيجابي": "إيجابي",
    },
    ("positive", "negative"): {
        "这是positive的": "positive",
    },
    ("café", "bar"): {
        "café": "café",
    },
    ("café", "bar"): {
        "It is café.": "café",
    },
    ("café", "thé"): {
        "Réponse : thé": "thé",
    },
    ("ＡＢＣ", "x"): {
        "abc": "ＡＢＣ",
    },
    ("World", "Sports", "Business", "Sci/Tech"): {
        "Sci/Tech": "Sci/Tech",
        "Category: Sci-Tech\nIt is not business.": "Sci/Tech",
    },
    ("World", "Sports"): {
        "Topic: World, not Sports": "World",
    },
    ("entailment", "contradiction", "neutral"): {
        "This is an entailment, not a contradiction.": "entailment",
    },
    ("entailment", "not_entailment"): {
        "not entailment": "not_entailment",
    },
    ("true", "false"): {
        "False. It is not true.": "false",
        "It's not true.": None,
        "The claim is false, since the true figure is 5.": None,
    },
}
"""By the labels there are, what a reply says and the label that it means."""


@pytest.mark.parametrize(("labels", "reply"), [(labels, reply) for labels, said in NAMED.items() for reply in said])
def test_each_reply_means_one_label_or_none(labels: tuple[str, ...], reply: str) -> None:
    assert resolve("label", labels)(reply) == NAMED[labels][reply]


@pytest.mark.slow
def test_long_replies_of_any_kind_take_no_time() -> None:
    read = resolve("label", ("positive", "negative", "yes", "no", "very positive"))
    pieces = (
        "positive negative ",
        "not positive or ",
        "label: positive negative ",
        "no ",
        "**positive** negative ",
        "\n",
    )
    for piece in (*pieces, "positive, negative, ", "<answer>", "答案是", "{", "very "):
        start = time.perf_counter()
        read(piece * (200_000 // len(piece)))
        assert time.perf_counter() - start < 2.0, piece
