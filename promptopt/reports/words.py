"""Numbers as a person reads them, the same in the live table, the summary and every list."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from promptopt.text import dollars as dollars
from promptopt.text import two_digits


def score(value: float | None) -> str:
    """Three decimals; "-" where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def difference(value: float) -> str:
    """Signed, three decimals; never "-0.000"."""
    # -0.0 + 0.0 is 0.0.
    return f"{round(value, 3) + 0.0:+.3f}"


def count(value: int | None) -> str:
    """With separators at the thousands; "-" where there is none."""
    return "-" if value is None else f"{value:,}"


def rounded(value: float | None) -> str:
    """The nearest whole number, with separators; "-" where there is none."""
    return count(None if value is None else round(value))


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def roughly(seconds: float) -> str:
    """`about 40 seconds`, `about 6 minutes`, `about 2 hours`: no more digits than a guess has."""
    # Below two minutes a number of minutes says less than one of seconds.
    if seconds < 90:
        return f"about {max(10, 10 * math.ceil(seconds / 10)):,} seconds"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60):,} minutes"
    hours = seconds / 3600
    return f"about {hours:.1f} hours".replace(".0 ", " ") if hours < 10 else f"about {round(hours):,} hours"


def size(octets: int) -> str:
    """`1.1 GB`, `94 MB`, `12 kB`: decimal units, as download pages give them."""
    for unit, name in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")):
        if octets >= unit:
            number = octets / unit
            return f"{number:.1f} {name}" if number < 10 else f"{number:.0f} {name}"
    return f"{octets} B"


def p_value(value: float) -> str:
    """`p = 0.012`: two digits that say something, and no exponents."""
    if value < 1e-6:
        return "p < 0.000001"
    if value >= 0.1:
        return f"p = {value:.2f}"
    return f"p = {value:.{two_digits(value)}f}"


def p_cell(value: float) -> str:
    """The same under a heading that says `p`: `0.012`, or `< 0.000001`."""
    return p_value(value).removeprefix("p ").removeprefix("= ")


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "") -> str:
    r"""Rows of cells as aligned lines; the columns numbered in `right` end on one edge, as numbers should.

    A line break in a cell is shown as `\n`: what a file or a model is called must not begin a line of its own.
    """
    rows = [[cell.replace("\n", "\\n") for cell in row] for row in rows]
    widths = [
        max(len(row[place]) for row in rows if place < len(row)) for place in range(max(map(len, rows), default=0))
    ]
    lines: list[str] = []
    for row in rows:
        cells = [
            cell.rjust(widths[place]) if place in right else cell.ljust(widths[place]) for place, cell in enumerate(row)
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def members(gains: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Rows of a table, with a heading, of the JSON of `MemberGain`s; none where there is none."""
    rows = [
        [each["task"], points(each["mean"]), " to ".join(map(points, each["ci95"])), count(each["n"]), _remarks(each)]
        for each in gains
    ]
    return [["task", "points", "95 % interval", "examples", ""], *rows] if rows else []


def smallest(found: Mapping[str, Any]) -> str:
    """The smallest gain over several tasks, of the JSON of a `SmallestGain`: with its task, interval and chance."""
    low, high = ("unknown" if end is None else difference(end) for end in found["interval"])
    level = f"{100 * (1 - found['alpha']):.4g} %"
    return (
        f"the smallest gain is {difference(found['mean'])}, on {found['task']} ({level} interval {low} to {high}, "
        f"{p_value(found['p_value'])} by Holm's correction)"
    )


def _remarks(member: Mapping[str, Any]) -> str:
    before, after = member.get("unreadable", (0, 0))
    unread = f"unreadable: {before} of the start's replies, {after} of the winner's" if before or after else ""
    return "; ".join(said for said in (_claim(member), _floor(member), unread) if said)


def _claim(member: Mapping[str, Any]) -> str:
    """What is sure of one of several tasks, whose intervals are each of that task alone."""
    # Older results do not say it.
    claim = member.get("claim")
    if claim:
        return f"{claim}, sure among all tasks"
    low, high = member["ci95"]
    apart = (low is not None and low > 0) or (high is not None and high < 0)
    return "may be chance, as one of several tasks" if claim == "" and apart else ""


def _floor(member: Mapping[str, Any]) -> str:
    floor = member["floor"]
    if floor is None:
        return ""
    if floor["held"] == "undecided":
        return f"its floor of {100 * floor['loss']:g} points is not decided: a judge says {floor['bound']}"
    return f"its floor of {100 * floor['loss']:g} points is {floor['held']} (one-sided 95 %: {floor['bound']})"


def points(value: float | None) -> str:
    """A difference in points of a hundred, with its sign; where nothing bounds it, "unknown"."""
    return "unknown" if value is None else f"{100 * value:+.1f}"


def block(text: str, indent: str = "    ") -> str:
    """A text set off from the left, every line of it; control characters shown, so that none moves the cursor."""
    if not text.strip():
        return f"{indent}(empty)"
    shown = "".join(letter if letter.isprintable() or letter in "\n\t" else f"\\x{ord(letter):02x}" for letter in text)
    return "\n".join((indent + line).rstrip() for line in shown.split("\n"))


def shortened(text: str, limit: int = 40) -> str:
    """What something is called, for a cell of a table: of a long name the middle gives way; its ends tell it apart."""
    flat = one_line(text, max(limit, len(text)))
    head = limit // 2
    return flat if len(flat) <= limit else f"{flat[:head]}…{flat[len(flat) - (limit - head - 1) :]}"


def one_line(text: str, limit: int = 60) -> str:
    """A text on one line, cut with an ellipsis where it is longer than `limit` characters."""
    flat = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"
