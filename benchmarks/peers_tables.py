"""The report of the peers' arena: gains with their errors, where the calls went, and pools won against each peer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from benchmarks.peers_settings import settings_for
from benchmarks.search_tables import mean, with_error
from promptopt.text import counted

LEVEL = 1e-9
"""Gains that differ by less are level."""


class Played(Protocol):
    """What the report reads of a row."""

    player: str
    kind: str
    seed: int
    cap: int
    gain: float
    found: float
    task: int
    proposer: int
    dev: int
    test: int
    prompts: int
    looks: float
    refused: int
    problem: str


Found = Mapping[str, Mapping[tuple[str, int], Played]]
"""Rows of one cap by player and pool."""


def report(rows: Sequence[Played], peers: Sequence[str]) -> list[str]:
    """All tables, cap by cap."""
    lines = [
        "Gain: true accuracy of the prompt returned minus the start's (0.55 in every pool), mean ± standard error over "
        "pools; by the landscape, without sampling. Best asked: the same of the best prompt that the task model was "
        "asked with, so what lies between the two was lost in the choice. Calls: replies of both models together, "
        "everything included; ours spend dev (the final choice) and test (the sealed verdict) out of the same cap, "
        "peers make no such statement and spend nothing on it. Prompts: different ones asked in the search, looks: the "
        "median number of questions of one.",
        "",
        "The proposer is scripted, and equally able for all; it learns nothing from mistakes. Task model and proposer "
        "stand behind one local server that counts and refuses beyond the cap; a peer's last complete result is taken. "
        "Ours run as shipped, without settings.",
        "",
    ]
    for cap in sorted({row.cap for row in rows}):
        found: dict[str, dict[tuple[str, int], Played]] = {}
        for row in rows:
            if row.cap == cap:
                found.setdefault(row.player, {})[row.kind, row.seed] = row
        lines += [f"## {cap:,} calls", "", *gains(found, peers), "", *paired(found, peers), ""]
    lines += ["## Settings of the peers", "", *settings(rows, peers), ""]
    failed = [f"- {row.player}, {row.kind}-{row.seed}, {row.cap}: {row.problem}" for row in rows if row.problem]
    return lines if not failed else [*lines, "## Problems (the start was taken)", "", *failed, ""]


def gains(found: Found, peers: Sequence[str]) -> list[str]:
    """A row a player, the best first; peers in bold."""
    heads = ("player", "pools", "gain", "best asked", "calls", "proposer", "dev", "test", "prompts", "looks", "refused")
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for player, rows in sorted(found.items(), key=lambda item: -mean(row.gain for row in item[1].values())):
        each = list(rows.values())
        counts = [
            mean(count) for count in (
                [row.task + row.proposer for row in each], [row.proposer for row in each], [row.dev for row in each],
                [row.test for row in each], [row.prompts for row in each], [row.looks for row in each],
                [row.refused for row in each],
            )
        ]  # fmt: skip
        shown = f"**{player}**" if player in peers else player
        gain, best = with_error([row.gain for row in each]), with_error([row.found for row in each])
        lines.append(f"| {shown} | {len(each)} | {gain} | {best} | {' | '.join(f'{count:,.0f}' for count in counts)} |")
    return lines


def paired(found: Found, peers: Sequence[str]) -> list[str]:
    """Ours minus each peer on the same pools, with pools won and lost; ours in rows."""
    there = [peer for peer in peers if peer in found]
    ours = [player for player in found if player not in peers]
    if not there or not ours:
        return []
    shared = sorted({len(set(found[player]) & set(found[peer])) for player in ours for peer in there})
    pools = counted(shared[-1], "pool") if len(shared) == 1 else f"{shared[0]} to {shared[-1]} pools"
    lines = [
        f"Ours minus the peer's gain on the same pools ({pools} of each pair), and pools won : lost.",
        "",
        f"| ours | {' | '.join(there)} |",
        f"|{' --- |' * (len(there) + 1)}",
    ]
    for player in sorted(ours, key=lambda each: -mean(row.gain for row in found[each].values())):
        cells: list[str] = []
        for peer in there:
            both = [place for place in found[player] if place in found[peer]]
            apart = [found[player][place].gain - found[peer][place].gain for place in both]
            won, lost = sum(each > LEVEL for each in apart), sum(each < -LEVEL for each in apart)
            cells.append(f"{with_error(apart, '+')}, {won} : {lost}" if apart else "")
        lines.append(f"| {player} | {' | '.join(cells)} |")
    return lines


def settings(rows: Sequence[Played], peers: Sequence[str]) -> list[str]:
    """What each peer was given."""
    caps = sorted({row.cap for row in rows})
    return [
        f"- {peer}, {cap:,}: `{json.dumps(settings_for(peer, cap))}`"
        for peer in peers if any(row.player == peer for row in rows) for cap in caps
    ]  # fmt: skip
