"""Replies of proposers, read as every method reads them: the text in its tags, without what stands around it."""

from __future__ import annotations

import pytest

from promptopt.operators.drafts import SAME, unusable
from promptopt.operators.reflect import read_last, read_tagged
from promptopt.operators.refusals import changes_nothing
from promptopt.operators.replies import UNKNOWN_FORM, tidy
from promptopt.types import Reply
from tests.ends import ends

PARENT = "Classify the review as positive or negative."
NEW = "Read the review with care and say positive or negative."

BROKEN_ENDS = (
    "</prompt",
    "<\\prompt>",
    "</promt>",
    "</prompts>\n\nThis is clearer.",
    "</ promtp >",
)
AROUND = (
    "Revised instruction - {}",
    "**Improved Prompt** — {}",
    "<INS>{}</INS>",
    "<TEXT>{}</TEXT>",
    "<START>{}</START>",
    "{}\n\n(Note: I kept the labels.)",
    "{}\n\n*Rationale:* The old prompt was vague.",
    "{}\n\nExplanation: the original prompt lacked care.",
    "Score 92: {}",
    "**Score:** 92 - {}",
    "score 9/10 – {}",
    "{} (score: 9/10)",
    "{} **[Score: 87%]**",
    "{}\n(Score: 87 points)",
    '{{"instruction": "{}"}}',
    '{{\n  "new_prompt": "{}",\n}}',
    "{{'text': \"{}\"}}",
    '```json\n{{"system_prompt": "{}"}}\n```',
    "First I looked at the mistakes. They come of haste. New instruction: {}",
    "The old one says too little! **Improved prompt:** {}",
)
NO_TEXT = (
    "N/A",
    "None.",
    "null",
    "No changes needed.",
    "There are no further improvements necessary.",
    "The current prompt is optimal and needs no improvement.",
    "The prompt is already good.",
    "There is no need to change the prompt.",
    "I would not change anything.",
    "I think the prompt is good as it is.",
)
OPEN_PLACES = (
    "[insert new prompt here]",
    "your new prompt",
    "[Your improved instruction here]",
    "<the new prompt>",
)
SEVERAL = (
    "Here are three versions:\n1. {}\n2. Say it.\n3. Name it.",
    "Sure! Here are some improved prompts:\n\n- {}\n- Say it.",
    "Below are 5 variations:\n{}\nSay it.",
    "1. Classify the review as good or bad.\n2. Classify the review by its tone.\n3. Classify the review.",
    "- Classify the review as positive.\n\n- Classify the review with care.",
)


def why_not(text: str) -> str | None:
    tidied = tidy(text, PARENT)
    return unusable(
        tidied, PARENT, most=500, tags=("prompt",), form=UNKNOWN_FORM, count_tokens=lambda said: len(said.split())
    )


@pytest.mark.parametrize("end", BROKEN_ENDS)
def test_a_closing_tag_that_is_misspelt_ends_the_text(end: str) -> None:
    reply = Reply(text=f"<prompt>{NEW}{end}")
    assert read_last(reply, "prompt") == read_last(reply, "prompt", closed=True) == NEW
    assert read_tagged(reply, "prompt") == [NEW]


def test_a_closing_tag_of_another_name_is_the_text_s_own() -> None:
    text = "End your answer with </answer> and nothing else."
    assert read_last(Reply(text=f"<prompt>{text}"), "prompt") == text
    block = "Follow <prompts>these and those</prompts> to the letter."
    assert read_last(Reply(text=f"<prompt>{block}"), "prompt") == block
    assert read_last(Reply(text=f"<prompt>{block}</promt>"), "prompt", closed=True) == block


@pytest.mark.parametrize("form", AROUND)
def test_what_stands_around_the_text_is_taken_off(form: str) -> None:
    assert tidy(form.format(NEW), PARENT) == NEW


@pytest.mark.parametrize(
    "text",
    [
        "Text - say its mood.",
        "Name it.\n\n(Note: answer in one word.)",
        "Name it.\n\nNote: the current version of the file counts.",
        "Score 1: bad. Score 2: good. Give one.",
        "Score 3: name the mood.\nScore 4: name its cause, too.",
        "Score 1 - bad, 2 - middling, 3 - good. Give one.",
        "Score 1: bad\n2: middling\n3: good",
        "Give a score from 1 to 5 (score: 1-5)",
        '{"prompt": "Name it.", "label": "positive"}',
        '{"label": "positive"}',
        "Read the text. Improved prompt: {text}",
        "Name the mood. Final instructions: be short.",
        "Read it. New prompts: none are written.",
        "1. Read it. 2. Name its mood.",
    ],
)
def test_what_a_prompt_says_itself_stays(text: str) -> None:
    assert tidy(text, PARENT) == text


@pytest.mark.parametrize("text", NO_TEXT)
def test_a_reply_that_changes_nothing_is_no_text(text: str) -> None:
    assert why_not(text) == SAME


@pytest.mark.parametrize(
    "text",
    [
        "None of the labels may be left out.",
        "No change of tone is allowed: classify.",
        "No changes are necessary to the quoted text; only classify it.",
        "The instruction is good if it is short: judge it.",
        "No need to change the text where it is right; else mend it.",
        "I keep it as it is said to me, and you classify it.",
        "I think the prompt is good if it is short: judge it.",
    ],
)
def test_a_prompt_may_begin_with_such_words(text: str) -> None:
    assert not changes_nothing(text)


@pytest.mark.parametrize("text", OPEN_PLACES)
def test_a_place_that_was_left_open_is_no_text(text: str) -> None:
    assert why_not(text) == "form not filled in"


@pytest.mark.parametrize("form", SEVERAL)
def test_an_announcement_of_several_texts_is_no_text(form: str) -> None:
    assert why_not(form.format(NEW)) == "several versions"


@pytest.mark.parametrize(
    "text",
    [
        "Here are two options: yes and no. Choose one.",
        "Below are several candidates for a job. Pick the best.",
        "Here are some instructions: read the text, and name its mood.",
        "1. Read the review.\n2. Classify the review as positive or negative.",
        "- If the review is long, skip to its end.\n- If the review is short, read all.",
        "1. Classify the review with care, and name its mood.",
    ],
)
def test_a_prompt_may_speak_of_several_things(text: str) -> None:
    assert why_not(text) is None


def test_what_the_parent_has_around_it_as_well_stays() -> None:
    for form in ('{{"instruction": "{}"}}', "Score 92: {}", "{} (score: 9/10)", "Look. New instruction: {}"):
        text = form.format(NEW)
        assert tidy(text, form.format(PARENT)) == text


def test_json_that_a_model_did_not_escape_is_read_all_the_same() -> None:
    assert tidy('{"prompt": "Say "yes" or no."}', PARENT) == 'Say "yes" or no.'
    assert tidy(r'{"prompt": "Say \"yes\".\nOr no."}', PARENT) == 'Say "yes".\nOr no.'


@ends
@pytest.mark.slow
@pytest.mark.parametrize("piece", ['"', "score: 1\n", "> ", "```\n", "(score: 1) ", "Look. ", "* \n", '{"text": "'])
def test_a_reply_of_nothing_but_wrappings_is_read_to_its_end(piece: str) -> None:
    text = piece * (120_000 // len(piece))
    assert len(tidy(text, PARENT)) <= len(text)
