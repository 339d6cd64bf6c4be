"""An option whose one value may name several, given twice: the parser takes the last, and both may be meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from promptopt.cli.output import say

_LISTS_VALUES = re.compile(r"\b[A-Z]\w*,[A-Z]")
"""How the help of an option shows that its value may name several."""


def tell_twice(command: Any) -> None:
    """Have the command, and those under it, warn of such an option that is given two different values.

    No refusal: whoever adds to an alias of the shell means the last. Of options that take one value alone everybody
    knows that the last counts.
    """
    for each in getattr(command, "commands", {}).values():
        tell_twice(each)
    parse = command.parse_args

    def parse_args(ctx: Any, args: list[str]) -> Any:
        # Not while a shell completes the line.
        if not ctx.resilient_parsing:
            _check_options(command.params, args)
        return parse(ctx, args)

    command.parse_args = parse_args


def _check_options(parameters: Sequence[Any], args: Sequence[str]) -> None:
    options = {name for each in parameters if _is_meant(each) for name in each.opts}
    found: dict[str, str] = {}
    for place, argument in enumerate(args):
        if argument == "--":
            break
        name, attached, value = argument.partition("=")
        if name not in options:
            continue
        value = value if attached else "".join(args[place + 1 : place + 2])
        if found.setdefault(name, value) != value:
            say(
                f"warning: {name} is given twice, with {found[name]!r} and {value!r}; the last counts; to name both, "
                f"write one option with a comma between"
            )
            found[name] = value


def _is_meant(parameter: Any) -> bool:
    takes_one = not (parameter.multiple or getattr(parameter, "is_flag", False) or getattr(parameter, "count", False))
    return takes_one and _LISTS_VALUES.search(f"{parameter.help} {parameter.metavar}") is not None
