"""Users mark the place of an input in several ways: each is read as the input, and exported as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptopt import Example, Prompt, Task
from promptopt.errors import ConfigError
from promptopt.reports.export import export, export_of
from promptopt.reports.given import from_text
from promptopt.tasks.contract import Contract
from promptopt.tasks.prompt_text import chat_layouts
from promptopt.tasks.task_file import load_task_file
from promptopt.types import Message

EXAMPLES = [Example.of("a" if number % 2 else "b", text=f"row {number}") for number in range(30)]


def read(task: Task, example: Example = EXAMPLES[0]) -> str:
    content, _ = task.render(task.initial, example)
    return content if isinstance(content, str) else content[-1].content


MARKS = ["{text}", "{ text }", "{{text}}", "{{ text }}", "{{{text}}}", "${text}", "${ text }", "<text>", "< text >"]


@pytest.mark.parametrize(
    "frame", ["Classify it in one word.\n\nText: %s\nLabel:", "Given %s, say a or b.", "Read this. %s"]
)
@pytest.mark.parametrize("mark", MARKS)
def test_every_spelling_is_the_input_and_stays_in_exports(mark: str, frame: str) -> None:
    task = Task.from_examples(EXAMPLES, prompt=frame % mark)
    assert read(task) == frame % "row 0"
    whole = export_of(task, task.initial)
    assert export(whole, "txt") == frame % mark
    assert json.loads(export(whole, "messages"))[0]["content"] == frame % mark
    assert json.loads(export(whole, "json"))["inputs"] == {"text": mark}
    # An expression of texts and the argument, with no brace of the mark left over.
    assert f"{frame % 'row 0'!s}" == eval_messages(export(whole, "python"), "row 0")
    assert from_text(task, frame % mark)[1] == task.initial


def eval_messages(source: str, text: str) -> str:
    space: dict[str, object] = {}
    exec(source, space)
    return space["messages"](text)[-1]["content"]  # type: ignore[operator]


@pytest.mark.parametrize("mark", ["{%s}", "{{%s}}", "{{ %s }}", "${%s}", "<%s>"])
def test_the_prompt_of_a_chat_reads_back_from_its_export(mark: str) -> None:
    said = (Message("user", "Where is it?"),)
    rows = [Example((("shop", "Acme"),), "Here.", messages=said, group=str(number)) for number in range(3)]
    task = Task(
        name="bot",
        description="",
        initial=Prompt.of("Serve {shop}."),
        layouts=chat_layouts(),
        train=tuple(rows),
        dev=(),
        test=(),
        metric="f1",
        contract=Contract(template=True),
        marks=(("shop", mark % "shop"),),
    )
    better = task.initial.replace("instruction", "Serve {shop} well.")
    for text in (export(export_of(task, better), "txt"), f"Serve {mark % 'shop'} well."):
        read_back = from_text(task, text)[1]
        assert read_back == better
        assert task.broken_by(read_back, len) is None


def test_a_dollar_before_some_marks_only_is_money() -> None:
    task = Task.from_examples(EXAMPLES, prompt="Is it worth ${text}, say of {text}? Answer a or b.")
    assert read(task) == "Is it worth $row 0, say of row 0? Answer a or b."


def test_a_dollar_read_as_part_of_the_mark_is_told() -> None:
    task = Task.from_examples(EXAMPLES, prompt="It costs ${text} now.")
    assert any("dollar sign" in warning for warning in task.warnings)


def test_tags_around_an_input_and_json_around_a_mark_stay() -> None:
    tagged = Task.from_examples(EXAMPLES, prompt="Say a or b for this.\n<text>\n{{text}}\n</text>")
    assert read(tagged) == "Say a or b for this.\n<text>\nrow 0\n</text>"
    nested = Task.from_examples(EXAMPLES, prompt='Fill in {"q": {text}} as JSON')
    assert read(nested) == 'Fill in {"q": row 0} as JSON'


def test_a_closed_tag_alone_is_markup_and_the_input_goes_below() -> None:
    task = Task.from_examples(EXAMPLES, prompt="Put the part you quote in <text></text> tags.")
    assert read(task) == "Put the part you quote in <text></text> tags.\n\nText: row 0\nAnswer:"


@pytest.mark.parametrize(
    "mark", ["[text]", "[[ text ]]", "$text", "%(text)s", "%text%", "{{ text | trim }}", "{text!r}", "{Text}",
             "<%= text %>", "<% @text -%>", "｛text｝", "{{.Text}}", "{{- .text -}}"]
)  # fmt: skip
def test_a_mark_that_nothing_fills_is_refused_with_the_one_to_write(mark: str) -> None:
    with pytest.raises(ConfigError, match=r"\{text\}"):
        Task.from_examples(EXAMPLES, prompt=f"Say a or b for {mark} now")


@pytest.mark.parametrize(
    "mark", ["{{customer_name}}", "{order_id}", "${{order_id}}", "{}", "{0}", "{% if vip %}", "{{/if}}", "{{#each x}}"]
)  # fmt: skip
@pytest.mark.parametrize("frame", ["Say a or b for %s now", "Say a or b for %s now: {text}"])
def test_a_mark_that_nothing_fills_is_told(mark: str, frame: str) -> None:
    task = Task.from_examples(EXAMPLES, prompt=frame % mark)
    (said,) = [warning for warning in task.warnings if "nothing fills" in warning]
    assert mark in said
    assert "{text}" in said


@pytest.mark.parametrize("text", ['{"a": {"b": 1}}', r"\boxed{answer}", "{1, 2, 3}", "f{x}", "{ }", "x_{i}", "{{1}}"])
def test_braces_of_other_kinds_are_no_marks(text: str) -> None:
    task = Task.from_examples(EXAMPLES, prompt=f"Say a or b for {{text}} in {text}.")
    assert not any("nothing fills" in warning for warning in task.warnings)


@pytest.mark.parametrize("json", ['{{"label": "a"}}', '{{\n  "label": "a"\n}}', "{{'label': 'a'}}"])
def test_json_in_doubled_braces_is_told_beside_inputs_in_single_ones(json: str) -> None:
    def told(prompt: str) -> bool:
        task = Task.from_examples(EXAMPLES, prompt=prompt)
        return any("doubled braces" in warning for warning in task.warnings)

    assert told(f"Say a or b for {{text}} as {json}.")
    assert not told(f"Say a or b for {{{{text}}}} as {json}.")
    assert not told('Say a or b for {text} as {"label": {"is": "a"}}.')


def test_a_macro_around_the_name_of_an_input_is_refused() -> None:
    with pytest.raises(ConfigError, match="another name"):
        Task.from_examples(EXAMPLES, prompt=r"Say a or b in \boxed{text}.")


def test_one_input_marked_in_two_ways_is_refused() -> None:
    with pytest.raises(ConfigError, match="one way"):
        Task.from_examples(EXAMPLES, prompt="Say a or b for {text}, that is {{text}}")


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "d.csv").write_text("text,target\n" + "".join(f"row {n},{'ab'[n % 2]}\n" for n in range(30)))
    (tmp_path / "t.toml").write_text(text + '[data]\nfile = "d.csv"\n')
    return tmp_path / "t.toml"


def test_a_task_file_without_layouts_shows_the_input_where_the_instruction_has_it(tmp_path: Path) -> None:
    path = written(tmp_path, 'instruction = "Say a or b for {{ text }} now."\n[parts]\nanswer_format = "One letter."\n')
    task = load_task_file(path)
    assert read(task, task.train[0]) == f"Say a or b for {task.train[0]['text']} now.\n\nOne letter."
    assert export(export_of(task, task.initial), "txt") == "Say a or b for {{ text }} now.\n\nOne letter."


def test_an_input_shown_by_instruction_and_layout_is_told(tmp_path: Path) -> None:
    lines = 'instruction = "Say a or b for ${text}."\n[[layouts]]\nname = "l"\ntext = "{instruction}\\n${text}"\n'
    task = load_task_file(written(tmp_path, lines))
    assert any("twice" in warning and "${text}" in warning for warning in task.warnings)


def test_layouts_of_a_task_file_may_be_spelt_as_templates_are(tmp_path: Path) -> None:
    lines = (
        'instruction = "Say a or b."\n[[layouts]]\nname = "mine"\ndemo = "{{text}} {{target}}\\n"\n'
        'messages = [["user", "{{ instruction }}\\n{{ demos }}Q: {{ text }}"]]\n'
    )
    task = load_task_file(written(tmp_path, lines))
    assert read(task) == "Say a or b.\nQ: row 0"
    assert export(export_of(task, task.initial), "txt") == "Say a or b.\nQ: {{ text }}"
    content, _ = task.render(task.initial.with_demos([EXAMPLES[1]]), EXAMPLES[0])
    assert content[0].content == "Say a or b.\nrow 1 a\nQ: row 0"  # type: ignore[union-attr]
