"""`promptopt migrate` with a target that cannot be asked: the others are moved, and a rerun goes on with that one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import BETTER, Invoke, answer, opened_by_name
from typer.testing import Result

from promptopt.cli.migration_tables import columns_of, names_shown
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.types import Request
from tests.servers import HANG, Answer, Asked, FakeServer, Script, failure, reply

OPTIONS = ("--method", "climb", "--proposer", "openai/writer", "--train", "20", "--dev", "20", "--test", "60",
           "--margin", "0.13")  # fmt: skip
HURRIED = RetryPolicy(total_s=0.5, contact_s=0.3, first_s=0.01, longest_s=0.05)


def planted(asked: Asked) -> Answer:
    """Wrong on every third text under the old prompt, right under the better one."""
    number = asked.text.rpartition("item ")[2].split()[0]
    return reply("good" if number == "7" else answer(Request(asked.text)))


def right(asked: Asked) -> Answer:
    return reply(asked.text.rpartition("item ")[2].split()[1])


def hanging(_: Asked) -> Answer:
    return HANG


class Provider:
    """One server with several models: each answers by its script, and how often it was asked is counted."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {"writer": lambda _: reply(BETTER), "new": planted}
        self.asked: dict[str, int] = {}
        self.bodies: list[bytes] = []

    def __call__(self, asked: Asked) -> Answer:
        name = asked.payload["model"]
        self.asked[name] = self.asked.get(name, 0) + 1
        found = self.scripts.get(name, right)(asked)
        if found.status == 200 and not found.fault:
            self.bodies.append(asked.body)
        return found


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def migrate(
    invoke: Invoke, task_file: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    with FakeServer(provider) as server:
        opened: list[OpenAIModel] = []

        def opening(spec: str, **_: object) -> OpenAIModel:
            name = spec.rpartition("/")[2]
            # A busy machine may take its time: only who never answers is not waited for.
            wait_s = 0.3 if provider.scripts.get(name) is hanging else 60.0
            model = OpenAIModel(name, base_url=server.url, served_as="lab", retry_policy=HURRIED, timeout_s=wait_s)
            opened.append(model)
            return model

        monkeypatch.setattr(specs, "open_model", opening)

        def run(targets: str, *more: str) -> Result:
            provider.asked.clear()
            return invoke("migrate", "--task", task_file, *OPTIONS, "--from", "openai/old", "--to", targets, *more)

        yield run
        for model in opened:
            model.close()


def found(done: Result) -> dict[str, Any]:
    """Without the seconds that replies took: they differ each time, and none are of what is in the store."""
    assert done.stdout, done.stderr
    return json.loads(done.stdout, object_hook=_without_latency)


def _without_latency(held: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in held.items() if name != "latency"}


def one_line(text: str) -> str:
    return " ".join(text.split())


DEAD = {
    "refuses the key": (lambda _: failure(401, "Incorrect API key", code="invalid_api_key"), "answered 401"),
    "is down": (lambda _: failure(500, "oops"), "answered 500"),
    "never answers": (hanging, "gave no answer within 0.3 s"),
    "takes no such request": (lambda _: failure(400, "Unsupported parameter"), "answered 400"),
    "has too short a context": (
        lambda _: failure(400, "maximum context length is 8 tokens", code="context_length_exceeded"),
        "each of its 60 replies is without text (the prompt is too long for the model's context)",
    ),
    "says nothing": (lambda _: reply(""), "each of its 60 replies is empty"),
    "is cut off in its thoughts": (lambda _: reply("<think>well", finish="length"), "raise the task's max_tokens"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", DEAD)
def test_a_target_that_cannot_be_asked_leaves_the_others_as_they_would_be(
    kind: str, migrate: Callable[..., Result], provider: Provider
) -> None:
    script, said = DEAD[kind]
    provider.scripts["dead"] = script
    done = migrate("openai/same,openai/dead,openai/new", "--json")
    assert done.exit_code == 1
    moved = found(done)
    assert [(each["model"].partition("@")[0], each["kept"], each["status"]) for each in moved["targets"]] == [
        ("openai/same", True, "non-inferior"), ("openai/new", False, "non-inferior")
    ]  # fmt: skip
    assert not moved["done"]
    (missing,) = moved["missing"]
    assert missing["model"].startswith("openai/dead@")
    assert said in missing["reason"]
    cells = [[cell is not None for cell in row["cells"]] for row in moved["matrix"]]
    silent = missing["reason"].startswith("each of its")
    assert cells == [[True, silent, True], [True, False, True]]
    shown = migrate("openai/same,openai/dead,openai/new", "--quiet")
    assert shown.exit_code == 1
    assert f"{missing['model'].partition('@')[0]}: not moved there: " in shown.stdout
    assert said in one_line(shown.stdout)
    assert "openai/new: a new prompt is no worse there" in shown.stdout
    assert shown.stdout.count("run the same command") == 1 + ("see that the server is up" in shown.stdout)
    assert set(provider.asked) <= {"dead"}, "what was had is not asked for again"


@pytest.mark.slow
def test_a_rerun_goes_on_with_the_missing_target_pays_nothing_twice_and_moves_no_other_verdict(
    migrate: Callable[..., Result], provider: Provider
) -> None:
    provider.scripts["dead"] = lambda _: failure(401, "Incorrect API key", code="invalid_api_key")
    before = found(migrate("openai/same,openai/dead,openai/new", "--json"))
    provider.scripts["dead"] = planted
    done = migrate("openai/same,openai/dead,openai/new", "--json")
    assert done.exit_code == 0
    after = found(done)
    assert set(provider.asked) <= {"dead", "writer"}
    assert len(provider.bodies) == len(set(provider.bodies)), "nothing was answered twice"
    assert after["missing"] == []
    # The verdict that was lacking has the share of the level that was set aside for it.
    kept = [each for each in after["targets"] if "/dead@" not in each["model"]]
    assert kept == before["targets"]
    assert len({cell["gain"]["alpha"] for row in after["matrix"] for cell in row["cells"]}) == 1
    again = migrate("openai/same,openai/dead,openai/new", "--json")
    assert (found(again), provider.asked) == (after, {})


@pytest.mark.slow
@pytest.mark.parametrize("answered", [30, 80])
def test_a_target_that_dies_midway_goes_on_where_it_stood(
    answered: int, migrate: Callable[..., Result], provider: Provider
) -> None:
    def dying(asked: Asked) -> Answer:
        known = provider.asked["dead"] <= answered
        return planted(asked) if known else failure(401, "no", code="invalid_api_key")

    provider.scripts["dead"] = dying
    done = migrate("openai/dead,openai/same", "--json")
    assert done.exit_code == 1
    before = found(done)
    assert len(before["missing"]) == len(before["targets"]) == 1
    # In the search the old prompt was measured there already.
    assert (before["matrix"][0]["cells"][0] is not None) == (answered > 60)
    provider.scripts["dead"] = planted
    done = migrate("openai/dead,openai/same", "--json")
    assert (done.exit_code, found(done)["targets"][1]) == (0, before["targets"][0])
    assert len(provider.bodies) == len(set(provider.bodies))
    assert "same" not in provider.asked or provider.asked["same"] == 60, "under the prompt that was found"


@pytest.mark.slow
def test_a_target_that_has_its_verdict_and_dies_then_lacks_a_cell_alone(
    migrate: Callable[..., Result], provider: Provider
) -> None:
    provider.scripts["same"] = lambda asked: right(asked) if provider.asked["same"] <= 60 else failure(500, "oops")
    done = migrate("openai/same,openai/new", "--json")
    moved = found(done)
    assert (done.exit_code, moved["done"], moved["missing"]) == (0, True, [])
    assert [[cell is None for cell in row["cells"]] for row in moved["matrix"]] == [[False, False], [True, False]]
    assert any("not all prompts were tried on openai/same@lab: " in each for each in moved["warnings"])


@pytest.mark.slow
def test_all_targets_may_be_missing_and_come_later(migrate: Callable[..., Result], provider: Provider) -> None:
    for name in ("same", "new"):
        provider.scripts[name] = lambda _: failure(404, "no such model", code="model_not_found")
    done = migrate("openai/same,openai/new", "--json")
    moved = found(done)
    assert (done.exit_code, moved["targets"], len(moved["missing"])) == (1, [], 2)
    assert moved["reference"]["score"] == 1.0
    assert "not moved there" in migrate("openai/same,openai/new").stdout
    provider.scripts = {"writer": provider.scripts["writer"], "new": planted}
    done = migrate("openai/same,openai/new", "--json")
    assert (done.exit_code, "old" in provider.asked) == (0, False)


@pytest.mark.parametrize(
    ("script", "said"),
    [(lambda _: failure(401, "Incorrect API key", code="invalid_api_key"), "answered 401"),
     (lambda _: failure(404, "no such model", code="model_not_found"), "answered 404"), (hanging, "gave no answer")],
)  # fmt: skip
@pytest.mark.slow
def test_a_dead_source_is_told_in_one_sentence_before_anything_is_paid(
    script: Script, said: str, migrate: Callable[..., Result], provider: Provider
) -> None:
    provider.scripts["old"] = script
    done = migrate("openai/same,openai/new", "--quiet")
    assert (done.exit_code, done.stdout) == (1, "")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: openai/old@lab under the old prompt is the reference, and it could not be scored")
    assert said in last
    assert set(provider.asked) == {"old"}
    assert provider.bodies == []


@pytest.mark.slow
def test_a_source_that_says_nothing_is_no_reference(migrate: Callable[..., Result], provider: Provider) -> None:
    provider.scripts["old"] = lambda _: reply("")
    done = migrate("openai/same", "--quiet")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "each of its replies is without text" in done.stderr


def test_a_source_without_labels_that_is_dead_is_told_before_anything_is_paid(
    invoke: Invoke, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {
        "old": Scripted(lambda _: "yes", name="x/old", fail_at=1),
        "new": Scripted(lambda _: "yes", name="x/new"),
        "judge": Scripted(lambda _: '{"better": "tie"}', name="x/judge"),
    }
    monkeypatch.setattr(specs, "open_model", opened_by_name(known))
    (workplace / "bare.jsonl").write_text("".join(json.dumps({"text": f"item {n}"}) + "\n" for n in range(60)), "utf-8")
    told = 'instruction = "Say."\nmax_tokens = 8\n[data]\nfile = "bare.jsonl"\ninput = "text"\n'
    (workplace / "bare.toml").write_text(told + '[judge]\nevaluator = "equivalence"\n', "utf-8")
    ends = ("--from", "x/old", "--to", "x/new", "--judge", "x/judge")
    done = invoke("migrate", "--task", "bare.toml", "--train", "20", "--dev", "20", "--test", "20", *ends, "--quiet",
                  "--method", "climb")  # fmt: skip
    assert (done.exit_code, "x/old under the old prompt is the reference" in done.stderr) == (1, True), done.stderr
    assert known["new"].calls == known["judge"].calls == 0


def test_models_are_called_by_what_tells_them_apart_alone() -> None:
    def shown(*names: str) -> str:
        found: Any = SimpleNamespace(reference=SimpleNamespace(model=names[0]), models=names[1:], missing=())
        return columns_of([["prompt", *names]], names_shown(found))

    small, large = (f"llamacpp/embedded/{size}@9f8e:exact:4096:plain:1.2" for size in ("small", "small-2"))
    assert shown(small, large, "openai/gpt") == "prompt  embedded/small  embedded/small-2  openai/gpt"
    # Two that would be called the same keep their full names, as do all beside them.
    assert shown(small, small.replace("4096", "8192"), large) == "  ".join(
        ["prompt", small, small.replace("4096", "8192"), large]
    )
