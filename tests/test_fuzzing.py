"""Whatever stands in a reply, a file, an answer of a server or a store is read, or refused in a sentence of ours.

`PROMPTOPT_FUZZ_MINUTES=5 pytest -m fuzz` goes on for so long, each test for its share; without the variable it is over
in seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from promptopt.cli.main import app
from promptopt.errors import ConfigError, DataError, PromptoptError
from promptopt.evaluators import metrics, readers
from promptopt.models.server.address import canonical_address
from promptopt.models.server.keys import masked
from promptopt.models.server.retrying import Outage
from promptopt.models.server.streams import joined_chunks
from promptopt.models.server.wire import Failure, read_reply
from promptopt.operators.replies import tidy, unthought
from promptopt.run.stored_replies import stored_replies
from promptopt.store.runs import Store
from promptopt.tasks import load_task
from promptopt.tasks.reading.columns import Columns
from promptopt.tasks.reading.files import read_examples
from promptopt.text import Regex, visible
from promptopt.types import Example, Reply, Request, canonical

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(0)]
MINUTES = float(os.environ.get("PROMPTOPT_FUZZ_MINUTES", "0"))
TESTS = 9
SLOWEST_S = 5.0
"""What one input may take on a busy machine; the quadratic ones that were found took minutes."""

PIECES = (
    "<think>", "</think>", "<answer>", "</answer>", "The answer is ", "Answer: ", "#### ", "\\boxed{", "}", "**", "(B)",
    "A", "b.", "C and D", "positive", "negative", "not ", "3,5", "1 000", "100 200 300", "-", "−", ".5", "1/2",
    "\\frac{1}{2}", "10^5", "12:00", "$", "€", "%", "\n", "\n\n", " ", "\t", "```", "`", '"', "'", "答案是", "北京",
    "５", "\u202f", "\ud83d", "\x1b[2J", "\0", "{", "[", "]", "null", "true", '{"a": 1}', "[1, 2]", "e9", "1e400",
    "Nan", ",", ";", "=", "I cannot", "sorry", "1,", "<prompt>", "</prompt>", "&#39;", "١", "½", "²", "x", "or", "and",
    "é", "e\u0301",
)  # fmt: skip
saids = st.lists(st.sampled_from(PIECES) | st.text(st.characters(codec=None), max_size=4), max_size=14).map("".join)
saids |= st.builds(lambda piece, count: piece * count, st.sampled_from(PIECES), st.integers(100, 3000))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | saids
values = st.recursive(
    scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=6), below, max_size=3),
    max_leaves=6,
)  # fmt: skip


numbers = count()
"""The same examples in the same order, however long it goes on: CI finds tomorrow what it finds today."""


def fuzzed(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """A test of these inputs: a few of them, or new ones until its share of the minutes is over."""

    def made(test: Callable[..., None]) -> Callable[[], None]:
        def timed(drawn: tuple[Any, ...]) -> None:
            begun = time.thread_time()
            test(*drawn)
            assert time.thread_time() - begun < SLOWEST_S, "it takes too long"

        def run() -> None:
            over, round_ = time.monotonic() + 60 * MINUTES / TESTS, 0
            while round_ == 0 or time.monotonic() < over:
                chosen = settings(
                    max_examples=400 if MINUTES else 15, deadline=None, database=None,
                    suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
                )  # fmt: skip
                seed(next(numbers))(chosen(given(st.tuples(*strategies))(timed)))()
                round_ += 1

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return made


def said_clearly(error: PromptoptError, name: str = "") -> None:
    assert 10 < len(str(error)) < 5000
    assert name in str(error)


READERS = [
    *(readers.resolve(name) for name in ("text", "line", "number", "choice")),
    readers.resolve("number", comma=True),
    readers.resolve("number", largest=10**7),
    readers.resolve("label", ["positive", "negative", "A", "not relevant"]),
    readers.resolve("choice", ["A", "B", "C"]),
    readers.resolve("regex:(a|b)+c"),
]


@fuzzed(saids)
def test_readers_read_any_reply(said: str) -> None:
    for reader in READERS:
        found = reader(said)
        assert found is None or isinstance(found, str)
        assert found == reader(said)
    proposal = unthought(Reply(said), "prompt")
    assert isinstance(tidy(proposal.text), str)
    assert not set(visible(said)) & {"\x1b", "\0", "\u202e"}


@fuzzed(saids, saids)
def test_metrics_score_any_answer(answer: str, target: str) -> None:
    for name in ("exact", "contains", "number", "choice", "f1", "set_f1", "json", "regex"):
        for wanted in (target, "3,5", '{"a": 1}'):
            try:
                value: Any = metrics.resolve(name)(answer, Example.of(wanted, text="x"))
            except DataError:
                continue
            assert 0.0 <= (value[0] if isinstance(value, tuple) else getattr(value, "value", value)) <= 1.0


KEYS = (
    "name", "description", "labels", "metric", "answer", "max_tokens", "stop", "instruction", "editable", "parts",
    "layouts", "contract", "splits", "data", "settings", "tasks", "judge",
)  # fmt: skip
BELOW = (
    "file", "input", "target", "group", "options", "solution", "rejected", "messages", "text", "demos", "name", "hub",
    "base", "frozen", "must_contain", "max_tokens", "train", "dev", "test", "generator", "home", "sha256", "drop",
)  # fmt: skip
tables = st.dictionaries(st.sampled_from(KEYS), values | st.dictionaries(st.sampled_from(BELOW), values, max_size=4))
WHOLE = {
    "instruction": "Say {text}.", "labels": ["bad", "good"], "answer": "label",
    "data": {"file": "rows.csv", "input": "text", "target": "label"},
}  # fmt: skip
ROWS = "text,label\n" + "".join(f"item {n},{('good', 'bad')[n % 2]}\n" for n in range(40))


def toml(table: Any) -> str:
    """A table as TOML, inline; JSON's texts and numbers are TOML's too, or nearly so."""
    if isinstance(table, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {toml(value)}" for key, value in table.items()) + "}"
    if isinstance(table, list):
        return "[" + ", ".join(map(toml, table)) + "]"
    return '"null"' if table is None else json.dumps(table)


@fuzzed(tables, st.booleans(), saids)
def test_any_task_file_is_a_task_or_a_sentence(table: dict[str, Any], whole: bool, rest: str) -> None:
    chosen = {**WHOLE, **table} if whole else table
    text = "".join(f"{key} = {toml(value)}\n" for key, value in chosen.items()) + (rest if not whole else "")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "task.toml"
        (Path(folder) / "rows.csv").write_text(ROWS, encoding="utf-8")
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            task = load_task(path)
        except PromptoptError as error:
            said_clearly(error)
        else:
            task.render(task.initial, task.train[0])


@fuzzed(st.lists(st.dictionaries(st.sampled_from(["text", "label", "x"]), values, max_size=3), max_size=5), saids)
def test_any_data_file_is_read_or_refused(rows: list[dict[str, Any]], rest: str) -> None:
    lines = "\n".join(json.dumps(row) for row in rows)
    with TemporaryDirectory() as folder:
        for name, text in (
            ("a.jsonl", lines),
            ("b.json", f"[{lines}]"),
            ("c.csv", f"text,label\n{rest}"),
            ("d.tsv", rest),
        ):
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8", errors="surrogatepass")
            try:
                found = read_examples(path, Columns(input="text", target="label"))
            except PromptoptError as error:
                said_clearly(error, name)
            else:
                assert all(example.target for example in found.examples)


@fuzzed(values, st.binary(max_size=60), saids)
def test_any_answer_of_a_server_is_a_reply_or_an_outage(value: Any, raw: bytes, said: str) -> None:
    for answer in (value, {"choices": value}, {"choices": [value]}, {"choices": [{"message": value, "text": said}]},
                   {"choices": [{"message": {"content": said}, "finish_reason": said}], "usage": value}):  # fmt: skip
        if isinstance(answer, dict):
            try:
                reply = read_reply(answer, Request("x"), "tiny", "a-key-of-mine")
            except Outage:
                continue
            assert Reply.from_json(json.loads(canonical(reply.to_json()))).finish == reply.finish
    for text in (raw.decode("utf-8", "replace"), f"data: {said}\n\ndata: [DONE]\n\n", canonical(value)):
        with contextlib.suppress(Outage):
            joined_chunks(text)
        Failure.of(400, text, {"retry-after": said})
    assert "a-key-of-mine" not in masked(f"{said}a-key-of-mine{said}", ["a-key-of-mine"])


@fuzzed(saids)
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    for address in (text, f"http://{text}", f"http://{text}/v1", f"http://a:{text}/v1", f"https://[{text}]"):
        try:
            found = canonical_address(address)
        except ConfigError:
            continue
        assert canonical_address(found) == found


@fuzzed(saids, saids)
def test_any_expression_is_one_or_a_sentence(source: str, text: str) -> None:
    for expression in (source, f"({source})+", f"[{source}]{{2,9}}"):
        try:
            Regex.of(expression).search(text[:500])
        except PromptoptError as error:
            said_clearly(error)


@fuzzed(st.lists(values, min_size=1, max_size=6))
def test_any_stored_reply_is_one_or_is_asked_for_again(stored: list[Any]) -> None:
    warned: list[str] = []
    whole = Reply("fine", "stop", 1, 1, served="m").to_json()
    with TemporaryDirectory() as folder, Store(Path(folder) / "s.db") as store:
        for number, value in enumerate(stored):
            reply = {**whole, **value} if isinstance(value, dict) else value
            for offset, each in enumerate((reply, {**whole, "tokens": value}, {**whole, "usage": value})):
                store.cache.put(bytes([number, offset]) * 16, "m", "{}", canonical(each))
        store.cache.flush()
        keys = [bytes([number, offset]) * 16 for number in range(len(stored)) for offset in range(3)]
        for value in stored_replies(store.cache, keys, warned.append).values():
            Reply.from_json(value)


@fuzzed(values, values, st.sampled_from(["finished", "suspended", "running", "x", ""]))
def test_any_stored_run_is_listed_and_shown_or_is_called_damaged(result: Any, config: Any, status: str) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTOPT_HOME", folder)
        with Store() as store:
            store.begin("abc", fingerprint={"task": result}, config={"task": config, "method": status})
            store.end("abc", status=status, result={"start": result, "best": config, "gain": result, "task": status})
            store.begin("def", fingerprint={}, config={"config": config})
        for command in (
            ["runs", "list"],
            ["runs", "list", "--json"],
            ["runs", "show", "abc"],
            ["runs", "diff", "abc", "d"],
        ):
            ended = CliRunner().invoke(app, command)
            assert ended.exit_code in (0, 2), ended.output
            assert "Traceback" not in ended.output
            assert "\x1b" not in ended.output
