"""`promptopt init`: a first task file for your own data."""

from __future__ import annotations

import os
import shlex
import tomllib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptopt.cli.output import show
from promptopt.errors import ConfigError, DataError
from promptopt.places import writing
from promptopt.types.identity import without_surrogates

if TYPE_CHECKING:
    from promptopt.tasks.chat import Logs
    from promptopt.tasks.task import Task
    from promptopt.types import Example

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the task; NAME.toml is written here.")],
    data: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The examples, or logs of chats: CSV, TSV, XLSX, JSON, JSONL, Parquet, a saved data set.",
        ),
    ],
    input_columns: Annotated[
        list[str] | None, typer.Option("--input", metavar="COLUMN", help="The column the model reads; may be repeated.")
    ] = None,
    targets: Annotated[
        list[str] | None, typer.Option("--target", metavar="COLUMN", help="The column with the right answers.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Chats: the system prompt in use; by default the one they share."),
    ] = None,
    turns: Annotated[
        str, typer.Option(metavar="WHICH", help="Chats: the replies that are scored: last, all, or weighted.")
    ] = "last",
    speaker: Annotated[
        list[str] | None, typer.Option(metavar="NAME=ROLE", help="Chats: who a speaker is; may be repeated.")
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="Chats: what tells groups apart; by default the conversation.")
    ] = None,
    mask: Annotated[bool, typer.Option("--mask", help="Chats: replace personal data that rules can find.")] = False,
    mask_names: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Chats: as --mask, and the names in this file, one a line, too."),
    ] = None,
) -> None:
    """Write a task file from your own CSV, Excel, JSONL or Parquet file, or a saved data set.

    Labels, metric and reply length are guessed from the answers; the file says why, and is yours to edit. Preference
    data (columns chosen and rejected) needs neither --input nor --target. Nor do logs of chats (OpenAI, ShareGPT,
    OpenAI-Evals, Langfuse, LangSmith, transcripts as tables): docs/chat.md.
    """
    path, target = _path_of(name), _one_target(targets if targets else [])
    if _is_chat(data, system, bool(input_columns) or target is not None, named=bool(speaker)):
        _init_chat(path, _logs(data, turns, speaker if speaker else [], group_by, mask=mask, names=mask_names), system)
    else:
        if input_columns or target is not None:
            _check_no_chat(turns=turns != "last", speaker=speaker, group_by=group_by, mask=mask, mask_names=mask_names)
        _init_columns(path, data, input_columns if input_columns else None, target)


def _path_of(name: str) -> Path:
    """Where the task file goes. Raises ConfigError for what is no name, or taken."""
    stem = name.removesuffix(".toml")
    path = Path(f"{stem}.toml")
    if not stem or path.name != str(path):
        raise ConfigError(f"{name!r} is no name for a task; give one without folders, such as my-task")
    if path.exists():
        raise ConfigError(f"{str(path)!r} is already there; choose another name, or remove it first")
    return path


def _one_target(named: list[str]) -> str | None:
    """Raises ConfigError for several columns, of which all but one would be left out."""
    if len(named) > 1:
        raise ConfigError(
            f"--target names several columns, {' and '.join(map(repr, named))}; several right answers stand in one "
            f'column, each cell a list such as ["Paris", "City of Light"]'
        )
    return named[0] if named else None


def _init_columns(path: Path, data: Path, inputs: list[str] | None, target: str | None) -> None:
    from promptopt.tasks.doubtful_targets import dates_as_numbers, doubtful_targets
    from promptopt.tasks.rare_labels import doubtful

    task = _written_task_file(path, data, inputs, target)
    splits = ", ".join(f"{len(getattr(task, split)):,} {split}" for split in ("train", "dev", "test"))
    answers = f"labels {', '.join(task.labels)}" if task.labels else "free answers"
    pairs = any(example.rejected for example in task.train)
    by = " --evaluator preference" if pairs else ""
    named = shlex.quote(str(path))
    targets = Counter(row.target for row in _rows(task) if row.target)
    columns = {name: [dict(row.fields)[name] for row in _rows(task)] for name in task.fields}
    said = [
        f"wrote {path}: {answers}, metric {task.metric}; {splits} examples",
        *(f"note: {each}" for each in _merged(path)),
        *(
            f"warning: {warning}"
            for warning in (
                *_unseen_options(data, task, target),
                *doubtful_targets(targets, str(task.metric)),
                *dates_as_numbers({**columns, **({} if target is None else {target: list(targets)})}),
                *doubtful(_labelled(task)),
                *task.warnings,
            )
        ),
        f"1. Put the prompt you use today into {path} (instruction = …).",
        f"2. promptopt evaluate --task {named}{by} --layouts",
        f"3. promptopt optimize --task {named}{' --method pmpo' if pairs else ''}{by}",
    ]
    show("\n".join(said))


def _rows(task: Task) -> tuple[Example, ...]:
    return () if task.pool is None else (*task.pool.rows, *task.pool.dev, *task.pool.test)


def _unseen_options(data: Path, task: Task, target: str | None) -> list[str]:
    """A sentence where the right answers choose between options that are no input."""
    from itertools import islice

    from promptopt.tasks.options_guess import ROWS_LOOKED_AT, options_in, unseen_options_sentence
    from promptopt.tasks.reading.cell_texts import cell_text
    from promptopt.tasks.reading.files import read_rows

    if target is None:
        return []
    kept = list(islice(read_rows(data), ROWS_LOOKED_AT))
    answers = {cell_text(row.get(target)).strip() for row in kept}
    said = unseen_options_sentence(options_in(kept, answers), {name for name, _ in _rows(task)[0].fields})
    return [said] if said else []


def _labelled(task: Task) -> dict[str, int]:
    """How many rows have each label; empty where the task has none."""
    # Each right answer of a row counts, where it has several.
    counts = Counter(label for row in _rows(task) for label in {row.target, *row.accepted})
    return {label: counts[label] for label in task.labels}


def _merged(path: Path) -> list[str]:
    """A sentence where labels of the data were taken for one."""
    classes: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8"))["data"].get("classes", {})
    taken = [f"{said!r} for {label!r}" for said, label in classes.items() if said != label]
    if taken and all(said.isdigit() for said in classes):
        return [f"numbers of options are read as their letters: {', '.join(taken)}"]
    return [f"spellings of one label are taken for it: {', '.join(taken)}"] if taken else []


def _check_no_chat(**given: object) -> None:
    """Raises ConfigError for the first option that only logs of chats have: it would be left out in silence."""
    name = next((name for name, value in given.items() if value), None)
    if name is not None:
        advice = "leave one or the other out"
        if name == "group_by":
            advice = 'leave it out, and write group = "COLUMN" under [data] in the task file'
        raise ConfigError(
            f"--{name.replace('_', '-')} is for logs of chats, which have no --input and --target; {advice}"
        )


def _is_chat(data: Path, system: str | None, columns: bool, *, named: bool) -> bool:
    """Whether the file is a log of chats, as it is where speakers are `named`.

    Raises ConfigError for a system prompt beside columns.
    """
    if system is not None and columns:
        raise ConfigError(
            "--system is for logs of chats, which have no --input and --target; leave one or the other out"
        )
    if columns:
        return False
    from promptopt.tasks.chat import holds_chats

    return system is not None or named or holds_chats(data)


def _logs(data: Path, turns: str, speakers: list[str], group_by: str | None, *, mask: bool, names: Path | None) -> Logs:
    from promptopt.tasks.chat import Logs, speakers_of
    from promptopt.tasks.reading.chat_turns import SCORED, ScoredTurns

    scored: ScoredTurns | None = next((each for each in SCORED if each == turns), None)
    if scored is None:
        raise ConfigError(f"--turns {turns!r} says nothing; it is one of {', '.join(SCORED)}")
    lines = [] if names is None else _text_of(names, "file of names").splitlines()
    listed = tuple(line.strip() for line in lines if line.strip())
    if names is not None and not listed:
        raise ConfigError(f"{str(names)!r} names nobody; write one name a line, or leave --mask-names out")
    return Logs(data, speakers_of(speakers), group_by, scored, mask or bool(listed), listed)


def _init_chat(path: Path, logs: Logs, system: str | None) -> None:
    """Write the task file and its conversations, once they have proved of use, and say what was found."""
    from promptopt.tasks.chat import draft_chat
    from promptopt.tasks.task_file import load_task_file

    beside = path.with_suffix(".jsonl")
    if beside.exists():
        raise ConfigError(f"{str(beside)!r} is already there, and the conversations go there; choose another name")
    # No file has an empty name: a bot without a system prompt is said as in every other command.
    given = _text_of(Path(system), "system prompt") if system else system
    draft = draft_chat(logs, given, path.stem, beside.name)
    partial = path.with_name(f"{path.name}.partial")
    try:
        # The conversations first: the task file is loaded from beside them.
        with writing(beside):
            # Half an emoji, where a log cut one in two, is read back from JSON as it was.
            beside.write_text(without_surrogates(draft.conversations), encoding="utf-8")
        with writing(path):
            partial.write_text(draft.task_file, encoding="utf-8")
        task = load_task_file(partial)
        if not (task.train and task.dev and task.test):
            raise DataError(
                f"{logs.data} has too few different conversations for three splits; give at least a few dozen"
            )
        partial.replace(path)
    # Ctrl-C too: what is half written would be in the way of the next try.
    except BaseException:
        _drop(beside)
        raise
    finally:
        _drop(partial)
    splits = ", ".join(f"{len(getattr(task, split)):,} {split}" for split in ("train", "dev", "test"))
    named = shlex.quote(str(path))
    show("\n".join([
        f"wrote {path} and {beside}: {splits} replies; no conversation stands in two splits",
        *(f"note: {each}" for each in draft.said),
        *(f"warning: {warning}" for warning in task.warnings if not warning.startswith(beside.name)),
        f"1. Look through {path}: what the bot is for, and what no prompt may lose (contract).",
        _NEXT_STEP["demands" if task.metric == "demands" else "f1"],
        f"3. promptopt evaluate --task {named}",
        f"4. promptopt optimize --task {named} --method sprig",
    ]))  # fmt: skip


_NEXT_STEP = {
    "f1": "2. Say what a reply has to hold, by demands (docs/chat.md), or let a judge score replies, by a [judge] "
    "table (docs/judges.md); they are held against the logged ones now.",
    "demands": "2. Replies are scored by their demands; for tone, which no rule tells, add a [judge] (docs/judges.md).",
}


def _text_of(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as cause:
        why = cause.strerror if isinstance(cause, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"the {what} {path} cannot be read: {why}; check the path") from cause


def _written_task_file(path: Path, data: Path, inputs: list[str] | None, target: str | None) -> Task:
    """Write the task file, once what stands in it has proved of use, and give its task."""
    from promptopt.binding.evaluator import bind_evaluator
    from promptopt.binding.task import bind_task
    from promptopt.tasks.guess import guess_task
    from promptopt.tasks.task_file import load_task_file

    # As seen from the task file, which stands in the current folder.
    seen = Path(os.path.relpath(data))
    partial = path.with_name(f"{path.name}.partial")
    try:
        # Where labels cannot be found in a reply they are read as whole lines.
        for lines in (False, True):
            # Under another name until it has proved of use: a file that has not is in nobody's way.
            guessed = guess_task(seen, inputs, target, path.stem, lines=lines)
            with writing(path):
                partial.write_text(guessed, encoding="utf-8")
            task = load_task_file(partial)
            try:
                bind_evaluator(None, bind_task(task, 0))
            except ConfigError:
                if lines or not task.labels:
                    raise
            else:
                break
        partial.replace(path)
        return task
    finally:
        _drop(partial)


def _drop(file: Path) -> None:
    # A disk that takes no writes refuses this too, and what it said first is what is to be told.
    with suppress(OSError):
        file.unlink()
