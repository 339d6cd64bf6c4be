from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.tasks.contract import Contract
from promptopt.tasks.layout import Layout
from promptopt.tasks.reading.columns import Columns
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Message, Prompt

EXAMPLES = tuple(Example.of("spam" if number % 3 else "ham", text=f"message {number}") for number in range(500))


def make(prompt: str | Prompt = "Classify the message.", **changes: object) -> Task:
    return Task.from_examples(EXAMPLES, prompt=prompt, labels=["spam", "ham"], **changes)  # pyright: ignore[reportArgumentType]


def test_a_prompt_without_slots_gets_the_default_layouts_and_the_labels() -> None:
    task = make()
    assert task.initial == Prompt.of("Classify the message.", answer_format="Answer with one of: spam, ham.")
    assert task.frozen_parts == ("answer_format",)
    assert [layout.name for layout in task.layouts] == ["chat", "system", "one-message", "text"]
    content, shared = task.render(task.initial, EXAMPLES[7])
    text = "Classify the message.\n\nAnswer with one of: spam, ham.\n\nText: "
    assert content == (Message("user", f"{text}message 7\nAnswer:"),)
    assert shared == len(text)


def test_labels_that_the_prompt_names_are_not_said_again() -> None:
    assert make("Is it spam or ham?").initial == Prompt.of("Is it spam or ham?")


def test_defaults_follow_from_labels_and_targets() -> None:
    task = make()
    assert (task.metric, task.answer, task.sampling.max_tokens) == ("exact", "label", 16)
    numbers = Task.from_examples([Example.of(f"{n},000", q=str(n)) for n in range(300)], prompt="Add.")
    assert (numbers.metric, numbers.answer, numbers.sampling.max_tokens) == ("number", "number", 256)
    texts = Task.from_examples([Example.of(f"t {n}", q=str(n)) for n in range(300)], prompt="Say.", max_tokens=9)
    assert (texts.metric, texts.answer, texts.sampling.max_tokens) == ("exact", "text", 9)


def test_splits_are_drawn_by_seed_and_size() -> None:
    task = make(splits=Splits(50, 30, 160, seed=3))
    assert [len(split) for split in (task.train, task.dev, task.test)] == [50, 30, 160]
    assert make(splits=Splits(50, 30, 160, seed=3)).fingerprint() == task.fingerprint()
    assert task.with_splits(50, 30, 160, seed=4).test != task.test


def test_layouts_change_what_is_read_and_the_fingerprint() -> None:
    task = make()
    content, _ = task.with_layout("system").render(task.initial, EXAMPLES[0])
    assert [message.role for message in content if isinstance(message, Message)] == ["system", "user"]
    assert isinstance(task.with_layout("text").render(task.initial, EXAMPLES[0])[0], str)
    assert task.with_layout("system").fingerprint() != task.fingerprint()
    with pytest.raises(UnknownName, match="no layout is named 'sytem'; did you mean 'system'"):
        task.with_layout("sytem")


def test_a_slot_in_the_editable_text_is_a_placeholder() -> None:
    task = make("Given {text}, say spam or ham.")
    assert task.broken_by(task.initial, len) is None
    assert task.broken_by(Prompt.of("Say spam or ham."), len) == "lost placeholder {text}"
    content, shared = task.with_layout("text").render(Prompt.of("What is {text}? {braces}"), Example.of(text="{text}"))
    assert (content, shared) == ("What is {text}? {braces}", len("What is "))


def test_broken_by_names_what_a_candidate_lost() -> None:
    task = make()
    assert task.broken_by(task.initial.replace("instruction", "Now."), len) is None
    assert task.broken_by(task.initial.replace("instruction", "See {text}."), len) == "added placeholder {text}"
    assert task.broken_by(task.initial.replace("answer_format", "x"), len) == "changed frozen part answer_format"


def test_starting_from_takes_an_instruction_or_the_tasks_own_layout() -> None:
    task = make("Spam or ham?\n\nMail: {text}\nKind:")
    assert task.starting_from("  Decide.\n") == Prompt.of("Decide.")
    assert task.starting_from("Decide.\n\nMail: {text}\nKind:") == Prompt.of("Decide.")
    with pytest.raises(ConfigError, match=r"lays out its input itself; give the instruction alone, without \{text\}"):
        task.starting_from("Decide.\n\nMessage: {text}")
    for mark in ("$text", "%(text)s", "{{ text | trim }}", "[text]"):
        with pytest.raises(ConfigError, match=r"lays out its input itself; give the instruction alone, without it"):
            task.starting_from(f"Decide.\n\nMessage: {mark}")
    with pytest.raises(ConfigError, match=r"did you mean \{text\}"):
        task.starting_from("Decide.\n{texts}")
    whole = make("Given {text}, say spam or ham.")
    assert whole.starting_from("{text}: spam or ham?") == Prompt.of("{text}: spam or ham?")
    with pytest.raises(ConfigError, match=r"lacks \{text\}"):
        whole.starting_from("Spam or ham?")


def test_the_fingerprint_is_json_and_sees_every_change() -> None:
    task = make()
    seen = [json.dumps(task.fingerprint())]
    for changed in (
        replace(task, name="other"),
        replace(task, initial=task.initial.replace("instruction", "x")),
        replace(task, labels=("ham", "spam")),
        replace(task, metric=lambda answer, example: 1.0),
        replace(task, answer="line"),
        replace(task, sampling=replace(task.sampling, max_tokens=3)),
        replace(task, contract=Contract()),
        replace(task, train=task.train[:-1]),
        replace(task, test=task.test[::-1]),
    ):
        seen.append(json.dumps(changed.fingerprint()))
    assert len(set(seen)) == len(seen)


def test_more_prompts_than_are_cached_still_render() -> None:
    task = make()
    prompts = [task.initial.replace("instruction", f"Prompt {number}.") for number in range(600)]
    laid = task.with_layout("text")
    for prompt in (*prompts, *prompts[:3]):
        content, _ = laid.render(prompt, EXAMPLES[0])
        assert isinstance(content, str)
        assert content.startswith(prompt["instruction"])
    assert len(laid._renderings) <= 256


BARE = Layout("bare", text="{instruction}")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"examples": ()}, DataError, "there are no examples"),
        ({"examples": (*EXAMPLES, Example.of("ham", mail="x"))}, DataError, "needs the same fields"),
        ({"examples": (*EXAMPLES, Example.of("spamm", text="x"))}, DataError,
         r"the target 'spamm', which is none of the labels \(the nearest is 'spam'\)"),
        ({"examples": (Example.of("ham", instruction="x"),)}, ConfigError, "'instruction' has the name of a prompt"),
        ({"layout": BARE}, ConfigError, r"layout 'bare' does not show \{text\}"),
        ({"layout": BARE, "prompt": "Of {{mail}}."}, ConfigError, r"the prompt has \{\{mail\}\}, which nothing"),
        ({"prompt": "bad\x07"}, ConfigError, r"its own start prompt breaks the contract \(control character U\+0007\)"),
        ({"prompt": "Classify {texts}"}, ConfigError, r"did you mean \{text\}"),
        ({"splits": Splits(400, test=200)}, DataError, "examples are asked for all splits together, and there are 500"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(
    changes: dict[str, object], error: type[Exception], message: str
) -> None:
    settings: dict[str, object] = {"examples": EXAMPLES, "prompt": "Classify.", "labels": ["spam", "ham"], **changes}
    examples = settings.pop("examples")
    with pytest.raises(error, match=message):
        Task.from_examples(examples, **settings)  # pyright: ignore[reportArgumentType]


def test_overlapping_fixed_splits_are_refused() -> None:
    task = make()
    with pytest.raises(DataError, match="the same input is in both train and test"):
        replace(task, test=(*task.test, task.train[0]))
    fixed = replace(task, pool=None)
    with pytest.raises(DataError, match="made with fixed splits"):
        fixed.with_splits(1, 1, 1)


def test_from_file_reads_the_columns_named(tmp_path: Path) -> None:
    path = tmp_path / "mails.csv"
    rows = "".join(f'"mail, {n}",{"ham" if n % 2 else "spam"}\n' for n in range(400))
    path.write_text(f"mail,kind\n,ham\n{rows}", encoding="utf-8")
    task = Task.from_file(
        path,
        prompt="Spam or ham?",
        columns=Columns("mail", "kind"),
        labels=["spam", "ham"],
        splits=Splits(seed=2),
    )
    assert (task.name, task.fields, len(task.test)) == ("mails", ("mail",), 160)
    assert task.warnings == ("mails.csv: 1 row(s) with a blank input left out",)
    assert task.with_splits(10, 10, 160, seed=3).warnings == task.warnings
    with pytest.raises(ConfigError, match=r"mails\.csv holds no prompt"):
        Task.from_file(path, columns=Columns("mail", "kind"))


def test_from_file_takes_the_prompt_of_samples(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    messages = [{"role": "system", "content": "Add up."}]
    path.write_text(
        "\n".join(
            json.dumps({"input": [*messages, {"role": "user", "content": f"{n}+1"}], "ideal": str(n + 1)})
            for n in range(300)
        ),
        encoding="utf-8",
    )
    task = Task.from_file(path)
    assert (task.initial, task.metric) == (Prompt.of("Add up."), "number")


def test_from_file_reads_rejected_outputs_and_solutions(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    rows = "".join(f"ask {n},good {n},bad {n},so {n}\n" for n in range(400))
    path.write_text(f"ask,chosen,rejected,why\n{rows}", encoding="utf-8")
    plain = Task.from_file(path, prompt="Answer.", columns=Columns("ask", "chosen"))
    task = Task.from_file(path, prompt="Answer.", columns=Columns("ask", "chosen", rejected="rejected", solution="why"))
    for example in task.train:
        number = example["ask"].removeprefix("ask ")
        assert example == Example.of(f"good {number}", (), [f"bad {number}"], f"so {number}", ask=f"ask {number}")
    assert task.fingerprint() != plain.fingerprint()
    with pytest.raises(ConfigError, match=r"which column of .* is the input"):
        Task.from_file(path, prompt="Answer.", columns=Columns(rejected="rejected"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"examples": [("yes", "a text")]},
            r"examples is \[\('yes', 'a text'\)\]; give a list, each of it Example \(as",
        ),
        ({"examples": iter([3])}, "one of the examples is 3; give Example.of"),
        ({"layout": "x"}, r"layout is 'x'; give Layout \(from promptopt.tasks\) or a list"),
        ({"labels": [0, 1]}, r"labels is \[0, 1\]; give a list, each of it a text; or leave it out"),
        ({"labels": "yes"}, "labels is 'yes'; give a list"),
        ({"labels": ["yes", "yes"]}, "the label 'yes' is there twice"),
        ({"labels": ["yes", " "]}, "the label ' ' is empty"),
        ({"metric": "exxact"}, "no metric is named 'exxact'; did you mean 'exact'?"),
        ({"answer": "lable"}, "no answer reader is named 'lable'; did you mean 'label'?"),
        ({"max_tokens": 0}, "max_tokens is 0; give a number, 1 or more"),
        ({"max_tokens": True}, "max_tokens is True; give a whole number or None"),
        ({"prompt": None}, "prompt is None; give a text or Prompt"),
        ({"splits": (10, 10, 10)}, r"splits is \(10, 10, 10\); give Splits \(as"),
    ],
)
def test_an_argument_of_another_kind_is_refused(wrong: dict[str, object], said: str) -> None:
    given = {"examples": [Example.of("yes", text="a")], "prompt": "Say.", **wrong}
    with pytest.raises(ConfigError, match=said):
        Task.from_examples(**given)  # pyright: ignore


def test_columns_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"columns is \('text', 'label'\); give Columns \(as"):
        Task.from_file(tmp_path / "rows.csv", prompt="Say.", columns=("text", "label"))  # pyright: ignore
