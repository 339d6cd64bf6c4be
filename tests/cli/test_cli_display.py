"""The live table in a fake terminal of 80 columns, the plain lines, and the numbers in them."""

from __future__ import annotations

import io
import re
import threading
from dataclasses import replace
from typing import Any, cast

import pytest
from rich.console import Console

from promptopt.cli.display import Lines, Quiet, display
from promptopt.cli.live_table import Live, broken_lines, rows
from promptopt.cli.progress import done, time_left
from promptopt.cli.run_words import smallest_gain_line
from promptopt.reports import words
from promptopt.run.budget import Allocation, Ledger, Limits
from promptopt.run.events import PhaseBegun, Planned, Snapshot, StepDone, Warned
from promptopt.stats import DISAGREEMENT
from promptopt.stats.power import smallest_detectable
from promptopt.types import Estimate, Prompt

START, BEST = Prompt.of("Say it."), Prompt.of("Say it well.")
SPENT = Ledger(1_204, 1_300, 96, 80_000, 3_211, 0.0123)
PLAN = Allocation(3, 100, 200, Ledger(), Limits(), Limits())


def snapshot(
    limits: Limits | None = None, paid: Ledger = SPENT, phase: str = "search", seconds: float = 60.0
) -> Snapshot:
    caps = Limits(evaluations=2_000, usd=0.05) if limits is None else limits
    return Snapshot(phase, 3, Estimate(BEST, 0.74, 128), Estimate(START, 0.61, 64), SPENT, paid, caps, seconds)


class FakeRun:
    def __init__(self, state: Snapshot) -> None:
        self.state = state

    def snapshot(self) -> Snapshot:
        return self.state


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_table_fits_eighty_columns_and_says_everything() -> None:
    screen = Terminal()
    live = Live("promptopt optimize: mood", Console(file=screen, width=80, force_terminal=True, color_system=None))
    live.watch(cast("Any", FakeRun(snapshot())))
    Console(file=screen, width=80, color_system=None).print(live.table())
    text = screen.getvalue()
    assert all(len(line) <= 80 for line in text.splitlines())
    for expected in (
        "promptopt optimize: mood",
        "0.740 on 128 examples (the start: 0.610 on 64)",
        "step 3 of the search",
        "1,204 of at most 2,000",
        "60 %",
        "$0.0123 of at most $0.0500",
        "83,211",
        "1 min 00 s, about 40 seconds left",
        "1,387 tokens a second, 1,300 new calls answered",
    ):
        assert expected in text


def test_before_the_run_the_table_says_so() -> None:
    screen = io.StringIO()
    Console(file=screen, width=80).print(Live("x", Console(file=screen)).table())
    assert "getting the task and the model ready" in screen.getvalue()


def test_a_terminal_gets_the_live_table_and_keeps_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    screen = Terminal()
    with display("mood", quiet=False, minutes=None, stream=screen) as shown:
        assert isinstance(shown, Live)
        shown.watch(cast("Any", FakeRun(snapshot())))
        shown(Planned("abc123", PLAN, 0.09, 12))
        shown(Warned("a [bold] warning"))
    assert "run abc123" in screen.getvalue()
    assert "warning: a [bold] warning" in screen.getvalue()


def test_a_terminal_that_cannot_go_up_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with display("mood", quiet=False, minutes=None, stream=Terminal()) as shown:
        assert isinstance(shown, Lines)


def test_a_run_that_was_finished_before_does_not_go_on() -> None:
    lines: list[str] = []
    Lines(lines.append)(Planned("abc123", PLAN, 0.09, 1, finished=True))
    assert (
        lines[-1] == "finished before: 1 call and the end are shown again, free of charge, unless a cap is larger now"
    )


def test_elsewhere_plain_lines() -> None:
    with display("mood", quiet=False, minutes=None, stream=io.StringIO()) as shown:
        assert isinstance(shown, Lines)
    with display("mood", quiet=True, minutes=None, stream=Terminal()) as shown:
        assert isinstance(shown, Quiet)


def test_lines_say_what_happened() -> None:
    lines: list[str] = []
    show = Lines(lines.append)
    show(Planned("abc123", PLAN, 0.09, 12))
    show(PhaseBegun("search"))
    show(StepDone(1, (Estimate(START, 0.61, 64), Estimate(BEST, 0.74, 128)), (BEST,), SPENT))
    show(StepDone(2, (Estimate(START, float("nan"), 0),), (START,), Ledger()))
    show(Warned("careful"))
    show(PhaseBegun("dev", "1,204 evaluations are spent"))
    assert lines == [
        "run abc123",
        PLAN.describe(),
        "on 200 test examples a true gain of 9 points or more is found four times in five, if start and winner differ "
        "on 25 % of them",
        "going on after 12 calls of an earlier execution, free of charge",
        "searching",
        "step 1: best 0.740 on 128 examples; 2 prompts compared; so far 1,204 evaluations, 1,300 calls, 83,211 tokens, "
        "$0.0123",
        "step 2: nothing scored; 1 prompt compared; so far 0 evaluations, 0 calls, 0 tokens",
        "warning: careful",
        "final choice: the finalists and the start on dev (1,204 evaluations are spent)",
    ]


def test_lines_give_a_sign_of_life() -> None:
    lines: list[str] = []
    alive = threading.Event()

    def write(line: str) -> None:
        lines.append(line)
        alive.set()

    with Lines(write, pulse_s=0.01) as shown:
        shown.watch(cast("Any", FakeRun(snapshot())))
        assert alive.wait(5)
    count = len(lines)
    assert lines[0] == (
        "  1 min 00 s: 1,204 of at most 2,000 evaluations, about 40 seconds left; 1,387 tokens a second, "
        "1,300 new calls answered"
    )
    assert not any(thread.name == "promptopt-lines" for thread in threading.enumerate())
    assert len(lines) == count


def test_lines_count_to_the_end_of_the_whole_run() -> None:
    lines: list[str] = []
    alive = threading.Event()

    def write(line: str) -> None:
        lines.append(line)
        if line.startswith("  "):
            alive.set()

    with Lines(write, pulse_s=0.01) as shown:
        shown(Planned("abc123", replace(PLAN, total=Limits(evaluations=13_204)), 0.09, 0))
        shown.watch(cast("Any", FakeRun(snapshot())))
        assert alive.wait(5)
    assert "1 min 00 s: 1,204 of at most 13,204 evaluations, about 10 minutes left; " in lines[-1]


def test_a_step_counts_to_the_end_of_the_whole_run_too() -> None:
    lines: list[str] = []
    show = Lines(lines.append, minutes=3.0)
    show(Planned("abc123", replace(PLAN, total=Limits(evaluations=13_204, calls=20_000)), 0.09, 0))
    step = StepDone(1, (Estimate(BEST, 0.74, 128),), (BEST,), SPENT)
    show(step)
    show.watch(cast("Any", FakeRun(snapshot())))
    show(step)
    told = "so far 1,204 of at most 13,204 evaluations, 1,300 of at most 20,000 calls, 83,211 tokens, $0.0123"
    said = [line.partition("; 1 prompt compared; ")[2] for line in lines[-2:]]
    assert said == [told, f"{told}, about 2 minutes left"]


@pytest.mark.parametrize(
    ("caps", "said"),
    [
        (Limits(evaluations=2_000), "1,204 of at most 2,000 evaluations, about 40 seconds left"),
        (Limits(calls=2_000), "1,300 of at most 2,000 calls, about 40 seconds left"),
        (Limits(tokens=100_000), "83,211 of at most 100,000 tokens, about 20 seconds left"),
        (Limits(usd=1.0), "$0.0123 of at most $1.00, about 80 minutes left"),
        (Limits(evaluations=100_000, calls=2_000), "1,300 of at most 2,000 calls, about 40 seconds left"),
        (Limits(), "1,204 evaluations"),
    ],
)
def test_what_is_done_is_held_against_the_cap_that_comes_first(caps: Limits, said: str) -> None:
    assert done(snapshot(caps), None) == said


def test_of_what_is_not_known_nothing_is_said() -> None:
    assert done(snapshot(Limits(evaluations=2_000), paid=Ledger()), None) == "1,204 of at most 2,000 evaluations"
    assert done(snapshot(Limits()), 3.0) == "1,204 evaluations, about 2 minutes left"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "10 seconds"), (31, "40 seconds"), (89, "90 seconds"), (90, "2 minutes"), (364, "6 minutes"),
     (5_400, "1.5 hours"), (7_200, "2 hours"), (100_000, "28 hours")],
)  # fmt: skip
def test_a_guess_has_few_digits(seconds: float, said: str) -> None:
    assert words.roughly(seconds) == f"about {said}"


def test_the_caps_shown_are_those_of_the_whole_run() -> None:
    assert dict(rows(snapshot(), None, Limits(evaluations=3_010)))["evaluations"].startswith(
        "1,204 of at most 3,010  ████████░"
    )


def test_time_left_comes_from_what_was_paid_for() -> None:
    # 796 evaluations left at 1,204 a minute; dollars last longer.
    assert time_left(snapshot(Limits(evaluations=2_000)), None) == pytest.approx(796 * 60 / 1_204)
    assert time_left(snapshot(Limits(evaluations=2_000)), 1.5) == pytest.approx(30)
    assert time_left(snapshot(Limits(evaluations=1_000)), None) == 0
    # A replay is no measure of speed.
    assert time_left(snapshot(Limits(evaluations=2_000), paid=Ledger()), None) is None
    assert time_left(snapshot(Limits()), None) is None


@pytest.mark.parametrize("caps", [Limits(evaluations=140), Limits(calls=200), Limits(tokens=90_000), Limits(usd=1.0)])
def test_the_first_few_evaluations_say_nothing_of_the_speed(caps: Limits) -> None:
    # Eleven minutes for the first prompts of a search on slow cores, and three looks at the start before them.
    few = Ledger(evaluations=3, calls=11, proposer_calls=8, prompt_tokens=9_000, completion_tokens=400, usd=0.01)
    assert time_left(snapshot(caps, paid=few, seconds=660), None) is None
    assert time_left(snapshot(caps, paid=few, seconds=60), 5) == 240
    assert done(snapshot(caps, paid=few, seconds=660), None).endswith(("evaluations", "calls", "tokens", "$1.00"))
    enough = Ledger(evaluations=20, calls=28, proposer_calls=8, prompt_tokens=20_000, completion_tokens=800, usd=0.05)
    assert time_left(snapshot(caps, paid=enough, seconds=660), None) is not None


def test_rows_without_caps_and_beyond_the_search() -> None:
    shown = dict(rows(snapshot(Limits(), paid=Ledger(), phase="test"), None))
    assert shown["evaluations"] == "1,204"
    assert shown["now"].startswith("sealed test")
    assert shown["speed"] == "no new replies so far"


def test_a_test_that_shows_nothing_is_said() -> None:
    assert "can hardly show any gain" in smallest_gain_line(3, float("inf"))
    # Only data that there is not enough of is asked for.
    for gain in (0.2, float("inf")):
        assert "data" not in smallest_gain_line(7, gain, 80)
        assert "7 of the 80 test examples" in smallest_gain_line(7, gain, 80)
        assert "larger" in smallest_gain_line(7, gain, 80)
        assert "give more data" in smallest_gain_line(80, gain, 80)
    assert "give" not in smallest_gain_line(200, 0.1, 200)


def test_a_sign_that_ctrl_c_was_heard_stands_in_the_table() -> None:
    screen, interrupt = io.StringIO(), threading.Event()
    live = Live("x", Console(file=screen), None, interrupt)
    Console(file=screen, width=80).print(live.table())
    assert "stopping" not in screen.getvalue()
    interrupt.set()
    Console(file=screen, width=80).print(live.table())
    assert "stopping" in screen.getvalue()
    assert "Ctrl-C again stops now" in screen.getvalue()


@pytest.mark.parametrize(
    ("lengths", "width", "more"), [([10, 80, 79], 80, 0), ([10, 80, 81], 40, 3), ([80], 79, 1), ([5], 0, 4), ([], 9, 0)]
)
def test_lines_that_break_when_a_terminal_becomes_narrower(lengths: list[int], width: int, more: int) -> None:
    assert broken_lines(lengths, width) == more


def test_a_narrower_terminal_leaves_no_stale_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the lines drawn last became is erased from its end to its beginning."""
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    console = Console(file=screen, width=80, force_terminal=True, color_system=None)
    live = Live("promptopt optimize: mood", console)
    live.watch(cast("Any", FakeRun(snapshot())))
    with live:
        live._live.refresh()  # pyright: ignore[reportPrivateUsage]
        before = len(screen.getvalue())
        console.width = 30
        live._live.refresh()  # pyright: ignore[reportPrivateUsage]
        after = screen.getvalue()[before:]
    lengths = live._drawn[1]  # pyright: ignore[reportPrivateUsage]
    assert max(lengths) <= 30
    # Before the new table: a line up for each that was drawn, and for each that those were broken into.
    ups = after.partition("promptopt optimize")[0].count("\x1b[1A")
    erased = after.partition("promptopt optimize")[0].count("\x1b[2K")
    assert ups > 9
    assert erased == ups + 1


def test_of_several_tasks_it_says_of_what_the_gain_is_and_which_floors_can_be_held() -> None:
    lines: list[str] = []
    of = " on each of 2 tasks"
    Lines(lines.append)(Planned("abc123", PLAN, 0.09, 0, of=of, floors={"inn": 0.031, "ferry": 0.05}))
    assert lines[2:] == [
        "on 200 test examples a true gain of 9 points or more on each of 2 tasks is found four times in five, if start "
        "and winner differ on 25 % of them",
        "the smallest floors that the test can hold, where nothing changes: 3.1 points on inn, 5.0 points on ferry",
    ]
    assert "too few to find any gain on each of 2 tasks four times in five" in smallest_gain_line(20, 0.4, 0, of)


@pytest.mark.parametrize("count", [*range(1, 64, 3), 300])
@pytest.mark.parametrize("held", [0, 400])
def test_no_gain_is_promised_that_the_share_which_differs_does_not_allow(count: int, held: int) -> None:
    said = smallest_gain_line(count, smallest_detectable(count), held)
    points = re.search(r"gain of (\d+) points .* differ on (\d+) %", said)

    assert points is None or int(points[1]) <= int(points[2])
    assert (points is None) == (smallest_detectable(count) > DISAGREEMENT)
    if points is None and count > 6:
        assert "too few to find any gain four times in five, if start and winner differ on 25 % of them" in said
