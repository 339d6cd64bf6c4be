"""`--dry-run` of commands that are more than one search, or none. No model is opened or asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from promptopt.binding.config import RunConfig
from promptopt.binding.judging import remarks_on_judge
from promptopt.binding.models import addresses_of
from promptopt.cli.forecast import Forecast, as_rehearsed, forecast, look_of, names_of, players
from promptopt.cli.forecast_range import ForecastRange
from promptopt.cli.forecast_table import (
    ForecastTable,
    in_all,
    minutes_of,
    prices_at,
    times,
    within_dollars,
    without_price,
)
from promptopt.cli.least_margins import likely, margins_said, of_check, of_migration, slices_left_open
from promptopt.cli.program_calls import as_measured
from promptopt.cli.rehearsal import rehearse_headroom, rehearse_scores, rehearse_user_prompts
from promptopt.cli.request import (
    Loaded,
    alone,
    budget_of,
    evaluator_of,
    models_of,
    of_scoring,
    proposer_of,
    task_of,
    without_objective,
)
from promptopt.cli.roles import CellCost, RoleForecast, judging, proposing, scoring, sum_known
from promptopt.cli.speed import speed_of
from promptopt.migration.sharing import shared_task
from promptopt.outcome.decisions import ONE_SIDED, Bars
from promptopt.outcome.smallest import goes_by_worst
from promptopt.protocols import Evaluator, Simulating
from promptopt.run.budget import Budget
from promptopt.stats import ALPHA
from promptopt.tasks.must_pass import apart_from_must_pass
from promptopt.tasks.task import Task
from promptopt.text import counted
from promptopt.types import HISTORY, Example, Prompt


def forecast_check(
    config: RunConfig, task: Task, prompts: tuple[Prompt, Prompt], bars: Bars, judged: Task
) -> ForecastTable:
    """What scoring the old and the new prompt on the test takes, and attacking both where the task is a chat.

    `task`: with all that is scored; `judged`: with the test that means are over. A sequential check may stop before all
    of it is scored, so this is the most that it takes.
    """
    different = tuple(dict.fromkeys(prompts))
    warned = (*task.warnings, *_said_of_judges(config, task))
    if not task.test:
        # One prompt twice: nothing is left to ask.
        return _forecast_table(config, {"task": config.task}, (0, "both are the same prompt"), [], warned)
    attacked = prompts if HISTORY in task.fields and len(different) > 1 else None
    budget = budget_of(config)
    evaluations, roles = _scoring(config, [(task, each) for each in different], budget, attacked)
    # The cap is that of each prompt.
    roles = within_dollars(roles, None if budget.usd is None else len(different) * budget.usd)
    made_of = f"{counted(len(different), 'prompt')} on {counted(len(task.test), 'test example')}"
    made_of += " at most, as --sequential stops once it is decided" if bars.sequential else ""
    made_of += ", and 50 attacks on each" if attacked is not None else ""
    if len(different) < 2:
        return _forecast_table(config, {"task": config.task}, (evaluations, made_of), roles, warned)
    margins = of_check(judged, bars)
    # An interval that holds at every look has no such figure by a formula, and neither has the worst of several tasks.
    often = None if bars.sequential or goes_by_worst(judged) else likely(judged.test, ONE_SIDED / 2)
    named = {"task": config.task, "least_margins": {name: least for name, (_, least, _) in margins.items()}}
    table = _forecast_table(config, named, (evaluations, made_of), roles, warned)
    said = [*margins_said(margins, often), *slices_left_open(judged)]
    if not bars.sequential and evaluations < len(different) * len(judged.test):
        said.append("Warning: the cap comes before the end of the test, which is not judged then; raise it")
    return replace(table, shows=tuple(said))


def forecast_scores(
    wanted: Sequence[tuple[RunConfig, Task, Prompt]], split: str, kind: str, kinds: str = ""
) -> ForecastTable:
    """What scoring prompts on a split takes, each on the model of its own config. `kind` and `kinds`: what they are."""
    config, first, _ = wanted[0]
    budget = budget_of(config)
    evaluations, roles = 0, list[RoleForecast]()
    for own, task, prompt in wanted:
        counted_here, more = _scoring(of_scoring(own), [(task, prompt)], budget, None, split)
        evaluations += counted_here
        # The caps are those of each.
        roles += [role for role in within_dollars(more, budget.usd) if role.calls != 0]
    sealed: tuple[Example, ...] = getattr(first, split)
    made_of = f"{counted(len(wanted), kind, kinds)} on {counted(len(sealed), f'{split} example')}"
    if split == "test":
        made_of += f"; it would be look {look_of(sealed)[0]} at them"
    warned = dict.fromkeys((*first.warnings, *(said for own, task, _ in wanted for said in _said_of_judges(own, task))))
    return _forecast_table(config, {"task": config.task, "split": split}, (evaluations, made_of), roles, tuple(warned))


def forecast_compare(config: RunConfig, runs: Sequence[RunConfig], seeds: int) -> ForecastTable:
    """What the searches of a comparison take. `runs`: a search of each task, method and model, one seed of `seeds`."""
    loaded: Loaded = {}
    searches = [forecast(each, task_of(each, loaded=loaded)) for each in runs]
    counts = [each.evaluations for each in searches]
    roles = [times(role, seeds) for each in searches for role in each.roles]
    made_of = f"{counted(seeds * len(runs), 'search', 'searches')}"
    made_of += f"; one of the {seeds} seeds was rehearsed without a model, and stands for all" if seeds > 1 else ""
    warnings = tuple(dict.fromkeys(warning for each in searches for warning in each.warnings))
    known = sum_known(counts)
    whole = None if known is None else seeds * known
    spread = _joint_range([each for each in searches for _ in range(seeds)], 0, 0)
    methods = list(dict.fromkeys(each.method for each in runs))
    return _forecast_table(config, {"task": config.task, "methods": methods}, (whole, made_of), roles, warnings, spread)


def forecast_migrate(
    config: RunConfig, task: Task, source: str | None, names: Sequence[str], margin: float, *, shared: bool
) -> ForecastTable:
    """What a move to these models takes at most. `source`: the old model; None: its replies are in a file.

    `shared`: whether a prompt is looked for that is for all of them, too.

    The searches, and what scores their winners, are left out of the least: the old prompt may be no worse everywhere.
    """
    targets = [replace(config, model=name) for name in names]
    task, further = apart_from_must_pass(task)
    # What must pass is scored wherever the test is.
    scored = replace(task, test=(*task.test, *further))
    asked = [*([] if source is None else [replace(config, model=source)]), *targets]
    # Without labels the old model's replies are the targets, of the examples that are searched on, too.
    labelled = all(example.target for split in (task.train, task.dev, scored.test) for example in split)
    copied = [] if labelled or source is None else [(asked[0], split) for split in ("train", "dev")]
    certain = [
        _scoring(of_scoring(own), [(scored, task.initial)], Budget(), None, split)
        for own, split in [*copied, *((own, "test") for own in asked)]
    ]
    searches = [forecast(own, task) for own in targets]
    if shared:
        searches.append(forecast(targets[0], shared_task(task, tuple(names), margin), names[1:]))
    # Each new prompt is scored on every target.
    after = [_scoring(of_scoring(own), [(scored, each.winner)], Budget(), None) for own in targets for each in searches]
    least = sum(count for count, _ in certain)
    known = sum_known([each.evaluations for each in searches])
    most = None if known is None else least + known + sum(count for count, _ in after)
    roles = [role for _, scored in (*certain, *after) for role in scored]
    roles += [role for each in searches for role in each.roles]
    made_of = (
        f"{least:,} for the old prompt on {counted(len(asked), 'model')}, and at most the rest for a search on each "
        f"new model where it may be worse{', and one for all of them' if shared else ''}"
    )
    if source is not None:
        # Whether it takes a temperature is known once it has answered.
        more = counted(len(task.test), "more call", "more calls")
        made_of += f"; and {more} of the old model if it takes no temperature, as it is drawn twice then"
    warnings = tuple(dict.fromkeys(warning for each in searches for warning in each.warnings))
    verdicts = (3 if shared else 2) * len(names)
    margins = of_migration(task, margin, verdicts)
    named = {"task": config.task, "method": config.method, "seed": config.seed, "least_evaluations": least,
             "least_margins": {name: held for name, (_, held, _) in margins.items()}}  # fmt: skip
    asked_roles = [role for role in roles if role.calls != 0]
    table = _forecast_table(targets[0], named, (most, made_of), asked_roles, warnings)
    said = margins_said(margins, likely(task.test, ALPHA / (2 * verdicts)))
    return replace(table, shows=(*said, *slices_left_open(task, "the migration")))


def forecast_headroom(config: RunConfig, task: Task) -> ForecastTable:
    """What a look at the headroom takes. Raises ConfigError where the budget is too little for one."""
    evaluator, budget, proposer = evaluator_of(config, task), budget_of(config), proposer_of(config)
    specs = {"task": config.model, "proposer": proposer, "judge": proposer, "user": _player(config, evaluator)}
    caps = Budget(budget.evaluations, budget.calls, budget.tokens)
    played = rehearse_headroom(task, evaluator, specs, caps, config.seed)
    prices = prices_at(specs, _addresses(config, evaluator))
    empty = [RoleForecast.of(role, specs[role], 0, 0, 0, prices[role]) for role in played.roles]
    roles = [as_rehearsed(role, played.roles, prices[role.role]) for role in empty]
    made_of = "the start, other layouts, several replies to vote, and a dozen other prompts"
    return _forecast_table(
        config, {"task": config.task}, (played.evaluations, made_of), within_dollars(roles, budget.usd), task.warnings
    )


def forecast_unseen(
    config: RunConfig,
    folds: Sequence[tuple[RunConfig, list[str]]],
    made_of: str,
    loaded: Loaded,
    *,
    adapt: bool,
    user_prompts: int,
) -> ForecastTable:
    """What the searches take and what it takes to judge what they find. `made_of`: that, in words."""
    searches: list[Forecast] = []
    roles: list[RoleForecast] = []
    counts: list[int | None] = []
    for fold, targets in folds:
        searched = forecast(fold, task_of(fold, loaded=loaded))
        searches.append(searched)
        for target in targets:
            further, scores, more = _on_target(
                fold, target, searched.systems, loaded, adapt=adapt, user_prompts=user_prompts
            )
            searches += further
            counts.append(scores)
            roles += more
    counts += [each.evaluations for each in searches]
    evaluations = sum_known(counts)
    warnings = [warning for each in searches for warning in each.warnings]
    named = {"task": config.task, "method": config.method, "seed": config.seed}
    listed = [role for each in searches for role in each.roles]
    judging = sum_known(counts[: len(counts) - len(searches)])
    spread = _joint_range(searches, 0 if judging is None else judging, _tokens(roles))
    return _forecast_table(
        config, named, (evaluations, made_of), [*listed, *roles], tuple(dict.fromkeys(warnings)), spread
    )


def _joint_range(searches: Sequence[Forecast], evaluations: int, tokens: int) -> ForecastRange | None:
    """The least and the most of several searches and of what is certain beside them; None where these are near."""
    if all(each.spread is None for each in searches) or any(each.evaluations is None for each in searches):
        return None
    ends = [
        ((each.evaluations or 0,) * 2, (_tokens(each.roles),) * 2)
        if each.spread is None
        else (each.spread.evaluations, each.spread.tokens)
        for each in searches
    ]
    few, many = (evaluations + sum(counts[end] for counts, _ in ends) for end in (0, 1))
    short, long = (tokens + sum(counts[end] for _, counts in ends) for end in (0, 1))
    return ForecastRange.between((few, many), (short, long))


def _tokens(roles: Sequence[RoleForecast]) -> int:
    return sum((role.prompt_tokens or 0) + (role.completion_tokens or 0) for role in roles)


def _on_target(
    config: RunConfig, target: str, systems: tuple[str, str], loaded: Loaded, *, adapt: bool, user_prompts: int
) -> tuple[list[Forecast], int, list[RoleForecast]]:
    """The searches of user prompts for an unseen task, and the evaluations and roles of what is scored on it."""
    from promptopt.binding.suite import under_system
    from promptopt.tasks.parts import with_user_prompts

    own, asked = alone(config, target, loaded), of_scoring(config)
    whole = under_system(own, systems[0])
    wanted = [(whole, whole.initial.replace(whole.editable, system)) for system in systems]
    further: list[Forecast] = []
    if adapt:
        single = without_objective(config, target)
        adapting = [replace(single, system=system) for system in systems]
        further = [forecast(each, task_of(each, loaded=loaded)) for each in adapting]
        wanted += [(each.task, each.winner) for each in further]
    roles: list[RoleForecast] = []
    reworded = with_user_prompts(whole)
    if user_prompts and len(reworded.editables) > 1:
        first, part = reworded.editables
        proposer = proposer_of(config)
        price = prices_at({"proposer": proposer}, addresses_of(models_of(config)))["proposer"]
        specs = {"task": config.model, "proposer": proposer}
        texts, counts = rehearse_user_prompts(own, user_prompts, evaluator_of(asked, own), specs, config.seed)
        wanted += [(reworded, reworded.initial.replace(first, system).replace(part, text))
                   for system in systems for text in texts]  # fmt: skip
        roles.append(as_rehearsed(proposing(proposer, 0, 0, 0, price), {"proposer": counts}, price))
    evaluations, scored = _scoring(asked, wanted, Budget(), None)
    return further, evaluations, [*roles, *scored]


def _scoring(
    config: RunConfig,
    wanted: Sequence[tuple[Task, Prompt]],
    budget: Budget,
    attacked: tuple[Prompt, Prompt] | None,
    split: str = "test",
) -> tuple[int, list[RoleForecast]]:
    """(evaluations, roles) of prompts on a split of their tasks."""
    asked = [(task, prompt, evaluator_of(config, task)) for task, prompt in wanted]
    task, _, evaluator = asked[0]
    judge = proposer_of(config) if config.judge is None else config.judge.partition(",")[0].strip()
    specs = {"task": config.model, "judge": judge, "user": _player(config, evaluator)}
    prices = prices_at(specs, _addresses(config, evaluator))
    cost = CellCost.of(task, evaluator, config.model)
    cells = sum(_capped(len(getattr(each, split)), budget, cost.calls) for each, _ in wanted)
    roles = scoring(cost, cost, (config.model, config.model), (cells, 0), prices)
    roles.append(judging(judge, (cost, cost), (cells, 0), prices["judge"]))
    if isinstance(evaluator, Simulating):
        roles += players(specs, prices)
    caps = Budget(budget.evaluations, budget.calls, budget.tokens)
    played = rehearse_scores(asked, specs, caps, config.seed, attacked, split)
    if played is None:
        return cells, roles
    found = [as_rehearsed(role, played.roles, prices[role.role]) for role in roles]
    speed, together = speed_of(config, proposer_of(config)), None if caps.calls is None else len(wanted) * caps.calls
    found, evaluations, _ = as_measured(found, played.evaluations, None, evaluator, speed, Budget(calls=together))
    return evaluations or 0, found


def _said_of_judges(config: RunConfig, task: Task) -> list[str]:
    """What scoring would say of its judges before its first call."""
    evaluator, proposer = evaluator_of(config, task), proposer_of(config)
    judge = proposer if config.judge is None else config.judge.partition(",")[0].strip()
    specs = {"task": config.model, "proposer": proposer, "judge": judge}
    if isinstance(evaluator, Simulating) or config.user_model is not None:
        specs["user"] = _player(config, evaluator)
    return remarks_on_judge([evaluator], task, names_of(config, specs), config.model)


def _capped(examples: int, budget: Budget, calls_per_cell: int) -> int:
    caps = [] if budget.evaluations is None else [budget.evaluations]
    caps += [] if budget.calls is None else [budget.calls // calls_per_cell]
    return min([examples, *caps])


def _addresses(config: RunConfig, evaluator: Evaluator) -> dict[str, str | None]:
    return addresses_of(replace(models_of(config), user=_player(config, evaluator)), evaluator)


def _player(config: RunConfig, evaluator: Evaluator) -> str:
    if config.user_model is not None:
        return config.user_model
    shipped = evaluator.user_model if isinstance(evaluator, Simulating) else None
    # Nobody writes prompts where none are searched: the model that answers plays the users, too.
    return shipped if shipped else config.model


def _forecast_table(
    config: RunConfig,
    named: Mapping[str, object],
    evaluations: tuple[int | None, str],
    roles: Sequence[RoleForecast],
    warnings: Sequence[str],
    spread: ForecastRange | None = None,
) -> ForecastTable:
    together = in_all(roles)
    speed = speed_of(config, proposer_of(config))
    return ForecastTable(
        named, *evaluations, together, minutes_of(together, speed), speed, without_price(together),
        tuple(warnings), spread,
    )  # fmt: skip
