"""From a search by a judge to a verdict by people: `promptopt label` and `promptopt verdict`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import Invoke
from judging import judge, polite

from promptopt.labelling import pairs_of, winner_first
from promptopt.models.scripted import Scripted
from promptopt.outcome.items import items_from
from promptopt.outcome.looks import look_ahead
from promptopt.store.runs import Store
from promptopt.types import Example

Rows = list[dict[str, str]]


@pytest.fixture
def run(search: Callable[..., dict[str, Any]]) -> str:
    return str(search()["run_id"])


def rows_of(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def filled(path: Path, rows: Rows, say: Callable[[int, dict[str, str]], dict[str, str]]) -> str:
    path.write_text("".join(json.dumps({**row, **say(at, row)}) + "\n" for at, row in enumerate(rows)), "utf-8")
    return str(path)


def manners(_: int, row: dict[str, str]) -> dict[str, str]:
    """A person who likes what the judge likes."""
    polite = ["Please" in row[name] for name in ("reply_a", "reply_b")]
    return {"better": "tie" if polite[0] == polite[1] else "A" if polite[0] else "B"}


def otherwise(_: int, row: dict[str, str]) -> dict[str, str]:
    """A person who likes what the judge does not."""
    return {"better": {"A": "B", "B": "A", "tie": "tie"}[manners(0, row)["better"]]}


@pytest.mark.slow
def test_a_sheet_is_blind_and_the_same_each_time(run: str, invoke: Invoke, workplace: Path) -> None:
    done = invoke("label", run, "-n", "60", "--out", "sheet.csv")
    assert done.exit_code == 0, done.stderr
    assert "both scores from 0 to 2" in done.stderr
    rows = rows_of(workplace / "sheet.csv")
    assert len(rows) == 60 == len({row["item"] for row in rows})
    assert set(rows[0]) == {"item", "input", "reply_a", "reply_b", "better", "score_a", "score_b", "labeler", "comment"}
    differing = [row for row in rows if row["reply_a"] != row["reply_b"]]
    first = sum("Please" in row["reply_a"] for row in differing)
    assert 0.25 * len(differing) < first < 0.75 * len(differing)
    assert {row["better"] for row in rows if row not in differing} == {"tie"}
    assert {row["better"] for row in differing} == {""}
    invoke("label", run, "-n", "30", "--out", "short.csv")
    assert rows_of(workplace / "short.csv") == rows[:30]
    again = invoke("label", run, "--out", "sheet.csv")
    assert (again.exit_code, "there already" in again.stderr) == (2, True)
    assert (invoke("label", run, "--out", "sheet.ods").exit_code, invoke("label", run, "-n", "0").exit_code) == (2, 2)


@pytest.mark.slow
def test_labels_decide_and_the_run_says_it_from_then_on(
    run: str,
    invoke: Invoke,
    workplace: Path,
    search: Callable[..., dict[str, Any]],
) -> None:
    invoke("label", run, "-n", "80", "--out", "sheet.csv")
    sheet = filled(workplace / "done.jsonl", rows_of(workplace / "sheet.csv"), manners)
    done = invoke("verdict", run, "--labels", sheet, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["basis"], found["n_labels"], found["n_judged"]) == (
        "better",
        "labels + judge",
        80,
        40,
    )
    assert found["gain"]["mean"] == pytest.approx(0.375, abs=0.05)
    assert found["worth"] > 1.2
    said = invoke("runs", "show", run).stdout
    assert said.startswith("Better by 0.3")
    assert "80 labelled and 40 judged pairs; the judge is worth" in said
    assert "better" in invoke("runs", "list").stdout
    # The same command once more does not forget it.
    search()
    assert invoke("runs", "show", run).stdout.startswith("Better by 0.3")


@pytest.mark.slow
def test_people_overrule_a_judge_that_prefers_the_winner(run: str, invoke: Invoke, workplace: Path) -> None:
    invoke("label", run, "-n", "80", "--out", "sheet.csv")
    sheet = filled(workplace / "done.jsonl", rows_of(workplace / "sheet.csv"), otherwise)
    done = invoke("verdict", run, "--labels", sheet)
    assert done.stdout.startswith("Keep your prompt: the new one is worse by 0.3")
    assert "counts for nothing" in done.stdout


@pytest.mark.slow
def test_where_the_judge_could_not_be_read_on_too_many_items_people_decide_nothing_of_the_others(
    search: Callable[..., dict[str, Any]], models: dict[str, Scripted], invoke: Invoke, workplace: Path
) -> None:
    def sometimes(text: str) -> str:
        # Every tenth of the polite replies, on which the new prompt wins.
        unsure = re.search(r"Please, here is \d*1\b", text.rpartition("<<<reply ")[2])
        return "prose" if unsure else polite(text)

    models["judge"] = judge(sometimes, "unsure")
    run = search()["run_id"]
    refused = invoke("label", run, "--out", "sheet.csv")
    assert (refused.exit_code, (workplace / "sheet.csv").exists()) == (2, False)
    assert "labels of the others decide nothing" in " ".join(refused.stderr.split())
    with Store() as store:
        kept = pairs_of(store.find(run), store)
    lost = sum(pair.gain is None for pair in kept.pairs)
    # A sheet from before that was so.
    rows = [
        {
            "item": f"item-{pair.item}",
            "better": "tie" if pair.start == pair.winner else "AB"[not winner_first(run, pair.item)],
        }
        for pair in kept.pairs
    ]
    sheet = filled(workplace / "done.jsonl", rows, lambda _, __: {})
    found = json.loads(invoke("verdict", run, "--labels", sheet, "--json").stdout)
    mean, p_value = found["gain"]["mean"], found["gain"]["p_value"]
    assert (found["verdict"], found["n_labels"], lost > 6, p_value < 1e-6) == ("no_evidence", 120 - lost, True, True)
    plain = " ".join(invoke("runs", "show", run).stdout.split())
    assert plain.startswith("Keep your prompt: no evidence that the new one is better")
    # All of an item lost on each that is on no sheet.
    least = (mean * (120 - lost) - lost) / 120
    assert f"{lost} of 120 test items have no score by the judge, and stand on no sheet: nothing is decided" in plain
    assert f"{mean:+.3f} of these, and {least:+.3f} if all those count against the new prompt" in plain


@pytest.mark.slow
def test_few_labels_are_people_alone_and_scores_will_do(run: str, invoke: Invoke, workplace: Path) -> None:
    invoke("label", run, "-n", "40", "--out", "sheet.csv")
    rows = rows_of(workplace / "sheet.csv")

    def scores(at: int, row: dict[str, str]) -> dict[str, str]:
        said = {f"score_{side}": str(2 if "Please" in row[f"reply_{side}"] else 1) for side in "ab"}
        return {"better": "", **(said if at < 30 else {})}

    done = invoke("verdict", run, "--labels", filled(workplace / "done.jsonl", rows, scores), "--json")
    found = json.loads(done.stdout)
    assert (found["basis"], found["n_labels"], found["n_judged"]) == ("labels", 30, 0)
    assert "10 rows of 40 have no label" in " ".join(found["remarks"])
    assert "people alone are counted" in " ".join(found["remarks"])
    assert 0.3 < found["gain"]["mean"] < 0.45


@pytest.mark.slow
def test_rows_that_are_gone_from_a_sheet_are_told_of_and_a_shorter_sheet_is_none(
    run: str, invoke: Invoke, workplace: Path
) -> None:
    invoke("label", run, "-n", "60", "--out", "sheet.csv")
    rows = rows_of(workplace / "sheet.csv")

    def remarks(name: str, kept: list[dict[str, str]]) -> str:
        done = filled(workplace / name, kept, manners)
        return " ".join(json.loads(invoke("verdict", run, "--labels", done, "--json").stdout)["remarks"])

    assert "missing" not in remarks("first.jsonl", rows[:30])
    assert "3 rows of the sheet are missing; if those were left out because of" in remarks(
        "gaps.jsonl", [*rows[:7], *rows[10:30]]
    )
    assert "1 row of the sheet is missing" in remarks("gap.jsonl", rows[1:30][::-1])


@pytest.mark.slow
def test_people_who_disagree_are_averaged_and_told_of(run: str, invoke: Invoke, workplace: Path) -> None:
    invoke("label", run, "-n", "60", "--out", "sheet.csv")
    rows = rows_of(workplace / "sheet.csv")
    one = filled(workplace / "ann.jsonl", rows, manners)
    other = filled(workplace / "bob.jsonl", rows, otherwise)
    found = json.loads(invoke("verdict", run, "--labels", one, "--labels", other, "--json").stdout)
    assert (found["verdict"], found["n_labels"]) == ("no_evidence", 60)
    (said,) = [remark for remark in found["remarks"] if "several people" in remark]
    # The others are of equal replies, whose ties came with the sheet.
    differ = sum(row["reply_a"] != row["reply_b"] for row in rows)
    assert f"{differ} items were labelled by several people, who agree in" in said
    assert "they say the opposite of one another" in said
    assert found["gain"]["mean"] == pytest.approx(0.0, abs=0.02)


@pytest.mark.slow
def test_further_labels_are_another_look(run: str, invoke: Invoke, workplace: Path) -> None:
    invoke("label", run, "-n", "90", "--out", "sheet.csv")
    rows = rows_of(workplace / "sheet.csv")
    first = filled(workplace / "one.jsonl", rows[:60], manners)
    for _ in range(2):  # the same labels once more are the same look
        found = json.loads(invoke("verdict", run, "--labels", first, "--json").stdout)
        assert (found["number"], found["gain"]["alpha"]) == (1, 0.05)
    more = filled(workplace / "two.jsonl", rows, manners)
    found = json.loads(invoke("verdict", run, "--labels", more, "--json").stdout)
    assert (found["number"], found["gain"]["alpha"]) == (2, pytest.approx(0.05 / 3))
    # The ledger knows of it: whatever looks at these items next pays for it.
    with Store() as store:
        items = items_from(store.find(run).result["items"])
        ahead = look_ahead(store.looks, [Example(item.fields, item.target) for item in items])
    assert ahead.number == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [({"better": "C"}, "row 1: better is 'C'; write A, B or tie"), ({"item": "item-x"}, "not in this run's sheet"),
     ({"better": "", "score_a": "3", "score_b": "1"}, "score_a is '3'; write a number from 0 to 2"),
     ({"better": "", "score_a": "1"}, "score_b is ''"),
     ({"better": "", "score_a": "1", "score_b": "2"}, "two manners")],
)  # fmt: skip
def test_what_cannot_be_meant_in_a_sheet_is_said_with_its_row(
    change: dict[str, str], said: str, run: str, invoke: Invoke, workplace: Path
) -> None:
    invoke("label", run, "-n", "20", "--out", "sheet.csv")
    rows = rows_of(workplace / "sheet.csv")
    sheet = filled(workplace / "done.jsonl", rows, lambda at, row: change if at == 0 else manners(at, row))
    done = invoke("verdict", run, "--labels", sheet)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


@pytest.mark.slow
def test_an_empty_sheet_a_missing_one_and_one_person_of_two_minds_are_said(
    run: str, invoke: Invoke, workplace: Path
) -> None:
    invoke("label", run, "-n", "20", "--out", "sheet.csv")
    rows = [{**row, "better": ""} for row in rows_of(workplace / "sheet.csv")]
    empty = filled(workplace / "empty.jsonl", rows, lambda *_: {})
    assert "no row has a label" in invoke("verdict", run, "--labels", empty).stderr
    assert invoke("verdict", run, "--labels", "no.csv").exit_code == 2
    named = [{"item": row["item"], "besser": "A"} for row in rows]
    assert (
        "there is no column `better`"
        in invoke("verdict", run, "--labels", filled(workplace / "named.jsonl", named, lambda *_: {})).stderr
    )
    twice = filled(workplace / "twice.jsonl", [rows[0], rows[0]], lambda at, _: {"better": "AB"[at], "labeler": "Ann"})
    assert "'Ann' says something else" in invoke("verdict", run, "--labels", twice).stderr


# A verdict by a metric, checked by people


@pytest.fixture
def metered(
    invoke: Invoke, judged_task: str, workplace: Path, models: dict[str, Scripted]
) -> Callable[..., dict[str, Any]]:
    """A finished run by a metric: the judged task's, each reply right where it is polite."""
    assert "task" in models
    text = (workplace / judged_task).read_text(encoding="utf-8").partition("[judge]")[0]
    asked = '[[demands]]\nsays = "please"\n'
    asked += '[[layouts]]\nname = "one"\nmessages = [["user", "{instruction} {question}"]]\n'
    (workplace / "counted.toml").write_text(f'metric = "demands"\n{text}target = "best"\n{asked}', encoding="utf-8")

    def run(*more: str) -> dict[str, Any]:
        done = invoke(
            "optimize", "--task", "counted.toml", "--method", "climb", "--model", "scripted/task", "--train", "20",
            "--dev", "20", "--test", "120", "--json", *more,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.slow
def test_people_check_the_verdict_of_a_metric_and_both_are_said(
    metered: Callable[..., dict[str, Any]], invoke: Invoke, workplace: Path
) -> None:
    result = metered()
    assert (result["basis"], result["verdict"]) == ("metric", "better")
    run = result["run_id"]
    done = invoke("label", run, "-n", "80", "--out", "sheet.csv")
    assert "both scores from 0 to 1" in done.stderr
    rows = rows_of(workplace / "sheet.csv")
    assert all(row["input"].startswith("May I have number") and row["reply_a"] for row in rows)
    sheet = filled(workplace / "done.jsonl", rows, manners)
    said = invoke("verdict", run, "--labels", sheet).stdout
    found = json.loads(invoke("verdict", run, "--labels", sheet, "--json").stdout)
    # The metric's verdict was the first on these items.
    assert (found["verdict"], found["number"], found["scorer"]) == ("better", 2, "the metric")
    assert found["n_labels"] + found["n_judged"] == 120
    plain = " ".join(said.split())
    assert plain.startswith("Better by ")
    assert "labelled and 40 scored pairs; the metric is worth" in plain
    assert "the opposite in 0, and none in 0" in plain
    assert "A preferred reply counts 0.5 more, where the metric may say up to 1." in plain
    assert "By the metric alone: Better: " in plain
    # With every pair labelled nothing is left for the metric to help with, and nothing differs too seldom.
    invoke("label", run, "-n", "120", "--out", "all.csv")
    whole = filled(workplace / "all.jsonl", rows_of(workplace / "all.csv"), manners)
    every = json.loads(invoke("verdict", run, "--labels", whole, "--json").stdout)
    assert (every["n_labels"], every["basis"]) == (120, "labels")
    assert not any("too few" in each or "counts for nothing" in each for each in every["remarks"])
    invoke("verdict", run, "--labels", sheet)
    assert "judge" not in plain
    shown = invoke("runs", "show", run).stdout
    assert shown.startswith("Better by ")
    metered()  # the same command once more does not forget it
    assert invoke("runs", "show", run).stdout.partition("\n\n")[0] == shown.partition("\n\n")[0]


@pytest.mark.slow
def test_people_overrule_a_metric(metered: Callable[..., dict[str, Any]], invoke: Invoke, workplace: Path) -> None:
    run = metered()["run_id"]
    invoke("label", run, "-n", "80", "--out", "sheet.csv")
    sheet = filled(workplace / "done.jsonl", rows_of(workplace / "sheet.csv"), otherwise)
    plain = " ".join(invoke("verdict", run, "--labels", sheet).stdout.split())
    assert plain.startswith("Keep your prompt: the new one is worse by ")
    assert "The metric does not go along with people here, so it counts for nothing" in plain
    assert "the same in 0, the opposite in" in plain


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda r: r["items"].clear(), "made by an older version"),
        (lambda r: [side.update(output="") for each in r["items"] for side in (each["start"], each.get("best", {}))],
         "reads given texts and draws none"),
        (lambda r: [side.update(value=-3.2) for each in r["items"] for side in (each["start"], each.get("best", {}))],
         "not shares from 0 to 1"),
        (lambda r: [each["start"].update(value=None) for each in r["items"]], "not shares from 0 to 1"),
        (lambda r: [each.get("best", {}).update(output=each["start"]["output"]) for each in r["items"]],
         "the same reply to every test item"),
        (lambda r: r["best"].update(prompt_id=r["start"]["prompt_id"]), "it kept the start"),
        (lambda r: r["best"].update(test=None), "nothing was scored on the sealed test"),
        (lambda r: [each.pop("key") for each in r["items"]], "damaged"),
    ],
)  # fmt: skip
def test_what_labels_cannot_tell_of_a_metrics_run_is_refused_in_a_sentence(
    change: Callable[[dict[str, Any]], object], why: str, optimized: dict[str, Any], invoke: Invoke, workplace: Path
) -> None:
    run = optimized["run_id"]
    with Store() as store:
        record = store.find(run)
        result = json.loads(json.dumps(record.result))
        change(result)
        store.end(run, status=record.status, result=result)
    done = invoke("label", run)
    assert done.exit_code == 2
    assert f"run {run} " in done.stderr
    assert why in " ".join(done.stderr.split())
    assert not list(workplace.glob("labels-*"))


def test_items_with_the_same_inputs_are_apart_on_a_sheet(optimized: dict[str, Any]) -> None:
    with Store() as store:
        record = store.find(optimized["run_id"])
        result = json.loads(json.dumps(record.result))
        for each in result["items"][:3]:
            each["key"] = "same"
        kept = pairs_of(replace(record, result=result), store)
    assert len({pair.item for pair in kept.pairs}) == len(kept.pairs)
