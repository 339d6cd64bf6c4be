"""`promptopt evaluate` of prompts over several tasks, and what it calls that which scored them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Invoke, text_of

from promptopt.models.scripted import Scripted
from promptopt.types import Request

CAPS = ("--train", "20", "--dev", "80", "--test", "40", "--model", "scripted", "--quiet")


@pytest.fixture
def model() -> Scripted:
    """Right on half of all; under "New" on all of the inn's, and on none of the ferry's."""

    def reply(request: Request) -> str:
        text = text_of(request)
        number = text.rpartition("item ")[2].split()[0]
        right = int(number) % 2 == 0 if "New" not in text else "inn:" in text
        return f"the {number}" if right else "no"

    return Scripted(reply, name="scripted/one")


@pytest.fixture
def tasks(workplace: Path) -> str:
    for name, metric in (("inn", "f1"), ("ferry", "exact")):
        rows = [{"text": f"{name}: item {number} ?", "right": f"the {number}"} for number in range(300)]
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        Path(f"{name}.toml").write_text(
            f'instruction = "Say it."\nmetric = "{metric}"\nmax_tokens = 8\n[data]\nfile = "{name}.jsonl"\n'
            f'input = "text"\ntarget = "right"\n',
            encoding="utf-8",
        )
    return "inn.toml,ferry.toml"


def test_by_the_worst_task_no_prompt_is_better_for_its_mean(invoke: Invoke, tasks: str) -> None:
    both = ("--prompt", "Old.", "--prompt", "New.")
    found = invoke("evaluate", "--task", tasks, *CAPS, *both, "--objective", "worst")
    assert found.exit_code == 0, found.stderr
    row = next(line for line in found.stdout.splitlines() if line.startswith("B "))
    assert "worse" in row.split()
    assert row.split()[-2:] == ["ferry", "New."]
    assert "Against A: the smallest gain of 2 tasks on the same examples, its 95 % interval" in found.stdout
    assert "The mean on each task, B: inn 1.000, ferry 0.000." in found.stdout
    told = json.loads(invoke("evaluate", "--task", tasks, *CAPS, *both, "--objective", "worst", "--json").stdout)[
        "prompts"
    ]
    assert told[1]["against_first"]["smallest_gain"]["task"] == "ferry"
    assert told[1]["by_member"] == {"inn": 1.0, "ferry": 0.0}


def test_a_floor_that_is_not_held_is_told(invoke: Invoke, tasks: str) -> None:
    both = ("--prompt", "Old.", "--prompt", "New.", "--objective", "floors", "--floor", "0.2", "--weights", "5,1")
    sizes = ("--dev", "120", "--test", "120", "--train", "20", "--model", "scripted", "--quiet")
    found = invoke("evaluate", "--task", tasks, *sizes, *both)
    assert found.exit_code == 0, found.stderr
    assert "no evidence" in next(line for line in found.stdout.splitlines() if line.startswith("B "))
    assert "B: better in the mean, but the floor of ferry (20 points) is " in found.stdout


def test_what_scores_is_called_by_the_metric_that_a_person_chose(invoke: Invoke, tasks: str) -> None:
    alone = invoke("evaluate", "--task", "inn.toml", *CAPS)
    assert alone.stdout.startswith("inn, 80 dev examples, f1 on scripted/one\n")
    prompts = invoke("evaluate", "--task", "inn.toml", *CAPS, "--prompt", "Old.", "--prompt", "New.")
    assert prompts.stdout.startswith("inn, the same 80 dev examples, f1 on scripted/one\n")
    several = invoke("evaluate", "--task", tasks, *CAPS)
    assert ", inn by f1, ferry by exact on scripted/one\n" in several.stdout
    Path("ferry.toml").write_text(
        Path("ferry.toml").read_text(encoding="utf-8").replace('"exact"', '"f1"'), encoding="utf-8"
    )
    assert ", f1 on scripted/one\n" in invoke("evaluate", "--task", tasks, *CAPS).stdout
    # Scripts that read it find what they always found, and the metric beside it.
    told = json.loads(invoke("evaluate", "--task", "inn.toml", *CAPS, "--json").stdout)
    assert (told["evaluator"], told["scored_by"]) == ("generation", "f1")


OBJECTIVES = {
    "mean": ((), "points or more in the mean is found"),
    "weighted": (("--weights", "3,1"), "points or more in the weighted mean is found"),
    "worst": ((), "points or more on each of 2 tasks is found four times in five"),
    "floors": (("--floor", "0.3"), "points or more in the mean is found"),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_a_test_can_show_is_said_of_what_is_tested(objective: str, invoke: Invoke, tasks: str) -> None:
    more, said = OBJECTIVES[objective]
    options = ("--method", "climb", "--model", "scripted", "--train", "20", "--dev", "20", "--test", "80", *more)
    done = invoke("optimize", "--task", tasks, *options, "--objective", objective, "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert said in done.stdout
    begun = invoke("optimize", "--task", tasks, *options, "--objective", objective).stderr
    assert said in begun
    assert ("the smallest floors that the test can hold" in begun) == (objective == "floors")


@pytest.mark.parametrize("same", [True, False])
def test_a_check_and_its_summary_name_the_metric(same: bool, invoke: Invoke, tasks: str) -> None:
    given = ("--prompt", "Say it." if same else "Say so.", "--summary", "s.md", "--margin", "0.5")
    found = invoke("check", "--task", "inn.toml", *CAPS[:-1], *given)
    assert found.exit_code == 0, found.stderr
    assert f", f1 on {'scripted' if same else 'scripted/one'}\n" in found.stdout
    assert "Scored by `f1` on" in Path("s.md").read_text(encoding="utf-8")
    assert "generation" not in found.stdout
