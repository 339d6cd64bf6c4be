"""The arena of searches: the landscape is what it says, the proposer keeps every contract, the tables can be made."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import search, search_planted, search_racing, search_real, search_tables
from benchmarks.search_landscape import (
    BASE,
    CHECKS,
    CROWDING,
    DEMO,
    DEMOS,
    KINDS,
    LABELS,
    NOUNS,
    ROOM,
    STEM,
    Landscape,
    instruction,
    plant,
    split,
)
from benchmarks.search_proposer import Proposer, clauses
from benchmarks.search_settings import PLANTED, REAL, TRAINED, VARIANTS, arena
from promptopt import registry
from promptopt.api import optimize
from promptopt.binding.evaluator import recast
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.comparison.cells import Row, row_of
from promptopt.comparison.statistics import finite_mean
from promptopt.errors import PromptoptError
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.operators.masks import SEGMENT, read_segments
from promptopt.optimizers.plum.paraphrases import PARAPHRASE, read_variants
from promptopt.run.budget import Budget, Ledger
from promptopt.selection.exhaustive import Exhaustive
from promptopt.store.runs import Store
from promptopt.types import Message, Prompt, Reply, Request, Sampling
from tests.comparison.rows import row

PACKAGE = Path(__file__).parents[1] / "promptopt"
GOOD = NOUNS[:6]
LAND = Landscape(
    "hand-made",
    worth={"lantern": 0.1, "pebble": 0.05, "harbour": 0.08, "saddle": 0.08, "marsh": -0.04},
    together={("violin", "kettle"): 0.12, ("harbour", "saddle"): -0.12},
    before={("lantern", "pebble"): 0.05},
    start=STEM,
    common=0.8,
)


def worth(*nouns: str) -> float:
    return LAND.accuracy(instruction(list(nouns)))


def asked(text: str, seed: int = 0) -> Request:
    return Request((Message("user", text),), Sampling(temperature=1.0), seed=seed)


def test_words_that_help_add_up_and_words_that_hurt_take_off() -> None:
    assert worth() == BASE
    assert worth("lantern") == pytest.approx(BASE + 0.1)
    assert worth("pebble", "lantern") == pytest.approx(BASE + 0.15)
    assert worth("lantern", "marsh") == pytest.approx(BASE + 0.06)
    assert worth("ribbon", "candle") == BASE
    # Said twice, or alone without its sentence, a word is worth what it is worth.
    assert worth("lantern", "lantern") == worth("lantern") == LAND.accuracy("LANTERN!")


def test_allies_help_together_only_rivals_spoil_each_other_and_order_counts() -> None:
    assert worth("violin") == worth("kettle") == BASE
    assert worth("violin", "kettle") == pytest.approx(BASE + 0.12)
    assert worth("harbour", "saddle") < worth("harbour")
    assert worth("lantern", "pebble") == pytest.approx(worth("pebble", "lantern") + 0.05)


def test_demonstrations_help_up_to_a_number_and_words_beyond_the_limit_hurt() -> None:
    demos = [f"Q: q{number}\nA: yes\n\n" for number in range(DEMOS + 1)]
    assert LAND.accuracy("".join(demos[:1])) == pytest.approx(BASE + DEMO)
    assert LAND.accuracy("".join(demos)) == pytest.approx(BASE + DEMO * DEMOS)
    assert LAND.accuracy("Q: q1 yes") == BASE
    filled = " ".join(["word"] * ROOM)
    assert LAND.accuracy(filled) == BASE
    assert LAND.accuracy(f"{filled} word word") == pytest.approx(BASE - 2 * CROWDING)


@pytest.mark.parametrize("kind", [*KINDS, *CHECKS])
def test_nothing_beats_the_best_text(kind: str) -> None:
    land, rng = replace(plant(kind, 3), own=0.0), random.Random(0)
    best = land.accuracy(land.best_text())
    assert land.accuracy(land.start) < best - {"weak": 0.15, "untaught": 0.1}.get(kind, 0.3)
    for _ in range(500):
        tried = instruction(rng.sample(NOUNS, rng.randint(0, len(NOUNS))))
        assert land.accuracy(f"{tried}\n\nQ: q1\nA: no\n\nQ: q2\nA: yes") <= best + 1e-9
    assert land.accuracy(land.best_text(land.start)) <= best


def test_a_needle_is_worth_most_and_no_proposer_knows_it() -> None:
    land = plant("needle", 0)
    first, second = land.hidden
    assert not {first, second} & set(land.good)
    found, one = (land.accuracy(instruction([*words])) for words in ((first, second), (first,)))
    assert one < land.accuracy(STEM) < found - 0.2
    assert first in land.best_text()


def test_on_a_harmful_task_every_word_that_does_not_help_hurts() -> None:
    land = plant("harmful", 0)
    assert all((land.worth[noun] > 0) == (noun in land.good) for noun in NOUNS)
    assert CHECKS["harmful"].skill == 0.15


def test_each_seed_deals_the_parts_anew_and_the_same_seed_alike() -> None:
    assert plant("interacting", 1) == plant("interacting", 1)
    assert plant("interacting", 1).good != plant("interacting", 2).good
    assert len(plant("interacting", 1).together) == 3


@pytest.mark.slow
def test_measured_accuracy_is_the_true_one_by_either_evaluator(tmp_path: Path) -> None:
    land = plant("additive", 0)
    task = land.task(train=2, dev=2, test=1000)
    for prompt in (task.initial, Prompt.of(land.best_text().partition("\n")[0])):
        truth = land.truth(task, prompt)
        for evaluator in ("generation", "labels"):
            found = evaluate(
                task, prompt, model=land.model(), evaluator=evaluator, split="test", store=tmp_path / "store.db"
            )
            assert found.measured.score == pytest.approx(truth, abs=0.04)
    assert land.truth(task, Prompt.of(f"{STEM} lantern Q: {{question}}")) == land.accuracy("lantern")


def test_the_common_share_decides_how_paired_two_prompts_are(tmp_path: Path) -> None:
    def differing(kind: str) -> int:
        land = plant(kind, 0)
        task = land.task(train=2, dev=2, test=400)
        # Worth the same, said otherwise.
        rows = [
            evaluate(task, Prompt.of(text), model=land.model(), split="test", store=tmp_path / f"{kind}.db").scores
            for text in (STEM, f"{STEM} Indeed.")
        ]
        return sum(one.value != other.value for one, other in zip(*rows, strict=True))

    assert 0 < differing("additive") < differing("noisy")


def test_a_question_is_found_whatever_was_pruned_around_it() -> None:
    assert split("Settle.\n\nQ: q5\nA: no\n\nQ: q7\nA:") == ("Settle.\n\nQ: q5\nA: no", "q7")
    assert split("Settle. q7A:") == ("Settle.", "q7")


def test_no_request_of_a_method_holds_a_word_of_the_landscape() -> None:
    known = re.compile(rf"\b(?:riddle|{'|'.join(NOUNS)})\b", re.IGNORECASE)
    for path in [*PACKAGE.glob("optimizers/*.py"), *PACKAGE.glob("operators/*.py")]:
        assert not known.search(path.read_text(encoding="utf-8")), path


def test_it_rewrites_one_prompt_and_crosses_two() -> None:
    propose = Proposer(GOOD)
    parents = [instruction(["lantern", "marsh"]), instruction(["violin", "marsh"])]
    read = "\n".join(f'Prompt {number}:\n"""\n{text}\n"""' for number, text in enumerate(parents, 1))
    request = f"Join them.\n{read}\nWrite it between <prompt> and </prompt>."
    children = [propose(asked(request, seed)) for seed in range(200)]
    assert children == [propose(asked(request, seed)) for seed in range(200)]
    assert all(child.startswith(f"<prompt>{STEM}") and child.endswith("</prompt>") for child in children)
    nouns = [[noun for _, noun in clauses(child)] for child in children]
    # What both parents have is kept unless a change takes it; what one has is kept half of the time.
    assert sum("marsh" in each for each in nouns) > 140
    assert 60 < sum("lantern" in each for each in nouns) < 150
    assert any({"lantern", "violin"} <= set(each) for each in nouns)
    assert propose(asked("Nothing is quoted. <instruction>...</instruction>")).startswith(f"<instruction>{STEM}")


def test_skill_is_the_share_of_good_words_and_mistakes_change_it_only_if_told() -> None:
    request = f'Mistakes:\n1. wrong\n"""\n{STEM}\n"""\n<prompt>...</prompt>'

    def share(proposer: Proposer, text: str) -> float:
        added = [noun for seed in range(400) for _, noun in clauses(proposer(asked(text, seed)))]
        return sum(noun in GOOD for noun in added) / len(added)

    assert share(Proposer(GOOD, 0.4), request) == pytest.approx(0.4, abs=0.1)
    assert share(Proposer(GOOD, 0.4, informed=0.9), request) == pytest.approx(0.9, abs=0.1)
    assert share(Proposer(GOOD, 0.4, informed=0.9), request.replace("Mistakes:\n1. wrong\n", "")) < 0.6


def test_of_a_scored_history_the_later_are_drawn_more_often() -> None:
    entries = "\n\n".join(f"text:\n{instruction([noun])}\nscore:\n{10 * place}" for place, noun in enumerate(NOUNS[:8]))
    request = f"The higher its score, the better.\n{entries}\n<instruction>\n...\n</instruction>"
    found = [noun for seed in range(300) for _, noun in clauses(Proposer(())(asked(request, seed)))]
    assert found.count(NOUNS[7]) > 2 * found.count(NOUNS[0])


def test_it_gives_as_many_texts_as_are_asked_for_and_remarks_where_those_are_wanted() -> None:
    propose = Proposer(GOOD)
    assert propose(asked(f"{STEM}\nWrite it in 3 different ways, each: <instruction>")).count("</instruction>") == 3
    reasons = propose(asked(f"{STEM}\nGive 2 reasons:\n<reason>...</reason>"))
    assert reasons.count("</reason>") == 2
    assert not clauses(reasons)


def test_it_marks_a_faithful_copy() -> None:
    prompt = instruction(["lantern", "pebble", "harbour"])
    request = SEGMENT.render({"most": "2", "prompt": prompt, "reminder": ""})
    found = read_segments(Reply(Proposer(GOOD)(asked(request))), prompt, 2)
    assert found is not None
    assert [segment.text for segment in found] == ["Mind the lantern.", "Mind the pebble."]


def test_it_lists_variants_of_the_phrase_and_not_of_its_sentence() -> None:
    request = PARAPHRASE.render(
        {"sentence": "Mind the marsh. Heed the cobweb.", "phrase": "Mind the marsh", "count": "10"}
    )
    reply = Proposer(GOOD)(asked(request))
    variants = read_variants(Reply(reply))
    assert len(json.loads(reply)) == len(variants) == 10
    assert not any("riddle" in variant for variant in variants)
    assert any("marsh" in variant and variant != "Mind the marsh" for variant in variants)


QUICK = ("align-pro", "metaspo", "mipro", "random", "simba", "sprig", "tapruning")
ROWS = {arm.method: arm for arm in search_planted.arms(arena())[0]}
SLOWER = [pytest.param(name, marks=pytest.mark.slow) for name in ROWS if name not in QUICK]


@pytest.mark.parametrize("method", [*QUICK, *SLOWER])
def test_every_method_is_answered_in_the_form_it_asks_for(method: str, tmp_path: Path) -> None:
    land = plant("cluttered", 1)
    proposer = Scripted(Proposer(land.good), name="proposer")
    result = optimize(
        land.task(),
        ROWS[method].build(),
        model=Models(land.model(), proposer=proposer),
        budget=Budget(evaluations=300),
        store=tmp_path / "store.db",
    )
    # A text can come up twice, or say nothing new; no reply may be off its form.
    repeated = re.compile(r"before|same as its parent|already|copied|no change|changes nothing|known")
    broken = {reason: count for reason, count in result.rejected.items() if not repeated.search(reason)}
    assert broken == {}
    assert len(result.lineage) > 3
    assert result.spent.evaluations <= 300


@pytest.mark.parametrize("settings", [PLANTED, REAL], ids=["planted", "real"])
def test_every_registered_method_has_settings_that_fit_it(settings: Mapping[str, Mapping[str, Any]]) -> None:
    variants = VARIANTS if settings is REAL else {}
    assert set(settings) == {*arena(), *variants}
    assert {*arena(), *TRAINED} == {*registry.names("optimizers")}
    for row_name, values in settings.items():
        build_optimizer(variants.get(row_name, row_name), values)


@pytest.mark.slow
def test_the_smallest_planted_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.md"
    search.main(
        ["planted", "--methods", "apo,random", "--tasks", "additive", "--seeds", "2", "--budgets", "60,120",
         "--selectors", "ucb,exhaustive", "--trials", "2", "--processes", "1", "--out", str(out)]
    )  # fmt: skip
    report = out.read_text()
    assert report.strip() == capsys.readouterr().out.strip()
    rows = {
        line.split(" | ")[0].strip("| "): line.split(" | ") for line in report.splitlines() if line.startswith("| ")
    }
    assert {"apo, ucb", "apo, exhaustive", "random", "(the most there is)"} <= set(rows)
    assert rows["(the most there is)"][1] == "0.540 ± 0.000"
    # Gain at both budgets, the rank, then paired with random.
    assert re.fullmatch(r"-?0\.\d{3} ± 0\.\d{3}", rows["apo, ucb"][2])
    assert 1 <= float(rows["apo, ucb"][3]) <= 4
    assert re.fullmatch(r"[+-]0\.\d{3} ± 0\.\d{3}", rows["apo, ucb"][4])


def test_a_method_that_cannot_run_is_left_out_and_said() -> None:
    found, missing = search_planted.arms(["random", "no-such-method"])
    assert [arm.label for arm in found] == ["random"]
    assert "no-such-method" in missing["no-such-method"]
    broken = search_planted.Job(search_planted.Arm("x", "no-such-method"), "additive", 0, (60,), 0.4, None)
    (trace,) = search_planted.conduct([broken], 1)
    assert "no-such-method" in trace.problem
    assert "- x: " in "\n".join(search_planted.report([trace], (60,), ("additive",)))


def test_a_race_that_scores_everything_has_the_same_winner() -> None:
    race = search_racing.trial(Exhaustive(budget=10**6), 1, 0)
    assert race == search_racing.Race(True, 1.0, 0.0)


def real_run(tmp_path: Path, method: str, budget: int) -> tuple[Row, search_real.Pruned | None]:
    land = plant("cluttered", 0)
    plan = search_real.Plan((method,), ("planted",), (0,), budget)
    settings = {"promptquine": {"evolve.population": 4, "evolve.offspring": 6, "rerank.examples": 10}}
    optimizer = build_optimizer(method, settings.get(method, {}))
    models = Models(land.model(), proposer=Scripted(Proposer(land.good), name="proposer"))
    with Store(tmp_path / "store.db") as store:
        task = land.task(test=40)
        result = search_real.one(plan, task, optimizer, models, 0, store)
        pruned = search_real.pruning(result, recast(task, optimizer), models.task, store)
    return row_of(plan.cells()[0], result.to_json()), pruned


def test_a_real_run_gives_a_row_that_can_be_kept(tmp_path: Path) -> None:
    row, pruned = real_run(tmp_path, "random", 300)
    assert row.spent.evaluations <= 300
    assert row.spent.proposer_calls > 0
    assert row.tokens is not None
    assert pruned is None
    path = tmp_path / "folder" / "rows.jsonl"
    line = search_real.Line("key", 300, "p", row, search_real.Pruned(0.5, 0.6, 9, 8, True))
    search_real.append(path, line)
    with path.open("a") as file:
        file.write('{"key": "cut sho')
    assert search_real.read(path) == [line]


def test_where_demonstrations_are_pruned_the_unpruned_prompt_is_scored_too(tmp_path: Path) -> None:
    row, pruned = real_run(tmp_path, "promptquine", 800)
    assert pruned is not None
    assert 0.0 <= pruned.unpruned <= 1.0
    assert pruned.pruned_tokens < pruned.unpruned_tokens
    # Others can tie with the winner on dev.
    assert pruned.won
    assert pruned.pruned == finite_mean([each.best for each in row.items])


def test_real_runs_go_on_after_one_that_fails_and_are_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land, said = plant("additive", 0), list[str]()
    monkeypatch.setattr(search_real, "open_model", lambda spec: land.model() if spec == "task" else proposer)
    monkeypatch.setattr(search_real, "load", lambda name, seed, test: land.task(test=test))
    proposer = Scripted(Proposer(land.good), name="proposer")
    plan = search_real.Plan(("no-such-method", "random"), ("planted",), (0,), 200, 20, "task", "other")
    rows, store = tmp_path / "rows.jsonl", tmp_path / "store.db"
    assert search_real.conduct(plan, rows, store, said.append)
    assert "no-such-method on planted, task, seed 0: failed" in said[0]
    found = search_real.selected(plan, search_real.read(rows))
    assert [line.row.cell.method for line in found] == ["random"]
    calls = proposer.calls
    assert search_real.conduct(plan, rows, store, said.append)
    assert proposer.calls == calls > 0
    assert len(search_real.read(rows)) == 1
    assert [each.name for each in search_real.comparison(found).table()] == ["random"]


def line(
    method: str, seed: int, best: float, pruned: search_real.Pruned | None = None, **more: Any
) -> search_real.Line:
    made = row(method, [best] * 2, [0.5] * 2, seed=seed, task="cr", **{"tokens": 50, **more})
    return search_real.Line("key", 1000, "p", made, pruned)


def test_patterns_are_called_shown_only_where_the_rows_show_them() -> None:
    found = [line("random", seed, 0.55 + 0.01 * seed) for seed in range(4)]
    found += [line("plum-hs", seed, 0.65 + 0.01 * seed) for seed in range(4)]
    found += [line("plum-hc", seed, 0.55 - 0.01 * seed) for seed in range(4)]
    cuts = [search_real.Pruned(0.6 + 0.1 * (-1) ** seed, 0.6, 80, 50, True) for seed in range(4)]
    found += [line("promptquine", seed, 0.6, cut) for seed, cut in enumerate(cuts)]
    found += [line("capo", seed, 0.6, tokens=25, spent=Ledger(900, 900, 20, 700, 70)) for seed in range(4)]
    found += [line("evoprompt-ga", seed, 0.6 + 0.01 * (-1) ** seed) for seed in range(4)]
    found += [line("evoprompt-de", seed, 0.7 + 0.01 * (-1) ** seed) for seed in range(4)]
    said = "\n".join(search_tables.patterns(found))
    assert "Shown by plum-hs." in said
    assert "| plum-hs | 4 | +0.165 ± 0.006 | +0.100 ± 0.000 |" in said
    assert "Not shown: no gain over the unpruned prompt" in said
    assert "| capo | evoprompt-ga | 4 | +0.000 ± 0.006 | 0.50 | 0.70 | yes |" in said
    assert "no: lower score" in said
    assert search_tables.patterns([])[2:5] == [
        "### Plum: a metaheuristic beats the start and random search under the same budget",
        "",
        "No runs of Plum yet.",
    ]


def test_a_line_belongs_to_a_plan_by_its_budget_and_models() -> None:
    plan = search_real.Plan(("random",), ("cr",), (0, 1), model="m", proposer="p")
    kept, other = line("random", 0, 0.6), replace(line("random", 1, 0.6), budget=1)
    assert search_real.selected(plan, [line("random", 0, 0.1), kept, other]) == [kept]
    cell = plan.cells()[0]
    assert search_real.key_of(plan, cell, build_optimizer("random", {})) != search_real.key_of(
        plan, cell, build_optimizer("random", {"breadth": 3})
    )


def test_labels_of_planted_questions_are_half_and_half() -> None:
    targets = [example.target for example in plant("additive", 0).task().train]
    assert sorted(set(targets)) == sorted(LABELS)
    with pytest.raises(PromptoptError):
        build_optimizer("random", {"no_such_setting": 1})
