"""Lines, intervals and trees as numbers that a template draws in SVG; nothing here writes markup."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 30
"""Pixels that a chart leaves for its numbers."""
NARROW = 1e-9
"""A range that is no wider is a point."""
POINTS = 300
"""Points of a line that are drawn at most: more are not told apart."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A number beside an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class PlottedLine:
    """One series: `path` as SVG's polyline takes it, `end` its last point. `colour`: an index into the palette."""

    name: str
    path: str
    end: tuple[float, float]
    colour: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Series on one pair of axes."""

    title: str
    lines: tuple[PlottedLine, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class Series:
    """A line before it is drawn; points in order of x."""

    name: str
    points: tuple[tuple[float, float], ...]
    colour: int = 0


def chart(title: str, series: Sequence[Series], *, room: float = 1.0) -> Chart | None:
    """Scale the series to one chart, level between their points; None where no one has a point.

    `room`: how far the axis goes, in lengths of the longest series.
    """
    known = [point for each in series for point in each.points]
    if not known:
        return None
    far = room * max(x for x, _ in known)
    low, high = _range([y for _, y in known])
    span = far if far > NARROW else 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / span
        return round(across, 1), round(TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / (high - low), 1)

    lines = [_line(each, place) for each in series if each.points]
    across = tuple(Tick(place(x, low)[0], short(x)) for x in _ticks(0.0, span))
    up = tuple(Tick(place(0.0, y)[1], f"{y:.3g}") for y in _ticks(low, high))
    return Chart(title, tuple(lines), across, up)


def _line(series: Series, place: Callable[[float, float], tuple[float, float]]) -> PlottedLine:
    every = max(1, math.ceil(len(series.points) / POINTS))
    # The last point always, since a chart names its line there.
    chosen = [*series.points[:-1:every], series.points[-1]]
    drawn: list[tuple[float, float]] = []
    for x, y in chosen:
        if drawn:
            # Level up to the next point: a score that was not measured in between is not drawn.
            drawn.append((place(x, y)[0], drawn[-1][1]))
        drawn.append(place(x, y))
    return PlottedLine(series.name, " ".join(f"{x:g},{y:g}" for x, y in drawn), drawn[-1], series.colour)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) if high - low > NARROW else 0.05
    # Shares stay shares.
    floor, ceiling = (0.0, 1.0) if low >= 0.0 and high <= 1.0 else (-math.inf, math.inf)
    return max(floor, low - margin), min(ceiling, high + margin)


def _ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers between the ends: steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    # A thousandth less, for the rounding of floats.
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * 0.999)
    # So that an end which is itself a round number has its tick.
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def short(value: float) -> str:
    """`1.5M`, `20k`, `0.02`: as an axis has room for."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A score and its interval, in pixels from the left of a track that is `TRACK` wide."""

    low: float
    middle: float
    high: float


TRACK = 240


def bars(rows: Sequence[tuple[float, float, float]]) -> list[Bar]:
    """(low, mean, high) of each row on one scale: from 0 to 1 where all lie there."""
    ends = [end for row in rows for end in row if math.isfinite(end)]
    if not ends:
        return []
    low, high = (0.0, 1.0) if min(ends) >= 0.0 and max(ends) <= 1.0 else (min(ends), max(ends))
    span = high - low if high > low else 1.0
    # An end that is unknown is NaN, and is drawn at the edge of the track.
    kept = [[min(high, max(low, end)) for end in row] for row in rows]
    return [Bar(*(round(TRACK * (end - low) / span, 1) for end in row)) for row in kept]


@dataclass(frozen=True, slots=True)
class PlottedNode:
    """A candidate of the tree, in pixels. `scored`: whether it has a score; else it stands on the lowest line."""

    number: int
    x: float
    y: float
    scored: bool
    lit: bool
    label: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """From a parent to a child."""

    path: str
    lit: bool


@dataclass(frozen=True, slots=True)
class PlottedTree:
    """All candidates: left to right as they came up, higher where they scored higher; lit: from start to winner."""

    nodes: tuple[PlottedNode, ...]
    edges: tuple[Edge, ...]
    up: tuple[Tick, ...]
    width: int
    height: int
    radius: float


TREE_WIDTH, TREE_HEIGHT = 1080, 420
LABELLED = 24
"""Candidates up to which each has its number beside it."""


def tree(scores: Sequence[float | None], parents: Sequence[Sequence[int]], lit: Sequence[int]) -> PlottedTree:
    """`scores`, `parents` (places in the same order): one entry for each candidate. `lit`: those on the way."""
    known = [score for score in scores if score is not None]
    low, high = _range(known) if known else (0.0, 1.0)
    count, bright = len(scores), set(lit)
    floor = TREE_HEIGHT - BOTTOM

    def place(index: int) -> tuple[float, float]:
        x = LEFT + 14 + (TREE_WIDTH - LEFT - RIGHT - 28) * (index / (count - 1) if count > 1 else 0.0)
        score = scores[index]
        y = floor + 16 if score is None else TOP + (floor - TOP) * (high - score) / (high - low)
        return round(x, 1), round(y, 1)

    nodes = tuple(
        PlottedNode(
            index, *place(index), scores[index] is not None, index in bright, str(index) if count <= LABELLED else ""
        )
        for index in range(count)
    )
    edges = [_edge(nodes[parent], nodes[child], parent in bright and child in bright)
             for child in range(count) for parent in parents[child]]  # fmt: skip
    up = tuple(Tick(round(TOP + (floor - TOP) * (high - y) / (high - low), 1), f"{y:.3g}") for y in _ticks(low, high))
    return PlottedTree(nodes, tuple(edges), up, TREE_WIDTH, TREE_HEIGHT + 10, 6.0 if count <= 60 else 3.0)


def _edge(parent: PlottedNode, child: PlottedNode, lit: bool) -> Edge:
    bend = (child.x - parent.x) / 2
    path = f"M{parent.x:g} {parent.y:g}C{parent.x + bend:g} {parent.y:g} {child.x - bend:g} {child.y:g} "
    return Edge(f"{path}{child.x:g} {child.y:g}", lit)
