"""`--set a=1 b=2`: the parser takes one value for each option, and whoever writes several means all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

SET = "--set"
_SETTING = re.compile(r"[A-Za-z_][\w.]*=")


def take_settings_in_a_row(command: Any) -> None:
    """Have the command, and those under it, take what stands behind a setting and looks like one as one more."""
    for each in getattr(command, "commands", {}).values():
        take_settings_in_a_row(each)
    if not any(SET in each.opts for each in command.params):
        return
    parse = command.parse_args

    def parse_args(ctx: Any, args: list[str]) -> Any:
        return parse(ctx, each_with_its_option(args))

    command.parse_args = parse_args


def each_with_its_option(args: Sequence[str]) -> list[str]:
    """The arguments with `--set` before every setting of a row of them; what stands behind `--` is left alone."""
    found: list[str] = []
    begun = False
    for place, argument in enumerate(args):
        if argument == "--":
            return [*found, *args[place:]]
        is_value = bool(found) and found[-1] == SET
        if begun and not is_value and _SETTING.match(argument):
            found.append(SET)
        elif not is_value:
            begun = argument == SET or argument.startswith(f"{SET}=")
        found.append(argument)
    return found
