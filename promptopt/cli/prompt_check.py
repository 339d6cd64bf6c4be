"""A new prompt held against the one in use: contract, scan, scores, examples that must pass, attacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from promptopt.binding.config import RunConfig
from promptopt.cli.output import interruptible, say, suspended_by, troubles
from promptopt.errors import ConfigError
from promptopt.text import counted
from promptopt.types import HISTORY, digest

if TYPE_CHECKING:
    from promptopt.cli.evaluate import Wanted
    from promptopt.evaluation import Evaluation
    from promptopt.outcome.decisions import Bars, Decision, ScoredPair
    from promptopt.outcome.length_matched import LengthMatched
    from promptopt.reports.pull_request import Checked
    from promptopt.stats.design import Design
    from promptopt.tasks.task import Task
    from promptopt.types import Example, Prompt


def check_prompt(
    config: RunConfig, task: Task, prompts: tuple[Prompt, Prompt], given: tuple[str | None, str], bars: Bars,
    *, quiet: bool,
) -> Checked:  # fmt: skip
    """What decides whether the new of two prompts, (old, new), may take the old one's place.

    `given`: the prompts as they were given, which say how they spell their slots.
    """
    from promptopt.cli.evaluate import Wanted
    from promptopt.cli.sequential import cut_short
    from promptopt.cli.slot_spelling import as_given, misspelt_slot
    from promptopt.evaluation import paired
    from promptopt.models.tokens import estimate_tokens
    from promptopt.reports.pull_request import Checked

    old, new = prompts
    count = partial(estimate_tokens, model=config.model)
    whole = to_score(task, same=old == new)
    layout = "" if whole.layout is None else whole.layout.name
    # Once, where both are the same prompt: `found` then has one entry, which is first and last.
    called = {new: "the new prompt", old: "both prompts" if old == new else "the old prompt"}
    wanted = [Wanted(config, layout, whole, each, called[each]) for each in dict.fromkeys(prompts) if whole.test]
    found, own = _scored(config, task, wanted, bars, quiet=quiet) if wanted else ([_unasked(config, task, new)], ())
    before, after = found[0], found[-1]
    pairs = paired(before, after)
    tested = [pair for pair in pairs if pair.example in own]
    # To look at a part, and at more of it once a higher cap allows that, would be many looks at the price of one.
    unjudged = len(tested) if not bars.sequential and old != new and cut_short(found, own) else 0
    decisions = [
        *_of_prompt(task, old, new, count, misspelt_slot(task, given)),
        *_of_replies(task, after, (pairs, tested), bars, _not_whole(unjudged, len(own)), same=old == new),
        *_of_attacks(config, task, prompts, quiet=quiet),
    ]
    # What no prompt can be scored on is not to be.
    unfit = 0 if before.capped or after.capped else len(own) - len(tested)
    texts = tuple("\n\n".join(each[part] for part in task.editables) for each in prompts)
    shown = [
        as_given(task, text, spelt) + (f"\n\n[read in the layout {prompt.layout!r}]" if prompt.layout else "")
        for text, spelt, prompt in zip(texts, given, prompts, strict=True)
    ]
    return Checked(
        task.name, after.model, after.evaluator, (shown[0], shown[1]),
        (count(texts[0]), count(texts[1])), (_cost(before), _cost(after)),
        tuple(decisions), () if unjudged else tuple(tested), after.look, after.next_look,
        sum(map(frozenset(task.test).__contains__, whole.test)) - unfit, old == new, after.by_task,
        None if unjudged or old == new else _of_length(after, tested),
        (None, None) if unjudged else (before.measured.conversations, after.measured.conversations),
        bars.sequential, unjudged, after.called,
    )  # fmt: skip


def _not_whole(scored: int, whole: int) -> str:
    """Why what was scored is not judged; empty where none of it is left so."""
    said = (
        f"a cap came first, after {scored} of {counted(whole, 'test example')}, and a test of fixed size is judged "
        f"once it is whole: run the same command with a higher cap, which pays for none of these again"
    )
    return said if scored else ""


def _of_replies(
    task: Task, after: Evaluation, pairs: tuple[list[ScoredPair], list[ScoredPair]], bars: Bars, open_: str,
    *, same: bool,
) -> list[Decision]:  # fmt: skip
    """What is decided by the replies; `pairs`: all, and those that means are over; `open_`: why means are not."""
    from promptopt.outcome.decisions import Decision, must_pass

    judged, unjudged = after.judged and not bars.accept_judge, after.unjudged_tasks
    by_mean = [Decision("score", "inconclusive", open_)]
    if not open_:
        by_mean = _of_scores(task, pairs[1], bars, judged=judged, unjudged=unjudged, same=same)
    by_schema = _of_schemas(pairs[0], schema_faults(task), open_)
    vital = must_pass(task.gate.must_pass, pairs[0], judged=judged, unjudged=unjudged, passing=after.passing)
    return [*by_mean, *by_schema, *vital]


def _of_length(scored: Evaluation, pairs: Sequence[ScoredPair]) -> LengthMatched | None:
    """The judge's gain where length plays no part; of several tasks on those that a judge scores."""
    from promptopt.outcome.length_matched import length_matched

    if not scored.judged or scored.evaluator == "simulated":
        return None
    own = [pair for pair in pairs if pair.example.slice not in scored.unjudged_tasks]
    return length_matched(((pair.before, pair.after, pair.example.group) for pair in own), scored.weigh)


def _scored(
    config: RunConfig, task: Task, wanted: Sequence[Wanted], bars: Bars, *, quiet: bool
) -> tuple[list[Evaluation], frozenset[Example]]:
    """Both prompts scored, and the examples that means are over.

    An example that must pass and is none of the test decides for itself alone, and no mean. One of the test that says
    the same as such a one is not scored.
    """
    from promptopt.cli.evaluate import scored
    from promptopt.cli.sequential import cut_short, drawn_in_batches, scored_until
    from promptopt.evaluation import paired
    from promptopt.outcome.decisions import overall
    from promptopt.outcome.finished_tests import check_unfinished, enter_finished
    from promptopt.store.runs import Store

    drawn = [each for each in wanted[0].task.test if each in frozenset(task.test)]
    # One prompt twice is scored on examples that must pass, and is no test.
    if len(wanted) < 2:
        return [evaluation for _, evaluation in scored(wanted, "test", quiet)], frozenset(drawn)
    pair = _pair_of(config, task, wanted)
    rule = "sequential" if bars.sequential else "fixed"

    def enter(over: Sequence[Example]) -> None:
        with Store() as store:
            enter_finished(store.looks, pair, rule, over)

    def decided(found: Sequence[Evaluation], reached: frozenset[Example]) -> bool:
        # Before anything is told of it: from here on it is a test of this kind, whatever ends it.
        enter([each for each in drawn if each in reached])
        pairs = [each for each in paired(*found) if each.example in reached]
        judged = found[-1].judged and not bars.accept_judge
        said = _of_scores(task, pairs, bars, judged=judged, unjudged=found[-1].unjudged_tasks, same=False)
        return overall(said) != "inconclusive"

    with Store() as store:
        check_unfinished(store.looks, pair, rule, drawn)
    batches = drawn_in_batches(drawn) if bars.sequential else [drawn]
    found, own = scored_until(wanted, batches, decided, partly=bars.sequential, quiet=quiet)
    # What a cap has cut is not over: a higher one goes on with what was planned. A sequential test may go on anyway.
    if any(each.capped for each in found) and (bars.sequential or not cut_short(found, drawn)):
        capped = frozenset(example for each in found for example in each.capped)
        enter([each for each in drawn if each in own - capped])
    return found, own


def _pair_of(config: RunConfig, task: Task, wanted: Sequence[Wanted]) -> str:
    """What is compared, and by what: the prompts, the model and what scores."""
    from promptopt.cli.request import evaluator_of

    # By another rubric or metric it is another test.
    by = [config.model, config.base_url, dict(evaluator_of(config, task).fingerprint()), config.judge]
    return digest([*by, *([each.prompt.id, each.name] for each in wanted)])


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


def _of_scores(
    task: Task, pairs: Sequence[ScoredPair], bars: Bars, *, judged: bool, unjudged: frozenset[str], same: bool
) -> list[Decision]:
    from promptopt.outcome.decisions import Decision, decided
    from promptopt.outcome.slices import slices_of_task
    from promptopt.stats.design import Design

    # A prompt is no worse than itself, however few examples there are.
    if same:
        return [Decision("score", "inconclusive" if bars.better else "passed", "both are the same prompt")]
    design = Design(task.weigh, bars.sequential)
    score = _of_all(task, pairs, bars, design, judged=judged, unjudged=unjudged)
    slices = slices_of_task(task, pairs, design, judged=judged, unjudged=unjudged)
    # Together, as each of them may look worse by chance.
    return [score, *decided(slices)]


def _of_all(
    task: Task, pairs: Sequence[ScoredPair], bars: Bars, design: Design, *, judged: bool, unjudged: frozenset[str]
) -> Decision:
    """The score: the mean over all pairs, or what the worst of several tasks has where a prompt is worth that."""
    from promptopt.outcome.decisions import non_inferior, shown_better
    from promptopt.outcome.smallest import by_member, goes_by_worst, worst_decision

    if task.members and goes_by_worst(task):
        own = by_member(task.members, pairs)
        return worst_decision(own, bars, judged=frozenset(own) - unjudged if judged else (), design=design)
    score = non_inferior("score", pairs, bars.margin, judged=judged, design=design)
    return shown_better(score, pairs, design) if bars.better else score


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


def schema_faults(task: Task) -> dict[str, Callable[[str], str]]:
    """What says how a reply breaks a schema: the task's, under no name, or that of each of several tasks.

    Raises ConfigError for what is no schema.
    """
    schemas = {"": task.gate.schema, **{name: gate.schema for name, gate in task.gate.members.items()}}
    if not any(schemas.values()):
        return {}
    from promptopt.evaluators.schema import schema_fault

    return {name: schema_fault(schema) for name, schema in schemas.items() if schema}


def _of_schemas(pairs: Sequence[ScoredPair], schemas: Mapping[str, Callable[[str], str]], open_: str) -> list[Decision]:
    """`open_`: why that is not judged; empty where it is."""
    from promptopt.outcome.decisions import Decision, keeps_schema

    found: list[Decision] = []
    for name, breaks in schemas.items():
        if open_:
            found.append(Decision(f"{name}: output schema" if name else "output schema", "inconclusive", open_))
            continue
        own = [each for each in pairs if not name or each.example.slice == name]
        faults = [(bool(breaks(each.before.output)), bool(breaks(each.after.output))) for each in own]
        found.append(keeps_schema(faults, f"{name}: output schema" if name else "output schema"))
    return found


def to_score(task: Task, *, same: bool) -> Task:
    """The task with the examples to be scored as its test: of one prompt twice, only those that must pass.

    A prompt is no worse than itself, so looking at the sealed examples would show nothing, and cost a look. Raises
    ConfigError where there are none to tell two prompts apart.
    """
    if not same and not task.test:
        raise ConfigError(
            f"task {task.name!r} has no test examples, and both prompts are scored on these; give it more data, or "
            f"other split sizes"
        )
    from promptopt.tasks.must_pass import apart_from_must_pass

    apart, further = apart_from_must_pass(task)
    return replace(apart, test=task.gate.must_pass if same else (*apart.test, *further))


def _unasked(config: RunConfig, task: Task, prompt: Prompt) -> Evaluation:
    """What stands for the scores where nothing is asked."""
    from promptopt.cli.request import evaluator_of
    from promptopt.evaluation import Evaluation
    from promptopt.outcome.contender import Measured
    from promptopt.outcome.criterion import as_called, name_of
    from promptopt.run.budget import Ledger

    nothing = Measured(math.nan, (math.nan, math.nan), 0, 0)
    by = evaluator_of(config, task)
    return Evaluation(
        task.name, config.model, name_of(by), "test", prompt, nothing, (), (), Ledger(), Ledger(), called=as_called(by)
    )


def _cost(evaluation: Evaluation) -> tuple[int, int, float | None]:
    spent = evaluation.spent
    return spent.prompt_tokens, spent.completion_tokens, spent.usd
