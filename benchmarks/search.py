"""All searches side by side under one budget of evaluations.

    python -m benchmarks.search planted [--seeds 20] [--methods apo,opro] [--tasks additive] [--budgets 250,500]
    python -m benchmarks.search real [--methods apo] [--tasks cr] [--seeds 0,1,2] [--budget 1000] [--test 100]
    python -m benchmarks.search report [the options of real]

`planted` asks no model and writes `results/search-planted.md`. `real` asks small local models, adds a line a run to
`results/search-real.jsonl`, goes on where it was stopped, and writes `results/search-real.md`; `report` writes that
from the runs there are. Every method's settings stand in `search_settings.py`, the tasks in `search_landscape.py` and
`search_real.py`. Methods that cannot run are left out, and it is said why.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import search_planted as planted
from benchmarks import search_racing as racing
from benchmarks import search_real as real
from benchmarks import search_tables as tables
from benchmarks.search_landscape import KINDS
from benchmarks.search_proposer import SKILL
from benchmarks.search_settings import VARIANTS, arena
from promptopt.text import counted

RESULTS = Path(__file__).parent / "results"
MOST_SEEDS = 20


def names(text: str) -> tuple[str, ...]:
    """`a,b` as ("a", "b")."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def numbers(text: str) -> tuple[int, ...]:
    """`1,2` as (1, 2)."""
    return tuple(map(int, names(text)))


def run_planted(chosen: argparse.Namespace, command: str) -> None:
    races = racing.section(chosen.trials)
    begun = time.perf_counter()
    methods = chosen.methods if chosen.methods else arena()
    found, missing = planted.arms(methods, chosen.selectors, tuple(map(float, chosen.nuisances)))
    for label, why in missing.items():
        print(f"left out: {label}: {why}", file=sys.stderr)
    budgets, kinds = tuple(sorted(chosen.budgets)), chosen.tasks if chosen.tasks else tuple(KINDS)
    jobs = [
        planted.Job(arm, kind, seed, budgets, chosen.skill, chosen.informed)
        for arm in found for kind in kinds for seed in range(chosen.seeds)
    ]  # fmt: skip
    traces = planted.conduct(jobs, chosen.processes)
    searched = time.perf_counter() - begun
    runs = len(jobs) * len(budgets)
    informed = chosen.skill if chosen.informed is None else chosen.informed
    lines = [
        "# Searches on planted tasks",
        "",
        f"`{command}`, {datetime.date.today()}: {counted(len(found), 'row')} on "
        f"{counted(len(kinds), 'task')} with {counted(chosen.seeds, 'seed')}, "
        f"each at {counted(len(budgets), 'budget')}: "
        f"{counted(runs, 'run')} in {searched / 60:.1f} minutes on {chosen.processes} processes, "
        f"{runs / searched * 60:,.0f} a minute. No model was asked.",
        "",
        "Gain: the true accuracy of the prompt returned minus the start's; mean ± standard error over tasks and seeds. "
        "A budget holds everything, the final choice on dev too. Mean rank: among all rows, over tasks, seeds and "
        "budgets. Over random: the difference of gains on the same task and seed.",
        "",
        f"The proposer is scripted and equally able for all: a word that it adds helps with probability "
        f"{chosen.skill}, and with {informed} where it is shown mistakes. Words that help are found by rewriting; "
        "promptquine and tapruning only leave words out, so what they can reach is the second line. A method that "
        "searches by an evaluator of its own (a loss, the labels' probabilities) has a second row in which it goes by "
        "right and wrong, as all others do.",
        "",
        *planted.report(traces, budgets, kinds),
        *races,
    ]
    if missing:
        lines += ["## Left out", "", *(f"- {label}: {why}" for label, why in missing.items()), ""]
    write(lines, chosen.out if chosen.out is not None else RESULTS / "search-planted.md")


def run_real(chosen: argparse.Namespace, command: str) -> None:
    methods = chosen.methods if chosen.methods else (*arena(), *VARIANTS)
    plan = real.Plan(
        methods, chosen.tasks if chosen.tasks else real.TASKS, chosen.seeds, chosen.budget, chosen.test,
        chosen.model, chosen.proposer,
    )  # fmt: skip
    if chosen.part == "real":
        real.conduct(plan, chosen.rows, chosen.store, lambda said: print(said, flush=True))
    found = real.selected(plan, real.read(chosen.rows))
    if not found:
        print(f"no runs of these methods and tasks are in {chosen.rows} yet")
        return
    minutes = sum(line.row.seconds for line in found) / 60
    lines = [
        "# Searches with small local models",
        "",
        f"`{command}`, {datetime.date.today()}: {len(found)} runs, {minutes:.0f} minutes of {os.cpu_count()} cores in "
        f"all. Task model {plan.model}, proposer {plan.proposer}. {plan.budget} evaluations a run, test and final "
        f"choice included; up to {plan.test} test examples. Every verdict is by label accuracy ({real.CHECK}). "
        "Dollars: none. Answers that an earlier run had paid for took no time in a later one, so minutes depend on the "
        "order.",
        "",
        "```",
        str(real.comparison(found)),
        "```",
        "",
        *tables.patterns(found),
    ]
    write(lines, chosen.out if chosen.out is not None else RESULTS / "search-real.md")


def write(lines: Sequence[str], path: Path) -> None:
    """Show the report, and keep it."""
    text = "\n".join(lines).rstrip() + "\n"
    print(text)
    path.write_text(text, encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """The options of every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("planted", "real", "report"))
    parser.add_argument("--methods", type=names, default=(), help="default: all")
    parser.add_argument("--tasks", type=names, default=())
    parser.add_argument("--seeds", help="planted: how many; real: which")
    parser.add_argument("--out", type=Path, help="where the report goes")
    only = parser.add_argument_group("planted")
    only.add_argument("--selectors", type=names, default=(), help="a row each for methods that hold a selector")
    only.add_argument("--nuisances", type=names, default=(), help="nats: a row each, the model reporting label shares")
    only.add_argument("--budgets", type=numbers, default=planted.BUDGETS)
    only.add_argument("--processes", type=int, default=2)
    only.add_argument("--trials", type=int, default=100, help="of racing against exhaustive scoring")
    only.add_argument("--skill", type=float, default=SKILL)
    only.add_argument("--informed", type=float, help="the skill where a request shows mistakes; default: the same")
    only = parser.add_argument_group("real, report")
    only.add_argument("--budget", type=int, default=real.BUDGET)
    only.add_argument("--test", type=int, default=real.TEST)
    only.add_argument("--model", default=real.MODEL)
    only.add_argument("--proposer", default=real.PROPOSER)
    only.add_argument("--rows", type=Path, default=RESULTS / "search-real.jsonl")
    only.add_argument("--store", type=Path, help="default: the store under PROMPTOPT_HOME")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = parser().parse_args(given)
    command = " ".join(["python -m benchmarks.search", *given])
    if chosen.part == "planted":
        chosen.seeds = MOST_SEEDS if chosen.seeds is None else int(chosen.seeds)
        run_planted(chosen, command)
    else:
        chosen.seeds = (0, 1, 2) if chosen.seeds is None else numbers(chosen.seeds)
        run_real(chosen, command)


if __name__ == "__main__":
    main()
