"""`promptopt check`: whether a new prompt may take the place of an old one, for continuous integration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptopt.binding.config import RunConfig
from promptopt.cli import options
from promptopt.cli.output import interruptible, say, show, show_forecast, show_json, suspended_by, troubles
from promptopt.errors import ConfigError
from promptopt.types import HISTORY

if TYPE_CHECKING:
    from promptopt.evaluation import Evaluation
    from promptopt.outcome.decisions import Bars, Decision, ScoredPair
    from promptopt.reports.pull_request import Checked
    from promptopt.tasks.task import Task
    from promptopt.types import Example, Prompt

REGRESSION, INCONCLUSIVE = 4, 5
"""Exit codes, beside those of every command."""
_CODES = {"passed": 0, "regression": REGRESSION, "inconclusive": INCONCLUSIVE}
MARGIN = 0.05
"""The loss of mean score that is borne, unless said otherwise."""

_New = Annotated[list[str], typer.Option("--prompt", metavar="FILE-or-text", help="The new prompt, or its file.")]
_Old = Annotated[
    list[str] | None, typer.Option("--baseline", metavar="FILE-or-text", help="The old one; default: the task's start.")
]
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@options.from_config(
    "task", "system", "objective", "weights", "floor", "model", "base_url", "served_as", "api_key_env",
    "concurrency", "requests_per_minute", "judge", "user_model",
    "judge_base_url", "judge_served_as", "judge_api_key_env", "evaluator", "settings", "data", "train", "dev", "test",
    "seed", "max_calls", "max_usd", "max_minutes", "dry_run", "inconclusive", "require",
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
    from promptopt.outcome.decisions import Bars, overall

    prompt, baseline = _the_one("--prompt", prompts), _the_one("--baseline", baselines) if baselines else None
    _check_asked(margin, junit, summary)
    dry_run, better = bool(given.pop("dry_run")), given.pop("require") == "better"
    let_pass = given.pop("inconclusive") == "pass"
    config = with_task(merged(RunConfig(), given))
    task = task_of(config, trust=trust)
    laid_out, old = prompt_from(task, baseline)
    others, new = _new_prompt(task, prompt, laid_out)
    if others.layout is not None and others.layout != laid_out.layout:
        # Each is read in its own: the winner of a search may be in another than the prompt in use.
        new = new.in_layout(others.layout.name)
    if dry_run:
        from promptopt.cli.dry_runs import forecast_check

        show_forecast(forecast_check(config, _to_score(laid_out, same=old == new), (old, new)), as_json=json)
        return
    bars = Bars(margin, better=better, accept_judge=accept_judge)
    checked = _checked(config, laid_out, (old, new), (baseline, prompt), bars, quiet=json)
    outcome = overall(checked.decisions)
    _write_reports(checked, junit, summary, examples=not no_examples)
    code = _code(outcome, let_pass=let_pass)
    if json:
        show_json(_as_json(checked, outcome, code))
    else:
        show(_as_text(checked, outcome))
    raise typer.Exit(code)


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


def _checked(
    config: RunConfig, task: Task, prompts: tuple[Prompt, Prompt], given: tuple[str | None, str], bars: Bars,
    *, quiet: bool,
) -> Checked:  # fmt: skip
    """`given`: the prompts as they were given, which say how they spell their slots."""
    from promptopt.cli.evaluate import Wanted, scored
    from promptopt.cli.slot_spelling import as_given, other_mark
    from promptopt.models.tokens import estimate_tokens
    from promptopt.reports.pull_request import Checked

    old, new = prompts
    # Before anything is asked: a schema that is none costs nothing to find.
    breaks = _schema_fault(task)
    count = partial(estimate_tokens, model=config.model)
    whole = _to_score(task, same=old == new)
    layout = "" if whole.layout is None else whole.layout.name
    # Once, where both are the same prompt: `found` then has one entry, which is first and last.
    called = {new: "the new prompt", old: "both prompts" if old == new else "the old prompt"}
    wanted = [Wanted(config, layout, whole, each, called[each]) for each in dict.fromkeys(prompts) if whole.test]
    found = [evaluation for _, evaluation in scored(wanted, "test", quiet)] if wanted else [_unasked(config, task, new)]
    before, after = found[0], found[-1]
    pairs = _pairs(before, after)
    # An example that must pass and is none of the test decides for itself alone, and no mean.
    own = frozenset(task.test)
    tested = [pair for pair in pairs if pair.example in own]
    judged = after.judged and not bars.accept_judge
    decisions = [
        *_of_prompt(task, old, new, count, other_mark(task, given)),
        *_of_scores(task, tested, bars, judged=judged, same=old == new),
        *_of_examples(task, pairs, breaks, judged=judged),
        *_of_attacks(config, task, prompts, quiet=quiet),
    ]
    texts = tuple("\n\n".join(each[part] for part in task.editables) for each in prompts)
    shown = [
        as_given(task, text, spelt) + (f"\n\n[read in the layout {prompt.layout!r}]" if prompt.layout else "")
        for text, spelt, prompt in zip(texts, given, prompts, strict=True)
    ]
    return Checked(
        task.name, after.model, after.evaluator, (shown[0], shown[1]),
        (count(texts[0]), count(texts[1])), (_cost(before), _cost(after)),
        tuple(decisions), tuple(tested), after.look, after.next_look,
        sum(example in own for example in whole.test), old == new,
    )  # fmt: skip


def _of_prompt(
    task: Task, old: Prompt, new: Prompt, count_tokens: Callable[[str], int], other_mark: str
) -> list[Decision]:
    """The contract, and the scan."""
    from promptopt.outcome.decisions import Decision
    from promptopt.outcome.hygiene import findings_in
    from promptopt.tasks.spelling import as_spelt

    # With slots as the task's own file spells them: there a user looks for what was lost.
    broken = as_spelt(task.broken_by(new, count_tokens) or other_mark, task.marks)
    contract = Decision("contract", "regression" if broken else "passed", broken if broken else "every clause is kept")
    # The test too: a prompt that quotes one of its answers scores by what it was told.
    seen = (*task.train, *task.dev, *task.test)
    scan = [
        Decision(f"scan {number}", "regression", f"the prompt {each}")
        for number, each in enumerate(findings_in(new, old, task, seen), start=1)
    ]
    return [contract, *(scan if scan else [Decision("scan", "passed", "no leak, and no words to a judge")])]


def _of_scores(task: Task, pairs: Sequence[ScoredPair], bars: Bars, *, judged: bool, same: bool) -> list[Decision]:
    from promptopt.outcome.decisions import Decision, non_inferior, of_slices, shown_better

    # A prompt is no worse than itself, however few examples there are.
    if same:
        return [Decision("score", "inconclusive" if bars.better else "passed", "both are the same prompt")]
    score = non_inferior("score", pairs, bars.margin, judged=judged)
    return [
        shown_better(score) if bars.better else score,
        *of_slices(pairs, task.gate.largest_loss, judged=judged),
    ]


def _of_attacks(config: RunConfig, task: Task, prompts: tuple[Prompt, Prompt], *, quiet: bool) -> list[Decision]:
    """Whether a chatbot's prompt holds where it is attacked; nothing is asked of other tasks, or for one prompt."""
    if HISTORY not in task.fields or prompts[0] == prompts[1]:
        return []
    from promptopt.attacking import attack
    from promptopt.cli.request import budget_of, models_of

    if not quiet:
        say(f"attacking {task.name}: 50 attempts on each prompt")
    with interruptible() as interrupt, troubles(None if quiet else say), suspended_by(interrupt):
        # Nobody writes prompts here, so no proposer is opened.
        models, budget = replace(models_of(config), proposer=config.model), budget_of(config)
        found = attack(task, *prompts, model=models, budget=budget, seed=config.seed, interrupt=interrupt)
    return list(found)


def _schema_fault(task: Task) -> Callable[[str], str] | None:
    """What says how a reply breaks the task's schema; None where it has none. Raises ConfigError for what is none."""
    if not task.gate.schema:
        return None
    from promptopt.evaluators.schema import schema_fault

    return schema_fault(task.gate.schema)


def _of_examples(
    task: Task, pairs: Sequence[ScoredPair], breaks: Callable[[str], str] | None, *, judged: bool
) -> list[Decision]:
    from promptopt.outcome.decisions import keeps_schema, must_pass

    found: list[Decision] = []
    if breaks is not None:
        faults = [(bool(breaks(each.before.output)), bool(breaks(each.after.output))) for each in pairs]
        found.append(keeps_schema(faults))
    return [*found, *must_pass(task.gate.must_pass, pairs, judged=judged)]


def _with_must_pass(task: Task) -> Task:
    """The task whose test holds the examples that must pass, too, and whose other splits do not."""
    from promptopt.tasks.splits import nearly_same, same_input

    further = [example for example in task.gate.must_pass if example not in frozenset(task.test)]
    if not further:
        return task
    # An example of the same words or group elsewhere would let a search learn what must pass.
    taken = {key for example in further for key in (same_input(example), nearly_same(example))}
    groups = {example.group for example in further if example.group}

    def apart(examples: Sequence[Example]) -> tuple[Example, ...]:
        outside = (each for each in examples if each.group not in groups)
        return tuple(each for each in outside if taken.isdisjoint((same_input(each), nearly_same(each))))

    return replace(task, train=apart(task.train), dev=apart(task.dev), test=(*apart(task.test), *further))


def _to_score(task: Task, *, same: bool) -> Task:
    """The task with the examples to be scored as its test: of one prompt twice, only those that must pass.

    A prompt is no worse than itself, so looking at the sealed examples would show nothing, and cost a look. Raises
    ConfigError where there are none to tell two prompts apart.
    """
    if not same and not task.test:
        raise ConfigError(
            f"task {task.name!r} has no test examples, and both prompts are scored on these; give it more data, or "
            f"other split sizes"
        )
    whole = _with_must_pass(task)
    return replace(whole, test=task.gate.must_pass) if same else whole


def _unasked(config: RunConfig, task: Task, prompt: Prompt) -> Evaluation:
    """What stands for the scores where nothing is asked."""
    from promptopt.cli.request import evaluator_of
    from promptopt.evaluation import Evaluation
    from promptopt.outcome.criterion import name_of
    from promptopt.outcome.result import Measured
    from promptopt.run.budget import Ledger

    nothing = Measured(math.nan, (math.nan, math.nan), 0, 0)
    by = name_of(evaluator_of(config, task))
    return Evaluation(task.name, config.model, by, "test", prompt, nothing, (), (), Ledger(), Ledger())


def _pairs(before: Evaluation, after: Evaluation) -> list[ScoredPair]:
    from promptopt.outcome.decisions import ScoredPair

    known = dict(zip(before.examples, before.scores, strict=True))
    both = zip(after.examples, after.scores, strict=True)
    return [ScoredPair(example, known[example], score) for example, score in both if example in known]


def _cost(evaluation: Evaluation) -> tuple[int, int, float | None]:
    spent = evaluation.spent
    return spent.prompt_tokens, spent.completion_tokens, spent.usd


def _as_json(checked: Checked, outcome: str, code: int) -> dict[str, Any]:
    told = [{name: value for name, value in asdict(each).items() if value is not None} for each in checked.decisions]
    return {"task": checked.task, "model": checked.model, "evaluator": checked.evaluator, "outcome": outcome,
            "exit_code": code, "decisions": told,
            "look": None if checked.look is None else asdict(checked.look),
            "next_look": None if checked.next_look is None else asdict(checked.next_look)}  # fmt: skip


def _as_text(checked: Checked, outcome: str) -> str:
    from promptopt.reports import words

    said = {"passed": "It may be shipped.", "regression": "It is worse: do not ship it.",
            "inconclusive": "Not decided: the data does not show that it is no worse."}[outcome]  # fmt: skip
    rows = [[each.name, each.outcome, each.message] for each in checked.decisions]
    head = f"{checked.task}, {checked.counted()}, {checked.evaluator} on {checked.model}"
    return "\n\n".join(filter(None, [said, head, words.columns(rows), checked.looked()]))


def _write_reports(checked: Checked, junit: Path | None, summary: Path | None, *, examples: bool) -> None:
    from promptopt.reports.junit import junit as as_junit
    from promptopt.reports.pull_request import pull_request

    _write(junit, as_junit(f"promptopt {checked.task}", checked.decisions))
    _write(summary, pull_request(checked, examples=examples))


def _the_one(option: str, given: Sequence[str]) -> str:
    """Raise ConfigError for several: all but the last would be passed over in silence."""
    if len(given) > 1:
        raise ConfigError(
            f"{option} is given {len(given)} times, and one prompt is checked against one; run a check for each"
        )
    return given[0]


def _check_asked(margin: float, *paths: Path | None) -> None:
    """Raise ConfigError for a margin that is none, and for a report that will not be written, before either costs."""
    if not 0 <= margin <= 1:
        raise ConfigError(f"--margin {margin:g} is no loss of a mean score; give a number from 0 to 1, such as 0.05")
    if None not in paths and len({path.resolve() for path in paths if path is not None}) < len(paths):
        raise ConfigError(f"--junit and --summary are both {str(paths[0])!r}; name a file for each")
    for path in paths:
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            why = "it is a folder" if path.is_dir() else "there is no such folder"
            raise ConfigError(f"{str(path)!r} cannot be written: {why}; choose another place")


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        # Half an emoji in a reply must not cost the report.
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as cause:
        raise ConfigError(f"{str(path)!r} cannot be written: {cause.strerror}; choose another place") from cause
