"""`promptopt check`: whether a new prompt may take the place of an old one, for continuous integration."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.binding.config import RunConfig
from promptopt.cli import options
from promptopt.cli.output import SUSPENDED, say, show, show_forecast, show_json, without_secrets
from promptopt.cli.prompt_check import check_prompt, schema_faults, to_score
from promptopt.errors import ConfigError, PromptoptError, StopRun
from promptopt.places import write_whole, writing
from promptopt.types.identity import without_surrogates

if TYPE_CHECKING:
    from promptopt.outcome.decisions import Bars
    from promptopt.reports.pull_request import Checked
    from promptopt.tasks.task import Task
    from promptopt.types import Prompt

REGRESSION, INCONCLUSIVE = 4, 5
"""Exit codes, beside those of every command."""
_CODES = {"passed": 0, "regression": REGRESSION, "inconclusive": INCONCLUSIVE}
MARGIN = 0.05
"""The loss of mean score that is borne, unless said otherwise. Ours."""

_New = Annotated[list[str], typer.Option("--prompt", metavar="FILE-or-text", help="The new prompt, or its file.")]
_Old = Annotated[
    list[str] | None, typer.Option("--baseline", metavar="FILE-or-text", help="The old one; default: the task's start.")
]
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@options.from_config(
    "task", "system", "objective", "weights", "floor", "weigh", "model", "base_url", "served_as", "api_key_env",
    "concurrency", "requests_per_minute", "judge", "user_model",
    "judge_base_url", "judge_served_as", "judge_api_key_env", "evaluator", "settings", "data", "train", "dev", "test",
    "seed", "max_calls", "max_usd", "max_minutes", "dry_run", "inconclusive", "require", "sequential",
    judge="The model that scores, where one is asked; several, as A,B,C, for a panel; default: as in optimize.",
    user_model="The model that plays the users of a task with scenarios; default: the one that answers.",
    settings="A setting of the evaluator.",
)  # fmt: skip
def check(
    given: dict[str, Any],
    *,
    prompts: _New,
    baselines: _Old = None,
    margin: Annotated[float, typer.Option(help="The loss of mean score that is borne, from 0 to 1.")] = MARGIN,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the decisions as JUnit XML.")] = None,
    summary: Annotated[Path | None, typer.Option(metavar="FILE", help="Write Markdown for a pull request.")] = None,
    accept_judge: Annotated[bool, typer.Option("--accept-judge", help="Let a judge's word decide.")] = False,
    no_examples: Annotated[
        bool, typer.Option("--no-examples", help="Keep texts of the data out of --summary.")
    ] = False,
    trust: options.Trust = False,
    json: options.AsJson = False,
) -> None:
    """Check a new prompt against the one in use: contract, leaks, score, slices, examples that must pass.

    Both are scored on the same test examples; what was asked before is read from the store, so checking again draws
    nothing new. Exit codes: 0 it may be shipped, 4 it is worse, 5 the data cannot decide it, beside 1 failed, 2 wrong
    options, 3 suspended. docs/check.md has a workflow to copy.
    """
    from promptopt.cli.request import merged, prompt_from, task_of, with_task
    from promptopt.outcome.decisions import overall

    prompt, baseline = _the_one("--prompt", prompts), _the_one("--baseline", baselines) if baselines else None
    _check_places(junit, summary)
    dry_run = bool(given.pop("dry_run"))
    with _failure_reported(*((None, None) if dry_run else (junit, summary))):
        bars = _bars(given, margin, accept_judge=accept_judge)
        let_pass = given.pop("inconclusive") == "pass"
        config = with_task(merged(RunConfig(), given))
        task = task_of(config, trust=trust)
        laid_out, old = prompt_from(task, baseline)
        others, new = _new_prompt(task, prompt, laid_out)
        if others.layout is not None and others.layout != laid_out.layout:
            # Each is read in its own: the winner of a search may be in another than the prompt in use.
            new = new.in_layout(others.layout.name)
        _check_asked(config, laid_out, bars)
        if dry_run:
            from promptopt.cli.dry_runs import forecast_check

            asked = to_score(laid_out, same=old == new)
            return show_forecast(forecast_check(config, asked, (old, new), bars, laid_out), as_json=json)
        checked = check_prompt(config, laid_out, (old, new), (baseline, prompt), bars, quiet=json)
        outcome = overall(checked.decisions)
        code = _code(outcome, let_pass=let_pass)
        show_json(_check_as_json(checked, outcome, code)) if json else show(_check_as_text(checked, outcome))
        # Behind what was found: a full disk must not cost that.
        _write_reports(checked, junit, summary, examples=not no_examples)
        raise typer.Exit(code)


@contextmanager
def _failure_reported(junit: Path | None, summary: Path | None) -> Generator[None]:
    """What ends a check without a decision stands in its reports too, where an earlier one may have passed.

    Each is None where it is not written, as by a dry run, which decides nothing.
    """
    suspended = "suspended before it was decided; run the same command again to go on"
    try:
        yield
    except typer.Exit as ended:
        # What suspended it was said where it happened.
        if ended.exit_code == SUSPENDED:
            _report_failure(suspended, junit, summary)
        raise
    except KeyboardInterrupt:
        _report_failure(suspended, junit, summary)
        raise
    except Exception as failure:
        known = isinstance(failure, PromptoptError | StopRun)
        _report_failure(str(failure) if known else f"{type(failure).__name__}: {failure}", junit, summary)
        raise


def _report_failure(why: str, junit: Path | None, summary: Path | None) -> None:
    from promptopt.reports.junit import junit_of_failure
    from promptopt.reports.pull_request import pull_request_of_failure

    why = without_secrets(why)
    for path, text in ((junit, junit_of_failure("promptopt check", why)), (summary, pull_request_of_failure(why))):
        # If that cannot be written, the failure itself is still what has to be told.
        with suppress(PromptoptError, OSError):
            _write_report(path, text)


def _code(outcome: str, *, let_pass: bool) -> int:
    if let_pass and outcome == "inconclusive":
        say("Warning: it is not decided, and passes by --inconclusive pass")
        return 0
    return _CODES[outcome]


def _new_prompt(task: Task, prompt: str, laid_out: Task) -> tuple[Task, Prompt]:
    from promptopt.cli.request import prompt_from
    from promptopt.tasks.task import PlaceholderLost

    try:
        return prompt_from(task, prompt)
    except PlaceholderLost as lost:
        # A finding on the new prompt, which the contract tells in its turn, and no mistake in the command.
        return laid_out, lost.prompt


def _check_as_json(checked: Checked, outcome: str, code: int) -> dict[str, Any]:
    told = [each.to_json() for each in checked.decisions]
    return {"task": checked.task, "model": checked.model, "evaluator": checked.evaluator,
            "scored_by": checked.scored_by(),
            **({"by_task": dict(checked.by_task)} if checked.by_task else {}), "outcome": outcome,
            "exit_code": code, "decisions": told,
            **_played_as_json(checked),
            **({} if checked.length is None else {"length_matched": checked.length.to_json()}),
            **({"sequential": {"scored": len(checked.pairs), "of": checked.wanted}} if checked.sequential else {}),
            "look": None if checked.look is None else asdict(checked.look),
            "next_look": None if checked.next_look is None else asdict(checked.next_look)}  # fmt: skip


def _played_as_json(checked: Checked) -> dict[str, Any]:
    sides = zip(("old", "new"), checked.conversations, strict=True)
    found = {name: each.to_json() for name, each in sides if each is not None}
    return {"conversations": found} if found else {}


def _check_as_text(checked: Checked, outcome: str) -> str:
    from promptopt.outcome.decisions import deciding
    from promptopt.reports import words

    said = {"passed": "It may be shipped.", "regression": "It is worse: do not ship it.",
            "inconclusive": "Not decided: the data does not show that it is no worse."}[outcome]  # fmt: skip
    rows = [[each.name, each.outcome, each.message] for each in checked.decisions]
    if why := deciding(checked.decisions):
        said = f"{said} {'Why' if outcome == 'regression' else 'Open'}: {', '.join(each.name for each in why)}."
    head = f"{checked.task}, {checked.counted()}, {checked.scored_by()} on {checked.model}"
    length = "" if checked.length is None else checked.length.sentence()
    return "\n\n".join(filter(None, [said, head, words.columns(rows), length, checked.played(), checked.looked()]))


def _write_reports(checked: Checked, junit: Path | None, summary: Path | None, *, examples: bool) -> None:
    from promptopt.reports.junit import junit as as_junit
    from promptopt.reports.pull_request import pull_request

    scored = {f"evaluator of {task}": name for task, name in checked.by_task.items()}
    _write_report(junit, as_junit(f"promptopt {checked.task}", checked.decisions, scored))
    _write_report(summary, pull_request(checked, examples=examples))


def _the_one(option: str, given: Sequence[str]) -> str:
    """Raise ConfigError for several: all but the last would be passed over in silence."""
    if len(given) > 1:
        raise ConfigError(
            f"{option} is given {len(given)} times, and one prompt is checked against one; run a check for each"
        )
    return given[0]


def _check_asked(config: RunConfig, task: Task, bars: Bars) -> None:
    """Raise ConfigError for a schema that is none, and for a sequential test that nothing could end."""
    from promptopt.binding.evaluator import bind_evaluator
    from promptopt.cli.request import asks_judge, evaluator_of
    from promptopt.outcome.criterion import unjudged_tasks

    # Before anything is asked it costs nothing to find.
    schema_faults(task)
    if not bars.sequential or bars.accept_judge or not asks_judge(config, task):
        return
    # Of several tasks, one that goes by its metric may be worse, which ends it.
    if not unjudged_tasks(bind_evaluator(evaluator_of(config, task), task)):
        raise ConfigError(
            "--sequential stops once it is decided, and a judge's word decides nothing; let it with --accept-judge, or "
            "leave --sequential out"
        )


def _bars(given: dict[str, Any], margin: float, *, accept_judge: bool) -> Bars:
    """What the score has to hold, from options that are then no longer among those `given`."""
    from promptopt.outcome.decisions import Bars

    better, sequential = given.pop("require") == "better", bool(given.pop("sequential"))
    if not 0 <= margin <= 1:
        raise ConfigError(f"--margin {margin:g} is no loss of a mean score; give a number from 0 to 1, such as 0.05")
    return Bars(margin, better=better, accept_judge=accept_judge, sequential=sequential)


def _check_places(*paths: Path | None) -> None:
    """Raise ConfigError for a report that will not be written, before it costs anything."""
    if None not in paths and len({path.resolve() for path in paths if path is not None}) < len(paths):
        raise ConfigError(f"--junit and --summary are both {str(paths[0])!r}; name a file for each")
    for path in paths:
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            why = "it is a folder" if path.is_dir() else "there is no such folder"
            raise ConfigError(f"{str(path)!r} cannot be written: {why}; choose another place")


def _write_report(path: Path | None, text: str) -> None:
    if path is None:
        return
    with writing(path):
        # Half an emoji in a reply must not cost the report.
        write_whole(path, without_surrogates(text))
