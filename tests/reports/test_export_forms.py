"""Exports for other programs: each is loaded by the real one, where it is there, and gives what was scored."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.reports.export import Format, export, export_of, format_for
from promptopt.reports.export_forms import as_toml
from promptopt.tasks.layout import Layout, Turns
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Prompt, Sampling
from tests.servers import FakeServer, reply

CHAT = Layout("chat", messages=(("system", "{instruction}"), ("user", "{demos}{name}: {text}\nAnswer:")),
              demo="{name}: {text}\nAnswer: {target}\n\n")  # fmt: skip
TEXT = Layout("text", text="{name} says {text}. {instruction}\nAnswer:")
ONE = Layout("one", messages=(("user", "{instruction}\n\n{text} for {name}{name}\n"),))
TURNS = Layout("turns", messages=CHAT.messages, demos=Turns())
EXAMPLES = tuple(Example.of(("yes", "no")[n % 2], text=f"text {n}", name=f"name {n}") for n in range(60))
NASTY = (
    "Mind $input ${name} $$5, {text}-like {braces} {{double}} {% raw %} {# no #} \"quotes\", '''x''', \\n, <b>&amp; "
    "\u05e9\u05dc {"
)
INPUTS = [("plain", "Ann"), (NASTY, "{{text}}"), ("", "line\nbreak ${x}"), ("{% if %}", "$name")]
Render = Callable[[str], Callable[[str, str], Any]]


@pytest.fixture(scope="module")
def task() -> Task:
    return Task.from_examples(EXAMPLES, prompt=Prompt.of("Say."), labels=["yes", "no"], layout=[CHAT, TEXT, ONE, TURNS])


def sent(content: Content) -> Any:
    return content if isinstance(content, str) else [{"role": m.role, "content": m.content} for m in content]


def holds(task: Task, form: Format, layout: str, load: Render, *, plain: Callable[[str], Any] = str) -> None:
    """The export, rendered by its own program for several inputs, gives to the last character what the model reads."""
    laid_out = task.with_layout(layout)
    demos = [EXAMPLES[0], Example.of("no", text="a {text} $text", name="{{b}}")] if layout in ("chat", "turns") else []
    for text in ("Say yes or no.", NASTY):
        prompt = task.initial.replace("instruction", text).with_demos(demos)
        exported = export_of(laid_out, prompt, "openai/small")
        render = load(export(exported, form))
        for value, name in INPUTS:
            content = sent(laid_out.render(prompt, Example.of("", text=value, name=name))[0])
            assert render(value, name) == (plain(content) if isinstance(content, str) else content)


def as_user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["chat", "text", "one", "turns"])
def test_dspy_sends_what_was_measured(task: Task, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    peers = "/tmp/promptopt-peers/lib/python3.11/site-packages"
    if Path(peers).is_dir():
        monkeypatch.setattr(sys, "path", [*sys.path, peers])
    dspy = pytest.importorskip("dspy", reason="needs dspy", exc_type=ImportError)
    asked: list[Any] = []

    class Model(dspy.BaseLM):
        def __call__(self, prompt: Any = None, messages: Any = None, **_: Any) -> list[str]:
            asked.append(messages)
            return ["yes"]

    def load(text: str) -> Callable[[str, str], Any]:
        space: dict[str, Any] = {}
        exec(compile(text, "exported", "exec"), space)

        def render(value: str, name: str) -> Any:
            with dspy.context(lm=Model("stub")):
                assert space["Program"]()(text=value, name=name).answer == "yes"
            return asked[-1]

        return render

    holds(task, "dspy", layout, load, plain=as_user)


@pytest.mark.parametrize("layout", ["chat", "text", "one", "turns"])
@pytest.mark.filterwarnings("ignore")
def test_langchain_loads_what_was_measured(task: Task, layout: str) -> None:
    loads = pytest.importorskip("langchain_core.load", reason="needs langchain-core").loads
    roles = {"system": "system", "human": "user", "ai": "assistant"}

    def load(text: str) -> Callable[[str, str], Any]:
        template = loads(text)

        def render(value: str, name: str) -> Any:
            made = template.invoke({"text": value, "name": name})
            if layout == "text":
                return made.to_string()
            return [{"role": roles[each.type], "content": each.content} for each in made.to_messages()]

        return render

    holds(task, "langchain", layout, load)


@pytest.mark.slow
def test_the_real_promptfoo_sends_what_was_measured(task: Task, tmp_path: Path) -> None:
    """Inputs in which it finds templates of its own are left out: it fills in inputs too, whatever the prompt."""
    promptfoo = shutil.which("promptfoo")
    if promptfoo is None:
        pytest.skip("needs promptfoo (npm install -g promptfoo)")
    inputs = [
        ("plain", "Ann"),
        ("", "line\nbreak ${x}"),
        ('{a} # b %} $1 "q" \\n <b> \u05e9\u05dc', "it's $name"),
        ("{", "}"),
    ]
    (tmp_path / "tests.json").write_text(json.dumps([{"vars": {"text": text, "name": name}} for text, name in inputs]))
    files, wanted = list[str](), list[Any]()
    for layout in ("chat", "text", "one", "turns"):
        laid_out = task.with_layout(layout)
        demos = [EXAMPLES[0], Example.of("no", text="a {text} $text", name="{{b}}")] if layout == "turns" else []
        for number, text in enumerate(("Say yes or no.", NASTY, "{{{#}}} {#} {%- -%} {{- x -}} {{{{ {% raw %} #")):
            prompt = task.initial.replace("instruction", text).with_demos(demos)
            files.append(str(tmp_path / f"{layout}{number}.json"))
            Path(files[-1]).write_text(export(export_of(laid_out, prompt, "openai/small"), "promptfoo"))
            read = [laid_out.render(prompt, Example.of("", text=each, name=name))[0] for each, name in inputs]
            wanted += [as_user(each) if isinstance(each, str) else sent(each) for each in read]
    with FakeServer(lambda _: reply("yes")) as server:
        told = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": server.url, "PROMPTFOO_CONFIG_DIR": str(tmp_path)}
        quiet = {f"PROMPTFOO_DISABLE_{name}": "1" for name in ("TELEMETRY", "UPDATE", "REMOTE_GENERATION")}
        subprocess.run(
            [promptfoo, "eval", "-c", *files, "-t", str(tmp_path / "tests.json"), "--no-cache", "--no-write"],
            cwd=tmp_path, env={**os.environ, **told, **quiet}, check=False, capture_output=True, timeout=120,
        )  # fmt: skip
        got = [json.dumps(asked.payload["messages"]) for asked in server.asked]
    assert sorted(got) == sorted(map(json.dumps, wanted))


@pytest.mark.parametrize("layout", ["chat", "text", "one", "turns"])
def test_promptfoo_renders_what_was_measured(task: Task, layout: str) -> None:
    """By Jinja, which reads what is used here as Nunjucks does; promptfoo itself is a program of Node."""
    jinja2 = pytest.importorskip("jinja2", reason="needs the extra `report`")
    environment = jinja2.Environment(keep_trailing_newline=True)

    def load(text: str) -> Callable[[str, str], Any]:
        config = json.loads(text)
        assert config["providers"][0]["id"] == "openai:chat:small"
        raw = config["prompts"][0]["raw"]

        def render(value: str, name: str) -> Any:
            def filled(template: str) -> str:
                return environment.from_string(template).render(text=value, name=name)

            if layout == "text":
                return filled(raw)
            return [{**each, "content": filled(each["content"])} for each in json.loads(raw)]

        return render

    holds(task, "promptfoo", layout, load)


@pytest.mark.parametrize("layout", ["text", "one", "system"])
@pytest.mark.filterwarnings("ignore")
def test_llm_evaluates_what_was_measured(task: Task, layout: str) -> None:
    template = pytest.importorskip("llm.templates", reason="needs llm").Template
    if layout == "system":
        own = Layout("system", messages=(("system", "{instruction}"), ("user", "{name}: {text}")))
        task = Task.from_examples(EXAMPLES, prompt=Prompt.of("Say."), labels=["yes", "no"], layout=[own])

    def load(text: str) -> Callable[[str, str], Any]:
        made = template(**json.loads(text))

        def render(value: str, name: str) -> Any:
            prompt, system = made.evaluate("", {"text": value, "name": name})
            if layout == "text":
                return prompt
            return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": prompt}]

        return render

    holds(task, "llm", layout, load)


def test_llm_takes_its_one_input_as_it_is_piped_and_refuses_turns(task: Task) -> None:
    single = Task.from_examples([Example.of("yes", text=f"t {n}") for n in range(40)], prompt="Costs $5.", name="t",
                                metric="exact")  # fmt: skip
    written = json.loads(export(export_of(single, single.initial), "llm"))
    assert written["prompt"] == "Costs $$5.\n\nText: $input\nAnswer:"
    shown = task.initial.with_demos([EXAMPLES[0]])
    with pytest.raises(ConfigError, match="export it as openai or python"):
        export(export_of(task.with_layout("turns"), shown), "llm")


@pytest.mark.parametrize("layout", ["chat", "one", "turns"])
def test_openai_takes_the_body_as_it_is(task: Task, layout: str) -> None:
    from openai.types.chat import completion_create_params
    from pydantic import TypeAdapter

    def load(text: str) -> Callable[[str, str], Any]:
        body = json.loads(text)
        TypeAdapter(completion_create_params.CompletionCreateParamsNonStreaming).validate_python(body)
        assert body["model"] == "small"

        def render(value: str, name: str) -> Any:
            spelt = dict(zip(marks(body), (value, name), strict=True))
            return [{**each, "content": filled(each["content"], spelt)} for each in body["messages"]]

        return render

    def marks(body: Any) -> list[str]:
        last = body["messages"][-1]["content"]
        return [next(mark for mark in (f"{{{name}{'_' * more}}}" for more in (2, 1, 0)) if mark in last)
                for name in ("text", "name")]  # fmt: skip

    def filled(text: str, spelt: dict[str, str]) -> str:
        import re

        return re.sub("|".join(map(re.escape, spelt)), lambda found: spelt[found[0]], text)

    holds(task, "openai", layout, load)


@pytest.mark.parametrize("layout", ["chat", "text", "turns"])
def test_toml_says_what_json_says(task: Task, layout: str) -> None:
    prompt = task.initial.replace("instruction", NASTY + "\x7f\x00\t").with_demos(
        [EXAMPLES[0]] if layout != "text" else []
    )
    exported = export_of(task.with_layout(layout), prompt, "openai/small")
    written = json.loads(export(exported, "json"))
    found = tomllib.loads(export(exported, "toml"))
    assert found == {name: value for name, value in written.items() if value is not None}
    half = export_of(task.with_layout("text"), task.initial.replace("instruction", "half \ud83d"))
    with pytest.raises(ConfigError, match="export it as json"):
        export(half, "toml")


def test_toml_holds_schemas_of_tools_and_refuses_null_in_a_list() -> None:
    kind: Any = {"anyOf": [{"type": "string"}, {"enum": [1, {"of": [{"deep": True}, "x"]}]}], "prefixItems": [[], [{}]]}
    held: Any = {"tools": [{"name": "find", "parameters": kind}], "text": None}
    assert tomllib.loads(as_toml(held)) == {"tools": held["tools"]}
    with pytest.raises(ConfigError, match=r"null in a list.*export it as json"):
        as_toml({"tools": [{"enum": ["a", None]}]})


def test_llm_is_told_how_the_prompt_was_sampled_and_refuses_several_stop_texts(task: Task) -> None:
    def options(**settings: Any) -> Any:
        sampled = replace(task.with_layout("one"), sampling=Sampling(max_tokens=9, **settings))
        return json.loads(export(export_of(sampled, task.initial), "llm"))["options"]

    plain = {"temperature": 0.0, "max_tokens": 9}
    assert options() == plain
    assert options(top_p=0.5, stop=("\n",)) == {**plain, "top_p": 0.5, "stop": "\n"}
    with pytest.raises(ConfigError, match="measured with 2; export it as openai"):
        options(stop=("a", "b"))


def test_text_is_another_name_and_an_unknown_form_names_them_all() -> None:
    assert (format_for(None, "text"), format_for(Path("x.toml"), None)) == ("txt", "toml")
    with pytest.raises(ConfigError, match="langchain, promptfoo, llm"):
        format_for(None, "yaml")
