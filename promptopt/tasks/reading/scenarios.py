"""Scenarios of simulated users: a row each, to the examples that `evaluators.simulated` plays.

`goal` says what the user wants. `facts`: what they know and tell when asked. `persona`: who they are and how they
write. `ends`: when they leave. `opening`: their first message, word for word. `target`: what a good end is, for the
judge or a metric. `group`, `slice`: as of any example. What the prompt's variables stand for is named by variable.
`tools`: schemas of those on offer; `results`: what they give (`tasks.tool_results`). `demands`: as of a logged reply,
of what the assistant says and calls in all turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.demands import demands_of, shortened_repr
from promptopt.tasks.reading.row_numbers import where_is
from promptopt.tasks.tool_results import checked_tools, results_of
from promptopt.text import counted
from promptopt.types import HISTORY, Example, Message, tool_names

SCENARIO_PARTS = ("persona", "goal", "facts", "ends")
"""What the one who plays the user is told, in this order."""
_OTHER_FIELDS = ("opening", "target", "group", "slice", "tools", "results", "demands", "id")


def scenario(
    goal: str,
    *,
    facts: str = "",
    persona: str = "",
    ends: str = "",
    opening: str = "",
    target: str = "",
    group: str = "",
    tools: Sequence[object] = (),
    results: Sequence[object] = (),
    **variables: str,
) -> Example:
    """One scenario as an example; its text is what stands in the place of the conversation until it is played.

    `tools`: schemas of those on offer, as objects or as JSON. `results`: what they give, each a table of `calls`,
    `gives`, and `with` where it is for some arguments alone. `variables`: what fills the slots of the system prompt.
    Raises ConfigError without a goal, DataError for what is no tool and no result.
    """
    if not goal.strip():
        raise ConfigError("a scenario has no goal; say what the user wants, as scenario('cancel order 17')")
    told = {"persona": persona, "goal": goal, "facts": facts, "ends": ends}
    text = "\n".join(_titled(name, told[name].strip()) for name in SCENARIO_PARTS if told[name].strip())
    begun = (Message("user", opening.strip()),) if opening.strip() else ()
    offered = checked_tools(tools, "scenario: tools")
    given = results_of(results, offered, "scenario: results")
    # The last one, as in every example of a conversation.
    fields = (*variables.items(), (HISTORY, text))
    return Example(fields, target, group=group, messages=begun, tools=offered, results=given)


def read_scenarios(
    path: Path,
    rows: Iterable[Mapping[str, object]],
    variables: Sequence[str],
    tools: Sequence[object] = (),
    results: Sequence[object] = (),
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """The scenarios in a file, and what a user should know.

    `tools`, `results`: of all of them, behind their own. Raises DataError for a row without a goal or one of the
    variables, for what is no tool and no result, and for what demands nothing.
    """
    found: dict[Example, None] = {}
    unknown: dict[str, None] = {}
    rows_read = 0
    for number, row in enumerate(rows, start=1):
        rows_read += 1
        texts = {name: _value_as_text(value) for name, value in row.items()}
        for name in ("goal", *variables):
            if not texts.get(name, "").strip():
                raise DataError(
                    f"{where_is(path, number)}: the scenario has no {name!r}; write it there, or remove the row "
                    f"(it has {', '.join(row) if row else 'nothing'})"
                )
        # What it is sent word for word: a list of parts, which may hold an image, would be sent as it is spelt.
        if isinstance(row.get("opening"), Mapping | list):
            raise DataError(
                f"{where_is(path, number)}: the opening is {shortened_repr(row['opening'])}; write the user's first "
                f"message as a text (images, sounds and files are not read)"
            )
        unknown.update(dict.fromkeys(name for name in row if name not in (*SCENARIO_PARTS, *_OTHER_FIELDS, *variables)))
        made = scenario(
            **{name: texts.get(name, "") for name in (*SCENARIO_PARTS, "opening", "target", "group")},
            **{name: texts[name] for name in variables},
        )
        where = where_is(path, number)
        made = replace(made, demands=demands_of(row.get("demands"), where))
        # Equal scenarios are one: twice in a split they would count twice.
        found.setdefault(replace(_equipped(made, row, tools, results, where), slice=texts.get("slice", "")))
    said = _silent(path, found)
    if unknown:
        said.append(
            f"{path.name}: {', '.join(map(repr, unknown))} of the scenarios is read by nobody; a scenario has "
            f"{', '.join((*SCENARIO_PARTS, *_OTHER_FIELDS[:-1]))}, and what [simulation] variables names"
        )
    if len(found) < rows_read:
        said.append(f"{path.name}: {counted(rows_read - len(found), 'scenario')} left out that is there twice")
    return tuple(found), tuple(said)


def _equipped(
    made: Example, row: Mapping[str, object], tools: Sequence[object], results: Sequence[object], where: str
) -> Example:
    """The scenario with its own tools and results, and behind them those of all."""
    own, common = checked_tools(row.get("tools"), where), checked_tools(tools, "[simulation] tools")
    offered = (*own, *(tool for tool in common if tool not in own))
    # Together, so that two of one name are found.
    checked_tools(offered, where)
    given = results_of(row.get("results"), offered, where)
    shared = results_of(results, offered, "[simulation] results") if results else ()
    return replace(made, tools=offered, results=(*given, *shared))


def _silent(path: Path, examples: Iterable[Example]) -> list[str]:
    """A sentence where tools are on offer and nothing says what they give."""
    counts: dict[str, int] = {}
    for example in examples:
        given = {result.tool for result in example.results}
        for name in tool_names(example.tools):
            counts[name] = counts.get(name, 0) + (name not in given)
    return [
        f"{path.name}: in {counted(count, 'scenario')} no result says what the tool {name!r} gives, so each call of it "
        f"is told that there is none; write one under results, without `with` for all calls"
        for name, count in counts.items()
        if count
    ]


def check_variables(path: Path, variables: Sequence[str]) -> None:
    """Raise ConfigError where a variable has the name of something else in a scenario."""
    taken = next((name for name in variables if name in (*SCENARIO_PARTS, *_OTHER_FIELDS, HISTORY)), None)
    if taken is not None:
        raise ConfigError(
            f"{path}: [simulation] variables names {taken!r}, which the assistant is not to know; rename the variable "
            f"in the prompt and in the scenarios"
        )


def _titled(name: str, text: str) -> str:
    return f"{name}:\n{text}" if "\n" in text or text.startswith("- ") else f"{name}: {text}"


def _value_as_text(value: object) -> str:
    """A value as a text: lists and tables an entry a line."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "\n".join(
            f"- {key}: {_value_as_text(each)}" for key, each in cast("Mapping[str, object]", value).items()
        )
    if isinstance(value, list):
        return "\n".join(f"- {_value_as_text(each)}" for each in cast("list[object]", value))
    return str(value)
