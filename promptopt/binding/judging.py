"""What a user should know of the judge that was bound: before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptopt.binding.passed_over import passed_over
from promptopt.errors import ConfigError
from promptopt.evaluators.giveaway import given_away
from promptopt.protocols import Evaluator, Judging, Model, Role, Simulating, Task

_CHECKING: tuple[Role, ...] = ("check_judge",)


def remarks_on_judge(evaluators: Sequence[Evaluator], task: Task, names: Mapping[Role, str], check: str) -> list[str]:
    """A sentence on each thing that is wrong with the judge of these evaluators, or with one that none of them asks.

    `names`: of the models, by role. `check`: the name of the model that the verdict is on.
    """
    judging = [each for each in evaluators if isinstance(each, Judging) and each.judges]
    # Each sentence once: several judges of a panel may be one model.
    said: dict[str, None] = {}
    answering = (names["task"], check) if judging else ()
    for evaluator in judging:
        for role in (*evaluator.judges, *_CHECKING):
            judge = names.get(role)
            if judge is not None and judge in answering:
                said[
                    f"the judge is the task model, {judge!r}, and models prefer what they write themselves; name "
                    f"one of another family with --judge"
                ] = None
        found = given_away(evaluator.questions, (*task.train, *task.dev, *task.test), task.labels)
        if found:
            said[found] = None
    return [
        *said,
        *([] if judging or any(map(_may_ask, evaluators)) else _unasked_judge(names)),
        *passed_over(evaluators, task),
        *_remarks_on_user(evaluators, names),
    ]


def _may_ask(evaluator: Evaluator) -> bool:
    """Whether it may ask a judge without saying so: ours are `Judging`, others need not be."""
    ours = type(evaluator).__module__.partition(".")[0] == "promptopt"
    return not ours and evaluator.calls_per_cell > 1


def _unasked_judge(names: Mapping[Role, str]) -> list[str]:
    """What to say of a judge that is named where no evaluator asks one."""
    judge = names.get("judge")
    # Where none is named the proposer stands for it, or the task model.
    others = [names[role] for role in ("task", "proposer") if role in names]
    if judge is None or judge in others:
        return []
    return [
        f"the model {judge!r} is named as the judge, and nothing here asks one: give the task a [judge] table "
        f"(docs/judges.md), or leave --judge out"
    ]


def check_judge_of(check: Evaluator, models: Mapping[Role, Model]) -> Model | None:
    """The judge that the verdict is by, where one is named. Raises ConfigError where nobody would ask it."""
    named = models.get("check_judge")
    if named is None:
        return None
    refuse_idle_check_judge(check, named.name, models["judge"].name)
    return named


def refuse_idle_check_judge(check: Evaluator, named: str, judge: str) -> None:
    """Raise ConfigError where nobody would ask the check judge called `named`, or it is the judge itself."""
    judges = check.judges if isinstance(check, Judging) else ()
    if judges != ("judge",):
        asks = "asks several judges already" if judges else "asks no judge"
        raise ConfigError(
            f"{named!r} is named as the check judge, and what the verdict is by {asks}; leave --check-judge out"
        )
    if named == judge:
        raise ConfigError(
            f"the check judge is the judge, {named!r}, so it checks nothing; name one of another family with "
            f"--check-judge"
        )


def without_check(check: Evaluator, names: Mapping[Role, str]) -> str:
    """A sentence where the search and the verdict are by one and the same judge; else nothing."""
    if not isinstance(check, Judging) or check.judges != ("judge",) or "check_judge" in names:
        return ""
    return (
        f"one judge, {names['judge']!r}, guides the search and says what came of it, so a prompt that only "
        f"pleases it looks better than it is; name one of another family for the end with --check-judge of `promptopt "
        f"optimize`"
    )


def _remarks_on_user(evaluators: Sequence[Evaluator], names: Mapping[Role, str]) -> list[str]:
    """What a user should know of the model that plays users."""
    user = names.get("user")
    if user is None:
        return []
    if not any(isinstance(each, Simulating) for each in evaluators):
        return [f"the model {user!r} is named to play users, and this task has no scenarios: nobody asks it"]
    said = [
        f"the users are played by {user!r}, and what comes of that depends on who plays: have another model play "
        f"them too, with --user-model, before you rely on it"
    ]
    if user == names["task"]:
        said.append(
            f"the model that plays the users is the task model, {user!r}, which is kind to itself; name one of "
            f"another family with --user-model"
        )
    return said
