"""What a task and a candidate are made of: examples and prompts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.types.demands import Demand
from promptopt.types.identity import digest
from promptopt.types.messages import Message, content_to_json, transcript
from promptopt.types.tools import ToolResult

HISTORY = "history"
"""The field that holds a conversation as a text, and the slot that its messages stand for."""


@told
@dataclass(frozen=True, slots=True)
class Example:
    """One item of data: named input texts and the answer that is right.

    `accepted` holds further right answers (aliases); metrics take the best over all of them. `rejected` holds outputs
    that `target` is preferred to (preference data). `solution` is a worked solution that ends in the answer, where the
    data has one: what a loss is taken on instead of the bare target. `group`: a name that examples drawn together share
    (one user, one conversation, one document); they stand in one split, and count as one in a verdict. Empty: none.
    `messages`: the conversation up to the reply that is asked for, without the prompt under search. Its transcript is
    then the field `history`, the last one, unless the fields hold one already. `tools`: schemas, as JSON, of the tools
    that the reply may call; a call that is right is written in the target as `name(arguments)`. `slice`: the part of
    the data that it belongs to, which may have a number of its own; no part of what the example is. `demands`: what a
    reply has to say, to do and to leave out, for the metric `demands`. `results`: what its tools give where its user is
    played; of those that fit a call the first. `answered_by`: the role of the model that answers it, where several
    models do under one prompt; empty: the task model.
    """

    fields: tuple[tuple[str, str], ...]
    target: str = ""
    accepted: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    solution: str = ""
    group: str = ""
    messages: tuple[Message, ...] = ()
    tools: tuple[str, ...] = ()
    slice: str = field(default="", compare=False)
    source: Example | None = field(default=None, compare=False, repr=False)
    demands: tuple[Demand, ...] = ()
    results: tuple[ToolResult, ...] = ()
    answered_by: str = ""
    id: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check_pairs(self.fields, "make an example as Example.of('the answer', text='the input')")
        if self.messages and all(name != HISTORY for name, _ in self.fields):
            # Evaluators and exports that know fields alone see the conversation too.
            object.__setattr__(self, "fields", (*self.fields, (HISTORY, transcript(self.messages))))
        taught = [self.rejected, self.solution] if self.rejected or self.solution else []
        # Each only where there is one: what was stored before there were such members keeps its id.
        further = {
            "group": self.group,
            "messages": content_to_json(self.messages),
            "tools": self.tools,
            "demands": [demand.to_json() for demand in self.demands],
            "results": [result.to_json() for result in self.results],
            "answered_by": self.answered_by,
        }
        known = [{name: value} for name, value in further.items() if value]
        object.__setattr__(self, "id", digest([self.fields, self.target, self.accepted, *taught, *known]))

    @classmethod
    def of(
        cls,
        target: str = "",
        accepted: Iterable[str] = (),
        rejected: Iterable[str] = (),
        solution: str = "",
        group: str = "",
        /,
        **fields: str,
    ) -> Example:
        """`Example.of("positive", text="what a film")`."""
        for name, listed in (("accepted", accepted), ("rejected", rejected)):
            if isinstance(listed, str):
                raise ConfigError(f"Example.of: {name} is the text {listed!r}; give a list of texts")
        further = tuple(accepted), tuple(rejected)
        named = (*fields.items(), ("the target", target), ("the solution", solution), ("the group", group))
        _check_texts("Example.of", (*named, *(("one accepted", each) for listed in further for each in listed)))
        return cls(tuple(fields.items()), target, *further, solution, group)

    @classmethod
    def chat(
        cls,
        messages: Iterable[Message],
        target: str = "",
        group: str = "",
        tools: Iterable[str] = (),
        /,
        **variables: str,
    ) -> Example:
        """A scored turn of a conversation: `Example.chat([Message("user", "Where is it?")], "On its way.", "chat 7")`.

        `variables`: what fills the slots of the system prompt.
        """
        made = cls.of(target, (), (), "", group, **variables)
        given = tuple(messages)
        listed = cast("tuple[object, ...]", given)
        wrong = next((each for each in listed if not isinstance(each, Message)), None)
        if not given or wrong is not None:
            found = "no messages" if not given else f"{wrong!r} among the messages"
            raise ConfigError(f"Example.chat: found {found}; give some, as Message('user', 'Where is my order?')")
        return replace(made, messages=given, tools=tuple(tools))

    def __getitem__(self, name: str) -> str:
        for key, value in self.fields:
            if key == name:
                return value
        raise KeyError(name)

    def __hash__(self) -> int:
        # The id is worked out once; a hash over all fields would be at every look-up.
        return hash(self.id)


def _check_texts(maker: str, texts: Iterable[tuple[str, object]]) -> None:
    for name, text in texts:
        if not isinstance(text, str):
            # The text of None, or of NaN, would be taken for an answer.
            # By its text: what is missing has another name in each library, and compares with nothing.
            missing = text is None or str(text).casefold() in ("nan", "<na>", "nat")
            several = isinstance(text, list | tuple) or getattr(text, "ndim", 0)
            advice = "leave it out where there is none" if missing else f"give a text, as str({text!r})"
            if several and name == "the target":
                advice = "give one right answer, and others as a list behind it: Example.of('Paris', ['Paname'], …)"
            raise ConfigError(f"{maker}: {name} is {text!r}; {advice}")


def _check_pairs(texts: object, advice: str) -> None:
    """Raises ConfigError for a text or a table where pairs of texts are held: both could be gone through as well."""
    if isinstance(texts, str | dict):
        raise ConfigError(f"{texts!r} is given where (name, text) pairs stand; {advice}")


@told
@dataclass(frozen=True, slots=True)
class Prompt:
    """A candidate: named texts (parts) and the demonstrations shown with them.

    `texts` is sorted by part name; one part named "instruction" is the common case. `layout`: the one of its task's
    that it is read in; empty: the task's own. Equality and id are content; who made a prompt, and from which parent, is
    the run's knowledge.
    """

    texts: tuple[tuple[str, str], ...]
    demos: tuple[Example, ...] = ()
    layout: str = ""
    id: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check_pairs(self.texts, "make a prompt as Prompt.of('the instruction')")
        # Prompts with the same texts are one prompt, in whatever order the parts were given.
        object.__setattr__(self, "texts", tuple(sorted(self.texts)))
        # Only where there is one: prompts in the task's own layout keep the id that they always had.
        named = [self.layout] if self.layout else []
        object.__setattr__(self, "id", digest([self.texts, [demo.id for demo in self.demos], *named]))

    @classmethod
    def of(cls, instruction: str = "", /, demos: Iterable[Example] = (), **parts: str) -> Prompt:
        """`Prompt.of("Classify the review.", system="You are terse.")`."""
        _check_texts("Prompt.of", (("the instruction", instruction), *parts.items()))
        return cls((("instruction", instruction), *parts.items()), tuple(demos))

    def __getitem__(self, part: str) -> str:
        for name, text in self.texts:
            if name == part:
                return text
        raise KeyError(part)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, sorted."""
        return tuple(name for name, _ in self.texts)

    def replace(self, part: str, text: str) -> Prompt:
        """The same prompt with one part's text exchanged (or added)."""
        return replace(self, texts=(*((name, old) for name, old in self.texts if name != part), (part, text)))

    def with_demos(self, demos: Iterable[Example]) -> Prompt:
        """The same texts shown with other demonstrations."""
        return replace(self, demos=tuple(demos))

    def in_layout(self, name: str) -> Prompt:
        """The same prompt read in another layout of its task; empty: in the task's own."""
        return replace(self, layout=name)

    def __hash__(self) -> int:
        return hash(self.id)
