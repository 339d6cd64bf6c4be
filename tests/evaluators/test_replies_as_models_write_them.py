"""Kinds of replies that several readers meet: struck text, answers taken back, marks of templates, Turkish letters."""

import pytest

from promptopt import Example
from promptopt.evaluators import metrics
from promptopt.evaluators.readers import resolve
from promptopt.thoughts import spoken

MOODS = ["positive", "negative", "neutral"]

NUMBERS = {
    "15": ["15 apples (10 + 5)", "15 (= 10 + 5)", "15 apples (3 × 5 apples)", "(10 + 5) = 15", "10 + 5 is 15"],
    "8": ["5 + 3 = 8 (5 + 3)", "The total is 8 (i.e. 5 + 3)."],
    None: ["She needs 3 × 4", "3 * 4", "12 = 3 × 4", "$5 + $3", "8, because 5 + 3", "2/3 + 1/3", "3 x 4", "2**5"],
    "100000": ["10**5"],
    "1250": ["1.250,-", "EUR 1.250,-", "1.250,-- EUR", "1'250.-", "CHF 1’250.–", "Rs 1,250/-"],
    "5": ["5,-", "5.– Fr.", "Rs. 5/-", "* 10\n* 5"],
    "42": [
        "42\nConfidence: 95%",
        "42\n\n**Confidence:** 0.95",
        "42\nConfidence level: 9/10",
        "42\nMy confidence: 95 %",
        "~~41~~ 42",
        "42 <del>41</del>",
        "Ответ на вопрос: 42",
        "Kết quả: 42",
        "Jawaban yang benar adalah 42, bukan 41",
    ],
    "95": ["Confidence: 95", "Confidence: 95%"],
    "7": ["She had 7 cats on 12 March 2021", "Am 5. Mai 2024 waren es 7.\nAm 6. Mai 2024 schliefen sie."],
    "2024": ["In May 2024", "2024", "in 2024"],
}
DATES = [
    "May 5, 2024",
    "5 May 2024",
    "5th of May 2024",
    "May 5th, 2024",
    "5. Mai 2024",
    "5 de mayo de 2024",
    "le 5 août 2024",
]

CHOICES = {
    "(B)": [
        "B\n\nReasoning: Option A fails. Option C fails.",
        "**B**\n\nA is too small, and C. Smith's law excludes option C.",
        "B (Paris)",
        "B! Paris is the capital.",
        "The options are (A), (B), (C). The best is (B).",
        "The answer is not A, it is B.",
        "It isn't A, it's B.",
        "~~A~~ B",
        "<s>A</s> B",
        "Richtig ist B.",
        "La réponse correcte est la B.",
        "La respuesta correcta es la B.",
        "A resposta correta é a letra B.",
        "Resposta: alternativa B",
        "Doğru cevap B'dir.",
        "Đáp án đúng là B",
        "Jawaban yang benar adalah B",
        "Poprawna odpowiedź to B.",
        "Správná odpověď je B",
        "The correct one is B.",
        "The answer might be B.",
    ],
    None: [
        "A. Hmm, wait. B.",
        "A. Wait, no: that has the wrong sign.",
        "(A). Actually, let me check again.",
        "Neither A nor C is right; B is.",
        "A (small) dog.",
        "A is correct: B's unit is off, or A is wrong: B is correct",
        "The answer could be A or B.",
        "B'nin nedeni",
    ],
}

LABELS = {
    "positive": [
        "~~Negative~~ Positive",
        "<del>negative</del> positive",
        "<s>negative</s>\npositive",
        "| Sentiment | positive |\n| Reason | nothing negative |",
    ],
    "negative": [
        "Label (positive, negative, neutral): negative",
        "**Sentiment [positive/negative/neutral]**: negative",
    ],
    None: [
        "negative... no, positive",
        "positive – no, negative",
        "positive, wait, negative",
        "There is nothing negative about it.",
        "no evidence of negative words",
        "free of negative words",
        "bukan positive",
        "nie positive",
    ],
}

OTHER_LABELS = [
    (["İstanbul", "Ankara"], "istanbul", "İstanbul"),
    (["İstanbul", "Ankara"], "ISTANBUL", "İstanbul"),
    (["ılık", "sıcak"], "ILIK", "ılık"),
    (["iyi", "kötü"], "İYİ", "iyi"),
    (["iyi", "kötü"], "iyi değil", None),
    (["iyi", "kötü"], "Bu kötü değil, iyi.", "iyi"),
    (["सकारात्मक", "नकारात्मक"], "यह नकारात्मक नहीं है", None),
    (["บวก", "ลบ"], "ไม่ใช่ลบ แต่เป็นบวก", "บวก"),
    (["1", "2", "3", "4", "5"], "On a scale from 1 to 5, I give it a 4.", "4"),
    (["1", "2", "3", "4", "5"], "4 on a 1-5 scale", "4"),
    (["-1", "0", "1"], "+1", "1"),
    (["-1", "0", "1"], "-1", "-1"),
    (["Yes", "No"], "No, wait, yes.", None),
    (["Yes", "No"], "There is no reason to say yes.", None),
    (["Yes", "No"], "Yes, wait until tomorrow.", "Yes"),
]


def _rows(table: dict[str | None, list[str]]) -> list[tuple[str, str | None]]:
    return [(reply, meant) for meant, replies in table.items() for reply in replies]


@pytest.mark.parametrize(("reply", "meant"), [*_rows(NUMBERS), *[(date, None) for date in DATES]])
def test_a_working_no_cents_a_date_and_confidence_are_no_number_by_themselves(reply: str, meant: str | None) -> None:
    assert resolve("number")(reply) == meant


@pytest.mark.parametrize(("reply", "meant"), _rows(CHOICES))
def test_a_choice_is_what_stands_alone_or_announced_and_is_not_taken_back(reply: str, meant: str | None) -> None:
    assert resolve("choice")(reply) == meant


@pytest.mark.parametrize(("reply", "meant"), _rows(LABELS))
def test_a_label_that_is_struck_out_denied_or_taken_back_is_not_meant(reply: str, meant: str | None) -> None:
    assert resolve("label", MOODS)(reply) == meant


@pytest.mark.parametrize(("labels", "reply", "meant"), OTHER_LABELS)
def test_labels_of_other_languages_and_scales(labels: list[str], reply: str, meant: str | None) -> None:
    assert resolve("label", labels)(reply) == meant


@pytest.mark.parametrize(
    "reply",
    [
        "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>b<|END_RESPONSE|>",
        "<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>b<|end_of_solution|>",
        "<|assistant|>\n<think>a</think>b<|user|>\nanother question",
        "<|im_start|>assistant\nb<|im_end|>",
        "<start_of_turn>model\nb<end_of_turn>",
        "b<|observation|>c",
        "analysisThe user asks.assistantfinalb",
        "assistantanalysisThe user asks.assistantfinalb",
        "<inner monologue>a</inner monologue>b",
        "<brainstorming>a</brainstorming>b",
        "<contemplator>a</contemplator>b",
        "<Chain of Thought>a</Chain of Thought>b",
        "<scratch_pad>a</scratch_pad>b",
        "<reasoning_engine>a</reasoning_engine>b",
    ],
)
def test_marks_of_templates_around_an_answer_are_no_part_of_it(reply: str) -> None:
    said = spoken(reply)
    assert said is not None
    assert said.strip() == "b"


@pytest.mark.parametrize("reply", ["analysis of the text: b", "Analysis: b", "analysis: b"])
def test_a_text_that_begins_with_analysis_is_said(reply: str) -> None:
    assert spoken(reply) == reply


def test_a_thought_of_a_server_that_leaves_marks_out_may_never_end() -> None:
    assert spoken("analysisThe user asks for") is None


@pytest.mark.parametrize(
    ("metric", "answer", "target", "value"),
    [
        ("contains", "PARİS", "paris", 1.0),
        ("contains", "İSTANBUL'da", "istanbul", 1.0),
        ("contains", "DIYARBAKIR", "Diyarbakır", 1.0),
        ("contains", "**New** York", "New York", 1.0),
        ("contains", "New *York*", "New York", 1.0),
        ("contains", "3 * 4 * 5", "3 * 4", 1.0),
        ("contains", "can't", "can’t", 1.0),
        ("contains", "O’Neil", "O'Neil", 1.0),
        ("contains", "co\u00adoperate", "cooperate", 1.0),
        ("contains", "Par\u200bis", "Paris", 1.0),
        ("exact", "\ufeffParis", "Paris", 1.0),
        ("exact", "Pa\u200bris", "Paris", 1.0),
        ("exact", "👩\u200d🔬", "👩🔬", 0.0),
        ("json", '{"a.b": 1}', '{"a": {"b": 1}}', 0.0),
        ("json", '{"a[0]": 1}', '{"a": [1]}', 0.0),
        ("json", '{"a.b": 1}', '{"a.b": 1}', 1.0),
        ("set_f1", "– red\n– blue", "red, blue", 1.0),
        ("set_f1", "- [x] red\n- [x] blue", "red, blue", 1.0),
        ("set_f1", "a. red\nb. blue", "red, blue", 1.0),
        ("set_f1", "A. Smith", "B. Smith", 0.0),
        ("set_f1", "[red, blue]", "red, blue", 1.0),
        ("set_f1", "{'red', 'blue'}", "red, blue", 1.0),
        ("set_f1", "(red, blue)", "red, blue", 1.0),
        ("set_f1", "| red | blue |", "red, blue", 1.0),
        ("set_f1", "The colours are: red, blue", "red, blue", 1.0),
        ("set_f1", "Here they are:\n\n1. red\n2. blue\n\nAsk me for more.", "red, blue", 1.0),
        ("set_f1", "Here they are:\nred\nblue", "red, blue", 1.0),
        ("set_f1", "<ul><li>red</li><li>blue</li></ul>", "red, blue", 1.0),
        ("set_f1", "красный и синий", "красный, синий", 1.0),
        ("set_f1", "红色和蓝色", "红色、蓝色", 1.0),
        ("set_f1", "赤と青", "赤、青", 1.0),
        ("set_f1", "No entities found.", "[]", 1.0),
        ("set_f1", "There are none.", "[]", 1.0),
        ("set_f1", "no, yes", "[]", 0.0),
        ("set_f1", "İstanbul, ankara", "istanbul, Ankara", 1.0),
    ],
)
def test_what_differs_only_in_how_it_is_written_is_the_same(
    metric: str, answer: str, target: str, value: float
) -> None:
    found = metrics.resolve(metric)(answer, Example.of(target, q="?"))
    assert getattr(found, "value", found) == value


@pytest.mark.parametrize(
    "reply", ["```\npositive\n```", "```text\npositive\n```", "positive\rbecause", "positive\u2028because"]
)
def test_a_line_ends_where_any_system_ends_it_and_a_fence_is_none(reply: str) -> None:
    assert resolve("line")(reply) == "positive"
