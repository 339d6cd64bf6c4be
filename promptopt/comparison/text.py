"""A comparison as plain text: the table, the tests, what chance would have given, and what did not finish."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.comparison.cells import FLOOR, Row
from promptopt.comparison.statistics import ERRORS, gain_of
from promptopt.comparison.table import START, Comparison, Method
from promptopt.reports import words
from promptopt.run.first_replies import MOST_UNREADABLE
from promptopt.stats import ALPHA
from promptopt.text import counted, normalise


def comparison_as_text(found: Comparison) -> str:
    """All of it, for a terminal."""
    table = found.table()
    sections = [_head(found), _unread(found), _methods_table(table), _by_task(found, table), _pairwise_table(found),
                _leads(found), _ranks_sentence(found),
                _chance(found, table), _fronts(found, table), _left_out_rows(found)]  # fmt: skip
    return "\n\n".join(section for section in sections if section)


def _head(found: Comparison) -> str:
    return (
        f"{counted(len(found.methods), 'method')} on {', '.join(found.tasks)} with {', '.join(found.models)}, "
        f"{counted(len(found.seeds), 'seed')}: {counted(len(found.rows), 'run')}"
    )


def _unread(found: Comparison) -> str:
    """Of each task and model most of whose replies hold no answer: what its scores are worth."""
    places: dict[str, list[Row]] = {}
    for row in found.rows:
        if row.measured:
            places.setdefault(f"on {row.cell.task} with {row.cell.model}", []).append(row)
    said: list[str] = []
    for place, rows in places.items():
        lost, replies = sum(row.unread for row in rows), sum(len(row.items) for row in rows)
        if lost > MOST_UNREADABLE * replies:
            said.append(
                f"Warning: {place} {lost:,} of {counted(replies, 'reply', 'replies')} to the winners hold no answer "
                f"that could be read, so these scores say nothing of the methods: `promptopt evaluate` on that task "
                f"says what to mend first."
            )
    return "\n".join(said)


def _methods_table(table: Sequence[Method]) -> str:
    heads = ["method", "runs", "test", "from", "to", "gain", "from", "to", "better : none : worse", "evaluations",
             "calls", "tokens", "dollars", "minutes", "prompt tokens"]  # fmt: skip
    rows = [heads, *map(_method_row, table)]
    return "\n".join([
        words.columns(rows, right=tuple(range(1, len(heads)))),
        "",
        "Test: the winners' mean on the sealed items, with 95 % intervals; an example counts once, however many seeds "
        "saw it.",
        "Costs: the mean of a run, each charged all that it used, whatever the store had already.",
    ])  # fmt: skip


def _method_row(each: Method) -> list[str]:
    runs = str(each.runs) if not each.left else f"{each.runs - each.left} of {each.runs}"
    if each.score is None or each.gain is None:
        return [words.shortened(each.name), runs, *["-"] * 13]
    low, high = (None, None) if each.ci95 is None else each.ci95
    return [
        words.shortened(each.name), runs, words.score(each.score), words.score(low), words.score(high),
        words.difference(each.gain.mean), *map(words.difference, each.gain.ci95), " : ".join(map(str, each.verdicts)),
        *map(words.rounded, (each.evaluations, each.calls, each.tokens)), words.dollars(each.usd),
        "-" if each.minutes is None else f"{each.minutes:.1f}", words.rounded(each.prompt_tokens),
    ]  # fmt: skip


def _pairwise_table(found: Comparison) -> str:
    rows = [["first", "second", "first - second", "from", "to", "p", "p, Holm", "items", ""]]
    for pair in found.pairs():
        names = words.shortened(pair.first), words.shortened(pair.second)
        if pair.gain is None or pair.adjusted is None:
            rows.append([*names, "-", "-", "-", "-", "-", "0", "no common test items"])
            continue
        gain = pair.gain
        rows.append([*names, words.difference(gain.mean), *map(words.difference, gain.ci95),
                     words.p_cell(gain.p_value), words.p_cell(pair.adjusted), words.count(gain.n),
                     "differ" if pair.adjusted < ALPHA else ""])  # fmt: skip
    if len(rows) == 1:
        return ""
    return (
        f"Methods against each other, on the same items of the same seeds:\n\n{words.columns(rows, right=range(2, 8))}"
        f"\n\nThese tests say what these winners are worth, not how much another seed would change."
    )


def _by_task(found: Comparison, table: Sequence[Method]) -> str:
    if len(found.tasks) < 2:
        return ""
    scores = found.by_task()
    names = [START, *(each.name for each in table if each.score is not None)]
    rows = [["by task", *found.tasks], *([name, *(words.score(scores[task].get(name)) for task in found.tasks)]
            for name in names)]  # fmt: skip
    return words.columns(rows, right=range(1, len(found.tasks) + 1))


def _leads(found: Comparison) -> str:
    leads = found.leads()
    if not leads:
        return ""
    rows = [["method", f"over {FLOOR}", "standard error", "blocks", ""]]
    for each in leads:
        error = "-" if each.error is None else words.score(each.error)
        rows.append([each.method, words.difference(each.mean), error, str(each.blocks), "above" if each.sure else ""])
    return (
        f"Over {FLOOR}, the floor, at the same budget. A block is a task, a model and a seed; above: by more than "
        f"{ERRORS:g} standard errors over blocks:\n\n{words.columns(rows, right=range(1, 4))}"
    )


def _ranks_sentence(found: Comparison) -> str:
    ranks = found.ranks()
    if ranks is None:
        return ""
    listed = ", ".join(f"{name} {rank:.2f}" for name, rank in ranks.ranks)
    said = f"Average ranks (1 is best) over {counted(ranks.blocks, 'block')} of task, model and seed: {listed}."
    if ranks.critical is not None:
        said += f" Ranks closer than {ranks.critical:.2f} are not told apart (Nemenyi, 0.05)."
    if ranks.p_value is not None:
        said += f" Friedman's test of any difference: {words.p_value(ranks.p_value)}."
    return said


def _chance(found: Comparison, table: Sequence[Method]) -> str:
    chance = found.chance()
    if not chance.verdicts:
        return ""
    better = sum(each.verdicts[0] for each in table)
    # Before any count of verdicts: a judge's word is none.
    if any(row.judged for row in found.rows):
        return "By a judge's scores no verdict is given, and these tests are of what the judge says."
    said = [
        f"{counted(better, 'verdict')} of {chance.verdicts} {'is' if better == 1 else 'are'} *better*. Were no winner "
        f"better than its start, chance alone would give {chance.plain:.2f} at p < {ALPHA:g}, and "
        f"{chance.corrected:.3f} at the levels used here."
    ]
    for task, alpha in found.alphas.items():
        looks = sorted({row.look for row in found.rows if row.cell.task == task and row.look is not None})
        earlier = f", which was opened {counted(looks[0] - 1, 'time')} before" if looks[0] > 1 else ""
        said.append(
            f"On {task} the test{earlier} is opened {counted(len(looks), 'time')} here, so a verdict needs p below "
            f"{alpha:.2g}."
        )
    return "\n".join(said)


def _fronts(found: Comparison, table: Sequence[Method]) -> str:
    said: list[str] = []
    for cost, name in (("prompt_tokens", "prompt tokens"), ("usd", "dollars")):
        front = found.front(cost)
        if front:
            said.append(f"Not beaten in score at fewer {name}: {', '.join(front)}.")
    return "\n".join(said)


def _left_out_rows(found: Comparison) -> str:
    lines = [f"{row.cell}: {row.status}" + (f" ({normalise(row.why)})" if row.why else "")
             for row in found.rows if row.status in ("failed", "suspended") or not row.measured]  # fmt: skip
    return "" if not lines else "Left out of the numbers above:\n" + "\n".join(lines)


def cell_outcome(row: Row) -> str:
    """What a cell came to, in half a line."""
    if not row.measured:
        return f"{row.status}{f' ({normalise(row.why)})' if row.why else ''}"
    if row.kept:
        return "the start is kept"
    return f"{words.difference(gain_of([row]).mean)} on {counted(len(row.items), 'test item')}"
