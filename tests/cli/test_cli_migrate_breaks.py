"""What `promptopt migrate` tells apart of replies: how long they took, and whether they keep the task's schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Invoke

from promptopt.migration import Latency
from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.models.server.openai import OpenAIModel
from tests.servers import Answer, Asked, FakeServer, failure, reply

OPTIONS = ("--method", "climb", "--proposer", "x/writer", "--train", "20", "--dev", "20", "--test", "40",
           "--margin", "0.3", "--from", "x/old", "--to", "x/new")  # fmt: skip
SLOW_S = 0.2


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two models that are always right, of which the new one takes its time."""

    def script(asked: Asked) -> Answer:
        # Whether the model is served for long, which nobody says here.
        if not asked.body:
            return failure(404)
        slow = asked.payload["model"] == "new"
        return reply(asked.text.rpartition("item ")[2].split()[1], latency_s=SLOW_S if slow else 0.0)

    with FakeServer(script) as server:
        opened: dict[str, OpenAIModel] = {}

        def opening(spec: str, **_: object) -> OpenAIModel:
            name = spec.rpartition("/")[2]
            return opened.setdefault(name, OpenAIModel(name, base_url=server.url, served_as="lab"))

        monkeypatch.setattr(specs, "open_model", opening)
        yield
        for model in opened.values():
            model.close()


@pytest.mark.slow
def test_replies_that_were_asked_for_are_timed_and_those_out_of_the_store_are_not(
    served: None, invoke: Invoke, task_file: str
) -> None:
    first = invoke("migrate", "--task", task_file, *OPTIONS, "--json", "--quiet")
    assert first.exit_code == 0, first.stderr
    told = json.loads(first.stdout)
    old, new = told["reference"]["latency"], told["targets"][0]["latency"]
    assert (old["n"], new["n"]) == (40, 40)
    assert SLOW_S <= new["p50"] <= new["p95"]
    assert 0.0 < old["p50"] <= old["p95"]

    again = invoke("migrate", "--task", task_file, *OPTIONS, "--quiet")
    assert "Latency is not known. Seconds from a request to its whole reply" in again.stdout
    assert json.loads(
        invoke("migrate", "--task", task_file, *OPTIONS, "--json", "--quiet").stdout
    )["targets"][0]["latency"] is None  # fmt: skip


@pytest.mark.slow
def test_the_latency_is_a_table_of_its_own(served: None, invoke: Invoke, task_file: str) -> None:
    said = invoke("migrate", "--task", task_file, *OPTIONS, "--quiet").stdout.splitlines()
    at = next(place for place, line in enumerate(said) if line.startswith("seconds a reply"))
    assert said[at].split()[3:] == ["half", "of", "them", "95", "%", "timed"]
    assert [line.rpartition(" ")[2] for line in said[at + 1 : at + 3]] == ["40", "40"]
    assert said[at + 2].startswith("old prompt, openai/new  ")


@pytest.mark.parametrize(
    ("seconds", "found"),
    [((), None), ((2.0,), Latency(1, 2.0, 2.0)), ((3.0, 1.0, 2.0), Latency(3, 2.0, 3.0)),
     (tuple(map(float, range(100, 0, -1))), Latency(100, 50.0, 95.0))],
)  # fmt: skip
def test_half_of_all_and_95_of_a_hundred_took_no_longer(seconds: tuple[float, ...], found: Latency | None) -> None:
    assert Latency.of(seconds) == found


def test_replies_that_break_the_schema_are_counted_on_each_model(
    invoke: Invoke, task_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jsonschema")

    def said(mark: str) -> Scripted:
        return Scripted(lambda request: f'"{mark}good"' if mark else "good", name=f"x/{mark}")

    known = {"old": said("is "), "new": said(""), "writer": said("w")}

    def opening(spec: str, **_: object) -> Scripted:
        return known[spec.rpartition("/")[2]]

    monkeypatch.setattr(specs, "open_model", opening)
    path = Path(task_file)
    path.write_text(f'{path.read_text(encoding="utf-8")}\n[contract]\noutput_schema = {{ type = "string" }}\n',
                    encoding="utf-8")  # fmt: skip
    done = invoke("migrate", "--task", task_file, *OPTIONS, "--json", "--quiet")
    told = json.loads(done.stdout)
    assert told["reference"]["replies"]["schema"] == 0
    assert told["targets"][0]["replies"]["schema"] == 40
    shown = invoke("migrate", "--task", task_file, *OPTIONS, "--quiet").stdout
    assert "unreadable  break the schema\n" in shown
    # What is no schema is told before anything is asked.
    path.write_text(path.read_text(encoding="utf-8").replace('"string"', '"text"'), encoding="utf-8")
    calls = known["old"].calls
    assert invoke("migrate", "--task", task_file, *OPTIONS, "--test", "41").exit_code == 2
    assert known["old"].calls == calls
