from __future__ import annotations

import pytest

from promptopt.thoughts import spoken, written
from tests.ends import ends, long

HARMONY = (
    "<|channel|>analysis<|message|>We need it.<|end|><|start|>assistant<|channel|>final<|message|>positive<|return|>"
)
SPOKEN: dict[str, str | None] = {
    "positive": "positive",
    "<think>\nPositive or negative?\n</think>\n\npositive": "positive",
    "<think>The answer is 12. Wait, wrong.</think>\n\nJohn has 15 apples.": "John has 15 apples.",
    "<Thinking>a</Thinking> C": "C",
    "< THINK >a</ think > C": "C",
    "<reasoning>a</reasoning>C": "C",
    "<thought>a</thought>C": "C",
    "<analysis>a</analysis>C": "C",
    "<scratchpad>a</scratchpad>C": "C",
    '<think effort="high">a</think>C': "C",
    "<seed:think>a</seed:think>C": "C",
    "[THINK]a[/THINK]C": "C",
    "[think]a[/think]C": "C",
    "◁think▷a◁/think▷C": "C",
    "<|think|>a<|/think|>C": "C",
    "<|begin_of_thought|>a<|end_of_thought|>C": "C",
    "<|START_THINKING|>a<|END_THINKING|>C": "C",
    "<internal_thoughts>a</internal_thoughts>C": "C",
    "<chain_of_thought>a</chain_of_thought>C": "C",
    "<inner-monologue>a</inner-monologue>C": "C",
    "<cot>a</cot>C": "C",
    "C<|im_end|>": "C",
    "C<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nD": "C",
    "<think>a</think>C<end_of_turn>\n": "C",
    "C</s>": "C",
    "<s>B</s> C": "<s>B</s> C",
    "a < b <|x|> c": "a < b <|x|> c",
    "&lt;think&gt;a&lt;/think&gt;C": "C",
    HARMONY: "positive",
    "<|channel|>analysis<|message|>We need": None,
    "a template opened it</think>C": "C",
    "<think></think>C": "C",
    "<think>a <think>b</think> c</think> C": "C",
    "<think>a</think>B? No.<think>b</think>C": "C",
    "<think>a</thinking>C": "C",
    "Sure. <think>a</think> C": "C",
    "B? <think>No.</think> C": "C",
    "<answer>B</answer><reasoning>A is small</reasoning>": "<answer>B</answer>",
    "<think>never ends": None,
    "<think>a</think>C <think>or": None,
    "[THINK]never ends": None,
    "a</think>": "",
    "Write `<think>` first.": "Write `<think>` first.",
    "<think>He said 'no'</think>C": "C",
    'Write "<think> and so on" first.': 'Write "<think> and so on" first.',
    "Think: <b>C</b> [1]": "Think: <b>C</b> [1]",
    "<unused94>thought\na<unused95>C": "C",
    "Thinking...\na\n...done thinking.\n\nC": "C",
    "I am done thinking of it.": "I am done thinking of it.",
    "＜think＞a＜/think＞C": "C",
    "<|thought_start|>a<|thought_end|>C": "C",
    "<|reasoning_start|>a<|reasoning_end|>C": "C",
    "<|begin▁of▁thinking|>a<|end▁of▁thinking|>C": "C",
    "<｜thinking｜>a<｜/thinking｜>C": "C",
    "<antThinking>a</antThinking>C": "C",
    "<thinking_process>a</thinking_process>C": "C",
    "<ReasoningTrace>a</ReasoningTrace>C": "C",
    "<o3_think>a</o3_think>C": "C",
    "<think1>a</think1>C": "C",
    "<begin_think>a<end_think>C": "C",
    "[BEGIN_THINK]a[END_THINK]C": "C",
    "[thought]a[/thought]C": "C",
    "<思考>a</思考>C": "C",
    '<details type="reasoning" done="true">\n<summary>Thought</summary>\n> a\n</details>\nC': "C",
    "<details><summary>Thinking</summary>a</details>C": "C",
    '<details type="reasoning">a': "",
    "<details><summary>More</summary>C</details>": "<details><summary>More</summary>C</details>",
    "<thinker>C</thinker>": "<thinker>C</thinker>",
    "<reflect>a</reflect>C": "C",
    "<|cot_start|>a<|cot_end|>C": "C",
    "<|inner_prefix|>a<|inner_suffix|>C": "C",
    "```thinking\na\n```\n\nC": "C",
    "Sure.\n```think\na\n```\nC": "Sure.\nC",
    "```thought\na": "",
    "```\nthought\n```": "```\nthought\n```",
    "<think>a</think><|begin_of_box|>C<|end_of_box|>": "C",
    "It is <|begin_of_box|>C<|end_of_box|>.": "It is C.",
    # What only ends the form that a thought stands in is no answer.
    "<r><answer>B</answer><reasoning>A is small</reasoning></r>": "<r><answer>B</answer></r>",
    '{"a": "C"}\n<think>a</think>\n```': '{"a": "C"}\n\n```',
}


@pytest.mark.parametrize("reply", SPOKEN)
def test_what_is_said_is_what_follows_the_last_thought(reply: str) -> None:
    said = spoken(reply)
    assert (None if said is None else said.strip()) == SPOKEN[reply]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("<think>…</think>\n\nClassify the text CAREFULLY.", "Classify the text CAREFULLY."),
        ("<think>\nI must wrap it in <prompt> tags.\n</think>\n\n<prompt>NEW</prompt>", "<prompt>NEW</prompt>"),
        ("I must wrap it in <prompt> tags.</think>\n<prompt>NEW</prompt>", "<prompt>NEW</prompt>"),
        ("<think>a</think><think>b</think>Classify it.", "Classify it."),
        ("[THINK]a[/THINK]Classify it.", "Classify it."),
        ("Sure! <think>wrap it in <prompt> tags</think><prompt>NEW</prompt>", "Sure! <prompt>NEW</prompt>"),
        ("Sure.\n<think>hm</think>\nClassify it.", "Classify it."),
        ("<think>use <think></think> tags</think><prompt>a</prompt>", "<prompt>a</prompt>"),
        ("<prompt>Think in <think></think> tags.</prompt>", "<prompt>Think in <think></think> tags.</prompt>"),
        ("<think>a</think><prompt>In <reasoning> tags.</prompt>", "<prompt>In <reasoning> tags.</prompt>"),
        ("Think within <think></think>, then answer.", "Think within <think></think>, then answer."),
        ("In this form:\n<think>\n…\n</think>\n<b>…</b>", "In this form:\n<think>\n…\n</think>\n<b>…</b>"),
        ("<prompt>a</prompt><think>Good? Yes.</think>", "<prompt>a</prompt>"),
        ("<prompt>a</prompt> <think>but", ""),
        ("<think>never ends <prompt>a</prompt>", ""),
    ],
)
def test_what_was_written_is_the_text_without_thoughts_before_and_beside_it(reply: str, text: str) -> None:
    assert written(reply, ("prompt",)) == text


def test_without_tags_to_go_by_every_thought_goes() -> None:
    assert written("One. <think>hm</think> Two.") == "One.  Two."
    assert written("One <b>bold</b>.") == "One <b>bold</b>."


@ends
@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "<think>",
        "</think>",
        "< ",
        "[",
        "&lt;",
        "<|channel|>final",
        "<prompt></prompt><think>",
        "<think></think>",
        "<think><think></think>",
        "</prompt></think>",
        "<think><prompt>",
    ],
)
def test_a_long_reply_of_any_kind_is_read_to_its_end(piece: str) -> None:
    spoken(long(piece))
    written(long(piece), ("prompt",))
