"""`promptopt migrate`: kept where it is no worse, searched where it is, tested and priced either way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from command_line import BETTER, Invoke, answer, opened_by_name, right, text_of

from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.stats import level
from promptopt.types import Reply, Request

OPTIONS = ("--method", "climb", "--proposer", "x/writer", "--judge", "x/judge", "--train", "20", "--dev", "20",
           "--test", "120", "--json", "--quiet")  # fmt: skip


def planted(request: Request) -> str:
    """A new model that reads the old prompt badly (`answer`): wrong on every third, right under the better prompt."""
    return "good" if text_of(request).rpartition("item ")[2].split()[0] == "7" else answer(request)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scripted]:
    known = {
        "old": Scripted(right, name="x/old"),
        "same": Scripted(right, name="x/same"),
        "new": Scripted(planted, name="x/new"),
        "bad": Scripted(lambda _: "bad", name="x/bad"),
        "writer": Scripted(lambda _: BETTER, name="x/writer"),
        "judge": Scripted(lambda _: '{"better": "tie"}', name="x/judge"),
    }
    monkeypatch.setattr(specs, "open_model", opened_by_name(known))
    return known


@pytest.fixture
def moved(invoke: Invoke, task_file: str, models: dict[str, Scripted]) -> Callable[..., dict[str, Any]]:
    def run(*more: str, task: str = task_file, code: int = 0) -> dict[str, Any]:
        done = invoke("migrate", "--task", task, *OPTIONS, *more)
        assert done.exit_code == code, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_prompt_that_is_no_worse_stays_and_nobody_is_asked_for_another(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted]
) -> None:
    found = moved("--from", "x/old", "--to", "x/same", "--margin", "0.05")
    (target,) = found["targets"]
    assert (target["kept"], target["status"], found["done"]) == (True, "non-inferior", True)
    assert target["gain"]["mean"] == 0.0
    assert models["writer"].calls == 0


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["{{text}}", "${text}", "{text}"])
def test_the_new_prompt_is_shown_as_the_old_one_spells_its_inputs(
    mark: str, invoke: Invoke, models: dict[str, Scripted], task_file: str
) -> None:
    text = Path(task_file).read_text(encoding="utf-8")
    Path(task_file).write_text(text.replace("Say what the text is.", f"Say what {mark} is."), encoding="utf-8")
    models["writer"] = Scripted(lambda _: "Say carefully what {text} is.", name="x/writer")
    said = invoke("migrate", "--task", task_file, *OPTIONS[:-2], "--from", "x/old", "--to", "x/new").stdout
    assert f"    Say carefully what {mark} is.\n" in f"{said}\n"


@pytest.mark.slow
def test_each_target_is_searched_where_it_must_be_and_the_matrix_is_what_was_planted(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted], invoke: Invoke, task_file: str
) -> None:
    found = moved("--from", "x/old", "--to", "x/same,x/new", "--margin", "0.05")
    same, new = found["targets"]
    assert (same["kept"], new["kept"], new["status"]) == (True, False, "non-inferior")
    assert new["prompt"]["instruction"] == BETTER
    assert new["verdict"] == "better"
    scores = [[cell["score"] for cell in row["cells"]] for row in found["matrix"]]
    assert scores[0][0] == scores[1][0] == scores[1][1] == 1.0
    assert 0.6 < scores[0][1] < 0.9
    gains = [[cell["gain"]["mean"] for cell in row["cells"]] for row in found["matrix"]]
    assert gains[0][1] == pytest.approx(scores[0][1] - 1.0)
    # The old prompt on all models is one look, that of the search on the new one another, the new prompt a third.
    assert [look["number"] for look in found["looks"]] == [1, 3]
    alphas = [[cell["gain"]["alpha"] for cell in row["cells"]] for row in found["matrix"]]
    # Two verdicts on the old prompt, and two on what may be found, share the level of the first look.
    assert alphas == [pytest.approx([level(1) / 4] * 2)] * 2
    assert [[cell["status"] for cell in row["cells"]] for row in found["matrix"]] == [
        ["non-inferior", "inferior"], [None, "non-inferior"]
    ]  # fmt: skip
    assert found["next_look"]["number"] == 4
    assert found["reference"]["cost_per_thousand"]["prompt_tokens"] > 0
    assert models["writer"].calls > 0
    # Once more asks nobody.
    asked = [model.calls for model in models.values()]
    assert moved("--from", "x/old", "--to", "x/same,x/new", "--margin", "0.05")["matrix"] == found["matrix"]
    assert [model.calls for model in models.values()] == asked
    said = invoke("migrate", "--task", task_file, *OPTIONS[:-2], "--from", "x/old", "--to", "x/same,x/new", "--margin",
                  "0.05").stdout  # fmt: skip
    assert "x/new: a new prompt is no worse there" in said
    # Each prompt on its own model: the reference, the old prompt where it is kept, and the new one.
    head, old, fresh = (re.split(r"\s{2,}", line.strip()) for line in said.split("prompt  ")[1].split("\n")[:3])
    assert (head, old[:2], fresh[:2]) == (["x/old", "x/same", "x/new"], ["old", "reference *"], ["new 1", "-"])
    assert [cell.endswith(" *") for cell in (*old[2:], *fresh[2:])] == [True, False, False, True]
    assert "Marked *: a prompt on the model that it is for." in said
    assert "a thousand requests" in said
    assert "(98.75 %: all verdicts share the level of look 1 at the test)" in said
    assert "Looks 1, 2 and 3 at these test examples" in said


@pytest.mark.slow
def test_a_model_that_is_worse_with_any_prompt_and_one_that_is_open_have_their_exit_codes(
    moved: Callable[..., dict[str, Any]],
) -> None:
    assert moved("--from", "x/old", "--to", "x/bad", code=4)["targets"][0]["status"] == "inferior"
    found = moved("--from", "x/old", "--to", "x/same", "--test", "20", "--margin", "0.01", code=5)
    assert found["targets"][0]["status"] == "open"


@pytest.mark.slow
def test_a_model_that_is_gone_answers_from_its_file(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted], invoke: Invoke, task_file: str, workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first = moved("--from", "x/old", "--to", "x/new", "--margin", "0.05")
    done = invoke("migrate", "--task", task_file, *OPTIONS, "--from", "x/old", "--freeze", "old.jsonl")
    assert done.exit_code == 0, done.stderr
    assert "160 replies are in old.jsonl" in done.stderr
    asked = models["old"].calls
    monkeypatch.setenv("PROMPTOPT_HOME", str(workplace / "another"))
    again = moved("--reference", "old.jsonl", "--to", "x/new", "--margin", "0.05")
    assert models["old"].calls == asked
    assert (again["targets"], again["matrix"]) == (first["targets"], first["matrix"])
    done = invoke("migrate", "--task", task_file, *OPTIONS, "--reference", "old.jsonl", "--to", "x/new", "--seed", "1")
    assert (done.exit_code, "freeze it anew" in done.stderr) == (1, True)


class Ending(Scripted):
    """A model whose server says that it is served until 2099."""

    def announced_end(self) -> date:
        return date(2099, 1, 31)


def test_a_model_that_is_served_for_some_time_only_is_told_of(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted], invoke: Invoke, task_file: str
) -> None:
    models["old"] = Ending(right, name="x/old")
    found = moved("--from", "x/old", "--to", "x/same", "--margin", "0.05")
    (said,) = (each for each in found["warnings"] if "is served until" in each)
    assert said.startswith("x/old is served until 2099-01-31, for ")
    done = invoke("migrate", "--task", task_file, "--from", "x/old", "--freeze", "ending.jsonl", "--quiet")
    assert "Warning: x/old is served until 2099-01-31" in done.stderr


@pytest.mark.slow
def test_without_labels_its_replies_are_the_targets_and_a_judge_says_whether_others_serve(
    moved: Callable[..., dict[str, Any]], models: dict[str, Scripted], invoke: Invoke, workplace: Path
) -> None:
    rows = "".join(json.dumps({"text": f"item {n} {('good', 'bad')[n % 2]}"}) + "\n" for n in range(240))
    (workplace / "bare.jsonl").write_text(rows, encoding="utf-8")
    told = 'instruction = "Say."\nmax_tokens = 8\n[data]\nfile = "bare.jsonl"\ninput = "text"\n'
    (workplace / "bare.toml").write_text(told + '[judge]\nevaluator = "equivalence"\n', "utf-8")
    found = moved("--from", "x/old", "--to", "x/same", "--margin", "0.1", task="bare.toml")
    assert (found["evaluator"], found["basis"]) == ("equivalence", "judge")
    assert models["judge"].calls == 0  # the same replies tie without one
    found = moved("--from", "x/old", "--to", "x/bad", "--margin", "0.1", task="bare.toml")
    assert models["judge"].calls > 0
    assert found["targets"][0]["gain"]["mean"] == 0.0  # this judge says that all serve alike
    assert found["targets"][0]["kept"]
    again = ("--from", "x/old", "--to", "x/bad", "--margin", "0.1", "--task", "bare.toml")
    said = invoke("migrate", *OPTIONS[:-2], *again).stdout
    assert "x/bad: by a judge's word the old prompt is no worse there" in said
    # Nothing was searched, so there is no run whose replies people could label.
    assert "This is a judge's word" in said
    assert "promptopt label" not in said


@pytest.mark.parametrize(
    ("more", "said"),
    [(("--from", "x/old"), "name one with --to"), (("--to", "x/new"), "name it with --from"),
     (("--from", "x/old", "--to", "x/new", "--margin", "3"), "margin of 3"),
     (("--reference", "no.jsonl", "--to", "x/new"), "cannot be read"),
     (("--reference", "mood.toml", "--to", "x/new"), "holds no recorded replies"),
     (("--from", "x/old", "--to", "x/old"), "'x/old' is named twice, so there is nothing to move"),
     (("--from", "x/old", "--to", "X/OLD"), "are one model, so there is nothing to move"),
     (("--from", "x/old", "--to", "mirror/old"), "'x/old' and 'mirror/old' are one model"),
     (("--from", "x/old", "--to", "x/new,x/old"), "so there is nothing to move"),
     (("--from", "x/old", "--to", "x/new, x/same ,x/new"), "'x/new' is named twice; name each model")],
)  # fmt: skip
def test_what_is_missing_is_said(
    more: tuple[str, ...], said: str, invoke: Invoke, task_file: str, models: dict[str, Scripted]
) -> None:
    done = invoke("migrate", "--task", task_file, *OPTIONS, *more)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_a_file_of_two_models_is_refused(
    invoke: Invoke, task_file: str, models: dict[str, Scripted], workplace: Path
) -> None:
    row = {"request": Request("a").to_json(), "reply": Reply("b").to_json()}
    lines = [json.dumps({**row, "model": name}) for name in ("x/old", "x/older")]
    (workplace / "two.jsonl").write_text("\n".join(lines), encoding="utf-8")
    done = invoke("migrate", "--task", task_file, *OPTIONS, "--reference", "two.jsonl", "--to", "x/new")
    assert (done.exit_code, "x/old and of x/older" in done.stderr) == (2, True)


def test_a_place_that_is_none_and_a_model_without_a_name_are_refused_before_anything_is_asked(
    task_file: str, invoke: Invoke, models: dict[str, Scripted]
) -> None:
    frozen = invoke("migrate", "--task", task_file, "--from", "x/old", "--freeze", "none/replies.jsonl")
    unnamed = invoke("migrate", "--task", task_file, "--from", "x/old", "--to", "x/new,,x/same")
    assert (frozen.exit_code, unnamed.exit_code) == (2, 2)
    assert "there is no folder 'none'; make it" in " ".join(frozen.stderr.split())
    assert "name the models as A,B,C" in " ".join(unnamed.stderr.split())
    assert not any(model.calls for model in models.values())


@pytest.mark.slow
def test_a_search_that_found_nothing_better_is_told(
    invoke: Invoke, task_file: str, models: dict[str, Scripted]
) -> None:
    options = [each for each in OPTIONS if each != "--json"]
    to = ("--from", "x/old", "--to", "x/bad,x/same", "--margin", "0.1", "--max-evaluations", "200")
    said = invoke("migrate", "--task", task_file, *options, *to).stdout
    assert re.search(r"x/bad: .*; a search there found no better prompt \(`promptopt runs show \w+`\)", said)
    assert not re.search(r"x/same: .*a search there", said)
