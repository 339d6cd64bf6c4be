"""What proposers put around a prompt: tags of their own, quotes of mail, announcements in other languages, remarks."""

import pytest

from promptopt.operators.refusals import refuses
from promptopt.operators.replies import debris, tidy

PARENT = "Classify the text."
TEXT = "Classify the text CAREFULLY."

AROUND = [
    "<instruction>{}</instruction>",
    "<improved_prompt>\n{}\n</improved_prompt>",
    "&lt;prompt&gt;{}&lt;/prompt&gt;",
    "[prompt]{}[/prompt]",
    "> {}",
    "「{}」",
    "**{}**",
    "*{}*",
    "1. {}",
    "- {}",
    "---\n\n{}\n\n---",
    "Voici le prompt amélioré :\n\n{}",
    "Hier ist der verbesserte Prompt:\n\n{}",
    "Aquí está el prompt mejorado:\n\n{}",
    "以下是改进后的提示：\n\n{}",
    "改进后的提示词：{}",
    "改善されたプロンプト：\n{}",
    "Вот улучшенный промпт:\n\n{}",
    "I've improved the prompt as follows:\n\n{}",
    "The improved prompt is:\n\n{}",
    "Revised: {}",
    "Rewritten prompt → {}",
    "Prompt (improved): {}",
    "{}\n\n**Explanation:** I added CAREFULLY.",
    "{}\n\nThis prompt is better because it is explicit.",
    "{}\n\n---\n\nChanges made:\n- added CAREFULLY",
    "{}\n\nLet me know if you'd like any changes!",
    "Here is the improved prompt:\n\n---\n\n{}\n\n---\n\nI made it clearer.",
    "Here is the improved prompt:\n\n```\n{}\n```\n\nThis adds care.",
]
OWN = [
    "Answer: the mood, in one word.",
    "1. Read the text.\n2. Name its mood.",
    "- Read the text.\n- Name its mood.",
    "Read **all** of it.",
    "Classify.\n\nExplanation: one sentence on why.",
    "Classify.\n\nNotes:\n- The text may be long.",
    "You are a support bot.\n\nFeel free to ask the customer for details.\n\nNever promise refunds.",
    "Classify.\n\nThe prompt will contain an article.\n\nAnswer in JSON.",
    "Classify.\n\nLet me know when they are angry.",
    "Classify.\n\nWould you like me to help? is what to ask.\n\nAnswer in JSON.",
    "Classify.\n\nNote: the version number comes first.",
    "Classify.\n\nThis instruction should be followed exactly.",
    "Use the tags <mood>…</mood>.",
    "Answer as below:\n```\nmood\n```\nand nothing else.",
    "以下文本的情感是：",
]


@pytest.mark.parametrize("form", AROUND)
def test_what_is_put_around_a_text_is_taken_off(form: str) -> None:
    assert tidy(form.format(TEXT), PARENT) == TEXT


@pytest.mark.parametrize("text", OWN)
def test_what_belongs_to_a_prompt_stays(text: str) -> None:
    assert tidy(text, PARENT) == text


@pytest.mark.parametrize("form", ["<instruction>{}</instruction>", "> {}", "**{}**", "1. {}", "---\n{}"])
def test_what_the_parent_has_around_it_stays(form: str) -> None:
    assert tidy(form.format(TEXT), form.format(PARENT)) == form.format(TEXT)


@pytest.mark.parametrize("label", ["Option", "Version", "Variation", "**Prompt", "Candidate #"])
def test_several_versions_are_no_text(label: str) -> None:
    text = f"{label} 1: Classify.\n{label} 2: Sort."
    assert debris(text, PARENT) == "several versions"
    assert debris(text, text) is None
    assert debris("Option A: yes\nOption B: no", PARENT) is None


@pytest.mark.parametrize(
    "reply",
    [
        "What would you like me to improve?",
        "I need more information about the task to improve the prompt.",
        "I'd be happy to help! Please share the prompt.",
        "I must decline.",
        "I appreciate the request, but I can't do that.",
        "Извините, я не могу помочь.",
    ],
)
def test_a_question_back_or_a_refusal_is_no_prompt(reply: str) -> None:
    assert refuses(reply)


@pytest.mark.parametrize("text", ["I need you to classify the text.", "I appreciate care. Classify the text."])
def test_a_prompt_may_speak_of_its_writer(text: str) -> None:
    assert not refuses(text)
