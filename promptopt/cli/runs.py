"""`promptopt runs`: what was run, and what is to be taken away from it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from promptopt.cli import options
from promptopt.cli.output import hand_over, say, show, show_json
from promptopt.errors import ConfigError
from promptopt.types.identity import without_surrogates

if TYPE_CHECKING:
    from promptopt.store.runs import RunRecord, Store
    from promptopt.tasks.task import Task

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List, show, compare, delete and export what was run.",
)

_NO_RESULT = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading a stored result raises where it is another thing than one."""

RunName = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or its first few characters.")]


def _find(name: str) -> RunRecord:
    from promptopt.store.runs import Store

    with Store() as store:
        return _now(store, store.find(name))


def _now(store: Store, record: RunRecord) -> RunRecord:
    """The record with how the run stands: one that a process is at is running, and one that none is at was killed."""
    from promptopt.store.runs import DAMAGED

    # The lock tells, and not what is written: a process that was killed wrote nothing more.
    held = store.is_held(record.id)
    if held and record.status != DAMAGED:
        return replace(record, status="running")
    if record.status != "running":
        return record
    # In a store that is no file nothing says which of the two it is.
    return replace(record, status="unfinished" if held is None else "killed")


def result_of(record: RunRecord) -> Any:
    """The JSON of how a run ended. Raises ConfigError where it has none, or it is damaged."""
    from promptopt.reports.summary import summarise

    damaged = ConfigError(
        f"the record of run {record.id} is damaged; run its command again, which costs nothing that is stored, or "
        f"forget it with `promptopt runs delete {record.id}`"
    )
    if _run_line(record)["status"] == "damaged":
        raise damaged
    if record.result is None:
        how = "wait for its end" if record.status == "running" else "run its command again to go on"
        raise ConfigError(f"run {record.id} has no result yet (it is {record.status}); {how}")
    # What earlier executions paid for is for dry runs, and no part of how this one ended.
    result = {name: value for name, value in record.result.items() if name != "pace"}
    try:
        # Of a whole result everything can be shown.
        summarise(result, exports=True, again=False)
    except _NO_RESULT as cause:
        raise damaged from cause
    return result


@app.command("list")
def list_runs(json: options.AsJson = False) -> None:
    """List every run, the newest first."""
    from promptopt.reports import words
    from promptopt.store.runs import Store

    with Store() as store:
        records = [_now(store, record) for record in store.runs()]
        where = store.where
    if json:
        show_json({"store": where, "runs": [_run_line(record) for record in records]})
        return
    if not records:
        show(f"No runs yet in {where}. Begin with: promptopt optimize --task support-intent")
        return
    rows = [["run", "last used", "task", "method", "model", "status", "verdict", "look", "start", "best", "gain"]]
    for record in records:
        entry = _run_line(record)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.updated))
        gain = "-" if entry["gain"] is None else words.difference(entry["gain"])
        rows.append(
            [record.id, when, words.shortened(entry["task"]), entry["method"], words.shortened(entry["model"]),
             entry["status"], entry["verdict"].replace("_", " "), words.count(entry["look"]),
             words.score(entry["start"]), words.score(entry["best"]), gain]
        )  # fmt: skip
    show(words.columns(rows, right=(7, 8, 9, 10)))


def _run_line(record: RunRecord) -> dict[str, Any]:
    from promptopt.store.runs import DAMAGED

    asked = _names_of_run(record)
    if record.result is not None:
        try:
            return {"run_id": record.id, **_outcome(record.result), "status": record.status}
        # A result of a damaged row, or of another version.
        except _NO_RESULT:
            asked["status"] = DAMAGED
    return {"run_id": record.id, **asked, "verdict": "-", "look": None, "start": None, "best": None, "gain": None}


def _outcome(result: Any) -> dict[str, Any]:
    from promptopt.outcome.sentence import verdict_word

    start, best, gain = result["start"]["test"], result["best"]["test"], result["gain"]
    return {
        "task": str(result["task"]),
        "method": str(result["method"]),
        "model": str(result["model"]),
        "verdict": verdict_word(result),
        "look": int(result["look"]["number"]) if result.get("look") else None,
        "start": None if start is None else float(start["score"]),
        "best": None if best is None else float(best["score"]),
        "gain": None if gain is None else float(gain["mean"]),
    }


def _names_of_run(record: RunRecord) -> dict[str, str]:
    """What is known of a run without a result: from its config, and where Python began it from its fingerprint."""
    config, stored = record.config, record.fingerprint
    made: Any = stored.get("method", "-")
    method: Any = config.get("method", made["is"] if isinstance(made, dict) and "is" in made else made)
    task: Any = config.get("task", _stored_member(stored, "task", "name"))
    model: Any = config.get("model", _stored_member(stored, "models", "task"))
    named = {"task": str(task), "method": str(method).rpartition(".")[2], "model": str(model)}
    return {**named, "status": record.status}


def _stored_member(stored: Mapping[str, Any], table: str, key: str) -> str:
    # A damaged row may hold anything.
    held: Any = stored.get(table)
    return str(cast("dict[str, Any]", held).get(key, "-")) if isinstance(held, dict) else "-"


@app.command("show")
def show_run(run: RunName, json: options.AsJson = False) -> None:
    """Show what a run found, as it was shown at its end."""
    record = _find(run)
    result = result_of(record)
    if json:
        show_json(result)
        return
    from promptopt.reports.summary import summarise

    show(summarise(result, exports=_is_found_again(record, result), again=False))


@app.command()
def diff(first: RunName, second: RunName, json: options.AsJson = False) -> None:
    """Compare two runs, and their winners word by word."""
    from promptopt.reports.diff import diff_results

    if json:
        show_json({"runs": [result_of(_find(name)) for name in (first, second)]})
        return
    show(diff_results(result_of(_find(first)), result_of(_find(second))))


@app.command()
def delete(run: RunName) -> None:
    """Forget a run.

    Its calls stay in the store until `promptopt cache gc`.
    """
    from promptopt.store.runs import Store

    with Store() as store:
        record = store.find(run)
        store.delete(record.id)
    say(f"run {record.id} is forgotten; until `promptopt cache gc`, running its command again costs nothing")


def _is_found_again(record: RunRecord, result: Mapping[str, Any]) -> bool:
    """Whether a command can find the run's task: it was named, and no object of a Python program."""
    from promptopt.tasks.catalogue import task_names

    return bool(record.config) or result["task"] in task_names()


def _task_as_measured(record: RunRecord, result: Mapping[str, Any]) -> Task:
    """The task of a run. Raises ConfigError where it lays a prompt out in another way than then."""
    from promptopt.binding.config import config_from
    from promptopt.cli.request import task_of
    from promptopt.tasks.catalogue import load_task
    from promptopt.tasks.inline import inlined
    from promptopt.tasks.parts import with_user_prompts
    from promptopt.tasks.splits import Splits

    if not _is_found_again(record, result):
        raise ConfigError(
            f"the task {result['task']!r} of run {record.id} is an object of a Python program, which no command finds; "
            f"take the prompt there, as result.best.prompt, or a DSPy program by its save"
        )
    own = Splits(seed=result["seed"])
    task = task_of(config_from(record.config)) if record.config else load_task(result["task"], splits=own)
    recorded = record.fingerprint["task"]
    # The method took the task in one text; so was the prompt measured.
    if "origin" in recorded:
        task = inlined(task)
    if isinstance(recorded["editable"], list):
        task = with_user_prompts(task)
    now = task.fingerprint()
    # By these a prompt is read; other data or another metric changes no export.
    changed = [name for name in ("layout", "sampling") if recorded.get(name) != now[name]]
    if changed:
        raise ConfigError(
            f"the {changed[0]} of task {task.name!r} has changed since run {record.id}, so its prompt cannot be "
            f"written as it was measured; `promptopt runs show {record.id}` still shows the prompt itself"
        )
    return task


@app.command()
def export(
    run: RunName,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; default: stdout.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--to",
            "--format",
            metavar="FORM",
            help="text, json, toml, openai, dspy, langchain, promptfoo, llm, python or messages; default: what the "
            "file's ending says, or text.",
        ),
    ] = None,
) -> None:
    """Write the winner the way it was measured.

    That is the whole pattern that the model read, with a place for the input.
    """
    from promptopt.places import write_whole, writing
    from promptopt.reports import export as exports
    from promptopt.reports.carried import not_carried
    from promptopt.reports.given import prompt_from_parts

    record = _find(run)
    result = result_of(record)
    chosen = exports.format_for(out, form)
    task = _task_as_measured(record, result)
    best = result["best"]
    prompt = prompt_from_parts(best["parts"], best["demos"], best.get("layout", ""))
    exported = exports.export_of(task, prompt, result["model"])
    text = exports.export(exported, chosen)
    if said := not_carried(task, exported, chosen):
        say(said)
    if out is None:
        # What prints it ends the line.
        hand_over(text.rstrip("\n"))
        return
    with writing(out, "--out"):
        write_whole(out, without_surrogates(text))
    what = "the winner" if result["status"] in ("finished", "budget") else "the best prompt so far"
    say(f"{what} of run {record.id} is in {out}")


@app.command()
def tilt(
    run: RunName,
    bound: Annotated[
        float | None, typer.Option(help="Nats of KL that the weights may be from all alike; default: 1.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option("--lambda", help="The price of a nat, in units of the score, in place of --bound.")
    ] = None,
    scale: Annotated[
        tuple[float, float], typer.Option(metavar="LOW HIGH", help="The least and the most that a score can be.")
    ] = (0.0, 1.0),
    pairs: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Write pairs to train a rewriter by, for TRL's DPO.")
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Weight the prompts that a run left by what they earned."""
    from promptopt.cli.tilt import tilt_run

    tilt_run(result_of(_find(run)), bound=bound, strength=strength, scale=scale, pairs=pairs, json=json)


def _mark_of(result: Any) -> str:
    """Of the winner's policy, where it is one."""
    from promptopt.operators.policy_marks import mark_in

    return mark_in(" ".join(str(text) for text in dict(result["best"]["parts"]).values()))


@app.command()
def prompter(
    run: RunName,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write it: a new folder.")],
) -> None:
    """Write what align-pro or rlprompt trained, as a model of its own.

    It is called hf/FOLDER or policy/FOLDER, and rewritten/hf/FOLDER::MODEL or the like before another.
    """
    from promptopt.optimizers.align_pro.taking import take_prompter
    from promptopt.optimizers.rlprompt.taking import MADE_BY, take_policy
    from promptopt.places import writing
    from promptopt.store.runs import Store

    with Store() as store:
        record = store.find(run)
        policy = record.fingerprint.get("method", {}).get("is") == MADE_BY
        with writing(out, "--out"):
            if policy:
                take_policy(store, record.id, record.fingerprint, _mark_of(result_of(record)), out)
            else:
                take_prompter(store, record.id, record.fingerprint, out)
    name = f"{'policy' if policy else 'hf'}/{out}"
    say(f"the {'policy' if policy else 'prompter'} of run {record.id} is in {out}: {name}, or rewritten/{name}::MODEL "
        f"before a model")  # fmt: skip
