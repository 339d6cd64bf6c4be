from __future__ import annotations

import json
from pathlib import Path

import pytest

import promptopt
from promptopt import Task
from promptopt.models.scripted import Scripted
from promptopt.tasks.reading.columns import Columns
from promptopt.tasks.several_answers import several_right
from promptopt.tasks.splits import Pool
from promptopt.types import Example


def right(target: str, metric: str | None = "exact") -> tuple[str, ...]:
    (example,) = several_right(Pool((Example.of(target, q="?"),)), metric).rows
    return (example.target, *example.accepted)


@pytest.mark.parametrize(
    ("target", "metric", "texts"),
    [
        ('["Paris", "City of Light"]', "exact", ("Paris", "City of Light")),
        ('["Paris", " Paris ", ""]', "contains", ("Paris",)),
        ('["Paris"]', None, ("Paris",)),
        ("[5, 5.5]", "number", ("5", "5.5")),
        ('[5, "five"]', "exact", ('[5, "five"]',)),
        ("[1, 2]", "exact", ("[1, 2]",)),
        ("[true]", "number", ("[true]",)),
        ("[]", "exact", ("[]",)),
        ('[""]', "exact", ('[""]',)),
        ('["a", "b"]', "set_f1", ('["a", "b"]',)),
        ('["a", "b"]', "json", ('["a", "b"]',)),
        ('["a", "b"]', "mine:metric", ('["a", "b"]',)),
        ("['Paris', \"l'Étoile\"]", "exact", ("Paris", "l'Étoile")),
        ('{"text": ["Paris", "City"], "answer_start": [0, 5]}', "f1", ("Paris", "City")),
        ('{"value": "Paris", "aliases": ["City"], "type": "x"}', "exact", ("Paris", "City")),
        ('{"answer": ["Paris", "City"]}', "exact", ("Paris", "City")),
        ('{"answers": ["Paris", "City"]}', "contains", ("Paris", "City")),
        ('{"text": ["Paris"]}', "f1", ("Paris",)),
        ('{"answer": "Paris", "aliases": ["City"]}', "exact", ("Paris", "City")),
        ('{"answer": {"value": "Paris", "aliases": ["City"]}}', "exact", ("Paris", "City")),
        ('{"aliases": ["Paris", "City"]}', "exact", ("Paris", "City")),
        ("['Paris' 'City of Light']", "exact", ("Paris", "City of Light")),
        ("['Paris'\n \"l'Étoile\"]", "exact", ("Paris", "l'Étoile")),
        ('{"answer": "Paris", "text": "City"}', "exact", ('{"answer": "Paris", "text": "City"}',)),
        ('{"answer": {"city": "Paris"}}', "exact", ('{"answer": {"city": "Paris"}}',)),
        ('{"text": ["Paris"], "mood": 1}', "exact", ('{"text": ["Paris"], "mood": 1}',)),
        ("['a', b]", "exact", ("['a', b]",)),
        ("[" * 5000, "exact", ("[" * 5000,)),
        ("[not json]", "exact", ("[not json]",)),
        ("Paris", "exact", ("Paris",)),
    ],
)
def test_a_list_of_texts_is_several_right_answers(target: str, metric: str | None, texts: tuple[str, ...]) -> None:
    assert right(target, metric) == texts


def test_it_is_said_how_many_rows_have_several() -> None:
    pool = Pool((Example.of('["a", "b"]', q="1"), Example.of("c", q="2")), warnings=("before",))
    assert several_right(pool, "exact").warnings == (
        "before",
        "in 1 rows the target is a list: each entry of it is a right answer",
    )
    plain = Pool((Example.of("c", q="2"),))
    assert several_right(plain, "exact") is plain


@pytest.mark.parametrize("kind", ["jsonl", "csv", "toml"])
def test_each_right_answer_of_a_column_counts(tmp_path: Path, kind: str) -> None:
    data = tmp_path / ("data.csv" if kind == "csv" else "data.jsonl")
    rows = [(f"q{n}", ["Paris", "City of Light"]) for n in range(20)]
    lines = [json.dumps({"q": q, "answer": answers}) for q, answers in rows]
    if kind == "csv":
        lines = ["q,answer", *(f'{q},"{json.dumps(answers).replace(chr(34), chr(34) * 2)}"' for q, answers in rows)]
    data.write_text("\n".join(lines), encoding="utf-8")
    if kind == "toml":
        toml = tmp_path / "paris.toml"
        toml.write_text('instruction = "Answer."\n[data]\nfile = "data.jsonl"\ninput = "q"\ntarget = "answer"\n')
        task = Task.from_file(toml)
    else:
        task = Task.from_file(data, columns=Columns("q", "answer"), prompt="Answer.")
    assert any("each entry" in warning for warning in task.warnings)
    measured = promptopt.evaluate(task, model=Scripted(lambda request: "City of Light"))
    assert measured.measured.score == 1.0


def test_json_that_is_compared_as_a_text_is_said() -> None:
    def said(target: str, metric: str | None) -> list[str]:
        return [each for each in several_right(Pool((Example.of(target, q="1"),)), metric).warnings if "JSON" in each]

    (warning,) = said('{"city": "Paris"}', "contains")
    assert "in 1 row the target is JSON" in warning
    assert "use the metric 'json'" in warning
    assert said("[]", "exact")
    for target, metric in [('{"city": "Paris"}', "json"), ("[1, 2]", "exact"), ("{x}", "exact"), ("[]", None)]:
        assert not said(target, metric)
