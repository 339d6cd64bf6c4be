"""Labels after the search: a blind sheet of start's and winner's replies, and the verdict by what people say of them.

Labels from before the search cannot say whether the winner pleases the judge alone. These are on the replies
themselves, of items drawn at random from the test, side by side, in an order that says nothing.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promptopt.errors import ConfigError, DataError
from promptopt.outcome.by_labels import JUDGE, METRIC
from promptopt.outcome.floors_and_labels import floors_unheld, remarks_on_floors, unsure_of_worst
from promptopt.outcome.items import items_from
from promptopt.outcome.looks import ledger_keys
from promptopt.outcome.pairs import KeptPairs, ReplyPair, kept_pairs, scored_pairs
from promptopt.places import write_whole, writing
from promptopt.stats import ROUNDING, Verdict, level, verdict
from promptopt.store.looks import Looks
from promptopt.store.runs import RunRecord, Store
from promptopt.tasks.reading.files import read_rows
from promptopt.tasks.reading.row_numbers import where_is
from promptopt.text import counted
from promptopt.trust.labels import HumanLabels, Kind, preference, read_labels, sheet_rows
from promptopt.trust.powered import DIFFERING, LEAST_LABELS, Item, Powered, powered_gain
from promptopt.types import Example, Weigh, canonical, digest
from promptopt.types.identity import without_surrogates

COLUMNS: tuple[str, ...] = ("item", "input", "reply_a", "reply_b", "better", "score_a", "score_b", "labeler", "comment")
"""Of a sheet. `better` is to be filled in, or both scores."""
ID_PREFIX = "item-"
"""Before an item's id: a spreadsheet takes 12e45 for a number."""


def pairs_of(record: RunRecord, store: Store) -> KeptPairs:
    """What a run kept for people to label. Raises ConfigError for one that has nothing to label."""
    result = record.result
    if result is None or result.get("status") == "suspended":
        raise ConfigError(f"run {record.id} has no result yet; run its command again to go on")
    try:
        best, start = result["best"], result["start"]
        if best["test"] is None or start["test"] is None:
            raise ConfigError("nothing was scored on the sealed test")
        if best["prompt_id"] == start["prompt_id"]:
            raise ConfigError("it kept the start, so there are not two prompts")
        kept = kept_pairs(store.cache, str(result["pairs"])) if result.get("pairs") else scored_pairs(result)
        if all(pair.start == pair.winner for pair in kept.pairs):
            raise ConfigError("start and winner gave the same reply to every test item")
    # Those above are clauses: the run is named once, here.
    except ConfigError as cause:
        raise ConfigError(f"run {record.id} has no replies to label: {cause}") from cause
    except (KeyError, TypeError) as cause:
        raise ConfigError(f"run {record.id} is damaged in the store; run its command again") from cause
    return kept


def drawn(run: str, pairs: Sequence[ReplyPair], count: int) -> list[ReplyPair]:
    """At least `count` pairs, in a random order that is the same each time: a longer sheet begins as a shorter one.

    Items of one group are drawn together. Pairs that the judge could not read are never drawn.
    """
    units: dict[str, list[ReplyPair]] = {}
    for pair in pairs:
        if pair.gain is not None:
            # A group may be called what an item is called.
            units.setdefault(f"group {pair.group}" if pair.group else f"item {pair.item}", []).append(pair)
    names = list(units)
    random.Random(f"sheet {run}").shuffle(names)
    found: list[ReplyPair] = []
    for name in names:
        if len(found) >= count:
            break
        found += units[name]
    return found


def winner_first(run: str, item: str) -> bool:
    """Whether reply A is the winner's: drawn for each item, and known by nothing on the sheet."""
    return int(digest(["order", run, item]), 16) % 2 == 0


def _in_order(run: str, pair: ReplyPair) -> tuple[str, str]:
    """Replies A and B."""
    return (pair.winner, pair.start) if winner_first(run, pair.item) else (pair.start, pair.winner)


def sheet(run: str, kept: KeptPairs, count: int) -> list[dict[str, str]]:
    """The rows of a blind sheet; equal replies are a tie, and said to be.

    Raises ConfigError for no rows, and where too many pairs have no score: nobody is to label for a verdict that would
    be withheld.
    """
    if count < 1:
        raise ConfigError(f"a sheet of {count} rows is none; give 1 or more, such as -n 100")
    if kept.undecidable:
        raise ConfigError(f"{kept.missing}, so labels of the others decide nothing; see `promptopt runs show {run}`")
    rows: list[dict[str, str]] = []
    for pair in drawn(run, kept.pairs, count):
        first, second = _in_order(run, pair)
        known = {"item": ID_PREFIX + pair.item, "input": pair.input, "reply_a": first, "reply_b": second}
        said = {"better": "tie"} if first == second else {}
        rows.append({**dict.fromkeys(COLUMNS, ""), **known, **said})
    return rows


def write_sheet(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """A sheet as CSV or JSON Lines, by the ending of its name. Raises ConfigError where that cannot be."""
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise ConfigError(f"--out {str(path)!r} ends in {path.suffix!r}; name a .csv or a .jsonl file")
    if path.exists():
        raise ConfigError(f"{str(path)!r} is there already, and may hold labels; name another file, or move it away")
    if path.suffix.lower() == ".csv":
        text = io.StringIO(newline="")
        writer: csv.DictWriter[str] = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sheet_rows(rows))
        content = text.getvalue()
    else:
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with writing(path, "--out"):
        write_whole(path, without_surrogates(content))


@dataclass(frozen=True, slots=True)
class Labelled:
    """The verdict by labels. `number`: which verdict on these items it is, from 1; `remarks`: what to know of them.

    `scorer`: who scored what people did not label, and what they did.
    """

    powered: Powered
    number: int
    labels: str
    verdict: Verdict
    remarks: tuple[str, ...]
    scorer: str = JUDGE

    def to_json(self) -> dict[str, Any]:
        """What the store keeps beside the run's result, and `--json` prints."""
        powered, gain = self.powered, self.powered.gain
        return {
            "verdict": self.verdict,
            "basis": powered.basis,
            "gain": {**asdict(gain), "ci95": list(gain.ci95), "interval": list(gain.interval)},
            "n_labels": powered.labelled,
            "n_judged": powered.judged,
            "weight": powered.weight,
            "worth": powered.worth,
            "number": self.number,
            "labels": self.labels,
            "remarks": list(self.remarks),
            **({"scorer": self.scorer} if self.scorer != JUDGE else {}),
        }


def decide(record: RunRecord, kept: KeptPairs, paths: Sequence[Path], looks: Looks) -> Labelled:
    """The verdict of a run by the labels in these sheets; one that is a look is entered into `looks` first.

    Raises DataError for what cannot be meant in them, StoreError.
    """
    first = {ID_PREFIX + pair.item: winner_first(record.id, pair.item) for pair in kept.pairs}
    rows = [(where_is(path, number), row) for path in paths for number, row in enumerate(read_rows(path), start=1)]
    shown = {ID_PREFIX + pair.item: _in_order(record.id, pair) for pair in kept.pairs}
    labels = read_labels(rows, first, kept.scale, shown)
    if not labels.by_item:
        heads = {"_".join(str(name).casefold().split()) for _, row in rows for name in row}
        what = "no row has a label" if heads & {"better", "score_a"} else "there is no column `better`"
        raise DataError(f"{', '.join(map(str, paths))}: {what}; fill in `better` with A, B or tie, or both scores")
    equal = {ID_PREFIX + pair.item for pair in kept.pairs if pair.start == pair.winner}
    if labels.blank and equal.issuperset(labels.by_item):
        raise DataError(
            f"{', '.join(map(str, paths))}: no row has a label but those that the sheet came with, of equal replies; "
            f"fill in `better` with A, B or tie, or both scores"
        )
    gains = {ID_PREFIX + pair.item: pair for pair in kept.pairs if pair.gain is not None}
    items, rest = _labelled_and_unlabelled(labels, gains)
    # By what was said and not by its file: a copy of a sheet, or its rows in another order, is no further look.
    name = digest(sorted([item, *map(list, sides)] for item, sides in labels.by_item.items()))
    # Entered before anything is worked out: whoever sees the verdict has looked.
    number = _number(record, name, kept.scorer, looks)
    powered = powered_gain(items, rest, alpha=level(number), weigh=_weigh_of(record))
    unheld = floors_unheld(record)
    by_floors = bool(record.fingerprint.get("task", {}).get("floors"))
    unsure = unsure_of_worst(record, kept.scorer)
    remarks = [
        *kept.remarks_on_missing(powered.gain.mean),
        *_remarks_on_labels(labels, powered, kept, items),
        *remarks_on_floors(unheld, kept.scorer, by_floors=by_floors),
        *unsure,
        *_remarks_on_rows(record.id, kept, labels),
        *(_alike(items, labels.kind) if kept.scorer == METRIC else ()),
    ]
    said = verdict(powered.gain)
    return Labelled(
        powered=powered,
        number=number,
        labels=name,
        # A search that was to hold every floor, or to mend the worst task, has nothing better where that is not so,
        # whoever says it. What nobody could read is on no sheet, and may be where the prompts differ.
        verdict="no_evidence"
        if kept.undecidable or (said == "better" and (unsure or (by_floors and unheld)))
        else said,
        remarks=tuple(remarks),
        scorer=kept.scorer,
    )


def _weigh_of(record: RunRecord) -> Weigh:
    """What counts once in the run's means."""
    return "turn" if record.result is None else record.result.get("weigh", "turn")


def _labelled_and_unlabelled(
    labels: HumanLabels, pairs: Mapping[str, ReplyPair]
) -> tuple[list[Item], list[tuple[float, str]]]:
    """What people labelled, and what only the judge saw."""
    items: list[Item] = []
    for item in labels.by_item:
        pair = pairs.get(item)
        if pair is not None and pair.gain is not None:
            side = labels.side(item)
            start, winner = preference(side) if labels.kind == "better" else side
            items.append(Item(start, winner, pair.gain, pair.group))
    rest = [(pair.gain, pair.group) for item, pair in pairs.items()
            if item not in labels.by_item and pair.gain is not None]  # fmt: skip
    return items, rest


def _number(record: RunRecord, labels: str, scorer: str, looks: Looks) -> int:
    """Which look it is: further labels after a verdict are another look at the same items, and cost their level.

    So are the first ones after a metric's verdict. A judge's word is none: the first ones have the level of its look.
    """
    result: Mapping[str, Any] = {} if record.result is None else record.result
    look, earlier = result.get("look"), result.get("labelled")
    if earlier is not None and earlier["labels"] == labels:
        return int(earlier["number"])
    last = int(earlier["number"]) if earlier is not None else 1 if look is None else int(look["number"])
    if earlier is None and scorer != METRIC:
        return last
    examples = [Example(item.fields, item.target) for item in items_from(result.get("items", ()))]
    shown = digest(["labels", record.id, labels])
    return 1 + max(last, looks.enter(shown, *ledger_keys(examples)).earlier)


def _alike(items: Sequence[Item], kind: Kind) -> list[str]:
    """How often the metric prefers what people do, where they see a difference."""
    differing = [item for item in items if abs(item.people) > ROUNDING]
    same = sum(item.people * item.judge > 0.0 for item in differing)
    against = sum(item.people * item.judge < 0.0 for item in differing)
    if not differing:
        return ["people see no difference in any of these pairs"]
    half = ["a preferred reply counts 0.5 more, where the metric may say up to 1"] if kind == "better" else []
    pairs = f"{len(differing)} pairs" if len(differing) > 1 else "one pair"
    return [
        f"of the {pairs} in which people see a difference the metric sees the same in {same}, the opposite in "
        f"{against}, and none in {len(differing) - same - against}",
        *half,
    ]


def _remarks_on_rows(run: str, kept: KeptPairs, labels: HumanLabels) -> list[str]:
    """A sentence on rows that are gone: a sheet is the beginning of one order, so a gap in it was made by hand."""
    order = [ID_PREFIX + pair.item for pair in drawn(run, kept.pairs, len(kept.pairs))]
    last = max((at for at, item in enumerate(order) if item in labels.asked), default=-1)
    gone = sum(item not in labels.asked for item in order[:last])
    if not gone:
        return []
    are, those = ("is", "that was") if gone == 1 else ("are", "those were")
    return [
        f"{counted(gone, 'row')} of the sheet {are} missing; if {those} left out because of what stood there, the "
        f"verdict leans"
    ]


def _remarks_on_labels(
    labels: HumanLabels, powered: Powered, kept: KeptPairs, items: Sequence[Item]
) -> tuple[str, ...]:
    said: list[str] = []
    blank, asked = labels.blank, len(labels.asked)
    if blank:
        said.append(
            f"{counted(blank, 'row')} of {asked} {'has' if blank == 1 else 'have'} no label; if those were left out "
            f"because they are hard, the verdict leans"
        )
    together = labels.together()
    if together is not None:
        said.append(together.sentence().rstrip("."))
    if labels.apart:
        said.append(labels.apart)
    if labels.unequal:
        what = "label prefers one of two equal replies, and counts as a tie"
        many = "labels prefer one of two equal replies, and count as ties"
        said.append(counted(labels.unequal, what, many))
    scorer = kept.scorer
    if powered.basis == "labels" and powered.labelled < min(LEAST_LABELS, len(kept.pairs)):
        said.append(
            f"fewer than {LEAST_LABELS} labels, so people alone are counted; more of the sheet lets {scorer} help"
        )
    elif powered.basis == "labels" and sum(abs(item.people) > ROUNDING for item in items) < DIFFERING:
        said.append(f"too few labelled pairs differ for {scorer} to help, so people alone are counted")
    elif powered.basis == "labels + judge" and powered.weight == 0.0:
        said.append(f"{scorer} does not go along with people here, so it counts for nothing")
    return tuple(said)


def keep(record: RunRecord, labelled: Labelled, store: Store) -> None:
    """Put the verdict beside the run's result, which then says it."""
    result = {**({} if record.result is None else record.result), "labelled": labelled.to_json()}
    store.end(record.id, status=record.status, result=json.loads(canonical(result)))
