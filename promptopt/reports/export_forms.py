"""A prompt in the forms of other programs, so that what they send is what was measured, to the last character.

Each escapes what its templates would take for its own: braces, dollars, `{{`. What a form cannot hold is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from promptopt.errors import ConfigError
from promptopt.models.server.address import without_server
from promptopt.reports.export import Exported, Piece, identifiers, messages_of, python_of, tools_in
from promptopt.tasks.toml_text import quoted
from promptopt.types import HISTORY

Table = Mapping[str, Any]
_LANGCHAIN_CLASSES = {"system": "SystemMessagePromptTemplate", "user": "HumanMessagePromptTemplate",
          "assistant": "AIMessagePromptTemplate"}  # fmt: skip
_VALUES = frozenset(("true", "false", "none", "null"))
_OF_DSPY = re.compile(
    r"(?:answer|config|demos|fields|input_fields|instructions|lm|new_signature|output_fields|self|signature)\Z|model_|_"
)
"""Names that DSPy's predictions and signatures have for something else, or refuse."""
_PIPED = re.compile(r"(?<!\$)\$\{input\}(?![_a-zA-Z0-9])")
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_CHAT, _TEXT = ["langchain", "prompts", "chat"], ["langchain", "prompts", "prompt", "PromptTemplate"]


def as_openai(exported: Exported) -> str:
    """The body of a chat request, the inputs as they are spelt in plain text."""
    return _json_for_yaml({**_request(exported), "messages": messages_of(exported), **tools_in(exported)})


def _request(exported: Exported) -> dict[str, Any]:
    sampling = exported.sampling
    stop = {"stop": list(sampling.stop)} if sampling.stop else {}
    # `provider/name` is our spelling; the body of a request has the name alone.
    name = without_server(exported.model)
    model = name.partition("/")[2] or name
    return {"model": model, "temperature": sampling.temperature, "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens, **stop}  # fmt: skip


def as_toml(data: Mapping[str, Any]) -> str:
    """What the JSON form says, as TOML; what is null is left out. Raises ConfigError for half a surrogate pair."""
    return "".join(_toml(data, ""))


def _toml(table: Mapping[str, Any], place: str) -> list[str]:
    lines: list[str] = []
    inner: list[str] = []
    for name, value in table.items():
        key = f"{place}{_toml_string(name)}"
        if isinstance(value, Mapping):
            inner += [f"\n[{key}]\n", *_toml(cast("Table", value), f"{key}.")]
        elif _are_tables(value):
            for each in cast("list[Table]", value):
                inner += [f"\n[[{key}]]\n", *_toml(each, f"{key}.")]
        elif value is not None:
            lines.append(f"{_toml_string(name)} = {_toml_value(value)}\n")
    # The keys of a TOML table end where the first table within it begins.
    return lines + inner


def _are_tables(value: Any) -> bool:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return bool(listed) and all(isinstance(each, Mapping) for each in listed)


def _toml_value(value: Any) -> str:
    if value is None:
        raise ConfigError("a tool of the prompt has null in a list, which TOML cannot say; export it as json")
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, cast("list[object]", value))) + "]"
    if isinstance(value, Mapping):
        known = ((name, each) for name, each in cast("Table", value).items() if each is not None)
        return "{" + ", ".join(f"{_toml_string(name)} = {_toml_value(each)}" for name, each in known) + "}"
    # Numbers and booleans are spelt alike in JSON and TOML.
    return _toml_string(value) if isinstance(value, str) else json.dumps(value)


def _toml_string(text: str) -> str:
    if re.search("[\ud800-\udfff]", text):
        raise ConfigError("the prompt holds half of a surrogate pair, which TOML cannot say; export it as json")
    return quoted(text)


def as_langchain(exported: Exported) -> str:
    """What `langchain_core.load.loads` makes a ChatPromptTemplate of, or a PromptTemplate where there are no roles."""
    spelt = _input_identifiers(exported)
    if exported.pieces[0].role == "":
        return _json_for_yaml(_langchain_text(exported.pieces[0], spelt))
    # A history is a list of messages there, too.
    made = [
        {"lc": 1, "type": "constructor", "id": [*_CHAT, "MessagesPlaceholder"],
         "kwargs": {"variable_name": spelt[HISTORY]}}
        if exported.is_history(piece) else
        {"lc": 1, "type": "constructor",
         "id": [*_CHAT, _LANGCHAIN_CLASSES.get(piece.role, "ChatMessagePromptTemplate")],
         "kwargs": {"prompt": _langchain_text(piece, spelt),
                    **({} if piece.role in _LANGCHAIN_CLASSES else {"role": piece.role})}}
        for piece in exported.pieces
    ]  # fmt: skip
    return _json_for_yaml({"lc": 1, "type": "constructor", "id": [*_CHAT, "ChatPromptTemplate"],
                  "kwargs": {"input_variables": list(spelt.values()), "messages": made}})  # fmt: skip


def _langchain_text(piece: Piece, spelt: Mapping[str, str]) -> dict[str, Any]:
    template = piece.show({name: f"{{{own}}}" for name, own in spelt.items()}, _doubled)
    own = list(dict.fromkeys(spelt[name] for name in piece.inputs))
    return {"lc": 1, "type": "constructor", "id": _TEXT,
            "kwargs": {"input_variables": own, "template": template, "template_format": "f-string"}}  # fmt: skip


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def as_promptfoo(exported: Exported) -> str:
    """A promptfoo config (JSON, which its YAML reader takes) with this prompt and the model that it was measured on.

    What an input holds is promptfoo's own affair: it looks for templates in there, too.
    """
    if any(map(exported.is_history, exported.pieces)):
        raise ConfigError(
            "a variable of promptfoo is a text, and this prompt stands before the messages of a conversation; export "
            "it as openai, python or langchain, or measure it in a layout that has {history} within a message"
        )
    spelt = {name: f"{{{{{own}}}}}" for name, own in _input_identifiers(exported).items()}
    if exported.pieces[0].role == "":
        raw = exported.pieces[0].show(spelt, _unbraced)
    else:
        # Escaped before the JSON is made; of the JSON itself no two braces stand together, as it is indented.
        raw = _json_for_yaml(
            [{"role": piece.role, "content": piece.show(spelt, _unbraced)} for piece in exported.pieces]
        )
    request = _request(exported)
    model = request.pop("model")
    return _json_for_yaml({
        "description": f"promptopt prompt {exported.prompt.id}",
        "prompts": [{"id": exported.prompt.id, "label": exported.prompt.id, "raw": raw}],
        "providers": [{"id": f"openai:chat:{model}", "config": {**request, **tools_in(exported)}}],
    })  # fmt: skip


def _unbraced(text: str) -> str:
    """A text in which Nunjucks finds nothing to do: what opens a pair of marks becomes a literal, and so does `#}`.

    That one ends a comment, and is an error where none was begun, other than in Jinja.
    """
    return re.sub(r"\{(?=[{%#]|\Z)|#(?=\})", lambda found: f"{{{{ '{found[0]}' }}}}", text)


def as_llm(exported: Exported) -> str:
    """A template of the program `llm` (JSON, which its YAML reader takes). Raises ConfigError for turns it cannot hold.

    One input is `$input`, what `llm` is piped; several are parameters (`-p NAME VALUE`).
    """
    sampling = exported.sampling
    if len(sampling.stop) > 1:
        raise ConfigError(
            f"a template of llm has one stop text, and this prompt was measured with {len(sampling.stop)}; export it "
            f"as openai or python"
        )
    roles = [piece.role for piece in exported.pieces]
    if roles not in ([""], ["user"], ["system", "user"]):
        raise ConfigError(
            f"a template of llm has one system text and one prompt, and this prompt has {', '.join(roles)}; export it "
            f"as openai or python, or choose a layout without turns"
        )
    names = _input_identifiers(exported)
    # Braces keep a name apart from a word that follows. What is piped is called input, whatever else is.
    own = {
        name: "input" if len(names) == 1 else _plain_name(each, place)
        for place, (name, each) in enumerate(names.items(), 1)
    }
    spelt = {name: f"${{{each}}}" for name, each in own.items()}
    # `llm` fills its templates by `string.Template`, in which `$$` is a dollar.
    texts = [_PIPED.sub("$input", piece.show(spelt, lambda text: text.replace("$", "$$"))) for piece in exported.pieces]
    system = {"system": texts[0]} if len(texts) == 2 else {}
    options: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
    # Left out where they say nothing: not every model of llm takes them.
    options |= {"top_p": sampling.top_p} if sampling.top_p != 1.0 else {}
    options |= {"stop": sampling.stop[0]} if sampling.stop else {}
    return _json_for_yaml(
        {"name": f"promptopt-{exported.prompt.id}", **system, "prompt": texts[-1], "options": options}
    )


def _plain_name(name: str, place: int) -> str:
    """A name that `string.Template` takes, and that stands for nothing else."""
    return name if name.isascii() and name != "input" else f"input_{place}"


def as_dspy(exported: Exported) -> str:
    """A Python file with a DSPy program whose adapter sends these messages, and no others."""
    chat = exported.pieces[0].role != ""
    arguments = identifiers([f"{name.lstrip('_')}_input" if _OF_DSPY.match(name) else name for name in exported.inputs])
    sent = "messages(**inputs)" if chat else '[{"role": "user", "content": text(**inputs)}]'
    signature = json.dumps(f"{', '.join(arguments)} -> answer")
    return f'''{python_of(exported, arguments)}

import dspy  # noqa: E402


class Measured(dspy.Adapter):
    """Sends the prompt as it was measured; the whole reply is the answer."""

    def format(self, signature, demos, inputs):
        """The messages of one request."""
        return {sent}

    def parse(self, signature, completion):
        """The reply as it came."""
        return {{"answer": completion}}


class Program(dspy.Module):
    """`Program()({", ".join(f"{name}=…" for name in arguments)}).answer`, with the model of `dspy.configure`."""

    def __init__(self):
        """One prediction."""
        super().__init__()
        self.predict = dspy.Predict({signature})

    def forward(self, **inputs):
        """Ask once."""
        with dspy.context(adapter=Measured()):
            return self.predict(**inputs)
'''


def _input_identifiers(exported: Exported) -> dict[str, str]:
    """A name for each input that every template language takes."""
    # In Nunjucks and Jinja these are values.
    inputs = [f"{name}_input" if name.lower() in _VALUES else name for name in exported.inputs]
    return dict(zip(exported.inputs, identifiers(inputs), strict=True))


def _json_for_yaml(value: Any) -> str:
    """JSON that is YAML as well, whose readers refuse control characters and break lines where Unicode says so."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
